//! Which contig of the dataset a name in a source means.

use crate::dataset::Dataset;
use crate::error::{Error, Location, Result};
use crate::store::local;
use std::collections::HashMap;
use std::path::PathBuf;

/// How names of sources become names of the dataset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ContigMap {
    /// A name means the contig of that name, and no other.
    #[default]
    Exact,
    /// Also with `chr` added or taken away; `M` and `MT` are the same.
    Auto,
    /// Two columns: name in the source, name in the dataset. Names that are not there mean themselves.
    File(PathBuf),
}

impl ContigMap {
    /// `auto` or a file.
    pub fn parse(text: &str) -> ContigMap {
        if text == "auto" { ContigMap::Auto } else { ContigMap::File(text.into()) }
    }

    /// As the description of a table has it.
    pub fn describe(&self) -> Option<String> {
        match self {
            ContigMap::Exact => None,
            ContigMap::Auto => Some("auto".into()),
            ContigMap::File(path) => Some(path.display().to_string()),
        }
    }
}

/// Index of a contig by its name in a source.
#[derive(Debug)]
pub struct ContigLookup {
    by_name: HashMap<Vec<u8>, u32>,
    names: Vec<String>,
}

impl ContigLookup {
    /// For a dataset. A map that leads to a contig that the dataset does not have is an error.
    pub fn new(dataset: &Dataset, map: &ContigMap) -> Result<ContigLookup> {
        let names: Vec<String> = dataset.manifest().contigs.iter().map(|contig| contig.name.clone()).collect();
        let mut by_name: HashMap<Vec<u8>, u32> = names.iter().map(|name| name.clone().into_bytes()).zip(0..).collect();
        match map {
            ContigMap::Exact => {}
            ContigMap::Auto => {
                for (name, index) in names.iter().zip(0..) {
                    for other in other_names(name) {
                        by_name.entry(other.into_bytes()).or_insert(index);
                    }
                }
            }
            ContigMap::File(path) => {
                let text = local::read_text(path)?;
                for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                    let place = Location {
                        path: Some(path.display().to_string()),
                        line: Some(number as u64 + 1),
                        ..Default::default()
                    };
                    let fields: Vec<&str> = line.split_whitespace().collect();
                    let [from, to] = fields[..] else {
                        return Err(Error::usage(format!("found {:?}, expected two names", line)).at(place).hint(
                            "each line has the name of a contig in the source and in the dataset, a tab between them",
                        ));
                    };
                    let Some(index) = names.iter().position(|name| name == to) else {
                        return Err(Error::usage(format!("the dataset has no contig `{to}`")).at(place));
                    };
                    by_name.insert(from.as_bytes().to_vec(), index as u32);
                }
            }
        }
        Ok(ContigLookup { by_name, names })
    }

    /// The contig that a name means.
    pub fn index_of(&self, name: &[u8]) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The error of a source whose contigs the dataset does not have. `found`: some names of the source.
    pub fn none_known(&self, found: &[String]) -> Error {
        let list = |names: &[String]| names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let error = Error::bad_data(format!(
            "no contig of the source is one of the dataset: it has {}, the dataset {}",
            list(found),
            list(&self.names)
        ));
        let by_prefix = found.iter().any(|name| other_names(name).iter().any(|other| self.names.contains(other)));
        error.hint(match by_prefix {
            true => "the names differ by `chr`: say --contig-map auto",
            false => "--contig-map FILE says which name means which contig; is it the same reference?",
        })
    }
}

/// Other names of a contig.
fn other_names(name: &str) -> Vec<String> {
    match name {
        "M" | "MT" | "chrM" | "chrMT" => ["M", "MT", "chrM", "chrMT"].map(String::from).into(),
        _ => vec![name.strip_prefix("chr").map_or_else(|| format!("chr{name}"), String::from)],
    }
}
