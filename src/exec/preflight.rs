//! Whether there is room for what a task will write, before it begins.

use super::share::Share;
use crate::commit::DatasetFolder;
use crate::error::{Class, Error, Result};
use crate::plan::{Shard, StoredPlan};

/// Bytes of output for each byte of compressed input, at the least that was seen of any kind of cohort: only what cannot fit is
/// refused, and a disk that becomes full later is an error of its own.
const LEAST_OUTPUT: f64 = 0.1;

/// Refuses to begin where the rest of the task's share cannot fit on the disk.
pub fn preflight(plan: &StoredPlan, shards: &[Shard], share: Share, folder: &DatasetFolder) -> Result<()> {
    let Some(root) = folder.place().local() else { return Ok(()) };
    let Some(free) = super::resources::free_bytes(root) else { return Ok(()) };
    let done = folder.committed_numbers(plan.root.first_stage())?;
    let mine = share.of(shards, |shard| shard.bytes);
    let left: u64 = mine.iter().filter(|shard| !done.contains(&shard.number)).map(|shard| shard.bytes).sum();
    let needed = (left as f64 * LEAST_OUTPUT) as u64;
    if needed <= free {
        return Ok(());
    }
    Err(Error::new(
        Class::Io,
        format!(
            "{} has {:.1} GB free, and this task will write {:.1} GB at the very least",
            root.display(),
            free as f64 / 1e9,
            needed as f64 / 1e9
        ),
    )
    .hint("free some space there, or plan into another folder: finished shards are kept"))
}
