//! Association: against plink2 and Hail, and the same bytes for any number of threads.

use super::common::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Rows of a table with tabs, by the names of its columns.
type Rows = Vec<HashMap<String, String>>;

fn rows(text: &str) -> Rows {
    let mut lines = text.lines().map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>());
    let names = lines.next().expect("a header");
    lines.map(|fields| names.iter().cloned().zip(fields).collect()).collect()
}

/// Rows of `varbatch assoc dataset ARGS -o -`.
fn assoc(dataset: &Path, args: &[&str]) -> Rows {
    let mut all = vec!["assoc", dataset.to_str().expect("UTF-8"), "-o", "-"];
    all.extend(args);
    rows(&varbatch(&all).expect(0).stdout)
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

/// A simulated cohort: dataset, VCF and table of phenotypes, covariates.
struct Cohort {
    folder: tempfile::TempDir,
    dataset: PathBuf,
    vcf: PathBuf,
    pheno: PathBuf,
    covar: PathBuf,
}

fn cohort() -> Cohort {
    let folder = temp();
    let sim = folder.path().join("sim");
    let sim_text = sim.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", sim_text, "--samples", "240", "--length", "60000", "--seed", "7"]).expect(0);
    let (vcf, dataset) = (sim.join("cohort.vcf.gz"), folder.path().join("ds"));
    call(&[&vcf], &dataset, &["--shard-size", "32K"]);
    let mut pheno = String::from("#IID\theight\tweight\tt2d\n");
    let mut covar = String::from("#IID\tage\tpc\n");
    for (at, name) in query(&dataset, "SELECT sample FROM samples ORDER BY sample_index").iter().enumerate() {
        // numbers that look random and are the same everywhere
        let noise = |salt: usize| ((at * 7919 + salt * 104_729) % 1009) as f64 / 1009.0;
        let weight = if at % 17 == 3 { "NA".to_owned() } else { format!("{:.4}", 60.0 + 30.0 * noise(2)) };
        let case = if at % 23 == 5 { "-9".to_owned() } else { (1 + usize::from(noise(3) < 0.4)).to_string() };
        let name = &name[0];
        pheno += &format!("{name}\t{:.4}\t{weight}\t{case}\n", 150.0 + 40.0 * noise(1) + 5.0 * noise(5));
        covar += &format!("{name}\t{}\t{:.4}\n", 20 + (at * 31) % 60, noise(4));
    }
    Cohort {
        dataset,
        vcf,
        pheno: write(folder.path(), "pheno.tsv", pheno),
        covar: write(folder.path(), "covar.tsv", covar),
        folder,
    }
}

impl Cohort {
    fn args<'a>(&'a self, extra: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec!["--pheno", self.pheno.to_str().expect("UTF-8")];
        args.extend(["--covar", self.covar.to_str().expect("UTF-8")]);
        args.extend(extra);
        args
    }

    /// Rows of `plink2 --glm` for all phenotypes, by phenotype.
    fn plink(&self) -> HashMap<String, Rows> {
        let out = self.folder.path().join("plink");
        let mut command = std::process::Command::new("plink2");
        command.arg("--vcf").arg(&self.vcf).args(["--glm", "hide-covar", "firth-fallback", "cols=+beta,-orbeta"]);
        command.arg("--pheno").arg(&self.pheno).arg("--covar").arg(&self.covar);
        command.args(["--covar-variance-standardize", "--output-chr", "chrM", "--threads", "1", "--out"]).arg(&out);
        finish(&mut command).expect(0);
        let of = |name: &str, end: &str| {
            let path = self.folder.path().join(format!("plink.{name}.glm.{end}"));
            (name.to_owned(), rows(&std::fs::read_to_string(path).expect("a result of plink2")))
        };
        [of("height", "linear"), of("weight", "linear"), of("t2d", "logistic.hybrid")].into()
    }
}

/// What Firth's method of plink2 stops at: it is that far from its own maximum (ours is checked against closed forms).
const FIRTH_STOP: f64 = 5e-3;

