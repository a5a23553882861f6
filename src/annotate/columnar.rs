//! Sources in Parquet, of any program: one file, a folder of files, or another dataset (its table `variants`).

use super::cells::Cells;
use super::join::{Found, Joiner, Key, Setup, check_ref};
use super::lines::{Joined, MAX_SORT_BYTES, PART_ROWS, Part, PieceRows, Produced, Taking, set_aside};
use super::rows::{Keys, schema};
use super::spec::{Columns, SourceSpec, find_key, nothing_taken};
use super::spill::Spill;
use crate::dataset::Dataset;
use crate::dataset::batch::{Batch, Column, Value, read_type, type_name};
use crate::dataset::stream::{FileStream, Select, column_types, read_metadata};
use crate::error::{Error, Location, Result};
use crate::store::{DataFile, Place, local, s3};
use arrow_schema::{DataType, SchemaRef};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::Path;

/// Columns of a dataset of varbatch that say which row it is: not taken unless named.
const IDENTIFIERS: [&str; 3] = ["variant_id", "site_id", "alt_index"];

/// A row group of a file.
struct Unit {
    /// Its number among all.
    number: usize,
    file: usize,
    row_group: usize,
    /// Rows of the file before it.
    n_before: u64,
}

/// A source in Parquet.
pub struct Columnar {
    files: Vec<DataFile>,
    units: Vec<Unit>,
    key: [String; 4],
    /// Columns that are taken.
    taken: Vec<String>,
    select: Select,
    schema: SchemaRef,
}

/// The files of a path: a file, all `.parquet` files below a folder, or the variants of a dataset.
pub fn files_of(path: &Path) -> Result<Vec<DataFile>> {
    if s3::is_uri(path) {
        let (prefix, name) = s3::S3Prefix::of_object(&path.to_string_lossy(), None)?;
        return Ok(vec![DataFile::S3 { prefix, name }]);
    }
    if !path.is_dir() {
        return Ok(vec![DataFile::from(path)]);
    }
    if path.join(crate::commit::manifest::MANIFEST_NAME).is_file() {
        let dataset = Dataset::open(path)?;
        let contigs = dataset.manifest().contigs.iter();
        let files = contigs.flat_map(|contig| dataset.contig_files("variants", &contig.name));
        return files.map(|file| dataset.full_path(file)).collect();
    }
    let place = Place::Local(path.to_path_buf());
    let names = local::list_files(path)?.into_iter().map(|(name, _)| name);
    Ok(names.filter(|name| name.ends_with(".parquet")).map(|name| place.file(&name)).collect())
}

impl Columnar {
    /// Opens files of the same columns.
    pub fn open(files: Vec<DataFile>, spec: &SourceSpec) -> Result<Columnar> {
        let first = files.first().ok_or_else(|| {
            Error::bad_data(format!("{} has no Parquet files", spec.path.display()))
                .hint("a folder has files that end with .parquet, or is a dataset")
        })?;
        let types = column_types(first)?;
        let names: Vec<&String> = types.iter().map(|(name, _)| name).collect();
        let key = find_key(&names, &spec.key)?.map(|at| names[at].clone());
        let (mut taken, mut columns) = (Vec::new(), Vec::new());
        let mut take = |name: &String, column: String| match types.iter().find(|(known, _)| known == name) {
            Some((_, data_type)) => {
                let read = read_type(data_type).ok_or_else(|| {
                    Error::usage(format!("column `{name}` has the type {data_type}, which cannot be taken"))
                        .hint("leave it out with --columns, or make it a number, a text or a list of them")
                })?;
                columns.push((column, read));
                taken.push(name.clone());
                Ok(())
            }
            None => Err(Error::usage(format!("the file has no column `{name}`"))
                .hint(format!("it has {}", types.iter().map(|(name, _)| &name[..]).collect::<Vec<_>>().join(", ")))),
        };
        match &spec.columns {
            Columns::None => return Err(nothing_taken()),
            Columns::All => {
                let others = types.iter().map(|(name, _)| name);
                for name in others.filter(|name| !key.contains(name) && !IDENTIFIERS.contains(&name.as_str())) {
                    take(name, spec.column(name))?;
                }
            }
            Columns::Some(list) => {
                for wanted in list {
                    if wanted.kind.is_some() {
                        return Err(Error::usage(format!("--columns declares a type of `{}`", wanted.field))
                            .hint("the columns of a Parquet file have types"));
                    }
                    take(&wanted.field, wanted.alias.clone().unwrap_or_else(|| spec.column(&wanted.field)))?;
                }
            }
        }
        check_key_types(&key, &types)?;
        for file in &files[1..] {
            check_types(file, key.iter().chain(&taken), &types)?;
        }
        let select = Select::columns(&key.iter().chain(&taken).collect::<Vec<_>>());
        let units = units(&files)?;
        Ok(Columnar { files, units, key, taken, select, schema: schema(columns) })
    }

