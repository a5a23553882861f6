//! Sources in Parquet, of any program: one file, a folder of files, or another dataset (its table `variants`).

use super::cells::Cells;
use super::join::{Found, Joiner, Key, Setup, check_ref};
use super::lines::{Joined, MAX_SORT_BYTES, Part, PieceRows, Produced, Taking, set_aside};
use super::rows::{Keys, schema};
use super::spec::{Columns, SourceSpec, find_key};
use super::spill::Spill;
use crate::dataset::Dataset;
use crate::dataset::batch::{Batch, Column, Value, read_type};
use crate::dataset::stream::{FileStream, Select, column_types, read_metadata};
use crate::error::{Error, Location, Result};
use crate::store::{DataFile, Place, local, s3};
use arrow_schema::SchemaRef;
use rayon::prelude::*;
use std::path::Path;

/// First bytes of a Parquet file.
pub const MAGIC: &[u8] = b"PAR1";
/// Columns of a dataset of varbatch that say which row it is: not taken unless named.
const IDENTIFIERS: [&str; 3] = ["variant_id", "site_id", "alt_index"];

/// A row group of a file.
struct Unit {
    file: usize,
    row_group: usize,
    n_bytes: usize,
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
            Columns::None => {}
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
        let mut run = Taking::new(place.clone(), setup, None, spill()?);
        let n_at_once = rayon::current_num_threads() * 2;
        for (at, group) in self.units.chunks(n_at_once).enumerate() {
            let work = |(within, unit): (usize, &Unit)| self.read_unit(setup, unit, (at * n_at_once + within) as u64);
            let done: Vec<Result<(PieceRows, Vec<Part>)>> = group.par_iter().enumerate().map(work).collect();
            for done in done {
                let (rows, parts) = done?;
                if !run.take(rows, parts)? {
                    return self.join_sorted(Taking::new(place.clone(), setup, None, spill()?), setup);
                }
            }
        }
        Ok((run.joined, run.spills))
    }

    fn batches(&self, unit: &Unit) -> Result<FileStream> {
        FileStream::open(&self.files[unit.file], &self.select.clone().with_row_groups(Some(vec![unit.row_group])))
    }

    fn read_unit(&self, setup: &Setup, unit: &Unit, number: u64) -> Result<(PieceRows, Vec<Part>)> {
        let (mut reading, mut parts) = (Reading::new(self, setup), Vec::new());
        let mut at = number << 32;
        let mut out = |part| {
            parts.push(part);
            Ok(())
        };
        for batch in self.batches(unit)? {
            let rows = KeyColumns::new(self, batch?)?;
            for row in 0..rows.batch.n_rows() {
                at += 1;
                if !reading.row(&rows, row, at, &mut out)? {
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
        let n_bytes: usize = self.units.iter().map(|unit| unit.n_bytes).sum();
        if n_bytes > MAX_SORT_BYTES {
            return Err(Error::bad_data("the rows are not sorted, and too many to be sorted in memory (1 GiB)")
                .hint("sort the file by contig and position first, e.g. with DuckDB or polars"));
        }
        let mut held = Vec::new();
        for unit in &self.units {
            for batch in self.batches(unit)? {
                held.push(KeyColumns::new(self, batch?)?);
            }
        }
        let mut order = Vec::new();
        for (batch, rows) in held.iter().enumerate() {
            for row in 0..rows.batch.n_rows() {
                // names of other contigs stay together
                let contig = rows.contig(row).into_owned();
                let index = setup.contigs.index_of(contig.as_bytes()).unwrap_or(u32::MAX);
                order.push((index, contig, rows.vcf_pos(row).unwrap_or(0), batch, row));
            }
        }
        order.sort();
        let mut reading = Reading::new(self, setup);
        for (at, (_, _, _, batch, row)) in order.iter().enumerate() {
            let sorted = reading.row(&held[*batch], *row, at as u64, &mut |part| run.take_part(part))?;
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

fn units(files: &[DataFile]) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    for (file, path) in files.iter().enumerate() {
        let metadata = read_metadata(path)?;
        for row_group in 0..metadata.num_row_groups() {
            let n_bytes = metadata.row_group(row_group).total_byte_size().max(0) as usize;
            units.push(Unit { file, row_group, n_bytes });
        }
    }
    Ok(units)
}

/// A batch and its key columns.
struct KeyColumns {
    batch: Batch,
    key: [Column; 4],
}

impl KeyColumns {
    fn new(source: &Columnar, batch: Batch) -> Result<KeyColumns> {
        let column = |name: &String| {
            batch.column(name).cloned().ok_or_else(|| {
                Error::bad_data(format!("{}: there is no column `{name}`, which the first file has", batch.place()))
            })
        };
        let [contig, pos, ref_allele, alt] = &source.key;
        let key = [column(contig)?, column(pos)?, column(ref_allele)?, column(alt)?];
        Ok(KeyColumns { batch, key })
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
    fn row(
        &mut self,
        rows: &KeyColumns,
        row: usize,
        source: u64,
        out: &mut dyn FnMut(Part) -> Result<()>,
    ) -> Result<bool> {
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
                set_aside(&mut self.rows, &mut self.joiner.tally, self.setup, source & 0xffff_ffff, error.at(place))?;
                return Ok(true);
            }
        };
        if !self.joiner.is_same_contig(contig.as_bytes()) {
            self.flush(out)?;
        }
        match self.joiner.find(Key { contig: contig.as_bytes(), vcf_pos, ref_allele, alt })? {
            Found::Hits(0) => {}
            Found::Hits(_) => {
                for &hit in self.joiner.hits() {
                    self.keys.push_hit(&self.joiner, hit, source);
                    for (cells, name) in self.cells.iter_mut().zip(&self.source.taken) {
                        match rows.batch.column(name) {
                            Some(column) => cells.push(column, row),
                            None => cells.push_null(),
                        }
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
