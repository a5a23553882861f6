//! Finds the first record at or behind a byte of a text or BGZF file, without reading what is before it. A line without a
//! place (a damaged CHROM or POS) is passed over: it belongs with the record before it.

use super::bgzf::{Inflater, find_block};
use super::limits::check_record;
use super::lines::without_end;
use super::vcf::locus_of_line;
use crate::error::Result;
use crate::store::window::Window;
use memchr::memchr;

/// A record found by a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Where it starts: byte offset (text) or virtual offset (BGZF). Offsets of one file compare as their records do.
    pub offset: u64,
    /// CHROM.
    pub chrom: Vec<u8>,
    /// POS.
    pub vcf_pos: i32,
    /// Lines without a place were passed over on the way to it.
    pub passed_over: bool,
}

/// First record that starts at or behind byte `from` of plain text; `data_start` is where the records begin.
///
/// The window begins one byte before `from`, or before that.
pub fn probe_text(window: &mut Window, from: usize, data_start: usize) -> Result<Option<Probed>> {
    let mut at = from.max(data_start);
    if at > data_start {
        // the line that `from` is in belongs to what is before
        match line_end(window, at - 1)? {
            Some(end) => at = end + 1,
            None => return Ok(None),
        }
    }
    let mut passed_over = false;
    while at < window.len() {
        let end = line_end(window, at)?.unwrap_or(window.len());
        let line = without_end(&window.upto(end)?[at..]);
        if let Ok((chrom, vcf_pos)) = locus_of_line(line) {
            return Ok(Some(Probed { offset: at as u64, chrom: chrom.to_vec(), vcf_pos, passed_over }));
        }
        passed_over |= !line.is_empty();
        at = end + 1;
    }
    Ok(None)
}

/// The line end at or behind `from`; `None`: the file ends before.
fn line_end(window: &mut Window, from: usize) -> Result<Option<usize>> {
    let mut searched = from;
    while searched < window.len() {
        window.upto(searched + 1)?;
        if let Some(offset) = memchr(b'\n', &window.ready()[searched..]) {
            return Ok(Some(searched + offset));
        }
        searched = window.ready().len();
        check_record(searched - from)?;
    }
    Ok(None)
}

/// First record whose line starts in the first block at or behind byte `from`, or later. At `from <= ` the block of
/// `data_start` (a virtual offset) this is the first record of the file. The window begins at `from` and at that block, or
/// before.
pub fn probe_bgzf(window: &mut Window, from: usize, data_start: u64) -> Result<Option<Probed>> {
    let first_block = (data_start >> 16) as usize;
    let is_first = from <= first_block;
    let start = if is_first { Some(first_block) } else { find_block(window, from)? };
    let Some(mut next) = start.filter(|&start| start < window.len()) else { return Ok(None) };
    let mut inflater = Inflater::default();
    let mut text = Vec::new();
    let mut blocks: Vec<(usize, usize)> = Vec::new(); // (offset of the block, start of its text)
    let mut line_start = is_first.then_some((data_start & 0xffff) as usize);
    let (mut searched, mut passed_over) = (0, false);
    loop {
        let at_end = next >= window.len();
        if !at_end {
            blocks.push((next, text.len()));
            next = inflater.append_next(window, next, &mut text)?;
            check_record(text.len() - line_start.unwrap_or(0).min(text.len()))?;
        }
        loop {
            let Some(start) = line_start else {
                match memchr(b'\n', &text[searched..]) {
                    Some(offset) => line_start = Some(searched + offset + 1),
                    None => {
                        searched = text.len();
                        break;
                    }
                }
                continue;
            };
            // CHROM and POS are enough: two tabs, or the end of the file
            let rest = text.get(start..).unwrap_or_default();
            let end = memchr(b'\n', rest);
            let known = end.is_some() || at_end || rest.iter().filter(|&&byte| byte == b'\t').take(2).count() == 2;
            if !known {
                break;
            }
            let line = without_end(&rest[..end.unwrap_or(rest.len())]);
            let Ok((chrom, vcf_pos)) = locus_of_line(line) else {
                passed_over |= !line.is_empty();
                match end {
                    Some(end) => line_start = Some(forget(&mut text, &mut blocks, start + end + 1)),
                    None if at_end => return Ok(None),
                    None => break,
                }
                continue;
            };
            let (block, block_start) =
                blocks.iter().rev().find(|(_, block_start)| *block_start <= start).copied().unwrap_or_default();
            let offset = ((block as u64) << 16) | (start - block_start) as u64;
            return Ok(Some(Probed { offset, chrom: chrom.to_vec(), vcf_pos, passed_over }));
        }
        if at_end {
            return Ok(None);
        }
    }
}

/// Text that is let go of at a time, while lines are passed over.
const FORGOTTEN_BYTES: usize = 1 << 20;

/// Lets go of blocks whose text is before a line, once they are many. Returns where the line starts then.
fn forget(text: &mut Vec<u8>, blocks: &mut Vec<(usize, usize)>, line_start: usize) -> usize {
    if line_start < FORGOTTEN_BYTES {
        return line_start;
    }
    let n_blocks = blocks.partition_point(|block| block.1 <= line_start).saturating_sub(1);
    let n_bytes = blocks.get(n_blocks).map_or(0, |block| block.1);
    blocks.drain(..n_blocks);
    blocks.iter_mut().for_each(|block| block.1 -= n_bytes);
    text.drain(..n_bytes);
    line_start - n_bytes
}

