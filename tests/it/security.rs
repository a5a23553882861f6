//! Nothing that a file says leads out of the dataset: names in inputs, paths in manifests and plans; and no credential is
//! written anywhere.

use super::common::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CONTIGS: [&str; 8] = ["../../evil", "..", ".", "/abs", "a/../../b", "con", "x%2F..", "é\\..\\y"];

/// A file whose contigs and samples are names that a careless program would follow.
fn hostile(folder: &Path) -> PathBuf {
    let mut text = String::from("##fileformat=VCFv4.3\n");
    CONTIGS.iter().for_each(|contig| text += &format!("##contig=<ID={contig},length=1000>\n"));
    text += "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n";
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t../../s1\t<script>alert(1)</script>\n";
    CONTIGS.iter().for_each(|contig| text += &format!("{contig}\t10\t../id\tA\tC\t.\t.\t.\tGT\t0/1\t1/1\n"));
    write(folder, "hostile.vcf", text)
}

#[test]
fn names_in_an_input_stay_inside_the_dataset() {
    let outer = temp();
    let folder = outer.path().join("a/b/c");
    fs::create_dir_all(&folder).expect("folders");
    let (input, dataset) = (hostile(&folder), folder.join("out.ds"));
    call(&[&input], &dataset, &[]);
    for args in [&["stats"][..], &["verify"], &["report", "-o"]] {
        let mut command = Command::new(binary());
        command.arg(args[0]).arg(&dataset).args(&args[1..]);
        if args.len() > 1 {
            command.arg(folder.join("report.html"));
        }
        finish(&mut command).expect(0);
    }
    let expected: BTreeSet<PathBuf> = ["hostile.vcf", "report.html"].map(PathBuf::from).into();
    let inside = Path::new("a/b/c");
    for path in files_below(outer.path()) {
        let relative = path.strip_prefix(inside).unwrap_or_else(|_| panic!("{} is outside", path.display()));
        assert!(relative.starts_with("out.ds") || expected.contains(relative), "{}", path.display());
    }
    // and the names come back as they were
    let contigs: BTreeSet<String> =
        query(&dataset, "SELECT contig FROM variants").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(contigs, CONTIGS.map(String::from).into());
    let page = fs::read_to_string(folder.join("report.html")).expect("the page");
    assert!(!page.contains("<script>alert"), "a sample name became markup");
}

/// A contig whose name is too long for a folder: said, and where its records may be skipped no folder of it is made.
#[test]
fn a_contig_name_that_makes_no_folder_is_refused() {
    let folder = temp();
    let folder = folder.path();
    let name = "\u{fffd}".repeat(37);
    let head = format!("##fileformat=VCFv4.3\n##contig=<ID={name}>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
    let input = write(folder, "long.vcf", format!("{head}{name}\t10\t.\tA\tC\t.\t.\t.\n"));
    let done = call_any(&[&input], &folder.join("long.ds"), &[]).expect(65);
    assert!(done.stderr.contains("folder name of 340 bytes"), "{}", done.stderr);
    let none = write(folder, "none.vcf", format!("{head}{name}\tx\t.\tA\tC\t.\t.\t.\n"));
    let dataset = folder.join("none.ds");
    call(&[&none], &dataset, &["--on-bad-record", "skip"]);
    assert!(dataset.join("variants/contig=none/part-000000000000.parquet").is_file());
    finish(Command::new(binary()).arg("verify").arg(&dataset)).expect(0);
}

/// A manifest that lists a file outside of its dataset is not followed.
#[test]
fn a_manifest_that_points_elsewhere_is_refused() {
    let folder = temp();
    let folder = folder.path();
    let (dataset, other) = (folder.join("ds"), folder.join("other.ds"));
    call(&[super::cli::small()], &other, &[]);
    let absolute = other.join("samples/part-0.parquet");
    for path in ["../other.ds/samples/part-0.parquet", absolute.to_str().expect("UTF-8"), "samples/../../other.ds/x"] {
        call(&[super::cli::small()], &dataset, &["--force"]);
        let mut manifest = manifest(&dataset);
        for file in manifest["files"].as_array_mut().expect("files") {
            if file["table"] == "samples" {
                file["path"] = path.into();
            }
        }
        write(&dataset, "_manifest.json", manifest.to_string());
        for args in [&["query", "SELECT * FROM samples"][..], &["verify"], &["export", "-o", "-"]] {
            let done = finish(Command::new(binary()).arg(args[0]).arg(&dataset).args(&args[1..]).stdin(Stdio::null()));
            assert!([3, 65].contains(&done.code), "{path} {args:?}: exit {}", done.code);
            assert!(!done.stdout.contains("hom"), "{path} {args:?} read a file outside");
        }
    }
}

/// SQL sees the tables of the dataset and nothing else.
#[test]
fn sql_reads_no_other_file() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[super::cli::small()], &dataset, &[]);
    let secret = write(folder.path(), "secret.csv", "word\nxyzzy\n");
    let secret = secret.to_str().expect("UTF-8");
    for sql in [
        format!("SELECT * FROM read_csv('{secret}')"),
        format!("SELECT * FROM READ_CSV('{secret}')"),
        format!("SELECT * FROM scan_csv('{secret}')"),
        format!("SELECT * FROM '{secret}'"),
        format!("SELECT * FROM \"{secret}\""),
        format!("WITH t AS (SELECT * FROM read_csv('{secret}')) SELECT * FROM t"),
        format!("SELECT * FROM samples WHERE sample IN (SELECT word FROM read_csv('{secret}'))"),
        format!("SELECT * FROM samples UNION ALL SELECT * FROM read_ndjson('{secret}')"),
        format!("SELECT * FROM read_parquet('{}')", dataset.join("samples/part-0.parquet").display()),
    ] {
        let done = finish(Command::new(binary()).arg("query").arg(&dataset).arg(&sql));
        assert_eq!(done.code, 2, "{sql}: {}{}", done.stdout, done.stderr);
        assert!(!done.stdout.contains("xyzzy"), "{sql}");
    }
}

