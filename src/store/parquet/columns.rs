//! Columns whose values are known in a form that is cheap to encode: runs, codes of few values, and integers.
//!
//! Each is the twin of what the general writer makes of the same values: readers see no difference but in size and time.

use super::chunk::{ChunkBuilder, Codec, DictionaryPage, EncodedChunk, PageFacts};
use super::encoding::{even_bit_width, push_delta, push_even_delta, push_packed, push_packed_bytes, push_run};
use super::word::Word;
use crate::error::Result;
use parquet::basic::Encoding;
use parquet::schema::types::ColumnDescPtr;

/// A column that repeats one value for many rows: a chunk of one page. `runs`: values and rows of each, no nulls.
pub fn runs<T: Word>(column: ColumnDescPtr, runs: &[(T, u32)], codec: &mut Codec) -> Result<EncodedChunk> {
    /// Rows of a run, on average, from which on a dictionary of the runs is smaller than differences.
    const LONG: usize = 4;
    let n_rows = runs.iter().map(|run| run.1 as usize).sum();
    let mut chunk = ChunkBuilder::new(column);
    let range = runs.iter().map(|run| run.0).min().zip(runs.iter().map(|run| run.0).max());
    let range = range.map(|(least, most)| (least.to_i64(), most.to_i64()));
    let facts = PageFacts { n_values: n_rows, n_rows, n_null: 0, range };
    if n_rows < LONG * runs.len() {
        let mut values = Vec::with_capacity(n_rows);
        for &(value, n) in runs {
            values.resize(values.len() + n as usize, value);
        }
        let mut body = Vec::new();
        push_delta(&mut body, &values);
        chunk.push_page(&body, Encoding::DELTA_BINARY_PACKED, facts, codec)?;
        return chunk.finish::<T>(None, codec);
    }
    // neighbours may have one value: those are one entry
    let is_new = |i: usize| i == 0 || runs[i].0 != runs[i - 1].0;
    let n_entries = (0..runs.len()).filter(|&i| is_new(i)).count();
    let bit_width = u32::BITS - (n_entries.saturating_sub(1) as u32).leading_zeros();
    let (mut dictionary, mut body) = (Vec::new(), vec![bit_width as u8]);
    let (mut entry, mut n) = (0, 0);
    for (i, &(value, n_here)) in runs.iter().enumerate() {
        if is_new(i) {
            if n > 0 {
                push_run(&mut body, entry, n, bit_width);
                entry += 1;
            }
            n = 0;
            value.push_plain(&mut dictionary);
        }
        n += n_here as usize;
    }
    push_run(&mut body, entry, n, bit_width);
    chunk.push_page(&body, Encoding::RLE_DICTIONARY, facts, codec)?;
    chunk.finish::<T>(Some(DictionaryPage { values: &dictionary, n_values: n_entries }), codec)
}

/// What a code stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Null.
    Null,
    /// An entry of the dictionary.
    Entry(u32),
}

impl Meaning {
    fn entry(self) -> Option<u32> {
        match self {
            Meaning::Null => None,
            Meaning::Entry(entry) => Some(entry),
        }
    }

    /// Definition level of a nullable column.
    fn level(self) -> u8 {
        u8::from(self != Meaning::Null)
    }
}

/// A page of codes. `meanings[code]`; `n_entries` of the dictionary.
fn codes_page(
    chunk: &mut ChunkBuilder,
    codes: &[u16],
    meanings: &[Meaning],
    n_entries: usize,
    range: Option<(i64, i64)>,
    codec: &mut Codec,
) -> Result<()> {
    let n_null = match meanings.contains(&Meaning::Null) {
        true => codes.iter().filter(|code| meanings[usize::from(**code)] == Meaning::Null).count(),
        false => 0,
    };
    let mut body = Vec::with_capacity(codes.len() / 2 + 64);
    let bit_width = even_bit_width(n_entries.saturating_sub(1) as u32);
    // as bytes where that can be: most columns have a handful of codes
    if meanings.len() <= BYTES && bit_width <= 8 {
        push_few_codes(&mut body, codes, meanings, n_null, chunk.column().max_def_level() > 0, bit_width);
    } else {
        let present: Vec<u32> = codes.iter().filter_map(|&code| meanings[usize::from(code)].entry()).collect();
        if chunk.column().max_def_level() > 0 {
            let levels: Vec<u8> = codes.iter().map(|&code| meanings[usize::from(code)].level()).collect();
            push_levels(&mut body, &levels, n_null);
        }
        body.push(bit_width as u8);
        push_packed(&mut body, &present, bit_width);
    }
    let facts = PageFacts { n_values: codes.len(), n_rows: codes.len(), n_null, range };
    chunk.push_page(&body, Encoding::RLE_DICTIONARY, facts, codec)
}

