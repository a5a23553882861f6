//! `varbatch stats` and `varbatch ld` against PLINK 2 and Hail's expectations, and the same bytes for any number of threads.

use super::common::*;
use super::tables::{self, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Relative tolerance for numbers that plink2 prints with six digits.
const SIX_DIGITS: f64 = 1e-5;

#[track_caller]
fn run(command: &str, dataset: &Path, extra: &[&str]) -> Finished {
    let mut args = vec![command, dataset.to_str().expect("UTF-8")];
    args.extend(extra);
    varbatch(&args).expect(0)
}

fn stored(dataset: &Path, table: &str) -> Table {
    tables::read_file(&dataset.join(format!("stats/{table}.parquet")), &[])
}

/// Rows of a table of plink2, by column name.
fn peer(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = text.lines().filter(|line| !line.starts_with("##"));
    let names: Vec<String> =
        lines.next().expect("names").trim_start_matches('#').split('\t').map(String::from).collect();
    lines.map(|line| names.iter().cloned().zip(line.split('\t').map(String::from)).collect()).collect()
}

fn plink2(args: &[&str], out: &Path) {
    let done = finish(Command::new("plink2").args(args).args(["--threads", "1", "--out"]).arg(out));
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
}

#[track_caller]
fn close(found: &str, expected: &str, tolerance: f64) {
    let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
    let (a, b) = (number(found), number(expected));
    let same = (a - b).abs() <= tolerance * b.abs().max(1e-300) || (a.is_nan() && b.is_nan());
    // plink2 prints 0 for what is less than the least normal number
    assert!(same || (b == 0.0 && a < f64::MIN_POSITIVE), "{found} is not {expected}");
}

/// A cohort, its dataset, and the same as plink2 has it: alleles of records with one ALT, their names `contig:pos:ref:alt`.
struct Cohort {
    folder: tempfile::TempDir,
    dataset: PathBuf,
}

impl Cohort {
    fn new(input: &Path) -> Cohort {
        let folder = temp();
        let dataset = folder.path().join("ds");
        call(&[input], &dataset, &[]);
        let names = ["--set-all-var-ids", "@:#:$r:$a", "--new-id-max-allele-len", "9999"];
        let mut args = vec!["--vcf", input.to_str().expect("UTF-8"), "--max-alleles", "2", "--allow-extra-chr"];
        args.extend(names);
        args.extend(["--vcf-half-call", "missing", "--make-pgen"]);
        plink2(&args, &folder.path().join("p"));
        Cohort { folder, dataset }
    }

    /// Runs plink2 on it; the prefix of what it wrote.
    fn plink2(&self, args: &[&str]) -> PathBuf {
        let (prefix, out) = (self.folder.path().join("p"), self.folder.path().join("out"));
        let mut all = vec!["--pfile", prefix.to_str().expect("UTF-8"), "--allow-extra-chr"];
        all.extend(args);
        plink2(&all, &out);
        out
    }

    fn check_variants(&self) {
        run("stats", &self.dataset, &["--biallelic"]);
        let out = self.plink2(&["--hardy", "midp", "--freq", "counts", "--missing", "variant-only"]);
        let table = stored(&self.dataset, "variant_stats");
        let column = |name: &str| table.column(name);
        let (freq, hardy, missing) = (
            peer(&out.with_extension("acount")),
            peer(&out.with_extension("hardy")),
            peer(&out.with_extension("vmiss")),
        );
        assert!(table.rows.len() > 100 && table.rows.len() == freq.len(), "{} rows", table.rows.len());
        // plink2 keeps the order of the file, where rows of one position may stand otherwise: by what is counted
        let mut ours: Vec<[String; 6]> = Vec::new();
        let mut theirs: Vec<[String; 6]> = Vec::new();
        for (row, ((freq, hardy), missing)) in table.rows.iter().zip(freq.iter().zip(&hardy).zip(&missing)) {
            let names = ["ac", "an", "n_hom_ref", "n_het", "n_hom_alt", "n_missing"];
            ours.push(names.map(|name| row[column(name)].clone()));
            let genotypes = ["HOM_A1_CT", "HET_A1_CT", "TWO_AX_CT"].map(|name| hardy[name].clone());
            let [a, h, b] = genotypes;
            theirs.push([freq["ALT_CTS"].clone(), freq["OBS_CT"].clone(), a, h, b, missing["MISSING_CT"].clone()]);
        }
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs);
        let p_of: BTreeMap<[String; 3], &String> = hardy
            .iter()
            .map(|line| (["HOM_A1_CT", "HET_A1_CT", "TWO_AX_CT"].map(|name| line[name].clone()), &line["MIDP"]))
            .collect();
        for row in &table.rows {
            let counts = ["n_hom_ref", "n_het", "n_hom_alt"].map(|name| row[column(name)].clone());
            close(&row[column("hwe_midp")], p_of[&counts], SIX_DIGITS);
        }
    }

    fn check_samples(&self) {
        let columns = "cols=homref,homalt,het,ts,tv,single,missing";
        let out = self.plink2(&["--het", "cols=hom,het,nobs,f", "--sample-counts", columns]);
        let table = stored(&self.dataset, "sample_stats");
        let value = |row: &[String], name: &str| row[table.column(name)].clone();
        let (het, counts) = (peer(&out.with_extension("het")), peer(&out.with_extension("scount")));
        assert_eq!(table.rows.len(), het.len());
        for ((row, het), counts) in table.rows.iter().zip(&het).zip(&counts) {
            assert_eq!(value(row, "sample"), het["IID"]);
            assert_eq!(
                (value(row, "obs_hom"), value(row, "n_f_variants")),
                (het["O(HOM)"].clone(), het["OBS_CT"].clone())
            );
            close(&value(row, "exp_hom"), &het["E(HOM)"], SIX_DIGITS);
            let (f, expected): (f64, f64) = (value(row, "f").parse().expect("F"), het["F"].parse().expect("F"));
            assert!((f - expected).abs() <= SIX_DIGITS, "F {f} and {expected}");
            let pairs = [
                ("n_hom_alt", "HOM_ALT_CT"),
                ("n_het", "HET_CT"),
                ("ti", "TRANSITION_CT"),
                ("tv", "TRANSVERSION_CT"),
                ("n_missing", "MISSING_CT"),
                // not SINGLETON_CT, which has other alleles than those with ac = 1
            ];
            for (ours, theirs) in pairs {
                assert_eq!(value(row, ours), counts[theirs], "{ours} of {}", het["IID"]);
            }
        }
    }

    fn check_pruning(&self, peer_window: &str, window: &[&str], r2: &str) {
        let mut args = vec!["--mac", "1", "--indep-pairwise"];
        args.extend(peer_window.split(' '));
        args.push(r2);
        let out = self.plink2(&args);
        let kept = std::fs::read_to_string(out.with_extension("prune.in")).expect("kept variants");
        let theirs: BTreeSet<String> = kept.lines().map(String::from).collect();
        let mut args = vec!["--biallelic", "--min-mac", "1", "--prune", r2];
        args.extend(window);
        run("ld", &self.dataset, &args);
        let sql = "SELECT v.contig || ':' || CAST(v.site_id / 65536 % 4294967296 AS BIGINT) AS place, \
                   COALESCE(v.site_ref, v.ref) AS a, COALESCE(v.site_alt, v.alt) AS b \
                   FROM ld_prune AS l JOIN variants AS v ON l.variant_id = v.variant_id";
        // plink2 names human chromosomes without `chr`
        let name = |row: Vec<String>| row.join(":").trim_start_matches("chr").to_owned();
        let ours: BTreeSet<String> = query(&self.dataset, sql).into_iter().map(name).collect();
        assert!(theirs.len() > 20, "{} kept", theirs.len());
        assert_eq!(ours.len(), theirs.len());
        assert_eq!(ours, theirs, "{peer_window} {r2}");
    }
}

