//! From commit records to a published dataset: everything is added up and checked, then the manifest is written.

use super::folder::{CommitRecord, DatasetFolder};
use super::manifest::{
    Accounting, MANIFEST_NAME, Manifest, ManifestContig, ManifestFile, ManifestInput, SCHEMA_VERSION, Warning,
};
use crate::call::sample_counts::SampleCounts;
use crate::columns::parquet_file::{ParquetFile, VARIANTS_ROW_GROUP};
use crate::columns::samples::{add_counts_batch, samples_table};
use crate::columns::schema::TableSchemas;
use crate::error::{Class, Error, Result};
use crate::pipeline::ShardFiles;
use crate::plan::Plan;
use crate::profile::{self, Stage};
use crate::store::local;
use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// What finalize needs to know.
pub struct Publication<'a> {
    /// The folder.
    pub folder: &'a DatasetFolder,
    /// The plan.
    pub plan: &'a Plan,
    /// Schemas of the tables.
    pub schemas: &'a TableSchemas,
    /// Text of header.vcf.
    pub header: String,
    /// Commit records of the parts of evidence, complete; none where the inputs are no gVCFs.
    pub evidence: BTreeMap<u64, CommitRecord>,
    /// Commit records of the rows, complete.
    pub commits: BTreeMap<u64, CommitRecord>,
    /// Where the input records went: of the rows' own commits, or of the stage before.
    pub accounting: Accounting,
    /// Warnings of headers and of all shards.
    pub warnings: BTreeMap<String, u64>,
    /// Per-sample counts.
    pub counts: SampleCounts,
}

/// Adds up accounting and warnings of commit records.
pub fn add_up<'a>(commits: impl Iterator<Item = &'a CommitRecord>) -> (Accounting, BTreeMap<String, u64>) {
    let mut total = Accounting::default();
    let mut warnings = BTreeMap::new();
    for commit in commits {
        total.add(&commit.accounting);
        for (message, count) in &commit.warnings {
            *warnings.entry(message.clone()).or_default() += count;
        }
    }
    (total, warnings)
}

/// Adds the per-sample counts of a shard of all samples.
pub fn add_counts(folder: &DatasetFolder, stage: &str, commit: &CommitRecord, total: &mut SampleCounts) -> Result<()> {
    each_counts_batch(folder, stage, commit, |batch| add_counts_batch(batch, total))
}

/// Adds the per-sample counts of a shard of some samples; `samples`: their indexes in `total`.
pub fn add_counts_of(
    folder: &DatasetFolder,
    stage: &str,
    commit: &CommitRecord,
    samples: &[u32],
    total: &mut SampleCounts,
) -> Result<()> {
    let mut own = SampleCounts::new(samples.len());
    each_counts_batch(folder, stage, commit, |batch| add_counts_batch(batch, &mut own))?;
    for (total, own) in total.counters.iter_mut().zip(&own.counters) {
        samples.iter().zip(own).for_each(|(&sample, value)| total[sample as usize] += value);
    }
    Ok(())
}

fn each_counts_batch(
    folder: &DatasetFolder,
    stage: &str,
    commit: &CommitRecord,
    mut add: impl FnMut(&RecordBatch) -> bool,
) -> Result<()> {
    let Some(name) = &commit.counts else { return Ok(()) };
    let path = folder.root().join("_commits").join(stage).join(name);
    let damaged = |what: String| Error::new(Class::Incomplete, format!("{} is damaged: {what}", path.display()));
    let file = File::open(&path).map_err(|error| Error::reading(&path, error))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(error.to_string()))?;
    let reader = reader.with_batch_size(usize::MAX >> 1).build().map_err(|error| damaged(error.to_string()))?;
    for batch in reader {
        let batch = batch.map_err(|error| damaged(error.to_string()))?;
        if !add(&batch) {
            return Err(damaged("it has other columns or samples".into()));
        }
    }
    Ok(())
}

