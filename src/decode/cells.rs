//! All numbers of a cell at once: `0/1:8,9:17:99:156,0,133` into 8, 9, 17, 99, 156, 0, 133.
//!
//! A caller says what shape it expects: how many items with commas between them each field has, and which are numbers. Cells
//! of that shape with numbers of one to four digits become a row of lanes; of any other it is only said that they do not fit.
//! 64 bytes are taken apart in one go where the processor can, number by number elsewhere; a property test holds the two to
//! the same rows. Only cells of 64 bytes and more differ: they never fit in one go, and what does not fit is read field by field
//! to the same values.

use super::numbers::{comma, short_integer};
use super::samples::Cells;

/// Items of a cell at most.
pub const LANES: usize = 16;

/// Items of a cell. Those that are no numbers in the shape have no meaning.
pub type Items = [i32; LANES];

/// What the cells of a FORMAT usually look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    slots: Vec<Slot>,
    /// A bit for each item: a comma follows.
    commas: u32,
    /// A bit for each item that is a number.
    numbers: u16,
    n_items: u32,
}

/// One field of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    /// Place of its first item.
    lane: usize,
    /// Items with commas between them.
    n_items: usize,
    /// Whether all of them are numbers.
    is_number: bool,
}

impl Shape {
    /// Of fields with so many numbers each, 0 for a text without commas; `None` when they are too many.
    pub fn new(fields: impl Iterator<Item = usize>) -> Option<Shape> {
        Shape::of_items(fields.map(|n_numbers| (n_numbers.max(1), n_numbers > 0)))
    }

    /// Of fields with so many items each (one or more), and whether those are numbers; `None` when they are too many.
    pub fn of_items(fields: impl Iterator<Item = (usize, bool)>) -> Option<Shape> {
        let mut shape = Shape { slots: Vec::new(), commas: 0, numbers: 0, n_items: 0 };
        for (n_items, is_number) in fields {
            let lane = shape.n_items as usize;
            if lane + n_items > LANES {
                return None;
            }
            shape.slots.push(Slot { lane, n_items, is_number });
            shape.commas |= ((1 << (n_items - 1)) - 1) << lane;
            if is_number {
                shape.numbers |= (((1u32 << n_items) - 1) << lane) as u16;
            }
            shape.n_items += n_items as u32;
        }
        Some(shape)
    }

    /// Place of the first item of each field, and how many numbers it has.
    pub fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        self.slots.iter().map(|slot| (slot.lane, if slot.is_number { slot.n_items } else { 0 }))
    }

    /// Whether every field but `gt_slot` is numbers.
    pub fn is_numbers_but(&self, gt_slot: Option<usize>) -> bool {
        self.slots.iter().enumerate().all(|(at, slot)| slot.is_number || Some(at) == gt_slot)
    }
}

/// Reads the only cell of a line, if it has a shape. False: it does not, or the processor cannot read it in one go.
#[inline(always)]
pub fn read_cell(cell: &[u8], shape: &Shape, items: &mut Items) -> bool {
    #[cfg(target_arch = "x86_64")]
    if x86::is_there() {
        // SAFETY: the processor has the features.
        return unsafe { x86::read_vbmi(cell, shape, items) };
    }
    let _ = (cell, shape, items);
    false
}

/// Rows of cells, and which of them fit. Reused from record to record.
#[derive(Debug, Default)]
pub struct Rows {
    /// `[cells]`; of a cell that does not fit without meaning.
    pub items: Vec<Items>,
    /// `[cells]`
    pub fits: Vec<bool>,
}

impl Rows {
    /// As if none of `n` cells fitted.
    pub fn fit_nothing(&mut self, n: usize) {
        self.items.clear();
        self.fits.clear();
        self.fits.resize(n, false);
    }

    /// As if all of `n` cells fitted, whose items are written after.
    pub fn begin(&mut self, n: usize) {
        self.items.resize(n, [0; LANES]);
        self.fits.clear();
        self.fits.resize(n, true);
    }

