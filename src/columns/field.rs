//! Builders for the columns of one INFO or FORMAT definition, filled from the text of a record.
//!
//! A value that cannot be parsed is a [`Problem`], never a null.

use super::schema::{FieldColumns, Projection};
use super::values::Values;
use crate::decode::cells::Items;
use crate::decode::header::Kind;
use crate::decode::vcf::plain_integers;
use arrow_array::ArrayRef;

/// Which allele of how many of a record a row is about.
#[derive(Clone, Copy, Debug)]
pub struct AlleleOfSite {
    /// 1-based index among the ALT of the record; 0: the record has none, or the row is about an allele that only other
    /// inputs have, and nothing that belongs to one allele is taken.
    pub alt_index: u32,
    /// Number of ALT of the record.
    pub n_alts: u32,
    /// Whether the record has just the alleles of the row's site, so that values of the whole site mean the same.
    pub whole_site: bool,
}

impl AlleleOfSite {
    /// An allele of a record that is a site of its own.
    pub fn new(alt_index: u32, n_alts: u32) -> Self {
        AlleleOfSite { alt_index, n_alts, whole_site: true }
    }

    /// Whether the row has likelihoods of all alleles of the site, too.
    fn has_site_list(self) -> bool {
        self.n_alts > 1 && self.alt_index == 1 && self.whole_site
    }

    /// The allele of the row is not among those of the record.
    fn is_foreign(self) -> bool {
        self.alt_index == 0 && self.n_alts > 0
    }
}

/// What is wrong with a value; the caller knows the field and the place.
#[derive(Debug, PartialEq, Eq)]
pub enum Problem {
    /// It has another number of values than the alleles ask for.
    Count {
        /// Values found.
        found: usize,
        /// What was expected.
        expected: String,
    },
    /// One value is not of the type of the header.
    Value {
        /// The value.
        found: String,
        /// The type.
        expected: &'static str,
    },
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::Count { found, expected } => {
                write!(f, "has {found} value{}, expected {expected}", if *found == 1 { "" } else { "s" })
            }
            Problem::Value { found, expected } => write!(f, "has the value {found:?}, expected {expected}"),
        }
    }
}

/// Builders of the columns of one definition.
pub struct FieldBuilder {
    projection: Projection,
    lenient: bool,
    is_text: bool,
    is_integer: bool,
    own: Vec<Values>,
    site: Option<Values>,
    items: Vec<(u32, u32)>,
}

impl FieldBuilder {
    /// Empty.
    pub fn new(columns: &FieldColumns) -> FieldBuilder {
        let own = |_: &String| match columns.projection {
            Projection::PerAllele | Projection::PerGenotype | Projection::List => Values::list(columns.kind),
            _ => Values::scalar(columns.kind),
        };
        FieldBuilder {
            projection: columns.projection,
            lenient: columns.lenient,
            is_text: columns.kind == Kind::Text,
            is_integer: columns.kind == Kind::Integer,
            own: columns.names.iter().map(own).collect(),
            site: columns.site_name.as_ref().map(|_| Values::list(columns.kind)),
            items: Vec::new(),
        }
    }

    /// A row without a value.
    pub fn append_null(&mut self) {
        self.own.iter_mut().for_each(Values::append_null);
        if let Some(site) = &mut self.site {
            site.append_null();
        }
    }

    /// Rows without a value.
    pub fn append_nulls(&mut self, n: usize) {
        self.own.iter_mut().for_each(|values| values.append_nulls(n));
        if let Some(site) = &mut self.site {
            site.append_nulls(n);
        }
    }

    /// A row from the text of the field. After a [`Problem`] the row is incomplete and the whole batch is void.
    pub fn append(&mut self, text: &[u8], allele: AlleleOfSite) -> Result<(), Problem> {
        if text == b"." && self.projection != Projection::Flag {
            self.append_null();
            return Ok(());
        }
        if self.is_integer && self.append_plain(text, allele) {
            return Ok(());
        }
        match self.projection {
            Projection::Flag => self.own[0].append_value(text),
            Projection::Scalar if self.is_text => self.own[0].append_value(text),
            Projection::Scalar => {
                let found = text.iter().filter(|&&byte| byte == b',').count() + 1;
                if found > 1 {
                    return Err(Problem::Count { found, expected: "1 (Number=1 in the header)".into() });
                }
                self.own[0].append_value(text)
            }
            Projection::List => self.own[0].append_list(text.split(|&byte| byte == b',')),
            _ => self.append_projected(text, allele),
        }
    }

