//! Random valid files (`random_vcf.rs`) through `call` and `export`, against the file itself and against bcftools.
//!
//! 60 files; `VARBATCH_DIFFERENTIAL=N` tries N, and `VARBATCH_DIFFERENTIAL_FROM=SEED` begins elsewhere. For each file:
//!
//! - `export` of the dataset is the file, value by value, from VCF as text and as BGZF in small shards;
//! - the same from the BCF that bcftools makes of it (with the floats of BCF: 32 bits);
//! - `export --split` is `bcftools norm -m-`;
//! - bcftools reads the BCF and the VCF that we export, and finds the same in both.
//!
//! What bcftools 1.16 does otherwise is left out by name below, with the reason.

use super::common::*;
use super::inputs::bgzf;
use super::random_vcf::{RandomVcf, random_vcf};
use super::roundtrip::{compare_files, trimmed};
use super::vcf;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number from the environment.
fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn random_files_come_back_as_bcftools_has_them() {
    if !tool("bcftools") {
        return;
    }
    let first = number("VARBATCH_DIFFERENTIAL_FROM", 1);
    let next = AtomicU64::new(first);
    let n_files = number("VARBATCH_DIFFERENTIAL", 60);
    let differences = Mutex::new(Vec::new());
    let (n_read, n_split) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + n_files {
                        break;
                    }
                    let mut trial = Trial::new(seed);
                    trial.run();
                    n_read.fetch_add(u64::from(trial.read_by_bcftools), Ordering::Relaxed);
                    n_split.fetch_add(u64::from(trial.split_by_bcftools), Ordering::Relaxed);
                    differences.lock().expect("no panic elsewhere").extend(trial.differences);
                }
            });
        }
    });
    let mut differences = differences.into_inner().expect("no panic");
    differences.sort();
    let (n_read, n_split) = (n_read.into_inner(), n_split.into_inner());
    eprintln!("{n_files} files, {n_read} of them read by bcftools, {n_split} split by it");
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
    // Otherwise the comparison would be with nobody.
    assert!(n_read * 10 > n_files * 8 && n_split * 10 > n_files * 6, "bcftools read or split too few of the files");
}

