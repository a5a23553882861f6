//! Joint calls against what `bcftools merge --gvcf` makes of its own test files: the state of every sample at every
//! alternate allele. bcftools merges records and blocks without calling, so its genotypes (or the most likely ones, where
//! its files have PL alone) are what the samples say.

use super::common::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Inputs and what `bcftools merge --gvcf` wrote for them.
const MERGES: &[(&[&str], &str)] = &[
    (&["merge.gvcf.10.a.vcf", "merge.gvcf.10.b.vcf"], "merge.gvcf.10.1.out"),
    (&["merge.gvcf.2.a.vcf", "merge.gvcf.2.b.vcf", "merge.gvcf.2.c.vcf"], "merge.gvcf.2.out"),
    (&["merge.gvcf.3.a.vcf", "merge.gvcf.3.b.vcf"], "merge.gvcf.3.out"),
    (&["merge.gvcf.4.a.vcf", "merge.gvcf.4.b.vcf"], "merge.gvcf.4.out"),
    (&["merge.gvcf.5.a.vcf", "merge.gvcf.5.b.vcf"], "merge.gvcf.5.1.out"),
    (
        &["merge.gvcf.9a.vcf", "merge.gvcf.9b.vcf", "merge.gvcf.9c.vcf", "merge.gvcf.9d.vcf", "merge.gvcf.9e.vcf"],
        "merge.gvcf.9.3.out",
    ),
];

/// The alleles of each sample, sorted, by `contig:pos` and sample; none where missing.
type States = BTreeMap<(String, String), Vec<String>>;

/// Bases that all alleles end with do not count: the longest REF of a record is its file's own.
fn trimmed(alleles: &[&str]) -> Vec<String> {
    let bases: Vec<&str> =
        alleles.iter().copied().filter(|allele| allele.bytes().all(|b| b.is_ascii_alphabetic())).collect();
    let shared = |cut: usize| {
        bases.iter().all(|allele| {
            allele.len() > cut + 1
                && allele.as_bytes()[allele.len() - cut - 1] == bases[0].as_bytes()[bases[0].len() - cut - 1]
        })
    };
    let cut = (0..).find(|cut| !shared(*cut)).unwrap_or(0);
    let cut = |allele: &&str| {
        if bases.contains(allele) { allele[..allele.len() - cut].to_string() } else { allele.to_string() }
    };
    alleles.iter().map(cut).collect()
}

/// Index of the least likelihood over genotypes of alleles that are named, as alleles; none where nothing differs.
fn most_likely(pl: &str, alleles: &[String]) -> Option<Vec<String>> {
    let values: Vec<u32> = pl.split(',').map(|value| value.parse().ok()).collect::<Option<_>>()?;
    let genotypes = (0..alleles.len()).flat_map(|second| (0..=second).map(move |first| [first, second]));
    let named =
        values.iter().zip(genotypes).filter(|(_, genotype)| genotype.iter().all(|a| !alleles[*a].starts_with('<')));
    let best = named.min_by_key(|(value, _)| **value)?;
    let differ = values.iter().any(|value| *value != values[0]);
    differ.then(|| best.1.iter().map(|allele| alleles[*allele].clone()).collect())
}

fn states(path: &Path) -> States {
    let text = std::fs::read_to_string(path).expect("a VCF");
    let (mut samples, mut states): (Vec<String>, States) = (Vec::new(), States::new());
    for line in text.lines().filter(|line| !line.starts_with("##")) {
        let fields: Vec<&str> = line.split('\t').collect();
        if line.starts_with('#') {
            samples = fields[9..].iter().map(|name| name.to_string()).collect();
            continue;
        }
        let alleles: Vec<&str> = std::iter::once(fields[3]).chain(fields[4].split(',')).collect();
        if alleles[1..].iter().all(|alt| alt.starts_with(['<', '.', '*'])) {
            continue;
        }
        let alleles = trimmed(&alleles);
        let keys: Vec<&str> = fields[8].split(':').collect();
        for (sample, cell) in samples.iter().zip(&fields[9..]) {
            let value = |key: &str| keys.iter().position(|found| *found == key).and_then(|at| cell.split(':').nth(at));
            let mut found = match value("GT") {
                Some(gt) => {
                    gt.split('/').filter_map(|copy| copy.parse::<usize>().ok()).map(|a| alleles[a].clone()).collect()
                }
                None => value("PL").and_then(|pl| most_likely(pl, &alleles)).unwrap_or_default(),
            };
            found.sort();
            states.insert((format!("{}:{}", fields[0], fields[1]), sample.clone()), found);
        }
    }
    states
}

