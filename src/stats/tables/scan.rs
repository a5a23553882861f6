//! Statistics of a selection of samples and variants, from the genotypes. Memory: some blocks, and a few numbers per sample and
//! worker. Time: one pass over the calls that are not plain reference.

use super::cohort::CohortTally;
use super::groups::Groups;
use super::is_transition;
use super::output::Sink;
use super::rows::{Extra, VariantColumns, VariantRow};
use super::samples::{Count, Homozygosity, SampleRow, SampleTable};
use super::women::MaleHaploid;
use crate::alleles::{AlleleType, classify};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::genome::ContigClass;
use crate::stats::block::{Block, Call};
use crate::stats::hardy::LnFactorials;
use crate::stats::selection::Selection;
use crate::stats::source::Source;
use polars::prelude::DataFrame;

/// Where the rows of a scan go; what is not asked for is not made.
#[derive(Default)]
pub struct Sinks<'a, 'b> {
    /// `variant_stats`
    pub variants: Option<&'b mut Sink<'a>>,
    /// `group_stats`, and the groups.
    pub groups: Option<(&'b Groups, &'b mut Sink<'a>)>,
}

/// What a scan counted.
#[derive(Clone, Debug, Default)]
pub struct Scanned {
    /// Over variants.
    pub cohort: CohortTally,
    /// By selected sample.
    pub samples: SampleTable,
    /// By selected sample.
    pub homozygosity: Vec<Homozygosity>,
}

/// Counts of one block.
struct Piece {
    variants: Option<DataFrame>,
    groups: Option<DataFrame>,
    cohort: CohortTally,
    samples: Vec<SampleTally>,
    /// Variants of the block; those of homozygosity, and their expected sum.
    n_variants: u64,
    n_f: u64,
    expected: f64,
}

/// Counts of one sample in one block.
#[derive(Clone, Copy, Debug, Default)]
struct SampleTally {
    row: SampleRow,
    n_f_missing: u64,
    n_f_het: u64,
    expected_missing: f64,
}

/// Reads the selection.
pub fn scan(dataset: &Dataset, selection: &Selection, mut sinks: Sinks) -> Result<Scanned> {
    let n_samples = selection.samples.len();
    let scanning = Scanning {
        dataset,
        males: MaleHaploid::new(dataset, &selection.samples),
        ln: LnFactorials::of_samples(n_samples),
        with_variants: sinks.variants.is_some(),
        groups: sinks.groups.as_ref().map(|(groups, _)| *groups),
    };
    let mut scanned = Scanned {
        homozygosity: vec![Homozygosity::default(); n_samples],
        samples: SampleTable { rows: vec![Default::default(); n_samples], ..SampleTable::default() },
        ..Scanned::default()
    };
    if let Some(sink) = &mut sinks.variants {
        sink.write(VariantColumns::default().finish("", Extra::default())?)?;
    }
    if let Some((groups, sink)) = &mut sinks.groups {
        sink.write(groups.rows(&Block::new(n_samples), dataset, &scanning.males)?)?;
    }
    Source::new(dataset, selection)?.run(
        |block| scanning.piece(&block),
        |piece| {
            scanned.add(&piece);
            if let (Some(sink), Some(rows)) = (&mut sinks.variants, piece.variants) {
                sink.write(rows)?;
            }
            match (&mut sinks.groups, piece.groups) {
                (Some((_, sink)), Some(rows)) => sink.write(rows),
                _ => Ok(()),
            }
        },
    )?;
    Ok(scanned)
}

impl Scanned {
    /// Blocks come in order, so the sums of expected homozygosity do not depend on threads.
    fn add(&mut self, piece: &Piece) {
        self.cohort.add(&piece.cohort);
        for ((row, hom), tally) in self.samples.rows.iter_mut().zip(&mut self.homozygosity).zip(&piece.samples) {
            for (own, counted) in row.iter_mut().zip(tally.row) {
                *own += counted;
            }
            row[Count::Called as usize] += piece.n_variants - tally.row[Count::Missing as usize];
            let n_f = piece.n_f - tally.n_f_missing;
            hom.n += n_f;
            hom.observed += n_f - tally.n_f_het;
            hom.expected += piece.expected - tally.expected_missing;
        }
    }
}

struct Scanning<'a> {
    dataset: &'a Dataset,
    males: MaleHaploid,
    ln: LnFactorials,
    with_variants: bool,
    groups: Option<&'a Groups>,
}

