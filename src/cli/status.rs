//! `varbatch status`: how far a planned dataset is.

use super::plan::Format;
use super::work::open_plan;
use crate::commit::DatasetFolder;
use crate::commit::status::Status;
use crate::error::{Class, Error, Result};
use crate::store::Place;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Flags of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads the dataset only, not the scheduler: shards that are done, tasks that have begun and not said that they ended,
failures with their messages, and what to run next.

Exit codes: 0 published; 3 not yet.

Example:
  varbatch status cohort.ds")]
pub struct Args {
    /// The planned dataset
    dataset: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Shards that are named one by one.
const NAMED: usize = 20;

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let place = Place::parse(&args.dataset)?;
    let plan = open_plan(&place, None)?;
    let status = Status::of(&DatasetFolder::to_publish(&place, &plan.digest), &plan, &plan.shards()?)?;
    let text = match args.format {
        Format::Json => serde_json::to_string(&status).expect("a status is plain data") + "\n",
        Format::Text => text(&status),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(Error::stdout)?;
    if status.published {
        return Ok(());
    }
    Err(Error::new(Class::Incomplete, format!("{} is not published yet", status.dataset)).hint(next(&status)))
}

fn text(status: &Status) -> String {
    let mut text = format!("{}: plan {}\n", status.dataset, status.plan_sha256);
    if status.published {
        text += "published\n";
        return text;
    }
    for stage in &status.stages {
        let _ = match stage.shards {
            None => writeln!(text, "stage {:<7} waits for the stage before", stage.stage),
            Some(n) => {
                let n_missing = stage.missing.len();
                let mut names: Vec<String> = stage.missing.iter().take(NAMED).map(u64::to_string).collect();
                if n_missing > NAMED {
                    names.push("...".into());
                }
                let names = if names.is_empty() { String::new() } else { format!("; missing: {}", names.join(" ")) };
                writeln!(text, "stage {:<7} {} of {n} shards done{names}", stage.stage, n - n_missing as u64)
            }
        };
    }
    for attempt in &status.running {
        let job = attempt.job.as_deref().map_or(String::new(), |job| format!(", job {job}"));
        let _ = writeln!(
            text,
            "task {} of {} began on {}{job} and has not said that it ended",
            attempt.task_index, attempt.task_count, attempt.process
        );
    }
    for failure in &status.failures {
        let _ = writeln!(
            text,
            "stage {} shard {} failed with exit code {}: {}",
            failure.stage, failure.shard, failure.exit_code, failure.message
        );
        if let Some(hint) = &failure.hint {
            let _ = writeln!(text, "  hint: {hint}");
        }
    }
    text
}

/// What to do next.
fn next(status: &Status) -> String {
    match status.stages.iter().find(|stage| !stage.is_complete()) {
        None => format!("all shards are done: run `varbatch finalize {}`", status.dataset),
        Some(_) if !status.failures.is_empty() => {
            "mend what the failures name, then run the tasks again: finished shards are skipped".into()
        }
        Some(stage) => format!(
            "run the tasks of the stage {} (again): `varbatch work {} --stage {}`; finished shards are skipped",
            stage.stage, status.dataset, stage.stage
        ),
    }
}
