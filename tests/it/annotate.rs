//! `varbatch annotate` against `bcftools annotate` and `bcftools +split-vep`, and its own promises: one result for every form of a source, for
//! any number of threads, and nothing lost in silence.

use super::common::*;
use super::tables;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const COHORT: &str = "\
##fileformat=VCFv4.2
##contig=<ID=chr1,length=100000>
##contig=<ID=chr2,length=100000>
##INFO=<ID=CSQ,Number=.,Type=String,Description=\"Consequences from Ensembl VEP. Format: Allele|Consequence|IMPACT|SYMBOL|Gene|Feature|DISTANCE\">
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta
chr1\t100\t.\tA\tG\t.\t.\tCSQ=G|missense_variant|MODERATE|GA|E1|T1|,G|intron_variant&splice_donor_variant|HIGH|GB|E2|T2|\tGT\t0/1
chr1\t200\t.\tCTT\tCT,C\t.\t.\tCSQ=T|frameshift_variant|HIGH|GA|E1|T1|,-|inframe_deletion|MODERATE|GA|E1|T1|,X|intron_variant|MODIFIER|GA|E1|T1|\tGT\t1/2
chr1\t300\t.\tC\tCA\t.\t.\tCSQ=A|upstream_gene_variant||\"G'C|E3|T3|150\tGT\t0/1
chr2\t50\t.\tG\tT\t.\t.\t.\tGT\t0/1
chr2\t60\t.\tGA\tCA\t.\t.\tCSQ=CA|synonymous_variant|LOW|GD|E4|T4|\tGT\t0/1
";

const SOURCE: &str = "\
##fileformat=VCFv4.2
##contig=<ID=chr1>
##contig=<ID=chr2>
##contig=<ID=chr9>
##FILTER=<ID=q10,Description=\"x\">
##INFO=<ID=AF,Number=A,Type=Float,Description=\"x\">
##INFO=<ID=AD,Number=R,Type=Integer,Description=\"x\">
##INFO=<ID=DB,Number=0,Type=Flag,Description=\"x\">
##INFO=<ID=SIG,Number=.,Type=String,Description=\"x\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
chr1\t100\t.\tA\tG\t.\tq10\tAF=0.5
chr1\t199\trs2\tACTT\tACT,AC\t.\t.\tAF=.,0.001;AD=1,2,3
chr1\t300\t.\tC\tCA\t.\t.\t.
chr1\t400\t.\tC\tCA\t.\t.\tAF=1
chr2\t60\trsX\tG\tA,C\t30\tPASS\tAF=0.1,0.2;AD=5,6,7;DB;SIG=a,b
chr2\t60\trsY\tG\tC\t30\tPASS\tAF=0.9
chr9\t60\trsY\tG\tC\t30\tPASS\tAF=0.9
";

fn cohort(folder: &Path) -> PathBuf {
    let (vcf, dataset) = (write(folder, "cohort.vcf", COHORT), folder.join("ds"));
    call(&[vcf], &dataset, &[]);
    dataset
}

fn annotate(dataset: &Path, args: &[&str]) -> Finished {
    varbatch(&[&["annotate", dataset.to_str().expect("UTF-8")], args].concat())
}

/// Rows of a stored table as lines.
fn rows(dataset: &Path, table: &str, columns: &[&str]) -> Vec<String> {
    let found = tables::read_file(&dataset.join(format!("stats/{table}.parquet")), columns);
    found.rows.iter().map(|row| row.join(" ")).collect()
}

/// All of a stored table, with its description but for the names of files.
fn stored(dataset: &Path, table: &str) -> (Vec<u8>, serde_json::Value) {
    let read = |end: &str| std::fs::read(dataset.join(format!("stats/{table}.{end}"))).expect("stored");
    let description: serde_json::Value = serde_json::from_slice(&read("json")).expect("JSON");
    (read("parquet"), description)
}

fn compress(program: &[&str], input: &Path, output: &Path) {
    let mut command = Command::new(program[0]);
    let file = std::fs::File::create(output).expect("a file");
    let status = command.args(&program[1..]).arg(input).stdout(file).status().expect("runs");
    assert!(status.success(), "{program:?}");
}

#[test]
fn every_form_of_a_source_gives_the_same() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let vcf = write(folder.path(), "s.vcf", SOURCE);
    let done = annotate(&dataset, &["--from", path_text(&vcf)]).expect(0);
    assert!(done.stderr.contains("7 rows read, 5 matched, 1 not, 1 on contigs"), "{}", done.stderr);
    assert!(done.stderr.contains("1 about an allele of an earlier row"), "{}", done.stderr);
    let columns = ["contig", "pos", "ref", "alt", "s_id", "s_qual", "s_filter", "s_af", "s_ad", "s_db", "s_sig"];
    let expected = [
        "chr1 100 A G null null [q10] 0.5 null null null",
        "chr1 200 CT C rs2 null null null [1,2] null null",
        "chr1 200 CTT C rs2 null null 0.001 [1,3] null null",
        "chr2 60 G C rsX 30.0 [] 0.2 [5,7] true [a,b]",
    ];
    assert_eq!(rows(&dataset, "annotations", &columns), expected);
    let (bytes, _) = stored(&dataset, "annotations");
    // out of order: the first row of an allele is then another
    let mut lines: Vec<&str> = SOURCE.lines().collect();
    let n = lines.len();
    lines.swap(n - 5, n - 7);
    let unsorted = write(folder.path(), "unsorted.vcf", lines.join("\n") + "\n");
    let mut sources = vec![unsorted.clone()];
    if tool("bgzip") && tool("bcftools") {
        let made = |name: &str| folder.path().join(name);
        compress(&["bgzip", "-c"], &vcf, &made("s.vcf.gz"));
        compress(&["gzip", "-c"], &vcf, &made("plain.gz"));
        compress(&["gzip", "-c"], &unsorted, &made("unsorted.gz"));
        compress(&["bcftools", "view", "-Ob"], &vcf, &made("s.bcf"));
        sources.extend(["s.vcf.gz", "plain.gz", "unsorted.gz", "s.bcf"].map(made));
    }
    for source in sources {
        annotate(&dataset, &["--replace", "--from", path_text(&source), "--name", "s"]).expect(0);
        assert!(stored(&dataset, "annotations").0 == bytes, "{} gives another table", source.display());
    }
    assert!(files_below(&dataset.join("stats")).iter().all(|path| !path.to_string_lossy().contains("annotate-")));
}

