//! x
pub mod haplotypes;
pub mod random;
pub mod reference;
pub mod sites;
pub mod tree;
