//! VCF headers: parsed with the tolerance of htslib, merged over the inputs of a cohort.
//!
//! VCF 4.5 section 1.4. Unknown structured lines are kept as they are.

use crate::error::{Error, Result};
use crate::genome::{Contig, Contigs};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How many values a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Number {
    /// Exactly so many.
    Count(u32),
    /// One per alternate allele (`A`).
    PerAlt,
    /// One per allele, REF first (`R`).
    PerAllele,
    /// One per genotype (`G`).
    PerGenotype,
    /// Unknown or varying (`.`, and the local-allele and base-modification numbers of VCF 4.5).
    Any,
}

/// Type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// 32-bit signed.
    Integer,
    /// Stored as 64-bit.
    Float,
    /// Present or not.
    Flag,
    /// Text.
    Text,
}

/// Definition of one INFO or FORMAT field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FieldDef {
    /// Its ID.
    pub id: String,
    /// How many values.
    pub number: Number,
    /// Of which type.
    pub kind: Kind,
}

/// One parsed header.
#[derive(Clone, Debug, Default)]
pub struct Header {
    /// `VCFv4.x`, empty where the line is missing.
    pub version: String,
    /// Every `##` line but `##fileformat`, without line end, in order.
    pub meta: Vec<Arc<str>>,
    /// INFO definitions in order, IDs unique.
    pub infos: Vec<FieldDef>,
    /// FORMAT definitions in order, IDs unique.
    pub formats: Vec<FieldDef>,
    /// IDs of FILTER lines in order.
    pub filters: Vec<String>,
    /// Contigs in order.
    pub contigs: Arc<Contigs>,
    /// Sample names in column order.
    pub samples: Vec<String>,
    /// What was tolerated.
    pub warnings: Vec<String>,
}

/// Lines and contigs that the headers of many files have in common, kept once.
#[derive(Debug, Default)]
pub struct HeaderPool {
    lines: HashSet<Arc<str>>,
    contigs: Option<(Vec<Arc<str>>, Arc<Contigs>)>,
    /// The text before the `#CHROM` line of the header before, and what it says.
    before: Option<(Vec<u8>, Header)>,
}

/// Length of the lines that begin with `##`.
fn len_of_meta(text: &[u8]) -> usize {
    let mut at = 0;
    while text[at..].starts_with(b"##") {
        at = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |offset| at + offset + 1);
    }
    at
}

impl HeaderPool {
    fn line(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.lines.get(text) {
            return known.clone();
        }
        let line: Arc<str> = text.into();
        self.lines.insert(line.clone());
        line
    }

    /// The contigs of these lines; those of the header before, when they are the same.
    fn contigs(&mut self, lines: Vec<Arc<str>>) -> Arc<Contigs> {
        if let Some((before, contigs)) = &self.contigs
            && *before == lines
        {
            return contigs.clone();
        }
        let contig = |line: &Arc<str>| {
            let (_, fields) = structured_line(line)?;
            let length = fields.get("length").and_then(|text| text.parse().ok());
            Some(Contig { name: fields.get("ID")?.clone(), length })
        };
        let contigs = Arc::new(Contigs::from_list(lines.iter().filter_map(contig)));
        self.contigs = Some((lines, contigs.clone()));
        contigs
    }