#[test]
fn chr22_of_1000_genomes_equals_plink2() {
    let Some(input) = data("cohort/1kg-chr22-2504/all2504.bgzf.vcf.gz") else { return };
    if !tool("plink2") {
        return;
    }
    let cohort = Cohort::new(&input);
    cohort.check_variants();
    cohort.check_samples();
    cohort.check_pruning("50kb", &["--window-kb", "50"], "0.2");
    cohort.check_pruning("50 5", &["--window-variants", "50", "--step", "5"], "0.5");
    cohort.check_pruning("2 1", &["--window-variants", "2"], "0.1");
}

/// With missing calls, which the 1000 Genomes do not have.
#[test]
fn a_simulated_cohort_equals_plink2() {
    if !tool("plink2") {
        return;
    }
    let folder = temp();
    let made = folder.path().join("made");
    let made_text = made.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", made_text, "--samples", "300", "--length", "300000", "--seed", "11"]).expect(0);
    let cohort = Cohort::new(&made.join("cohort.vcf.gz"));
    cohort.check_variants();
    cohort.check_samples();
    cohort.check_pruning("20kb", &["--window-kb", "20"], "0.3");
    cohort.check_pruning("30 7", &["--window-variants", "30", "--step", "7"], "0.6");
}

fn simulated(folder: &Path) -> PathBuf {
    let made = folder.join("made");
    let made_text = made.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", made_text, "--samples", "120", "--length", "100000", "--seed", "3"]).expect(0);
    let dataset = folder.join("ds");
    call(&[made.join("cohort.vcf.gz")], &dataset, &["--shard-size", "16K"]);
    dataset
}

