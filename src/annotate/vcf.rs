//! Sources in VCF and BCF: INFO fields by their header types, the values of the allele that matched, ID, QUAL, FILTER, and consequences.

use super::consequence::allele::Site;
use super::consequence::format::Format;
use super::consequence::{Consequences, Target, consequence_schema, summary_schema};
use super::join::{Joiner, Key};
use super::lines::{LineKind, Produced, RowSink};
use super::rows::{Keys, schema};
use super::spec::{Columns, SourceSpec, Wanted};
use crate::columns::field::{AlleleOfSite, FieldBuilder};
use crate::columns::schema::{FieldColumns, TableSchemas, list_of};
use crate::decode::header::{Header, Kind};
use crate::decode::vcf::{RecordIndex, RecordView, info_entries, parse_f64, parse_i32};
use crate::error::{Error, Result};
use arrow_array::ArrayRef;
use arrow_array::builder::{ArrayBuilder, Float64Builder, ListBuilder, StringBuilder};
use arrow_schema::{DataType, SchemaRef};
use memchr::memchr;
use std::collections::HashMap;
use std::sync::Arc;

/// One field of the records.
#[derive(Clone, Debug)]
enum Field {
    Id,
    Qual,
    Filter,
    /// And the slot of its value.
    Info(FieldColumns, usize),
}

/// What is taken of the records.
pub struct VcfKind {
    fields: Vec<Field>,
    /// The slots of the INFO keys whose values are wanted, for columns or as consequences.
    slots: HashMap<Vec<u8>, usize>,
    schema: SchemaRef,
    format: Option<Arc<Format>>,
    /// The slot of the entries of consequences.
    entries_slot: Option<usize>,
}

impl VcfKind {
    /// By a header and what is wanted.
    pub fn new(header: &Header, spec: &SourceSpec, format: Option<Arc<Format>>) -> Result<VcfKind> {
        let (mut fields, mut columns, mut slots) = (Vec::new(), Vec::new(), HashMap::new());
        let mut slot = |id: &str| {
            let next = slots.len();
            *slots.entry(id.as_bytes().to_vec()).or_insert(next)
        };
        for (mut field, wanted) in fields_of(header, spec, format.as_deref())? {
            let name = |field: &str| {
                wanted.as_ref().and_then(|wanted| wanted.alias.clone()).unwrap_or_else(|| spec.column(field))
            };
            match &mut field {
                Field::Id => columns.push((name("id"), DataType::Utf8)),
                Field::Qual => columns.push((name("qual"), DataType::Float64)),
                Field::Filter => columns.push((name("filter"), list_of(DataType::Utf8))),
                Field::Info(info, own_slot) => {
                    let types = info.data_types();
                    let names = [name(&info.id), format!("{}_site", name(&info.id))];
                    columns.extend(names.into_iter().zip(types));
                    *own_slot = slot(&info.id);
                }
            }
            fields.push(field);
        }
        let entries_slot = format.as_ref().map(|format| slot(&format.tag));
        Ok(VcfKind { fields, slots, schema: schema(columns), format, entries_slot })
    }

    /// Whether records have columns to give.
    pub fn has_columns(&self) -> bool {
        !self.fields.is_empty()
    }

    /// The consequences that are read.
    pub fn format(&self) -> Option<&Arc<Format>> {
        self.format.as_ref()
    }
}

/// The fields that are wanted.
fn fields_of(header: &Header, spec: &SourceSpec, format: Option<&Format>) -> Result<Vec<(Field, Option<Wanted>)>> {
    let infos = TableSchemas::new(header, false).infos;
    let is_entries = |id: &str| format.is_some_and(|format| format.tag == id);
    let list = match &spec.columns {
        Columns::None => return Ok(Vec::new()),
        Columns::All => {
            let infos = infos.into_iter().filter(|info| !is_entries(&info.id)).map(|info| Field::Info(info, 0));
            return Ok([Field::Id, Field::Qual, Field::Filter]
                .into_iter()
                .chain(infos)
                .map(|field| (field, None))
                .collect());
        }
        Columns::Some(list) => list,
    };
    let find = |wanted: &Wanted| {
        let bare = wanted.field.strip_prefix("INFO/").unwrap_or(&wanted.field);
        let field = match infos.iter().find(|info| info.id == bare) {
            Some(info) => Field::Info(info.clone(), 0),
            None => match wanted.field.as_str() {
                "ID" => Field::Id,
                "QUAL" => Field::Qual,
                "FILTER" => Field::Filter,
                _ => return Err(unknown_field(&wanted.field, &infos)),
            },
        };
        if wanted.kind.is_some() {
            return Err(Error::usage(format!("--columns declares a type of `{}`", wanted.field))
                .hint("the fields of a VCF have the types of its header"));
        }
        Ok((field, Some(wanted.clone())))
    };
    list.iter().map(find).collect()
}

