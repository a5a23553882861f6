//! `report`: the page is whole, says what the tables say, and cannot be broken by what is in them.

use super::common::*;
use serde_json::Value;
use std::path::{Path, PathBuf};
use varbatch::dataset::Dataset;

const SMALL: &str = "\
##fileformat=VCFv4.3
##contig=<ID=1,length=1000>
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tHOSTILE\tb
1\t10\t.\tA\tC\t50\tPASS\t.\tGT\t0/0\t0/1
1\t20\t.\tA\tG\t.\tlow\t.\tGT\t0/1\t./.
1\t30\t.\tAT\tA\t9\t.\t.\tGT\t1/1\t0/0
";
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>&\"'";

fn small(folder: &Path) -> PathBuf {
    let vcf = write(folder, "small.vcf", SMALL.replace("HOSTILE", HOSTILE));
    let out = folder.join("ds");
    call(&[vcf], &out, &[]);
    out
}

fn report(dataset: &Path, extra: &[&str]) -> String {
    let path = dataset.with_extension("html");
    let mut args = vec!["report", dataset.to_str().expect("UTF-8"), "-o", path.to_str().expect("UTF-8")];
    args.extend(extra);
    varbatch(&args).expect(0);
    std::fs::read_to_string(path).expect("a page")
}

fn data_of(html: &str) -> Value {
    let (_, rest) = html.split_once("type=\"application/json\">").expect("data");
    serde_json::from_str(rest.split_once("</script>").expect("an end").0).expect("JSON")
}

/// A column of the samples, which few samples have as plain integers.
fn column(data: &Value, name: &str) -> Vec<i64> {
    let values = &data["samples"]["columns"][name]["values"];
    values.as_array().expect("plain").iter().map(|value| value.as_i64().expect("an integer")).collect()
}

fn asked(dataset: &Path, sql: &str) -> Vec<i64> {
    query(dataset, sql).into_iter().map(|row| row[0].parse().expect("an integer")).collect()
}

#[test]
fn the_page_says_what_the_tables_say() {
    let folder = temp();
    let sim = folder.path().join("sim");
    let sim_text = sim.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", sim_text, "--samples", "60", "--length", "150000", "--format-fields", "full"])
        .expect(0);
    let out = folder.path().join("ds");
    call(&[sim.join("cohort.vcf.gz")], &out, &[]);
    let html = report(&out, &[]);
    let data = data_of(&html);
    for name in ["n_missing", "n_het", "n_hom_alt", "n_snv", "n_singleton", "ti"] {
        assert_eq!(column(&data, name), asked(&out, &format!("SELECT {name} FROM samples")), "{name}");
    }
    assert_eq!(column(&data, "n_indel"), asked(&out, "SELECT n_ins + n_del FROM samples"));
    let variants = &data["variants"];
    let number = |sql: &str| asked(&out, sql)[0];
    let sum = |value: &Value| value.as_array().expect("bins").iter().filter_map(Value::as_i64).sum::<i64>();
    assert_eq!(variants["n"], number("SELECT COUNT(*) FROM variants"));
    assert_eq!(variants["kinds"]["snv"], number("SELECT COUNT(*) FROM variants WHERE type = 'snv'"));
    assert_eq!(variants["ac"][1][1], number("SELECT COUNT(*) FROM variants WHERE ac = 1"));
    assert_eq!(sum(&variants["af_snv"]), number("SELECT COUNT(*) FROM variants WHERE af > 0 AND type = 'snv'"));
    assert_eq!(sum(&variants["missing"]), number("SELECT COUNT(*) FROM variants"));
    assert_eq!(sum(&variants["qual"]), number("SELECT COUNT(*) FROM variants WHERE qual IS NOT NULL"));
    assert_eq!(sum(&variants["indels"]), number("SELECT COUNT(*) FROM variants WHERE type IN ('ins', 'del')"));
    let common = "n_alts = 1 AND af >= 0.01 AND af <= 0.99 AND hwe_p IS NOT NULL";
    assert_eq!(variants["hwe"]["n"], number(&format!("SELECT COUNT(*) FROM variants WHERE {common}")));
    assert_eq!(sum(&variants["track"]["contigs"][0]["n"]), number("SELECT COUNT(*) FROM variants"));
    assert_eq!(sum(&variants["track"]["contigs"][0]["missing"]), number("SELECT SUM(n_missing) FROM variants"));
    assert_eq!(data["accounting"]["records_read"], manifest(&out)["accounting"]["records_read"]);
    assert_eq!(report(&out, &[]), html, "the same bytes again");
}

#[test]
fn nothing_is_loaded_and_nothing_gets_out() {
    let folder = temp();
    let out = small(folder.path());
    let html = report(&out, &["--title", HOSTILE]);
    assert!(!html.contains("<img"), "markup of a name is text");
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("</script").count(), 2);
    let without_namespace = html.replace("http://www.w3.org/2000/svg", "");
    assert!(!without_namespace.contains("http:") && !without_namespace.contains("https:"), "no address is named");
    for word in ["src=\"", "@import", "url(", "fetch(", "XMLHttpRequest", "innerHTML", "eval("] {
        let code = html.replace(&data_text(&html), "");
        assert!(!code.contains(word), "{word}");
    }
    assert!(html.contains("default-src 'none'"));
    let data = data_of(&html);
    assert_eq!(data["samples"]["names"][0], format!("0{HOSTILE}"));
    assert_eq!(data["title"], HOSTILE);
}

