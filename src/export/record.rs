//! One site (or one allele row) as a line of VCF.

use super::cell::{Cell, FieldRefs, Shape, write_field, write_value};
use super::genotype::{OtherAllele, count_copies, join};
use super::joint::JointColumns;
use super::number::write_float;
use crate::columns::schema::{FieldColumns, Projection, TableSchemas};
use crate::dataset::batch::{Batch, Value};
use crate::dataset::plain::{PlainReference, RowCounts};
use crate::dataset::sites::{AlleleRow, Site, row_extent, site_extent};
use crate::decode::vcf::push_int;
use crate::error::Result;
use arrow_array::{Array, StringArray};
use std::collections::HashMap;
use std::sync::Arc;

/// What a line is made of; the same for every line of one export.
#[derive(Debug)]
pub struct RecordFormat {
    /// INFO definitions in header order.
    pub infos: Vec<FieldColumns>,
    /// FORMAT definitions in header order, without GT.
    pub formats: Vec<FieldColumns>,
    /// `sample_index` of each column, in column order.
    pub samples: Vec<usize>,
    /// Samples of the dataset.
    pub n_samples: usize,
    /// Whether `samples` is all samples, so that the counts of the tables hold.
    pub all_samples: bool,
    /// Whether the dataset has plain reference calls.
    pub all_calls: bool,
    /// Whether plain reference calls are phased where the other calls of the record do not tell.
    pub phased: bool,
    /// One line per allele row, normalised.
    pub split: bool,
    /// What another allele is written as when split.
    pub other: OtherAllele,
    /// AC, AN and AF are those of the written calls.
    pub recount: bool,
}

/// Where a line lies on its contig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First base, 1-based.
    pub first: i64,
    /// Last base, inclusive.
    pub last: i64,
}

/// A field of FORMAT.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    Genotype,
    Field(usize),
    Other(String),
}

/// Buffers that are used again for each line. One per worker.
#[derive(Debug, Default)]
pub struct Scratch {
    layouts: HashMap<String, Arc<Vec<Key>>>,
    /// `[n_samples x n_rows]`: run and row of the sample's call of each allele.
    slots: Vec<u64>,
    sample_columns: Vec<u8>,
    copies: Vec<i64>,
}

/// No call in [`Scratch::slots`].
const NO_CALL: u64 = u64::MAX;

/// The columns of one run of calls.
struct RunColumns<'a> {
    gt: &'a StringArray,
    fields: Vec<FieldRefs<'a>>,
    other: Option<&'a StringArray>,
}

impl RecordFormat {
    /// For a dataset with these schemas.
    pub fn new(schemas: &TableSchemas, n_samples: usize) -> RecordFormat {
        RecordFormat {
            infos: schemas.infos.clone(),
            formats: schemas.formats.clone(),
            samples: (0..n_samples).collect(),
            n_samples,
            all_samples: true,
            all_calls: true,
            phased: false,
            split: false,
            other: OtherAllele::Reference,
            recount: false,
        }
    }

