//! Per-sample counts of one shard, added up over shards by finalize. Integers only: any order of addition gives the same.

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
