//! BGZF blocks: find them in a mapped file and inflate them one at a time, CRC checked.
//!
//! SAM specification section 4.1. A block is at most 64 KiB on either side; a file ends with an empty block.

use crate::error::{Error, Result};
use crate::store::window::Window;
use libdeflater::Decompressor;

/// The empty block that ends a complete file.
pub const EOF_BLOCK: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff, 0x06, 0, 0x42, 0x43, 0x02, 0, 0x1b, 0, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];
/// Largest block, compressed or not.
pub const MAX_BLOCK_BYTES: usize = 1 << 16;

/// Total size of the block that starts at `bytes[at]`; `None` when no BGZF block header is there.
pub fn block_size(bytes: &[u8], at: usize) -> Option<usize> {
    let header = bytes.get(at..at + 12)?;
    if header[..4] != [0x1f, 0x8b, 0x08, 0x04] {
        return None;
    }
    let extra_len = usize::from(u16::from_le_bytes([header[10], header[11]]));
    let mut extra = bytes.get(at + 12..at + 12 + extra_len)?;
    while extra.len() >= 4 {
        let len = usize::from(u16::from_le_bytes([extra[2], extra[3]]));
        if extra[..2] == *b"BC" && len == 2 {
            let size = usize::from(u16::from_le_bytes([*extra.get(4)?, *extra.get(5)?])) + 1;
            return (size >= 12 + extra_len + 8).then_some(size);
        }
        extra = extra.get(4 + len..)?;
    }
    None
}

/// Start of the first block at or behind `from`, confirmed by the block that follows it (or the end of the file).
pub fn find_block(window: &mut Window, from: usize) -> Result<Option<usize>> {
    const MAGIC: [u8; 4] = [0x1f, 0x8b, 0x08, 0x04];
    let mut at = from;
    while at < window.len() {
        // a block begins within the length of one, and two fit behind that
        let end = at + MAX_BLOCK_BYTES;
        let bytes = window.upto(end + 2 * MAX_BLOCK_BYTES)?;
        let searched = &bytes[at..bytes.len().min(end + MAGIC.len() - 1)];
        let Some(offset) = memchr::memmem::find(searched, &MAGIC) else {
            at = end;
            continue;
        };
        let candidate = at + offset;
        if let Some(size) = block_size(bytes, candidate) {
            let next = candidate + size;
            if next == window.len() || block_size(window.ready(), next).is_some() {
                return Ok(Some(candidate));
            }
        }
        at = candidate + 1;
    }
    Ok(None)
}

fn damaged(at: usize, what: &str) -> Error {
    Error::bad_data(format!("the BGZF block at byte {at} {what}"))
        .hint("the file is cut off or damaged: compare its checksum with the source, or copy it again")
}

fn without_end() -> Error {
    Error::bad_data("the file ends without the empty BGZF block that marks its end: it was cut off")
        .hint("copy it again; if it is known to be whole, `bgzip -dc FILE | varbatch call -` reads it")
}

/// Inflates blocks into a buffer.
pub struct Inflater(Decompressor);

impl Default for Inflater {
    fn default() -> Self {
        Inflater(Decompressor::new())
    }
}

impl Inflater {
    /// Appends the content of the block at `at`, as [`Inflater::append_block`]. The last block of a file must be the empty one
    /// that marks its end (SAM specification § 4.1.2): a file that was cut between two blocks shows it by nothing else.
    pub fn append_next(&mut self, window: &mut Window, at: usize, out: &mut Vec<u8>) -> Result<usize> {
        let start = out.len();
        let next = self.append_block(window.upto(at + MAX_BLOCK_BYTES)?, at, out)?;
        if next == window.len() && out.len() > start {
            return Err(without_end());
        }
        Ok(next)
    }

