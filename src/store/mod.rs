//! Local files: how bytes reach the disk. Knows nothing of genomes.

pub mod bgzf_writer;
