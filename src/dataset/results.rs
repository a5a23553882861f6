//! Result tables of analyses that are stored beside the dataset: `stats/<name>.parquet`, and `stats/<name>.json`, which says what made
//! it. A result of another plan than the dataset's is stale and not shown.

use super::Dataset;
use crate::error::Result;
use crate::store::DataFile;
use serde::{Deserialize, Serialize};

/// Folder of the stored results.
pub const RESULTS_FOLDER: &str = "stats";
/// The result of `annotate` with one row for each annotated allele.
pub const ANNOTATIONS: &str = "annotations";
/// The result of `annotate` with one row for each allele and transcript.
pub const CONSEQUENCES: &str = "consequences";
/// `format` of the description of a result.
pub const FORMAT: &str = "varbatch-result";

/// What made a result.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Description {
    /// Always `varbatch-result`.
    pub format: String,
    /// Name of the table.
    pub table: String,
    /// The command.
    pub command: String,
    /// Its resolved settings.
    pub settings: serde_json::Value,
    /// Findings that are not rows: numbers of samples and variants used, lambda GC, ...
    pub summary: serde_json::Value,
    /// Version of the program.
    pub varbatch_version: String,
    /// The plan of the dataset it is of.
    pub plan_digest: String,
    /// Rows of the table.
    pub n_rows: u64,
}

impl Description {
    /// Where the rows are.
    pub fn file(&self, dataset: &Dataset) -> DataFile {
        dataset.place().file(&format!("{RESULTS_FOLDER}/{}.parquet", self.table))
    }
}

/// The stored results of `dataset` that are of its plan, by name.
pub fn stored(dataset: &Dataset) -> Result<Vec<Description>> {
    stored_of(dataset, &|_| true)
}

/// Those of them that are `wanted` by name; the others are not looked at.
pub fn stored_of(dataset: &Dataset, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<Description>> {
    let place = dataset.place();
    let mut found = Vec::new();
    for (name, _) in place.list(RESULTS_FOLDER)? {
        if !name.strip_suffix(".json").is_some_and(wanted) {
            continue;
        }
        let file = format!("{RESULTS_FOLDER}/{name}");
        let Some(bytes) = place.read(&file)? else { continue };
        let Ok(description) = serde_json::from_slice::<Description>(&bytes) else { continue };
        let is_its_own = name.strip_suffix(".json") == Some(description.table.as_str());
        if description.format == FORMAT && is_its_own && description.plan_digest == dataset.manifest().plan_digest {
            found.push(description);
        }
    }
    Ok(found)
}
