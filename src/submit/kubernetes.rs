//! Kubernetes: an indexed Job for each stage, and one that publishes.
//!
//! Jobs cannot wait for each other, so all are there at once: a pod of the second stage ends with 75 until the first is
//! complete, the pod that publishes ends with 3 (shards are missing). Neither counts as a failure; Kubernetes starts them again after
//! 10 seconds, then after twice as long each time, up to 10 minutes.
//!
//! It has to be a Job for each stage. Of a Job with fewer pods at once than indexes, Kubernetes takes the first indexes that
//! have not succeeded, also while they wait to be started again (`firstPendingIndexes` of its Job controller): pods that
//! wait for a stage would hold back the indexes that the stage waits for, for ever.

use super::{ArrayPart, StageJobs, Submission};
use crate::error::{Error, Result};
use serde_json::{Value, json};

/// What only Kubernetes needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// Container image.
    pub image: String,
    /// Namespace; `None`: that of the current context.
    pub namespace: Option<String>,
    /// Service account of the pods.
    pub service_account: Option<String>,
    /// Pods at once.
    pub parallelism: u64,
    /// Volume claim to mount, and where.
    pub volume: Option<(String, String)>,
}

/// Failures of an index before it is given up.
const ATTEMPTS_OF_AN_INDEX: u64 = 5;
/// Most indexes of a Job whose failures are counted by index.
const LARGEST_JOB: u64 = 100_000;
/// Seconds that a pod has to end well.
const GRACE_S: u64 = 60;
/// Exit codes that another attempt does not mend: usage, bad input, no input, a bug, permission.
const PERMANENT: [i32; 5] = [2, 65, 66, 70, 77];

impl Kubernetes {
    /// A List of the Jobs, for `kubectl create`: each submission gives them names of its own.
    pub fn manifest(&self, submission: &Submission) -> Result<Value> {
        let mut items = Vec::with_capacity(submission.stages.len() + 1);
        for stage in &submission.stages {
            items.push(self.stage(submission, stage)?);
        }
        let mut publish = self.job(submission, "finalize", submission.finalize_arguments(), &[3, 75]);
        publish["spec"]["backoffLimit"] = json!(ATTEMPTS_OF_AN_INDEX);
        items.push(publish);
        Ok(json!({ "apiVersion": "v1", "kind": "List", "items": items }))
    }

    fn stage(&self, submission: &Submission, stage: &StageJobs) -> Result<Value> {
        let n_tasks = stage.n_tasks;
        if n_tasks > LARGEST_JOB {
            return Err(Error::usage(format!("{n_tasks} tasks are more than a Job can have, {LARGEST_JOB}"))
                .hint("use fewer: --tasks"));
        }
        let arguments = submission.work_arguments(stage, ArrayPart { first: 0, n: n_tasks });
        let mut job = self.job(submission, stage.stage, arguments, &[75]);
        let spec = &mut job["spec"];
        spec["completionMode"] = json!("Indexed");
        spec["completions"] = json!(n_tasks);
        spec["parallelism"] = json!(self.parallelism.clamp(1, n_tasks));
        spec["backoffLimitPerIndex"] = json!(ATTEMPTS_OF_AN_INDEX);
        spec["podFailurePolicy"]["rules"][2]["action"] = json!("FailIndex");
        let amounts = json!({ "cpu": submission.cpus.to_string(), "memory": format!("{}Mi", submission.memory_mib) });
        let resources = json!({ "requests": amounts, "limits": { "memory": amounts["memory"] } });
        spec["template"]["spec"]["containers"][0]["resources"] = resources;
        Ok(job)
    }

