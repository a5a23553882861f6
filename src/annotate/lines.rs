//! Reads sources that are lines, piece by piece on all cores, against the alleles of the dataset.
//!
//! Pieces are cut by bytes alone, so that what comes out is the same for any number of threads. Each reads its own rows of the source, and
//! of the dataset what is near to them. A source that turns out not to be sorted is sorted in memory, up to [`MAX_SORT_BYTES`].

use super::consequence::EntryTally;
use super::join::{Found, Joiner, Key, Run, Setup, Tally};
use super::line_file::{LineFile, Piece};
use super::rows::{Guess, Rows};
use super::spill::Spill;
use super::text::Packing;
use crate::decode::lines::LineReader;
use crate::error::{Error, Location, Result};
use arrow_schema::SchemaRef;
use rayon::prelude::*;
use std::collections::HashMap;

/// Memory for a source that is sorted there, at most, in bytes.
pub const MAX_SORT_BYTES: usize = 1 << 30;
/// Rows set aside that are listed with their reasons.
pub const MAX_LISTED: usize = 100;
/// Rows that are handed out together.
pub const PART_ROWS: usize = 1 << 15;
/// Rows of a trial before it begins anew.
const TRIAL_ROWS: usize = 1 << 12;

/// One kind of lines.
pub trait LineKind: Sync {
    /// Rows under way.
    type Sink: RowSink;
    /// The allele or alleles of a line.
    fn key<'l>(&self, line: &'l [u8]) -> Result<Key<'l>>;
    /// Schemas of the tables that come out.
    fn schemas(&self) -> Vec<SchemaRef>;
    /// An empty sink.
    fn sink(&self) -> Self::Sink;
    /// Appends the values of a line for all its hits. `source`: which line it is. After an error the sink is void.
    fn append(&self, line: &[u8], joiner: &Joiner, source: u64, sink: &mut Self::Sink) -> Result<()>;
}

/// Rows of one contig under way.
pub trait RowSink: Send {
    /// So far.
    fn n_rows(&self) -> usize;
    /// Hands them out; empty after.
    fn finish(&mut self) -> Result<Produced>;
}

/// Rows of one contig.
pub struct Produced {
    /// Of each table.
    pub rows: Vec<Rows>,
    /// What the columns of the first table have in common, where their types are to be found.
    pub guesses: Vec<Guess>,
    /// Entries of consequences.
    pub entries: EntryTally,
}

/// A row that was set aside.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Where.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// What came of a source beside its rows.
#[derive(Default)]
pub struct Joined {
    /// Where the rows went.
    pub tally: Tally,
    /// Entries of consequences.
    pub entries: EntryTally,
    /// The first rows that were set aside.
    pub rejections: Vec<Rejection>,
    /// See [`Produced::guesses`].
    pub guesses: Vec<Guess>,
    /// Some contigs of the source that the dataset does not have, in order.
    pub other_contigs: Vec<String>,
    /// Whether a contig is one of the dataset.
    pub knows_contig: bool,
}

/// Lines one after the other.
enum Feed<'a> {
    /// Up to an offset.
    File { lines: LineReader<'a>, end: u64 },
    /// Held in memory, in another order.
    Held { held: &'a Held, next: usize },
}

impl Feed<'_> {
    /// The next line, and its number within the feed, from 1 (of lines that are held: within the file).
    #[inline]
    fn next(&mut self) -> Result<Option<(&[u8], u64)>> {
        match self {
            Feed::File { lines, end } => {
                let number = lines.n_lines() + 1;
                let line = if *end == u64::MAX { lines.next_line()? } else { lines.next_line_before(*end)? };
                Ok(line.map(|line| (line, number)))
            }
            Feed::Held { held, next } => {
                let Some(line) = held.lines.get(*next) else { return Ok(None) };
                *next += 1;
                Ok(Some((&held.text[line.start..line.end], line.number)))
            }
        }
    }
}

/// Lines in memory, sorted.
struct Held {
    text: Vec<u8>,
    lines: Vec<HeldLine>,
}

struct HeldLine {
    contig: u32,
    vcf_pos: i32,
    number: u64,
    start: usize,
    end: usize,
}

/// Rows of a contig, and the position up to which the source was read.
pub(super) struct Part {
    /// Index in the dataset.
    pub(super) contig: u32,
    /// 1-based.
    pub(super) reached: i32,
    /// The rows.
    pub(super) produced: Produced,
}

/// What a piece gave beside its rows.
#[derive(Default)]
pub(super) struct PieceRows {
    /// Contigs in order.
    pub(super) runs: Vec<Run>,
    /// Where the rows went.
    pub(super) tally: Tally,
    /// Line within the piece, place on the contig, reason.
    pub(super) rejections: Vec<(u64, Location, String)>,
    /// Lines of the piece.
    pub(super) n_lines: u64,
    /// A row comes before one that it should come after.
    pub(super) unsorted: bool,
}

