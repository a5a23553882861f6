//! The table `variants`, counted in one pass over a dozen columns.

use super::numbers::six_digits;
use super::tally::{self, Row, Tally};
use super::track::TrackBins;
use crate::commit::manifest::ManifestFile;
use crate::dataset::Dataset;
use crate::dataset::batch::{Batch, Column, Value};
use crate::dataset::stream::{FileStream, Select};
use crate::error::Result;
use crate::genome::ContigClass;
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

const COLUMNS: [&str; 18] = [
    "pos",
    "ref",
    "alt",
    "alt_index",
    "n_alts",
    "qual",
    "filters",
    "type",
    "ac",
    "af",
    "n_hom_ref",
    "n_het",
    "n_hom_alt",
    "n_missing",
    "hwe_p",
    "exc_het",
    "info_dp",
    "contig",
];
/// Filters that are named.
const MOST_FILTERS: usize = 12;
/// Points of a QQ plot.
const QQ_POINTS: usize = 400;

/// Counts of the variants, as the page has them.
#[derive(Clone, Debug, Serialize)]
pub struct Variants {
    pub n: u64,
    pub n_sites: u64,
    pub n_multiallelic: u64,
    pub kinds: BTreeMap<String, u64>,
    /// Most frequent first.
    pub filters: Vec<(String, u64)>,
    pub substitutions: Vec<(&'static str, u64)>,
    pub ti: u64,
    pub tv: u64,
    /// Upper bound (none: no bound) and count.
    pub ac: Vec<(Option<i64>, u64)>,
    pub af_snv: Vec<u64>,
    pub af_other: Vec<u64>,
    pub missing_to: Vec<f64>,
    pub missing: Vec<u64>,
    pub n_missing: u64,
    pub qual: Vec<u64>,
    pub n_no_qual: u64,
    pub depth: Vec<u64>,
    pub indels: Vec<u64>,
    pub hwe: Hwe,
    pub track: TrackBins,
}

/// Hardy-Weinberg of common autosomal variants with one ALT.
#[derive(Clone, Debug, Serialize)]
pub struct Hwe {
    pub n: u64,
    pub n_low: u64,
    pub n_excess: u64,
    pub qq: Qq,
    /// `[share of heterozygotes x allele frequency]`, each in `n_bins` bins of 0 to 1; those that are not empty.
    pub n_bins: usize,
    pub cells: Vec<(usize, usize, u64)>,
}

/// Quantiles of -log10 p: what a uniform p would give, and what was found.
#[derive(Clone, Debug, Default, Serialize, PartialEq)]
pub struct Qq {
    pub expected: Vec<f64>,
    pub observed: Vec<f64>,
}

impl Qq {
    /// From counts in bins of -log10 p, each 0.01 wide.
    pub fn of_bins(bins: &[u64]) -> Qq {
        let n: u64 = bins.iter().sum();
        let mut qq = Qq::default();
        let mut rank = 0;
        let mut last = f64::INFINITY;
        for (bin, &count) in bins.iter().enumerate().rev().filter(|(_, count)| **count > 0) {
            let middle = rank as f64 + (count as f64 + 1.0) / 2.0;
            rank += count;
            let expected = -(middle / (n as f64 + 1.0)).log10();
            // dense at the small p, one point a step at the others
            if last - expected > 4.0 / QQ_POINTS as f64 || rank <= QQ_POINTS as u64 / 4 || rank == n {
                qq.expected.push(six_digits(expected));
                qq.observed.push(six_digits((bin as f64 + 0.5) / 100.0));
                last = expected;
            }
        }
        qq
    }
}

/// Counts all variants of `dataset`.
pub fn read(dataset: &Dataset) -> Result<Variants> {
    let contigs: Vec<(String, Option<u64>)> =
        dataset.manifest().contigs.iter().map(|contig| (contig.name.clone(), contig.length)).collect();
    let files: Vec<(u32, &ManifestFile)> = (0u32..)
        .zip(&contigs)
        .flat_map(|(at, (name, _))| dataset.contig_files("variants", name).into_iter().map(move |file| (at, file)))
        .collect();
    let tally = files
        .par_iter()
        .try_fold(Tally::new, |mut tally, (contig, file)| {
            let is_autosome = ContigClass::of(&contigs[*contig as usize].0) == ContigClass::Autosome;
            for batch in FileStream::open(&dataset.full_path(file)?, &Select::columns(&COLUMNS))? {
                add(&mut tally, &batch?, (*contig, is_autosome), dataset.manifest().n_samples)?;
            }
            Ok(tally)
        })
        .try_reduce(Tally::new, |mut one, other| {
            one.merge(other);
            Ok(one)
        })?;
    Ok(finish(tally, &contigs))
}

fn add(tally: &mut Tally, batch: &Batch, (contig, is_autosome): (u32, bool), n_samples: u64) -> Result<()> {
    let int = |name: &str| batch.ints(name);
    let (pos, alt_index, n_alts, ac) = (int("pos")?, int("alt_index")?, int("n_alts")?, int("ac")?);
    let calls = [int("n_hom_ref")?, int("n_het")?, int("n_hom_alt")?];
    let n_missing = int("n_missing")?;
    let (refs, alts, kinds) = (batch.texts("ref")?, batch.texts("alt")?, batch.texts("type")?);
    let float = |name: &str, row| match batch.column(name)?.value(row)? {
        Value::Float(value) => Some(value),
        _ => None,
    };
    for row in 0..batch.n_rows() {
        let depth = match batch.column("info_dp").and_then(|column| column.value(row)) {
            Some(Value::Int(depth)) => Some(depth),
            _ => None,
        };
        let found = Row {
            contig,
            is_autosome,
            pos: pos.value(row),
            kind: kinds.value(row),
            ref_allele: refs.value(row),
            alt: alts.value(row),
            alt_index: alt_index.value(row).into(),
            n_alts: n_alts.value(row).into(),
            qual: float("qual", row),
            ac: ac.value(row).into(),
            af: float("af", row),
            calls: calls.map(|column| column.value(row).into()),
            n_missing: n_missing.value(row).into(),
            hwe_p: float("hwe_p", row),
            exc_het: float("exc_het", row),
            depth,
        };
        tally.add(&found, n_samples);
        add_filters(tally, batch.column("filters"), row);
    }
    Ok(())
}

fn add_filters(tally: &mut Tally, filters: Option<&Column>, row: usize) {
    match filters.and_then(|column| column.items(row)) {
        None => tally::count(&mut tally.filters, "."),
        Some(items) if items.len() == 0 => tally::count(&mut tally.filters, "PASS"),
        Some(items) => {
            items.flatten().filter_map(Value::text).for_each(|name| tally::count(&mut tally.filters, name));
        }
    }
}

fn finish(tally: Tally, contigs: &[(String, Option<u64>)]) -> Variants {
    let mut filters: Vec<(String, u64)> = tally.filters.into_iter().collect();
    filters.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    filters.truncate(MOST_FILTERS);
    let (ti, tv) = tally.substitutions.split_at(tally::N_TRANSITIONS);
    let n_bins = tally::HET_BINS;
    let cells = tally.het.iter().enumerate().filter(|(_, n)| **n > 0);
    let hwe = Hwe {
        n: tally.n_hwe,
        n_low: tally.n_hwe_low,
        n_excess: tally.n_excess,
        qq: Qq::of_bins(&tally.hwe),
        n_bins,
        cells: cells.map(|(at, &n)| (at % n_bins, at / n_bins, n)).collect(),
    };
    Variants {
        n: tally.n,
        n_sites: tally.n_sites,
        n_multiallelic: tally.n_multiallelic,
        kinds: tally.kinds,
        filters,
        ti: ti.iter().sum(),
        tv: tv.iter().sum(),
        substitutions: tally::SUBSTITUTIONS.into_iter().zip(tally.substitutions).collect(),
        ac: tally::AC_TO.iter().map(|&to| (to < i64::MAX).then_some(to)).zip(tally.ac).collect(),
        af_snv: tally.af[0].to_vec(),
        af_other: tally.af[1].to_vec(),
        missing_to: tally::MISSING_TO.to_vec(),
        missing: tally.missing.to_vec(),
        n_missing: tally.n_missing,
        qual: tally.qual.to_vec(),
        n_no_qual: tally.n_no_qual,
        depth: tally.depth,
        indels: tally.indels,
        hwe,
        track: tally.track.finish(contigs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform p lie on the diagonal; the lowest p has its own point.
    #[test]
    fn uniform_p_are_on_the_diagonal() {
        let n = 100_000;
        let mut bins = vec![0; tally::P_BINS];
        for rank in 1..=n {
            let p = f64::from(rank) / f64::from(n + 1);
            bins[(-p.log10() * 100.0) as usize] += 1;
        }
        let qq = Qq::of_bins(&bins);
        assert!(qq.expected.len() < 1_000);
        for (expected, observed) in qq.expected.iter().zip(&qq.observed) {
            assert!((expected - observed).abs() < 0.01, "{expected} {observed}");
        }
        assert!((qq.observed[0] - 5.0).abs() < 0.01);
    }
}
