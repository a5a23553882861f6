//! Linkage disequilibrium: r2 of pairs of variants, and pruning.
//!
//! r2 is the squared Pearson correlation of the copies of two alleles over the samples where both are called (Hill, Robertson 1968 for
//! phased data; of unphased calls Rogers, Huff 2009, doi:10.1534/genetics.108.093153). Haploid calls count as homozygous.

pub mod pairs;
pub mod planes;
pub mod prune;

use crate::stats::block::Block;
use planes::Planes;
use rayon::prelude::*;

/// Variants that are made into planes at once: `[n_samples]` x 2 bits each.
const CHUNK: usize = 512;

/// How far variants are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Positions that differ by this many base pairs at most.
    Bp(i64),
    /// So many consecutive variants.
    Variants(usize),
}

/// A variant with its calls as planes.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Its identifier.
    pub variant_id: i64,
    /// Index in the manifest's contigs.
    pub contig: u32,
    /// 1-based.
    pub pos: i32,
    /// Frequency of the more common of allele and the rest.
    pub major_af: f64,
    /// The calls.
    pub planes: Planes,
}

/// Gives the variants of `block` to `take`, some at a time.
fn in_chunks(
    block: &Block,
    mut take: impl FnMut(Vec<Variant>) -> crate::error::Result<()>,
) -> crate::error::Result<()> {
    for start in (0..block.len()).step_by(CHUNK) {
        let rows = start..(start + CHUNK).min(block.len());
        take(rows.into_par_iter().map(|at| variant(block, at)).collect())?;
    }
    Ok(())
}

fn variant(block: &Block, at: usize) -> Variant {
    let site = &block.sites[at];
    let af = site.counts.af().unwrap_or_default();
    Variant {
        variant_id: site.variant_id,
        contig: site.contig,
        pos: site.pos,
        major_af: af.max(1.0 - af),
        planes: Planes::new(block, at),
    }
}
