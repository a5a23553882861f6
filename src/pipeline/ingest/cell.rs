//! The rows of one cell of the grid, out of all inputs of a shard, and the two parts that they go to.

use crate::call::sample_counts::{Counter, SampleCounts};
use crate::decode::gvcf::{Block, FilterNames};
use crate::decode::vcf::RecordIndex;
use crate::error::Result;
use crate::evidence::{BlockWriter, PartWritten, RecordText, RecordWriter, cell_start};
use crate::store::local;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// Rows as they come: sorted within each sample only. Samples count within the shard.
#[derive(Debug, Default)]
pub struct CellRows {
    /// Blocks of the cell.
    pub blocks: Vec<(u32, Block)>,
    records: Vec<RecordRow>,
    lines: Vec<Line>,
    text: Vec<u8>,
    /// Buffers of the sort.
    keys: Vec<u64>,
    spare: Vec<u64>,
}

/// A record of one sample.
#[derive(Clone, Copy, Debug)]
struct RecordRow {
    sample: u32,
    pos: i32,
    end: i32,
    /// Which of `lines`, and which sample column of it.
    line: u32,
    column: u32,
}

/// A line that was read and checked.
pub struct RecordLine<'a> {
    /// Without line end.
    pub text: &'a [u8],
    /// Its fields.
    pub index: RecordIndex,
    /// What left-alignment makes of its alleles; see [`RecordText::aligned`].
    pub aligned: Vec<u8>,
}

/// A line that some samples have a record of.
#[derive(Debug)]
struct Line {
    start: usize,
    len: usize,
    index: RecordIndex,
    /// What left-alignment makes of its alleles, behind the line.
    aligned_len: usize,
}

impl CellRows {
    /// Adds the record of a line for the samples listed: sample in the shard, column, last base.
    pub fn add_record(&mut self, line: &RecordLine, pos: i32, of: impl Iterator<Item = (u32, u32, i32)>) {
        let number = self.lines.len() as u32;
        let before = self.records.len();
        self.records.extend(of.map(|(sample, column, end)| RecordRow { sample, pos, end, line: number, column }));
        if self.records.len() > before {
            let (start, index) = (self.text.len(), line.index.clone());
            self.lines.push(Line { start, len: line.text.len(), index, aligned_len: line.aligned.len() });
            self.text.extend_from_slice(line.text);
            self.text.extend_from_slice(&line.aligned);
        }
    }

    /// Sorts the blocks by (start, sample); all begin in the cell.
    fn sort_blocks(&mut self, cell: i32) {
        let first = cell_start(cell);
        let key =
            |(at, row): (usize, &(u32, Block))| ((row.1.start.wrapping_sub(first)) as u64 & 0xffff) << 32 | at as u64;
        self.keys.clear();
        self.keys.extend(self.blocks.iter().enumerate().map(key));
        radix_sort(&mut self.keys, &mut self.spare);
        // those that begin at one base are few
        let blocks = &self.blocks;
        let sample = |key: &u64| blocks[*key as u32 as usize].0;
        let alike = |a: &u64, b: &u64| a >> 32 == b >> 32;
        for of_start in self.keys.chunk_by_mut(alike).filter(|of_start| of_start.len() > 1) {
            if !of_start.is_sorted_by_key(sample) {
                of_start.sort_by_key(sample);
            }
        }
    }
}

/// Sorts by bits 32 to 47, stable.
fn radix_sort(keys: &mut Vec<u64>, spare: &mut Vec<u64>) {
    for shift in [32, 40] {
        let mut starts = [0usize; 256];
        for &key in keys.iter() {
            starts[(key >> shift) as usize & 0xff] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            (*start, sum) = (sum, sum + *start);
        }
        spare.clear();
        spare.resize(keys.len(), 0);
        for &key in keys.iter() {
            let place = &mut starts[(key >> shift) as usize & 0xff];
            spare[*place] = key;
            *place += 1;
        }
        std::mem::swap(keys, spare);
    }
}

type Sink = BufWriter<File>;

/// The two parts of a shard, and the depths of its samples.
pub struct Parts<'a> {
    blocks: BlockWriter<Sink>,
    records: RecordWriter<Sink>,
    samples: &'a [u32],
    counts: SampleCounts,
}

