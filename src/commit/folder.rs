//! A dataset while it is written: the plan, staged files, the commit records.
//!
//! A shard's files are staged under a name of this attempt, get their final names, and then one record is created in
//! `_commits`. Names are created once: whoever comes second compares, and never overwrites. Only the record counts: without
//! it the shard is done again, with it nobody does it again. Shards are pure functions of the plan, so a file that is
//! written twice is the same twice; one that is not is an error, said aloud.

use super::attempt::{ATTEMPTS, Attempt, FAILURES};
use super::manifest::{Accounting, MANIFEST_NAME, Manifest};
use crate::columns::parquet_file::ParquetFile;
use crate::columns::samples::counts_batch;
use crate::error::{Class, Error, Result};
use crate::pipeline::{FileRecord, Outcome};
use crate::plan::stored::{PLAN_FOLDER, PLAN_NAME, PlanFiles};
use crate::profile::{self, Stage};
use crate::store::{Creation, Place, at_once, local};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Folder of the commit records.
pub const COMMITS: &str = "_commits";

/// What a finished shard left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitRecord {
    /// Shard number.
    pub shard: u64,
    /// The plan it belongs to.
    pub plan_digest: String,
    /// The last piece of a stream.
    pub last: bool,
    /// Its files.
    pub files: Vec<FileRecord>,
    /// File with its per-sample counts, in `_commits`.
    pub counts: Option<CountsRecord>,
    /// Where its records went.
    pub accounting: Accounting,
    /// Tolerated things.
    pub warnings: BTreeMap<String, u64>,
    /// Who wrote the gVCFs of a part of evidence, where the plan does not say: name of a dialect, and of how many inputs, one
    /// after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dialects: Vec<(String, u32)>,
    /// Who did it. Two attempts at a shard agree in all the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
}

/// The file with the per-sample counts of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsRecord {
    /// Name beside the commit record.
    pub name: String,
    /// SHA-256, hex.
    pub sha256: String,
}

/// A dataset that this process writes. Locks are held until it is dropped.
#[derive(Debug)]
pub struct DatasetFolder {
    place: Place,
    plan_digest: String,
    attempt: Attempt,
    staging: PathBuf,
    /// A failure of this attempt was noted.
    has_failed: AtomicBool,
    _lock: Option<File>,
}

/// A finished shard whose files are in the staging folder and have no names in the dataset yet.
#[must_use = "nothing of it is in the dataset before `DatasetFolder::commit`"]
#[derive(Debug)]
pub struct StagedShard {
    stage: &'static str,
    record: CommitRecord,
}

/// What may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Nothing.
    Nothing,
    /// An unfinished dataset: this process began it and planned again.
    Unfinished,
    /// A published dataset, too.
    Anything,
}

/// What was found in the folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Start {
    /// Nothing, or nothing of this plan.
    Fresh,
    /// Some shards of this plan.
    Resumed,
    /// This plan is published already.
    Published,
}

impl DatasetFolder {
    /// Begins or resumes a dataset of a plan; nobody else may write it meanwhile. A published dataset, or an unfinished one
    /// of another plan, is replaced only where `replace` says so.
    pub fn begin(place: &Place, plan: &PlanFiles, replace: Replace) -> Result<(DatasetFolder, Start)> {
        let write_parts = || write_parts(place, &plan.parts);
        Self::begin_with(place, &plan.root, write_parts, replace)
    }

