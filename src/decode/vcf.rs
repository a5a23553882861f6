//! One VCF line: where its fields are, and what the fixed ones say. VCF 4.5 section 1.6.

use crate::error::{Error, Result};
use memchr::memchr;
use std::ops::Range;

/// Field borders of one data line, as byte offsets into it. Fields are parsed when asked.
#[derive(Clone, Debug, Default)]
pub struct RecordIndex {
    /// End of each of the eight fixed fields and of FORMAT; a field starts behind the tab that ends the one before.
    ends: [u32; 9],
    n_fields: u32,
    len: u32,
}

/// A borrowed record: a line without its line end, and its index.
#[derive(Clone, Copy, Debug)]
pub struct RecordView<'a> {
    line: &'a [u8],
    index: &'a RecordIndex,
}

impl RecordIndex {
    /// Finds the fields of a line. Eight fields or more are needed.
    pub fn new(line: &[u8]) -> Result<RecordIndex> {
        let mut index = RecordIndex { len: line.len() as u32, ..Default::default() };
        let mut at = 0;
        while index.n_fields < 9 {
            match memchr(b'\t', &line[at..]) {
                Some(offset) => {
                    index.ends[index.n_fields as usize] = (at + offset) as u32;
                    index.n_fields += 1;
                    at += offset + 1;
                }
                None => {
                    index.ends[index.n_fields as usize] = line.len() as u32;
                    index.n_fields += 1;
                    break;
                }
            }
        }
        if index.n_fields < 8 {
            return Err(Error::bad_data(format!("the line has {} fields, expected 8 or more", index.n_fields))
                .hint("fields are separated by tabs; was the file cut off or edited?"));
        }
        if index.ends[0] == 0 {
            return Err(no_chrom());
        }
        Ok(index)
    }

    /// The index of the line without its sample columns, and the length of that line.
    pub fn without_samples(mut self) -> (RecordIndex, usize) {
        if self.n_fields == 9 {
            self.len = self.ends[8];
        }
        let len = self.len as usize;
        (self, len)
    }

    /// The index of a line that ends with FORMAT, when sample columns were appended to it up to the length `len`.
    pub fn with_samples(mut self, len: usize) -> RecordIndex {
        self.len = len as u32;
        self
    }

    /// The record of `line`, which must be the line of [`RecordIndex::new`].
    pub fn view<'a>(&'a self, line: &'a [u8]) -> RecordView<'a> {
        RecordView { line, index: self }
    }

    fn range(&self, field: usize) -> Range<usize> {
        let start = if field == 0 { 0 } else { self.ends[field - 1] as usize + 1 };
        start..self.ends[field] as usize
    }
}

impl<'a> RecordView<'a> {
    fn field(&self, field: usize) -> &'a [u8] {
        &self.line[self.index.range(field)]
    }

    /// CHROM.
    pub fn chrom(&self) -> &'a [u8] {
        self.field(0)
    }

    /// ID as written.
    pub fn id(&self) -> &'a [u8] {
        self.field(2)
    }

    /// REF.
    pub fn ref_allele(&self) -> &'a [u8] {
        self.field(3)
    }

    /// ALT as written.
    pub fn alt(&self) -> &'a [u8] {
        self.field(4)
    }

    /// QUAL as written.
    pub fn qual(&self) -> &'a [u8] {
        self.field(5)
    }

    /// FILTER as written.
    pub fn filter(&self) -> &'a [u8] {
        self.field(6)
    }

    /// INFO as written.
    pub fn info(&self) -> &'a [u8] {
        self.field(7)
    }

    /// FORMAT as written; `None` for a site without genotype columns.
    pub fn format(&self) -> Option<&'a [u8]> {
        (self.index.n_fields == 9).then(|| self.field(8))
    }

    /// Everything behind FORMAT: the sample columns with tabs between them; empty when there are none.
    pub fn samples(&self) -> &'a [u8] {
        if self.index.n_fields < 9 || self.index.ends[8] == self.index.len {
            return &[];
        }
        &self.line[self.index.ends[8] as usize + 1..]
    }

    /// POS.
    pub fn vcf_pos(&self) -> Result<i32> {
        parse_pos(self.field(1))
    }

    /// Alternate alleles; none for `.`.
    pub fn alts(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let alt = self.alt();
        let alt = if alt == b"." { &[][..] } else { alt };
        alt.split(|&byte| byte == b',').filter(|alt| !alt.is_empty())
    }

    /// Number of alternate alleles.
    pub fn n_alts(&self) -> u32 {
        self.alts().count() as u32
    }

    /// Value of one INFO key: `Some(None)` when it stands without `=`.
    pub fn info_value(&self, key: &[u8]) -> Option<Option<&'a [u8]>> {
        info_entries(self.info()).find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