fn unknown_field(field: &str, infos: &[FieldColumns]) -> Error {
    let known: Vec<&str> = infos.iter().map(|info| info.id.as_str()).take(40).collect();
    let more = if infos.len() > 40 { ", ..." } else { "" };
    Error::usage(format!("the header does not define INFO/{field}"))
        .hint(format!("it has {}{more}, and there are ID, QUAL and FILTER", known.join(", ")))
}

/// The first five fields of a line.
fn key_of(line: &[u8]) -> Option<Key<'_>> {
    let mut rest = line;
    let mut next = || {
        let end = memchr(b'\t', rest)?;
        let field = &rest[..end];
        rest = &rest[end + 1..];
        Some(field)
    };
    let (contig, pos, _, ref_allele, alt) = (next()?, next()?, next()?, next()?, next()?);
    Some(Key { contig, vcf_pos: parse_i32(pos).filter(|&pos| pos >= 0)?, ref_allele, alt })
}

impl LineKind for VcfKind {
    type Sink = VcfSink;

    #[inline]
    fn key<'l>(&self, line: &'l [u8]) -> Result<Key<'l>> {
        match key_of(line) {
            Some(key) => Ok(key),
            None => {
                let index = RecordIndex::new(line)?;
                index.view(line).vcf_pos()?;
                Err(Error::bad_data("the line is no record of a VCF"))
            }
        }
    }

    fn schemas(&self) -> Vec<SchemaRef> {
        let mut schemas = vec![self.schema.clone()];
        if let Some(format) = &self.format {
            schemas.extend([consequence_schema(format), summary_schema()]);
        }
        schemas
    }

    fn sink(&self) -> VcfSink {
        let column = |field: &Field| match field {
            Field::Id => Column::Id(StringBuilder::new()),
            Field::Qual => Column::Qual(Float64Builder::new()),
            Field::Filter => Column::Filter(ListBuilder::new(StringBuilder::new())),
            Field::Info(info, _) => Column::Info(FieldBuilder::new(info)),
        };
        VcfSink {
            keys: Keys::default(),
            columns: self.fields.iter().map(column).collect(),
            schema: self.schema.clone(),
            consequences: self.format.as_ref().map(Consequences::new),
        }
    }

    fn append(&self, line: &[u8], joiner: &Joiner, source: u64, sink: &mut VcfSink) -> Result<()> {
        let index = RecordIndex::new(line)?;
        let record = index.view(line);
        // `None`: not there; `Some(None)`: there, without a value
        let mut values: Vec<Option<Option<&[u8]>>> = vec![None; self.slots.len()];
        for (key, value) in info_entries(record.info()) {
            if let Some(&slot) = self.slots.get(key)
                && values[slot].is_none()
            {
                values[slot] = Some(value);
            }
        }
        if !self.fields.is_empty() {
            for &hit in joiner.hits() {
                sink.keys.push_hit(joiner, hit, source);
                let allele = AlleleOfSite::new(hit.alt_index, joiner.n_alts());
                for (field, column) in self.fields.iter().zip(&mut sink.columns) {
                    column.append(field, record, &values, allele)?;
                }
            }
        }
        let entries = self.entries_slot.and_then(|slot| values[slot].flatten());
        if let (Some(consequences), Some(entries)) = (&mut sink.consequences, entries) {
            add_entries(consequences, record, entries, joiner, source)?;
        }
        Ok(())
    }
}

