//! The fixed fields of a data line. VCF 4.5 section 1.6.1.

use super::finding::{Sink, quoted};
use super::meta::{Definitions, wrong_contig_name};
use super::order::Order;
use super::reserved::List;
use super::version::{Section, Version};
use super::{samples, values};
use memchr::memchr_iter;

/// What the lines before say.
#[derive(Debug, Default)]
pub struct Context {
    /// Of the header.
    pub definitions: Definitions,
    /// Columns for samples.
    pub n_samples: usize,
    /// Whether the header has the column FORMAT.
    pub has_format: bool,
    /// Of the records.
    pub order: Order,
    /// Things that are warned of once.
    pub warned: std::collections::HashSet<String>,
}

impl Context {
    /// Whether something is warned of for the first time.
    pub fn is_new(&mut self, what: impl Into<String>) -> bool {
        self.warned.insert(what.into())
    }
}

/// One field of a line: its text and its first byte in the line.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// Text.
    pub text: &'a [u8],
    /// 0-based.
    pub at: usize,
}

impl<'a> Field<'a> {
    /// Its parts between separators.
    pub fn split(self, separator: u8) -> impl Iterator<Item = Field<'a>> {
        let mut at = self.at;
        self.text.split(move |&byte| byte == separator).map(move |text| {
            let part = Field { text, at };
            at += text.len() + 1;
            part
        })
    }
}

/// Checks a data line.
pub fn check(line: &[u8], context: &mut Context, sink: &mut Sink) {
    let mut ends: Vec<usize> = memchr_iter(b'\t', line).collect();
    ends.push(line.len());
    let start = |i: usize| if i == 0 { 0 } else { ends[i - 1] + 1 };
    let field = |i: usize| Field { text: &line[start(i)..ends[i]], at: start(i) };
    let expected = if context.has_format { 9 + context.n_samples } else { 8 };
    if ends.len() != expected {
        let message = format!("the line has {} fields, the header {expected} columns", ends.len());
        sink.error(("columns", Section::Data), line.len().min(start(expected.min(ends.len()) - 1)), message);
    }
    if ends.len() < 8 {
        return;
    }
    let pos = position(field(1), context, field(0).text, sink);
    contig(field(0), context, sink);
    if let Some(pos) = pos {
        context.order.place(field(0).text, pos, sink);
    }
    id(field(2), sink);
    let ref_is_bases = reference(field(3), sink);
    let n_alts = alternates(field(4), (field(3).text, ref_is_bases && pos.is_some()), context, sink);
    quality(field(5), sink);
    filter(field(6), context, sink);
    values::info(field(7), n_alts, context, sink);
    if ends.len() > 8 {
        let columns = (9..ends.len()).map(field);
        samples::check(field(8), columns, n_alts, context, sink);
    }
}

fn contig(field: Field, context: &mut Context, sink: &mut Sink) {
    let name = field.text.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">")).unwrap_or(field.text);
    let Ok(name) = std::str::from_utf8(name) else { return };
    if let Some(why) = wrong_contig_name(name, sink.version) {
        // 4.1 and 4.2 say no more than that there are no spaces and colons
        return sink.error(("contig-name", Section::Fixed(1)), field.at, format!("CHROM {} {why}", quoted(field.text)));
    }
    if !context.definitions.contigs.contains_key(name) && context.is_new(format!("contig {name}")) {
        let message = format!("the header does not define the contig {name}");
        sink.warning(("undefined-contig", Section::MetaKind(7)), field.at, message);
    }
}

fn position(field: Field, context: &Context, contig: &[u8], sink: &mut Sink) -> Option<i64> {
    let digits = !field.text.is_empty() && field.text.iter().all(u8::is_ascii_digit);
    let pos = std::str::from_utf8(field.text).ok().filter(|_| digits).and_then(|text| text.parse::<i64>().ok());
    let Some(pos) = pos.filter(|&pos| pos <= i64::from(i32::MAX)) else {
        let message = format!("POS is {}, expected a number from 0 to {}", quoted(field.text), i32::MAX);
        sink.error(("pos", Section::Fixed(2)), field.at, message);
        return None;
    };
    let length =
        std::str::from_utf8(contig).ok().and_then(|name| context.definitions.contigs.get(name).copied().flatten());
    if let Some(length) = length.filter(|&length| pos > length + 1) {
        let message = format!("POS {pos} is behind the end of the contig, which has {length} bases");
        sink.error(("pos", Section::Fixed(2)), field.at, message);
    }
    Some(pos)
}

