//! Genotype likelihoods of one sample at a site, in phred scale.
//!
//! A record's PL are over its own alleles. Here they are put in terms of the site's: [`project`] renames the alleles, and
//! everything that the record does not name stays one letter, `U`. A likelihood of a site with many alleles is therefore as
//! short as the record's, and exact: the record has the same likelihood for every allele that it did not see.

use super::genotypes::{for_each, index, n_genotypes};

/// Likelihoods of one sample's genotypes at a site.
///
/// The letters are `alleles` in this order and then one more, `U`, which stands for every allele of the site that the
/// sample's record does not name (`<NON_REF>`, `<*>`). `pl`: in VCF order of genotypes over these letters, at the sample's
/// ploidy, the lowest one 0. Genotypes without U are therefore the first `C(ploidy + alleles.len() - 1, ploidy)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Likelihoods {
    /// Copies of the site that the sample has.
    pub ploidy: u8,
    /// Alleles of the site that the record names, ascending; the first is 0, the reference.
    pub alleles: Vec<u16>,
    /// Phred-scaled likelihoods, `C(ploidy + alleles.len(), ploidy)` of them.
    pub pl: Vec<u32>,
}

/// What an allele of a record is at a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letter {
    /// An allele of the site; 0 is the reference.
    Site(u16),
    /// Any allele that the record does not name.
    Unseen,
}

/// Likelihoods in terms of a site's alleles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Projection {
    /// Scaled so that the lowest is 0.
    pub likelihoods: Likelihoods,
    /// What was taken off every PL for that. Not 0 in a record whose own lowest PL is 0: no genotype was lost (every one
    /// becomes some other), so the record was not scaled.
    pub removed: u32,
    /// The record says nothing about alleles that it does not name (a plain VCF); they were given its largest PL.
    pub nofill: bool,
}

/// Largest GQ that is given.
pub const MAX_GQ: u32 = 99;
/// Largest likelihood, phred-scaled: 400,000 decimal orders.
pub const MAX_PL: u32 = 4_000_000;
/// Largest allele quality.
const MAX_AQ: u32 = 9_999;
/// Phred-scaled base quality that likelihoods of reference calls without PL are made from, as GATK has it.
const TYPICAL_BASE_PHRED: f64 = 30.0;
/// What differs by more than one copy from a call without PL lies so many times GQ off.
const FAR_PER_GQ: u32 = 10;
/// Records with up to so many alleles are projected without a list on the heap.
const FEW: usize = 16;

/// Renames the alleles of a record's PL. `letters[i]`: what allele `i` of the record (0 is REF) is at the site; several may
/// be the same, so that alleles of other sites can be folded into REF or `*`. `pl` has one value per genotype of the
/// record.
///
/// The PL of a genotype of the site is the least one of the record's genotypes that become it (the likelihood of the most
/// likely; gvcfgenotyper adds the likelihoods up instead). Output letters are REF, the alleles named, and U. Where no
/// letter is U, genotypes with U get the largest PL of the record, and so do those that nothing becomes.
/// O(genotypes x ploidy); allocates the result only, up to 16 alleles.
pub fn project(pl: &[u32], ploidy: u8, letters: &[Letter]) -> Projection {
    let alleles = named(letters);
    let nofill = !letters.contains(&Letter::Unseen);
    let Some(n) = n_genotypes(alleles.len() + 1, usize::from(ploidy)) else {
        // more genotypes than a file can have values: nothing is said
        let likelihoods = Likelihoods { ploidy, alleles: vec![0], pl: vec![0; usize::from(ploidy) + 1] };
        return Projection { likelihoods, removed: 0, nofill: true };
    };
    let mut few = [0; FEW];
    let mut many = Vec::new();
    let places: &mut [u16] = if letters.len() <= FEW {
        &mut few[..letters.len()]
    } else {
        many.resize(letters.len(), 0);
        &mut many
    };
    for (place, letter) in places.iter_mut().zip(letters) {
        *place = place_of(*letter, &alleles);
    }
    let mut projected = if pl.len() == n && places.iter().zip(0..).all(|(&place, i)| place == i) {
        pl.to_vec()
    } else {
        least_by_name(pl, ploidy, places, n)
    };
    if projected.contains(&u32::MAX) {
        let most = pl.iter().copied().max().unwrap_or(0);
        projected.iter_mut().for_each(|value| *value = (*value).min(most));
    }
    let removed = take_least_off(&mut projected);
    Projection { likelihoods: Likelihoods { ploidy, alleles, pl: projected }, removed, nofill }
}

