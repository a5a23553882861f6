//! How far a planned dataset is, from storage alone.

use super::attempt::{ATTEMPTS, Attempt, FAILURES, Failure, records};
use super::folder::DatasetFolder;
use super::manifest::MANIFEST_NAME;
use super::stages::{call_shards_of, evidence_of, missing_of_list};
use crate::error::Result;
use crate::plan::{CALL, Shard, StoredPlan};
use serde::Serialize;

/// How far a dataset is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Where it is.
    pub dataset: String,
    /// SHA-256 (hex) of its plan.
    pub plan_sha256: String,
    /// Whether it is complete and can be read.
    pub published: bool,
    /// In order.
    pub stages: Vec<StageStatus>,
    /// Tasks that have begun and said nothing of their end: they run, or were lost.
    pub running: Vec<Attempt>,
    /// Of shards that are not done, and of tasks.
    pub failures: Vec<Failure>,
}

/// How far a stage is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageStatus {
    /// `ingest` or `call`.
    pub stage: String,
    /// Number of its shards; not known before the stage before is complete.
    pub shards: Option<u64>,
    /// Shards that are not done.
    pub missing: Vec<u64>,
}

impl StageStatus {
    /// Whether all its shards are done.
    pub fn is_complete(&self) -> bool {
        self.shards.is_some() && self.missing.is_empty()
    }
}

impl Status {
    /// Of a planned dataset.
    pub fn of(folder: &DatasetFolder, plan: &StoredPlan, shards: &[Shard]) -> Result<Status> {
        let place = folder.place();
        let first = plan.root.first_stage();
        let missing = missing_of_list(folder, first, shards)?;
        let mut stages = vec![StageStatus { stage: first.into(), shards: Some(shards.len() as u64), missing }];
        if plan.root.is_joint() {
            let mut call = StageStatus { stage: CALL.into(), shards: None, missing: Vec::new() };
            if stages[0].is_complete() {
                let planned = call_shards_of(&plan.root, &evidence_of(folder, &plan.root)?);
                let done = folder.committed_numbers(CALL)?;
                call.shards = Some(planned.len() as u64);
                call.missing = planned.iter().map(|shard| shard.number).filter(|n| !done.contains(n)).collect();
            }
            stages.push(call);
        }
        let mut failures: Vec<Failure> = records(place, FAILURES)?;
        // a piece of a stream that failed has the next number behind that of its shard, and is a part of it
        let planned = |stage: &str, number: u64| match stage == first {
            true => shards[..shards.partition_point(|shard| shard.number <= number)].last().map(|shard| shard.number),
            false => Some(number),
        };
        let is_missing = |stage: &str, number: u64| {
            let found = stages.iter().find(|found| found.stage == stage);
            found.is_some_and(|found| planned(stage, number).is_some_and(|number| found.missing.contains(&number)))
        };
        failures.retain(|failure| match (&failure.stage, failure.shard) {
            (Some(stage), Some(shard)) => is_missing(stage, shard),
            // of a task: while anything is left to do
            _ => stages.iter().any(|stage| !stage.is_complete()),
        });
        failures.sort_by(|a, b| (&a.stage, a.shard, &a.attempt).cmp(&(&b.stage, b.shard, &b.attempt)));
        let mut running: Vec<Attempt> = records(place, ATTEMPTS)?;
        running.sort_by(|a, b| (a.task_index, a.started_s, &a.id).cmp(&(b.task_index, b.started_s, &b.id)));
        Ok(Status {
            dataset: place.uri(),
            plan_sha256: plan.digest.clone(),
            published: place.read(MANIFEST_NAME)?.is_some(),
            stages,
            running,
            failures,
        })
    }
}
