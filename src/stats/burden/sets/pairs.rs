//! Sets as pairs of a variant and a name: tables of users, and the stored table `consequences`.

use super::{Set, Sets, span_of_ids};
use crate::dataset::Dataset;
use crate::error::{Error, Location, Result};
use crate::query::joined::Pairs;
use crate::query::user_table::read_table;
use std::path::Path;

/// Name of the column with the set in a user's table.
const KEY: &str = "set";

/// The sets of a table.
pub fn of_table(dataset: &Dataset, path: &Path, bytes: &[u8]) -> Result<Sets> {
    let table = read_table(path, bytes)?;
    let n_rows = table.height();
    let at = Location { path: Some(path.display().to_string()), ..Default::default() };
    let (pairs, n_unknown) = Pairs::of_table(dataset, table, KEY).map_err(|error| error.at(at))?;
    if n_unknown == n_rows {
        return Err(Error::bad_data(format!("{}: the dataset has none of its {n_rows} variants", path.display()))
            .hint("contig, pos, ref and alt are compared with those of the table variants, which are normalised"));
    }
    let mut sets = of_pairs(pairs)?;
    if n_unknown > 0 {
        let path = path.display();
        sets.notes
            .push(format!("{path}: left out {n_unknown} of {n_rows} rows, of variants that the dataset does not have"));
    }
    Ok(sets)
}

/// The genes of the stored table `consequences`.
pub fn of_consequences(dataset: &Dataset, column: &str) -> Result<Sets> {
    of_pairs(Pairs::of_consequences(dataset, column)?)
}

fn of_pairs(pairs: Pairs) -> Result<Sets> {
    let set = |(name, ids): (String, Option<(i64, i64)>)| Set {
        name,
        intervals: Vec::new(),
        span: ids.and_then(|(least, most)| span_of_ids(least, most)),
    };
    let named = pairs.sets()?.into_iter().map(|named| (named.name, named.ids));
    let mut sets = Sets { sets: named.map(set).collect(), pairs: Some(pairs), notes: Vec::new() };
    sets.sort();
    Ok(sets)
}
