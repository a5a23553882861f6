//! What is counted over all variants: totals, indel lengths, substitutions, the spectrum of frequencies, histograms.

use super::rows::VariantRow;
use super::{frame, is_transition, ratio};
use crate::error::Result;
use polars::prelude::{Column, DataFrame};
use std::collections::BTreeMap;

/// Upper bounds (inclusive) of the bins of `af_spectrum`; each begins after the one before, the first is 0 itself.
const AF_BOUNDS: [f64; 24] = [
    0.0, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7,
    0.8, 0.9, 0.95, 1.0,
];
/// Lower bounds (inclusive) of the bins of `qual_depth`; the last has no end.
const VALUE_BOUNDS: [f64; 19] =
    [0.0, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 75.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4];
const TYPES: [&str; 7] = ["snv", "ins", "del", "mnv", "symbolic", "breakend", "other"];
const BASES: [&str; 4] = ["A", "C", "G", "T"];

/// Sums over variants: whole numbers only, so any order of adding gives the same.
#[derive(Clone, Debug, Default)]
pub struct CohortTally {
    by_type: [u64; TYPES.len()],
    n_singletons: u64,
    n_absent: u64,
    n_without_calls: u64,
    ti: u64,
    tv: u64,
    n_called: u64,
    n_missing: u64,
    n_het: u64,
    n_hom_alt: u64,
    ac: u64,
    substitutions: [[u64; 4]; 4],
    /// Signed length to variants and copies.
    indels: BTreeMap<i64, (u64, u64)>,
    spectrum: [[u64; TYPES.len()]; AF_BOUNDS.len()],
    qual: [u64; VALUE_BOUNDS.len()],
    mean_dp: [u64; VALUE_BOUNDS.len()],
}

impl CohortTally {
    /// Counts a variant.
    pub fn count(&mut self, row: &VariantRow) {
        let kind = TYPES.iter().position(|&name| name == row.kind).unwrap_or(TYPES.len() - 1);
        self.by_type[kind] += 1;
        self.n_singletons += u64::from(row.ac == 1);
        self.n_absent += u64::from(row.ac == 0);
        self.n_called += row.counts.n_called();
        self.n_missing += row.counts.n_missing;
        self.n_het += row.counts.n_het;
        self.n_hom_alt += row.counts.n_hom_alt;
        self.ac += row.ac;
        match row.kind {
            "snv" => self.count_snv(row),
            "ins" | "del" => {
                let entry = self.indels.entry(row.alt_allele.len() as i64 - row.ref_allele.len() as i64).or_default();
                entry.0 += 1;
                entry.1 += row.ac;
            }
            _ => {}
        }
        match row.af() {
            Some(af) => {
                self.spectrum[AF_BOUNDS.partition_point(|&bound| bound < af).min(AF_BOUNDS.len() - 1)][kind] += 1
            }
            None => self.n_without_calls += 1,
        }
        count_value(&mut self.qual, row.qual);
        count_value(&mut self.mean_dp, row.mean_dp);
    }

    fn count_snv(&mut self, row: &VariantRow) {
        let base = |text: &str| BASES.iter().position(|base| base.eq_ignore_ascii_case(text));
        if let (Some(from), Some(to)) = (base(row.ref_allele), base(row.alt_allele)) {
            self.substitutions[from][to] += 1;
            let field = if is_transition(row.ref_allele, row.alt_allele) { &mut self.ti } else { &mut self.tv };
            *field += 1;
        }
    }

    /// Adds what another counted.
    pub fn add(&mut self, other: &CohortTally) {
        fn sum(own: &mut [u64], others: &[u64]) {
            own.iter_mut().zip(others).for_each(|(own, other)| *own += other);
        }
        sum(&mut self.by_type, &other.by_type);
        for (own, other) in [
            (&mut self.n_singletons, other.n_singletons),
            (&mut self.n_absent, other.n_absent),
            (&mut self.n_without_calls, other.n_without_calls),
            (&mut self.ti, other.ti),
            (&mut self.tv, other.tv),
            (&mut self.n_called, other.n_called),
            (&mut self.n_missing, other.n_missing),
            (&mut self.n_het, other.n_het),
            (&mut self.n_hom_alt, other.n_hom_alt),
            (&mut self.ac, other.ac),
        ] {
            *own += other;
        }
        sum(self.substitutions.as_flattened_mut(), other.substitutions.as_flattened());
        sum(self.spectrum.as_flattened_mut(), other.spectrum.as_flattened());
        sum(&mut self.qual, &other.qual);
        sum(&mut self.mean_dp, &other.mean_dp);
        for (&length, counts) in &other.indels {
            let own = self.indels.entry(length).or_default();
            own.0 += counts.0;
            own.1 += counts.1;
        }
    }

    /// Number of variants.
    pub fn n_variants(&self) -> u64 {
        self.by_type.iter().sum()
    }

