//! How many samples are in which reference block, base by base: a sweep over the blocks of a range.
//!
//! Sites ask in ascending order. A block that covers no site costs two comparisons; every other one is entered once, at the
//! first site that it covers, and left once, so a sweep is O(blocks x log sites).

use super::reason::Reason;
use crate::decode::gvcf::evidence::{Blocks, MISSING};
use std::collections::HashMap;

/// What samples with equal blocks have in common: all that the statistics of a site need to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockClass {
    /// Copies of the genotype.
    pub ploidy: u8,
    /// Why it is no call; `None`: it is the reference.
    pub reason: Option<Reason>,
    /// Likelihoods of no, one and two (haploid: of no, none and one) copies that are not the reference, where known.
    pub pl: Option<[u32; 3]>,
    /// GQ, where known.
    pub gq: Option<u32>,
    /// Sex group of the sample, where copies depend on it.
    pub sex_group: u8,
}

/// Least reads and GQ of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockThresholds {
    /// Least MIN_DP (or DP).
    pub min_dp: u32,
    /// Least GQ.
    pub min_gq: u32,
}

/// Bins of the histograms of DP and GQ, as gnomAD has them: 20 bins of 5, the last one open.
pub const N_BINS: usize = 20;
/// Width of a bin.
pub const BIN_WIDTH: u32 = 5;

/// The bin of a value.
pub fn bin(value: u32) -> usize {
    ((value / BIN_WIDTH) as usize).min(N_BINS - 1)
}

/// Sums over the samples that are called reference by a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockSums {
    /// DP (MIN_DP where a block has no DP).
    pub dp: i64,
    /// Histogram of DP.
    pub dp_bins: [i64; N_BINS],
    /// Histogram of GQ.
    pub gq_bins: [i64; N_BINS],
}

impl BlockSums {
    /// Adds a sample's values `n` times (-1: takes them away).
    pub fn add(&mut self, dp: Option<u32>, gq: Option<u32>, n: i64) {
        if let Some(dp) = dp {
            self.dp += i64::from(dp) * n;
            self.dp_bins[bin(dp)] += n;
        }
        if let Some(gq) = gq {
            self.gq_bins[bin(gq)] += n;
        }
    }
}

const NONE: u32 = u32::MAX;

/// Blocks by site: those of site `i` are `blocks[ends[i - 1]..ends[i]]`.
#[derive(Default)]
struct Turns {
    blocks: Vec<u32>,
    ends: Vec<u32>,
}

impl Turns {
    /// `of_block`: sites and blocks, blocks in any order.
    fn new(of_block: &[(u32, u32)], n_sites: usize) -> Turns {
        let mut ends = vec![0u32; n_sites + 1];
        for &(site, _) in of_block {
            ends[site as usize + 1] += 1;
        }
        for i in 1..ends.len() {
            ends[i] += ends[i - 1];
        }
        let mut blocks = vec![0; of_block.len()];
        for &(site, block) in of_block {
            // the end of the site before is where the next block of this one goes
            let place = &mut ends[site as usize];
            blocks[*place as usize] = block;
            *place += 1;
        }
        Turns { blocks, ends }
    }

    fn of(&self, site: usize) -> std::ops::Range<usize> {
        let start = if site == 0 { 0 } else { self.ends[site - 1] };
        start as usize..self.ends[site] as usize
    }
}

/// What a class follows from: PL, GQ, and genotype, sex group and whether there are too few reads.
type Values = [i32; 5];

/// Values that no block has.
const NO_VALUES: Values = [i32::MIN; 5];
/// Classes that are found by the hash of their values, as bits.
const KNOWN_BITS: u32 = 12;

/// A place among the known classes.
fn place_of(values: &Values) -> usize {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, &value: &i32| (hash.rotate_left(5) ^ u64::from(value as u32)).wrapping_mul(FACTOR);
    (values.iter().fold(0, mix) >> (u64::BITS - KNOWN_BITS)) as usize
}

