//! `call` then `export` gives the input back, for every file of the cohort, edge and norm folders.
//!
//! Two comparisons, each of parsed values: the joined export with the input itself, and the split export with
//! `bcftools norm -m-` of the input. What differs must be exactly the table `tests/cases/roundtrip.tsv`, where each
//! line has its reason; a line too many there fails as well.

use super::common::*;
use super::vcf::{self, Header, Record};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const KNOWN: &str = include_str!("../cases/roundtrip.tsv");
const FOLDERS: [&str; 3] = ["cohort", "edge", "norm"];

/// `(file, comparison, what) -> how often`.
type Differences = BTreeMap<(String, String, String), usize>;

fn variant_files(root: &Path) -> Vec<String> {
    let is_variant_file = |name: &str| [".vcf", ".vcf.gz", ".vcf.bgz", ".bcf"].iter().any(|end| name.ends_with(end));
    let mut names: Vec<String> = FOLDERS
        .iter()
        .flat_map(|folder| files_below(&root.join(folder)).into_iter().map(move |path| Path::new(folder).join(path)))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    names.retain(|name| is_variant_file(name));
    names
}

#[test]
fn call_and_export_give_the_input_back() {
    let Some(root) = data_root().or_else(|| data("cohort")) else { return };
    if !tool("bcftools") {
        return;
    }
    let names = variant_files(&root);
    let all = Mutex::new(Differences::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = round_trip(&root.join(name), name);
                    all.lock().expect("no panic elsewhere").extend(found);
                }
            });
        }
    });
    let found = all.into_inner().expect("no panic");
    assert!(names.len() > 330, "only {} files", names.len());
    compare_with_known(&found);
}

/// The observed table must be the known one.
fn compare_with_known(found: &Differences) {
    let mut known = Differences::new();
    for line in KNOWN.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        assert!(fields.len() == 5 && !fields[4].is_empty(), "tests/cases/roundtrip.tsv: {line}");
        let key = (fields[0].to_string(), fields[1].to_string(), fields[2].to_string());
        known.insert(key, fields[3].parse().expect("a count"));
    }
    let mut report = String::new();
    for (key, count) in found.iter().filter(|(key, count)| known.get(*key) != Some(*count)) {
        report += &format!("new:  {}\t{}\t{}\t{count}\n", key.0, key.1, key.2);
    }
    for (key, count) in known.iter().filter(|(key, count)| found.get(*key) != Some(*count)) {
        report += &format!("gone: {}\t{}\t{}\t{count}\n", key.0, key.1, key.2);
    }
    if let (false, Some(path)) = (report.is_empty(), std::env::var_os("VARBATCH_ROUNDTRIP_OUT")) {
        let lines = found.iter().map(|(key, count)| format!("{}\t{}\t{}\t{count}\n", key.0, key.1, key.2));
        std::fs::write(path, lines.collect::<String>()).expect("write the differences");
    }
    assert!(report.is_empty(), "differences that are not as in tests/cases/roundtrip.tsv:\n{report}");
}

fn round_trip(input: &Path, name: &str) -> Differences {
    let mut found = Differences::new();
    let mut add = |comparison: &str, what: String, n: usize| {
        *found.entry((name.to_string(), comparison.to_string(), what)).or_default() += n;
    };
    let folder = temp();
    let dataset = folder.path().join("ds");
    let done = call_any(&[input], &dataset, &["--calls", "all", "--joint", "no"]);
    if done.code != 0 {
        add("call", format!("exit {}: {}", done.code, message(&done.stderr)), 1);
        // A record that breaks the format can be set aside; the others must come back all the same.
        let skip = call_any(&[input], &dataset, &["--calls", "all", "--joint", "no", "--on-bad-record", "skip"]);
        if done.code != 65 || skip.code != 0 {
            add("skip", format!("exit {}", skip.code), 1);
            return found;
        }
        let rejected = manifest(&dataset)["accounting"]["records_rejected"].as_u64().expect("a count");
        add("skip", "records set aside".into(), rejected as usize);
    }
    let (joined, split) = (folder.path().join("joined.vcf"), folder.path().join("split.vcf"));
    for (path, extra) in [(&joined, &[][..]), (&split, &["--split"][..])] {
        let mut command = Command::new(binary());
        let done = finish(command.arg("export").arg(&dataset).arg("-o").arg(path).args(extra));
        if done.code != 0 {
            add("export", format!("exit {}: {}", done.code, message(&done.stderr)), 1);
            return found;
        }
    }
    // A BCF has 32-bit floats, and bcftools prints them with six digits.
    let relative = if is_bcf(input) { 1e-5 } else { 0.0 };
    compare_files(&vcf::read(input), &vcf::read(&joined), relative, |what| add("joined", what, 1));
    match bcftools_split(input) {
        Ok(expected) => {
            let found = trimmed(vcf::read(&split));
            compare_files(&trimmed(expected), &found, 1e-5, |what| add("split", what, 1));
        }
        Err(_) => add("split", "bcftools norm cannot read or write this file; compared with the input alone".into(), 1),
    }
    found
}

/// The text of the error without `error:` and the place.
fn message(stderr: &str) -> String {
    let line = error_lines(stderr).first().copied().unwrap_or("no message").trim_start_matches("error: ");
    let start = match line.find("): ") {
        Some(at) => at + 3,
        None => line.find(": ").map_or(0, |at| at + 2),
    };
    line[start..].replace('\t', " ")
}

