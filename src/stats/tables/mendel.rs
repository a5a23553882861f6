//! Mendelian errors of complete trios: calls of a child that its parents cannot have passed on.
//!
//! Codes are those of Hail, which extend PLINK's 1 to 8 by sons on X (9, 10) and Y (11, 12); a missing call of a parent counts as
//! anything. Hail knows two kinds of place: there a son has one copy, and everywhere else.

use super::frame;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::genome::ContigClass;
use crate::genome::sex::{Sex, SexChromosome};
use crate::stats::block::{Block, Call, Unlisted};
use crate::stats::selection::{SampleSet, Selection};
use crate::stats::source::Source;
use crate::store::local;
use polars::prelude::{Column, DataFrame};
use std::collections::HashMap;
use std::path::Path;

/// Number of codes; they begin at 1.
const N_CODES: usize = 12;

/// A child with both parents, as positions in the selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trio {
    family: String,
    /// Child, father, mother.
    members: [u32; 3],
    sex: Option<Sex>,
}

/// The complete trios of a PED or FAM file among the selected samples: family, sample, father, mother, sex (1 or male, 2 or female),
/// and columns that are not looked at. The sex of the sample sheet stands in where the file has none.
pub fn read_ped(path: &Path, samples: &SampleSet) -> Result<Vec<Trio>> {
    let positions: HashMap<&str, u32> = samples.names().zip(0..).collect();
    let text = local::read_text(path)?;
    let mut trios = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [family, child, father, mother, rest @ ..] = &columns[..] else {
            return Err(Error::usage(format!("{}:{}: {} columns", path.display(), at + 1, columns.len()))
                .hint("expected family, sample, father, mother and sex, as in PED and FAM files"));
        };
        let members = [child, father, mother].map(|name| positions.get(*name).copied());
        if let [Some(child), Some(father), Some(mother)] = members {
            let sex = rest.first().and_then(|text| Sex::parse(text)).or_else(|| samples.sex(child as usize));
            trios.push(Trio { family: (*family).to_owned(), members: [child, father, mother], sex });
        }
    }
    if trios.is_empty() {
        return Err(Error::usage(format!("{}: no child has both its parents among the samples", path.display()))
            .hint("the names of samples, fathers and mothers are those of the dataset"));
    }
    Ok(trios)
}

/// What a genotype is, seen from the allele.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zygosity {
    Ref,
    Het,
    Alt,
    Missing,
}

impl From<Call> for Zygosity {
    fn from(call: Call) -> Zygosity {
        match call {
            Call::HomRef | Call::HemiRef => Zygosity::Ref,
            Call::Het => Zygosity::Het,
            Call::HomAlt | Call::HemiAlt => Zygosity::Alt,
            Call::Missing => Zygosity::Missing,
        }
    }
}

/// Copies of a place that a child has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// One of each parent.
    Auto,
    /// One, of the mother.
    HemiX,
    /// One, of the father.
    HemiY,
}

/// The code of an error; 0 for none.
fn code([child, father, mother]: [Zygosity; 3], place: Place) -> u8 {
    use Zygosity::{Alt, Het, Ref};
    match (place, father, mother, child) {
        (Place::Auto, Alt, Alt, Het) => 1,
        (Place::Auto, Ref, Ref, Het) => 2,
        (Place::Auto, Ref, Ref, Alt) => 5,
        (Place::Auto, Ref, _, Alt) => 3,
        (Place::Auto, _, Ref, Alt) => 4,
        (Place::Auto, Alt, Alt, Ref) => 8,
        (Place::Auto, Alt, _, Ref) => 6,
        (Place::Auto, _, Alt, Ref) => 7,
        (Place::HemiX, _, Alt, Ref) => 9,
        (Place::HemiX, _, Ref, Alt) => 10,
        (Place::HemiY, Alt, _, Ref) => 11,
        (Place::HemiY, Ref, _, Alt) => 12,
        _ => 0,
    }
}

/// Whether a code speaks against the father's call, and the mother's.
fn implicated(code: u8) -> [bool; 2] {
    match code {
        3 | 6 | 11 | 12 => [true, false],
        4 | 7 | 9 | 10 => [false, true],
        // the parents agree, the child has what neither has
        5 | 8 => [false, false],
        _ => [true, true],
    }
}