#[test]
fn a_table_of_text_has_types() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let table = "## a comment\n#CHROM\tPOS\tREF\tALT\tscore\tlabel\tbig\tflag\n\
        chr2\t60\tG\tC\t7\tq\t9\ttrue\nchr1\t100\tA\tG\t0.5\t007\t3000000000\tFALSE\n\
        chr1\t200\tCTT\tC\tNA\t008\t.\t\nchr1\t999\tC\tG\tx\ty\tz\tw\n";
    let tsv = write(folder.path(), "t.tsv", table);
    annotate(&dataset, &["--from", path_text(&tsv)]).expect(0);
    let columns = ["pos", "t_score", "t_label", "t_big", "t_flag"];
    let expected = ["100 0.5 007 3000000000 false", "200 null 008 null null", "60 7.0 q 9 true"];
    assert_eq!(rows(&dataset, "annotations", &columns), expected);
    // sorted, and packed
    let sorted = write(folder.path(), "sorted.tsv", {
        let mut lines: Vec<&str> = table.lines().collect();
        lines.swap(2, 3);
        lines[3..].rotate_left(1);
        lines.join("\n")
    });
    let csv = write(folder.path(), "t.csv", table.replace('\t', ",").replace(",q,", ",\"q\","));
    let mut sources = vec![sorted, csv];
    if tool("bgzip") {
        compress(&["bgzip", "-c"], &tsv, &folder.path().join("t.tsv.gz"));
        sources.push(folder.path().join("t.tsv.gz"));
    }
    let (bytes, _) = stored(&dataset, "annotations");
    for source in sources {
        annotate(&dataset, &["--replace", "--from", path_text(&source), "--name", "t"]).expect(0);
        assert!(stored(&dataset, "annotations").0 == bytes, "{} gives another table", source.display());
    }
    // declared, renamed, keyed by other names
    let odd = write(folder.path(), "odd.csv", "a1,a2,where,on,v,w\nA,G,100,chr1,1,\"x,\"\"y\"\"\"\n");
    let columns = "v:float as score,w";
    let key = "contig=on,pos=where,ref=a1,alt=a2";
    annotate(&dataset, &["--replace", "--from", path_text(&odd), "--key", key, "--columns", columns, "--name", ""])
        .expect(0);
    assert_eq!(rows(&dataset, "annotations", &["pos", "score", "w"]), ["100 1.0 x,\"y\""]);
}

#[test]
fn parquet_and_datasets_are_sources() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let other = folder.path().join("other.ds");
    call(&[write(folder.path(), "s.vcf", SOURCE)], &other, &[]);
    let columns = ["--columns", "info_af as af,info_ad as ad,filters", "--name", "o"];
    annotate(&dataset, &[&["--from", path_text(&other)], &columns[..]].concat()).expect(0);
    let found = rows(&dataset, "annotations", &["pos", "alt", "af", "ad", "o_filters"]);
    assert_eq!(found.len(), 4);
    assert_eq!(found[2], "200 C 0.001 [1,3] null");
    let (bytes, _) = stored(&dataset, "annotations");
    // the same rows in one file, and in the wrong order
    for (at, order) in ["variant_id", "alt"].iter().enumerate() {
        let file = folder.path().join(format!("{at}.parquet"));
        let sql = format!("SELECT * FROM variants ORDER BY {order}");
        varbatch(&["query", path_text(&other), &sql, "-o", path_text(&file)]).expect(0);
        annotate(&dataset, &[&["--replace", "--from", path_text(&file)], &columns[..]].concat()).expect(0);
        let again = rows(&dataset, "annotations", &["pos", "alt", "af", "ad", "o_filters"]);
        // chr2:60 G>C stands there twice: which comes first is another matter without the order of the table
        assert_eq!(again[..3], found[..3]);
        assert!(at > 0 || stored(&dataset, "annotations").0 == bytes);
    }
}

#[test]
fn spellings_of_an_allele_meet() {
    let folder = temp();
    let fasta = write(folder.path(), "ref.fa", format!(">chr1\n{}\n", "GGGCACACACTTAGCTAGCTACGATCGACTAGCATCG"));
    let header = "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n##INFO=<ID=X,Number=1,Type=Integer,Description=\"x\">\n\
        #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
    let vcf =
        write(folder.path(), "c.vcf", format!("{header}chr1\t3\t.\tGCA\tG\t.\t.\t.\nchr1\t20\t.\tT\tTA\t.\t.\t.\n"));
    let dataset = folder.path().join("ds");
    call(&[vcf], &dataset, &["-f", path_text(&fasta)]);
    let source = write(
        folder.path(),
        "s.vcf",
        format!("{header}chr1\t8\t.\tCAC\tC\t.\t.\tX=7\nchr1\t20\t.\tTAC\tTAAC\t.\t.\tX=8\n"),
    );
    let done = annotate(&dataset, &["--from", path_text(&source)]).expect(0);
    assert!(done.stderr.contains("give the reference with -f"), "{}", done.stderr);
    assert_eq!(rows(&dataset, "annotations", &["pos", "s_x"]), ["20 8"]);
    let done = annotate(&dataset, &["--from", path_text(&source), "-f", path_text(&fasta)]).expect(0);
    assert!(!done.stderr.contains("warning"), "{}", done.stderr);
    assert_eq!(rows(&dataset, "annotations", &["pos", "s_x"]), ["3 7", "20 8"]);
}

