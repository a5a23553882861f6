//! One call shard of a gVCF cohort, on one thread: evidence of a range -> sites -> rows.

use super::emit::Emitter;
use super::shard::{Context, Outcome};
use super::writers::ShardFiles;
use crate::commit::manifest::Accounting;
use crate::error::Result;
use crate::evidence::{Blocks, ContigRows, Records, read_blocks, read_records};
use crate::genome::Locus;
use std::path::{Path, PathBuf};

/// Evidence files of some samples.
#[derive(Clone, Debug, Default)]
pub struct EvidencePart {
    /// `ref_blocks` and where the rows of each contig are.
    pub blocks: Option<(PathBuf, Vec<ContigRows>)>,
    /// `evidence` and where the rows of each contig are.
    pub records: Option<(PathBuf, Vec<ContigRows>)>,
}

/// One call shard.
pub struct JointTask<'a> {
    /// Shard number.
    pub number: u64,
    /// First owned position.
    pub own_start: Locus,
    /// First position behind.
    pub own_end: Locus,
    /// All evidence of the cohort, in the order of samples.
    pub parts: &'a [EvidencePart],
}

/// Runs one call shard; its files are below `staging` after.
pub fn run_joint_shard(context: &Context, task: &JointTask, staging: &Path) -> Result<Outcome> {
    let schemas = context.schemas;
    let files = ShardFiles::new(staging, task.number, schemas.variants.clone(), schemas.genotypes.clone());
    for contig in task.own_start.contig..=task.own_end.contig {
        let from = if contig == task.own_start.contig { task.own_start.vcf_pos } else { i32::MIN };
        let to = if contig == task.own_end.contig { task.own_end.vcf_pos } else { i32::MAX };
        if from >= to {
            continue;
        }
        let (mut blocks, mut records) = (Blocks::default(), Records::default());
        for part in task.parts {
            if let Some((path, rows)) = &part.blocks {
                for rows in rows.iter().filter(|rows| rows.contig == contig) {
                    read_blocks(path, rows, from, to - 1, &mut blocks)?;
                }
            }
            if let Some((path, rows)) = &part.records {
                for rows in rows.iter().filter(|rows| rows.contig == contig) {
                    read_records(path, rows, from, to - 1, &mut records)?;
                }
            }
        }
    }
    Emitter::new(context, files).finish(Accounting::default(), 0)
}
