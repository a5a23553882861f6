//! Where files can be cut: at records found by probes, with the halo that makes the rows on either side complete.

use super::ShardSource;
use super::joint::{IngestRange, LOOK_BACK_BP};
use super::region::Regions;
use crate::alleles::MAX_SHIFT_BP;
use crate::decode::probe::Probed;
use crate::decode::stream::Pieces;
use crate::decode::vcf::{locus_of_line, undefined_contig};
use crate::error::Result;
use crate::evidence::{cell_start, grid_cell};
use crate::genome::{Contigs, Locus};
use crate::input::index::{RegionIndex, record_at};
use crate::input::{Cohort, Format, InputFile};

/// First step back when a halo is looked for, in bytes.
const HALO_STEP_BYTES: u64 = 64 << 10;

/// A place where a file is cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Start of the record there.
    offset: u64,
    /// Its position: the first that the shard behind the cut owns.
    locus: Locus,
}

/// Files of one group in the order of their first records; files without records come last, in the order given.
pub fn in_order_of_position(cohort: &Cohort, files: &[usize]) -> Result<Vec<usize>> {
    let mut keyed = Vec::new();
    for &index in files {
        keyed.push((first_locus(&cohort.files[index], &cohort.contigs)?, index));
    }
    keyed.sort_by_key(|(locus, index)| (locus.is_none(), *locus, *index));
    Ok(keyed.into_iter().map(|(_, index)| index).collect())
}

fn first_locus(file: &InputFile, contigs: &Contigs) -> Result<Option<Locus>> {
    if file.format.is_splittable() {
        let first = file.probe(0)?;
        return first.map(|probed| locus(file, contigs, &probed)).transpose();
    }
    let mut pieces = Pieces::new(file.stream()?, file.dictionary.as_ref(), contigs, 1, 0);
    let piece = pieces.next_piece().map_err(|error| error.at(file.place()))?;
    Ok(piece.and_then(|piece| piece.first))
}

fn locus(file: &InputFile, contigs: &Contigs, probed: &Probed) -> Result<Locus> {
    match contigs.index_of(&probed.chrom) {
        Some(contig) => Ok(Locus { contig, vcf_pos: probed.vcf_pos }),
        None => Err(undefined_contig(&probed.chrom).at(file.place())),
    }
}

/// Where reading a file from its start begins: at its first record, or at the lines without a place before it.
fn start_of_lines(file: &InputFile, first: &Probed) -> u64 {
    if first.passed_over { file.data_start } else { first.offset }
}

