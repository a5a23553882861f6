//! Finds the first record at or behind a byte of a BCF, without reading what is before it.
//!
//! Nothing marks where a record begins. A place where one may begin is tried: the lengths must add up, everything inside must
//! be of a type that there is, name contigs and fields that the header has, and leave no byte over, and so must the records
//! that follow. htslib begins a block with a record where it can, so the first place that is tried is usually right. What is
//! found is checked again when the records before are read ([`super::RecordReader::landing_on`]): of each shard, where it begins
//! to read and where it ends.

use super::value::{Cursor, INT8, INT16, INT32, TEXT, width};
use super::{Dictionary, announced_len, locus_of_record};
use crate::alleles::is_bases;
use crate::decode::bgzf::{Inflater, find_block};
use crate::decode::limits;
use crate::decode::probe::Probed;
use crate::error::Result;
use crate::store::window::Window;

/// Records in a row that must look like records.
const CHAIN: usize = 4;
/// How far is looked for a record, and how long one may be that is looked for, in bytes of records. One that is larger has no cut
/// inside or behind it. A record may have less where memory is scarce (`decode::limits`).
const MAX_SEARCHED_BYTES: usize = 64 << 20;
/// How much is taken of a file without compression at a time.
const READ_BYTES: usize = 1 << 16;

/// How a BCF is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In BGZF blocks; offsets are virtual.
    Blocks,
    /// As it is.
    Raw,
}

/// First record that starts at or behind byte `from` of the file, or in a block that does. At the block of `data_start` (an
/// offset of the form) or before this is the first record of the file. The window begins at `from` and at that block, or
/// before.
pub fn probe_bcf(
    window: &mut Window,
    form: Form,
    from: usize,
    data_start: u64,
    dictionary: &Dictionary,
) -> Result<Option<Probed>> {
    let (first, inside) = match form {
        Form::Blocks => ((data_start >> 16) as usize, (data_start & 0xffff) as usize),
        Form::Raw => (data_start as usize, 0),
    };
    let is_first = from <= first;
    let start = match form {
        _ if is_first => Some(first),
        Form::Blocks => find_block(window, from)?,
        Form::Raw => Some(from),
    };
    let Some(next) = start.filter(|&start| start < window.len()) else { return Ok(None) };
    let most = MAX_SEARCHED_BYTES.min(limits::record_bytes());
    let (text, parts) = (Vec::new(), Vec::new());
    let mut ahead = Ahead { window, form, inflater: Inflater::default(), next, most, text, parts };
    if is_first {
        return ahead.has(inside + LOCUS_BYTES)?.then(|| ahead.probed(inside, dictionary)).transpose();
    }
    for at in 0..most {
        if !ahead.has(at + FIXED_BYTES)? {
            return Ok(None);
        }
        if ahead.begins_chain(at, dictionary)? {
            return ahead.probed(at, dictionary).map(Some);
        }
    }
    Ok(None)
}

/// Bytes of a record up to its position, and up to the first field of any length.
const LOCUS_BYTES: usize = 16;
const FIXED_BYTES: usize = 32;

/// What was read of a file from some place on.
struct Ahead<'w, 'a> {
    window: &'w mut Window<'a>,
    form: Form,
    inflater: Inflater,
    next: usize,
    /// Bytes that a record may have, and that are searched.
    most: usize,
    text: Vec<u8>,
    /// Offset in the file and start in the text of each block or piece.
    parts: Vec<(usize, usize)>,
}

impl Ahead<'_, '_> {
    /// Reads until there are so many bytes; false when the file ends before.
    fn has(&mut self, n_bytes: usize) -> Result<bool> {
        while self.text.len() < n_bytes {
            if self.next >= self.window.len() {
                return Ok(false);
            }
            self.parts.push((self.next, self.text.len()));
            match self.form {
                Form::Blocks => self.next = self.inflater.append_next(self.window, self.next, &mut self.text)?,
                Form::Raw => {
                    let bytes = &self.window.upto(self.next + READ_BYTES)?[self.next..];
                    self.text.extend_from_slice(bytes);
                    self.next += bytes.len();
                }
            }
        }
        Ok(true)
    }

    /// Whether a record seems to begin at `at`, and others behind it, or the end of the file.
    fn begins_chain(&mut self, at: usize, dictionary: &Dictionary) -> Result<bool> {
        let mut at = at;
        for _ in 0..CHAIN {
            if !self.has(at + FIXED_BYTES)? {
                return Ok(self.text.len() == at);
            }
            let bytes = &self.text[at..];
            let len = announced_len(bytes).and_then(|len| usize::try_from(len).ok()).unwrap_or(usize::MAX);
            if len > self.most || !begins_like_one(bytes, dictionary) || !self.has(at + len)? {
                return Ok(false);
            }
            if !is_record(&self.text[at..at + len], dictionary) {
                return Ok(false);
            }
            at += len;
        }
        Ok(true)
    }

