//! Rows of the table `assoc_summary`: one for each phenotype.

use super::traits::{Kind, Phenotype};
use super::{Record, Size};
use crate::error::{Error, Result};
use crate::stats::tails::{MEDIAN_CHI2, chi2_of_ln_p};
use polars::prelude::*;
use std::f64::consts::LN_10;

/// What the tests of a phenotype add up to. Memory: 8 bytes a test.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    n_variants: u64,
    n_firth: u64,
    /// ln p of each estimate.
    ln_p: Vec<f64>,
    best: Option<Best>,
}

/// The smallest p.
#[derive(Clone, Debug)]
struct Best {
    ln_p: f64,
    variant_id: i64,
    name: String,
}

impl Tally {
    /// Adds a test; `variant` gives identifier and name.
    pub fn add(&mut self, record: &Record, variant: impl Fn() -> (i64, String)) {
        self.n_variants += 1;
        let Ok(found) = record.outcome else { return };
        self.n_firth += u64::from(found.method == super::estimate::Method::Firth);
        self.ln_p.push(found.ln_p);
        if self.best.as_ref().is_none_or(|best| found.ln_p < best.ln_p) {
            let (variant_id, name) = variant();
            self.best = Some(Best { ln_p: found.ln_p, variant_id, name });
        }
    }

    /// Adds the tests of the variants that follow.
    pub fn append(&mut self, next: Tally) {
        self.n_variants += next.n_variants;
        self.n_firth += next.n_firth;
        self.ln_p.extend(next.ln_p);
        if let Some(best) = next.best
            && self.best.as_ref().is_none_or(|own| best.ln_p < own.ln_p)
        {
            self.best = Some(best);
        }
    }

    /// One line for the user.
    fn line(&self, phenotype: &Phenotype, lambda_gc: Option<f64>) -> String {
        let firth = if self.n_firth > 0 { format!(" ({} by Firth's method)", self.n_firth) } else { String::new() };
        let lambda = lambda_gc.map_or(String::new(), |lambda| format!("; lambda GC {lambda:.4}"));
        let best = self
            .best
            .as_ref()
            .map_or(String::new(), |best| format!("; least p {} at {}", p_text(best.ln_p), best.name));
        let (n, all) = (self.ln_p.len(), self.n_variants);
        format!("{}: {n} of {all} variants tested{firth}{lambda}{best}", phenotype.name)
    }
}

/// Genomic control: the median chi-square of tests, by their ln p, against what it is without any effect. `None` without a test.
pub fn lambda_gc(ln_p: &mut [f64]) -> Option<f64> {
    let n = ln_p.len();
    if n == 0 {
        return None;
    }
    let (below, &mut upper, _) = ln_p.select_nth_unstable_by(n / 2, f64::total_cmp);
    let lower = match n % 2 {
        1 => upper,
        _ => below.iter().copied().max_by(f64::total_cmp).unwrap_or(upper),
    };
    Some(0.5 * (chi2_of_ln_p(lower) + chi2_of_ln_p(upper)) / MEDIAN_CHI2)
}

/// p with three digits, however small.
pub fn p_text(ln_p: f64) -> String {
    let log10 = ln_p / LN_10;
    if log10 > -300.0 {
        return format!("{:.3e}", ln_p.exp());
    }
    let exponent = log10.floor();
    format!("{:.3}e{exponent}", 10_f64.powf(log10 - exponent))
}

/// The table, and a line for each phenotype.
pub fn summary(phenotypes: &[Phenotype], sizes: &[Size], tallies: &mut [Tally]) -> Result<(DataFrame, Vec<String>)> {
    let lambdas: Vec<Option<f64>> = tallies.iter_mut().map(|tally| lambda_gc(&mut tally.ln_p)).collect();
    let lines = tallies.iter().zip(phenotypes).zip(&lambdas).map(|((tally, one), &lambda)| tally.line(one, lambda));
    let lines = lines.collect();
    let kind = |one: &Phenotype| if one.kind == Kind::Quantitative { "quantitative" } else { "binary" };
    let of_sizes = |value: fn(&Size) -> Option<usize>| -> Vec<Option<i32>> {
        sizes.iter().map(|size| value(size).map(|n| n as i32)).collect()
    };
    let best = || tallies.iter().map(|tally| tally.best.as_ref());
    let columns = vec![
        Column::new("phenotype".into(), phenotypes.iter().map(|one| one.name.as_str()).collect::<Vec<_>>()),
        Column::new("kind".into(), phenotypes.iter().map(kind).collect::<Vec<_>>()),
        Column::new("n".into(), of_sizes(|size| Some(size.n))),
        Column::new("n_cases".into(), of_sizes(|size| size.n_cases)),
        Column::new("n_controls".into(), of_sizes(|size| size.n_cases.map(|n| size.n - n))),
        Column::new("n_variants".into(), tallies.iter().map(|tally| tally.n_variants as i64).collect::<Vec<_>>()),
        Column::new(
            "n_variants_tested".into(),
            tallies.iter().map(|tally| tally.ln_p.len() as i64).collect::<Vec<_>>(),
        ),
        Column::new("n_firth".into(), tallies.iter().map(|tally| tally.n_firth as i64).collect::<Vec<_>>()),
        Column::new("lambda_gc".into(), lambdas),
        Column::new("best_variant_id".into(), best().map(|best| best.map(|best| best.variant_id)).collect::<Vec<_>>()),
        Column::new("best_variant".into(), best().map(|best| best.map(|best| best.name.clone())).collect::<Vec<_>>()),
        Column::new(
            "best_neg_log10_p".into(),
            best().map(|best| best.map(|best| 0.0 - best.ln_p / LN_10)).collect::<Vec<_>>(),
        ),
    ];
    let frame = DataFrame::new(phenotypes.len(), columns)
        .map_err(|error| Error::internal(format!("cannot make the table assoc_summary: {error}")))?;
    Ok((frame, lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tails::ln_p_normal;

    fn lambda(stats: &[f64]) -> Option<f64> {
        lambda_gc(&mut stats.iter().map(|&z| ln_p_normal(z)).collect::<Vec<f64>>())
    }

    #[test]
    fn lambda_is_the_median() {
        assert_eq!(lambda(&[]), None);
        for (stats, median) in [(&[2.0, 0.5, -1.0][..], 1.0), (&[2.0, 0.5, -1.0, 30.0], 2.5)] {
            assert!((lambda(stats).expect("a median") * MEDIAN_CHI2 - median).abs() < 1e-9);
        }
    }

    #[test]
    fn small_p_are_readable() {
        assert_eq!(p_text(-1000.0 * LN_10 + 0.5_f64.ln()), "5.000e-1001");
        assert_eq!(p_text(0.001_f64.ln()), "1.000e-3");
    }
}
