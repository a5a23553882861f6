//! Sources that are tables of text: values with tabs or commas between them, and a line of names.

use super::cells::Cells;
use super::join::{Joiner, Key, check_ref};
use super::lines::{LineKind, Produced, RowSink};
use super::rows::{Guess, Keys, TextKind, is_missing, schema};
use super::spec::{Columns, SourceSpec, find_key};
use super::text::TextFile;
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

/// Lines before the names that are looked at, at most.
const MAX_COMMENTS: u64 = 10_000;

impl Head {
    /// Finds the line of names: the first one that is no comment (`##`), with `#` before it or not; `None`: the file has none.
    pub fn find(file: &TextFile) -> Result<Option<Head>> {
        let mut lines = file.lines()?;
        let mut names: Option<(u8, Vec<String>)> = None;
        while let Some(line) = lines.next_line()? {
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            let is_comment = line.starts_with(b"##") || line.trim_ascii().is_empty();
            let found = (!is_comment && names.is_none()).then(|| {
                let separator = if line.contains(&b'\t') { b'\t' } else { b',' };
                let fields = split(line, separator);
                (separator, fields.iter().map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect())
            });
            if let Some((separator, names)) = names.take().filter(|_| !is_comment && !line.starts_with(b"#")) {
                let (offset, n_lines) = (lines.line_offset(), lines.n_lines() - 1);
                return Ok(Some(Head { separator, names, offset, n_lines }));
            }
            names = found.or(names);
            if lines.n_lines() > MAX_COMMENTS {
                break;
            }
        }
        // names without rows: the rows begin at the end
        let n_lines = lines.n_lines();
        Ok(names.map(|(separator, names)| Head { separator, names, offset: u64::MAX >> 16 << 16, n_lines }))
    }
}

/// The fields of a line; those of a comma-separated one may be in quotes.
fn split(line: &[u8], separator: u8) -> Vec<&[u8]> {
    if separator == b'\t' || !line.contains(&b'"') {
        return line.split(|&byte| byte == separator).collect();
    }
    let (mut fields, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, &byte) in line.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                fields.push(unquoted(&line[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(unquoted(&line[start..]));
    fields
}

fn unquoted(field: &[u8]) -> &[u8] {
    field.strip_prefix(b"\"").and_then(|field| field.strip_suffix(b"\"")).unwrap_or(field)
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
                    let is_it = |name: &String| *name == wanted.field || name.trim_start_matches('#') == wanted.field;
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
            let get = |at: usize| fields.get(self.key[at]).copied();
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
            let text = String::from_utf8_lossy(fields[taken.at]);
            let text = text.trim();
            let text = if text.contains("\"\"") { Cow::Owned(text.replace("\"\"", "\"")) } else { Cow::Borrowed(text) };
            let is_null = is_missing(&text);
            match taken.kind {
                _ if is_null => {}
                None => guess.see(&text),
                Some(kind) if kind.holds(&text) => {}
                Some(kind) => {
                    let found = format!("{} has the value {text:?}, expected {}", taken.field, kind.describe());
                    return Err(Error::bad_data(found));
                }
            }
            for _ in joiner.hits() {
                if is_null { cells.push_null() } else { cells.push_text(&text) }
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
            split(line.as_bytes(), b',').into_iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
        };
        assert_eq!(fields("a,\"b,c\",d"), ["a", "b,c", "d"]);
        assert_eq!(fields("\"x\"\"y\","), ["x\"\"y", ""]);
        assert_eq!(fields("a,b"), ["a", "b"]);
    }
}
