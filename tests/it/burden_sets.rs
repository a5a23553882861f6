//! Forms of the sets of `varbatch burden`: what a file says of names, contigs and places is what the rows have, and what is left out is said.

use super::common::*;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Variants at 1, 2, 3, ... of a contig: the calls of each sample.
fn vcf(contig: &str, calls: &[Vec<&str>]) -> String {
    let mut text = format!(
        "##fileformat=VCFv4.3\n##contig=<ID={contig},length=9999>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
    );
    (0..calls[0].len()).for_each(|sample| write!(text, "\ts{sample}").expect("text"));
    for (at, row) in calls.iter().enumerate() {
        write!(text, "\n{contig}\t{}\t.\tA\tC\t.\t.\t.\tGT\t{}", at + 1, row.join("\t")).expect("text");
    }
    text + "\n"
}

/// 40 samples and variants that vary, on one contig, with a phenotype.
struct Case {
    folder: tempfile::TempDir,
    dataset: PathBuf,
    pheno: PathBuf,
}

fn case(contig: &str, n_variants: usize) -> Case {
    let call = |variant: usize, at: usize| if (at * 7 + variant * 5) % 11 < 2 { "0/1" } else { "0/0" };
    let calls: Vec<Vec<&str>> = (0..n_variants).map(|variant| (0..40).map(|at| call(variant, at)).collect()).collect();
    case_of(contig, &calls)
}

fn case_of(contig: &str, calls: &[Vec<&str>]) -> Case {
    let folder = temp();
    let dataset = folder.path().join("ds");
    call(&[write(folder.path(), "a.vcf", vcf(contig, calls))], &dataset, &[]);
    let lines: String = (0..40).map(|at| format!("s{at}\t{}\n", f64::from((at * 37 + 11) % 59) / 7.0)).collect();
    let pheno = write(folder.path(), "p.tsv", format!("IID\ty\n{lines}"));
    Case { folder, dataset, pheno }
}

impl Case {
    fn with(&self, sets: &Path, extra: &[&str]) -> Finished {
        let pheno = [
            "burden",
            path_text(&self.dataset),
            "-o",
            "-",
            "--pheno",
            path_text(&self.pheno),
            "--sets",
            path_text(sets),
        ];
        varbatch(&[&pheno[..], &["--max-af", "1"], extra].concat())
    }

    /// Values of some columns of the rows of the burden test.
    #[track_caller]
    fn rows(&self, sets: (&str, &str), extra: &[&str], columns: &[&str]) -> (Vec<String>, String) {
        let sets = write(self.folder.path(), sets.0, sets.1);
        let done = self.with(&sets, &[&["--tests", "burden"], extra].concat()).expect(0);
        let mut lines = done.stdout.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let names = lines.next().expect("a header");
        let at: Vec<usize> =
            columns.iter().map(|name| names.iter().position(|own| own == name).expect("a column")).collect();
        let row = |fields: Vec<&str>| at.iter().map(|&at| fields[at]).collect::<Vec<_>>().join(" ");
        (lines.map(row).collect(), done.stderr)
    }
}

/// Texts of a table of sets stay as they are written, and rows that go nowhere are counted.
#[test]
fn names_and_contigs_are_texts() {
    let case = case("01", 6);
    let body = "007\t01\t1\tA\tC\n7\t01\t2\tA\tC\n1.10\t01\t3\tA\tC\n1.1\t01\t4\tA\tC\n1.1\t01\t5\tA\tC\nNA\t01\t6\tA\tC\n1e3\t01\t77\tA\tC\n";
    let table = format!("set\tcontig\tpos\tref\talt\n{body}");
    let (found, said) = case.rows(("sets.tsv", &table), &[], &["set", "contig", "n_variants"]);
    assert_eq!(found, ["007 01 1", "7 01 1", "1.10 01 1", "1.1 01 2", "1e3  0"]);
    assert!(said.contains("left out 1 of 7 rows, of variants that the dataset does not have"), "{said}");
    assert!(said.contains("left out 1 of 7 rows, which have no set"), "{said}");
    // nothing is left
    for (rows, expected) in [
        ("NA\t01\t1\tA\tC\nx\t01\t77\tA\tC\n", "none of its 2 rows has a set and a variant of the dataset"),
        ("x\t01\t77\tA\tC\n", "none of its 1 rows"),
        ("NA\t01\t1\tA\tC\n", "none of its 1 rows"),
    ] {
        let sets = write(case.folder.path(), "none.tsv", format!("set\tcontig\tpos\tref\talt\n{rows}"));
        let done = case.with(&sets, &[]).expect(65);
        assert!(done.stderr.contains(expected), "{}", done.stderr);
    }
}

