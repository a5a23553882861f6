//! Sources that are tables of text: values with tabs or commas between them, and a line of names.

use super::cells::Cells;
use super::join::{Joiner, Key, check_ref};
use super::lines::{LineKind, Produced, RowSink};
use super::rows::{Guess, Keys, TextKind, is_missing, schema};
use super::spec::{Columns, SourceSpec, find_key, has_alleles, is_named, nothing_taken};
use super::text::TextFile;
use crate::decode::intervals::{Recognised, Recogniser};
use crate::decode::vcf::parse_i32;
use crate::error::{Error, Location, Result};
use arrow_schema::{DataType, SchemaRef};
use memchr::memchr_iter;
use std::borrow::Cow;

/// The line of names, and where the rows begin.
#[derive(Clone, Debug)]
pub struct Head {
    /// Tab or comma.
    pub separator: u8,
    /// Names of the columns.
    pub names: Vec<String>,
    /// Offset of the first row.
    pub offset: u64,
    /// Lines before it.
    pub n_lines: u64,
}

/// Lines before the first row that are looked at, at most.
const MAX_COMMENTS: u64 = 1 << 20;

/// What the first lines of a text say that it is.
pub struct Look {
    /// The line of names, where it may be a table.
    pub head: Option<Head>,
    /// Form and columns, where it may be intervals.
    pub intervals: Option<Recognised>,
}

impl Look {
    /// Looks at the lines up to the first rows.
    pub fn at(file: &TextFile) -> Result<Look> {
        let mut lines = file.lines()?;
        let (mut names, mut recogniser) = (FindNames::default(), Recogniser::default());
        let mut head = None;
        while lines.n_lines() < MAX_COMMENTS && !(head.is_some() && recogniser.is_done()) {
            let Some(line) = lines.next_line()? else { break };
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            if !recogniser.is_done() {
                recogniser.see(&String::from_utf8_lossy(line));
            }
            if head.is_none()
                && let Some((separator, names)) = names.see(line)
            {
                let (offset, n_lines) = (lines.line_offset(), lines.n_lines() - 1);
                head = Some(Head { separator, names, offset, n_lines });
            }
        }
        // names without rows: the rows begin at the end
        let (offset, n_lines) = (u64::MAX >> 16 << 16, lines.n_lines());
        let without_rows = || names.finish().map(|(separator, names)| Head { separator, names, offset, n_lines });
        Ok(Look { head: head.or_else(without_rows), intervals: recogniser.finish() })
    }
}

/// Separator and names.
type Names = (u8, Vec<String>);

/// Finds the line of names: the last one that begins with `#` before the first row, or the first line without `#`.
#[derive(Default)]
struct FindNames {
    /// Of the last line with `#`.
    commented: Option<Names>,
    /// Of the first line without, where it has names.
    plain: Option<Names>,
}

impl FindNames {
    /// Takes a line; the names, where it is the first row.
    fn see(&mut self, line: &[u8]) -> Option<Names> {
        if line.starts_with(b"##") || line.trim_ascii().is_empty() {
            return None;
        }
        let separator = if line.contains(&b'\t') { b'\t' } else { b',' };
        let fields = split(line, separator).into_iter();
        let names: Vec<String> =
            fields.map(|field| String::from_utf8_lossy(&plain(field, separator)).trim().to_owned()).collect();
        match line.starts_with(b"#") {
            true if self.plain.is_none() => self.commented = Some((separator, names)),
            true => {}
            false if self.plain.is_some() => return self.plain.take(),
            // a line with `#` that has other fields than a line of names that follows it is a comment
            false => match self.commented.take() {
                Some(known) if known.1.len() == names.len() || !has_alleles(&names) => return Some(known),
                _ => self.plain = Some((separator, names)),
            },
        }
        None
    }

    /// The names of a text without rows.
    fn finish(self) -> Option<Names> {
        self.plain.or(self.commented)
    }
}

