//! One input file: its format by content, its header, where its records begin.

use crate::decode::bcf::{self, Dictionary};
use crate::decode::bgzf::{BgzfReader, Inflater, MAX_BLOCK_BYTES, RangeReader, block_size, stream_error};
use crate::decode::gvcf::Survey;
use crate::decode::header::{Header, HeaderPool};
use crate::decode::limits::check_header;
use crate::decode::lines::LineReader;
use crate::decode::probe::{Probed, probe_bgzf, probe_text};
use crate::decode::records::Records;
use crate::error::{Error, Location, Result};
use crate::store::local::Mapped;
use crate::store::window::{Window, WindowReader};
use rayon::prelude::*;
use std::io::Read;
use std::path::Path;

/// What kind of file it is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Format {
    /// Text.
    #[serde(rename = "vcf")]
    Vcf,
    /// Text in BGZF blocks: can be read from the middle.
    #[serde(rename = "vcf.bgzf")]
    VcfBgzf,
    /// Text in one gzip stream.
    #[serde(rename = "vcf.gzip")]
    VcfGzip,
    /// BCF in BGZF blocks.
    #[serde(rename = "bcf")]
    Bcf,
    /// BCF without compression.
    #[serde(rename = "bcf.raw")]
    BcfRaw,
    /// BCF in one gzip stream.
    #[serde(rename = "bcf.gzip")]
    BcfGzip,
}

impl Format {
    /// As the manifest writes it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Vcf => "vcf",
            Format::VcfBgzf => "vcf.bgzf",
            Format::VcfGzip => "vcf.gzip",
            Format::Bcf => "bcf",
            Format::BcfRaw => "bcf.raw",
            Format::BcfGzip => "bcf.gzip",
        }
    }

    /// Whether reading can begin at any record, so that shards can be cut at plan time.
    pub fn is_splittable(self) -> bool {
        !matches!(self, Format::VcfGzip | Format::BcfGzip)
    }

    /// Whether reading lines can begin at any of them.
    pub fn has_lines_anywhere(self) -> bool {
        self.is_splittable() && !self.is_bcf()
    }

    /// Whether it is in BGZF blocks, so that offsets are virtual.
    pub fn is_bgzf(self) -> bool {
        matches!(self, Format::VcfBgzf | Format::Bcf)
    }

    /// The byte of the file that an offset stands for.
    pub fn physical(self, offset: u64) -> u64 {
        if self.is_bgzf() { offset >> 16 } else { offset }
    }

    /// Whether the records are binary.
    pub fn is_bcf(self) -> bool {
        matches!(self, Format::Bcf | Format::BcfRaw | Format::BcfGzip)
    }
}

/// An opened input.
#[derive(Debug)]
pub struct InputFile {
    /// As the user named it.
    pub name: String,
    /// The mapped bytes.
    pub mapped: Mapped,
    /// By content.
    pub format: Format,
    /// Parsed header.
    pub header: Header,
    /// Names behind the indexes of BCF records.
    pub dictionary: Option<Dictionary>,
    /// First record: byte offset (plain text, BCF without compression), virtual offset (BGZF), bytes of the inflated stream
    /// (gzip).
    pub data_start: u64,
    /// Number of header lines, for line numbers in messages.
    pub n_header_lines: u64,
    /// The file that was named, where the records are read from a copy of it.
    origin: Option<Origin>,
    /// Of a file whose map was closed, see [`Mapped::fingerprint`].
    fingerprint: Option<String>,
}

/// Files that are mapped at a time. A process can have about 65,000 maps.
const MAX_MAPPED: usize = 1 << 15;

/// A file whose header is not understood yet.
struct Head {
    /// As the user named it.
    name: String,
    mapped: Mapped,
    format: Format,
    /// The header.
    text: Vec<u8>,
    /// As in [`InputFile`].
    data_start: u64,
    /// As in [`InputFile`].
    fingerprint: Option<String>,
}

impl Head {
    fn read(path: &Path, name: &str) -> Result<Head> {
        let mapped = Mapped::open(path)?;
        let read = || {
            let (format, first_block) = recognise(&mapped)?;
            let (text, data_start) = header_of(&mapped, format, first_block)?;
            Ok((format, text, data_start))
        };
        let place = |error: Error| error.at(Location { path: Some(name.into()), ..Default::default() });
        let (format, text, data_start) = read().map_err(place)?;
        Ok(Head { name: name.into(), mapped, format, text, data_start, fingerprint: None })
    }

