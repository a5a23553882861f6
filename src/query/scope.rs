//! Narrows the tables to regions and samples before a query sees them: files of other contigs are not opened, row groups of other
//! positions not read (by the statistics in the footer of the file).

use crate::commit::manifest::ManifestFile;
use crate::dataset::Dataset;
use crate::dataset::region::Region;
use crate::dataset::stream::{long_bounds, read_metadata};
use crate::error::{Error, Result};
use polars::prelude::*;
use std::collections::HashMap;

/// No block of `ref_blocks` crosses a multiple of this, in bases.
const BLOCK_CELL_BP: i64 = 65_536;

/// Which rows of the tables a query sees; the default is all.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Regions that `variants` and `genotypes` have their `pos` in, and `ref_blocks` touch.
    regions: Option<Vec<Region>>,
    /// `variant_id` of the rows of `variants` and `genotypes`.
    variants: Option<Vec<i64>>,
    /// `sample_index` of the rows of `genotypes`, `samples`, `ref_blocks` and `evidence`.
    samples: Option<Vec<i32>>,
}

impl Scope {
    /// Regions as `--region` has them, and names of samples (none: all). What is not in the dataset is [`crate::error::Class::Usage`].
    pub fn new(dataset: &Dataset, regions: Option<&str>, samples: &[String]) -> Result<Scope> {
        let contigs: Vec<&str> = dataset.manifest().contigs.iter().map(|contig| contig.name.as_str()).collect();
        let regions = regions.map(|text| Region::parse_list(text, &contigs)).transpose()?;
        let samples = if samples.is_empty() { None } else { Some(sample_indexes(dataset, samples)?) };
        Ok(Scope { regions, variants: None, samples })
    }

    /// The files of `table` that can have rows in it, by their contig.
    pub fn files_of_contigs<'a>(&self, dataset: &'a Dataset, table: &'a str) -> Vec<&'a ManifestFile> {
        let files = dataset.files(table);
        let Some(regions) = &self.regions else { return files.collect() };
        let wanted = |contig: &String| regions.iter().any(|region| region.contig == *contig);
        files.filter(|file| file.contig.as_ref().is_none_or(wanted)).collect()
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
        self.filters(table).into_iter().fold(frame, LazyFrame::filter)
    }

    /// What a row of `table` must be like: all of these hold.
    pub fn filters(&self, table: &str) -> Vec<Expr> {
        let mut filters = Vec::new();
        if let Some(regions) = &self.regions {
            match table {
                "variants" | "genotypes" => filters.extend(in_regions(regions, &col("pos"), &col("pos"), "pos")),
                "ref_blocks" => {
                    // none is longer than a cell of the grid, so what touches a region begins in its cell or later
                    let cell = |pos: i64| (pos.max(1) - 1) / BLOCK_CELL_BP * BLOCK_CELL_BP + 1;
                    let least = regions.iter().map(|region| position(cell(region.first))).min().unwrap_or(i32::MAX);
                    filters.push(col("start").gt_eq(lit(least)));
                    let last = col("start") + col("length") - lit(1);
                    filters.extend(in_regions(regions, &col("start"), &last, "start"));
                }
                "evidence" => filters.extend(in_regions(regions, &col("pos"), &col("end"), "pos")),
                _ => {}
            }
        }
        if let Some(ids) = &self.variants
            && matches!(table, "variants" | "genotypes")
        {
            filters.push(one_of("variant_id", ids));
        }
        if let Some(samples) = &self.samples
            && table != "variants"
        {
            filters.push(one_of("sample_index", samples));
        }
        filters
    }

    /// Looks at these variants only.
    #[must_use]
    pub fn with_variants(mut self, ids: Vec<i64>) -> Scope {
        self.variants = Some(ids);
        self
    }

    /// The regions; `None`: everywhere.
    pub fn regions(&self) -> Option<&[Region]> {
        self.regions.as_deref()
    }

    /// `variant_id` of the variants that were chosen; `None`: all.
    pub fn variants(&self) -> Option<&[i64]> {
        self.variants.as_deref()
    }

    /// `sample_index` of the samples that were chosen; `None`: all.
    pub fn samples(&self) -> Option<&[i32]> {
        self.samples.as_deref()
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

/// Rows that touch a region with the bases from `first` to `last`, both 1-based and inclusive. That the column `begin` is not behind all
/// regions is a condition of its own: by it pages are left out, as by those on `contig` and positions.
fn in_regions(regions: &[Region], first: &Expr, last: &Expr, begin: &str) -> [Expr; 2] {
    let touches = |region: &Region| {
        let (from, to) = (position(region.first), position(region.last));
        let bases = last.clone().gt_eq(lit(from)).and(first.clone().lt_eq(lit(to)));
        col("contig").eq(lit(region.contig.clone())).and(bases)
    };
    let most = regions.iter().map(|region| position(region.last)).max().unwrap_or(0);
    let any = regions.iter().map(touches).reduce(Expr::or).unwrap_or_else(|| lit(false));
    [col(begin).lt_eq(lit(most)), any]
}

/// As the columns have it; a longer one is behind every row.
fn position(bases: i64) -> i32 {
    i32::try_from(bases).unwrap_or(i32::MAX)
}

/// The column has one of these values. As a tree that is not deep: there may be thousands.
fn one_of<T: Literal + Copy>(column: &str, values: &[T]) -> Expr {
    match values {
        [] => lit(false),
        [value] => col(column).eq(lit(*value)),
        _ => {
            let (left, right) = values.split_at(values.len() / 2);
            one_of(column, left).or(one_of(column, right))
        }
    }
}