/// Start of the first line that begins behind byte `from` of plain text, or at it; `None`: no line begins there.
///
/// The window begins one byte before `from`, or before that.
pub fn line_start_in_text(window: &mut Window, from: usize) -> Result<Option<u64>> {
    if from == 0 {
        return Ok(Some(0));
    }
    Ok(line_end(window, from - 1)?.map(|end| end as u64 + 1).filter(|&start| start < window.len() as u64))
}

/// Virtual offset of a line that begins in the first BGZF block at or behind byte `from`, or later; `None`: no line begins there. A
/// line that begins at the start of a block is not found where that block is the first one looked at. The window begins at `from`.
pub fn line_start_in_blocks(window: &mut Window, from: usize) -> Result<Option<u64>> {
    let Some(mut next) = find_block(window, from)? else { return Ok(None) };
    let (mut inflater, mut text) = (Inflater::default(), Vec::new());
    while next < window.len() {
        text.clear();
        let block = next;
        next = inflater.append_next(window, block, &mut text)?;
        let Some(end) = memchr(b'\n', &text) else { continue };
        // a line that begins with a block belongs to that block
        let inside = end + 1;
        let offset = if inside == text.len() { (next as u64) << 16 } else { (block as u64) << 16 | inside as u64 };
        return Ok(Some(offset));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::lines::LineReader;
    use std::io::Write;

    #[test]
    fn lines_start_where_they_are_found() {
        let text: String = (1..9000).map(|i| format!("{i}\t{}\n", "x".repeat(i % 301))).collect();
        let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
        writer.write_all(text.as_bytes()).expect("memory");
        let packed = writer.finish().expect("memory");
        let mut reader = LineReader::of_blocks(&packed, 0).expect("opens");
        let mut starts = Vec::new();
        while reader.next_line().expect("no error").is_some() {
            starts.push(reader.line_offset());
        }
        let mut found = std::collections::BTreeSet::new();
        for from in (0..packed.len()).step_by(997) {
            let start = line_start_in_blocks(&mut Window::from(&packed), from).expect("no error");
            if let Some(start) = start.filter(|&start| (start >> 16) < packed.len() as u64 - 28) {
                assert!(starts.contains(&start), "{from}");
                assert!(start >> 16 >= from as u64);
                found.insert(start);
            }
        }
        assert!(found.len() > 10);
        for from in (0..text.len()).step_by(991) {
            let Some(start) = line_start_in_text(&mut Window::from(text.as_bytes()), from).expect("no error") else {
                continue;
            };
            assert!(start >= from as u64 && (start == 0 || text.as_bytes()[start as usize - 1] == b'\n'));
        }
    }

    #[test]
    fn lines_without_a_place_are_passed_over() {
        for n_damaged in [0, 1, 10, 200_000] {
            let text = "damaged line\n".repeat(n_damaged) + "chr1\t7\tx\n";
            let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
            writer.write_all(text.as_bytes()).expect("memory");
            let packed = writer.finish().expect("memory");
            let found = probe_bgzf(&mut Window::from(&packed), 0, 0).expect("no error").expect("a record");
            assert_eq!((found.vcf_pos, found.passed_over), (7, n_damaged > 0));
            let mut reader = LineReader::of_blocks(&packed, found.offset).expect("opens");
            assert_eq!(reader.next_line().expect("no error"), Some(&b"chr1\t7\tx"[..]));
            let found = probe_text(&mut Window::from(text.as_bytes()), 0, 0).expect("no error").expect("a record");
            assert_eq!((found.offset, found.passed_over), (13 * n_damaged as u64, n_damaged > 0));
        }
    }

    #[test]
    fn every_probe_finds_a_line_start() {
        let text: String =
            (1..3000).map(|i| format!("chr1\t{i}\t.\tA\tC\t.\t.\t.\t{}\n", "x".repeat(i % 301))).collect();
        let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
        writer.write_all(text.as_bytes()).expect("memory");
        let packed = writer.finish().expect("memory");
        let mut found = 0;
        for from in (0..packed.len()).step_by(97) {
            let Some(probed) = probe_bgzf(&mut Window::from(&packed), from, 0).expect("no error") else { continue };
            let mut reader = LineReader::of_blocks(&packed, probed.offset).expect("opens");
            let line = reader.next_line().expect("no error").expect("a line");
            assert!(line.starts_with(format!("chr1\t{}\t", probed.vcf_pos).as_bytes()));
            found += 1;
        }
        assert!(found > 10);
        for from in (0..text.len()).step_by(991) {
            let Some(probed) = probe_text(&mut Window::from(text.as_bytes()), from, 0).expect("no error") else {
                continue;
            };
            assert!(probed.offset >= from as u64);
            assert!(text[probed.offset as usize..].starts_with(&format!("chr1\t{}\t", probed.vcf_pos)));
        }
    }
}
