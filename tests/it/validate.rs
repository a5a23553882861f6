//! `validate`: the specification's own test suite, what a finding looks like, and `call --strict`.

use super::common::*;
use super::inputs::{bgzf, gzip};
use std::path::Path;

/// Files of the suite of a kind, as paths.
fn suite(kind: &str) -> Vec<std::path::PathBuf> {
    let Some(root) = data("conformance/hts-specs-vcf") else { return Vec::new() };
    let files = files_below(&root).into_iter().filter(|path| path.to_string_lossy().contains(kind));
    files.map(|path| root.join(path)).collect()
}

fn validate(path: &Path, more: &[&str]) -> Finished {
    varbatch(&[&["validate", path.to_str().expect("UTF-8")], more].concat())
}

fn errors(stdout: &str) -> Vec<&str> {
    stdout.lines().filter(|line| line.contains(": error: ")).collect()
}

#[test]
fn all_valid_files_of_the_specification_are_valid() {
    let files = suite("/passed/");
    for file in &files {
        let done = validate(file, &[]);
        assert_eq!(done.code, 0, "{}\n{}", file.display(), done.stdout);
    }
    assert!(files.is_empty() || files.len() == 47);
}

/// What the suite says is wrong with a file, and the rule that must find it.
const REASONS: &[(&str, &str)] = &[
    ("ALT has a whitespace", "alt"),
    ("Symbolic ALT", "alt"),
    ("Breakend without bases", "alt"),
    ("non-contiguous", "contiguous"),
    ("duplicated variant", "duplicate"),
    ("triplicated variant", "duplicate"),
    ("FILTER ", "filter"),
    ("FORMAT contains", "format"),
    ("FORMAT starts", "format"),
    ("FORMAT predefined tag GT", "genotype"),
    ("ID has a whitespace", "id"),
    ("INFO contains", "info"),
    ("INFO H2 value is not a flag", "info"),
    ("is a negative number", "range"),
    ("INFO integer", "type"),
    ("is a floating point number", "type"),
    ("is not a number", "type"),
    ("match Number definition", "number"),
    ("match Type definition", "type"),
    ("cardinality in PL", "number"),
    ("no newline", "last-line"),
    ("Position is not", "pos"),
    ("QUAL is a negative", "qual"),
    ("REF", "ref"),
    ("Sample allele is out of range", "genotype"),
    ("not a valid genotype", "genotype"),
    ("more fields than the FORMAT", "sample"),
    ("Sample names are not unique", "columns"),
    ("non-sorted", "sorted"),
    ("Empty fileformat", "fileformat"),
    ("Number is not", "reserved-key"),
    ("Type is not", "reserved-key"),
    ("Incorrect order", "meta-order"),
    ("Type value", "meta-field"),
    ("Number value", "meta-field"),
    ("Description must", "description"),
    ("Non-valid URL", "assembly"),
    ("contig ID", "contig-name"),
    ("ALT ID contains an opening", "meta-alt"),
    ("Genome ID", "pedigree"),
    ("Value with", "pedigree"),
    ("Genomes field missing", "meta-sample"),
    ("SAMPLE ID contains illegal", "meta-sample"),
];

/// Whether one of the rules found is that of the reason. Where a line is not of the form of a list, that is what is said.
fn is_right(reason: &str, found: &[&str]) -> bool {
    let ends_with = |rule: &str| found.iter().any(|line| line.contains(&format!(" [{rule}, VCFv4.")));
    let known = REASONS.iter().find(|(words, _)| reason.contains(words)).map(|(_, rule)| *rule);
    let of_range = reason.contains("is a negative number") && known == Some("range");
    match known {
        Some("range") if of_range && reason.contains("QUAL") => ends_with("qual"),
        Some(rule) if ends_with(rule) => true,
        // a Type or Number that does not exist, or no list, or a URL
        _ => ["meta-form", "meta-field", "assembly", "pedigree"].iter().any(|rule| ends_with(rule)),
    }
}

