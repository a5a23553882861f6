//! The Parquet files of one shard: opened when the first row of a contig comes, staged until the shard is committed.

use crate::columns::genotypes::GenotypesBuilder;
use crate::columns::genotypes_file::GenotypesFile;
use crate::columns::parquet_file::{ParquetFile, VARIANTS_ROW_GROUP, Written};
use crate::columns::schema::TableSchemas;
use crate::error::{Error, Result};
use crate::evidence::ContigRows;
use crate::store::{encode_component, local};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// A finished file of a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// `variants`, `genotypes`, `ref_blocks` or `evidence`.
    pub table: String,
    /// Contig name; empty for a file over all contigs.
    pub contig: String,
    /// Path in the dataset, with `/`.
    pub path: String,
    /// Rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
    /// `pos` of the first and the last row, for tables with that column.
    pub pos_range: Option<(i32, i32)>,
    /// Where the rows of each contig are, in a file over all contigs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contigs: Vec<ContigRows>,
    /// What gVCFs speak for whose samples are in other inputs, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<InputSpan>,
}

/// Where an input has records on one contig.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct InputSpan {
    /// First sample of the input, as index in the cohort.
    pub sample: u32,
    /// Index of the contig in the cohort.
    pub contig: u32,
    /// First base, 1-based.
    pub first: i32,
    /// Last base.
    pub last: i32,
    /// Index of the input.
    pub input: usize,
}

type Sink = BufWriter<File>;

/// Writes the tables of one shard below a staging folder.
pub struct ShardFiles {
    staging: PathBuf,
    number: u64,
    variants_schema: SchemaRef,
    genotypes_schema: Option<SchemaRef>,
    contig: Option<String>,
    n_samples: usize,
    variants: Option<(ParquetFile<Sink>, PathBuf)>,
    genotypes: Option<(GenotypesFile<Sink>, PathBuf)>,
    pos_range: Option<(i32, i32)>,
    finished: Vec<FileRecord>,
}

/// Bytes that a name in a folder can have, on the file systems in use.
const MAX_NAME_BYTES: usize = 255;

/// A contig is a folder of the tables.
fn check_folder_name(contig: &str) -> Result<()> {
    let n_bytes = folder_name_of(contig).len();
    if n_bytes <= MAX_NAME_BYTES {
        return Ok(());
    }
    let start: String = contig.chars().take(20).flat_map(char::escape_debug).collect();
    let message = format!(
        "the name of the contig {start}... makes a folder name of {n_bytes} bytes, at most {MAX_NAME_BYTES} are possible"
    );
    Err(Error::bad_data(message)
        .hint("every byte but letters, digits, `_`, `.` and `-` takes three; is the file damaged?"))
}

fn folder_name_of(contig: &str) -> String {
    format!("contig={}", encode_component(contig))
}

impl ShardFiles {
    /// For the shard of this number. Nothing is made until the first row.
    pub fn new(staging: &Path, number: u64, schemas: &TableSchemas, n_samples: usize) -> Self {
        ShardFiles {
            staging: staging.to_path_buf(),
            number,
            variants_schema: schemas.variants.clone(),
            genotypes_schema: schemas.genotypes.clone(),
            n_samples,
            contig: None,
            variants: None,
            genotypes: None,
            pos_range: None,
            finished: Vec::new(),
        }
    }

    /// Path of a part inside the dataset.
    pub fn part_path(table: &str, contig: &str, number: u64) -> String {
        format!("{table}/{}/part-{number:012}.parquet", folder_name_of(contig))
    }

    /// Whether a contig can have a folder: it has a name, which, encoded, is short enough.
    pub fn can_have_folder(contig: &str) -> bool {
        !contig.is_empty() && folder_name_of(contig).len() <= MAX_NAME_BYTES
    }

    /// Ends the files of the contig so far and begins those of the next one. `gt_texts`: see [`Self::write_genotypes`].
    pub fn start_contig(&mut self, contig: &str, gt_texts: &[String]) -> Result<()> {
        self.end_contig(gt_texts)?;
        check_folder_name(contig)?;
        self.contig = Some(contig.to_string());
        Ok(())
    }

    /// Appends rows of `variants`; `last_pos` is the position of the last one.
    pub fn write_variants(&mut self, batch: &RecordBatch, first_pos: i32, last_pos: i32) -> Result<()> {
        if self.variants.is_none() {
            let path = self.path_of("variants");
            let file = ParquetFile::new(local::create(&path)?, &self.variants_schema, VARIANTS_ROW_GROUP)?;
            self.variants = Some((file, path));
        }
        let start = self.pos_range.map_or(first_pos, |range| range.0);
        self.pos_range = Some((start, last_pos));
        let (file, path) = self.variants.as_mut().expect("just opened");
        file.write(batch, path)
    }

    /// Takes rows of `genotypes` out of their builder. `gt_texts`: the texts that the calls of this contig so far refer to;
    /// with `end_group` they may be others after.
    pub fn write_genotypes(&mut self, rows: &mut GenotypesBuilder, gt_texts: &[String], end_group: bool) -> Result<()> {
        if rows.n_rows() == 0 && self.genotypes.is_none() {
            return Ok(());
        }
        if self.genotypes.is_none() {
            let schema = self.genotypes_schema.as_ref().expect("a cohort with samples has this table");
            let path = self.path_of("genotypes");
            let contig = self.contig.as_deref().unwrap_or_default();
            let file = GenotypesFile::new(local::create(&path)?, schema, contig, self.n_samples)?;
            self.genotypes = Some((file, path));
        }
        let (file, path) = self.genotypes.as_mut().expect("just opened");
        file.write(rows, gt_texts, path)?;
        if end_group { file.end_group(gt_texts, path) } else { Ok(()) }
    }

    fn path_of(&self, table: &str) -> PathBuf {
        let contig = self.contig.as_deref().expect("a contig is begun before its rows");
        self.staging.join(Self::part_path(table, contig, self.number))
    }

    fn end_contig(&mut self, gt_texts: &[String]) -> Result<()> {
        let contig = self.contig.take().unwrap_or_default();
        let pos_range = self.pos_range.take();
        if let Some((file, path)) = self.variants.take() {
            let (written, sink) = file.finish(&path)?;
            local::close(sink, &path)?;
            self.finished.push(FileRecord { pos_range, ..self.record("variants", &contig, written) });
        }
        if let Some((file, path)) = self.genotypes.take() {
            let (written, sink) = file.finish(gt_texts, &path)?;
            local::close(sink, &path)?;
            self.finished.push(self.record("genotypes", &contig, written));
        }
        Ok(())
    }

    /// What is known of a finished file.
    fn record(&self, table: &str, contig: &str, written: Written) -> FileRecord {
        FileRecord {
            table: table.into(),
            contig: contig.to_string(),
            path: Self::part_path(table, contig, self.number),
            rows: written.rows,
            bytes: written.bytes,
            sha256: written.sha256,
            pos_range: None,
            contigs: Vec::new(),
            spans: Vec::new(),
        }
    }

    /// Ends the last contig; the files stay in the staging folder.
    pub fn finish(mut self, gt_texts: &[String]) -> Result<Vec<FileRecord>> {
        self.end_contig(gt_texts)?;
        Ok(self.finished)
    }
}
