//! Stored tests of sets of variants (`burden`): each set that the page holds is a row of columns, and each test a column of p.

use super::numbers::{Series, median};
use super::results::{AssocContig, Table, axis, number, text};
use super::samples::front_coded;
use super::tally::P_BINS;
use super::variants::Qq;
use crate::dataset::batch::Batch;
use crate::error::Result;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Phenotypes and masks that are shown.
const MOST_ANALYSES: usize = 8;
/// Rows of sets, all phenotypes and masks together.
const MOST_ROWS: usize = 40_000;
/// Unit of -log10 p in the page: three digits of p.
const P_STEP: f64 = 1e-4;

/// Tests of sets.
#[derive(Clone, Debug, Serialize)]
pub struct Sets {
    pub contigs: Vec<AssocContig>,
    pub n_sets: u64,
    /// Sets that the page holds; their columns are parallel.
    pub n: usize,
    #[serde(serialize_with = "front_coded")]
    pub names: Vec<String>,
    /// Index in `contigs`; null for a set without a place.
    pub contig: Series,
    pub start: Series,
    pub end: Series,
    pub analyses: Vec<Analysis>,
    pub n_analyses: usize,
    /// Least significant p that was stored (`--max-p`).
    pub max_p: Option<f64>,
}

/// One phenotype and mask.
#[derive(Clone, Debug, Serialize)]
pub struct Analysis {
    pub phenotype: String,
    pub mask: String,
    pub n_variants: Series,
    pub n_carriers: Series,
    /// Of a binary phenotype.
    pub n_carriers_cases: Option<Series>,
    pub tests: Vec<Test>,
}

/// One test.
#[derive(Clone, Debug, Serialize)]
pub struct Test {
    pub name: String,
    pub n_tested: u64,
    pub lambda_gc: Option<f64>,
    /// Sets without a result, by reason.
    pub untested: Vec<(String, u64)>,
    /// Of all sets; none where only small p were stored.
    pub qq: Option<Qq>,
    pub neg_log10_p: Series,
    /// Where the test has one.
    pub beta: Option<Series>,
}

#[derive(Default)]
struct Set {
    name: String,
    contig: Option<u32>,
    start: Option<i32>,
    end: Option<i32>,
}

/// Values by set; NaN is null.
#[derive(Default)]
struct OpenTest {
    name: String,
    neg_log10_p: Vec<f32>,
    beta: Vec<f32>,
    untested: BTreeMap<String, u64>,
}

#[derive(Default)]
struct OpenAnalysis {
    phenotype: String,
    mask: String,
    n_variants: Vec<Option<i64>>,
    n_carriers: Vec<Option<i64>>,
    n_carriers_cases: Vec<Option<i64>>,
    tests: Vec<OpenTest>,
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    sets: Vec<Set>,
    by_name: HashMap<String, usize>,
    /// Phenotype and mask of all rows; the first have an entry in `analyses`.
    keys: Vec<[String; 2]>,
    analyses: Vec<OpenAnalysis>,
    /// Index of the last row's key.
    last: usize,
}

/// Columns that are read.
const COLUMNS: [&str; 13] = [
    "set",
    "contig",
    "start",
    "end",
    "mask",
    "phenotype",
    "test",
    "n_variants",
    "n_carriers",
    "n_carriers_cases",
    "beta",
    "neg_log10_p",
    "status",
];

/// Reads the table `burden`; `None` where it has no rows.
pub fn read(table: &Table, summary: Option<&Table>) -> Result<Option<Sets>> {
    let contigs = &table.manifest().contigs;
    let contigs: HashMap<&str, u32> = contigs.iter().map(|contig| contig.name.as_str()).zip(0..).collect();
    let mut reader = Reader::default();
    table.batches(&COLUMNS, |batch| {
        for row in 0..batch.n_rows() {
            reader.add(batch, row, &contigs);
        }
    })?;
    if reader.analyses.is_empty() {
        return Ok(None);
    }
    let max_p = table.setting("max_p").and_then(serde_json::Value::as_f64);
    let mut found = reader.finish(table, max_p);
    if let Some(summary) = summary {
        add_summary(&mut found.analyses, summary)?;
    }
    Ok(Some(found))
}

