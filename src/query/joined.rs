//! Variants with their stored annotation, for conditions on both; and pairs of a variant and the name of a set.

use super::paged::Failure;
use super::plan::Plan;
use super::{Scope, TableColumns, frames, guard, query_failed, reading_failed};
use crate::dataset::Dataset;
use crate::dataset::results::{ANNOTATIONS, CONSEQUENCES};
use crate::error::{Error, Result};
use polars::prelude::*;
use polars::sql::SQLContext;
use std::collections::HashMap;

/// Columns that say which variant a row of a table is about.
const ALLELE: [&str; 4] = ["contig", "pos", "ref", "alt"];

/// Rows that put variants into sets. Columns: the name of the set, `variant_id`, others for conditions.
#[derive(Clone)]
pub struct Pairs {
    frame: LazyFrame,
    key: String,
    /// Ending of columns that `variants` has too.
    suffix: &'static str,
    /// What goes wrong while `frame` is read.
    failure: Failure,
}

/// A set as its pairs have it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedSet {
    /// Its name.
    pub name: String,
    /// Smallest and largest `variant_id`; `None`: none of its variants is in the dataset.
    pub ids: Option<(i64, i64)>,
}

/// A variant for which a condition holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// Its identifier.
    pub variant_id: i64,
    /// Set of the pair, by its index; `None` without pairs.
    pub set: Option<u32>,
    /// Weight, where a column of weights was asked for and has a value.
    pub weight: Option<f64>,
}

/// Rows of a user's table that are no pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Those whose variant the dataset does not have.
    pub n_unknown: usize,
    /// Those without the name of a set.
    pub n_without_set: usize,
}

/// Which variants are looked for.
#[derive(Clone, Copy, Default)]
pub struct Search<'a> {
    /// Those of sets: the pairs, and the index of each set by its name.
    pub pairs: Option<(&'a Pairs, &'a HashMap<&'a str, u32>)>,
    /// Those from the first to the last of some ranges of `variant_id`, in order; empty: all.
    pub ranges: &'a [(i64, i64)],
    /// SQL; `None`: no condition.
    pub condition: Option<&'a str>,
    /// Column with a weight.
    pub weight: Option<&'a str>,
}

impl Pairs {
    /// The pairs of the stored table `consequences`, of which `key` names the set.
    pub fn of_consequences(dataset: &Dataset, key: &str) -> Result<Pairs> {
        let how = "`varbatch annotate` stores it from INFO/CSQ or INFO/ANN; --sets takes genes from a file";
        let failure = Failure::default();
        let Some(mut frame) = table(dataset, CONSEQUENCES, &failure)? else {
            return Err(
                Error::usage("the dataset has no stored table consequences, which --genes takes genes from").hint(how)
            );
        };
        let columns = names(&mut frame)?;
        if let Some(missing) = ["variant_id", key].into_iter().find(|name| !columns.iter().any(|own| own == name)) {
            return Err(Error::usage(format!("the stored table consequences has no column `{missing}`"))
                .hint(format!("its columns are {}", columns.join(", "))));
        }
        let frame = frame.filter(col(key).is_not_null()).with_columns([col(key).cast(DataType::String)]);
        Ok(Pairs { frame, key: key.to_owned(), suffix: "_consequence", failure })
    }

