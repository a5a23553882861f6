//! Files that are joined to a dataset: lines of BED, GFF3 and GTF by themselves; and any file as a source of `annotate`, as regions
//! of `call`, and as sets of `burden`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use varbatch::decode::intervals::{Form, Line, Recogniser, attributes};
use varbatch::genome::{Contig, Contigs};
use varbatch::plan::region::Regions;
use varbatch_fuzz::{files_below, folder, put, run, text};

const VCF: &str = "\
##fileformat=VCFv4.3
##contig=<ID=a,length=1000>
##contig=<ID=b,length=1000>
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2\ts3\ts4
a\t10\t.\tA\tC\t.\t.\t.\tGT\t0/1\t./.\t0/0\t1/1
a\t20\t.\tG\tT,GA\t.\t.\t.\tGT\t0/0\t1/2\t0/1\t0/0
b\t5\t.\tGTT\tG\t.\t.\t.\tGT\t0/0\t0/1\t0/0\t0/1
";
const TRAITS: &str = "IID\tt\ns1\t1.5\ns2\t-0.3\ns3\t0.4\ns4\t2.5\n";

/// A dataset, and the phenotypes of its samples.
fn good() -> &'static (PathBuf, PathBuf) {
    static GOOD: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    GOOD.get_or_init(|| {
        let (input, dataset) = (put("good.vcf", VCF.as_bytes()), folder().join("good.ds"));
        assert_eq!(run(&["call", text(&input), "-o", text(&dataset), "--quiet"]), 0);
        (dataset, put("traits.tsv", TRAITS.as_bytes()))
    })
}

fn lines(bytes: &[u8]) {
    for line in bytes.split(|&byte| byte == b'\n') {
        let read = Line::of_bytes(line);
        assert_eq!(read.is_ok(), std::str::from_utf8(line).is_ok(), "text in UTF-8 is a line, and nothing else");
        let Ok(Line::Data(line)) = read else { continue };
        for form in [Form::Bed, Form::Gff] {
            let Ok(interval) = form.interval(line) else { continue };
            assert!(interval.first >= 1 && interval.last >= interval.first - 1 && !interval.fields.is_empty());
            for (key, _) in interval.attributes() {
                assert!(line.contains(key));
            }
        }
        assert!(attributes(line).count() <= line.len());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let whole = Recogniser::of_text(text);
    let mut recogniser = Recogniser::default();
    for line in text.lines() {
        recogniser.see(line);
    }
    assert_eq!(recogniser.finish(), whole, "the first line with data decides");
    let contigs = ["a", "b"].map(|name| Contig { name: name.into(), length: None });
    if let Ok(regions) = Regions::parse_bed(text, &Contigs::from_list(contigs)) {
        let list: Vec<_> = regions.iter().collect();
        assert!(!list.is_empty() && list.iter().all(|(_, first, last)| 1 <= *first && first <= last));
        assert!(list.windows(2).all(|pair| pair[0].0 < pair[1].0 || pair[0].2 < pair[1].1 - 1), "{list:?}");
    }
}

/// A copy of the dataset for a command that writes into it.
fn copy(dataset: &Path) -> PathBuf {
    let copied = folder().join("copy.ds");
    let _ = std::fs::remove_dir_all(&copied);
    for (name, bytes) in files_below(dataset) {
        put(&format!("copy.ds/{name}"), &bytes);
    }
    copied
}

fuzz_target!(|bytes: &[u8]| {
    lines(bytes);
    let (dataset, traits) = good();
    let source = put("source", bytes);
    match bytes.len() % 8 {
        0 | 1 => {
            let dataset = copy(dataset);
            let skip = if bytes.len().is_multiple_of(3) { "skip" } else { "fail" };
            run(&["annotate", text(&dataset), "--from", text(&source), "--on-bad-record", skip, "--threads", "1"]);
            assert_eq!(run(&["verify", text(&dataset)]), 0, "a source made a dataset wrong");
        }
        2 => {
            let out = folder().join("out.ds");
            let _ = std::fs::remove_dir_all(&out);
            let input = folder().join("good.vcf");
            run(&["call", text(&input), "-R", text(&source), "-o", text(&out), "--quiet", "--threads", "1"]);
        }
        3 => {
            let dataset = copy(dataset);
            run(&["burden", text(&dataset), "--pheno", text(traits), "--sets", text(&source), "--threads", "1"]);
        }
        _ => {}
    }
});
