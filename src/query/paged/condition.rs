//! What a filter says about single columns, so far that pages and files without a wanted row are not read.
//!
//! Enters an expression of polars; leaves a [`Condition`] that is weaker or equal: every row that passes the filter passes it.
//! It is compared with the least and largest values of pages (page index) and row groups (statistics). Integers and texts are
//! understood; of other types everything is read.

use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::metadata::page_index::RowGroupPageIndex;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use polars::prelude::{AnyValue, DataType, Expr, LiteralValue, Operator};
use polars_plan::dsl::{BooleanFunction, DataTypeExpr, FunctionExpr};
use polars_plan::plans::DynLiteralValue;
use std::collections::BTreeSet;
use std::ops::Range;

/// A filter on values of columns.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Nothing is known.
    Any,
    /// All hold.
    And(Vec<Condition>),
    /// One holds at least.
    Or(Vec<Condition>),
    /// A column compared with a value.
    Compare(Compare),
}

/// A column compared with a value. Null never passes.
#[derive(Clone, Debug, PartialEq)]
pub struct Compare {
    column: String,
    op: Op,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Equal,
    AtMost,
    AtLeast,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Int(i64),
    Text(String),
}

impl Value {
    fn of(literal: &LiteralValue) -> Option<Literal> {
        match literal {
            LiteralValue::Dyn(DynLiteralValue::Int(value)) => i64::try_from(*value).ok().map(Literal::int),
            LiteralValue::Dyn(DynLiteralValue::Float(value)) => Some(Literal::Float(*value)),
            LiteralValue::Dyn(DynLiteralValue::Str(value)) => Some(Literal::Value(Value::Text(value.to_string()))),
            LiteralValue::Scalar(scalar) => Literal::of_any(scalar.value()),
            _ => None,
        }
    }
}

/// A value in a query.
enum Literal {
    Value(Value),
    Float(f64),
}

impl Literal {
    fn int(value: i64) -> Literal {
        Literal::Value(Value::Int(value))
    }

    fn of_any(value: &AnyValue<'_>) -> Option<Literal> {
        match value {
            AnyValue::String(text) => Some(Literal::Value(Value::Text((*text).to_owned()))),
            AnyValue::StringOwned(text) => Some(Literal::Value(Value::Text(text.to_string()))),
            AnyValue::Float32(_) | AnyValue::Float64(_) => value.extract::<f64>().map(Literal::Float),
            other if other.dtype().is_integer() => other.extract::<i64>().map(Literal::int),
            _ => None,
        }
    }

    /// As an integer column is compared with it.
    fn rounded(self, op: Op) -> Option<Value> {
        // beyond, neighbouring integers are one float
        const EXACT: f64 = (1_i64 << 53) as f64;
        match (self, op) {
            (Literal::Value(value), _) => Some(value),
            (Literal::Float(value), _) if value.is_nan() || value.abs() >= EXACT => None,
            (Literal::Float(value), Op::AtMost) => Some(Value::Int(value.floor() as i64)),
            (Literal::Float(value), Op::AtLeast) => Some(Value::Int(value.ceil() as i64)),
            (Literal::Float(value), Op::Equal) => (value.fract() == 0.0).then_some(Value::Int(value as i64)),
        }
    }
}

impl Condition {
    /// What `filter` says.
    pub fn of(filter: &Expr) -> Condition {
        match filter {
            Expr::Alias(inner, _) => Condition::of(inner),
            Expr::BinaryExpr { left, op: Operator::And | Operator::LogicalAnd, right } => {
                Condition::of(left).and(Condition::of(right))
            }
            Expr::BinaryExpr { left, op: Operator::Or | Operator::LogicalOr, right } => {
                Condition::Or(vec![Condition::of(left), Condition::of(right)])
            }
            Expr::BinaryExpr { left, op, right } => {
                let (op, flipped) = match op {
                    Operator::Eq => (Op::Equal, Op::Equal),
                    Operator::Lt | Operator::LtEq => (Op::AtMost, Op::AtLeast),
                    Operator::Gt | Operator::GtEq => (Op::AtLeast, Op::AtMost),
                    _ => return Condition::Any,
                };
                match (column(left), column(right)) {
                    (Some(name), _) => compare(name, op, right),
                    (_, Some(name)) => compare(name, flipped, left),
                    _ => Condition::Any,
                }
            }
            Expr::Function { input, function: FunctionExpr::Boolean(BooleanFunction::IsIn { .. }) } => is_in(input),
            _ => Condition::Any,
        }
    }

