//! Array jobs onto S3, under faults and kills: the dataset is that of one process on disk, to the byte of its manifest.

use super::common::*;
use super::kill::SmallDisk;
use super::servers::{Bucket, bucket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How requests fail, and how many of them.
const FAULTS: &[(&str, f64)] = &[
    ("none", 0.0),
    ("503", 0.3),
    ("429", 0.3),
    ("500", 0.3),
    ("409", 0.5),
    ("reset-before", 0.3),
    ("lost-reply", 0.3),
    ("503-after", 0.3),
    ("hang", 0.05),
    ("truncated", 0.3),
];

struct Cohort {
    inputs: Vec<PathBuf>,
    flags: Vec<String>,
    stages: &'static [&'static str],
}

fn cohorts(folder: &Path) -> Vec<Cohort> {
    let simulate = |name: &str, args: &[&str]| -> PathBuf {
        let made = folder.join(name);
        let fixed = ["simulate", "--seed", "8", "-o", made.to_str().expect("UTF-8")];
        varbatch(&[&fixed[..], args].concat()).expect(0);
        made
    };
    let vcf = simulate("vcf", &["--samples", "30", "--length", "800000"]);
    let gvcf = simulate("gvcf", &["--samples", "130", "--length", "10000", "--gvcf"]);
    let gvcfs = (1..=130).map(|i| gvcf.join(format!("gvcf/S{i:04}.g.vcf.gz"))).collect();
    vec![
        Cohort {
            inputs: vec![vcf.join("cohort.vcf.gz")],
            flags: ["--shard-size", "30000"].map(String::from).to_vec(),
            stages: &["call"],
        },
        Cohort {
            inputs: gvcfs,
            flags: ["--shard-size", "40000"].map(String::from).to_vec(),
            stages: &["ingest", "call"],
        },
    ]
}

impl Cohort {
    fn arguments(&self, command: &str, dataset: &str) -> Vec<String> {
        let inputs = self.inputs.iter().map(|path| path.to_str().expect("UTF-8").to_string());
        let mut arguments: Vec<String> = std::iter::once(command.to_string()).chain(inputs).collect();
        arguments.extend(self.flags.iter().cloned());
        arguments.extend(["-o".into(), dataset.into()]);
        arguments
    }
}

fn task(through: &Bucket, dataset: &str, stage: &str, index: u64, count: u64) -> Command {
    let mut command = Command::new(binary());
    command.args(["work", dataset, "--stage", stage, "--threads", "1", "--quiet"]).envs(through.environment());
    command.env("VARBATCH_S3_TIMEOUT_SECONDS", "1");
    command.env("AWS_BATCH_JOB_ARRAY_INDEX", index.to_string()).env("AWS_BATCH_JOB_ARRAY_SIZE", count.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn run(through: &Bucket, arguments: &[String]) -> Finished {
    let mut command = Command::new(binary());
    finish(command.args(arguments).envs(through.environment()).env("VARBATCH_S3_TIMEOUT_SECONDS", "1"))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| word.to_string()).collect()
}

/// Plans, works and publishes under one kind of fault; the manifest must be the expected one.
fn survives(bucket: &Bucket, cohort: &Cohort, name: &str, number: usize, expected: &[u8]) {
    let (mode, rate) = FAULTS[number];
    let through = bucket.through(mode, rate, 17 + number as u32);
    let dataset = format!("{}/{name}", bucket.uri);
    run(&through, &cohort.arguments("plan", &dataset)).expect(0);
    let incomplete = run(&through, &words(&["finalize", &dataset])).expect(3);
    assert!(incomplete.stderr.contains("is not complete"), "{}", incomplete.stderr);
    for stage in cohort.stages {
        // the first round is cut short, the second has another number of tasks and a twin
        for (round, count) in [(0, 2), (1, 3)] {
            let mut tasks: Vec<Child> = (0..count)
                .chain(0..1)
                .map(|i| task(&through, &dataset, stage, i, count).spawn().expect("start"))
                .collect();
            if round == 0 {
                std::thread::sleep(Duration::from_millis(60 + 20 * number as u64));
                tasks.iter_mut().for_each(|child| child.kill().expect("SIGKILL"));
            }
            for child in tasks {
                let output = child.wait_with_output().expect("wait");
                let message = String::from_utf8_lossy(&output.stderr);
                assert!(round == 0 || output.status.success(), "{mode}: {message}");
            }
        }
    }
    run(&through, &words(&["finalize", &dataset])).expect(0);
    run(&through, &words(&["finalize", &dataset])).expect(0);
    run(&through, &words(&["status", &dataset])).expect(0);
    let found = bucket.get(&format!("{name}/_manifest.json")).expect("a manifest");
    assert!(found == expected, "{mode}: the manifests differ");
    assert!(bucket.get(&format!("{name}/_plan/plan.json")).is_some());
    if mode == "none" {
        let verified = run(&through, &words(&["verify", &dataset])).expect(0);
        assert!(verified.stderr.contains("complete and consistent"), "{}", verified.stderr);
    } else {
        assert!(through.counts()["faults"].as_u64() > Some(0), "{mode}: nothing was broken");
    }
}

#[test]
fn every_fault_gives_the_same_dataset() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    for (which, cohort) in cohorts(folder.path()).iter().enumerate() {
        let whole = folder.path().join(format!("{which}.ds"));
        varbatch(&cohort.arguments("call", whole.to_str().expect("UTF-8"))).expect(0);
        let expected = std::fs::read(whole.join("_manifest.json")).expect("a manifest");
        // mostly waiting
        std::thread::scope(|scope| {
            for (number, (mode, _)) in FAULTS.iter().enumerate() {
                let (bucket, expected) = (&bucket, &expected);
                scope.spawn(move || survives(bucket, cohort, &format!("{which}-{mode}.ds"), number, expected));
            }
        });
        // in one process, and a second time
        let dataset = format!("{}/{which}-call.ds", bucket.uri);
        run(&bucket, &cohort.arguments("call", &dataset)).expect(0);
        assert!(bucket.get(&format!("{which}-call.ds/_manifest.json")).expect("a manifest") == expected);
        let again = run(&bucket, &cohort.arguments("call", &dataset)).expect(0);
        assert!(again.stderr.contains("complete already"), "{}", again.stderr);
    }
}

