//! A reference block of one sample, and the sample column that it is read from.

use super::dialect::Dialect;
use crate::decode::vcf::{parse_f64, parse_i32};
use crate::error::{Error, Result};

/// Stands for a missing number.
pub const MISSING: i32 = -1;
/// Stands for the filters `.` and `PASS`.
pub const NO_FILTER: u16 = u16::MAX;

/// Genotype of a reference block: nothing but reference, or nothing known, one copy or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum BlockGt {
    /// `0/0`.
    HomRef,
    /// `0|0`.
    HomRefPhased,
    /// `0`.
    HemiRef,
    /// `./.`.
    NoCall,
    /// `.|.`.
    NoCallPhased,
    /// `.`.
    NoCallOne,
}

impl BlockGt {
    /// Texts, by number.
    pub const TEXTS: [&'static str; 6] = ["0/0", "0|0", "0", "./.", ".|.", "."];

    /// From a GT text; `None` for any other.
    #[inline]
    pub fn of(text: &[u8]) -> Option<BlockGt> {
        Some(match text {
            b"0/0" => BlockGt::HomRef,
            b"0|0" => BlockGt::HomRefPhased,
            b"0" => BlockGt::HemiRef,
            b"./." => BlockGt::NoCall,
            b".|." => BlockGt::NoCallPhased,
            b"." => BlockGt::NoCallOne,
            _ => return None,
        })
    }

    /// As VCF writes it.
    pub fn text(self) -> &'static str {
        Self::TEXTS[self as usize]
    }

    fn is_called(self) -> bool {
        matches!(self, BlockGt::HomRef | BlockGt::HomRefPhased | BlockGt::HemiRef)
    }
}

/// One reference block of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First base, 1-based.
    pub start: i32,
    /// Last base, 1-based, inclusive.
    pub end: i32,
    /// GQ (rounded), or [`MISSING`].
    pub gq: i32,
    /// Least depth, or [`MISSING`].
    pub min_dp: i32,
    /// Depth, or [`MISSING`].
    pub dp: i32,
    /// Phred-scaled likelihoods of the genotypes with the reference alone, with one other copy (two copies only), with
    /// other copies only; or [`MISSING`].
    pub pl: [i32; 3],
    /// Genotype.
    pub gt: BlockGt,
    /// Number of the filter, or [`NO_FILTER`].
    pub filter: u16,
}

impl Block {
    /// Whether another block says the same of its bases.
    #[inline]
    pub fn says_the_same(&self, other: &Block) -> bool {
        self.gq == other.gq
            && self.min_dp == other.min_dp
            && self.dp == other.dp
            && self.pl == other.pl
            && self.gt == other.gt
            && self.filter == other.filter
    }

    /// The depth to count with: DP, else the least depth.
    pub fn depth(&self) -> Option<i32> {
        Some(if self.dp == MISSING { self.min_dp } else { self.dp }).filter(|&depth| depth != MISSING)
    }
}

/// Filters seen so far, by number.
#[derive(Debug, Default)]
pub struct FilterNames(Vec<String>);

impl FilterNames {
    /// The number of a FILTER text.
    pub fn number(&mut self, text: &[u8]) -> u16 {
        if matches!(text, b"." | b"PASS" | b"") {
            return NO_FILTER;
        }
        if let Some(number) = self.0.iter().position(|known| known.as_bytes() == text) {
            return number as u16;
        }
        // beyond so many, filters are none that a block could need
        if self.0.len() >= usize::from(NO_FILTER) {
            return 0;
        }
        self.0.push(String::from_utf8_lossy(text).into_owned());
        (self.0.len() - 1) as u16
    }

    /// Texts, by number.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

/// What one field of FORMAT is to a block. The number says which of several keys it is; the lowest holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Gt,
    Gq(u8),
    MinDp(u8),
    Dp(u8),
    Pl,
    Gl,
    Len,
    Other,
}

/// The fields of one FORMAT text.
#[derive(Clone, Debug)]
pub struct BlockLayout {
    /// FORMAT.
    pub text: Vec<u8>,
    pub(super) slots: Vec<Slot>,
    derive_gt: bool,
    /// Likelihoods are of local alleles: a sample may have none beside the reference.
    local: bool,
    /// Some field means nothing to a block.
    pub has_others: bool,
    /// A sample may have a length of its own.
    pub has_length: bool,
}

