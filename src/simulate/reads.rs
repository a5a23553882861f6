//! Read depth, allele depths and genotype likelihoods.
//!
//! Depth is a mixture of Poisson distributions: the mean varies by sample and by window of [`WINDOW_BP`] (about
//! log-normal), a segment of [`SEGMENT_BP`] has one depth. Some windows have no reads at all. Everything is a function
//! of the seed, the sample and the place, so a cohort file and a gVCF tell the same story.

use super::copies::Copies;
use super::random::{Purpose, Stream, hash, stream};
use super::sites::{SPANNED, Site};
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

/// Alleles of a site at most: REF, three alternates, `*`, `<NON_REF>`.
pub const MAX_ALLELES: usize = 6;

/// Genotypes of [`MAX_ALLELES`] alleles at ploidy 2.
const MAX_GENOTYPES: usize = MAX_ALLELES * (MAX_ALLELES + 1) / 2;

/// Highest GQ.
pub const MAX_GQ: u32 = 99;

/// Mean depth of samples with few reads.
pub const LOW_DEPTH: f64 = 8.0;

/// Reads of one sample at one site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Reads that show each allele of the site.
    pub ad: [u32; MAX_ALLELES],
    /// All reads; those with another base are in here only.
    pub dp: u32,
    /// Reads of REF and of alternates on the forward strand, where strands differ by more than chance.
    pub forward: Option<[u32; 2]>,
}

/// What decides how many reads there are, and of which haplotype.
#[derive(Clone, Copy, Debug)]
pub struct ReadSettings {
    /// Samples of the cohort.
    pub n_samples: usize,
    /// Mean read depth.
    pub mean_depth: f64,
    /// So many samples, the last ones, have a mean depth of [`LOW_DEPTH`].
    pub n_low_depth: usize,
    /// Share of heterozygous genotypes of which only one haplotype is read.
    pub dropout: f64,
}

impl ReadSettings {
    /// Samples without flaws.
    pub fn even(n_samples: usize, mean_depth: f64) -> ReadSettings {
        ReadSettings { n_samples, mean_depth, n_low_depth: 0, dropout: 0.0 }
    }
}

/// Which sample on which contig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the contig.
    pub contig_id: usize,
    /// Index of the sample.
    pub sample: usize,
    /// Copies of the contig.
    pub copies: Copies,
    /// Haplotypes of the sample.
    pub ploidy: u8,
}

impl Place {
    fn with(self, position: u64) -> u64 {
        (self.contig_id as u64) << 48 | position
    }
}

/// Draws reads.
pub struct ReadModel {
    seed: u64,
    settings: ReadSettings,
    depths: Vec<[u16; N_QUANTILES]>,
    low_depths: Vec<[u16; N_QUANTILES]>,
    level_of_sample: Vec<u32>,
    /// Where the first window of a sample begins left of the contig, so that samples do not share their borders.
    shift_of_sample: Vec<u64>,
}

impl ReadModel {
    /// Reads as `settings` want them.
    pub fn new(seed: u64, settings: ReadSettings) -> ReadModel {
        let level = |sample| (hash(seed, Purpose::SampleDepth, sample, 0) as u16).count_ones();
        let shift = |sample| hash(seed, Purpose::SampleDepth, sample, 1) % WINDOW_BP;
        let samples = 0..settings.n_samples as u64;
        ReadModel {
            seed,
            settings,
            depths: depth_levels(settings.mean_depth),
            low_depths: if settings.n_low_depth > 0 { depth_levels(LOW_DEPTH) } else { Vec::new() },
            level_of_sample: samples.clone().map(level).collect(),
            shift_of_sample: samples.map(shift).collect(),
        }
    }

    /// Depth of a sample at a 0-based position: the same in a whole segment. None in a gap.
    pub fn depth(&self, place: Place, position: u64) -> Option<u32> {
        let sample = place.sample;
        let at = |bp: u64| place.with((position + self.shift_of_sample[sample]) / bp);
        let window = hash(self.seed, Purpose::WindowDepth, sample as u64, at(WINDOW_BP));
        if ((window >> 40) as f64) < GAP_SHARE * (1_u64 << 24) as f64 || place.ploidy == 0 {
            return None;
        }
        let level = self.level_of_sample[sample] + (window as u16).count_ones();
        let segment = hash(self.seed, Purpose::SegmentDepth, sample as u64, at(SEGMENT_BP));
        let is_low = sample + self.settings.n_low_depth >= self.settings.n_samples;
        let depths = if is_low { &self.low_depths } else { &self.depths };
        let depth = u32::from(depths[level as usize][segment as usize % N_QUANTILES]);
        Some(if place.copies.is_sex_chromosome() && place.ploidy == 1 { depth / 2 } else { depth })
    }