    /// Numbers that a value of all alleles has at ploidy 2, where [`FieldBuilder::append_rows`] takes them; else 0.
    pub fn n_items(&self, allele: AlleleOfSite) -> usize {
        let n_alleles = allele.n_alts as usize + 1;
        match self.projection {
            _ if !self.is_integer => 0,
            Projection::Scalar => 1,
            _ if allele.alt_index == 0 => 0,
            Projection::PerAllelePair => n_alleles,
            Projection::PerGenotype => n_alleles * (n_alleles + 1) / 2,
            _ => 0,
        }
    }

    /// A row from each row of items: the numbers of a value from `lane` on, as many as [`FieldBuilder::n_items`].
    pub fn append_rows(&mut self, rows: &[Items], lane: usize, allele: AlleleOfSite) {
        let alt_index = allele.alt_index as usize;
        match self.projection {
            Projection::PerGenotype => {
                let lanes: [usize; 3] = std::array::from_fn(|copies| lane + genotype_index(2, copies, alt_index));
                self.own[0].append_each_list(rows.iter().map(|row| lanes.map(|lane| row[lane])));
            }
            Projection::PerAllelePair => {
                self.own[0].append_each(rows.iter().map(|row| row[lane]));
                self.own[1].append_each(rows.iter().map(|row| row[lane + alt_index]));
            }
            _ => self.own[0].append_each(rows.iter().map(|row| row[lane])),
        }
        let n_items = self.n_items(allele);
        let is_for_site = self.projection == Projection::PerGenotype && allele.has_site_list();
        match &mut self.site {
            Some(site) if is_for_site => rows.iter().for_each(|row| site.append_integers(&row[lane..lane + n_items])),
            Some(site) => site.append_nulls(rows.len()),
            None => {}
        }
    }

    /// A row from the text of the field, or from none.
    pub fn append_or_null(&mut self, text: &[u8], allele: AlleleOfSite) -> Result<(), Problem> {
        if text.is_empty() {
            self.append_null();
            return Ok(());
        }
        self.append(text, allele)
    }

    /// The usual case: unsigned numbers, one alternate allele, ploidy 2. False, and nothing done, for any other.
    #[inline]
    fn append_plain(&mut self, text: &[u8], allele: AlleleOfSite) -> bool {
        let is_biallelic = allele.n_alts == 1 && allele.alt_index == 1;
        match self.projection {
            Projection::Scalar => {
                let Some([value]) = plain_integers(text) else { return false };
                self.own[0].append_integer(value);
            }
            Projection::PerAllelePair if is_biallelic => {
                let Some([of_ref, of_alt]) = plain_integers(text) else { return false };
                self.own[0].append_integer(of_ref);
                self.own[1].append_integer(of_alt);
            }
            Projection::PerGenotype if is_biallelic => {
                let Some(values) = plain_integers::<3>(text) else { return false };
                self.own[0].append_integers(&values);
            }
            _ => return false,
        }
        if let Some(site) = &mut self.site {
            site.append_null();
        }
        true
    }

    fn append_projected(&mut self, text: &[u8], allele: AlleleOfSite) -> Result<(), Problem> {
        self.items.clear();
        let mut start = 0;
        for comma in memchr::memchr_iter(b',', text).chain([text.len()]) {
            self.items.push((start as u32, comma as u32));
            start = comma + 1;
        }
        let items = std::mem::take(&mut self.items);
        let result = self.append_items(text, &items, allele);
        self.items = items;
        match result {
            Err(Problem::Count { .. }) if self.lenient && self.site.is_some() => {
                self.own.iter_mut().for_each(Values::append_null);
                self.append_site(text, true)
            }
            other => other,
        }
    }

