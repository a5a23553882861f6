//! gVCF: dialects, and what their records say.

pub mod evidence;

/// What a caller's files mean where the words alone leave it open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// GT `./.` with PL is to be read as the most likely genotype (GATK CombineGVCFs takes all GT out).
    pub genotype_from_pl: bool,
}

/// How the records of a dialect are to be read.
pub fn reading(dialect: &str) -> Reading {
    Reading { genotype_from_pl: dialect == "gatk-combined" }
}
