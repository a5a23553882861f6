//! `varbatch call`: plan, work and finalize in one process.

use super::plan_flags::{PlanFlags, Planning};
use super::run_flags::RunFlags;
use super::visible;
use crate::commit::folder::COPIES;
use crate::commit::manifest::{MANIFEST_NAME, Manifest};
use crate::commit::{DatasetFolder, Replace, Start};
use crate::decode::vcf::UNDEFINED_CONTIG;
use crate::error::{Error, Result};
use crate::exec::{Frame, Inputs, Run, Share, Stages, finalize, published, resources};
use crate::input::Layout;
use crate::input::prepare::{define_contigs, sort_input};
use crate::pipeline::{Progress, is_unsorted};
use crate::plan::StoredPlan;
use crate::profile::{self, Stage};
use crate::store::{Place, s3};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Flags of `call`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  varbatch call cohort.vcf.gz -o cohort.ds
  varbatch call chr*.vcf.gz -f GRCh38.fa -o cohort.ds         # files of the same samples: concatenated
  varbatch call a.vcf.gz b.bcf c.vcf -o cohort.ds             # files of different samples: merged by allele
  varbatch call *.g.vcf.gz -f GRCh38.fa -o cohort.ds          # gVCFs: samples are called together
  varbatch call --inputs sheet.tsv -o cohort.ds               # columns path, sample, sex
  bcftools view -r chr20 in.bcf | varbatch call - -o chr20.ds

An interrupted run is continued by the same command.")]
pub struct Args {
    #[command(flatten)]
    plan: PlanFlags,
    #[command(flatten)]
    run: RunFlags,
    /// Say where the time went, stage by stage
    #[arg(long)]
    profile: bool,
    /// Refuse inputs that break the VCF specification anywhere, as `varbatch validate` finds it; reads them once more
    #[arg(long)]
    strict: bool,
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let started = Instant::now();
    if args.profile {
        profile::enable();
    }
    args.run.begin()?;
    let planning_stage = profile::enter(Stage::Plan);
    let stop = args.run.stop_on_signals()?;
    let place = Place::parse(&args.plan.output)?;
    let mut planning = Planning::new(&args.plan, &place, true)?;
    drop(planning_stage);
    if args.strict {
        super::validate::refuse_invalid(&planning.cohort.files)?;
    }
    let mut n_sorted = 0;
    let mut replanned = false;
    loop {
        let result = call(&args, &planning, &place, &stop, replanned);
        replanned = true;
        let Planning { cohort, n_inputs, sorted, scratch, .. } = &mut planning;
        match result {
            Err(error) if error.message().starts_with(UNDEFINED_CONTIG) && define_contigs(cohort, true)? => {
                stop.store(false, Ordering::Relaxed);
            }
            // of gVCFs, which are whole files each, one after the other
            Err(error)
                if is_unsorted(&error) && (!*sorted || (cohort.layout() == Layout::Joint && n_sorted < *n_inputs)) =>
            {
                stop.store(false, Ordering::Relaxed);
                *sorted = true;
                n_sorted += 1;
                sort_input(cohort, &scratch.root.join(COPIES), error)?;
            }
            Err(error) => return Err(error),
            Ok((manifest, fresh)) => {
                if !args.run.quiet {
                    summary(&args.plan.output, &manifest, fresh, started);
                }
                if args.profile {
                    print_profile(started.elapsed());
                }
                // closed with the process at once: one by one, 10,000 maps take 70 ms
                std::mem::forget(std::mem::take(&mut cohort.files));
                return Ok(());
            }
        }
    }
}

