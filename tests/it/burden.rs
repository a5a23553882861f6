//! Tests of sets: against R's SKAT, REGENIE's masks, and an account of the formulas in Python; forms of sets and masks; bytes.

use super::common::*;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use varbatch::dataset::Dataset;
use varbatch::stats::results::Results;

/// Rows of a table with tabs, by the names of its columns.
type Rows = Vec<HashMap<String, String>>;

fn rows(text: &str) -> Rows {
    let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let names = lines.next().expect("a header");
    lines.map(|fields| names.iter().cloned().zip(fields).collect()).collect()
}

/// Rows of `varbatch burden dataset ARGS -o -`.
#[track_caller]
fn burden(dataset: &Path, args: &[&str]) -> Rows {
    let mut all = vec!["burden", path_text(dataset), "-o", "-"];
    all.extend(args);
    rows(&varbatch(&all).expect(0).stdout)
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

#[track_caller]
fn close(found: f64, expected: f64, relative: f64) {
    assert!((found - expected).abs() <= relative * expected.abs(), "{found} is not {expected}");
}

#[track_caller]
fn row<'a>(rows: &'a [HashMap<String, String>], keys: &[(&str, &str)]) -> &'a HashMap<String, String> {
    let found: Vec<_> = rows.iter().filter(|row| keys.iter().all(|(name, value)| row[*name] == *value)).collect();
    assert_eq!(found.len(), 1, "{keys:?}");
    found[0]
}

/// Copies by variant, then sample, as a VCF on contig 1.
fn vcf(copies: &[Vec<u8>]) -> String {
    let mut text = String::from(
        "##fileformat=VCFv4.3\n##contig=<ID=1,length=9999>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT",
    );
    (0..copies[0].len()).for_each(|sample| write!(text, "\ts{sample}").expect("text"));
    for (at, row) in copies.iter().enumerate() {
        write!(text, "\n1\t{}\t.\tA\tC\t.\t.\t.\tGT", at + 1).expect("text");
        row.iter().for_each(|&copies| text.push_str(["\t0/0", "\t0/1", "\t1/1", "\t./."][usize::from(copies)]));
    }
    text + "\n"
}

/// A dataset of copies, with a phenotype, covariates and a set `g` of all variants, weighted.
struct Case {
    folder: tempfile::TempDir,
    dataset: PathBuf,
    args: Vec<String>,
}

fn case(copies: &[Vec<u8>], y: &[f64], covariates: &[Vec<f64>], weights: &[f64]) -> Case {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[write(folder.path(), "a.vcf", vcf(copies))], &dataset, &[]);
    let mut pheno = String::from("IID\ty\n");
    y.iter().enumerate().for_each(|(at, y)| writeln!(pheno, "s{at}\t{y}").expect("text"));
    let mut sets = String::from("set\tcontig\tpos\tref\talt\tweight\n");
    weights.iter().enumerate().for_each(|(at, w)| writeln!(sets, "g\t1\t{}\tA\tC\t{w}", at + 1).expect("text"));
    let path = |name: &str, content: String| path_text(&write(folder.path(), name, content)).to_owned();
    let mut args = vec!["--pheno".into(), path("p.tsv", pheno), "--sets".into(), path("s.tsv", sets)];
    args.extend(["--max-af", "1", "--weights", "column"].map(String::from));
    if !covariates.is_empty() {
        let names: Vec<String> = (0..covariates[0].len()).map(|at| format!("c{at}")).collect();
        let mut table = format!("IID\t{}\n", names.join("\t"));
        for (at, values) in covariates.iter().enumerate() {
            let values: Vec<String> = values.iter().map(f64::to_string).collect();
            writeln!(table, "s{at}\t{}", values.join("\t")).expect("text");
        }
        args.extend(["--covar".into(), path("c.tsv", table)]);
    }
    Case { folder, dataset, args }
}

impl Case {
    fn run(&self, extra: &[&str]) -> Rows {
        let mut args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        args.extend(extra);
        burden(&self.dataset, &args)
    }
}