/// The alleles of the site among `letters`, and REF; ascending.
fn named(letters: &[Letter]) -> Vec<u16> {
    let mut alleles = Vec::with_capacity(letters.len() + 1);
    alleles.push(0);
    alleles.extend(letters.iter().filter_map(|letter| match letter {
        Letter::Site(allele) => Some(*allele),
        Letter::Unseen => None,
    }));
    alleles.sort_unstable();
    alleles.dedup();
    alleles
}

/// Place of a letter behind `alleles`, which name it.
fn place_of(letter: Letter, alleles: &[u16]) -> u16 {
    let place = match letter {
        Letter::Site(allele) => alleles.iter().take_while(|&&named| named < allele).count(),
        Letter::Unseen => alleles.len(),
    };
    place as u16
}

/// Per genotype of the `n` over the new letters the least PL of those that become it, or the largest number.
/// `places[i]`: the new letter of allele `i`.
fn least_by_name(pl: &[u32], ploidy: u8, places: &[u16], n: usize) -> Vec<u32> {
    let mut least = vec![u32::MAX; n];
    let mut values = pl.iter();
    let mut take = |genotype: usize| {
        if let Some(&value) = values.next() {
            least[genotype] = least[genotype].min(value);
        }
    };
    match ploidy {
        1 => places.iter().for_each(|&place| take(usize::from(place))),
        2 => {
            for (j, &second) in places.iter().enumerate() {
                for &first in &places[..=j] {
                    take(index(&[first.min(second), first.max(second)]));
                }
            }
        }
        _ => {
            let mut renamed = vec![0; usize::from(ploidy)];
            for_each(places.len(), usize::from(ploidy), |genotype| {
                for (new, &old) in renamed.iter_mut().zip(genotype) {
                    *new = places[usize::from(old)];
                }
                renamed.sort_unstable();
                take(index(&renamed));
            });
        }
    }
    least
}

/// Subtracts the least value, and gives it.
fn take_least_off(pl: &mut [u32]) -> u32 {
    let least = pl.iter().copied().min().unwrap_or(0);
    if least > 0 {
        pl.iter_mut().for_each(|value| *value -= least);
    }
    least
}

/// Likelihoods of a reference call that has GQ but no PL, from the reference model with no read that differs: of `n` reads,
/// each is as likely as `1 - k/P` when `k` of the `P` copies are something else, and as an error of phred 30 when all are.
/// GQ is what `k = 1` gives, so PL of `k` copies is GQ times `log(1 - k/P) / log(1 - 1/P)`, rounded to whole multiples:
/// 0, GQ, 10 GQ for two copies, which is what GATK takes (GenotypeUtils, `PLOIDY_2_HOM_VAR_SCALE_FACTOR`); 0, GQ for one;
/// 0, 1, 2, 5, 24 times GQ for four.
pub fn from_gq(gq: u32, ploidy: u8) -> Likelihoods {
    let copies = f64::from(ploidy);
    let error_log10 = -TYPICAL_BASE_PHRED / 10.0;
    let of_share = |k: f64| if k < copies { (1.0 - k / copies).log10().max(error_log10) } else { error_log10 };
    let multiple = |k: u8| match k {
        0 => 0.0,
        _ => (of_share(f64::from(k)) / of_share(1.0)).round(),
    };
    let pl = (0..=ploidy).map(|k| capped(f64::from(gq) * multiple(k))).collect();
    Likelihoods { ploidy, alleles: vec![0], pl }
}

