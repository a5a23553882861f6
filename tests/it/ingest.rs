//! gVCFs to evidence: what is recognised, that every line is in the parts, and that files, order, threads, splits and
//! kills do not show in them.

use super::common::*;
use super::inputs::{bgzf, gzip};
use super::tables;
use super::vcf;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FILES: &str = include_str!("../cases/gvcf-files.tsv");
/// No block crosses a multiple of this.
const GRID_BP: i64 = 1 << 16;
const EVIDENCE: [&str; 2] = ["ref_blocks", "evidence"];

/// A block or record as the input has it: sample, contig, and the columns of its table.
type Rows = Vec<(String, Vec<String>)>;

/// Rows of a table with the name of the sample in place of its index, in the order of the table.
fn rows_of(dataset: &Path, table: &str) -> Rows {
    let names = tables::read(dataset, "samples", &["sample"]);
    let read = tables::read(dataset, table, &[]);
    let sample = read.column("sample_index");
    let named = |mut row: Vec<String>| {
        let index: usize = row.remove(sample).parse().expect("an index");
        (names.rows[index][0].clone(), row)
    };
    read.rows.into_iter().map(named).collect()
}

/// Reads a single-sample gVCF of GATK against the words of the format, without any code of the program: blocks cut at the
/// grid and fused where neighbours say the same, and records.
fn expected(path: &Path) -> (Rows, Rows) {
    let file = vcf::read(path);
    let sample = file.header.samples[0].clone();
    let (mut blocks, mut records): (Vec<Vec<String>>, Rows) = (Vec::new(), Vec::new());
    for record in &file.records {
        if record.alt != "<NON_REF>" {
            let end = record.pos + record.ref_allele.len() as i64 - 1;
            let or_null = |text: &String| if text == "." { "null".into() } else { text.clone() };
            let row = vec![
                record.contig.clone(),
                record.pos.to_string(),
                end.to_string(),
                or_null(&record.id),
                record.ref_allele.clone(),
                record.alt.clone(),
                or_null(&record.qual),
                record.filter.clone(),
                record.info.clone(),
                record.format.clone(),
                record.calls.clone(),
            ];
            records.push((sample.clone(), row));
            continue;
        }
        let fields: BTreeMap<&str, &str> = record.format.split(':').zip(record.calls.split(':')).collect();
        let value = |key: &str| fields.get(key).map_or("null".to_string(), |text| (*text).to_string());
        let min_dp = if fields.contains_key("MIN_DP") { value("MIN_DP") } else { value("DP") };
        let pl = value("PL");
        let mut said = vec![value("GT"), value("GQ"), min_dp, value("DP")];
        said.extend(pl.split(',').map(str::to_string));
        said.push("null".into());
        let end = record.info.split(';').find_map(|entry| entry.strip_prefix("END="));
        let end = end.map_or(record.pos, |end| end.parse().expect("a number"));
        add_block(&mut blocks, &record.contig, (record.pos, end), &said);
    }
    (blocks.into_iter().map(|row| (sample.clone(), row)).collect(), records)
}

fn add_block(blocks: &mut Vec<Vec<String>>, contig: &str, (mut start, end): (i64, i64), said: &[String]) {
    while start <= end {
        let cell_end = ((start - 1) / GRID_BP + 1) * GRID_BP;
        let last = end.min(cell_end);
        let number = |text: &String| text.parse::<i64>().expect("a number");
        match blocks.last_mut() {
            Some(before)
                if before[0] == contig
                    && number(&before[1]) + number(&before[2]) == start
                    && (start - 1) % GRID_BP != 0
                    && before[3..] == *said =>
            {
                before[2] = (last - number(&before[1]) + 1).to_string();
            }
            _ => {
                let mut row = vec![contig.to_string(), start.to_string(), (last - start + 1).to_string()];
                row.extend_from_slice(said);
                blocks.push(row);
            }
        }
        start = last + 1;
    }
}

