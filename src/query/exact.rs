//! Sums, means, variances of fractions that do not depend on the order of the rows.
//!
//! polars adds what each of its threads read, so that the last digits of `SUM`, `AVG`, `STDDEV` and `VARIANCE` change with
//! the number of threads. Here a sum is kept exactly, as fractions that do not overlap (Shewchuk, "Adaptive precision floating-point
//! arithmetic", 1997, section 2.4), and rounded once. Cost: the rows of a group are in memory, and a few additions each.

use polars::prelude::{Column, DataType, Field, LiteralValue, PolarsResult, Schema, apply_multiple, lit, when};
use polars_plan::dsl::{AggExpr, Expr};

/// What is made of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sum,
    Mean,
    /// Divided by the number of values less this.
    Variance(u8),
    Deviation(u8),
}

/// Whether an expression has an aggregate that would add in any order.
pub fn adds(expr: &Expr) -> bool {
    expr.into_iter().any(|part| kind(part).is_some())
}

/// `expr` with aggregates that keep sums exactly, where it reads columns of `schema`.
pub fn exact(expr: &Expr, schema: &Schema) -> Expr {
    let of = |kind: Kind, input: &Expr| {
        let field = input.to_field(schema).ok()?;
        let is_long = matches!(field.dtype(), DataType::Int64 | DataType::UInt64);
        match kind {
            // polars adds whole numbers as such
            Kind::Sum => field.dtype().is_float().then(|| aggregate(kind, input.clone())),
            // but as fractions for a mean, which are exact no longer where there are very many
            Kind::Mean if field.dtype().is_integer() && !is_long => Some(mean_of_integers(input)),
            _ => field.dtype().is_primitive_numeric().then(|| aggregate(kind, input.clone())),
        }
    };
    expr.clone().map_expr(|part| match kind(&part) {
        Some((kind, input)) => of(kind, input).unwrap_or(part),
        None => part,
    })
}

/// By their sum, which needs no memory for the rows.
fn mean_of_integers(input: &Expr) -> Expr {
    let n = input.clone().count();
    let mean = input.clone().cast(DataType::Int64).sum().cast(DataType::Float64) / n.clone().cast(DataType::Float64);
    when(n.gt(lit(0))).then(mean).otherwise(lit(LiteralValue::untyped_null()))
}

fn kind(expr: &Expr) -> Option<(Kind, &Expr)> {
    let Expr::Agg(aggregate) = expr else { return None };
    Some(match aggregate {
        AggExpr::Sum(input) => (Kind::Sum, input),
        AggExpr::Mean(input) => (Kind::Mean, input),
        AggExpr::Var(input, ddof) => (Kind::Variance(*ddof), input),
        AggExpr::Std(input, ddof) => (Kind::Deviation(*ddof), input),
        _ => return None,
    })
}

fn aggregate(kind: Kind, input: Expr) -> Expr {
    let of = move |columns: &mut [Column]| -> PolarsResult<Column> {
        let values = columns[0].cast(&DataType::Float64)?;
        let values = values.f64()?;
        let found = value(kind, || values.iter().flatten());
        Ok(Column::new(columns[0].name().clone(), [found]))
    };
    let field = |_: &Schema, fields: &[Field]| Ok(Field::new(fields[0].name().clone(), DataType::Float64));
    apply_multiple(of, [input], field, true)
}

/// `None` of too few values.
fn value<I: Iterator<Item = f64>>(kind: Kind, values: impl Fn() -> I) -> Option<f64> {
    let (sum, n) = sum(values());
    let mean = sum / n as f64;
    let variance = |ddof: u8| {
        (n > u64::from(ddof)).then(|| {
            // the rest of the mean, which is rounded, is taken off again
            let (squares, _) = self::sum(values().map(|value| (value - mean) * (value - mean)));
            let (rest, _) = self::sum(values().map(|value| value - mean));
            let variance = (squares - rest * rest / n as f64) / (n - u64::from(ddof)) as f64;
            if variance < 0.0 { 0.0 } else { variance }
        })
    };
    match kind {
        Kind::Sum => Some(sum),
        Kind::Mean => (n > 0).then_some(mean),
        Kind::Variance(ddof) => variance(ddof),
        Kind::Deviation(ddof) => variance(ddof).map(f64::sqrt),
    }
}

/// The sum, rounded once, and how many values there are.
fn sum(values: impl Iterator<Item = f64>) -> (f64, u64) {
    let (mut exact, mut n) = (Exact::default(), 0);
    for value in values {
        exact.add(value);
        n += 1;
    }
    (exact.rounded(), n)
}

/// A sum without any rounding.
#[derive(Default)]
struct Exact {
    /// Numbers whose sum it is, of rising size; none has a bit where another has one.
    parts: Vec<f64>,
    /// Sum of infinities, and of what is no number.
    beyond: f64,
}