    /// Appends the line of `site`, with its newline. `joint`: where the sample columns of a joint call set come from.
    pub fn write(
        &self,
        contig: &str,
        site: &Site,
        joint: Option<&mut JointColumns>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<Extent> {
        let first = &site.rows[0];
        let extent = self.extent(site)?;
        let shape = Shape {
            no_alt: first.alt_index == 0,
            whole_site: first.alt_index == 0 || site.rows.len() as i32 == site.n_alts,
        };
        out.extend_from_slice(contig.as_bytes());
        out.push(b'\t');
        push_int(out, extent.first);
        out.push(b'\t');
        write_value(out, first.batch.column("id").and_then(|column| column.value(first.row)));
        out.push(b'\t');
        self.write_alleles(site, out)?;
        out.push(b'\t');
        match first.batch.column("qual").and_then(|column| column.value(first.row)) {
            Some(Value::Float(qual)) => write_float(out, qual),
            _ => out.push(b'.'),
        }
        out.push(b'\t');
        write_filters(&first.batch, first.row, out);
        out.push(b'\t');
        scratch.copies.clear();
        scratch.copies.resize(site.rows.len() + 1, 0);
        scratch.sample_columns.clear();
        if !self.samples.is_empty() {
            match joint {
                Some(joint) => self.write_joint_samples(site, joint, scratch)?,
                None => self.write_samples(site, shape, scratch)?,
            }
        }
        self.write_info(site, shape, &scratch.copies, out)?;
        out.extend_from_slice(&scratch.sample_columns);
        out.push(b'\n');
        Ok(extent)
    }

    fn extent(&self, site: &Site) -> Result<Extent> {
        let mut whole: Option<Extent> = None;
        for row in &site.rows {
            let (first, last) =
                if self.split { row_extent(&row.batch, row.row)? } else { site_extent(&row.batch, row.row)? };
            let before = whole.unwrap_or(Extent { first, last });
            whole = Some(Extent { first, last: before.last.max(last) });
        }
        Ok(whole.expect("a site has a row"))
    }

    /// REF, tab, ALT.
    fn write_alleles(&self, site: &Site, out: &mut Vec<u8>) -> Result<()> {
        for (at, row) in site.rows.iter().enumerate() {
            let text = |written: &str, normalised: &str| -> Result<&str> {
                let written = row.batch.texts(written)?;
                if self.split || written.is_null(row.row) {
                    return Ok(row.batch.texts(normalised)?.value(row.row));
                }
                Ok(written.value(row.row))
            };
            if at == 0 {
                out.extend_from_slice(text("site_ref", "ref")?.as_bytes());
                out.push(b'\t');
            } else {
                out.push(b',');
            }
            out.extend_from_slice(text("site_alt", "alt")?.as_bytes());
        }
        Ok(())
    }

    fn write_info(&self, site: &Site, shape: Shape, copies: &[i64], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        for field in &self.infos {
            if self.recount && RECOUNTED.contains(&field.id.as_str()) {
                continue;
            }
            let cells: Vec<Cell<'_>> =
                site.rows.iter().map(|row| Cell { columns: FieldRefs::of(&row.batch, field), row: row.row }).collect();
            let before = out.len();
            next_info(out, start, &field.id);
            if field.projection != Projection::Flag {
                out.push(b'=');
            }
            if !write_field(out, field.projection, &cells, shape) {
                out.truncate(before);
            }
        }
        let first = &site.rows[0];
        if let Some(Value::Text(other)) = first.batch.column("info_other").and_then(|column| column.value(first.row)) {
            next_info(out, start, other);
        }
        if self.recount {
            self.write_recounted(site, copies, start, out)?;
        }
        if out.len() == start {
            out.push(b'.');
        }
        Ok(())
    }

    /// AC, AN and AF: of the tables, or of the written calls when they are of some samples only.
    fn write_recounted(&self, site: &Site, copies: &[i64], start: usize, out: &mut Vec<u8>) -> Result<()> {
        let first = &site.rows[0];
        let an = match self.all_samples {
            true => i64::from(first.batch.ints("an")?.value(first.row)),
            false => copies.iter().sum(),
        };
        let mut counts = Vec::with_capacity(site.rows.len());
        for (at, row) in site.rows.iter().enumerate().filter(|(_, row)| row.alt_index > 0) {
            counts.push(match self.all_samples {
                true => i64::from(row.batch.ints("ac")?.value(row.row)),
                false => copies[at + 1],
            });
        }
        if !counts.is_empty() {
            next_info(out, start, "AC=");
            write_joined(out, &counts, |out, &count| push_int(out, count));
        }
        next_info(out, start, "AN=");
        push_int(out, an);
        if !counts.is_empty() && an > 0 {
            next_info(out, start, "AF=");
            write_joined(out, &counts, |out, &count| write_float(out, count as f64 / an as f64));
        }
        Ok(())
    }

    fn write_joint_samples(&self, site: &Site, joint: &mut JointColumns, scratch: &mut Scratch) -> Result<()> {
        let Scratch { sample_columns: out, copies, .. } = scratch;
        joint.write(site, &self.samples, out)?;
        if self.recount && !self.all_samples {
            for column in out.split(|&byte| byte == b'\t').skip(2) {
                count_copies(column.split(|&byte| byte == b':').next().unwrap_or(b"."), copies);
            }
        }
        Ok(())
    }

    /// FORMAT and the sample columns, each with a tab before it.
    fn write_samples(&self, site: &Site, shape: Shape, scratch: &mut Scratch) -> Result<()> {
        let Scratch { layouts, slots, sample_columns: out, copies } = scratch;
        let first = &site.rows[0];
        let format = first.batch.texts("format")?;
        let text = if format.is_null(first.row) { "." } else { format.value(first.row) };
        out.push(b'\t');
        out.extend_from_slice(text.as_bytes());
        let layout = match layouts.get(text) {
            Some(layout) => Arc::clone(layout),
            None => {
                let layout = Arc::new(self.layout(text));
                layouts.insert(text.to_owned(), Arc::clone(&layout));
                layout
            }
        };
        let runs = self.take_calls(site, &layout, slots)?;
        let absent = self.absent_call(site, &layout)?;
        let n_rows = site.rows.len();
        let mut line =
            SampleLine { format: self, layout: &layout, runs: &runs, shape, views: Vec::new(), cells: Vec::new() };
        for &sample in &self.samples {
            out.push(b'\t');
            let calls = &slots[sample * n_rows..(sample + 1) * n_rows];
            let start = out.len();
            if calls.iter().all(|&call| call == NO_CALL) {
                out.extend_from_slice(&absent);
            } else {
                line.write(calls, out);
            }
            if self.recount
                && !self.all_samples
                && let Some(at) = layout.iter().position(|key| *key == Key::Genotype)
            {
                count_copies(out[start..].split(|&byte| byte == b':').nth(at).unwrap_or(b"."), copies);
            }
        }
        Ok(())
    }

    fn layout(&self, format: &str) -> Vec<Key> {
        let mut keys: Vec<Key> = Vec::new();
        for id in format.split(':').filter(|id| *id != ".") {
            let key = match self.formats.iter().position(|field| field.id == id) {
                _ if id == "GT" => Key::Genotype,
                Some(at) => Key::Field(at),
                None => Key::Other(id.to_owned()),
            };
            let twice = keys.contains(&key);
            keys.push(if twice { Key::Other(id.to_owned()) } else { key });
        }
        keys
    }

    /// Enters the calls of all rows into `slots` and gives the columns of each run of calls.
    fn take_calls<'a>(&self, site: &'a Site, layout: &[Key], slots: &mut Vec<u64>) -> Result<Vec<RunColumns<'a>>> {
        let n_rows = site.rows.len();
        slots.clear();
        slots.resize(self.n_samples * n_rows, NO_CALL);
        let mut runs = Vec::new();
        for (at, row) in site.rows.iter().enumerate() {
            for run in &row.calls {
                let samples = run.batch.ints("sample_index")?;
                for call in run.start..run.end {
                    let sample = usize::try_from(samples.value(call)).unwrap_or(usize::MAX);
                    if sample < self.n_samples {
                        slots[sample * n_rows + at] = (runs.len() as u64) << 32 | call as u64;
                    }
                }
                let fields = layout.iter().map(|key| match key {
                    Key::Field(field) => FieldRefs::of(&run.batch, &self.formats[*field]),
                    _ => FieldRefs::default(),
                });
                runs.push(RunColumns {
                    gt: run.batch.texts("gt")?,
                    fields: fields.collect(),
                    other: run.batch.texts("fmt_other").ok(),
                });
            }
        }
        Ok(runs)
    }

    /// How a sample without a row of the site is written.
    fn absent_call(&self, site: &Site, layout: &[Key]) -> Result<Vec<u8>> {
        let gt_at = layout.iter().position(|key| *key == Key::Genotype);
        let Some(gt_at) = gt_at.filter(|_| !self.all_calls) else { return Ok(b".".to_vec()) };
        let AlleleRow { batch, row, calls, .. } = &site.rows[0];
        let count = |name: &str| Ok::<_, crate::error::Error>(i64::from(batch.ints(name)?.value(*row)));
        let counts = RowCounts { n_samples: self.n_samples as i64, an: count("an")?, n_hemi_ref: count("n_hemi_ref")? };
        let mut texts = Vec::with_capacity(calls.len());
        for run in calls {
            texts.push((run.batch.texts("gt")?, run.start..run.end));
        }
        let texts =
            texts.iter().flat_map(|(gt, range)| range.clone().map(|at| (!gt.is_null(at)).then(|| gt.value(at))));
        Ok([b".:".repeat(gt_at), PlainReference::infer(texts, counts, self.phased).text()].concat())
    }
}

