//! Masks: which variants of a set are tested together.

use super::sets::Sets;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::genome::Locus;
use crate::query::joined::{self, Match};
use std::collections::{BTreeMap, HashMap};

/// Conditions in one run: their matches are bits.
const MAX_BASES: usize = 64;
/// Masks in one run.
pub const MAX_MASKS: usize = 128;

/// A condition on variants, without bounds on frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct Base {
    /// Its name.
    pub name: String,
    /// SQL; `None`: all variants.
    pub condition: Option<String>,
}

/// A condition with a bound on frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    /// Its name.
    pub name: String,
    /// Index of the condition.
    pub base: usize,
    /// Largest frequency of the allele in the selected samples.
    pub max_af: Option<f64>,
    /// Largest number of copies of it.
    pub max_ac: Option<u64>,
}

/// A variant of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Member {
    /// Its identifier.
    pub variant_id: i64,
    /// Index of the set.
    pub set: u32,
    /// Conditions that hold, as bits.
    pub bases: u64,
    /// Value of the column of weights; 0 where it has none.
    pub column: f64,
}

impl Base {
    /// All variants.
    pub fn all() -> Base {
        Base { name: "all".to_owned(), condition: None }
    }

    /// Parses `NAME=CONDITION`.
    pub fn parse(text: &str) -> Result<Base> {
        let wrong = |what: &str| {
            Error::usage(format!("--mask is `{text}`: {what}"))
                .hint("expected NAME=CONDITION, such as \"lof=impact = 'HIGH' AND af < 0.001\"; names have letters, digits, _, - and .")
        };
        let Some((name, condition)) = text.split_once('=') else { return Err(wrong("there is no `=`")) };
        let name = name.trim();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        if !is_name {
            return Err(wrong("what stands before the first `=` is no name"));
        }
        match condition.trim() {
            "" => Err(wrong("there is no condition")),
            condition => Ok(Base { name: name.to_owned(), condition: Some(condition.to_owned()) }),
        }
    }
}

/// Each condition with each bound; without bounds, as it is.
pub fn masks(bases: &[Base], max_af: &[f64], max_ac: &[u64]) -> Result<Vec<Mask>> {
    if let Some(af) = max_af.iter().find(|af| !(0.0..=1.0).contains(*af)) {
        return Err(Error::usage(format!("--max-af is {af}, expected 0 to 1")));
    }
    let mut masks = Vec::new();
    for (base, one) in bases.iter().enumerate() {
        let mask = |end: String, max_af, max_ac| Mask { name: format!("{}{end}", one.name), base, max_af, max_ac };
        masks.extend(max_af.iter().map(|&af| mask(format!(".{af}"), Some(af), None)));
        masks.extend(max_ac.iter().map(|&ac| mask(format!(".ac{ac}"), None, Some(ac))));
        if max_af.is_empty() && max_ac.is_empty() {
            masks.push(mask(String::new(), None, None));
        }
    }
    let mut names: Vec<&str> = masks.iter().map(|mask| mask.name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::usage(format!("there are two masks with the name {}", pair[0])));
    }
    if bases.len() > MAX_BASES || masks.len() > MAX_MASKS {
        let (n, m) = (bases.len(), masks.len());
        return Err(Error::usage(format!(
            "{n} conditions and {m} masks, expected {MAX_BASES} and {MAX_MASKS} at most"
        ))
        .hint("run the command more than once, with -o for each"));
    }
    Ok(masks)
}

impl Mask {
    /// Whether a variant with these conditions, copies and alleles is in it.
    pub fn has(&self, bases: u64, ac: u64, an: u64) -> bool {
        let is_rare = |most: f64| ac as f64 <= most * an as f64;
        bases >> self.base & 1 == 1 && self.max_af.is_none_or(is_rare) && self.max_ac.is_none_or(|most| ac <= most)
    }
}

