//! Everything else that is read: the records of a plan, a commit and a manifest, indexes, references, lists. The first byte says
//! which file of a good dataset, or beside a good input, has the rest of the bytes as its content.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use varbatch_fuzz::{folder, put, run, text};

const VCF: &str = "\
##fileformat=VCFv4.3
##contig=<ID=a,length=1000>
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2
a\t10\t.\tA\tC\t.\t.\t.\tGT\t0/1\t./.
a\t20\t.\tG\tT\t.\t.\t.\tGT\t0/0\t1/1
";

/// The good dataset and the files of it that are replaced in turn.
fn good() -> &'static (PathBuf, Vec<PathBuf>) {
    static GOOD: OnceLock<(PathBuf, Vec<PathBuf>)> = OnceLock::new();
    GOOD.get_or_init(|| {
        let dataset = folder().join("good.ds");
        let input = put("good.vcf", VCF.as_bytes());
        assert_eq!(run(&["call", text(&input), "-o", text(&dataset), "--quiet"]), 0);
        let mut files = Vec::new();
        let mut folders = vec![dataset.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        (dataset, files)
    })
}

/// The dataset with another content of one of its files. Those of the protocol matter before it is published.
fn replaced(dataset: &Path, file: &Path, content: &[u8]) {
    let manifest = dataset.join("_manifest.json");
    let before = [file, &manifest].map(|path| std::fs::read(path).expect("a file"));
    let is_of_protocol =
        file.strip_prefix(dataset).is_ok_and(|name| name.starts_with("_commits") || name.starts_with("_plan"));
    if is_of_protocol {
        std::fs::remove_file(&manifest).expect("the manifest");
    }
    std::fs::write(file, content).expect("a file");
    run(&["status", text(dataset)]);
    let code = if is_of_protocol { run(&["finalize", text(dataset)]) } else { run(&["verify", text(dataset)]) };
    let published = std::fs::read(&manifest).ok();
    assert!(
        code != 0 || content == before[0] || (is_of_protocol && published.as_ref() == Some(&before[1])),
        "{} was changed and nothing was said",
        file.display()
    );
    std::fs::write(file, &before[0]).expect("a file");
    std::fs::write(&manifest, &before[1]).expect("a file");
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, content)) = bytes.split_first() else { return };
    let (dataset, files) = good();
    let which = usize::from(*which) % (files.len() + 4);
    if let Some(file) = files.get(which) {
        return replaced(dataset, file, content);
    }
    let input = put("input.vcf", VCF.as_bytes());
    let out = folder().join("out.ds");
    let _ = std::fs::remove_dir_all(&out);
    let call = ["call", "-o", text(&out), "--quiet", "--threads", "1"];
    match which - files.len() {
        0 => drop(run(&[&call[..], &["--inputs", text(&put("sheet.tsv", content))]].concat())),
        1 => drop(run(&[&call[..], &[text(&input), "-R", text(&put("regions.bed", content))]].concat())),
        2 => drop(run(&[&call[..], &[text(&input), "-f", text(&put("reference.fa", content))]].concat())),
        _ => {
            put("reference2.fa.fai", content);
            let fasta = put("reference2.fa", b">a\nACGTACGTACGTACGTACGTACGTACGT\n");
            run(&[&call[..], &[text(&input), "-f", text(&fasta)]].concat());
        }
    };
});
