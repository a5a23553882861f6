//! Rows of the table `assoc`.

use super::Record;
use super::estimate::{Estimate, Method};
use super::summary::Tally;
use super::traits::{Kind, Phenotype};
use crate::error::{Error, Result};
use crate::stats::block::Site;
use polars::prelude::*;
use std::f64::consts::LN_10;

/// The rows of a block, and what the summary needs of it.
#[derive(Debug)]
pub struct Piece {
    /// Rows.
    pub frame: DataFrame,
    /// By phenotype.
    pub tallies: Vec<Tally>,
}

fn internal(error: PolarsError) -> Error {
    Error::internal(format!("cannot make the table assoc: {error}"))
}

/// Rows under way: one for each variant and phenotype, variants first.
pub struct Builder<'a> {
    contigs: &'a [String],
    phenotypes: &'a [Phenotype],
    max_p: Option<f64>,
    tallies: Vec<Tally>,
    variant_id: Vec<i64>,
    contig: Vec<&'a str>,
    pos: Vec<i32>,
    id: Vec<Option<String>>,
    ref_allele: Vec<String>,
    alt_allele: Vec<String>,
    phenotype: Vec<&'a str>,
    test: Vec<&'static str>,
    n: Vec<i32>,
    n_cases: Vec<Option<i32>>,
    n_controls: Vec<Option<i32>>,
    ac: Vec<i32>,
    af: Vec<Option<f64>>,
    beta: Vec<Option<f64>>,
    se: Vec<Option<f64>>,
    stat: Vec<Option<f64>>,
    p: Vec<Option<f64>>,
    neg_log10_p: Vec<Option<f64>>,
    status: Vec<Option<&'static str>>,
}

impl<'a> Builder<'a> {
    /// No rows.
    pub fn new(contigs: &'a [String], phenotypes: &'a [Phenotype], max_p: Option<f64>) -> Builder<'a> {
        Builder {
            contigs,
            phenotypes,
            max_p,
            tallies: vec![Tally::default(); phenotypes.len()],
            variant_id: Vec::new(),
            contig: Vec::new(),
            pos: Vec::new(),
            id: Vec::new(),
            ref_allele: Vec::new(),
            alt_allele: Vec::new(),
            phenotype: Vec::new(),
            test: Vec::new(),
            n: Vec::new(),
            n_cases: Vec::new(),
            n_controls: Vec::new(),
            ac: Vec::new(),
            af: Vec::new(),
            beta: Vec::new(),
            se: Vec::new(),
            stat: Vec::new(),
            p: Vec::new(),
            neg_log10_p: Vec::new(),
            status: Vec::new(),
        }
    }

    /// Adds the rows of a variant; `records` are by phenotype.
    pub fn push(&mut self, site: &Site, records: &[Option<Record>]) {
        for (at, record) in records.iter().enumerate() {
            let Some(record) = record else { continue };
            let contig = &self.contigs[site.contig as usize];
            self.tallies[at].add(record, || {
                (site.variant_id, format!("{contig}:{}:{}:{}", site.pos, site.ref_allele, site.alt_allele))
            });
            let is_hit = |most: f64| record.outcome.is_ok_and(|found| found.ln_p <= most.ln());
            if self.max_p.is_none_or(is_hit) {
                self.push_row(site, at, record);
            }
        }
    }

    fn push_row(&mut self, site: &Site, at: usize, record: &Record) {
        let phenotype = &self.phenotypes[at];
        let found = record.outcome.ok();
        let number = |value: fn(&Estimate) -> f64| found.as_ref().map(value);
        self.variant_id.push(site.variant_id);
        self.contig.push(&self.contigs[site.contig as usize]);
        self.pos.push(site.pos);
        self.id.push(site.id.as_deref().map(str::to_owned));
        self.ref_allele.push(site.ref_allele.to_string());
        self.alt_allele.push(site.alt_allele.to_string());
        self.phenotype.push(&phenotype.name);
        let default = if phenotype.kind == Kind::Quantitative { Method::Linear } else { Method::Logistic };
        self.test.push(found.map_or(default, |found| found.method).name());
        self.n.push(record.n as i32);
        self.n_cases.push(record.n_cases.map(|n| n as i32));
        self.n_controls.push(record.n_cases.map(|n| (record.n - n) as i32));
        self.ac.push(record.ac as i32);
        self.af.push((record.an > 0).then(|| record.ac as f64 / record.an as f64));
        self.beta.push(number(|found| found.beta));
        self.se.push(number(|found| found.se));
        self.stat.push(number(|found| found.stat));
        self.p.push(number(|found| found.ln_p.exp()));
        self.neg_log10_p.push(number(|found| 0.0 - found.ln_p / LN_10));
        self.status.push(record.outcome.err().map(|reason| reason.name()));
    }

    /// The rows as columns.
    pub fn finish(self) -> Result<Piece> {
        let columns = vec![
            Column::new("variant_id".into(), self.variant_id),
            Column::new("contig".into(), self.contig),
            Column::new("pos".into(), self.pos),
            Column::new("id".into(), self.id),
            Column::new("ref".into(), self.ref_allele),
            Column::new("alt".into(), self.alt_allele),
            Column::new("phenotype".into(), self.phenotype),
            Column::new("test".into(), self.test),
            Column::new("n".into(), self.n),
            Column::new("n_cases".into(), self.n_cases),
            Column::new("n_controls".into(), self.n_controls),
            Column::new("ac".into(), self.ac),
            Column::new("af".into(), self.af),
            Column::new("beta".into(), self.beta),
            Column::new("se".into(), self.se),
            Column::new("stat".into(), self.stat),
            Column::new("p".into(), self.p),
            Column::new("neg_log10_p".into(), self.neg_log10_p),
            Column::new("status".into(), self.status),
        ];
        let frame = DataFrame::new(columns[0].len(), columns).map_err(internal)?;
        Ok(Piece { frame, tallies: self.tallies })
    }
}
