//! What is to be taken of a source: `--columns`, `--name`, `--key`.

use super::rows::TextKind;
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// One `--from`.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// As the user named it.
    pub path: PathBuf,
    /// What its columns begin with, and what it is known by when it is annotated again; may be empty.
    pub name: String,
    /// Which columns.
    pub columns: Columns,
    /// Names of the key columns of a table.
    pub key: KeyNames,
    /// Whether they were said once for several sources, of which some may be no tables.
    pub shares_key: bool,
    /// Kinds of features of a GFF or GTF; empty: all.
    pub features: Vec<String>,
}

/// Which fields of a source become columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// All that there are.
    All,
    /// None: a VCF is read for its consequences, intervals for where they are.
    None,
    /// These.
    Some(Vec<Wanted>),
}

/// One field that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name in the source.
    pub field: String,
    /// Its type, where it is declared.
    pub kind: Option<TextKind>,
    /// Its column, where it is named.
    pub alias: Option<String>,
}

/// Names of the columns of a table that are the key; `None`: found by the usual names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyNames {
    /// Contig.
    pub contig: Option<String>,
    /// 1-based position.
    pub pos: Option<String>,
    /// REF
    pub ref_allele: Option<String>,
    /// ALT
    pub alt: Option<String>,
}

/// Letters, digits and `_`, in lower case: every other run of characters becomes one `_`.
pub fn word(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    // an underscore that was written stays, one that stands for something else does not end a word
    let keeps_end = text.ends_with('_');
    let trimmed = if keeps_end { &out[..] } else { out.trim_end_matches('_') };
    let trimmed = if text.starts_with('_') { trimmed } else { trimmed.trim_start_matches('_') };
    if trimmed.is_empty() { "column".to_owned() } else { trimmed.to_owned() }
}

/// Names that are taken.
#[derive(Clone, Debug, Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// A name, with `_2`, `_3`, ... where it is taken.
    pub fn free(&mut self, name: &str) -> String {
        let mut found = name.to_owned();
        let mut n = 1;
        while !self.0.insert(found.clone()) {
            n += 1;
            found = format!("{name}_{n}");
        }
        found
    }
}

/// The name of a source that the user gave none: its file name up to the first point.
pub fn default_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("source");
    let name = word(stem);
    if name.starts_with(|first: char| first.is_ascii_digit()) { format!("a{name}") } else { name }
}

impl SourceSpec {
    /// Whether the source is a table of alleles by what was said of its key.
    pub fn has_key_in<S: AsRef<str>>(&self, columns: &[S]) -> bool {
        self.key != KeyNames::default() && (!self.shares_key || self.key.are_in(columns))
    }

    /// The column of a field.
    pub fn column(&self, field: &str) -> String {
        let field = word(field);
        match self.name.is_empty() {
            true if field.starts_with(|first: char| first.is_ascii_digit()) => format!("_{field}"),
            true => field,
            false => format!("{}_{field}", self.name),
        }
    }
}

impl Columns {
    /// `*`, `none`, or `FIELD`, `FIELD as NAME`, `FIELD:TYPE as NAME` with commas between them.
    pub fn parse(text: &str) -> Result<Columns> {
        match text.trim() {
            "*" | "all" => return Ok(Columns::All),
            "none" => return Ok(Columns::None),
            _ => {}
        }
        let wanted: Vec<Wanted> = text.split(',').map(Wanted::parse).collect::<Result<_>>()?;
        Ok(Columns::Some(wanted))
    }

    /// The same as text.
    pub fn describe(&self) -> String {
        match self {
            Columns::All => "*".into(),
            Columns::None => "none".into(),
            Columns::Some(list) => {
                let one = |wanted: &Wanted| {
                    let alias = wanted.alias.as_ref().map_or(String::new(), |alias| format!(" as {alias}"));
                    let kind = wanted.kind.map_or(String::new(), |kind| format!(":{kind:?}").to_lowercase());
                    format!("{}{kind}{alias}", wanted.field)
                };
                list.iter().map(one).collect::<Vec<_>>().join(",")
            }
        }
    }
}

