//! BCF2 records written out as the VCF lines they stand for. VCF 4.5 section 6.
//!
//! Every length and index is checked against what is there; floats are written with the shortest decimal that reads back.

mod probe;
mod reader;
mod samples;
mod value;

pub use probe::{Form, probe_bcf};
pub use reader::RecordReader;
pub use samples::{Listed, TypedSamples};

use super::header::{Header, structured_line};
use super::limits::check_record;
use crate::error::{Error, Result};
use std::io::Write;
use value::{Cursor, INT8, INT16, INT32, append_float};

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
        check_record(usize::try_from(rest).unwrap_or(usize::MAX)).map_err(IoError::other)?;
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

/// Appends one record (length fields included) as a VCF line without line end.
pub fn append_line(record: &[u8], dictionary: &Dictionary, out: &mut Vec<u8>) -> Result<()> {
    let samples = append_head(record, dictionary, out)?;
    for sample in 0..samples.n_samples() {
        out.push(b'\t');
        samples.append_cell(sample, out);
    }
    Ok(())
}

/// Appends the fields of one record (length fields included) up to FORMAT as VCF writes them; gives its samples.
pub fn append_head<'a>(record: &'a [u8], dictionary: &Dictionary, out: &mut Vec<u8>) -> Result<TypedSamples<'a>> {
    let shared_len = u32::from_le_bytes(record[..4].try_into().expect("4 bytes")) as usize;
    let mut shared = Cursor { bytes: &record[8..8 + shared_len] };
    let individual = Cursor { bytes: &record[8 + shared_len..] };
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
    if n_format == 0 {
        if dictionary.n_samples > 0 {
            out.extend_from_slice(b"\t.");
        }
        return Ok(TypedSamples::without_fields(dictionary.n_samples));
    }
    if n_samples != dictionary.n_samples {
        return Err(Error::bad_data(format!(
            "the record has {n_samples} samples, but the header {}",
            dictionary.n_samples
        )));
    }
    TypedSamples::new(individual, n_format, n_samples, dictionary, out)
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

/// Records for tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::Dictionary;
    use crate::decode::header::Header;

    /// A FORMAT field: index of its name, bytes of an integer, and `[n_samples][len]` integers; the least of their type is missing,
    /// the next one ends a vector.
    #[derive(Debug)]
    pub struct Field {
        pub key: u8,
        pub width: usize,
        pub len: usize,
        pub values: Vec<i32>,
    }

    impl Field {
        /// Missing.
        pub fn least(width: usize) -> i32 {
            i32::MIN >> (32 - 8 * width)
        }
    }

    /// Names of FORMAT fields: GT is 1.
    pub const NAMES: [&str; 5] = ["GT", "AD", "DP", "GQ", "PL"];

    /// Two contigs, and the fields of [`NAMES`].
    pub fn dictionary(n_samples: usize) -> Dictionary {
        let mut header = String::from("##fileformat=VCFv4.3\n##contig=<ID=a>\n##contig=<ID=b>\n");
        for name in NAMES {
            header += &format!("##FORMAT=<ID={name},Number=.,Type=Integer,Description=\"\">\n");
        }
        header += "##INFO=<ID=I,Number=.,Type=String,Description=\"\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO";
        header += if n_samples > 0 { "\tFORMAT" } else { "" };
        (0..n_samples).for_each(|sample| header += &format!("\ts{sample}"));
        Dictionary::new(&Header::parse((header + "\n").as_bytes()).expect("a header"))
    }

    fn descriptor(kind: u8, len: usize, out: &mut Vec<u8>) {
        if len < 15 {
            out.push((len as u8) << 4 | kind);
        } else {
            out.push(0xf0 | kind);
            out.push(0x13);
            out.extend((len as i32).to_le_bytes());
        }
    }

    /// A record of `A` to `C` with INFO/I.
    pub fn record(contig: i32, vcf_pos: i32, info: &str, fields: &[Field], n_samples: usize) -> Vec<u8> {
        let mut shared = Vec::new();
        for word in [contig, vcf_pos - 1, 1, 0x7f80_0001, 2 << 16 | 1, (fields.len() << 24 | n_samples) as i32] {
            shared.extend(word.to_le_bytes());
        }
        for text in ["", "A", "C"] {
            descriptor(7, text.len(), &mut shared);
            shared.extend(text.as_bytes());
        }
        // no filter, then the key and value of INFO
        shared.extend([0x00, 0x11, 6]);
        descriptor(7, info.len(), &mut shared);
        shared.extend(info.as_bytes());
        let mut individual = Vec::new();
        for field in fields {
            individual.extend([0x11, field.key]);
            descriptor([0, 1, 2, 0, 3][field.width], field.len, &mut individual);
            field.values.iter().for_each(|value| individual.extend(&value.to_le_bytes()[..field.width]));
        }
        let lens = [shared.len() as u32, individual.len() as u32].map(u32::to_le_bytes);
        [&lens[0][..], &lens[1][..], &shared[..], &individual[..]].concat()
    }
}
