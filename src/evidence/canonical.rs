//! The blocks of one sample brought into one form: what is said of each base once, in as few blocks as can be.
//!
//! Blocks come sorted by start, and leave cut at the grid ([`GRID_BP`]), each cell by itself:
//! 1. of blocks over one base the one with the least GQ holds (none counts as least; then the least of the other values);
//! 2. neighbours that say the same become one;
//! 3. of files that speak base by base ([`Canonical::bands`]), neighbours of one genotype, filter and GQ band become one,
//!    with the least GQ, MIN_DP and PL, and the median of DP, as HaplotypeCaller bands them.
//!
//! The result is a function of what is said of each base, so it does not matter where the input splits its blocks.

use crate::decode::gvcf::{Block, FilterNames, MISSING, NO_FILTER};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Lowest GQ of each band but the narrow ones: HaplotypeCaller bands one by one to 60, then by these.
const WIDE_BANDS: [i32; 4] = [70, 80, 90, 99];
/// Up to this GQ every value is a band of its own.
const NARROW_BANDS_END: i32 = 60;

/// The band of a GQ.
fn band(gq: i32) -> i32 {
    if gq < NARROW_BANDS_END {
        return gq;
    }
    WIDE_BANDS.iter().rev().copied().find(|&low| gq >= low).unwrap_or(NARROW_BANDS_END)
}

/// The blocks of one sample within one cell of the grid.
#[derive(Debug, Default)]
pub struct Canonical {
    /// The file speaks base by base: see the module.
    pub bands: bool,
    /// What is said of the bases before the cluster, open to be continued.
    open: Option<Block>,
    /// Depths of the bases of `open` and how many have each, when it is a band of several.
    depths: BTreeMap<i32, i64>,
    /// The last block and those that overlap it, sorted by start: another one may hold in their place.
    cluster: Vec<Block>,
    cluster_end: i32,
    /// Where the block that was cut last goes on, cell by cell.
    beyond: Vec<Block>,
}

impl Canonical {
    /// For one sample.
    pub fn new(bands: bool) -> Self {
        Canonical { bands, ..Canonical::default() }
    }

    /// Whether a block reaches into a later cell.
    pub fn reaches_beyond(&self) -> bool {
        !self.beyond.is_empty()
    }

    /// Begins the next cell, whose last base is `cell_end`, with what reaches into it. Cells must follow each other while
    /// [`Canonical::reaches_beyond`].
    pub fn start_cell(&mut self, cell_end: i32, names: &FilterNames, take: &mut impl FnMut(Block)) {
        for block in std::mem::take(&mut self.beyond) {
            self.push(block, cell_end, names, take);
        }
    }

    /// Takes in the next block, which begins in the cell (or behind it: then it waits). Blocks that nothing can change any more go to `take`.
    #[inline]
    pub fn push(&mut self, block: Block, cell_end: i32, names: &FilterNames, take: &mut impl FnMut(Block)) {
        let mut block = block;
        if block.end > cell_end {
            self.beyond.push(Block { start: block.start.max(cell_end + 1), ..block });
            if block.start > cell_end {
                return;
            }
            block.end = cell_end;
        }
        if block.start <= self.cluster_end && !self.cluster.is_empty() {
            self.cluster_end = self.cluster_end.max(block.end);
            self.cluster.push(block);
            return;
        }
        if let [single] = self.cluster[..] {
            self.put(single, take);
            self.cluster[0] = block;
        } else {
            self.resolve(names, take);
            self.cluster.push(block);
        }
        self.cluster_end = block.end;
    }

    /// Ends the cell: everything goes to `take`.
    pub fn end_cell(&mut self, names: &FilterNames, take: &mut impl FnMut(Block)) {
        self.resolve(names, take);
        self.close(take);
    }

    #[inline]
    fn put(&mut self, block: Block, take: &mut impl FnMut(Block)) {
        if let Some(open) = &mut self.open {
            if open.end + 1 == block.start {
                if self.bands {
                    if self.put_into_band(&block) {
                        return;
                    }
                } else if open.says_the_same(&block) {
                    open.end = block.end;
                    return;
                }
            }
            self.close(take);
        }
        self.open = Some(block);
    }

    /// Says what holds of each base of the cluster.
    fn resolve(&mut self, names: &FilterNames, take: &mut impl FnMut(Block)) {
        let mut cluster = std::mem::take(&mut self.cluster);
        match cluster[..] {
            [] => {}
            [block] => self.put(block, take),
            _ => lowest(&cluster, names).into_iter().for_each(|block| self.put(block, take)),
        }
        cluster.clear();
        self.cluster = cluster;
    }

