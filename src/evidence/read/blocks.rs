//! Blocks of `ref_blocks` that cover some sites.
//!
//! Of every row `start` and `length` are decoded, which say whether it covers a site; the other columns only of the rows
//! that do: their pages hold packed numbers, which can be taken out one by one.

use super::chunk::{Chunk, Spare};
use super::rows_between;
use crate::error::Result;
use crate::evidence::{Blocks, ContigRows, MISSING, NO_FILTER, cell_start, grid_cell};
use crate::store::DataFile;
use crate::store::parquet::pages::PageFile;

/// Appends the blocks of one contig that cover one of `sites` (1-based, ascending) to `blocks`.
pub fn read_blocks(path: &DataFile, rows: &ContigRows, sites: &[i32], blocks: &mut Blocks) -> Result<()> {
    let (Some(&first), Some(&last)) = (sites.first(), sites.last()) else { return Ok(()) };
    if first > rows.last_pos || last < rows.first_pos || rows.rows == 0 {
        return Ok(());
    }
    let file = PageFile::open(path)?;
    let look_from = cell_start(grid_cell(first.max(1)));
    let mut columns = BlockColumns::default();
    for (group, rows) in rows_between(&file, "start", rows, look_from, last)? {
        columns.read(&Chunk { file: &file, group, rows }, sites, blocks)?;
    }
    Ok(())
}

/// Columns of `ref_blocks` over some rows of a row group, and buffers.
#[derive(Default)]
struct BlockColumns {
    start: Vec<i32>,
    length: Vec<i32>,
    /// Rows that cover a site, counted from the first one of the chunk.
    chosen: Vec<u32>,
    /// Columns of these rows.
    numbers: Vec<i32>,
    pl: [Vec<i32>; 3],
    spare: Spare,
}

impl BlockColumns {
    /// Appends the rows of a chunk that cover one of `sites`.
    fn read(&mut self, chunk: &Chunk, sites: &[i32], blocks: &mut Blocks) -> Result<()> {
        chunk.integers("start", None, &mut self.start, &mut self.spare)?;
        chunk.integers("length", None, &mut self.length, &mut self.spare)?;
        self.choose(sites);
        if self.chosen.is_empty() {
            return Ok(());
        }
        let BlockColumns { start, length, chosen, numbers, pl, spare } = self;
        blocks.start.extend(chosen.iter().map(|&row| start[row as usize]));
        blocks.length.extend(chosen.iter().map(|&row| length[row as usize]));
        let mut take = |name: &str, values: &mut Vec<i32>| chunk.integers(name, Some(chosen), values, spare);
        take("sample_index", numbers)?;
        blocks.sample.extend(numbers.iter().map(|&sample| sample as u32));
        for (name, column) in [("gq", &mut blocks.gq), ("min_dp", &mut blocks.min_dp), ("dp", &mut blocks.dp)] {
            take(name, numbers)?;
            column.extend_from_slice(numbers);
        }
        for (name, values) in ["pl_ref", "pl_het", "pl_hom_alt"].into_iter().zip(pl.iter_mut()) {
            take(name, values)?;
        }
        let [pl_ref, pl_het, pl_hom_alt] = pl;
        blocks.pl.extend(pl_ref.iter().zip(pl_het).zip(pl_hom_alt).map(|((&a, &mut b), &mut c)| [a, b, c]));
        let texts = [("gt", &mut blocks.gts, &mut blocks.gt), ("filter", &mut blocks.filters, &mut blocks.filter)];
        for (name, known, column) in texts {
            let texts = chunk.codes(name, chosen, numbers, spare)?;
            let of_texts = numbered(known, &texts);
            numbers_of(numbers, &of_texts, column)
                .ok_or_else(|| chunk.file.damaged(&format!("the column {name} has no such text")))?;
        }
        Ok(())
    }

    /// Finds the rows that cover a site; rows and sites ascend.
    fn choose(&mut self, sites: &[i32]) {
        self.chosen.clear();
        self.chosen.resize(self.start.len(), 0);
        let (mut n, mut next) = (0, 0);
        for (row, (&start, &length)) in self.start.iter().zip(&self.length).enumerate() {
            while sites.get(next).is_some_and(|&site| site < start) {
                next += 1;
            }
            let Some(&site) = sites.get(next) else { break };
            self.chosen[n] = row as u32;
            n += usize::from(i64::from(site) - i64::from(start) < i64::from(length));
        }
        self.chosen.truncate(n);
    }
}

