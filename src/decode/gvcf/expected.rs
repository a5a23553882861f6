//! The line that is expected next: like the last block but for its base, its numbers and its genotype.
//!
//! What stands between the numbers is compared eight bytes at a time with the text of a line that was read in the general
//! way, so what that line said beside its numbers (its filter, the depth in INFO) holds here, too. The numbers of the cell
//! are read all at once where it has the shape of that line's cell and the processor can, else field by field.

use super::block::{Block, BlockCell, BlockGt, BlockLayout, BlockLine, MISSING, Slot};
use crate::decode::cells::{Items, LANES, Shape, read_cell};
use crate::decode::numbers::leading_integer;
use crate::decode::vcf::RecordView;
use memchr::memchr;

/// Bytes of a word.
const WORD: usize = 8;
/// Words of a text at most.
const MAX_WORDS: usize = 12;

/// A text that is compared word by word.
#[derive(Clone, Debug)]
pub struct FixedText {
    /// Words, and which of their bits count.
    words: Vec<(u64, u64)>,
    len: usize,
}

impl FixedText {
    /// Of a text; `any`: the place of a byte that may be any other. `None`: it is too long.
    pub fn new(text: &[u8], any: Option<usize>) -> Option<FixedText> {
        let word = |i: usize, chunk: &[u8]| {
            let (mut word, mut mask) = ([0; WORD], [0; WORD]);
            for (place, &byte) in chunk.iter().enumerate().filter(|(place, _)| any != Some(i * WORD + place)) {
                (word[place], mask[place]) = (byte, u8::MAX);
            }
            (u64::from_le_bytes(word), u64::from_le_bytes(mask))
        };
        let words: Vec<_> = text.chunks(WORD).enumerate().map(|(i, chunk)| word(i, chunk)).collect();
        (words.len() <= MAX_WORDS).then_some(FixedText { words, len: text.len() })
    }

    /// Where the text ends that begins at `at`; `None`: another one stands there, or it ends within a word of the line's end.
    #[inline(always)]
    pub fn skip(&self, line: &[u8], at: usize) -> Option<usize> {
        let here = line.get(at..at + self.words.len() * WORD)?;
        let mut differs = 0;
        for (bytes, (word, mask)) in here.chunks_exact(WORD).zip(&self.words) {
            differs |= (u64::from_le_bytes(bytes.try_into().expect("eight bytes")) ^ word) & mask;
        }
        (differs == 0).then_some(at + self.len)
    }
}

/// A line of one sample with one block, but for what differs from block to block.
#[derive(Debug)]
pub struct ExpectedLine {
    /// From ID on, up to END or to the cell.
    head: FixedText,
    /// Where the base of REF is, from ID on.
    base: usize,
    /// From behind END up to the cell; `None`: the line has no END.
    tail: Option<FixedText>,
    /// What the fixed fields say.
    of_line: BlockLine,
    layout: BlockLayout,
    cell: Option<ExpectedCell>,
}

impl ExpectedLine {
    /// Like a line that was found to be a block. `None`: it has something that cannot be expected.
    pub fn like(record: RecordView, of_line: BlockLine, layout: &BlockLayout) -> Option<ExpectedLine> {
        let [base] = record.ref_allele() else { return None };
        let info = record.info();
        let before = [record.id(), &[*base][..], record.alt(), record.qual(), record.filter()].join(&b'\t');
        let base = record.id().len() + 1;
        let format = [&b"\t"[..], record.format()?, b"\t"].concat();
        let (head, tail) = match info.strip_prefix(b"END=") {
            Some(end) => {
                let behind = end.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(end.len());
                let tail = [&end[behind..], &format].concat();
                let is_list = end.get(behind).is_some_and(|&byte| byte != b';');
                if behind == 0 || is_list {
                    return None;
                }
                ([&before[..], &b"\tEND="[..]].concat(), Some(FixedText::new(&tail, None)?))
            }
            None if record.info_value(b"END").is_none() => ([&before[..], &b"\t"[..], info, &format].concat(), None),
            None => return None,
        };
        let cell = ExpectedCell::like(record.samples(), layout);
        Some(ExpectedLine {
            head: FixedText::new(&head, Some(base))?,
            base,
            tail,
            of_line,
            layout: layout.clone(),
            cell,
        })
    }

