//! From records to allele rows, genotypes and statistics: pure functions of records.

pub mod hwe;
pub mod joint;
pub mod sample_counts;
pub mod statistics;