/// INFO fields that `recount` replaces.
pub const RECOUNTED: [&str; 3] = ["AC", "AN", "AF"];

/// Appends `text` to the INFO that begins at `start`.
fn next_info(out: &mut Vec<u8>, start: usize, text: &str) {
    if out.len() > start {
        out.push(b';');
    }
    out.extend_from_slice(text.as_bytes());
}

fn write_joined<T>(out: &mut Vec<u8>, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, value);
    }
}

/// FILTER: null is `.`, an empty list is `PASS`.
fn write_filters(batch: &Batch, row: usize, out: &mut Vec<u8>) {
    match batch.column("filters").and_then(|column| column.items(row)) {
        None => out.push(b'.'),
        Some(filters) if filters.len() == 0 => out.extend_from_slice(b"PASS"),
        Some(filters) => {
            for (at, filter) in filters.enumerate() {
                if at > 0 {
                    out.push(b';');
                }
                write_value(out, filter);
            }
        }
    }
}

/// Writes one sample after the other of one line.
struct SampleLine<'a> {
    format: &'a RecordFormat,
    layout: &'a [Key],
    runs: &'a [RunColumns<'a>],
    shape: Shape,
    views: Vec<Option<&'a str>>,
    cells: Vec<Cell<'a>>,
}

impl<'a> SampleLine<'a> {
    fn at(&self, call: u64) -> Option<(&'a RunColumns<'a>, usize)> {
        (call != NO_CALL).then(|| (&self.runs[(call >> 32) as usize], (call & 0xffff_ffff) as usize))
    }

