//! What a query does with the tables: which rows it asks for, and whether row groups can be answered one after the other.

use super::paged::PagedScan;
use super::paged::condition::Condition;
use polars::polars_utils::arena::{Arena, Node};
use polars::prelude::{AnonymousScan, IdxSize, LazyFrame, PolarsResult};
use polars_plan::dsl::{DslPlan, FileScanIR, SinkTypeIR};
use polars_plan::plans::expr_ir::ExprIR;
use polars_plan::plans::{AExpr, ArenaExprIter, ArenaLpIter, IR, IRPlan, is_elementwise_rec};
use std::sync::Arc;

/// A plan as polars will run it.
pub struct Plan {
    plan: IRPlan,
}

/// A table that a plan reads, and the rows of it.
pub struct Read<'a> {
    function: &'a Arc<dyn AnonymousScan>,
    /// What is said of the rows.
    pub condition: Condition,
    /// Only the first rows are asked for.
    pub is_cut: bool,
}

impl Read<'_> {
    /// The table; `None` for one that was not made by [`PagedScan::frame`].
    pub fn scan(&self) -> Option<&PagedScan> {
        self.function.as_any().downcast_ref()
    }
}

impl Plan {
    /// The plan of `frame`, with filters and columns pushed down to the tables.
    pub fn of(frame: &LazyFrame) -> PolarsResult<Plan> {
        Ok(Plan { plan: frame.clone().to_alp_optimized()? })
    }

    /// The tables that are read.
    pub fn reads(&self) -> Vec<Read<'_>> {
        self.plan.lp_arena.iter(self.plan.lp_top).filter_map(|(_, node)| self.read(node)).collect()
    }

    /// Whether only the first rows of a table are asked for.
    pub fn is_cut(&self) -> bool {
        self.reads().iter().any(|read| read.is_cut)
    }

    /// Whether it reads anything but the tables that it was given.
    pub fn reads_others(&self) -> bool {
        self.plan.lp_arena.iter(self.plan.lp_top).any(|(_, node)| match node {
            IR::Scan { .. } => self.read(node).is_none_or(|read| read.scan().is_none()),
            IR::Sink { payload, .. } => !matches!(payload, SinkTypeIR::Memory),
            IR::SinkMultiple { .. } => true,
            _ => false,
        })
    }

    fn read<'a>(&'a self, node: &'a IR) -> Option<Read<'a>> {
        let IR::Scan { scan_type, predicate, unified_scan_args, .. } = node else { return None };
        let FileScanIR::Anonymous { function, .. } = &**scan_type else { return None };
        let of = |predicate: &ExprIR| Condition::of(&predicate.to_expr(&self.plan.expr_arena));
        let condition = predicate.as_ref().map_or(Condition::Any, of);
        Some(Read { function, condition, is_cut: unified_scan_args.pre_slice.is_some() })
    }

    /// The only table that is read, where each row of the result comes from one row of it, in its order, and no row is left out by its
    /// place.
    pub fn row_by_row(&self) -> Option<Read<'_>> {
        self.read(self.source()?).filter(|read| !read.is_cut)
    }

    /// Whether rows come as they are in the only table that is read, or in its first rows.
    pub fn is_in_table_order(&self) -> bool {
        matches!(self.source(), Some(IR::Scan { .. } | IR::DataFrameScan { .. }))
    }

    /// What is below steps that make each row from one row.
    fn source(&self) -> Option<&IR> {
        let mut node = self.plan.root();
        loop {
            node = match node {
                IR::Filter { input, predicate } if self.is_by_row(std::slice::from_ref(predicate)) => self.at(*input),
                IR::HStack { input, exprs, .. } if self.is_by_row(exprs) => self.at(*input),
                // without a column there would be one row for all
                IR::Select { input, expr, .. }
                    if self.is_by_row(expr) && expr.iter().any(|expr| has_column(expr.node(), self.arena())) =>
                {
                    self.at(*input)
                }
                IR::SimpleProjection { input, .. } | IR::Sink { input, .. } => self.at(*input),
                IR::Filter { .. } | IR::HStack { .. } | IR::Select { .. } => return None,
                source => return Some(source),
            };
        }
    }

    fn at(&self, node: Node) -> &IR {
        self.plan.lp_arena.get(node)
    }

    fn arena(&self) -> &Arena<AExpr> {
        &self.plan.expr_arena
    }

    fn is_by_row(&self, exprs: &[ExprIR]) -> bool {
        exprs.iter().all(|expr| is_elementwise_rec(expr.node(), self.arena()))
    }
}

fn has_column(node: Node, arena: &Arena<AExpr>) -> bool {
    arena.iter(node).any(|(_, expr)| matches!(expr, AExpr::Column(_)))
}

/// Rows of a result that are skipped, and how many come then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Rows before.
    pub skip: usize,
    /// Rows.
    pub take: usize,
}

impl Limit {
    /// Every row.
    pub const NONE: Limit = Limit { skip: 0, take: usize::MAX };

    /// Rows that are looked at.
    pub fn end(self) -> usize {
        self.skip.saturating_add(self.take)
    }
}

/// Takes a LIMIT off the end of a query, so that it can be counted while rows come.
pub fn without_limit(frame: &LazyFrame) -> (LazyFrame, Limit) {
    match &frame.logical_plan {
        DslPlan::Slice { input, offset, len } if *offset >= 0 => {
            // OFFSET without LIMIT
            let take = if *len == IdxSize::MAX { usize::MAX } else { *len as usize };
            (LazyFrame::from(DslPlan::clone(input)), Limit { skip: *offset as usize, take })
        }
        _ => (frame.clone(), Limit::NONE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{IntoLazy, df};

    #[test]
    fn limits_of_sql() {
        let mut context = polars::sql::SQLContext::new();
        context.register("t", df!("a" => [1, 2]).expect("a frame").lazy());
        let mut of = |sql: &str| without_limit(&context.execute(sql).expect("a plan")).1;
        assert_eq!(of("SELECT a FROM t"), Limit::NONE);
        assert_eq!(of("SELECT a FROM t LIMIT 3 OFFSET 2"), Limit { skip: 2, take: 3 });
        // a table may have more rows than polars counts
        assert_eq!(of("SELECT a FROM t OFFSET 2"), Limit { skip: 2, take: usize::MAX });
        assert_eq!(Limit { skip: 2, take: usize::MAX }.end(), usize::MAX);
    }
}
