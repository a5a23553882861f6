//! Lines of BED, GFF3 and GTF: what kind of line it is, its bases, and its attributes. One reader for `annotate`, `burden --sets` and `-R`.
//!
//! In: lines as text. Out: borrowed fields, with bases 1-based and inclusive. What a name, an unknown contig or an interval without bases
//! means is the caller's. BED: GA4GH BEDv1 (2022), and UCSC's `track` and `browser` lines; GFF3: Sequence Ontology 1.26; GTF 2.2.

use crate::error::{Error, Result};
use crate::genome::one_based;
use std::borrow::Cow;

/// Which form the lines have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// 0-based start, end.
    Bed,
    /// GFF3 or GTF: nine columns, 1-based first and last base, the last column with attributes.
    Gff,
}

/// Attributes of GFF3 and GTF that can be the name of a gene, best first: symbols, as GENCODE, RefSeq and Ensembl write them, then
/// identifiers.
pub const USUAL_NAMES: [&str; 5] = ["gene_name", "gene", "Name", "gene_id", "ID"];
/// Columns of a GFF but for the attributes.
pub const GFF_COLUMNS: [&str; 8] = ["seqid", "source", "type", "start", "end", "score", "strand", "phase"];
/// The column of a GFF with the attributes.
const GFF_ATTRIBUTES: usize = 8;

/// What the first line with data says of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Its form.
    pub form: Form,
    /// Number of its fields.
    pub n_fields: usize,
    /// The names in the last line before it that has `#` and as many fields.
    pub names: Option<Vec<String>>,
}

/// Recognises a text by its lines, up to the first one with data.
#[derive(Debug, Default)]
pub struct Recogniser {
    header: Option<Vec<String>>,
    /// What was found, once that is known.
    found: Option<Option<Recognised>>,
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'l> {
    /// Empty, a comment, or for a browser.
    Other,
    /// `#` and names: what follows it.
    Header(&'l str),
    /// What follows in GFF3 is sequence.
    End,
    /// An interval.
    Data(&'l str),
}

/// One interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval<'l> {
    /// Name of the contig.
    pub contig: &'l str,
    /// First base, 1-based.
    pub first: i32,
    /// Last base; the one before `first` where the interval has no bases (BED: a place between two bases).
    pub last: i32,
    /// All fields of the line.
    pub fields: Vec<&'l str>,
}

impl<'l> Line<'l> {
    /// By its first characters.
    pub fn of(text: &'l str) -> Line<'l> {
        let text = text.trim_end_matches('\r');
        if text.trim_end() == "##FASTA" {
            return Line::End;
        }
        match text.strip_prefix('#') {
            Some(rest) if !rest.starts_with(['#', '!']) && !rest.trim().is_empty() => Line::Header(rest),
            Some(_) => Line::Other,
            None if text.trim().is_empty() || is_for_browsers(text) => Line::Other,
            None => Line::Data(text),
        }
    }

    /// The line as text; an error where it is not in UTF-8.
    pub fn of_bytes(bytes: &'l [u8]) -> Result<Line<'l>> {
        let failed = |error: std::str::Utf8Error| {
            Error::bad_data(format!("byte {} of the line is no text in UTF-8", error.valid_up_to() + 1))
        };
        std::str::from_utf8(bytes).map(Line::of).map_err(failed)
    }
}

/// `track` and `browser` as whole words; with a start and an end behind it, it is the name of a contig.
fn is_for_browsers(text: &str) -> bool {
    let mut words = text.split_whitespace();
    matches!(words.next(), Some("track" | "browser")) && words.next().is_none_or(|word| word.parse::<i64>().is_err())
}

/// Fields between tabs; between white space where a line has none.
fn fields(text: &str) -> Vec<&str> {
    match text.contains('\t') {
        true => text.split('\t').map(str::trim).collect(),
        false => text.split_whitespace().collect(),
    }
}

impl Form {
    /// The form of a line with data; `None`: it is no interval.
    pub fn of(line: &str) -> Option<Form> {
        let found = fields(line);
        let number = |at: usize| found.get(at).and_then(|text| text.parse::<i64>().ok());
        let is_gff = line.contains('\t')
            && found.len() >= GFF_COLUMNS.len()
            && matches!(found[6], "+" | "-" | "." | "?")
            && number(3).is_some_and(|first| number(4).is_some_and(|last| first <= last));
        match (is_gff, number(1), number(2)) {
            (true, ..) => Some(Form::Gff),
            (false, Some(start), Some(end)) if start <= end => Some(Form::Bed),
            _ => None,
        }
    }

    /// Reads a line with data.
    pub fn interval(self, line: &str) -> Result<Interval<'_>> {
        let fields = fields(line);
        let ([at_first, at_last], n) = match self {
            Form::Bed => ([1, 2], 3),
            Form::Gff => ([3, 4], GFF_COLUMNS.len()),
        };
        if fields.len() < n {
            return Err(Error::bad_data(format!("the line has {} fields, expected {n} or more", fields.len())));
        }
        let number = |at: usize| {
            let digits = Some(fields[at]).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|text| text.parse::<i32>().ok()).ok_or_else(|| {
                Error::bad_data(format!("{:?} is no position, expected a number from 0 to {}", fields[at], i32::MAX))
            })
        };
        let (start, last) = (number(at_first)?, number(at_last)?);
        if last < start {
            return Err(Error::bad_data(format!("the interval ends at {last}, before its start at {start}")));
        }
        let first = match self {
            Form::Bed => one_based(start),
            Form::Gff => Some(start).filter(|&start| start > 0),
        };
        let first = first.ok_or_else(|| Error::bad_data(format!("no base is at {start}")))?;
        Ok(Interval { contig: fields[0], first, last, fields })
    }
}

impl Recogniser {
    /// Takes the next line.
    pub fn see(&mut self, line: &str) {
        if self.found.is_some() {
            return;
        }
        match Line::of(line) {
            Line::Other => {}
            Line::Header(text) => self.header = Some(fields(text).into_iter().map(str::to_owned).collect()),
            Line::End => self.found = Some(None),
            Line::Data(text) => {
                let n_fields = fields(text).len();
                let names = self.header.take().filter(|names| names.len() == n_fields);
                self.found = Some(Form::of(text).map(|form| Recognised { form, n_fields, names }));
            }
        }
    }

