//! Consequences: entries of CSQ, ANN or BCSQ become rows, each about one allele and one transcript.

pub mod allele;
pub mod format;
pub mod own;
pub mod severity;

use super::rows::{Keys, Rows, schema};
use super::targets::Chunk;
use crate::error::{Error, Result};
use allele::Site;
use arrow_array::ArrayRef;
use arrow_array::builder::{ArrayBuilder, Int32Builder, StringBuilder};
use arrow_schema::{DataType, SchemaRef};
use format::{Dialect, FIXED, Format, Role};
use severity::{Impact, most_severe, so_term};
use std::sync::Arc;

/// Columns of the summary of an allele.
pub const SUMMARY: [&str; 3] = ["gene", "most_severe", "impact"];

/// Where the entries went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryTally {
    /// Entries whose allele is none of the record, or more than one.
    pub unassigned: u64,
    /// Entries of `bcftools csq` that say only at which record the consequence stands (`@1234`).
    pub pointers: u64,
}

impl EntryTally {
    /// Adds another piece.
    pub fn add(&mut self, other: &EntryTally) {
        self.unassigned += other.unassigned;
        self.pointers += other.pointers;
    }
}

/// Schema of the consequences under way.
pub fn consequence_schema(format: &Format) -> SchemaRef {
    let fixed = FIXED.iter().map(|&name| (name.to_owned(), DataType::Utf8));
    schema(fixed.chain(format.columns.iter().flatten().cloned()))
}

/// Schema of the summaries under way.
pub fn summary_schema() -> SchemaRef {
    schema(SUMMARY.iter().map(|&name| (name.to_owned(), DataType::Utf8)))
}

/// A column of the entries' own.
enum Cell {
    Text(StringBuilder),
    Int(Int32Builder),
}

/// Consequences under way.
pub struct Consequences {
    format: Arc<Format>,
    schemas: [SchemaRef; 2],
    keys: Keys,
    fixed: [StringBuilder; 5],
    cells: Vec<Option<Cell>>,
    summary_keys: Keys,
    summary: [StringBuilder; 3],
    /// Entries so far.
    pub tally: EntryTally,
}

/// A row of the dataset that a record is about.
#[derive(Clone, Copy)]
pub struct Target<'t> {
    /// Which ALT of the record.
    pub alt_index: u32,
    /// Its keys.
    pub chunk: &'t Chunk,
    /// Its row there.
    pub row: usize,
}

/// An entry, taken apart.
struct Entry<'e> {
    fields: Vec<&'e str>,
    consequence: String,
    impact: Option<Impact>,
}

impl Consequences {
    /// Empty.
    pub fn new(format: &Arc<Format>) -> Consequences {
        let cell = |column: &Option<(String, DataType)>| {
            column.as_ref().map(|(_, data_type)| match data_type {
                DataType::Int32 => Cell::Int(Int32Builder::new()),
                _ => Cell::Text(StringBuilder::new()),
            })
        };
        Consequences {
            schemas: [consequence_schema(format), summary_schema()],
            keys: Keys::default(),
            fixed: Default::default(),
            cells: format.columns.iter().map(cell).collect(),
            summary_keys: Keys::default(),
            summary: Default::default(),
            tally: EntryTally::default(),
            format: format.clone(),
        }
    }

