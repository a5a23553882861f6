//! One shard on one thread: decode -> call -> columns. A pure function of the plan, the inputs and the shard.
//!
//! Records are read in file order; each becomes one allele row per alternate allele. Rows wait in a window until no later
//! record can have a row before them, so they leave in the order of the table whatever normalisation moved.

mod emit;
pub mod ingest;
pub mod joint;
mod merge;
mod range;
mod record;
mod rehearsal;
mod shard;
mod sparse;
mod stored;
mod window;
mod writers;

pub use ingest::{IngestSource, IngestTask, run_ingest_shard};
pub use joint::{JointTask, run_joint_shard};
pub use merge::{MERGE_HALO_BP, MergeSource, MergeTask, run_merge_shard};
pub use shard::{Context, Outcome, Progress, Task, interrupted, is_interrupted, is_unsorted, run_shard};
pub use writers::{FileRecord, InputSpan, ShardFiles};
