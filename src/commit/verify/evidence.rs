//! Checks of the tables `ref_blocks` and `evidence`: order, values, and that no two blocks of a sample share a base.

use super::Problems;
use crate::commit::manifest::ManifestFile;
use crate::dataset::Dataset;
use crate::dataset::batch::Batch;
use crate::dataset::stream::{FileStream, Select};
use crate::decode::gvcf::BlockGt;
use crate::error::Result;
use crate::evidence::{BLOCKS_TABLE, RECORDS_TABLE, grid_cell};
use arrow_array::{Array, Int32Array};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Bases of one sample on one contig that a file speaks for: first and last.
type Spans = BTreeMap<(i32, u32), (i32, i32)>;

/// Problems of all files that are whole.
pub fn check(dataset: &Dataset, whole: impl Fn(&ManifestFile) -> bool + Sync) -> Vec<String> {
    let contigs: HashMap<&str, u32> = dataset
        .manifest()
        .contigs
        .iter()
        .enumerate()
        .map(|(index, contig)| (contig.name.as_str(), index as u32))
        .collect();
    let mut problems = Vec::new();
    for table in [BLOCKS_TABLE, RECORDS_TABLE] {
        let files: Vec<&ManifestFile> = dataset.files(table).filter(|file| whole(file)).collect();
        let checked: Vec<(Vec<String>, Spans)> =
            files.par_iter().map(|file| check_file(dataset, file, &contigs, table == BLOCKS_TABLE)).collect();
        let mut spans = FileSpans::new();
        for (number, (found, of_file)) in checked.into_iter().enumerate() {
            problems.extend(found);
            for (key, (first, last)) in of_file {
                spans.entry(key).or_default().push((first, last, number));
            }
        }
        problems.extend(overlaps(spans, &files));
    }
    problems
}

/// First and last base and number of each file, by sample and contig.
type FileSpans = BTreeMap<(i32, u32), Vec<(i32, i32, usize)>>;

/// Files that speak for the same bases of one sample; a line for each pair of files.
fn overlaps(spans: FileSpans, files: &[&ManifestFile]) -> Vec<String> {
    let mut found: BTreeMap<(usize, usize), (i32, usize)> = BTreeMap::new();
    for ((sample, _), mut spans) in spans {
        spans.sort_unstable();
        for pair in spans.windows(2).filter(|pair| pair[1].0 <= pair[0].1) {
            found.entry((pair[0].2, pair[1].2)).or_insert((sample, 0)).1 += 1;
        }
    }
    let line = |(&(a, b), &(sample, n)): (&(usize, usize), &(i32, usize))| {
        format!(
            "{}: overlaps {} for sample_index {sample} ({n} samples and contigs in all)",
            files[b].path, files[a].path
        )
    };
    found.iter().map(line).collect()
}

fn check_file(
    dataset: &Dataset,
    file: &ManifestFile,
    contigs: &HashMap<&str, u32>,
    is_blocks: bool,
) -> (Vec<String>, Spans) {
    let n_samples = dataset.manifest().n_samples as i32;
    let (problems, spans) = (Problems::default(), Spans::new());
    let mut check = FileCheck { contigs, n_samples, is_blocks, problems, spans, last: (0, i32::MIN, 0), n_rows: 0 };
    if let Err(error) = check.read(dataset, file) {
        check.problems.add(|| error.to_string());
    }
    (check.problems.into_lines(&file.path), check.spans)
}

struct FileCheck<'a> {
    contigs: &'a HashMap<&'a str, u32>,
    n_samples: i32,
    is_blocks: bool,
    problems: Problems,
    spans: Spans,
    last: (u32, i32, i32),
    n_rows: u64,
}

