//! Pages of a file as they are stored, found by its offset index. One decompressor for each thread and one buffer for each
//! reader serve all columns: the general reader makes both anew for every column of every row group.
//!
//! Parquet format, README.md (page layout) and parquet.thrift (PageHeader, in the compact protocol of Thrift).

use super::{damaged, footer, reading_error};
use crate::error::{Error, Result};
use crate::store::DataFile;
use crate::store::data_file::FileReader;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};
use std::cell::RefCell;
use std::ops::Range;
use zstd::bulk::Decompressor;

/// An open file and its footer.
pub struct PageFile<'a> {
    path: &'a DataFile,
    file: FileReader,
    metadata: ParquetMetaData,
}

/// The pages of one column chunk that some rows are in.
pub struct ChunkPages<'a> {
    column: String,
    path: &'a DataFile,
    nullable: bool,
    is_compressed: bool,
    /// Limit of the size of a page.
    most_bytes: usize,
    dictionary: Option<Bytes>,
    /// Bytes of the data pages, one after the other, and where they begin in the file.
    bytes: Bytes,
    start: u64,
    /// Rows of each page, counted from the first of the row group, and where it is.
    pages: Vec<(Range<u64>, PageLocation)>,
}

/// A data page, inflated.
pub struct DataPage<'b> {
    /// Levels and values.
    pub body: &'b [u8],
    /// Entries.
    pub n_values: usize,
    /// Of the values.
    pub encoding: Encoding,
    /// It has levels, which say what is null.
    pub nullable: bool,
}

thread_local! {
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A page that has more rows is damaged: row groups have about a million.
const MAX_PAGE_ROWS: u64 = 1 << 24;

impl<'a> PageFile<'a> {
    /// Opens a file that has a page index.
    pub fn open(path: &'a DataFile) -> Result<PageFile<'a>> {
        let file = path.open()?;
        let metadata = footer::read(path, &file, PageIndexPolicy::Required)?;
        Ok(PageFile { path, file, metadata })
    }

    /// The footer, page indexes included.
    pub fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }

    /// Where it is.
    pub fn path(&self) -> &'a DataFile {
        self.path
    }

    /// The place of a column.
    pub fn column(&self, name: &str) -> Result<usize> {
        let schema = self.metadata.file_metadata().schema_descr();
        let at = (0..schema.num_columns()).find(|&at| schema.column(at).name() == name);
        at.ok_or_else(|| self.damaged(&format!("it has no column {name}")))
    }

    /// For a file that is not as it should be.
    pub fn damaged(&self, what: &str) -> Error {
        damaged(self.path, what)
    }

    /// The pages of a column that some rows (counted from the first of the row group) are in.
    pub fn pages(&self, group: usize, name: &str, wanted: &Range<u64>) -> Result<ChunkPages<'a>> {
        let column = self.column(name)?;
        let group_rows = self.metadata.row_group(group).num_rows() as u64;
        let chunk = self.metadata.row_group(group).column(column);
        let locations = self.metadata.page_index().and_then(|index| index.offset_index(group, column));
        let locations = locations.ok_or_else(|| self.damaged("it has no page index"))?.page_locations();
        let mut pages = Vec::new();
        for (i, location) in locations.iter().enumerate() {
            let start = location.first_row_index as u64;
            let end = locations.get(i + 1).map_or(group_rows, |next| next.first_row_index as u64);
            if start < wanted.end && end > wanted.start {
                pages.push((start..end, location.clone()));
            }
        }
        // what is negative becomes a place that no file has
        let start = pages.first().map_or(0, |(_, location)| location.offset as u64);
        let end =
            pages.last().map_or(0, |(_, last)| (last.offset as u64).saturating_add(last.compressed_page_size as u64));
        let first_page = locations.first().map_or(0, |location| location.offset as u64);
        let dictionary = match chunk.dictionary_page_offset() {
            Some(at) if first_page > at as u64 => Some(self.bytes(at as u64..first_page)?),
            _ => None,
        };
        let is_compressed = match chunk.compression() {
            Compression::ZSTD(_) => true,
            Compression::UNCOMPRESSED => false,
            other => return Err(self.damaged(&format!("the column {name} is compressed with {other:?}"))),
        };
        Ok(ChunkPages {
            column: name.to_string(),
            path: self.path,
            nullable: chunk.column_descr().max_def_level() > 0,
            is_compressed,
            most_bytes: usize::try_from(chunk.uncompressed_size()).unwrap_or(0),
            dictionary,
            bytes: self.bytes(start..end)?,
            start,
            pages,
        })
    }

    /// Bytes of the file; places that it does not have are damage of its footer.
    fn bytes(&self, range: Range<u64>) -> Result<Bytes> {
        if range.end > self.file.len() {
            return Err(self.damaged("its footer names bytes that it does not have"));
        }
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let length = (range.end - range.start) as usize;
        self.file.get_bytes(range.start, length).map_err(|error| reading_error(self.path, error))
    }
}

