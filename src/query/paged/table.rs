//! A table read page by page: the files, row groups and pages that a condition leaves, and of those the wanted columns.
//!
//! Files of `variants` and `genotypes` are in the order of their positions, so that those of a region are found by halving:
//! of a thousand files ten footers are read. Works alike on files and on objects, which are asked for what is wanted only.

use super::condition::Condition;
use super::convert;
use crate::commit::manifest::ManifestFile;
use crate::dataset::Dataset;
use crate::dataset::stream::{byte_ranges, column_names, long_bounds, parquet_error};
use crate::error::{Class, Error, Result};
use crate::genome::Locus;
use crate::query::reading_failed;
use crate::store::data_file::{FileReader, Remote};
use crate::store::parquet::{footer, guarded, next_batch};
use crate::store::{DataFile, at_once};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::file::metadata::PageIndexPolicy;
use polars::prelude::*;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 1 << 16;
/// Footers that are kept. A query of a region needs a few; one of everything needs each once or twice.
const KEPT_FOOTERS: usize = 64;
/// Objects that keep what was read of them, up to 32 MiB each: those that are read at once.
const KEPT_OBJECTS: usize = super::UNITS_AT_ONCE;
/// Columns that tables are sorted by, so that what a condition on them leaves is rows that follow each other.
const SORTED: [&str; 3] = ["pos", "variant_id", "start"];
/// Rows from which on it is worth to look at one column before the others.
const REFINED_ROWS: usize = 1 << 14;
/// Runs of rows that are looked for with it.
const REFINED_RANGES: usize = 64;
/// Columns with a handful of texts in millions of rows.
const CODED: [&str; 3] = ["contig", "gt", "type"];

/// A file of a table.
#[derive(Clone, Debug)]
struct TableFile {
    file: DataFile,
    /// Index and name of its contig, where the table is divided by contigs.
    contig: Option<(u32, String)>,
    n_rows: u64,
}

/// What is known of an open file.
struct Footer {
    metadata: ArrowReaderMetadata,
    /// Of an object, what was read of it stays at hand.
    remote: Option<Arc<Remote>>,
}

/// Rows of one row group.
#[derive(Clone, Debug)]
pub struct Unit {
    file: usize,
    row_group: usize,
    /// `None`: all rows.
    selection: Option<RowSelection>,
    n_rows: usize,
}

impl Unit {
    /// Rows that will be decoded.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Those of its rows that are in the ranges, which rise.
    fn of_rows(&self, ranges: Vec<Range<usize>>) -> Unit {
        let n_rows = ranges.iter().map(ExactSizeIterator::len).sum();
        let rows = RowSelection::from_consecutive_ranges(ranges.into_iter(), self.n_rows);
        let selection = Some(match &self.selection {
            Some(before) => before.and_then(&rows),
            None => rows,
        });
        Unit { selection, n_rows, ..self.clone() }
    }

    /// Its first rows.
    pub fn first_rows(&self, n_rows: usize) -> Unit {
        if n_rows < self.n_rows { self.of_rows(std::iter::once(0..n_rows).collect()) } else { self.clone() }
    }

    /// It in parts of at most so many rows.
    pub fn parts(self, n_rows: usize) -> Vec<Unit> {
        if self.n_rows <= n_rows {
            return vec![self];
        }
        let starts = (0..self.n_rows).step_by(n_rows);
        starts.map(|start| self.of_rows(std::iter::once(start..self.n_rows.min(start + n_rows)).collect())).collect()
    }
}

/// A table of a dataset.
pub struct PagedTable {
    name: String,
    files: Vec<TableFile>,
    schema: SchemaRef,
    opened: Mutex<Opened>,
}

/// Files that were opened.
struct Opened {
    footers: Recent<Arc<Footer>>,
    /// Those that keep what was read of them.
    full: Recent<Arc<Remote>>,
}

impl Default for Opened {
    fn default() -> Opened {
        Opened { footers: Recent::new(KEPT_FOOTERS), full: Recent::new(KEPT_OBJECTS) }
    }
}

impl Opened {
    /// The footer of a file, which is used now, and an object that is to forget what was read of it.
    fn get(&mut self, at: usize) -> Option<(Arc<Footer>, Option<Arc<Remote>>)> {
        let footer = self.footers.get(at)?;
        let gone = self.put(at, &footer);
        Some((footer, gone))
    }

    fn put(&mut self, at: usize, footer: &Arc<Footer>) -> Option<Arc<Remote>> {
        self.footers.put(at, Arc::clone(footer));
        self.full.put(at, footer.remote.clone()?)
    }
}