#[test]
fn samples_are_in_the_state_that_bcftools_merge_shows() {
    let Some(folder) = data("gvcf/bcftools-gvcf") else { return };
    let temp = temp();
    let mut found = BTreeSet::new();
    let mut n_compared = 0;
    for (inputs, expected) in MERGES {
        let inputs: Vec<PathBuf> = inputs.iter().map(|input| folder.join(input)).collect();
        let dataset = temp.path().join(expected);
        call(&inputs, &dataset, &["--min-qual", "0", "--joint", "yes", "--quiet"]);
        let out = temp.path().join(format!("{expected}.vcf"));
        export(&dataset, &out, &[]);
        let ours = states(&out);
        for ((site, sample), state) in states(&folder.join(expected)) {
            n_compared += 1;
            let mine = ours.get(&(site.clone(), sample.clone()));
            if mine != Some(&state) {
                found.insert(format!("{expected} {site} {sample}: {mine:?}, expected {state:?}"));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(n_compared > 30, "{n_compared} states");
}

/// Fields of local alleles (VCF 4.5: LAA, LPL, LAD) say the same as PL and AD over all alleles.
#[test]
fn local_alleles_are_called_as_all_alleles() {
    let Some(folder) = data("norm/bcftools") else { return };
    let temp = temp();
    let called = |name: &str| {
        let dataset = temp.path().join(name);
        call(&[folder.join(name)], &dataset, &["--min-qual", "0", "--joint", "yes", "--quiet"]);
        varbatch(&["verify".as_ref(), dataset.as_os_str()]).expect(0);
        let columns = "pos, ref, alt, ac, an, info_aq, qual";
        (
            query(&dataset, &format!("SELECT {columns} FROM variants")),
            query(&dataset, "SELECT variant_id, sample_index, gt, dosage, ad_ref, ad_alt, pl FROM genotypes"),
        )
    };
    let whole = called("merge.LPL.1.out");
    assert_eq!(whole.0.len(), 19);
    for name in ["merge.LPL.3.out", "merge.LPL.4.out", "merge.LPL.5.out", "merge.LPL.6.out"] {
        assert_eq!(called(name), whole, "{name}");
    }
}

/// DeepTrio's gVCF of a child, called alone, has the variants of its VCF.
#[test]
fn deeptrio_calls_are_its_own() {
    let Some(folder) = data("reads/trio-chr20-10kb") else { return };
    let temp = temp();
    let dataset = temp.path().join("ds");
    call(&[folder.join("golden.postprocess_gvcf_output.g.vcf")], &dataset, &["--min-qual", "0", "--quiet"]);
    let out = temp.path().join("out.vcf");
    export(&dataset, &out, &[]);
    let (ours, theirs) = (states(&out), states(&folder.join("golden.postprocess_single_site_output.vcf")));
    let is_carrier = |state: &&Vec<String>| state.windows(2).any(|pair| pair[0] != pair[1]);
    assert!(theirs.values().filter(is_carrier).count() > 5, "{theirs:?}");
    for (key, state) in &theirs {
        // where DeepTrio calls the reference or nothing, no allele need be written
        assert_eq!(ours.get(key).unwrap_or(state), state, "{key:?}");
    }
    assert!(theirs.iter().filter(|(_, state)| is_carrier(state)).all(|(key, _)| ours.contains_key(key)));
}

/// A file of 234,687 records: the rows are the same in any shards.
#[test]
fn a_long_gvcf_has_the_same_rows_in_any_shards() {
    let Some(input) = data("gvcf/misc/HG00268.g.vcf.gz") else { return };
    let temp = temp();
    let rows = |size: &str| {
        let dataset = temp.path().join(size);
        call(&[&input], &dataset, &["--shard-size", size, "--quiet"]);
        let parts = super::tables::files(&dataset, "variants").len();
        (parts, ["variants", "genotypes", "ref_blocks"].map(|name| super::tables::read(&dataset, name, &[])))
    };
    let (few, expected) = rows("1G");
    assert!(expected[0].rows.len() > 5_000 && expected[2].rows.len() > 100_000);
    let (many, found) = rows("50K");
    assert!(many > few + 10, "{many} and {few} parts");
    assert!(expected == found, "rows differ");
}
