//! Sample columns: the first byte says how many samples, the second which FORMAT.
#![no_main]

use libfuzzer_sys::fuzz_target;
use varbatch::decode::samples::SampleColumns;
use varbatch::decode::vcf::{RecordIndex, info_entries, parse_f64, parse_i32};
use varbatch::genome::genotype::GtTable;

fuzz_target!(|bytes: &[u8]| {
    let [n, format, text @ ..] = bytes else { return };
    let (n_samples, n_slots) = (usize::from(*n), usize::from(format & 7) + 1);
    let gt_slot = (format & 8 == 0).then_some(0);
    let mut table = GtTable::default();
    let mut columns = SampleColumns::default();
    // twice: buffers are used again
    for _ in 0..2 {
        if columns.read(text, n_samples, gt_slot, n_slots, &mut table).is_ok() {
            assert_eq!(columns.not_reference.len(), columns.codes.len());
            assert!(columns.not_reference.iter().all(|&sample| (sample as usize) < n_samples));
        }
    }
    if let Ok(index) = RecordIndex::new(text) {
        let view = index.view(text);
        let _ =
            (view.vcf_pos(), view.n_alts(), view.info_value(b"END"), parse_f64(view.qual()), parse_i32(view.qual()));
        assert!(info_entries(view.info()).count() <= text.len());
    }
});
