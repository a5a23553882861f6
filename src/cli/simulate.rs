//! `varbatch simulate`

use crate::error::Result;

/// Flags of `simulate`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_args: Args) -> Result<()> {
    Ok(())
}