/// Values of R's SKAT 2.x (`method = "davies"`, no adjustment of small samples), as Hail's test_skat.py has them.
#[test]
fn r_skat_small() {
    let linear = [vec![0, 1, 0, 0, 0], vec![1, 0, 0, 0, 0], vec![0, 1, 2, 0, 2], vec![1, 0, 0, 2, 1]];
    let covariates = [[1.0, 2.0], [3.0, 4.0], [0.0, 9.0], [6.0, 1.0], [1.0, 1.0]].map(|row| row.to_vec());
    let logistic = [
        vec![2, 1, 1, 1, 0, 1, 1, 2, 1, 1, 2, 1, 0, 0, 1],
        vec![1, 0, 1, 1, 1, 2, 0, 2, 1, 1, 0, 1, 1, 0, 0],
        vec![0, 2, 0, 0, 2, 1, 1, 2, 2, 1, 1, 1, 0, 1, 1],
        vec![1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 0],
    ];
    let cov1 = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0].map(|value| vec![f64::from(value)]);
    let cases = [0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0].map(f64::from);
    let root = 2.0_f64.sqrt();
    for (weight, q, p) in [(1.0, 2.854_975, 0.270_028_6), (root, 3.404_505, 0.249_748_9)] {
        let case = case(&linear, &[3.0, 4.0, 6.0, 4.0, 1.0], &covariates, &[1.0, weight, 1.0, 1.0]);
        let found = case.run(&["--quantitative", "--tests", "skat"]);
        close(number(&found[0]["stat"]), q, 5e-7);
        close(number(&found[0]["p"]), p, 1e-5);
    }
    for (weight, q, p) in [(1.0, 1.869_576, 0.581_973_9), (root, 2.515_238, 0.533_576_5)] {
        let found = case(&logistic, &cases, &cov1, &[1.0, weight, 1.0, 1.0]).run(&["--tests", "skat"]);
        close(number(&found[0]["stat"]), q, 5e-7);
        close(number(&found[0]["p"]), p, 1e-5);
    }
}

/// 2,000 samples, 100 variants: Q is R's. R prints p = 4.07e-57 and 2.70e-24, which are Liu's approximation, since its inversion
/// has an absolute error of 1e-6; the integral by 40 digits on a line gives what is here.
#[test]
fn r_skat_far_tail() {
    let (Some(copies), Some(pheno)) =
        (data("cohort/hail/skat_genotype_matrix.csv"), data("cohort/hail/skat_phenotypes.csv"))
    else {
        return;
    };
    let copies = std::fs::read_to_string(copies).expect("a matrix");
    let by_sample: Vec<Vec<u8>> =
        copies.lines().map(|line| line.split(',').map(|copies| copies.parse().expect("copies")).collect()).collect();
    let copies: Vec<Vec<u8>> = (0..100).map(|at| by_sample.iter().map(|own| own[at]).collect()).collect();
    let y: Vec<f64> = std::fs::read_to_string(pheno).expect("phenotypes").lines().map(number).collect();
    let found = case(&copies, &y, &[], &[1.0; 100]).run(&["--tests", "skat,skato"]);
    close(number(&found[0]["stat"]), 125_247.035_35, 1e-9);
    close(number(&found[0]["p"]), 1.573_567_4e-54, 1e-6);
    assert!(number(&found[1]["neg_log10_p"]) > number(&found[0]["neg_log10_p"]), "the effects are all the same");
    let y: Vec<f64> = y.iter().map(|y| f64::from(u8::from(*y > 2.0))).collect();
    let found = case(&copies, &y, &[], &[1.0; 100]).run(&["--tests", "skat"]);
    close(number(&found[0]["stat"]), 10_046.37, 5e-7);
    close(number(&found[0]["p"]), 6.772_778_073_526_13e-24, 1e-8);
    assert_eq!(found[0]["method"], "inversion");
}

/// A simulated cohort: dataset, tables of phenotypes and covariates, and sets of 10 kb.
struct Cohort {
    folder: tempfile::TempDir,
    dataset: PathBuf,
    pheno: PathBuf,
    covar: PathBuf,
    sets: PathBuf,
}

