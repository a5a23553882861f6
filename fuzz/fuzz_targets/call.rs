//! Any file, loaded: it is refused, or gives a dataset that `verify` finds right and `export` can write.
#![no_main]

use libfuzzer_sys::fuzz_target;
use varbatch_fuzz::{folder, put, run, text};

fuzz_target!(|bytes: &[u8]| {
    let input = put("input", bytes);
    let dataset = folder().join("ds");
    let _ = std::fs::remove_dir_all(&dataset);
    let calls = if bytes.len().is_multiple_of(2) { "all" } else { "carriers" };
    let skip = if bytes.first() == Some(&0x1f) { "fail" } else { "skip" };
    let arguments = [
        "call",
        text(&input),
        "-o",
        text(&dataset),
        "--quiet",
        "--threads",
        "1",
        "--memory",
        "1G",
        "--shard-size",
        "4000",
        "--calls",
        calls,
        "--on-bad-record",
        skip,
    ];
    if run(&arguments) == 0 {
        assert_eq!(run(&["verify", text(&dataset)]), 0);
        let out = folder().join("out.vcf");
        let _ = std::fs::remove_file(&out);
        assert_eq!(run(&["export", text(&dataset), "-o", text(&out)]), 0);
    }
});
