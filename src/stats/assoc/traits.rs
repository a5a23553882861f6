//! Phenotypes and covariates as numbers, from columns of texts.

use crate::error::{Error, Result};
use crate::stats::sample_table::TextColumn;
use std::collections::BTreeSet;

/// Levels of a categorical covariate beyond this are taken for a mistake, such as a column of names.
const MAX_LEVELS: usize = 50;

/// How a phenotype is analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number: linear regression.
    Quantitative,
    /// Case or control: logistic regression.
    Binary,
}

/// One phenotype.
#[derive(Clone, Debug)]
pub struct Phenotype {
    /// Name of its column.
    pub name: String,
    /// How it is analysed.
    pub kind: Kind,
    /// By position in the selection; a case is 1, a control 0, NaN is missing.
    pub values: Vec<f64>,
    /// What was found out about its coding, for the user.
    pub coding: String,
}

impl Phenotype {
    /// Reads a column. Without `kind`, values that are all 0/1 or all 1/2 make it binary. Of a binary phenotype with 1 and 2, -9 and
    /// 0 are missing (PLINK), else -9 is a number. `true` and `false` are 1 and 0.
    pub fn new(column: &TextColumn, kind: Option<Kind>) -> Result<Phenotype> {
        let mut values = Vec::with_capacity(column.texts.len());
        for text in &column.texts {
            values.push(match text.as_deref() {
                None => f64::NAN,
                Some(text) => number(text).ok_or_else(|| {
                    Error::bad_data(format!("the phenotype {} has the value `{text}`, expected numbers", column.name))
                        .hint("NA, NaN, . and an empty field are missing; --pheno-name names the columns to take")
                })?,
            });
        }
        let (kind, coding) = match kind {
            Some(Kind::Quantitative) => (Kind::Quantitative, "as asked for".to_owned()),
            Some(Kind::Binary) => (Kind::Binary, recode(&mut values, &column.name)?),
            None => detect(&mut values, &column.name)?,
        };
        Ok(Phenotype { name: column.name.clone(), kind, values, coding })
    }

    /// Samples with a value.
    pub fn n_known(&self) -> usize {
        self.values.iter().filter(|value| !value.is_nan()).count()
    }
}

