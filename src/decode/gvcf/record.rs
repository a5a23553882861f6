//! Lines of a gVCF: a reference block of each sample, or a record with more to say.
//!
//! Nearly all lines are blocks of one sample in the words of the line before. They are read by comparing them with what
//! is expected, byte by byte ([`RecordParser::expected_block`]); every other line takes the general way, and a property
//! test holds the two to the same answer.

use super::block::{Block, BlockCell, BlockLayout, BlockLine, FilterNames, MISSING, NO_FILTER, end_of};
use super::dialect::{Dialect, NONE, is_unseen};
use crate::decode::vcf::{RecordIndex, RecordView, parse_i32};
use crate::error::{Error, Result};
use memchr::memchr;

/// What a line says of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellContent {
    /// Nothing.
    Empty,
    /// That its bases are the reference, or not known.
    Block(Block),
    /// More than that: the record is to be kept, up to this last base.
    Record(i32),
}

const PLAIN: BlockLine = BlockLine { n_alleles: 2, filter: NO_FILTER, min_dp: MISSING };

/// Reads lines of one input.
#[derive(Debug)]
pub struct RecordParser {
    dialect: &'static Dialect,
    n_samples: usize,
    /// Layouts of the FORMAT texts so far, the last one used first.
    layouts: Vec<BlockLayout>,
    /// ALT of the last block, with the tab behind it.
    block_alt: Vec<u8>,
    /// What such a block is when nothing else is said.
    plain: BlockLine,
}

impl RecordParser {
    /// For a file with so many samples.
    pub fn new(dialect: &'static Dialect, n_samples: usize) -> Self {
        RecordParser { dialect, n_samples, layouts: Vec::new(), block_alt: Vec::new(), plain: PLAIN }
    }

    /// The block of a line of a file with one sample, when the line is as expected: no ID, one reference base, the ALT and
    /// FORMAT of the block before, no filter, nothing but END in INFO. `at`: behind the tab behind POS.
    #[inline]
    pub fn expected_block(&self, line: &[u8], at: usize, vcf_pos: i32) -> Option<Block> {
        let layout = self.layouts.first().filter(|_| self.n_samples == 1)?;
        let rest = line.get(at..)?.strip_prefix(b".\t")?;
        let [_, b'\t', rest @ ..] = rest else { return None };
        let rest = rest.strip_prefix(&self.block_alt[..])?;
        let rest = match rest {
            [b'.' | b'0', b'\t', rest @ ..] => rest,
            _ => return None,
        };
        let rest = rest.strip_prefix(b".\t").or_else(|| rest.strip_prefix(b"PASS\t"))?;
        let (end, rest) = match rest {
            [b'E', b'N', b'D', b'=', rest @ ..] => {
                let (end, length) = digits(rest)?;
                (end, rest.get(length..)?.strip_prefix(b"\t")?)
            }
            [b'.', b'\t', rest @ ..] => (vcf_pos, rest),
            _ => return None,
        };
        let text = rest.strip_prefix(&layout.text[..])?;
        // a second cell shows in the fields that are read, but not in the others
        if layout.has_others && memchr(b'\t', text).is_some() {
            return None;
        }
        let cell = BlockCell::read(text, layout).ok()?;
        if end < vcf_pos {
            return None;
        }
        let end = cell.end_by_length(vcf_pos).unwrap_or(end);
        cell.block(vcf_pos, end, self.plain, layout)
    }

