//! From commit records to a published dataset: everything is added up and checked, then the manifest is written.

use super::folder::{CommitRecord, DatasetFolder};
use super::manifest::{
    Accounting, MANIFEST_NAME, MAX_INPUTS_LISTED, Manifest, ManifestContig, ManifestFile, ManifestInput,
    SCHEMA_VERSION, Warning,
};
use super::samples::{CountSources, Dialects, each_samples, samples_of_shards};
use crate::columns::parquet_file::{ParquetFile, VARIANTS_ROW_GROUP, Written};
use crate::columns::samples::samples_table;
use crate::columns::schema::TableSchemas;
use crate::error::{Class, Error, Result};
use crate::pipeline::ShardFiles;
use crate::plan::{CALL, INGEST, SampleSet, Shard, StoredPlan};
use crate::profile::{self, Stage};
use crate::store::local;
use arrow_schema::SchemaRef;
use std::collections::BTreeMap;
use std::io::Write;

/// What finalize needs to know.
pub struct Publication<'a> {
    /// The dataset.
    pub folder: &'a DatasetFolder,
    /// The plan.
    pub plan: &'a StoredPlan,
    /// Its shards.
    pub shards: &'a [Shard],
    /// Schemas of the tables.
    pub schemas: &'a TableSchemas,
    /// Commit records of the parts of evidence, complete; none where the inputs are no gVCFs.
    pub evidence: BTreeMap<u64, CommitRecord>,
    /// Commit records of the rows, complete.
    pub commits: BTreeMap<u64, CommitRecord>,
}

