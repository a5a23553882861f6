//! Values of one column, gathered row by row.
//!
//! Rows without a value are only counted until a value comes, so a column that nothing fills costs nothing.

use crate::decode::header::Kind;
use crate::decode::vcf::{parse_f64, parse_i32};
use crate::store::parquet::levels::NO_LIST;
use arrow_array::builder::{ArrayBuilder, BooleanBuilder, Float64Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Int32Array, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field};
use std::borrow::Cow;
use std::sync::Arc;

use super::field::Problem;

/// Stands for null among integers. VCF 4.5 section 1.3 keeps the eight lowest numbers out of use.
pub const NULL: i32 = i32::MIN;
/// Lowest integer of VCF.
const LEAST: i32 = i32::MIN + 8;

/// What a column has.
pub enum Filled<'a> {
    /// Rows, all null.
    Nulls(usize),
    /// One integer a row, or [`NULL`].
    Integers(&'a [i32]),
    /// One list a row: where it ends among the values, with [`NO_LIST`] where it is null; items may be [`NULL`].
    Lists {
        /// `[rows]`
        ends: &'a [u32],
        /// Items of all rows.
        values: &'a [i32],
    },
    /// Anything else.
    General(ArrayRef),
}

#[derive(Default)]
struct Lists {
    ends: Vec<u32>,
    values: Vec<i32>,
}

enum Kept {
    Flag(BooleanBuilder),
    Int(Vec<i32>),
    Float(Float64Builder),
    Text(StringBuilder),
    IntList(Lists),
    FloatList(ListBuilder<Float64Builder>),
    TextList(ListBuilder<StringBuilder>),
}

/// Values of one column.
pub struct Values {
    kept: Kept,
    /// Rows with and without a value that are in `kept`.
    n_kept: usize,
    /// Rows without a value behind those.
    n_null: usize,
}

impl Values {
    /// One value a row.
    pub fn scalar(kind: Kind) -> Values {
        Values::of(match kind {
            Kind::Flag => Kept::Flag(BooleanBuilder::new()),
            Kind::Integer => Kept::Int(Vec::new()),
            Kind::Float => Kept::Float(Float64Builder::new()),
            Kind::Text => Kept::Text(StringBuilder::new()),
        })
    }

    /// A list a row.
    pub fn list(kind: Kind) -> Values {
        Values::of(match kind {
            Kind::Integer => Kept::IntList(Lists::default()),
            Kind::Float => Kept::FloatList(ListBuilder::new(Float64Builder::new())),
            Kind::Flag | Kind::Text => Kept::TextList(ListBuilder::new(StringBuilder::new())),
        })
    }

    fn of(kept: Kept) -> Values {
        Values { kept, n_kept: 0, n_null: 0 }
    }

    /// A row without a value.
    #[inline]
    pub fn append_null(&mut self) {
        self.n_null += 1;
    }

    /// Rows without a value.
    #[inline]
    pub fn append_nulls(&mut self, n: usize) {
        self.n_null += n;
    }

    /// A row with one value; `.` is null.
    #[inline]
    pub fn append_value(&mut self, text: &[u8]) -> Result<(), Problem> {
        if text == b"." && !matches!(self.kept, Kept::Flag(_)) {
            self.append_null();
            return Ok(());
        }
        self.keep_nulls();
        self.n_kept += 1;
        match &mut self.kept {
            Kept::Flag(builder) => builder.append_value(true),
            Kept::Int(values) => values.push(integer(text)?),
            Kept::Float(builder) => builder.append_value(float(text)?),
            Kept::Text(builder) => builder.append_value(lossy(text)),
            Kept::IntList(_) | Kept::FloatList(_) | Kept::TextList(_) => unreachable!("lists are appended whole"),
        }
        Ok(())
    }

    /// A row with an integer of VCF's range.
    #[inline]
    pub fn append_integer(&mut self, value: i32) {
        self.keep_nulls();
        if let Kept::Int(values) = &mut self.kept {
            values.push(value);
            self.n_kept += 1;
        }
    }

    /// A row with a list of integers of VCF's range.
    #[inline]
    pub fn append_integers(&mut self, items: &[i32]) {
        self.keep_nulls();
        if let Kept::IntList(lists) = &mut self.kept {
            lists.values.extend_from_slice(items);
            lists.ends.push(lists.values.len() as u32);
            self.n_kept += 1;
        }
    }

    /// A row with each integer of VCF's range.
    pub fn append_each(&mut self, each: impl ExactSizeIterator<Item = i32>) {
        if each.len() == 0 {
            return;
        }
        self.keep_nulls();
        if let Kept::Int(values) = &mut self.kept {
            self.n_kept += each.len();
            values.extend(each);
        }
    }

    /// A row with each list of `N` integers of VCF's range.
    pub fn append_each_list<const N: usize>(&mut self, each: impl ExactSizeIterator<Item = [i32; N]>) {
        if each.len() == 0 {
            return;
        }
        self.keep_nulls();
        if let Kept::IntList(lists) = &mut self.kept {
            let before = lists.values.len();
            lists.ends.extend((1..=each.len()).map(|n| (before + n * N) as u32));
            self.n_kept += each.len();
            lists.values.reserve(each.len() * N);
            each.for_each(|items| lists.values.extend_from_slice(&items));
        }
    }

