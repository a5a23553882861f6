//! Places where reads show what nobody has: SNVs of a weak base or of one strand, and lengths of homopolymers that
//! copying got wrong. Each has its error rate, which the likelihoods know: a false allele is seldom likely.

use super::super::haplotypes::MARGIN_BP;
use super::super::random::{Stream, exponential};
use super::super::reads::Errors;
use super::super::sites::Site;
use rand::Rng;

/// Share of artefacts that are lengths of homopolymers.
const HOMOPOLYMER_SHARE: f64 = 0.4;

/// Share of false SNVs that reads of one strand show.
const ONE_STRAND_SHARE: f64 = 0.5;

/// Shortest homopolymer with an artefact, and how far right of its position one is looked for.
const MIN_RUN_BASES: usize = 6;
const RUN_SEARCH_BP: usize = 300;

/// Error rate at the shortest homopolymer, how it grows with each base, and its bound.
const RUN_ERROR_RATE: f64 = 0.004;
const RUN_ERROR_GROWTH: f64 = 1.6;
const MAX_RUN_ERROR_RATE: f64 = 0.15;

/// Lowest error rate of a false SNV, and the ratio of the highest to it.
const SNV_ERROR_RATE: f64 = 0.01;
const SNV_ERROR_RATIO: f64 = 8.0;

/// One place with its false alleles.
pub struct Artefact {
    /// REF and what reads show instead.
    pub site: Site,
    /// How often.
    pub errors: Errors,
}

/// Artefacts of a contig, sorted, apart from its `sites` and from each other.
pub fn draw<'a>(
    reference: &[u8],
    sites: impl Iterator<Item = &'a Site>,
    mut random: Stream,
    rate: f64,
) -> Vec<Artefact> {
    let mut artefacts: Vec<Artefact> = Vec::new();
    let mut sites = sites.peekable();
    let mut at = MARGIN_BP as f64;
    let mut taken_to = 0;
    if rate <= 0.0 {
        return artefacts;
    }
    loop {
        at += 1.0 + exponential(&mut random, rate);
        if at + (2 * RUN_SEARCH_BP) as f64 >= reference.len() as f64 {
            break;
        }
        let found = if random.random_bool(HOMOPOLYMER_SHARE) {
            homopolymer(reference, at as usize)
        } else {
            Some(snv(reference, at as usize, &mut random))
        };
        let Some(artefact) = found else { continue };
        while let Some(site) = sites.next_if(|site| site.start <= artefact.site.end() + 1) {
            let end = site.shifted.as_ref().map_or(site.end(), |shifted| site.end().max(shifted.end()));
            taken_to = end.max(taken_to);
        }
        if artefact.site.start > taken_to {
            taken_to = artefact.site.end();
            artefacts.push(artefact);
        }
    }
    artefacts
}

fn artefact(start: usize, alleles: Vec<Vec<u8>>, rate: f64, one_strand: bool) -> Artefact {
    let errors = Errors { rate, n_alts: alleles.len() - 1, one_strand };
    Artefact { site: Site { start: start as u64, alleles, carriers: Vec::new(), shifted: None }, errors }
}

/// The next homopolymer, one base shorter or longer.
fn homopolymer(reference: &[u8], from: usize) -> Option<Artefact> {
    let run = |anchor: usize| {
        let base = reference[anchor + 1];
        if reference[anchor] == base { 0 } else { reference[anchor + 1..].iter().take_while(|b| **b == base).count() }
    };
    let anchor = (from..from + RUN_SEARCH_BP).find(|anchor| run(*anchor) >= MIN_RUN_BASES)?;
    let rate = RUN_ERROR_RATE * RUN_ERROR_GROWTH.powi((run(anchor) - MIN_RUN_BASES) as i32);
    let (first, base) = (reference[anchor], reference[anchor + 1]);
    let alleles = vec![vec![first, base], vec![first], vec![first, base, base]];
    Some(artefact(anchor, alleles, rate.min(MAX_RUN_ERROR_RATE), false))
}

fn snv(reference: &[u8], at: usize, random: &mut Stream) -> Artefact {
    let base = reference[at];
    let others: Vec<u8> = b"ACGT".iter().copied().filter(|other| *other != base).collect();
    let alt = others[random.random_range(0..3)];
    let rate = SNV_ERROR_RATE * SNV_ERROR_RATIO.powf(random.random::<f64>());
    artefact(at, vec![vec![base], vec![alt]], rate, random.random_bool(ONE_STRAND_SHARE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::random::{Purpose, stream};
    use crate::simulate::reference;

    #[test]
    fn artefacts_are_sorted_true_to_the_reference_and_apart_from_sites() {
        let reference = reference::bases(1, 0, 200_000);
        let site = |start: u64| Site {
            start,
            alleles: vec![reference[start as usize..start as usize + 9].to_vec(), vec![reference[start as usize]]],
            carriers: Vec::new(),
            shifted: None,
        };
        let sites: Vec<Site> = (1..1_900).map(|rank| site(rank * 100)).collect();
        let found = draw(&reference, sites.iter(), stream(1, Purpose::Artefacts, 0, 0), 0.005);
        assert!((300..1_000).contains(&found.len()), "{}", found.len());
        assert!(found.iter().any(|a| a.errors.one_strand) && found.iter().any(|a| a.errors.n_alts == 2));
        let mut all: Vec<&Site> = sites.iter().chain(found.iter().map(|artefact| &artefact.site)).collect();
        all.sort_by_key(|site| site.start);
        assert!(all.is_sorted_by(|a, b| a.end() <= b.start));
        assert!(found.iter().all(|a| reference[a.site.start as usize..].starts_with(&a.site.alleles[0])));
        assert!(draw(&reference, sites.iter(), stream(1, Purpose::Artefacts, 0, 0), 0.0).is_empty());
    }
}