/// A task that waits for a server ends soon after SIGTERM: schedulers kill after 30 seconds.
#[test]
fn a_task_that_waits_for_a_server_can_be_stopped() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let cohort = cohorts(folder.path()).remove(0);
    for (mode, dataset) in [("hang", "hang.ds"), ("503", "busy.ds")] {
        let dataset = format!("{}/{dataset}", bucket.uri);
        run(&bucket, &cohort.arguments("plan", &dataset)).expect(0);
        let through = bucket.through(mode, 0.9, 3);
        let mut waiting = task(&through, &dataset, "call", 0, 1);
        let mut child = waiting.env("VARBATCH_S3_TIMEOUT_SECONDS", "30").spawn().expect("start");
        std::thread::sleep(Duration::from_secs(2));
        // SAFETY: the child has not been waited for, so its number is still its own.
        unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
        let asked = std::time::Instant::now();
        let status = child.wait().expect("wait");
        assert_eq!(status.code(), Some(75), "{mode}");
        assert!(asked.elapsed() < Duration::from_secs(20), "{mode}: {:?}", asked.elapsed());
        finish(&mut task(&bucket, &dataset, "call", 0, 1)).expect(0);
        run(&bucket, &words(&["finalize", &dataset])).expect(0);
    }
}

/// Inputs on S3, too: planned, done by tasks and by one process, and changed in between.
#[test]
fn inputs_and_dataset_on_s3() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let cohort = cohorts(folder.path()).remove(1);
    let uris: Vec<String> = (cohort.inputs.iter().take(70).enumerate())
        .map(|(i, path)| bucket.put(&format!("in/S{i:03}.g.vcf.gz"), &std::fs::read(path).expect("a file")))
        .collect();
    let arguments = |command: &str, dataset: &str| -> Vec<String> {
        [words(&[command]), uris.clone(), words(&["--shard-size", "40000", "-o", dataset])].concat()
    };
    let whole = folder.path().join("whole.ds");
    run(&bucket, &arguments("call", whole.to_str().expect("UTF-8"))).expect(0);
    let dataset = format!("{}/tasks.ds", bucket.uri);
    run(&bucket, &arguments("plan", &dataset)).expect(0);
    for stage in ["ingest", "call"] {
        for i in 0..2 {
            finish(&mut task(&bucket, &dataset, stage, i, 2)).expect(0);
        }
    }
    run(&bucket, &words(&["finalize", &dataset])).expect(0);
    let expected = std::fs::read(whole.join("_manifest.json")).expect("a manifest");
    assert!(bucket.get("tasks.ds/_manifest.json").expect("a manifest") == expected);
    // an input that is another one since it was planned
    let dataset = format!("{}/changed.ds", bucket.uri);
    run(&bucket, &arguments("plan", &dataset)).expect(0);
    bucket.put("in/S005.g.vcf.gz", &std::fs::read(&cohort.inputs[100]).expect("a file"));
    let refused = finish(&mut task(&bucket, &dataset, "ingest", 0, 1)).expect(65);
    assert!(refused.stderr.contains("S005.g.vcf.gz") && refused.stderr.contains("changed"), "{}", refused.stderr);
    let status = run(&bucket, &words(&["status", &dataset])).expect(3);
    assert!(status.stdout.contains("S005.g.vcf.gz"), "{}", status.stdout);
}

