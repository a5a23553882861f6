//! One call shard of a gVCF cohort, on one thread: evidence of a range -> sites -> rows.
//!
//! The shard owns the sites whose normalised position lies in its range. It reads every record that covers the range or
//! has an allele that could lie in it, and every block over its sites, so what is said of a site does not depend on where
//! shards end. Memory: the evidence of one range.

mod annotate;
mod rows;

use super::emit::Emitter;
use super::shard::{Context, Outcome, interrupted};
use super::writers::ShardFiles;
use crate::call::joint::site::SiteAlleles;
use crate::call::joint::sweep::{JointCohort, Sweep};
use crate::commit::manifest::Accounting;
use crate::error::Result;
use crate::genome::Locus;
use crate::joint::{EvidencePart, EvidenceRange};
use crate::profile::{self, Stage};
use rows::SiteWriter;
use std::path::Path;
use std::sync::atomic::Ordering;

/// One call shard.
pub struct JointTask<'a> {
    /// Shard number.
    pub number: u64,
    /// First owned position.
    pub own_start: Locus,
    /// First position behind.
    pub own_end: Locus,
    /// All evidence of the cohort, in the order of samples.
    pub parts: &'a [EvidencePart],
    /// Settings and samples.
    pub cohort: &'a JointCohort,
}

/// Sites between two looks at the flag that ends the run early.
const STOP_EVERY: usize = 256;

/// Runs one call shard; its files are below `staging` after.
pub fn run_joint_shard(context: &Context, task: &JointTask, staging: &Path) -> Result<Outcome> {
    let _stage = profile::enter(Stage::Rows);
    let schemas = context.schemas;
    let files = ShardFiles::new(staging, task.number, schemas, context.n_samples);
    let mut emitter = Emitter::new(context, files);
    let mut accounting = Accounting::default();
    let mut n_sites = 0;
    for contig in task.own_start.contig..=task.own_end.contig {
        let from = if contig == task.own_start.contig { task.own_start.vcf_pos } else { i32::MIN };
        let to = if contig == task.own_end.contig { task.own_end.vcf_pos } else { i32::MAX };
        if from < to {
            n_sites += run_range(context, task, (contig, from, to), &mut emitter, &mut accounting)?;
        }
    }
    emitter.finish(accounting, n_sites)
}

/// The part of a shard on one contig: positions `[from, to)`. Returns the number of sites written.
fn run_range(
    context: &Context,
    task: &JointTask,
    (contig, from, to): (u32, i32, i32),
    emitter: &mut Emitter,
    accounting: &mut Accounting,
) -> Result<i64> {
    let mut range = EvidenceRange::read(task.cohort, task.parts, context.contigs, contig, from, to)?;
    let owned = |vcf_pos: i32| (from..to).contains(&vcf_pos) && context.regions.contains(Locus { contig, vcf_pos });
    let sites = range.sites(owned);
    if sites.is_empty() {
        return Ok(0);
    }
    let positions: Vec<i32> = sites.iter().map(|site| site.vcf_pos).collect();
    range.read_blocks(&positions)?;
    count_alleles(&range, &sites, owned, accounting);
    let mut sweep = Sweep::new(&range.sweep_input(), &positions);
    emitter.start_contig(contig)?;
    let mut writer = SiteWriter::new(context, &task.cohort.settings, &range.texts, &range.records, &range.table);
    for (n, site) in sites.iter().enumerate() {
        if n % STOP_EVERY == 0 && context.stop.load(Ordering::Relaxed) {
            return Err(interrupted());
        }
        let calls = sweep.calls(site);
        writer.write(site, &calls, &sweep, emitter, accounting)?;
    }
    Ok(writer.n_sites)
}

/// Alleles as the records name them, and how many are the same. One that no sample has among its local alleles (LAA) is named by
/// ALT alone, and counts once.
fn count_alleles(
    range: &EvidenceRange,
    sites: &[SiteAlleles],
    owned: impl Fn(i32) -> bool,
    accounting: &mut Accounting,
) {
    let mut is_named = vec![false; range.table.alleles().len()];
    let (mut named, mut distinct) = (0, 0);
    for alt in range.records.iter().flat_map(|record| record.alts()) {
        is_named[alt as usize] = true;
        named += u64::from(owned(range.table.get(alt).vcf_pos));
    }
    for &alt in sites.iter().flat_map(|site| &site.alts) {
        named += u64::from(!is_named[alt as usize]);
        distinct += 1;
    }
    accounting.alleles_read += named;
    accounting.alleles_merged += named - distinct;
    let capped = sites.iter().flat_map(|site| &site.alts).filter(|&&alt| range.table.get(alt).shift_capped);
    accounting.shift_capped += capped.count() as u64;
}
