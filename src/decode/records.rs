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
pub struct Record<'r> {
    /// The line without its line end; of BCF only its fields up to FORMAT.
    pub line: &'r [u8],
    /// The samples, where they are not in the line.
    pub samples: Option<TypedSamples<'r>>,
}

impl Records<'_> {
    /// The next record; `None` at the end.
    pub fn next_record(&mut self) -> Result<Option<Record<'_>>> {
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

    /// Where the last record given out starts, as [`LineReader::line_offset`].
    pub fn offset(&self) -> u64 {
        match self {
            Records::Text(lines) => lines.line_offset(),
            Records::Bcf(records) => records.record_offset(),
        }
    }

    /// Says at which offset reading probably ends.
    #[must_use]
    pub fn expecting_end(self, offset: u64) -> Self {
        match self {
            Records::Text(lines) => Records::Text(lines.expecting_end(offset)),
            Records::Bcf(records) => Records::Bcf(records.expecting_end(offset)),
        }
    }

    /// Says where other readers begin, in ascending order. Of BCF it is checked that records begin there.
    #[must_use]
    pub fn passing(self, offsets: impl IntoIterator<Item = u64>) -> Self {
        match self {
            Records::Text(lines) => Records::Text(lines),
            Records::Bcf(records) => Records::Bcf(records.landing_on(offsets)),
        }
    }
}