    /// The same for one of very many files: the map is closed.
    fn read_and_close(path: &Path, name: &str) -> Result<Head> {
        let mut head = Head::read(path, name)?;
        head.fingerprint = Some(head.mapped.fingerprint()?);
        head.mapped.close();
        Ok(head)
    }
}

/// What identifies an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Size in bytes.
    pub bytes: u64,
    /// By content.
    pub format: Format,
    /// See [`Mapped::fingerprint`].
    pub fingerprint: String,
}

impl InputFile {
    /// Opens a regular file, or an object where the path is `s3://BUCKET/KEY`. `name` is what messages call it.
    pub fn open(path: &Path, name: &str) -> Result<InputFile> {
        Self::open_with(path, name, &mut HeaderPool::default())
    }

    /// The same for one of many files: what their headers have in common is kept once.
    pub fn open_with(path: &Path, name: &str, pool: &mut HeaderPool) -> Result<InputFile> {
        Self::of_head(Head::read(path, name)?, pool)
    }

    /// Opens many, several at a time, in their order.
    pub fn open_all<P: AsRef<Path> + Sync>(files: &[(P, String)]) -> Result<Vec<InputFile>> {
        /// Files whose headers are held as text.
        const AT_ONCE: usize = 256;
        let are_many = files.len() > MAX_MAPPED;
        let head = |(path, name): &(P, String)| match path.as_ref() {
            // whoever needs it opens it again, by the name that the plan has
            path if are_many && path == Path::new(name) => Head::read_and_close(path, name),
            path => Head::read(path, name),
        };
        let read = |files: &[(P, String)]| -> Vec<Result<Head>> { files.par_iter().map(head).collect() };
        let (mut pool, mut opened) = (HeaderPool::default(), Vec::with_capacity(files.len()));
        let mut heads = Vec::new();
        // headers are understood one by one, while the next ones are read
        for files in files.chunks(AT_ONCE).chain([&[][..]]) {
            let (next, done) = rayon::join(|| read(files), || of_heads(std::mem::take(&mut heads), &mut pool));
            opened.extend(done?);
            heads = next;
        }
        Ok(opened)
    }

    fn of_head(head: Head, pool: &mut HeaderPool) -> Result<InputFile> {
        let Head { name, mapped, format, text, data_start, fingerprint } = head;
        let header =
            pool.parse(&text).map_err(|error| error.at(Location { path: Some(name.clone()), ..Default::default() }))?;
        let dictionary = format.is_bcf().then(|| Dictionary::new(&header));
        let n_header_lines = text.iter().filter(|&&byte| byte == b'\n').count() as u64;
        let origin = None;
        Ok(InputFile { name, mapped, format, header, dictionary, data_start, n_header_lines, origin, fingerprint })
    }

    /// What identifies the file that was named.
    pub fn origin(&self) -> Result<Origin> {
        if let Some(origin) = &self.origin {
            return Ok(origin.clone());
        }
        let fingerprint = match &self.fingerprint {
            Some(fingerprint) => fingerprint.clone(),
            None => self.mapped.fingerprint()?,
        };
        Ok(Origin { bytes: self.mapped.len() as u64, format: self.format, fingerprint })
    }

    /// Closes the map again where it was closed before: very many files are open.
    pub fn close_again(&mut self) {
        if self.fingerprint.is_some() {
            self.mapped.close();
        }
    }

    /// Whether the records are read from a copy of the file that was named.
    pub fn is_copy(&self) -> bool {
        self.origin.is_some()
    }

    /// Reads the records from `copy`, a file with the same header and records in a form that suits better.
    pub fn read_from(&mut self, copy: &Path) -> Result<()> {
        let origin = self.origin()?;
        let name = std::mem::take(&mut self.name);
        let samples = std::mem::take(&mut self.header.samples);
        *self = InputFile::open(copy, &name)?;
        self.origin = Some(origin);
        self.header.samples = samples;
        Ok(())
    }

    /// The header as text, ending with the `#CHROM` line.
    pub fn header_text(&self) -> Result<Vec<u8>> {
        Ok(header_of(&self.mapped, self.format, Vec::new())?.0)
    }

