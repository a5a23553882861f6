//! Takes the variants of a dataset as they pass, and tests each set when its last variant has.

use super::masks::Member;
use super::sets::Set;
use super::{Analysis, Part, Record, Scratch};
use crate::error::Result;
use crate::stats::block::Block;
use crate::stats::source::Source;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Sets that wait to be tested at once, per worker.
const SETS_PER_WORKER: usize = 32;

/// The records of a set: index of the mask, and record.
pub type Records = Vec<(usize, Record)>;

/// Sets on their way.
struct Walk<'a, F> {
    analysis: &'a Analysis<'a>,
    members: &'a [Member],
    /// First member that has not passed.
    next_member: usize,
    /// Sets by their last variant, those without any first.
    by_end: Vec<(i64, u32)>,
    /// First of them that is not complete.
    next_end: usize,
    open: HashMap<u32, Vec<Part>>,
    complete: Vec<(u32, Vec<Part>)>,
    /// Records that wait for those of the sets before.
    waiting: BTreeMap<u32, Records>,
    next_out: u32,
    take: F,
}

/// Tests all sets and gives their records to `take`, in the order of the sets. `members` are by variant.
pub fn run(
    source: &Source,
    analysis: &Analysis,
    sets: &[Set],
    members: &[Member],
    take: impl FnMut(usize, Records) -> Result<()>,
) -> Result<()> {
    let mut ends = vec![i64::MIN; sets.len()];
    members.iter().for_each(|member| ends[member.set as usize] = member.variant_id);
    let mut by_end: Vec<(i64, u32)> = ends.into_iter().zip(0..).collect();
    by_end.sort_unstable();
    let mut walk = Walk {
        analysis,
        members,
        next_member: 0,
        by_end,
        next_end: 0,
        open: HashMap::new(),
        complete: Vec::new(),
        waiting: BTreeMap::new(),
        next_out: 0,
        take,
    };
    source.run(Ok, |block| walk.pass(Arc::new(block)))?;
    walk.complete_before(i64::MAX)?;
    walk.test()
}

impl<F: FnMut(usize, Records) -> Result<()>> Walk<'_, F> {
    fn pass(&mut self, block: Arc<Block>) -> Result<()> {
        for (at, site) in block.sites.iter().enumerate() {
            self.complete_before(site.variant_id)?;
            let rest = &self.members[self.next_member..];
            let rest = &rest[rest.partition_point(|member| member.variant_id < site.variant_id)..];
            let own = &rest[..rest.partition_point(|member| member.variant_id == site.variant_id)];
            for member in own {
                let part = Part { block: block.clone(), at, conditions: member.conditions, column: member.column };
                self.open.entry(member.set).or_default().push(part);
            }
            self.next_member = self.members.len() - rest.len() + own.len();
        }
        Ok(())
    }

    /// Sets whose last variant is before this one are complete.
    fn complete_before(&mut self, variant_id: i64) -> Result<()> {
        while let Some(&(end, set)) = self.by_end.get(self.next_end)
            && end < variant_id
        {
            self.next_end += 1;
            self.complete.push((set, self.open.remove(&set).unwrap_or_default()));
            if self.complete.len() >= SETS_PER_WORKER * rayon::current_num_threads() {
                self.test()?;
            }
        }
        Ok(())
    }

    fn test(&mut self) -> Result<()> {
        let (analysis, complete) = (self.analysis, std::mem::take(&mut self.complete));
        let tested: Vec<(u32, Records)> = complete
            .into_par_iter()
            .map_init(Scratch::default, |scratch, (set, parts)| (set, analysis.test(&parts, scratch)))
            .collect();
        self.waiting.extend(tested);
        while let Some(records) = self.waiting.remove(&self.next_out) {
            (self.take)(self.next_out as usize, records)?;
            self.next_out += 1;
        }
        Ok(())
    }
}
