//! `varbatch call`

use crate::error::Result;

/// Flags of `call`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_args: Args) -> Result<()> {
    Ok(())
}