/// Codes that fit a table of bytes.
const BYTES: usize = 256;

fn push_few_codes(
    body: &mut Vec<u8>,
    codes: &[u16],
    meanings: &[Meaning],
    n_null: usize,
    nullable: bool,
    bit_width: u32,
) {
    let (mut entries, mut levels) = ([0u8; BYTES], [0u8; BYTES]);
    for (code, meaning) in meanings.iter().enumerate() {
        entries[code] = meaning.entry().unwrap_or(0) as u8;
        levels[code] = meaning.level();
    }
    let entry = |code: &u16| entries[usize::from(*code as u8)];
    let level = |code: &u16| levels[usize::from(*code as u8)];
    if nullable {
        match n_null {
            0 => push_levels(body, &vec![1; codes.len()], 0),
            _ => push_levels(body, &codes.iter().map(level).collect::<Vec<u8>>(), n_null),
        }
    }
    body.push(bit_width as u8);
    if bit_width == 0 {
        push_run(body, 0, codes.len() - n_null, bit_width);
        return;
    }
    let mut present: Vec<u8>;
    if n_null == 0 {
        present = codes.iter().map(entry).collect();
    } else {
        // without a branch: what comes behind a null is written over it
        present = vec![0; codes.len() + 1];
        let mut n = 0;
        for code in codes {
            present[n] = entry(code);
            n += usize::from(level(code));
        }
        present.truncate(n);
    }
    push_packed_bytes(body, &present, bit_width);
}

/// Which entries codes use, in the order of the codes, renumbered from 0; and what each code means in these numbers.
fn entries_in_use(codes: &[u16], meanings: &[Meaning]) -> (Vec<u32>, Vec<Meaning>) {
    let mut used = vec![false; meanings.len()];
    codes.iter().for_each(|&code| used[usize::from(code)] = true);
    let mut entries: Vec<u32> = Vec::new();
    let renumbered = meanings.iter().zip(used).map(|(&meaning, used)| match meaning {
        Meaning::Entry(entry) if used => Meaning::Entry(match entries.iter().position(|&known| known == entry) {
            Some(at) => at as u32,
            None => {
                entries.push(entry);
                entries.len() as u32 - 1
            }
        }),
        _ => Meaning::Null,
    });
    let renumbered = renumbered.collect();
    (entries, renumbered)
}

/// A column of texts given as codes: `meanings[code]` is an entry of `texts`.
pub fn coded_texts(
    column: ColumnDescPtr,
    codes: &[u16],
    meanings: &[Meaning],
    texts: &[impl AsRef<str>],
    codec: &mut Codec,
) -> Result<EncodedChunk> {
    let (entries, meanings) = entries_in_use(codes, meanings);
    let texts: Vec<&[u8]> = entries.iter().map(|&entry| texts[entry as usize].as_ref().as_bytes()).collect();
    let mut dictionary = Vec::new();
    texts.iter().for_each(|text| push_text(&mut dictionary, text));
    let mut chunk = ChunkBuilder::new(column);
    codes_page(&mut chunk, codes, &meanings, texts.len(), None, codec)?;
    let range = texts.iter().min().zip(texts.iter().max()).map(|(least, most)| (*least, *most));
    chunk.finish_texts(Some(DictionaryPage { values: &dictionary, n_values: texts.len() }), range, codec)
}

/// A column of integers given as codes: `meanings[code]` is an entry of `values`.
pub fn coded_integers(
    column: ColumnDescPtr,
    codes: &[u16],
    meanings: &[Meaning],
    values: &[i32],
    codec: &mut Codec,
) -> Result<EncodedChunk> {
    let (entries, meanings) = entries_in_use(codes, meanings);
    let values: Vec<i32> = entries.iter().map(|&entry| values[entry as usize]).collect();
    let mut dictionary = Vec::new();
    values.iter().for_each(|value| value.push_plain(&mut dictionary));
    let mut chunk = ChunkBuilder::new(column);
    let range = values.iter().min().zip(values.iter().max()).map(|(&least, &most)| (i64::from(least), i64::from(most)));
    codes_page(&mut chunk, codes, &meanings, values.len(), range, codec)?;
    chunk.finish::<i32>(Some(DictionaryPage { values: &dictionary, n_values: values.len() }), codec)
}

