//! One gVCF per sample, in the style of a caller: variants, and blocks of reference bases banded by GQ. Half of the gaps
//! in coverage are blocks with depth 0, the others have no record at all.
//!
//! Under a deletion that a sample is called with it has no blocks, and other variants only where reads show one: with `*`
//! for the deleted copy in the styles that know it.

mod artefacts;
mod style;

pub use style::Dialect;

use super::random::{Purpose, Stream, hash};
use super::reads::{Call, Costs, MAX_ALLELES, Place, ReadModel, Reads};
use super::sites::Site;
use super::{Cohort, GvcfSettings};
use artefacts::Artefact;
use std::io::{self, Write};
use std::iter::Peekable;
use style::{Block, Variant};

/// An alternate allele with fewer reads is not worth a record, unless it is called.
const MIN_ALT_READS: u32 = 2;

/// What all gVCFs of a cohort need: the sites, and who differs from the reference where.
/// Memory: one site, and 8 bytes for each sample that carries it.
#[derive(Default)]
pub struct Evidence {
    sites: Vec<(usize, Site)>,
    /// Per sample: index into `sites`, alleles of the two haplotypes.
    carried: Vec<Vec<(u32, [u8; 2])>>,
    artefacts: Vec<(usize, Artefact)>,
}

impl Evidence {
    /// For `n_samples`, without sites.
    pub fn new(n_samples: usize) -> Self {
        Evidence { carried: vec![Vec::new(); n_samples], ..Evidence::default() }
    }

    /// Adds the next site of contig `contig_id`.
    pub fn push(&mut self, contig_id: usize, mut site: Site) {
        let rank = self.sites.len() as u32;
        for (haplotype, allele) in std::mem::take(&mut site.carriers) {
            let carried = &mut self.carried[haplotype as usize / 2];
            if carried.last().is_none_or(|last| last.0 != rank) {
                carried.push((rank, [0; 2]));
            }
            if let Some(last) = carried.last_mut() {
                last.1[haplotype as usize % 2] = allele;
            }
        }
        self.sites.push((contig_id, site));
    }

    /// Adds places of a complete contig where reads show an allele that nobody has, on a share of `rate` of its bases.
    pub fn add_artefacts(&mut self, contig_id: usize, reference: &[u8], random: Stream, rate: f64) {
        let first = self.sites.partition_point(|(of, _)| *of < contig_id);
        let sites = self.sites[first..].iter().map(|(_, site)| site);
        let found = artefacts::draw(reference, sites, random, rate);
        self.artefacts.extend(found.into_iter().map(|artefact| (contig_id, artefact)));
    }
}

/// What gVCFs are written from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The cohort.
    pub cohort: &'a Cohort,
    /// The reads.
    pub model: &'a ReadModel,
    /// The sites.
    pub evidence: &'a Evidence,
    /// Bases of all contigs.
    pub references: &'a [Vec<u8>],
    /// How to write.
    pub style: GvcfSettings,
}

/// Writes the gVCF of `sample` to `out`: all contigs in their order.
pub fn write(source: &Source, sample: usize, out: &mut impl Write) -> io::Result<()> {
    let Source { cohort, evidence, .. } = *source;
    out.write_all(style::header(cohort, &cohort.samples[sample], source.style).as_bytes())?;
    let mut carried = evidence.carried[sample].iter().peekable();
    let mut sites = evidence.sites.iter().enumerate().peekable();
    let mut artefacts = evidence.artefacts.iter().peekable();
    for contig_id in 0..cohort.contigs.len() {
        let mut walk = Walk::new(source, cohort.place(contig_id, sample));
        while let Some((rank, (_, site))) = sites.next_if(|(_, (of, _))| *of == contig_id) {
            let alleles = carried.next_if(|(at, _)| *at as usize == rank).map_or([0; 2], |(_, alleles)| *alleles);
            walk.artefacts_before(&mut artefacts, site.start);
            walk.site(site, alleles);
            out.write_all(&walk.text)?;
            walk.text.clear();
        }
        walk.artefacts_before(&mut artefacts, u64::MAX);
        walk.finish();
        out.write_all(&walk.text)?;
    }
    Ok(())
}

