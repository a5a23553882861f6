//! Inputs that are damaged, cut off, replaced or out of reach, and outputs that cannot be written: the right exit code, one
//! message, and nothing published that is wrong.

use super::cli::small;
use super::common::*;
use super::inputs::{assert_same_rows, bgzf, gzip, rows};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The small file in the compressed forms.
fn forms(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let text = fs::read(small()).expect("small.vcf");
    let mut forms = vec![("vcf.bgzf", bgzf(&text)), ("vcf.gzip", gzip(&text))];
    if tool("bcftools") {
        let bcf = folder.join("made.bcf");
        let done = finish(Command::new("bcftools").args(["view", "--no-version", "-Ob", "-o"]).arg(&bcf).arg(small()));
        assert_eq!(done.code, 0, "{}", done.stderr);
        forms.push(("bcf", fs::read(bcf).expect("the BCF")));
    }
    forms
}

/// Calls damaged bytes: either one message, exit code 65 and nothing published, or the rows of the whole file.
#[track_caller]
fn call_damaged(folder: &Path, what: &str, bytes: &[u8], whole: &Path) -> bool {
    let (input, dataset) = (write(folder, "damaged", bytes), folder.join("damaged.ds"));
    let done = call_any(&[&input], &dataset, &["--threads", "1"]);
    if done.code == 0 {
        assert_same_rows(&rows(whole), &rows(&dataset), what);
    } else {
        assert_eq!(done.code, 65, "{what}: {}", done.stderr);
        assert_eq!(error_lines(&done.stderr).len(), 1, "{what}: {}", done.stderr);
        assert!(error_lines(&done.stderr)[0].contains("damaged"), "{what}: {}", done.stderr);
        assert!(!is_published(&dataset), "{what}");
    }
    if dataset.exists() {
        fs::remove_dir_all(&dataset).expect("remove the dataset");
    }
    done.code == 0
}

/// A bit that is flipped shows, or changes nothing (some bytes of a gzip header mean nothing).
#[test]
fn flipped_bits_are_noticed() {
    let folder = temp();
    let folder = folder.path();
    let whole = folder.join("whole.ds");
    call(&[small()], &whole, &[]);
    for (name, bytes) in forms(folder) {
        let mut n_harmless = 0;
        let n_tried = 50;
        for i in 0..n_tried {
            let at = (i * bytes.len()) / n_tried;
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (i % 8);
            n_harmless += usize::from(call_damaged(folder, &format!("{name}, byte {at}"), &damaged, &whole));
        }
        assert!(n_harmless < n_tried / 3, "{name}: {n_harmless} of {n_tried} made no difference");
    }
}

/// A file that is cut off anywhere is refused, also where a block ends, and where only the mark of the end is gone.
#[test]
fn files_that_are_cut_off_are_refused() {
    let folder = temp();
    let folder = folder.path();
    let whole = folder.join("whole.ds");
    call(&[small()], &whole, &[]);
    for (name, bytes) in forms(folder) {
        let mut lengths: Vec<usize> = (1..30).map(|i| i * bytes.len() / 30).collect();
        lengths.extend([bytes.len() - 1, bytes.len() - 28]);
        // ends of blocks
        lengths.extend(memchr::memmem::find_iter(&bytes, &[0x1f, 0x8b, 0x08, 0x04]).filter(|&at| at > 0).take(12));
        for len in lengths {
            let is_accepted = call_damaged(folder, &format!("{name}, {len} bytes"), &bytes[..len], &whole);
            assert!(!is_accepted, "{name}: {len} of {} bytes were accepted", bytes.len());
        }
    }
}

fn start(input: &Path, dataset: &Path) -> Child {
    let mut command = Command::new(binary());
    command.arg("call").arg(input).arg("-o").arg(dataset).args(["--shard-size", "200K", "--threads", "1", "-q"]);
    command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("start varbatch")
}

/// A text of some 60 MB.
fn large_text(folder: &Path) -> PathBuf {
    let made = folder.join("made");
    let text = made.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", text, "--samples", "500", "--length", "2000000", "--seed", "5"]).expect(0);
    write(folder, "large.vcf", super::vcf::text(&made.join("cohort.vcf.gz")))
}