fn cohort() -> Cohort {
    let folder = temp();
    let sim = folder.path().join("sim");
    varbatch(&["simulate", "-o", path_text(&sim), "--samples", "240", "--length", "60000", "--seed", "7"]).expect(0);
    let dataset = folder.path().join("ds");
    call(&[sim.join("cohort.vcf.gz")], &dataset, &["--shard-size", "32K"]);
    let mut pheno = String::from("IID\theight\tweight\tt2d\n");
    let mut covar = String::from("IID\tage\tpc\n");
    for (at, name) in query(&dataset, "SELECT sample FROM samples ORDER BY sample_index").iter().enumerate() {
        // numbers that look random and are the same everywhere
        let noise = |salt: usize| ((at * 7919 + salt * 104_729) % 1009) as f64 / 1009.0;
        let weight = if at % 17 == 3 { "NA".to_owned() } else { format!("{:.4}", 60.0 + 30.0 * noise(2)) };
        let case = if at % 23 == 5 { "NA".to_owned() } else { usize::from(noise(3) < 0.4).to_string() };
        let name = &name[0];
        pheno += &format!("{name}\t{:.4}\t{weight}\t{case}\n", 150.0 + 40.0 * noise(1) + 5.0 * noise(5));
        covar += &format!("{name}\t{}\t{:.4}\n", 20 + (at * 31) % 60, noise(4));
    }
    let mut bed = String::from("track name=genes\n");
    (0..6).for_each(|at| bed += &format!("chr1\t{}\t{}\tG{at}\n", at * 10_000, at * 10_000 + 10_000));
    Cohort {
        dataset,
        pheno: write(folder.path(), "pheno.tsv", pheno),
        covar: write(folder.path(), "covar.tsv", covar),
        sets: write(folder.path(), "sets.bed", bed),
        folder,
    }
}

impl Cohort {
    fn run(&self, extra: &[&str]) -> Rows {
        let mut args = vec!["--pheno", path_text(&self.pheno)];
        args.extend(extra);
        burden(&self.dataset, &args)
    }

    fn with_bed(&self, extra: &[&str]) -> Rows {
        self.run(&[&["--sets", path_text(&self.sets)], extra].concat())
    }

    /// contig, pos, ref, alt of rare variants between two positions.
    fn rare(&self, first: u32, last: u32) -> Vec<Vec<String>> {
        let of = format!("pos >= {first} AND pos <= {last} AND af <= 0.01 AND n_alts = 1");
        query(&self.dataset, &format!("SELECT contig, pos, ref, alt FROM variants WHERE {of}"))
    }

    /// Stores a table as `annotate` does, by SQL on the tables of the dataset.
    fn store(&self, table: &str, sql: &str) {
        let dataset = Dataset::open(&self.dataset).expect("a dataset");
        let frame = varbatch::query::query(&dataset, sql).expect("rows");
        let results = Results::new(&dataset, "annotate", serde_json::Value::Null);
        results.store(table, frame, serde_json::Value::Null).expect("a stored table");
    }
}

