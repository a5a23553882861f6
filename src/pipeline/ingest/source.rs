//! One input of an ingest shard: its lines in order, and the state of each of its samples.

use super::super::range::OwnRange;
use super::super::record::check_alleles;
use super::super::shard::{reject, set_aside_line, unsorted};
use super::super::writers::InputSpan;
use super::Shared;
use super::cell::RecordLine;
use crate::alleles::{ReferenceBases, aligned_text};
use crate::call::joint::record::check_fields;
use crate::decode::gvcf::expected::FixedText;
use crate::decode::gvcf::record::{expected_pos, index};
use crate::decode::gvcf::{Block, CellContent, Reading, Recognised, RecordParser};
use crate::decode::lines::LineReader;
use crate::decode::vcf::{RecordView, locus_of_line, undefined_contig};
use crate::error::{Error, Location, Result};
use crate::evidence::canonical::Canonical;
use crate::evidence::{cell_end, grid_cell};
use crate::genome::Locus;
use crate::plan::joint::LOOK_BACK_BP;
use std::collections::HashSet;
use std::sync::atomic::Ordering;

/// One input of an ingest shard.
pub struct IngestSource<'a> {
    /// As the user named it.
    pub name: &'a str,
    /// Its records, from the look-back on.
    pub lines: LineReader<'a>,
    /// Who wrote it.
    pub recognised: Recognised,
    /// Its samples in the order of columns, as indexes in the cohort.
    pub samples: &'a [u32],
    /// Its index, where its samples are in other inputs, too: then it is noted where it has records.
    pub noted_as: Option<usize>,
    /// First owned position, at a border of the grid; `None`: from the start.
    pub own_start: Option<Locus>,
    /// First position behind, at a border of the grid; `None`: to the end.
    pub own_end: Option<Locus>,
    /// Records before this offset are read even when none of them is owned, so that a file that is not sorted is
    /// noticed; `None`: all are.
    pub end_offset: Option<u64>,
    /// Lines of the input before the first one here, where that is known; for messages.
    pub lines_before: Option<u64>,
}

/// An input that is read.
pub struct Source<'a> {
    name: &'a str,
    lines: LineReader<'a>,
    end_offset: Option<u64>,
    lines_before: Option<u64>,
    state: State,
    /// Place of the line that was put back.
    next: Option<Locus>,
    n_bytes: u64,
    n_records: u64,
}

struct State {
    parser: RecordParser,
    reading: Reading,
    range: OwnRange,
    own_start: Option<Locus>,
    own_end: Option<Locus>,
    /// In the order of columns: sample in the shard, its blocks.
    samples: Vec<(u32, Canonical)>,
    contig: Option<u32>,
    /// Name of the contig and the tab behind it.
    chrom: Vec<u8>,
    /// The same, to be compared with; `None`: there is no contig yet, or its name is too long.
    expected_chrom: Option<FixedText>,
    contigs_seen: HashSet<u32>,
    last_pos: i32,
    cells: Vec<CellContent>,
    noted_as: Option<usize>,
    first_sample: u32,
    spans: Vec<InputSpan>,
}

/// Whether a line was taken in.
enum Step {
    Taken,
    /// It is behind the window.
    Later(Locus),
    /// Neither it nor any later one matters.
    NoMore,
}

impl<'a> Source<'a> {
    /// Begins an input. `of_shard`: samples of the shard, ascending.
    pub fn new(input: IngestSource<'a>, of_shard: &[u32]) -> Result<Self> {
        let place = |sample: &u32| {
            of_shard.binary_search(sample).map_err(|_| Error::internal("a sample of an input is not in its shard"))
        };
        let mut samples = Vec::with_capacity(input.samples.len());
        for sample in input.samples {
            samples.push((place(sample)? as u32, Canonical::new(input.recognised.base_pair)));
        }
        let state = State {
            parser: RecordParser::new(input.recognised.dialect, samples.len()),
            reading: Reading { genotype_from_pl: input.recognised.dialect.derive_gt_from_pl },
            range: OwnRange::new(input.own_start, input.own_end, 0),
            own_start: input.own_start,
            own_end: input.own_end,
            samples,
            contig: None,
            chrom: Vec::new(),
            expected_chrom: None,
            contigs_seen: HashSet::new(),
            last_pos: -1,
            cells: Vec::new(),
            noted_as: input.noted_as,
            first_sample: input.samples.iter().min().copied().unwrap_or_default(),
            spans: Vec::new(),
        };
        Ok(Source {
            name: input.name,
            lines: input.lines,
            end_offset: input.end_offset,
            lines_before: input.lines_before,
            state,
            next: None,
            n_bytes: 0,
            n_records: 0,
        })
    }

