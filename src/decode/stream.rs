//! Cuts one stream of records into pieces that can be worked on in parallel, each with its halo.
//!
//! The pieces are a function of the bytes and of the wanted size alone.

use super::bcf::{Dictionary, locus_of_record, record_len};
use super::limits::check_record;
use super::lines::without_end;
use super::vcf::{locus_of_line, undefined_contig};
use crate::alleles::MAX_SHIFT_BP;
use crate::error::{Error, Result};
use crate::genome::{Contigs, Locus};
use crate::profile::{self, Stage};
use memchr::memchr;
use std::io::{ErrorKind, Read};
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex};

/// How much is read at a time.
const READ_BYTES: usize = 1 << 18;

/// Records of a stream, and the range of positions that they own.
#[derive(Debug)]
pub struct Piece {
    /// Whole records: lines, or BCF records.
    pub bytes: PieceBytes,
    /// First position that the piece owns; `None`: from the start.
    pub own_start: Option<Locus>,
    /// First position behind it; `None`: to the end.
    pub own_end: Option<Locus>,
    /// Position of the first record.
    pub first: Option<Locus>,
    /// Records of the stream before the first one of the piece.
    pub records_before: u64,
}

/// The bytes of a piece. Their memory, some 30 MB, serves another piece after: memory that the system gives anew is cleared
/// first, page by page, which took a quarter of the time of reading a stream.
#[derive(Debug)]
pub struct PieceBytes {
    memory: Vec<u8>,
    n_bytes: usize,
    spare: Spare,
}

/// Memory of pieces that are done.
type Spare = Arc<Mutex<Vec<Vec<u8>>>>;

impl Deref for PieceBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.memory[..self.n_bytes]
    }
}

impl Drop for PieceBytes {
    fn drop(&mut self) {
        if let Ok(mut spare) = self.spare.lock() {
            spare.push(std::mem::take(&mut self.memory));
        }
    }
}

/// Reads pieces.
pub struct Pieces<'a> {
    stream: Box<dyn Read + Send + 'a>,
    dictionary: Option<&'a Dictionary>,
    contigs: &'a Contigs,
    piece_bytes: usize,
    right_halo_bp: i32,
    /// What was read, and room behind it.
    buffer: Vec<u8>,
    n_read: usize,
    spare: Spare,
    /// Starts of the records framed so far, with their positions.
    records: Vec<(usize, Locus)>,
    /// Starts of lines without a place: each goes with the record before it.
    damaged: Vec<usize>,
    /// Number of records that are there for the halo only: they lie before `own_start`.
    n_halo: usize,
    /// End of the last framed record.
    framed: usize,
    own_start: Option<Locus>,
    records_before: u64,
    at_end: bool,
    done: bool,
}

impl<'a> Pieces<'a> {
    /// Of a stream behind its header. `piece_bytes`: wanted size; `right_halo_bp`: see `Plan::right_halo_bp`.
    pub fn new(
        stream: Box<dyn Read + Send + 'a>,
        dictionary: Option<&'a Dictionary>,
        contigs: &'a Contigs,
        piece_bytes: u64,
        right_halo_bp: i32,
    ) -> Self {
        Pieces {
            stream,
            dictionary,
            contigs,
            piece_bytes: usize::try_from(piece_bytes).unwrap_or(usize::MAX).max(1),
            right_halo_bp,
            buffer: Vec::new(),
            n_read: 0,
            spare: Spare::default(),
            records: Vec::new(),
            damaged: Vec::new(),
            n_halo: 0,
            framed: 0,
            own_start: None,
            records_before: 0,
            at_end: false,
            done: false,
        }
    }

