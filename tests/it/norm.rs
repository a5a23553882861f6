//! Left-alignment against the expected outputs of bcftools' own test suite (`norm/bcftools` of the real data).
//!
//! bcftools normalises a multi-allelic record as one; a dataset has one row for each allele, so the expected output
//! of a case that was not split is split and normalised once more by bcftools before it is compared. Without a reference
//! bcftools splits and does no more; a dataset also takes off the bases that REF and ALT share, so that is done to both.

use super::common::*;
use super::vcf;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One case: what bcftools was given, and how its output is compared.
struct Case {
    input: &'static str,
    reference: Option<&'static str>,
    expected: &'static str,
    /// Records that differ, each with its side, its site and the reason: exactly these must differ.
    except: &'static [(Side, &'static str, &'static str)],
}

/// Where a record that differs is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    /// In the expected output alone.
    Expected,
    /// In ours alone.
    Ours,
}
use Side::{Expected, Ours};

const CASES: &[Case] = &[
    Case { input: "norm", reference: Some("norm"), expected: "norm.out", except: NORM },
    Case { input: "norm.split", reference: None, expected: "norm.split.out", except: &[] },
    Case { input: "norm.split.2", reference: None, expected: "norm.split.2.out", except: &[] },
    Case { input: "norm.split.4", reference: None, expected: "norm.split.4.1.out", except: &[] },
    Case { input: "norm.split", reference: Some("norm"), expected: "norm.split.and.norm.out", except: NO_ALT },
    Case { input: "norm.telomere", reference: Some("norm"), expected: "norm.telomere.out", except: &[] },
    Case { input: "norm.5", reference: None, expected: "norm.5.1.out", except: &[] },
    Case { input: "norm.m-any", reference: None, expected: "norm.m-any.1.out", except: &[] },
    Case { input: "norm.phased-split", reference: None, expected: "norm.phased-split.1.out", except: &[] },
    Case { input: "norm.string-tags", reference: None, expected: "norm.string-tags.1.out", except: TAGS },
    Case { input: "norm.sort", reference: None, expected: "norm.sort.1.out", except: &[] },
    Case {
        input: "norm.symbolic",
        reference: Some("norm.symbolic"),
        expected: "norm.symbolic.1.out",
        except: SYMBOLIC,
    },
    Case {
        input: "norm.symbolic.3",
        reference: Some("norm.symbolic.3"),
        expected: "norm.symbolic.3.1.out",
        except: SYMBOLIC_3,
    },
    Case {
        input: "norm.right-align",
        reference: Some("norm.right-align"),
        expected: "norm.right-align.1.out",
        except: &[],
    },
    Case {
        input: "norm.breakend.1",
        reference: Some("norm.breakend.1"),
        expected: "norm.breakend.1.1.out",
        except: &[],
    },
];

const KEPT: &str = "a symbolic allele stays where the input has it; bcftools shifts it as if it were the sequence";
const SYMBOLIC: &[(Side, &str, &str)] = &[
    (Expected, "20:15 T <DEL>", KEPT),
    (Ours, "20:24 A <DEL>", KEPT),
    (Expected, "20:93 C <DEL>", KEPT),
    (Ours, "20:98 A <DEL>", KEPT),
];
const SYMBOLIC_3: &[(Side, &str, &str)] = &[(Expected, "1:11 G <DUP>", KEPT), (Ours, "1:26 G <DUP>", KEPT)];
const NO_ALT_KEPT: &str = "a record without ALT is kept as written; bcftools shortens its REF to one base";
const NO_ALT: &[(Side, &str, &str)] = &[(Expected, "20:59 A .", NO_ALT_KEPT), (Ours, "20:59 AG .", NO_ALT_KEPT)];
const NORM: &[(Side, &str, &str)] = &[
    NO_ALT[0],
    NO_ALT[1],
    (Ours, "4:37 C I", "`-c x` also leaves out an ALT that is no nucleotide; we take any letter"),
    (Expected, "20:273 C CAAAAAAAAAA", "the record has `AC=` without a value and is set aside"),
];
const WRONG_NUMBER: &str = "the record has too few values for its alleles and is set aside; bcftools fills up with `.`";
const TAGS: &[(Side, &str, &str)] = &[
    (Expected, "12:666 CC GG", WRONG_NUMBER),
    (Expected, "12:666 CC GT", WRONG_NUMBER),
    (Expected, "12:888 CC GG", WRONG_NUMBER),
    (Expected, "12:888 CC GT", WRONG_NUMBER),
];