/// The variants of the sets for which some condition holds, by variant, then set. `weight`: a column.
pub fn members(dataset: &Dataset, sets: &Sets, bases: &[Base], weight: Option<&str>) -> Result<Vec<Member>> {
    let mut found: Found = BTreeMap::new();
    for (bit, base) in bases.iter().enumerate() {
        let matches =
            joined::matches(dataset, sets.pairs.as_ref(), base.condition.as_deref(), weight).map_err(|error| {
                match error.hint_text() {
                    Some(_) => error,
                    None => error.hint(format!(
                        "the condition of the mask {} is on columns of variants and its annotation",
                        base.name
                    )),
                }
            })?;
        match sets.pairs {
            Some(_) => by_name(sets, matches, bit, &mut found)?,
            None => by_place(sets, matches, bit, &mut found)?,
        }
    }
    let member = |((variant_id, set), (bases, column))| Member { variant_id, set, bases, column };
    Ok(found.into_iter().map(member).collect())
}

/// Conditions and weight by variant and set.
type Found = BTreeMap<(i64, u32), (u64, f64)>;

fn add(found: &mut Found, set: u32, one: &Match, bit: usize) -> Result<()> {
    let weight = one.weight.filter(|weight| !weight.is_nan()).unwrap_or(0.0);
    if !(weight >= 0.0 && weight.is_finite()) {
        return Err(Error::bad_data(format!("the variant {} has the weight {weight}", one.variant_id))
            .hint("expected numbers from 0 on; a variant without a weight has 0"));
    }
    let entry = found.entry((one.variant_id, set)).or_insert((0, 0.0));
    entry.0 |= 1 << bit;
    // a variant has one row for each transcript
    entry.1 = entry.1.max(weight);
    Ok(())
}

fn by_name(sets: &Sets, matches: Vec<Match>, bit: usize, found: &mut Found) -> Result<()> {
    let index: HashMap<&str, u32> = sets.sets.iter().map(|set| set.name.as_str()).zip(0..).collect();
    for one in matches {
        if let Some(&set) = one.set.as_deref().and_then(|name| index.get(name)) {
            add(found, set, &one, bit)?;
        }
    }
    Ok(())
}

/// Variants whose position is in an interval.
fn by_place(sets: &Sets, mut matches: Vec<Match>, bit: usize, found: &mut Found) -> Result<()> {
    matches.sort_by_key(|one| one.variant_id);
    let pos = |pos: i64| pos.clamp(0, i32::MAX.into()) as i32;
    for (set, one) in (0..).zip(&sets.sets) {
        for span in &one.intervals {
            let id = |vcf_pos: i64, rank: u16| Locus { contig: span.contig, vcf_pos: pos(vcf_pos) }.id(rank);
            let (first, last) = (id(span.first, 0), id(span.last, u16::MAX));
            let from = matches.partition_point(|one| one.variant_id < first);
            for one in matches[from..].iter().take_while(|one| one.variant_id <= last) {
                add(found, set, one, bit)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_bounds() {
        let lof = Base::parse("lof=impact = 'HIGH'").expect("a mask");
        assert_eq!((lof.name.as_str(), lof.condition.as_deref()), ("lof", Some("impact = 'HIGH'")));
        for wrong in ["lof", "=x", "a b=c", "lof= "] {
            assert!(Base::parse(wrong).is_err(), "{wrong}");
        }
        let names = |af: &[f64], ac: &[u64]| {
            let masks = masks(&[lof.clone(), Base::all()], af, ac).expect("masks");
            masks.into_iter().map(|mask| mask.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[], &[]), ["lof", "all"]);
        assert_eq!(
            names(&[0.01, 0.001], &[5]),
            ["lof.0.01", "lof.0.001", "lof.ac5", "all.0.01", "all.0.001", "all.ac5"]
        );
        assert!(masks(&[Base::all(), Base::all()], &[], &[]).is_err());
        assert!(masks(&[Base::all()], &[1.5], &[]).is_err());
    }

    #[test]
    fn who_is_in() {
        let mask = |max_af, max_ac| Mask { name: String::new(), base: 1, max_af, max_ac };
        assert!(mask(None, None).has(2, 50, 100) && !mask(None, None).has(1, 50, 100));
        assert!(mask(Some(0.01), None).has(3, 1, 100) && !mask(Some(0.01), None).has(3, 2, 100));
        assert!(mask(None, Some(2)).has(3, 2, 100) && !mask(None, Some(2)).has(3, 3, 100));
    }
}