/// Counts of a trio.
#[derive(Clone, Copy, Debug, Default)]
struct TrioTally {
    n_called: u64,
    by_code: [u64; N_CODES],
    n_snv_errors: u64,
    n_father: u64,
    n_mother: u64,
}

/// One error: variant within the block, trio, code.
type Found = (usize, usize, u8);

/// Counts of a block.
struct Piece {
    trios: Vec<TrioTally>,
    /// Of variants with an error: identifier, contig, pos, alleles, trios that are called, errors.
    variants: Vec<VariantErrors>,
    /// Variant, contig, pos, trio, code.
    errors: Vec<(i64, u32, i32, usize, u8)>,
}

#[derive(Clone, Debug)]
struct VariantErrors {
    variant_id: i64,
    contig: u32,
    pos: i32,
    alleles: [Box<str>; 2],
    n_trios: i32,
    n_errors: i32,
}

/// Tables by name: `mendel_trios`, `mendel_variants` (those with an error) and `mendel_errors`. Memory grows with the errors.
pub fn mendel(dataset: &Dataset, selection: &Selection, trios: &[Trio]) -> Result<Vec<(&'static str, DataFrame)>> {
    let counting = Counting::new(dataset, selection, trios);
    let mut total = Piece { trios: vec![TrioTally::default(); trios.len()], variants: Vec::new(), errors: Vec::new() };
    Source::new(dataset, selection)?.run(
        |block| Ok(counting.piece(&block)),
        |piece| {
            for (own, counted) in total.trios.iter_mut().zip(&piece.trios) {
                own.n_called += counted.n_called;
                own.n_snv_errors += counted.n_snv_errors;
                own.n_father += counted.n_father;
                own.n_mother += counted.n_mother;
                own.by_code.iter_mut().zip(counted.by_code).for_each(|(own, n)| *own += n);
            }
            total.variants.extend(piece.variants);
            total.errors.extend(piece.errors);
            Ok(())
        },
    )?;
    let name = |contig: u32| dataset.manifest().contigs[contig as usize].name.as_str();
    Ok(vec![
        ("mendel_trios", trios_frame(trios, &selection.samples, &total.trios)?),
        ("mendel_variants", variants_frame(&total.variants, name)?),
        ("mendel_errors", errors_frame(&total.errors, (trios, &selection.samples), name)?),
    ])
}

struct Counting<'a> {
    trios: &'a [Trio],
    /// Class and, of X and Y of known length, pseudoautosomal regions by contig.
    contigs: Vec<(ContigClass, Option<SexChromosome>)>,
    /// Slot of each selected sample among the members of trios.
    slots: Vec<Option<u32>>,
    is_male: Vec<bool>,
    n_slots: usize,
}

