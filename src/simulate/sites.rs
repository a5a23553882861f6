//! REF and ALT of a site: SNVs, MNVs, insertions, deletions, several alleles at a time; normalised by construction.
//!
//! Sites do not overlap: each one gets the bases from the end of the site before it to the start of the one after it.
//! What finds no room there becomes an SNV, so that as many sites are written as were planned. On request some deletions
//! reach over the sites behind them: those lie inside, and there the haplotypes with the deletion carry `*`.

use super::haplotypes::RawSite;
use super::random::{Stream, geometric};
use rand::Rng;
use rand::seq::SliceRandom;

/// Longest inserted or deleted sequence.
const MAX_INDEL_BASES: usize = 40;

/// Share of MNVs (two changed bases in one record) among the sites that are no indels.
const MNV_SHARE: f64 = 0.005;

/// Share of transitions among SNVs: ti/tv is about 2.1, as in human genomes.
const TRANSITION_SHARE: f64 = 0.68;

/// Share of indels that copy or remove bases of the neighbourhood; the others insert random bases.
const COPY_SHARE: f64 = 0.7;

/// How far right of its position an indel looks for a repeat, in bp.
const REPEAT_SEARCH_BP: u64 = 300;

/// Least bases of a repeat that indels are placed in.
const MIN_REPEAT_BASES: usize = 6;

/// Longest deletion that reaches over other sites.
const MAX_SPANNING_BASES: u64 = 400;

/// The allele of a haplotype that a deletion has taken the site from (VCF 4.3 § 1.6.1.5).
pub const SPANNED: &[u8] = b"*";

/// A site with letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// 0-based position of the first base of REF.
    pub start: u64,
    /// REF, then the alternate alleles; last of them [`SPANNED`] where a deletion of others reaches over the site.
    pub alleles: Vec<Vec<u8>>,
    /// Haplotypes that are not reference, with their allele.
    pub carriers: Vec<(u32, u8)>,
    /// The same alleles as far right as they can be written, where that was asked for and differs.
    pub shifted: Option<Shifted>,
}

/// Alleles at another place that mean the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shifted {
    /// 0-based position of the first base of REF.
    pub start: u64,
    /// REF, then the alternate alleles.
    pub alleles: Vec<Vec<u8>>,
}

impl Shifted {
    /// 0-based position behind the last base of REF.
    pub fn end(&self) -> u64 {
        self.start + self.alleles[0].len() as u64
    }
}

impl Site {
    /// 0-based position behind the last base of REF.
    pub fn end(&self) -> u64 {
        self.start + self.alleles[0].len() as u64
    }

    /// Every alternate allele but `*` has as many bases as REF.
    pub fn is_substitution(&self) -> bool {
        let n_bases = self.alleles[0].len();
        self.alleles.iter().all(|allele| allele.len() == n_bases || allele == SPANNED)
    }

    /// The allele [`SPANNED`], where there is one.
    pub fn spanned(&self) -> Option<usize> {
        self.alleles.last().filter(|allele| *allele == SPANNED).map(|_| self.alleles.len() - 1)
    }

    /// Adds [`SPANNED`], carried by `haplotypes`, which carry nothing else.
    pub fn span(&mut self, haplotypes: &[u32]) {
        let allele = self.alleles.len() as u8;
        self.alleles.push(SPANNED.to_vec());
        if let Some(shifted) = &mut self.shifted {
            shifted.alleles.push(SPANNED.to_vec());
        }
        self.carriers.extend(haplotypes.iter().map(|haplotype| (*haplotype, allele)));
    }
}

/// What kinds of sites there are to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Design {
    /// Share of insertions and deletions.
    pub indel_share: f64,
    /// Fill [`Site::shifted`].
    pub shift_indels: bool,
    /// Share of the indels that are put into a repeat nearby, if there is one.
    pub repeat_share: f64,
}

/// Gives letters to sites that come in order of position.
pub struct AlleleDesigner {
    random: Stream,
    design: Design,
    /// End of the site before.
    free_from: u64,
}

impl AlleleDesigner {
    /// For one contig.
    pub fn new(random: Stream, design: Design) -> Self {
        AlleleDesigner { random, design, free_from: 1 }
    }

