//! What "finished" means: staged files, one commit record per shard, the manifest last.

pub mod attempt;
pub mod folder;
pub mod manifest;
pub mod publish;
pub mod samples;
pub mod stages;
pub mod status;
pub mod verify;

pub use folder::{CommitRecord, DatasetFolder, Replace, StagedShard, Start};
