//! Text of a VCF: the header, and the strict checks of every line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use varbatch::decode::header::Header;
use varbatch::genome::Contigs;

fuzz_target!(|bytes: &[u8]| {
    let mut n = 0;
    let errors = varbatch::validate::validate(bytes, &mut |_| n += 1).expect("a slice can be read");
    assert!(errors <= n);
    let end = bytes.windows(6).position(|window| window == b"#CHROM").map_or(bytes.len(), |at| {
        bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |offset| at + offset + 1)
    });
    if let Ok(header) = Header::parse(&bytes[..end]) {
        // written out and read again it says the same
        let contigs: &Contigs = &header.contigs;
        let again = Header::parse(header.to_text(contigs, &header.samples).as_bytes()).expect("our own header");
        assert_eq!((&again.infos, &again.formats, &again.samples), (&header.infos, &header.formats, &header.samples));
    }
});