    /// The next piece; `None` behind the last one.
    pub fn next_piece(&mut self) -> Result<Option<Piece>> {
        let _stage = profile::enter(Stage::Inflate);
        if self.done {
            return Ok(None);
        }
        let mut cut: Option<usize> = None;
        let mut examined = 0;
        loop {
            while examined < self.records.len() {
                let (start, locus) = self.records[examined];
                match cut {
                    None if self.can_cut(examined, start, locus) => cut = Some(examined),
                    Some(at) if self.is_behind_halo(self.records[at].1, locus) => {
                        return Ok(Some(self.take(at, examined)));
                    }
                    _ => {}
                }
                examined += 1;
            }
            if !self.frame_more()? {
                break;
            }
        }
        self.done = true;
        if let Some(at) = cut {
            self.done = false;
            let n_records = self.records.len();
            let piece = self.take(at, n_records);
            return Ok(Some(piece));
        }
        let piece = Piece {
            bytes: self.bytes(self.n_read, 0..0),
            own_start: self.own_start,
            own_end: None,
            first: self.records.first().map(|record| record.1),
            records_before: self.records_before,
        };
        Ok(Some(piece))
    }

    /// A cut needs enough bytes behind the halo, and a position of its own.
    fn can_cut(&self, at: usize, start: usize, locus: Locus) -> bool {
        if at <= self.n_halo {
            return false;
        }
        let (first_start, first_locus) = self.records[self.n_halo];
        start - first_start >= self.piece_bytes && locus != first_locus
    }

    fn is_behind_halo(&self, cut: Locus, locus: Locus) -> bool {
        locus.contig != cut.contig || locus.vcf_pos > cut.vcf_pos.saturating_add(self.right_halo_bp)
    }

    /// Takes the records before `end`; the next piece owns from record `cut` on and begins with its halo.
    fn take(&mut self, cut: usize, end: usize) -> Piece {
        let end_byte = self.records.get(end).map_or(self.framed, |record| record.0);
        let locus = self.records[cut].1;
        let in_halo = |record: &(usize, Locus)| {
            record.1.contig == locus.contig && record.1.vcf_pos >= locus.vcf_pos - MAX_SHIFT_BP
        };
        let keep = self.records[..cut].iter().rposition(|record| !in_halo(record)).map_or(0, |at| at + 1);
        let keep_byte = self.records[keep].0;
        let piece = Piece {
            bytes: self.bytes(end_byte, keep_byte..self.n_read),
            own_start: self.own_start,
            own_end: Some(locus),
            first: self.records.first().map(|record| record.1),
            records_before: self.records_before,
        };
        self.records.drain(..keep);
        self.n_halo = cut - keep;
        self.records.iter_mut().for_each(|record| record.0 -= keep_byte);
        self.framed -= keep_byte;
        let n_damaged = self.damaged.partition_point(|&start| start < keep_byte);
        self.damaged.drain(..n_damaged);
        self.damaged.iter_mut().for_each(|start| *start -= keep_byte);
        self.records_before += (keep + n_damaged) as u64;
        self.own_start = Some(locus);
        piece
    }

    /// Gives the buffer away up to a byte. What is kept of it, for the next piece, is little and copied.
    fn bytes(&mut self, n_bytes: usize, kept: Range<usize>) -> PieceBytes {
        let mut next = self.spare.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default();
        if next.len() < kept.len() {
            next.resize(kept.len(), 0);
        }
        next[..kept.len()].copy_from_slice(&self.buffer[kept.clone()]);
        self.n_read = kept.len();
        PieceBytes { memory: std::mem::replace(&mut self.buffer, next), n_bytes, spare: self.spare.clone() }
    }

    /// Reads some more into the buffer.
    fn read_more(&mut self) -> Result<()> {
        let end = self.n_read + READ_BYTES;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        while self.n_read < end {
            match self.stream.read(&mut self.buffer[self.n_read..end]) {
                Ok(0) => break,
                Ok(n) => self.n_read += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(super::bgzf::stream_error(error)),
            }
        }
        Ok(())
    }