    /// The pairs of a user's table: `key`, and `variant_id` or contig, pos, ref and alt. Also what is left out. A set of which the dataset
    /// has no variant is a set.
    pub fn of_table(dataset: &Dataset, table: DataFrame, key: &str) -> Result<(Pairs, Left)> {
        let has = |name: &str| table.column(name).is_ok();
        let by = if has("variant_id") { vec!["variant_id"] } else { ALLELE.to_vec() };
        if let Some(missing) = by.iter().find(|name| !has(name)).or(if has(key) { None } else { Some(&"set") }) {
            let known: Vec<String> = table.get_column_names().iter().map(|name| name.to_string()).collect();
            return Err(Error::bad_data(format!(
                "the table of sets has no column `{missing}`; it has {}",
                known.join(", ")
            ))
            .hint("expected a column set, and either variant_id or contig, pos, ref and alt; weight is optional"));
        }
        let casts = [("variant_id", DataType::Int64), ("pos", DataType::Int32)].into_iter();
        let casts = casts.chain(["contig", "ref", "alt", key].map(|name| (name, DataType::String)));
        let casts: Vec<Expr> =
            casts.filter(|(name, _)| has(name)).map(|(name, kind)| col(name).strict_cast(kind)).collect();
        let n_without_set = table.column(key).map_or(0, |column| column.null_count());
        let wanted = table.lazy().with_columns(casts).filter(col(key).is_not_null());
        let on: Vec<Expr> = by.iter().map(|name| col(*name)).collect();
        let failure = Failure::default();
        let known =
            variants(dataset, &failure)?.select([on.clone(), vec![col("variant_id").alias("varbatch_known")]].concat());
        let joined = wanted.join(known, on.clone(), on, JoinArgs::new(JoinType::Left));
        let rest: Vec<Expr> = names(&mut joined.clone())?.into_iter().filter(|name| keeps(name)).map(col).collect();
        let joined = joined.select([vec![col("varbatch_known").alias("variant_id")], rest].concat());
        let explain = |error| failure.or(|| query_failed(error, &[("sets".to_owned(), Vec::new())]));
        let joined = joined.collect().map_err(explain)?;
        let n_unknown = joined.column("variant_id").map_or(0, |column| column.null_count());
        let pairs = Pairs { frame: joined.lazy(), key: key.to_owned(), suffix: "_set", failure };
        Ok((pairs, Left { n_unknown, n_without_set }))
    }

    /// The sets, by name.
    pub fn sets(&self) -> Result<Vec<NamedSet>> {
        let ids = || col("variant_id");
        let grouped = self.frame.clone().group_by([col(self.key.as_str())]);
        let grouped = grouped.agg([ids().min().alias("least"), ids().max().alias("most")]);
        let frame = grouped.sort([self.key.as_str()], SortMultipleOptions::default()).collect();
        let frame = frame.map_err(|error| self.failure.or(|| internal(error)))?;
        let (names, least) = (text(&frame, &self.key)?, long(&frame, "least")?);
        let most = long(&frame, "most")?;
        let one = |at: usize| NamedSet {
            name: names.get(at).unwrap_or_default().to_owned(),
            ids: least.get(at).zip(most.get(at)),
        };
        Ok((0..frame.height()).map(one).collect())
    }
}

/// The variants, or with pairs the variants of each set, for which a condition holds: SQL on the columns of `variants`, of the stored
/// tables `annotations` and `consequences`, and of the pairs. Columns that `variants` has too end in the name of their table.
pub fn matches(dataset: &Dataset, search: Search) -> Result<Vec<Match>> {
    let condition = search.condition.unwrap_or("TRUE");
    guard::check(condition)?;
    let pairs = search.pairs.map(|(pairs, _)| pairs);
    let weight = search.weight.map(quoted);
    let mentioned = format!("{condition} {}", weight.as_deref().unwrap_or_default());
    let failure = pairs.map(|pairs| pairs.failure.clone()).unwrap_or_default();
    let (frame, tables) = joined(dataset, (search, &mentioned), &failure)?;
    let mut context = SQLContext::new();
    context.register("variants", frame);
    let key = pairs.map(|pairs| format!(", {} AS varbatch_set", quoted(&pairs.key))).unwrap_or_default();
    let weight = weight.map(|name| format!(", CAST({name} AS DOUBLE) AS varbatch_weight")).unwrap_or_default();
    let sql = format!("SELECT variant_id{key}{weight} FROM variants WHERE ({condition})");
    let failing = |error| failure.or(|| query_failed(error, &tables));
    let frame = context.execute(&sql).map_err(failing)?;
    if Plan::of(&frame).map_err(failing)?.reads_others() {
        return Err(guard::other_files("the condition"));
    }
    read(&frame.collect().map_err(failing)?, search.pairs.map(|(_, index)| index))
}