    /// Appends the content of the block at `bytes[at]` to `out`; returns the offset behind the block.
    pub fn append_block(&mut self, bytes: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize> {
        let damaged = |what: &str| damaged(at, what);
        let size = block_size(bytes, at).ok_or_else(|| damaged("has no valid header"))?;
        let block = bytes.get(at..at + size).ok_or_else(|| damaged("is cut off"))?;
        let extra_len = usize::from(u16::from_le_bytes([block[10], block[11]]));
        let deflated = &block[12 + extra_len..size - 8];
        let crc = u32::from_le_bytes([block[size - 8], block[size - 7], block[size - 6], block[size - 5]]);
        let plain_len =
            u32::from_le_bytes([block[size - 4], block[size - 3], block[size - 2], block[size - 1]]) as usize;
        if plain_len > MAX_BLOCK_BYTES {
            return Err(damaged("claims more than 64 KiB"));
        }
        let start = out.len();
        out.resize(start + plain_len, 0);
        let written =
            self.0.deflate_decompress(deflated, &mut out[start..]).map_err(|_| damaged("does not inflate"))?;
        if written != plain_len {
            return Err(damaged("has another length than it says"));
        }
        if libdeflater::crc32(&out[start..]) != crc {
            return Err(damaged("has a wrong checksum"));
        }
        Ok(at + size)
    }
}

/// Where the text of each block begins: any byte of the text is found without inflating the others.
#[derive(Debug)]
pub struct BlockTable {
    /// Starts of the block and of its text, of all blocks with text.
    starts: Vec<(usize, u64)>,
    text_bytes: u64,
}

impl BlockTable {
    /// Of a whole file, from the headers of its blocks.
    pub fn of(bytes: &[u8]) -> Result<BlockTable> {
        let (mut table, mut at) = (BlockTable { starts: Vec::new(), text_bytes: 0 }, 0);
        let mut is_ended = false;
        while at < bytes.len() {
            let end = block_size(bytes, at).map(|size| at + size);
            let length = end.and_then(|end| bytes.get(end - 4..end)).and_then(|length| length.try_into().ok());
            let (Some(end), Some(length)) = (end, length) else {
                return Err(damaged(at, "is cut off or has no valid header"));
            };
            let length = u64::from(u32::from_le_bytes(length));
            is_ended = length == 0;
            if !is_ended {
                table.starts.push((at, table.text_bytes));
            }
            table.text_bytes += length;
            at = end;
        }
        if is_ended { Ok(table) } else { Err(without_end()) }
    }
}

/// Bytes of text here and there, out of the block that was needed last.
pub struct RandomAccess<'a> {
    bytes: &'a [u8],
    table: &'a BlockTable,
    inflater: Inflater,
    block: Vec<u8>,
    starts_at: u64,
}

impl<'a> RandomAccess<'a> {
    /// To the text of `bytes`, whose blocks the table has.
    pub fn new(bytes: &'a [u8], table: &'a BlockTable) -> Self {
        RandomAccess { bytes, table, inflater: Inflater::default(), block: Vec::new(), starts_at: 0 }
    }

    /// One byte of the text; `None` behind its end.
    pub fn byte(&mut self, at: u64) -> Result<Option<u8>> {
        if at >= self.table.text_bytes {
            return Ok(None);
        }
        if at < self.starts_at || at - self.starts_at >= self.block.len() as u64 {
            let place = self.table.starts.partition_point(|&(_, text)| text <= at) - 1;
            let (block, text) = self.table.starts[place];
            self.block.clear();
            self.inflater.append_block(self.bytes, block, &mut self.block)?;
            self.starts_at = text;
        }
        Ok(self.block.get((at - self.starts_at) as usize).copied())
    }
}

/// An error out of an inflating reader.
pub fn stream_error(error: std::io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(inner) => {
            let copy = Error::new(inner.class(), inner.message());
            match inner.hint_text() {
                Some(hint) => copy.hint(hint.to_string()),
                None => copy,
            }
        }
        None => Error::bad_data(format!("the compressed stream is damaged or cut off ({error})"))
            .hint("compare its checksum with the source, or copy it again"),
    }
}

/// Reads blocks from `at` on as one stream of bytes.
pub struct BgzfReader<'a> {
    window: Window<'a>,
    /// The block that is read, and the one behind it.
    block: usize,
    at: usize,
    inflater: Inflater,
    buffer: Vec<u8>,
    consumed: usize,
}

impl<'a> BgzfReader<'a> {
    /// From the block at `at` on, where the window begins or later.
    pub fn new(window: impl Into<Window<'a>>, at: usize) -> Self {
        let (window, inflater) = (window.into(), Inflater::default());
        BgzfReader { window, block: at, at, inflater, buffer: Vec::new(), consumed: 0 }
    }

    /// Inflates the next block that is not empty, when the last one is read; false at the end of the file.
    fn fill(&mut self) -> std::io::Result<bool> {
        while self.consumed == self.buffer.len() {
            if self.at >= self.window.len() {
                return Ok(false);
            }
            self.buffer.clear();
            self.consumed = 0;
            self.window.give_back(self.at);
            self.block = self.at;
            let next = self.inflater.append_next(&mut self.window, self.at, &mut self.buffer);
            self.at = next.map_err(std::io::Error::other)?;
        }
        Ok(true)
    }

    /// The virtual offset of the next byte; of the end of the file at its end.
    pub fn virtual_offset(&mut self) -> std::io::Result<u64> {
        let block = if self.fill()? { self.block } else { self.at };
        Ok((block as u64) << 16 | self.consumed as u64)
    }
}

impl std::io::Read for BgzfReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if !self.fill()? {
            return Ok(0);
        }
        let n = out.len().min(self.buffer.len() - self.consumed);
        out[..n].copy_from_slice(&self.buffer[self.consumed..self.consumed + n]);
        self.consumed += n;
        Ok(n)
    }
}

/// Reads ranges of a file (from a virtual offset up to another one, both at record starts), one behind the other.
pub struct RangeReader<'a> {
    window: Window<'a>,
    ranges: std::collections::VecDeque<(u64, u64)>,
    inflater: Inflater,
    /// The block that is read, of which `buffer[consumed..]` is left, and the one behind it.
    next: Option<usize>,
    buffer: Vec<u8>,
    consumed: usize,
}

