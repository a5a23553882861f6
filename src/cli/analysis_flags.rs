//! Flags that every analysis of a dataset has.

use super::result_flags::ResultFlags;
use super::select_flags::{Defaults, SelectFlags};
use super::threads::Threads;
use crate::dataset::Dataset;
use crate::error::Result;
use crate::stats::selection::Selection;
use std::path::PathBuf;

/// Which dataset, what of it, and where results go.
#[derive(Clone, Debug, clap::Args)]
pub struct AnalysisFlags {
    /// The dataset
    pub dataset: PathBuf,
    /// What of it.
    #[command(flatten)]
    pub select: SelectFlags,
    /// Where results go.
    #[command(flatten)]
    pub result: ResultFlags,
    #[command(flatten)]
    threads: Threads,
}

impl AnalysisFlags {
    /// Starts the threads, and opens the dataset.
    pub fn open(&self) -> Result<Dataset> {
        self.threads.begin()?;
        Dataset::open(&self.dataset)
    }

    /// Samples and variants.
    pub fn selection(&self, dataset: &Dataset, defaults: Defaults) -> Result<Selection> {
        self.select.resolve(dataset, defaults)
    }
}
