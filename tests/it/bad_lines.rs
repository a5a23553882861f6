//! Lines without a place (CHROM or POS is damaged) anywhere in an input: with `--on-bad-record skip` each is counted once,
//! however the input is cut, and all else is as without them; otherwise the run ends at one, with the number of its line.

use super::common::*;
use super::inputs::{assert_same_rows, bgzf, gzip, rows};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const DAMAGED: [&str; 5] =
    ["\t77\t.\tA\tC\t.\t.\t.\tGT\t0/1", "c1\tx\t.\tA\tC", "no tabs at all", "c2\t-5\t.\tA\tC\t.\t.\t.\tGT\t0/1", "c1"];

/// Which line, if any, comes before the record of a number.
type Before = fn(usize) -> Option<&'static str>;

fn none(_: usize) -> Option<&'static str> {
    None
}

/// Before the first record, between all sorts of others.
fn many(record: usize) -> Option<&'static str> {
    (record.is_multiple_of(7)).then(|| DAMAGED[record / 7 % DAMAGED.len()])
}

fn text_of(head: &str, records: &[String], before: Before) -> String {
    let mut text = head.to_string();
    for (number, record) in records.iter().enumerate() {
        text.extend(before(number).map(|line| format!("{line}\n")));
        text += record;
    }
    text + &before(records.len()).map(|line| format!("{line}\n")).unwrap_or_default()
}

fn n_bad(n_records: usize, before: Before) -> u64 {
    (0..=n_records).filter(|&record| before(record).is_some()).count() as u64
}

fn head(sample: &str) -> String {
    format!(
        "##fileformat=VCFv4.3\n##contig=<ID=c1,length=90000>\n##contig=<ID=c2,length=90000>\n\
         ##ALT=<ID=NON_REF,Description=\"x\">\n##INFO=<ID=END,Number=1,Type=Integer,Description=\"x\">\n\
         ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"x\">\n\
         ##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"x\">\n##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"x\">\n\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}\n"
    )
}

const N_RECORDS: usize = 2_800;

/// Records of two contigs, some of them at one position.
fn records(seed: usize) -> Vec<String> {
    let one = |at: usize| {
        let (contig, pos) =
            if at < N_RECORDS / 2 { ("c1", 1 + at / 3 * 40) } else { ("c2", 1 + (at - N_RECORDS / 2) * 9) };
        let alt = ["C", "G", "T"][at % 3];
        format!("{contig}\t{pos}\tid{}\tA\t{alt}\t.\t.\t.\tGT\t{}/1\n", (at * 7_919 + seed) % 10_007, (at + seed) % 2)
    };
    (0..N_RECORDS).map(one).collect()
}

/// Blocks and variants of a gVCF.
fn gvcf_records(seed: usize) -> Vec<String> {
    let one = |at: usize| {
        let (contig, pos) =
            if at < N_RECORDS / 2 { ("c1", 1 + at * 60) } else { ("c2", 1 + (at - N_RECORDS / 2) * 60) };
        if (at + seed).is_multiple_of(5) {
            format!("{contig}\t{pos}\t.\tA\tC,<NON_REF>\t60\t.\t.\tGT:DP:GQ:PL\t0/1:30:99:99,0,99,120,120,180\n")
        } else {
            let (end, gq) = (pos + 59, 20 + (at * 37 + seed) % 60);
            format!("{contig}\t{pos}\t.\tG\t<NON_REF>\t.\t.\tEND={end}\tGT:DP:GQ:PL\t0/0:30:{gq}:0,{gq},900\n")
        }
    };
    (0..N_RECORDS).map(one).collect()
}

