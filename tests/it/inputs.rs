//! One cohort in every form an input may have gives the same rows.

use super::cli::{reference, small};
use super::common::*;
use super::tables::{self, Table};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// `bytes` as BGZF with blocks of at most 200 bytes of text, so that even a small file has many.
pub fn bgzf(bytes: &[u8]) -> Vec<u8> {
    let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
    for piece in bytes.chunks(200) {
        writer.write_all(piece).expect("compress");
        writer.flush().expect("end a block");
    }
    writer.finish().expect("finish")
}

/// `bytes` as plain gzip.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).expect("compress");
    writer.finish().expect("finish")
}

/// The rows of every table, without the column that names the input file.
pub fn rows(dataset: &Path) -> Vec<Table> {
    ["variants", "genotypes", "samples"]
        .map(|name| {
            let mut table = tables::read(dataset, name, &[]);
            if let Some(at) = table.columns.iter().position(|column| column == "source") {
                table.rows.iter_mut().for_each(|row| row[at].clear());
            }
            table
        })
        .into()
}

#[track_caller]
pub fn assert_same_rows(a: &[Table], b: &[Table], what: &str) {
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.columns, b.columns, "{what}");
        let different = a.rows.iter().zip(&b.rows).find(|(x, y)| x != y);
        assert!(different.is_none(), "{what}: {:?}\n{:?}", a.columns, different);
        assert_eq!(a.rows.len(), b.rows.len(), "{what}");
    }
}

/// Rows of `call input` with and without a reference; `feed` sends the file through standard input.
fn rows_of(input: &Path, folder: &Path, name: &str, feed: bool) -> Vec<Table> {
    let fasta = reference(folder);
    let mut all = Vec::new();
    for (suffix, extra) in [("plain", vec![]), ("norm", vec!["-f", fasta.to_str().expect("UTF-8"), "--calls", "all"])] {
        let dataset = folder.join(format!("{name}.{suffix}.ds"));
        if feed {
            let target = dataset.to_str().expect("UTF-8");
            let args: Vec<&str> = ["call", "-", "-o", target].into_iter().chain(extra).collect();
            varbatch_fed(&args, std::fs::read(input).expect("an input")).expect(0);
        } else {
            call(&[input], &dataset, &extra);
        }
        all.extend(rows(&dataset));
    }
    all
}

#[test]
fn a_file_that_the_shell_redirects_is_read_where_it_is() {
    use std::io::Seek;
    let folder = temp();
    let text = std::fs::read(small()).expect("small.vcf");
    let call_redirected = |bytes: &[u8], skipped: u64, name: &str| {
        let mut file = std::fs::File::open(write(folder.path(), &format!("{name}.vcf"), bytes)).expect("just written");
        file.seek(std::io::SeekFrom::Start(skipped)).expect("a file");
        let dataset = folder.path().join(format!("{name}.ds"));
        let calls = Command::new(binary()).args(["call", "-", "-o"]).arg(&dataset).stdin(file).output().expect("runs");
        assert!(calls.status.success(), "{}", String::from_utf8_lossy(&calls.stderr));
        rows(&dataset)
    };
    let whole = call_redirected(&text, 0, "whole");
    assert_same_rows(&rows_of(&small(), folder.path(), "named", false)[..whole.len()], &whole, "redirected");
    // somebody has read the first line
    let line = b"what does not belong to it\n";
    let rest = call_redirected(&[&line[..], &text[..]].concat(), line.len() as u64, "rest");
    assert_same_rows(&whole, &rest, "from the middle");
    // what other processes cannot read is not planned, file or not
    let mut plan = Command::new(binary());
    plan.args(["plan", "-", "-o"])
        .arg(folder.path().join("p.ds"))
        .stdin(std::fs::File::open(small()).expect("it is there"));
    assert!(finish(&mut plan).expect(2).stderr.contains("is a stream"));
}

