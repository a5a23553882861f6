//! varbatch finds the variants of a cohort of genomes and loads them into columnar tables made for statistics.
//!
//! ```text
//! paths -> input -> plan -> [ decode -> call -> columns ] -> commit -> dataset -> query, export
//!                     |       pipeline::run_shard            |
//!                     +------ exec: which shards this process runs
//! ```
//!
//! Arrows point one way; `tests/it/layering.rs` holds the modules to it. `docs/architecture.md` has the table of owners.
#![warn(missing_docs)]

pub mod alleles;
pub mod annotate;
pub mod call;
pub mod cli;
pub mod columns;
pub mod commit;
pub mod dataset;
pub mod decode;
pub mod error;
pub mod evidence;
pub mod exec;
pub mod explain;
pub mod export;
pub mod genome;
pub mod input;
pub mod joint;
pub mod pipeline;
pub mod plan;
pub mod profile;
pub mod query;
pub mod report;
pub mod simulate;
pub mod stats;
pub mod store;
pub mod submit;
pub mod validate;
mod wide;
