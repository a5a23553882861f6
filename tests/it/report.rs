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

/// Stores rows of `burden`: two tests of each set, at places 1 to n on contig 1, the first set without a place; binary phenotype.
fn store_burden(folder: &Path, sets: &[String]) {
    use polars::prelude::{Column, DataFrame};
    let dataset = Dataset::open(folder).expect("opens");
    let results = varbatch::stats::results::Results::new(&dataset, "burden", serde_json::json!({ "max_p": null }));
    let n = 2 * sets.len();
    let integers = |value: &dyn Fn(usize) -> Option<i32>| (0..n).map(value).collect::<Vec<_>>();
    let p = |at: usize| (at % 7 != 6).then(|| ((at * 7919) % n) as f64 * 8.0 / n as f64);
    let columns = vec![
        Column::new("set".into(), (0..n).map(|at| &sets[at / 2][..]).collect::<Vec<_>>()),
        Column::new("contig".into(), (0..n).map(|at| (at > 1).then_some("1")).collect::<Vec<_>>()),
        Column::new("start".into(), integers(&|at| (at > 1).then_some(at as i32 / 2))),
        Column::new("end".into(), integers(&|at| (at > 1).then_some(at as i32 / 2 + 9))),
        Column::new("mask".into(), vec!["all.0.01"; n]),
        Column::new("phenotype".into(), vec![HOSTILE; n]),
        Column::new("test".into(), (0..n).map(|at| ["burden", "skat"][at % 2]).collect::<Vec<_>>()),
        Column::new("n_variants".into(), integers(&|at| Some(at as i32 / 2 % 50))),
        Column::new("n_carriers".into(), integers(&|at| Some(at as i32 / 2 % 90))),
        Column::new("n_carriers_cases".into(), integers(&|at| Some(at as i32 / 2 % 40))),
        Column::new("beta".into(), (0..n).map(|at| (at % 2 == 0).then_some(at as f64 * -0.001)).collect::<Vec<_>>()),
        Column::new("neg_log10_p".into(), (0..n).map(p).collect::<Vec<_>>()),
        Column::new("status".into(), (0..n).map(|at| (at % 7 == 6).then_some("monomorphic")).collect::<Vec<_>>()),
    ];
    results.store("burden", DataFrame::new(n, columns).expect("a frame"), Value::Null).expect("stored");
}

#[test]
fn sets_of_any_name_are_shown() {
    let folder = temp();
    let out = small(folder.path());
    assert_eq!(data_of(&report(&out, &[]))["results"]["burden"], Value::Null);
    store_burden(&out, &["a".to_owned(), HOSTILE.to_owned(), "αβγ".to_owned(), "αβδ".to_owned()]);
    let html = report(&out, &[]);
    assert!(!html.contains("<img"), "markup of a name is text");
    assert_eq!(html.matches("</script").count(), 2);
    let data = data_of(&html);
    let found = &data["results"]["burden"];
    assert_eq!(found["n_sets"], 4);
    assert_eq!(found["names"], serde_json::json!(["0a", format!("0{HOSTILE}"), "0αβγ", "0αβδ"]));
    assert_eq!(found["contig"]["values"], serde_json::json!([null, 0, 0, 0]));
    assert_eq!(found["start"]["values"], serde_json::json!([null, 1, 2, 3]));
    let analysis = &found["analyses"][0];
    assert_eq!(analysis["phenotype"], HOSTILE);
    assert_eq!(analysis["n_carriers_cases"]["values"], serde_json::json!([0, 1, 2, 3]));
    let [burden, skat] = [&analysis["tests"][0], &analysis["tests"][1]];
    assert_eq!((&burden["name"], &burden["n_tested"]), (&"burden".into(), &3.into()));
    assert_eq!(burden["untested"], serde_json::json!([["monomorphic", 1]]));
    assert_eq!(burden["neg_log10_p"]["values"], serde_json::json!([0, 60_000, 40_000, null]));
    assert_eq!(burden["qq"]["observed"].as_array().expect("quantiles").len(), 3);
    assert!(burden["beta"]["step"].is_number() && skat["beta"].is_null());
}

