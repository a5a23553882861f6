//! Tables that users bring, as frames.

use super::first_line;
use crate::dataset::stream::PARQUET_MAGIC;
use crate::error::{Error, Result};
use polars::prelude::*;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

/// Texts that mean that there is no value.
const MISSING: [&str; 7] = ["", "NA", "N/A", "NaN", "nan", ".", "null"];

/// The table in `bytes`, which were read from `path`: Parquet, or text with a line of names, separated by tabs (by commas where that
/// line has no tab). A `#` before the first name and lines before it that begin with `##` are left out. Types are those of all values;
/// the columns of `texts` stay as they are written.
pub fn read_table(path: &Path, bytes: &[u8], texts: &[&str]) -> Result<DataFrame> {
    let failed = |error: PolarsError| {
        let error = first_line(&error);
        Error::bad_data(format!("{} cannot be read as a table: {error}", path.display()))
            .hint("expected Parquet, or text with one line of column names and tabs between fields")
    };
    if bytes.starts_with(PARQUET_MAGIC) {
        return ParquetReader::new(Cursor::new(bytes)).finish().map_err(failed);
    }
    let mut rest = bytes;
    while rest.starts_with(b"##") {
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        rest = &rest[end..];
    }
    let rest = rest.strip_prefix(b"#").unwrap_or(rest);
    let header = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if header.trim_ascii().is_empty() {
        return Err(Error::bad_data(format!("{} is empty, expected a line of column names", path.display())));
    }
    let separator = if header.contains(&b'\t') { b'\t' } else { b',' };
    let names = header.split(|byte| *byte == separator).map(|name| String::from_utf8_lossy(name.trim_ascii()));
    let names = names.map(|name| name.trim_matches('"').to_owned()).filter(|name| texts.contains(&name.as_str()));
    let as_text: Schema = names.map(|name| Field::new(name.into(), DataType::String)).collect();
    let missing = MISSING.iter().map(|text| PlSmallStr::from_static(text)).collect();
    let parse =
        CsvParseOptions::default().with_separator(separator).with_null_values(Some(NullValues::AllColumns(missing)));
    CsvReadOptions::default()
        .with_has_header(true)
        .with_infer_schema_length(None)
        .with_schema_overwrite(Some(Arc::new(as_text)))
        .with_parse_options(parse)
        .into_reader_with_file_handle(Cursor::new(Arc::<[u8]>::from(rest)))
        .finish()
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_commas_and_types() {
        let read = |text: &str| read_table(Path::new("t"), text.as_bytes(), &["set"]).expect("a table");
        let table = read("##x\n#set\tpos\tweight\nA\t5\t0.5\nB\t6\tNA\n");
        assert_eq!(table.get_column_names(), ["set", "pos", "weight"]);
        assert_eq!(table.column("weight").expect("a column").null_count(), 1);
        assert_eq!(table.column("pos").expect("a column").dtype(), &DataType::Int64);
        let table = read("n,\"set\"\n007,1.10\n7,1.1\nNA,NA\n");
        let sets = table.column("set").and_then(|column| column.str()).expect("texts");
        assert_eq!(sets.iter().collect::<Vec<_>>(), [Some("1.10"), Some("1.1"), None]);
        assert_eq!(table.column("n").expect("a column").dtype(), &DataType::Int64);
        assert!(read_table(Path::new("t"), b"\n", &[]).is_err());
    }
}