    /// The text from its first byte on, see [`whole_text`].
    pub fn whole_text<T>(&self, take: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let result = match &self.dictionary {
            None => text_of(&self.mapped, self.format, take),
            Some(dictionary) => {
                let mut header = self.header_text()?;
                if header.last() != Some(&b'\n') {
                    header.push(b'\n');
                }
                take(&mut header.as_slice().chain(bcf::TextReader::new(self.stream()?, dictionary)))
            }
        };
        result.map_err(|error| error.at(self.place()))
    }

    /// The inflated bytes behind the header.
    pub fn stream(&self) -> Result<Box<dyn Read + Send + '_>> {
        let start = if self.format.is_splittable() { self.physical(self.data_start) } else { 0 };
        let window = self.mapped.window(start);
        let (mut stream, behind): (Box<dyn Read + Send + '_>, u64) = match self.format {
            Format::Vcf | Format::BcfRaw => (Box::new(WindowReader::new(window, start)), 0),
            Format::VcfBgzf | Format::Bcf => (Box::new(BgzfReader::new(window, start)), self.data_start & 0xffff),
            Format::VcfGzip | Format::BcfGzip => (Box::new(gzip(window)), self.data_start),
        };
        let skipped = std::io::copy(&mut (&mut stream).take(behind), &mut std::io::sink());
        skipped.map_err(|error| stream_error(error).at(self.place()))?;
        Ok(stream)
    }

    /// The records as lines of VCF, from the first on.
    pub fn lines(&self) -> Result<LineReader<'_>> {
        Ok(match (self.format, &self.dictionary) {
            (Format::Vcf | Format::VcfBgzf, _) => self.lines_from(self.data_start)?,
            (_, Some(dictionary)) => LineReader::of_stream(Box::new(bcf::TextReader::new(self.stream()?, dictionary))),
            (_, None) => LineReader::of_stream(self.stream()?),
        })
    }

    /// The same from a byte offset (plain text) or virtual offset (BGZF text) on.
    pub fn lines_from(&self, offset: u64) -> Result<LineReader<'_>> {
        self.lines_in(self.mapped.window(self.physical(offset)), offset)
    }

    /// The same, where what was read leaves the memory: for large parts of a file.
    pub fn lines_once_from(&self, offset: u64) -> Result<LineReader<'_>> {
        let at = self.physical(offset);
        self.lines_in(self.mapped.window(at).releasing(&self.mapped, at), offset)
    }

    /// The records from an offset on, where one begins; what was read leaves the memory. For formats that can be split.
    pub fn records_once_from(&self, offset: u64) -> Result<Records<'_>> {
        let Some(dictionary) = &self.dictionary else { return self.lines_once_from(offset).map(Records::Text) };
        let at = self.physical(offset);
        let window = self.mapped.window(at).releasing(&self.mapped, at);
        let reader = match self.format {
            Format::Bcf => {
                bcf::RecordReader::of_blocks(window, offset, dictionary).map_err(|error| error.at(self.place()))?
            }
            Format::BcfRaw => bcf::RecordReader::of_bytes_from(window, offset, dictionary),
            _ => return Err(Error::internal("a stream is read from its start only")),
        };
        Ok(Records::Bcf(reader))
    }

    /// First record at or behind a byte of the file. For formats that can be split.
    pub fn probe(&self, from: u64) -> Result<Option<Probed>> {
        let (from, start) = (from as usize, self.physical(self.data_start));
        let window = |at: usize| self.mapped.window(at);
        let found = match (self.format, &self.dictionary) {
            (Format::Vcf, _) => probe_text(&mut window(from.max(start).saturating_sub(1)), from, start),
            (_, None) => probe_bgzf(&mut window(from.max(start)), from, self.data_start),
            (format, Some(dictionary)) => {
                let form = if format == Format::Bcf { bcf::Form::Blocks } else { bcf::Form::Raw };
                bcf::probe_bcf(&mut window(from.max(start)), form, from, self.data_start, dictionary)
            }
        };
        found.map_err(|error| error.at(self.place()))
    }

    fn physical(&self, offset: u64) -> usize {
        self.format.physical(offset) as usize
    }

    fn lines_in<'a>(&'a self, window: Window<'a>, offset: u64) -> Result<LineReader<'a>> {
        match self.format {
            Format::Vcf => Ok(LineReader::of_text_from(window, offset as usize)),
            Format::VcfBgzf => LineReader::of_blocks(window, offset).map_err(|error| error.at(self.place())),
            _ => Err(Error::internal("a stream is read from its start only")),
        }
    }

    /// The same from some virtual offsets up to others (of BGZF text), in order.
    pub fn lines_of(&self, ranges: Vec<(u64, u64)>) -> LineReader<'_> {
        let first = ranges.first().map_or(0, |range| (range.0 >> 16) as usize);
        LineReader::of_stream(Box::new(RangeReader::new(self.mapped.window(first), ranges)))
    }

    /// Looks at the first records: whether the file is a gVCF, and whose.
    pub fn survey(&self) -> Result<Survey> {
        let mut survey = Survey::default();
        let mut lines = self.lines()?;
        while let Some(line) = lines.next_line().map_err(|error| error.at(self.place()))? {
            if !line.is_empty() && !survey.add(line) {
                break;
            }
        }
        Ok(survey)
    }

    /// The file as a place of an error.
    pub fn place(&self) -> Location {
        Location { path: Some(self.name.clone()), ..Default::default() }
    }
}

