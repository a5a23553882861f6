//! The order of genotypes in PL and GL (VCF 4.5 section 1.6.2, GL): multisets of `ploidy` alleles, ascending alleles
//! `a_0 <= ... <= a_{P-1}` at index `sum over k of C(a_k + k, k + 1)`.

/// Beyond so many genotypes no list is made of them.
const MOST_GENOTYPES: u64 = 1 << 28;

/// Binomial coefficient; `None` when it does not fit.
fn choose(n: u64, k: u64) -> Option<u64> {
    if k > n {
        return Some(0);
    }
    let k = k.min(n - k);
    let mut result: u64 = 1;
    for i in 0..k {
        // the product of i + 1 consecutive numbers is divisible by (i + 1)!
        result = result.checked_mul(n - i)? / (i + 1);
    }
    Some(result)
}

/// Number of genotypes of `n_alleles` alleles, `C(P + A - 1, P)`; `None` when it does not fit 64 bits.
pub fn count(n_alleles: usize, ploidy: usize) -> Option<u64> {
    if n_alleles == 0 {
        return Some(0);
    }
    choose((ploidy + n_alleles - 1) as u64, ploidy as u64)
}

/// [`count`] as the length of a list; `None` when it is too long for one.
pub fn n_genotypes(n_alleles: usize, ploidy: usize) -> Option<usize> {
    match ploidy {
        1 => Some(n_alleles),
        2 if n_alleles < 1 << 13 => Some(n_alleles * (n_alleles + 1) / 2),
        _ => count(n_alleles, ploidy).filter(|&n| n <= MOST_GENOTYPES).map(|n| n as usize),
    }
}

/// Index of a genotype; `alleles` ascend.
pub fn index(alleles: &[u16]) -> usize {
    match *alleles {
        [allele] => usize::from(allele),
        [low, high] => usize::from(high) * (usize::from(high) + 1) / 2 + usize::from(low),
        _ => {
            let terms = alleles
                .iter()
                .enumerate()
                .map(|(k, &allele)| choose(u64::from(allele) + k as u64, k as u64 + 1).unwrap_or(u64::MAX) as usize);
            terms.fold(0, usize::saturating_add)
        }
    }
}

/// The genotype at an index into `alleles`, ascending.
pub fn alleles_of(index: usize, ploidy: usize, alleles: &mut Vec<u16>) {
    alleles.clear();
    alleles.resize(ploidy, 0);
    let mut left = index as u64;
    for k in (1..=ploidy as u64).rev() {
        let mut allele = 0;
        while choose(allele + k, k).is_some_and(|first| first <= left) {
            allele += 1;
        }
        left -= choose(allele + k - 1, k).unwrap_or(0);
        alleles[k as usize - 1] = allele as u16;
    }
}

/// Calls `visit` with the alleles of every genotype in order.
pub fn for_each(n_alleles: usize, ploidy: usize, mut visit: impl FnMut(&[u16])) {
    if n_alleles == 0 || ploidy == 0 {
        return;
    }
    let highest = n_alleles as u16 - 1;
    let mut alleles = vec![0u16; ploidy];
    loop {
        visit(&alleles);
        // the lowest place that may grow without passing the one above it
        let grows =
            (0..ploidy).find(|&k| if k + 1 < ploidy { alleles[k] < alleles[k + 1] } else { alleles[k] < highest });
        let Some(k) = grows else { return };
        alleles[k] += 1;
        alleles[..k].fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_index_and_count_agree() {
        for ploidy in 1..=6 {
            for n_alleles in 1..=6 {
                let mut next = 0;
                let mut found = Vec::new();
                for_each(n_alleles, ploidy, |alleles| {
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
    fn many_genotypes_are_counted_and_not_listed() {
        assert_eq!(count(55, 8), Some(3_381_098_545));
        assert_eq!(n_genotypes(55, 8), None);
        assert_eq!(count(usize::from(u16::MAX), 60), None);
    }
}
