//! Stored results that the page shows: principal components and associations (kinship and sex: `relations`, sets of variants: `sets`).
//!
//! A result that is not there, is of another plan, or lacks a column that its plot needs, is left out; the page says how to make it.

use super::points::{MOST, Points, thin};
use super::relations::{self, Kinship, SexCheck};
use super::sets::{self, Sets};
use super::tally::P_BINS;
use super::variants::Qq;
use crate::commit::manifest::Manifest;
use crate::dataset::Dataset;
use crate::dataset::batch::{Batch, Value};
use crate::dataset::results::{Description, stored};
use crate::dataset::stream::{FileStream, Select};
use crate::error::Result;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Phenotypes that are drawn.
const MOST_PHENOTYPES: usize = 8;
/// Rows of the table of the strongest associations.
const MOST_HITS: usize = 20;
/// Points of one Manhattan plot.
const MANHATTAN_POINTS: usize = 8_000;
/// Components that are drawn, two by two.
const COMPONENTS: usize = 4;

/// What is stored.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stored {
    /// Tables that are there.
    pub names: Vec<String>,
    pub pca: Option<Pca>,
    pub kinship: Option<Kinship>,
    pub sex_check: Option<SexCheck>,
    pub assoc: Option<Association>,
    pub burden: Option<Sets>,
}

/// Principal components.
#[derive(Clone, Debug, Serialize)]
pub struct Pca {
    pub n: usize,
    /// Share of the variance, by component; none where it is not stored.
    pub shares: Vec<f64>,
    /// PC1 and PC2, PC3 and PC4.
    pub plots: Vec<Points>,
}

/// Associations of variants.
#[derive(Clone, Debug, Serialize)]
pub struct Association {
    pub contigs: Vec<AssocContig>,
    pub phenotypes: Vec<Phenotype>,
    pub n_phenotypes: usize,
    /// Least significant p that was stored (`--max-p`): without the others there are no quantiles.
    pub max_p: Option<f64>,
}

/// A contig on the axis of the Manhattan plot.
#[derive(Clone, Debug, Serialize)]
pub struct AssocContig {
    pub name: String,
    /// Base pairs before it.
    pub offset: f64,
    pub length: f64,
}

/// One phenotype.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Phenotype {
    pub name: String,
    pub n_tested: u64,
    pub lambda_gc: Option<f64>,
    pub manhattan: Points,
    pub qq: Qq,
    pub hits: Vec<Hit>,
    #[serde(skip)]
    rows: Vec<(u32, i32, f64)>,
}

/// A strong association.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Hit {
    pub variant: String,
    pub neg_log10_p: f64,
    pub af: Option<f64>,
    pub beta: Option<f64>,
    pub se: Option<f64>,
    pub n: Option<f64>,
}

/// Reads what is stored.
pub fn read(dataset: &Dataset, samples: &[String]) -> Result<Stored> {
    let index: HashMap<&str, usize> = samples.iter().map(String::as_str).zip(0..).collect();
    let tables: BTreeMap<String, Description> =
        stored(dataset)?.into_iter().map(|result| (result.table.clone(), result)).collect();
    let of = |name: &str| tables.get(name).map(|result| Table { dataset, result });
    Ok(Stored {
        pca: of("pca").map(|table| pca(&table, of("pca_eigenvalues").as_ref(), &index)).transpose()?.flatten(),
        kinship: of("kinship").map(|table| relations::kinship(&table)).transpose()?.flatten(),
        sex_check: of("sex_check").map(|table| relations::sex_check(&table, &index)).transpose()?.flatten(),
        assoc: of("assoc").map(|table| assoc(&table, of("assoc_summary").as_ref())).transpose()?.flatten(),
        burden: of("burden").map(|table| sets::read(&table, of("burden_summary").as_ref())).transpose()?.flatten(),
        names: tables.into_keys().collect(),
    })
}

/// A stored table.
pub struct Table<'a> {
    dataset: &'a Dataset,
    result: &'a Description,
}

impl Table<'_> {
    /// Of the dataset.
    pub fn manifest(&self) -> &Manifest {
        self.dataset.manifest()
    }

    /// A setting of the command that made it.
    pub fn setting(&self, name: &str) -> Option<&serde_json::Value> {
        self.result.settings.get(name)
    }

    /// Calls `each` with the batches, which have those of `columns` that the table has.
    pub fn batches(&self, columns: &[&str], mut each: impl FnMut(&Batch)) -> Result<()> {
        for batch in FileStream::open(&self.result.file(self.dataset), &Select::columns(columns))? {
            each(&batch?);
        }
        Ok(())
    }
}

/// A number, whatever its type.
pub fn number(batch: &Batch, column: &str, row: usize) -> Option<f64> {
    match batch.column(column)?.value(row)? {
        Value::Int(value) => Some(value as f64),
        Value::Float(value) => Some(value),
        _ => None,
    }
}

/// A text.
pub fn text<'a>(batch: &'a Batch, column: &str, row: usize) -> Option<&'a str> {
    batch.column(column)?.value(row)?.text()
}

