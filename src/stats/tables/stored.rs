//! Variant statistics from the table `variants` alone. Memory: some files of it per worker. Time: one pass over a dozen columns.

use super::cohort::CohortTally;
use super::output::Sink;
use super::ratio;
use super::rows::{Extra, VariantColumns, VariantRow};
use super::women::{MaleHaploid, counts_of_x, diploid_of};
use crate::alleles::classify;
use crate::commit::manifest::ManifestFile;
use crate::dataset::Dataset;
use crate::dataset::batch::{Batch, Column, Value};
use crate::dataset::stream::{FileStream, Select, column_names, read_metadata};
use crate::error::Result;
use crate::stats::block::Counts;
use crate::stats::hardy::{Diploid, LnFactorials};
use crate::stats::selection::SampleSet;
use polars::prelude::DataFrame;
use rayon::prelude::*;
use std::collections::HashMap;

/// Files that are in memory at once, per worker.
const FILES_PER_WORKER: usize = 2;
const COLUMNS: [&str; 17] = [
    "variant_id",
    "pos",
    "ref",
    "alt",
    "qual",
    "ac",
    "an",
    "n_hom_ref",
    "n_het",
    "n_hom_alt",
    "n_hemi_ref",
    "n_hemi_alt",
    "n_partial",
    "n_missing",
    "hwe_p",
    "info_dp",
    "contig",
];

/// Writes `variant_stats` of all variants and samples to `sink`; what was counted.
pub fn variant_stats(dataset: &Dataset, samples: &SampleSet, sink: &mut Sink) -> Result<CohortTally> {
    let contigs = &dataset.manifest().contigs;
    let males = MaleHaploid::new(dataset, samples);
    let has_x = (0..contigs.len())
        .any(|at| males.is_on(at as u32) && !dataset.contig_files("variants", &contigs[at].name).is_empty());
    let of_x = if has_x { counts_of_x(dataset, samples, &males)? } else { HashMap::new() };
    let files: Vec<(u32, &ManifestFile)> = (0u32..)
        .zip(contigs)
        .flat_map(|(at, contig)| dataset.contig_files("variants", &contig.name).into_iter().map(move |file| (at, file)))
        .collect();
    let reading = Reading {
        dataset,
        n_samples: samples.len(),
        ln: LnFactorials::of_samples(samples.len()),
        of_x,
        extra: extra_columns(dataset, &files)?,
    };
    let mut tally = CohortTally::default();
    for window in files.chunks(FILES_PER_WORKER * rayon::current_num_threads()) {
        let pieces: Vec<(DataFrame, CohortTally)> =
            window.par_iter().map(|(contig, file)| reading.file(*contig, file)).collect::<Result<_>>()?;
        for (piece, counted) in pieces {
            tally.add(&counted);
            sink.write(piece)?;
        }
    }
    if files.is_empty() {
        sink.write(VariantColumns::default().finish("", Extra::default())?)?;
    }
    Ok(tally)
}

/// Whether any variant has QUAL, and INFO/DP: files without a value have no bounds for the column.
fn extra_columns(dataset: &Dataset, files: &[(u32, &ManifestFile)]) -> Result<Extra> {
    let mut extra = Extra::default();
    for (_, file) in files {
        let metadata = read_metadata(&dataset.full_path(file)?)?;
        let names = column_names(&metadata);
        let has_values = |name: &str| {
            let schema = metadata.file_metadata().schema_descr();
            let leaf = (0..schema.num_columns()).find(|&at| schema.column(at).path().string() == name);
            leaf.is_some_and(|leaf| {
                metadata.row_groups().iter().any(|group| {
                    let nulls = group.column(leaf).statistics().and_then(|found| found.null_count_opt());
                    nulls.is_none_or(|nulls| (nulls as i64) < group.num_rows())
                })
            })
        };
        extra.qual = extra.qual || has_values("qual");
        extra.mean_dp = extra.mean_dp || names.iter().any(|name| name == "info_dp") && has_values("info_dp");
        if extra.qual && extra.mean_dp {
            break;
        }
    }
    Ok(extra)
}

struct Reading<'a> {
    dataset: &'a Dataset,
    n_samples: usize,
    ln: LnFactorials,
    /// Counts of X without men.
    of_x: HashMap<i64, Diploid>,
    extra: Extra,
}

