//! Kubernetes: one indexed Job for the tasks, one that publishes.
//!
//! Jobs cannot wait for each other, so there is one Job for all stages: an index does its share of the first, and ends with 75
//! until that stage is complete, which starts its pod again without counting as a failure. The Job that publishes does the
//! same with 3 (shards are missing).

use super::Submission;
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
    /// A List of the two Jobs.
    pub fn manifest(&self, submission: &Submission) -> Result<Value> {
        let n_tasks = submission.stages.iter().map(|stage| stage.n_tasks).max().unwrap_or(1);
        if n_tasks > LARGEST_JOB {
            return Err(Error::usage(format!("{n_tasks} tasks are more than a Job can have, {LARGEST_JOB}"))
                .hint("use fewer: --tasks"));
        }
        let dataset = &submission.dataset;
        let digest = &submission.plan_sha256;
        let work = json!(["work", dataset, "--plan-sha256", digest, "--stage", "all"]);
        let mut tasks = self.job(submission, "work", work, 75);
        tasks["spec"]["completionMode"] = json!("Indexed");
        tasks["spec"]["completions"] = json!(n_tasks);
        tasks["spec"]["parallelism"] = json!(self.parallelism.clamp(1, n_tasks));
        tasks["spec"]["backoffLimitPerIndex"] = json!(ATTEMPTS_OF_AN_INDEX);
        tasks["spec"]["podFailurePolicy"]["rules"][2]["action"] = json!("FailIndex");
        let container = &mut tasks["spec"]["template"]["spec"]["containers"][0];
        let env = container["env"].as_array_mut().expect("a list");
        env.push(json!({ "name": "VARBATCH_TASK_COUNT", "value": n_tasks.to_string() }));
        let amounts = json!({ "cpu": submission.cpus.to_string(), "memory": format!("{}Mi", submission.memory_mib) });
        container["resources"] = json!({ "requests": amounts, "limits": { "memory": amounts["memory"] } });
        let mut publish = self.job(submission, "finalize", json!(submission.finalize_arguments()), 3);
        publish["spec"]["backoffLimit"] = json!(ATTEMPTS_OF_AN_INDEX);
        Ok(json!({ "apiVersion": "v1", "kind": "List", "items": [tasks, publish] }))
    }

    fn job(&self, submission: &Submission, what: &str, arguments: Value, again: i32) -> Value {
        let name = submission.job_name(what);
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
        let mut metadata = json!({ "name": name, "labels": { "app.kubernetes.io/name": "varbatch" } });
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
                    { "action": "Ignore", "onExitCodes": codes(&[again]) },
                    { "action": "FailJob", "onExitCodes": codes(&PERMANENT) },
                ] },
                "template": { "metadata": { "labels": { "app.kubernetes.io/name": "varbatch" } }, "spec": pod },
            },
        })
    }
}
