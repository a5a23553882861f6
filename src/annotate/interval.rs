//! Sources of intervals: BED, GFF3 and GTF. An allele has the values of all intervals that touch its bases, `pos` to `end`.
//!
//! The intervals are held in memory, sorted; the alleles stream past them.

use super::cells::Cells;
use super::contigs::ContigLookup;
use super::join::Setup;
use super::lines::{Joined, Part, Produced, Rejection, with_skip_hint};
use super::rows::{Keys, TextKind, is_missing, number, schema, whole};
use super::spec::{Columns, SourceSpec, Wanted, word};
use super::spill::Spill;
use super::targets::{Chunk, Group};
use super::text::TextFile;
use crate::columns::schema::list_of;
use crate::dataset::batch::Value;
use crate::dataset::stream::{FileStream, Select};
use crate::decode::vcf::parse_i32;
use crate::error::{Error, Location, Result};
use arrow_schema::{DataType, SchemaRef};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Which form the lines have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// 0-based start, end; names of the columns.
    Bed(Vec<String>),
    /// GFF3 or GTF: nine columns, the last one with attributes.
    Gff,
}

/// Names of the columns of a BED file without names, from the fourth on.
const BED_NAMES: [&str; 9] =
    ["name", "score", "strand", "thick_start", "thick_end", "item_rgb", "block_count", "block_sizes", "block_starts"];
/// Columns of a GFF but for the attributes.
const GFF_NAMES: [&str; 8] = ["seqid", "source", "type", "start", "end", "score", "strand", "phase"];
/// Attributes that a GFF is asked for where none is named, the first that it has.
const GFF_USUAL: [&str; 5] = ["gene_name", "gene", "Name", "gene_id", "ID"];

/// The form of the lines of a file; `None`: they have another one.
pub fn recognise(start: &[u8]) -> Option<Form> {
    let text = String::from_utf8_lossy(start);
    let mut names: Option<Vec<String>> = None;
    // the last line may be cut off
    for line in text.lines() {
        if line.trim().is_empty() || line.starts_with("##") || line.starts_with("track") || line.starts_with("browser")
        {
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        if let Some(rest) = line.strip_prefix('#') {
            names = Some(rest.split('\t').map(|name| name.trim().to_owned()).collect());
            continue;
        }
        let number = |at: usize| fields.get(at).and_then(|text| text.trim().parse::<i64>().ok());
        if let (Some(first), Some(last)) = (number(3), number(4))
            && fields.len() >= 8
            && first <= last
            && matches!(fields.get(6).copied(), Some("+" | "-" | "." | "?"))
        {
            return Some(Form::Gff);
        }
        let (first, last) = (number(1)?, number(2)?);
        let usual = (3..fields.len())
            .map(|at| BED_NAMES.get(at - 3).map_or(format!("column_{}", at + 1), |name| (*name).to_owned()));
        let own = ["contig", "start", "end"].map(String::from).into_iter().chain(usual).collect();
        let names = names.filter(|names| names.len() == fields.len()).unwrap_or(own);
        return (first <= last && fields.len() >= 3).then_some(Form::Bed(names));
    }
    None
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
    pub joined: Joined,
}

impl Intervals {
    /// Reads a file.
    pub fn read(file: &TextFile, form: &Form, spec: &SourceSpec, setup: &Setup) -> Result<Intervals> {
        let mut taken = wanted(form, spec, file)?
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
            Reader { form, spec, contigs: setup.contigs, tracks: BTreeMap::new(), joined: Joined::default(), n: 0 };
        let mut lines = file.lines()?;
        while let Some(line) = lines.next_line().map_err(|error| error.at(file.place()))? {
            let text = String::from_utf8_lossy(line);
            if text == "##FASTA" {
                break;
            }
            if text.trim().is_empty()
                || text.starts_with('#')
                || text.starts_with("track")
                || text.starts_with("browser")
            {
                continue;
            }
            let text = text.into_owned();
            let number = lines.n_lines();
            if let Err(error) = reader.line(&text, &mut taken) {
                let place = Location { line: Some(number), ..file.place() };
                let error = error.at(place);
                if !setup.skip_bad {
                    return Err(with_skip_hint(error));
                }
                reader.joined.tally.rejected += 1;
                let rejection = Rejection { place: error.location().to_string(), reason: error.message().to_owned() };
                if reader.joined.rejections.len() < 100 {
                    reader.joined.rejections.push(rejection);
                }
            }
        }
        let Reader { mut tracks, joined, .. } = reader;
        tracks.values_mut().for_each(|track| track.intervals.sort_unstable());
        let columns = taken.iter().map(|taken| (taken.column.clone(), taken.data_type()));
        let schema = schema(columns.chain(flag.iter().map(|flag| (flag.clone(), DataType::Boolean))));
        Ok(Intervals { tracks, taken, flag, schema, joined })
    }

    /// Schema of the rows under way.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The alleles of the dataset that intervals touch.
    pub fn join(&self, setup: &Setup, spill: &mut Spill) -> Result<()> {
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
        Ok(())
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
                self.push(&found, &mut cells);
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
    fn push(&self, lines: &[u32], cells: &mut [Cells]) {
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
                cells.push_text(&values.join(","));
                continue;
            }
            for value in values {
                cells.push_item(match taken.kind {
                    Some(TextKind::Int | TextKind::Long) => whole(value).map(Value::Int),
                    Some(TextKind::Float) => number(value).map(Value::Float),
                    _ => Some(Value::Text(value)),
                });
            }
            cells.end_list();
        }
        if let (Some(_), Some(cells)) = (&self.flag, cells.last_mut()) {
            cells.push_text("true");
        }
    }
}

