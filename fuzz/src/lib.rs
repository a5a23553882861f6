//! What the targets share: a folder in memory for each process, and command lines that may fail in known ways only.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Folder of this process; its content is of the input before.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let root = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let folder = root.join(format!("varbatch-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder in memory");
        // SAFETY: set before any other thread runs.
        unsafe { std::env::set_var("RAYON_NUM_THREADS", "1") };
        folder
    })
}

/// Writes a file into the folder.
pub fn put(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).expect("a folder");
    }
    std::fs::write(&path, bytes).expect("a file in memory");
    path
}

/// Runs a command line; every bad input has its exit code, and none of them is that of a bug.
pub fn run(arguments: &[&str]) -> u8 {
    let code = varbatch::cli::run([&["varbatch"], arguments].concat());
    // 77: an s3:// name, for which there are no credentials here
    assert!(matches!(code, 0 | 2 | 3 | 65 | 66 | 77), "exit code {code} of {arguments:?}");
    code
}

/// The path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
