//! A column chunk that is put together from encoded pages, to be appended to a row group as it is.

use crate::error::{Error, Result};
use crate::profile::{self, Stage};
use parquet::basic::{Compression, Encoding, PageType, Type, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;
use std::cell::RefCell;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

/// How ZSTD looks for what repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// 1 to 22.
    level: i32,
    /// Bytes that a repetition has at least, and the binary logarithm of the table that they are looked up in, where they are
    /// not those of the level.
    search: Option<(u32, u32)>,
}

impl Effort {
    /// As the level has it.
    pub const fn level(level: i32) -> Effort {
        Effort { level, search: None }
    }

    /// With repetitions from `min_bytes` on, looked up in a table of 2^`log_entries`.
    pub const fn with_search(self, min_bytes: u32, log_entries: u32) -> Effort {
        Effort { search: Some((min_bytes, log_entries)), ..self }
    }

    fn compressor(self) -> Compressor<'static> {
        const KNOWN: &str = "a setting that ZSTD has";
        let mut compressor = Compressor::new(self.level).expect(KNOWN);
        if let Some((min_bytes, log_entries)) = self.search {
            compressor.set_parameter(CParameter::MinMatch(min_bytes)).expect(KNOWN);
            compressor.set_parameter(CParameter::HashLog(log_entries)).expect(KNOWN);
        }
        compressor
    }
}

/// ZSTD with one effort. Its tables, which are large, are made once for each thread.
pub struct Codec {
    effort: Effort,
    made: Option<Made>,
}

/// What a codec keeps from page to page.
struct Made {
    compressor: Compressor<'static>,
    /// Room for a page as large as it may become.
    page: Vec<u8>,
}

thread_local! {
    /// What this thread made and does not use now.
    static IDLE: RefCell<Vec<(Effort, Made)>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Codec {
    fn drop(&mut self) {
        if let Some(made) = self.made.take() {
            // a thread that ends has no place for it any more
            let _ = IDLE.try_with(|idle| idle.borrow_mut().push((self.effort, made)));
        }
    }
}

impl Codec {
    /// With an effort.
    pub fn zstd(effort: Effort) -> Codec {
        let idle = IDLE.with_borrow_mut(|idle| {
            let at = idle.iter().position(|(known, _)| *known == effort)?;
            Some(idle.swap_remove(at).1)
        });
        let made = idle.unwrap_or_else(|| Made { compressor: effort.compressor(), page: Vec::new() });
        Codec { effort, made: Some(made) }
    }

    /// What the footer says.
    fn described(&self) -> Compression {
        Compression::ZSTD(ZstdLevel::try_new(self.effort.level).expect("a level of ZSTD"))
    }

    fn compress(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let _stage = profile::enter(Stage::Compress);
        let Made { compressor, page } = self.made.as_mut().expect("it is there until the codec is dropped");
        page.clear();
        page.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        compressor.compress_to_buffer(bytes, page).map_err(|error| {
            Error::internal(format!("a page of {} bytes cannot be compressed: {error}", bytes.len()))
        })?;
        Ok(page.to_vec())
    }
}

/// What is said about a page beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct PageFacts {
    /// Entries, nulls and empty lists included.
    pub n_values: usize,
    /// Rows.
    pub n_rows: usize,
    /// Entries that are null.
    pub n_null: usize,
    /// Least and largest value; `None`: the page has none, or they are not kept.
    pub bounds: Option<Bounds>,
}

/// Least and largest value in PLAIN form.
pub type Bounds = [Vec<u8>; 2];

struct DataPage {
    compressed: Vec<u8>,
    n_uncompressed: usize,
    encoding: Encoding,
    facts: PageFacts,
}

/// Gathers the data pages of a chunk.
pub struct ChunkBuilder {
    column: ColumnDescPtr,
    pages: Vec<DataPage>,
}

/// A finished chunk.
pub struct EncodedChunk {
    /// Its pages.
    pub(super) bytes: bytes::Bytes,
    /// What the footer says of it.
    pub(super) close: ColumnCloseResult,
}

/// The values that indexes refer to.
pub struct DictionaryPage<'a> {
    /// In PLAIN form.
    pub values: &'a [u8],
    /// Their number.
    pub n_values: usize,
}

fn refused(error: ParquetError) -> Error {
    Error::internal(format!("a column chunk cannot be put together: {error}"))
}

impl ChunkBuilder {
    /// Without pages.
    pub fn new(column: ColumnDescPtr) -> Self {
        ChunkBuilder { column, pages: Vec::new() }
    }

    /// The column.
    pub fn column(&self) -> &ColumnDescPtr {
        &self.column
    }

    /// Rows so far.
    pub fn n_rows(&self) -> usize {
        self.pages.iter().map(|page| page.facts.n_rows).sum()
    }

    /// Compresses a page: levels and values, as a data page of version 1 has them.
    pub fn push_page(&mut self, body: &[u8], encoding: Encoding, facts: PageFacts, codec: &mut Codec) -> Result<()> {
        let compressed = codec.compress(body)?;
        self.pages.push(DataPage { compressed, n_uncompressed: body.len(), encoding, facts });
        Ok(())
    }

