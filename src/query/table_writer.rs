//! Writes a table that comes in pieces, in any of the forms of [`super::render`].

use super::render::{
    Format, JSON_END, render, render_rows, widths as column_widths, write_json_rows, write_table_head, write_table_rows,
};
use polars::io::parquet::write::BatchedWriter;
use polars::prelude::*;
use std::io::{self, Write};

/// A table under way, written as it comes. Aligned columns are as wide as the first rows need.
pub struct TableWriter<W: Write> {
    out: Form<W>,
    n_rows: u64,
}

enum Form<W: Write> {
    Rows { out: W, format: Format, has_header: bool },
    Json { out: W },
    Aligned { out: W, first: Option<DataFrame>, widths: Option<Vec<usize>> },
    Parquet { writer: Option<Box<BatchedWriter<W>>>, out: Option<W> },
}

/// Rows that decide how wide aligned columns are.
const ALIGNED_ROWS: usize = 10_000;

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
            Format::Json => Form::Json { out },
            Format::Table => Form::Aligned { out, first: None, widths: None },
            Format::Parquet => Form::Parquet { writer: None, out: Some(out) },
        };
        TableWriter { out, n_rows: 0 }
    }

    /// The next rows; all pieces have the same columns.
    pub fn write(&mut self, piece: &mut DataFrame) -> io::Result<()> {
        let n_before = self.n_rows;
        self.n_rows += piece.height() as u64;
        match &mut self.out {
            Form::Rows { out, format, has_header } => {
                let first = !std::mem::replace(has_header, true);
                render_rows(piece, *format, first, out)
            }
            Form::Json { out } => {
                if n_before == 0 && piece.height() > 0 {
                    out.write_all(b"[")?;
                }
                write_json_rows(piece, n_before, out)
            }
            Form::Aligned { out, widths: Some(widths), .. } => write_table_rows(piece, widths, out),
            Form::Aligned { out, first, widths } => {
                match first {
                    Some(first) => first.vstack_mut(piece).map(drop).map_err(other)?,
                    None => *first = Some(piece.clone()),
                }
                if self.n_rows >= ALIGNED_ROWS as u64
                    && let Some(first) = first.take()
                {
                    let found = column_widths(&first.slice(0, ALIGNED_ROWS));
                    write_table_head(&first, &found, out)?;
                    write_table_rows(&first, &found, out)?;
                    *widths = Some(found);
                }
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
            Form::Json { mut out } => {
                if self.n_rows == 0 {
                    out.write_all(b"[")?;
                }
                out.write_all(JSON_END)?;
                out.flush()?;
            }
            Form::Aligned { mut out, first, .. } => {
                if let Some(mut first) = first {
                    render(&mut first, Format::Table, &mut out)?;
                }
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