/// The place of a line: CHROM and POS, whatever the rest is like. A line without one is an error.
pub fn locus_of_line(line: &[u8]) -> Result<(&[u8], i32)> {
    let end = memchr(b'\t', line).ok_or_else(|| Error::bad_data("the line has 1 field, expected 8 or more"))?;
    if end == 0 {
        return Err(no_chrom());
    }
    if std::str::from_utf8(&line[..end]).is_err() {
        return Err(Error::bad_data("CHROM is not UTF-8 text"));
    }
    let rest = &line[end + 1..];
    let pos_end = memchr(b'\t', rest).unwrap_or(rest.len());
    Ok((&line[..end], parse_pos(&rest[..pos_end])?))
}

fn no_chrom() -> Error {
    Error::bad_data("CHROM is empty")
}

/// The error of a record on a contig that no header defines. `call` plans again with all contigs looked up.
pub fn undefined_contig(name: &[u8]) -> Error {
    Error::bad_data(format!("{UNDEFINED_CONTIG}{}", String::from_utf8_lossy(name)))
        .hint("add ##contig lines to the header, e.g. with `bcftools reheader --fai`")
}

/// Start of the message of [`undefined_contig`].
pub const UNDEFINED_CONTIG: &str = "the header does not define the contig ";

/// Entries of an INFO field as written: key, and the value behind `=` where there is one. Empty for `.`.
pub fn info_entries(info: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let info = if info == b"." { &[][..] } else { info };
    info.split(|&byte| byte == b';').filter(|entry| !entry.is_empty()).map(|entry| match memchr(b'=', entry) {
        Some(at) => (&entry[..at], Some(&entry[at + 1..])),
        None => (entry, None),
    })
}

fn parse_pos(text: &[u8]) -> Result<i32> {
    parse_i32(text).filter(|&pos| pos >= 0).ok_or_else(|| {
        Error::bad_data(format!("POS is {:?}, expected a number from 0 to {}", String::from_utf8_lossy(text), i32::MAX))
    })
}

/// A decimal 32-bit integer with an optional sign, nothing else.
#[inline]
pub fn parse_i32(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut value: i64 = 0;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
        if value > 1 << 40 {
            return None;
        }
    }
    i32::try_from(if negative { -value } else { value }).ok()
}

/// `N` numbers of at most nine digits with commas between them; `None` for any other text. The usual case of
/// [`parse_i32`], and faster where digits are few: words of bytes instead of digits were not.
#[inline]
pub fn plain_integers<const N: usize>(text: &[u8]) -> Option<[i32; N]> {
    const MAX_DIGITS: usize = 9;
    let mut values = [0; N];
    let mut at = 0;
    for (i, value) in values.iter_mut().enumerate() {
        let start = at;
        let mut number = 0u32;
        while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|&digit| digit < 10) {
            number = number.wrapping_mul(10).wrapping_add(u32::from(digit));
            at += 1;
        }
        let is_last = i + 1 == N;
        let is_ended = if is_last { at == text.len() } else { text.get(at) == Some(&b',') };
        if at == start || at - start > MAX_DIGITS || !is_ended {
            return None;
        }
        *value = number as i32;
        at += 1;
    }
    Some(values)
}