/// Plans and runs; false when the same dataset was published before.
fn call(
    args: &Args,
    planning: &Planning,
    place: &Place,
    stop: &AtomicBool,
    replanned: bool,
) -> Result<(Manifest, bool)> {
    let planning_stage = profile::enter(Stage::Plan);
    let files = planning.plan(&args.plan)?.files()?;
    let replace = if args.plan.force {
        Replace::Anything
    } else if replanned {
        Replace::Unfinished
    } else {
        Replace::Nothing
    };
    let (folder, start) = DatasetFolder::begin(place, &files, replace)?;
    if start == Start::Published
        && let Some(manifest) = published(&folder)?
    {
        folder.remove_scratch()?; // a run may have been killed just behind its manifest
        return Ok((manifest, false));
    }
    let plan = StoredPlan::open(place)?.ok_or_else(|| Error::internal("the plan is gone"))?;
    let shards = plan.shards()?;
    let frame = Frame::new(&plan)?;
    drop(planning_stage);
    let progress = Progress::default();
    let run = Run {
        plan: &plan,
        shards: &shards,
        frame: &frame,
        inputs: Inputs::new(&plan, place, &planning.cohort.files),
        folder: &folder,
        reference: planning.reference.as_ref(),
        share: Share::ALL,
        threads: args.run.workers(&plan.root)?,
        go_on: false,
        stop,
        progress: &progress,
    };
    super::progress::watch(&progress, plan.root.input_bytes, !args.run.quiet, || run.work(Stages::All))?;
    Ok((finalize(&plan, &shards, &frame, &folder)?, true))
}

/// Seconds of each stage over all threads, as a table on standard error.
fn print_profile(wall: Duration) {
    let times = profile::times();
    let total: f64 = times.iter().map(|(_, time)| time.as_secs_f64()).sum();
    eprintln!("{:<14} {:>9} {:>7}", "stage", "seconds", "share");
    for (name, time) in &times {
        let seconds = time.as_secs_f64();
        eprintln!("{name:<14} {seconds:>9.3} {:>6.1}%", 100.0 * seconds / total.max(f64::MIN_POSITIVE));
    }
    eprintln!("{:<14} {total:>9.3} over all threads; {:.3} from start to end", "total", wall.as_secs_f64());
    let (cpu, peak) = resources::used();
    eprintln!("{:<14} {cpu:>9.3} of the whole process, and {} MiB at the peak", "CPU", peak >> 20);
}

/// The closing lines.
fn summary(output: &Path, manifest: &Manifest, fresh: bool, started: Instant) {
    tell_warnings(manifest);
    if !fresh {
        eprintln!("{} is complete already; nothing to do", output.display());
        return;
    }
    let (cpu_s, peak_bytes) = resources::used();
    tell_counts(&output.display().to_string(), manifest);
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    eprintln!(
        "wall {:.2} s, CPU {cpu_s:.2} s, peak memory {} MB, output {:.1} MB in {} files",
        started.elapsed().as_secs_f64(),
        peak_bytes >> 20,
        bytes as f64 / 1e6,
        manifest.files.len()
    );
    tell_requests();
    if std::io::stderr().is_terminal() && manifest.accounting.records_rejected > 0 {
        eprintln!("the rejected records are listed in {}", output.join(MANIFEST_NAME).display());
    }
}

/// Requests to the object store, where there were any.
pub(super) fn tell_requests() {
    let requests = s3::requests();
    if requests.total() > 0 {
        eprintln!("S3: {requests}");
    }
}

/// What was tolerated.
pub(super) fn tell_warnings(manifest: &Manifest) {
    for warning in &manifest.warnings {
        let message = visible(&warning.message);
        eprintln!("warning: {message} ({} time{})", warning.count, if warning.count == 1 { "" } else { "s" });
    }
}

/// What a published dataset holds.
pub(super) fn tell_counts(name: &str, manifest: &Manifest) {
    let a = &manifest.accounting;
    eprintln!(
        "{name}: {} samples, {} variants, {} calls; {} records read, {} rejected",
        grouped(manifest.n_samples),
        grouped(a.variant_rows),
        grouped(a.genotype_rows),
        grouped(a.records_read),
        grouped(a.records_rejected),
    );
    if a.alleles_normalised > 0 || a.alleles_merged > 0 {
        eprintln!(
            "{} alleles normalised, {} kept at the shift bound, {} merged",
            grouped(a.alleles_normalised),
            grouped(a.shift_capped),
            grouped(a.alleles_merged)
        );
    }
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12), "12");
    }
}
