//! Columns of 32-bit integers and of lists of them, page by page.

use super::chunk::{ChunkBuilder, Codec, DictionaryPage, EncodedChunk, PageFacts};
use super::columns::push_null_page;
use super::encoding::{even_bit_width, push_delta, push_packed, push_run};
use super::levels::{Lists, push_levels};
use super::word::{Range, Word};
use crate::error::Result;
use parquet::basic::Encoding;
use parquet::schema::types::ColumnDescPtr;

/// The dictionary of a column of integers that grows page by page; numbers that it does not take are written as differences.
#[derive(Default)]
pub(super) struct IntegerDictionary {
    /// Index + 1 of each value from 0 on.
    index_of: Vec<u16>,
    values: Vec<i32>,
    indexes: Vec<u32>,
}

impl IntegerDictionary {
    /// Values from here on are not in the dictionary.
    const END: i32 = 1 << 16;
    /// Entries at most: where there are more, indexes are hardly smaller than values.
    const ENTRIES: usize = 1 << 12;

    /// Appends a page of values, none of them null; says in which encoding.
    pub fn push(&mut self, body: &mut Vec<u8>, values: &[i32]) -> Encoding {
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
        let mut indexes = std::mem::take(&mut self.indexes);
        indexes.resize(values.len(), 0);
        let all = indexes.iter_mut().zip(values).all(|(place, &value)| {
            let known = match self.index_of.get(value as usize) {
                Some(&index) if index > 0 => Some(index),
                _ => self.enter(value),
            };
            *place = known.map_or(0, |index| u32::from(index) - 1);
            known.is_some()
        });
        self.indexes = indexes;
        all
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
    pub fn take(&mut self) -> (Vec<u8>, usize) {
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
    dictionary: IntegerDictionary,
    range: Option<Range<i32>>,
    body: Vec<u8>,
    present: Vec<i32>,
}

impl IntegerColumn {
    /// Without rows.
    pub fn new(column: ColumnDescPtr) -> Self {
        IntegerColumn {
            chunk: ChunkBuilder::new(column),
            dictionary: IntegerDictionary::default(),
            range: None,
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

    /// Appends a page of lists of integers: `ends[row]` is the end of its values, [`NO_LIST`](super::levels::NO_LIST) set for a null list.
    pub fn push_list_page(&mut self, ends: &[u32], values: &[i32], codec: &mut Codec) -> Result<()> {
        if ends.is_empty() {
            return Ok(());
        }
        self.body.clear();
        let lists = Lists {
            ends,
            n_items: values.len(),
            is_null: |item| values[item] == i32::NULL,
            n_null: count_nulls(values),
        };
        lists.push_levels(&mut self.body);
        let n_without = lists.n_without_items();
        let (n_values, n_null) = (values.len() + n_without, lists.n_null + n_without);
        self.push_values(values, n_values, ends.len(), n_null, codec)
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
        let mut range = Range::of_slice(values);
        let mut values = values;
        if range.is_some_and(|range| range.may_have_null()) {
            self.present.extend(values.iter().filter(|&&value| value != i32::NULL));
            values = &self.present;
            range = Range::of_slice(values);
        }
        let encoding = match values {
            [] => Encoding::PLAIN,
            _ => self.dictionary.push(&mut self.body, values),
        };
        self.range = Range::join(self.range, range);
        let facts = PageFacts { n_values, n_rows, n_null, bounds: range.map(Range::bounds) };
        self.chunk.push_page(&self.body, encoding, facts, codec)
    }

    /// The chunk; the column is empty after.
    pub fn finish(&mut self, codec: &mut Codec) -> Result<EncodedChunk> {
        let (plain, n_entries) = self.dictionary.take();
        let dictionary = (n_entries > 0).then_some(DictionaryPage { values: &plain, n_values: n_entries });
        let statistics = Range::statistics(self.range.take(), self.chunk.n_null());
        self.chunk.finish(dictionary, Some(statistics), codec)
    }
}

/// Values that are null. Hardly any page has some: that is looked at first.
fn count_nulls(values: &[i32]) -> usize {
    if Range::of_slice(values).is_none_or(|range| !range.may_have_null()) {
        return 0;
    }
    values.iter().filter(|&&value| value == i32::NULL).count()
}