fn compare_row(ours: &HashMap<String, String>, theirs: &HashMap<String, String>) {
    assert_eq!(ours["n"], theirs["OBS_CT"], "{ours:?}");
    let sign = if theirs["A1"] == theirs["ALT"] { 1.0 } else { -1.0 };
    let (beta, se) = (number(&ours["beta"]), number(&ours["se"]));
    let is_firth = theirs.get("FIRTH?").is_some_and(|firth| firth == "Y");
    assert_eq!(ours["test"] == "firth", is_firth, "{ours:?}");
    let tolerance = match ours["test"].as_str() {
        "linear" => 1e-5 * beta.abs() + 1e-9,
        "logistic" => 1e-4 * beta.abs().max(0.1 * se),
        _ => FIRTH_STOP * se,
    };
    let expected = sign * number(&theirs["BETA"]);
    assert!((beta - expected).abs() <= tolerance, "beta {beta}, plink2 {expected}: {ours:?}");
    let log10_p = -number(&theirs["P"]).log10();
    // plink2 takes the errors of logistic regression from an earlier step; ours are those of R in the tests with Hail's values
    let tolerance = if ours["test"] == "linear" { 1e-4 } else { 1e-2 };
    assert!((number(&ours["neg_log10_p"]) - log10_p).abs() <= tolerance, "plink2 {log10_p}: {ours:?}");
}

/// Missing genotypes and phenotypes, common and single carriers, quantitative and binary, three phenotypes at once.
#[test]
fn plink2_finds_the_same() {
    if !tool("plink2") {
        return;
    }
    let cohort = cohort();
    let key = |row: &HashMap<String, String>, contig: &str, pos: &str| {
        format!("{}:{}:{}:{}", row[contig], row[pos], row["ref"], row["alt"])
    };
    let found = assoc(&cohort.dataset, &cohort.args(&["--biallelic"]));
    for (phenotype, expected) in cohort.plink() {
        let by_key: HashMap<String, &HashMap<String, String>> = found
            .iter()
            .filter(|row| row["phenotype"] == phenotype)
            .map(|row| (key(row, "contig", "pos"), row))
            .collect();
        let (mut n_same, mut n_none) = (0, 0);
        for theirs in &expected {
            let key = format!("{}:{}:{}:{}", theirs["#CHROM"], theirs["POS"], theirs["REF"], theirs["ALT"]);
            let Some(ours) = by_key.get(&key) else { continue };
            if theirs["P"] == "NA" {
                assert!(!ours["status"].is_empty(), "plink2 has no estimate: {theirs:?}, {ours:?}");
                n_none += 1;
            } else {
                assert_eq!(ours["status"], "", "plink2 has an estimate: {theirs:?}");
                compare_row(ours, theirs);
                n_same += 1;
            }
        }
        assert!(n_same > 300 && n_same + n_none > expected.len() * 4 / 5, "{phenotype}: {n_same}, {n_none}");
    }
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let cohort = cohort();
    let results: Vec<Vec<u8>> = ["1", "2", "5"]
        .into_iter()
        .map(|threads| {
            let mut args = vec!["assoc", cohort.dataset.to_str().expect("UTF-8")];
            args.extend(cohort.args(&["--threads", threads]));
            varbatch(&args).expect(0);
            let file = |name: &str| std::fs::read(cohort.dataset.join("stats").join(name)).expect("a stored result");
            [file("assoc.parquet"), file("assoc.json"), file("assoc_summary.parquet")].concat()
        })
        .collect();
    assert!(results[0] == results[1] && results[0] == results[2], "results differ by the number of threads");
    let sql = "SELECT phenotype, kind, n, n_cases, n_variants, n_variants_tested FROM assoc_summary";
    let summary = query(&cohort.dataset, sql);
    let n_rows = query(&cohort.dataset, "SELECT COUNT(*) FROM variants")[0][0].clone();
    assert_eq!(summary.len(), 3);
    assert_eq!((&summary[0][..3], &summary[0][4]), (&["height", "quantitative", "240"].map(String::from)[..], &n_rows));
    // lambda is the median of the stored p
    let median = query(&cohort.dataset, "SELECT MEDIAN(p) FROM assoc WHERE phenotype = 'height' AND p IS NOT NULL");
    let lambda = query(&cohort.dataset, "SELECT lambda_gc FROM assoc_summary WHERE phenotype = 'height'");
    let expected = varbatch::stats::tails::chi2_of_ln_p(number(&median[0][0]).ln()) / 0.4549;
    assert!((number(&lambda[0][0]) - expected).abs() < 1e-3, "{lambda:?} is not {expected}");
}