/// Every form of the file at `text`, made in `folder`: name and path.
fn forms(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let text = std::fs::read(small()).expect("small.vcf");
    let mut forms = vec![
        ("plain", write(folder, "plain.vcf", &text)),
        ("bgzf", write(folder, "bgzf.vcf.gz", bgzf(&text))),
        ("gzip", write(folder, "gzip.vcf.gz", gzip(&text))),
        ("misnamed", write(folder, "misnamed.bcf", bgzf(&text))),
        ("crlf", write(folder, "crlf.vcf", String::from_utf8_lossy(&text).replace('\n', "\r\n"))),
        ("no_final_newline", write(folder, "no_final_newline.vcf", text.strip_suffix(b"\n").expect("a newline"))),
    ];
    if tool("bcftools") {
        let bgzf = folder.join("bgzf.vcf.gz");
        for (name, file, index) in
            [("bgzf_tbi", "tbi.vcf.gz", "-t"), ("bgzf_csi", "csi.vcf.gz", "-c"), ("bcf_csi", "csi.bcf", "-c")]
        {
            let path = folder.join(file);
            make(&bgzf, &path, if file.ends_with("bcf") { "-Ob" } else { "-Oz" });
            let done = finish(Command::new("bcftools").args(["index", index]).arg(&path));
            assert_eq!(done.code, 0, "{}", done.stderr);
            forms.push((name, path));
        }
        // bcftools compresses whatever is called .bcf
        for (name, file, kind) in [("bcf", "plain.bcf", "-Ob"), ("bcf_raw", "raw.out", "-Ou")] {
            let path = folder.join(file);
            make(&bgzf, &path, kind);
            forms.push((name, path));
        }
    }
    forms
}

fn make(from: &Path, to: &Path, kind: &str) {
    let done = finish(Command::new("bcftools").args(["view", "--no-version", kind, "-o"]).arg(to).arg(from));
    assert_eq!(done.code, 0, "{}", done.stderr);
}

#[test]
fn every_form_gives_the_same_rows() {
    let folder = temp();
    let folder = folder.path();
    let expected = rows_of(&small(), folder, "expected", false);
    assert!(expected.iter().any(|table| table.rows.len() > 10));
    for (name, path) in forms(folder) {
        assert_same_rows(&expected, &rows_of(&path, folder, name, false), name);
        let piped = format!("{name}.pipe");
        assert_same_rows(&expected, &rows_of(&path, folder, &piped, true), &piped);
    }
}

/// Samples of BCF are taken as they are stored: any ploidy, alleles above 9, half calls, fields left out, numbers of every
/// width, with and without GT.
#[test]
fn odd_samples_are_the_same_from_bcf() {
    if !tool("bcftools") {
        return skip("bcftools is not there to make BCF");
    }
    let folder = temp();
    let folder = folder.path();
    let gts = ["0/0", "0|0", "0/1", "1|0", "./.", ".|1", "1", "0", ".", "0/1/1", "2/12", "12|11", "0|9", "10", "./0/1"];
    let others = ["", ":7", ":300:12:5,9", ":.:70000:.,4", ":40:99:200,40000", ":.:.:.", ":-4:5:-1,2147483647"];
    let alts = ["C", "C,G,T,CA,CC,CG,CT,CAA,CAC,CAG,CAT,CCC"];
    let mut text = String::from(
        "##fileformat=VCFv4.2\n##contig=<ID=1,length=100000>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"\">\n##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"\">\n\
##FORMAT=<ID=XX,Number=2,Type=Integer,Description=\"\">\n##FORMAT=<ID=NAME,Number=1,Type=String,Description=\"\">\n\
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td\te\n",
    );
    let mut state = 7u64;
    let mut draw = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for pos in 1..400 {
        let many = draw(2);
        let format = ["GT", "GT:DP:GQ:XX", "GT:DP:GQ:XX", "DP:GQ:XX", "DP:GQ:XX:GT", "NAME:GT"][draw(6)];
        text += &format!("1\t{}\t.\tA\t{}\t.\t.\t.\t{format}", pos * 10, alts[many]);
        // diploid records take another way than mixed ones
        let usable = if draw(2) == 0 { 5 } else { gts.len() };
        for _ in 0..5 {
            let gt = gts[draw(usable)];
            let gt = if many == 0 && gt.bytes().any(|byte| byte > b'1' && byte <= b'9') { "0/1" } else { gt };
            let gt = if many == 0 && gt == "10" { "1" } else { gt };
            text += &match format {
                "GT" => format!("\t{gt}"),
                "DP:GQ:XX" => format!("\t{}", others[2 + draw(4)].trim_start_matches(':')),
                "DP:GQ:XX:GT" => format!("\t{}:{gt}", others[2 + draw(4)].trim_start_matches(':')),
                "NAME:GT" => format!("\t{}:{gt}", ["x", "longer", "."][draw(3)]),
                _ => format!("\t{gt}{}", others[draw(7)]),
            };
        }
        text.push('\n');
    }
    let vcf = write(folder, "odd.vcf", &text);
    let bcf = folder.join("odd.bcf");
    make(&vcf, &bcf, "-Ob");
    for extra in [&["--calls", "all"][..], &["--calls", "carriers"], &["--shard-size", "200"]] {
        let of = |input: &Path, name: &str| {
            let dataset = folder.join(format!("{name}{}", extra.concat()));
            call(&[input], &dataset, extra);
            rows(&dataset)
        };
        let (from_text, from_bcf) = (of(&vcf, "vcf"), of(&bcf, "bcf"));
        assert!(from_text[1].rows.len() > 1_000);
        assert_same_rows(&from_text, &from_bcf, &extra.join(" "));
    }
}