impl Wanted {
    fn parse(text: &str) -> Result<Wanted> {
        let text = text.trim();
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_as = words.len() >= 3 && words[words.len() - 2].eq_ignore_ascii_case("as");
        let (field, alias) = match is_as {
            true => {
                let alias = words[words.len() - 1];
                let field = &text[..text.len() - alias.len()].trim_end();
                (field[..field.len() - 2].trim_end(), Some(alias))
            }
            false => (text, None),
        };
        let (field, kind) = match field.rsplit_once(':') {
            Some((field, kind)) if TextKind::named(kind.trim()).is_some() => {
                (field.trim(), TextKind::named(kind.trim()))
            }
            _ => (field, None),
        };
        let is_name = |alias: &&str| {
            !alias.is_empty()
                && alias.chars().all(|c| c.is_alphanumeric() || c == '_')
                && !alias.starts_with(|first: char| first.is_ascii_digit())
        };
        if field.is_empty() {
            return Err(Error::usage(format!("--columns has an empty field: `{text}`"))
                .hint("fields have commas between them: --columns 'CLNSIG,AF as gnomad_af'"));
        }
        if let Some(alias) = alias.filter(|alias| !is_name(alias)) {
            return Err(Error::usage(format!("`{alias}` cannot be the name of a column"))
                .hint("use letters, digits and _, beginning with a letter"));
        }
        Ok(Wanted { field: field.to_owned(), kind, alias: alias.map(|alias| alias.to_lowercase()) })
    }
}

impl KeyNames {
    /// `contig=NAME,pos=NAME,ref=NAME,alt=NAME`; those that are left out are found by the usual names.
    pub fn parse(text: &str) -> Result<KeyNames> {
        let mut names = KeyNames::default();
        for part in text.split(',') {
            let (key, name) = part.split_once('=').unwrap_or((part, ""));
            let slot = match key.trim() {
                "contig" | "chrom" => &mut names.contig,
                "pos" => &mut names.pos,
                "ref" => &mut names.ref_allele,
                "alt" => &mut names.alt,
                _ => {
                    return Err(Error::usage(format!("--key has `{part}`"))
                        .hint("expected contig=NAME,pos=NAME,ref=NAME,alt=NAME"));
                }
            };
            *slot = Some(name.trim().to_owned());
        }
        Ok(names)
    }
}

impl KeyNames {
    /// The same as text; `None`: no name is given.
    pub fn describe(&self) -> Option<String> {
        let given = [("contig", &self.contig), ("pos", &self.pos), ("ref", &self.ref_allele), ("alt", &self.alt)];
        let given = given.iter().filter_map(|(key, name)| Some(format!("{key}={}", name.as_ref()?)));
        Some(given.collect::<Vec<_>>().join(",")).filter(|text| !text.is_empty())
    }

    /// Whether a table has all of them.
    fn are_in<S: AsRef<str>>(&self, columns: &[S]) -> bool {
        let mut given = [&self.contig, &self.pos, &self.ref_allele, &self.alt].into_iter().flatten();
        given.all(|name| columns.iter().any(|column| is_named(column.as_ref(), name)))
    }
}

/// Whether a column has a name, but for the `#` of the first one.
pub fn is_named(column: &str, name: &str) -> bool {
    column == name || column.trim_start_matches('#') == name
}

/// The error of a source that gives nothing.
pub fn nothing_taken() -> Error {
    Error::usage("nothing is taken of this source: --columns is none, and there are no consequences").hint(
        "`none` is for a VCF that is read for its consequences, and for intervals: that one is there is the value",
    )
}

