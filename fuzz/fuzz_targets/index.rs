//! Indexes (`.tbi`, `.csi`) beside a good file: whatever one says, every record of a region is read. The first byte says which index of
//! which file, and whether what follows is a list of edits of a good index, an index before compression, or the bytes of one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rust_htslib::bcf::index::{Type, build};
use std::path::PathBuf;
use std::sync::OnceLock;
use varbatch::alleles::MAX_SHIFT_BP;
use varbatch::decode::vcf::locus_of_line;
use varbatch::genome::{Contigs, Locus};
use varbatch::input::InputFile;
use varbatch::input::index::{RegionIndex, record_at};
use varbatch::plan::ShardSource;
use varbatch::plan::cuts::{ranges, region_ranges};
use varbatch::plan::region::Regions;
use varbatch_fuzz::{folder, gzip, put, text};

/// The end of a name is another name.
const CONTIGS: [&str; 3] = ["1", "11", "21"];
const REGIONS: [&str; 8] =
    ["1:1-3000", "1:40000-44000", "1:90000-", "11", "11:50000-50001", "11:1-9", "21:95000-200000", "21:300000-"];
const EXTENSIONS: [&str; 2] = ["tbi", "csi"];

struct Good {
    /// The file that is read, without an index beside it.
    path: PathBuf,
    /// Where its records are: virtual offset, place.
    records: Vec<(u64, Locus)>,
    /// Its two indexes, inflated.
    indexes: [Vec<u8>; 2],
}

fn inflated(packed: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut at, mut inflater) = (0, varbatch::decode::bgzf::Inflater::default());
    while at < packed.len() {
        at = inflater.append_block(packed, at, &mut out).expect("a good index");
    }
    out
}

/// A file of many blocks. `mixed`: lines of other lengths, blocks that begin anywhere; else blocks begin with lines.
fn made(name: &str, mixed: bool) -> Good {
    let header = "##fileformat=VCFv4.3\n##contig=<ID=1>\n##contig=<ID=11>\n##contig=<ID=21>\n\
##INFO=<ID=END,Number=1,Type=Integer,Description=\"\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
    let lines = CONTIGS.iter().flat_map(|contig| {
        (0..200).map(move |i| {
            let pos = 1 + i * 500;
            let end = pos + if i % 40 == 7 { 30_000 } else { 0 };
            let id = "x".repeat(if mixed { i * 7 % 90 } else { 3 });
            format!("{contig}\t{pos}\tr{id}\tA\tC\t.\t.\tEND={end}\n")
        })
    });
    let packed = if mixed {
        gzip((header.to_string() + &lines.collect::<String>()).as_bytes(), 1500, true)
    } else {
        let lines: Vec<String> = lines.collect();
        let blocks = std::iter::once(header.to_string()).chain(lines.chunks(40).map(|lines| lines.concat()));
        let mut packed = Vec::new();
        for block in blocks {
            packed.truncate(packed.len().saturating_sub(31)); // the empty block
            packed.extend(gzip(block.as_bytes(), 65_000, true));
        }
        packed
    };
    let path = put(name, &packed);
    let indexes = [Type::Tbx, Type::Csi(14)].map(|kind| {
        let index = folder().join("built");
        build(&path, Some(&index), 1, kind).expect("an index");
        inflated(&std::fs::read(index).expect("an index"))
    });
    let file = InputFile::open(&path, name).expect("a good file");
    let mut records = Vec::new();
    let mut lines = file.lines_from(file.data_start).expect("records");
    while let Some(line) = lines.next_line().expect("a line") {
        let (chrom, vcf_pos) = locus_of_line(line).expect("a place");
        let contig = file.header.contigs.index_of(chrom).expect("a contig");
        records.push((lines.line_offset(), Locus { contig, vcf_pos }));
    }
    assert_eq!(records.len(), 600);
    Good { path, records, indexes }
}

fn good() -> &'static [Good; 2] {
    static GOOD: OnceLock<[Good; 2]> = OnceLock::new();
    GOOD.get_or_init(|| [made("mixed.vcf.gz", true), made("even.vcf.gz", false)])
}