/// The formulas in Python, with inversion by Davies's series, eigenvalues by Jacobi and exact binomials: missing calls and phenotypes,
/// quantitative and binary, with covariates and without.
#[test]
fn an_independent_account() {
    if !tool("python3") {
        return;
    }
    let cohort = cohort();
    let vcf = cohort.folder.path().join("flat.vcf");
    export(&cohort.dataset, &vcf, &[]);
    let (mut sets, mut lists) = (String::from("set\tcontig\tpos\tref\talt\n"), String::new());
    for at in 0..2 {
        let variants: Vec<_> = cohort.rare(at * 10_000 + 1, at * 10_000 + 10_000).into_iter().take(12).collect();
        assert_eq!(variants.len(), 12);
        lists += &format!("G{at}\t{}\n", variants.iter().map(|one| one.join(":")).collect::<Vec<_>>().join("\t"));
        variants.iter().for_each(|one| sets += &format!("G{at}\t{}\n", one.join("\t")));
    }
    let sets = write(cohort.folder.path(), "sets.tsv", sets);
    let lists = write(cohort.folder.path(), "lists.tsv", lists);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/burden_reference.py");
    for (covar, tests) in [(Some(&cohort.covar), "skat,skato"), (None, "skat,collapsing")] {
        let mut args = vec!["--sets", path_text(&sets), "--max-af", "1", "--tests", tests];
        args.extend(covar.iter().flat_map(|path| ["--covar", path_text(path)]));
        let ours = cohort.run(&args);
        let mut command = std::process::Command::new("python3");
        command.arg(&script).arg(&vcf).arg(&cohort.pheno).arg(covar.map_or("-", |path| path_text(path)));
        let theirs = finish(command.arg(&lists).arg(tests)).expect(0).stdout;
        assert!(theirs.lines().count() >= 8, "{theirs}");
        for line in theirs.lines() {
            let [set, phenotype, test, p] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let ours = row(&ours, &[("set", set), ("phenotype", phenotype), ("test", test)]);
            close(number(&ours["p"]), number(p), if test == "skato" { 2e-5 } else { 1e-6 });
        }
    }
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let cohort = cohort();
    let run = |threads: &str| {
        let mut args =
            vec!["burden", path_text(&cohort.dataset), "--pheno", path_text(&cohort.pheno), "--threads", threads];
        args.extend(["--sets", path_text(&cohort.sets), "--covar", path_text(&cohort.covar), "--max-af", "0.05,0.01"]);
        varbatch(&args).expect(0);
        let file = |name: &str| std::fs::read(cohort.dataset.join("stats").join(name)).expect("a stored result");
        [file("burden.parquet"), file("burden.json"), file("burden_summary.parquet")].concat()
    };
    let one = run("1");
    assert!(one == run("2") && one == run("5"), "results differ by the number of threads");
    let counted = query(&cohort.dataset, "SELECT COUNT(*), COUNT(p), COUNT(status) FROM burden");
    assert_eq!(counted, [["144", "144", "0"]]);
    let summary =
        query(&cohort.dataset, "SELECT mask, phenotype, test, n_sets, n_sets_tested FROM burden_summary LIMIT 1");
    assert_eq!(summary, [["all.0.05", "height", "collapsing", "6", "6"]]);
    // phenotypes do not touch one another
    let all = cohort.with_bed(&[]);
    let alone = cohort.with_bed(&["--pheno-name", "t2d"]);
    assert_eq!(all.into_iter().filter(|row| row["phenotype"] == "t2d").collect::<Rows>(), alone);
}

/// A set of one variant with weight 1: the burden is the regression of `assoc`, SKAT and SKAT-O are its score test.
#[test]
fn one_variant_is_what_assoc_finds() {
    let cohort = cohort();
    let common =
        query(&cohort.dataset, "SELECT contig, pos, ref, alt FROM variants WHERE af > 0.1 AND n_alts = 1 LIMIT 5");
    let mut sets = String::from("set\tcontig\tpos\tref\talt\n");
    common.iter().for_each(|one| sets += &format!("{}\t{}\n", one[1], one.join("\t")));
    let sets = write(cohort.folder.path(), "single.tsv", sets);
    let covar = ["--covar", path_text(&cohort.covar)];
    let found = cohort.run(&[&["--sets", path_text(&sets), "--max-af", "1", "--weights", "flat"], &covar[..]].concat());
    let mut n_same = 0;
    for (regression, test) in [("wald", "burden"), ("score", "skat"), ("score", "skato")] {
        let mut args = vec![
            "assoc",
            path_text(&cohort.dataset),
            "-o",
            "-",
            "--pheno",
            path_text(&cohort.pheno),
            "--missing",
            "mean",
        ];
        args.extend(covar);
        args.extend(["--test", regression]);
        let single = rows(&varbatch(&args).expect(0).stdout);
        for ours in found.iter().filter(|row| row["test"] == test && row["status"].is_empty()) {
            if test != "burden" && ours["phenotype"] != "t2d" {
                continue;
            }
            let theirs = row(&single, &[("pos", &ours["set"]), ("phenotype", &ours["phenotype"])]);
            let names: &[&str] = if test == "burden" { &["beta", "se", "stat", "p"] } else { &["p"] };
            names.iter().for_each(|name| close(number(&ours[*name]), number(&theirs[*name]), 1e-8));
            n_same += 1;
        }
    }
    assert!(n_same >= 20, "{n_same}");
}