    fn close(&mut self, take: &mut impl FnMut(Block)) {
        self.flatten();
        if let Some(open) = self.open.take() {
            take(open);
        }
    }

    /// Adds a block to the open band; false: it is of another one.
    fn put_into_band(&mut self, block: &Block) -> bool {
        let Some(open) = &mut self.open else { return false };
        if open.gt != block.gt || open.filter != block.filter || band(open.gq) != band(block.gq) {
            return false;
        }
        if !open.says_the_same(block) && self.depths.is_empty() {
            self.depths.insert(open.dp, i64::from(open.end - open.start + 1));
        }
        if !self.depths.is_empty() {
            *self.depths.entry(block.dp).or_default() += i64::from(block.end - block.start + 1);
        }
        let least = |a: i32, b: i32| if a == MISSING || b == MISSING { MISSING } else { a.min(b) };
        open.gq = least(open.gq, block.gq);
        open.min_dp = least(open.min_dp, block.min_dp);
        open.pl = std::array::from_fn(|i| least(open.pl[i], block.pl[i]));
        open.end = block.end;
        true
    }

    /// Gives the open band the median of its depths.
    fn flatten(&mut self) {
        if self.depths.is_empty() {
            return;
        }
        if let Some(open) = &mut self.open {
            open.dp = median(&self.depths);
        }
        self.depths.clear();
    }
}

/// The median of values with how often each is there; the mean of the middle two, halves up, as HaplotypeCaller rounds.
fn median(counts: &BTreeMap<i32, i64>) -> i32 {
    if counts.contains_key(&MISSING) {
        return MISSING;
    }
    let n: i64 = counts.values().sum();
    let at = |rank: i64| {
        let mut before = 0;
        let found = counts.iter().find(|entry| {
            before += *entry.1;
            rank < before
        });
        found.map_or(MISSING, |(&value, _)| value)
    };
    (at((n - 1) / 2) + at(n / 2) + 1) / 2
}

/// Of blocks that overlap (sorted by start), the one that holds at each base, in pieces as long as can be.
fn lowest(cluster: &[Block], names: &FilterNames) -> Vec<Block> {
    let mut borders: Vec<i32> = cluster.iter().flat_map(|block| [block.start, block.end + 1]).collect();
    borders.sort_unstable();
    borders.dedup();
    let mut found: Vec<Block> = Vec::new();
    let (mut active, mut next): (Vec<Block>, usize) = (Vec::new(), 0);
    for pair in borders.windows(2) {
        let (start, end) = (pair[0], pair[1] - 1);
        active.retain(|block| block.end >= start);
        while let Some(&block) = cluster.get(next).filter(|block| block.start <= start) {
            // a sorted list, so that the one that holds stands first
            let at = active.partition_point(|other| compare(other, &block, names) == Ordering::Less);
            active.insert(at, block);
            next += 1;
        }
        let Some(&first) = active.first() else { continue };
        found.push(Block { start, end, ..first });
    }
    found
}

/// Which of two blocks over one base holds: the lesser.
fn compare(a: &Block, b: &Block, names: &FilterNames) -> Ordering {
    let filter = |block: &Block| (block.filter != NO_FILTER).then(|| names.names().get(usize::from(block.filter)));
    let key = |block: &Block| (block.gq, block.pl, block.min_dp, block.dp, block.gt);
    key(a).cmp(&key(b)).then_with(|| filter(a).cmp(&filter(b)))
}

#[cfg(test)]
mod tests {
    use super::super::{cell_end, grid_cell};
    use super::*;
    use crate::decode::gvcf::BlockGt;
    use proptest::prelude::*;

    /// The blocks of one sample through the grid.
    fn canonical(blocks: &[Block], bands: bool) -> Vec<Block> {
        let names = FilterNames::default();
        let mut sample = Canonical::new(bands);
        let mut found = Vec::new();
        let mut blocks = blocks.iter().peekable();
        let mut cell = 0;
        while blocks.peek().is_some() || sample.reaches_beyond() {
            let end = cell_end(cell);
            sample.start_cell(end, &names, &mut |block| found.push(block));
            while let Some(&block) = blocks.next_if(|block| block.start <= end) {
                sample.push(block, end, &names, &mut |block| found.push(block));
            }
            sample.end_cell(&names, &mut |block| found.push(block));
            cell += 1;
        }
        found
    }

    fn block(start: i32, end: i32, gq: i32, dp: i32) -> Block {
        let gt = if gq == 0 { BlockGt::NoCall } else { BlockGt::HomRef };
        Block { start, end, gq, min_dp: dp, dp, pl: [0, gq, 10 * gq], gt, filter: NO_FILTER }
    }