/// Adds up accounting and warnings of commit records.
pub fn add_up<'a>(commits: impl Iterator<Item = &'a CommitRecord>) -> (Accounting, BTreeMap<String, u64>) {
    let mut total = Accounting::default();
    let mut warnings = BTreeMap::new();
    for commit in commits {
        total.add(&commit.accounting);
        for (message, count) in &commit.warnings {
            let sum: &mut u64 = warnings.entry(message.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
    (total, warnings)
}

impl Publication<'_> {
    /// Writes header, samples and manifest. Everything else must be committed.
    pub fn publish(self) -> Result<Manifest> {
        let _stage = profile::enter(Stage::Publish);
        let (accounting, mut warnings) = add_up(self.evidence.values().chain(self.commits.values()));
        for warning in &self.plan.root.header_warnings {
            *warnings.entry(warning.clone()).or_default() += 1;
        }
        self.check_order()?;
        check_identities(&accounting)?;
        let mut files = self.table_files()?;
        files.extend(self.write_samples()?);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let manifest = self.manifest(files, accounting, warnings)?;
        let bytes = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
        let place = self.folder.place();
        self.folder.create(MANIFEST_NAME, &bytes)?.same_or(|| {
            Error::internal(format!("{} was published with another content", place.uri()))
                .hint("look who else writes it; begin anew with --force")
        })?;
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
                    let (a, b) = (self.input_of(shard)?, self.input_of(commit.shard)?);
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

    fn input_of(&self, shard: u64) -> Result<String> {
        let planned = self.shards.iter().rev().find(|planned| planned.number <= shard);
        let Some(planned) = planned else { return Ok("an input".into()) };
        let inputs = self.plan.inputs(planned.input..planned.input + 1)?;
        Ok(inputs.first().map_or_else(|| "an input".into(), |input| input.path.clone()))
    }

    fn table_files(&self) -> Result<Vec<ManifestFile>> {
        let place = self.folder.place();
        let mut there: BTreeMap<String, u64> = BTreeMap::new();
        let mut files = Vec::new();
        for table in ["variants", "genotypes", "ref_blocks", "evidence"] {
            there.extend(place.list(table)?.into_iter().map(|(name, bytes)| (format!("{table}/{name}"), bytes)));
        }
        for file in self.evidence.values().chain(self.commits.values()).flat_map(|commit| &commit.files) {
            let found = there.remove(&file.path);
            if found != Some(file.bytes) {
                let what = match found {
                    None => "is missing".into(),
                    Some(bytes) => format!("has {bytes} bytes, {} were committed", file.bytes),
                };
                return Err(Error::new(Class::Incomplete, format!("{} {what}", place.uri_of(&file.path)))
                    .hint("remove the commit record of its shard and do it again, or begin anew with --force"));
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
            let mut contigs = self.plan.root.contigs.iter().map(|contig| contig.name.as_str());
            let contig = contigs.find(|contig| ShardFiles::can_have_folder(contig)).unwrap_or("none");
            let path = ShardFiles::part_path(table, contig, 0);
            there.remove(&path);
            let written = self.write_table(&path, schema, VARIANTS_ROW_GROUP, |_| Ok(()))?;
            files.push(entry(&path, table, Some(contig), written));
        }
        if let Some((name, _)) = there.into_iter().find(|(name, _)| name.ends_with(".parquet")) {
            return Err(Error::new(
                Class::Incomplete,
                format!("{} is not of this plan: engines that read the folder would take it", place.uri_of(&name)),
            )
            .hint("remove it, or begin anew with --force"));
        }
        Ok(files)
    }

    /// Writes a table of one file.
    fn write_table(
        &self,
        path: &str,
        schema: &SchemaRef,
        row_group: usize,
        write: impl FnOnce(&mut dyn FnMut(&arrow_array::RecordBatch) -> Result<()>) -> Result<()>,
    ) -> Result<Written> {
        let staged = self.folder.staging().join(path);
        let mut file = ParquetFile::new(local::create(&staged)?, schema, row_group)?;
        write(&mut |batch| file.write(batch, &staged))?;
        let (written, sink) = file.finish(&staged)?;
        local::close(sink, &staged)?;
        self.upload(&staged, path, &written.sha256)?;
        Ok(written)
    }

    fn upload(&self, staged: &std::path::Path, path: &str, sha256: &str) -> Result<()> {
        let place = self.folder.place();
        place.upload(staged, path, sha256)?.same_or(|| {
            Error::new(Class::Incomplete, format!("{} is there with another content", place.uri_of(path)))
                .hint("remove it, or begin anew with --force")
        })
    }

    /// The table of samples and the header, which names them.
    fn write_samples(&self) -> Result<[ManifestFile; 2]> {
        let root = &self.plan.root;
        let is_joint = root.is_joint();
        let sets = if is_joint { samples_of_shards(self.plan, self.shards)? } else { BTreeMap::new() };
        let none = || SampleSet::of(&[]);
        let counts = CountSources {
            folder: self.folder,
            evidence: (self.evidence.values())
                .map(|record| (record, sets.get(&record.shard).cloned().unwrap_or_else(none)))
                .collect(),
            evidence_stage: INGEST,
            rows: self.commits.values().collect(),
            call_stage: CALL,
        };
        let mut header = root.header.trim_end_matches('\n').to_string();
        let path = "samples/part-0.parquet";
        let schema = samples_table(&[], 0, &counts.of(0..0)?, is_joint).schema();
        let written = self.write_table(path, &schema, 1 << 16, |write| {
            each_samples(self.plan, &Dialects::new(self.shards, &self.evidence), |first, samples| {
                if first == 0 && !samples.is_empty() {
                    header.push_str("\tFORMAT");
                }
                for sample in samples {
                    header.push('\t');
                    header.push_str(&sample.sample);
                }
                let counts = counts.of(first..first + samples.len())?;
                write(&samples_table(samples, first, &counts, is_joint))
            })
        })?;
        header.push('\n');
        Ok([entry(path, "samples", None, written), self.write_header(&header)?])
    }

    fn write_header(&self, header: &str) -> Result<ManifestFile> {
        let (path, bytes) = ("header.vcf", header.as_bytes());
        let staged = self.folder.staging().join(path);
        let mut file = local::create(&staged)?;
        file.write_all(bytes).map_err(|error| Error::writing(&staged, error))?;
        local::close(file, &staged)?;
        let sha256 = local::sha256_of(bytes);
        self.upload(&staged, path, &sha256)?;
        Ok(entry(path, "header", None, Written { rows: 0, bytes: bytes.len() as u64, sha256 }))
    }

    fn manifest(
        &self,
        files: Vec<ManifestFile>,
        accounting: Accounting,
        warnings: BTreeMap<String, u64>,
    ) -> Result<Manifest> {
        let root = &self.plan.root;
        let listed = if root.inputs.n <= MAX_INPUTS_LISTED { root.inputs.n as usize } else { 0 };
        let inputs = self.plan.inputs(0..listed)?.into_iter().map(|input| ManifestInput {
            path: input.path,
            bytes: input.bytes,
            format: input.format.name().into(),
            fingerprint: input.fingerprint,
            n_samples: input.samples.len() as u64,
        });
        Ok(Manifest {
            format: "varbatch-dataset".into(),
            schema_version: SCHEMA_VERSION,
            varbatch_version: root.varbatch_version.clone(),
            plan_digest: self.folder.plan_digest().to_string(),
            settings: root.settings.to_map(),
            n_inputs: root.inputs.n,
            inputs: inputs.collect(),
            contigs: root
                .contigs
                .iter()
                .map(|contig| ManifestContig { name: contig.name.clone(), length: contig.length })
                .collect(),
            n_samples: root.n_samples,
            accounting,
            warnings: warnings.into_iter().map(|(message, count)| Warning { message, count }).collect(),
            files,
        })
    }
}

fn entry(path: &str, table: &str, contig: Option<&str>, written: Written) -> ManifestFile {
    ManifestFile {
        path: path.into(),
        table: table.into(),
        contig: contig.map(str::to_string),
        rows: written.rows,
        bytes: written.bytes,
        sha256: written.sha256,
    }
}

/// Promise 3: nothing is lost in silence.
fn check_identities(a: &Accounting) -> Result<()> {
    let sum = |counts: &[u64]| counts.iter().map(|&count| u128::from(count)).sum::<u128>();
    let records = sum(&[a.records_read]) == sum(&[a.records_written, a.records_rejected]);
    let alleles =
        sum(&[a.alleles_read, a.spanning_rows]) == sum(&[a.variant_rows, a.alleles_merged, a.alleles_left_out]);
    if records && alleles {
        return Ok(());
    }
    Err(Error::bad_data(format!(
        "the commit records do not add up: {} records read, {} written, {} rejected; {} alleles read, {} rows, {} merged",
        a.records_read, a.records_written, a.records_rejected, a.alleles_read, a.variant_rows, a.alleles_merged
    ))
    .hint("one of them was changed, or this is a bug of varbatch: begin anew with --force, and report it if it comes again"))
}
