//! Sources of `varbatch annotate` that differ in form: what is taken of them is what is written there, or an error or a count says so.

use super::common::*;
use super::tables;
use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const COHORT: &str = "\
##fileformat=VCFv4.2
##contig=<ID=chr1,length=100000>
##contig=<ID=chr2,length=100000>
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta
chr1\t100\t.\tA\tG\t.\t.\t.\tGT\t0/1
chr1\t200\t.\tCTT\tC\t.\t.\t.\tGT\t0/1
chr2\t60\t.\tG\tC\t.\t.\t.\tGT\t0/1
";

const HEADER: &str = "\
##fileformat=VCFv4.2
##contig=<ID=chr1>
##contig=<ID=chr2>
##INFO=<ID=AF,Number=A,Type=Float,Description=\"x\">
##INFO=<ID=CSQ,Number=.,Type=String,Description=\"Consequences from Ensembl VEP. Format: Allele|Consequence|IMPACT|SYMBOL\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
";

fn cohort(folder: &Path) -> PathBuf {
    let (vcf, dataset) = (write(folder, "cohort.vcf", COHORT), folder.join("ds"));
    call(&[vcf], &dataset, &[]);
    dataset
}

fn annotate(dataset: &Path, args: &[&str]) -> Finished {
    varbatch(&[&["annotate", path_text(dataset), "--replace"], args].concat())
}

/// Rows of the stored table `annotations` as lines.
fn rows(dataset: &Path, columns: &[&str]) -> Vec<String> {
    let found = tables::read_file(&dataset.join("stats/annotations.parquet"), columns);
    found.rows.iter().map(|row| row.join(" ")).collect()
}

/// The description of the first source of `annotations`.
fn source(dataset: &Path) -> serde_json::Value {
    let bytes = std::fs::read(dataset.join("stats/annotations.json")).expect("stored");
    let description: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    description["summary"]["sources"][0].clone()
}

/// Writes Parquet with the key columns of `keys` (contig, pos, ref, alt) and another one, in row groups of `group` rows.
fn parquet(path: &Path, keys: &[(&str, i32, &str, &str)], value: (&str, ArrayRef), group: usize) {
    let texts = |of: &dyn Fn(usize) -> String| Arc::new(StringArray::from_iter_values((0..keys.len()).map(of)));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("contig", texts(&|at| keys[at].0.into())),
        ("pos", Arc::new(Int32Array::from_iter_values(keys.iter().map(|key| key.1)))),
        ("ref", texts(&|at| keys[at].2.into())),
        ("alt", texts(&|at| keys[at].3.into())),
        value,
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let file = std::fs::File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
}

/// Lines that begin with `#` before a table, any number of them: the last one has the names.
#[test]
fn comments_before_a_table() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let names = "CHROM\tPOS\tREF\tALT\tv\n";
    let body = "chr1\t100\tA\tG\t5\nchr1\t200\tCTT\tC\t6\nchr2\t60\tG\tC\t7\n";
    let heads = [
        names.to_owned(),
        format!("#{names}"),
        format!("# made by x\n#{names}"),
        format!("# made by x\n# on y\n#{names}"),
        format!("## a\n# made by x\n# on y\n\n# z\n#{names}"),
        format!("#{names}\n"),
        format!("#{names}## checked\n"),
        format!("{names}\n"),
        format!("{names}# rows\n"),
        // a comment is no line of names where such a line follows
        format!("# made by x\n{names}"),
        format!("# made by x, y, z\n\n{names}\n"),
    ];
    for head in heads {
        for (separator, end) in [("\t", "tsv"), (",", "csv")] {
            let head = if end == "csv" { head.replace(['\t'], ",").replace(", ", " ") } else { head.clone() };
            let table = write(folder.path(), &format!("t.{end}"), head + &body.replace('\t', separator));
            annotate(&dataset, &["--from", path_text(&table)]).expect(0);
            let content = std::fs::read_to_string(&table).expect("text");
            assert_eq!(rows(&dataset, &["pos", "t_v"]), ["100 5", "200 6", "60 7"], "{content}");
        }
    }
}

