//! `varbatch annotate`

use super::threads::use_threads;
use crate::annotate::contigs::ContigMap;
use crate::annotate::spec::{Columns, KeyNames, SourceSpec, default_name, word};
use crate::annotate::{Report, Settings, SourceReport, annotate};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use std::path::PathBuf;

/// Flags of `annotate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
By allele: VCF, BCF, Parquet (a file, a folder, or a dataset of varbatch), and tables with tabs or commas that have contig, pos, ref and
alt. By interval: BED, GFF3, GTF; an allele has the values of all that touch its bases. What a file is, is seen from its content. The
alleles of sources are split, trimmed and (with -f) left-aligned as those of the dataset are.

Stored beside the dataset, where `query` finds them: annotations (a row for each variant that has any), and with --consequences the table
consequences (a row for each variant and transcript). Columns of earlier runs stay, but for those of a source of the same --name.

--columns, --name, --key and --feature are said once for all --from, or once for each, in their order.

Examples:
  varbatch annotate demo.ds -f ref.fa --from clinvar.vcf.gz --columns 'CLNSIG,CLNDN' --from gnomad.vcf.gz --columns 'AF as gnomad_af'
  varbatch annotate demo.ds --from cadd.tsv.gz --name cadd --contig-map auto
  varbatch annotate demo.ds --from capture.bed --from genes.gff3.gz --feature gene
  varbatch annotate demo.ds --consequences
  varbatch query demo.ds \"SELECT contig, pos, ref, alt, gene, most_severe FROM variants_annotated WHERE impact = 'HIGH'\"")]
pub struct Args {
    /// The dataset
    dataset: PathBuf,
    /// A source: VCF, BCF, Parquet, TSV, CSV, BED, GFF3 or GTF, compressed or not
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
    /// What to take of it: INFO fields, ID, QUAL, FILTER; columns; attributes. FIELD, 'FIELD as NAME' or FIELD:TYPE with commas
    /// between them; `*` is all, `none` is none [default: all]
    #[arg(long, value_name = "FIELDS", requires = "from")]
    columns: Vec<String>,
    /// What its columns begin with; files of one name are parts of one source [default: the name of the file up to the first point]
    #[arg(long, value_name = "NAME", requires = "from")]
    name: Vec<String>,
    /// Key columns of a table that have unusual names: contig=NAME,pos=NAME,ref=NAME,alt=NAME
    #[arg(long, value_name = "NAMES", requires = "from")]
    key: Vec<String>,
    /// Of GFF and GTF only features of these types, with commas between them: gene, CDS, ...
    #[arg(long, value_name = "TYPES", requires = "from")]
    feature: Vec<String>,
    /// Also read entries of VEP (CSQ), SnpEff (ANN) or bcftools csq (BCSQ), of a VCF source or else of the dataset; TAG where it has
    /// another name
    #[arg(long, value_name = "TAG", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    consequences: Option<String>,
    /// Reference in FASTA: left-aligns the alleles of the sources, as `call -f` did those of the dataset
    #[arg(short = 'f', long, value_name = "FASTA")]
    reference: Option<PathBuf>,
    /// `auto`: names with and without chr are the same; or a file with the name in the source and in the dataset in each line
    #[arg(long, value_name = "auto|FILE")]
    contig_map: Option<String>,
    /// What to do with rows of a source that are wrong
    #[arg(long, value_enum, default_value = "fail")]
    on_bad_record: OnBad,
    /// Leave the columns of earlier runs out of annotations
    #[arg(long)]
    replace: bool,
    /// Threads [default: all cores]
    #[arg(short = '@', long, value_name = "N")]
    threads: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OnBad {
    /// End with an error that names the line
    Fail,
    /// Leave it out, and count it
    Skip,
}

/// The value of a flag for the source at `at`: the same for all, or one for each.
fn of_source<'a>(flag: &str, values: &'a [String], at: usize, n: usize) -> Result<Option<&'a str>> {
    match values.len() {
        0 => Ok(None),
        1 => Ok(Some(&values[0])),
        found if found == n => Ok(Some(&values[at])),
        found => Err(Error::usage(format!("{flag} is given {found} times, and --from {n} times"))
            .hint(format!("give {flag} once, for all, or once for each --from, in their order"))),
    }
}

