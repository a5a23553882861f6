//! Killed at any moment, out of disk, interrupted: nothing partial looks complete, and the same command again gives
//! the bytes of an undisturbed run.

use super::common::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes of compressed input in a shard: small, so that a run has many commits.
const SHARD_BYTES: &str = "20000";

/// A simulated cohort, so that the test needs no data.
fn cohort(folder: &Path) -> PathBuf {
    let made = folder.join("made");
    let text = made.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", text, "--samples", "400", "--length", "1500000", "--seed", "3"]).expect(0);
    made.join("cohort.vcf.gz")
}

fn start(input: &Path, dataset: &Path) -> Child {
    let mut command = Command::new(binary());
    command.arg("call").arg(input).arg("-o").arg(dataset).args(["--shard-size", SHARD_BYTES, "--threads", "2"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start varbatch")
}

/// The files on disk are those of the manifest, besides what the array protocol keeps.
fn assert_no_leftovers(dataset: &Path) {
    let manifest = manifest(dataset);
    let files = manifest["files"].as_array().expect("files").iter();
    let mut listed: BTreeSet<PathBuf> =
        files.map(|file| PathBuf::from(file["path"].as_str().expect("a path"))).collect();
    listed.insert("_manifest.json".into());
    let found =
        files_below(dataset).into_iter().filter(|path| !path.starts_with("_plan") && !path.starts_with("_commits"));
    assert_eq!(found.collect::<BTreeSet<_>>(), listed);
}

/// A small generator of moments: the run time decides where they fall, so they need not be good.
fn fractions(n: usize) -> impl Iterator<Item = f64> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    (0..n).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    })
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes() {
    let folder = temp();
    let folder = folder.path();
    let input = cohort(folder);
    let whole = folder.join("whole.ds");
    let begin = Instant::now();
    assert!(start(&input, &whole).wait().expect("wait").success());
    let wall = begin.elapsed();
    assert_no_leftovers(&whole);
    let mut n_killed = 0;
    for (run, fraction) in fractions(10).enumerate() {
        let dataset = folder.join(format!("killed{run}.ds"));
        // Killed twice, then left alone.
        for part in [fraction, 1.0 - fraction] {
            let mut child = start(&input, &dataset);
            std::thread::sleep(wall.mul_f64(part));
            child.kill().expect("SIGKILL");
            let status = child.wait().expect("wait");
            if status.success() {
                continue;
            }
            n_killed += 1;
            if !is_published(&dataset) && dataset.exists() {
                finish(Command::new(binary()).arg("query").arg(&dataset).arg("SELECT 1")).expect(3);
            }
        }
        assert!(start(&input, &dataset).wait().expect("wait").success());
        let different = differing_files(&whole, &dataset);
        assert!(different.is_empty(), "after a kill at {fraction:.3} of {wall:?}: {different:?}");
        assert_no_leftovers(&dataset);
        std::fs::remove_dir_all(&dataset).expect("remove");
    }
    assert!(n_killed >= 5, "only {n_killed} of 20 runs were killed before they ended");
}

/// Ctrl-C and a scheduler's SIGTERM end a run with 75, and the same command continues.
#[test]
fn an_interrupted_run_is_75_and_resumes() {
    let folder = temp();
    let folder = folder.path();
    let input = cohort(folder);
    let whole = folder.join("whole.ds");
    let begin = Instant::now();
    assert!(start(&input, &whole).wait().expect("wait").success());
    let wall = begin.elapsed();
    for (name, signal) in [("int", libc::SIGINT), ("term", libc::SIGTERM)] {
        let dataset = folder.join(format!("{name}.ds"));
        let mut child = start(&input, &dataset);
        std::thread::sleep(wall.mul_f64(0.4));
        // SAFETY: the child is ours and has not been waited for, so its number is still its own.
        unsafe { libc::kill(child.id() as libc::pid_t, signal) };
        let status = child.wait().expect("wait");
        assert!(matches!(status.code(), Some(0 | 75)), "{name}: {status:?}");
        assert_eq!(is_published(&dataset), status.success());
        assert!(start(&input, &dataset).wait().expect("wait").success());
        assert!(differing_files(&whole, &dataset).is_empty());
    }
}

/// A tmpfs of a given size that is unmounted with the value.
pub struct SmallDisk {
    pub at: PathBuf,
}