/// Appends the numbers of keys; [`NO_FILTER`] for [`MISSING`].
fn numbers_of(keys: &[i32], numbers: &[u16], out: &mut Vec<u16>) -> Option<()> {
    if keys.iter().any(|&key| key != MISSING && key as usize >= numbers.len()) {
        return None;
    }
    out.extend(keys.iter().map(|&key| if key == MISSING { NO_FILTER } else { numbers[key as usize] }));
    Some(())
}

/// Numbers of texts in a list that grows.
fn numbered(list: &mut Vec<String>, texts: &[String]) -> Vec<u16> {
    let number = |text: &String| match list.iter().position(|known| known == text) {
        Some(number) => number as u16,
        None => {
            list.push(text.clone());
            (list.len() - 1) as u16
        }
    };
    texts.iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::super::noise::Noise;
    use super::*;
    use crate::decode::gvcf::{Block, BlockGt, FilterNames};
    use crate::evidence::{BlockWriter, GRID_BP};

    /// Sorted rows of two contigs, with gaps, over several pages and cells of the grid.
    fn some_blocks() -> Vec<(u32, u32, Block)> {
        let mut noise = Noise(5);
        let mut rows = Vec::new();
        for contig in [1, 4] {
            let mut start = 1;
            for _ in 0..45_000 {
                start += noise.below(9);
                let end = (start + noise.below(400)).min(crate::evidence::cell_end(grid_cell(start)));
                let or_missing = |value: i32| if value % 5 == 0 { MISSING } else { value };
                let gt = [BlockGt::HomRef, BlockGt::NoCall, BlockGt::HemiRef][noise.below(3) as usize];
                let filter = if noise.below(3) == 0 { noise.below(2) as u16 } else { NO_FILTER };
                let [gq, dp, het] = [100, 60, 3000].map(|n| or_missing(noise.below(n)));
                let pl = [0, het, if het == MISSING { MISSING } else { 10 * het }];
                rows.push((contig, noise.below(64) as u32, Block { start, end, gq, min_dp: 7, dp, pl, gt, filter }));
            }
        }
        rows
    }

    #[test]
    fn the_blocks_over_sites_and_no_others() {
        let rows = some_blocks();
        let mut filters = FilterNames::default();
        filters.number(b"LowQual");
        filters.number(b"a;b");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("part.parquet");
        let mut writer = BlockWriter::new(std::fs::File::create(&path).expect("a file"), &path).expect("a writer");
        for (i, (contig, sample, block)) in rows.iter().enumerate() {
            if i == 0 || rows[i - 1].0 != *contig {
                writer.start_contig(*contig, &format!("chr{contig}"), &filters).expect("begins");
            }
            writer.push(*sample, block, &filters).expect("writes");
        }
        let (written, _) = writer.finish(&filters).expect("ends");
        assert_eq!(written.contigs.iter().map(|rows| rows.rows).collect::<Vec<_>>(), [45_000, 45_000]);
        let last = rows[rows.len() - 1].2.start;
        let lists: [Vec<i32>; 7] = [
            vec![],
            vec![1, last],
            vec![GRID_BP],
            vec![GRID_BP + 1, GRID_BP + 50],
            (70_000..90_000).collect(),
            (1..last + 500).step_by(911).collect(),
            vec![last + 1000],
        ];
        for sites in &lists {
            for of in &written.contigs {
                let mut found = Blocks::default();
                read_blocks(&path.as_path().into(), of, sites, &mut found).expect("reads");
                let covers = |block: &Block| sites.iter().any(|site| (block.start..=block.end).contains(site));
                let expected: Vec<(u32, Block)> = rows
                    .iter()
                    .filter(|(contig, _, block)| *contig == of.contig && covers(block))
                    .map(|(_, sample, block)| (*sample, *block))
                    .collect();
                let found: Vec<(u32, Block)> = (0..found.len())
                    .map(|i| {
                        let filter = match found.filter[i] {
                            NO_FILTER => NO_FILTER,
                            number => filters.number(found.filters[number as usize].as_bytes()),
                        };
                        let gt = BlockGt::of(found.gts[found.gt[i] as usize].as_bytes()).expect("a genotype");
                        let (start, end) = (found.start[i], found.start[i] + found.length[i] - 1);
                        let (gq, min_dp, dp, pl) = (found.gq[i], found.min_dp[i], found.dp[i], found.pl[i]);
                        (found.sample[i], Block { start, end, gq, min_dp, dp, pl, gt, filter })
                    })
                    .collect();
                assert!(found == expected, "{} rows, expected {}", found.len(), expected.len());
            }
        }
    }
}
