//! Which samples and which variants an analysis looks at.

use crate::dataset::Dataset;
use crate::dataset::region::Region;
use crate::dataset::stream::{FileStream, Select};
use crate::error::{Error, Result};
use crate::genome::ContigClass;
use crate::genome::sex::Sex;
use crate::stats::block::Counts;
use std::collections::{HashMap, HashSet};

/// Mark of a sample that is not selected.
const NOT_SELECTED: u32 = u32::MAX;

/// Samples of the dataset in the order of `sample_index`, and which of them are selected.
#[derive(Clone, Debug)]
pub struct SampleSet {
    names: Vec<String>,
    sexes: Vec<Option<Sex>>,
    /// `sample_index` of each selected sample.
    selected: Vec<u32>,
    /// Position in the selection by `sample_index`.
    positions: Vec<u32>,
}

impl SampleSet {
    /// All samples of `dataset`.
    pub fn all(dataset: &Dataset) -> Result<SampleSet> {
        let names = dataset.sample_names()?;
        let mut sexes = vec![None; names.len()];
        for file in dataset.files("samples") {
            let columns = Select::columns(&["sample_index", "sex"]);
            for batch in FileStream::open(&dataset.full_path(file)?, &columns)? {
                let batch = batch?;
                let (index, sex) = (batch.ints("sample_index")?, batch.column("sex"));
                for row in 0..batch.n_rows() {
                    let text = sex.and_then(|column| column.value(row)).and_then(|value| value.text());
                    sexes[index.value(row) as usize] = text.and_then(Sex::parse);
                }
            }
        }
        let n = names.len() as u32;
        Ok(SampleSet { names, sexes, selected: (0..n).collect(), positions: (0..n).collect() })
    }

    /// Samples of no dataset.
    #[cfg(test)]
    pub fn named(names: &[&str]) -> SampleSet {
        let n = names.len() as u32;
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        SampleSet { sexes: vec![None; names.len()], names, selected: (0..n).collect(), positions: (0..n).collect() }
    }

    /// The samples with these names only. Their order stays that of the dataset; a name that is not there is an error.
    pub fn only(mut self, wanted: &[String]) -> Result<SampleSet> {
        let index: HashMap<&str, u32> = self.names.iter().map(String::as_str).zip(0..).collect();
        let mut chosen = vec![false; self.names.len()];
        for name in wanted {
            let Some(&at) = index.get(name.as_str()) else {
                return Err(Error::usage(format!("the dataset has no sample `{name}`"))
                    .hint("`varbatch query DATASET \"SELECT sample FROM samples\"` lists them"));
            };
            chosen[at as usize] = true;
        }
        self.keep(|at| chosen[at as usize]);
        Ok(self)
    }

    /// Drops the selected samples whose `sample_index` fails `test`.
    pub fn keep(&mut self, test: impl Fn(u32) -> bool) {
        self.selected.retain(|&at| test(at));
        self.positions = vec![NOT_SELECTED; self.names.len()];
        for (position, &at) in self.selected.iter().enumerate() {
            self.positions[at as usize] = position as u32;
        }
    }

    /// Number of selected samples.
    pub fn len(&self) -> usize {
        self.selected.len()
    }

    /// Whether no sample is selected.
    pub fn is_empty(&self) -> bool {
        self.selected.is_empty()
    }

    /// Whether every sample of the dataset is selected.
    pub fn is_all(&self) -> bool {
        self.selected.len() == self.names.len()
    }

    /// Position in the selection of a `sample_index`.
    pub fn position(&self, sample_index: i32) -> Option<u32> {
        self.positions.get(usize::try_from(sample_index).ok()?).copied().filter(|&at| at != NOT_SELECTED)
    }

    /// `sample_index` of each selected sample, ascending.
    pub fn indexes(&self) -> &[u32] {
        &self.selected
    }

    /// Name of a selected sample by its position.
    pub fn name(&self, position: usize) -> &str {
        &self.names[self.selected[position] as usize]
    }

