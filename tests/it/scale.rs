//! Inventories: plans of cohorts too large to be opened, and their publication, within bounded memory.

use super::common::*;
use super::servers::bucket;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use varbatch::dataset::stream::{FileStream, Select};
use varbatch::store::DataFile;

/// Runs `varbatch`, which must end well, and gives its peak resident memory in bytes, as last seen before it ended. (What the
/// system says afterwards has the memory of the test program in it, from before the exec.)
#[track_caller]
fn peak_of(arguments: &[&str]) -> u64 {
    let mut command = Command::new(binary());
    let mut child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("start");
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: Option<u64> = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = peak_kib.max(kib.unwrap_or(0));
        if let Some(ended) = child.try_wait().expect("wait") {
            assert!(ended.success(), "{arguments:?} ended with {ended}");
            assert!(peak_kib > 0, "it ended before it was looked at");
            return peak_kib * 1024;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

fn gvcfs(folder: &Path, n: usize) -> (PathBuf, Vec<PathBuf>) {
    let made = folder.join("made");
    let samples = n.to_string();
    let made_text = made.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", made_text, "--samples", &samples, "--length", "20000", "--seed", "4", "--gvcf"])
        .expect(0);
    let files = (1..=n).map(|i| made.join(format!("gvcf/S{i:04}.g.vcf.gz"))).collect();
    (made.join("reference.fa"), files)
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).expect("a file").len()
}

fn inventory(folder: &Path, rows: &[(String, String, u64)]) -> PathBuf {
    let mut text = String::from("sample\tpath\tbytes\n");
    for (sample, path, bytes) in rows {
        writeln!(text, "{sample}\t{path}\t{bytes}").expect("a string");
    }
    write(folder, "inventory.tsv", text)
}

/// The rows of an inventory's dataset are those of the same files opened one by one; only the division differs.
#[test]
fn an_inventory_gives_the_rows_of_its_files() {
    let folder = temp();
    let folder = folder.path();
    let (reference, files) = gvcfs(folder, 40);
    let reference = reference.to_str().expect("UTF-8");
    let rows: Vec<(String, String, u64)> = (files.iter().enumerate())
        .map(|(i, path)| (format!("S{:04}", i + 1), path.to_str().expect("UTF-8").to_string(), size(path)))
        .collect();
    let sheet = inventory(folder, &rows);
    let (listed, opened) = (folder.join("listed.ds"), folder.join("opened.ds"));
    let text = |path: &Path| path.to_str().expect("UTF-8").to_string();
    varbatch(&["plan", "--inventory", &text(&sheet), "-f", reference, "-o", &text(&listed)]).expect(0);
    for stage in ["ingest", "call"] {
        for i in ["0", "1"] {
            let task = ["work", &text(&listed), "--stage", stage, "--task-index", i, "--task-count", "2"];
            varbatch(&task).expect(0);
        }
    }
    varbatch(&["finalize", &text(&listed)]).expect(0);
    varbatch(&["verify", &text(&listed)]).expect(0);
    let inputs: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    call(&inputs, &opened, &["-f", reference]);
    for table in ["variants", "genotypes", "samples"] {
        let query = format!("SELECT * FROM {table}");
        let of = |dataset: &Path| varbatch(&["query", &text(dataset), &query, "--format", "tsv"]).expect(0).stdout;
        assert!(of(&listed) == of(&opened), "{table} differs");
    }

    // what the inventory says must hold
    let refused = |rows: &[(String, String, u64)], code: i32, words: &[&str]| {
        let (sheet, dataset) = (inventory(folder, rows), folder.join("refused.ds"));
        let mut done = varbatch(&["plan", "--inventory", &text(&sheet), "-o", &text(&dataset)]);
        if done.code == 0 {
            done = varbatch(&["work", &text(&dataset), "--quiet"]);
        }
        let done = done.expect(code);
        assert_eq!(error_lines(&done.stderr).len(), 1, "{}", done.stderr);
        assert!(words.iter().all(|word| done.stderr.contains(word)), "{}", done.stderr);
        let _ = std::fs::remove_dir_all(dataset);
    };
    let mut swapped = rows.clone();
    swapped.swap(3, 4);
    refused(&swapped, 65, &["inventory.tsv:6", "comes after a greater one", "LC_ALL=C sort"]);
    let mut twice = rows.clone();
    twice[4].0 = twice[3].0.clone();
    refused(&twice, 65, &["inventory.tsv:6", "stands twice"]);
    let mut another = rows.clone();
    another[5].1 = rows[6].1.clone();
    another[5].2 = rows[6].2;
    refused(&another, 65, &["S0007.g.vcf.gz", "sample S0007", "says S0006"]);
    let mut changed = rows.clone();
    changed[7].2 += 1;
    refused(&changed, 65, &["S0008.g.vcf.gz", "was changed since it was planned"]);
    refused(&[], 65, &["names no input"]);
}

/// An inventory may be an object, and end its lines as Windows does.
#[test]
fn an_inventory_on_s3_gives_the_same_plan() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let folder = folder.path();
    let (_, files) = gvcfs(folder, 1);
    let mut rows = vec![("A000000".to_string(), files[0].to_str().expect("UTF-8").to_string(), size(&files[0]))];
    // more than one request is for
    rows.extend(
        (1..20_000).map(|i| (format!("A{i:06}"), format!("s3://genomes/some/where/A{i:06}.g.vcf.gz"), 500_000_000)),
    );
    let local = inventory(folder, &rows);
    let text = std::fs::read_to_string(&local).expect("a sheet");
    let root = |inventory: &str, dataset: &str| {
        let dataset = folder.join(dataset);
        bucket.varbatch(&["plan", "--inventory", inventory, "-o", dataset.to_str().expect("UTF-8")]).expect(0);
        std::fs::read(dataset.join("_plan/plan.json")).expect("a plan")
    };
    let expected = root(local.to_str().expect("UTF-8"), "local.ds");
    assert!(root(&bucket.put("inventory.tsv", text.as_bytes()), "remote.ds") == expected);
    assert!(root(&bucket.put("crlf.tsv", text.replace('\n', "\r\n").as_bytes()), "crlf.ds") == expected);
    assert!(root(&bucket.put("cut.tsv", text.trim_end().as_bytes()), "cut.ds") == expected);
    let refused = |name: &str, bytes: &[u8], code: i32, words: &[&str]| {
        let uri = bucket.put(name, bytes);
        let dataset = folder.join(name);
        let done = bucket.varbatch(&["plan", "--inventory", &uri, "-o", dataset.to_str().expect("UTF-8")]).expect(code);
        assert!(words.iter().all(|word| done.stderr.contains(word)), "{}", done.stderr);
    };
    refused("latin.tsv", b"path\tsample\tbytes\nx\tB\xe9\t1\n", 65, &["latin.tsv:2", "no text in UTF-8"]);
    refused("names.tsv", b"path\tsample\n", 2, &["no column bytes"]);
    refused("none.tsv", b"", 2, &["no column path"]);
    let missing =
        bucket.varbatch(&["plan", "--inventory", &format!("{}/gone.tsv", bucket.uri), "-o", "x.ds"]).expect(66);
    assert!(missing.stderr.contains("gone.tsv: there is no such object"), "{}", missing.stderr);
}

