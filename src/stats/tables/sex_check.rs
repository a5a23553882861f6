//! Whether the calls on X and Y fit the sex that the sample sheet says.

use super::samples::Homozygosity;
use super::{frame, ratio};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::genome::ContigClass;
use crate::genome::sex::{Sex, SexChromosome};
use crate::stats::block::{Block, Call};
use crate::stats::selection::Selection;
use crate::stats::source::Source;
use polars::prelude::{Column, DataFrame};

/// F on X up to which a sample is female, and from which it is male: the defaults of PLINK's `--check-sex`.
const X_F: (f64, f64) = (0.2, 0.8);
/// Call rate on Y up to which a sample is female, and from which it is male, where X says nothing.
const Y_CALL_RATE: (f64, f64) = (0.2, 0.8);

/// Counts of a sample over the variants outside of the pseudoautosomal regions.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    x: Homozygosity,
    n_x_missing: u64,
    n_x_het: u64,
    expected_missing: f64,
    n_y_missing: u64,
}

/// Counts of a block, or of all.
#[derive(Clone, Debug)]
struct Piece {
    samples: Vec<Tally>,
    n_x: u64,
    n_y: u64,
    expected: f64,
}

/// Samples whose calls do not fit, and the table `sex_check`. An error where there is no variant on X or Y.
pub fn sex_check(dataset: &Dataset, selection: &Selection) -> Result<(u64, DataFrame)> {
    let mut selection = selection.clone();
    selection.variants.contig_classes = vec![ContigClass::X, ContigClass::Y];
    let n_samples = selection.samples.len();
    let empty = Piece { samples: vec![Tally::default(); n_samples], n_x: 0, n_y: 0, expected: 0.0 };
    let mut total = empty.clone();
    Source::new(dataset, &selection)?.run(
        |block| Ok(count(dataset, &block, empty.clone())),
        |piece| {
            total.n_x += piece.n_x;
            total.n_y += piece.n_y;
            for (own, tally) in total.samples.iter_mut().zip(&piece.samples) {
                let n = piece.n_x - tally.n_x_missing;
                own.x.n += n;
                own.x.observed += n - tally.n_x_het;
                own.x.expected += piece.expected - tally.expected_missing;
                own.n_x_het += tally.n_x_het;
                own.n_y_missing += tally.n_y_missing;
            }
            Ok(())
        },
    )?;
    if total.n_x + total.n_y == 0 {
        return Err(Error::usage("the selection has no variant on X or Y outside of the pseudoautosomal regions")
            .hint("--sex-check looks at contigs named X, chrX, Y or chrY"));
    }
    table(&selection, &total)
}

fn count(dataset: &Dataset, block: &Block, mut piece: Piece) -> Piece {
    for (at, site) in block.sites.iter().enumerate() {
        let contig = &dataset.manifest().contigs[site.contig as usize];
        let chromosome = SexChromosome::of(&contig.name, contig.length);
        if chromosome.is_some_and(|chromosome| chromosome.copies(site.pos, Sex::Male) != 1) {
            continue;
        }
        let (samples, calls) = block.listed(at);
        let listed = samples.iter().zip(calls);
        if ContigClass::of(&contig.name) == ContigClass::Y {
            piece.n_y += 1;
            for (&sample, _) in listed.filter(|(_, call)| **call == Call::Missing) {
                piece.samples[sample as usize].n_y_missing += 1;
            }
            continue;
        }
        let Some(p) = site.counts.af() else { continue };
        let expected = 1.0 - 2.0 * p * (1.0 - p);
        piece.n_x += 1;
        piece.expected += expected;
        for (&sample, &call) in listed {
            let tally = &mut piece.samples[sample as usize];
            if call == Call::Missing {
                tally.n_x_missing += 1;
                tally.expected_missing += expected;
            }
            tally.n_x_het += u64::from(call == Call::Het);
        }
    }
    piece
}

/// The sex that a value between two cut-offs says.
fn by(value: Option<f64>, (female, male): (f64, f64)) -> Option<Sex> {
    match value? {
        value if value >= male => Some(Sex::Male),
        value if value <= female => Some(Sex::Female),
        _ => None,
    }
}

fn table(selection: &Selection, total: &Piece) -> Result<(u64, DataFrame)> {
    let samples = &selection.samples;
    let text = |sex: Option<Sex>| sex.map(|sex| if sex == Sex::Male { "male" } else { "female" });
    let x_f: Vec<Option<f64>> = total.samples.iter().map(|tally| tally.x.f()).collect();
    let y_call_rate: Vec<Option<f64>> =
        total.samples.iter().map(|tally| ratio(total.n_y - tally.n_y_missing, total.n_y)).collect();
    let inferred: Vec<Option<Sex>> = x_f
        .iter()
        .zip(&y_call_rate)
        .map(|(x_f, y)| if x_f.is_some() { by(*x_f, X_F) } else { by(*y, Y_CALL_RATE) })
        .collect();
    let status: Vec<&str> = inferred
        .iter()
        .enumerate()
        .map(|(at, inferred)| match (samples.sex(at), *inferred) {
            (None, _) => "undeclared",
            (Some(declared), Some(inferred)) if declared == inferred => "ok",
            _ => "problem",
        })
        .collect();
    let n_problems = status.iter().filter(|status| **status == "problem").count() as u64;
    let declared: Vec<Option<&str>> = (0..samples.len()).map(|at| text(samples.sex(at))).collect();
    let het_rate: Vec<Option<f64>> = total.samples.iter().map(|tally| ratio(tally.n_x_het, tally.x.n)).collect();
    let table = frame(vec![
        Column::new("sample".into(), samples.names().collect::<Vec<_>>()),
        Column::new("sex".into(), declared),
        Column::new("inferred_sex".into(), inferred.into_iter().map(text).collect::<Vec<_>>()),
        Column::new("status".into(), status),
        Column::new("n_x".into(), total.samples.iter().map(|tally| tally.x.n as i64).collect::<Vec<_>>()),
        Column::new("x_f".into(), x_f),
        Column::new("x_het_rate".into(), het_rate),
        Column::new("y_call_rate".into(), y_call_rate),
    ])?;
    Ok((n_problems, table))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_offs() {
        assert_eq!([0.2, 0.5, 0.8].map(|f| by(Some(f), X_F)), [Some(Sex::Female), None, Some(Sex::Male)]);
        assert_eq!(by(None, X_F), None);
    }
}
