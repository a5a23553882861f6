//! The table `samples`, and which samples stand apart.

use super::numbers::{Series, Spread, spread};
use crate::dataset::Dataset;
use crate::dataset::batch::{Batch, Value};
use crate::dataset::stream::{FileStream, Select};
use crate::error::Result;
use serde::Serialize;
use std::collections::BTreeMap;

const COUNTS: [&str; 10] =
    ["n_called", "n_missing", "n_het", "n_hom_alt", "n_snv", "n_ins", "n_del", "n_singleton", "ti", "tv"];
/// Steps to which means are rounded.
const MEAN_STEP: f64 = 0.01;
/// Most labels that are drawn apart.
const MOST_LABELS: usize = 12;

/// A division of the samples, e.g. by input or by population.
#[derive(Clone, Debug, Serialize)]
pub struct Labels {
    pub name: &'static str,
    pub labels: Vec<String>,
    /// Index of the label, per sample; -1 without one.
    pub of: Series,
}

/// The samples.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Samples {
    pub n: usize,
    /// Sites of the first sample: of all of them, unless `n_called` is among the columns.
    pub n_sites: i64,
    #[serde(serialize_with = "front_coded")]
    pub names: Vec<String>,
    pub columns: BTreeMap<&'static str, Series>,
    pub labels: Vec<Labels>,
    /// By metric; those that some sample has.
    pub spreads: BTreeMap<&'static str, Spread>,
    pub sum_called: i64,
    pub sum_missing: i64,
    /// Call rates, for the checks.
    #[serde(skip)]
    pub call_rates: Vec<Option<f64>>,
    /// Mean depths, for the checks.
    #[serde(skip)]
    pub depths: Vec<Option<f64>>,
}

#[derive(Default)]
struct Rows {
    index: Vec<i64>,
    names: Vec<String>,
    texts: [Vec<Option<String>>; 3],
    counts: [Vec<i64>; 10],
    means: [Vec<Option<f64>>; 2],
}

const TEXTS: [&str; 3] = ["source", "sex", "dialect"];
const MEANS: [&str; 2] = ["mean_dp", "mean_gq"];

/// Reads them; `groups`: label by name of the sample.
pub fn read(dataset: &Dataset, groups: &BTreeMap<String, String>) -> Result<Samples> {
    let names = ["sample_index", "sample"].iter().chain(&TEXTS).chain(&COUNTS).chain(&MEANS);
    let select = Select::columns(&names.collect::<Vec<_>>());
    let mut rows = Rows::default();
    for file in dataset.files("samples") {
        for batch in FileStream::open(&dataset.full_path(file)?, &select)? {
            rows.add(&batch?)?;
        }
    }
    rows.sort();
    Ok(rows.finish(groups))
}

impl Rows {
    fn add(&mut self, batch: &Batch) -> Result<()> {
        let index = batch.ints("sample_index")?;
        let names = batch.texts("sample")?;
        for row in 0..batch.n_rows() {
            self.index.push(index.value(row).into());
            self.names.push(names.value(row).to_owned());
            let value = |name: &str| batch.column(name).and_then(|column| column.value(row));
            for (name, column) in TEXTS.iter().zip(&mut self.texts) {
                column.push(value(name).and_then(Value::text).map(str::to_owned));
            }
            for (name, column) in COUNTS.iter().zip(&mut self.counts) {
                column.push(match value(name) {
                    Some(Value::Int(n)) => n,
                    _ => 0,
                });
            }
            for (name, column) in MEANS.iter().zip(&mut self.means) {
                column.push(match value(name) {
                    Some(Value::Float(mean)) => Some(mean),
                    _ => None,
                });
            }
        }
        Ok(())
    }

    /// Files of samples come in order; a dataset merged otherwise is put in order here.
    fn sort(&mut self) {
        if self.index.is_sorted() {
            return;
        }
        let mut order: Vec<usize> = (0..self.index.len()).collect();
        order.sort_by_key(|&at| self.index[at]);
        fn put<T: Clone>(order: &[usize], values: &mut Vec<T>) {
            *values = order.iter().map(|&at| values[at].clone()).collect();
        }
        put(&order, &mut self.index);
        put(&order, &mut self.names);
        self.texts.iter_mut().for_each(|column| put(&order, column));
        self.counts.iter_mut().for_each(|column| put(&order, column));
        self.means.iter_mut().for_each(|column| put(&order, column));
    }

