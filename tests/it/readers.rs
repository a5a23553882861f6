//! DuckDB, polars and pyarrow open every table and agree with `query` (readers.py does the comparison).

use super::common::*;
use std::path::Path;
use std::process::Command;

/// A Python that has the three libraries; said aloud where there is none.
fn python() -> Option<String> {
    let python = std::env::var("VARBATCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let done = Command::new(&python).args(["-c", "import duckdb, polars, pyarrow"]).output();
    if done.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    skip("Python with duckdb, polars and pyarrow is not installed (set VARBATCH_PYTHON)");
    None
}

#[track_caller]
fn compare(python: &str, dataset: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/readers.py");
    let done = finish(Command::new(python).arg(script).arg(binary()).arg(dataset));
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.lines().count() >= 6, "{}", done.stdout);
}

#[test]
fn python_readers_agree_with_query_on_every_kind_of_value() {
    let Some(python) = python() else { return };
    let folder = temp();
    for (name, extra) in [("carriers", vec![]), ("all", vec!["--calls", "all", "--shard-size", "300"])] {
        let dataset = folder.path().join(name);
        call(&[super::cli::small()], &dataset, &extra);
        compare(&python, &dataset);
    }
}

/// A contig name that looks like a number must stay text, and a real cohort must open.
#[test]
fn python_readers_agree_with_query_on_real_files() {
    let Some(python) = python() else { return };
    let folder = temp();
    let names = ["edge/bio2zarr/sample.vcf.gz", "edge/bio2zarr/field_type_combos.vcf.gz", "cohort/hail/sample.vcf.gz"];
    for (at, name) in names.iter().enumerate() {
        let Some(input) = data(name) else { return };
        let dataset = folder.path().join(at.to_string());
        call(&[input], &dataset, &["--calls", "all"]);
        compare(&python, &dataset);
    }
}