    /// The first base right of `position` that may have another depth.
    pub fn segment_end(&self, sample: usize, position: u64) -> u64 {
        let shift = self.shift_of_sample[sample];
        ((position + shift) / SEGMENT_BP + 1) * SEGMENT_BP - shift
    }

    /// Whether a gap that holds `position` is reported as depth 0; the others are not reported at all.
    pub fn gap_is_reported(&self, place: Place, position: u64) -> bool {
        let window = (position + self.shift_of_sample[place.sample]) / WINDOW_BP;
        hash(self.seed, Purpose::WindowDepth, !(place.sample as u64), place.with(window)) & 1 == 0 && place.ploidy > 0
    }

    /// Reads of a sample whose two haplotypes have these alleles of `site`.
    pub fn reads(&self, place: Place, site: &Site, alleles: [u8; 2]) -> Reads {
        let Some(dp) = self.depth(place, site.start).filter(|dp| *dp > 0) else { return Reads::default() };
        let mut random = stream(self.seed, Purpose::Reads, place.sample as u64, place.with(site.start));
        let mut reads = Reads { dp, ..Reads::default() };
        let alleles = self.after_dropout(place, site.start, alleles);
        let n_first = if alleles[0] == alleles[1] { dp } else { binomial_half(&mut random, dp) };
        reads.ad[usize::from(alleles[0])] += n_first;
        reads.ad[usize::from(alleles[1])] += dp - n_first;
        let spanned = site.spanned();
        let mut read = errors_skipped(&mut random, ERROR_RATE);
        while read < dp {
            let from = usize::from(alleles[usize::from(read >= n_first)]);
            // One of the three other bases; it may be no allele of the site.
            let to = (from + random.random_range(1..4)) % 4;
            if site.alleles[from] != SPANNED {
                reads.ad[from] -= 1;
                if to < site.alleles.len() && Some(to) != spanned {
                    reads.ad[to] += 1;
                }
            }
            read += 1 + errors_skipped(&mut random, ERROR_RATE);
        }
        reads
    }

    /// What is left of a heterozygous genotype where one haplotype is not read; others stay.
    fn after_dropout(&self, place: Place, start: u64, alleles: [u8; 2]) -> [u8; 2] {
        if alleles[0] == alleles[1] || self.settings.dropout <= 0.0 {
            return alleles;
        }
        let hash = hash(self.seed, Purpose::Dropout, place.sample as u64, place.with(start));
        let is_lost = ((hash >> 40) as f64) < self.settings.dropout * (1_u64 << 24) as f64;
        if is_lost { [alleles[hash as usize & 1]; 2] } else { alleles }
    }

    /// Reads of reference haplotypes at a place where they show one of `n_alts` other alleles with probability
    /// `error_rate`, on the forward strand alone (and there twice as often) if `one_strand`.
    pub fn reads_with_errors(&self, place: Place, start: u64, errors: &Errors) -> Reads {
        let Some(dp) = self.depth(place, start).filter(|dp| *dp > 0) else { return Reads::default() };
        let mut random = stream(self.seed, Purpose::Reads, place.sample as u64, place.with(start));
        let n_forward = binomial_half(&mut random, dp);
        let (n_exposed, rate) = if errors.one_strand { (n_forward, 2.0 * errors.rate) } else { (dp, errors.rate) };
        let mut reads = Reads { dp, ..Reads::default() };
        let mut read = errors_skipped(&mut random, rate);
        while read < n_exposed {
            reads.ad[1 + usize::from(errors.n_alts > 1 && random.random_bool(0.4))] += 1;
            read += 1 + errors_skipped(&mut random, rate);
        }
        let n_errors: u32 = reads.ad.iter().sum();
        reads.ad[0] = dp - n_errors;
        reads.forward = errors.one_strand.then_some([n_forward - n_errors, n_errors]);
        reads
    }
}