    /// Reads a line in the general way: what it says of each sample, in the order of columns, into `cells`.
    pub fn read(
        &mut self,
        record: RecordView,
        vcf_pos: i32,
        filters: &mut FilterNames,
        cells: &mut Vec<CellContent>,
    ) -> Result<()> {
        cells.clear();
        let ref_allele = record.ref_allele();
        if ref_allele.is_empty() || record.alt().is_empty() {
            return Err(Error::bad_data("REF or ALT is empty, expected bases or ."));
        }
        let end = end_of(vcf_pos, ref_allele.len(), record.info_value(b"END").flatten())?;
        let is_block = record.alt() == NONE || is_unseen(record.alt());
        let n_alleles = if record.alt() == NONE { 1 } else { 2 };
        self.use_layout(record.format().unwrap_or_default());
        let mut of_line = BlockLine { n_alleles, ..PLAIN };
        if is_block {
            self.expect_alt(record.alt(), of_line);
            of_line.min_dp = self.info_min_dp(record);
            of_line.filter = filters.number(record.filter());
        }
        let layout = self.layouts.first().expect("one is in use");
        for text in record.samples().split(|&byte| byte == b'\t') {
            if record.samples().is_empty() {
                break;
            }
            let cell = match BlockCell::read(text, layout) {
                Ok(cell) => cell,
                // numbers of a record are read where it is called
                Err(_) if !is_block => {
                    cells.push(CellContent::Record(end));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let end = cell.end_by_length(vcf_pos).unwrap_or(end);
            let block = if is_block { cell.block(vcf_pos, end, of_line, layout) } else { None };
            cells.push(match block {
                _ if self.n_samples > 1 && cell.is_empty() => CellContent::Empty,
                Some(block) => CellContent::Block(block),
                None => CellContent::Record(end),
            });
        }
        if cells.len() != self.n_samples {
            return Err(Error::bad_data(format!(
                "the line has {} sample columns, the header names {}",
                cells.len(),
                self.n_samples
            ))
            .hint("was the file cut off or edited?"));
        }
        Ok(())
    }

    /// Brings the layout of a FORMAT text to the front.
    fn use_layout(&mut self, format: &[u8]) {
        let is_it = |layout: &BlockLayout| layout.text.split_last().is_some_and(|(_, text)| text == format);
        match self.layouts.iter().position(is_it) {
            Some(0) => {}
            Some(at) => self.layouts.swap(0, at),
            None => {
                self.layouts.push(BlockLayout::new(format, self.dialect));
                let last = self.layouts.len() - 1;
                self.layouts.swap(0, last);
            }
        }
    }

    fn expect_alt(&mut self, alt: &[u8], plain: BlockLine) {
        self.plain = plain;
        self.block_alt.clear();
        self.block_alt.extend_from_slice(alt);
        self.block_alt.push(b'\t');
    }

    fn info_min_dp(&self, record: RecordView) -> i32 {
        let values = self.dialect.info_min_dp.iter().filter_map(|key| record.info_value(key).flatten());
        values.filter_map(parse_i32).find(|&value| value >= 0).unwrap_or(MISSING)
    }
}

/// The number at the start of a text and how many digits it has.
#[inline]
pub fn digits(text: &[u8]) -> Option<(i32, usize)> {
    let mut value = 0u64;
    let mut n = 0;
    for &byte in text.iter().take(11) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value * 10 + u64::from(digit);
        n += 1;
    }
    (n > 0 && n < 11 && value <= i32::MAX as u64).then_some((value as i32, n))
}

/// Whether a line is of the contig `chrom_and_tab`; its POS and where the rest begins, when both are plain.
#[inline]
pub fn expected_pos(line: &[u8], chrom_and_tab: &[u8]) -> Option<(i32, usize)> {
    let rest = line.strip_prefix(chrom_and_tab)?;
    let (vcf_pos, n) = digits(rest)?;
    (rest.get(n) == Some(&b'\t')).then_some((vcf_pos, chrom_and_tab.len() + n + 1))
}

/// Finds the fields of a line, and checks POS.
pub fn index(line: &[u8]) -> Result<(RecordIndex, i32)> {
    let index = RecordIndex::new(line)?;
    let vcf_pos = index.view(line).vcf_pos()?;
    Ok((index, vcf_pos))
}

#[cfg(test)]
mod tests {
    use super::super::dialect::by_name;
    use super::*;
    use proptest::prelude::*;

    fn general(parser: &mut RecordParser, line: &[u8]) -> Result<Vec<CellContent>> {
        let (index, vcf_pos) = index(line)?;
        let mut cells = Vec::new();
        parser.read(index.view(line), vcf_pos, &mut FilterNames::default(), &mut cells)?;
        Ok(cells)
    }