/// Variants with what is mentioned of other tables.
fn joined(
    dataset: &Dataset,
    (search, mentioned): (Search, &str),
    failure: &Failure,
) -> Result<(LazyFrame, Vec<TableColumns>)> {
    let pairs = search.pairs.map(|(pairs, _)| pairs);
    let mut frame = variants(dataset, failure)?;
    let mut tables: Vec<TableColumns> = vec![("variants".to_owned(), names(&mut frame)?)];
    let within =
        |&(first, last): &(i64, i64)| col("variant_id").gt_eq(lit(first)).and(col("variant_id").lt_eq(lit(last)));
    if let Some(within) = search.ranges.iter().map(within).reduce(Expr::or) {
        frame = frame.filter(within);
    }
    if let Some(pairs) = pairs {
        let mut own = pairs.frame.clone();
        tables.push(("sets".to_owned(), names(&mut own)?));
        frame = join(frame, own, pairs.suffix, JoinType::Inner);
    }
    for (name, suffix) in [(ANNOTATIONS, "_annotation"), (CONSEQUENCES, "_consequence")] {
        if pairs.is_some_and(|pairs| pairs.suffix == suffix) {
            continue;
        }
        let Some(mut own) = table(dataset, name, failure)? else { continue };
        let columns = names(&mut own)?;
        let is_used = columns.iter().any(|name| {
            guard::mentions(mentioned, &format!("{name}{suffix}"))
                || (guard::mentions(mentioned, name) && !tables.iter().any(|(_, known)| known.contains(name)))
        });
        if is_used {
            frame = join(frame, own, suffix, JoinType::Left);
        }
        tables.push((name.to_owned(), columns));
    }
    Ok((frame, tables))
}

/// A name as SQL has it, whatever its characters.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn read(frame: &DataFrame, index: Option<&HashMap<&str, u32>>) -> Result<Vec<Match>> {
    let ids = long(frame, "variant_id")?;
    let sets = index.map(|index| Ok((text(frame, "varbatch_set")?, index))).transpose()?;
    let weights = match frame.column("varbatch_weight") {
        Ok(column) => Some(column.f64().map_err(internal)?),
        Err(_) => None,
    };
    let one = |at: usize| Match {
        variant_id: ids.get(at).unwrap_or_default(),
        set: sets.and_then(|(sets, index)| index.get(sets.get(at)?).copied()),
        weight: weights.and_then(|weights| weights.get(at)),
    };
    Ok((0..frame.height()).map(one).collect())
}

fn table(dataset: &Dataset, name: &str, failure: &Failure) -> Result<Option<LazyFrame>> {
    let found = frames::paged(dataset, &Scope::default(), &|table| table == name, failure)?.pop();
    Ok(found.map(|(_, frame)| frame))
}

fn variants(dataset: &Dataset, failure: &Failure) -> Result<LazyFrame> {
    table(dataset, "variants", failure)?.ok_or_else(|| Error::bad_data("the dataset has no table variants"))
}

fn join(frame: LazyFrame, other: LazyFrame, suffix: &'static str, kind: JoinType) -> LazyFrame {
    let args = JoinArgs::new(kind).with_suffix(Some(PlSmallStr::from_static(suffix)));
    frame.join(other, [col("variant_id")], [col("variant_id")], args)
}

/// Columns of a user's table that go on.
fn keeps(name: &str) -> bool {
    name != "variant_id" && name != "varbatch_known" && !ALLELE.contains(&name)
}

fn names(frame: &mut LazyFrame) -> Result<Vec<String>> {
    let schema = frame.collect_schema().map_err(reading_failed)?;
    Ok(schema.iter_names().map(|name| name.to_string()).collect())
}

fn long<'a>(frame: &'a DataFrame, name: &str) -> Result<&'a Int64Chunked> {
    frame.column(name).and_then(|column| column.i64()).map_err(internal)
}

fn text<'a>(frame: &'a DataFrame, name: &str) -> Result<&'a StringChunked> {
    frame.column(name).and_then(|column| column.str()).map_err(internal)
}

fn internal(error: PolarsError) -> Error {
    Error::internal(format!("cannot join variants and sets: {error}"))
}
