//! Keys whose Number and Type the specification gives (tables of reserved INFO and genotype keys, and section 3 and 4 on
//! structural variants).

use super::version::Version::{self, *};

/// Number and Type of a reserved key in the versions `from..=to`.
struct Reserved {
    id: &'static str,
    number: &'static str,
    kind: &'static str,
    from: Version,
    to: Version,
}

const fn all(id: &'static str, number: &'static str, kind: &'static str) -> Reserved {
    Reserved { id, number, kind, from: V41, to: V45 }
}

const fn from(from: Version, id: &'static str, number: &'static str, kind: &'static str) -> Reserved {
    Reserved { id, number, kind, from, to: V45 }
}

const fn to(to: Version, id: &'static str, number: &'static str, kind: &'static str) -> Reserved {
    Reserved { id, number, kind, from: V41, to }
}

const INFO: &[Reserved] = &[
    all("AA", "1", "String"),
    all("AC", "A", "Integer"),
    from(V43, "AD", "R", "Integer"),
    from(V43, "ADF", "R", "Integer"),
    from(V43, "ADR", "R", "Integer"),
    all("AF", "A", "Float"),
    all("AN", "1", "Integer"),
    all("BQ", "1", "Float"),
    all("CIGAR", "A", "String"),
    all("DB", "0", "Flag"),
    all("DP", "1", "Integer"),
    all("END", "1", "Integer"),
    all("H2", "0", "Flag"),
    all("H3", "0", "Flag"),
    all("MQ", "1", "Float"),
    all("MQ0", "1", "Integer"),
    all("NS", "1", "Integer"),
    all("SOMATIC", "0", "Flag"),
    all("VALIDATED", "0", "Flag"),
    all("1000G", "0", "Flag"),
    all("IMPRECISE", "0", "Flag"),
    all("NOVEL", "0", "Flag"),
    all("SVTYPE", "1", "String"),
    to(V43, "SVLEN", ".", "Integer"),
    from(V44, "SVLEN", "A", "Integer"),
    to(V43, "CIPOS", "2", "Integer"),
    from(V44, "CIPOS", ".", "Integer"),
    to(V43, "CIEND", "2", "Integer"),
    from(V44, "CIEND", ".", "Integer"),
];

const FORMAT: &[Reserved] = &[
    from(V43, "AD", "R", "Integer"),
    from(V43, "ADF", "R", "Integer"),
    from(V43, "ADR", "R", "Integer"),
    all("DP", "1", "Integer"),
    all("EC", "A", "Integer"),
    all("FT", "1", "String"),
    all("GL", "G", "Float"),
    to(V42, "GLE", "G", "String"),
    all("GP", "G", "Float"),
    all("GQ", "1", "Integer"),
    all("GT", "1", "String"),
    all("HQ", "2", "Integer"),
    all("MQ", "1", "Integer"),
    all("PL", "G", "Integer"),
    from(V43, "PP", "G", "Integer"),
    all("PQ", "1", "Integer"),
    all("PS", "1", "Integer"),
    from(V44, "PSL", "P", "String"),
    from(V44, "PSO", "P", "Integer"),
    from(V44, "PSQ", "P", "Integer"),
    from(V45, "LAA", ".", "Integer"),
    from(V45, "LAD", "LR", "Integer"),
    from(V45, "LADF", "LR", "Integer"),
    from(V45, "LADR", "LR", "Integer"),
    from(V45, "LEC", "LA", "Integer"),
    from(V45, "LPL", "LG", "Integer"),
    from(V45, "LPP", "LG", "Integer"),
];

/// Which list a key is looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// INFO keys.
    Info,
    /// FORMAT keys.
    Format,
}

/// Number and Type of a reserved key.
pub fn reserved(list: List, id: &str, version: Version) -> Option<(&'static str, &'static str)> {
    let entries = match list {
        List::Info => INFO,
        List::Format => FORMAT,
    };
    let found = entries.iter().find(|entry| entry.id == id && (entry.from..=entry.to).contains(&version))?;
    Some((found.number, found.kind))
}

/// Keys whose values cannot be below zero.
pub fn is_count(list: List, id: &str) -> bool {
    match list {
        List::Info => {
            matches!(id, "AC" | "AD" | "ADF" | "ADR" | "AF" | "AN" | "BQ" | "DP" | "END" | "MQ" | "MQ0" | "NS")
        }
        List::Format => matches!(id, "AD" | "ADF" | "ADR" | "DP" | "EC" | "GQ" | "HQ" | "MQ" | "PL" | "PP" | "PQ"),
    }
}
