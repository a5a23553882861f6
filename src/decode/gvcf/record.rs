//! Lines of a gVCF: a reference block of each sample, or a record with more to say.
//!
//! Nearly all lines are blocks of one sample in the words of one of the last blocks. They are read by comparing them with
//! what is expected ([`RecordParser::expected_block`]); every other line takes the general way, and a property test holds
//! the two to the same answer.

use super::block::{Block, BlockCell, BlockLayout, BlockLine, FilterNames, MISSING, NO_FILTER, end_of};
use super::dialect::{Dialect, NONE, is_unseen};
use super::expected::{ExpectedLine, FixedText};
use crate::decode::numbers::leading_integer;
use crate::decode::vcf::{RecordIndex, RecordView, parse_i32};
use crate::error::{Error, Result};

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

/// So many kinds of blocks of a file are expected at a time: by filter, by FORMAT, with and without END.
const MAX_EXPECTED: usize = 4;
/// Blocks that were not as expected are learned from at once up to so many, then every so many: in some files, no block is
/// like the one before.
const LEARNED_AT_ONCE: u32 = 64;
const LEARNED_EVERY: u32 = 16;

/// Reads lines of one input.
#[derive(Debug)]
pub struct RecordParser {
    dialect: &'static Dialect,
    n_samples: usize,
    /// Layouts of the FORMAT texts so far, the last one used first.
    layouts: Vec<BlockLayout>,
    /// Blocks like the last ones, the last one seen first.
    expected: Vec<ExpectedLine>,
    /// Blocks that were not as expected.
    n_unexpected: u32,
}

impl RecordParser {
    /// For a file with so many samples.
    pub fn new(dialect: &'static Dialect, n_samples: usize) -> Self {
        RecordParser { dialect, n_samples, layouts: Vec::new(), expected: Vec::new(), n_unexpected: 0 }
    }

    /// The block of a line of a file with one sample, when the line is like one of the last blocks. `at`: behind the tab
    /// behind POS.
    #[inline]
    pub fn expected_block(&mut self, line: &[u8], at: usize, vcf_pos: i32) -> Option<Block> {
        let block = self.expected.first()?.block(line, at, vcf_pos);
        if block.is_some() { block } else { self.expected_before(line, at, vcf_pos) }
    }

    /// Like one of the blocks before the last one.
    fn expected_before(&mut self, line: &[u8], at: usize, vcf_pos: i32) -> Option<Block> {
        let block = |expected: &ExpectedLine| expected.block(line, at, vcf_pos);
        let (place, block) =
            self.expected.iter().enumerate().skip(1).find_map(|(place, expected)| Some((place, block(expected)?)))?;
        self.expected[..=place].rotate_right(1);
        Some(block)
    }

