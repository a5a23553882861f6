//! Read depth, allele depths and genotype likelihoods.
//!
//! Depth is a mixture of Poisson distributions: the mean varies by sample and by window of [`WINDOW_BP`] (about
//! log-normal), a segment of [`SEGMENT_BP`] has one depth. Some windows have no reads at all. Everything is a function
//! of the seed, the sample and the place, so a cohort file and a gVCF tell the same story.

use super::random::{Purpose, hash, stream};
use rand::Rng;

/// Bases with one mean depth.
pub const WINDOW_BP: u64 = 200;

/// Bases with one depth.
pub const SEGMENT_BP: u64 = 25;

/// Probability that a read shows another base than its haplotype has, and that the likelihoods assume.
pub const ERROR_RATE: f64 = 0.005;

/// Share of windows without reads.
const GAP_SHARE: f64 = 0.004;

/// Mean depths are powers of `exp(LEVEL_STEP)` around the mean of the cohort.
const LEVEL_STEP: f64 = 0.08;
const N_LEVELS: usize = 33;

/// Depths with even probability that stand for one Poisson distribution.
const N_QUANTILES: usize = 1024;

/// Alleles of a site at most: REF, three alternates, `<NON_REF>`.
pub const MAX_ALLELES: usize = 5;

/// Genotypes of [`MAX_ALLELES`] alleles at ploidy 2.
const MAX_GENOTYPES: usize = MAX_ALLELES * (MAX_ALLELES + 1) / 2;

/// Highest GQ.
pub const MAX_GQ: u32 = 99;

/// Reads of one sample at one site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Reads that show each allele of the site.
    pub ad: [u32; MAX_ALLELES],
    /// All reads; those with another base are in here only.
    pub dp: u32,
}

/// Draws reads.
pub struct ReadModel {
    seed: u64,
    depths: Vec<[u16; N_QUANTILES]>,
    level_of_sample: Vec<u32>,
    /// Where the first window of a sample begins left of the contig, so that samples do not share their borders.
    shift_of_sample: Vec<u64>,
}

impl ReadModel {
    /// Samples with about `mean_depth` reads per base.
    pub fn new(seed: u64, n_samples: usize, mean_depth: f64) -> ReadModel {
        let mean = |level: usize| mean_depth * (LEVEL_STEP * (level as f64 - 16.0)).exp();
        let depths = (0..N_LEVELS).map(|level| poisson_quantiles(mean(level))).collect();
        let level = |sample| (hash(seed, Purpose::SampleDepth, sample, 0) as u16).count_ones();
        let shift = |sample| hash(seed, Purpose::SampleDepth, sample, 1) % WINDOW_BP;
        let samples = 0..n_samples as u64;
        ReadModel {
            seed,
            depths,
            level_of_sample: samples.clone().map(level).collect(),
            shift_of_sample: samples.map(shift).collect(),
        }
    }

    /// Depth of a sample at a 0-based position: the same in a whole segment. None in a gap.
    pub fn depth(&self, contig_id: usize, sample: usize, position: u64) -> Option<u32> {
        let place = |bp: u64| (contig_id as u64) << 48 | ((position + self.shift_of_sample[sample]) / bp);
        let window = hash(self.seed, Purpose::WindowDepth, sample as u64, place(WINDOW_BP));
        if ((window >> 40) as f64) < GAP_SHARE * (1_u64 << 24) as f64 {
            return None;
        }
        let level = self.level_of_sample[sample] + (window as u16).count_ones();
        let segment = hash(self.seed, Purpose::SegmentDepth, sample as u64, place(SEGMENT_BP));
        Some(u32::from(self.depths[level as usize][segment as usize % N_QUANTILES]))
    }

    /// The first base right of `position` that may have another depth.
    pub fn segment_end(&self, sample: usize, position: u64) -> u64 {
        let shift = self.shift_of_sample[sample];
        ((position + shift) / SEGMENT_BP + 1) * SEGMENT_BP - shift
    }