fn of_heads(heads: Vec<Result<Head>>, pool: &mut HeaderPool) -> Result<Vec<InputFile>> {
    heads.into_iter().map(|head| InputFile::of_head(head?, pool)).collect()
}

/// The text of an input from its first byte on, before anything of it is understood; of a BCF, its header and its records as lines.
pub fn whole_text<T>(path: &Path, name: &str, take: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
    let place = |error: Error| error.at(Location { path: Some(name.into()), ..Default::default() });
    let mapped = Mapped::open(path)?;
    let (format, _) = recognise(&mapped).map_err(place)?;
    match format.is_bcf() {
        true => InputFile::open(path, name)?.whole_text(take),
        false => text_of(&mapped, format, take).map_err(place),
    }
}

fn text_of<T>(mapped: &Mapped, format: Format, take: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
    let window = mapped.window(0);
    match format {
        Format::VcfBgzf => take(&mut BgzfReader::new(window, 0)),
        Format::VcfGzip => take(&mut gzip(window)),
        _ => take(&mut WindowReader::new(window, 0)),
    }
}

fn gzip(window: Window) -> flate2::bufread::MultiGzDecoder<WindowReader> {
    flate2::bufread::MultiGzDecoder::new(WindowReader::new(window, 0))
}

/// The format, and the text of the first block where it is text in BGZF.
fn recognise(mapped: &Mapped) -> Result<(Format, Vec<u8>)> {
    if mapped.is_empty() {
        return Err(
            Error::bad_data("the file is empty, expected a VCF or BCF").hint("was it made by a command that failed?")
        );
    }
    let mut first = [0u8; 4];
    let mut window = mapped.window(0);
    let bytes = window.upto(MAX_BLOCK_BYTES)?;
    if block_size(bytes, 0).is_some() {
        let mut text = Vec::new();
        Inflater::default().append_block(bytes, 0, &mut text)?;
        let is_bcf = text.starts_with(bcf::MAGIC);
        return Ok(if is_bcf { (Format::Bcf, Vec::new()) } else { (Format::VcfBgzf, text) });
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let n = read_up_to(&mut gzip(mapped.window(0)), &mut first)?;
        let is_bcf = &first[..n] == bcf::MAGIC;
        return Ok((if is_bcf { Format::BcfGzip } else { Format::VcfGzip }, Vec::new()));
    }
    let format = if bytes.starts_with(bcf::MAGIC) { Format::BcfRaw } else { Format::Vcf };
    Ok((format, Vec::new()))
}

fn read_up_to(source: &mut impl Read, out: &mut [u8]) -> Result<usize> {
    let mut n = 0;
    while n < out.len() {
        match source.read(&mut out[n..]).map_err(stream_error)? {
            0 => break,
            more => n += more,
        }
    }
    Ok(n)
}

/// Finds the end of the header in a text that grows: every byte is looked at once.
#[derive(Debug, Default)]
struct HeaderScan {
    /// Start of the line that is not complete yet.
    line_start: usize,
    /// Up to here there is no line end behind `line_start`.
    searched: usize,
}

