//! Evidence of gVCFs, whose pages are decoded by us: a good part with some of its bytes changed. Three bytes of the input are a place
//! (a share of the file) and what is put there; the first one says which of the two tables.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;
use std::sync::OnceLock;
use varbatch::evidence::{Blocks, ContigRows, Records, contig_rows, read_blocks, read_records};
use varbatch_fuzz::{folder, put, run, text};

/// A table of a good dataset: its bytes, and where the rows of each contig are.
type Part = (Vec<u8>, Vec<ContigRows>);

fn gvcf() -> String {
    let mut lines = String::from(
        "##fileformat=VCFv4.2\n##contig=<ID=a,length=100000>\n##ALT=<ID=NON_REF,Description=\"\">\n\
##INFO=<ID=END,Number=1,Type=Integer,Description=\"\">\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"\">\n##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"\">\n\
##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description=\"\">\n##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"\">\n\
##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"\">\n\
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\n",
    );
    for i in 0..200 {
        let pos = 1 + i * 40;
        lines += &format!(
            "a\t{pos}\t.\tA\t<NON_REF>\t.\t.\tEND={}\tGT:DP:GQ:MIN_DP:PL\t0/0:{}:{}:9:0,{},300\n",
            pos + 38,
            10 + i % 30,
            i % 99,
            i % 99
        );
        lines += &format!(
            "a\t{}\t.\tC\tG,<NON_REF>\t50\t.\t.\tGT:AD:DP:GQ:PL\t0/1:9,9,0:18:99:99,0,99,120,110,200\n",
            pos + 39
        );
    }
    lines
}

fn good() -> &'static [Part; 2] {
    static GOOD: OnceLock<[Part; 2]> = OnceLock::new();
    GOOD.get_or_init(|| {
        let dataset = folder().join("joint.ds");
        let input = put("good.g.vcf", gvcf().as_bytes());
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
