//! Reads ranges of parts: the pages that can hold a row of the range, found by the page index, and no others.

use super::schema::PAGE_ROWS;
use super::write::CONTIG_ROWS_KEY;
use super::{Blocks, ContigRows, MISSING, NO_FILTER, RecordText, Records, cell_start, grid_cell};
use crate::error::{Error, Result};
use crate::store::parquet::{open, reading_error};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, DictionaryArray, Int32Array, RecordBatch, StringArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use std::ops::Range;
use std::path::Path;

/// Rows of a batch.
const BATCH_ROWS: usize = PAGE_ROWS;

/// Where the rows of each contig are in a part, from its footer.
pub fn contig_rows(path: &Path) -> Result<Vec<ContigRows>> {
    let metadata = ArrowReaderMetadata::load(&open(path)?, ArrowReaderOptions::new())
        .map_err(|error| reading_error(path, error))?;
    let notes = metadata.metadata().file_metadata().key_value_metadata();
    let note = notes.and_then(|notes| notes.iter().find(|note| note.key == CONTIG_ROWS_KEY));
    let text = note.and_then(|note| note.value.as_deref());
    text.and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| damaged(path, "it does not say where the rows of each contig are"))
}

/// Appends the blocks of one contig that overlap `[from, to]` (1-based, inclusive) to `blocks`.
pub fn read_blocks(path: &Path, rows: &ContigRows, from: i32, to: i32, blocks: &mut Blocks) -> Result<()> {
    if from > rows.last_pos || to < rows.first_pos || rows.rows == 0 {
        return Ok(());
    }
    const COLUMNS: [&str; 11] =
        ["sample_index", "start", "length", "gt", "gq", "min_dp", "dp", "pl_ref", "pl_het", "pl_hom_alt", "filter"];
    let look_from = cell_start(grid_cell(from.max(1)));
    let Some(reader) = open_range(path, rows, "start", &COLUMNS, look_from, to)? else { return Ok(()) };
    for batch in reader {
        let batch = batch.map_err(|error| damaged(path, &error.to_string()))?;
        append_blocks(&batch, from, to, blocks)
            .ok_or_else(|| damaged(path, "its columns are not those of ref_blocks"))?;
    }
    Ok(())
}

/// Appends the records of one contig that overlap `[from, to]` (1-based, inclusive) to `records`.
pub fn read_records(path: &Path, rows: &ContigRows, from: i32, to: i32, records: &mut Records) -> Result<()> {
    if from > rows.last_pos || to < rows.first_pos || rows.rows == 0 {
        return Ok(());
    }
    const COLUMNS: [&str; 12] =
        ["sample_index", "pos", "end", "id", "ref", "alt", "qual", "filter", "info", "format", "cell", "aligned"];
    let look_from = from.saturating_sub(rows.max_span - 1);
    let Some(reader) = open_range(path, rows, "pos", &COLUMNS, look_from, to)? else { return Ok(()) };
    for batch in reader {
        let batch = batch.map_err(|error| damaged(path, &error.to_string()))?;
        append_records(&batch, from, to, records)
            .ok_or_else(|| damaged(path, "its columns are not those of evidence"))?;
    }
    Ok(())
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::bad_data(format!("{}: {what}", path.display())).hint("`varbatch verify` says which files are damaged")
}

/// A reader over the pages that can hold a row of the contig with `from <= position <= to`; `None`: there is none.
fn open_range(
    path: &Path,
    rows: &ContigRows,
    position: &str,
    columns: &[&str],
    from: i32,
    to: i32,
) -> Result<Option<ParquetRecordBatchReader>> {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let file = open(path)?;
    let metadata = ArrowReaderMetadata::load(&file, options).map_err(|error| reading_error(path, error))?;
    let of_contig = rows.first_row..rows.first_row + rows.rows;
    let Some(wanted) = rows_between(metadata.metadata(), position, of_contig, from, to) else {
        return Err(damaged(path, "it has no page index"));
    };
    let groups: Vec<usize> = wanted.iter().map(|(group, _)| *group).collect();
    if groups.is_empty() {
        return Ok(None);
    }
    let selection = selection(metadata.metadata(), &wanted);
    let columns = columns.iter().copied().filter(|column| !is_all_null(metadata.metadata(), &groups, column));
    let columns: Vec<&str> = columns.collect();
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns);
    let reader = builder
        .with_projection(mask)
        .with_row_groups(groups)
        .with_row_selection(selection)
        .with_batch_size(BATCH_ROWS)
        .build();
    reader.map(Some).map_err(|error| reading_error(path, error))
}