/// The fields of a line; those of a comma-separated one may be in quotes, which stay.
fn split(line: &[u8], separator: u8) -> Vec<&[u8]> {
    if separator == b'\t' || !line.contains(&b'"') {
        return line.split(|&byte| byte == separator).collect();
    }
    let (mut fields, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, &byte) in line.iter().enumerate() {
        match byte {
            // a quote within a field that did not begin with one is a character
            b'"' => is_quoted = !is_quoted && line[start] == b'"',
            _ if byte == separator && !is_quoted => {
                fields.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(&line[start..]);
    fields
}

/// What is between the quotes of a field that has some around it.
fn bare(field: &[u8]) -> Option<&[u8]> {
    field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\""))
}

/// A field without the quotes around it; in a field that has them, `""` is a quote.
fn plain(field: &[u8], separator: u8) -> Cow<'_, [u8]> {
    let Some(inner) = bare(field).filter(|_| separator != b'\t') else { return Cow::Borrowed(field) };
    if !inner.contains(&b'"') {
        return Cow::Borrowed(inner);
    }
    let (mut out, mut bytes) = (Vec::with_capacity(inner.len()), inner.iter().peekable());
    while let Some(&byte) = bytes.next() {
        out.push(byte);
        if byte == b'"' {
            bytes.next_if_eq(&&b'"');
        }
    }
    Cow::Owned(out)
}

/// One column that is taken.
#[derive(Clone, Debug)]
struct Taken {
    at: usize,
    field: String,
    kind: Option<TextKind>,
}

/// What is taken of the rows.
pub struct TableKind {
    head: Head,
    key: [usize; 4],
    taken: Vec<Taken>,
    schema: SchemaRef,
}

impl TableKind {
    /// By the line of names and what is wanted.
    pub fn new(head: Head, spec: &SourceSpec) -> Result<TableKind> {
        if spec.columns == Columns::None {
            return Err(nothing_taken());
        }
        let key = find_key(&head.names, &spec.key)?;
        let mut taken = Vec::new();
        let mut columns = Vec::new();
        let mut take = |at: usize, kind: Option<TextKind>, name: String| {
            columns.push((name, kind.map_or(DataType::Utf8, TextKind::data_type)));
            taken.push(Taken { at, field: head.names[at].clone(), kind });
        };
        match &spec.columns {
            Columns::None => {}
            Columns::All => {
                for at in (0..head.names.len()).filter(|at| !key.contains(at)) {
                    take(at, None, spec.column(&head.names[at]));
                }
            }
            Columns::Some(list) => {
                for wanted in list {
                    let is_it = |name: &String| is_named(name, &wanted.field);
                    let at = head.names.iter().position(is_it).ok_or_else(|| {
                        Error::usage(format!("the table has no column `{}`", wanted.field))
                            .hint(format!("it has {}", head.names.join(", ")))
                    })?;
                    let name = wanted.alias.clone().unwrap_or_else(|| spec.column(&wanted.field));
                    take(at, wanted.kind, name);
                }
            }
        }
        let schema = schema(columns);
        Ok(TableKind { head, key, taken, schema })
    }

    /// Where the rows begin: offset, and lines before.
    pub fn start(&self) -> (u64, u64) {
        (self.head.offset, self.head.n_lines)
    }

    /// The types that were declared.
    pub fn declared(&self) -> Vec<Option<TextKind>> {
        self.taken.iter().map(|taken| taken.kind).collect()
    }

    fn too_short(&self, line: &[u8]) -> Error {
        let found = split(line, self.head.separator).len();
        Error::bad_data(format!("the line has {found} fields, expected {}", self.head.names.len()))
            .hint("is it cut off, or are the columns separated by something else than in the first line?")
    }

    /// The four key fields.
    fn key_fields<'l>(&self, line: &'l [u8]) -> Option<[&'l [u8]; 4]> {
        if self.head.separator != b'\t' && line.contains(&b'"') {
            let fields = split(line, self.head.separator);
            let get = |at: usize| fields.get(self.key[at]).map(|field| bare(field).unwrap_or(field));
            return Some([get(0)?, get(1)?, get(2)?, get(3)?]);
        }
        let last = self.key.into_iter().max().unwrap_or_default();
        let (mut found, mut start): ([&[u8]; 4], usize) = ([&[]; 4], 0);
        for (at, end) in memchr_iter(self.head.separator, line).chain([line.len()]).enumerate() {
            for (field, &wanted) in found.iter_mut().zip(&self.key) {
                if wanted == at {
                    *field = &line[start..end];
                }
            }
            if at == last {
                return Some(found);
            }
            start = end + 1;
        }
        None
    }
}

impl LineKind for TableKind {
    type Sink = TableSink;

