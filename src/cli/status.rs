//! `varbatch status`: how far a planned dataset is.

use super::plan::Format;
use super::work::open_plan;
use crate::commit::DatasetFolder;
use crate::commit::attempt::{Attempt, Failure};
use crate::commit::status::{StageStatus, Status};
use crate::error::{Class, Error, Result};
use crate::store::Place;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Flags of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads the dataset only, not the scheduler: shards that are done, tasks that have begun and not said that they ended, \
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

/// Shards, tasks and failures that are named one by one; JSON has all.
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
    for stage in &status.stages {
        text += &stage_line(stage);
    }
    if status.published {
        return text + "published\n";
    }
    let running = status.running.iter().map(|attempt| {
        let job = attempt.job.as_deref().map_or(String::new(), |job| format!(", job {job}"));
        let Attempt { task_index, task_count, process, started_s, .. } = attempt;
        format!(
            "task {task_index} of {task_count} began at {} on {process}{job} and has not ended, or was lost\n",
            utc(*started_s)
        )
    });
    list(&mut text, running.collect(), "such tasks");
    list(&mut text, failures(&status.failures), "failures");
    text
}

fn stage_line(stage: &StageStatus) -> String {
    let Some(n) = stage.shards else { return format!("stage {:<7} waits for the stage before\n", stage.stage) };
    let n_missing = stage.missing.len();
    let mut names: Vec<String> = stage.missing.iter().take(NAMED).map(u64::to_string).collect();
    if n_missing > NAMED {
        names.push("...".into());
    }
    let names = if names.is_empty() { String::new() } else { format!("; missing: {}", names.join(" ")) };
    format!("stage {:<7} {} of {n} shards done{names}\n", stage.stage, n - n_missing as u64)
}

/// Appends the first entries of a list.
fn list(text: &mut String, entries: Vec<String>, what: &str) {
    text.extend(entries.iter().take(NAMED).map(String::as_str));
    if entries.len() > NAMED {
        let _ = writeln!(text, "and {} more {what}: --format json has all", entries.len() - NAMED);
    }
}

/// A text for each thing that failed, however often it did so.
fn failures(all: &[Failure]) -> Vec<String> {
    let subject = |failure: &Failure| match (&failure.stage, failure.shard) {
        (Some(stage), Some(shard)) => format!("stage {stage} shard {shard}"),
        _ => format!("task {} of {}", failure.task_index, failure.task_count),
    };
    let mut counted: BTreeMap<(String, u8, &str), (usize, usize)> = BTreeMap::new();
    for (order, failure) in all.iter().enumerate() {
        counted.entry((subject(failure), failure.exit_code, &failure.message)).or_insert((order, 0)).1 += 1;
    }
    let mut counted: Vec<_> = counted.into_iter().collect();
    counted.sort_by_key(|(_, (order, _))| *order);
    let text = |((subject, exit_code, message), (order, n)): ((String, u8, &str), (usize, usize))| {
        let times = if n == 1 { String::new() } else { format!(" {n} times") };
        let hint = all[order].hint.as_ref().map_or(String::new(), |hint| format!("  hint: {hint}\n"));
        format!(
            "{subject} failed{times} with exit code {exit_code}{}: {}\n{hint}",
            meaning(exit_code),
            super::visible(message)
        )
    };
    counted.into_iter().map(text).collect()
}

fn meaning(exit_code: u8) -> &'static str {
    match exit_code {
        65 => " (bad input)",
        66 => " (no input)",
        70 => " (a bug)",
        74 => " (I/O or disk full)",
        77 => " (no permission)",
        _ => "",
    }
}

/// What to do next.
fn next(status: &Status) -> String {
    let again = format!("`varbatch submit {} --to ...`, or the tasks by hand", status.dataset);
    match status.stages.iter().find(|stage| !stage.is_complete()) {
        None => format!("all shards are done: run `varbatch finalize {}`", status.dataset),
        Some(_) if !status.failures.is_empty() => {
            format!("mend what the failures name, then run {again}: finished shards are skipped")
        }
        Some(stage) if !status.running.is_empty() => {
            format!(
                "wait for the tasks of the stage {}; if they were lost, run {again}: finished shards are skipped",
                stage.stage
            )
        }
        Some(stage) => format!(
            "run the stage {}: {again} (`varbatch work {} --stage {}`)",
            stage.stage, status.dataset, stage.stage
        ),
    }
}

/// A time as `2026-11-22 14:05 UTC`.
fn utc(seconds: u64) -> String {
    let (days, minutes) = ((seconds / 86_400) as i64, seconds % 86_400 / 60);
    // the day since 1970 as a date (Hinnant, "chrono-compatible low-level date algorithms")
    let z = days + 719_468;
    let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * m + 2) / 5 + 1, if m < 10 { m + 3 } else { m - 9 });
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(784_111_777), "1994-11-06 08:49 UTC");
        assert_eq!(utc(1_709_251_199), "2024-02-29 23:59 UTC");
        assert_eq!(utc(1_709_251_200), "2024-03-01 00:00 UTC");
    }

    #[test]
    fn failures_are_counted_and_few_are_named() {
        let failure = |shard: Option<u64>, attempt: &str| Failure {
            stage: shard.map(|_| "call".into()),
            shard,
            attempt: attempt.into(),
            task_index: 3,
            task_count: 10,
            exit_code: 65,
            message: "x.vcf is cut".into(),
            hint: Some("look".into()),
        };
        let all = [failure(Some(12), "a"), failure(Some(12), "b"), failure(Some(2), "a"), failure(None, "c")];
        let said = failures(&all);
        let expected = ["stage call shard 12 failed 2 times", "stage call shard 2 failed", "task 3 of 10 failed"];
        assert_eq!(
            said,
            expected.map(|what| format!("{what} with exit code 65 (bad input): x.vcf is cut\n  hint: look\n"))
        );
        let mut text = String::new();
        list(&mut text, (0..25).map(|i| format!("{i}\n")).collect(), "failures");
        assert!(text.ends_with("19\nand 5 more failures: --format json has all\n"), "{text}");
    }
}
