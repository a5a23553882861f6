//! Calls of a variant as two bits a sample, and sums over pairs of variants by counting bits.
//!
//! With a = copies - 1, the plane `hom` has the samples with |a| = 1, `up` those with a >= 0; a sample in neither has no call. The
//! representation is that of Chang et al. 2015, GigaScience 4:7, doi:10.1186/s13742-015-0047-8.

use crate::stats::block::{Block, Call};

/// One variant: `[n_samples / 64]` words twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planes {
    hom: Vec<u64>,
    up: Vec<u64>,
    /// Over the called samples.
    own: Sums,
    n_samples: i64,
}

/// Sums of a = copies - 1 over some samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    n: i64,
    sum: i64,
    squares: i64,
}

/// n times the covariance and n times the variances of two variants, times n: whole numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Samples where both are called.
    pub n: i64,
    /// n sum(ab) - sum(a) sum(b)
    pub covariance: f64,
    /// n sum(aa) - sum(a)^2 of the first.
    pub variance_a: f64,
    /// The same of the second.
    pub variance_b: f64,
}

impl Moments {
    /// Squared correlation; `None` where one of them does not vary.
    pub fn r2(&self) -> Option<f64> {
        let product = self.variance_a * self.variance_b;
        (product > 0.0).then(|| self.covariance * self.covariance / product)
    }
}

impl Planes {
    /// Of a variant of `block`. Haploid calls count as homozygous.
    pub fn new(block: &Block, at: usize) -> Planes {
        let n_words = block.n_samples.div_ceil(64);
        // who is not listed has no copy: a = -1, in `hom` alone
        let mut hom = vec![u64::MAX; n_words];
        if let Some(last) = hom.last_mut()
            && !block.n_samples.is_multiple_of(64)
        {
            *last = (1 << (block.n_samples % 64)) - 1;
        }
        let mut up = vec![0; n_words];
        let (samples, calls) = block.listed(at);
        for (&sample, &call) in samples.iter().zip(calls) {
            let (word, bit) = (sample as usize / 64, 1u64 << (sample % 64));
            let (is_hom, is_up) = match call {
                Call::HomRef | Call::HemiRef => (true, false),
                Call::Het => (false, true),
                Call::HomAlt | Call::HemiAlt => (true, true),
                Call::Missing => (false, false),
            };
            hom[word] = if is_hom { hom[word] | bit } else { hom[word] & !bit };
            up[word] |= if is_up { bit } else { 0 };
        }
        let ones = |words: &mut dyn Iterator<Item = u64>| words.map(|word| i64::from(word.count_ones())).sum::<i64>();
        let squares = ones(&mut hom.iter().copied());
        let plus = ones(&mut hom.iter().zip(&up).map(|(hom, up)| hom & up));
        let n = ones(&mut hom.iter().zip(&up).map(|(hom, up)| hom | up));
        let own = Sums { n, sum: 2 * plus - squares, squares };
        Planes { hom, up, own, n_samples: block.n_samples as i64 }
    }

    /// Whether all called samples have the same.
    pub fn is_constant(&self) -> bool {
        self.own.n * self.own.squares == self.own.sum * self.own.sum
    }

    /// Sums over the samples where both are called. O(n_samples / 64).
    pub fn moments(&self, other: &Planes) -> Moments {
        let (both, negative) = dot(self, other);
        let product = both - 2 * negative;
        let (a, b) = match (self.own.n == self.n_samples, other.own.n == other.n_samples) {
            (true, true) => (self.own, other.own),
            (true, false) => (restricted(self, other), other.own),
            (false, true) => (self.own, restricted(other, self)),
            (false, false) => (restricted(self, other), restricted(other, self)),
        };
        let variance = |sums: Sums| (sums.n * sums.squares - sums.sum * sums.sum) as f64;
        Moments {
            n: a.n,
            covariance: (a.n * product - a.sum * b.sum) as f64,
            variance_a: variance(a),
            variance_b: variance(b),
        }
    }
}

/// Samples where both are homozygous, and those of them where the products of a and b are -1.
fn dot(a: &Planes, b: &Planes) -> (i64, i64) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("popcnt") {
        // SAFETY: the features were found a line above.
        return unsafe { dot_avx2(a, b) };
    }
    dot_words(a, b)
}

/// The same sums of `of` over the samples that `with` has a call of.
fn restricted(of: &Planes, with: &Planes) -> Sums {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("popcnt") {
        // SAFETY: the features were found a line above.
        return unsafe { restricted_avx2(of, with) };
    }
    restricted_words(of, with)
}

/// [`dot_words`], compiled for wide registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn dot_avx2(a: &Planes, b: &Planes) -> (i64, i64) {
    dot_words(a, b)
}

