//! Reads ranges of parts: the pages that can hold a row of the range, found by the page index, and no others.
//!
//! Blocks are there by the million, and nearly all of them cover no site; of records, a page holds more than a range needs.
//! So pages are decoded here, and most columns only where it matters.

mod blocks;
mod chunk;
mod records;

pub use blocks::read_blocks;
pub use records::read_records;

use super::ContigRows;
use super::write::CONTIG_ROWS_KEY;
use crate::error::Result;
use crate::store::DataFile;
use crate::store::parquet::pages::PageFile;
use crate::store::parquet::{damaged, footer};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use std::ops::Range;

/// Where the rows of each contig are in a part, from its footer.
pub fn contig_rows(path: &DataFile) -> Result<Vec<ContigRows>> {
    let metadata = footer::read(path, &path.open()?, PageIndexPolicy::Skip)?;
    let notes = metadata.file_metadata().key_value_metadata();
    let note = notes.and_then(|notes| notes.iter().find(|note| note.key == CONTIG_ROWS_KEY));
    let text = note.and_then(|note| note.value.as_deref());
    text.and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| damaged(path, "it does not say where the rows of each contig are"))
}

/// Rows of each row group, counted from its first, in the pages that can hold a position of the range; those of
/// the contig only. Pages are sorted by position within a contig.
fn rows_between(
    file: &PageFile,
    position: &str,
    of: &ContigRows,
    from: i32,
    to: i32,
) -> Result<Vec<(usize, Range<u64>)>> {
    let metadata = file.metadata();
    let column = file.column(position)?;
    let no_index = || file.damaged("it has no page index");
    let page_index = metadata.page_index().ok_or_else(no_index)?;
    let of_contig = of.first_row..of.first_row + of.rows;
    let mut found = Vec::new();
    let mut group_start = 0u64;
    for group in 0..metadata.num_row_groups() {
        let n_rows = metadata.row_group(group).num_rows() as u64;
        let start = of_contig.start.max(group_start);
        let end = of_contig.end.min(group_start + n_rows);
        if start < end {
            let Some(ColumnIndexMetaData::INT32(index)) = page_index.column_index(group, column) else {
                return Err(no_index());
            };
            let pages = page_index.offset_index(group, column).ok_or_else(no_index)?.page_locations();
            let of_group = start - group_start..end - group_start;
            let mut wanted: Option<Range<u64>> = None;
            for (page, location) in pages.iter().enumerate() {
                let page_start = location.first_row_index as u64;
                let page_end = pages.get(page + 1).map_or(n_rows, |next| next.first_row_index as u64);
                let rows = page_start.max(of_group.start)..page_end.min(of_group.end);
                // what a page says of all its rows holds for those of the contig, too
                let overlaps = index.min_value(page).is_none_or(|&min| min <= to)
                    && index.max_value(page).is_none_or(|&max| max >= from);
                if rows.start < rows.end && overlaps {
                    wanted = Some(wanted.map_or(rows.clone(), |so_far| so_far.start..rows.end));
                }
            }
            found.extend(wanted.map(|rows| (group, rows)));
        }
        group_start += n_rows;
    }
    Ok(found)
}

#[cfg(test)]
mod noise {
    /// Numbers that look random.
    pub struct Noise(pub u64);

    impl Noise {
        /// From 0 to `n`, exclusive.
        pub fn below(&mut self, n: i32) -> i32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) % n as u64) as i32
        }
    }
}
