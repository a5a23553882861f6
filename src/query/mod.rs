//! SQL over a published dataset, by polars. A query reads the files of the manifest and nothing else.

mod exact;
pub mod frames;
pub mod guard;
pub mod joined;
mod order;
pub mod paged;
mod pieces;
mod plan;
pub mod render;
mod scope;
mod sums;
pub mod table_writer;
pub mod user_table;
mod variants;

use crate::dataset::Dataset;
use crate::error::{Class, Error, Result};
use paged::Failure;
use paged::table::Unit;
use pieces::Pieces;
use plan::{Limit, Plan, Read, without_limit};
use polars::prelude::*;
use polars::sql::SQLContext;
pub use scope::Scope;
use std::sync::mpsc::sync_channel;
pub use variants::{variant_ids_of_list, variant_ids_where};

/// A table of a dataset on this machine that a query reads more of than this is read by polars, in rows.
const WIDE_ROWS: u64 = 2_000_000;
/// Name of the table that a view is.
pub const VIEW: &str = "view";
/// A result from more rows than this comes in pieces, where it can, in rows.
const STREAMED_ROWS: usize = 1 << 17;
/// Rows that are read for one piece.
const WINDOW_ROWS: usize = 1 << 18;

/// Runs `sql` on the tables of `dataset`. A mistake in the query is [`Class::Usage`].
pub fn query(dataset: &Dataset, sql: &str) -> Result<DataFrame> {
    let mut whole = DataFrame::default();
    run(dataset, &Scope::default(), sql, None, |piece| append(&mut whole, piece.clone()))?;
    whole.rechunk_mut();
    Ok(whole)
}

/// Puts the rows of `piece` behind those of `whole`, which has the same columns, or none.
pub fn append(whole: &mut DataFrame, piece: DataFrame) -> Result<()> {
    if whole.width() == 0 {
        *whole = piece;
        return Ok(());
    }
    whole.vstack_mut_owned(piece).map(drop).map_err(reading_failed)
}

/// Runs `sql` on the rows in `scope`, and on `view` where there is one; hands the result to `take` in pieces, at least one.
///
/// Where each row of the result comes from one row of a table (no join, grouping, sorting), rows come in their order as they
/// are read, and it ends early when `take` fails. Memory: a few row groups. Any other result is held as a whole, up to its LIMIT, in the
/// order that [`order`] gives it.
pub fn run(
    dataset: &Dataset,
    scope: &Scope,
    sql: &str,
    view: Option<DataFrame>,
    take: impl FnMut(&mut DataFrame) -> Result<()>,
) -> Result<()> {
    let sql = &sums::widened(sql);
    let query = Query::new(dataset, scope, sql, view)?;
    let (frame, limit) = without_limit(&query.frame);
    let plan = query.failing(Plan::of(&frame))?;
    if plan.reads_others() {
        return Err(guard::other_files("the query"));
    }
    if !plan.is_in_table_order() {
        let mut pieces = Pieces::new(limit, take);
        return pieces.push(query.collected(dataset, scope, sql, &plan)?);
    }
    let first_rows = limit.end() <= STREAMED_ROWS && query.failing(Plan::of(&query.frame))?.is_cut();
    if !first_rows
        && let Some(read) = plan.row_by_row()
        && let Some(scan) = read.scan()
        && scan.table.n_rows() > STREAMED_ROWS as u64
    {
        return query.in_windows(frame, &read, Pieces::new(limit, take));
    }
    Pieces::new(Limit::NONE, take).push(query.failing(query.frame.clone().collect())?)
}

/// A query on tables that are read page by page.
struct Query {
    frame: LazyFrame,
    /// For messages.
    tables: Vec<TableColumns>,
    failure: Failure,
    /// It is not known outside of `frame`.
    has_view: bool,
}

