//! Hardy-Weinberg counts of X: men are left out where they have one copy, also where a file writes them with two.

use crate::dataset::Dataset;
use crate::error::Result;
use crate::genome::ContigClass;
use crate::genome::sex::{Sex, SexChromosome};
use crate::stats::block::{Block, Call, Counts};
use crate::stats::hardy::Diploid;
use crate::stats::selection::{SampleSet, Selection, VariantFilter};
use crate::stats::source::Source;
use std::collections::HashMap;

/// Where men have one copy of X.
#[derive(Clone, Debug)]
pub struct MaleHaploid {
    /// By contig index.
    x: Vec<Option<XContig>>,
    is_male: Vec<bool>,
    n_males: usize,
}

#[derive(Clone, Copy, Debug)]
struct XContig(Option<SexChromosome>);

impl MaleHaploid {
    /// For the contigs of `dataset` and the selected samples.
    pub fn new(dataset: &Dataset, samples: &SampleSet) -> MaleHaploid {
        let x = dataset.manifest().contigs.iter().map(|contig| {
            let is_x = ContigClass::of(&contig.name) == ContigClass::X;
            is_x.then(|| XContig(SexChromosome::of(&contig.name, contig.length)))
        });
        let is_male: Vec<bool> = (0..samples.len()).map(|at| samples.sex(at) == Some(Sex::Male)).collect();
        MaleHaploid { x: x.collect(), n_males: is_male.iter().filter(|male| **male).count(), is_male }
    }

    /// Whether there are men, and the contig is X.
    pub fn is_on(&self, contig: u32) -> bool {
        self.n_males > 0 && self.x[contig as usize].is_some()
    }

    /// Whether `pos` is there, outside of the pseudoautosomal regions; all of an X of unknown length is.
    pub fn is_at(&self, contig: u32, pos: i32) -> bool {
        let outside = |x: XContig| x.0.is_none_or(|chromosome| chromosome.copies(pos, Sex::Male) == 1);
        self.n_males > 0 && self.x[contig as usize].is_some_and(outside)
    }

    /// The calls of the Hardy-Weinberg test of a variant of `block`.
    pub fn diploid(&self, block: &Block, variant: usize) -> Diploid {
        let site = &block.sites[variant];
        let mut diploid = diploid_of(&site.counts);
        if !self.is_at(site.contig, site.pos) {
            return diploid;
        }
        let (samples, calls) = block.listed(variant);
        let mut n_listed = 0;
        for (&sample, &call) in samples.iter().zip(calls) {
            if self.is_male[sample as usize] {
                n_listed += 1;
                match call {
                    Call::HomRef => diploid.n_hom_ref -= 1,
                    Call::Het => diploid.n_het -= 1,
                    Call::HomAlt => diploid.n_hom_alt -= 1,
                    _ => {}
                }
            }
        }
        if site.unlisted == crate::stats::block::Unlisted::HomRef {
            diploid.n_hom_ref -= (self.n_males - n_listed) as u64;
        }
        diploid
    }
}

/// The diploid calls of all samples.
pub fn diploid_of(counts: &Counts) -> Diploid {
    Diploid { n_hom_ref: counts.n_hom_ref, n_het: counts.n_het, n_hom_alt: counts.n_hom_alt }
}

/// Counts of X over those who are not men, by `variant_id`: one pass over the genotypes of X.
pub fn counts_of_x(dataset: &Dataset, samples: &SampleSet, males: &MaleHaploid) -> Result<HashMap<i64, Diploid>> {
    let variants = VariantFilter { contig_classes: vec![ContigClass::X], ..VariantFilter::default() };
    let selection = Selection { samples: samples.clone(), variants };
    let mut counts = HashMap::new();
    let map = |block: Block| {
        let of = |at: usize| (block.sites[at].variant_id, males.diploid(&block, at));
        Ok((0..block.len()).map(of).collect::<Vec<_>>())
    };
    Source::new(dataset, &selection)?.run(map, |found| {
        counts.extend(found);
        Ok(())
    })?;
    Ok(counts)
}
