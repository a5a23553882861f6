//! The inputs as one cohort: groups of files with the same samples, merged header, samples in order.

use super::file::InputFile;
use super::gvcf;
use super::sheet::InputSpec;
use crate::columns::samples::SampleInfo;
use crate::decode::gvcf::Recognised;
use crate::decode::header::{Header, HeaderMerger};
use crate::error::{Error, Result};
use crate::genome::Contigs;
use crate::genome::contigs::MAX_CONTIGS;
use std::collections::{HashMap, HashSet};

/// Files with the same samples in the same order: pieces of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Indexes into [`Cohort::files`].
    pub files: Vec<usize>,
    /// Index of the group's first sample in the cohort.
    pub first_sample: usize,
    /// Number of its samples.
    pub n_samples: usize,
}

/// How the files belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// One group: the files follow each other.
    Concatenation,
    /// Several groups with different samples, to be merged by normalised allele.
    Merge,
    /// gVCFs: samples are called together from their evidence.
    Joint,
}

/// Whether samples are to be called together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Joint {
    /// When the inputs are gVCFs.
    #[default]
    Auto,
    /// Yes: every input is taken as a gVCF.
    Yes,
    /// No: records of gVCFs are loaded like any others.
    No,
}

/// Opened inputs.
#[derive(Debug)]
pub struct Cohort {
    /// In the order given.
    pub files: Vec<InputFile>,
    /// At least one.
    pub groups: Vec<Group>,
    /// Merged over all files.
    pub header: Header,
    /// Contigs in order; more may be added when the records use contigs that no header defines.
    pub contigs: Contigs,
    /// In cohort order.
    pub samples: Vec<SampleInfo>,
    /// What the files are as gVCFs, where samples are to be called together; else empty.
    pub gvcfs: Vec<Gvcf>,
}

/// A gVCF of a cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gvcf {
    /// Who wrote it.
    pub recognised: Recognised,
    /// Its samples in the order of columns, as indexes in the cohort.
    pub samples: Vec<u32>,
    /// Other files have the same samples.
    pub shares_samples: bool,
}

impl Cohort {
    /// Puts opened files together. `specs[i]` is what was said of `files[i]`.
    ///
    /// Of gVCFs that are called together, files and samples are in the order of sample names: the order in which they are
    /// given does not matter.
    pub fn new(mut files: Vec<InputFile>, specs: &[InputSpec], joint: Joint) -> Result<Cohort> {
        for (file, spec) in files.iter_mut().zip(specs) {
            rename_samples(file, spec)?;
        }
        if let Some(recognised) = gvcf::recognise(&mut files, joint)? {
            return Self::joint(files, specs, recognised);
        }
        let groups = group_by_samples(&files)?;
        let header = merged_header(&mut files);
        let contigs = (*header.contigs).clone();
        check_contigs(&contigs)?;
        let mut samples = Vec::new();
        for group in &groups {
            let first = &files[group.files[0]];
            samples.extend(first.header.samples.iter().map(|sample| SampleInfo {
                sample: sample.clone(),
                source: first.name.clone(),
                sex: None,
                dialect: None,
            }));
        }
        let mut cohort = Cohort { files, groups, header, contigs, samples, gvcfs: Vec::new() };
        cohort.set_sexes(specs)?;
        Ok(cohort)
    }

    fn joint(files: Vec<InputFile>, specs: &[InputSpec], recognised: Vec<Recognised>) -> Result<Cohort> {
        let (mut files, specs, recognised) = gvcf::in_order_of_samples(files, specs, recognised);
        let groups = group_by_samples(&files)?;
        let header = merged_header(&mut files);
        let contigs = (*header.contigs).clone();
        check_contigs(&contigs)?;
        let (samples, mut gvcfs) = gvcf::samples(&files, &recognised);
        for &file in groups.iter().filter(|group| group.files.len() > 1).flat_map(|group| &group.files) {
            gvcfs[file].shares_samples = true;
        }
        let mut cohort = Cohort { files, groups, header, contigs, samples, gvcfs };
        cohort.set_sexes(&specs)?;
        Ok(cohort)
    }

    /// How the files belong together.
    pub fn layout(&self) -> Layout {
        match (self.gvcfs.len(), self.groups.len()) {
            (0, 1) => Layout::Concatenation,
            (0, _) => Layout::Merge,
            _ => Layout::Joint,
        }
    }

