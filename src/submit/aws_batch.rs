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
    /// Queue of the job that publishes.
    pub finalize_queue: String,
    /// Job definition of the job that publishes.
    pub finalize_job_definition: String,
    /// Whose share of a queue with fair shares the jobs take.
    pub share_identifier: Option<String>,
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
        let place = (&self.finalize_queue[..], &self.finalize_job_definition[..]);
        let body = self.body(submission, &name, place, submission.finalize_arguments());
        requests.push(Request { name, body, after: before });
        Ok(requests)
    }

    fn task_body(&self, submission: &Submission, stage: &StageJobs, part: ArrayPart, name: &str) -> Value {
        let place = (&self.queue[..], &self.job_definition[..]);
        let mut body = self.body(submission, name, place, submission.work_arguments(stage, part));
        if part.n > 1 {
            body["arrayProperties"] = json!({ "size": part.n });
        }
        body["containerOverrides"]["resourceRequirements"] = json!([
            { "type": "VCPU", "value": submission.cpus.to_string() },
            { "type": "MEMORY", "value": submission.memory_mib.to_string() },
        ]);
        body
    }

    fn body(
        &self,
        submission: &Submission,
        name: &str,
        (queue, definition): (&str, &str),
        command: Vec<String>,
    ) -> Value {
        let mut body = json!({
            "jobName": name,
            "jobQueue": queue,
            "jobDefinition": definition,
            "containerOverrides": { "command": command },
            "retryStrategy": { "attempts": self.attempts, "evaluateOnExit": retry_rules() },
            "tags": { "varbatch:plan": submission.plan_sha256 },
            "propagateTags": true,
        });
        if let Some(timeout_s) = self.timeout_s {
            body["timeout"] = json!({ "attemptDurationSeconds": timeout_s });
        }
        if let Some(share) = &self.share_identifier {
            body["shareIdentifier"] = json!(share);
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
    use super::super::{StageShards, TaskSize};
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
            finalize_queue: "fargate".into(),
            finalize_job_definition: "finalize:3".into(),
            share_identifier: None,
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
        assert_eq!((&requests[3].body["jobQueue"], &requests[4].body["jobQueue"]), (&json!("spot"), &json!("fargate")));
        assert!(words(0).contains(r#""--threads","4""#), "a container sees all cores of its machine: {}", words(0));
        for request in &requests {
            assert_eq!(request.body["shareIdentifier"], Value::Null);
            let rules = request.body["retryStrategy"]["evaluateOnExit"].as_array().expect("rules");
            assert_eq!(rules.last(), Some(&json!({ "onReason": "*", "action": "EXIT" })));
            assert!(rules.len() <= 5);
            assert!(request.body.to_string().len() < 30 << 10, "the service takes 30 KiB");
        }
    }

    #[test]
    fn what_is_complete_is_not_submitted_again() {
        let stages = |ingest, call| {
            [
                StageShards { stage: "ingest", n: 40, is_complete: ingest },
                StageShards { stage: "call", n: 7, is_complete: call },
            ]
        };
        let names = |ingest, call| -> Vec<String> {
            let size = TaskSize { cpus: 4, memory_mib: 8192 };
            let submission =
                Submission::new("s3://b/run".into(), "a".repeat(64), &stages(ingest, call), None, size).expect("jobs");
            let fair = AwsBatch { share_identifier: Some("lab".into()), ..batch() };
            let requests = fair.requests(&submission).expect("requests");
            assert!(requests.iter().all(|request| request.body["shareIdentifier"] == "lab"));
            let last = requests.last().expect("one publishes");
            assert_eq!(last.after.len(), usize::from(requests.len() > 1));
            requests.iter().map(|request| request.name[22..].to_string()).collect()
        };
        assert_eq!(names(false, false), ["ingest", "call", "finalize"]);
        assert_eq!(names(true, false), ["call", "finalize"]);
        assert_eq!(names(true, true), ["finalize"]);
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
