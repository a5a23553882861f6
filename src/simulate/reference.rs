//! The reference: random bases with low-complexity repeats, where indels have several places they could be written at.

use super::random::{Purpose, geometric, stream};
use crate::error::{Error, Result};
use rand::Rng;
use std::io::Write;
use std::path::Path;

/// Bases per line of the FASTA file.
const LINE_BASES: usize = 60;

/// Share of G and C.
const GC_SHARE: f64 = 0.41;

/// Mean distance of repeats.
const REPEAT_EVERY_BP: u32 = 250;

/// The bases of contig number `contig_id`.
pub fn bases(seed: u64, contig_id: usize, length_bp: u64) -> Vec<u8> {
    let mut random = stream(seed, Purpose::Reference, contig_id as u64, 0);
    let length = length_bp as usize;
    let mut bases = Vec::with_capacity(length + 64);
    while bases.len() < length {
        if random.random_ratio(1, REPEAT_EVERY_BP) {
            let unit_bases = geometric(&mut random, 0.5, 6);
            let unit: Vec<u8> = (0..unit_bases).map(|_| base(&mut random)).collect();
            let copies = random.random_range(3..=8) + if unit_bases == 1 { 4 } else { 0 };
            (0..copies).for_each(|_| bases.extend_from_slice(&unit));
        } else {
            bases.push(base(&mut random));
        }
    }
    bases.truncate(length);
    bases
}

fn base(random: &mut super::random::Stream) -> u8 {
    let strong = random.random_bool(GC_SHARE);
    match (strong, random.random_bool(0.5)) {
        (true, true) => b'C',
        (true, false) => b'G',
        (false, true) => b'A',
        (false, false) => b'T',
    }
}

/// Writes FASTA and its `.fai` index of contigs that arrive one by one.
pub struct FastaWriter<F: Write, I: Write> {
    fasta: F,
    index: I,
    offset: u64,
}

impl<F: Write, I: Write> FastaWriter<F, I> {
    /// Writes to `fasta` and `index`.
    pub fn new(fasta: F, index: I) -> Self {
        FastaWriter { fasta, index, offset: 0 }
    }

    /// Adds a contig. `path` is for the error message.
    pub fn write(&mut self, path: &Path, contig: &str, bases: &[u8]) -> Result<()> {
        self.try_write(contig, bases).map_err(|error| Error::writing(path, error))
    }

    fn try_write(&mut self, contig: &str, bases: &[u8]) -> std::io::Result<()> {
        writeln!(self.fasta, ">{contig}")?;
        self.offset += contig.len() as u64 + 2;
        writeln!(self.index, "{contig}\t{}\t{}\t{LINE_BASES}\t{}", bases.len(), self.offset, LINE_BASES + 1)?;
        for line in bases.chunks(LINE_BASES) {
            self.fasta.write_all(line)?;
            self.fasta.write_all(b"\n")?;
            self.offset += line.len() as u64 + 1;
        }
        Ok(())
    }

    /// Gives the two writers back.
    pub fn into_inner(self) -> (F, I) {
        (self.fasta, self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contigs_differ_and_have_repeats() {
        let first = bases(1, 0, 10_000);
        assert_eq!(first.len(), 10_000);
        assert_eq!(first, bases(1, 0, 10_000));
        assert_ne!(first, bases(1, 1, 10_000));
        let runs = first.windows(7).filter(|run| run.iter().all(|base| base == &run[0])).count();
        assert!(runs > 10, "{runs} places in homopolymers");
        assert!(first.iter().all(|base| b"ACGT".contains(base)));
    }

    #[test]
    fn the_index_points_at_the_first_base() {
        let mut writer = FastaWriter::new(Vec::new(), Vec::new());
        writer.write(Path::new("x.fa"), "one", &[b'A'; 61]).unwrap();
        writer.write(Path::new("x.fa"), "two", b"C").unwrap();
        let (fasta, index) = writer.into_inner();
        assert_eq!(String::from_utf8(index).unwrap(), "one\t61\t5\t60\t61\ntwo\t1\t73\t60\t61\n");
        assert_eq!(fasta[73], b'C');
    }
}