    /// Parses a header from its first byte to the end of the `#CHROM` line.
    pub fn parse(&mut self, text: &[u8]) -> Result<Header> {
        let (meta, rest) = text.split_at(len_of_meta(text));
        if let Some((_, before)) = self.before.as_ref().filter(|(known, _)| known == meta && rest.starts_with(b"#")) {
            let mut header = before.clone();
            let line = rest.split(|&byte| byte == b'\n').next().unwrap_or_default();
            let number = meta.split(|&byte| byte == b'\n').count();
            header.columns_line(&String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)), number)?;
            return Ok(header);
        }
        let header = self.parse_anew(text)?;
        self.before = Some((meta.to_vec(), Header { samples: Vec::new(), ..header.clone() }));
        Ok(header)
    }

    fn parse_anew(&mut self, text: &[u8]) -> Result<Header> {
        let mut header = Header::default();
        let mut contig_lines = Vec::new();
        let mut seen_columns = false;
        for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = String::from_utf8_lossy(line);
            if let Some(version) = line.strip_prefix("##fileformat=") {
                header.version = version.trim().to_string();
            } else if line.starts_with("##") {
                let line = self.line(line.trim_end());
                if line.starts_with("##contig=") {
                    contig_lines.push(line.clone());
                } else {
                    header.meta_line(&line);
                }
                header.meta.push(line);
            } else if line.starts_with('#') {
                header.columns_line(&line, number + 1)?;
                seen_columns = true;
                break;
            }
        }
        if !seen_columns {
            return Err(
                Error::bad_data("the header has no #CHROM line").hint("is this a VCF file, and is it complete?")
            );
        }
        if header.version.is_empty() {
            header.warnings.push("the header has no ##fileformat line".into());
        }
        header.contigs = self.contigs(contig_lines);
        Ok(header)
    }
}

impl Header {
    /// Parses a header from its first byte to the end of the `#CHROM` line.
    pub fn parse(text: &[u8]) -> Result<Header> {
        HeaderPool::default().parse(text)
    }

    fn meta_line(&mut self, line: &str) {
        let Some((key, fields)) = structured_line(line) else { return };
        let Some(id) = fields.get("ID").cloned() else { return };
        match key {
            "INFO" | "FORMAT" => {
                let (def, warning) = field_def(key, &id, &fields);
                if let Some(warning) = warning {
                    self.warnings.push(warning);
                }
                let list = if key == "INFO" { &mut self.infos } else { &mut self.formats };
                if list.iter().all(|known| known.id != id) {
                    list.push(def);
                }
            }
            "FILTER" if !self.filters.contains(&id) => self.filters.push(id),
            _ => {}
        }
    }

    fn columns_line(&mut self, line: &str, number: usize) -> Result<()> {
        const FIXED: [&str; 8] = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"];
        let columns: Vec<&str> =
            if line.contains('\t') { line.split('\t').collect() } else { line.split_whitespace().collect() };
        let fixed_found = columns.iter().take(8).copied().collect::<Vec<_>>();
        if fixed_found != FIXED {
            return Err(Error::bad_data(format!(
                "line {number} of the header names the columns {}, expected {}",
                fixed_found.join(" "),
                FIXED.join(" ")
            )));
        }
        if columns.get(8).is_some_and(|&column| column != "FORMAT") {
            return Err(Error::bad_data(format!("column 9 of the header is {:?}, expected FORMAT", columns[8])));
        }
        self.samples = columns.iter().skip(9).map(|name| (*name).to_string()).collect();
        let mut seen = HashMap::new();
        for (index, name) in self.samples.iter().enumerate() {
            if name.is_empty() {
                return Err(Error::bad_data(format!("sample {} of the header has an empty name", index + 1)));
            }
            if let Some(first) = seen.insert(name.as_str(), index) {
                return Err(Error::bad_data(format!(
                    "sample {name} stands twice in the header (samples {} and {})",
                    first + 1,
                    index + 1
                ))
                .hint("give each sample its own name, e.g. with `bcftools reheader -s`"));
            }
        }
        Ok(())
    }

    /// The header as text with `samples` as columns, ending with the `#CHROM` line. Contigs that no line defines get one.
    pub fn to_text(&self, contigs: &Contigs, samples: &[String]) -> String {
        let version = if self.version.is_empty() { "VCFv4.2" } else { &self.version };
        let mut text = format!("##fileformat={version}\n");
        for line in &self.meta {
            text.push_str(line);
            text.push('\n');
        }
        for contig in contigs.iter().filter(|contig| self.contigs.index_of(contig.name.as_bytes()).is_none()) {
            text.push_str(&format!("##contig=<ID={}>\n", contig.name));
        }
        text.push_str("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO");
        if !samples.is_empty() {
            text.push_str("\tFORMAT");
            for sample in samples {
                text.push('\t');
                text.push_str(sample);
            }
        }
        text.push('\n');
        text
    }
}