    fn job(&self, submission: &Submission, what: &str, arguments: Vec<String>, again: &[i32]) -> Value {
        let env: Vec<Value> = (submission.endpoint_url.iter())
            .map(|url| json!({ "name": "AWS_ENDPOINT_URL_S3", "value": url }))
            .collect();
        let mut pod = json!({
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": GRACE_S,
            "containers": [{ "name": "varbatch", "image": self.image, "args": arguments, "env": env }],
        });
        if let Some(account) = &self.service_account {
            pod["serviceAccountName"] = json!(account);
        }
        if let Some((claim, path)) = &self.volume {
            pod["volumes"] = json!([{ "name": "data", "persistentVolumeClaim": { "claimName": claim } }]);
            pod["containers"][0]["volumeMounts"] = json!([{ "name": "data", "mountPath": path }]);
        }
        let codes = |values: &[i32]| json!({ "containerName": "varbatch", "operator": "In", "values": values });
        let labels = json!({ "app.kubernetes.io/name": "varbatch", "varbatch/plan": submission.plan_sha256[..12] });
        let mut metadata = json!({ "generateName": submission.job_name(what) + "-", "labels": labels });
        if let Some(namespace) = &self.namespace {
            metadata["namespace"] = json!(namespace);
        }
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": {
                "podFailurePolicy": { "rules": [
                    { "action": "Ignore", "onPodConditions": [{ "type": "DisruptionTarget", "status": "True" }] },
                    { "action": "Ignore", "onExitCodes": codes(again) },
                    { "action": "FailJob", "onExitCodes": codes(&PERMANENT) },
                ] },
                "template": { "metadata": { "labels": labels }, "spec": pod },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubernetes(parallelism: u64) -> Kubernetes {
        Kubernetes { image: "image".into(), namespace: None, service_account: None, parallelism, volume: None }
    }

    fn submission(stages: Vec<StageJobs>) -> Submission {
        Submission {
            dataset: "s3://bucket/run".into(),
            plan_sha256: "a".repeat(64),
            cpus: 4,
            memory_mib: 8192,
            stages,
            endpoint_url: None,
        }
    }

    #[test]
    fn no_pod_waits_for_an_index_that_it_keeps_from_starting() {
        let stages = || vec![StageJobs { stage: "ingest", n_tasks: 120 }, StageJobs { stage: "call", n_tasks: 1 }];
        let manifest = kubernetes(50).manifest(&submission(stages())).expect("a manifest");
        let jobs = manifest["items"].as_array().expect("a list");
        let of = |job: &Value, name: &str| job["spec"][name].clone();
        assert_eq!(
            jobs.iter().map(|job| of(job, "completions")).collect::<Vec<_>>(),
            [json!(120), json!(1), Value::Null]
        );
        assert_eq!(
            jobs.iter().map(|job| of(job, "parallelism")).collect::<Vec<_>>(),
            [json!(50), json!(1), Value::Null]
        );
        // a pod that did several stages would wait for indexes that are not started while it is there
        let words = |job: &Value| job["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
        assert!(
            words(&jobs[0]).contains(r#""--stage","ingest","--threads","4","--task-count","120"]"#),
            "{}",
            words(&jobs[0])
        );
        assert!(
            words(&jobs[1]).contains(r#""--stage","call","--threads","4","--task-count","1","#),
            "{}",
            words(&jobs[1])
        );
        // each submission has names of its own; the plan is a label, by which all can be ended
        for job in jobs {
            assert_eq!(job["metadata"]["name"], Value::Null);
            assert!(
                job["metadata"]["generateName"].as_str().is_some_and(|name| name.ends_with('-') && name.len() < 58)
            );
            assert_eq!(job["metadata"]["labels"]["varbatch/plan"], "aaaaaaaaaaaa");
        }
        // all shards are done: only the one that publishes
        let manifest = kubernetes(50).manifest(&submission(Vec::new())).expect("a manifest");
        assert_eq!(manifest["items"].as_array().map(Vec::len), Some(1));
        let many = vec![StageJobs { stage: "call", n_tasks: 100_001 }];
        assert_eq!(kubernetes(5).manifest(&submission(many)).expect_err("too many").class().exit_code(), 2);
    }
}