/// Samples without a call at some variant of the set: the same as an analysis without them.
#[test]
fn dropped_samples_are_as_if_they_were_not_there() {
    let copies: Vec<Vec<u8>> = (0..5)
        .map(|variant| {
            (0..60).map(|at| if at == 7 * variant + 3 { 3 } else { u8::from((at + variant) % 9 == 2) }).collect()
        })
        .collect();
    let y: Vec<f64> = (0..60).map(|at| f64::from((at * 37 + 11) % 59) / 7.0).collect();
    let cases: Vec<f64> = y.iter().map(|y| f64::from(u8::from(*y > 4.0))).collect();
    let covariates: Vec<Vec<f64>> = (0..60).map(|at| vec![f64::from((at * 13) % 17)]).collect();
    let rest: Vec<String> = (0..60).filter(|at| ![3, 10, 17, 24, 31].contains(at)).map(|at| format!("s{at}")).collect();
    for y in [&y, &cases] {
        let case = case(&copies, y, &covariates, &[1.0, 2.0, 0.5, 1.0, 0.0]);
        let dropped = case.run(&["--missing", "drop"]);
        assert_eq!(dropped, case.run(&["--samples", &rest.join(",")]));
        assert!(dropped.iter().all(|row| row["n"] == "55" && row["status"].is_empty()), "{dropped:?}");
        let mean = case.run(&[]);
        assert!(mean.iter().all(|row| row["n"] == "60") && mean[2]["p"] != dropped[2]["p"]);
        drop(case.folder);
    }
}

/// The same sets as intervals and as lists, in all forms.
#[test]
fn forms_of_sets() {
    let cohort = cohort();
    let folder = cohort.folder.path();
    let expected = cohort.with_bed(&["--tests", "burden,skat"]);
    assert_eq!(expected.len(), 36);
    let (mut gff, mut gtf) = (String::from("##gff-version 3\n"), String::from("#!genome-build x\n"));
    let (mut alleles, mut ids) = (String::from("set\tcontig\tpos\tref\talt\n"), String::from("set\tvariant_id\n"));
    for at in 0..6 {
        let (first, middle, last) = (at * 10_000 + 1, at * 10_000 + 5000, at * 10_000 + 10_000);
        gff += &format!("chr1\tx\tgene\t{first}\t{last}\t.\t+\t.\tID=gene:E{at};Name=G{at};gene_id=E{at}\n");
        gff += &format!(
            "chr1\tx\tmRNA\t{first}\t{middle}\t.\t+\t.\tID=t{at}\nchrUn\tx\tgene\t1\t9\t.\t+\t.\tName=U{at}\n"
        );
        // two intervals that overlap
        for (from, to) in [(first, middle), (middle - 100, last)] {
            gtf += &format!("chr1\tx\tCDS\t{from}\t{to}\t.\t+\t0\tgene_id \"E{at}\"; gene_name \"G{at}\";\n");
        }
        let sql =
            format!("SELECT variant_id, contig, pos, ref, alt FROM variants WHERE pos >= {first} AND pos <= {last}");
        for one in query(&cohort.dataset, &sql) {
            ids += &format!("G{at}\t{}\n", one[0]);
            alleles += &format!("G{at}\t{}\n", one[1..].join("\t"));
        }
    }
    let gff = write(folder, "genes.gff3", gff);
    finish(std::process::Command::new("gzip").arg("-k").arg(&gff)).expect(0);
    let parquet = folder.join("ids.parquet");
    let sql = "SELECT variant_id, CONCAT('G', CAST(CAST(((pos - 1) - (pos - 1) % 10000) / 10000 AS BIGINT) AS VARCHAR)) AS set FROM variants";
    varbatch(&["query", path_text(&cohort.dataset), sql, "--format", "parquet", "-o", path_text(&parquet)]).expect(0);
    let forms = [
        (gff.with_extension("gff3.gz"), vec![]),
        (write(folder, "genes.gtf", gtf), vec!["--gff-feature", "CDS"]),
        (write(folder, "alleles.tsv", alleles), vec![]),
        (write(folder, "ids.tsv", ids), vec![]),
        (parquet, vec![]),
    ];
    let strip = |rows: &Rows| -> Rows {
        let mut rows = rows.clone();
        // lists begin at their first variant
        rows.iter_mut().for_each(|row| ["start", "end"].iter().for_each(|name| drop(row.remove(*name))));
        rows
    };
    for (path, extra) in forms {
        let found = cohort.run(&[&["--sets", path_text(&path), "--tests", "burden,skat"], &extra[..]].concat());
        assert_eq!(strip(&found), strip(&expected), "{}", path.display());
    }
}

