//! The Parquet files of one shard: opened when the first row of a contig comes, staged until the shard is committed.

use crate::columns::parquet_file::{GENOTYPES_ROW_GROUP, ParquetFile, VARIANTS_ROW_GROUP};
use crate::error::Result;
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

type Open = (ParquetFile<BufWriter<File>>, PathBuf);

/// Writes the tables of one shard below a staging folder.
pub struct ShardFiles {
    staging: PathBuf,
    number: u64,
    variants_schema: SchemaRef,
    genotypes_schema: Option<SchemaRef>,
    contig: Option<String>,
    variants: Option<Open>,
    genotypes: Option<Open>,
    pos_range: Option<(i32, i32)>,
    finished: Vec<FileRecord>,
}

impl ShardFiles {
    /// For the shard of this number. Nothing is made until the first row.
    pub fn new(staging: &Path, number: u64, variants: SchemaRef, genotypes: Option<SchemaRef>) -> Self {
        ShardFiles {
            staging: staging.to_path_buf(),
            number,
            variants_schema: variants,
            genotypes_schema: genotypes,
            contig: None,
            variants: None,
            genotypes: None,
            pos_range: None,
            finished: Vec::new(),
        }
    }

    /// Path of a part inside the dataset.
    pub fn part_path(table: &str, contig: &str, number: u64) -> String {
        format!("{table}/contig={}/part-{number:012}.parquet", encode_component(contig))
    }

    /// Ends the files of the contig so far and begins those of the next one.
    pub fn start_contig(&mut self, contig: &str) -> Result<()> {
        self.end_contig()?;
        self.contig = Some(contig.to_string());
        Ok(())
    }

    /// Appends rows of `variants`; `last_pos` is the position of the last one.
    pub fn write_variants(&mut self, batch: &RecordBatch, first_pos: i32, last_pos: i32) -> Result<()> {
        if self.variants.is_none() {
            self.variants = Some(self.open("variants", &self.variants_schema.clone(), VARIANTS_ROW_GROUP)?);
        }
        let start = self.pos_range.map_or(first_pos, |range| range.0);
        self.pos_range = Some((start, last_pos));
        let (file, path) = self.variants.as_mut().expect("just opened");
        file.write(batch, path)
    }

    /// Appends rows of `genotypes`.
    pub fn write_genotypes(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.genotypes.is_none() {
            let schema = self.genotypes_schema.clone().expect("a cohort with samples has this table");
            self.genotypes = Some(self.open("genotypes", &schema, GENOTYPES_ROW_GROUP)?);
        }
        let (file, path) = self.genotypes.as_mut().expect("just opened");
        file.write(batch, path)
    }

    fn open(&self, table: &str, schema: &SchemaRef, row_group: usize) -> Result<Open> {
        let contig = self.contig.as_deref().expect("a contig is begun before its rows");
        let path = self.staging.join(Self::part_path(table, contig, self.number));
        Ok((ParquetFile::new(local::create(&path)?, schema, row_group)?, path))
    }

    fn end_contig(&mut self) -> Result<()> {
        let contig = self.contig.take().unwrap_or_default();
        let pos_range = self.pos_range.take();
        for (table, open) in [("variants", self.variants.take()), ("genotypes", self.genotypes.take())] {
            let Some((file, path)) = open else { continue };
            let (written, sink) = file.finish(&path)?;
            local::sync(sink, &path)?;
            self.finished.push(FileRecord {
                table: table.into(),
                contig: contig.clone(),
                path: Self::part_path(table, &contig, self.number),
                rows: written.rows,
                bytes: written.bytes,
                sha256: written.sha256,
                pos_range: pos_range.filter(|_| table == "variants"),
                contigs: Vec::new(),
                spans: Vec::new(),
            });
        }
        Ok(())
    }

    /// Ends the last contig; the files stay in the staging folder.
    pub fn finish(mut self) -> Result<Vec<FileRecord>> {
        self.end_contig()?;
        Ok(self.finished)
    }
}