    /// Whether a gap that holds `position` is reported as depth 0; the others are not reported at all.
    pub fn gap_is_reported(&self, contig_id: usize, sample: usize, position: u64) -> bool {
        let window = (position + self.shift_of_sample[sample]) / WINDOW_BP;
        hash(self.seed, Purpose::WindowDepth, !(sample as u64), (contig_id as u64) << 48 | window) & 1 == 0
    }

    /// Reads of a sample whose two haplotypes have these alleles, at a site with `n_alleles`.
    pub fn reads(&self, contig_id: usize, sample: usize, start: u64, alleles: [u8; 2], n_alleles: usize) -> Reads {
        let Some(dp) = self.depth(contig_id, sample, start).filter(|dp| *dp > 0) else { return Reads::default() };
        let mut random = stream(self.seed, Purpose::Reads, sample as u64, (contig_id as u64) << 48 | start);
        let mut reads = Reads { dp, ..Reads::default() };
        let n_first = if alleles[0] == alleles[1] { dp } else { binomial_half(&mut random, dp) };
        reads.ad[usize::from(alleles[0])] += n_first;
        reads.ad[usize::from(alleles[1])] += dp - n_first;
        let mut read = errors_skipped(&mut random);
        while read < dp {
            let from = usize::from(alleles[usize::from(read >= n_first)]);
            reads.ad[from] -= 1;
            // One of the three other bases; it may be no allele of the site.
            let to = (from + random.random_range(1..4)) % 4;
            if to < n_alleles {
                reads.ad[to] += 1;
            }
            read += 1 + errors_skipped(&mut random);
        }
        reads
    }
}

/// Depths at the middle of [`N_QUANTILES`] equal shares of a Poisson distribution with this mean (at most 700).
fn poisson_quantiles(mean: f64) -> [u16; N_QUANTILES] {
    let mut quantiles = [0; N_QUANTILES];
    let mut depth = 0_u16;
    let mut share = (-mean).exp();
    let mut below = share;
    for (rank, quantile) in quantiles.iter_mut().enumerate() {
        while below < (rank as f64 + 0.5) / N_QUANTILES as f64 && depth < 4_000 {
            depth += 1;
            share *= mean / f64::from(depth);
            below += share;
        }
        *quantile = depth;
    }
    quantiles
}

/// Heads of `n` fair coins.
fn binomial_half(random: &mut super::random::Stream, n: u32) -> u32 {
    let full_words = (0..n / 64).map(|_| random.random::<u64>().count_ones()).sum::<u32>();
    let rest = n % 64;
    full_words + (random.random::<u64>() & ((1_u64 << rest) - 1)).count_ones()
}

/// Reads without error before the next one with an error.
fn errors_skipped(random: &mut super::random::Stream) -> u32 {
    let uniform = 1.0 - random.random::<f64>();
    (uniform.ln() / (-ERROR_RATE).ln_1p()).min(1e9) as u32
}

/// Phred-scaled genotype likelihoods of a diploid sample and the call they give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pl: [u32; MAX_GENOTYPES],
    n_genotypes: usize,
    /// The most likely genotype, lower allele first; of equal ones the first.
    pub gt: [u8; 2],
    /// Difference to the second best PL, at most [`MAX_GQ`].
    pub gq: u32,
}

impl Call {
    /// The call for allele depths `ad`: reads are independent, each shows its haplotype's allele but for [`ERROR_RATE`].
    pub fn from_reads(ad: &[u32]) -> Call {
        let costs = Costs::new();
        let mut raw = [0.0; MAX_GENOTYPES];
        let mut n_genotypes = 0;
        let mut best = (f64::INFINITY, [0, 0]);
        for second in 0..ad.len() {
            for first in 0..=second {
                let cost = costs.of(ad, first, second);
                if cost < best.0 {
                    best = (cost, [first as u8, second as u8]);
                }
                raw[n_genotypes] = cost;
                n_genotypes += 1;
            }
        }
        let mut pl = [0; MAX_GENOTYPES];
        let (mut least, mut next) = (u32::MAX, u32::MAX);
        for (value, cost) in pl.iter_mut().zip(&raw[..n_genotypes]) {
            *value = (cost - best.0).round() as u32;
            next = next.min((*value).max(least));
            least = least.min(*value);
        }
        Call { pl, n_genotypes, gt: best.1, gq: next.min(MAX_GQ) }
    }

