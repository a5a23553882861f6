//! A small VCF reader for tests: written against the specification, sharing no code with the program.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::Command;

/// Number and Type of a header line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub number: String,
    pub kind: String,
}

/// The parts of a header that decide how values are read.
#[derive(Clone, Debug, Default)]
pub struct Header {
    pub contigs: Vec<String>,
    pub info: BTreeMap<String, Tag>,
    pub format: BTreeMap<String, Tag>,
    pub samples: Vec<String>,
}

/// One record, fields as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub contig: String,
    pub pos: i64,
    pub id: String,
    pub ref_allele: String,
    pub alt: String,
    pub qual: String,
    pub filter: String,
    pub info: String,
    pub format: String,
    /// The calls, with tabs between them.
    pub calls: String,
}

impl Record {
    /// The call of each sample.
    pub fn samples(&self) -> impl Iterator<Item = &str> {
        self.calls.split('\t').filter(|call| !call.is_empty())
    }

    /// The same record with the bases that REF and its one ALT share taken off, from the right and then from the left.
    pub fn trimmed(&self) -> Record {
        let is_bases = |allele: &str| !allele.is_empty() && allele.bytes().all(|byte| byte.is_ascii_alphabetic());
        let mut record = self.clone();
        let (mut r, mut a) = (self.ref_allele.as_str(), self.alt.as_str());
        if !is_bases(r) || !is_bases(a) || r.eq_ignore_ascii_case(a) {
            return record;
        }
        while r.len().min(a.len()) > 1 && r[r.len() - 1..].eq_ignore_ascii_case(&a[a.len() - 1..]) {
            (r, a) = (&r[..r.len() - 1], &a[..a.len() - 1]);
        }
        while r.len().min(a.len()) > 1 && r[..1].eq_ignore_ascii_case(&a[..1]) {
            (r, a) = (&r[1..], &a[1..]);
            record.pos += 1;
        }
        (record.ref_allele, record.alt) = (r.to_string(), a.to_string());
        record
    }

    /// ALT as a list, empty for `.`.
    pub fn alts(&self) -> Vec<&str> {
        if self.alt == "." { Vec::new() } else { self.alt.split(',').collect() }
    }
}

/// A whole file.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub header: Header,
    pub records: Vec<Record>,
}

/// The text of a VCF in any compression, or of a BCF through bcftools.
pub fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
    let plain = inflate(&bytes);
    let plain = if plain.starts_with(b"BCF") { bcf_as_vcf(path) } else { plain };
    String::from_utf8_lossy(&plain).into_owned()
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes.to_vec();
    }
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain).expect("a gzip file");
    plain
}

fn bcf_as_vcf(path: &Path) -> Vec<u8> {
    let output = Command::new("bcftools").args(["view", "--no-version"]).arg(path).output().expect("bcftools");
    assert!(output.status.success(), "bcftools view {}", path.display());
    output.stdout
}

/// Reads a file.
pub fn read(path: &Path) -> File {
    parse(&text(path))
}

/// Reads a text.
pub fn parse(text: &str) -> File {
    let mut file = File::default();
    for line in text.lines().map(|line| line.strip_suffix('\r').unwrap_or(line)).filter(|line| !line.is_empty()) {
        if let Some(meta) = line.strip_prefix("##") {
            header_line(meta, &mut file.header);
        } else if line.starts_with('#') {
            file.header.samples = line.split('\t').skip(9).map(String::from).collect();
        } else {
            file.records.push(record(line));
        }
    }
    file
}

fn header_line(meta: &str, header: &mut Header) {
    if let Some(body) = meta.strip_prefix("contig=<") {
        header.contigs.extend(attribute(body, "ID"));
    } else if let Some(body) = meta.strip_prefix("INFO=<") {
        header.info.extend(tag(body));
    } else if let Some(body) = meta.strip_prefix("FORMAT=<") {
        header.format.extend(tag(body));
    }
}

fn tag(body: &str) -> Option<(String, Tag)> {
    let id = attribute(body, "ID")?;
    Some((id, Tag { number: attribute(body, "Number")?, kind: attribute(body, "Type")? }))
}

fn attribute(body: &str, key: &str) -> Option<String> {
    let body = body.trim_end_matches('>');
    let start = if body.starts_with(&format!("{key}=")) {
        key.len() + 1
    } else {
        body.find(&format!(",{key}="))? + key.len() + 2
    };
    let rest = &body[start..];
    let end = rest.find(',').unwrap_or(rest.len());
    Some(rest[..end].trim_matches('"').to_string())
}

