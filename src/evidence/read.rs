//! Reads ranges of parts: the pages that can hold a row of the range, found by the page index, and no others.
//!
//! Blocks are read by the million, so their pages are decoded here ([`encoding`]); records, which are few
//! and long, by the Arrow reader.

use super::schema::PAGE_ROWS;
use super::write::CONTIG_ROWS_KEY;
use super::{Blocks, ContigRows, MISSING, NO_FILTER, RecordText, Records, cell_start, grid_cell};
use crate::error::{Error, Result};
use crate::store::DataFile;
use crate::store::parquet::encoding;
use crate::store::parquet::reading_error;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch, StringArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use std::ops::Range;

/// Where the rows of each contig are in a part, from its footer.
pub fn contig_rows(path: &DataFile) -> Result<Vec<ContigRows>> {
    let metadata = ArrowReaderMetadata::load(&path.open()?, ArrowReaderOptions::new())
        .map_err(|error| reading_error(path, error))?;
    let notes = metadata.metadata().file_metadata().key_value_metadata();
    let note = notes.and_then(|notes| notes.iter().find(|note| note.key == CONTIG_ROWS_KEY));
    let text = note.and_then(|note| note.value.as_deref());
    text.and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| damaged(path, "it does not say where the rows of each contig are"))
}

/// Appends the blocks of one contig that overlap `[from, to]` (1-based, inclusive) to `blocks`.
pub fn read_blocks(path: &DataFile, rows: &ContigRows, from: i32, to: i32, blocks: &mut Blocks) -> Result<()> {
    if from > rows.last_pos || to < rows.first_pos || rows.rows == 0 {
        return Ok(());
    }
    let options = ReadOptionsBuilder::new().with_page_index().build();
    let error = |error| reading_error(path, error);
    let reader = SerializedFileReader::new_with_options(path.open()?, options).map_err(error)?;
    let look_from = cell_start(grid_cell(from.max(1)));
    let wanted = rows_between(reader.metadata(), "start", rows, look_from, to).ok_or_else(|| no_index(path))?;
    let mut columns = BlockColumns::default();
    for (group, of_group) in wanted {
        let group = reader.get_row_group(group).map_err(error)?;
        columns.read(&*group, reader.metadata(), of_group, path)?;
        columns.append(from, to, blocks).ok_or_else(|| damaged(path, "its columns differ in length"))?;
    }
    Ok(())
}

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

fn damaged(path: &DataFile, what: &str) -> Error {
    Error::bad_data(format!("{}: {what}", path.display())).hint("`varbatch verify` says which files are damaged")
}

fn no_index(path: &DataFile) -> Error {
    damaged(path, "it has no page index")
}