/// What is wanted of each line.
fn wanted(form: &Form, spec: &SourceSpec, file: &TextFile) -> Result<Vec<Wanted>> {
    let plain = |field: &str| Wanted { field: field.to_owned(), kind: None, alias: None };
    let list = match (&spec.columns, form) {
        (Columns::Some(list), _) => list.clone(),
        (Columns::None, _) => Vec::new(),
        (Columns::All, Form::Bed(names)) if names.len() > 3 => {
            let usual = names.get(3).is_some_and(|name| name == BED_NAMES[0]);
            names[3..].iter().take(if usual { 1 } else { usize::MAX }).map(|name| plain(name)).collect()
        }
        (Columns::All, Form::Bed(_)) => Vec::new(),
        (Columns::All, Form::Gff) => {
            let start = String::from_utf8_lossy(&file.start(1 << 20)?).into_owned();
            let has = |name: &&str| {
                start
                    .lines()
                    .filter(|line| !line.starts_with('#'))
                    .any(|line| line.split('\t').nth(8).is_some_and(|attributes| attribute(attributes, name).is_some()))
            };
            [Some("type"), GFF_USUAL.into_iter().find(has)].into_iter().flatten().map(plain).collect()
        }
    };
    for wanted in &list {
        if wanted.kind == Some(TextKind::Bool) {
            return Err(Error::usage(format!("--columns declares `{}` as bool", wanted.field))
                .hint("values of intervals are text, int, long or float"));
        }
        if let Form::Bed(names) = form
            && !names.contains(&wanted.field)
        {
            return Err(Error::usage(format!("the BED file has no column `{}`", wanted.field))
                .hint(format!("it has {}", names.join(", "))));
        }
    }
    Ok(list)
}

/// Reads lines.
struct Reader<'a> {
    form: &'a Form,
    spec: &'a SourceSpec,
    contigs: &'a ContigLookup,
    tracks: BTreeMap<u32, Track>,
    joined: Joined,
    n: u32,
}

