//! Flags that say where the result tables of an analysis go.

use super::query::FormatName;
use crate::error::Result;
use crate::query::render::Format;
use crate::stats::results::{DataFrame, FileWriter, Results, StoredWriter};
use crate::stats::tables::output::Wanted;
use std::path::{Path, PathBuf};

/// Where a result goes.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Result")]
pub struct ResultFlags {
    /// Write the main table to this file (`-` is standard output) in place of storing it beside the dataset
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Form of that file [default: by its name, else tsv]
    #[arg(long, value_enum, requires = "output")]
    pub format: Option<FormatName>,
}

impl ResultFlags {
    /// Form of the output file.
    pub fn format_of(&self, path: &Path) -> Format {
        self.format.map_or_else(|| super::query::format_by_name(path), Format::from)
    }

    /// The table `name` as the one that the user wants in a file, where there is a file.
    pub fn wanted(&self, name: &str) -> Option<Wanted> {
        let of = |path: &PathBuf| Wanted { table: name.to_owned(), path: path.clone(), format: self.format_of(path) };
        self.output.as_ref().map(of)
    }

    /// Writes a whole table to the file that the user named, else stores it as `name`.
    pub fn put(&self, results: &Results, name: &str, frame: DataFrame, summary: serde_json::Value) -> Result<()> {
        let Some(path) = &self.output else { return results.store(name, frame, summary) };
        let mut writer = FileWriter::create(path, self.format_of(path))?;
        let mut frame = frame;
        writer.write(&mut frame)?;
        writer.finish().map(drop)
    }

    /// Begins a table that comes in pieces, to the file that the user named, else stored as `name`.
    pub fn begin<'a>(&self, results: &Results<'a>, name: &str) -> Result<ResultWriter<'a>> {
        Ok(match &self.output {
            Some(path) => ResultWriter::File(FileWriter::create(path, self.format_of(path))?),
            None => ResultWriter::Stored(Box::new(results.begin(name)?)),
        })
    }
}

/// A result table under way.
pub enum ResultWriter<'a> {
    /// To a file or standard output.
    File(FileWriter),
    /// Beside the dataset.
    Stored(Box<StoredWriter<'a>>),
}

impl ResultWriter<'_> {
    /// The next rows; all pieces have the same columns.
    pub fn write(&mut self, piece: &mut DataFrame) -> Result<()> {
        match self {
            ResultWriter::File(writer) => writer.write(piece),
            ResultWriter::Stored(writer) => writer.write(piece),
        }
    }

    /// Ends the table.
    pub fn finish(self, summary: serde_json::Value) -> Result<()> {
        match self {
            ResultWriter::File(writer) => writer.finish().map(drop),
            ResultWriter::Stored(writer) => writer.finish(summary),
        }
    }
}