    /// A row with a text that is not looked at.
    pub fn append_text(&mut self, text: &str) {
        self.keep_nulls();
        self.n_kept += 1;
        if let Kept::Text(builder) = &mut self.kept {
            builder.append_value(text);
        }
    }

    /// A row with a list; items that are `.` are null.
    #[inline]
    pub fn append_list<'a>(&mut self, items: impl Iterator<Item = &'a [u8]>) -> Result<(), Problem> {
        self.keep_nulls();
        self.n_kept += 1;
        match &mut self.kept {
            Kept::IntList(lists) => {
                for item in items {
                    lists.values.push(if item == b"." { NULL } else { integer(item)? });
                }
                lists.ends.push(lists.values.len() as u32);
            }
            Kept::FloatList(builder) => {
                for item in items {
                    builder.values().append_option(if item == b"." { None } else { Some(float(item)?) });
                }
                builder.append(true);
            }
            Kept::TextList(builder) => {
                for item in items {
                    builder.values().append_option((item != b".").then(|| lossy(item)));
                }
                builder.append(true);
            }
            Kept::Flag(_) | Kept::Int(_) | Kept::Float(_) | Kept::Text(_) => unreachable!("one value is no list"),
        }
        Ok(())
    }

    /// Puts the rows without a value that were only counted among the others.
    #[inline]
    fn keep_nulls(&mut self) {
        if self.n_null > 0 {
            self.keep_counted_nulls();
        }
    }

    fn keep_counted_nulls(&mut self) {
        let n = std::mem::take(&mut self.n_null);
        self.n_kept += n;
        match &mut self.kept {
            Kept::Flag(builder) => builder.append_nulls(n),
            Kept::Int(values) => values.resize(values.len() + n, NULL),
            Kept::Float(builder) => builder.append_nulls(n),
            Kept::Text(builder) => builder.append_nulls(n),
            Kept::IntList(lists) => {
                let end = lists.values.len() as u32 | NO_LIST;
                lists.ends.resize(lists.ends.len() + n, end);
            }
            Kept::FloatList(builder) => builder.append_nulls(n),
            Kept::TextList(builder) => builder.append_nulls(n),
        }
    }

    /// What was appended; [`Values::clear`] it after.
    pub fn filled(&mut self) -> Filled<'_> {
        if self.n_kept == 0 {
            return Filled::Nulls(self.n_null);
        }
        self.keep_nulls();
        match &mut self.kept {
            Kept::Int(values) => Filled::Integers(values),
            Kept::IntList(lists) => Filled::Lists { ends: &lists.ends, values: &lists.values },
            Kept::Flag(builder) => Filled::General(ArrayBuilder::finish(builder)),
            Kept::Float(builder) => Filled::General(ArrayBuilder::finish(builder)),
            Kept::Text(builder) => Filled::General(ArrayBuilder::finish(builder)),
            Kept::FloatList(builder) => Filled::General(ArrayBuilder::finish(builder)),
            Kept::TextList(builder) => Filled::General(ArrayBuilder::finish(builder)),
        }
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        (self.n_kept, self.n_null) = (0, 0);
        match &mut self.kept {
            Kept::Int(values) => values.clear(),
            Kept::IntList(lists) => {
                lists.ends.clear();
                lists.values.clear();
            }
            _ => {}
        }
    }

    /// The rows as an array; the column is empty after.
    pub fn finish(&mut self) -> ArrayRef {
        self.keep_nulls();
        (self.n_kept, self.n_null) = (0, 0);
        match &mut self.kept {
            Kept::Flag(builder) => ArrayBuilder::finish(builder),
            Kept::Int(values) => Arc::new(integers(std::mem::take(values))),
            Kept::Float(builder) => ArrayBuilder::finish(builder),
            Kept::Text(builder) => ArrayBuilder::finish(builder),
            Kept::IntList(lists) => Arc::new(std::mem::take(lists).finish()),
            Kept::FloatList(builder) => ArrayBuilder::finish(builder),
            Kept::TextList(builder) => ArrayBuilder::finish(builder),
        }
    }
}

impl Lists {
    fn finish(self) -> ListArray {
        let offsets = std::iter::once(0).chain(self.ends.iter().map(|end| (end & !NO_LIST) as i32));
        let offsets = OffsetBuffer::new(offsets.collect::<Vec<i32>>().into());
        let nulls = NullBuffer::from_iter(self.ends.iter().map(|end| end & NO_LIST == 0));
        let item = Arc::new(Field::new("item", DataType::Int32, true));
        ListArray::new(
            item,
            offsets,
            Arc::new(integers(self.values)),
            Some(nulls).filter(|nulls| nulls.null_count() > 0),
        )
    }
}

/// An array of integers where [`NULL`] is null.
fn integers(values: Vec<i32>) -> Int32Array {
    let nulls = values.contains(&NULL).then(|| NullBuffer::from_iter(values.iter().map(|&value| value != NULL)));
    Int32Array::new(values.into(), nulls)
}

#[inline]
fn integer(text: &[u8]) -> Result<i32, Problem> {
    parse_i32(text).filter(|&value| value >= LEAST).ok_or_else(|| Problem::Value {
        found: lossy(text).into_owned(),
        expected: "an integer of 32 bits (Type=Integer in the header)",
    })
}

fn float(text: &[u8]) -> Result<f64, Problem> {
    parse_f64(text).ok_or_else(|| Problem::Value {
        found: lossy(text).into_owned(),
        expected: "a number (Type=Float in the header)",
    })
}

fn lossy(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}
