//! Meta-information lines (`##`). VCF 4.5 section 1.4.

use super::finding::{Rule, Sink, quoted};
use super::reserved::{List, reserved};
use super::structured::{Entry, parse};
use super::version::{Section, Version};
use std::collections::{HashMap, HashSet};

/// Number of values of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// Exactly.
    Count(u32),
    /// One for each ALT.
    PerAlt,
    /// One for each allele.
    PerAllele,
    /// One for each genotype.
    PerGenotype,
    /// Not known, or by local alleles, phase or bases.
    Any,
}

/// Type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32 bits.
    Integer,
    /// 32-bit IEEE 754.
    Float,
    /// Without value.
    Flag,
    /// One character.
    Character,
    /// Text.
    Text,
}

/// A field as the header, or else the specification, defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// How many values.
    pub number: Number,
    /// Of which type.
    pub kind: Kind,
}

/// What the header defines.
#[derive(Debug, Default)]
pub struct Definitions {
    infos: HashMap<String, Definition>,
    formats: HashMap<String, Definition>,
    /// FILTER.
    pub filters: HashSet<String>,
    /// ALT.
    pub alts: HashSet<String>,
    /// Contigs and their lengths.
    pub contigs: HashMap<String, Option<i64>>,
    others: HashSet<(String, String)>,
}

impl Definitions {
    /// The field as the header defines it.
    pub fn defined(&self, list: List, id: &str) -> Option<Definition> {
        match list {
            List::Info => self.infos.get(id).copied(),
            List::Format => self.formats.get(id).copied(),
        }
    }

    /// The field as the header defines it, else as it is reserved.
    pub fn lookup(&self, list: List, id: &str, version: Version) -> Option<Definition> {
        self.defined(list, id).or_else(|| {
            let (number, kind) = reserved(list, id, version)?;
            Some(Definition { number: number_of(number, list, version)?, kind: kind_of(kind)? })
        })
    }
}

const FORM: Rule = ("meta-form", Section::Meta);

/// Checks a line that begins with `##`, and is not the first one.
pub fn check(line: &str, definitions: &mut Definitions, sink: &mut Sink) {
    let Some((key, value)) = line[2..].split_once('=') else {
        return sink.error(FORM, 2, format!("{} is not `key=value`", quoted(line.as_bytes())));
    };
    if key.is_empty() || key.bytes().any(|byte| byte.is_ascii_whitespace() || byte == b'<') {
        return sink.error(FORM, 2, format!("the key {} is empty or has a space", quoted(key.as_bytes())));
    }
    if key == "fileformat" {
        return sink.error(("fileformat", Section::MetaKind(1)), 0, "##fileformat stands in the first line, and once");
    }
    let value_at = 3 + key.len();
    if !value.starts_with('<') {
        return unstructured(key, value, value_at, sink);
    }
    if key == "pedigreeDB" {
        return pedigree_db(value, value_at, sink);
    }
    match parse(value, value_at) {
        Err((at, why)) => sink.error(FORM, at, format!("##{key}: {why}")),
        Ok(entries) => structured(key, &entries, value_at, definitions, sink),
    }
}

fn unstructured(key: &str, value: &str, at: usize, sink: &mut Sink) {
    match key {
        "INFO" | "FORMAT" | "FILTER" | "ALT" | "contig" | "META" | "SAMPLE" | "PEDIGREE" => {
            sink.error(FORM, at, format!("##{key} is a list in `<` and `>`, found {}", quoted(value.as_bytes())));
        }
        "assembly" if !is_url(value) => {
            let message = format!("##assembly is {}, expected a URL", quoted(value.as_bytes()));
            sink.error(("assembly", Section::MetaKind(6)), at, message);
        }
        "pedigreeDB" => pedigree_db(value, at, sink),
        _ if value.is_empty() => sink.error(FORM, at, format!("##{key} has no value")),
        _ => {}
    }
}

fn pedigree_db(value: &str, at: usize, sink: &mut Sink) {
    let url = value.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(value);
    if !is_url(url) {
        let message = format!("##pedigreeDB is {}, expected a URL", quoted(value.as_bytes()));
        sink.error(("pedigree", Section::MetaKind(9)), at, message);
    }
}

/// `scheme://host...`, with a host that is a name or an address (RFC 3986 section 3).
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.strip_prefix("file:").is_some_and(|path| !path.is_empty());
    };
    let scheme_fits = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default().split(':').next().unwrap_or_default();
    let is_address = host.split('.').filter(|part| part.parse::<u8>().is_ok()).count() == 4;
    let is_name = host.bytes().any(|byte| byte.is_ascii_alphabetic()) || host.starts_with('[');
    let has_host = is_name || is_address || (scheme == "file" && host.is_empty());
    scheme_fits && has_host && !text.bytes().any(|byte| byte.is_ascii_whitespace())
}

