//! Query results as text: nothing is cut off and no digit is lost.

use polars::prelude::*;
use std::io::{self, Write};

/// Form of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Aligned columns for people.
    Table,
    /// Values with `,` between them, quoted where needed.
    Csv,
    /// Values with tabs between them; tabs and line ends inside a value are `\t` and `\n`.
    Tsv,
    /// An array of objects, one a line.
    Json,
    /// A Parquet file.
    Parquet,
}

/// Writes `frame` to `out`.
pub fn render(frame: &mut DataFrame, format: Format, out: &mut dyn Write) -> io::Result<()> {
    match format {
        Format::Table => {
            let widths = widths(frame);
            write_table_head(frame, &widths, out)?;
            write_table_rows(frame, &widths, out)
        }
        Format::Csv | Format::Tsv => render_rows(frame, format, true, out),
        Format::Json => {
            out.write_all(b"[")?;
            write_json_rows(frame, 0, out)?;
            out.write_all(JSON_END)
        }
        Format::Parquet => {
            let mut bytes = Vec::new();
            ParquetWriter::new(&mut bytes).finish(frame).map_err(io::Error::other)?;
            out.write_all(&bytes)
        }
    }
}

/// Writes the rows of `frame` as separated values (another format is taken for TSV), with a line of names where `with_names`.
pub fn render_rows(frame: &DataFrame, format: Format, with_names: bool, out: &mut dyn Write) -> io::Result<()> {
    let separated = match format {
        Format::Csv => Separated { separator: b',', needs_care: csv_needs_quotes, with_care: csv_quoted },
        _ => Separated { separator: b'\t', needs_care: tsv_needs_escapes, with_care: tsv_escaped },
    };
    if with_names {
        separated.write_names(frame, out)?;
    }
    separated.write_rows(frame, out)
}

/// Text of one value; `None` for null. Items of a list have `,` between them.
pub fn text(value: &AnyValue<'_>) -> Option<String> {
    Some(match value {
        AnyValue::Null => return None,
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        AnyValue::Boolean(value) => value.to_string(),
        AnyValue::Float64(value) => format!("{value:?}"),
        AnyValue::Float32(value) => format!("{value:?}"),
        AnyValue::Int8(value) => value.to_string(),
        AnyValue::Int16(value) => value.to_string(),
        AnyValue::Int32(value) => value.to_string(),
        AnyValue::Int64(value) => value.to_string(),
        AnyValue::Int128(value) => value.to_string(),
        AnyValue::UInt8(value) => value.to_string(),
        AnyValue::UInt16(value) => value.to_string(),
        AnyValue::UInt32(value) => value.to_string(),
        AnyValue::UInt64(value) => value.to_string(),
        AnyValue::List(items) => {
            let items: Vec<String> = items.iter().map(|item| text(&item).unwrap_or_default()).collect();
            items.join(",")
        }
        other => other.get_str().map_or_else(|| other.to_string(), str::to_owned),
    })
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_primitive_numeric()
}

/// Values of one row.
fn row<'a>(columns: &'a [Column], at: usize) -> impl Iterator<Item = AnyValue<'a>> + 'a {
    columns.iter().map(move |column| column.get(at).unwrap_or(AnyValue::Null))
}

fn cell(value: &AnyValue<'_>) -> String {
    let text = text(value).unwrap_or_else(|| "NULL".to_owned());
    if tsv_needs_escapes(&text) { tsv_escaped(&text) } else { text }
}

/// Characters that the columns of aligned text need.
pub fn widths(frame: &DataFrame) -> Vec<usize> {
    let columns = frame.columns();
    let mut widths: Vec<usize> = columns.iter().map(|column| column.name().chars().count()).collect();
    for at in 0..frame.height() {
        for (width, value) in widths.iter_mut().zip(row(columns, at)) {
            *width = (*width).max(cell(&value).chars().count());
        }
    }
    widths
}

fn write_aligned(
    columns: &[Column],
    widths: &[usize],
    cells: &mut dyn Iterator<Item = String>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut line = String::new();
    for ((cell, column), &width) in cells.zip(columns).zip(widths) {
        if !line.is_empty() {
            line.push_str("  ");
        }
        match is_number(column.dtype()) {
            true => line.push_str(&format!("{cell:>width$}")),
            false => line.push_str(&format!("{cell:<width$}")),
        }
    }
    writeln!(out, "{}", line.trim_end())
}

/// Names of the columns, and a line below them.
pub fn write_table_head(frame: &DataFrame, widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
    let columns = frame.columns();
    write_aligned(columns, widths, &mut columns.iter().map(|column| column.name().to_string()), out)?;
    write_aligned(columns, widths, &mut widths.iter().map(|&width| "-".repeat(width)), out)
}

/// Rows of aligned columns. A value that is wider than its column moves the rest of its line.
pub fn write_table_rows(frame: &DataFrame, widths: &[usize], out: &mut dyn Write) -> io::Result<()> {
    let columns = frame.columns();
    for at in 0..frame.height() {
        write_aligned(columns, widths, &mut row(columns, at).map(|value| cell(&value)), out)?;
    }
    Ok(())
}

/// Values with something between them.
struct Separated {
    separator: u8,
    /// Whether a text cannot stand as it is.
    needs_care: fn(&str) -> bool,
    /// It as the form wants it.
    with_care: fn(&str) -> String,
}

