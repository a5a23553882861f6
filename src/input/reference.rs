//! The reference that alleles are normalised against.

use crate::decode::bgzf::{BgzfReader, BlockTable, block_size, stream_error};
use crate::decode::fasta::FastaIndex;
use crate::decode::limits;
use crate::error::{Error, Location, Result};
use crate::store::local::{self, Mapped};
use std::io::{BufReader, Read};
use std::path::Path;

/// The reference, mapped or in memory, with its index.
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
    /// FASTA text, or the BGZF file that holds it; what [`FastaIndex::sequence`] wants.
    pub fn stored(&self) -> &[u8] {
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

    /// Opens a FASTA: plain or BGZF (mapped, with its `.fai` where there is one; only blocks that are needed are inflated), or
    /// plain gzip (inflated into memory, up to half of it).
    pub fn open(path: &Path) -> Result<Reference> {
        let place = |error: Error| error.at(Location { path: Some(path.display().to_string()), ..Default::default() });
        let mapped = Mapped::open(path)?;
        // of the content, wherever it is: the plan does not depend on it. One on S3 is fetched as a whole.
        let fingerprint = mapped.digest()?;
        let bytes = mapped.all()?;
        let is_bgzf = block_size(bytes, 0).is_some();
        if !is_bgzf && bytes.starts_with(&[0x1f, 0x8b]) {
            let text = inflate(bytes).map_err(place)?;
            let index = FastaIndex::build(&text[..]).map_err(place)?;
            return Ok(Reference { index, text: ReferenceText::Inflated(text), fingerprint });
        }
        let mut name = path.as_os_str().to_owned();
        name.push(".fai");
        let index = match local::read_input(Path::new(&name))? {
            Some(fai) => FastaIndex::from_fai(&String::from_utf8_lossy(&fai)),
            None if is_bgzf => FastaIndex::build(BufReader::new(BgzfReader::new(bytes, 0))),
            None => FastaIndex::build(bytes),
        };
        let mut index = index.map_err(place)?;
        if is_bgzf {
            index = index.with_blocks(BlockTable::of(bytes).map_err(place)?);
        }
        Ok(Reference { index, text: ReferenceText::Mapped(mapped), fingerprint })
    }
}

/// The text of a plain gzip file, in which no place can be found without what is before it.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>> {
    let most = limits::whole_file_bytes();
    let mut text = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(bytes).take(most.saturating_add(1));
    reader.read_to_end(&mut text).map_err(stream_error)?;
    if text.len() as u64 <= most {
        return Ok(text);
    }
    Err(Error::bad_data(format!(
        "the reference is plain gzip, and has more than {} MB, half of the memory",
        most >> 20
    ))
    .hint("compress it with `bgzip` instead: it is read block by block then"))
}
