//! gVCF: records of one sample or some that speak for every base, variant or not.
//!
//! [`dialect`] says whether a file is one and who wrote it, [`block`] reads the records that say "nothing but the
//! reference here", which are nearly all.

pub mod block;
pub mod dialect;
pub mod evidence;
pub mod expected;
pub mod record;

pub use block::{Block, BlockGt, FilterNames, MISSING, NO_FILTER};
pub use dialect::{Dialect, Recognised, Survey};
pub use record::{CellContent, RecordParser};

/// What a caller's files mean where the words alone leave it open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// GT `./.` with PL is to be read as the most likely genotype (GATK CombineGVCFs takes all GT out).
    pub genotype_from_pl: bool,
}

/// How the records of the dialect of this name are to be read.
pub fn reading(name: &str) -> Reading {
    Reading { genotype_from_pl: dialect::by_name(name).is_some_and(|dialect| dialect.derive_gt_from_pl) }
}
