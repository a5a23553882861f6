//! KING-robust kinship of pairs of samples: Manichaikul et al. 2010, Bioinformatics 26:2867, doi:10.1093/bioinformatics/btq559,
//! the estimator between families (equation 11), as `plink2 --make-king-table` has it.
//!
//! Variants whose calls are mostly reference add to the pairs of their carriers only; all others become planes of bits, of which
//! words are counted for every pair, tile by tile. Haploid calls count as homozygous. All counts are integers, so that the number
//! of threads does not matter. Memory: 10 n^2 bytes and 3 KB for each of n samples. Time: n^2 words of 64 variants.

use super::block::{Block, Call};
use super::selection::SampleSet;
use crate::error::{Error, Result};
use polars::prelude::{DataFrame, df};
use rayon::prelude::*;

/// Words of 64 variants that are buffered before pairs are counted.
const N_WORDS: usize = 128;
/// Samples of a side of a tile.
const TILE: usize = 32;
/// A variant with at most one sample in so many that is not homozygous reference is counted by its carriers.
const SPARSE_SHARE: usize = 20;
/// Calls of such variants that are buffered.
const MAX_SPARSE: usize = 1 << 20;
/// Largest memory of the counts.
const MAX_BYTES: u64 = 64 << 30;
/// Pairs in a piece of the table.
const PIECE: usize = 1 << 18;

/// Counts of one pair, over the variants where both have a call. Some are negative while counting goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// Variants where both have a call.
    pub n_variants: i32,
    /// Both heterozygous.
    pub n_hethet: i32,
    /// Opposite homozygotes.
    pub n_ibs0: i32,
    /// First heterozygous.
    pub n_het_1: i32,
    /// Second heterozygous.
    pub n_het_2: i32,
}

impl Pair {
    /// The coefficient; `None` where one of the two has no heterozygous call.
    pub fn kinship(&self) -> Option<f64> {
        let least = self.n_het_1.min(self.n_het_2);
        let apart = 4.0 * f64::from(self.n_ibs0) + f64::from(self.n_het_1) + f64::from(self.n_het_2)
            - 2.0 * f64::from(self.n_hethet);
        (least > 0).then(|| 0.5 - apart / (4.0 * f64::from(least)))
    }

    /// Share of opposite homozygotes; `None` without a variant.
    pub fn ibs0(&self) -> Option<f64> {
        (self.n_variants > 0).then(|| f64::from(self.n_ibs0) / f64::from(self.n_variants))
    }

    /// How the two are related; `None` without a coefficient.
    pub fn relation(&self) -> Option<Relation> {
        let kinship = self.kinship()?;
        // half way, on a scale of logarithms, between what is expected of two degrees
        let closer = |degree: i32| kinship > 0.5_f64.powf(f64::from(degree) + 1.5);
        Some(match () {
            _ if closer(0) => Relation::DuplicateOrTwin,
            _ if closer(1) && f64::from(self.n_ibs0) < PARENT_IBS0 * f64::from(self.n_hethet) => Relation::ParentChild,
            _ if closer(1) => Relation::FullSibs,
            _ if closer(2) => Relation::Second,
            _ if closer(3) => Relation::Third,
            _ => Relation::Unrelated,
        })
    }

    fn add(&mut self, other: &Pair) {
        self.n_variants += other.n_variants;
        self.n_hethet += other.n_hethet;
        self.n_ibs0 += other.n_ibs0;
        self.n_het_1 += other.n_het_1;
        self.n_het_2 += other.n_het_2;
    }

    /// What a variant where both are listed adds to what the totals of the two say of it.
    fn add_listed(&mut self, one: Call, two: Call) {
        match (one, two) {
            (Call::Het, Call::Het) => self.n_hethet += 1,
            (Call::Missing, Call::Missing) => self.n_variants += 1,
            (Call::Het, Call::Missing) => self.n_het_1 -= 1,
            (Call::Missing, Call::Het) => self.n_het_2 -= 1,
            (Call::HomAlt, Call::HomAlt) => self.n_ibs0 -= 2,
            _ => self.n_ibs0 -= 1,
        }
    }
}

/// Parent and child have fewer opposite homozygotes (errors alone) than this share of the variants where both are heterozygous;
/// full sibs have `H^2/8` for `H/2 + H^2/4`, with H = 2pq: 0.07 for all variants of a population, 0.1 for common ones.
const PARENT_IBS0: f64 = 0.02;

