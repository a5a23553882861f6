//! Writes a table that comes in pieces, in any of the forms of [`super::render`].

use super::render::{Format, render, render_rows};
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::*;
use std::io::{self, Write};

/// A table under way. Parquet and separated values are written as they come; JSON and aligned columns when the table ends.
pub struct TableWriter<W: Write> {
    out: Form<W>,
    n_rows: u64,
}

enum Form<W: Write> {
    Rows { out: W, format: Format, has_header: bool },
    Whole { out: W, format: Format, frame: Option<DataFrame> },
    Parquet { writer: Option<Box<BatchedWriter<W>>>, out: Option<W> },
}

fn other(error: PolarsError) -> io::Error {
    match error {
        PolarsError::IO { error, .. } => io::Error::new(error.kind(), error.to_string()),
        error => io::Error::other(error),
    }
}

impl<W: Write> TableWriter<W> {
    /// A table in `format` to `out`.
    pub fn new(format: Format, out: W) -> TableWriter<W> {
        let out = match format {
            Format::Csv | Format::Tsv => Form::Rows { out, format, has_header: false },
            Format::Json | Format::Table => Form::Whole { out, format, frame: None },
            Format::Parquet => Form::Parquet { writer: None, out: Some(out) },
        };
        TableWriter { out, n_rows: 0 }
    }

    /// The next rows; all pieces have the same columns.
    pub fn write(&mut self, piece: &mut DataFrame) -> io::Result<()> {
        self.n_rows += piece.height() as u64;
        match &mut self.out {
            Form::Rows { out, format, has_header } => {
                let first = !std::mem::replace(has_header, true);
                render_rows(piece, *format, first, out)
            }
            Form::Whole { frame: Some(frame), .. } => frame.vstack_mut(piece).map(drop).map_err(other),
            Form::Whole { frame, .. } => {
                *frame = Some(piece.clone());
                Ok(())
            }
            Form::Parquet { writer, out } => {
                if let Some(out) = out.take() {
                    let new = ParquetWriter::new(out).with_compression(ParquetCompression::Zstd(None));
                    *writer = Some(Box::new(new.batched(piece.schema()).map_err(other)?));
                }
                let writer = writer.as_mut().expect("made with the first piece");
                piece.rechunk_mut();
                writer.write_batch(piece).map_err(other)
            }
        }
    }

    /// Ends the table, which had at least one piece (an empty one counts); its number of rows.
    pub fn finish(self) -> io::Result<u64> {
        match self.out {
            Form::Rows { mut out, .. } => out.flush()?,
            Form::Whole { mut out, format, frame } => {
                render(&mut frame.unwrap_or_default(), format, &mut out)?;
                out.flush()?;
            }
            Form::Parquet { writer, .. } => {
                if let Some(writer) = writer {
                    writer.finish().map_err(other)?;
                }
            }
        }
        Ok(self.n_rows)
    }
}