    /// The block of a line, if it is as expected. `at`: behind the tab behind POS.
    #[inline]
    pub fn block(&self, line: &[u8], at: usize, vcf_pos: i32) -> Option<Block> {
        let mut rest = self.head.skip(line, at)?;
        let mut end = vcf_pos;
        if let Some(tail) = &self.tail {
            (end, rest) = leading_integer(line, rest)?;
            rest = tail.skip(line, rest)?;
        }
        if line[at + self.base] == b'\t' || end < vcf_pos {
            return None;
        }
        let text = &line[rest..];
        // a second cell shows in the fields that are read, but not in the others
        if text.is_empty() || (self.layout.has_others && memchr(b'\t', text).is_some()) {
            return None;
        }
        let cell = match self.cell.as_ref().and_then(|expected| expected.read(text)) {
            Some(cell) => cell,
            None => BlockCell::read(text, &self.layout).ok()?,
        };
        let end = cell.end_by_length(vcf_pos).unwrap_or(end);
        cell.block(vcf_pos, end, self.of_line, &self.layout)
    }
}

/// A cell in which every field has a value, and which items of it mean what.
#[derive(Debug)]
struct ExpectedCell {
    shape: Shape,
    /// The first field is a genotype.
    has_gt: bool,
    gq: Option<u8>,
    min_dp: Option<u8>,
    dp: Option<u8>,
    len: Option<u8>,
    /// First item of PL.
    pl: u8,
    /// Numbers of PL: 0, 2 or 3.
    n_pl: u8,
}

impl ExpectedCell {
    /// With so many items in each field as a cell has.
    fn like(text: &[u8], layout: &BlockLayout) -> Option<ExpectedCell> {
        let n_items: Vec<usize> = text
            .split(|&byte| byte == b':')
            .map(|field| 1 + field.iter().filter(|&&byte| byte == b',').count())
            .collect();
        if n_items.len() != layout.slots.len() {
            return None;
        }
        let is_number = |slot: Slot| !matches!(slot, Slot::Gt | Slot::Other);
        let fields = layout.slots.iter().zip(&n_items).map(|(&slot, &n_items)| (n_items, is_number(slot)));
        let shape = Shape::of_items(fields)?;
        let mut cell =
            ExpectedCell { shape, has_gt: false, gq: None, min_dp: None, dp: None, len: None, pl: 0, n_pl: 0 };
        let mut best = [u8::MAX; 3];
        let mut lane = 0;
        for (place, (&slot, &n_here)) in layout.slots.iter().zip(&n_items).enumerate() {
            let mut ranked = |held: usize, rank: u8, holds: &mut Option<u8>| {
                if rank < best[held] {
                    (best[held], *holds) = (rank, Some(lane));
                }
            };
            match slot {
                Slot::Gt if place == 0 && n_here == 1 => cell.has_gt = true,
                Slot::Gq(rank) if n_here == 1 => ranked(0, rank, &mut cell.gq),
                Slot::MinDp(rank) if n_here == 1 => ranked(1, rank, &mut cell.min_dp),
                Slot::Dp(rank) if n_here == 1 => ranked(2, rank, &mut cell.dp),
                Slot::Len if n_here == 1 && cell.len.is_none() => cell.len = Some(lane),
                Slot::Pl if matches!(n_here, 2 | 3) && cell.n_pl == 0 => (cell.pl, cell.n_pl) = (lane, n_here as u8),
                Slot::Other => {}
                _ => return None,
            }
            lane += n_here as u8;
        }
        Some(cell)
    }

    /// A cell of this shape; `None`: it is another one.
    #[inline(always)]
    fn read(&self, text: &[u8]) -> Option<BlockCell> {
        let mut items: Items = [0; LANES];
        if !read_cell(text, &self.shape, &mut items) {
            return None;
        }
        let item = |lane: u8| items[usize::from(lane) % LANES];
        let number = |lane: Option<u8>| lane.map_or(MISSING, item);
        let gt = match text {
            _ if !self.has_gt => None,
            [b'0', b'/', b'0', b':', ..] => Some(BlockGt::HomRef),
            _ => Some(BlockGt::of(text.split(|&byte| byte == b':').next()?)?),
        };
        let pl = match self.n_pl {
            0 => [MISSING; 3],
            2 => [item(self.pl), item(self.pl + 1), MISSING],
            _ => [item(self.pl), item(self.pl + 1), item(self.pl + 2)],
        };
        let (gq, min_dp, dp, len) = (number(self.gq), number(self.min_dp), number(self.dp), number(self.len));
        Some(BlockCell::of_numbers(gt, [gq, min_dp, dp, len], pl, self.n_pl))
    }
}