/// Classes of pairs, the closest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// Kinship above 2^-1.5 = 0.354.
    DuplicateOrTwin,
    /// Above 2^-2.5 = 0.177, with few opposite homozygotes.
    ParentChild,
    /// Above 2^-2.5 = 0.177.
    FullSibs,
    /// Above 2^-3.5 = 0.0884.
    Second,
    /// Above 2^-4.5 = 0.0442.
    Third,
    /// Below.
    Unrelated,
}

impl Relation {
    /// Names in the table, in the order of the classes.
    pub const NAMES: [&str; 6] = ["duplicate_or_twin", "parent_child", "full_sibs", "second", "third", "unrelated"];

    fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// Calls of a sample at the buffered variants, one bit each.
#[derive(Clone)]
struct Planes {
    het: [u64; N_WORDS],
    hom_alt: [u64; N_WORDS],
    /// Either homozygote.
    hom: [u64; N_WORDS],
}

impl Planes {
    const REFERENCE: Planes = Planes { het: [0; N_WORDS], hom_alt: [0; N_WORDS], hom: [!0; N_WORDS] };

    fn set(&mut self, variant: usize, call: Call) {
        let (word, bit) = (variant / 64, 1 << (variant % 64));
        match call {
            Call::HomAlt => self.hom_alt[word] |= bit,
            Call::Het => {
                self.het[word] |= bit;
                self.hom[word] &= !bit;
            }
            _ => self.hom[word] &= !bit,
        }
    }

    /// Only the first `n` variants are there.
    fn cut(&mut self, n: usize) {
        for (word, hom) in self.hom.iter_mut().enumerate().skip(n / 64) {
            *hom &= if word == n / 64 { (1 << (n % 64)) - 1 } else { 0 };
        }
    }
}

/// Counts a pair.
type Count = fn(&Planes, &Planes) -> Pair;

#[inline(always)]
fn count_plain(one: &Planes, two: &Planes) -> Pair {
    let mut n = [0_u64; 5];
    for at in 0..N_WORDS {
        let (het_1, hom_1, het_2, hom_2) = (one.het[at], one.hom[at], two.het[at], two.hom[at]);
        let (called_1, called_2) = (het_1 | hom_1, het_2 | hom_2);
        n[0] += u64::from((called_1 & called_2).count_ones());
        n[1] += u64::from((het_1 & het_2).count_ones());
        n[2] += u64::from(((one.hom_alt[at] ^ two.hom_alt[at]) & hom_1 & hom_2).count_ones());
        n[3] += u64::from((het_1 & called_2).count_ones());
        n[4] += u64::from((called_1 & het_2).count_ones());
    }
    let [n_variants, n_hethet, n_ibs0, n_het_1, n_het_2] = n.map(|n| n as i32);
    Pair { n_variants, n_hethet, n_ibs0, n_het_1, n_het_2 }
}

/// The same function, compiled for instructions that not every processor has.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Pair, Planes, count_plain};

    #[target_feature(enable = "avx512f,avx512vpopcntdq,popcnt")]
    pub fn count_avx512(one: &Planes, two: &Planes) -> Pair {
        count_plain(one, two)
    }

    #[target_feature(enable = "avx2,popcnt")]
    pub fn count_avx2(one: &Planes, two: &Planes) -> Pair {
        count_plain(one, two)
    }
}

/// The ways of this processor, the fastest first.
fn ways() -> Vec<Count> {
    let mut ways: Vec<Count> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vpopcntdq")
            && is_x86_feature_detected!("popcnt")
        {
            // SAFETY: the processor has the features.
            ways.push(|one, two| unsafe { x86::count_avx512(one, two) });
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt") {
            // SAFETY: the processor has the features.
            ways.push(|one, two| unsafe { x86::count_avx2(one, two) });
        }
    }
    ways.push(count_plain);
    ways
}

/// Calls of a sample at the variants that are counted by their carriers.
#[derive(Clone, Copy, Default)]
struct Totals {
    n_het: i32,
    n_hom_alt: i32,
    n_missing: i32,
}

/// Variants with few carriers: those with two and more of them wait to be counted.
#[derive(Default)]
struct Sparse {
    /// All of them.
    n_variants: i32,
    totals: Vec<Totals>,
    /// End of each waiting variant's calls.
    ends: Vec<usize>,
    calls: Vec<(u32, Call)>,
}

