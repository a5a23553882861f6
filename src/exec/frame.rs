//! The root of a plan made ready for work: what all shards have in common.

use super::run::Run;
use crate::columns::schema::TableSchemas;
use crate::decode::header::Header;
use crate::error::Result;
use crate::genome::Contigs;
use crate::input::Layout;
use crate::pipeline::Context;
use crate::plan::StoredPlan;
use std::collections::HashSet;

/// Header, contigs, schemas, samples.
pub struct Frame {
    /// Header of the cohort.
    pub header: Header,
    /// In order.
    pub contigs: Contigs,
    /// Of the tables.
    pub schemas: TableSchemas,
    /// In cohort order; none for gVCFs, whose shards do not name samples.
    sample_names: Vec<String>,
    filters: HashSet<Vec<u8>>,
}

impl Frame {
    /// Of a plan.
    pub fn new(plan: &StoredPlan) -> Result<Frame> {
        let root = &plan.root;
        let header = Header::parse(root.header.as_bytes())?;
        let schemas = TableSchemas::new(&header, root.n_samples > 0);
        let filters = header.filters.iter().map(|name| name.clone().into_bytes()).collect();
        let sample_names = if root.is_joint() { Vec::new() } else { plan.sample_names()? };
        Ok(Frame { header, contigs: Contigs::from_list(root.contigs.iter().cloned()), schemas, sample_names, filters })
    }

    /// What the shards of a run share.
    pub fn context<'b>(&'b self, run: &'b Run) -> Context<'b> {
        let root = &run.plan.root;
        Context {
            contigs: &self.contigs,
            schemas: &self.schemas,
            filters: self.filters.clone(),
            n_samples: root.n_samples as usize,
            sample_names: &self.sample_names,
            calls: root.settings.calls,
            on_bad_record: root.settings.on_bad_record,
            regions: &root.settings.regions,
            reference: run.reference.map(|reference| (reference.stored(), reference.index())),
            merges: root.layout == Layout::Merge,
            stop: run.stop,
            progress: run.progress,
        }
    }
}
