//! The tables of a dataset read with the Parquet record reader, so that a test does not depend on `query`.

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A table in memory: column names, and rows of printed values (`null` for null).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Index of a column.
    #[track_caller]
    pub fn column(&self, name: &str) -> usize {
        self.columns.iter().position(|column| column == name).unwrap_or_else(|| panic!("no column {name}"))
    }
}

/// Parquet files of one table, in the order of their rows: contigs as in the manifest, then names.
pub fn files(dataset: &Path, table: &str) -> Vec<PathBuf> {
    let manifest = super::common::manifest(dataset);
    let contigs: Vec<&serde_json::Value> =
        manifest["contigs"].as_array().expect("contigs").iter().map(|contig| &contig["name"]).collect();
    let mut files: Vec<&serde_json::Value> = manifest["files"].as_array().expect("files").iter().collect();
    files.retain(|file| file["table"] == table);
    files.sort_by_key(|file| {
        let contig = contigs.iter().position(|name| **name == file["contig"]);
        (contig, file["path"].as_str().expect("a path"))
    });
    files.iter().map(|file| dataset.join(file["path"].as_str().expect("a path"))).collect()
}

/// All rows of a table in its order, with the columns of `wanted` (all where it is empty).
pub fn read(dataset: &Path, table: &str, wanted: &[&str]) -> Table {
    let mut whole = Table::default();
    for path in files(dataset, table) {
        let part = read_file(&path, wanted);
        whole.columns = part.columns;
        whole.rows.extend(part.rows);
    }
    whole
}

/// One file.
pub fn read_file(path: &Path, wanted: &[&str]) -> Table {
    let reader = SerializedFileReader::new(File::open(path).expect("open a table")).expect("a Parquet file");
    let schema = reader.metadata().file_metadata().schema();
    let projection = (!wanted.is_empty()).then(|| project(schema, wanted));
    let mut table = Table::default();
    let names = projection.as_ref().unwrap_or(schema);
    table.columns = names.get_fields().iter().map(|field| field.name().to_string()).collect();
    for row in reader.get_row_iter(projection).expect("rows") {
        let row = row.expect("a row");
        table.rows.push(row.get_column_iter().map(|(_, field)| printed(field)).collect());
    }
    table
}

fn project(schema: &Type, wanted: &[&str]) -> Type {
    let fields: Vec<Arc<Type>> =
        schema.get_fields().iter().filter(|field| wanted.contains(&field.name())).cloned().collect();
    assert_eq!(fields.len(), wanted.len(), "columns {wanted:?} are not all in the schema");
    Type::group_type_builder(schema.name()).with_fields(fields).build().expect("a projection")
}

/// A value as text: strings without quotes, floats in the shortest form that gives the same number again.
pub fn printed(field: &Field) -> String {
    match field {
        Field::Null => "null".into(),
        Field::Str(text) => text.clone(),
        Field::Double(number) => format!("{number:?}"),
        Field::ListInternal(list) => {
            let items: Vec<String> = list.elements().iter().map(printed).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}
