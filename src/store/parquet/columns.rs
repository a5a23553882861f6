//! Columns whose values are known in a form that is cheap to encode: runs, codes of few values, indexes.
//!
//! Each is the twin of what the general writer makes of the same values: readers see no difference but in size and time.

use super::chunk::{Bounds, ChunkBuilder, Codec, DictionaryPage, EncodedChunk, PageFacts};
use super::encoding::{even_bit_width, push_delta, push_even_delta, push_packed, push_packed_bytes, push_run};
use super::levels::{push_level_run, push_levels};
use super::text_range::TextRange;
use super::word::{Range, Word};
use crate::error::Result;
use crate::wide::wide;
use parquet::basic::Encoding;
use parquet::schema::types::ColumnDescPtr;

/// A column that repeats one value for many rows: a chunk of one page. `runs`: values and rows of each, no nulls.
pub fn runs<T: Word>(column: ColumnDescPtr, runs: &[(T, u32)], codec: &mut Codec) -> Result<EncodedChunk> {
    /// Rows of a run, on average, from which on a dictionary of the runs is smaller than differences.
    const LONG: usize = 4;
    let n_rows = runs.iter().map(|run| run.1 as usize).sum();
    let mut chunk = ChunkBuilder::new(column);
    let range = Range::of(runs.iter().map(|run| run.0));
    let statistics = Some(Range::statistics(range, 0));
    let facts = PageFacts { n_values: n_rows, n_rows, n_null: 0, bounds: range.map(Range::bounds) };
    if n_rows < LONG * runs.len() {
        let mut values = Vec::with_capacity(n_rows);
        for &(value, n) in runs {
            values.resize(values.len() + n as usize, value);
        }
        let mut body = Vec::new();
        push_delta(&mut body, &values);
        chunk.push_page(&body, Encoding::DELTA_BINARY_PACKED, facts, codec)?;
        return chunk.finish(None, statistics, codec);
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
    chunk.finish(Some(DictionaryPage { values: &dictionary, n_values: n_entries }), statistics, codec)
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
    bounds: Option<Bounds>,
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
    let facts = PageFacts { n_values: codes.len(), n_rows: codes.len(), n_null, bounds };
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
    if meanings.len() <= u32::BITS as usize {
        let found = few_in_use(codes);
        used.iter_mut().enumerate().for_each(|(code, used)| *used = found >> code & 1 == 1);
    } else {
        codes.iter().for_each(|&code| used[usize::from(code)] = true);
    }
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

wide! {
    /// A bit for each code below 32 that is there.
    fn few_in_use(codes: &[u16]) -> u32 {
        codes.iter().fold(0, |found, &code| found | 1 << (u32::from(code) & 31))
    }
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
    let texts: Vec<&str> = entries.iter().map(|&entry| texts[entry as usize].as_ref()).collect();
    let mut dictionary = Vec::new();
    texts.iter().for_each(|text| push_text(&mut dictionary, text.as_bytes()));
    let mut chunk = ChunkBuilder::new(column);
    let range = TextRange::of(texts.iter().copied());
    codes_page(&mut chunk, codes, &meanings, texts.len(), range.as_ref().map(TextRange::bounds), codec)?;
    let statistics = range.map(|range| range.statistics(chunk.n_null()));
    chunk.finish(Some(DictionaryPage { values: &dictionary, n_values: texts.len() }), statistics, codec)
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
    let range = Range::of(values.iter().copied());
    codes_page(&mut chunk, codes, &meanings, values.len(), range.map(Range::bounds), codec)?;
    let statistics = Range::statistics(range, chunk.n_null());
    chunk.finish(Some(DictionaryPage { values: &dictionary, n_values: values.len() }), Some(statistics), codec)
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
    let range = TextRange::of(std::iter::once(text));
    let bounds = range.as_ref().map(TextRange::bounds);
    let facts = PageFacts { n_values: n_rows, n_rows, n_null: 0, bounds };
    chunk.push_page(&body, Encoding::RLE_DICTIONARY, facts, codec)?;
    let statistics = range.map(|range| range.statistics(0));
    chunk.finish(Some(DictionaryPage { values: &dictionary, n_values: 1 }), statistics, codec)
}

/// Appends a text in PLAIN form.
pub(super) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
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
    let range = Range::of(values.iter().map(|&value| value as i32));
    let statistics = Some(Range::statistics(range, 0));
    let bounds = range.map(Range::bounds);
    let facts = PageFacts { n_values: values.len(), n_rows: values.len(), n_null: 0, bounds };
    let mut body = Vec::new();
    let has_dictionary = n <= BYTES || values.len() < LONG * n_runs && n <= 1 << 16 && values.len() > 4 * n;
    if !has_dictionary {
        if values.len() < LONG * n_runs {
            push_delta(&mut body, &values.iter().map(|&value| value as i32).collect::<Vec<i32>>());
        } else {
            push_even_delta(&mut body, values);
        }
        chunk.push_page(&body, Encoding::DELTA_BINARY_PACKED, facts, codec)?;
        return chunk.finish(None, statistics, codec);
    }
    // each number is its own entry, so that nothing is looked up
    let mut dictionary = Vec::with_capacity(4 * n);
    (0..n as i32).for_each(|value| value.push_plain(&mut dictionary));
    let bit_width = even_bit_width(n as u32 - 1);
    body.push(bit_width as u8);
    push_packed(&mut body, values, bit_width);
    chunk.push_page(&body, Encoding::RLE_DICTIONARY, facts, codec)?;
    chunk.finish(Some(DictionaryPage { values: &dictionary, n_values: n }), statistics, codec)
}

/// A column without any value. `n_rows` rows; lists are null, too.
pub fn nulls(column: ColumnDescPtr, n_rows: usize, codec: &mut Codec) -> Result<EncodedChunk> {
    let mut chunk = ChunkBuilder::new(column);
    push_null_page(&mut chunk, n_rows, codec)?;
    chunk.finish(None, None, codec)
}

/// Appends a page of nulls.
pub(super) fn push_null_page(chunk: &mut ChunkBuilder, n_rows: usize, codec: &mut Codec) -> Result<()> {
    let mut body = Vec::new();
    if chunk.column().max_rep_level() > 0 {
        push_level_run(&mut body, 0, n_rows);
    }
    push_level_run(&mut body, 0, n_rows);
    let facts = PageFacts { n_values: n_rows, n_rows, n_null: n_rows, bounds: None };
    chunk.push_page(&body, Encoding::PLAIN, facts, codec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn few_codes_are_found_as_many_are(codes in prop::collection::vec(0u16..32, 0..100)) {
            let few: Vec<Meaning> = (0..32).map(Meaning::Entry).collect();
            let many: Vec<Meaning> = (0..33).map(Meaning::Entry).collect();
            let (entries, renumbered) = entries_in_use(&codes, &few);
            let (entries_of_many, renumbered_of_many) = entries_in_use(&codes, &many);
            prop_assert_eq!(entries, entries_of_many);
            prop_assert_eq!(&renumbered[..], &renumbered_of_many[..32]);
        }
    }
}