/// `burden` of a cohort: the page has its rows and its summary.
#[test]
fn sets_of_a_cohort_are_those_of_the_table() {
    let folder = temp();
    let sim = folder.path().join("sim");
    let sim_text = sim.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", sim_text, "--samples", "60", "--length", "60000"]).expect(0);
    let out = folder.path().join("ds");
    call(&[sim.join("cohort.vcf.gz")], &out, &[]);
    let contig = query(&out, "SELECT contig FROM variants LIMIT 1").remove(0).remove(0);
    let windows: String = (0..30).map(|at| format!("{contig}\t{}\t{}\tw{at}\n", at * 2000, at * 2000 + 2000)).collect();
    let windows = write(folder.path(), "windows.bed", windows);
    let names = query(&out, "SELECT sample FROM samples");
    let rows: String = names.iter().zip(0..).map(|(row, at)| format!("{}\t{}\t{}\n", row[0], at % 2, at % 9)).collect();
    let pheno = write(folder.path(), "pheno.tsv", format!("sample\tcase\tbmi\n{rows}"));
    let [ds, bed, pheno] = [&out, &windows, &pheno].map(|path| path.to_str().expect("UTF-8"));
    let flags = ["burden", ds, "--sets", bed, "--pheno", pheno, "--max-af", "0.05,0.5"];
    varbatch(&flags).expect(0);
    let data = data_of(&report(&out, &[]));
    let found = &data["results"]["burden"];
    assert_eq!((&found["n_sets"], &found["n_analyses"]), (&30.into(), &4.into()));
    let columns = "phenotype, mask, test, set, n_variants, n_carriers, neg_log10_p";
    let stored = query(&out, &format!("SELECT {columns} FROM burden"));
    assert_eq!(stored.len(), 30 * 4 * found["analyses"][0]["tests"].as_array().expect("tests").len());
    for row in stored {
        let analyses = found["analyses"].as_array().expect("analyses");
        let analysis = analyses.iter().find(|one| one["phenotype"] == row[0] && one["mask"] == row[1]).expect("one");
        let tests = analysis["tests"].as_array().expect("tests");
        let test = tests.iter().find(|one| one["name"] == row[2]).expect("a test");
        let at: usize = row[3][1..].parse().expect("a number");
        let number = |series: &Value| {
            series["values"][at].as_f64().map(|value| value * series["step"].as_f64().expect("a step"))
        };
        assert_eq!(number(&analysis["n_variants"]), row[4].parse().ok(), "{row:?}");
        assert_eq!(number(&analysis["n_carriers"]), row[5].parse().ok(), "{row:?}");
        match row[6].parse::<f64>() {
            Ok(p) => assert!((number(&test["neg_log10_p"]).expect("a p") - p).abs() < 6e-5, "{row:?}"),
            Err(_) => assert_eq!(number(&test["neg_log10_p"]), None, "{row:?}"),
        }
    }
    let summary = query(&out, "SELECT n_sets_tested FROM burden_summary WHERE phenotype = 'bmi' AND test = 'skat'");
    let is_bmi = |one: &&Value| one["phenotype"] == "bmi";
    let skat: Vec<String> = found["analyses"]
        .as_array()
        .expect("analyses")
        .iter()
        .filter(is_bmi)
        .flat_map(|one| one["tests"].as_array().expect("tests"))
        .filter(|test| test["name"] == "skat")
        .map(|test| test["n_tested"].to_string())
        .collect();
    assert_eq!(skat, summary.into_iter().flatten().collect::<Vec<_>>());
    assert!(found["analyses"][0]["tests"][0]["qq"].is_object());
    varbatch(&[&flags[..], &["--max-p", "0.5"]].concat()).expect(0);
    let data = data_of(&report(&out, &[]));
    let found = &data["results"]["burden"];
    assert_eq!((&found["max_p"], &found["analyses"][0]["tests"][0]["qq"]), (&0.5.into(), &Value::Null));
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

/// Many sets, too; of too many the strongest.
#[test]
fn pages_of_many_sets_are_small() {
    let folder = temp();
    let out = small(folder.path());
    let names = |n: usize| (0..n).map(|at| format!("ENSG{:011}", at * 37)).collect::<Vec<_>>();
    let before = report(&out, &[]).len();
    store_burden(&out, &names(20_000));
    let html = report(&out, &[]);
    assert!(html.len() - before < 700_000, "{} bytes", html.len() - before);
    assert_eq!(data_of(&html)["results"]["burden"]["n"], 20_000);
    store_burden(&out, &names(100_000));
    let data = data_of(&report(&out, &[]));
    assert_eq!(
        (&data["results"]["burden"]["n"], &data["results"]["burden"]["n_sets"]),
        (&40_000.into(), &100_000.into())
    );
}

/// In a browser: no error, and every section is drawn.
#[test]
fn a_browser_draws_every_section() {
    if !tool("chromium") {
        return;
    }
    let folder = temp();
    let out = small(folder.path());
    store_burden(&out, &["a".to_owned(), HOSTILE.to_owned()]);
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
        "sets",
        "provenance",
    ] {
        assert!(done.stdout.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    assert!(!done.stdout.contains("<img"), "a name became markup");
    assert!(done.stdout.contains("&lt;/script&gt;&lt;img src=x"), "the name is there as text");
}
