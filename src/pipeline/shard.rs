//! The loop over the records of a shard.

use super::emit::{Emitter, Rehearsal};
use super::range::OwnRange;
use super::record::{Held, PendingRow, check_alleles, locus, parse_qual, rows_of};
use super::window::Window;
use super::writers::{FileRecord, ShardFiles};
use crate::alleles::{MAX_SHIFT_BP, ReferenceBases};
use crate::call::sample_counts::{Counter, SampleCounts};
use crate::columns::genotypes::Slot;
use crate::columns::schema::TableSchemas;
use crate::commit::manifest::{Accounting, Rejection};
use crate::decode::fasta::FastaIndex;
use crate::decode::lines::LineReader;
use crate::decode::samples::subfield;
use crate::decode::vcf::{RecordIndex, parse_i32, undefined_contig};
use crate::error::{Class, Error, Location, Result};
use crate::genome::genotype::GtCode;
use crate::genome::{Contigs, Locus};
use crate::plan::region::Regions;
use crate::plan::{Calls, OnBadRecord};
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
    pub lines: LineReader<'a>,
    /// First owned position.
    pub own_start: Option<Locus>,
    /// First position behind.
    pub own_end: Option<Locus>,
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
    let (input, lines_before) = (task.input.to_string(), task.lines_before);
    let mut run = Run::new(context, &task, staging);
    let outcome = match run.read_all(task.lines) {
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
        let files = ShardFiles::new(staging, task.number, schemas.variants.clone(), schemas.genotypes.clone());
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

    fn read_all(&mut self, mut lines: LineReader) -> Result<()> {
        const REPORT_EVERY: u64 = 256;
        let (mut n, mut bytes) = (0u64, 0);
        loop {
            let number = lines.n_lines() + 1;
            let Some(line) = lines.next_line()? else { break };
            if line.is_empty() {
                continue;
            }
            let go_on = self.record(line, number).map_err(|error| self.placed(error, number))?;
            n += 1;
            if n % REPORT_EVERY == 0 {
                if self.context.stop.load(Ordering::Relaxed) {
                    return Err(interrupted());
                }
                self.context.progress.records.fetch_add(REPORT_EVERY, Ordering::Relaxed);
                let now = lines.n_bytes_read();
                self.context.progress.bytes.fetch_add(now - bytes, Ordering::Relaxed);
                bytes = now;
            }
            if !go_on {
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
    fn record(&mut self, line: &[u8], number: u64) -> Result<bool> {
        let index = match RecordIndex::new(line) {
            Ok(index) => index,
            Err(error) => return self.reject(error, "").map(|()| true),
        };
        let view = index.view(line);
        let vcf_pos = match view.vcf_pos() {
            Ok(vcf_pos) => vcf_pos,
            Err(error) => return self.reject(error, &String::from_utf8_lossy(view.chrom())).map(|()| true),
        };
        if self.contig.is_none() || view.chrom() != self.contig_name {
            self.start_contig(view.chrom())?;
        }
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
        match self.hold(slot, line, index, rank) {
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
        let name = self.context.contigs.name(contig);
        self.reference = match self.context.reference {
            None => None,
            Some((text, index)) => Some(Box::new(index.sequence(text, name).ok_or_else(|| {
                Error::bad_data(format!("the reference has no sequence {name}"))
                    .hint("give the reference that the variants were called with: names must be the same")
            })?)),
        };
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
    fn hold(&mut self, slot: usize, line: &[u8], index: RecordIndex, rank: u32) -> Result<()> {
        self.rows.clear();
        let (vcf_pos, contig) = (self.last_pos, self.contig.expect("a contig is begun"));
        let rank = u16::try_from(rank).map_err(|_| Error::bad_data("more than 65,536 records at one position"))?;
        let view = index.view(line);
        check_alleles(view, vcf_pos, self.reference.as_deref())?;
        let qual = parse_qual(view.qual())?;
        let n_alts = view.n_alts();
        let layout = self.emitter.layout(view.format().unwrap_or_default());
        let record = self.window.record(slot);
        record.line.clear();
        record.line.extend_from_slice(line);
        (record.vcf_pos, record.rank, record.n_alts, record.qual) = (vcf_pos, rank, n_alts, qual);
        record.index = index;
        record.n_rows_left = 0;
        record.layout = layout;
        read_samples(record, self.context, &mut self.emitter)?;
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
        });
        if let Some(rehearsal) = &mut self.rehearsal {
            let alt_indexes: Vec<u32> = if n_alts == 0 { vec![0] } else { (1..=n_alts).collect() };
            rehearsal.check(self.window.record(slot), &alt_indexes, self.context)?;
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
            count_site(self.window.record(slot), self.context, &mut self.emitter);
        }
        if self.rows.is_empty() {
            self.window.release(slot);
        }
        for row in self.rows.drain(..) {
            self.window.push(row);
        }
    }

    fn emit_before(&mut self, frontier: Option<i32>) -> Result<()> {
        while let Some(row) = self.window.pop_before(frontier) {
            let record = self.window.record(row.slot);
            let (number, vcf_pos) = (record.number, record.vcf_pos);
            if let Err(error) = self.emitter.emit(record, &row) {
                self.last_pos = vcf_pos;
                return Err(self.placed(error, number));
            }
            self.window.done(&row);
        }
        Ok(())
    }

    /// A record that breaks the format: an error, or set aside with its reason.
    fn reject(&mut self, error: Error, contig: &str) -> Result<()> {
        if self.context.on_bad_record == OnBadRecord::Fail || error.class() != Class::BadData {
            return Err(error);
        }
        let contig =
            if contig.is_empty() { String::from_utf8_lossy(&self.contig_name).into_owned() } else { contig.into() };
        self.accounting.records_read += 1;
        self.accounting.records_rejected += 1;
        self.accounting.rejections.push(Rejection {
            path: self.input.clone(),
            contig,
            vcf_pos: i64::from(self.last_pos),
            reason: error.message().to_string(),
        });
        Ok(())
    }

    fn finish(mut self) -> Result<Outcome> {
        self.accounting.variant_rows = self.emitter.n_variant_rows;
        self.accounting.genotype_rows = self.emitter.n_genotype_rows;
        let n_sites = self.n_sites;
        let missing = self.emitter.counts.get(Counter::NMissing).to_vec();
        for (called, missing) in self.emitter.counts.get_mut(Counter::NCalled).iter_mut().zip(missing) {
            *called = n_sites - missing;
        }
        let warnings = std::mem::take(&mut self.emitter.warnings);
        let (files, counts) = self.emitter.finish()?;
        self.accounting.rejections.sort();
        Ok(Outcome { files, accounting: self.accounting, warnings, counts })
    }
}

/// The run was asked to stop.
pub fn interrupted() -> Error {
    Error::new(Class::Temporary, "interrupted").hint("run the same command again: finished shards are kept")
}

fn unsorted(what: String) -> Error {
    Error::bad_data(format!("the file is not sorted: {what}")).hint("sort it first, e.g. with `bcftools sort`")
}

/// Genotype codes of a held record, checked against its number of alleles.
fn read_samples(record: &mut Held, context: &Context, emitter: &mut Emitter) -> Result<()> {
    let Some(layout) = record.layout.clone() else { return Ok(()) };
    let mut samples = std::mem::take(&mut record.samples);
    let gt_slot = layout.slot_of(&Slot::Genotype);
    let text = record.view().samples();
    let result = samples.read(text, context.n_samples, gt_slot, layout.slots.len(), &mut emitter.gt);
    record.samples = samples;
    result?;
    let most = record.samples.not_reference.iter().map(|&sample| record.samples.codes[sample as usize]);
    let mut last: Option<GtCode> = None;
    for code in most {
        if last == Some(code) {
            continue;
        }
        last = Some(code);
        let genotype = emitter.gt.genotype(code);
        if genotype.max_allele > record.n_alts as i32 {
            return Err(Error::bad_data(format!(
                "GT {} names allele {}, but the record has {} alternate allele{}",
                String::from_utf8_lossy(&genotype.text),
                genotype.max_allele,
                record.n_alts,
                if record.n_alts == 1 { "" } else { "s" }
            )));
        }
    }
    Ok(())
}

/// Per-sample counts of one site.
fn count_site(record: &Held, context: &Context, emitter: &mut Emitter) {
    let Some(layout) = &record.layout else { return };
    for &sample in &record.samples.not_reference {
        let genotype = emitter.gt.genotype(record.samples.codes[sample as usize]);
        let counter = match &genotype.alleles[..] {
            alleles if alleles.iter().all(|&allele| allele < 0) => Counter::NMissing,
            alleles if alleles.len() < 2 || alleles.iter().any(|&allele| allele < 0) => continue,
            alleles if alleles.iter().any(|allele| allele != &alleles[0]) => Counter::NHet,
            alleles if alleles[0] > 0 => Counter::NHomAlt,
            _ => continue,
        };
        emitter.counts.get_mut(counter)[sample as usize] += 1;
    }
    let columns = &context.schemas.formats;
    let slot_named = |name: &str| {
        layout.slots.iter().position(|slot| matches!(slot, Slot::Column(column) if columns[*column].names[0] == name))
    };
    let text = record.view().samples();
    for (name, sum, n) in [("dp", Counter::DpSum, Counter::DpN), ("gq", Counter::GqSum, Counter::GqN)] {
        let Some(slot) = slot_named(name) else { continue };
        for sample in 0..context.n_samples {
            let value = subfield(record.samples.cell(text, sample), slot).and_then(parse_i32);
            if let Some(value) = value {
                emitter.counts.get_mut(sum)[sample] += i64::from(value);
                emitter.counts.get_mut(n)[sample] += 1;
            }
        }
    }
}
