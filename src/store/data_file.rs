//! A finished file of a dataset, wherever it is, for readers of Parquet: a file, or an object read by ranges.

use super::s3::S3Prefix;
use super::{Place, local};
use crate::error::{Error, Result};
use bytes::{Buf, Bytes, BytesMut};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

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
                let (stat, end) = prefix.read_end(name, END_BYTES)?.ok_or_else(|| self.not_there())?;
                // a server that ignores ranges sends everything
                let at = stat.bytes - (end.len() as u64).min(stat.bytes);
                let mut held = Held::default();
                held.insert(at, end);
                let (prefix, name) = (prefix.clone(), name.clone());
                let remote = Remote { prefix, name, bytes: stat.bytes, etag: stat.etag, held: Mutex::new(held) };
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
/// The first request for an object is for so many bytes at its end: where a Parquet file says what is in it.
const END_BYTES: u64 = 64 << 10;
/// Least that a request is for where nobody said what will be wanted, in bytes: a page is less, and its neighbours are wanted next.
const BLOCK: u64 = 1 << 20;
/// Ranges with no more than this between them are one request, in bytes: a request costs more than so many bytes.
const GAP: u64 = 32 << 10;
/// Most that one request is for, in bytes.
const REQUEST: u64 = 8 << 20;
/// Bytes of an object that are kept while it is open. What came first goes first.
const HELD_BYTES: u64 = 32 << 20;

/// An open file of a dataset.
pub enum FileReader {
    /// A file of this machine.
    Local(File),
    /// An object.
    S3(Arc<Remote>),
}

impl FileReader {
    /// Says which bytes will be read: those of an object are fetched at once, in few requests. More than [`HELD_BYTES`] are
    /// left to be fetched as they are read.
    pub fn prefetch(&self, ranges: Vec<Range<u64>>) -> Result<()> {
        match self {
            FileReader::Local(_) => Ok(()),
            FileReader::S3(remote) => remote.prefetch(ranges),
        }
    }
}

/// An object that is being read, at one version of it.
pub struct Remote {
    prefix: S3Prefix,
    name: String,
    bytes: u64,
    etag: Option<String>,
    held: Mutex<Held>,
}

/// Parts of an object, by where they begin. They do not overlap.
#[derive(Default)]
struct Held {
    parts: BTreeMap<u64, Bytes>,
    /// Where parts begin, in the order in which they came.
    order: VecDeque<u64>,
    bytes: u64,
}

impl Held {
    fn insert(&mut self, at: u64, bytes: Bytes) {
        self.bytes += bytes.len() as u64;
        self.order.push_back(at);
        if let Some(before) = self.parts.insert(at, bytes) {
            self.bytes -= before.len() as u64;
        }
        while self.bytes > HELD_BYTES && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { break };
            if oldest != at
                && let Some(gone) = self.parts.remove(&oldest)
            {
                self.bytes -= gone.len() as u64;
            }
        }
    }

    /// What is held from `at` on, without a break.
    fn from(&self, at: u64) -> Option<Bytes> {
        let (start, bytes) = self.parts.range(..=at).next_back()?;
        let offset = usize::try_from(at - start).ok()?;
        (offset < bytes.len()).then(|| bytes.slice(offset..))
    }

    /// Where the next part begins that is behind `at`.
    fn next_after(&self, at: u64) -> Option<u64> {
        self.parts.range(at + 1..).next().map(|(start, _)| *start)
    }
}

impl Remote {
    /// Lets go what was read of it. Who reads it asks for that again.
    pub fn forget(&self) {
        *self.held() = Held::default();
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no thread panics with the lock")
    }

    fn fetch(&self, range: Range<u64>) -> Result<Bytes> {
        self.prefix.read_range(&self.name, range, self.etag.as_deref())
    }

    /// Some bytes from `at` on, where at least one is there; `wanted` of them will be asked for.
    fn some(&self, at: u64, wanted: u64) -> Result<Bytes> {
        let mut held = self.held();
        if let Some(bytes) = held.from(at) {
            return Ok(bytes);
        }
        let end = self.bytes.min(at + wanted.max(BLOCK));
        let end = held.next_after(at).map_or(end, |next| next.min(end));
        let bytes = self.fetch(at..end)?;
        held.insert(at, bytes.clone());
        Ok(bytes)
    }

    fn read(&self, start: u64, len: usize) -> Result<Bytes> {
        let mut all = BytesMut::new();
        while all.len() < len {
            let missing = len - all.len();
            let bytes = self.some(start + all.len() as u64, missing as u64)?;
            if all.is_empty() && bytes.len() >= missing {
                return Ok(bytes.slice(..missing));
            }
            all.extend_from_slice(&bytes[..bytes.len().min(missing)]);
        }
        Ok(all.freeze())
    }

    fn prefetch(&self, ranges: Vec<Range<u64>>) -> Result<()> {
        let requests = {
            let held = self.held();
            let is_held = |range: &Range<u64>| {
                held.from(range.start).is_some_and(|bytes| bytes.len() as u64 >= range.end - range.start)
            };
            requests_for(ranges.into_iter().filter(|range| !range.is_empty() && !is_held(range)).collect())
        };
        if requests.iter().map(|range| range.end - range.start).sum::<u64>() > HELD_BYTES {
            return Ok(());
        }
        let fetched = super::at_once(&requests, |range| Ok((range.start, self.fetch(range.clone())?)))?;
        let mut held = self.held();
        for (at, bytes) in fetched {
            held.insert(at, bytes);
        }
        Ok(())
    }
}

/// Ranges in ascending order, neighbours as one, none longer than a request.
fn requests_for(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end + GAP => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    let pieces = |range: Range<u64>| {
        (range.start..range.end).step_by(REQUEST as usize).map(move |at| at..range.end.min(at + REQUEST))
    };
    joined.into_iter().flat_map(pieces).collect()
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
                    *open = remote.some(*next, BLOCK).map_err(std::io::Error::other)?;
                    *next += open.len() as u64;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_are_one_request() {
        let joined = |ranges: &[(u64, u64)]| -> Vec<(u64, u64)> {
            let ranges = ranges.iter().map(|&(start, end)| start..end).collect();
            requests_for(ranges).into_iter().map(|range| (range.start, range.end)).collect()
        };
        assert_eq!(joined(&[(50, 60), (0, 10), (70, 80)]), [(0, 80)]);
        assert_eq!(joined(&[(0, 10), (10 + GAP, 20 + GAP)]), [(0, 20 + GAP)]);
        assert_eq!(joined(&[(0, 10), (11 + GAP, 20 + GAP)]), [(0, 10), (11 + GAP, 20 + GAP)]);
        assert_eq!(joined(&[(5, REQUEST + 6)]), [(5, REQUEST + 5), (REQUEST + 5, REQUEST + 6)]);
    }

    #[test]
    fn what_came_first_goes_first() {
        let mut held = Held::default();
        let half = Bytes::from(vec![0; HELD_BYTES as usize / 2]);
        held.insert(0, half.clone());
        held.insert(HELD_BYTES, half.clone());
        assert_eq!(held.from(10).map(|bytes| bytes.len()), Some(half.len() - 10));
        assert_eq!((held.from(half.len() as u64), held.next_after(0)), (None, Some(HELD_BYTES)));
        held.insert(2 * HELD_BYTES, half.clone());
        assert!(held.from(10).is_none() && held.from(HELD_BYTES).is_some() && held.from(2 * HELD_BYTES).is_some());
        assert_eq!(held.bytes, HELD_BYTES);
    }
}