/// Masks on the stored tables `annotations` and `consequences`, genes of `consequences`, and on columns of a table of sets.
#[test]
fn masks() {
    let cohort = cohort();
    cohort.store("annotations", "SELECT variant_id, pos % 5 AS score FROM variants WHERE pos % 3 = 0");
    let of = |gene: &str, high: u32| {
        let points = 4 - high;
        format!(
            "SELECT variant_id, '{gene}' AS gene, pos % {points} AS points, CASE WHEN pos % 2 = {high} THEN 'HIGH' ELSE 'LOW' END AS impact, \
             'missense_variant&splice_region_variant' AS consequence, CAST(af AS DOUBLE) AS af FROM variants"
        )
    };
    // each variant is HIGH in one gene and LOW in the other
    let union = format!("{} UNION ALL {}", of("EVEN", 0), of("ODD", 1));
    cohort.store("consequences", &union);
    let count = |condition: &str| {
        query(&cohort.dataset, &format!("SELECT COUNT(*) FROM variants WHERE {condition}"))[0][0].clone()
    };
    let mask = "high=impact = 'HIGH' AND af < 0.01";
    let found =
        cohort.run(&["--genes", "--mask", mask, "--mask", "any=consequence LIKE '%splice%'", "--tests", "burden"]);
    assert_eq!(found.len(), 12);
    let n = |rows: &Rows, set: &str, mask: &str| {
        row(rows, &[("set", set), ("mask", mask), ("phenotype", "height")])["n_variants"].clone()
    };
    assert_eq!(n(&found, "EVEN", "high"), count("pos % 2 = 0 AND af < 0.01"));
    assert_eq!(n(&found, "ODD", "high"), count("pos % 2 = 1 AND af < 0.01"));
    assert_eq!(n(&found, "ODD", "any"), count("TRUE"));
    // intervals: any row of the variant; annotations where there are some
    let found = cohort.with_bed(&[
        "--mask",
        "high=impact = 'HIGH'",
        "--mask",
        "scored=score >= 3",
        "--max-af",
        "0.02",
        "--tests",
        "burden",
    ]);
    assert_eq!(n(&found, "G1", "high.0.02"), count("pos > 10000 AND pos <= 20000 AND ac <= 0.02 * an"));
    let scored = "pos > 10000 AND pos <= 20000 AND ac <= 0.02 * an AND pos % 3 = 0 AND pos % 5 >= 3";
    assert_eq!(n(&found, "G1", "scored.0.02"), count(scored));
    // a weight from a column: 0 where there is none, and the largest where a variant has several rows
    for (column, weight) in [
        ("score", "CASE WHEN pos % 3 = 0 THEN pos % 5 ELSE 0 END"),
        ("points", "CASE WHEN pos % 4 > pos % 3 THEN pos % 4 ELSE pos % 3 END"),
    ] {
        let name = format!("column:{column}");
        let mut weighted = cohort.with_bed(&["--weights", &name, "--tests", "burden,skat", "--max-ac", "5"]);
        let g1 = row(&weighted, &[("set", "G1"), ("phenotype", "height"), ("test", "burden")]);
        assert_eq!(g1["n_variants"], count("pos > 10000 AND pos <= 20000 AND ac <= 5"));
        let sql = format!("SELECT (pos - 1 - (pos - 1) % 10000) / 10000 AS g, variant_id, {weight} AS w FROM variants");
        let mut sets = String::from("set\tvariant_id\tweight\n");
        for one in query(&cohort.dataset, &sql) {
            writeln!(sets, "G{:.0}\t{}\t{}", number(&one[0]), one[1], one[2]).expect("text");
        }
        let sets = write(cohort.folder.path(), "weighted.tsv", sets);
        let listed = ["--sets", path_text(&sets), "--weights", "column", "--tests", "burden,skat", "--max-ac", "5"];
        let mut listed = cohort.run(&listed);
        for row in weighted.iter_mut().chain(&mut listed) {
            // lists begin at their first variant
            ["start", "end"].iter().for_each(|name| drop(row.remove(*name)));
        }
        assert_eq!(weighted, listed, "{column}");
    }
    let says = |extra: &[&str], part: &str| {
        let mut args = vec![
            "burden",
            path_text(&cohort.dataset),
            "--pheno",
            path_text(&cohort.pheno),
            "--sets",
            path_text(&cohort.sets),
        ];
        args.extend(extra);
        let done = varbatch(&args).expect(2);
        assert!(done.stderr.contains(part), "{}", done.stderr);
    };
    says(&["--mask", "a=af < 0.1 AND pos IN (SELECT pos FROM read_csv('/etc/passwd'))"], "reads other files");
    says(&["--mask", "a=scroe > 1"], "scroe");
    says(&["--mask", "af < 0.1"], "there is no `=`");
    says(&["--weights", "beta:1"], "expected flat, beta:1,25");
    says(&["--genes"], "cannot be used with");
    says(&["--max-mac", "5"], "--max-mac");
}

