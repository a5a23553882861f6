//! Rows of one source on their way to a table: a file that holds them contig by contig, sorted, each allele once.
//!
//! Rows come in the order of the source, which is that of position but for what normalisation moves; a source may have another
//! order of contigs than the dataset. Memory: the rows of some thousand base pairs, and those of one write.

use super::rows::Rows;
use crate::alleles::MAX_SHIFT_BP;
use crate::columns::parquet_file::ParquetFile;
use crate::dataset::stream::{Chain, Select};
use crate::error::{Error, Result};
use crate::genome::Locus;
use crate::store::{DataFile, Place, Staged};
use arrow_array::{Array, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};

/// Rows that wait before some are written.
const WRITE_ROWS: usize = 1 << 16;

/// The file under way.
pub struct Spill {
    staged: Staged,
    file: ParquetFile<BufWriter<File>>,
    schema: SchemaRef,
    contig: Option<u32>,
    waiting: Vec<Rows>,
    n_waiting: usize,
    /// Row groups of each contig.
    groups: BTreeMap<u32, Vec<usize>>,
    n_groups: usize,
    /// Rows of the source about an allele that an earlier row is about: left out.
    n_duplicates: u64,
    /// Alleles with a row.
    n_alleles: u64,
}

impl Spill {
    /// In the place of the dataset; the file goes away with it.
    pub fn new(place: &Place, name: &str, schema: SchemaRef) -> Result<Spill> {
        let staged = place.staged(&format!("stats/annotate-{name}.parquet"))?;
        let file = File::create(staged.path()).map_err(|error| Error::writing(staged.path(), error))?;
        // row groups end where a write ends
        let file = ParquetFile::new(BufWriter::new(file), &schema, usize::MAX)?;
        Ok(Spill {
            staged,
            file,
            schema,
            contig: None,
            waiting: Vec::new(),
            n_waiting: 0,
            groups: BTreeMap::new(),
            n_groups: 0,
            n_duplicates: 0,
            n_alleles: 0,
        })
    }

    /// The schema of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Takes the next rows; all rows of a contig come one behind the other. `reached`: no row that comes later is from a position
    /// before it.
    pub fn take(&mut self, contig: u32, rows: Rows, reached: i32) -> Result<()> {
        if self.contig != Some(contig) {
            self.end_contig()?;
            if self.groups.contains_key(&contig) {
                return Err(Error::internal("a contig of a source comes twice"));
            }
            self.contig = Some(contig);
        }
        self.n_waiting += rows.batch.num_rows();
        self.waiting.push(rows);
        if self.n_waiting >= WRITE_ROWS {
            let settled = reached.saturating_sub(MAX_SHIFT_BP);
            self.write(Some(Locus { contig, vcf_pos: settled.max(0) }.id(0)))?;
        }
        Ok(())
    }

    fn end_contig(&mut self) -> Result<()> {
        self.write(None)
    }