/// What the fixed fields of a line say of the blocks in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLine {
    /// 2, or 1 without ALT.
    pub n_alleles: u8,
    /// Number of the filter.
    pub filter: u16,
    /// Least depth by INFO, for samples without one of their own.
    pub min_dp: i32,
}

impl BlockLayout {
    /// Of a FORMAT text in a dialect.
    pub fn new(format: &[u8], dialect: &Dialect) -> BlockLayout {
        let rank = |keys: &[&[u8]], key: &[u8]| keys.iter().position(|known| *known == key).map(|rank| rank as u8);
        let slots = format.split(|&byte| byte == b':').map(|key| match key {
            b"GT" => Slot::Gt,
            b"PL" | b"LPL" => Slot::Pl,
            b"GL" => Slot::Gl,
            b"LEN" => Slot::Len,
            _ => rank(dialect.gq, key)
                .map(Slot::Gq)
                .or_else(|| rank(dialect.min_dp, key).map(Slot::MinDp))
                .or_else(|| rank(dialect.dp, key).map(Slot::Dp))
                .unwrap_or(Slot::Other),
        });
        let local = format.split(|&byte| byte == b':').any(|key| key == b"LPL");
        let slots: Vec<Slot> = slots.collect();
        let has_others = slots.contains(&Slot::Other);
        let has_length = slots.contains(&Slot::Len);
        BlockLayout {
            text: format.to_vec(),
            slots,
            derive_gt: dialect.derive_gt_from_pl,
            local,
            has_others,
            has_length,
        }
    }
}

/// What a sample's column says, as far as a block can say it.
#[derive(Clone, Copy, Debug)]
pub struct BlockCell {
    gt: Option<BlockGt>,
    gq: i32,
    min_dp: i32,
    dp: i32,
    pl: [i32; 3],
    n_pl: u8,
    /// LEN, or [`MISSING`].
    len: i32,
    /// Something beside a genotype has a value.
    has_values: bool,
    /// Something that a block cannot hold.
    strange: bool,
}

/// A cursor over one cell: what is left of it.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// A number without sign that ends with the field or with a comma; `None` (nothing consumed) for any other text.
    #[inline]
    fn number(&mut self) -> Option<i32> {
        let mut value = 0u32;
        let mut n = 0;
        for &byte in self.rest.iter().take(MAX_DIGITS) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value * 10 + u32::from(digit);
            n += 1;
        }
        if n == 0 || !matches!(self.rest.get(n), None | Some(b':' | b',')) {
            return None;
        }
        self.rest = &self.rest[n..];
        Some(value as i32)
    }

    /// The rest of the field.
    #[inline]
    fn field(&mut self) -> &'a [u8] {
        let len = self.rest.iter().position(|&byte| byte == b':').unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(len);
        self.rest = rest;
        field
    }

    /// Takes a byte if it is the next one.
    #[inline]
    fn take(&mut self, wanted: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == wanted => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }
}

/// Digits of a number that is read fast: all such numbers fit 32 bits.
const MAX_DIGITS: usize = 9;

fn wrong(key: &str, text: &[u8]) -> Error {
    Error::bad_data(format!("FORMAT/{key} is {:?}, expected a number from 0 on", String::from_utf8_lossy(text)))
        .hint("`--on-bad-record skip` sets such records aside and lists them")
}