impl Args {
    fn sources(&self) -> Result<Vec<SourceSpec>> {
        let n = self.from.len();
        let source = |(at, path): (usize, &PathBuf)| {
            let name = match of_source("--name", &self.name, at, n)? {
                Some("") => String::new(),
                Some(name) if word(name) == name && !name.starts_with(|first: char| first.is_ascii_digit()) => {
                    name.into()
                }
                Some(name) => {
                    return Err(Error::usage(format!("--name is `{name}`"))
                        .hint("use small letters, digits and _, beginning with a letter"));
                }
                None => default_name(path),
            };
            let columns = of_source("--columns", &self.columns, at, n)?.map(Columns::parse).transpose()?;
            let key = of_source("--key", &self.key, at, n)?.map(KeyNames::parse).transpose()?;
            let features = of_source("--feature", &self.feature, at, n)?.unwrap_or_default();
            Ok(SourceSpec {
                path: path.clone(),
                name,
                columns: columns.unwrap_or(Columns::All),
                key: key.unwrap_or_default(),
                shares_key: self.key.len() < n,
                features: features.split(',').filter(|kind| !kind.is_empty()).map(String::from).collect(),
            })
        };
        self.from.iter().enumerate().map(source).collect()
    }

    /// For the description of the tables.
    fn described(&self, sources: &[SourceSpec]) -> serde_json::Value {
        let path = |path: &PathBuf| path.display().to_string();
        let one = |source: &SourceSpec| {
            serde_json::json!({
                "from": path(&source.path), "name": source.name, "columns": source.columns.describe(),
                "key": source.key.describe(), "feature": source.features,
            })
        };
        serde_json::json!({
            "sources": sources.iter().map(one).collect::<Vec<_>>(), "consequences": self.consequences,
            "reference": self.reference.as_ref().map(path),
            "contig_map": self.contig_map.as_deref().map(ContigMap::parse).unwrap_or_default().describe(),
            "on_bad_record": if self.on_bad_record == OnBad::Skip { "skip" } else { "fail" }, "replace": self.replace,
        })
    }
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    use_threads(args.threads)?;
    if args.from.is_empty() && args.consequences.is_none() {
        return Err(Error::usage("nothing to annotate with").hint("name a source with --from, or say --consequences"));
    }
    let sources = args.sources()?;
    let described = args.described(&sources);
    let dataset = Dataset::open(&args.dataset)?;
    let settings = Settings {
        sources,
        consequences: args.consequences,
        reference: args.reference,
        contig_map: args.contig_map.as_deref().map(ContigMap::parse).unwrap_or_default(),
        skip_bad: args.on_bad_record == OnBad::Skip,
        replace: args.replace,
    };
    let report = annotate(&dataset, &settings, described)?;
    say(&report);
    Ok(())
}

fn say(report: &Report) {
    for warning in &report.warnings {
        eprintln!("warning: {}", super::visible(warning));
    }
    for source in &report.sources {
        eprintln!("{}", line(source));
        for (place, reason) in source.rejections.iter().take(5) {
            eprintln!("  set aside: {}", super::visible(&format!("{place}: {reason}")));
        }
        if source.rows_matched == 0 && source.variants == 0 && source.rows_read > source.rows_other_contigs {
            eprintln!("warning: {}: no variant of the dataset is in it: is it of the same reference?", source.name);
        }
    }
    let consequences = report.n_consequences.map_or(String::new(), |n| format!(", consequences ({n} rows)"));
    eprintln!("stored: annotations ({} rows){consequences}", report.n_annotations);
}

/// Where the rows of a source went.
fn line(source: &SourceReport) -> String {
    let files = match &source.files[..] {
        [] => format!("column {}", source.form),
        [file] => format!("{file} ({})", source.form),
        files => format!("{} files ({})", files.len(), source.form),
    };
    let name = if source.name.is_empty() { "source" } else { &source.name };
    let mut parts = vec![format!("{name}: {files}: {} rows read", source.rows_read)];
    if source.by_index {
        parts[0].push_str(" (by the index: those near variants)");
    }
    if source.rows_matched > 0 {
        parts.push(format!("{} matched, {} not", source.rows_matched, source.rows_unmatched));
    }
    let counts = [
        (source.rows_other_contigs, "on contigs that the dataset does not have"),
        (source.rows_repeated, "about an allele of an earlier row (the first holds)"),
        (source.entries_unassigned, "entries about no allele of their record"),
        (source.entries_pointing, "entries that point to another record"),
        (source.rows_rejected, "set aside"),
    ];
    parts.extend(counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    parts.push(format!("{} variants annotated", source.variants));
    parts.join(", ")
}
