//! Sets of variants: genes and regions by their intervals, or lists of variants.
//!
//! ```text
//! BED, GFF3, GTF -> intervals;  table of variants, stored consequences -> pairs of variant and set
//! ```

mod intervals;
mod pairs;

use crate::dataset::Dataset;
use crate::dataset::stream::PARQUET_MAGIC;
use crate::decode::intervals::{Recognised, Recogniser};
use crate::error::{Error, Result};
use crate::genome::split_id;
use crate::query::joined::Pairs;
use crate::store::local;
use std::collections::HashMap;
use std::path::Path;

/// Where a set is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Index of the contig.
    pub contig: u32,
    /// First base, 1-based.
    pub first: i32,
    /// Last base.
    pub last: i32,
}

/// One set.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// Its intervals; empty where it is a list of variants.
    pub intervals: Vec<Span>,
    /// From its first to its last base; `None`: it has variants of several contigs, or none.
    pub span: Option<Span>,
}

/// The sets of an analysis, by place and name.
#[derive(Default)]
pub struct Sets {
    /// The sets.
    pub sets: Vec<Set>,
    /// The pairs of variant and name of a set; `None` where sets are intervals.
    pub pairs: Option<Pairs>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// How to read sets.
#[derive(Clone, Debug)]
pub struct Naming {
    /// Features of GFF that are sets.
    pub gff_feature: String,
    /// Attribute of GFF with their name.
    pub gff_name: Option<String>,
}

impl Sets {
    /// Reads a file, by its content: BED, GFF3, GTF, or a table of variants (text or Parquet).
    pub fn read(dataset: &Dataset, path: &Path, naming: &Naming) -> Result<Sets> {
        let bytes = local::read_small(path)?;
        if bytes.starts_with(PARQUET_MAGIC) {
            return pairs::of_table(dataset, path, &bytes);
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let at = error.valid_up_to();
            Error::bad_data(format!("{} is no text in UTF-8: byte {at} cannot be read", path.display()))
        })?;
        match Recogniser::of_text(text) {
            Some(found) if !is_of_variants(&found) => intervals::read(dataset, path, text, found.form, naming),
            _ => pairs::of_table(dataset, path, &bytes),
        }
    }

    /// The genes of the stored table `consequences`, named by one of its columns.
    pub fn of_consequences(dataset: &Dataset, column: &str) -> Result<Sets> {
        pairs::of_consequences(dataset, column)
    }

    /// Sorts by place, then name; sets without a place are last.
    fn sort(&mut self) {
        let key = |set: &Set| (set.span.is_none(), set.span.clone());
        self.sets.sort_by(|a, b| (key(a), &a.name).cmp(&(key(b), &b.name)));
    }
}

/// Whether the line of names is one of variants: their numbers can look like those of intervals.
fn is_of_variants(found: &Recognised) -> bool {
    let has = |name: &str| found.names.iter().flatten().any(|own| own == name);
    has(pairs::KEY) && (has("variant_id") || has("pos"))
}

/// Index of each contig by its name.
fn contig_index(dataset: &Dataset) -> HashMap<&str, u32> {
    dataset.manifest().contigs.iter().map(|contig| contig.name.as_str()).zip(0..).collect()
}

/// From the smallest to the largest `variant_id`, where both are on one contig.
fn span_of_ids(least: i64, most: i64) -> Option<Span> {
    let ((first, _), (last, _)) = (split_id(least), split_id(most));
    (first.contig == last.contig).then_some(Span { contig: first.contig, first: first.vcf_pos, last: last.vcf_pos })
}