/// A cohort of several shards, with all fields, as VCF, as BCF in blocks and as BCF without compression.
fn in_three_forms(folder: &Path) -> [PathBuf; 3] {
    let made = folder.join("made");
    let target = made.to_str().expect("UTF-8");
    let size = ["--samples", "30", "--length", "400000", "--format-fields", "full", "--seed", "3"];
    varbatch(&[&["simulate", "-o", target][..], &size].concat()).expect(0);
    let (vcf, bcf, raw) = (made.join("cohort.vcf.gz"), folder.join("cohort.bcf"), folder.join("raw.out"));
    make(&vcf, &bcf, "-Ob");
    make(&vcf, &raw, "-Ou");
    [vcf, bcf, raw]
}

/// BCF is cut into shards as VCF is; the rows are the same, and the bytes the same for any threads.
#[test]
fn bcf_in_shards_gives_the_rows_of_vcf() {
    if !tool("bcftools") {
        return skip("bcftools is not there to make BCF");
    }
    let folder = temp();
    let folder = folder.path();
    let [vcf, bcf, raw] = in_three_forms(folder);
    let reference = folder.join("made/reference.fa");
    let reference = reference.to_str().expect("UTF-8");
    for (i, extra) in
        [&["--calls", "all"][..], &["-f", reference], &["-r", "chr1:20000-120000"]].into_iter().enumerate()
    {
        let of = |input: &Path, name: &str, shard_size: &str, threads: &str| {
            let dataset = folder.join(format!("{name}-{i}-{threads}.ds"));
            call(&[input], &dataset, &[extra, &["--shard-size", shard_size, "--threads", threads]].concat());
            dataset
        };
        let expected = rows(&of(&vcf, "vcf", "20K", "2"));
        assert!(expected[1].rows.len() > 500);
        for (input, name) in [(&bcf, "bcf"), (&raw, "raw")] {
            let [one, two] = ["1", "2"].map(|threads| of(input, name, "20K", threads));
            assert_eq!(differing_files(&one, &two), Vec::<PathBuf>::new(), "{name} {extra:?}");
            let n_parts = files_below(&one.join("variants")).len();
            assert!(n_parts > 3 || i == 2, "{n_parts} shards of {name}");
            assert_same_rows(&expected, &rows(&one), &format!("{name} {extra:?}"));
            varbatch(&["verify", one.to_str().expect("UTF-8")]).expect(0);
        }
    }
}

/// A record in the middle of a BCF that cannot be taken apart is named by its number and position, whichever shard reads it.
#[test]
fn a_damaged_bcf_record_is_named() {
    if !tool("bcftools") {
        return skip("bcftools is not there to make BCF");
    }
    let folder = temp();
    let folder = folder.path();
    let [_, _, raw] = in_three_forms(folder);
    let mut bytes = std::fs::read(&raw).expect("a BCF");
    assert!(bytes.starts_with(b"BCF\x02"), "BCF without compression");
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes")) as usize;
    let mut starts = vec![9 + word(&bytes, 5)];
    while starts[starts.len() - 1] < bytes.len() {
        let at = starts[starts.len() - 1];
        starts.push(at + 8 + word(&bytes, at) + word(&bytes, at + 4));
    }
    let number = starts.len() * 2 / 3;
    let at = starts[number - 1];
    let vcf_pos = word(&bytes, at + 12) + 1;
    // the type of its first FORMAT field
    let first = at + 8 + word(&bytes, at);
    bytes[first + 2] = 0x2e;
    let damaged = write(folder, "damaged.bcf", &bytes);
    let packed = write(folder, "packed.bcf", bgzf(&bytes));
    for (input, name) in [(&damaged, "damaged.bcf"), (&packed, "packed.bcf")] {
        for shard_size in ["10K", "100M"] {
            let dataset = folder.join(format!("{name}.{shard_size}.ds"));
            let done = call_any(&[input], &dataset, &["--shard-size", shard_size]).expect(65);
            let errors = error_lines(&done.stderr);
            assert!(errors[0].contains(&format!("{name}:{number} (chr1:{vcf_pos}): ")), "{}", done.stderr);
            assert!(errors[0].contains("type 14"), "{}", done.stderr);
            assert!(!is_published(&dataset));
        }
    }
}