fn record(line: &str) -> Record {
    let mut fields = line.splitn(10, '\t').map(String::from);
    let mut next = || fields.next().unwrap_or_else(|| ".".into());
    let (contig, pos) = (next(), next());
    Record {
        contig,
        pos: pos.parse().unwrap_or_else(|_| panic!("POS {pos} in {line}")),
        id: next(),
        ref_allele: next(),
        alt: next(),
        qual: next(),
        filter: next(),
        info: next(),
        format: next(),
        calls: fields.next().unwrap_or_default(),
    }
}

/// A record as `field -> value` with values in one canonical spelling, so that two records can be compared:
/// numbers by value, missing trailing fields and lists of `.` as absent, INFO without order.
pub fn canonical(record: &Record, header: &Header) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    fields.insert("SITE".into(), format!("{}:{} {} {}", record.contig, record.pos, record.ref_allele, record.alt));
    fields.insert("ID".into(), record.id.clone());
    fields.insert("QUAL".into(), value(&record.qual, "Float"));
    fields.insert("FILTER".into(), record.filter.clone());
    for entry in record.info.split(';').filter(|entry| !entry.is_empty() && *entry != ".") {
        let (key, text) = entry.split_once('=').unwrap_or((entry, "true"));
        let kind = header.info.get(key).map_or("String", |tag| tag.kind.as_str());
        let text = if kind == "Flag" { "true" } else { text };
        insert(&mut fields, format!("INFO/{key}"), text, kind);
    }
    if record.format == "." {
        return fields;
    }
    let keys: Vec<&str> = record.format.split(':').collect();
    for (sample, call) in record.samples().enumerate() {
        for (key, text) in keys.iter().zip(call.split(':')) {
            let kind = header.format.get(*key).map_or("String", |tag| tag.kind.as_str());
            insert(&mut fields, format!("FORMAT/{key}\t{sample}"), text, kind);
        }
    }
    fields
}

fn insert(fields: &mut BTreeMap<String, String>, key: String, text: &str, kind: &str) {
    let text = if key.starts_with("FORMAT/GT\t") { text.to_string() } else { value(text, kind) };
    if text != "." {
        fields.entry(key).or_insert(text);
    }
}

/// A field in canonical spelling: each item by its type; `.` where every item is missing.
fn value(text: &str, kind: &str) -> String {
    let items: Vec<String> = text.split(',').map(|item| scalar(item, kind)).collect();
    if items.iter().all(|item| item == ".") { ".".into() } else { items.join(",") }
}

fn scalar(item: &str, kind: &str) -> String {
    if item.is_empty() {
        return ".".into();
    }
    match kind {
        "Integer" => item.parse::<i64>().map_or_else(|_| item.to_string(), |number| number.to_string()),
        "Float" => item.parse::<f64>().map_or_else(|_| item.to_string(), |number| format!("{number:?}")),
        _ => item.to_string(),
    }
}

/// Whether two canonical values are the same; floats may differ by `relative`.
pub fn same(a: &str, b: &str, relative: f64) -> bool {
    if a == b {
        return true;
    }
    let (left, right): (Vec<&str>, Vec<&str>) = (a.split(',').collect(), b.split(',').collect());
    relative > 0.0 && left.len() == right.len() && left.iter().zip(&right).all(|(x, y)| close(x, y, relative))
}

fn close(a: &str, b: &str, relative: f64) -> bool {
    if a == b {
        return true;
    }
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) => (x.is_nan() && y.is_nan()) || (x - y).abs() <= relative * x.abs().max(y.abs()),
        _ => false,
    }
}

#[test]
fn values_are_compared_by_their_number() {
    let header =
        parse("##INFO=<ID=AF,Number=A,Type=Float,Description=\"a, b\">\n##FORMAT=<ID=DP,Number=1,Type=Integer>\n")
            .header;
    let parse_one = |line: &str| canonical(&parse(line).records[0], &header);
    let a = parse_one("1\t5\t.\tA\tC\t50.0\tPASS\tAF=1e-1;X\tGT:DP\t0/1:007");
    let b = parse_one("1\t5\t.\tA\tC\t50\tPASS\tX;AF=0.1\tGT:DP\t0/1:7");
    assert_eq!(a, b);
    assert!(same("0.333333,1.0", "0.33333334,1.0", 1e-5) && !same("0.3", "0.4", 1e-5));
}
