//! Rows that belong to alleles of the dataset, as they leave a source: keys, then values.

use super::join::{Hit, Joiner};
use super::targets::Chunk;
use crate::error::{Error, Result};
use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Key columns of every table under way; `contig` is in `variant_id`.
pub const KEYS: [(&str, DataType); 4] =
    [("variant_id", DataType::Int64), ("pos", DataType::Int32), ("ref", DataType::Utf8), ("alt", DataType::Utf8)];

/// The schema of keys and values.
pub fn schema(values: impl IntoIterator<Item = (String, DataType)>) -> SchemaRef {
    let keys = KEYS.into_iter().map(|(name, kind)| Field::new(name, kind, false));
    let values = values.into_iter().map(|(name, kind)| Field::new(name, kind, true));
    Arc::new(Schema::new(keys.chain(values).collect::<Vec<Field>>()))
}

/// Rows of one contig.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Keys, then values.
    pub batch: RecordBatch,
    /// Of each row, which row of the source it is from.
    pub sources: Vec<u64>,
}

/// Keys under way.
#[derive(Default)]
pub struct Keys {
    ids: Vec<i64>,
    pos: Vec<i32>,
    refs: StringBuilder,
    alts: StringBuilder,
    sources: Vec<u64>,
}

impl Keys {
    /// The key of a row of the dataset. `source`: which row of the source it comes from.
    pub fn push(&mut self, chunk: &Chunk, row: usize, source: u64) {
        self.ids.push(chunk.ids.value(row));
        self.pos.push(chunk.pos.value(row));
        self.refs.append_value(chunk.refs.value(row));
        self.alts.append_value(chunk.alts.value(row));
        self.sources.push(source);
    }

    /// The key of a hit.
    pub fn push_hit(&mut self, joiner: &Joiner, hit: Hit, source: u64) {
        if let Some((chunk, row)) = joiner.target(hit) {
            self.push(chunk, row, source);
        }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.ids.len()
    }

    /// The rows with their values; empty after.
    pub fn finish(&mut self, schema: &SchemaRef, values: Vec<ArrayRef>) -> Result<Rows> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(std::mem::take(&mut self.ids))),
            Arc::new(Int32Array::from(std::mem::take(&mut self.pos))),
            Arc::new(self.refs.finish()),
            Arc::new(self.alts.finish()),
        ];
        columns.extend(values);
        Ok(Rows { batch: batch(schema, columns)?, sources: std::mem::take(&mut self.sources) })
    }
}

/// A batch; columns that do not fit the schema are a bug.
pub fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>) -> Result<RecordBatch> {
    RecordBatch::try_new(schema.clone(), columns)
        .map_err(|error| Error::internal(format!("columns of an annotation do not fit: {error}")))
}

/// What the texts of a column have in common, so that its type can be found: bits of the types that can hold all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guess(u8);

const INT: u8 = 1;
const LONG: u8 = 2;
const FLOAT: u8 = 4;
const BOOL: u8 = 8;

/// A type that a column of texts can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// 32-bit integers.
    Int,
    /// 64-bit integers.
    Long,
    /// Numbers.
    Float,
    /// `true` and `false`.
    Bool,
    /// Text.
    Text,
}

impl TextKind {
    /// By its name in `--columns NAME:TYPE`.
    pub fn named(name: &str) -> Option<TextKind> {
        Some(match name {
            "int" => TextKind::Int,
            "long" => TextKind::Long,
            "float" => TextKind::Float,
            "bool" => TextKind::Bool,
            "text" => TextKind::Text,
            _ => return None,
        })
    }

    /// The type of its column.
    pub fn data_type(self) -> DataType {
        match self {
            TextKind::Int => DataType::Int32,
            TextKind::Long => DataType::Int64,
            TextKind::Float => DataType::Float64,
            TextKind::Bool => DataType::Boolean,
            TextKind::Text => DataType::Utf8,
        }
    }

