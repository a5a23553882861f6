//! Genotype likelihoods of one sample at a site, in phred scale.

use super::genotypes::{for_each, index, n_genotypes};

/// Likelihoods of one sample's genotypes at a site.
///
/// The letters are `alleles` in this order and then one more, `U`, which stands for every allele of the site that the
/// sample's record does not name (`<NON_REF>`, `<*>`). `pl`: in VCF order of genotypes over these letters, at the sample's
/// ploidy, the lowest one 0.
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
    /// What was taken off every PL for that.
    pub removed: u32,
}

/// Largest GQ that is given.
pub const MAX_GQ: u32 = 99;
/// Largest allele quality.
const MAX_AQ: u32 = 9_999;
/// How many times GQ the homozygous alternate genotype of a reference call without PL lies off (GATK: 30 / 3.01).
const HOM_ALT_PER_GQ: u32 = 10;

/// Renames the alleles of a record's PL. `letters[i]`: what allele `i` of the record is at the site; several may be the
/// same. The likelihood of a genotype is that of the most likely genotype of the record that becomes it (the least PL).
/// A record without an unseen allele gives genotypes with one the largest PL that it has.
pub fn project(pl: &[u32], ploidy: u8, letters: &[Letter]) -> Projection {
    let mut alleles: Vec<u16> = letters
        .iter()
        .filter_map(|letter| match letter {
            Letter::Site(allele) => Some(*allele),
            Letter::Unseen => None,
        })
        .chain([0])
        .collect();
    alleles.sort_unstable();
    alleles.dedup();
    let places: Vec<u16> = letters
        .iter()
        .map(|letter| match letter {
            Letter::Site(allele) => alleles.binary_search(allele).unwrap_or(0) as u16,
            Letter::Unseen => alleles.len() as u16,
        })
        .collect();
    let n = n_genotypes(alleles.len() + 1, usize::from(ploidy)).unwrap_or(0);
    let mut projected = vec![u32::MAX; n];
    let mut take = |target: usize, value: u32| projected[target] = projected[target].min(value);
    match ploidy {
        1 => places.iter().zip(pl).for_each(|(&place, &value)| take(usize::from(place), value)),
        2 => {
            let mut values = pl.iter();
            for (j, &second) in places.iter().enumerate() {
                for &first in &places[..=j] {
                    let Some(&value) = values.next() else { break };
                    take(index(&[first.min(second), first.max(second)]), value);
                }
            }
        }
        _ => {
            let mut values = pl.iter();
            let mut renamed = Vec::with_capacity(usize::from(ploidy));
            for_each(letters.len(), usize::from(ploidy), |genotype| {
                renamed.clear();
                renamed.extend(genotype.iter().map(|&allele| places[usize::from(allele)]));
                renamed.sort_unstable();
                if let Some(&value) = values.next() {
                    take(index(&renamed), value);
                }
            });
        }
    }
    let most = pl.iter().copied().max().unwrap_or(0);
    let removed = projected.iter().copied().min().unwrap_or(0).min(most);
    for value in &mut projected {
        *value = (*value).min(most.max(removed)) - removed;
    }
    Projection { likelihoods: Likelihoods { ploidy, alleles, pl: projected }, removed }
}

/// Likelihoods of a reference call that has GQ but no PL: GQ for one copy of something else, ten times as much for two
/// (what GATK takes for blocks without PL), and so on in proportion for other ploidies.
pub fn from_gq(gq: u32, ploidy: u8) -> Likelihoods {
    let pl = match ploidy {
        1 => vec![0, gq],
        2 => vec![0, gq, gq.saturating_mul(HOM_ALT_PER_GQ)],
        _ => (0..=u32::from(ploidy)).map(|copies| gq.saturating_mul(copies * copies)).collect(),
    };
    Likelihoods { ploidy, alleles: vec![0], pl }
}

/// Likelihoods of a call that has GT and GQ but no PL: 0 for the genotype, GQ for those that differ by one copy, ten times
/// GQ for the others.
pub fn from_genotype_and_gq(copies: &[Letter], gq: u32) -> Likelihoods {
    let mut alleles: Vec<u16> = vec![0];
    alleles.extend(copies.iter().filter_map(|letter| match letter {
        Letter::Site(allele) => Some(*allele),
        Letter::Unseen => None,
    }));
    alleles.sort_unstable();
    alleles.dedup();
    let mut called: Vec<u16> = copies
        .iter()
        .map(|letter| match letter {
            Letter::Site(allele) => alleles.binary_search(allele).unwrap_or(0) as u16,
            Letter::Unseen => alleles.len() as u16,
        })
        .collect();
    called.sort_unstable();
    let mut pl = Vec::new();
    for_each(alleles.len() + 1, copies.len(), |genotype| {
        let n_same = common(&called, genotype);
        pl.push(match copies.len() - n_same {
            0 => 0,
            1 => gq,
            _ => gq.saturating_mul(HOM_ALT_PER_GQ),
        });
    });
    Likelihoods { ploidy: copies.len() as u8, alleles, pl }
}

