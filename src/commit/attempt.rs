//! Who works on a dataset and what went wrong: records beside the commits, for `status`. Nothing is decided by them.

use crate::error::{Error, Result};
use crate::store::{Place, at_once, local};
use serde::{Deserialize, Serialize};

/// Folder of records of tasks that have begun and not ended.
pub const ATTEMPTS: &str = "_attempts";
/// Folder of records of shards that failed.
pub const FAILURES: &str = "_failures";

/// One run of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Unlike that of any other run: names of staged files carry it.
    pub id: String,
    /// Task of the array, from 0.
    pub task_index: u64,
    /// Tasks of the array.
    pub task_count: u64,
    /// Job as the scheduler calls it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Machine and process.
    pub process: String,
    /// Start, in seconds since 1970 (UTC).
    pub started_s: u64,
}

impl Attempt {
    /// Of this process, now.
    pub fn new(task_index: u64, task_count: u64, job: Option<String>) -> Attempt {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Attempt {
            id: local::unique_tag(),
            task_index,
            task_count,
            job,
            process: format!("{}:{}", host.trim(), std::process::id()),
            started_s: now.map_or(0, |now| now.as_secs()),
        }
    }

    fn name(&self) -> String {
        format!("{ATTEMPTS}/{}.json", self.id)
    }

    /// Notes that the task has begun: what kept it from that before is mended.
    pub fn begin(&self, place: &Place) -> Result<()> {
        place.remove_folder_if_allowed(&self.failures_of_task())?;
        place.write(&self.name(), &serde_json::to_vec(self).expect("a record is plain data"))
    }

    /// Notes that it has ended, well or not.
    pub fn end(&self, place: &Place) {
        // best effort: a record that stays says that the end is not known
        let _ = place.remove(&self.name());
    }

    /// Notes that a shard failed, or (`None`) that the task did before or between shards.
    pub fn failed(&self, place: &Place, shard: Option<(&str, u64)>, error: &Error) {
        let failure = Failure {
            stage: shard.map(|(stage, _)| stage.to_string()),
            shard: shard.map(|(_, number)| number),
            attempt: self.id.clone(),
            task_index: self.task_index,
            task_count: self.task_count,
            exit_code: error.class().exit_code(),
            message: error.to_string(),
            hint: error.hint_text().map(str::to_string),
        };
        let folder = match shard {
            Some((stage, number)) => format!("{FAILURES}/{stage}-{number:012}"),
            None => self.failures_of_task(),
        };
        let name = format!("{folder}/{}.json", self.id);
        // best effort: the exit code and the message of the process say the same
        let _ = place.write(&name, &serde_json::to_vec(&failure).expect("a record is plain data"));
    }

    fn failures_of_task(&self) -> String {
        format!("{FAILURES}/task-{:012}-of-{}", self.task_index, self.task_count)
    }
}

/// A shard that failed in one attempt, or a task that did before it could do any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stage as in `_commits`; `None`: of the task.
    pub stage: Option<String>,
    /// Shard number; `None`: of the task.
    pub shard: Option<u64>,
    /// The attempt.
    pub attempt: String,
    /// Task of the array, from 0.
    pub task_index: u64,
    /// Tasks of the array.
    pub task_count: u64,
    /// What the process ended with, if nothing else happened.
    pub exit_code: u8,
    /// The error.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// All records of a folder that are understood.
pub fn records<T: serde::de::DeserializeOwned>(place: &Place, folder: &str) -> Result<Vec<T>> {
    let texts = at_once(&place.list(folder)?, |(name, _)| place.read(&format!("{folder}/{name}")))?;
    Ok(texts.into_iter().flatten().filter_map(|text| serde_json::from_slice::<T>(&text).ok()).collect())
}
