//! Reference bases out of FASTA text, in memory or mapped, plain or as BGZF, by its line layout.

use super::bgzf::{BlockTable, RandomAccess, stream_error};
use crate::alleles::ReferenceBases;
use crate::error::{Class, Error, Result};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::BufRead;

/// Where the bases of one sequence are: all lines but the last have the same length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Layout {
    offset: u64,
    n_bases: u64,
    line_bases: u64,
    line_bytes: u64,
}

/// An index over FASTA text.
#[derive(Debug, Default)]
pub struct FastaIndex {
    sequences: HashMap<String, Layout>,
    /// Where the text is stored as BGZF.
    blocks: Option<BlockTable>,
}

impl FastaIndex {
    /// From the content of a `.fai` file.
    pub fn from_fai(text: &str) -> Result<FastaIndex> {
        let mut index = FastaIndex::default();
        for (number, line) in text.lines().enumerate() {
            let fields: Vec<&str> = line.split('\t').collect();
            let number_at = |i: usize| fields.get(i).and_then(|text| text.parse::<u64>().ok());
            let layout = match (number_at(1), number_at(2), number_at(3), number_at(4)) {
                (Some(n_bases), Some(offset), Some(line_bases), Some(line_bytes)) => {
                    Some(Layout { offset, n_bases, line_bases, line_bytes }).filter(|layout| layout.end().is_some())
                }
                _ => None,
            };
            let layout = layout.ok_or_else(|| {
                Error::bad_data(format!("line {} of the .fai index is not understood", number + 1))
                    .hint("make it again with `samtools faidx`, or remove it")
            })?;
            index.sequences.insert(fields[0].to_string(), layout);
        }
        Ok(index)
    }

    /// By reading the text once.
    pub fn build(mut text: impl BufRead) -> Result<FastaIndex> {
        let mut builder = Builder::default();
        loop {
            let bytes = text.fill_buf().map_err(stream_error)?;
            if bytes.is_empty() {
                break;
            }
            let n_bytes = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            builder.push(&bytes[..n_bytes])?;
            text.consume(n_bytes);
        }
        builder.end_line()?;
        builder.end_sequence();
        Ok(builder.index)
    }

    /// For text that is stored as BGZF.
    pub fn with_blocks(self, blocks: BlockTable) -> FastaIndex {
        FastaIndex { blocks: Some(blocks), ..self }
    }

    /// The bases of a sequence. `stored` is the text that was indexed, or the BGZF file that holds it.
    pub fn sequence<'a>(&'a self, stored: &'a [u8], name: &str) -> Option<Sequence<'a>> {
        let layout = *self.sequences.get(name)?;
        let text = match &self.blocks {
            Some(blocks) => Text::Blocks(RefCell::new(RandomAccess::new(stored, blocks))),
            None => Text::Plain(stored),
        };
        Some(Sequence { text, layout })
    }
}

impl Layout {
    /// Where the base at `at` (0-based, within the sequence) is in the text.
    fn place(&self, at: u64) -> Option<u64> {
        let lines = at.checked_div(self.line_bases)?.checked_mul(self.line_bytes)?;
        self.offset.checked_add(lines)?.checked_add(at % self.line_bases)
    }

    /// Where the last base is; `None` for numbers that no sequence has.
    fn end(&self) -> Option<u64> {
        match self.n_bases.checked_sub(1) {
            Some(last) if self.line_bytes >= self.line_bases => self.place(last),
            Some(_) => None,
            None => Some(self.offset),
        }
    }
}

/// Makes an index out of pieces of text. No piece has more than one line.
#[derive(Default)]
struct Builder {
    index: FastaIndex,
    /// Bytes before the next piece.
    at: u64,
    /// The sequence that is read.
    open: Option<(String, Layout)>,
    /// A line that is shorter than the first one must be the last.
    is_last_line: bool,
    line: Line,
}

/// The line that is read.
#[derive(Default)]
struct Line {
    n_bytes: u64,
    /// Without white space at its end.
    n_bases: u64,
    /// The name of a sequence, for a line with `>`.
    name: Option<Vec<u8>>,
}

/// A longer name of a sequence is none.
const MAX_NAME_BYTES: usize = 1 << 16;

impl Builder {
    fn push(&mut self, piece: &[u8]) -> Result<()> {
        if self.line.n_bytes == 0 && piece[0] == b'>' {
            self.line.name = Some(Vec::new());
        } else if self.line.n_bytes == 0 && self.open.is_none() {
            let at = self.at;
            return Err(Error::bad_data(format!("byte {at} of the FASTA is not the start of a sequence (`>`)")));
        }
        let n_trimmed = piece.trim_ascii_end().len() as u64;
        if n_trimmed > 0 {
            self.line.n_bases = self.line.n_bytes + n_trimmed;
        }
        self.line.n_bytes += piece.len() as u64;
        self.at += piece.len() as u64;
        if let Some(name) = &mut self.line.name {
            name.extend_from_slice(&piece[..piece.len().min(MAX_NAME_BYTES - name.len())]);
        }
        if piece.ends_with(b"\n") { self.end_line() } else { Ok(()) }
    }