    #[inline]
    fn key<'l>(&self, line: &'l [u8]) -> Result<Key<'l>> {
        let Some([contig, pos, ref_allele, alt]) = self.key_fields(line) else { return Err(self.too_short(line)) };
        let vcf_pos = parse_i32(pos.trim_ascii()).filter(|&pos| pos >= 0).ok_or_else(|| {
            let place = Location { contig: Some(String::from_utf8_lossy(contig).into_owned()), ..Default::default() };
            Error::bad_data(format!(
                "{} is {:?}, expected a position",
                self.head.names[self.key[1]],
                String::from_utf8_lossy(pos)
            ))
            .at(place)
        })?;
        check_ref(ref_allele)?;
        Ok(Key { contig, vcf_pos, ref_allele, alt })
    }

    fn schemas(&self) -> Vec<SchemaRef> {
        vec![self.schema.clone()]
    }

    fn sink(&self) -> TableSink {
        TableSink {
            keys: Keys::default(),
            cells: self.schema.fields().iter().skip(4).map(|field| Cells::new(field.data_type())).collect(),
            guesses: vec![Guess::default(); self.taken.len()],
            schema: self.schema.clone(),
        }
    }

    fn append(&self, line: &[u8], joiner: &Joiner, source: u64, sink: &mut TableSink) -> Result<()> {
        let fields = split(line, self.head.separator);
        if fields.len() != self.head.names.len() {
            return Err(self.too_short(line));
        }
        joiner.hits().iter().for_each(|&hit| sink.keys.push_hit(joiner, hit, source));
        for ((taken, cells), guess) in self.taken.iter().zip(&mut sink.cells).zip(&mut sink.guesses) {
            let field = plain(fields[taken.at], self.head.separator);
            let text = String::from_utf8_lossy(&field);
            let text = text.trim();
            let is_null = is_missing(text);
            match taken.kind {
                _ if is_null => {}
                None => guess.see(text),
                Some(kind) if kind.holds(text) => {}
                Some(kind) => {
                    let found = format!("{} has the value {text:?}, expected {}", taken.field, kind.describe());
                    return Err(Error::bad_data(found));
                }
            }
            for _ in joiner.hits() {
                if is_null { cells.push_null() } else { cells.push_text(text)? }
            }
        }
        Ok(())
    }
}

/// Rows under way.
pub struct TableSink {
    keys: Keys,
    cells: Vec<Cells>,
    guesses: Vec<Guess>,
    schema: SchemaRef,
}

impl RowSink for TableSink {
    fn n_rows(&self) -> usize {
        self.keys.n_rows()
    }

    fn finish(&mut self) -> Result<Produced> {
        let values = self.cells.iter_mut().map(Cells::finish).collect();
        let rows = vec![self.keys.finish(&self.schema, values)?];
        let fresh = vec![Guess::default(); self.guesses.len()];
        Ok(Produced { rows, guesses: std::mem::replace(&mut self.guesses, fresh), entries: Default::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_in_quotes() {
        let fields = |line: &str| -> Vec<String> {
            let fields = split(line.as_bytes(), b',').into_iter();
            fields.map(|field| String::from_utf8_lossy(&plain(field, b',')).into_owned()).collect()
        };
        assert_eq!(fields("a,\"b,c\",d"), ["a", "b,c", "d"]);
        assert_eq!(fields("\"x\"\"y\","), ["x\"y", ""]);
        assert_eq!(fields("\"x,\"\"y\"\"\",z"), ["x,\"y\"", "z"]);
        assert_eq!(fields("\"\"\"\",\"\""), ["\"", ""]);
        assert_eq!(fields("5\" x,a\"\"b"), ["5\" x", "a\"\"b"]);
        assert_eq!(fields("a,b"), ["a", "b"]);
        assert_eq!(plain(b"\"x\"\"y\"", b'\t')[..], b"\"x\"\"y\""[..]);
    }

    #[test]
    fn lines_of_names() {
        let find = |text: &str| {
            let mut names = FindNames::default();
            let found = text.lines().find_map(|line| names.see(line.as_bytes()));
            found.or_else(|| names.finish()).map(|(_, names)| names.join(" "))
        };
        let header = "#chrom pos ref alt";
        for text in ["#chrom\tpos\tref\talt\n1\t5\tA\tC\n", "# x\n\n#chrom\tpos\tref\talt\n\n1\t5\tA\tC\n"] {
            assert_eq!(find(text).as_deref(), Some(header));
        }
        assert_eq!(find("# x\nchrom\tpos\tref\talt\n# y\n1\t5\tA\tC\n").as_deref(), Some("chrom pos ref alt"));
        assert_eq!(find("#a,b\n1,2,3\n").as_deref(), Some("#a b"));
        assert_eq!(find("#a,b\n").as_deref(), Some("#a b"));
        assert_eq!(find("##a\n\n"), None);
    }
}