#[test]
fn contigs_are_reconciled_only_when_said() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let source = write(folder.path(), "s.vcf", SOURCE.replace("chr", ""));
    let done = annotate(&dataset, &["--from", path_text(&source)]).expect(65);
    assert!(done.stderr.contains("has 1, 2, 9, the dataset chr1, chr2"), "{}", done.stderr);
    assert!(done.stderr.contains("--contig-map auto"), "{}", done.stderr);
    assert!(!dataset.join("stats").join("annotations.json").exists());
    annotate(&dataset, &["--from", path_text(&source), "--contig-map", "auto"]).expect(0);
    let all = rows(&dataset, "annotations", &["contig", "pos", "s_af"]);
    assert_eq!(all.len(), 4);
    let map = write(folder.path(), "map.tsv", "1\tchr1\n9\tchr2\n");
    annotate(&dataset, &["--from", path_text(&source), "--contig-map", path_text(&map)]).expect(0);
    assert_eq!(rows(&dataset, "annotations", &["contig", "pos", "s_af"])[3], "chr2 60 0.9");
    // two names of one contig are no source in order
    let map = write(folder.path(), "map.tsv", "1\tchr1\n2\tchr2\n9\tchr2\n");
    let done = annotate(&dataset, &["--from", path_text(&source), "--contig-map", path_text(&map)]).expect(65);
    assert!(done.stderr.contains("mean the same contig"), "{}", done.stderr);
    let map = write(folder.path(), "map.tsv", "1\tchr7\n");
    let done = annotate(&dataset, &["--from", path_text(&source), "--contig-map", path_text(&map)]).expect(2);
    assert!(done.stderr.contains("map.tsv:1") && done.stderr.contains("no contig `chr7`"), "{}", done.stderr);
}

#[test]
fn rows_that_are_wrong_end_the_run_or_are_counted() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let cases = [
        ("a.vcf", SOURCE.replace("AF=0.5", "AF=x"), ":11 (chr1:100): INFO/AF has the value \"x\""),
        ("b.vcf", SOURCE.replace("chr1\t300", "chr1\tnone"), ":13: POS is \"none\""),
        (
            "c.tsv",
            "chrom\tpos\tref\talt\tv\nchr1\t100\tA\tG\t1\nchr1\t300\tC\tCA\n".into(),
            ":3 (chr1:300): the line has 4 fields",
        ),
        ("d.tsv", "chrom\tpos\tref\talt\tv\nchr1\t100\tA\tG\t1\nchr1\t300\t-\tA\t2\n".into(), ":3: REF is \"-\""),
        ("e.bed", "chr1\t50\t150\tx\nchr1\t50\t20\ty\n".into(), ":2: the interval ends at 20"),
    ];
    for (name, content, expected) in cases {
        let source = write(folder.path(), name, content);
        let done = annotate(&dataset, &["--replace", "--from", path_text(&source)]).expect(65);
        assert!(done.stderr.contains(&format!("{name}{expected}")), "{}", done.stderr);
        assert!(done.stderr.contains("--on-bad-record skip"), "{}", done.stderr);
        let done =
            annotate(&dataset, &["--replace", "--from", path_text(&source), "--on-bad-record", "skip"]).expect(0);
        assert!(done.stderr.contains(", 1 set aside"), "{}", done.stderr);
        assert!(done.stderr.contains(&format!("set aside: {}{expected}", path_text(&source))), "{}", done.stderr);
        let (_, description) = stored(&dataset, "annotations");
        assert_eq!(description["summary"]["sources"][0]["rows_rejected"], 1);
        assert!(!rows(&dataset, "annotations", &[]).is_empty());
    }
    for (content, expected) in [("hello\nworld\n", "no column is the contig"), ("", "the file is empty")] {
        let source = write(folder.path(), "x.txt", content);
        let done = annotate(&dataset, &["--from", path_text(&source)]).expect(65);
        assert!(done.stderr.contains(expected), "{}", done.stderr);
    }
}

#[test]
fn intervals() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let capture = write(folder.path(), "capture.bed", "track name=x\nchr1\t99\t150\nchr2\t0\t49\n");
    let named = write(
        folder.path(),
        "n.bed",
        "chr1\t90\t105\tG1\t5\nchr1\t99\t100\tG2\t6\nchr1\t95\t101\tG1\t7\nchr1\t201\t500\tG3\t1.5\n",
    );
    let gff =
        "##gff-version 3\nchr1\tx\tgene\t50\t250\t.\t+\t.\tID=g1;Name=N%3B1\nchr1\tx\texon\t95\t205\t.\t+\t.\tID=e1\n";
    let gff = write(folder.path(), "g.gff3", gff);
    let from = ["--from", path_text(&capture), "--from", path_text(&named), "--from", path_text(&gff)];
    annotate(&dataset, &from).expect(0);
    let columns = ["pos", "ref", "alt", "capture", "n_name", "g_type", "g_name"];
    let expected = [
        "100 A G true [G1,G2] [gene,exon] [N;1]",
        // the deletion touches what is behind its first base
        "200 CT C null null [gene,exon] [N;1]",
        "200 CTT C null [G3] [gene,exon] [N;1]",
        "300 C CA null [G3] null null",
    ];
    assert_eq!(rows(&dataset, "annotations", &columns), expected);
    let columns = ["--columns", "name:text as genes,score:float", "--name", "n", "--replace"];
    annotate(&dataset, &[&["--from", path_text(&named)], &columns[..]].concat()).expect(0);
    assert_eq!(rows(&dataset, "annotations", &["pos", "genes", "n_score"])[0], "100 G1,G2 [5.0,6.0,7.0]");
    annotate(&dataset, &["--from", path_text(&gff), "--feature", "exon", "--columns", "ID", "--replace"]).expect(0);
    assert_eq!(rows(&dataset, "annotations", &["pos", "g_id"]), ["100 [e1]", "200 [e1]", "200 [e1]"]);
}

