//! Records of an input one by one, of text or of BCF.

use super::bcf::{RecordReader, TypedSamples};
use super::lines::LineReader;
use crate::error::Result;

/// Gives one record after the other.
pub enum Records<'a> {
    /// Lines.
    Text(LineReader<'a>),
    /// BCF records.
    Bcf(RecordReader<'a>),
}

/// One record.
pub struct Record<'r, 'a> {
    /// The line without its line end; of BCF only its fields up to FORMAT.
    pub line: &'r [u8],
    /// The samples, where they are not in the line.
    pub samples: Option<TypedSamples<'a>>,
}

impl<'a> Records<'a> {
    /// The next record; `None` at the end.
    pub fn next_record(&mut self) -> Result<Option<Record<'_, 'a>>> {
        Ok(match self {
            Records::Text(lines) => lines.next_line()?.map(|line| Record { line, samples: None }),
            Records::Bcf(records) => {
                records.next_record()?.map(|(line, samples)| Record { line, samples: Some(samples) })
            }
        })
    }

    /// Records (lines) given out so far.
    pub fn n_records(&self) -> u64 {
        match self {
            Records::Text(lines) => lines.n_lines(),
            Records::Bcf(records) => records.n_records(),
        }
    }

    /// Bytes of the source consumed so far (compressed bytes for BGZF).
    pub fn n_bytes_read(&self) -> u64 {
        match self {
            Records::Text(lines) => lines.n_bytes_read(),
            Records::Bcf(records) => records.n_bytes_read(),
        }
    }

    /// Where the last line given out starts, as [`LineReader::line_offset`]; 0 for BCF.
    pub fn line_offset(&self) -> u64 {
        match self {
            Records::Text(lines) => lines.line_offset(),
            Records::Bcf(_) => 0,
        }
    }
}
