//! What of a plan is done: shards that are committed, and those that are not.

use super::folder::{CommitRecord, DatasetFolder};
use crate::error::Result;
use crate::evidence::ContigRows;
use crate::pipeline::FileRecord;
use crate::plan::joint::{BYTES_PER_ROW, CALL_SHARD_ROWS, CallShard, call_shards};
use crate::plan::{INGEST, Plan, Shard, ShardSource};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers of the shards of the list that are not committed. A stream counts as one, by its first number, until its last
/// piece and all before are there.
pub fn missing_of_list(folder: &DatasetFolder, stage: &str, shards: &[Shard]) -> Result<Vec<u64>> {
    let done = folder.committed_numbers(stage)?;
    let mut missing = Vec::new();
    for shard in shards {
        if !is_done(folder, stage, shard, &done)? {
            missing.push(shard.number);
        }
    }
    Ok(missing)
}

/// Whether a shard of the list is committed, a stream with all its pieces.
pub fn is_done(folder: &DatasetFolder, stage: &str, shard: &Shard, done: &BTreeSet<u64>) -> Result<bool> {
    if !matches!(shard.source, ShardSource::Stream { .. }) {
        return Ok(done.contains(&shard.number));
    }
    let n_pieces =
        done.range(shard.number..).zip(shard.number..).take_while(|(found, wanted)| *found == wanted).count();
    match n_pieces as u64 {
        0 => Ok(false),
        n => Ok(folder.commit_record(stage, shard.number + n - 1)?.last),
    }
}

/// Commit records of the parts of evidence. The places that they name are on contigs and in inputs of the plan, and within
/// their files.
pub fn evidence_of(folder: &DatasetFolder, plan: &Plan) -> Result<BTreeMap<u64, CommitRecord>> {
    let records = folder.committed(INGEST)?;
    for (&shard, record) in &records {
        if !record.files.iter().all(|file| has_places_of(plan, file)) {
            return Err(folder.damaged_record(INGEST, shard, "names places that there are not"));
        }
    }
    Ok(records)
}

fn has_places_of(plan: &Plan, file: &FileRecord) -> bool {
    let is_contig = |contig: u32| (contig as usize) < plan.contigs.len();
    let rows = file.contigs.iter().all(|of| {
        let end = of.first_row.checked_add(of.rows);
        is_contig(of.contig) && end.is_some_and(|end| end <= file.rows) && 0 <= of.first_pos && 0 <= of.max_span
    });
    let spans = file.spans.iter().all(|span| is_contig(span.contig) && (span.input as u64) < plan.inputs.n);
    rows && spans && file.path.starts_with(&format!("{}/", file.table)) && !file.path.contains("..")
}

/// The shards of the second stage, which what is known of the evidence decides.
pub fn call_shards_of(plan: &Plan, evidence: &BTreeMap<u64, CommitRecord>) -> Vec<CallShard> {
    let rows_wanted = plan.settings.shard_bytes.map_or(CALL_SHARD_ROWS, |bytes| bytes / BYTES_PER_ROW);
    call_shards(all_rows(evidence.values()), rows_wanted)
}

/// Where the rows of each contig are, of every part.
fn all_rows<'a>(commits: impl Iterator<Item = &'a CommitRecord>) -> impl Iterator<Item = &'a [ContigRows]> {
    commits.flat_map(|commit| &commit.files).map(|file| &file.contigs[..])
}