/// A deletion that the sample is called with.
#[derive(Clone, Copy, Default)]
struct Deleted {
    end: u64,
    n_copies: u32,
}

/// One sample on its way along one contig.
struct Walk<'a> {
    source: &'a Source<'a>,
    reference: &'a [u8],
    place: Place,
    costs: Costs,
    writes_shifted: bool,
    block: Option<Block>,
    /// Everything to the left is written.
    done: u64,
    deleted: Deleted,
    text: Vec<u8>,
}

impl<'a> Walk<'a> {
    fn new(source: &'a Source<'a>, place: Place) -> Walk<'a> {
        let spelling = hash(source.cohort.seed, Purpose::Spelling, place.sample as u64, 0);
        Walk {
            source,
            reference: &source.references[place.contig_id],
            place,
            costs: Costs::default(),
            writes_shifted: spelling & 1 == 1,
            block: None,
            done: 0,
            deleted: Deleted::default(),
            text: Vec::new(),
        }
    }

    /// A site of the cohort, of which the haplotypes have `alleles`.
    fn site(&mut self, site: &Site, alleles: [u8; 2]) {
        if self.place.ploidy == 0 {
            return;
        }
        let alleles = if self.place.ploidy == 1 { [alleles[0]; 2] } else { alleles };
        let mut reads = self.source.model.reads(self.place, site, alleles);
        if site.start < self.deleted.end {
            return self.site_under_deletion(site, reads);
        }
        let n_alleles = site.spanned().unwrap_or(site.alleles.len());
        // the deletion was not called: its reads say nothing here
        reads.dp -= reads.ad[n_alleles..].iter().sum::<u32>();
        reads.ad[n_alleles..].fill(0);
        let ad = &reads.ad[..n_alleles];
        let call = Call::new(ad, self.place.ploidy, &self.costs);
        if call.gt != [0; 2] || ad[1..].iter().any(|reads| *reads >= MIN_ALT_READS) {
            let kept = (1..n_alleles).filter(|&i| ad[i] >= MIN_ALT_READS || call.copies(i as u8) > 0).collect();
            self.record(site, &reads, kept);
        } else if site.alleles[0].len() == 1 && site.is_substitution() && reads.dp > 0 {
            self.reference_bases(site.start);
            let others: u32 = ad[1..].iter().sum();
            let call = Call::new(&[reads.dp - others, others], self.place.ploidy, &self.costs);
            self.bases(site.start, 1, reads.dp, &call);
            self.done = site.start + 1;
        }
    }

    /// A site inside a deletion of this sample: a record only if reads show an alternate.
    fn site_under_deletion(&mut self, site: &Site, mut reads: Reads) {
        let n_alleles = site.spanned().unwrap_or(site.alleles.len());
        let mut kept: Vec<usize> = (1..n_alleles).filter(|&i| reads.ad[i] >= MIN_ALT_READS).collect();
        if kept.is_empty() {
            return;
        }
        let mut ploidy = self.place.ploidy;
        if self.source.style.dialect.knows_spanned() {
            kept.extend(site.spanned());
        } else {
            reads.dp -= reads.ad[n_alleles..].iter().sum::<u32>();
            if self.source.style.dialect.counts_copies_under_deletions() {
                ploidy = ploidy.saturating_sub(self.deleted.n_copies as u8);
            }
        }
        if ploidy > 0 {
            self.variant(site, &reads, &kept, ploidy);
        }
    }

    /// A record outside of deletions, with the bases in front of it; bases alone in styles that drop what is not called.
    fn record(&mut self, site: &Site, reads: &Reads, kept: Vec<usize>) {
        let ad: Vec<u32> = [0].iter().chain(&kept).map(|&i| reads.ad[i]).chain([0]).collect();
        let call = Call::new(&ad, self.place.ploidy, &self.costs);
        if call.gt == [0; 2] && self.source.style.dialect.drops_uncalled() {
            self.reference_bases(site.start);
            self.bases(site.start, site.alleles[0].len() as u64, reads.dp, &call);
            self.done = site.end();
            return;
        }
        let start = self.spelling(site).0;
        self.reference_bases(start);
        self.end_block();
        self.done = self.variant(site, reads, &kept, self.place.ploidy);
    }

    /// Start and alleles as this sample writes them.
    fn spelling<'s>(&self, site: &'s Site) -> (u64, &'s [Vec<u8>]) {
        match &site.shifted {
            Some(shifted) if self.writes_shifted => (shifted.start, &shifted.alleles),
            _ => (site.start, &site.alleles),
        }
    }

    /// A record with the alleles `kept` of the site. Returns where its REF ends.
    fn variant(&mut self, site: &Site, reads: &Reads, kept: &[usize], ploidy: u8) -> u64 {
        let (start, alleles) = self.spelling(site);
        let mut alleles: Vec<&[u8]> = [0].iter().chain(kept).map(|&i| alleles[i].as_slice()).collect();
        trim_end(&mut alleles);
        let mut ad = [0; MAX_ALLELES];
        ad[0] = reads.ad[0];
        kept.iter().enumerate().for_each(|(rank, allele)| ad[rank + 1] = reads.ad[*allele]);
        let n_unseen = usize::from(self.source.style.dialect.has_unseen());
        let ad = &ad[..alleles.len() + n_unseen];
        let call = Call::new(ad, ploidy, &self.costs);

        let end = start + alleles[0].len() as u64;
        let shorter = |allele: &&[u8]| allele.len() < alleles[0].len();
        let n_copies = (1..alleles.len()).filter(|&i| shorter(&alleles[i])).map(|i| call.copies(i as u8)).sum();
        if n_copies > 0 && end > self.deleted.end {
            self.deleted = Deleted { end, n_copies };
        }
        let contig = &self.source.cohort.contigs[self.place.contig_id];
        let variant = Variant { contig, start, alleles, ad, call, dp: reads.dp, forward: reads.forward };
        self.source.style.dialect.push_variant(&mut self.text, &variant);
        end
    }

    /// Places left of `start` where reads are wrong.
    fn artefacts_before(&mut self, artefacts: &mut Peekable<std::slice::Iter<(usize, Artefact)>>, start: u64) {
        let is_next = |(contig_id, artefact): &&(usize, Artefact)| {
            *contig_id == self.place.contig_id && artefact.site.start < start
        };
        let found: Vec<&Artefact> = std::iter::from_fn(|| artefacts.next_if(is_next)).map(|(_, found)| found).collect();
        for Artefact { site, errors } in found {
            let reads = self.source.model.reads_with_errors(self.place, site.start, errors);
            let kept: Vec<usize> = (1..site.alleles.len()).filter(|&i| reads.ad[i] >= MIN_ALT_READS).collect();
            if !kept.is_empty() {
                let usual = std::mem::replace(&mut self.costs, Costs::with_error_rate(errors.rate));
                self.record(site, &reads, kept);
                self.costs = usual;
            }
        }
    }

    fn finish(&mut self) {
        self.reference_bases(self.reference.len() as u64);
        self.end_block();
    }

    /// Reference bases from what is done to `end`, in pieces of one depth.
    fn reference_bases(&mut self, end: u64) {
        let (model, place) = (self.source.model, self.place);
        while self.done < end {
            let at = self.done;
            let next = model.segment_end(place.sample, at).min(end);
            let depth = model.depth(place, at).or_else(|| model.gap_is_reported(place, at).then_some(0));
            match depth {
                Some(depth) => {
                    let call = Call::new(&[depth, 0], place.ploidy, &Costs::default());
                    self.bases(at, next - at, depth, &call);
                }
                None => self.end_block(),
            }
            self.done = next;
        }
    }

    /// Adds `n_bases` bases to the block, or begins a new one where the band changes.
    fn bases(&mut self, start: u64, n_bases: u64, depth: u32, call: &Call) {
        if self.source.style.base_pair {
            let one = |start| Block::new(start, depth, 1, call, 0);
            return (start..start + n_bases).for_each(|at| self.push_block(one(at)));
        }
        let band = self.source.style.dialect.band(call.gq);
        match self.block.as_mut().filter(|block| block.continues(start, band)) {
            Some(block) => block.add(depth, n_bases, call),
            None => {
                self.end_block();
                self.block = Some(Block::new(start, depth, n_bases, call, band));
            }
        }
    }

    fn end_block(&mut self) {
        if let Some(block) = self.block.take() {
            self.push_block(block);
        }
    }

    fn push_block(&mut self, block: Block) {
        let contig = &self.source.cohort.contigs[self.place.contig_id];
        let base = self.reference[block.start as usize];
        self.source.style.dialect.push_block(&mut self.text, contig, base, block, self.source.style.base_pair);
    }
}