fn has_space(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_whitespace)
}

fn id(field: Field, sink: &mut Sink) {
    let rule = ("id", Section::Fixed(3));
    if field.text.is_empty() || has_space(field.text) {
        return sink.error(rule, field.at, format!("ID {} is empty or has a space", quoted(field.text)));
    }
    let parts: Vec<Field> = field.split(b';').collect();
    for (i, part) in parts.iter().enumerate() {
        if part.text.is_empty() {
            sink.error(rule, part.at, "ID has an empty part: `;` stands between identifiers");
        } else if parts[..i].iter().any(|before| before.text == part.text) {
            sink.error_if(sink.version >= Version::V43, rule, part.at, format!("ID has {} twice", quoted(part.text)));
        }
    }
}

fn is_bases(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| b"ACGTN".contains(&byte.to_ascii_uppercase()))
}

/// Whether REF is bases.
fn reference(field: Field, sink: &mut Sink) -> bool {
    if is_bases(field.text) {
        return true;
    }
    let message = format!("REF is {}, expected bases: A, C, G, T or N", quoted(field.text));
    sink.error(("ref", Section::Fixed(4)), field.at, message);
    false
}

/// Number of alternate alleles. `reference`: REF, and whether variants can be compared.
fn alternates(field: Field, reference: (&[u8], bool), context: &mut Context, sink: &mut Sink) -> usize {
    let rule = ("alt", Section::Fixed(5));
    if field.text == b"." {
        return 0;
    }
    let mut n = 0;
    for allele in field.split(b',') {
        n += 1;
        match kind(allele.text) {
            Allele::Bases => {
                if allele.text.eq_ignore_ascii_case(reference.0) {
                    sink.error(rule, allele.at, format!("ALT {} is the same as REF", quoted(allele.text)));
                } else if reference.1 {
                    context.order.allele(reference.0, allele.text, allele.at, sink);
                }
            }
            Allele::Symbolic(name) => {
                let first = name.split(':').next().unwrap_or_default();
                let known = matches!(first, "*" | "NON_REF") || context.definitions.alts.contains(name);
                if !known && context.is_new(format!("alt {name}")) {
                    let message = format!("the header does not define the symbolic allele <{}>", name.escape_debug());
                    sink.warning(("undefined-alt", Section::MetaKind(5)), allele.at, message);
                }
            }
            Allele::Other => {}
            Allele::Wrong => {
                let message =
                    format!("ALT {} is not bases, `*`, a symbol in `<` and `>`, nor a breakend", quoted(allele.text));
                sink.error(rule, allele.at, message);
            }
        }
    }
    n
}

enum Allele<'a> {
    Bases,
    Symbolic(&'a str),
    /// `*`, a breakend.
    Other,
    Wrong,
}

fn kind(text: &[u8]) -> Allele<'_> {
    if is_bases(text) {
        return Allele::Bases;
    }
    if let Some(name) = text.strip_prefix(b"<").and_then(|rest| rest.strip_suffix(b">")) {
        let wrong = |byte: &u8| byte.is_ascii_whitespace() || b"<>,".contains(byte);
        return match std::str::from_utf8(name) {
            Ok(name) if !name.is_empty() && !name.bytes().any(|byte| wrong(&byte)) => Allele::Symbolic(name),
            _ => Allele::Wrong,
        };
    }
    if text == b"*" || is_single_breakend(text) || is_breakend(text) { Allele::Other } else { Allele::Wrong }
}

/// `.A`, `A.`
fn is_single_breakend(text: &[u8]) -> bool {
    let bases = text.strip_prefix(b".").or_else(|| text.strip_suffix(b"."));
    bases.is_some_and(is_bases)
}

