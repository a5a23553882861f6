//! A whole text: its lines in turn, and what they say together.

use super::finding::{Finding, Sink, quoted};
use super::meta;
use super::record::{self, Context};
use super::version::{Section, Version};
use crate::decode::bgzf::stream_error;
use crate::error::Result;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};

const COLUMNS: [&str; 8] = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"];

/// Reads `text` to its end and gives `take` what is wrong, in the order of lines. Returns the number of errors. Fails where the
/// text cannot be read.
pub fn validate(text: impl Read, take: &mut dyn FnMut(Finding)) -> Result<u64> {
    let mut reader = BufReader::with_capacity(1 << 18, text);
    let mut sink = Sink::new(take);
    let mut checker = Checker::default();
    let mut line = Vec::new();
    let mut ends = true;
    loop {
        line.clear();
        let n = reader.read_until(b'\n', &mut line).map_err(stream_error)?;
        if n == 0 {
            break;
        }
        sink.line += 1;
        ends = line.pop_if(|last| *last == b'\n').is_some();
        line.pop_if(|last| *last == b'\r');
        checker.line(&line, &mut sink);
    }
    checker.end(ends, &mut sink);
    Ok(sink.n_errors)
}

#[derive(Default)]
struct Checker {
    context: Context,
    /// Whether the `#CHROM` line has come.
    in_data: bool,
}

impl Checker {
    fn line(&mut self, line: &[u8], sink: &mut Sink) {
        if sink.line == 1 {
            return first_line(line, sink);
        }
        self.characters(line, sink);
        let text = String::from_utf8_lossy(line);
        if self.in_data {
            match line {
                [] => sink.error(("empty-line", Section::Data), 0, "an empty line"),
                [b'#', ..] => sink.error(("meta-form", Section::Meta), 0, "a line of the header among the records"),
                _ => record::check(line, &mut self.context, sink),
            }
        } else if text.starts_with("##") {
            meta::check(text.trim_end(), &mut self.context.definitions, sink);
        } else if text.starts_with("#CHROM") {
            self.columns(&text, sink);
        } else {
            let message = format!("{} is no line of a header, expected `##key=value` or `#CHROM`", quoted(line));
            sink.error(("meta-form", Section::Meta), 0, message);
        }
    }

    /// UTF-8 from 4.3 on, ASCII before.
    fn characters(&mut self, line: &[u8], sink: &mut Sink) {
        let rule = ("characters", Section::Characters);
        match std::str::from_utf8(line) {
            Err(error) => {
                sink.error_if(sink.version >= Version::V43, rule, error.valid_up_to(), "bytes that are not UTF-8")
            }
            Ok(_) if sink.version < Version::V43 && !line.is_ascii() && self.context.is_new("not ASCII") => {
                let at = line.iter().position(|byte| !byte.is_ascii()).unwrap_or_default();
                sink.warning(rule, at, "characters that are not ASCII");
            }
            Ok(_) => {}
        }
        if let Some(at) = line.iter().position(|&byte| byte.is_ascii_control() && byte != b'\t') {
            sink.error(rule, at, format!("the control character 0x{:02x}", line[at]));
        }
    }

    fn columns(&mut self, line: &str, sink: &mut Sink) {
        let rule = ("columns", Section::Columns);
        self.in_data = true;
        let fields: Vec<&str> = line.split('\t').collect();
        if fields.len() < 8 || fields[..8] != COLUMNS {
            return sink.error(rule, 0, format!("expected the columns {} with tabs between them", COLUMNS.join(" ")));
        }
        self.context.has_format = fields.len() > 8;
        if fields.get(8).is_some_and(|name| *name != "FORMAT") {
            sink.error(rule, 0, format!("column 9 is {}, expected FORMAT", quoted(fields[8].as_bytes())));
        }
        let samples = fields.get(9..).unwrap_or_default();
        if fields.len() == 9 {
            sink.error(rule, 0, "FORMAT stands without a sample");
        }
        self.context.n_samples = samples.len();
        let mut seen = HashSet::new();
        let mut at = fields[..fields.len().min(9)].iter().map(|field| field.len() + 1).sum();
        for name in samples {
            if name.is_empty() {
                sink.error(rule, at, "a sample without a name, or a tab at the end of the line");
            } else if !seen.insert(*name) {
                sink.error(rule, at, format!("the sample {} is there twice", quoted(name.as_bytes())));
            }
            at += name.len() + 1;
        }
    }

    fn end(&mut self, ends: bool, sink: &mut Sink) {
        if sink.line == 0 {
            sink.line = 1;
            return sink.error(("fileformat", Section::MetaKind(1)), 0, "the file is empty");
        }
        if !self.in_data {
            sink.error(("columns", Section::Columns), 0, "the file has no line that begins with #CHROM");
        }
        if !ends {
            // a valid file of 4.5 in the test suite of the specification ends without one
            let is_error = matches!(sink.version, Version::V43 | Version::V44);
            sink.error_if(
                is_error,
                ("last-line", Section::Data),
                0,
                "the last line does not end with a line separator",
            );
        }
    }
}

fn first_line(line: &[u8], sink: &mut Sink) {
    let text = String::from_utf8_lossy(line);
    let rule = ("fileformat", Section::MetaKind(1));
    let Some(version) = text.trim_start_matches('\u{feff}').strip_prefix("##fileformat=") else {
        return sink.error(rule, 0, format!("the first line is {}, expected ##fileformat=VCFv4.x", quoted(line)));
    };
    match Version::parse(version) {
        Some(version) => sink.version = version,
        None => {
            sink.error(rule, 13, format!("the version is {}, expected VCFv4.1 to VCFv4.5", quoted(version.as_bytes())))
        }
    }
}
