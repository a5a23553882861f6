//! The sample columns of one record: genotype codes of all samples, and where each sample's text is.
//!
//! The common case, nothing but diploid one-digit GT, is four bytes per sample and takes the fixed-stride kernel;
//! everything else takes the general path. A property test holds the two to the same answer.

use crate::error::{Error, Result};
use crate::genome::genotype::{ABSENT, GtCode, GtTable, HOM_REF_PHASED};
use memchr::memchr_iter;

/// Sample columns of one record. Buffers are reused from record to record.
#[derive(Debug, Default)]
pub struct SampleColumns {
    /// Genotype code of each sample, `[n_samples]`.
    pub codes: Vec<GtCode>,
    /// Samples whose code is not diploid plain reference, ascending.
    pub not_reference: Vec<u32>,
    /// Start of each sample's text, then one more behind the end (each end is the next start less the tab). Empty when
    /// the fixed-stride kernel ran: then sample `i` starts at `4 i`.
    starts: Vec<u32>,
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
        self.codes.clear();
        self.not_reference.clear();
        self.starts.clear();
        let fixed = gt_slot == Some(0) && n_slots == 1 && n_samples > 0 && text.len() == 4 * n_samples - 1;
        if fixed && self.read_fixed_stride(text) {
            return Ok(());
        }
        self.read_general(text, n_samples, gt_slot, table)
    }

    /// Four bytes per sample: allele, separator, allele, tab. False (and nothing kept) when the text is anything else.
    fn read_fixed_stride(&mut self, text: &[u8]) -> bool {
        let n_samples = (text.len() + 1) / 4;
        self.codes.resize(n_samples, 0);
        let (last, others) = self.codes.split_last_mut().expect("at least one sample");
        let mut bad = 0u32;
        for (code, cell) in others.iter_mut().zip(text.chunks_exact(4)) {
            let (value, wrong) = stride_code([cell[0], cell[1], cell[2]]);
            *code = value;
            bad |= wrong | u32::from(cell[3] ^ b'\t');
        }
        let end = 4 * (n_samples - 1);
        let (value, wrong) = stride_code([text[end], text[end + 1], text[end + 2]]);
        *last = value;
        if bad | wrong != 0 {
            self.codes.clear();
            return false;
        }
        self.list_not_reference();
        true
    }

    fn read_general(
        &mut self,
        text: &[u8],
        n_samples: usize,
        gt_slot: Option<usize>,
        table: &mut GtTable,
    ) -> Result<()> {
        let mut start = 0;
        if n_samples > 0 && !text.is_empty() {
            for tab in memchr_iter(b'\t', text).chain([text.len()]) {
                self.starts.push(start as u32);
                let code = match gt_slot {
                    None => ABSENT,
                    Some(slot) => {
                        let gt = subfield(&text[start..tab], slot).unwrap_or_default();
                        table.code(gt).ok_or_else(|| {
                            Error::bad_data(format!(
                                "GT of sample {} is {:?}, expected allele numbers or . with / or | between them",
                                self.starts.len(),
                                String::from_utf8_lossy(gt)
                            ))
                        })?
                    }
                };
                self.codes.push(code);
                start = tab + 1;
            }
        }
        if self.codes.len() != n_samples {
            return Err(Error::bad_data(format!(
                "the line has {} sample columns, expected {n_samples} as in the header",
                self.codes.len()
            )));
        }
        self.starts.push(start as u32);
        self.list_not_reference();
        Ok(())
    }

    fn list_not_reference(&mut self) {
        const LANES: usize = 16;
        let mut base = 0;
        for chunk in self.codes.chunks(LANES) {
            let most = chunk.iter().fold(0, |most, &code| most.max(code));
            if most > HOM_REF_PHASED {
                for (i, &code) in chunk.iter().enumerate() {
                    if code > HOM_REF_PHASED {
                        self.not_reference.push(base + i as u32);
                    }
                }
            }
            base += LANES as u32;
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

/// Code of one fixed-stride cell and a value that is not 0 when the bytes are no diploid one-digit genotype.
/// Branch-free, so that the loop over samples can be vectorised.
#[inline(always)]
fn stride_code(cell: [u8; 3]) -> (GtCode, u32) {
    let allele = |byte: u8| {
        let digit = byte.wrapping_sub(b'0');
        let missing = byte == b'.';
        let value = if missing { 10 } else { digit };
        (u16::from(value), u32::from(!missing & (digit > 9)))
    };
    let (first, bad_first) = allele(cell[0]);
    let (second, bad_second) = allele(cell[2]);
    let phased = cell[1] == b'|';
    let bad_separator = u32::from(!phased & (cell[1] != b'/'));
    ((first * 11 + second) * 2 + u16::from(phased), bad_first | bad_second | bad_separator)
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
        } else {
            columns.read_general(text, n, Some(0), &mut table)?;
        }
        let texts = columns.codes.iter().map(|&code| String::from_utf8_lossy(&table.genotype(code).text).into_owned());
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