/// A phenotype alone gives what it gives among others, and `--max-p` the rows with that p.
#[test]
fn phenotypes_do_not_touch_one_another() {
    let cohort = cohort();
    let all = assoc(&cohort.dataset, &cohort.args(&[]));
    for name in ["weight", "t2d"] {
        let alone = assoc(&cohort.dataset, &cohort.args(&["--pheno-name", name]));
        let among: Rows = all.iter().filter(|row| row["phenotype"] == name).cloned().collect();
        assert_eq!(alone, among);
    }
    let hits = assoc(&cohort.dataset, &cohort.args(&["--max-p", "0.01"]));
    let expected: Rows = all.into_iter().filter(|row| row["status"].is_empty() && number(&row["p"]) <= 0.01).collect();
    assert!(!hits.is_empty());
    assert_eq!(hits, expected);
}

/// Expected values of Hail's tests (test_statgen.py), which are those of R's lm and glm; missing calls have the mean.
fn compare_hail(vcf: &str, pheno: &str, expected: &[(&str, [f64; 4])], extra: &[&str]) {
    let (Some(vcf), Some(covar)) = (data(vcf), data("cohort/hail/regressionLogistic.cov")) else { return };
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[vcf], &dataset, &[]);
    let pheno = write(folder.path(), "pheno.txt", pheno);
    let mut args = vec!["--pheno", pheno.to_str().expect("UTF-8"), "--covar", covar.to_str().expect("UTF-8")];
    args.extend(["--missing", "mean", "--max-vif", "1000"]);
    args.extend(extra);
    let found = assoc(&dataset, &args);
    for (pos, values) in expected {
        let row = found.iter().find(|row| row["pos"] == *pos).expect("a row");
        for (name, value) in ["beta", "se", "stat", "p"].into_iter().zip(values) {
            assert!((number(&row[name]) - value).abs() < 1e-6, "{name} at {pos} is {}, Hail {value}", row[name]);
        }
    }
    for pos in ["6", "7", "8", "9", "10"] {
        let row = found.iter().find(|row| row["pos"] == pos).expect("a row");
        assert_eq!(row["status"], "monomorphic", "{row:?}");
    }
}

#[test]
fn hail_linear() {
    let expected = [
        ("1", [-0.285_894_21, 1.273_915_3, -0.224_421_67, 0.843_271_06]),
        ("2", [-0.541_764_7, 0.335_059_9, -1.616_919, 0.247_287_05]),
        ("3", [1.073_671_85, 0.676_434_8, 1.587_251_0, 0.253_367_5]),
    ];
    let pheno = "Sample Pheno\nA 1\nB 1\nC 2\nX NA\nD 2\nE 2\nF 2\nY NA\n";
    compare_hail("cohort/hail/regressionLinear.vcf", pheno, &expected, &["--quantitative"]);
}

#[test]
fn hail_logistic() {
    let expected = [
        ("1", [-0.812_267_937_96, 2.108_548_342_1, -0.385_226_139_6, 0.700_069_878_4]),
        ("2", [-0.436_594_608_58, 1.029_690_294_1, -0.424_005_753_1, 0.671_561_617_6]),
    ];
    let pheno =
        "Sample isCase\nA false\nB false\nC true\nX NA\nD true\nE true\nF true\nG false\nH false\nI true\nJ true\n";
    compare_hail("cohort/hail/regressionLogistic.vcf", pheno, &expected, &[]);
}