impl BlockCell {
    /// Reads a sample's column.
    #[inline]
    pub fn read(text: &[u8], layout: &BlockLayout) -> Result<BlockCell> {
        const NOTHING: BlockCell = BlockCell {
            gt: None,
            gq: MISSING,
            min_dp: MISSING,
            dp: MISSING,
            pl: [MISSING; 3],
            n_pl: 0,
            len: MISSING,
            has_values: false,
            strange: false,
        };
        let mut cell = NOTHING;
        let mut ranks = [u8::MAX; 3];
        let mut cursor = Cursor { rest: text };
        for &slot in &layout.slots {
            match slot {
                Slot::Gt => cell.read_gt(&mut cursor),
                Slot::Gq(rank) => read_ranked(&mut cursor, &mut cell.gq, &mut ranks[0], rank, "GQ")?,
                Slot::MinDp(rank) => read_ranked(&mut cursor, &mut cell.min_dp, &mut ranks[1], rank, "MIN_DP")?,
                Slot::Dp(rank) => read_ranked(&mut cursor, &mut cell.dp, &mut ranks[2], rank, "DP")?,
                Slot::Len => read_ranked(&mut cursor, &mut cell.len, &mut 1, 0, "LEN")?,
                Slot::Pl => cell.read_pl(&mut cursor),
                Slot::Gl => cell.read_gl(&mut cursor)?,
                Slot::Other => cell.has_values |= !is_missing(cursor.field()),
            }
            if !cursor.take(b':') {
                break;
            }
        }
        cell.strange |= !cursor.rest.is_empty();
        Ok(cell)
    }

    /// A cell in which every field has a value. `numbers`: GQ, MIN_DP, DP, LEN, or [`MISSING`].
    #[inline(always)]
    pub(super) fn of_numbers(gt: Option<BlockGt>, numbers: [i32; 4], pl: [i32; 3], n_pl: u8) -> BlockCell {
        let [gq, min_dp, dp, len] = numbers;
        BlockCell { gt, gq, min_dp, dp, pl, n_pl, len, has_values: false, strange: false }
    }

    #[inline]
    fn read_gt(&mut self, cursor: &mut Cursor) {
        if let [b'0', b'/', b'0', b':', ..] = cursor.rest {
            self.gt = Some(BlockGt::HomRef);
            cursor.rest = &cursor.rest[3..];
            return;
        }
        let field = cursor.field();
        self.gt = BlockGt::of(field);
        self.strange |= self.gt.is_none() && !field.is_empty();
    }

    #[inline]
    fn read_pl(&mut self, cursor: &mut Cursor) {
        let start = cursor.rest;
        let mut pl = [MISSING; 3];
        let mut n = 0;
        while let Some(value) = cursor.number() {
            if n < 3 {
                pl[n] = value;
            }
            n += 1;
            if !cursor.take(b',') {
                break;
            }
        }
        if !matches!(cursor.rest.first(), None | Some(b':')) || n == 0 || ends_with_comma(start, cursor.rest) {
            cursor.rest = start;
            let missing = is_missing(cursor.field());
            self.strange |= !missing;
            return;
        }
        (self.pl, self.n_pl) = (pl, n.min(4) as u8);
    }

    /// Likelihoods as log10 become phred-scaled ones with the largest at 0.
    fn read_gl(&mut self, cursor: &mut Cursor) -> Result<()> {
        let field = cursor.field();
        if is_missing(field) || self.n_pl > 0 {
            return Ok(());
        }
        let values = field
            .split(|&byte| byte == b',')
            .map(|text| parse_f64(text).filter(|value| !value.is_nan()).ok_or_else(|| wrong("GL", field)));
        let values = values.collect::<Result<Vec<f64>>>()?;
        let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (pl, value) in self.pl.iter_mut().zip(&values) {
            *pl = (-10.0 * (value - largest)).round().clamp(0.0, f64::from(i32::MAX)) as i32;
        }
        self.n_pl = values.len().min(4) as u8;
        Ok(())
    }

    /// Last base by FORMAT/LEN, where the sample has it.
    #[inline]
    pub fn end_by_length(&self, start: i32) -> Option<i32> {
        (self.len > 0).then(|| start.saturating_add(self.len - 1))
    }

    /// Whether the sample has no data here: no genotype and no other value.
    pub fn is_empty(&self) -> bool {
        let numbers = [self.gq, self.min_dp, self.dp, self.len];
        self.gt.is_none_or(|gt| !gt.is_called())
            && !self.strange
            && !self.has_values
            && self.n_pl == 0
            && numbers.iter().all(|&value| value == MISSING)
    }

