//! The command line: help, version, exit codes, messages.

use super::common::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SUBCOMMANDS: &[&str] = &["call", "verify", "query", "export", "simulate", "kinship", "score"];

/// The small hand-written cohort.
pub fn small() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/small.vcf")
}

/// The reference of `small()`, copied to `folder` so that nothing is written beside the test data.
pub fn reference(folder: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reference.fa");
    let to = folder.join("reference.fa");
    std::fs::copy(from, &to).expect("copy the reference");
    to
}

#[test]
fn version_names_program_and_number() {
    let done = varbatch(&["--version"]).expect(0);
    assert_eq!(done.stdout.trim(), format!("varbatch {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_lists_the_subcommands_and_exit_codes() {
    let done = varbatch(&["--help"]).expect(0);
    for word in SUBCOMMANDS.iter().chain(&["Examples:", "Exit codes:", "65 bad input data"]) {
        assert!(done.stdout.contains(word), "`{word}` is not in:\n{}", done.stdout);
    }
    assert_eq!(done.stderr, "");
}

#[test]
fn every_subcommand_has_help_with_an_example() {
    for name in SUBCOMMANDS {
        let done = varbatch(&[name, "--help"]).expect(0);
        assert!(done.stdout.contains(&format!("varbatch {name}")), "{name}:\n{}", done.stdout);
        assert!(done.stdout.contains("Example"), "{name} has no example:\n{}", done.stdout);
    }
}

#[test]
fn wrong_usage_is_2() {
    for args in [&["call"][..], &["call", "--no-such-flag"], &["nonsense"], &[]] {
        let done = varbatch(args).expect(2);
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn a_missing_input_is_66_and_named() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    let done = call_any(&[folder.path().join("absent.vcf.gz")], &dataset, &[]).expect(66);
    let errors = error_lines(&done.stderr);
    assert_eq!(errors.len(), 1, "{}", done.stderr);
    assert!(errors[0].contains("absent.vcf.gz"), "{}", done.stderr);
    assert!(!is_published(&dataset));
}

#[test]
fn an_empty_input_is_65() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    let input = write(folder.path(), "nothing.vcf", "");
    let done = call_any(&[&input], &dataset, &[]).expect(65);
    assert!(error_lines(&done.stderr)[0].contains("nothing.vcf"), "{}", done.stderr);
    assert!(!is_published(&dataset));
}

#[test]
fn text_that_is_no_variant_file_is_65() {
    let folder = temp();
    for (name, bytes) in
        [("a.txt", &b"hello\nworld\n"[..]), ("b.bin", &[0u8, 1, 2, 3]), ("c.gz", b"\x1f\x8b\x08\x00zz")]
    {
        let input = write(folder.path(), name, bytes);
        let dataset = folder.path().join(format!("{name}.ds"));
        let done = call_any(&[&input], &dataset, &[]).expect(65);
        assert!(error_lines(&done.stderr)[0].contains(name), "{}", done.stderr);
        assert!(!is_published(&dataset));
    }
}

/// A damaged record: the message names file, line, contig and position, what was found and what was expected.
#[test]
fn a_bad_record_is_65_with_its_place() {
    let folder = temp();
    let good = std::fs::read_to_string(small()).expect("small.vcf");
    let line = 1 + good.lines().position(|line| line.starts_with("chrA\t30\t")).expect("the record");
    let bad = good.replace("chrA\t30\tdel1\tCCCG\tC\t10", "chrA\t30\tdel1\tCCCG\tC\tten");
    let input = write(folder.path(), "bad.vcf", bad);
    let dataset = folder.path().join("ds");
    let done = call_any(&[&input], &dataset, &[]).expect(65);
    let errors = error_lines(&done.stderr);
    assert_eq!(errors.len(), 1, "{}", done.stderr);
    assert!(errors[0].contains(&format!("bad.vcf:{line} (chrA:30): ")), "{}", done.stderr);
    assert!(errors[0].contains("ten") && errors[0].contains("QUAL"), "{}", done.stderr);
    assert!(done.stderr.contains("hint: ") && done.stderr.contains("--on-bad-record skip"), "{}", done.stderr);
    assert!(!is_published(&dataset));
}

#[test]
fn a_bad_record_can_be_set_aside_and_is_counted() {
    let folder = temp();
    let good = std::fs::read_to_string(small()).expect("small.vcf");
    let records = good.lines().filter(|line| !line.starts_with('#')).count() as u64;
    let input =
        write(folder.path(), "bad.vcf", good.replace("chrA\t30\tdel1\tCCCG\tC\t10", "chrA\t30\tdel1\tCCCG\tC\tten"));
    let dataset = folder.path().join("ds");
    call(&[&input], &dataset, &["--on-bad-record", "skip"]);
    let accounting = &manifest(&dataset)["accounting"];
    assert_eq!(accounting["records_read"], records);
    assert_eq!(accounting["records_rejected"], 1);
    assert_eq!(accounting["records_written"], records - 1);
    let rejection = &accounting["rejections"][0];
    assert_eq!((rejection["contig"].as_str(), rejection["vcf_pos"].as_i64()), (Some("chrA"), Some(30)));
    assert!(!rejection["reason"].as_str().expect("a reason").is_empty());
}

/// A file that ends in the middle of a BGZF block must not give a dataset.
#[test]
fn a_truncated_bgzf_file_is_65() {
    let folder = temp();
    let whole = super::inputs::bgzf(&std::fs::read(small()).expect("small.vcf"));
    for cut in [whole.len() / 2, whole.len() - 40] {
        let input = write(folder.path(), "cut.vcf.gz", &whole[..cut]);
        let dataset = folder.path().join("ds");
        let done = call_any(&[&input], &dataset, &[]).expect(65);
        assert!(error_lines(&done.stderr)[0].contains("cut.vcf.gz"), "{}", done.stderr);
        assert!(!is_published(&dataset));
    }
}

#[test]
fn a_dataset_that_is_not_published_is_3() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    std::fs::create_dir(&dataset).expect("a folder");
    for args in [&["verify"][..], &["query"], &["export"]] {
        let mut command = Command::new(binary());
        command.args(args).arg(&dataset);
        match args[0] {
            "query" => command.arg("SELECT 1"),
            "export" => command.arg("-o").arg(folder.path().join("out.vcf")),
            _ => &mut command,
        };
        let done = finish(&mut command);
        assert_eq!(done.code, 3, "{args:?}: {}", done.stderr);
        assert_eq!(error_lines(&done.stderr).len(), 1, "{args:?}: {}", done.stderr);
    }
}

#[test]
fn an_existing_dataset_of_other_inputs_is_not_overwritten() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[small()], &dataset, &[]);
    let before = std::fs::read(dataset.join("_manifest.json")).expect("a manifest");
    let other = write(
        folder.path(),
        "other.vcf",
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t5\t.\tA\tC\t.\t.\t.\n",
    );
    let done = call_any(&[other], &dataset, &[]);
    assert_ne!(done.code, 0, "a second cohort went into the same dataset");
    assert_eq!(std::fs::read(dataset.join("_manifest.json")).expect("a manifest"), before);
}

