//! gVCF: records of one sample or some that speak for every base, variant or not.
//!
//! [`dialect`] says whether a file is one and who wrote it, [`block`] reads the records that say "nothing but the
//! reference here", which are nearly all.

pub mod block;
pub mod dialect;
pub mod record;

pub use block::{Block, BlockGt, FilterNames, MISSING, NO_FILTER};
pub use dialect::{Dialect, Recognised, Survey};
pub use record::{CellContent, RecordParser};