/// Edits of four bytes each: a place (a share of the numbers of the file), what to do there, and how much.
fn edited(good: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for edit in edits.chunks_exact(4) {
        let n_words = bytes.len() / 4;
        if n_words == 0 {
            break;
        }
        let word = usize::from(u16::from_le_bytes([edit[0], edit[1]])) * n_words >> 16;
        let other = usize::from(edit[3]) * n_words >> 8;
        let (at, amount) = (word * 4, i64::from(edit[3] as i8));
        let number = |bytes: &[u8]| i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let value = match edit[2] % 8 {
            0 => i32::MAX >> (edit[3] % 32),
            1 => i32::MIN >> (edit[3] % 32),
            2 => number(&bytes).wrapping_add(amount as i32),
            // the block of a virtual offset
            3 => number(&bytes).wrapping_add((amount << 16) as i32),
            4 => 0,
            5 => number(&bytes[(other - word.min(other)) * 4..]),
            6 => {
                bytes.drain(at..at + 4);
                continue;
            }
            _ => {
                // numbers of 64 bits, from elsewhere: offsets that are some, but not those
                if let Some(taken) = bytes.get(other * 4..other * 4 + 8).map(<[u8]>::to_vec)
                    && let Some(place) = bytes.get_mut(at..at + 8)
                {
                    place.copy_from_slice(&taken);
                }
                continue;
            }
        };
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// Every record of the region is in what is read.
fn all_is_read(good: &Good, file: &InputFile, contigs: &Contigs, region: &str) {
    let regions = Regions::parse([region], contigs).expect("a region");
    let (contig, first, last) = regions.iter().next().expect("a region");
    let shards = ranges(file, contigs, file.mapped.len() as u64 / 3, &regions).expect("a good file");
    for &(offset, locus) in &good.records {
        let wanted = Locus { contig, vcf_pos: first }..=Locus { contig, vcf_pos: last };
        let is_read = shards.iter().any(|(source, _)| match source {
            ShardSource::Range { offset: start, own_start, own_end, .. } => {
                *start <= offset && own_start.is_none_or(|own| own <= locus) && own_end.is_none_or(|own| locus < own)
            }
            _ => false,
        });
        assert!(is_read || !wanted.contains(&locus), "{region}: the record at {locus:?} is not read");
    }
    for (source, _) in &shards {
        let ShardSource::Range { offset, end_offset, .. } = *source else { panic!("another kind of shard") };
        let is_record = good.records.iter().any(|record| record.0 == offset);
        assert!(is_record, "{region}: no record begins at {offset:#x}");
        if end_offset == Some(offset) {
            // by the index: also the records whose rows can come to lie in it
            let halo = Locus { contig, vcf_pos: first.saturating_sub(MAX_SHIFT_BP) };
            let before = good.records.iter().take_while(|record| record.0 < offset);
            assert!(before.clone().all(|record| record.1 < halo || record.1.contig != contig), "{region}: too late");
        }
    }
    let Some(parts) = region_ranges(file, contigs, &regions).expect("a good file") else { return };
    assert!(parts.windows(2).all(|pair| pair[0].1 < pair[1].0), "{region}: parts are not in order");
    for (start, end) in parts {
        assert!(start <= end, "{region}: a part ends before it begins");
        let found = record_at(file, start).expect("a good file").expect("a record");
        assert_eq!(found.chrom, CONTIGS[contig as usize].as_bytes());
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    let which = usize::from(*which);
    let good = &good()[which & 1];
    let kind = which >> 1 & 1;
    let index = match which >> 2 & 7 {
        0 => gzip(rest, 60_000, true),
        1 => rest.to_vec(),
        _ => gzip(&edited(&good.indexes[kind], rest), 60_000, true),
    };
    let name =
        format!("{}.{}", good.path.file_name().and_then(|name| name.to_str()).expect("a name"), EXTENSIONS[kind]);
    let written = put(&name, &index);
    let file = InputFile::open(&good.path, text(&good.path)).expect("a good file");
    let contigs = &file.header.contigs;
    for region in REGIONS {
        all_is_read(good, &file, contigs, region);
    }
    if let Some(index) = RegionIndex::beside(&file).expect("it is there") {
        for name in index.contigs() {
            for (first, last) in
                [(1, 1), (1, i32::MAX), (1 << 29, 1 << 29), (i32::MAX - 1, i32::MAX - 1), (70_000, 70_001)]
            {
                for chunk in index.chunks(&name, first, last) {
                    let _ = record_at(&file, chunk.start).expect("a good file");
                }
            }
        }
    }
    std::fs::remove_file(written).expect("the index");
});