/// Credentials appear in no message, plan, commit record or manifest.
#[test]
fn credentials_are_not_written() {
    let folder = temp();
    let folder = folder.path();
    let secrets = [
        ("AWS_ACCESS_KEY_ID", "AKIAXYZZYPLUGH"),
        ("AWS_SECRET_ACCESS_KEY", "topsecretvalue"),
        ("AWS_SESSION_TOKEN", "tokenvalue"),
    ];
    let dataset = folder.join("ds");
    let run = |args: &[&std::ffi::OsStr]| {
        let mut command = Command::new(binary());
        command.args(args).envs(secrets).env("AWS_REGION", "eu-west-1").env("VARBATCH_S3_RETRY_SECONDS", "1");
        let done = finish(command.stdin(Stdio::null()));
        for (name, value) in secrets {
            assert!(
                !done.stdout.contains(value) && !done.stderr.contains(value),
                "{name}: {}{}",
                done.stdout,
                done.stderr
            );
        }
        done.code
    };
    let small = super::cli::small();
    assert_eq!(run(&["call".as_ref(), small.as_os_str(), "-o".as_ref(), dataset.as_os_str()]), 0);
    // nobody listens there
    let failing =
        ["call", "s3://bucket/in.vcf", "--endpoint-url", "http://127.0.0.1:9", "-o"].map(std::ffi::OsStr::new);
    assert_eq!(run(&[&failing[..], &[folder.join("no.ds").as_os_str()]].concat()), 75);
    let volume = format!("claim:{}", folder.display());
    let submit = ["submit", "--to", "kubernetes", "--image", "i", "--volume", &volume, "--dry-run"];
    let planned = folder.join("planned.ds");
    assert_eq!(run(&["plan".as_ref(), small.as_os_str(), "-o".as_ref(), planned.as_os_str()]), 0);
    let submit = submit.map(std::ffi::OsStr::new);
    assert_eq!(run(&[&submit[..], &[planned.as_os_str()]].concat()), 0);
    for path in files_below(folder) {
        let bytes = fs::read(folder.join(&path)).expect("a file");
        for (name, value) in secrets {
            let found = memchr::memmem::find(&bytes, value.as_bytes());
            assert!(found.is_none(), "{name} is in {}", path.display());
        }
    }
}

/// Files with unsafe code are those that docs/reliability.md lists, and every block has its reason.
#[test]
fn unsafe_code_is_where_the_documentation_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/reliability.md")).expect("the document");
    let section = document.split("### Unsafe code").nth(1).expect("the section");
    let cells = section.lines().filter(|line| line.starts_with("| src/")).filter_map(|line| line.split('|').nth(1));
    let listed: BTreeSet<String> = cells.flat_map(|cell| cell.split(',')).map(|name| name.trim().to_string()).collect();
    let mut found = BTreeSet::new();
    for path in files_below(&root.join("src")) {
        if path.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text = fs::read_to_string(root.join("src").join(&path)).expect("a source file");
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        if code.iter().any(|line| line.contains("unsafe {")) {
            assert!(text.contains("// SAFETY:"), "{} has unsafe code without a reason", path.display());
            found.insert(format!("src/{}", path.display()));
        }
    }
    assert_eq!(found, listed, "docs/reliability.md lists the files with unsafe code");
}

#[test]
fn no_message_steers_the_terminal() {
    let folder = temp();
    let name = folder.path().join("\u{1b}[31mred\u{7}.vcf");
    let missing = varbatch(&["call", path_text(&name), "-o", path_text(&folder.path().join("d.ds"))]).expect(66);
    assert!(missing.stderr.contains("\\u{1b}[31mred\\u{7}.vcf"), "{}", missing.stderr);
    assert!(!missing.stderr.contains(['\u{1b}', '\u{7}']), "{}", missing.stderr);
    // a contig that no header defines is warned of by its name
    let head = "##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
    let vcf = write(folder.path(), "contig.vcf", format!("{head}\u{1b}[31mred\t10\t.\tA\tC\t.\t.\t.\n"));
    let warned = varbatch(&["call", path_text(&vcf), "-o", path_text(&folder.path().join("w.ds"))]).expect(0);
    assert!(warned.stderr.contains("warning: ") && warned.stderr.contains("\\u{1b}[31mred"), "{}", warned.stderr);
    assert!(!warned.stderr.contains('\u{1b}'), "{}", warned.stderr);
}