impl Sparse {
    fn add(&mut self, listed: &[(u32, Call)]) {
        self.n_variants += 1;
        for &(sample, call) in listed {
            let totals = &mut self.totals[sample as usize];
            match call {
                Call::Het => totals.n_het += 1,
                Call::HomAlt => totals.n_hom_alt += 1,
                _ => totals.n_missing += 1,
            }
        }
        if listed.len() > 1 {
            self.calls.extend_from_slice(listed);
            self.ends.push(self.calls.len());
        }
    }

    /// Adds the waiting variants to the rows of the samples from `first` on.
    fn count(&self, first: usize, rows: &mut [Vec<Pair>]) {
        let mut start = 0;
        for &end in &self.ends {
            let listed = &self.calls[start..end];
            start = end;
            let from = listed.partition_point(|&(sample, _)| (sample as usize) < first);
            for (at, &(one, call)) in listed.iter().enumerate().skip(from) {
                let one = one as usize;
                let Some(row) = rows.get_mut(one - first) else { break };
                for &(two, other) in &listed[at + 1..] {
                    row[two as usize - one - 1].add_listed(call, other);
                }
            }
        }
    }

    /// What the totals of two samples say of the pair.
    fn of_totals(&self, one: usize, two: usize) -> Pair {
        let (one, two) = (&self.totals[one], &self.totals[two]);
        Pair {
            n_variants: self.n_variants - one.n_missing - two.n_missing,
            n_hethet: 0,
            n_ibs0: one.n_hom_alt + two.n_hom_alt,
            n_het_1: one.n_het,
            n_het_2: two.n_het,
        }
    }
}

/// Counts of all pairs.
pub struct Kinship {
    /// Variants so far.
    pub n_variants: u64,
    most_sparse: usize,
    n_dense: usize,
    dense: Vec<Planes>,
    sparse: Sparse,
    /// Of sample i with those after it.
    rows: Vec<Vec<Pair>>,
    listed: Vec<(u32, Call)>,
}

impl Kinship {
    /// Without a variant. Fails where memory would be too large.
    pub fn new(n_samples: usize) -> Result<Kinship> {
        let n_bytes = 10 * (n_samples as u64).pow(2);
        if n_bytes > MAX_BYTES {
            let message = format!("counts of all pairs of {n_samples} samples take {} GB", n_bytes >> 30);
            return Err(Error::usage(message).hint("use fewer samples at a time (`--samples-file`)"));
        }
        Ok(Self::with_sparse(n_samples, n_samples / SPARSE_SHARE))
    }

    fn with_sparse(n_samples: usize, most_sparse: usize) -> Kinship {
        Kinship {
            n_variants: 0,
            most_sparse,
            n_dense: 0,
            dense: vec![Planes::REFERENCE; n_samples],
            sparse: Sparse { totals: vec![Totals::default(); n_samples], ..Sparse::default() },
            rows: (0..n_samples).map(|at| vec![Pair::default(); n_samples - at - 1]).collect(),
            listed: Vec::new(),
        }
    }

    /// Adds variants.
    pub fn add(&mut self, block: &Block) {
        for variant in 0..block.len() {
            let (samples, calls) = block.listed(variant);
            self.listed.clear();
            let diploid = samples.iter().zip(calls).filter_map(|(&sample, &call)| match call {
                Call::HomRef | Call::HemiRef => None,
                Call::HomAlt | Call::HemiAlt => Some((sample, Call::HomAlt)),
                Call::Het | Call::Missing => Some((sample, call)),
            });
            self.listed.extend(diploid);
            self.add_listed();
        }
    }

    fn add_listed(&mut self) {
        self.n_variants += 1;
        if self.listed.len() <= self.most_sparse {
            self.sparse.add(&self.listed);
        } else {
            for &(sample, call) in &self.listed {
                self.dense[sample as usize].set(self.n_dense, call);
            }
            self.n_dense += 1;
        }
        if self.n_dense == 64 * N_WORDS || self.sparse.calls.len() >= MAX_SPARSE {
            self.flush();
        }
    }

    /// Ends the counts.
    pub fn finish(mut self) -> Pairs {
        self.flush();
        let sparse = &self.sparse;
        self.rows.par_iter_mut().enumerate().for_each(|(one, row)| {
            row.iter_mut().zip(one + 1..).for_each(|(pair, two)| pair.add(&sparse.of_totals(one, two)));
        });
        Pairs { rows: self.rows }
    }

