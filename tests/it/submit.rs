//! `varbatch submit`: the jobs that a service gets, and what is said before.

use super::common::*;
use super::servers::{Bucket, bucket, python};
use std::path::Path;
use std::process::Command;

fn queue(bucket: &Bucket, what: &str) -> Finished {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/batch_queue.py");
    finish(Command::new(python()).arg(script).args([&bucket.endpoint, what])).expect(0)
}

/// gVCFs of more samples than one shard takes, planned into the bucket.
fn planned(bucket: &Bucket, folder: &Path) -> (String, String) {
    let made = folder.join("made");
    let text = made.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", text, "--samples", "200", "--length", "3000", "--seed", "6", "--gvcf"]).expect(0);
    let dataset = format!("{}/cohort.ds", bucket.uri);
    let mut arguments = vec!["plan".to_string()];
    arguments.extend((1..=200).map(|i| format!("{text}/gvcf/S{i:04}.g.vcf.gz")));
    arguments.extend(["-o".into(), dataset.clone(), "--format".into(), "json".into()]);
    let plan: serde_json::Value = serde_json::from_str(&bucket.varbatch(&arguments).expect(0).stdout).expect("JSON");
    assert_eq!(plan["shards"], 4);
    (dataset, plan["plan_sha256"].as_str().expect("a digest").into())
}

/// `varbatch ARGS...` with the environment of a bucket. A job is sent once: a server that takes its time must not look silent.
fn patient<S: AsRef<std::ffi::OsStr>>(bucket: &Bucket, args: &[S]) -> Finished {
    finish(Command::new(binary()).args(args).envs(bucket.environment()).env("VARBATCH_S3_TIMEOUT_SECONDS", "30"))
}

#[test]
fn aws_batch_gets_arrays_that_wait_for_each_other() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let (dataset, digest) = planned(&bucket, folder.path());
    queue(&bucket, "setup");
    let flags = ["--queue", "spot", "--job-definition", "work", "--finalize-job-definition", "finalize", "--cpus", "2"];
    let arguments = [&["submit", &dataset, "--to", "aws-batch"][..], &flags].concat();

    // what is printed is what is sent, but for the numbers of jobs
    let printed = bucket.varbatch(&[&arguments[..], &["--dry-run"]].concat()).expect(0);
    assert_eq!(queue(&bucket, "jobs").stdout.trim(), "[]", "a dry run submits nothing");
    for words in ["4 tasks of 2 cores", "core-hours", "USD", "reads"] {
        assert!(printed.stderr.contains(words), "{}", printed.stderr);
    }
    let bodies: Vec<serde_json::Value> = printed
        .stdout
        .split("POST /v1/submitjob\n")
        .filter(|text| !text.trim().is_empty())
        .map(|text| serde_json::from_str(text).expect("a request"))
        .collect();
    assert_eq!(bodies.len(), 3);

    let submitted = patient(&bucket, &arguments).expect(0).stdout;
    let jobs: Vec<serde_json::Value> = serde_json::from_str(&queue(&bucket, "jobs").stdout).expect("JSON");
    let lines: Vec<(&str, &str)> = submitted.lines().map(|line| line.split_once('\t').expect("name and id")).collect();
    assert_eq!(lines.len(), 3, "{submitted}");
    let job = |line: usize| jobs.iter().find(|job| job["jobId"] == lines[line].1).expect("the job is there");
    for (i, stage) in ["ingest", "call", "finalize"].iter().enumerate() {
        let (found, body) = (job(i), &bodies[i]);
        assert_eq!(found["jobName"], format!("varbatch-{}-{stage}", &digest[..12]));
        assert_eq!(found["jobName"], body["jobName"]);
        assert_eq!(found["container"]["command"], body["containerOverrides"]["command"]);
        let command = found["container"]["command"].to_string();
        assert!(command.contains(&dataset) && command.contains(&digest), "{command}");
        assert!(found["jobDefinition"].as_str().expect("an ARN").contains(if i == 2 { "finalize" } else { "work" }));
        let before: Vec<&str> = if i == 0 { Vec::new() } else { vec![lines[i - 1].1] };
        let waits: Vec<&str> = (found["dependsOn"].as_array().into_iter().flatten())
            .map(|job| job["jobId"].as_str().expect("an id"))
            .collect();
        assert_eq!(waits, before, "{stage}");
        assert_eq!(body["retryStrategy"]["attempts"], 5);
    }
    assert_eq!(job(0)["arrayProperties"]["size"], 4);
    assert!(job(2)["arrayProperties"]["size"].is_null(), "{}", job(2));
    assert_eq!(job(0)["container"]["command"][5], "ingest");

    // tasks do what the requests say
    for (i, body) in bodies.iter().enumerate() {
        let words = body["containerOverrides"]["command"].as_array().expect("words");
        let n = body["arrayProperties"]["size"].as_u64().unwrap_or(1);
        for index in 0..n {
            let mut command = Command::new(binary());
            command.args(words.iter().map(|word| word.as_str().expect("a word"))).envs(bucket.environment());
            if n > 1 {
                command.env("AWS_BATCH_JOB_ARRAY_INDEX", index.to_string());
                command.env("AWS_BATCH_JOB_ARRAY_SIZE", n.to_string());
            }
            let done = finish(&mut command);
            assert_eq!(done.code, 0, "job {i} task {index}: {}", done.stderr);
        }
    }
    bucket.varbatch(&["status", &dataset]).expect(0);
}

