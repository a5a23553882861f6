//! Where the lines of an export go: text, BGZF with its index, or BCF. A file appears under its name only when complete.

use super::bcf::BcfFile;
use super::record::Extent;
use crate::error::{Error, Result};
use crate::store::Staged;
use crate::store::bgzf_writer::{BgzfWriter, BlockStarts};
use noodles::core::Position;
use noodles::csi::binning_index::index::Header as IndexHeader;
use noodles::csi::binning_index::index::header::Builder as IndexHeaderBuilder;
use noodles::csi::binning_index::index::reference_sequence::bin::Chunk;
use noodles::csi::binning_index::index::reference_sequence::index::BinnedIndex;
use noodles::{csi, tabix};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Largest position of a tbi index: 2^29 - 1.
const TBI_MAX_POSITION: i64 = (1 << 29) - 1;
/// Smallest bin of an index: 2^14 bases.
const MIN_SHIFT: u8 = 14;

/// What kind of file an export is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// VCF text.
    Text,
    /// VCF in BGZF, with index.
    Bgzf,
    /// BCF, with index.
    Bcf,
}

impl Kind {
    /// The kind of the file `path`; `-` is VCF text.
    pub fn of_path(path: &Path) -> Result<Kind> {
        let name = path.to_string_lossy();
        match name.as_ref() {
            "-" => Ok(Kind::Text),
            name if name.ends_with(".vcf") => Ok(Kind::Text),
            name if name.ends_with(".vcf.gz") || name.ends_with(".vcf.bgz") => Ok(Kind::Bgzf),
            name if name.ends_with(".bcf") => Ok(Kind::Bcf),
            name => Err(Error::usage(format!("cannot tell the format of the output {name}"))
                .hint("name it .vcf, .vcf.gz or .bcf, or `-` for VCF text on standard output")),
        }
    }
}

/// Lines of one worker, in order.
#[derive(Debug, Default)]
pub struct Lines {
    /// Text, each line with its newline.
    pub text: Vec<u8>,
    /// Length in bytes and extent of each line.
    pub records: Vec<(u32, Extent)>,
}

/// Takes the lines of an export in order.
pub enum Sink {
    /// Standard output.
    Stdout(BufWriter<std::io::Stdout>),
    /// VCF text.
    Text(BufWriter<File>, Staged),
    /// VCF in BGZF.
    Bgzf(Box<Bgzf>),
    /// BCF.
    Bcf(BcfFile, Staged, Telomeres),
}

/// Records at position 0 of their contig, a telomere (VCF 4.5 § 1.6.1.2). htslib indexes one of them in a BCF, and takes more for
/// records out of order.
#[derive(Debug, Default)]
pub struct Telomeres {
    n_records: usize,
}

impl Telomeres {
    fn add(&mut self, line: &[u8]) {
        let pos = line.split(|&byte| byte == b'\t').nth(1);
        self.n_records += usize::from(pos == Some(b"0"));
    }

    fn can_be_indexed(&self) -> bool {
        self.n_records < 2
    }
}

/// A BGZF file and what its index needs.
pub struct Bgzf {
    writer: BgzfWriter<BufWriter<File>>,
    staged: Staged,
    spans: Vec<Span>,
    contigs: Vec<String>,
}

/// Neighbouring records for the index. Those of one smallest bin share a span, so that the spans of a genome fit in
/// memory whatever the number of records. Offsets are those of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    contig: u32,
    extent: Extent,
    start: u64,
    end: u64,
    n_records: u32,
}

impl Span {
    /// The smallest bin that holds the whole span; `None` when it lies in several.
    fn bin(&self) -> Option<i64> {
        let bin = |pos: i64| (pos - 1) >> MIN_SHIFT;
        (bin(self.extent.first) == bin(self.extent.last)).then(|| bin(self.extent.first))
    }

    /// Takes the next record in when it is in the same smallest bin; false when it is not.
    fn take(&mut self, next: &Span) -> bool {
        let same = self.contig == next.contig && self.bin().is_some() && self.bin() == next.bin();
        if same {
            self.extent.last = self.extent.last.max(next.extent.last);
            self.end = next.end;
            self.n_records += next.n_records;
        }
        same
    }
}

