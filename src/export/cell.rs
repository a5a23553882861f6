//! Values of INFO and FORMAT fields, put together again from the rows of the alleles of a site.

use super::number::write_float;
use crate::columns::schema::{FieldColumns, Projection};
use crate::dataset::batch::{Batch, Column, Value};
use crate::decode::vcf::push_int;

/// The columns of one definition in one batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct FieldRefs<'a> {
    own: [Option<&'a Column>; 2],
    site: Option<&'a Column>,
}

impl<'a> FieldRefs<'a> {
    /// Looks the columns up.
    pub fn of(batch: &'a Batch, field: &FieldColumns) -> FieldRefs<'a> {
        let own = |at: usize| field.names.get(at).and_then(|name| batch.column(name));
        FieldRefs { own: [own(0), own(1)], site: field.site_name.as_ref().and_then(|name| batch.column(name)) }
    }
}

/// The columns of one definition at one row.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// Where.
    pub columns: FieldRefs<'a>,
    /// Row in the batch.
    pub row: usize,
}

impl<'a> Cell<'a> {
    fn own(&self, at: usize) -> Option<Value<'a>> {
        self.columns.own[at]?.value(self.row)
    }

    fn item(&self, at: usize) -> Option<Value<'a>> {
        self.columns.own[0]?.items(self.row)?.nth(at)?
    }

    fn site(&self) -> Option<&'a Column> {
        self.columns.site.filter(|column| !column.is_null(self.row))
    }
}

/// Appends one value, `.` for none.
pub fn write_value(out: &mut Vec<u8>, value: Option<Value<'_>>) {
    match value {
        None => out.push(b'.'),
        Some(Value::Int(value)) => push_int(out, value),
        Some(Value::Float(value)) => write_float(out, value),
        Some(Value::Text(text)) => out.extend_from_slice(text.as_bytes()),
        Some(Value::Bool(_)) => out.push(b'1'),
    }
}

/// Appends values with `,` between them; nothing and false when all are null.
fn write_values<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = Option<Value<'a>>>) -> bool {
    let start = out.len();
    let mut known = false;
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        known |= value.is_some();
        write_value(out, value);
    }
    if !known {
        out.truncate(start);
    }
    known
}

/// Appends a list as written, also one of nulls only; nothing and false when the list is null.
fn write_list(out: &mut Vec<u8>, column: Option<&Column>, row: usize) -> bool {
    let Some(items) = column.and_then(|column| column.items(row)) else { return false };
    if items.len() == 0 {
        return false;
    }
    for (at, value) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_value(out, value);
    }
    true
}

/// Which alleles the cells are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The record that is written has no ALT.
    pub no_alt: bool,
    /// Every ALT of the input record is there, so that values of the whole site fit.
    pub whole_site: bool,
}

/// Appends the value of a field from the cells of the alleles, in the order of ALT. False, with nothing appended, when
/// there is no value; a flag appends nothing and gives its value.
pub fn write_field(out: &mut Vec<u8>, projection: Projection, cells: &[Cell<'_>], shape: Shape) -> bool {
    let Some(first) = cells.first() else { return false };
    let own_is_null = || first.columns.own[0].is_none_or(|column| column.is_null(first.row));
    // With one row of several, the values of that allele come before those of the whole site.
    if shape.whole_site || own_is_null() {
        let lenient = projection != Projection::PerGenotype || shape.whole_site;
        if lenient && let Some((cell, column)) = cells.iter().find_map(|cell| cell.site().map(|column| (cell, column)))
        {
            return write_list(out, Some(column), cell.row);
        }
    }
    match projection {
        Projection::Flag => matches!(first.own(0), Some(Value::Bool(true))),
        Projection::Scalar => write_values(out, std::iter::once(first.own(0))),
        Projection::List => write_list(out, first.columns.own[0], first.row),
        Projection::PerAlt if shape.no_alt => write_values(out, std::iter::once(first.own(0))),
        Projection::PerAlt => write_values(out, cells.iter().map(|cell| cell.own(0))),
        Projection::PerAllele if shape.no_alt => write_list(out, first.columns.own[0], first.row),
        Projection::PerAllele => {
            write_values(out, std::iter::once(first.item(0)).chain(cells.iter().map(|cell| cell.item(1))))
        }
        Projection::PerAllelePair if shape.no_alt => write_values(out, std::iter::once(first.own(0))),
        Projection::PerAllelePair => {
            write_values(out, std::iter::once(first.own(0)).chain(cells.iter().map(|cell| cell.own(1))))
        }
        Projection::PerGenotype if cells.len() == 1 => write_list(out, first.columns.own[0], first.row),
        Projection::PerGenotype => false,
    }
}