/// [`restricted_words`], compiled for wide registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn restricted_avx2(of: &Planes, with: &Planes) -> Sums {
    restricted_words(of, with)
}

#[inline(always)]
fn dot_words(a: &Planes, b: &Planes) -> (i64, i64) {
    let (mut both, mut negative) = (0u64, 0u64);
    for ((a_hom, a_up), (b_hom, b_up)) in a.hom.iter().zip(&a.up).zip(b.hom.iter().zip(&b.up)) {
        let hom = a_hom & b_hom;
        both += u64::from(hom.count_ones());
        negative += u64::from((hom & (a_up ^ b_up)).count_ones());
    }
    (both as i64, negative as i64)
}

#[inline(always)]
fn restricted_words(of: &Planes, with: &Planes) -> Sums {
    let (mut n, mut squares, mut plus) = (0u64, 0u64, 0u64);
    for ((hom, up), (with_hom, with_up)) in of.hom.iter().zip(&of.up).zip(with.hom.iter().zip(&with.up)) {
        let called = with_hom | with_up;
        n += u64::from(((hom | up) & called).count_ones());
        squares += u64::from((hom & called).count_ones());
        plus += u64::from((hom & up & called).count_ones());
    }
    Sums { n: n as i64, sum: 2 * plus as i64 - squares as i64, squares: squares as i64 }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::stats::block::{Counts, Site, Unlisted};

    /// Variants with these copies, `None` missing, all at position 1.
    pub(crate) fn planes(variants: &[Vec<Option<u8>>]) -> Vec<Planes> {
        let mut block = Block::new(variants[0].len());
        for copies in variants {
            for (sample, copies) in copies.iter().enumerate() {
                let call = match copies {
                    Some(0) => continue,
                    Some(1) => Call::Het,
                    Some(_) => Call::HomAlt,
                    None => Call::Missing,
                };
                block.push_call(sample as u32, call);
            }
            block.end_variant(Site {
                variant_id: 0,
                contig: 0,
                pos: 1,
                id: None,
                ref_allele: "A".into(),
                alt_allele: "C".into(),
                n_alts: 1,
                counts: Counts::default(),
                unlisted: Unlisted::HomRef,
            });
        }
        (0..block.len()).map(|at| Planes::new(&block, at)).collect()
    }

    fn direct_r2(a: &[Option<u8>], b: &[Option<u8>]) -> Option<f64> {
        let pairs: Vec<(f64, f64)> =
            a.iter().zip(b).filter_map(|(a, b)| Some((f64::from((*a)?), f64::from((*b)?)))).collect();
        let n = pairs.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
        let (a, b) = (mean(|p| p.0), mean(|p| p.1));
        let sum = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
        let (ab, aa, bb) = (sum(&|p| (p.0 - a) * (p.1 - b)), sum(&|p| (p.0 - a).powi(2)), sum(&|p| (p.1 - b).powi(2)));
        (aa * bb > 1e-9).then(|| ab * ab / (aa * bb))
    }

    #[test]
    fn by_hand() {
        // means 1 and 2/3; covariance sum 1, variance sums 2 and 2/3: r2 = 1 / (4/3)
        let found = planes(&[vec![Some(0), Some(1), Some(2)], vec![Some(0), Some(1), Some(1)]]);
        assert_eq!(found[0].moments(&found[1]).r2(), Some(0.75));
        assert!(!found[0].is_constant());
        let constant = planes(&[vec![Some(2), None, Some(2)], vec![Some(1), Some(1), Some(1)]]);
        assert!(constant.iter().all(Planes::is_constant));
        assert_eq!(constant[0].moments(&constant[1]).r2(), None);
    }

    #[test]
    fn r2_is_that_of_the_direct_sum() {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u32
        };
        for n in [3, 63, 64, 65, 300] {
            let mut draw = |missing: bool| -> Vec<Option<u8>> {
                (0..n).map(|_| if missing && next() % 7 == 0 { None } else { Some((next() % 3) as u8) }).collect()
            };
            for (one, two) in [(false, false), (true, false), (false, true), (true, true)] {
                let (a, b) = (draw(one), draw(two));
                let found = planes(&[a.clone(), b.clone()]);
                let moments = found[0].moments(&found[1]);
                assert_eq!(moments.n as usize, a.iter().zip(&b).filter(|(a, b)| a.is_some() && b.is_some()).count());
                match (moments.r2(), direct_r2(&a, &b)) {
                    (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-12, "{found} {expected}"),
                    (found, expected) => assert_eq!(found, expected),
                }
            }
        }
    }
}
