//! Copies of inputs in a form that suits the work better: streams as BGZF text, so that a merge can begin anywhere in
//! them, and unsorted files sorted.

use super::file::InputFile;
use crate::decode::bcf;
use crate::decode::bgzf::{EOF_BLOCK, stream_error};
use crate::decode::lines::without_end;
use crate::decode::vcf::locus_of_line;
use crate::error::{Error, Result};
use crate::genome::{Contigs, Locus};
use crate::store::bgzf_writer::BgzfWriter;
use crate::store::local;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Level of the copies: they are read once or twice and then removed.
const COPY_LEVEL: i32 = 1;
/// Largest unsorted file that is sorted, in bytes of text: sorting holds it in memory.
pub const MAX_SORTED_BYTES: usize = 1 << 30;

/// Writes a file that is one stream as BGZF text and reads it from there.
pub fn make_splittable(file: &mut InputFile, target: &Path) -> Result<()> {
    let writing = |error| Error::writing(target, error);
    let mut writer = BgzfWriter::with_level(local::create(target)?, COPY_LEVEL);
    writer.write_all(&text_header(file)?).map_err(writing)?;
    each_line(file, |line| {
        writer.write_all(line).map_err(writing)?;
        writer.write_all(b"\n").map_err(writing)
    })?;
    let (mut sink, _) = writer.finish().map_err(writing)?;
    sink.flush().map_err(writing)?;
    file.read_from(target)
}

/// Writes the records of an unsorted file in the order of contigs and positions (ties as in the file) and reads it from
/// there. `false`: it is too large for that.
pub fn sort(file: &mut InputFile, contigs: &Contigs, target: &Path) -> Result<bool> {
    let mut text = Vec::new();
    let mut lines: Vec<(Option<Locus>, usize, usize)> = Vec::new();
    let (mut too_large, mut last) = (false, None);
    each_line(file, |line| {
        too_large |= text.len() + line.len() > MAX_SORTED_BYTES;
        if too_large || line.is_empty() {
            return Ok(());
        }
        // a line without a place stays behind the record before it
        last = place_of(line, contigs).or(last);
        lines.push((last, text.len(), line.len()));
        text.extend_from_slice(line);
        Ok(())
    })?;
    if too_large {
        return Ok(false);
    }
    lines.sort_by_key(|line| line.0);
    let writing = |error| Error::writing(target, error);
    let mut sink = local::create(target)?;
    sink.write_all(&text_header(file)?).map_err(writing)?;
    for (_, start, len) in lines {
        sink.write_all(&text[start..start + len]).map_err(writing)?;
        sink.write_all(b"\n").map_err(writing)?;
    }
    sink.flush().map_err(writing)?;
    drop(sink);
    file.read_from(target)?;
    Ok(true)
}

/// Brings the contigs of a file into the order of the cohort, where each contig is sorted in itself: each is copied by
/// itself, and the copies are put together. Any size; one pass. `false`: some contig is not sorted, or comes twice. A file
/// that is in order already is left as it is.
pub fn reorder(file: &mut InputFile, contigs: &Contigs, target: &Path) -> Result<bool> {
    let mut runs =
        Runs { target, start: text_header(file)?, written: Vec::new(), open: None, last: None, sorted: true };
    each_line(file, |line| {
        if !runs.sorted || line.is_empty() {
            return Ok(());
        }
        match place_of(line, contigs) {
            Some(found) => runs.add(found, line),
            None => runs.add_behind(line),
        }
    })?;
    runs.close()?;
    let in_order = runs.written.is_sorted_by_key(|(contig, _)| *contig);
    if runs.sorted && !in_order {
        let mut sink = local::create(target)?;
        runs.join(&mut sink)?;
        sink.flush().map_err(|error| Error::writing(target, error))?;
        drop(sink);
    }
    for (_, path) in &runs.written {
        local::remove(path)?;
    }
    if runs.sorted && !in_order {
        file.read_from(target)?;
    }
    Ok(runs.sorted)
}

/// Copies of the contigs of a file, one file each.
struct Runs<'a> {
    target: &'a Path,
    /// The header, and lines before the first record.
    start: Vec<u8>,
    written: Vec<(u32, PathBuf)>,
    open: Option<BgzfWriter<BufWriter<File>>>,
    last: Option<Locus>,
    sorted: bool,
}

