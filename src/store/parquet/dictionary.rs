//! Dictionaries of texts and floats that grow page by page, and the pages of their indexes.

use super::arrays::{Nature, unknown};
use super::chunk::DictionaryPage;
use super::columns::push_text;
use super::encoding::{even_bit_width, push_packed, push_run};
use super::text_range::TextRange;
use crate::error::Result;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, DictionaryArray, StringArray};
use parquet::basic::Encoding;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Values that came so far, each with its index. It gives up for good when there are too many: pages from then on are PLAIN.
pub(super) struct Dictionary<K> {
    index_of: HashMap<K, u32>,
    plain: Vec<u8>,
    given_up: bool,
}

/// Entries of a dictionary at most, and their bytes.
pub(super) const MAX_ENTRIES: usize = 1 << 14;
const MAX_BYTES: usize = 1 << 18;

impl<K: Hash + Eq> Dictionary<K> {
    pub fn new() -> Self {
        Dictionary { index_of: HashMap::new(), plain: Vec::new(), given_up: false }
    }

    /// The index of a value, entered if it is new; `None`: the dictionary is full.
    fn index<Q>(&mut self, value: &Q, push_plain: impl FnOnce(&Q, &mut Vec<u8>)) -> Option<u32>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned + ?Sized,
        Q::Owned: Into<K>,
    {
        if let Some(&index) = self.index_of.get(value) {
            return Some(index);
        }
        if self.index_of.len() == MAX_ENTRIES || self.plain.len() > MAX_BYTES {
            self.given_up = true;
            return None;
        }
        let index = self.index_of.len() as u32;
        push_plain(value, &mut self.plain);
        self.index_of.insert(value.to_owned().into(), index);
        Some(index)
    }

    pub fn page(&self) -> Option<DictionaryPage<'_>> {
        (!self.index_of.is_empty()).then(|| DictionaryPage { values: &self.plain, n_values: self.index_of.len() })
    }

    pub fn clear(&mut self) {
        self.index_of.clear();
        self.plain.clear();
        self.given_up = false;
    }
}

/// Appends the indexes of a page; `n_entries`: of the dictionary so far.
fn push_indexes(body: &mut Vec<u8>, indexes: &[u32], n_entries: usize) {
    let bit_width = even_bit_width(n_entries.saturating_sub(1) as u32);
    body.push(bit_width as u8);
    match indexes.first() {
        Some(&first) if indexes.iter().all(|&index| index == first) => {
            push_run(body, first, indexes.len(), bit_width);
        }
        _ => push_packed(body, indexes, bit_width),
    }
}

fn push_str(text: &str, plain: &mut Vec<u8>) {
    push_text(plain, text.as_bytes());
}

pub(super) fn push_floats(body: &mut Vec<u8>, values: &[f64], dictionary: &mut Dictionary<u64>) -> Encoding {
    if !dictionary.given_up {
        let mut indexes = Vec::with_capacity(values.len());
        for value in values {
            let bits = value.to_bits();
            match dictionary.index(&bits, |bits, plain| plain.extend_from_slice(&bits.to_le_bytes())) {
                Some(index) => indexes.push(index),
                None => break,
            }
        }
        if indexes.len() == values.len() {
            push_indexes(body, &indexes, dictionary.index_of.len());
            return Encoding::RLE_DICTIONARY;
        }
    }
    values.iter().for_each(|value| body.extend_from_slice(&value.to_le_bytes()));
    Encoding::PLAIN
}

/// Appends texts; says how, and what is known of them.
pub(super) fn push_texts(
    body: &mut Vec<u8>,
    texts: &StringArray,
    dictionary: &mut Dictionary<Box<str>>,
    nature: Nature,
) -> (Encoding, Option<TextRange>) {
    if nature == Nature::Distinct {
        texts.iter().flatten().for_each(|text| push_str(text, body));
        return (Encoding::PLAIN, None);
    }
    let range = TextRange::of(texts.iter().flatten());
    if !dictionary.given_up {
        let mut indexes = Vec::with_capacity(texts.len());
        for text in texts.iter().flatten() {
            match dictionary.index(text, push_str) {
                Some(index) => indexes.push(index),
                None => break,
            }
        }
        if !dictionary.given_up {
            push_indexes(body, &indexes, dictionary.index_of.len());
            return (Encoding::RLE_DICTIONARY, range);
        }
    }
    texts.iter().flatten().for_each(|text| push_str(text, body));
    (Encoding::PLAIN, range)
}

/// Appends texts that are codes already: only those in use are looked up. Says how, and what is known of them.
pub(super) fn push_coded(
    body: &mut Vec<u8>,
    coded: &DictionaryArray<Int32Type>,
    dictionary: &mut Dictionary<Box<str>>,
) -> Result<(Encoding, Option<TextRange>)> {
    let texts = coded.values().as_string_opt::<i32>().ok_or_else(|| unknown(coded.values().data_type()))?;
    if let Some(text) = only_text(coded, texts) {
        let index = dictionary.index(text, push_str).filter(|_| !dictionary.given_up);
        if let Some(index) = index {
            let bit_width = even_bit_width(dictionary.index_of.len().saturating_sub(1) as u32);
            body.push(bit_width as u8);
            push_run(body, index, coded.len(), bit_width);
            return Ok((Encoding::RLE_DICTIONARY, TextRange::of(std::iter::once(text))));
        }
    }
    let mut is_used = vec![false; texts.len()];
    coded.keys().iter().flatten().for_each(|key| is_used[key as usize] = true);
    let used = || (0..texts.len()).filter(|&key| is_used[key]);
    let range = TextRange::of(used().map(|key| texts.value(key)));
    let mut index_of = vec![0; texts.len()];
    for key in used() {
        match dictionary.index(texts.value(key), push_str) {
            Some(index) if !dictionary.given_up => index_of[key] = index,
            _ => {
                coded.keys().iter().flatten().for_each(|key| push_str(texts.value(key as usize), body));
                return Ok((Encoding::PLAIN, range));
            }
        }
    }
    let indexes: Vec<u32> = coded.keys().iter().flatten().map(|key| index_of[key as usize]).collect();
    push_indexes(body, &indexes, dictionary.index_of.len());
    Ok((Encoding::RLE_DICTIONARY, range))
}

/// The text that all rows have, where they do.
fn only_text<'a>(coded: &DictionaryArray<Int32Type>, texts: &'a StringArray) -> Option<&'a str> {
    let keys = coded.keys();
    let (first, others) = keys.values().split_first().filter(|_| keys.null_count() == 0)?;
    others.iter().all(|key| key == first).then(|| texts.value(*first as usize))
}
