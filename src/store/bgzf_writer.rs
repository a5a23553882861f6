//! Writes BGZF (SAM specification § 4.1, 2024-11-06) with parallel compression and fixed block cuts.
//!
//! Text enters in order through [`Write`]; every [`BLOCK_BYTES`] bytes become one block, so the output depends on the
//! text and the level only. [`BATCH_BLOCKS`] blocks are compressed at once in the current rayon pool: memory stays
//! at about `BATCH_BLOCKS * BLOCK_BYTES` (4 MiB) of text and as much of output.

use libdeflater::{CompressionLvl, Compressor, crc32};
use rayon::prelude::*;
use std::io::{self, Write};

/// Text bytes of every block but the last: what bgzip and htslib use.
pub const BLOCK_BYTES: usize = 0xff00;

/// Level of [`BgzfWriter::new`]; the same trade of size and time as `bgzip`.
pub const DEFAULT_LEVEL: i32 = 6;

/// Blocks that are compressed at once.
const BATCH_BLOCKS: usize = 64;

/// Bytes in front of and behind the deflate stream of a block.
const HEADER_BYTES: usize = 18;
const TRAILER_BYTES: usize = 8;

/// The empty block that ends every BGZF file.
const END_OF_FILE: [u8; 28] =
    [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, 0x42, 0x43, 2, 0, 0x1b, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A BGZF file being written. Call [`BgzfWriter::finish`]: dropping it leaves a truncated file.
pub struct BgzfWriter<W: Write> {
    inner: W,
    level: CompressionLvl,
    batch_blocks: usize,
    text: Vec<u8>,
    text_bytes: u64,
    blocks: BlockStarts,
}

/// Where the blocks of a finished file start; turns offsets in the text into virtual offsets for an index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockStarts {
    starts: Vec<u64>,
    file_bytes: u64,
}

impl BlockStarts {
    /// BGZF virtual offset of byte `text_offset` of the text (its end is allowed).
    pub fn virtual_offset(&self, text_offset: u64) -> u64 {
        let block = (text_offset / BLOCK_BYTES as u64) as usize;
        match self.starts.get(block) {
            Some(start) => start << 16 | (text_offset % BLOCK_BYTES as u64),
            None => (self.file_bytes - END_OF_FILE.len() as u64) << 16,
        }
    }

    /// Bytes of the file, with the end-of-file block.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }
}

impl<W: Write> BgzfWriter<W> {
    /// Writes to `inner` at [`DEFAULT_LEVEL`].
    pub fn new(inner: W) -> Self {
        Self::with_level(inner, DEFAULT_LEVEL)
    }

    /// Writes to `inner` at libdeflate level 0 to 12; a level outside is taken as the nearest one.
    pub fn with_level(inner: W, level: i32) -> Self {
        Self::with_batch(inner, level, BATCH_BLOCKS)
    }

    /// Compresses each block on the calling thread: for many small files that are written side by side.
    /// The bytes are those of [`BgzfWriter::new`].
    pub fn on_this_thread(inner: W) -> Self {
        Self::with_batch(inner, DEFAULT_LEVEL, 1)
    }

    fn with_batch(inner: W, level: i32, batch_blocks: usize) -> Self {
        let level = CompressionLvl::new(level.clamp(0, 12)).expect("levels 0 to 12 exist");
        let text = Vec::with_capacity(batch_blocks * BLOCK_BYTES);
        BgzfWriter { inner, level, batch_blocks, text, text_bytes: 0, blocks: BlockStarts::default() }
    }

    /// Text bytes written so far: give it to [`BlockStarts::virtual_offset`] when the file is finished.
    pub fn text_offset(&self) -> u64 {
        self.text_bytes
    }

    /// Compresses what is left, writes the end-of-file block, and returns the inner writer (flushed) and the block starts.
    pub fn finish(mut self) -> io::Result<(W, BlockStarts)> {
        self.write_batch()?;
        self.inner.write_all(&END_OF_FILE)?;
        self.inner.flush()?;
        self.blocks.file_bytes += END_OF_FILE.len() as u64;
        Ok((self.inner, self.blocks))
    }

