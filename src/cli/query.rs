//! `varbatch query`

use crate::error::Result;

/// Flags of `query`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_args: Args) -> Result<()> {
    Ok(())
}
