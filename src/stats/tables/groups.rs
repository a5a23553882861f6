//! Counts by group of samples: populations, batches, cases and controls.

use super::women::MaleHaploid;
use super::{frame, ratio};
use crate::dataset::Dataset;
use crate::dataset::stream::{FileStream, Select, column_names, read_metadata};
use crate::error::{Error, Result};
use crate::stats::block::{Block, Call, Counts, Unlisted};
use crate::stats::hardy::Diploid;
use crate::stats::selection::SampleSet;
use crate::store::local;
use polars::prelude::{Column, DataFrame};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Groups of the selected samples.
#[derive(Clone, Debug)]
pub struct Groups {
    names: Vec<String>,
    /// Group of each selected sample.
    of_sample: Vec<Option<u32>>,
    is_male: Vec<bool>,
    /// Samples, and men among them, by group.
    sizes: Vec<[u64; 2]>,
}

impl Groups {
    /// From a file with a sample and its group in each line, a tab between them; `#` begins a comment, a first line
    /// `sample group` is skipped. Samples that are not in the file are in no group; a sample with two groups is an error.
    pub fn read(path: &Path, dataset_samples: &SampleSet, samples: &SampleSet) -> Result<Groups> {
        let text = local::read_text(path)?;
        let known: HashMap<&str, ()> = dataset_samples.names().map(|name| (name, ())).collect();
        let mut group_of: HashMap<&str, &str> = HashMap::new();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: String| {
                Error::usage(format!("{}:{}: {what}", path.display(), at + 1))
                    .hint("expected a sample of the dataset and its group, with a tab between them")
            };
            let (sample, rest) = line.split_once('\t').ok_or_else(|| wrong(format!("`{line}` has one column")))?;
            let group = rest.split('\t').next().unwrap_or_default().trim();
            if group_of.is_empty() && sample == "sample" {
                continue;
            }
            if !known.contains_key(sample) {
                return Err(wrong(format!("the dataset has no sample `{sample}`")));
            }
            if group_of.insert(sample, group).is_some_and(|other| other != group) {
                return Err(wrong(format!("`{sample}` is in two groups")));
            }
        }
        let groups = Self::of(samples, &group_of);
        match groups.names.is_empty() {
            true => Err(Error::usage(format!("{}: none of the samples has a group", path.display()))),
            false => Ok(groups),
        }
    }

    /// From a file, as [`Groups::read`], or else from the column of the table `samples` with that name (text).
    pub fn named(name: &str, dataset: &Dataset, dataset_samples: &SampleSet, samples: &SampleSet) -> Result<Groups> {
        let path = Path::new(name);
        if path.exists() || crate::store::s3::is_uri(path) {
            return Self::read(path, dataset_samples, samples);
        }
        let mut values: Vec<(String, String)> = Vec::new();
        let mut columns = Vec::new();
        for file in dataset.files("samples") {
            let file = dataset.full_path(file)?;
            columns = column_names(&read_metadata(&file)?);
            for batch in FileStream::open(&file, &Select::columns(&["sample", name]))? {
                let batch = batch?;
                let (samples, group) = (batch.texts("sample")?, batch.column(name));
                for row in 0..batch.n_rows() {
                    let group = group.and_then(|group| group.value(row)).and_then(|value| value.text());
                    values.extend(group.map(|group| (samples.value(row).to_owned(), group.to_owned())));
                }
            }
        }
        let group_of = values.iter().map(|(sample, group)| (sample.as_str(), group.as_str())).collect();
        let groups = Self::of(samples, &group_of);
        match groups.names.is_empty() {
            true => {
                Err(Error::usage(format!("`{name}` is no file, and no column of texts of the table samples")).hint(
                    format!("the columns are {}; a file has a sample and its group in each line", columns.join(", ")),
                ))
            }
            false => Ok(groups),
        }
    }

    fn of(samples: &SampleSet, group_of: &HashMap<&str, &str>) -> Groups {
        let found = samples.names().filter_map(|name| group_of.get(name).copied());
        let index: BTreeMap<&str, u32> =
            found.collect::<std::collections::BTreeSet<_>>().into_iter().zip(0..).collect();
        let of_sample: Vec<Option<u32>> =
            samples.names().map(|name| group_of.get(name).map(|group| index[group])).collect();
        let is_male: Vec<bool> =
            (0..samples.len()).map(|at| samples.sex(at) == Some(crate::genome::sex::Sex::Male)).collect();
        let mut sizes = vec![[0; 2]; index.len()];
        for (group, &male) in of_sample.iter().zip(&is_male) {
            if let Some(group) = group {
                sizes[*group as usize][0] += 1;
                sizes[*group as usize][1] += u64::from(male);
            }
        }
        Groups { names: index.keys().map(|name| (*name).to_owned()).collect(), of_sample, is_male, sizes }
    }

    /// Names of the groups, sorted.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Counts of a variant by group, and the diploid calls without the men who have one copy.
    fn counts(&self, block: &Block, at: usize, without_men: bool) -> Vec<(Counts, Diploid)> {
        let mut counts = vec![Counts::default(); self.sizes.len()];
        let mut men = vec![Counts::default(); self.sizes.len()];
        let mut listed = vec![[0u64; 2]; self.sizes.len()];
        let (samples, calls) = block.listed(at);
        for (&sample, &call) in samples.iter().zip(calls) {
            let Some(group) = self.of_sample[sample as usize] else { continue };
            let group = group as usize;
            let male = self.is_male[sample as usize];
            counts[group].add(call, 1);
            listed[group][0] += 1;
            listed[group][1] += u64::from(male);
            if male {
                men[group].add(call, 1);
            }
        }
        let unlisted = block.sites[at].unlisted;
        for group in 0..self.sizes.len() {
            let n_men = self.sizes[group][1] - listed[group][1];
            let n_others = self.sizes[group][0] - listed[group][0] - n_men;
            let hemi_men = unlisted != Unlisted::HomRef;
            let hemi_others = unlisted == Unlisted::HemiRef;
            let reference = |hemi| if hemi { Call::HemiRef } else { Call::HomRef };
            counts[group].add(reference(hemi_men), n_men);
            men[group].add(reference(hemi_men), n_men);
            counts[group].add(reference(hemi_others), n_others);
        }
        let diploid = |(counts, men): (Counts, Counts)| {
            let men = if without_men { men } else { Counts::default() };
            let rest = Diploid {
                n_hom_ref: counts.n_hom_ref - men.n_hom_ref,
                n_het: counts.n_het - men.n_het,
                n_hom_alt: counts.n_hom_alt - men.n_hom_alt,
            };
            (counts, rest)
        };
        counts.into_iter().zip(men).map(diploid).collect()
    }

    /// Rows of `group_stats`: every variant of a block with every group.
    pub fn rows(&self, block: &Block, dataset: &Dataset, males: &MaleHaploid) -> Result<DataFrame> {
        let n = block.len() * self.names.len();
        let mut ids = Vec::with_capacity(n);
        let (mut contigs, mut refs, mut alts, mut names) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut positions = Vec::with_capacity(n);
        let mut counts: [Vec<i32>; 7] = Default::default();
        let (mut af, mut hwe_p) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for (at, site) in block.sites.iter().enumerate() {
            let by_group = self.counts(block, at, males.is_at(site.contig, site.pos));
            for (name, (c, diploid)) in self.names.iter().zip(by_group) {
                ids.push(site.variant_id);
                contigs.push(dataset.manifest().contigs[site.contig as usize].name.as_str());
                positions.push(site.pos);
                refs.push(&*site.ref_allele);
                alts.push(&*site.alt_allele);
                names.push(name.as_str());
                let values = [c.n_called(), c.n_missing, c.ac(), c.an(), c.n_hom_ref, c.n_het, c.n_hom_alt];
                counts.iter_mut().zip(values).for_each(|(column, value)| column.push(value as i32));
                af.push(ratio(c.ac(), c.an()));
                let exact = crate::call::hwe::hwe_exact(diploid.n_hom_ref, diploid.n_het, diploid.n_hom_alt);
                hwe_p.push(exact.map(|hwe| hwe.p));
            }
        }
        let mut columns = vec![
            Column::new("variant_id".into(), ids),
            Column::new("contig".into(), contigs),
            Column::new("pos".into(), positions),
            Column::new("ref".into(), refs),
            Column::new("alt".into(), alts),
            Column::new("group".into(), names),
        ];
        let names = ["n_called", "n_missing", "ac", "an", "n_hom_ref", "n_het", "n_hom_alt"];
        columns.extend(names.iter().zip(counts).map(|(name, values)| Column::new((*name).into(), values)));
        columns.insert(10, Column::new("af".into(), af));
        columns.push(Column::new("hwe_p".into(), hwe_p));
        frame(columns)
    }
}