    /// No site may begin before `position` any more.
    pub fn reserve(&mut self, position: u64) {
        self.free_from = self.free_from.max(position);
    }

    /// Letters for `raw`; `next` is the position of the site after it.
    pub fn design(&mut self, reference: &[u8], raw: RawSite, next: u64) -> Site {
        let indel = if self.random.random_bool(self.design.indel_share) {
            let position = self.place_of_indel(reference, raw.position, next);
            self.indel(reference, position, next, raw.n_alts)
        } else {
            None
        };
        let (start, alleles) = match indel {
            Some(found) => found,
            None => (raw.position, self.substitution(reference, raw.position as usize, next as usize, raw.n_alts)),
        };
        let mut site = Site { start, alleles, carriers: raw.carriers, shifted: None };
        self.free_from = site.end();
        if self.design.shift_indels && !site.is_substitution() {
            site.shifted = shifted_right(reference, &site, next);
            // The site after it must stay behind it.
            self.free_from = self.free_from.max(site.shifted.as_ref().map_or(0, Shifted::end));
        }
        site
    }

    /// A deletion of about `n_bases` bases behind `position`, left-aligned, that the sites behind it may lie in.
    pub fn spanning_deletion(&mut self, reference: &[u8], raw: &RawSite, n_bases: usize) -> Option<Site> {
        let last = raw.position as usize + 1 + n_bases;
        if raw.n_alts != 1 || n_bases as u64 > MAX_SPANNING_BASES || last > reference.len() {
            return None;
        }
        let (start, _) = Change::Deletion(n_bases).left_aligned(reference, raw.position)?;
        if start < self.free_from {
            return None;
        }
        self.free_from = start + 1;
        let span = reference[start as usize..][..n_bases + 1].to_vec();
        let alleles = vec![span.clone(), span[..1].to_vec()];
        Some(Site { start, alleles, carriers: raw.carriers.clone(), shifted: None })
    }

    /// Where an indel of a site goes: with [`Design::repeat_share`] in front of the next repeat.
    fn place_of_indel(&mut self, reference: &[u8], position: u64, next: u64) -> u64 {
        if self.design.repeat_share <= 0.0 || !self.random.random_bool(self.design.repeat_share) {
            return position;
        }
        let last = next.min(position + REPEAT_SEARCH_BP).min(reference.len() as u64);
        let in_repeat = |anchor: &u64| {
            let behind = &reference[*anchor as usize + 1..];
            repeat_unit(behind).is_some_and(|unit| {
                behind.iter().zip(&behind[unit..]).take_while(|(a, b)| a == b).count() + unit >= MIN_REPEAT_BASES
            })
        };
        (position..last).find(in_repeat).unwrap_or(position)
    }

    /// An SNV with `n_alts` alleles, sometimes an MNV.
    fn substitution(&mut self, reference: &[u8], position: usize, next: usize, n_alts: usize) -> Vec<Vec<u8>> {
        if n_alts == 1 && position + 2 < next && self.random.random_bool(MNV_SHARE) {
            let found = reference[position..position + 2].to_vec();
            let changed = found.iter().map(|base| self.other_bases(*base)[0]).collect();
            return vec![found, changed];
        }
        let found = reference[position];
        let others = self.other_bases(found);
        std::iter::once(vec![found]).chain(others[..n_alts].iter().map(|base| vec![*base])).collect()
    }

    /// The three other bases, the transition first with its share.
    fn other_bases(&mut self, base: u8) -> [u8; 3] {
        let (transition, mut transversions) = match base {
            b'A' => (b'G', [b'C', b'T']),
            b'G' => (b'A', [b'C', b'T']),
            b'C' => (b'T', [b'A', b'G']),
            _ => (b'C', [b'A', b'G']),
        };
        transversions.shuffle(&mut self.random);
        let [one, two] = transversions;
        if self.random.random_bool(TRANSITION_SHARE) { [transition, one, two] } else { [one, transition, two] }
    }

