//! Evidence of gVCFs, whose pages are decoded by us: a good part with some of its bytes changed. Three bytes of the input are a place
//! (a share of the file) and what is put there; the first one says which of the two tables.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::OnceLock;
use varbatch::evidence::{Blocks, ContigRows, Records, contig_rows, read_blocks, read_records};
use varbatch_fuzz::{folder, gvcf, put, run, text};

/// A table of a good dataset: its bytes, and where the rows of each contig are.
type Part = (Vec<u8>, Vec<ContigRows>);

fn good() -> &'static [Part; 2] {
    static GOOD: OnceLock<[Part; 2]> = OnceLock::new();
    GOOD.get_or_init(|| {
        let dataset = folder().join("joint.ds");
        let input = put("good.g.vcf", gvcf(200).as_bytes());
        assert_eq!(run(&["call", text(&input), "-o", text(&dataset), "--quiet", "--joint", "yes"]), 0);
        ["ref_blocks", "evidence"].map(|table| {
            let path: PathBuf = dataset.join(format!("{table}/part-000000000000.parquet"));
            let rows = contig_rows(&path.as_path().into()).expect("a part");
            (std::fs::read(&path).expect("a part"), rows)
        })
    })
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, changes)) = bytes.split_first() else { return };
    let which = usize::from(which % 2);
    let (part, rows) = &good()[which];
    let mut changed = part.clone();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) * changed.len() >> 16;
        changed[at] = change[2];
    }
    let path = put("changed.parquet", &changed).as_path().into();
    let _ = contig_rows(&path);
    for rows in rows {
        if which == 0 {
            let sites: Vec<i32> = (1..8_000).step_by(37).collect();
            let mut blocks = Blocks::default();
            let read = read_blocks(&path, rows, &sites, &mut blocks);
            assert!(read.is_err() || blocks.start.len() == blocks.len(), "columns of different lengths");
        } else {
            let _ = read_records(&path, rows, 1, 9_000, &mut Records::default());
        }
    }
});