/// The state of all samples at one base after the other.
pub struct Census<'a> {
    blocks: &'a Blocks,
    thresholds: BlockThresholds,
    sex_groups: &'a [u8],
    sites: Vec<i32>,
    /// The first site that was not asked for yet.
    next_site: usize,
    /// Blocks by the first site that they cover, and by the first one behind them.
    entering: Turns,
    leaving: Turns,
    /// Block of each sample at the base, or [`NONE`].
    current: Vec<u32>,
    /// Class of that block.
    current_class: Vec<u32>,
    /// Bit per sample: called reference by a block.
    called: Vec<u64>,
    classes: Vec<BlockClass>,
    class_numbers: HashMap<BlockClass, u32>,
    /// Classes of values that were looked up before, by their hash.
    known_classes: Vec<(Values, u32)>,
    counts: Vec<u32>,
    /// Classes with a count, in no order, and where each stands there.
    present: Vec<u32>,
    place: Vec<u32>,
    sums: BlockSums,
}

impl<'a> Census<'a> {
    /// Over the blocks of one contig. `sites`: positions that will be asked for, ascending. `sex_groups`: one per
    /// sample, or empty where copies do not depend on the sex.
    pub fn new(
        blocks: &'a Blocks,
        n_samples: usize,
        sites: &[i32],
        thresholds: BlockThresholds,
        sex_groups: &'a [u8],
    ) -> Self {
        let (entering, leaving) = turns(blocks, sites);
        Census {
            blocks,
            thresholds,
            sex_groups,
            sites: sites.to_vec(),
            next_site: 0,
            entering,
            leaving,
            current: vec![NONE; n_samples],
            current_class: vec![NONE; n_samples],
            called: vec![0; n_samples.div_ceil(64)],
            classes: Vec::new(),
            class_numbers: HashMap::new(),
            known_classes: vec![(NO_VALUES, 0); 1 << KNOWN_BITS],
            counts: Vec::new(),
            present: Vec::new(),
            place: Vec::new(),
            sums: BlockSums::default(),
        }
    }

    /// Goes on to one of the sites, not before the last one.
    pub fn advance(&mut self, vcf_pos: i32) {
        while self.sites.get(self.next_site).is_some_and(|&site| site <= vcf_pos) {
            for turn in self.leaving.of(self.next_site) {
                let block = self.leaving.blocks[turn];
                let sample = self.blocks.sample[block as usize] as usize;
                if self.current[sample] == block {
                    self.leave(sample);
                }
            }
            for turn in self.entering.of(self.next_site) {
                self.enter(self.entering.blocks[turn]);
            }
            self.next_site += 1;
        }
    }

    fn enter(&mut self, block: u32) {
        let at = block as usize;
        let sample = self.blocks.sample[at] as usize;
        if self.current[sample] != NONE {
            self.leave(sample);
        }
        let class = self.class_of(at);
        self.current[sample] = block;
        self.current_class[sample] = class;
        if self.counts[class as usize] == 0 {
            self.place[class as usize] = self.present.len() as u32;
            self.present.push(class);
        }
        self.counts[class as usize] += 1;
        if self.classes[class as usize].reason.is_none() {
            self.called[sample / 64] |= 1 << (sample % 64);
            self.sums.add(self.dp(at), known(self.blocks.gq[at]), 1);
        }
    }

    fn leave(&mut self, sample: usize) {
        let (block, class) = (self.current[sample] as usize, self.current_class[sample]);
        self.current[sample] = NONE;
        self.counts[class as usize] -= 1;
        if self.counts[class as usize] == 0 {
            let place = self.place[class as usize] as usize;
            self.present.swap_remove(place);
            if let Some(&moved) = self.present.get(place) {
                self.place[moved as usize] = place as u32;
            }
        }
        if self.classes[class as usize].reason.is_none() {
            self.called[sample / 64] &= !(1 << (sample % 64));
            self.sums.add(self.dp(block), known(self.blocks.gq[block]), -1);
        }
    }

    fn class_of(&mut self, block: usize) -> u32 {
        let blocks = self.blocks;
        let sex_group = self.sex_groups.get(blocks.sample[block] as usize).copied().unwrap_or_default();
        let [a, b, c] = blocks.pl[block];
        let kind = i32::from(blocks.gt[block]) << 9 | i32::from(sex_group) << 1 | i32::from(self.has_few_reads(block));
        let values = [a, b, c, blocks.gq[block], kind];
        let place = place_of(&values);
        let (known, number) = self.known_classes[place];
        if known == values {
            return number;
        }
        let number = self.new_class(block, sex_group);
        self.known_classes[place] = (values, number);
        number
    }

