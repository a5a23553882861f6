//! `varbatch plan`: how work is divided, written down for any number of tasks.

use super::call::grouped;
use super::plan_flags::{PlanFlags, Planning};
use super::run_flags::exit_on_signals;
use crate::commit::folder::write_parts;
use crate::commit::{DatasetFolder, Replace, Start};
use crate::error::{Error, Result};
use crate::plan::inventory::Inventory;
use crate::plan::joint::n_inputs;
use crate::plan::{Plan, Shard, ShardSource, StoredPlan};
use crate::store::Place;
use crate::submit::estimate::{Estimate, amount};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Flags of `plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The plan is a function of the inputs and settings: planning again writes the same bytes. Any number of tasks, on one \
machine or many, then do its shards with `varbatch work`, and `varbatch finalize` publishes the dataset.

Name inputs so that every task finds them: absolute paths or s3:// names, or start the tasks in this folder.

Example, three tasks on one machine:
  varbatch plan *.g.vcf.gz -f GRCh38.fa -o cohort.ds
  for i in 0 1 2; do varbatch work cohort.ds --stage ingest --task-index $i --task-count 3 & done
  wait
  for i in 0 1 2; do varbatch work cohort.ds --stage call --task-index $i --task-count 3 & done
  wait
  varbatch finalize cohort.ds")]
pub struct Args {
    #[command(flatten)]
    plan: PlanFlags,
    /// Plan from an inventory and open its first input only, for cohorts of very many gVCFs: a tab-separated sheet with the
    /// columns path, sample, bytes (and etag, sex), in the order of sample names
    #[arg(long, value_name = "FILE", conflicts_with_all = ["input", "inputs"])]
    inventory: Option<PathBuf>,
    /// Inputs of a shard of an inventory [default: as many as make 20,000 shards, 16 to 1,000]
    #[arg(long, value_name = "N", requires = "inventory")]
    inputs_per_shard: Option<u64>,
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

/// Parts of the lists of an inventory that are in memory, and written at once.
const PARTS_AT_ONCE: usize = 64;

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    exit_on_signals()?;
    let place = Place::parse(&args.plan.output)?;
    if let Some(path) = &args.inventory {
        return run_inventory(&args, &place, path);
    }
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
    let summary = Summary::of(&plan.root, &plan.shards, plan.inputs.len() as u64);
    let files = plan.files()?;
    let (folder, start) = DatasetFolder::begin(&place, &files, replace(&args))?;
    tell(&args, &folder, start, &summary)
}

fn replace(args: &Args) -> Replace {
    if args.plan.force { Replace::Anything } else { Replace::Nothing }
}

/// A plan whose lists are never in memory: made once to know its root, and once more to write them.
fn run_inventory(args: &Args, place: &Place, path: &Path) -> Result<()> {
    let inventory = Inventory::open(path)?;
    let first = inventory.first()?;
    let planning = Planning::of_first(&args.plan, place, &first.path)?;
    let template = planning.plan(&args.plan)?;
    if !template.root.is_joint() {
        return Err(Error::usage(format!("{} is no gVCF: an inventory is for gVCFs of one sample each", first.path)));
    }
    let format = template.inputs[0].format;
    let per_shard = args.inputs_per_shard.unwrap_or_else(|| inventory.inputs_of_shard()).max(1);
    let plan = |write: &mut dyn FnMut(String, Vec<u8>) -> Result<()>| {
        inventory.plan(template.root.clone(), format, per_shard, write)
    };
    let root = plan(&mut |_, _| Ok(()))?.to_json();
    let write = || {
        let mut open = Vec::new();
        plan(&mut |name, bytes| {
            open.push((name, bytes));
            if open.len() == PARTS_AT_ONCE { write_parts(place, &std::mem::take(&mut open)) } else { Ok(()) }
        })?;
        write_parts(place, &open)
    };
    let (folder, start) = DatasetFolder::begin_with(place, &root, write, replace(args))?;
    let stored = StoredPlan::open(place)?.ok_or_else(|| Error::internal("the plan is gone"))?;
    tell(args, &folder, start, &Summary::of(&stored.root, &stored.shards()?, inventory.n_inputs))
}

fn tell(args: &Args, folder: &DatasetFolder, start: Start, summary: &Summary) -> Result<()> {
    let place = folder.place();
    if start == Start::Published {
        eprintln!("{} is complete already; nothing to do", place.uri());
    }
    let text = match args.format {
        Format::Json => summary.json(&place.uri(), folder.plan_digest()),
        Format::Text => summary.text(&place.uri(), folder.plan_digest()),
    };
    super::call::tell_requests();
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
    estimate: Estimate,
}

impl Summary {
    fn of(root: &Plan, shards: &[Shard], n_inputs_planned: u64) -> Summary {
        Summary {
            n_inputs: n_inputs_planned,
            input_bytes: root.input_bytes,
            n_samples: root.n_samples,
            n_shards: shards.len() as u64,
            largest_bytes: shards.iter().map(|shard| shard.bytes).max().unwrap_or(0),
            most_inputs: shards.iter().map(n_inputs).max().unwrap_or(0),
            stages: if root.is_joint() { vec!["ingest", "call"] } else { vec!["call"] },
            has_streams: shards.iter().any(|shard| matches!(shard.source, ShardSource::Stream { .. })),
            estimate: Estimate::of(root),
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
            "expected_output_bytes": self.estimate.output_bytes,
            "expected_core_hours": (self.estimate.core_hours(0) * 1e4).round() / 1e4,
        });
        format!("{value}\n")
    }

    fn text(&self, uri: &str, digest: &str) -> String {
        let mut text = format!(
            "{uri}: plan {digest}\n{} inputs, {}, {} samples\n{} shards of at most {}",
            grouped(self.n_inputs),
            amount(self.input_bytes),
            grouped(self.n_samples),
            grouped(self.n_shards),
            amount(self.largest_bytes),
        );
        if self.most_inputs > 1 {
            text += &format!(" and {} inputs", self.most_inputs);
        }
        text += match self.stages.len() {
            1 => ", one stage: call\n",
            _ => " in the stage ingest; the stage call is divided when that is complete\n",
        };
        text += &format!("{}\n", self.estimate.cost(0, None));
        if self.has_streams {
            text += "an input that is one stream (BCF, plain gzip) is one shard: bgzip-compressed VCF can be divided\n";
        }
        text
    }
}