/// A way to write a text.
type Form = (&'static str, fn(&[u8]) -> Vec<u8>);
const FORMS: [Form; 3] = [("vcf.gz", bgzf), ("vcf", <[u8]>::to_vec), ("gzip.vcf.gz", gzip)];

#[track_caller]
fn assert_counted(dataset: &Path, n_records: usize, n_bad: u64, what: &str) {
    let accounting = manifest(dataset)["accounting"].clone();
    let counts = ["records_read", "records_rejected"].map(|name| accounting[name].as_u64().expect("a number"));
    assert_eq!(counts, [n_records as u64 + n_bad, n_bad], "{what}");
    finish(Command::new(binary()).arg("verify").arg(dataset)).expect(0);
}

/// Calls inputs without damaged lines, and with them in every way of cutting.
#[track_caller]
fn assert_skipped(folder: &Path, what: &str, inputs: &[PathBuf], clean: &[PathBuf], n_records: usize, bad: u64) {
    let expected = folder.join(format!("{what}.clean.ds"));
    call(clean, &expected, &[]);
    for size in ["1000", "9000", "64M"] {
        let dataset = folder.join(format!("{what}.{size}.ds"));
        call(inputs, &dataset, &["--on-bad-record", "skip", "--shard-size", size, "--threads", "2"]);
        let what = format!("{what}, shards of {size}");
        assert_counted(&dataset, n_records, bad, &what);
        assert_same_rows(&rows(&expected), &rows(&dataset), &what);
    }
}

#[test]
fn one_file_in_every_form() {
    let folder = temp();
    let folder = folder.path();
    let (head, records, bad) = (head("s"), records(0), n_bad(N_RECORDS, many));
    let clean = [write(folder, "clean.vcf", text_of(&head, &records, none))];
    let damaged = text_of(&head, &records, many);
    for (name, pack) in FORMS {
        let input = [write(folder, &format!("damaged.{name}"), pack(damaged.as_bytes()))];
        assert_skipped(folder, name, &input, &clean, N_RECORDS, bad);
    }
    // through a pipe
    let dataset = folder.join("pipe.ds");
    let args = ["call", "-", "-o", path_text(&dataset), "--on-bad-record", "skip", "--shard-size", "9000"];
    varbatch_fed(&args, damaged.into_bytes()).expect(0);
    assert_counted(&dataset, N_RECORDS, bad, "a pipe");

    let mut moved = records.clone();
    moved.swap(100, 1_000);
    let unsorted = [write(folder, "unsorted.vcf", text_of(&head, &moved, many))];
    let clean = [write(folder, "unsorted.clean.vcf", text_of(&head, &moved, none))];
    assert_skipped(folder, "unsorted", &unsorted, &clean, N_RECORDS, bad);
}

#[test]
fn several_files_that_are_merged() {
    let folder = temp();
    let folder = folder.path();
    let (mut inputs, mut clean) = (Vec::new(), Vec::new());
    for (index, (name, pack)) in FORMS.into_iter().enumerate() {
        let (head, records) = (head(&format!("s{index}")), records(index));
        inputs.push(write(folder, &format!("damaged{index}.{name}"), pack(text_of(&head, &records, many).as_bytes())));
        clean.push(write(folder, &format!("clean{index}.vcf"), text_of(&head, &records, none)));
    }
    assert_skipped(folder, "merge", &inputs, &clean, 3 * N_RECORDS, 3 * n_bad(N_RECORDS, many));
}

#[test]
fn gvcfs() {
    let folder = temp();
    let folder = folder.path();
    let (mut inputs, mut clean) = (Vec::new(), Vec::new());
    for (index, (name, pack)) in FORMS.into_iter().enumerate() {
        let (head, records) = (head(&format!("s{index}")), gvcf_records(index));
        let name = name.replace("vcf", "g.vcf");
        inputs.push(write(folder, &format!("damaged{index}.{name}"), pack(text_of(&head, &records, many).as_bytes())));
        clean.push(write(folder, &format!("clean{index}.g.vcf"), text_of(&head, &records, none)));
    }
    assert_skipped(folder, "gvcf", &inputs, &clean, 3 * N_RECORDS, 3 * n_bad(N_RECORDS, many));
    // contigs in another order than in the header: brought into order first
    let (head, records) = (head("t"), gvcf_records(9));
    let turned = [&records[N_RECORDS / 2..], &records[..N_RECORDS / 2]].concat();
    let inputs = [write(folder, "turned.g.vcf", text_of(&head, &turned, many))];
    let clean = [write(folder, "turned.clean.g.vcf", text_of(&head, &turned, none))];
    assert_skipped(folder, "turned", &inputs, &clean, N_RECORDS, n_bad(N_RECORDS, many));
}

/// Lines that are cut off behind POS have their place, and those whose CHROM is no text have none; spaces and tabs at the
/// end of a line are a part of it.
#[test]
fn lines_that_are_cut_off() {
    let folder = temp();
    let folder = folder.path();
    let damaged = |head: &str, records: &[String]| -> (Vec<u8>, String, u64) {
        let (mut text, mut clean, mut n_bad) = (head.as_bytes().to_vec(), head.to_string(), 0);
        for (at, record) in records.iter().enumerate() {
            let mut fields = record.split('\t');
            let [chrom, pos] = [(); 2].map(|()| fields.next().expect("a field"));
            let line = match (at % 7, at % 4) {
                (0, _) if at < N_RECORDS / 2 => {
                    text.extend_from_slice(record.as_bytes());
                    clean += record;
                    [b"\xff\xfe\t", pos.as_bytes(), b"\t.\tA\tC\t.\t.\t.\tGT\t0/1\n"].concat()
                }
                (0, 0) => format!("{chrom}\t{pos}\n").into_bytes(),
                (0, 1) => format!("{chrom}\t{pos}\t \t\n").into_bytes(),
                (0, 2) => format!("{chrom}\t{pos} \n").into_bytes(),
                (0, _) => format!("{}\t\n", record.trim_end()).into_bytes(),
                _ => {
                    clean += record;
                    text.extend_from_slice(record.as_bytes());
                    continue;
                }
            };
            n_bad += 1;
            text.extend_from_slice(&line);
        }
        (text, clean, n_bad)
    };
    let (text, clean, bad) = damaged(&head("s"), &records(0));
    let n_records = clean.lines().count() - head("s").lines().count();
    let clean = [write(folder, "clean.vcf", clean)];
    for (name, pack) in FORMS {
        let input = [write(folder, &format!("damaged.{name}"), pack(&text))];
        assert_skipped(folder, name, &input, &clean, n_records, bad);
    }
    let (mut inputs, mut clean) = (Vec::new(), Vec::new());
    for (index, (name, pack)) in FORMS.into_iter().enumerate() {
        for (kind, records) in [("vcf", records(index)), ("g.vcf", gvcf_records(index))] {
            let (text, without, _) = damaged(&head(&format!("s{index}")), &records);
            inputs.push(write(folder, &format!("{kind}{index}.{}", name.replace("vcf", kind)), pack(&text)));
            clean.push(write(folder, &format!("{kind}{index}.clean.{kind}"), without));
        }
    }
    for (kind, first) in [("merge", 0), ("gvcf", 1)] {
        let of_kind = |paths: &[PathBuf]| paths.iter().skip(first).step_by(2).cloned().collect::<Vec<_>>();
        assert_skipped(folder, kind, &of_kind(&inputs), &of_kind(&clean), 3 * n_records, 3 * bad);
    }
}

/// Those behind a record of a region belong to the region.
#[test]
fn regions() {
    let folder = temp();
    let folder = folder.path();
    let (head, records) = (head("s"), records(0));
    let damaged = text_of(&head, &records, many);
    let is_inside = |record: &String| {
        let pos: u32 = record.split('\t').nth(1).expect("POS").parse().expect("a number");
        record.starts_with("c1") && (2_000..=9_000).contains(&pos)
    };
    let n_records = records.iter().filter(|record| is_inside(record)).count();
    let bad = (1..N_RECORDS).filter(|&at| many(at).is_some() && is_inside(&records[at - 1])).count() as u64;
    assert!(n_records > 100 && bad > 10);
    for (name, pack) in FORMS {
        for size in ["1000", "64M"] {
            let dataset = folder.join(format!("{name}.{size}.ds"));
            let input = write(folder, &format!("damaged.{name}"), pack(damaged.as_bytes()));
            call(&[input], &dataset, &["--on-bad-record", "skip", "--shard-size", size, "-r", "c1:2000-9000"]);
            assert_counted(&dataset, n_records, bad, name);
        }
    }
}

#[test]
fn nothing_but_such_lines() {
    let folder = temp();
    let folder = folder.path();
    let text = text_of(&head("s"), &[], |_| Some("c1\tx\t.\tA\tC\t.\t.\t.\tGT\t0/1"));
    for (name, pack) in FORMS {
        let input = write(folder, &format!("damaged.{name}"), pack(text.as_bytes()));
        call_any(&[&input], &folder.join(format!("{name}.fail.ds")), &[]).expect(65);
        let dataset = folder.join(format!("{name}.ds"));
        call(&[&input], &dataset, &["--on-bad-record", "skip"]);
        assert_counted(&dataset, 0, 1, name);
    }
}

#[test]
fn the_line_is_named() {
    let folder = temp();
    let folder = folder.path();
    let (head, records) = (head("s"), records(0));
    let n_head = head.lines().count();
    let cases: [(usize, Before); 3] = [
        (0, |at| (at == 0).then_some("c1\tx\t.\tA\tC\t.\t.\t.\tGT\t0/1")),
        (1_700, |at| (at == 1_700).then_some("c1\tx\t.\tA\tC\t.\t.\t.\tGT\t0/1")),
        (N_RECORDS, |at| (at == N_RECORDS).then_some("c2\tx\t.\tA\tC\t.\t.\t.\tGT\t0/1")),
    ];
    for (name, pack) in FORMS {
        for (at, before) in cases {
            let input = write(folder, &format!("damaged.{name}"), pack(text_of(&head, &records, before).as_bytes()));
            for size in ["1000", "64M"] {
                let dataset = folder.join("failed.ds");
                let mut command = Command::new(binary());
                command.arg("call").arg(&input).arg("-o").arg(&dataset).args(["--shard-size", size, "--force"]);
                let done = finish(command.stdin(Stdio::null())).expect(65);
                let expected = format!("damaged.{name}:{}", n_head + at + 1);
                assert!(done.stderr.contains(&expected), "not {expected}: {}", done.stderr);
                assert!(done.stderr.contains("POS is \"x\""), "{}", done.stderr);
            }
        }
    }
}

/// More than a manifest lists: all are counted, and the dataset is right.
#[test]
fn more_than_are_listed() {
    const N: usize = 10_100;
    let folder = temp();
    let folder = folder.path();
    let text: String = (1..=N).map(|pos| format!("c1\t{pos}\t.\tA\tC\tbad\t.\t.\tGT\t0/1\n")).collect();
    let input = write(folder, "bad.vcf.gz", bgzf((head("s") + &text).as_bytes()));
    for size in ["3000", "64M"] {
        let dataset = folder.join("bad.ds");
        call(&[&input], &dataset, &["--on-bad-record", "skip", "--shard-size", size, "--force"]);
        let accounting = &manifest(&dataset)["accounting"];
        assert_eq!(accounting["records_rejected"], N);
        assert_eq!(accounting["rejections"].as_array().map(Vec::len), Some(10_000));
        finish(Command::new(binary()).arg("verify").arg(&dataset)).expect(0);
    }
}