impl ChunkPages<'_> {
    /// Rows of each page, counted from the first of the row group.
    pub fn rows(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.pages.iter().map(|(rows, _)| rows.clone())
    }

    /// For a page that is not as it should be.
    pub fn broken(&self) -> Error {
        damaged(self.path, &format!("a page of the column {} is not understood", self.column))
    }

    /// The values of the dictionary in PLAIN form; nothing without one. `buffer` holds them.
    pub fn dictionary<'b>(&self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8]> {
        buffer.clear();
        let Some(bytes) = &self.dictionary else { return Ok(buffer) };
        let found = self.inflate(bytes, buffer).filter(|header| header.kind == PageHeader::DICTIONARY);
        found.map(|_| &buffer[..]).ok_or_else(|| self.broken())
    }

    /// A data page by its place in [`ChunkPages::rows`]. `buffer` holds it.
    pub fn page<'b>(&self, place: usize, buffer: &'b mut Vec<u8>) -> Result<DataPage<'b>> {
        buffer.clear();
        let found = self.data_page(place, buffer);
        let (n_values, encoding) = found.ok_or_else(|| self.broken())?;
        Ok(DataPage { body: buffer, n_values, encoding, nullable: self.nullable })
    }

    fn data_page(&self, place: usize, buffer: &mut Vec<u8>) -> Option<(usize, Encoding)> {
        let (rows, location) = self.pages.get(place)?;
        let at = usize::try_from((location.offset as u64).checked_sub(self.start)?).ok()?;
        let end = at.checked_add(usize::try_from(location.compressed_page_size).ok()?)?;
        let header = self.inflate(self.bytes.get(at..end)?, buffer)?;
        let encoding = match header.encoding {
            PageHeader::PLAIN => Encoding::PLAIN,
            PageHeader::PLAIN_DICTIONARY | PageHeader::RLE_DICTIONARY => Encoding::RLE_DICTIONARY,
            PageHeader::DELTA_BINARY_PACKED => Encoding::DELTA_BINARY_PACKED,
            _ => return None,
        };
        // no column has lists
        let n_rows = rows.end.checked_sub(rows.start)?;
        let is_whole = header.kind == PageHeader::DATA && header.n_values as u64 == n_rows && n_rows <= MAX_PAGE_ROWS;
        is_whole.then_some((header.n_values, encoding))
    }

    /// Appends what a stored page holds, and gives its header.
    fn inflate(&self, stored: &[u8], out: &mut Vec<u8>) -> Option<PageHeader> {
        let mut rest = stored;
        let header = PageHeader::read(&mut rest)?;
        let stored = rest.get(..header.n_stored)?;
        if header.n_bytes > self.most_bytes {
            return None;
        }
        if !self.is_compressed {
            out.extend_from_slice(stored);
        } else if header.n_bytes > 0 {
            // the footer, which says how much there may be, can be damaged, too
            out.try_reserve(header.n_bytes).ok()?;
            DECOMPRESSOR.with_borrow_mut(|decompressor| {
                if decompressor.is_none() {
                    *decompressor = Some(Decompressor::new().ok()?);
                }
                decompressor.as_mut()?.decompress_to_buffer(stored, out).ok()
            })?;
        }
        (out.len() == header.n_bytes).then_some(header)
    }
}

