//! The tables of a dataset as lazy frames over the files that the manifest lists.

use super::{Scope, polars_error};
use crate::columns::schema::TableSchemas;
use crate::commit::manifest::ManifestFile;
use crate::dataset::Dataset;
use crate::dataset::results::stored;
use crate::decode::header::Header;
use crate::error::{Error, Result};
use crate::store::DataFile;
use arrow_schema::{DataType as ArrowType, SchemaRef as ArrowSchema};
use polars::prelude::*;
use std::collections::HashMap;

/// Tables that can be asked, in the order they are listed in messages.
pub const TABLES: [&str; 5] = ["variants", "genotypes", "samples", "ref_blocks", "evidence"];

/// The rows in `scope` of the tables that the dataset has, then its stored results, those that are `wanted` by name. A table
/// without files (no variants at all) is an empty frame with its columns.
pub fn frames(dataset: &Dataset, scope: &Scope, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<(String, LazyFrame)>> {
    let order: HashMap<&str, usize> =
        dataset.manifest().contigs.iter().enumerate().map(|(at, contig)| (contig.name.as_str(), at)).collect();
    let mut frames = Vec::new();
    let view = wanted(VARIANTS_ANNOTATED);
    for table in TABLES.into_iter().filter(|table| wanted(table) || (view && *table == "variants")) {
        let mut files = scope.files(dataset, table)?;
        let rank = |file: &ManifestFile| file.contig.as_deref().and_then(|contig| order.get(contig).copied());
        files.sort_by(|a, b| (rank(a), &a.path).cmp(&(rank(b), &b.path)));
        if files.is_empty() {
            if let Some(schema) = empty_schema(dataset, table)? {
                frames.push((table.to_owned(), empty_frame(&schema)?));
            }
        } else {
            let files: Vec<DataFile> = files.into_iter().map(|file| dataset.full_path(file)).collect::<Result<_>>()?;
            frames.push((table.to_owned(), scope.narrow(table, scan(&files)?)));
        }
    }
    for result in
        stored(dataset)?.into_iter().filter(|result| wanted(&result.table) || (view && result.table == ANNOTATIONS))
    {
        frames.push((result.table.clone(), scan(&[result.file(dataset)])?));
    }
    let named = |name: &str| frames.iter().find(|(known, _)| known == name).map(|(_, frame)| frame.clone());
    if let (true, Some(variants), Some(annotations)) = (view, named("variants"), named(ANNOTATIONS)) {
        frames.push((VARIANTS_ANNOTATED.to_owned(), annotated(variants, annotations)));
    }
    Ok(frames)
}

/// The stored table of what `annotate` found.
const ANNOTATIONS: &str = "annotations";
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
    let mut frame = LazyFrame::scan_parquet_files(paths.into(), args).map_err(|error| polars_error(error, &[]))?;
    let schema = frame.collect_schema().map_err(|error| polars_error(error, &[]))?;
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
        .map(|field| Column::new_empty(field.name().as_str().into(), &polars_type(field.data_type())))
        .collect();
    Ok(DataFrame::new(0, columns).map_err(|error| polars_error(error, &[]))?.lazy())
}

fn polars_type(data_type: &ArrowType) -> DataType {
    match data_type {
        ArrowType::Int32 => DataType::Int32,
        ArrowType::Int64 => DataType::Int64,
        ArrowType::Float64 => DataType::Float64,
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::List(item) => DataType::List(Box::new(polars_type(item.data_type()))),
        _ => DataType::String,
    }
}