/// Errors of reads at one place, the same in all samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Errors {
    /// Probability that a read shows another allele; at most 0.5.
    pub rate: f64,
    /// Alleles that errors show, 1 or 2.
    pub n_alts: usize,
    /// Only reads of the forward strand are wrong.
    pub one_strand: bool,
}

/// Quantiles of depth for each level around a mean.
fn depth_levels(mean_depth: f64) -> Vec<[u16; N_QUANTILES]> {
    let mean = |level: usize| mean_depth * (LEVEL_STEP * (level as f64 - 16.0)).exp();
    (0..N_LEVELS).map(|level| poisson_quantiles(mean(level))).collect()
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
fn binomial_half(random: &mut Stream, n: u32) -> u32 {
    let full_words = (0..n / 64).map(|_| random.random::<u64>().count_ones()).sum::<u32>();
    let rest = n % 64;
    full_words + (random.random::<u64>() & ((1_u64 << rest) - 1)).count_ones()
}

/// Reads without error before the next one with an error.
fn errors_skipped(random: &mut Stream, rate: f64) -> u32 {
    let uniform = 1.0 - random.random::<f64>();
    (uniform.ln() / (-rate).ln_1p()).min(1e9) as u32
}

/// Phred-scaled genotype likelihoods of a sample and the call they give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pl: [u32; MAX_GENOTYPES],
    n_genotypes: usize,
    /// 1 or 2.
    pub ploidy: u8,
    /// The most likely genotype, lower allele first; of equal ones the first. A haploid one is written twice.
    pub gt: [u8; 2],
    /// Difference to the second best PL, at most [`MAX_GQ`].
    pub gq: u32,
}

impl Call {
    /// The diploid call for allele depths `ad`: reads are independent, each shows its haplotype's allele but for
    /// [`ERROR_RATE`].
    pub fn from_reads(ad: &[u32]) -> Call {
        Call::new(ad, 2, &Costs::new())
    }

