//! Standardised genotypes: `z = (g - 2p) / sqrt(2p (1 - p))` with the frequency p of the allele in the complete calls, 0 where a
//! call is missing. Price et al. 2006, Nature Genetics 38:904, doi:10.1038/ng1847.

use crate::error::Result;
use crate::stats::block::Block;
use crate::stats::source::Source;

/// Variants that are multiplied at once: enough for the matrix product, few enough for sums in f32 (about 1e-6 of a sum).
pub const CHUNK: usize = 1024;

/// Mean and 1 / standard deviation of a variant; `None` where all calls are alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standard {
    /// 2p
    pub mean: f64,
    /// 1 / sqrt(2p (1 - p))
    pub scale: f64,
}

impl Standard {
    /// Of an allele of this frequency.
    pub fn of_frequency(frequency: f64) -> Option<Standard> {
        let variance = 2.0 * frequency * (1.0 - frequency);
        (variance > 0.0).then(|| Standard { mean: 2.0 * frequency, scale: variance.sqrt().recip() })
    }

    /// Of a variant of a block.
    pub fn of(block: &Block, variant: usize) -> Option<Standard> {
        block.sites[variant].counts.af().and_then(Standard::of_frequency)
    }

    /// z of a sample with so many copies.
    pub fn z(&self, copies: f64) -> f64 {
        (copies - self.mean) * self.scale
    }
}

/// Columns of z, and which samples have no call.
#[derive(Debug)]
pub struct Chunk {
    /// `[n_variants][n_samples]`, variant by variant.
    pub z: Vec<f32>,
    /// Positions of the samples without a call, by variant.
    pub missing: Vec<Vec<u32>>,
    n_samples: usize,
}

impl Chunk {
    fn new(n_samples: usize) -> Chunk {
        Chunk { z: Vec::with_capacity(CHUNK * n_samples), missing: Vec::with_capacity(CHUNK), n_samples }
    }

    /// Number of variants.
    pub fn n_variants(&self) -> usize {
        self.missing.len()
    }

    fn push(&mut self, block: &Block, variant: usize, standard: Standard) {
        let start = self.z.len();
        self.z.resize(start + self.n_samples, standard.z(0.0) as f32);
        let column = &mut self.z[start..];
        let (samples, calls) = block.listed(variant);
        let mut missing = Vec::new();
        for (&sample, call) in samples.iter().zip(calls) {
            column[sample as usize] = match call.copies() {
                Some(copies) => standard.z(f64::from(copies)) as f32,
                None => {
                    missing.push(sample);
                    0.0
                }
            };
        }
        self.missing.push(missing);
    }

    fn clear(&mut self) {
        self.z.clear();
        self.missing.clear();
    }
}

/// Gives `take` the variants of the source in chunks of [`CHUNK`], in order; the number of variants that are not all alike.
pub fn each_chunk(source: &Source, n_samples: usize, mut take: impl FnMut(&Chunk) -> Result<()>) -> Result<u64> {
    let mut chunk = Chunk::new(n_samples);
    let mut n_variants = 0;
    source.run(Ok, |block| {
        for variant in 0..block.len() {
            let Some(standard) = Standard::of(&block, variant) else { continue };
            chunk.push(&block, variant, standard);
            n_variants += 1;
            if chunk.n_variants() == CHUNK {
                take(&chunk)?;
                chunk.clear();
            }
        }
        Ok(())
    })?;
    if chunk.n_variants() > 0 {
        take(&chunk)?;
    }
    Ok(n_variants)
}