/// Whether a column has no value in some row groups: decoding dictionary columns of nulls alone is slow.
fn is_all_null(metadata: &ParquetMetaData, groups: &[usize], name: &str) -> bool {
    let schema = metadata.file_metadata().schema_descr();
    let Some(column) = (0..schema.num_columns()).find(|&at| schema.column(at).path().string() == name) else {
        return true;
    };
    groups.iter().all(|&group| {
        let group = metadata.row_group(group);
        let n_null = group.column(column).statistics().and_then(|statistics| statistics.null_count_opt());
        n_null == Some(group.num_rows() as u64)
    })
}

/// Rows of each row group, counted from its first, in the pages that can hold a position of the range; those of
/// the contig only. Pages are sorted by position within a contig. `None`: the file has no page index.
fn rows_between(
    metadata: &ParquetMetaData,
    position: &str,
    of_contig: Range<u64>,
    from: i32,
    to: i32,
) -> Option<Vec<(usize, Range<u64>)>> {
    let schema = metadata.file_metadata().schema_descr();
    let column = (0..schema.num_columns()).find(|&at| schema.column(at).path().string() == position)?;
    let page_index = metadata.page_index()?;
    let mut found = Vec::new();
    let mut group_start = 0u64;
    for group in 0..metadata.num_row_groups() {
        let n_rows = metadata.row_group(group).num_rows() as u64;
        let start = of_contig.start.max(group_start);
        let end = of_contig.end.min(group_start + n_rows);
        if start < end {
            let Some(ColumnIndexMetaData::INT32(index)) = page_index.column_index(group, column) else { return None };
            let pages = page_index.offset_index(group, column)?.page_locations();
            let of_group = start - group_start..end - group_start;
            let mut wanted: Option<Range<u64>> = None;
            for (page, location) in pages.iter().enumerate() {
                let page_start = location.first_row_index as u64;
                let page_end = pages.get(page + 1).map_or(n_rows, |next| next.first_row_index as u64);
                let rows = page_start.max(of_group.start)..page_end.min(of_group.end);
                // what a page says of all its rows holds for those of the contig, too
                let overlaps = index.min_value(page).is_none_or(|&min| min <= to)
                    && index.max_value(page).is_none_or(|&max| max >= from);
                if rows.start < rows.end && overlaps {
                    wanted = Some(wanted.map_or(rows.clone(), |so_far| so_far.start..rows.end));
                }
            }
            found.extend(wanted.map(|rows| (group, rows)));
        }
        group_start += n_rows;
    }
    Some(found)
}

fn selection(metadata: &ParquetMetaData, wanted: &[(usize, Range<u64>)]) -> RowSelection {
    let mut selectors = Vec::new();
    for (group, rows) in wanted {
        let n_rows = metadata.row_group(*group).num_rows() as u64;
        selectors.push(RowSelector::skip(rows.start as usize));
        selectors.push(RowSelector::select((rows.end - rows.start) as usize));
        selectors.push(RowSelector::skip((n_rows - rows.end) as usize));
    }
    RowSelection::from(selectors)
}

fn ints<'b>(batch: &'b RecordBatch, name: &str) -> Option<&'b Int32Array> {
    batch.column_by_name(name)?.as_primitive_opt::<Int32Type>()
}

fn texts<'b>(batch: &'b RecordBatch, name: &str) -> Option<&'b StringArray> {
    batch.column_by_name(name)?.as_string_opt::<i32>()
}

fn dictionary<'b>(batch: &'b RecordBatch, name: &str) -> Option<(&'b DictionaryArray<Int32Type>, &'b StringArray)> {
    let array = batch.column_by_name(name)?.as_dictionary_opt::<Int32Type>()?;
    Some((array, array.values().as_string_opt::<i32>()?))
}

/// Numbers of texts in a list that grows.
fn numbered(list: &mut Vec<String>, values: &StringArray) -> Vec<u16> {
    let number = |text: &str| match list.iter().position(|known| known == text) {
        Some(number) => number as u16,
        None => {
            list.push(text.to_string());
            (list.len() - 1) as u16
        }
    };
    values.iter().map(|text| text.unwrap_or_default()).map(number).collect()
}