/// Likelihoods of a call that has GT and GQ but no PL: 0 for the genotype called (`copies`, one letter each), GQ for those
/// that differ from it by one copy, ten times GQ for all others. GQ is by definition the distance to the next genotype, and
/// the next one mostly differs by a copy; that of the others is a rough guess, as in [`from_gq`].
pub fn from_genotype_and_gq(copies: &[Letter], gq: u32) -> Likelihoods {
    let alleles = named(copies);
    let mut called: Vec<u16> = copies.iter().map(|&letter| place_of(letter, &alleles)).collect();
    called.sort_unstable();
    let far = gq.saturating_mul(FAR_PER_GQ).min(MAX_PL);
    let mut pl = Vec::with_capacity(n_genotypes(alleles.len() + 1, copies.len()).unwrap_or(0));
    for_each(alleles.len() + 1, copies.len(), |genotype| {
        pl.push(match copies.len() - n_common(&called, genotype) {
            0 => 0,
            1 => gq.min(far),
            _ => far,
        });
    });
    Likelihoods { ploidy: copies.len() as u8, alleles, pl }
}

/// Number of copies that two ascending genotypes share.
fn n_common(a: &[u16], b: &[u16]) -> usize {
    let (mut i, mut j, mut n) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, n) = (i + 1, j + 1, n + 1),
        }
    }
    n
}

/// GL (log10) as PL: `round(-10 (GL - max GL))`, at most [`MAX_PL`]. A value that is no number is as unlikely as can be.
pub fn gl_to_pl(gl: &[f64]) -> Vec<u32> {
    let most = gl.iter().copied().filter(|value| !value.is_nan()).fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return vec![0; gl.len()];
    }
    gl.iter().map(|value| capped(-10.0 * (value - most))).collect()
}

/// Rounded, at least 0 and at most [`MAX_PL`].
fn capped(pl: f64) -> u32 {
    if pl.is_nan() { MAX_PL } else { pl.round().clamp(0.0, f64::from(MAX_PL)) as u32 }
}

impl Likelihoods {
    /// Whether all genotypes are equally likely, so that the sample says nothing.
    pub fn is_flat(&self) -> bool {
        self.pl.iter().all(|&pl| pl == self.pl[0])
    }

    /// PL of the genotypes without U.
    pub fn named_pl(&self) -> &[u32] {
        let n = n_genotypes(self.alleles.len(), usize::from(self.ploidy)).unwrap_or(0);
        &self.pl[..n.min(self.pl.len())]
    }

    /// The most likely genotype over the alleles that have names (alleles of the site, ascending), and GQ: how far the next
    /// genotype is, at most 99. Of equals the first in order.
    ///
    /// With `unseen`, genotypes with U are in the running for the next, and GQ is 0 when one of them is more likely still:
    /// the GQ of a caller that knows all alleles of a site which has some without a name here. So they are where REF alone
    /// has a name.
    pub fn best(&self, unseen: bool) -> (Vec<u16>, u32) {
        let named = self.named_pl();
        let Some((best, &least)) = named.iter().enumerate().min_by_key(|(place, pl)| (**pl, *place)) else {
            return (Vec::new(), 0);
        };
        let rivals = if unseen || named.len() == 1 { &self.pl[..] } else { named };
        let others = rivals.iter().enumerate().filter(|(place, _)| *place != best);
        let next = others.map(|(_, &pl)| pl).min().unwrap_or(least);
        let mut genotype = Vec::new();
        super::genotypes::alleles_of(best, usize::from(self.ploidy), &mut genotype);
        genotype.iter_mut().for_each(|place| *place = self.alleles[usize::from(*place)]);
        (genotype, next.saturating_sub(least).min(MAX_GQ))
    }

