//! Where a dataset is: a folder, or a bucket and prefix. Names inside it are relative and have `/`.

use super::local;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// A place for a dataset. Names are created once or replaced whole; a reader never sees a part of a file.
#[derive(Clone, Debug)]
pub enum Place {
    /// A folder.
    Local(PathBuf),
}

/// What became of a name that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It is new.
    Created,
    /// It was there, with the same content.
    Same,
    /// It was there, with another content, and was left alone.
    Other,
}

impl Place {
    /// What the user named.
    pub fn parse(name: &Path) -> Result<Place> {
        Ok(Place::Local(name.to_path_buf()))
    }

    /// For messages.
    pub fn uri(&self) -> String {
        match self {
            Place::Local(root) => root.display().to_string(),
        }
    }

    /// The folder, where it is one.
    pub fn local(&self) -> Option<&Path> {
        match self {
            Place::Local(root) => Some(root),
        }
    }

    /// For messages: a name inside.
    pub fn uri_of(&self, name: &str) -> String {
        match self {
            Place::Local(root) => root.join(name).display().to_string(),
        }
    }

    /// A whole small file; `None` when it does not exist.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Place::Local(root) => local::read_if_there(&root.join(name)),
        }
    }

    /// Writes a whole small file unless the name exists.
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<Creation> {
        match self {
            Place::Local(root) => {
                let path = root.join(name);
                if local::create_once(&path, bytes)? {
                    return Ok(Creation::Created);
                }
                let same = local::read_if_there(&path)?.as_deref() == Some(bytes);
                Ok(if same { Creation::Same } else { Creation::Other })
            }
        }
    }

    /// Writes a whole small file in place of one that may be there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        match self {
            Place::Local(root) => local::write_whole(&root.join(name), bytes),
        }
    }

    /// Gives a finished file of this machine a name unless the name exists; `sha256` (hex) is of its content. The file is
    /// gone after. A staged file for a folder must be on the same file system.
    pub fn upload(&self, staged: &Path, name: &str, sha256: &str) -> Result<Creation> {
        match self {
            Place::Local(root) => {
                let path = root.join(name);
                if local::link_once(staged, &path)? {
                    return Ok(Creation::Created);
                }
                let same = local::size_of(staged) == local::size_of(&path) && local::sha256(&path)? == sha256;
                local::remove(staged)?;
                Ok(if same { Creation::Same } else { Creation::Other })
            }
        }
    }

    /// All files below a folder with their sizes: sorted names relative to the folder.
    pub fn list(&self, folder: &str) -> Result<Vec<(String, u64)>> {
        match self {
            Place::Local(root) => local::list_files(&root.join(folder)),
        }
    }

    /// Removes a file; one that is not there is fine.
    pub fn remove(&self, name: &str) -> Result<()> {
        match self {
            Place::Local(root) => local::remove(&root.join(name)),
        }
    }

    /// Removes all files below a folder.
    pub fn remove_folder(&self, name: &str) -> Result<()> {
        match self {
            Place::Local(root) => local::remove_folder(&root.join(name)),
        }
    }
}

impl Creation {
    /// An error unless what is there is what was to be created.
    pub fn same_or(self, error: impl FnOnce() -> Error) -> Result<()> {
        match self {
            Creation::Created | Creation::Same => Ok(()),
            Creation::Other => Err(error()),
        }
    }
}
