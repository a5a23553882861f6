//! The flag that says how many threads there are.

use crate::error::{Error, Result};
use std::error::Error as _;

/// How many threads a command has.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Threads {
    /// Threads [default: all cores]
    #[arg(short = '@', long, value_name = "N")]
    threads: Option<usize>,
}

impl Threads {
    /// Lets rayon's own pool have them.
    pub fn begin(self) -> Result<()> {
        use_threads(self.threads)
    }
}

/// Lets rayon's own pool have `n` threads; all cores without a number. A process that runs several commands keeps the threads of the first.
pub fn use_threads(n: Option<usize>) -> Result<()> {
    let Some(n) = n else { return Ok(()) };
    match rayon::ThreadPoolBuilder::new().num_threads(n.max(1)).build_global() {
        // what the system said; without it, the pool is there already
        Err(error) if error.source().is_some() => Err(Error::internal(format!("cannot start {n} threads: {error}"))),
        _ => Ok(()),
    }
}