impl Query {
    fn new(dataset: &Dataset, scope: &Scope, sql: &str, view: Option<DataFrame>) -> Result<Query> {
        guard::check(sql)?;
        let failure = Failure::default();
        let named = |name: &str| guard::mentions(sql, name);
        // tables that the query does not name are not opened, and results not looked for, but for a message
        let view = view.map(|view| (VIEW.to_owned(), view.lazy()));
        let context = |frames: Vec<_>| context(frames.into_iter().chain(view.clone()).collect());
        let own = frames::paged_own(dataset, scope, &named, &failure)?;
        let (mut known, tables) = context(own)?;
        if let Ok(frame) = known.execute(sql) {
            return Ok(Query { frame, tables, failure, has_view: view.is_some() });
        }
        let (mut known, tables) = context(frames::paged(dataset, scope, &named, &failure)?)?;
        if let Ok(frame) = known.execute(sql) {
            return Ok(Query { frame, tables, failure, has_view: view.is_some() });
        }
        let (mut known, tables) = context(frames::paged(dataset, scope, &|_| true, &failure)?)?;
        let frame = known.execute(sql).map_err(|error| query_failed(error, &tables))?;
        Ok(Query { frame, tables, failure, has_view: view.is_some() })
    }

    fn failing<T>(&self, result: PolarsResult<T>) -> Result<T> {
        result.map_err(|error| self.failure.or(|| query_failed(error, &self.tables)))
    }

    /// The result of a plan that groups, joins or sorts, as a whole, up to its LIMIT.
    fn collected(&self, dataset: &Dataset, scope: &Scope, sql: &str, plan: &Plan) -> Result<DataFrame> {
        let can_be_wide = dataset.place().local().is_some() && !self.has_view;
        let is_wide = can_be_wide && self.is_wide(plan)?;
        let frame = match is_wide {
            true => {
                let (mut context, _) = context(frames::whole(dataset, scope, &|name| guard::mentions(sql, name))?)?;
                self.failing(context.execute(sql))?
            }
            false => self.frame.clone(),
        };
        let (frame, limit) = without_limit(&frame);
        let mut frame = self.failing(order::ordered(&frame))?;
        if let Ok(n_rows) = IdxSize::try_from(limit.end()) {
            frame = frame.limit(n_rows);
        }
        let engine = if is_wide { Engine::Streaming } else { Engine::InMemory };
        self.failing(frame.collect_with_engine(engine).map(|found| found.unwrap_single()))
    }

