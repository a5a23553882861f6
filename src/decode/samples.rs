//! The sample columns of one record: genotype codes, and where each sample's text is.
//!
//! The common case, nothing but diploid one-digit GT, is four bytes per sample and takes the fixed-stride kernel;
//! everything else takes the general path; only what is not `0/0` or `0|0` gets a code. A property test holds the two to the
//! same answer.

use super::stride::{self, CELL, OtherCells};
use crate::error::{Error, Result};
use crate::genome::genotype::{ABSENT, GtCode, GtTable, HOM_REF_PHASED, HOM_REF_UNPHASED};
use memchr::memchr_iter;

/// Sample columns of one record. Buffers are reused from record to record.
#[derive(Debug, Default)]
pub struct SampleColumns {
    /// Samples whose code is not diploid plain reference, ascending.
    pub not_reference: Vec<u32>,
    /// Their codes.
    pub codes: Vec<GtCode>,
    /// Each code among them once, and how often.
    pub distinct: Vec<(GtCode, u32)>,
    /// Number of samples.
    n_samples: usize,
    /// How often each code came, all 0 between records.
    counts: Vec<u32>,
    cells: OtherCells,
    /// Start of each sample's text, then one more behind the end (each end is the next start less the tab). Empty when
    /// the fixed-stride kernel ran: then sample `i` starts at `4 i`.
    starts: Vec<u32>,
}

/// Where GT is in the text of a sample.
#[derive(Clone, Copy)]
enum GtSlot {
    /// It is all of it.
    Whole,
    /// It is one of several fields.
    Field(usize),
}

impl SampleColumns {
    /// Reads the sample columns `text` of `n_samples` samples. `gt_slot` is the place of GT in FORMAT, of `n_slots` fields.
    pub fn read(
        &mut self,
        text: &[u8],
        n_samples: usize,
        gt_slot: Option<usize>,
        n_slots: usize,
        table: &mut GtTable,
    ) -> Result<()> {
        self.clear();
        self.n_samples = n_samples;
        let fixed = gt_slot == Some(0) && n_slots == 1 && n_samples > 0 && text.len() == CELL * n_samples - 1;
        if !(fixed && self.read_fixed_stride(text)) {
            self.clear();
            // a GT alone is the whole text, so that a second field is seen to be wrong
            let gt_slot = if n_slots == 1 { gt_slot.map(|_| GtSlot::Whole) } else { gt_slot.map(GtSlot::Field) };
            self.read_general(text, n_samples, gt_slot, table)?;
        }
        self.count();
        Ok(())
    }

    fn clear(&mut self) {
        self.codes.clear();
        self.not_reference.clear();
        self.distinct.clear();
        self.starts.clear();
        self.n_samples = 0;
    }

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// Four bytes per sample: allele, separator, allele, tab. False when the text is anything else.
    fn read_fixed_stride(&mut self, text: &[u8]) -> bool {
        self.cells.clear();
        let (whole, last) = text.split_at(text.len() / CELL * CELL);
        stride::scan(whole, &mut self.cells);
        // the last cell has no tab
        let n_before = self.cells.indexes.len();
        stride::scan(&[last[0], last[1], last[2], b'\t'], &mut self.cells);
        if let Some(index) = self.cells.indexes.get_mut(n_before) {
            *index = (whole.len() / CELL) as u32;
        }
        let mut bad = 0;
        self.codes.extend(self.cells.words.iter().map(|&word| {
            let (code, wrong) = stride_code(word);
            bad |= wrong;
            code
        }));
        std::mem::swap(&mut self.not_reference, &mut self.cells.indexes);
        bad == 0
    }

    fn read_general(
        &mut self,
        text: &[u8],
        n_samples: usize,
        gt_slot: Option<GtSlot>,
        table: &mut GtTable,
    ) -> Result<()> {
        let mut start = 0;
        if n_samples > 0 && !text.is_empty() {
            for tab in memchr_iter(b'\t', text).chain([text.len()]) {
                self.starts.push(start as u32);
                let code = match gt_slot {
                    None => ABSENT,
                    Some(slot) => {
                        let cell = &text[start..tab];
                        let gt = match slot {
                            GtSlot::Whole => cell,
                            GtSlot::Field(slot) => subfield(cell, slot).unwrap_or_default(),
                        };
                        table.code(gt).ok_or_else(|| {
                            Error::bad_data(format!(
                                "GT of sample {} is {:?}, expected allele numbers or . with / or | between them",
                                self.starts.len(),
                                String::from_utf8_lossy(gt)
                            ))
                        })?
                    }
                };
                if code > HOM_REF_PHASED {
                    self.not_reference.push(self.starts.len() as u32 - 1);
                    self.codes.push(code);
                }
                start = tab + 1;
            }
        }
        if self.starts.len() != n_samples {
            return Err(Error::bad_data(format!(
                "the line has {} sample columns, expected {n_samples} as in the header",
                self.starts.len()
            )));
        }
        self.n_samples = n_samples;
        self.starts.push(start as u32);
        Ok(())
    }

