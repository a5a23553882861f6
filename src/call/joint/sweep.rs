//! All samples at one site after the other: records and blocks of a range, swept in the order of sites.

use super::census::{BlockClass, BlockThresholds, Census};
use super::reason::{Reason, Rule};
use super::record::{AlleleTable, Copies, SampleRecord};
use super::settings::JointSettings;
use super::site::{SampleCall, SiteAlleles, call_sample, to_one_copy};
use crate::decode::gvcf::Reading;
use crate::decode::gvcf::evidence::Blocks;
use crate::genome::genotype::UNKNOWN;
use crate::genome::sex::{Sex, SexChromosome};

/// What is known about a cohort before its records are read.
#[derive(Clone, Debug, PartialEq)]
pub struct JointCohort {
    /// Resolved settings.
    pub settings: JointSettings,
    /// How each sample's records are to be read, `[n_samples]`.
    pub readings: Vec<Reading>,
    /// Sex of each sample where it is known, `[n_samples]`.
    pub sexes: Vec<Option<Sex>>,
}

/// Sex groups of [`Census`] and [`GroupCopies`].
fn sex_group(sex: Option<Sex>) -> u8 {
    match sex {
        None => 0,
        Some(Sex::Male) => 1,
        Some(Sex::Female) => 2,
    }
}

/// Copies of a base that the samples of each sex group have; `None`: as their evidence says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCopies([Option<u8>; 3]);

impl GroupCopies {
    /// Of a group.
    pub fn of(&self, sex_group: u8) -> Option<u8> {
        self.0[usize::from(sex_group)]
    }

    fn at(chromosome: Option<SexChromosome>, vcf_pos: i32) -> Self {
        let Some(chromosome) = chromosome else { return GroupCopies::default() };
        let copies = |sex| Some(chromosome.copies(vcf_pos, sex));
        GroupCopies([None, copies(Sex::Male), copies(Sex::Female)])
    }

    /// Whether some group has no copy at all.
    fn leaves_some_out(&self) -> bool {
        self.0.contains(&Some(0))
    }
}

/// A sample at a site.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteSample<'c> {
    /// Index in the cohort.
    pub sample: u32,
    /// Genotype over the alleles of the site.
    pub gt: Copies,
    /// Its records' call; `None`: a block or nothing speaks for it.
    pub call: Option<&'c SampleCall>,
    /// Why it has no call.
    pub reason: Option<Reason>,
    /// DP.
    pub dp: Option<u32>,
    /// GQ.
    pub gq: Option<u32>,
}

/// The records that cover each site, sample by sample.
struct Active<'r> {
    records: &'r [SampleRecord],
    /// Indexes by first base of their reach.
    by_reach: Vec<u32>,
    next: usize,
    active: Vec<u32>,
}

impl<'r> Active<'r> {
    fn new(records: &'r [SampleRecord]) -> Self {
        let mut by_reach: Vec<u32> = (0..records.len() as u32).collect();
        by_reach.sort_by_key(|&i| records[i as usize].reach.0);
        Active { records, by_reach, next: 0, active: Vec::new() }
    }

    /// Records that reach over a base, by sample, then in their own order. Bases must not descend from call to call.
    fn at(&mut self, vcf_pos: i32) -> Vec<(usize, &'r SampleRecord)> {
        let records = self.records;
        self.active.retain(|&i| records[i as usize].reach.1 >= vcf_pos);
        while let Some(&i) = self.by_reach.get(self.next).filter(|&&i| records[i as usize].reach.0 <= vcf_pos) {
            self.next += 1;
            if records[i as usize].reach.1 >= vcf_pos {
                self.active.push(i);
            }
        }
        let mut here: Vec<(usize, &SampleRecord)> =
            self.active.iter().map(|&i| (i as usize, &records[i as usize])).collect();
        here.sort_unstable_by_key(|(index, record)| (record.sample, *index));
        here
    }
}

/// A sweep over the sites of a range of one contig.
pub struct Sweep<'a> {
    cohort: &'a JointCohort,
    table: &'a AlleleTable,
    chromosome: Option<SexChromosome>,
    active: Active<'a>,
    census: Census<'a>,
    copies: GroupCopies,
}

/// What a sweep goes over.
pub struct SweepInput<'a> {
    /// Samples and settings.
    pub cohort: &'a JointCohort,
    /// Records in the order of (position, sample, input).
    pub records: &'a [SampleRecord],
    /// Their alleles.
    pub table: &'a AlleleTable,
    /// Blocks over the range.
    pub blocks: &'a Blocks,
    /// Sex group of each sample ([`sex_groups`]).
    pub sex_groups: &'a [u8],
    /// Where the copies depend on the sex.
    pub chromosome: Option<SexChromosome>,
}

/// Sex group of each sample; empty where copies do not depend on it.
pub fn sex_groups(cohort: &JointCohort, chromosome: Option<SexChromosome>) -> Vec<u8> {
    if chromosome.is_none() || cohort.sexes.iter().all(Option::is_none) {
        return Vec::new();
    }
    cohort.sexes.iter().map(|&sex| sex_group(sex)).collect()
}

