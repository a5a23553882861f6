//! The inputs of a plan, opened when a shard needs them, and closed behind the last one that does.

use crate::decode::gvcf::Recognised;
use crate::decode::gvcf::dialect::by_name;
use crate::decode::header::HeaderPool;
use crate::error::{Class, Error, Result};
use crate::genome::Contigs;
use crate::input::InputFile;
use crate::plan::{PlanInput, StoredPlan};
use crate::store::Place;
use crate::store::local::Mapped;
use std::collections::HashMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

/// An open input.
pub enum Opened<'a> {
    /// Opened for planning, by this process.
    Kept(&'a InputFile),
    /// Opened for some shards.
    Own(Arc<InputFile>),
}

impl Deref for Opened<'_> {
    type Target = InputFile;
    fn deref(&self) -> &InputFile {
        match self {
            Opened::Kept(file) => file,
            Opened::Own(file) => file,
        }
    }
}

/// Opens inputs by index.
pub struct Inputs<'a> {
    plan: &'a StoredPlan,
    place: &'a Place,
    kept: &'a [InputFile],
    open: Mutex<HashMap<usize, Weak<InputFile>>>,
    /// What headers have in common; each is used by one thread at a time.
    pools: Mutex<Vec<HeaderPool>>,
}

impl<'a> Inputs<'a> {
    /// Those of a plan. `kept`: all of them, where they were opened already; else none.
    pub fn new(plan: &'a StoredPlan, place: &'a Place, kept: &'a [InputFile]) -> Self {
        Inputs { plan, place, kept, open: Mutex::default(), pools: Mutex::default() }
    }

    /// Opens one. It must be what was planned.
    pub fn open(&self, index: usize) -> Result<Opened<'a>> {
        if let Some(file) = self.kept.get(index).filter(|file| !file.mapped.is_closed()) {
            return Ok(Opened::Kept(file));
        }
        let known = self.open.lock().expect("no panic with the lock").get(&index).and_then(Weak::upgrade);
        if let Some(file) = known {
            return Ok(Opened::Own(file));
        }
        let planned = self.plan.inputs(index..index + 1)?;
        let planned = planned.first().ok_or_else(|| Error::internal(format!("the plan has no input {index}")))?;
        let mut pool = self.pools.lock().expect("no panic with the lock").pop().unwrap_or_default();
        let file = Arc::new(open_planned(planned, self.place, &mut pool)?);
        self.pools.lock().expect("no panic with the lock").push(pool);
        let mut open = self.open.lock().expect("no panic with the lock");
        open.retain(|_, file| file.strong_count() > 0);
        open.insert(index, Arc::downgrade(&file));
        Ok(Opened::Own(file))
    }
}

fn open_planned(planned: &PlanInput, place: &Place, pool: &mut HeaderPool) -> Result<InputFile> {
    let path = Path::new(&planned.path);
    let mut file = match InputFile::open_with(path, &planned.path, pool) {
        Ok(file) => file,
        Err(error) => return Err(why_not(planned, error)),
    };
    let found = file.origin()?;
    if (found.bytes, found.format) != (planned.bytes, planned.format) || !is_same(&found.fingerprint, planned) {
        return Err(changed(planned));
    }
    let (n_found, n_planned) = (file.header.samples.len(), planned.samples.len());
    if n_found != n_planned {
        let message = format!("{} has {n_found} samples, the plan says {n_planned}", planned.path);
        return Err(Error::bad_data(message).hint("plan again with --force"));
    }
    if let (Some(copy), Some(root)) = (&planned.copy, place.local()) {
        file.read_from(&root.join(copy))?;
    }
    Ok(file)
}

/// Says what the plan has to do with an input that cannot be opened.
fn why_not(planned: &PlanInput, error: Error) -> Error {
    let relative = !planned.path.starts_with('/') && !planned.path.contains("://");
    match error.class() {
        Class::NoInput if relative => {
            error.hint("the plan names it relative to the folder where `varbatch plan` ran: run tasks there")
        }
        Class::BadData => match Mapped::open(Path::new(&planned.path)) {
            Ok(mapped) if mapped.fingerprint().is_ok_and(|found| !is_same(&found, planned)) => changed(planned),
            _ => error,
        },
        _ => error,
    }
}

/// An inventory may know no fingerprint, or the ETag of an object without its version.
fn is_same(found: &str, planned: &PlanInput) -> bool {
    let rest = found.strip_prefix(&planned.fingerprint[..]);
    rest.is_some_and(|rest| rest.is_empty() || planned.fingerprint.is_empty() || rest.starts_with(':'))
}

fn changed(planned: &PlanInput) -> Error {
    Error::bad_data(format!("{} was changed since it was planned", planned.path))
        .hint("bring the old file back, or plan again with --force: finished shards of the old plan cannot be used")
}

/// What an input is as a gVCF: as planned, or found out now, where an inventory did not say it.
pub fn recognised(planned: &PlanInput, file: &InputFile, contigs: &Contigs) -> Result<Recognised> {
    let Some(gvcf) = &planned.gvcf else { return recognise(planned, file, contigs) };
    let dialect = by_name(&gvcf.dialect).ok_or_else(|| {
        Error::bad_data(format!("the plan names the gVCF dialect {}, which is not known", gvcf.dialect))
    })?;
    Ok(Recognised { dialect, base_pair: gvcf.base_pair })
}

/// An input of an inventory: what planning would have looked at.
fn recognise(planned: &PlanInput, file: &InputFile, contigs: &Contigs) -> Result<Recognised> {
    let wrong = |what: String| Error::bad_data(what).at(file.place());
    let names: Vec<&str> = planned.brings.iter().map(|sample| sample.name.as_str()).collect();
    if file.header.samples != names {
        let found = file.header.samples.join(", ");
        return Err(wrong(format!("the file has the sample {found}, the inventory says {}", names.join(", "))));
    }
    let order = file.header.contigs.iter().map(|contig| contigs.index_of(contig.name.as_bytes()));
    if !order.is_sorted() {
        return Err(wrong(
            "the contigs of the file are in another order than in the first file of the inventory".into(),
        )
        .hint("bring them into one order, e.g. with `bcftools reheader` and `bcftools sort`"));
    }
    let survey = file.survey()?;
    match survey.recognise(&file.header) {
        Some(found) => Ok(found),
        None if survey.is_empty() => Ok(Recognised::other()),
        None => Err(wrong("the file is no gVCF".into())),
    }
}