    /// The chunk with its dictionary; empties the builder. Without `statistics` only the number of nulls is told.
    pub fn finish(
        &mut self,
        dictionary: Option<DictionaryPage>,
        statistics: Option<Statistics>,
        codec: &mut Codec,
    ) -> Result<EncodedChunk> {
        let statistics = match statistics {
            Some(statistics) => statistics,
            None => self.count_of_nulls()?,
        };
        let mut index = ColumnIndexBuilder::new(self.column.physical_type());
        for DataPage { facts, .. } in &mut self.pages {
            let is_null_page = facts.n_null == facts.n_values;
            match facts.bounds.take() {
                Some([least, most]) => index.append(false, least, most, facts.n_null as i64, None),
                None if is_null_page => index.append(true, Vec::new(), Vec::new(), facts.n_null as i64, None),
                None => index.to_invalid(),
            }
        }
        self.write(dictionary, statistics, index, codec)
    }

    /// Statistics of a column whose least and largest value are not kept.
    fn count_of_nulls(&self) -> Result<Statistics> {
        let n_null = Some(self.n_null());
        Ok(match self.column.physical_type() {
            Type::BOOLEAN => Statistics::boolean(None, None, None, n_null, false),
            Type::INT32 => Statistics::int32(None, None, None, n_null, false),
            Type::INT64 => Statistics::int64(None, None, None, n_null, false),
            Type::DOUBLE => Statistics::double(None, None, None, n_null, false),
            Type::BYTE_ARRAY => Statistics::byte_array(None, None, None, n_null, false),
            other => return Err(Error::internal(format!("no column has the type {other}"))),
        })
    }

    /// Nulls so far.
    pub fn n_null(&self) -> u64 {
        self.pages.iter().map(|page| page.facts.n_null as u64).sum()
    }

    fn write(
        &mut self,
        dictionary: Option<DictionaryPage>,
        statistics: Statistics,
        column_index: ColumnIndexBuilder,
        codec: &mut Codec,
    ) -> Result<EncodedChunk> {
        let pages = std::mem::take(&mut self.pages);
        let mut sink = TrackedWrite::new(Vec::new());
        let mut writer = SerializedPageWriter::new(&mut sink);
        let (mut n_uncompressed, mut n_written) = (0, 0);
        let mut encodings = vec![Encoding::RLE];
        let mut stats: Vec<PageEncodingStats> = Vec::new();
        let mut note = |page_type, encoding| {
            if !encodings.contains(&encoding) {
                encodings.push(encoding);
            }
            match stats.iter_mut().find(|known| known.page_type == page_type && known.encoding == encoding) {
                Some(known) => known.count += 1,
                None => stats.push(PageEncodingStats { page_type, encoding, count: 1 }),
            }
        };
        let mut dictionary_offset = None;
        if let Some(dictionary) = dictionary {
            let page = Page::DictionaryPage {
                buf: codec.compress(dictionary.values)?.into(),
                num_values: dictionary.n_values as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let page = CompressedPage::new(page, dictionary.values.len());
            let spec = writer.write_page(page).map_err(refused)?;
            dictionary_offset = Some(spec.offset as i64);
            n_uncompressed += spec.uncompressed_size;
            n_written += spec.bytes_written;
            note(PageType::DICTIONARY_PAGE, Encoding::PLAIN);
        }
        let mut offsets = OffsetIndexBuilder::new();
        let mut data_offset = None;
        let (mut n_values, mut n_rows) = (0, 0);
        for DataPage { compressed, n_uncompressed: body, encoding, facts } in pages {
            let page = Page::DataPage {
                buf: compressed.into(),
                num_values: facts.n_values as u32,
                encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            };
            let spec = writer.write_page(CompressedPage::new(page, body)).map_err(refused)?;
            data_offset.get_or_insert(spec.offset as i64);
            offsets.append_offset_and_size(spec.offset as i64, spec.bytes_written as i32);
            offsets.append_row_count(facts.n_rows as i64);
            n_uncompressed += spec.uncompressed_size;
            n_written += spec.bytes_written;
            n_values += facts.n_values;
            n_rows += facts.n_rows;
            note(PageType::DATA_PAGE, encoding);
        }
        let metadata = ColumnChunkMetaData::builder(self.column.clone())
            .set_encodings(encodings)
            .set_page_encoding_stats(stats)
            .set_compression(codec.described())
            .set_num_values(n_values as i64)
            .set_total_compressed_size(n_written as i64)
            .set_total_uncompressed_size(n_uncompressed as i64)
            .set_data_page_offset(data_offset.unwrap_or_default())
            .set_dictionary_page_offset(dictionary_offset)
            .set_statistics(statistics)
            .build()
            .map_err(refused)?;
        let column_index = if column_index.valid() { Some(column_index.build().map_err(refused)?) } else { None };
        let bytes = sink.into_inner().map_err(refused)?;
        let close = ColumnCloseResult {
            bytes_written: n_written,
            rows_written: n_rows as u64,
            metadata,
            bloom_filter: None,
            column_index,
            offset_index: Some(offsets.build()),
        };
        Ok(EncodedChunk { bytes: bytes.into(), close })
    }
}