fn add_summary(analyses: &mut [Analysis], summary: &Table) -> Result<()> {
    summary.batches(&["mask", "phenotype", "test", "n_sets_tested", "lambda_gc"], |batch| {
        for row in 0..batch.n_rows() {
            let [mask, phenotype, test] =
                ["mask", "phenotype", "test"].map(|name| text(batch, name, row).unwrap_or(""));
            let analysis = analyses.iter_mut().find(|one| one.mask == mask && one.phenotype == phenotype);
            let Some(one) = analysis.and_then(|one| one.tests.iter_mut().find(|one| one.name == test)) else {
                continue;
            };
            one.lambda_gc = number(batch, "lambda_gc", row);
            if let Some(n) = number(batch, "n_sets_tested", row) {
                one.n_tested = n as u64;
            }
        }
    })
}

/// `values[at]`, after making room for it.
fn slot<T: Clone>(values: &mut Vec<T>, at: usize, empty: T) -> &mut T {
    if values.len() <= at {
        values.resize(at + 1, empty);
    }
    &mut values[at]
}

impl Reader {
    fn add(&mut self, batch: &Batch, row: usize, contigs: &HashMap<&str, u32>) {
        let [Some(name), Some(test)] = ["set", "test"].map(|column| text(batch, column, row)) else { return };
        let key = ["phenotype", "mask"].map(|column| text(batch, column, row).unwrap_or_default());
        let analysis = self.analysis(key);
        let set = self.by_name.get(name).copied().unwrap_or_else(|| {
            let place = |column| number(batch, column, row).map(|value| value as i32);
            let contig = text(batch, "contig", row).and_then(|contig| contigs.get(contig)).copied();
            self.by_name.insert(name.to_owned(), self.sets.len());
            self.sets.push(Set { name: name.to_owned(), contig, start: place("start"), end: place("end") });
            self.sets.len() - 1
        });
        let Some(one) = self.analyses.get_mut(analysis) else { return };
        let count = |column| number(batch, column, row).map(|value| value as i64);
        *slot(&mut one.n_variants, set, None) = count("n_variants");
        *slot(&mut one.n_carriers, set, None) = count("n_carriers");
        *slot(&mut one.n_carriers_cases, set, None) = count("n_carriers_cases");
        let at = one.tests.iter().position(|one| one.name == test).unwrap_or_else(|| {
            one.tests.push(OpenTest { name: test.to_owned(), ..OpenTest::default() });
            one.tests.len() - 1
        });
        let one = &mut one.tests[at];
        let value = |column| number(batch, column, row).filter(|value| value.is_finite());
        match value("neg_log10_p") {
            Some(p) => *slot(&mut one.neg_log10_p, set, f32::NAN) = p as f32,
            None => *one.untested.entry(text(batch, "status", row).unwrap_or("no p").to_owned()).or_default() += 1,
        }
        if let Some(beta) = value("beta") {
            *slot(&mut one.beta, set, f32::NAN) = beta as f32;
        }
    }

    /// Index of a phenotype and mask: rows come in turns, so the next is the same as last time or the one after it.
    fn analysis(&mut self, key: [&str; 2]) -> usize {
        let n = self.keys.len();
        let found = (0..n).map(|step| (self.last + step) % n).find(|&at| self.keys[at] == key);
        self.last = found.unwrap_or_else(|| {
            if n < MOST_ANALYSES {
                let [phenotype, mask] = key.map(str::to_owned);
                self.analyses.push(OpenAnalysis { phenotype, mask, ..OpenAnalysis::default() });
            }
            self.keys.push(key.map(str::to_owned));
            n
        });
        self.last
    }

    fn finish(mut self, table: &Table, max_p: Option<f64>) -> Sets {
        let n_sets = self.sets.len() as u64;
        let kept = kept(&self.strengths(), MOST_ROWS / self.analyses.len());
        let mut ends: BTreeMap<u32, i32> = BTreeMap::new();
        for set in &self.sets {
            if let (Some(contig), Some(end)) = (set.contig, set.end.or(set.start)) {
                let known = ends.entry(contig).or_default();
                *known = end.max(*known);
            }
        }
        let contigs = axis(table.manifest(), &ends);
        let index: HashMap<u32, i64> = ends.keys().copied().zip(0..).collect();
        let column = |value: &dyn Fn(&Set) -> Option<f64>| {
            Series::rounded(&kept.iter().map(|&at| value(&self.sets[at])).collect::<Vec<_>>(), 1.0)
        };
        Sets {
            contigs,
            n_sets,
            n: kept.len(),
            contig: column(&|set| set.contig.and_then(|contig| index.get(&contig)).map(|&at| at as f64)),
            start: column(&|set| set.start.map(f64::from)),
            end: column(&|set| set.end.map(f64::from)),
            names: kept.iter().map(|&at| std::mem::take(&mut self.sets[at].name)).collect(),
            n_analyses: self.keys.len(),
            analyses: self.analyses.into_iter().map(|one| one.finish(&kept, max_p)).collect(),
            max_p,
        }
    }