/// A line of names that begins with `#` does not make a table of variants to a BED, nor do numbers in a BED make it a GFF.
#[test]
fn tables_and_intervals_are_told_apart() {
    let case = case("1", 6);
    let columns = ["set", "start", "end", "n_variants"];
    let table = "#set\tcontig\tpos\tref\talt\nA\t1\t2\tA\tC\nA\t1\t3\tA\tC\nB\t1\t5\tA\tC\n";
    let expected = ["A 2 3 2", "B 5 5 1"];
    assert_eq!(case.rows(("a.tsv", table), &[], &columns).0, expected);
    let ids = query(&case.dataset, "SELECT variant_id FROM variants ORDER BY variant_id");
    let ids = format!("#set\tvariant_id\tweight\nA\t{}\t1\nA\t{}\t2\nB\t{}\t3\n", ids[1][0], ids[2][0], ids[4][0]);
    assert_eq!(case.rows(("b.tsv", &ids), &["--weights", "column"], &columns).0, expected);
    let bed =
        "track name=x\n1\t1\t3\t17\t100\t+\t1\t3\t0\n1\t4\t5\t18\t100\t-\t4\t5\t0\ntracking\t1\t2\tT\t1\t+\t1\t2\t0\n";
    let (found, said) = case.rows(("c.bed", bed), &[], &columns);
    assert_eq!(found, ["17 2 3 2", "18 5 5 1"]);
    assert!(said.contains("left out 1 of 3 intervals"), "{said}");
    // the symbol comes before the name of the feature, and `;` within quotes does not end a value
    let gff = "##gff-version 3\n1\tx\tCDS\t2\t3\t.\t+\t0\tID=c1;Name=NP_1;gene=A\n1\tx\tCDS\t5\t5\t.\t+\t0\tName=NP_2;gene=B\n";
    assert_eq!(case.rows(("d.gff3", gff), &["--gff-feature", "CDS"], &columns).0, expected);
    let gtf = "1\tx\tgene\t2\t3\t.\t+\t.\tnote \"x; gene_name y\"; gene_name \"A\";\n1\tx\tgene\t5\t5\t.\t+\t.\tgene_name \"B\"; note \"z\"\n";
    assert_eq!(case.rows(("e.gtf", gtf), &[], &columns).0, expected);
    for (content, expected) in [
        ("1\t1\t3\tA\n1\t5\t4\tB\n", "w.bed:2: the interval ends at 4, before its start at 5"),
        ("1\t1\t3\tA\n1\t4\t4\tB\n", "w.bed:2: the interval has no bases"),
        ("1\t1\t3\tA\n1\t4\t4000000000\tB\n", "w.bed:2: \"4000000000\" is no position"),
    ] {
        let sets = write(case.folder.path(), "w.bed", content);
        let done = case.with(&sets, &[]).expect(65);
        assert!(done.stderr.contains(expected), "{}", done.stderr);
    }
}

/// Copies that differ only because some calls have one allele and some two do not vary.
#[test]
fn a_variant_that_all_alleles_are_of_is_monomorphic() {
    let fixed: Vec<&str> = (0..40).map(|at| if at % 3 == 0 { "1" } else { "1/1" }).collect();
    let varying: Vec<&str> = (0..40).map(|at| if at % 5 == 0 { "0/1" } else { "0/0" }).collect();
    let case = case_of("1", &[fixed, varying]);
    let bed = ("a.bed", "1\t0\t1\tfixed\n1\t0\t2\tboth\n1\t1\t2\tother\n");
    let columns = ["set", "n_variants", "n_monomorphic", "status", "p"];
    let (found, _) = case.rows(bed, &[], &columns);
    assert_eq!(found[0], "fixed 1 1 monomorphic ");
    let p = |row: &str| row.split(' ').next_back().expect("p").parse::<f64>().expect("a number");
    assert!(found[1].starts_with("both 2 1  ") && p(&found[1]) == p(&found[2]), "{found:?}");
}

/// Hundreds of sets that overlap, more than are tested at once: each as if it were alone.
#[test]
fn many_sets_that_overlap() {
    let case = case("1", 400);
    let line = |at: usize| format!("1\t{at}\t{}\tG{at}\n", at + 1 + at % 23);
    let bed: String = (0..380).map(line).collect();
    let sets = write(case.folder.path(), "many.bed", &bed);
    let run = |sets: &Path, threads: &str| case.with(sets, &["--tests", "burden,skat", "-@", threads]).expect(0).stdout;
    let all = run(&sets, "1");
    assert_eq!(all, run(&sets, "3"));
    assert_eq!(all.lines().count(), 1 + 2 * 380);
    for at in [0, 31, 64, 200, 379] {
        let own = write(case.folder.path(), "one.bed", line(at));
        let own = run(&own, "2");
        let expected: Vec<&str> = own.lines().skip(1).collect();
        let found: Vec<&str> = all.lines().filter(|row| row.starts_with(&format!("G{at}\t"))).collect();
        assert_eq!(found, expected);
    }
}
