//! Allele counts by group of samples, of the variants of a scope.

use crate::dataset::Dataset;
use crate::error::Result;
use crate::query::Scope;
use crate::stats::block::Block;
use crate::stats::selection::{SampleSet, Selection, VariantFilter};
use crate::stats::source::Source;
use crate::stats::tables::groups::Groups;
use crate::stats::tables::women::MaleHaploid;
use polars::prelude::DataFrame;
use std::collections::HashSet;

/// A row for each variant and group, as the table `group_stats`. `groups`: a file, or a column of `samples`.
pub fn counts(
    dataset: &Dataset,
    scope: &Scope,
    groups: &str,
    mut take: impl FnMut(DataFrame) -> Result<()>,
) -> Result<()> {
    let all = SampleSet::all(dataset)?;
    let mut samples = all.clone();
    if let Some(chosen) = scope.samples() {
        let chosen: HashSet<i32> = chosen.iter().copied().collect();
        samples.keep(|at| chosen.contains(&(at as i32)));
    }
    let groups = Groups::named(groups, dataset, &all, &samples)?;
    let variants = VariantFilter {
        regions: scope.regions().map(<[_]>::to_vec),
        variant_ids: scope.variants().map(|ids| ids.iter().copied().collect()),
        ..VariantFilter::default()
    };
    let males = MaleHaploid::new(dataset, &samples);
    take(groups.rows(&Block::new(samples.len()), dataset, &males)?)?;
    let selection = Selection { samples, variants };
    Source::new(dataset, &selection)?.run(|block| groups.rows(&block, dataset, &males), take)
}
