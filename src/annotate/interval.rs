//! Sources of intervals: BED, GFF3 and GTF. An allele has the values of all intervals that touch its bases, `pos` to `end`.
//!
//! The intervals are held in memory, sorted; the alleles stream past them.

use super::cells::Cells;
use super::contigs::ContigLookup;
use super::join::Setup;
use super::lines::{Joined, MAX_LISTED, Part, Produced, Rejection, with_skip_hint};
use super::rows::{Keys, TextKind, is_missing, number, schema, whole};
use super::spec::{Columns, SourceSpec, Wanted, word};
use super::spill::Spill;
use super::targets::{Chunk, Group};
use super::text::TextFile;
use crate::columns::schema::list_of;
use crate::dataset::batch::Value;
use crate::dataset::stream::{FileStream, Select};
use crate::decode::intervals::{Form, GFF_COLUMNS, Interval, Line, Recognised, USUAL_NAMES};
use crate::error::{Error, Location, Result};
use arrow_schema::{DataType, SchemaRef};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// The columns of a file of intervals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    form: Form,
    /// Names of the columns but for attributes.
    names: Vec<String>,
    /// Whether the names are in the file.
    is_named: bool,
}

/// Names of the columns of a BED file without names, from the fourth on.
const BED_NAMES: [&str; 9] =
    ["name", "score", "strand", "thick_start", "thick_end", "item_rgb", "block_count", "block_sizes", "block_starts"];
/// Text of the features of a GFF that is looked at for the attribute that names them, in bytes.
const LOOK_BYTES: usize = 1 << 20;

impl Layout {
    /// By what was recognised.
    pub fn new(found: Recognised) -> Layout {
        let usual = |at: usize| BED_NAMES.get(at - 3).map_or(format!("column_{}", at + 1), |name| (*name).to_owned());
        let usual =
            || ["contig", "start", "end"].map(String::from).into_iter().chain((3..found.n_fields).map(usual)).collect();
        match found.form {
            Form::Bed => Layout {
                form: Form::Bed,
                is_named: found.names.is_some(),
                names: found.names.clone().unwrap_or_else(usual),
            },
            Form::Gff => Layout { form: Form::Gff, names: GFF_COLUMNS.map(String::from).into(), is_named: false },
        }
    }

    /// For people.
    pub fn describe(&self) -> String {
        match self.form {
            Form::Bed => {
                format!("BED with {}", self.names.iter().map(|name| word(name)).collect::<Vec<_>>().join(", "))
            }
            Form::Gff => "GFF".to_owned(),
        }
    }
}

/// The intervals of one contig, sorted by first base.
#[derive(Default)]
struct Track {
    /// First and last base (1-based, inclusive), number of the line.
    intervals: Vec<(i32, i32, u32)>,
}

/// The values of one column, of each line; an empty text is none.
struct Taken {
    field: String,
    column: String,
    kind: Option<TextKind>,
    /// Where the text of each line ends.
    ends: Vec<usize>,
    text: String,
}

impl Taken {
    fn value(&self, line: u32) -> &str {
        let line = line as usize;
        let start = if line == 0 { 0 } else { self.ends[line - 1] };
        &self.text[start..self.ends[line]]
    }

    fn data_type(&self) -> DataType {
        match self.kind {
            // a text that is asked for is one text
            Some(TextKind::Text) => DataType::Utf8,
            Some(kind) => list_of(kind.data_type()),
            None => list_of(DataType::Utf8),
        }
    }
}

/// A source of intervals.
pub struct Intervals {
    tracks: BTreeMap<u32, Track>,
    taken: Vec<Taken>,
    /// The column that says that an interval is there, where there are no others.
    flag: Option<String>,
    schema: SchemaRef,
    /// What was read.
    joined: Joined,
    /// The lines that touch an allele.
    touched: Vec<AtomicBool>,
}

