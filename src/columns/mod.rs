//! Table schemas, builders and files of tables: the only place that knows column names and types.
//!
//! `docs/formats.md` is the description for users; [`schema`] is what is written.

pub mod field;
pub mod genotypes;
pub mod genotypes_file;
pub mod joint;
pub mod parquet_file;
pub mod samples;
pub mod schema;
pub mod values;
pub mod variants;