/// The tables without a selection say what a scan of everything says; groups add up to the whole.
#[test]
fn tables_and_scan_agree_and_groups_add_up() {
    let folder = temp();
    let dataset = simulated(folder.path());
    let rows = |path: &Path| std::fs::read_to_string(path).expect("a table");
    let names = "contig, pos, ref, alt, type, n_called, n_missing, call_rate, ac, an, af, maf, n_hom_ref, n_het, n_hom_alt, \
                 n_hemi_ref, n_hemi_alt, f, hwe_p, hwe_midp";
    let sql = format!("SELECT {names} FROM variant_stats");
    run("stats", &dataset, &[]);
    let from_tables = query(&dataset, &sql);
    run("stats", &dataset, &["--types", "snv,ins,del,mnv,symbolic,breakend,other"]);
    let scanned = query(&dataset, &sql);
    assert!(from_tables.len() > 100);
    assert_eq!(from_tables.len(), scanned.len());
    for (one, two) in from_tables.iter().zip(&scanned) {
        assert_eq!(one[..18], two[..18]);
        close(&one[18], &two[18], 1e-12);
        close(&one[19], &two[19], 1e-9);
    }
    let samples = query(&dataset, "SELECT sample FROM samples");
    let text: Vec<String> =
        samples.iter().enumerate().map(|(at, row)| format!("{}\t{}\n", row[0], ["x", "y", "z"][at % 3])).collect();
    let groups = write(folder.path(), "groups.tsv", format!("sample\tgroup\n{}", text.concat()));
    run("stats", &dataset, &["--groups", groups.to_str().expect("UTF-8")]);
    let sums = "SELECT variant_id, SUM(ac) AS ac, SUM(an) AS an, SUM(n_het) AS h, SUM(n_missing) AS m FROM group_stats \
                GROUP BY variant_id ORDER BY variant_id";
    let whole = "SELECT variant_id, ac, an, n_het, n_missing FROM variant_stats ORDER BY variant_id";
    assert_eq!(query(&dataset, sums), query(&dataset, whole));
    let one = "SELECT ac, an, n_het, hwe_p FROM group_stats WHERE \"group\" = 'y'";
    let of_group = query(&dataset, one);
    let members: Vec<&str> = samples.iter().skip(1).step_by(3).map(|row| row[0].as_str()).collect();
    run("stats", &dataset, &["--samples", &members.join(",")]);
    assert_eq!(of_group, query(&dataset, "SELECT ac, an, n_het, hwe_p FROM variant_stats"));
    let file = folder.path().join("cohort.tsv");
    run("stats", &dataset, &["--table", "cohort_stats", "-o", file.to_str().expect("UTF-8")]);
    assert!(rows(&file).contains(&format!("n_variants\t{}.0\n", from_tables.len())));
    let wrong = varbatch(&["stats", dataset.to_str().expect("UTF-8"), "--table", "nothing", "-o", "-"]).expect(2);
    assert!(wrong.stderr.contains("variant_stats, sample_stats"), "{}", wrong.stderr);
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let folder = temp();
    let dataset = simulated(folder.path());
    let mut found: Vec<BTreeMap<PathBuf, Vec<u8>>> = Vec::new();
    for threads in ["1", "2"] {
        run("stats", &dataset, &["--min-maf", "0.01", "-@", threads]);
        run("ld", &dataset, &["--window-kb", "20", "-@", threads]);
        run("ld", &dataset, &["--window-kb", "20", "--prune", "0.2", "-@", threads]);
        let stats = dataset.join("stats");
        let read = |name: PathBuf| (name.clone(), std::fs::read(stats.join(name)).expect("a table"));
        found.push(files_below(&stats).into_iter().map(read).collect());
    }
    assert!(found[0].len() >= 16 && found[0] == found[1]);
}