#[test]
fn consequences_of_the_dataset_and_of_a_source() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let done = annotate(&dataset, &["--consequences"]).expect(0);
    assert!(done.stderr.contains("entries about no allele of their record"), "{}", done.stderr);
    let columns = ["pos", "ref", "gene", "gene_id", "feature", "consequence", "impact", "allele", "distance"];
    let expected = [
        "100 A GA E1 T1 missense_variant MODERATE G null",
        "100 A GB E2 T2 intron_variant&splice_donor_variant HIGH G null",
        "200 CT GA E1 T1 frameshift_variant HIGH T null",
        "200 CTT GA E1 T1 inframe_deletion MODERATE - null",
        "300 C \"G'C E3 T3 upstream_gene_variant MODIFIER A 150",
        "60 G GD E4 T4 synonymous_variant LOW CA null",
    ];
    assert_eq!(rows(&dataset, "consequences", &columns), expected);
    let summary = ["pos", "ref", "gene", "most_severe", "impact"];
    let expected = [
        "100 A GB splice_donor_variant HIGH",
        "200 CT GA frameshift_variant HIGH",
        "200 CTT GA inframe_deletion MODERATE",
        "300 C \"G'C upstream_gene_variant MODIFIER",
        "60 G GD synonymous_variant LOW",
    ];
    assert_eq!(rows(&dataset, "annotations", &summary), expected);
    // of a source, onto a dataset that has none
    let bare = folder.path().join("bare.ds");
    let without = COHORT.lines().map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields.len() < 9 || line.starts_with('#') { line.to_owned() } else { line.replace(fields[7], ".") }
    });
    let without = without.filter(|line| !line.starts_with("##INFO")).collect::<Vec<_>>().join("\n") + "\n";
    call(&[write(folder.path(), "bare.vcf", without)], &bare, &[]);
    let done = annotate(&bare, &["--consequences"]).expect(2);
    assert!(done.stderr.contains("neither the dataset nor a source has INFO/"), "{}", done.stderr);
    let source = folder.path().join("cohort.vcf");
    annotate(&bare, &["--consequences", "--from", path_text(&source), "--columns", "none"]).expect(0);
    for table in ["consequences", "annotations"] {
        assert_eq!(rows(&bare, table, &[]), rows(&dataset, table, &[]));
    }
    annotate(&bare, &["--consequences=CSQ", "--from", path_text(&source), "--replace"]).expect(0);
    assert_eq!(rows(&bare, "annotations", &summary), rows(&dataset, "annotations", &summary));
}

#[test]
fn running_again_adds_columns_and_replaces_those_of_the_same_name() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let vcf = write(folder.path(), "s.vcf", SOURCE);
    let bed = write(folder.path(), "x.bed", "chr2\t0\t55\n");
    annotate(&dataset, &["--consequences"]).expect(0);
    annotate(&dataset, &["--from", path_text(&vcf), "--columns", "AF,ID"]).expect(0);
    annotate(&dataset, &["--from", path_text(&bed)]).expect(0);
    annotate(&dataset, &["--from", path_text(&vcf), "--columns", "AF as freq"]).expect(0);
    let table = tables::read_file(&dataset.join("stats/annotations.parquet"), &[]);
    let columns = ["variant_id", "contig", "pos", "ref", "alt", "gene", "most_severe", "impact", "x", "freq"];
    assert_eq!(table.columns, columns);
    assert_eq!(table.rows.len(), 6);
    let found = rows(&dataset, "annotations", &["pos", "alt", "most_severe", "x", "freq"]);
    assert_eq!(found[4..], ["50 T null true null", "60 C synonymous_variant null 0.2"]);
    let (_, description) = stored(&dataset, "annotations");
    let names: Vec<&str> = description["summary"]["sources"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|source| source["name"].as_str())
        .collect();
    assert_eq!(names, ["consequences", "x", "s"]);
    // rows that only a source had that is gone are gone with it
    annotate(
        &dataset,
        &["--from", path_text(&bed), "--contig-map", path_text(&write(folder.path(), "m", "chr2\tchr1\n"))],
    )
    .expect(0);
    assert_eq!(tables::read_file(&dataset.join("stats/annotations.parquet"), &[]).rows.len(), 5);
    annotate(&dataset, &["--from", path_text(&bed)]).expect(0);
    // query knows the tables and the view
    let found = query(&dataset, "SELECT pos, ref, most_severe, freq FROM variants_annotated ORDER BY variant_id");
    assert_eq!(found.len(), 6);
    assert_eq!(found[0].join(" "), "100 A splice_donor_variant 0.5");
    let found = query(&dataset, "SELECT COUNT(*) FROM consequences WHERE impact = 'HIGH'");
    assert_eq!(found[0], ["2"]);
    // a name that is taken
    let done = annotate(&dataset, &["--from", path_text(&vcf), "--columns", "AF as freq", "--name", "other"]).expect(2);
    assert!(done.stderr.contains("two columns `freq` (one is of `s`)"), "{}", done.stderr);
    let done = annotate(&dataset, &["--from", path_text(&vcf), "--columns", "AF as pos"]).expect(2);
    assert!(done.stderr.contains("two columns `pos`"), "{}", done.stderr);
    let done = annotate(&dataset, &["--from", path_text(&vcf), "--columns", "NOPE"]).expect(2);
    assert!(done.stderr.contains("does not define INFO/NOPE"), "{}", done.stderr);
    let done = annotate(
        &dataset,
        &["--from", path_text(&vcf), "--from", path_text(&bed), "--name", "a", "--name", "b", "--name", "c"],
    );
    assert!(done.expect(2).stderr.contains("--name is given 3 times, and --from 2 times"));
}