impl FileCheck<'_> {
    fn read(&mut self, dataset: &Dataset, file: &ManifestFile) -> Result<()> {
        let columns: &[&str] = if self.is_blocks {
            &["sample_index", "contig", "start", "length", "gt", "gq", "min_dp", "dp", "pl_ref", "pl_het", "pl_hom_alt"]
        } else {
            &["sample_index", "contig", "pos", "end"]
        };
        for batch in FileStream::open(&dataset.full_path(file)?, &Select::columns(columns))? {
            let batch = batch?;
            if self.is_blocks {
                self.check_blocks(&batch, &file.path)?;
            } else {
                self.check_records(&batch, &file.path)?;
            }
        }
        Ok(())
    }

    fn check_blocks(&mut self, batch: &Batch, path: &str) -> Result<()> {
        let (samples, contigs) = (batch.ints("sample_index")?, batch.texts("contig")?);
        let (starts, lengths, gts) = (batch.ints("start")?, batch.ints("length")?, batch.texts("gt")?);
        for row in 0..batch.n_rows() {
            let (sample, start, length) = (samples.value(row), starts.value(row), lengths.value(row));
            let end = start.saturating_add(length.max(1) - 1);
            if let Some(contig) = self.place(contigs.value(row), (start, end), sample, path)
                && self.span(sample, contig, (start, end)) == Some(false)
            {
                self.problems
                    .add(|| format!("{path}: sample_index {sample} has two blocks at {}:{start}", contigs.value(row)));
            }
            if length < 1 || grid_cell(start) != grid_cell(end) {
                self.problems
                    .add(|| format!("{path}: a block of {length} bases from {start} on is not within the grid"));
            }
            if BlockGt::of(gts.value(row).as_bytes()).is_none() {
                self.problems.add(|| format!("{path}: gt is {:?}, which no reference block has", gts.value(row)));
            }
        }
        for name in ["gq", "min_dp", "dp", "pl_ref", "pl_het", "pl_hom_alt"] {
            self.check_positive(name, batch.ints(name)?, path);
        }
        Ok(())
    }

    fn check_records(&mut self, batch: &Batch, path: &str) -> Result<()> {
        let (samples, contigs) = (batch.ints("sample_index")?, batch.texts("contig")?);
        let (pos, ends) = (batch.ints("pos")?, batch.ints("end")?);
        for row in 0..batch.n_rows() {
            let (sample, pos, end) = (samples.value(row), pos.value(row), ends.value(row));
            self.place(contigs.value(row), (pos, end), sample, path);
            if end < pos {
                self.problems.add(|| format!("{path}: end {end} is before pos {pos}"));
            }
        }
        Ok(())
    }

    fn check_positive(&mut self, name: &str, values: &Int32Array, path: &str) {
        if let Some(value) =
            (0..values.len()).filter(|&row| values.is_valid(row)).map(|row| values.value(row)).find(|&value| value < 0)
        {
            self.problems.add(|| format!("{path}: {name} is {value}, expected 0 or more"));
        }
    }

    /// Checks that a row has its place behind the one before; its contig.
    fn place(&mut self, contig: &str, span: (i32, i32), sample: i32, path: &str) -> Option<u32> {
        self.n_rows += 1;
        let n_row = self.n_rows;
        let Some(&index) = self.contigs.get(contig) else {
            self.problems.add(|| format!("{path}: row {n_row} is on {contig}, which the manifest does not list"));
            return None;
        };
        let here = (index, span.0, sample);
        if here < self.last {
            self.problems.add(|| format!("{path}: row {n_row} ({contig}:{}) comes before the row above it", span.0));
        }
        self.last = here;
        if !(0..self.n_samples).contains(&sample) {
            let n_samples = self.n_samples;
            self.problems.add(|| format!("{path}: sample_index {sample}, but there are {n_samples} samples"));
        }
        Some(index)
    }

    /// Adds bases to those of a sample; false: it has some of them already.
    fn span(&mut self, sample: i32, contig: u32, (first, last): (i32, i32)) -> Option<bool> {
        match self.spans.get_mut(&(sample, contig)) {
            Some(span) => {
                let free = first > span.1;
                span.1 = span.1.max(last);
                Some(free)
            }
            None => {
                self.spans.insert((sample, contig), (first, last));
                None
            }
        }
    }
}
