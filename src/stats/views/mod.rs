//! Views: ready-made tables of calls in a region, with names of samples and alleles.
//!
//! Enters a scope (regions, samples, variants); leave frames, chunk by chunk, in the order of the tables. Memory: a million cells.
//! Samples without a row in `genotypes` are plain reference: views that show every sample fill in what `export` would write.

pub mod chunk;
mod counts;
mod find;
mod tables;

pub use counts::counts;
pub use find::variant_ids;
pub use tables::{Cells, calls, carriers, genotypes, matrix};
