//! The tables of a dataset as lazy frames over the files that the manifest lists.

use super::paged::table::PagedTable;
use super::paged::{Failure, PagedScan, convert};
use super::{Scope, reading_failed};
use crate::columns::schema::TableSchemas;
use crate::dataset::Dataset;
use crate::dataset::results::{ANNOTATIONS, stored_of};
use crate::decode::header::Header;
use crate::error::{Error, Result};
use crate::store::DataFile;
use arrow_schema::SchemaRef as ArrowSchema;
use polars::prelude::*;

/// Tables that can be asked, in the order they are listed in messages.
pub const TABLES: [&str; 5] = ["variants", "genotypes", "samples", "ref_blocks", "evidence"];

/// The rows in `scope` of the tables that the dataset has, then its stored results, those that are `wanted` by name; read
/// page by page. A table without files (no variants at all) is an empty frame with its columns.
pub fn paged(
    dataset: &Dataset,
    scope: &Scope,
    wanted: &dyn Fn(&str) -> bool,
    failure: &Failure,
) -> Result<Vec<(String, LazyFrame)>> {
    let view = wanted(VARIANTS_ANNOTATED);
    let wanted = |name: &str| wanted(name) || (view && PARTS_OF_VIEW.contains(&name));
    let mut frames = paged_own(dataset, scope, &wanted, failure)?;
    // those of the dataset are not wanted twice
    let may_be_one = |name: &str| wanted(name) && !TABLES.contains(&name);
    for result in stored_of(dataset, &may_be_one)? {
        let table = PagedTable::of_result(&result.table, result.file(dataset), result.n_rows)?;
        let frame = PagedScan::frame(table, failure).map_err(reading_failed)?;
        frames.push((result.table.clone(), frame));
    }
    add_view(&mut frames, view);
    Ok(frames)
}

/// The same without stored results.
pub fn paged_own(
    dataset: &Dataset,
    scope: &Scope,
    wanted: &dyn Fn(&str) -> bool,
    failure: &Failure,
) -> Result<Vec<(String, LazyFrame)>> {
    own(dataset, wanted, &|table| {
        let files = scope.files_of_contigs(dataset, table);
        if files.is_empty() {
            return Ok(None);
        }
        let frame = PagedScan::frame(PagedTable::new(dataset, table, files)?, failure);
        frame.map(|frame| Some(scope.narrow(table, frame))).map_err(reading_failed)
    })
}

/// The same of a dataset on this machine, read by polars: in parallel, and in pieces where a query allows it.
pub fn whole(dataset: &Dataset, scope: &Scope, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, LazyFrame)>> {
    let view = wanted(VARIANTS_ANNOTATED);
    let wanted = |name: &str| wanted(name) || (view && PARTS_OF_VIEW.contains(&name));
    let mut frames = own(dataset, &wanted, &|table| {
        let files = scope.files_of_contigs(dataset, table).into_iter();
        let files: Vec<DataFile> = files.map(|file| dataset.full_path(file)).collect::<Result<_>>()?;
        if files.is_empty() {
            return Ok(None);
        }
        scan(&files).map(|frame| Some(scope.narrow(table, frame)))
    })?;
    for result in stored_of(dataset, &wanted)? {
        frames.push((result.table.clone(), scan(&[result.file(dataset)])?));
    }
    add_view(&mut frames, view);
    Ok(frames)
}

/// Adds `variants_annotated` where it is wanted and its parts are there.
fn add_view(frames: &mut Vec<(String, LazyFrame)>, is_wanted: bool) {
    let named = |name: &str| frames.iter().find(|(known, _)| known == name).map(|(_, frame)| frame.clone());
    if let (true, [Some(variants), Some(annotations)]) = (is_wanted, PARTS_OF_VIEW.map(named)) {
        frames.push((VARIANTS_ANNOTATED.to_owned(), annotated(variants, annotations)));
    }
}

