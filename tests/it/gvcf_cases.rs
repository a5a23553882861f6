//! Joint calls against what `bcftools merge --gvcf` makes of its own test files: the state of every sample at every
//! alternate allele. bcftools merges records and blocks without calling, so its genotypes (or the most likely ones, where
//! its files have PL alone) are what the samples say; differences are listed with their reason.

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

/// File, site, sample, and why it differs.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    (
        "merge.gvcf.2.out",
        "8:3",
        "AAA",
        "a block that is most likely no reference and names no allele: half a call, ./0",
    ),
    (
        "merge.gvcf.2.out",
        "8:3",
        "CCC",
        "one record without GT and without a mark of its caller: nothing is called from PL",
    ),
];

/// Copies of each sample, sorted, by `contig:pos` and sample: `ref` or `REF>ALT`; none where missing.
type States = BTreeMap<(String, String), Vec<String>>;

/// An allele without the bases that it shares with REF: the longest REF of a record is its file's own.
fn named(alleles: &[&str], index: usize) -> String {
    let (mut old, mut new) = (alleles[0], alleles[index]);
    if index == 0 {
        return "ref".to_string();
    }
    while old.len() > 1 && new.len() > 1 && old.as_bytes().last() == new.as_bytes().last() {
        (old, new) = (&old[..old.len() - 1], &new[..new.len() - 1]);
    }
    format!("{old}>{new}")
}

/// The genotype of the least PL over alleles that are named; none where nothing differs.
fn most_likely(pl: &str, alleles: &[&str]) -> Option<Vec<usize>> {
    let values: Vec<u32> = pl.split(',').map(|value| value.parse().ok()).collect::<Option<_>>()?;
    let genotypes = (0..alleles.len()).flat_map(|second| (0..=second).map(move |first| vec![first, second]));
    let is_named = |genotype: &[usize]| genotype.iter().all(|allele| !alleles[*allele].starts_with('<'));
    let named = values.iter().zip(genotypes).filter(|(_, genotype)| is_named(genotype));
    let (_, best) = named.min_by_key(|(value, _)| **value)?;
    values.iter().any(|value| *value != values[0]).then_some(best)
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
        let keys: Vec<&str> = fields[8].split(':').collect();
        for (sample, cell) in samples.iter().zip(&fields[9..]) {
            let value = |key: &str| keys.iter().position(|found| *found == key).and_then(|at| cell.split(':').nth(at));
            let genotype: Vec<usize> = match value("GT") {
                Some(gt) => gt.split('/').filter_map(|copy| copy.parse().ok()).collect(),
                None => value("PL").and_then(|pl| most_likely(pl, &alleles)).unwrap_or_default(),
            };
            let mut found: Vec<String> = genotype.iter().map(|allele| named(&alleles, *allele)).collect();
            found.sort();
            // of several records of a position the one in which the sample has a variant, or is known
            let state = states.entry((format!("{}:{}", fields[0], fields[1]), sample.clone())).or_default();
            if state.is_empty() || found.iter().any(|copy| copy != "ref") {
                *state = found;
            }
        }
    }
    states
}

#[test]
fn samples_are_in_the_state_that_bcftools_merge_shows() {
    let Some(folder) = data("gvcf/bcftools-gvcf") else { return };
    let temp = temp();
    let mut found = BTreeSet::new();
    let (mut n_compared, mut n_listed) = (0, 0);
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
                let is_listed = |listed: &&(&str, &str, &str, &str)| {
                    (listed.0, listed.1, listed.2) == (*expected, site.as_str(), sample.as_str())
                };
                n_listed += usize::from(DIFFERENCES.iter().any(|listed| is_listed(&listed)));
                if !DIFFERENCES.iter().any(|listed| is_listed(&listed)) {
                    found.insert(format!("{expected} {site} {sample}: {mine:?}, expected {state:?}"));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(n_listed, DIFFERENCES.len(), "a difference that is listed is gone");
    assert!(n_compared > 30, "{n_compared} states");
}

/// Genotypes with fields of local alleles (VCF 4.5: LAA, LPL, LAD) and with fields over all alleles, some values missing.
#[test]
fn local_alleles_are_called_as_all_alleles() {
    let Some(folder) = data("norm/bcftools") else { return };
    let temp = temp();
    let called = |name: &str| {
        let dataset = temp.path().join(name);
        call(&[folder.join(name)], &dataset, &["--min-qual", "0", "--joint", "yes", "--quiet"]);
        varbatch(&["verify".as_ref(), dataset.as_os_str()]).expect(0);
        let accounting = &manifest(&dataset)["accounting"];
        let [read, merged] =
            ["alleles_read", "alleles_merged"].map(|name| accounting[name].as_u64().expect("a number"));
        assert!(read >= 19 && merged <= read, "{accounting}");
        (
            query(&dataset, "SELECT pos, ref, alt, ac, an FROM variants"),
            query(&dataset, "SELECT variant_id, sample_index, gt, dosage FROM genotypes"),
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

/// Three exomes, and the file that GATK CombineGVCFs made of them: the same sites, QUAL and genotypes.
#[test]
fn a_combined_gvcf_is_called_as_the_files_it_was_made_of() {
    let Some(folder) = data("gvcf/gatk-joint") else { return };
    let temp = temp();
    let called = |name: &str, inputs: &[String]| {
        let inputs: Vec<PathBuf> = inputs.iter().map(|input| folder.join(input)).collect();
        let dataset = temp.path().join(name);
        call(&inputs, &dataset, &["--preset", "gatk", "--quiet"]);
        [
            query(&dataset, "SELECT contig, pos, ref, alt, qual, ac, an, n_missing FROM variants"),
            query(&dataset, "SELECT pos, sample_index, gt, gq, ad_ref, ad_alt FROM genotypes"),
        ]
    };
    let singles: Vec<String> = (1..=3).map(|i| format!("combine.single.sample.pipeline.{i}.vcf")).collect();
    let [variants, genotypes] = called("singles", &singles);
    assert!(variants.len() > 200 && genotypes.len() > 300);
    let [combined_variants, combined_genotypes] =
        called("combined", &["combined.single.sample.pipeline.gatk3.vcf".to_string()]);
    assert_eq!(variants, combined_variants);
    assert_eq!(genotypes, combined_genotypes);
}