    /// Calls `visit` with every genotype (places among the letters) and its PL.
    fn for_each_genotype(&self, mut visit: impl FnMut(&[u16], u32)) {
        let mut values = self.pl.iter();
        for_each(self.alleles.len() + 1, usize::from(self.ploidy), |genotype| {
            if let Some(&value) = values.next() {
                visit(genotype, value);
            }
        });
    }

    /// Place of an allele of the site among the letters; U for one that the record does not name.
    fn place(&self, allele: u16) -> u16 {
        self.alleles.binary_search(&allele).unwrap_or(self.alleles.len()) as u16
    }

    /// AQ: how much more likely the best genotype with an allele is than the best without it, phred-scaled, 0 to 9,999.
    /// (GLnexus: Lin et al. 2018, bioRxiv 343970; its maximum over the samples is the AQ of the allele.)
    pub fn allele_quality(&self, allele: u16) -> u32 {
        let place = self.place(allele);
        let (mut with, mut without) = (u32::MAX, u32::MAX);
        self.for_each_genotype(|genotype, value| {
            let side = if genotype.contains(&place) { &mut with } else { &mut without };
            *side = (*side).min(value);
        });
        without.saturating_sub(with).min(MAX_AQ)
    }

    /// PL of 0, 1, ... copies of an allele: the least over the genotypes with so many, everything else counted as other
    /// alleles. The lowest is 0. For an allele that the record does not name, U is that allele.
    pub fn biallelic(&self, allele: u16) -> Vec<u32> {
        let place = self.place(allele);
        let mut pl = vec![u32::MAX; usize::from(self.ploidy) + 1];
        self.for_each_genotype(|genotype, value| {
            let n_copies = genotype.iter().filter(|&&copy| copy == place).count();
            pl[n_copies] = pl[n_copies].min(value);
        });
        take_least_off(&mut pl);
        pl
    }

    /// PL over these alleles of the site (ascending, 0 first), in VCF order, the lowest 0; an allele without a name has the
    /// likelihoods of U. `None` when there are more than `most` genotypes.
    pub fn over(&self, alleles: &[u16], most: usize) -> Option<Vec<u32>> {
        let n = n_genotypes(alleles.len(), usize::from(self.ploidy)).filter(|&n| n <= most)?;
        let places: Vec<u16> = alleles.iter().map(|&allele| self.place(allele)).collect();
        let mut pl = Vec::with_capacity(n);
        self.push_renamed(&places, &mut pl);
        take_least_off(&mut pl);
        Some(pl)
    }

    /// Without the alleles that are not in `alleles` (ascending, 0 first); U stays. The PL of the genotypes that are left,
    /// the lowest 0 again: what GATK does when it drops alleles of a site.
    pub fn subset(&self, alleles: &[u16]) -> Likelihoods {
        let kept: Vec<u16> = self.alleles.iter().copied().filter(|allele| alleles.contains(allele)).collect();
        if kept.len() == self.alleles.len() {
            return self.clone();
        }
        let mut places: Vec<u16> = kept.iter().map(|&allele| self.place(allele)).collect();
        places.push(self.alleles.len() as u16);
        let mut pl = Vec::new();
        self.push_renamed(&places, &mut pl);
        take_least_off(&mut pl);
        Likelihoods { ploidy: self.ploidy, alleles: kept, pl }
    }

    /// Appends the PL of all genotypes over the letters at `places`.
    fn push_renamed(&self, places: &[u16], pl: &mut Vec<u32>) {
        let mut letters = vec![0; usize::from(self.ploidy)];
        for_each(places.len(), usize::from(self.ploidy), |genotype| {
            for (letter, &new) in letters.iter_mut().zip(genotype) {
                *letter = places[usize::from(new)];
            }
            // an allele without a name may stand before one that has one
            letters.sort_unstable();
            pl.push(self.pl[index(&letters)]);
        });
    }