fn pca(table: &Table, eigenvalues: Option<&Table>, index: &HashMap<&str, usize>) -> Result<Option<Pca>> {
    let names: Vec<String> = (1..=COMPONENTS).map(|at| format!("pc{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["sample"]).collect();
    let mut samples = Vec::new();
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); COMPONENTS];
    table.batches(&names, |batch| {
        for row in 0..batch.n_rows() {
            samples.push(text(batch, "sample", row).and_then(|name| index.get(name)).map_or(-1, |&at| at as i64));
            for (column, name) in columns.iter_mut().zip(&names) {
                column.push(number(batch, name, row).unwrap_or(f64::NAN));
            }
        }
    })?;
    let mut plots = Vec::new();
    for pair in columns.chunks(2) {
        let mut points = thin(&pair[0], &pair[1], MOST / 4);
        points.id.iter_mut().filter(|id| **id >= 0).for_each(|id| *id = samples[*id as usize]);
        if !points.x.is_empty() {
            plots.push(points);
        }
    }
    let mut shares = Vec::new();
    if let Some(eigenvalues) = eigenvalues {
        eigenvalues.batches(&["share"], |batch| {
            shares.extend((0..batch.n_rows()).filter_map(|row| number(batch, "share", row)));
        })?;
    }
    Ok((!plots.is_empty()).then_some(Pca { n: samples.len(), shares, plots }))
}

fn assoc(table: &Table, summary: Option<&Table>) -> Result<Option<Association>> {
    let manifest = table.dataset.manifest();
    let contigs: BTreeMap<&str, u32> = manifest.contigs.iter().map(|contig| contig.name.as_str()).zip(0..).collect();
    let mut found: Vec<Phenotype> = Vec::new();
    let names = ["contig", "pos", "ref", "alt", "phenotype", "neg_log10_p", "af", "beta", "se", "n", "test"];
    table.batches(&names, |batch| {
        for row in 0..batch.n_rows() {
            add_assoc(&mut found, batch, row, &contigs);
        }
    })?;
    if let Some(summary) = summary {
        summary.batches(&["phenotype", "lambda_gc", "n_variants_tested"], |batch| {
            for row in 0..batch.n_rows() {
                let name = text(batch, "phenotype", row).unwrap_or_default();
                if let Some(one) = found.iter_mut().find(|one| one.name == name) {
                    one.lambda_gc = number(batch, "lambda_gc", row);
                    one.n_tested = number(batch, "n_variants_tested", row).map_or(one.n_tested, |n| n as u64);
                }
            }
        })?;
    }
    let n_phenotypes = found.len();
    found.truncate(MOST_PHENOTYPES);
    let mut ends: BTreeMap<u32, i32> = BTreeMap::new();
    for &(contig, pos, _) in found.iter().flat_map(|one| &one.rows) {
        let end = ends.entry(contig).or_default();
        *end = pos.max(*end);
    }
    let axis = axis(manifest, &ends);
    let offsets = ends.into_keys().zip(axis.iter().map(|contig| contig.offset)).collect();
    found.iter_mut().for_each(|one| one.finish(&offsets));
    let max_p = table.setting("max_p").and_then(serde_json::Value::as_f64);
    Ok((!axis.is_empty()).then_some(Association { contigs: axis, phenotypes: found, n_phenotypes, max_p }))
}

/// The contigs with something to show, one after the other; `ends` has the last base of those without a length.
pub fn axis(manifest: &Manifest, ends: &BTreeMap<u32, i32>) -> Vec<AssocContig> {
    let mut offset = 0.0;
    let contig = |(&contig, &end): (&u32, &i32)| {
        let known = &manifest.contigs[contig as usize];
        let length = known.length.map_or(f64::from(end), |length| length as f64);
        offset += length;
        AssocContig { name: known.name.clone(), offset: offset - length, length }
    };
    ends.iter().map(contig).collect()
}

fn add_assoc(found: &mut Vec<Phenotype>, batch: &Batch, row: usize, contigs: &BTreeMap<&str, u32>) {
    let contig = text(batch, "contig", row).unwrap_or_default();
    let known = (contigs.get(contig), number(batch, "pos", row), number(batch, "neg_log10_p", row));
    let (Some(&index), Some(pos), Some(neg_log10_p)) = known else { return };
    if !neg_log10_p.is_finite() {
        return;
    }
    let name = text(batch, "phenotype", row).unwrap_or("phenotype");
    let at = found.iter().rposition(|one| one.name == name).unwrap_or_else(|| {
        found.push(Phenotype { name: name.to_owned(), ..Phenotype::default() });
        found.len() - 1
    });
    let one = &mut found[at];
    one.n_tested += 1;
    one.rows.push((index, pos as i32, neg_log10_p));
    let weakest =
        one.hits.last().filter(|_| one.hits.len() == MOST_HITS).map_or(f64::NEG_INFINITY, |hit| hit.neg_log10_p);
    if neg_log10_p > weakest {
        let alleles = ["ref", "alt"].map(|name| text(batch, name, row).unwrap_or("."));
        let hit = Hit {
            variant: format!("{contig}:{pos}:{}:{}", alleles[0], alleles[1]),
            neg_log10_p,
            af: number(batch, "af", row),
            beta: number(batch, "beta", row),
            se: number(batch, "se", row),
            n: number(batch, "n", row),
        };
        let place = one.hits.partition_point(|other| other.neg_log10_p >= neg_log10_p);
        one.hits.insert(place, hit);
        one.hits.truncate(MOST_HITS);
    }
}

impl Phenotype {
    fn finish(&mut self, offsets: &BTreeMap<u32, f64>) {
        let rows = std::mem::take(&mut self.rows);
        let x: Vec<f64> = rows.iter().map(|(contig, pos, _)| offsets[contig] + f64::from(*pos)).collect();
        let y: Vec<f64> = rows.iter().map(|row| row.2).collect();
        self.manhattan = thin(&x, &y, MANHATTAN_POINTS);
        self.manhattan.id = Vec::new();
        let mut bins = vec![0; P_BINS];
        for p in &y {
            bins[((p * 100.0).max(0.0) as usize).min(P_BINS - 1)] += 1;
        }
        self.qq = Qq::of_bins(&bins);
    }
}