    /// The same with the root of a plan, and what writes its parts.
    pub fn begin_with(
        place: &Place,
        root: &[u8],
        write_parts: impl FnOnce() -> Result<()>,
        replace: Replace,
    ) -> Result<(DatasetFolder, Start)> {
        refuse_foreign(place)?;
        let lock = lock(place, true)?;
        let plan_digest = local::sha256_of(root);
        let folder = Self::new(place, &plan_digest, Attempt::new(0, 1, None), lock);
        if let Some(root) = place.local() {
            for below in ["", PLAN_FOLDER] {
                local::sweep_staged(&root.join(below))?;
            }
        }
        if let Some(bytes) = place.read(MANIFEST_NAME)? {
            let same = serde_json::from_slice::<Manifest>(&bytes).is_ok_and(|old| old.plan_digest == plan_digest);
            if same {
                return Ok((folder, Start::Published));
            }
            if replace != Replace::Anything {
                return Err(Error::usage(format!("{} holds a dataset of other inputs or settings", place.uri()))
                    .hint("name another folder, or replace it with --force"));
            }
            place.remove(MANIFEST_NAME)?;
            folder.clear()?;
        }
        let start = match place.read(PLAN_NAME)? {
            Some(old) if old == root => Start::Resumed,
            Some(_) if replace != Replace::Nothing || place.list(COMMITS)?.is_empty() => {
                folder.clear()?;
                Start::Fresh
            }
            Some(_) => {
                return Err(Error::usage(format!(
                    "{} holds an unfinished dataset of other inputs or settings (or an input changed since)",
                    place.uri()
                ))
                .hint("name another folder, or begin anew with --force"));
            }
            None => Start::Fresh,
        };
        place.remove_folder(STAGING)?;
        // parts first: whoever finds the root finds them
        write_parts()?;
        place.create(PLAN_NAME, root)?.same_or(|| changed(place, PLAN_NAME))?;
        Ok((folder, start))
    }

    /// Joins those who write a planned dataset: any number of processes may.
    pub fn join(place: &Place, plan_digest: &str, attempt: Attempt) -> Result<DatasetFolder> {
        let lock = lock(place, false)?;
        Ok(Self::new(place, plan_digest, attempt, lock))
    }

    /// For the process that publishes a planned dataset.
    pub fn to_publish(place: &Place, plan_digest: &str) -> DatasetFolder {
        Self::new(place, plan_digest, Attempt::new(0, 1, None), None)
    }

    fn new(place: &Place, plan_digest: &str, attempt: Attempt, lock: Option<File>) -> Self {
        let staging = match place {
            // on the same file system as the dataset: files get their names by links
            Place::Local(root) => root.join(STAGING).join(&attempt.id),
            Place::S3(_) => std::env::temp_dir().join(format!("varbatch-{}", attempt.id)),
        };
        let (place, plan_digest) = (place.clone(), plan_digest.into());
        DatasetFolder { place, plan_digest, attempt, staging, has_failed: AtomicBool::new(false), _lock: lock }
    }

    /// Where the dataset is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The plan that is worked on.
    pub fn plan_digest(&self) -> &str {
        &self.plan_digest
    }

    /// Who works here.
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// Notes for `status` that a shard failed.
    pub fn shard_failed(&self, stage: &str, shard: u64, error: &Error) {
        self.has_failed.store(true, Ordering::Relaxed);
        self.attempt.failed(&self.place, Some((stage, shard)), error);
    }

    /// Notes for `status` that the task failed, where no shard did and another attempt does not mend it.
    pub fn task_failed(&self, error: &Error) {
        if error.class() != Class::Temporary && !self.has_failed.load(Ordering::Relaxed) {
            self.attempt.failed(&self.place, None, error);
        }
    }

    /// Where this attempt writes files before they get their names.
    pub fn staging(&self) -> &Path {
        &self.staging
    }

    fn clear(&self) -> Result<()> {
        for name in ["variants", "genotypes", "samples", "ref_blocks", "evidence", "stats"] {
            self.place.remove_folder(name)?;
        }
        self.place.remove("header.vcf")?;
        for name in [COMMITS, STAGING, ATTEMPTS, FAILURES] {
            self.place.remove_folder(name)?;
        }
        self.place.remove(PLAN_NAME)?;
        for (name, _) in self.place.list(PLAN_FOLDER)? {
            // the lock is held, and copies of inputs are made before planning
            if name.ends_with(".json") {
                self.place.remove(&format!("{PLAN_FOLDER}/{name}"))?;
            }
        }
        Ok(())
    }

    /// Numbers of the shards of a stage that are committed, from names alone.
    pub fn committed_numbers(&self, stage: &str) -> Result<BTreeSet<u64>> {
        let number = |(name, _): (String, u64)| name.strip_suffix(".json")?.parse().ok();
        Ok(self.place.list(&stage_folder(stage))?.into_iter().filter_map(number).collect())
    }

