//! Checks a published dataset against its manifest and against itself: files, row counts, order, statistics, samples.
//!
//! Every problem is one line that names the file or row. Shards are checked in parallel; memory is one window of rows
//! and one set of sample counters per thread.

mod evidence;
mod rows;
mod samples;

use super::manifest::{Accounting, MAX_REJECTIONS, Manifest, ManifestFile};
use crate::dataset::stream::read_metadata;
use crate::dataset::{Dataset, HEADER_NAME};
use crate::decode::header::Header;
use crate::error::{Error, Result};
use rayon::prelude::*;
use rows::{ShardFindings, check_shard};
use std::collections::BTreeSet;

/// Problems of one file beyond this number are counted only.
const MAX_PROBLEMS_PER_FILE: usize = 20;
/// Folders of tables.
const TABLE_FOLDERS: [&str; 5] = ["variants", "genotypes", "samples", "ref_blocks", "evidence"];

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One line each; none: the dataset is what its manifest says.
    pub problems: Vec<String>,
    /// Files checked.
    pub n_files: usize,
    /// Bytes checked.
    pub n_bytes: u64,
    /// Rows of `variants` recomputed.
    pub n_variants: u64,
    /// Rows of `genotypes` read.
    pub n_genotypes: u64,
}

/// Problems of one file, not more than a screen of them.
#[derive(Clone, Debug, Default)]
struct Problems {
    lines: Vec<String>,
    n_more: usize,
}

impl Problems {
    fn add(&mut self, line: impl FnOnce() -> String) {
        if self.lines.len() < MAX_PROBLEMS_PER_FILE {
            self.lines.push(line());
        } else {
            self.n_more += 1;
        }
    }

    fn into_lines(mut self, path: &str) -> Vec<String> {
        if self.n_more > 0 {
            self.lines.push(format!("{path}: {} more problems of this file are not listed", self.n_more));
        }
        self.lines
    }
}

/// Checks everything. An error is a dataset that cannot be checked; what is wrong with one that can is in the report.
pub fn verify(dataset: &Dataset) -> Result<Report> {
    let manifest = dataset.manifest();
    let mut report = Report { n_files: manifest.files.len(), ..Report::default() };
    report.n_bytes = sum(manifest.files.iter().map(|file| file.bytes));
    let found: Vec<Option<String>> = manifest.files.par_iter().map(|file| check_file(dataset, file)).collect();
    let broken: BTreeSet<&str> = manifest
        .files
        .iter()
        .zip(&found)
        .filter(|(_, problem)| problem.is_some())
        .map(|(file, _)| file.path.as_str())
        .collect();
    report.problems.extend(found.iter().flatten().cloned());
    report.problems.extend(unlisted(dataset));
    let header = check_header(dataset);
    report.problems.extend(header.problems);
    report.problems.extend(check_accounting(manifest));
    let whole = |file: &ManifestFile| !broken.contains(file.path.as_str());
    report.problems.extend(evidence::check(dataset, whole));
    // what the manifest says is no length of a list before something else says it too
    let Some(n_samples) = header.n_samples.filter(|&n_samples| n_samples as u64 == manifest.n_samples) else {
        report
            .problems
            .push(format!("rows: not checked, because {HEADER_NAME} does not say how many samples there are"));
        return Ok(report);
    };
    let shards = crate::dataset::sites::shard_files(dataset);
    let checked = shards
        .par_iter()
        .filter(|(variants, genotypes)| whole(variants) && genotypes.is_none_or(whole))
        .map(|(variants, genotypes)| check_shard(dataset, variants, *genotypes, n_samples))
        .reduce_with(ShardFindings::followed_by);
    let mut total = checked.unwrap_or_else(|| ShardFindings::new(n_samples));
    report.problems.append(&mut total.problems);
    report.n_variants = total.n_variants;
    report.n_genotypes = total.n_genotypes;
    let samples_whole = dataset.files("samples").all(whole);
    if total.n_shards == shards.len() && total.readable && samples_whole {
        report.problems.extend(samples::check(dataset, total).unwrap_or_else(|error| vec![error.to_string()]));
    } else {
        report.problems.push("samples: not compared with the rows, because files above are missing or damaged".into());
    }
    Ok(report)
}

/// Existence, size, digest and row count of one file; the first problem.
fn check_file(dataset: &Dataset, file: &ManifestFile) -> Option<String> {
    let path = match dataset.full_path(file) {
        Ok(path) => path,
        Err(error) => return Some(error.to_string()),
    };
    let problem = |text: String| Some(format!("{}: {text}", file.path));
    let bytes = match path.size() {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return problem("the manifest lists it, but it is not there".into()),
        Err(error) => return problem(format!("cannot be read: {error}")),
    };
    if bytes != file.bytes {
        return problem(format!("has {bytes} bytes, the manifest says {}", file.bytes));
    }
    match path.sha256() {
        Err(error) => return problem(format!("cannot be read: {error}")),
        Ok(found) if found != file.sha256 => {
            return problem(format!("has the SHA-256 {found}, the manifest says {}", file.sha256));
        }
        Ok(_) => {}
    }
    if !TABLE_FOLDERS.contains(&file.table.as_str()) {
        return None;
    }
    match read_metadata(&path) {
        Err(error) => Some(error.to_string()),
        Ok(metadata) => {
            let rows = metadata.file_metadata().num_rows();
            if rows as u64 == file.rows {
                None
            } else {
                problem(format!("has {rows} rows, the manifest says {}", file.rows))
            }
        }
    }
}

