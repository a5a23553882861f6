//! The order of records: sorted within a contig, contigs in one piece, no variant twice.

use super::finding::{Sink, quoted};
use super::version::{Section, Version};
use std::collections::{BTreeMap, HashSet};

/// Allele as it is when what REF and ALT share is taken off: first base (1-based), REF, ALT.
type Trimmed = (i64, Vec<u8>, Vec<u8>);

/// What came so far.
#[derive(Debug, Default)]
pub struct Order {
    contig: Vec<u8>,
    done: HashSet<Vec<u8>>,
    pos: i64,
    /// Alleles that start at or behind the record at hand, with the line of each.
    alleles: BTreeMap<Trimmed, u64>,
}

impl Order {
    /// Takes the place of a record.
    pub fn place(&mut self, contig: &[u8], pos: i64, sink: &mut Sink) {
        if self.contig != contig {
            let before = std::mem::replace(&mut self.contig, contig.to_vec());
            self.done.insert(before);
            self.alleles.clear();
            if self.done.contains(contig) {
                let message = format!("records of {} again after those of another contig", quoted(contig));
                sink.error(("contiguous", Section::Fixed(1)), 0, message);
            }
        } else if pos < self.pos {
            let message = format!("POS {pos} comes after {}", self.pos);
            // the test suite of the specification has an unsorted file among the valid ones of 4.5
            sink.error_if(sink.version < Version::V44, ("sorted", Section::Fixed(2)), contig.len() + 1, message);
        }
        self.pos = pos;
        self.alleles = self.alleles.split_off(&(pos, Vec::new(), Vec::new()));
    }

    /// Takes an allele of bases of the record whose place was taken last. `at`: its byte in the line.
    pub fn allele(&mut self, ref_allele: &[u8], alt_allele: &[u8], at: usize, sink: &mut Sink) {
        let trimmed = trim(self.pos, ref_allele, alt_allele);
        if let Some(line) = self.alleles.insert(trimmed, sink.line) {
            let message = match line == sink.line {
                true => format!("the ALT {} is there twice", quoted(alt_allele)),
                false => format!("the variant of line {line} is there again"),
            };
            sink.error(("duplicate", Section::Data), at, message);
        }
    }
}

/// Takes off what both alleles end with, then what they begin with.
fn trim(pos: i64, ref_allele: &[u8], alt_allele: &[u8]) -> Trimmed {
    let same = |(a, b): &(&u8, &u8)| a.eq_ignore_ascii_case(b);
    let n_end = ref_allele.iter().rev().zip(alt_allele.iter().rev()).take_while(same).count();
    let (ref_allele, alt_allele) = (&ref_allele[..ref_allele.len() - n_end], &alt_allele[..alt_allele.len() - n_end]);
    let n_start = ref_allele.iter().zip(alt_allele).take_while(same).count();
    (pos + n_start as i64, ref_allele[n_start..].to_ascii_uppercase(), alt_allele[n_start..].to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alleles_are_trimmed() {
        assert_eq!(trim(123, b"TAT", b"TGT"), (124, b"A".to_vec(), b"G".to_vec()));
        assert_eq!(trim(5, b"CA", b"CAA"), (6, b"".to_vec(), b"A".to_vec()));
        assert_eq!(trim(5, b"AT", b"AA"), (6, b"T".to_vec(), b"A".to_vec()));
    }
}