    /// An indel near `position` with `n_alts` alleles at one anchor base, each of them left-aligned; none if there is no room.
    fn indel(&mut self, reference: &[u8], position: u64, next: u64, n_alts: usize) -> Option<(u64, Vec<Vec<u8>>)> {
        let first = self.change(reference, position);
        let (anchor, first) = first.left_aligned(reference, position)?;
        if anchor < self.free_from {
            return None;
        }
        let mut changes = vec![first];
        for _ in 0..30 {
            if changes.len() == n_alts {
                break;
            }
            let change = self.change(reference, anchor);
            let aligned = change.left_aligned(reference, anchor);
            if aligned.as_ref().is_some_and(|(at, change)| *at == anchor && !changes.contains(change)) {
                changes.push(change);
            }
        }
        let n_deleted = changes.iter().map(Change::n_deleted).max().unwrap_or(0);
        let end = anchor + 1 + n_deleted as u64;
        // The copied bases behind the anchor stay inside too, so that no other site changes what this one means.
        if changes.len() < n_alts || end > next || end as usize > reference.len() {
            return None;
        }
        let span = &reference[anchor as usize..end as usize];
        let alleles = changes.iter().map(|change| change.applied_to(span));
        Some((anchor, std::iter::once(span.to_vec()).chain(alleles).collect()))
    }

    /// A deletion or an insertion directly behind the base at `anchor`.
    fn change(&mut self, reference: &[u8], anchor: u64) -> Change {
        let behind = &reference[anchor as usize + 1..];
        let n_bases = match repeat_unit(behind) {
            Some(unit) => unit * geometric(&mut self.random, 0.4, 4),
            None => geometric(&mut self.random, 0.6, MAX_INDEL_BASES),
        };
        let n_bases = n_bases.min(behind.len());
        if self.random.random_bool(0.55) {
            return Change::Deletion(n_bases);
        }
        if self.random.random_bool(COPY_SHARE) {
            return Change::Insertion(behind[..n_bases].to_vec());
        }
        Change::Insertion((0..n_bases).map(|_| b"ACGT"[self.random.random_range(0..4)]).collect())
    }
}

/// `site` as far right as its alleles can be written with REF ending before `limit`; none where that is where it is.
fn shifted_right(reference: &[u8], site: &Site, limit: u64) -> Option<Shifted> {
    let mut shifted = Shifted { start: site.start, alleles: site.alleles.clone() };
    while let Some(next) = reference.get(shifted.end() as usize).filter(|_| shifted.end() < limit) {
        let second = |allele: &Vec<u8>| *allele.get(1).unwrap_or(next);
        let anchor = second(&shifted.alleles[0]);
        if shifted.alleles.iter().any(|allele| second(allele) != anchor) {
            break;
        }
        for allele in &mut shifted.alleles {
            allele.remove(0);
            allele.push(*next);
        }
        shifted.start += 1;
    }
    (shifted.start != site.start).then_some(shifted)
}

/// What happens behind an anchor base.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Deletion(usize),
    Insertion(Vec<u8>),
}

impl Change {
    fn n_deleted(&self) -> usize {
        match self {
            Change::Deletion(n_bases) => *n_bases,
            Change::Insertion(_) => 0,
        }
    }

    /// The anchor and the change as far left as the same sequence can be written; none at the start of the contig.
    fn left_aligned(&self, reference: &[u8], anchor: u64) -> Option<(u64, Change)> {
        let mut at = anchor as usize;
        match self {
            Change::Deletion(n_bases) => {
                while reference.get(at)? == reference.get(at + n_bases)? {
                    at = at.checked_sub(1)?;
                }
                Some((at as u64, self.clone()))
            }
            Change::Insertion(bases) => {
                let mut bases = bases.clone();
                while *bases.last()? == reference[at] {
                    bases.rotate_right(1);
                    at = at.checked_sub(1)?;
                }
                Some((at as u64, Change::Insertion(bases)))
            }
        }
    }

    /// The bases of `span` (anchor first) after the change.
    fn applied_to(&self, span: &[u8]) -> Vec<u8> {
        match self {
            Change::Deletion(n_bases) => [&span[..1], &span[1 + n_bases..]].concat(),
            Change::Insertion(bases) => [&span[..1], bases, &span[1..]].concat(),
        }
    }
}