/// One file and what was found.
struct Trial {
    seed: u64,
    folder: tempfile::TempDir,
    made: RandomVcf,
    input: PathBuf,
    differences: Vec<String>,
    read_by_bcftools: bool,
    split_by_bcftools: bool,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let folder = temp();
        let made = random_vcf(seed);
        let input = write(folder.path(), "in.vcf", &made.text);
        Trial { seed, folder, made, input, differences: Vec::new(), read_by_bcftools: false, split_by_bcftools: false }
    }

    fn add(&mut self, what: &str) {
        self.differences.push(format!("seed {}: {what}", self.seed));
    }

    fn run(&mut self) {
        let text = vcf::parse(&self.made.text);
        let packed = write(self.folder.path(), "in.vcf.gz", bgzf(self.made.text.as_bytes()));
        let input = self.input.clone();
        let Some(dataset) = self.call(&input, "text", &[]) else { return };
        self.compare_export(&dataset, "joined", &text, 0.0);
        if let Some(sharded) = self.call(&packed, "bgzf", &["--shard-size", "300"]) {
            self.compare_export(&sharded, "joined from shards of BGZF", &text, 0.0);
        }
        self.validate();
        if !self.made.has_leading_phase {
            self.against_bcftools(&dataset, &text);
        }
    }

    fn call(&mut self, input: &Path, name: &str, extra: &[&str]) -> Option<PathBuf> {
        let dataset = self.folder.path().join(format!("{name}.ds"));
        let mut settings = vec!["--calls", "all", "--joint", "no", "--threads", "1"];
        settings.extend(extra);
        let done = call_any(&[input], &dataset, &settings);
        if done.code != 0 {
            self.add(&format!("call of {name}: exit {}: {}", done.code, done.stderr));
            return None;
        }
        Some(dataset)
    }

    /// `export` in one form, read again.
    fn export(&mut self, dataset: &Path, name: &str, extra: &[&str]) -> Option<PathBuf> {
        let path = self.folder.path().join(name);
        let mut command = Command::new(binary());
        let done = finish(command.arg("export").arg(dataset).arg("-o").arg(&path).args(extra));
        if done.code != 0 {
            self.add(&format!("export {name}: exit {}: {}", done.code, done.stderr));
            return None;
        }
        Some(path)
    }

    fn compare_export(&mut self, dataset: &Path, what: &str, expected: &vcf::File, relative: f64) {
        if let Some(path) = self.export(dataset, "joined.vcf", &[]) {
            self.compare(what, expected, &vcf::read(&path), relative);
        }
    }

    fn compare(&mut self, what: &str, expected: &vcf::File, found: &vcf::File, relative: f64) {
        let mut all = Vec::new();
        compare_files(expected, found, relative, |difference| all.push(difference));
        all.sort();
        all.dedup();
        for difference in all {
            self.add(&format!("{what}: {difference}"));
        }
    }

    /// The files are valid, and `validate` must say so; only one allele may be in two records by chance.
    fn validate(&mut self) {
        let done = varbatch(&["validate", self.input.to_str().expect("UTF-8")]);
        for finding in done.stdout.lines().filter(|line| line.contains(": error: ") && !line.contains("[duplicate,")) {
            self.add(&format!("validate: {finding}"));
        }
        if ![0, 65].contains(&done.code) {
            self.add(&format!("validate: exit {}: {}", done.code, done.stderr));
        }
    }

    fn against_bcftools(&mut self, dataset: &Path, text: &vcf::File) {
        let bcf = self.folder.path().join("in.bcf");
        let made =
            finish(Command::new("bcftools").args(["view", "--no-version", "-Ob", "-o"]).arg(&bcf).arg(&self.input));
        if made.code != 0 {
            eprintln!("seed {}: bcftools does not read the file: {}", self.seed, made.stderr);
            return;
        }
        self.read_by_bcftools = true;
        if let Some(from_bcf) = self.call(&bcf, "bcf", &[]) {
            self.compare_export(&from_bcf, "joined from BCF", text, 1e-5);
        }
        self.split(dataset);
        let (Some(vcf), Some(bcf)) = (self.export(dataset, "out.vcf.gz", &[]), self.export(dataset, "out.bcf", &[]))
        else {
            return;
        };
        if let (Some(a), Some(b)) = (self.bcftools_view(&vcf), self.bcftools_view(&bcf)) {
            self.compare("exported as VCF and BCF, both read by bcftools", &a, &b, 1e-5);
        }
    }

    fn split(&mut self, dataset: &Path) {
        let done = finish(Command::new("bcftools").args(["norm", "--no-version", "-m-"]).arg(&self.input));
        if done.code != 0 {
            return;
        }
        self.split_by_bcftools = true;
        let Some(path) = self.export(dataset, "split.vcf", &["--split"]) else { return };
        let (mut a, mut b) = (trimmed(vcf::parse(&done.stdout)), trimmed(vcf::read(&path)));
        without_what_bcftools_splits_otherwise(&mut a);
        without_what_bcftools_splits_otherwise(&mut b);
        self.compare("split", &a, &b, 1e-5);
    }

    fn bcftools_view(&mut self, path: &Path) -> Option<vcf::File> {
        let done = finish(Command::new("bcftools").args(["view", "--no-version"]).arg(path));
        if done.code != 0 {
            self.add(&format!("bcftools does not read {}: {}", path.display(), done.stderr));
            return None;
        }
        Some(vcf::parse(&done.stdout))
    }
}

/// Texts with a value an allele or genotype in FORMAT, by their names (`random_vcf::name`): bcftools 1.16 cuts them apart in the
/// wrong places when it splits (`c,d` for two alleles becomes `c,` and `d`; `aa,bb` after a sample without a value loses `bb`).
const CUT_WRONGLY: [&str; 6] = ["SA", "SR", "SG", "CA", "CR", "CG"];

/// Takes the values of those out.
fn without_what_bcftools_splits_otherwise(file: &mut vcf::File) {
    for record in &mut file.records {
        let wrong: Vec<bool> = record.format.split(':').map(|key| CUT_WRONGLY.contains(&key)).collect();
        let calls: Vec<String> = record
            .samples()
            .map(|call| {
                let kept = call.split(':').zip(&wrong).map(|(value, &wrong)| if wrong { "." } else { value });
                kept.collect::<Vec<_>>().join(":")
            })
            .collect();
        record.calls = calls.join("\t");
    }
}
