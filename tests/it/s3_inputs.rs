//! Inputs on S3 give the rows that they give from disk, read what is needed, and say what is wrong.

use super::cli::{reference, small};
use super::common::*;
use super::inputs::{assert_same_rows, bgzf, gzip, rows};
use super::servers::{Bucket, bucket};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `varbatch call INPUT... -o folder/name EXTRA...` with the environment of a bucket.
fn call_from(bucket: &Bucket, inputs: &[&str], dataset: &Path, extra: &[&str]) -> Finished {
    let target = dataset.to_str().expect("UTF-8");
    let args: Vec<&str> = ["call"].iter().chain(inputs).chain(&["-o", target]).chain(extra).copied().collect();
    bucket.varbatch(&args)
}

/// A simulated cohort: its folder.
fn simulated(folder: &Path, args: &[&str]) -> PathBuf {
    let target = folder.join("simulated");
    let mut command = Command::new(binary());
    finish(command.arg("simulate").arg("-o").arg(&target).args(args)).expect(0);
    target
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_kind_of_file() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let text = read(&small());
    let fasta = reference(folder.path());
    let mut forms = vec![("plain.vcf", text.clone()), ("blocks.vcf.gz", bgzf(&text)), ("one.vcf.gz", gzip(&text))];
    if tool("bcftools") {
        let path = folder.path().join("blocks.bcf");
        finish(Command::new("bcftools").args(["view", "-O", "b", "-o"]).arg(&path).arg(small())).expect(0);
        let mut raw = Vec::new();
        flate2::read::MultiGzDecoder::new(&read(&path)[..]).read_to_end(&mut raw).expect("inflates");
        forms.extend([("blocks.bcf", read(&path)), ("gzip.bcf.gz", gzip(&raw)), ("raw.bcf", raw)]);
    }
    let fasta_uri = bucket.put("reference.fa", &read(&fasta));
    for (name, bytes) in forms {
        let path = write(folder.path(), name, &bytes);
        let (local, remote) = (folder.path().join(format!("{name}.disk")), folder.path().join(format!("{name}.s3")));
        call(&[&path], &local, &["-f", fasta.to_str().expect("UTF-8")]);
        let uri = bucket.put(name, &bytes);
        call_from(&bucket, &[&uri], &remote, &["-f", &fasta_uri]).expect(0);
        assert_same_rows(&rows(&local), &rows(&remote), name);
        assert_eq!(manifest(&local)["settings"], manifest(&remote)["settings"], "{name}");
    }
    // the endpoint as a flag, and the inputs as a list that is on S3 itself
    let list = bucket.put("list.txt", format!("{}/plain.vcf\n", bucket.uri).as_bytes());
    let dataset = folder.path().join("list.ds");
    let mut command = Command::new(binary());
    command.args(["call", "--inputs", &list, "-o"]).arg(&dataset).args(["--endpoint-url", &bucket.endpoint]);
    command.envs(bucket.environment()).env_remove("AWS_ENDPOINT_URL");
    finish(&mut command).expect(0);
    call(&[folder.path().join("plain.vcf")], &folder.path().join("list.disk"), &[]);
    assert_same_rows(&rows(&folder.path().join("list.disk")), &rows(&dataset), "a list");
}

/// A cohort of some megabytes in a bucket, with its index: URI, path, reference.
fn large(bucket: &Bucket, folder: &Path) -> (String, PathBuf, PathBuf) {
    let args = ["--samples", "3000", "--length", "1000000", "--seed", "5"];
    let made = simulated(folder, &args);
    let path = made.join("cohort.vcf.gz");
    if tool("tabix") {
        finish(Command::new("tabix").args(["-f", "-p", "vcf"]).arg(&path)).expect(0);
        bucket.put("cohort.vcf.gz.tbi", &read(&made.join("cohort.vcf.gz.tbi")));
    }
    (bucket.put("cohort.vcf.gz", &read(&path)), path, made.join("reference.fa"))
}

#[test]
fn a_file_is_read_once_and_a_region_by_itself() {
    let Some(direct) = bucket() else { return };
    let folder = temp();
    let (uri, path, fasta) = large(&direct, folder.path());
    let n_bytes = std::fs::metadata(&path).expect("a file").len();
    let fasta = fasta.to_str().expect("UTF-8");
    for (name, extra, most) in [
        ("whole", vec!["-f", fasta], n_bytes * 3 / 2),
        ("cut", vec!["-f", fasta, "--shard-size", "700K"], n_bytes * 2),
        ("region", vec!["-f", fasta, "-r", "chr1:300001-302000"], n_bytes / 3),
    ] {
        let watched = direct.through("none", 0.0, 0);
        let (local, remote) = (folder.path().join(format!("{name}.disk")), folder.path().join(format!("{name}.s3")));
        call(&[&path], &local, &extra);
        let scratch = folder.path().join(format!("{name}.tmp"));
        std::fs::create_dir(&scratch).expect("a folder");
        let mut command = Command::new(binary());
        command.args(["call", &uri, "-o"]).arg(&remote).args(&extra).envs(watched.environment());
        let done = finish(command.env("TMPDIR", &scratch)).expect(0);
        assert!(done.stderr.contains("S3: "), "{}", done.stderr);
        assert!(files_below(&scratch).is_empty());
        assert_same_rows(&rows(&local), &rows(&remote), name);
        let counts = watched.counts();
        eprintln!("{name}: {n_bytes} bytes in the file, {counts}");
        assert!(counts["get_bytes"].as_u64() < Some(most), "{name}: {n_bytes} bytes in the file, {counts}");
    }
}

