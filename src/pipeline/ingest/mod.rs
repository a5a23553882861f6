//! One ingest shard, on one thread: some gVCF inputs -> parts of `ref_blocks` and `evidence`, each input read once.
//!
//! The inputs are read side by side, cell by cell of the grid: each brings its blocks of the cell into one form
//! ([`Canonical`](crate::evidence::canonical)), and the rows of all are sorted and written. Memory: the rows of one
//! cell, the records of one window, one buffer per input.

mod cell;
mod source;

pub use source::IngestSource;

use super::shard::{Context, Outcome, interrupted, reference_of};
use super::writers::{FileRecord, InputSpan};
use crate::alleles::ReferenceBases;
use crate::call::sample_counts::SampleCounts;
use crate::commit::manifest::Accounting;
use crate::decode::gvcf::FilterNames;
use crate::error::Result;
use crate::evidence::{BLOCKS_TABLE, PartWritten, RECORDS_TABLE, cell_end, cell_start};
use crate::profile::{self, Stage};
use crate::store::local;
use cell::{CellRows, Parts};
use source::Source;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// Records are sorted and written in windows of this size, in base pairs: a part of a cell of the grid.
const WINDOW_BP: i32 = 1 << 12;

/// One ingest shard.
pub struct IngestTask<'a> {
    /// Shard number.
    pub number: u64,
    /// Its inputs.
    pub sources: Vec<IngestSource<'a>>,
    /// Its samples, ascending, as indexes in the cohort.
    pub samples: Vec<u32>,
}

/// What the inputs of a shard share while they are read.
pub(super) struct Shared<'a, 'c> {
    context: &'a Context<'c>,
    /// Bases of the contig that is read, where a reference is given.
    reference: Option<Box<dyn ReferenceBases + 'c>>,
    filters: FilterNames,
    accounting: Accounting,
    rows: CellRows,
}

/// Path of a part inside the dataset.
pub fn part_path(table: &str, number: u64) -> String {
    format!("{table}/part-{number:012}.parquet")
}

/// Runs one ingest shard; its files are below `staging` after. Per-sample counts are of the shard's samples only, in the
/// order of [`IngestTask::samples`].
pub fn run_ingest_shard(context: &Context, task: IngestTask, staging: &Path) -> Result<Outcome> {
    let _stage = profile::enter(Stage::Parse);
    let IngestTask { number, sources, samples } = task;
    let counts = SampleCounts::new(samples.len());
    let paths = [BLOCKS_TABLE, RECORDS_TABLE].map(|table| part_path(table, number));
    let mut parts = Parts::new(staging, &paths, &samples, counts)?;
    let (filters, accounting) = (FilterNames::default(), Accounting::default());
    let mut shared = Shared { context, reference: None, filters, accounting, rows: CellRows::default() };
    let mut open = Vec::with_capacity(sources.len());
    for input in sources {
        let mut source = Source::new(input, &samples)?;
        source.look_ahead(&mut shared)?;
        open.push(source);
    }
    read_all(&mut open, &mut shared, &mut parts)?;
    let spans: Vec<InputSpan> = open.iter().flat_map(|source| source.spans()).copied().collect();
    let Shared { filters, mut accounting, .. } = shared;
    let (blocks, records, counts, n_not_utf8) = parts.finish(&filters)?;
    (accounting.ref_block_rows, accounting.evidence_rows) = (blocks.0.rows, records.0.rows);
    let mut warnings = BTreeMap::new();
    if n_not_utf8 > 0 {
        warnings.insert("bytes that are not UTF-8 were replaced".to_string(), n_not_utf8);
    }
    let mut files = Vec::new();
    let tables = [(BLOCKS_TABLE, blocks), (RECORDS_TABLE, records)];
    for ((table, (written, sink)), path) in tables.into_iter().zip(paths) {
        files.extend(finished(table, written, sink, staging.join(&path), path, number)?);
    }
    if let Some(file) = files.first_mut() {
        file.spans = spans;
    }
    Ok(Outcome { files, accounting, warnings, counts })
}

/// The record of a part. Parts without rows are removed, but for the first: readers need a file to take columns from.
fn finished(
    table: &str,
    written: PartWritten,
    sink: BufWriter<File>,
    full: PathBuf,
    path: String,
    number: u64,
) -> Result<Option<FileRecord>> {
    if written.rows == 0 && number > 0 {
        drop(sink);
        local::remove(&full)?;
        return Ok(None);
    }
    local::close(sink, &full)?;
    Ok(Some(FileRecord {
        table: table.into(),
        contig: String::new(),
        path,
        rows: written.rows,
        bytes: written.file.bytes,
        sha256: written.file.sha256,
        pos_range: None,
        contigs: written.contigs,
        spans: Vec::new(),
    }))
}

fn read_all(sources: &mut [Source], shared: &mut Shared, parts: &mut Parts) -> Result<()> {
    while let Some(contig) = sources.iter().filter_map(Source::next_contig).min() {
        parts.start_contig(contig, shared.context.contigs.name(contig), &shared.filters)?;
        shared.reference = reference_of(shared.context, contig)?;
        let mut cell = i32::MIN;
        while let Some(next) = sources.iter().filter_map(|source| source.next_cell(contig, cell)).min() {
            cell = next;
            read_cell(sources, contig, cell, shared, parts)?;
        }
    }
    Ok(())
}

fn read_cell(sources: &mut [Source], contig: u32, cell: i32, shared: &mut Shared, parts: &mut Parts) -> Result<()> {
    if shared.context.stop.load(Ordering::Relaxed) {
        return Err(interrupted());
    }
    for source in sources.iter_mut() {
        source.start_cell(cell, shared);
    }
    let mut window_end = cell_start(cell).saturating_add(WINDOW_BP - 1);
    loop {
        let n_waiting = sources.iter().filter(|source| source.waits_before(contig, cell_end(cell))).count();
        if n_waiting == 0 {
            break;
        }
        for source in sources.iter_mut() {
            source.read_to(contig, window_end, cell, shared)?;
        }
        parts.write_records(&mut shared.rows)?;
        window_end = window_end.saturating_add(WINDOW_BP).min(cell_end(cell));
    }
    for source in sources.iter_mut() {
        source.end_cell(shared);
    }
    parts.write_blocks(&mut shared.rows, cell, &shared.filters)
}
