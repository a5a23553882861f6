//! `varbatch work`: one task's share of a planned dataset.

use super::run_flags::RunFlags;
use crate::commit::DatasetFolder;
use crate::commit::attempt::Attempt;
use crate::commit::manifest::MANIFEST_NAME;
use crate::error::{Class, Error, Location, Result};
use crate::exec::scheduler::{Task, TaskFlags};
use crate::exec::{Done, Frame, Inputs, Preflight, Run, Stages, resources};
use crate::input::reference::Reference;
use crate::pipeline::Progress;
use crate::plan::StoredPlan;
use crate::store::Place;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Flags of `work`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Which task this is comes from the scheduler (AWS Batch, Slurm, Kubernetes, GCP Batch, LSF, SGE, PBS), from \
VARBATCH_TASK_INDEX and VARBATCH_TASK_COUNT, or from the flags; without any it is the only task. Any number of tasks gives \
the same dataset. Finished shards are skipped, so a task that was lost is simply run again.

Exit codes: 0 the share is done; 75 interrupted, or a stage must wait for other tasks: run it again; others are not \
mended by running it again.

Examples:
  varbatch work cohort.ds                                   # all of it, or what the scheduler says
  varbatch work cohort.ds --task-index 0 --task-count 3")]
pub struct Args {
    /// The planned dataset
    dataset: PathBuf,
    /// SHA-256 of the plan as `varbatch plan` printed it: another plan there is an error
    #[arg(long, value_name = "HEX")]
    plan_sha256: Option<String>,
    /// Which stages; a cohort of gVCFs has two
    #[arg(long, value_enum, default_value_t = StageArg::All)]
    stage: StageArg,
    /// Which task this is, from 0
    #[arg(long, value_name = "I")]
    task_index: Option<u64>,
    /// Tasks in all
    #[arg(long, value_name = "N")]
    task_count: Option<u64>,
    /// Added to the index that the scheduler gives, for an array that is one of several (or begins at 1: -1)
    #[arg(long, value_name = "K", default_value_t = 0, allow_negative_numbers = true)]
    task_offset: i64,
    #[command(flatten)]
    run: RunFlags,
}

/// Which stages a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum StageArg {
    /// Its share of every stage, one after the other
    All,
    /// Inputs to parts of evidence (cohorts of gVCFs only)
    Ingest,
    /// Inputs, or evidence of gVCFs, to rows
    Call,
}

impl From<StageArg> for Stages {
    fn from(stage: StageArg) -> Stages {
        match stage {
            StageArg::All => Stages::All,
            StageArg::Ingest => Stages::Ingest,
            StageArg::Call => Stages::Call,
        }
    }
}

/// The plan of a dataset; there must be one, and the one that is expected.
pub(super) fn open_plan(place: &Place, expected: Option<&str>) -> Result<StoredPlan> {
    let Some(plan) = StoredPlan::open(place)? else {
        return Err(Error::new(Class::NoInput, format!("{} has no plan", place.uri()))
            .hint("write one with `varbatch plan INPUT... -o DATASET`"));
    };
    match expected {
        Some(expected) if !expected.eq_ignore_ascii_case(&plan.digest) => {
            Err(Error::bad_data(format!("{} has the plan {}, expected {expected}", place.uri(), plan.digest))
                .hint("it was planned again since this job was submitted: submit again"))
        }
        _ => Ok(plan),
    }
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let started = Instant::now();
    let flags = TaskFlags { index: args.task_index, count: args.task_count, offset: args.task_offset };
    let task = Task::resolve(flags, &|name| std::env::var(name).ok())?;
    args.run.begin()?;
    let stop = args.run.stop_on_signals()?;
    let place = Place::parse(&args.dataset)?;
    let plan = open_plan(&place, args.plan_sha256.as_deref())?;
    if place.read(MANIFEST_NAME)?.is_some() {
        eprintln!("{} is published already; nothing to do", place.uri());
        return Ok(());
    }
    let attempt = Attempt::new(task.share.index, task.share.count, task.job.clone());
    let folder = DatasetFolder::join(&place, &plan.digest, attempt)?;
    let shards = plan.shards()?;
    let (share, workers) = (task.share, args.run.workers(&plan.root)?);
    let preflight = Preflight { plan: &plan, shards: &shards, share, workers, folder: &folder };
    let (frame, reference) = prepare(&preflight).inspect_err(|error| folder.task_failed(error))?;
    let progress = Progress::default();
    let run = Run {
        plan: &plan,
        shards: &shards,
        frame: &frame,
        inputs: Inputs::new(&plan, &place, &[]),
        folder: &folder,
        reference: reference.as_ref(),
        share,
        threads: workers,
        go_on: true,
        stop: &stop,
        progress: &progress,
    };
    folder.attempt().begin(&place)?;
    let total = plan.root.input_bytes / task.share.count;
    let result = super::progress::watch(&progress, total, !args.run.quiet, || run.work(args.stage.into()));
    folder.attempt().end(&place);
    let done = match result {
        // a twin of this task did the rest, and what this one had staged was removed with the scratch
        Err(_) if place.read(MANIFEST_NAME)?.is_some() => {
            eprintln!("{} was published meanwhile; nothing to do", place.uri());
            return Ok(());
        }
        result => result.inspect_err(|error| folder.task_failed(error))?,
    };
    if !args.run.quiet {
        summary(&place, &task, done, started);
    }
    Ok(())
}

/// What a task needs before its first shard: room, what shards have in common, the reference.
fn prepare(task: &Preflight) -> Result<(Frame, Option<Reference>)> {
    task.check()?;
    Ok((Frame::new(task.plan)?, open_reference(task.plan)?))
}

/// The reference that was planned with.
fn open_reference(plan: &StoredPlan) -> Result<Option<Reference>> {
    let Some(path) = &plan.root.reference else { return Ok(None) };
    let reference = Reference::open(Path::new(path))?;
    if plan.root.settings.reference.as_deref() == Some(reference.fingerprint()) {
        return Ok(Some(reference));
    }
    Err(Error::bad_data("the reference was changed since it was planned with")
        .at(Location { path: Some(path.clone()), ..Location::default() })
        .hint("bring the old one back, or plan again with --force"))
}

fn summary(place: &Place, task: &Task, done: Done, started: Instant) {
    let (cpu_s, peak_bytes) = resources::used();
    eprintln!(
        "{}: task {} of {}: {} shards done, {} done before; wall {:.2} s, CPU {cpu_s:.2} s, peak memory {} MB",
        place.uri(),
        task.share.index,
        task.share.count,
        done.done,
        done.skipped,
        started.elapsed().as_secs_f64(),
        peak_bytes >> 20
    );
    super::call::tell_requests();
}