/// A list of paths and a sheet with a header are two ways to say `INPUT...`.
#[test]
fn lists_and_sheets_name_inputs() {
    let folder = temp();
    let folder = folder.path();
    let input = small();
    let expected = folder.join("expected.ds");
    call(&[&input], &expected, &[]);
    let expected = rows(&expected);
    let path = input.to_str().expect("UTF-8");
    let texts = [("list.txt", format!("{path}\n")), ("sheet.tsv", format!("path\n{path}\n"))];
    for (name, text) in texts {
        let list = write(folder, name, text);
        let dataset = folder.join(format!("{name}.ds"));
        call::<&str>(&[], &dataset, &["--inputs", list.to_str().expect("UTF-8")]);
        assert_same_rows(&expected, &rows(&dataset), name);
    }
}

/// A sheet can say which sex a sample has.
#[test]
fn a_sheet_gives_sex() {
    let folder = temp();
    let folder = folder.path();
    let text = std::fs::read_to_string(small()).expect("small.vcf");
    let one: String = text.lines().map(|line| first_sample(line) + "\n").collect();
    let input = write(folder, "one.vcf", one);
    let sheet = write(folder, "sheet.tsv", format!("path\tsample\tsex\n{}\tann\tfemale\n", input.display()));
    let dataset = folder.join("ds");
    call::<&str>(&[], &dataset, &["--inputs", sheet.to_str().expect("UTF-8")]);
    let samples = tables::read(&dataset, "samples", &["sample", "sex"]);
    assert_eq!(samples.rows, [["ann", "female"]]);
}

/// A line with its first sample alone.
fn first_sample(line: &str) -> String {
    if line.starts_with("##") { line.into() } else { line.split('\t').take(10).collect::<Vec<_>>().join("\t") }
}

/// Regions select records, by flag and by BED, with an index and without.
#[test]
fn regions_select_records() {
    let folder = temp();
    let folder = folder.path();
    let bed = write(folder, "regions.bed", "chrA\t9\t20\nchr:B-2\t0\t120\n");
    let by_flag = ["-r", "chrA:10-20,chr:B-2"];
    let by_file = ["-R", bed.to_str().expect("UTF-8")];
    // One of the three alleles at chr:B-2:60 has its position after trimming.
    let expected = ["chrA 10", "chrA 20", "chrA 20", "chr:B-2 7", "chr:B-2 60", "chr:B-2 60", "chr:B-2 61"];
    let forms = forms(folder);
    for (at, extra) in [by_flag, by_file].iter().enumerate() {
        for (name, path) in &forms {
            let dataset = folder.join(format!("{name}.{at}.ds"));
            call(&[path], &dataset, &extra[..]);
            let table = tables::read(&dataset, "variants", &["contig", "pos"]);
            let found: Vec<String> = table.rows.iter().map(|row| row.join(" ")).collect();
            assert_eq!(found, expected, "{name} {extra:?}");
        }
    }
}