    /// Commit records of a stage, by shard number.
    pub fn committed(&self, stage: &str) -> Result<BTreeMap<u64, CommitRecord>> {
        let numbers: Vec<u64> = self.committed_numbers(stage)?.into_iter().collect();
        let records = at_once(&numbers, |&shard| Ok((shard, self.commit_record(stage, shard)?)))?;
        Ok(records.into_iter().collect())
    }

    /// The record of one committed shard.
    pub fn commit_record(&self, stage: &str, shard: u64) -> Result<CommitRecord> {
        let name = commit_name(stage, shard);
        let bytes = self.place.read(&name)?.unwrap_or_default();
        let damaged = |what: String| self.damaged_record(stage, shard, &what);
        let record: CommitRecord =
            serde_json::from_slice(&bytes).map_err(|error| damaged(format!("is not understood: {error}")))?;
        if record.plan_digest != self.plan_digest {
            return Err(damaged("belongs to another plan".into()));
        }
        if record.shard != shard {
            return Err(damaged(format!("is of shard {}", record.shard)));
        }
        Ok(record)
    }

    /// The error of a commit record that cannot be used.
    pub fn damaged_record(&self, stage: &str, shard: u64, what: &str) -> Error {
        let message = format!("the commit record {} {what}", self.place.uri_of(&commit_name(stage, shard)));
        Error::new(Class::Incomplete, message).hint("remove it: its shard will be done again")
    }

    /// All that a shard gave, in files of the staging folder: what is left to do is waiting for a disk or a network.
    /// `dialects`: see [`CommitRecord::dialects`].
    pub fn stage(
        &self,
        stage: &'static str,
        shard: u64,
        last: bool,
        outcome: Outcome,
        dialects: Vec<(String, u32)>,
    ) -> Result<StagedShard> {
        let _stage = profile::enter(Stage::Commit);
        let counts = self.stage_counts(stage, shard, &outcome)?;
        let record = CommitRecord {
            shard,
            plan_digest: self.plan_digest.clone(),
            last,
            files: outcome.files,
            counts,
            accounting: outcome.accounting,
            warnings: outcome.warnings,
            dialects,
            attempt: Some(self.attempt.id.clone()),
        };
        Ok(StagedShard { stage, record })
    }

    /// Gives a shard's staged files their names in the dataset and records it. What is there already must be the same.
    pub fn commit(&self, staged: StagedShard) -> Result<()> {
        let _stage = profile::enter(Stage::Commit);
        let StagedShard { stage, record } = staged;
        let shard = record.shard;
        let differs = |name: &str| {
            Error::internal(format!("shard {shard} gave another result than before: {}", self.place.uri_of(name))).hint(
                "was an input replaced by one with the same size and ends, or another build of varbatch used? \
                       begin anew with --force",
            )
        };
        for file in &record.files {
            let staged = self.staging.join(&file.path);
            self.place.upload(&staged, &file.path, &file.sha256)?.same_or(|| differs(&file.path))?;
        }
        if let Some(counts) = &record.counts {
            let staged = self.staging.join(stage).join(&counts.name);
            let name = format!("{}/{}", stage_folder(stage), counts.name);
            self.place.upload(&staged, &name, &counts.sha256)?.same_or(|| differs(&name))?;
        }
        let name = commit_name(stage, shard);
        let bytes = serde_json::to_vec(&record).expect("a record is plain data");
        if self.create(&name, &bytes)? == Creation::Other {
            let found = self.commit_record(stage, shard)?;
            if (CommitRecord { attempt: None, ..found }) != (CommitRecord { attempt: None, ..record }) {
                return Err(differs(&name));
            }
        }
        Ok(())
    }

    fn stage_counts(&self, stage: &str, shard: u64, outcome: &Outcome) -> Result<Option<CountsRecord>> {
        if outcome.counts.n_samples() == 0 {
            return Ok(None);
        }
        let name = format!("{shard:012}.counts.parquet");
        let staged = self.staging.join(stage).join(&name);
        let batch = counts_batch(&outcome.counts);
        let mut file = ParquetFile::new(local::create(&staged)?, &batch.schema(), 1 << 20)?;
        file.write(&batch, &staged)?;
        let (written, sink) = file.finish(&staged)?;
        local::close(sink, &staged)?;
        Ok(Some(CountsRecord { name, sha256: written.sha256 }))
    }

