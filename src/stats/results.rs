//! Result tables: stored beside the dataset, where `query` and `report` find them, or written where the user wants them.
//!
//! A stored result is `stats/<name>.parquet` and `stats/<name>.json`, which says what made it. A result of another plan than the
//! dataset's is stale and not shown. Storing one again replaces it. No clock, host or thread count is in either file.

use crate::columns::parquet_file::{ParquetFile, VARIANTS_ROW_GROUP};
use crate::dataset::Dataset;
use crate::dataset::results::{Description, FORMAT, RESULTS_FOLDER};
use crate::error::{Error, Result};
use crate::query::render::Format;
use crate::query::table_writer::TableWriter;
use crate::store::{Place, Staged};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
pub use polars::prelude::DataFrame;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where the results of one command go.
#[derive(Clone, Debug)]
pub struct Results<'a> {
    dataset: &'a Dataset,
    command: &'static str,
    settings: serde_json::Value,
}

impl<'a> Results<'a> {
    /// Of `command` with its resolved settings.
    pub fn new(dataset: &'a Dataset, command: &'static str, settings: serde_json::Value) -> Results<'a> {
        Results { dataset, command, settings }
    }

    /// Stores a whole table.
    pub fn store(&self, name: &str, mut frame: DataFrame, summary: serde_json::Value) -> Result<()> {
        let mut writer = self.begin(name)?;
        writer.write(&mut frame)?;
        writer.finish(summary)
    }

    /// Begins a table that is stored under `name`.
    pub fn begin(&self, name: &str) -> Result<StoredWriter<'a>> {
        let (stage, file) = self.stage(name)?;
        Ok(StoredWriter { stage, writer: TableWriter::new(Format::Parquet, BufWriter::new(file)) })
    }

    /// Begins a table that is stored under `name` and comes as Arrow batches.
    pub fn begin_batches(&self, name: &str, schema: &SchemaRef) -> Result<StoredBatches<'a>> {
        let (stage, file) = self.stage(name)?;
        Ok(StoredBatches { stage, writer: ParquetFile::new(BufWriter::new(file), schema, VARIANTS_ROW_GROUP)? })
    }

    fn stage(&self, name: &str) -> Result<(Stage<'a>, File)> {
        check_name(name)?;
        let place = self.dataset.place();
        let staged = place.staged(&format!("{RESULTS_FOLDER}/{name}.parquet"))?;
        let file = File::create(staged.path()).map_err(|error| Error::writing(staged.path(), error))?;
        let description = Description {
            format: FORMAT.to_owned(),
            table: name.to_owned(),
            command: self.command.to_owned(),
            settings: self.settings.clone(),
            summary: serde_json::Value::Null,
            varbatch_version: env!("CARGO_PKG_VERSION").to_owned(),
            plan_digest: self.dataset.manifest().plan_digest.clone(),
            n_rows: 0,
        };
        Ok((Stage { place, staged, description }, file))
    }
}

/// Names that SQL takes without quotes.
fn check_name(name: &str) -> Result<()> {
    let is_word = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let is_own = crate::query::frames::TABLES.contains(&name);
    if name.is_empty() || !is_word || is_own || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Error::usage(format!("`{name}` cannot be the name of a result table")).hint(
            "use small letters, digits and _, beginning with a letter, and no name of the dataset's own tables",
        ));
    }
    Ok(())
}

/// A file that is to become a stored table; dropped before it has its name it leaves nothing.
struct Stage<'a> {
    place: &'a Place,
    staged: Staged,
    description: Description,
}

impl Stage<'_> {
    /// Gives a finished table its name.
    fn finish(mut self, n_rows: u64, summary: serde_json::Value) -> Result<()> {
        (self.description.n_rows, self.description.summary) = (n_rows, summary);
        let json = format!("{RESULTS_FOLDER}/{}.json", self.description.table);
        // a table without description is not shown: so the two never disagree
        self.place.remove(&json)?;
        self.place.replace(self.staged)?;
        let mut text = serde_json::to_vec_pretty(&self.description)
            .map_err(|error| Error::internal(format!("cannot write a description: {error}")))?;
        text.push(b'\n');
        self.place.write(&json, &text)
    }
}

/// A stored table under way.
pub struct StoredWriter<'a> {
    stage: Stage<'a>,
    writer: TableWriter<BufWriter<File>>,
}

impl StoredWriter<'_> {
    /// The next rows; all pieces have the same columns.
    pub fn write(&mut self, piece: &mut DataFrame) -> Result<()> {
        self.writer.write(piece).map_err(|error| Error::writing(self.stage.staged.path(), error))
    }

    /// Ends the table and gives it its name.
    pub fn finish(self, summary: serde_json::Value) -> Result<()> {
        let n_rows = self.writer.finish().map_err(|error| Error::writing(self.stage.staged.path(), error))?;
        self.stage.finish(n_rows, summary)
    }
}

/// A stored table under way that comes as Arrow batches.
pub struct StoredBatches<'a> {
    stage: Stage<'a>,
    writer: ParquetFile<BufWriter<File>>,
}

impl StoredBatches<'_> {
    /// The next rows.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch, self.stage.staged.path())
    }

    /// Ends the table and gives it its name; its number of rows.
    pub fn finish(self, summary: serde_json::Value) -> Result<u64> {
        let path = self.stage.staged.path();
        let (written, mut file) = self.writer.finish(path)?;
        file.flush().map_err(|error| Error::writing(path, error))?;
        self.stage.finish(written.rows, summary)?;
        Ok(written.rows)
    }
}

/// A table for the user: a file, or standard output.
pub struct FileWriter {
    staged: Option<Staged>,
    path: PathBuf,
    writer: TableWriter<Box<dyn Write>>,
}

impl FileWriter {
    /// To `path` in `format`; `-` is standard output.
    pub fn create(path: &Path, format: Format) -> Result<FileWriter> {
        let (staged, out): (_, Box<dyn Write>) = if path.as_os_str() == "-" {
            (None, Box::new(BufWriter::with_capacity(1 << 16, std::io::stdout())))
        } else {
            let staged = Staged::new(path);
            let file = File::create(staged.path()).map_err(|error| Error::writing(path, error))?;
            (Some(staged), Box::new(BufWriter::with_capacity(1 << 16, file)))
        };
        Ok(FileWriter { staged, path: path.to_path_buf(), writer: TableWriter::new(format, out) })
    }

    fn failed(path: &Path, is_file: bool, error: std::io::Error) -> Error {
        if is_file { Error::writing(path, error) } else { Error::stdout(error) }
    }

    /// The next rows; all pieces have the same columns.
    pub fn write(&mut self, piece: &mut DataFrame) -> Result<()> {
        let is_file = self.staged.is_some();
        self.writer.write(piece).map_err(|error| Self::failed(&self.path, is_file, error))
    }

    /// Ends the table; its number of rows.
    pub fn finish(self) -> Result<u64> {
        let is_file = self.staged.is_some();
        let n_rows = self.writer.finish().map_err(|error| Self::failed(&self.path, is_file, error))?;
        if let Some(staged) = self.staged {
            staged.keep()?;
        }
        Ok(n_rows)
    }
}
