//! FORMAT and the sample columns. VCF 4.5 section 1.6.2.

use super::finding::{Rule, Sink, quoted};
use super::meta::{Definition, is_field_id};
use super::record::{Context, Field, definition};
use super::reserved::List;
use super::values::{array, expected};
use super::version::{Section, Version};

const RULE: Rule = ("sample", Section::Genotypes);
const FORMAT: Rule = ("format", Section::Genotypes);

/// One field of FORMAT.
struct Key<'a> {
    name: &'a str,
    definition: Option<Definition>,
}

/// Checks FORMAT and every sample.
pub fn check<'a>(
    format: Field<'a>,
    columns: impl Iterator<Item = Field<'a>>,
    n_alts: usize,
    context: &mut Context,
    sink: &mut Sink,
) {
    let keys = keys(format, context, sink);
    for (i, column) in columns.enumerate() {
        let n_fields = column.text.iter().filter(|&&byte| byte == b':').count() + 1;
        if n_fields > keys.len() {
            let message = format!("sample {} has {n_fields} fields, FORMAT has {}", i + 1, keys.len());
            sink.error(RULE, column.at, message);
        }
        sample(column, &keys, n_alts, sink);
    }
}

fn keys<'a>(format: Field<'a>, context: &mut Context, sink: &mut Sink) -> Vec<Key<'a>> {
    let mut keys: Vec<Key> = Vec::new();
    if format.text == b"." {
        return keys;
    }
    for (i, key) in format.split(b':').enumerate() {
        let name = std::str::from_utf8(key.text).unwrap_or_default();
        let mut known = None;
        if !is_field_id(name) {
            let message =
                format!("FORMAT key {} is not a letter or `_`, then letters, digits, `_`, `.`", quoted(key.text));
            sink.error(FORMAT, key.at, message);
        } else {
            known = definition(List::Format, key.text, key.at, context, sink);
        }
        if keys.iter().any(|before| before.name == name) {
            sink.error(FORMAT, key.at, format!("FORMAT has the key {} twice", quoted(key.text)));
        }
        if name == "GT" && i > 0 {
            sink.error(FORMAT, key.at, "GT stands first in FORMAT");
        }
        keys.push(Key { name, definition: known });
    }
    keys
}

fn sample(column: Field, keys: &[Key], n_alts: usize, sink: &mut Sink) {
    // without GT, or with one that says nothing, a sample may have one copy or two
    let mut ploidies = vec![1, 2];
    for (key, field) in keys.iter().zip(column.split(b':')) {
        if key.name == "GT" {
            match genotype(field, n_alts, sink) {
                Some(1) if field.text == b"." => {}
                Some(ploidy) => ploidies = vec![ploidy],
                None => {}
            }
            continue;
        }
        let Some(definition) = key.definition else { continue };
        // a list without an element (4.5, local alleles), and a trailing field that was left out
        if field.text.is_empty() {
            if sink.version < Version::V45 {
                sink.error(RULE, field.at, format!("{} is empty, a missing value is `.`", key.name));
            }
            continue;
        }
        let number = expected(definition.number, n_alts, &ploidies);
        array(("FORMAT", key.name, List::Format), field, definition, &number, RULE, sink);
    }
}

/// Ploidy of a genotype: alleles with `/` or `|` between them, from 4.4 on also before the first.
fn genotype(field: Field, n_alts: usize, sink: &mut Sink) -> Option<usize> {
    let rule = ("genotype", Section::Genotypes);
    let is_mark = |byte: &u8| matches!(byte, b'/' | b'|');
    let text = match field.text {
        [mark, rest @ ..] if is_mark(mark) && sink.version >= Version::V44 => rest,
        text => text,
    };
    let mut ploidy = 0;
    for allele in text.split(is_mark) {
        ploidy += 1;
        let digits = !allele.is_empty() && allele.iter().all(u8::is_ascii_digit);
        if !digits && allele != b"." {
            sink.error(
                rule,
                field.at,
                format!("GT is {}, expected alleles with `/` or `|` between them", quoted(field.text)),
            );
            return None;
        }
        let index = std::str::from_utf8(allele).ok().filter(|_| digits).map(|text| text.parse().unwrap_or(usize::MAX));
        if index.is_some_and(|index| index > n_alts) {
            let message = format!("GT {} names an allele that is not there: ALT has {n_alts}", quoted(field.text));
            sink.error(rule, field.at, message);
        }
    }
    Some(ploidy)
}
