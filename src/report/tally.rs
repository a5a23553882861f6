//! What is counted of the variants while they pass: whole numbers only, so parts may be added in any order.

use super::track::Track;
use std::collections::BTreeMap;

/// Bins of a logarithmic histogram of frequencies: three a decade, from 1e-6 to 1.
pub const AF_BINS: usize = 18;
/// Bins of QUAL: five a decade from 1 (the first bin has all below) to a million and more.
pub const QUAL_BINS: usize = 31;
/// Longest insertion or deletion with a bin of its own.
pub const MOST_INDEL: i64 = 50;
/// Bins of -log10 p, each 0.01 wide.
pub const P_BINS: usize = 32_500;
/// Bins of each axis of the plot of heterozygotes against frequency.
pub const HET_BINS: usize = 50;
/// Deepest bin of the mean depth of variants.
pub const MOST_DEPTH: usize = 500;
/// Upper bounds of the bins of missing calls.
pub const MISSING_TO: [f64; 10] = [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
/// Upper bounds of the bins of allele counts.
pub const AC_TO: [i64; 9] = [0, 1, 2, 5, 10, 50, 100, 1000, i64::MAX];
/// Least minor allele frequency of the variants whose Hardy-Weinberg p is looked at.
pub const HWE_MIN_MAF: f64 = 0.01;
/// p of a variant that is far from Hardy-Weinberg proportions.
pub const HWE_LOW_P: f64 = 1e-6;
/// The substitutions, purine first: the order of the bins.
pub const SUBSTITUTIONS: [&str; 12] =
    ["A>G", "G>A", "C>T", "T>C", "A>C", "C>A", "A>T", "T>A", "C>G", "G>C", "G>T", "T>G"];
/// The first of them are transitions.
pub const N_TRANSITIONS: usize = 4;

/// One row of `variants`.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub contig: u32,
    pub is_autosome: bool,
    pub pos: i32,
    pub kind: &'a str,
    pub ref_allele: &'a str,
    pub alt: &'a str,
    pub alt_index: i64,
    pub n_alts: i64,
    pub qual: Option<f64>,
    pub ac: i64,
    pub af: Option<f64>,
    /// Complete diploid calls: reference, heterozygous, this allele.
    pub calls: [i64; 3],
    pub n_missing: i64,
    pub hwe_p: Option<f64>,
    pub exc_het: Option<f64>,
    /// INFO/DP.
    pub depth: Option<i64>,
}

/// The counts.
#[derive(Clone, Debug)]
pub struct Tally {
    pub n: u64,
    pub n_sites: u64,
    pub n_multiallelic: u64,
    pub kinds: BTreeMap<String, u64>,
    pub filters: BTreeMap<String, u64>,
    pub substitutions: [u64; 12],
    pub ac: [u64; AC_TO.len()],
    /// SNVs, other alleles.
    pub af: [[u64; AF_BINS]; 2],
    pub missing: [u64; MISSING_TO.len()],
    pub n_missing: u64,
    pub qual: [u64; QUAL_BINS],
    pub n_no_qual: u64,
    pub depth: Vec<u64>,
    pub indels: Vec<u64>,
    pub hwe: Vec<u64>,
    pub n_hwe: u64,
    pub n_hwe_low: u64,
    pub n_excess: u64,
    pub het: Vec<u64>,
    pub track: Track,
}

impl Tally {
    pub fn new() -> Tally {
        Tally {
            n: 0,
            n_sites: 0,
            n_multiallelic: 0,
            kinds: BTreeMap::new(),
            filters: BTreeMap::new(),
            substitutions: [0; 12],
            ac: [0; AC_TO.len()],
            af: [[0; AF_BINS]; 2],
            missing: [0; MISSING_TO.len()],
            n_missing: 0,
            qual: [0; QUAL_BINS],
            n_no_qual: 0,
            depth: vec![0; MOST_DEPTH + 1],
            indels: vec![0; 2 * MOST_INDEL as usize + 1],
            hwe: vec![0; P_BINS],
            n_hwe: 0,
            n_hwe_low: 0,
            n_excess: 0,
            het: vec![0; HET_BINS * HET_BINS],
            track: Track::default(),
        }
    }

    /// Counts one row; `n_samples` of the cohort.
    pub fn add(&mut self, row: &Row, n_samples: u64) {
        self.n += 1;
        self.n_sites += u64::from(row.alt_index <= 1);
        self.n_multiallelic += u64::from(row.n_alts > 1);
        count(&mut self.kinds, row.kind);
        self.add_alleles(row);
        self.add_frequency(row);
        self.add_quality(row, n_samples);
        self.add_proportions(row);
        self.n_missing += row.n_missing as u64;
        self.track.add(row.contig, row.pos, row.n_missing as u64);
    }