impl<'a> Counting<'a> {
    fn new(dataset: &Dataset, selection: &Selection, trios: &'a [Trio]) -> Counting<'a> {
        let contigs = dataset.manifest().contigs.iter();
        let contigs = contigs.map(|c| (ContigClass::of(&c.name), SexChromosome::of(&c.name, c.length))).collect();
        let mut counting =
            Counting { trios, contigs, slots: vec![None; selection.samples.len()], is_male: Vec::new(), n_slots: 0 };
        for &member in trios.iter().flat_map(|trio| &trio.members) {
            let slot = &mut counting.slots[member as usize];
            if slot.is_none() {
                *slot = Some(counting.n_slots as u32);
                counting.is_male.push(selection.samples.sex(member as usize) == Some(Sex::Male));
                counting.n_slots += 1;
            }
        }
        counting
    }

    fn place(&self, contig: u32, pos: i32, sex: Option<Sex>) -> Option<Place> {
        let (class, chromosome) = self.contigs[contig as usize];
        let is_single = chromosome.is_none_or(|chromosome| chromosome.copies(pos, Sex::Male) == 1);
        match (class, sex) {
            (ContigClass::Mitochondrion, _) => None,
            (ContigClass::X, _) if !is_single => Some(Place::Auto),
            (ContigClass::Y, _) if !is_single => Some(Place::Auto),
            (ContigClass::X | ContigClass::Y, None) => None,
            (ContigClass::X, Some(Sex::Male)) => Some(Place::HemiX),
            (ContigClass::Y, Some(Sex::Male)) => Some(Place::HemiY),
            _ => Some(Place::Auto),
        }
    }

    fn piece(&self, block: &Block) -> Piece {
        let mut piece =
            Piece { trios: vec![TrioTally::default(); self.trios.len()], variants: Vec::new(), errors: Vec::new() };
        let mut calls = vec![Call::HomRef; self.n_slots];
        for at in 0..block.len() {
            self.calls(block, at, &mut calls);
            let (n_trios, found) = self.variant(block, at, &calls, &mut piece.trios);
            if found.is_empty() {
                continue;
            }
            let site = &block.sites[at];
            piece.variants.push(VariantErrors {
                variant_id: site.variant_id,
                contig: site.contig,
                pos: site.pos,
                alleles: [site.ref_allele.clone(), site.alt_allele.clone()],
                n_trios,
                n_errors: found.len() as i32,
            });
            let errors = found.iter().map(|&(_, trio, code)| (site.variant_id, site.contig, site.pos, trio, code));
            piece.errors.extend(errors);
        }
        piece
    }

    /// Calls of all members of trios.
    fn calls(&self, block: &Block, at: usize, calls: &mut [Call]) {
        match block.sites[at].unlisted {
            Unlisted::HomRef => calls.fill(Call::HomRef),
            Unlisted::HemiRef => calls.fill(Call::HemiRef),
            Unlisted::BySex => {
                for (call, &male) in calls.iter_mut().zip(&self.is_male) {
                    *call = if male { Call::HemiRef } else { Call::HomRef };
                }
            }
        }
        let (samples, listed) = block.listed(at);
        for (&sample, &call) in samples.iter().zip(listed) {
            if let Some(slot) = self.slots[sample as usize] {
                calls[slot as usize] = call;
            }
        }
    }

    /// Trios that are called, and the errors.
    fn variant(&self, block: &Block, at: usize, calls: &[Call], tallies: &mut [TrioTally]) -> (i32, Vec<Found>) {
        let site = &block.sites[at];
        let is_snv = site.ref_allele.len() == 1 && site.alt_allele.len() == 1;
        let mut n_trios = 0;
        let mut found = Vec::new();
        for (which, (trio, tally)) in self.trios.iter().zip(tallies).enumerate() {
            let Some(place) = self.place(site.contig, site.pos, trio.sex) else { continue };
            let own = trio.members.map(|member| {
                let slot = self.slots[member as usize].expect("members have slots");
                Zygosity::from(calls[slot as usize])
            });
            if !own.contains(&Zygosity::Missing) {
                n_trios += 1;
                tally.n_called += 1;
            }
            let code = code(own, place);
            if code > 0 {
                let [father, mother] = implicated(code);
                tally.by_code[code as usize - 1] += 1;
                tally.n_snv_errors += u64::from(is_snv);
                tally.n_father += u64::from(father);
                tally.n_mother += u64::from(mother);
                found.push((at, which, code));
            }
        }
        (n_trios, found)
    }
}

fn trios_frame(trios: &[Trio], samples: &SampleSet, tallies: &[TrioTally]) -> Result<DataFrame> {
    let member = |which: usize| trios.iter().map(|trio| samples.name(trio.members[which] as usize)).collect::<Vec<_>>();
    let sex = |trio: &Trio| trio.sex.map(|sex| if sex == Sex::Male { "male" } else { "female" });
    let count = |of: &dyn Fn(&TrioTally) -> u64| tallies.iter().map(|tally| of(tally) as i64).collect::<Vec<_>>();
    let n_errors = |tally: &TrioTally| tally.by_code.iter().sum::<u64>();
    let rates = tallies.iter().map(|tally| super::ratio(n_errors(tally), tally.n_called));
    let mut columns = vec![
        Column::new("family".into(), trios.iter().map(|trio| trio.family.as_str()).collect::<Vec<_>>()),
        Column::new("child".into(), member(0)),
        Column::new("father".into(), member(1)),
        Column::new("mother".into(), member(2)),
        Column::new("sex".into(), trios.iter().map(sex).collect::<Vec<_>>()),
        Column::new("n_called".into(), count(&|tally| tally.n_called)),
        Column::new("n_errors".into(), count(&n_errors)),
        Column::new("error_rate".into(), rates.collect::<Vec<_>>()),
        Column::new("n_snv_errors".into(), count(&|tally| tally.n_snv_errors)),
        Column::new("n_father".into(), count(&|tally| tally.n_father)),
        Column::new("n_mother".into(), count(&|tally| tally.n_mother)),
    ];
    columns.extend(
        (0..N_CODES).map(|at| Column::new(format!("code_{}", at + 1).into(), count(&|tally| tally.by_code[at]))),
    );
    frame(columns)
}

fn variants_frame<'n>(rows: &[VariantErrors], name: impl Fn(u32) -> &'n str) -> Result<DataFrame> {
    let allele = |which: usize| rows.iter().map(|row| &*row.alleles[which]).collect::<Vec<_>>();
    frame(vec![
        Column::new("variant_id".into(), rows.iter().map(|row| row.variant_id).collect::<Vec<_>>()),
        Column::new("contig".into(), rows.iter().map(|row| name(row.contig)).collect::<Vec<_>>()),
        Column::new("pos".into(), rows.iter().map(|row| row.pos).collect::<Vec<_>>()),
        Column::new("ref".into(), allele(0)),
        Column::new("alt".into(), allele(1)),
        Column::new("n_trios".into(), rows.iter().map(|row| row.n_trios).collect::<Vec<_>>()),
        Column::new("n_errors".into(), rows.iter().map(|row| row.n_errors).collect::<Vec<_>>()),
    ])
}