/// Joins a source to the dataset: its rows into `spills`, one for each table of the kind; made anew by `renew` where the source turns out not
/// to be sorted. `stretches`: parts of the file that hold all that is wanted.
pub fn join<K: LineKind>(
    file: &LineFile,
    kind: &K,
    setup: &Setup,
    stretches: Option<Vec<(u64, u64)>>,
    spills: &mut dyn FnMut() -> Result<Vec<Spill>>,
) -> Result<(Joined, Vec<Spill>)> {
    let n_lines = stretches.is_none().then(|| file.n_header_lines());
    let mut run = Taking::new(file.place(), setup, n_lines, spills()?);
    if file.packing() == Packing::Gzip {
        return match run.take_stream(file, kind)? {
            true => Ok((run.joined, run.spills)),
            false => join_sorted(file, kind, setup, spills()?),
        };
    }
    let pieces = file.pieces(stretches);
    for (at, group) in pieces.chunks(rayon::current_num_threads() * 2).enumerate() {
        let first = at * rayon::current_num_threads() * 2;
        let work = |(at, piece): (usize, &Piece)| read_piece(file, kind, setup, *piece, (first + at) as u64);
        let done: Vec<Result<(PieceRows, Vec<Part>)>> = group.par_iter().enumerate().map(work).collect();
        for done in done {
            let (rows, parts) = done.map_err(|error| error.map_line(|line| run.line(line)).at(file.place()))?;
            if !run.take(rows, parts)? {
                return join_sorted(file, kind, setup, spills()?);
            }
        }
    }
    Ok((run.joined, run.spills))
}

fn read_piece<K: LineKind>(
    file: &LineFile,
    kind: &K,
    setup: &Setup,
    piece: Piece,
    number: u64,
) -> Result<(PieceRows, Vec<Part>)> {
    let mut parts = Vec::new();
    let (start, end) = (file.resolve(piece.from)?, file.resolve(piece.to)?);
    if start >= end {
        return Ok((PieceRows::default(), parts));
    }
    let mut lines = file.lines_from(start)?;
    if end != u64::MAX {
        lines = lines.expecting_end(end);
    }
    let rows = read_rows(kind, setup, Feed::File { lines, end }, number, &mut |part| {
        parts.push(part);
        Ok(())
    })?;
    // what was read leaves the memory: else a large source would count as a whole
    let physical = |offset: u64| (if file.packing() == Packing::Bgzf { offset >> 16 } else { offset }) as usize;
    file.mapped().release(physical(start)..physical(end));
    Ok((rows, parts))
}

/// Reads lines; hands out rows when a contig ends, or there are many.
fn read_rows<K: LineKind>(
    kind: &K,
    setup: &Setup,
    mut feed: Feed,
    piece: u64,
    out: &mut dyn FnMut(Part) -> Result<()>,
) -> Result<PieceRows> {
    let mut joiner = Joiner::new(setup);
    let mut sink = kind.sink();
    let mut trial = setup.skip_bad.then(|| kind.sink());
    let mut rows = PieceRows::default();
    while let Some((line, number)) = feed.next()? {
        rows.n_lines = number;
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        let key = match kind.key(line) {
            Ok(key) => key,
            Err(error) => {
                joiner.tally.read += 1;
                set_aside(&mut rows, &mut joiner.tally, setup, number, error)?;
                continue;
            }
        };
        if !joiner.is_same_contig(key.contig) || sink.n_rows() >= PART_ROWS {
            flush(&joiner, &mut sink, out)?;
        }
        match joiner.find(key)? {
            Found::Hits(0) => continue,
            Found::Hits(_) => {}
            Found::Unsorted => {
                rows.unsorted = true;
                return Ok(rows);
            }
        }
        let at = |error: Error| {
            let contig = Some(String::from_utf8_lossy(key.contig).into_owned());
            error.at(Location { contig, vcf_pos: Some(i64::from(key.vcf_pos)), ..Default::default() })
        };
        if let Some(trial) = &mut trial {
            if let Err(error) = kind.append(line, &joiner, 0, trial) {
                *trial = kind.sink();
                joiner.tally.matched -= 1;
                set_aside(&mut rows, &mut joiner.tally, setup, number, at(error))?;
                continue;
            }
            if trial.n_rows() > TRIAL_ROWS {
                *trial = kind.sink();
            }
        }
        if let Err(error) = kind.append(line, &joiner, piece << 32 | number, &mut sink) {
            let error = at(error).at(Location { line: Some(number), ..Default::default() });
            return Err(with_skip_hint(error));
        }
    }
    flush(&joiner, &mut sink, out)?;
    (rows.tally, rows.runs) = (joiner.tally, joiner.runs);
    Ok(rows)
}

