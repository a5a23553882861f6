//! Killed before each single call that changes a file or a folder: what stands there then is never wrong, and running the
//! same command again, and the ones that follow it, gives the bytes of an undisturbed run and nothing beside them.

use super::common::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The library that kills a process before the call of a given number.
fn library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/kill_at.c");
    let built = folder.join("kill_at.so");
    finish(Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&built).arg(source).arg("-ldl")).expect(0);
    built
}

/// Commands that make a dataset from nothing, one after the other; `DATASET` stands for it.
struct Sequence {
    commands: Vec<Vec<String>>,
    work: PathBuf,
    library: PathBuf,
}

impl Sequence {
    fn run(&self, index: usize, dataset: &Path, kill_at: Option<u32>) -> Finished {
        let mut command = Command::new(binary());
        command.stdin(Stdio::null());
        for argument in &self.commands[index] {
            match argument.as_str() {
                "DATASET" => command.arg(dataset),
                argument => command.arg(argument),
            };
        }
        if let Some(kill_at) = kill_at {
            command.env("LD_PRELOAD", &self.library).env("KILL_AT", kill_at.to_string());
        }
        finish(&mut command)
    }

    /// Kills each command before each of its calls. How often it did, by command.
    fn kill_everywhere(&self) -> Vec<u32> {
        let whole = self.work.join("whole.ds");
        for index in 0..self.commands.len() {
            self.run(index, &whole, None).expect(0);
        }
        let before = self.work.join("before.ds");
        let dataset = self.work.join("killed.ds");
        let mut n_killed = Vec::new();
        for index in 0..self.commands.len() {
            let mut kill_at = 1;
            loop {
                copy_folder(&before, &dataset);
                let done = self.run(index, &dataset, Some(kill_at));
                if done.code != 128 + libc::SIGKILL {
                    done.expect(0);
                    break;
                }
                let at = format!("{:?} killed at call {kill_at}", self.commands[index][0]);
                // whoever reads now finds all of it, or hears that it is not complete
                if is_published(&dataset) {
                    let verified = finish(Command::new(binary()).arg("verify").arg(&dataset));
                    assert_eq!(verified.code, 0, "{at}: {}", verified.stderr);
                } else if dataset.exists() {
                    let query = finish(Command::new(binary()).arg("query").arg(&dataset).arg("SELECT 1"));
                    assert!(matches!(query.code, 3 | 66), "{at}: {} {}", query.code, query.stderr);
                }
                for again in index..self.commands.len() {
                    let done = self.run(again, &dataset, None);
                    assert_eq!(done.code, 0, "{at}, then {:?}: {}", self.commands[again][0], done.stderr);
                }
                let different = differing_files(&whole, &dataset);
                assert!(different.is_empty(), "{at}: {different:?}");
                let begun: Vec<PathBuf> = files_below(&dataset).into_iter().filter(|path| is_begun(path)).collect();
                assert!(begun.is_empty(), "{at}: left {begun:?}");
                kill_at += 1;
            }
            n_killed.push(kill_at - 1);
            self.run(index, &before, None).expect(0);
        }
        n_killed
    }
}

/// Whether a file has a name of those that are not complete.
fn is_begun(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.contains(".tmp-") || name.starts_with("_staging")
}

fn words(text: &str, rest: &[&str]) -> Vec<String> {
    text.split(' ').chain(rest.iter().copied()).map(String::from).collect()
}

#[test]
fn one_process_killed_before_each_change_of_a_file() {
    let folder = temp();
    let folder = folder.path();
    let made = folder.join("made");
    varbatch(&["simulate", "-o", path_text(&made), "--samples", "100", "--length", "60000", "--seed", "8"]).expect(0);
    let input = made.join("cohort.vcf.gz");
    let call = words("call -o DATASET --threads 2 --shard-size 10000", &[path_text(&input)]);
    let sequence = Sequence { commands: vec![call], work: folder.to_path_buf(), library: library(folder) };
    let n_killed = sequence.kill_everywhere();
    let n_shards = files_below(&folder.join("whole.ds/_commits/call")).len() / 2;
    assert!(n_shards >= 2, "{n_shards} shards");
    assert!(n_killed[0] >= 60, "killed {n_killed:?} times");
}

#[test]
fn each_step_of_an_array_killed_before_each_change_of_a_file() {
    let folder = temp();
    let folder = folder.path();
    let made = folder.join("made");
    let simulate = ["simulate", "-o", path_text(&made), "--samples", "3", "--length", "5000", "--seed", "8", "--gvcf"];
    varbatch(&simulate).expect(0);
    let mut inputs: Vec<PathBuf> =
        files_below(&made.join("gvcf")).into_iter().map(|name| made.join("gvcf").join(name)).collect();
    inputs.retain(|path| path.to_string_lossy().ends_with(".g.vcf.gz"));
    let inputs: Vec<&str> = inputs.iter().map(|path| path_text(path)).collect();
    let reference = made.join("reference.fa");
    let plan = [&["-f", path_text(&reference)], &inputs[..]].concat();
    let commands = vec![
        words("plan -o DATASET --shard-size 3000", &plan),
        words("work DATASET --stage ingest --quiet --threads 1", &[]),
        words("work DATASET --stage call --quiet --threads 1", &[]),
        words("finalize DATASET", &[]),
    ];
    let sequence = Sequence { commands, work: folder.to_path_buf(), library: library(folder) };
    let n_killed = sequence.kill_everywhere();
    assert!(n_killed.iter().all(|&n| n >= 10), "killed {n_killed:?} times");
}
