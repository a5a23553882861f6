//! Published datasets on S3: the same results as on disk, to the byte, and no more read than is needed.

use super::common::*;
use super::servers::{Bucket, bucket};
use std::fs;
use std::path::{Path, PathBuf};

/// A cohort with relatives' structure enough for every analysis, on disk and in a bucket.
struct Twins {
    folder: tempfile::TempDir,
    bucket: Bucket,
    local: PathBuf,
    uri: String,
}

impl Twins {
    fn new(simulated: &[&str], flags: &[&str]) -> Option<Twins> {
        let bucket = bucket()?;
        let folder = temp();
        let made = folder.path().join("made");
        let fixed = ["simulate", "--seed", "11", "-o", made.to_str().expect("UTF-8")];
        varbatch(&[&fixed[..], simulated].concat()).expect(0);
        let local = folder.path().join("ds");
        call(&[made.join("cohort.vcf.gz")], &local, flags);
        for path in files_below(&local) {
            let name = format!("cohort/{}", path.to_str().expect("UTF-8"));
            bucket.put(&name, &fs::read(local.join(&path)).expect("a file"));
        }
        let uri = format!("{}/cohort", bucket.uri);
        Some(Twins { folder, bucket, local, uri })
    }

    /// Runs a command on both, with the dataset behind its name; `{}` stands for a folder of its own. Says what both wrote.
    #[track_caller]
    fn both(&self, command: &str, extra: &[&str]) {
        let mut outputs = Vec::new();
        for (name, dataset) in [("local", self.local.to_str().expect("UTF-8")), ("s3", &self.uri)] {
            let out = self.folder.path().join(name);
            fs::create_dir_all(&out).expect("a folder");
            let place = |text: &&str| text.replace("{}", out.to_str().expect("UTF-8"));
            let mut args = vec![command.to_owned(), dataset.to_owned()];
            args.extend(extra.iter().map(place));
            let done = self.bucket.varbatch(&args).expect(0);
            let files = files_below(&out);
            let contents: Vec<Vec<u8>> = files.iter().map(|path| fs::read(out.join(path)).expect("a file")).collect();
            outputs.push((done.stdout, files, contents));
            fs::remove_dir_all(&out).expect("removed");
        }
        assert!(outputs[0] == outputs[1], "{command} {extra:?} differs on S3");
        let is_stored = command != "query" && !extra.contains(&"-o");
        let is_written = !outputs[0].0.is_empty() || !outputs[0].1.is_empty();
        assert!(is_stored || is_written, "{command}: nothing was written");
    }

    /// Stored results are the same files in both.
    #[track_caller]
    fn same_results(&self, names: &[&str]) {
        for name in names {
            for end in ["parquet", "json"] {
                let path = format!("stats/{name}.{end}");
                let local = fs::read(self.local.join(&path)).unwrap_or_else(|error| panic!("{path}: {error}"));
                let remote =
                    self.bucket.get(&format!("cohort/{path}")).unwrap_or_else(|| panic!("{path} is not on S3"));
                assert!(local == remote, "{path} differs on S3");
            }
        }
    }
}

const COHORT: [&str; 8] = ["--samples", "60", "--length", "300000", "--contigs", "2", "--missing", "0.01"];

#[test]
fn every_analysis_gives_the_same_on_s3() {
    let Some(twins) = Twins::new(&COHORT, &["--shard-size", "30000"]) else { return };
    let traits = write(twins.folder.path(), "traits.tsv", phenotypes(60));
    let traits = traits.to_str().expect("UTF-8");
    twins.both("stats", &[]);
    twins.both("ld", &["--min-maf", "0.05", "--prune", "0.2"]);
    twins.both("pca", &["-k", "3"]);
    twins.both("kinship", &["--all-pairs"]);
    twins.both("kinship", &["--method", "grm"]);
    twins.both("assoc", &["--pheno", traits, "--pcs", "2"]);
    twins.same_results(&[
        "variant_stats",
        "sample_stats",
        "ld_prune",
        "pca",
        "pca_loadings",
        "kinship",
        "grm",
        "assoc",
    ]);
    // once more: results are replaced
    twins.both("kinship", &["--all-pairs"]);
    twins.same_results(&["kinship"]);
    twins.both("report", &["-o", "{}/report.html"]);
    twins.both("stats", &["--regions", "chr2:50000-60000", "--het", "-o", "-"]);
    let weights = format!("id\tcontig\tpos\teffect_allele\tother_allele\tweight\n{}", some_weights(&twins.local));
    let weights = write(twins.folder.path(), "weights.tsv", weights);
    twins.both("score", &["--weights", weights.to_str().expect("UTF-8"), "-o", "-"]);
}