    /// Whether more lines say nothing more.
    pub fn is_done(&self) -> bool {
        self.found.is_some()
    }

    /// What was found; `None`: no intervals.
    pub fn finish(self) -> Option<Recognised> {
        self.found.flatten()
    }

    /// Recognises a whole text.
    pub fn of_text(text: &str) -> Option<Recognised> {
        let mut recogniser = Recogniser::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next().filter(|_| !recogniser.is_done()) {
            recogniser.see(line);
        }
        recogniser.finish()
    }
}

impl<'l> Interval<'l> {
    /// Whether it has no bases.
    pub fn is_empty(&self) -> bool {
        self.last < self.first
    }

    /// The attributes of a line of GFF.
    pub fn attributes(&self) -> impl Iterator<Item = (&'l str, Cow<'l, str>)> + use<'l> {
        attributes(self.fields.get(GFF_ATTRIBUTES).copied().unwrap_or_default())
    }
}

/// `key=value;...` with %XX (GFF3), or `key "value"; ...` (GTF); a `;` within quotes of GTF is part of the value.
pub fn attributes(text: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    let mut rest = text.trim();
    let parts = std::iter::from_fn(move || {
        let found = (!rest.is_empty()).then(|| next_part(rest))?;
        rest = found.1.trim_start();
        Some(found.0)
    });
    parts.filter_map(attribute)
}

/// The text up to a `;`, and what follows it.
fn next_part(text: &str) -> (&str, &str) {
    // quotes mean nothing in GFF3, where a `;` within a value is %3B
    let key_end = text.find(|c: char| c == '=' || c.is_whitespace());
    let is_gff3 = key_end.is_some_and(|at| text[at..].starts_with('='));
    let mut is_quoted = false;
    let end = text.find(|c| {
        is_quoted ^= c == '"' && !is_gff3;
        c == ';' && !is_quoted
    });
    end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]))
}

