//! BCF2 records written out as the VCF lines they stand for. VCF 4.5 section 6.
//!
//! Every length and index is checked against what is there; floats are written with the shortest decimal that reads back.

use super::header::{Header, structured_line};
use crate::error::{Error, Result};
use std::io::Write;

/// First bytes of an uncompressed BCF2 stream (minor version follows).
pub const MAGIC: &[u8; 4] = b"BCF\x02";

/// Dictionaries of a BCF header: names by index.
#[derive(Clone, Debug, Default)]
pub struct Dictionary {
    strings: Vec<Option<String>>,
    contigs: Vec<Option<String>>,
    n_samples: usize,
}

impl Dictionary {
    /// From the header text of the BCF: implicit order of appearance, or `IDX=` where it is given.
    pub fn new(header: &Header) -> Dictionary {
        let mut dictionary =
            Dictionary { strings: vec![Some("PASS".into())], n_samples: header.samples.len(), ..Default::default() };
        for line in &header.meta {
            let Some((key, fields)) = structured_line(line) else { continue };
            let list = match key {
                "INFO" | "FORMAT" | "FILTER" => &mut dictionary.strings,
                "contig" => &mut dictionary.contigs,
                _ => continue,
            };
            let Some(id) = fields.get("ID") else { continue };
            match fields.get("IDX").and_then(|text| text.parse::<usize>().ok()).filter(|&idx| idx < 1 << 24) {
                Some(idx) => {
                    if list.len() <= idx {
                        list.resize(idx + 1, None);
                    }
                    list[idx] = Some(id.clone());
                }
                None if list.iter().flatten().any(|known| known == id) => {}
                None => list.push(Some(id.clone())),
            }
        }
        dictionary
    }

    fn string(&self, index: i64) -> Result<&str> {
        lookup(&self.strings, index, "string")
    }

    /// Name of a contig index.
    pub fn contig(&self, index: i64) -> Result<&str> {
        lookup(&self.contigs, index, "contig")
    }
}

fn lookup<'a>(list: &'a [Option<String>], index: i64, what: &str) -> Result<&'a str> {
    usize::try_from(index).ok().and_then(|index| list.get(index)).and_then(Option::as_deref).ok_or_else(|| {
        Error::bad_data(format!("the record refers to {what} {index}, but the header has {} of them", list.len()))
    })
}

/// Bytes of the record that starts `bytes` as its first 8 bytes say, those included; `None` when there are fewer.
pub fn announced_len(bytes: &[u8]) -> Option<u64> {
    let shared = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let individual = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    Some(8 + u64::from(shared) + u64::from(individual))
}

/// Bytes of the record that starts `bytes`, length fields included; `None` when it is not complete yet.
pub fn record_len(bytes: &[u8]) -> Option<usize> {
    announced_len(bytes).filter(|&len| bytes.len() as u64 >= len).map(|len| len as usize)
}

/// The records of a BCF stream as VCF text.
pub struct TextReader<'a> {
    records: Box<dyn std::io::Read + Send + 'a>,
    dictionary: &'a Dictionary,
    record: Vec<u8>,
    text: Vec<u8>,
    at: usize,
}

impl<'a> TextReader<'a> {
    /// Of a stream behind its header.
    pub fn new(records: Box<dyn std::io::Read + Send + 'a>, dictionary: &'a Dictionary) -> Self {
        TextReader { records, dictionary, record: Vec::new(), text: Vec::new(), at: 0 }
    }

    /// The next record into `text`; false at the end.
    fn next_record(&mut self) -> std::io::Result<bool> {
        use std::io::{Error as IoError, Read};
        self.record.clear();
        (&mut self.records).take(8).read_to_end(&mut self.record)?;
        if self.record.is_empty() {
            return Ok(false);
        }
        let rest = announced_len(&self.record).unwrap_or(u64::MAX).saturating_sub(8);
        (&mut self.records).take(rest).read_to_end(&mut self.record)?;
        let Some(len) = record_len(&self.record) else {
            let error = Error::bad_data("the BCF ends inside a record").hint("the file is cut off: copy it again");
            return Err(IoError::other(error));
        };
        self.text.clear();
        self.at = 0;
        append_line(&self.record[..len], self.dictionary, &mut self.text).map_err(IoError::other)?;
        self.text.push(b'\n');
        Ok(true)
    }
}