/// Annotation onto a dataset on S3, from files here and there, and tests of sets that use it.
#[test]
fn annotate_and_burden_give_the_same_on_s3() {
    let Some(twins) = Twins::new(&COHORT, &["--shard-size", "30000"]) else { return };
    let folder = twins.folder.path();
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let vcf = path(&folder.join("made/cohort.vcf.gz"));
    let bed: String =
        (0..30).map(|at| format!("chr{}\t{}\t{}\tG{at}\n", at % 2 + 1, at * 9000, at * 9000 + 9500)).collect();
    let remote = format!("{}/genes.bed", twins.bucket.uri);
    twins.bucket.put("genes.bed", bed.as_bytes());
    let genes = path(&write(folder, "genes.bed", bed));
    let csq = path(&write(folder, "csq.vcf", consequences(&twins.local)));
    let from = ["--from", &vcf, "--from", &remote, "--from", &csq];
    let columns = ["--columns", "AC as made_ac", "--columns", "name", "--columns", "none", "--consequences"];
    twins.both("annotate", &[&from[..], &columns].concat());
    twins.same_results(&["annotations", "consequences"]);
    // columns of a run before stay
    let table = query(&twins.local, "SELECT contig, pos, ref, alt, ac FROM variants WHERE ac > 3 ORDER BY alt");
    let table: String = table.iter().map(|row| row.join("\t") + "\n").collect();
    let table = path(&write(folder, "t.tsv", format!("contig\tpos\tref\talt\tx\n{table}")));
    twins.both("annotate", &["--from", &table]);
    twins.same_results(&["annotations"]);
    let both = query(&twins.local, "SELECT COUNT(*), COUNT(made_ac), COUNT(gene), COUNT(t_x) FROM annotations");
    assert!(both[0].iter().all(|n| n.parse::<u32>().expect("a number") >= 40), "{both:?}");
    let traits = path(&write(folder, "traits.tsv", phenotypes(60)));
    let masks = ["--mask", "common=t_x > 5", "--mask", "high=impact = 'HIGH'", "--max-af", "0.5"];
    for sets in [&["--sets", &genes][..], &["--sets", &remote], &["--genes"]] {
        twins.both("burden", &[&["--pheno", &traits], sets, &masks].concat());
        twins.same_results(&["burden", "burden_summary"]);
    }
    twins.both("burden", &["--pheno", &traits, "--sets", &genes, "-o", "-"]);
}

#[test]
fn every_query_gives_the_same_on_s3() {
    let Some(twins) = Twins::new(&COHORT, &["--shard-size", "30000"]) else { return };
    twins.both("stats", &[]);
    for sql in [
        "SELECT type, COUNT(*) AS n, SUM(ac) AS ac FROM variants GROUP BY type ORDER BY type",
        "SELECT * FROM samples WHERE n_het > 10",
        "SELECT * FROM genotypes",
        "SELECT * FROM genotypes LIMIT 7",
        "SELECT pos, gt FROM genotypes WHERE dosage = 2 LIMIT 5 OFFSET 3",
        "SELECT v.pos, g.sample_index FROM variants v JOIN genotypes g ON v.variant_id = g.variant_id WHERE v.ac = 1",
        "SELECT COUNT(*) AS n FROM variant_stats WHERE hwe_midp < 0.5",
    ] {
        for format in ["csv", "json", "tsv", "table"] {
            twins.both("query", &[sql, "--format", format]);
        }
        twins.both("query", &[sql, "-o", "{}/rows.parquet"]);
    }
    for view in ["calls", "genotypes", "matrix", "carriers"] {
        twins.both("query", &["--view", view, "--region", "chr2:1000-20000", "--samples", "S0003,S0001"]);
    }
    twins.both("query", &["--view", "counts", "--groups", "source", "--region", "chr1:1-9000"]);
}

/// What a region asks of a server: some footers, and the pages of the region.
#[test]
fn a_region_on_s3_reads_little() {
    let simulated = ["--samples", "2500", "--sites", "20000", "--contig-name", "chr20"];
    let Some(twins) = Twins::new(&simulated, &["--shard-size", "500000"]) else { return };
    let n_files = fs::read_dir(twins.local.join("genotypes/contig=chr20")).expect("a folder").count();
    let n_bytes: u64 = files_below(&twins.local)
        .iter()
        .filter(|path| path.starts_with("genotypes") || path.starts_with("variants"))
        .map(|path| fs::metadata(twins.local.join(path)).expect("a file").len())
        .sum();
    assert!(n_files >= 6, "{n_files} files");
    for region in ["chr20:900000-902000", "chr20:1-2000", "chr20:1998000-"] {
        let through = twins.bucket.through("none", 0.0, 1);
        let done = through.varbatch(&["query", &twins.uri, "--region", region, "--format", "csv"]).expect(0);
        let counts = through.counts();
        let count = |name: &str| counts[name].as_u64().expect("a count");
        assert!(done.stdout.lines().count() > 50, "{region}: {} lines", done.stdout.lines().count());
        // the manifest, samples, footers that are looked at on the way to the region, and two requests for its pages
        assert!(count("requests") <= 16, "{region}: {counts}");
        assert!(count("get_bytes") * 3 < n_bytes, "{region}: {counts} of {n_bytes} bytes in {n_files} files");
        let local = varbatch(&["query", twins.local.to_str().expect("UTF-8"), "--region", region, "--format", "csv"]);
        assert_eq!(local.expect(0).stdout, done.stdout);
    }
}

