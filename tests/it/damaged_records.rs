//! Plans, commit records and manifests whose numbers were changed, with digests that fit: refused with a message, and no
//! number of theirs is taken for a length or an index.

use super::common::*;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a value into a JSON file of a dataset, and the digest of that file into all that name it.
fn set(dataset: &Path, file: &Path, pointer: &str, value: &Value) {
    let before = fs::read(file).expect("a file");
    let mut json: Value = serde_json::from_slice(&before).expect("JSON");
    *json.pointer_mut(pointer).unwrap_or_else(|| panic!("{} has {pointer}", file.display())) = value.clone();
    let mut changed = vec![(file.to_path_buf(), before, serde_json::to_vec(&json).expect("JSON"))];
    while let Some((path, before, after)) = changed.pop() {
        fs::write(&path, &after).expect("written");
        let (old, new) = (sha256(&before), sha256(&after));
        for other in json_below(dataset) {
            let text = fs::read_to_string(&other).expect("text");
            if text.contains(&old) {
                changed.push((other, text.clone().into_bytes(), text.replace(&old, &new).into_bytes()));
            }
        }
    }
}

fn json_below(folder: &Path) -> Vec<PathBuf> {
    let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    files_below(folder).into_iter().map(|path| folder.join(path)).filter(is_json).collect()
}

/// The only file of a folder whose name begins so.
fn only(dataset: &Path, folder: &str, start: &str) -> PathBuf {
    let mut found = json_below(&dataset.join(folder));
    found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)));
    let [file] = &found[..] else { panic!("{found:?}") };
    file.clone()
}

/// What is changed: a folder and the beginning of a file's name, a place in it, a value; the command and what it says.
type Change<'a> = (&'a str, &'a str, &'a str, Value, &'a str, &'a str);

/// Makes each change in a copy of a dataset, and runs its command.
fn refused(whole: &Path, code: i32, changes: &[Change]) {
    let dataset = whole.with_extension("changed");
    for (folder, start, pointer, value, command, says) in changes {
        copy_folder(whole, &dataset);
        set(&dataset, &only(&dataset, folder, start), pointer, value);
        let done = finish(Command::new(binary()).arg(command).arg(&dataset));
        let what = format!("{start}{pointer} = {value}: {}", done.stderr);
        assert_eq!(done.code, code, "{what}");
        let lines = error_lines(&done.stderr);
        assert!(lines.iter().any(|line| line.contains(says)) || done.stdout.contains(says), "{what}\n{}", done.stdout);
    }
}

fn gvcf(sample: &str) -> String {
    format!(
        "##fileformat=VCFv4.2\n##contig=<ID=a,length=1000>\n##ALT=<ID=NON_REF,Description=\"\">\n\
##INFO=<ID=END,Number=1,Type=Integer,Description=\"\">\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"\">\n\
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}\n\
a\t1\t.\tA\t<NON_REF>\t.\t.\tEND=90\tGT:GQ\t0/0:50\n"
    )
}

fn vcf(samples: &str) -> String {
    format!(
        "##fileformat=VCFv4.3\n##contig=<ID=a,length=1000>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}\na\t10\t.\tA\tC\t.\t.\t.\tGT\t0/1\t1/1\n"
    )
}

const MANY: u64 = 1 << 60;