    fn add_alleles(&mut self, row: &Row) {
        if row.kind == "snv" {
            let pair = [row.ref_allele.as_bytes(), b">", row.alt.as_bytes()].concat();
            if let Some(at) = SUBSTITUTIONS.iter().position(|known| known.as_bytes() == pair) {
                self.substitutions[at] += 1;
            }
        } else if row.kind == "ins" || row.kind == "del" {
            let change = row.alt.len() as i64 - row.ref_allele.len() as i64;
            self.indels[(change.clamp(-MOST_INDEL, MOST_INDEL) + MOST_INDEL) as usize] += 1;
        }
    }

    fn add_frequency(&mut self, row: &Row) {
        self.ac[AC_TO.iter().position(|&to| row.ac <= to).unwrap_or(AC_TO.len() - 1)] += 1;
        if let Some(af) = row.af.filter(|&af| af > 0.0) {
            let bin = ((af.log10() + 6.0) * 3.0).clamp(0.0, AF_BINS as f64 - 1.0) as usize;
            self.af[usize::from(row.kind != "snv")][bin] += 1;
        }
    }

    fn add_quality(&mut self, row: &Row, n_samples: u64) {
        if n_samples > 0 {
            let missing = row.n_missing as f64 / n_samples as f64;
            self.missing[MISSING_TO.iter().position(|&to| missing <= to).unwrap_or(MISSING_TO.len() - 1)] += 1;
        }
        match row.qual {
            Some(qual) => {
                let bin = (qual.max(1.0).log10() * 5.0) as usize;
                self.qual[bin.min(QUAL_BINS - 1)] += 1;
            }
            None => self.n_no_qual += 1,
        }
        if let Some(depth) = row.depth.filter(|&depth| depth >= 0 && n_samples > 0) {
            self.depth[((depth as u64 / n_samples) as usize).min(MOST_DEPTH)] += 1;
        }
    }

    /// Hardy-Weinberg: autosomes, sites with one ALT, [`HWE_MIN_MAF`].
    fn add_proportions(&mut self, row: &Row) {
        let (Some(p), Some(af)) = (row.hwe_p, row.af) else { return };
        if !row.is_autosome || row.n_alts != 1 || af.min(1.0 - af) < HWE_MIN_MAF {
            return;
        }
        self.n_hwe += 1;
        self.n_hwe_low += u64::from(p < HWE_LOW_P);
        self.n_excess += u64::from(row.exc_het.is_some_and(|p| p < HWE_LOW_P));
        let bin = (-p.max(f64::MIN_POSITIVE).log10() * 100.0).max(0.0) as usize;
        self.hwe[bin.min(P_BINS - 1)] += 1;
        let n_calls: i64 = row.calls.iter().sum();
        if n_calls > 0 {
            let cell = |share: f64| ((share * HET_BINS as f64) as usize).min(HET_BINS - 1);
            self.het[cell(row.calls[1] as f64 / n_calls as f64) * HET_BINS + cell(af)] += 1;
        }
    }

    /// Adds the counts of another part.
    pub fn merge(&mut self, other: Tally) {
        self.n += other.n;
        self.n_sites += other.n_sites;
        self.n_multiallelic += other.n_multiallelic;
        self.n_missing += other.n_missing;
        self.n_no_qual += other.n_no_qual;
        self.n_hwe += other.n_hwe;
        self.n_hwe_low += other.n_hwe_low;
        self.n_excess += other.n_excess;
        for (name, n) in other.kinds {
            *self.kinds.entry(name).or_default() += n;
        }
        for (name, n) in other.filters {
            *self.filters.entry(name).or_default() += n;
        }
        sum(&mut self.substitutions, &other.substitutions);
        sum(&mut self.ac, &other.ac);
        sum(&mut self.af[0], &other.af[0]);
        sum(&mut self.af[1], &other.af[1]);
        sum(&mut self.missing, &other.missing);
        sum(&mut self.qual, &other.qual);
        sum(&mut self.depth, &other.depth);
        sum(&mut self.indels, &other.indels);
        sum(&mut self.hwe, &other.hwe);
        sum(&mut self.het, &other.het);
        self.track.merge(other.track);
    }
}

fn sum(into: &mut [u64], from: &[u64]) {
    into.iter_mut().zip(from).for_each(|(sum, n)| *sum += n);
}

/// One more of `name`.
pub fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(n) = counts.get_mut(name) {
        *n += 1;
    } else {
        counts.insert(name.to_owned(), 1);
    }
}
