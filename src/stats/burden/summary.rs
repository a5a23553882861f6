//! Rows of the table `burden_summary`: one for each mask, phenotype and test.

use super::walk::Records;
use super::{Analysis, TestName};
use crate::error::{Error, Result};
use crate::stats::assoc::summary::{lambda_gc, p_text};
use polars::prelude::*;
use std::collections::BTreeMap;
use std::f64::consts::LN_10;

/// What the sets of one mask, phenotype and test add up to. Memory: 8 bytes a set.
#[derive(Clone, Debug, Default)]
struct Tally {
    n_sets: u64,
    ln_p: Vec<f64>,
    /// Smallest ln p, and its set.
    best: Option<(f64, String)>,
}

/// Mask, phenotype and test, by their place.
type Key = (usize, usize, TestName);

/// What all sets add up to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    tallies: BTreeMap<Key, Tally>,
}

impl Summary {
    /// Adds the next set.
    pub fn add(&mut self, set: &str, records: &Records) {
        for (mask, record) in records {
            let tally = self.tallies.entry((*mask, record.phenotype, record.test)).or_default();
            tally.n_sets += 1;
            let Ok(found) = record.outcome else { continue };
            tally.ln_p.push(found.ln_p);
            if tally.best.as_ref().is_none_or(|(least, _)| found.ln_p < *least) {
                tally.best = Some((found.ln_p, set.to_owned()));
            }
        }
    }

    /// The table, and a line for each row.
    pub fn finish(mut self, analysis: &Analysis) -> Result<(DataFrame, Vec<String>)> {
        let lambdas: Vec<Option<f64>> = self.tallies.values_mut().map(|tally| lambda_gc(&mut tally.ln_p)).collect();
        let mask = |key: &Key| analysis.settings.masks[key.0].name.as_str();
        let phenotype = |key: &Key| analysis.phenotypes[key.1].name.as_str();
        let line = |((key, tally), lambda): ((&Key, &Tally), &Option<f64>)| {
            let lambda = lambda.map_or(String::new(), |lambda| format!("; lambda GC {lambda:.4}"));
            let best = tally.best.as_ref();
            let best = best.map_or(String::new(), |(ln_p, set)| format!("; least p {} in {set}", p_text(*ln_p)));
            let (n, all, test) = (tally.ln_p.len(), tally.n_sets, key.2.name());
            format!("{}, {}, {test}: {n} of {all} sets tested{lambda}{best}", phenotype(key), mask(key))
        };
        let lines = self.tallies.iter().zip(&lambdas).map(line).collect();
        let (keys, tallies): (Vec<&Key>, Vec<&Tally>) = self.tallies.iter().unzip();
        let best = || tallies.iter().map(|tally| tally.best.as_ref());
        let neg_log10 = |best: Option<&(f64, String)>| best.map(|(ln_p, _)| 0.0 - ln_p / LN_10);
        let columns = vec![
            Column::new("mask".into(), keys.iter().map(|key| mask(key)).collect::<Vec<_>>()),
            Column::new("phenotype".into(), keys.iter().map(|key| phenotype(key)).collect::<Vec<_>>()),
            Column::new("test".into(), keys.iter().map(|key| key.2.name()).collect::<Vec<_>>()),
            Column::new("n_sets".into(), tallies.iter().map(|tally| tally.n_sets as i64).collect::<Vec<_>>()),
            Column::new(
                "n_sets_tested".into(),
                tallies.iter().map(|tally| tally.ln_p.len() as i64).collect::<Vec<_>>(),
            ),
            Column::new("lambda_gc".into(), lambdas),
            Column::new("best_set".into(), best().map(|best| best.map(|(_, set)| set.as_str())).collect::<Vec<_>>()),
            Column::new("best_neg_log10_p".into(), best().map(neg_log10).collect::<Vec<_>>()),
        ];
        let frame = DataFrame::new(keys.len(), columns)
            .map_err(|error| Error::internal(format!("cannot make the table burden_summary: {error}")))?;
        Ok((frame, lines))
    }
}