/// `""` is a quote within quotes, and nowhere else.
#[test]
fn quotes_in_tables() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let tsv =
        write(folder.path(), "t.tsv", "chrom\tpos\tref\talt\tv\nchr1\t100\tA\tG\ta\"\"b\nchr2\t60\tG\tC\t\"q\"\n");
    annotate(&dataset, &["--from", path_text(&tsv)]).expect(0);
    assert_eq!(rows(&dataset, &["t_v"]), ["a\"\"b", "\"q\""]);
    let body = "chrom,pos,ref,alt,v,w\nchr1,100,A,G,a\"\"b,5\" x\nchr1,200,CTT,C,\"a\"\"b\",\"x,y\"\n\"chr2\",60,G,C,\"\"\"\",z\n";
    let csv = write(folder.path(), "t.csv", body);
    annotate(&dataset, &["--from", path_text(&csv)]).expect(0);
    assert_eq!(rows(&dataset, &["t_v", "t_w"]), ["a\"\"b 5\" x", "a\"b x,y", "\" z"]);
}

/// Whole numbers that no integer can hold keep their digits.
#[test]
fn numbers_of_many_digits_are_text() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let table = "chrom\tpos\tref\talt\tv\nchr1\t100\tA\tG\t98765432109876543210\nchr2\t60\tG\tC\t1\n";
    let table = write(folder.path(), "t.tsv", table);
    annotate(&dataset, &["--from", path_text(&table)]).expect(0);
    assert_eq!(rows(&dataset, &["t_v"]), ["98765432109876543210", "1"]);
}

/// A folder of Parquet is one table: its files have the same columns with the same types.
#[test]
fn files_of_a_folder_agree() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let parts = folder.path().join("parts");
    std::fs::create_dir(&parts).expect("a folder");
    let ints = |values: &[i32]| -> ArrayRef { Arc::new(Int32Array::from(values.to_vec())) };
    let [a, b] = ["a", "b"].map(|name| parts.join(format!("{name}.parquet")));
    parquet(
        &a,
        &[("chr1", 100, "A", "G"), ("chr1", 200, "CTT", "C"), ("chr1", 300, "A", "T")],
        ("v", ints(&[5, 6, 0])),
        1,
    );
    parquet(&b, &[("chr2", 60, "G", "C")], ("v", ints(&[7])), 9);
    annotate(&dataset, &["--from", path_text(&parts), "--name", "p"]).expect(0);
    assert_eq!(rows(&dataset, &["pos", "p_v"]), ["100 5", "200 6", "60 7"]);
    let others: [(&str, ArrayRef, &str); 4] = [
        ("v", Arc::new(Float64Array::from(vec![7.5])), "column `v` is float64, expected int32"),
        ("v", Arc::new(Int64Array::from(vec![70_000_000_007])), "column `v` is int64, expected int32"),
        ("v", Arc::new(StringArray::from(vec!["x"])), "column `v` is text, expected int32"),
        ("w", ints(&[7]), "there is no column `v`"),
    ];
    for (name, values, expected) in others {
        parquet(&b, &[("chr2", 60, "G", "C")], (name, values), 9);
        let done = annotate(&dataset, &["--from", path_text(&parts), "--name", "p"]).expect(65);
        assert!(done.stderr.contains("b.parquet") && done.stderr.contains(expected), "{}", done.stderr);
        // what is not taken may differ
        annotate(&dataset, &["--from", path_text(&folder.path().join("parts/a.parquet")), "--name", "p"]).expect(0);
    }
}

