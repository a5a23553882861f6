//! Arrows point one way: each module uses only what the table of docs/architecture.md allows, and each kind of
//! knowledge (threads, Parquet, the command line) stays with its owner.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Module, and the modules it may use, all of them above it. `error`, `profile` and `wide` may be used by all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("profile", &[]),
    ("wide", &[]),
    ("genome", &[]),
    ("alleles", &["genome"]),
    ("store", &[]),
    ("manifest", &[]),
    ("decode", &["genome", "alleles", "store"]),
    ("evidence", &["genome", "store", "decode"]),
    ("call", &["genome", "alleles", "decode"]),
    ("joint", &["genome", "alleles", "store", "decode", "evidence", "call"]),
    ("columns", &["genome", "alleles", "store", "decode", "call"]),
    ("input", &["genome", "store", "decode", "columns"]),
    ("plan", &["genome", "alleles", "store", "decode", "evidence", "call", "columns", "input"]),
    (
        "pipeline",
        &["genome", "alleles", "store", "manifest", "decode", "evidence", "call", "joint", "columns", "input", "plan"],
    ),
    ("dataset", &["genome", "alleles", "store", "manifest", "decode", "evidence", "call", "joint", "columns"]),
    (
        "commit",
        &["genome", "store", "manifest", "decode", "evidence", "call", "columns", "plan", "pipeline", "dataset"],
    ),
    (
        "exec",
        &[
            "genome", "alleles", "store", "manifest", "decode", "evidence", "call", "joint", "columns", "input",
            "plan", "pipeline", "commit",
        ],
    ),
    ("submit", &["plan"]),
    ("query", &["genome", "store", "manifest", "decode", "call", "columns", "dataset"]),
    ("stats", &["genome", "alleles", "store", "manifest", "decode", "call", "columns", "dataset", "query"]),
    ("annotate", &["genome", "alleles", "store", "manifest", "decode", "columns", "input", "dataset", "stats"]),
    ("report", &["genome", "manifest", "dataset"]),
    ("export", &["genome", "alleles", "store", "manifest", "decode", "call", "joint", "columns", "dataset"]),
    ("explain", &["genome", "alleles", "call", "joint", "dataset"]),
    ("simulate", &["genome", "store"]),
    ("validate", &["decode"]),
];

/// Crate, and the only modules that may name it.
const KNOWN_BY: &[(&str, &[&str])] = &[
    // `plan` derives the names of its settings.
    ("clap", &["cli", "plan"]),
    ("indicatif", &["cli"]),
    // Not in the modules that are pure functions of records.
    ("rayon", &["cli", "annotate", "input", "store", "commit", "exec", "export", "report", "simulate", "stats"]),
    ("memmap2", &["store"]),
    ("object_store", &["store"]),
    ("reqwest", &["store"]),
    ("tokio", &["store"]),
    ("polars", &["query", "stats", "report"]),
    ("polars_plan", &["query"]),
    ("faer", &["stats"]),
    ("statrs", &["stats"]),
    ("signal_hook", &["cli", "exec"]),
    ("rust_htslib", &["decode", "export"]),
    ("rand", &["simulate", "stats"]),
];

fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = super::common::files_below(&root);
    let rust = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    rust.map(|path| {
        let first = path.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        let is_manifest = path.ends_with("commit/manifest.rs");
        let module = if is_manifest { "manifest" } else { first.trim_end_matches(".rs") }.to_string();
        let text = std::fs::read_to_string(root.join(&path)).expect("a source file");
        (module, path, code(&text))
    })
    .collect()
}

/// The code of a file without comments and without the unit tests at its end.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..end].lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// Modules named after `crate::` in `code`, also inside braces.
fn used_modules(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let preceded = code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        if preceded {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        // The structs of the manifest are below what commits them.
        let rest = rest.strip_prefix("commit::").filter(|rest| rest.starts_with("manifest")).unwrap_or(rest);
        match rest.strip_prefix('{') {
            Some(group) => used.extend(group_heads(group)),
            None => used.extend(identifier(rest)),
        }
    }
    used
}

/// First identifiers of the items of a `{...}` group.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.extend(identifier(group[start..at].trim()));
                return heads;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.extend(identifier(group[start..at].trim()));
                start = at + 1;
            }
            _ => {}
        }
    }
    heads
}

fn identifier(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_string())
}

#[test]
fn modules_use_only_what_is_to_their_left() {
    let mut wrong = Vec::new();
    for (module, path, code) in sources() {
        if matches!(module.as_str(), "cli" | "main" | "lib") {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("src/{}: module `{module}` is not in the table", path.display()));
            continue;
        };
        for used in used_modules(&code) {
            let fine = used == module
                || ["error", "profile", "wide"].contains(&used.as_str())
                || allowed.contains(&used.as_str());
            // Macros and re-exports at the root of the crate have no module.
            let is_module = MAY_USE.iter().any(|(name, _)| *name == used) || used == "cli";
            if is_module && !fine {
                wrong.push(format!("src/{}: `{module}` uses `{used}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_circle() {
    for (at, (module, used)) in MAY_USE.iter().enumerate() {
        let above: Vec<&str> = MAY_USE[..at].iter().map(|(name, _)| *name).collect();
        assert!(used.iter().all(|name| above.contains(name)), "`{module}` uses a module below it");
    }
}

#[test]
fn crates_are_named_by_their_owner_alone() {
    let mut wrong = Vec::new();
    for (module, path, code) in sources() {
        for (name, owners) in KNOWN_BY {
            let named = [format!("use {name}::"), format!("{name}::"), format!("use {name};")];
            let found = named.iter().any(|text| {
                code.match_indices(text.as_str()).any(|(at, _)| {
                    !code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                })
            });
            if found && !owners.contains(&module.as_str()) {
                wrong.push(format!("src/{}: `{module}` names `{name}`, which belongs to {owners:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_of_the_documentation_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let text = std::fs::read_to_string(path).expect("docs/architecture.md");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let documented: Vec<(String, String)> = rows
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_string(), cells[2].to_string())
        })
        .collect();
    let all = |(name, used): &(&str, &[&str])| {
        (name.to_string(), if used.is_empty() { "nothing".into() } else { used.join(", ") })
    };
    let mut expected: Vec<(String, String)> = MAY_USE.iter().map(all).collect();
    expected.push(("cli".into(), "everything".into()));
    assert_eq!(documented, expected);
}

#[test]
fn groups_and_paths_are_found() {
    let code = "use crate::genome::{A, B};\nuse crate::{call::x, columns::{y, z}, par};\nlet a = crate::store::open();";
    let used = used_modules(code);
    assert_eq!(used.into_iter().collect::<Vec<_>>(), ["call", "columns", "genome", "par", "store"]);
}
