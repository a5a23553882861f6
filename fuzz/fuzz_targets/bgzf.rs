//! BGZF blocks at any place of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use varbatch::decode::bgzf::{Inflater, block_size};
use varbatch::decode::stream::Pieces;
use varbatch::genome::{Contig, Contigs};

fuzz_target!(|bytes: &[u8]| {
    let mut inflater = Inflater::default();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() && block_size(bytes, at).is_some() {
        match inflater.append_block(bytes, at, &mut out) {
            Ok(next) => {
                assert!(next > at);
                at = next;
            }
            Err(_) => break,
        }
    }
    // what came out, or else the bytes, as a stream that is cut into pieces
    let text = if out.is_empty() { bytes } else { &out[..] };
    let contigs = Contigs::from_list(["a", "b"].map(|name| Contig { name: name.into(), length: None }));
    let mut pieces = Pieces::new(Box::new(text), None, &contigs, 64, 10);
    while let Ok(Some(_)) = pieces.next_piece() {}
});
