//! Plans of cohorts too large to be opened: millions of gVCFs of one sample each, named with their sizes by an inventory.
//!
//! An inventory is a tab-separated sheet with a line of names: `path`, `sample`, `bytes`, and perhaps `etag` and `sex`, in the
//! order of sample names (bytes, as `LC_ALL=C sort`). It is a file or an object and is read line by line; memory does not grow with
//! it. What planning would have looked at (sample, contigs, dialect) whoever ingests an input looks at.

use super::stored::{inputs_writer, shards_writer};
use super::{Plan, PlanInput, PlanSample, SampleSet, Shard, ShardSource};
use crate::error::{Error, Location, Result};
use crate::input::Format;
use crate::input::sheet::parse_sex;
use crate::store::local::Mapped;
use memchr::memchr;
use std::ops::ControlFlow;
use std::path::Path;

/// Shards that a plan has, where each may hold enough inputs.
const SHARDS_WANTED: u64 = 20_000;
/// Inputs of a shard by default, at least and at most: all are open at once.
const INPUTS_OF_SHARD: (u64, u64) = (16, 1_000);

/// An inventory that is read any number of times.
pub struct Inventory {
    source: Mapped,
    /// For messages.
    path: String,
    columns: Columns,
    /// Lines behind the names.
    pub n_inputs: u64,
}

/// Where a line has what.
struct Columns {
    path: usize,
    sample: usize,
    bytes: usize,
    etag: Option<usize>,
    sex: Option<usize>,
}

/// One line.
pub struct Entry {
    /// Path or `s3://` name.
    pub path: String,
    /// Name of its sample.
    pub sample: String,
    /// Size in bytes.
    pub bytes: u64,
    etag: Option<String>,
    sex: Option<String>,
}

