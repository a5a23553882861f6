//! One site: its alleles, and what each sample with records there is called.
//!
//! A site is a position with all normalised alleles that start there. Of the records of a sample that cover it, one
//! decides (two, when both call an allele of the site); `docs/methods.md` has the order of precedence. A sample without
//! records there is left to its reference block.

use super::likelihood::{Letter, Likelihoods, from_genotype_and_gq, from_gq, project};
use super::reason::{Reason, Rule};
use super::record::{AlleleTable, Copies, RecordAllele, SampleRecord};
use super::settings::JointSettings;
use crate::genome::genotype::UNKNOWN;

/// The alleles of a site. Allele 0 is the reference, then `alts` in order, then `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteAlleles {
    /// 1-based.
    pub vcf_pos: i32,
    /// Reference bases of the longest allele.
    pub ref_allele: Vec<u8>,
    /// Numbers of the alternate alleles in the shard's table, ordered by (REF, ALT) of their own.
    pub alts: Vec<u32>,
}

impl SiteAlleles {
    /// The site of these alleles, which all start at one position.
    pub fn new(mut alts: Vec<u32>, table: &AlleleTable) -> Self {
        alts.sort_unstable_by(|&a, &b| {
            let (a, b) = (table.get(a), table.get(b));
            (&a.ref_allele, &a.alt_allele).cmp(&(&b.ref_allele, &b.alt_allele))
        });
        let longest = alts.iter().map(|&alt| table.get(alt)).max_by_key(|allele| allele.ref_allele.len());
        SiteAlleles {
            vcf_pos: longest.map_or(0, |allele| allele.vcf_pos),
            ref_allele: longest.map_or_else(Vec::new, |allele| allele.ref_allele.clone()),
            alts,
        }
    }

    /// Number of `*` among the alleles of the site.
    pub fn deleted(&self) -> u16 {
        self.alts.len() as u16 + 1
    }

    /// Number of an alternate allele among the alleles of the site.
    pub fn index_of(&self, alt: u32) -> Option<u16> {
        self.alts.iter().position(|&known| known == alt).map(|place| place as u16 + 1)
    }
}

/// What a sample is called at a site. Alleles are those of the site.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleCall {
    /// Index in the cohort.
    pub sample: u32,
    /// The record that decided: its index in the list given.
    pub record: usize,
    /// Why.
    pub rule: Rule,
    /// Genotype. All copies unknown when `reason` says so.
    pub gt: Copies,
    /// Why the call is missing.
    pub reason: Option<Reason>,
    /// GQ.
    pub gq: Option<u32>,
    /// DP.
    pub dp: Option<u32>,
    /// AD per allele of the site (0 where the record does not name it), or empty.
    pub ad: Vec<u32>,
    /// Over the alleles that the record names.
    pub likelihoods: Option<Likelihoods>,
    /// PS or the position of PID, where the genotype is phased.
    pub phase_set: Option<i32>,
}

impl SampleCall {
    /// The most likely genotype over the alleles of the site that are kept (ascending, 0 first), with likelihoods cut down
    /// to them. No call when they are all the same, or GQ is lower than asked for.
    pub fn from_likelihoods(&self, alleles: &[u16], settings: &JointSettings) -> SampleCall {
        let mut found = self.clone();
        let Some(likelihoods) = &self.likelihoods else { return found };
        let subset = likelihoods.subset(alleles);
        if subset.is_flat() {
            found.reason = Some(Reason::Quality);
        } else {
            let (genotype, gq) = subset.best(subset.alleles.len() < alleles.len());
            let genotype: Vec<i32> = genotype.into_iter().map(i32::from).collect();
            let mut before = self.gt.alleles.clone();
            before.sort_unstable();
            if before != genotype {
                found.gt = Copies { alleles: genotype, phased: false };
                found.phase_set = None;
            }
            let carried = found.gt.alleles.iter().any(|&allele| allele > 0);
            let least_gq = if carried { settings.min_gq_carrier } else { settings.min_gq_reference };
            found.reason = (gq < least_gq).then_some(Reason::Quality);
            found.gq = Some(gq);
        }
        if found.reason.is_some() {
            found.gt = Copies { alleles: vec![UNKNOWN; self.gt.alleles.len()], phased: false };
            found.phase_set = None;
        }
        found.likelihoods = Some(subset);
        found
    }
}

