//! Versions of the specification, and where a rule stands in each.

/// A version of VCF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 4.1
    V41,
    /// 4.2
    V42,
    /// 4.3
    V43,
    /// 4.4
    V44,
    /// 4.5
    V45,
}

use Version::*;

impl Version {
    /// Of the value of `##fileformat`.
    pub fn parse(text: &str) -> Option<Version> {
        Some(match text {
            "VCFv4.1" => V41,
            "VCFv4.2" => V42,
            "VCFv4.3" => V43,
            "VCFv4.4" => V44,
            "VCFv4.5" => V45,
            _ => return None,
        })
    }

    /// `VCFv4.3`.
    pub fn name(self) -> &'static str {
        match self {
            V41 => "VCFv4.1",
            V42 => "VCFv4.2",
            V43 => "VCFv4.3",
            V44 => "VCFv4.4",
            V45 => "VCFv4.5",
        }
    }
}

/// A place in the specification; its number depends on the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Character encoding.
    Characters,
    /// Data types.
    Types,
    /// Meta-information lines.
    Meta,
    /// Kind of meta-information line: 1 fileformat, 2 INFO, 3 FILTER, 4 FORMAT, 5 ALT, 6 assembly, 7 contig, 8 SAMPLE, 9 PEDIGREE.
    MetaKind(u8),
    /// The `#CHROM` line.
    Columns,
    /// Data lines.
    Data,
    /// Fixed field, 1 CHROM to 8 INFO.
    Fixed(u8),
    /// Genotype fields.
    Genotypes,
    /// Keys of structural variants.
    Structural,
}

impl Section {
    /// Its number. In 4.1 and 4.2 the meta-information is 1.2 and the data 1.4; from 4.3 on they are 1.4 and 1.6, behind sections
    /// on characters and types.
    pub fn number(self, version: Version) -> String {
        let early = version < V43;
        let (meta, columns, data) = if early { ("1.2", "1.3", "1.4") } else { ("1.4", "1.5", "1.6") };
        match self {
            Section::Characters => if early { "1" } else { "1.2" }.into(),
            Section::Types => if early { "1.2.2" } else { "1.3" }.into(),
            Section::Meta => meta.into(),
            Section::MetaKind(kind) => format!("{meta}.{kind}"),
            Section::Columns => columns.into(),
            Section::Data => data.into(),
            Section::Fixed(field) => format!("{data}.1.{field}"),
            Section::Genotypes => format!("{data}.2"),
            Section::Structural => "3".into(),
        }
    }
}
