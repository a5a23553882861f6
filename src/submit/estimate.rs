//! What an array job will read, write, take and cost. Rough: said before anything is spent.

use super::Submission;
use crate::plan::Plan;
use crate::plan::joint::{BYTES_PER_ROW, CALL_SHARD_ROWS};
use std::fmt::Write;

/// Bytes of compressed VCF that a core loads in a second, cautiously: docs/performance.md has 20 to 40 MB/s.
const VCF_BYTES_PER_S: f64 = 15e6;
/// The same of gVCFs through both stages: docs/performance.md has 35 MB/s for 100 samples.
const GVCF_BYTES_PER_S: f64 = 10e6;
/// Bytes written for each byte read, of VCF and of gVCFs, with all FORMAT fields: 0.4 to 0.9 of the inputs.
const OUTPUT_SHARE: f64 = 0.6;
/// USD for a core and an hour where nothing else is said: about the list price of a c7g core on demand. An assumption.
pub const VCPU_HOUR_USD: f64 = 0.04;
/// Seconds in which a task's machine and container start.
const START_S: f64 = 60.0;

/// Expected size of the work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Bytes of inputs.
    pub input_bytes: u64,
    /// Bytes of the dataset.
    pub output_bytes: u64,
    /// Core-seconds of all shards.
    pub core_s: f64,
    /// Shards of the second stage of a cohort of gVCFs; what the first finds decides.
    pub call_shards: u64,
}

impl Estimate {
    /// Of a plan.
    pub fn of(plan: &Plan) -> Estimate {
        let input_bytes = plan.input_bytes;
        let rate = if plan.is_joint() { GVCF_BYTES_PER_S } else { VCF_BYTES_PER_S };
        let rows_wanted = plan.settings.shard_bytes.map_or(CALL_SHARD_ROWS, |bytes| (bytes / BYTES_PER_ROW).max(1));
        Estimate {
            input_bytes,
            output_bytes: (input_bytes as f64 * OUTPUT_SHARE) as u64,
            core_s: input_bytes as f64 / rate,
            call_shards: (input_bytes / BYTES_PER_ROW).div_ceil(rows_wanted).max(1),
        }
    }

    /// Bytes, core-hours and cost of the whole plan, on one line. `start_cores`: cores of all tasks together, each of which takes
    /// time to start; `usd`: price of a core and an hour, where it is known.
    pub fn cost(&self, start_cores: u64, usd: Option<f64>) -> String {
        let price = usd.unwrap_or(VCPU_HOUR_USD);
        let core_hours = self.core_hours(start_cores);
        format!(
            "reads {}, writes about {}, takes about {core_hours:.2} core-hours, {:.2} USD at {price} USD for a core and an hour{}; \
             storage and requests are not in it",
            amount(self.input_bytes),
            amount(self.output_bytes),
            core_hours * price,
            if usd.is_some() { "" } else { " (an assumption)" }
        )
    }

    /// Core-hours, with what starting takes.
    pub fn core_hours(&self, start_cores: u64) -> f64 {
        (self.core_s + START_S * start_cores as f64) / 3600.0
    }

    /// For people. `max_cores`: those that may run at once, where that is known; `usd`: price of a core and an hour.
    pub fn text(&self, submission: &Submission, max_cores: Option<u64>, usd: Option<f64>) -> String {
        let cores = u64::from(submission.cpus.max(1));
        let mut text = String::new();
        for stage in &submission.stages {
            let _ = writeln!(
                text,
                "stage {:<7} {} of {} and {} MiB, {}",
                stage.stage,
                counted(stage.n_tasks, "task"),
                counted(cores, "core"),
                submission.memory_mib,
                match max_cores {
                    Some(max) => format!("{} at once", (max / cores).clamp(1, stage.n_tasks)),
                    None => "as many at once as the queue has cores for (--max-cores says how many)".into(),
                }
            );
        }
        if submission.stages.is_empty() {
            return text;
        }
        let start_cores = submission.stages.iter().map(|stage| stage.n_tasks * cores).sum();
        let _ = writeln!(text, "the whole plan {}", self.cost(start_cores, usd));
        if let Some(max) = max_cores {
            // the stages follow each other, and a task has one shard at least
            let hours = self.core_hours(start_cores) / max.max(1) as f64;
            let (n, unit) = if hours < 1.0 { (hours * 60.0, "minutes") } else { (hours, "hours") };
            let _ = writeln!(text, "about {n:.1} {unit} on {} at the least", counted(max, "core"));
        }
        text
    }
}

fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Bytes with a unit that keeps the number short.
pub fn amount(bytes: u64) -> String {
    let units = [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")];
    let (unit, name) = units.into_iter().find(|(unit, _)| bytes as f64 >= *unit).unwrap_or((1e3, "KB"));
    format!("{:.1} {name}", bytes as f64 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_rates() {
        let estimate =
            Estimate { input_bytes: 36_000_000_000, output_bytes: 21_600_000_000, core_s: 3600.0, call_shards: 7 };
        // 3,600 core-seconds of work, and 60 s for each of 60 cores
        assert!((estimate.core_hours(60) - 2.0).abs() < 1e-9);
        let text = estimate.cost(60, Some(0.5));
        assert!(
            text.starts_with("reads 36.0 GB, writes about 21.6 GB, takes about 2.00 core-hours, 1.00 USD at 0.5 USD"),
            "{text}"
        );
        assert!(!text.contains("assumption") && estimate.cost(60, None).contains("0.08 USD at 0.04 USD"), "{text}");
        assert_eq!([999, 1_500_000, 10_000_000_000_000_000].map(amount), ["1.0 KB", "1.5 MB", "10.0 PB"]);
    }
}
