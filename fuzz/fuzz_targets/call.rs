//! Any file, loaded: it is refused, or gives a dataset that `verify` finds right and `export` can write. A text in blocks that
//! are cut anywhere, read in small shards or as a stream, is taken as the text is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use varbatch_fuzz::{folder, gzip, put, run, text};

/// What became of an input.
#[derive(Debug, PartialEq)]
struct Taken {
    code: u8,
    /// What `export` writes of the dataset, and the accounting of its manifest.
    said: Option<(Vec<u8>, serde_json::Value)>,
}

fn taken(bytes: &[u8], shard_bytes: &str, calls: &str, on_bad_record: &str) -> Taken {
    let input = put("input", bytes);
    let dataset = folder().join("ds");
    let _ = std::fs::remove_dir_all(&dataset);
    let [input, output] = [&input, &dataset].map(|path| text(path));
    let resources = ["--quiet", "--threads", "1", "--memory", "1G", "--shard-size", shard_bytes];
    let settings = ["--calls", calls, "--on-bad-record", on_bad_record];
    let code = run(&[&["call", input, "-o", output][..], &resources, &settings].concat());
    if code != 0 {
        return Taken { code, said: None };
    }
    assert_eq!(run(&["verify", output]), 0);
    let out = folder().join("out.vcf");
    let _ = std::fs::remove_file(&out);
    assert_eq!(run(&["export", output, "-o", text(&out)]), 0);
    let manifest = std::fs::read(dataset.join("_manifest.json")).expect("a manifest");
    let mut manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    // in the order of shards, which are others
    if let Some(rejections) = manifest["accounting"]["rejections"].as_array_mut() {
        rejections.sort_by_cached_key(ToString::to_string);
    }
    // but for the line that names the plan, which is of this form of the input
    let written = std::fs::read(&out).expect("a VCF");
    let lines = written.split_inclusive(|&byte| byte == b'\n').filter(|line| !line.starts_with(b"##varbatch_export="));
    Taken { code, said: Some((lines.collect::<Vec<_>>().concat(), manifest["accounting"].take())) }
}

fuzz_target!(|bytes: &[u8]| {
    let calls = if bytes.len().is_multiple_of(2) { "all" } else { "carriers" };
    let fails = bytes.first() == Some(&0x1f) || bytes.len().is_multiple_of(5);
    let skip = if fails { "fail" } else { "skip" };
    let whole = taken(bytes, "4000", calls, skip);
    if bytes.first() == Some(&b'#') {
        let block_bytes = 1 + bytes.iter().map(|&byte| usize::from(byte)).sum::<usize>() % 400;
        let cut = gzip(bytes, block_bytes, bytes.len() % 3 > 0);
        assert_eq!(whole, taken(&cut, "100", calls, skip), "another result in blocks of {block_bytes} bytes");
    }
});