    fn append_items(&mut self, text: &[u8], items: &[(u32, u32)], allele: AlleleOfSite) -> Result<(), Problem> {
        let item = |i: usize| &text[items[i].0 as usize..items[i].1 as usize];
        let alleles = |n: u32| format!("{n} for {n} alternate allele{}", if n == 1 { "" } else { "s" });
        let (n_alts, alt_index) = (allele.n_alts as usize, allele.alt_index as usize);
        let found = items.len();
        match self.projection {
            Projection::PerAlt => {
                if n_alts > 0 && found != n_alts {
                    return Err(Problem::Count { found, expected: alleles(allele.n_alts) });
                }
                if alt_index == 0 {
                    // some callers write one value (`AC=0`) where there is no allele that it could belong to
                    if n_alts == 0 && found == 1 {
                        return self.own[0].append_value(text);
                    }
                    self.append_null();
                    return Ok(());
                }
                self.own[0].append_value(item(alt_index - 1))
            }
            Projection::PerAllele | Projection::PerAllelePair => {
                if found != n_alts + 1 {
                    let expected = format!("{} for {} alleles", n_alts + 1, n_alts + 1);
                    return Err(Problem::Count { found, expected });
                }
                if self.projection == Projection::PerAllele && allele.is_foreign() {
                    self.own[0].append_null();
                } else if self.projection == Projection::PerAllele {
                    let both = if alt_index == 0 { 1 } else { 2 };
                    self.own[0].append_list([0, alt_index].into_iter().take(both).map(item))?;
                } else {
                    self.own[0].append_value(item(0))?;
                    if alt_index == 0 {
                        self.own[1].append_null()
                    } else {
                        self.own[1].append_value(item(alt_index))?
                    }
                }
                self.append_site(text, false)
            }
            Projection::PerGenotype => {
                let ploidy = ploidy_of(found, n_alts + 1).ok_or_else(|| Problem::Count {
                    found,
                    expected: format!("{} for {} alleles at ploidy 2", (n_alts + 1) * (n_alts + 2) / 2, n_alts + 1),
                })?;
                if allele.is_foreign() {
                    self.own[0].append_null();
                } else if alt_index == 0 {
                    self.own[0].append_list(std::iter::once(item(0)))?;
                } else {
                    self.own[0]
                        .append_list((0..=ploidy).map(|copies| item(genotype_index(ploidy, copies, alt_index))))?;
                }
                self.append_site(text, allele.has_site_list())
            }
            Projection::Flag | Projection::Scalar | Projection::List => unreachable!("handled by append"),
        }
    }