/// Starts a call, and does something to its input when it has been planned.
fn call_while(input: &Path, dataset: &Path, change: impl FnOnce()) -> Finished {
    let child = start(input, dataset);
    let begin = Instant::now();
    while !dataset.join("_plan/plan.json").exists() && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    change();
    let output = child.wait_with_output().expect("wait");
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::new(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn an_input_that_changes_while_it_is_read_is_named() {
    let folder = temp();
    let folder = folder.path();
    let source = large_text(folder);
    let cut = |input: &Path| {
        let file = fs::OpenOptions::new().write(true).open(input).expect("open");
        file.set_len(100_000).expect("cut");
    };
    let replace = |input: &Path| {
        let other = write(folder, "other.vcf", fs::read(small()).expect("small.vcf"));
        fs::rename(other, input).expect("replace");
    };
    for (name, change) in [("cut", &cut as &dyn Fn(&Path)), ("replaced", &replace)] {
        let input = folder.join(format!("{name}.vcf"));
        let dataset = folder.join(format!("{name}.ds"));
        fs::copy(&source, &input).expect("copy");
        let done = call_while(&input, &dataset, || change(&input));
        assert_eq!(done.code, 65, "{name}: {}", done.stderr);
        assert_eq!(error_lines(&done.stderr).len(), 1, "{name}: {}", done.stderr);
        assert!(done.stderr.contains(&format!("{name}.vcf")) && done.stderr.contains("hint:"), "{}", done.stderr);
        assert!(!is_published(&dataset));
        // with the input as it was the same command completes the dataset
        fs::copy(&source, &input).expect("copy");
        let whole = folder.join("whole.ds");
        call(&[&input], &whole, &["--shard-size", "200K", "--force"]);
        call(&[&input], &dataset, &["--shard-size", "200K", "--force"]);
        assert!(differing_files(&whole, &dataset).is_empty());
    }
}

/// `varbatch` as a user without privileges; with those of the test where it has none.
fn unprivileged(folder: &Path) -> Option<Command> {
    // SAFETY: asks for a number.
    if unsafe { libc::geteuid() } != 0 {
        return Some(Command::new(binary()));
    }
    if !tool("setpriv") {
        return None;
    }
    // copied by another process: a file that this one has open for writing cannot be run by its children
    let copy = folder.join("varbatch");
    assert_eq!(finish(Command::new("cp").arg(binary()).arg(&copy)).code, 0);
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(copy);
    Some(command)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("set the mode");
}

#[test]
fn what_is_out_of_reach_is_said() {
    let folder = temp();
    let folder = folder.path();
    set_mode(folder, 0o777);
    let input = write(folder, "in.vcf", fs::read(small()).expect("small.vcf"));
    let (secret, locked) = (folder.join("secret.vcf"), folder.join("locked"));
    fs::copy(&input, &secret).expect("copy");
    set_mode(&secret, 0);
    fs::create_dir(&locked).expect("a folder");
    set_mode(&locked, 0o555);
    std::os::unix::fs::symlink("b", folder.join("a")).expect("a link");
    std::os::unix::fs::symlink("a", folder.join("b")).expect("a link");
    let cases = [
        (secret.clone(), folder.join("one.ds"), 77, "secret.vcf"),
        (input.clone(), locked.join("two.ds"), 77, "locked"),
        (folder.join("a"), folder.join("three.ds"), 66, "symbolic links"),
        (folder.join("absent.vcf"), folder.join("four.ds"), 66, "absent.vcf"),
        (folder.to_path_buf(), folder.join("five.ds"), 66, "is a folder"),
        (input.clone(), input.join("six.ds"), 74, "in.vcf"),
    ];
    for (input, dataset, code, text) in cases {
        let Some(mut command) = unprivileged(folder) else { return };
        let done = finish(command.arg("call").arg(&input).arg("-o").arg(&dataset).stdin(Stdio::null()));
        assert_eq!(done.code, code, "{}: {}", input.display(), done.stderr);
        assert_eq!(error_lines(&done.stderr).len(), 1, "{}", done.stderr);
        assert!(done.stderr.contains(text), "{}", done.stderr);
        assert!(!is_published(&dataset));
    }
    set_mode(&locked, 0o755);
}

/// A full device where standard output goes is an error, a reader that went away is none.
#[test]
fn standard_output_that_is_full_or_closed() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[small()], &dataset, &[]);
    for args in [&["query", "SELECT * FROM genotypes"][..], &["export"]] {
        let command = |out: Stdio| {
            let mut command = Command::new(binary());
            command.arg(args[0]).arg(&dataset).args(&args[1..]);
            if args[0] == "export" {
                command.args(["-o", "-"]);
            }
            command.stdin(Stdio::null()).stdout(out).stderr(Stdio::piped());
            let output = command.spawn().expect("start").wait_with_output().expect("wait");
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let (code, stderr) = command(full.into());
        assert_eq!(code, Some(74), "{args:?}: {stderr}");
        assert!(stderr.contains("no space left"), "{stderr}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let (code, stderr) = command(writer.into());
        assert_eq!(code, Some(0), "{args:?}: {stderr}");
        assert!(error_lines(&stderr).is_empty(), "{stderr}");
    }
}
