//! The statistics of `varbatch stats`: per variant, per sample, of the cohort, and by group of samples.
//!
//! What the dataset's own tables hold is taken from there ([`stored`]); with a selection of samples or variants the genotypes are
//! read ([`scan`]). docs/methods-stats.md has the formulas.

pub mod cohort;
pub mod groups;
pub mod mendel;
pub mod output;
pub mod rows;
pub mod samples;
pub mod scan;
pub mod sex_check;
pub mod stored;
pub mod women;

use crate::error::Error;
use polars::prelude::{Column, DataFrame, PolarsError};

/// A frame of columns of one length.
pub(crate) fn frame(columns: Vec<Column>) -> crate::error::Result<DataFrame> {
    let n_rows = columns.first().map_or(0, Column::len);
    DataFrame::new(n_rows, columns)
        .map_err(|error: PolarsError| Error::internal(format!("cannot make a table: {error}")))
}

/// `numerator / denominator`; `None` where that is nothing.
pub(crate) fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

/// Whether bases `a` and `b` are both purines or both pyrimidines.
pub(crate) fn is_transition(a: &str, b: &str) -> bool {
    let class = |base: &str| match base {
        "A" | "a" | "G" | "g" => 1,
        "C" | "c" | "T" | "t" => 2,
        _ => 0,
    };
    class(a) != 0 && class(a) == class(b)
}