#[test]
fn files_of_one_name_are_parts_of_one_source() {
    let folder = temp();
    let dataset = cohort(folder.path());
    let of = |contig: &str| {
        let lines = SOURCE.lines().filter(|line| line.starts_with('#') || line.starts_with(contig));
        lines.collect::<Vec<_>>().join("\n") + "\n"
    };
    let whole = write(folder.path(), "g.vcf", SOURCE);
    let [first, second] = ["chr1", "chr2"].map(|contig| write(folder.path(), &format!("g.{contig}.vcf"), of(contig)));
    annotate(&dataset, &["--from", path_text(&whole)]).expect(0);
    let (bytes, _) = stored(&dataset, "annotations");
    annotate(&dataset, &["--from", path_text(&second), "--from", path_text(&first)]).expect(0);
    assert!(stored(&dataset, "annotations").0 == bytes);
    let done = annotate(&dataset, &["--from", path_text(&whole), "--from", path_text(&first)]).expect(65);
    assert!(done.stderr.contains("rows of the same contig"), "{}", done.stderr);
}

#[test]
fn hostile_names_stay_inside() {
    let folder = temp();
    let contig = "a\"b'c`d$../x";
    let vcf = COHORT.replace("chr1", contig).replace("CSQ", "x\"y;'z");
    let dataset = folder.path().join("ds");
    call(&[write(folder.path(), "c.vcf", vcf)], &dataset, &["--on-bad-record", "skip"]);
    let table = format!("chrom\tpos\tref\talt\t../../etc\t\"; DROP\t1st\n{contig}\t100\tA\tG\t</script>\t'\t5\n");
    let source = write(folder.path(), "we ird;name.tsv", table);
    annotate(&dataset, &["--from", path_text(&source)]).expect(0);
    let table = tables::read_file(&dataset.join("stats/annotations.parquet"), &[]);
    assert_eq!(table.columns[5..], ["we_ird_name_etc", "we_ird_name_drop", "we_ird_name_1st"]);
    assert_eq!(table.rows[0][1..], [contig, "100", "A", "G", "</script>", "'", "5"].map(String::from));
    let done = annotate(&dataset, &["--from", path_text(&source), "--name", "../x"]).expect(2);
    assert!(done.stderr.contains("--name is `../x`"), "{}", done.stderr);
    assert_eq!(query(&dataset, "SELECT we_ird_name_1st FROM variants_annotated WHERE we_ird_name_1st = 5").len(), 1);
}

/// A source of several pieces and a dataset of several files: the same bytes for any number of threads, with an index and without.
#[test]
fn threads_and_indexes_do_not_show() {
    let folder = temp();
    let sim = folder.path().join("sim");
    let args = ["simulate", "-o", path_text(&sim), "--samples", "40", "--length", "300000", "--seed", "5"];
    varbatch(&args).expect(0);
    let dataset = folder.path().join("ds");
    let vcf = sim.join("cohort.vcf.gz");
    call(&[&vcf], &dataset, &["--shard-size", "32K"]);
    // the alleles as a table of 40 MB: three pieces
    let alleles = query(&dataset, "SELECT contig, pos, ref, alt, ac FROM variants ORDER BY variant_id");
    let mut table = String::from("contig\tpos\tref\talt\tac\tx\n");
    let filler = "x".repeat(36_000_000 / alleles.len());
    for (at, row) in alleles.iter().enumerate() {
        table.push_str(&format!("{}\t{}{at}\n", row.join("\t"), filler));
    }
    let table = write(folder.path(), "t.tsv", table);
    let bed: String = alleles
        .iter()
        .step_by(7)
        .map(|row| {
            let pos: i64 = row[1].parse().expect("a number");
            format!("{}\t{}\t{}\tn{}\n", row[0], pos - 1, pos + 500, pos % 10)
        })
        .collect();
    let bed = write(folder.path(), "b.bed", bed);
    let from = [
        "--from",
        path_text(&vcf),
        "--from",
        path_text(&table),
        "--from",
        path_text(&bed),
        "--name",
        "v",
        "--name",
        "t",
        "--name",
        "b",
    ];
    annotate(&dataset, &[&from[..], &["-@", "1"]].concat()).expect(0);
    let (bytes, description) = stored(&dataset, "annotations");
    assert_eq!(description["n_rows"], alleles.len());
    assert_eq!(description["summary"]["sources"][1]["rows_matched"], alleles.len());
    annotate(&dataset, &[&from[..], &["-@", "3"]].concat()).expect(0);
    let again = stored(&dataset, "annotations");
    assert!(again.0 == bytes && again.1 == description, "threads change the result");
    let found = rows(&dataset, "annotations", &["t_ac"]);
    assert!(found.iter().zip(&alleles).all(|(found, row)| *found == row[4]));
    // pieces of BGZF: text that does not shrink
    if tool("bgzip") {
        let mut state = 11u64;
        let mut letters = |n: usize| -> String {
            let mut next = || {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                char::from(b'!' + (state >> 57) as u8 % 90)
            };
            (0..n).map(|_| next()).collect()
        };
        let mut table = String::from("contig\tpos\tref\talt\tac\tx\n");
        for row in &alleles {
            table.push_str(&format!("{}\t{}\n", row.join("\t"), letters(12_000_000 / alleles.len())));
        }
        let (plain, packed) = (write(folder.path(), "r.tsv", table), folder.path().join("r.tsv.gz"));
        compress(&["bgzip", "-c"], &plain, &packed);
        assert!(std::fs::metadata(&packed).expect("a file").len() > 9 << 20);
        annotate(&dataset, &["--replace", "--from", path_text(&plain)]).expect(0);
        let (bytes, _) = stored(&dataset, "annotations");
        for threads in ["1", "3"] {
            annotate(&dataset, &["--replace", "--from", path_text(&packed), "-@", threads]).expect(0);
            assert!(stored(&dataset, "annotations").0 == bytes, "BGZF gives another table");
        }
        let (_, description) = stored(&dataset, "annotations");
        assert_eq!(description["summary"]["sources"][0]["rows_matched"], alleles.len());
    }
    // an index leads past the records that are not near an allele
    if tool("tabix") {
        let part = folder.path().join("part.ds");
        call(&[&vcf], &part, &["-r", "chr1:1000-2000"]);
        let of_all = annotate(&part, &["--from", path_text(&vcf), "--name", "v"]).expect(0);
        let (bytes, _) = stored(&part, "annotations");
        finish(Command::new("tabix").arg("-f").arg(&vcf)).expect(0);
        let of_index = annotate(&part, &["--from", path_text(&vcf), "--name", "v"]).expect(0);
        assert!(
            of_index.stderr.contains("by the index") && !of_all.stderr.contains("by the index"),
            "{}",
            of_index.stderr
        );
        assert!(stored(&part, "annotations").0 == bytes, "an index changes the result");
    }
}