fn attribute(part: &str) -> Option<(&str, Cow<'_, str>)> {
    let part = part.trim();
    if let Some((key, value)) = part.split_once('=')
        && !key.trim().contains(|c: char| c == '"' || c.is_whitespace())
    {
        return Some((key.trim(), percent_encoding::percent_decode_str(value.trim()).decode_utf8_lossy()));
    }
    let (key, value) = part.split_once(char::is_whitespace)?;
    Some((key, Cow::Borrowed(value.trim().trim_matches('"'))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever a line is: bases from 1 on, and attributes that come to an end.
        #[test]
        fn any_line(text in "[a#\\t .;=\"%0-9+~é-]{0,40}", numbers in any::<[i32; 2]>()) {
            for line in [text.clone(), format!("c\t{}\t{}\t{text}", numbers[0], numbers[1])] {
                for form in [Form::Bed, Form::Gff] {
                    if let Ok(interval) = form.interval(&line) {
                        prop_assert!(interval.first >= 1 && interval.last >= interval.first - 1);
                        interval.attributes().count();
                    }
                }
                prop_assert!(attributes(&line).count() <= line.len());
                Recogniser::of_text(&line);
            }
        }
    }

    #[test]
    fn kinds_of_lines() {
        for text in
            ["", "  ", "##x", "#", "#!genome-build x", "track", "track name=x", "track\tname=x", "browser hide all"]
        {
            assert_eq!(Line::of(text), Line::Other, "{text}");
        }
        for text in ["tracking1\t1\t2", "track\t1\t2", "browsers 1 2", "##FASTAx".trim_start_matches('#')] {
            assert_eq!(Line::of(text), Line::Data(text), "{text}");
        }
        assert_eq!(Line::of("#chrom\tstart"), Line::Header("chrom\tstart"));
        assert_eq!((Line::of("##FASTA\r"), Line::of("##FASTA first")), (Line::End, Line::Other));
        assert!(Line::of_bytes(b"chr1\t1\t2\t\xff").is_err_and(|error| error.message().contains("byte 10")));
    }

    #[test]
    fn forms() {
        let of = |text: &str| Recogniser::of_text(text).map(|found| (found.form, found.n_fields, found.names));
        let names = |text: &str| Some(text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("track x\nchr1\t0\t10\n"), Some((Form::Bed, 3, None)));
        assert_eq!(of("chr1 5 9 G\n"), Some((Form::Bed, 4, None)));
        let header = "#!x\n#chrom\tstart\tend\tgene\nchr1\t0\t10\tA\n";
        assert_eq!(of(header), Some((Form::Bed, 4, names("chrom start end gene"))));
        assert_eq!(of("#chrom\tstart\nchr1\t0\t10\tA\n"), Some((Form::Bed, 4, None)));
        let gff = "##gff-version 3\nchr1\tx\tgene\t5\t9\t.\t+\t.\tID=a\n";
        assert_eq!(of(gff), Some((Form::Gff, 9, None)));
        // BED9 with a number for a name
        assert_eq!(of("chr1\t5\t9\t7\t100\t+\t5\t9\t0\n"), Some((Form::Bed, 9, None)));
        for text in ["", "chrom\tpos\tref\talt\nchr1\t5\tA\tC\n", "chr1\t9\t5\n", "chr1\t5\n", "##FASTA\nchr1\t1\t2\n"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn bases() {
        let read = |form: Form, line: &str| form.interval(line).map(|one| (one.first, one.last));
        let ok = |form, line| read(form, line).expect(line);
        assert_eq!(ok(Form::Bed, "chr1\t4\t9\tG1"), (5, 9));
        assert_eq!(ok(Form::Bed, "chr1 0 2147483647"), (1, i32::MAX));
        assert_eq!(ok(Form::Gff, "chr1\tx\tgene\t5\t9\t.\t+\t."), (5, 9));
        assert!(Form::Bed.interval("chr1\t4\t4").expect("a place").is_empty());
        for (form, line) in [
            (Form::Bed, "chr1\t4"),
            (Form::Bed, "chr1\t-1\t4"),
            (Form::Bed, "chr1\t+1\t4"),
            (Form::Bed, "chr1\t9\t4"),
            (Form::Bed, "chr1\t\t4"),
            (Form::Bed, "chr1\t1\t2147483648"),
            (Form::Bed, "chr1\t2147483647\t2147483647"),
            (Form::Gff, "chr1\tx\tgene\t0\t9\t.\t+\t.\tID=x"),
            (Form::Gff, "chr1\tx\tgene\t5\t9\t.\t+"),
        ] {
            assert!(form.interval(line).is_err(), "{line}");
        }
    }

    #[test]
    fn attributes_of_both_dialects() {
        let of = |text: &'static str| -> Vec<(&str, String)> {
            attributes(text).map(|(key, value)| (key, value.into_owned())).collect()
        };
        let pairs = |list: &[(&'static str, &str)]| -> Vec<(&str, String)> {
            list.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
        };
        assert_eq!(
            of("ID=x; Name=a%3Bb;;Note=\"q\";E=;"),
            pairs(&[("ID", "x"), ("Name", "a;b"), ("Note", "\"q\""), ("E", "")])
        );
        let gtf = "gene_id \"G1\"; note \"a; b=c\"; level 2; gene_name \"A%3B B\" ;";
        assert_eq!(of(gtf), pairs(&[("gene_id", "G1"), ("note", "a; b=c"), ("level", "2"), ("gene_name", "A%3B B")]));
        assert_eq!(of("alone; x 1"), pairs(&[("x", "1")]));
        assert_eq!(of("open \"x; y"), pairs(&[("open", "x; y")]));
        assert_eq!(of(""), pairs(&[]));
        assert_eq!(of(" ; ;"), pairs(&[]));
    }
}
