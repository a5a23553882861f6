//! Pruning: of each pair of variants in a window whose r2 is above a threshold one is dropped, until no such pair is left.
//!
//! The order of comparisons is part of the result. It is that of PLINK's `--indep-pairwise` (Purcell 2007; Chang 2015), so the kept
//! variants are the same: each variant of the window in turn is compared with those after it up to the first pair above the
//! threshold; the variant with the more common major allele is dropped, of equals the second; after the last variant a next
//! pass begins, until a pass drops nothing. Pairs that were compared in one window are not compared again in the next.

use super::{Variant, Window, in_chunks};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::stats::block::{Block, Site};
use crate::stats::selection::Selection;
use crate::stats::source::Source;
use crate::stats::tables::frame;
use polars::prelude::{Column, DataFrame};
use std::collections::{HashSet, VecDeque};

/// Relative slack of comparisons of floating numbers, 2^-44 as in PLINK.
const SLACK: f64 = 1.0 + 1.0 / (1u64 << 44) as f64;

/// How to prune.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pruning {
    /// What is compared.
    pub window: Window,
    /// By how many variants a window of variants moves on.
    pub step: usize,
    /// The largest r2 that stays.
    pub max_r2: f64,
}

/// Kept variants, and how many there were.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// `variant_id`, contig, pos, ref, alt of the kept ones.
    pub kept: DataFrame,
    /// Variants that were looked at.
    pub n_variants: u64,
}

/// Prunes a selection. Memory: the window, and the kept sites.
pub fn prune(dataset: &Dataset, selection: &Selection, pruning: Pruning) -> Result<Pruned> {
    let mut pruner = Pruner::new(pruning);
    let mut sites: Vec<Site> = Vec::new();
    let mut n_variants = 0;
    let mut dropped = HashSet::new();
    Source::new(dataset, selection)?.run(Ok, |block: Block| {
        n_variants += block.len() as u64;
        in_chunks(&block, |chunk| {
            chunk.into_iter().for_each(|variant| pruner.push(variant));
            Ok(())
        })?;
        dropped.extend(pruner.dropped.drain(..));
        sites.extend(block.sites);
        sites.retain(|site| !dropped.contains(&site.variant_id));
        Ok(())
    })?;
    pruner.end_contig();
    dropped.extend(pruner.dropped.drain(..));
    sites.retain(|site| !dropped.contains(&site.variant_id));
    Ok(Pruned { kept: kept_frame(dataset, &sites)?, n_variants })
}

fn kept_frame(dataset: &Dataset, sites: &[Site]) -> Result<DataFrame> {
    let contigs = &dataset.manifest().contigs;
    let texts = |of: &dyn Fn(&Site) -> String| sites.iter().map(of).collect::<Vec<_>>();
    frame(vec![
        Column::new("variant_id".into(), sites.iter().map(|site| site.variant_id).collect::<Vec<_>>()),
        Column::new("contig".into(), texts(&|site| contigs[site.contig as usize].name.clone())),
        Column::new("pos".into(), sites.iter().map(|site| site.pos).collect::<Vec<_>>()),
        Column::new("ref".into(), texts(&|site| site.ref_allele.to_string())),
        Column::new("alt".into(), texts(&|site| site.alt_allele.to_string())),
    ])
}

/// A variant in the window.
struct Entry {
    variant: Variant,
    /// Rank on the contig.
    rank: usize,
    /// Those with this rank and more were not compared with it.
    next_unchecked: usize,
    is_dropped: bool,
}

/// Windows that slide over variants in order.
struct Pruner {
    pruning: Pruning,
    contig: Option<u32>,
    /// Positions of all variants of the window, dropped or not; the rank of the first.
    positions: VecDeque<i32>,
    first_rank: usize,
    /// Those that are not dropped.
    entries: Vec<Entry>,
    /// Identifiers.
    dropped: Vec<i64>,
}

impl Pruner {
    fn new(pruning: Pruning) -> Pruner {
        Pruner {
            pruning,
            contig: None,
            positions: VecDeque::new(),
            first_rank: 0,
            entries: Vec::new(),
            dropped: Vec::new(),
        }
    }

    fn end_rank(&self) -> usize {
        self.first_rank + self.positions.len()
    }

