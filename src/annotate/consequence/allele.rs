//! Which allele of a record an entry of CSQ, ANN or BCSQ is about.
//!
//! VEP names the allele of an indel without the base that all alleles of the record share (`-` where nothing is left), or without all
//! that REF and ALT share (`--minimal`); ALLELE_NUM, where it is there, is the number of the ALT. SnpEff writes the ALT as it is.
//! `bcftools csq` names no allele, but the changes of the haplotype (`1234A>G+1240C>T`).

use crate::alleles::trim;

/// The alleles of a record as written.
#[derive(Clone, Debug)]
pub struct Site<'a> {
    /// 1-based POS.
    pub vcf_pos: i32,
    /// REF
    pub ref_allele: &'a str,
    /// ALT
    pub alts: Vec<&'a str>,
    /// Names of the alleles: way by way of naming them, in the order in which they are tried.
    ways: Vec<Vec<String>>,
}

/// What `-` stands for.
fn or_dash(allele: &str) -> String {
    if allele.is_empty() { "-".to_owned() } else { allele.to_owned() }
}

fn is_plain(alt: &str) -> bool {
    !alt.is_empty() && alt.bytes().all(|byte| byte.is_ascii_alphabetic())
}

impl<'a> Site<'a> {
    /// Of REF, and ALT with commas between alleles.
    pub fn new(vcf_pos: i32, ref_allele: &'a str, alt: &'a str) -> Site<'a> {
        let alts = if alt == "." { Vec::new() } else { alt.split(',').collect() };
        Site::of_alleles(vcf_pos, ref_allele, alts)
    }

    /// Of alleles; an empty ALT is one that is not known.
    pub fn of_alleles(vcf_pos: i32, ref_allele: &'a str, alts: Vec<&'a str>) -> Site<'a> {
        Site { vcf_pos, ref_allele, alts, ways: Vec::new() }
    }

    /// The number of ALT, from 1, that a name in an entry means; 0: none, or more than one.
    pub fn by_name(&mut self, name: &str, as_written_first: bool) -> usize {
        if name.is_empty() {
            return 0;
        }
        if self.ways.is_empty() {
            self.ways = vec![self.without_first_base(), self.as_written(), self.each_without_first_base()];
            self.ways.extend(self.minimal());
            if as_written_first {
                self.ways.swap(0, 1);
            }
        }
        for names in &self.ways {
            let mut meant = (0..names.len()).filter(|&at| names[at].eq_ignore_ascii_case(name));
            match (meant.next(), meant.next()) {
                (Some(at), None) => return at + 1,
                (Some(_), Some(_)) => return 0,
                _ => {}
            }
        }
        0
    }

    fn as_written(&self) -> Vec<String> {
        self.alts.iter().map(|alt| (*alt).to_owned()).collect()
    }

    /// Without the first base where an allele is an indel and all share it.
    fn without_first_base(&self) -> Vec<String> {
        let plain: Vec<&&str> = self.alts.iter().filter(|alt| is_plain(alt)).collect();
        let is_indel = plain.iter().any(|alt| alt.len() != self.ref_allele.len());
        let first = self.ref_allele.as_bytes().first();
        let shared = plain.iter().all(|alt| alt.as_bytes().first() == first);
        let named =
            |alt: &&str| if is_plain(alt) && is_indel && shared { or_dash(&alt[1..]) } else { (*alt).to_owned() };
        self.alts.iter().map(named).collect()
    }

    /// The same, each allele for itself, as if it were alone.
    fn each_without_first_base(&self) -> Vec<String> {
        let first = self.ref_allele.as_bytes().first();
        let named = |alt: &&str| {
            let trims = is_plain(alt) && alt.len() != self.ref_allele.len() && alt.as_bytes().first() == first;
            if trims { or_dash(&alt[1..]) } else { (*alt).to_owned() }
        };
        self.alts.iter().map(named).collect()
    }

    /// Without all that an allele shares with REF: beginning first, and end first.
    fn minimal(&self) -> [Vec<String>; 2] {
        let trimmed = |alt: &str, beginning_first: bool| {
            if !is_plain(alt) {
                return alt.to_owned();
            }
            let (mut left, mut right) = (self.ref_allele, alt);
            for beginning in [beginning_first, !beginning_first] {
                let shared = |a: &str, b: &str| match beginning {
                    true => a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count(),
                    false => a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count(),
                };
                let n = shared(left, right);
                (left, right) = match beginning {
                    true => (&left[n..], &right[n..]),
                    false => (&left[..left.len() - n], &right[..right.len() - n]),
                };
            }
            or_dash(right)
        };
        [true, false].map(|first| self.alts.iter().map(|alt| trimmed(alt, first)).collect())
    }

    /// Whether an entry of `bcftools csq` with these changes is about an ALT (from 1).
    pub fn has_change(&self, changes: &str, alt_index: usize) -> bool {
        let Some(alt) = alt_index.checked_sub(1).and_then(|at| self.alts.get(at)) else { return false };
        let own = trim(self.vcf_pos, self.ref_allele.as_bytes(), alt.as_bytes());
        changes.split('+').any(|change| {
            let digits = change.bytes().take_while(u8::is_ascii_digit).count();
            let Some((from, to)) = change[digits..].split_once('>') else { return false };
            let Ok(pos) = change[..digits].parse() else { return false };
            let named = trim(pos, from.as_bytes(), to.as_bytes());
            named == own
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(ref_allele: &str, alt: &str, name: &str) -> usize {
        Site::new(10, ref_allele, alt).by_name(name, false)
    }

    #[test]
    fn names_of_vep() {
        assert_eq!(meant("A", "G", "G"), 1);
        assert_eq!(meant("CTT", "C", "-"), 1);
        assert_eq!(meant("C", "CA", "A"), 1);
        assert_eq!(meant("CTT", "CT,C", "T"), 1);
        assert_eq!(meant("CTT", "CT,C", "-"), 2);
        // not all share the first base: nothing is trimmed
        assert_eq!(meant("CA", "C,GA", "C"), 1);
        assert_eq!(meant("CA", "C,GA", "GA"), 2);
        // `*` does not count
        assert_eq!(meant("CA", "C,*", "-"), 1);
        assert_eq!(meant("CA", "C,*", "*"), 2);
        // an MNV is whole
        assert_eq!(meant("CA", "CT", "CT"), 1);
        assert_eq!(meant("CA", "CT", "T"), 1);
        assert_eq!(meant("CA", "CT", "G"), 0);
    }

    #[test]
    fn names_of_snpeff_are_the_alleles() {
        assert_eq!(Site::new(10, "CTT", "CT,C").by_name("C", true), 2);
        assert_eq!(Site::new(10, "CTT", "CT,C").by_name("CT", true), 1);
        assert_eq!(Site::new(10, "C", "CA,CAA").by_name("CA", true), 1);
    }

    #[test]
    fn changes_of_bcftools() {
        let site = Site::new(10, "CAA", "CA,T");
        assert!(site.has_change("10CA>C", 1) && !site.has_change("10CA>C", 2));
        assert!(site.has_change("4A>G+10CAA>T", 2));
        assert!(!site.has_change("", 1) && !site.has_change("10", 1) && !site.has_change("x>y", 1));
    }
}
