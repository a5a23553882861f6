//! AWS Batch: SubmitJob requests (API version 2016-08-10).
//!
//! Limits of the service: arrays of 2 to 10,000 children, 20 dependencies of a job. A job that no rule of `evaluateOnExit`
//! matches is retried, so the last rule ends everything else.

use super::{ArrayPart, StageJobs, Submission};
use crate::error::{Error, Result};
use serde_json::{Value, json};

/// Largest array.
const LARGEST_ARRAY: u64 = 10_000;
/// Most dependencies of a job.
const MOST_DEPENDENCIES: usize = 20;
/// Path of the request.
pub const SUBMIT_PATH: &str = "/v1/submitjob";

/// What only AWS Batch needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsBatch {
    /// Job queue: name or ARN.
    pub queue: String,
    /// Job definition of the tasks: name, name:revision or ARN.
    pub job_definition: String,
    /// That of the job that publishes.
    pub finalize_job_definition: String,
    /// Attempts of a task, 1 to 10.
    pub attempts: u32,
    /// Seconds after which an attempt is ended, at least 60; `None`: as the definition says.
    pub timeout_s: Option<u32>,
}

/// One request, and the requests before it whose jobs it waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Job name.
    pub name: String,
    /// Body, without `dependsOn`.
    pub body: Value,
    /// Indexes of requests.
    pub after: Vec<usize>,
}

impl AwsBatch {
    /// All requests of a submission, in the order in which they are sent.
    pub fn requests(&self, submission: &Submission) -> Result<Vec<Request>> {
        if !(1..=10).contains(&self.attempts) {
            return Err(Error::usage(format!("--attempts is {}, expected 1 to 10", self.attempts)));
        }
        if self.timeout_s.is_some_and(|timeout_s| timeout_s < 60) {
            return Err(Error::usage("--task-timeout is below 60 seconds, the least that AWS Batch takes"));
        }
        let mut requests: Vec<Request> = Vec::new();
        let mut before: Vec<usize> = Vec::new();
        for stage in &submission.stages {
            let parts = stage.arrays(LARGEST_ARRAY);
            if parts.len() > MOST_DEPENDENCIES {
                return Err(Error::usage(format!(
                    "{} tasks are {} arrays, and a job of AWS Batch can wait for {MOST_DEPENDENCIES} at most",
                    stage.n_tasks,
                    parts.len()
                ))
                .hint(format!("use at most {} tasks: --tasks", MOST_DEPENDENCIES as u64 * LARGEST_ARRAY)));
            }
            let first = requests.len();
            for (i, part) in parts.iter().enumerate() {
                let suffix = if parts.len() == 1 { String::new() } else { format!("-{i}") };
                let name = submission.job_name(stage.stage) + &suffix;
                let body = self.task_body(submission, stage, *part, &name);
                requests.push(Request { name, body, after: before.clone() });
            }
            before = (first..requests.len()).collect();
        }
        let name = submission.job_name("finalize");
        let body = self.body(submission, &name, &self.finalize_job_definition, submission.finalize_arguments());
        requests.push(Request { name, body, after: before });
        Ok(requests)
    }

    fn task_body(&self, submission: &Submission, stage: &StageJobs, part: ArrayPart, name: &str) -> Value {
        let mut body = self.body(submission, name, &self.job_definition, submission.work_arguments(stage, part));
        if part.n > 1 {
            body["arrayProperties"] = json!({ "size": part.n });
        }
        body["containerOverrides"]["resourceRequirements"] = json!([
            { "type": "VCPU", "value": submission.cpus.to_string() },
            { "type": "MEMORY", "value": submission.memory_mib.to_string() },
        ]);
        body
    }

    fn body(&self, submission: &Submission, name: &str, definition: &str, command: Vec<String>) -> Value {
        let mut body = json!({
            "jobName": name,
            "jobQueue": self.queue,
            "jobDefinition": definition,
            "containerOverrides": { "command": command },
            "retryStrategy": { "attempts": self.attempts, "evaluateOnExit": retry_rules() },
            "tags": { "varbatch:plan": submission.plan_sha256 },
            "propagateTags": true,
        });
        if let Some(timeout_s) = self.timeout_s {
            body["timeout"] = json!({ "attemptDurationSeconds": timeout_s });
        }
        if let Some(url) = &submission.endpoint_url {
            body["containerOverrides"]["environment"] = json!([{ "name": "AWS_ENDPOINT_URL_S3", "value": url }]);
        }
        body
    }
}

