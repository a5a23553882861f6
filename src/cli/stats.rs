//! `varbatch stats`

use super::analysis_flags::AnalysisFlags;
use super::select_flags::Defaults;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::stats::results::Results;
use crate::stats::selection::{SampleSet, Selection};
use crate::stats::tables::cohort::CohortTally;
use crate::stats::tables::groups::Groups;
use crate::stats::tables::mendel::{mendel, read_ped};
use crate::stats::tables::output::Output;
use crate::stats::tables::samples::SampleTable;
use crate::stats::tables::scan::{Scanned, Sinks, scan};
use crate::stats::tables::sex_check::sex_check;
use crate::stats::tables::stored;
use std::path::PathBuf;

/// Flags of `stats`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Tables, stored beside the dataset, where `varbatch query` finds them: variant_stats, sample_stats, cohort_stats, indel_lengths,
substitutions, af_spectrum, qual_depth; group_stats with --groups; sex_check; mendel_trios, mendel_variants and mendel_errors
with --ped. docs/formats.md names their columns, docs/methods-stats.md the formulas.

Examples:
  varbatch stats demo.ds
  varbatch query demo.ds \"SELECT * FROM variant_stats WHERE hwe_midp < 1e-6 OR call_rate < 0.95\"
  varbatch stats demo.ds --types snv --min-maf 0.05 --table sample_stats -o samples.tsv
  varbatch stats demo.ds --groups populations.tsv --sex-check --ped families.ped")]
pub struct Args {
    #[command(flatten)]
    analysis: AnalysisFlags,
    /// Inbreeding coefficient F of each sample over autosomal variants with one ALT (always there with a selection)
    #[arg(long)]
    het: bool,
    /// Also count by group: a file with a sample and its group in each line, a tab between them, or a column of the table samples
    #[arg(long, value_name = "FILE|COLUMN")]
    groups: Option<String>,
    /// Compare the calls on X and Y with the sex that the sample sheet says
    #[arg(long)]
    sex_check: bool,
    /// Mendelian errors of the trios in this PED or FAM file: family, sample, father, mother, sex
    #[arg(long, value_name = "FILE")]
    ped: Option<PathBuf>,
    /// The table that -o writes
    #[arg(long, value_name = "NAME", default_value = "variant_stats", requires = "output")]
    table: String,
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let dataset = args.analysis.open()?;
    let settings = serde_json::json!({
        "select": args.analysis.select.described(Defaults::default()), "het": args.het,
        "groups": args.groups,
        "sex_check": args.sex_check, "ped": args.ped.as_ref().map(|path| path.display().to_string()),
    });
    let mut output = Output::new(Results::new(&dataset, "stats", settings), args.analysis.result.wanted(&args.table));
    let counted = general(&args, &dataset, &mut output)?;
    let stored = output.finish()?;
    report(&args, &counted);
    if !stored.is_empty() {
        eprintln!("stored: {}", stored.join(", "));
    }
    Ok(())
}

/// What was counted, for the message.
struct Counted {
    cohort: CohortTally,
    n_samples: usize,
    /// Lines about trios and sexes.
    more: Vec<String>,
}

fn general(args: &Args, dataset: &Dataset, output: &mut Output) -> Result<Counted> {
    let all = SampleSet::all(dataset)?;
    let selection = args.analysis.selection(dataset, Defaults::default())?;
    let groups = args.groups.as_ref().map(|name| Groups::named(name, dataset, &all, &selection.samples)).transpose()?;
    // what may be refused comes before anything is stored
    let trios = args.ped.as_ref().map(|path| read_ped(path, &selection.samples)).transpose()?;
    let sexes = args.sex_check.then(|| sex_check(dataset, &selection)).transpose()?;
    let (cohort, table, scanned) = match args.analysis.select.is_empty() {
        true => from_tables(args, dataset, &selection, groups.as_ref(), output)?,
        false => {
            let mut scanned = from_calls(dataset, &selection, groups.as_ref(), (true, &mut *output))?;
            (std::mem::take(&mut scanned.cohort), std::mem::take(&mut scanned.samples), scanned)
        }
    };
    output.put("sample_stats", table.frame(&selection.samples, &scanned.homozygosity)?)?;
    for (name, frame) in cohort.tables(selection.samples.len())? {
        output.put(name, frame)?;
    }
    let mut more = Vec::new();
    if let Some((n_problems, table)) = sexes {
        output.put("sex_check", table)?;
        more.push(format!("sex check: {n_problems} samples whose calls do not fit (table sex_check)"));
    }
    if let Some(trios) = trios {
        let tables = mendel(dataset, &selection, &trios)?;
        let n_errors = tables.last().map_or(0, |(_, errors)| errors.height());
        more.push(format!("{} trios, {n_errors} Mendelian errors (table mendel_trios)", trios.len()));
        for (name, table) in tables {
            output.put(name, table)?;
        }
    }
    Ok(Counted { cohort, n_samples: selection.samples.len(), more })
}

/// Everything that the dataset's tables hold; the genotypes are read for F and for groups only.
fn from_tables(
    args: &Args,
    dataset: &Dataset,
    selection: &Selection,
    groups: Option<&Groups>,
    output: &mut Output,
) -> Result<(CohortTally, SampleTable, Scanned)> {
    let mut sink = output.begin("variant_stats")?;
    let cohort = stored::variant_stats(dataset, &selection.samples, &mut sink)?;
    sink.finish(serde_json::Value::Null)?;
    let scanned = match args.het || groups.is_some() {
        true => from_calls(dataset, selection, groups, (false, output))?,
        false => Scanned::default(),
    };
    Ok((cohort, SampleTable::stored(dataset, &selection.samples)?, scanned))
}

/// `to`: whether to write `variant_stats`, and where.
fn from_calls(
    dataset: &Dataset,
    selection: &Selection,
    groups: Option<&Groups>,
    to: (bool, &mut Output),
) -> Result<Scanned> {
    let (with_variants, output) = to;
    let mut variants = if with_variants { Some(output.begin("variant_stats")?) } else { None };
    let mut by_group = if groups.is_some() { Some(output.begin("group_stats")?) } else { None };
    let sinks = Sinks { variants: variants.as_mut(), groups: groups.zip(by_group.as_mut()) };
    let scanned = scan(dataset, selection, sinks)?;
    for sink in variants.into_iter().chain(by_group) {
        sink.finish(serde_json::Value::Null)?;
    }
    Ok(scanned)
}

/// A few numbers for people, on standard error.
fn report(args: &Args, counted: &Counted) {
    let Counted { cohort, n_samples, more } = counted;
    let statistics = cohort.statistics(*n_samples);
    let value = |name: &str| statistics.iter().find(|(known, _)| known == name).and_then(|(_, value)| *value);
    let whole = |name: &str| value(name).unwrap_or_default();
    let share = |name: &str| value(name).map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    eprintln!(
        "{}: {} samples, {} variants: {} snv, {} ins, {} del, {} mnv, {} others",
        args.analysis.dataset.display(),
        n_samples,
        cohort.n_variants(),
        whole("n_snv"),
        whole("n_ins"),
        whole("n_del"),
        whole("n_mnv"),
        whole("n_symbolic") + whole("n_breakend") + whole("n_other"),
    );
    eprintln!(
        "call rate {}, Ti/Tv {}, het/hom {}, {} singletons",
        share("call_rate"),
        share("ti_tv"),
        share("het_hom_ratio"),
        whole("n_singleton"),
    );
    more.iter().for_each(|line| eprintln!("{line}"));
}
