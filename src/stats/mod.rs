//! Statistics of a published dataset.
//!
//! ```text
//! Selection (which samples, which variants) -> Source -> Blocks of variants, sparse -> one module a statistic -> ResultTable
//! ```
//!
//! A [`block::Block`] holds the calls that are not plain reference, so the cost of most statistics goes with the carriers, not with
//! samples x variants. Blocks come in the order of the tables and their bounds depend on the dataset alone, so a sum that is
//! folded in that order is the same to the byte for any number of threads.

pub mod assoc;
pub mod block;
pub mod burden;
pub mod grm;
pub mod hardy;
pub mod kinship;
pub mod ld;
pub mod pc_relate;
pub mod pca;
pub mod quadratic_form;
pub mod results;
pub mod sample_table;
pub mod score;
pub mod selection;
pub mod source;
pub mod tables;
pub mod tails;
pub mod views;