/// r2 by SQL-free arithmetic over the table `genotypes` with dosages.
#[test]
fn r2_is_the_squared_correlation_of_dosages() {
    let folder = temp();
    let dataset = simulated(folder.path());
    run("ld", &dataset, &["--window-kb", "3", "--min-r2", "0.05"]);
    let mut calls: BTreeMap<String, BTreeMap<String, Option<f64>>> = BTreeMap::new();
    for row in query(&dataset, "SELECT variant_id, sample_index, dosage FROM genotypes") {
        calls.entry(row[0].clone()).or_default().insert(row[1].clone(), row[2].parse().ok());
    }
    let pairs = query(&dataset, "SELECT variant_id_a, variant_id_b, n, r2 FROM ld");
    assert!(pairs.len() > 50, "{} pairs", pairs.len());
    for pair in pairs.iter().step_by(pairs.len() / 50) {
        let of = |id: &str, sample: usize| {
            calls.get(id).and_then(|calls| calls.get(&sample.to_string())).copied().unwrap_or(Some(0.0))
        };
        let both: Vec<(f64, f64)> =
            (0..120).filter_map(|sample| Some((of(&pair[0], sample)?, of(&pair[1], sample)?))).collect();
        assert_eq!(pair[2], both.len().to_string());
        let n = both.len() as f64;
        let (a, b) = (both.iter().map(|p| p.0).sum::<f64>() / n, both.iter().map(|p| p.1).sum::<f64>() / n);
        let ab: f64 = both.iter().map(|p| (p.0 - a) * (p.1 - b)).sum();
        let (aa, bb): (f64, f64) =
            (both.iter().map(|p| (p.0 - a).powi(2)).sum(), both.iter().map(|p| (p.1 - b).powi(2)).sum());
        close(&pair[3], &(ab * ab / (aa * bb)).to_string(), 1e-9);
    }
}

/// Counts that Hail's own tests expect of these files (hail/methods/MendelErrorsSuite): errors of each person, all and SNV.
#[test]
fn mendelian_errors_are_those_of_hail() {
    let (Some(vcf), Some(fam)) = (data("cohort/hail/mendel.vcf"), data("cohort/hail/mendel.fam")) else { return };
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[vcf], &dataset, &[]);
    run("stats", &dataset, &["--ped", fam.to_str().expect("UTF-8")]);
    let sql = "SELECT child, n_errors, n_snv_errors FROM mendel_trios";
    assert_eq!(query(&dataset, sql), [["Son1", "23", "22"], ["Dtr1", "18", "17"], ["Son2", "0", "0"]]);
    let parents = query(&dataset, "SELECT SUM(n_father) AS f, SUM(n_mother) AS m FROM mendel_trios");
    assert_eq!(parents, [["19", "22"]]);
    let sql = "SELECT contig, pos, n_errors FROM mendel_variants WHERE (contig = '1' AND pos <= 2) OR (contig = 'X' AND pos <= 3)";
    let found: BTreeSet<String> = query(&dataset, sql).into_iter().map(|row| row.join(" ")).collect();
    let expected = ["1 1 2", "1 2 1", "X 1 2", "X 2 1", "X 3 1"];
    let expected: BTreeSet<String> = expected.iter().map(|row| row.to_string()).collect();
    assert_eq!(found, expected);
    let codes = query(&dataset, "SELECT COUNT(*) AS n, MIN(code) AS a, MAX(code) AS b FROM mendel_errors");
    assert_eq!(codes, [["41", "1", "12"]]);
}

