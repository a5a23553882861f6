//! An object of S3 as a file that can be mapped: sparse, and filled with what is asked for.
//!
//! The file has the length of the object and no name (it is removed as soon as it is open, so that nothing is left behind
//! however the process ends). It is divided into granules. A [`Cursor`] pins the granules that somebody looks at; missing
//! ones are fetched by ranged requests with `If-Match`, so that all bytes are of one version of the object. Granules that
//! nobody looks at any more stay for a while, and then become holes again: disk space is bounded by what is looked at, and
//! [`IDLE_BYTES`].

use super::s3::{self, S3Prefix, Stat, missing, runtime};
use crate::error::{Error, Result};
use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};
use std::collections::{HashMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

/// What is fetched and forgotten as a whole, in bytes. A multiple of the page size of every system.
const GRANULE_BYTES: usize = 64 << 10;
/// How much is fetched when somebody begins to look, in bytes; each next request is for twice as much.
const FIRST_BYTES: usize = 256 << 10;
/// Most that one request asks for, in bytes.
const REQUEST_BYTES: usize = 8 << 20;
/// Requests of at least this size are followed by one for what comes next, before it is asked for, in bytes.
const AHEAD_FROM_BYTES: usize = 2 << 20;
/// Bytes of granules that nobody looks at and that are kept, over all objects, unless [`set_idle_bytes`] says otherwise.
const IDLE_BYTES: usize = 256 << 20;
static IDLE_LIMIT: AtomicUsize = AtomicUsize::new(IDLE_BYTES);
/// Objects share a sparse file up to this length, so that thousands of inputs do not need as many open files.
const SCRATCH_BYTES: u64 = 1 << 40;

/// Where sparse files are made; `None`: the folder for temporary files.
static SCRATCH_FOLDER: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Sets the folder for the bytes of remote inputs.
pub fn set_scratch_folder(folder: PathBuf) {
    *lock(&SCRATCH_FOLDER) = Some(folder);
}

/// Sets how many bytes that nobody looks at any more are kept on disk.
pub fn set_idle_bytes(n_bytes: usize) {
    IDLE_LIMIT.store(n_bytes, Ordering::Relaxed);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics with the lock")
}

/// A file without a name.
#[derive(Debug)]
struct Scratch {
    file: File,
    /// Of the folder, for messages.
    folder: PathBuf,
}

impl Scratch {
    fn new() -> Result<Scratch> {
        let folder = lock(&SCRATCH_FOLDER).clone().unwrap_or_else(std::env::temp_dir);
        let path = folder.join(format!("varbatch-{}", super::local::unique_tag()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.map_err(|error| Error::writing(&path, error))?;
        super::local::remove(&path)?;
        Ok(Scratch { file, folder })
    }

    /// A part of a scratch file, as long as an object; where it begins.
    fn part(bytes: u64) -> Result<(Arc<Scratch>, u64)> {
        static OPEN: Mutex<Option<(Arc<Scratch>, u64)>> = Mutex::new(None);
        let mut open = lock(&OPEN);
        let wanted = bytes.next_multiple_of(GRANULE_BYTES as u64);
        let (scratch, start) = match open.take() {
            Some((scratch, used)) if used + wanted <= SCRATCH_BYTES => (scratch, used),
            _ => (Arc::new(Scratch::new()?), 0),
        };
        scratch.file.set_len(start + wanted).map_err(|error| scratch.failed(error))?;
        *open = Some((scratch.clone(), start + wanted));
        Ok((scratch, start))
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::writing(&self.folder, error)
            .hint("bytes of S3 inputs are kept there while they are looked at; TMPDIR names another folder")
    }

    /// Gives the space back. A file system that cannot do it keeps it until the end, which is no error.
    fn punch(&self, start: u64, bytes: u64) {
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        let (Ok(start), Ok(bytes)) = (start.try_into(), bytes.try_into()) else { return };
        // SAFETY: the descriptor is open as long as `self.file` lives; the call touches no memory of this process.
        let _ = unsafe { libc::fallocate(self.file.as_raw_fd(), mode, start, bytes) };
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Missing,
    Fetching,
    Present,
}

#[derive(Clone, Copy, Debug)]
struct Granule {
    state: State,
    /// How many look at it.
    pins: u16,
}

/// One object.
#[derive(Debug)]
pub struct Remote {
    prefix: S3Prefix,
    name: String,
    stat: Stat,
    scratch: Arc<Scratch>,
    /// Where the object begins in the scratch file.
    base: u64,
    granules: Mutex<Vec<Granule>>,
    changed: Condvar,
}

/// Objects that are asked for at once when many are to be opened.
const OPENED_AT_ONCE: usize = 32;

/// The first bytes of an object, asked for before it is opened. A permit is held until it is.
struct Ahead {
    begun: Arc<AtomicBool>,
    start: JoinHandle<(Start, Option<OwnedSemaphorePermit>)>,
}

/// What is known of an object, and its first bytes; `None`: there is none.
type Start = Result<Option<(Stat, Bytes)>>;

static AHEAD: Mutex<Option<HashMap<String, Ahead>>> = Mutex::new(None);

/// Says which inputs will be opened, in this order: the first requests of some are made at once. Names that are no URI of
/// S3 are left alone.
pub fn open_ahead<'a>(uris: impl Iterator<Item = &'a str>) {
    let permits = Arc::new(Semaphore::new(OPENED_AT_ONCE));
    for uri in uris.filter(|uri| s3::is_uri(Path::new(uri))) {
        let Ok((prefix, name)) = S3Prefix::of_object(uri, None) else { continue };
        let begun = Arc::new(AtomicBool::new(false));
        let (permits, has_begun) = (permits.clone(), begun.clone());
        let start = runtime().spawn(async move {
            let permit = permits.acquire_owned().await.ok();
            has_begun.store(true, Ordering::Release);
            (prefix.read_start_async(&name, FIRST_BYTES as u64).await, permit)
        });
        lock(&AHEAD).get_or_insert_default().insert(uri.into(), Ahead { begun, start });
    }
}

/// What was asked for ahead. `None`: nothing, or it waits for its turn, which may come only after this one.
fn taken_ahead(uri: &str) -> Option<Start> {
    let Ahead { begun, start } = lock(&AHEAD).as_mut()?.remove(uri)?;
    if !begun.load(Ordering::Acquire) {
        start.abort();
        return None;
    }
    runtime().block_on(start).ok().map(|(start, _)| start)
}

/// Granules that nobody looks at, the oldest first.
static IDLE: Mutex<VecDeque<(Weak<Remote>, usize)>> = Mutex::new(VecDeque::new());

impl Remote {
    /// Looks at an object and maps the file for it. One request, which brings its first bytes.
    pub fn open(uri: &str) -> Result<(Arc<Remote>, Option<Mmap>)> {
        let (prefix, name) = S3Prefix::of_object(uri, None)?;
        let start = match taken_ahead(uri) {
            Some(start) => start?,
            None => prefix.read_start(&name, FIRST_BYTES as u64)?,
        };
        let Some((stat, start)) = start else { return Err(missing(uri)) };
        let (scratch, base) = Scratch::part(stat.bytes)?;
        let map = if stat.bytes == 0 {
            None
        } else {
            // SAFETY: the map is read-only, and nobody but this process knows the file: it is never cut short. Its bytes
            // change only where nobody looks: granules are written before they are handed out, and become holes when
            // no cursor has pinned them.
            let map = unsafe { MmapOptions::new().offset(base).len(stat.bytes as usize).map(&scratch.file) };
            Some(map.map_err(|error| scratch.failed(error))?)
        };
        let n_granules = (stat.bytes as usize).div_ceil(GRANULE_BYTES);
        let granules = Mutex::new(vec![Granule { state: State::Missing, pins: 0 }; n_granules]);
        let remote = Arc::new(Remote { prefix, name, stat, scratch, base, granules, changed: Condvar::new() });
        // what came with the first request, but for a granule that came in part
        let whole = if start.len() as u64 == remote.stat.bytes { n_granules } else { start.len() / GRANULE_BYTES };
        remote.fill(0..whole, &start[..start.len().min(whole * GRANULE_BYTES)])?;
        Ok((remote, map))
    }

    /// What identifies the object.
    pub fn fingerprint(&self) -> String {
        self.stat.fingerprint()
    }

    fn len(&self) -> usize {
        self.stat.bytes as usize
    }

    fn bytes_of(&self, granules: &Range<usize>) -> Range<u64> {
        (granules.start * GRANULE_BYTES) as u64..self.len().min(granules.end * GRANULE_BYTES) as u64
    }

    /// Writes bytes of whole granules, which then are there.
    fn fill(self: &Arc<Self>, granules: Range<usize>, bytes: &[u8]) -> Result<()> {
        let start = self.base + self.bytes_of(&granules).start;
        let written = self.scratch.file.write_all_at(bytes, start);
        self.settle(granules, if written.is_ok() { State::Present } else { State::Missing });
        written.map_err(|error| self.scratch.failed(error))
    }

    fn settle(self: &Arc<Self>, granules: Range<usize>, state: State) {
        let mut idle = Vec::new();
        let mut all = lock(&self.granules);
        for at in granules {
            all[at].state = state;
            if state == State::Present && all[at].pins == 0 {
                idle.push(at);
            }
        }
        drop(all);
        self.changed.notify_all();
        self.keep_idle(idle);
    }

    async fn fetch(self: Arc<Self>, granules: Range<usize>) -> Result<()> {
        let fetched =
            self.prefix.read_range_async(&self.name, self.bytes_of(&granules), self.stat.etag.as_deref()).await;
        match fetched {
            Ok(bytes) => self.fill(granules, &bytes),
            Err(error) => {
                self.settle(granules, State::Missing);
                Err(error)
            }
        }
    }

    /// The first missing granules of a range, which the caller must fetch now: no more than one request is for.
    fn claim(&self, all: &mut [Granule], range: Range<usize>) -> Option<Range<usize>> {
        let start = range.clone().find(|&at| all[at].state == State::Missing)?;
        let end = range.end.min(start + REQUEST_BYTES / GRANULE_BYTES);
        let end = (start..end).find(|&at| all[at].state != State::Missing).unwrap_or(end);
        all[start..end].iter_mut().for_each(|granule| granule.state = State::Fetching);
        Some(start..end)
    }

    /// Waits until pinned granules are there; fetches those that nobody else does.
    fn need(self: &Arc<Self>, range: Range<usize>) -> Result<()> {
        let mut all = lock(&self.granules);
        loop {
            if let Some(mine) = self.claim(&mut all, range.clone()) {
                drop(all);
                runtime().block_on(self.clone().fetch(mine))?;
                all = lock(&self.granules);
            } else if all[range.clone()].iter().any(|granule| granule.state == State::Fetching) {
                all = self.changed.wait(all).expect("no thread panics with the lock");
            } else {
                return Ok(());
            }
        }
    }

    /// Begins to fetch what is missing of pinned granules. What fails is asked for again by the one who needs it.
    fn begin(self: &Arc<Self>, range: Range<usize>) {
        let mut all = lock(&self.granules);
        while let Some(claimed) = self.claim(&mut all, range.clone()) {
            let fetch = self.clone().fetch(claimed);
            runtime().spawn(async move {
                let _ = fetch.await;
            });
        }
    }

    fn pin(&self, range: Range<usize>) {
        lock(&self.granules)[range].iter_mut().for_each(|granule| granule.pins += 1);
    }

    fn unpin(self: &Arc<Self>, range: Range<usize>) {
        let mut all = lock(&self.granules);
        let mut idle = Vec::new();
        for at in range {
            all[at].pins -= 1;
            if all[at].pins == 0 && all[at].state == State::Present {
                idle.push(at);
            }
        }
        drop(all);
        self.keep_idle(idle);
    }

    /// Keeps granules for a while, and forgets older ones.
    fn keep_idle(self: &Arc<Self>, granules: Vec<usize>) {
        let mut idle = lock(&IDLE);
        idle.extend(granules.into_iter().map(|at| (Arc::downgrade(self), at)));
        let n_old = idle.len().saturating_sub(IDLE_LIMIT.load(Ordering::Relaxed) / GRANULE_BYTES);
        let old: Vec<_> = idle.drain(..n_old).collect();
        drop(idle);
        for (remote, at) in old {
            if let Some(remote) = remote.upgrade() {
                remote.forget(at);
            }
        }
    }

    fn forget(&self, at: usize) {
        let mut all = lock(&self.granules);
        if all[at].pins == 0 && all[at].state == State::Present {
            all[at].state = State::Missing;
            // under the lock: nobody may fetch it in between
            self.scratch.punch(self.base + (at * GRANULE_BYTES) as u64, GRANULE_BYTES as u64);
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.scratch.punch(self.base, self.stat.bytes.next_multiple_of(GRANULE_BYTES as u64));
    }
}

/// Somebody who looks at an object from some byte on.
#[derive(Debug)]
pub struct Cursor {
    remote: Arc<Remote>,
    pinned: Range<usize>,
    /// How much the next request is for, in bytes.
    step: usize,
    /// Where reading probably ends: it is read up to there in large steps, and in small ones behind it.
    expected_end: usize,
}

impl Cursor {
    /// From byte `from` on. Fetches nothing.
    pub fn new(remote: &Arc<Remote>, from: usize) -> Cursor {
        let first = from.min(remote.len()) / GRANULE_BYTES;
        Cursor { remote: remote.clone(), pinned: first..first, step: FIRST_BYTES, expected_end: remote.len() }
    }

    /// Says where reading probably ends.
    pub fn expect_end(&mut self, at: usize) {
        self.expected_end = at.min(self.remote.len());
    }

    /// Goes on at a later place, and begins with small requests again.
    pub fn jump(&mut self, at: usize) {
        let expected_end = self.expected_end;
        *self = Cursor::new(&self.remote, at);
        self.expected_end = expected_end;
    }

    /// Makes sure that all bytes before `end` are there (but for those given back), and some behind it. `ready`: up to where
    /// they were. Returns up to where they are.
    pub fn advance(&mut self, ready: usize, end: usize) -> Result<usize> {
        let before = ready;
        let target = self.limited(ready, end.max(ready + self.step)).max(end);
        let needed = ready / GRANULE_BYTES..self.pin_to(target);
        self.remote.need(needed.start.max(self.pinned.start)..needed.end)?;
        let ready = self.remote.len().min(needed.end * GRANULE_BYTES);
        let passes_end = before < self.expected_end && ready >= self.expected_end;
        self.step = if passes_end { FIRST_BYTES } else { (self.step * 2).min(REQUEST_BYTES) };
        if self.step >= AHEAD_FROM_BYTES {
            let ahead = self.limited(ready, ready + self.step);
            let next = self.pin_to(ahead);
            self.remote.begin(needed.end.min(next)..next);
        }
        Ok(ready)
    }

    /// `target`, but not from before the expected end to behind it.
    fn limited(&self, from: usize, target: usize) -> usize {
        let target = if from < self.expected_end { target.min(self.expected_end) } else { target };
        target.min(self.remote.len())
    }

    /// Pins up to a byte; the granule behind it.
    fn pin_to(&mut self, target: usize) -> usize {
        let end = target.min(self.remote.len()).div_ceil(GRANULE_BYTES);
        if end > self.pinned.end {
            self.remote.pin(self.pinned.end..end);
            self.pinned.end = end;
        }
        end
    }

    /// Bytes before `at` are not looked at any more.
    pub fn give_back(&mut self, at: usize) {
        let end = (at / GRANULE_BYTES).min(self.pinned.end);
        if end > self.pinned.start {
            self.remote.unpin(self.pinned.start..end);
            self.pinned.start = end;
        }
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.remote.unpin(self.pinned.clone());
    }
}