    /// Schema of the rows under way.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Joins the rows to the dataset, as [`super::lines::join`] does.
    pub fn join(
        &self,
        setup: &Setup,
        spill: &mut dyn FnMut() -> Result<Vec<Spill>>,
        place: &Location,
    ) -> Result<(Joined, Vec<Spill>)> {
        let mut run = Taking::new(place.clone(), setup, Some(0), spill()?);
        let n_at_once = rayon::current_num_threads() * 2;
        for group in self.units.chunks(n_at_once) {
            let done: Vec<Result<(PieceRows, Vec<Part>)>> =
                group.par_iter().map(|unit| self.read_unit(setup, unit)).collect();
            for done in done {
                let (rows, parts) = done?;
                if !run.take(rows, parts)? {
                    return self.join_sorted(Taking::new(place.clone(), setup, Some(0), spill()?), setup);
                }
            }
        }
        Ok((run.joined, run.spills))
    }

    /// The rows of a row group with their keys.
    fn batches<'a>(&'a self, unit: &'a Unit) -> Result<impl Iterator<Item = Result<KeyColumns<'a>>>> {
        let select = self.select.clone().with_row_groups(Some(vec![unit.row_group]));
        let mut n_before = 0;
        Ok(FileStream::open(&self.files[unit.file], &select)?.map(move |batch| {
            let rows = KeyColumns::new(self, batch?, unit, n_before)?;
            n_before += rows.batch.n_rows() as u64;
            Ok(rows)
        }))
    }

    fn read_unit(&self, setup: &Setup, unit: &Unit) -> Result<(PieceRows, Vec<Part>)> {
        let (mut reading, mut parts) = (Reading::new(self, setup), Vec::new());
        let mut out = |part| {
            parts.push(part);
            Ok(())
        };
        for rows in self.batches(unit)? {
            let rows = rows?;
            for row in 0..rows.batch.n_rows() {
                if !reading.row(&rows, row, &mut out)? {
                    reading.rows.unsorted = true;
                    return Ok((reading.rows, Vec::new()));
                }
            }
        }
        let rows = reading.end(&mut out)?;
        Ok((rows, parts))
    }

    /// The same for rows that are not sorted: all of them are held.
    fn join_sorted(&self, mut run: Taking, setup: &Setup) -> Result<(Joined, Vec<Spill>)> {
        let (mut held, mut n_bytes) = (Vec::new(), 0);
        for unit in &self.units {
            for rows in self.batches(unit)? {
                let rows = rows?;
                n_bytes += rows.batch.n_bytes() + rows.batch.n_rows() * size_of::<SortKey>();
                if n_bytes > MAX_SORT_BYTES {
                    return Err(Error::bad_data(
                        "the rows are not sorted, and too many to be sorted in memory (1 GiB)",
                    )
                    .hint("sort the file by contig and position first, e.g. with DuckDB or polars"));
                }
                held.push(rows);
            }
        }
        let mut names: HashMap<String, u32> = HashMap::new();
        let mut order: Vec<SortKey> = Vec::new();
        for (batch, rows) in held.iter().enumerate() {
            for row in 0..rows.batch.n_rows() {
                let contig = rows.contig(row);
                let index = setup.contigs.index_of(contig.as_bytes()).unwrap_or(u32::MAX);
                // the rows of one name stay together
                let name = match names.get(contig.as_ref()) {
                    Some(&name) => name,
                    None => {
                        let next = names.len() as u32;
                        *names.entry(contig.into_owned()).or_insert(next)
                    }
                };
                order.push((index, name, rows.vcf_pos(row).unwrap_or(0), batch, row));
            }
        }
        order.sort_unstable();
        let mut reading = Reading::new(self, setup);
        for &(_, _, _, batch, row) in &order {
            let sorted = reading.row(&held[batch], row, &mut |part| run.take_part(part))?;
            if !sorted {
                return Err(Error::internal("rows that were sorted are not sorted"));
            }
        }
        let rows = reading.end(&mut |part| run.take_part(part))?;
        if !run.take(rows, Vec::new())? {
            return Err(Error::internal("rows that were sorted are not sorted"));
        }
        Ok((run.joined, run.spills))
    }
}

