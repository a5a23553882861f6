//! Samples of one dataset on the components of another, by the weights of its variants.
//!
//! A variant is the same where contig, pos, ref and alt are; frequencies are those of the other dataset. Missing variants and calls
//! are left out, and the sum is scaled up by the number of variants that were there. Projections shrink toward 0 where there are
//! more variants than samples (Wang et al. 2015); that is not corrected.

use super::sample_frame;
use super::standard::Standard;
use crate::dataset::Dataset;
use crate::dataset::results::stored;
use crate::error::{Error, Result};
use crate::query::query;
use crate::stats::block::{Block, Site};
use crate::stats::selection::SampleSet;
use crate::stats::source::Source;
use polars::prelude::*;
use std::collections::HashMap;

/// Name of the stored table of weights.
const TABLE: &str = "pca_loadings";

type Key = (String, i32, String, String);

/// Weights of the variants of a dataset.
pub struct Weights {
    by_variant: HashMap<Key, (Standard, Vec<f64>)>,
    n_components: usize,
}

impl Weights {
    /// The stored table `pca_loadings` of `dataset`.
    pub fn stored(dataset: &Dataset) -> Result<Weights> {
        let how = "store it first: `varbatch pca` of that dataset";
        if !stored(dataset)?.iter().any(|found| found.table == TABLE) {
            return Err(Error::usage("the other dataset has no stored table pca_loadings").hint(how));
        }
        let frame = query(dataset, &format!("SELECT * FROM {TABLE}"))?;
        Weights::of(&frame)
            .map_err(|error| Error::bad_data(format!("the stored {TABLE} is not as expected: {error}")).hint(how))
    }

    fn of(frame: &DataFrame) -> PolarsResult<Weights> {
        let text = |name: &str| frame.column(name)?.str();
        let (contig, pos) = (text("contig")?, frame.column("pos")?.i32()?);
        let (ref_allele, alt_allele, af) = (text("ref")?, text("alt")?, frame.column("af")?.f64()?);
        let n_components = frame.get_column_names().iter().filter(|name| name.starts_with('w')).count();
        let weights: Vec<&Float64Chunked> =
            (1..=n_components).map(|at| frame.column(&format!("w{at}"))?.f64()).collect::<PolarsResult<_>>()?;
        let mut by_variant = HashMap::with_capacity(frame.height());
        for row in 0..frame.height() {
            let owned = |column: &StringChunked| column.get(row).unwrap_or_default().to_owned();
            let key = (owned(contig), pos.get(row).unwrap_or_default(), owned(ref_allele), owned(alt_allele));
            let Some(standard) = af.get(row).and_then(Standard::of_frequency) else { continue };
            let weights = weights.iter().map(|column| column.get(row).unwrap_or_default()).collect();
            by_variant.insert(key, (standard, weights));
        }
        Ok(Weights { by_variant, n_components })
    }

    /// Number of variants.
    pub fn n_variants(&self) -> usize {
        self.by_variant.len()
    }

    fn of_site(&self, site: &Site, contigs: &[String]) -> Option<&(Standard, Vec<f64>)> {
        let contig = contigs[site.contig as usize].clone();
        self.by_variant.get(&(contig, site.pos, site.ref_allele.to_string(), site.alt_allele.to_string()))
    }
}

/// Sums of a block: what a sample without copies and gaps has, and what others have beside it.
struct Sums {
    base: Vec<f64>,
    /// `[n_components][n_samples]`
    changes: Vec<Vec<f64>>,
    n_missing: Vec<u32>,
    n_variants: u32,
}

/// Table `pca_projection`: sample_index, sample, n_variants (with a call), pc1, ...; and the number of variants found.
pub fn project(
    source: &Source,
    samples: &SampleSet,
    contigs: &[String],
    weights: &Weights,
) -> Result<(DataFrame, u64)> {
    let n_components = weights.n_components;
    let mut total = Sums::new(n_components, samples.len());
    source.run(
        |block| Ok(sums_of(&block, contigs, weights)),
        |sums| {
            total.add(&sums);
            Ok(())
        },
    )?;
    let n_called: Vec<i32> = total.n_missing.iter().map(|&n| (total.n_variants - n) as i32).collect();
    let scaled = |component: usize, sample: usize| {
        let value = total.base[component] + total.changes[component][sample];
        if n_called[sample] == 0 { f64::NAN } else { value * weights.n_variants() as f64 / f64::from(n_called[sample]) }
    };
    let values: Vec<Vec<f64>> = (0..n_components)
        .map(|component| (0..samples.len()).map(|sample| scaled(component, sample)).collect())
        .collect();
    let frame = sample_frame(samples, vec![Column::new("n_variants".into(), n_called)], &values)?;
    Ok((frame, u64::from(total.n_variants)))
}

impl Sums {
    fn new(n_components: usize, n_samples: usize) -> Sums {
        Sums {
            base: vec![0.0; n_components],
            changes: vec![vec![0.0; n_samples]; n_components],
            n_missing: vec![0; n_samples],
            n_variants: 0,
        }
    }

    fn add(&mut self, other: &Sums) {
        self.base.iter_mut().zip(&other.base).for_each(|(sum, value)| *sum += value);
        for (sums, values) in self.changes.iter_mut().zip(&other.changes) {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        self.n_missing.iter_mut().zip(&other.n_missing).for_each(|(sum, n)| *sum += n);
        self.n_variants += other.n_variants;
    }
}

fn sums_of(block: &Block, contigs: &[String], weights: &Weights) -> Sums {
    let mut sums = Sums::new(weights.n_components, block.n_samples);
    for variant in 0..block.len() {
        let Some((standard, weights)) = weights.of_site(&block.sites[variant], contigs) else { continue };
        sums.n_variants += 1;
        let zero = standard.z(0.0);
        sums.base.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += zero * weight);
        let (samples, calls) = block.listed(variant);
        for (&sample, call) in samples.iter().zip(calls) {
            let z = call.copies().map(|copies| standard.z(f64::from(copies)));
            sums.n_missing[sample as usize] += u32::from(z.is_none());
            let change = z.unwrap_or(0.0) - zero;
            for (values, weight) in sums.changes.iter_mut().zip(weights) {
                values[sample as usize] += change * weight;
            }
        }
    }
    sums
}