    fn flush(&mut self) {
        let n = std::mem::take(&mut self.n_dense);
        self.dense.iter_mut().for_each(|planes| planes.cut(n));
        let (dense, sparse, count) = (&self.dense, &self.sparse, ways()[0]);
        self.rows.par_chunks_mut(TILE).enumerate().for_each(|(tile, rows)| {
            let first = tile * TILE;
            sparse.count(first, rows);
            if n > 0 {
                count_tiles(first, rows, dense, count);
            }
        });
        self.dense.fill(Planes::REFERENCE);
        self.sparse.ends.clear();
        self.sparse.calls.clear();
    }
}

/// Counts the buffered variants for the rows of the samples from `first` on.
fn count_tiles(first: usize, rows: &mut [Vec<Pair>], dense: &[Planes], count: Count) {
    for columns in (first..dense.len()).step_by(TILE) {
        for (at, row) in rows.iter_mut().enumerate() {
            let one = first + at;
            for two in columns.max(one + 1)..dense.len().min(columns + TILE) {
                row[two - one - 1].add(&count(&dense[one], &dense[two]));
            }
        }
    }
}

/// All pairs.
pub struct Pairs {
    rows: Vec<Vec<Pair>>,
}

impl Pairs {
    /// Every pair with the positions of its samples: by the first, then the second.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, &Pair)> {
        let rows = self.rows.iter().enumerate();
        rows.flat_map(|(one, row)| row.iter().zip(one + 1..).map(move |(pair, two)| (one, two, pair)))
    }

    /// Number of pairs of each [`Relation`], and last of those without a coefficient.
    pub fn n_by_relation(&self) -> [u64; 7] {
        let mut n = [0; 7];
        self.iter().for_each(|(_, _, pair)| n[pair.relation().map_or(6, |relation| relation as usize)] += 1);
        n
    }

    /// Gives the table `kinship` in pieces to `take`: pairs with at least `least`, or all where it is `None`.
    pub fn table(
        &self,
        samples: &SampleSet,
        least: Option<f64>,
        mut take: impl FnMut(DataFrame) -> Result<()>,
    ) -> Result<()> {
        let wanted = |pair: &Pair| least.is_none_or(|least| pair.kinship().is_some_and(|kinship| kinship >= least));
        let mut piece = Vec::new();
        for row in self.iter().filter(|row| wanted(row.2)) {
            piece.push(row);
            if piece.len() == PIECE {
                take(frame(&piece, samples)?)?;
                piece.clear();
            }
        }
        take(frame(&piece, samples)?)
    }
}

