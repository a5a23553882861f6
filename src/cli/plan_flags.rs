//! Flags that `call` and `plan` share: which inputs, which settings; and the cohort and plan that they make.

use super::run_flags::parse_size;
use crate::call::joint::settings::{DEFAULT_PRESET, JointSettings, Prior};
use crate::columns;
use crate::columns::schema::TableSchemas;
use crate::commit::attempt::Attempt;
use crate::commit::folder::{COPIES, STDIN_SPOOL};
use crate::decode::header::Header;
use crate::error::{Error, Location, Result};
use crate::input::prepare::{define_contigs, prepare, sort_input};
use crate::input::reference::Reference;
use crate::input::sheet::{self, InputSpec};
use crate::input::{Cohort, InputFile, Joint, Layout};
use crate::plan::region::Regions;
use crate::plan::{Calls, NewPlan, OnBadRecord, Settings, StoredPlan};
use crate::store::{Place, local, remote};
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Flags of `call` and `plan`.
#[derive(Debug, clap::Args)]
pub struct PlanFlags {
    /// VCF or BCF files (plain, BGZF or gzip, recognised by content), on disk or s3://BUCKET/KEY; - is standard input
    #[arg(value_name = "INPUT")]
    pub input: Vec<PathBuf>,
    /// Dataset to write: a folder, or s3://BUCKET/PREFIX
    #[arg(short, long, value_name = "DATASET")]
    pub output: PathBuf,
    /// List of inputs: one path a line, or a tab-separated sheet with the columns path, sample, sex
    #[arg(long, value_name = "FILE")]
    pub inputs: Option<PathBuf>,
    /// Reference: REF is checked against it and alleles are left-aligned
    #[arg(short = 'f', long, value_name = "FASTA")]
    pub reference: Option<PathBuf>,
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
    pub preset: Option<String>,
    /// Joint calling: least QUAL of a site [default: that of the preset, 30]
    #[arg(long, value_name = "QUAL")]
    min_qual: Option<f64>,
    /// Joint calling: also write posterior genotypes, given the allele frequencies of the cohort; GT stays as it is
    #[arg(long, value_enum)]
    prior: Option<PriorArg>,
    /// Wanted size of a shard in bytes of compressed input, e.g. 64M [default: by the size of the inputs]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    shard_size: Option<u64>,
    /// Replace a dataset (finished or not) of other inputs or settings
    #[arg(long)]
    pub force: bool,
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

/// Opened and prepared inputs, with what they were asked for by.
pub struct Planning {
    /// The inputs.
    pub cohort: Cohort,
    /// For left-alignment.
    pub reference: Option<Reference>,
    /// Number of inputs asked for.
    pub n_inputs: usize,
    /// A file was sorted by a run before this one.
    pub sorted: bool,
    /// Where copies of inputs are.
    pub scratch: Scratch,
}

/// Where standard input and copies of inputs are kept while they are worked on: in the dataset, where that is a folder, so that
/// other processes find them; else in a folder of this process.
pub struct Scratch {
    /// The folder above them.
    pub root: PathBuf,
    is_own: bool,
}

impl Scratch {
    fn new(place: &Place) -> Scratch {
        match place.local() {
            Some(root) => Scratch { root: root.to_path_buf(), is_own: false },
            None => {
                let name = format!("varbatch-{}", Attempt::new(0, 1, None).id);
                Scratch { root: std::env::temp_dir().join(name), is_own: true }
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.is_own {
            // best effort: the system empties this folder, too
            let _ = local::remove_folder(&self.root);
        }
    }
}

impl Planning {
    /// Opens and prepares the inputs. Copies of them go below `output`.
    pub fn new(flags: &PlanFlags, place: &Place, may_spool: bool) -> Result<Planning> {
        let scratch = Scratch::new(place);
        let specs = input_specs(flags)?;
        let mut cohort = open_cohort(flags, &specs, may_spool.then_some(&scratch.root))?;
        prepare(&mut cohort, &scratch.root.join(COPIES))?;
        set_joint_header(flags, &mut cohort)?;
        let reference = flags.reference.as_deref().map(Reference::open).transpose()?;
        let sorted = take_up_unfinished(&mut cohort, place, &scratch)?;
        Ok(Planning { cohort, reference, n_inputs: specs.len(), sorted, scratch })
    }

    /// The same with the first input of an inventory only.
    pub fn of_first(flags: &PlanFlags, place: &Place, path: &str) -> Result<Planning> {
        let specs = [InputSpec { path: path.into(), samples: Vec::new() }];
        let mut cohort = open_cohort(flags, &specs, None)?;
        set_joint_header(flags, &mut cohort)?;
        let reference = flags.reference.as_deref().map(Reference::open).transpose()?;
        Ok(Planning { cohort, reference, n_inputs: 1, sorted: false, scratch: Scratch::new(place) })
    }

    /// Divides the work.
    pub fn plan(&self, flags: &PlanFlags) -> Result<NewPlan> {
        let settings = settings(flags, &self.cohort, self.reference.as_ref())?;
        let plan = NewPlan::new(&self.cohort, settings, flags.reference.as_deref(), &self.scratch.root)?;
        // workers know the header as the text that the plan has of it
        let read_back = Header::parse(plan.root.header.as_bytes())?;
        let has_samples = !self.cohort.samples.is_empty();
        let [own, theirs] = [&self.cohort.header, &read_back].map(|header| TableSchemas::new(header, has_samples));
        if (own.variants, own.genotypes) != (theirs.variants, theirs.genotypes) {
            return Err(Error::internal("the header of the cohort changes when it is written and read"));
        }
        Ok(plan)
    }
}

/// An unfinished run may have found that an input is not sorted, or that contigs are not defined: what it planned then is
/// taken up, so that its shards count. True when an input was sorted.
fn take_up_unfinished(cohort: &mut Cohort, place: &Place, scratch: &Scratch) -> Result<bool> {
    // a plan that is not understood is no reason to stop here: it is compared with the new one
    let Some(plan) = StoredPlan::open(place).unwrap_or_default() else { return Ok(false) };
    if plan.root.contigs.len() > cohort.contigs.len() {
        define_contigs(cohort, true)?;
    }
    let planned = plan.inputs(0..cohort.files.len()).unwrap_or_default();
    let mut sorted = false;
    for (index, planned) in planned.iter().enumerate().filter(|(_, planned)| planned.copy.is_some()) {
        let file = &cohort.files[index];
        let same = planned.path == file.name && planned.fingerprint == file.origin()?.fingerprint;
        if same && !file.is_copy() {
            let error = Error::internal("a file that was sorted before is too large now").at(file.place());
            sort_input(cohort, &scratch.root.join(COPIES), error)?;
            sorted = true;
        }
    }
    Ok(sorted)
}

fn settings(flags: &PlanFlags, cohort: &Cohort, reference: Option<&Reference>) -> Result<Settings> {
    let mut regions = Regions::parse(flags.regions.iter().map(String::as_str), &cohort.contigs)?;
    if let Some(path) = &flags.regions_file {
        let text = local::read_text(path)?;
        let bed = Regions::parse_bed(&text, &cohort.contigs)
            .map_err(|error| error.at(Location { path: Some(path.display().to_string()), ..Default::default() }))?;
        regions = regions.union(bed);
    }
    Ok(Settings {
        calls: flags.calls,
        on_bad_record: flags.on_bad_record,
        shard_bytes: flags.shard_size,
        reference: reference.map(|reference| reference.fingerprint().to_string()),
        regions,
        joint: joint_settings(flags, cohort)?,
    })
}

/// Preset and flags of joint calling. Flags that mean nothing for these inputs are an error.
fn joint_settings(flags: &PlanFlags, cohort: &Cohort) -> Result<Option<JointSettings>> {
    if cohort.layout() != Layout::Joint {
        let given = [
            ("--preset", flags.preset.is_some()),
            ("--min-qual", flags.min_qual.is_some()),
            ("--prior", flags.prior.is_some()),
        ];
        let given = given.iter().find(|(_, given)| *given);
        return match given {
            None => Ok(None),
            Some((flag, _)) => Err(Error::usage(format!("{flag} is for joint calling, and the inputs are no gVCFs"))
                .hint("`--joint yes` takes them as gVCFs")),
        };
    }
    let preset = flags.preset.as_deref().unwrap_or(DEFAULT_PRESET);
    let mut settings = JointSettings::named(preset, |name| std::fs::read(name).ok())?;
    if let Some(min_qual) = flags.min_qual {
        settings.min_qual = min_qual;
    }
    if let Some(PriorArg::Cohort) = flags.prior {
        settings.prior = Prior::Cohort;
    }
    Ok(Some(settings))
}

/// The fields of a joint call set are its own, not those of the inputs.
fn set_joint_header(flags: &PlanFlags, cohort: &mut Cohort) -> Result<()> {
    let Some(settings) = joint_settings(flags, cohort)? else { return Ok(()) };
    let names: Vec<String> = cohort.samples.iter().map(|sample| sample.sample.clone()).collect();
    let header = columns::joint::header(&cohort.contigs, &names, settings.prior == Prior::Cohort)?;
    let warnings = std::mem::replace(&mut cohort.header, header).warnings;
    cohort.header.warnings = warnings;
    Ok(())
}

fn input_specs(flags: &PlanFlags) -> Result<Vec<InputSpec>> {
    let mut specs: Vec<InputSpec> = flags
        .input
        .iter()
        .map(|path| InputSpec { path: path.to_string_lossy().into_owned(), samples: Vec::new() })
        .collect();
    if let Some(path) = &flags.inputs {
        specs.extend(sheet::read(path)?);
    }
    if specs.is_empty() {
        return Err(Error::usage("no input is named").hint("name VCF or BCF files, or a list of them with --inputs"));
    }
    let mut named = HashSet::with_capacity(specs.len());
    if let Some(twice) = specs.iter().find(|spec| !named.insert(&spec.path)) {
        return Err(Error::usage(format!("the input {} is named twice", twice.path)));
    }
    Ok(specs)
}

/// What messages and plans call it.
const STDIN_NAME: &str = "standard input";

/// Streams are copied below `spools` to be read, unless the shell made one of a file; without it they are an error.
fn open_cohort(flags: &PlanFlags, specs: &[InputSpec], spools: Option<&PathBuf>) -> Result<Cohort> {
    let mut files: Vec<(PathBuf, String)> = Vec::with_capacity(specs.len());
    remote::open_ahead(specs.iter().map(|spec| &spec.path[..]));
    let are_streams: Vec<bool> = specs.par_iter().map(|spec| local::is_stream(Path::new(&spec.path))).collect();
    for (index, (spec, is_stream)) in specs.iter().zip(are_streams).enumerate() {
        let path = Path::new(&spec.path);
        files.push(if spec.path == "-" && spools.is_some() && local::stdin_is_whole_file() {
            (local::STDIN.into(), STDIN_NAME.into())
        } else if is_stream {
            let Some(spools) = spools else {
                return Err(Error::usage(format!("{} is a stream, which other processes cannot read", spec.path))
                    .hint("write it to a file first, or use `varbatch call`"));
            };
            let spool = spools.join(if index == 0 { STDIN_SPOOL.into() } else { format!("{STDIN_SPOOL}-{index}") });
            local::spool(local::open_stream(path)?, &spec.path, &spool)?;
            let name = if spec.path == "-" { STDIN_NAME } else { &spec.path };
            (spool, name.into())
        } else {
            (path.into(), spec.path.clone())
        });
    }
    Cohort::new(InputFile::open_all(&files)?, specs, flags.joint.into())
}