    /// Where the input has records, if that was to be noted.
    pub fn spans(&self) -> &[InputSpan] {
        &self.state.spans
    }

    /// Contig of the next line.
    pub fn next_contig(&self) -> Option<u32> {
        self.next.map(|next| next.contig)
    }

    /// The next cell of a contig that the input has something in, behind `cell`.
    pub fn next_cell(&self, contig: u32, cell: i32) -> Option<i32> {
        if self.state.contig == Some(contig) && self.state.samples.iter().any(|(_, blocks)| blocks.reaches_beyond()) {
            return Some(cell + 1);
        }
        self.next.filter(|next| next.contig == contig).map(|next| grid_cell(next.vcf_pos))
    }

    /// Whether the next line is on the contig, up to a position.
    pub fn waits_before(&self, contig: u32, last: i32) -> bool {
        self.next.is_some_and(|next| next.contig == contig && next.vcf_pos <= last)
    }

    /// Begins a cell with the blocks that reach into it.
    pub fn start_cell(&mut self, cell: i32, shared: &mut Shared) {
        let Shared { filters, rows, .. } = shared;
        for (sample, blocks) in &mut self.state.samples {
            if blocks.reaches_beyond() {
                blocks.start_cell(cell_end(cell), filters, &mut |block| rows.blocks.push((*sample, block)));
            }
        }
    }

    /// Ends a cell.
    pub fn end_cell(&mut self, shared: &mut Shared) {
        let Shared { filters, rows, .. } = shared;
        for (sample, blocks) in &mut self.state.samples {
            blocks.end_cell(filters, &mut |block| rows.blocks.push((*sample, block)));
        }
    }

    /// Finds the place of the first line.
    pub fn look_ahead(&mut self, shared: &mut Shared) -> Result<()> {
        self.read_lines(shared, None)
    }

    /// Takes in all lines of a contig up to `last`, in a cell.
    pub fn read_to(&mut self, contig: u32, last: i32, cell: i32, shared: &mut Shared) -> Result<()> {
        if !self.waits_before(contig, last) {
            return Ok(());
        }
        self.read_lines(shared, Some(Window { contig, last, cell_end: cell_end(cell) }))
    }

    fn read_lines(&mut self, shared: &mut Shared, window: Option<Window>) -> Result<()> {
        let before = self.n_records;
        self.next = None;
        loop {
            let number = self.lines.n_lines() + 1;
            let line = self.lines.next_line().map_err(|error| placed(error, self.name, &self.state, None))?;
            let Some(line) = line else { break };
            if line.is_empty() {
                continue;
            }
            let step = self.state.take(line, window, self.name, shared);
            let step = step.map_err(|error| {
                placed(error, self.name, &self.state, self.lines_before.map(|lines| lines + number))
            })?;
            match step {
                Step::Taken => self.n_records += 1,
                Step::Later(locus) => {
                    self.lines.put_back();
                    self.next = Some(locus);
                    break;
                }
                Step::NoMore if self.end_offset.is_some_and(|end| self.lines.line_offset() >= end) => break,
                Step::NoMore => {}
            }
        }
        let progress = shared.context.progress;
        progress.records.fetch_add(self.n_records - before, Ordering::Relaxed);
        let n_bytes = self.lines.n_bytes_read();
        progress.bytes.fetch_add(n_bytes.saturating_sub(self.n_bytes), Ordering::Relaxed);
        self.n_bytes = n_bytes;
        Ok(())
    }
}

