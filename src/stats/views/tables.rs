//! The views as frames.

use super::chunk::{Chunk, each_chunk, wrong};
use crate::dataset::Dataset;
use crate::dataset::plain::begins_phased;
use crate::error::Result;
use crate::query::Scope;
use polars::prelude::*;

/// What the cells of a matrix hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cells {
    /// Genotypes as text.
    Gt,
    /// Copies of the allele.
    Dosage,
}

/// Columns of `genotypes` that say how sure a call is.
const EVIDENCE: [&str; 5] = ["gq", "dp", "ad_ref", "ad_alt", "phase_set"];

/// Samples that a view shows.
struct Shown {
    names: Vec<String>,
    /// Place in the view by `sample_index`.
    place: Vec<Option<u32>>,
}

impl Shown {
    fn new(dataset: &Dataset, scope: &Scope) -> Result<Shown> {
        let all = dataset.sample_names()?;
        let mut place = vec![None; all.len()];
        match scope.samples() {
            None => (0..all.len()).for_each(|at| place[at] = Some(at as u32)),
            Some(chosen) => {
                let mut chosen: Vec<usize> = chosen.iter().map(|&at| at as usize).collect();
                chosen.sort_unstable();
                chosen.dedup();
                chosen.iter().enumerate().for_each(|(at, &sample)| place[sample] = Some(at as u32));
            }
        }
        let names = all.into_iter().zip(&place).filter(|(_, place)| place.is_some()).map(|(name, _)| name).collect();
        Ok(Shown { names, place })
    }

    fn of(&self, sample_index: i32) -> Option<usize> {
        let place = self.place.get(usize::try_from(sample_index).ok()?)?;
        place.map(|at| at as usize)
    }
}

/// A view with a row for some calls of each variant, by the rows of the two tables that it is made from.
struct Rows<'a> {
    chunk: &'a Chunk,
    variants: Vec<IdxSize>,
    calls: Vec<IdxSize>,
    samples: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    /// The stored calls of shown samples that pass `test`.
    fn stored(chunk: &'a Chunk, shown: &'a Shown, test: impl Fn(Option<&str>) -> bool) -> Result<Rows<'a>> {
        let (indexes, gt) = (chunk.ints("sample_index")?, chunk.gt()?);
        let mut rows = Rows { chunk, variants: Vec::new(), calls: Vec::new(), samples: Vec::new() };
        for (variant, range) in chunk.rows.iter().enumerate() {
            for call in range.clone() {
                let Some(sample) = indexes.get(call).and_then(|index| shown.of(index)) else { continue };
                if test(gt.get(call)) {
                    rows.variants.push(variant as IdxSize);
                    rows.calls.push(call as IdxSize);
                    rows.samples.push(&shown.names[sample]);
                }
            }
        }
        Ok(rows)
    }

    fn frame(&self, of_variant: &[&str], of_call: &[&str]) -> Result<DataFrame> {
        let variants = IdxCa::from_slice("".into(), &self.variants);
        let calls = IdxCa::from_slice("".into(), &self.calls);
        let mut columns = Vec::new();
        for name in of_variant {
            columns.push(self.chunk.variants.column(name).and_then(|column| column.take(&variants)).map_err(wrong)?);
        }
        columns.push(Column::new("sample".into(), &self.samples));
        for name in of_call.iter().filter(|name| self.chunk.calls.schema().contains(name)) {
            columns.push(self.chunk.calls.column(name).and_then(|column| column.take(&calls)).map_err(wrong)?);
        }
        DataFrame::new(self.samples.len(), columns).map_err(wrong)
    }
}

/// The calls that are not plain reference. Columns: contig, pos, ref, alt, sample, gt, dosage.
pub fn calls(dataset: &Dataset, scope: &Scope, mut take: impl FnMut(DataFrame) -> Result<()>) -> Result<()> {
    let shown = Shown::new(dataset, scope)?;
    let names = ["contig", "pos", "ref", "alt"];
    take(empty(&names, &["gt", "dosage"])?)?;
    each_chunk(dataset, scope, &[], |chunk| {
        // a dataset may have all calls
        let is_plain = |gt: Option<&str>| gt.is_some_and(|gt| gt.split(['/', '|']).all(|copy| copy == "0"));
        take(Rows::stored(&chunk, &shown, |gt| !is_plain(gt))?.frame(&names, &["gt", "dosage"])?)
    })
}

/// The samples that have the allele, also with an unknown other copy: as [`calls`], with `id`, and what the calls say of depth and
/// quality.
pub fn carriers(dataset: &Dataset, scope: &Scope, mut take: impl FnMut(DataFrame) -> Result<()>) -> Result<()> {
    let shown = Shown::new(dataset, scope)?;
    let names = ["contig", "pos", "id", "ref", "alt"];
    let of_call: Vec<&str> = ["gt", "dosage"].into_iter().chain(EVIDENCE).collect();
    let has_allele = |gt: Option<&str>| gt.is_some_and(|gt| gt.split(['/', '|']).any(|copy| copy == "1"));
    // as the chunks have them, which are read from files of these contigs
    let known: Vec<&str> = match scope.files_of_contigs(dataset, "genotypes").first() {
        Some(file) => {
            let schema = crate::dataset::stream::read_metadata(&dataset.full_path(file)?)?;
            let columns = crate::dataset::stream::column_names(&schema);
            of_call.iter().copied().filter(|name| columns.iter().any(|column| column == name)).collect()
        }
        None => vec!["gt", "dosage"],
    };
    take(empty(&names, &known)?)?;
    each_chunk(dataset, scope, &EVIDENCE, |chunk| {
        take(Rows::stored(&chunk, &shown, has_allele)?.frame(&names, &known)?)
    })
}