    fn set_sexes(&mut self, specs: &[InputSpec]) -> Result<()> {
        let by_name: HashMap<String, usize> =
            self.samples.iter().enumerate().map(|(index, info)| (info.sample.clone(), index)).collect();
        for (file, spec) in self.files.iter().zip(specs) {
            for said in &spec.samples {
                let name = match &said.sample {
                    Some(name) => name,
                    None if file.header.samples.len() == 1 => &file.header.samples[0],
                    None => {
                        return Err(Error::usage(format!(
                            "the sheet gives a sex for {} without naming the sample, but the file has {} samples",
                            file.name,
                            file.header.samples.len()
                        )));
                    }
                };
                if let Some(&index) = by_name.get(name) {
                    self.samples[index].sex.clone_from(&said.sex);
                }
            }
        }
        Ok(())
    }
}

/// The header of the cohort. Files let go of their own lines: there may be thousands of files with thousands of lines.
fn merged_header(files: &mut [InputFile]) -> Header {
    let mut merger = HeaderMerger::new(&files[0].header);
    for file in &files[1..] {
        merger.add(&file.header);
    }
    files.iter_mut().for_each(|file| file.header.meta = Vec::new());
    merger.finish()
}

/// A sheet may name the only sample of a file; in other files it must name samples that are there.
fn rename_samples(file: &mut InputFile, spec: &InputSpec) -> Result<()> {
    let there: HashSet<&String> = match spec.samples.is_empty() {
        true => HashSet::new(),
        false => file.header.samples.iter().collect(),
    };
    let named = spec.samples.iter().filter_map(|said| said.sample.as_ref());
    if let Some(name) = named.into_iter().find(|name| !there.contains(name)) {
        if file.header.samples.len() == 1 && spec.samples.len() == 1 {
            file.header.samples[0].clone_from(name);
        } else {
            return Err(Error::usage(format!("the sheet names the sample {name}, which {} does not have", file.name))
                .hint("a sheet can rename the sample of a file that has only one"));
        }
    }
    Ok(())
}

fn check_contigs(contigs: &Contigs) -> Result<()> {
    if contigs.len() > MAX_CONTIGS {
        return Err(Error::bad_data(format!(
            "the headers define {} contigs, at most {MAX_CONTIGS} fit",
            contigs.len()
        )));
    }
    Ok(())
}

fn group_by_samples(files: &[InputFile]) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    let mut owner: HashMap<&str, usize> = HashMap::new();
    let mut first_sample = 0;
    for (index, file) in files.iter().enumerate() {
        let samples = &file.header.samples;
        let known = samples.iter().find_map(|sample| owner.get(sample.as_str()).map(|&group| (sample, group)));
        let same_as = match known {
            Some((sample, group)) => {
                let first = &files[groups[group].files[0]];
                if first.header.samples != *samples {
                    return Err(duplicate_sample(sample, first, file));
                }
                Some(group)
            }
            None if samples.is_empty() => groups.iter().position(|group| group.n_samples == 0),
            None => None,
        };
        match same_as {
            Some(group) => groups[group].files.push(index),
            None => {
                for sample in samples {
                    owner.insert(sample, groups.len());
                }
                groups.push(Group { files: vec![index], first_sample, n_samples: samples.len() });
                first_sample += samples.len();
            }
        }
    }
    if groups.len() > 1
        && let Some(empty) = groups.iter().find(|group| group.n_samples == 0)
    {
        return Err(Error::bad_data(format!(
            "{} has no samples, but {} has",
            files[empty.files[0]].name,
            files[groups.iter().find(|group| group.n_samples > 0).map_or(0, |group| group.files[0])].name
        ))
        .hint("load files without genotypes into a dataset of their own"));
    }
    Ok(groups)
}

fn duplicate_sample(sample: &str, first: &InputFile, second: &InputFile) -> Error {
    let mut sorted = [first.header.samples.clone(), second.header.samples.clone()];
    sorted.iter_mut().for_each(|samples| samples.sort());
    if sorted[0] == sorted[1] {
        return Error::bad_data(format!("{} and {} have the same samples in another order", first.name, second.name))
            .hint("bring them into one order, e.g. with `bcftools view -S`");
    }
    Error::bad_data(format!("sample {sample} is in {} and in {}", first.name, second.name))
        .hint("rename one of them, e.g. with `bcftools reheader -s`, or leave one file out")
}
