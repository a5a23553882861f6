//! The alleles of a dataset, to be looked up by ascending position: a few thousand rows are in memory at a time.

use crate::dataset::Dataset;
use crate::dataset::batch::Batch;
use crate::dataset::stream::{FileStream, Select, long_bounds, read_metadata};
use crate::error::Result;
use crate::genome::split_id;
use crate::store::DataFile;
use arrow_array::{Int32Array, Int64Array, StringArray};
use std::collections::VecDeque;
use std::sync::OnceLock;

/// Columns that a look-up needs.
const KEYS: [&str; 4] = ["variant_id", "pos", "ref", "alt"];
/// Targets that are closer than this, in base pairs, are read together out of an indexed source.
const NEAR_BP: i32 = 1 << 17;

/// A row group of `variants`.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its file.
    pub file: DataFile,
    /// Its number there.
    pub row_group: usize,
    /// Position of its first row.
    pub first: i32,
    /// Position of its last row.
    pub last: i32,
}

/// All alleles of a dataset, contig by contig.
pub struct Targets<'a> {
    dataset: &'a Dataset,
    groups: Vec<OnceLock<Vec<Group>>>,
}

impl<'a> Targets<'a> {
    /// Of a dataset; its files are opened when a contig is asked for.
    pub fn new(dataset: &'a Dataset) -> Targets<'a> {
        let groups = dataset.manifest().contigs.iter().map(|_| OnceLock::new()).collect();
        Targets { dataset, groups }
    }

    /// The dataset.
    pub fn dataset(&self) -> &'a Dataset {
        self.dataset
    }

    /// Number of contigs, with alleles or without.
    pub fn n_contigs(&self) -> u32 {
        self.groups.len() as u32
    }

    /// Name of a contig.
    pub fn contig(&self, index: u32) -> &'a str {
        &self.dataset.manifest().contigs[index as usize].name
    }

    /// Row groups of a contig in row order.
    pub fn groups(&self, contig: u32) -> Result<&[Group]> {
        let known = &self.groups[contig as usize];
        if let Some(groups) = known.get() {
            return Ok(groups);
        }
        let mut groups = Vec::new();
        for file in self.dataset.contig_files("variants", self.contig(contig)) {
            let file = self.dataset.full_path(file)?;
            for (row_group, bounds) in long_bounds(&read_metadata(&file)?, "variant_id").into_iter().enumerate() {
                let (first, last) = bounds.map_or((0, i32::MAX), |(first, last)| (pos_of(first), pos_of(last)));
                groups.push(Group { file: file.clone(), row_group, first, last });
            }
        }
        Ok(known.get_or_init(|| groups))
    }

    /// Stretches of a contig that hold all its alleles, first and last position of each, in order.
    pub fn stretches(&self, contig: u32) -> Result<Vec<(i32, i32)>> {
        let mut found: Vec<(i32, i32)> = Vec::new();
        for group in self.groups(contig)? {
            let select = Select::columns(&["pos"]).with_row_groups(Some(vec![group.row_group]));
            for batch in FileStream::open(&group.file, &select)? {
                for &pos in batch?.ints("pos")?.values() {
                    match found.last_mut() {
                        Some((_, last)) if pos - *last < NEAR_BP => *last = pos,
                        _ => found.push((pos, pos)),
                    }
                }
            }
        }
        Ok(found)
    }

    /// A look-up that begins at the start of a contig.
    pub fn cursor(&self, contig: u32) -> Result<Cursor<'_>> {
        Ok(Cursor { groups: self.groups(contig)?, stream: None, chunks: VecDeque::new() })
    }
}

fn pos_of(variant_id: i64) -> i32 {
    split_id(variant_id).0.vcf_pos
}

/// Consecutive rows of `variants`.
pub struct Chunk {
    /// `variant_id`
    pub ids: Int64Array,
    /// 1-based, ascending.
    pub pos: Int32Array,
    /// REF
    pub refs: StringArray,
    /// ALT
    pub alts: StringArray,
}

impl Chunk {
    /// The key columns of a batch that has rows.
    pub fn new(batch: &Batch) -> Result<Chunk> {
        Ok(Chunk {
            ids: batch.longs("variant_id")?.clone(),
            pos: batch.ints("pos")?.clone(),
            refs: batch.texts("ref")?.clone(),
            alts: batch.texts("alt")?.clone(),
        })
    }

    fn first(&self) -> i32 {
        self.pos.value(0)
    }

    fn last(&self) -> i32 {
        self.pos.value(self.pos.len() - 1)
    }
}

/// Rows of one contig around a position that ascends.
pub struct Cursor<'t> {
    /// Those that were not begun.
    groups: &'t [Group],
    stream: Option<FileStream>,
    chunks: VecDeque<Chunk>,
}

impl Cursor<'_> {
    /// Makes the rows from `low` to `high` ready; those before `low` are gone for good.
    pub fn reach(&mut self, low: i32, high: i32) -> Result<()> {
        while self.chunks.front().is_some_and(|chunk| chunk.last() < low) {
            self.chunks.pop_front();
        }
        while self.chunks.back().is_none_or(|chunk| chunk.last() <= high) {
            if self.stream.is_none() {
                let behind = self.groups.iter().take_while(|group| group.last < low).count();
                self.groups = &self.groups[behind..];
                let Some((group, rest)) = self.groups.split_first().filter(|(group, _)| group.first <= high) else {
                    return Ok(());
                };
                let select = Select::columns(&KEYS).with_row_groups(Some(vec![group.row_group]));
                self.stream = Some(FileStream::open(&group.file, &select)?);
                self.groups = rest;
            }
            match self.stream.as_mut().and_then(Iterator::next).transpose()? {
                Some(batch) if batch.n_rows() > 0 => {
                    let chunk = Chunk::new(&batch)?;
                    if chunk.last() >= low {
                        self.chunks.push_back(chunk);
                    }
                }
                Some(_) => {}
                None => self.stream = None,
            }
        }
        Ok(())
    }

    /// Whether a row that is ready has a position from `low` to `high`.
    pub fn has_any(&self, low: i32, high: i32) -> bool {
        self.chunks.iter().any(|chunk| {
            chunk.first() <= high && chunk.last() >= low && {
                let at = chunk.pos.values().partition_point(|&pos| pos < low);
                chunk.pos.values().get(at).is_some_and(|&pos| pos <= high)
            }
        })
    }

    /// Appends to `found` the rows (chunk, row) of an allele, upper or lower case.
    pub fn find(&self, pos: i32, ref_allele: &[u8], alt_allele: &[u8], mut found: impl FnMut(usize, usize)) {
        for (at, chunk) in self.chunks.iter().enumerate() {
            if chunk.first() > pos || chunk.last() < pos {
                continue;
            }
            let first = chunk.pos.values().partition_point(|&other| other < pos);
            for row in first..chunk.pos.len() {
                if chunk.pos.value(row) != pos {
                    break;
                }
                let same = chunk.alts.value(row).as_bytes().eq_ignore_ascii_case(alt_allele)
                    && chunk.refs.value(row).as_bytes().eq_ignore_ascii_case(ref_allele);
                if same {
                    found(at, row);
                }
            }
        }
    }

    /// Rows that are ready.
    pub fn chunk(&self, at: usize) -> &Chunk {
        &self.chunks[at]
    }
}