    #[test]
    fn records_and_blocks_of_several_samples() {
        let mut parser = RecordParser::new(by_name("gatk-combined").expect("a dialect"), 3);
        let line = b"1\t5\t.\tA\t<NON_REF>\t.\t.\tEND=9\tGT:GQ:PL\t./.:3:0,3,9\t./.\t0/1:3:3,0,9";
        let cells = general(&mut parser, line).expect("a record");
        assert!(matches!(cells[0], CellContent::Block(block) if (block.start, block.end) == (5, 9)));
        assert_eq!(cells[1..], [CellContent::Empty, CellContent::Record(9)]);
        let line = b"1\t5\t.\tACC\tG,<NON_REF>\t.\t.\t.\tGT:GQ:PL\t./.:3:0,3,9,1,1,1\t./.\t0/1:x";
        let cells = general(&mut parser, line).expect("a record");
        assert_eq!(cells, [CellContent::Record(7), CellContent::Empty, CellContent::Record(7)]);
        assert!(general(&mut parser, b"1\t5\t.\tA\t<NON_REF>\t.\t.\tEND=4\tGT\t./.\t./.\t./.").is_err());
        assert!(general(&mut parser, b"1\t5\t.\tA\t<NON_REF>\t.\t.\tEND=6\tGT\t./.\t./.").is_err());
    }

    #[test]
    fn lengths_are_of_samples() {
        let mut parser = RecordParser::new(by_name("vcf4.5").expect("a dialect"), 2);
        let line = b"1\t5\t.\tA\t<*>\t.\t.\tEND=99\tGT:LEN:LAA:LPL\t0/0:3:.:0\t0/0:.:1:0,3,9";
        let ends: Vec<i32> = general(&mut parser, line)
            .expect("a record")
            .iter()
            .map(|cell| if let CellContent::Block(block) = cell { block.end } else { 0 })
            .collect();
        assert_eq!(ends, [7, 99]);
    }

    fn piece(choices: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
        proptest::sample::select(choices)
    }

    proptest! {
        #[test]
        fn the_fast_way_agrees_with_the_general_one(
            pos in piece(&["1", "77", "2147483647"]),
            id in piece(&[".", "rs1"]),
            ref_allele in piece(&["A", "AC", "n"]),
            alt in piece(&["<NON_REF>", "<*>", ".", "G,<NON_REF>"]),
            qual in piece(&[".", "0", "3.5"]),
            filter in piece(&[".", "PASS", "LowQual"]),
            info in piece(&[".", "END=90", "END=5", "END=", "DP=3;END=91", "END=92;X"]),
            format in piece(&["GT:DP:GQ:MIN_DP:PL", "GT", "GT:LEN", "GT:GQ:PL"]),
            gt in piece(&["0/0", "0", "./.", "0|0", "0/1", "."]),
            rest in piece(&["", ":3", ":3:9:2:0,9,99", ":.", ":1.5", ":9:0,5", ":x", ":3\t0/0"]),
        ) {
            let mut parser = RecordParser::new(by_name("gatk").expect("a dialect"), 1);
            for first in ["1\t5\t.\tA\t<NON_REF>\t.\t.\tEND=9\tGT:DP:GQ:MIN_DP:PL\t0/0:3:9:3:0,9,99",
                          "1\t5\t.\tA\t.\t.\t.\t.\tGT:GQ:PL\t0/0", "1\t5\t.\tA\t<*>\t.\t.\t.\tGT:LEN\t0/0:3"] {
                let _ = general(&mut parser, first.as_bytes());
                let line = format!("1\t{pos}\t{id}\t{ref_allele}\t{alt}\t{qual}\t{filter}\t{info}\t{format}\t{gt}{rest}");
                let line = line.as_bytes();
                let (vcf_pos, at) = expected_pos(line, b"1\t").expect("a plain position");
                let fast = parser.expected_block(line, at, vcf_pos);
                let general = general(&mut parser, line);
                if let Some(block) = fast {
                    prop_assert_eq!(general.expect("a block"), vec![CellContent::Block(block)]);
                }
            }
        }
    }
}
