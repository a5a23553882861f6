//! Indexes beside BGZF files (`.tbi`, `.csi`): where the records of a region begin. An index is a hint: what it says is
//! checked against the file, and one that cannot be read or is wrong is not used.

use super::file::InputFile;
use super::index_counts;
use crate::decode::bgzf::{EOF_BLOCK, MAX_BLOCK_BYTES, block_size};
use crate::decode::vcf::locus_of_line;
use crate::error::{Class, Result};
use crate::store::local::{self, Mapped};
use noodles::core::{Position, region::Interval};
use noodles::csi::BinningIndex;
use noodles::csi::binning_index::index::header::ReferenceSequenceNames;
use std::path::{Path, PathBuf};

/// The index beside a file.
pub struct RegionIndex {
    index: Box<dyn BinningIndex>,
    names: ReferenceSequenceNames,
    /// Virtual offset behind the last record that it knows; 0: it knows none.
    last_end: u64,
}

/// Part of a file that can hold records of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Virtual offset of its first record.
    pub start: u64,
    /// Virtual offset behind its last one.
    pub end: u64,
}

/// The record at a virtual offset that an index gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordAt {
    /// CHROM.
    pub chrom: Vec<u8>,
    /// POS.
    pub vcf_pos: i32,
    /// Whether the text before it was seen to end a line; else that is in another block.
    pub begins_a_line: bool,
}

/// The record that an index says is at a virtual offset of a BGZF text; `None`: no block is there, or the middle of a line, or a line
/// without a place.
pub fn record_at(file: &InputFile, offset: u64) -> Result<Option<RecordAt>> {
    let block = (offset >> 16) as usize;
    let mut window = file.mapped.window(block);
    if block >= window.len() || block_size(window.upto(block + MAX_BLOCK_BYTES)?, block).is_none() {
        return Ok(None);
    }
    let found = file.lines_from(offset).and_then(|mut lines| {
        let before = lines.follows_a_line_end();
        let locus = lines.next_line()?.filter(|_| before != Some(false)).map(locus_of_line);
        let Some(Ok((chrom, vcf_pos))) = locus else { return Ok(None) };
        Ok(Some(RecordAt { chrom: chrom.to_vec(), vcf_pos, begins_a_line: before == Some(true) }))
    });
    match found {
        Err(error) if error.class() == Class::BadData => Ok(None),
        found => found,
    }
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(extension);
    PathBuf::from(name)
}

/// A whole index; `None` where there is none. What is wrong with a local one does not matter; a remote one that cannot be
/// read now would make another plan.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match local::read_input(path) {
        Err(error) if error.class() != Class::Temporary => Ok(None),
        read => read,
    }
}

impl RegionIndex {
    /// Reads the index beside a file; `None` when there is none that can be used.
    pub fn beside(file: &InputFile) -> Result<Option<RegionIndex>> {
        let path = file.mapped.path();
        type Checked = (Box<dyn BinningIndex>, index_counts::Seen);
        let tabix = |bytes: &[u8]| -> Option<Checked> {
            let seen = index_counts::of_tbi(bytes)?;
            Some((Box::new(noodles::tabix::io::Reader::new(bytes).read_index().ok()?), seen))
        };
        let csi = |bytes: &[u8]| -> Option<Checked> {
            let seen = index_counts::of_csi(bytes)?;
            Some((Box::new(noodles::csi::io::Reader::new(bytes).read_index().ok()?), seen))
        };
        let mut index = read(&beside(path, ".tbi"))?.and_then(|bytes| tabix(&bytes));
        if index.is_none() {
            index = read(&beside(path, ".csi"))?.and_then(|bytes| csi(&bytes));
        }
        Ok(index.and_then(|(index, seen)| {
            let names = index.header()?.reference_sequence_names().clone();
            Some(RegionIndex { index, names, last_end: seen.last_end })
        }))
    }

    /// Names of the contigs that it knows, in its order.
    pub fn contigs(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|name| String::from_utf8_lossy(name.as_ref()).into_owned())
    }

    /// Whether the index knows the records of a file to the last block: one that was made for another file, or before
    /// records were added, would lead past some without a trace.
    pub fn reaches_the_end_of(&self, mapped: &Mapped) -> Result<bool> {
        let (last, n_bytes) = ((self.last_end >> 16) as usize, mapped.len());
        if self.last_end == 0 || last > n_bytes || last + 2 * MAX_BLOCK_BYTES < n_bytes {
            return Ok(false);
        }
        let mut window = mapped.window(last.min(n_bytes.saturating_sub(EOF_BLOCK.len())));
        let bytes = window.upto(n_bytes)?;
        let end = n_bytes - if bytes.ends_with(&EOF_BLOCK) { EOF_BLOCK.len() } else { 0 };
        Ok(last == end || (last < end && block_size(bytes, last).is_some_and(|size| last + size == end)))
    }

    /// Parts of the file with the records that overlap `first..=last` (1-based) of a contig, in order; none when the
    /// index does not know.
    pub fn chunks(&self, contig: &str, first: i32, last: i32) -> Vec<Chunk> {
        let Some(id) = self.names.get_index_of(contig.as_bytes()) else { return Vec::new() };
        let position = |pos: i32| Position::new(usize::try_from(pos.max(1)).unwrap_or(1)).unwrap_or(Position::MIN);
        // an index does not reach beyond 2^29 (tbi); a region to the end of the contig is asked for as an open interval
        let interval = if last == i32::MAX {
            Interval::from(position(first)..)
        } else {
            Interval::from(position(first)..=position(last))
        };
        let chunks = self.index.query(id, interval).unwrap_or_default();
        chunks.iter().map(|chunk| Chunk { start: u64::from(chunk.start()), end: u64::from(chunk.end()) }).collect()
    }
}
