//! `varbatch call`: plan, work and finalize in one process.

use crate::call::joint::settings::{DEFAULT_PRESET, JointSettings, Prior};
use crate::columns;
use crate::commit::folder::{COPIES, STDIN_SPOOL};
use crate::commit::manifest::{MANIFEST_NAME, Manifest};
use crate::commit::{DatasetFolder, Replace, Start};
use crate::decode::header::HeaderPool;
use crate::decode::vcf::UNDEFINED_CONTIG;
use crate::error::{Error, Location, Result};
use crate::exec::local::LocalRun;
use crate::exec::resources;
use crate::input::prepare::{define_contigs, prepare, sort_input};
use crate::input::reference::Reference;
use crate::input::sheet::{self, InputSpec};
use crate::input::{Cohort, InputFile, Joint, Layout};
use crate::pipeline::{Progress, is_unsorted};
use crate::plan::region::Regions;
use crate::plan::{Calls, OnBadRecord, Plan, Settings};
use crate::profile::{self, Stage};
use crate::store::{local, remote, s3};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
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
    /// VCF or BCF files (plain, BGZF or gzip, recognised by content), on disk or s3://BUCKET/KEY; - is standard input
    #[arg(value_name = "INPUT", required_unless_present = "inputs")]
    input: Vec<PathBuf>,
    /// Folder to write the dataset into
    #[arg(short, long, value_name = "DATASET")]
    output: PathBuf,
    /// List of inputs: one path a line, or a tab-separated sheet with the columns path, sample, sex
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Reference: REF is checked against it and alleles are left-aligned
    #[arg(short = 'f', long, value_name = "FASTA")]
    reference: Option<PathBuf>,
    /// Take records whose POS is in these regions only (contig:start-end, 1-based, comma-separated)
    #[arg(short, long, value_name = "REGIONS", value_delimiter = ',')]
    regions: Vec<String>,
    /// Take records whose POS is in the intervals of this BED file only
    #[arg(short = 'R', long, value_name = "BED")]
    regions_file: Option<PathBuf>,
    /// Which calls the genotypes table holds
    #[arg(long, value_enum, default_value_t = Calls::Carriers)]
    calls: Calls,
    /// What to do with a record that breaks the format
    #[arg(long, value_enum, default_value_t = OnBadRecord::Fail)]
    on_bad_record: OnBadRecord,
    /// Whether samples are called together from their gVCFs
    #[arg(long, value_enum, default_value_t = JointArg::Auto)]
    joint: JointArg,
    /// Joint calling: settings that belong together, by name or as a JSON file; `gatk` calls as GenotypeGVCFs does
    /// [default: default]
    #[arg(long, value_name = "NAME|FILE")]
    preset: Option<String>,
    /// Joint calling: least QUAL of a site [default: that of the preset, 30]
    #[arg(long, value_name = "QUAL")]
    min_qual: Option<f64>,
    /// Joint calling: also write posterior genotypes, given the allele frequencies of the cohort; GT stays as it is
    #[arg(long, value_enum)]
    prior: Option<PriorArg>,
    /// Wanted size of a shard in bytes of compressed input, e.g. 64M [default: by the size of the inputs]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    shard_size: Option<u64>,
    /// Number of worker threads [default: all cores that the process may use]
    #[arg(short = '@', long, value_name = "N")]
    threads: Option<usize>,
    /// Memory to stay under, e.g. 8G; fewer workers run when it is small [default: 80 % of what the process may use]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,
    /// Replace a dataset (finished or not) of other inputs or settings
    #[arg(long)]
    force: bool,
    /// S3 server of s3:// inputs, where it is not Amazon's [default: AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Say where the time went, stage by stage
    #[arg(long)]
    profile: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

/// Whether samples are called together.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum JointArg {
    /// When the inputs are gVCFs
    Auto,
    /// Take every input as a gVCF: positions that it says nothing of are no-calls
    Yes,
    /// Load the records of gVCFs like any others
    No,
}

