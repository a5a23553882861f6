//! Footers of Parquet files. What one says becomes offsets, lengths and numbers of rows: the numbers are checked here, once, before
//! anything is read by them. Source: the Thrift definition of the Parquet format (`FileMetaData`, `OffsetIndex`).

use super::{damaged, guarded, reading_error};
use crate::error::Result;
use crate::store::DataFile;
use crate::store::data_file::FileReader;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::Length;
use std::sync::Arc;

/// Reads the footer of a file, with its page indexes as `policy` says.
pub fn read(file: &DataFile, input: &FileReader, policy: PageIndexPolicy) -> Result<ParquetMetaData> {
    let reader = ParquetMetaDataReader::new().with_page_index_policy(policy);
    let metadata = guarded(file, || reader.parse_and_finish(input))?;
    check(&metadata, input.len()).map_err(|what| damaged(file, what))?;
    Ok(metadata)
}

/// The same for readers of batches; types are those of Parquet.
pub fn read_for_batches(file: &DataFile, input: &FileReader, policy: PageIndexPolicy) -> Result<ArrowReaderMetadata> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = Arc::new(read(file, input, policy)?);
    ArrowReaderMetadata::try_new(metadata, options).map_err(|error| reading_error(file, error))
}

/// Whether the numbers of a footer can be those of a file of so many bytes; if not, what is wrong.
pub fn check(metadata: &ParquetMetaData, n_bytes: u64) -> std::result::Result<(), &'static str> {
    let mut n_rows_left = metadata.file_metadata().num_rows();
    for group in 0..metadata.num_row_groups() {
        let row_group = metadata.row_group(group);
        let n_rows = row_group.num_rows();
        n_rows_left = n_rows_left.checked_sub(n_rows).filter(|_| n_rows >= 0).ok_or("it has no such number of rows")?;
        for (at, column) in row_group.columns().iter().enumerate() {
            if !is_within(column, n_bytes) {
                return Err("a column is not within the file");
            }
            let Some(pages) = metadata.page_index().and_then(|index| index.offset_index(group, at)) else { continue };
            let pages = pages.page_locations();
            if !are_in_order(pages, n_rows, n_bytes) {
                return Err("its page index does not fit it");
            }
            let values = metadata.page_index().and_then(|index| index.column_index(group, at));
            if values.is_some_and(|values| values.num_pages() != pages.len() as u64) {
                return Err("its page indexes are of different pages");
            }
        }
    }
    if n_rows_left == 0 { Ok(()) } else { Err("it has no such number of rows") }
}

/// Whether all bytes of a column chunk are in the file.
fn is_within(column: &ColumnChunkMetaData, n_bytes: u64) -> bool {
    let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
    let numbers = [start, column.data_page_offset(), column.compressed_size(), column.uncompressed_size()];
    let are_numbers = numbers.iter().all(|number| *number >= 0) && column.num_values() >= 0;
    are_numbers && (start as u64).checked_add(column.compressed_size() as u64).is_some_and(|end| end <= n_bytes)
}

/// Whether pages are in the file, and their first rows ascend from 0 to at most `n_rows`.
fn are_in_order(pages: &[PageLocation], n_rows: i64, n_bytes: u64) -> bool {
    let is_in_file = |page: &PageLocation| {
        let end = page.offset.checked_add(i64::from(page.compressed_page_size));
        page.offset >= 0 && page.compressed_page_size >= 0 && end.is_some_and(|end| end as u64 <= n_bytes)
    };
    let mut last = 0;
    pages.first().is_none_or(|page| page.first_row_index == 0)
        && pages.iter().all(|page| {
            let ascends = (last..=n_rows).contains(&page.first_row_index);
            last = page.first_row_index;
            ascends && is_in_file(page)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::metadata::{FileMetaData, RowGroupMetaData};
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;

    fn page(offset: i64, compressed_page_size: i32, first_row_index: i64) -> PageLocation {
        PageLocation { offset, compressed_page_size, first_row_index }
    }

    /// A footer of one column: numbers of rows of the file and of its row group, where the column begins and its bytes.
    fn footer(n_rows: [i64; 2], start: i64, n_bytes: i64) -> ParquetMetaData {
        let schema = parse_message_type("message m { required int32 a; }").expect("a schema");
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(schema)));
        let column = ColumnChunkMetaData::builder(schema.column(0)).set_num_values(10).set_data_page_offset(start);
        let column = column.set_total_compressed_size(n_bytes).build().expect("a column");
        let group = RowGroupMetaData::builder(Arc::clone(&schema)).set_num_rows(n_rows[1]);
        let group = group.set_column_metadata(vec![column]).build().expect("a row group");
        ParquetMetaData::new(FileMetaData::new(2, n_rows[0], None, None, schema, None), vec![group])
    }

    #[test]
    fn columns_are_within_the_file() {
        assert_eq!(check(&footer([10, 10], 4, 96), 100), Ok(()));
        for (start, n_bytes) in [(-4, 96), (4, -1), (4, 97), (101, 0), (i64::MAX, i64::MAX), (i64::MIN, 1)] {
            let found = check(&footer([10, 10], start, n_bytes), 100);
            assert!(found.is_err_and(|what| what.contains("within the file")), "{start} {n_bytes}");
        }
        for n_rows in [[10, 9], [9, 10], [-10, -10], [i64::MIN, i64::MAX]] {
            let found = check(&footer(n_rows, 4, 96), 100);
            assert!(found.is_err_and(|what| what.contains("number of rows")), "{n_rows:?}");
        }
    }

    #[test]
    fn pages_in_order() {
        let good = [page(4, 10, 0), page(14, 10, 50), page(24, 6, 90)];
        assert!(are_in_order(&good, 100, 30) && are_in_order(&[], 0, 0) && are_in_order(&good[..1], 0, 30));
        assert!(!are_in_order(&good, 89, 30), "behind the last row");
        assert!(!are_in_order(&good, 100, 29), "behind the end of the file");
        for wrong in [page(-1, 10, 90), page(24, -1, 90), page(24, 6, 49), page(24, 6, -90), page(i64::MAX, 6, 90)] {
            assert!(!are_in_order(&[good[0].clone(), good[1].clone(), wrong.clone()], 100, 30), "{wrong:?}");
        }
        assert!(!are_in_order(&good[1..], 100, 30), "the first row is missing");
    }
}
