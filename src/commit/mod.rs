//! What "finished" means: staged files, commit records, the manifest.
pub mod manifest;
pub mod verify;