impl Intervals {
    /// Reads a file.
    pub fn read(file: &TextFile, layout: &Layout, spec: &SourceSpec, setup: &Setup) -> Result<Intervals> {
        let mut taken = wanted(layout, spec, file)?
            .into_iter()
            .map(|wanted| Taken {
                column: wanted.alias.clone().unwrap_or_else(|| spec.column(&wanted.field)),
                field: wanted.field,
                kind: wanted.kind,
                ends: Vec::new(),
                text: String::new(),
            })
            .collect::<Vec<_>>();
        let flag =
            taken.is_empty().then(|| if spec.name.is_empty() { "interval".to_owned() } else { spec.name.clone() });
        let mut reader =
            Reader { layout, spec, contigs: setup.contigs, tracks: BTreeMap::new(), joined: Joined::default(), n: 0 };
        let mut lines = file.lines()?;
        while let Some(line) = lines.next_line().map_err(|error| error.at(file.place()))? {
            let done = match Line::of_bytes(line) {
                Ok(Line::Data(text)) => reader.line(text, &mut taken),
                Ok(Line::End) => break,
                Ok(Line::Other | Line::Header(_)) => continue,
                Err(error) => Err(error),
            };
            let number = lines.n_lines();
            if let Err(error) = done {
                let error = error.at(Location { line: Some(number), ..file.place() });
                if !setup.skip_bad {
                    return Err(with_skip_hint(error));
                }
                reader.reject(&error);
            }
        }
        let Reader { mut tracks, joined, n, .. } = reader;
        tracks.values_mut().for_each(|track| track.intervals.sort_unstable());
        let columns = taken.iter().map(|taken| (taken.column.clone(), taken.data_type()));
        let schema = schema(columns.chain(flag.iter().map(|flag| (flag.clone(), DataType::Boolean))));
        let touched = (0..n).map(|_| AtomicBool::new(false)).collect();
        Ok(Intervals { tracks, taken, flag, schema, joined, touched })
    }

    /// Schema of the rows under way.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The alleles of the dataset that intervals touch; where the lines went.
    pub fn join(mut self, setup: &Setup, spill: &mut Spill) -> Result<Joined> {
        for &contig in self.tracks.keys() {
            let groups = setup.targets.groups(contig)?;
            for some in groups.chunks(rayon::current_num_threads() * 2) {
                let done: Vec<Result<Vec<Part>>> =
                    some.par_iter().map(|group| self.read_group(contig, group)).collect();
                for parts in done {
                    for part in parts? {
                        for rows in part.produced.rows {
                            spill.take(contig, rows, part.reached)?;
                        }
                    }
                }
            }
        }
        self.joined.tally.matched =
            self.touched.iter().filter(|touched| touched.load(Ordering::Relaxed)).count() as u64;
        Ok(self.joined)
    }

    fn read_group(&self, contig: u32, group: &Group) -> Result<Vec<Part>> {
        let track = &self.tracks[&contig];
        let select = Select::columns(&["variant_id", "pos", "end", "ref", "alt"]);
        let (mut keys, mut parts) = (Keys::default(), Vec::new());
        let mut cells: Vec<Cells> =
            self.schema.fields().iter().skip(4).map(|field| Cells::new(field.data_type())).collect();
        let mut sweep = Sweep { track, next: 0, open: Vec::new() };
        sweep.begin(group.first);
        let mut found = Vec::new();
        for batch in FileStream::open(&group.file, &select.with_row_groups(Some(vec![group.row_group])))? {
            let batch = batch?;
            let (chunk, ends) = (Chunk::new(&batch)?, batch.ints("end")?);
            for row in 0..batch.n_rows() {
                let pos = chunk.pos.value(row);
                sweep.touching(pos, ends.value(row).max(pos), &mut found);
                if found.is_empty() {
                    continue;
                }
                keys.push(&chunk, row, 0);
                self.push(&found, &mut cells)?;
            }
            if keys.n_rows() > 0 {
                let values = cells.iter_mut().map(Cells::finish).collect();
                let rows = vec![keys.finish(&self.schema, values)?];
                let produced = Produced { rows, guesses: Vec::new(), entries: Default::default() };
                parts.push(Part { contig, reached: chunk.pos.value(batch.n_rows() - 1), produced });
            }
        }
        Ok(parts)
    }

    /// The values of lines (in file order), each once.
    fn push(&self, lines: &[u32], cells: &mut [Cells]) -> Result<()> {
        lines.iter().for_each(|&line| self.touched[line as usize].store(true, Ordering::Relaxed));
        for (taken, cells) in self.taken.iter().zip(cells.iter_mut()) {
            let mut values: Vec<&str> = Vec::new();
            for &line in lines {
                let value = taken.value(line);
                if !value.is_empty() && !values.contains(&value) {
                    values.push(value);
                }
            }
            if values.is_empty() {
                cells.push_null();
                continue;
            }
            if taken.kind == Some(TextKind::Text) {
                cells.push_text(&values.join(","))?;
                continue;
            }
            for value in values {
                cells.push_item(match taken.kind {
                    Some(TextKind::Int | TextKind::Long) => whole(value).map(Value::Int),
                    Some(TextKind::Float) => number(value).map(Value::Float),
                    _ => Some(Value::Text(value)),
                })?;
            }
            cells.end_list();
        }
        if let (Some(_), Some(cells)) = (&self.flag, cells.last_mut()) {
            cells.push_text("true")?;
        }
        Ok(())
    }
}

