//! Reads published datasets: the manifest, the files of each table, and the rows site by site.
//!
//! Enters a dataset folder; leaves its manifest, header, samples and bounded streams of rows. Nothing is written.

pub mod batch;
pub mod calls;
pub mod joint;
pub mod plain;
pub mod region;
pub mod results;
pub mod sites;
pub mod stream;

use crate::commit::manifest::{MANIFEST_NAME, Manifest, ManifestFile, SCHEMA_VERSION};
use crate::error::{Class, Error, Result};
pub use crate::evidence::GRID_BP;
use crate::store::{DataFile, Place};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Name of the merged header inside a dataset.
pub const HEADER_NAME: &str = "header.vcf";

/// A published dataset.
#[derive(Clone, Debug)]
pub struct Dataset {
    place: Place,
    manifest: Manifest,
}

impl Dataset {
    /// Opens the dataset in a folder, or at an `s3://` prefix, and checks that every file of its manifest is there.
    ///
    /// A folder without manifest is [`Class::Incomplete`]; a manifest that cannot be understood, or has a newer schema,
    /// is [`Class::BadData`]; a missing file is [`Class::Incomplete`].
    pub fn open(path: &Path) -> Result<Dataset> {
        let dataset = Self::open_manifest_only(path)?;
        let there: HashSet<String> = match &dataset.place {
            Place::Local(_) => HashSet::new(),
            place => place.list("")?.into_iter().map(|(name, _)| name).collect(),
        };
        for file in &dataset.manifest.files {
            let full = dataset.full_path(file)?;
            let found = full.local().map_or_else(|| there.contains(&file.path), Path::is_file);
            if !found {
                return Err(Error::new(
                    Class::Incomplete,
                    format!("{} is listed in {MANIFEST_NAME} but is not there", full.display()),
                )
                .hint("the dataset was changed after it was published; make it again, or restore the file"));
            }
        }
        Ok(dataset)
    }

    /// The same for a query, which may need few of very many files: on S3 they are not listed, and a missing one is an error when it
    /// is read.
    pub fn open_for_query(path: &Path) -> Result<Dataset> {
        match Place::parse(path)? {
            Place::Local(_) => Self::open(path),
            Place::S3(_) => Self::open_manifest_only(path),
        }
    }

    /// Opens the dataset without looking at its files, for a check that lists every missing one.
    pub fn open_manifest_only(path: &Path) -> Result<Dataset> {
        let place = Place::parse(path)?;
        let manifest = read_manifest(&place)?;
        Ok(Dataset { place, manifest })
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where a file of the manifest is. A path that leaves the dataset is [`Class::BadData`].
    pub fn full_path(&self, file: &ManifestFile) -> Result<DataFile> {
        let relative = Path::new(&file.path);
        let inside = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside || file.path.is_empty() {
            return Err(Error::bad_data(format!(
                "{MANIFEST_NAME} lists `{}`, expected a path inside the dataset",
                file.path
            )));
        }
        Ok(self.place.file(&file.path))
    }

    /// The files of `table`, in manifest order.
    pub fn files<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a ManifestFile> + 'a {
        self.manifest.files.iter().filter(move |file| file.table == table)
    }

    /// Files of a table in row order: by contig, then as shards are numbered.
    pub fn in_order<'a>(&self, files: impl Iterator<Item = &'a ManifestFile>) -> Vec<&'a ManifestFile> {
        let contigs = self.manifest.contigs.iter().map(|contig| contig.name.as_str());
        let rank: HashMap<&str, usize> = contigs.zip(0..).collect();
        let mut files: Vec<_> = files.collect();
        files.sort_by_cached_key(|file| {
            (file.contig.as_deref().and_then(|contig| rank.get(contig).copied()), file.path.as_str())
        });
        files
    }

    /// The files of `table` and `contig` in row order.
    pub fn contig_files(&self, table: &str, contig: &str) -> Vec<&ManifestFile> {
        let wanted = |file: &&ManifestFile| file.table == table && file.contig.as_deref() == Some(contig);
        let mut files: Vec<_> = self.manifest.files.iter().filter(wanted).collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    /// The genotypes file with the same contig and shard as a variants file; `None` when there is none.
    pub fn genotypes_of(&self, variants: &ManifestFile) -> Option<&ManifestFile> {
        let path = variants.path.replacen("variants/", "genotypes/", 1);
        self.files("genotypes").find(|file| file.path == path)
    }

    /// Whether the genotypes table holds plain reference calls too (`--calls all`).
    pub fn has_all_calls(&self) -> bool {
        self.manifest.settings.get("calls").is_some_and(|calls| calls == "all")
    }

    /// The merged header, up to and with the `#CHROM` line.
    pub fn header_text(&self) -> Result<String> {
        let uri = self.place.uri_of(HEADER_NAME);
        let bytes = self.place.read(HEADER_NAME)?.ok_or_else(|| {
            Error::new(Class::Incomplete, format!("{uri} is not there"))
                .hint("the dataset was changed after it was published; make it again, or restore the file")
        })?;
        String::from_utf8(bytes).map_err(|_| Error::bad_data(format!("{uri} is not UTF-8 text")))
    }

    /// Sample names in the order of `sample_index`.
    pub fn sample_names(&self) -> Result<Vec<String>> {
        let mut rows: Vec<(i32, String)> = Vec::new();
        for file in self.files("samples") {
            let stream = stream::FileStream::open(&self.full_path(file)?, &stream::Select::columns(&SAMPLE_COLUMNS))?;
            for batch in stream {
                let batch = batch?;
                let index = batch.ints("sample_index")?;
                let names = batch.texts("sample")?;
                rows.extend((0..batch.n_rows()).map(|row| (index.value(row), names.value(row).to_owned())));
            }
        }
        rows.sort_unstable();
        if rows.iter().enumerate().any(|(at, (index, _))| at as i32 != *index) {
            return Err(Error::bad_data("the samples table has gaps in sample_index, expected 0, 1, 2, ..."));
        }
        if rows.len() as u64 != self.manifest.n_samples {
            return Err(Error::bad_data(format!(
                "the samples table has {} rows, the manifest says {} samples",
                rows.len(),
                self.manifest.n_samples
            )));
        }
        Ok(rows.into_iter().map(|(_, name)| name).collect())
    }
}