impl HeaderScan {
    /// Length of the header at the start of `text`: through the line behind the last one that begins with `#`. `None`: the
    /// text ends before that is known. `text` begins with the text of the call before.
    fn end(&mut self, text: &[u8], at_end: bool) -> Result<Option<usize>> {
        while self.line_start < text.len() {
            let at = self.line_start;
            if text[at] != b'#' {
                return if at == 0 { Err(no_header(text)) } else { Ok(Some(at)) };
            }
            match memchr::memchr(b'\n', &text[self.searched..]) {
                Some(offset) => {
                    self.line_start = self.searched + offset + 1;
                    self.searched = self.line_start;
                    if text[at..].starts_with(b"#CHROM") {
                        return Ok(Some(self.line_start));
                    }
                }
                None if at_end => return Ok(Some(text.len())),
                None => {
                    self.searched = text.len();
                    return check_header(text.len()).map(|()| None);
                }
            }
        }
        // a header of many lines counts as a whole
        check_header(text.len())?;
        Ok(at_end.then_some(text.len()))
    }
}

fn no_header(text: &[u8]) -> Error {
    let start: String = String::from_utf8_lossy(&text[..text.len().min(20)]).chars().take(16).collect();
    Error::bad_data(format!("the file begins with {start:?}, expected `##fileformat=VCF`"))
        .hint("inputs are VCF (plain, BGZF or gzip) or BCF files")
}

/// Header text and the start of the records. `first_block`: see [`recognise`]; nothing where it is to be inflated again.
fn header_of(mapped: &Mapped, format: Format, first_block: Vec<u8>) -> Result<(Vec<u8>, u64)> {
    let window = mapped.window(0);
    match format {
        Format::Vcf => stream_header(WindowReader::new(window, 0)),
        Format::VcfBgzf => bgzf_header(window, first_block),
        Format::VcfGzip => stream_header(gzip(window)),
        Format::Bcf => bcf_header_in_blocks(window),
        Format::BcfRaw => bcf_header(WindowReader::new(window, 0)),
        Format::BcfGzip => bcf_header(gzip(window)),
    }
}

fn bgzf_header(mut window: Window, first_block: Vec<u8>) -> Result<(Vec<u8>, u64)> {
    let mut inflater = Inflater::default();
    let mut text = first_block;
    let mut blocks = Vec::new(); // (offset of the block, start of its text)
    let mut next = 0;
    if !text.is_empty() {
        blocks.push((0, 0));
        next = block_size(window.upto(MAX_BLOCK_BYTES)?, 0).unwrap_or(0);
    }
    let mut scan = HeaderScan::default();
    loop {
        let at_end = next >= window.len();
        if let Some(len) = scan.end(&text, at_end)? {
            let (block, start) = blocks.iter().rev().find(|(_, start)| *start <= len).copied().unwrap_or((0, 0));
            let inside = len - start;
            // a header that ends with its block: the records begin with the next one
            let virtual_offset =
                if len == text.len() { (next as u64) << 16 } else { (block as u64) << 16 | inside as u64 };
            text.truncate(len);
            return Ok((text, virtual_offset));
        }
        blocks.push((next, text.len()));
        next = inflater.append_next(&mut window, next, &mut text)?;
    }
}

fn stream_header(mut stream: impl Read) -> Result<(Vec<u8>, u64)> {
    let mut text = Vec::new();
    let mut scan = HeaderScan::default();
    loop {
        let before = text.len();
        (&mut stream).take(64 << 10).read_to_end(&mut text).map_err(stream_error)?;
        if let Some(len) = scan.end(&text, text.len() == before)? {
            text.truncate(len);
            return Ok((text, len as u64));
        }
    }
}

/// The same of a BCF in blocks, where the records begin at a virtual offset.
fn bcf_header_in_blocks(window: Window) -> Result<(Vec<u8>, u64)> {
    let mut reader = BgzfReader::new(window, 0);
    let (text, _) = bcf_header(&mut reader)?;
    let offset = reader.virtual_offset().map_err(stream_error)?;
    Ok((text, offset))
}

fn bcf_header(mut stream: impl Read) -> Result<(Vec<u8>, u64)> {
    let mut start = [0u8; 9];
    let n = read_up_to(&mut stream, &mut start)?;
    let len = u32::from_le_bytes(start[5..9].try_into().expect("4 bytes")) as usize;
    check_header(len)?;
    let mut text = Vec::new();
    (&mut stream).take(len as u64).read_to_end(&mut text).map_err(stream_error)?;
    if n < 9 || text.len() < len {
        return Err(Error::bad_data("the BCF ends inside its header").hint("the file is cut off: copy it again"));
    }
    while text.last() == Some(&0) {
        text.pop();
    }
    Ok((text, 9 + len as u64))
}
