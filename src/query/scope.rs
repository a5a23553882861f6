//! Narrows the tables to regions and samples before a query sees them: files of other contigs are not opened, row groups of other
//! positions not read (by the statistics in the footer of the file).

use crate::commit::manifest::ManifestFile;
use crate::dataset::region::Region;
use crate::dataset::{Dataset, GRID_BP};
use crate::error::{Error, Result};
use polars::prelude::*;
use std::collections::HashMap;

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

    /// The files of `table` that can have rows in it, by their contig, in row order.
    pub fn files_of_contigs<'a>(&self, dataset: &'a Dataset, table: &'a str) -> Vec<&'a ManifestFile> {
        let wanted = |contig: &String| {
            self.regions.as_ref().is_none_or(|regions| regions.iter().any(|region| region.contig == *contig))
        };
        dataset.in_order(dataset.files(table).filter(|file| file.contig.as_ref().is_none_or(wanted)))
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
                    let grid = i64::from(GRID_BP);
                    let cell = |pos: i64| (pos.max(1) - 1) / grid * grid + 1;
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
            filters.push(one_of::<Int64Type>("variant_id", ids));
        }
        if let Some(samples) = &self.samples
            && table != "variants"
        {
            filters.push(one_of::<Int32Type>("sample_index", samples));
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

/// The column has one of these values.
fn one_of<T: PolarsNumericType>(column: &str, values: &[T::Native]) -> Expr
where
    ChunkedArray<T>: IntoSeries,
{
    let values = ChunkedArray::<T>::from_slice("".into(), values).into_series();
    let list = Scalar::new(DataType::List(Box::new(values.dtype().clone())), AnyValue::List(values));
    col(column).is_in(lit(list), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::paged::condition::Condition;

    #[test]
    fn chosen_values_are_bounds() {
        let scope = Scope::default().with_variants(vec![70, 7, 30]);
        let [filter] = &scope.filters("variants")[..] else { panic!("one filter") };
        assert_eq!(Condition::of(filter).bounds("variant_id"), (7, 70));
        let table = df!("variant_id" => [7_i64, 8, 70]).expect("a frame").lazy();
        assert_eq!(scope.narrow("variants", table.clone()).collect().expect("rows").height(), 2);
        let none = Scope::default().with_variants(Vec::new()).narrow("variants", table);
        assert_eq!(none.collect().expect("rows").height(), 0);
    }
}