/// Puts the headers of a cohort together. Costs one look-up for each line that is known already.
#[derive(Debug)]
pub struct HeaderMerger {
    header: Header,
    /// Lines of the header before.
    before: Vec<Arc<str>>,
    lines: HashSet<Arc<str>>,
    ids: HashSet<(String, String)>,
    contigs: Arc<Contigs>,
}

impl HeaderMerger {
    /// Begins with the header of the first input.
    pub fn new(first: &Header) -> Self {
        let mut merger = HeaderMerger {
            header: first.clone(),
            before: first.meta.clone(),
            lines: HashSet::new(),
            ids: HashSet::new(),
            contigs: first.contigs.clone(),
        };
        for line in &first.meta {
            merger.lines.insert(line.clone());
            merger.ids.extend(line_id(line).map(|(key, id)| (key.to_string(), id.to_string())));
        }
        merger
    }

    /// Takes the definitions of another input in; where two definitions of one ID differ, the wider one holds.
    pub fn add(&mut self, other: &Header) {
        self.header.warnings.extend(other.warnings.iter().cloned());
        let is_as_before = self.before.len() == other.meta.len()
            && self.before.iter().zip(&other.meta).all(|(before, line)| Arc::ptr_eq(before, line));
        if is_as_before {
            return;
        }
        self.before.clone_from(&other.meta);
        self.add_definitions(other);
        let header = &mut self.header;
        for filter in &other.filters {
            if !header.filters.contains(filter) {
                header.filters.push(filter.clone());
            }
        }
        let same_contigs = Arc::ptr_eq(&self.contigs, &other.contigs);
        if !same_contigs {
            let contigs = Arc::make_mut(&mut header.contigs);
            other.contigs.iter().for_each(|contig| {
                contigs.add(contig.clone());
            });
            self.contigs = other.contigs.clone();
        }
        for line in other.meta.iter().filter(|line| !(same_contigs && line.starts_with("##contig="))) {
            if self.lines.insert(line.clone()) {
                let id = line_id(line).map(|(key, id)| (key.to_string(), id.to_string()));
                if id.is_none_or(|id| self.ids.insert(id)) {
                    header.meta.push(line.clone());
                }
            }
        }
    }

    fn add_definitions(&mut self, other: &Header) {
        let header = &mut self.header;
        for (key, own, theirs) in
            [("INFO", &mut header.infos, &other.infos), ("FORMAT", &mut header.formats, &other.formats)]
        {
            for def in theirs {
                match own.iter_mut().find(|known| known.id == def.id) {
                    None => own.push(def.clone()),
                    Some(known) if known == def => {}
                    Some(known) => {
                        let wider = wider(known, def);
                        if wider != *known {
                            redefine(&mut header.meta, key, &wider);
                            *known = wider;
                        }
                        header
                            .warnings
                            .push(format!("the inputs define {key}/{} in different ways; the wider holds", def.id));
                    }
                }
            }
        }
    }

    /// The header of the cohort.
    pub fn finish(mut self) -> Header {
        self.header.warnings.sort();
        self.header.warnings.dedup();
        self.header
    }
}

/// Key and fields of a line like `##INFO=<ID=DP,...>`.
pub fn structured_line(line: &str) -> Option<(&str, HashMap<String, String>)> {
    let (key, value) = line.strip_prefix("##")?.split_once('=')?;
    Some((key, parse_structured(value.strip_prefix('<')?)))
}

/// `INFO` and `DP` of `##INFO=<ID=DP,...>`.
fn line_id(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix("##")?.split_once('=')?;
    let rest = value.strip_prefix("<ID=")?;
    let end = rest.find([',', '>'])?;
    Some((key, &rest[..end]))
}