/// Lines of `bcftools query` by their first four fields.
fn by_allele(output: &str) -> BTreeMap<(String, i64, String, String), Vec<String>> {
    let line = |line: &str| {
        let fields: Vec<String> = line.split('\t').map(String::from).collect();
        let key = (fields[0].clone(), fields[1].parse().expect("POS"), fields[2].clone(), fields[3].clone());
        (key, fields[4..].to_vec())
    };
    output.lines().map(line).collect()
}

#[track_caller]
fn shell(script: &str) -> String {
    let done = finish(Command::new("bash").args(["-o", "pipefail", "-c", script]));
    assert_eq!(done.code, 0, "{script}\n{}", done.stderr);
    done.stdout
}

/// 1000 Genomes, sites only: INFO of the original onto its sites without INFO.
#[test]
fn values_are_those_of_bcftools_annotate() {
    if !(tool("bcftools") && tool("bgzip") && tool("tabix")) {
        return;
    }
    let Some(source) = data("cohort/1kg-chr22-2504/all2504.bgzf.vcf.gz") else { return };
    let folder = temp();
    let dir = path_text(folder.path());
    let source = path_text(&source);
    // a third of the sites, split; of repeated alleles bcftools takes another than the first
    shell(&format!(
        "cd {dir} && bcftools view -G {source} 2>/dev/null | bcftools norm -m- 2>/dev/null | bcftools norm -d none -Oz -o source.vcf.gz 2>/dev/null \
         && tabix source.vcf.gz && bcftools view -H source.vcf.gz | awk 'NR % 3 == 0' > body \
         && (bcftools view -h source.vcf.gz; cat body) | bcftools annotate -x INFO -Ov -o bare.vcf"
    ));
    let fields = "INFO/AC,INFO/AF,INFO/AFR_AF,INFO/AA,INFO/NS";
    let output = shell(&format!(
        "cd {dir} && bgzip -kf bare.vcf && tabix -f bare.vcf.gz && bcftools annotate -a source.vcf.gz -c {fields} bare.vcf.gz \
         | bcftools query -f '%CHROM\\t%POS\\t%REF\\t%ALT\\t%INFO/AC\\t%INFO/AF\\t%INFO/AFR_AF\\t%INFO/AA\\t%INFO/NS\\n'"
    ));
    let expected = by_allele(&output);
    let dataset = folder.path().join("ds");
    call(&[folder.path().join("bare.vcf")], &dataset, &[]);
    // the source with its sites as they are: several alleles in a record
    annotate(&dataset, &["--from", source, "--columns", "AC,AF,AFR_AF,AA,NS", "--name", "k"]).expect(0);
    let sql = "SELECT v.contig, v.site_id, COALESCE(v.site_ref, v.ref) AS r, COALESCE(v.site_alt, v.alt) AS a, \
        v.k_ac, v.k_af, v.k_afr_af, v.k_aa, v.k_ns FROM variants_annotated v ORDER BY v.variant_id";
    let found = query(&dataset, sql);
    assert_eq!(found.len(), expected.len());
    let mut n_compared = 0;
    // of symbolic alleles bcftools finds those only whose records have the same END
    for row in found.iter().filter(|row| !row[3].starts_with('<')) {
        let pos = row[1].parse::<i64>().expect("a number") >> 16 & 0xffff_ffff;
        let theirs = &expected[&(row[0].clone(), pos, row[2].clone(), row[3].clone())];
        for (ours, theirs) in row[4..].iter().zip(theirs) {
            let same = match (ours.parse::<f64>(), theirs.parse::<f64>()) {
                (Ok(ours), Ok(theirs)) => (ours - theirs).abs() <= 1e-6 * theirs.abs(),
                _ => *ours == *theirs || (ours.is_empty() && theirs == "."),
            };
            assert!(same, "{row:?} {theirs}");
            n_compared += 1;
        }
    }
    assert!(n_compared > 10_000, "{n_compared}");
}