    /// Writes a whole small file of the dataset unless its name exists.
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<Creation> {
        self.place.create_from(&self.staging, name, bytes)
    }

    /// Removes what only the writing of the dataset needed.
    pub fn remove_scratch(&self) -> Result<()> {
        for name in [STAGING, COPIES, ATTEMPTS, FAILURES] {
            self.place.remove_folder_if_allowed(name)?;
        }
        for (name, _) in self.place.list(PLAN_FOLDER)?.iter().filter(|(name, _)| name.starts_with("stdin")) {
            self.place.remove(&format!("{PLAN_FOLDER}/{name}"))?;
        }
        Ok(())
    }
}

impl Drop for DatasetFolder {
    fn drop(&mut self) {
        // best effort: what stays is removed when the dataset is published
        let _ = local::remove_folder(&self.staging);
        if self.place.local().is_some() {
            local::remove_if_empty(self.staging.parent());
        }
    }
}

/// Where files of attempts are before they have their names, in a folder.
const STAGING: &str = "_staging";

/// Where standard input is kept while it is worked on.
pub const STDIN_SPOOL: &str = "_plan/stdin";

/// Where copies of inputs are kept while they are worked on.
pub const COPIES: &str = "_plan/copies";

/// Folder of the records of a stage.
pub fn stage_folder(stage: &str) -> String {
    format!("{COMMITS}/{stage}")
}

fn commit_name(stage: &str, shard: u64) -> String {
    format!("{}/{shard:012}.json", stage_folder(stage))
}

/// Writes parts of the lists of a plan: names in the dataset and contents.
pub fn write_parts(place: &Place, parts: &[(String, Vec<u8>)]) -> Result<()> {
    at_once(parts, |(name, bytes)| place.create(name, bytes)?.same_or(|| changed(place, name))).map(drop)
}

fn changed(place: &Place, name: &str) -> Error {
    Error::new(Class::Temporary, format!("{} was planned by another process meanwhile", place.uri_of(name)))
        .hint("let only one process plan a dataset")
}

/// A folder with other things in it is not ours to write into.
fn refuse_foreign(place: &Place) -> Result<()> {
    let Place::Local(root) = place else {
        let ours = place.read(PLAN_NAME)?.is_some() || place.read(MANIFEST_NAME)?.is_some();
        let others = if ours { Vec::new() } else { place.list("")? };
        // a plan whose making was interrupted
        return match others.iter().find(|(name, _)| !name.starts_with(PLAN_FOLDER)) {
            None => Ok(()),
            Some((name, _)) => Err(Error::usage(format!("{} holds other objects (such as {name})", place.uri()))
                .hint("name a new prefix for the dataset")),
        };
    };
    if root.is_file() {
        return Err(Error::usage(format!("{} is a file, expected a folder to write the dataset into", root.display())));
    }
    let names = local::list(root)?;
    let ours = names.is_empty() || names.iter().any(|name| name == PLAN_FOLDER || name == MANIFEST_NAME);
    if ours {
        return Ok(());
    }
    Err(Error::usage(format!("{} holds other files (such as {})", root.display(), names[0]))
        .hint("name a new folder for the dataset"))
}

/// `alone`: nobody else writes the dataset; otherwise others who are not alone may, too.
fn lock(place: &Place, alone: bool) -> Result<Option<File>> {
    let Place::Local(root) = place else { return Ok(None) };
    let path = root.join(PLAN_FOLDER).join("lock");
    local::create_folder(&root.join(PLAN_FOLDER))?;
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| Error::writing(&path, error))?;
    let locked = if alone { file.try_lock() } else { file.try_lock_shared() };
    match locked {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::new(Class::Temporary, format!("another process is writing {}", root.display()))
                .hint("wait for it to end, or name another folder"))
        }
        // file systems without locks: commit records still keep shards whole
        Err(std::fs::TryLockError::Error(_)) => Ok(Some(file)),
    }
}
