//! Finds variants by a condition in SQL, or by a list.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::store::local;
use polars::prelude::*;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Identifiers of the rows of `variants` for which `condition` holds.
pub fn variant_ids_where(dataset: &Dataset, condition: &str) -> Result<HashSet<i64>> {
    let frame =
        super::query(dataset, &format!("SELECT variant_id FROM variants WHERE ({condition})")).map_err(|error| {
            error.hint("--where takes a condition on the columns of variants: \"type = 'snv' AND qual > 30\"")
        })?;
    Ok(ids(&frame)?.into_no_null_iter().collect())
}

fn ids(frame: &DataFrame) -> Result<&Int64Chunked> {
    let column = frame.column("variant_id").and_then(|column| column.i64());
    column.map_err(super::reading_failed)
}

/// Identifiers of the variants that a file lists: one `variant_id` a line, or contig, pos, ref and alt in four columns (tabs or
/// `:` between them). Lines that begin with `#` and a line of column names are skipped. A variant that is not there is an error.
pub fn variant_ids_of_list(dataset: &Dataset, path: &Path) -> Result<HashSet<i64>> {
    let text = local::read_text(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let lines: Vec<(usize, &str)> = lines.filter(|(_, line)| !line.starts_with("variant_id")).collect();
    let by_id: Option<Vec<i64>> = lines.iter().map(|(_, line)| first_column(line).parse().ok()).collect();
    match by_id {
        Some(ids) => known_ids(dataset, ids, path),
        None => by_alleles(dataset, &lines, path),
    }
}

fn first_column(line: &str) -> &str {
    line.split('\t').next().unwrap_or_default().trim()
}

fn known_ids(dataset: &Dataset, wanted: Vec<i64>, path: &Path) -> Result<HashSet<i64>> {
    let frame = super::query(dataset, "SELECT variant_id FROM variants")?;
    let known: HashSet<i64> = ids(&frame)?.into_no_null_iter().collect();
    match wanted.iter().find(|id| !known.contains(id)) {
        Some(id) => Err(Error::usage(format!("{}: the dataset has no variant {id}", path.display()))),
        None => Ok(wanted.into_iter().collect()),
    }
}

fn by_alleles(dataset: &Dataset, lines: &[(usize, &str)], path: &Path) -> Result<HashSet<i64>> {
    let frame = super::query(dataset, "SELECT variant_id, contig, pos, ref, alt FROM variants")?;
    let failed = super::reading_failed;
    let text = |name: &str| frame.column(name).and_then(|column| column.str()).map_err(failed);
    let (contigs, refs, alts) = (text("contig")?, text("ref")?, text("alt")?);
    let positions = frame.column("pos").and_then(|column| column.i32()).map_err(failed)?;
    let mut known = HashMap::with_capacity(frame.height());
    let ids = ids(&frame)?;
    for row in 0..frame.height() {
        let key = (contigs.get(row), positions.get(row), refs.get(row), alts.get(row));
        known.insert(key, ids.get(row).unwrap_or_default());
    }
    let find = |&(at, line): &(usize, &str)| {
        let wrong = |found: String| {
            Error::usage(format!("{}:{}: {found}", path.display(), at + 1))
                .hint("expected a variant_id, or contig, pos, ref and alt as the table variants has them")
        };
        let parts: Vec<&str> = line.trim().split(if line.contains('\t') { '\t' } else { ':' }).collect();
        let [contig, pos, ref_allele, alt] = parts[..] else {
            return Err(wrong(format!("`{line}` is no variant")));
        };
        let key = (Some(contig), pos.parse().ok(), Some(ref_allele), Some(alt));
        known.get(&key).copied().ok_or_else(|| wrong(format!("the dataset has no variant `{line}`")))
    };
    lines.iter().map(find).collect()
}