/// Values by number, no more than so many: what was used least lately goes first.
struct Recent<T> {
    values: VecDeque<(usize, T)>,
    most: usize,
}

impl<T: Clone> Recent<T> {
    fn new(most: usize) -> Recent<T> {
        Recent { values: VecDeque::new(), most }
    }

    fn get(&self, at: usize) -> Option<T> {
        self.values.iter().find(|(number, _)| *number == at).map(|(_, value)| value.clone())
    }

    /// Uses a value; gives the one that goes for it.
    fn put(&mut self, at: usize, value: T) -> Option<T> {
        self.values.retain(|(number, _)| *number != at);
        self.values.push_back((at, value));
        if self.values.len() > self.most { self.values.pop_front().map(|(_, value)| value) } else { None }
    }
}

impl PagedTable {
    /// The table `name` of `files` (at least one), which are in row order.
    pub fn new(dataset: &Dataset, name: &str, files: Vec<&ManifestFile>) -> Result<PagedTable> {
        let order: HashMap<&str, u32> =
            dataset.manifest().contigs.iter().map(|contig| contig.name.as_str()).zip(0..).collect();
        let of = |file: &&ManifestFile| {
            let contig = file.contig.clone().and_then(|contig| Some((*order.get(contig.as_str())?, contig)));
            Ok(TableFile { file: dataset.full_path(file)?, contig, n_rows: file.rows })
        };
        Self::of_files(name, files.iter().map(of).collect::<Result<_>>()?)
    }

    /// A table that is one file.
    pub fn of_result(name: &str, file: DataFile, n_rows: u64) -> Result<PagedTable> {
        Self::of_files(name, vec![TableFile { file, contig: None, n_rows }])
    }

    fn of_files(name: &str, files: Vec<TableFile>) -> Result<PagedTable> {
        let mut table =
            PagedTable { name: name.to_owned(), files, schema: SchemaRef::default(), opened: Mutex::default() };
        // of the first contig the file that a search looks at first
        let n_first = table.groups().next().map_or(0, |group| group.len());
        table.schema = Arc::new(table.columns_of(n_first / 2)?);
        Ok(table)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows of all files.
    pub fn n_rows(&self) -> u64 {
        self.files.iter().map(|file| file.n_rows).sum()
    }

    fn columns_of(&self, file: usize) -> Result<Schema> {
        let footer = self.footer(file)?;
        let mut schema = Schema::default();
        for field in footer.metadata.schema().fields() {
            let known = convert::data_type(field.data_type()).ok_or_else(|| {
                let place = self.files[file].file.display().to_string();
                Error::bad_data(format!("{place}: column `{}` has the type {}", field.name(), field.data_type()))
                    .hint("expected numbers, texts, booleans, and lists of them")
            })?;
            schema.insert(field.name().as_str().into(), known);
        }
        Ok(schema)
    }

    /// Runs of files with one contig.
    fn groups(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut at = 0;
        self.files.chunk_by(|a, b| a.contig == b.contig).map(move |group| {
            at += group.len();
            at - group.len()..at
        })
    }

    fn footer(&self, at: usize) -> Result<Arc<Footer>> {
        let opened = || self.opened.lock().expect("no thread panics with the lock");
        let forget = |gone: Option<Arc<Remote>>| gone.into_iter().for_each(|remote| remote.forget());
        let found = opened().get(at);
        if let Some((footer, gone)) = found {
            forget(gone);
            return Ok(footer);
        }
        let file = &self.files[at].file;
        let reader = open(file)?;
        let found = footer::read_for_batches(file, &reader, PageIndexPolicy::Optional)?;
        let options = ArrowReaderOptions::new().with_schema(Arc::new(with_codes(found.schema())));
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(found.metadata()), options);
        let metadata = metadata.map_err(|error| parquet_error(file, error))?;
        let remote = match reader {
            FileReader::S3(remote) => Some(remote),
            FileReader::Local(_) => None,
        };
        let footer = Arc::new(Footer { metadata, remote });
        let gone = opened().put(at, &footer);
        forget(gone);
        Ok(footer)
    }

