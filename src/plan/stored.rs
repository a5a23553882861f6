//! A plan as it is kept in a dataset: a small root, and the lists of inputs and shards in files of so many each.
//!
//! `_plan/plan.json` is the root; its SHA-256 is the identity of the plan. It names the files of the lists with their
//! digests, so whoever trusts the root can trust them. A worker reads the root, the shards, and the inputs of its shards.

use super::checked::Checked;
use super::{NewPlan, Plan, PlanInput, PlanSample, Shard};
use crate::error::{Class, Error, Result};
use crate::store::{Place, hex};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

/// Folder of the plan in a dataset.
pub const PLAN_FOLDER: &str = "_plan";
/// The root.
pub const PLAN_NAME: &str = "_plan/plan.json";
/// Inputs in a file.
const INPUTS_IN_PART: u64 = 1_000;
/// Shards in a file.
const SHARDS_IN_PART: u64 = 10_000;
/// Parts of the list of inputs that are kept in memory.
const PARTS_KEPT: usize = 64;

/// A list that is kept in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanList {
    /// Entries in all.
    pub n: u64,
    /// Entries in each part but the last.
    pub in_part: u64,
    /// In order.
    pub parts: Vec<PlanPart>,
}

/// One file of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanPart {
    /// Name in [`PLAN_FOLDER`].
    pub name: String,
    /// SHA-256 (hex) of the file.
    pub sha256: String,
}

/// Writes a list part by part, through a function that takes names and bytes.
pub struct PartWriter<T> {
    stem: &'static str,
    list: PlanList,
    open: Vec<T>,
}

impl<T: Serialize> PartWriter<T> {
    fn new(stem: &'static str, in_part: u64) -> Self {
        PartWriter { stem, list: PlanList { in_part, ..PlanList::default() }, open: Vec::new() }
    }

    /// Appends an entry; full parts go to `write`.
    pub fn push(&mut self, entry: T, write: &mut dyn FnMut(String, Vec<u8>) -> Result<()>) -> Result<()> {
        self.open.push(entry);
        self.list.n += 1;
        if self.open.len() as u64 == self.list.in_part { self.close(write) } else { Ok(()) }
    }

    fn close(&mut self, write: &mut dyn FnMut(String, Vec<u8>) -> Result<()>) -> Result<()> {
        let bytes = serde_json::to_vec(&self.open).expect("plans are plain data");
        self.open.clear();
        let sha256 = hex(&Sha256::digest(&bytes));
        // the digest in the name: parts of two plans never meet
        let name = format!("{}-{:06}-{}.json", self.stem, self.list.parts.len(), &sha256[..12]);
        write(format!("{PLAN_FOLDER}/{name}"), bytes)?;
        self.list.parts.push(PlanPart { name, sha256 });
        Ok(())
    }

    /// Writes what is left.
    pub fn finish(mut self, write: &mut dyn FnMut(String, Vec<u8>) -> Result<()>) -> Result<PlanList> {
        if !self.open.is_empty() {
            self.close(write)?;
        }
        Ok(self.list)
    }
}

/// A list of inputs to be written.
pub fn inputs_writer() -> PartWriter<PlanInput> {
    PartWriter::new("inputs", INPUTS_IN_PART)
}

/// A list of shards to be written.
pub fn shards_writer() -> PartWriter<Shard> {
    PartWriter::new("shards", SHARDS_IN_PART)
}

/// A plan as files.
pub struct PlanFiles {
    /// The root as JSON.
    pub root: Vec<u8>,
    /// Names in the dataset and contents of the parts.
    pub parts: Vec<(String, Vec<u8>)>,
}

