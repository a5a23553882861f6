//! How long a record, and a header, may be; and what else is in memory as a whole.
//!
//! A record is in memory as a whole while it is worked on. A file whose "record" never ends (a damaged one, or a small file that
//! inflates to terabytes) must end with a message instead of with the memory. The limit is one for the process, because it
//! follows from the memory that the process may use; it never changes what is written.

use crate::error::{Error, Result};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Largest record unless memory is scarcer, in bytes of its line or of its BCF form: a thousand times that of 3,202 samples with
/// five fields.
pub const MAX_RECORD_BYTES: usize = 1 << 30;

/// Even with little memory records of this size are tried.
pub const LEAST_RECORD_BYTES: usize = 1 << 20;

static RECORD_BYTES: AtomicUsize = AtomicUsize::new(MAX_RECORD_BYTES);
static WHOLE_FILE_BYTES: AtomicU64 = AtomicU64::new(u64::MAX);

/// Sets the limits of this process, whose `n_workers` may together use `bytes` of memory.
pub fn set_memory(bytes: u64, n_workers: usize) {
    // the text, its inflated copy in a buffer that doubles, fields and values
    const COPIES: u64 = 8;
    let limit = usize::try_from(bytes / n_workers.max(1) as u64 / COPIES).unwrap_or(usize::MAX);
    RECORD_BYTES.store(limit.clamp(LEAST_RECORD_BYTES, MAX_RECORD_BYTES), Ordering::Relaxed);
    WHOLE_FILE_BYTES.store(bytes / 2, Ordering::Relaxed);
}

/// Bytes that a file may have that can only be held as a whole: half of the memory.
pub fn whole_file_bytes() -> u64 {
    WHOLE_FILE_BYTES.load(Ordering::Relaxed)
}

/// Bytes that a record may have.
pub fn record_bytes() -> usize {
    RECORD_BYTES.load(Ordering::Relaxed)
}

/// Fails where a record has `n_bytes` and more, which is past the limit.
pub fn check_record(n_bytes: usize) -> Result<()> {
    check("a record", n_bytes)
}

/// Fails where a header has `n_bytes` and more, which is past the limit.
pub fn check_header(n_bytes: usize) -> Result<()> {
    check("the header", n_bytes)
}

fn check(what: &str, n_bytes: usize) -> Result<()> {
    let limit = record_bytes();
    if n_bytes <= limit {
        return Ok(());
    }
    Err(Error::bad_data(format!("{what} has more than {} MB, expected less", limit >> 20))
        .hint("is the file damaged? more `--memory` and fewer `--threads` allow for longer ones"))
}
