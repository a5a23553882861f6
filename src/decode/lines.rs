//! Lines of a mapped text file, of BGZF blocks, or of a piece of text in memory, without copying where that can be.

use super::bgzf::{Inflater, MAX_BLOCK_BYTES, stream_error};
use super::limits::check_record;
use crate::error::Result;
use crate::profile::{self, Stage};
use crate::store::window::Window;
use memchr::memchr;
use std::collections::VecDeque;
use std::io::Read;

/// How much is inflated at a time, in bytes: one block or a few, so that thousands of files can be read side by side.
const REFILL_BYTES: usize = 64 << 10;

enum Source<'a> {
    /// Text as it is.
    Slice(Window<'a>),
    /// Blocks from an offset on are inflated when needed.
    /// `starts`: start in the buffer and file offset of each block that is (partly) in the buffer.
    Blocks { window: Window<'a>, next: usize, inflater: Inflater, starts: VecDeque<(usize, usize)> },
    /// Text that comes in order only; offsets of lines are not known.
    Stream(Box<dyn Read + Send + 'a>),
}

/// Gives one line after the other.
pub struct LineReader<'a> {
    source: Source<'a>,
    buffer: Vec<u8>,
    at: usize,
    line_start: usize,
    /// Bytes that left the buffer: positions in `starts` count from the first byte inflated.
    dropped: usize,
    n_lines: u64,
    n_bytes_read: u64,
}

impl<'a> LineReader<'a> {
    fn new(source: Source<'a>) -> Self {
        LineReader { source, buffer: Vec::new(), at: 0, line_start: 0, dropped: 0, n_lines: 0, n_bytes_read: 0 }
    }

    /// Lines of `text`.
    pub fn of_text(text: &'a [u8]) -> Self {
        Self::of_text_from(text, 0)
    }

    /// Lines of text from byte `from` on, where the window begins.
    pub fn of_text_from(window: impl Into<Window<'a>>, from: usize) -> Self {
        let window = window.into();
        let from = from.min(window.len());
        LineReader { at: from, line_start: from, ..Self::new(Source::Slice(window)) }
    }

    /// Lines of a stream to its end.
    pub fn of_stream(stream: Box<dyn Read + Send + 'a>) -> Self {
        Self::new(Source::Stream(stream))
    }

    /// Lines from the virtual offset (`block offset << 16 | offset inside the block`) of a BGZF file to its end.
    /// The window begins at that block or before.
    pub fn of_blocks(window: impl Into<Window<'a>>, virtual_offset: u64) -> Result<Self> {
        let (window, next) = (window.into(), (virtual_offset >> 16) as usize);
        let mut reader =
            Self::new(Source::Blocks { window, next, inflater: Inflater::default(), starts: VecDeque::new() });
        let inside = (virtual_offset & 0xffff) as usize;
        while reader.buffer.len() < inside && reader.refill()? {}
        reader.at = inside.min(reader.buffer.len());
        Ok(reader)
    }

    /// Takes the line given out last back: it comes again. Once for each line.
    pub fn put_back(&mut self) {
        if let Source::Slice(_) = self.source {
            self.n_bytes_read -= (self.at - self.line_start) as u64;
        }
        self.at = self.line_start;
        self.n_lines -= 1;
    }

    /// Lines given out so far.
    pub fn n_lines(&self) -> u64 {
        self.n_lines
    }

    /// Bytes of the source consumed so far (compressed bytes for BGZF).
    pub fn n_bytes_read(&self) -> u64 {
        self.n_bytes_read
    }

    /// Says at which offset (as of [`LineReader::line_offset`]) reading probably ends.
    #[must_use]
    pub fn expecting_end(mut self, offset: u64) -> Self {
        match &mut self.source {
            Source::Slice(window) => window.expect_end(offset as usize),
            Source::Blocks { window, .. } => window.expect_end((offset >> 16) as usize + MAX_BLOCK_BYTES),
            Source::Stream(_) => {}
        }
        self
    }

    /// Whether the byte before the next line ends one; `None`: it is not in memory, as at the start of a block.
    pub fn follows_a_line_end(&self) -> Option<bool> {
        let text = match &self.source {
            Source::Slice(window) => window.ready(),
            Source::Blocks { .. } | Source::Stream(_) => &self.buffer,
        };
        self.at.checked_sub(1).map(|before| text.get(before) == Some(&b'\n'))
    }

    /// Where the last line given out starts: byte offset in the text, or virtual offset; 0 for a stream.
    pub fn line_offset(&self) -> u64 {
        match &self.source {
            Source::Stream(_) => 0,
            Source::Slice(_) => self.line_start as u64,
            Source::Blocks { starts, .. } => {
                let line = self.dropped + self.line_start;
                let block = starts.iter().rev().find(|(start, _)| *start <= line);
                block.map_or(0, |(start, offset)| ((*offset as u64) << 16) | (line - start) as u64)
            }
        }
    }

    /// The next line without its line end (`\n` or `\r\n`); `None` at the end.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>> {
        Ok(self.advance()?.map(|(start, end)| self.line(start, end)))
    }

    /// The same, up to an offset (as of [`LineReader::line_offset`]) that a line begins at.
    pub fn next_line_before(&mut self, end_offset: u64) -> Result<Option<&[u8]>> {
        match self.advance()? {
            Some((start, end)) if self.line_offset() < end_offset => Ok(Some(self.line(start, end))),
            _ => Ok(None),
        }
    }

    fn line(&self, start: usize, end: usize) -> &[u8] {
        let line = match &self.source {
            Source::Slice(window) => &window.ready()[start..end],
            Source::Blocks { .. } | Source::Stream(_) => &self.buffer[start..end],
        };
        without_end(line)
    }

    /// Goes on to the next line: where it is.
    fn advance(&mut self) -> Result<Option<(usize, usize)>> {
        let (start, end) = match &mut self.source {
            Source::Slice(window) => {
                let start = self.at;
                window.give_back(start);
                let mut searched = start;
                let end = loop {
                    let ready = window.ready();
                    match memchr(b'\n', &ready[searched..]) {
                        Some(offset) => break searched + offset,
                        None if ready.len() == window.len() => break ready.len(),
                        None => searched = ready.len(),
                    }
                    check_record(searched - start)?;
                    window.upto(searched + 1)?;
                };
                if start == window.len() {
                    return Ok(None);
                }
                self.at = (end + 1).min(window.len());
                self.n_bytes_read += (self.at - start) as u64;
                (start, end)
            }
            Source::Blocks { .. } | Source::Stream(_) => match self.line_in_buffer()? {
                Some(range) => range,
                None => return Ok(None),
            },
        };
        self.n_lines += 1;
        self.line_start = start;
        Ok(Some((start, end)))
    }

    fn line_in_buffer(&mut self) -> Result<Option<(usize, usize)>> {
        let mut searched = self.at;
        loop {
            if let Some(offset) = memchr(b'\n', &self.buffer[searched..]) {
                let (start, end) = (self.at, searched + offset);
                self.at = end + 1;
                return Ok(Some((start, end)));
            }
            let open = self.buffer.len() - self.at;
            if self.at > 0 {
                self.buffer.copy_within(self.at.., 0);
                self.buffer.truncate(open);
                if let Source::Blocks { starts, .. } = &mut self.source {
                    self.dropped += self.at;
                    // the block that the open line starts in stays
                    while starts.get(1).is_some_and(|(start, _)| *start <= self.dropped) {
                        starts.pop_front();
                    }
                }
                self.at = 0;
            }
            searched = open;
            check_record(open)?;
            if !self.refill()? {
                if open == 0 {
                    return Ok(None);
                }
                self.at = open;
                return Ok(Some((0, open)));
            }
        }
    }

    /// Appends to the buffer; false at the end of the file.
    fn refill(&mut self) -> Result<bool> {
        let _stage = profile::enter(Stage::Inflate);
        let wanted = self.buffer.len() + REFILL_BYTES;
        let n_bytes = match &mut self.source {
            Source::Slice(_) => 0,
            Source::Blocks { window, next, inflater, starts } => {
                let first = *next;
                window.give_back(first);
                while *next < window.len() && self.buffer.len() < wanted {
                    starts.push_back((self.dropped + self.buffer.len(), *next));
                    *next = inflater.append_next(window, *next, &mut self.buffer)?;
                }
                *next - first
            }
            Source::Stream(stream) => {
                stream.take(REFILL_BYTES as u64).read_to_end(&mut self.buffer).map_err(stream_error)?
            }
        };
        self.n_bytes_read += n_bytes as u64;
        Ok(n_bytes > 0)
    }
}

