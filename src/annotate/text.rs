//! Sources that are text and no VCF: plain, BGZF, or gzip.

use crate::decode::bgzf::{BgzfReader, block_size, stream_error};
use crate::decode::lines::LineReader;
use crate::error::{Location, Result};
use crate::store::local::Mapped;
use crate::store::window::WindowReader;
use std::io::Read;
use std::path::Path;

/// How the text is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Plain,
    /// Blocks that can be read from the middle.
    Bgzf,
    /// One stream.
    Gzip,
}

/// A file of text.
#[derive(Debug)]
pub struct TextFile {
    /// As the user named it.
    pub name: String,
    /// Its bytes.
    pub mapped: Mapped,
    /// How they are packed.
    pub packing: Packing,
}

impl TextFile {
    /// Opens a file, or an object where the path is `s3://BUCKET/KEY`.
    pub fn open(path: &Path) -> Result<TextFile> {
        let name = path.display().to_string();
        let mapped = Mapped::open(path)?;
        let mut window = mapped.window(0);
        let bytes = window.upto(64)?;
        let packing = match () {
            () if block_size(bytes, 0).is_some() => Packing::Bgzf,
            () if bytes.starts_with(&[0x1f, 0x8b]) => Packing::Gzip,
            () => Packing::Plain,
        };
        drop(window);
        Ok(TextFile { name, mapped, packing })
    }

    /// The file as a place of an error.
    pub fn place(&self) -> Location {
        Location { path: Some(self.name.clone()), ..Default::default() }
    }

    /// The first bytes of the text, up to `n`.
    pub fn start(&self, n: usize) -> Result<Vec<u8>> {
        let window = self.mapped.window(0);
        let mut stream: Box<dyn Read + '_> = match self.packing {
            Packing::Plain => Box::new(WindowReader::new(window, 0)),
            Packing::Bgzf => Box::new(BgzfReader::new(window, 0)),
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(WindowReader::new(window, 0))),
        };
        let mut start = Vec::new();
        (&mut stream).take(n as u64).read_to_end(&mut start).map_err(|error| stream_error(error).at(self.place()))?;
        Ok(start)
    }

    /// All lines.
    pub fn lines(&self) -> Result<LineReader<'_>> {
        self.lines_from(0)
    }

    /// Lines from a byte offset (plain text) or virtual offset (BGZF) on; a stream is read from its start.
    pub fn lines_from(&self, offset: u64) -> Result<LineReader<'_>> {
        let at = match self.packing {
            Packing::Plain => offset as usize,
            Packing::Bgzf => (offset >> 16) as usize,
            Packing::Gzip => 0,
        };
        let window = self.mapped.window(at).releasing(&self.mapped, at);
        Ok(match self.packing {
            Packing::Plain => LineReader::of_text_from(window, at),
            Packing::Bgzf => LineReader::of_blocks(window, offset)?,
            Packing::Gzip => {
                LineReader::of_stream(Box::new(flate2::bufread::MultiGzDecoder::new(WindowReader::new(window, 0))))
            }
        })
    }
}
