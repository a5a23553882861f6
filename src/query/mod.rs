//! SQL over a published dataset, by polars. A query reads the files of the manifest and nothing else.

pub mod frames;
pub mod guard;
pub mod render;
pub mod table_writer;
mod variants;

use crate::dataset::Dataset;
use crate::error::{Class, Error, Result};
use polars::prelude::*;
use polars::sql::SQLContext;
pub use variants::{variant_ids_of_list, variant_ids_where};

/// Runs `sql` on the tables of `dataset`. A mistake in the query is [`Class::Usage`].
pub fn query(dataset: &Dataset, sql: &str) -> Result<DataFrame> {
    guard::check(sql)?;
    let mut frames = frames::frames(dataset)?;
    let mut tables = Vec::with_capacity(frames.len());
    for (name, frame) in &mut frames {
        let schema = frame.collect_schema().map_err(|error| polars_error(error, &[]))?;
        tables.push((name.clone(), schema.iter_names().map(|column| column.to_string()).collect()));
    }
    let context = SQLContext::new();
    for (name, frame) in frames {
        context.register(&name, frame);
    }
    let mut context = context;
    let frame = context.execute(sql).map_err(|error| polars_error(error, &tables))?;
    frame.collect().map_err(|error| polars_error(error, &tables))
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
