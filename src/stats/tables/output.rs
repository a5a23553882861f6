//! Where tables go: all of them beside the dataset, or one of them to the user's file.

use crate::error::{Error, Result};
use crate::query::render::Format;
use crate::stats::results::{FileWriter, Results, StoredWriter};
use polars::prelude::DataFrame;
use std::path::PathBuf;

/// The one table that the user wants in a file.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Its name.
    pub table: String,
    /// The file; `-` is standard output.
    pub path: PathBuf,
    /// Its form.
    pub format: Format,
}

/// Takes the tables of a run.
pub struct Output<'a> {
    results: Results<'a>,
    wanted: Option<Wanted>,
    stored: Vec<String>,
    offered: Vec<String>,
}

impl<'a> Output<'a> {
    /// Stores every table, or writes the one that is wanted.
    pub fn new(results: Results<'a>, wanted: Option<Wanted>) -> Output<'a> {
        Output { results, wanted, stored: Vec::new(), offered: Vec::new() }
    }

    /// Takes a whole table.
    pub fn put(&mut self, name: &str, frame: DataFrame) -> Result<()> {
        let mut sink = self.begin(name)?;
        sink.write(frame)?;
        sink.finish(serde_json::Value::Null)
    }

    /// Begins a table that comes in pieces.
    pub fn begin(&mut self, name: &str) -> Result<Sink<'a>> {
        self.offered.push(name.to_owned());
        let form = match &self.wanted {
            None => {
                self.stored.push(name.to_owned());
                Form::Stored(Box::new(self.results.begin(name)?))
            }
            Some(wanted) if wanted.table == name => {
                Form::File(Box::new(FileWriter::create(&wanted.path, wanted.format)?))
            }
            Some(_) => Form::Nowhere,
        };
        Ok(Sink(form))
    }

    /// Names of the stored tables, where there was a file for the wanted one too; an error where the run had no such table.
    pub fn finish(self) -> Result<Vec<String>> {
        match self.wanted {
            Some(wanted) if !self.offered.contains(&wanted.table) => {
                Err(Error::usage(format!("there is no table `{}` in this run", wanted.table))
                    .hint(format!("--table takes one of {}", self.offered.join(", "))))
            }
            _ => Ok(self.stored),
        }
    }
}

/// A table under way.
pub struct Sink<'a>(Form<'a>);

enum Form<'a> {
    Stored(Box<StoredWriter<'a>>),
    File(Box<FileWriter>),
    Nowhere,
}

impl Sink<'_> {
    /// The next rows; all pieces have the same columns.
    pub fn write(&mut self, mut piece: DataFrame) -> Result<()> {
        match &mut self.0 {
            Form::Stored(writer) => writer.write(&mut piece),
            Form::File(writer) => writer.write(&mut piece),
            Form::Nowhere => Ok(()),
        }
    }

    /// Ends the table.
    pub fn finish(self, summary: serde_json::Value) -> Result<()> {
        match self.0 {
            Form::Stored(writer) => writer.finish(summary),
            Form::File(writer) => writer.finish().map(drop),
            Form::Nowhere => Ok(()),
        }
    }
}
