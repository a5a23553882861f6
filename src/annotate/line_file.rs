//! Sources that are lines, and how they are cut: at bytes that depend on the file alone.

use super::text::{Packing, TextFile};
use crate::decode::lines::LineReader;
use crate::decode::probe::{line_start_in_blocks, line_start_in_text};
use crate::error::{Location, Result};
use crate::input::{Format, InputFile};
use crate::store::local::Mapped;

/// Compressed bytes of a piece of BGZF.
const BGZF_PIECE_BYTES: usize = 4 << 20;
/// Bytes of a piece of plain text.
const TEXT_PIECE_BYTES: usize = 16 << 20;

/// A file of lines.
pub enum LineFile<'a> {
    /// VCF or BCF.
    Vcf(&'a InputFile),
    /// Any other text, and where its rows begin: offset, and number of lines before.
    Text(&'a TextFile, u64, u64),
}

impl<'a> LineFile<'a> {
    /// For messages.
    pub fn place(&self) -> Location {
        match self {
            LineFile::Vcf(file) => file.place(),
            LineFile::Text(file, ..) => file.place(),
        }
    }

    /// How it is packed.
    pub fn packing(&self) -> Packing {
        match self {
            LineFile::Vcf(file) => match file.format {
                Format::Vcf => Packing::Plain,
                Format::VcfBgzf => Packing::Bgzf,
                _ => Packing::Gzip,
            },
            LineFile::Text(file, ..) => file.packing,
        }
    }

    /// Its bytes.
    pub fn mapped(&self) -> &'a Mapped {
        match self {
            LineFile::Vcf(file) => &file.mapped,
            LineFile::Text(file, ..) => &file.mapped,
        }
    }

    fn data_start(&self) -> u64 {
        match self {
            LineFile::Vcf(file) => file.data_start,
            LineFile::Text(_, offset, _) => *offset,
        }
    }

    /// Lines before the first row.
    pub fn n_header_lines(&self) -> u64 {
        match self {
            LineFile::Vcf(file) => file.n_header_lines,
            LineFile::Text(_, _, n_lines) => *n_lines,
        }
    }

    /// Rows from an offset on.
    pub fn lines_from(&self, offset: u64) -> Result<LineReader<'a>> {
        match self {
            LineFile::Vcf(file) => file.lines_once_from(offset),
            LineFile::Text(file, ..) => file.lines_from(offset),
        }
    }

    /// All rows.
    pub fn lines(&self) -> Result<LineReader<'a>> {
        match self {
            LineFile::Vcf(file) => file.lines(),
            LineFile::Text(file, offset, n_lines) => {
                let mut lines = file.lines_from(*offset)?;
                if file.packing == Packing::Gzip {
                    for _ in 0..*n_lines {
                        lines.next_line()?;
                    }
                }
                Ok(lines)
            }
        }
    }

    /// The pieces of these stretches of the file, or of all of it.
    pub fn pieces(&self, stretches: Option<Vec<(u64, u64)>>) -> Vec<Piece> {
        let (shift, step) = match self.packing() {
            Packing::Gzip => return vec![Piece { from: Bound::At(0), to: Bound::At(u64::MAX) }],
            Packing::Bgzf => (16, BGZF_PIECE_BYTES),
            Packing::Plain => (0, TEXT_PIECE_BYTES),
        };
        let mut pieces = Vec::new();
        for (start, end) in stretches.unwrap_or_else(|| vec![(self.data_start(), u64::MAX)]) {
            let first = (start >> shift) as usize / step + 1;
            let last = (self.mapped().len().saturating_sub(1)).min((end >> shift) as usize) / step;
            let mut from = Bound::At(start);
            for near in (first..=last).map(|at| at * step) {
                pieces.push(Piece { from, to: Bound::Near(near, start, end) });
                from = Bound::Near(near, start, end);
            }
            pieces.push(Piece { from, to: Bound::At(end) });
        }
        pieces
    }

    /// Offset of a bound.
    pub fn resolve(&self, bound: Bound) -> Result<u64> {
        let (near, start, end) = match bound {
            Bound::At(offset) => return Ok(offset),
            Bound::Near(near, start, end) => (near, start, end),
        };
        let found = match self.packing() {
            Packing::Bgzf => line_start_in_blocks(&mut self.mapped().window(near), near)?,
            _ => line_start_in_text(&mut self.mapped().window(near.saturating_sub(1)), near)?,
        };
        Ok(found.unwrap_or(u64::MAX).clamp(start, end))
    }
}

/// Where a piece begins or ends.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// At a line.
    At(u64),
    /// At the line behind a byte, within a stretch.
    Near(usize, u64, u64),
}

/// A part of a file.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Its first line.
    pub from: Bound,
    /// Behind its last line.
    pub to: Bound,
}