    /// The record at `at`.
    fn probed(&self, at: usize, dictionary: &Dictionary) -> Result<Probed> {
        let (contig, vcf_pos) = locus_of_record(&self.text[at..])?;
        let chrom = dictionary.contig(contig)?.as_bytes().to_vec();
        let part = self.parts.iter().rev().find(|(_, start)| *start <= at).copied().unwrap_or_default();
        let inside = (at - part.1) as u64;
        let offset = match self.form {
            Form::Blocks => (part.0 as u64) << 16 | inside,
            Form::Raw => part.0 as u64 + inside,
        };
        Ok(Probed { offset, chrom, vcf_pos, passed_over: false })
    }
}

/// Whether the 32 bytes that a record begins with are possible.
fn begins_like_one(bytes: &[u8], dictionary: &Dictionary) -> bool {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    let (shared, individual, contig, pos) = (word(0), word(4), word(8) as i32, word(12) as i32);
    let (n_alleles, n_format, n_samples) = (word(24) >> 16, word(28) >> 24, (word(28) & 0xff_ffff) as usize);
    shared as usize >= FIXED_BYTES - 8
        && pos >= -1
        && dictionary.contig(i64::from(contig)).is_ok()
        && n_alleles > 0
        && if n_format == 0 { individual == 0 } else { n_samples == dictionary.n_samples }
}

/// Whether all of a record, as long as it says, is what a record has.
fn is_record(record: &[u8], dictionary: &Dictionary) -> bool {
    walk(record, dictionary).is_ok_and(|is_one| is_one)
}

fn walk(record: &[u8], dictionary: &Dictionary) -> Result<bool> {
    let shared_len = u32::from_le_bytes(record[..4].try_into().expect("4 bytes")) as usize;
    let mut shared = Cursor { bytes: &record[8..8 + shared_len] };
    let mut individual = Cursor { bytes: &record[8 + shared_len..] };
    shared.take(16)?;
    let (n_alleles, n_info) = split_counts(shared.u32()?);
    let (n_format, n_samples) = (record[31], shared.u32()? as usize & 0xff_ffff);
    if !matches!(shared.typed()?.kind, 0 | TEXT) {
        return Ok(false);
    }
    for i in 0..n_alleles {
        let allele = shared.typed()?;
        if allele.kind != TEXT || (i == 0 && !is_bases(allele.bytes)) {
            return Ok(false);
        }
    }
    let filters = shared.typed()?;
    if matches!(filters.kind, INT8 | INT16 | INT32) {
        for i in 0..filters.len {
            dictionary.string(filters.int(i).unwrap_or(-1))?;
        }
    }
    for _ in 0..n_info {
        dictionary.string(shared.integer()?)?;
        shared.typed()?;
    }
    for _ in 0..n_format {
        dictionary.string(individual.integer()?)?;
        let (kind, len) = individual.descriptor()?;
        let n_bytes = len.checked_mul(width(kind)?).and_then(|n_bytes| n_bytes.checked_mul(n_samples));
        individual.take(n_bytes.unwrap_or(usize::MAX))?;
    }
    Ok(shared.bytes.is_empty() && individual.bytes.is_empty())
}

