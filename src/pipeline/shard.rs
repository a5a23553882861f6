//! The loop over the records of a shard.

use super::emit::{Emitter, Part, Row};
use super::range::OwnRange;
use super::record::{Held, Line, PendingRow, as_written, end_of, fill, locus, rows_of};
use super::rehearsal::Rehearsal;
use super::window::Window;
use super::writers::{FileRecord, ShardFiles};
use crate::alleles::{MAX_SHIFT_BP, ReferenceBases};
use crate::call::sample_counts::SampleCounts;
use crate::columns::field::AlleleOfSite;
use crate::columns::schema::TableSchemas;
use crate::commit::manifest::{Accounting, MAX_REJECTIONS, Rejection};
use crate::decode::fasta::FastaIndex;
use crate::decode::records::{Record, Records};
use crate::decode::vcf::{RecordIndex, locus_of_line, undefined_contig};
use crate::error::{Class, Error, Location, Result, shortened};
use crate::genome::{Contigs, Locus};
use crate::plan::region::Regions;
use crate::plan::{Calls, OnBadRecord};
use crate::profile::{self, Stage};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What all shards of a group share.
pub struct Context<'a> {
    /// Cohort contigs.
    pub contigs: &'a Contigs,
    /// Table schemas.
    pub schemas: &'a TableSchemas,
    /// FILTER IDs of the header.
    pub filters: HashSet<Vec<u8>>,
    /// Samples of the group.
    pub n_samples: usize,
    /// Their names.
    pub sample_names: &'a [String],
    /// Which calls are stored.
    pub calls: Calls,
    /// Bad records.
    pub on_bad_record: OnBadRecord,
    /// Records are taken when their POS is inside.
    pub regions: &'a Regions,
    /// Reference text and its index.
    pub reference: Option<(&'a [u8], &'a FastaIndex)>,
    /// Whether rows are put together from several inputs.
    pub merges: bool,
    /// Set when the run is to stop.
    pub stop: &'a AtomicBool,
    /// Records and bytes so far, for the progress line.
    pub progress: &'a Progress,
}

/// What all workers have done so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// Records.
    pub records: AtomicU64,
    /// Bytes of input (compressed).
    pub bytes: AtomicU64,
    /// Shards.
    pub shards: AtomicU64,
}

/// The records of one shard.
pub struct Task<'a> {
    /// Shard number.
    pub number: u64,
    /// The input as the user named it.
    pub input: &'a str,
    /// Its records from the halo on.
    pub records: Records<'a>,
    /// First owned position.
    pub own_start: Option<Locus>,
    /// First position behind.
    pub own_end: Option<Locus>,
    /// Records before this offset are read even when none of them can matter, so that a file that is not sorted is
    /// noticed; `None`: all are.
    pub end_offset: Option<u64>,
    /// Lines (or BCF records) of the input before the first one here, where that is known; for messages.
    pub lines_before: Option<u64>,
}

/// What a shard gave.
#[derive(Debug)]
pub struct Outcome {
    /// Files in the staging folder.
    pub files: Vec<FileRecord>,
    /// Where its records went.
    pub accounting: Accounting,
    /// Tolerated things.
    pub warnings: BTreeMap<String, u64>,
    /// Per-sample counts.
    pub counts: SampleCounts,
}

/// Runs one shard; its files are below `staging` after.
pub fn run_shard(context: &Context, task: Task, staging: &Path) -> Result<Outcome> {
    let _stage = profile::enter(Stage::Parse);
    let (input, lines_before) = (task.input.to_string(), task.lines_before);
    let mut run = Run::new(context, &task, staging);
    let outcome = match run.read_all(task.records, task.end_offset) {
        Ok(()) => run.finish(),
        Err(error) => Err(error),
    };
    outcome.map_err(|error| {
        error
            .map_line(|line| lines_before.map(|before| before + line))
            .at(Location { path: Some(input), ..Default::default() })
    })
}

struct Run<'a> {
    context: &'a Context<'a>,
    input: String,
    range: OwnRange,
    emitter: Emitter<'a>,
    window: Window,
    rehearsal: Option<Rehearsal>,
    reference: Option<Box<dyn ReferenceBases + 'a>>,
    accounting: Accounting,
    contig: Option<u32>,
    contig_name: Vec<u8>,
    contigs_seen: HashSet<u32>,
    last_pos: i32,
    next_rank: u32,
    sequence: u64,
    n_sites: i64,
    right_halo_bp: i32,
    rows: Vec<PendingRow>,
}

