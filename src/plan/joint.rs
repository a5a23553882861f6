//! How the two stages of a gVCF cohort are divided: inputs to ingest shards, evidence to call shards.
//!
//! The first is a function of the inputs, the second of what the first stage recorded about its parts; neither of cores.

use super::region::Regions;
use super::{Shard, ShardSource, compressed_bytes, cuts};
use crate::error::Result;
use crate::evidence::{ContigRows, GRID_BP};
use crate::genome::Locus;
use crate::input::Cohort;
use serde::{Deserialize, Serialize};

/// The inputs are divided into so many ingest shards, within the limits below.
const INGEST_SHARDS_WANTED: u64 = 64;
/// Least size of an ingest shard in bytes of compressed input.
const MIN_INGEST_BYTES: u64 = 4 << 20;
/// Largest size of an ingest shard in bytes of compressed input, but for an input that cannot be cut.
const MAX_INGEST_BYTES: u64 = 256 << 20;
/// Most inputs of an ingest shard, as all are open at once: 1/64 of them, within these.
const INGEST_INPUTS: (usize, usize) = (64, 256);

/// Rows of evidence (blocks and records) in a call shard, by default.
pub const CALL_SHARD_ROWS: u64 = 1_000_000;
/// Bytes of compressed input that stand for a row of evidence, where the size of shards is given in bytes.
pub const BYTES_PER_ROW: u64 = 10;
/// Call shards begin at multiples of this (plus 1), in base pairs.
const CALL_SHARD_STEP_BP: i64 = 1_000;

/// A part of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestRange {
    /// First record to read, look-back included.
    pub offset: u64,
    /// First position that the shard owns; `None`: from the start of the file.
    pub own_start: Option<Locus>,
    /// First position behind it; `None`: to the end of the file.
    pub own_end: Option<Locus>,
    /// Where the first record of the next range starts: all before is read.
    pub end_offset: Option<u64>,
}

/// How far before its own positions a range sees blocks, in base pairs. A block that begins before that is the matter
/// of the range that it begins in, up to its end.
pub const LOOK_BACK_BP: i32 = GRID_BP;

/// Divides the inputs: consecutive ones in the order of the cohort share a shard, large ones are cut. Where an index leads
/// to the regions, only their bytes count.
pub fn ingest_shards(cohort: &Cohort, regions: &Regions) -> Result<Vec<Shard>> {
    let mut sizes = Vec::with_capacity(cohort.files.len());
    for file in &cohort.files {
        let ranges = cuts::region_ranges(file, &cohort.contigs, regions)?;
        let by_index =
            ranges.map(|ranges| ranges.iter().map(|&(start, end)| ((end >> 16) - (start >> 16)).max(1)).sum());
        sizes.push((by_index.unwrap_or_else(|| compressed_bytes(file)), by_index.is_some()));
    }
    let total: u64 = sizes.iter().map(|(bytes, _)| bytes).sum();
    let wanted = (total / INGEST_SHARDS_WANTED).clamp(MIN_INGEST_BYTES, MAX_INGEST_BYTES);
    let most_inputs = (sizes.len() / INGEST_SHARDS_WANTED as usize).clamp(INGEST_INPUTS.0, INGEST_INPUTS.1);
    let mut shards = ShardList::default();
    for (input, (&(bytes, by_index), file)) in sizes.iter().zip(&cohort.files).enumerate() {
        if bytes > wanted + wanted / 2 && file.format.has_lines_anywhere() && !by_index {
            shards.close();
            let n_ranges = bytes.div_ceil(wanted);
            let spacing = (file.mapped.len() as u64).div_ceil(n_ranges);
            let ranges = cuts::ingest_ranges(file, &cohort.contigs, spacing)?;
            for &(range, bytes) in &ranges {
                shards.add(input, bytes, Some(range));
                shards.close();
            }
            // a file without records is one like others
            if !ranges.is_empty() {
                continue;
            }
        }
        shards.add(input, bytes, None);
        if shards.open.as_ref().is_some_and(|open| open.bytes >= wanted || n_inputs(open) == most_inputs) {
            shards.close();
        }
    }
    shards.close();
    Ok(shards.done)
}

/// Shards that are complete, and the one that inputs are added to.
#[derive(Default)]
struct ShardList {
    done: Vec<Shard>,
    open: Option<Shard>,
}

impl ShardList {
    fn add(&mut self, input: usize, bytes: u64, range: Option<IngestRange>) {
        let number = self.done.len() as u64;
        let source = ShardSource::Ingest { n_inputs: 0, range };
        let open = self.open.get_or_insert(Shard { number, input, source, bytes: 0 });
        open.source = ShardSource::Ingest { n_inputs: input + 1 - open.input, range };
        open.bytes += bytes;
    }

    fn close(&mut self) {
        self.done.extend(self.open.take());
    }
}

/// Number of inputs of an ingest shard.
pub fn n_inputs(shard: &Shard) -> usize {
    match shard.source {
        ShardSource::Ingest { n_inputs, .. } => n_inputs,
        _ => 0,
    }
}

/// One shard of the second stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallShard {
    /// Number; ascends with position.
    pub number: u64,
    /// First position that it owns.
    pub own_start: Locus,
    /// First position behind.
    pub own_end: Locus,
}