fn structured(key: &str, entries: &[Entry], at: usize, definitions: &mut Definitions, sink: &mut Sink) {
    for (i, entry) in entries.iter().enumerate() {
        if entries[..i].iter().any(|before| before.key == entry.key) {
            sink.error(FORM, entry.at, format!("##{key} has the key {} twice", quoted(entry.key.as_bytes())));
        }
    }
    let find = |name: &str| entries.iter().find(|entry| entry.key == name);
    let early = sink.version < Version::V43;
    let Some(id) = find("ID") else {
        // 4.1 and 4.2 have lists of names alone
        if !early || (key != "PEDIGREE" && is_known(key)) {
            sink.error(FORM, at, format!("##{key} has no ID"));
        }
        return values_of_names(key, entries, sink);
    };
    // before 4.3 only the kinds of lines that the specification names have identifiers
    if !early || is_known(key) {
        unique_id(key, id, definitions, sink);
    }
    match key {
        "INFO" => field(List::Info, entries, id, definitions, sink),
        "FORMAT" => field(List::Format, entries, id, definitions, sink),
        "FILTER" => {
            description(key, entries, id, Section::MetaKind(3), sink);
            definitions.filters.insert(id.value.into());
        }
        "ALT" => alt(entries, id, definitions, sink),
        "contig" => contig(entries, id, definitions, sink),
        "META" => meta(entries, sink),
        "SAMPLE" => sample(entries, id, sink),
        "PEDIGREE" => values_of_names(key, entries, sink),
        _ => {}
    }
}

fn is_known(key: &str) -> bool {
    matches!(key, "INFO" | "FORMAT" | "FILTER" | "ALT" | "contig" | "META" | "SAMPLE" | "PEDIGREE")
}

fn unique_id(key: &str, id: &Entry, definitions: &mut Definitions, sink: &mut Sink) {
    if !definitions.others.insert((key.into(), id.value.into())) {
        sink.error(FORM, id.at, format!("##{key} defines the ID {} twice", quoted(id.value.as_bytes())));
    }
}

/// INFO and FORMAT.
fn field(list: List, entries: &[Entry], id: &Entry, definitions: &mut Definitions, sink: &mut Sink) {
    let (key, section) = match list {
        List::Info => ("INFO", Section::MetaKind(2)),
        List::Format => ("FORMAT", Section::MetaKind(4)),
    };
    let rule = ("meta-field", section);
    let is_legacy = list == List::Info && id.value == "1000G";
    if !is_field_id(id.value) && !is_legacy {
        let message =
            format!("{key} ID {} is not a letter or `_`, then letters, digits, `_`, `.`", quoted(id.value.as_bytes()));
        sink.error_if(sink.version >= Version::V43, rule, id.at, message);
    }
    in_order(key, entries, &["ID", "Number", "Type", "Description"], section, sink);
    description(key, entries, id, section, sink);
    let number = required(key, "Number", entries, id, rule, sink).and_then(|entry| {
        let number = number_of(entry.value, list, sink.version);
        if number.is_none() {
            let message = format!(
                "{key}/{} has Number={}, expected a count, A, G, {}",
                id.value,
                entry.value,
                others(list, sink.version)
            );
            sink.error(rule, entry.at, message);
        }
        number
    });
    let kind = required(key, "Type", entries, id, rule, sink).and_then(|entry| {
        let kind = kind_of(entry.value).filter(|&kind| !(list == List::Format && kind == Kind::Flag));
        if kind.is_none() {
            let flag = if list == List::Info { "Flag, " } else { "" };
            let message = format!(
                "{key}/{} has Type={}, expected Integer, Float, {flag}Character or String",
                id.value, entry.value
            );
            sink.error(rule, entry.at, message);
        }
        kind
    });
    let (Some(number), Some(kind)) = (number, kind) else { return };
    if list == List::Info && (kind == Kind::Flag) != (number == Number::Count(0)) {
        let message = format!("{key}/{}: Type=Flag and Number=0 belong together", id.value);
        sink.error(rule, id.at, message);
    }
    as_reserved(list, key, entries, id, sink);
    let definition = Definition { number, kind };
    match list {
        List::Info => definitions.infos.entry(id.value.into()).or_insert(definition),
        List::Format => definitions.formats.entry(id.value.into()).or_insert(definition),
    };
}

