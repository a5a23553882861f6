//! Running the program and finding what a test needs.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a finished process left.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; 128 + signal when a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Panics unless the exit code is `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stderr:\n{}", self.stderr);
        self
    }
}

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_varbatch")
}

/// Runs `varbatch` with `args` and nothing on standard input.
pub fn varbatch<S: AsRef<OsStr>>(args: &[S]) -> Finished {
    finish(Command::new(binary()).args(args).stdin(Stdio::null()))
}

/// Runs `varbatch` with `input` on standard input.
pub fn varbatch_fed<S: AsRef<OsStr>>(args: &[S], input: Vec<u8>) -> Finished {
    let mut child = Command::new(binary())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start varbatch");
    let mut pipe = child.stdin.take().expect("a pipe");
    let feeder = std::thread::spawn(move || {
        let _ = pipe.write_all(&input);
    });
    let output = child.wait_with_output().expect("wait for varbatch");
    feeder.join().expect("feeder");
    finished(&output)
}

/// Runs any command to its end.
pub fn finish(command: &mut Command) -> Finished {
    let output = command.output().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    finished(&output)
}

fn finished(output: &std::process::Output) -> Finished {
    use std::os::unix::process::ExitStatusExt;
    let status = output.status;
    Finished {
        code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `varbatch call INPUT... -o dataset EXTRA...`, which must end with exit code 0.
#[track_caller]
pub fn call<P: AsRef<Path>>(inputs: &[P], dataset: &Path, extra: &[&str]) -> Finished {
    call_any(inputs, dataset, extra).expect(0)
}

/// The same with any exit code.
pub fn call_any<P: AsRef<Path>>(inputs: &[P], dataset: &Path, extra: &[&str]) -> Finished {
    let mut command = Command::new(binary());
    command.arg("call");
    for input in inputs {
        command.arg(input.as_ref());
    }
    finish(command.arg("-o").arg(dataset).args(extra).stdin(Stdio::null()))
}

/// `varbatch export dataset -o out EXTRA...`, which must end with exit code 0.
#[track_caller]
pub fn export(dataset: &Path, out: &Path, extra: &[&str]) -> Finished {
    let mut command = Command::new(binary());
    finish(command.arg("export").arg(dataset).arg("-o").arg(out).args(extra).stdin(Stdio::null())).expect(0)
}

/// Rows of a query as TSV, without the header line.
#[track_caller]
pub fn query(dataset: &Path, sql: &str) -> Vec<Vec<String>> {
    let mut command = Command::new(binary());
    let done = finish(command.arg("query").arg(dataset).arg(sql).args(["--format", "tsv"])).expect(0);
    done.stdout.lines().skip(1).map(|line| line.split('\t').map(String::from).collect()).collect()
}

/// A temporary folder that goes away with the value.
pub fn temp() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("varbatch-it-").tempdir().expect("a temporary folder")
}

/// Writes `text` to `folder/name` and returns the path.
pub fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("write a test file");
    path
}

/// Says that a test does not run; fails where everything is required.
pub fn skip(why: &str) {
    assert!(std::env::var_os("VARBATCH_REQUIRE_ALL").is_none(), "VARBATCH_REQUIRE_ALL is set, and {why}");
    eprintln!("SKIPPED: {why}");
}

/// The folder of real data, where there is one.
pub fn data_root() -> Option<PathBuf> {
    let root = match std::env::var_os("VARBATCH_DATA") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
    };
    root.is_dir().then_some(root)
}

/// A path inside the real data; `None` (said aloud) where it is absent.
pub fn data(path: &str) -> Option<PathBuf> {
    let found = data_root().map(|root| root.join(path)).filter(|path| path.exists());
    if found.is_none() {
        skip(&format!("there is no real data at {path}; set VARBATCH_DATA"));
    }
    found
}

/// Whether a program is there; said aloud where it is not.
pub fn tool(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).any(|folder| folder.join(name).is_file());
    if !found {
        skip(&format!("{name} is not installed"));
    }
    found
}

/// Every file of a folder, as paths relative to it, sorted.
pub fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("list {}: {error}", folder.display())) {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).expect("below the root").to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// Files that differ between two datasets, by name or by bytes. Plan, commit records and logs are the run's own.
pub fn differing_files(a: &Path, b: &Path) -> Vec<PathBuf> {
    let published =
        |root: &Path| -> Vec<PathBuf> { files_below(root).into_iter().filter(|path| !is_private(path)).collect() };
    let (in_a, in_b) = (published(a), published(b));
    let mut all: Vec<PathBuf> = in_a.iter().chain(&in_b).cloned().collect();
    all.sort();
    all.dedup();
    all.retain(|path| std::fs::read(a.join(path)).ok() != std::fs::read(b.join(path)).ok());
    all
}

/// Whether a path belongs to the array protocol and not to what is published.
fn is_private(path: &Path) -> bool {
    let first = path.components().next().map(|part| part.as_os_str().to_string_lossy().into_owned());
    matches!(first.as_deref(), Some("_plan" | "_commits"))
}

/// A path as an argument of a command.
pub fn path_text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Whether a dataset is published.
pub fn is_published(dataset: &Path) -> bool {
    dataset.join("_manifest.json").exists()
}

/// The manifest.
pub fn manifest(dataset: &Path) -> serde_json::Value {
    let text = std::fs::read(dataset.join("_manifest.json")).expect("a manifest");
    serde_json::from_slice(&text).expect("a manifest in JSON")
}

/// The first inputs of the plan of a dataset.
pub fn planned_inputs(dataset: &Path) -> serde_json::Value {
    let read = |name: &str| -> serde_json::Value {
        let text = std::fs::read(dataset.join("_plan").join(name)).expect("a part of a plan");
        serde_json::from_slice(&text).expect("JSON")
    };
    read(read("plan.json")["inputs"]["parts"][0]["name"].as_str().expect("a name"))
}

/// The lines of standard error that begin with `error:`.
pub fn error_lines(stderr: &str) -> Vec<&str> {
    stderr.lines().filter(|line| line.starts_with("error:")).collect()
}

/// Puts a copy of a folder where another may be; nothing where there is none.
pub fn copy_folder(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    if from.exists() {
        finish(Command::new("cp").arg("-a").arg(from).arg(to)).expect(0);
    }
}