impl std::io::Read for TextReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.text.len() && !self.next_record()? {
            return Ok(0);
        }
        let n = out.len().min(self.text.len() - self.at);
        out[..n].copy_from_slice(&self.text[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// Contig index and 1-based position of a record.
pub fn locus_of_record(record: &[u8]) -> Result<(i64, i32)> {
    let mut cursor = Cursor { bytes: record.get(8..).unwrap_or_default() };
    let contig = cursor.i32()?;
    let pos = cursor.i32()?;
    let vcf_pos =
        pos.checked_add(1).filter(|&pos| pos >= 0).ok_or_else(|| Error::bad_data(format!("POS is {pos} + 1")))?;
    Ok((i64::from(contig), vcf_pos))
}

struct Cursor<'a> {
    bytes: &'a [u8],
}

/// A typed array of BCF: `len` values of one type.
#[derive(Clone, Copy)]
struct Typed<'a> {
    kind: u8,
    len: usize,
    bytes: &'a [u8],
}

const INT8: u8 = 1;
const INT16: u8 = 2;
const INT32: u8 = 3;
const FLOAT: u8 = 5;
const TEXT: u8 = 7;
const FLOAT_MISSING: u32 = 0x7f80_0001;
const FLOAT_END: u32 = 0x7f80_0002;

fn width(kind: u8) -> Result<usize> {
    match kind {
        0 => Ok(0),
        INT8 | TEXT => Ok(1),
        INT16 => Ok(2),
        INT32 | FLOAT => Ok(4),
        _ => Err(Error::bad_data(format!("a value has the BCF type {kind}, which does not exist"))),
    }
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        if n > self.bytes.len() {
            return Err(Error::bad_data("the BCF record ends inside a value"));
        }
        let (head, tail) = self.bytes.split_at(n);
        self.bytes = tail;
        Ok(head)
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.take(4)?.try_into().expect("4 bytes")))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(self.i32()? as u32)
    }

    /// Type byte and number of values.
    fn descriptor(&mut self) -> Result<(u8, usize)> {
        let byte = self.take(1)?[0];
        let (kind, len) = (byte & 0xf, usize::from(byte >> 4));
        if len < 15 {
            return Ok((kind, len));
        }
        let long = self.integer()?;
        let long = usize::try_from(long).map_err(|_| Error::bad_data(format!("a BCF value has the length {long}")))?;
        Ok((kind, long))
    }

    fn typed(&mut self) -> Result<Typed<'a>> {
        let (kind, len) = self.descriptor()?;
        self.values(kind, len)
    }

    fn values(&mut self, kind: u8, len: usize) -> Result<Typed<'a>> {
        let n_bytes = len.checked_mul(width(kind)?).ok_or_else(|| Error::bad_data("a BCF value is too long"))?;
        Ok(Typed { kind, len, bytes: self.take(n_bytes)? })
    }

    /// One typed integer.
    fn integer(&mut self) -> Result<i64> {
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

    fn int(&self, i: usize) -> Option<i64> {
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
    fn append(&self, out: &mut Vec<u8>) {
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
                        Int::Value(value) => append_int(value, out),
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
    fn append_genotype(&self, out: &mut Vec<u8>) {
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
                allele => append_int(allele - 1, out),
            }
        }
        if out.len() == start {
            out.push(b'.');
        }
    }
}

fn append_int(value: i64, out: &mut Vec<u8>) {
    if (0..10).contains(&value) {
        out.push(b'0' + value as u8);
    } else {
        let _ = write!(out, "{value}");
    }
}