impl NewPlan {
    /// The files of the plan.
    pub fn files(mut self) -> Result<PlanFiles> {
        let mut parts = Vec::new();
        let mut write = |name, bytes| {
            parts.push((name, bytes));
            Ok(())
        };
        let (mut inputs, mut shards) = (inputs_writer(), shards_writer());
        self.inputs.into_iter().try_for_each(|input| inputs.push(input, &mut write))?;
        self.shards.into_iter().try_for_each(|shard| shards.push(shard, &mut write))?;
        self.root.inputs = inputs.finish(&mut write)?;
        self.root.shards = shards.finish(&mut write)?;
        Ok(PlanFiles { root: self.root.to_json(), parts })
    }
}

impl PlanFiles {
    /// Identity of the plan.
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(&self.root))
    }
}

impl Plan {
    /// Canonical JSON: fixed field order, no clock or host.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a plan is plain data")
    }
}

/// A plan in a dataset. The lists are read when they are needed.
pub struct StoredPlan {
    /// The root.
    pub root: Plan,
    /// SHA-256 (hex) of the root.
    pub digest: String,
    place: Place,
    inputs: Mutex<BTreeMap<usize, Arc<Vec<PlanInput>>>>,
}

impl StoredPlan {
    /// Reads the plan of a dataset; `None` when there is none.
    pub fn open(place: &Place) -> Result<Option<StoredPlan>> {
        let Some(bytes) = place.read(PLAN_NAME)? else { return Ok(None) };
        let broken = |error: serde_json::Error| {
            Error::bad_data(format!("{} is not a plan of this version of varbatch: {error}", place.uri_of(PLAN_NAME)))
                .hint("plan again with --force, or use the version that wrote it")
        };
        #[derive(Deserialize)]
        struct Version {
            plan_version: u32,
        }
        let found: Version = serde_json::from_slice(&bytes).map_err(broken)?;
        if found.plan_version != super::PLAN_VERSION {
            return Err(Error::bad_data(format!(
                "{} has plan version {}, this program reads {}",
                place.uri_of(PLAN_NAME),
                found.plan_version,
                super::PLAN_VERSION
            ))
            .hint("plan again with --force, or use the version that wrote it"));
        }
        let root: Plan = serde_json::from_slice(&bytes).map_err(broken)?;
        root.check().map_err(|problem| damaged(&place.uri_of(PLAN_NAME), &problem))?;
        let digest = hex(&Sha256::digest(&bytes));
        Ok(Some(StoredPlan { root, digest, place: place.clone(), inputs: Mutex::default() }))
    }

    fn part<T: DeserializeOwned + Checked>(&self, list: &PlanList, number: usize) -> Result<Vec<T>> {
        let part = &list.parts[number];
        let name = format!("{PLAN_FOLDER}/{}", part.name);
        let uri = self.place.uri_of(&name);
        let Some(bytes) = self.place.read(&name)? else {
            let message = format!("{uri} is not there, a part of the plan");
            return Err(Error::new(Class::Incomplete, message).hint(PLAN_AGAIN));
        };
        if hex(&Sha256::digest(&bytes)) != part.sha256 {
            return Err(Error::bad_data(format!("{uri} was changed since it was planned")).hint(PLAN_AGAIN));
        }
        let entries: Vec<T> = serde_json::from_slice(&bytes)
            .map_err(|error| Error::bad_data(format!("{uri} is not understood: {error}")))?;
        if entries.len() as u64 != list.n_of_part(number) {
            return Err(damaged(&uri, "it has another number of entries than the plan says"));
        }
        entries.iter().try_for_each(|entry| entry.check(&self.root)).map_err(|problem| damaged(&uri, &problem))?;
        Ok(entries)
    }

    /// All shards of the list.
    pub fn shards(&self) -> Result<Vec<Shard>> {
        let mut shards: Vec<Shard> = Vec::new();
        for number in 0..self.root.shards.parts.len() {
            shards.extend(self.part::<Shard>(&self.root.shards, number)?);
        }
        match shards.windows(2).find(|pair| pair[0].number >= pair[1].number) {
            Some(pair) => Err(self.damaged(&format!("shard {} is listed behind {}", pair[1].number, pair[0].number))),
            None => Ok(shards),
        }
    }

