//! Ranges of `evidence`.

use super::chunk::{Chunk, Spare};
use super::rows_between;
use crate::error::Result;
use crate::evidence::{ContigRows, RecordText, Records};
use crate::store::DataFile;
use crate::store::parquet::pages::PageFile;

/// Appends the records of one contig that overlap `[from, to]` (1-based, inclusive) to `records`.
pub fn read_records(path: &DataFile, rows: &ContigRows, from: i32, to: i32, records: &mut Records) -> Result<()> {
    if from > rows.last_pos || to < rows.first_pos || rows.rows == 0 {
        return Ok(());
    }
    let file = PageFile::open(path)?;
    let look_from = from.saturating_sub(rows.max_span - 1);
    let mut spare = Spare::default();
    for (group, rows) in rows_between(&file, "pos", rows, look_from, to)? {
        append_records(&Chunk { file: &file, group, rows }, (from, to), records, &mut spare)?;
    }
    Ok(())
}

/// Appends the rows of a chunk that overlap a range.
fn append_records(chunk: &Chunk, (from, to): (i32, i32), records: &mut Records, spare: &mut Spare) -> Result<()> {
    let (mut pos, mut end, mut samples) = (Vec::new(), Vec::new(), Vec::new());
    chunk.integers("pos", None, &mut pos, spare)?;
    chunk.integers("end", None, &mut end, spare)?;
    let overlaps = |&row: &u32| pos[row as usize] <= to && end[row as usize] >= from;
    let chosen: Vec<u32> = (0..pos.len() as u32).filter(overlaps).collect();
    if chosen.is_empty() {
        return Ok(());
    }
    chunk.integers("sample_index", Some(&chosen), &mut samples, spare)?;
    let mut texts = |name: &str| chunk.texts(name, &chosen, spare);
    let (id, ref_allele, alt, qual) = (texts("id")?, texts("ref")?, texts("alt")?, texts("qual")?);
    let (filter, info, format) = (texts("filter")?, texts("info")?, texts("format")?);
    let (cell, aligned) = (texts("cell")?, texts("aligned")?);
    for (i, (&row, &sample)) in chosen.iter().zip(&samples).enumerate() {
        let text = RecordText {
            id: id.get(i).unwrap_or(b"."),
            ref_allele: ref_allele.get(i).unwrap_or_default(),
            alt: alt.get(i).unwrap_or_default(),
            qual: qual.get(i).unwrap_or(b"."),
            filter: filter.get(i).unwrap_or_default(),
            info: info.get(i).unwrap_or_default(),
            format: format.get(i).unwrap_or_default(),
            cell: cell.get(i).unwrap_or_default(),
            aligned: aligned.get(i).unwrap_or_default(),
        };
        let sample = u32::try_from(sample).map_err(|_| chunk.file.damaged("a row has no sample"))?;
        records.push(sample, pos[row as usize], end[row as usize], text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::noise::Noise;
    use super::*;
    use crate::evidence::RecordWriter;

    #[test]
    fn the_records_of_a_range_and_no_others() {
        let mut noise = Noise(9);
        let mut rows: Vec<(u32, i32, i32)> = Vec::new();
        let mut pos = 1;
        for _ in 0..50_000 {
            pos += noise.below(5);
            let longest = if noise.below(99) == 0 { 500 } else { 3 };
            rows.push((noise.below(9) as u32, pos, pos + noise.below(longest)));
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("part.parquet");
        let mut writer = RecordWriter::new(std::fs::File::create(&path).expect("a file"), &path).expect("a writer");
        writer.start_contig(3, "chr3").expect("begins");
        let text_of = |pos: i32| format!("{}", pos % 77);
        for &(sample, pos, end) in &rows {
            let (id, cell) = (if pos % 3 == 0 { "rs1" } else { "." }, text_of(pos));
            let text = RecordText {
                id: id.as_bytes(),
                ref_allele: b"A",
                alt: b"C,<NON_REF>",
                qual: b".",
                filter: b"PASS",
                info: b"X",
                format: b"GT",
                cell: cell.as_bytes(),
                aligned: b"7:A:AC,.",
            };
            writer.push(sample, pos, end, text).expect("writes");
        }
        let (written, _) = writer.finish().expect("ends");
        for (from, to) in [(i32::MIN, i32::MAX), (500, 500), (60_000, 61_000), (pos, pos + 5)] {
            let mut found = Records::default();
            read_records(&path.as_path().into(), &written.contigs[0], from, to, &mut found).expect("reads");
            let expected: Vec<_> = rows.iter().copied().filter(|row| row.1 <= to && row.2 >= from).collect();
            let got: Vec<_> = (0..found.len()).map(|i| (found.sample[i], found.pos[i], found.end[i])).collect();
            assert!(got == expected, "{from}-{to}: {} rows, expected {}", got.len(), expected.len());
            for i in 0..found.len() {
                let text = found.text(i);
                let id: &[u8] = if found.pos[i] % 3 == 0 { b"rs1" } else { b"." };
                assert_eq!((text.id, text.qual, text.alt), (id, &b"."[..], &b"C,<NON_REF>"[..]));
                assert_eq!(text.cell, text_of(found.pos[i]).as_bytes());
            }
        }
    }
}
