//! Everything else that is read: the records of a plan, a commit and a manifest, tables, indexes, references, lists. The first
//! byte says which file of a good dataset, or beside a good input, is changed, and the second one how.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::sync::OnceLock;
use varbatch_fuzz::edit::{Files, edited, edited_and_named};
use varbatch_fuzz::{files_below, folder, gvcf, put, run, text};

const VCF: &str = "\
##fileformat=VCFv4.3
##contig=<ID=a,length=1000>
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2
a\t10\t.\tA\tC\t.\t.\t.\tGT\t0/1\t./.
a\t20\t.\tG\tT\t.\t.\t.\tGT\t0/0\t1/1
";

/// Datasets of a VCF, of two that are merged, and of gVCFs.
fn good() -> &'static [Files; 3] {
    static GOOD: OnceLock<[Files; 3]> = OnceLock::new();
    GOOD.get_or_init(|| {
        let single = put("good.vcf", VCF.as_bytes());
        let other = put("other.vcf", VCF.replace("s1\ts2", "s3\ts4").as_bytes());
        let first = put("good.g.vcf", gvcf(3).as_bytes());
        let second = put("other.g.vcf", gvcf(3).replace("s1", "s2").as_bytes());
        [vec![&single], vec![&single, &other], vec![&first, &second]].map(|inputs| {
            let dataset = folder().join("good.ds");
            let mut arguments = vec!["call", "-o", text(&dataset), "--quiet", "--force"];
            arguments.extend(inputs.into_iter().map(|input| text(input)));
            assert_eq!(run(&arguments), 0);
            let mut files = files_below(&dataset);
            files.retain(|(name, _)| name != "_plan/lock");
            std::fs::remove_dir_all(&dataset).expect("the dataset");
            files
        })
    })
}

const MANIFEST: &str = "_manifest.json";

fn is_of_protocol(name: &str) -> bool {
    name.starts_with("_commits") || name.starts_with("_plan")
}

/// Writes a dataset in place of the one of the input before.
fn write(files: &Files, keep: impl Fn(&str) -> bool) -> std::path::PathBuf {
    let dataset = folder().join("below/changed.ds");
    let _ = std::fs::remove_dir_all(&dataset);
    for (name, bytes) in files.iter().filter(|(name, _)| keep(name)) {
        put(&format!("below/changed.ds/{name}"), bytes);
    }
    dataset
}

/// One file says something else than the others: `finalize` or `verify` must notice.
fn one_is_changed(good: &Files, index: usize, content: Vec<u8>) {
    let mut files = good.clone();
    let name = files[index].0.clone();
    files[index].1 = content;
    let before = &good.iter().find(|(name, _)| name == MANIFEST).expect("a manifest").1;
    // those of the protocol matter before it is published
    let dataset = write(&files, |name| !is_of_protocol(&files[index].0) || name != MANIFEST);
    run(&["status", text(&dataset)]);
    let code = run(&[if is_of_protocol(&name) { "finalize" } else { "verify" }, text(&dataset)]);
    let published = std::fs::read(dataset.join(MANIFEST)).ok();
    let same = files[index].1 == good[index].1;
    assert!(
        code != 0 || same || (is_of_protocol(&name) && published.as_ref() == Some(before)),
        "{name} was changed and nothing was said"
    );
}

/// All files agree about what was changed: whatever they say, it is read within bounds and writes nowhere else.
fn all_agree(files: &Files, how: u8) {
    match how {
        0 => {
            let dataset = write(files, |_| true);
            run(&["status", text(&dataset)]);
            run(&["verify", text(&dataset)]);
            let out = folder().join("below/out.vcf");
            let _ = std::fs::remove_file(&out);
            run(&["export", text(&dataset), "-o", text(&out)]);
        }
        1 => {
            let dataset = write(files, |name| name != MANIFEST);
            run(&["status", text(&dataset)]);
            run(&["finalize", text(&dataset)]);
        }
        _ => {
            let keep = |name: &str| name.starts_with("_plan") || (how == 3 && name.starts_with("_commits/ingest"));
            let dataset = write(files, keep);
            run(&["work", text(&dataset), "--quiet", "--threads", "1", "--memory", "1G"]);
            run(&["finalize", text(&dataset)]);
        }
    }
    for outside in ["escaped", "below/escaped"] {
        assert!(!folder().join(outside).exists(), "something was written outside of the dataset");
    }
}

/// A file beside the input.
fn beside_input(which: usize, content: &[u8]) {
    let input = put("input.vcf", VCF.as_bytes());
    let out = folder().join("out.ds");
    let _ = std::fs::remove_dir_all(&out);
    let call = ["call", "-o", text(&out), "--quiet", "--threads", "1"];
    let with = |more: &[&str]| {
        run(&[&call[..], more].concat());
    };
    let path = |name: &str| put(name, content);
    match which {
        0 => with(&["--inputs", text(&path("sheet.tsv"))]),
        1 => with(&[text(&input), "-R", text(&path("regions.bed"))]),
        2 => with(&[text(&input), "-f", text(&path("reference.fa"))]),
        _ => {
            put("reference2.fa.fai", content);
            let fasta: &Path = &put("reference2.fa", b">a\nACGTACGTACGTACGTACGTACGTACGT\n");
            with(&[text(&input), "-f", text(fasta)]);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let [which, how, content @ ..] = bytes else { return };
    let mut index = usize::from(*which);
    if index < 4 {
        return beside_input(index, content);
    }
    index -= 4;
    let good = good();
    let n_files: usize = good.iter().map(Vec::len).sum();
    index %= n_files;
    let dataset = good.iter().find(|files| {
        let is_here = index < files.len();
        index -= if is_here { 0 } else { files.len() };
        is_here
    });
    let dataset = dataset.expect("it is below the number of all");
    match how % 8 {
        0 => one_is_changed(dataset, index, content.to_vec()),
        // what the manifest or a commit record says is not said anywhere else
        1 if dataset[index].0.ends_with(".json") && !dataset[index].0.starts_with("_plan") => {}
        1 => one_is_changed(dataset, index, edited(&dataset[index].0, &dataset[index].1, content)),
        how => {
            let mut files = dataset.clone();
            edited_and_named(&mut files, index, content);
            all_agree(&files, how % 4);
        }
    }
});