    fn finish(self, groups: &BTreeMap<String, String>) -> Samples {
        let n = self.names.len();
        let [called, missing, het, hom_alt, snv, ins, del, singleton, ti, tv] = &self.counts;
        let ratio = |a: &[i64], b: &[i64]| -> Vec<Option<f64>> {
            a.iter().zip(b).map(|(&a, &b)| (b > 0).then(|| a as f64 / b as f64)).collect()
        };
        let total: Vec<i64> = called.iter().zip(missing).map(|(a, b)| a + b).collect();
        let indel: Vec<i64> = ins.iter().zip(del).map(|(a, b)| a + b).collect();
        let of_counts = |counts: &[i64]| counts.iter().map(|&n| Some(n as f64)).collect::<Vec<_>>();
        let call_rates = ratio(called, &total);
        let metrics: [(&'static str, Vec<Option<f64>>); 7] = [
            ("call_rate", call_rates.clone()),
            ("mean_dp", self.means[0].clone()),
            ("n_snv", of_counts(snv)),
            ("n_indel", of_counts(&indel)),
            ("n_singleton", of_counts(singleton)),
            ("het_hom", ratio(het, hom_alt)),
            ("ti_tv", ratio(ti, tv)),
        ];
        let spreads = metrics.iter().filter_map(|(name, values)| Some((*name, spread(values)?))).collect();
        let kept = [
            ("n_missing", missing),
            ("n_het", het),
            ("n_hom_alt", hom_alt),
            ("n_snv", snv),
            ("n_indel", &indel),
            ("n_singleton", singleton),
            ("ti", ti),
        ];
        // what the page can work out again is left out
        let by_need = [("n_called", called, total.windows(2).all(|pair| pair[0] == pair[1])), {
            ("tv", tv, snv.iter().zip(ti).zip(tv).all(|((snv, ti), tv)| snv == &(ti + tv)))
        }];
        let needed = by_need.into_iter().filter(|(.., is_known)| !is_known).map(|(name, counts, _)| (name, counts));
        let mut columns: BTreeMap<&'static str, Series> =
            kept.into_iter().chain(needed).map(|(name, n)| (name, Series::of_integers(n.iter().copied()))).collect();
        for (name, means) in MEANS.iter().zip(&self.means) {
            columns.insert(name, Series::rounded(means, MEAN_STEP));
        }
        let group: Vec<Option<String>> = self.names.iter().map(|name| groups.get(name).cloned()).collect();
        let [source, sex, dialect] = &self.texts;
        let divisions = [("group", &group), ("source", source), ("sex", sex), ("dialect", dialect)];
        let labels = divisions.iter().filter_map(|(name, texts)| labels(name, texts)).collect();
        Samples {
            n,
            n_sites: total.first().copied().unwrap_or_default(),
            columns,
            labels,
            spreads,
            sum_called: called.iter().sum(),
            sum_missing: missing.iter().sum(),
            call_rates,
            depths: self.means[0].clone(),
            names: self.names,
        }
    }
}

/// `None` where there is nothing to tell apart: one label or none, or one for almost each sample.
fn labels(name: &'static str, texts: &[Option<String>]) -> Option<Labels> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    texts.iter().flatten().for_each(|text| *counts.entry(text).or_default() += 1);
    let n_kinds = counts.len() + usize::from(texts.iter().any(Option::is_none));
    let is_known = !counts.is_empty() && (n_kinds > 1 || name == "group");
    if !is_known || (counts.len() > 2 && counts.len() * 2 > texts.len()) {
        return None;
    }
    let mut by_count: Vec<(&str, usize)> = counts.into_iter().collect();
    by_count.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    if by_count.len() > MOST_LABELS {
        by_count.truncate(MOST_LABELS - 1);
        by_count.push(("others", 0));
    }
    let at: BTreeMap<&str, i64> = by_count.iter().map(|(label, _)| *label).zip(0..).collect();
    let others = at.get("others").copied().unwrap_or(-1);
    let of = texts.iter().map(|text| text.as_deref().map_or(-1, |text| at.get(text).copied().unwrap_or(others)));
    let of = Series::of_integers(of);
    Some(Labels { name, labels: by_count.into_iter().map(|(label, _)| label.to_owned()).collect(), of })
}

/// Names as `[bytes shared with the name before, in base 36 up to 35][the rest]`: cohorts number their samples.
pub fn front_coded<S: serde::Serializer>(names: &[String], serializer: S) -> std::result::Result<S::Ok, S::Error> {
    let mut before = "";
    serializer.collect_seq(names.iter().map(|name| {
        let is_shared = |(a, b): &(char, char)| a == b && a.is_ascii();
        let shared = before.chars().zip(name.chars()).take(35).take_while(is_shared).count();
        before = name;
        let digit = char::from_digit(shared as u32, 36).expect("at most 35");
        format!("{digit}{}", &name[shared..])
    }))
}
