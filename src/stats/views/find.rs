//! Variants by what people call them: `chr20:61098:A:G`, an ID, a `variant_id`.

use super::chunk::wrong;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::query::Scope;
use crate::query::paged::condition::Condition;
use crate::query::paged::table::PagedTable;
use polars::prelude::*;

/// Columns that a name may mean.
const COLUMNS: [&str; 6] = ["variant_id", "contig", "pos", "ref", "alt", "id"];

/// `variant_id` of the variants that have one of these names, sorted. A name that no variant has is [`crate::error::Class::Usage`].
pub fn variant_ids(dataset: &Dataset, names: &[String]) -> Result<Vec<i64>> {
    let contigs: Vec<&str> = dataset.manifest().contigs.iter().map(|contig| contig.name.as_str()).collect();
    let files = Scope::default().files_of_contigs(dataset, "variants");
    if files.is_empty() {
        return names.first().map_or(Ok(Vec::new()), |name| Err(unknown(name)));
    }
    let filters: Vec<Expr> = names.iter().map(|name| filter(name, &contigs)).collect();
    let rows = rows_of(&PagedTable::new(dataset, "variants", files)?, &filters)?;
    let mut found = Vec::new();
    for (name, filter) in names.iter().zip(filters) {
        let own = rows.clone().lazy().filter(filter).collect().map_err(wrong)?;
        let before = found.len();
        found.extend(own.column("variant_id").and_then(|ids| ids.i64()).map_err(wrong)?.into_no_null_iter());
        if found.len() == before {
            return Err(unknown(name));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The rows that pass one of the filters.
fn rows_of(table: &PagedTable, filters: &[Expr]) -> Result<DataFrame> {
    let any = any_of(filters);
    let columns: Vec<PlSmallStr> = COLUMNS.iter().map(|&column| column.into()).collect();
    let mut found = table.empty(&columns);
    for unit in table.units(&Condition::of(&any))? {
        let rows = table.read(&unit, &columns)?.lazy().filter(any.clone()).collect().map_err(wrong)?;
        found.vstack_mut_owned(rows).map_err(wrong)?;
    }
    Ok(found)
}

/// One of them holds. As a tree that is not deep.
fn any_of(filters: &[Expr]) -> Expr {
    match filters {
        [] => lit(false),
        [filter] => filter.clone(),
        _ => {
            let (left, right) = filters.split_at(filters.len() / 2);
            any_of(left).or(any_of(right))
        }
    }
}

fn unknown(name: &str) -> Error {
    Error::usage(format!("the dataset has no variant `{name}`"))
        .hint("expected contig:pos:ref:alt as the table variants has them, an ID, or a variant_id")
}

/// A name of four parts is alleles; of digits an identifier; else an ID (one of those with `;` between them).
fn filter(name: &str, contigs: &[&str]) -> Expr {
    for contig in contigs {
        let rest = name.strip_prefix(contig).and_then(|rest| rest.strip_prefix(':'));
        let parts = rest.map(|rest| rest.splitn(3, ':').collect::<Vec<_>>());
        if let Some([pos, ref_allele, alt]) = parts.as_deref()
            && let Ok(pos) = pos.parse::<i32>()
        {
            let place = col("contig").eq(lit(*contig)).and(col("pos").eq(lit(pos)));
            return place.and(col("ref").eq(lit(*ref_allele))).and(col("alt").eq(lit(*alt)));
        }
    }
    if let Ok(id) = name.parse::<i64>() {
        return col("variant_id").eq(lit(id));
    }
    let listed = (lit(";") + col("id") + lit(";")).str().contains_literal(lit(format!(";{name};")));
    col("id").eq(lit(name)).or(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variants() {
        let contigs = ["chr2", "HLA:01"];
        let bounds = |name: &str| {
            let condition = Condition::of(&filter(name, &contigs));
            (
                condition.texts("contig").and_then(|texts| texts.first().map(|text| text.to_string())),
                condition.bounds("pos"),
            )
        };
        assert_eq!(bounds("chr2:61098:A:G"), (Some("chr2".into()), (61098, 61098)));
        assert_eq!(bounds("chr2:321681:G:G]chr17:198982]"), (Some("chr2".into()), (321_681, 321_681)));
        assert_eq!(bounds("HLA:01:5:A:C"), (Some("HLA:01".into()), (5, 5)));
        assert_eq!(bounds("rs12").1, (i64::MIN, i64::MAX));
        assert_eq!(Condition::of(&filter("77", &contigs)).bounds("variant_id"), (77, 77));
    }
}