/// A line without its end (`\n` or `\r\n`), if it has one. What else stands at its end belongs to it: a tab begins a column.
pub fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(mut reader: LineReader) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().expect("no error") {
            lines.push(line.to_vec());
        }
        lines
    }

    #[test]
    fn text_and_blocks_give_the_same_lines() {
        let text: String = (0..40_000).map(|i| format!("{i}{}\n", "x".repeat(i % 37))).collect::<String>() + "last";
        let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
        writer.write_all(text.as_bytes()).expect("memory");
        let packed = writer.finish().expect("memory");
        let expected: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
        assert!(all(LineReader::of_text(text.as_bytes())) == expected);
        assert!(all(LineReader::of_blocks(&packed, 0).expect("opens")) == expected);
        assert!(all(LineReader::of_blocks(&packed, 2).expect("opens"))[..] == expected[1..]);
    }

    #[test]
    fn a_line_can_be_read_again_from_its_offset() {
        let text: String = (0..30_000).map(|i| format!("{i}{}\n", "x".repeat(i % 301))).collect();
        let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
        writer.write_all(text.as_bytes()).expect("memory");
        let packed = writer.finish().expect("memory");
        let mut reader = LineReader::of_blocks(&packed, 0).expect("opens");
        let mut n = 0;
        while let Some(line) = reader.next_line().expect("no error") {
            let line = line.to_vec();
            n += 1;
            if n % 977 == 0 {
                let mut again = LineReader::of_blocks(&packed, reader.line_offset()).expect("opens");
                assert_eq!(again.next_line().expect("no error"), Some(&line[..]));
            }
        }
        assert_eq!(n, 30_000);
    }

    #[test]
    fn carriage_returns_and_the_missing_last_line_end() {
        assert_eq!(all(LineReader::of_text(b"a\r\nb\n\nc")), [b"a".to_vec(), b"b".to_vec(), vec![], b"c".to_vec()]);
    }
}