/// REGENIE's step 2: score tests where p > 0.01, of 494 samples without 6. Its alleles are 1 and 2, in a VCF by plink2.
#[test]
fn regenie_score() {
    let Some(folder) = data("cohort/regenie") else { return };
    if !tool("plink2") {
        return;
    }
    let work = temp();
    let mut command = std::process::Command::new("plink2");
    command.arg("--bfile").arg(folder.join("example")).arg("--remove").arg(folder.join("fid_iid_to_remove.txt"));
    command.args(["--export", "vcf", "id-paste=iid", "--out"]).arg(work.path().join("plink"));
    finish(&mut command).expect(0);
    let text = std::fs::read_to_string(work.path().join("plink.vcf")).expect("a VCF");
    let letters = |line: &str| {
        let mut fields: Vec<&str> = line.split('\t').collect();
        fields[3..5].iter_mut().for_each(|allele| *allele = if *allele == "1" { "A" } else { "C" });
        fields.join("\t")
    };
    let lines = text.lines().map(|line| if line.starts_with('#') { line.to_owned() } else { letters(line) });
    let vcf = write(work.path(), "letters.vcf", lines.collect::<Vec<_>>().join("\n") + "\n");
    let dataset = work.path().join("ds");
    call(&[vcf], &dataset, &[]);
    let (pheno, covar) = (folder.join("phenotype_bin.txt"), folder.join("covariates.txt"));
    let mut args = vec!["--pheno", pheno.to_str().expect("UTF-8"), "--covar", covar.to_str().expect("UTF-8")];
    args.extend(["--pheno-name", "Y1", "--missing", "mean", "--test", "score"]);
    let by_id: HashMap<String, HashMap<String, String>> =
        assoc(&dataset, &args).into_iter().map(|row| (row["id"].clone(), row)).collect();
    let expected = std::fs::read_to_string(folder.join("test_bin_out_firth_Y1.regenie")).expect("expected values");
    let mut n_same = 0;
    for theirs in rows(&expected.replace(' ', "\t")) {
        let ours = &by_id[&theirs["ID"]];
        assert_eq!(ours["n"], theirs["N"]);
        if number(&theirs["LOG10P"]) < 1.98 {
            let sign = if (ours["alt"] == "A") == (theirs["ALLELE1"] == "1") { 1.0 } else { -1.0 };
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-5 * b.abs().max(0.1);
            assert!(near(sign * number(&ours["beta"]), number(&theirs["BETA"])), "{ours:?} {theirs:?}");
            assert!(near(number(&ours["se"]), number(&theirs["SE"])), "{ours:?} {theirs:?}");
            assert!(near(number(&ours["neg_log10_p"]), number(&theirs["LOG10P"])), "{ours:?} {theirs:?}");
            n_same += 1;
        }
    }
    assert!(n_same > 900, "{n_same}");
}

#[test]
fn mistakes_are_said() {
    let folder = temp();
    let vcf = "##fileformat=VCFv4.3\n##contig=<ID=1,length=99>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
               #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td\te\n\
               1\t9\t.\tA\tC\t.\t.\t.\tGT\t0/0\t0/1\t0/1\t1/1\t0/0\n";
    let dataset = folder.path().join("ds");
    call(&[write(folder.path(), "a.vcf", vcf)], &dataset, &[]);
    let pheno = write(folder.path(), "p.txt", "IID y z\na 1 0\nb 3 1\nc 2 2\nd 5 0\ne 1 1\n");
    let covar = write(folder.path(), "c.txt", "IID u v\na 1 2\nb 2 4\nc 1 2\nd 1 2\ne 1 2\n");
    let run = |args: &[&str]| {
        let mut all = vec!["assoc", dataset.to_str().expect("UTF-8"), "--pheno", pheno.to_str().expect("UTF-8")];
        all.extend(args);
        varbatch(&all)
    };
    let says = |args: &[&str], code: i32, text: &str| {
        let done = run(args).expect(code);
        assert!(done.stderr.contains(text), "{}", done.stderr);
    };
    says(&["--pheno-name", "z"], 2, "can be read in two ways");
    says(&["--pheno-name", "x"], 2, "has no column `x`");
    says(&["--pheno-name", "y", "--pcs", "2"], 2, "varbatch pca");
    says(&["--pheno-name", "y", "--sex-covariate"], 65, "0 samples have the phenotype y");
    let covar = covar.to_str().expect("UTF-8");
    says(&["--pheno-name", "y", "--covar", covar], 65, "the covariate v is a combination");
    says(&["--pheno-name", "y", "--covar", covar, "--covar-name", "u"], 0, "y: 5 samples, quantitative");
    assert_eq!(query(&dataset, "SELECT test, n, ac, status FROM assoc"), [["linear", "5", "4", ""]]);
}