#[test]
fn invalid_files_of_the_specification_are_refused_for_the_right_reason() {
    let files = suite("/failed/");
    let mut missed = Vec::new();
    for file in &files {
        let done = validate(file, &[]);
        let text = String::from_utf8_lossy(&std::fs::read(file).expect("a file")).into_owned();
        let reason = text.lines().find_map(|line| line.strip_prefix("##CauseOfFailure=")).unwrap_or_default();
        let found = errors(&done.stdout);
        let right = reason.is_empty() || is_right(reason, &found);
        if done.code != 65 || found.is_empty() || !right {
            missed.push(format!("{}: {reason}: exit {}: {found:?}", file.display(), done.code));
        }
    }
    eprintln!("{} of {} invalid files are refused for the right reason", files.len() - missed.len(), files.len());
    assert!(files.is_empty() || files.len() == 375);
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

const SMALL: &str = "\
##fileformat=VCFv4.3
##contig=<ID=1,length=1000>
##INFO=<ID=AC,Number=A,Type=Integer,Description=\"x\">
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb
1\t10\t.\tA\tC\t.\tPASS\tAC=1\tGT\t0/0\t0/1
1\t20\t.\tA\tC\t.\tPASS\tAC=1,2\tGT\t0/0\t0/2
1\t30\t.\tA\tC\t.\tq10\tAC=-3\tGT\t0/0\t0/1
";

#[test]
fn findings_have_a_place_and_a_section() {
    let folder = temp();
    let path = write(folder.path(), "small.vcf", SMALL);
    let done = validate(&path, &[]).expect(65);
    let name = path.display();
    let expected = format!(
        "{name}:7:22: error: INFO/AC has 2 values, expected 1 (Number=A, Type=Integer) [number, VCFv4.3 § 1.6.1.8]\n\
         {name}:7:33: error: GT `0/2` names an allele that is not there: ALT has 1 [genotype, VCFv4.3 § 1.6.2]\n\
         {name}:8:14: warning: the header does not define the filter `q10` [undefined-filter, VCFv4.3 § 1.4.3]\n\
         {name}:8:21: error: INFO/AC is `-3`, which is below zero [range, VCFv4.3 § 1.6.1.8]\n"
    );
    assert_eq!(done.stdout, expected);
    assert!(done.stderr.contains("not valid: 3 errors, 1 warning"), "{}", done.stderr);
    let json = validate(&path, &["--format", "json", "--limit", "1"]).expect(65);
    let found: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(found.len(), 4);
    assert_eq!((&found[0]["line"], &found[0]["column"]), (&7.into(), &22.into()));
    assert_eq!((&found[2]["severity"], &found[2]["rule"]), (&"warning".into(), &"undefined-filter".into()));
}

/// The same findings whatever the file is packed in; a BCF cannot hold some of them.
#[test]
fn every_kind_of_file() {
    let folder = temp();
    let plain = write(folder.path(), "small.vcf", SMALL);
    let text = std::fs::read(&plain).expect("a file");
    let expected = errors(&validate(&plain, &[]).stdout).len();
    for (name, bytes) in [("a.vcf.gz", bgzf(&text)), ("b.vcf.gz", gzip(&text))] {
        let path = write(folder.path(), name, bytes);
        assert_eq!(errors(&validate(&path, &[]).expect(65).stdout).len(), expected, "{name}");
    }
    let cut = write(folder.path(), "cut.vcf.gz", &bgzf(&text)[..60]);
    assert!(validate(&cut, &[]).expect(65).stderr.contains("cut.vcf.gz"));
    validate(&folder.path().join("none.vcf"), &[]).expect(66);
}

#[test]
fn strict_calls_refuse_what_others_tolerate() {
    let folder = temp();
    let tolerated = SMALL.replace("AC=1,2", "AC=1").replace("0/2", "0/1").replace("AC=-3", "AC=-1");
    let path = write(folder.path(), "x.vcf", tolerated);
    let dataset = folder.path().join("x.ds");
    let arguments = ["call", path.to_str().expect("UTF-8"), "-o", dataset.to_str().expect("UTF-8")];
    let refused = varbatch(&[&arguments[..], &["--strict"]].concat()).expect(65);
    assert!(refused.stderr.contains("x.vcf:8: INFO/AC is `-1`") && refused.stderr.contains("the first of 1 error"));
    assert!(!is_published(&dataset));
    varbatch(&arguments).expect(0);
}