/// Whether a file in which no record was found has lines all the same.
fn has_lines(file: &InputFile) -> Result<bool> {
    if file.format.is_bcf() {
        return Ok(false);
    }
    let mut lines = file.lines_from(file.data_start)?;
    while let Some(line) = lines.next_line().map_err(|error| error.at(file.place()))? {
        if !line.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Ranges of about `spacing` physical bytes each, in order; with their bytes.
pub fn ranges(file: &InputFile, contigs: &Contigs, spacing: u64, regions: &Regions) -> Result<Vec<(ShardSource, u64)>> {
    let n_bytes = file.mapped.len() as u64;
    if let Some(shards) = indexed_ranges(file, contigs, spacing, regions)? {
        return Ok(shards);
    }
    let physical = |offset: u64| file.format.physical(offset);
    let Some(first) = file.probe(0)? else {
        let source = ShardSource::Range { offset: file.data_start, own_start: None, own_end: None, end_offset: None };
        return Ok(if has_lines(file)? { vec![(source, n_bytes)] } else { Vec::new() });
    };
    let mut cuts = vec![Cut { offset: start_of_lines(file, &first), locus: locus(file, contigs, &first)? }];
    let mut target = physical(first.offset) + spacing;
    while target < n_bytes {
        let Some(probed) = file.probe(target)? else { break };
        let locus = locus(file, contigs, &probed)?;
        let last = cuts[cuts.len() - 1];
        if probed.offset > last.offset && locus != last.locus {
            cuts.push(Cut { offset: probed.offset, locus });
        }
        target = physical(probed.offset).max(target) + spacing;
    }
    let mut shards = Vec::new();
    for (i, cut) in cuts.iter().enumerate() {
        let own_start = (i > 0).then_some(cut.locus);
        let own_end = cuts.get(i + 1).map(|next| next.locus);
        if !overlaps(regions, own_start, own_end) {
            continue;
        }
        let before = Locus { contig: cut.locus.contig, vcf_pos: cut.locus.vcf_pos - MAX_SHIFT_BP };
        let offset = if i == 0 { cut.offset } else { halo_start(file, contigs, cut.offset, before)? };
        let end = cuts.get(i + 1).map_or(n_bytes, |next| physical(next.offset));
        let end_offset = cuts.get(i + 1).map(|next| next.offset);
        shards.push((ShardSource::Range { offset, own_start, own_end, end_offset }, end - physical(cut.offset)));
    }
    Ok(shards)
}

/// One shard per region (or few that are close), by the index beside a BGZF file, when the regions are small pieces of it. `None`: there is no
/// index, or it does not fit the file, or a region is worth several shards.
fn indexed_ranges(
    file: &InputFile,
    contigs: &Contigs,
    spacing: u64,
    regions: &Regions,
) -> Result<Option<Vec<(ShardSource, u64)>>> {
    if regions.is_all() || file.format != Format::VcfBgzf {
        return Ok(None);
    }
    let Some(index) = RegionIndex::beside(file)? else { return Ok(None) };
    let mut shards = Vec::new();
    for (contig, first, last) in joined(regions) {
        let halo_first = first.saturating_sub(MAX_SHIFT_BP + 1).max(1);
        let chunks = index.chunks(contigs.name(contig), halo_first, last);
        let bytes = chunks.iter().map(|chunk| (chunk.end >> 16).saturating_sub(chunk.start >> 16));
        let bytes = bytes.fold(0, u64::saturating_add);
        if bytes > 2 * spacing {
            return Ok(None);
        }
        // chunks of records that merely reach into the region come first: the last one that begins before it will do
        let mut offset = None;
        for chunk in chunks.iter().rev() {
            if begins_before(file, contigs, chunk.start, Locus { contig, vcf_pos: halo_first })? {
                offset = Some(chunk.start);
                break;
            }
        }
        let Some(offset) = offset else { return Ok(None) };
        // rows of the region's records, wherever normalisation moved them
        let own_start = Some(Locus { contig, vcf_pos: first.saturating_sub(MAX_SHIFT_BP) });
        let own_end = Some(Locus { contig, vcf_pos: last.saturating_add(MAX_SHIFT_BP + 1) });
        let source = ShardSource::Range { offset, own_start, own_end, end_offset: Some(offset) };
        shards.push((source, bytes));
    }
    Ok(Some(shards))
}

/// Where the records of a gVCF are that overlap the regions, by the index beside it: virtual offsets from and to, in order.
/// `None`: everything is wanted, or there is no index, or it does not fit the file.
pub fn region_ranges(file: &InputFile, contigs: &Contigs, regions: &Regions) -> Result<Option<Vec<(u64, u64)>>> {
    if regions.is_all() || file.format != Format::VcfBgzf || file.is_copy() {
        return Ok(None);
    }
    let Some(index) = RegionIndex::beside(file)? else { return Ok(None) };
    if !index.reaches_the_end_of(&file.mapped)? {
        return Ok(None);
    }
    let mut found: Vec<(u64, u64)> = Vec::new();
    for (contig, first, last) in regions.iter() {
        let name = contigs.name(contig);
        for chunk in index.chunks(name, first.max(1), last) {
            if chunk.end < chunk.start || !is_record_of(file, chunk.start, name)? {
                return Ok(None);
            }
            found.push((chunk.start, chunk.end));
        }
    }
    found.sort_unstable();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for (start, end) in found {
        match ranges.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => ranges.push((start, end)),
        }
    }
    Ok(Some(ranges))
}

/// Whether a record of a contig starts at a virtual offset.
fn is_record_of(file: &InputFile, offset: u64, contig: &str) -> Result<bool> {
    let found = record_at(file, offset)?;
    Ok(found.is_some_and(|found| found.chrom == contig.as_bytes()))
}

/// The regions, those within reach of each other's rows as one.
fn joined(regions: &Regions) -> Vec<(u32, i32, i32)> {
    let mut joined: Vec<(u32, i32, i32)> = Vec::new();
    for (contig, first, last) in regions.iter() {
        match joined.last_mut() {
            Some(before) if before.0 == contig && first <= before.2.saturating_add(2 * MAX_SHIFT_BP + 1) => {
                before.2 = last
            }
            _ => joined.push((contig, first, last)),
        }
    }
    joined
}

/// Whether a record of the contig starts at `offset`, and the ones before it are before `wanted`: what an index that fits says.
fn begins_before(file: &InputFile, contigs: &Contigs, offset: u64, wanted: Locus) -> Result<bool> {
    let Some(here) = record_at(file, offset)? else { return Ok(false) };
    // the records of a contig are together: on another one nothing would say on which side of it the region is
    if contigs.index_of(&here.chrom) != Some(wanted.contig) {
        return Ok(false);
    }
    if here.vcf_pos < wanted.vcf_pos && here.begins_a_line {
        return Ok(true);
    }
    // the region begins with the contig, or between two records: the record before must be before it, too
    let mut step = HALO_STEP_BYTES;
    loop {
        let from = (offset >> 16).saturating_sub(step);
        match file.probe(from)? {
            Some(before) if before.offset < offset => return leads_to(file, contigs, &before, offset, wanted),
            // nothing before it: the file begins there
            Some(first) if from == 0 => return Ok(first.offset == offset),
            _ if from == 0 => return Ok(false),
            _ => step *= 2,
        }
    }
}

/// Whether a line starts at `offset`, and the record before it, at `before` or behind that, is before `wanted`.
fn leads_to(file: &InputFile, contigs: &Contigs, before: &Probed, offset: u64, wanted: Locus) -> Result<bool> {
    let mut last = locus(file, contigs, before)?;
    let mut lines = file.lines_from(before.offset)?.expecting_end(offset);
    while let Some(line) = lines.next_line()? {
        let found = locus_of_line(line).map(|(chrom, vcf_pos)| (contigs.index_of(chrom), vcf_pos));
        if lines.line_offset() >= offset {
            let is_before = last.contig != wanted.contig || last.vcf_pos < wanted.vcf_pos;
            return Ok(is_before && lines.line_offset() == offset);
        }
        match found {
            Ok((Some(contig), vcf_pos)) => last = Locus { contig, vcf_pos },
            Ok((None, _)) => return Ok(false),
            // without a place: it belongs with the one before
            Err(_) => {}
        }
    }
    Ok(false)
}

/// Whether a range of positions can hold something of the regions. A range over several contigs always can: the order of
/// contigs in a file need not be that of the header.
fn overlaps(regions: &Regions, own_start: Option<Locus>, own_end: Option<Locus>) -> bool {
    match (own_start, own_end) {
        (Some(start), Some(end)) if start.contig == end.contig && !regions.is_all() => regions
            .iter()
            .any(|(contig, first, last)| contig == start.contig && first < end.vcf_pos && last >= start.vcf_pos),
        _ => true,
    }
}

/// A record before every one at or behind `wanted` (on the contig of the record at `cut`): on another contig, or before it.
fn halo_start(file: &InputFile, contigs: &Contigs, cut: u64, wanted: Locus) -> Result<u64> {
    let physical = file.format.physical(cut);
    let mut step = HALO_STEP_BYTES;
    loop {
        let from = physical.saturating_sub(step);
        let probed = file.probe(from)?;
        if let Some(probed) = probed.as_ref().filter(|probed| probed.offset < cut) {
            let found = locus(file, contigs, probed)?;
            if found.contig != wanted.contig || found.vcf_pos < wanted.vcf_pos {
                return Ok(probed.offset);
            }
        }
        if from == 0 {
            return Ok(probed.map_or(cut, |first| first.offset));
        }
        // further back, also where nothing was found: a BCF has large records with no place to begin inside
        step *= 2;
    }
}

/// Ranges of about `spacing` physical bytes of a gVCF, which own whole cells of the grid. Each begins to read at a record
/// before all that it must see.
pub fn ingest_ranges(file: &InputFile, contigs: &Contigs, spacing: u64) -> Result<Vec<(IngestRange, u64)>> {
    let n_bytes = file.mapped.len() as u64;
    let physical = |offset: u64| file.format.physical(offset);
    let Some(first) = file.probe(0)? else {
        let range = IngestRange { offset: file.data_start, own_start: None, own_end: None, end_offset: None };
        return Ok(if has_lines(file)? { vec![(range, n_bytes)] } else { Vec::new() });
    };
    let on_grid = |probed: &Probed| -> Result<Cut> {
        let found = locus(file, contigs, probed)?;
        let start = Locus { contig: found.contig, vcf_pos: cell_start(grid_cell(found.vcf_pos)) };
        Ok(Cut { offset: probed.offset, locus: start })
    };
    let mut cuts = vec![Cut { offset: start_of_lines(file, &first), ..on_grid(&first)? }];
    let mut target = physical(first.offset) + spacing;
    while target < n_bytes {
        let Some(probed) = file.probe(target)? else { break };
        let (cut, last) = (on_grid(&probed)?, cuts[cuts.len() - 1]);
        if cut.offset > last.offset && cut.locus != last.locus {
            cuts.push(cut);
        }
        target = physical(probed.offset).max(target) + spacing;
    }
    let mut ranges = Vec::new();
    for (i, cut) in cuts.iter().enumerate() {
        let next = cuts.get(i + 1);
        let seen = Locus { contig: cut.locus.contig, vcf_pos: cut.locus.vcf_pos - LOOK_BACK_BP };
        let range = IngestRange {
            offset: if i == 0 { cut.offset } else { halo_start(file, contigs, cut.offset, seen)? },
            own_start: (i > 0).then_some(cut.locus),
            own_end: next.map(|next| next.locus),
            end_offset: next.map(|next| next.offset),
        };
        ranges.push((range, next.map_or(n_bytes, |next| physical(next.offset)) - physical(cut.offset)));
    }
    Ok(ranges)
}

/// Probes of one file when a merge is cut, at most.
const MERGE_PROBES: u64 = 256;

/// Positions that cut the inputs of a merge into parts of about `wanted` bytes over all files. Files must be splittable.
pub fn merge_cuts(cohort: &Cohort, wanted: u64) -> Result<Vec<Locus>> {
    let mut weighted: Vec<(Locus, u64)> = Vec::new();
    for file in &cohort.files {
        let n_bytes = file.mapped.len() as u64;
        let n_probes = (n_bytes / (wanted / 4).max(1)).clamp(1, MERGE_PROBES);
        for i in 0..n_probes {
            if let Some(probed) = file.probe(n_bytes / n_probes * i)? {
                weighted.push((locus(file, &cohort.contigs, &probed)?, n_bytes / n_probes));
            }
        }
    }
    weighted.sort_unstable();
    let mut cuts: Vec<Locus> = Vec::new();
    let mut bytes = 0;
    for (locus, weight) in weighted {
        if bytes >= wanted && cuts.last() != Some(&locus) {
            cuts.push(locus);
            bytes = 0;
        }
        bytes += weight;
    }
    Ok(cuts)
}

/// Where to begin reading a sorted file so that no record at or behind `wanted` less `halo_bp` is missed; `None` when the
/// file has no records. A binary search by probes: no index is needed.
pub fn seek(file: &InputFile, contigs: &Contigs, wanted: Locus, halo_bp: i32) -> Result<Option<u64>> {
    let Some(first) = file.probe(0)? else { return Ok(has_lines(file)?.then_some(file.data_start)) };
    let before = Locus { contig: wanted.contig, vcf_pos: wanted.vcf_pos.saturating_sub(halo_bp) };
    let mut best = start_of_lines(file, &first);
    let (mut low, mut high) = (0, file.mapped.len() as u64);
    while high - low > HALO_STEP_BYTES / 4 {
        let middle = low + (high - low) / 2;
        match file.probe(middle)? {
            Some(probed) if locus(file, contigs, &probed)? < before => {
                best = best.max(probed.offset);
                low = middle;
            }
            _ => high = middle,
        }
    }
    Ok(Some(best))
}