/// Parquet files in the table folders that the manifest does not list: engines that read the folder would take them.
fn unlisted(dataset: &Dataset) -> Vec<String> {
    let listed: BTreeSet<&str> = dataset.manifest().files.iter().map(|file| file.path.as_str()).collect();
    let mut found = Vec::new();
    for table in TABLE_FOLDERS {
        match dataset.place().list(table) {
            Ok(names) => found.extend(names.into_iter().map(|(name, _)| format!("{table}/{name}"))),
            Err(error) => return vec![error.to_string()],
        }
    }
    found.retain(|path| path.ends_with(".parquet") && !listed.contains(path.as_str()));
    found.sort();
    found.into_iter().map(|path| format!("{path}: is in the dataset, but the manifest does not list it")).collect()
}

/// What the header says.
struct HeaderFindings {
    problems: Vec<String>,
    /// Samples, where it can be read.
    n_samples: Option<usize>,
}

/// The header parses and has the samples and contigs of the manifest.
fn check_header(dataset: &Dataset) -> HeaderFindings {
    let header = dataset.header_text().and_then(|text| {
        Header::parse(text.as_bytes()).map_err(|error| Error::bad_data(format!("{HEADER_NAME}: {error}")))
    });
    let header = match header {
        Ok(header) => header,
        Err(error) => return HeaderFindings { problems: vec![error.to_string()], n_samples: None },
    };
    let manifest = dataset.manifest();
    let n_samples = header.samples.len();
    let mut problems = Vec::new();
    if n_samples as u64 != manifest.n_samples {
        problems.push(format!("{HEADER_NAME}: has {n_samples} samples, the manifest says {}", manifest.n_samples));
    }
    // a contig named with one of these characters (as in CHROM `<1>`) cannot be defined by a header line
    for contig in manifest.contigs.iter().filter(|contig| !contig.name.contains(['<', '>', ',', '"'])) {
        if header.contigs.index_of(contig.name.as_bytes()).is_none() {
            problems.push(format!("{HEADER_NAME}: has no contig {}, which the manifest lists", contig.name));
        }
    }
    HeaderFindings { problems, n_samples: Some(n_samples) }
}

/// The identities of the record accounting.
fn check_accounting(manifest: &Manifest) -> Vec<String> {
    let Accounting { records_read, records_written, records_rejected, alleles_read, alleles_merged, .. } =
        manifest.accounting;
    let Accounting { variant_rows, genotype_rows, ref_block_rows, evidence_rows, ref rejections, .. } =
        manifest.accounting;
    let Accounting { spanning_rows, alleles_left_out, .. } = manifest.accounting;
    let rows = |table: &str| sum(manifest.files.iter().filter(|file| file.table == table).map(|file| file.rows));
    let sum_of = |counts: &[u64]| sum(counts.iter().copied());
    let sums = [
        (
            "records_read",
            records_read,
            "records_written + records_rejected",
            sum_of(&[records_written, records_rejected]),
        ),
        (
            "alleles_read",
            alleles_read,
            "variant_rows - spanning_rows + alleles_merged + alleles_left_out",
            sum_of(&[variant_rows, alleles_merged, alleles_left_out]).saturating_sub(spanning_rows),
        ),
        (
            "records_rejected",
            records_rejected.min(MAX_REJECTIONS as u64),
            "the rejections listed (not more than 10,000)",
            rejections.len() as u64,
        ),
        ("variant_rows", variant_rows, "the rows of the variants files", rows("variants")),
        ("genotype_rows", genotype_rows, "the rows of the genotypes files", rows("genotypes")),
        ("ref_block_rows", ref_block_rows, "the rows of the ref_blocks files", rows("ref_blocks")),
        ("evidence_rows", evidence_rows, "the rows of the evidence files", rows("evidence")),
        ("n_samples", manifest.n_samples, "the rows of the samples files", rows("samples")),
    ];
    let differs = sums.into_iter().filter(|(_, left, _, right)| left != right);
    differs
        .map(|(name, left, what, right)| format!("_manifest.json: {name} is {left}, but {what} give {right}"))
        .collect()
}

/// A sum of what a manifest says.
fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_problems_of_a_file_are_counted() {
        let mut problems = Problems::default();
        for i in 0..MAX_PROBLEMS_PER_FILE + 5 {
            problems.add(|| format!("row {i}"));
        }
        let lines = problems.into_lines("x");
        assert_eq!(lines.len(), MAX_PROBLEMS_PER_FILE + 1);
        assert!(lines[MAX_PROBLEMS_PER_FILE].contains("5 more"));
    }
}
