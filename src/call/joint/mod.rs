//! Joint calling of a cohort of gVCFs: which alleles are real, every sample's genotype, and why a call is missing.
//!
//! Pure functions of what the samples' records and reference blocks say at a site; no files, threads, clocks or flags.
//! `docs/methods.md` has every formula.

pub mod annotation;
pub mod census;
pub mod evaluate;
pub mod frequency;
pub mod genotypes;
pub mod likelihood;
pub mod reason;
pub mod record;
pub mod settings;
pub mod site;
pub mod sweep;