    /// Reads cells that are expected to have a shape; forgets what was read before.
    pub fn read(&mut self, cells: Cells, shape: &Shape) {
        self.begin(cells.len());
        let rows = self.items.iter_mut().zip(&mut self.fits).enumerate();
        #[cfg(target_arch = "x86_64")]
        if x86::is_there() {
            for (i, (items, fits)) in rows {
                // SAFETY: the processor has the features.
                *fits = unsafe { x86::read_vbmi(cells.cell(i), shape, items) };
            }
            return;
        }
        for (i, (items, fits)) in rows {
            *fits = read_portable(cells, i, shape, items);
        }
    }
}

/// Reads the cell `i` number by number; false when it does not fit.
fn read_portable(cells: Cells, i: usize, shape: &Shape, items: &mut Items) -> bool {
    let n_fields = cells.fields(i).n_fields();
    n_fields == shape.slots.len()
        && shape.slots.iter().enumerate().all(|(at, slot)| {
            let range = cells.range(i, at);
            if !slot.is_number {
                return cells.text()[range].iter().filter(|&&byte| byte == b',').count() + 1 == slot.n_items;
            }
            let mut start = range.start;
            items[slot.lane..slot.lane + slot.n_items].iter_mut().enumerate().all(|(item, number)| {
                let is_last = item + 1 == slot.n_items;
                let end =
                    if is_last { Some(range.end) } else { comma(cells.text(), start).map(|offset| start + offset) };
                let found = end.and_then(|end| Some((end, short_integer(cells.text(), start..end)?)));
                if let Some((end, value)) = found {
                    (start, *number) = (end + 1, value);
                }
                found.is_some()
            })
        })
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Items, Shape};
    use std::arch::x86_64::*;

    /// Bytes of a register.
    const BYTES: usize = 64;

    /// The place of each byte.
    const PLACES: [u8; BYTES] = {
        let mut places = [0; BYTES];
        let mut i = 0;
        while i < BYTES {
            places[i] = i as u8;
            i += 1;
        }
        places
    };

    /// Each of sixteen bytes four times.
    const FOURFOLD: [u8; BYTES] = {
        let mut places = [0; BYTES];
        let mut i = 0;
        while i < BYTES {
            places[i] = (i / 4) as u8;
            i += 1;
        }
        places
    };

    /// Whether [`read_vbmi`] can be called.
    pub fn is_there() -> bool {
        is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("bmi2")
    }

    /// Reads a cell of less than 64 bytes; false when it is longer or does not fit.
    #[target_feature(enable = "avx512vbmi,avx512vbmi2,avx512bw,avx512f,bmi1,bmi2,popcnt")]
    pub fn read_vbmi(cell: &[u8], shape: &Shape, items: &mut Items) -> bool {
        if cell.len() >= BYTES {
            return false;
        }
        let end = 1u64 << cell.len();
        // SAFETY: only the bytes of the cell are read.
        let bytes = unsafe { _mm512_maskz_loadu_epi8(end - 1, cell.as_ptr().cast()) };
        let commas = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b',' as i8));
        let ends = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(b':' as i8)) | commas | end;
        if ends.count_ones() != shape.n_items || _pext_u64(commas, ends) != u64::from(shape.commas) {
            return false;
        }
        // SAFETY: both have 64 bytes; loads need no alignment.
        let (places, fourfold) =
            unsafe { (_mm512_loadu_si512(PLACES.as_ptr().cast()), _mm512_loadu_si512(FOURFOLD.as_ptr().cast())) };
        let places = _mm512_maskz_compress_epi8(ends, places);
        // where each item ends, and how long it is: what is between its end and the one before
        let item_ends = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places));
        let ends_before = _mm512_alignr_epi32::<15>(item_ends, _mm512_set1_epi32(-1));
        let one = _mm512_set1_epi32(1);
        let len = _mm512_sub_epi32(_mm512_sub_epi32(item_ends, ends_before), one);
        let is_short = _mm512_cmplt_epu32_mask(_mm512_sub_epi32(len, one), _mm512_set1_epi32(4));
        // the four bytes that each item ends, the first in the lowest; those before the item become zeros
        let back = _mm512_set1_epi32(i32::from_le_bytes([252, 253, 254, 255]));
        let words = _mm512_permutexvar_epi8(_mm512_add_epi8(_mm512_permutexvar_epi8(fourfold, places), back), bytes);
        let digits = _mm512_xor_si512(words, _mm512_set1_epi8(b'0' as i8));
        let shift = _mm512_sub_epi32(_mm512_set1_epi32(32), _mm512_slli_epi32::<3>(len));
        let digits = _mm512_and_si512(digits, _mm512_sllv_epi32(_mm512_set1_epi32(-1), shift));
        let above_nine = _mm512_subs_epu8(digits, _mm512_set1_epi8(9));
        let is_other = _mm512_test_epi32_mask(above_nine, above_nine);
        let good = is_short & !is_other;
        if good & shape.numbers != shape.numbers {
            return false;
        }
        let pairs = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(i16::from_le_bytes([10, 1])));
        let values = _mm512_madd_epi16(pairs, _mm512_set1_epi32(100 + (1 << 16)));
        // SAFETY: there are 16 integers; the store needs no alignment.
        unsafe { _mm512_storeu_si512(items.as_mut_ptr().cast(), values) };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::samples::SampleColumns;
    use crate::genome::genotype::GtTable;
    use proptest::prelude::*;

    /// Rows as both ways read them; `None` where a cell does not fit.
    fn both_ways(text: &str, shape: &Shape) -> [Vec<Option<Vec<i32>>>; 2] {
        let (mut samples, mut table) = (SampleColumns::default(), GtTable::new());
        let n_samples = text.split('\t').count();
        samples.read(text.as_bytes(), n_samples, Some(0), shape.slots.len(), &mut table).expect("genotypes");
        let cells = samples.cells_of(text.as_bytes(), false);
        let mut rows = Rows::default();
        rows.read(cells, shape);
        let numbers = |items: &Items| -> Vec<i32> {
            (0..LANES).filter(|lane| shape.numbers >> lane & 1 == 1).map(|lane| items[lane]).collect()
        };
        let dispatched = rows.items.iter().zip(&rows.fits).map(|(items, fits)| fits.then(|| numbers(items)));
        let portable = (0..cells.len()).map(|i| {
            let mut items = [0; LANES];
            read_portable(cells, i, shape, &mut items).then(|| numbers(&items))
        });
        [dispatched.collect(), portable.collect()]
    }

    #[test]
    fn cells_of_a_shape_fit() {
        let shape = Shape::new([0, 2, 1, 1, 3].into_iter()).expect("few items");
        let text =
            "0/1:8,9:17:99:156,0,133\t0/1:8:17:99:1,2,3\t./.\t0/1:8,9:17:99:15600,0,133\t1/1:0,1234:7:0:9999,10,0";
        let expected =
            vec![Some(vec![8, 9, 17, 99, 156, 0, 133]), None, None, None, Some(vec![0, 1234, 7, 0, 9999, 10, 0])];
        assert_eq!(both_ways(text, &shape), [expected.clone(), expected]);
        assert_eq!(Shape::new([0, 5, 1, 1, 15].into_iter()), None);
    }

    proptest! {
        #[test]
        fn both_ways_agree(
            cells in prop::collection::vec("(0/1|1[|]12|[.])(:([0-9]{1,5}|[0-9]{1,4},[0-9]{1,4}|[.]|[a-z]{0,9}|[0-9],[0-9]{1,4},[0-9x]{1,2}|)){0,4}", 1..20),
            fields in prop::collection::vec((1..4usize, any::<bool>()), 1..6),
        ) {
            let shape = Shape::of_items(std::iter::once((1, false)).chain(fields)).expect("few items");
            let [dispatched, portable] = both_ways(&cells.join("\t"), &shape);
            prop_assert_eq!(dispatched, portable);
        }
    }
}
