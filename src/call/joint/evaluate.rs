//! Which alleles of a site are real: frequencies, QUAL and AQ from the likelihoods of all samples.

use super::census::BlockClass;
use super::frequency::{Class, Model, estimate, qualities};
use super::likelihood::Likelihoods;
use super::reason::Reason;
use super::record::AlleleTable;
use super::settings::JointSettings;
use super::site::{SampleCall, SiteAlleles};
use crate::alleles::is_bases;
use std::collections::BTreeSet;

/// Largest AQ.
pub const MAX_AQ: u32 = 9_999;

/// What is known about one alternate allele.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AlleleQuality {
    /// -10 log10 of the probability that no sample has the allele.
    pub qual: f64,
    /// Largest phred-scaled likelihood ratio of the best genotype with the allele against the best without it.
    pub aq: u32,
    /// Sum of PL of the reference genotype over the carriers.
    pub qual_approx: u64,
    /// Called copies.
    pub ac: u32,
    /// Estimated frequency.
    pub frequency: f64,
}

/// A site with its samples, evaluated.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// -10 log10 of the probability that no sample has anything but REF and `*`.
    pub site_qual: f64,
    /// Per allele of the site, REF first; the last is `*`, all zero where no record names it.
    pub alleles: Vec<AlleleQuality>,
    /// The estimate did not settle within the rounds allowed.
    pub unsettled: bool,
}

/// Evaluates a site from the samples with records (`calls`) and the classes of the others.
pub fn evaluate(
    site: &SiteAlleles,
    table: &AlleleTable,
    calls: &[SampleCall],
    blocks: &[(BlockClass, u32)],
    settings: &JointSettings,
) -> Evaluated {
    let deleted = site.deleted();
    let included = included(site, calls, settings);
    let pseudo_counts = pseudo_counts(site, table, &included, settings);
    let classes = classes(calls, blocks, &included, settings);
    let model = Model {
        pseudo_counts: &pseudo_counts,
        spanning_deletion: included.binary_search(&deleted).ok().map(|place| place as u16),
        tolerance: settings.em_tolerance,
        max_iterations: settings.em_iterations,
    };
    let frequencies = estimate(&classes, &model);
    let quality = qualities(&classes, &frequencies, &model);
    let mut alleles = vec![AlleleQuality::default(); usize::from(deleted) + 1];
    for (place, &allele) in included.iter().enumerate() {
        alleles[usize::from(allele)].frequency = frequencies.frequency[place];
        alleles[usize::from(allele)].qual = quality.allele[place];
    }
    for call in calls {
        add_call(call, &mut alleles);
    }
    Evaluated { site_qual: quality.site, alleles, unsettled: !frequencies.converged }
}

/// The alleles of the site that are evaluated, ascending: REF, the alternates, and `*` where a record names it.
fn included(site: &SiteAlleles, calls: &[SampleCall], settings: &JointSettings) -> Vec<u16> {
    let deleted = site.deleted();
    let likelihoods = || calls.iter().filter_map(|call| call.likelihoods.as_ref());
    let names_deleted = likelihoods().any(|likelihoods| likelihoods.alleles.last() == Some(&deleted));
    let mut included: Vec<u16> = (0..deleted + u16::from(names_deleted)).collect();
    let most = settings.max_alternate_alleles;
    if most == 0 || included.len() - 1 <= most {
        return included;
    }
    // how much the most likely genotype of each sample that has the allele speaks against the reference
    let mut weight = vec![0u64; included.len()];
    for likelihoods in likelihoods() {
        for allele in likelihoods.best(false).0.into_iter().collect::<BTreeSet<u16>>() {
            weight[usize::from(allele)] += u64::from(likelihoods.pl[0]);
        }
    }
    included[1..].sort_by_key(|&allele| std::cmp::Reverse(weight[usize::from(allele)]));
    included.truncate(most + 1);
    included.sort_unstable();
    included
}

fn add_call(call: &SampleCall, alleles: &mut [AlleleQuality]) {
    for (index, allele) in alleles.iter_mut().enumerate().skip(1) {
        let copies = call.gt.alleles.iter().filter(|&&copy| copy == index as i32).count() as u32;
        let Some(likelihoods) = call.likelihoods.as_ref().filter(|_| call.reason.is_none()) else { continue };
        allele.ac += copies;
        if copies > 0 {
            allele.qual_approx += u64::from(likelihoods.pl[0]);
        }
        if likelihoods.alleles.contains(&(index as u16)) {
            allele.aq = allele.aq.max(likelihoods.allele_quality(index as u16)).min(MAX_AQ);
        }
    }
}

/// Pseudo-count of each allele: one base for one base (of the site's REF) counts as SNV, anything else as indel.
fn pseudo_counts(site: &SiteAlleles, table: &AlleleTable, included: &[u16], settings: &JointSettings) -> Vec<f64> {
    let [reference, snv, indel] = settings.pseudo_counts();
    let of_alt = |alt: u32| {
        let allele = table.get(alt);
        let same_length = allele.ref_allele.len() == allele.alt_allele.len() && is_bases(&allele.alt_allele);
        if same_length { snv } else { indel }
    };
    let deleted = if site.ref_allele.len() == 1 { snv } else { indel };
    let of_allele = |&allele: &u16| match usize::from(allele) {
        0 => reference,
        place if place <= site.alts.len() => of_alt(site.alts[place - 1]),
        _ => deleted,
    };
    included.iter().map(of_allele).collect()
}

/// The samples whose likelihoods count, over places in `included`, put together where they are the same, in the order of
/// their values.
fn classes(
    calls: &[SampleCall],
    blocks: &[(BlockClass, u32)],
    included: &[u16],
    settings: &JointSettings,
) -> Vec<Class> {
    let counts = |reason: Option<Reason>, flat: bool| match reason {
        _ if flat => settings.flat_likelihoods_count,
        None => true,
        // a GQ below what is asked for does not take the likelihoods away
        Some(Reason::Quality | Reason::Depth) => true,
        Some(_) => false,
    };
    let of_calls = calls.iter().filter_map(|call| {
        let likelihoods = call.likelihoods.as_ref()?;
        counts(call.reason, likelihoods.is_flat()).then(|| (likelihoods.renamed(included), 1u64))
    });
    let of_blocks = blocks.iter().filter_map(|(class, n)| {
        let likelihoods = block_likelihoods(class)?;
        counts(class.reason, likelihoods.is_flat()).then_some((likelihoods, u64::from(*n)))
    });
    let mut found: Vec<(Likelihoods, u64)> = of_calls.chain(of_blocks).collect();
    found.sort_unstable();
    let mut classes: Vec<Class> = Vec::with_capacity(found.len());
    for (likelihoods, n) in found {
        match classes.last_mut().filter(|last| last.likelihoods == likelihoods) {
            Some(last) => last.n += n,
            None => classes.push(Class { likelihoods, n }),
        }
    }
    classes
}

/// Likelihoods of a block over the reference and anything else.
pub fn block_likelihoods(class: &BlockClass) -> Option<Likelihoods> {
    let [none, one, two] = class.pl?;
    let pl = match class.ploidy {
        1 => vec![none, two],
        2 => vec![none, one, two],
        _ => return None,
    };
    Some(Likelihoods { ploidy: class.ploidy, alleles: vec![0], pl })
}