impl Publication<'_> {
    /// Writes header, samples and manifest. Everything else must be committed.
    pub fn publish(mut self) -> Result<Manifest> {
        let _stage = profile::enter(Stage::Publish);
        self.check_order()?;
        self.check_identities()?;
        let mut files = self.table_files()?;
        files.extend(self.write_samples()?);
        files.push(self.write_header()?);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest = self.manifest(files);
        let bytes = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
        local::write_whole(&self.folder.root().join(MANIFEST_NAME), &bytes)?;
        self.folder.remove_scratch()?;
        Ok(manifest)
    }

    /// Files of one contig must follow each other.
    fn check_order(&self) -> Result<()> {
        let mut last: BTreeMap<&str, (i32, u64)> = BTreeMap::new();
        for commit in self.commits.values() {
            for file in commit.files.iter().filter(|file| file.table == "variants") {
                let Some((first, end)) = file.pos_range else { continue };
                if let Some(&(before, shard)) = last.get(file.contig.as_str())
                    && first <= before
                {
                    let (a, b) = (self.input_of(shard), self.input_of(commit.shard));
                    return Err(Error::bad_data(format!(
                        "{a} and {b} have the same samples and both have records at {}:{first}-{before}",
                        file.contig
                    ))
                    .hint("files of the same samples must not overlap: join them with `bcftools concat -a` first, or leave one out"));
                }
                last.insert(&file.contig, (end, commit.shard));
            }
        }
        Ok(())
    }

    fn input_of(&self, shard: u64) -> &str {
        let planned = self.plan.shards.iter().rev().find(|planned| planned.number <= shard);
        planned.map_or("an input", |planned| &self.plan.inputs[planned.input].path)
    }

    /// Promise 3: nothing is lost in silence.
    fn check_identities(&self) -> Result<()> {
        let a = &self.accounting;
        let records = a.records_read == a.records_written + a.records_rejected;
        let alleles = a.alleles_read + a.spanning_rows == a.variant_rows + a.alleles_merged + a.alleles_left_out;
        if records && alleles {
            return Ok(());
        }
        Err(Error::internal(format!(
            "the accounting does not add up: {} records read, {} written, {} rejected; {} alleles read, {} rows, {} merged",
            a.records_read, a.records_written, a.records_rejected, a.alleles_read, a.variant_rows, a.alleles_merged
        )))
    }

    fn table_files(&self) -> Result<Vec<ManifestFile>> {
        let root = self.folder.root();
        let mut files = Vec::new();
        for file in self.evidence.values().chain(self.commits.values()).flat_map(|commit| &commit.files) {
            if local::size_of(&root.join(&file.path)) != Some(file.bytes) {
                return Err(Error::new(
                    Class::Incomplete,
                    format!("{} is missing or was changed since its shard was committed", file.path),
                )
                .hint("begin anew with --force"));
            }
            files.push(ManifestFile {
                path: file.path.clone(),
                table: file.table.clone(),
                contig: Some(file.contig.clone()).filter(|contig| !contig.is_empty()),
                rows: file.rows,
                bytes: file.bytes,
                sha256: file.sha256.clone(),
            });
        }
        // readers that go by folders need a file to take the schema from
        for (table, schema) in
            [("variants", Some(&self.schemas.variants)), ("genotypes", self.schemas.genotypes.as_ref())]
        {
            let Some(schema) = schema else { continue };
            if files.iter().any(|file| file.table == table) {
                continue;
            }
            let contig = self.plan.contigs.first().map_or("none", |contig| &contig.name);
            let path = ShardFiles::part_path(table, contig, 0);
            let full = root.join(&path);
            let file = ParquetFile::new(local::create(&full)?, schema, VARIANTS_ROW_GROUP)?;
            let (written, sink) = file.finish(&full)?;
            local::sync(sink, &full)?;
            files.push(ManifestFile {
                path,
                table: table.into(),
                contig: Some(contig.into()),
                rows: 0,
                bytes: written.bytes,
                sha256: written.sha256,
            });
        }
        Ok(files)
    }

    fn write_samples(&mut self) -> Result<Option<ManifestFile>> {
        let path = "samples/part-0.parquet";
        let full = self.folder.root().join(path);
        let staged = self.folder.staging().join(path);
        let batch = samples_table(&self.plan.samples, &self.counts);
        let mut file = ParquetFile::new(local::create(&staged)?, &batch.schema(), 1 << 16)?;
        file.write(&batch, &staged)?;
        let (written, sink) = file.finish(&staged)?;
        local::sync(sink, &staged)?;
        local::rename(&staged, &full)?;
        Ok(Some(ManifestFile {
            path: path.into(),
            table: "samples".into(),
            contig: None,
            rows: written.rows,
            bytes: written.bytes,
            sha256: written.sha256,
        }))
    }

    fn write_header(&self) -> Result<ManifestFile> {
        let bytes = self.header.as_bytes();
        local::write_whole(&self.folder.root().join(Path::new("header.vcf")), bytes)?;
        Ok(ManifestFile {
            path: "header.vcf".into(),
            table: "header".into(),
            contig: None,
            rows: 0,
            bytes: bytes.len() as u64,
            sha256: crate::store::hex(&Sha256::digest(bytes)),
        })
    }

    fn manifest(&self, files: Vec<ManifestFile>) -> Manifest {
        let plan = self.plan;
        Manifest {
            format: "varbatch-dataset".into(),
            schema_version: SCHEMA_VERSION,
            varbatch_version: plan.varbatch_version.clone(),
            plan_digest: self.folder.plan_digest().to_string(),
            settings: plan.settings.to_map(),
            inputs: plan
                .inputs
                .iter()
                .map(|input| ManifestInput {
                    path: input.path.clone(),
                    bytes: input.bytes,
                    format: input.format.name().into(),
                    fingerprint: input.fingerprint.clone(),
                    n_samples: input.n_samples,
                })
                .collect(),
            contigs: plan
                .contigs
                .iter()
                .map(|contig| ManifestContig { name: contig.name.clone(), length: contig.length })
                .collect(),
            n_samples: plan.samples.len() as u64,
            accounting: self.accounting.clone(),
            warnings: self
                .warnings
                .iter()
                .map(|(message, &count)| Warning { message: message.clone(), count })
                .collect(),
            files,
        }
    }
}
