//! Blocks of `ref_blocks` that cover some sites.
//!
//! Of every row `start` and `length` are decoded, which say whether it covers a site; the other columns only of the rows
//! that do: their pages hold packed numbers, which can be taken out one by one.

use super::{column_of, damaged, no_index, rows_between};
use crate::error::Result;
use crate::evidence::{Blocks, ContigRows, MISSING, NO_FILTER, cell_start, grid_cell};
use crate::store::DataFile;
use crate::store::parquet::encoding;
use crate::store::parquet::reading_error;
use parquet::basic::Encoding;
use parquet::column::page::Page;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use std::ops::Range;

/// Appends the blocks of one contig that cover one of `sites` (1-based, ascending) to `blocks`.
pub fn read_blocks(path: &DataFile, rows: &ContigRows, sites: &[i32], blocks: &mut Blocks) -> Result<()> {
    let (Some(&first), Some(&last)) = (sites.first(), sites.last()) else { return Ok(()) };
    if first > rows.last_pos || last < rows.first_pos || rows.rows == 0 {
        return Ok(());
    }
    let options = ReadOptionsBuilder::new().with_page_index().build();
    let error = |error| reading_error(path, error);
    let reader = SerializedFileReader::new_with_options(path.open()?, options).map_err(error)?;
    let metadata = reader.metadata();
    let look_from = cell_start(grid_cell(first.max(1)));
    let wanted = rows_between(metadata, "start", rows, look_from, last).ok_or_else(|| no_index(path))?;
    let mut columns = BlockColumns::default();
    for (group, rows) in wanted {
        let group = reader.get_row_group(group).map_err(error)?;
        columns.read(&Chunk { group: &*group, metadata, rows, path }, sites, blocks)?;
    }
    Ok(())
}

/// Columns of `ref_blocks` over some rows of a row group, and buffers.
#[derive(Default)]
struct BlockColumns {
    start: Vec<i32>,
    length: Vec<i32>,
    /// Rows that cover a site, counted from the first one of the chunk.
    chosen: Vec<u32>,
    /// Columns of these rows.
    numbers: Vec<i32>,
    pl: [Vec<i32>; 3],
    spare: Spare,
}

impl BlockColumns {
    /// Appends the rows of a chunk that cover one of `sites`.
    fn read(&mut self, chunk: &Chunk, sites: &[i32], blocks: &mut Blocks) -> Result<()> {
        chunk.read(&Column::numbers("start"), None, &mut self.start, &mut self.spare)?;
        chunk.read(&Column::numbers("length"), None, &mut self.length, &mut self.spare)?;
        if self.start.len() != self.length.len() {
            return Err(damaged(chunk.path, "its columns differ in length"));
        }
        self.choose(sites);
        if self.chosen.is_empty() {
            return Ok(());
        }
        let BlockColumns { start, length, chosen, numbers, pl, spare } = self;
        blocks.start.extend(chosen.iter().map(|&row| start[row as usize]));
        blocks.length.extend(chosen.iter().map(|&row| length[row as usize]));
        let mut take = |name: &'static str, values: &mut Vec<i32>| {
            chunk.read(&Column::numbers(name), Some(chosen), values, spare).map(drop)
        };
        take("sample_index", numbers)?;
        blocks.sample.extend(numbers.iter().map(|&sample| sample as u32));
        for (name, column) in [("gq", &mut blocks.gq), ("min_dp", &mut blocks.min_dp), ("dp", &mut blocks.dp)] {
            take(name, numbers)?;
            column.extend_from_slice(numbers);
        }
        for (name, values) in ["pl_ref", "pl_het", "pl_hom_alt"].into_iter().zip(pl.iter_mut()) {
            take(name, values)?;
        }
        let [pl_ref, pl_het, pl_hom_alt] = pl;
        blocks.pl.extend(pl_ref.iter().zip(pl_het).zip(pl_hom_alt).map(|((&a, &mut b), &mut c)| [a, b, c]));
        let texts = [("gt", &mut blocks.gts, &mut blocks.gt), ("filter", &mut blocks.filters, &mut blocks.filter)];
        for (name, known, column) in texts {
            let texts = chunk.read(&Column::texts(name), Some(chosen), numbers, spare)?;
            let of_texts = numbered(known, &texts);
            numbers_of(numbers, &of_texts, column).ok_or_else(|| chunk.broken(name))?;
        }
        Ok(())
    }

    /// Finds the rows that cover a site; rows and sites ascend.
    fn choose(&mut self, sites: &[i32]) {
        self.chosen.clear();
        self.chosen.resize(self.start.len(), 0);
        let (mut n, mut next) = (0, 0);
        for (row, (&start, &length)) in self.start.iter().zip(&self.length).enumerate() {
            while sites.get(next).is_some_and(|&site| site < start) {
                next += 1;
            }
            let Some(&site) = sites.get(next) else { break };
            self.chosen[n] = row as u32;
            n += usize::from(i64::from(site) - i64::from(start) < i64::from(length));
        }
        self.chosen.truncate(n);
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

/// Some rows of a row group.
struct Chunk<'a> {
    group: &'a dyn RowGroupReader,
    metadata: &'a ParquetMetaData,
    rows: Range<u64>,
    path: &'a DataFile,
}