fn errors_frame<'n>(
    rows: &[(i64, u32, i32, usize, u8)],
    (trios, samples): (&[Trio], &SampleSet),
    name: impl Fn(u32) -> &'n str,
) -> Result<DataFrame> {
    let child = |row: &(i64, u32, i32, usize, u8)| samples.name(trios[row.3].members[0] as usize).to_owned();
    frame(vec![
        Column::new("variant_id".into(), rows.iter().map(|row| row.0).collect::<Vec<_>>()),
        Column::new("contig".into(), rows.iter().map(|row| name(row.1)).collect::<Vec<_>>()),
        Column::new("pos".into(), rows.iter().map(|row| row.2).collect::<Vec<_>>()),
        Column::new("child".into(), rows.iter().map(child).collect::<Vec<_>>()),
        Column::new("code".into(), rows.iter().map(|row| i32::from(row.4)).collect::<Vec<_>>()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        use Zygosity::{Alt, Het, Missing, Ref};
        let auto = |father, mother, child| code([child, father, mother], Place::Auto);
        assert_eq!([auto(Alt, Alt, Het), auto(Ref, Ref, Het), auto(Ref, Het, Alt), auto(Het, Ref, Alt)], [1, 2, 3, 4]);
        assert_eq!([auto(Ref, Ref, Alt), auto(Alt, Het, Ref), auto(Het, Alt, Ref), auto(Alt, Alt, Ref)], [5, 6, 7, 8]);
        assert_eq!([auto(Ref, Missing, Alt), auto(Missing, Alt, Ref)], [3, 7]);
        for (father, mother, child) in [(Ref, Alt, Het), (Het, Het, Ref), (Het, Het, Alt), (Missing, Missing, Alt)] {
            assert_eq!(auto(father, mother, child), 0);
        }
        let x = |mother, child| code([child, Missing, mother], Place::HemiX);
        assert_eq!((x(Alt, Ref), x(Ref, Alt), x(Het, Alt), x(Ref, Het)), (9, 10, 0, 0));
        let y = |father, child| code([child, father, Missing], Place::HemiY);
        assert_eq!((y(Alt, Ref), y(Ref, Alt), y(Alt, Alt)), (11, 12, 0));
        assert_eq!((implicated(1), implicated(3), implicated(10)), ([true, true], [true, false], [false, true]));
        assert_eq!(implicated(5), [false, false]);
    }
}
