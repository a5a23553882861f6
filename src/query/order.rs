//! Gives the rows of every result one order, so that a query prints the same each time, whatever the number of threads.
//!
//! polars groups and joins in the order in which its threads come, and leaves rows with equal keys of a sort in any order. So a result
//! without ORDER BY is sorted by its columns, one with ORDER BY also by the columns that it does not name; steps before the last
//! keep the order of their input, so that a LIMIT inside of a query, or FIRST, finds the same rows. Where nobody looks at the
//! order of a step, polars takes that off again.

use super::exact;
use polars::prelude::{JoinType, LazyFrame, MaintainOrderJoin, PlSmallStr, PolarsResult, SortMultipleOptions};
use polars_plan::dsl::{DslPlan, Expr};
use polars_plan::utils::expr_to_leaf_column_names;
use std::sync::Arc;

/// The rows of `frame` in an order that leaves nothing open but the place of equal rows.
pub fn ordered(frame: &LazyFrame) -> PolarsResult<LazyFrame> {
    let mut steady = Steady { is_cut: false };
    let plan = steady.plan(&frame.logical_plan)?;
    // polars thinks that a LIMIT may take any rows
    let frame_of = |plan: DslPlan| LazyFrame::from(plan).with_check_order(!steady.is_cut);
    if let Some(sorted) = with_all_keys(&plan, None)? {
        return Ok(frame_of(sorted));
    }
    let mut frame = frame_of(plan);
    let names: Vec<PlSmallStr> = frame.collect_schema()?.iter_names_cloned().collect();
    Ok(frame.sort(names, SortMultipleOptions::default()))
}

/// Makes steps keep the order of what they read, and sums not depend on it.
struct Steady {
    /// There is a LIMIT.
    is_cut: bool,
}

impl Steady {
    fn plan(&mut self, plan: &DslPlan) -> PolarsResult<DslPlan> {
        let mut plan = plan.clone();
        match &mut plan {
            // what polars remembers of a plan below
            DslPlan::IR { dsl, .. } => return self.plan(dsl),
            DslPlan::Cache { input, .. }
            | DslPlan::MatchToSchema { input, .. }
            | DslPlan::MapFunction { input, .. } => self.below(input, &mut [])?,
            DslPlan::Slice { input, .. } => {
                self.is_cut = true;
                self.below(input, &mut [])?;
            }
            DslPlan::Filter { input, predicate } => self.below(input, &mut [std::slice::from_mut(predicate)])?,
            DslPlan::Select { input, expr: exprs, .. } | DslPlan::HStack { input, exprs, .. } => {
                self.below(input, &mut [exprs])?
            }
            DslPlan::GroupBy { input, aggs, predicates, maintain_order, .. } => {
                self.below(input, &mut [aggs, predicates])?;
                *maintain_order = true;
            }
            DslPlan::Distinct { input, options } => {
                self.below(input, &mut [])?;
                options.maintain_order = true;
            }
            DslPlan::Sort { input, by_column, sort_options, .. } => {
                self.below(input, &mut [by_column])?;
                sort_options.maintain_order = true;
            }
            DslPlan::Join { input_left, input_right, options, .. } => {
                self.below(input_left, &mut [])?;
                self.below(input_right, &mut [])?;
                let is_free = options.args.maintain_order == MaintainOrderJoin::None;
                let order = match options.args.how {
                    JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => MaintainOrderJoin::LeftRight,
                    JoinType::Semi | JoinType::Anti => MaintainOrderJoin::Left,
                    _ => MaintainOrderJoin::None,
                };
                if is_free {
                    Arc::make_mut(options).args.maintain_order = order;
                }
            }
            DslPlan::Union { inputs, .. } | DslPlan::HConcat { inputs, .. } => {
                for input in inputs {
                    *input = self.plan(input)?;
                }
            }
            _ => {}
        }
        Ok(plan)
    }

    /// The same of `input`; expressions on it are made exact.
    fn below(&mut self, input: &mut Arc<DslPlan>, exprs: &mut [&mut [Expr]]) -> PolarsResult<()> {
        *input = Arc::new(self.plan(input)?);
        if exprs.iter().flat_map(|exprs| exprs.iter()).any(exact::adds) {
            let schema = LazyFrame::from(DslPlan::clone(input)).collect_schema()?;
            exprs.iter_mut().flat_map(|exprs| exprs.iter_mut()).for_each(|expr| *expr = exact::exact(expr, &schema));
        }
        Ok(())
    }
}

