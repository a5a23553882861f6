//! Dialects of gVCF.

use crate::call::joint::record::Reading;

/// How the records of a dialect are to be read.
pub fn reading(dialect: &str) -> Reading {
    Reading { genotype_from_pl: dialect == "gatk-combined" }
}
