//! Variants with their calls, some at a time, read by pages: what the views are made from.

use crate::dataset::Dataset;
use crate::dataset::plain::{PlainReference, RowCounts};
use crate::error::{Error, Result};
use crate::query::Scope;
use crate::query::paged::condition::Condition;
use crate::query::paged::table::PagedTable;
use polars::prelude::*;
use std::ops::Range;

/// Calls that a chunk has at most, counted as if every sample had one.
const CHUNK_CALLS: usize = 1 << 20;
/// Variants that a chunk has at most.
const CHUNK_VARIANTS: usize = 1 << 14;
/// Columns of `variants` that views know.
const VARIANT_COLUMNS: [&str; 8] = ["variant_id", "contig", "pos", "id", "ref", "alt", "an", "n_hemi_ref"];
/// Columns of `genotypes` that every view needs.
const CALL_COLUMNS: [&str; 4] = ["variant_id", "sample_index", "gt", "dosage"];

/// Variants, and all their calls that are stored.
pub struct Chunk {
    /// Rows of `variants`.
    pub variants: DataFrame,
    /// Rows of `genotypes`, sorted by variant, then sample.
    pub calls: DataFrame,
    /// Rows of `calls` of each variant.
    pub rows: Vec<Range<usize>>,
}

/// A mistake in what a file holds.
pub fn wrong(error: PolarsError) -> Error {
    Error::bad_data(format!("cannot read the dataset: {error}"))
        .hint("`varbatch verify` says which files differ from the manifest")
}

impl Chunk {
    /// Identifiers of the variants.
    pub fn ids(&self) -> Result<&Int64Chunked> {
        self.variants.column("variant_id").and_then(|column| column.i64()).map_err(wrong)
    }

    /// A column of whole numbers of the calls.
    pub fn ints(&self, name: &str) -> Result<&Int32Chunked> {
        self.calls.column(name).and_then(|column| column.i32()).map_err(wrong)
    }

    /// The genotypes.
    pub fn gt(&self) -> Result<&StringChunked> {
        self.calls.column("gt").and_then(|column| column.str()).map_err(wrong)
    }

    /// What samples have that have no row, by variant. `phased`: where no call of a variant tells.
    pub fn plain(&self, n_samples: usize, phased: bool) -> Result<Vec<String>> {
        let count = |name: &str| self.variants.column(name).and_then(|column| column.i32()).map_err(wrong);
        let (an, n_hemi_ref, gt) = (count("an")?, count("n_hemi_ref")?, self.gt()?);
        let text = |(at, rows): (usize, &Range<usize>)| {
            let counts = RowCounts {
                n_samples: n_samples as i64,
                an: an.get(at).unwrap_or_default().into(),
                n_hemi_ref: n_hemi_ref.get(at).unwrap_or_default().into(),
            };
            let plain = PlainReference::infer(rows.clone().map(|row| gt.get(row)), counts, phased);
            String::from_utf8_lossy(&plain.text()).into_owned()
        };
        Ok(self.rows.iter().enumerate().map(text).collect())
    }
}

/// Reads chunks of the variants in `scope`, with all their calls, whatever samples the scope has. `more`: columns of `genotypes`
/// that are wanted where the table has them.
pub fn each_chunk(
    dataset: &Dataset,
    scope: &Scope,
    more: &[&str],
    mut take: impl FnMut(Chunk) -> Result<()>,
) -> Result<()> {
    let files = scope.files_of_contigs(dataset, "variants");
    if files.is_empty() {
        return Ok(());
    }
    let variants = PagedTable::new(dataset, "variants", files)?;
    let files = scope.files_of_contigs(dataset, "genotypes");
    let calls = if files.is_empty() { None } else { Some(PagedTable::new(dataset, "genotypes", files)?) };
    let mut columns: Vec<PlSmallStr> = CALL_COLUMNS.iter().map(|&name| name.into()).collect();
    if let Some(calls) = &calls {
        columns.extend(more.iter().filter(|name| calls.schema().contains(name)).map(|&name| name.into()));
    }
    let filter = scope.filters("variants").into_iter().reduce(Expr::and);
    let condition = filter.as_ref().map_or(Condition::Any, Condition::of);
    let units = variants.units(&condition)?;
    let wanted: Vec<PlSmallStr> = VARIANT_COLUMNS.iter().map(|&name| name.into()).collect();
    let n_samples = usize::try_from(dataset.manifest().n_samples).unwrap_or(usize::MAX);
    let at_once = (CHUNK_CALLS / n_samples.max(1)).clamp(1, CHUNK_VARIANTS);
    for unit in units {
        let mut rows = variants.read(&variants.refined(&unit, &condition, &wanted)?, &wanted)?;
        if let Some(filter) = &filter {
            rows = rows.lazy().filter(filter.clone()).collect().map_err(wrong)?;
        }
        for start in (0..rows.height()).step_by(at_once) {
            let mut part = rows.slice(start as i64, at_once);
            part.rechunk_mut();
            take(with_calls(part, calls.as_ref(), &columns)?)?;
        }
    }
    Ok(())
}

/// Finds the calls of some variants.
fn with_calls(variants: DataFrame, table: Option<&PagedTable>, columns: &[PlSmallStr]) -> Result<Chunk> {
    let n_variants = variants.height();
    let Some(table) = table else {
        return Ok(Chunk { variants, calls: no_calls(columns), rows: vec![0..0; n_variants] });
    };
    let ids = variants.column("variant_id").and_then(|column| column.i64()).map_err(wrong)?;
    let (first, last) = (ids.get(0).unwrap_or_default(), ids.get(n_variants - 1).unwrap_or_default());
    let between = Condition::between("variant_id", first, last);
    let mut calls = table.empty(columns);
    for unit in table.units(&between)? {
        let mut rows = table.read(&table.refined(&unit, &between, columns)?, columns)?;
        rows.rechunk_mut();
        let found = rows.column("variant_id").and_then(|column| column.i64()).map_err(wrong)?;
        let found = found.cont_slice().map_err(wrong)?;
        let (from, to) = (found.partition_point(|&id| id < first), found.partition_point(|&id| id <= last));
        calls.vstack_mut_owned(rows.slice(from as i64, to - from)).map_err(wrong)?;
    }
    calls.rechunk_mut();
    let found = calls.column("variant_id").and_then(|column| column.i64()).map_err(wrong)?;
    let found = found.cont_slice().map_err(wrong)?;
    let rows_of = |id: i64| found.partition_point(|&other| other < id)..found.partition_point(|&other| other <= id);
    let rows = ids.into_no_null_iter().map(rows_of).collect();
    Ok(Chunk { variants, calls, rows })
}

fn no_calls(columns: &[PlSmallStr]) -> DataFrame {
    let data_type = |name: &str| match name {
        "variant_id" => DataType::Int64,
        "gt" => DataType::String,
        _ => DataType::Int32,
    };
    let columns = columns.iter().map(|name| Column::new_empty(name.clone(), &data_type(name)));
    DataFrame::new(0, columns.collect()).unwrap_or_default()
}