impl Runs<'_> {
    fn add(&mut self, locus: Locus, line: &[u8]) -> Result<()> {
        let same_contig = self.last.is_some_and(|last| last.contig == locus.contig);
        self.sorted = if same_contig {
            self.last.is_none_or(|last| last.vcf_pos <= locus.vcf_pos)
        } else {
            self.written.iter().all(|(contig, _)| *contig != locus.contig)
        };
        if !self.sorted {
            return Ok(());
        }
        self.last = Some(locus);
        if !same_contig {
            self.close()?;
            let path = self.target.with_extension(format!("contig-{}", self.written.len()));
            self.open = Some(BgzfWriter::with_level(local::create(&path)?, COPY_LEVEL));
            self.written.push((locus.contig, path));
        }
        self.add_behind(line)
    }

    /// Adds a line behind the one before it.
    fn add_behind(&mut self, line: &[u8]) -> Result<()> {
        match &mut self.open {
            Some(writer) => writer.write_all(line).and_then(|()| writer.write_all(b"\n")),
            None => self.start.write_all(line).and_then(|()| self.start.write_all(b"\n")),
        }
        .map_err(|error| Error::writing(self.target, error))
    }

    fn close(&mut self) -> Result<()> {
        let Some(writer) = self.open.take() else { return Ok(()) };
        let writing = |error| Error::writing(self.target, error);
        let (mut sink, _) = writer.finish().map_err(writing)?;
        sink.flush().map_err(writing)
    }

    /// Header and contigs in order as one file; the empty blocks that end the copies are left out, but for the last.
    fn join(&mut self, sink: &mut impl Write) -> Result<()> {
        let writing = |error| Error::writing(self.target, error);
        self.written.sort_by_key(|(contig, _)| *contig);
        let mut writer = BgzfWriter::with_level(Vec::new(), COPY_LEVEL);
        writer.write_all(&self.start).map_err(writing)?;
        let (bytes, _) = writer.finish().map_err(writing)?;
        sink.write_all(bytes.strip_suffix(&EOF_BLOCK[..]).unwrap_or(&bytes)).map_err(writing)?;
        for (_, path) in &self.written {
            let copy = local::Mapped::open(path)?;
            let bytes = copy.all()?;
            sink.write_all(bytes.strip_suffix(&EOF_BLOCK[..]).unwrap_or(bytes)).map_err(writing)?;
        }
        sink.write_all(&EOF_BLOCK).map_err(writing)
    }
}

/// Whether the records are in the order of contigs and positions. Reads the whole file.
pub fn is_sorted(file: &InputFile, contigs: &Contigs) -> Result<bool> {
    let mut last: Option<Locus> = None;
    let mut sorted = true;
    each_line(file, |line| {
        if let Some(found) = place_of(line, contigs).filter(|_| sorted) {
            sorted = last.is_none_or(|last| last <= found);
            last = Some(found);
        }
        Ok(())
    })?;
    Ok(sorted)
}

/// Place of a record; `None`: the line has none.
fn place_of(line: &[u8], contigs: &Contigs) -> Option<Locus> {
    let (chrom, vcf_pos) = locus_of_line(line).ok()?;
    Some(Locus { contig: contigs.index_of(chrom).unwrap_or(u32::MAX), vcf_pos })
}

fn text_header(file: &InputFile) -> Result<Vec<u8>> {
    let mut text = file.header_text()?;
    if text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    Ok(text)
}

/// Calls `take` with every record of a file as a line.
pub fn each_line(file: &InputFile, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let place = |error: Error| error.at(file.place());
    let offset_is_virtual = file.format == super::Format::VcfBgzf;
    if offset_is_virtual {
        let mut lines = file.lines()?;
        while let Some(line) = lines.next_line().map_err(place)? {
            take(line)?;
        }
        return Ok(());
    }
    let mut stream = BufReader::with_capacity(1 << 18, file.stream()?);
    let mut buffer = Vec::new();
    let Some(dictionary) = &file.dictionary else {
        while stream.read_until(b'\n', &mut buffer).map_err(|error| place(stream_error(error)))? > 0 {
            take(without_end(&buffer))?;
            buffer.clear();
        }
        return Ok(());
    };
    let mut line = Vec::new();
    loop {
        buffer.clear();
        (&mut stream).take(8).read_to_end(&mut buffer).map_err(|error| place(stream_error(error)))?;
        if buffer.is_empty() {
            return Ok(());
        }
        let wanted = bcf::announced_len(&buffer).unwrap_or(u64::MAX);
        (&mut stream)
            .take(wanted.saturating_sub(8))
            .read_to_end(&mut buffer)
            .map_err(|error| place(stream_error(error)))?;
        let Some(len) = bcf::record_len(&buffer) else {
            return Err(place(
                Error::bad_data("the BCF ends inside a record").hint("the file is cut off: copy it again"),
            ));
        };
        line.clear();
        bcf::append_line(&buffer[..len], dictionary, &mut line).map_err(place)?;
        take(&line)?;
    }
}