    /// Over places in a list of alleles of the site (ascending, 0 first) that need not have all of them.
    pub fn renamed(&self, included: &[u16]) -> Likelihoods {
        let all = self.alleles.iter().all(|allele| included.get(usize::from(*allele)) == Some(allele));
        if all {
            return self.clone();
        }
        let mut found = self.subset(included);
        for allele in &mut found.alleles {
            *allele = included.binary_search(allele).unwrap_or(0) as u16;
        }
        found
    }

    /// For a sample that has one copy: the homozygous genotypes, one letter each.
    pub fn homozygous_only(&self) -> Likelihoods {
        let mut genotype = vec![0; usize::from(self.ploidy)];
        let mut pl: Vec<u32> = (0..=self.alleles.len() as u16)
            .map(|letter| {
                genotype.fill(letter);
                self.pl[index(&genotype)]
            })
            .collect();
        take_least_off(&mut pl);
        Likelihoods { ploidy: 1, alleles: self.alleles.clone(), pl }
    }
}

#[cfg(test)]
mod tests {
    use super::Letter::{Site, Unseen};
    use super::*;
    use proptest::prelude::*;

    fn likelihoods(ploidy: u8, alleles: &[u16], pl: &[u32]) -> Likelihoods {
        Likelihoods { ploidy, alleles: alleles.to_vec(), pl: pl.to_vec() }
    }

    /// REF, T, NON_REF at a site whose alleles are REF, A, C, T: the example of GATK's ReferenceConfidenceVariantContextMerger.
    #[test]
    fn a_record_at_a_site_with_more_alleles() {
        let record = [102, 0, 150, 120, 160, 300];
        let found = project(&record, 2, &[Site(0), Site(3), Unseen]);
        assert_eq!(found.likelihoods, likelihoods(2, &[0, 3], &record));
        assert_eq!((found.removed, found.nofill), (0, false));
        let all = found.likelihoods.over(&[0, 1, 2, 3], 100);
        assert_eq!(all, Some(vec![102, 120, 300, 120, 300, 300, 0, 160, 160, 150]));
        assert_eq!(found.likelihoods.over(&[0, 1, 2, 3], 9), None);
    }

    #[test]
    fn alleles_that_come_in_another_order_or_become_one() {
        // REF, second, first, NON_REF of the site
        let pl = [10, 11, 12, 13, 14, 15, 16, 17, 18, 0];
        let found = project(&pl, 2, &[Site(0), Site(2), Site(1), Unseen]).likelihoods;
        assert_eq!(found, likelihoods(2, &[0, 1, 2], &[10, 13, 15, 11, 14, 12, 16, 18, 17, 0]));
        // allele 1 of the record is of another place: it is REF here
        let found = project(&[50, 20, 40, 70, 30, 90], 2, &[Site(0), Site(0), Site(1)]);
        assert_eq!(found.likelihoods, likelihoods(2, &[0, 1], &[0, 10, 70, 70, 70, 70]));
        assert_eq!((found.removed, found.nofill), (20, true));
        // all alleles become REF
        let found = project(&[0, 5, 9], 2, &[Site(0), Site(0)]);
        assert_eq!(found.likelihoods, likelihoods(2, &[0], &[0, 9, 9]));
    }

    #[test]
    fn haploid_and_without_unseen_allele() {
        let found = project(&[80, 0, 90], 1, &[Site(0), Site(4), Site(2)]);
        assert_eq!(found.likelihoods, likelihoods(1, &[0, 2, 4], &[80, 90, 0, 90]));
        assert!(found.nofill);
    }

    #[test]
    fn reference_calls_without_likelihoods() {
        assert_eq!(from_gq(30, 2), likelihoods(2, &[0], &[0, 30, 300]));
        assert_eq!(from_gq(30, 1), likelihoods(1, &[0], &[0, 30]));
        assert_eq!(from_gq(10, 4), likelihoods(4, &[0], &[0, 10, 20, 50, 240]));
        assert!(from_gq(0, 2).is_flat() && from_gq(0, 3).is_flat());
        for ploidy in 1..=60 {
            assert!(from_gq(20, ploidy).pl.is_sorted());
        }
    }