/// A column, and whether its values are texts: then what is read of it are places in its dictionary.
struct Column {
    name: &'static str,
    is_text: bool,
}

impl Column {
    fn numbers(name: &'static str) -> Self {
        Column { name, is_text: false }
    }

    fn texts(name: &'static str) -> Self {
        Column { name, is_text: true }
    }
}

/// Buffers that are used again.
#[derive(Default)]
struct Spare {
    levels: Vec<u32>,
    indexes: Vec<u32>,
    page: Vec<i32>,
}

impl Chunk<'_> {
    fn broken(&self, column: &str) -> crate::error::Error {
        damaged(self.path, &format!("a page of the column {column} is not understood"))
    }

    /// Reads the rows of a column, or those of them that are listed (counted from the first row of the chunk,
    /// ascending), into `values`: [`MISSING`] where they are null. Returns the texts of its dictionary.
    fn read(
        &self,
        column: &Column,
        chosen: Option<&[u32]>,
        values: &mut Vec<i32>,
        spare: &mut Spare,
    ) -> Result<Vec<String>> {
        values.clear();
        let Column { name, is_text } = *column;
        let at = column_of(self.metadata, name);
        let at = at.ok_or_else(|| damaged(self.path, &format!("it has no column {name}")))?;
        let nullable = self.metadata.file_metadata().schema_descr().column(at).max_def_level() > 0;
        let failed = |error| reading_error(self.path, error);
        let broken = || self.broken(name);
        let mut pages = self.group.get_column_page_reader(at).map_err(failed)?;
        let mut dictionary = Dictionary { numbers: Vec::new(), texts: Vec::new(), is_text, nullable };
        let mut page_start = 0u64;
        while page_start < self.rows.end {
            let peeked = pages.peek_next_page().map_err(failed)?.ok_or_else(broken)?;
            let page_end = page_start + peeked.num_rows.or(peeked.num_levels).unwrap_or_default() as u64;
            if !peeked.is_dict && page_end > page_start && !self.has_some(chosen, page_start..page_end) {
                pages.skip_next_page().map_err(failed)?;
                page_start = page_end;
                continue;
            }
            let page = pages.get_next_page().map_err(failed)?.ok_or_else(broken)?;
            match &page {
                Page::DictionaryPage { buf, .. } => dictionary.enter(buf).ok_or_else(broken)?,
                Page::DataPage { buf, num_values, encoding, .. } => {
                    let page = DataPage { buf, n_values: *num_values as usize, encoding: *encoding };
                    self.take(&page, page_start, &dictionary, (chosen, values), spare).ok_or_else(broken)?;
                    page_start += u64::from(*num_values);
                }
                Page::DataPageV2 { .. } => return Err(broken()),
            }
        }
        let n_rows = chosen.map_or((self.rows.end - self.rows.start) as usize, <[u32]>::len);
        if values.len() == n_rows { Ok(dictionary.texts) } else { Err(broken()) }
    }

    /// Whether some row of the group that is wanted is among these.
    fn has_some(&self, chosen: Option<&[u32]>, rows: Range<u64>) -> bool {
        match chosen {
            None => rows.start < self.rows.end && rows.end > self.rows.start,
            Some(chosen) => !self.chosen_in(chosen, &rows).is_empty(),
        }
    }

    /// Those of the chosen rows that are among some rows of the group.
    fn chosen_in<'c>(&self, chosen: &'c [u32], rows: &Range<u64>) -> &'c [u32] {
        let before = |row: u64| chosen.partition_point(|&chosen| u64::from(chosen) + self.rows.start < row);
        &chosen[before(rows.start)..before(rows.end)]
    }

    /// Appends what is wanted of a page, whose first row is `page_start`. `None`: it is damaged.
    fn take(
        &self,
        page: &DataPage,
        page_start: u64,
        dictionary: &Dictionary,
        (chosen, values): (Option<&[u32]>, &mut Vec<i32>),
        spare: &mut Spare,
    ) -> Option<()> {
        if page.n_values == 0 {
            return None;
        }
        let rows = page_start..page_start + page.n_values as u64;
        let Some(chosen) = chosen else {
            let before = values.len();
            dictionary.read(page, values, spare)?;
            // what is before or behind the wanted rows
            let end = self.rows.end.saturating_sub(page_start).min(page.n_values as u64);
            let skip = self.rows.start.saturating_sub(page_start).min(end);
            values.truncate(before + end as usize);
            values.drain(before..before + skip as usize);
            return Some(());
        };
        let places = self.chosen_in(chosen, &rows).iter();
        let places = places.map(|&row| (u64::from(row) + self.rows.start - page_start) as usize);
        match dictionary.packed(page) {
            Some(Packed { bit_width: 0, one, .. }) => values.extend(places.map(|_| one)),
            Some(Packed { bytes, bit_width, .. }) => {
                for place in places {
                    values.push(dictionary.value(encoding::packed_value(bytes, bit_width, place))?);
                }
            }
            None => {
                let mut all = std::mem::take(&mut spare.page);
                all.clear();
                dictionary.read(page, &mut all, spare)?;
                values.extend(places.map(|place| all[place]));
                spare.page = all;
            }
        }
        Some(())
    }
}

