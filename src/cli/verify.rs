//! `varbatch verify`

use crate::error::Result;

/// Flags of `verify`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_args: Args) -> Result<()> {
    Ok(())
}