/// Cases of the same folder that ask for something else, with the reason; every `norm.*.out` is in one of the tables.
const NOT_COMPARED: &[(&str, &str)] = &[
    ("norm.2.out", "-c s rewrites REF from the reference; we report a REF that does not match"),
    ("norm.3.out", "-c s, as above"),
    ("norm.3.2.out", "-c s with a filter expression"),
    ("norm.iupac.out", "-c s, as above"),
    ("norm.check-ref.1.out", "-c s swaps REF and ALT"),
    ("norm.setref.out", "-c s without normalising"),
    ("norm.4.1.out", "-m +: joins records"),
    ("norm.4.2.out", "-m +: joins records"),
    ("norm.5.2.out", "--multi-overlaps . of norm.5.1.out"),
    ("norm.6.1.out", "options of a later bcftools"),
    ("norm.atom-split-norm.1.out", "-a: splits an MNV into its bases"),
    ("norm.filter.1.out", "filter expressions"),
    ("norm.filter.2.out", "filter expressions"),
    ("norm.join-missing-ploidy.1.out", "-m +: joins records"),
    ("norm.m-any.out", "no such case"),
    ("norm.merge.out", "-m +: joins records"),
    ("norm.merge.2.out", "-m +: joins records"),
    ("norm.merge.3.out", "-m +: joins records"),
    ("norm.merge.4.1.out", "-m +: joins records"),
    ("norm.merge.4.2.out", "-m +: joins records"),
    ("norm.merge.strict.out", "-m +: joins records"),
    ("norm.phased-join.1.out", "-m +: joins records"),
    ("norm.right-align.2.out", "-g: shifts to the right by a GFF"),
    ("norm.rmdup.1.out", "-d: drops duplicates"),
    ("norm.rmdup.2.out", "-d: drops duplicates"),
    ("norm.rmdup.2.1.out", "-d: drops duplicates"),
    ("norm.rmdup.2.2.out", "-d: drops duplicates"),
    ("norm.rmdup.3.out", "-d: drops duplicates"),
    ("norm.rmdup.3.1.out", "-d: drops duplicates"),
    ("norm.rmdup.3.2.out", "-d: drops duplicates"),
    ("norm.rmdup.4.out", "-d: drops duplicates"),
    ("norm.rmdup.5.out", "-d: drops duplicates"),
    ("norm.sort.2.out", "-S lex: another order"),
    ("norm.split.3.out", "--force drops the INFO and FORMAT fields with a wrong number of values; we keep them"),
    ("norm.split.4.2.out", "--keep-sum AD"),
    ("norm.split.5.1.out", "--multi-overlaps ."),
    ("norm.split.merge.1.out", "-m + after -m -"),
    ("norm.split.merge.2.out", "-m + after -m -"),
    ("norm.split.merge.3.out", "-m + after -m -"),
    ("norm.split.merge.4.out", "-m + after -m -"),
    ("norm.split.merge.5.out", "filter expression"),
    (
        "norm.symbolic.2.out",
        "a record with a sequence and a symbolic allele, shifted together; see norm.symbolic.1.out",
    ),
];

#[test]
fn every_case_is_compared_or_listed() {
    let Some(root) = data("norm/bcftools") else { return };
    let mut forgotten: Vec<String> = files_below(&root)
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("norm.") && name.ends_with(".out"))
        .collect();
    forgotten.retain(|name| {
        !CASES.iter().any(|case| case.expected == name) && !NOT_COMPARED.iter().any(|(listed, _)| listed == name)
    });
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

