//! `varbatch submit`: gives a planned dataset to a scheduler.

use super::run_flags::parse_size;
use super::work::open_plan;
use crate::commit::DatasetFolder;
use crate::commit::status::{StageStatus, Status};
use crate::error::{Class, Error, Result};
use crate::plan::INGEST;
use crate::store::Place;
use crate::store::aws::Service;
use crate::submit::aws_batch::{AwsBatch, SUBMIT_PATH};
use crate::submit::estimate::Estimate;
use crate::submit::kubernetes::Kubernetes;
use crate::submit::slurm::Slurm;
use crate::submit::{StageShards, Submission, TaskSize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Flags of `submit`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Submits the stages as array jobs that wait for each other, and last the job that publishes. Nothing needs to run here \
after that; `varbatch status` says how far it is. --dry-run prints what would be sent, and what it is expected to take. \
Submitting again after a failure is how to go on: finished shards are skipped, finished stages get no job.

Examples:
  varbatch submit s3://bucket/cohort.ds --to aws-batch --queue spot --job-definition work --dry-run
  varbatch submit cohort.ds --to slurm --sbatch-option=--partition=long
  varbatch submit s3://bucket/cohort.ds --to kubernetes --image IMAGE --service-account varbatch")]
pub struct Args {
    /// The planned dataset
    dataset: PathBuf,
    /// Which scheduler
    #[arg(long, value_enum)]
    to: Scheduler,
    /// Print what would be submitted, and submit nothing
    #[arg(long)]
    dry_run: bool,
    /// Tasks of a stage [default: one for each shard]
    #[arg(long, value_name = "N")]
    tasks: Option<u64>,
    /// Cores of a task
    #[arg(long, value_name = "N", default_value_t = 4)]
    cpus: u32,
    /// Memory of a task
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "8G")]
    task_memory: u64,
    /// Cores that may work at once, for the estimate
    #[arg(long, value_name = "N")]
    max_cores: Option<u64>,
    /// Price of a core and an hour in USD, for the estimate
    #[arg(long, value_name = "USD")]
    core_price: Option<f64>,
    #[command(flatten)]
    aws: AwsFlags,
    #[command(flatten)]
    slurm: SlurmFlags,
    #[command(flatten)]
    kubernetes: KubernetesFlags,
}

/// Where to submit to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Scheduler {
    /// AWS Batch
    AwsBatch,
    /// Slurm, by sbatch
    Slurm,
    /// Kubernetes, by kubectl
    Kubernetes,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "AWS Batch")]