    /// PL in VCF order (§ 1.6.2 of VCF 4.3); the least is 0.
    pub fn pl(&self) -> &[u32] {
        &self.pl[..self.n_genotypes]
    }
}

/// Phred of what a read can be under a genotype.
struct Costs {
    hit: f64,
    half: f64,
    miss: f64,
}

impl Costs {
    fn new() -> Costs {
        // log10(0.995), log10(0.5) and log10(0.005), times -10.
        Costs { hit: 0.021_769_192_542_745, half: 3.010_299_956_639_812, miss: 23.010_299_956_639_81 }
    }

    fn of(&self, ad: &[u32], first: usize, second: usize) -> f64 {
        let total: u32 = ad.iter().sum();
        let of_first = ad[first];
        if first == second {
            return f64::from(of_first) * self.hit + f64::from(total - of_first) * self.miss;
        }
        let of_both = of_first + ad[second];
        f64::from(of_both) * self.half + f64::from(total - of_both) * self.miss
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_the_phred_of_the_error_rate() {
        let costs = Costs::new();
        assert!((costs.hit + 10.0 * (1.0 - ERROR_RATE).log10()).abs() < 1e-12);
        assert!((costs.miss + 10.0 * ERROR_RATE.log10()).abs() < 1e-12);
        assert!((costs.half + 10.0 * 0.5_f64.log10()).abs() < 1e-12);
    }

    #[test]
    fn calls_follow_the_reads() {
        for (ad, gt) in [([30, 0], [0, 0]), ([14, 16], [0, 1]), ([1, 29], [1, 1]), ([0, 0], [0, 0])] {
            let call = Call::from_reads(&ad);
            assert_eq!(call.gt, gt, "{ad:?}");
            assert_eq!(call.pl().len(), 3);
            assert_eq!(call.pl().iter().min(), Some(&0));
        }
        assert_eq!(Call::from_reads(&[10, 0]).gq, 30);
        assert_eq!(Call::from_reads(&[100, 0]).gq, 99);
        assert_eq!(Call::from_reads(&[0, 0]).gq, 0);
        let call = Call::from_reads(&[0, 10, 11, 0]);
        assert_eq!((call.gt, call.pl().len()), ([1, 2], 10));
    }

    #[test]
    fn depth_has_the_mean_asked_for_and_more_variance_than_poisson() {
        let model = ReadModel::new(1, 50, 30.0);
        let depths: Vec<f64> = (0..50)
            .flat_map(|sample| (0..2_000).map(move |segment| (sample, segment * SEGMENT_BP)))
            .filter_map(|(sample, position)| model.depth(0, sample, position).map(f64::from))
            .collect();
        let mean = depths.iter().sum::<f64>() / depths.len() as f64;
        let variance = depths.iter().map(|depth| (depth - mean).powi(2)).sum::<f64>() / depths.len() as f64;
        assert!((mean / 30.0 - 1.0).abs() < 0.1, "mean {mean}");
        assert!(variance > 1.5 * mean, "variance {variance}");
        assert!(depths.len() < 100_000 && depths.len() > 99_000, "{} of 100,000 outside gaps", depths.len());
    }

    #[test]
    fn reads_add_up() {
        let model = ReadModel::new(1, 10, 30.0);
        let mut balance = 0.0;
        for start in 0..2_000 {
            let reads = model.reads(0, 3, start, [0, 1], 2);
            let total: u32 = reads.ad.iter().sum();
            assert!(total <= reads.dp);
            balance += f64::from(reads.ad[1]) / f64::from(total.max(1)) / 2_000.0;
        }
        assert!((balance - 0.5).abs() < 0.02, "{balance}");
    }
}
