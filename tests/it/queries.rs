//! The queries of docs/queries.md in DuckDB, polars, Spark and Athena's dialect (queries.py runs and compares them).

use super::common::*;
use super::servers::python;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

#[test]
fn documented_queries_agree_in_every_engine() {
    let folder = temp();
    let made = folder.path().join("made");
    let made_text = made.to_str().expect("UTF-8");
    let simulated = ["--samples", "100", "--length", "200000", "--seed", "5", "--contig-name", "chr20"];
    varbatch(&[&["simulate", "-o", made_text][..], &simulated].concat()).expect(0);
    let mut sheet = String::from("path\tsample\tsex\n");
    for at in 1..=100 {
        let sex = if at % 2 == 0 { "female" } else { "male" };
        writeln!(sheet, "{made_text}/cohort.vcf.gz\tS{at:04}\t{sex}").expect("text");
    }
    let sheet = write(folder.path(), "sheet.tsv", sheet);
    let dataset = folder.path().join("cohort");
    call::<&Path>(&[], &dataset, &["--inputs", sheet.to_str().expect("UTF-8")]);
    varbatch(&["stats", dataset.to_str().expect("UTF-8")]).expect(0);

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python());
    command.arg(root.join("tests/it/queries.py")).args([binary().as_ref(), dataset.as_path()]);
    let done = finish(command.arg(root.join("docs/queries.md")));
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let mut n_without = 0;
    for line in done.stdout.lines().filter(|line| line.starts_with("without ")) {
        skip(&format!("docs/queries.md {line}; `scripts/setup test` installs it"));
        n_without += 1;
    }
    let n_compared = done.stdout.lines().filter(|line| line.ends_with(" rows")).count();
    assert_eq!(n_compared, 6 * (4 - n_without), "{}", done.stdout);
}