/// Length of the unit (1 to 6) of which at least three copies follow.
fn repeat_unit(bases: &[u8]) -> Option<usize> {
    (1..=6).find(|unit| bases.len() >= 3 * unit && bases[*unit..3 * unit] == bases[..2 * unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::random::{Purpose, stream};
    use crate::simulate::reference;

    fn designed(n_alts: usize) -> (Vec<u8>, Vec<Site>) {
        designed_in_repeats(n_alts, 0.0)
    }

    fn designed_in_repeats(n_alts: usize, repeat_share: f64) -> (Vec<u8>, Vec<Site>) {
        let reference = reference::bases(2, 0, 100_000);
        let mut designer = AlleleDesigner::new(
            stream(2, Purpose::Alleles, 0, 0),
            Design { indel_share: 0.5, shift_indels: true, repeat_share },
        );
        let raw = |position| RawSite { position, n_alts, carriers: Vec::new() };
        let sites =
            (1..1_999).map(|site| designer.design(&reference, raw(site * 50), site * 50 + 50)).collect::<Vec<_>>();
        (reference, sites)
    }

    #[test]
    fn alleles_agree_with_the_reference_and_do_not_overlap() {
        for n_alts in 1..=3 {
            let (reference, sites) = designed(n_alts);
            for site in &sites {
                assert_eq!(site.alleles[0], reference[site.start as usize..site.end() as usize]);
                assert_eq!(site.alleles.len(), n_alts + 1);
                let mut distinct = site.alleles.clone();
                distinct.sort();
                distinct.dedup();
                assert_eq!(distinct.len(), n_alts + 1);
            }
            assert!(sites.is_sorted_by(|a, b| a.end() <= b.start));
        }
    }

    #[test]
    fn alleles_are_trimmed_and_left_aligned() {
        for n_alts in 1..=3 {
            let (_, sites) = designed(n_alts);
            assert!(sites.iter().filter(|site| !site.is_substitution()).count() > 400);
            for site in sites {
                let last: Vec<_> = site.alleles.iter().map(|allele| allele.last()).collect();
                assert!(last.windows(2).any(|pair| pair[0] != pair[1]), "{site:?}");
                let first: Vec<_> = site.alleles.iter().map(|allele| allele.first()).collect();
                let longer = site.alleles.iter().all(|allele| allele.len() > 1);
                assert!(!longer || first.windows(2).any(|pair| pair[0] != pair[1]), "{site:?}");
            }
        }
    }

    #[test]
    fn shifted_alleles_mean_the_same() {
        for n_alts in 1..=3 {
            let (reference, sites) = designed(n_alts);
            let mut n_shifted = 0;
            for (rank, site) in sites.iter().enumerate() {
                let Some(shifted) = &site.shifted else { continue };
                n_shifted += 1;
                let end = shifted.end() as usize;
                assert!(sites.get(rank + 1).is_none_or(|next| end as u64 <= next.start));
                for (allele, moved) in site.alleles.iter().zip(&shifted.alleles) {
                    let written = [allele, &reference[site.end() as usize..end]].concat();
                    let rewritten = [&reference[site.start as usize..shifted.start as usize], moved].concat();
                    assert_eq!(written, rewritten);
                }
            }
            assert!(n_shifted > 50, "{n_shifted} shifted");
        }
    }

    #[test]
    fn some_indels_lie_in_repeats_and_more_on_request() {
        let n_moved = |repeat_share| {
            let (reference, sites) = designed_in_repeats(1, repeat_share);
            n_in_repeats(&reference, &sites)
        };
        let (few, many) = (n_moved(0.0), n_moved(1.0));
        assert!(few > 100 && many > few + 50, "{few}, {many}");
    }

    fn n_in_repeats(reference: &[u8], sites: &[Site]) -> usize {
        let moved = |site: &&Site| {
            let [found, changed] = &site.alleles[..] else { return false };
            let longer = if found.len() > changed.len() { found } else { changed };
            reference.get(site.end() as usize) == longer.get(1) && longer.len() > 1
        };
        sites.iter().filter(moved).count()
    }
}