    /// Appends the fields of a sample with these calls, one per allele row.
    fn write(&mut self, calls: &[u64], out: &mut Vec<u8>) {
        for (at, key) in self.layout.iter().enumerate() {
            if at > 0 {
                out.push(b':');
            }
            let before = out.len();
            let written = match key {
                Key::Genotype => {
                    self.write_genotype(calls, out);
                    true
                }
                Key::Field(field) => {
                    self.cells.clear();
                    for &call in calls {
                        let Some((run, row)) = self.at(call) else { continue };
                        self.cells.push(Cell { columns: run.fields[at], row });
                    }
                    let whole_site = self.shape.whole_site && self.cells.len() == calls.len();
                    let shape = Shape { whole_site, ..self.shape };
                    write_field(out, self.format.formats[*field].projection, &self.cells, shape)
                }
                Key::Other(id) => self.write_other(id, calls, out),
            };
            if !written {
                out.truncate(before);
                out.push(b'.');
            }
        }
        if self.layout.is_empty() {
            out.push(b'.');
        }
    }

    fn write_genotype(&mut self, calls: &[u64], out: &mut Vec<u8>) {
        self.views.clear();
        for &call in calls {
            let view = self.at(call).filter(|(run, row)| !run.gt.is_null(*row)).map(|(run, row)| run.gt.value(row));
            self.views.push(view);
        }
        let other = if self.format.split { self.format.other } else { OtherAllele::Missing };
        join(out, &self.views, other);
    }

    /// A field that the header did not define, from `ID=value` texts.
    fn write_other(&self, id: &str, calls: &[u64], out: &mut Vec<u8>) -> bool {
        let Some((run, row)) = calls.iter().find_map(|&call| self.at(call)) else { return false };
        let Some(other) = run.other.filter(|other| !other.is_null(row)) else { return false };
        let value = other.value(row).split(':').find_map(|entry| entry.strip_prefix(id)?.strip_prefix('='));
        out.extend_from_slice(value.unwrap_or("").as_bytes());
        value.is_some_and(|value| !value.is_empty())
    }
}
