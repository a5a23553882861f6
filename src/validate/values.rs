//! Values by type and number: INFO, and what samples share with it. VCF 4.5 sections 1.3 and 1.6.1.

use super::finding::{Rule, Sink, quoted};
use super::meta::{Definition, Kind, Number, is_field_id};
use super::record::{Context, Field, definition};
use super::reserved::{List, is_count, reserved};
use super::version::{Section, Version};

/// Least integer: those below stand for other things in BCF.
const LEAST: i64 = i32::MIN as i64 + 8;

/// Checks INFO.
pub fn info(field: Field, n_alts: usize, context: &mut Context, sink: &mut Sink) {
    if field.text == b"." {
        return;
    }
    let rule = ("info", Section::Fixed(8));
    let mut seen: Vec<&[u8]> = Vec::new();
    for entry in field.split(b';') {
        let equals = memchr::memchr(b'=', entry.text);
        let key = &entry.text[..equals.unwrap_or(entry.text.len())];
        if entry.text.is_empty() {
            // one `;` at the end is common
            sink.error(rule, entry.at, "INFO has an empty entry: `;` stands between entries");
            continue;
        }
        if seen.contains(&key) {
            sink.error(rule, entry.at, format!("INFO has the key {} twice", quoted(key)));
        }
        seen.push(key);
        let name = std::str::from_utf8(key).unwrap_or_default();
        if !is_field_id(name) && name != "1000G" {
            let message = format!("INFO key {} is not a letter or `_`, then letters, digits, `_`, `.`", quoted(key));
            let is_space = key.is_empty() || key.iter().any(u8::is_ascii_whitespace);
            sink.error_if(is_space || sink.version >= Version::V43, rule, entry.at, message);
            continue;
        }
        let value = equals.map(|at| Field { text: &entry.text[at + 1..], at: entry.at + at + 1 });
        let found = definition(List::Info, key, entry.at, context, sink);
        info_value(name, value, found, n_alts, sink);
    }
}

fn info_value(key: &str, value: Option<Field>, found: Option<Definition>, n_alts: usize, sink: &mut Sink) {
    let rule = ("info", Section::Fixed(8));
    let Some(value) = value else {
        if let Some(definition) =
            found.filter(|definition| definition.kind != Kind::Flag && definition.number != Number::Any)
        {
            sink.error(rule, 0, format!("INFO/{key} has no value, expected {}", words(definition)));
        }
        return;
    };
    if sink.version < Version::V43 && value.text.iter().any(u8::is_ascii_whitespace) {
        sink.error(rule, value.at, format!("INFO/{key} has a space"));
    }
    if value.text.contains(&b'=') {
        sink.warning(rule, value.at, format!("INFO/{key} has `=` in its value"));
    }
    let Some(definition) = found else { return };
    if definition.kind == Kind::Flag {
        return flag(key, value, sink);
    }
    // a site has no ploidy; and a text in quotes is one value, whatever is in it
    let number = match definition.number {
        Number::PerGenotype => Vec::new(),
        _ if value.text.starts_with(b"\"") => Vec::new(),
        number => expected(number, n_alts, &[]),
    };
    array(("INFO", key, List::Info), value, definition, &number, rule, sink);
}

/// A flag has no value. `0` and `1` are what some programs write for a reserved one.
fn flag(key: &str, value: Field, sink: &mut Sink) {
    let is_common = matches!(value.text, b"0" | b"1") && reserved(List::Info, key, sink.version).is_some();
    let message = format!("INFO/{key} is a flag, which has no value, and here has {}", quoted(value.text));
    sink.error_if(!is_common, ("info", Section::Fixed(8)), value.at, message);
}

/// How many values are right; empty: any number. `ploidies`: those that are possible.
pub fn expected(number: Number, n_alts: usize, ploidies: &[usize]) -> Vec<usize> {
    match number {
        Number::Count(n) => vec![n as usize],
        Number::PerAlt => vec![n_alts],
        Number::PerAllele => vec![n_alts + 1],
        Number::PerGenotype => ploidies.iter().map(|&ploidy| n_genotypes(n_alts + 1, ploidy)).collect(),
        Number::Any => Vec::new(),
    }
}

/// Unordered genotypes of `ploidy` alleles out of `n_alleles`: (n + p - 1) over p.
fn n_genotypes(n_alleles: usize, ploidy: usize) -> usize {
    (1..=ploidy).fold(1, |product: usize, i| product.saturating_mul(n_alleles + i - 1) / i)
}