struct AwsFlags {
    /// Job queue: name or ARN
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Job definition of the tasks: name, name:revision or ARN
    #[arg(long, value_name = "NAME")]
    job_definition: Option<String>,
    /// Queue of the job that publishes [default: that of the tasks]
    #[arg(long, value_name = "NAME")]
    finalize_queue: Option<String>,
    /// Job definition of the job that publishes [default: that of the tasks]
    #[arg(long, value_name = "NAME")]
    finalize_job_definition: Option<String>,
    /// Attempts of a task, 1 to 10; only what another attempt can mend is tried again
    #[arg(long, value_name = "N", default_value_t = 5)]
    attempts: u32,
    /// Seconds after which an attempt is ended, at least 60 [default: as the job definition says]
    #[arg(long, value_name = "SECONDS")]
    task_timeout: Option<u32>,
    /// Whose share the jobs take, for queues with fair shares
    #[arg(long, value_name = "NAME")]
    share_identifier: Option<String>,
    /// Endpoint of AWS Batch, where it is not Amazon's [default: AWS_ENDPOINT_URL_BATCH]
    #[arg(long, value_name = "URL")]
    batch_endpoint_url: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Slurm")]
struct SlurmFlags {
    /// The program on the machines of the cluster [default: this one]
    #[arg(long, value_name = "PATH")]
    program: Option<String>,
    /// Most tasks of an array (MaxArraySize of the cluster less 1)
    #[arg(long, value_name = "N", default_value_t = 1000)]
    largest_array: u64,
    /// Option for sbatch, e.g. --sbatch-option=--partition=long; may be given several times
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    sbatch_option: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kubernetes")]
struct KubernetesFlags {
    /// Container image
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Namespace [default: that of the current context]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Service account of the pods
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,
    /// Pods at once
    #[arg(long, value_name = "N", default_value_t = 50)]
    parallelism: u64,
    /// Volume claim with the dataset and inputs, and where the pods mount it: CLAIM:/path
    #[arg(long, value_name = "CLAIM:PATH")]
    volume: Option<String>,
}

/// Runs it. `endpoint_url`: that of the object store, where one was given; tasks get it, too.
pub fn run(args: Args, endpoint_url: Option<String>) -> Result<()> {
    let place = Place::parse(&args.dataset)?;
    let plan = open_plan(&place, None)?;
    let estimate = Estimate::of(&plan.root);
    let status = Status::of(&DatasetFolder::to_publish(&place, &plan.digest), &plan, &plan.shards()?)?;
    if status.published {
        eprintln!("{} is published already; nothing to do", place.uri());
        return Ok(());
    }
    let stages = stages(&status, estimate.call_shards);
    let size = TaskSize { cpus: args.cpus.max(1), memory_mib: (args.task_memory >> 20).max(1) };
    let mut submission = Submission::new(place.uri(), plan.digest.clone(), &stages, args.tasks, size)?;
    submission.endpoint_url = endpoint_url;
    if place.local().is_some() && args.to == Scheduler::AwsBatch {
        return Err(Error::usage(format!(
            "{} is a folder of this machine, which jobs of AWS Batch do not see",
            place.uri()
        ))
        .hint("plan into s3://bucket/prefix"));
    }
    for stage in stages.iter().filter(|stage| stage.is_complete) {
        eprintln!("stage {:<7} is complete: nothing to submit", stage.stage);
    }
    eprint!("{}", estimate.text(&submission, args.max_cores, args.core_price));
    match args.to {
        Scheduler::AwsBatch => aws_batch(&args, &submission)?,
        Scheduler::Slurm => slurm(&args, &submission)?,
        Scheduler::Kubernetes => kubernetes(&args, &submission, place.local())?,
    }
    if !args.dry_run {
        eprintln!("submitted; `varbatch status {}` says how far it is", place.uri());
    }
    Ok(())
}

/// What is known of the stages. `call_shards`: shards of the second stage, where they are not known before the first is
/// complete.
fn stages(status: &Status, call_shards: u64) -> Vec<StageShards> {
    let known = |stage: &StageStatus| StageShards {
        stage: if stage.stage == INGEST { INGEST } else { "call" },
        n: stage.shards.unwrap_or(call_shards),
        is_complete: stage.is_complete(),
    };
    status.stages.iter().map(known).collect()
}

fn needed<'a>(value: &'a Option<String>, flag: &str) -> Result<&'a str> {
    value.as_deref().ok_or_else(|| Error::usage(format!("{flag} is needed for this scheduler")))
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).map_err(Error::stdout)
}