    /// The block from `start` to `end`; `None`: it says more than a block can.
    #[inline]
    pub fn block(&self, start: i32, end: i32, line: BlockLine, layout: &BlockLayout) -> Option<Block> {
        if self.strange {
            return None;
        }
        let (gt, pl) = if self.n_pl == 0 || (self.n_pl == 1 && (line.n_alleles == 1 || layout.local)) {
            (self.gt.unwrap_or(BlockGt::NoCall), [MISSING; 3])
        } else if line.n_alleles == 1 {
            return None;
        } else {
            self.genotype_with_likelihoods(layout.derive_gt)?
        };
        let min_dp = [self.min_dp, line.min_dp].into_iter().find(|&value| value != MISSING).unwrap_or(self.dp);
        Some(Block { start, end, gq: self.gq, min_dp, dp: self.dp, pl, gt, filter: line.filter })
    }

    #[inline]
    fn genotype_with_likelihoods(&self, derive: bool) -> Option<(BlockGt, [i32; 3])> {
        use BlockGt::{HemiRef, HomRef, HomRefPhased, NoCall, NoCallOne, NoCallPhased};
        let [first, second, third] = self.pl;
        let gt = match (self.gt, self.n_pl) {
            (Some(HomRef | HomRefPhased | NoCall | NoCallPhased), 3) | (Some(HemiRef | NoCallOne), 2) => self.gt?,
            (Some(NoCallOne) | None, 3) => NoCall,
            (None, 2) => NoCallOne,
            _ => return None,
        };
        if self.n_pl == 2 {
            let is_flat = first == second;
            let gt = if derive && !gt.is_called() && !is_flat { HemiRef } else { gt };
            return (first <= second).then_some((gt, [first, MISSING, second]));
        }
        let is_flat = first == second && second == third;
        let gt = if derive && !gt.is_called() && !is_flat { HomRef } else { gt };
        (first <= second && first <= third).then_some((gt, self.pl))
    }
}

/// Whether what was read of a field ends with a comma.
fn ends_with_comma(field: &[u8], rest: &[u8]) -> bool {
    field[..field.len() - rest.len()].last() == Some(&b',')
}

/// Reads a number into `value` unless a better key of the same meaning has one.
#[inline]
fn read_ranked(cursor: &mut Cursor, value: &mut i32, held: &mut u8, rank: u8, key: &str) -> Result<()> {
    let found = match cursor.number() {
        Some(number) if cursor.rest.first() != Some(&b',') => number,
        number => match odd_number(cursor, number, key)? {
            Some(number) => number,
            None => return Ok(()),
        },
    };
    if rank < *held {
        (*value, *held) = (found, rank);
    }
    Ok(())
}

/// `.`, or a number with a fraction (GQ of Strelka2 and others), which is rounded. `first`: the first of a list.
#[cold]
fn odd_number(cursor: &mut Cursor, first: Option<i32>, key: &str) -> Result<Option<i32>> {
    let field = cursor.field();
    if let Some(first) = first {
        return Err(wrong(key, format!("{first}{}", String::from_utf8_lossy(field)).as_bytes()));
    }
    if is_missing(field) {
        return Ok(None);
    }
    let number = parse_f64(field).filter(|number| (0.0..=f64::from(i32::MAX)).contains(number));
    number.map(|number| Some(number.round() as i32)).ok_or_else(|| wrong(key, field))
}

/// Whether a field has no value: `.`, or nothing but `.` in a list.
fn is_missing(field: &[u8]) -> bool {
    field.iter().all(|byte| matches!(byte, b'.' | b','))
}

/// The last base of a record by INFO/END, or by REF.
pub fn end_of(vcf_pos: i32, ref_len: usize, info_end: Option<&[u8]>) -> Result<i32> {
    let by_ref = vcf_pos.saturating_add(i32::try_from(ref_len).unwrap_or(i32::MAX).saturating_sub(1));
    let Some(text) = info_end.filter(|text| !is_missing(text)) else { return Ok(by_ref) };
    let end = parse_i32(text).filter(|&end| end >= vcf_pos);
    end.ok_or_else(|| {
        Error::bad_data(format!(
            "INFO/END is {:?}, expected a position from {vcf_pos} on",
            String::from_utf8_lossy(text)
        ))
        .hint("`--on-bad-record skip` sets such records aside and lists them")
    })
}

