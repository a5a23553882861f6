//! Rows of `variant_stats`.

use super::{frame, ratio};
use crate::error::Result;
use crate::stats::block::Counts;
use crate::stats::hardy::{Diploid, LnFactorials};
use polars::prelude::{Column, DataFrame};

/// What is known of one variant.
#[derive(Clone, Copy, Debug)]
pub struct VariantRow<'a> {
    /// Its identifier.
    pub variant_id: i64,
    /// 1-based.
    pub pos: i32,
    /// REF after normalisation.
    pub ref_allele: &'a str,
    /// The alternate allele.
    pub alt_allele: &'a str,
    /// `type` of `variants`.
    pub kind: &'static str,
    /// Calls by kind.
    pub counts: Counts,
    /// Copies of the allele.
    pub ac: u64,
    /// Known allele copies.
    pub an: u64,
    /// The calls of the Hardy-Weinberg test.
    pub diploid: Diploid,
    /// Exact p of those.
    pub hwe_p: Option<f64>,
    /// QUAL.
    pub qual: Option<f64>,
    /// INFO/DP over the called samples.
    pub mean_dp: Option<f64>,
}

impl VariantRow<'_> {
    /// Frequency of the allele.
    pub fn af(&self) -> Option<f64> {
        ratio(self.ac, self.an)
    }
}

/// Columns of `variant_stats` of one contig under way.
#[derive(Debug, Default)]
pub struct VariantColumns {
    longs: Vec<i64>,
    positions: Vec<i32>,
    alleles: [Vec<String>; 2],
    kinds: Vec<&'static str>,
    /// One entry per name of [`COUNTS`].
    counts: [Vec<i32>; COUNTS.len()],
    /// One entry per name of [`RATIOS`].
    ratios: [Vec<Option<f64>>; RATIOS.len()],
}

const COUNTS: [&str; 9] =
    ["n_called", "n_missing", "ac", "an", "n_hom_ref", "n_het", "n_hom_alt", "n_hemi_ref", "n_hemi_alt"];
const RATIOS: [&str; 8] = ["call_rate", "af", "maf", "hwe_p", "hwe_midp", "f", "qual", "mean_dp"];

/// Which columns there are that not every dataset has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extra {
    /// `qual`
    pub qual: bool,
    /// `mean_dp`
    pub mean_dp: bool,
}

impl VariantColumns {
    /// Adds a row.
    pub fn push(&mut self, row: &VariantRow, ln: &LnFactorials) {
        self.longs.push(row.variant_id);
        self.positions.push(row.pos);
        self.alleles[0].push(row.ref_allele.to_owned());
        self.alleles[1].push(row.alt_allele.to_owned());
        self.kinds.push(row.kind);
        let c = &row.counts;
        let counts =
            [c.n_called(), c.n_missing, row.ac, row.an, c.n_hom_ref, c.n_het, c.n_hom_alt, c.n_hemi_ref, c.n_hemi_alt];
        self.counts.iter_mut().zip(counts).for_each(|(column, count)| column.push(count as i32));
        let af = row.af();
        let ratios = [
            ratio(c.n_called(), c.n_called() + c.n_missing),
            af,
            af.map(|af| af.min(1.0 - af)),
            row.hwe_p,
            row.hwe_p.map(|p| row.diploid.mid_p(p, ln)),
            row.diploid.inbreeding(),
            row.qual,
            row.mean_dp,
        ];
        self.ratios.iter_mut().zip(ratios).for_each(|(column, value)| column.push(value));
    }

    /// The rows as a table.
    pub fn finish(self, contig: &str, extra: Extra) -> Result<DataFrame> {
        let n_rows = self.longs.len();
        let [refs, alts] = self.alleles;
        let mut columns = vec![
            Column::new("variant_id".into(), self.longs),
            Column::new("contig".into(), vec![contig; n_rows]),
            Column::new("pos".into(), self.positions),
            Column::new("ref".into(), refs),
            Column::new("alt".into(), alts),
            Column::new("type".into(), self.kinds),
        ];
        let mut counts = COUNTS.iter().zip(self.counts).map(|(name, column)| Column::new((*name).into(), column));
        let kept = RATIOS.iter().zip(self.ratios).filter(|(name, _)| match **name {
            "qual" => extra.qual,
            "mean_dp" => extra.mean_dp,
            _ => true,
        });
        let mut ratios = kept.map(|(name, column)| Column::new((*name).into(), column));
        // n_called, n_missing, call_rate, ac, an, af, maf, genotypes, tests
        columns.extend(counts.by_ref().take(2));
        columns.extend(ratios.by_ref().take(1));
        columns.extend(counts.by_ref().take(2));
        columns.extend(ratios.by_ref().take(2));
        columns.extend(counts);
        columns.extend(ratios);
        frame(columns)
    }
}