impl Sink {
    /// Creates the output and writes the header.
    pub fn create(path: &Path, header: &str, n_threads: usize) -> Result<Sink> {
        let kind = Kind::of_path(path)?;
        if path.as_os_str() == "-" {
            let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout());
            out.write_all(header.as_bytes()).map_err(Error::stdout)?;
            return Ok(Sink::Stdout(out));
        }
        let staged = Staged::new(path);
        if kind == Kind::Bcf {
            let file = BcfFile::create(staged.path(), header, n_threads)?;
            return Ok(Sink::Bcf(file, staged, Telomeres::default()));
        }
        let failed = |error| Error::writing(path, error);
        let file = File::create(staged.path()).map_err(failed)?;
        let mut file = BufWriter::with_capacity(1 << 16, file);
        if kind == Kind::Text {
            file.write_all(header.as_bytes()).map_err(failed)?;
            return Ok(Sink::Text(file, staged));
        }
        let mut writer = BgzfWriter::new(file);
        writer.write_all(header.as_bytes()).map_err(failed)?;
        Ok(Sink::Bgzf(Box::new(Bgzf { writer, staged, spans: Vec::new(), contigs: Vec::new() })))
    }

    /// Appends lines of `contig`.
    pub fn write(&mut self, contig: &str, lines: &Lines) -> Result<()> {
        match self {
            Sink::Stdout(out) => out.write_all(&lines.text).map_err(Error::stdout),
            Sink::Text(out, staged) => {
                out.write_all(&lines.text).map_err(|error| Error::writing(staged.target(), error))
            }
            Sink::Bgzf(bgzf) => bgzf.write(contig, lines),
            Sink::Bcf(file, _, telomeres) => {
                let mut start = 0;
                for &(len, extent) in &lines.records {
                    let end = start + len as usize;
                    let line = &lines.text[start..end - 1];
                    // of both positions 0 and 1 the extent says 1
                    if extent.first <= 1 {
                        telomeres.add(line);
                    }
                    file.write_line(line, contig, extent.first)?;
                    start = end;
                }
                Ok(())
            }
        }
    }

    /// Completes the output, its index, and gives both their names. Returns the path of the index.
    pub fn finish(self) -> Result<Option<PathBuf>> {
        match self {
            Sink::Stdout(mut out) => {
                out.flush().map_err(Error::stdout)?;
                Ok(None)
            }
            Sink::Text(mut out, staged) => {
                out.flush().map_err(|error| Error::writing(staged.target(), error))?;
                staged.keep()?;
                Ok(None)
            }
            Sink::Bgzf(bgzf) => bgzf.finish().map(Some),
            Sink::Bcf(file, staged, telomeres) => {
                file.finish()?;
                if !telomeres.can_be_indexed() {
                    remove_other_index(staged.target(), ".csi")?;
                    remove_other_index(staged.target(), ".tbi")?;
                    staged.keep()?;
                    return Ok(None);
                }
                let index = Staged::new(&with_suffix(staged.target(), ".csi"));
                super::bcf::build_index(staged.path(), index.path(), MIN_SHIFT.into())?;
                let path = index.target().to_path_buf();
                remove_other_index(staged.target(), ".tbi")?;
                staged.keep()?;
                index.keep()?;
                Ok(Some(path))
            }
        }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// An index of an earlier file of this name would be taken for ours.
fn remove_other_index(target: &Path, suffix: &str) -> Result<()> {
    let path = with_suffix(target, suffix);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::writing(&path, error)),
        _ => Ok(()),
    }
}

impl Bgzf {
    fn write(&mut self, contig: &str, lines: &Lines) -> Result<()> {
        if self.contigs.last().is_none_or(|last| last != contig) {
            self.contigs.push(contig.to_owned());
        }
        let mut start = self.writer.text_offset();
        let contig = self.contigs.len() as u32 - 1;
        for &(len, extent) in &lines.records {
            let end = start + u64::from(len);
            let span = Span { contig, extent, start, end, n_records: 1 };
            if !self.spans.last_mut().is_some_and(|last| last.take(&span)) {
                self.spans.push(span);
            }
            start = end;
        }
        self.writer.write_all(&lines.text).map_err(|error| Error::writing(self.staged.target(), error))
    }