    /// Lines like a block that was read in the general way are expected from now on.
    fn expect(&mut self, record: RecordView, of_line: BlockLine) {
        self.n_unexpected = self.n_unexpected.wrapping_add(1);
        if self.n_unexpected > LEARNED_AT_ONCE && !self.n_unexpected.is_multiple_of(LEARNED_EVERY) {
            return;
        }
        let layout = self.layouts.first().expect("one is in use");
        if let Some(expected) = ExpectedLine::like(record, of_line, layout) {
            self.expected.truncate(MAX_EXPECTED - 1);
            self.expected.insert(0, expected);
        }
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
            of_line.min_dp = self.info_min_dp(record);
            of_line.filter = filters.number(record.filter());
        }
        let layout = self.layouts.first().expect("one is in use");
        for text in record.samples().split(|&byte| byte == b'\t') {
            if record.samples().is_empty() {
                break;
            }
            // its fields are read where it is called
            if !is_block && self.n_samples == 1 && !layout.has_length {
                cells.push(CellContent::Record(end));
                continue;
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
        if let [CellContent::Block(_)] = cells[..] {
            self.expect(record, of_line);
        }
        Ok(())
    }

    /// Brings the layout of a FORMAT text to the front.
    fn use_layout(&mut self, format: &[u8]) {
        match self.layouts.iter().position(|layout| layout.text == format) {
            Some(0) => {}
            Some(at) => self.layouts.swap(0, at),
            None => {
                self.layouts.push(BlockLayout::new(format, self.dialect));
                let last = self.layouts.len() - 1;
                self.layouts.swap(0, last);
            }
        }
    }

    fn info_min_dp(&self, record: RecordView) -> i32 {
        let values = self.dialect.info_min_dp.iter().filter_map(|key| record.info_value(key).flatten());
        values.filter_map(parse_i32).find(|&value| value >= 0).unwrap_or(MISSING)
    }
}

/// Whether a line is of the contig `chrom_and_tab`; its POS and where the rest begins, when both are plain.
#[inline(always)]
pub fn expected_pos(line: &[u8], chrom_and_tab: &FixedText) -> Option<(i32, usize)> {
    let at = chrom_and_tab.skip(line, 0)?;
    let (vcf_pos, end) = leading_integer(line, at)?;
    (line.get(end) == Some(&b'\t')).then_some((vcf_pos, end + 1))
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

    fn at_of(line: &[u8]) -> (i32, usize) {
        let chrom = FixedText::new(b"1\t", None).expect("a short name");
        expected_pos(line, &chrom).expect("a plain position")
    }

    /// Lines that differ in their numbers only are read in the fast way, in any dialect.
    #[test]
    fn blocks_like_the_last_ones_are_expected() {
        for (dialect, first, second) in [
            (
                "gatk",
                "1\t5\t.\tA\t<NON_REF>\t.\t.\tEND=9\tGT:DP:GQ:MIN_DP:PL\t0/0:3:9:3:0,9,99",
                "1\t123456789\t.\tC\t<NON_REF>\t.\t.\tEND=123456799\tGT:DP:GQ:MIN_DP:PL\t0/0:1234:0:12:0,18,12345",
            ),
            (
                "gatk",
                "1\t5\t.\tA\t<NON_REF>\t.\t.\t.\tGT:AD:DP:GQ:PL\t0/0:3,0:3:9:0,9,99",
                "1\t6\t.\tN\t<NON_REF>\t.\t.\t.\tGT:AD:DP:GQ:PL\t./.:0,0:0:0:0,0,0",
            ),
            (
                "dragen",
                "1\t5\t.\tA\t<NON_REF>\t.\tPASS\tEND=9\tGT:AD:DP:GQ:MIN_DP:PL:SPL:ICNT\t0/0:3,0:3:9:3:0,9,99:0,1,2:3,4",
                "1\t6\t.\tN\t<NON_REF>\t.\tPASS\tEND=7\tGT:AD:DP:GQ:MIN_DP:PL:SPL:ICNT\t0/0:3,0:3:9:3:0,9,99:0,1,2:3,4",
            ),
            (
                "strelka2",
                "1\t5\t.\tA\t.\t.\tLowGQX\tEND=9;BLOCKAVG_min30p3a\tGT:GQX:DP:DPF\t0/0:9:3:1",
                "1\t6\t.\tN\t.\t.\tLowGQX\tEND=77;BLOCKAVG_min30p3a\tGT:GQX:DP:DPF\t0/0:30.6:3:1",
            ),
            (
                "bcftools",
                "1\t5\t.\tA\t<*>\t0\t.\tEND=9;MinDP=3\tPL:DP\t0,15,125:5",
                "1\t6\t.\tA\t<*>\t0\t.\tEND=9;MinDP=3\tPL:DP\t0,9,99:3",
            ),
        ] {
            let mut parser = RecordParser::new(by_name(dialect).expect("a dialect"), 1);
            general(&mut parser, first.as_bytes()).expect("a block");
            let (vcf_pos, at) = at_of(second.as_bytes());
            let fast = parser.expected_block(second.as_bytes(), at, vcf_pos).map(CellContent::Block);
            assert_eq!(fast.map(|block| vec![block]), general(&mut parser, second.as_bytes()).ok(), "{second}");
            // a variant between them changes nothing
            let record = b"1\t5\t.\tACC\tG,<NON_REF>\t.\t.\t.\tGT:GQ:PL\t0/1:3:0,3,9,1,1,1";
            general(&mut parser, record).expect("a record");
            assert!(parser.expected_block(second.as_bytes(), at, vcf_pos).is_some(), "{second}");
        }
    }

    /// What is unlike everything before is not learned for ever, and what comes to stay is learned after some lines.
    #[test]
    fn a_new_kind_of_block_is_expected_after_some() {
        let mut parser = RecordParser::new(by_name("bcftools").expect("a dialect"), 1);
        for depth in 0..500 {
            let line = format!("1\t5\t.\tA\t<*>\t0\t.\tEND=9;MinDP={depth}\tPL:DP\t0,15,125:5");
            general(&mut parser, line.as_bytes()).expect("a block");
        }
        let line = b"1\t5\t.\tA\t<*>\t0\t.\tEND=9;MinDP=3\tPL:DP\t0,15,125:5";
        let (vcf_pos, at) = at_of(line);
        let n_general = (0..LEARNED_EVERY).take_while(|_| {
            let is_expected = parser.expected_block(line, at, vcf_pos).is_some();
            general(&mut parser, line).expect("a block");
            !is_expected
        });
        assert!(n_general.count() < LEARNED_EVERY as usize);
        assert!(parser.expected_block(line, at, vcf_pos).is_some());
    }

    fn piece(choices: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
        proptest::sample::select(choices)
    }

    /// A line out of usual and unusual pieces.
    fn some_line() -> impl Strategy<Value = String> {
        let fixed = (
            piece(&["1", "77", "12345678", "123456789", "2147483647"]),
            piece(&[".", ".", "rs1"]),
            piece(&["A", "A", "C", "AC", "n", ""]),
            piece(&["<NON_REF>", "<NON_REF>", "<*>", ".", "G,<NON_REF>", ""]),
            piece(&[".", ".", "0", "3.5"]),
            piece(&[".", ".", "PASS", "LowQual"]),
            piece(&[
                ".",
                "END=90",
                "END=90",
                "END=123456799",
                "END=5",
                "END=",
                "END=.",
                "END=9,9",
                "DP=3;END=91",
                "END=92;X",
                "END=92;MIN_DP=7",
                "MIN_DP=7",
                "END=7;END=99",
                "END=99999999999",
            ]),
        );
        let cell = (
            piece(&[
                "GT:DP:GQ:MIN_DP:PL",
                "GT:DP:GQ:MIN_DP:PL",
                "GT:AD:DP:GQ:PL",
                "GT",
                "GT:LEN",
                "GT:GQ:PL",
                "PL:DP",
                "GT:GQ:RGQ:GQX",
                "GT:DP:XX",
                "GT:DP:DP",
                "GT:GL",
            ]),
            piece(&["0/0", "0/0", "0", "./.", "0|0", "0/1", ".", "", "0,0"]),
            piece(&[
                "",
                ":3",
                ":3:9:2:0,9,99",
                ":3:9:2:0,9,99",
                ":12:80:11:0,30,1200",
                ":12:80:11:0,30,12000",
                ":.",
                ":1.5",
                ":9:0,5",
                ":x",
                ":3\t0/0",
                ":3,0:3:9:0,9,99",
                ":3,0:3:9:0,9",
                ":3,0:3:9:9,0,99",
                ":7:9:3",
                ":.:9:3",
                ":7:.:3",
                ":99999:9:2:0,9,99",
                ":3:9:2:0,9,99:",
                ":3:9:2:0,9,",
                ":3:9:2:.",
                ":5:\t",
            ]),
        );
        (fixed, cell).prop_map(|((pos, id, ref_allele, alt, qual, filter, info), (format, gt, rest))| {
            format!("1\t{pos}\t{id}\t{ref_allele}\t{alt}\t{qual}\t{filter}\t{info}\t{format}\t{gt}{rest}")
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_fast_way_agrees_with_the_general_one(
            lines in prop::collection::vec(some_line(), 1..12),
            dialect in piece(&["gatk", "gatk-combined", "bcftools", "strelka2", "vcf4.5"]),
        ) {
            let by_name = by_name(dialect).expect("a dialect");
            let (mut parser, mut filters) = (RecordParser::new(by_name, 1), FilterNames::default());
            let usual = "1\t5\t.\tA\t<NON_REF>\t.\t.\tEND=9\tGT:DP:GQ:MIN_DP:PL\t0/0:3:9:3:0,9,99".to_string();
            // what was seen before must not matter: each line is read in the fast way first, then in the general one
            for line in std::iter::once(&usual).chain(&lines).chain([&usual]).chain(&lines) {
                let line = line.as_bytes();
                let (vcf_pos, at) = at_of(line);
                let fast = parser.expected_block(line, at, vcf_pos);
                let mut cells = Vec::new();
                let general = index(line)
                    .and_then(|(index, vcf_pos)| parser.read(index.view(line), vcf_pos, &mut filters, &mut cells));
                if let Some(block) = fast {
                    prop_assert!(general.is_ok(), "{:?}", std::str::from_utf8(line));
                    prop_assert_eq!(&cells, &vec![CellContent::Block(block)]);
                }
            }
        }
    }
}