/// Planned and published with simulated commit records: 30,000 inputs, and with VARBATCH_BIG 20 million.
#[test]
fn millions_of_inputs_are_planned_and_published_in_little_memory() {
    let big = std::env::var_os("VARBATCH_BIG").is_some();
    let (n_inputs, memory) = if big { (20_000_000_u64, 2 << 30) } else { (30_000, 150 << 20) };
    let folder = temp();
    let folder = folder.path();
    let (_, files) = gvcfs(folder, 1);
    let sheet = folder.join("inventory.tsv");
    let mut lines = std::io::BufWriter::new(std::fs::File::create(&sheet).expect("a file"));
    writeln!(lines, "path\tsample\tbytes\tetag").expect("writes");
    writeln!(lines, "{}\tG00000000\t{}\t", files[0].display(), size(&files[0])).expect("writes");
    for i in 1..n_inputs {
        writeln!(lines, "s3://genomes/{:05}/G{i:08}.g.vcf.gz\tG{i:08}\t500000000\t{i:032x}", i / 1000).expect("writes");
    }
    lines.into_inner().expect("flushes");
    let dataset = folder.join("d.ds");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_string();
    let plan = |dataset: &Path| {
        // one shard of the second stage, so that one record is enough
        let flags = ["--inputs-per-shard", "1000", "--shard-size", "1000000T", "--format", "json"];
        let named = ["plan", "--inventory", &text(&sheet), "-o", &text(dataset)].map(str::to_string);
        let all: Vec<&str> = named.iter().map(String::as_str).chain(flags).collect();
        peak_of(&all)
    };
    let planned = plan(&dataset);
    assert!(planned < memory, "planning took {} MiB", planned >> 20);
    let again = folder.join("again.ds");
    plan(&again);
    let roots = [&dataset, &again].map(|dataset| std::fs::read(dataset.join("_plan/plan.json")).expect("a plan"));
    assert!(roots[0] == roots[1], "planning again gives other bytes");
    std::fs::remove_dir_all(&again).expect("remove");

    simulate_records(&dataset, n_inputs / 1000);
    let published = peak_of(&["finalize", &text(&dataset)]);
    assert!(published < memory, "publishing took {} MiB", published >> 20);
    eprintln!("{n_inputs} inputs: {} MiB to plan, {} MiB to publish", planned >> 20, published >> 20);
    let manifest = manifest(&dataset);
    assert_eq!(manifest["n_samples"], n_inputs);
    assert_eq!(manifest["inputs"], serde_json::json!([]), "so many are not listed");
    assert_eq!(manifest["n_inputs"], n_inputs);
    assert_eq!(manifest["accounting"]["records_read"], n_inputs / 1000 * 4_000_000_000);
    let mut next = 0;
    let samples = DataFile::Local(dataset.join("samples/part-0.parquet"));
    for batch in FileStream::open(&samples, &Select::columns(&["sample_index", "sample", "dialect"])).expect("a table")
    {
        let batch = batch.expect("rows");
        let (indexes, names) =
            (batch.ints("sample_index").expect("a column"), batch.texts("sample").expect("a column"));
        let dialects = batch.texts("dialect").expect("a column");
        for row in 0..batch.n_rows() {
            assert_eq!(indexes.value(row), next);
            assert_eq!((names.value(row), dialects.value(row)), (&format!("G{next:08}")[..], "gatk"));
            next += 1;
        }
    }
    assert_eq!(next as u64, n_inputs);
}