/// The first row of an allele holds, in the order of the file, for every form of a source that is not sorted.
#[test]
fn the_first_row_of_the_file_holds() {
    let folder = temp();
    let dataset = cohort(folder.path());
    // the deletion at 200, as it is and with a base more before it
    let keys =
        [("chr2", 60, "G", "C"), ("chr1", 200, "CTT", "C"), ("chr1", 199, "ACTT", "AC"), ("chr1", 100, "A", "G")];
    let lines: String =
        keys.iter().zip(1..).map(|(k, v)| format!("{}\t{}\t{}\t{}\t{v}\n", k.0, k.1, k.2, k.3)).collect();
    let table = write(folder.path(), "s.tsv", format!("contig\tpos\tref\talt\tv\n{lines}"));
    annotate(&dataset, &["--from", path_text(&table)]).expect(0);
    let expected = ["100 4", "200 2", "60 1"];
    assert_eq!(rows(&dataset, &["pos", "s_v"]), expected);
    let values = || Arc::new(Int32Array::from(vec![1, 2, 3, 4])) as ArrayRef;
    for group in [1, 2, 9] {
        let file = folder.path().join("s.parquet");
        parquet(&file, &keys, ("v", values()), group);
        let done = annotate(&dataset, &["--from", path_text(&file)]).expect(0);
        assert_eq!(rows(&dataset, &["pos", "s_v"]), expected);
        assert!(done.stderr.contains("1 about an allele of an earlier row"), "{}", done.stderr);
        // a row that is wrong is named by its number in the file
        let mut wrong = keys;
        wrong[3].2 = "-";
        parquet(&file, &wrong, ("v", values()), group);
        let done = annotate(&dataset, &["--from", path_text(&file)]).expect(65);
        assert!(done.stderr.contains("s.parquet:4 (chr1:100): REF is \"-\""), "{}", done.stderr);
        let done = annotate(&dataset, &["--from", path_text(&file), "--on-bad-record", "skip"]).expect(0);
        assert!(done.stderr.contains("s.parquet:4 (chr1:100): REF is \"-\""), "{}", done.stderr);
    }
}

/// A field that is asked for twice has its values twice.
#[test]
fn one_field_under_two_names() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let vcf =
        write(folder.path(), "s.vcf", format!("{HEADER}chr1\t100\t.\tA\tG\t.\t.\tAF=0.5;CSQ=G|stop_gained|HIGH|X\n"));
    annotate(&dataset, &["--from", path_text(&vcf), "--columns", "AF,AF as freq,CSQ as a,CSQ as b", "--consequences"])
        .expect(0);
    let entry = "[G|stop_gained|HIGH|X]";
    assert_eq!(rows(&dataset, &["s_af", "freq", "a", "b", "gene"]), [format!("0.5 0.5 {entry} {entry} X")]);
}

/// What earlier runs stored is not lost without a word.
#[test]
fn a_description_that_cannot_be_read_is_an_error() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let bed = write(folder.path(), "x.bed", "chr1\t0\t150\n");
    annotate(&dataset, &["--from", path_text(&bed)]).expect(0);
    let path = dataset.join("stats/annotations.json");
    let stored = std::fs::read_to_string(&path).expect("a description");
    let args = ["annotate", path_text(&dataset), "--from", path_text(&bed), "--name", "y"];
    // a version that knew less
    let mut older: serde_json::Value = serde_json::from_str(&stored).expect("JSON");
    older["summary"]["sources"][0].as_object_mut().expect("an object").remove("rows_repeated");
    std::fs::write(&path, older.to_string()).expect("written");
    varbatch(&args).expect(0);
    assert_eq!(rows(&dataset, &["pos", "x", "y"]), ["100 true true"]);
    // one that is damaged
    std::fs::write(&path, stored.replace("\"rows_read\"", "\"rows_read\":\"many\",\"x\"")).expect("written");
    let done = varbatch(&args).expect(65);
    assert!(done.stderr.contains("annotations.json") && done.stderr.contains("--replace"), "{}", done.stderr);
    annotate(&dataset, &args[2..]).expect(0);
}

