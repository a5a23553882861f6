//! Which inputs are gVCFs to be called together, and the order of their samples.

use super::cohort::{Gvcf, Joint};
use super::file::InputFile;
use super::sheet::InputSpec;
use crate::columns::samples::SampleInfo;
use crate::decode::gvcf::Recognised;
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// What each file is as a gVCF; `None`: they are not to be called together. A file without records says nothing; gVCFs
/// beside other files are an error.
pub fn recognise(files: &mut [InputFile], joint: Joint) -> Result<Option<Vec<Recognised>>> {
    if joint == Joint::No {
        return Ok(None);
    }
    let looked_at: Vec<Result<(Option<Recognised>, bool)>> = files
        .par_iter_mut()
        .map(|file| {
            let survey = file.survey()?;
            file.close_again();
            Ok((survey.recognise(&file.header), survey.is_empty() && !file.header.samples.is_empty()))
        })
        .collect();
    // the error of the first file, whichever was looked at first
    let (found, is_empty): (Vec<_>, Vec<_>) = looked_at.into_iter().collect::<Result<Vec<_>>>()?.into_iter().unzip();
    let first = |wanted: bool| (0..files.len()).find(|&i| found[i].is_some() == wanted && !is_empty[i]);
    match (joint, first(true), first(false)) {
        (Joint::Yes, _, _) => check_samples(files)?,
        (_, None, _) => return Ok(None),
        (_, Some(gvcf), Some(other)) => {
            let (gvcf, other) = (&files[gvcf].name, &files[other].name);
            return Err(Error::bad_data(format!("{gvcf} is a gVCF and {other} is none")).hint(
                "`--joint yes` takes all inputs as gVCFs (positions that a file does not have are no-calls), \
                 `--joint no` none",
            ));
        }
        (_, Some(_), None) => {}
    }
    Ok(Some(found.into_iter().map(|found| found.unwrap_or_else(Recognised::other)).collect()))
}

fn check_samples(files: &[InputFile]) -> Result<()> {
    match files.iter().find(|file| file.header.samples.is_empty()) {
        None => Ok(()),
        Some(file) => Err(Error::bad_data("the file has no samples, so there is nothing to call together")
            .at(file.place())
            .hint("leave the file out, or load it without `--joint yes`")),
    }
}

/// Files with what is known of them, in the order of the least name of their samples, then of their own names.
pub fn in_order_of_samples(
    files: Vec<InputFile>,
    specs: &[InputSpec],
    recognised: Vec<Recognised>,
) -> (Vec<InputFile>, Vec<InputSpec>, Vec<Recognised>) {
    let mut all: Vec<(InputFile, InputSpec, Recognised)> = files
        .into_iter()
        .zip(specs.iter().cloned())
        .zip(recognised)
        .map(|((file, spec), recognised)| (file, spec, recognised))
        .collect();
    all.sort_by(|(a, ..), (b, ..)| {
        fn order(file: &InputFile) -> (Option<&String>, &[String], &str) {
            (file.header.samples.iter().min(), &file.header.samples, &file.name)
        }
        order(a).cmp(&order(b))
    });
    let mut sorted = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
    for (file, spec, recognised) in all {
        sorted.0.push(file);
        sorted.1.push(spec);
        sorted.2.push(recognised);
    }
    sorted
}

/// All samples by name, and which of them each file has.
pub fn samples(files: &[InputFile], recognised: &[Recognised]) -> (Vec<SampleInfo>, Vec<Gvcf>) {
    let mut by_name: BTreeMap<&str, (u32, usize)> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        for sample in &file.header.samples {
            by_name.entry(sample).or_insert((0, index));
        }
    }
    for (index, (number, _)) in by_name.values_mut().enumerate() {
        *number = index as u32;
    }
    let info = |(name, &(_, file)): (&&str, &(u32, usize))| SampleInfo {
        sample: (*name).to_string(),
        source: files[file].name.clone(),
        sex: None,
        dialect: Some(recognised[file].dialect.name.to_string()),
    };
    let gvcf = |(file, &recognised): (&InputFile, &Recognised)| Gvcf {
        recognised,
        samples: file.header.samples.iter().map(|sample| by_name[sample.as_str()].0).collect(),
        shares_samples: false,
    };
    (by_name.iter().map(info).collect(), files.iter().zip(recognised).map(gvcf).collect())
}
