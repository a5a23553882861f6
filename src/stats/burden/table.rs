//! Rows of the table `burden`.

use super::sets::{Set, Span};
use super::walk::Records;
use super::{Analysis, Finding, Numbers, Record};
use crate::error::{Error, Result};
use polars::prelude::*;
use std::f64::consts::LN_10;

/// Rows under way: by set, mask, phenotype and test.
pub struct Builder<'a> {
    analysis: &'a Analysis<'a>,
    max_p: Option<f64>,
    sets: Vec<&'a Set>,
    masks: Vec<&'a str>,
    records: Vec<Record>,
}

impl<'a> Builder<'a> {
    /// No rows. Only results with `max_p` or less will be rows.
    pub fn new(analysis: &'a Analysis<'a>, max_p: Option<f64>) -> Builder<'a> {
        Builder { analysis, max_p, sets: Vec::new(), masks: Vec::new(), records: Vec::new() }
    }

    /// Adds the rows of a set.
    pub fn push(&mut self, set: &'a Set, records: Records) {
        let is_hit = |record: &Record, most: f64| record.outcome.is_ok_and(|found| found.ln_p <= most.ln());
        for (mask, record) in records {
            if self.max_p.is_none_or(|most| is_hit(&record, most)) {
                self.sets.push(set);
                self.masks.push(&self.analysis.settings.masks[mask].name);
                self.records.push(record);
            }
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The rows as columns; none are left.
    pub fn take(&mut self) -> Result<DataFrame> {
        let spans = || self.sets.iter().map(|set| set.span.as_ref());
        let contig = |span: Option<&Span>| span.map(|span| self.analysis.contigs[span.contig as usize].as_str());
        let base = |value: fn(&Span) -> i32| spans().map(|span| span.map(value)).collect::<Vec<_>>();
        let phenotype = |record: &Record| self.analysis.phenotypes[record.phenotype].name.as_str();
        let columns = vec![
            Column::new("set".into(), self.sets.iter().map(|set| set.name.as_str()).collect::<Vec<_>>()),
            Column::new("contig".into(), spans().map(contig).collect::<Vec<_>>()),
            Column::new("start".into(), base(|span| span.first)),
            Column::new("end".into(), base(|span| span.last)),
            Column::new("mask".into(), &self.masks),
            Column::new("phenotype".into(), self.records.iter().map(phenotype).collect::<Vec<_>>()),
            Column::new("test".into(), self.records.iter().map(|record| record.test.name()).collect::<Vec<_>>()),
            self.count("n", |numbers| Some(numbers.n)),
            self.count("n_cases", |numbers| numbers.n_cases),
            self.count("n_controls", |numbers| numbers.n_cases.map(|n| numbers.n - n)),
            self.count("n_variants", |numbers| Some(numbers.n_variants)),
            self.count("n_monomorphic", |numbers| Some(numbers.n_monomorphic)),
            self.count("n_carriers", |numbers| Some(numbers.n_carriers)),
            self.count("n_carriers_cases", |numbers| numbers.n_carriers_cases),
            self.count("n_carriers_controls", |numbers| numbers.n_carriers_cases.map(|n| numbers.n_carriers - n)),
            Column::new("mac".into(), self.records.iter().map(|record| record.numbers.mac as i64).collect::<Vec<_>>()),
            self.value("beta", |found| found.beta),
            self.value("se", |found| found.se),
            self.value("stat", |found| found.stat),
            self.value("rho", |found| found.rho),
            self.value("p", |found| Some(found.ln_p.exp())),
            self.value("neg_log10_p", |found| Some(0.0 - found.ln_p / LN_10)),
            self.text("method", |record| record.outcome.ok().map(|found| found.method)),
            self.text("status", |record| record.outcome.err().map(|gap| gap.name())),
        ];
        let frame = DataFrame::new(columns[0].len(), columns)
            .map_err(|error| Error::internal(format!("cannot make the table burden: {error}")))?;
        (self.sets, self.masks, self.records) = (Vec::new(), Vec::new(), Vec::new());
        Ok(frame)
    }

    fn count(&self, name: &'static str, value: fn(&Numbers) -> Option<usize>) -> Column {
        let values = self.records.iter().map(|record| value(&record.numbers).map(|n| n as i32));
        Column::new(name.into(), values.collect::<Vec<_>>())
    }

    fn value(&self, name: &'static str, value: fn(&Finding) -> Option<f64>) -> Column {
        let values = self.records.iter().map(|record| record.outcome.ok().as_ref().and_then(value));
        Column::new(name.into(), values.collect::<Vec<_>>())
    }

    fn text(&self, name: &'static str, value: fn(&Record) -> Option<&'static str>) -> Column {
        Column::new(name.into(), self.records.iter().map(value).collect::<Vec<_>>())
    }
}
