//! One task of a planned dataset: the stages in order, each only when the one before is complete.

use super::run::{Done, Run};
use crate::commit::stages::{evidence_of, missing_of_list};
use crate::error::{Class, Error, Result};
use crate::plan::INGEST;

/// Which stages a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stages {
    /// All, one after the other.
    All,
    /// Inputs to parts of evidence; nothing but in gVCF cohorts.
    Ingest,
    /// Inputs (or evidence, of gVCFs) to rows.
    Call,
}

impl Run<'_> {
    /// Does the task's share. A stage that must wait for shards of others is [`Class::Temporary`].
    pub fn work(&self, stages: Stages) -> Result<Done> {
        let Some(settings) = &self.plan.root.settings.joint else {
            return if stages == Stages::Ingest { Ok(Done::default()) } else { self.rows() };
        };
        let mut done = Done::default();
        if stages != Stages::Call {
            done = self.ingest()?;
        }
        if stages == Stages::Ingest {
            return Ok(done);
        }
        let missing = missing_of_list(self.folder, INGEST, self.shards)?.len();
        if missing > 0 {
            return Err(Error::new(
                Class::Temporary,
                format!("the stage ingest is not complete: {missing} of {} shards are not done yet", self.shards.len()),
            )
            .hint(
                "run this task again when all tasks of that stage are done; `varbatch status` says which are missing",
            ));
        }
        let evidence = evidence_of(self.folder, &self.plan.root)?;
        let rows = self.call(settings, &evidence)?;
        Ok(Done { done: done.done + rows.done, skipped: done.skipped + rows.skipped })
    }
}
