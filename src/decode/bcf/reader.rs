//! Records one by one: out of bytes as they are (a file without compression, a piece of a stream), or out of BGZF blocks from
//! the middle of a file. Nothing is copied but a record that reaches over the end of what is inflated.

use super::{Dictionary, TypedSamples, announced_len, append_head, locus_of_record};
use crate::decode::bgzf::{Inflater, MAX_BLOCK_BYTES};
use crate::decode::limits::check_record;
use crate::error::{Error, Location, Result};
use crate::profile::{self, Stage};
use crate::store::window::Window;
use std::collections::VecDeque;

/// How much is inflated at a time, in bytes: a few blocks, so that what is left of the last record is little beside it.
const REFILL_BYTES: usize = 128 << 10;

/// Bytes of the two lengths that a record begins with.
const LENGTHS_BYTES: usize = 8;

enum Source<'a> {
    /// Records as they are.
    Slice(Window<'a>),
    /// Blocks from an offset on are inflated when needed.
    /// `starts`: start in the buffer and file offset of each block that is (partly) in the buffer.
    Blocks { window: Window<'a>, next: usize, inflater: Inflater, starts: VecDeque<(usize, usize)> },
}

/// Gives one record after the other.
pub struct RecordReader<'a> {
    source: Source<'a>,
    dictionary: &'a Dictionary,
    /// What is inflated of blocks.
    buffer: Vec<u8>,
    /// The next record, in the buffer or the slice.
    at: usize,
    /// The last record given out.
    start: usize,
    /// Bytes that left the buffer: positions in `starts` count from the first byte inflated.
    dropped: usize,
    /// Where records must begin, in order.
    landings: VecDeque<u64>,
    head: Vec<u8>,
    n_records: u64,
    n_bytes_read: u64,
}

impl<'a> RecordReader<'a> {
    /// Of whole records.
    pub fn new(bytes: &'a [u8], dictionary: &'a Dictionary) -> Self {
        Self::of_bytes_from(bytes, 0, dictionary)
    }

    /// From byte `from` of records without compression on, where the window begins.
    pub fn of_bytes_from(window: impl Into<Window<'a>>, from: u64, dictionary: &'a Dictionary) -> Self {
        let window = window.into();
        let from = (from as usize).min(window.len());
        RecordReader { at: from, start: from, ..Self::of(Source::Slice(window), dictionary) }
    }

    /// From the virtual offset of a record in a BGZF file on. The window begins at its block or before.
    pub fn of_blocks(window: impl Into<Window<'a>>, virtual_offset: u64, dictionary: &'a Dictionary) -> Result<Self> {
        let (window, next) = (window.into(), (virtual_offset >> 16) as usize);
        let source = Source::Blocks { window, next, inflater: Inflater::default(), starts: VecDeque::new() };
        let mut reader = Self::of(source, dictionary);
        let inside = (virtual_offset & 0xffff) as usize;
        while reader.buffer.len() < inside && reader.refill()? {}
        reader.at = inside.min(reader.buffer.len());
        Ok(reader)
    }

    fn of(source: Source<'a>, dictionary: &'a Dictionary) -> Self {
        RecordReader {
            source,
            dictionary,
            buffer: Vec::new(),
            at: 0,
            start: 0,
            dropped: 0,
            landings: VecDeque::new(),
            head: Vec::new(),
            n_records: 0,
            n_bytes_read: 0,
        }
    }

    /// Says at which offset reading probably ends.
    #[must_use]
    pub fn expecting_end(mut self, offset: u64) -> Self {
        match &mut self.source {
            Source::Slice(window) => window.expect_end(offset as usize),
            Source::Blocks { window, .. } => window.expect_end((offset >> 16) as usize + MAX_BLOCK_BYTES),
        }
        self
    }

    /// Says where records begin, in ascending order: where other readers start, or this one ends. They were found by what the
    /// bytes there look like; that records do begin there is checked as this reader comes by.
    #[must_use]
    pub fn landing_on(mut self, offsets: impl IntoIterator<Item = u64>) -> Self {
        self.landings.extend(offsets);
        self
    }

    /// Records given out so far.
    pub fn n_records(&self) -> u64 {
        self.n_records
    }

    /// Bytes of the source consumed so far (compressed bytes for BGZF).
    pub fn n_bytes_read(&self) -> u64 {
        self.n_bytes_read
    }

    /// Where the last record given out starts: byte offset, or virtual offset.
    pub fn record_offset(&self) -> u64 {
        match &self.source {
            Source::Slice(_) => self.start as u64,
            Source::Blocks { starts, .. } => {
                let record = self.dropped + self.start;
                let block = starts.iter().rev().find(|(start, _)| *start <= record);
                block.map_or(0, |(start, offset)| ((*offset as u64) << 16) | (record - start) as u64)
            }
        }
    }