/// Number of copies that two ascending genotypes share.
fn common(a: &[u16], b: &[u16]) -> usize {
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

/// GL (log10) as PL: -10 times the distance to the largest.
pub fn gl_to_pl(gl: &[f64]) -> Vec<u32> {
    let most = gl.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    gl.iter().map(|value| (-10.0 * (value - most)).round().clamp(0.0, f64::from(u32::MAX / 2)) as u32).collect()
}

impl Likelihoods {
    /// Whether all genotypes are equally likely.
    pub fn is_flat(&self) -> bool {
        self.pl.iter().all(|&pl| pl == self.pl[0])
    }

    /// The most likely genotype over the alleles that have names (alleles of the site, ascending), and how far the next
    /// one is, at most 99; genotypes with U count for that with `unseen`. Of equals the first in order.
    pub fn best(&self, unseen: bool) -> (Vec<u16>, u32) {
        let n_named = self.alleles.len() as u16;
        let (mut best, mut second) = ((u32::MAX, Vec::new()), u32::MAX);
        self.for_each_genotype(|genotype, value| {
            if genotype.contains(&n_named) {
                if unseen {
                    second = second.min(value);
                }
            } else if value < best.0 {
                second = second.min(best.0);
                best = (value, genotype.iter().map(|&place| self.alleles[usize::from(place)]).collect());
            } else {
                second = second.min(value);
            }
        });
        let gq = if second == u32::MAX { 0 } else { second.saturating_sub(best.0) };
        (best.1, gq.min(MAX_GQ))
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

    /// How much more likely the best genotype with an allele is than the best without it, phred-scaled, at least 0.
    pub fn allele_quality(&self, allele: u16) -> u32 {
        let place = self.place(allele);
        let (mut with, mut without) = (u32::MAX, u32::MAX);
        self.for_each_genotype(|genotype, value| {
            let side = if genotype.contains(&place) { &mut with } else { &mut without };
            *side = (*side).min(value);
        });
        without.saturating_sub(with).min(MAX_AQ)
    }

    /// PL of 0, 1, ... copies of an allele: the least over the genotypes with so many. The lowest is 0.
    pub fn biallelic(&self, allele: u16) -> Vec<u32> {
        let place = self.place(allele);
        let mut pl = vec![u32::MAX; usize::from(self.ploidy) + 1];
        self.for_each_genotype(|genotype, value| {
            let copies = genotype.iter().filter(|&&copy| copy == place).count();
            pl[copies] = pl[copies].min(value);
        });
        let least = pl.iter().copied().min().unwrap_or(0);
        pl.iter_mut().for_each(|value| *value -= least);
        pl
    }

    /// PL over these alleles of the site (ascending, 0 first), in VCF order, the lowest 0; an allele without a name has the
    /// likelihoods of U. `None` when there are more than `most` genotypes.
    pub fn over(&self, alleles: &[u16], most: usize) -> Option<Vec<u32>> {
        let n = n_genotypes(alleles.len(), usize::from(self.ploidy)).filter(|&n| n <= most)?;
        let places: Vec<u16> = alleles.iter().map(|&allele| self.place(allele)).collect();
        let mut pl = Vec::with_capacity(n);
        let mut letters = Vec::with_capacity(usize::from(self.ploidy));
        for_each(alleles.len(), usize::from(self.ploidy), |genotype| {
            letters.clear();
            letters.extend(genotype.iter().map(|&allele| places[usize::from(allele)]));
            letters.sort_unstable();
            pl.push(self.pl[index(&letters)]);
        });
        let least = pl.iter().copied().min().unwrap_or(0);
        pl.iter_mut().for_each(|value| *value -= least);
        Some(pl)
    }

    /// Without the alleles that are not in `alleles` (ascending, 0 first), the lowest 0 again.
    pub fn subset(&self, alleles: &[u16]) -> Likelihoods {
        let kept: Vec<u16> = self.alleles.iter().copied().filter(|allele| alleles.contains(allele)).collect();
        let mut places: Vec<u16> = kept.iter().map(|&allele| self.place(allele)).collect();
        places.push(self.alleles.len() as u16);
        let mut pl = Vec::new();
        let mut letters = Vec::with_capacity(usize::from(self.ploidy));
        for_each(places.len(), usize::from(self.ploidy), |genotype| {
            letters.clear();
            letters.extend(genotype.iter().map(|&allele| places[usize::from(allele)]));
            pl.push(self.pl[index(&letters)]);
        });
        let least = pl.iter().copied().min().unwrap_or(0);
        pl.iter_mut().for_each(|value| *value -= least);
        Likelihoods { ploidy: self.ploidy, alleles: kept, pl }
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
        let least = pl.iter().copied().min().unwrap_or(0);
        pl.iter_mut().for_each(|value| *value -= least);
        Likelihoods { ploidy: 1, alleles: self.alleles.clone(), pl }
    }
}
