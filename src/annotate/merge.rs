//! Puts the rows of sources together into the table that is stored: one row for each allele that any of them has.

use super::cells::Cells;
use super::rows::{TextKind, batch};
use super::spill::Spilled;
use crate::columns::schema::dictionary_text;
use crate::dataset::Dataset;
use crate::dataset::batch::{Batch, Column, read_type};
use crate::dataset::results::{Description, RESULTS_FOLDER};
use crate::dataset::stream::{Chain, Select, column_types};
use crate::error::{Error, Result};
use crate::genome::split_id;
use crate::stats::results::StoredBatches;
use arrow_array::builder::{Int32Builder, Int64Builder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Rows that are written together.
const WRITE_ROWS: usize = 1 << 14;

/// A column of the table.
#[derive(Clone, Debug)]
pub struct OutColumn {
    /// Its name, in the source as well.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
}

/// Rows of one source, sorted.
pub struct Input {
    rows: Chain,
    open: Option<Open>,
    columns: Vec<OutColumn>,
}

/// Rows that are in memory.
struct Open {
    batch: Batch,
    ids: Int64Array,
    /// Those of the input, in its order.
    columns: Vec<Option<Column>>,
    /// The next row.
    row: usize,
}

impl Open {
    /// Whether the next row has a value.
    fn has_value(&self) -> bool {
        self.columns.iter().flatten().any(|column| !column.is_null(self.row))
    }
}

impl Input {
    /// The rows of the files of a source, which have these columns. `kinds`: types that were found for those of text.
    pub fn of_spills(files: &[&Spilled], columns: &[OutColumn], kinds: &[Option<TextKind>]) -> Result<Input> {
        let found = |at: usize| kinds.get(at).copied().flatten().map(TextKind::data_type);
        let column = |(at, column): (usize, &OutColumn)| OutColumn {
            name: column.name.clone(),
            data_type: found(at).unwrap_or_else(|| column.data_type.clone()),
        };
        let columns = columns.iter().enumerate().map(column).collect();
        Ok(Input { columns, rows: Spilled::rows(files)?, open: None })
    }

    /// Some columns of a table that is stored.
    pub fn of_stored(dataset: &Dataset, table: &Description, keep: &dyn Fn(&str) -> bool) -> Result<Input> {
        let file = table.file(dataset);
        let own = column_types(&file)?.into_iter().skip(5).filter(|(name, _)| keep(name));
        let column = |(name, data_type): (String, DataType)| {
            let data_type = read_type(&data_type).ok_or_else(|| {
                Error::bad_data(format!("{}: column `{name}` has the unknown type {data_type}", file.display()))
                    .hint(format!("remove {RESULTS_FOLDER}/annotations.* in the dataset, and annotate again"))
            })?;
            Ok(OutColumn { name, data_type })
        };
        let columns: Vec<OutColumn> = own.map(column).collect::<Result<_>>()?;
        let names = KEYS.iter().copied().chain(columns.iter().map(|column| &column.name[..]));
        let select = Select::columns(&names.collect::<Vec<_>>());
        Ok(Input { columns, rows: Chain::new(vec![(file, select)]), open: None })
    }

    /// Its columns.
    pub fn columns(&self) -> &[OutColumn] {
        &self.columns
    }

    /// The allele of the next row.
    fn next_id(&mut self) -> Result<Option<i64>> {
        loop {
            match &self.open {
                Some(open) if open.row < open.batch.n_rows() => {
                    return Ok(Some(open.ids.value(open.row)));
                }
                _ => match self.rows.next_batch()? {
                    Some(batch) => {
                        let columns = self.columns.iter().map(|column| batch.column(&column.name).cloned()).collect();
                        let ids = batch.longs("variant_id")?.clone();
                        self.open = Some(Open { batch, ids, columns, row: 0 });
                    }
                    None => return Ok(None),
                },
            }
        }
    }

    /// The next row, where it is about an allele.
    fn at(&mut self, id: i64) -> Result<Option<&mut Open>> {
        Ok(if self.next_id()? == Some(id) { self.open.as_mut() } else { None })
    }
}

const KEYS: [&str; 4] = ["variant_id", "pos", "ref", "alt"];

/// Schema of the stored table.
pub fn table_schema<'a>(columns: impl Iterator<Item = &'a OutColumn>) -> SchemaRef {
    let keys = [
        Field::new("variant_id", DataType::Int64, false),
        Field::new("contig", dictionary_text(), false),
        Field::new("pos", DataType::Int32, false),
        Field::new("ref", DataType::Utf8, false),
        Field::new("alt", DataType::Utf8, false),
    ];
    let own = columns.map(|column| Field::new(&column.name, column.data_type.clone(), true));
    Arc::new(Schema::new(keys.into_iter().chain(own).collect::<Vec<Field>>()))
}