    fn new_class(&mut self, block: usize, sex_group: u8) -> u32 {
        let class = self.describe(block, sex_group);
        if let Some(&number) = self.class_numbers.get(&class) {
            return number;
        }
        let number = self.classes.len() as u32;
        self.classes.push(class.clone());
        self.class_numbers.insert(class, number);
        self.counts.push(0);
        self.place.push(0);
        number
    }

    fn describe(&self, block: usize, sex_group: u8) -> BlockClass {
        let blocks = self.blocks;
        let gt = &blocks.gts[usize::from(blocks.gt[block])];
        let ploidy = 1 + gt.bytes().filter(|byte| matches!(byte, b'/' | b'|')).count() as u8;
        let gq = known(blocks.gq[block]);
        let pl = block_pl(blocks.pl[block], ploidy, gq);
        let reason = if gt.contains('.') { Some(Reason::InputNoCall) } else { self.reason(block, gq, pl) };
        BlockClass { ploidy, reason, pl, gq, sex_group }
    }

    fn reason(&self, block: usize, gq: Option<u32>, pl: Option<[u32; 3]>) -> Option<Reason> {
        if self.has_few_reads(block) {
            return Some(Reason::Depth);
        }
        if pl == Some([0; 3]) || gq.is_some_and(|gq| gq < self.thresholds.min_gq) {
            return Some(Reason::Quality);
        }
        None
    }

    fn has_few_reads(&self, block: usize) -> bool {
        let depth = known(self.blocks.min_dp[block]).or(known(self.blocks.dp[block]));
        depth.is_some_and(|depth| depth < self.thresholds.min_dp)
    }

    fn dp(&self, block: usize) -> Option<u32> {
        known(self.blocks.dp[block]).or(known(self.blocks.min_dp[block]))
    }

    /// Classes of all samples that a block covers, in the order of their values, with how many samples have each.
    pub fn classes(&self) -> Vec<(&BlockClass, u32)> {
        let mut found: Vec<(&BlockClass, u32)> =
            self.present.iter().map(|&class| (&self.classes[class as usize], self.counts[class as usize])).collect();
        found.sort_unstable_by(|a, b| a.0.cmp(b.0));
        found
    }

    /// Sums over the samples that blocks call reference.
    pub fn sums(&self) -> &BlockSums {
        &self.sums
    }

    /// The class of a sample's block.
    pub fn class(&self, sample: u32) -> Option<&BlockClass> {
        let sample = sample as usize;
        (self.current[sample] != NONE).then(|| &self.classes[self.current_class[sample] as usize])
    }

    /// DP and GQ of a sample's block.
    pub fn depth_and_quality(&self, sample: u32) -> (Option<u32>, Option<u32>) {
        let block = self.current[sample as usize];
        if block == NONE {
            return (None, None);
        }
        (self.dp(block as usize), known(self.blocks.gq[block as usize]))
    }

    /// Index of a sample's block.
    pub fn block(&self, sample: u32) -> Option<usize> {
        let block = self.current[sample as usize];
        (block != NONE).then_some(block as usize)
    }

    /// Samples that no block calls reference, ascending.
    pub fn not_reference(&self) -> impl Iterator<Item = u32> + '_ {
        let n_samples = self.current.len();
        self.called.iter().enumerate().flat_map(move |(word, &bits)| {
            let mut left = !bits;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                if bit == 64 || word * 64 + bit >= n_samples {
                    return None;
                }
                left &= left - 1;
                Some((word * 64 + bit) as u32)
            })
        })
    }
}

/// When each block that covers a site is entered and left.
fn turns(blocks: &Blocks, sites: &[i32]) -> (Turns, Turns) {
    let (mut entering, mut leaving) = (Vec::with_capacity(blocks.len()), Vec::with_capacity(blocks.len()));
    let (mut next, mut last_start) = (0, i32::MIN);
    for (i, (&start, &length)) in blocks.start.iter().zip(&blocks.length).enumerate() {
        // sorted part by part
        if start < last_start {
            next = 0;
        }
        last_start = start;
        if next == 0 {
            next = sites.partition_point(|&site| site < start);
        }
        while sites.get(next).is_some_and(|&site| site < start) {
            next += 1;
        }
        let covers = |site: &i32| i64::from(*site) - i64::from(start) < i64::from(length);
        let n_covered = sites[next..].partition_point(covers);
        if n_covered > 0 {
            entering.push((next as u32, i as u32));
            leaving.push(((next + n_covered) as u32, i as u32));
        }
    }
    // what is left behind the last site is not left at all
    (Turns::new(&entering, sites.len()), Turns::new(&leaving, sites.len() + 1))
}