/// Records as finished shards leave them, and files with their sizes.
fn simulate_records(dataset: &Path, n_shards: u64) {
    let content = b"simulated";
    let digest = {
        use sha2::Digest;
        sha2::Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let status = varbatch(&["status", dataset.to_str().expect("UTF-8"), "--format", "json"]).expect(3).stdout;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["stages"][0]["shards"], n_shards);
    let accounting = |records: u64| {
        serde_json::json!({
            "records_read": records, "records_written": records, "records_rejected": 0, "alleles_read": 0,
            "alleles_merged": 0, "variant_rows": 0, "genotype_rows": 0, "ref_block_rows": records, "shift_capped": 0,
            "alleles_normalised": 0, "rejections": [],
        })
    };
    let record = |shard: u64, files: Vec<serde_json::Value>, records: u64| {
        serde_json::json!({
            "shard": shard, "plan_digest": status["plan_sha256"], "last": false, "files": files, "counts": null,
            "accounting": accounting(records), "warnings": {}, "dialects": [["gatk", 1000]],
        })
    };
    let write = |name: String, bytes: &[u8]| {
        let path = dataset.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("writes");
    };
    for shard in 0..n_shards {
        let mut files = Vec::new();
        for table in ["ref_blocks", "evidence"] {
            let path = format!("{table}/part-{shard:012}.parquet");
            write(path.clone(), content);
            let rows = serde_json::json!([{
                "contig": 0, "first_row": 0, "rows": 2_000_000_000_u64, "first_pos": 1, "last_pos": 20_000, "max_span": 1000,
            }]);
            files.push(serde_json::json!({
                "table": table, "contig": "", "path": path, "rows": 2_000_000_000_u64, "bytes": content.len(),
                "sha256": digest, "pos_range": null, "contigs": rows,
            }));
        }
        write(format!("_commits/ingest/{shard:012}.json"), record(shard, files, 4_000_000_000).to_string().as_bytes());
    }
    write(format!("_commits/call/{:012}.json", 0), record(0, Vec::new(), 0).to_string().as_bytes());
}