    /// Whether a text is a value of it.
    pub fn holds(self, text: &str) -> bool {
        match self {
            TextKind::Int => whole(text).is_some_and(|value| i32::try_from(value).is_ok()),
            TextKind::Long => whole(text).is_some(),
            TextKind::Float => number(text).is_some(),
            TextKind::Bool => truth(text).is_some(),
            TextKind::Text => true,
        }
    }

    /// What an error says was expected.
    pub fn describe(self) -> &'static str {
        match self {
            TextKind::Int => "an integer of 32 bits",
            TextKind::Long => "an integer of 64 bits",
            TextKind::Float => "a number",
            TextKind::Bool => "true or false",
            TextKind::Text => "a text",
        }
    }
}

/// A text that stands for no value.
pub fn is_missing(text: &str) -> bool {
    matches!(text, "" | "." | "NA" | "NULL" | "null" | "\\N")
}

/// A whole number, written as one (`007` is not).
pub fn whole(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.len() == 1 || !digits.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// A number that begins with a digit, a sign or a point.
pub fn number(text: &str) -> Option<f64> {
    let is_start = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.');
    // an identifier such as `007` is no number
    let digits = text.trim_start_matches(['-', '+']);
    let padded = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    match text.bytes().next() {
        Some(first) if is_start(first) && !padded => text.parse().ok(),
        _ if matches!(text, "NaN" | "nan" | "inf" | "Inf") => text.parse().ok(),
        _ => None,
    }
}

/// `true` or `false`, in upper or lower case.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "TRUE" | "True" => Some(true),
        "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

impl Default for Guess {
    fn default() -> Self {
        Guess(INT | LONG | FLOAT | BOOL)
    }
}

impl Guess {
    /// Takes a text in that is not missing.
    pub fn see(&mut self, text: &str) {
        if self.0 & INT != 0 && !TextKind::Int.holds(text) {
            self.0 &= !INT;
        }
        if self.0 & LONG != 0 && !TextKind::Long.holds(text) {
            self.0 &= !LONG;
        }
        // a whole number that no integer holds would lose digits
        let is_long = text.len() > 18 && text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        if self.0 & FLOAT != 0 && (!TextKind::Float.holds(text) || (is_long && !TextKind::Long.holds(text))) {
            self.0 &= !FLOAT;
        }
        if self.0 & BOOL != 0 && !TextKind::Bool.holds(text) {
            self.0 &= !BOOL;
        }
    }

    /// What both have in common.
    pub fn join(self, other: Guess) -> Guess {
        Guess(self.0 & other.0)
    }

    /// The narrowest type; of no text at all: text.
    pub fn kind(self) -> TextKind {
        match self.0 {
            all if all == Guess::default().0 => TextKind::Text,
            bits if bits & INT != 0 => TextKind::Int,
            bits if bits & LONG != 0 => TextKind::Long,
            bits if bits & FLOAT != 0 => TextKind::Float,
            bits if bits & BOOL != 0 => TextKind::Bool,
            _ => TextKind::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(texts: &[&str]) -> TextKind {
        let mut guess = Guess::default();
        texts.iter().for_each(|text| guess.see(text));
        guess.kind()
    }

    #[test]
    fn types_of_texts() {
        assert_eq!(kind(&["1", "-7", "0"]), TextKind::Int);
        assert_eq!(kind(&["1", "3000000000"]), TextKind::Long);
        assert_eq!(kind(&["1", "0.5", "1e-9"]), TextKind::Float);
        assert_eq!(kind(&["9223372036854775807", "-9223372036854775808"]), TextKind::Long);
        assert_eq!(kind(&["1", "9223372036854775808"]), TextKind::Text);
        assert_eq!(kind(&["0.5", "-98765432109876543210"]), TextKind::Text);
        assert_eq!(kind(&["true", "FALSE"]), TextKind::Bool);
        assert_eq!(kind(&["1", "x"]), TextKind::Text);
        assert_eq!(kind(&["007", "8"]), TextKind::Text);
        assert_eq!(kind(&["1", "true"]), TextKind::Text);
        assert_eq!(kind(&[]), TextKind::Text);
    }
}
