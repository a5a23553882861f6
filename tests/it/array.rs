//! Array jobs on a shared disk: any number of tasks, killed, doubled, stopped or out of order, give the dataset of one
//! process, and what is not complete says so.

use super::common::*;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A cohort, and the flags that make it many shards.
struct Cohort {
    name: &'static str,
    inputs: Vec<PathBuf>,
    flags: Vec<String>,
}

fn simulated(folder: &Path, name: &str, args: &[&str]) -> PathBuf {
    let made = folder.join(name);
    let mut all = vec!["simulate", "-o", made.to_str().expect("UTF-8"), "--seed", "5"];
    all.extend(args);
    varbatch(&all).expect(0);
    made
}

/// One large VCF, its BCF and a second file of the same samples, gVCFs of more samples than one shard takes.
fn cohorts(folder: &Path) -> Vec<Cohort> {
    let vcf = simulated(folder, "vcf", &["--samples", "150", "--length", "400000"]);
    let gvcf = simulated(folder, "gvcf", &["--samples", "150", "--length", "20000", "--gvcf"]);
    let flags = |flags: &[&str]| flags.iter().map(|flag| flag.to_string()).collect::<Vec<_>>();
    let reference = |folder: &Path| folder.join("reference.fa").to_str().expect("UTF-8").to_string();
    let mut found = vec![Cohort {
        name: "vcf",
        inputs: vec![vcf.join("cohort.vcf.gz")],
        flags: [flags(&["--shard-size", "20000", "-f"]), vec![reference(&vcf)]].concat(),
    }];
    if tool("bcftools") {
        let bcf = folder.join("cohort.bcf");
        let view = ["view", "-Ob", "-o"];
        finish(Command::new("bcftools").args(view).arg(&bcf).arg(vcf.join("cohort.vcf.gz"))).expect(0);
        found.push(Cohort { name: "bcf", inputs: vec![bcf], flags: flags(&["--shard-size", "20000"]) });
    }
    let mut gvcfs: Vec<PathBuf> =
        files_below(&gvcf.join("gvcf")).into_iter().map(|name| gvcf.join("gvcf").join(name)).collect();
    gvcfs.retain(|path| path.to_string_lossy().ends_with(".g.vcf.gz"));
    assert_eq!(gvcfs.len(), 150);
    let flags = [flags(&["--shard-size", "30000", "-f"]), vec![reference(&gvcf)]].concat();
    found.push(Cohort { name: "gvcf", inputs: gvcfs, flags });
    found
}

impl Cohort {
    fn command(&self, what: &str, dataset: &Path) -> Command {
        let mut command = Command::new(binary());
        command.arg(what).args(&self.inputs).args(&self.flags).arg("-o").arg(dataset);
        command
    }

    fn call(&self, dataset: &Path, threads: &str) {
        finish(self.command("call", dataset).args(["--threads", threads])).expect(0);
    }

    fn plan(&self, dataset: &Path) -> serde_json::Value {
        let planned = finish(self.command("plan", dataset).args(["--format", "json"])).expect(0);
        serde_json::from_str(&planned.stdout).expect("one JSON object")
    }

    fn stages(&self) -> &'static [&'static str] {
        if self.name == "gvcf" { &["ingest", "call"] } else { &["call"] }
    }
}