const SAMPLE_COLUMNS: [&str; 2] = ["sample_index", "sample"];

/// Reads and checks `_manifest.json`.
fn read_manifest(place: &Place) -> Result<Manifest> {
    let uri = place.uri_of(MANIFEST_NAME);
    if let Some(bytes) = place.read(MANIFEST_NAME)? {
        return parse_manifest(Path::new(&uri), &bytes);
    }
    let is_there = match place {
        Place::Local(root) => root.is_dir(),
        Place::S3(_) => !place.list("_plan")?.is_empty(),
    };
    if !is_there {
        return Err(Error::new(Class::NoInput, format!("{} is not a dataset folder", place.uri())));
    }
    Err(Error::new(Class::Incomplete, format!("{} has no {MANIFEST_NAME}: it is not a published dataset", place.uri()))
        .hint("run the same `varbatch call` again, or `varbatch status` for an array job: finished shards are kept"))
}

fn parse_manifest(file: &Path, bytes: &[u8]) -> Result<Manifest> {
    /// The two fields that every version has.
    #[derive(serde::Deserialize)]
    struct Version {
        format: String,
        schema_version: u32,
    }
    let broken = |error: serde_json::Error| {
        Error::bad_data(format!("{} is not a manifest of varbatch: {error}", file.display())).with_source(error)
    };
    let version: Version = serde_json::from_slice(bytes).map_err(broken)?;
    if version.format != "varbatch-dataset" {
        return Err(Error::bad_data(format!(
            "{} has format `{}`, expected `varbatch-dataset`",
            file.display(),
            version.format
        )));
    }
    if version.schema_version > SCHEMA_VERSION {
        return Err(Error::bad_data(format!(
            "{} has schema version {}, this program reads up to {SCHEMA_VERSION}",
            file.display(),
            version.schema_version
        ))
        .hint("use the varbatch version that wrote it, or a newer one"));
    }
    serde_json::from_slice(bytes).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest_text(version: u32, files: &str) -> String {
        format!(
            r#"{{"format":"varbatch-dataset","schema_version":{version},"varbatch_version":"0.1.0","plan_digest":"",
            "settings":{{"calls":"all"}},"inputs":[],"contigs":[],"n_samples":0,"accounting":{{"records_read":0,
            "records_written":0,"records_rejected":0,"alleles_read":0,"alleles_merged":0,"variant_rows":0,
            "genotype_rows":0,"ref_block_rows":0,"shift_capped":0,"alleles_normalised":0,"rejections":[]}},
            "warnings":[],"files":[{files}]}}"#
        )
    }

    fn opened(text: Option<&str>) -> Result<Dataset> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some(text) = text {
            std::fs::write(folder.path().join(MANIFEST_NAME), text).expect("written");
        }
        Dataset::open(folder.path())
    }

    #[test]
    fn a_folder_without_manifest_is_incomplete() {
        let error = opened(None).expect_err("no manifest");
        assert_eq!(error.class().exit_code(), 3);
        assert!(error.hint_text().is_some());
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let error = opened(Some(&manifest_text(SCHEMA_VERSION + 1, ""))).expect_err("newer");
        assert!(error.message().contains("schema version 2"), "{error}");
    }

    #[test]
    fn missing_and_outside_files_are_refused() {
        let file = |path: &str| {
            format!(r#"{{"path":"{path}","table":"variants","contig":"1","rows":1,"bytes":1,"sha256":""}}"#)
        };
        let error = opened(Some(&manifest_text(1, &file("variants/contig=1/part-0.parquet")))).expect_err("missing");
        assert_eq!(error.class().exit_code(), 3);
        let error = opened(Some(&manifest_text(1, &file("../x.parquet")))).expect_err("outside");
        assert_eq!(error.class().exit_code(), 65);
    }

    #[test]
    fn an_empty_dataset_opens() {
        let dataset = opened(Some(&manifest_text(1, ""))).expect("opens");
        assert!(dataset.has_all_calls());
        assert!(dataset.sample_names().expect("names").is_empty());
    }
}