impl SmallDisk {
    pub fn mount(at: &Path, bytes: u64) -> Option<Self> {
        std::fs::create_dir_all(at).expect("a folder");
        let size = format!("size={bytes}");
        let done = finish(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at));
        if done.code != 0 {
            skip(&format!("a small disk cannot be mounted (root is needed): {}", done.stderr.trim()));
            return None;
        }
        Some(SmallDisk { at: at.to_path_buf() })
    }

    pub fn resize(&self, bytes: u64) {
        let size = format!("remount,size={bytes}");
        finish(Command::new("mount").args(["-o", &size]).arg(&self.at)).expect(0);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.at).status();
    }
}

#[test]
fn a_full_disk_is_74_and_resumes() {
    let folder = temp();
    let folder = folder.path();
    let input = cohort(folder);
    let whole = folder.join("whole.ds");
    let args = ["--shard-size", SHARD_BYTES, "--threads", "2"];
    call(&[&input], &whole, &args);
    let n_bytes: u64 =
        files_below(&whole).iter().map(|path| std::fs::metadata(whole.join(path)).expect("a file").len()).sum();
    let Some(disk) = SmallDisk::mount(&folder.join("disk"), n_bytes / 2) else { return };
    let dataset = disk.at.join("ds");
    let done = call_any(&[&input], &dataset, &args);
    assert_eq!(done.code, 74, "{}", done.stderr);
    assert_eq!(error_lines(&done.stderr).len(), 1, "one message:\n{}", done.stderr);
    assert!(done.stderr.contains("hint: "), "{}", done.stderr);
    assert!(!is_published(&dataset));
    disk.resize(n_bytes * 4 + (8 << 20));
    call(&[&input], &dataset, &args);
    let different = differing_files(&whole, &dataset);
    assert!(different.is_empty(), "{different:?}");
}

/// A task looks at the disk before it begins, and says what is there and what is needed.
#[test]
fn a_task_that_cannot_fit_does_not_begin() {
    let folder = temp();
    let folder = folder.path();
    let input = cohort(folder);
    let Some(disk) = SmallDisk::mount(&folder.join("disk"), 4 << 20) else { return };
    let dataset = disk.at.join("ds");
    let mut plan = Command::new(binary());
    finish(plan.arg("plan").arg(&input).arg("-o").arg(&dataset).args(["--shard-size", SHARD_BYTES])).expect(0);
    let n_bytes = std::fs::metadata(&input).expect("a file").len();
    let filler = disk.at.join("filler");
    let mut file = std::fs::File::create(&filler).expect("a file");
    // less than a tenth of the input stays free
    let free = || {
        let done = finish(Command::new("df").args(["--output=avail", "-B1"]).arg(&disk.at)).expect(0);
        done.stdout.lines().nth(1).and_then(|line| line.trim().parse::<u64>().ok()).expect("a number")
    };
    while free() > n_bytes / 10 {
        std::io::Write::write_all(&mut file, &[0; 4096]).expect("room");
    }
    let work = || {
        let mut work = Command::new(binary());
        finish(work.arg("work").arg(&dataset).arg("--quiet"))
    };
    let refused = work().expect(74);
    for words in ["/disk/ds has 0.", "MB free", "this task will write 0.", "at the very least", "hint: free some space"]
    {
        assert!(refused.stderr.contains(words), "no {words:?} in:\n{}", refused.stderr);
    }
    assert!(!dataset.join("_commits").exists(), "nothing was begun");
    std::fs::remove_file(&filler).expect("remove");
    disk.resize(64 << 20);
    work().expect(0);
    finish(Command::new(binary()).arg("finalize").arg(&dataset)).expect(0);
}

/// Two runs into one dataset at the same time: at least one ends well, and the result is the undisturbed one.
#[test]
fn two_runs_at_once_do_not_spoil_each_other() {
    let folder = temp();
    let folder = folder.path();
    let input = cohort(folder);
    let (whole, dataset) = (folder.join("whole.ds"), folder.join("both.ds"));
    assert!(start(&input, &whole).wait().expect("wait").success());
    let mut first = start(&input, &dataset);
    std::thread::sleep(Duration::from_millis(20));
    let mut second = start(&input, &dataset);
    let ended = [first.wait().expect("wait"), second.wait().expect("wait")];
    assert!(ended.iter().any(|status| status.success()), "{ended:?}");
    assert!(differing_files(&whole, &dataset).is_empty());
}
