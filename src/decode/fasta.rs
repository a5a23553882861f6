//! Reference bases out of FASTA text in memory or mapped, by its line layout.

use crate::alleles::ReferenceBases;
use crate::error::{Error, Result};
use std::collections::HashMap;

/// Where the bases of one sequence are: all lines but the last have the same length.
#[derive(Clone, Copy, Debug)]
struct Layout {
    offset: usize,
    n_bases: u64,
    line_bases: u64,
    line_bytes: u64,
}

/// An index over FASTA text.
#[derive(Debug, Default)]
pub struct FastaIndex(HashMap<String, Layout>);

impl FastaIndex {
    /// From the content of a `.fai` file.
    pub fn from_fai(text: &str) -> Result<FastaIndex> {
        let mut sequences = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let fields: Vec<&str> = line.split('\t').collect();
            let number_at = |i: usize| fields.get(i).and_then(|text| text.parse::<u64>().ok());
            let (Some(n_bases), Some(offset), Some(line_bases), Some(line_bytes)) =
                (number_at(1), number_at(2), number_at(3), number_at(4))
            else {
                return Err(Error::bad_data(format!("line {} of the .fai index is not understood", number + 1))
                    .hint("make it again with `samtools faidx`, or remove it"));
            };
            let layout = Layout { offset: offset as usize, n_bases, line_bases, line_bytes };
            sequences.insert(fields[0].to_string(), layout);
        }
        Ok(FastaIndex(sequences))
    }

    /// By reading the text once.
    pub fn build(text: &[u8]) -> Result<FastaIndex> {
        let mut sequences = HashMap::new();
        let mut at = 0;
        while at < text.len() {
            let line_end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |offset| at + offset);
            if text[at] != b'>' {
                return Err(Error::bad_data(format!("byte {at} of the FASTA is not the start of a sequence (`>`)")));
            }
            let name = text[at + 1..line_end].split(u8::is_ascii_whitespace).next().unwrap_or_default();
            let name = String::from_utf8_lossy(name).into_owned();
            let start = (line_end + 1).min(text.len());
            let next = memchr::memmem::find(&text[start..], b"\n>").map_or(text.len(), |offset| start + offset + 1);
            let layout = Layout::of_lines(&text[start..next], start).ok_or_else(|| {
                Error::bad_data(format!("sequence {name} of the FASTA has lines of different lengths"))
            })?;
            sequences.insert(name, layout);
            at = next;
        }
        Ok(FastaIndex(sequences))
    }

    /// The bases of a sequence of `text`, the text that was indexed.
    pub fn sequence<'a>(&self, text: &'a [u8], name: &str) -> Option<Sequence<'a>> {
        self.0.get(name).map(|&layout| Sequence { text, layout })
    }
}

impl Layout {
    fn of_lines(lines: &[u8], offset: usize) -> Option<Layout> {
        let mut layout = Layout { offset, n_bases: 0, line_bases: 0, line_bytes: 0 };
        let mut at = 0;
        let mut ended = false;
        while at < lines.len() {
            let len = memchr::memchr(b'\n', &lines[at..]);
            let n_bytes = len.map_or(lines.len() - at, |len| len + 1);
            let line = &lines[at..at + n_bytes];
            let n_bases = line.trim_ascii_end().len() as u64;
            if layout.line_bases == 0 {
                (layout.line_bases, layout.line_bytes) = (n_bases, n_bytes as u64);
            } else if n_bases > layout.line_bases || n_bases > 0 && ended {
                return None;
            }
            ended |= n_bases != layout.line_bases;
            layout.n_bases += n_bases;
            at += n_bytes;
        }
        Some(layout)
    }
}

/// Bases of one sequence.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'a> {
    text: &'a [u8],
    layout: Layout,
}

impl ReferenceBases for Sequence<'_> {
    fn base(&self, vcf_pos: i32) -> Option<u8> {
        let at = u64::try_from(vcf_pos).ok()?.checked_sub(1)?;
        if at >= self.layout.n_bases {
            return None;
        }
        let offset = self.layout.offset as u64
            + at / self.layout.line_bases * self.layout.line_bytes
            + at % self.layout.line_bases;
        self.text.get(offset as usize).map(u8::to_ascii_uppercase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_and_read_indexes_agree() {
        let text = b">a first\nACGT\nacgt\nAC\n>b\nTTTT\n";
        let built = FastaIndex::build(text).expect("an index");
        let read = FastaIndex::from_fai("a\t10\t9\t4\t5\nb\t4\t25\t4\t5\n").expect("an index");
        for index in [built, read] {
            let a = index.sequence(text, "a").expect("a sequence");
            let bases: Vec<u8> = (0..12).filter_map(|pos| a.base(pos)).collect();
            assert_eq!(bases, b"ACGTACGTAC");
            assert_eq!(index.sequence(text, "b").expect("a sequence").base(4), Some(b'T'));
        }
        assert!(FastaIndex::build(b">a\nAC\nACGT\n").is_err());
    }
}