/// REGENIE's mask SET1.M1.0.2 of its example (pLof, frequency up to 0.2): the same carriers; its annotation is a column of the sets.
#[test]
fn regenie_mask() {
    let Some(folder) = data("cohort/regenie") else { return };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file of REGENIE");
    let bed = |name: &str| -> Vec<Vec<u8>> {
        let bytes = std::fs::read(folder.join(name)).expect("a bed");
        let copies = |code: u8| [2, 3, 1, 0][usize::from(code)];
        let of = |row: &[u8]| (0..500).map(|at| copies(row[at / 4] >> (2 * (at % 4)) & 3)).collect();
        bytes[3..].chunks(125).map(of).collect()
    };
    let names: Vec<String> =
        read("example_3chr.bim").lines().map(|line| line.split('\t').nth(1).unwrap_or("").into()).collect();
    let lists = read("example_3chr.setlist");
    let list = lists.lines().find_map(|line| line.strip_prefix("SET1 1 1 ")).expect("the set SET1");
    let mut sets = String::from("set\tcontig\tpos\tref\talt\tannotation\n");
    for line in read("example_3chr.annotations").lines() {
        let [variant, set, annotation] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let is_listed = set == "SET1" && list.split(',').any(|name| name == variant);
        if let Some(at) = names.iter().position(|name| is_listed && name == variant) {
            writeln!(sets, "{set}\t1\t{}\tA\tC\t{annotation}", at + 1).expect("text");
        }
    }
    let work = temp();
    let dataset = work.path().join("ds");
    call(&[write(work.path(), "a.vcf", vcf(&bed("example_3chr.bed")))], &dataset, &[]);
    let sets = write(work.path(), "sets.tsv", sets);
    let pheno: String = (0..500).map(|at| format!("s{at}\t{}\n", at % 3)).collect();
    let pheno = write(work.path(), "p.tsv", format!("IID\ty\n{pheno}"));
    let mut args =
        vec!["--sets", path_text(&sets), "--pheno", path_text(&pheno), "--quantitative", "--tests", "collapsing"];
    args.extend(["--mask", "M1=annotation = 'pLof'", "--max-af", "0.2"]);
    let found = burden(&dataset, &args);
    let expected = bed("example_3chr_masks.bed")[0].iter().filter(|copies| **copies > 0).count();
    let ours = row(&found, &[("set", "SET1"), ("mask", "M1.0.2")]);
    assert_eq!((number(&ours["n_carriers"]) as usize, ours["n_variants"].as_str()), (expected, "18"));
}

