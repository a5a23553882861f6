//! Statistics of a published dataset.
//!
//! ```text
//! Selection (which samples, which variants) -> Source -> Blocks of variants, sparse -> one module a statistic -> ResultTable
//! ```
//!
//! A [`block::Block`] holds the calls that are not plain reference, so the cost of most statistics goes with the carriers, not with
//! samples x variants. Blocks come in the order of the tables and their bounds depend on the dataset alone, so a sum that is
//! folded in that order is the same to the byte for any number of threads.

pub mod block;
pub mod kinship;
pub mod results;
pub mod selection;
pub mod source;