    fn append_site(&mut self, text: &[u8], wanted: bool) -> Result<(), Problem> {
        match &mut self.site {
            Some(site) if wanted => site.append_list(text.split(|&byte| byte == b',')),
            Some(site) => {
                site.append_null();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The columns so far as arrays, in schema order; the builder is empty after.
    pub fn finish(&mut self, out: &mut Vec<ArrayRef>) {
        out.extend(self.columns().map(Values::finish));
    }

    /// The columns so far, in schema order.
    pub fn columns(&mut self) -> impl Iterator<Item = &mut Values> {
        self.own.iter_mut().chain(&mut self.site)
    }
}

/// Binomial coefficient; saturates instead of overflowing.
fn choose(n: usize, k: usize) -> usize {
    let mut result: u128 = 1;
    for i in 0..k {
        result = result * (n - i) as u128 / (i + 1) as u128;
    }
    usize::try_from(result).unwrap_or(usize::MAX)
}

/// The ploidy at which `n_alleles` have `n_genotypes` genotypes; with one allele it is taken as 2.
fn ploidy_of(n_genotypes: usize, n_alleles: usize) -> Option<usize> {
    if n_alleles == 1 {
        return (n_genotypes == 1).then_some(2);
    }
    if n_genotypes == n_alleles * (n_alleles + 1) / 2 {
        return Some(2);
    }
    (1..=16).find(|&ploidy| choose(n_alleles + ploidy - 1, ploidy) == n_genotypes)
}

/// Index of the genotype with `copies` of `allele` and REF for the rest (VCF 4.5 section 1.6.2, GL: sum of C(a_j + j, j + 1)).
fn genotype_index(ploidy: usize, copies: usize, allele: usize) -> usize {
    if ploidy == 2 {
        return [0, allele * (allele + 1) / 2, allele * (allele + 3) / 2][copies];
    }
    (ploidy - copies..ploidy).map(|j| choose(allele + j, j + 1)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;

    fn columns(projection: Projection, site: bool, lenient: bool) -> FieldColumns {
        let n = if projection == Projection::PerAllelePair { 2 } else { 1 };
        FieldColumns {
            id: "X".into(),
            kind: Kind::Integer,
            projection,
            names: vec!["x".into(); n],
            site_name: site.then(|| "x_site".into()),
            lenient,
        }
    }

    fn list(array: &ArrayRef) -> Vec<Option<i32>> {
        array.as_list::<i32>().value(0).as_primitive::<Int32Type>().iter().collect()
    }

    #[test]
    fn genotype_values_of_one_allele_and_of_the_site() {
        let mut builder = FieldBuilder::new(&columns(Projection::PerGenotype, true, false));
        builder.append(b"0,1,2,3,4,5", AlleleOfSite::new(2, 2)).expect("fits");
        let mut out = Vec::new();
        builder.finish(&mut out);
        assert_eq!(list(&out[0]), [Some(0), Some(3), Some(5)]);
        assert!(out[1].is_null(0));
        builder.append(b"10,11,12", AlleleOfSite::new(1, 2)).expect("haploid");
        out.clear();
        builder.finish(&mut out);
        assert_eq!(list(&out[0]), [Some(10), Some(11)]);
        assert_eq!(list(&out[1]), [Some(10), Some(11), Some(12)]);
        let problem = builder.append(b"1,2,3,4,5", AlleleOfSite::new(1, 2)).expect_err("must not fit");
        assert_eq!(problem.to_string(), "has 5 values, expected 6 for 3 alleles at ploidy 2");
    }

    #[test]
    fn the_plain_way_agrees_with_the_general_one() {
        let allele = AlleleOfSite::new(1, 1);
        let cases = [
            (Projection::Scalar, &["0", "17", "999999999", "2147483647", "-3", "007", "1,2", "x", ""][..]),
            (Projection::PerAllelePair, &["3,4", "3", "3,4,5", ".,4", "3,-4", "3,,4", "3,4,"]),
            (Projection::PerGenotype, &["0,3,40", "0,3", "0,.,4", "0,3,40,5", "0,3,x", "0,3,4294967296"]),
        ];
        for (projection, texts) in cases {
            for text in texts {
                let run = |plain: bool| {
                    let mut builder = FieldBuilder::new(&columns(projection, projection != Projection::Scalar, false));
                    builder.is_integer = plain;
                    let mut out = Vec::new();
                    builder.append(text.as_bytes(), allele).map(|()| {
                        builder.finish(&mut out);
                        out
                    })
                };
                assert_eq!(run(true), run(false), "{text}");
            }
        }
        for n_alleles in 2..6 {
            for (allele, copies) in (1..n_alleles).flat_map(|allele| (0..3).map(move |copies| (allele, copies))) {
                let by_sum: usize = (2 - copies..2).map(|j| choose(allele + j, j + 1)).sum();
                assert_eq!(genotype_index(2, copies, allele), by_sum);
            }
        }
    }

    #[test]
    fn what_does_not_fit_an_open_number_goes_to_the_site_column() {
        let mut builder = FieldBuilder::new(&columns(Projection::PerAllelePair, true, true));
        builder.append(b"7,8,9", AlleleOfSite::new(1, 1)).expect("lenient");
        let mut out = Vec::new();
        builder.finish(&mut out);
        assert!(out[0].is_null(0) && out[1].is_null(0));
        assert_eq!(list(&out[2]), [Some(7), Some(8), Some(9)]);
    }

    #[test]
    fn a_value_of_another_type_is_a_problem() {
        let mut builder = FieldBuilder::new(&columns(Projection::Scalar, false, false));
        let allele = AlleleOfSite::new(1, 1);
        assert!(builder.append(b"x", allele).is_err());
        assert!(builder.append(b"1,2", allele).is_err());
        assert!(builder.append(b".", allele).is_ok());
    }
}