    /// Reads on and frames what is complete; false at the end of the stream.
    fn frame_more(&mut self) -> Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        let before = self.n_read;
        self.read_more()?;
        self.at_end = self.n_read == before;
        match self.dictionary {
            Some(dictionary) => self.frame_bcf(dictionary)?,
            None => self.frame_lines()?,
        }
        check_record(self.n_read - self.framed).map_err(|error| self.at_record(error))?;
        Ok(!self.at_end || self.n_read > before)
    }

    fn frame_lines(&mut self) -> Result<()> {
        let mut search = self.framed;
        loop {
            let end = match memchr(b'\n', &self.buffer[search..self.n_read]) {
                Some(offset) => search + offset + 1,
                None if self.at_end && self.framed < self.n_read => self.n_read,
                None => return Ok(()),
            };
            let line = without_end(&self.buffer[self.framed..end]);
            match locus_of_line(line) {
                Ok((chrom, vcf_pos)) => {
                    let contig = self.contigs.index_of(chrom).ok_or_else(|| undefined_contig(chrom))?;
                    self.records.push((self.framed, Locus { contig, vcf_pos }));
                }
                Err(_) if line.is_empty() => {}
                Err(error) => {
                    // they stay with the record before them, so that they fill the memory where no other comes
                    let n_bytes = end - self.records.last().map_or(0, |record| record.0);
                    check_record(n_bytes).map_err(|_| self.at_record(error))?;
                    self.damaged.push(self.framed);
                }
            }
            self.framed = end;
            search = end;
        }
    }

    fn frame_bcf(&mut self, dictionary: &Dictionary) -> Result<()> {
        while let Some(len) = record_len(&self.buffer[self.framed..self.n_read]) {
            let record = &self.buffer[self.framed..self.framed + len];
            let (contig, vcf_pos) = locus_of_record(record).map_err(|error| self.at_record(error))?;
            let name = dictionary.contig(contig).map_err(|error| self.at_record(error))?;
            let contig = self.contigs.index_of(name.as_bytes()).ok_or_else(|| undefined_contig(name.as_bytes()))?;
            self.records.push((self.framed, Locus { contig, vcf_pos }));
            self.framed += len;
        }
        if self.at_end && self.framed < self.n_read {
            return Err(Error::bad_data("the BCF ends inside a record").hint("the file is cut off: copy it again"));
        }
        Ok(())
    }

    fn at_record(&self, error: Error) -> Error {
        error.at(crate::error::Location {
            line: Some(self.records_before + (self.records.len() + self.damaged.len()) as u64 + 1),
            ..Default::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Contig;

    #[test]
    fn pieces_own_every_record_once_and_carry_their_halo() {
        let contigs = Contigs::from_list(["a", "b"].map(|name| Contig { name: name.into(), length: None }));
        let mut text = String::new();
        for contig in ["a", "b"] {
            for i in 0..500 {
                text.push_str(&format!("{contig}\t{}\tx\n", 1 + i / 2 * 90));
            }
        }
        for (size, halo) in [(1, 0), (100, 1000), (3000, 0), (1 << 20, 1000)] {
            let stream: Box<dyn Read + Send> = Box::new(text.as_bytes());
            let mut pieces = Pieces::new(stream, None, &contigs, size, halo);
            let (mut owned, mut last_end) = (0, None);
            while let Some(piece) = pieces.next_piece().expect("no error") {
                assert_eq!(piece.own_start, last_end);
                last_end = piece.own_end;
                for line in piece.bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                    let (chrom, vcf_pos) = locus_of_line(line).expect("a record");
                    let locus = Locus { contig: contigs.index_of(chrom).expect("known"), vcf_pos };
                    let inside = piece.own_start.is_none_or(|start| locus >= start)
                        && piece.own_end.is_none_or(|end| locus < end);
                    owned += u32::from(inside);
                }
            }
            assert_eq!((owned, last_end), (1000, None), "size {size} halo {halo}");
        }
    }
}
