//! Flags of commands that work on shards: threads, memory, silence; and how such a command hears signals.

use super::threads::use_threads;
use crate::decode::limits;
use crate::error::{Class, Error, Result};
use crate::exec::{resources, scheduler};
use crate::input::Layout;
use crate::plan::Plan;
use crate::store::s3;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Flags of `call` and `work`.
#[derive(Debug, clap::Args)]
pub struct RunFlags {
    /// Number of worker threads [default: what VARBATCH_THREADS or the scheduler says, else all cores that the process may use]
    #[arg(short = '@', long, value_name = "N")]
    pub threads: Option<usize>,
    /// Memory to stay under, e.g. 8G; fewer workers run when it is small [default: 80 % of what the process may use]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// Memory that one worker needs beside what its pieces hold, in bytes: buffers of open row groups and of the inflater.
const WORKER_BYTES: u64 = 96 << 20;

/// Memory of one worker for each of the files that it reads side by side (a merge), in bytes: a block and its text, the record at hand.
/// 1,000 files of one sample with five FORMAT fields took 280 KB each.
const OPEN_FILE_BYTES: u64 = 288 << 10;

impl RunFlags {
    /// Number of workers for a plan.
    pub fn workers(&self, plan: &Plan) -> Result<usize> {
        let n_open = if plan.layout == Layout::Merge { plan.inputs.n } else { 0 };
        self.workers_with(n_open)
    }

    fn workers_with(&self, n_open: u64) -> Result<usize> {
        let threads = match self.threads {
            Some(threads) => threads,
            None => scheduler::cores(&|name| std::env::var(name).ok())?.map_or_else(resources::cores, |n| n as usize),
        };
        let threads = threads.max(1);
        let worker_bytes = WORKER_BYTES + n_open * OPEN_FILE_BYTES;
        Ok(threads.min((self.memory_bytes() / worker_bytes).max(1) as usize))
    }

    /// Tells the decoders how long a record may be with this memory, and a file that is held as a whole; and how many threads open inputs.
    /// To be called before anything is read.
    pub fn begin(&self) -> Result<()> {
        let n_workers = self.workers_with(0)?;
        limits::set_memory(self.memory_bytes(), n_workers);
        use_threads(Some(n_workers))
    }

    fn memory_bytes(&self) -> u64 {
        self.memory.unwrap_or_else(|| resources::memory_bytes() / 5 * 4)
    }

    /// Set when the process is asked to end.
    pub fn stop_on_signals(&self) -> Result<Arc<AtomicBool>> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            for flag in [stop.clone(), s3::stop_flag()] {
                signal_hook::flag::register(signal, flag)
                    .map_err(|error| Error::internal(format!("cannot listen to signals: {error}")))?;
            }
        }
        Ok(stop)
    }
}

/// Ends the process with 75 when it is asked to end: for commands that may be cut off at any moment, as they write names that
/// count last. Once for a process, however often it is asked for.
pub fn exit_on_signals() -> Result<()> {
    static LISTENS: AtomicBool = AtomicBool::new(false);
    if LISTENS.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    let signals = [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT];
    let mut signals = signal_hook::iterator::Signals::new(signals)
        .map_err(|error| Error::internal(format!("cannot listen to signals: {error}")))?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            eprintln!("error: interrupted\nhint: run the same command again");
            std::process::exit(Class::Temporary.exit_code().into());
        }
    });
    Ok(())
}

/// A number of bytes with an optional K, M, G or T (powers of 1,024).
pub fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let trimmed = text.trim().trim_end_matches(['b', 'B']).trim_end_matches(['i']);
    let (digits, shift) = match trimmed.chars().last().map(|last| last.to_ascii_uppercase()) {
        Some('K') => (&trimmed[..trimmed.len() - 1], 10),
        Some('M') => (&trimmed[..trimmed.len() - 1], 20),
        Some('G') => (&trimmed[..trimmed.len() - 1], 30),
        Some('T') => (&trimmed[..trimmed.len() - 1], 40),
        _ => (trimmed, 0),
    };
    let value: f64 = digits.trim().parse().map_err(|_| format!("{text:?} is not a size such as 64M or 2G"))?;
    let bytes = value * (1u64 << shift) as f64;
    if bytes < 1.0 || !bytes.is_finite() {
        return Err(format!("{text:?} is less than one byte"));
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("64M"), Ok(64 << 20));
        assert_eq!(parse_size("1.5GiB"), Ok(3 << 29));
        assert_eq!(parse_size("123"), Ok(123));
        assert!(parse_size("x").is_err() && parse_size("0").is_err());
    }
}
