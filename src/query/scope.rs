//! Narrows the tables to regions and samples before a query sees them: files of other contigs are not opened, row groups of other
//! positions not read (by the statistics in the footer of the file).

use crate::commit::manifest::ManifestFile;
use crate::dataset::Dataset;
use crate::dataset::region::Region;
use crate::dataset::stream::{long_bounds, read_metadata};
use crate::error::{Error, Result};
use polars::prelude::*;
use std::collections::HashMap;

/// Which rows of the tables a query sees; the default is all.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Regions that `variants` and `genotypes` have their `pos` in, and `ref_blocks` touch.
    regions: Option<Vec<Region>>,
    /// `sample_index` of the rows of `genotypes`, `samples`, `ref_blocks` and `evidence`.
    samples: Option<Vec<i32>>,
}

impl Scope {
    /// Regions as `--region` has them, and names of samples (none: all). What is not in the dataset is [`crate::error::Class::Usage`].
    pub fn new(dataset: &Dataset, regions: Option<&str>, samples: &[String]) -> Result<Scope> {
        let contigs: Vec<&str> = dataset.manifest().contigs.iter().map(|contig| contig.name.as_str()).collect();
        let regions = regions.map(|text| Region::parse_list(text, &contigs)).transpose()?;
        let samples = if samples.is_empty() { None } else { Some(sample_indexes(dataset, samples)?) };
        Ok(Scope { regions, samples })
    }

    /// The files of `table` that can have rows in it: by their contig, and of variants and calls by the positions in their footers.
    pub fn files<'a>(&self, dataset: &'a Dataset, table: &'a str) -> Result<Vec<&'a ManifestFile>> {
        let files: Vec<&ManifestFile> = dataset.files(table).collect();
        let Some(regions) = &self.regions else { return Ok(files) };
        let mut chosen = Vec::new();
        for file in files {
            let Some(contig) = &file.contig else {
                chosen.push(file);
                continue;
            };
            let mut own = regions.iter().filter(|region| region.contig == *contig).peekable();
            let has_bounds = matches!(table, "variants" | "genotypes");
            if own.peek().is_some() && (!has_bounds || touches(dataset, file, own)?) {
                chosen.push(file);
            }
        }
        Ok(chosen)
    }

    /// The rows of `table` that are in it.
    pub fn narrow(&self, table: &str, frame: LazyFrame) -> LazyFrame {
        let (first, last) = match table {
            "variants" | "genotypes" => ("pos", "pos"),
            "ref_blocks" => ("start", "end"),
            "evidence" => ("pos", "end"),
            _ => ("", ""),
        };
        let frame = match &self.regions {
            Some(regions) if !first.is_empty() => in_regions(frame, regions, first, last),
            _ => frame,
        };
        match &self.samples {
            Some(samples) if table != "variants" => frame.filter(in_samples(samples)),
            _ => frame,
        }
    }
}

/// Whether a row group of the file has positions in one of the regions. The position is in the middle of `variant_id`.
fn touches<'r>(dataset: &Dataset, file: &ManifestFile, regions: impl Iterator<Item = &'r Region>) -> Result<bool> {
    let bounds = long_bounds(&read_metadata(&dataset.full_path(file)?)?, "variant_id");
    let pos = |id: i64| (id >> 16) & i64::from(u32::MAX);
    let overlaps = |region: &Region| {
        bounds.iter().any(|bound| bound.is_none_or(|(first, last)| region.overlaps(pos(first), pos(last))))
    };
    Ok({ regions }.any(overlaps))
}

fn sample_indexes(dataset: &Dataset, wanted: &[String]) -> Result<Vec<i32>> {
    let names = dataset.sample_names()?;
    let index: HashMap<&str, i32> = names.iter().map(String::as_str).zip(0..).collect();
    let find = |name: &String| {
        index.get(name.as_str()).copied().ok_or_else(|| {
            Error::usage(format!("the dataset has no sample `{name}`"))
                .hint("`varbatch query DATASET \"SELECT sample FROM samples\"` lists them")
        })
    };
    wanted.iter().map(find).collect()
}

/// Rows that touch a region with the bases from column `first` to column `last`, both 1-based and inclusive. The bounds around all
/// regions are conditions of their own, on the columns as they are in the file: by them row groups are left out.
fn in_regions(frame: LazyFrame, regions: &[Region], first: &str, last: &str) -> LazyFrame {
    let touches = |region: &Region| {
        let (from, to) = (position(region.first), position(region.last));
        col("contig").eq(lit(region.contig.clone())).and(col(last).gt_eq(lit(from))).and(col(first).lt_eq(lit(to)))
    };
    let least = regions.iter().map(|region| position(region.first)).min().unwrap_or(i32::MAX);
    let most = regions.iter().map(|region| position(region.last)).max().unwrap_or(0);
    let any = regions.iter().map(touches).reduce(Expr::or).unwrap_or_else(|| lit(false));
    frame.filter(col(last).gt_eq(lit(least))).filter(col(first).lt_eq(lit(most))).filter(any)
}

/// As the columns have it; a longer one is behind every row.
fn position(bases: i64) -> i32 {
    i32::try_from(bases).unwrap_or(i32::MAX)
}

fn in_samples(samples: &[i32]) -> Expr {
    samples.iter().map(|&at| col("sample_index").eq(lit(at))).reduce(Expr::or).unwrap_or_else(|| lit(false))
}
