//! Where the time goes: wall seconds of each stage, added up over the threads.
//!
//! A stage that begins inside of another one interrupts it, so every moment counts once. Nothing is measured, and no clock
//! read, unless [`enable`] was called.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stage {
    /// Headers, indexes, the division into shards.
    Plan,
    /// Inflating, with checksums; reading streams.
    Inflate,
    /// Finding records and their fields; genotypes to codes; gVCF records to evidence.
    Parse,
    /// Evidence of a range out of its parts.
    ReadEvidence,
    /// Rows: normalising, counting, calling, values to columns.
    Rows,
    /// Columns to pages.
    Encode,
    /// Pages through ZSTD.
    Compress,
    /// Files: writing, digests, making them durable.
    Write,
    /// Records of finished shards.
    Commit,
    /// Adding up, the manifest.
    Publish,
}

const N_STAGES: usize = Stage::Publish as usize + 1;
const STAGES: [(Stage, &str); N_STAGES] = [
    (Stage::Plan, "plan"),
    (Stage::Inflate, "inflate"),
    (Stage::Parse, "parse"),
    (Stage::ReadEvidence, "read evidence"),
    (Stage::Rows, "rows"),
    (Stage::Encode, "encode"),
    (Stage::Compress, "compress"),
    (Stage::Write, "write"),
    (Stage::Commit, "commit"),
    (Stage::Publish, "publish"),
];

static ENABLED: AtomicBool = AtomicBool::new(false);
static NANOS: [AtomicU64; N_STAGES] = [const { AtomicU64::new(0) }; N_STAGES];

thread_local! {
    /// What this thread does, and since when.
    static NOW: Cell<Option<(Stage, Instant)>> = const { Cell::new(None) };
}

/// Measures from now on.
pub fn enable() {
    ENABLED.store(true, Ordering::Relaxed);
}

/// Ends the stage when it is dropped, and goes on with the one that was interrupted.
#[must_use = "the stage lasts as long as this value"]
pub struct Entered {
    outer: Option<Stage>,
    is_measured: bool,
}

/// This thread begins a stage.
#[inline]
pub fn enter(stage: Stage) -> Entered {
    if !ENABLED.load(Ordering::Relaxed) {
        return Entered { outer: None, is_measured: false };
    }
    Entered { outer: change(Some(stage)), is_measured: true }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        if self.is_measured {
            change(self.outer);
        }
    }
}

/// Books the time since the last change, and says what it was spent on.
fn change(next: Option<Stage>) -> Option<Stage> {
    let now = Instant::now();
    let before = NOW.replace(next.map(|stage| (stage, now)));
    let (stage, since) = before?;
    let nanos = now.duration_since(since).as_nanos() as u64;
    NANOS[stage as usize].fetch_add(nanos, Ordering::Relaxed);
    Some(stage)
}

/// Name and time of each stage that took any.
pub fn times() -> Vec<(&'static str, Duration)> {
    let time = |stage: Stage| Duration::from_nanos(NANOS[stage as usize].load(Ordering::Relaxed));
    STAGES.iter().map(|&(stage, name)| (name, time(stage))).filter(|(_, time)| !time.is_zero()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inner_stage_interrupts_the_outer_one() {
        for (i, (stage, _)) in STAGES.iter().enumerate() {
            assert_eq!(*stage as usize, i);
        }
        // before it is enabled nothing is kept
        drop(enter(Stage::Publish));
        enable();
        let started = Instant::now();
        {
            let _outer = enter(Stage::ReadEvidence);
            std::thread::sleep(Duration::from_millis(3));
            let _inner = enter(Stage::Publish);
            std::thread::sleep(Duration::from_millis(3));
        }
        let spent = started.elapsed();
        let of =
            |wanted: &str| times().iter().find(|(name, _)| *name == wanted).map_or(Duration::ZERO, |found| found.1);
        // other tests of this process are measured from here on, too: at least, not exactly
        assert!(of("read evidence") >= Duration::from_millis(3) && of("publish") >= Duration::from_millis(3));
        assert!(spent >= Duration::from_millis(6));
        assert_eq!(NOW.get().map(|now| now.0), None);
    }
}
