//! The reference that alleles are normalised against.

use crate::decode::bgzf::{BgzfReader, block_size, stream_error};
use crate::decode::fasta::FastaIndex;
use crate::error::{Error, Location, Result};
use crate::store::local::{self, Mapped};
use std::io::Read;
use std::path::Path;

/// The reference in memory or mapped, with its index.
#[derive(Debug)]
pub struct Reference {
    text: ReferenceText,
    index: FastaIndex,
    fingerprint: String,
}

#[derive(Debug)]
enum ReferenceText {
    Mapped(Mapped),
    Inflated(Vec<u8>),
}

impl std::ops::Deref for ReferenceText {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            ReferenceText::Mapped(mapped) => mapped.all().expect("all of it was read when it was opened"),
            ReferenceText::Inflated(text) => text,
        }
    }
}

impl Reference {
    /// FASTA text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where its sequences are.
    pub fn index(&self) -> &FastaIndex {
        &self.index
    }

    /// Sampled digest of the file.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Opens a FASTA: plain (mapped, with its `.fai` where there is one) or compressed (inflated into memory).
    pub fn open(path: &Path) -> Result<Reference> {
        let place = |error: Error| error.at(Location { path: Some(path.display().to_string()), ..Default::default() });
        let mapped = Mapped::open(path)?;
        // of the content, wherever it is: the plan does not depend on it. One on S3 is fetched as a whole.
        let fingerprint = mapped.digest()?;
        let bytes = mapped.all()?;
        let (text, fai) = if bytes.starts_with(&[0x1f, 0x8b]) {
            (ReferenceText::Inflated(inflate(bytes).map_err(place)?), None)
        } else {
            let mut name = path.as_os_str().to_owned();
            name.push(".fai");
            (ReferenceText::Mapped(mapped), local::read_input(Path::new(&name))?)
        };
        let index = match fai {
            Some(fai) => FastaIndex::from_fai(&String::from_utf8_lossy(&fai)),
            None => FastaIndex::build(&text),
        };
        Ok(Reference { index: index.map_err(place)?, text, fingerprint })
    }
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = if block_size(bytes, 0).is_some() {
        BgzfReader::new(bytes, 0).read_to_end(&mut text)
    } else {
        flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut text)
    };
    read.map_err(stream_error)?;
    Ok(text)
}