fn words(definition: Definition) -> String {
    let number = match definition.number {
        Number::Count(n) => n.to_string(),
        Number::PerAlt => "A".into(),
        Number::PerAllele => "R".into(),
        Number::PerGenotype => "G".into(),
        Number::Any => ".".into(),
    };
    format!("Number={number}, Type={}", type_name(definition.kind))
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "Integer",
        Kind::Float => "Float",
        Kind::Flag => "Flag",
        Kind::Character => "Character",
        Kind::Text => "String",
    }
}

/// Checks a list of values. `what`: column, key, list; `number`: see [`expected`].
pub fn array(
    what: (&str, &str, List),
    value: Field,
    definition: Definition,
    number: &[usize],
    rule: Rule,
    sink: &mut Sink,
) {
    let (column, key, list) = what;
    if value.text == b"." {
        return;
    }
    let mut n = 0;
    for item in value.split(b',') {
        n += 1;
        if item.text == b"." {
            continue;
        }
        if let Some(why) = wrong_value(item.text, definition.kind) {
            let message = format!("{column}/{key} has {}, {why}", quoted(item.text));
            sink.error(("type", rule.1), item.at, message);
        } else if is_count(list, key) && definition.kind != Kind::Text && item.text.starts_with(b"-") {
            sink.error(
                ("range", rule.1),
                item.at,
                format!("{column}/{key} is {}, which is below zero", quoted(item.text)),
            );
        } else if list == List::Info && key == "AF" && float(item.text).is_some_and(|af| af > 1.0) {
            sink.error(
                ("range", rule.1),
                item.at,
                format!("INFO/AF is {}, a frequency is at most 1", quoted(item.text)),
            );
        }
    }
    if !number.is_empty() && !number.contains(&n) {
        let expected: Vec<String> = number.iter().map(usize::to_string).collect();
        let (plural, expected) = (if n == 1 { "" } else { "s" }, expected.join(" or "));
        let message = format!("{column}/{key} has {n} value{plural}, expected {expected} ({})", words(definition));
        sink.error(("number", rule.1), value.at, message);
    }
}

/// Why a text is no value of this type.
fn wrong_value(text: &[u8], kind: Kind) -> Option<String> {
    match kind {
        Kind::Integer => match integer(text) {
            None => Some("expected an integer".into()),
            Some(value) if value > i64::from(i32::MAX) || value < LEAST => {
                Some(format!("expected an integer from {LEAST} to {}", i32::MAX))
            }
            Some(_) => None,
        },
        Kind::Float => float(text).is_none().then(|| "expected a number".into()),
        Kind::Character => {
            // a character may be written as a percent code
            let n = String::from_utf8_lossy(text).chars().count();
            (n != 1 && !(n == 3 && text[0] == b'%')).then(|| "expected one character".into())
        }
        Kind::Flag | Kind::Text => None,
    }
}

fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let fits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| fits)?;
    Some(text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX }))
}

/// `[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?`, also `1.`, INF, INFINITY, NAN in any case. VCF 4.5 section 1.3.
pub fn float(text: &[u8]) -> Option<f64> {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let is_number = unsigned.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'.');
    let is_name = [&b"inf"[..], b"infinity", b"nan"].iter().any(|name| unsigned.eq_ignore_ascii_case(name));
    std::str::from_utf8(text).ok().filter(|_| is_number || is_name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for good in ["0", "-1.5", "+.5", "1e-200", "5.3E+10", "Inf", "-infinity", "NaN", "1."] {
            assert!(float(good.as_bytes()).is_some(), "{good}");
        }
        for bad in ["", ".", "-", "1x", "0x10", "e5", "1e", "1,5", "infinite"] {
            assert!(float(bad.as_bytes()).is_none(), "{bad}");
        }
        assert_eq!((integer(b"-12"), integer(b"1.0"), integer(b"")), (Some(-12), None, None));
        assert!(
            wrong_value(b"-2147483641", Kind::Integer).is_some()
                && wrong_value(b"-2147483640", Kind::Integer).is_none()
        );
    }

    #[test]
    fn genotypes_are_counted() {
        assert_eq!((n_genotypes(2, 2), n_genotypes(3, 2), n_genotypes(2, 1), n_genotypes(3, 3)), (3, 6, 2, 10));
    }
}