/// A role that may write and not remove: what was needed on the way stays, the dataset is the same.
#[test]
fn without_the_right_to_remove() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let cohort = cohorts(folder.path()).remove(0);
    let whole = folder.path().join("whole.ds");
    varbatch(&cohort.arguments("call", whole.to_str().expect("UTF-8"))).expect(0);
    let through = bucket.through("no-delete", 1.0, 1);
    let dataset = format!("{}/kept.ds", bucket.uri);
    run(&through, &cohort.arguments("plan", &dataset)).expect(0);
    finish(&mut task(&through, &dataset, "call", 0, 1)).expect(0);
    run(&through, &words(&["finalize", &dataset])).expect(0);
    run(&through, &words(&["verify", &dataset])).expect(0);
    assert!(through.counts()["faults"].as_u64() > Some(0), "nothing was removed");
    let expected = std::fs::read(whole.join("_manifest.json")).expect("a manifest");
    assert!(bucket.get("kept.ds/_manifest.json").expect("a manifest") == expected);
}

/// Credentials that end while a task works are followed by new ones.
#[test]
fn credentials_that_expire() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let cohort = cohorts(folder.path()).remove(1);
    let whole = folder.path().join("whole.ds");
    varbatch(&cohort.arguments("call", whole.to_str().expect("UTF-8"))).expect(0);
    let token = write(folder.path(), "token", "a token");
    let (through, environment) = bucket.with_short_credentials(0.3, &token);
    let dataset = format!("{}/short.ds", bucket.uri);
    let mut command = Command::new(binary());
    command
        .args(cohort.arguments("call", &dataset))
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    finish(command.envs(environment)).expect(0);
    let counts = through.counts();
    assert!(counts["keys"].as_u64() > Some(3), "one key was enough: {counts}");
    let expected = std::fs::read(whole.join("_manifest.json")).expect("a manifest");
    assert!(bucket.get("short.ds/_manifest.json").expect("a manifest") == expected);
}

/// Files of a dataset on S3 are in TMPDIR until they are uploaded.
#[test]
fn a_small_scratch_disk_is_74_and_resumes() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let made = folder.path().join("made");
    let text = made.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", text, "--seed", "8", "--samples", "200", "--length", "1000000"]).expect(0);
    let cohort = Cohort { inputs: vec![made.join("cohort.vcf.gz")], flags: Vec::new(), stages: &["call"] };
    let n_bytes = std::fs::metadata(&cohort.inputs[0]).expect("a file").len();
    let Some(disk) = SmallDisk::mount(&folder.path().join("scratch"), 4096) else { return };
    let dataset = format!("{}/scratch.ds", bucket.uri);
    run(&bucket, &cohort.arguments("plan", &dataset)).expect(0);
    let work = || {
        let mut task = task(&bucket, &dataset, "call", 0, 1);
        finish(task.env("TMPDIR", &disk.at))
    };
    // what cannot fit is not begun
    assert!(n_bytes > 80_000, "{n_bytes}");
    let refused = work().expect(74);
    for words in ["scratch has 0.0 MB free", "1 shards at once", "set TMPDIR to a larger disk"] {
        assert!(refused.stderr.contains(words), "no {words:?} in:\n{}", refused.stderr);
    }
    // what turns out not to fit leaves nothing behind
    disk.resize(n_bytes / 8);
    let full = work().expect(74);
    assert_eq!(error_lines(&full.stderr).len(), 1, "{}", full.stderr);
    assert!(full.stderr.contains("scratch/varbatch-") && full.stderr.contains("hint: "), "{}", full.stderr);
    assert!(files_below(&disk.at).is_empty(), "{:?}", files_below(&disk.at));
    let status = run(&bucket, &words(&["status", &dataset])).expect(3);
    assert!(status.stdout.contains("exit code 74 (I/O or disk full)"), "{}", status.stdout);
    disk.resize(8 << 20);
    work().expect(0);
    run(&bucket, &words(&["finalize", &dataset])).expect(0);
    run(&bucket, &words(&["verify", &dataset])).expect(0);
}

/// A machine whose clock is wrong: the store refuses its signatures, and the message says why.
#[test]
fn a_wrong_clock_is_named() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let cohort = cohorts(folder.path()).remove(0);
    let dataset = format!("{}/clock.ds", bucket.uri);
    run(&bucket, &cohort.arguments("plan", &dataset)).expect(0);
    let refused = finish(&mut task(&bucket.through("skewed", 1.0, 1), &dataset, "call", 0, 1)).expect(77);
    assert_eq!(error_lines(&refused.stderr).len(), 1, "{}", refused.stderr);
    for words in ["the clock of this machine is wrong", "RequestTimeTooSkewed", "set the clock"] {
        assert!(refused.stderr.contains(words), "no {words:?} in:\n{}", refused.stderr);
    }
}
