//! `varbatch validate`

use crate::error::{Class, Error, Location, Result};
use crate::input::{InputFile, whole_text};
use crate::validate::{Finding, Severity, validate};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Flags of `validate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Every rule of VCF 4.1 to 4.5 that a header or a record can break. A finding is one line on standard output: file, line, column,
error or warning, what was found and expected, and where the specification says so. A BCF is checked as the text that it stands
for. Warnings do not make a file invalid; a file with errors ends with exit code 65.

`varbatch call` tolerates much of this, says so once for each kind, and has `--strict` to refuse it.

Examples:
  varbatch validate cohort.vcf.gz
  varbatch validate *.g.vcf.gz --format json > findings.jsonl")]
pub struct Args {
    /// VCF (plain, BGZF, gzip) or BCF files, on this machine or s3://
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// text: a line for people; json: one JSON object on each line
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Show at most N findings of each rule in each file; all are counted [default: 100 as text, all as json]
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    let limit = args.limit.unwrap_or(if args.format == Format::Text { 100 } else { u64::MAX });
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut n_invalid = 0;
    let mut unread = None;
    for input in &args.inputs {
        match one_file(input, args.format, limit, &mut out) {
            Ok(tally) => {
                tally.tell(input, limit);
                n_invalid += u64::from(tally.n_errors > 0);
            }
            Err(error) if error.class() == Class::ClosedPipe => return Err(error),
            Err(error) => {
                super::print_error(&error);
                unread.get_or_insert(error);
            }
        }
    }
    out.flush().map_err(Error::stdout)?;
    if let Some(error) = unread {
        return Err(Error::new(error.class(), "not every file could be read to its end"));
    }
    match n_invalid {
        0 => Ok(()),
        _ if args.inputs.len() == 1 => Err(Error::bad_data("the file breaks the specification")),
        n => Err(Error::bad_data(format!("{n} of {} files break the specification", args.inputs.len()))),
    }
}

/// How much of each rule was found.
#[derive(Default)]
struct Tally {
    by_rule: BTreeMap<(Severity, &'static str), u64>,
    n_errors: u64,
}

impl Tally {
    fn tell(&self, input: &Path, limit: u64) {
        let n_warnings: u64 = self.by_rule.iter().filter(|(rule, _)| rule.0 == Severity::Warning).map(|(_, n)| n).sum();
        let verdict = if self.n_errors == 0 { "valid" } else { "not valid" };
        let (errors, warnings) = (counted(self.n_errors, "error"), counted(n_warnings, "warning"));
        eprintln!("{}: {verdict}: {errors}, {warnings}", input.display());
        for ((_, rule), n) in self.by_rule.iter().filter(|(_, n)| **n > limit) {
            eprintln!("  {rule}: {n}, of which {limit} are shown (`--limit`)");
        }
    }
}

fn one_file(input: &Path, format: Format, limit: u64, out: &mut impl Write) -> Result<Tally> {
    let name = input.display().to_string();
    let mut tally = Tally::default();
    let mut failed = None;
    let mut take = |finding: Finding| {
        let n = tally.by_rule.entry((finding.severity, finding.rule)).or_default();
        *n += 1;
        if *n <= limit && failed.is_none() {
            failed = print(&name, &finding, format, out).err();
        }
    };
    let n_errors = whole_text(input, &name, |text| validate(text, &mut take))?;
    tally.n_errors = n_errors;
    match failed {
        Some(error) => Err(Error::stdout(error)),
        None => Ok(tally),
    }
}

/// For `--strict`: the first error of the first file that has one, and how many there are.
pub fn refuse_invalid(files: &[InputFile]) -> Result<()> {
    let found: Vec<Option<(Finding, u64)>> = files.par_iter().map(first_error).collect::<Result<_>>()?;
    let mut invalid = files.iter().zip(found).filter_map(|(file, found)| Some((file, found?)));
    let Some((file, (first, n))) = invalid.next() else { return Ok(()) };
    let place = Location { line: Some(first.line), ..file.place() };
    let others = match invalid.count() {
        0 => String::new(),
        n => format!("; {n} more of the inputs are not valid"),
    };
    let message = format!("{} ({}), the first of {}{others}", first.message, first.section, counted(n, "error"));
    Err(Error::bad_data(message)
        .at(place)
        .hint("`varbatch validate` lists them all; without --strict what can be read is read"))
}

fn first_error(file: &InputFile) -> Result<Option<(Finding, u64)>> {
    let mut first = None;
    let mut take = |finding: Finding| {
        if finding.severity == Severity::Error {
            first.get_or_insert(finding);
        }
    };
    let n = file.whole_text(|text| validate(text, &mut take))?;
    Ok(first.map(|first| (first, n)))
}

fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn print(name: &str, finding: &Finding, format: Format, out: &mut impl Write) -> std::io::Result<()> {
    match format {
        Format::Text => {
            let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
            let Finding { line, column, message, rule, section, .. } = finding;
            writeln!(out, "{name}:{line}:{column}: {severity}: {message} [{rule}, {section}]")
        }
        Format::Json => {
            let mut value = serde_json::to_value(finding).map_err(std::io::Error::other)?;
            value["file"] = name.into();
            writeln!(out, "{value}")
        }
    }
}