impl Scanning<'_> {
    fn piece(&self, block: &Block) -> Result<Piece> {
        let mut piece = Piece {
            variants: None,
            groups: self.groups.map(|groups| groups.rows(block, self.dataset, &self.males)).transpose()?,
            cohort: CohortTally::default(),
            samples: vec![SampleTally::default(); block.n_samples],
            n_variants: block.len() as u64,
            n_f: 0,
            expected: 0.0,
        };
        let Some(first) = block.sites.first() else { return Ok(piece) };
        let contig = &self.dataset.manifest().contigs[first.contig as usize].name;
        let is_autosome = ContigClass::of(contig) == ContigClass::Autosome;
        let mut columns = VariantColumns::default();
        for at in 0..block.len() {
            let site = &block.sites[at];
            let kind = classify(site.ref_allele.as_bytes(), site.alt_allele.as_bytes());
            if self.with_variants {
                let diploid = self.males.diploid(block, at);
                let hwe = crate::call::hwe::hwe_exact(diploid.n_hom_ref, diploid.n_het, diploid.n_hom_alt);
                let row = VariantRow {
                    variant_id: site.variant_id,
                    pos: site.pos,
                    ref_allele: &site.ref_allele,
                    alt_allele: &site.alt_allele,
                    kind: kind.name(),
                    counts: site.counts,
                    ac: site.counts.ac(),
                    an: site.counts.an(),
                    diploid,
                    hwe_p: hwe.map(|hwe| hwe.p),
                    qual: None,
                    mean_dp: None,
                };
                piece.cohort.count(&row);
                columns.push(&row, &self.ln);
            }
            piece.count(block, at, (kind, is_autosome && site.n_alts == 1));
        }
        if self.with_variants {
            piece.variants = Some(columns.finish(contig, Extra::default())?);
        }
        Ok(piece)
    }
}

impl Piece {
    /// Counts the calls of a variant by sample; the second of `about`: whether it counts for homozygosity.
    fn count(&mut self, block: &Block, at: usize, about: (AlleleType, bool)) {
        let site = &block.sites[at];
        let is_singleton = site.counts.ac() == 1;
        let expected = site.counts.af().filter(|&p| about.1 && p > 0.0 && p < 1.0).map(|p| 1.0 - 2.0 * p * (1.0 - p));
        self.n_f += u64::from(expected.is_some());
        self.expected += expected.unwrap_or_default();
        let by_type: &[Count] = match about.0 {
            AlleleType::Snv if is_transition(&site.ref_allele, &site.alt_allele) => &[Count::Snv, Count::Ti],
            AlleleType::Snv => &[Count::Snv, Count::Tv],
            AlleleType::Ins => &[Count::Ins],
            AlleleType::Del => &[Count::Del],
            _ => &[],
        };
        let (samples, calls) = block.listed(at);
        for (&sample, &call) in samples.iter().zip(calls) {
            let tally = &mut self.samples[sample as usize];
            let own = match call {
                Call::Missing => {
                    tally.row[Count::Missing as usize] += 1;
                    tally.n_f_missing += u64::from(expected.is_some());
                    tally.expected_missing += expected.unwrap_or_default();
                    continue;
                }
                Call::Het => {
                    tally.n_f_het += u64::from(expected.is_some());
                    Some(Count::Het)
                }
                Call::HomAlt => Some(Count::HomAlt),
                Call::HemiAlt => None,
                Call::HomRef | Call::HemiRef => continue,
            };
            for count in own.iter().chain(by_type) {
                tally.row[*count as usize] += 1;
            }
            tally.row[Count::Singleton as usize] += u64::from(is_singleton);
        }
    }
}