/// Divides positions into call shards of about `rows_wanted` rows of evidence. `parts`: where the rows of each contig are,
/// of every part. Contigs with few rows share a shard; others are cut evenly between their first and last position.
pub fn call_shards<'a>(parts: impl Iterator<Item = &'a [ContigRows]>, rows_wanted: u64) -> Vec<CallShard> {
    let mut contigs: Vec<ContigRows> = Vec::new();
    for rows in parts.flatten() {
        match contigs.binary_search_by_key(&rows.contig, |known| known.contig) {
            Ok(at) => {
                let known = &mut contigs[at];
                known.rows = known.rows.saturating_add(rows.rows);
                known.first_pos = known.first_pos.min(rows.first_pos);
                known.last_pos = known.last_pos.max(rows.last_pos);
            }
            Err(at) => contigs.insert(at, rows.clone()),
        }
    }
    let mut shards = Vec::new();
    let mut push = |own_start: Locus, own_end: Locus| {
        shards.push(CallShard { number: shards.len() as u64, own_start, own_end });
    };
    let rows_wanted = rows_wanted.max(1);
    let mut shared: Option<(Locus, Locus, u64)> = None;
    for contig in &contigs {
        let (start, end) = (at(contig.contig, i32::MIN), at(contig.contig, i32::MAX));
        let fits = shared.is_none_or(|(_, _, rows)| rows.saturating_add(contig.rows) <= rows_wanted);
        if contig.rows <= rows_wanted && fits {
            let (first, _, rows) = shared.unwrap_or((start, end, 0));
            shared = Some((first, end, rows + contig.rows));
            continue;
        }
        if let Some((first, last, _)) = shared.take() {
            push(first, last);
        }
        if contig.rows <= rows_wanted {
            shared = Some((start, end, contig.rows));
            continue;
        }
        let cuts = even_cuts(contig, rows_wanted);
        let starts = std::iter::once(start).chain(cuts.iter().map(|&cut| at(contig.contig, cut)));
        let ends = cuts.iter().map(|&cut| at(contig.contig, cut)).chain([end]);
        starts.zip(ends).for_each(|(start, end)| push(start, end));
    }
    if let Some((first, last, _)) = shared {
        push(first, last);
    }
    shards
}

fn at(contig: u32, vcf_pos: i32) -> Locus {
    Locus { contig, vcf_pos }
}

/// First positions of the shards of a contig but the first.
fn even_cuts(contig: &ContigRows, rows_wanted: u64) -> Vec<i32> {
    let (first, last) = (i64::from(contig.first_pos), i64::from(contig.last_pos));
    let width = last - first + 1;
    let most = u64::try_from(width / CALL_SHARD_STEP_BP).unwrap_or(0) + 1;
    let n_shards = contig.rows.div_ceil(rows_wanted).min(most) as i64;
    let mut cuts: Vec<i32> = Vec::new();
    for i in 1..n_shards {
        let even = first + (i128::from(width) * i128::from(i) / i128::from(n_shards)) as i64;
        let cut = even / CALL_SHARD_STEP_BP * CALL_SHARD_STEP_BP + 1;
        if cut > first && cut <= last && cuts.last().is_none_or(|&last| cut > i64::from(last)) {
            cuts.push(cut as i32);
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(contig: u32, rows: u64, first_pos: i32, last_pos: i32) -> ContigRows {
        ContigRows { contig, first_row: 0, rows, first_pos, last_pos, max_span: 1 }
    }

    #[test]
    fn small_contigs_share_and_large_ones_are_cut() {
        let parts = [
            vec![rows(0, 60, 1, 5_000), rows(2, 10, 5, 6), rows(3, 20, 5, 6), rows(5, 90, 1, 9)],
            vec![rows(0, 60, 1_000, 10_000), rows(3, 65, 5, 6)],
        ];
        let shards = call_shards(parts.iter().map(Vec::as_slice), 100);
        let spans: Vec<_> = shards.iter().map(|shard| (shard.own_start, shard.own_end)).collect();
        let (least, most) = (i32::MIN, i32::MAX);
        assert_eq!(
            spans,
            [
                (at(0, least), at(0, 5_001)),
                (at(0, 5_001), at(0, most)),
                (at(2, least), at(3, most)),
                (at(5, least), at(5, most)),
            ]
        );
        assert_eq!(shards.iter().map(|shard| shard.number).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn shards_follow_each_other_whatever_their_size() {
        let parts = [vec![rows(1, 10_000, 7, 100_000_000)]];
        for wanted in [1, 7, 100, 9_999, 10_000] {
            let shards = call_shards(parts.iter().map(Vec::as_slice), wanted);
            assert_eq!(shards[0].own_start, at(1, i32::MIN));
            assert_eq!(shards[shards.len() - 1].own_end, at(1, i32::MAX));
            assert!(shards.windows(2).all(|pair| pair[0].own_end == pair[1].own_start));
            assert!(shards.iter().all(|shard| shard.own_start < shard.own_end));
        }
        assert!(call_shards(std::iter::empty(), 5).is_empty());
    }
}