impl Reading<'_> {
    fn file(&self, contig: u32, file: &ManifestFile) -> Result<(DataFrame, CohortTally)> {
        let mut columns = VariantColumns::default();
        let mut tally = CohortTally::default();
        for batch in FileStream::open(&self.dataset.full_path(file)?, &Select::columns(&COLUMNS))? {
            self.batch(&batch?, &mut columns, &mut tally)?;
        }
        Ok((columns.finish(&self.dataset.manifest().contigs[contig as usize].name, self.extra)?, tally))
    }

    fn batch(&self, batch: &Batch, columns: &mut VariantColumns, tally: &mut CohortTally) -> Result<()> {
        let (ids, pos) = (batch.longs("variant_id")?, batch.ints("pos")?);
        let (refs, alts) = (batch.texts("ref")?, batch.texts("alt")?);
        let [ac, an, hom_ref, het, hom_alt, hemi_ref, hemi_alt, partial, missing] =
            ["ac", "an", "n_hom_ref", "n_het", "n_hom_alt", "n_hemi_ref", "n_hemi_alt", "n_partial", "n_missing"]
                .map(|name| batch.ints(name));
        let (ac, an, hom_ref, het, hom_alt) = (ac?, an?, hom_ref?, het?, hom_alt?);
        let (hemi_ref, hemi_alt, partial, missing) = (hemi_ref?, hemi_alt?, partial?, missing?);
        for row in 0..batch.n_rows() {
            let n_partial = partial.value(row) as u64;
            let numbers = [hom_ref, het, hom_alt, hemi_ref, hemi_alt, missing, partial].map(|list| list.value(row));
            let counts = counts_of(numbers, self.n_samples).ok_or_else(|| {
                batch.damaged(&format!(
                    "the calls of the variant at position {} are not those of {} samples",
                    pos.value(row),
                    self.n_samples
                ))
            })?;
            let (all_ac, all_an) = (ac.value(row) as u64, an.value(row) as u64);
            // half calls of two copies have one known copy each; with three copies and more the table's own numbers stand
            let is_diploid = all_an == counts.an() + n_partial;
            let (ac, an) = if is_diploid { (counts.ac(), counts.an()) } else { (all_ac, all_an) };
            let of_x = self.of_x.get(&ids.value(row)).copied();
            let stored_p = number(batch.column("hwe_p"), row);
            let exact = |d: Diploid| crate::call::hwe::hwe_exact(d.n_hom_ref, d.n_het, d.n_hom_alt).map(|hwe| hwe.p);
            let diploid = diploid_of(&counts);
            let changed = of_x.filter(|of_x| *of_x != diploid);
            let row = VariantRow {
                variant_id: ids.value(row),
                pos: pos.value(row),
                ref_allele: refs.value(row),
                alt_allele: alts.value(row),
                kind: classify(refs.value(row).as_bytes(), alts.value(row).as_bytes()).name(),
                counts,
                ac,
                an,
                diploid: changed.unwrap_or(diploid),
                hwe_p: changed.map_or(stored_p, exact),
                qual: number(batch.column("qual"), row),
                mean_dp: number(batch.column("info_dp"), row)
                    .and_then(|dp| ratio(1, counts.n_called()).map(|share| dp * share)),
            };
            tally.count(&row);
            columns.push(&row, &self.ln);
        }
        Ok(())
    }
}

/// Counts out of numbers in the order of [`Counts`], and of partial calls; `None`: they cannot be those of so many samples.
fn counts_of(numbers: [i32; 7], n_samples: usize) -> Option<Counts> {
    let mut sum = 0;
    for number in numbers {
        sum += usize::try_from(number).ok()?;
    }
    let [n_hom_ref, n_het, n_hom_alt, n_hemi_ref, n_hemi_alt, n_missing, n_partial] = numbers.map(|n| n as u64);
    let counts = Counts { n_hom_ref, n_het, n_hom_alt, n_hemi_ref, n_hemi_alt, n_missing: n_missing + n_partial };
    (sum <= n_samples).then_some(counts)
}

fn number(column: Option<&Column>, row: usize) -> Option<f64> {
    match column?.value(row)? {
        Value::Int(value) => Some(value as f64),
        Value::Float(value) => Some(value),
        _ => None,
    }
}
