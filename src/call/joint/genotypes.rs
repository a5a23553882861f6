//! The order of genotypes in PL and GL, as arithmetic: how many there are, and which index is which genotype.
//!
//! A genotype is a multiset of `P` (ploidy) alleles, written ascending, `a_0 <= ... <= a_{P-1}`. In VCF order (VCF 4.5
//! section 1.6.2, GL) it has the index `sum over k of C(a_k + k, k + 1)`, the combinatorial number system; of `A` alleles
//! there are `C(P + A - 1, P)` genotypes. The order is that of the highest allele, then of the next: genotypes over the
//! first alleles come first, so that leaving the last allele out is taking a prefix.

/// Beyond so many genotypes no list is made of them.
const MOST_GENOTYPES: u64 = 1 << 28;
/// Up to this allele the products of [`first_with`] fit 64 bits.
const MOST_MULTIPLIED: u64 = 1 << 15;

/// Binomial coefficient; `None` when it does not fit.
fn choose(n: u64, k: u64) -> Option<u64> {
    let k = k.min(n.checked_sub(k)?);
    let mut result: u64 = 1;
    for i in 0..k {
        // the product of i + 1 consecutive numbers is divisible by (i + 1)!
        result = result.checked_mul(n - i)? / (i + 1);
    }
    Some(result)
}

/// Number of genotypes of `n_copies` copies of alleles below `allele`, `C(allele + n_copies - 1, n_copies)`: what `allele`
/// in place `n_copies - 1` adds to an index. The largest number when it does not fit.
fn first_with(allele: u64, n_copies: u64) -> u64 {
    match n_copies {
        _ if allele > MOST_MULTIPLIED || n_copies > 4 => {
            if allele == 0 {
                0
            } else {
                choose(allele + n_copies - 1, n_copies).unwrap_or(u64::MAX)
            }
        }
        4 => allele * (allele + 1) * (allele + 2) * (allele + 3) / 24,
        3 => allele * (allele + 1) * (allele + 2) / 6,
        2 => allele * (allele + 1) / 2,
        _ => allele,
    }
}

/// Number of genotypes of `n_alleles` alleles, `C(P + A - 1, P)`; `None` when it does not fit 64 bits.
pub fn count(n_alleles: usize, ploidy: usize) -> Option<u64> {
    if n_alleles == 0 {
        return Some(u64::from(ploidy == 0));
    }
    choose((ploidy + n_alleles - 1) as u64, ploidy as u64)
}

/// [`count`] as the length of a list; `None` when it is too long for one (more than 2^28).
pub fn n_genotypes(n_alleles: usize, ploidy: usize) -> Option<usize> {
    count(n_alleles, ploidy).filter(|&n| n <= MOST_GENOTYPES).map(|n| n as usize)
}

/// Index of a genotype; `alleles` ascend. The largest number when it does not fit.
pub fn index(alleles: &[u16]) -> usize {
    match *alleles {
        [allele] => usize::from(allele),
        [low, high] => usize::from(high) * (usize::from(high) + 1) / 2 + usize::from(low),
        _ => {
            let terms = alleles.iter().zip(1..).map(|(&allele, n_copies)| first_with(u64::from(allele), n_copies));
            terms.fold(0, u64::saturating_add) as usize
        }
    }
}

/// The genotype at an index into `alleles`, ascending.
pub fn alleles_of(index: usize, ploidy: usize, alleles: &mut Vec<u16>) {
    alleles.clear();
    if ploidy == 2 {
        // exact: the square root of a number below 2^53 is rounded correctly
        let high = (((8 * index + 1) as f64).sqrt() as usize - 1) / 2;
        alleles.extend([(index - high * (high + 1) / 2) as u16, high as u16]);
        return;
    }
    alleles.resize(ploidy, 0);
    let mut left = index as u64;
    for n_copies in (1..=ploidy as u64).rev() {
        let allele = last_not_after(left, n_copies);
        left -= first_with(allele, n_copies);
        alleles[n_copies as usize - 1] = allele as u16;
    }
}

/// The highest allele whose first genotype of `n_copies` copies is not behind `index`. O(log alleles).
fn last_not_after(index: u64, n_copies: u64) -> u64 {
    let (mut low, mut high) = (0, 1u64 << 16);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if first_with(middle, n_copies) <= index { low = middle } else { high = middle }
    }
    low
}