/// How good a record is for deciding; the lowest wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Called with an allele of the site.
    Carrier,
    /// Called, and names an allele of the site.
    Owner,
    /// Called with a deletion over the site.
    Deletion,
    /// Called, names other alleles: the one that starts nearest. Where genotypes were taken out of the file, any record.
    Other,
    /// Called, names no allele: a block that the table of blocks has no place for.
    Block,
    /// Not called.
    NoCall,
}

/// A record of the sample as seen from the site.
struct Seen<'r> {
    index: usize,
    record: &'r SampleRecord,
    letters: Vec<Letter>,
    rank: Rank,
}

impl Seen<'_> {
    /// Whether the record has an allele of the site or deletes its base, or has the base in its REF. Aligned to the left
    /// its alleles may start before it: of the bases between it says nothing.
    fn speaks_at(&self, vcf_pos: i32) -> bool {
        self.rank <= Rank::Deletion || (self.record.vcf_pos..=self.record.end).contains(&vcf_pos)
    }
}

/// Calls a sample from those of its records that cover the site (in order of position and input).
/// `None` when there are none.
pub fn call_sample(
    records: &[(usize, &SampleRecord)],
    site: &SiteAlleles,
    table: &AlleleTable,
    settings: &JointSettings,
) -> Option<SampleCall> {
    let mut seen: Vec<Seen> = records.iter().map(|&(index, record)| see(index, record, site, table)).collect();
    seen.retain(|seen| seen.speaks_at(site.vcf_pos));
    seen.sort_by_key(|seen| (seen.rank, tie_break(seen, site)));
    let first = seen.first()?;
    let mut call = match carriers_together(&seen) {
        Some(pair) => combine(pair, site),
        None => from_record(first, site),
    };
    let carried = call.gt.alleles.iter().any(|&allele| allele > 0);
    let least_gq = if carried { settings.min_gq_carrier } else { settings.min_gq_reference };
    if call.reason.is_none() {
        call.reason = doubt(&call, settings.min_dp, least_gq);
    }
    if call.reason.is_some() {
        call.gt.alleles.fill(UNKNOWN);
        call.gt.phased = false;
        call.phase_set = None;
    }
    Some(call)
}

fn see<'r>(index: usize, record: &'r SampleRecord, site: &SiteAlleles, table: &AlleleTable) -> Seen<'r> {
    let letters: Vec<Letter> = record.alleles.iter().map(|allele| letter(*allele, site, table)).collect();
    let is_alt = |letter: &Letter| matches!(letter, Letter::Site(index) if *index > 0 && *index < site.deleted());
    let owner = letters.iter().any(is_alt);
    let copies = || record.gt.alleles.iter().filter(|&&allele| allele != UNKNOWN).map(|&allele| allele as usize);
    let in_ref = (record.vcf_pos..=record.end).contains(&site.vcf_pos);
    // `*` is about the bases of its own record
    let is_deleted = |allele: usize| {
        letters[allele] == Letter::Site(site.deleted()) && (in_ref || record.alleles[allele] != RecordAllele::Deleted)
    };
    let rank = if !record.gt.is_called() {
        if record.gt_taken_out { Rank::Other } else { Rank::NoCall }
    } else if copies().any(|allele| is_alt(&letters[allele])) {
        Rank::Carrier
    } else if owner {
        Rank::Owner
    } else if copies().any(is_deleted) {
        Rank::Deletion
    } else if record.alts().next().is_some() {
        Rank::Other
    } else {
        Rank::Block
    };
    Seen { index, record, letters, rank }
}

/// What an allele of a record is at a site: itself, deleted, or (anything that happens elsewhere) the reference.
fn letter(allele: RecordAllele, site: &SiteAlleles, table: &AlleleTable) -> Letter {
    match allele {
        RecordAllele::Reference => Letter::Site(0),
        RecordAllele::Unseen => Letter::Unseen,
        RecordAllele::Deleted => Letter::Site(site.deleted()),
        RecordAllele::Alt(number) => match site.index_of(number) {
            Some(index) => Letter::Site(index),
            None if table.get(number).deletes(site.vcf_pos) => Letter::Site(site.deleted()),
            None => Letter::Site(0),
        },
    }
}