/// Numbers without sign of at most nine digits with commas between them; `None` for any other text.
pub fn plain_integer_list(text: &[u8]) -> Option<Vec<u32>> {
    const MAX_DIGITS: usize = 9;
    let mut found = Vec::with_capacity(8);
    let (mut number, mut n_digits) = (0u32, 0);
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 && n_digits < MAX_DIGITS {
            number = number * 10 + u32::from(digit);
            n_digits += 1;
        } else if byte == b',' && n_digits > 0 {
            found.push(number);
            (number, n_digits) = (0, 0);
        } else {
            return None;
        }
    }
    found.push(number);
    (n_digits > 0).then_some(found)
}

/// Appends an integer in decimal.
#[inline]
pub fn push_int(out: &mut Vec<u8>, value: i64) {
    match value {
        0..=9 => out.push(b'0' + value as u8),
        10..=99 => out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]),
        _ => push_long_int(out, value),
    }
}

fn push_long_int(out: &mut Vec<u8>, value: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// A decimal number, `nan` or `inf` in any case (VCF 4.3 section 1.3).
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// [`plain_integer_list`] by the standard library.
    fn listed(text: &str) -> Option<Vec<u32>> {
        let is_plain = |item: &str| (1..=9).contains(&item.len()) && item.bytes().all(|byte| byte.is_ascii_digit());
        text.split(',').map(|item| is_plain(item).then(|| item.parse().expect("nine digits"))).collect()
    }

    proptest! {
        #[test]
        fn plain_integers_are_those_of_the_standard_library(text in "[0-9]{0,10}(,[0-9.-]{0,3}){0,4}|[0-9]{1,9}(,[0-9]{1,9}){0,4}") {
            let expected = listed(&text);
            prop_assert_eq!(plain_integer_list(text.as_bytes()), expected.clone());
            let three = expected.and_then(|list| <[u32; 3]>::try_from(list).ok()).map(|three| three.map(|value| value as i32));
            prop_assert_eq!(plain_integers::<3>(text.as_bytes()), three);
        }
    }

    #[test]
    fn integers_are_written_as_the_standard_library_writes_them() {
        for value in [0, 7, 10, 99, 100, 12_345, -1, -128, i64::from(i32::MIN), i64::MAX, i64::MIN] {
            let mut text = Vec::new();
            push_int(&mut text, value);
            assert_eq!(String::from_utf8(text).expect("digits"), value.to_string());
        }
    }

    #[test]
    fn fields_of_a_line() {
        let line = b"chr1\t12\trs1\tA\tC,<DEL>\t3.5\tPASS\tDP=3;DB;X=a=b\tGT:DP\t0/1:3\t./.";
        let index = RecordIndex::new(line).expect("a record");
        let record = index.view(line);
        assert_eq!((record.chrom(), record.vcf_pos().expect("pos"), record.n_alts()), (&b"chr1"[..], 12, 2));
        assert_eq!(record.info_value(b"DP"), Some(Some(&b"3"[..])));
        assert_eq!(record.info_value(b"DB"), Some(None));
        assert_eq!(record.info_value(b"X"), Some(Some(&b"a=b"[..])));
        assert_eq!(record.format(), Some(&b"GT:DP"[..]));
        assert_eq!(record.samples(), b"0/1:3\t./.");
        assert_eq!(locus_of_line(line).expect("locus"), (&b"chr1"[..], 12));
    }

    #[test]
    fn sites_only_and_short_lines() {
        let line = b"chr1\t12\t.\tA\t.\t.\t.\t.";
        let index = RecordIndex::new(line).expect("a record");
        assert_eq!((index.view(line).format(), index.view(line).n_alts()), (None, 0));
        assert_eq!(info_entries(b".").count(), 0);
        assert!(RecordIndex::new(b"chr1\t12\t.\tA").is_err());
    }

    #[test]
    fn integers() {
        assert_eq!(parse_i32(b"-17"), Some(-17));
        assert_eq!(parse_i32(b"2147483647"), Some(i32::MAX));
        for text in [&b"2147483648"[..], b"", b"-", b"1.0", b"0x1", b"99999999999999999999"] {
            assert_eq!(parse_i32(text), None);
        }
    }
}
