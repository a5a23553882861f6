//! The flag that says how many threads there are.

use crate::error::{Error, Result};

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

/// Lets rayon's own pool have `n` threads; all cores without a number.
pub fn use_threads(n: Option<usize>) -> Result<()> {
    let Some(n) = n else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n.max(1)).build_global();
    pool.map_err(|error| Error::internal(format!("cannot start {n} threads: {error}")))
}