fn add_entries(
    consequences: &mut Consequences,
    record: RecordView,
    entries: &[u8],
    joiner: &Joiner,
    source: u64,
) -> Result<()> {
    let [entries, ref_allele, alt] = [entries, record.ref_allele(), record.alt()].map(String::from_utf8_lossy);
    let target = |&hit: &super::join::Hit| {
        let (chunk, row) = joiner.target(hit)?;
        Some(Target { alt_index: hit.alt_index, chunk, row })
    };
    let targets: Vec<Target> = joiner.hits().iter().filter_map(target).collect();
    let mut site = Site::new(record.vcf_pos()?, &ref_allele, &alt);
    consequences.add(entries.split(','), &mut site, &targets, source)
}

enum Column {
    Id(StringBuilder),
    Qual(Float64Builder),
    Filter(ListBuilder<StringBuilder>),
    Info(FieldBuilder),
}

impl Column {
    fn append(
        &mut self,
        field: &Field,
        record: RecordView,
        values: &[Option<Option<&[u8]>>],
        allele: AlleleOfSite,
    ) -> Result<()> {
        match (self, field) {
            (Column::Id(builder), _) => builder.append_option(written(record.id()).map(String::from_utf8_lossy)),
            (Column::Qual(builder), _) => {
                let number = |text: &[u8]| {
                    parse_f64(text).ok_or_else(|| {
                        Error::bad_data(format!("QUAL is {:?}, expected a number", String::from_utf8_lossy(text)))
                    })
                };
                builder.append_option(written(record.qual()).map(number).transpose()?);
            }
            (Column::Filter(builder), _) => match written(record.filter()) {
                None => builder.append(false),
                Some(b"PASS") => builder.append(true),
                Some(filters) => {
                    for filter in filters.split(|&byte| byte == b';') {
                        builder.values().append_value(String::from_utf8_lossy(filter));
                    }
                    builder.append(true);
                }
            },
            (Column::Info(builder), Field::Info(info, slot)) => {
                let wrong = |problem: &dyn std::fmt::Display| Error::bad_data(format!("INFO/{} {problem}", info.id));
                match values[*slot] {
                    None => builder.append_null(),
                    Some(value) if info.kind == Kind::Flag => {
                        builder.append(value.unwrap_or_default(), allele).map_err(|problem| wrong(&problem))?;
                    }
                    Some(Some(value)) => builder.append_or_null(value, allele).map_err(|problem| wrong(&problem))?,
                    Some(None) => return Err(wrong(&"has no value, and is no flag by the header")),
                }
            }
            (Column::Info(builder), _) => builder.append_null(),
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<ArrayRef>) {
        match self {
            Column::Id(builder) => out.push(ArrayBuilder::finish(builder)),
            Column::Qual(builder) => out.push(ArrayBuilder::finish(builder)),
            Column::Filter(builder) => out.push(ArrayBuilder::finish(builder)),
            Column::Info(builder) => builder.finish(out),
        }
    }
}

/// A field that is not `.`.
fn written(field: &[u8]) -> Option<&[u8]> {
    Some(field).filter(|field| *field != b"." && !field.is_empty())
}

/// Rows under way.
pub struct VcfSink {
    keys: Keys,
    columns: Vec<Column>,
    schema: SchemaRef,
    consequences: Option<Consequences>,
}

impl RowSink for VcfSink {
    fn n_rows(&self) -> usize {
        self.keys.n_rows().max(self.consequences.as_ref().map_or(0, Consequences::n_rows))
    }

    fn finish(&mut self) -> Result<Produced> {
        let mut arrays = Vec::new();
        self.columns.iter_mut().for_each(|column| column.finish(&mut arrays));
        let mut rows = vec![self.keys.finish(&self.schema, arrays)?];
        let mut entries = Default::default();
        if let Some(consequences) = &mut self.consequences {
            rows.extend(consequences.finish()?);
            entries = std::mem::take(&mut consequences.tally);
        }
        Ok(Produced { rows, guesses: Vec::new(), entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_lines() {
        let key = key_of(b"chr1\t12\trs1\tA\tC,G\t.\tPASS\tDP=3").expect("a key");
        assert_eq!((key.contig, key.vcf_pos, key.ref_allele, key.alt), (&b"chr1"[..], 12, &b"A"[..], &b"C,G"[..]));
        assert!(key_of(b"chr1\tx\t.\tA\tC\t.\t.\t.").is_none());
        assert!(key_of(b"chr1\t12\t.\tA").is_none());
    }
}
