//! `varbatch kinship` against PLINK 2, on a family, and with any number of threads.

use super::common::*;
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// n_variants, n_hethet, n_ibs0, kinship.
type Values = ([i64; 3], Option<f64>);

fn kinship(dataset: &Path, extra: &[&str]) -> Finished {
    varbatch(&[&["kinship", dataset.to_str().expect("UTF-8")], extra].concat()).expect(0)
}

/// Rows of a file by the two names, in the order of the alphabet. `columns`: the names, the counts, the coefficient.
fn pairs(path: &Path, columns: [usize; 6]) -> HashMap<(String, String), Values> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let [one, two, counts @ .., value] = columns.map(|at| fields[at]);
        let (one, two) = (one.min(two).to_owned(), one.max(two).to_owned());
        let value = value.parse::<f64>().ok().filter(|value| value.is_finite());
        ((one, two), (counts.map(|count| count.parse().expect("a count")), value))
    };
    text.lines().skip(1).map(row).collect()
}

/// All pairs of `dataset` are those that PLINK 2 finds in `vcf`.
fn compare(vcf: &Path, dataset: &Path, folder: &Path, n_pairs: usize) {
    let (ours, out) = (folder.join("ours.tsv"), folder.join("p"));
    kinship(dataset, &["--all-pairs", "-o", ours.to_str().expect("UTF-8")]);
    let mut peer = Command::new("plink2");
    peer.args(["--max-alleles", "2", "--make-king-table", "counts", "--threads", "1", "--allow-extra-chr", "--vcf"]);
    finish(peer.arg(vcf).arg("--out").arg(&out)).expect(0);
    let found = pairs(&ours, [1, 3, 4, 5, 6, 8]);
    let expected = pairs(&out.with_extension("kin0"), [0, 1, 2, 3, 4, 5]);
    assert_eq!((found.len(), expected.len()), (n_pairs, n_pairs));
    for (names, (counts, value)) in &expected {
        let (our_counts, our_value) = &found[names];
        assert_eq!(our_counts, counts, "{names:?}");
        assert_eq!(our_value.is_some(), value.is_some(), "{names:?}");
        // it prints six digits
        let (one, other) = (our_value.unwrap_or_default(), value.unwrap_or_default());
        assert!((one - other).abs() <= 1e-6 * one.abs().max(1.0) * 5.0, "{names:?}: {one} is not {other}");
    }
}

#[test]
fn all_pairs_of_a_real_cohort_are_those_of_plink2() {
    let Some(vcf) = data("cohort/1kg-chr22-2504/all2504.bgzf.vcf.gz") else { return };
    if !tool("plink2") {
        return;
    }
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[&vcf], &dataset, &[]);
    compare(&vcf, &dataset, folder.path(), 2504 * 2503 / 2);
}

/// Numbers that look random (Knuth's linear congruential generator).
struct Dice(u64);

