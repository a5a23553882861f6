//! Whether there is room for what a task will write, before it begins.

use super::share::Share;
use crate::commit::DatasetFolder;
use crate::error::{Class, Error, Result};
use crate::plan::{Shard, StoredPlan};
use std::path::Path;

/// Bytes of output for each byte of compressed input, at the least that was seen of any kind of cohort: only what cannot fit is
/// refused, and a disk that becomes full later is an error of its own.
const LEAST_OUTPUT: f64 = 0.1;

/// A task before it begins.
pub struct Preflight<'a> {
    /// What it is a task of.
    pub plan: &'a StoredPlan,
    /// Shards of the plan's list.
    pub shards: &'a [Shard],
    /// Which of them.
    pub share: Share,
    /// Shards that are worked on at once.
    pub workers: usize,
    /// Where to.
    pub folder: &'a DatasetFolder,
}

impl Preflight<'_> {
    /// Refuses to begin where what is left of the task's share cannot fit on the disk. Of a dataset in a store, files are on the
    /// disk until they are uploaded: those of the shards that are worked on at once.
    pub fn check(&self) -> Result<()> {
        let done = self.folder.committed_numbers(self.plan.root.first_stage())?;
        let mine = self.share.of(self.shards, |shard| shard.bytes);
        let mut left: Vec<u64> =
            mine.iter().filter(|shard| !done.contains(&shard.number)).map(|shard| shard.bytes).collect();
        match self.folder.place().local() {
            Some(root) => {
                let hint = "free some space there, or plan into another folder: finished shards are kept";
                fits(root, left.iter().sum(), "this task will write", hint)
            }
            None => {
                left.sort_unstable_by_key(|&bytes| std::cmp::Reverse(bytes));
                let at_once = left.iter().take(self.workers).sum();
                let what = format!("{} shards at once will have there", left.len().min(self.workers));
                fits(&std::env::temp_dir(), at_once, &what, "set TMPDIR to a larger disk, or --threads to fewer")
            }
        }
    }
}

/// Whether what comes of so many bytes of input can fit on the disk of a folder.
fn fits(folder: &Path, input_bytes: u64, what: &str, hint: &str) -> Result<()> {
    let Some(free) = super::resources::free_bytes(folder) else { return Ok(()) };
    let needed = (input_bytes as f64 * LEAST_OUTPUT) as u64;
    if needed <= free {
        return Ok(());
    }
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let message =
        format!("{} has {:.1} MB free, and {what} {:.1} MB at the very least", folder.display(), mb(free), mb(needed));
    Err(Error::new(Class::Io, message).hint(hint))
}
