//! SQL over a published dataset, by polars. A query reads the files of the manifest and nothing else.

pub mod frames;
pub mod guard;
pub mod joined;
pub mod render;
mod scope;
pub mod table_writer;
pub mod user_table;
mod variants;

use crate::dataset::Dataset;
use crate::error::{Class, Error, Result};
use polars::prelude::*;
use polars::sql::SQLContext;
pub use scope::Scope;
use std::num::NonZeroUsize;
use std::sync::mpsc::sync_channel;
pub use variants::{variant_ids_of_list, variant_ids_where};

/// What `varbatch query` shows where no SQL is given: the genotypes of a region with the alleles and the names of the samples.
pub const CALLS_SQL: &str = "\
    SELECT g.contig, g.pos, v.ref, v.alt, s.sample, g.gt, g.dosage FROM genotypes g \
    JOIN variants v ON g.variant_id = v.variant_id JOIN samples s ON g.sample_index = s.sample_index \
    ORDER BY g.variant_id, g.sample_index";

/// Runs `sql` on the tables of `dataset`. A mistake in the query is [`Class::Usage`].
pub fn query(dataset: &Dataset, sql: &str) -> Result<DataFrame> {
    let (frame, tables) = prepare(dataset, &Scope::default(), sql)?;
    frame.collect().map_err(|error| polars_error(error, &tables))
}

/// Runs `sql` on the rows in `scope`; hands the result to `take` in pieces, at least one.
///
/// A plain scan (no join, grouping, sorting) comes as it is read, in order, and ends early when `take` fails. Memory: a few pieces.
/// Any other query is one piece.
pub fn run(
    dataset: &Dataset,
    scope: &Scope,
    sql: &str,
    mut take: impl FnMut(&mut DataFrame) -> Result<()>,
) -> Result<()> {
    let (mut frame, tables) = prepare(dataset, scope, sql)?;
    if !guard::is_plain_scan(sql) {
        return take(&mut frame.collect().map_err(|error| polars_error(error, &tables))?);
    }
    let schema = frame.collect_schema().map_err(|error| polars_error(error, &tables))?;
    take(&mut DataFrame::empty_with_schema(&schema))?;
    let (send, pieces) = sync_channel::<DataFrame>(1);
    // the engine stops when nobody takes its pieces any more
    let callback = PlanCallback::new(move |piece: DataFrame| Ok(send.send(piece).is_err()));
    let pieces_of = frame.sink_batches(callback, true, NonZeroUsize::new(PIECE_ROWS));
    let pieces_of = pieces_of.map_err(|error| polars_error(error, &tables))?;
    let engine = std::thread::spawn(move || pieces_of.collect_with_engine(Engine::Streaming).map(drop));
    let taken = pieces.iter().try_for_each(|mut piece| take(&mut piece));
    drop(pieces);
    let done = engine.join().expect("a panic ends the process");
    taken?;
    done.map_err(|error| polars_error(error, &tables))
}

/// Rows of a piece of a result.
const PIECE_ROWS: usize = 1 << 16;

/// The plan of `sql`, and the tables for messages.
fn prepare(dataset: &Dataset, scope: &Scope, sql: &str) -> Result<(LazyFrame, Vec<TableColumns>)> {
    guard::check(sql)?;
    // tables that the query does not name are not opened, but for a message
    let (mut context, tables) = context(dataset, scope, &|name| guard::mentions(sql, name))?;
    if let Ok(frame) = context.execute(sql) {
        return Ok((frame, tables));
    }
    let (mut context, tables) = self::context(dataset, scope, &|_| true)?;
    let frame = context.execute(sql).map_err(|error| polars_error(error, &tables))?;
    Ok((frame, tables))
}

/// The tables that are wanted, by name.
fn context(dataset: &Dataset, scope: &Scope, wanted: &dyn Fn(&str) -> bool) -> Result<(SQLContext, Vec<TableColumns>)> {
    let mut tables = Vec::new();
    let context = SQLContext::new();
    for (name, mut frame) in frames::frames(dataset, scope, wanted)? {
        let schema = frame.collect_schema().map_err(|error| polars_error(error, &[]))?;
        tables.push((name.clone(), schema.iter_names().map(|column| column.to_string()).collect()));
        context.register(&name, frame);
    }
    Ok((context, tables))
}

/// A table and its columns.
type TableColumns = (String, Vec<String>);

/// What polars says, as our error: one line, and what exists where a name was not found.
fn polars_error(error: PolarsError, tables: &[TableColumns]) -> Error {
    let mut root = &error;
    while let PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } = root {
        root = error;
    }
    if let PolarsError::IO { error: io, .. } = root {
        return Error::new(Class::Io, format!("cannot read the dataset: {io}"));
    }
    let text = root.to_string();
    // the valid columns are in the hint, by table
    let line = text.split("; valid columns").next().and_then(|text| text.lines().next()).unwrap_or_default();
    let line = line.trim_end_matches(':');
    let missing_table = text.contains("relation") && text.contains("not found");
    let missing_column = matches!(
        root,
        PolarsError::ColumnNotFound(_) | PolarsError::SchemaFieldNotFound(_) | PolarsError::StructFieldNotFound(_)
    ) || text.contains("unable to find column")
        || (text.contains("column") && text.contains("not found"));
    let names = tables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    if tables.is_empty() {
        return Error::bad_data(format!("cannot read the dataset: {line}"))
            .hint("`varbatch verify` says which files differ from the manifest")
            .with_source(error);
    }
    let failed = Error::usage(format!("the query cannot be run: {line}"));
    if missing_table {
        failed.hint(format!("the dataset has the tables {names}"))
    } else if missing_column {
        let columns = tables.iter().map(|(name, columns)| format!("{name}({})", columns.join(", ")));
        failed.hint(format!("the columns are {}", columns.collect::<Vec<_>>().join("; ")))
    } else {
        failed
    }
}
