//! `varbatch kinship` against PLINK 2, on a family, and with any number of threads.

use super::common::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
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

#[test]
fn variants_of_a_small_part_of_the_genome_are_warned_of() {
    let folder = temp();
    let with_contigs = |name: &str, contigs: &str| {
        let head = "##fileformat=VCFv4.3\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n";
        let columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n";
        let records = "1\t1000\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\n1\t50999\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/1\n";
        let vcf = write(folder.path(), &format!("{name}.vcf"), format!("{head}{contigs}{columns}{records}"));
        let dataset = folder.path().join(name);
        call(&[vcf], &dataset, &[]);
        varbatch(&["kinship", path_text(&dataset)]).expect(0).stderr
    };
    let small = with_contigs("small", "##contig=<ID=1,length=600000>\n##contig=<ID=2,length=400000>\n");
    assert!(small.contains("warning: the variants are on 0.1 Mb, 5.0 % of the genome"), "{small}");
    let large = with_contigs("large", "##contig=<ID=1,length=60000>\n##contig=<ID=2,length=40000>\n");
    let unknown = with_contigs("unknown", "##contig=<ID=1>\n");
    assert!(!large.contains("warning") && !unknown.contains("warning"), "{large}{unknown}");
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
    peer.args([
        "--max-alleles",
        "2",
        "--mac",
        "1",
        "--make-rel",
        "bin",
        "square",
        "--threads",
        "1",
        "--allow-extra-chr",
        "--vcf",
    ]);
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
        let (n_variants, value): (f64, f64) =
            (fields[4].parse().expect("a count"), fields[5].parse().expect("a value"));
        assert!(column <= row && n_variants > 1000.0, "{line}");
        let expected = expected[row * 600 + column];
        assert!((value - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{line}: {expected}");
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

/// PC-Relate as the paper writes it, for every pair: `copies` by variant, `components` by sample, frequencies above `least`.
fn pc_relate_in_plain_words(copies: &[Vec<f64>], components: &[Vec<f64>], least: f64) -> Vec<Vec<f64>> {
    let n = components.len();
    let design: Vec<Vec<f64>> = components.iter().map(|row| [&[1.0], &row[..]].concat()).collect();
    let width = design[0].len();
    let mut sums = vec![vec![[0.0; 2]; n]; n];
    for g in copies {
        // normal equations, solved by elimination
        let mut system = vec![vec![0.0; width + 1]; width];
        for (row, &value) in design.iter().zip(g) {
            for i in 0..width {
                (0..width).for_each(|j| system[i][j] += row[i] * row[j]);
                system[i][width] += row[i] * value;
            }
        }
        for i in 0..width {
            for other in (0..width).filter(|&other| other != i) {
                let factor = system[other][i] / system[i][i];
                (0..=width).for_each(|j| system[other][j] -= factor * system[i][j]);
            }
        }
        let beta: Vec<f64> = (0..width).map(|i| system[i][width] / system[i][i]).collect();
        let mu = |row: &Vec<f64>| row.iter().zip(&beta).map(|(x, b)| x * b).sum::<f64>() / 2.0;
        let mu: Vec<f64> = design.iter().map(mu).collect();
        let is_used = |at: usize| mu[at] > least && mu[at] < 1.0 - least;
        for i in (0..n).filter(|&i| is_used(i)) {
            for j in (0..i).filter(|&j| is_used(j)) {
                sums[i][j][0] += (g[i] - 2.0 * mu[i]) * (g[j] - 2.0 * mu[j]);
                sums[i][j][1] += (mu[i] * (1.0 - mu[i]) * mu[j] * (1.0 - mu[j])).sqrt();
            }
        }
    }
    sums.iter().map(|row| row.iter().map(|[top, bottom]| top / (4.0 * bottom)).collect()).collect()
}

/// A pair of `pc_relate`: positions and names of the samples, kinship.
type Pair = (usize, usize, [String; 2], f64);

fn pc_relate(dataset: &Path, flags: &[&str]) -> Vec<Pair> {
    let done = kinship(dataset, &[&["--method", "pc-relate", "--all-pairs", "-o", "-"], flags].concat());
    let pair = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let index = |at: usize| fields[at].parse().expect("an index");
        let names = [fields[1].to_owned(), fields[3].to_owned()];
        (index(0), index(2), names, fields[4].parse().expect("a coefficient"))
    };
    let found: Vec<Pair> = done.stdout.lines().skip(1).map(pair).collect();
    assert_eq!(found.len(), 100 * 99 / 2);
    found
}

/// The coefficients of GENESIS (R), as Hail keeps them for its own test, by names in order.
fn genesis(path: PathBuf) -> HashMap<[String; 2], f64> {
    let name = |field: &str| field.trim_start_matches("{\"s\":\"").trim_end_matches("\"}").to_owned();
    let text = finish(Command::new("gzip").arg("-dc").arg(path)).expect(0).stdout;
    let pair = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        (sorted([name(fields[0]), name(fields[1])]), fields[2].parse::<f64>().expect("a coefficient"))
    };
    text.lines().skip(1).map(pair).collect()
}

fn sorted(mut names: [String; 2]) -> [String; 2] {
    names.sort();
    names
}

/// The formula to 1e-9, and GENESIS to the digits that its table has. GENESIS took its components from variants with a frequency above
/// 0.01 (the default of `pcair`, which leaves out 0.01 itself), and then used all variants.
#[test]
fn pc_relate_is_that_of_the_paper_and_of_genesis() {
    let (Some(vcf), Some(truth)) =
        (data("cohort/hail/pc_relate_bn_input.vcf.bgz"), data("cohort/hail/pc_relate_r_truth.tsv.bgz"))
    else {
        return;
    };
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[vcf], &dataset, &[]);
    let path = dataset.to_str().expect("UTF-8");
    let matrix = varbatch(&["query", path, "--view", "matrix", "--cells", "dosage"]).expect(0).stdout;
    let copies: Vec<Vec<f64>> = matrix
        .lines()
        .skip(1)
        .map(|line| line.split('\t').skip(5).map(|cell| cell.parse().expect("copies")).collect())
        .collect();
    let truth = genesis(truth);
    assert_eq!(truth.len(), 100 * 99 / 2);
    let compare = |pca: &[&str], flags: &[&str], least: f64| {
        varbatch(&[&["pca", path, "-k", "2"], pca].concat()).expect(0);
        let found = pc_relate(&dataset, flags);
        let number = |text: &String| text.parse::<f64>().expect("a number");
        let components = query(&dataset, "SELECT pc1, pc2 FROM pca ORDER BY sample_index");
        let components: Vec<Vec<f64>> = components.iter().map(|row| row.iter().map(number).collect()).collect();
        let plain = pc_relate_in_plain_words(&copies, &components, least);
        for (one, two, _, value) in &found {
            assert!((value - plain[*two][*one]).abs() < 1e-9, "{one}, {two}: {value} is not {}", plain[*two][*one]);
        }
        let away = |(_, _, names, value): &Pair| (value - truth[&sorted(names.clone())]).abs();
        found.iter().map(away).fold(0.0, f64::max)
    };
    // five digits: 5e-7 at 0.01 to 0.1, where the largest are
    let furthest = compare(&["--min-maf", "0.0101"], &["--pcs", "2", "--min-maf", "0"], 0.0);
    assert!(furthest < 5.1e-7, "{furthest}");
    // components of all variants: two with a frequency of 0.01 make the difference, which Hail's own test allows
    let furthest = compare(&["--min-maf", "0"], &["-k", "2", "--min-maf", "0"], 0.0);
    assert!((4.0e-4..4.1e-4).contains(&furthest), "{furthest}");
    compare(&["--min-maf", "0"], &["--pcs", "2", "--min-maf", "0", "--min-individual-maf", "0.05"], 0.05);

    let flags = ["--method", "pc-relate", "-k", "2", "--min-maf", "0", "--all-pairs"];
    let stored = |threads: &str| {
        kinship(&dataset, &[&flags[..], &["--threads", threads]].concat());
        std::fs::read(dataset.join("stats/pc_relate.parquet")).expect("a table")
    };
    assert!(stored("1") == stored("3"));
}

