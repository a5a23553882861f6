//! The files of a simulation: written under `NAME.part`, named when all of them are complete.

use crate::error::{Error, Result};
use crate::store::bgzf_writer::BgzfWriter;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Files that are being written into one folder. Dropped before [`Staging::publish`], it removes them.
pub struct Staging {
    folder: PathBuf,
    names: Vec<String>,
}

impl Staging {
    /// Makes `folder` if needed.
    pub fn new(folder: &Path) -> Result<Staging> {
        fs::create_dir_all(folder).map_err(|error| Error::writing(folder, error))?;
        Ok(Staging { folder: folder.to_owned(), names: Vec::new() })
    }

    /// Adds a file; any thread may write it.
    pub fn add(&mut self, name: &str) -> Result<StagedFile> {
        let path = self.folder.join(name);
        let part = self.part(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| Error::writing(folder, error))?;
        }
        self.names.push(name.to_owned());
        Ok(StagedFile { path, part })
    }

    fn part(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.part"))
    }

    /// Gives all files their names, in the order they were added. Returns their bytes.
    pub fn publish(mut self) -> Result<u64> {
        let mut n_bytes = 0;
        for name in std::mem::take(&mut self.names) {
            let (part, path) = (self.part(&name), self.folder.join(&name));
            n_bytes += fs::metadata(&part).map_err(|error| Error::writing(&part, error))?.len();
            fs::rename(&part, &path).map_err(|error| Error::writing(&path, error))?;
        }
        Ok(n_bytes)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = fs::remove_file(self.part(name));
        }
    }
}

/// A file that has no name yet.
pub struct StagedFile {
    path: PathBuf,
    part: PathBuf,
}

impl StagedFile {
    /// Starts writing it as `encoding` says.
    pub fn create(&self, encoding: Encoding) -> Result<Output> {
        let file = File::create(&self.part).map_err(|error| Error::writing(&self.path, error))?;
        let kind = match encoding {
            Encoding::Plain => Kind::Plain(BufWriter::with_capacity(1 << 20, file)),
            Encoding::Bgzf => Kind::Bgzf(BgzfWriter::new(file)),
            Encoding::BgzfOnThisThread => Kind::Bgzf(BgzfWriter::on_this_thread(file)),
        };
        Ok(Output { path: self.path.clone(), kind })
    }
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// BGZF, compressed by all threads.
    Bgzf,
    /// BGZF, compressed by the thread that writes.
    BgzfOnThisThread,
}

enum Kind {
    Plain(BufWriter<File>),
    Bgzf(BgzfWriter<File>),
}

/// A file being written; errors name it.
pub struct Output {
    path: PathBuf,
    kind: Kind,
}

impl Output {
    /// Appends `bytes`.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|error| Error::writing(&self.path, error))
    }

    /// The final path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what is left.
    pub fn finish(self) -> Result<()> {
        let result = match self.kind {
            Kind::Plain(mut writer) => writer.flush(),
            Kind::Bgzf(writer) => writer.finish().map(|_| ()),
        };
        result.map_err(|error| Error::writing(&self.path, error))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.kind {
            Kind::Plain(writer) => writer.write(bytes),
            Kind::Bgzf(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.kind {
            Kind::Plain(writer) => writer.flush(),
            Kind::Bgzf(writer) => writer.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_names_only_when_published() {
        let folder = tempfile::tempdir().unwrap();
        let mut staging = Staging::new(folder.path()).unwrap();
        let mut output = staging.add("sub/a.txt").unwrap().create(Encoding::Plain).unwrap();
        output.append(b"text").unwrap();
        output.finish().unwrap();
        assert!(!folder.path().join("sub/a.txt").exists());
        assert_eq!(staging.publish().unwrap(), 4);
        assert_eq!(fs::read(folder.path().join("sub/a.txt")).unwrap(), b"text");
    }

    #[test]
    fn a_failed_run_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut staging = Staging::new(folder.path()).unwrap();
        staging.add("a.txt").unwrap().create(Encoding::Bgzf).unwrap().append(b"text").unwrap();
        drop(staging);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