/// A finished part and its file.
pub type Finished = (PartWritten, Sink);

impl<'a> Parts<'a> {
    /// Files of these paths below `staging`. `samples`: of the shard, as indexes in the cohort.
    pub fn new(staging: &Path, paths: &[String; 2], samples: &'a [u32], counts: SampleCounts) -> Result<Self> {
        let [blocks, records] = paths.each_ref().map(|path| staging.join(path));
        Ok(Parts {
            blocks: BlockWriter::new(local::create(&blocks)?, &blocks)?,
            records: RecordWriter::new(local::create(&records)?, &records)?,
            samples,
            counts,
        })
    }

    /// Rows of another contig follow.
    pub fn start_contig(&mut self, contig: u32, name: &str, filters: &FilterNames) -> Result<()> {
        self.blocks.start_contig(contig, name, filters)?;
        self.records.start_contig(contig, name)
    }

    /// Writes the blocks of a cell.
    pub fn write_blocks(&mut self, rows: &mut CellRows, cell: i32, filters: &FilterNames) -> Result<()> {
        // as they come: a sample's blocks of a window are together
        for of_sample in rows.blocks.chunk_by(|a, b| a.0 == b.0) {
            self.count(of_sample);
        }
        rows.sort_blocks(cell);
        for &key in &rows.keys {
            let (sample, block) = &rows.blocks[key as u32 as usize];
            self.blocks.push(self.samples[*sample as usize], block, filters)?;
        }
        rows.blocks.clear();
        Ok(())
    }

    /// Depth and quality of a sample, over the bases that some of its blocks speak for.
    fn count(&mut self, of_sample: &[(u32, Block)]) {
        let [mut dp_sum, mut dp_n, mut gq_sum, mut gq_n] = [0; 4];
        for (_, block) in of_sample {
            let n_bases = i64::from(block.end - block.start) + 1;
            if let Some(depth) = block.depth() {
                dp_sum += i64::from(depth) * n_bases;
                dp_n += n_bases;
            }
            if block.gq >= 0 {
                gq_sum += i64::from(block.gq) * n_bases;
                gq_n += n_bases;
            }
        }
        let sample = of_sample.first().map_or(0, |(sample, _)| *sample as usize);
        let sums = [(Counter::DpSum, dp_sum), (Counter::DpN, dp_n), (Counter::GqSum, gq_sum), (Counter::GqN, gq_n)];
        for (counter, sum) in sums {
            self.counts.get_mut(counter)[sample] += sum;
        }
    }

    /// Writes the records of a window.
    pub fn write_records(&mut self, rows: &mut CellRows) -> Result<()> {
        rows.records.sort_by_key(|record| (record.pos, record.sample));
        for record in &rows.records {
            let Line { start, len, index, aligned_len } = &rows.lines[record.line as usize];
            let (line, behind) = rows.text[*start..].split_at(*len);
            let view = index.view(line);
            let cell = view.samples().split(|&byte| byte == b'\t').nth(record.column as usize).unwrap_or_default();
            let text = RecordText {
                id: view.id(),
                ref_allele: view.ref_allele(),
                alt: view.alt(),
                qual: view.qual(),
                filter: view.filter(),
                info: view.info(),
                format: view.format().unwrap_or_default(),
                cell,
                aligned: &behind[..*aligned_len],
            };
            self.records.push(self.samples[record.sample as usize], record.pos, record.end, text)?;
        }
        rows.records.clear();
        rows.lines.clear();
        rows.text.clear();
        Ok(())
    }

    /// Ends both files: blocks, records, counts, texts that were not UTF-8.
    pub fn finish(self, filters: &FilterNames) -> Result<(Finished, Finished, SampleCounts, u64)> {
        let n_not_utf8 = self.records.n_not_utf8;
        Ok((self.blocks.finish(filters)?, self.records.finish()?, self.counts, n_not_utf8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_stably() {
        let mut state = 7u64;
        let mut keys: Vec<u64> = (0..5000)
            .map(|at| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                ((state >> 33) & 0xffff) << 32 | at
            })
            .collect();
        let mut expected = keys.clone();
        expected.sort_by_key(|key| key >> 32);
        radix_sort(&mut keys, &mut Vec::new());
        assert_eq!(keys, expected);
    }
}
