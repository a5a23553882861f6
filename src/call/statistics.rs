//! Site statistics of one allele row, from classes of calls. `docs/formats.md` names the counts.

use super::hwe::{Hwe, hwe_exact};
use crate::genome::genotype::{CallClass, RowCall};

/// Counts of one allele row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowStatistics {
    /// Copies of this allele.
    pub ac: i32,
    /// Known copies.
    pub an: i32,
    /// n_hom_ref, n_het, n_hom_alt, n_hemi_ref, n_hemi_alt, n_partial, n_missing.
    pub counts: [i32; 7],
    /// Complete diploid calls with 0, 1, 2 copies.
    pub diploid: [u32; 3],
}

impl RowStatistics {
    /// Adds `n` calls of one kind.
    pub fn add(&mut self, call: &RowCall, n: i32) {
        self.ac += call.copies * n;
        self.an += call.known * n;
        let class = match call.class {
            CallClass::HomRef => 0,
            CallClass::Het => 1,
            CallClass::HomAlt => 2,
            CallClass::HemiRef => 3,
            CallClass::HemiAlt => 4,
            CallClass::Partial => 5,
            CallClass::Missing => 6,
        };
        self.counts[class] += n;
        if call.ploidy == 2 && call.known == 2 {
            self.diploid[call.copies as usize] += n as u32;
        }
    }

    /// Hardy-Weinberg tests over the complete diploid calls.
    pub fn hwe(&self) -> Option<Hwe> {
        hwe_exact(u64::from(self.diploid[0]), u64::from(self.diploid[1]), u64::from(self.diploid[2]))
    }
}
