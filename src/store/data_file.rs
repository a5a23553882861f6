//! A finished file of a dataset, wherever it is, for readers of Parquet: a file, or an object read by ranges.

use super::s3::S3Prefix;
use super::{Place, local};
use crate::error::{Error, Result};
use bytes::{Buf, Bytes, BytesMut};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Where a file of a dataset is.
#[derive(Clone, Debug)]
pub enum DataFile {
    /// On this machine.
    Local(PathBuf),
    /// An object.
    S3 {
        /// Its dataset.
        prefix: S3Prefix,
        /// Its name there.
        name: String,
    },
}

impl From<&Path> for DataFile {
    fn from(path: &Path) -> DataFile {
        DataFile::Local(path.to_path_buf())
    }
}

impl Place {
    /// A file of the dataset.
    pub fn file(&self, name: &str) -> DataFile {
        match self {
            Place::Local(root) => DataFile::Local(root.join(name)),
            Place::S3(prefix) => DataFile::S3 { prefix: prefix.clone(), name: name.into() },
        }
    }
}

impl DataFile {
    /// For messages.
    pub fn display(&self) -> impl fmt::Display + '_ {
        match self {
            DataFile::Local(path) => path.display().to_string(),
            DataFile::S3 { prefix, name } => prefix.uri_of(name),
        }
    }

    /// The path, where it is on this machine.
    pub fn local(&self) -> Option<&Path> {
        match self {
            DataFile::Local(path) => Some(path),
            DataFile::S3 { .. } => None,
        }
    }

    /// Size in bytes; `None`: it is not there.
    pub fn size(&self) -> Result<Option<u64>> {
        match self {
            DataFile::Local(path) => Ok(local::size_of(path)),
            DataFile::S3 { prefix, name } => Ok(prefix.stat(name)?.map(|stat| stat.bytes)),
        }
    }

    /// Opens it to be read.
    pub fn open(&self) -> Result<FileReader> {
        match self {
            DataFile::Local(path) => {
                let file = File::open(path).map_err(|error| Error::reading(path, error))?;
                Ok(FileReader::Local(file))
            }
            DataFile::S3 { prefix, name } => {
                let stat = prefix.stat(name)?.ok_or_else(|| self.not_there())?;
                let (prefix, name) = (prefix.clone(), name.clone());
                let remote = Remote { prefix, name, bytes: stat.bytes, etag: stat.etag, blocks: Mutex::default() };
                Ok(FileReader::S3(Arc::new(remote)))
            }
        }
    }

    /// SHA-256 (hex) of its content: reads all of it.
    pub fn sha256(&self) -> Result<String> {
        match self {
            DataFile::Local(path) => local::sha256(path),
            DataFile::S3 { prefix, name } => {
                let bytes = self.size()?.ok_or_else(|| self.not_there())?;
                let mut digest = Sha256::new();
                for from in (0..bytes).step_by(HASH_STEP as usize) {
                    digest.update(prefix.read_range(name, from..bytes.min(from + HASH_STEP), None)?);
                }
                Ok(super::hex(&digest.finalize()))
            }
        }
    }

    fn not_there(&self) -> Error {
        Error::reading(Path::new(&self.display().to_string()), std::io::ErrorKind::NotFound.into())
    }
}

/// How much of an object is hashed at a time, in bytes.
const HASH_STEP: u64 = 8 << 20;
/// Objects are read in pieces of this size, in bytes: a page is less than that, and its neighbours are wanted next.
const BLOCK: u64 = 1 << 20;

/// An open file of a dataset.
pub enum FileReader {
    /// A file of this machine.
    Local(File),
    /// An object.
    S3(Arc<Remote>),
}

/// An object that is being read; what was read stays until it is closed.
pub struct Remote {
    prefix: S3Prefix,
    name: String,
    bytes: u64,
    etag: Option<String>,
    blocks: Mutex<BTreeMap<u64, Bytes>>,
}

impl Remote {
    fn read(&self, start: u64, len: usize) -> Result<Bytes> {
        let end = start + len as u64;
        let wanted = start / BLOCK..end.div_ceil(BLOCK);
        let mut blocks = self.blocks.lock().expect("no thread panics with the lock");
        let missing: Vec<u64> = wanted.clone().filter(|block| !blocks.contains_key(block)).collect();
        // neighbours in one request
        for run in missing.chunk_by(|a, b| a + 1 == *b) {
            let (first, last) = (run[0], run[run.len() - 1]);
            let range = first * BLOCK..self.bytes.min((last + 1) * BLOCK);
            let got = self.prefix.read_range(&self.name, range, self.etag.as_deref())?;
            for (i, &block) in run.iter().enumerate() {
                let from = i * BLOCK as usize;
                blocks.insert(block, got.slice(from..got.len().min(from + BLOCK as usize)));
            }
        }
        let mut found = BytesMut::with_capacity(len);
        for block in wanted {
            let bytes = &blocks[&block];
            let at = block * BLOCK;
            let from = start.saturating_sub(at) as usize;
            let to = (end - at).min(bytes.len() as u64) as usize;
            if from == 0 && to == bytes.len() && len == bytes.len() || (start >= at && end <= at + bytes.len() as u64) {
                return Ok(bytes.slice(from..to));
            }
            found.extend_from_slice(&bytes[from..to]);
        }
        Ok(found.freeze())
    }
}

/// Bytes of a file from a place on.
pub enum ReadFrom {
    /// Of a file of this machine.
    Local(BufReader<File>),
    /// Of an object.
    S3 {
        /// The object.
        remote: Arc<Remote>,
        /// Read and not given out yet.
        open: Bytes,
        /// Where the next are.
        next: u64,
    },
}

impl Read for ReadFrom {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self {
            ReadFrom::Local(file) => file.read(out),
            ReadFrom::S3 { remote, open, next } => {
                if open.is_empty() && *next < remote.bytes {
                    let end = remote.bytes.min((*next / BLOCK + 1) * BLOCK);
                    *open = remote.read(*next, (end - *next) as usize).map_err(std::io::Error::other)?;
                    *next = end;
                }
                let n = open.len().min(out.len());
                open.copy_to_slice(&mut out[..n]);
                Ok(n)
            }
        }
    }
}

impl Length for FileReader {
    fn len(&self) -> u64 {
        match self {
            FileReader::Local(file) => file.len(),
            FileReader::S3(remote) => remote.bytes,
        }
    }
}

impl ChunkReader for FileReader {
    type T = ReadFrom;

    fn get_read(&self, start: u64) -> parquet::errors::Result<ReadFrom> {
        match self {
            FileReader::Local(file) => file.get_read(start).map(ReadFrom::Local),
            FileReader::S3(remote) => Ok(ReadFrom::S3 { remote: remote.clone(), open: Bytes::new(), next: start }),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        match self {
            FileReader::Local(file) => file.get_bytes(start, length),
            FileReader::S3(remote) if start + length as u64 <= remote.bytes => {
                remote.read(start, length).map_err(|error| ParquetError::External(Box::new(error)))
            }
            FileReader::S3(remote) => Err(ParquetError::EOF(format!(
                "bytes {start} to {} are wanted, the object has {}",
                start + length as u64,
                remote.bytes
            ))),
        }
    }
}