/// An index, a missing one and one of another file lead to the same rows, whatever the size of shards.
#[test]
fn an_index_is_a_hint() {
    let Some(root) = data("cohort/1kg-chr22-2504") else { return };
    let Some(edge) = data("edge/bio2zarr") else { return };
    let folder = temp();
    let folder = folder.path();
    let source = root.join("all2504.bgzf.vcf.gz");
    let plain = write(folder, "plain.vcf.gz", std::fs::read(&source).expect("the file"));
    let stale = write(folder, "stale.vcf.gz", std::fs::read(&source).expect("the file"));
    write(folder, "stale.vcf.gz.tbi", std::fs::read(edge.join("sample.vcf.gz.tbi")).expect("an index"));
    for (at, region) in ["22:16100000-16110000", "22:16600000-", "22:16300000-16300100,22:16301000-16302000", "22:1-9"]
        .iter()
        .enumerate()
    {
        let mut all = Vec::new();
        for (name, input, size) in [
            ("indexed", &source, "200K"),
            ("plain", &plain, "200K"),
            ("stale", &stale, "200K"),
            ("whole", &plain, "1G"),
        ] {
            let dataset = folder.join(format!("{name}.{at}.ds"));
            call(&[input], &dataset, &["-r", region, "--shard-size", size]);
            all.push((name, rows(&dataset)));
        }
        for (name, found) in &all[1..] {
            assert_same_rows(&all[0].1, found, &format!("{region} {name}"));
        }
    }
}

/// Numbers of an index that cannot be: the index is passed over, and the region is found without it.
#[test]
fn a_damaged_index_is_passed_over() {
    if !tool("tabix") {
        return;
    }
    let folder = temp();
    let folder = folder.path();
    let mut text = String::from(
        "##fileformat=VCFv4.3\n##contig=<ID=1,length=9000000>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
    );
    (1..900).for_each(|at| text += &format!("1\t{}\t.\tA\tC\t.\t.\t.\n", at * 500));
    let input = write(folder, "in.vcf.gz", bgzf(text.as_bytes()));
    let (dataset, out) = (folder.join("in.ds"), folder.join("out.vcf"));
    let records = || {
        call(&[&input], &dataset, &["-r", "1:100000-200000", "--force", "--quiet"]);
        export(&dataset, &out, &[]);
        let text = std::fs::read_to_string(&out).expect("a VCF");
        text.lines().filter(|line| !line.starts_with("##varbatch_export")).map(String::from).collect::<Vec<_>>()
    };
    let expected = records();
    for (extension, flags) in [("tbi", &["-p", "vcf"][..]), ("csi", &["-C", "-p", "vcf"])] {
        finish(Command::new("tabix").args(flags).arg(&input)).expect(0);
        let index = folder.join(format!("in.vcf.gz.{extension}"));
        let packed = std::fs::read(&index).expect("an index");
        let mut good = Vec::new();
        noodles_bgzf::io::Reader::new(&packed[..]).read_to_end(&mut good).expect("BGZF");
        assert_eq!(records(), expected);
        // magic and counts, names, and the first bins
        for at in (4..good.len().min(140)).step_by(4) {
            for value in [i32::MAX, -1, 0, 15, 1 << 20, i32::MIN] {
                let mut damaged = good.clone();
                damaged[at..at + 4].copy_from_slice(&value.to_le_bytes());
                std::fs::write(&index, bgzf(&damaged)).expect("written");
                assert_eq!(records(), expected, "{extension}: {value} at byte {at}");
            }
        }
        std::fs::remove_file(&index).expect("removed");
    }
}

/// An index whose names of contigs are in another order leads to good records of another contig: it is passed over.
#[test]
fn an_index_that_leads_to_another_contig_is_passed_over() {
    if !tool("tabix") {
        return;
    }
    let folder = temp();
    let folder = folder.path();
    let contigs = ["1", "11", "21"];
    let mut text = String::from("##fileformat=VCFv4.3\n");
    contigs.iter().for_each(|name| text += &format!("##contig=<ID={name},length=9000000>\n"));
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
    for name in contigs {
        (1..900).for_each(|at| text += &format!("{name}\t{}\tr{at}\tA\tC\t.\t.\t.\n", at * 500));
    }
    let input = write(folder, "in.vcf.gz", bgzf(text.as_bytes()));
    finish(Command::new("tabix").args(["-p", "vcf"]).arg(&input)).expect(0);
    let index = folder.join("in.vcf.gz.tbi");
    let mut good = Vec::new();
    noodles_bgzf::io::Reader::new(&std::fs::read(&index).expect("an index")[..]).read_to_end(&mut good).expect("BGZF");
    let names: String = contigs.iter().map(|name| format!("{name}\0")).collect();
    let at = good.windows(names.len()).position(|window| window == names.as_bytes()).expect("the names");
    let (dataset, source) = (folder.join("in.ds"), folder.join("source.ds"));
    let plain = write(folder, "plain.vcf.gz", bgzf(text.as_bytes()));
    call(&[&plain], &source, &["-r", "11:100000-130000", "--quiet"]);
    let annotations = |from: &Path| {
        let paths = [&source, from].map(|path| path.to_str().expect("UTF-8"));
        varbatch(&["annotate", paths[0], "--from", paths[1], "--name", "x", "--columns", "ID", "--replace"]).expect(0);
        std::fs::read(source.join("stats/annotations.parquet")).expect("stored")
    };
    let expected = annotations(&plain);
    for names in ["1 11 21", "1 21 11", "11 1 21", "11 21 1", "21 1 11", "21 11 1"] {
        let other: String = names.split(' ').map(|name| format!("{name}\0")).collect();
        good[at..at + other.len()].copy_from_slice(other.as_bytes());
        std::fs::write(&index, bgzf(&good)).expect("written");
        for (region, n) in [("1:100000-200000", 201), ("11:1-2000", 4), ("21:440000-900000", 20)] {
            call(&[&input], &dataset, &["-r", region, "--force", "--quiet"]);
            assert_eq!(rows(&dataset)[0].rows.len(), n, "{region} by an index of {names}");
        }
        assert!(annotations(&input) == expected, "annotations by an index of {names}");
    }
}