    /// Writes what waits, up to a `variant_id`.
    fn write(&mut self, below: Option<i64>) -> Result<()> {
        let Some(contig) = self.contig.filter(|_| self.n_waiting > 0) else { return Ok(()) };
        let failed = |error| Error::internal(format!("rows of an annotation do not fit: {error}"));
        let all = concat_batches(&self.schema, self.waiting.iter().map(|rows| &rows.batch)).map_err(failed)?;
        let sources: Vec<u64> = self.waiting.drain(..).flat_map(|rows| rows.sources).collect();
        let sorted = sorted(&all, &sources)?;
        let ids = ids(&all)?;
        let n_settled =
            below.map_or(sorted.len(), |below| sorted.partition_point(|&row| ids.value(row as usize) < below));
        let (kept, n_alleles, n_duplicates) = first_of_each(&sorted[..n_settled], ids, &sources);
        (self.n_alleles, self.n_duplicates) = (self.n_alleles + n_alleles, self.n_duplicates + n_duplicates);
        let rest = &sorted[n_settled..];
        self.n_waiting = rest.len();
        if !rest.is_empty() {
            let batch = take_record_batch(&all, &UInt32Array::from(rest.to_vec())).map_err(failed)?;
            let sources = rest.iter().map(|&row| sources[row as usize]).collect();
            self.waiting.push(Rows { batch, sources });
        }
        if !kept.is_empty() {
            let batch = take_record_batch(&all, &UInt32Array::from(kept)).map_err(failed)?;
            self.file.write(&batch, self.staged.path())?;
            self.file.end_group(self.staged.path())?;
            self.groups.entry(contig).or_default().push(self.n_groups);
            self.n_groups += 1;
        }
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<Spilled> {
        self.end_contig()?;
        let (_, mut file) = self.file.finish(self.staged.path())?;
        file.flush().map_err(|error| Error::writing(self.staged.path(), error))?;
        Ok(Spilled {
            staged: self.staged,
            groups: self.groups,
            n_duplicates: self.n_duplicates,
            n_alleles: self.n_alleles,
        })
    }
}

/// A finished file.
pub struct Spilled {
    staged: Staged,
    groups: BTreeMap<u32, Vec<usize>>,
    /// Rows of the source that were left out, since an earlier one is about the same allele.
    pub n_duplicates: u64,
    /// Alleles with a row.
    pub n_alleles: u64,
}

impl Spilled {
    /// A contig that another file of the source has rows of too.
    pub fn shares_contig(&self, other: &Spilled) -> Option<u32> {
        self.groups.keys().copied().find(|contig| other.groups.contains_key(contig))
    }

    /// The rows of the files of a source in the order of the dataset. No two have rows of one contig.
    pub fn rows(files: &[&Spilled]) -> Result<Chain> {
        let mut by_contig = BTreeMap::new();
        for spilled in files {
            let file = DataFile::Local(spilled.staged.path().to_path_buf());
            for (&contig, groups) in &spilled.groups {
                let select = Select::all().with_row_groups(Some(groups.clone()));
                if by_contig.insert(contig, (file.clone(), select)).is_some() {
                    return Err(Error::internal("two files of one source have rows of the same contig"));
                }
            }
        }
        // the index of a contig is its place in the order
        Ok(Chain::new(by_contig.into_values().collect()))
    }
}

fn ids(batch: &RecordBatch) -> Result<&Int64Array> {
    batch.column(0).as_any().downcast_ref().ok_or_else(|| Error::internal("the first column is variant_id"))
}

/// Rows by allele, then in the order of the source.
fn sorted(batch: &RecordBatch, sources: &[u64]) -> Result<Vec<u32>> {
    let ids = ids(batch)?.values();
    let mut order: Vec<u32> = (0..sources.len() as u32).collect();
    let key = |row: u32| (ids[row as usize], sources[row as usize], row);
    if !order.is_sorted_by_key(|&row| key(row)) {
        order.sort_unstable_by_key(|&row| key(row));
    }
    Ok(order)
}

/// Of each allele the rows from its first row of the source; number of alleles, and of rows of the source left out.
fn first_of_each(sorted: &[u32], ids: &Int64Array, sources: &[u64]) -> (Vec<u32>, u64, u64) {
    let (mut kept, mut n_alleles, mut n_duplicates) = (Vec::with_capacity(sorted.len()), 0, 0);
    let mut last: Option<(i64, u64, u64)> = None;
    for &row in sorted {
        let (id, source) = (ids.value(row as usize), sources[row as usize]);
        match &mut last {
            Some((last_id, first, latest)) if *last_id == id => {
                if source != *first {
                    n_duplicates += u64::from(source != *latest);
                    *latest = source;
                    continue;
                }
            }
            _ => {
                n_alleles += 1;
                last = Some((id, source, source));
            }
        }
        kept.push(row);
    }
    (kept, n_alleles, n_duplicates)
}
