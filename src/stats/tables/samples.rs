//! Rows of `sample_stats`.

use super::{frame, ratio};
use crate::dataset::Dataset;
use crate::dataset::stream::{FileStream, Select};
use crate::error::Result;
use crate::genome::sex::Sex;
use crate::stats::selection::SampleSet;
use polars::prelude::{Column, DataFrame};

/// Counts of one sample, in the order of [`NAMES`].
pub type SampleRow = [u64; NAMES.len()];

/// Names of the counts.
pub const NAMES: [&str; 10] =
    ["n_called", "n_missing", "n_het", "n_hom_alt", "n_snv", "n_ins", "n_del", "n_singleton", "ti", "tv"];

/// Position of a count in [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of docs/formats.md")]
pub enum Count {
    Called,
    Missing,
    Het,
    HomAlt,
    Snv,
    Ins,
    Del,
    Singleton,
    Ti,
    Tv,
}

/// Homozygosity of one sample over autosomal variants with one ALT.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Homozygosity {
    /// Called variants.
    pub n: u64,
    /// Of those, the homozygous ones.
    pub observed: u64,
    /// Expected number: sum of 1 - 2p(1 - p).
    pub expected: f64,
}

impl Homozygosity {
    /// Method-of-moments inbreeding coefficient: (O - E) / (N - E), Purcell 2007.
    pub fn f(&self) -> Option<f64> {
        let rest = self.n as f64 - self.expected;
        (rest > 0.0).then(|| (self.observed as f64 - self.expected) / rest)
    }
}

/// Counts of the selected samples, and their mean depth and quality where the table has them.
#[derive(Clone, Debug, Default)]
pub struct SampleTable {
    /// `[n_samples]`
    pub rows: Vec<SampleRow>,
    /// `mean_dp`, `[n_samples]` or empty.
    pub mean_dp: Vec<Option<f64>>,
    /// `mean_gq`, likewise.
    pub mean_gq: Vec<Option<f64>>,
}

impl SampleTable {
    /// What the table `samples` holds.
    pub fn stored(dataset: &Dataset, samples: &SampleSet) -> Result<SampleTable> {
        let mut table = SampleTable { rows: vec![[0; NAMES.len()]; samples.len()], ..SampleTable::default() };
        let mut means = [vec![None; samples.len()], vec![None; samples.len()]];
        for file in dataset.files("samples") {
            for batch in FileStream::open(&dataset.full_path(file)?, &Select::all())? {
                let batch = batch?;
                let indexes = batch.ints("sample_index")?;
                for row in 0..batch.n_rows() {
                    let Some(position) = samples.position(indexes.value(row)) else { continue };
                    for (at, name) in NAMES.iter().enumerate() {
                        table.rows[position as usize][at] = batch.longs(name)?.value(row) as u64;
                    }
                    for (mean, name) in means.iter_mut().zip(["mean_dp", "mean_gq"]) {
                        let values = batch.floats(name)?;
                        mean[position as usize] =
                            (!arrow_array::Array::is_null(values, row)).then(|| values.value(row));
                    }
                }
            }
        }
        let [mean_dp, mean_gq] = means.map(|mean| if mean.iter().any(Option::is_some) { mean } else { Vec::new() });
        Ok(SampleTable { mean_dp, mean_gq, ..table })
    }

    /// As a table; `homozygosity`: one entry a sample, or empty.
    pub fn frame(self, samples: &SampleSet, homozygosity: &[Homozygosity]) -> Result<DataFrame> {
        let indexes: Vec<i32> = samples.indexes().iter().map(|&index| index as i32).collect();
        let sex = |at| match samples.sex(at) {
            Some(Sex::Male) => Some("male"),
            Some(Sex::Female) => Some("female"),
            None => None,
        };
        let mut columns = vec![
            Column::new("sample_index".into(), indexes),
            Column::new("sample".into(), samples.names().collect::<Vec<_>>()),
            Column::new("sex".into(), (0..samples.len()).map(sex).collect::<Vec<_>>()),
        ];
        let ratio_column = |name: &str, of: fn(&SampleRow) -> (u64, u64)| {
            let values = self.rows.iter().map(|row| {
                let (numerator, denominator) = of(row);
                ratio(numerator, denominator)
            });
            Column::new(name.into(), values.collect::<Vec<_>>())
        };
        for (at, name) in NAMES.iter().enumerate() {
            let values: Vec<i64> = self.rows.iter().map(|row| row[at] as i64).collect();
            columns.push(Column::new((*name).into(), values));
            match *name {
                "n_missing" => columns.push(ratio_column("call_rate", |row| {
                    (row[Count::Called as usize], row[Count::Called as usize] + row[Count::Missing as usize])
                })),
                "n_hom_alt" => columns
                    .push(ratio_column("het_hom_ratio", |row| (row[Count::Het as usize], row[Count::HomAlt as usize]))),
                "tv" => columns.push(ratio_column("ti_tv", |row| (row[Count::Ti as usize], row[Count::Tv as usize]))),
                _ => {}
            }
        }
        for (name, values) in [("mean_dp", self.mean_dp), ("mean_gq", self.mean_gq)] {
            if !values.is_empty() {
                columns.push(Column::new(name.into(), values));
            }
        }
        if !homozygosity.is_empty() {
            let all = homozygosity.iter();
            columns.extend([
                Column::new("n_f_variants".into(), all.clone().map(|h| h.n as i64).collect::<Vec<_>>()),
                Column::new("obs_hom".into(), all.clone().map(|h| h.observed as i64).collect::<Vec<_>>()),
                Column::new("exp_hom".into(), all.clone().map(|h| h.expected).collect::<Vec<_>>()),
                Column::new("f".into(), all.map(Homozygosity::f).collect::<Vec<_>>()),
            ]);
        }
        frame(columns)
    }
}
