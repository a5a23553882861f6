//! From a planned dataset whose shards are all committed to a published one.

use super::frame::Frame;
use crate::commit::DatasetFolder;
use crate::commit::manifest::{MANIFEST_NAME, Manifest};
use crate::commit::publish::Publication;
use crate::commit::stages::{call_shards_of, evidence_of, missing_of_list};
use crate::error::{Class, Error, Result};
use crate::plan::{CALL, Shard, StoredPlan};
use std::collections::BTreeMap;

/// Shards that a message names.
const NAMED: usize = 10;

/// Publishes a dataset. Shards that are missing are [`Class::Incomplete`]; one that is published already stays as it is.
pub fn finalize(plan: &StoredPlan, shards: &[Shard], frame: &Frame, folder: &DatasetFolder) -> Result<Manifest> {
    if let Some(manifest) = published(folder)? {
        folder.remove_scratch()?; // a run may have been killed just behind its manifest
        return Ok(manifest);
    }
    publish(plan, shards, frame, folder).or_else(|error| match published(folder)? {
        // a twin of this process was faster, and removed what this one had staged
        Some(manifest) => Ok(manifest),
        None => Err(error),
    })
}

fn publish(plan: &StoredPlan, shards: &[Shard], frame: &Frame, folder: &DatasetFolder) -> Result<Manifest> {
    let first = plan.root.first_stage();
    complete(folder, first, &missing_of_list(folder, first, shards)?, shards.len())?;
    let mut evidence = BTreeMap::new();
    if plan.root.is_joint() {
        evidence = evidence_of(folder, &plan.root)?;
        let planned = call_shards_of(&plan.root, &evidence);
        let done = folder.committed_numbers(CALL)?;
        let missing: Vec<u64> =
            planned.iter().map(|shard| shard.number).filter(|number| !done.contains(number)).collect();
        complete(folder, CALL, &missing, planned.len())?;
        if let Some(foreign) = done.iter().find(|&&number| number >= planned.len() as u64) {
            return Err(foreign_shard(folder, *foreign));
        }
    }
    let commits = folder.committed(CALL)?;
    Publication { folder, plan, shards, schemas: &frame.schemas, evidence, commits }.publish()
}

/// The manifest of a dataset that is published from this plan.
pub fn published(folder: &DatasetFolder) -> Result<Option<Manifest>> {
    let Some(bytes) = folder.place().read(MANIFEST_NAME)? else { return Ok(None) };
    let uri = folder.place().uri_of(MANIFEST_NAME);
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|error| Error::bad_data(format!("{uri} is not a manifest of varbatch: {error}")))?;
    if manifest.plan_digest != folder.plan_digest() {
        return Err(Error::usage(format!("{} was published from another plan", folder.place().uri())));
    }
    Ok(Some(manifest))
}

fn complete(folder: &DatasetFolder, stage: &str, missing: &[u64], n_shards: usize) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let mut names: Vec<String> = missing.iter().take(NAMED).map(u64::to_string).collect();
    if missing.len() > NAMED {
        names.push("...".into());
    }
    Err(Error::new(
        Class::Incomplete,
        format!(
            "{} is not complete: stage {stage} lacks {} of {n_shards} shards ({})",
            folder.place().uri(),
            missing.len(),
            names.join(", ")
        ),
    )
    .hint("`varbatch status` says what failed and what to run next"))
}

fn foreign_shard(folder: &DatasetFolder, number: u64) -> Error {
    Error::new(
        Class::Incomplete,
        format!("{} has a commit record of shard {number}, which the plan does not have", folder.place().uri()),
    )
    .hint("begin anew with --force")
}
