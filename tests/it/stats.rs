//! Statistics of a dataset: the blocks that they read hold what the tables say.

use super::common::*;
use std::path::Path;
use varbatch::dataset::Dataset;
use varbatch::stats::block::{Block, Counts};
use varbatch::stats::selection::{SampleSet, Selection, VariantFilter};
use varbatch::stats::source::Source;

/// Men have one copy of X; the second contig has one ALT too many, a half call, a triploid call and a phased one.
const SMALL: &str = "\
##fileformat=VCFv4.3
##contig=<ID=1,length=1000>
##contig=<ID=X,length=156040895>
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td
1\t10\trs1\tA\tC\t.\tPASS\t.\tGT\t0/0\t0/1\t1/1\t./.
1\t20\t.\tA\tC,G\t.\tlow\t.\tGT\t0/2\t1|2\t./1\t0/0/1
1\t30\t.\tAT\tA\t.\t.\t.\tGT\t0/0\t0/0\t0/0\t0/0
X\t5000000\t.\tG\tT\t.\t.\t.\tGT\t0\t0/1\t1\t0/0
";

fn dataset(folder: &Path, extra: &[&str]) -> Dataset {
    let vcf = write(folder, "small.vcf", SMALL);
    let sheet = write(
        folder,
        "sheet.tsv",
        format!("path\tsample\tsex\n{0}\ta\tmale\n{0}\tb\tfemale\n{0}\tc\tmale\n{0}\td\tfemale\n", vcf.display()),
    );
    let out = folder.join(format!("ds{}", extra.len()));
    let sheet = sheet.to_str().expect("UTF-8");
    let mut args = vec!["call", "--inputs", sheet, "-o", out.to_str().expect("UTF-8")];
    args.extend(extra);
    varbatch(&args).expect(0);
    Dataset::open(&out).expect("opens")
}

fn blocks(dataset: &Dataset, selection: &Selection) -> Vec<Block> {
    let mut blocks = Vec::new();
    let source = Source::new(dataset, selection).expect("samples");
    source
        .run(Ok, |block| {
            blocks.push(block);
            Ok(())
        })
        .expect("runs");
    blocks
}

fn counts(dataset: &Dataset, selection: &Selection) -> Vec<(i32, [u64; 6])> {
    let all = |c: &Counts| [c.n_hom_ref, c.n_het, c.n_hom_alt, c.n_hemi_ref, c.n_hemi_alt, c.n_missing];
    let blocks = blocks(dataset, selection);
    blocks.iter().flat_map(|block| block.sites.iter().map(|site| (site.pos, all(&site.counts)))).collect()
}

#[test]
fn blocks_count_what_the_cells_say() {
    let folder = temp();
    for extra in [&[][..], &["--calls", "all"]] {
        let dataset = dataset(folder.path(), extra);
        let everything =
            Selection { samples: SampleSet::all(&dataset).expect("samples"), variants: VariantFilter::default() };
        let expected = [
            (10, [1, 1, 1, 0, 0, 1]),
            (20, [1, 1, 0, 0, 0, 2]),
            (20, [0, 2, 0, 0, 0, 2]),
            (30, [4, 0, 0, 0, 0, 0]),
            (5_000_000, [1, 1, 0, 1, 1, 0]),
        ];
        assert_eq!(counts(&dataset, &everything), expected);
        let two = everything.samples.clone().only(&["c".into(), "a".into()]).expect("known");
        assert_eq!(two.names().collect::<Vec<_>>(), ["a", "c"]);
        let variants = VariantFilter { biallelic: true, pass: true, min_mac: Some(1), ..VariantFilter::default() };
        let expected = [(10, [1, 0, 1, 0, 0, 0]), (5_000_000, [0, 0, 0, 1, 1, 0])];
        assert_eq!(counts(&dataset, &Selection { samples: two, variants }), expected);
    }
}

/// Many row groups: the same variants and counts as SQL finds.
#[test]
fn blocks_of_a_cohort_are_its_tables() {
    let folder = temp();
    let path = folder.path();
    varbatch(&[
        "simulate",
        "-o",
        path.join("sim").to_str().expect("UTF-8"),
        "--samples",
        "200",
        "--length",
        "200000",
        "--seed",
        "5",
    ])
    .expect(0);
    let out = path.join("ds");
    call(&[path.join("sim/cohort.vcf.gz")], &out, &["--shard-size", "16K"]);
    let dataset = Dataset::open(&out).expect("opens");
    let everything =
        Selection { samples: SampleSet::all(&dataset).expect("samples"), variants: VariantFilter::default() };
    let blocks = blocks(&dataset, &everything);
    assert!(blocks.len() > 1, "{} blocks", blocks.len());
    let found: Vec<Vec<String>> = blocks
        .iter()
        .flat_map(|block| &block.sites)
        .map(|site| {
            let c = &site.counts;
            let numbers = [
                site.variant_id,
                i64::from(site.pos),
                c.n_hom_ref as i64,
                c.n_het as i64,
                c.n_hom_alt as i64,
                c.n_missing as i64,
            ];
            numbers.iter().map(i64::to_string).collect()
        })
        .collect();
    let sql = "SELECT variant_id, pos, n_hom_ref, n_het, n_hom_alt, n_missing + n_partial FROM variants";
    assert_eq!(found, query(&out, sql));
}