    #[test]
    fn calls_without_likelihoods() {
        let het = from_genotype_and_gq(&[Site(0), Site(2)], 40);
        assert_eq!(het, likelihoods(2, &[0, 2], &[40, 0, 40, 40, 40, 400]));
        assert_eq!(het.best(false), (vec![0, 2], 40));
        let half = from_genotype_and_gq(&[Site(1), Unseen], 20);
        assert_eq!(half, likelihoods(2, &[0, 1], &[200, 20, 20, 20, 0, 20]));
        assert_eq!(from_genotype_and_gq(&[Site(3)], 12), likelihoods(1, &[0, 3], &[12, 0, 12]));
    }

    #[test]
    fn likelihoods_from_logarithms() {
        assert_eq!(gl_to_pl(&[-0.44, -4.4, -0.04]), [4, 44, 0]);
        assert_eq!(gl_to_pl(&[f64::NEG_INFINITY, 0.0, f64::NAN]), [MAX_PL, 0, MAX_PL]);
        assert_eq!(gl_to_pl(&[f64::NEG_INFINITY; 3]), [0; 3]);
        assert!(gl_to_pl(&[]).is_empty());
    }

    #[test]
    fn best_genotypes() {
        let carrier = likelihoods(2, &[0, 5], &[40, 0, 200, 15, 33, 90]);
        assert_eq!(carrier.best(false), (vec![0, 5], 40));
        assert_eq!(carrier.best(true), (vec![0, 5], 15));
        let reference = likelihoods(2, &[0], &[0, 27, 300]);
        assert_eq!([reference.best(false), reference.best(true)], [(vec![0, 0], 27), (vec![0, 0], 27)]);
        let unseen = likelihoods(1, &[0, 1], &[30, 10, 0]);
        assert_eq!([unseen.best(false), unseen.best(true)], [(vec![1], 20), (vec![1], 0)]);
        let tie = likelihoods(2, &[0, 1], &[0, 0, 50, 60, 60, 60]);
        assert_eq!(tie.best(false), (vec![0, 0], 0));
    }

    #[test]
    fn qualities_and_copies_of_one_allele() {
        let het = likelihoods(2, &[0, 1, 2], &[90, 60, 70, 50, 0, 80, 95, 96, 97, 98]);
        assert_eq!([het.allele_quality(1), het.allele_quality(2), het.allele_quality(7)], [50, 60, 0]);
        assert_eq!(likelihoods(1, &[0, 1], &[50_000, 0, 50_000]).allele_quality(1), 9_999);
        assert_eq!(het.biallelic(1), [50, 0, 70]);
        assert_eq!(het.biallelic(7), [0, 95, 98]);
    }

    #[test]
    fn fewer_alleles_or_copies() {
        let all = likelihoods(2, &[0, 1, 3], &[90, 60, 70, 50, 0, 80, 95, 96, 97, 98]);
        assert_eq!(all.subset(&[0, 3, 4]), likelihoods(2, &[0, 3], &[40, 0, 30, 45, 47, 48]));
        assert_eq!(all.subset(&[0, 1, 3]), all);
        assert_eq!(all.subset(&[0]), likelihoods(2, &[0], &[0, 5, 8]));
        assert_eq!(all.renamed(&[0, 3]), likelihoods(2, &[0, 1], &[40, 0, 30, 45, 47, 48]));
        assert_eq!(all.renamed(&[0, 1, 2, 3]), all);
        assert_eq!(all.homozygous_only(), likelihoods(1, &[0, 1, 3], &[20, 0, 10, 28]));
    }

