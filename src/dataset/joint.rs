//! The joint side of a dataset: its evidence, and the settings that it was called with.

use super::Dataset;
use super::stream::{FileStream, Select};
use crate::call::joint::settings::JointSettings;
use crate::call::joint::sweep::JointCohort;
use crate::decode::gvcf;
use crate::error::{Error, Result};
use crate::evidence::contig_rows;
use crate::genome::sex::Sex;
use crate::genome::{Contig, Contigs};
use crate::joint::{EvidencePart, EvidenceRange};
use arrow_array::Array;

/// Name of the setting that holds the settings of joint calling, as JSON.
pub const JOINT_SETTING: &str = "joint";

/// A dataset that was called from gVCFs.
pub struct JointDataset {
    /// Settings and samples.
    pub cohort: JointCohort,
    /// In order.
    pub contigs: Contigs,
    parts: Vec<EvidencePart>,
}

impl JointDataset {
    /// Whether a dataset was called jointly.
    pub fn is_joint(dataset: &Dataset) -> bool {
        dataset.manifest().settings.get(JOINT_SETTING).is_some_and(|text| text != "null")
    }

    /// `None` for a dataset that was not called jointly.
    pub fn open(dataset: &Dataset) -> Result<Option<JointDataset>> {
        let Some(text) = dataset.manifest().settings.get(JOINT_SETTING).filter(|text| *text != "null") else {
            return Ok(None);
        };
        let settings: JointSettings = serde_json::from_str(text)
            .map_err(|error| Error::bad_data(format!("the manifest's setting {JOINT_SETTING}: {error}")))?;
        let (readings, sexes) = samples(dataset)?;
        let contigs = Contigs::from_list(
            dataset.manifest().contigs.iter().map(|contig| Contig { name: contig.name.clone(), length: contig.length }),
        );
        let mut parts = Vec::new();
        for file in dataset.files("ref_blocks") {
            let path = dataset.full_path(file)?;
            let rows = contig_rows(&path)?;
            parts.push(EvidencePart { blocks: Some((path, rows)), records: None });
        }
        for file in dataset.files("evidence") {
            let path = dataset.full_path(file)?;
            let rows = contig_rows(&path)?;
            parts.push(EvidencePart { blocks: None, records: Some((path, rows)) });
        }
        Ok(Some(JointDataset { cohort: JointCohort { settings, readings, sexes }, contigs, parts }))
    }

    /// The evidence for sites in `[from, to)` of a contig.
    pub fn range(&self, contig: u32, from: i32, to: i32) -> Result<EvidenceRange<'_>> {
        EvidenceRange::read(&self.cohort, &self.parts, &self.contigs, contig, from, to)
    }
}

type Samples = (Vec<gvcf::Reading>, Vec<Option<Sex>>);

fn samples(dataset: &Dataset) -> Result<Samples> {
    let (mut readings, mut sexes) = (Vec::new(), Vec::new());
    for file in dataset.files("samples") {
        let columns = Select::columns(&["sex", "dialect"]);
        for batch in FileStream::open(&dataset.full_path(file)?, &columns)? {
            let batch = batch?;
            let (sex, dialect) = (batch.texts("sex")?, batch.texts("dialect")?);
            for row in 0..batch.n_rows() {
                let text =
                    |column: &arrow_array::StringArray| (!column.is_null(row)).then(|| column.value(row).to_owned());
                readings.push(gvcf::reading(text(dialect).as_deref().unwrap_or_default()));
                sexes.push(text(sex).and_then(|sex| Sex::parse(&sex)));
            }
        }
    }
    Ok((readings, sexes))
}
