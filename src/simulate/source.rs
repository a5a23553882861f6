//! The sites of a contig, in order.

use super::Settings;
use super::haplotypes::{HaplotypeSource, RawSite};
use super::random::{Purpose, Stream, stream};
use super::sites::{AlleleDesigner, Design, Site};
use rand::Rng;
use std::collections::VecDeque;

/// A site to come.
struct Ahead {
    raw: RawSite,
    /// Haplotypes that a deletion has taken this site from.
    spanned: Vec<u32>,
    /// Where that deletion ends.
    spanned_to: u64,
}

/// The sites of a contig, with letters.
pub(super) struct SiteSource<'a> {
    haplotypes: HaplotypeSource,
    /// The haplotype of each leaf of the tree.
    haplotype_of_leaf: Vec<u32>,
    designer: AlleleDesigner,
    reference: &'a [u8],
    overlap_share: f64,
    overlaps: Stream,
    /// The next sites: the one before them must know where they are.
    ahead: VecDeque<Ahead>,
    /// Nothing comes after those.
    at_end: bool,
}

/// Most sites under one deletion.
const MAX_SPANNED_SITES: usize = 3;

impl<'a> SiteSource<'a> {
    pub(super) fn new(
        settings: &Settings,
        contig_id: usize,
        population_of_sample: &[u8],
        haplotype_of_leaf: Vec<u32>,
        reference: &'a [u8],
    ) -> Self {
        let id = contig_id as u64;
        let n_contigs = settings.contigs.len() as u64;
        let share = |n_sites: u64| n_sites / n_contigs + u64::from(id < n_sites % n_contigs);
        let population_of_leaf: Vec<u8> =
            haplotype_of_leaf.iter().map(|haplotype| population_of_sample[*haplotype as usize / 2]).collect();
        let haplotypes = HaplotypeSource::new(
            stream(settings.seed, Purpose::Haplotypes, id, 0),
            settings.demography,
            &population_of_leaf,
            settings.length_bp,
            settings.n_sites.map(share),
            settings.multiallelic_share,
        );
        let design = Design {
            indel_share: settings.indel_share,
            shift_indels: settings.shift_indels,
            repeat_share: settings.repeat_share,
        };
        SiteSource {
            haplotypes,
            haplotype_of_leaf,
            designer: AlleleDesigner::new(stream(settings.seed, Purpose::Alleles, id, 0), design),
            reference,
            overlap_share: settings.overlap_share,
            overlaps: stream(settings.seed, Purpose::Overlaps, id, 0),
            ahead: VecDeque::new(),
            at_end: false,
        }
    }

    /// Draws until there are `n` sites ahead, or the contig ends.
    fn look_ahead(&mut self, n: usize) {
        while self.ahead.len() < n && !self.at_end {
            let Some(mut raw) = self.haplotypes.next_site() else {
                self.at_end = true;
                return;
            };
            for (leaf, _) in &mut raw.carriers {
                *leaf = self.haplotype_of_leaf[*leaf as usize];
            }
            self.ahead.push_back(Ahead { raw, spanned: Vec::new(), spanned_to: 0 });
        }
    }

    fn next_site(&mut self) -> Option<Site> {
        self.look_ahead(2);
        let Ahead { raw, spanned, spanned_to } = self.ahead.pop_front()?;
        let next = self.ahead.front().map_or(self.reference.len() as u64, |next| next.raw.position);
        if !spanned.is_empty() {
            let mut site = self.designer.design(self.reference, raw, next.min(spanned_to));
            site.span(&spanned);
            if self.ahead.front().is_none_or(|next| next.spanned.is_empty()) {
                self.designer.reserve(spanned_to);
            }
            return Some(site);
        }
        if self.overlap_share > 0.0
            && self.overlaps.random_bool(self.overlap_share)
            && let Some(site) = self.spanning_deletion(&raw)
        {
            return Some(site);
        }
        Some(self.designer.design(self.reference, raw, next))
    }

    /// A deletion at `raw` over the next sites, as many as keep a carrier of each allele without its haplotypes.
    fn spanning_deletion(&mut self, raw: &RawSite) -> Option<Site> {
        self.look_ahead(MAX_SPANNED_SITES + 1);
        let deleted: Vec<u32> = raw.carriers.iter().map(|carrier| carrier.0).collect();
        let survives = |ahead: &Ahead| {
            let left = |allele| ahead.raw.carriers.iter().any(|(h, a)| *a == allele && !deleted.contains(h));
            (1..=ahead.raw.n_alts as u8).all(left)
        };
        let n_inside = self.ahead.iter().take(MAX_SPANNED_SITES).take_while(|ahead| survives(ahead)).count();
        let last = self.ahead.get(n_inside.checked_sub(1)?)?.raw.position;
        // room for an indel at the last site, but not for the one behind
        let behind = self.ahead.get(n_inside).map_or(self.reference.len() as u64, |ahead| ahead.raw.position);
        let end = (last + 12).min(behind);
        if end < last + 3 {
            return None;
        }
        let site = self.designer.spanning_deletion(self.reference, raw, (end - raw.position) as usize - 1)?;
        // left-aligned it may end earlier: a site is inside with its neighbours, or behind
        let end = site.end();
        let n_inside = self.ahead.iter().take(n_inside).take_while(|ahead| ahead.raw.position + 2 < end).count();
        if self.ahead.get(n_inside).is_some_and(|ahead| ahead.raw.position < end) {
            return None;
        }
        for ahead in self.ahead.iter_mut().take(n_inside) {
            ahead.raw.carriers.retain(|(haplotype, _)| !deleted.contains(haplotype));
            (ahead.spanned, ahead.spanned_to) = (deleted.clone(), end);
        }
        if n_inside == 0 {
            self.designer.reserve(end);
        }
        Some(site)
    }

    /// Up to `n_chunks` chunks of up to `n_sites` sites; empty at the end.
    pub(super) fn batch(&mut self, n_chunks: usize, n_sites: usize) -> Vec<Vec<Site>> {
        let mut chunk = || (0..n_sites).map_while(|_| self.next_site()).collect::<Vec<_>>();
        (0..n_chunks).map(|_| chunk()).take_while(|chunk| !chunk.is_empty()).collect()
    }
}