/// Lines of which contig and up to where are taken, and the last base of the cell around.
#[derive(Clone, Copy)]
struct Window {
    contig: u32,
    last: i32,
    cell_end: i32,
}

fn placed(error: Error, name: &str, state: &State, line: Option<u64>) -> Error {
    let contig = state.chrom.split_last().map(|(_, name)| String::from_utf8_lossy(name).into_owned());
    let vcf_pos = state.contig.map(|_| i64::from(state.last_pos));
    error.at(Location { path: Some(name.to_string()), line, contig, vcf_pos })
}

impl State {
    #[inline]
    fn take(&mut self, line: &[u8], window: Option<Window>, name: &str, shared: &mut Shared) -> Result<Step> {
        let Some((vcf_pos, at)) = self.expected_chrom.as_ref().and_then(|chrom| expected_pos(line, chrom)) else {
            return self.take_any(line, window, name, shared);
        };
        let contig = self.contig.unwrap_or_default();
        if let Some(step) = self.arrive(contig, vcf_pos, window)? {
            return Ok(step);
        }
        match self.parser.expected_block(line, at, vcf_pos) {
            Some(block) => self.take_block(0, block, window, shared, true),
            None => self.take_record(line, name, window, shared)?,
        }
        Ok(Step::Taken)
    }

    /// A line that does not begin with the contig of the one before, or is damaged.
    #[cold]
    fn take_any(&mut self, line: &[u8], window: Option<Window>, name: &str, shared: &mut Shared) -> Result<Step> {
        let (chrom, vcf_pos) = match locus_of_line(line) {
            Ok(found) => found,
            Err(error) => {
                let last = self.contig.map(|contig| Locus { contig, vcf_pos: self.last_pos });
                if !self.range.owns_line_behind(last) {
                    return Ok(Step::Taken);
                }
                set_aside_line(error, shared.context, &mut shared.accounting, name, line)?;
                return Ok(Step::Taken);
            }
        };
        let contig = shared.context.contigs.index_of(chrom).ok_or_else(|| undefined_contig(chrom))?;
        if self.contig != Some(contig) {
            if window.is_none_or(|window| window.contig != contig) {
                return Ok(Step::Later(Locus { contig, vcf_pos }));
            }
            self.start_contig(contig, chrom)?;
        }
        if let Some(step) = self.arrive(contig, vcf_pos, window)? {
            return Ok(step);
        }
        self.take_record(line, name, window, shared)?;
        Ok(Step::Taken)
    }

    fn start_contig(&mut self, contig: u32, name: &[u8]) -> Result<()> {
        self.chrom.clear();
        self.chrom.extend_from_slice(name);
        self.chrom.push(b'\t');
        self.expected_chrom = FixedText::new(&self.chrom, None);
        let before = self.contig.replace(contig);
        self.last_pos = -1;
        let name = String::from_utf8_lossy(name);
        if !self.contigs_seen.insert(contig) {
            return Err(unsorted(format!("records of contig {name} come again")));
        }
        if before.is_some_and(|before| before > contig) {
            return Err(unsorted(format!("contig {name} comes after one that is behind it in the cohort's header")));
        }
        Ok(())
    }

    /// Checks the order; says whether the line is to wait, or none matters any more.
    #[inline]
    fn arrive(&mut self, contig: u32, vcf_pos: i32, window: Option<Window>) -> Result<Option<Step>> {
        if vcf_pos < self.last_pos {
            let before = self.last_pos;
            self.last_pos = vcf_pos;
            return Err(unsorted(format!("the record comes after one at position {before}")));
        }
        self.last_pos = vcf_pos;
        let locus = Locus { contig, vcf_pos };
        if !self.range.advance(locus) {
            return Ok(Some(Step::NoMore));
        }
        Ok(match window {
            Some(window) if window.contig == contig && vcf_pos <= window.last => None,
            _ => Some(Step::Later(locus)),
        })
    }

