//! Joint calling of real gVCFs: 50 people of the 1000 Genomes, DeepVariant's own example, base-pair files, odd files.

use super::common::{call, call_any, data, export, query, temp, varbatch};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn gvcfs_in(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "gz"))
        .collect();
    files.sort();
    files
}

fn inflated(path: &Path) -> String {
    super::common::finish(Command::new("gzip").args(["-dcf"]).arg(path)).expect(0).stdout
}

/// Bases that the records of a gVCF with reads cover, as ranges.
fn covered(path: &Path) -> Vec<(i64, i64)> {
    let text = inflated(path);
    let ranges = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let pos: i64 = fields[1].parse().expect("POS");
        let end = fields[7].split(';').find_map(|entry| entry.strip_prefix("END="));
        let end = end.map_or(pos + fields[3].len() as i64 - 1, |end| end.parse().expect("END"));
        let keys: Vec<&str> = fields[8].split(':').collect();
        let cell: Vec<&str> = fields[9].split(':').collect();
        let value = |key: &str| keys.iter().position(|known| *known == key).and_then(|at| cell.get(at).copied());
        let depth = value("MIN_DP").or(value("DP")).unwrap_or(".");
        (depth != "0").then_some((pos, end))
    });
    ranges.collect()
}

/// Digest of the rows of every table that holds results.
fn results(dataset: &Path) -> BTreeMap<String, Vec<Vec<String>>> {
    ["variants", "genotypes", "samples", "ref_blocks", "evidence"]
        .into_iter()
        .map(|table| (table.to_string(), query(dataset, &format!("SELECT * FROM {table}"))))
        .collect()
}

#[test]
fn fifty_people_are_called_the_same_however_the_work_is_divided() {
    let Some(folder) = data("gvcf/1kg-chr22-hg38-50") else { return };
    let inputs = gvcfs_in(&folder);
    let temp = temp();
    let first = temp.path().join("first");
    call(&inputs, &first, &["--threads", "1", "--quiet"]);
    varbatch(&["verify".as_ref(), first.as_os_str()]).expect(0);
    let expected = results(&first);
    assert!(expected["variants"].len() > 300 && expected["samples"].len() == 50);

    // no genotype where the sample's file has no reads, by another reading of the files
    let cover: Vec<Vec<(i64, i64)>> = inputs.iter().map(|path| covered(path)).collect();
    let out = temp.path().join("joint.vcf");
    export(&first, &out, &[]);
    let mut n_missing = 0;
    for line in std::fs::read_to_string(&out).expect("the export").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let pos: i64 = fields[1].parse().expect("POS");
        for (cell, cover) in fields[9..].iter().zip(&cover) {
            let is_called = cell.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
            let has_data = cover.iter().any(|&(first, last)| first <= pos && pos <= last);
            assert!(has_data || !is_called, "{}:{pos} is called {cell} without reads", fields[0]);
            n_missing += usize::from(!is_called);
        }
    }
    assert!(n_missing > 1_000, "the files end at different places");

    let reversed: Vec<PathBuf> = inputs.iter().rev().cloned().collect();
    for (name, inputs, extra) in [
        ("threads", &inputs, &["--threads", "2"][..]),
        ("seven", &inputs, &["--threads", "7"][..]),
        ("reversed", &reversed, &[][..]),
    ] {
        let again = temp.path().join(name);
        call(inputs, &again, &[extra, &["--quiet"]].concat());
        let bytes = |dataset: &Path| std::fs::read(dataset.join("_manifest.json")).expect("a manifest");
        // the manifest has the checksum of every file
        assert_eq!(bytes(&first), bytes(&again), "{name}");
    }
    for size in ["1K", "20K", "100K"] {
        let again = temp.path().join(size);
        call(&inputs, &again, &["--shard-size", size, "--quiet"]);
        assert_eq!(results(&again), expected, "shards of {size}");
    }
}