/// Every set, mask and test keeps its row.
#[test]
fn nothing_is_dropped_in_silence() {
    // variants 1 and 2 vary, 3 is the same in all, 4 is carried by cases only
    let copies = [
        (0..40).map(|at| u8::from(at % 6 == 0)).collect(),
        (0..40).map(|at| u8::from(at % 9 == 0)).collect(),
        vec![0; 40],
        (0..40).map(|at| u8::from([1, 3, 5].contains(&at))).collect::<Vec<u8>>(),
    ];
    let cases: Vec<f64> = (0..40).map(|at| f64::from(u8::from(at % 2 == 1))).collect();
    let case = case(&copies, &cases, &[], &[1.0; 4]);
    let folder = case.folder.path();
    let bed = "1\t0\t2\ta\n1\t2\t3\tsame\n1\t3\t4\tcases\n1\t500\t600\tnone\n7\t1\t2\telsewhere\n";
    let sets = write(folder, "sets.bed", bed);
    let mut args =
        vec!["burden", path_text(&case.dataset), "-o", "-", "--pheno", &case.args[1], "--sets", path_text(&sets)];
    args.extend(["--max-af", "1", "--weights", "flat"]);
    let done = varbatch(&args).expect(0);
    assert!(
        done.stderr.contains("left out 1 of 5 intervals, on contigs that the dataset does not have (7)"),
        "{}",
        done.stderr
    );
    let found = rows(&done.stdout);
    assert_eq!(found.len(), 16);
    let of = |set: &str, test: &str| row(&found, &[("set", set), ("test", test)]);
    for test in ["collapsing", "burden", "skat", "skato"] {
        assert_eq!(
            (of("same", test)["status"].as_str(), of("same", test)["n_monomorphic"].as_str()),
            ("monomorphic", "1")
        );
        assert_eq!(
            (of("none", test)["status"].as_str(), of("none", test)["n_variants"].as_str()),
            ("no_variants", "0")
        );
        assert_eq!(of("a", test)["status"], "");
    }
    // separation: Firth's method; Fisher's test of 3 of 20 against 0 of 20 by hand
    assert_eq!(
        (of("cases", "burden")["method"].as_str(), of("cases", "collapsing")["method"].as_str()),
        ("firth", "fisher")
    );
    close(number(&of("cases", "collapsing")["p"]), 2.0 * 1140.0 / 9880.0, 1e-12);
    args.push("--no-firth-fallback");
    let found = rows(&varbatch(&args).expect(0).stdout);
    assert_eq!(row(&found, &[("set", "cases"), ("test", "burden")])["status"], "separation");
    // a covariate that is the set
    let covar: String = (0..40).map(|at| format!("s{at}\t{}\n", u8::from([1, 3, 5].contains(&at)))).collect();
    let covar = write(folder, "c.tsv", format!("IID\tc\n{covar}"));
    let y: String = (0..40).map(|at| format!("s{at}\t{}\n", (at * 7) % 11)).collect();
    let pheno = write(folder, "y.tsv", format!("IID\ty\n{y}"));
    let base =
        ["--sets", path_text(&sets), "--pheno", path_text(&pheno), "--covar", path_text(&covar), "--max-af", "1"];
    let found = burden(&case.dataset, &base);
    assert!(found.iter().filter(|row| row["set"] == "cases").all(|row| row["status"] == "collinear"), "{found:?}");
    // only hits
    let all: Rows = burden(&case.dataset, &[&base[..], &["--max-p", "0.9"]].concat());
    assert!(all.iter().all(|row| number(&row["p"]) <= 0.9) && all.len() < found.len());
    let wrong = write(folder, "wrong.bed", "9\t1\t2\tx\n");
    let done =
        varbatch(&["burden", path_text(&case.dataset), "--pheno", path_text(&pheno), "--sets", path_text(&wrong)])
            .expect(65);
    assert!(done.stderr.contains("all intervals are on contigs that the dataset does not have: 9"), "{}", done.stderr);
    let wrong = write(folder, "wrong.tsv", "gene\tpos\nx\t1\n");
    let done =
        varbatch(&["burden", path_text(&case.dataset), "--pheno", path_text(&pheno), "--sets", path_text(&wrong)])
            .expect(65);
    assert!(done.stderr.contains("has no column `contig`; it has gene, pos"), "{}", done.stderr);
}