fn append_float(bits: u32, out: &mut Vec<u8>) {
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

/// Appends one record (length fields included) as a VCF line without line end.
pub fn append_line(record: &[u8], dictionary: &Dictionary, out: &mut Vec<u8>) -> Result<()> {
    let shared_len = u32::from_le_bytes(record[..4].try_into().expect("4 bytes")) as usize;
    let mut shared = Cursor { bytes: &record[8..8 + shared_len] };
    let mut individual = Cursor { bytes: &record[8 + shared_len..] };
    let contig = i64::from(shared.i32()?);
    let pos = i64::from(shared.i32()?) + 1;
    let _rlen = shared.i32()?;
    let qual = shared.u32()?;
    let counts = shared.u32()?;
    let (n_alleles, n_info) = (counts >> 16, counts & 0xffff);
    let counts = shared.u32()?;
    let (n_format, n_samples) = (counts >> 24, (counts & 0xff_ffff) as usize);
    out.extend_from_slice(dictionary.contig(contig)?.as_bytes());
    let _ = write!(out, "\t{pos}\t");
    shared.typed()?.append(out);
    append_alleles(&mut shared, n_alleles, out)?;
    out.push(b'\t');
    append_float(qual, out);
    out.push(b'\t');
    append_filters(&mut shared, dictionary, out)?;
    out.push(b'\t');
    append_info(&mut shared, n_info, dictionary, out)?;
    if n_format > 0 {
        if n_samples != dictionary.n_samples {
            return Err(Error::bad_data(format!(
                "the record has {n_samples} samples, but the header {}",
                dictionary.n_samples
            )));
        }
        append_samples(&mut individual, n_format, n_samples, dictionary, out)?;
    } else if dictionary.n_samples > 0 {
        out.extend_from_slice(b"\t.");
        for _ in 0..dictionary.n_samples {
            out.extend_from_slice(b"\t.");
        }
    }
    Ok(())
}

fn append_alleles(shared: &mut Cursor, n_alleles: u32, out: &mut Vec<u8>) -> Result<()> {
    for i in 0..n_alleles {
        out.push(if i > 1 { b',' } else { b'\t' });
        shared.typed()?.append(out);
    }
    match n_alleles {
        0 => out.extend_from_slice(b"\tN\t."),
        1 => out.extend_from_slice(b"\t."),
        _ => {}
    }
    Ok(())
}

fn append_filters(shared: &mut Cursor, dictionary: &Dictionary, out: &mut Vec<u8>) -> Result<()> {
    let filters = shared.typed()?;
    if filters.len == 0 || !matches!(filters.kind, INT8 | INT16 | INT32) {
        out.push(b'.');
        return Ok(());
    }
    for i in 0..filters.len {
        if i > 0 {
            out.push(b';');
        }
        out.extend_from_slice(dictionary.string(filters.int(i).unwrap_or(-1))?.as_bytes());
    }
    Ok(())
}

fn append_info(shared: &mut Cursor, n_info: u32, dictionary: &Dictionary, out: &mut Vec<u8>) -> Result<()> {
    for i in 0..n_info {
        if i > 0 {
            out.push(b';');
        }
        let key = shared.integer()?;
        out.extend_from_slice(dictionary.string(key)?.as_bytes());
        let value = shared.typed()?;
        if value.len > 0 && value.kind != 0 {
            // A flag is stored without a value, or as the integer 1 by some writers: the latter reads as `KEY=1`.
            out.push(b'=');
            value.append(out);
        }
    }
    if n_info == 0 {
        out.push(b'.');
    }
    Ok(())
}

fn append_samples(
    individual: &mut Cursor,
    n_format: u32,
    n_samples: usize,
    dictionary: &Dictionary,
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut fields = Vec::with_capacity(n_format as usize);
    for i in 0..n_format {
        out.push(if i == 0 { b'\t' } else { b':' });
        let key = individual.integer()?;
        let name = dictionary.string(key)?;
        out.extend_from_slice(name.as_bytes());
        let (kind, len) = individual.descriptor()?;
        let n_bytes = len
            .checked_mul(width(kind)?)
            .and_then(|n| n.checked_mul(n_samples))
            .ok_or_else(|| Error::bad_data("a BCF FORMAT field is too long"))?;
        let is_genotype = name == "GT" && matches!(kind, INT8 | INT16 | INT32);
        fields.push((Typed { kind, len, bytes: individual.take(n_bytes)? }, is_genotype));
    }
    for sample in 0..n_samples {
        for (i, (field, is_genotype)) in fields.iter().enumerate() {
            out.push(if i == 0 { b'\t' } else { b':' });
            let n_bytes = field.len * width(field.kind)?;
            let own = Typed { bytes: &field.bytes[sample * n_bytes..(sample + 1) * n_bytes], ..*field };
            if *is_genotype { own.append_genotype(out) } else { own.append(out) }
        }
    }
    Ok(())
}