fn frame(rows: &[(usize, usize, &Pair)], samples: &SampleSet) -> Result<DataFrame> {
    let index = |at: usize| samples.indexes()[at] as i32;
    let count = |of: fn(&Pair) -> i32| rows.iter().map(|row| of(row.2)).collect::<Vec<_>>();
    df!(
        "sample_index_1" => rows.iter().map(|row| index(row.0)).collect::<Vec<_>>(),
        "sample_1" => rows.iter().map(|row| samples.name(row.0)).collect::<Vec<_>>(),
        "sample_index_2" => rows.iter().map(|row| index(row.1)).collect::<Vec<_>>(),
        "sample_2" => rows.iter().map(|row| samples.name(row.1)).collect::<Vec<_>>(),
        "n_variants" => count(|pair| pair.n_variants),
        "n_hethet" => count(|pair| pair.n_hethet),
        "n_ibs0" => count(|pair| pair.n_ibs0),
        "ibs0" => rows.iter().map(|row| row.2.ibs0()).collect::<Vec<_>>(),
        "kinship" => rows.iter().map(|row| row.2.kinship()).collect::<Vec<_>>(),
        "relation" => rows.iter().map(|row| row.2.relation().map(Relation::name)).collect::<Vec<_>>(),
    )
    .map_err(|error| Error::internal(format!("cannot make the table kinship: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::block::{Counts, Site, Unlisted};
    use super::*;
    use proptest::prelude::*;

    const KINDS: [Call; 6] = [Call::HomRef, Call::Het, Call::HomAlt, Call::Missing, Call::HemiRef, Call::HemiAlt];

    fn block(variants: &[Vec<Call>], n_samples: usize) -> Block {
        let mut block = Block::new(n_samples);
        for calls in variants {
            (0..).zip(calls).for_each(|(sample, &call)| block.push_call(sample, call));
            block.end_variant(Site {
                variant_id: 0,
                contig: 0,
                pos: 1,
                id: None,
                ref_allele: "A".into(),
                alt_allele: "C".into(),
                n_alts: 1,
                counts: Counts::default(),
                unlisted: Unlisted::HomRef,
            });
        }
        block
    }

    /// Variant by variant, as the definition says.
    fn expected(variants: &[Vec<Call>], one: usize, two: usize) -> Pair {
        let mut pair = Pair::default();
        for calls in variants {
            let (a, b) = (calls[one], calls[two]);
            if a == Call::Missing || b == Call::Missing {
                continue;
            }
            let is_alt = |call| matches!(call, Call::HomAlt | Call::HemiAlt);
            let (het_a, het_b) = (a == Call::Het, b == Call::Het);
            pair.n_variants += 1;
            pair.n_het_1 += i32::from(het_a);
            pair.n_het_2 += i32::from(het_b);
            pair.n_hethet += i32::from(het_a && het_b);
            pair.n_ibs0 += i32::from(!het_a && !het_b && is_alt(a) != is_alt(b));
        }
        pair
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        /// Beyond a tile of samples, and over some fillings of the planes.
        #[test]
        fn planes_and_carriers_count_the_same(
            n_samples in prop::sample::select(vec![2_usize, 5, 40]),
            codes in prop::collection::vec(0_usize..6, 40 * 150),
            n_variants in 1_usize..150,
            n_times in prop::sample::select(vec![1_usize, 2, 120]),
            most_sparse in prop::sample::select(vec![0_usize, 3, 25, 40]),
        ) {
            let variants: Vec<Vec<Call>> = codes.chunks(n_samples).take(n_variants)
                .map(|codes| codes.iter().map(|&code| KINDS[code]).collect()).collect();
            let block = block(&variants, n_samples);
            let mut kinship = Kinship::with_sparse(n_samples, most_sparse);
            (0..n_times).for_each(|_| kinship.add(&block));
            let pairs = kinship.finish();
            prop_assert_eq!(pairs.iter().count(), n_samples * (n_samples - 1) / 2);
            for (one, two, pair) in pairs.iter() {
                let mut sum = Pair::default();
                let once = expected(&variants, one, two);
                (0..n_times).for_each(|_| sum.add(&once));
                prop_assert_eq!(pair, &sum);
            }
        }

        #[test]
        fn all_ways_agree(calls in prop::collection::vec((0..64 * N_WORDS, 0_usize..4, 0_usize..4), 0..500)) {
            let mut planes = [Planes::REFERENCE, Planes::REFERENCE];
            let mut seen = std::collections::HashSet::new();
            for (at, one, two) in calls.into_iter().filter(|call| seen.insert(call.0)) {
                for (planes, kind) in planes.iter_mut().zip([one, two]).filter(|(_, kind)| *kind > 0) {
                    planes.set(at, KINDS[kind]);
                }
            }
            for way in ways() {
                prop_assert_eq!(way(&planes[0], &planes[1]), count_plain(&planes[0], &planes[1]));
            }
        }
    }

    #[test]
    fn coefficient_and_classes_by_hand() {
        let pair = |n_hethet, n_ibs0, n_het_1, n_het_2| Pair { n_variants: 100, n_hethet, n_ibs0, n_het_1, n_het_2 };
        // 1/2 - (4 * 1 + 2 + 3) / (4 * 6)
        assert_eq!((pair(4, 1, 6, 7).kinship(), pair(4, 1, 6, 7).ibs0()), (Some(0.125), Some(0.01)));
        assert_eq!((pair(0, 3, 0, 9).kinship(), pair(0, 3, 0, 9).relation()), (None, None));
        assert_eq!(Pair::default().ibs0(), None);
        let classes =
            [(40, 0), (20, 0), (22, 1), (10, 0), (6, 0), (2, 0)].map(|(n, ibs0)| pair(n, ibs0, 40, 40).relation());
        use Relation::*;
        assert_eq!(classes, [DuplicateOrTwin, ParentChild, FullSibs, Second, Third, Unrelated].map(Some));
    }

    #[test]
    fn too_many_samples_are_refused() {
        let error = Kinship::new(100_000).err().expect("93 GB");
        assert!(error.to_string().contains("93 GB"), "{error}");
    }
}