    /// Files that can have rows for which `condition` holds.
    fn chosen(&self, condition: &Condition) -> Result<Vec<usize>> {
        let contigs = condition.texts("contig");
        let (first_id, last_id) = condition.bounds("variant_id");
        let (first_pos, last_pos) = condition.bounds("pos");
        let mut chosen = Vec::new();
        for group in self.groups() {
            let Some((index, name)) = &self.files[group.start].contig else {
                chosen.extend(group);
                continue;
            };
            let id = |pos: i64, rank: u16| {
                let vcf_pos = pos.clamp(0, i64::from(i32::MAX)) as i32;
                Locus { contig: *index, vcf_pos }.id(rank)
            };
            let (from, to) = (first_id.max(id(first_pos, 0)), last_id.min(id(last_pos, u16::MAX)));
            if from > to || contigs.as_ref().is_some_and(|wanted| !wanted.contains(name.as_str())) {
                continue;
            }
            let is_all = from <= id(0, 0) && to >= id(i64::MAX, u16::MAX);
            if is_all || group.len() == 1 || !self.schema.contains("variant_id") {
                chosen.extend(group);
            } else {
                chosen.extend(self.search(group, from, to)?);
            }
        }
        Ok(chosen)
    }

    /// Of a run of files in the order of `variant_id` those with identifiers from `from` to `to`.
    fn search(&self, group: Range<usize>, from: i64, to: i64) -> Result<Range<usize>> {
        let (mut low, mut high) = (group.start, group.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.ids(middle)? {
                Some((_, last)) if last < from => low = middle + 1,
                Some(_) => high = middle,
                None => return Ok(group),
            }
        }
        let mut end = low;
        while end < group.end && self.ids(end)?.is_none_or(|(first, _)| first <= to) {
            end += 1;
        }
        Ok(low..end)
    }

    /// Least and largest `variant_id` of a file; `None`: it does not say.
    fn ids(&self, at: usize) -> Result<Option<(i64, i64)>> {
        let footer = self.footer(at)?;
        let bounds: Option<Vec<_>> = long_bounds(footer.metadata.metadata(), "variant_id").into_iter().collect();
        Ok(bounds.and_then(|bounds| {
            let first = bounds.iter().map(|bound| bound.0).min()?;
            Some((first, bounds.iter().map(|bound| bound.1).max()?))
        }))
    }

    /// The rows for which `condition` can hold, in order.
    pub fn units(&self, condition: &Condition) -> Result<Vec<Unit>> {
        let files = self.chosen(condition)?;
        let by_file = at_once(&files, |&file| {
            let footer = self.footer(file)?;
            let metadata = footer.metadata.metadata();
            let unit = |row_group: usize| {
                let all = metadata.row_group(row_group).num_rows() as usize;
                let selection = condition.rows(metadata, row_group).filter(|rows| rows.row_count() < all);
                let n_rows = selection.as_ref().map_or(all, RowSelection::row_count);
                (n_rows > 0).then_some(Unit { file, row_group, selection, n_rows })
            };
            Ok((0..metadata.num_row_groups()).filter_map(unit).collect::<Vec<_>>())
        })?;
        Ok(by_file.into_iter().flatten().collect())
    }

    /// The part of `unit` for which `condition` can hold, by the values of one column: a page may have a million rows. Of an object,
    /// the pages of all `columns` are fetched for it.
    pub fn refined(&self, unit: &Unit, condition: &Condition, columns: &[PlSmallStr]) -> Result<Unit> {
        let is_bound = |name: &&&str| {
            let (least, most) = condition.bounds(name);
            (least > i64::MIN || most < i64::MAX) && self.schema.get(name).is_some_and(DataType::is_integer)
        };
        let Some(name) = SORTED.iter().find(is_bound).filter(|_| unit.n_rows > REFINED_ROWS) else {
            return Ok(unit.clone());
        };
        self.prefetch(unit, columns)?;
        let (least, most) = condition.bounds(name);
        let values = self.read(unit, &[PlSmallStr::from_str(name)])?;
        let values = values.column(name).and_then(|column| column.cast(&DataType::Int64)).map_err(reading_failed)?;
        let values = values.i64().map_err(reading_failed)?;
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (row, value) in values.iter().enumerate() {
            if value.is_none_or(|value| value < least || value > most) {
                continue;
            }
            if let Some(last) = ranges.last_mut().filter(|last| last.end == row) {
                last.end += 1;
            } else if ranges.len() < REFINED_RANGES {
                ranges.push(row..row + 1);
            } else {
                return Ok(unit.clone());
            }
        }
        Ok(unit.of_rows(ranges))
    }

    fn prefetch(&self, unit: &Unit, columns: &[PlSmallStr]) -> Result<()> {
        let footer = self.footer(unit.file)?;
        let Some(remote) = &footer.remote else { return Ok(()) };
        let metadata = footer.metadata.metadata();
        let names = column_names(metadata);
        let wanted = names.iter().enumerate().filter(|(_, name)| columns.iter().any(|column| column == name.as_str()));
        let mask = ProjectionMask::roots(footer.metadata.parquet_schema(), wanted.map(|(at, _)| at));
        FileReader::S3(Arc::clone(remote)).prefetch(byte_ranges(
            metadata,
            unit.row_group,
            &mask,
            unit.selection.as_ref(),
        ))
    }