#[cfg(test)]
mod tests {
    use super::super::dialect::by_name;
    use super::*;

    fn block(dialect: &str, format: &str, cell: &str, n_alleles: u8) -> Option<Block> {
        let layout = BlockLayout::new(format.as_bytes(), by_name(dialect).expect("a dialect"));
        let cell = BlockCell::read(cell.as_bytes(), &layout).expect("a cell");
        cell.block(5, 9, BlockLine { n_alleles, filter: NO_FILTER, min_dp: MISSING }, &layout)
    }

    fn values(block: Option<Block>) -> Option<(&'static str, i32, i32, i32, [i32; 3])> {
        block.map(|block| (block.gt.text(), block.gq, block.min_dp, block.dp, block.pl))
    }

    #[test]
    fn cells_of_the_dialects() {
        let format = "GT:DP:GQ:MIN_DP:PL";
        assert_eq!(values(block("gatk", format, "0/0:7:21:6:0,21,255", 2)), Some(("0/0", 21, 6, 7, [0, 21, 255])));
        assert_eq!(values(block("gatk", format, "./.:7:0:6:0,0,0", 2)), Some(("./.", 0, 6, 7, [0, 0, 0])));
        assert_eq!(values(block("gatk-combined", format, "./.:7:3:6:0,3,9", 2)), Some(("0/0", 3, 6, 7, [0, 3, 9])));
        assert_eq!(values(block("gatk-combined", format, "./.:7:0:6:0,0,0", 2)), Some(("./.", 0, 6, 7, [0, 0, 0])));
        assert_eq!(values(block("gatk-reblocked", "GT:DP:GQ", "0/0:36:60", 2)), Some(("0/0", 60, 36, 36, [-1; 3])));
        assert_eq!(values(block("gatk", "GT:GQ:PL", "0:40:0,40", 2)), Some(("0", 40, -1, -1, [0, -1, 40])));
        let deepvariant = block("deepvariant", "GT:GQ:MIN_DP:PL", "./.:4:1:4,0,29", 2);
        assert_eq!(values(deepvariant), None);
        assert_eq!(values(block("bcftools", "PL:DP", "0,15,125:5", 2)), Some(("0/0", -1, 5, 5, [0, 15, 125])));
        let strelka = block("strelka2", "GT:GQX:DP:DPF", "0/0:30.6:11:0", 1);
        assert_eq!(values(strelka), Some(("0/0", 31, 11, 11, [-1; 3])));
        assert_eq!(values(block("strelka2", "GT:GQX:DPI", ".:.:0", 1)), Some((".", -1, 0, 0, [-1; 3])));
        assert_eq!(values(block("gatk", "GT:GL", "0/0:-0.01,-1.2,-9.9", 2)), Some(("0/0", -1, -1, -1, [0, 12, 99])));
    }

    #[test]
    fn what_a_block_cannot_hold() {
        for (format, cell) in [
            ("GT:PL", "0/1:0,9,99"),
            ("GT:PL", "0/0/0:0,1,2,3"),
            ("GT:PL", "0/0:9,0,99"),
            ("GT:PL", "0/0:0,9"),
            ("GT:PL", "0:0,9,99"),
            ("GT:PL", "0/0:0,.,9"),
            ("GT", "./0"),
            ("GT", "0/0:1"),
        ] {
            assert_eq!(block("gatk", format, cell, 2), None, "{format} {cell}");
        }
    }

    #[test]
    fn wrong_numbers_are_errors_and_nothing_is_nothing() {
        let layout = BlockLayout::new(b"GT:GQ:DP:XX", by_name("gatk").expect("a dialect"));
        for cell in ["0/0:x", "0/0:-3", "0/0:3,4", "0/0:3:99999999999"] {
            assert!(BlockCell::read(cell.as_bytes(), &layout).is_err(), "{cell}");
        }
        for (cell, empty) in
            [("./.", true), ("./.:.:.", true), (".", true), ("./.:.:0", false), ("0/0", false), ("./.:.:.:a", false)]
        {
            assert_eq!(BlockCell::read(cell.as_bytes(), &layout).expect("a cell").is_empty(), empty, "{cell}");
        }
    }
}