    /// A record in the general way.
    fn take_record(&mut self, line: &[u8], name: &str, window: Option<Window>, shared: &mut Shared) -> Result<()> {
        let contig = self.contig.unwrap_or_default();
        let locus = Locus { contig, vcf_pos: self.last_pos };
        let mut cells = std::mem::take(&mut self.cells);
        let read = index(line).and_then(|(index, vcf_pos)| {
            let view = index.view(line);
            self.parser.read(view, vcf_pos, &mut shared.filters, &mut cells)?;
            let is_record = |cell: &CellContent| matches!(cell, CellContent::Record(_));
            // ranges of sites end before a position, and none is behind 2^31 - 1
            if vcf_pos.checked_add(view.ref_allele().len() as i32).is_none() {
                let most = i32::MAX - 1;
                return Err(Error::bad_data(format!(
                    "the record reaches position {}, joint calling goes up to {most}",
                    i32::MAX
                )));
            }
            let aligned = match cells.iter().any(is_record) {
                true => self.check(view, vcf_pos, &cells, shared.reference.as_deref())?,
                false => Vec::new(),
            };
            Ok(RecordLine { text: line, index, aligned })
        });
        match read {
            Ok(line) => self.keep(&line, &cells, window, shared),
            Err(error) if self.range.owns(locus) => {
                reject(error, shared.context, &mut shared.accounting, name, locus)?;
            }
            Err(_) => {}
        }
        self.cells = cells;
        Ok(())
    }

    /// Checks a record that is kept as written: what calls it later will not find fault with it. Returns what
    /// left-alignment makes of its alleles.
    fn check(
        &self,
        record: RecordView,
        vcf_pos: i32,
        cells: &[CellContent],
        reference: Option<&dyn ReferenceBases>,
    ) -> Result<Vec<u8>> {
        check_alleles(record, vcf_pos, reference)?;
        let format = record.format().unwrap_or_default();
        let columns = record.samples().split(|&byte| byte == b'\t').zip(cells);
        for (cell, _) in columns.filter(|(_, content)| matches!(content, CellContent::Record(_))) {
            check_fields(record.alt(), format, cell, self.reading)?;
        }
        match reference {
            Some(reference) => aligned_text(vcf_pos, record.ref_allele(), record.alt(), reference),
            None => Ok(Vec::new()),
        }
    }

    fn keep(&mut self, line: &RecordLine, cells: &[CellContent], window: Option<Window>, shared: &mut Shared) {
        let contig = self.contig.unwrap_or_default();
        let locus = Locus { contig, vcf_pos: self.last_pos };
        let by_ref = line.index.view(line.text).ref_allele().len().max(1) as i32 - 1;
        let last = cells.iter().map(|cell| match cell {
            CellContent::Empty => locus.vcf_pos,
            CellContent::Block(block) => block.end,
            CellContent::Record(end) => *end,
        });
        let last = last.max().unwrap_or(locus.vcf_pos).max(locus.vcf_pos.saturating_add(by_ref));
        if !shared.context.regions.overlap(contig, locus.vcf_pos, last) {
            return;
        }
        let owned = self.range.owns(locus);
        if owned {
            self.note(contig, locus.vcf_pos, last);
            shared.accounting.records_read += 1;
            shared.accounting.records_written += 1;
            let ends = cells.iter().enumerate().filter_map(|(column, cell)| match cell {
                CellContent::Record(end) => Some((self.samples[column].0, column as u32, *end)),
                _ => None,
            });
            shared.rows.add_record(line, locus.vcf_pos, ends);
        }
        for (column, cell) in cells.iter().enumerate() {
            if let CellContent::Block(block) = cell {
                self.take_block(column, *block, window, shared, false);
            }
        }
    }