    /// Per genotype over the new letters, the definition by search: the least of those that become it.
    fn projected_by_search(pl: &[u32], ploidy: u8, letters: &[Letter]) -> Vec<u32> {
        let alleles = named(letters);
        let mut old: Vec<(Vec<u16>, u32)> = Vec::new();
        let mut values = pl.iter();
        for_each(letters.len(), usize::from(ploidy), |genotype| {
            let mut new: Vec<u16> =
                genotype.iter().map(|&allele| place_of(letters[usize::from(allele)], &alleles)).collect();
            new.sort_unstable();
            old.push((new, *values.next().unwrap()));
        });
        let most = *pl.iter().max().unwrap();
        let mut found = Vec::new();
        for_each(alleles.len() + 1, usize::from(ploidy), |genotype| {
            found.push(old.iter().filter(|(new, _)| new == genotype).map(|(_, pl)| *pl).min().unwrap_or(most));
        });
        let least = *found.iter().min().unwrap();
        found.iter().map(|pl| pl - least).collect()
    }

    /// Ploidy, what each allele of the record is at the site, and its PL.
    fn records() -> impl Strategy<Value = (u8, Vec<Letter>, Vec<u32>)> {
        let letter = (0u16..6).prop_map(|allele| if allele == 5 { Unseen } else { Site(allele) });
        (1u8..=4, prop::collection::vec(letter, 0..5)).prop_flat_map(|(ploidy, mut letters)| {
            letters.insert(0, Site(0));
            let n = n_genotypes(letters.len(), usize::from(ploidy)).unwrap();
            (Just(ploidy), Just(letters), prop::collection::vec(0u32..500, n))
        })
    }

    proptest! {
        #[test]
        fn projection_is_its_definition((ploidy, letters, pl) in records()) {
            let found = project(&pl, ploidy, &letters);
            prop_assert_eq!(&found.likelihoods.pl, &projected_by_search(&pl, ploidy, &letters));
            prop_assert_eq!(found.removed, *pl.iter().min().unwrap());
            prop_assert_eq!(found.nofill, !letters.contains(&Unseen));
        }

        #[test]
        fn renaming_back_gives_the_record(ploidy in 1u8..=4, seed in prop::collection::vec(0u32..300, 35)) {
            // REF, three alleles backwards, U
            let n = n_genotypes(5, usize::from(ploidy)).unwrap();
            let pl: Vec<u32> = seed.iter().cycle().take(n).enumerate().map(|(i, pl)| pl + i as u32).collect();
            let letters = [Site(0), Site(3), Site(2), Site(1), Unseen];
            let there = project(&pl, ploidy, &letters);
            let back = project(&there.likelihoods.pl, ploidy, &letters);
            let again: Vec<u32> = back.likelihoods.pl.iter().map(|pl| pl + there.removed).collect();
            prop_assert_eq!(again, pl);
        }

        #[test]
        fn dense_likelihoods_agree((ploidy, letters, pl) in records()) {
            let sparse = project(&pl, ploidy, &letters).likelihoods;
            let all: Vec<u16> = (0..6).collect();
            let dense = sparse.over(&all, 1 << 20).unwrap();
            let wide = likelihoods(ploidy, &all, &dense);
            // allele 5 has no name: it stands for U
            let least = |genotypes: Vec<u32>| genotypes.into_iter().min();
            prop_assert_eq!(least(dense.clone()), Some(0));
            let (genotype, gq) = sparse.best(true);
            let place = super::super::genotypes::index(&genotype);
            let by_hand = dense.iter().enumerate().filter(|(at, _)| *at != place).map(|(_, pl)| *pl).min().unwrap();
            prop_assert_eq!(gq, by_hand.saturating_sub(dense[place]).min(MAX_GQ));
            for &allele in &sparse.alleles {
                let mut biallelic = vec![u32::MAX; usize::from(ploidy) + 1];
                let mut values = wide.pl.iter();
                for_each(6, usize::from(ploidy), |genotype| {
                    let n_copies = genotype.iter().filter(|&&copy| copy == allele).count();
                    biallelic[n_copies] = biallelic[n_copies].min(*values.next().unwrap());
                });
                prop_assert_eq!(sparse.biallelic(allele), biallelic);
            }
        }
    }
}
