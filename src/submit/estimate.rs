//! What an array job will read, write, take and cost. Rough: said before anything is spent.

use super::Submission;
use crate::plan::Plan;
use crate::plan::joint::{BYTES_PER_ROW, CALL_SHARD_ROWS};
use std::fmt::Write;

/// Bytes of compressed VCF that a core loads in a second, cautiously: docs/performance.md has 20 to 40 MB/s.
const VCF_BYTES_PER_S: f64 = 15e6;
/// The same of gVCFs through both stages: docs/performance.md has 19 MB/s for 100 samples.
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

    /// For people. `max_cores`: those that may run at once, where that is known; `usd`: price of a core and an hour.
    pub fn text(&self, submission: &Submission, max_cores: Option<u64>, usd: Option<f64>) -> String {
        let cores = u64::from(submission.cpus.max(1));
        let mut text = String::new();
        let n_tasks: u64 = submission.stages.iter().map(|stage| stage.n_tasks).sum();
        for stage in &submission.stages {
            let at_once = max_cores.map_or(stage.n_tasks, |max| (max / cores).clamp(1, stage.n_tasks));
            let _ = writeln!(
                text,
                "stage {:<7} {} task{} of {cores} core{} and {} MiB; {}",
                stage.stage,
                stage.n_tasks,
                if stage.n_tasks == 1 { "" } else { "s" },
                if cores == 1 { "" } else { "s" },
                submission.memory_mib,
                match max_cores {
                    Some(_) => format!("{at_once} at once"),
                    None => "as many at once as the queue has cores for (--max-cores says how many)".into(),
                }
            );
        }
        let core_hours = (self.core_s + START_S * (n_tasks * cores) as f64) / 3600.0;
        let _ = writeln!(
            text,
            "reads {:.1} GB, writes about {:.1} GB, takes about {:.2} core-hours with {START_S:.0} s for each task to start",
            self.input_bytes as f64 / 1e9,
            self.output_bytes as f64 / 1e9,
            core_hours
        );
        let price = usd.unwrap_or(VCPU_HOUR_USD);
        let _ = writeln!(
            text,
            "about {:.2} USD at {price} USD for a core and an hour{}; storage and requests are not in it",
            core_hours * price,
            if usd.is_some() { "" } else { " (an assumption: --core-price says yours)" }
        );
        text
    }
}