    /// Lists the codes that are there, in the order of their numbers.
    fn count(&mut self) {
        for &code in &self.codes {
            let code = usize::from(code);
            if code >= self.counts.len() {
                self.counts.resize(code + 1, 0);
            }
            self.counts[code] += 1;
            if self.counts[code] == 1 {
                self.distinct.push((code as GtCode, 0));
            }
        }
        self.distinct.sort_unstable();
        for (code, n) in &mut self.distinct {
            *n = std::mem::take(&mut self.counts[usize::from(*code)]);
        }
    }

    /// Code of a sample that is not listed: `0/0` or `0|0`. `cell`: as [`SampleColumns::cell`] gives it; `gt_slot`: of GT.
    pub fn reference_code(cell: &[u8], gt_slot: Option<usize>) -> GtCode {
        match gt_slot.and_then(|slot| subfield(cell, slot)) {
            Some(b"0|0") => HOM_REF_PHASED,
            _ => HOM_REF_UNPHASED,
        }
    }

    /// Text of one sample out of the `text` that was read.
    #[inline]
    pub fn cell<'a>(&self, text: &'a [u8], sample: usize) -> &'a [u8] {
        if self.starts.is_empty() {
            return &text[4 * sample..4 * sample + 3];
        }
        &text[self.starts[sample] as usize..self.starts[sample + 1] as usize - 1]
    }
}

/// Code of one fixed-stride cell and a value that is not 0 when the bytes are no diploid one-digit genotype and a tab.
/// Branch-free, so that the loop over cells can be vectorised.
#[inline(always)]
fn stride_code(word: u32) -> (GtCode, u32) {
    let allele = |byte: u32| {
        let digit = byte.wrapping_sub(u32::from(b'0'));
        let missing = byte == u32::from(b'.');
        let value = if missing { 10 } else { digit };
        (value, u32::from(!missing & (digit > 9)))
    };
    let (first, bad_first) = allele(word & 0xff);
    let (second, bad_second) = allele(word >> 16 & 0xff);
    let separator = word >> 8 & 0xff;
    let phased = separator == u32::from(b'|');
    let bad_separator = u32::from(!phased & (separator != u32::from(b'/')));
    let bad_end = word >> 24 ^ u32::from(b'\t');
    let code = (first * 11 + second) * 2 + u32::from(phased);
    (code as GtCode, bad_first | bad_second | bad_separator | bad_end)
}

/// The `slot`-th `:`-separated field of a sample's text.
#[inline]
pub fn subfield(cell: &[u8], slot: usize) -> Option<&[u8]> {
    let mut start = 0;
    for _ in 0..slot {
        start += memchr::memchr(b':', &cell[start..])? + 1;
    }
    let rest = &cell[start..];
    Some(&rest[..rest.iter().position(|&byte| byte == b':').unwrap_or(rest.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8], n: usize, fast: bool) -> Result<(Vec<String>, Vec<u32>)> {
        let mut table = GtTable::new();
        let mut columns = SampleColumns::default();
        if fast {
            columns.read(text, n, Some(0), 1, &mut table)?;
            columns.distinct.clear();
        } else {
            columns.read_general(text, n, Some(GtSlot::Whole), &mut table)?;
        }
        columns.count();
        let mut codes: Vec<GtCode> = Vec::new();
        for sample in 0..n {
            let cell = columns.cell(text, sample);
            codes.push(match columns.not_reference.iter().position(|&other| other as usize == sample) {
                Some(at) => columns.codes[at],
                None => SampleColumns::reference_code(cell, Some(0)),
            });
        }
        for &(code, n) in &columns.distinct {
            assert_eq!(codes.iter().filter(|&&found| found == code).count(), n as usize);
        }
        let texts = codes.iter().map(|&code| String::from_utf8_lossy(&table.genotype(code).text).into_owned());
        Ok((texts.collect(), columns.not_reference))
    }

    proptest! {
        #[test]
        fn the_kernel_agrees_with_the_general_path(cells in prop::collection::vec("[0-9.][/|][0-9.]|[0-9]{1,2}|[0-9x][/|:][0-9.]", 1..70)) {
            let text = cells.join("\t");
            match (read(text.as_bytes(), cells.len(), true), read(text.as_bytes(), cells.len(), false)) {
                (Ok(fast), Ok(general)) => prop_assert_eq!(fast, general),
                (Err(_), Err(_)) => {}
                (fast, general) => prop_assert!(false, "{:?} {:?}", fast, general),
            }
        }
    }

    #[test]
    fn columns_are_counted() {
        assert!(read(b"0/0\t0/1", 3, true).is_err());
        assert!(read(b"0/0\t0/1\t1/1\t1/1", 3, true).is_err());
        assert_eq!(subfield(b"0/1:3:9,1", 2), Some(&b"9,1"[..]));
        assert_eq!(subfield(b"0/1", 2), None);
    }
}