    /// A block of the sample in a column. `counts`: its line is not counted yet.
    #[inline]
    fn take_block(&mut self, column: usize, block: Block, window: Option<Window>, shared: &mut Shared, counts: bool) {
        let contig = self.contig.unwrap_or_default();
        if counts && !shared.context.regions.overlap(contig, block.start, block.end) {
            return;
        }
        let owned = self.range.owns(Locus { contig, vcf_pos: block.start });
        if owned {
            shared.accounting.blocks_read += 1;
            if counts {
                self.note(contig, block.start, block.end);
                shared.accounting.records_read += 1;
                shared.accounting.records_written += 1;
            }
        }
        let Some(block) = self.own_part(block, contig) else { return };
        let Shared { filters, rows, .. } = shared;
        let (sample, blocks) = &mut self.samples[column];
        let cell_end = window.map_or(i32::MAX, |window| window.cell_end);
        blocks.push(block, cell_end, filters, &mut |block| rows.blocks.push((*sample, block)));
    }

    /// Takes note of a record where that is asked for.
    #[inline]
    fn note(&mut self, contig: u32, first: i32, last: i32) {
        let Some(input) = self.noted_as else { return };
        match self.spans.last_mut() {
            Some(span) if span.contig == contig => span.last = span.last.max(last),
            _ => self.spans.push(InputSpan { sample: self.first_sample, contig, first, last, input }),
        }
    }

    /// The part of a block that is the matter of this range: see [`LOOK_BACK_BP`].
    #[inline]
    fn own_part(&self, block: Block, contig: u32) -> Option<Block> {
        if self.own_start.is_none() && self.own_end.is_none() {
            return Some(block);
        }
        self.cut_part(block, contig)
    }

    fn cut_part(&self, mut block: Block, contig: u32) -> Option<Block> {
        let began = block.start;
        match self.own_start.filter(|start| start.contig == contig) {
            Some(start) if began < start.vcf_pos => {
                if began < start.vcf_pos - LOOK_BACK_BP || block.end < start.vcf_pos {
                    return None;
                }
                block.start = start.vcf_pos;
            }
            Some(_) => {}
            None if !self.range.owns(Locus { contig, vcf_pos: began }) => return None,
            None => {}
        }
        if let Some(end) = self.own_end.filter(|end| end.contig == contig)
            && block.end >= end.vcf_pos
            && began >= end.vcf_pos - LOOK_BACK_BP
        {
            block.end = end.vcf_pos - 1;
        }
        (block.start <= block.end).then_some(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::gvcf::{BlockGt, MISSING, NO_FILTER};
    use crate::evidence::{GRID_BP, cell_start};
    use proptest::prelude::*;

    fn state(own_start: Option<Locus>, own_end: Option<Locus>) -> State {
        let input = IngestSource {
            name: "x",
            lines: LineReader::of_text(b""),
            recognised: Recognised::other(),
            samples: &[0],
            noted_as: None,
            own_start,
            own_end,
            end_offset: None,
            lines_before: None,
        };
        Source::new(input, &[0]).expect("a source").state
    }

    proptest! {
        /// Ranges of a file that follow each other take every base of a block once, however long it is.
        #[test]
        fn ranges_share_a_block_without_overlap(
            mut cuts in proptest::collection::vec(1..40i32, 0..6),
            start in 1..40 * GRID_BP,
            length in prop_oneof![1..100i32, 1..30 * GRID_BP],
        ) {
            cuts.sort_unstable();
            cuts.dedup();
            let at = |cell: &i32| Some(Locus { contig: 3, vcf_pos: cell_start(*cell) });
            let starts = std::iter::once(None).chain(cuts.iter().map(at));
            let ends = cuts.iter().map(at).chain([None]);
            let end = start + length - 1;
            let block =
                Block { start, end, gq: 1, min_dp: 1, dp: 1, pl: [MISSING; 3], gt: BlockGt::HomRef, filter: NO_FILTER };
            let mut taken: Vec<(i32, i32)> = Vec::new();
            for (own_start, own_end) in starts.zip(ends) {
                let mut state = state(own_start, own_end);
                if state.range.advance(Locus { contig: 3, vcf_pos: start }) {
                    taken.extend(state.own_part(block, 3).map(|part| (part.start, part.end)));
                }
            }
            taken.sort_unstable();
            prop_assert_eq!(taken.first().map(|part| part.0), Some(start));
            prop_assert_eq!(taken.last().map(|part| part.1), Some(end));
            prop_assert!(taken.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{:?}", taken);
        }
    }
}