    /// The integer `column` is from `least` to `most`.
    pub fn between(column: &str, least: i64, most: i64) -> Condition {
        let compare = |op, value| Condition::Compare(Compare { column: column.into(), op, value: Value::Int(value) });
        Condition::And(vec![compare(Op::AtLeast, least), compare(Op::AtMost, most)])
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Condition) -> Condition {
        match (self, other) {
            (Condition::Any, other) | (other, Condition::Any) => other,
            (one, other) => Condition::And(vec![one, other]),
        }
    }

    /// Least and largest value of an integer column.
    pub fn bounds(&self, name: &str) -> (i64, i64) {
        let all = (i64::MIN, i64::MAX);
        match self {
            Condition::Any => all,
            Condition::And(parts) => {
                parts.iter().map(|part| part.bounds(name)).fold(all, |(a, b), (c, d)| (a.max(c), b.min(d)))
            }
            Condition::Or(parts) => {
                parts.iter().map(|part| part.bounds(name)).reduce(|(a, b), (c, d)| (a.min(c), b.max(d))).unwrap_or(all)
            }
            Condition::Compare(Compare { column, op, value: Value::Int(value) }) if column == name => match op {
                Op::Equal => (*value, *value),
                Op::AtMost => (i64::MIN, *value),
                Op::AtLeast => (*value, i64::MAX),
            },
            Condition::Compare(_) => all,
        }
    }

    /// Texts that a column must have one of; `None`: any.
    pub fn texts(&self, name: &str) -> Option<BTreeSet<&str>> {
        match self {
            Condition::Any => None,
            Condition::And(parts) => {
                parts.iter().filter_map(|part| part.texts(name)).reduce(|a, b| a.intersection(&b).copied().collect())
            }
            Condition::Or(parts) => {
                let all: Option<Vec<_>> = parts.iter().map(|part| part.texts(name)).collect();
                all.map(|sets| sets.into_iter().flatten().collect())
            }
            Condition::Compare(Compare { column, op: Op::Equal, value: Value::Text(text) }) if column == name => {
                Some(BTreeSet::from([text.as_str()]))
            }
            Condition::Compare(_) => None,
        }
    }

    /// Rows of a row group that may pass; `None`: all of them.
    pub fn rows(&self, metadata: &ParquetMetaData, group: usize) -> Option<RowSelection> {
        match self {
            Condition::Any => None,
            Condition::And(parts) => {
                parts.iter().filter_map(|part| part.rows(metadata, group)).reduce(|a, b| a.intersection(&b))
            }
            Condition::Or(parts) => {
                let all: Option<Vec<_>> = parts.iter().map(|part| part.rows(metadata, group)).collect();
                all?.into_iter().reduce(|a, b| a.union(&b))
            }
            Condition::Compare(compare) => compare.rows(metadata, group),
        }
    }
}

/// The column that an expression is, also as a type that keeps its values: another could make two of them equal.
fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(name) => Some(name.as_str()),
        Expr::Cast { expr, dtype: DataTypeExpr::Literal(DataType::Int64 | DataType::Float64), .. } => match &**expr {
            Expr::Column(name) => Some(name.as_str()),
            _ => None,
        },
        _ => None,
    }
}

fn compare(column: &str, op: Op, literal: &Expr) -> Condition {
    let literal = match literal {
        Expr::Literal(literal) => Value::of(literal),
        Expr::Cast { expr, .. } => match &**expr {
            Expr::Literal(literal) => Value::of(literal),
            _ => None,
        },
        _ => None,
    };
    match literal.and_then(|literal| literal.rounded(op)) {
        Some(value) => Condition::Compare(Compare { column: column.to_owned(), op, value }),
        None => Condition::Any,
    }
}

/// `column IN (values)`.
fn is_in(input: &[Expr]) -> Condition {
    let [left, Expr::Literal(right)] = input else { return Condition::Any };
    let Some(column) = column(left) else { return Condition::Any };
    let values = match right {
        LiteralValue::Series(values) => (**values).clone(),
        LiteralValue::Scalar(scalar) => match scalar.value() {
            AnyValue::List(values) => values.clone(),
            _ => return Condition::Any,
        },
        _ => return Condition::Any,
    };
    // a literal list is a series of one list
    let values = match values.dtype() {
        DataType::List(_) if values.len() == 1 => match values.get(0) {
            Ok(AnyValue::List(inner)) => inner,
            _ => return Condition::Any,
        },
        _ => values,
    };
    let equal = |value: AnyValue<'_>| {
        let value = Literal::of_any(&value)?.rounded(Op::Equal)?;
        Some(Condition::Compare(Compare { column: column.to_owned(), op: Op::Equal, value }))
    };
    let all: Option<Vec<Condition>> = values.iter().map(equal).collect();
    all.filter(|all| !all.is_empty()).map_or(Condition::Any, Condition::Or)
}

