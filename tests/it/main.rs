//! The integration tests: one binary, a module per theme.
//!
//! They call the release binary, so they are run as `cargo test --release`. Real files are looked for in `$VARBATCH_DATA`
//! (or `../shared/data`); a test whose files or tools are absent says so on standard error, and fails when
//! `VARBATCH_REQUIRE_ALL` is set.

mod alleles;
mod annotate;
mod annotate_sources;
mod array;
mod array_s3;
mod assoc;
mod bad_lines;
mod bounds;
mod burden;
mod burden_sets;
mod cli;
mod common;
mod conformance;
mod damaged_records;
mod differential;
mod faults;
mod gatk;
mod golden;
mod gvcf_cases;
mod ingest;
mod inputs;
mod invariance;
mod joint;
mod joint_invariance;
mod joint_math;
mod joint_real;
mod kill;
#[cfg(target_os = "linux")]
mod kill_points;
mod kinship;
mod layering;
mod layout;
mod merge;
mod norm;
mod pca;
mod plink;
mod queries;
mod query;
mod random_vcf;
mod readers;
mod report;
mod roundtrip;
mod s3;
mod s3_datasets;
mod s3_inputs;
mod scale;
mod score;
mod security;
mod servers;
mod stats;
mod stats_tables;
mod submit;
mod tables;
mod truth;
mod validate;
mod vcf;