fn number(text: &str) -> Option<f64> {
    match text {
        "true" | "TRUE" | "True" => Some(1.0),
        "false" | "FALSE" | "False" => Some(0.0),
        _ => text.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

fn detect(values: &mut [f64], name: &str) -> Result<(Kind, String)> {
    let has = |wanted: f64| values.contains(&wanted);
    let all_of = |set: &[f64]| values.iter().all(|value| value.is_nan() || set.contains(value));
    let (zero, one, two) = (has(0.0), has(1.0), has(2.0));
    if all_of(&[0.0, 1.0]) && (zero || one) || all_of(&[1.0, 2.0, -9.0]) && (one || two) {
        return Ok((Kind::Binary, recode(values, name)?));
    }
    if all_of(&[0.0, 1.0, 2.0, -9.0]) && (zero || one || two) {
        return Err(Error::usage(format!(
            "the phenotype {name} has values 0, 1, 2 and -9 only, which can be read in two ways"
        ))
        .hint("--binary: 1 is a control, 2 a case, 0 and -9 missing, as in PLINK; --quantitative: they are numbers"));
    }
    let n_marks = values.iter().filter(|&&value| value == -9.0).count();
    let marks = if n_marks > 0 { format!("; {n_marks} values of -9 are taken as numbers") } else { String::new() };
    Ok((Kind::Quantitative, format!("its values are numbers{marks}")))
}

/// Makes cases 1 and controls 0.
fn recode(values: &mut [f64], name: &str) -> Result<String> {
    let is_plink = values.contains(&2.0);
    for value in values.iter_mut().filter(|value| !value.is_nan()) {
        *value = match (is_plink, *value) {
            (true, 1.0) | (false, 0.0) => 0.0,
            (true, 2.0) | (false, 1.0) => 1.0,
            (true, 0.0) | (_, -9.0) => f64::NAN,
            (_, other) => {
                return Err(Error::bad_data(format!("the binary phenotype {name} has the value {other}"))
                    .hint("expected 0 and 1, or 1 and 2 with 0 and -9 for missing; --quantitative takes numbers"));
            }
        };
    }
    Ok(if is_plink { "2 is a case, 1 a control" } else { "1 is a case, 0 a control" }.to_owned())
}

/// One column of the covariates.
#[derive(Clone, Debug)]
pub struct Covariate {
    /// Its name; of a level `column=level`.
    pub name: String,
    /// By position in the selection; NaN is missing.
    pub values: Vec<f64>,
}

impl Covariate {
    /// A column of numbers, or where a value is no number or `categorical` is set, a column of 0 and 1 for each level but the first.
    pub fn of_column(column: &TextColumn, categorical: bool) -> Result<Vec<Covariate>> {
        let as_number = |text: &Option<Box<str>>| text.as_deref().map_or(Some(f64::NAN), number);
        if !categorical && let Some(values) = column.texts.iter().map(as_number).collect::<Option<Vec<f64>>>() {
            return Ok(vec![Covariate { name: column.name.clone(), values }]);
        }
        let levels: BTreeSet<&str> = column.texts.iter().flatten().map(|text| &**text).collect();
        if levels.len() > MAX_LEVELS {
            let (n, name) = (levels.len(), &column.name);
            return Err(Error::bad_data(format!(
                "the covariate {name} is text with {n} levels, expected {MAX_LEVELS} at most"
            ))
            .hint("--covar-name names the columns to take"));
        }
        let indicator = |level: &str| {
            let value =
                |text: &Option<Box<str>>| text.as_deref().map_or(f64::NAN, |text| f64::from(u8::from(text == level)));
            Covariate { name: format!("{}={level}", column.name), values: column.texts.iter().map(value).collect() }
        };
        Ok(levels.into_iter().skip(1).map(indicator).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(texts: &[&str]) -> TextColumn {
        let texts = texts.iter().map(|&text| (text != "NA").then(|| text.into())).collect();
        TextColumn { name: "y".into(), texts }
    }

    fn read(texts: &[&str], kind: Option<Kind>) -> Result<(Kind, Vec<f64>)> {
        Phenotype::new(&column(texts), kind).map(|read| (read.kind, read.values))
    }

    #[track_caller]
    fn same(found: Result<(Kind, Vec<f64>)>, kind: Kind, values: &[f64]) {
        let (found_kind, found) = found.expect("a phenotype");
        assert_eq!((found_kind, format!("{found:?}")), (kind, format!("{values:?}")));
    }

    #[test]
    fn codings() {
        let nan = f64::NAN;
        same(read(&["1", "2", "-9", "NA"], None), Kind::Binary, &[0.0, 1.0, nan, nan]);
        same(read(&["1", "0", "true"], None), Kind::Binary, &[1.0, 0.0, 1.0]);
        same(read(&["1", "2", "0"], Some(Kind::Binary)), Kind::Binary, &[0.0, 1.0, nan]);
        same(read(&["1", "-9", "0.5"], None), Kind::Quantitative, &[1.0, -9.0, 0.5]);
        same(read(&["1", "2"], Some(Kind::Quantitative)), Kind::Quantitative, &[1.0, 2.0]);
        assert_eq!(read(&["0", "1", "2"], None).expect_err("either").class().exit_code(), 2);
        assert!(read(&["0", "3"], Some(Kind::Binary)).is_err());
        assert!(read(&["0", "tall"], None).is_err() && read(&["inf", "1.5"], None).is_err());
    }

    #[test]
    fn levels_become_columns() {
        let found = Covariate::of_column(&column(&["b", "a", "NA", "c"]), false).expect("levels");
        assert_eq!(found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["y=b", "y=c"]);
        assert_eq!(format!("{:?}", found[0].values), "[1.0, 0.0, NaN, 0.0]");
        assert_eq!(Covariate::of_column(&column(&["1", "2"]), false).expect("numbers")[0].values, [1.0, 2.0]);
        assert_eq!(Covariate::of_column(&column(&["1", "2"]), true).expect("levels")[0].name, "y=2");
    }
}