const SMALL: &str = "\
##fileformat=VCFv4.3
##contig=<ID=1,length=1000>
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc
1\t10\t.\tA\tC\t.\t.\t.\tGT\t0/0\t0/1\t1/1
1\t20\t.\tA\tG\t.\t.\t.\tGT\t0/1\t0/0\t0/0
";

#[test]
fn pc_relate_says_which_components_are_missing() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[write(folder.path(), "small.vcf", SMALL)], &dataset, &[]);
    let run = |flags: &[&str]| varbatch(&[&["kinship", dataset.to_str().expect("UTF-8")], flags].concat());
    let relate = ["--method", "pc-relate", "--min-maf", "0"];
    let failed = run(&[&relate[..], &["--pcs", "1"]].concat()).expect(2);
    assert!(failed.stderr.contains("no stored table pca"), "{}", failed.stderr);
    let samples = write(folder.path(), "some.txt", "a\nb\n");
    let samples = samples.to_str().expect("UTF-8");
    varbatch(&["pca", dataset.to_str().expect("UTF-8"), "-k", "1", "--min-maf", "0", "--samples-file", samples])
        .expect(0);
    let failed = run(&[&relate[..], &["--pcs", "1"]].concat()).expect(2);
    assert!(failed.stderr.contains("sample `c` has no pc1 in the stored table pca"), "{}", failed.stderr);
    run(&[&relate[..], &["--pcs", "1", "--samples-file", samples]].concat()).expect(0);
    run(&[&relate[..], &["--pcs", "1", "-k", "1"]].concat()).expect(2);
    run(&["--pcs", "1"]).expect(2);
    run(&[&relate[..], &["-k", "1", "--min-individual-maf", "0.5"]].concat()).expect(2);
}

/// A flag that the method does not have is refused, before the dataset is opened.
#[test]
fn flags_of_another_method_are_refused() {
    for flags in [
        &["--method", "king", "-k", "5"][..],
        &["--pcs", "5"],
        &["--method", "grm", "-k", "5"],
        &["--method", "grm", "--min-kinship", "0.1"],
        &["--method", "grm", "--all-pairs"],
    ] {
        let done = varbatch(&[&["kinship", "/no/dataset"][..], flags].concat()).expect(2);
        assert!(done.stderr.contains("--method"), "{flags:?}: {}", done.stderr);
    }
    varbatch(&["kinship", "/no/dataset", "--method", "pc-relate", "-k", "5", "--min-kinship", "0.1"]).expect(66);
}
