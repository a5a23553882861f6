//! Consequences out of the dataset's own INFO column.

use super::super::join::Setup;
use super::super::lines::{Joined, MAX_LISTED, Rejection, with_skip_hint};
use super::super::rows::Rows;
use super::super::spill::Spill;
use super::super::targets::{Chunk, Group};
use super::allele::Site;
use super::format::Format;
use super::{Consequences, Target};
use crate::alleles::MAX_SHIFT_BP;
use crate::dataset::batch::{Batch, Value};
use crate::dataset::stream::{FileStream, Select};
use crate::error::{Error, Location, Result};
use crate::genome::{Locus, split_id};
use arrow_array::Array;
use rayon::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

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
        let groups = setup.targets.groups(contig)?;
        let at_once = rayon::current_num_threads() * 2;
        for first in (0..groups.len()).step_by(at_once) {
            let name = setup.targets.contig(contig);
            let work = |at: usize| {
                read_group(format, column, setup, &Work::new(contig, groups, at))
                    .map_err(|error| error.at(Location { contig: Some(name.to_owned()), ..Default::default() }))
            };
            let last = groups.len().min(first + at_once);
            let done: Vec<Result<Vec<Part>>> = (first..last).into_par_iter().map(work).collect();
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

/// A row group, and where the other alleles of its records can be.
struct Work<'g> {
    group: &'g Group,
    near: &'g [Group],
    /// The smallest and the largest `variant_id` of them.
    ids: (i64, i64),
}

impl<'g> Work<'g> {
    fn new(contig: u32, groups: &'g [Group], at: usize) -> Work<'g> {
        let group = &groups[at];
        let (low, high) = (group.first.saturating_sub(2 * MAX_SHIFT_BP), group.last.saturating_add(2 * MAX_SHIFT_BP));
        let before = groups[..at].iter().rev().take_while(|group| group.last >= low).count();
        let behind = groups[at + 1..].iter().take_while(|group| group.first <= high).count();
        let id = |vcf_pos: i32, rank: u16| Locus { contig, vcf_pos }.id(rank);
        Work { group, near: &groups[at - before..=at + behind], ids: (id(low.max(0), 0), id(high, u16::MAX)) }
    }
}

/// The ALT of records with more than one, as written, by `site_id`; one that no row has is empty.
type Sites = HashMap<i64, Vec<String>>;

fn sites_of(work: &Work) -> Result<Sites> {
    let mut sites = Sites::new();
    for group in work.near {
        let names = ["alt", "site_id", "alt_index", "n_alts", "site_alt"];
        let select = Select::columns(&names).with_row_groups(Some(vec![group.row_group])).with_ids(Some(work.ids));
        for batch in FileStream::open(&group.file, &select)? {
            let batch = batch?;
            let (ids, alts, written) = (batch.longs("site_id")?, batch.texts("alt")?, batch.texts("site_alt")?);
            let (alt_indexes, n_alts) = (batch.ints("alt_index")?, batch.ints("n_alts")?);
            for row in (0..batch.n_rows()).filter(|&row| n_alts.value(row) > 1) {
                let site = sites.entry(ids.value(row)).or_default();
                let alt = if written.is_null(row) { alts.value(row) } else { written.value(row) };
                let at = alt_indexes.value(row).max(1) as usize - 1;
                if site.len() <= at {
                    site.resize(at + 1, String::new());
                }
                alt.clone_into(&mut site[at]);
            }
        }
    }
    Ok(sites)
}

fn read_group(format: &Arc<Format>, column: &str, setup: &Setup, work: &Work) -> Result<Vec<Part>> {
    let (group, sites) = (work.group, sites_of(work)?);
    let names = ["variant_id", "pos", "ref", "alt", "site_id", "alt_index", "site_ref", "site_alt", column];
    let select = Select::columns(&names).with_row_groups(Some(vec![group.row_group]));
    let mut parts = Vec::new();
    for batch in FileStream::open(&group.file, &select)? {
        let batch = batch?;
        if batch.n_rows() > 0 {
            parts.push(read_batch(format, column, (setup, &sites), &batch)?);
        }
    }
    Ok(parts)
}

fn read_batch(format: &Arc<Format>, column: &str, of: (&Setup, &Sites), batch: &Batch) -> Result<Part> {
    let (setup, sites) = of;
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
        let mut site = match sites.get(&site_ids.value(row)) {
            Some(alts) => Site::of_alleles(vcf_pos, ref_allele, alts.iter().map(String::as_str).collect()),
            None => Site::new(vcf_pos, ref_allele, alt),
        };
        let mut add = |found: &mut Consequences| found.add(texts.iter().copied(), &mut site, &[target], 0);
        if setup.skip_bad
            && let Err(error) = add(&mut Consequences::new(format))
        {
            joined.tally.rejected += 1;
            joined.rejections.push(Rejection { place: at(vcf_pos).to_string(), reason: error.message().to_owned() });
            continue;
        }
        let before = found.tally;
        add(&mut found).map_err(|error| with_skip_hint(error.at(at(vcf_pos))))?;
        joined.tally.matched += 1;
        if target.alt_index > 1 {
            // the entries of a record are counted with its first allele
            found.tally = before;
        }
    }
    joined.entries = found.tally;
    Ok(Part { rows: found.finish()?, joined, reached: chunk.pos.value(batch.n_rows() - 1) })
}

fn at(vcf_pos: i32) -> Location {
    Location { vcf_pos: Some(i64::from(vcf_pos)), ..Default::default() }
}