fn data_text(html: &str) -> String {
    let (_, rest) = html.split_once("type=\"application/json\">").expect("data");
    rest.split_once("</script>").expect("an end").0.to_owned()
}

#[test]
fn stored_results_are_shown_while_they_are_of_this_dataset() {
    use polars::prelude::{Column, DataFrame};
    let folder = temp();
    let out = small(folder.path());
    let dataset = Dataset::open(&out).expect("opens");
    let results = varbatch::stats::results::Results::new(&dataset, "kinship", Value::Null);
    let columns = vec![
        Column::new("sample_1".into(), [HOSTILE]),
        Column::new("sample_2".into(), ["b"]),
        Column::new("kinship".into(), [0.49]),
        Column::new("ibs0".into(), [0.0]),
    ];
    let frame = DataFrame::new(1, columns).expect("a frame");
    results.store("kinship", frame, Value::Null).expect("stored");
    let data = data_of(&report(&out, &[]));
    assert_eq!(data["results"]["kinship"]["n_by_degree"], serde_json::json!([1, 0, 0, 0, 0]));
    assert_eq!(data["results"]["kinship"]["pairs"][0], serde_json::json!([HOSTILE, "b"]));
    assert_eq!(data["results"]["pca"], Value::Null);
    let check = data["checks"].as_array().expect("checks").iter().find(|one| one["name"] == "Duplicated samples");
    assert_eq!(check.expect("a check")["status"], "warn");
    // of another plan: not shown
    let json = out.join("stats/kinship.json");
    let stale =
        std::fs::read_to_string(&json).expect("a description").replace("\"plan_digest\": \"", "\"plan_digest\": \"0");
    std::fs::write(&json, stale).expect("written");
    assert_eq!(data_of(&report(&out, &[]))["results"]["kinship"], Value::Null);
}

#[test]
fn groups_label_the_samples_and_mistakes_are_told() {
    let folder = temp();
    let out = small(folder.path());
    let groups = write(folder.path(), "groups.tsv", "# sample\tpopulation\nb\tEUR\n");
    let data = data_of(&report(&out, &["--groups", groups.to_str().expect("UTF-8")]));
    assert_eq!(data["samples"]["labels"][0]["labels"], serde_json::json!(["EUR"]));
    assert_eq!(data["samples"]["labels"][0]["of"]["values"], serde_json::json!([-1, 0]));
    let wrong = write(folder.path(), "wrong.tsv", "nobody\tEUR\n");
    let run = |args: &[&str]| varbatch(&[&["report", out.to_str().expect("UTF-8")], args].concat());
    let failed = run(&["-o", "/dev/null", "--groups", wrong.to_str().expect("UTF-8")]).expect(2);
    assert!(failed.stderr.contains("wrong.tsv:1: the dataset has no sample `nobody`"), "{}", failed.stderr);
    run(&[]).expect(2);
    let page = run(&["-o", "-"]).expect(0).stdout;
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    varbatch(&["report", "nowhere.ds", "-o", "-"]).expect(66);
}

/// Many samples: the page stays small.
#[test]
fn pages_of_many_samples_are_small() {
    let folder = temp();
    let n = 20_000;
    let names: Vec<String> = (0..n).map(|at| format!("SAMPLE{at:06}")).collect();
    let header = SMALL.lines().take(3).collect::<Vec<_>>().join("\n");
    let head = format!("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}", names.join("\t"));
    let calls = |pos: usize| (0..n).map(|at| ["0/0", "0/1", "1/1"][(at * pos / 7) % 3]).collect::<Vec<_>>().join("\t");
    let rows: Vec<String> = (1..20).map(|pos| format!("1\t{pos}\t.\tA\tC\t.\t.\t.\tGT\t{}", calls(pos))).collect();
    let vcf = write(folder.path(), "many.vcf", format!("{header}\n{head}\n{}\n", rows.join("\n")));
    let out = folder.path().join("many");
    call(&[vcf], &out, &[]);
    let html = report(&out, &[]);
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
    assert_eq!(data_of(&html)["samples"]["names"].as_array().expect("names").len(), n);
}

/// In a browser: no error, and every section is drawn.
#[test]
fn a_browser_draws_every_section() {
    if !tool("chromium") {
        return;
    }
    let folder = temp();
    let out = small(folder.path());
    report(&out, &[]);
    let page = format!("file://{}", out.with_extension("html").display());
    let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
    let flags =
        ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=5000"];
    let mut command = std::process::Command::new("chromium");
    let done = finish(command.args(flags).arg(profile).args(["--dump-dom", &page])).expect(0);
    let errors: Vec<&str> = done.stderr.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(done.stdout.contains("data-ready=\"yes\""), "the script came to its end");
    for id in [
        "checks",
        "accounting",
        "samples",
        "strips",
        "pca",
        "kinship",
        "sex",
        "table",
        "af",
        "hwe",
        "quality",
        "indels",
        "substitutions",
        "track",
        "assoc",
        "provenance",
    ] {
        assert!(done.stdout.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    assert!(!done.stdout.contains("<img"), "a name became markup");
}
