//! Ranges of `evidence`.

use super::{damaged, no_index, rows_between};
use crate::error::Result;
use crate::evidence::schema::PAGE_ROWS;
use crate::evidence::{ContigRows, RecordText, Records};
use crate::store::DataFile;
use crate::store::parquet::reading_error;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch, StringArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use std::ops::Range;

/// Appends the records of one contig that overlap `[from, to]` (1-based, inclusive) to `records`.
pub fn read_records(path: &DataFile, rows: &ContigRows, from: i32, to: i32, records: &mut Records) -> Result<()> {
    if from > rows.last_pos || to < rows.first_pos || rows.rows == 0 {
        return Ok(());
    }
    const COLUMNS: [&str; 12] =
        ["sample_index", "pos", "end", "id", "ref", "alt", "qual", "filter", "info", "format", "cell", "aligned"];
    let look_from = from.saturating_sub(rows.max_span - 1);
    // without the Arrow schema in the file, dictionaries come as plain texts
    let options =
        ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required).with_skip_arrow_metadata(true);
    let file = path.open()?;
    let metadata = ArrowReaderMetadata::load(&file, options).map_err(|error| reading_error(path, error))?;
    let wanted = rows_between(metadata.metadata(), "pos", rows, look_from, to).ok_or_else(|| no_index(path))?;
    if wanted.is_empty() {
        return Ok(());
    }
    let selection = selection(metadata.metadata(), &wanted);
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let mask = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
    let reader = builder
        .with_projection(mask)
        .with_row_groups(wanted.iter().map(|(group, _)| *group).collect())
        .with_row_selection(selection)
        .with_batch_size(PAGE_ROWS)
        .build()
        .map_err(|error| reading_error(path, error))?;
    for batch in reader {
        let batch = batch.map_err(|error| damaged(path, &error.to_string()))?;
        append_records(&batch, from, to, records)
            .ok_or_else(|| damaged(path, "its columns are not those of evidence"))?;
    }
    Ok(())
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

fn append_records(batch: &RecordBatch, from: i32, to: i32, records: &mut Records) -> Option<()> {
    let ints = |name: &str| Some(batch.column_by_name(name)?.as_primitive_opt::<Int32Type>()?.values());
    let texts = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
    let (samples, pos, end): (_, _, _) = (ints("sample_index")?, ints("pos")?, ints("end")?);
    let (id, ref_allele, alt, qual) = (texts("id")?, texts("ref")?, texts("alt")?, texts("qual")?);
    let aligned = texts("aligned")?;
    let (filter, info, format, cell) = (texts("filter")?, texts("info")?, texts("format")?, texts("cell")?);
    for row in 0..batch.num_rows() {
        if pos[row] > to || end[row] < from {
            continue;
        }
        let text = RecordText {
            id: or_dot(id, row),
            ref_allele: ref_allele.value(row).as_bytes(),
            alt: alt.value(row).as_bytes(),
            qual: or_dot(qual, row),
            filter: filter.value(row).as_bytes(),
            info: info.value(row).as_bytes(),
            format: format.value(row).as_bytes(),
            cell: cell.value(row).as_bytes(),
            aligned: if aligned.is_valid(row) { aligned.value(row).as_bytes() } else { b"" },
        };
        records.push(samples[row] as u32, pos[row], end[row], text);
    }
    Some(())
}

fn or_dot(texts: &StringArray, row: usize) -> &[u8] {
    if texts.is_valid(row) { texts.value(row).as_bytes() } else { b"." }
}

#[cfg(test)]
mod tests {
    use super::super::noise::Noise;
    use super::*;
    use crate::evidence::RecordWriter;

    #[test]
    fn the_records_of_a_range_and_no_others() {
        let mut noise = Noise(9);
        let mut rows: Vec<(u32, i32, i32)> = Vec::new();
        let mut pos = 1;
        for _ in 0..50_000 {
            pos += noise.below(5);
            let longest = if noise.below(99) == 0 { 500 } else { 3 };
            rows.push((noise.below(9) as u32, pos, pos + noise.below(longest)));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("part.parquet");
        let mut writer = RecordWriter::new(std::fs::File::create(&path).expect("a file"), &path).expect("a writer");
        writer.start_contig(3, "chr3").expect("begins");
        let text_of = |pos: i32| format!("{}", pos % 77);
        for &(sample, pos, end) in &rows {
            let (id, cell) = (if pos % 3 == 0 { "rs1" } else { "." }, text_of(pos));
            let text = RecordText {
                id: id.as_bytes(),
                ref_allele: b"A",
                alt: b"C,<NON_REF>",
                qual: b".",
                filter: b"PASS",
                info: b"X",
                format: b"GT",
                cell: cell.as_bytes(),
                aligned: b"7:A:AC,.",
            };
            writer.push(sample, pos, end, text).expect("writes");
        }
        let (written, _) = writer.finish().expect("ends");
        for (from, to) in [(i32::MIN, i32::MAX), (500, 500), (60_000, 61_000), (pos, pos + 5)] {
            let mut found = Records::default();
            read_records(&path.as_path().into(), &written.contigs[0], from, to, &mut found).expect("reads");
            let expected: Vec<_> = rows.iter().copied().filter(|row| row.1 <= to && row.2 >= from).collect();
            let got: Vec<_> = (0..found.len()).map(|i| (found.sample[i], found.pos[i], found.end[i])).collect();
            assert!(got == expected, "{from}-{to}: {} rows, expected {}", got.len(), expected.len());
            for i in 0..found.len() {
                let text = found.text(i);
                let id: &[u8] = if found.pos[i] % 3 == 0 { b"rs1" } else { b"." };
                assert_eq!((text.id, text.qual, text.alt), (id, &b"."[..], &b"C,<NON_REF>"[..]));
                assert_eq!(text.cell, text_of(found.pos[i]).as_bytes());
            }
        }
    }
}