/// Likelihoods of a block: as given, else from GQ (a het GQ below the reference, a hom ten times as far: what GATK
/// takes for blocks without PL). GQ 0 alone says nothing.
fn block_pl(pl: [i32; 3], ploidy: u8, gq: Option<u32>) -> Option<[u32; 3]> {
    match pl.map(known) {
        [Some(none), Some(one), Some(two)] => Some([none, one, two]),
        [Some(none), None, Some(one)] if ploidy == 1 => Some([none, one, one]),
        _ => {
            let gq = gq.filter(|&gq| gq > 0)?;
            Some(if ploidy == 1 { [0, gq, gq] } else { [0, gq, gq.saturating_mul(10)] })
        }
    }
}

fn known(value: i32) -> Option<u32> {
    if value == MISSING { None } else { u32::try_from(value).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const THRESHOLDS: BlockThresholds = BlockThresholds { min_dp: 1, min_gq: 1 };

    fn blocks(rows: &[(u32, i32, i32, i32)]) -> Blocks {
        let mut blocks = Blocks { gts: vec!["0/0".into()], ..Blocks::default() };
        for &(sample, start, length, gq) in rows {
            blocks.sample.push(sample);
            blocks.start.push(start);
            blocks.length.push(length);
            blocks.gt.push(0);
            blocks.gq.push(gq);
            blocks.min_dp.push(10);
            blocks.dp.push(12);
            blocks.pl.push([0, gq, 10 * gq]);
        }
        blocks
    }

    #[test]
    fn no_reads_no_likelihoods_no_call() {
        let mut found = blocks(&[(0, 1, 10, 30), (1, 1, 10, 0), (2, 1, 10, 30), (3, 20, 1, 9)]);
        found.min_dp[2] = 0;
        let mut census = Census::new(&found, 5, &[5], THRESHOLDS, &[]);
        census.advance(5);
        assert_eq!(census.not_reference().collect::<Vec<_>>(), [1, 2, 3, 4]);
        let reason = |sample| census.class(sample).map(|class| class.reason);
        assert_eq!(reason(0), Some(None));
        assert_eq!(reason(1), Some(Some(Reason::Quality)));
        assert_eq!(reason(2), Some(Some(Reason::Depth)));
        assert_eq!((reason(3), reason(4)), (None, None));
        assert_eq!(census.sums().dp, 12);
    }

    proptest! {
        /// The sweep says what looking at all blocks of a base says.
        #[test]
        fn a_sweep_is_a_look_at_every_base(
            lengths in prop::collection::vec(prop::collection::vec((0i32..4, 1i32..9, 0i32..4), 0..8), 1..70),
            mut sites in prop::collection::vec(1i32..60, 0..12),
        ) {
            sites.sort_unstable();
            sites.dedup();
            let mut rows = Vec::new();
            for (sample, pieces) in lengths.iter().enumerate() {
                let mut at = 1;
                for &(gap, length, gq) in pieces {
                    at += gap;
                    rows.push((sample as u32, at, length, gq));
                    at += length;
                }
            }
            rows.sort_by_key(|row| (row.1, row.0));
            let found = blocks(&rows);
            let mut census = Census::new(&found, lengths.len(), &sites, THRESHOLDS, &[]);
            for &site in &sites {
                census.advance(site);
                let covers: Vec<_> = rows.iter().filter(|row| row.1 <= site && site < row.1 + row.2).collect();
                let called: Vec<u32> = covers.iter().filter(|row| row.3 > 0).map(|row| row.0).collect();
                let others: Vec<u32> = (0..lengths.len() as u32).filter(|sample| !called.contains(sample)).collect();
                prop_assert_eq!(census.not_reference().collect::<Vec<_>>(), others);
                let counted: u32 = census.classes().iter().map(|(_, n)| n).sum();
                prop_assert_eq!(counted as usize, covers.len());
                prop_assert_eq!(census.sums().dp, 12 * called.len() as i64);
                for (class, n) in census.classes() {
                    let same = covers.iter().filter(|row| Some(row.3 as u32) == class.gq).count();
                    prop_assert_eq!(n as usize, same);
                }
            }
        }
    }
}
