//! A dataset folder while it is written: the plan, the staging folder, the commit records.
//!
//! A shard's files are written below `_staging`, flushed, renamed to their final names, and then one record is created
//! in `_commits`. Only that record counts: without it the files are written again, with it they are not looked at again
//! until they are published. Shards are pure functions of the plan, so a file that is written twice is the same twice.

use super::manifest::{Accounting, MANIFEST_NAME, Manifest};
use crate::columns::parquet_file::ParquetFile;
use crate::columns::samples::counts_batch;
use crate::error::{Class, Error, Result};
use crate::pipeline::{FileRecord, Outcome};
use crate::profile::{self, Stage};
use crate::store::local;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

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
    pub counts: Option<String>,
    /// Where its records went.
    pub accounting: Accounting,
    /// Tolerated things.
    pub warnings: BTreeMap<String, u64>,
}

/// A dataset folder that this process writes. The lock is held until it is dropped.
#[derive(Debug)]
pub struct DatasetFolder {
    root: PathBuf,
    plan_digest: String,
    _lock: File,
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
    /// Begins or resumes a dataset of the plan `plan_json` with this digest. A published dataset, or an unfinished one of
    /// another plan, is replaced only where `replace` says so.
    pub fn begin(root: &Path, plan_json: &[u8], plan_digest: &str, replace: Replace) -> Result<(DatasetFolder, Start)> {
        let manifest = root.join(MANIFEST_NAME);
        refuse_foreign(root)?;
        let lock = lock(root)?;
        let folder = DatasetFolder { root: root.to_path_buf(), plan_digest: plan_digest.into(), _lock: lock };
        for place in ["", "_plan", "_commits"] {
            local::sweep_staged(&root.join(place))?;
        }
        if let Some(bytes) = local::read_if_there(&manifest)? {
            let same = serde_json::from_slice::<Manifest>(&bytes).is_ok_and(|old| old.plan_digest == plan_digest);
            if same {
                return Ok((folder, Start::Published));
            }
            if replace != Replace::Anything {
                return Err(Error::usage(format!("{} holds a dataset of other inputs or settings", root.display()))
                    .hint("name another folder, or replace it with --force"));
            }
            local::remove(&manifest)?;
            folder.clear()?;
        }
        let plan_path = root.join("_plan/plan.json");
        let start = match local::read_if_there(&plan_path)? {
            Some(old) if old == plan_json => Start::Resumed,
            Some(_) if replace != Replace::Nothing || !folder.has_commits()? => {
                folder.clear()?;
                Start::Fresh
            }
            Some(_) => {
                return Err(Error::usage(format!(
                    "{} holds an unfinished dataset of other inputs or settings (or an input changed since)",
                    root.display()
                ))
                .hint("name another folder, or begin anew with --force"));
            }
            None => Start::Fresh,
        };
        local::remove_folder(&root.join("_staging"))?;
        if start == Start::Fresh {
            local::write_whole(&plan_path, plan_json)?;
        }
        Ok((folder, start))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The plan that is worked on.
    pub fn plan_digest(&self) -> &str {
        &self.plan_digest
    }

    /// Where shards of this process write before they commit.
    pub fn staging(&self) -> PathBuf {
        self.root.join(format!("_staging/{}", std::process::id()))
    }

    fn clear(&self) -> Result<()> {
        for name in ["_commits", "_staging", "variants", "genotypes", "samples", "ref_blocks", "evidence", "stats"] {
            local::remove_folder(&self.root.join(name))?;
        }
        local::remove(&self.root.join("header.vcf"))?;
        local::remove(&self.root.join("_plan/plan.json"))
    }

    fn has_commits(&self) -> Result<bool> {
        Ok(!local::list(&self.root.join("_commits"))?.is_empty())
    }

    /// Commit records of a stage (`""`, or a folder below `_commits`), by shard number.
    pub fn committed(&self, stage: &str) -> Result<BTreeMap<u64, CommitRecord>> {
        let folder = self.root.join("_commits").join(stage);
        let mut records = BTreeMap::new();
        for name in local::list(&folder)? {
            if !name.ends_with(".json") || name.starts_with('.') {
                continue;
            }
            let path = folder.join(&name);
            let bytes = local::read_if_there(&path)?.unwrap_or_default();
            let record: CommitRecord = serde_json::from_slice(&bytes).map_err(|error| {
                Error::new(
                    Class::Incomplete,
                    format!("the commit record {} is not understood: {error}", path.display()),
                )
                .hint("remove it: its shard will be done again")
            })?;
            if record.plan_digest != self.plan_digest {
                return Err(Error::new(Class::Incomplete, format!("{} belongs to another plan", path.display()))
                    .hint("begin anew with --force"));
            }
            records.insert(record.shard, record);
        }
        Ok(records)
    }

    /// Gives a shard's staged files their final names below `target` (a folder in the dataset, `""` for the dataset
    /// itself) and records it. A record that is there already must say the same.
    pub fn commit(&self, stage: &str, target: &str, shard: u64, last: bool, outcome: Outcome) -> Result<()> {
        let _stage = profile::enter(Stage::Commit);
        let staging = self.staging();
        for file in &outcome.files {
            local::rename(&staging.join(&file.path), &self.root.join(target).join(&file.path))?;
        }
        let folder = self.root.join("_commits").join(stage);
        let counts = (outcome.counts.n_samples() > 0).then(|| format!("{shard:012}.counts.parquet"));
        if let Some(name) = &counts {
            let staged = staging.join(name);
            let batch = counts_batch(&outcome.counts);
            let mut file = ParquetFile::new(local::create(&staged)?, &batch.schema(), 1 << 20)?;
            file.write(&batch, &staged)?;
            let (_, sink) = file.finish(&staged)?;
            local::sync(sink, &staged)?;
            local::rename(&staged, &folder.join(name))?;
        }
        let record = CommitRecord {
            shard,
            plan_digest: self.plan_digest.clone(),
            last,
            files: outcome.files,
            counts,
            accounting: outcome.accounting,
            warnings: outcome.warnings,
        };
        let bytes = serde_json::to_vec(&record).expect("a record is plain data");
        let path = folder.join(format!("{shard:012}.json"));
        local::create_folder(&folder)?;
        if !local::create_once(&path, &bytes)? && local::read_if_there(&path)?.as_deref() != Some(&bytes[..]) {
            return Err(Error::internal(format!("shard {shard} gave another result than before ({})", path.display())));
        }
        Ok(())
    }

    /// Removes what only the writing of the dataset needed.
    pub fn remove_scratch(&self) -> Result<()> {
        local::remove_folder(&self.root.join("_staging"))?;
        local::remove_folder(&self.root.join(COPIES))?;
        for name in local::list(&self.root.join("_plan"))?.iter().filter(|name| name.starts_with("stdin")) {
            local::remove(&self.root.join("_plan").join(name))?;
        }
        Ok(())
    }
}

/// Where standard input is kept while it is worked on.
pub const STDIN_SPOOL: &str = "_plan/stdin";

/// Where copies of inputs are kept while they are worked on.
pub const COPIES: &str = "_plan/copies";

/// A folder with other things in it is not ours to write into.
fn refuse_foreign(root: &Path) -> Result<()> {
    if root.is_file() {
        return Err(Error::usage(format!("{} is a file, expected a folder to write the dataset into", root.display())));
    }
    let names = local::list(root)?;
    let ours = names.is_empty() || names.iter().any(|name| name == "_plan" || name == MANIFEST_NAME);
    if ours {
        return Ok(());
    }
    Err(Error::usage(format!("{} holds other files (such as {})", root.display(), names[0]))
        .hint("name a new folder for the dataset"))
}

fn lock(root: &Path) -> Result<File> {
    let path = root.join("_plan/lock");
    local::create_folder(&root.join("_plan"))?;
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| Error::writing(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::new(Class::Temporary, format!("another process is writing {}", root.display()))
                .hint("wait for it to end, or name another folder"))
        }
        // file systems without locks: commit records still keep shards whole
        Err(std::fs::TryLockError::Error(_)) => Ok(file),
    }
}
