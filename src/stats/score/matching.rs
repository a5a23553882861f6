//! Which row of `variants` each line of a file of weights means, and whether its allele is the alternate or the reference one.

use super::weights::{Line, Weights};
use crate::dataset::Dataset;
use crate::dataset::stream::{FileStream, Select};
use crate::error::{Error, Result};
use std::collections::HashMap;

/// A line that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Line of the weights, as an index.
    pub line: usize,
    /// Copies of the reference allele are counted, which has been swapped with the alternate one.
    pub counts_ref: bool,
}

/// What became of the lines.
#[derive(Clone, Debug, Default)]
pub struct Matches {
    /// By `variant_id`.
    pub by_variant: HashMap<i64, Match>,
    /// Lines whose variant is not there.
    pub n_absent: u64,
    /// Lines whose variant is there with other alleles, or with more alleles than can be told apart.
    pub n_mismatched: u64,
    /// The first line of each of the two kinds.
    pub examples: [Option<usize>; 2],
}

/// What was found for a line so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Found {
    #[default]
    Nothing,
    /// A variant at its place, or of its name, without its alleles.
    OtherAlleles,
    Variant(i64, bool),
}

/// A row of `variants`.
struct Row<'a> {
    variant_id: i64,
    ref_allele: &'a str,
    alt: &'a str,
    n_alts: i32,
}

/// Looks all lines up in `dataset`: by place and alleles where the file has places, else by the name of the variant.
pub fn matches(dataset: &Dataset, weights: &Weights) -> Result<Matches> {
    let mut by_place: HashMap<(&str, i32), Vec<usize>> = HashMap::new();
    let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, line) in weights.lines.iter().enumerate() {
        match (&line.place, &line.id) {
            (Some((contig, pos)), _) => by_place.entry((contig, *pos)).or_default().push(at),
            (None, Some(id)) => by_id.entry(id).or_default().push(at),
            (None, None) => {}
        }
    }
    let mut found = vec![Found::Nothing; weights.lines.len()];
    let mut take = |lines: Option<&Vec<usize>>, row: &Row| -> Result<()> {
        for &at in lines.into_iter().flatten() {
            let line = &weights.lines[at];
            found[at] = match (found[at], counts_ref(line, row)) {
                (Found::Variant(other, _), Some(_)) if other != row.variant_id => return Err(ambiguous(line)),
                (before @ Found::Variant(..), _) => before,
                (_, Some(counts_ref)) => Found::Variant(row.variant_id, counts_ref),
                (_, None) => Found::OtherAlleles,
            };
        }
        Ok(())
    };
    for contig in &dataset.manifest().contigs {
        // files of weights say 22 where genomes say chr22, and the other way round
        let other = contig.name.strip_prefix("chr").map_or_else(|| format!("chr{}", contig.name), str::to_owned);
        for file in dataset.contig_files("variants", &contig.name) {
            let columns = Select::columns(&["variant_id", "pos", "id", "ref", "alt", "n_alts"]);
            for batch in FileStream::open(&dataset.full_path(file)?, &columns)? {
                let batch = batch?;
                let (ids, pos, n_alts) = (batch.longs("variant_id")?, batch.ints("pos")?, batch.ints("n_alts")?);
                let (refs, alts, names) = (batch.texts("ref")?, batch.texts("alt")?, batch.column("id"));
                for at in 0..batch.n_rows() {
                    let (ref_allele, alt) = (refs.value(at), alts.value(at));
                    let row = Row { variant_id: ids.value(at), ref_allele, alt, n_alts: n_alts.value(at) };
                    if !by_place.is_empty() {
                        take(by_place.get(&(contig.name.as_str(), pos.value(at))), &row)?;
                        take(by_place.get(&(other.as_str(), pos.value(at))), &row)?;
                    }
                    let name = names.and_then(|names| names.value(at)).and_then(|value| value.text());
                    for name in name.unwrap_or_default().split(';').filter(|_| !by_id.is_empty()) {
                        take(by_id.get(name), &row)?;
                    }
                }
            }
        }
    }
    collect(&found, weights)
}

fn ambiguous(line: &Line) -> Error {
    Error::bad_data(format!("line {} of the weights fits several variants", line.number))
        .hint("give contig, pos, effect_allele and other_allele")
}

fn collect(found: &[Found], weights: &Weights) -> Result<Matches> {
    let mut matches = Matches::default();
    for (at, found) in found.iter().enumerate() {
        match *found {
            Found::Nothing => {
                matches.n_absent += 1;
                matches.examples[0].get_or_insert(at);
            }
            Found::OtherAlleles => {
                matches.n_mismatched += 1;
                matches.examples[1].get_or_insert(at);
            }
            Found::Variant(id, counts_ref) => {
                if let Some(before) = matches.by_variant.insert(id, Match { line: at, counts_ref }) {
                    let (one, two) = (weights.lines[before.line].number, weights.lines[at].number);
                    return Err(Error::bad_data(format!("lines {one} and {two} of the weights are one variant"))
                        .hint("a variant counts once: add up their weights, or take one of the lines out"));
                }
            }
        }
    }
    Ok(matches)
}

/// Whether the allele of a line is the reference of a row; `None`: it is neither allele. The reference is counted where the site has
/// one alternate allele only, as others would count as reference.
fn counts_ref(line: &Line, row: &Row) -> Option<bool> {
    let same = |one: &str, two: &str| one.eq_ignore_ascii_case(two);
    let fits =
        |allele: &str| line.other.as_deref().is_none_or(|others| others.split('/').any(|other| same(other, allele)));
    if same(&line.effect, row.alt) && fits(row.ref_allele) {
        return Some(false);
    }
    (same(&line.effect, row.ref_allele) && fits(row.alt) && row.n_alts == 1).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alleles_may_be_swapped() {
        let line = |effect: &str, other: Option<&str>| Line {
            number: 2,
            id: None,
            place: None,
            effect: effect.into(),
            other: other.map(str::to_owned),
            weights: vec![1.0],
        };
        let row = |n_alts| Row { variant_id: 1, ref_allele: "A", alt: "G", n_alts };
        assert_eq!(counts_ref(&line("g", Some("A")), &row(2)), Some(false));
        assert_eq!(counts_ref(&line("A", Some("G")), &row(1)), Some(true));
        assert_eq!(counts_ref(&line("A", None), &row(1)), Some(true));
        assert_eq!(counts_ref(&line("A", Some("G")), &row(2)), None);
        // one of several that the other allele can be
        assert_eq!(counts_ref(&line("G", Some("C/A")), &row(1)), Some(false));
        assert_eq!(counts_ref(&line("A", Some("C/G/T")), &row(1)), Some(true));
        assert_eq!(counts_ref(&line("G", Some("C/T")), &row(1)), None);
        assert_eq!(counts_ref(&line("G", Some("C")), &row(1)), None);
        assert_eq!(counts_ref(&line("C", Some("T")), &row(1)), None);
    }
}
