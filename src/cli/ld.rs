//! `varbatch ld`

use super::analysis_flags::AnalysisFlags;
use super::select_flags::Defaults;
use crate::error::{Error, Result};
use crate::stats::ld::Window;
use crate::stats::ld::pairs::ld_pairs;
use crate::stats::ld::prune::{Pruning, prune};
use crate::stats::results::Results;
use crate::stats::tables::output::Output;

/// Flags of `ld`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
r2 is the squared correlation of the copies of two alleles over the samples where both are called. Pairs are stored as the table
ld (variant_id_a, variant_id_b, contig, pos_a, pos_b, n, r2); with --prune the kept variants as ld_prune, the same
as of `plink2 --indep-pairwise`. --variants-file of other commands takes such a file.

Examples:
  varbatch ld demo.ds --min-maf 0.01 --window-kb 200 --min-r2 0.5
  varbatch ld demo.ds --min-maf 0.01 --prune 0.2 -o kept.tsv
  varbatch ld demo.ds --window-variants 50 --step 5 --prune 0.5")]
pub struct Args {
    #[command(flatten)]
    analysis: AnalysisFlags,
    /// Compare variants whose positions differ by at most this many kilobases [default: 500]
    #[arg(long, value_name = "KB", conflicts_with = "window_variants")]
    window_kb: Option<f64>,
    /// Compare this many consecutive variants
    #[arg(long, value_name = "N")]
    window_variants: Option<usize>,
    /// With --prune: by how many variants a window of variants moves on
    #[arg(long, value_name = "N", default_value_t = 1, requires = "prune", requires = "window_variants")]
    step: usize,
    /// Least r2 of a pair in the table
    #[arg(long, value_name = "R2", default_value_t = 0.2, conflicts_with = "prune")]
    min_r2: f64,
    /// Drop one variant of each pair with an r2 above this, and write the variants that stay
    #[arg(long, value_name = "R2")]
    prune: Option<f64>,
}

/// Window where none is given, in kilobases.
const WINDOW_KB: f64 = 500.0;

impl Args {
    fn window(&self) -> Result<Window> {
        let Some(n) = self.window_variants else {
            let kb = self.window_kb.unwrap_or(WINDOW_KB);
            return match kb > 0.0 && kb.is_finite() {
                true => Ok(Window::Bp((kb * 1000.0) as i64)),
                false => Err(Error::usage(format!("--window-kb is {kb}, expected more than 0"))),
            };
        };
        match n < 2 || self.step == 0 || self.step > n {
            true => Err(Error::usage(format!("--window-variants is {n} and --step {}", self.step))
                .hint("a window has 2 variants at least, and moves on by 1 at least and by itself at most")),
            false => Ok(Window::Variants(n)),
        }
    }
}

/// Runs it.
pub fn run(args: Args) -> Result<()> {
    for (flag, value) in [("--min-r2", Some(args.min_r2)), ("--prune", args.prune)] {
        if let Some(value) = value.filter(|value| !(0.0..=1.0).contains(value)) {
            return Err(Error::usage(format!("{flag} is {value}, expected 0 to 1")));
        }
    }
    let window = args.window()?;
    let dataset = args.analysis.open()?;
    let selection = args.analysis.selection(&dataset, Defaults::default())?;
    let settings = serde_json::json!({
        "select": args.analysis.select.described(Defaults::default()), "prune": args.prune, "min_r2": args.min_r2, "step": args.step,
        "window": match window {
            Window::Bp(bp) => format!("{bp} bp"),
            Window::Variants(n) => format!("{n} variants"),
        },
    });
    let table = if args.prune.is_some() { "ld_prune" } else { "ld" };
    let mut output = Output::new(Results::new(&dataset, "ld", settings), args.analysis.result.wanted(table));
    let place = args.analysis.dataset.display();
    match args.prune {
        Some(max_r2) => {
            let pruned = prune(&dataset, &selection, Pruning { window, step: args.step, max_r2 })?;
            eprintln!("{place}: {} of {} variants stay", pruned.kept.height(), pruned.n_variants);
            output.put(table, pruned.kept)?;
        }
        None => {
            let mut sink = output.begin(table)?;
            let n_pairs = ld_pairs(&dataset, &selection, window, args.min_r2, &mut sink)?;
            sink.finish(serde_json::json!({ "n_pairs": n_pairs }))?;
            eprintln!("{place}: {n_pairs} pairs with an r2 of {} and more", args.min_r2);
        }
    }
    let stored = output.finish()?;
    if !stored.is_empty() {
        eprintln!("stored: {}", stored.join(", "));
    }
    Ok(())
}