    fn push(&mut self, variant: Variant) {
        if self.contig != Some(variant.contig) {
            self.end_contig();
            self.contig = Some(variant.contig);
        }
        self.make_room(variant.pos);
        let rank = self.end_rank();
        self.positions.push_back(variant.pos);
        match variant.planes.is_constant() {
            true => self.dropped.push(variant.variant_id),
            false => self.entries.push(Entry { variant, rank, next_unchecked: rank + 1, is_dropped: false }),
        }
    }

    /// Ends the window, and begins the next, where a variant at `pos` does not fit into it.
    fn make_room(&mut self, pos: i32) {
        let Some(&first) = self.positions.front() else { return };
        let n_gone = match self.pruning.window {
            Window::Bp(most) if i64::from(pos) - i64::from(first) > most => {
                self.positions.partition_point(|&other| i64::from(other) + most < i64::from(pos))
            }
            Window::Variants(n) if self.positions.len() >= n => self.pruning.step,
            _ => return,
        };
        self.compare();
        self.positions.drain(..n_gone);
        self.first_rank += n_gone;
        self.entries.retain(|entry| entry.rank >= self.first_rank);
    }

    fn end_contig(&mut self) {
        self.compare();
        self.positions.clear();
        self.entries.clear();
        self.first_rank = 0;
    }

    /// Compares the variants of the window until nothing is to be dropped.
    fn compare(&mut self) {
        while self.pass() {}
        let dropped = self.entries.iter().filter(|entry| entry.is_dropped);
        self.dropped.extend(dropped.map(|entry| entry.variant.variant_id));
        self.entries.retain(|entry| !entry.is_dropped);
    }

    /// One pass; whether it dropped any.
    fn pass(&mut self) -> bool {
        let mut any = false;
        for first in 0..self.entries.len() {
            if !self.entries[first].is_dropped {
                any |= self.compare_with_next(first);
            }
        }
        any
    }

    /// Compares a variant with those after it up to the first pair above the threshold; whether there was one.
    fn compare_with_next(&mut self, first: usize) -> bool {
        let unchecked = self.entries[first].next_unchecked;
        for second in first + 1..self.entries.len() {
            let (own, other) = (&self.entries[first], &self.entries[second]);
            if other.is_dropped || other.rank < unchecked || !self.is_above(&own.variant, &other.variant) {
                continue;
            }
            if own.variant.major_af > other.variant.major_af * SLACK {
                self.entries[first].is_dropped = true;
            } else {
                self.entries[second].is_dropped = true;
                let rest = self.entries[second + 1..].iter().find(|entry| !entry.is_dropped);
                self.entries[first].next_unchecked = rest.map_or(self.end_rank(), |entry| entry.rank);
            }
            return true;
        }
        self.entries[first].next_unchecked = self.end_rank();
        false
    }

    fn is_above(&self, a: &Variant, b: &Variant) -> bool {
        let moments = a.planes.moments(&b.planes);
        moments.covariance * moments.covariance > self.pruning.max_r2 * SLACK * moments.variance_a * moments.variance_b
    }
}

#[cfg(test)]
mod tests {
    use super::super::planes::tests::planes;
    use super::*;

    fn dropped(pruning: Pruning, variants: &[(i32, f64, Vec<Option<u8>>)]) -> Vec<i64> {
        let made = planes(&variants.iter().map(|(_, _, copies)| copies.clone()).collect::<Vec<_>>());
        let mut pruner = Pruner::new(pruning);
        for (at, ((pos, major_af, _), planes)) in variants.iter().zip(made).enumerate() {
            pruner.push(Variant { variant_id: at as i64, contig: 0, pos: *pos, major_af: *major_af, planes });
        }
        pruner.end_contig();
        pruner.dropped.sort_unstable();
        pruner.dropped
    }

    #[test]
    fn the_rarer_minor_allele_goes() {
        let copies = |text: &str| text.bytes().map(|byte| Some(byte - b'0')).collect::<Vec<_>>();
        let (a, b) = (copies("001122"), copies("210012"));
        let variants =
            [(10, 0.6, a.clone()), (20, 0.5, a.clone()), (30, 0.5, b), (40, 1.0, copies("000000")), (2000, 0.5, a)];
        let pruning = |window| Pruning { window, step: 1, max_r2: 0.5 };
        assert_eq!(dropped(pruning(Window::Bp(1000)), &variants), [0, 3]);
        // of equals the second
        assert_eq!(dropped(pruning(Window::Bp(10_000)), &variants), [0, 3, 4]);
        assert_eq!(dropped(pruning(Window::Variants(2)), &variants), [0, 3]);
    }
}