/// A column with one text in all rows.
pub fn one_text(column: ColumnDescPtr, text: &str, n_rows: usize, codec: &mut Codec) -> Result<EncodedChunk> {
    let mut chunk = ChunkBuilder::new(column);
    let mut dictionary = Vec::new();
    push_text(&mut dictionary, text.as_bytes());
    let mut body = Vec::new();
    if chunk.column().max_def_level() > 0 {
        push_level_run(&mut body, 1, n_rows);
    }
    body.push(0);
    push_run(&mut body, 0, n_rows, 0);
    let facts = PageFacts { n_values: n_rows, n_rows, n_null: 0, range: None };
    chunk.push_page(&body, Encoding::RLE_DICTIONARY, facts, codec)?;
    let range = Some((text.as_bytes(), text.as_bytes()));
    chunk.finish_texts(Some(DictionaryPage { values: &dictionary, n_values: 1 }), range, codec)
}

fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text);
}

/// A column of numbers below `n` that ascend in `n_runs` runs, without nulls.
pub fn indexes(
    column: ColumnDescPtr,
    values: &[u32],
    n: usize,
    n_runs: usize,
    codec: &mut Codec,
) -> Result<EncodedChunk> {
    /// Rows of a run from which on bytes of differences are smaller than indexes.
    const LONG: usize = 64;
    let mut chunk = ChunkBuilder::new(column);
    let range = values.iter().min().zip(values.iter().max()).map(|(&least, &most)| (i64::from(least), i64::from(most)));
    let facts = PageFacts { n_values: values.len(), n_rows: values.len(), n_null: 0, range };
    let mut body = Vec::new();
    let has_dictionary = n <= BYTES || values.len() < LONG * n_runs && n <= 1 << 16 && values.len() > 4 * n;
    if !has_dictionary {
        if values.len() < LONG * n_runs {
            push_delta(&mut body, &values.iter().map(|&value| value as i32).collect::<Vec<i32>>());
        } else {
            push_even_delta(&mut body, values);
        }
        chunk.push_page(&body, Encoding::DELTA_BINARY_PACKED, facts, codec)?;
        return chunk.finish::<i32>(None, codec);
    }
    // each number is its own entry, so that nothing is looked up
    let mut dictionary = Vec::with_capacity(4 * n);
    (0..n as i32).for_each(|value| value.push_plain(&mut dictionary));
    let bit_width = even_bit_width(n as u32 - 1);
    body.push(bit_width as u8);
    push_packed(&mut body, values, bit_width);
    chunk.push_page(&body, Encoding::RLE_DICTIONARY, facts, codec)?;
    chunk.finish::<i32>(Some(DictionaryPage { values: &dictionary, n_values: n }), codec)
}

/// A column without any value. `n_rows` rows; lists are null, too.
pub fn nulls(column: ColumnDescPtr, n_rows: usize, codec: &mut Codec) -> Result<EncodedChunk> {
    let mut chunk = ChunkBuilder::new(column);
    push_null_page(&mut chunk, n_rows, codec)?;
    chunk.finish_nulls(codec)
}

fn push_null_page(chunk: &mut ChunkBuilder, n_rows: usize, codec: &mut Codec) -> Result<()> {
    let mut body = Vec::new();
    if chunk.column().max_rep_level() > 0 {
        push_level_run(&mut body, 0, n_rows);
    }
    push_level_run(&mut body, 0, n_rows);
    let facts = PageFacts { n_values: n_rows, n_rows, n_null: n_rows, range: None };
    chunk.push_page(&body, Encoding::PLAIN, facts, codec)
}

/// `n` levels of 0 or 1, all the same.
fn push_level_run(body: &mut Vec<u8>, level: u32, n: usize) {
    let mut levels = Vec::new();
    push_run(&mut levels, level, n, 1);
    push_sized(body, &levels);
}