fn flush<S: RowSink>(joiner: &Joiner, sink: &mut S, out: &mut dyn FnMut(Part) -> Result<()>) -> Result<()> {
    match joiner.contig().filter(|_| sink.n_rows() > 0) {
        Some(contig) => out(Part { contig, reached: joiner.last_pos(), produced: sink.finish()? }),
        None => Ok(()),
    }
}

/// A row that is wrong ends the run, or is counted.
pub(super) fn set_aside(
    rows: &mut PieceRows,
    tally: &mut Tally,
    setup: &Setup,
    number: u64,
    error: Error,
) -> Result<()> {
    if !setup.skip_bad {
        let error = error.at(Location { line: Some(number), ..Default::default() });
        return Err(with_skip_hint(error));
    }
    tally.rejected += 1;
    if rows.rejections.len() < MAX_LISTED {
        rows.rejections.push((number, error.location().clone(), error.message().to_owned()));
    }
    Ok(())
}

/// Adds how to go on without such rows.
pub(super) fn with_skip_hint(error: Error) -> Error {
    const SKIP: &str = "`--on-bad-record skip` leaves such rows out, and counts them";
    let hint = match error.hint_text() {
        Some(hint) if hint.contains("--on-bad-record") => return error,
        Some(hint) => format!("{hint}; {SKIP}"),
        None => SKIP.to_owned(),
    };
    error.hint(hint)
}

/// Takes pieces in order.
pub(super) struct Taking<'a> {
    /// The source.
    place: Location,
    setup: &'a Setup<'a>,
    /// Whether lines can be counted from the start of the file.
    counts_lines: bool,
    n_lines: u64,
    /// One for each table.
    pub(super) spills: Vec<Spill>,
    /// What came so far.
    pub(super) joined: Joined,
    last: Option<Run>,
    seen: HashMap<Vec<u8>, Option<u32>>,
    names: HashMap<u32, Vec<u8>>,
}

impl<'a> Taking<'a> {
    /// `n_lines`: before the first row; `None`: lines cannot be counted.
    pub(super) fn new(place: Location, setup: &'a Setup<'a>, n_lines: Option<u64>, spills: Vec<Spill>) -> Taking<'a> {
        let (counts_lines, n_lines) = (n_lines.is_some(), n_lines.unwrap_or_default());
        let (joined, last, seen, names) = (Joined::default(), None, HashMap::new(), HashMap::new());
        Taking { place, setup, counts_lines, n_lines, spills, joined, last, seen, names }
    }

    /// Line of the file, by that of the next piece.
    fn line(&self, number: u64) -> Option<u64> {
        self.counts_lines.then_some(self.n_lines + number)
    }

    /// Takes a file that is one stream; false: it is not sorted.
    fn take_stream<K: LineKind>(&mut self, file: &LineFile, kind: &K) -> Result<bool> {
        let lines = file.lines()?;
        // lines before the first row are counted by the reader of a table, and not by that of a VCF
        self.n_lines -= lines.n_lines();
        let setup = self.setup;
        let read = read_rows(kind, setup, Feed::File { lines, end: u64::MAX }, 0, &mut |part| self.take_part(part));
        let rows = read.map_err(|error| error.map_line(|line| self.line(line)).at(self.place.clone()))?;
        self.take(rows, Vec::new())
    }

    /// Takes a piece; false: the source is not sorted.
    pub(super) fn take(&mut self, rows: PieceRows, parts: Vec<Part>) -> Result<bool> {
        if rows.unsorted || !self.follow(&rows.runs)? {
            return Ok(false);
        }
        self.joined.tally.add(&rows.tally);
        for (number, location, reason) in rows.rejections {
            if self.joined.rejections.len() < MAX_LISTED {
                let place = Location { line: self.line(number), path: self.place.path.clone(), ..location };
                self.joined.rejections.push(Rejection { place: place.to_string(), reason });
            }
        }
        parts.into_iter().try_for_each(|part| self.take_part(part))?;
        self.n_lines += rows.n_lines;
        Ok(true)
    }

    pub(super) fn take_part(&mut self, part: Part) -> Result<()> {
        let Part { contig, reached, produced } = part;
        self.joined.entries.add(&produced.entries);
        if self.joined.guesses.is_empty() {
            self.joined.guesses = produced.guesses;
        } else {
            let pairs = self.joined.guesses.iter_mut().zip(produced.guesses);
            pairs.for_each(|(known, new)| *known = known.join(new));
        }
        for (spill, rows) in self.spills.iter_mut().zip(produced.rows) {
            if rows.batch.num_rows() > 0 {
                spill.take(contig, rows, reached)?;
            }
        }
        Ok(())
    }

    /// Checks that the contigs of a piece go on where those before end.
    fn follow(&mut self, runs: &[Run]) -> Result<bool> {
        for run in runs {
            if let Some(last) = &mut self.last
                && last.contig == run.contig
            {
                if run.first < last.last {
                    return Ok(false);
                }
                last.last = run.last;
                continue;
            }
            let index = self.setup.contigs.index_of(&run.contig);
            if self.seen.insert(run.contig.clone(), index).is_some() {
                return Ok(false);
            }
            let name = String::from_utf8_lossy(&run.contig).into_owned();
            match index {
                None if self.joined.other_contigs.len() < MAX_LISTED => self.joined.other_contigs.push(name),
                None => {}
                Some(index) => {
                    self.joined.knows_contig = true;
                    if let Some(other) = self.names.insert(index, run.contig.clone()) {
                        return Err(two_names(&other, &run.contig));
                    }
                }
            }
            self.last = Some(run.clone());
        }
        Ok(true)
    }
}