/// The dataset's own tables; `frame` gives none for one without files.
fn own(
    dataset: &Dataset,
    wanted: &dyn Fn(&str) -> bool,
    frame: &dyn Fn(&str) -> Result<Option<LazyFrame>>,
) -> Result<Vec<(String, LazyFrame)>> {
    let mut frames = Vec::new();
    for table in TABLES.into_iter().filter(|table| wanted(table)) {
        let found = match frame(table)? {
            Some(found) => Some(found),
            None => empty_schema(dataset, table)?.map(|schema| empty_frame(&schema)).transpose()?,
        };
        frames.extend(found.map(|found| (table.to_owned(), found)));
    }
    Ok(frames)
}

/// The tables that the view below is made of.
const PARTS_OF_VIEW: [&str; 2] = ["variants", ANNOTATIONS];
/// The view of `variants` with the columns of `annotations`, null where a variant has none.
pub const VARIANTS_ANNOTATED: &str = "variants_annotated";

/// A column that both have is that of the variants; the other one has `_annotation` behind its name.
fn annotated(variants: LazyFrame, annotations: LazyFrame) -> LazyFrame {
    let keys = ["contig", "pos", "ref", "alt"].map(PlSmallStr::from_static);
    let annotations = annotations.drop(Selector::ByName { names: keys.into(), strict: false });
    let joined = variants.join_builder().with(annotations).left_on([col("variant_id")]).right_on([col("variant_id")]);
    joined.how(JoinType::Left).suffix("_annotation").maintain_order(MaintainOrderJoin::Left).finish()
}

fn scan(files: &[DataFile]) -> Result<LazyFrame> {
    let mut paths = Vec::with_capacity(files.len());
    for found in files {
        let path = found.local().ok_or_else(|| {
            Error::usage(format!("{} is not on this machine, where queries read", found.display()))
                .hint("copy the dataset here, or point DuckDB, polars or Athena at its files (docs/guide.md)")
        })?;
        let path = std::path::absolute(path).map_err(|error| Error::reading(path, error))?;
        let text = path.to_str().ok_or_else(|| Error::usage(format!("the path {} is not UTF-8", path.display())))?;
        paths.push(PlRefPath::new(text));
    }
    // The column `contig` is in the files; the folder names must not become a second one, and `[` in one is no pattern.
    let hive_options = HiveOptions { enabled: Some(false), ..HiveOptions::default() };
    let args = ScanArgsParquet { glob: false, hive_options, ..ScanArgsParquet::default() };
    let mut frame = LazyFrame::scan_parquet_files(paths.into(), args).map_err(reading_failed)?;
    let schema = frame.collect_schema().map_err(reading_failed)?;
    // Dictionary-encoded text is plain text to SQL: LIKE, || and LENGTH work on it.
    let casts: Vec<Expr> = schema.iter().filter_map(|(name, data_type)| text_cast(name, data_type)).collect();
    Ok(if casts.is_empty() { frame } else { frame.with_columns(casts) })
}

fn text_cast(name: &PlSmallStr, data_type: &DataType) -> Option<Expr> {
    let target = match data_type {
        DataType::Categorical(..) | DataType::Enum(..) => DataType::String,
        DataType::List(inner) if matches!(**inner, DataType::Categorical(..) | DataType::Enum(..)) => {
            DataType::List(Box::new(DataType::String))
        }
        _ => return None,
    };
    Some(col(name.clone()).cast(target))
}

/// The schema that `table` has in this dataset; `None` when the dataset cannot have it.
fn empty_schema(dataset: &Dataset, table: &str) -> Result<Option<ArrowSchema>> {
    let header = Header::parse(dataset.header_text()?.as_bytes())?;
    let schemas = TableSchemas::new(&header, dataset.manifest().n_samples > 0);
    Ok(match table {
        "variants" => Some(schemas.variants),
        "genotypes" => schemas.genotypes,
        "samples" => {
            let none = crate::call::sample_counts::SampleCounts::new(0);
            Some(crate::columns::samples::samples_table(&[], 0, &none, false).schema())
        }
        _ => None,
    })
}

fn empty_frame(schema: &ArrowSchema) -> Result<LazyFrame> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            Column::new_empty(
                field.name().as_str().into(),
                &convert::data_type(field.data_type()).unwrap_or(DataType::String),
            )
        })
        .collect();
    Ok(DataFrame::new(0, columns).map_err(reading_failed)?.lazy())
}