impl Compare {
    fn rows(&self, metadata: &ParquetMetaData, group: usize) -> Option<RowSelection> {
        let schema = metadata.file_metadata().schema_descr();
        let at = (0..schema.num_columns()).find(|&at| schema.column(at).path().string() == self.column)?;
        let n_rows = usize::try_from(metadata.row_group(group).num_rows()).ok()?;
        let pages = metadata.page_index_for_row_group(group);
        if let Some(kept) = self.pages(&pages, at, n_rows) {
            return Some(RowSelection::from_consecutive_ranges(kept.into_iter(), n_rows));
        }
        let may_pass = match metadata.row_group(group).column(at).statistics()? {
            Statistics::Int32(values) => self.may_hold_int(*values.min_opt()?, *values.max_opt()?),
            Statistics::Int64(values) => self.may_hold_int(*values.min_opt()?, *values.max_opt()?),
            Statistics::ByteArray(values) => self.may_hold_text(values.min_opt()?.data(), values.max_opt()?.data()),
            _ => return None,
        };
        let all = std::iter::once(0..if may_pass { n_rows } else { 0 });
        Some(RowSelection::from_consecutive_ranges(all, n_rows))
    }

    /// Rows of the pages that may have a row that passes; `None`: the index does not say.
    fn pages(&self, pages: &RowGroupPageIndex, at: usize, n_rows: usize) -> Option<Vec<Range<usize>>> {
        let (index, places) = (pages.column_index(at)?, pages.page_locations(at)?);
        let may_pass = |page: usize| match index {
            _ if index.is_null_page(page) => Some(false),
            ColumnIndexMetaData::INT32(values) => {
                Some(self.may_hold_int(*values.min_value(page)?, *values.max_value(page)?))
            }
            ColumnIndexMetaData::INT64(values) => {
                Some(self.may_hold_int(*values.min_value(page)?, *values.max_value(page)?))
            }
            ColumnIndexMetaData::BYTE_ARRAY(values) => {
                Some(self.may_hold_text(values.min_value(page)?, values.max_value(page)?))
            }
            _ => None,
        };
        let first_row = |page: usize| places.get(page).map_or(n_rows, |place| place.first_row_index as usize);
        let kept: Option<Vec<_>> = (0..places.len())
            .map(|page| Some(first_row(page)..if may_pass(page)? { first_row(page + 1) } else { first_row(page) }))
            .collect();
        kept.map(|ranges| ranges.into_iter().filter(|range| !range.is_empty()).collect())
    }

    fn may_hold_int(&self, least: impl Into<i64>, most: impl Into<i64>) -> bool {
        let Value::Int(value) = &self.value else { return true };
        self.may_hold(value, &least.into(), &most.into())
    }

    fn may_hold_text(&self, least: &[u8], most: &[u8]) -> bool {
        let Value::Text(value) = &self.value else { return true };
        self.may_hold(value.as_bytes(), least, most)
    }

    fn may_hold<T: Ord + ?Sized>(&self, value: &T, least: &T, most: &T) -> bool {
        match self.op {
            Op::Equal => least <= value && value <= most,
            Op::AtMost => least <= value,
            Op::AtLeast => most >= value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{col, lit};

    fn of(filter: Expr) -> Condition {
        Condition::of(&filter)
    }

    #[test]
    fn bounds_of_columns() {
        let region = of(col("contig").eq(lit("20")).and(col("pos").gt_eq(lit(5))).and(lit(9).gt(col("pos"))));
        assert_eq!(region.bounds("pos"), (5, 9));
        assert_eq!(region.texts("contig"), Some(BTreeSet::from(["20"])));
        let either = of(col("pos").eq(lit(3)).or(col("pos").eq(lit(7)).and(col("af").gt(lit(0.5)))));
        assert_eq!(either.bounds("pos"), (3, 7));
        assert_eq!(either.bounds("af"), (i64::MIN, i64::MAX));
        assert_eq!(of(col("pos").eq(lit(3)).or(col("ref").eq(lit("A")))).bounds("pos"), (i64::MIN, i64::MAX));
        assert_eq!(of(col("pos").lt(lit(2.5))).bounds("pos"), (i64::MIN, 2));
        assert_eq!(of(col("pos").cast(DataType::Float64).gt(lit(2.5))).bounds("pos"), (3, i64::MAX));
    }

    #[test]
    fn what_is_not_understood_excludes_nothing() {
        for filter in [
            col("pos").eq(lit(3)).not(),
            col("pos").neq(lit(3)),
            (col("pos") + lit(1)).eq(lit(3)),
            col("pos").eq(col("end")),
            col("pos").cast(DataType::Boolean).eq(lit(true)),
            col("pos").cast(DataType::Float32).eq(lit(3.0)),
        ] {
            assert_eq!(of(filter.clone()).bounds("pos"), (i64::MIN, i64::MAX), "{filter:?}");
        }
    }
}
