//! Variants and missing calls along the genome.

use serde::Serialize;
use std::collections::BTreeMap;

/// Widths of bins in bp; each divides the next.
const WIDTHS: [u32; 9] = [1_000, 2_000, 10_000, 20_000, 100_000, 200_000, 1_000_000, 2_000_000, 10_000_000];
/// Bins for one contig, and for each further one.
const MOST_BINS: (usize, usize) = (400, 120);
/// Contigs that add to the bins.
const MOST_CONTIGS: usize = 25;

/// Variants, and missing calls of them, in bins as wide as needed to have not too many.
#[derive(Clone, Debug, Default)]
pub struct Track {
    level: usize,
    /// By contig index and bin.
    bins: BTreeMap<(u32, u32), (u64, u64)>,
}

/// Bins of one contig that are not empty.
#[derive(Clone, Debug, Serialize)]
pub struct ContigBins {
    name: String,
    length: Option<u64>,
    /// Number of the bin: it begins at `bin * width + 1`.
    bin: Vec<u32>,
    n: Vec<u64>,
    /// Missing calls.
    missing: Vec<u64>,
}

/// The track as the page has it.
#[derive(Clone, Debug, Serialize)]
pub struct TrackBins {
    /// Base pairs of a bin.
    pub width: u32,
    /// Contigs with variants.
    pub contigs: Vec<ContigBins>,
}

impl Track {
    /// Adds one variant.
    pub fn add(&mut self, contig: u32, vcf_pos: i32, n_missing: u64) {
        let bin = (vcf_pos.max(1) - 1) as u32 / WIDTHS[self.level];
        let found = self.bins.entry((contig, bin)).or_default();
        found.0 += 1;
        found.1 += n_missing;
        self.settle();
    }

    /// Adds the variants of another part.
    pub fn merge(&mut self, mut other: Track) {
        let level = self.level.max(other.level);
        self.coarsen(level);
        other.coarsen(level);
        for (key, (n, missing)) in other.bins {
            let found = self.bins.entry(key).or_default();
            found.0 += n;
            found.1 += missing;
        }
        self.settle();
    }

    fn settle(&mut self) {
        while self.bins.len() > MOST_BINS.0 && self.bins.len() > self.most() && self.level + 1 < WIDTHS.len() {
            self.coarsen(self.level + 1);
        }
    }

    fn most(&self) -> usize {
        let mut contigs = self.bins.keys().map(|(contig, _)| contig).collect::<Vec<_>>();
        contigs.dedup();
        MOST_BINS.0 + MOST_BINS.1 * (contigs.len().min(MOST_CONTIGS) - 1)
    }

    fn coarsen(&mut self, level: usize) {
        let ratio = WIDTHS[level] / WIDTHS[self.level];
        self.level = level;
        if ratio > 1 {
            for ((contig, bin), (n, missing)) in std::mem::take(&mut self.bins) {
                let found = self.bins.entry((contig, bin / ratio)).or_default();
                found.0 += n;
                found.1 += missing;
            }
        }
    }

    /// For the page; `contigs`: name and length by index.
    pub fn finish(&self, contigs: &[(String, Option<u64>)]) -> TrackBins {
        let mut found: Vec<ContigBins> = Vec::new();
        let mut last = None;
        for (&(contig, bin), &(n, missing)) in &self.bins {
            if last != Some(contig) {
                let (name, length) = contigs[contig as usize].clone();
                found.push(ContigBins { name, length, bin: Vec::new(), n: Vec::new(), missing: Vec::new() });
                last = Some(contig);
            }
            let at = found.last_mut().expect("just begun");
            at.bin.push(bin);
            at.n.push(n);
            at.missing.push(missing);
        }
        TrackBins { width: WIDTHS[self.level], contigs: found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_the_same_for_any_parts() {
        let positions: Vec<i32> = (0..5_000).map(|at| 1 + at * 7_919 % 40_000_000).collect();
        let mut whole = Track::default();
        let mut parts = [Track::default(), Track::default(), Track::default()];
        for (at, &pos) in positions.iter().enumerate() {
            whole.add(0, pos, 1);
            parts[at % 3].add(0, pos, 1);
        }
        let [mut merged, second, third] = parts;
        merged.merge(second);
        merged.merge(third);
        assert_eq!((whole.level, &whole.bins), (merged.level, &merged.bins));
        assert!(whole.bins.len() <= 400, "{}", whole.bins.len());
        assert_eq!(whole.bins.values().map(|bin| bin.0).sum::<u64>(), 5_000);
    }
}