/// A reserved key has the Number and Type of the specification.
fn as_reserved(list: List, key: &str, entries: &[Entry], id: &Entry, sink: &mut Sink) {
    let Some((number, kind)) = reserved(list, id.value, sink.version) else { return };
    let section = if list == List::Info { Section::Fixed(8) } else { Section::Genotypes };
    for (name, expected) in [("Number", number), ("Type", kind)] {
        if let Some(entry) = entries.iter().find(|entry| entry.key == name)
            && entry.value != expected
        {
            let message = format!(
                "{key}/{} is reserved with {name}={expected}, found {}",
                id.value,
                quoted(entry.value.as_bytes())
            );
            sink.error(("reserved-key", section), entry.at, message);
        }
    }
}

fn others(list: List, version: Version) -> &'static str {
    match (list, version) {
        (_, Version::V41) => "or `.`",
        (List::Format, Version::V45) => "R, LA, LR, LG, P, M or `.`",
        (List::Format, Version::V44) => "R, P or `.`",
        _ => "R or `.`",
    }
}

fn number_of(text: &str, list: List, version: Version) -> Option<Number> {
    let in_format = |from| list == List::Format && version >= from;
    Some(match text {
        "A" => Number::PerAlt,
        "R" if version >= Version::V42 => Number::PerAllele,
        "G" => Number::PerGenotype,
        "." => Number::Any,
        "P" if in_format(Version::V44) => Number::Any,
        "LA" | "LR" | "LG" | "M" if in_format(Version::V45) => Number::Any,
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => Number::Count(text.parse().ok()?),
        _ => return None,
    })
}

fn kind_of(text: &str) -> Option<Kind> {
    Some(match text {
        "Integer" => Kind::Integer,
        "Float" => Kind::Float,
        "Flag" => Kind::Flag,
        "Character" => Kind::Character,
        "String" => Kind::Text,
        _ => return None,
    })
}

/// `[A-Za-z_][0-9A-Za-z_.]*`
pub fn is_field_id(id: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    id.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') && id.bytes().all(rest)
}

fn required<'e, 'a>(
    key: &str,
    name: &str,
    entries: &'e [Entry<'a>],
    id: &Entry,
    rule: Rule,
    sink: &mut Sink,
) -> Option<&'e Entry<'a>> {
    let found = entries.iter().find(|entry| entry.key == name);
    if found.is_none() {
        sink.error(rule, id.at, format!("{key}/{} has no {name}", id.value));
    }
    found
}

fn description(key: &str, entries: &[Entry], id: &Entry, section: Section, sink: &mut Sink) {
    if let Some(entry) = required(key, "Description", entries, id, ("description", section), sink)
        && !entry.is_quoted
    {
        let message = format!("{key}/{}: Description is text in double quotes", id.value);
        sink.error(("description", section), entry.at, message);
    }
}

/// The keys of `order` that are there stand in that order. From 4.4 on that is a recommendation.
fn in_order(key: &str, entries: &[Entry], order: &[&str], section: Section, sink: &mut Sink) {
    let place = |entry: &Entry| order.iter().position(|name| *name == entry.key);
    let places: Vec<(usize, usize)> = entries.iter().filter_map(|entry| Some((place(entry)?, entry.at))).collect();
    if let Some(pair) = places.windows(2).find(|pair| pair[0].0 > pair[1].0) {
        let message = format!("##{key}: the order is {}", order.join(", "));
        sink.error_if(sink.version < Version::V44, ("meta-order", section), pair[1].1, message);
    }
}

fn alt(entries: &[Entry], id: &Entry, definitions: &mut Definitions, sink: &mut Sink) {
    let section = Section::MetaKind(5);
    if id.value.bytes().any(|byte| byte.is_ascii_whitespace() || b"<>,".contains(&byte)) {
        let message = format!("ALT ID {} has a space, a comma or an angle bracket", quoted(id.value.as_bytes()));
        sink.error(("meta-alt", section), id.at, message);
    }
    in_order("ALT", entries, &["ID", "Number", "Type", "Description"], section, sink);
    number_and_type("ALT", entries, section, sink);
    description("ALT", entries, id, section, sink);
    definitions.alts.insert(id.value.into());
}

/// Number and Type of lines that need not have them.
fn number_and_type(key: &str, entries: &[Entry], section: Section, sink: &mut Sink) {
    for entry in entries {
        let fits = match entry.key {
            "Number" => number_of(entry.value, List::Info, sink.version).is_some(),
            "Type" => kind_of(entry.value).is_some(),
            _ => true,
        };
        if !fits {
            let message = format!("##{key} has {}={}, which is not one that exists", entry.key, entry.value);
            sink.error(("meta-field", section), entry.at, message);
        }
    }
}