    fn spans(blocks: &[Block]) -> Vec<(i32, i32, i32, i32)> {
        blocks.iter().map(|block| (block.start, block.end, block.gq, block.dp)).collect()
    }

    #[test]
    fn overlaps_neighbours_and_the_grid() {
        let lowest = canonical(&[block(1, 10, 30, 5), block(5, 7, 20, 5), block(8, 12, 30, 5)], false);
        assert_eq!(spans(&lowest), [(1, 4, 30, 5), (5, 7, 20, 5), (8, 12, 30, 5)]);
        let inside = canonical(&[block(1, 10, 20, 5), block(5, 7, 30, 5), block(11, 12, 20, 5)], false);
        assert_eq!(spans(&inside), [(1, 12, 20, 5)]);
        let cut = canonical(&[block(65_000, 140_000, 20, 5), block(140_001, 140_002, 20, 5)], false);
        assert_eq!(spans(&cut), [(65_000, 65_536, 20, 5), (65_537, 131_072, 20, 5), (131_073, 140_002, 20, 5)]);
    }

    #[test]
    fn bases_are_banded_as_haplotype_caller_does() {
        let bases: Vec<Block> = [(9, 3), (15, 5), (15, 6), (15, 8), (70, 20), (79, 25), (80, 25), (99, 9), (99, 10)]
            .iter()
            .enumerate()
            .map(|(i, &(gq, dp))| block(i as i32 + 1, i as i32 + 1, gq, dp))
            .collect();
        let banded = canonical(&bases, true);
        assert_eq!(spans(&banded), [(1, 1, 9, 3), (2, 4, 15, 6), (5, 6, 70, 23), (7, 7, 80, 25), (8, 9, 99, 10)]);
        assert_eq!((banded[1].min_dp, banded[1].pl), (5, [0, 15, 150]));
        assert_eq!(spans(&canonical(&bases, false)).len(), 9);
    }

    const LAST: i32 = 70_000;

    fn some_blocks() -> impl Strategy<Value = Vec<Block>> {
        let near_grid = prop_oneof![1..40i32, 65_520..65_560i32];
        let one = (near_grid, prop_oneof![1..6i32, 1..30i32, 65_500..65_560i32], 0..4i32, 0..3i32);
        proptest::collection::vec(one, 0..30).prop_map(|found| {
            let mut blocks: Vec<Block> = found
                .into_iter()
                .map(|(start, length, gq, dp)| block(start, (start + length - 1).min(LAST + 65_000), gq, dp))
                .collect();
            blocks.sort_by_key(|block| block.start);
            blocks
        })
    }

    /// What holds at a base, by definition.
    fn at(blocks: &[Block], base: i32) -> Option<Block> {
        let names = FilterNames::default();
        let over = blocks.iter().filter(|block| (block.start..=block.end).contains(&base));
        over.min_by(|a, b| compare(a, b, &names)).copied()
    }

    proptest! {
        #[test]
        fn every_base_is_said_once_and_as_defined(blocks in some_blocks()) {
            let found = canonical(&blocks, false);
            for pair in found.windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
                let touch = pair[0].end + 1 == pair[1].start && grid_cell(pair[0].end) == grid_cell(pair[1].start);
                prop_assert!(!(touch && pair[0].says_the_same(&pair[1])));
            }
            for block in &found {
                prop_assert_eq!(grid_cell(block.start), grid_cell(block.end));
            }
            for base in (1..100).chain(65_500..65_700).chain(131_000..131_150) {
                let (said, wanted) = (at(&found, base), at(&blocks, base));
                prop_assert_eq!(said.is_some(), wanted.is_some());
                prop_assert!(said.is_none_or(|said| wanted.is_some_and(|wanted| said.says_the_same(&wanted))));
            }
        }

        #[test]
        fn splitting_blocks_changes_nothing(blocks in some_blocks(), cuts in proptest::collection::vec(1..140_000i32, 0..20), bands: bool) {
            let mut split: Vec<Block> = Vec::new();
            for block in &blocks {
                let mut start = block.start;
                let mut ends: Vec<i32> = cuts.iter().copied().filter(|cut| (start..block.end).contains(cut)).collect();
                ends.push(block.end);
                ends.sort_unstable();
                ends.dedup();
                for end in ends {
                    split.push(Block { start, end, ..*block });
                    start = end + 1;
                }
            }
            split.sort_by_key(|block| block.start);
            prop_assert_eq!(canonical(&split, bands), canonical(&blocks, bands));
        }
    }
}
