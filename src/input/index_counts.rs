//! The counts and bins of an index (`.tbi`, `.csi`), checked before anyone makes lists of that length: each count must be the number
//! of what follows it, each bin one of the tree. On the way it is seen how far into the file the index knows records. Sources: the tabix format, CSIv1 (SAM
//! specification, section 5.2).

use std::io::{self, BufReader, Read};

/// Bytes of an inflated index that is used; those of genomes have some ten million.
const MAX_INDEX_BYTES: u64 = 256 << 20;
/// Levels of the bins of a tabix index below the first.
const TBI_DEPTH: u32 = 5;
/// Most levels of a CSI below the first: a query marks its bins among all of them, here 300 kB. Genomes need 6 with bins of 2^14
/// bases, as they usually are, and 7 with bins of 2^10.
const MAX_CSI_DEPTH: u32 = 7;
/// Largest bin of the last level of a CSI, as a power of two in bases.
const MAX_CSI_SHIFT: u32 = 30;
/// Bytes of six numbers and the length of the names, before the names.
const HEADER_BYTES: u64 = 28;

/// What was seen of an index whose counts are right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Virtual offset behind the last record that it knows; 0: it knows none.
    pub last_end: u64,
}

/// Goes through a tabix index; `None`: a count is wrong.
pub fn of_tbi(bytes: &[u8]) -> Option<Seen> {
    let mut walk = Walk::of(bytes);
    walk.tbi().ok().map(|()| walk.seen)
}

/// Goes through a CSI of a VCF; `None`: a count is wrong.
pub fn of_csi(bytes: &[u8]) -> Option<Seen> {
    let mut walk = Walk::of(bytes);
    walk.csi().ok().map(|()| walk.seen)
}

/// Goes through an inflated index, and keeps no lists.
struct Walk<R> {
    reader: R,
    seen: Seen,
}

fn wrong() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl<'a> Walk<BufReader<io::Take<noodles_bgzf::io::Reader<&'a [u8]>>>> {
    fn of(bytes: &'a [u8]) -> Self {
        let inflated = noodles_bgzf::io::Reader::new(bytes).take(MAX_INDEX_BYTES);
        Walk { reader: BufReader::new(inflated), seen: Seen::default() }
    }
}

impl<R: Read> Walk<R> {
    fn tbi(&mut self) -> io::Result<()> {
        self.magic(b"TBI\x01")?;
        let n_references = self.count()?;
        self.header()?;
        for _ in 0..n_references {
            for _ in 0..self.count()? {
                self.bin(TBI_DEPTH, 0)?;
            }
            // the linear index
            let n_offsets = u64::from(self.count()?);
            self.skip(n_offsets * 8)?;
        }
        Ok(())
    }

    fn csi(&mut self) -> io::Result<()> {
        self.magic(b"CSI\x01")?;
        let (min_shift, depth) = (self.count()?, self.count()?);
        if !(1..=MAX_CSI_SHIFT).contains(&min_shift) || depth > MAX_CSI_DEPTH {
            return Err(wrong());
        }
        let n_auxiliary = u64::from(self.count()?);
        // all of what is there for a VCF: a reader may take what is behind it for the numbers that follow
        if n_auxiliary > 0 && self.header()? != n_auxiliary {
            return Err(wrong());
        }
        for _ in 0..self.count()? {
            for _ in 0..self.count()? {
                self.bin(depth, 8)?; // with its least offset
            }
        }
        Ok(())
    }

    fn magic(&mut self, expected: &[u8; 4]) -> io::Result<()> {
        let mut found = [0; 4];
        self.reader.read_exact(&mut found)?;
        if found == *expected { Ok(()) } else { Err(wrong()) }
    }

    /// Columns and names of the references; returns its bytes.
    fn header(&mut self) -> io::Result<u64> {
        self.skip(HEADER_BYTES - 4)?;
        let n_names = u64::from(self.count()?);
        self.skip(n_names)?;
        Ok(HEADER_BYTES + n_names)
    }

    /// A number that is not negative.
    fn count(&mut self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.reader.read_exact(&mut bytes)?;
        u32::try_from(i32::from_le_bytes(bytes)).map_err(|_| wrong())
    }

    fn offset(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// A bin and its chunks, with so many bytes between: one of the tree, or the one behind it with what is known of the whole
    /// reference, whose chunks are none.
    fn bin(&mut self, depth: u32, n_between: u64) -> io::Result<()> {
        let n_bins = ((1u64 << (3 * (depth + 1))) - 1) / 7;
        let bin = u64::from(self.count()?);
        if bin >= n_bins && bin != n_bins + 1 {
            return Err(wrong());
        }
        self.skip(n_between)?;
        for _ in 0..self.count()? {
            let (_start, end) = (self.offset()?, self.offset()?);
            if bin < n_bins {
                self.seen.last_end = self.seen.last_end.max(end);
            }
        }
        Ok(())
    }

    fn skip(&mut self, n_bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.reader).take(n_bytes), &mut io::sink())?;
        if skipped == n_bytes { Ok(()) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(parts: &[&[u8]]) -> Vec<u8> {
        let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
        parts.iter().for_each(|part| writer.write_all(part).expect("memory"));
        writer.finish().expect("memory")
    }

    fn numbers(list: &[i32]) -> Vec<u8> {
        list.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn chunk(start: u64, end: u64) -> Vec<u8> {
        [start.to_le_bytes(), end.to_le_bytes()].concat()
    }

    #[test]
    fn a_tabix_index() {
        let (head, bin) = (numbers(&[1, 2, 1, 2, 0, 35, 0, 2]), numbers(&[2, 4681, 2]));
        // the bin behind the tree has no chunks of records
        let whole = [numbers(&[37_450, 1]), chunk(0, 1 << 40), numbers(&[0])].concat();
        let chunks = [chunk(10, 20), chunk(5, 30)].concat();
        let bytes = packed(&[b"TBI\x01", &head, b"a\0", &bin, &chunks, &whole]);
        assert_eq!(of_tbi(&bytes), Some(Seen { last_end: 30 }));
        for (at, number) in [(0, 3), (2, -1), (1, 37_449)] {
            let mut wrong = bin.clone();
            wrong[at * 4..at * 4 + 4].copy_from_slice(&i32::to_le_bytes(number));
            let bytes = packed(&[b"TBI\x01", &head, b"a\0", &wrong, &chunks, &whole]);
            assert_eq!(of_tbi(&bytes), None, "{number} as number {at}");
        }
        assert_eq!(of_csi(&bytes), None);
    }

    #[test]
    fn a_csi() {
        let of = |depth: i32, n_auxiliary: i32, padding: &[u8]| {
            let head = numbers(&[14, depth, n_auxiliary, 2, 1, 2, 0, 35, 0, 2]);
            let body = [numbers(&[1, 1, 0]), vec![0; 8], numbers(&[1]), chunk(10, 20)].concat();
            of_csi(&packed(&[b"CSI\x01", &head, b"a\0", padding, &body]))
        };
        assert_eq!(of(6, 30, b""), Some(Seen { last_end: 20 }));
        assert_eq!(of(7, 30, b""), Some(Seen { last_end: 20 }));
        assert_eq!(of(8, 30, b""), None, "more levels than are used");
        assert_eq!(of(6, 29, b""), None, "less than the names");
        // read as a count by who does not skip it
        assert_eq!(of(6, 34, &[255; 4]), None, "more than the names");
    }
}