impl Inventory {
    /// Opens an inventory and counts its lines.
    pub fn open(path: &Path) -> Result<Inventory> {
        let source = Mapped::open(path)?;
        let path = path.display().to_string();
        let (mut first, mut n_inputs) = (String::new(), 0);
        each_line(&source, &path, |number, line| {
            if number == 1 {
                first = line.to_string();
            } else {
                n_inputs += u64::from(!line.is_empty());
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let names: Vec<String> =
            first.trim_start_matches('#').split('\t').map(|name| name.trim().to_lowercase()).collect();
        let column = |name: &str| names.iter().position(|known| known == name);
        let needed = |name: &str| {
            column(name).ok_or_else(|| {
                Error::usage(format!("{path} has no column {name} in its first line"))
                    .hint("an inventory has the columns path, sample, bytes, and perhaps etag and sex")
            })
        };
        let columns = Columns {
            path: needed("path")?,
            sample: needed("sample")?,
            bytes: needed("bytes")?,
            etag: column("etag"),
            sex: column("sex"),
        };
        if n_inputs == 0 {
            return Err(Error::bad_data(format!("{path} names no input")));
        }
        if n_inputs > u64::from(i32::MAX as u32) {
            return Err(Error::usage(format!("{n_inputs} samples are more than a dataset can have, {}", i32::MAX)));
        }
        Ok(Inventory { source, path, columns, n_inputs })
    }

    /// The first input.
    pub fn first(&self) -> Result<Entry> {
        let mut first = None;
        self.lines(|number, line| {
            first = Some(self.entry(line, number)?);
            Ok(ControlFlow::Break(()))
        })?;
        first.ok_or_else(|| Error::internal("an inventory lost its lines"))
    }

    /// Calls `take` with every line in order.
    pub fn each(&self, mut take: impl FnMut(Entry) -> Result<()>) -> Result<()> {
        let mut last = String::new();
        self.lines(|number, line| {
            let entry = self.entry(line, number)?;
            if entry.sample <= last {
                let what = if entry.sample == last { "stands twice" } else { "comes after a greater one" };
                return Err(self
                    .at(number, Error::bad_data(format!("the sample {} {what}", entry.sample)))
                    .hint("an inventory is in the order of sample names, each once: `LC_ALL=C sort` by that column"));
            }
            last.clone_from(&entry.sample);
            take(entry)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Lines behind the names, with their numbers, but for empty ones.
    fn lines(&self, mut take: impl FnMut(u64, &str) -> Result<ControlFlow<()>>) -> Result<()> {
        each_line(&self.source, &self.path, |number, line| match line.is_empty() || number == 1 {
            true => Ok(ControlFlow::Continue(())),
            false => take(number, line),
        })
    }

    fn at(&self, line: u64, error: Error) -> Error {
        let path = Some(self.path.clone());
        error.at(Location { path, line: Some(line), ..Location::default() })
    }

    fn entry(&self, line: &str, number: u64) -> Result<Entry> {
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let said = |at: Option<usize>| Some(field(at?)).filter(|text| !text.is_empty() && *text != ".");
        let (path, sample) = (field(self.columns.path), field(self.columns.sample));
        let wrong = |what: String| self.at(number, Error::bad_data(what));
        if path.is_empty() || sample.is_empty() {
            return Err(wrong("the line has no path or no sample".into()));
        }
        let bytes = field(self.columns.bytes);
        let bytes = bytes.parse().map_err(|_| wrong(format!("the size is {bytes:?}, expected a number of bytes")))?;
        let sex = said(self.columns.sex).map(parse_sex).transpose().map_err(|error| self.at(number, error))?;
        Ok(Entry {
            path: path.into(),
            sample: sample.into(),
            bytes,
            etag: said(self.columns.etag).map(|etag| etag.trim_matches('"').to_string()),
            sex: sex.flatten(),
        })
    }

    /// Inputs of a shard where nothing is said.
    pub fn inputs_of_shard(&self) -> u64 {
        self.n_inputs.div_ceil(SHARDS_WANTED).clamp(INPUTS_OF_SHARD.0, INPUTS_OF_SHARD.1)
    }

    /// Writes the lists of a plan through `write` (names and bytes), and gives the root. `root`: of a plan of the first
    /// input, whose format all have. The same each time.
    pub fn plan(
        &self,
        mut root: Plan,
        format: Format,
        inputs_of_shard: u64,
        write: &mut dyn FnMut(String, Vec<u8>) -> Result<()>,
    ) -> Result<Plan> {
        let (mut inputs, mut shards) = (inputs_writer(), shards_writer());
        let mut open =
            Shard { number: 0, input: 0, source: ShardSource::Ingest { n_inputs: 0, range: None }, bytes: 0 };
        let (mut n, mut total) = (0u32, 0u64);
        self.each(|entry| {
            open.source = ShardSource::Ingest { n_inputs: n as usize + 1 - open.input, range: None };
            open.bytes += entry.bytes;
            total += entry.bytes;
            inputs.push(entry.planned(n, format), write)?;
            n += 1;
            if u64::from(n) - open.input as u64 == inputs_of_shard {
                let next = Shard { number: open.number + 1, input: n as usize, bytes: 0, source: open.source.clone() };
                shards.push(std::mem::replace(&mut open, next), write)?;
            }
            Ok(())
        })?;
        if (n as usize) > open.input {
            shards.push(open, write)?;
        }
        root.n_samples = u64::from(n);
        root.input_bytes = total;
        root.inputs = inputs.finish(write)?;
        root.shards = shards.finish(write)?;
        Ok(root)
    }
}

impl Entry {
    fn planned(self, index: u32, format: Format) -> PlanInput {
        PlanInput {
            fingerprint: self.etag.map_or_else(String::new, |etag| format!("s3:{}:{etag}", self.bytes)),
            path: self.path,
            bytes: self.bytes,
            format,
            copy: None,
            samples: SampleSet::Run { first: index, n: 1 },
            brings: vec![PlanSample { index, name: self.sample, sex: self.sex }],
            gvcf: None,
        }
    }
}

/// Calls `take` with the lines of a file and their numbers, from 1 on, until it breaks off.
fn each_line(source: &Mapped, path: &str, mut take: impl FnMut(u64, &str) -> Result<ControlFlow<()>>) -> Result<()> {
    let mut window = source.window(0).releasing(source, 0);
    let (mut start, mut number) = (0, 0);
    while start < window.len() {
        let mut seen = start;
        let end = loop {
            window.upto(seen + 1)?;
            let ready = window.ready();
            match memchr(b'\n', &ready[seen..]) {
                Some(n) => break seen + n,
                None if ready.len() == window.len() => break ready.len(),
                None => seen = ready.len(),
            }
        };
        number += 1;
        let line = &window.ready()[start..end];
        let line = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).map_err(|_| {
            let place = Location { path: Some(path.into()), line: Some(number), ..Location::default() };
            Error::bad_data("the line is no text in UTF-8").at(place)
        })?;
        if take(number, line)?.is_break() {
            break;
        }
        start = end + 1;
        window.give_back(start);
    }
    Ok(())
}