    /// Takes the entries of a record in. `source`: which record it is.
    pub fn add<'e>(
        &mut self,
        entries: impl Iterator<Item = &'e str>,
        site: &mut Site,
        targets: &[Target],
        source: u64,
    ) -> Result<()> {
        let entries = entries.filter(|entry| !entry.is_empty() && *entry != ".");
        let entries: Vec<Entry> = entries.filter_map(|entry| self.entry(entry).transpose()).collect::<Result<_>>()?;
        let alleles = self.alleles_of(&entries, site);
        self.tally.unassigned += alleles.iter().filter(|alleles| alleles.is_empty()).count() as u64;
        for &target in targets {
            let own =
                entries.iter().zip(&alleles).filter(|(_, alleles)| alleles.contains(&(target.alt_index as usize)));
            let own: Vec<&Entry> = own.map(|(entry, _)| entry).collect();
            for entry in &own {
                self.push(entry, target, source)?;
            }
            self.push_summary(&own, target, source);
        }
        Ok(())
    }

    /// Takes an entry apart; `None`: it only points to another record.
    fn entry<'e>(&mut self, text: &'e str) -> Result<Option<Entry<'e>>> {
        if self.format.dialect == Dialect::Bcftools && text.starts_with('@') {
            self.tally.pointers += 1;
            return Ok(None);
        }
        let fields: Vec<&str> = text.split('|').map(str::trim).collect();
        if fields.len() > self.format.fields.len() {
            return Err(Error::bad_data(format!(
                "an entry of INFO/{} has {} fields, expected {} as the header says: {text:?}",
                self.format.tag,
                fields.len(),
                self.format.fields.len()
            )));
        }
        let mut entry = Entry { fields, consequence: String::new(), impact: None };
        let terms = self.field(&entry, Role::Consequence).trim_start_matches('*');
        let terms: Vec<&str> = terms.split('&').map(so_term).collect();
        let consequence = terms.join("&");
        let given = Impact::named(self.field(&entry, Role::Impact));
        entry.impact = given.or_else(|| most_severe(&consequence, None).map(|(_, (impact, _))| impact));
        entry.consequence = consequence;
        Ok(Some(entry))
    }

    /// The value of a field; empty where there is none.
    fn field<'e>(&self, entry: &Entry<'e>, role: Role) -> &'e str {
        let at = self.format.roles.iter().position(|&known| known == role);
        at.and_then(|at| entry.fields.get(at)).copied().unwrap_or_default()
    }

    /// The ALT (from 1) that each entry is about.
    fn alleles_of(&self, entries: &[Entry], site: &mut Site) -> Vec<Vec<usize>> {
        let n_alts = site.alts.len();
        if self.format.dialect == Dialect::Bcftools {
            let about = |entry: &Entry| match self.field(entry, Role::Changes) {
                // what is not of one change (an intron, a UTR) is of the record
                "" => (1..=n_alts).collect(),
                changes => (1..=n_alts).filter(|&alt| site.has_change(changes, alt)).collect(),
            };
            return entries.iter().map(about).collect();
        }
        let numbers: Option<Vec<usize>> =
            entries.iter().map(|entry| self.field(entry, Role::AlleleNumber).parse().ok()).collect();
        // numbers of a record that was split are those of the record before
        if let Some(numbers) = numbers.filter(|numbers| numbers.iter().all(|number| (1..=n_alts).contains(number))) {
            return numbers.into_iter().map(|number| vec![number]).collect();
        }
        let as_written_first = self.format.dialect == Dialect::SnpEff;
        let names: Vec<&str> = entries.iter().map(|entry| self.field(entry, Role::Allele)).collect();
        let mut found: Vec<usize> = names.iter().map(|name| site.by_name(name, as_written_first)).collect();
        if as_written_first {
            // SnpEff's cancer mode writes `ALT-REF`
            for (found, name) in found.iter_mut().zip(&names).filter(|(found, _)| **found == 0) {
                *found = name.split('-').next().map_or(0, |name| site.by_name(name, true));
            }
        }
        let is_one = n_alts == 1 && names.iter().all(|name| *name == names[0]);
        if is_one && found.iter().all(|&found| found == 0) {
            return vec![vec![1]; entries.len()];
        }
        found.into_iter().map(|found| if found == 0 { Vec::new() } else { vec![found] }).collect()
    }

    fn push(&mut self, entry: &Entry, target: Target, source: u64) -> Result<()> {
        self.keys.push(target.chunk, target.row, source);
        let texts = [
            self.field(entry, Role::Gene),
            self.field(entry, Role::GeneId),
            self.field(entry, Role::Feature),
            &entry.consequence,
            entry.impact.map_or("", Impact::name),
        ];
        for (builder, text) in self.fixed.iter_mut().zip(texts) {
            builder.append_option(Some(text).filter(|text| !text.is_empty()));
        }
        for (at, cell) in self.cells.iter_mut().enumerate() {
            let text = entry.fields.get(at).copied().filter(|text| !text.is_empty());
            match cell {
                None => {}
                Some(Cell::Text(builder)) => builder.append_option(text),
                Some(Cell::Int(builder)) => {
                    let value = text.map(|text| text.parse::<i32>().map_err(|_| text)).transpose();
                    builder.append_option(value.map_err(|text| {
                        Error::bad_data(format!(
                            "{} of INFO/{} has the value {text:?}, expected an integer",
                            self.format.fields[at], self.format.tag
                        ))
                    })?);
                }
            }
        }
        Ok(())
    }

    /// The most severe of the entries of an allele; of equal ones the first.
    fn push_summary(&mut self, entries: &[&Entry], target: Target, source: u64) {
        let severe = entries.iter().filter_map(|entry| {
            most_severe(&entry.consequence, entry.impact).map(|(term, severity)| (severity, term, *entry))
        });
        let Some(((impact, _), term, entry)) = severe.min_by_key(|(severity, _, _)| *severity) else { return };
        self.summary_keys.push(target.chunk, target.row, source);
        let gene = self.field(entry, Role::Gene);
        self.summary[0].append_option(Some(gene).filter(|gene| !gene.is_empty()));
        self.summary[1].append_value(term);
        self.summary[2].append_value(impact.name());
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.keys.n_rows()
    }

    /// The rows of consequences and of summaries; empty after.
    pub fn finish(&mut self) -> Result<[Rows; 2]> {
        let mut values: Vec<ArrayRef> = self.fixed.iter_mut().map(ArrayBuilder::finish).collect();
        values.extend(self.cells.iter_mut().flatten().map(|cell| match cell {
            Cell::Text(builder) => ArrayBuilder::finish(builder),
            Cell::Int(builder) => ArrayBuilder::finish(builder),
        }));
        let rows = self.keys.finish(&self.schemas[0], values)?;
        let values = self.summary.iter_mut().map(ArrayBuilder::finish).collect();
        let summary = self.summary_keys.finish(&self.schemas[1], values)?;
        Ok([rows, summary])
    }
}