/// Faults on the way do not change what is read.
#[test]
fn a_query_goes_on_through_faults() {
    let Some(twins) = Twins::new(&["--samples", "20", "--length", "100000"], &[]) else { return };
    let sql = "SELECT * FROM genotypes";
    let expected = varbatch(&["query", twins.local.to_str().expect("UTF-8"), sql, "--format", "csv"]).expect(0);
    for (mode, rate) in [("503", 0.7), ("reset-before", 0.7), ("truncated", 0.7)] {
        let through = twins.bucket.through(mode, rate, 3);
        let done = through.varbatch(&["query", &twins.uri, sql, "--format", "csv"]).expect(0);
        assert_eq!(done.stdout, expected.stdout, "{mode}");
        assert!(through.counts()["faults"].as_u64().expect("a count") > 0, "{mode}");
    }
}

/// An object that changes while it is read is an error that names it: the second request for it says which version was seen first.
#[test]
fn an_object_that_changes_is_named() {
    let simulated = ["--samples", "300", "--sites", "6000", "--contig-name", "chr20"];
    let Some(twins) = Twins::new(&simulated, &[]) else { return };
    let largest = files_below(&twins.local.join("genotypes/contig=chr20"));
    let bytes =
        |path: &PathBuf| fs::metadata(twins.local.join("genotypes/contig=chr20").join(path)).expect("a file").len();
    // the first request is for the last 64 KiB
    assert!(largest.iter().any(|path| bytes(path) > 2 * 65_536), "{largest:?}");
    let through = twins.bucket.through("change", 0.0, 3);
    let done = through.varbatch(&["query", &twins.uri, "SELECT * FROM genotypes", "--format", "csv"]).expect(65);
    assert!(through.counts()["faults"].as_u64().expect("a count") > 0);
    assert!(done.stderr.contains("genotypes/contig=chr20/part-"), "{}", done.stderr);
    assert!(done.stderr.contains("was changed or removed"), "{}", done.stderr);
}

#[test]
fn what_is_missing_on_s3_is_named() {
    let Some(twins) = Twins::new(&["--samples", "5", "--length", "20000"], &[]) else { return };
    let nothing = twins.bucket.varbatch(&["query", &format!("{}/nothing", twins.bucket.uri), "SELECT 1 FROM samples"]);
    assert_eq!(nothing.code, 66, "{}", nothing.stderr);
    let partly = format!("{}/partly", twins.bucket.uri);
    let manifest = fs::read(twins.local.join("_manifest.json")).expect("a manifest");
    twins.bucket.put("partly/_manifest.json", &manifest);
    let done = twins.bucket.varbatch(&["query", &partly, "SELECT COUNT(*) FROM variants"]).expect(3);
    assert!(done.stderr.contains("variants/") && done.stderr.contains("is not there"), "{}", done.stderr);
    let done = twins.bucket.varbatch(&["stats", &partly]).expect(3);
    assert!(done.stderr.contains("is not there"), "{}", done.stderr);
}

/// A trait that is made of nothing.
fn phenotypes(n: usize) -> String {
    let lines = (1..=n).map(|at| format!("S{at:04}\t{}\t{}\n", (at * 37) % 19, 1 + at % 2));
    format!("sample\theight\tcase\n{}", lines.collect::<String>())
}

/// Some variants of a dataset as VEP annotates them.
fn consequences(dataset: &Path) -> String {
    let mut text = String::from(
        "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n##contig=<ID=chr2>\n##INFO=<ID=CSQ,Number=.,Type=String,Description=\"Consequences \
         from Ensembl VEP. Format: Allele|Consequence|IMPACT|SYMBOL\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
    );
    let sql = "SELECT contig, pos, ref, alt FROM variants WHERE LENGTH(ref) = 1 AND LENGTH(alt) = 1 AND n_alts = 1 ORDER BY variant_id";
    for (at, row) in query(dataset, sql).iter().enumerate().filter(|(at, _)| at % 5 == 0) {
        let term = if at % 2 == 0 { "stop_gained|HIGH" } else { "intron_variant|MODIFIER" };
        let info = format!("CSQ={}|{term}|G{}", row[3], at % 7);
        text += &format!("{}\t{}\t.\t{}\t{}\t.\t.\t{info}\n", row[0], row[1], row[2], row[3]);
    }
    text
}

/// Weights of some variants of a dataset, with the alternate or the reference allele.
fn some_weights(dataset: &Path) -> String {
    let rows = query(dataset, "SELECT contig, pos, ref, alt FROM variants WHERE n_alts = 1 LIMIT 50");
    let line = |(at, row): (usize, &Vec<String>)| {
        let (effect, other) = if at % 3 == 0 { (&row[2], &row[3]) } else { (&row[3], &row[2]) };
        format!(".\t{}\t{}\t{effect}\t{other}\t{}\n", row[0], row[1], (at as f64 - 20.0) / 7.0)
    };
    rows.iter().enumerate().map(line).collect()
}
