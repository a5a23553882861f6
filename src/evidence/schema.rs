//! Columns and layout of the tables `ref_blocks` and `evidence`.

use crate::store::parquet::arrays::Nature;
use crate::store::parquet::chunk::Effort;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Name of the table of reference blocks.
pub const BLOCKS_TABLE: &str = "ref_blocks";
/// Name of the table of records.
pub const RECORDS_TABLE: &str = "evidence";

/// Rows of a row group of `ref_blocks`.
pub const BLOCKS_ROW_GROUP: usize = 1 << 20;
/// Rows of a row group of `evidence`.
pub const RECORDS_ROW_GROUP: usize = 1 << 18;
/// Rows of a page, at most: what is read to find one position.
pub const PAGE_ROWS: usize = 20_480;
/// How hard ZSTD works: the parts are written once and read once or twice by the joint call.
pub const ZSTD: Effort = Effort::level(1);

fn dictionary_text() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn schema(columns: &[(&str, DataType, bool)]) -> SchemaRef {
    let field = |(name, data_type, nullable): &(&str, DataType, bool)| Field::new(*name, data_type.clone(), *nullable);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// Columns of `ref_blocks`: see `docs/formats.md`.
pub fn blocks_schema() -> SchemaRef {
    use DataType::Int32;
    schema(&[
        ("sample_index", Int32, false),
        ("contig", dictionary_text(), false),
        ("start", Int32, false),
        ("length", Int32, false),
        ("gt", dictionary_text(), false),
        ("gq", Int32, true),
        ("min_dp", Int32, true),
        ("dp", Int32, true),
        ("pl_ref", Int32, true),
        ("pl_het", Int32, true),
        ("pl_hom_alt", Int32, true),
        ("filter", dictionary_text(), true),
    ])
}

/// Columns of `evidence`: see `docs/formats.md`.
pub fn records_schema() -> SchemaRef {
    use DataType::{Int32, Utf8};
    schema(&[
        ("sample_index", Int32, false),
        ("contig", dictionary_text(), false),
        ("pos", Int32, false),
        ("end", Int32, false),
        ("id", Utf8, true),
        ("ref", Utf8, false),
        ("alt", Utf8, false),
        ("qual", Utf8, true),
        ("filter", dictionary_text(), false),
        ("info", Utf8, false),
        ("format", dictionary_text(), false),
        ("cell", Utf8, false),
        ("aligned", Utf8, true),
    ])
}

/// What is known of the values of a column.
pub fn nature(column: &str) -> Nature {
    match column {
        "start" | "pos" | "end" => Nature::Ascending,
        "info" | "cell" => Nature::Distinct,
        _ => Nature::Any,
    }
}