    /// Whether so much is read that polars is faster, and can do with less memory.
    fn is_wide(&self, plan: &Plan) -> Result<bool> {
        for read in plan.reads() {
            let Some(scan) = read.scan() else { continue };
            let all = scan.table.n_rows();
            if read.is_cut || all <= WIDE_ROWS {
                continue;
            }
            let rows = match &read.condition {
                paged::condition::Condition::Any => all,
                condition => scan.table.units(condition)?.iter().map(|unit| unit.n_rows() as u64).sum(),
            };
            if rows > WIDE_ROWS {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A result that comes row by row from one table: some row groups are read ahead while others are taken.
    fn in_windows<F: FnMut(&mut DataFrame) -> Result<()>>(
        &self,
        mut frame: LazyFrame,
        read: &Read<'_>,
        mut pieces: Pieces<F>,
    ) -> Result<()> {
        let schema = self.failing(frame.collect_schema())?;
        pieces.push(DataFrame::empty_with_schema(&schema))?;
        let Some(scan) = read.scan() else { return Ok(()) };
        let windows = windows(scan.table.units(&read.condition)?);
        let (send, receive) = sync_channel::<PolarsResult<DataFrame>>(1);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for window in windows {
                    scan.set_window(window);
                    if send.send(frame.clone().collect()).is_err() {
                        return;
                    }
                }
            });
            for piece in receive {
                pieces.push(self.failing(piece)?)?;
                if pieces.is_full() {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// Row groups in parts, in their order; those that have few rows together.
fn windows(units: Vec<Unit>) -> Vec<Vec<Unit>> {
    let mut windows: Vec<(usize, Vec<Unit>)> = Vec::new();
    for unit in units.into_iter().flat_map(|unit| unit.parts(WINDOW_ROWS)) {
        match windows.last_mut() {
            Some((n_rows, window)) if *n_rows + unit.n_rows() <= WINDOW_ROWS => {
                *n_rows += unit.n_rows();
                window.push(unit);
            }
            _ => windows.push((unit.n_rows(), vec![unit])),
        }
    }
    windows.into_iter().map(|(_, window)| window).collect()
}

/// Frames by name, as SQL sees them.
fn context(frames: Vec<(String, LazyFrame)>) -> Result<(SQLContext, Vec<TableColumns>)> {
    let mut tables = Vec::new();
    let context = SQLContext::new();
    for (name, mut frame) in frames {
        let schema = frame.collect_schema().map_err(reading_failed)?;
        tables.push((name.clone(), schema.iter_names().map(|column| column.to_string()).collect()));
        context.register(&name, frame);
    }
    Ok((context, tables))
}

/// A table and its columns.
type TableColumns = (String, Vec<String>);

/// What polars says of a query, as our error: one line, and what exists where a name was not found.
fn query_failed(error: PolarsError, tables: &[TableColumns]) -> Error {
    let root = root_of(&error);
    if matches!(root, PolarsError::IO { .. }) {
        return reading_failed(error);
    }
    let text = root.to_string();
    // polars has no class for a file that is not as the format wants it
    if text.starts_with("parquet: ") {
        return reading_failed(error);
    }
    let missing_table = text.contains("relation") && text.contains("not found");
    let missing_column = matches!(
        root,
        PolarsError::ColumnNotFound(_) | PolarsError::SchemaFieldNotFound(_) | PolarsError::StructFieldNotFound(_)
    ) || text.contains("unable to find column")
        || (text.contains("column") && text.contains("not found"));
    let failed = Error::usage(format!("the query cannot be run: {}", first_line(&error)));
    if missing_table {
        let names: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
        failed.hint(format!("the dataset has the tables {}", names.join(", ")))
    } else if missing_column {
        let columns = tables.iter().map(|(name, columns)| format!("{name}({})", columns.join(", ")));
        failed.hint(format!("the columns are {}", columns.collect::<Vec<_>>().join("; ")))
    } else {
        failed
    }
}

/// What polars says of tables that no query looks at yet.
fn reading_failed(error: PolarsError) -> Error {
    if let PolarsError::IO { error: io, .. } = root_of(&error) {
        return Error::new(Class::Io, format!("cannot read the dataset: {io}"));
    }
    Error::bad_data(format!("cannot read the dataset: {}", first_line(&error)))
        .hint("`varbatch verify` says which files differ from the manifest")
        .with_source(error)
}

/// The error itself, without where polars met it.
fn root_of(error: &PolarsError) -> &PolarsError {
    let mut root = error;
    while let PolarsError::Context { error, .. } | PolarsError::ExprContext { error, .. } = root {
        root = error;
    }
    root
}

/// The first line of what polars says; the valid columns, which it has behind that, are in our hint, by table.
fn first_line(error: &PolarsError) -> String {
    let text = root_of(error).to_string();
    let line = text.split("; valid columns").next().and_then(|text| text.lines().next()).unwrap_or_default();
    line.trim_end_matches(':').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_no_mistake_of_the_query() {
        let damaged = PolarsError::ComputeError("parquet: File out of specification: Data corruption detected".into());
        let error = query_failed(damaged.context("scan".into()), &[]);
        assert_eq!((error.class(), error.message().contains("cannot read the dataset")), (Class::BadData, true));
        let wrong = query_failed(PolarsError::ComputeError("cannot compare string with numeric type".into()), &[]);
        assert_eq!(wrong.class(), Class::Usage);
    }
}