impl Reader<'_> {
    fn line(&mut self, line: &str, taken: &mut [Taken]) -> Result<()> {
        self.joined.tally.read += 1;
        let fields: Vec<&str> = line.split('\t').collect();
        let (at_start, at_end, first_base, n) = match self.form {
            Form::Bed(_) => (1, 2, 1, 3),
            Form::Gff => (3, 4, 0, 8),
        };
        if fields.len() < n {
            return Err(Error::bad_data(format!("the line has {} fields, expected {n} or more", fields.len())));
        }
        let number = |at: usize| {
            parse_i32(fields[at].trim().as_bytes())
                .filter(|&number| number >= 0)
                .ok_or_else(|| Error::bad_data(format!("{:?} is no position", fields[at])))
        };
        let (start, end) = (number(at_start)?, number(at_end)?);
        if end < start {
            return Err(Error::bad_data(format!("the interval ends at {end}, before its start at {start}")));
        }
        if self.form == &Form::Gff
            && !self.spec.features.is_empty()
            && !self.spec.features.iter().any(|kind| kind == fields[2])
        {
            return Ok(());
        }
        let Some(contig) = self.contigs.index_of(fields[0].as_bytes()) else {
            self.joined.tally.other_contigs += 1;
            let known = self.joined.other_contigs.iter().any(|name| name == fields[0]);
            if !known && self.joined.other_contigs.len() < 100 {
                self.joined.other_contigs.push(fields[0].to_owned());
            }
            return Ok(());
        };
        self.joined.knows_contig = true;
        let values: Vec<String> = taken.iter().map(|taken| self.value(taken, &fields)).collect::<Result<_>>()?;
        for (taken, value) in taken.iter_mut().zip(values) {
            taken.text.push_str(&value);
            taken.ends.push(taken.text.len());
        }
        let first = start.saturating_add(first_base);
        // an interval of no bases touches nothing
        if first <= end {
            self.tracks.entry(contig).or_default().intervals.push((first, end, self.n));
        }
        self.n += 1;
        Ok(())
    }

    fn value(&self, taken: &Taken, fields: &[&str]) -> Result<String> {
        let found = match self.form {
            Form::Bed(names) => {
                let at = names.iter().position(|name| *name == taken.field).unwrap_or(usize::MAX);
                fields.get(at).map(|text| text.trim().to_owned())
            }
            Form::Gff => match GFF_NAMES.iter().position(|name| *name == taken.field) {
                Some(at) => Some(fields[at].trim().to_owned()),
                None => fields.get(8).and_then(|attributes| attribute(attributes, &taken.field)),
            },
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

/// The value of an attribute of GFF3 (`key=value;`, with %XX) or GTF (`key "value";`).
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let is_gff3 = |part: &str| part.split_once('=').is_some_and(|(key, _)| !key.trim().contains([' ', '"']));
    for part in attributes.split(';').map(str::trim) {
        if is_gff3(part) {
            let (key, value) = part.split_once('=')?;
            if key.trim() == name {
                return Some(percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy().into_owned());
            }
        } else if let Some((key, value)) = part.split_once(char::is_whitespace)
            && key == name
        {
            return Some(value.trim().trim_matches('"').to_owned());
        }
    }
    None
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

/// A name of a column that a feature of a GFF could have; only for messages.
pub fn describe(form: &Form) -> String {
    match form {
        Form::Bed(names) => format!("BED with {}", names.iter().map(|name| word(name)).collect::<Vec<_>>().join(", ")),
        Form::Gff => "GFF".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_recognised() {
        let bed = |text: &str| match recognise(text.as_bytes()) {
            Some(Form::Bed(names)) => names.join(" "),
            other => format!("{other:?}"),
        };
        assert_eq!(bed("track x\nchr1\t0\t10\n"), "contig start end");
        assert_eq!(bed("chr1\t0\t10\tA\t5\t+\tx\ty\tz\t1\t2\t3\t4\n").split(' ').next_back(), Some("column_13"));
        assert_eq!(bed("#chrom\tstart\tend\tgene\nchr1\t0\t10\tA\n"), "chrom start end gene");
        assert_eq!(recognise(b"##gff-version 3\nchr1\tx\tgene\t5\t9\t.\t+\t.\tID=a\n"), Some(Form::Gff));
        assert_eq!(recognise(b"chrom\tpos\tref\talt\nchr1\t5\tA\tC\n"), None);
        assert_eq!(recognise(b"chr1\t9\t5\n"), None);
    }

    #[test]
    fn attributes_of_both_dialects() {
        assert_eq!(attribute("ID=x;Name=a%3Bb", "Name").as_deref(), Some("a;b"));
        assert_eq!(attribute("gene_id \"G1\"; gene_name \"A=B\";", "gene_name").as_deref(), Some("A=B"));
        assert_eq!(attribute("gene_id \"G1\"; level 2", "level").as_deref(), Some("2"));
        assert_eq!(attribute("ID=x", "Name"), None);
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
