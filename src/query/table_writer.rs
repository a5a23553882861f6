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
    Parquet(Parquet<W>),
}

/// A Parquet file, whose row groups do not depend on how its rows come.
struct Parquet<W: Write> {
    /// Until the columns are known.
    out: Option<W>,
    writer: Option<Box<BatchedWriter<W>>>,
    /// Rows that are no whole row group yet.
    waiting: DataFrame,
    is_begun: bool,
}

/// Rows of a row group of a Parquet file.
const GROUP_ROWS: usize = 1 << 16;

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
            Format::Parquet => Form::Parquet(Parquet::new(out)),
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
            Form::Parquet(file) => file.write(piece),
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
            Form::Parquet(file) => file.finish()?,
        }
        Ok(self.n_rows)
    }
}

impl<W: Write> Parquet<W> {
    fn new(out: W) -> Parquet<W> {
        Parquet { out: Some(out), writer: None, waiting: DataFrame::default(), is_begun: false }
    }

    fn write(&mut self, piece: &DataFrame) -> io::Result<()> {
        if let Some(out) = self.out.take() {
            let new = ParquetWriter::new(out).with_compression(ParquetCompression::Zstd(None));
            self.writer = Some(Box::new(new.batched(piece.schema()).map_err(other)?));
            self.waiting = piece.clone();
        } else {
            self.waiting.vstack_mut(piece).map_err(other)?;
        }
        while self.waiting.height() >= GROUP_ROWS {
            let rest = self.waiting.slice(GROUP_ROWS as i64, usize::MAX);
            let group = std::mem::replace(&mut self.waiting, rest);
            self.group(group.slice(0, GROUP_ROWS))?;
        }
        Ok(())
    }

    fn group(&mut self, mut rows: DataFrame) -> io::Result<()> {
        rows.rechunk_mut();
        self.is_begun = true;
        self.writer.as_mut().map_or(Ok(()), |writer| writer.write_batch(&rows).map_err(other))
    }

    fn finish(mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.waiting);
        if rest.height() > 0 || !self.is_begun {
            self.group(rest)?;
        }
        self.writer.map_or(Ok(()), |writer| writer.finish().map(drop).map_err(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    fn groups(pieces: &[usize]) -> Vec<i64> {
        let path = tempfile::NamedTempFile::new().expect("a file");
        let mut table = TableWriter::new(Format::Parquet, path.reopen().expect("a file"));
        for &n_rows in pieces {
            table.write(&mut df!("n" => vec![7; n_rows]).expect("a frame")).expect("written");
        }
        assert_eq!(table.finish().expect("ended"), pieces.iter().sum::<usize>() as u64);
        let reader = SerializedFileReader::new(path.reopen().expect("a file")).expect("Parquet");
        reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect()
    }

    #[test]
    fn row_groups_do_not_depend_on_how_rows_come() {
        let whole = GROUP_ROWS as i64;
        assert_eq!(groups(&[2 * GROUP_ROWS + 5]), [whole, whole, 5]);
        assert_eq!(groups(&[0, 3, GROUP_ROWS - 1, 1, GROUP_ROWS + 2]), [whole, whole, 5]);
        assert_eq!(groups(&[0, GROUP_ROWS]), [whole]);
        assert_eq!(groups(&[0]).iter().sum::<i64>(), 0);
    }
}
