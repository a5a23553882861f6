//! r2 of all pairs of variants in a window. Memory: the window and some hundred variants more, two bits a sample each.

use super::{Variant, Window, in_chunks};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::stats::selection::Selection;
use crate::stats::source::Source;
use crate::stats::tables::frame;
use crate::stats::tables::output::Sink;
use polars::prelude::{Column, DataFrame};
use rayon::prelude::*;
use std::collections::VecDeque;

/// One pair.
#[derive(Clone, Copy, Debug)]
struct Pair {
    ids: [i64; 2],
    contig: u32,
    pos: [i32; 2],
    n: i64,
    r2: f64,
}

/// Writes the pairs with `min_r2` and more to `sink`, by the second variant, then the first; their number.
pub fn ld_pairs(dataset: &Dataset, selection: &Selection, window: Window, min_r2: f64, sink: &mut Sink) -> Result<u64> {
    let mut before: VecDeque<Variant> = VecDeque::new();
    let mut n_pairs = 0;
    sink.write(pairs_frame(dataset, &[])?)?;
    Source::new(dataset, selection)?.run(Ok, |block| {
        in_chunks(&block, |chunk| {
            let n_before = before.len();
            before.extend(chunk);
            let all = before.make_contiguous();
            let found: Vec<Vec<Pair>> =
                (n_before..all.len()).into_par_iter().map(|at| pairs_of(all, at, window, min_r2)).collect();
            let found: Vec<Pair> = found.into_iter().flatten().collect();
            n_pairs += found.len() as u64;
            let first = first_in_reach(all, all.len(), window);
            before.drain(..first);
            if found.is_empty() { Ok(()) } else { sink.write(pairs_frame(dataset, &found)?) }
        })
    })?;
    Ok(n_pairs)
}

/// Pairs of variant `at` with those before it.
fn pairs_of(all: &[Variant], at: usize, window: Window, min_r2: f64) -> Vec<Pair> {
    let own = &all[at];
    let reach = match window {
        Window::Bp(_) => first_in_reach(all, at, window),
        Window::Variants(n) => (at + 1).saturating_sub(n),
    };
    let pair = |other: &Variant| {
        let is_near = match window {
            Window::Bp(most) => i64::from(own.pos) - i64::from(other.pos) <= most,
            Window::Variants(_) => true,
        };
        if other.contig != own.contig || !is_near {
            return None;
        }
        let moments = other.planes.moments(&own.planes);
        let r2 = moments.r2().filter(|r2| *r2 >= min_r2)?;
        let (ids, pos) = ([other.variant_id, own.variant_id], [other.pos, own.pos]);
        Some(Pair { ids, contig: own.contig, pos, n: moments.n, r2 })
    };
    all[reach..at].iter().filter_map(pair).collect()
}

/// The first of `all[..end]` that the variant `end - 1`, or one after it, can be compared with.
fn first_in_reach(all: &[Variant], end: usize, window: Window) -> usize {
    let Some(last) = all[..end].last() else { return 0 };
    match window {
        Window::Variants(n) => (end + 1).saturating_sub(n),
        Window::Bp(most) => all[..end]
            .partition_point(|other| other.contig != last.contig || i64::from(other.pos) + most < i64::from(last.pos)),
    }
}

fn pairs_frame(dataset: &Dataset, pairs: &[Pair]) -> Result<DataFrame> {
    let contigs = &dataset.manifest().contigs;
    let contig: Vec<&str> = pairs.iter().map(|pair| contigs[pair.contig as usize].name.as_str()).collect();
    frame(vec![
        Column::new("variant_id_a".into(), pairs.iter().map(|pair| pair.ids[0]).collect::<Vec<_>>()),
        Column::new("variant_id_b".into(), pairs.iter().map(|pair| pair.ids[1]).collect::<Vec<_>>()),
        Column::new("contig".into(), contig),
        Column::new("pos_a".into(), pairs.iter().map(|pair| pair.pos[0]).collect::<Vec<_>>()),
        Column::new("pos_b".into(), pairs.iter().map(|pair| pair.pos[1]).collect::<Vec<_>>()),
        Column::new("n".into(), pairs.iter().map(|pair| pair.n as i32).collect::<Vec<_>>()),
        Column::new("r2".into(), pairs.iter().map(|pair| pair.r2).collect::<Vec<_>>()),
    ])
}