/// What is wanted of each line.
fn wanted(layout: &Layout, spec: &SourceSpec, file: &TextFile) -> Result<Vec<Wanted>> {
    let plain = |field: &str| Wanted { field: field.to_owned(), kind: None, alias: None };
    let list = match (&spec.columns, layout.form) {
        (Columns::Some(list), _) => list.clone(),
        (Columns::None, _) => Vec::new(),
        // of the usual columns the name, of those that the file names all
        (Columns::All, Form::Bed) => layout
            .names
            .iter()
            .skip(3)
            .take(if layout.is_named { usize::MAX } else { 1 })
            .map(|name| plain(name))
            .collect(),
        (Columns::All, Form::Gff) => [Some("type"), usual_name(spec, file)?].into_iter().flatten().map(plain).collect(),
    };
    for wanted in &list {
        if wanted.kind == Some(TextKind::Bool) {
            return Err(Error::usage(format!("--columns declares `{}` as bool", wanted.field))
                .hint("values of intervals are text, int, long or float"));
        }
        if layout.form == Form::Bed && !layout.names.contains(&wanted.field) {
            return Err(Error::usage(format!("the BED file has no column `{}`", wanted.field))
                .hint(format!("it has {}", layout.names.join(", "))));
        }
    }
    Ok(list)
}

/// The best attribute that can name features, of those that the first of the features that are wanted have.
fn usual_name(spec: &SourceSpec, file: &TextFile) -> Result<Option<&'static str>> {
    let (mut best, mut n_bytes) = (USUAL_NAMES.len(), 0);
    let mut lines = file.lines()?;
    while let Some(line) = lines.next_line().map_err(|error| error.at(file.place()))? {
        let text = match Line::of_bytes(line) {
            Ok(Line::Data(text)) => text,
            Ok(Line::End) => break,
            _ => continue,
        };
        let Ok(interval) = Form::Gff.interval(text) else { continue };
        if is_feature(spec, &interval) {
            let rank = |name: &str| USUAL_NAMES.iter().position(|usual| *usual == name);
            best = interval.attributes().filter_map(|(name, _)| rank(name)).fold(best, usize::min);
            n_bytes += line.len();
        }
        if best == 0 || n_bytes > LOOK_BYTES {
            break;
        }
    }
    Ok(USUAL_NAMES.get(best).copied())
}

/// Whether a line of GFF is of a feature that is wanted.
fn is_feature(spec: &SourceSpec, interval: &Interval) -> bool {
    spec.features.is_empty() || spec.features.iter().any(|kind| *kind == interval.fields[2])
}

/// Reads lines.
struct Reader<'a> {
    layout: &'a Layout,
    spec: &'a SourceSpec,
    contigs: &'a ContigLookup,
    tracks: BTreeMap<u32, Track>,
    joined: Joined,
    /// Lines whose values are taken.
    n: u32,
}