    /// Largest -log10 p of each set.
    fn strengths(&self) -> Vec<f32> {
        let mut strengths = vec![0.0; self.sets.len()];
        for test in self.analyses.iter().flat_map(|one| &one.tests) {
            for (most, p) in strengths.iter_mut().zip(&test.neg_log10_p) {
                *most = p.max(*most);
            }
        }
        strengths
    }
}

/// At most `most` sets, in their order: the strongest half, and of the others every n-th by strength.
fn kept(strengths: &[f32], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..strengths.len()).collect();
    if order.len() > most {
        order.sort_by(|&a, &b| strengths[b].total_cmp(&strengths[a]).then(a.cmp(&b)));
        let (strong, weak) = order.split_at(most / 2);
        let every = weak.len().div_ceil(most - most / 2);
        order = strong.iter().chain(weak.iter().step_by(every)).copied().collect();
        order.sort_unstable();
    }
    order
}

impl OpenAnalysis {
    fn finish(self, kept: &[usize], max_p: Option<f64>) -> Analysis {
        let column = |values: &[Option<i64>]| {
            let of_set = |&at: &usize| values.get(at).copied().flatten().map(|n| n as f64);
            Series::rounded(&kept.iter().map(of_set).collect::<Vec<_>>(), 1.0)
        };
        let is_binary = self.n_carriers_cases.iter().any(Option::is_some);
        Analysis {
            n_variants: column(&self.n_variants),
            n_carriers: column(&self.n_carriers),
            n_carriers_cases: is_binary.then(|| column(&self.n_carriers_cases)),
            phenotype: self.phenotype,
            mask: self.mask,
            tests: self.tests.into_iter().map(|one| one.finish(kept, max_p)).collect(),
        }
    }
}

impl OpenTest {
    fn finish(self, kept: &[usize], max_p: Option<f64>) -> Test {
        let column = |values: &[f32], step: f64| {
            let of_set = |&at: &usize| values.get(at).map(|&value| f64::from(value));
            Series::rounded(&kept.iter().map(of_set).collect::<Vec<_>>(), step)
        };
        let tested = || self.neg_log10_p.iter().filter(|p| !p.is_nan());
        let mut bins = vec![0; P_BINS];
        tested().for_each(|p| bins[((p * 100.0).max(0.0) as usize).min(P_BINS - 1)] += 1);
        // four digits of the middle one
        let mut sizes: Vec<f64> =
            self.beta.iter().map(|beta| f64::from(beta.abs())).filter(|size| *size > 0.0).collect();
        let unit = median(&mut sizes).map(|size| 10f64.powi(size.log10().floor() as i32 - 3));
        Test {
            n_tested: tested().count() as u64,
            lambda_gc: None,
            untested: self.untested.into_iter().collect(),
            qq: max_p.is_none().then(|| Qq::of_bins(&bins)),
            neg_log10_p: column(&self.neg_log10_p, P_STEP),
            beta: unit.map(|unit| column(&self.beta, unit)),
            name: self.name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_sets_stay_and_some_of_the_others() {
        let strengths: Vec<f32> = (0..1000).map(|at| ((at * 7919) % 1000) as f32).collect();
        assert_eq!(kept(&strengths, 1000), (0..1000).collect::<Vec<_>>());
        let found = kept(&strengths, 100);
        assert!(found.len() <= 100 && found.is_sorted());
        let mut left: Vec<f32> = found.iter().map(|&at| strengths[at]).collect();
        left.sort_by(f32::total_cmp);
        assert!(left.ends_with(&(950..1000).map(|at| at as f32).collect::<Vec<_>>()), "the strongest 50");
        assert!(left[0] < 30.0 && left.windows(2).all(|pair| pair[1] - pair[0] <= 20.0), "{left:?}");
    }
}
