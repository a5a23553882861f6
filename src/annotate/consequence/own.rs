//! Consequences out of the dataset's own INFO column.

use super::super::join::Setup;
use super::super::lines::{Joined, Rejection};
use super::super::rows::Rows;
use super::super::spill::Spill;
use super::super::targets::{Chunk, Group};
use super::allele::Site;
use super::format::Format;
use super::{Consequences, Target};
use crate::dataset::batch::{Batch, Value};
use crate::dataset::stream::{FileStream, Select};
use crate::error::{Error, Location, Result};
use crate::genome::split_id;
use arrow_array::Array;
use rayon::prelude::*;
use std::sync::Arc;

/// Rows that are set aside and listed, at most.
const MAX_LISTED: usize = 100;

/// What a row group gave.
struct Part {
    rows: [Rows; 2],
    joined: Joined,
    reached: i32,
}

/// Reads the entries in `column` of every allele: consequences into the first of `spills`, summaries into the second.
pub fn read_own(format: &Arc<Format>, column: &str, setup: &Setup, spills: &mut [Spill; 2]) -> Result<Joined> {
    let mut joined = Joined { knows_contig: true, ..Joined::default() };
    for contig in 0..setup.targets.n_contigs() {
        for some in setup.targets.groups(contig)?.chunks(rayon::current_num_threads() * 2) {
            let name = setup.targets.contig(contig);
            let work = |group: &Group| {
                read_group(format, column, setup, group)
                    .map_err(|error| error.at(Location { contig: Some(name.to_owned()), ..Default::default() }))
            };
            let done: Vec<Result<Vec<Part>>> = some.par_iter().map(work).collect();
            for part in done.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten() {
                joined.tally.add(&part.joined.tally);
                joined.entries.add(&part.joined.entries);
                let room = MAX_LISTED.saturating_sub(joined.rejections.len());
                joined.rejections.extend(part.joined.rejections.into_iter().take(room));
                for (spill, rows) in spills.iter_mut().zip(part.rows) {
                    if rows.batch.num_rows() > 0 {
                        spill.take(contig, rows, part.reached)?;
                    }
                }
            }
        }
    }
    Ok(joined)
}

fn read_group(format: &Arc<Format>, column: &str, setup: &Setup, group: &Group) -> Result<Vec<Part>> {
    let names = ["variant_id", "pos", "ref", "alt", "site_id", "alt_index", "site_ref", "site_alt", column];
    let select = Select::columns(&names).with_row_groups(Some(vec![group.row_group]));
    let mut parts = Vec::new();
    for batch in FileStream::open(&group.file, &select)? {
        let batch = batch?;
        if batch.n_rows() > 0 {
            parts.push(read_batch(format, column, setup, &batch)?);
        }
    }
    Ok(parts)
}

fn read_batch(format: &Arc<Format>, column: &str, setup: &Setup, batch: &Batch) -> Result<Part> {
    let entries = batch.column(column).ok_or_else(|| {
        Error::bad_data(format!("{}: column `{column}` is not there", batch.place()))
            .hint("`varbatch verify` checks the dataset")
    })?;
    let chunk = Chunk::new(batch)?;
    let (site_ids, alt_indexes) = (batch.longs("site_id")?, batch.ints("alt_index")?);
    let (site_refs, site_alts) = (batch.texts("site_ref")?, batch.texts("site_alt")?);
    let mut found = Consequences::new(format);
    let mut joined = Joined::default();
    for row in 0..batch.n_rows() {
        let Some(items) = entries.items(row) else { continue };
        joined.tally.read += 1;
        let texts: Vec<&str> = items.flatten().filter_map(Value::text).flat_map(|text| text.split(',')).collect();
        let as_written = !site_refs.is_null(row);
        let (ref_allele, alt) = match as_written {
            true => (site_refs.value(row), site_alts.value(row)),
            false => (chunk.refs.value(row), chunk.alts.value(row)),
        };
        let vcf_pos = split_id(site_ids.value(row)).0.vcf_pos;
        let target = Target { alt_index: alt_indexes.value(row).max(0) as u32, chunk: &chunk, row };
        let mut site = Site::new(vcf_pos, ref_allele, alt);
        let mut add = |found: &mut Consequences| found.add(texts.iter().copied(), &mut site, &[target], 0);
        if setup.skip_bad
            && let Err(error) = add(&mut Consequences::new(format))
        {
            joined.tally.rejected += 1;
            joined.rejections.push(Rejection { place: at(vcf_pos).to_string(), reason: error.message().to_owned() });
            continue;
        }
        add(&mut found).map_err(|error| {
            error.at(at(vcf_pos)).hint("`--on-bad-record skip` leaves such rows out, and counts them")
        })?;
        joined.tally.matched += 1;
    }
    joined.entries = found.tally;
    Ok(Part { rows: found.finish()?, joined, reached: chunk.pos.value(batch.n_rows() - 1) })
}

fn at(vcf_pos: i32) -> Location {
    Location { vcf_pos: Some(i64::from(vcf_pos)), ..Default::default() }
}