/// Values of a column, with those at hand that most tables are made of.
enum Values<'a> {
    Int(&'a Int32Chunked),
    Long(&'a Int64Chunked),
    Text(&'a StringChunked),
    Other(&'a Column),
}

impl<'a> Values<'a> {
    fn of(column: &'a Column) -> Values<'a> {
        let by_type = || -> PolarsResult<Values<'a>> {
            Ok(match column.dtype() {
                DataType::Int32 => Values::Int(column.i32()?),
                DataType::Int64 => Values::Long(column.i64()?),
                DataType::String => Values::Text(column.str()?),
                _ => Values::Other(column),
            })
        };
        by_type().unwrap_or(Values::Other(column))
    }
}

impl Separated {
    fn write_text(&self, text: &str, line: &mut Vec<u8>) {
        match (self.needs_care)(text) {
            true => line.extend_from_slice((self.with_care)(text).as_bytes()),
            false => line.extend_from_slice(text.as_bytes()),
        }
    }

    fn write_names(&self, frame: &DataFrame, out: &mut dyn Write) -> io::Result<()> {
        let mut line = Vec::new();
        for column in frame.columns() {
            self.write_text(column.name(), &mut line);
            line.push(self.separator);
        }
        line.pop();
        line.push(b'\n');
        out.write_all(&line)
    }

    fn write_rows(&self, frame: &DataFrame, out: &mut dyn Write) -> io::Result<()> {
        let columns: Vec<Values<'_>> = frame.columns().iter().map(Values::of).collect();
        let mut line = Vec::new();
        for at in 0..frame.height() {
            line.clear();
            for values in &columns {
                match values {
                    Values::Int(values) => push_int(values.get(at).map(i64::from), &mut line),
                    Values::Long(values) => push_int(values.get(at), &mut line),
                    Values::Text(values) => self.write_text(values.get(at).unwrap_or_default(), &mut line),
                    Values::Other(column) => {
                        let value = column.get(at).unwrap_or(AnyValue::Null);
                        self.write_text(&text(&value).unwrap_or_default(), &mut line);
                    }
                }
                line.push(self.separator);
            }
            line.pop();
            line.push(b'\n');
            out.write_all(&line)?;
        }
        Ok(())
    }
}

fn push_int(value: Option<i64>, line: &mut Vec<u8>) {
    if let Some(value) = value {
        crate::decode::vcf::push_int(line, value);
    }
}

/// RFC 4180: a value with `,`, `"` or a line end is quoted.
fn csv_needs_quotes(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'))
}

fn csv_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn tsv_needs_escapes(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'\t' | b'\n' | b'\r'))
}

fn tsv_escaped(text: &str) -> String {
    text.replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

/// What ends an array of objects.
pub const JSON_END: &[u8] = b"\n]\n";

/// Rows as objects of an array that has `n_before` of them already.
pub fn write_json_rows(frame: &DataFrame, n_before: u64, out: &mut dyn Write) -> io::Result<()> {
    let columns = frame.columns();
    for at in 0..frame.height() {
        out.write_all(if n_before == 0 && at == 0 { b"\n{" } else { b",\n{" })?;
        for (i, (column, value)) in columns.iter().zip(row(columns, at)).enumerate() {
            if i > 0 {
                out.write_all(b",")?;
            }
            write!(out, "{}:{}", serde_json::Value::from(column.name().as_str()), json(&value))?;
        }
        out.write_all(b"}")?;
    }
    Ok(())
}

/// One value as JSON; a float that JSON cannot hold (nan, inf) is null.
fn json(value: &AnyValue<'_>) -> serde_json::Value {
    use serde_json::Value;
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => Value::from(*value),
        AnyValue::Float64(value) => Value::from(*value),
        AnyValue::Float32(value) => Value::from(*value),
        AnyValue::List(items) => items.iter().map(|item| json(&item)).collect(),
        AnyValue::UInt64(value) => Value::from(*value),
        other => match other.extract::<i64>().filter(|_| is_number(&other.dtype())) {
            Some(number) => Value::from(number),
            None => text(other).map_or(Value::Null, Value::from),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> DataFrame {
        let lists = ListChunked::from_iter([Some(Series::new("".into(), ["a", "b"])), None]);
        df!("n" => [Some(1i64), None], "x" => [0.1f64, 1.0], "t" => ["say \"hi\"", "tab\there"], "l" => lists.into_series())
            .expect("a frame")
    }

    fn rendered(format: Format) -> String {
        let mut out = Vec::new();
        render(&mut frame(), format, &mut out).expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn separated_values() {
        assert_eq!(rendered(Format::Csv), "n,x,t,l\n1,0.1,\"say \"\"hi\"\"\",\"a,b\"\n,1.0,tab\there,\n");
        assert_eq!(rendered(Format::Tsv), "n\tx\tt\tl\n1\t0.1\tsay \"hi\"\ta,b\n\t1.0\ttab\\there\t\n");
    }

    #[test]
    fn json_has_lists_and_nulls() {
        let expected = "[\n{\"n\":1,\"x\":0.1,\"t\":\"say \\\"hi\\\"\",\"l\":[\"a\",\"b\"]},\n\
                        {\"n\":null,\"x\":1.0,\"t\":\"tab\\there\",\"l\":null}\n]\n";
        assert_eq!(rendered(Format::Json), expected);
    }

    #[test]
    fn a_table_is_aligned() {
        let table = rendered(Format::Table);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[0], "   n    x  t          l");
        assert_eq!(lines[2], "   1  0.1  say \"hi\"   a,b");
        assert_eq!(lines[3], "NULL  1.0  tab\\there  NULL");
    }
}
