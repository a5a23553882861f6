//! Mutations on the changing genealogy of a contig: a stream of sites with the haplotypes that carry each allele.

use super::random::{Stream, exponential};
use super::tree::{Demography, Tree};
use rand::Rng;

/// Mutations per base pair and generation (human germline: Jónsson et al. 2017, doi:10.1038/nature24018).
const MUTATION_RATE: f64 = 1.25e-8;

/// Recombinations per base pair and generation.
const RECOMBINATION_RATE: f64 = 1e-8;

/// Bases at both ends of a contig that get no site.
pub const MARGIN_BP: u64 = 50;

/// Most alternate alleles of a site: a base can change into three others.
pub const MAX_ALTS: usize = 3;

/// One site before its alleles have letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawSite {
    /// 0-based position on the contig.
    pub position: u64,
    /// Alternate alleles, at least one, each carried by a haplotype.
    pub n_alts: usize,
    /// Haplotypes that are not reference, with their allele (1 is the first alternate). Each haplotype at most once.
    pub carriers: Vec<(u32, u8)>,
}

/// Where mutations fall.
enum Positions {
    /// As the mutation rate and the length of the tree want it.
    ByRate,
    /// At these positions (sorted, distinct): exactly that many sites.
    Planned(std::vec::IntoIter<u64>),
}

/// The sites of one contig from left to right.
pub struct HaplotypeSource {
    random: Stream,
    tree: Tree,
    positions: Positions,
    /// Everything to the left is done.
    at_bp: f64,
    next_recombination_bp: f64,
    end_bp: u64,
    last_position: u64,
    multiallelic: f64,
    alleles: Vec<u8>,
}

impl HaplotypeSource {
    /// Haplotypes with these populations on a contig of `length_bp`; `n_sites` asks for exactly that many sites.
    /// A share `multiallelic` of the sites gets two or three alternate alleles.
    pub fn new(
        mut random: Stream,
        demography: Demography,
        population_of_haplotype: &[u8],
        length_bp: u64,
        n_sites: Option<u64>,
        multiallelic: f64,
    ) -> HaplotypeSource {
        let tree = Tree::new(demography, population_of_haplotype, &mut random);
        let end_bp = length_bp.saturating_sub(MARGIN_BP);
        let positions = match n_sites {
            None => Positions::ByRate,
            Some(n_sites) => Positions::Planned(planned(&mut random, end_bp, n_sites).into_iter()),
        };
        let start = MARGIN_BP as f64;
        let next_recombination_bp = start + exponential(&mut random, RECOMBINATION_RATE * tree.length_generations());
        HaplotypeSource {
            random,
            tree,
            positions,
            at_bp: start,
            next_recombination_bp,
            end_bp,
            last_position: 0,
            multiallelic,
            alleles: vec![0; population_of_haplotype.len()],
        }
    }

    /// The next site; none at the end of the contig.
    pub fn next_site(&mut self) -> Option<RawSite> {
        let position = match &mut self.positions {
            Positions::Planned(positions) => {
                let position = positions.next()?;
                while self.next_recombination_bp <= position as f64 {
                    self.recombine();
                }
                position
            }
            Positions::ByRate => self.next_by_rate()?,
        };
        self.last_position = position;
        Some(self.mutate(position))
    }

    fn next_by_rate(&mut self) -> Option<u64> {
        loop {
            let mutation = self.at_bp + exponential(&mut self.random, MUTATION_RATE * self.tree.length_generations());
            if mutation.min(self.next_recombination_bp) >= self.end_bp as f64 {
                return None;
            }
            if self.next_recombination_bp < mutation {
                self.recombine();
                continue;
            }
            self.at_bp = mutation;
            if mutation as u64 > self.last_position {
                return Some(mutation as u64);
            }
        }
    }

    fn recombine(&mut self) {
        self.at_bp = self.next_recombination_bp;
        self.tree.recombine(&mut self.random);
        self.next_recombination_bp +=
            exponential(&mut self.random, RECOMBINATION_RATE * self.tree.length_generations());
    }

    /// One mutation on the tree, or several for a multi-allelic site: the younger one wins where they meet.
    fn mutate(&mut self, position: u64) -> RawSite {
        let mut site = RawSite { position, n_alts: 1, carriers: Vec::new() };
        if self.random.random_bool(self.multiallelic) {
            site.n_alts = if self.random.random_bool(0.15) { MAX_ALTS } else { 2 };
            // A try fails when a younger mutation hides an older one from every haplotype.
            if (0..20).any(|_| self.mutate_often(&mut site)) {
                return site;
            }
            site.n_alts = 1;
        }
        let node = self.tree.random_point(&mut self.random).node;
        site.carriers.clear();
        self.tree.for_each_leaf(node, |leaf| site.carriers.push((leaf, 1)));
        site
    }

