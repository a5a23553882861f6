//! Values and arithmetic of genomes: contigs, positions, genotypes. No I/O.

pub mod contig_class;
pub mod contigs;
pub mod genotype;
pub mod sex;

pub use contig_class::ContigClass;
pub use contigs::{Contig, Contigs};

/// A place in a cohort: contig index, then 1-based VCF position. Orders as the tables are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Locus {
    /// Index in the cohort's [`Contigs`].
    pub contig: u32,
    /// 1-based position as VCF writes it (0: before the first base).
    pub vcf_pos: i32,
}

impl Locus {
    /// `contig << 48 | pos << 16 | rank`: the identifier of a row or a site, the same for any sharding.
    pub fn id(self, rank: u16) -> i64 {
        (i64::from(self.contig) << 48) | (i64::from(self.vcf_pos) << 16) | i64::from(rank)
    }
}

/// The parts of an identifier made by [`Locus::id`].
pub fn split_id(id: i64) -> (Locus, u16) {
    let locus = Locus { contig: (id >> 48) as u32, vcf_pos: ((id >> 16) & 0xffff_ffff) as i32 };
    (locus, (id & 0xffff) as u16)
}

/// The 1-based position of a base that is counted from 0, as BED does; `None`: it is beyond what a position can be.
pub fn one_based(zero_based: i32) -> Option<i32> {
    zero_based.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_sort_as_loci_and_split_again() {
        let a = Locus { contig: 0, vcf_pos: i32::MAX };
        let b = Locus { contig: 1, vcf_pos: 0 };
        assert!(a.id(u16::MAX) < b.id(0));
        assert_eq!(split_id(a.id(7)), (a, 7));
    }
}
