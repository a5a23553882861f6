//! Tables of a dataset as frames of polars that read what a query needs, page by page, from a disk or from S3.
//!
//! polars says which columns and which filter; [`condition`] finds the pages, [`table`] reads them, [`convert`] gives polars the
//! columns. What is read is filtered at once, row group by row group, so that memory holds what passes.

pub mod condition;
pub mod convert;
pub mod table;

use crate::error::Error;
use crate::store::at_once;
use condition::Condition;
use polars::prelude::*;
use std::any::Any;
use std::sync::{Arc, Mutex};
use table::{PagedTable, Unit};

/// Row groups that are read at once: what they leave is in memory anyway.
const UNITS_AT_ONCE: usize = 16;

/// What went wrong first while polars was reading: with its class, which an error of polars does not keep.
#[derive(Clone, Default)]
pub struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    fn keep(&self, error: Error) -> PolarsError {
        let text = error.to_string();
        self.0.lock().expect("no thread panics with the lock").get_or_insert(error);
        PolarsError::ComputeError(text.into())
    }

    /// Our error, where the one of polars came from it.
    pub fn or(&self, error: impl FnOnce() -> Error) -> Error {
        self.0.lock().expect("no thread panics with the lock").take().unwrap_or_else(error)
    }
}

/// A table that polars reads through us.
pub struct PagedScan {
    /// The table.
    pub table: PagedTable,
    /// Rows that every reader is held to, beside what it asks for.
    window: Mutex<Option<Vec<Unit>>>,
    failure: Failure,
}

impl PagedScan {
    /// A lazy frame over `table`.
    pub fn frame(table: PagedTable, failure: &Failure) -> PolarsResult<LazyFrame> {
        let schema = Some(Arc::clone(table.schema()));
        let scan = PagedScan { table, window: Mutex::new(None), failure: failure.clone() };
        LazyFrame::anonymous_scan(Arc::new(scan), ScanArgsAnonymous { schema, ..ScanArgsAnonymous::default() })
    }

    /// Holds readers to these rows, until the next call.
    pub fn set_window(&self, units: Vec<Unit>) {
        *self.window.lock().expect("no thread panics with the lock") = Some(units);
    }

    fn read(&self, wanted: &AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let columns: Vec<PlSmallStr> = match &wanted.with_columns {
            Some(columns) => columns.to_vec(),
            None => self.table.schema().iter_names_cloned().collect(),
        };
        let filter = wanted.predicate.as_ref().map(without_hints);
        let filter = filter.as_ref();
        let mut needed = columns.clone();
        for name in filter.into_iter().flat_map(polars_plan::utils::expr_to_leaf_column_names) {
            if !needed.contains(&name) {
                needed.push(name);
            }
        }
        let window = self.window.lock().expect("no thread panics with the lock").clone();
        let condition = filter.map_or(Condition::Any, Condition::of);
        let units = match window {
            Some(units) => units,
            None => {
                let units = self.table.units(&condition);
                units.map_err(|error| self.failure.keep(error))?
            }
        };
        let n_rows = wanted.n_rows.unwrap_or(usize::MAX);
        let one = |unit: &Unit| -> PolarsResult<DataFrame> {
            let first = if filter.is_none() { unit.first_rows(n_rows) } else { unit.clone() };
            let first = self.table.refined(&first, &condition, &needed).map_err(|error| self.failure.keep(error))?;
            let frame = self.table.read(&first, &needed).map_err(|error| self.failure.keep(error))?;
            let Some(filter) = filter else { return Ok(frame) };
            frame.lazy().filter(filter.clone()).collect()?.select(columns.iter().cloned())
        };
        let at_a_time = if wanted.n_rows.is_some() { 1 } else { UNITS_AT_ONCE };
        let mut whole: Option<DataFrame> = None;
        for units in units.chunks(at_a_time) {
            let pieces = at_once(units, |unit| Ok(one(unit))).map_err(|error| self.failure.keep(error))?;
            for piece in pieces {
                match &mut whole {
                    Some(whole) => whole.vstack_mut_owned(piece?).map(drop)?,
                    None => whole = Some(piece?),
                }
            }
            if whole.as_ref().is_some_and(|frame| frame.height() >= n_rows) {
                break;
            }
        }
        let whole = whole.unwrap_or_else(|| self.table.empty(&columns));
        Ok(if whole.height() > n_rows { whole.slice(0, n_rows) } else { whole })
    }
}

/// A filter without what a sort with a limit tells the scan while it runs, which cannot be evaluated here: it excludes rows that
/// the sort drops anyway.
fn without_hints(filter: &Expr) -> Expr {
    filter.clone().map_expr(|expr| match expr {
        Expr::Display { fmt_str, .. } if fmt_str.starts_with("dynamic_pred") => lit(true),
        expr => expr,
    })
}

impl AnonymousScan for PagedScan {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn scan(&self, wanted: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        self.read(&wanted)
    }

    fn schema(&self, _infer_schema_length: Option<usize>) -> PolarsResult<SchemaRef> {
        Ok(Arc::clone(self.table.schema()))
    }

    fn allows_predicate_pushdown(&self) -> bool {
        true
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }
}
