//! Flags that say which samples and variants an analysis looks at, alike for all analyses.

use crate::dataset::Dataset;
use crate::dataset::region::Region;
use crate::error::{Error, Result};
use crate::genome::ContigClass;
use crate::stats::selection::{SampleSet, Selection, VariantFilter};
use crate::store::local;
use std::collections::HashSet;
use std::path::PathBuf;

/// Samples and variants to look at.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Samples and variants")]
pub struct SelectFlags {
    /// Only these samples: names with `,` between them
    #[arg(short, long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "samples_file")]
    samples: Vec<String>,
    /// Only the samples of this file: one name a line, its first column
    #[arg(short = 'S', long, value_name = "FILE")]
    samples_file: Option<PathBuf>,
    /// Only variants whose position is in these regions: chr20, chr20:1-5000000, ... with `,` between them
    #[arg(short, long, value_name = "REGIONS")]
    regions: Option<String>,
    /// Only variants for which this SQL condition holds, on the columns of `variants`: "type = 'snv' AND qual > 30"
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// Only the variants of this file: one `variant_id` a line, or contig, pos, ref, alt in four columns
    #[arg(long, value_name = "FILE")]
    variants_file: Option<PathBuf>,
    /// Only variants of these types: snv, ins, del, mnv, symbolic, breakend, other
    #[arg(long, value_name = "TYPES", value_delimiter = ',')]
    types: Vec<String>,
    /// Only alleles of records with one alternate allele
    #[arg(long)]
    biallelic: bool,
    /// Only variants whose record passed all filters, or was not filtered
    #[arg(long)]
    pass: bool,
    /// Only variants whose rarer allele has at least this frequency in the samples
    #[arg(long, value_name = "FREQ")]
    min_maf: Option<f64>,
    /// Only variants whose rarer allele has at most this frequency
    #[arg(long, value_name = "FREQ")]
    max_maf: Option<f64>,
    /// Only variants with at least this many copies of the rarer allele
    #[arg(long, value_name = "N")]
    min_mac: Option<u64>,
    /// Only variants with at most this share of missing calls
    #[arg(long, value_name = "SHARE")]
    max_missing: Option<f64>,
    /// Only variants whose exact Hardy-Weinberg p is at least this
    #[arg(long, value_name = "P")]
    min_hwe_p: Option<f64>,
}

/// What an analysis looks at where the user says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Defaults {
    /// Contigs of these classes, unless regions are named; empty: all.
    pub contig_classes: &'static [ContigClass],
    /// Only alleles of records with one ALT.
    pub biallelic: bool,
    /// Least frequency of the rarer allele.
    pub min_maf: Option<f64>,
}

impl SelectFlags {
    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        *self == SelectFlags::default()
    }

    /// Looks everything up in `dataset`.
    pub fn resolve(&self, dataset: &Dataset, defaults: Defaults) -> Result<Selection> {
        self.check()?;
        let contigs: Vec<&str> = dataset.manifest().contigs.iter().map(|contig| contig.name.as_str()).collect();
        let regions = self.regions.as_deref().map(|text| Region::parse_list(text, &contigs)).transpose()?;
        let mut samples = SampleSet::all(dataset)?;
        if let Some(names) = self.sample_names()? {
            samples = samples.only(&names)?;
        }
        let contig_classes = if regions.is_some() { Vec::new() } else { defaults.contig_classes.to_vec() };
        let variants = VariantFilter {
            regions,
            variant_ids: self.variant_ids(dataset)?,
            contig_classes,
            types: self.types.clone(),
            biallelic: self.biallelic || defaults.biallelic,
            pass: self.pass,
            min_maf: self.min_maf.or(defaults.min_maf),
            max_maf: self.max_maf,
            min_mac: self.min_mac,
            max_missing: self.max_missing,
            min_hwe_p: self.min_hwe_p,
        };
        Ok(Selection { samples, variants })
    }

    /// The flags that were given, for the description of a result.
    pub fn described(&self, defaults: Defaults) -> serde_json::Value {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        serde_json::json!({
            "samples": self.samples, "samples_file": path(&self.samples_file), "regions": self.regions,
            "where": self.condition, "variants_file": path(&self.variants_file), "types": self.types,
            "biallelic": self.biallelic || defaults.biallelic, "pass": self.pass,
            "min_maf": self.min_maf.or(defaults.min_maf), "max_maf": self.max_maf, "min_mac": self.min_mac,
            "max_missing": self.max_missing, "min_hwe_p": self.min_hwe_p,
        })
    }

    fn check(&self) -> Result<()> {
        let shares = [
            ("--min-maf", self.min_maf, 0.5),
            ("--max-maf", self.max_maf, 0.5),
            ("--max-missing", self.max_missing, 1.0),
            ("--min-hwe-p", self.min_hwe_p, 1.0),
        ];
        for (flag, value, most) in shares {
            if value.is_some_and(|value| !(0.0..=most).contains(&value)) {
                return Err(Error::usage(format!("{flag} is {}, expected 0 to {most}", value.unwrap_or_default())));
            }
        }
        const TYPES: [&str; 7] = ["snv", "ins", "del", "mnv", "symbolic", "breakend", "other"];
        match self.types.iter().find(|name| !TYPES.contains(&name.as_str())) {
            Some(name) => Err(Error::usage(format!("--types has `{name}`, expected some of {}", TYPES.join(", ")))),
            None => Ok(()),
        }
    }

    fn sample_names(&self) -> Result<Option<Vec<String>>> {
        let Some(path) = &self.samples_file else {
            return Ok((!self.samples.is_empty()).then(|| self.samples.clone()));
        };
        let text = local::read_text(path)?;
        let lines = text.lines().map(|line| line.split('\t').next().unwrap_or_default().trim());
        Ok(Some(lines.filter(|name| !name.is_empty() && !name.starts_with('#')).map(str::to_owned).collect()))
    }

    /// Identifiers that `--where` and `--variants-file` leave; `None` where neither is given.
    fn variant_ids(&self, dataset: &Dataset) -> Result<Option<HashSet<i64>>> {
        let by_condition = match &self.condition {
            Some(condition) => Some(crate::query::variant_ids_where(dataset, condition)?),
            None => None,
        };
        let by_file = match &self.variants_file {
            Some(path) => Some(crate::query::variant_ids_of_list(dataset, path)?),
            None => None,
        };
        Ok(match (by_condition, by_file) {
            (Some(one), Some(two)) => Some(one.intersection(&two).copied().collect()),
            (one, two) => one.or(two),
        })
    }
}
