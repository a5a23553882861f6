//! `varbatch plan`: how work is divided, written down for any number of tasks.

use super::call::grouped;
use super::plan_flags::{PlanFlags, Planning};
use crate::commit::{DatasetFolder, Replace, Start};
use crate::error::{Error, Result};
use crate::plan::joint::n_inputs;
use crate::plan::{NewPlan, ShardSource};
use crate::store::Place;
use std::io::Write;

/// Flags of `plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The plan is a function of the inputs and settings: planning again writes the same bytes. Any number of tasks, on one
machine or many, then do its shards with `varbatch work`, and `varbatch finalize` publishes the dataset.

Name inputs so that every task finds them: absolute paths or s3:// names, or start the tasks in this folder.

Example, three tasks on one machine:
  varbatch plan *.g.vcf.gz -f GRCh38.fa -o cohort.ds
  for i in 0 1 2; do varbatch work cohort.ds --stage ingest --task-index $i --task-count 3 & done; wait
  for i in 0 1 2; do varbatch work cohort.ds --stage call --task-index $i --task-count 3 & done; wait
  varbatch finalize cohort.ds")]
pub struct Args {
    #[command(flatten)]
    plan: PlanFlags,
    /// How to say what was planned, on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let place = Place::parse(&args.plan.output)?;
    let planning = Planning::new(&args.plan, &place, false)?;
    let plan = planning.plan(&args.plan)?;
    if let Some(input) = plan.inputs.iter().find(|input| input.copy.is_some()).filter(|_| place.local().is_none()) {
        return Err(Error::usage(format!(
            "{} is not sorted, or is one stream that must be read from the middle, and the copy that would do is on this \
             machine, where other processes do not see it",
            input.path
        ))
        .hint("sort it, or convert it to bgzip-compressed VCF, first: e.g. `bcftools sort -Oz`; or use `varbatch call`"));
    }
    let summary = Summary::of(&plan);
    let files = plan.files()?;
    let replace = if args.plan.force { Replace::Anything } else { Replace::Nothing };
    let (folder, start) = DatasetFolder::begin(&place, &files, replace)?;
    if start == Start::Published {
        eprintln!("{} is complete already; nothing to do", place.uri());
    }
    let text = match args.format {
        Format::Json => summary.json(&place.uri(), folder.plan_digest()),
        Format::Text => summary.text(&place.uri(), folder.plan_digest()),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(Error::stdout)
}

/// What is planned.
struct Summary {
    n_inputs: u64,
    input_bytes: u64,
    n_samples: u64,
    n_shards: u64,
    largest_bytes: u64,
    most_inputs: usize,
    stages: Vec<&'static str>,
    has_streams: bool,
}

impl Summary {
    fn of(plan: &NewPlan) -> Summary {
        let is_joint = plan.root.settings.joint.is_some();
        Summary {
            n_inputs: plan.inputs.len() as u64,
            input_bytes: plan.root.input_bytes,
            n_samples: plan.root.n_samples,
            n_shards: plan.shards.len() as u64,
            largest_bytes: plan.shards.iter().map(|shard| shard.bytes).max().unwrap_or(0),
            most_inputs: plan.shards.iter().map(n_inputs).max().unwrap_or(0),
            stages: if is_joint { vec!["ingest", "call"] } else { vec!["call"] },
            has_streams: plan.shards.iter().any(|shard| matches!(shard.source, ShardSource::Stream { .. })),
        }
    }

    fn json(&self, uri: &str, digest: &str) -> String {
        let value = serde_json::json!({
            "dataset": uri,
            "plan_sha256": digest,
            "inputs": self.n_inputs,
            "input_bytes": self.input_bytes,
            "samples": self.n_samples,
            "shards": self.n_shards,
            "largest_shard_bytes": self.largest_bytes,
            "stages": self.stages,
        });
        format!("{value}\n")
    }

    fn text(&self, uri: &str, digest: &str) -> String {
        let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let mut text = format!(
            "{uri}: plan {digest}\n{} inputs, {}, {} samples\n{} shards of at most {}",
            grouped(self.n_inputs),
            mb(self.input_bytes),
            grouped(self.n_samples),
            grouped(self.n_shards),
            mb(self.largest_bytes),
        );
        if self.most_inputs > 1 {
            text += &format!(" and {} inputs", self.most_inputs);
        }
        text += match self.stages.len() {
            1 => ", one stage: call\n",
            _ => " in the stage ingest; the stage call is divided when that is complete\n",
        };
        if self.has_streams {
            text += "an input that is one stream (BCF, plain gzip) is one shard: bgzip-compressed VCF can be divided\n";
        }
        text
    }
}