#[test]
fn deepvariant_calls_are_its_own() {
    let Some(gvcf) = data("reads/na12878-chr20-10mb/golden.postprocess_gvcf_output.g.vcf") else { return };
    let Some(vcf) = data("reads/na12878-chr20-10mb/golden.postprocess_single_site_output.vcf") else { return };
    let temp = temp();
    let dataset = temp.path().join("ds");
    call(&[gvcf], &dataset, &["--min-qual", "0", "--quiet"]);
    assert_eq!(query(&dataset, "SELECT dialect FROM samples"), [["deepvariant"]]);
    let out = temp.path().join("out.vcf");
    export(&dataset, &out, &[]);
    // alleles in place of their numbers: the order of ALT is not the same
    let genotypes = |text: &str| -> BTreeMap<String, (bool, Vec<String>)> {
        let lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let alleles: Vec<&str> = std::iter::once(fields[3]).chain(fields[4].split(',')).collect();
            let gt = fields[9].split(':').next().unwrap_or(".");
            let copies = gt.split(['/', '|']).map(|copy| copy.parse::<usize>().map_or(".", |allele| alleles[allele]));
            let mut copies: Vec<String> = copies.map(str::to_string).collect();
            copies.sort();
            (fields[1].to_string(), (gt.contains(['1', '2']), copies))
        });
        lines.collect()
    };
    let ours = genotypes(&std::fs::read_to_string(out).expect("the export"));
    let theirs = genotypes(&std::fs::read_to_string(vcf).expect("a VCF"));
    let called: Vec<_> = theirs.iter().filter(|(_, (is_carrier, _))| *is_carrier).collect();
    assert!(called.len() > 40);
    for (pos, genotype) in called {
        assert_eq!(ours.get(pos), Some(genotype), "{pos}");
    }
}

#[test]
fn a_base_pair_file_is_called_as_a_banded_one() {
    let Some(banded) = data("gvcf/glow/NA12878_21_10002403.g.vcf") else { return };
    let Some(single) = data("gvcf/glow/NA12878_21_10002403.bp.g.vcf") else { return };
    let temp = temp();
    let (a, b) = (temp.path().join("banded"), temp.path().join("single"));
    call(&[banded], &a, &["--min-qual", "0", "--quiet"]);
    call(&[single], &b, &["--min-qual", "0", "--quiet"]);
    for sql in [
        "SELECT pos, ref, alt, qual, ac, an FROM variants",
        "SELECT pos, gt, gq, dp, ad_ref, ad_alt FROM genotypes",
        "SELECT start, length, gt, gq, min_dp, pl_het, pl_hom_alt FROM ref_blocks",
    ] {
        assert_eq!(query(&a, sql), query(&b, sql), "{sql}");
    }
}

#[test]
fn every_gvcf_is_called_or_refused_with_a_place() {
    let Some(folder) = data("gvcf") else { return };
    let temp = temp();
    let mut refused = BTreeSet::new();
    let (mut n_joint, mut n_all) = (0, 0);
    for name in super::common::files_below(&folder) {
        let is_vcf =
            [".vcf", ".vcf.gz", ".gvcf", ".bgz", ".bcf"].iter().any(|end| name.to_string_lossy().ends_with(end));
        if !is_vcf || name.starts_with("1kg-chr22-hg38-50") {
            continue;
        }
        n_all += 1;
        let dataset = temp.path().join(format!("ds{n_all}"));
        let done = call_any(&[folder.join(&name)], &dataset, &["--on-bad-record", "skip", "--quiet"]);
        if done.code != 0 {
            assert!(done.code == 65 && done.stderr.contains("error: "), "{}: {}", name.display(), done.stderr);
            refused.insert(name.to_string_lossy().into_owned());
            continue;
        }
        varbatch(&["verify".as_ref(), dataset.as_os_str()]).expect(0);
        n_joint += usize::from(dataset.join("ref_blocks").exists());
    }
    // an empty sample name
    assert_eq!(refused, BTreeSet::from(["gatk-joint/fake_sample2.vcf".to_string()]));
    assert!(n_joint >= 40 && n_all >= 80, "{n_joint} of {n_all}");
}