/// The files of gvcf/ that are VCF or BCF, by their names below it.
fn gvcf_files(root: &Path) -> Vec<String> {
    let names = files_below(root).into_iter().map(|path| path.to_string_lossy().into_owned());
    let ends = [".vcf", ".vcf.gz", ".gvcf", ".bcf", ".vcf.bgz"];
    names.filter(|name| ends.iter().any(|end| name.ends_with(end))).collect()
}

#[test]
fn every_file_is_taken_or_refused_as_listed() {
    let Some(root) = data("gvcf") else { return };
    let mut listed: BTreeMap<String, (String, String)> = BTreeMap::new();
    for line in FILES.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t').map(String::from);
        let name = fields.next().expect("a name");
        listed.insert(name, (fields.next().expect("a kind"), fields.next().unwrap_or_default()));
    }
    let folder = temp();
    let mut wrong = Vec::new();
    for name in gvcf_files(&root) {
        if name.ends_with(".bcf") && !tool("bcftools") {
            continue;
        }
        let key = if name.starts_with("1kg-chr22-hg38-50/") { "1kg-chr22-hg38-50/*.hg38.g.vcf.gz" } else { &name };
        let Some((kind, reason)) = listed.get(key) else {
            wrong.push(format!("{name} is not listed"));
            continue;
        };
        if name.starts_with("1kg-chr22-hg38-50/") && !name.contains("HG00187") {
            continue;
        }
        let dataset = folder.path().join("ds");
        let done = call_any(&[root.join(&name)], &dataset, &["--force"]);
        if kind == "refused" {
            if done.code != 65 || !done.stderr.contains(reason.as_str()) {
                wrong.push(format!("{name}: exit {}, expected a refusal for {reason}: {}", done.code, done.stderr));
            }
            continue;
        }
        if done.code != 0 {
            wrong.push(format!("{name}: exit {}: {}", done.code, done.stderr));
            continue;
        }
        let found = dialect_of(&dataset);
        if found != *kind {
            wrong.push(format!("{name} is taken for {found}, expected {kind}"));
        }
        if kind != "-" {
            wrong.extend(problems_of(&dataset, &root.join(&name)).map(|problem| format!("{name}: {problem}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `-` where samples were not called together.
fn dialect_of(dataset: &Path) -> String {
    let inputs = planned_inputs(dataset);
    inputs[0]["gvcf"]["dialect"].as_str().unwrap_or("-").to_string()
}

/// What is wrong with a dataset of one gVCF: by `verify`, and by the number of its lines.
fn problems_of(dataset: &Path, input: &Path) -> impl Iterator<Item = String> {
    let verified = finish(Command::new(binary()).arg("verify").arg(dataset));
    let n_lines = vcf::read(input).records.len() as u64;
    let n_read = manifest(dataset)["accounting"]["records_read"].as_u64().expect("a count");
    let lost = (n_read != n_lines).then(|| format!("{n_read} records read of {n_lines}"));
    (verified.code != 0).then(|| verified.stdout + &verified.stderr).into_iter().chain(lost)
}

#[test]
fn every_line_is_in_the_parts() {
    let Some(many) = data("gvcf/1kg-chr22-hg38-50") else { return };
    let mut inputs: Vec<PathBuf> = gvcf_files(&many).iter().map(|name| many.join(name)).collect();
    let folder = temp();
    let dataset = folder.path().join("many.ds");
    call(&inputs, &dataset, &[]);
    let mut found = EVIDENCE.map(|table| rows_of(&dataset, table));
    if let Some(one) = data("gvcf/misc/HG00268.g.vcf.gz") {
        let alone = folder.path().join("one.ds");
        call(&[&one], &alone, &[]);
        EVIDENCE.iter().zip(&mut found).for_each(|(table, found)| found.extend(rows_of(&alone, table)));
        inputs.push(one);
    }
    let mut wanted: [Rows; 2] = Default::default();
    for input in &inputs {
        let (blocks, records) = expected(input);
        wanted[0].extend(blocks);
        wanted[1].extend(records);
    }
    // what left-alignment says is not in the input
    found[1].iter_mut().for_each(|(_, row)| row.truncate(11));
    for (table, (mut found, mut wanted)) in EVIDENCE.iter().zip(found.into_iter().zip(wanted)) {
        found.sort();
        wanted.sort();
        let different = found.iter().zip(&wanted).find(|(a, b)| a != b);
        assert!(found == wanted, "{table}: {} rows, expected {}: {different:?}", found.len(), wanted.len());
    }
}

#[test]
fn files_in_any_order_and_any_number_of_threads_give_the_same_bytes() {
    let Some(root) = data("gvcf/1kg-chr22-hg38-50") else { return };
    let mut inputs: Vec<PathBuf> = gvcf_files(&root).iter().map(|name| root.join(name)).collect();
    let folder = temp();
    let first = folder.path().join("a.ds");
    call(&inputs, &first, &["--threads", "1"]);
    inputs.reverse();
    inputs.swap(3, 17);
    for threads in ["2", "7"] {
        let other = folder.path().join(format!("{threads}.ds"));
        call(&inputs, &other, &["--threads", threads]);
        assert_eq!(differing_files(&first, &other), Vec::<PathBuf>::new());
    }
}

const META: &str = "##fileformat=VCFv4.2\n##ALT=<ID=NON_REF,Description=\"\">\n\
##INFO=<ID=END,Number=1,Type=Integer,Description=\"\">\n##INFO=<ID=DP,Number=1,Type=Integer,Description=\"\">\n\
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"\">\n##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"\">\n\
##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description=\"\">\n##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"\">\n";

fn header(contigs: &[&str], sample: &str) -> String {
    let contigs: String = contigs.iter().map(|name| format!("##contig=<ID={name},length=1000000>\n")).collect();
    format!("{META}{contigs}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}\n")
}

fn block(contig: &str, start: i64, end: i64, gq: i64) -> String {
    format!(
        "{contig}\t{start}\t.\tA\t<NON_REF>\t.\t.\tEND={end}\tGT:DP:GQ:MIN_DP:PL\t0/0:9:{gq}:8:0,{gq},{}\n",
        10 * gq
    )
}

fn variant(contig: &str, pos: i64) -> String {
    format!("{contig}\t{pos}\t.\tA\tG,<NON_REF>\t50\t.\tDP=9\tGT:DP:GQ:PL\t0/1:9:50:50,0,60,70,80,90\n")
}

/// Blocks of one sample with variants between, over several cells of the grid.
fn some_records(seed: i64) -> Vec<(i64, i64, i64)> {
    let (mut pos, mut state, mut found) = (1, seed * 7919 + 1, Vec::new());
    while pos < 4 * GRID_BP {
        state = (state * 1_103_515_245 + 12_345) % (1 << 31);
        let longest = if (state >> 9) % 400 == 0 { 90_000 } else { 40 };
        let length = 1 + (state >> 8) % longest;
        found.push((pos, pos + length - 1, (state >> 5) % 4 * 20));
        pos += length + i64::from(state % 5 == 0);
    }
    found
}

fn gvcf_text(contigs: &[&str], sample: &str, seed: i64, split: impl Fn(i64, i64) -> Vec<(i64, i64)>) -> String {
    let mut text = header(contigs, sample);
    for (number, contig) in contigs.iter().enumerate() {
        for (start, end, gq) in some_records(seed + number as i64) {
            if gq == 60 {
                text += &variant(contig, start);
                continue;
            }
            split(start, end).iter().for_each(|(start, end)| text += &block(contig, *start, *end, gq));
        }
    }
    text
}

fn whole(start: i64, end: i64) -> Vec<(i64, i64)> {
    vec![(start, end)]
}

/// Every table of evidence is the same to the byte.
#[track_caller]
fn assert_same_evidence(a: &Path, b: &Path, what: &str) {
    let different: Vec<PathBuf> =
        differing_files(a, b).into_iter().filter(|path| EVIDENCE.iter().any(|table| path.starts_with(table))).collect();
    assert!(different.is_empty(), "{what}: {different:?}");
}

#[test]
fn split_blocks_and_kinds_of_files_do_not_show() {
    let folder = temp();
    let folder = folder.path();
    let text = gvcf_text(&["c1", "c2"], "s", 1, whole);
    let first = folder.join("first.ds");
    call(&[write(folder, "a.vcf", &text)], &first, &[]);
    assert!(tables::read(&first, "ref_blocks", &[]).rows.len() > 1_000);
    let halves = gvcf_text(&["c1", "c2"], "s", 1, |start, end| {
        let middle = (start + end) / 2;
        if end > start { vec![(start, middle), (middle + 1, end)] } else { vec![(start, end)] }
    });
    let kinds: [(&str, Vec<u8>); 4] = [
        ("halves.vcf", halves.into_bytes()),
        ("b.vcf.gz", bgzf(text.as_bytes())),
        ("c.vcf.gz", gzip(text.as_bytes())),
        ("crlf.vcf", text.replace('\n', "\r\n").into_bytes()),
    ];
    for (name, bytes) in kinds {
        let other = folder.join(format!("{name}.ds"));
        call(&[write(folder, name, bytes)], &other, &[]);
        assert_same_evidence(&first, &other, name);
    }
    let piped = folder.join("piped.ds");
    varbatch_fed(&["call", "-", "-o", piped.to_str().expect("UTF-8")], text.clone().into_bytes()).expect(0);
    assert_same_evidence(&first, &piped, "standard input");
    if tool("bcftools") {
        let (plain, bcf) = (folder.join("a.vcf"), folder.join("a.bcf"));
        finish(Command::new("bcftools").args(["view", "-Ob", "-o"]).arg(&bcf).arg(&plain)).expect(0);
        let other = folder.join("bcf.ds");
        call(&[bcf], &other, &[]);
        assert_same_evidence(&first, &other, "BCF");
    }
}

#[test]
fn contigs_in_another_order_are_put_in_order() {
    let folder = temp();
    let folder = folder.path();
    let texts = |orders: [&[&str]; 3]| -> Vec<PathBuf> {
        let text = |contigs: &[&str], n: usize| {
            let mut text = header(contigs, &format!("s{n}"));
            for contig in contigs {
                let number: i64 = contig[1..].parse().expect("a number");
                for (start, end, gq) in some_records(n as i64 * 10 + number) {
                    text += &block(contig, start, end, gq);
                }
            }
            text
        };
        let name = |n: usize, order: &[&str]| format!("s{n}.{}.vcf.gz", order.join(""));
        orders
            .iter()
            .enumerate()
            .map(|(n, order)| write(folder, &name(n, order), bgzf(text(order, n).as_bytes())))
            .collect()
    };
    let (first, other) = (folder.join("a.ds"), folder.join("b.ds"));
    let order: &[&str] = &["c1", "c2", "c3"];
    call(&texts([order, order, order]), &first, &[]);
    let done = call(&texts([order, &["c3", "c1", "c2"], &["c2", "c1"]]), &other, &[]);
    assert!(done.stderr.contains("s1.c3c1c2.vcf.gz has its contigs in another order"), "{}", done.stderr);
    let without =
        |rows: Rows| rows.into_iter().filter(|(sample, row)| sample != "s2" || row[0] != "c3").collect::<Rows>();
    assert_eq!(without(rows_of(&first, "ref_blocks")), rows_of(&other, "ref_blocks"));
    assert!(!other.join("_plan/copies").exists());
    // the header has them in order, the records have not
    let lying = header(order, "s1") + &block("c2", 1, 9, 20) + &block("c1", 1, 9, 20);
    let third = folder.join("c.ds");
    let done = call(&[write(folder, "lying.vcf", lying)], &third, &[]);
    assert!(done.stderr.contains("not sorted"), "{}", done.stderr);
    assert_eq!(rows_of(&third, "ref_blocks").iter().map(|row| row.1[0].clone()).collect::<Vec<_>>(), ["c1", "c2"]);
}

#[test]
fn base_by_base_and_in_blocks_is_the_same() {
    let Some(root) = data("gvcf") else { return };
    let folder = temp();
    for (number, (bases, blocks)) in [
        ("glow/NA12878_21_10002403.bp.g.vcf", "glow/NA12878_21_10002403.g.vcf"),
        ("gatk-joint/combine/convertToBasePairResolution.vcf", "gatk-joint/combine/testBreakBandsArgumet.vcf"),
    ]
    .iter()
    .enumerate()
    {
        let [a, b] = [(0, bases), (1, blocks)].map(|(side, name)| {
            let dataset = folder.path().join(format!("{number}.{side}.ds"));
            call(&[root.join(name)], &dataset, &[]);
            rows_of(&dataset, "ref_blocks")
        });
        assert!(a.len() > 10 && a == b, "{bases} and {blocks}:\n{a:?}\n{b:?}");
    }
}

#[test]
fn gvcfs_beside_other_files_are_refused_unless_asked_for() {
    let folder = temp();
    let folder = folder.path();
    let gvcf = write(folder, "a.g.vcf", header(&["c1"], "a") + &block("c1", 1, 9, 20));
    let plain = write(folder, "b.vcf", header(&["c1"], "b") + "c1\t3\t.\tA\tG\t9\tPASS\tEND=3\tGT\t0/1\n");
    let empty = write(folder, "c.vcf", header(&["c1"], "c"));
    let dataset = folder.join("ds");
    let done = call_any(&[&gvcf, &plain], &dataset, &[]);
    assert!(done.code == 65 && done.stderr.contains("--joint yes"), "{}: {}", done.code, done.stderr);
    call(&[&gvcf, &plain, &empty], &dataset, &["--joint", "yes"]);
    assert_eq!((rows_of(&dataset, "ref_blocks").len(), rows_of(&dataset, "evidence").len()), (1, 1));
    // a file without records says nothing of what it is
    call(&[&gvcf, &empty], &dataset, &["--force"]);
    assert_eq!(tables::read(&dataset, "samples", &[]).rows.len(), 2);
    let loaded = folder.join("loaded.ds");
    call(&[&gvcf], &loaded, &["--joint", "no"]);
    assert_eq!(tables::read(&loaded, "variants", &["alt"]).rows, [["<NON_REF>"]]);
}

#[test]
fn files_of_one_sample_follow_each_other_or_are_refused() {
    let folder = temp();
    let folder = folder.path();
    let contigs = ["c1", "c2"];
    let one = write(folder, "1.g.vcf", header(&contigs, "s") + &block("c1", 1, 500, 20) + &variant("c1", 501));
    let two = write(folder, "2.g.vcf", header(&contigs, "s") + &block("c1", 502, 900, 20) + &block("c2", 1, 9, 20));
    let three = write(folder, "3.g.vcf", header(&contigs, "s") + &block("c2", 9, 20, 20));
    let dataset = folder.join("ds");
    call(&[&two, &one], &dataset, &[]);
    assert_eq!(rows_of(&dataset, "ref_blocks").len(), 3);
    let done = call_any(&[&one, &two, &three], &dataset, &["--force"]);
    assert_eq!(done.code, 65, "{}", done.stderr);
    assert!(done.stderr.contains("both have records at c2:9"), "{}", done.stderr);
}

#[test]
fn bad_records_end_the_run_or_are_set_aside() {
    let folder = temp();
    let folder = folder.path();
    let bad = "c1\t20\t.\tA\t<NON_REF>\t.\t.\tEND=29\tGT:DP:GQ:MIN_DP:PL\t0/0:9:x:8:0,20,200\n";
    let backwards = "c1\t30\t.\tA\t<NON_REF>\t.\t.\tEND=29\tGT:DP:GQ:MIN_DP:PL\t0/0:9:9:8:0,20,200\n";
    let short = "c1\t40\t.\tA\n";
    let text = header(&["c1"], "s") + &block("c1", 1, 19, 20) + bad + backwards + short + &block("c1", 50, 59, 20);
    let input = write(folder, "a.g.vcf", text);
    let dataset = folder.join("ds");
    let done = call_any(&[&input], &dataset, &[]);
    assert_eq!(done.code, 65);
    assert!(done.stderr.contains("a.g.vcf:13 (c1:20): FORMAT/GQ is \"x\""), "{}", done.stderr);
    call(&[&input], &dataset, &["--on-bad-record", "skip"]);
    let accounting = manifest(&dataset)["accounting"].clone();
    assert_eq!((accounting["records_read"].as_u64(), accounting["records_rejected"].as_u64()), (Some(5), Some(3)));
    assert_eq!(rows_of(&dataset, "ref_blocks").len(), 2);
    finish(Command::new(binary()).arg("verify").arg(&dataset)).expect(0);
}

#[test]
fn what_overlaps_a_region_is_taken() {
    let folder = temp();
    let folder = folder.path();
    let text = header(&["c1", "c2"], "s")
        + &block("c1", 1, 99, 20)
        + &block("c1", 100, 199, 40)
        + &variant("c1", 200)
        + &block("c1", 201, 300, 20)
        + &block("c2", 1, 9, 20);
    let input = write(folder, "a.g.vcf", text);
    let dataset = folder.join("ds");
    call(&[&input], &dataset, &["-r", "c1:150-200"]);
    let starts: Vec<String> = rows_of(&dataset, "ref_blocks").into_iter().map(|(_, row)| row[1].clone()).collect();
    assert_eq!(starts, ["100"]);
    assert_eq!(rows_of(&dataset, "evidence").len(), 1);
    assert_eq!(manifest(&dataset)["accounting"]["records_read"].as_u64(), Some(2));
}

/// With an index beside the files, and without: the same rows.
#[test]
fn an_index_leads_to_the_regions() {
    let Some(root) = data("gvcf/misc") else { return };
    let folder = temp();
    let folder = folder.path();
    let (with, without) = (root.join("HG00268.g.vcf.gz"), folder.join("HG00268.g.vcf.gz"));
    std::fs::copy(&with, &without).expect("copy");
    for (number, regions) in
        ["chr20:18000000-18000400,chr21:27000000-27100000", "chr21", "chr20:1-100", "chr21:29489000-"]
            .iter()
            .enumerate()
    {
        let [a, b] = [&with, &without].map(|input| {
            let dataset = folder.join(format!("{number}.ds"));
            call(&[input], &dataset, &["-r", regions, "--force"]);
            let counts = manifest(&dataset)["accounting"].clone();
            (EVIDENCE.map(|table| rows_of(&dataset, table)), counts)
        });
        assert!(a == b, "{regions}: {:?} and {:?}", a.1, b.1);
    }
    // an index of another file is not used
    std::fs::copy(root.join("non_ref_call.g.vcf.gz.tbi"), folder.join("HG00268.g.vcf.gz.tbi")).expect("copy");
    let dataset = folder.join("stale.ds");
    let done = call_any(&[&without], &dataset, &["-r", "chr20:20000000-20100000"]);
    let n_read = (done.code == 0).then(|| manifest(&dataset)["accounting"]["records_read"].as_u64());
    let plain = folder.join("plain.ds");
    call(&[&with], &plain, &["-r", "chr20:20000000-20100000"]);
    assert_eq!(n_read, Some(manifest(&plain)["accounting"]["records_read"].as_u64()), "{}", done.stderr);
}

/// A file large enough to be cut gives the rows that it gives as one stream.
#[test]
fn large_files_are_cut_without_a_trace() {
    let folder = temp();
    let folder = folder.path();
    let made = folder.join("made");
    let out = made.to_str().expect("UTF-8");
    let args =
        ["simulate", "-o", out, "--gvcf", "--samples", "1", "--contigs", "2", "--length", "16000000", "--no-truth"];
    varbatch(&args).expect(0);
    let input = made.join("gvcf").join(&files_below(&made.join("gvcf"))[0]);
    let text = vcf::text(&input);
    // blocks over several cells, and over the places where the file is cut
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let records = lines.iter().position(|line| !line.starts_with('#')).expect("records");
    for at in (records..lines.len()).step_by(lines.len() / 9).skip(1) {
        let fields: Vec<String> = lines[at].split('\t').map(str::to_string).collect();
        let start: i64 = fields[1].parse().expect("a position");
        let end = start + 900_000;
        lines[at] = block(&fields[0], start, end, 30).trim_end().to_string();
        let inside = |line: &String| {
            let mut found = line.split('\t');
            found.next() == Some(&fields[0])
                && found.next().and_then(|pos| pos.parse().ok()).is_some_and(|pos: i64| (start..=end).contains(&pos))
        };
        for line in &mut lines[at + 1..] {
            if !inside(line) {
                break;
            }
            line.clear();
        }
    }
    let text: String = lines.iter().filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    let (cut, stream) = (folder.join("cut.ds"), folder.join("stream.ds"));
    let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
    std::io::Write::write_all(&mut writer, text.as_bytes()).expect("compress");
    call(&[write(folder, "b.vcf.gz", writer.finish().expect("finish"))], &cut, &[]);
    call(&[write(folder, "s.vcf.gz", gzip(text.as_bytes()))], &stream, &[]);
    let n_parts = |dataset: &Path| tables::files(dataset, "ref_blocks").len();
    assert!(n_parts(&cut) > 1 && n_parts(&stream) == 1, "{} parts", n_parts(&cut));
    for table in EVIDENCE {
        assert!(rows_of(&cut, table) == rows_of(&stream, table), "{table}");
    }
    finish(Command::new(binary()).arg("verify").arg(&cut)).expect(0);
    let counts = [&cut, &stream].map(|dataset| manifest(dataset)["accounting"].clone());
    for name in ["records_read", "blocks_read", "ref_block_rows", "evidence_rows"] {
        assert_eq!(counts[0][name], counts[1][name], "{name}");
    }
}

#[test]
fn a_killed_joint_run_resumes_to_the_same_bytes() {
    let folder = temp();
    let folder = folder.path();
    let made = folder.join("made");
    let out = made.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", out, "--gvcf", "--samples", "70", "--length", "600000", "--no-truth"]).expect(0);
    let inputs: Vec<PathBuf> =
        files_below(&made.join("gvcf")).iter().map(|name| made.join("gvcf").join(name)).collect();
    let start = |dataset: &Path| {
        let mut command = Command::new(binary());
        command.arg("call").args(&inputs).arg("-o").arg(dataset).args(["--shard-size", "200K", "--threads", "2"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start varbatch")
    };
    let whole = folder.join("whole.ds");
    let begin = std::time::Instant::now();
    assert!(start(&whole).wait().expect("wait").success());
    let wall = begin.elapsed();
    let mut n_killed = 0;
    for part in [0.15, 0.3, 0.5, 0.7, 0.85] {
        let dataset = folder.join(format!("{part}.ds"));
        for _ in 0..2 {
            let mut child = start(&dataset);
            std::thread::sleep(wall.mul_f64(part));
            child.kill().expect("SIGKILL");
            n_killed += i32::from(!child.wait().expect("wait").success());
        }
        assert!(start(&dataset).wait().expect("wait").success());
        assert_eq!(differing_files(&whole, &dataset), Vec::<PathBuf>::new(), "killed at {part}");
    }
    assert!(n_killed >= 4, "only {n_killed} of 10 runs were killed");
}

/// Many inputs, few handles.
#[test]
fn more_inputs_than_handles() {
    let folder = temp();
    let folder = folder.path();
    let mut list = String::new();
    for n in 0..150 {
        let text = gvcf_text(&["c1"], &format!("s{n:03}"), n, whole);
        let path = write(folder, &format!("{n}.g.vcf.gz"), bgzf(&text.as_bytes()[..20_000.min(text.len())]));
        list += &format!("{}\n", path.display());
    }
    let list = write(folder, "list.txt", list);
    let dataset = folder.join("ds");
    let command = format!(
        "ulimit -n 64 && exec {} call --inputs {} -o {} --on-bad-record skip",
        binary(),
        list.display(),
        dataset.display()
    );
    finish(Command::new("sh").args(["-c", &command])).expect(0);
    assert_eq!(tables::read(&dataset, "samples", &[]).rows.len(), 150);
}
