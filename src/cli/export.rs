//! `varbatch export`

use crate::error::Result;

/// Flags of `export`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_args: Args) -> Result<()> {
    Ok(())
}