#[test]
fn a_plan_whose_numbers_do_not_fit_is_refused() {
    let folder = temp();
    let folder = folder.path();
    let input = write(folder, "in.vcf", vcf("s1\ts2"));
    let whole = folder.join("plain.ds");
    varbatch(&["plan".as_ref(), input.as_os_str(), "-o".as_ref(), whole.as_os_str()]).expect(0);
    let twice = json!([{"name": "a", "length": null}, {"name": "a", "length": null}]);
    let elsewhere = json!("../inputs-0.json");
    let range =
        json!({"range": {"offset": 0, "own_start": {"contig": 7, "vcf_pos": 1}, "own_end": null, "end_offset": null}});
    let merge = json!({"merge": {"own_start": null, "own_end": null}});
    refused(
        &whole,
        65,
        &[
            ("_plan", "plan", "/shards/n", json!(MANY), "work", "is damaged"),
            ("_plan", "plan", "/shards/in_part", json!(0), "status", "is damaged"),
            ("_plan", "plan", "/inputs/n", json!(3), "work", "another number of entries"),
            ("_plan", "plan", "/inputs/parts/0/name", elsewhere, "work", "is no name of a part"),
            ("_plan", "plan", "/n_samples", json!(MANY), "work", "too many"),
            ("_plan", "plan", "/n_samples", json!(1_000_000_000), "work", "and lists 2"),
            ("_plan", "plan", "/contigs", json!([]), "work", "does not define the contig a"),
            ("_plan", "plan", "/contigs", twice, "work", "is there twice"),
            ("_plan", "plan", "/settings/regions", json!([[9, 1, 2]]), "work", "no list of ranges"),
            ("_plan", "inputs", "/0/samples/first", json!(u32::MAX), "work", "samples that the plan does not have"),
            ("_plan", "inputs", "/0/samples/n", json!(1), "work", "the plan says 1"),
            ("_plan", "inputs", "/0/brings/0/index", json!(1), "work", "or others"),
            ("_plan", "shards", "/0/number", json!(u64::MAX), "work", "is damaged"),
            ("_plan", "shards", "/0/input", json!(1), "work", "inputs that the plan does not have"),
            ("_plan", "shards", "/0/source", range, "work", "contig that there is not"),
            ("_plan", "shards", "/0/source", merge, "work", "another kind of cohort"),
        ],
    );
    // with as many samples as all are, an input may still not have more than are listed
    let list = json!({"first": 0, "n": 1_000_000_000});
    let dataset = whole.with_extension("run");
    copy_folder(&whole, &dataset);
    set(&dataset, &only(&dataset, "_plan", "plan"), "/n_samples", &json!(1_000_000_000));
    set(&dataset, &only(&dataset, "_plan", "inputs"), "/0/samples", &list);
    let done = finish(Command::new(binary()).arg("work").arg(&dataset)).expect(65);
    assert!(done.stderr.contains("1000000000 samples, 2 are listed"), "{}", done.stderr);
}

#[test]
fn records_of_gvcfs_whose_numbers_do_not_fit_are_refused() {
    let folder = temp();
    let folder = folder.path();
    let whole = folder.join("joint.ds");
    let inputs = ["s1", "s2"].map(|sample| write(folder, &format!("{sample}.g.vcf"), gvcf(sample)));
    let mut plan = Command::new(binary());
    finish(plan.arg("plan").args(&inputs).arg("-o").arg(&whole)).expect(0);
    let ingest = json!({"ingest": {"n_inputs": u64::MAX, "range": null}});
    refused(
        &whole,
        65,
        &[
            ("_plan", "shards", "/0/source", ingest, "work", "inputs that the plan does not have"),
            ("_plan", "inputs", "/1/samples", json!({"first": 0, "n": 2}), "work", "the plan says 2"),
            ("_plan", "inputs", "/1/samples", json!([7]), "work", "samples that the plan does not have"),
        ],
    );
    finish(Command::new(binary()).args(["work", "--stage", "ingest"]).arg(&whole)).expect(0);
    let there = "names places that there are not";
    let rows = "/files/0/contigs/0";
    let of_rows = |field: &str| format!("{rows}/{field}");
    let [rows, first, contig, span] = ["rows", "first_row", "contig", "max_span"].map(of_rows);
    refused(
        &whole,
        3,
        &[
            ("_commits/ingest", "0", &rows, json!(MANY), "work", there),
            ("_commits/ingest", "0", &first, json!(u64::MAX), "finalize", there),
            ("_commits/ingest", "0", &contig, json!(9), "status", there),
            ("_commits/ingest", "0", &span, json!(-1), "work", there),
            ("_commits/ingest", "0", "/files/0/path", json!("ref_blocks/../../x"), "work", there),
        ],
    );
}

