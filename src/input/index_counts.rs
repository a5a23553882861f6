//! The counts and bins of an index (`.tbi`, `.csi`), checked before anyone makes lists of that length: each count must be the number
//! of what follows it, each bin one of the tree. Sources: the tabix format, CSIv1 (SAM specification, section 5.2).

use std::io::{self, BufReader, Read};

/// Bytes of an inflated index that is used; those of genomes have some ten million.
const MAX_INDEX_BYTES: u64 = 256 << 20;
/// Levels of the bins of a tabix index below the first.
const TBI_DEPTH: u32 = 5;
/// Most levels of a CSI below the first: a query marks its bins among all of them, here 19 MB.
const MAX_CSI_DEPTH: u32 = 9;
/// Largest bin of the last level of a CSI, as a power of two in bases.
const MAX_CSI_SHIFT: u32 = 30;
/// Bytes of six numbers and the length of the names, before the names.
const HEADER_BYTES: u64 = 28;

/// Whether the counts of a tabix index are right.
pub fn are_right_in_tbi(bytes: &[u8]) -> bool {
    Walk::of(bytes).tbi().is_ok()
}

/// Whether the counts of a CSI of a VCF are right.
pub fn are_right_in_csi(bytes: &[u8]) -> bool {
    Walk::of(bytes).csi().is_ok()
}

/// Goes through an inflated index and keeps nothing.
struct Walk<R>(R);

fn wrong() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl<'a> Walk<BufReader<io::Take<noodles_bgzf::io::Reader<&'a [u8]>>>> {
    fn of(bytes: &'a [u8]) -> Self {
        Walk(BufReader::new(noodles_bgzf::io::Reader::new(bytes).take(MAX_INDEX_BYTES)))
    }
}

impl<R: Read> Walk<R> {
    fn tbi(&mut self) -> io::Result<()> {
        self.magic(b"TBI\x01")?;
        let n_references = self.count()?;
        self.header()?;
        for _ in 0..n_references {
            for _ in 0..self.count()? {
                self.bin(TBI_DEPTH)?;
                self.entries(16)?;
            }
            self.entries(8)?; // the linear index
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
        let n_read = if n_auxiliary == 0 { 0 } else { self.header()? };
        self.skip(n_auxiliary.checked_sub(n_read).ok_or_else(wrong)?)?;
        for _ in 0..self.count()? {
            for _ in 0..self.count()? {
                self.bin(depth)?;
                self.skip(8)?; // least offset
                self.entries(16)?;
            }
        }
        Ok(())
    }

    fn magic(&mut self, expected: &[u8; 4]) -> io::Result<()> {
        let mut found = [0; 4];
        self.0.read_exact(&mut found)?;
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
        self.0.read_exact(&mut bytes)?;
        u32::try_from(i32::from_le_bytes(bytes)).map_err(|_| wrong())
    }

    /// The number of a bin: one of the tree, or the one behind with what is known of the whole reference.
    fn bin(&mut self, depth: u32) -> io::Result<()> {
        let n_bins = ((1u64 << (3 * (depth + 1))) - 1) / 7;
        let bin = u64::from(self.count()?);
        if bin < n_bins || bin == n_bins + 1 { Ok(()) } else { Err(wrong()) }
    }

    /// A count and so many entries.
    fn entries(&mut self, n_bytes: u64) -> io::Result<()> {
        let n = u64::from(self.count()?);
        self.skip(n * n_bytes)
    }

    fn skip(&mut self, n_bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.0).take(n_bytes), &mut io::sink())?;
        if skipped == n_bytes { Ok(()) } else { Err(wrong()) }
    }
}