/// Rows of each row group, counted from its first, in the pages that can hold a position of the range; those of
/// the contig only. Pages are sorted by position within a contig. `None`: the file has no page index.
fn rows_between(
    metadata: &ParquetMetaData,
    position: &str,
    of: &ContigRows,
    from: i32,
    to: i32,
) -> Option<Vec<(usize, Range<u64>)>> {
    let of_contig = of.first_row..of.first_row + of.rows;
    let column = column_of(metadata, position)?;
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

fn column_of(metadata: &ParquetMetaData, name: &str) -> Option<usize> {
    let schema = metadata.file_metadata().schema_descr();
    (0..schema.num_columns()).find(|&at| schema.column(at).name() == name)
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

/// The columns of `ref_blocks` over some rows of a row group; [`MISSING`] where they are null.
#[derive(Default)]
struct BlockColumns {
    sample: Vec<i32>,
    start: Vec<i32>,
    length: Vec<i32>,
    gq: Vec<i32>,
    min_dp: Vec<i32>,
    dp: Vec<i32>,
    pl: [Vec<i32>; 3],
    gt: Vec<i32>,
    gt_texts: Vec<String>,
    filter: Vec<i32>,
    filter_texts: Vec<String>,
    spare: Vec<u32>,
}

impl BlockColumns {
    fn read(
        &mut self,
        group: &dyn RowGroupReader,
        metadata: &ParquetMetaData,
        rows: Range<u64>,
        path: &DataFile,
    ) -> Result<()> {
        let [pl_ref, pl_het, pl_hom_alt] = &mut self.pl;
        let numbers = [
            ("sample_index", &mut self.sample),
            ("start", &mut self.start),
            ("length", &mut self.length),
            ("gq", &mut self.gq),
            ("min_dp", &mut self.min_dp),
            ("dp", &mut self.dp),
            ("pl_ref", pl_ref),
            ("pl_het", pl_het),
            ("pl_hom_alt", pl_hom_alt),
        ];
        for (name, values) in numbers {
            read_column(group, metadata, (name, &rows), (values, None), &mut self.spare, path)?;
        }
        let texts = [("gt", &mut self.gt, &mut self.gt_texts), ("filter", &mut self.filter, &mut self.filter_texts)];
        for (name, keys, texts) in texts {
            read_column(group, metadata, (name, &rows), (keys, Some(texts)), &mut self.spare, path)?;
        }
        Ok(())
    }

    /// Appends the rows that overlap `[from, to]`.
    fn append(&self, from: i32, to: i32, blocks: &mut Blocks) -> Option<()> {
        let n_rows = self.start.len();
        let others = [&self.sample, &self.length, &self.gq, &self.min_dp, &self.dp, &self.gt, &self.filter];
        if others.iter().any(|column| column.len() != n_rows) || self.pl.iter().any(|pl| pl.len() != n_rows) {
            return None;
        }
        // sorted by start: a range of rows, and before it those that reach into `[from, to]`
        let first = self.start.partition_point(|&start| start < from);
        let last = self.start.partition_point(|&start| start <= to).max(first);
        for row in (0..first).filter(|&row| self.start[row] + self.length[row] > from) {
            self.append_rows(row..row + 1, blocks)?;
        }
        self.append_rows(first..last, blocks)
    }

    fn append_rows(&self, rows: Range<usize>, blocks: &mut Blocks) -> Option<()> {
        blocks.start.extend_from_slice(&self.start[rows.clone()]);
        blocks.length.extend_from_slice(&self.length[rows.clone()]);
        blocks.gq.extend_from_slice(&self.gq[rows.clone()]);
        blocks.min_dp.extend_from_slice(&self.min_dp[rows.clone()]);
        blocks.dp.extend_from_slice(&self.dp[rows.clone()]);
        blocks.sample.extend(self.sample[rows.clone()].iter().map(|&sample| sample as u32));
        let [pl_ref, pl_het, pl_hom_alt] = self.pl.each_ref().map(|pl| &pl[rows.clone()]);
        blocks.pl.extend(pl_ref.iter().zip(pl_het).zip(pl_hom_alt).map(|((&a, &b), &c)| [a, b, c]));
        let gts = numbered(&mut blocks.gts, &self.gt_texts);
        let filters = numbered(&mut blocks.filters, &self.filter_texts);
        numbers_of(&self.gt[rows.clone()], &gts, &mut blocks.gt)?;
        numbers_of(&self.filter[rows], &filters, &mut blocks.filter)
    }
}

/// Appends the numbers of keys; [`NO_FILTER`] for [`MISSING`].
fn numbers_of(keys: &[i32], numbers: &[u16], out: &mut Vec<u16>) -> Option<()> {
    if keys.iter().any(|&key| key != MISSING && key as usize >= numbers.len()) {
        return None;
    }
    out.extend(keys.iter().map(|&key| if key == MISSING { NO_FILTER } else { numbers[key as usize] }));
    Some(())
}

/// Numbers of texts in a list that grows.
fn numbered(list: &mut Vec<String>, texts: &[String]) -> Vec<u16> {
    let number = |text: &String| match list.iter().position(|known| known == text) {
        Some(number) => number as u16,
        None => {
            list.push(text.clone());
            (list.len() - 1) as u16
        }
    };
    texts.iter().map(number).collect()
}

/// Reads some rows of a column: numbers, or the dictionary and the places in it (`texts`).
fn read_column(
    group: &dyn RowGroupReader,
    metadata: &ParquetMetaData,
    (name, rows): (&str, &Range<u64>),
    (values, texts): (&mut Vec<i32>, Option<&mut Vec<String>>),
    spare: &mut Vec<u32>,
    path: &DataFile,
) -> Result<()> {
    values.clear();
    let column = column_of(metadata, name).ok_or_else(|| damaged(path, &format!("it has no column {name}")))?;
    let nullable = metadata.file_metadata().schema_descr().column(column).max_def_level() > 0;
    let mut pages = group.get_column_page_reader(column).map_err(|error| reading_error(path, error))?;
    let broken = || damaged(path, &format!("a page of the column {name} is not understood"));
    let mut dictionary = Dictionary { numbers: Vec::new(), texts, nullable };
    let mut page_start = 0u64;
    while page_start < rows.end {
        let peeked = pages.peek_next_page().map_err(|error| reading_error(path, error))?.ok_or_else(broken)?;
        let page_end = page_start + peeked.num_rows.or(peeked.num_levels).unwrap_or_default() as u64;
        if !peeked.is_dict && page_end <= rows.start && page_end > page_start {
            pages.skip_next_page().map_err(|error| reading_error(path, error))?;
            page_start = page_end;
            continue;
        }
        let before = values.len();
        let page = next_page(&mut *pages, path)?.ok_or_else(broken)?;
        let n_values = dictionary.read(&page, values, spare).ok_or_else(broken)? as u64;
        if matches!(page, Page::DictionaryPage { .. }) {
            continue;
        }
        if values.len() as u64 != before as u64 + n_values {
            return Err(broken());
        }
        // what is before or behind the wanted rows
        let (skip, end) = (rows.start.saturating_sub(page_start).min(n_values), rows.end.saturating_sub(page_start));
        values.truncate(before + end.min(n_values) as usize);
        values.drain(before..before + skip as usize);
        page_start += n_values;
        if n_values == 0 {
            return Err(broken());
        }
    }
    Ok(())
}

fn next_page(pages: &mut dyn PageReader, path: &DataFile) -> Result<Option<Page>> {
    pages.get_next_page().map_err(|error| reading_error(path, error))
}

/// What the values of a column chunk stand for.
struct Dictionary<'t> {
    numbers: Vec<i32>,
    texts: Option<&'t mut Vec<String>>,
    nullable: bool,
}

impl Dictionary<'_> {
    /// Takes a dictionary in, or appends the values of a page; says how many. `None`: it is not what a part has.
    fn read(&mut self, page: &Page, values: &mut Vec<i32>, spare: &mut Vec<u32>) -> Option<usize> {
        match page {
            Page::DictionaryPage { buf, .. } => {
                match &mut self.texts {
                    Some(texts) => **texts = encoding::plain_texts(buf)?.into_iter().map(str::to_string).collect(),
                    None => encoding::plain(buf, &mut self.numbers),
                }
                Some(0)
            }
            Page::DataPage { buf, num_values, encoding, .. } => {
                let n_values = *num_values as usize;
                self.read_values(buf, n_values, *encoding, values, spare)?;
                Some(n_values)
            }
            Page::DataPageV2 { .. } => None,
        }
    }

    fn read_values(
        &self,
        buf: &[u8],
        n_values: usize,
        encoding: Encoding,
        values: &mut Vec<i32>,
        spare: &mut Vec<u32>,
    ) -> Option<()> {
        let mut bytes = buf;
        spare.clear();
        let mut n_present = n_values;
        if self.nullable {
            let (len, rest) = bytes.split_at_checked(4)?;
            let (levels, rest) = rest.split_at_checked(u32::from_le_bytes(len.try_into().ok()?) as usize)?;
            n_present = match encoding::single_run(levels, 1, n_values) {
                Some(level) => n_values * level as usize,
                None => {
                    encoding::hybrid(levels, 1, n_values, spare)?;
                    spare.iter().map(|&level| level as usize).sum()
                }
            };
            bytes = rest;
        }
        let before = values.len();
        match encoding {
            _ if n_present == 0 => {}
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => self.read_indexes(bytes, n_present, values)?,
            Encoding::DELTA_BINARY_PACKED => encoding::delta(bytes, values)?,
            Encoding::PLAIN if self.texts.is_none() => encoding::plain(bytes, values),
            _ => return None,
        }
        if values.len() != before + n_present {
            return None;
        }
        if n_present == 0 {
            values.resize(before + n_values, MISSING);
        } else if n_present < n_values {
            spread(values, before, spare);
        }
        Some(())
    }

    fn read_indexes(&self, bytes: &[u8], n_present: usize, values: &mut Vec<i32>) -> Option<()> {
        let (&bit_width, bytes) = bytes.split_first()?;
        let value = |index: u32| match &self.texts {
            Some(_) => Some(index as i32),
            None => self.numbers.get(index as usize).copied(),
        };
        if let Some(index) = encoding::single_run(bytes, u32::from(bit_width), n_present) {
            values.resize(values.len() + n_present, value(index)?);
            return Some(());
        }
        let mut indexes = Vec::new();
        encoding::hybrid(bytes, u32::from(bit_width), n_present, &mut indexes)?;
        if self.texts.is_some() {
            values.extend(indexes.iter().map(|&index| index as i32));
            return Some(());
        }
        if indexes.iter().any(|&index| index as usize >= self.numbers.len()) {
            return None;
        }
        values.extend(indexes.iter().map(|&index| self.numbers[index as usize]));
        Some(())
    }
}