/// Sources with consequences: rows that repeat an allele are counted, and two sources for one contig are an error that says what to do.
#[test]
fn consequences_of_several_files() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let entry = |gene: &str| format!("CSQ=G|stop_gained|HIGH|{gene}");
    let vcf = |name: &str, lines: &str| write(folder.path(), name, format!("{HEADER}{lines}"));
    let line = |contig: &str, pos: u32, gene: &str| format!("{contig}\t{pos}\t.\tA\tG\t.\t.\t{}\n", entry(gene));
    let twice = vcf("a.vcf", &[line("chr1", 100, "X"), line("chr1", 100, "Y")].concat());
    let none = ["--columns", "none", "--consequences"];
    let done = annotate(&dataset, &[&["--from", path_text(&twice)], &none[..]].concat()).expect(0);
    assert!(done.stderr.contains("1 about an allele of an earlier row"), "{}", done.stderr);
    assert_eq!(source(&dataset)["rows_repeated"], 1);
    // parts of one annotation, whatever the files are called
    let other = vcf("b.vcf", &line("chr2", 60, "Z").replace("A\tG", "G\tC").replace("=G|", "=C|"));
    annotate(&dataset, &[&["--from", path_text(&twice), "--from", path_text(&other)], &none[..]].concat()).expect(0);
    assert_eq!(rows(&dataset, &["pos", "gene"]), ["100 X", "60 Z"]);
    let again = vcf("c.vcf", &line("chr1", 100, "W"));
    let done = annotate(&dataset, &[&["--from", path_text(&twice), "--from", path_text(&again)], &none[..]].concat())
        .expect(65);
    assert!(done.stderr.contains("c.vcf: ") && done.stderr.contains("consequences on chr1"), "{}", done.stderr);
    assert!(done.stderr.contains("one run each"), "{}", done.stderr);
    // the name of the table is that of no source
    let named = vcf("consequences.vcf", &line("chr1", 100, "X"));
    let done = annotate(&dataset, &["--from", path_text(&named)]).expect(2);
    assert!(done.stderr.contains("--name"), "{}", done.stderr);
    annotate(&dataset, &[&["--from", path_text(&named)], &none[..]].concat()).expect(0);
    annotate(&dataset, &["--from", path_text(&named), "--name", "vep"]).expect(0);
}

/// `--key` said once is for the tables among the sources.
#[test]
fn keys_beside_intervals() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let table = write(folder.path(), "t.tsv", "on\twhere\tr\ta\tv\nchr1\t100\tA\tG\t5\n");
    let bed = write(folder.path(), "b.bed", "#chrom\tstart\tend\tname\tgene\nchr1\t0\t150\tN\tX\n");
    let key = ["--key", "contig=on,pos=where,ref=r,alt=a"];
    annotate(&dataset, &[&["--from", path_text(&table), "--from", path_text(&bed)], &key[..]].concat()).expect(0);
    // a line of names that begins as one without would
    assert_eq!(rows(&dataset, &["t_v", "b_name", "b_gene"]), ["5 [N] [X]"]);
    let description = std::fs::read_to_string(dataset.join("stats/annotations.json")).expect("a description");
    assert!(
        description.contains(&format!("\"key\":\"{}\"", key[1]))
            || description.contains(&format!("\"key\": \"{}\"", key[1]))
    );
    // said of one source, it is a table
    let done = annotate(&dataset, &["--from", path_text(&bed), "--key", "pos=begin"]).expect(65);
    assert!(done.stderr.contains("no column is `begin`") || done.stderr.contains("`begin`"), "{}", done.stderr);
    let parquet_file = folder.path().join("p.parquet");
    parquet(&parquet_file, &[("chr1", 100, "A", "G")], ("v", Arc::new(Int32Array::from(vec![1]))), 9);
    for (source, key) in [(&table, &key[..]), (&parquet_file, &[])] {
        let done = annotate(&dataset, &[&["--from", path_text(source), "--columns", "none"], key].concat()).expect(2);
        assert!(done.stderr.contains("nothing is taken of this source"), "{}", done.stderr);
    }
}