fn append_blocks(batch: &RecordBatch, from: i32, to: i32, blocks: &mut Blocks) -> Option<()> {
    let (starts, lengths) = (ints(batch, "start")?.values(), ints(batch, "length")?.values());
    // sorted by start: the range of rows is found, then the few that end before it are left out
    let last = starts.partition_point(|&start| start <= to);
    let reaches = |row: usize| starts[row] >= from || starts[row] + lengths[row] > from;
    let first_in = starts.partition_point(|&start| start < from);
    let before: Vec<u32> = (0..first_in).filter(|&row| reaches(row)).map(|row| row as u32).collect();
    let first_in = first_in.min(last);
    let take = |into: &mut Vec<i32>, array: Option<&Int32Array>| {
        let Some(array) = array else {
            into.resize(into.len() + before.len() + last - first_in, MISSING);
            return;
        };
        let values = array.values();
        if array.null_count() == 0 {
            into.extend(before.iter().map(|&row| values[row as usize]));
            into.extend_from_slice(&values[first_in..last]);
        } else {
            let value = |row: usize| if array.is_valid(row) { values[row] } else { MISSING };
            into.extend(before.iter().map(|&row| value(row as usize)));
            into.extend((first_in..last).map(value));
        }
    };
    take(&mut blocks.start, ints(batch, "start"));
    take(&mut blocks.length, ints(batch, "length"));
    take(&mut blocks.gq, ints(batch, "gq"));
    take(&mut blocks.min_dp, ints(batch, "min_dp"));
    take(&mut blocks.dp, ints(batch, "dp"));
    let samples = ints(batch, "sample_index")?.values();
    let rows = || before.iter().map(|&row| row as usize).chain(first_in..last);
    blocks.sample.extend(rows().map(|row| samples[row] as u32));
    let pl = [ints(batch, "pl_ref"), ints(batch, "pl_het"), ints(batch, "pl_hom_alt")];
    let value = |array: Option<&Int32Array>, row: usize| {
        array.filter(|array| array.is_valid(row)).map_or(MISSING, |array| array.value(row))
    };
    blocks.pl.extend(rows().map(|row| pl.map(|array| value(array, row))));
    let (gt, gt_texts) = dictionary(batch, "gt")?;
    let numbers = numbered(&mut blocks.gts, gt_texts);
    blocks.gt.extend(rows().map(|row| numbers[gt.keys().value(row) as usize]));
    if let Some((filter, filter_texts)) = dictionary(batch, "filter") {
        let numbers = numbered(&mut blocks.filters, filter_texts);
        let number =
            |row: usize| if filter.is_valid(row) { numbers[filter.keys().value(row) as usize] } else { NO_FILTER };
        blocks.filter.extend(rows().map(number));
    } else {
        blocks.filter.resize(blocks.sample.len(), NO_FILTER);
    }
    Some(())
}

fn append_records(batch: &RecordBatch, from: i32, to: i32, records: &mut Records) -> Option<()> {
    let samples = ints(batch, "sample_index")?.values();
    let (pos, end) = (ints(batch, "pos")?.values(), ints(batch, "end")?.values());
    let column = |name| texts(batch, name);
    let (ref_allele, alt, info, cell) = (column("ref")?, column("alt")?, column("info")?, column("cell")?);
    let (id, qual, aligned) = (column("id"), column("qual"), column("aligned"));
    let ((filter, filters), (format, formats)) = (dictionary(batch, "filter")?, dictionary(batch, "format")?);
    for row in 0..batch.num_rows() {
        if pos[row] > to || end[row] < from {
            continue;
        }
        let text = RecordText {
            id: text(id, row, b"."),
            ref_allele: ref_allele.value(row).as_bytes(),
            alt: alt.value(row).as_bytes(),
            qual: text(qual, row, b"."),
            filter: filters.value(filter.keys().value(row) as usize).as_bytes(),
            info: info.value(row).as_bytes(),
            format: formats.value(format.keys().value(row) as usize).as_bytes(),
            cell: cell.value(row).as_bytes(),
            aligned: text(aligned, row, b""),
        };
        records.push(samples[row] as u32, pos[row], end[row], text);
    }
    Some(())
}

/// The text of a row; `missing` where it is null or the column was not read.
fn text<'b>(column: Option<&'b StringArray>, row: usize, missing: &'static [u8]) -> &'b [u8] {
    column.filter(|column| column.is_valid(row)).map_or(missing, |column| column.value(row).as_bytes())
}