/// Calls `visit` with the alleles of every genotype in order. O(1) per genotype on average; no allocation up to two copies.
pub fn for_each(n_alleles: usize, ploidy: usize, mut visit: impl FnMut(&[u16])) {
    let n_alleles = n_alleles.min(usize::from(u16::MAX)) as u16;
    match ploidy {
        1 => (0..n_alleles).for_each(|allele| visit(&[allele])),
        2 => (0..n_alleles).for_each(|high| (0..=high).for_each(|low| visit(&[low, high]))),
        _ => for_each_of_many(n_alleles, ploidy, visit),
    }
}

fn for_each_of_many(n_alleles: u16, ploidy: usize, mut visit: impl FnMut(&[u16])) {
    if n_alleles == 0 || ploidy == 0 {
        return;
    }
    let mut alleles = vec![0u16; ploidy];
    loop {
        visit(&alleles);
        // the lowest place that may grow without passing the one above it
        let limit = |k: usize| alleles.get(k + 1).copied().unwrap_or(n_alleles - 1);
        let Some(k) = (0..ploidy).find(|&k| alleles[k] < limit(k)) else { return };
        alleles[k] += 1;
        alleles[..k].fill(0);
    }
}

/// Number of orders in which the copies of a genotype (ascending) can stand, `P! / product of multiplicities!`.
pub fn n_orders(genotype: &[u16]) -> f64 {
    let mut orders = 1.0;
    let mut same = 0;
    for (k, allele) in genotype.iter().enumerate() {
        same = if k > 0 && genotype[k - 1] == *allele { same + 1 } else { 1 };
        orders *= (k + 1) as f64 / f64::from(same);
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_index_and_count_agree() {
        for ploidy in 1..=6 {
            for n_alleles in 1..=6 {
                let mut next = 0;
                let mut found = Vec::new();
                for_each(n_alleles, ploidy, |alleles| {
                    assert!(alleles.is_sorted());
                    assert_eq!(index(alleles), next);
                    alleles_of(next, ploidy, &mut found);
                    assert_eq!(found, alleles);
                    next += 1;
                });
                assert_eq!(Some(next), n_genotypes(n_alleles, ploidy));
                assert_eq!(Some(next as u64), count(n_alleles, ploidy));
            }
        }
    }

    #[test]
    fn the_order_is_that_of_the_specification() {
        let mut found = Vec::new();
        for_each(3, 2, |alleles| found.push(alleles.to_vec()));
        assert_eq!(found, [[0, 0], [0, 1], [1, 1], [0, 2], [1, 2], [2, 2]]);
        found.clear();
        for_each(2, 3, |alleles| found.push(alleles.to_vec()));
        assert_eq!(found, [[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]]);
    }

    #[test]
    fn many_genotypes_are_counted_and_not_listed() {
        assert_eq!(count(55, 8), Some(3_381_098_545));
        assert_eq!(n_genotypes(55, 8), None);
        assert_eq!(count(usize::from(u16::MAX), 60), None);
        assert_eq!(n_genotypes(23_169, 2), Some(268_412_865));
        assert_eq!(n_genotypes(23_170, 2), None);
        assert_eq!((count(0, 2), count(0, 0), count(3, 0)), (Some(0), Some(1), Some(1)));
    }

    #[test]
    fn orders() {
        assert_eq!([n_orders(&[3]), n_orders(&[1, 1]), n_orders(&[0, 1])], [1.0, 1.0, 2.0]);
        assert_eq!([n_orders(&[0, 0, 1, 1]), n_orders(&[0, 1, 2, 3])], [6.0, 24.0]);
    }

    proptest! {
        #[test]
        fn unrank_undoes_rank(mut alleles in prop::collection::vec(0u16..400, 1..=6)) {
            alleles.sort_unstable();
            let mut found = Vec::new();
            alleles_of(index(&alleles), alleles.len(), &mut found);
            prop_assert_eq!(found, alleles);
        }

        #[test]
        fn pairs_of_high_alleles(a in any::<u16>(), b in any::<u16>()) {
            let pair = [a.min(b), a.max(b)];
            let mut found = Vec::new();
            alleles_of(index(&pair), 2, &mut found);
            prop_assert_eq!(found, pair);
        }
    }
}