/// The `key=value` pairs of a structured line from behind `<`; values may be quoted.
fn parse_structured(text: &str) -> HashMap<String, String> {
    let mut fields = HashMap::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() && bytes[at] != b'>' {
        let Some(equals) = text[at..].find('=').map(|offset| at + offset) else { break };
        let key = text[at..equals].trim().trim_start_matches(',').to_string();
        at = equals + 1;
        let mut value = Vec::new();
        if bytes.get(at) == Some(&b'"') {
            at += 1;
            while at < bytes.len() && bytes[at] != b'"' {
                if bytes[at] == b'\\' && at + 1 < bytes.len() {
                    at += 1;
                }
                value.push(bytes[at]);
                at += 1;
            }
            at += 1;
        } else {
            while at < bytes.len() && bytes[at] != b',' && bytes[at] != b'>' {
                value.push(bytes[at]);
                at += 1;
            }
        }
        fields.entry(key).or_insert_with(|| String::from_utf8_lossy(&value).into_owned());
        if bytes.get(at) == Some(&b',') {
            at += 1;
        }
    }
    fields
}

fn field_def(key: &str, id: &str, fields: &HashMap<String, String>) -> (FieldDef, Option<String>) {
    let mut warning = None;
    let number = match fields.get("Number").map(String::as_str) {
        Some("A") => Number::PerAlt,
        Some("R") => Number::PerAllele,
        Some("G") => Number::PerGenotype,
        Some("." | "LA" | "LR" | "LG" | "P" | "M" | "-1") => Number::Any,
        Some(text) => match text.parse() {
            Ok(count) => Number::Count(count),
            Err(_) => {
                warning = Some(format!("{key}/{id} has Number={text}, which is no number; taken as Number=."));
                Number::Any
            }
        },
        None => {
            warning = Some(format!("{key}/{id} has no Number; taken as Number=."));
            Number::Any
        }
    };
    let kind = match fields.get("Type").map(|text| text.to_ascii_lowercase()).as_deref() {
        Some("integer") => Kind::Integer,
        Some("float") => Kind::Float,
        Some("flag") => Kind::Flag,
        Some("string" | "character") => Kind::Text,
        other => {
            let found = other.unwrap_or("nothing");
            warning = Some(format!("{key}/{id} has the type {found}; taken as String"));
            Kind::Text
        }
    };
    // A flag has no value and everything without a value is a flag; FORMAT has no flags.
    let (number, kind) = match (key, number, kind) {
        ("INFO", _, Kind::Flag) | ("INFO", Number::Count(0), _) => (Number::Count(0), Kind::Flag),
        ("FORMAT", number, Kind::Flag) => (number, Kind::Text),
        ("FORMAT", Number::Count(0), kind) => (Number::Any, kind),
        (_, number, kind) => (number, kind),
    };
    // GT is text by specification (section 1.6.2), whatever a header says.
    let (number, kind) = if key == "FORMAT" && id == "GT" { (Number::Count(1), Kind::Text) } else { (number, kind) };
    (FieldDef { id: id.to_string(), number, kind }, warning)
}

/// Writes the line of a definition anew, its description kept.
fn redefine(meta: &mut [Arc<str>], key: &str, def: &FieldDef) {
    let Some(line) = meta.iter_mut().find(|line| line_id(line) == Some((key, &def.id))) else { return };
    let number = match def.number {
        Number::Count(count) => count.to_string(),
        Number::PerAlt => "A".into(),
        Number::PerAllele => "R".into(),
        Number::PerGenotype => "G".into(),
        Number::Any => ".".into(),
    };
    let kind = match def.kind {
        Kind::Integer => "Integer",
        Kind::Float => "Float",
        Kind::Flag => "Flag",
        Kind::Text => "String",
    };
    let description =
        structured_line(line).and_then(|(_, fields)| fields.get("Description").cloned()).unwrap_or_default();
    let description = description.replace('\\', "\\\\").replace('"', "\\\"");
    *line = format!("##{key}=<ID={},Number={number},Type={kind},Description=\"{description}\">", def.id).into();
}

