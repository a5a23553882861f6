//! Parquet below the tables: columns encoded straight into pages, and what the errors of readers and writers mean.
//!
//! The general writer interns every value of a dictionary column by its hash; most columns here are known as runs or small
//! codes before, and are encoded from those: [`columns`] makes column chunks, [`file`] puts them into row groups.

pub mod arrays;
pub mod chunk;
pub mod columns;
mod dictionary;
pub mod encoding;
pub mod file;
pub mod footer;
mod guarded;
pub mod integers;
pub mod levels;
pub mod pages;
mod text_range;
mod word;

pub use guarded::{guarded, is_guarded, next_batch};
pub use word::Word;

use crate::error::Error;
use crate::store::DataFile;
use parquet::errors::ParquetError;
use std::path::Path;

/// An error of the Parquet writer; the I/O error inside decides the class.
pub fn writing_error(path: &Path, error: ParquetError) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            let copy = match io.raw_os_error() {
                Some(code) => std::io::Error::from_raw_os_error(code),
                None => std::io::Error::new(io.kind(), io.to_string()),
            };
            return Error::writing(path, copy);
        }
        cause = match current.downcast_ref::<ParquetError>() {
            Some(ParquetError::External(inner)) => Some(&**inner),
            _ => current.source(),
        };
    }
    Error::internal(format!("cannot write {}: {error}", path.display()))
}

/// For a data file that is not as it should be.
pub fn damaged(path: &DataFile, what: &str) -> Error {
    Error::bad_data(format!("{}: {what}", path.display())).hint("`varbatch verify` says which files are damaged")
}

/// An error of the Parquet reader.
pub fn reading_error(file: &DataFile, error: ParquetError) -> Error {
    // what the store said is the better message
    if let ParquetError::External(inner) = error {
        return match inner.downcast::<Error>() {
            Ok(error) => *error,
            Err(inner) => reading_error(file, ParquetError::General(inner.to_string())),
        };
    }
    Error::bad_data(format!("{}: cannot be read as Parquet: {error}", file.display()))
        .hint("`varbatch verify` says which files differ from the manifest")
        .with_source(error)
}
