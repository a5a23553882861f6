//! A file that has its name only when it is whole.

use super::local::unique_tag;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// A file under a temporary name beside its own; removed unless it is kept.
pub struct Staged {
    temporary: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Staged {
    /// For `target`.
    pub fn new(target: &Path) -> Staged {
        let mut name = target.as_os_str().to_owned();
        name.push(format!(".tmp-{}", unique_tag()));
        Staged { temporary: PathBuf::from(name), target: target.to_path_buf(), kept: false }
    }

    /// For a name in a place that is not this machine; the file is in `folder` until then.
    pub fn elsewhere(folder: &Path, name: &str) -> Staged {
        let temporary = folder.join(format!("varbatch-{}-{}", unique_tag(), name.replace('/', "-")));
        Staged { temporary, target: PathBuf::from(name), kept: false }
    }

    /// The name that the file is to have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The temporary name.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Gives the file its own name.
    pub fn keep(mut self) -> Result<()> {
        std::fs::rename(&self.temporary, &self.target).map_err(|error| Error::writing(&self.target, error))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}
