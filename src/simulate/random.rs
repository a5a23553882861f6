//! Independent random streams: every contig, chunk and sample has its own, so no result depends on who runs first.

use rand::Rng;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// The generator of this module's streams.
pub type Stream = Xoshiro256PlusPlus;

/// What a stream is for; part of its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Bases of a contig.
    Reference = 1,
    /// Genealogy and mutations of a contig.
    Haplotypes = 2,
    /// REF and ALT of the sites of a contig.
    Alleles = 3,
    /// Missing genotypes and other noise of one site.
    Site = 4,
    /// Sex of the samples.
    Samples = 5,
    /// Mean depth of one sample.
    SampleDepth = 6,
    /// Depth of one window of one sample.
    WindowDepth = 7,
    /// Depth of one segment of one sample.
    SegmentDepth = 8,
    /// Reads of one sample at one site.
    Reads = 9,
    /// Haplotypes that are not read.
    Dropout = 10,
    /// Places of a contig where reads show what is not there.
    Artefacts = 11,
    /// Which sample writes its indels how.
    Spelling = 12,
    /// Which deletions reach over other sites.
    Overlaps = 13,
}

/// 64 well-mixed bits of the seed, the purpose and two numbers (contig and position, say).
pub fn hash(seed: u64, purpose: Purpose, first: u64, second: u64) -> u64 {
    let state = mix(seed ^ 0x5eed_c0de_0000_0000) ^ (purpose as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
    mix(mix(state ^ first.wrapping_mul(0x9e37_79b9_7f4a_7c15)) ^ second)
}

/// The stream of the seed, the purpose and two numbers.
pub fn stream(seed: u64, purpose: Purpose, first: u64, second: u64) -> Stream {
    Stream::seed_from_u64(hash(seed, purpose, first, second))
}

/// A bijection that spreads every input bit over all output bits (the finaliser of SplitMix64; Steele, Lea, Flood 2014,
/// doi:10.1145/2660193.2660195).
pub fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// An exponential waiting time with `rate` events per unit.
pub fn exponential(random: &mut Stream, rate: f64) -> f64 {
    -(1.0 - random.random::<f64>()).ln() / rate
}

/// 1, 2, 3, ... with probability falling by `ratio` at each step, at most `most`.
pub fn geometric(random: &mut Stream, ratio: f64, most: usize) -> usize {
    let mut value = 1;
    while value < most && random.random_bool(ratio) {
        value += 1;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_and_repeat() {
        let first = |purpose, a, b| stream(1, purpose, a, b).random::<u64>();
        assert_eq!(first(Purpose::Site, 1, 2), first(Purpose::Site, 1, 2));
        assert_ne!(first(Purpose::Site, 1, 2), first(Purpose::Site, 2, 1));
        assert_ne!(first(Purpose::Site, 1, 2), first(Purpose::Reads, 1, 2));
    }
}