    /// The next record: its fields up to FORMAT as VCF writes them, and its samples.
    pub fn next_record(&mut self) -> Result<Option<(&[u8], TypedSamples<'_>)>> {
        let Some(len) = self.next_len()? else {
            return if self.landings.is_empty() { Ok(None) } else { Err(no_record_there()) };
        };
        self.start = self.at;
        self.at += len;
        self.n_records += 1;
        if !self.landings.is_empty() {
            self.check_landing()?;
        }
        let record = match &self.source {
            Source::Slice(window) => {
                self.n_bytes_read += len as u64;
                &window.ready()[self.start..self.at]
            }
            Source::Blocks { .. } => &self.buffer[self.start..self.at],
        };
        self.head.clear();
        match append_head(record, self.dictionary, &mut self.head) {
            Ok(samples) => Ok(Some((&self.head, samples))),
            Err(error) => Err(placed(error, record, self.dictionary)),
        }
    }

    /// Bytes of the next record, which are there then; `None` behind the last one.
    fn next_len(&mut self) -> Result<Option<usize>> {
        let mut wanted = LENGTHS_BYTES;
        loop {
            let left = self.left(wanted)?;
            let n_left = left.len();
            let len = announced_len(left).map_or(LENGTHS_BYTES, |len| usize::try_from(len).unwrap_or(usize::MAX));
            if n_left >= LENGTHS_BYTES && n_left >= len {
                return Ok(Some(len));
            }
            check_record(len)?;
            let has_more = match &self.source {
                Source::Slice(_) => n_left == wanted,
                Source::Blocks { .. } => self.inflate_more()?,
            };
            wanted = len;
            if !has_more {
                break;
            }
        }
        if self.left(1)?.is_empty() {
            return Ok(None);
        }
        Err(Error::bad_data("the BCF ends inside a record").hint("the file is cut off: copy it again"))
    }

    /// What is there from the next record on; of bytes as they are, `wanted` of them where there are so many.
    #[inline]
    fn left(&mut self, wanted: usize) -> Result<&[u8]> {
        let at = self.at;
        match &mut self.source {
            Source::Slice(window) => {
                window.give_back(at);
                Ok(&window.upto(at.saturating_add(wanted))?[at..])
            }
            Source::Blocks { .. } => Ok(&self.buffer[at..]),
        }
    }

    /// Inflates behind what is left of the next record; false at the end of the file.
    fn inflate_more(&mut self) -> Result<bool> {
        if self.at > 0 {
            self.buffer.copy_within(self.at.., 0);
            self.buffer.truncate(self.buffer.len() - self.at);
            self.dropped += self.at;
            if let Source::Blocks { starts, .. } = &mut self.source {
                // the block that the open record starts in stays
                while starts.get(1).is_some_and(|(start, _)| *start <= self.dropped) {
                    starts.pop_front();
                }
            }
            self.at = 0;
        }
        self.refill()
    }

    /// Appends to the buffer; false at the end of the file.
    fn refill(&mut self) -> Result<bool> {
        let _stage = profile::enter(Stage::Inflate);
        let Source::Blocks { window, next, inflater, starts } = &mut self.source else { return Ok(false) };
        let (first, wanted) = (*next, self.buffer.len() + REFILL_BYTES);
        window.give_back(first);
        while *next < window.len() && self.buffer.len() < wanted {
            starts.push_back((self.dropped + self.buffer.len(), *next));
            *next = inflater.append_next(window, *next, &mut self.buffer)?;
        }
        self.n_bytes_read += (*next - first) as u64;
        Ok(*next > first)
    }

    fn check_landing(&mut self) -> Result<()> {
        let offset = self.record_offset();
        while let Some(&landing) = self.landings.front().filter(|&&landing| landing <= offset) {
            if landing < offset {
                return Err(no_record_there());
            }
            self.landings.pop_front();
        }
        Ok(())
    }
}

fn no_record_there() -> Error {
    Error::bad_data("no record begins where one was found: the BCF has bytes inside of a record that look like records")
        .hint("convert it, e.g. with `bcftools view -Oz`, and load that")
}

/// An error of a record, with its position where that can be read.
fn placed(error: Error, record: &[u8], dictionary: &Dictionary) -> Error {
    let Ok((contig, vcf_pos)) = locus_of_record(record) else { return error };
    let contig = dictionary.contig(contig).ok().map(str::to_string);
    error.at(Location { vcf_pos: contig.is_some().then_some(i64::from(vcf_pos)), contig, ..Location::default() })
}
