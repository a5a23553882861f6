//! Per-sample counts of one shard, added up over shards by finalize. Integers only: any order of addition gives the same.

use crate::decode::samples::NO_INTEGER;
use crate::wide::wide;

/// Counters, one entry per sample of the cohort. `docs/formats.md` (table samples) says what each means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleCounts {
    /// One entry per counter of [`SampleCounts::NAMES`], each `[n_samples]`.
    pub counters: [Vec<i64>; SampleCounts::NAMES.len()],
}

/// Index of a counter in [`SampleCounts::counters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of docs/formats.md")]
pub enum Counter {
    NCalled,
    NMissing,
    NHet,
    NHomAlt,
    NSnv,
    NIns,
    NDel,
    NSingleton,
    Ti,
    Tv,
    DpSum,
    DpN,
    GqSum,
    GqN,
}

impl SampleCounts {
    /// Column names, in the order of [`Counter`].
    pub const NAMES: [&'static str; 14] = [
        "n_called",
        "n_missing",
        "n_het",
        "n_hom_alt",
        "n_snv",
        "n_ins",
        "n_del",
        "n_singleton",
        "ti",
        "tv",
        "dp_sum",
        "dp_n",
        "gq_sum",
        "gq_n",
    ];

    /// All zero.
    pub fn new(n_samples: usize) -> Self {
        SampleCounts { counters: std::array::from_fn(|_| vec![0; n_samples]) }
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.counters[0].len()
    }

    /// The values of one counter, `[n_samples]`.
    pub fn get_mut(&mut self, counter: Counter) -> &mut [i64] {
        &mut self.counters[counter as usize]
    }

    /// Adds values of the samples from `first` on to the counter `sum`, and one for each value to the counter `n`. A sample
    /// without a value has [`NO_INTEGER`].
    pub fn add_known(&mut self, sum: Counter, n: Counter, first: usize, values: &[i32]) {
        let counters = self.counters.get_disjoint_mut([sum as usize, n as usize]);
        let [sums, ns] = counters.expect("two different counters");
        add_known(values, &mut sums[first..], &mut ns[first..]);
    }

    /// The values of one counter, `[n_samples]`.
    pub fn get(&self, counter: Counter) -> &[i64] {
        &self.counters[counter as usize]
    }

    /// Adds the counts of another shard.
    pub fn add(&mut self, other: &SampleCounts) {
        for (own, theirs) in self.counters.iter_mut().zip(&other.counters) {
            for (own, theirs) in own.iter_mut().zip(theirs) {
                *own += theirs;
            }
        }
    }
}

wide! {
    /// [`SampleCounts::add_known`].
    fn add_known(values: &[i32], sums: &mut [i64], ns: &mut [i64]) {
        for ((&value, sum), n) in values.iter().zip(sums).zip(ns) {
            let is_known = value != NO_INTEGER;
            *sum += i64::from(if is_known { value } else { 0 });
            *n += i64::from(is_known);
        }
    }
}

/// What one genotype of a site, or one carrier of an allele row, adds one to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Lane {
    /// Nothing.
    None,
    /// `n_missing`.
    Missing,
    /// `n_het`.
    Het,
    /// `n_hom_alt`.
    HomAlt,
    /// `ti` and `n_snv`.
    Transition,
    /// `tv` and `n_snv`.
    Transversion,
    /// `n_ins`.
    Insertion,
    /// `n_del`.
    Deletion,
}

/// Number of lanes.
const N_LANES: usize = 8;

/// Counts call by call, the counters of one sample side by side in memory, until they are added to [`SampleCounts`].
#[derive(Clone, Debug)]
pub struct SampleTally {
    /// `[n_samples][N_LANES]`
    lanes: Vec<[u32; N_LANES]>,
}

impl SampleTally {
    /// All zero.
    pub fn new(n_samples: usize) -> Self {
        SampleTally { lanes: vec![[0; N_LANES]; n_samples] }
    }

    /// Counts one call of a sample.
    #[inline]
    pub fn count(&mut self, sample: u32, lane: Lane) {
        self.lanes[sample as usize][lane as usize] += 1;
    }

    /// Counts one call of every sample in a range.
    pub fn count_all(&mut self, samples: std::ops::Range<u32>, lane: Lane) {
        for lanes in &mut self.lanes[samples.start as usize..samples.end as usize] {
            lanes[lane as usize] += 1;
        }
    }

    /// Adds the counts to `counts` and begins from zero.
    pub fn drain_into(&mut self, counts: &mut SampleCounts) {
        const COUNTERS: [(Lane, &[Counter]); 7] = [
            (Lane::Missing, &[Counter::NMissing]),
            (Lane::Het, &[Counter::NHet]),
            (Lane::HomAlt, &[Counter::NHomAlt]),
            (Lane::Transition, &[Counter::Ti, Counter::NSnv]),
            (Lane::Transversion, &[Counter::Tv, Counter::NSnv]),
            (Lane::Insertion, &[Counter::NIns]),
            (Lane::Deletion, &[Counter::NDel]),
        ];
        for (lane, counters) in COUNTERS {
            for &counter in counters {
                for (count, lanes) in counts.get_mut(counter).iter_mut().zip(&self.lanes) {
                    *count += i64::from(lanes[lane as usize]);
                }
            }
        }
        self.lanes.fill([0; N_LANES]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn known_values_are_added_one_by_one(
            values in prop::collection::vec(prop_oneof![Just(NO_INTEGER), any::<i32>(), 0..9], 0..70),
            first in 0usize..5,
        ) {
            let mut counts = SampleCounts::new(values.len() + first);
            let mut expected = counts.clone();
            counts.add_known(Counter::DpSum, Counter::DpN, first, &values);
            for (at, &value) in values.iter().enumerate().filter(|&(_, &value)| value != NO_INTEGER) {
                expected.get_mut(Counter::DpSum)[first + at] += i64::from(value);
                expected.get_mut(Counter::DpN)[first + at] += 1;
            }
            prop_assert_eq!(counts, expected);
        }
    }
}
