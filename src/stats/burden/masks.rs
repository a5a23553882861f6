//! Masks: which variants of a set are tested together.

use super::sets::{Sets, Span};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::genome::Locus;
use crate::query::joined::{self, Match, Search};
use std::collections::{BTreeMap, HashMap};

/// Conditions in one run: their matches are bits.
const MAX_CONDITIONS: usize = 64;
/// Masks in one run.
pub const MAX_MASKS: usize = 128;

/// A condition on variants, without bounds on frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Its name.
    pub name: String,
    /// SQL; `None`: all variants.
    pub sql: Option<String>,
}

/// A condition with a bound on frequency.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    /// Its name.
    pub name: String,
    /// Index of the condition.
    pub condition: usize,
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
    pub conditions: u64,
    /// Value of the column of weights; 0 where it has none.
    pub column: f64,
}

impl Condition {
    /// All variants.
    pub fn all() -> Condition {
        Condition { name: "all".to_owned(), sql: None }
    }

    /// Parses `NAME=CONDITION`.
    pub fn parse(text: &str) -> Result<Condition> {
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
            sql => Ok(Condition { name: name.to_owned(), sql: Some(sql.to_owned()) }),
        }
    }
}

/// Each condition with each bound; without bounds, as it is.
pub fn masks(conditions: &[Condition], max_af: &[f64], max_ac: &[u64]) -> Result<Vec<Mask>> {
    if let Some(af) = max_af.iter().find(|af| !(0.0..=1.0).contains(*af)) {
        return Err(Error::usage(format!("--max-af is {af}, expected 0 to 1")));
    }
    let mut masks = Vec::new();
    for (condition, one) in conditions.iter().enumerate() {
        let mask = |end: String, max_af, max_ac| Mask { name: format!("{}{end}", one.name), condition, max_af, max_ac };
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
    if conditions.len() > MAX_CONDITIONS || masks.len() > MAX_MASKS {
        let (n, m) = (conditions.len(), masks.len());
        return Err(Error::usage(format!(
            "{n} conditions and {m} masks, expected {MAX_CONDITIONS} and {MAX_MASKS} at most"
        ))
        .hint("run the command more than once, with -o for each"));
    }
    Ok(masks)
}

impl Mask {
    /// Whether a variant with these conditions, copies and alleles is in it.
    pub fn has(&self, conditions: u64, ac: u64, an: u64) -> bool {
        // the quotient is what a frequency is, and rounds as the bound did when it was read
        let is_rare = |most: f64| an == 0 || ac as f64 / an as f64 <= most;
        conditions >> self.condition & 1 == 1
            && self.max_af.is_none_or(is_rare)
            && self.max_ac.is_none_or(|most| ac <= most)
    }
}

/// The variants of the sets for which some condition holds, by variant, then set. `weight`: a column. Memory: what is found, and the
/// rows of one condition.
pub fn members(dataset: &Dataset, sets: &Sets, conditions: &[Condition], weight: Option<&str>) -> Result<Vec<Member>> {
    let index: HashMap<&str, u32> = sets.sets.iter().map(|set| set.name.as_str()).zip(0..).collect();
    let ranges = ranges(sets);
    let mut found: Vec<Member> = Vec::new();
    for (bit, condition) in conditions.iter().enumerate() {
        let pairs = sets.pairs.as_ref().map(|pairs| (pairs, &index));
        let search = Search { pairs, ranges: &ranges, condition: condition.sql.as_deref(), weight };
        let matches = joined::matches(dataset, search).map_err(|error| match error.hint_text() {
            Some(_) => error,
            None => error.hint(format!(
                "the condition of the mask {} is on columns of variants and its annotation",
                condition.name
            )),
        })?;
        match sets.pairs {
            Some(_) => by_name(&matches, bit, &mut found)?,
            None => by_place(sets, matches, bit, &mut found)?,
        }
        merge(&mut found);
    }
    Ok(found)
}

/// Ranges of `variant_id` with all intervals, one for each contig; none where sets are no intervals.
fn ranges(sets: &Sets) -> Vec<(i64, i64)> {
    let mut hulls: BTreeMap<u32, (i64, i64)> = BTreeMap::new();
    for span in sets.sets.iter().flat_map(|set| &set.intervals) {
        let (first, last) = ids(span);
        let hull = hulls.entry(span.contig).or_insert((first, last));
        *hull = (hull.0.min(first), hull.1.max(last));
    }
    hulls.into_values().collect()
}

/// The smallest and the largest `variant_id` that can be in an interval.
fn ids(span: &Span) -> (i64, i64) {
    let id = |vcf_pos: i32, rank: u16| Locus { contig: span.contig, vcf_pos }.id(rank);
    (id(span.first, 0), id(span.last, u16::MAX))
}

/// Sorts, and makes one of the rows of a variant and set: all conditions, and the largest weight (a variant has one row for each
/// transcript).
fn merge(found: &mut Vec<Member>) {
    found.sort_unstable_by_key(|one| (one.variant_id, one.set));
    found.dedup_by(|next, kept| {
        let is_same = (next.variant_id, next.set) == (kept.variant_id, kept.set);
        if is_same {
            kept.conditions |= next.conditions;
            kept.column = kept.column.max(next.column);
        }
        is_same
    });
}

fn member(set: u32, one: &Match, bit: usize) -> Result<Member> {
    let weight = one.weight.filter(|weight| !weight.is_nan()).unwrap_or(0.0);
    if !(weight >= 0.0 && weight.is_finite()) {
        return Err(Error::bad_data(format!("the variant {} has the weight {weight}", one.variant_id))
            .hint("expected numbers from 0 on; a variant without a weight has 0"));
    }
    Ok(Member { variant_id: one.variant_id, set, conditions: 1 << bit, column: weight })
}

fn by_name(matches: &[Match], bit: usize, found: &mut Vec<Member>) -> Result<()> {
    for one in matches {
        if let Some(set) = one.set {
            found.push(member(set, one, bit)?);
        }
    }
    Ok(())
}

/// Variants whose position is in an interval.
fn by_place(sets: &Sets, mut matches: Vec<Match>, bit: usize, found: &mut Vec<Member>) -> Result<()> {
    matches.sort_by_key(|one| one.variant_id);
    for (set, one) in (0..).zip(&sets.sets) {
        for span in &one.intervals {
            let (first, last) = ids(span);
            let from = matches.partition_point(|one| one.variant_id < first);
            for one in matches[from..].iter().take_while(|one| one.variant_id <= last) {
                found.push(member(set, one, bit)?);
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
        let lof = Condition::parse("lof=impact = 'HIGH'").expect("a mask");
        assert_eq!((lof.name.as_str(), lof.sql.as_deref()), ("lof", Some("impact = 'HIGH'")));
        for wrong in ["lof", "=x", "a b=c", "lof= "] {
            assert!(Condition::parse(wrong).is_err(), "{wrong}");
        }
        let names = |af: &[f64], ac: &[u64]| {
            let masks = masks(&[lof.clone(), Condition::all()], af, ac).expect("masks");
            masks.into_iter().map(|mask| mask.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[], &[]), ["lof", "all"]);
        assert_eq!(
            names(&[0.01, 0.001], &[5]),
            ["lof.0.01", "lof.0.001", "lof.ac5", "all.0.01", "all.0.001", "all.ac5"]
        );
        assert!(masks(&[Condition::all(), Condition::all()], &[], &[]).is_err());
        assert!(masks(&[Condition::all()], &[1.5], &[]).is_err());
    }

    #[test]
    fn who_is_in() {
        let mask = |max_af, max_ac| Mask { name: String::new(), condition: 1, max_af, max_ac };
        assert!(mask(None, None).has(2, 50, 100) && !mask(None, None).has(1, 50, 100));
        assert!(mask(Some(0.01), None).has(3, 1, 100) && !mask(Some(0.01), None).has(3, 2, 100));
        // 0.145 * 200 is less than 29
        assert!(mask(Some(0.145), None).has(2, 29, 200) && !mask(Some(0.145), None).has(2, 30, 200));
        assert!(mask(Some(0.0), None).has(2, 0, 0) && mask(Some(0.0), None).has(2, 0, 5));
        assert!(mask(None, Some(2)).has(3, 2, 100) && !mask(None, Some(2)).has(3, 3, 100));
    }
}