/// GIAB's confident regions with names onto its calls.
#[test]
fn intervals_are_those_of_bcftools_annotate() {
    if !(tool("bcftools") && tool("bgzip") && tool("tabix")) {
        return;
    }
    let Some(bed) = data("reads/trio-chr20-10kb/test_giab.b37_chr20_100kbp_at_10mb.bed") else { return };
    let Some(folder_of_truth) = data("truth") else { return };
    let truth = files_below(&folder_of_truth).into_iter().find(|path| path.extension().is_some_and(|end| end == "gz"));
    let truth = folder_of_truth.join(truth.expect("the calls"));
    let folder = temp();
    let dir = path_text(folder.path());
    shell(&format!(
        "cd {dir} && awk 'BEGIN{{OFS=\"\\t\"}} {{print $1, $2, $3, \"r\" NR; print $1, $2 + 50, $3 + 50, \"s\" int(NR / 3)}}' {} | sort -k1,1 -k2,2n > b.bed \
         && bgzip -kf b.bed && tabix -f -p bed b.bed.gz && bcftools norm -m- {} -r 20:9900000-10200000 2>/dev/null \
         | bcftools annotate -x INFO,FORMAT -Ov -o calls.vcf",
        path_text(&bed),
        path_text(&truth)
    ));
    let output = shell(&format!(
        "cd {dir} && echo '##INFO=<ID=R,Number=.,Type=String,Description=\"x\">' > h && bcftools annotate -a b.bed.gz -h h -c CHROM,FROM,TO,R -l R:unique \
         calls.vcf | bcftools query -f '%CHROM\\t%POS\\t%REF\\t%ALT\\t%INFO/R\\n'"
    ));
    let expected = by_allele(&output);
    let dataset = folder.path().join("ds");
    call(&[folder.path().join("calls.vcf")], &dataset, &[]);
    annotate(&dataset, &["--from", path_text(&folder.path().join("b.bed.gz"))]).expect(0);
    // alleles that were trimmed at their end have fewer bases than their record
    let sql = "SELECT contig, pos, ref, alt, b_name FROM variants_annotated WHERE site_ref IS NULL";
    let (mut n_with, found) = (0, query(&dataset, sql));
    for row in &found {
        let theirs = &expected[&(row[0].clone(), row[1].parse().expect("POS"), row[2].clone(), row[3].clone())][0];
        let sorted = |text: &str| {
            let mut names: Vec<&str> = text.split(',').filter(|name| *name != "." && !name.is_empty()).collect();
            names.sort_unstable();
            names.join(",")
        };
        assert_eq!(sorted(&row[4]), sorted(theirs), "{row:?}");
        n_with += usize::from(theirs != ".");
    }
    assert!(n_with > 50 && n_with < found.len(), "{n_with} of {}", found.len());
}

const GENE: &str = "##gff-version 3
1\te\tgene\t101\t1000\t.\t+\t.\tID=gene:G1;biotype=protein_coding;Name=GENE1
1\te\ttranscript\t101\t1000\t.\t+\t.\tID=transcript:T1;Parent=gene:G1;biotype=protein_coding
1\te\ttranscript\t101\t900\t.\t+\t.\tID=transcript:T2;Parent=gene:G1;biotype=protein_coding
1\te\texon\t101\t400\t.\t+\t.\tParent=transcript:T1
1\te\tCDS\t131\t400\t.\t+\t0\tParent=transcript:T1
1\te\texon\t601\t1000\t.\t+\t.\tParent=transcript:T1
1\te\tCDS\t601\t900\t.\t+\t0\tParent=transcript:T1
1\te\texon\t101\t350\t.\t+\t.\tParent=transcript:T2
1\te\tCDS\t131\t349\t.\t+\t0\tParent=transcript:T2
";

