//! Golden cases: each file of `tests/cases/*.case` has its reason in prose, an input, settings and the expected rows.
//!
//! Sections begin with `== `: `== args FLAGS` (`REFERENCE` stands for tests/data/reference.fa), `== input` (a VCF whose
//! columns may be separated by runs of spaces), `== TABLE COLUMN...` with one expected row a line, `== warnings` with
//! texts that the manifest's warnings must contain. All rows of a table are compared, in order.

use super::common::*;
use super::tables;
use std::path::{Path, PathBuf};

struct Section {
    head: Vec<String>,
    lines: Vec<String>,
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("== ") {
            sections.push(Section { head: head.split_whitespace().map(String::from).collect(), lines: Vec::new() });
        } else if let (Some(section), false) = (sections.last_mut(), line.trim().is_empty()) {
            section.lines.push(line.to_string());
        }
    }
    sections
}

/// Header lines as they are, other lines with tabs.
fn vcf_text(lines: &[String]) -> String {
    let tabbed = |line: &String| match line.starts_with("##") {
        true => format!("{line}\n"),
        false => line.split_whitespace().collect::<Vec<_>>().join("\t") + "\n",
    };
    lines.iter().map(tabbed).collect()
}

fn check(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).expect("a case");
    let sections = sections(&text);
    let folder = temp();
    let reference = super::cli::reference(folder.path());
    let find = |name: &str| sections.iter().find(|section| section.head[0] == name);
    let args: Vec<String> = find("args").map_or(Vec::new(), |section| section.head[1..].to_vec());
    let args: Vec<&str> =
        args.iter().map(|arg| if arg == "REFERENCE" { reference.to_str().expect("UTF-8") } else { arg }).collect();
    let inputs: Vec<PathBuf> = sections
        .iter()
        .filter(|section| section.head[0] == "input")
        .enumerate()
        .map(|(at, section)| write(folder.path(), &format!("in{at}.vcf"), vcf_text(&section.lines)))
        .collect();
    let dataset = folder.path().join("ds");
    let done = call_any(&inputs, &dataset, &args);
    if done.code != 0 {
        return Err(format!("exit {}: {}", done.code, done.stderr));
    }
    for section in &sections {
        match section.head[0].as_str() {
            "args" | "input" => {}
            "warnings" => warnings(&dataset, &section.lines)?,
            table => rows(&dataset, table, section)?,
        }
    }
    Ok(())
}

fn rows(dataset: &Path, table: &str, section: &Section) -> Result<(), String> {
    let wanted: Vec<&str> = section.head[1..].iter().map(String::as_str).collect();
    let found = tables::read(dataset, table, &wanted);
    let order: Vec<usize> = wanted.iter().map(|name| found.column(name)).collect();
    let found: Vec<String> = found
        .rows
        .iter()
        .map(|row| order.iter().map(|at| row[*at].replace(' ', "_")).collect::<Vec<_>>().join(" "))
        .collect();
    let expected: Vec<String> =
        section.lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    if found == expected {
        return Ok(());
    }
    Err(format!("{table} {}\nexpected:\n{}\nfound:\n{}", wanted.join(" "), expected.join("\n"), found.join("\n")))
}

fn warnings(dataset: &Path, wanted: &[String]) -> Result<(), String> {
    let warnings = manifest(dataset)["warnings"].to_string();
    let missing: Vec<&String> = wanted.iter().filter(|text| !warnings.contains(text.as_str())).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no warning has {missing:?}: {warnings}")) }
}

#[test]
fn cases_give_the_rows_they_expect() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let cases: Vec<PathBuf> =
        files_below(&folder).into_iter().filter(|path| path.extension().is_some_and(|end| end == "case")).collect();
    assert!(cases.len() >= 6);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| check(&folder.join(case)).err().map(|error| format!("{}: {error}", case.display())))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