fn wider(a: &FieldDef, b: &FieldDef) -> FieldDef {
    let number = if a.number == b.number { a.number } else { Number::Any };
    let kind = match (a.kind, b.kind) {
        (a, b) if a == b => a,
        (Kind::Integer, Kind::Float) | (Kind::Float, Kind::Integer) => Kind::Float,
        _ => Kind::Text,
    };
    FieldDef { id: a.id.clone(), number, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &[u8] =
        b"##fileformat=VCFv4.3\n##INFO=<ID=DP,Number=1,Type=Integer,Description=\"a, \\\"b\\\" > c\">\n\
##INFO=<ID=DB,Number=0,Type=Flag,Description=\"x\">\n##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"x\">\n\
##contig=<ID=chr1,length=100>\n##FILTER=<ID=q10,Description=\"x\">\n\
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\nrest";

    #[test]
    fn definitions_contigs_and_samples() {
        let header = Header::parse(SMALL).expect("a header");
        assert_eq!(header.samples, ["a", "b"]);
        assert_eq!(header.infos[0], FieldDef { id: "DP".into(), number: Number::Count(1), kind: Kind::Integer });
        assert_eq!(header.infos[1].kind, Kind::Flag);
        assert_eq!(header.formats[0].number, Number::PerAllele);
        assert_eq!(header.contigs.get(0), &Contig { name: "chr1".into(), length: Some(100) });
        assert_eq!(header.filters, ["q10"]);
    }

    #[test]
    fn the_wider_definition_holds() {
        let mut merger = HeaderMerger::new(&Header::parse(SMALL).expect("a header"));
        let other = String::from_utf8_lossy(SMALL).replace("ID=DP,Number=1,Type=Integer", "ID=DP,Number=.,Type=Float");
        merger.add(&Header::parse(other.as_bytes()).expect("a header"));
        let a = merger.finish();
        assert_eq!(a.infos[0], FieldDef { id: "DP".into(), number: Number::Any, kind: Kind::Float });
        assert_eq!(a.warnings.len(), 1);
        let text = a.to_text(&a.contigs, &a.samples);
        assert!(text.contains("##INFO=<ID=DP,Number=.,Type=Float,Description=\"a, \\\"b\\\" > c\">"), "{text}");
    }

    #[test]
    fn what_headers_have_in_common_is_kept_once() {
        let mut pool = HeaderPool::default();
        let first = pool.parse(SMALL).expect("a header");
        let other = String::from_utf8_lossy(SMALL).replace("ID=q10", "ID=q20");
        let second = pool.parse(other.as_bytes()).expect("a header");
        assert!(Arc::ptr_eq(&first.contigs, &second.contigs) && Arc::ptr_eq(&first.meta[0], &second.meta[0]));
        let mut merger = HeaderMerger::new(&first);
        merger.add(&second);
        merger.add(&second);
        let merged = merger.finish();
        assert_eq!((merged.filters.len(), merged.meta.len(), merged.contigs.len()), (2, first.meta.len() + 1, 1));
    }

    #[test]
    fn a_header_that_differs_in_its_samples_only_is_read_as_any_other() {
        let small = String::from_utf8_lossy(SMALL).into_owned();
        let with_samples = |names: &str| {
            let meta = &small[..len_of_meta(small.as_bytes())];
            format!("{meta}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{names}\n")
        };
        let mut pool = HeaderPool::default();
        for names in ["a", "b\tc", "d\td", "e"] {
            let text = with_samples(names);
            let (pooled, alone) = (pool.parse(text.as_bytes()), Header::parse(text.as_bytes()));
            match (pooled, alone) {
                (Ok(pooled), Ok(alone)) => assert_eq!(format!("{pooled:?}"), format!("{alone:?}")),
                (Err(pooled), Err(alone)) => assert_eq!(pooled.message(), alone.message()),
                _ => panic!("{names}"),
            }
        }
        let cut = &small[..len_of_meta(small.as_bytes())];
        let wrong = format!("{cut}#CHROM\tPOS\tREF\n");
        let messages = [pool.parse(wrong.as_bytes()), Header::parse(wrong.as_bytes())]
            .map(|result| result.expect_err("must fail").message().to_string());
        assert_eq!(messages[0], messages[1]);
        pool.parse(cut.as_bytes()).expect_err("there is no #CHROM line");
    }

    #[test]
    fn a_sample_twice_is_an_error() {
        let text = b"##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\ta\n";
        assert!(Header::parse(text).expect_err("must fail").message().contains("stands twice"));
    }
}