    fn write_batch(&mut self) -> io::Result<()> {
        let level = self.level;
        let blocks: Vec<Vec<u8>> = self
            .text
            .par_chunks(BLOCK_BYTES)
            .map_init(|| Compressor::new(level), compress_block)
            .collect::<io::Result<_>>()?;
        self.text.clear();
        for block in blocks {
            self.blocks.starts.push(self.blocks.file_bytes);
            self.blocks.file_bytes += block.len() as u64;
            self.inner.write_all(&block)?;
        }
        Ok(())
    }
}

impl<W: Write> Write for BgzfWriter<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let room = self.batch_blocks * BLOCK_BYTES - self.text.len();
        let taken = room.min(text.len());
        self.text.extend_from_slice(&text[..taken]);
        self.text_bytes += taken as u64;
        if taken == room {
            self.write_batch()?;
        }
        Ok(taken)
    }

    /// Does nothing: a flush must not move the block cuts.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One block: gzip header with the block size, raw deflate, CRC32 and text size.
fn compress_block(compressor: &mut Compressor, text: &[u8]) -> io::Result<Vec<u8>> {
    let bound = compressor.deflate_compress_bound(text.len());
    let mut block = vec![0; HEADER_BYTES + bound + TRAILER_BYTES];
    let deflated = compressor
        .deflate_compress(text, &mut block[HEADER_BYTES..HEADER_BYTES + bound])
        .map_err(|error| io::Error::other(format!("deflate: {error}")))?;
    let block_bytes = HEADER_BYTES + deflated + TRAILER_BYTES;
    let size_field = u16::try_from(block_bytes - 1).map_err(|_| io::Error::other("a BGZF block is over 64 KiB"))?;
    block[..16].copy_from_slice(&END_OF_FILE[..16]);
    block[16..18].copy_from_slice(&size_field.to_le_bytes());
    block.truncate(HEADER_BYTES + deflated);
    block.extend_from_slice(&crc32(text).to_le_bytes());
    block.extend_from_slice(&(text.len() as u32).to_le_bytes());
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, SeekFrom};

    fn text(n_bytes: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..n_bytes).map(|_| next()).collect()
    }

    fn written(text: &[u8], n_threads: usize, piece: usize) -> (Vec<u8>, BlockStarts) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let mut writer = BgzfWriter::new(Vec::new());
            for part in text.chunks(piece) {
                writer.write_all(part).unwrap();
            }
            writer.finish().unwrap()
        })
    }

    #[test]
    fn what_is_written_is_read_back_and_threads_do_not_matter() {
        for n_bytes in [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, BATCH_BLOCKS * BLOCK_BYTES, 70 * BLOCK_BYTES + 17] {
            let text = text(n_bytes);
            let (one, _) = written(&text, 1, 1_000);
            let (four, starts) = written(&text, 4, 77_777);
            assert_eq!(one, four, "{n_bytes} bytes");
            let mut alone = BgzfWriter::on_this_thread(Vec::new());
            alone.write_all(&text).unwrap();
            assert_eq!(alone.finish().unwrap().0, four, "{n_bytes} bytes");
            assert_eq!(starts.file_bytes(), four.len() as u64);
            let mut back = Vec::new();
            noodles_bgzf::io::Reader::new(&four[..]).read_to_end(&mut back).unwrap();
            assert!(back == text, "{n_bytes} bytes");
        }
    }

    #[test]
    fn virtual_offsets_lead_to_the_text() {
        let text = text(3 * BLOCK_BYTES + 100);
        let (file, starts) = written(&text, 2, 5_000);
        let mut reader = noodles_bgzf::io::Reader::new(std::io::Cursor::new(&file));
        for offset in [0, 10, BLOCK_BYTES, 2 * BLOCK_BYTES + 99, 3 * BLOCK_BYTES + 99] {
            reader.seek(noodles_bgzf::VirtualPosition::from(starts.virtual_offset(offset as u64))).unwrap();
            let mut byte = [0];
            reader.read_exact(&mut byte).unwrap();
            assert_eq!(byte[0], text[offset]);
        }
        reader.get_mut().seek(SeekFrom::Start(0)).unwrap();
        assert_eq!(starts.virtual_offset(text.len() as u64) & 0xffff, 100);
    }
}