impl Dice {
    /// Below `n`.
    fn roll(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

const NAMES: [&str; 7] = ["father", "mother", "child", "sib", "x", "x_again", "hom"];

/// Two parents, two children, one stranger twice, and one who is homozygous everywhere; 5 % of calls are missing, some haploid.
fn family() -> String {
    let mut text = String::from("##fileformat=VCFv4.3\n##contig=<ID=1,length=1000000>\n");
    text += "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n";
    text += &format!("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}\n", NAMES.join("\t"));
    let mut dice = Dice(7);
    for variant in 1..=4000 {
        let tenths = 1 + dice.roll(5);
        let mut founder = || [u64::from(dice.roll(10) < tenths), u64::from(dice.roll(10) < tenths)];
        let (father, mother, x, hom) = (founder(), founder(), founder(), founder());
        let mut born = || [father[dice.roll(2) as usize], mother[dice.roll(2) as usize]];
        let genotypes = [father, mother, born(), born(), x, x, [hom[0]; 2]];
        text += &format!("1\t{}\t.\tA\tC\t.\t.\t.\tGT", 10 * variant);
        for [one, two] in genotypes {
            text += &match dice.roll(100) {
                0..5 => "\t./.".to_owned(),
                5 if one == two => format!("\t{one}"),
                _ => format!("\t{one}/{two}"),
            };
        }
        text.push('\n');
    }
    text
}

#[test]
fn a_family() {
    let folder = temp();
    let vcf = write(folder.path(), "family.vcf", family());
    let dataset = folder.path().join("ds");
    call(&[&vcf], &dataset, &[]);
    let done = kinship(&dataset, &["--threads", "1"]);
    let stored = dataset.join("stats/kinship.parquet");
    let bytes = std::fs::read(&stored).expect("stored");
    let rows = query(&dataset, "SELECT sample_1, sample_2, relation FROM kinship");
    let expected = [
        ["father", "child", "parent_child"],
        ["father", "sib", "parent_child"],
        ["mother", "child", "parent_child"],
        ["mother", "sib", "parent_child"],
        ["child", "sib", "full_sibs"],
        ["x", "x_again", "duplicate_or_twin"],
    ];
    assert_eq!(rows, expected);
    let counts = "21 pairs of 7 samples, 4000 variants: 1 duplicate_or_twin, 4 parent_child, 1 full_sibs, 0 second, 0 third, \
                  9 unrelated, 6 without_value";
    assert!(done.stderr.contains(counts), "{}", done.stderr);
    kinship(&dataset, &["--threads", "2"]);
    assert!(std::fs::read(&stored).expect("stored") == bytes, "threads change the result");
    if tool("plink2") {
        compare(&vcf, &dataset, folder.path(), 21);
    }
    let nothing = varbatch(&["kinship", dataset.to_str().expect("UTF-8"), "--where", "pos < 0"]).expect(2);
    assert!(nothing.stderr.contains("no variant is left"), "{}", nothing.stderr);
}

/// The relationship matrix of PLINK 2, as binary doubles: `[n × n]`.
fn make_rel(vcf: &Path, out: &Path) -> Vec<f64> {
    let mut peer = Command::new("plink2");
    peer.args(["--max-alleles", "2", "--make-rel", "bin", "square", "--threads", "1", "--allow-extra-chr", "--vcf"]);
    finish(peer.arg(vcf).arg("--out").arg(out)).expect(0);
    let bytes = std::fs::read(out.with_extension("rel.bin")).expect("a matrix");
    bytes.chunks_exact(8).map(|eight| f64::from_le_bytes(eight.try_into().expect("eight"))).collect()
}

#[test]
fn the_relationship_matrix_is_that_of_plink2() {
    if !tool("plink2") {
        return;
    }
    let folder = temp();
    let made = folder.path().join("made");
    let simulated = ["--samples", "600", "--sites", "2000", "--seed", "4", "--missing", "0.02"];
    varbatch(&[&["simulate", "-o", made.to_str().expect("UTF-8")][..], &simulated].concat()).expect(0);
    let (vcf, dataset) = (made.join("cohort.vcf.gz"), folder.path().join("ds"));
    call(&[&vcf], &dataset, &[]);
    let done = kinship(&dataset, &["--method", "grm", "-o", "-"]);
    let expected = make_rel(&vcf, &folder.path().join("p"));
    assert_eq!(expected.len(), 600 * 600);
    let mut n_pairs = 0;
    for line in done.stdout.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (row, column): (usize, usize) = (fields[0].parse().expect("a row"), fields[2].parse().expect("a column"));
        let (n_variants, value): (f64, f64) = (fields[4].parse().expect("a count"), fields[5].parse().expect("a value"));
        assert!(column <= row && n_variants > 1000.0, "{line}");
        assert!((value - expected[row * 600 + column]).abs() <= 1e-6, "{line}: {}", expected[row * 600 + column]);
        n_pairs += 1;
    }
    assert_eq!(n_pairs, 600 * 601 / 2);
    // the same bytes for any number of threads
    let stored = |threads: &str| {
        kinship(&dataset, &["--method", "grm", "--threads", threads]);
        std::fs::read(dataset.join("stats/grm.parquet")).expect("a table")
    };
    assert!(stored("1") == stored("3"));
}

/// Coefficients that GENESIS (R) finds, as Hail keeps them for its own test, which allows a difference of 1e-3.
#[test]
fn pc_relate_is_that_of_genesis() {
    let (Some(vcf), Some(truth)) =
        (data("cohort/hail/pc_relate_bn_input.vcf.bgz"), data("cohort/hail/pc_relate_r_truth.tsv.bgz"))
    else {
        return;
    };
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[vcf], &dataset, &[]);
    let flags = ["--method", "pc-relate", "-k", "2", "--min-maf", "0", "--all-pairs"];
    let done = kinship(&dataset, &[&flags[..], &["-o", "-"]].concat());
    let name = |field: &str| field.trim_start_matches("{\"s\":\"").trim_end_matches("\"}").to_owned();
    let text = finish(Command::new("gzip").arg("-dc").arg(truth)).expect(0).stdout;
    let expected: HashMap<(String, String), f64> = text
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let (one, two) = (name(fields[0]), name(fields[1]));
            ((one.clone().min(two.clone()), one.max(two)), fields[2].parse().expect("a coefficient"))
        })
        .collect();
    let (mut n_pairs, mut largest) = (0, 0.0_f64);
    for line in done.stdout.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (one, two) = (fields[1].to_owned(), fields[3].to_owned());
        let value: f64 = fields[4].parse().expect("a coefficient");
        largest = largest.max((value - expected[&(one.clone().min(two.clone()), one.max(two))]).abs());
        n_pairs += 1;
    }
    assert_eq!((n_pairs, expected.len()), (100 * 99 / 2, 100 * 99 / 2));
    assert!(largest <= 1e-4, "{largest}");
    let stored = |threads: &str| {
        kinship(&dataset, &[&flags[..], &["--threads", threads]].concat());
        std::fs::read(dataset.join("stats/pc_relate.parquet")).expect("a table")
    };
    assert!(stored("1") == stored("3"));
}