    /// The call of `ploidy` haplotypes (1 or 2) for reads with an error rate that is known.
    pub fn new(ad: &[u32], ploidy: u8, costs: &Costs) -> Call {
        let mut raw = [0.0; MAX_GENOTYPES];
        let mut n_genotypes = 0;
        let mut best = (f64::INFINITY, [0, 0]);
        for second in 0..ad.len() {
            for first in if ploidy == 1 { second } else { 0 }..=second {
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
        Call { pl, n_genotypes, ploidy, gt: best.1, gq: next.min(MAX_GQ) }
    }

    /// PL in VCF order (§ 1.6.2 of VCF 4.3); the least is 0.
    pub fn pl(&self) -> &[u32] {
        &self.pl[..self.n_genotypes]
    }

    /// Copies of an allele in the call.
    pub fn copies(&self, allele: u8) -> u32 {
        self.gt[..usize::from(self.ploidy)].iter().filter(|copy| **copy == allele).count() as u32
    }

    /// Appends the genotype, unphased.
    pub fn push_gt(&self, text: &mut Vec<u8>) {
        text.push(b'0' + self.gt[0]);
        if self.ploidy == 2 {
            text.extend_from_slice(&[b'/', b'0' + self.gt[1]]);
        }
    }
}

/// Phred of what a read can be under a genotype.
pub struct Costs {
    hit: f64,
    half: f64,
    miss: f64,
}

impl Costs {
    fn new() -> Costs {
        // log10(0.995), log10(0.5) and log10(0.005), times -10.
        Costs { hit: 0.021_769_192_542_745, half: 3.010_299_956_639_812, miss: 23.010_299_956_639_81 }
    }

    /// Where reads show another allele with probability `rate`.
    pub fn with_error_rate(rate: f64) -> Costs {
        Costs { hit: -10.0 * (1.0 - rate).log10(), half: -10.0 * 0.5_f64.log10(), miss: -10.0 * rate.log10() }
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

impl Default for Costs {
    fn default() -> Costs {
        Costs::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(sample: usize) -> Place {
        Place { contig_id: 0, sample, copies: Copies::Autosome, ploidy: 2 }
    }

    fn snv(start: u64) -> Site {
        Site { start, alleles: vec![b"A".to_vec(), b"G".to_vec()], carriers: Vec::new(), shifted: None }
    }

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
        let model = ReadModel::new(1, ReadSettings::even(50, 30.0));
        let depths: Vec<f64> = (0..50)
            .flat_map(|sample| (0..2_000).map(move |segment| (sample, segment * SEGMENT_BP)))
            .filter_map(|(sample, position)| model.depth(place(sample), position).map(f64::from))
            .collect();
        let mean = depths.iter().sum::<f64>() / depths.len() as f64;
        let variance = depths.iter().map(|depth| (depth - mean).powi(2)).sum::<f64>() / depths.len() as f64;
        assert!((mean / 30.0 - 1.0).abs() < 0.1, "mean {mean}");
        assert!(variance > 1.5 * mean, "variance {variance}");
        assert!(depths.len() < 100_000 && depths.len() > 99_000, "{} of 100,000 outside gaps", depths.len());
    }

    #[test]
    fn reads_add_up() {
        let model = ReadModel::new(1, ReadSettings::even(10, 30.0));
        let mut balance = 0.0;
        for start in 0..2_000 {
            let reads = model.reads(place(3), &snv(start), [0, 1]);
            let total: u32 = reads.ad.iter().sum();
            assert!(total <= reads.dp);
            balance += f64::from(reads.ad[1]) / f64::from(total.max(1)) / 2_000.0;
        }
        assert!((balance - 0.5).abs() < 0.02, "{balance}");
    }

    #[test]
    fn some_samples_have_few_reads_and_men_half_of_them_on_x() {
        let model = ReadModel::new(1, ReadSettings { n_low_depth: 2, ..ReadSettings::even(10, 30.0) });
        let mean = |place: Place| {
            let depths = (0..4_000).filter_map(|segment| model.depth(place, segment * SEGMENT_BP));
            depths.map(f64::from).sum::<f64>() / 4_000.0
        };
        assert!(mean(place(7)) > 15.0);
        assert!((4.0..13.0).contains(&mean(place(8))) && (4.0..13.0).contains(&mean(place(9))));
        let man = Place { copies: Copies::X, ploidy: 1, ..place(3) };
        assert!((mean(man) / mean(place(3)) - 0.5).abs() < 0.05);
        let woman = Place { copies: Copies::Y, ploidy: 0, ..place(3) };
        assert_eq!(model.depth(woman, 1_000), None);
    }

    #[test]
    fn dropout_leaves_one_haplotype() {
        let model = ReadModel::new(1, ReadSettings { dropout: 0.25, ..ReadSettings::even(4, 30.0) });
        let lost = (0..4_000)
            .map(|start| model.reads(place(1), &snv(start * 60), [0, 1]))
            .filter(|reads| reads.dp > 20 && (reads.ad[0] < 4 || reads.ad[1] < 4))
            .count();
        assert!((600..1_100).contains(&lost), "{lost} of 4,000");
    }

    #[test]
    fn errors_of_one_strand_are_on_it_and_as_many_as_asked() {
        let model = ReadModel::new(1, ReadSettings::even(4, 30.0));
        let errors = Errors { rate: 0.05, n_alts: 1, one_strand: true };
        let (mut wrong, mut all) = (0, 0);
        for start in 0..4_000 {
            let reads = model.reads_with_errors(place(1), start * 60, &errors);
            let Some([_, of_alt]) = reads.forward else { continue };
            assert_eq!(of_alt, reads.ad[1]);
            assert_eq!(reads.ad.iter().sum::<u32>(), reads.dp);
            wrong += reads.ad[1];
            all += reads.dp;
        }
        let rate = f64::from(wrong) / f64::from(all);
        assert!((rate - 0.05).abs() < 0.005, "{rate}");
    }

    #[test]
    fn a_haploid_call_has_a_likelihood_per_allele() {
        let call = Call::new(&[1, 12, 0], 1, &Costs::default());
        assert_eq!((call.gt[0], call.pl().len(), call.copies(1)), (1, 3, 1));
        let mut text = Vec::new();
        call.push_gt(&mut text);
        assert_eq!(text, b"1");
    }
}