impl<'a> RangeReader<'a> {
    /// Of ranges in the order of the file; the window begins at the first one or before.
    pub fn new(window: impl Into<Window<'a>>, ranges: Vec<(u64, u64)>) -> Self {
        let (window, inflater) = (window.into(), Inflater::default());
        RangeReader { window, ranges: ranges.into(), inflater, next: None, buffer: Vec::new(), consumed: 0 }
    }

    /// Inflates the next block of the ranges; false behind the last one.
    fn next_block(&mut self) -> Result<bool> {
        let Some(&(start, end)) = self.ranges.front() else { return Ok(false) };
        let block = self.next.unwrap_or((start >> 16) as usize);
        let skip = if self.next.is_none() { (start & 0xffff) as usize } else { 0 };
        if self.next.is_none() {
            self.window.expect_end((end >> 16) as usize + MAX_BLOCK_BYTES);
            self.window.jump(block);
        }
        self.window.give_back(block);
        let last = block as u64 >= end >> 16;
        self.buffer.clear();
        if block < self.window.len() && !(last && end & 0xffff == 0) {
            self.next = Some(self.inflater.append_next(&mut self.window, block, &mut self.buffer)?);
        }
        if last {
            self.buffer.truncate((end & 0xffff) as usize);
        }
        self.consumed = skip.min(self.buffer.len());
        if last || block >= self.window.len() {
            self.next = None;
            self.ranges.pop_front();
            if self.buffer.last().is_some_and(|&byte| byte != b'\n') {
                return Err(Error::bad_data("the index beside the file does not fit it")
                    .hint("make the index again, e.g. with `tabix -f`, or remove it"));
            }
        }
        Ok(true)
    }
}

impl std::io::Read for RangeReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.consumed == self.buffer.len() {
            if !self.next_block().map_err(std::io::Error::other)? {
                return Ok(0);
            }
        }
        let n = out.len().min(self.buffer.len() - self.consumed);
        out[..n].copy_from_slice(&self.buffer[self.consumed..self.consumed + n]);
        self.consumed += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn sample(n: usize) -> (Vec<u8>, Vec<u8>) {
        let plain: Vec<u8> = (0..n).flat_map(|i| format!("line {}\n", i * 7919 % 1013).into_bytes()).collect();
        let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
        writer.write_all(&plain).expect("memory");
        (plain, writer.finish().expect("memory"))
    }

    #[test]
    fn blocks_are_found_and_inflated() {
        let (plain, packed) = sample(50_000);
        let mut found = Vec::new();
        BgzfReader::new(&packed, 0).read_to_end(&mut found).expect("inflates");
        assert!(found == plain);
        let first = block_size(&packed, 0).expect("a block");
        assert_eq!(find_block(&mut Window::from(&packed), 1).expect("memory"), Some(first));
        assert_eq!(packed[packed.len() - 28..], EOF_BLOCK);
    }

    #[test]
    fn ranges_are_read_from_record_to_record() {
        let (plain, packed) = sample(30_000);
        let (mut starts, mut at, mut text_at) = (Vec::new(), 0, 0);
        while at < packed.len() {
            starts.push((text_at, at));
            let mut block = Vec::new();
            at = Inflater::default().append_block(&packed, at, &mut block).expect("a block");
            text_at += block.len();
        }
        let offset = |place: usize| {
            let (text, block) = starts.iter().rev().find(|(text, _)| *text <= place).expect("a block");
            (*block as u64) << 16 | (place - text) as u64
        };
        let lines: Vec<usize> = (0..plain.len()).filter(|&i| i == 0 || plain[i - 1] == b'\n').collect();
        let range = |from: usize, to: usize| (lines[from], lines.get(to).copied().unwrap_or(plain.len()));
        for wanted in [vec![range(3, 9)], vec![range(0, 7000), range(7001, 7003), range(20_000, 29_999)]] {
            let ranges = wanted.iter().map(|&(from, to)| (offset(from), offset(to))).collect();
            let mut found = Vec::new();
            RangeReader::new(&packed, ranges).read_to_end(&mut found).expect("reads");
            assert!(found == wanted.iter().flat_map(|&(from, to)| plain[from..to].to_vec()).collect::<Vec<u8>>());
        }
        let broken = vec![(offset(lines[3]), offset(lines[9]) - 2)];
        assert!(RangeReader::new(&packed, broken).read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn a_flipped_bit_is_an_error() {
        let (_, mut packed) = sample(5_000);
        let size = block_size(&packed, 0).expect("a block");
        packed[size - 7] ^= 1;
        let error = Inflater::default().append_block(&packed, 0, &mut Vec::new()).expect_err("must fail");
        assert!(error.message().contains("checksum"), "{error}");
    }
}