    fn end_line(&mut self) -> Result<()> {
        let line = std::mem::take(&mut self.line);
        if let Some(name) = line.name {
            self.end_sequence();
            let name = name[1..].split(u8::is_ascii_whitespace).next().unwrap_or_default();
            let layout = Layout { offset: self.at, ..Layout::default() };
            self.open = Some((String::from_utf8_lossy(name).into_owned(), layout));
            return Ok(());
        }
        let Some((name, layout)) = &mut self.open else { return Ok(()) };
        if line.n_bases > 0 && layout.line_bases == 0 && !self.is_last_line {
            (layout.line_bases, layout.line_bytes) = (line.n_bases, line.n_bytes);
        }
        if line.n_bases > 0 && self.is_last_line || line.n_bases > layout.line_bases {
            return Err(Error::bad_data(format!("sequence {name} of the FASTA has lines of different lengths")));
        }
        self.is_last_line |= line.n_bases == 0 || line.n_bases < layout.line_bases;
        layout.n_bases += line.n_bases;
        Ok(())
    }

    fn end_sequence(&mut self) {
        self.is_last_line = false;
        if let Some((name, layout)) = self.open.take() {
            self.index.sequences.insert(name, layout);
        }
    }
}

/// Bases of one sequence.
pub struct Sequence<'a> {
    text: Text<'a>,
    layout: Layout,
}

enum Text<'a> {
    Plain(&'a [u8]),
    Blocks(RefCell<RandomAccess<'a>>),
}

impl ReferenceBases for Sequence<'_> {
    fn base(&self, vcf_pos: i32) -> Result<Option<u8>> {
        let at = u64::try_from(vcf_pos).ok().and_then(|pos| pos.checked_sub(1));
        let place = at.filter(|&at| at < self.layout.n_bases).and_then(|at| self.layout.place(at));
        let Some(place) = place else { return Ok(None) };
        let found = match &self.text {
            Text::Plain(text) => usize::try_from(place).ok().and_then(|place| text.get(place)).copied(),
            Text::Blocks(text) => text.borrow_mut().byte(place).map_err(unreadable)?,
        };
        Ok(found.map(|base| base.to_ascii_uppercase()))
    }
}

/// Damage of the reference, which is no fault of the record that is read.
fn unreadable(error: Error) -> Error {
    let found = Error::new(Class::NoInput, format!("the reference: {}", error.message()));
    match error.hint_text() {
        Some(hint) => found.hint(hint.to_string()),
        None => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// All bases of a sequence.
    fn bases(index: &FastaIndex, stored: &[u8], name: &str) -> Vec<u8> {
        let sequence = index.sequence(stored, name).expect("a sequence");
        (1..).map_while(|pos| sequence.base(pos).expect("readable")).collect()
    }

    fn bgzf(text: &[u8], block_bytes: usize) -> Vec<u8> {
        let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
        for piece in text.chunks(block_bytes) {
            writer.write_all(piece).expect("compress");
            writer.flush().expect("end a block");
        }
        writer.finish().expect("finish")
    }

    #[test]
    fn built_and_read_indexes_agree() {
        let text = b">a first\nACGT\nacgt\nAC\n>b\nTTTT\n>c\r\nAC\r\nG";
        let fai = "a\t10\t9\t4\t5\nb\t4\t25\t4\t5\nc\t3\t34\t2\t4\n";
        let read = FastaIndex::from_fai(fai).expect("an index");
        for n_bytes in [1, 2, 7, 100] {
            // pieces of any length give the same
            let built = FastaIndex::build(std::io::BufReader::with_capacity(n_bytes, &text[..])).expect("an index");
            assert_eq!(built.sequences, read.sequences);
            let stored = bgzf(text, n_bytes);
            let packed = built.with_blocks(BlockTable::of(&stored).expect("blocks"));
            for (index, stored) in [(&packed, &stored[..]), (&read, &text[..])] {
                assert_eq!(bases(index, stored, "a"), b"ACGTACGTAC");
                assert_eq!(bases(index, stored, "b"), b"TTTT");
                assert_eq!(bases(index, stored, "c"), b"ACG");
                let b = index.sequence(stored, "b").expect("a sequence");
                assert_eq!([0, -1, 5].map(|pos| b.base(pos).expect("readable")), [None; 3]);
            }
        }
    }

    #[test]
    fn layouts_that_cannot_be_indexed_are_refused() {
        for text in [&b">a\nAC\nACGT\n"[..], b">a\n\nACGT\n", b">a\nACGT\nAC\n\nAC\n", b"ACGT\n", b"\n>a\nAC\n"] {
            assert!(FastaIndex::build(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
        for fai in ["a\t10\t9\t0\t5", "a\t10\t9\t5\t4", "a\t9\t18446744073709551615\t4\t5", "a\t10"] {
            assert!(FastaIndex::from_fai(fai).is_err(), "{fai}");
        }
    }

    #[test]
    fn a_damaged_block_is_an_error_where_it_is_needed() {
        let text = [&b">a\n"[..], &b"ACGT".repeat(50)].concat();
        let mut stored = bgzf(&text, 100);
        let blocks = BlockTable::of(&stored).expect("blocks");
        let second = crate::decode::bgzf::block_size(&stored, 0).expect("a block");
        stored[second + 20] ^= 0x55;
        let index = FastaIndex::build(&text[..]).expect("an index").with_blocks(blocks);
        let sequence = index.sequence(&stored, "a").expect("a sequence");
        assert_eq!(sequence.base(97).expect("readable"), Some(b'A'));
        assert_eq!(sequence.base(98).expect_err("damaged").class(), Class::NoInput);
        assert!(BlockTable::of(&stored[..stored.len() - 28]).is_err());
        assert!(BlockTable::of(&stored[..stored.len() - 3]).is_err());
    }
}