    /// Fills the carriers of `site.n_alts` mutations; false if one of them has none.
    fn mutate_often(&mut self, site: &mut RawSite) -> bool {
        let mut points: Vec<_> =
            (1..=site.n_alts as u8).map(|allele| (self.tree.random_point(&mut self.random), allele)).collect();
        points.sort_by(|a, b| b.0.generations.total_cmp(&a.0.generations));
        let mut touched = Vec::new();
        for (point, allele) in points {
            let alleles = &mut self.alleles;
            self.tree.for_each_leaf(point.node, |leaf| {
                if std::mem::replace(&mut alleles[leaf as usize], allele) == 0 {
                    touched.push(leaf);
                }
            });
        }
        site.carriers.clear();
        site.carriers.extend(touched.iter().map(|leaf| (*leaf, std::mem::take(&mut self.alleles[*leaf as usize]))));
        (1..=site.n_alts as u8).all(|allele| site.carriers.iter().any(|carrier| carrier.1 == allele))
    }
}

/// `n_sites` distinct positions in `[MARGIN_BP, end_bp)`, evenly likely, sorted.
fn planned(random: &mut Stream, end_bp: u64, n_sites: u64) -> Vec<u64> {
    let free = end_bp.saturating_sub(MARGIN_BP).saturating_sub(n_sites);
    let mut positions: Vec<u64> = (0..n_sites).map(|_| random.random_range(0..=free)).collect();
    positions.sort_unstable();
    positions.iter().enumerate().map(|(rank, position)| MARGIN_BP + position + rank as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::random::{Purpose, stream};

    fn sites(demography: Demography, n_haplotypes: usize, length_bp: u64, n_sites: Option<u64>) -> Vec<RawSite> {
        let random = stream(3, Purpose::Haplotypes, 0, 0);
        let mut source = HaplotypeSource::new(random, demography, &vec![0; n_haplotypes], length_bp, n_sites, 0.05);
        std::iter::from_fn(|| source.next_site()).collect()
    }

    #[test]
    fn the_spectrum_falls_as_one_over_k_without_growth() {
        let n = 100;
        let sites = sites(Demography::constant(1), n, 20_000_000, None);
        let harmonic: f64 = (1..n).map(|k| 1.0 / k as f64).sum();
        let expected = 4e4 * MUTATION_RATE * harmonic * 2e7;
        let n_sites = sites.len() as f64;
        assert!((n_sites / expected - 1.0).abs() < 0.05, "{n_sites} sites, expected {expected}");
        let share = |k: usize| sites.iter().filter(|site| site.n_alts == 1 && site.carriers.len() == k).count() as f64;
        let biallelic = sites.iter().filter(|site| site.n_alts == 1).count() as f64;
        for k in [1, 2, 4, 10] {
            let ratio = share(k) / biallelic * harmonic * k as f64;
            assert!((ratio - 1.0).abs() < 0.1, "k = {k}: {ratio} of the expected share");
        }
    }

    #[test]
    fn growth_gives_more_rare_alleles() {
        let rare = |demography| {
            let sites = sites(demography, 400, 1_000_000, None);
            sites.iter().filter(|site| site.carriers.len() == 1).count() as f64 / sites.len() as f64
        };
        assert!(rare(Demography::growth()) > 1.5 * rare(Demography::constant(1)));
    }

    #[test]
    fn planned_sites_are_as_many_as_asked_and_all_alleles_are_carried() {
        let sites = sites(Demography::growth(), 60, 40_000, Some(5_000));
        assert_eq!(sites.len(), 5_000);
        assert!(sites.is_sorted_by(|a, b| a.position < b.position));
        assert!(sites.iter().any(|site| site.n_alts == 3));
        for site in &sites {
            assert!((1..=site.n_alts as u8).all(|allele| site.carriers.iter().any(|carrier| carrier.1 == allele)));
            let mut haplotypes: Vec<u32> = site.carriers.iter().map(|carrier| carrier.0).collect();
            haplotypes.sort_unstable();
            haplotypes.dedup();
            assert_eq!(haplotypes.len(), site.carriers.len());
        }
    }

    #[test]
    fn neighbours_are_in_linkage_disequilibrium_and_far_sites_are_not() {
        let sites = sites(Demography::constant(1), 200, 2_000_000, None);
        let common: Vec<&RawSite> =
            sites.iter().filter(|site| site.n_alts == 1 && (60..140).contains(&site.carriers.len())).collect();
        let r2 = |a: &RawSite, b: &RawSite| {
            let carried: std::collections::BTreeSet<u32> = a.carriers.iter().map(|carrier| carrier.0).collect();
            let both = b.carriers.iter().filter(|carrier| carried.contains(&carrier.0)).count() as f64 / 200.0;
            let (p, q) = (a.carriers.len() as f64 / 200.0, b.carriers.len() as f64 / 200.0);
            (both - p * q).powi(2) / (p * (1.0 - p) * q * (1.0 - q))
        };
        let mean = |step: usize| {
            let pairs: Vec<f64> = common.iter().zip(common.iter().skip(step)).map(|(a, b)| r2(a, b)).collect();
            pairs.iter().sum::<f64>() / pairs.len() as f64
        };
        let (near, far) = (mean(1), mean(common.len() / 2));
        assert!(near > 0.3 && far < 0.1, "r2 of neighbours {near}, of far sites {far}");
    }
}