impl Request {
    /// The body with the jobs that it waits for. `ids`: of the requests before, by index.
    pub fn with_dependencies(&self, ids: &[String]) -> Value {
        let mut body = self.body.clone();
        if !self.after.is_empty() {
            let jobs: Vec<Value> = self.after.iter().map(|&i| json!({ "jobId": ids[i] })).collect();
            body["dependsOn"] = Value::Array(jobs);
        }
        body
    }
}

/// Only what another attempt can mend is tried again: exit code 75, a machine that was taken back, an image that could not be
/// pulled.
fn retry_rules() -> Value {
    json!([
        { "onExitCode": "75", "action": "RETRY" },
        { "onStatusReason": "Host EC2*", "action": "RETRY" },
        { "onReason": "CannotPullContainerError*", "action": "RETRY" },
        { "onReason": "*", "action": "EXIT" },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission(n_ingest: u64, n_call: u64) -> Submission {
        Submission {
            dataset: "s3://bucket/run".into(),
            plan_sha256: "a".repeat(64),
            cpus: 4,
            memory_mib: 8192,
            stages: vec![
                StageJobs { stage: "ingest", n_tasks: n_ingest },
                StageJobs { stage: "call", n_tasks: n_call },
            ],
            endpoint_url: None,
        }
    }

    fn batch() -> AwsBatch {
        AwsBatch {
            queue: "spot".into(),
            job_definition: "work:3".into(),
            finalize_job_definition: "finalize:3".into(),
            attempts: 5,
            timeout_s: None,
        }
    }

    #[test]
    fn stages_wait_for_each_other_and_arrays_are_cut() {
        let requests = batch().requests(&submission(25_000, 1)).expect("requests");
        let names: Vec<&str> = requests.iter().map(|request| request.name.as_str()).collect();
        let run = format!("varbatch-{}", "a".repeat(12));
        assert_eq!(
            names,
            ["ingest-0", "ingest-1", "ingest-2", "call", "finalize"].map(|stage| format!("{run}-{stage}"))
        );
        assert_eq!(requests[2].body["arrayProperties"]["size"], 8333);
        let words = |i: usize| requests[i].body["containerOverrides"]["command"].to_string();
        assert!(words(2).contains(r#""--task-count","25000","--task-offset","16667""#), "{}", words(2));
        // one task is a plain job
        assert_eq!(requests[3].body["arrayProperties"], Value::Null);
        assert!(words(3).contains(r#""--task-count","1","--task-index","0""#), "{}", words(3));
        assert_eq!(requests[3].after, [0, 1, 2]);
        let ids: Vec<String> = (0..5).map(|i| format!("id-{i}")).collect();
        assert_eq!(requests[4].with_dependencies(&ids)["dependsOn"], json!([{ "jobId": "id-3" }]));
        assert_eq!(requests[0].with_dependencies(&ids)["dependsOn"], Value::Null);
        for request in &requests {
            let rules = request.body["retryStrategy"]["evaluateOnExit"].as_array().expect("rules");
            assert_eq!(rules.last(), Some(&json!({ "onReason": "*", "action": "EXIT" })));
            assert!(rules.len() <= 5);
            assert!(request.body.to_string().len() < 30 << 10, "the service takes 30 KiB");
        }
    }

    #[test]
    fn what_the_service_does_not_take_is_refused() {
        let refused = |batch: AwsBatch, submission: &Submission| {
            batch.requests(submission).expect_err("must fail").class().exit_code()
        };
        assert_eq!(refused(AwsBatch { attempts: 11, ..batch() }, &submission(2, 2)), 2);
        assert_eq!(refused(AwsBatch { timeout_s: Some(59), ..batch() }, &submission(2, 2)), 2);
        assert_eq!(refused(batch(), &submission(2, 200_001)), 2);
    }
}
