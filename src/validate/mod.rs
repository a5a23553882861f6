//! Whether a text keeps to the VCF specification, versions 4.1 to 4.5: every finding with its line, column and section.
//!
//! ```text
//! lines -> meta (## lines) -> columns (#CHROM) -> record (fixed fields) -> values (INFO, samples)
//!                                                        -> order (sorted, contiguous, no variant twice)
//! ```
//!
//! Enters: the text of a VCF, line by line (of a BCF the text that it stands for). Leaves: findings, in the order of lines. The
//! loading of a file does not go through here: it tolerates what real files do and says so; this says all that is wrong.
//! Memory: the header's definitions, and the variants that start at or behind the current position.

mod finding;
mod meta;
mod order;
mod record;
mod reserved;
mod samples;
mod structured;
mod text;
mod values;
mod version;

pub use finding::{Finding, Severity, Sink};
pub use text::validate;