/// A task as AWS Batch starts it.
fn task(dataset: &Path, stage: &str, index: u64, count: u64) -> Command {
    let mut command = Command::new(binary());
    command.arg("work").arg(dataset).args(["--stage", stage, "--threads", "1", "--quiet"]);
    command.env("AWS_BATCH_JOB_ARRAY_INDEX", index.to_string()).env("AWS_BATCH_JOB_ARRAY_SIZE", count.to_string());
    command.env("AWS_BATCH_JOB_ID", format!("job:{index}")).env("AWS_BATCH_JOB_ATTEMPT", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finalize(dataset: &Path) -> Finished {
    finish(Command::new(binary()).arg("finalize").arg(dataset))
}

fn status(dataset: &Path) -> (i32, serde_json::Value) {
    let done = finish(Command::new(binary()).arg("status").arg(dataset).args(["--format", "json"]));
    (done.code, serde_json::from_str(&done.stdout).expect("one JSON object"))
}

/// A small generator of choices.
struct Choices(u64);

impl Choices {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below
    }
}

fn same(a: &Path, b: &Path, what: &str) {
    let different = differing_files(a, b);
    assert!(different.is_empty(), "{what}: {different:?}");
}

#[test]
fn any_number_of_tasks_gives_the_same_bytes() {
    let folder = temp();
    let folder = folder.path();
    for cohort in cohorts(folder) {
        let whole = folder.join(format!("{}-whole.ds", cohort.name));
        cohort.call(&whole, "1");
        let two = folder.join(format!("{}-two.ds", cohort.name));
        cohort.call(&two, "2");
        same(&whole, &two, cohort.name);
        for count in [1, 3, 7] {
            let dataset = folder.join(format!("{}-{count}.ds", cohort.name));
            let planned = cohort.plan(&dataset);
            assert_eq!(planned["plan_sha256"], manifest(&whole)["plan_digest"], "plan and call plan the same");
            let n_shards = planned["shards"].as_u64().expect("a count");
            assert!(n_shards >= 3, "{}: {n_shards} shards", cohort.name);
            for stage in cohort.stages() {
                // all at once
                let tasks: Vec<Child> =
                    (0..count).map(|i| task(&dataset, stage, i, count).spawn().expect("start")).collect();
                for child in tasks {
                    let output = child.wait_with_output().expect("wait");
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                }
            }
            finalize(&dataset).expect(0);
            same(&whole, &dataset, &format!("{} with {count} tasks", cohort.name));
            let verified = finish(Command::new(binary()).arg("verify").arg(&dataset));
            verified.expect(0);
        }
    }
}

#[test]
fn planning_again_gives_the_same_bytes() {
    let folder = temp();
    let folder = folder.path();
    for cohort in cohorts(folder) {
        let datasets = [folder.join("a.ds"), folder.join("b.ds")];
        let planned: Vec<serde_json::Value> = datasets.iter().map(|dataset| cohort.plan(dataset)).collect();
        assert_eq!(planned[0]["plan_sha256"], planned[1]["plan_sha256"]);
        let [a, b] = datasets.each_ref().map(|dataset| dataset.join("_plan"));
        assert_eq!(files_below(&a), files_below(&b));
        for name in files_below(&a) {
            assert_eq!(std::fs::read(a.join(&name)).expect("a file"), std::fs::read(b.join(&name)).expect("a file"));
        }
        // again into the same folder: nothing changes
        assert_eq!(cohort.plan(&datasets[0]), planned[0]);
        for dataset in datasets {
            std::fs::remove_dir_all(dataset).expect("remove");
        }
    }
}

/// Killed, stopped, doubled, with another number of tasks each time.
#[test]
fn tasks_that_are_killed_stopped_and_doubled_give_the_same_bytes() {
    let folder = temp();
    let folder = folder.path();
    let mut choices = Choices(0x9e37_79b9_7f4a_7c15);
    let (mut n_killed, mut n_stopped, mut n_finalize_killed) = (0, 0, 0);
    for cohort in cohorts(folder) {
        let whole = folder.join(format!("{}-whole.ds", cohort.name));
        let begin = Instant::now();
        cohort.call(&whole, "1");
        let wall = begin.elapsed().as_millis() as u64;
        for round in 0..3 {
            let dataset = folder.join(format!("{}-{round}.ds", cohort.name));
            cohort.plan(&dataset);
            for stage in cohort.stages() {
                for attempt in 0..4 {
                    let count = 1 + choices.next(4);
                    let mut tasks: Vec<Child> = Vec::new();
                    for i in 0..count {
                        // the same task twice at the same time, now and then
                        for _ in 0..1 + choices.next(2) {
                            let mut task = task(&dataset, stage, i, count);
                            let task = task.env("AWS_BATCH_JOB_ATTEMPT", (attempt + 1).to_string());
                            tasks.push(task.spawn().expect("start"));
                        }
                    }
                    if attempt < 3 {
                        std::thread::sleep(Duration::from_millis(choices.next(wall.max(2))));
                        for child in &mut tasks {
                            let signal = [libc::SIGKILL, libc::SIGTERM][choices.next(2) as usize];
                            // SAFETY: the child has not been waited for, so its number is still its own.
                            unsafe { libc::kill(child.id() as libc::pid_t, signal) };
                        }
                    }
                    let asked = Instant::now();
                    for child in tasks {
                        let output = child.wait_with_output().expect("wait");
                        // schedulers kill 30 s after SIGTERM
                        assert!(attempt == 3 || asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
                        let message = String::from_utf8_lossy(&output.stderr);
                        match output.status.code() {
                            None => n_killed += 1,
                            Some(75) => n_stopped += 1,
                            code => assert_eq!(code, Some(0), "{message}"),
                        }
                        assert!(attempt < 3 || output.status.success(), "{message}");
                    }
                    assert!(!is_published(&dataset));
                }
            }
            let start = || {
                let mut command = Command::new(binary());
                command.arg("finalize").arg(&dataset).stderr(Stdio::piped()).spawn().expect("start")
            };
            // killed or stopped on its way: what it wrote is taken up
            for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGKILL, libc::SIGKILL] {
                let mut child = start();
                std::thread::sleep(Duration::from_millis(choices.next(12)));
                // SAFETY: the child has not been waited for, so its number is still its own.
                unsafe { libc::kill(child.id() as libc::pid_t, signal) };
                let ended = child.wait().expect("wait");
                assert!(matches!(ended.code(), None | Some(0 | 75)), "{ended:?}");
                n_finalize_killed += u32::from(!ended.success());
            }
            // two at once: one publishes, the other finds it published
            for child in [start(), start()] {
                let output = child.wait_with_output().expect("wait");
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            }
            same(&whole, &dataset, &format!("{} round {round}", cohort.name));
            finalize(&dataset).expect(0);
            same(&whole, &dataset, "finalize again");
            assert!(!dataset.join("_staging").exists() && !dataset.join("_attempts").exists());
            assert_eq!(status(&dataset).0, 0);
        }
    }
    // on a busy machine the signal often comes before there is anybody to take it
    assert!(n_killed >= 5 && n_stopped >= 1, "{n_killed} killed, {n_stopped} stopped: too few to show anything");
    assert!(n_finalize_killed >= 5, "{n_finalize_killed} of those that publish were killed: too few to show anything");
}

/// One message, exit code and all, that names what is wrong.
#[track_caller]
fn refused(done: Finished, code: i32, words: &[&str]) {
    let done = done.expect(code);
    assert_eq!(error_lines(&done.stderr).len(), 1, "{}", done.stderr);
    for word in words {
        assert!(done.stderr.contains(word), "no {word:?} in:\n{}", done.stderr);
    }
}

fn small(folder: &Path) -> Cohort {
    let vcf = simulated(folder, "small", &["--samples", "20", "--length", "1000000"]);
    let flags = ["--shard-size", "1000"].map(String::from).to_vec();
    Cohort { name: "small", inputs: vec![vcf.join("cohort.vcf.gz")], flags }
}

#[test]
fn what_is_not_complete_is_named() {
    let folder = temp();
    let folder = folder.path();
    let cohort = small(folder);
    let dataset = folder.join("d.ds");
    refused(finalize(&dataset), 66, &["has no plan", "varbatch plan"]);
    let n_shards = cohort.plan(&dataset)["shards"].as_u64().expect("a count");
    assert!(n_shards > 3);
    refused(finalize(&dataset), 3, &["is not complete", &format!("lacks {n_shards} of {n_shards}")]);
    finish(&mut task(&dataset, "call", 1, 3)).expect(0);
    let (code, found) = status(&dataset);
    assert_eq!(code, 3);
    let missing = found["stages"][0]["missing"].as_array().expect("a list").len() as u64;
    assert!(0 < missing && missing < n_shards);
    refused(finalize(&dataset), 3, &[&format!("lacks {missing} of {n_shards}"), "varbatch status"]);
    for i in [0, 2] {
        finish(&mut task(&dataset, "call", i, 3)).expect(0);
    }
    assert_eq!(status(&dataset).1["stages"][0]["missing"], serde_json::json!([]));

    // a file cut short, one that is gone, one of somebody else
    let parts: Vec<PathBuf> = files_below(&dataset)
        .into_iter()
        .filter(|path| path.starts_with("variants"))
        .map(|path| dataset.join(path))
        .collect();
    let bytes = std::fs::read(&parts[0]).expect("a part");
    let name = parts[0].file_name().expect("a name").to_str().expect("UTF-8");
    std::fs::write(&parts[0], &bytes[..bytes.len() - 5]).expect("cut");
    refused(finalize(&dataset), 3, &[name, &format!("{} were committed", bytes.len())]);
    std::fs::remove_file(&parts[0]).expect("remove");
    refused(finalize(&dataset), 3, &[name, "is missing"]);
    std::fs::write(&parts[0], &bytes).expect("write");
    let foreign = parts[0].with_file_name("part-000000000999.parquet");
    std::fs::copy(&parts[0], &foreign).expect("copy");
    refused(finalize(&dataset), 3, &["part-000000000999.parquet", "not of this plan"]);
    std::fs::remove_file(&foreign).expect("remove");

    // commit records that are cut, or of another plan
    let record = dataset.join("_commits/call/000000000001.json");
    let text = std::fs::read_to_string(&record).expect("a record");
    std::fs::write(&record, &text[..text.len() / 2]).expect("cut");
    refused(finalize(&dataset), 3, &["000000000001.json", "not understood", "remove it"]);
    let digest = manifest_free_digest(&dataset);
    std::fs::write(&record, text.replace(&digest, &"0".repeat(64))).expect("write");
    refused(finalize(&dataset), 3, &["000000000001.json", "another plan"]);
    assert!(!is_published(&dataset));
    // the way out that the message names
    std::fs::remove_file(&record).expect("remove");
    finish(&mut task(&dataset, "call", 0, 1)).expect(0);
    finalize(&dataset).expect(0);
    finish(Command::new(binary()).arg("verify").arg(&dataset)).expect(0);
}

fn manifest_free_digest(dataset: &Path) -> String {
    status(dataset).1["plan_sha256"].as_str().expect("a digest").to_string()
}

#[test]
fn a_task_that_cannot_know_its_place_does_nothing() {
    let folder = temp();
    let folder = folder.path();
    let dataset = folder.join("d.ds");
    let digest = small(folder).plan(&dataset)["plan_sha256"].as_str().expect("a digest").to_string();
    let work = |variables: &[(&str, &str)], flags: &[&str]| {
        let mut command = Command::new(binary());
        finish(command.arg("work").arg(&dataset).args(flags).envs(variables.iter().copied()))
    };
    refused(work(&[("AWS_BATCH_JOB_ARRAY_INDEX", "1")], &[]), 2, &["AWS Batch", "not of how many"]);
    refused(work(&[("JOB_COMPLETION_INDEX", "1")], &[]), 2, &["Kubernetes", "VARBATCH_TASK_COUNT"]);
    let slurm = ("SLURM_ARRAY_TASK_ID", "1");
    refused(work(&[slurm, ("BATCH_TASK_INDEX", "0")], &[]), 2, &["Slurm", "GCP Batch", "--task-index"]);
    refused(work(&[], &["--task-index", "3", "--task-count", "3"]), 2, &["task 3 of 3", "0 to 2"]);
    let other = "0".repeat(64);
    refused(work(&[], &["--plan-sha256", &other]), 65, &[&digest, &other, "planned again"]);
    assert!(!dataset.join("_commits").exists());
    work(&[], &["--plan-sha256", &digest]).expect(0);
    finalize(&dataset).expect(0);
    let again = work(&[], &[]).expect(0);
    assert!(again.stderr.contains("published already"), "{}", again.stderr);
}

/// One input that breaks does not keep the others back, and `status` says which it is.
#[test]
fn a_poisoned_shard_is_named_and_the_others_go_on() {
    let folder = temp();
    let folder = folder.path();
    let good = simulated(folder, "good", &["--samples", "130", "--length", "10000", "--gvcf"]);
    let inputs: Vec<PathBuf> = (0..130).map(|i| good.join(format!("gvcf/S{:04}.g.vcf.gz", i + 1))).collect();
    assert!(inputs.iter().all(|path| path.exists()));
    let cohort = Cohort { name: "gvcf", inputs, flags: Vec::new() };
    let dataset = folder.join("d.ds");
    let n_shards = cohort.plan(&dataset)["shards"].as_u64().expect("a count");
    assert!(n_shards >= 3);
    // changed after they were planned: found before they are read
    let poison = |victim: &PathBuf| {
        let bytes = std::fs::read(victim).expect("a file");
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 0x55;
        std::fs::write(victim, &changed).expect("write");
        bytes
    };
    let (victim, other) = (&cohort.inputs[3], &cohort.inputs[129]);
    let (bytes, of_other) = (poison(victim), poison(other));
    finish(&mut task(&dataset, "ingest", 0, 1)).expect(65);
    assert_eq!(status(&dataset).1["failures"].as_array().expect("a list").len(), 2);
    // one of the two is mended: it is no failure any more, though a shard before it still is
    std::fs::write(other, &of_other).expect("write");
    refused(finish(&mut task(&dataset, "ingest", 0, 1)), 65, &["S0004.g.vcf.gz", "was changed since it was planned"]);
    let (_, found) = status(&dataset);
    assert_eq!(found["stages"][0]["missing"].as_array().expect("a list").len(), 1, "the other shards are done");
    let failure = &found["failures"][0];
    assert_eq!((&failure["stage"], &failure["exit_code"]), (&"ingest".into(), &65.into()));
    assert!(failure["message"].as_str().expect("a message").contains("S0004.g.vcf.gz"), "{failure}");
    assert_eq!(found["running"], serde_json::json!([]));
    // again: the same failure is one line for people
    finish(&mut task(&dataset, "ingest", 0, 1)).expect(65);
    let said = finish(Command::new(binary()).arg("status").arg(&dataset)).expect(3);
    for words in [
        &format!("stage ingest  {} of {n_shards} shards done; missing: {}", n_shards - 1, failure["shard"])[..],
        "stage call    waits for the stage before",
        &format!("stage ingest shard {} failed 3 times with exit code 65 (bad input): ", failure["shard"]),
        "  hint: bring the old file back",
    ] {
        assert!(said.stdout.contains(words), "no {words:?} in:\n{}", said.stdout);
    }
    for words in ["is not published yet", "mend what the failures name", "varbatch submit"] {
        assert!(said.stderr.contains(words), "no {words:?} in:\n{}", said.stderr);
    }
    refused(finish(&mut task(&dataset, "call", 0, 1)), 75, &["the stage ingest is not complete: 1 of"]);
    // the old file again: only that shard is left to do
    std::fs::write(victim, &bytes).expect("write");
    finish(&mut task(&dataset, "ingest", 0, 2)).expect(0);
    finish(&mut task(&dataset, "ingest", 1, 2)).expect(0);
    // what was mended is no failure any more, though the other stage is still to come
    let (_, found) = status(&dataset);
    assert_eq!(found["failures"], serde_json::json!([]));
    assert!(!found["stages"][1]["missing"].as_array().expect("a list").is_empty());
    finish(&mut task(&dataset, "call", 0, 1)).expect(0);
    finalize(&dataset).expect(0);
    assert!(!dataset.join("_failures").exists());
}

/// What keeps a task from its first shard is in `status`, too, until that task begins.
#[test]
fn a_task_that_cannot_begin_is_named() {
    let folder = temp();
    let folder = folder.path();
    let cohort = cohorts(folder).remove(0);
    let dataset = folder.join("d.ds");
    cohort.plan(&dataset);
    let (reference, away) = (folder.join("vcf/reference.fa"), folder.join("vcf/away.fa"));
    std::fs::rename(&reference, &away).expect("rename");
    for i in [1, 2] {
        refused(finish(&mut task(&dataset, "call", i, 3)), 66, &["reference.fa"]);
    }
    let said = finish(Command::new(binary()).arg("status").arg(&dataset)).expect(3);
    for i in [1, 2] {
        let words = format!("task {i} of 3 failed with exit code 66 (no input): ");
        assert!(said.stdout.contains(&words) && said.stdout.contains("reference.fa"), "{}", said.stdout);
    }
    std::fs::rename(&away, &reference).expect("rename");
    finish(&mut task(&dataset, "call", 1, 3)).expect(0);
    let failures = status(&dataset).1["failures"].clone();
    assert_eq!(failures.as_array().map(Vec::len), Some(1), "{failures}");
    assert_eq!((&failures[0]["task_index"], &failures[0]["shard"]), (&2.into(), &serde_json::Value::Null));
    finish(&mut task(&dataset, "call", 0, 1)).expect(0);
    assert_eq!(status(&dataset).1["failures"], serde_json::json!([]), "nothing is left to do");
    finalize(&dataset).expect(0);
}

/// A shard that gives another result than before is an error, and what is there stays.
#[test]
fn a_result_that_differs_is_never_written_over() {
    let folder = temp();
    let folder = folder.path();
    let cohort = small(folder);
    let dataset = folder.join("d.ds");
    cohort.plan(&dataset);
    finish(&mut task(&dataset, "call", 0, 1)).expect(0);
    let part = files_below(&dataset).into_iter().find(|path| path.starts_with("variants")).expect("a part");
    let part = dataset.join(part);
    let mut bytes = std::fs::read(&part).expect("a part");
    bytes[10] ^= 1;
    std::fs::write(&part, &bytes).expect("write");
    let number: u64 = part.file_stem().expect("a name").to_str().expect("UTF-8")[5..].parse().expect("a number");
    std::fs::remove_file(dataset.join(format!("_commits/call/{number:012}.json"))).expect("remove");
    refused(finish(&mut task(&dataset, "call", 0, 1)), 70, &["gave another result than before", "part-"]);
    assert_eq!(std::fs::read(&part).expect("a part"), bytes, "it was not touched");
    refused(finalize(&dataset), 3, &["is not complete"]);
}

/// What runs, and what was lost, is in `status`.
#[test]
fn status_names_tasks_that_did_not_say_that_they_ended() {
    let folder = temp();
    let folder = folder.path();
    let cohort = cohorts(folder).remove(0);
    let dataset = folder.join("d.ds");
    cohort.plan(&dataset);
    let mut child = task(&dataset, "call", 2, 3).spawn().expect("start");
    let begin = Instant::now();
    let found = loop {
        let found = status(&dataset).1["running"].clone();
        if found != serde_json::json!([]) || begin.elapsed() > Duration::from_secs(20) {
            break found;
        }
    };
    child.kill().expect("SIGKILL");
    let ended = child.wait().expect("wait");
    if ended.success() {
        // too fast to be caught: nothing is left to be named
        assert_eq!(status(&dataset).1["running"], serde_json::json!([]));
        return;
    }
    assert_eq!(found[0]["task_index"], 2);
    assert_eq!(found[0]["task_count"], 3);
    assert_eq!(found[0]["job"], "job:2#1");
    assert_eq!(status(&dataset).1["running"], found, "a lost task stays named");
    let said = finish(Command::new(binary()).arg("status").arg(&dataset)).expect(3);
    let line = said.stdout.lines().find(|line| line.starts_with("task 2 of 3 began at 2")).expect("a line");
    assert!(line.contains(" UTC on ") && line.ends_with(", job job:2#1 and has not ended, or was lost"), "{line}");
    assert!(said.stderr.contains("wait for the tasks of the stage call; if they were lost"), "{}", said.stderr);
    for i in 0..3 {
        finish(&mut task(&dataset, "call", i, 3)).expect(0);
    }
    finalize(&dataset).expect(0);
}

#[test]
fn what_other_processes_cannot_read_is_not_planned() {
    let folder = temp();
    let dataset = folder.path().join("d.ds");
    let planned = varbatch_fed(&["plan", "-", "-o", dataset.to_str().expect("UTF-8")], Vec::new());
    refused(planned, 2, &["is a stream", "varbatch call"]);
    // relative names are looked for where the task runs
    let cohort = small(folder.path());
    let mut plan = Command::new(binary());
    plan.current_dir(folder.path()).args(["plan", "small/cohort.vcf.gz", "-o"]).arg(&dataset);
    finish(&mut plan).expect(0);
    let elsewhere = temp();
    let mut away = task(&dataset, "call", 0, 1);
    away.current_dir(elsewhere.path());
    refused(finish(&mut away), 66, &["small/cohort.vcf.gz", "relative to the folder"]);
    let mut here = task(&dataset, "call", 0, 1);
    here.current_dir(folder.path());
    finish(&mut here).expect(0);
    finalize(&dataset).expect(0);
    drop(cohort);
}
