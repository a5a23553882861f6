//! Array jobs for a planned dataset: how tasks are cut into arrays, and the jobs as each scheduler wants them.
//!
//! Stages follow each other: ingest (cohorts of gVCFs), call, finalize. A job carries the name of the dataset and the digest of
//! the plan, never a list of files.

pub mod aws_batch;
pub mod estimate;
pub mod kubernetes;
pub mod slurm;

use crate::error::{Error, Result};

/// What is submitted, whatever the scheduler.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The dataset as tasks name it.
    pub dataset: String,
    /// SHA-256 (hex) of its plan.
    pub plan_sha256: String,
    /// Cores of a task.
    pub cpus: u32,
    /// Memory of a task in MiB.
    pub memory_mib: u64,
    /// Stages that have shards to do, in order.
    pub stages: Vec<StageJobs>,
    /// Passed on to tasks: the endpoint of the object store.
    pub endpoint_url: Option<String>,
}

/// The tasks of one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageJobs {
    /// `ingest` or `call`.
    pub stage: &'static str,
    /// Tasks in all.
    pub n_tasks: u64,
}

/// Consecutive tasks of a stage that are one array (or, where it is one task, one plain job).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayPart {
    /// First task.
    pub first: u64,
    /// How many.
    pub n: u64,
}

impl StageJobs {
    /// Cuts the tasks into arrays of at most `largest`, as even as can be, so that none is of one task but where there is only
    /// one.
    pub fn arrays(&self, largest: u64) -> Vec<ArrayPart> {
        let n_arrays = self.n_tasks.div_ceil(largest.max(1));
        let (least, more) = (self.n_tasks / n_arrays, self.n_tasks % n_arrays);
        let mut first = 0;
        let part = |i| {
            let n = least + u64::from(i < more);
            first += n;
            ArrayPart { first: first - n, n }
        };
        (0..n_arrays).map(part).collect()
    }
}

/// A stage of a plan as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageShards {
    /// `ingest` or `call`.
    pub stage: &'static str,
    /// How many it has, or is expected to have.
    pub n: u64,
    /// All of them are done.
    pub is_complete: bool,
}

/// Cores and memory of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskSize {
    /// Cores; so many threads work in it.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
}

impl Submission {
    /// The jobs that a plan still needs. `plan_sha256`: its digest; `n_tasks`: tasks of a stage, else one for each shard. A stage that
    /// is complete gets no job. A task does not know which shards are done before it looks, so a stage that is not complete
    /// gets all its tasks: those with nothing to do end at once.
    pub fn new(
        dataset: String,
        plan_sha256: String,
        stages: &[StageShards],
        n_tasks: Option<u64>,
        size: TaskSize,
    ) -> Result<Submission> {
        if n_tasks == Some(0) {
            return Err(Error::usage("--tasks is 0, expected at least 1"));
        }
        let wanted = |n_shards: u64| n_tasks.unwrap_or(n_shards).clamp(1, n_shards.max(1));
        let left = stages.iter().filter(|stage| !stage.is_complete);
        let stages = left.map(|stage| StageJobs { stage: stage.stage, n_tasks: wanted(stage.n) }).collect();
        let TaskSize { cpus, memory_mib } = size;
        Ok(Submission { dataset, plan_sha256, cpus, memory_mib, stages, endpoint_url: None })
    }

    /// Name of the jobs of a stage.
    pub fn job_name(&self, stage: &str) -> String {
        format!("varbatch-{}-{stage}", &self.plan_sha256[..12.min(self.plan_sha256.len())])
    }

    /// Arguments of `varbatch` for the tasks of an array.
    pub fn work_arguments(&self, stage: &StageJobs, part: ArrayPart) -> Vec<String> {
        let mut arguments = self.arguments("work");
        arguments.extend(["--stage".into(), stage.stage.into()]);
        arguments.extend(self.threads());
        arguments.extend(["--task-count".into(), stage.n_tasks.to_string()]);
        if part.n == 1 {
            arguments.extend(["--task-index".into(), part.first.to_string()]);
        } else if part.first > 0 {
            arguments.extend(["--task-offset".into(), part.first.to_string()]);
        }
        arguments
    }

    /// A container sees all cores of its machine, whatever it was given.
    fn threads(&self) -> [String; 2] {
        ["--threads".into(), self.cpus.max(1).to_string()]
    }

    /// Arguments of `varbatch` for the job that publishes.
    pub fn finalize_arguments(&self) -> Vec<String> {
        self.arguments("finalize")
    }

    fn arguments(&self, command: &str) -> Vec<String> {
        [command, &self.dataset, "--plan-sha256", &self.plan_sha256].map(str::to_string).to_vec()
    }
}

/// A word as a shell reads it back.
fn shell_word(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// A command line.
fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arrays_hold_every_task_once(n_tasks in 1u64..100_000, largest in 3u64..12_000) {
            let parts = StageJobs { stage: "call", n_tasks }.arrays(largest);
            let mut next = 0;
            for part in &parts {
                prop_assert_eq!(part.first, next);
                prop_assert!(part.n <= largest && (part.n >= 2 || n_tasks == 1));
                next += part.n;
            }
            prop_assert_eq!(next, n_tasks);
        }
    }

    #[test]
    fn words_come_back_from_the_shell() {
        let words = ["plain-word", "with space", "it's", "$HOME", "", "a\nb", "s3://bucket/run one"];
        let line = format!("printf '%s\\0' {}", shell_line(&words.map(String::from)));
        let output = std::process::Command::new("sh").args(["-c", &line]).output().expect("a shell");
        let back = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(back.trim_end_matches('\0').split('\0').collect::<Vec<_>>(), words);
    }
}
