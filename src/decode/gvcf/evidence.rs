//! What gVCFs say, as columns: reference blocks, and records as written.

pub use super::block::{MISSING, NO_FILTER};

/// Reference blocks as columns, sorted by (start, sample). All vectors have the same length.
#[derive(Debug, Default)]
pub struct Blocks {
    /// Index in the cohort.
    pub sample: Vec<u32>,
    /// First base, 1-based.
    pub start: Vec<i32>,
    /// Number of bases.
    pub length: Vec<i32>,
    /// Index into `gts`.
    pub gt: Vec<u16>,
    /// GQ or [`MISSING`].
    pub gq: Vec<i32>,
    /// MIN_DP or [`MISSING`].
    pub min_dp: Vec<i32>,
    /// DP or [`MISSING`].
    pub dp: Vec<i32>,
    /// PL of the genotype with the reference alone, with one other copy (diploid only), with other copies only; or
    /// [`MISSING`].
    pub pl: Vec<[i32; 3]>,
    /// Index into `filters`, or [`NO_FILTER`].
    pub filter: Vec<u16>,
    /// Genotype texts: `0/0`, `0`, `./.`, `.`, ...
    pub gts: Vec<String>,
    /// Filters that some block did not pass, as written.
    pub filters: Vec<String>,
}

impl Blocks {
    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.sample.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sample.is_empty()
    }
}

/// Records of samples, as written, as columns; sorted by (pos, sample, order in the input).
#[derive(Debug, Default)]
pub struct Records {
    /// Index in the cohort.
    pub sample: Vec<u32>,
    /// POS.
    pub pos: Vec<i32>,
    /// Last reference base (by LEN, END or REF).
    pub end: Vec<i32>,
    /// Texts of the record; see [`Text`].
    texts: Vec<Text>,
    bytes: Vec<u8>,
}

/// Where the fields of a record are in one buffer.
#[derive(Clone, Copy, Debug, Default)]
struct Text {
    start: usize,
    ends: [u32; 9],
}

/// One record of one sample: the fields of its line as written.
#[derive(Clone, Copy, Debug)]
pub struct RecordText<'a> {
    /// ID.
    pub id: &'a [u8],
    /// REF.
    pub ref_allele: &'a [u8],
    /// ALT.
    pub alt: &'a [u8],
    /// QUAL.
    pub qual: &'a [u8],
    /// FILTER.
    pub filter: &'a [u8],
    /// INFO.
    pub info: &'a [u8],
    /// FORMAT.
    pub format: &'a [u8],
    /// The sample's column.
    pub cell: &'a [u8],
    /// What left-alignment makes of ALT ([`crate::alleles::aligned_text`]); empty where trimming is enough.
    pub aligned: &'a [u8],
}

impl Records {
    /// Number of records.
    pub fn len(&self) -> usize {
        self.sample.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sample.is_empty()
    }

    /// Appends a record.
    pub fn push(&mut self, sample: u32, pos: i32, end: i32, text: RecordText) {
        self.sample.push(sample);
        self.pos.push(pos);
        self.end.push(end);
        let start = self.bytes.len();
        let fields = [
            text.id,
            text.ref_allele,
            text.alt,
            text.qual,
            text.filter,
            text.info,
            text.format,
            text.cell,
            text.aligned,
        ];
        let mut ends = [0; 9];
        for (end, field) in ends.iter_mut().zip(fields) {
            self.bytes.extend_from_slice(field);
            *end = (self.bytes.len() - start) as u32;
        }
        self.texts.push(Text { start, ends });
    }

    /// The fields of record `index`.
    pub fn text(&self, index: usize) -> RecordText<'_> {
        let Text { start, ends } = self.texts[index];
        let field = |k: usize| {
            let from = if k == 0 { 0 } else { ends[k - 1] };
            &self.bytes[start + from as usize..start + ends[k] as usize]
        };
        RecordText {
            id: field(0),
            ref_allele: field(1),
            alt: field(2),
            qual: field(3),
            filter: field(4),
            info: field(5),
            format: field(6),
            cell: field(7),
            aligned: field(8),
        }
    }
}