    /// `(statistic, value)`: rows of `cohort_stats`, a ratio of nothing is null.
    pub fn statistics(&self, n_samples: usize) -> Vec<(String, Option<f64>)> {
        let mut rows = vec![
            ("n_samples".to_owned(), Some(n_samples as f64)),
            ("n_variants".to_owned(), Some(self.n_variants() as f64)),
        ];
        rows.extend(TYPES.iter().zip(self.by_type).map(|(name, n)| (format!("n_{name}"), Some(n as f64))));
        let counts = [
            ("ti", self.ti),
            ("tv", self.tv),
            ("n_singleton", self.n_singletons),
            ("n_ac_0", self.n_absent),
            ("n_without_calls", self.n_without_calls),
            ("n_called", self.n_called),
            ("n_missing", self.n_missing),
            ("n_het", self.n_het),
            ("n_hom_alt", self.n_hom_alt),
            ("ac", self.ac),
        ];
        rows.extend(counts.map(|(name, n)| (name.to_owned(), Some(n as f64))));
        rows.extend([
            ("ti_tv".to_owned(), ratio(self.ti, self.tv)),
            ("het_hom_ratio".to_owned(), ratio(self.n_het, self.n_hom_alt)),
            ("ins_del_ratio".to_owned(), ratio(self.by_type[1], self.by_type[2])),
            ("call_rate".to_owned(), ratio(self.n_called, self.n_called + self.n_missing)),
        ]);
        rows
    }

    /// The tables by name. Histograms of what no variant has are left out.
    pub fn tables(&self, n_samples: usize) -> Result<Vec<(&'static str, DataFrame)>> {
        let (names, values): (Vec<_>, Vec<_>) = self.statistics(n_samples).into_iter().unzip();
        let cohort = vec![Column::new("statistic".into(), names), Column::new("value".into(), values)];
        let mut tables = vec![
            ("cohort_stats", frame(cohort)?),
            ("indel_lengths", self.indel_lengths()?),
            ("substitutions", self.substitution_counts()?),
            ("af_spectrum", self.af_spectrum()?),
        ];
        let has_values = self.qual.iter().chain(&self.mean_dp).any(|&n| n > 0);
        if has_values {
            tables.push(("qual_depth", self.qual_depth()?));
        }
        Ok(tables)
    }

    fn indel_lengths(&self) -> Result<DataFrame> {
        let column = |name: &str, value: fn(&(u64, u64)) -> u64| {
            Column::new(name.into(), self.indels.values().map(|counts| value(counts) as i64).collect::<Vec<_>>())
        };
        let lengths: Vec<i64> = self.indels.keys().copied().collect();
        frame(vec![
            Column::new("length".into(), lengths),
            column("n_variants", |counts| counts.0),
            column("n_alleles", |counts| counts.1),
        ])
    }

    fn substitution_counts(&self) -> Result<DataFrame> {
        let pairs: Vec<(usize, usize)> =
            (0..4).flat_map(|from| (0..4).map(move |to| (from, to))).filter(|(from, to)| from != to).collect();
        let bases =
            |which: fn(&(usize, usize)) -> usize| pairs.iter().map(|pair| BASES[which(pair)]).collect::<Vec<_>>();
        let n: Vec<i64> = pairs.iter().map(|&(from, to)| self.substitutions[from][to] as i64).collect();
        frame(vec![
            Column::new("ref".into(), bases(|pair| pair.0)),
            Column::new("alt".into(), bases(|pair| pair.1)),
            Column::new("n".into(), n),
        ])
    }

    fn af_spectrum(&self) -> Result<DataFrame> {
        let from: Vec<f64> = std::iter::once(0.0).chain(AF_BOUNDS[..AF_BOUNDS.len() - 1].iter().copied()).collect();
        let mut columns = vec![Column::new("af_from".into(), from), Column::new("af_to".into(), AF_BOUNDS.to_vec())];
        for (kind, name) in TYPES.iter().enumerate() {
            let counts: Vec<i64> = self.spectrum.iter().map(|bin| bin[kind] as i64).collect();
            columns.push(Column::new(format!("n_{name}").into(), counts));
        }
        frame(columns)
    }

    fn qual_depth(&self) -> Result<DataFrame> {
        let ends = VALUE_BOUNDS[1..].iter().copied().map(Some).chain([None]);
        let bins = VALUE_BOUNDS.iter().copied().zip(ends);
        let (from, to): (Vec<f64>, Vec<Option<f64>>) = bins.unzip();
        let counts = |values: &[u64]| values.iter().map(|&n| n as i64).collect::<Vec<_>>();
        frame(vec![
            Column::new("from".into(), from),
            Column::new("to".into(), to),
            Column::new("n_qual".into(), counts(&self.qual)),
            Column::new("n_mean_dp".into(), counts(&self.mean_dp)),
        ])
    }
}

fn count_value(bins: &mut [u64; VALUE_BOUNDS.len()], value: Option<f64>) {
    if let Some(value) = value.filter(|value| *value >= 0.0) {
        bins[VALUE_BOUNDS.partition_point(|&bound| bound <= value) - 1] += 1;
    }
}
