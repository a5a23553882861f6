//! Numbers as VCF text: the shortest decimal that reads back as the same value.

use crate::decode::vcf::push_int;
use std::io::Write;

/// Whole numbers below this are written without exponent.
const PLAIN_LIMIT: f64 = 1e15;
/// Fractions below this get an exponent, as `1e-05`.
const SMALL_LIMIT: f64 = 1e-4;

/// Appends a float: whole numbers without `.0`, very small and very large ones with an exponent of two digits or more.
pub fn write_float(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    if value.is_nan() {
        out.extend_from_slice(b"nan");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"inf" } else { b"-inf" });
    } else if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() { b"-0" } else { b"0" });
    } else if size < PLAIN_LIMIT && value.trunc() == value {
        push_int(out, value as i64);
    } else if !(SMALL_LIMIT..PLAIN_LIMIT).contains(&size) {
        write_exponent(out, value);
    } else {
        append(out, format_args!("{value}"));
    }
}

/// Appends `value` as `1.5e-05`.
fn write_exponent(out: &mut Vec<u8>, value: f64) {
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', exponent),
    };
    append(out, format_args!("{digits}e{sign}{exponent:0>2}"));
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        write_float(&mut out, value);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn floats_are_short_and_read_back() {
        for (value, expected) in [
            (50.0, "50"),
            (0.0, "0"),
            (-0.0, "-0"),
            (29.999999, "29.999999"),
            (1e-5, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (1e-300, "1e-300"),
            (0.0001, "0.0001"),
            (0.1, "0.1"),
            (1e15, "1e+15"),
            (1e22, "1e+22"),
            (-3.0, "-3"),
            (0.3333333333, "0.3333333333"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(value), expected);
        }
        for value in [1.0 / 3.0, 2e-308, 1.7976931348623157e308, 123456.789, 4e15 / 3.0] {
            assert_eq!(float(value).parse::<f64>().expect("a number"), value);
        }
    }

    #[test]
    fn integers() {
        let mut out = Vec::new();
        for value in [0, -1, 7, i64::MIN, i64::MAX] {
            out.clear();
            push_int(&mut out, value);
            assert_eq!(String::from_utf8_lossy(&out), value.to_string());
        }
    }
}