impl<'a> Run<'a> {
    fn new(context: &'a Context<'a>, task: &Task, staging: &Path) -> Self {
        let schemas = context.schemas;
        let files = ShardFiles::new(staging, task.number, schemas, context.n_samples);
        let right_halo_bp = if context.reference.is_some() { MAX_SHIFT_BP } else { 0 };
        Run {
            context,
            input: task.input.to_string(),
            range: OwnRange::new(task.own_start, task.own_end, right_halo_bp),
            emitter: Emitter::new(context, files),
            window: Window::default(),
            rehearsal: (context.on_bad_record == OnBadRecord::Skip).then(|| Rehearsal::new(context)),
            reference: None,
            accounting: Accounting::default(),
            contig: None,
            contig_name: Vec::new(),
            contigs_seen: HashSet::new(),
            last_pos: 0,
            next_rank: 0,
            sequence: 0,
            n_sites: 0,
            right_halo_bp,
            rows: Vec::new(),
        }
    }

    fn read_all(&mut self, mut records: Records, end_offset: Option<u64>) -> Result<()> {
        const REPORT_EVERY: u64 = 256;
        let (mut n, mut bytes) = (0u64, 0);
        loop {
            let number = records.n_records() + 1;
            let Some(record) = records.next_record().map_err(|error| numbered(error, number))? else { break };
            if record.line.is_empty() {
                continue;
            }
            let go_on = self.record(&record, number).map_err(|error| self.placed(error, number))?;
            n += 1;
            if n % REPORT_EVERY == 0 {
                if self.context.stop.load(Ordering::Relaxed) {
                    return Err(interrupted());
                }
                self.context.progress.records.fetch_add(REPORT_EVERY, Ordering::Relaxed);
                let now = records.n_bytes_read();
                self.context.progress.bytes.fetch_add(now - bytes, Ordering::Relaxed);
                bytes = now;
            }
            if !go_on && end_offset.is_some_and(|end| records.offset() >= end) {
                break;
            }
        }
        self.context.progress.records.fetch_add(n % REPORT_EVERY, Ordering::Relaxed);
        self.emit_before(None)
    }

    fn placed(&self, error: Error, number: u64) -> Error {
        let place = Location {
            line: Some(number),
            contig: self.contig.map(|_| String::from_utf8_lossy(&self.contig_name).into_owned()),
            vcf_pos: Some(i64::from(self.last_pos)),
            ..Default::default()
        };
        error.at(place)
    }

    /// Takes one line in; false behind the last one that matters.
    fn record(&mut self, record: &Record, number: u64) -> Result<bool> {
        let line = record.line;
        let index = RecordIndex::new(line);
        let is_of_contig = |index: &RecordIndex| self.contig.is_some() && index.view(line).chrom() == self.contig_name;
        let place = match &index {
            Ok(index) if is_of_contig(index) => index.view(line).vcf_pos(),
            // another contig, or a line that is cut off: it has its place all the same
            _ => match locus_of_line(line) {
                Ok((chrom, vcf_pos)) => {
                    if self.contig.is_none() || chrom != self.contig_name {
                        self.start_contig(chrom)?;
                    }
                    Ok(vcf_pos)
                }
                Err(error) => Err(error),
            },
        };
        let vcf_pos = match (place, &index) {
            (Ok(vcf_pos), _) => vcf_pos,
            (Err(error), Ok(index)) => {
                return self.reject_line(error, &String::from_utf8_lossy(index.view(line).chrom())).map(|()| true);
            }
            (Err(_), Err(_)) => return self.reject_line(index.expect_err("just seen"), "").map(|()| true),
        };
        let contig = self.contig.expect("just set");
        self.check_order(vcf_pos)?;
        if !self.range.advance(locus(contig, vcf_pos)) {
            return Ok(false);
        }
        let rank = self.next_rank;
        self.next_rank += 1;
        self.emit_before(Some(vcf_pos.saturating_sub(self.right_halo_bp)))?;
        if self.window.is_empty() {
            self.emitter.gt.trim();
        }
        if !self.context.regions.contains(locus(contig, vcf_pos)) {
            return Ok(true);
        }
        let owned = self.range.owns(locus(contig, vcf_pos));
        let slot = self.window.take_slot();
        match index.and_then(|index| self.hold(slot, record, index, rank)) {
            Ok(()) => self.keep(slot, number, owned),
            Err(error) => {
                self.window.release(slot);
                if owned {
                    self.reject(error, "")?
                }
            }
        }
        Ok(true)
    }