/// `plan` with the last sort also by columns that it does not name: `read`, those that the steps behind it read (`None`: all).
/// `None` where no sort decides the order.
fn with_all_keys(plan: &DslPlan, read: Option<&[PlSmallStr]>) -> PolarsResult<Option<DslPlan>> {
    let mut plan = plan.clone();
    let names;
    let (input, read) = match &mut plan {
        DslPlan::Sort { input, by_column, sort_options, .. } => {
            let schema = LazyFrame::from(DslPlan::clone(input)).collect_schema()?;
            let more = schema.iter_names().filter(|name| read.is_none_or(|read| read.contains(name)));
            let n_before = by_column.len();
            by_column.extend(more.map(|name| Expr::Column(name.clone())));
            let n_more = by_column.len() - n_before;
            for flags in [&mut sort_options.descending, &mut sort_options.nulls_last] {
                let first = flags.first().copied().unwrap_or_default();
                flags.resize(n_before, first);
                flags.resize(n_before + n_more, false);
            }
            sort_options.maintain_order = false;
            return Ok(Some(plan));
        }
        DslPlan::Select { input, expr, .. } => {
            names = columns_of(expr);
            (input, names.as_deref())
        }
        DslPlan::Slice { input, .. } | DslPlan::Filter { input, .. } | DslPlan::Cache { input, .. } => (input, read),
        DslPlan::HStack { input, .. } | DslPlan::Distinct { input, .. } | DslPlan::MapFunction { input, .. } => {
            (input, None)
        }
        _ => return Ok(None),
    };
    let Some(sorted) = with_all_keys(input, read)? else { return Ok(None) };
    *input = Arc::new(sorted);
    Ok(Some(plan))
}

/// Columns that expressions read; `None` where they do not say.
fn columns_of(exprs: &[Expr]) -> Option<Vec<PlSmallStr>> {
    let is_open = |expr: &Expr| expr.into_iter().any(|part| matches!(part, Expr::Selector(_)));
    (!exprs.iter().any(is_open)).then(|| exprs.iter().flat_map(expr_to_leaf_column_names).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::*;

    /// What `sql` gives of a table with ties.
    fn rows(sql: &str) -> Vec<String> {
        let context = polars::sql::SQLContext::new();
        let lists = Series::new("l".into(), [Series::new("".into(), [2]), Series::new("".into(), [1])]);
        let lists = lists.extend_constant(AnyValue::Null, 2).expect("a longer column");
        let mut table =
            df!("a" => [2, 1, 2, 1], "b" => ["y", "x", "x", "y"], "c" => [0.5, 1.5, 0.5, 0.5]).expect("a frame");
        table.with_column(lists.into_column()).expect("a column more");
        context.register("t", table.lazy());
        let mut context = context;
        let found = ordered(&context.execute(sql).expect("a plan")).and_then(LazyFrame::collect).expect(sql);
        let row = |at: usize| {
            found.get(at).expect("a row").iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
        };
        (0..found.height()).map(row).collect()
    }

    #[test]
    fn equal_keys_are_sorted_by_what_is_shown() {
        for (sql, expected) in [
            ("SELECT a, b FROM t ORDER BY a DESC", &["2 \"x\"", "2 \"y\"", "1 \"x\"", "1 \"y\""][..]),
            ("SELECT b FROM t ORDER BY a DESC", &["\"x\"", "\"y\"", "\"x\"", "\"y\""]),
            ("SELECT b AS q, c * 2 AS d FROM t ORDER BY a", &["\"x\" 3.0", "\"y\" 1.0", "\"x\" 1.0", "\"y\" 1.0"]),
            ("SELECT DISTINCT a FROM t ORDER BY a DESC", &["2", "1"]),
            ("SELECT c, l FROM t ORDER BY c", &["0.5 null", "0.5 null", "0.5 [2]", "1.5 [1]"]),
            ("SELECT a, COUNT(*) AS n FROM t GROUP BY a ORDER BY n DESC", &["1 2", "2 2"]),
            ("SELECT a, COUNT(*) AS n FROM t GROUP BY a", &["1 2", "2 2"]),
            ("SELECT l, a FROM t WHERE b = 'x'", &["null 2", "[1] 1"]),
            ("SELECT b FROM (SELECT b, a FROM t ORDER BY a DESC, b DESC) x LIMIT 3", &["\"y\"", "\"x\"", "\"y\""]),
        ] {
            assert_eq!(rows(sql), expected, "{sql}");
        }
    }

    #[test]
    fn steps_inside_keep_the_order_of_what_they_read() {
        for _ in 0..20 {
            let sql = "SELECT SUM(a) AS n FROM (SELECT a, b FROM t GROUP BY a, b LIMIT 2) x";
            assert_eq!(rows(sql), ["3"]);
            let sql = "SELECT x.b FROM (SELECT u.b FROM t u JOIN t v ON u.a = v.a LIMIT 2) x";
            assert_eq!(rows(sql), ["\"y\"", "\"y\""]);
        }
    }
}