/// Entries of `bcftools csq` are taken apart as `bcftools +split-vep` does, and of a record with several ALT given to their allele.
#[test]
fn consequences_are_those_of_split_vep() {
    let plugins = Command::new("bcftools").args(["plugin", "-l"]).output();
    let has_plugin = plugins.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("split-vep"));
    if !has_plugin {
        skip("bcftools +split-vep is not installed");
        return;
    }
    let folder = temp();
    let dir = path_text(folder.path());
    let mut state = 7u64;
    let mut random = |n: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % n
    };
    let bases: Vec<char> = (0..1500).map(|_| ['A', 'C', 'G', 'T'][random(4) as usize]).collect();
    write(folder.path(), "ref.fa", format!(">1\n{}\n", bases.iter().collect::<String>()));
    write(folder.path(), "genes.gff3", GENE);
    let mut vcf = String::from(
        "##fileformat=VCFv4.2\n##contig=<ID=1,length=1500>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\n",
    );
    let mut pos = 90;
    while pos < 1050 {
        let of = |at: usize| bases[at - 1];
        let other = |base: char| if base == 'A' { 'G' } else { 'A' };
        let (reference, alt) = match random(5) {
            0 => (of(pos).to_string(), format!("{}GT", of(pos))),
            1 => (format!("{}{}{}", of(pos), of(pos + 1), of(pos + 2)), of(pos).to_string()),
            2 => (of(pos).to_string(), format!("{},{}C", other(of(pos)), of(pos))),
            _ => (of(pos).to_string(), other(of(pos)).to_string()),
        };
        let gt = if alt.contains(',') { "1/2" } else { "0/1" };
        vcf.push_str(&format!("1\t{pos}\t.\t{reference}\t{alt}\t.\t.\t.\tGT\t{gt}\n"));
        pos += 4 + random(9) as usize;
    }
    write(folder.path(), "in.vcf", vcf);
    // one by one, alleles split: what each entry says is beyond doubt
    let output = shell(&format!(
        "cd {dir} && samtools faidx ref.fa 2>/dev/null; bcftools norm -m- in.vcf 2>/dev/null \
         | bcftools csq -l -p a -f ref.fa -g genes.gff3 -Ov -o one.vcf 2>/dev/null \
         && bcftools csq -l -p a -f ref.fa -g genes.gff3 -Ov -o sites.vcf in.vcf 2>/dev/null \
         && bcftools +split-vep one.vcf -a BCSQ -d -f '%POS\\t%REF\\t%ALT\\t%gene\\t%transcript\\t%Consequence\\t%biotype\\t%amino_acid_change\\n'"
    ));
    let dataset = folder.path().join("ds");
    call(&[folder.path().join("one.vcf")], &dataset, &[]);
    annotate(&dataset, &["--consequences"]).expect(0);
    let sql = "SELECT v.site_id, COALESCE(v.site_ref, v.ref) AS r, COALESCE(v.site_alt, v.alt) AS a, c.gene, c.feature, \
        c.bcsq_consequence, c.biotype, c.amino_acid_change FROM consequences c JOIN variants v ON c.variant_id = v.variant_id";
    let ours = |dataset: &Path| {
        let line = |row: &Vec<String>| {
            let pos = row[0].parse::<i64>().expect("a number") >> 16 & 0xffff_ffff;
            let fields = row[1..].iter().map(|field| if field.is_empty() { "." } else { field });
            let fields: Vec<&str> = fields.collect();
            format!("{pos}\t{}", fields.join("\t"))
        };
        let mut lines: Vec<String> = query(dataset, sql).iter().map(line).collect();
        lines.sort();
        lines
    };
    let mut theirs: Vec<String> =
        output.lines().map(String::from).filter(|line| line.split('\t').nth(5) != Some(".")).collect();
    theirs.sort();
    let found = ours(&dataset);
    assert!(found.len() > 50, "{}", found.len());
    assert_eq!(found, theirs);
    // the sites as they are give each allele its own
    let sites = folder.path().join("sites.ds");
    call(&[folder.path().join("sites.vcf")], &sites, &[]);
    annotate(&sites, &["--consequences"]).expect(0);
    let key = ["pos", "ref", "alt", "feature", "consequence", "amino_acid_change", "dna_change"];
    let with_change = |dataset: &Path| -> Vec<String> {
        rows(dataset, "consequences", &key).into_iter().filter(|row| !row.ends_with("null")).collect()
    };
    let mut found = [with_change(&dataset), with_change(&sites)];
    found.iter_mut().for_each(|rows| rows.sort());
    assert_eq!(found[0], found[1]);
    let terms = query(&dataset, "SELECT DISTINCT consequence, impact FROM consequences");
    assert!(terms.iter().any(|row| row.join(" ") == "missense_variant MODERATE"), "{terms:?}");
}

/// SnpEff's entries name the ALT as it is written.
#[test]
fn entries_of_snpeff() {
    let Some(vcf) = data("edge/scikit-allel/ann.vcf") else { return };
    let folder = temp();
    let dataset = folder.path().join("ds");
    // the file has one AC where there are two ALT
    let fixed = std::fs::read_to_string(vcf).expect("text").replace("AC=1;", "AC=1,1;");
    call(&[write(folder.path(), "ann.vcf", fixed)], &dataset, &[]);
    annotate(&dataset, &["--consequences"]).expect(0);
    let columns =
        ["pos", "alt", "gene", "feature", "consequence", "impact", "hgvs_p", "cdna_pos_cdna_length", "distance"];
    let expected = [
        "103 T AGAP004677 AGAP004677 intergenic_region MODIFIER null null 3000",
        "13513722 G AGAP005273 AGAP005273-RA synonymous_variant LOW p.Asp6Asp 12/4768 null",
        "13513722 T AGAP005273 AGAP005273-RA missense_variant MODERATE p.Asp6Val 17/4788 null",
    ];
    assert_eq!(rows(&dataset, "consequences", &columns), expected);
}

#[test]
fn duckdb_and_polars_read_the_tables() {
    let python = std::env::var("VARBATCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python).args(["-c", "import duckdb, polars"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        skip("Python with duckdb and polars is not installed (set VARBATCH_PYTHON)");
        return;
    }
    let folder = temp();
    let dataset = cohort(folder.path());
    let vcf = write(folder.path(), "s.vcf", SOURCE);
    annotate(&dataset, &["--consequences", "--from", path_text(&vcf)]).expect(0);
    let script = format!(
        "import duckdb, polars\nfor name in ['annotations', 'consequences']:\n    path = '{}/stats/' + name + '.parquet'\n    \
         a = duckdb.sql(f\"SELECT * FROM '{{path}}'\").fetchall()\n    b = [tuple(row) for row in polars.read_parquet(path).rows()]\n    \
         assert a == b, (a, b)\n    print(name, len(a), len(a[0]))",
        path_text(&dataset)
    );
    let done = finish(Command::new(&python).args(["-c", &script])).expect(0);
    assert_eq!(done.stdout.lines().collect::<Vec<_>>(), ["annotations 5 15", "consequences 6 12"]);
}