/// What is said in front of a page.
#[derive(Debug, Default, PartialEq, Eq)]
struct PageHeader {
    kind: u64,
    n_bytes: usize,
    n_stored: usize,
    n_values: usize,
    encoding: u64,
}

impl PageHeader {
    const DATA: u64 = 0;
    const DICTIONARY: u64 = 2;
    const PLAIN: u64 = 0;
    const PLAIN_DICTIONARY: u64 = 2;
    const DELTA_BINARY_PACKED: u64 = 5;
    const RLE_DICTIONARY: u64 = 8;

    /// Takes a header off the front. `None`: it is none.
    fn read(bytes: &mut &[u8]) -> Option<PageHeader> {
        let mut header = PageHeader::default();
        thrift::fields(bytes, |field, kind, bytes| {
            match (field, kind) {
                (1, thrift::INTEGER) => header.kind = thrift::unsigned(bytes)?,
                (2, thrift::INTEGER) => header.n_bytes = usize::try_from(thrift::unsigned(bytes)?).ok()?,
                (3, thrift::INTEGER) => header.n_stored = usize::try_from(thrift::unsigned(bytes)?).ok()?,
                // of a data page and of a dictionary
                (5 | 7, thrift::STRUCT) => thrift::fields(bytes, |field, kind, bytes| {
                    match (field, kind) {
                        (1, thrift::INTEGER) => header.n_values = usize::try_from(thrift::unsigned(bytes)?).ok()?,
                        (2, thrift::INTEGER) => header.encoding = thrift::unsigned(bytes)?,
                        _ => thrift::skip(bytes, kind, 0)?,
                    }
                    Some(())
                })?,
                _ => thrift::skip(bytes, kind, 0)?,
            }
            Some(())
        })?;
        Some(header)
    }
}

/// As much of the compact protocol as page headers need (Thrift, thrift-compact-protocol.md).
mod thrift {
    use super::super::encoding::varint;

    /// i32.
    pub const INTEGER: u8 = 5;
    pub const STRUCT: u8 = 12;
    /// Structures inside of each other at most.
    const DEEPEST: usize = 8;

    /// Calls `take` with number and type of each field of a structure; it takes the value off the front.
    pub fn fields(bytes: &mut &[u8], mut take: impl FnMut(i64, u8, &mut &[u8]) -> Option<()>) -> Option<()> {
        let mut field = 0;
        loop {
            let first = byte(bytes)?;
            let kind = first & 0x0f;
            if kind == 0 {
                return (first == 0).then_some(());
            }
            field = match i64::from(first >> 4) {
                0 => integer(bytes)?,
                step => field.checked_add(step)?,
            };
            take(field, kind, bytes)?;
        }
    }

    fn byte(bytes: &mut &[u8]) -> Option<u8> {
        let (&first, rest) = bytes.split_first()?;
        *bytes = rest;
        Some(first)
    }

