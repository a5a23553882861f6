//! How many requests this process made, and how many bytes went over the wire.

use std::sync::atomic::{AtomicU64, Ordering};

/// Requests and bytes of a process, attempts that failed included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// GET of an object or a range of it.
    pub get: u64,
    /// PUT and POST.
    pub put: u64,
    /// LIST.
    pub list: u64,
    /// HEAD.
    pub head: u64,
    /// DELETE.
    pub delete: u64,
    /// Bytes of answers.
    pub bytes_read: u64,
    /// Bytes of bodies sent.
    pub bytes_written: u64,
}

impl Requests {
    /// All requests.
    pub fn total(&self) -> u64 {
        self.get + self.put + self.list + self.head + self.delete
    }
}

impl std::fmt::Display for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Requests { get, put, list, head, delete, bytes_read, bytes_written } = self;
        write!(f, "{get} GET, {put} PUT, {list} LIST, {head} HEAD, {delete} DELETE; ")?;
        write!(f, "{:.1} MB read, {:.1} MB written", *bytes_read as f64 / 1e6, *bytes_written as f64 / 1e6)
    }
}

#[derive(Clone, Copy)]
pub(super) enum Verb {
    Get,
    Put,
    List,
    Head,
    Delete,
}

static COUNTS: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];
static READ: AtomicU64 = AtomicU64::new(0);
static WRITTEN: AtomicU64 = AtomicU64::new(0);

pub(super) fn sent(verb: Verb, bytes: usize) {
    COUNTS[verb as usize].fetch_add(1, Ordering::Relaxed);
    WRITTEN.fetch_add(bytes as u64, Ordering::Relaxed);
}

pub(super) fn received(bytes: usize) {
    READ.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// What this process has asked for so far.
pub fn requests() -> Requests {
    let [get, put, list, head, delete] = [0, 1, 2, 3, 4].map(|verb: usize| COUNTS[verb].load(Ordering::Relaxed));
    let (bytes_read, bytes_written) = (READ.load(Ordering::Relaxed), WRITTEN.load(Ordering::Relaxed));
    Requests { get, put, list, head, delete, bytes_read, bytes_written }
}