fn is_bcf(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "bcf")
}

fn bcftools_split(input: &Path) -> Result<vcf::File, String> {
    let output = Command::new("bcftools").args(["norm", "--no-version", "-m-"]).arg(input).output().expect("bcftools");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(vcf::parse(&String::from_utf8_lossy(&output.stdout)))
}

/// A dataset has minimal alleles; bcftools without a reference leaves them as they are.
pub fn trimmed(mut file: vcf::File) -> vcf::File {
    file.records = file.records.iter().map(Record::trimmed).collect();
    file
}

/// Compares records paired by site; each difference is named once a record and field.
pub fn compare_files(expected: &vcf::File, found: &vcf::File, relative: f64, mut add: impl FnMut(String)) {
    if expected.header.samples != found.header.samples {
        add("samples of the header".into());
    }
    let mut pairs: BTreeMap<String, (Vec<&Record>, Vec<&Record>)> = BTreeMap::new();
    for record in &expected.records {
        pairs.entry(site(record)).or_default().0.push(record);
    }
    for record in &found.records {
        pairs.entry(site(record)).or_default().1.push(record);
    }
    for (_, (mut from, mut to)) in pairs {
        for _ in to.len()..from.len() {
            add("record lost".into());
        }
        for _ in from.len()..to.len() {
            add("record added".into());
        }
        // Records of one site keep their order, but a file need not be sorted: pair the equal ones first.
        pair_equal(&mut from, &mut to, (&expected.header, &found.header), relative);
        for (a, b) in from.iter().zip(&to) {
            let (a, b) = (vcf::canonical(a, &expected.header), vcf::canonical(b, &expected.header));
            compare_fields(&a, &b, relative).into_iter().for_each(&mut add);
        }
    }
}

fn site(record: &Record) -> String {
    format!("{}\t{}\t{}\t{}", record.contig, record.pos, record.ref_allele, record.alt)
}

/// Takes out of both lists the records that are equal.
fn pair_equal(from: &mut Vec<&Record>, to: &mut Vec<&Record>, headers: (&Header, &Header), relative: f64) {
    from.retain(|a| {
        if let Some(at) = to.iter().position(|b| a == b) {
            to.remove(at);
            return false;
        }
        let a = vcf::canonical(a, headers.0);
        let equal = to.iter().position(|b| compare_fields(&a, &vcf::canonical(b, headers.0), relative).is_empty());
        equal.map(|at| to.remove(at)).is_none()
    });
}

/// Names of the fields that differ; the samples of a FORMAT field count once.
fn compare_fields(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>, relative: f64) -> Vec<String> {
    let mut differing: Vec<String> = a
        .keys()
        .chain(b.keys())
        .filter(|key| match (a.get(*key), b.get(*key)) {
            (Some(x), Some(y)) => !vcf::same(x, y, relative),
            _ => true,
        })
        .map(|key| {
            let name = key.split('\t').next().expect("a name");
            let what = match (a.contains_key(key), b.contains_key(key)) {
                (true, true) => "differs",
                (true, false) => "lost",
                _ => "added",
            };
            format!("{name} {what}")
        })
        .collect();
    differing.sort();
    differing.dedup();
    differing
}

/// BCF out, VCF.gz out and VCF out of one dataset are one file in three forms, the compressed ones with an index.
#[test]
fn export_writes_vcf_and_bcf_with_an_index() {
    if !tool("bcftools") {
        return;
    }
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[super::cli::small()], &dataset, &["--calls", "all", "--joint", "no"]);
    let plain = folder.path().join("out.vcf");
    export(&dataset, &plain, &[]);
    let expected = vcf::read(&plain);
    for (name, indexes) in [("out.vcf.gz", [".tbi", ".csi"]), ("out.bcf", [".csi", ".csi"])] {
        let path = folder.path().join(name);
        export(&dataset, &path, &[]);
        let index = |end: &str| PathBuf::from(format!("{}{end}", path.display())).exists();
        assert!(indexes.iter().any(|end| index(end)), "{name} has no index");
        compare_files(&expected, &vcf::read(&path), 1e-6, |what| panic!("{name}: {what}"));
        let done = finish(Command::new("bcftools").args(["view", "-H", "-r", "chrA:105-120"]).arg(&path));
        assert_eq!((done.code, done.stdout.lines().count()), (0, 2), "{name}: {}", done.stderr);
    }
}

/// The default (carriers and missing calls) loses no genotype: what is not in the table is 0/0.
#[test]
fn carriers_are_enough_for_genotypes() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[super::cli::small()], &dataset, &[]);
    let out = folder.path().join("out.vcf");
    export(&dataset, &out, &[]);
    let (input, output) = (vcf::read(&super::cli::small()), vcf::read(&out));
    assert_eq!(input.records.len(), output.records.len());
    for (a, b) in input.records.iter().zip(&output.records) {
        assert_eq!(site(a), site(b));
        for (x, y) in a.samples().zip(b.samples()) {
            let gt = |call: &str| call.split(':').next().expect("GT").to_string();
            let is_reference = gt(x).chars().all(|c| matches!(c, '0' | '/' | '|'));
            let plain = |text: String| if is_reference { text.replace('|', "/") } else { text };
            assert_eq!(plain(gt(x)).starts_with('0'), plain(gt(y)).starts_with('0'), "{}", site(a));
            if !is_reference {
                assert_eq!(gt(x), gt(y), "{}", site(a));
            }
        }
    }
}
