//! Sets as pairs of a variant and a name: tables of users, and the stored table `consequences`.

use super::{Set, Sets, span_of_ids};
use crate::dataset::Dataset;
use crate::error::{Error, Location, Result};
use crate::query::joined::Pairs;
use crate::query::user_table::read_table;
use std::path::Path;

/// Name of the column with the set in a user's table.
pub const KEY: &str = "set";

/// The sets of a table.
pub fn of_table(dataset: &Dataset, path: &Path, bytes: &[u8]) -> Result<Sets> {
    let table = read_table(path, bytes, &[KEY, "contig", "ref", "alt"])?;
    let n_rows = table.height();
    let at = Location { path: Some(path.display().to_string()), ..Default::default() };
    let (pairs, left) = Pairs::of_table(dataset, table, KEY).map_err(|error| error.at(at))?;
    let path = path.display();
    if left.n_unknown + left.n_without_set == n_rows {
        return Err(Error::bad_data(format!(
            "{path}: none of its {n_rows} rows has a set and a variant of the dataset"
        ))
        .hint("contig, pos, ref and alt are compared with those of the table variants, which are normalised"));
    }
    let mut sets = of_pairs(pairs)?;
    let why = [
        (left.n_unknown, "of variants that the dataset does not have"),
        (left.n_without_set, "which have no set (an empty text, `.` and NA are none)"),
    ];
    for (n, why) in why.into_iter().filter(|(n, _)| *n > 0) {
        sets.notes.push(format!("{path}: left out {n} of {n_rows} rows, {why}"));
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