struct DataPage<'a> {
    buf: &'a [u8],
    n_values: usize,
    encoding: Encoding,
}

/// Indexes of a page that can be taken out one by one, none of them null.
struct Packed<'a> {
    bytes: &'a [u8],
    /// 0: all values are `one`.
    bit_width: u32,
    one: i32,
}

/// What the values of a column chunk stand for.
struct Dictionary {
    numbers: Vec<i32>,
    texts: Vec<String>,
    is_text: bool,
    nullable: bool,
}

impl Dictionary {
    fn enter(&mut self, page: &[u8]) -> Option<()> {
        if self.is_text {
            self.texts = encoding::plain_texts(page)?.into_iter().map(str::to_string).collect();
        } else {
            self.numbers.clear();
            encoding::plain(page, &mut self.numbers);
        }
        Some(())
    }

    #[inline]
    fn value(&self, index: u32) -> Option<i32> {
        if self.is_text { Some(index as i32) } else { self.numbers.get(index as usize).copied() }
    }

    /// The levels of a nullable column, and what is behind them.
    fn levels<'p>(&self, page: &DataPage<'p>) -> Option<(&'p [u8], &'p [u8])> {
        if !self.nullable {
            return Some((&[], page.buf));
        }
        let (len, rest) = page.buf.split_at_checked(4)?;
        rest.split_at_checked(u32::from_le_bytes(len.try_into().ok()?) as usize)
    }

    /// The page, if it is one run of a value or of packed indexes; `None`: it is to be read as a whole.
    fn packed<'p>(&self, page: &DataPage<'p>) -> Option<Packed<'p>> {
        let (levels, bytes) = self.levels(page)?;
        let has_value = if self.nullable { encoding::single_run(levels, 1, page.n_values)? } else { 1 };
        if has_value == 0 {
            return Some(Packed { bytes: &[], bit_width: 0, one: MISSING });
        }
        if !matches!(page.encoding, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY) {
            return None;
        }
        let (&bit_width, bytes) = bytes.split_first()?;
        let bit_width = u32::from(bit_width);
        if let Some(index) = encoding::single_run(bytes, bit_width, page.n_values) {
            return Some(Packed { bytes: &[], bit_width: 0, one: self.value(index)? });
        }
        let bytes = encoding::single_packed_run(bytes, bit_width, page.n_values)?;
        Some(Packed { bytes, bit_width, one: MISSING })
    }

    /// Appends all values of a page.
    fn read(&self, page: &DataPage, values: &mut Vec<i32>, spare: &mut Spare) -> Option<()> {
        let (levels, bytes) = self.levels(page)?;
        let n_values = page.n_values;
        spare.levels.clear();
        let mut n_present = n_values;
        if self.nullable {
            n_present = match encoding::single_run(levels, 1, n_values) {
                Some(level) => n_values * level as usize,
                None => {
                    encoding::hybrid(levels, 1, n_values, &mut spare.levels)?;
                    spare.levels.iter().map(|&level| level as usize).sum()
                }
            };
        }
        let before = values.len();
        match page.encoding {
            _ if n_present == 0 => {}
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => {
                self.read_indexes(bytes, n_present, values, &mut spare.indexes)?;
            }
            Encoding::DELTA_BINARY_PACKED => encoding::delta(bytes, values)?,
            Encoding::PLAIN if !self.is_text => encoding::plain(bytes, values),
            _ => return None,
        }
        if values.len() != before + n_present {
            return None;
        }
        if n_present == 0 {
            values.resize(before + n_values, MISSING);
        } else if n_present < n_values {
            spread(values, before, &spare.levels);
        }
        Some(())
    }

    fn read_indexes(
        &self,
        bytes: &[u8],
        n_present: usize,
        values: &mut Vec<i32>,
        indexes: &mut Vec<u32>,
    ) -> Option<()> {
        let (&bit_width, bytes) = bytes.split_first()?;
        if let Some(index) = encoding::single_run(bytes, u32::from(bit_width), n_present) {
            values.resize(values.len() + n_present, self.value(index)?);
            return Some(());
        }
        indexes.clear();
        encoding::hybrid(bytes, u32::from(bit_width), n_present, indexes)?;
        if self.is_text {
            values.extend(indexes.iter().map(|&index| index as i32));
            return Some(());
        }
        let most = indexes.iter().copied().fold(0, u32::max);
        if most as usize >= self.numbers.len() {
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

#[cfg(test)]
mod tests {
    use super::super::noise::Noise;
    use super::*;
    use crate::decode::gvcf::{Block, BlockGt, FilterNames};
    use crate::evidence::{BlockWriter, GRID_BP};

    /// Sorted rows of two contigs, with gaps, over several pages and cells of the grid.
    fn some_blocks() -> Vec<(u32, u32, Block)> {
        let mut noise = Noise(5);
        let mut rows = Vec::new();
        for contig in [1, 4] {
            let mut start = 1;
            for _ in 0..45_000 {
                start += noise.below(9);
                let end = (start + noise.below(400)).min(crate::evidence::cell_end(grid_cell(start)));
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
    fn the_blocks_over_sites_and_no_others() {
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
        let lists: [Vec<i32>; 7] = [
            vec![],
            vec![1, last],
            vec![GRID_BP],
            vec![GRID_BP + 1, GRID_BP + 50],
            (70_000..90_000).collect(),
            (1..last + 500).step_by(911).collect(),
            vec![last + 1000],
        ];
        for sites in &lists {
            for of in &written.contigs {
                let mut found = Blocks::default();
                read_blocks(&path.as_path().into(), of, sites, &mut found).expect("reads");
                let covers = |block: &Block| sites.iter().any(|site| (block.start..=block.end).contains(site));
                let expected: Vec<(u32, Block)> = rows
                    .iter()
                    .filter(|(contig, _, block)| *contig == of.contig && covers(block))
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
                assert!(found == expected, "{} rows, expected {}", found.len(), expected.len());
            }
        }
    }
}
