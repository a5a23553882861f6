//! Records of a BCF under a header that has fields of every type.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;
use varbatch::decode::bcf::{Dictionary, Form, RecordReader, TextReader, probe_bcf};
use varbatch::decode::header::Header;
use varbatch::store::window::Window;

const HEADER: &str = "\
##fileformat=VCFv4.3
##contig=<ID=a,length=1000>
##contig=<ID=b,length=1000>
##FILTER=<ID=q,Description=\"\">
##INFO=<ID=I,Number=.,Type=Integer,Description=\"\">
##INFO=<ID=F,Number=.,Type=Float,Description=\"\">
##INFO=<ID=S,Number=.,Type=String,Description=\"\">
##INFO=<ID=G,Number=0,Type=Flag,Description=\"\">
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"\">
##FORMAT=<ID=X,Number=1,Type=Float,Description=\"\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2\ts3
";

fn dictionary() -> &'static Dictionary {
    static DICTIONARY: OnceLock<Dictionary> = OnceLock::new();
    DICTIONARY.get_or_init(|| Dictionary::new(&Header::parse(HEADER.as_bytes()).expect("a header")))
}

fuzz_target!(|bytes: &[u8]| {
    let mut text = Vec::new();
    let mut reader = TextReader::new(Box::new(bytes), dictionary());
    let whole = std::io::Read::read_to_end(&mut reader, &mut text).is_ok();
    let mut records = RecordReader::new(bytes, dictionary());
    let mut lines = Vec::new();
    while let Ok(Some((head, samples))) = records.next_record() {
        lines.extend_from_slice(head);
        for sample in 0..samples.n_samples() {
            lines.push(b'\t');
            samples.append_cell(sample, &mut lines);
        }
        lines.push(b'\n');
    }
    assert!(!whole || lines == text, "the two ways to read a record differ");
    // as blocks the bytes are damaged from the first on, or the blocks of the input
    let _ = probe_bcf(&mut Window::from(bytes), Form::Blocks, 1, 0, dictionary());
    if let Ok(mut records) = RecordReader::of_blocks(bytes, 0, dictionary()) {
        while let Ok(Some(_)) = records.next_record() {}
    }
    for from in [1, bytes.len() / 2 + 1] {
        let found = probe_bcf(&mut Window::from(bytes), Form::Raw, from, 0, dictionary());
        if let Ok(Some(found)) = found {
            assert!((from..bytes.len()).contains(&(found.offset as usize)), "a record outside of the bytes");
            let mut records = RecordReader::of_bytes_from(bytes, found.offset, dictionary());
            assert!(records.next_record().is_ok_and(|record| record.is_some()), "no record where one was found");
        }
    }
});