/// Among records of one rank: carriers by QUAL, deletions by the likelihood of being homozygous (as GATK does), the
/// others by how near they start.
fn tie_break(seen: &Seen, site: &SiteAlleles) -> (u64, i32, usize) {
    let record = seen.record;
    let by_rank = match seen.rank {
        Rank::Carrier => u64::MAX - record.qual.unwrap_or_default().max(0.0).to_bits(),
        Rank::Deletion => u64::from(homozygous_pl(seen, site.deleted())),
        _ => 0,
    };
    (by_rank, (site.vcf_pos - record.vcf_pos).abs(), seen.index)
}

/// PL of the genotype of one allele alone.
fn homozygous_pl(seen: &Seen, allele: u16) -> u32 {
    let record = seen.record;
    let places = seen.letters.iter().enumerate().filter(|(_, letter)| **letter == Letter::Site(allele));
    let pl = places.filter_map(|(place, _)| {
        let genotype = vec![place as u16; record.gt.alleles.len()];
        record.pl.get(super::genotypes::index(&genotype)).copied()
    });
    pl.min().unwrap_or(u32::MAX)
}

/// Two records that each call an allele of the site, when the sample has copies enough for both.
fn carriers_together<'s, 'r>(seen: &'s [Seen<'r>]) -> Option<[&'s Seen<'r>; 2]> {
    let carriers: Vec<&Seen> = seen.iter().take_while(|seen| seen.rank == Rank::Carrier).take(3).collect();
    let [first, second] = carriers[..] else { return None };
    let alts = |seen: &Seen| -> Vec<Letter> {
        let letters = seen.record.gt.alleles.iter().filter(|&&allele| allele > 0);
        letters.map(|&allele| seen.letters[allele as usize]).filter(|letter| *letter != Letter::Site(0)).collect()
    };
    let (a, b) = (alts(first), alts(second));
    let ploidy = first.record.gt.alleles.len();
    let fits = ploidy == second.record.gt.alleles.len() && a.len() + b.len() <= ploidy;
    (fits && a.iter().all(|letter| !b.contains(letter))).then_some([first, second])
}

fn combine(pair: [&Seen; 2], site: &SiteAlleles) -> SampleCall {
    let mut call = from_record(pair[0], site);
    let other = from_record(pair[1], site);
    let alts = |call: &SampleCall| call.gt.alleles.iter().copied().filter(|&allele| allele > 0).collect::<Vec<i32>>();
    let ploidy = call.gt.alleles.len();
    let mut copies = [alts(&call), alts(&other)].concat();
    copies.resize(ploidy, 0);
    copies.sort_unstable();
    call.gt = Copies { alleles: copies, phased: false };
    call.rule = Rule::CombinedRecords;
    call.phase_set = None;
    call.gq = call.gq.min(other.gq).or(call.gq).or(other.gq);
    call.dp = call.dp.max(other.dp);
    if call.ad.len() == other.ad.len() {
        for (index, (mine, theirs)) in call.ad.iter_mut().zip(&other.ad).enumerate() {
            *mine = if index == 0 { (*mine).min(*theirs) } else { (*mine).max(*theirs) };
        }
    }
    let letters: Vec<Letter> = call.gt.alleles.iter().map(|&allele| Letter::Site(allele as u16)).collect();
    call.likelihoods = Some(from_genotype_and_gq(&letters, call.gq.unwrap_or_default()));
    call
}

fn from_record(seen: &Seen, site: &SiteAlleles) -> SampleCall {
    let record = seen.record;
    let rule = match seen.rank {
        Rank::Carrier | Rank::Owner => Rule::OwnRecord,
        Rank::Deletion => Rule::SpanningDeletion,
        Rank::Other | Rank::Block if record.gt.is_called() => Rule::ReferenceRecord,
        _ => Rule::NoCallRecord,
    };
    let mut gt = Copies { alleles: record.gt.alleles.clone(), phased: record.gt.phased };
    for allele in gt.alleles.iter_mut().filter(|allele| **allele != UNKNOWN) {
        *allele = match seen.letters[*allele as usize] {
            Letter::Site(index) => i32::from(index),
            Letter::Unseen => UNKNOWN,
        };
    }
    let projected = likelihoods(seen);
    let collapsed = has_collapsed(&seen.letters);
    // the record's own GQ is about its own alleles
    let gq = match &projected {
        Some(likelihoods) if collapsed => Some(likelihoods.best(true).1),
        _ => record.gq,
    };
    let mut call = SampleCall {
        sample: record.sample,
        record: seen.index,
        rule,
        reason: (!gt.is_called()).then_some(Reason::InputNoCall),
        phase_set: record.phase_set.filter(|_| gt.phased),
        gt,
        gq,
        dp: record.dp,
        ad: depths(seen, site),
        likelihoods: projected,
    };
    apply_pgt(&mut call, record);
    if call.reason.is_some() && record.gt.is_called() {
        call.reason = Some(Reason::LostAllele);
    }
    call
}