/// The same for a source that is not sorted: its rows are sorted in memory.
fn join_sorted<K: LineKind>(
    file: &LineFile,
    kind: &K,
    setup: &Setup,
    spills: Vec<Spill>,
) -> Result<(Joined, Vec<Spill>)> {
    let mut run = Taking::new(file.place(), setup, Some(file.n_header_lines()), spills);
    let (held, before) =
        hold(file, kind, setup).map_err(|error| error.map_line(|line| run.line(line)).at(file.place()))?;
    run.take(PieceRows { tally: before.tally, rejections: before.rejections, ..Default::default() }, Vec::new())?;
    run.joined.other_contigs = before.other_contigs;
    let feed = Feed::Held { held: &held, next: 0 };
    let read = read_rows(kind, setup, feed, 0, &mut |part| run.take_part(part));
    let rows = read.map_err(|error| error.map_line(|line| run.line(line)).at(file.place()))?;
    if !run.take(rows, Vec::new())? {
        return Err(Error::internal("rows that were sorted are not sorted"));
    }
    Ok((run.joined, run.spills))
}

fn two_names(one: &[u8], other: &[u8]) -> Error {
    Error::bad_data(format!(
        "the names {} and {} of the source mean the same contig of the dataset",
        String::from_utf8_lossy(one),
        String::from_utf8_lossy(other)
    ))
    .hint("give the source one name for each contig, or leave --contig-map out")
}

/// Rows that are not held.
#[derive(Default)]
struct Before {
    tally: Tally,
    rejections: Vec<(u64, Location, String)>,
    other_contigs: Vec<String>,
}

/// Reads the rows on contigs of the dataset into memory, and sorts them.
fn hold<K: LineKind>(file: &LineFile, kind: &K, setup: &Setup) -> Result<(Held, Before)> {
    let mut lines = file.lines()?;
    let skipped = lines.n_lines();
    let mut held = Held { text: Vec::new(), lines: Vec::new() };
    let (mut before, mut rows) = (Before::default(), PieceRows::default());
    let mut names: HashMap<u32, Vec<u8>> = HashMap::new();
    loop {
        let number = lines.n_lines() + 1 - skipped;
        let Some(line) = lines.next_line()? else { break };
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        let key = match kind.key(line) {
            Ok(key) => key,
            Err(error) => {
                before.tally.read += 1;
                set_aside(&mut rows, &mut before.tally, setup, number, error)?;
                continue;
            }
        };
        let Some(contig) = setup.contigs.index_of(key.contig) else {
            before.tally.read += 1;
            before.tally.other_contigs += 1;
            let name = String::from_utf8_lossy(key.contig);
            if before.other_contigs.len() < MAX_LISTED && !before.other_contigs.iter().any(|known| *known == name) {
                before.other_contigs.push(name.into_owned());
            }
            continue;
        };
        let name = names.entry(contig).or_insert_with(|| key.contig.to_vec());
        if name != key.contig {
            return Err(two_names(name, key.contig));
        }
        if held.text.len() + line.len() + held.lines.len() * size_of::<HeldLine>() > MAX_SORT_BYTES {
            return Err(Error::bad_data("the rows are not sorted, and too many to be sorted in memory (1 GiB)")
                .hint("sort it first, by contig and position: `bcftools sort`, or `sort -k1,1 -k2,2n` for a table"));
        }
        let (vcf_pos, start) = (key.vcf_pos, held.text.len());
        held.text.extend_from_slice(line);
        held.lines.push(HeldLine { contig, vcf_pos, number, start, end: held.text.len() });
    }
    before.rejections = rows.rejections;
    held.lines.sort_by_key(|line| (line.contig, line.vcf_pos));
    Ok((held, before))
}
