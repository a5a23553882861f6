//! Rows whose calls are given one by one, for the samples that are not plain reference: what joint calling emits.

use super::emit::{Emitter, Row, sample_error};
use crate::call::sample_counts::{Counter, Lane};
use crate::call::statistics::RowStatistics;
use crate::columns::field::AlleleOfSite;
use crate::columns::genotypes::FormatLayout;
use crate::error::Result;
use crate::genome::genotype::GtCode;
use crate::plan::Calls;
use std::rc::Rc;

/// The calls of a row.
pub struct SparseCalls<'r> {
    /// Plain reference genotypes of samples that are not listed, and how many samples have each.
    pub reference: &'r [(GtCode, u32)],
    /// The other samples, ascending.
    pub calls: &'r [SparseCall],
    /// FORMAT fields of the calls, one after the other; of a listed reference call only where all calls are stored.
    pub text: &'r [u8],
    /// What the fields are.
    pub layout: Rc<FormatLayout>,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct SparseCall {
    /// Index in the cohort.
    pub sample: u32,
    /// Genotype over the alleles of the site.
    pub code: GtCode,
    /// Where its fields are in the text of the row.
    pub cell: (u32, u32),
}

impl Emitter<'_> {
    /// The calls of a row into the builder, and into its statistics.
    pub(super) fn emit_sparse(&mut self, calls: &SparseCalls, row: &Row, statistics: &mut RowStatistics) -> Result<()> {
        for &(code, n) in calls.reference {
            statistics.add(&self.gt.call(code, row.alt_index), n as i32);
        }
        let Some(builder) = &mut self.genotypes else { return Ok(()) };
        let before = builder.n_rows();
        let all = self.context.calls == Calls::All;
        for listed in calls.calls {
            let call = self.gt.call(listed.code, row.alt_index);
            statistics.add(&call, 1);
            if all || !call.plain_reference {
                builder.push_call(listed.sample, call.text);
                let cell = &calls.text[listed.cell.0 as usize..listed.cell.1 as usize];
                // the fields are written for the row's allele alone
                builder
                    .push_fields(cell.split(|&byte| byte == b':'), &calls.layout, AlleleOfSite::new(1, 1))
                    .map_err(|error| sample_error(error, self.context, listed.sample))?;
            }
        }
        let n_rows = builder.n_rows() - before;
        builder.end_calls(n_rows, &calls.layout);
        self.n_genotype_rows += n_rows as u64;
        Ok(())
    }

    /// Per-sample counts of a row's carriers. `is_singleton`: of one copy.
    pub(super) fn count_sparse_carriers(
        &mut self,
        calls: &SparseCalls,
        alt_index: u32,
        lane: Lane,
        is_singleton: bool,
    ) {
        for listed in calls.calls {
            if self.gt.call(listed.code, alt_index).copies > 0 {
                self.tally.count(listed.sample, lane);
                if is_singleton {
                    self.counts.get_mut(Counter::NSingleton)[listed.sample as usize] += 1;
                }
            }
        }
    }

    /// Per-sample counts of a site, once for all of its rows.
    pub fn count_sparse_site(&mut self, calls: &[SparseCall]) {
        for listed in calls {
            let lane = self.site_lane(listed.code);
            self.tally.count(listed.sample, lane);
        }
    }
}