/// A row on its way to be sorted: contig of the dataset, name of the contig, position, batch and row in it.
type SortKey = (u32, u32, i32, usize, usize);

fn units(files: &[DataFile]) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    for (file, path) in files.iter().enumerate() {
        let metadata = read_metadata(path)?;
        let mut n_before = 0;
        for row_group in 0..metadata.num_row_groups() {
            units.push(Unit { number: units.len(), file, row_group, n_before });
            n_before += metadata.row_group(row_group).num_rows().max(0) as u64;
        }
    }
    Ok(units)
}

fn type_of<'t>(types: &'t [(String, DataType)], name: &str) -> Option<&'t DataType> {
    types.iter().find(|(known, _)| known == name).map(|(_, data_type)| data_type)
}

/// Contigs are texts or numbers, positions numbers, alleles texts.
fn check_key_types(key: &[String; 4], types: &[(String, DataType)]) -> Result<()> {
    for (at, name) in key.iter().enumerate() {
        let found = type_of(types, name);
        let fits = match found.and_then(read_type) {
            Some(DataType::Utf8) => at != 1,
            Some(DataType::Int32 | DataType::Int64) => at <= 1,
            _ => false,
        };
        if !fits {
            let expected = ["text", "an integer", "text", "text"][at];
            let found = found.map(type_name).unwrap_or_default();
            return Err(Error::bad_data(format!("column `{name}` is {found}, expected {expected}"))
                .hint("--key 'contig=NAME,pos=NAME,ref=NAME,alt=NAME' says which columns are the key"));
        }
    }
    Ok(())
}

/// The columns of a file have the types that those of the first file have.
fn check_types<'n>(
    file: &DataFile,
    names: impl Iterator<Item = &'n String>,
    expected: &[(String, DataType)],
) -> Result<()> {
    let types = column_types(file)?;
    for name in names {
        let (found, expected) = (type_of(&types, name), type_of(expected, name));
        if found.and_then(read_type) == expected.and_then(read_type) {
            continue;
        }
        let place = Location { path: Some(file.display().to_string()), ..Default::default() };
        let expected = expected.map(type_name).unwrap_or_default();
        let error = match found {
            Some(found) => format!("column `{name}` is {}, expected {expected} as in the first file", type_name(found)),
            None => format!("there is no column `{name}`, which the first file has ({expected})"),
        };
        return Err(Error::bad_data(error)
            .hint("the files of a folder are parts of one table; name others by --from each")
            .at(place));
    }
    Ok(())
}

/// A batch and its key columns.
struct KeyColumns<'a> {
    batch: Batch,
    key: [Column; 4],
    unit: &'a Unit,
    /// Rows of the row group before it.
    n_before: u64,
}

impl<'a> KeyColumns<'a> {
    fn new(source: &Columnar, batch: Batch, unit: &'a Unit, n_before: u64) -> Result<KeyColumns<'a>> {
        let column = |name: &String| {
            let found = batch.column(name).cloned();
            found.ok_or_else(|| Error::internal(format!("{}: the column `{name}` is gone", batch.place())))
        };
        let [contig, pos, ref_allele, alt] = &source.key;
        let key = [column(contig)?, column(pos)?, column(ref_allele)?, column(alt)?];
        Ok(KeyColumns { batch, key, unit, n_before })
    }

    /// Number of a row in its file, from 1.
    fn number(&self, row: usize) -> u64 {
        self.unit.n_before + self.n_before + row as u64 + 1
    }

    /// Which row of the source it is.
    fn source(&self, row: usize) -> u64 {
        (self.unit.number as u64) << 32 | (self.n_before + row as u64 + 1)
    }

    /// Name of the contig; a number is one too.
    fn contig(&self, row: usize) -> std::borrow::Cow<'_, str> {
        match self.key[0].value(row) {
            Some(Value::Text(name)) => name.into(),
            Some(Value::Int(number)) => number.to_string().into(),
            _ => "".into(),
        }
    }

