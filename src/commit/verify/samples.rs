//! Recomputes the table `samples` from the rows, and compares.

use super::rows::ShardFindings;
use crate::call::sample_counts::{Counter, SampleCounts};
use crate::dataset::Dataset;
use crate::dataset::sites::AlleleRow;
use crate::dataset::stream::FileStream;
use crate::error::Result;
use arrow_array::Array;
use std::collections::BTreeMap;

/// Counters that the rows of a dataset of carriers determine.
const COMPARED: [Counter; 10] = [
    Counter::NCalled,
    Counter::NMissing,
    Counter::NHet,
    Counter::NHomAlt,
    Counter::NSnv,
    Counter::NIns,
    Counter::NDel,
    Counter::NSingleton,
    Counter::Ti,
    Counter::Tv,
];

/// Calls of a site with several alleles, gathered over its rows.
pub struct SiteCalls {
    n_alts: i32,
    n_rows: i32,
    /// Per sample: which allele's view, and its text.
    calls: BTreeMap<i32, Vec<(i32, String)>>,
}

impl SiteCalls {
    pub fn new(n_alts: i32) -> SiteCalls {
        SiteCalls { n_alts, n_rows: 0, calls: BTreeMap::new() }
    }

    pub fn with_row(mut self, row: &AlleleRow) -> Result<SiteCalls> {
        self.n_rows += 1;
        for run in &row.calls {
            let (samples, gt) = (run.batch.ints("sample_index")?, run.batch.texts("gt")?);
            for at in run.start..run.end {
                let view = if gt.is_null(at) { "." } else { gt.value(at) };
                self.calls.entry(samples.value(at)).or_default().push((row.alt_index, view.to_owned()));
            }
        }
        Ok(self)
    }

    pub fn joined(mut self, other: SiteCalls) -> SiteCalls {
        self.n_rows += other.n_rows;
        for (sample, views) in other.calls {
            self.calls.entry(sample).or_default().extend(views);
        }
        self
    }

    pub fn is_whole(&self) -> bool {
        self.n_rows >= self.n_alts
    }

    pub fn count(&self, counts: &mut SampleCounts) {
        for (&sample, views) in &self.calls {
            let views: Vec<(i32, &str)> = views.iter().map(|(alt, view)| (*alt, view.as_str())).collect();
            count_call(counts, sample, &views);
        }
    }
}

/// A copy that no view calls its own.
const OTHER: i32 = i32::MAX;

/// Adds one call of a site to `n_missing`, `n_het`, `n_hom_alt` of its sample.
pub fn count_call(counts: &mut SampleCounts, sample: i32, views: &[(i32, &str)]) {
    let Some(&(_, first)) = views.first() else { return };
    let Ok(sample) = usize::try_from(sample) else { return };
    if sample >= counts.n_samples() {
        return;
    }
    let mut copies = Vec::with_capacity(2);
    for (at, byte) in first.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'/' | b'|')) {
        let carrier = views.iter().find(|(_, view)| view.as_bytes().get(at) == Some(&b'1'));
        copies.push(match (byte, carrier) {
            (b'.', _) => None,
            (_, Some((alt_index, _))) => Some(*alt_index),
            (b'0', None) => Some(0),
            (_, None) => Some(OTHER),
        });
    }
    if copies.iter().all(Option::is_none) {
        counts.get_mut(Counter::NMissing)[sample] += 1;
    } else if copies.len() >= 2 && copies.iter().all(Option::is_some) {
        let different = copies.iter().any(|copy| *copy != copies[0]);
        if different {
            counts.get_mut(Counter::NHet)[sample] += 1;
        } else if copies[0] != Some(0) {
            counts.get_mut(Counter::NHomAlt)[sample] += 1;
        }
    }
}

/// Compares the table with what the rows of all shards say.
pub fn check(dataset: &Dataset, mut total: ShardFindings) -> Result<Vec<String>> {
    for site in std::mem::take(&mut total.open_sites).into_values() {
        total.n_sites += 1;
        site.count(&mut total.counts);
    }
    let called: Vec<i64> = total.counts.get(Counter::NMissing).iter().map(|missing| total.n_sites - missing).collect();
    total.counts.get_mut(Counter::NCalled).copy_from_slice(&called);
    let mut problems = super::Problems::default();
    let mut expected_index = 0;
    for file in dataset.files("samples") {
        for batch in FileStream::open(&dataset.full_path(file)?, &crate::dataset::stream::Select::all())? {
            let batch = batch?;
            let (index, names) = (batch.ints("sample_index")?, batch.texts("sample")?);
            for row in 0..batch.n_rows() {
                if index.value(row) != expected_index || index.value(row) as usize >= total.counts.n_samples() {
                    problems.add(|| format!("{}: sample_index {} in row {row}", file.path, index.value(row)));
                    continue;
                }
                for counter in COMPARED {
                    let column = SampleCounts::NAMES[counter as usize];
                    let found = batch.longs(column)?.value(row);
                    let expected = total.counts.get(counter)[expected_index as usize];
                    if found != expected {
                        let name = names.value(row);
                        problems
                            .add(|| format!("{}: {column} of {name} is {found}, the rows give {expected}", file.path));
                    }
                }
                expected_index += 1;
            }
        }
    }
    Ok(problems.into_lines("samples"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(views: &[(i32, &str)]) -> [i64; 3] {
        let mut counts = SampleCounts::new(1);
        count_call(&mut counts, 0, views);
        [Counter::NMissing, Counter::NHet, Counter::NHomAlt].map(|counter| counts.get(counter)[0])
    }

    #[test]
    fn calls_of_a_site() {
        assert_eq!(counted(&[(1, "0/1")]), [0, 1, 0]);
        assert_eq!(counted(&[(1, "1|1")]), [0, 0, 1]);
        assert_eq!(counted(&[(1, "2/2"), (2, "1/2"), (3, "2/1")]), [0, 1, 0]);
        assert_eq!(counted(&[(1, "2/2"), (2, "2/2"), (3, "1/1")]), [0, 0, 1]);
        assert_eq!(counted(&[(1, "./.")]), [1, 0, 0]);
        assert_eq!(counted(&[(1, "./1")]), [0, 0, 0]);
        assert_eq!(counted(&[(1, "1")]), [0, 0, 0]);
        assert_eq!(counted(&[(0, "0/0")]), [0, 0, 0]);
    }
}