/// Moves the values from `start` on to the places whose level is 1; the others become [`MISSING`].
fn spread(values: &mut Vec<i32>, start: usize, levels: &[u32]) {
    let mut from = values.len();
    values.resize(start + levels.len(), MISSING);
    for (place, &level) in levels.iter().enumerate().rev() {
        values[start + place] = if level == 1 {
            from -= 1;
            values[from]
        } else {
            MISSING
        };
    }
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
    use super::super::{BlockWriter, GRID_BP, RecordWriter};
    use super::*;
    use crate::decode::gvcf::{Block, BlockGt, FilterNames};

    /// Numbers that look random.
    struct Noise(u64);

    impl Noise {
        fn below(&mut self, n: i32) -> i32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) % n as u64) as i32
        }
    }

    /// Sorted rows of two contigs, with gaps, over several pages and cells of the grid.
    fn some_blocks() -> Vec<(u32, u32, Block)> {
        let mut noise = Noise(5);
        let mut rows = Vec::new();
        for contig in [1, 4] {
            let mut start = 1;
            for _ in 0..45_000 {
                start += noise.below(9);
                let end = (start + noise.below(400)).min(super::super::cell_end(grid_cell(start)));
                let or_missing = |value: i32| if value % 5 == 0 { MISSING } else { value };
                let gt = [BlockGt::HomRef, BlockGt::NoCall, BlockGt::HemiRef][noise.below(3) as usize];
                let filter = if noise.below(3) == 0 { noise.below(2) as u16 } else { NO_FILTER };
                let [gq, dp, het] = [100, 60, 3000].map(|n| or_missing(noise.below(n)));
                let pl = [0, het, if het == MISSING { MISSING } else { 10 * het }];
                rows.push((contig, noise.below(64) as u32, Block { start, end, gq, min_dp: 7, dp, pl, gt, filter }));
            }
        }
        rows
    }

    #[test]
    fn the_blocks_of_a_range_and_no_others() {
        let rows = some_blocks();
        let mut filters = FilterNames::default();
        filters.number(b"LowQual");
        filters.number(b"a;b");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("part.parquet");
        let mut writer = BlockWriter::new(std::fs::File::create(&path).expect("a file"), &path).expect("a writer");
        for (i, (contig, sample, block)) in rows.iter().enumerate() {
            if i == 0 || rows[i - 1].0 != *contig {
                writer.start_contig(*contig, &format!("chr{contig}"), &filters).expect("begins");
            }
            writer.push(*sample, block, &filters).expect("writes");
        }
        let (written, _) = writer.finish(&filters).expect("ends");
        assert_eq!(written.contigs.iter().map(|rows| rows.rows).collect::<Vec<_>>(), [45_000, 45_000]);
        let last = rows[rows.len() - 1].2.start;
        for (from, to) in
            [(1, i32::MAX), (GRID_BP, GRID_BP), (GRID_BP + 1, GRID_BP + 50), (70_000, 90_000), (last, last)]
        {
            for of in &written.contigs {
                let mut found = Blocks::default();
                read_blocks(&path.as_path().into(), of, from, to, &mut found).expect("reads");
                let expected: Vec<(u32, Block)> = rows
                    .iter()
                    .filter(|(contig, _, block)| *contig == of.contig && block.start <= to && block.end >= from)
                    .map(|(_, sample, block)| (*sample, *block))
                    .collect();
                let found: Vec<(u32, Block)> = (0..found.len())
                    .map(|i| {
                        let filter = match found.filter[i] {
                            NO_FILTER => NO_FILTER,
                            number => filters.number(found.filters[number as usize].as_bytes()),
                        };
                        let gt = BlockGt::of(found.gts[found.gt[i] as usize].as_bytes()).expect("a genotype");
                        let (start, end) = (found.start[i], found.start[i] + found.length[i] - 1);
                        let (gq, min_dp, dp, pl) = (found.gq[i], found.min_dp[i], found.dp[i], found.pl[i]);
                        (found.sample[i], Block { start, end, gq, min_dp, dp, pl, gt, filter })
                    })
                    .collect();
                assert!(found == expected, "{from}-{to}: {} rows, expected {}", found.len(), expected.len());
            }
        }
    }

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