/// Takes bases off the end while all alleles share them and keep one.
fn trim_end(alleles: &mut [&[u8]]) {
    while alleles.iter().all(|allele| allele.len() > 1 && allele.last() == alleles[0].last()) {
        alleles.iter_mut().for_each(|allele| *allele = &allele[..allele.len() - 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::FormatFields;
    use crate::simulate::copies::Copies;
    use crate::simulate::reads::ReadSettings;

    fn text_of(length_bp: u64) -> (Vec<u8>, String) {
        let cohort = Cohort {
            seed: 4,
            contigs: vec!["chr1".into()],
            length_bp,
            samples: vec!["S1".into(), "S2".into()],
            format: FormatFields::Full,
            missing: 0.0,
            copies: vec![Copies::Autosome],
            female: vec![true, true],
        };
        let reference = crate::simulate::reference::bases(4, 0, length_bp);
        let mut evidence = Evidence::new(2);
        for rank in 1..length_bp / 500 {
            let start = rank * 500;
            let found = reference[start as usize..start as usize + 3].to_vec();
            let alleles = vec![found.clone(), found[..1].to_vec(), vec![found[0], found[2]]];
            evidence.push(0, Site { start, alleles, carriers: vec![(0, 1), (2, 2)], shifted: None });
        }
        let model = ReadModel::new(4, ReadSettings::even(2, 30.0));
        let mut out = Vec::new();
        let references = std::slice::from_ref(&reference);
        let style = GvcfSettings::default();
        write(&Source { cohort: &cohort, model: &model, evidence: &evidence, references, style }, 1, &mut out).unwrap();
        (reference, String::from_utf8(out).unwrap())
    }

    #[test]
    fn records_cover_every_base_once_but_for_gaps() {
        let (reference, text) = text_of(100_000);
        let mut end = 0;
        let mut n_missing = 0;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<&str> = line.split('\t').collect();
            let start = columns[1].parse::<usize>().unwrap() - 1;
            assert!(start >= end, "{line}");
            n_missing += start - end;
            assert_eq!(reference[start..start + columns[3].len()], *columns[3].as_bytes());
            end = match columns[7].strip_prefix("END=") {
                Some(end) => end.parse().unwrap(),
                None => start + columns[3].len(),
            };
            let n_alleles = columns[4].split(',').count() + 1;
            let values: Vec<&str> = columns[9].split(':').collect();
            let pl = columns[8].split(':').position(|key| key == "PL").unwrap();
            assert_eq!(values[pl].split(',').count(), n_alleles * (n_alleles + 1) / 2, "{line}");
        }
        assert!(end <= reference.len());
        assert!(n_missing < 2_000, "{n_missing} bases without record");
    }

    #[test]
    fn a_deletion_of_the_cohort_is_trimmed_to_what_the_sample_has() {
        let (_, text) = text_of(20_000);
        let variants = text.lines().filter(|line| !line.starts_with('#') && !line.contains("END="));
        let lengths: Vec<(usize, usize)> = variants
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .map(|columns| (columns[3].len(), columns[4].split(',').next().unwrap().len()))
            .collect();
        assert!(lengths.iter().filter(|lengths| **lengths == (2, 1)).count() > 30, "{lengths:?}");
    }
}