/// Keys under way.
#[derive(Default)]
struct Keys {
    ids: Int64Builder,
    contigs: StringDictionaryBuilder<Int32Type>,
    pos: Int32Builder,
    refs: StringBuilder,
    alts: StringBuilder,
    n_rows: usize,
}

impl Keys {
    fn push(&mut self, dataset: &Dataset, open: &Open) -> Result<()> {
        let (batch, row) = (&open.batch, open.row);
        let id = open.ids.value(row);
        let contig = dataset.manifest().contigs.get(split_id(id).0.contig as usize);
        let contig = contig.ok_or_else(|| Error::internal("a row of an annotation is on no contig"))?;
        self.ids.append_value(id);
        self.contigs.append_value(&contig.name);
        self.pos.append_value(batch.ints("pos")?.value(row));
        self.refs.append_value(batch.texts("ref")?.value(row));
        self.alts.append_value(batch.texts("alt")?.value(row));
        self.n_rows += 1;
        Ok(())
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        self.n_rows = 0;
        vec![
            Arc::new(self.ids.finish()),
            Arc::new(self.contigs.finish()),
            Arc::new(self.pos.finish()),
            Arc::new(self.refs.finish()),
            Arc::new(self.alts.finish()),
        ]
    }
}

/// Writes the rows of all inputs side by side; several rows of an allele (of a single input) stay several. Rows without any value
/// are left out.
pub fn merge(dataset: &Dataset, mut inputs: Vec<Input>, schema: &SchemaRef, out: &mut StoredBatches) -> Result<()> {
    let (mut keys, mut cells) = (Keys::default(), Vec::new());
    for input in &inputs {
        cells.extend(input.columns.iter().map(|column| Cells::new(&column.data_type)));
    }
    while let Some((id, has_value)) = next_row(&mut inputs)? {
        let mut has_key = false;
        let mut rest = &mut cells[..];
        for input in &mut inputs {
            let (own, others) = rest.split_at_mut(input.columns.len());
            rest = others;
            let Some(open) = input.at(id)? else {
                own.iter_mut().filter(|_| has_value).for_each(Cells::push_null);
                continue;
            };
            if has_value {
                if !std::mem::replace(&mut has_key, true) {
                    keys.push(dataset, open)?;
                }
                for (cells, column) in own.iter_mut().zip(&open.columns) {
                    match column {
                        Some(column) => cells.push(column, open.row)?,
                        None => cells.push_null(),
                    }
                }
            }
            open.row += 1;
        }
        if keys.n_rows == WRITE_ROWS {
            out.write(&rows(schema, &mut keys, &mut cells)?)?;
        }
    }
    if keys.n_rows > 0 {
        out.write(&rows(schema, &mut keys, &mut cells)?)?;
    }
    Ok(())
}

/// The next allele, and whether an input has a value for it.
fn next_row(inputs: &mut [Input]) -> Result<Option<(i64, bool)>> {
    let mut next: Option<i64> = None;
    for input in inputs.iter_mut() {
        next = match (next, input.next_id()?) {
            (Some(least), Some(id)) => Some(id.min(least)),
            (least, id) => least.or(id),
        };
    }
    let Some(id) = next else { return Ok(None) };
    let mut has_value = false;
    for input in inputs.iter_mut() {
        has_value |= input.at(id)?.is_some_and(|open| open.has_value());
    }
    Ok(Some((id, has_value)))
}

fn rows(schema: &SchemaRef, keys: &mut Keys, cells: &mut [Cells]) -> Result<RecordBatch> {
    let mut columns = keys.finish();
    columns.extend(cells.iter_mut().map(Cells::finish));
    batch(schema, columns)
}