    fn start_contig(&mut self, name: &[u8]) -> Result<()> {
        let contig = self.context.contigs.index_of(name).ok_or_else(|| undefined_contig(name))?;
        if !self.contigs_seen.insert(contig) {
            return Err(unsorted(format!(
                "records of contig {} come again after those of {}",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(&self.contig_name)
            )));
        }
        self.emit_before(None)?;
        self.emitter.start_contig(contig)?;
        self.contig = Some(contig);
        self.contig_name = name.to_vec();
        self.last_pos = -1;
        self.reference = reference_of(self.context, contig)?;
        Ok(())
    }

    fn check_order(&mut self, vcf_pos: i32) -> Result<()> {
        if vcf_pos < self.last_pos {
            let before = self.last_pos;
            self.last_pos = vcf_pos;
            return Err(unsorted(format!("the record comes after one at position {before}")));
        }
        if vcf_pos > self.last_pos {
            self.next_rank = 0;
        }
        self.last_pos = vcf_pos;
        Ok(())
    }

    /// Parses a record into a slot, with the rows that are owned in `self.rows`.
    fn hold(&mut self, slot: usize, found: &Record, index: RecordIndex, rank: u32) -> Result<()> {
        self.rows.clear();
        let (vcf_pos, contig) = (self.last_pos, self.contig.expect("a contig is begun"));
        let rank = u16::try_from(rank).map_err(|_| Error::bad_data("more than 65,536 records at one position"))?;
        let record = self.window.record(slot);
        let n_samples = self.context.n_samples;
        let line = Line { text: found.line, samples: found.samples.as_ref(), index, vcf_pos, rank };
        fill(record, line, n_samples, &mut self.emitter, self.reference.as_deref())?;
        let record = self.window.record(slot);
        let (rows, sequence, range, accounting) =
            (&mut self.rows, &mut self.sequence, &self.range, &mut self.accounting);
        rows_of(record.view(), vcf_pos, self.reference.as_deref(), |found, alt_index, allele_type, changed| {
            *sequence += 1;
            if range.owns(locus(contig, found.vcf_pos)) {
                accounting.shift_capped += u64::from(found.capped);
                accounting.alleles_normalised += u64::from(changed);
                rows.push(PendingRow {
                    vcf_pos: found.vcf_pos,
                    ref_allele: found.ref_allele,
                    alt_allele: found.alt_allele,
                    sequence: *sequence,
                    slot,
                    alt_index,
                    allele_type,
                });
            }
        })?;
        if let Some(rehearsal) = &mut self.rehearsal {
            rehearsal.check(self.window.record(slot), self.context, 0)?;
        }
        Ok(())
    }

    /// Counts a held record where it is owned, and puts its rows into the window.
    fn keep(&mut self, slot: usize, number: u64, owned: bool) {
        self.window.record(slot).number = number;
        if owned {
            self.accounting.records_read += 1;
            self.accounting.records_written += 1;
            self.accounting.alleles_read += u64::from(self.window.record(slot).n_alts.max(1));
            self.n_sites += 1;
            let part = whole_cohort(self.window.record(slot), AlleleOfSite::new(0, 0), self.context);
            self.emitter.count_site(&part);
            self.emitter.count_depths(&part);
        }
        if self.rows.is_empty() {
            self.window.release(slot);
        }
        for row in self.rows.drain(..) {
            self.window.push(row);
        }
    }

    fn emit_before(&mut self, frontier: Option<i32>) -> Result<()> {
        let _stage = profile::enter(Stage::Rows);
        while let Some(row) = self.window.pop_before(frontier) {
            let record = self.window.record(row.slot);
            let (number, vcf_pos) = (record.number, record.vcf_pos);
            if let Err(error) = emit_own(record, &row, self.context, &mut self.emitter) {
                self.last_pos = vcf_pos;
                return Err(self.placed(error, number));
            }
            self.window.done(&row);
        }
        Ok(())
    }

    /// A line without a place of its own.
    fn reject_line(&mut self, error: Error, contig: &str) -> Result<()> {
        let last = self.contig.map(|contig| locus(contig, self.last_pos));
        let is_wanted = match last {
            Some(last) => self.context.regions.contains(last),
            None => self.context.regions.is_all(),
        };
        if is_wanted && self.range.owns_line_behind(last) { self.reject(error, contig) } else { Ok(()) }
    }

