//! Where a dataset is: a folder, or a bucket and prefix. Names inside it are relative and have `/`.

use super::local;
use super::s3::{self, S3Prefix};
use crate::error::{Class, Error, Result};
use std::path::{Path, PathBuf};

/// A place for a dataset. Names are created once or replaced whole; a reader never sees a part of a file.
#[derive(Clone, Debug)]
pub enum Place {
    /// A folder.
    Local(PathBuf),
    /// A bucket and prefix.
    S3(S3Prefix),
}

/// What a create found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// The name was free, and this call wrote it.
    Created,
    /// The name holds the same bytes: another's, or this call's, whose reply was lost.
    Same,
    /// The name holds something else, which was left as it is.
    Other,
}

impl Place {
    /// What the user named: a path, or `s3://bucket/prefix`.
    pub fn parse(name: &Path) -> Result<Place> {
        if !s3::is_uri(name) {
            return Ok(Place::Local(name.to_path_buf()));
        }
        let uri = name.to_str().ok_or_else(|| Error::usage(format!("{} is not UTF-8", name.display())))?;
        S3Prefix::open(uri, None).map(Place::S3)
    }

    /// For messages.
    pub fn uri(&self) -> String {
        match self {
            Place::Local(root) => root.display().to_string(),
            Place::S3(prefix) => prefix.uri().to_string(),
        }
    }

    /// The folder, where it is one.
    pub fn local(&self) -> Option<&Path> {
        match self {
            Place::Local(root) => Some(root),
            Place::S3(_) => None,
        }
    }

    /// For messages: a name inside.
    pub fn uri_of(&self, name: &str) -> String {
        match self {
            Place::Local(root) => root.join(name).display().to_string(),
            Place::S3(prefix) => prefix.uri_of(name),
        }
    }

    /// A whole small file; `None` when it does not exist.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self {
            Place::Local(root) => local::read_if_there(&root.join(name)),
            Place::S3(prefix) => prefix.read(name),
        }
    }

    /// Writes a whole small file unless the name exists.
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<Creation> {
        match self {
            Place::Local(root) => {
                let path = root.join(name);
                created(local::create_once(&path, bytes)?, &path, bytes)
            }
            Place::S3(prefix) => prefix.create(name, bytes),
        }
    }

    /// The same; in a folder, the file is in `staging` until it is whole, so that nothing stays beside the name where the
    /// process is killed.
    pub fn create_from(&self, staging: &Path, name: &str, bytes: &[u8]) -> Result<Creation> {
        match self {
            Place::Local(root) => {
                let path = root.join(name);
                created(local::create_once_from(&staging.join(name), &path, bytes)?, &path, bytes)
            }
            Place::S3(prefix) => prefix.create(name, bytes),
        }
    }

    /// Writes a whole small file in place of one that may be there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        match self {
            Place::Local(root) => local::write_whole(&root.join(name), bytes),
            Place::S3(prefix) => prefix.write(name, bytes),
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
            Place::S3(prefix) => {
                let creation = prefix.upload(name, staged, sha256)?;
                local::remove(staged)?;
                Ok(creation)
            }
        }
    }

    /// Gives a finished file of this machine a name, in place of what has it. For a folder, the file must be on the same
    /// file system ([`Place::staged`] is). Objects are written in one request: up to 5 GB.
    pub fn replace(&self, staged: super::Staged) -> Result<()> {
        match self {
            Place::Local(_) => staged.keep(),
            Place::S3(prefix) => {
                let name = staged.target().to_string_lossy().into_owned();
                let bytes = local::read_if_there(staged.path())?.unwrap_or_default();
                prefix.write(&name, &bytes)
            }
        }
    }

    /// Where to write a file of this machine that [`Place::replace`] then gives its name.
    pub fn staged(&self, name: &str) -> Result<super::Staged> {
        Ok(match self {
            Place::Local(root) => {
                let target = root.join(name);
                local::create_folder(target.parent().unwrap_or(root))?;
                super::Staged::new(&target)
            }
            Place::S3(_) => super::Staged::elsewhere(&std::env::temp_dir(), name),
        })
    }

    /// All files below a folder with their sizes: sorted names relative to the folder.
    pub fn list(&self, folder: &str) -> Result<Vec<(String, u64)>> {
        match self {
            Place::Local(root) => local::list_files(&root.join(folder)),
            Place::S3(prefix) => Ok(prefix.list(folder)?.into_iter().map(|entry| (entry.name, entry.bytes)).collect()),
        }
    }

    /// Removes a file; one that is not there is fine.
    pub fn remove(&self, name: &str) -> Result<()> {
        match self {
            Place::Local(root) => local::remove(&root.join(name)),
            Place::S3(prefix) => prefix.remove(name),
        }
    }

    /// The same where a right to remove may not have been given: then what is there stays.
    pub fn remove_folder_if_allowed(&self, name: &str) -> Result<()> {
        match self.remove_folder(name) {
            Err(error) if error.class() == Class::Permission && self.local().is_none() => Ok(()),
            result => result,
        }
    }

    /// Removes all files below a folder.
    pub fn remove_folder(&self, name: &str) -> Result<()> {
        match self {
            Place::Local(root) => local::remove_folder(&root.join(name)),
            Place::S3(prefix) => {
                let below = prefix.folder(name);
                super::at_once(&prefix.list(name)?, |entry| below.remove(&entry.name)).map(drop)
            }
        }
    }
}

fn created(is_new: bool, path: &Path, bytes: &[u8]) -> Result<Creation> {
    Ok(match is_new {
        true => Creation::Created,
        false if local::read_if_there(path)?.as_deref() == Some(bytes) => Creation::Same,
        false => Creation::Other,
    })
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