/// Usual names of the key columns of a table, in lower case without `#`.
const USUAL: [(&str, &[&str]); 4] = [
    ("contig", &["contig", "chrom", "chr", "chromosome", "seqname", "seqnames"]),
    ("pos", &["pos", "position", "pos(1-based)", "genpos", "base_pair_location", "bp"]),
    ("ref", &["ref", "reference", "reference_allele", "ref_allele", "allele0"]),
    ("alt", &["alt", "alternate", "alternate_allele", "alternative_allele", "alt_allele", "allele1"]),
];

/// Where the key columns are among the columns of a table; what is missing is in the error.
pub fn find_key<S: AsRef<str>>(columns: &[S], names: &KeyNames) -> Result<[usize; 4]> {
    let given = [&names.contig, &names.pos, &names.ref_allele, &names.alt];
    let plain = |column: &S| column.as_ref().trim_start_matches('#').trim().to_lowercase();
    let find = |at: usize| {
        let (key, usual) = USUAL[at];
        let found = match given[at] {
            Some(name) => columns.iter().position(|column| is_named(column.as_ref(), name)),
            None => usual.iter().find_map(|name| columns.iter().position(|column| plain(column) == *name)),
        };
        found.ok_or_else(|| {
            let wanted = given[at].as_ref().map_or_else(|| format!("the {key}"), |name| format!("`{name}`"));
            let there: Vec<&str> = columns.iter().map(AsRef::as_ref).take(30).collect();
            Error::bad_data(format!("no column is {wanted}: there are {}", there.join(", ")))
                .hint("--key 'contig=NAME,pos=NAME,ref=NAME,alt=NAME' says which columns are the key")
        })
    };
    Ok([find(0)?, find(1)?, find(2)?, find(3)?])
}

/// Whether a table has columns that look like REF and ALT: what else it may be, it is no list of intervals.
pub fn has_alleles(columns: &[String]) -> bool {
    let has = |usual: &[&str]| {
        columns.iter().any(|name| usual.contains(&name.trim_start_matches('#').to_lowercase().as_str()))
    };
    has(USUAL[2].1) && has(USUAL[3].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_are_wanted() {
        let wanted = |field: &str, kind, alias: Option<&str>| Wanted {
            field: field.into(),
            kind,
            alias: alias.map(String::from),
        };
        assert_eq!(
            Columns::parse("CLNSIG, AF as gnomad_af,score:float AS s , a b").expect("fields"),
            Columns::Some(vec![
                wanted("CLNSIG", None, None),
                wanted("AF", None, Some("gnomad_af")),
                wanted("score", Some(TextKind::Float), Some("s")),
                wanted("a b", None, None),
            ])
        );
        assert_eq!(Columns::parse("*").expect("all"), Columns::All);
        assert!(Columns::parse("A,,B").is_err());
        assert!(Columns::parse("A as 1x").is_err());
    }

    #[test]
    fn words() {
        assert_eq!(word("HGVS.c"), "hgvs_c");
        assert_eq!(word("cDNA.pos / cDNA.length"), "cdna_pos_cdna_length");
        assert_eq!(word("AF-nfe_"), "af_nfe_");
        assert_eq!(word("../x\";DROP"), "x_drop");
        assert_eq!(word("'"), "column");
        assert_eq!(default_name(Path::new("/a/clinvar_2024.vcf.gz")), "clinvar_2024");
        assert_eq!(default_name(Path::new("1kg.bed")), "a1kg");
    }

    #[test]
    fn keys_by_usual_names_and_by_given_ones() {
        let columns = ["#CHROM", "x", "POS", "Alt", "REF"];
        assert_eq!(find_key(&columns, &KeyNames::default()).expect("a key"), [0, 2, 4, 3]);
        let names = KeyNames::parse("pos=x,alt=POS").expect("names");
        assert_eq!(find_key(&columns, &names).expect("a key"), [0, 1, 4, 2]);
        assert!(find_key(&["a", "pos"], &KeyNames::default()).is_err());
        assert!(KeyNames::parse("x=y").is_err());
        assert_eq!(names.describe().as_deref(), Some("pos=x,alt=POS"));
        assert!(names.are_in(&columns) && !names.are_in(&["x"]));
    }
}