#[test]
fn alleles_are_normalised_as_bcftools_does() {
    let Some(root) = data("norm/bcftools") else { return };
    if !tool("bcftools") {
        return;
    }
    let folder = temp();
    let mut wrong = Vec::new();
    for case in CASES {
        let expected = expected_records(&root, case, folder.path());
        match our_records(&root, case, folder.path()) {
            Ok(found) => wrong.extend(compare(case, &expected, &found)),
            Err(error) => wrong.push(format!("{}: {error}", case.expected)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The reference copied to `folder`, so that no index is written beside the data.
fn fasta(root: &Path, name: &str, folder: &Path) -> PathBuf {
    let to = folder.join(format!("{name}.fa"));
    std::fs::copy(root.join(format!("{name}.fa")), &to).expect("copy a reference");
    to
}

fn expected_records(root: &Path, case: &Case, folder: &Path) -> vcf::File {
    let path = root.join(case.expected);
    if case.expected != "norm.out" {
        return vcf::read(&path);
    }
    let mut command = Command::new("bcftools");
    command.args(["norm", "--no-version", "-m-"]).arg("-f").arg(fasta(root, case.reference.expect("a FASTA"), folder));
    let done = finish(command.arg(&path));
    assert_eq!(done.code, 0, "{}", done.stderr);
    vcf::parse(&done.stdout)
}

fn our_records(root: &Path, case: &Case, folder: &Path) -> Result<vcf::File, String> {
    let dataset = folder.join(format!("{}.ds", case.expected));
    let out = folder.join(format!("{}.vcf", case.expected));
    // `-c x` of bcftools leaves out a record whose REF is not the reference; here it is set aside and counted.
    let mut extra = vec!["--calls".to_string(), "all".into(), "--on-bad-record".into(), "skip".into()];
    if let Some(reference) = case.reference {
        extra.extend(["-f".into(), fasta(root, reference, folder).display().to_string()]);
    }
    let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
    let done = call_any(&[root.join(format!("{}.vcf", case.input))], &dataset, &extra);
    if done.code != 0 {
        return Err(format!("exit {}: {}", done.code, done.stderr));
    }
    export(&dataset, &out, &["--split"]);
    Ok(vcf::read(&out))
}

/// Site, ID, QUAL, FILTER and genotypes of the two lists, as multisets.
fn compare(case: &Case, expected: &vcf::File, found: &vcf::File) -> Vec<String> {
    let line = |record: &vcf::Record, header: &vcf::Header| {
        let mut fields = vcf::canonical(record, header);
        // END moves with a normalised allele in bcftools; INFO is as written here. Both are tested in roundtrip.rs.
        fields.retain(|key, _| !key.starts_with("INFO/END") && !key.starts_with("INFO/ORI") && key != "INFO/XX");
        fields.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(";")
    };
    let lines = |file: &vcf::File| {
        let mut lines: Vec<String> = file.records.iter().map(|record| line(&record.trimmed(), &file.header)).collect();
        lines.sort();
        lines
    };
    let mut wrong = difference(&lines(expected), &lines(found));
    let mut report = Vec::new();
    for (side, site, _) in case.except {
        let end = format!("SITE={site}");
        match wrong.iter().position(|(other, line)| other == side && line.ends_with(&end)) {
            Some(at) => drop(wrong.remove(at)),
            None => report.push(format!("{}: {site} is no longer a difference", case.expected)),
        }
    }
    report.extend(wrong.iter().map(|(side, line)| format!("{}: {side:?}: {line}", case.expected)));
    report
}

/// Lines of one list that the other does not have.
fn difference(expected: &[String], found: &[String]) -> Vec<(Side, String)> {
    let mut rest: Vec<&String> = found.iter().collect();
    let mut wrong = Vec::new();
    for line in expected {
        match rest.iter().position(|other| *other == line) {
            Some(at) => drop(rest.remove(at)),
            None => wrong.push((Expected, line.clone())),
        }
    }
    wrong.extend(rest.iter().map(|line| (Ours, line.to_string())));
    wrong
}

/// With `-f`, a REF that is not the reference is an error that says both.
#[test]
fn a_ref_that_is_not_the_reference_is_65() {
    let folder = temp();
    let folder = folder.path();
    let reference = super::cli::reference(folder);
    let text = std::fs::read_to_string(super::cli::small()).expect("small.vcf");
    let input = write(folder, "wrong.vcf", text.replace("chrA\t120\t.\tC\t.", "chrA\t120\t.\tG\tT"));
    let dataset = folder.join("ds");
    let done = call_any(&[&input], &dataset, &["-f", reference.to_str().expect("UTF-8")]).expect(65);
    let errors = error_lines(&done.stderr);
    assert!(errors[0].contains("(chrA:120)") && errors[0].contains("reference"), "{}", done.stderr);
    assert!(!is_published(&dataset));
    call(&[&input], &dataset, &["-f", reference.to_str().expect("UTF-8"), "--on-bad-record", "skip"]);
    assert_eq!(manifest(&dataset)["accounting"]["records_rejected"], 1);
}