/// Two men and two women; `e` says male and has calls of a woman. On X p of rs1 is 4/10 if all are diploid.
const SEXES: &str = "\
##fileformat=VCFv4.3
##contig=<ID=X,length=156040895>
##contig=<ID=Y,length=57227415>
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td\te
X\t100000\tpar\tA\tC\t.\t.\t.\tGT\t0/1\t0/1\t0/1\t0/1\t0/1
X\t5000000\trs1\tA\tC\t.\t.\t.\tGT\t0/0\t1/1\t0/1\t0/0\t0/1
X\t5000100\trs2\tA\tC\t.\t.\t.\tGT\t1/1\t0/0\t0/1\t0/1\t0/1
X\t5000200\trs3\tA\tC\t.\t.\t.\tGT\t1/1\t./.\t0/1\t0/1\t0/1
Y\t5000000\t.\tA\tC\t.\t.\t.\tGT\t1\t0\t.\t.\t.
";

#[test]
fn sexes_are_told_by_x_and_y() {
    let folder = temp();
    let vcf = write(folder.path(), "sexes.vcf", SEXES);
    let sexes = ["male", "male", "female", "female", "male"];
    let lines: Vec<String> =
        "abcde".chars().zip(sexes).map(|(name, sex)| format!("{}\t{name}\t{sex}\n", vcf.display())).collect();
    let sheet = write(folder.path(), "sheet.tsv", format!("path\tsample\tsex\n{}", lines.concat()));
    let dataset = folder.path().join("ds");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    varbatch(&["call", "--inputs", &text(&sheet), "-o", &text(&dataset)]).expect(0);
    run("stats", &dataset, &["--sex-check"]);
    let sql = "SELECT sample, inferred_sex, status, n_x, x_het_rate, y_call_rate FROM sex_check";
    assert_eq!(
        query(&dataset, sql),
        [
            ["a", "male", "ok", "3", "0.0", "1.0"],
            ["b", "male", "ok", "2", "0.0", "1.0"],
            ["c", "female", "ok", "3", "1.0", "0.0"],
            ["d", "female", "ok", "3", "0.6666666666666666", "0.0"],
            ["e", "female", "problem", "3", "1.0", "0.0"],
        ]
    );
    // what cannot be is refused before anything is stored
    let autosomes = write(
        folder.path(),
        "autosomes.vcf",
        SEXES.replace("\nX\t", "\n1\t").replace("\nY\t", "\n2\t").replace("<ID=X", "<ID=1").replace("<ID=Y", "<ID=2"),
    );
    let without = folder.path().join("autosomes.ds");
    call(&[autosomes], &without, &[]);
    let refused = varbatch(&["stats", path_text(&without), "--sex-check"]).expect(2);
    assert!(refused.stderr.contains("no variant on X or Y"), "{}", refused.stderr);
    assert!(!without.join("stats").exists());
    // rs1, rs2, rs3: p = 0.4, 0.5, 5/8; a is homozygous thrice
    let f = &query(&dataset, "SELECT x_f FROM sex_check WHERE sample = 'c'")[0][0];
    let expected = 3.0 - 0.48 - 0.5 - 2.0 * 0.625 * 0.375;
    close(f, &(-expected / (3.0 - expected)).to_string(), 1e-12);
    // Hardy-Weinberg of X is that of the women: rs1 0/1 and 0/0, though men are written with two copies; all samples in the PAR
    for extra in [&[][..], &["--types", "snv"]] {
        run("stats", &dataset, extra);
        let f = query(&dataset, "SELECT pos, f FROM variant_stats WHERE contig = 'X' AND pos < 5000200");
        assert_eq!(f[0], ["100000", "-1.0"]);
        close(&f[1][1], &(-1.0 / 3.0).to_string(), 1e-12);
        assert_eq!(f[2][1], "-1.0");
    }
}
