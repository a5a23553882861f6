//! The inputs of a plan, opened when a shard needs them, and closed behind the last one that does.

use crate::decode::gvcf::Recognised;
use crate::decode::gvcf::dialect::by_name;
use crate::decode::header::HeaderPool;
use crate::error::{Class, Error, Result};
use crate::input::InputFile;
use crate::plan::{PlanGvcf, PlanInput, StoredPlan};
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
    /// Those of a plan. `kept`: all of them, where they are open already; else none.
    pub fn new(plan: &'a StoredPlan, place: &'a Place, kept: &'a [InputFile]) -> Self {
        Inputs { plan, place, kept, open: Mutex::default(), pools: Mutex::default() }
    }

    /// Opens one. It must be what was planned.
    pub fn open(&self, index: usize) -> Result<Opened<'a>> {
        if let Some(file) = self.kept.get(index) {
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
    let found = file.origin();
    if (found.bytes, found.format, &found.fingerprint) != (planned.bytes, planned.format, &planned.fingerprint) {
        return Err(changed(planned));
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
            Ok(mapped) if mapped.fingerprint() != planned.fingerprint => changed(planned),
            _ => error,
        },
        _ => error,
    }
}

fn changed(planned: &PlanInput) -> Error {
    Error::bad_data(format!("{} was changed since it was planned", planned.path))
        .hint("bring the old file back, or plan again with --force: finished shards of the old plan cannot be used")
}

/// What an input was recognised as when it was planned.
pub fn recognised(gvcf: &PlanGvcf) -> Result<Recognised> {
    let dialect = by_name(&gvcf.dialect).ok_or_else(|| {
        Error::bad_data(format!("the plan names the gVCF dialect {}, which is not known", gvcf.dialect))
    })?;
    Ok(Recognised { dialect, base_pair: gvcf.base_pair })
}