    fn finish(self) -> Result<PathBuf> {
        let Bgzf { writer, staged, spans, contigs } = self;
        let (_, blocks) = writer.finish().map_err(|error| Error::writing(staged.target(), error))?;
        let last = spans.iter().map(|span| span.extent.last).max().unwrap_or(0);
        let (suffix, stale) = if last > TBI_MAX_POSITION { (".csi", ".tbi") } else { (".tbi", ".csi") };
        let index = Staged::new(&with_suffix(staged.target(), suffix));
        let path = index.target().to_path_buf();
        let built = match last > TBI_MAX_POSITION {
            true => write_csi(index.path(), &spans, &contigs, &blocks, last),
            false => write_tbi(index.path(), &spans, &contigs, &blocks),
        };
        built.map_err(|error| Error::writing(&path, error))?;
        remove_other_index(staged.target(), stale)?;
        staged.keep()?;
        index.keep()?;
        Ok(path)
    }
}

/// Bounds and chunk of a record for the indexers.
fn entry(span: &Span, blocks: &BlockStarts) -> std::io::Result<(Position, Position, Chunk)> {
    let position = |at: i64| {
        let at = usize::try_from(at.max(1)).unwrap_or(1);
        Position::new(at).ok_or_else(|| std::io::Error::other(format!("position {at} cannot be indexed")))
    };
    let offset = |at: u64| noodles_bgzf::VirtualPosition::from(blocks.virtual_offset(at));
    Ok((position(span.extent.first)?, position(span.extent.last)?, Chunk::new(offset(span.start), offset(span.end))))
}

fn write_tbi(path: &Path, spans: &[Span], contigs: &[String], blocks: &BlockStarts) -> std::io::Result<()> {
    let mut indexer = tabix::index::Indexer::default();
    indexer.set_header(IndexHeaderBuilder::vcf().build());
    for span in spans {
        let (first, last, chunk) = entry(span, blocks)?;
        // the index counts its records
        for _ in 0..span.n_records {
            indexer.add_record(&contigs[span.contig as usize], first, last, chunk)?;
        }
    }
    tabix::fs::write(path, &indexer.build())
}

fn write_csi(path: &Path, spans: &[Span], contigs: &[String], blocks: &BlockStarts, last: i64) -> std::io::Result<()> {
    // depth d covers 2^(14 + 3 d) bases
    let depth = (5..=10).find(|depth| last < 1 << (i64::from(MIN_SHIFT) + 3 * depth)).unwrap_or(10) as u8;
    let names = contigs.iter().map(|name| name.as_str().into()).collect();
    let header: IndexHeader = IndexHeaderBuilder::vcf().set_reference_sequence_names(names).build();
    let mut indexer = csi::binning_index::Indexer::<BinnedIndex>::new(MIN_SHIFT, depth)
        .ok_or_else(|| std::io::Error::other("the contigs are too long for an index"))?
        .set_header(header);
    for span in spans {
        let (first, last, chunk) = entry(span, blocks)?;
        for _ in 0..span.n_records {
            let context = Some((span.contig as usize, first, last, true));
            indexer.add_record(context, chunk).map_err(std::io::Error::other)?;
        }
    }
    csi::fs::write(path, &indexer.build(contigs.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_format() {
        let kind = |name: &str| Kind::of_path(Path::new(name));
        assert_eq!(kind("-").expect("text"), Kind::Text);
        assert_eq!(kind("a.vcf").expect("text"), Kind::Text);
        assert_eq!(kind("a.vcf.gz").expect("bgzf"), Kind::Bgzf);
        assert_eq!(kind("a.bcf").expect("bcf"), Kind::Bcf);
        assert_eq!(kind("a.txt").expect_err("unknown").class().exit_code(), 2);
    }

    #[test]
    fn records_of_one_bin_share_a_span() {
        let span = |first, last| Span { contig: 0, extent: Extent { first, last }, start: 5, end: 9, n_records: 1 };
        let mut own = span(1, 10);
        assert!(own.take(&span(16384, 16384)));
        assert_eq!((own.n_records, own.extent), (2, Extent { first: 1, last: 16384 }));
        assert!(!own.take(&span(16385, 16390)) && !own.take(&span(16384, 16385)));
        assert!(!span(16384, 16385).take(&span(16384, 16385)));
    }

    #[test]
    fn a_staged_file_that_is_not_kept_is_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let target = folder.path().join("x.vcf");
        let staged = Staged::new(&target);
        let temporary = staged.path().to_path_buf();
        std::fs::write(&temporary, "x").expect("written");
        drop(staged);
        assert!(!temporary.exists() && !target.exists());
    }
}