#[test]
fn a_manifest_whose_numbers_do_not_fit_is_said() {
    let folder = temp();
    let folder = folder.path();
    let whole = folder.join("plain.ds");
    call(&[write(folder, "in.vcf", vcf("s1\ts2"))], &whole, &[]);
    refused(
        &whole,
        3,
        &[
            ("", "_manifest", "/n_samples", json!(MANY), "verify", "rows: not checked"),
            ("", "_manifest", "/accounting/records_read", json!(u64::MAX), "verify", "records_read"),
            ("", "_manifest", "/files/0/rows", json!(u64::MAX), "verify", "rows"),
            ("", "_manifest", "/files/0/bytes", json!(u64::MAX), "verify", "the manifest says"),
        ],
    );
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

/// Changes some bytes of one table after the other in copies of a dataset and runs commands, in which `DS` is the copy. Returns how
/// often one was refused.
fn rot(whole: &Path, n_tables: usize, n_rounds: usize, commands: &[&str]) -> usize {
    let dataset = whole.with_extension("rotten");
    let names = files_below(whole).into_iter().map(|path| path.to_str().expect("UTF-8").to_owned());
    let tables: Vec<String> = names.filter(|name| name.ends_with(".parquet") && !name.starts_with('_')).collect();
    assert_eq!(tables.len(), n_tables, "{tables:?}");
    let mut n_refused = 0;
    let mut state = 7u64;
    let mut random = |n: usize| {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % n as u64) as usize
    };
    for round in 0..n_rounds {
        copy_folder(whole, &dataset);
        let name = &tables[round % tables.len()];
        let mut bytes = fs::read(whole.join(name)).expect("a table");
        for _ in 0..1 + random(3) {
            let at = random(bytes.len());
            bytes[at] ^= 1 << random(8);
        }
        fs::write(dataset.join(name), &bytes).expect("written");
        for command in commands {
            let words: Vec<&str> = command.split('|').collect();
            let words: Vec<&str> = words
                .into_iter()
                .map(|word| if word == "DS" { dataset.to_str().expect("UTF-8") } else { word })
                .collect();
            let done = varbatch(&words);
            let known: &[i32] = if words[0] == "verify" { &[3] } else { &[0, 65] };
            assert!(known.contains(&done.code), "{round} {name} {command}: {} {}", done.code, done.stderr);
            n_refused += usize::from(done.code == 65);
        }
    }
    n_refused
}

/// Bytes of tables that changed on a disk, which nobody looks at before they are read: an error of the file or other values, and never a
/// bug of this program. `verify` notices every one.
#[test]
fn tables_that_rot_are_no_bugs() {
    let folder = temp();
    let folder = folder.path();
    let (made, whole) = (folder.join("made"), folder.join("whole.ds"));
    varbatch(&["simulate", "-o", &text(&made), "--samples", "20", "--length", "100000", "--no-truth"]).expect(0);
    call(&[&made.join("cohort.vcf.gz")], &whole, &[]);
    let lines = |of: &dyn Fn(usize) -> String| (1..=20).map(of).collect::<String>();
    let some = write(folder, "some.txt", lines(&|at| if at < 12 { format!("S{at:04}\n") } else { String::new() }));
    let traits = write(folder, "traits.tsv", format!("IID\tt\n{}", lines(&|at| format!("S{at:04}\t{}\n", at % 7))));
    let n_refused = rot(
        &whole,
        3,
        45,
        &[
            "verify|DS",
            &format!("export|DS|-o|{}", text(&folder.join("out.vcf"))),
            "stats|DS",
            &format!("stats|DS|-S|{}", text(&some)),
            "pca|DS",
            &format!("assoc|DS|--pheno|{}", text(&traits)),
            "query|DS|SELECT gt, count(*) FROM genotypes GROUP BY gt",
        ],
    );
    assert!(n_refused > 45, "{n_refused}");
}

/// The same for the evidence of gVCFs.
#[test]
fn evidence_that_rots_is_no_bug() {
    let folder = temp();
    let folder = folder.path();
    let (made, whole) = (folder.join("made"), folder.join("whole.ds"));
    let simulated = ["--gvcf", "--samples", "4", "--length", "60000", "--no-truth"];
    varbatch(&[&["simulate", "-o", &text(&made)][..], &simulated].concat()).expect(0);
    let inputs: Vec<PathBuf> =
        files_below(&made.join("gvcf")).into_iter().map(|path| made.join("gvcf").join(path)).collect();
    call(&inputs, &whole, &[]);
    let pos = varbatch(&["query", &text(&whole), "SELECT MAX(pos) FROM variants"]).expect(0).stdout;
    let pos = pos.lines().last().expect("a position");
    let n_refused = rot(
        &whole,
        5,
        60,
        &[
            "verify|DS",
            &format!("export|DS|--fill-pl|-o|{}", text(&folder.join("out.vcf"))),
            &format!("explain|DS|chr1:{pos}|S0001"),
            "query|DS|SELECT COUNT(*), SUM(length) FROM ref_blocks",
        ],
    );
    assert!(n_refused > 30, "{n_refused}");
}
