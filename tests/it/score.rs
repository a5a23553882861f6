//! `varbatch score` against `plink2 --score`, and what happens to lines that match nothing.

use super::common::*;
use std::path::PathBuf;
use std::process::Command;

/// A cohort with missing calls, and a file of weights: every third line names the reference allele.
struct Cohort {
    folder: tempfile::TempDir,
    vcf: PathBuf,
    dataset: PathBuf,
    weights: PathBuf,
    n_lines: usize,
}

fn cohort() -> Cohort {
    let folder = temp();
    let made = folder.path().join("made");
    let simulated =
        ["--samples", "120", "--length", "200000", "--seed", "9", "--missing", "0.02", "--contig-name", "chr20"];
    varbatch(&[&["simulate", "-o", made.to_str().expect("UTF-8")][..], &simulated].concat()).expect(0);
    let vcf = made.join("cohort.vcf.gz");
    let dataset = folder.path().join("ds");
    call(&[&vcf], &dataset, &[]);
    let rows = query(&dataset, "SELECT pos, ref, alt FROM variants WHERE type = 'snv' AND n_alts = 1");
    let mut text = String::from("id\teffect_allele\tother_allele\tone\ttwo\tcontig\tpos\n");
    let mut n_lines = 0;
    for (at, row) in rows.iter().enumerate().filter(|(at, _)| at % 4 == 0) {
        let [pos, reference, alt] = &row[..] else { panic!("{row:?}") };
        let (effect, other) = if at % 3 == 0 { (reference, alt) } else { (alt, reference) };
        let (one, two) = ((at % 17) as f64 / 10.0 - 0.8, (at % 5) as f64 / 3.0);
        // without `chr`: both spellings are one contig
        text += &format!("chr20:{pos}:{reference}:{alt}\t{effect}\t{other}\t{one:.3}\t{two:.3}\t20\t{pos}\n");
        n_lines += 1;
    }
    let weights = write(folder.path(), "weights.tsv", text);
    Cohort { folder, vcf, dataset, weights, n_lines }
}

impl Cohort {
    fn score(&self, extra: &[&str]) -> Finished {
        let dataset = self.dataset.to_str().expect("UTF-8");
        let weights = self.weights.to_str().expect("UTF-8");
        let fixed = ["score", dataset, "--weights", weights, "--weight-columns", "one,two"];
        varbatch(&[&fixed[..], extra].concat())
    }

    fn plink2(&self, modifiers: &[&str]) -> Vec<Vec<String>> {
        let out = self.folder.path().join("p");
        let mut command = Command::new("plink2");
        command.arg("--vcf").arg(&self.vcf).args(["--max-alleles", "2", "--set-all-var-ids", "@:#:$r:$a"]);
        command.args(["--new-id-max-allele-len", "999", "--output-chr", "chrM", "--threads", "1", "--score"]);
        command.arg(&self.weights).args(["1", "2", "header"]).args(modifiers);
        command.args(["cols=nallele,denom,dosagesum,scoresums,scoreavgs", "--score-col-nums", "4-5", "--out"]);
        finish(command.arg(&out)).expect(0);
        table(&std::fs::read_to_string(out.with_extension("sscore")).expect("scores"))
    }
}

fn table(text: &str) -> Vec<Vec<String>> {
    text.lines().skip(1).map(|line| line.split('\t').map(String::from).collect()).collect()
}

#[test]
fn scores_are_those_of_plink2() {
    if !tool("plink2") {
        return;
    }
    let cohort = cohort();
    for (ours, theirs) in [(&[][..], &[][..]), (&["--no-mean-imputation"][..], &["no-mean-imputation"][..])] {
        let done = cohort.score(&[ours, &["-o", "-"]].concat()).expect(0);
        assert!(done.stderr.contains(&format!("from {0} of {0} lines", cohort.n_lines)), "{}", done.stderr);
        let (found, expected) = (table(&done.stdout), cohort.plink2(theirs));
        assert_eq!((found.len(), expected.len()), (120, 120));
        for (our, their) in found.iter().zip(&expected) {
            // sample, ALLELE_CT, DENOM, NAMED_ALLELE_DOSAGE_SUM
            assert_eq!(our[1..5], their[..4]);
            // ours: sum and average of one score, then of the next; theirs: averages, then sums
            for (at, other) in [(5, 6), (6, 4), (7, 7), (8, 5)] {
                let number = |text: &str| text.parse::<f64>().expect("a number");
                let (a, b) = (number(&our[at]), number(&their[other]));
                assert!((a - b).abs() <= 1e-6 * b.abs().max(1.0) * 5.0, "{our:?} is not {their:?}");
            }
        }
    }
}

#[test]
fn threads_do_not_matter() {
    let cohort = cohort();
    let stored = |threads: &str| {
        cohort.score(&["--threads", threads]).expect(0);
        std::fs::read(cohort.dataset.join("stats/score.parquet")).expect("a table")
    };
    assert!(stored("1") == stored("3"));
    let rows = query(&cohort.dataset, "SELECT COUNT(*), SUM(n_alleles) FROM score");
    assert_eq!(rows[0][0], "120");
}