/// The upper and the lower half.
fn split_counts(word: u32) -> (u32, u32) {
    (word >> 16, word & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::super::RecordReader;
    use super::super::testing::{Field, dictionary, record};
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    const N_SAMPLES: usize = 5;

    /// Records of several sizes, with texts inside that look like the begin of one.
    fn records(seed: u64, n: usize) -> Vec<Vec<u8>> {
        let mut state = seed;
        let mut draw = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let bait = String::from_utf8(record(0, 5, "x", &[], 0)[8..30].iter().map(|byte| byte & 0x7f).collect());
        let bait = bait.expect("ASCII");
        let one = |i: usize| {
            let info = bait.repeat(draw(9) as usize);
            let values = (0..2 * N_SAMPLES).map(|_| 2 + 2 * draw(2) as i32).collect();
            let gt = Field { key: 1, width: 1, len: 2, values };
            let depth = (0..N_SAMPLES).map(|_| draw(300) as i32).collect();
            let depth = Field { key: 3, width: 2, len: 1, values: depth };
            record((i > n / 2) as i32, (i % (n / 2 + 1) + 1) as i32, &info, &[gt, depth], N_SAMPLES)
        };
        (0..n).map(one).collect()
    }

    fn bgzf(bytes: &[u8], block: usize) -> Vec<u8> {
        let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
        for piece in bytes.chunks(block) {
            writer.write_all(piece).expect("memory");
            writer.flush().expect("memory");
        }
        writer.finish().expect("memory")
    }

    /// Lines and offsets of all records from an offset on.
    fn read(
        packed: &[u8],
        form: Form,
        offset: u64,
        landing: Option<u64>,
        dictionary: &Dictionary,
    ) -> Result<Vec<(u64, String)>> {
        let mut reader = match form {
            Form::Blocks => RecordReader::of_blocks(packed, offset, dictionary)?,
            Form::Raw => RecordReader::of_bytes_from(packed, offset, dictionary),
        };
        reader = reader.landing_on(landing);
        let mut found = Vec::new();
        loop {
            let Some((head, samples)) = reader.next_record()? else { return Ok(found) };
            let mut line = head.to_vec();
            (0..samples.n_samples()).for_each(|sample| samples.append_cell(sample, &mut line));
            found.push((reader.record_offset(), String::from_utf8(line).expect("ASCII")));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn probes_find_records_and_reading_goes_on_from_there(seed in any::<u64>(), n in 20usize..90, block in 20usize..2000) {
            let dictionary = dictionary(N_SAMPLES);
            let bytes = records(seed, n).concat();
            for (form, packed) in [(Form::Blocks, bgzf(&bytes, block)), (Form::Raw, bytes.clone())] {
                let all = read(&packed, form, 0, None, &dictionary).expect("records");
                prop_assert_eq!(all.len(), n);
                let mut n_found = 0;
                for from in (0..packed.len()).step_by(61) {
                    let Some(probed) = probe_bcf(&mut Window::from(&packed), form, from, 0, &dictionary).expect("memory") else {
                        continue;
                    };
                    let physical = if form == Form::Blocks { probed.offset >> 16 } else { probed.offset };
                    prop_assert!(physical as usize >= from || from == 0);
                    let at = all.binary_search_by_key(&probed.offset, |(offset, _)| *offset).expect("a record begins there");
                    prop_assert_eq!(&read(&packed, form, probed.offset, None, &dictionary).expect("records")[..], &all[at..]);
                    let start = format!("{}\t{}\t", String::from_utf8_lossy(&probed.chrom), probed.vcf_pos);
                    prop_assert!(all[at].1.starts_with(&start));
                    prop_assert!(read(&packed, form, 0, Some(probed.offset), &dictionary).is_ok());
                    n_found += 1;
                }
                prop_assert!(n_found > 0);
            }
        }
    }

    #[test]
    fn a_place_inside_of_a_record_is_noticed() {
        let dictionary = dictionary(N_SAMPLES);
        let bytes = records(7, 30).concat();
        for (form, packed) in [(Form::Blocks, bgzf(&bytes, 700)), (Form::Raw, bytes)] {
            let all = read(&packed, form, 0, None, &dictionary).expect("records");
            for inside in [all[9].0 + 3, all[29].0 + 3] {
                let error = read(&packed, form, 0, Some(inside), &dictionary).expect_err("no record begins there");
                assert!(error.message().contains("no record begins"), "{error}");
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let dictionary = dictionary(N_SAMPLES);
        let bytes = records(7, 30).concat();
        let cut = &bytes[..bytes.len() - 3];
        for (form, packed) in [(Form::Blocks, bgzf(cut, 700)), (Form::Raw, cut.to_vec())] {
            let error = read(&packed, form, 0, None, &dictionary).expect_err("the last record is cut off");
            assert!(error.message().contains("ends inside a record"), "{error}");
            // no cut is found where no whole records follow
            let last = probe_bcf(&mut Window::from(&packed), form, packed.len() - 20, 0, &dictionary);
            assert_eq!(last.expect("memory"), None);
        }
    }

    #[test]
    fn files_without_records_have_no_first_one() {
        for n_samples in [0, 3] {
            let dictionary = dictionary(n_samples);
            let packed = bgzf(b"header", 100);
            let end = (packed.len() as u64) << 16;
            let found = probe_bcf(&mut Window::from(&packed), Form::Blocks, 0, end, &dictionary);
            assert_eq!(found.expect("memory"), None);
            assert_eq!(probe_bcf(&mut Window::from(b"header"), Form::Raw, 0, 6, &dictionary).expect("memory"), None);
        }
        let (dictionary, bytes) = (dictionary(0), record(1, 9, "x", &[], 0).repeat(9));
        let found =
            probe_bcf(&mut Window::from(&bytes), Form::Raw, 5, 0, &dictionary).expect("memory").expect("a record");
        assert_eq!((found.offset as usize, &found.chrom[..], found.vcf_pos), (bytes.len() / 9, &b"b"[..], 9));
    }
}
