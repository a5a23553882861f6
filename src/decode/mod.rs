//! Bytes to headers, lines and borrowed record fields. Nothing here opens a file; `store` and `input` hand over bytes.
//!
//! BCF records are written out as the VCF lines that they stand for ([`bcf`]), so that there is one record path; only their
//! samples stay typed where a record is called by itself ([`records`]).

pub mod bcf;
pub mod bgzf;
pub mod cells;
mod delimiters;
pub mod fasta;
pub mod gvcf;
pub mod header;
pub mod intervals;
pub mod limits;
pub mod lines;
pub mod numbers;
pub mod probe;
pub mod records;
pub mod samples;
pub mod stream;
mod stride;
pub mod vcf;
