//! Stored kinship and sex checks, as the page has them.

use super::points::{MOST, Points, thin};
use super::results::{Table, number, text};
use crate::error::Result;
use crate::genome::sex::Sex;
use serde::Serialize;
use std::collections::HashMap;

/// Pairs and samples that are listed.
const MOST_LISTED: usize = 200;
/// Least kinship of duplicates or twins, first, second and third degree: powers of two between the expected values (Manichaikul et
/// al. 2010, Bioinformatics 26:2867, doi:10.1093/bioinformatics/btq559, table 1).
pub const DEGREES: [f64; 4] =
    [0.353_553_390_593_273_8, 0.176_776_695_296_636_9, 0.088_388_347_648_318_45, 0.044_194_173_824_159_22];

/// Pairs of samples.
#[derive(Clone, Debug, Serialize)]
pub struct Kinship {
    pub n_pairs: usize,
    /// IBS0 and kinship.
    pub points: Points,
    /// Duplicates, first, second, third degree, others.
    pub n_by_degree: [usize; 5],
    /// The closest: two samples, kinship, IBS0.
    pub closest: Vec<(String, String, f64, Option<f64>)>,
    /// Pairs of the points: two samples.
    pub pairs: Vec<(String, String)>,
}

/// Reads `kinship`; `None` without a column `kinship`.
pub fn kinship(table: &Table) -> Result<Option<Kinship>> {
    let (mut ibs0, mut kinship, mut close) = (Vec::new(), Vec::new(), Vec::new());
    let mut n_by_degree = [0; 5];
    table.batches(&["sample_1", "sample_2", "kinship", "ibs0"], |batch| {
        for row in 0..batch.n_rows() {
            let Some(k) = number(batch, "kinship", row).filter(|k| k.is_finite()) else { continue };
            let degree = DEGREES.iter().position(|&least| k > least).unwrap_or(DEGREES.len());
            n_by_degree[degree] += 1;
            let shared = number(batch, "ibs0", row);
            if degree < DEGREES.len() {
                let name = |column| text(batch, column, row).unwrap_or_default().to_owned();
                close.push((kinship.len(), name("sample_1"), name("sample_2"), k, shared));
            }
            kinship.push(k);
            ibs0.push(shared.unwrap_or(f64::NAN));
        }
    })?;
    if kinship.is_empty() {
        return Ok(None);
    }
    let mut points = thin(&ibs0, &kinship, MOST / 2);
    close.sort_by(|a, b| b.3.total_cmp(&a.3).then(a.0.cmp(&b.0)));
    close.truncate(MOST_LISTED);
    // points know the pairs that are listed, by their place in the list
    let place: std::collections::BTreeMap<i64, i64> = close.iter().map(|pair| pair.0 as i64).zip(0..).collect();
    points.id.iter_mut().for_each(|id| *id = place.get(id).copied().unwrap_or(-1));
    let pairs = close.iter().map(|pair| (pair.1.clone(), pair.2.clone())).collect();
    let closest = close.into_iter().map(|(_, a, b, k, shared)| (a, b, k, shared)).collect();
    Ok(Some(Kinship { n_pairs: kinship.len(), points, n_by_degree, closest, pairs }))
}

/// Declared sex, and what X and Y say.
#[derive(Clone, Debug, Serialize)]
pub struct SexCheck {
    pub n: usize,
    /// Column of the ordinates.
    pub y: &'static str,
    /// Inbreeding coefficient on X against `y`; `id` is the sample's index.
    pub points: Points,
    /// By sample: what X and Y say, and what was declared: f, m, or - where it is not known.
    pub inferred: String,
    pub declared: String,
    /// Name, declared, inferred, F of X.
    pub discordant: Vec<(String, String, String, Option<f64>)>,
    pub n_discordant: usize,
    pub n_unsure: usize,
}

/// Reads `sex_check`; `None` without a column `x_f`.
pub fn sex_check(table: &Table, samples: &HashMap<&str, usize>) -> Result<Option<SexCheck>> {
    let columns = ["sample", "sex", "inferred_sex", "x_f", "x_het_rate", "y_call_rate"];
    let (mut x, mut ys, mut index) = (Vec::new(), [Vec::new(), Vec::new()], Vec::new());
    let (mut inferred, mut declared, mut discordant) = (vec!['-'; samples.len()], vec!['-'; samples.len()], Vec::new());
    let mut n_unsure = 0;
    table.batches(&columns, |batch| {
        for row in 0..batch.n_rows() {
            let sex = |column| text(batch, column, row).and_then(Sex::parse);
            let (said, found) = (sex("sex"), sex("inferred_sex"));
            let x_f = number(batch, "x_f", row);
            let at = text(batch, "sample", row).and_then(|name| samples.get(name)).copied();
            index.push(at.map_or(-1, |at| at as i64));
            if let Some(at) = at {
                (inferred[at], declared[at]) = (letter(found), letter(said));
            }
            x.push(x_f.unwrap_or(f64::NAN));
            ys[0].push(number(batch, "y_call_rate", row).unwrap_or(f64::NAN));
            ys[1].push(number(batch, "x_het_rate", row).unwrap_or(f64::NAN));
            n_unsure += usize::from(found.is_none());
            if said.is_some() && found.is_some() && said != found {
                let name = text(batch, "sample", row).unwrap_or_default().to_owned();
                discordant.push((name, word(said), word(found), x_f));
            }
        }
    })?;
    let (y, name) =
        if ys[0].iter().any(|value| value.is_finite()) { (&ys[0], "y_call_rate") } else { (&ys[1], "x_het_rate") };
    let mut points = thin(&x, y, MOST / 2);
    points.id.iter_mut().filter(|id| **id >= 0).for_each(|id| *id = index[*id as usize]);
    let n_discordant = discordant.len();
    discordant.truncate(MOST_LISTED);
    let [inferred, declared] = [inferred, declared].map(String::from_iter);
    let found = SexCheck { n: x.len(), y: name, points, inferred, declared, discordant, n_discordant, n_unsure };
    Ok((!found.points.x.is_empty() || n_discordant > 0).then_some(found))
}

fn letter(sex: Option<Sex>) -> char {
    match sex {
        Some(Sex::Female) => 'f',
        Some(Sex::Male) => 'm',
        None => '-',
    }
}

fn word(sex: Option<Sex>) -> String {
    match sex {
        Some(Sex::Female) => "female".to_owned(),
        Some(Sex::Male) => "male".to_owned(),
        None => String::new(),
    }
}