/// Levels of 0 (null) and 1, behind their length.
fn push_levels(body: &mut Vec<u8>, levels: &[u8], n_null: usize) {
    match n_null {
        0 => push_level_run(body, 1, levels.len()),
        n_null if n_null == levels.len() => push_level_run(body, 0, levels.len()),
        _ => {
            let mut bytes = Vec::new();
            push_packed_bytes(&mut bytes, levels, 1);
            push_sized(body, &bytes);
        }
    }
}

fn push_sized(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    body.extend_from_slice(bytes);
}

/// The dictionary of a column of integers that grows page by page; numbers that it does not take are written as differences.
#[derive(Default)]
struct Dictionary {
    /// Index + 1 of each value from 0 on.
    index_of: Vec<u16>,
    values: Vec<i32>,
    indexes: Vec<u32>,
}

impl Dictionary {
    /// Values from here on are not in the dictionary.
    const END: i32 = 1 << 16;
    /// Entries at most: where there are more, indexes are hardly smaller than values.
    const ENTRIES: usize = 1 << 12;

    /// Appends a page of values, none of them null; says in which encoding.
    fn push(&mut self, body: &mut Vec<u8>, values: &[i32]) -> Encoding {
        if !self.index(values) {
            push_delta(body, values);
            return Encoding::DELTA_BINARY_PACKED;
        }
        let bit_width = even_bit_width(self.values.len().saturating_sub(1) as u32);
        body.push(bit_width as u8);
        match self.indexes.first() {
            Some(&first) if self.indexes.iter().all(|&index| index == first) => {
                push_run(body, first, values.len(), bit_width);
            }
            _ => push_packed(body, &self.indexes, bit_width),
        }
        Encoding::RLE_DICTIONARY
    }

    /// Finds the indexes of values; false when they are too many or too large.
    fn index(&mut self, values: &[i32]) -> bool {
        self.indexes.clear();
        self.indexes.reserve(values.len());
        for &value in values {
            let known = match self.index_of.get(value as usize) {
                Some(&index) if index > 0 => index,
                _ => match self.enter(value) {
                    Some(index) => index,
                    None => return false,
                },
            };
            self.indexes.push(u32::from(known) - 1);
        }
        true
    }

    #[cold]
    fn enter(&mut self, value: i32) -> Option<u16> {
        if !(0..Self::END).contains(&value) || self.values.len() == Self::ENTRIES {
            return None;
        }
        if self.index_of.len() <= value as usize {
            self.index_of.resize((value as usize + 1).next_power_of_two(), 0);
        }
        self.values.push(value);
        self.index_of[value as usize] = self.values.len() as u16;
        Some(self.values.len() as u16)
    }

    /// The dictionary in PLAIN form, and its number of entries; empty after.
    fn take(&mut self) -> (Vec<u8>, usize) {
        let mut plain = Vec::with_capacity(4 * self.values.len());
        for &value in &self.values {
            value.push_plain(&mut plain);
            self.index_of[value as usize] = 0;
        }
        let n_entries = self.values.len();
        self.values.clear();
        (plain, n_entries)
    }
}

/// A column of nullable integers, or of lists of them, page by page.
pub struct IntegerColumn {
    chunk: ChunkBuilder,
    dictionary: Dictionary,
    body: Vec<u8>,
    present: Vec<i32>,
}

impl IntegerColumn {
    /// Without rows.
    pub fn new(column: ColumnDescPtr) -> Self {
        IntegerColumn {
            chunk: ChunkBuilder::new(column),
            dictionary: Dictionary::default(),
            body: Vec::new(),
            present: Vec::new(),
        }
    }

    /// Appends a page of integers, [`Word::NULL`] for null.
    pub fn push_page(&mut self, values: &[i32], codec: &mut Codec) -> Result<()> {
        if values.is_empty() {
            return Ok(());
        }
        self.body.clear();
        let n_null = count_nulls(values);
        if self.chunk.column().max_def_level() > 0 {
            let levels: Vec<u8> = values.iter().map(|&value| u8::from(value != i32::NULL)).collect();
            push_levels(&mut self.body, &levels, n_null);
        }
        self.push_values(values, values.len(), values.len(), n_null, codec)
    }

