//! What "finished" means: staged files, one commit record per shard, the manifest last.

pub mod folder;
pub mod manifest;
pub mod publish;

pub use folder::{CommitRecord, DatasetFolder, Start};