/// What is known about genotypes before a sample's likelihoods.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum PriorArg {
    /// Nothing
    None,
    /// The allele frequencies of the cohort: adds the columns fmt_cgt, fmt_cgq and fmt_gp
    Cohort,
}

impl From<JointArg> for Joint {
    fn from(joint: JointArg) -> Joint {
        match joint {
            JointArg::Auto => Joint::Auto,
            JointArg::Yes => Joint::Yes,
            JointArg::No => Joint::No,
        }
    }
}

/// A number of bytes with an optional K, M, G or T (powers of 1,024).
pub fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let trimmed = text.trim().trim_end_matches(['b', 'B']).trim_end_matches(['i']);
    let (digits, shift) = match trimmed.chars().last().map(|last| last.to_ascii_uppercase()) {
        Some('K') => (&trimmed[..trimmed.len() - 1], 10),
        Some('M') => (&trimmed[..trimmed.len() - 1], 20),
        Some('G') => (&trimmed[..trimmed.len() - 1], 30),
        Some('T') => (&trimmed[..trimmed.len() - 1], 40),
        _ => (trimmed, 0),
    };
    let value: f64 = digits.trim().parse().map_err(|_| format!("{text:?} is not a size such as 64M or 2G"))?;
    let bytes = value * (1u64 << shift) as f64;
    if bytes < 1.0 || !bytes.is_finite() {
        return Err(format!("{text:?} is less than one byte"));
    }
    Ok(bytes as u64)
}

/// Memory that one worker needs beside what its pieces hold, in bytes: buffers of open row groups and of the inflater.
const WORKER_BYTES: u64 = 96 << 20;

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let started = Instant::now();
    if args.profile {
        profile::enable();
    }
    s3::set_default_endpoint(args.endpoint_url.as_deref());
    let planning = profile::enter(Stage::Plan);
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, stop.clone())
            .map_err(|error| Error::internal(format!("cannot listen to signals: {error}")))?;
    }
    let specs = input_specs(&args)?;
    let mut cohort = open_cohort(&args, &specs)?;
    let copies = args.output.join(COPIES);
    prepare(&mut cohort, &copies)?;
    set_joint_header(&args, &mut cohort)?;
    let reference = args.reference.as_deref().map(Reference::open).transpose()?;
    let mut sorted = take_up_unfinished(&args, &mut cohort)?;
    drop(planning);
    let mut n_sorted = 0;
    let mut replanned = false;
    loop {
        let result = call(&args, &cohort, reference.as_ref(), &stop, replanned);
        replanned = true;
        match result {
            Err(error) if error.message().starts_with(UNDEFINED_CONTIG) && define_contigs(&mut cohort, true)? => {
                stop.store(false, Ordering::Relaxed);
            }
            // of gVCFs, which are whole files each, one after the other
            Err(error)
                if is_unsorted(&error) && (!sorted || (cohort.layout() == Layout::Joint && n_sorted < specs.len())) =>
            {
                stop.store(false, Ordering::Relaxed);
                sorted = true;
                n_sorted += 1;
                sort_input(&mut cohort, &copies, error)?;
            }
            Err(error) => return Err(error),
            Ok((manifest, fresh)) => {
                if !args.quiet {
                    summary(&args.output, &manifest, fresh, started);
                }
                if args.profile {
                    print_profile(started.elapsed());
                }
                return Ok(());
            }
        }
    }
}

/// An unfinished run may have found that an input is not sorted, or that contigs are not defined: what it planned then is
/// taken up, so that its shards count. True when an input was sorted.
fn take_up_unfinished(args: &Args, cohort: &mut Cohort) -> Result<bool> {
    let Some(bytes) = local::read_if_there(&args.output.join("_plan/plan.json"))? else { return Ok(false) };
    let plan: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let n_contigs = plan["contigs"].as_array().map_or(0, Vec::len);
    if n_contigs > cohort.contigs.len() {
        define_contigs(cohort, true)?;
    }
    let mut sorted = false;
    for index in 0..cohort.files.len() {
        let file = &cohort.files[index];
        let planned = &plan["inputs"][index];
        let same =
            planned["path"] == file.name.as_str() && planned["fingerprint"] == file.origin().fingerprint.as_str();
        if same && planned["copied"] == true && !file.is_copy() {
            let error = Error::internal("a file that was sorted before is too large now").at(file.place());
            sort_input(cohort, &args.output.join(COPIES), error)?;
            sorted = true;
        }
    }
    Ok(sorted)
}