#[test]
fn verify_passes_what_call_made_and_finds_a_changed_byte() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[small()], &dataset, &[]);
    let mut command = Command::new(binary());
    finish(command.arg("verify").arg(&dataset)).expect(0);
    let victim = &super::tables::files(&dataset, "variants")[0];
    let mut bytes = std::fs::read(victim).expect("a table");
    let middle = bytes.len() / 3;
    bytes[middle] ^= 0x20;
    std::fs::write(victim, bytes).expect("damage a table");
    let done = finish(Command::new(binary()).arg("verify").arg(&dataset));
    assert_ne!(done.code, 0, "verify did not see the damage");
    let name = victim.file_name().expect("a name").to_string_lossy();
    assert!(done.stderr.contains(&*name) || done.stdout.contains(&*name), "{}{}", done.stdout, done.stderr);
}

/// `varbatch query ... | head -1` is a quiet success.
#[test]
fn a_closed_pipe_is_0() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[small()], &dataset, &[]);
    let mut child = Command::new(binary())
        .arg("query")
        .arg(&dataset)
        .arg("SELECT a.*, b.* FROM variants a CROSS JOIN variants b")
        .args(["--format", "csv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start varbatch");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("wait");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_folder_that_may_not_be_written_is_77() {
    let folder = temp();
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } == 0 {
        // Root may write anywhere; a file in the way is the nearest that it can meet.
        let blocked = write(folder.path(), "file", "");
        let done = call_any(&[small()], &blocked.join("ds"), &[]);
        assert!(matches!(done.code, 74 | 77 | 2), "{}: {}", done.code, done.stderr);
        return;
    }
    let locked = folder.path().join("locked");
    std::fs::create_dir(&locked).expect("a folder");
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o555);
    std::fs::set_permissions(&locked, mode).expect("chmod");
    call_any(&[small()], &locked.join("ds"), &[]).expect(77);
}