/// The call of every sample at every variant, plain reference too. Columns as [`calls`].
pub fn genotypes(dataset: &Dataset, scope: &Scope, mut take: impl FnMut(DataFrame) -> Result<()>) -> Result<()> {
    let shown = Shown::new(dataset, scope)?;
    let names = ["contig", "pos", "ref", "alt"];
    let samples: Vec<&str> = shown.names.iter().map(String::as_str).collect();
    take(empty(&names, &["gt", "dosage"])?)?;
    let phased = begins_phased(dataset)?;
    each_chunk(dataset, scope, &[], |chunk| {
        let n_rows = chunk.variants.height() * samples.len();
        let table = Filled::new(&chunk, &shown, phased)?;
        let (mut gt, mut dosage) = (Vec::with_capacity(n_rows), Vec::with_capacity(n_rows));
        for variant in 0..chunk.variants.height() {
            let filled = table.variant(variant);
            gt.extend(filled.iter().map(|call| call.gt));
            dosage.extend(filled.iter().map(|call| call.dosage));
        }
        let of_row: Vec<IdxSize> =
            (0..chunk.variants.height() as IdxSize).flat_map(|at| std::iter::repeat_n(at, samples.len())).collect();
        let of_row = IdxCa::from_vec("".into(), of_row);
        let mut columns = Vec::new();
        for name in names {
            columns.push(chunk.variants.column(name).and_then(|column| column.take(&of_row)).map_err(wrong)?);
        }
        columns.push(Column::new("sample".into(), samples.repeat(chunk.variants.height())));
        columns.push(Column::new("gt".into(), gt));
        columns.push(Column::new("dosage".into(), dosage));
        take(DataFrame::new(n_rows, columns).map_err(wrong)?)
    })
}

/// A row for each variant, a column for each sample: contig, pos, id, ref, alt, then the samples by name.
pub fn matrix(
    dataset: &Dataset,
    scope: &Scope,
    cells: Cells,
    mut take: impl FnMut(DataFrame) -> Result<()>,
) -> Result<()> {
    let shown = Shown::new(dataset, scope)?;
    let names = ["contig", "pos", "id", "ref", "alt"];
    let data_type = if cells == Cells::Gt { DataType::String } else { DataType::Int32 };
    let mut columns = empty(&names, &[])?.columns()[..names.len()].to_vec();
    columns.extend(shown.names.iter().map(|name| Column::new_empty(name.as_str().into(), &data_type)));
    take(DataFrame::new(0, columns).map_err(wrong)?)?;
    let phased = begins_phased(dataset)?;
    each_chunk(dataset, scope, &[], |chunk| {
        let n_variants = chunk.variants.height();
        let table = Filled::new(&chunk, &shown, phased)?;
        let filled: Vec<Vec<Filler<'_>>> = (0..n_variants).map(|variant| table.variant(variant)).collect();
        let mut columns = Vec::with_capacity(names.len() + shown.names.len());
        for name in names {
            columns.push(chunk.variants.column(name).map_err(wrong)?.clone());
        }
        for (at, name) in shown.names.iter().enumerate() {
            columns.push(match cells {
                Cells::Gt => {
                    let values: StringChunked = filled.iter().map(|row| row[at].gt).collect();
                    values.with_name(name.as_str().into()).into_column()
                }
                Cells::Dosage => {
                    let values: Int32Chunked = filled.iter().map(|row| row[at].dosage).collect();
                    values.with_name(name.as_str().into()).into_column()
                }
            });
        }
        take(DataFrame::new(n_variants, columns).map_err(wrong)?)
    })
}

/// A call of one sample.
#[derive(Clone, Copy)]
struct Filler<'a> {
    gt: Option<&'a str>,
    dosage: Option<i32>,
}

/// Calls of all shown samples.
struct Filled<'a> {
    chunk: &'a Chunk,
    shown: &'a Shown,
    plain: Vec<String>,
    indexes: &'a Int32Chunked,
    gt: &'a StringChunked,
    dosage: &'a Int32Chunked,
}

impl<'a> Filled<'a> {
    fn new(chunk: &'a Chunk, shown: &'a Shown, phased: bool) -> Result<Filled<'a>> {
        Ok(Filled {
            chunk,
            shown,
            plain: chunk.plain(shown.place.len(), phased)?,
            indexes: chunk.ints("sample_index")?,
            gt: chunk.gt()?,
            dosage: chunk.ints("dosage")?,
        })
    }

    fn variant(&self, at: usize) -> Vec<Filler<'_>> {
        let plain = Filler { gt: Some(&self.plain[at]), dosage: Some(0) };
        let mut calls = vec![plain; self.shown.names.len()];
        for row in self.chunk.rows[at].clone() {
            if let Some(sample) = self.indexes.get(row).and_then(|index| self.shown.of(index)) {
                calls[sample] = Filler { gt: self.gt.get(row), dosage: self.dosage.get(row) };
            }
        }
        calls
    }
}

/// No row, with the columns of a view.
fn empty(of_variant: &[&str], of_call: &[&str]) -> Result<DataFrame> {
    let data_type = |name: &str| match name {
        "pos" | "dosage" | "gq" | "dp" | "ad_ref" | "ad_alt" | "phase_set" => DataType::Int32,
        _ => DataType::String,
    };
    let names = of_variant.iter().chain(["sample"].iter()).chain(of_call);
    let columns = names.map(|&name| Column::new_empty(name.into(), &data_type(name)));
    DataFrame::new(0, columns.collect()).map_err(wrong)
}