/// Contigs that no header defines, in turns, behind a record that is out of order: which of the two is found first, depends on the shard.
#[test]
fn an_unsorted_file_of_contigs_without_definition_is_sorted() {
    let folder = temp();
    let folder = folder.path();
    let header = "##fileformat=VCFv4.3\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
    let lines = |places: &[(&str, i32)]| -> String {
        places.iter().map(|(contig, pos)| format!("{contig}\t{pos}\t.\tA\tC\t.\t.\t.\n")).collect()
    };
    let turns = [("1", 9), ("1", 5), ("x", 1), ("y", 1), ("x", 2), ("1", 3), ("z", 4), ("y", 3)];
    let sorted = [("1", 3), ("1", 5), ("1", 9), ("x", 1), ("x", 2), ("y", 1), ("y", 3), ("z", 4)];
    let good = write(folder, "good.vcf", format!("{header}{}", lines(&sorted)));
    let plain = write(folder, "in.vcf", format!("{header}{}", lines(&turns)));
    let packed = write(folder, "in.vcf.gz", bgzf(format!("{header}{}", lines(&turns)).as_bytes()));
    let expected = folder.join("good.ds");
    call(&[&good], &expected, &[]);
    for (number, (input, size)) in [(&plain, "1G"), (&plain, "20"), (&packed, "1G"), (&packed, "20")].iter().enumerate()
    {
        let dataset = folder.join(format!("{number}.ds"));
        call(&[input], &dataset, &["--shard-size", size]);
        assert_same_rows(&rows(&expected)[..2], &rows(&dataset)[..2], &format!("{} {size}", input.display()));
    }
}

/// A file that is not sorted gives what the sorted one gives, also when its records are far from where they belong.
#[test]
fn an_unsorted_file_is_sorted() {
    let folder = temp();
    let folder = folder.path();
    let header = "##fileformat=VCFv4.3\n##contig=<ID=1,length=9000000>\n##contig=<ID=2,length=9000000>\n\
        ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n\
        #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\n";
    let mut lines: Vec<String> =
        (0..20_000).map(|i| format!("1\t{}\t.\tA\tC\t.\t.\t.\tGT\t0/{}\n", 1000 + i * 50, i % 2)).collect();
    let sorted = write(folder, "sorted.vcf", format!("{header}{}", lines.concat()));
    // one record far too early: the shards around it must not lose what comes between
    let moved = lines.remove(15_000);
    lines.insert(120, moved);
    let unsorted = write(folder, "unsorted.vcf", format!("{header}{}", lines.concat()));
    let packed = write(folder, "unsorted.vcf.gz", bgzf(format!("{header}{}", lines.concat()).as_bytes()));
    let (a, b, c) = (folder.join("a.ds"), folder.join("b.ds"), folder.join("c.ds"));
    call(&[&sorted], &a, &[]);
    for (input, dataset, size) in [(&unsorted, &b, "2K"), (&packed, &c, "4K")] {
        let done = call(&[input], dataset, &["--shard-size", size]);
        assert!(done.stderr.contains("is not sorted; its records were sorted"), "{}", done.stderr);
        assert_same_rows(&rows(&a)[..2], &rows(dataset)[..2], "sorted");
    }
}