    /// Some inputs, by index; fewer where the list ends before the range.
    pub fn inputs(&self, range: Range<usize>) -> Result<Vec<PlanInput>> {
        let list = &self.root.inputs;
        let (in_part, end) = (list.in_part.max(1), (range.end as u64).min(list.n));
        let mut found = Vec::new();
        let mut index = range.start as u64;
        while index < end {
            let part = self.inputs_part((index / in_part) as usize)?;
            let within = (index % in_part) as usize;
            let until = part.len().min(within + (end - index) as usize);
            found.extend_from_slice(&part[within..until]);
            index += (until - within) as u64;
        }
        Ok(found)
    }

    /// Calls `take` with every input in order, with its index. Memory: one part of the list, or all where they are few.
    pub fn each_input(&self, mut take: impl FnMut(usize, &PlanInput) -> Result<()>) -> Result<()> {
        let list = &self.root.inputs;
        let are_few = list.parts.len() <= PARTS_KEPT;
        let (mut index, mut n_brought) = (0, 0);
        for number in 0..list.parts.len() {
            let inputs = if are_few { self.inputs_part(number)? } else { Arc::new(self.part(list, number)?) };
            for input in inputs.iter() {
                n_brought += input.brings.len();
                if input.samples.len() > n_brought {
                    let n = input.samples.len();
                    return Err(self.damaged(&format!("{} has {n} samples, {n_brought} are listed", input.path)));
                }
                take(index, input)?;
                index += 1;
            }
        }
        Ok(())
    }

    /// Something of every sample, in the order of the cohort. Each must be listed once.
    pub fn of_samples<T>(&self, mut make: impl FnMut(usize, &PlanInput, &PlanSample) -> T) -> Result<Vec<T>> {
        let mut made: Vec<T> = Vec::new();
        // of inputs with several samples, between whose names lie those of others
        let mut ahead: BTreeMap<u32, T> = BTreeMap::new();
        self.each_input(|index, input| {
            for sample in &input.brings {
                let of_sample = make(index, input, sample);
                if sample.index as usize == made.len() {
                    made.push(of_sample);
                } else {
                    ahead.insert(sample.index, of_sample);
                }
                while let Some(next) = ahead.remove(&(made.len() as u32)) {
                    made.push(next);
                }
            }
            Ok(())
        })?;
        let (n_listed, n_samples) = (made.len() + ahead.len(), self.root.n_samples);
        if made.len() as u64 != n_samples || !ahead.is_empty() {
            return Err(self.damaged(&format!("it has {n_samples} samples, and lists {n_listed}, or others")));
        }
        Ok(made)
    }

    /// Names of all samples in order.
    pub fn sample_names(&self) -> Result<Vec<String>> {
        self.of_samples(|_, _, sample| sample.name.clone())
    }

    fn damaged(&self, problem: &str) -> Error {
        damaged(&self.place.uri_of(PLAN_NAME), problem)
    }

    fn inputs_part(&self, number: usize) -> Result<Arc<Vec<PlanInput>>> {
        if let Some(part) = self.inputs.lock().expect("no panic with the lock").get(&number) {
            return Ok(part.clone());
        }
        let loaded = Arc::new(self.part::<PlanInput>(&self.root.inputs, number)?);
        let mut kept = self.inputs.lock().expect("no panic with the lock");
        if kept.len() >= PARTS_KEPT {
            kept.pop_first();
        }
        kept.insert(number, loaded.clone());
        Ok(loaded)
    }
}

/// What to do about a plan that is damaged.
const PLAN_AGAIN: &str = "plan again with --force";

fn damaged(uri: &str, problem: &str) -> Error {
    Error::bad_data(format!("{uri} is damaged: {problem}")).hint(PLAN_AGAIN)
}