#[test]
fn faults_do_not_show_in_the_dataset() {
    let Some(direct) = bucket() else { return };
    let folder = temp();
    let (uri, _, fasta) = large(&direct, folder.path());
    let extra = ["-f", fasta.to_str().expect("UTF-8"), "--shard-size", "1M"];
    let expected = folder.path().join("expected");
    call_from(&direct, &[&uri], &expected, &extra).expect(0);
    std::thread::scope(|scope| {
        for (mode, rate) in
            [("503", 0.3), ("reset-before", 0.3), ("lost-reply", 0.3), ("truncated", 0.3), ("hang", 0.2)]
        {
            let (direct, uri, expected, folder) = (&direct, &uri, &expected, folder.path());
            scope.spawn(move || {
                let broken = direct.through(mode, rate, 11);
                let dataset = folder.join(mode);
                call_from(&broken, &[uri], &dataset, &extra).expect(0);
                assert_eq!(differing_files(expected, &dataset), Vec::<PathBuf>::new(), "{mode}");
                let counts = broken.counts();
                eprintln!("{mode}: {counts}");
                assert!(counts["faults"].as_u64() > Some(2), "{mode}: {counts}");
            });
        }
    });
}

#[test]
fn gvcfs() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let made = simulated(folder.path(), &["--samples", "40", "--length", "60000", "--seed", "3", "--gvcf"]);
    let sheet = String::from_utf8(read(&made.join("inputs.tsv"))).expect("UTF-8");
    let fasta = made.join("reference.fa");
    let mut remote_sheet = String::new();
    for (i, line) in sheet.lines().enumerate() {
        let (path, rest) = line.split_once('\t').unwrap_or((line, ""));
        if i == 0 && path.contains("path") {
            remote_sheet.push_str(line);
        } else {
            let name = Path::new(path).file_name().expect("a name").to_str().expect("UTF-8");
            let uri = bucket.put(&format!("gvcf/{name}"), &read(&made.join(path)));
            if tool("tabix") {
                finish(Command::new("tabix").args(["-f", "-p", "vcf"]).arg(made.join(path))).expect(0);
                bucket.put(&format!("gvcf/{name}.tbi"), &read(&made.join(format!("{path}.tbi"))));
            }
            remote_sheet.push_str(&format!("{uri}\t{rest}"));
        }
        remote_sheet.push('\n');
    }
    let list = write(folder.path(), "remote.tsv", &remote_sheet);
    let fasta = fasta.to_str().expect("UTF-8");
    for (name, mode, extra) in
        [("whole", "none", &[][..]), ("broken", "reset-before", &[]), ("region", "none", &["-r", "chr1:20001-30000"])]
    {
        let (local, remote) = (folder.path().join(format!("{name}.disk")), folder.path().join(format!("{name}.s3")));
        let mut command = Command::new(binary());
        command.args(["call", "--inputs"]).arg(made.join("inputs.tsv")).args(["-f", fasta]).args(extra);
        finish(command.arg("-o").arg(&local).current_dir(&made)).expect(0);
        let (list, target) = (list.to_str().expect("UTF-8"), remote.to_str().expect("UTF-8"));
        let args: Vec<&str> =
            ["call", "--inputs", list, "-f", fasta, "-o", target].iter().chain(extra).copied().collect();
        let watched = bucket.through(mode, 0.3, 2);
        watched.varbatch(&args).expect(0);
        eprintln!("{name}: {}", watched.counts());
        assert_same_rows(&rows(&local), &rows(&remote), name);
        assert!(rows(&remote).iter().all(|table| !table.rows.is_empty()), "{name}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let Some(bucket) = bucket() else { return };
    let folder = temp();
    let dataset = |name: &str| folder.path().join(name);
    let gone = call_from(&bucket, &["s3://varbatch-none/x.vcf"], &dataset("a"), &[]).expect(66);
    assert!(gone.stderr.contains("error: cannot read s3://varbatch-none/x.vcf: "), "{}", gone.stderr);
    let missing = format!("{}/no/such.vcf", bucket.uri);
    let done = call_from(&bucket, &[&missing], &dataset("b"), &[]).expect(66);
    assert!(done.stderr.contains(&format!("error: cannot read {missing}: there is no such object")), "{}", done.stderr);
    call_from(&bucket, &["s3:///x"], &dataset("c"), &[]).expect(2);
    call_from(&bucket, &[&format!("{}/", bucket.uri)], &dataset("d"), &[]).expect(2);
    let empty = bucket.put("empty.vcf", b"");
    let done = call_from(&bucket, &[&empty], &dataset("e"), &[]).expect(65);
    assert!(done.stderr.contains("the file is empty"), "{}", done.stderr);
    let text = read(&small());
    let cut = bucket.put("cut.vcf.gz", &bgzf(&text)[..text.len() / 4]);
    let done = call_from(&bucket, &[&cut], &dataset("f"), &[]).expect(65);
    assert!(done.stderr.contains("cut.vcf.gz") && done.stderr.contains("BGZF block"), "{}", done.stderr);

    let (uri, _, _) = large(&bucket, folder.path());
    let changing = bucket.through("change", 0.0, 0);
    let done = call_from(&changing, &[&uri], &dataset("g"), &[]).expect(65);
    assert!(done.stderr.contains(&format!("{uri} was changed")), "{}", done.stderr);
    assert!(!is_published(&dataset("g")));
    assert_ne!(bucket.get("cohort.vcf.gz").map(|bytes| bytes.len()), None);

    let mut nobody = Command::new(binary());
    nobody.args(["call", &uri, "-o"]).arg(dataset("h")).envs(bucket.environment());
    nobody.env("VARBATCH_S3_RETRY_SECONDS", "1").env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let done = finish(&mut nobody).expect(75);
    assert!(!done.stderr.contains("test-secret") && done.stderr.contains("no connection"), "{}", done.stderr);
}
