//! `varbatch finalize`: publishes a planned dataset whose shards are all done.

use super::run_flags::exit_on_signals;
use super::work::open_plan;
use crate::commit::DatasetFolder;
use crate::error::Result;
use crate::exec::{Frame, finalize, published};
use crate::store::Place;
use std::path::PathBuf;

/// Flags of `finalize`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Checks that every shard of the plan is committed and its files are there with their sizes, that every record read is \
accounted for, and writes the samples, the header and, last, the manifest. Running it again is harmless.

Exit codes: 0 published; 3 shards are missing (they are named); 75 interrupted: run it again.

Example:
  varbatch finalize cohort.ds")]
pub struct Args {
    /// The planned dataset
    dataset: PathBuf,
    /// SHA-256 of the plan as `varbatch plan` printed it: another plan there is an error
    #[arg(long, value_name = "HEX")]
    plan_sha256: Option<String>,
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    exit_on_signals()?;
    let place = Place::parse(&args.dataset)?;
    let plan = open_plan(&place, args.plan_sha256.as_deref())?;
    let folder = DatasetFolder::to_publish(&place, &plan.digest);
    let was_published = published(&folder)?.is_some();
    let manifest = finalize(&plan, &plan.shards()?, &Frame::new(&plan)?, &folder)?;
    if was_published {
        eprintln!("{} is published already; nothing to do", place.uri());
    } else {
        super::call::tell_warnings(&manifest);
        super::call::tell_counts(&place.uri(), &manifest);
    }
    super::call::tell_requests();
    Ok(())
}
