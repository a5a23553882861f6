//! Columns and layout of the tables `ref_blocks` and `evidence`.

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
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
/// Rows that a column takes in between two looks at the size of its page.
const WRITE_BATCH_ROWS: usize = 4_096;
/// ZSTD level: the parts are written once and read once or twice by the joint call.
const ZSTD: i32 = 1;

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

/// Layout of a part of either table.
pub fn properties(row_group: usize) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by("varbatch".into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD).expect("a valid level")))
        .set_max_row_group_row_count(Some(row_group))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(WRITE_BATCH_ROWS)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for name in ["start", "pos"] {
        properties = properties.set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::Page);
    }
    // texts that differ from row to row: their least and largest tell nothing
    for name in ["id", "ref", "alt", "qual", "info", "cell", "aligned"] {
        properties = properties.set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::None);
    }
    for name in ["info", "cell"] {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    // ascending or nearly so; the other numbers are few different ones, which a dictionary holds in less
    for name in ["start", "pos", "end"] {
        let column = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    properties.build()
}