impl Reader<'_> {
    fn line(&mut self, line: &str, taken: &mut [Taken]) -> Result<()> {
        let interval = self.layout.form.interval(line)?;
        if self.layout.form == Form::Gff && !is_feature(self.spec, &interval) {
            return Ok(());
        }
        let Some(contig) = self.contigs.index_of(interval.contig.as_bytes()) else {
            self.joined.tally.read += 1;
            self.joined.tally.other_contigs += 1;
            let known = self.joined.other_contigs.iter().any(|name| name == interval.contig);
            if !known && self.joined.other_contigs.len() < MAX_LISTED {
                self.joined.other_contigs.push(interval.contig.to_owned());
            }
            return Ok(());
        };
        let values: Vec<String> = taken.iter().map(|taken| self.value(taken, &interval)).collect::<Result<_>>()?;
        self.joined.tally.read += 1;
        self.joined.knows_contig = true;
        for (taken, value) in taken.iter_mut().zip(values) {
            taken.text.push_str(&value);
            taken.ends.push(taken.text.len());
        }
        // an interval of no bases touches nothing
        if !interval.is_empty() {
            self.tracks.entry(contig).or_default().intervals.push((interval.first, interval.last, self.n));
        }
        self.n += 1;
        Ok(())
    }

    /// Counts a line that is set aside.
    fn reject(&mut self, error: &Error) {
        self.joined.tally.read += 1;
        self.joined.tally.rejected += 1;
        if self.joined.rejections.len() < MAX_LISTED {
            let rejection = Rejection { place: error.location().to_string(), reason: error.message().to_owned() };
            self.joined.rejections.push(rejection);
        }
    }

    fn value(&self, taken: &Taken, interval: &Interval) -> Result<String> {
        let at = self.layout.names.iter().position(|name| *name == taken.field);
        let found = match (at, self.layout.form) {
            (Some(at), _) => interval.fields.get(at).map(|text| (*text).to_owned()),
            (None, Form::Bed) => None,
            (None, Form::Gff) => {
                interval.attributes().find(|(name, _)| *name == taken.field).map(|(_, value)| value.into_owned())
            }
        };
        let value = found.filter(|value| !is_missing(value)).unwrap_or_default();
        match taken.kind.filter(|kind| !value.is_empty() && !kind.holds(&value)) {
            None => Ok(value),
            Some(kind) => {
                Err(Error::bad_data(format!("{} has the value {value:?}, expected {}", taken.field, kind.describe())))
            }
        }
    }
}

/// Intervals that touch alleles of ascending position.
struct Sweep<'a> {
    track: &'a Track,
    /// The first interval that was not looked at.
    next: usize,
    /// Those that began and may go on.
    open: Vec<usize>,
}

impl Sweep<'_> {
    /// Intervals that end before a position are of no use any more.
    fn begin(&mut self, pos: i32) {
        while let Some((first, last, _)) = self.track.intervals.get(self.next)
            && *first < pos
        {
            if *last >= pos {
                self.open.push(self.next);
            }
            self.next += 1;
        }
    }

    /// Lines of the intervals that touch the bases `first` to `last`, in file order. `first` ascends.
    fn touching(&mut self, first: i32, last: i32, lines: &mut Vec<u32>) {
        let intervals = &self.track.intervals;
        while self.next < intervals.len() && intervals[self.next].0 <= last {
            self.open.push(self.next);
            self.next += 1;
        }
        self.open.retain(|&at| intervals[at].1 >= first);
        lines.clear();
        lines.extend(self.open.iter().filter(|&&at| intervals[at].0 <= last).map(|&at| intervals[at].2));
        lines.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::intervals::Recogniser;

    #[test]
    fn names_of_columns() {
        let names = |text: &str| {
            let layout = Layout::new(Recogniser::of_text(text).expect("intervals"));
            (layout.names.join(" "), layout.is_named)
        };
        assert_eq!(names("track x\nchr1\t0\t10\n"), ("contig start end".into(), false));
        let (usual, _) = names("chr1\t0\t10\tA\t5\t+\tx\ty\tz\t1\t2\t3\t4\n");
        assert_eq!(usual.split(' ').next_back(), Some("column_13"));
        assert_eq!(names("#chrom\tstart\tend\tgene\nchr1\t0\t10\tA\n"), ("chrom start end gene".into(), true));
    }

    #[test]
    fn a_sweep_finds_what_a_plain_search_finds() {
        let mut state = 12345u64;
        let mut random = |n: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) % n) as i32
        };
        let mut track = Track::default();
        for line in 0..300 {
            let first = random(1000);
            let len = if line % 50 == 0 { 900 } else { random(30) };
            track.intervals.push((first, first + len, line));
        }
        track.intervals.sort_unstable();
        let mut queries: Vec<(i32, i32)> = (0..400).map(|_| random(1000)).map(|first| (first, first)).collect();
        queries.iter_mut().for_each(|query| query.1 += random(20));
        queries.sort_unstable();
        let mut sweep = Sweep { track: &track, next: 0, open: Vec::new() };
        sweep.begin(queries[0].0);
        let mut found = Vec::new();
        for (first, last) in queries {
            sweep.touching(first, last, &mut found);
            let touches = |interval: &&(i32, i32, u32)| interval.0 <= last && interval.1 >= first;
            let mut plain: Vec<u32> = track.intervals.iter().filter(touches).map(|interval| interval.2).collect();
            plain.sort_unstable();
            assert_eq!(found, plain);
        }
    }
}