#[test]
fn the_summary_goes_to_standard_error() {
    let folder = temp();
    let done = call(&[small()], &folder.path().join("ds"), &[]);
    assert_eq!(done.stdout, "", "call has no data for standard output");
    for word in ["sample", "variant", "wall", "CPU", "memory"] {
        assert!(done.stderr.to_lowercase().contains(&word.to_lowercase()), "no `{word}` in:\n{}", done.stderr);
    }
    assert!(!done.stderr.contains('\r') && !done.stderr.contains('\x1b'), "a progress bar without a terminal");
}

#[test]
fn query_formats_agree() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[small()], &dataset, &[]);
    let sql = "SELECT contig, pos, ref, alt, ac FROM variants ORDER BY variant_id";
    let of = |format: &str| {
        finish(Command::new(binary()).arg("query").arg(&dataset).arg(sql).args(["--format", format])).expect(0).stdout
    };
    let tsv = of("tsv");
    assert_eq!(tsv.lines().next(), Some("contig\tpos\tref\talt\tac"));
    assert_eq!(tsv.replace('\t', ","), of("csv"));
    let json: Vec<serde_json::Value> = json_rows(&of("json"));
    let from_json: Vec<String> = json
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().map_or_else(|| row[key].to_string(), String::from);
            ["contig", "pos", "ref", "alt", "ac"].map(text).join("\t")
        })
        .collect();
    assert_eq!(from_json, tsv.lines().skip(1).collect::<Vec<_>>());
    assert!(of("table").contains("chrA"));
}

/// Rows of a JSON array or of one object a line.
fn json_rows(text: &str) -> Vec<serde_json::Value> {
    if let Ok(serde_json::Value::Array(rows)) = serde_json::from_str(text) {
        return rows;
    }
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object")).collect()
}

/// `--profile` says where the time went, on standard error alone, and changes nothing that is written.
#[test]
fn the_profile_names_stages() {
    let folder = temp();
    let (with, without) = (folder.path().join("with.ds"), folder.path().join("without.ds"));
    let done = call(&[small()], &with, &["--profile", "--quiet"]);
    let silent = call(&[small()], &without, &["--quiet"]);
    assert_eq!((silent.stdout.as_str(), silent.stderr.as_str()), ("", ""));
    assert_eq!(done.stdout, "");
    let shares: Vec<f64> = done
        .stderr
        .lines()
        .filter_map(|line| line.strip_suffix('%')?.split_whitespace().last()?.parse().ok())
        .collect();
    assert!((shares.iter().sum::<f64>() - 100.0).abs() < 2.0, "{}", done.stderr);
    for stage in ["plan", "parse", "rows", "encode", "compress", "write", "commit", "publish", "total", "CPU"] {
        assert!(done.stderr.lines().any(|line| line.starts_with(stage)), "no {stage}:\n{}", done.stderr);
    }
    assert_eq!(differing_files(&with, &without), Vec::<std::path::PathBuf>::new());
}