/// Lines with a name only find what lines with a place find.
#[test]
fn names_find_what_places_find() {
    let folder = temp();
    let made = folder.path().join("made");
    let simulated = ["--samples", "40", "--sites", "300", "--seed", "4", "--missing", "0.02", "--contig-name", "chr20"];
    varbatch(&[&["simulate", "-o", made.to_str().expect("UTF-8")][..], &simulated].concat()).expect(0);
    let plain = folder.path().join("plain.vcf");
    let first = folder.path().join("first");
    call(&[made.join("cohort.vcf.gz")], &first, &[]);
    export(&first, &plain, &[]);
    let mut n_records = 0;
    let named = |line: &str| {
        let mut fields: Vec<String> = line.split('\t').map(String::from).collect();
        if !line.starts_with('#') {
            n_records += 1;
            fields[2] = format!("rs{n_records}");
        }
        fields.join("\t") + "\n"
    };
    let text: String = std::fs::read_to_string(&plain).expect("a file").lines().map(named).collect();
    let dataset = folder.path().join("ds");
    call(&[write(folder.path(), "named.vcf", text)], &dataset, &[]);
    let rows = query(&dataset, "SELECT id, pos, ref, alt FROM variants WHERE type = 'snv' AND n_alts = 1");
    assert!(rows.len() > 100, "{} variants", rows.len());
    let (mut by_name, mut by_place) = ("id\ta1\tweight\n".to_owned(), "contig\tpos\ta1\ta2\tweight\n".to_owned());
    for (at, row) in rows.iter().enumerate() {
        let [id, pos, reference, alt] = &row[..] else { panic!("{row:?}") };
        let (effect, other) = if at % 3 == 0 { (reference, alt) } else { (alt, reference) };
        let weight = (at % 17) as f64 / 10.0 - 0.8;
        by_name += &format!("{id}\t{effect}\t{weight:.3}\n");
        by_place += &format!("20\t{pos}\t{effect}\t{other}\t{weight:.3}\n");
    }
    let score = |name: &str, weights: String| {
        let weights = write(folder.path(), name, weights);
        let done =
            varbatch(&["score", dataset.to_str().expect("UTF-8"), "-w", weights.to_str().expect("UTF-8"), "-o", "-"]);
        let done = done.expect(0);
        assert!(done.stderr.contains(&format!("from {0} of {0} lines", rows.len())), "{}", done.stderr);
        table(&done.stdout)
    };
    let found = score("names.tsv", by_name);
    assert_eq!(found.len(), 40);
    assert_eq!(found, score("places.tsv", by_place));
}

#[test]
fn lines_that_match_nothing_are_counted() {
    let folder = temp();
    let vcf = "##fileformat=VCFv4.3\n##contig=<ID=1>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n\
               #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\n\
               1\t10\trs1\tA\tC\t.\t.\t.\tGT\t0/1\t1/1\t./.\n\
               1\t20\trs2\tA\tG,T\t.\t.\t.\tGT\t0/0\t1/2\t0/1\n";
    let dataset = folder.path().join("ds");
    call(&[write(folder.path(), "x.vcf", vcf)], &dataset, &[]);
    let score = |weights: &str, extra: &[&str]| {
        let path = write(folder.path(), "w.tsv", weights);
        let fixed = ["score", dataset.to_str().expect("UTF-8"), "-w", path.to_str().expect("UTF-8"), "-o", "-"];
        varbatch(&[&fixed[..], extra].concat())
    };
    // rs1 C: 1, 2 and, missing, twice 3/4; rs2 T: 0, 1, 0; A of rs2 is no allele of one row
    let done = score("id a1 weight\nrs1 C 1\nrs2 T 10\nrs9 A 5\n", &[]).expect(0);
    let rows = table(&done.stdout);
    assert_eq!(rows.iter().map(|row| row[5].as_str()).collect::<Vec<_>>(), ["1.0", "12.0", "1.5"]);
    assert!(done.stderr.contains("1 lines are not in the dataset, first line 4"), "{}", done.stderr);
    let done = score("id a1 weight\nrs1 A 1\nrs2 A 10\n", &["--no-mean-imputation"]).expect(0);
    assert_eq!(table(&done.stdout).iter().map(|row| row[5].as_str()).collect::<Vec<_>>(), ["1.0", "0.0", "0.0"]);
    assert!(done.stderr.contains("1 lines have other alleles there, first line 3"), "{}", done.stderr);
    assert!(score("id a1 weight\nrs1 A 1\nrs1 C 1\n", &[]).expect(65).stderr.contains("lines 2 and 3"));
    // the other allele is one of several, as the PGS Catalog infers it
    let harmonised =
        "effect_allele\teffect_weight\thm_chr\thm_pos\thm_inferOtherAllele\nC\t1\t1\t10\tA/T\nT\t2\t1\t20\tC/G\n";
    let done = score(harmonised, &["--no-mean-imputation"]).expect(0);
    assert_eq!(table(&done.stdout).iter().map(|row| row[5].as_str()).collect::<Vec<_>>(), ["1.0", "2.0", "0.0"]);
    assert!(done.stderr.contains("1 lines have other alleles there, first line 3"), "{}", done.stderr);
    let done = score("id a1 ldl\nrs1 A 1\n", &["--weight-columns", "ldl,LDL"]).expect(2);
    assert!(done.stderr.contains("`ldl` are there twice"), "{}", done.stderr);
    assert!(score("id a1 weight\nrs7 A 1\n", &[]).expect(2).stderr.contains("none of its variants"));
    assert!(score("id a1 weight\nrs1 A x\n", &[]).expect(65).stderr.contains("w.tsv:2"));
    assert!(!dataset.join("stats").exists());
}