fn meta(entries: &[Entry], sink: &mut Sink) {
    let section = Section::MetaKind(8);
    let of = |name: &str| entries.iter().find(|entry| entry.key == name).map_or(0, |entry| entry.at);
    if entries.first().is_none_or(|first| first.key != "ID") {
        sink.error_if(sink.version < Version::V44, ("meta-order", section), of("ID"), "##META: ID stands first");
    }
    number_and_type("META", entries, section, sink);
}

fn contig(entries: &[Entry], id: &Entry, definitions: &mut Definitions, sink: &mut Sink) {
    let section = Section::MetaKind(7);
    if let Some(why) = wrong_contig_name(id.value, sink.version) {
        sink.error(("contig-name", section), id.at, format!("contig ID {} {why}", quoted(id.value.as_bytes())));
    }
    let length = entries.iter().find(|entry| entry.key == "length");
    let bp = length.and_then(|entry| entry.value.parse::<i64>().ok()).filter(|&bp| bp >= 0);
    if let (Some(entry), None) = (length, bp) {
        let message = format!("contig/{} has length={}, expected a number", id.value, entry.value);
        sink.error(("contig-length", section), entry.at, message);
    }
    definitions.contigs.entry(id.value.into()).or_insert(bp);
}

/// Why a contig cannot have this name. 4.1 and 4.2 forbid spaces, commas and `:`; 4.3 takes the names of SAM without `<>[]:*`; 4.4
/// and 4.5 those of SAM, `[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*`.
pub fn wrong_contig_name(name: &str, version: Version) -> Option<&'static str> {
    let bytes = name.as_bytes();
    let has = |set: &[u8]| bytes.iter().any(|byte| set.contains(byte));
    if name.is_empty() {
        return Some("is empty");
    }
    if bytes.iter().any(|byte| byte.is_ascii_whitespace() || *byte == b',') {
        return Some("has a space or a comma");
    }
    if has(b"<>") {
        return Some("has an angle bracket");
    }
    if version <= Version::V43 && has(b":") {
        return Some("has a colon, which breakends could not tell from their own");
    }
    if version == Version::V43 && has(b"[]*") {
        return Some("has one of `[]*`");
    }
    if version >= Version::V44 && (has(b"\\\"'`()[]{}") || matches!(bytes[0], b'*' | b'=')) {
        return Some("is not a name that SAM allows");
    }
    (version >= Version::V43 && !bytes.iter().all(u8::is_ascii_graphic))
        .then_some("has a character that is not printable ASCII")
}

/// 4.1 and 4.2 name the genomes of a sample and their mixture; later versions ask for names without marks.
fn sample(entries: &[Entry], id: &Entry, sink: &mut Sink) {
    let rule = ("meta-sample", Section::MetaKind(8));
    if sink.version < Version::V43 {
        for name in ["Genomes", "Mixture", "Description"] {
            required("SAMPLE", name, entries, id, rule, sink);
        }
    } else if id.value.bytes().any(|byte| byte.is_ascii_whitespace() || b"*:<>[](){}".contains(&byte)) {
        sink.error(
            rule,
            id.at,
            format!("SAMPLE ID {} has a character that names do not have", quoted(id.value.as_bytes())),
        );
    }
}

/// Lists whose values are names of genomes.
fn values_of_names(key: &str, entries: &[Entry], sink: &mut Sink) {
    if key != "PEDIGREE" {
        return;
    }
    let is_name = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-+/#@".contains(&byte))
    };
    for entry in entries.iter().filter(|entry| !entry.is_quoted && !is_name(entry.value)) {
        let message = format!("##PEDIGREE: {} is not the name of a genome", quoted(entry.value.as_bytes()));
        sink.error(("pedigree", Section::MetaKind(9)), entry.at, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for good in
            ["ftp://ftp.x.org/a.fa", "https://10.1.2.3:80/x", "file:///tmp/a.fa", "file:/a.fa", "s3://bucket/key"]
        {
            assert!(is_url(good), "{good}");
        }
        for bad in ["", "a.fa", "ftp://8080:8080/x", "http://", "1x://host/", "http://a b/"] {
            assert!(!is_url(bad), "{bad}");
        }
    }

    #[test]
    fn contig_names_by_version() {
        let wrong = |name, version| wrong_contig_name(name, version).is_some();
        assert!(
            !wrong("HLA-A*01:01", Version::V45) && wrong("HLA-A*01:01", Version::V43) && wrong("a:b", Version::V41)
        );
        assert!(!wrong("chrUn_KI270302v1", Version::V41) && wrong("*x", Version::V44) && wrong("a,b", Version::V42));
    }
}