/// GFF and BED: forms, counts and names.
#[test]
fn lines_of_intervals() {
    let folder = temp();
    let dataset = cohort(folder.path());
    // more lines about sequences than are in a first look
    let mut gff = String::from("##gff-version 3\n");
    (0..20_000).for_each(|at| gff += &format!("##sequence-region scaffold_{at} 1 100000\n"));
    gff += "chr1\tx\tgene\t50\t150\t.\t+\t.\tID=g1;Name=N1\nchr1\tx\tCDS\t50\t150\t.\t+\t0\tgene_name=C1;ID=c1\n";
    gff += "chr1\tx\tgene\t300\t400\t.\t+\t.\tID=g2;Name=N2\nchr7\tx\tgene\t3\t4\t.\t+\t.\tID=g3;Name=N3\n";
    let gff = write(folder.path(), "g.gff3", gff);
    let done = annotate(&dataset, &["--from", path_text(&gff), "--feature", "gene"]).expect(0);
    // the name is an attribute of the features that are asked for
    assert_eq!(rows(&dataset, &["pos", "g_type", "g_name"]), ["100 [gene] [N1]"]);
    assert!(done.stderr.contains("3 rows read, 1 matched, 1 not, 1 on contigs"), "{}", done.stderr);
    let found = source(&dataset);
    let counts = ["rows_read", "rows_matched", "rows_unmatched", "rows_other_contigs"].map(|name| found[name].clone());
    assert_eq!(counts, [3, 1, 1, 1]);
    // attributes with `;` in quotes, `track` as the begin of a name, white space in place of tabs
    let gtf = "chr1\tx\tgene\t50\t150\t.\t+\t.\tgene_id \"E1\"; note \"a;b\"; gene_name \"X%3B\";\n";
    let gtf = write(folder.path(), "h.gtf", gtf);
    annotate(&dataset, &["--from", path_text(&gtf), "--columns", "note,gene_name"]).expect(0);
    assert_eq!(rows(&dataset, &["h_note", "h_gene_name"]), ["[a;b] [X%3B]"]);
    let bed = write(
        folder.path(),
        "b.bed",
        "track name=\"x\"\ntracking1 5 9 T\nchr1 50 150 A\nbrowser hide all\nchr1 99 99 B\n",
    );
    let done = annotate(&dataset, &["--from", path_text(&bed)]).expect(0);
    assert_eq!(rows(&dataset, &["b_name"]), ["[A]"]);
    assert!(done.stderr.contains("3 rows read, 1 matched, 1 not, 1 on contigs"), "{}", done.stderr);
    for (line, expected) in [
        ("chr1\t-1\t5", "\"-1\""),
        ("chr1\t9\t5", "ends at 5, before its start at 9"),
        ("chr1\t5\t3000000000", "\"3000000000\""),
        ("chr1\t5", "2 fields"),
    ] {
        let bed = write(folder.path(), "w.bed", format!("chr1\t0\t150\n{line}\n"));
        let done = annotate(&dataset, &["--from", path_text(&bed)]).expect(65);
        assert!(done.stderr.contains("w.bed:2: ") && done.stderr.contains(expected), "{}", done.stderr);
        let done = varbatch(&[
            "call",
            path_text(&folder.path().join("cohort.vcf")),
            "-o",
            path_text(&folder.path().join("x")),
            "-R",
            path_text(&bed),
        ]);
        let done = done.expect(65);
        assert!(done.stderr.contains("w.bed:2: ") && done.stderr.contains(expected), "{}", done.stderr);
    }
}

/// `-R` with a file that has no interval is not the whole genome.
#[test]
fn an_empty_bed_of_regions_is_an_error() {
    let folder = temp();
    let vcf = write(folder.path(), "cohort.vcf", COHORT);
    let out = folder.path().join("ds");
    for content in ["", "# nothing\n", "track name=x\n", "chr1\t99\t99\n"] {
        let bed = write(folder.path(), "r.bed", content);
        let done = varbatch(&["call", path_text(&vcf), "-o", path_text(&out), "-R", path_text(&bed)]).expect(65);
        assert!(done.stderr.contains("r.bed") && done.stderr.contains("no interval"), "{}", done.stderr);
        assert!(!is_published(&out));
    }
    let bed = write(folder.path(), "r.bed", "tracker\t1\t2\n");
    let done = varbatch(&["call", path_text(&vcf), "-o", path_text(&out), "-R", path_text(&bed)]).expect(2);
    assert!(done.stderr.contains("no input has the contig tracker"), "{}", done.stderr);
    let bed = write(folder.path(), "r.bed", "#chrom\tstart\tend\nchr1\t99\t100\nchr1\t150\t150\n");
    varbatch(&["call", path_text(&vcf), "-o", path_text(&out), "-R", path_text(&bed)]).expect(0);
    assert_eq!(query(&out, "SELECT pos FROM variants"), [["100"]]);
}
