//! Writes a dataset back to VCF or BCF, by site as it was in the input or by normalised allele.
//!
//! Sites are read in order on one thread while the lines of those before are formatted on all: memory is two windows of
//! sites and their batches. The output depends on the dataset and the settings alone.

pub mod bcf;
pub mod cell;
pub mod genotype;
pub mod header;
pub mod joint;
pub mod number;
pub mod record;
pub mod sink;

use crate::columns::schema::TableSchemas;
use crate::dataset::Dataset;
use crate::dataset::joint::JointDataset;
use crate::dataset::plain::begins_phased;
use crate::dataset::region::Region;
use crate::dataset::sites::{Columns, Site, SiteReader};
use crate::decode::header::Header;
use crate::error::{Error, Result};
use genotype::OtherAllele;
use header::HeaderChanges;
use joint::JointExport;
use rayon::prelude::*;
use record::{RecordFormat, Scratch};
use sink::{Lines, Sink};
use std::path::{Path, PathBuf};

/// What to write.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Parts of contigs; `None` is all.
    pub regions: Option<Vec<Region>>,
    /// Samples in the order of their columns; `None` is all.
    pub samples: Option<Vec<String>>,
    /// One record per normalised allele.
    pub split: bool,
    /// What other alleles are written as when split.
    pub other: OtherAllele,
    /// Replace AC, AN and AF.
    pub recount: bool,
    /// Of a joint call set: PL for samples that a reference block speaks for, too.
    pub fill_pl: bool,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records.
    pub n_records: u64,
    /// Sample columns.
    pub n_samples: usize,
    /// Index file, where there is one.
    pub index: Option<PathBuf>,
}

/// Sample cells that one worker formats at a time.
const CHUNK_CELLS: usize = 1 << 15;
/// Chunks per thread that are read ahead.
const CHUNKS_PER_THREAD: usize = 2;

/// Sites for one worker.
type Chunk = Vec<Site>;

/// Writes `dataset` to `output`.
pub fn export(dataset: &Dataset, output: &Path, settings: &Settings) -> Result<Summary> {
    sink::Kind::of_path(output)?;
    // a joint call set has counts of its own, and readers expect them
    let is_joint = JointDataset::is_joint(dataset);
    let settings = &Settings { recount: settings.recount || is_joint, ..settings.clone() };
    let text = dataset.header_text()?;
    let parsed = Header::parse(text.as_bytes())?;
    let names = dataset.sample_names()?;
    let mut format = RecordFormat::new(&TableSchemas::new(&parsed, !names.is_empty()), names.len());
    format.all_calls = dataset.has_all_calls();
    format.phased = begins_phased(dataset)?;
    format.split = settings.split;
    format.other = settings.other;
    format.recount = settings.recount;
    if let Some(wanted) = &settings.samples {
        format.samples = sample_columns(&names, wanted)?;
        format.all_samples = false;
    }
    let mut changes = HeaderChanges::undefined(dataset, &parsed)?;
    changes.recount = settings.recount;
    changes.samples = format.samples.iter().map(|&sample| names[sample].clone()).collect();
    changes.provenance = provenance(dataset, settings);
    let sink = Sink::create(output, &changes.apply(&text), rayon::current_num_threads())?;
    // the calls of split records are those of the tables
    let joint = if settings.split { None } else { JointDataset::open(dataset)? };
    let joint = joint.map(|dataset| JointExport { dataset, fill_pl: settings.fill_pl });
    write_records(dataset, settings, &format, joint.as_ref(), sink)
}

