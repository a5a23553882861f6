//! What a plan that is read must say: whoever has one can use its numbers as indexes and lengths.
//!
//! A plan is a file, and files are changed, cut and made by others. What serde lets through is a plan of the right types; here
//! are the relations between its numbers. What only the inputs can say (how many samples an input has) is checked against them
//! where they are opened, and what takes all inputs (how many samples there are) where all are read.

use super::region::Regions;
use super::{Plan, PlanInput, PlanList, SampleSet, Shard, ShardSource};
use crate::genome::contigs::MAX_CONTIGS;
use crate::genome::{Contig, Locus};
use crate::input::Layout;
use std::collections::HashSet;

/// Shards are numbered below this, with room for the pieces of a stream.
const MAX_SHARD_NUMBER: u64 = 1 << 60;
/// Samples are counted in 32 bits, with a sign.
const MAX_SAMPLES: u64 = i32::MAX as u64;

/// A record of a plan whose numbers are checked when it is read.
pub(super) trait Checked {
    /// What is wrong with it, as an entry of the plan.
    fn check(&self, plan: &Plan) -> Result<(), String>;
}

impl Plan {
    /// What is wrong with the root.
    pub(super) fn check(&self) -> Result<(), String> {
        self.inputs.check("inputs")?;
        self.shards.check("shards")?;
        check_contigs(&self.contigs)?;
        check_regions(&self.settings.regions, self.contigs.len())?;
        let is_joint = self.layout == Layout::Joint;
        ensure(self.n_samples <= MAX_SAMPLES, || format!("{} samples are too many", self.n_samples))?;
        ensure(self.settings.joint.is_some() == is_joint, || "its settings are of another kind of cohort".into())
    }

    fn check_locus(&self, locus: Option<Locus>) -> Result<(), String> {
        let is_there = locus.is_none_or(|locus| (locus.contig as usize) < self.contigs.len());
        ensure(is_there, || "a shard ends on a contig that there is not".into())
    }
}

impl PlanList {
    fn check(&self, what: &str) -> Result<(), String> {
        let n_parts = self.n.div_ceil(self.in_part.max(1));
        ensure(n_parts == self.parts.len() as u64 && (self.in_part > 0 || self.n == 0), || {
            format!("it has {} {what} in {} parts of {}", self.n, self.parts.len(), self.in_part)
        })?;
        let is_name =
            |name: &str| !name.contains(['/', '\\', '\0']) && name.starts_with(what) && name.ends_with(".json");
        match self.parts.iter().find(|part| !is_name(&part.name)) {
            Some(part) => Err(format!("`{}` is no name of a part of its {what}", part.name)),
            None => Ok(()),
        }
    }

    /// Entries of a part: as many as fit, and what is left in the last one.
    pub(super) fn n_of_part(&self, number: usize) -> u64 {
        let before = (number as u64).saturating_mul(self.in_part);
        self.n.saturating_sub(before).min(self.in_part)
    }
}

impl Checked for PlanInput {
    fn check(&self, plan: &Plan) -> Result<(), String> {
        let n_samples = plan.n_samples;
        let fits = match &self.samples {
            SampleSet::Run { first, n } => u64::from(*first) + u64::from(*n) <= n_samples,
            SampleSet::List(list) => list.iter().all(|&sample| u64::from(sample) < n_samples),
        };
        ensure(fits, || format!("{} has samples that the plan does not have", self.path))?;
        let brings = self.brings.iter().all(|sample| u64::from(sample.index) < n_samples);
        ensure(brings, || format!("{} brings samples that the plan does not have", self.path))
    }
}

impl Checked for Shard {
    fn check(&self, plan: &Plan) -> Result<(), String> {
        ensure(self.number < MAX_SHARD_NUMBER, || format!("there is a shard {}", self.number))?;
        let n_inputs = match &self.source {
            ShardSource::Ingest { n_inputs, .. } => *n_inputs as u64,
            _ => 1,
        };
        let end = (self.input as u64).checked_add(n_inputs);
        ensure(n_inputs > 0 && end.is_some_and(|end| end <= plan.inputs.n), || {
            format!("shard {} reads inputs that the plan does not have", self.number)
        })?;
        let (own_start, own_end, layout) = match &self.source {
            ShardSource::Range { own_start, own_end, .. } => (*own_start, *own_end, Layout::Concatenation),
            ShardSource::Stream { .. } => (None, None, Layout::Concatenation),
            ShardSource::Merge { own_start, own_end } => (*own_start, *own_end, Layout::Merge),
            ShardSource::Ingest { range, .. } => {
                (range.and_then(|range| range.own_start), range.and_then(|range| range.own_end), Layout::Joint)
            }
        };
        ensure(layout == plan.layout, || format!("shard {} is of another kind of cohort", self.number))?;
        plan.check_locus(own_start).and(plan.check_locus(own_end))
    }
}

fn check_contigs(contigs: &[Contig]) -> Result<(), String> {
    ensure(contigs.len() <= MAX_CONTIGS, || format!("{} contigs are too many", contigs.len()))?;
    let mut names = HashSet::new();
    match contigs.iter().find(|contig| contig.name.is_empty() || !names.insert(&contig.name)) {
        Some(contig) => Err(format!("the contig `{}` is there twice, or has no name", contig.name)),
        None => Ok(()),
    }
}

fn check_regions(regions: &Regions, n_contigs: usize) -> Result<(), String> {
    let mut before = None;
    for (contig, first, last) in regions.iter() {
        let follows = before.is_none_or(|before| before < (contig, first));
        ensure((contig as usize) < n_contigs && first <= last && follows, || {
            "its regions are no list of ranges".into()
        })?;
        before = Some((contig, last));
    }
    Ok(())
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