    fn integer(bytes: &mut &[u8]) -> Option<i64> {
        let value = varint(bytes)?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A number from 0 on.
    pub fn unsigned(bytes: &mut &[u8]) -> Option<u64> {
        u64::try_from(integer(bytes)?).ok()
    }

    /// Takes a value of any type off the front.
    pub fn skip(bytes: &mut &[u8], kind: u8, depth: usize) -> Option<()> {
        if depth == DEEPEST {
            return None;
        }
        let mut drop_bytes = |n: usize| {
            *bytes = bytes.get(n..)?;
            Some(())
        };
        match kind {
            // a flag is in the type
            1 | 2 => Some(()),
            3 => drop_bytes(1),
            4..=6 => varint(bytes).map(drop),
            7 => drop_bytes(8),
            8 => {
                let n = usize::try_from(varint(bytes)?).ok()?;
                *bytes = bytes.get(n..)?;
                Some(())
            }
            9 | 10 => {
                let first = byte(bytes)?;
                let n = if first >> 4 == 15 { varint(bytes)? } else { u64::from(first >> 4) };
                for _ in 0..n {
                    match first & 0x0f {
                        1 | 2 => byte(bytes).map(drop)?,
                        kind => skip(bytes, kind, depth + 1)?,
                    }
                }
                Some(())
            }
            STRUCT => fields(bytes, |_, kind, bytes| skip(bytes, kind, depth + 1)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::arrays::{ArrayColumn, Nature};
    use super::super::chunk::{Codec, Effort};
    use super::super::file::ChunkFile;
    use super::*;
    use arrow_schema::{DataType, Field, Schema};
    use parquet::column::page::Page;
    use parquet::file::reader::FileReader as _;
    use parquet::file::serialized_reader::SerializedFileReader;
    use std::sync::Arc;

    /// A file of two row groups with pages of one column each.
    fn some_file(path: &std::path::Path) {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]));
        let file = std::fs::File::create(path).expect("a file");
        let mut file = ChunkFile::new(file, &schema, &[]).expect("begins");
        let mut codec = Codec::zstd(Effort::level(1));
        let column = file.columns().remove(0);
        let mut column = ArrayColumn::new(column, &DataType::Int32, Nature::Any).expect("a column");
        for group in 0..2 {
            for page in 0..4 {
                let values: Vec<i32> = (0..3_000).map(|i| (i * 7919 + page * 31 + group) % 70_000).collect();
                column.push_integers(&values, 5, &mut codec).expect("a page");
                column.push_integers(&[5; 10], 5, &mut codec).expect("a page of nulls");
            }
            file.write_group([column.finish(&mut codec).expect("a chunk")], path).expect("a row group");
        }
        file.finish(path).expect("ends");
    }

    #[test]
    fn pages_are_those_of_the_general_reader() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.parquet");
        some_file(&path);
        let general = SerializedFileReader::new(std::fs::File::open(&path).expect("a file")).expect("a reader");
        let path = DataFile::from(path.as_path());
        let file = PageFile::open(&path).expect("opens");
        for group in 0..2 {
            let pages = file.pages(group, "n", &(0..u64::MAX)).expect("pages");
            assert_eq!(pages.rows().count(), 8);
            let group = general.get_row_group(group).expect("a row group");
            let mut reader = group.get_column_page_reader(0).expect("a column");
            let (mut buffer, mut place) = (Vec::new(), 0);
            while let Some(page) = reader.get_next_page().expect("a page") {
                match page {
                    Page::DataPage { buf, num_values, encoding, .. } => {
                        let found = pages.page(place, &mut buffer).expect("a page");
                        assert_eq!((found.body, found.n_values, found.nullable), (&buf[..], num_values as usize, true));
                        assert_eq!(found.encoding, encoding);
                        place += 1;
                    }
                    other => assert_eq!(pages.dictionary(&mut buffer).expect("a dictionary"), &other.buffer()[..]),
                }
            }
            assert_eq!(place, 8);
        }
        let some = file.pages(1, "n", &(3_005..3_020)).expect("pages");
        assert_eq!(some.rows().collect::<Vec<_>>(), [3_000..3_010, 3_010..6_010]);
        assert!(file.pages(0, "m", &(0..1)).is_err());
    }

    #[test]
    fn what_is_no_header_is_not_read() {
        for bytes in [&[][..], &[0x15], &[0x15, 0], &[0x1c, 0x1c, 0x1c], &[0xff; 40], &[0x19, 0xf9, 0xff, 0xff]] {
            assert_eq!(PageHeader::read(&mut &bytes[..]), None, "{bytes:?}");
        }
        assert_eq!(
            PageHeader::read(&mut &[0x15, 4, 0x15, 6, 0][..]),
            Some(PageHeader { kind: 2, n_bytes: 3, ..Default::default() })
        );
    }
}
