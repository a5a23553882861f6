//! What each variant adds to each component: `w = (sum over samples of z u) / (M l)` for the component u with eigenvalue l, so
//! that the sum of `z w` over the variants is the sample's entry of u.

use super::standard::Standard;
use super::{Components, internal};
use crate::error::Result;
use crate::stats::block::{Block, Site};
use crate::stats::source::Source;
use polars::prelude::*;

/// Weights of a variant.
struct Row {
    site: Site,
    weights: Vec<f64>,
}

/// Gives `write` the table `pca_loadings` in pieces: variant_id, contig, pos, ref, alt, af, w1, w2, ...
pub fn loadings(
    source: &Source,
    contigs: &[String],
    components: &Components,
    mut write: impl FnMut(DataFrame) -> Result<()>,
) -> Result<()> {
    let sums: Vec<f64> = components.vectors.iter().map(|vector| vector.iter().sum()).collect();
    source.run(
        |block| {
            Ok((0..block.len()).filter_map(|variant| row(&block, variant, components, &sums)).collect::<Vec<Row>>())
        },
        |rows| if rows.is_empty() { Ok(()) } else { write(frame(&rows, contigs)?) },
    )
}

/// Sparse: samples that are not listed have no copy.
fn row(block: &Block, variant: usize, components: &Components, sums: &[f64]) -> Option<Row> {
    let standard = Standard::of(block, variant)?;
    let (samples, calls) = block.listed(variant);
    let n_variants = components.n_variants as f64;
    let weight = |(vector, (sum, eigenvalue)): (&Vec<f64>, (&f64, &f64))| {
        let zero = standard.z(0.0);
        let change = |(&sample, call): (&u32, &crate::stats::block::Call)| {
            let z = call.copies().map_or(0.0, |copies| standard.z(f64::from(copies)));
            (z - zero) * vector[sample as usize]
        };
        let total = zero * sum + samples.iter().zip(calls).map(change).sum::<f64>();
        if *eigenvalue > 0.0 { total / (n_variants * eigenvalue) } else { 0.0 }
    };
    let weights = components.vectors.iter().zip(sums.iter().zip(&components.eigenvalues)).map(weight).collect();
    Some(Row { site: block.sites[variant].clone(), weights })
}

fn frame(rows: &[Row], contigs: &[String]) -> Result<DataFrame> {
    let texts = |text: fn(&Site) -> &str| rows.iter().map(|row| text(&row.site)).collect::<Vec<&str>>();
    let mut columns = vec![
        Column::new("variant_id".into(), rows.iter().map(|row| row.site.variant_id).collect::<Vec<i64>>()),
        Column::new(
            "contig".into(),
            rows.iter().map(|row| &contigs[row.site.contig as usize][..]).collect::<Vec<&str>>(),
        ),
        Column::new("pos".into(), rows.iter().map(|row| row.site.pos).collect::<Vec<i32>>()),
        Column::new("ref".into(), texts(|site| &site.ref_allele)),
        Column::new("alt".into(), texts(|site| &site.alt_allele)),
        Column::new("af".into(), rows.iter().map(|row| row.site.counts.af()).collect::<Vec<Option<f64>>>()),
    ];
    for at in 0..rows.first().map_or(0, |row| row.weights.len()) {
        let values: Vec<f64> = rows.iter().map(|row| row.weights[at]).collect();
        columns.push(Column::new(format!("w{}", at + 1).into(), values));
    }
    DataFrame::new(rows.len(), columns).map_err(internal)
}