    /// The rows of `unit` with `columns`, which are in the schema.
    pub fn read(&self, unit: &Unit, columns: &[PlSmallStr]) -> Result<DataFrame> {
        if columns.is_empty() {
            return DataFrame::new(unit.n_rows, Vec::new()).map_err(reading_failed);
        }
        let file = &self.files[unit.file].file;
        let footer = self.footer(unit.file)?;
        let names = column_names(footer.metadata.metadata());
        let place = |name: &PlSmallStr| {
            names.iter().position(|known| known == name.as_str()).ok_or_else(|| {
                Error::bad_data(format!("{} has no column `{name}`, as others of its table", file.display()))
                    .hint("`varbatch verify` says which files differ from the manifest")
            })
        };
        let wanted: Vec<usize> = columns.iter().map(place).collect::<Result<_>>()?;
        let mask = ProjectionMask::roots(footer.metadata.parquet_schema(), wanted);
        let reader = match &footer.remote {
            Some(remote) => FileReader::S3(Arc::clone(remote)),
            None => open(file)?,
        };
        reader.prefetch(byte_ranges(footer.metadata.metadata(), unit.row_group, &mask, unit.selection.as_ref()))?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(reader, footer.metadata.clone())
            .with_batch_size(BATCH_ROWS)
            .with_row_groups(vec![unit.row_group])
            .with_projection(mask);
        if let Some(selection) = &unit.selection {
            builder = builder.with_row_selection(selection.clone());
        }
        let mut whole: Option<DataFrame> = None;
        let mut reader = guarded(file, || builder.build())?;
        while let Some(batch) = next_batch(&mut reader, file) {
            let batch = batch?;
            let column = |name: &PlSmallStr| {
                let array = batch.column_by_name(name).and_then(|array| convert::series(name, array));
                let array = array.ok_or_else(|| Error::bad_data(format!("{}: column `{name}`", file.display())))?;
                let wanted = self.schema.get(name).unwrap_or(array.dtype());
                array.cast(wanted).map(Column::from).map_err(reading_failed)
            };
            let columns = columns.iter().map(column).collect::<Result<Vec<_>>>()?;
            let piece = DataFrame::new(batch.num_rows(), columns).map_err(reading_failed)?;
            match &mut whole {
                Some(whole) => whole.vstack_mut(&piece).map(drop).map_err(reading_failed)?,
                None => whole = Some(piece),
            }
        }
        Ok(whole.unwrap_or_else(|| self.empty(columns)))
    }

    /// No row with `columns`.
    pub fn empty(&self, columns: &[PlSmallStr]) -> DataFrame {
        let column =
            |name: &PlSmallStr| Column::new_empty(name.clone(), self.schema.get(name).unwrap_or(&DataType::Null));
        DataFrame::new(0, columns.iter().map(column).collect()).unwrap_or_default()
    }
}

/// The schema of a file with columns of few texts as dictionaries.
fn with_codes(schema: &arrow_schema::Schema) -> arrow_schema::Schema {
    use arrow_schema::{DataType as Arrow, Field};
    let coded = Arrow::Dictionary(Box::new(Arrow::Int32), Box::new(Arrow::Utf8));
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        Arrow::Utf8 if CODED.contains(&field.name().as_str()) => {
            Arc::new(Field::new(field.name(), coded.clone(), field.is_nullable()))
        }
        _ => Arc::clone(field),
    });
    arrow_schema::Schema::new(fields.collect::<Vec<_>>())
}

/// Opens a file of the manifest.
fn open(file: &DataFile) -> Result<FileReader> {
    file.open().map_err(|error| match error.class() {
        Class::NoInput => Error::new(Class::Incomplete, format!("{} is not there", file.display()))
            .hint("the dataset was changed after it was published; make it again, or restore the file"),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_least_lately_goes() {
        let mut recent = Recent::new(3);
        assert!((0..3).all(|at| recent.put(at, at * 10).is_none()));
        assert_eq!((recent.get(0), recent.put(0, 0)), (Some(0), None));
        assert_eq!(recent.put(7, 70), Some(10));
        assert_eq!([0, 1, 2, 7].map(|at| recent.get(at)), [Some(0), None, Some(20), Some(70)]);
    }
}