fn aws_batch(args: &Args, submission: &Submission) -> Result<()> {
    let definition = needed(&args.aws.job_definition, "--job-definition")?;
    let queue = needed(&args.aws.queue, "--queue")?;
    let batch = AwsBatch {
        queue: queue.into(),
        job_definition: definition.into(),
        finalize_queue: args.aws.finalize_queue.as_deref().unwrap_or(queue).into(),
        share_identifier: args.aws.share_identifier.clone(),
        finalize_job_definition: args.aws.finalize_job_definition.as_deref().unwrap_or(definition).into(),
        attempts: args.aws.attempts,
        timeout_s: args.aws.task_timeout,
    };
    let requests = batch.requests(submission)?;
    let mut ids: Vec<String> = Vec::new();
    if args.dry_run {
        for request in &requests {
            let body = request.with_dependencies(&ids);
            print(&format!("POST {SUBMIT_PATH}\n{}\n", serde_json::to_string_pretty(&body).expect("plain data")))?;
            ids.push(format!("<jobId of {}>", request.name));
        }
        return Ok(());
    }
    let of_environment = || {
        let names = ["AWS_ENDPOINT_URL_BATCH", "AWS_ENDPOINT_URL"];
        names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let endpoint = args.aws.batch_endpoint_url.clone().or_else(of_environment);
    let service = Service::open("batch", endpoint.as_deref())?;
    for request in &requests {
        let answer = service.post(SUBMIT_PATH, &request.with_dependencies(&ids).to_string());
        let answer = answer.map_err(|error| submitted_before(error, &ids))?;
        let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
        let id = answer["jobId"].as_str().ok_or_else(|| Error::internal("AWS Batch answers without a jobId"))?;
        print(&format!("{}\t{id}\n", request.name))?;
        ids.push(id.into());
    }
    Ok(())
}

/// Jobs that are in the queue already wait for nothing that comes after them: they may stay or be cancelled.
fn submitted_before(error: Error, ids: &[String]) -> Error {
    if ids.is_empty() {
        return error;
    }
    let hint = error.hint_text().map_or_else(String::new, |hint| format!("{hint}; "));
    error.hint(format!("{hint}jobs before it are in the queue: {}", ids.join(", ")))
}

fn slurm(args: &Args, submission: &Submission) -> Result<()> {
    let this = std::env::current_exe().ok().and_then(|path| path.to_str().map(str::to_string));
    let slurm = Slurm {
        program: args.slurm.program.clone().or(this).unwrap_or_else(|| "varbatch".into()),
        largest_array: args.slurm.largest_array.max(1),
        options: args.slurm.sbatch_option.clone(),
    };
    let mut ids: Vec<String> = Vec::new();
    for script in slurm.scripts(submission) {
        let arguments = script.sbatch_arguments(&ids);
        if args.dry_run {
            print(&format!("sbatch {} <<'END'\n{}END\n", arguments.join(" "), script.text))?;
            ids.push(format!("<job {}>", ids.len() + 1));
            continue;
        }
        let out = piped("sbatch", &arguments, &script.text).map_err(|error| submitted_before(error, &ids))?;
        // `--parsable` prints `id` or `id;cluster`
        let id = out.trim().split(';').next().unwrap_or_default().to_string();
        print(&format!("{id}\n"))?;
        ids.push(id);
    }
    Ok(())
}

/// `folder`: the dataset, where it is one.
fn kubernetes(args: &Args, submission: &Submission, folder: Option<&Path>) -> Result<()> {
    let flags = &args.kubernetes;
    let volume = flags.volume.as_deref().map(|text| match text.split_once(':') {
        Some((claim, path)) if path.starts_with('/') && !claim.is_empty() => Ok((claim.to_string(), path.to_string())),
        _ => Err(Error::usage(format!("--volume is {text:?}, expected CLAIM:/path"))),
    });
    let volume = volume.transpose()?;
    if let Some(folder) = folder
        && !volume.as_ref().is_some_and(|(_, path)| folder.starts_with(path))
    {
        eprintln!("warning: pods do not see {}: give --volume CLAIM:PATH with a path above it", folder.display());
    }
    let kubernetes = Kubernetes {
        image: needed(&flags.image, "--image")?.into(),
        namespace: flags.namespace.clone(),
        service_account: flags.service_account.clone(),
        parallelism: flags.parallelism,
        volume,
    };
    let text = serde_json::to_string_pretty(&kubernetes.manifest(submission)?).expect("plain data") + "\n";
    if args.dry_run {
        return print(&text);
    }
    print(&piped("kubectl", &["create".into(), "-f".into(), "-".into()], &text)?)
}

/// Runs a program with a text on its standard input; what it prints.
fn piped(program: &str, arguments: &[String], input: &str) -> Result<String> {
    let cannot = |error: std::io::Error| {
        Error::new(Class::NoInput, format!("cannot run {program}: {error}"))
            .hint("submit from a machine that has it, or use --dry-run and submit what it prints")
    };
    let mut child =
        Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(cannot)?;
    let written = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().map_err(cannot)?;
    if !output.status.success() {
        return Err(Error::new(Class::Temporary, format!("{program} did not take the job (its message is above)")));
    }
    written.map_err(cannot)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