    /// Appends a page of lists of integers: `ends[row]` is the end of its values, [`NO_LIST`] set for a null list.
    pub fn push_list_page(&mut self, ends: &[u32], values: &[i32], codec: &mut Codec) -> Result<()> {
        if ends.is_empty() {
            return Ok(());
        }
        self.body.clear();
        let n_null = count_nulls(values);
        let lists = Lists { ends, values };
        let (mut repetition, mut definition) = (Vec::new(), Vec::new());
        lists.levels(n_null, &mut repetition, &mut definition);
        push_sized(&mut self.body, &repetition);
        push_sized(&mut self.body, &definition);
        let n_without = lists.n_without_items();
        self.push_values(values, values.len() + n_without, ends.len(), n_null + n_without, codec)
    }

    /// Appends rows that are null.
    pub fn push_null_page(&mut self, n_rows: usize, codec: &mut Codec) -> Result<()> {
        push_null_page(&mut self.chunk, n_rows, codec)
    }

    fn push_values(
        &mut self,
        values: &[i32],
        n_values: usize,
        n_rows: usize,
        n_null: usize,
        codec: &mut Codec,
    ) -> Result<()> {
        self.present.clear();
        let values = if values.contains(&i32::NULL) {
            self.present.extend(values.iter().filter(|&&value| value != i32::NULL));
            &self.present[..]
        } else {
            values
        };
        let encoding = match values {
            [] => Encoding::PLAIN,
            _ => self.dictionary.push(&mut self.body, values),
        };
        let range = values.iter().min().zip(values.iter().max());
        let range = range.map(|(&least, &most)| (i64::from(least), i64::from(most)));
        self.chunk.push_page(&self.body, encoding, PageFacts { n_values, n_rows, n_null, range }, codec)
    }

    /// The chunk; the column is empty after.
    pub fn finish(&mut self, codec: &mut Codec) -> Result<EncodedChunk> {
        let (plain, n_entries) = self.dictionary.take();
        let dictionary = (n_entries > 0).then_some(DictionaryPage { values: &plain, n_values: n_entries });
        self.chunk.finish::<i32>(dictionary, codec)
    }
}

fn count_nulls(values: &[i32]) -> usize {
    values.iter().filter(|&&value| value == i32::NULL).count()
}

/// Set in the end of a list that is null.
pub const NO_LIST: u32 = 1 << 31;

/// Lists of nullable items, one a row.
struct Lists<'a> {
    ends: &'a [u32],
    values: &'a [i32],
}

/// Definition levels of a nullable list of nullable items (Parquet format, Nested Encoding).
mod level {
    pub const NULL_LIST: u8 = 0;
    pub const EMPTY_LIST: u8 = 1;
    pub const NULL_ITEM: u8 = 2;
    pub const ITEM: u8 = 3;
}

impl Lists<'_> {
    /// Each list: whether it is null, and its items.
    fn iter(&self) -> impl Iterator<Item = (bool, &[i32])> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let (is_null, end) = (end & NO_LIST != 0, (end & !NO_LIST) as usize);
            let items = &self.values[start..end];
            start = end;
            (is_null, items)
        })
    }

    fn n_without_items(&self) -> usize {
        self.iter().filter(|(_, items)| items.is_empty()).count()
    }

    /// The length that all lists have, where none is null or empty.
    fn one_length(&self) -> Option<usize> {
        let first = self.ends[0] as usize;
        let is_regular = first > 0 && self.ends.iter().enumerate().all(|(row, &end)| end as usize == (row + 1) * first);
        is_regular.then_some(first)
    }

    /// Appends the repetition and the definition levels.
    fn levels(&self, n_null: usize, repetition: &mut Vec<u8>, definition: &mut Vec<u8>) {
        if let Some(length) = self.one_length().filter(|_| n_null == 0) {
            let mut again = vec![1; self.values.len()];
            again.iter_mut().step_by(length).for_each(|level| *level = 0);
            push_packed_bytes(repetition, &again, 1);
            push_run(definition, u32::from(level::ITEM), self.values.len(), 2);
            return;
        }
        let n = self.values.len() + self.n_without_items();
        let (mut again, mut defined) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for (is_null, items) in self.iter() {
            match items {
                [] => {
                    again.push(0);
                    defined.push(if is_null { level::NULL_LIST } else { level::EMPTY_LIST });
                }
                items => {
                    again.extend((0..items.len()).map(|i| u8::from(i > 0)));
                    let level = |&item: &i32| if item == i32::NULL { level::NULL_ITEM } else { level::ITEM };
                    defined.extend(items.iter().map(level));
                }
            }
        }
        push_packed_bytes(repetition, &again, 1);
        push_packed_bytes(definition, &defined, 2);
    }
}