    fn vcf_pos(&self, row: usize) -> Option<i32> {
        match self.key[1].value(row) {
            Some(Value::Int(pos)) => i32::try_from(pos).ok().filter(|&pos| pos >= 0),
            _ => None,
        }
    }

    fn allele(&self, at: usize, row: usize) -> &str {
        self.key[at].value(row).and_then(Value::text).unwrap_or_default()
    }
}

/// Rows of a piece.
struct Reading<'a> {
    source: &'a Columnar,
    setup: &'a Setup<'a>,
    joiner: Joiner<'a>,
    keys: Keys,
    cells: Vec<Cells>,
    rows: PieceRows,
}

impl<'a> Reading<'a> {
    fn new(source: &'a Columnar, setup: &'a Setup<'a>) -> Reading<'a> {
        let cells = source.schema.fields().iter().skip(4).map(|field| Cells::new(field.data_type())).collect();
        let (joiner, keys) = (Joiner::new(setup), Keys::default());
        Reading { source, setup, joiner, keys, cells, rows: PieceRows::default() }
    }

    /// Takes a row; false: it is not in order.
    fn row(&mut self, rows: &KeyColumns, row: usize, out: &mut dyn FnMut(Part) -> Result<()>) -> Result<bool> {
        let contig = rows.contig(row);
        let (ref_allele, alt) = (rows.allele(2, row).as_bytes(), rows.allele(3, row).as_bytes());
        let checked = match rows.vcf_pos(row) {
            Some(vcf_pos) => check_ref(ref_allele).map(|()| vcf_pos),
            None => Err(Error::bad_data(format!("{} is no position", self.source.key[1]))),
        };
        let vcf_pos = match checked {
            Ok(vcf_pos) => vcf_pos,
            Err(error) => {
                let pos = rows.vcf_pos(row).map(i64::from);
                let path = Some(rows.batch.place().to_owned());
                let place = Location { path, contig: Some(contig.into_owned()), vcf_pos: pos, ..Default::default() };
                self.joiner.tally.read += 1;
                set_aside(&mut self.rows, &mut self.joiner.tally, self.setup, rows.number(row), error.at(place))?;
                return Ok(true);
            }
        };
        if !self.joiner.is_same_contig(contig.as_bytes()) || self.keys.n_rows() >= PART_ROWS {
            self.flush(out)?;
        }
        match self.joiner.find(Key { contig: contig.as_bytes(), vcf_pos, ref_allele, alt })? {
            Found::Hits(0) => {}
            Found::Hits(_) => {
                for &hit in self.joiner.hits() {
                    self.keys.push_hit(&self.joiner, hit, rows.source(row));
                    for (cells, name) in self.cells.iter_mut().zip(&self.source.taken) {
                        let column = rows.batch.column(name);
                        let gone = || Error::internal(format!("{}: the column `{name}` is gone", rows.batch.place()));
                        cells.push(column.ok_or_else(gone)?, row)?;
                    }
                }
            }
            Found::Unsorted => return Ok(false),
        }
        Ok(true)
    }

    fn flush(&mut self, out: &mut dyn FnMut(Part) -> Result<()>) -> Result<()> {
        let Some(contig) = self.joiner.contig().filter(|_| self.keys.n_rows() > 0) else { return Ok(()) };
        let values = self.cells.iter_mut().map(Cells::finish).collect();
        let rows = vec![self.keys.finish(&self.source.schema, values)?];
        let produced = Produced { rows, guesses: Vec::new(), entries: Default::default() };
        out(Part { contig, reached: self.joiner.last_pos(), produced })
    }

    fn end(mut self, out: &mut dyn FnMut(Part) -> Result<()>) -> Result<PieceRows> {
        self.flush(out)?;
        (self.rows.tally, self.rows.runs) = (self.joiner.tally, self.joiner.runs);
        Ok(self.rows)
    }
}