    /// Names of the selected samples in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.selected.iter().map(|&at| self.names[at as usize].as_str())
    }

    /// Sex of a selected sample as the sample sheet says.
    pub fn sex(&self, position: usize) -> Option<Sex> {
        self.sexes[self.selected[position] as usize]
    }
}

/// Which variants to look at. The tests of `counts` are over the selected samples.
#[derive(Clone, Debug, Default)]
pub struct VariantFilter {
    /// Rows whose `pos` is in one of these.
    pub regions: Option<Vec<Region>>,
    /// Rows with these identifiers.
    pub variant_ids: Option<HashSet<i64>>,
    /// Contigs of these classes; empty: all.
    pub contig_classes: Vec<ContigClass>,
    /// `type` of `variants` is one of these; empty: all.
    pub types: Vec<String>,
    /// Only alleles of records with one ALT.
    pub biallelic: bool,
    /// Only rows whose record passed all filters, or was not filtered (`PASS`, `.`).
    pub pass: bool,
    /// Least frequency of the rarer allele.
    pub min_maf: Option<f64>,
    /// Largest frequency of the rarer allele.
    pub max_maf: Option<f64>,
    /// Least number of copies of the rarer allele.
    pub min_mac: Option<u64>,
    /// Largest share of samples without a complete call.
    pub max_missing: Option<f64>,
    /// Least exact Hardy-Weinberg p over diploid calls.
    pub min_hwe_p: Option<f64>,
}

impl VariantFilter {
    /// Whether the contig can have wanted rows.
    pub fn wants_contig(&self, name: &str) -> bool {
        let by_class = self.contig_classes.is_empty() || self.contig_classes.contains(&ContigClass::of(name));
        by_class && self.regions.as_ref().is_none_or(|regions| regions.iter().any(|region| region.contig == name))
    }

    /// Whether `pos` of the contig is in a region.
    pub fn wants_pos(&self, contig: &str, pos: i32) -> bool {
        let pos = i64::from(pos);
        self.regions
            .as_ref()
            .is_none_or(|regions| regions.iter().any(|region| region.contig == contig && region.overlaps(pos, pos)))
    }

    /// Whether the counts pass.
    pub fn wants_counts(&self, counts: &Counts) -> bool {
        let maf = counts.maf();
        let n = counts.n_called() + counts.n_missing;
        let mac = counts.ac().min(counts.an() - counts.ac());
        self.min_maf.is_none_or(|least| maf.is_some_and(|maf| maf >= least))
            && self.max_maf.is_none_or(|most| maf.is_some_and(|maf| maf <= most))
            && self.min_mac.is_none_or(|least| mac >= least)
            && self.max_missing.is_none_or(|most| counts.n_missing as f64 <= most * n as f64)
            && self.min_hwe_p.is_none_or(|least| passes_hwe(counts, least))
    }
}

fn passes_hwe(counts: &Counts, least: f64) -> bool {
    crate::call::hwe::hwe_exact(counts.n_hom_ref, counts.n_het, counts.n_hom_alt).is_none_or(|hwe| hwe.p >= least)
}

/// Samples and variants of an analysis.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The samples.
    pub samples: SampleSet,
    /// The variants.
    pub variants: VariantFilter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_counts() {
        let counts = Counts { n_hom_ref: 6, n_het: 2, n_missing: 2, ..Counts::default() };
        let passes = |filter: VariantFilter| filter.wants_counts(&counts);
        assert!(passes(VariantFilter::default()));
        assert!(passes(VariantFilter { min_maf: Some(0.125), max_maf: Some(0.125), ..Default::default() }));
        assert!(!passes(VariantFilter { min_maf: Some(0.13), ..Default::default() }));
        assert!(!passes(VariantFilter { min_mac: Some(3), ..Default::default() }));
        assert!(passes(VariantFilter { max_missing: Some(0.2), ..Default::default() }));
        assert!(!passes(VariantFilter { max_missing: Some(0.1), ..Default::default() }));
        assert!(!passes(VariantFilter { min_hwe_p: Some(1.1), ..Default::default() }));
    }
}