impl Exact {
    fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.beyond += value;
            return;
        }
        let mut value = value;
        let mut n_kept = 0;
        for at in 0..self.parts.len() {
            let (sum, error) = two_sum(value, self.parts[at]);
            if sum.is_infinite() {
                self.beyond += sum;
                return self.parts.clear();
            }
            if error != 0.0 {
                self.parts[n_kept] = error;
                n_kept += 1;
            }
            value = sum;
        }
        self.parts.truncate(n_kept);
        self.parts.push(value);
    }

    /// The number next to it; of two that are as near the even one.
    fn rounded(&self) -> f64 {
        if self.beyond != 0.0 {
            return self.beyond;
        }
        let mut parts = self.parts.iter().rev().copied();
        let mut sum = parts.next().unwrap_or(0.0);
        while let Some(part) = parts.next() {
            let (next, error) = two_sum(sum, part);
            sum = next;
            if error == 0.0 {
                continue;
            }
            // half of the last digit is left: what is smaller says to which side the sum lies
            let rest = parts.next().unwrap_or(0.0);
            let (other, lost) = two_sum(sum, 2.0 * error);
            if lost == 0.0 && rest != 0.0 && (rest > 0.0) == (error > 0.0) {
                sum = other;
            }
            break;
        }
        sum
    }
}

/// The rounded sum, and what rounding took off it.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_kept = sum - a;
    let a_kept = sum - b_kept;
    (sum, (a - a_kept) + (b - b_kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(kind: Kind, values: &[f64]) -> Option<f64> {
        value(kind, || values.iter().copied())
    }

    #[test]
    fn sums_are_rounded_once() {
        for (values, expected) in [
            (&[][..], 0.0),
            (&[0.1; 10], 1.0),
            (&[1e16, 1.0, -1e16], 1.0),
            (&[1.0, 1e100, 1.0, -1e100], 2.0),
            // half of the last digit, and a trifle
            (&[1e16, 1.0, 1e-16], 10_000_000_000_000_002.0),
            (&[1e16, 1.0, -1e-16], 1e16),
            (&[1e16, 1.0], 1e16),
            (&[f64::INFINITY, 1.0], f64::INFINITY),
            (&[-1e308; 3], f64::NEG_INFINITY),
        ] {
            assert_eq!(of(Kind::Sum, values), Some(expected), "{values:?}");
        }
        assert!(of(Kind::Sum, &[f64::INFINITY, f64::NEG_INFINITY]).is_some_and(f64::is_nan));
        assert!(
            [Kind::Mean, Kind::Variance(1)].iter().all(|&kind| of(kind, &[f64::NAN, 1.0]).is_some_and(f64::is_nan))
        );
    }

    #[test]
    fn what_polars_adds_as_fractions_is_replaced() {
        use polars::prelude::*;
        let short = df!("i" => [1, 2, 4], "l" => [1_i64 << 60, 1, 1 - (1_i64 << 60)], "f" => [1e16, 1.0, -1e16])
            .expect("a frame");
        let sums =
            [col("i").mean(), col("l").mean().alias("lm"), col("l").sum(), col("f").sum(), col("f").mean().alias("fm")];
        let of = |table: &DataFrame| {
            let exprs: Vec<Expr> = sums.iter().map(|expr| exact(expr, table.schema())).collect();
            let row = table.clone().lazy().select(exprs).collect().expect("sums");
            row.get(0).expect("a row").iter().map(|value| value.extract::<f64>()).collect::<Vec<_>>()
        };
        // 1 - 2^60 is no fraction of 53 bits
        assert_eq!(of(&short), [7.0 / 3.0, 1.0 / 3.0, 2.0, 1.0, 1.0 / 3.0].map(Some));
        assert_eq!(of(&short.head(Some(0))), [None, None, Some(0.0), Some(0.0), None]);
    }

    #[test]
    fn means_and_variances() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(of(Kind::Mean, &values), Some(5.0));
        assert_eq!(of(Kind::Deviation(0), &values), Some(2.0));
        assert_eq!(of(Kind::Variance(1), &values), Some(32.0 / 7.0));
        assert_eq!(of(Kind::Variance(1), &[1e9 + 1.0, 1e9 + 2.0, 1e9 + 3.0]), Some(1.0));
        assert_eq!((of(Kind::Mean, &[]), of(Kind::Variance(1), &[3.0])), (None, None));
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(
            values in proptest::collection::vec((-1.0..1.0_f64, -60..60_i32), 0..60), turn in any::<prop::sample::Index>()
        ) {
            let values: Vec<f64> = values.into_iter().map(|(value, exponent)| value * 2f64.powi(exponent)).collect();
            let mut others = values.clone();
            others.reverse();
            others.rotate_left(turn.index(values.len() + 1));
            for kind in [Kind::Sum, Kind::Mean, Kind::Deviation(1)] {
                prop_assert_eq!(of(kind, &values).map(f64::to_bits), of(kind, &others).map(f64::to_bits));
            }
        }
    }
}
