//! The physical layout of the Parquet files, pinned as text: types, encodings, compression, statistics, page index.
//!
//! A change of the layout is a change of `tests/cases/layout.txt`; `VARBATCH_BLESS=1` writes the file anew.

use super::common::*;
use super::tables;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};
use std::fs::File;
use std::path::Path;

fn metadata(path: &Path) -> ParquetMetaData {
    SerializedFileReader::new(File::open(path).expect("open")).expect("a Parquet file").metadata().clone()
}

fn describe(dataset: &Path) -> String {
    let mut text = String::new();
    for table in ["variants", "genotypes", "samples"] {
        let files = tables::files(dataset, table);
        let metadata = metadata(&files[0]);
        text += &format!("{table}: version {}\n", metadata.file_metadata().version());
        let group = metadata.row_group(0);
        text += &format!("  sorted by {}\n", sorting(group));
        for column in group.columns() {
            text += &format!("  {}\n", describe_column(column));
        }
    }
    text
}

fn sorting(group: &RowGroupMetaData) -> String {
    let Some(sorting) = group.sorting_columns() else { return "nothing said".into() };
    let name = |index: i32| group.column(index as usize).column_path().string();
    let names: Vec<String> = sorting
        .iter()
        .map(|column| format!("{}{}", name(column.column_idx), if column.descending { " descending" } else { "" }))
        .collect();
    names.join(", ")
}

fn describe_column(column: &ColumnChunkMetaData) -> String {
    let descriptor = column.column_descr();
    let mut encodings: Vec<String> = column.encodings().map(|encoding| format!("{encoding:?}")).collect();
    encodings.sort();
    encodings.dedup();
    let logical = descriptor.logical_type_ref().map_or("-".into(), |logical| format!("{logical:?}"));
    let repetition = format!("def {} rep {}", descriptor.max_def_level(), descriptor.max_rep_level());
    let flags = [
        (column.column_index_offset().is_some(), "column-index"),
        (column.offset_index_offset().is_some(), "offset-index"),
        (column.bloom_filter_offset().is_some(), "bloom"),
        (column.statistics().is_some(), "statistics"),
    ];
    let flags: Vec<&str> = flags.iter().filter(|(there, _)| *there).map(|(_, name)| *name).collect();
    format!(
        "{} {:?} {logical} {repetition} {:?} [{}] {}",
        column.column_path().string(),
        column.column_type(),
        column.compression(),
        encodings.join(" "),
        flags.join(" ")
    )
}

#[test]
fn the_layout_is_as_written_down() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[super::cli::small()], &dataset, &["--calls", "all"]);
    let found = describe(&dataset);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/layout.txt");
    if std::env::var_os("VARBATCH_BLESS").is_some() {
        std::fs::write(&path, &found).expect("write the layout");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let changed: Vec<String> = diff(&expected, &found);
    assert!(changed.is_empty(), "the layout differs from tests/cases/layout.txt:\n{}", changed.join("\n"));
}

fn diff(expected: &str, found: &str) -> Vec<String> {
    let gone =
        expected.lines().filter(|line| !found.lines().any(|other| other == *line)).map(|line| format!("- {line}"));
    let new =
        found.lines().filter(|line| !expected.lines().any(|other| other == *line)).map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

/// What holds for any file: signed integers, ZSTD, an index for each column, rows as the manifest says.
#[test]
fn every_file_is_fit_for_every_reader() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[super::cli::small()], &dataset, &["--shard-size", "300"]);
    let manifest = manifest(&dataset);
    let mut n_tables = 0;
    for file in manifest["files"].as_array().expect("files") {
        let path = file["path"].as_str().expect("a path");
        if !path.ends_with(".parquet") {
            continue;
        }
        n_tables += 1;
        let metadata = metadata(&dataset.join(path));
        assert_eq!(metadata.file_metadata().num_rows() as u64, file["rows"].as_u64().expect("rows"), "{path}");
        for group in metadata.row_groups() {
            for column in group.columns() {
                let name = format!("{path} {}", column.column_path().string());
                let described = describe_column(column);
                assert!(described.contains("ZSTD"), "{name}: {described}");
                assert!(
                    described.contains("column-index") && described.contains("offset-index"),
                    "{name}: {described}"
                );
                assert!(!described.contains("is_signed: false"), "{name}: {described}");
            }
        }
    }
    assert!(n_tables >= 3);
}

/// Folder names are percent-encoded, the column has the plain name.
#[test]
fn contig_folders_are_percent_encoded() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[super::cli::small()], &dataset, &[]);
    assert!(dataset.join("variants/contig=chr%3AB-2").is_dir(), "{:?}", files_below(&dataset));
    let table = tables::read(&dataset, "variants", &["contig"]);
    assert!(table.rows.iter().any(|row| row[0] == "chr:B-2"));
}

/// Every data file is listed with its size and checksum.
#[test]
fn the_manifest_has_the_checksums() {
    use sha2::{Digest, Sha256};
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[super::cli::small()], &dataset, &[]);
    let manifest = manifest(&dataset);
    let files = manifest["files"].as_array().expect("files");
    for file in files {
        let bytes = std::fs::read(dataset.join(file["path"].as_str().expect("a path"))).expect("a listed file");
        assert_eq!(file["bytes"], bytes.len());
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file["sha256"], digest);
    }
    let names: Vec<&str> = files.iter().map(|file| file["path"].as_str().expect("a path")).collect();
    assert!(names.is_sorted() && names.contains(&"header.vcf"));
}