/// `t[p[`, `t]p]`, `]p]t`, `[p[t`: p is contig:pos, with the contig in angle brackets where it is of an assembly file.
/// VCF 4.5 section 5.4.
fn is_breakend(text: &[u8]) -> bool {
    let Some(open) = text.iter().position(|byte| b"[]".contains(byte)) else { return false };
    let mark = text[open];
    let Some(close) = text[open + 1..].iter().position(|&byte| byte == mark).map(|offset| open + 1 + offset) else {
        return false;
    };
    let (left, mate, right) = (&text[..open], &text[open + 1..close], &text[close + 1..]);
    let Some(colon) = mate.iter().rposition(|&byte| byte == b':') else { return false };
    let pos = &mate[colon + 1..];
    let place = colon > 0 && !pos.is_empty() && pos.iter().all(u8::is_ascii_digit);
    let sides = |one: &[u8], other: &[u8]| (is_bases(one) || one == b".") && other.is_empty();
    place && (sides(left, right) || sides(right, left))
}

fn quality(field: Field, sink: &mut Sink) {
    let rule = ("qual", Section::Fixed(6));
    if field.text == b"." {
        return;
    }
    match values::float(field.text) {
        None => sink.error(rule, field.at, format!("QUAL is {}, expected a number or `.`", quoted(field.text))),
        Some(value) if value < 0.0 => {
            sink.error(rule, field.at, format!("QUAL is {value}, a Phred value is not below zero"))
        }
        Some(_) => {}
    }
}

fn filter(field: Field, context: &mut Context, sink: &mut Sink) {
    let rule = ("filter", Section::Fixed(7));
    if matches!(field.text, b"." | b"PASS") {
        return;
    }
    if has_space(field.text) {
        return sink.error(rule, field.at, format!("FILTER {} has a space", quoted(field.text)));
    }
    let parts: Vec<Field> = field.split(b';').collect();
    for (i, part) in parts.iter().enumerate() {
        let name = String::from_utf8_lossy(part.text);
        if part.text.is_empty() {
            sink.error(rule, part.at, "FILTER has an empty part: `;` stands between names");
        } else if &*name == "0" {
            sink.error(rule, part.at, "`0` is reserved and not the name of a filter");
        } else if matches!(&*name, "PASS" | ".") {
            sink.error(rule, part.at, format!("{name} stands beside the names of filters that failed"));
        } else if parts[..i].iter().any(|before| before.text == part.text) {
            sink.error(rule, part.at, format!("FILTER has {} twice", quoted(part.text)));
        } else if !context.definitions.filters.contains(&*name) && context.is_new(format!("filter {name}")) {
            let message = format!("the header does not define the filter {}", quoted(part.text));
            sink.warning(("undefined-filter", Section::MetaKind(3)), part.at, message);
        }
    }
}

/// The definition of a key, with a warning where the header has none.
pub fn definition(
    list: List,
    key: &[u8],
    at: usize,
    context: &mut Context,
    sink: &mut Sink,
) -> Option<super::meta::Definition> {
    let key = std::str::from_utf8(key).ok()?;
    if context.definitions.defined(list, key).is_none() {
        let (name, section) = match list {
            List::Info => ("INFO", Section::MetaKind(2)),
            List::Format => ("FORMAT", Section::MetaKind(4)),
        };
        if context.is_new(format!("{name} {key}")) {
            sink.warning(
                ("undefined-field", section),
                at,
                format!("the header does not define {name}/{}", key.escape_debug()),
            );
        }
    }
    context.definitions.lookup(list, key, sink.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breakends() {
        for good in ["G]17:198982]", "]13:123456]T", "C[2:321682[", "[<ctg1>:7[A", "GT[HLA-A*01:01:5[", ".[2:5["] {
            assert!(is_breakend(good.as_bytes()), "{good}");
        }
        for bad in ["[1:100[", "A[1:100]", "A[1[", "A[1:x[", "A[:1[", "A[1:100[T", "[]", "A"] {
            assert!(!is_breakend(bad.as_bytes()), "{bad}");
        }
    }
}
