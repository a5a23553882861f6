//! Files of the specification's own test suite, and the odd but legal ones: no samples, no records, mixed ploidy.

use super::cli::small;
use super::common::*;
use super::tables;
use std::path::PathBuf;

/// Every file below `folder` of the real data whose path contains `part`.
fn cases(folder: &str, part: &str) -> Vec<PathBuf> {
    let Some(root) = data(folder) else { return Vec::new() };
    let files = files_below(&root).into_iter().filter(|path| path.to_string_lossy().contains(part));
    files.map(|path| root.join(path)).collect()
}

#[test]
fn all_valid_files_of_the_specification_are_accepted() {
    let files = cases("conformance/hts-specs-vcf", "/passed/");
    if files.is_empty() {
        return;
    }
    assert_eq!(files.len(), 47);
    let folder = temp();
    let mut refused = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let done = call_any(&[file], &folder.path().join(at.to_string()), &[]);
        if done.code != 0 {
            refused.push(format!("{}: exit {}: {}", file.display(), done.code, done.stderr));
        }
    }
    assert!(refused.is_empty(), "{} of 47 refused:\n{}", refused.len(), refused.join("\n"));
}

#[test]
fn the_examples_of_the_specification_are_accepted() {
    let folder = temp();
    for (at, file) in cases("conformance/hts-specs-examples", ".vcf").iter().enumerate() {
        call(&[file], &folder.path().join(at.to_string()), &["--calls", "all"]);
    }
}

/// An invalid file may be accepted (htslib takes most of them), but it may not end in a crash or leave half a dataset.
#[test]
fn invalid_files_end_in_order() {
    let folder = temp();
    let files = cases("conformance/hts-specs-vcf", "/failed/");
    let mut refused = 0;
    for (at, file) in files.iter().enumerate() {
        let dataset = folder.path().join(at.to_string());
        let done = call_any(&[file], &dataset, &[]);
        assert!(matches!(done.code, 0 | 65), "{}: exit {}: {}", file.display(), done.code, done.stderr);
        assert_eq!(is_published(&dataset), done.code == 0, "{}", file.display());
        if done.code == 65 {
            refused += 1;
            let errors = error_lines(&done.stderr);
            assert_eq!(errors.len(), 1, "{}: {}", file.display(), done.stderr);
        }
    }
    eprintln!("{refused} of {} invalid files were refused", files.len());
    assert!(files.is_empty() || refused > files.len() / 8, "only {refused} of {} refused", files.len());
}

#[test]
fn a_header_without_records_is_an_empty_dataset() {
    let folder = temp();
    let text = std::fs::read_to_string(small()).expect("small.vcf");
    let header: String = text.lines().filter(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let input = write(folder.path(), "header.vcf", header);
    let dataset = folder.path().join("ds");
    call(&[&input], &dataset, &[]);
    let manifest = manifest(&dataset);
    assert_eq!((&manifest["n_samples"], &manifest["accounting"]["records_read"]), (&4.into(), &0.into()));
    let samples = tables::read(&dataset, "samples", &["sample", "n_called", "call_rate"]);
    let expected: Vec<[&str; 3]> = ["ann", "ben", "cyd", "dot"].iter().map(|name| [*name, "0", "null"]).collect();
    assert_eq!(samples.rows, expected);
    assert_eq!(query(&dataset, "SELECT COUNT(*) AS n FROM variants"), [["0"]]);
    let out = folder.path().join("out.vcf");
    export(&dataset, &out, &[]);
    assert_eq!(super::vcf::read(&out).header.samples, ["ann", "ben", "cyd", "dot"]);
}

#[test]
fn a_file_without_samples_has_sites_only() {
    let folder = temp();
    let text = std::fs::read_to_string(small()).expect("small.vcf");
    let cut = |line: &str| {
        let n_columns = if line.starts_with("##") { 1 } else { 8 };
        line.split('\t').take(n_columns).collect::<Vec<_>>().join("\t") + "\n"
    };
    let input = write(folder.path(), "sites.vcf", text.lines().map(cut).collect::<String>());
    let dataset = folder.path().join("ds");
    call(&[&input], &dataset, &[]);
    let table = tables::read(&dataset, "variants", &["ac", "an", "af", "n_missing", "hwe_p"]);
    assert_eq!(table.rows.len(), 17);
    assert!(table.rows.iter().all(|row| row == &["0", "0", "null", "0", "null"]), "{:?}", table.rows);
    assert!(tables::files(&dataset, "genotypes").is_empty());
}

/// Counts of calls of every ploidy, worked out by hand from small.vcf.
#[test]
fn mixed_ploidy_is_counted() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[small()], &dataset, &[]);
    let columns = ["ac", "an", "n_hom_ref", "n_het", "n_hom_alt", "n_hemi_ref", "n_hemi_alt", "n_partial", "n_missing"];
    let wanted: Vec<&str> = ["pos", "alt_index"].iter().chain(&columns).copied().collect();
    let table = tables::read(&dataset, "variants", &wanted);
    let find = |pos: &str, alt_index: &str| -> Vec<i64> {
        let (at_pos, at_index) = (table.column("pos"), table.column("alt_index"));
        let row = table.rows.iter().find(|row| row[at_pos] == pos && row[at_index] == alt_index);
        let row = row.unwrap_or_else(|| panic!("no row {pos} {alt_index}"));
        columns.iter().map(|name| row[table.column(name)].parse().expect("a count")).collect()
    };
    // 0/0 0/1 1/1 ./.
    assert_eq!(find("10", "1"), [3, 6, 1, 1, 1, 0, 0, 0, 1]);
    // 0|1 1|2 2/2 0/.
    assert_eq!(find("20", "1"), [2, 7, 1, 2, 0, 0, 0, 1, 0]);
    assert_eq!(find("20", "2"), [3, 7, 1, 1, 1, 0, 0, 1, 0]);
    // 0 1 . 0/1
    assert_eq!(find("30", "1"), [2, 4, 0, 1, 0, 1, 1, 0, 1]);
    // 0/0/1 1/1/1 0/0/0 ././.
    assert_eq!(find("160", "1"), [4, 9, 1, 1, 1, 0, 0, 0, 1]);
    // 0/0 0/0 ./. 0/0, no ALT
    assert_eq!(find("120", "0"), [0, 6, 3, 0, 0, 0, 0, 0, 1]);
}