/// Plans and runs; false when the same dataset was published before.
fn call(
    args: &Args,
    cohort: &Cohort,
    reference: Option<&Reference>,
    stop: &AtomicBool,
    replanned: bool,
) -> Result<(Manifest, bool)> {
    let settings = settings(args, cohort, reference)?;
    let planning = profile::enter(Stage::Plan);
    let plan = Plan::new(cohort, settings)?;
    let replace = if args.force {
        Replace::Anything
    } else if replanned {
        Replace::Unfinished
    } else {
        Replace::Nothing
    };
    let (folder, start) = DatasetFolder::begin(&args.output, &plan.to_json(), &plan.digest(), replace)?;
    if start == Start::Published {
        folder.remove_scratch()?; // a run may have been killed just behind its manifest
        let path = args.output.join(MANIFEST_NAME);
        let bytes = local::read_if_there(&path)?.unwrap_or_default();
        let manifest = serde_json::from_slice(&bytes)
            .map_err(|error| Error::internal(format!("cannot read {}: {error}", path.display())))?;
        return Ok((manifest, false));
    }
    drop(planning);
    let progress = Progress::default();
    let run =
        LocalRun { cohort, plan: &plan, folder: &folder, reference, threads: workers(args), stop, progress: &progress };
    let total: u64 = plan.inputs.iter().map(|input| input.bytes).sum();
    let manifest = super::progress::watch(&progress, total, !args.quiet, || run.run())?;
    Ok((manifest, true))
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

fn workers(args: &Args) -> usize {
    let threads = args.threads.unwrap_or_else(resources::cores).max(1);
    let memory = args.memory.unwrap_or_else(|| resources::memory_bytes() / 5 * 4);
    threads.min((memory / WORKER_BYTES).max(1) as usize)
}

fn settings(args: &Args, cohort: &Cohort, reference: Option<&Reference>) -> Result<Settings> {
    let mut regions = Regions::parse(args.regions.iter().map(String::as_str), &cohort.contigs)?;
    if let Some(path) = &args.regions_file {
        let text = local::read_text(path)?;
        let bed = Regions::parse_bed(&text, &cohort.contigs)
            .map_err(|error| error.at(Location { path: Some(path.display().to_string()), ..Default::default() }))?;
        regions = regions.union(bed);
    }
    Ok(Settings {
        calls: args.calls,
        on_bad_record: args.on_bad_record,
        shard_bytes: args.shard_size,
        reference: reference.map(|reference| reference.fingerprint().to_string()),
        regions,
        joint: joint_settings(args, cohort)?,
    })
}

/// Preset and flags of joint calling. Flags that mean nothing for these inputs are an error.
fn joint_settings(args: &Args, cohort: &Cohort) -> Result<Option<JointSettings>> {
    if cohort.layout() != Layout::Joint {
        let given = [
            ("--preset", args.preset.is_some()),
            ("--min-qual", args.min_qual.is_some()),
            ("--prior", args.prior.is_some()),
        ];
        let given = given.iter().find(|(_, given)| *given);
        return match given {
            None => Ok(None),
            Some((flag, _)) => Err(Error::usage(format!("{flag} is for joint calling, and the inputs are no gVCFs"))
                .hint("`--joint yes` takes them as gVCFs")),
        };
    }
    let preset = args.preset.as_deref().unwrap_or(DEFAULT_PRESET);
    let mut settings = JointSettings::named(preset, |name| std::fs::read(name).ok())?;
    if let Some(min_qual) = args.min_qual {
        settings.min_qual = min_qual;
    }
    if let Some(PriorArg::Cohort) = args.prior {
        settings.prior = Prior::Cohort;
    }
    Ok(Some(settings))
}

/// The fields of a joint call set are its own, not those of the inputs.
fn set_joint_header(args: &Args, cohort: &mut Cohort) -> Result<()> {
    let Some(settings) = joint_settings(args, cohort)? else { return Ok(()) };
    let names: Vec<String> = cohort.samples.iter().map(|sample| sample.sample.clone()).collect();
    let header = columns::joint::header(&cohort.contigs, &names, settings.prior == Prior::Cohort)?;
    let warnings = std::mem::replace(&mut cohort.header, header).warnings;
    cohort.header.warnings = warnings;
    Ok(())
}

fn input_specs(args: &Args) -> Result<Vec<InputSpec>> {
    let mut specs: Vec<InputSpec> = args
        .input
        .iter()
        .map(|path| InputSpec { path: path.to_string_lossy().into_owned(), samples: Vec::new() })
        .collect();
    if let Some(path) = &args.inputs {
        specs.extend(sheet::read(path)?);
    }
    for (index, spec) in specs.iter().enumerate() {
        if specs[..index].iter().any(|other| other.path == spec.path) {
            return Err(Error::usage(format!("the input {} is named twice", spec.path)));
        }
    }
    Ok(specs)
}

fn open_cohort(args: &Args, specs: &[InputSpec]) -> Result<Cohort> {
    let mut files = Vec::new();
    let mut pool = HeaderPool::default();
    remote::open_ahead(specs.iter().map(|spec| &spec.path[..]));
    for (index, spec) in specs.iter().enumerate() {
        let path = Path::new(&spec.path);
        let file = if local::is_stream(path) {
            let spool =
                args.output.join(if index == 0 { STDIN_SPOOL.into() } else { format!("{STDIN_SPOOL}-{index}") });
            let source: Box<dyn Read> = if spec.path == "-" {
                Box::new(std::io::stdin().lock())
            } else {
                Box::new(std::fs::File::open(path).map_err(|error| Error::reading(path, error))?)
            };
            local::spool(source, &spec.path, &spool)?;
            let name = if spec.path == "-" { "standard input" } else { &spec.path };
            InputFile::open_with(&spool, name, &mut pool)
        } else {
            InputFile::open_with(path, &spec.path, &mut pool)
        };
        files.push(file?);
    }
    Cohort::new(files, specs, args.joint.into())
}

/// The closing lines.
fn summary(output: &Path, manifest: &Manifest, fresh: bool, started: Instant) {
    for warning in &manifest.warnings {
        eprintln!("warning: {} ({} time{})", warning.message, warning.count, if warning.count == 1 { "" } else { "s" });
    }
    let a = &manifest.accounting;
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    if !fresh {
        eprintln!("{} is complete already; nothing to do", output.display());
        return;
    }
    let (cpu_s, peak_bytes) = resources::used();
    eprintln!(
        "{}: {} samples, {} variants, {} calls; {} records read, {} rejected",
        output.display(),
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
    eprintln!(
        "wall {:.2} s, CPU {cpu_s:.2} s, peak memory {} MB, output {:.1} MB in {} files",
        started.elapsed().as_secs_f64(),
        peak_bytes >> 20,
        bytes as f64 / 1e6,
        manifest.files.len()
    );
    let requests = s3::requests();
    if requests.total() > 0 {
        eprintln!("S3: {requests}");
    }
    if std::io::stderr().is_terminal() && a.records_rejected > 0 {
        eprintln!("the rejected records are listed in {}", output.join(MANIFEST_NAME).display());
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
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
    fn sizes_and_numbers() {
        assert_eq!(parse_size("64M"), Ok(64 << 20));
        assert_eq!(parse_size("1.5GiB"), Ok(3 << 29));
        assert_eq!(parse_size("123"), Ok(123));
        assert!(parse_size("x").is_err() && parse_size("0").is_err());
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(12), "12");
    }
}