    fn reject(&mut self, error: Error, contig: &str) -> Result<()> {
        let contig =
            if contig.is_empty() { String::from_utf8_lossy(&self.contig_name).into_owned() } else { contig.into() };
        set_aside(error, self.context, &mut self.accounting, &self.input, contig, self.last_pos)
    }

    fn finish(self) -> Result<Outcome> {
        self.emitter.finish(self.accounting, self.n_sites)
    }
}

/// An error of a record that cannot even be taken apart.
fn numbered(error: Error, number: u64) -> Error {
    error.at(Location { line: Some(number), ..Default::default() })
}

/// A record that breaks the format: an error, or set aside with its reason.
pub fn set_aside(
    error: Error,
    context: &Context,
    accounting: &mut Accounting,
    input: &str,
    contig: String,
    vcf_pos: i32,
) -> Result<()> {
    if context.on_bad_record == OnBadRecord::Fail || error.class() != Class::BadData {
        return Err(error);
    }
    accounting.records_read += 1;
    accounting.records_rejected += 1;
    if accounting.rejections.len() < MAX_REJECTIONS {
        let (path, contig, reason) = (input.to_string(), shortened(contig), error.message().to_string());
        accounting.rejections.push(Rejection { path, contig, vcf_pos: i64::from(vcf_pos), reason });
    }
    Ok(())
}

/// [`set_aside`] for a line that has no place.
pub fn set_aside_line(
    error: Error,
    context: &Context,
    accounting: &mut Accounting,
    input: &str,
    line: &[u8],
) -> Result<()> {
    let contig = line.split(|&byte| byte == b'\t').next().unwrap_or_default();
    set_aside(error, context, accounting, input, String::from_utf8_lossy(contig).into_owned(), -1)
}

/// [`set_aside`] for a record whose place is known.
pub fn reject(error: Error, context: &Context, accounting: &mut Accounting, input: &str, found: Locus) -> Result<()> {
    let contig = context.contigs.name(found.contig).to_string();
    set_aside(error, context, accounting, input, contig, found.vcf_pos)
}

/// The reference bases of a contig, where a reference is given.
pub fn reference_of<'a>(context: &Context<'a>, contig: u32) -> Result<Option<Box<dyn ReferenceBases + 'a>>> {
    let Some((text, index)) = context.reference else { return Ok(None) };
    let name = context.contigs.name(contig);
    let sequence = index.sequence(text, name).ok_or_else(|| {
        Error::bad_data(format!("the reference has no sequence {name}"))
            .hint("give the reference that the variants were called with: names must be the same")
    })?;
    Ok(Some(Box::new(sequence)))
}

/// The run was asked to stop.
pub fn interrupted() -> Error {
    Error::new(Class::Temporary, "interrupted").hint("run the same command again: finished shards are kept")
}

/// Whether an error is [`interrupted`].
pub fn is_interrupted(error: &Error) -> bool {
    error.class() == Class::Temporary && error.message() == "interrupted"
}

/// Start of the message of [`unsorted`].
const UNSORTED: &str = "the file is not sorted: ";

/// Whether an error is one of [`unsorted`].
pub fn is_unsorted(error: &Error) -> bool {
    error.message().starts_with(UNSORTED)
}

/// Records are not in order.
pub fn unsorted(what: String) -> Error {
    Error::bad_data(format!("{UNSORTED}{what}")).hint("sort it first, e.g. with `bcftools sort`")
}

/// All samples of the cohort out of one record.
fn whole_cohort<'r>(record: &'r Held, allele: AlleleOfSite, context: &Context) -> Part<'r> {
    Part { record: Some(record), allele, first_sample: 0, n_samples: context.n_samples as u32 }
}

/// Writes a row whose site is its record.
fn emit_own(record: &Held, row: &PendingRow, context: &Context, emitter: &mut Emitter) -> Result<()> {
    let view = record.view();
    let allele = record.allele(row.alt_index);
    let parts = [whole_cohort(record, allele, context)];
    emitter.emit(&Row {
        vcf_pos: row.vcf_pos,
        ref_allele: &row.ref_allele,
        alt_allele: &row.alt_allele,
        allele_type: row.allele_type,
        end: end_of(view, row),
        site: Some((record.vcf_pos, record.rank)),
        n_alts: record.n_alts,
        alt_index: row.alt_index,
        site_alleles: as_written(view, record.vcf_pos, row),
        id: view.id(),
        qual: record.qual,
        filter: view.filter(),
        format: view.format(),
        infos: &[(view.info(), allele)],
        parts: if context.n_samples > 0 { &parts } else { &[] },
        sparse: None,
    })
}