#[test]
fn what_cannot_be_submitted_is_said() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let (dataset, _) = planned(&bucket, folder.path());
    let aws = |more: &[&str]| patient(&bucket, &[&["submit", &dataset, "--to", "aws-batch"][..], more].concat());
    let refused = |done: Finished, code: i32, word: &str| {
        let done = done.expect(code);
        assert_eq!(error_lines(&done.stderr).len(), 1, "{}", done.stderr);
        assert!(done.stderr.contains(word), "{}", done.stderr);
    };
    refused(aws(&[]), 2, "--job-definition");
    refused(aws(&["--job-definition", "none-such", "--queue", "none-such"]), 2, "refused the request");
    let gone = bucket.varbatch(&["submit", &format!("{}/none.ds", bucket.uri), "--to", "slurm"]);
    refused(gone, 66, "has no plan");
    let local = folder.path().join("local.ds");
    let vcf = folder.path().join("made/cohort.vcf.gz");
    varbatch(&["plan", vcf.to_str().expect("UTF-8"), "-o", local.to_str().expect("UTF-8")]).expect(0);
    let flags = ["--to", "aws-batch", "--queue", "q", "--job-definition", "d"];
    refused(varbatch(&[&["submit", local.to_str().expect("UTF-8")][..], &flags].concat()), 2, "folder of this machine");
    refused(varbatch(&["submit", local.to_str().expect("UTF-8"), "--to", "kubernetes"]), 2, "--image");
}

/// Submitting again goes on: what is complete gets no job, and a published dataset none at all.
#[test]
fn what_is_done_is_not_submitted_again() {
    let folder = temp();
    let folder = folder.path();
    let text = |path: &Path| path.to_str().expect("UTF-8").to_string();
    let (made, dataset) = (text(&folder.join("made")), text(&folder.join("d.ds")));
    varbatch(&["simulate", "-o", &made, "--samples", "70", "--length", "20000", "--seed", "6", "--gvcf"]).expect(0);
    let mut arguments = vec!["plan".to_string(), "--shard-size".into(), "20000".into(), "-o".into(), dataset.clone()];
    arguments.extend((1..=70).map(|i| format!("{made}/gvcf/S{i:04}.g.vcf.gz")));
    let planned = varbatch(&arguments).expect(0);
    for words in ["reads ", "core-hours", "USD", "(an assumption)"] {
        assert!(planned.stdout.contains(words), "no {words:?} in:\n{}", planned.stdout);
    }
    let submit = || {
        varbatch(&["submit", &dataset, "--to", "slurm", "--program", "varbatch", "--cpus", "3", "--dry-run"]).expect(0)
    };
    let stages = |done: &Finished| -> Vec<String> {
        let after = |line: &str| line.split_once("--job-name=varbatch-").map(|(_, name)| name[13..].to_string());
        done.stdout.lines().filter_map(after).collect()
    };
    let all = submit();
    assert_eq!(stages(&all), ["ingest", "call", "finalize"]);
    assert_eq!(all.stdout.matches("--threads 3").count(), 2, "{}", all.stdout);
    varbatch(&["work", &dataset, "--stage", "ingest", "--quiet"]).expect(0);
    let rest = submit();
    assert_eq!(stages(&rest), ["call", "finalize"]);
    assert!(rest.stderr.contains("stage ingest  is complete: nothing to submit"), "{}", rest.stderr);
    // the number of its shards is known now, not estimated
    let status: serde_json::Value =
        serde_json::from_str(&varbatch(&["status", &dataset, "--format", "json"]).expect(3).stdout).expect("JSON");
    let n = status["stages"][1]["shards"].as_u64().expect("a count");
    assert!(n > 1 && rest.stdout.contains(&format!("--array=0-{}\n", n - 1)), "{n}: {}", rest.stdout);
    varbatch(&["work", &dataset, "--quiet"]).expect(0);
    assert_eq!(stages(&submit()), ["finalize"]);
    varbatch(&["finalize", &dataset]).expect(0);
    let nothing = submit();
    assert!(nothing.stdout.is_empty() && nothing.stderr.contains("is published already"), "{}", nothing.stderr);
}
