//! `varbatch pca` against PLINK 2: components, eigenvalues, projection; and the same bytes for any number of threads.

use super::common::*;
use super::tables;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Number of components that are compared.
const K: usize = 6;

fn simulated(folder: &Path, n: &str) -> (PathBuf, PathBuf) {
    let sim = folder.join("sim");
    let args = ["simulate", "-o", sim.to_str().expect("UTF-8"), "--samples", n, "--length", "400000", "--seed", "11"];
    varbatch(&args).expect(0);
    let (vcf, dataset) = (sim.join("cohort.vcf.gz"), folder.join("ds"));
    call(&[&vcf], &dataset, &["--shard-size", "64K"]);
    (vcf, dataset)
}

fn pca(dataset: &Path, extra: &[&str]) -> Finished {
    varbatch(&[&["pca", dataset.to_str().expect("UTF-8"), "-k", "6"], extra].concat()).expect(0)
}

/// `pc1` ... of a stored table, component by component.
fn components(dataset: &Path, table: &str) -> Vec<Vec<f64>> {
    let rows = tables::read_file(&dataset.join(format!("stats/{table}.parquet")), &[]);
    let values = |at: usize| {
        let column = rows.column(&format!("pc{at}"));
        rows.rows.iter().map(|row| row[column].parse().expect("a number")).collect()
    };
    (1..=K).map(values).collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(x, y)| f(x - mean_a, y - mean_b)).sum::<f64>();
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

fn numbers(path: &Path, column: usize) -> Vec<f64> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split('\t').nth(column).and_then(|field| field.parse().ok()).expect("a number")).collect()
}

fn stored_bytes(dataset: &Path) -> Vec<Vec<u8>> {
    let names = ["pca", "pca_eigenvalues", "pca_loadings"];
    names.map(|name| std::fs::read(dataset.join(format!("stats/{name}.parquet"))).expect("stored")).into()
}

#[test]
fn components_are_those_of_plink2() {
    if !tool("plink2") {
        return;
    }
    let folder = temp();
    let (vcf, dataset) = simulated(folder.path(), "300");
    pca(&dataset, &["--threads", "1"]);
    let bytes = stored_bytes(&dataset);
    pca(&dataset, &["--threads", "3"]);
    assert!(stored_bytes(&dataset) == bytes, "threads change the result");
    let out = folder.path().join("p");
    let mut peer = Command::new("plink2");
    peer.args(["--maf", "0.01", "--max-alleles", "2", "--pca", "6", "--threads", "1", "--allow-extra-chr", "--vcf"]);
    finish(peer.arg(&vcf).arg("--out").arg(&out)).expect(0);
    let ours = components(&dataset, "pca");
    for (at, values) in ours.iter().enumerate() {
        let theirs = numbers(&out.with_extension("eigenvec"), at + 1);
        let found = correlation(values, &theirs).abs();
        assert!(found > 0.999_99, "component {}: correlation {found}", at + 1);
    }
    let theirs = numbers(&out.with_extension("eigenval"), 0);
    let found = query(&dataset, "SELECT eigenvalue, share FROM pca_eigenvalues ORDER BY pc");
    for (row, expected) in found.iter().zip(&theirs) {
        let value: f64 = row[0].parse().expect("a number");
        assert!((value / expected - 1.0).abs() < 1e-4, "{value} is not {expected}");
    }
    assert_eq!(found.len(), K);
}

#[test]
fn the_randomized_method_finds_the_same() {
    let folder = temp();
    let (_, dataset) = simulated(folder.path(), "300");
    // without gaps both methods have the same matrix
    pca(&dataset, &["--max-missing", "0", "--min-maf", "0.05"]);
    let exact = components(&dataset, "pca");
    let table = "SELECT eigenvalue FROM pca_eigenvalues ORDER BY pc";
    let values = query(&dataset, table);
    pca(&dataset, &["--max-missing", "0", "--min-maf", "0.05", "--method", "randomized", "--threads", "1"]);
    let bytes = stored_bytes(&dataset);
    for (at, (one, other)) in exact.iter().zip(&components(&dataset, "pca")).enumerate() {
        let found = correlation(one, other);
        assert!(found > 0.9999, "component {}: correlation {found}", at + 1);
    }
    for (one, other) in values.iter().zip(query(&dataset, table)) {
        let number = |text: &str| text.parse::<f64>().expect("a number");
        assert!((number(&one[0]) / number(&other[0]) - 1.0).abs() < 1e-4, "{one:?} {other:?}");
    }
    pca(&dataset, &["--max-missing", "0", "--min-maf", "0.05", "--method", "randomized", "--threads", "2"]);
    assert!(stored_bytes(&dataset) == bytes, "threads change the result");
}

/// Projected on their own components, samples are where they were; a half of the samples is near.
#[test]
fn projection() {
    let folder = temp();
    let (vcf, dataset) = simulated(folder.path(), "200");
    pca(&dataset, &["--max-missing", "0"]);
    let same = folder.path().join("same.ds");
    call(&[&vcf], &same, &[]);
    let other = dataset.to_str().expect("UTF-8");
    let done = varbatch(&["pca", same.to_str().expect("UTF-8"), "--project", other]).expect(0);
    let (own, projected) = (components(&dataset, "pca"), components(&same, "pca_projection"));
    for (one, other) in own.iter().flatten().zip(projected.iter().flatten()) {
        assert!((one - other).abs() < 1e-6, "{one} {other}");
    }
    assert!(done.stderr.contains("200 samples on the components of"), "{}", done.stderr);
    // nothing to project on
    let refused = varbatch(&["pca", other, "--project", same.to_str().expect("UTF-8")]).expect(2);
    assert!(refused.stderr.contains("no stored table pca_loadings"), "{}", refused.stderr);
    let few = varbatch(&["pca", other, "-k", "201"]).expect(2);
    assert!(few.stderr.contains("expected 1 to 200"), "{}", few.stderr);
}