/// Several alleles of the record are one at the site.
fn has_collapsed(letters: &[Letter]) -> bool {
    letters.iter().enumerate().any(|(i, letter)| letters[..i].contains(letter))
}

fn likelihoods(seen: &Seen) -> Option<Likelihoods> {
    let record = seen.record;
    let ploidy = u8::try_from(record.gt.alleles.len()).ok().filter(|&ploidy| ploidy > 0)?;
    if !record.pl.is_empty() {
        return Some(project(&record.pl, ploidy, &seen.letters).likelihoods);
    }
    // GQ 0 alone says nothing at all
    let gq = record.gq.filter(|&gq| gq > 0)?;
    if !record.gt.is_called() {
        return None;
    }
    if record.gt.is_reference() {
        return Some(from_gq(gq, ploidy));
    }
    let copies = record.gt.alleles.iter().map(|&allele| match allele {
        UNKNOWN => Letter::Unseen,
        allele => seen.letters[allele as usize],
    });
    Some(from_genotype_and_gq(&copies.collect::<Vec<Letter>>(), gq))
}

fn depths(seen: &Seen, site: &SiteAlleles) -> Vec<u32> {
    if seen.record.ad.is_empty() {
        return Vec::new();
    }
    let mut ad = vec![0; usize::from(site.deleted()) + 1];
    for (letter, &depth) in seen.letters.iter().zip(&seen.record.ad) {
        if let Letter::Site(index) = letter {
            ad[usize::from(*index)] += depth;
        }
    }
    ad
}

/// Physical phase of GATK (PGT, PID): the order of the two copies of a heterozygous call.
fn apply_pgt(call: &mut SampleCall, record: &SampleRecord) {
    let (Some(alt_first), Some(phase_set)) = (record.pgt_first, record.phase_set) else { return };
    let [first, second] = call.gt.alleles[..] else { return };
    if call.gt.phased || (first == 0) == (second == 0) || first < 0 || second < 0 {
        return;
    }
    let alt = first.max(second);
    call.gt.alleles = if alt_first { vec![alt, 0] } else { vec![0, alt] };
    call.gt.phased = true;
    call.phase_set = Some(phase_set);
}

/// Why a call is not to be trusted.
fn doubt(call: &SampleCall, min_dp: u32, least_gq: u32) -> Option<Reason> {
    if call.dp.is_some_and(|dp| dp < min_dp) {
        return Some(Reason::Depth);
    }
    if !call.ad.is_empty() && min_dp > 0 {
        let called = call.gt.alleles.iter().filter(|&&allele| allele != UNKNOWN);
        let mut alleles: Vec<usize> = called.map(|&allele| allele as usize).collect();
        alleles.dedup();
        let reads: u32 = alleles.iter().map(|&allele| call.ad[allele]).sum();
        let all: u32 = call.ad.iter().sum();
        if reads == 0 && (all > 0 || call.dp == Some(0)) {
            return Some(Reason::Depth);
        }
    }
    let flat = call.likelihoods.as_ref().is_some_and(Likelihoods::is_flat);
    (flat || call.gq.is_some_and(|gq| gq < least_gq)).then_some(Reason::Quality)
}

/// Gives a sample that has one copy by its sex the call of one copy: both copies the same, or no call.
pub fn to_one_copy(call: &mut SampleCall) {
    if call.gt.alleles.len() != 2 {
        return;
    }
    if let Some(likelihoods) = &call.likelihoods
        && likelihoods.ploidy == 2
    {
        call.likelihoods = Some(likelihoods.homozygous_only());
    }
    let same = call.gt.alleles[0] == call.gt.alleles[1];
    let copy = call.gt.alleles[0];
    call.gt = Copies { alleles: vec![if same { copy } else { UNKNOWN }], phased: false };
    call.phase_set = None;
    if !same {
        call.reason = Some(Reason::Sex);
    }
}
