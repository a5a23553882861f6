//! Typed values of BCF2. VCF 4.5 section 6.3.3.

use crate::decode::vcf::push_int;
use crate::error::{Error, Result};
use std::io::Write;

/// Reads a record from its front.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    /// What is left.
    pub bytes: &'a [u8],
}

/// A typed array of BCF: `len` values of one type.
#[derive(Clone, Copy)]
pub struct Typed<'a> {
    /// Type.
    pub kind: u8,
    /// Number of values.
    pub len: usize,
    /// The values.
    pub bytes: &'a [u8],
}

/// Integers of 8 bits.
pub const INT8: u8 = 1;
/// Integers of 16 bits.
pub const INT16: u8 = 2;
/// Integers of 32 bits.
pub const INT32: u8 = 3;
const FLOAT: u8 = 5;
/// Bytes of text.
pub const TEXT: u8 = 7;
const FLOAT_MISSING: u32 = 0x7f80_0001;
const FLOAT_END: u32 = 0x7f80_0002;

/// Bytes of a value of a type.
pub fn width(kind: u8) -> Result<usize> {
    match kind {
        0 => Ok(0),
        INT8 | TEXT => Ok(1),
        INT16 => Ok(2),
        INT32 | FLOAT => Ok(4),
        _ => Err(Error::bad_data(format!("a value has the BCF type {kind}, which does not exist"))),
    }
}

impl<'a> Cursor<'a> {
    /// The next bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        if n > self.bytes.len() {
            return Err(Error::bad_data("the BCF record ends inside a value"));
        }
        let (head, tail) = self.bytes.split_at(n);
        self.bytes = tail;
        Ok(head)
    }

    /// The next four bytes.
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.take(4)?.try_into().expect("4 bytes")))
    }

    /// The next four bytes.
    pub fn u32(&mut self) -> Result<u32> {
        Ok(self.i32()? as u32)
    }

    /// Type byte and number of values.
    pub fn descriptor(&mut self) -> Result<(u8, usize)> {
        let byte = self.take(1)?[0];
        let (kind, len) = (byte & 0xf, usize::from(byte >> 4));
        if len < 15 {
            return Ok((kind, len));
        }
        let long = self.integer()?;
        let long = usize::try_from(long).map_err(|_| Error::bad_data(format!("a BCF value has the length {long}")))?;
        Ok((kind, long))
    }

    /// The next typed array.
    pub fn typed(&mut self) -> Result<Typed<'a>> {
        let (kind, len) = self.descriptor()?;
        self.values(kind, len)
    }

    fn values(&mut self, kind: u8, len: usize) -> Result<Typed<'a>> {
        let n_bytes = len.checked_mul(width(kind)?).ok_or_else(|| Error::bad_data("a BCF value is too long"))?;
        Ok(Typed { kind, len, bytes: self.take(n_bytes)? })
    }

    /// One typed integer.
    pub fn integer(&mut self) -> Result<i64> {
        let byte = self.take(1)?[0];
        if byte >> 4 != 1 {
            return Err(Error::bad_data("a BCF integer has not the length 1"));
        }
        let value = self.values(byte & 0xf, 1)?;
        match value.kind {
            INT8 | INT16 | INT32 => Ok(value.int(0).unwrap_or(0)),
            other => Err(Error::bad_data(format!("a BCF integer has the type {other}"))),
        }
    }
}

/// An integer of a vector: a value, missing, or the end of a vector shorter than its slot.
enum Int {
    Value(i64),
    Missing,
    End,
}

impl<'a> Typed<'a> {
    fn raw_int(&self, i: usize) -> (i64, i64) {
        match self.kind {
            INT8 => (i64::from(self.bytes[i] as i8), i64::from(i8::MIN)),
            INT16 => (i64::from(i16::from_le_bytes([self.bytes[2 * i], self.bytes[2 * i + 1]])), i64::from(i16::MIN)),
            _ => (
                i64::from(i32::from_le_bytes(self.bytes[4 * i..4 * i + 4].try_into().expect("4 bytes"))),
                i64::from(i32::MIN),
            ),
        }
    }

    fn int_or_end(&self, i: usize) -> Int {
        match self.raw_int(i) {
            (value, least) if value == least => Int::Missing,
            (value, least) if value == least + 1 => Int::End,
            (value, _) => Int::Value(value),
        }
    }

    /// Value `i`; `None` where it is missing.
    pub fn int(&self, i: usize) -> Option<i64> {
        match self.int_or_end(i) {
            Int::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Text up to its padding.
    fn text(&self) -> &'a [u8] {
        let end = self.bytes.iter().position(|&byte| byte == 0).unwrap_or(self.bytes.len());
        &self.bytes[..end]
    }

    /// Appends the values as VCF writes them; `.` when there is none.
    pub fn append(&self, out: &mut Vec<u8>) {
        let start = out.len();
        match self.kind {
            TEXT => out.extend_from_slice(self.text()),
            FLOAT => {
                for (i, value) in self.bytes.chunks_exact(4).enumerate() {
                    let bits = u32::from_le_bytes(value.try_into().expect("4 bytes"));
                    if bits == FLOAT_END {
                        break;
                    }
                    if i > 0 {
                        out.push(b',');
                    }
                    append_float(bits, out);
                }
            }
            INT8 | INT16 | INT32 => {
                for i in 0..self.len {
                    let value = self.int_or_end(i);
                    if matches!(value, Int::End) {
                        break;
                    }
                    if i > 0 {
                        out.push(b',');
                    }
                    match value {
                        Int::Value(value) => push_int(out, value),
                        _ => out.push(b'.'),
                    }
                }
            }
            _ => {}
        }
        if out.len() == start {
            out.push(b'.');
        }
    }

    /// Appends GT: alleles stored as `(allele + 1) << 1 | phased`. The phase bit of the first allele is not written.
    pub fn append_genotype(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for i in 0..self.len {
            let value = match self.int_or_end(i) {
                Int::Value(value) => value,
                Int::Missing => 0,
                Int::End => break,
            };
            if i > 0 {
                out.push(if value & 1 == 1 { b'|' } else { b'/' });
            }
            match value >> 1 {
                0 => out.push(b'.'),
                allele => push_int(out, allele - 1),
            }
        }
        if out.len() == start {
            out.push(b'.');
        }
    }
}

/// Appends a float as its shortest decimal.
pub fn append_float(bits: u32, out: &mut Vec<u8>) {
    if bits == FLOAT_MISSING {
        out.push(b'.');
        return;
    }
    let value = f32::from_bits(bits);
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value != 0.0 && (value.abs() < 1e-4 || value.abs() >= 1e15) {
        let _ = write!(out, "{value:e}");
    } else {
        let _ = write!(out, "{value}");
    }
}