fn sample_columns(names: &[String], wanted: &[String]) -> Result<Vec<usize>> {
    let mut columns = Vec::with_capacity(wanted.len());
    for name in wanted {
        let Some(column) = names.iter().position(|known| known == name) else {
            return Err(Error::usage(format!("the dataset has no sample `{name}`"))
                .hint("`varbatch query DATASET \"SELECT sample FROM samples\"` lists them"));
        };
        if columns.contains(&column) {
            return Err(Error::usage(format!("sample `{name}` is named twice")));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// What the header says about the export. No clock and no path, so that the same export gives the same bytes.
fn provenance(dataset: &Dataset, settings: &Settings) -> String {
    let manifest = dataset.manifest();
    let mut text = format!("<Version={},Plan={}", env!("CARGO_PKG_VERSION"), manifest.plan_digest);
    text.push_str(if settings.split { ",Records=alleles" } else { ",Records=sites" });
    if settings.split && manifest.n_samples > 0 {
        let other = if settings.other == OtherAllele::Reference { "0" } else { "missing" };
        text.push_str(&format!(",OtherAllele={other}"));
    }
    if settings.recount {
        text.push_str(",Recounted=\"AC,AN,AF\"");
    }
    let from_evidence = JointDataset::is_joint(dataset) && !settings.split;
    if dataset.has_all_calls() || manifest.n_samples == 0 || from_evidence {
        text.push_str(",Calls=all");
    } else {
        text.push_str(
            ",Calls=carriers,Note=\"The dataset has no plain reference calls: they are written as 0/0 (0|0 where all \
             other calls of the record are phased, 0 where all are haploid), without their other fields\"",
        );
    }
    text.push('>');
    text
}

fn write_records(
    dataset: &Dataset,
    settings: &Settings,
    format: &RecordFormat,
    joint: Option<&JointExport>,
    mut sink: Sink,
) -> Result<Summary> {
    let mut summary = Summary { n_samples: format.samples.len(), ..Summary::default() };
    let columns = Columns {
        without_calls: format.samples.is_empty() || joint.is_some(),
        split: settings.split,
        ..Columns::default()
    };
    let chunk_sites = (CHUNK_CELLS / format.samples.len().max(1)).clamp(1, 1024);
    for contig in &dataset.manifest().contigs {
        let regions = settings
            .regions
            .as_ref()
            .map(|regions| regions.iter().filter(|region| region.contig == contig.name).cloned().collect::<Vec<_>>());
        if regions.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        let mut reader = SiteReader::open(dataset, &contig.name, &columns, regions.as_deref())?;
        let mut window = read_window(&mut reader, chunk_sites)?;
        while !window.is_empty() {
            let (next, lines) = rayon::join(
                || read_window(&mut reader, chunk_sites),
                || format_window(format, &contig.name, joint, &window),
            );
            for lines in lines? {
                summary.n_records += lines.records.len() as u64;
                sink.write(&contig.name, &lines)?;
            }
            window = next?;
        }
    }
    summary.index = sink.finish()?;
    Ok(summary)
}

/// Reads sites for all threads.
fn read_window(reader: &mut SiteReader, chunk_sites: usize) -> Result<Vec<Chunk>> {
    let mut window = Vec::new();
    for _ in 0..rayon::current_num_threads() * CHUNKS_PER_THREAD {
        let mut chunk = Chunk::new();
        while chunk.len() < chunk_sites
            && let Some(site) = reader.next_site()?
        {
            chunk.push(site);
        }
        if chunk.is_empty() {
            break;
        }
        window.push(chunk);
    }
    Ok(window)
}

fn format_window(
    format: &RecordFormat,
    contig: &str,
    joint: Option<&JointExport>,
    window: &[Chunk],
) -> Result<Vec<Lines>> {
    let format_chunk = |scratch: &mut Scratch, chunk: &Chunk| {
        let mut lines = Lines::default();
        let evidence = joint.map(|joint| joint.chunk(contig, chunk)).transpose()?;
        let mut columns = evidence.as_ref().map(|evidence| evidence.writer(chunk));
        for site in chunk {
            let start = lines.text.len();
            let extent = format.write(contig, site, columns.as_mut(), scratch, &mut lines.text)?;
            let bytes = u32::try_from(lines.text.len() - start)
                .map_err(|_| Error::bad_data(format!("the record at {contig}:{} is over 4 GiB", site.vcf_pos)))?;
            lines.records.push((bytes, extent));
        }
        Ok(lines)
    };
    window.par_iter().map_init(Scratch::default, format_chunk).collect()
}