impl<'a> Sweep<'a> {
    /// Over sites at these positions, ascending.
    pub fn new(input: &SweepInput<'a>, positions: &[i32]) -> Self {
        let settings = &input.cohort.settings;
        let thresholds = BlockThresholds { min_dp: settings.min_dp, min_gq: settings.min_gq_reference };
        let n_samples = input.cohort.readings.len();
        Sweep {
            cohort: input.cohort,
            table: input.table,
            chromosome: input.chromosome,
            active: Active::new(input.records),
            census: Census::new(input.blocks, n_samples, positions, thresholds, input.sex_groups),
            copies: GroupCopies::default(),
        }
    }

    /// Goes on to a site and calls the samples that have records there, ascending.
    pub fn calls(&mut self, site: &SiteAlleles) -> Vec<SampleCall> {
        self.census.advance(site.vcf_pos);
        self.copies = GroupCopies::at(self.chromosome, site.vcf_pos);
        let here = self.active.at(site.vcf_pos);
        let mut calls: Vec<SampleCall> = here
            .chunk_by(|a, b| a.1.sample == b.1.sample)
            .filter_map(|records| call_sample(records, site, self.table, &self.cohort.settings))
            // a block knows more than a record that makes no call
            .filter(|call| call.rule != Rule::NoCallRecord || self.census.class(call.sample).is_none())
            .collect();
        for call in &mut calls {
            match self.copies.of(sex_group(self.cohort.sexes[call.sample as usize])) {
                Some(1) => to_one_copy(call),
                Some(0) => {
                    call.reason = Some(Reason::Sex);
                    call.gt.alleles.fill(UNKNOWN);
                    call.likelihoods = None;
                }
                _ => {}
            }
        }
        calls
    }

    /// The samples' blocks at the site that was called last.
    pub fn census(&self) -> &Census<'a> {
        &self.census
    }

    /// Whether a sample that has a block by which it is the reference has no copy by its sex.
    pub fn lost_by_sex(&self, sample: u32) -> bool {
        self.census
            .class(sample)
            .is_some_and(|class| class.reason.is_none() && self.copies.of(class.sex_group) == Some(0))
    }

    /// Classes of the samples that blocks speak for, with the copies that their sex gives them, in the order of values.
    pub fn classes_of_others(&self, calls: &[SampleCall]) -> Vec<(BlockClass, u32)> {
        let mut classes: Vec<(BlockClass, u32)> =
            self.census.classes().into_iter().map(|(class, n)| (class.clone(), n)).collect();
        for call in calls {
            if let Some(class) = self.census.class(call.sample)
                && let Some(found) = classes.iter_mut().find(|(known, _)| known == class)
            {
                found.1 -= 1;
            }
        }
        classes.retain(|(class, n)| *n > 0 && self.copies.of(class.sex_group) != Some(0));
        for (class, _) in &mut classes {
            if self.copies.of(class.sex_group) == Some(1) && class.ploidy == 2 {
                class.ploidy = 1;
            }
        }
        classes
    }

    /// Samples at the site, ascending: those with records, those without a call, and with `all` those that a block calls
    /// reference too.
    pub fn samples<'c>(&self, calls: &'c [SampleCall], all: bool) -> Vec<SiteSample<'c>> {
        let n_samples = self.cohort.readings.len() as u32;
        let of_blocks: Vec<u32> = if all {
            (0..n_samples).collect()
        } else if self.copies.leaves_some_out() {
            let called = |sample| {
                self.census.class(sample).is_some_and(|class| class.reason.is_none()) && !self.lost_by_sex(sample)
            };
            (0..n_samples).filter(|&sample| !called(sample)).collect()
        } else {
            self.census.not_reference().collect()
        };
        let mut found = Vec::with_capacity(of_blocks.len().max(calls.len()));
        let mut calls = calls.iter().peekable();
        for sample in of_blocks {
            while let Some(call) = calls.next_if(|call| call.sample < sample) {
                found.push(of_call(call));
            }
            found.push(match calls.next_if(|call| call.sample == sample) {
                Some(call) => of_call(call),
                None => self.of_block(sample),
            });
        }
        found.extend(calls.map(of_call));
        found
    }

    fn of_block<'c>(&self, sample: u32) -> SiteSample<'c> {
        let class = self.census.class(sample);
        let (mut ploidy, mut reason) =
            class.map_or((2, Some(Reason::NoData)), |class| (usize::from(class.ploidy), class.reason));
        match self.copies.of(sex_group(self.cohort.sexes[sample as usize])) {
            Some(0) => reason = Some(Reason::Sex),
            Some(1) => ploidy = 1,
            _ => {}
        }
        let allele = if reason.is_some() { UNKNOWN } else { 0 };
        let (dp, gq) = self.census.depth_and_quality(sample);
        SiteSample { sample, gt: Copies { alleles: vec![allele; ploidy], phased: false }, call: None, reason, dp, gq }
    }
}

fn of_call(call: &SampleCall) -> SiteSample<'_> {
    SiteSample {
        sample: call.sample,
        gt: call.gt.clone(),
        call: Some(call),
        reason: call.reason,
        dp: call.dp,
        gq: call.gq,
    }
}
