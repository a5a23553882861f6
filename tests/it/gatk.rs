//! Joint calling against GATK GenotypeGVCFs: its own test inputs, with what it wrote for them.
//!
//! With `--preset gatk` sites, alleles and genotypes must be equal, but for the differences that
//! `cases/gatk-differences.tsv` lists with their reasons: the test fails when the list is too short, and when it is too
//! long. QUAL must be within 0.02 + 0.1 % on 99 % of all records.

use super::common::{call, data, export, temp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Inputs, and the file that GATK wrote for them.
const PAIRS: &[(&str, &[&str], &str)] = &[
    ("single", &["single/expected.testGVCFMode.gatk4.g.vcf"], "newMQcalc.singleSample.genotyped.vcf"),
    ("two", &["combine/newMQcalc.combined.g.vcf"], "newMQcalc.combined.genotyped.vcf"),
    ("trio-20", &["single/CEUTrio.20.21.gatk3.4.g.vcf.bgz"], "CEUTrio.20.gatk3.7_30_ga4f720357.expected.vcf"),
    ("trio-21", &["single/CEUTrio.20.21.gatk3.4.g.bcf"], "CEUTrio.21.gatk3.7_30_ga4f720357.expected.vcf"),
    ("base-pair", &["gvcf.basepairResolution.gvcf"], "gvcf.basepairResolution.gatk3.7_30_ga4f720357.output.vcf"),
    ("multi-allelic", &["multiallelicQualRegression.vcf"], "multiallelicQualRegression.expected.vcf"),
    ("spanning", &["spanningDel.combined.g.vcf"], "spanningDel.combined.gatk3.7_30_ga4f720357.expected.vcf"),
    ("spanning-only", &["spanningDel.delOnly.g.vcf"], "spanningDel.delOnly.gatk3.7_30_ga4f720357.expected.vcf"),
    (
        "spanning-old",
        &["spanningDel.depr.delOnly.g.vcf"],
        "spanningDel.depr.delOnly.gatk3.7_30_ga4f720357.expected.vcf",
    ),
    ("leading", &["leadingDeletion.g.vcf"], "leadingDeletionExpected.vcf"),
    (
        "allele-specific",
        &["testAlleleSpecificAnnotations.CombineGVCF.output.g.vcf"],
        "testAlleleSpecificAnnotations.CombineGVCF.expected.g.vcf",
    ),
    ("one-as", &["NA12878.AS.chr20snippet.g.vcf"], "AS_Annotations.gatk3.7_30_ga4f720357.expected.vcf"),
    ("example", &["gvcfExample1.vcf"], "gvcfExample1.gatk3.7_30_ga4f720357.expected.vcf"),
    (
        "exomes",
        &[
            "combine.single.sample.pipeline.1.vcf",
            "combine.single.sample.pipeline.2.vcf",
            "combine.single.sample.pipeline.3.vcf",
        ],
        "expected/testSpanningDeletion.vcf",
    ),
];

/// One record: REF, the set of ALT, QUAL, and per sample its alleles in order.
struct Record {
    ref_allele: String,
    alts: BTreeSet<String>,
    qual: Option<f64>,
    genotypes: BTreeMap<String, Vec<String>>,
}

fn is_bases(allele: &str) -> bool {
    allele.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Takes the bases away that all alleles end with, so that the same alleles are the same text.
fn trimmed<'a>(alleles: &[&'a str]) -> Vec<&'a str> {
    let bases: Vec<&str> = alleles.iter().copied().filter(|allele| is_bases(allele)).collect();
    let mut cut = 0;
    while bases.iter().all(|allele| {
        allele.len() > cut + 1
            && allele.as_bytes()[allele.len() - cut - 1] == bases[0].as_bytes()[bases[0].len() - cut - 1]
    }) {
        cut += 1;
    }
    alleles.iter().map(|allele| if is_bases(allele) { &allele[..allele.len() - cut] } else { allele }).collect()
}

/// Records with a real alternate allele, by position. GATK's records of `*` alone say nothing that a site has.
fn records(path: &Path) -> BTreeMap<(String, u64), Record> {
    let text = std::fs::read_to_string(path).expect("a VCF");
    let mut samples: Vec<String> = Vec::new();
    let mut records = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with("##")) {
        let fields: Vec<&str> = line.split('\t').collect();
        if line.starts_with('#') {
            samples = fields[9..].iter().map(|name| name.to_string()).collect();
            continue;
        }
        if fields[4].split(',').all(|alt| alt == "*" || alt == ".") {
            continue;
        }
        let alleles: Vec<&str> = std::iter::once(fields[3]).chain(fields[4].split(',')).collect();
        let alleles = trimmed(&alleles);
        let genotypes = samples.iter().zip(&fields[9..]).map(|(name, cell)| {
            let gt = cell.split(':').next().unwrap_or(".");
            let copies = gt.split(['/', '|']).map(|copy| copy.parse::<usize>().map_or(".", |allele| alleles[allele]));
            let mut copies: Vec<String> = copies.map(str::to_string).collect();
            copies.sort();
            if copies.iter().all(|copy| copy == ".") {
                copies.truncate(1);
            }
            (name.clone(), copies)
        });
        let record = Record {
            ref_allele: alleles[0].to_string(),
            alts: alleles[1..].iter().map(|alt| alt.to_string()).collect(),
            qual: fields[5].parse().ok(),
            genotypes: genotypes.collect(),
        };
        records.insert((fields[0].to_string(), fields[1].parse().expect("POS")), record);
    }
    records
}

/// `pair, contig, pos, what, sample` of each difference.
type Difference = [String; 5];

#[derive(Default)]
struct Comparison {
    differences: BTreeSet<Difference>,
    n_records: usize,
    n_genotypes: usize,
    n_qual: usize,
    n_qual_near: usize,
}

impl Comparison {
    fn note(&mut self, pair: &str, (contig, pos): &(String, u64), what: &str, sample: &str) {
        self.differences.insert([pair, contig, &pos.to_string(), what, sample].map(str::to_string));
    }

    fn compare(&mut self, pair: &str, ours: &Path, expected: &Path) {
        let (ours, expected) = (records(ours), records(expected));
        // GATK's test asked for some intervals only: what it wrote must be there, and within that nothing else
        let whole = pair != "exomes";
        for key in ours.keys().filter(|key| whole && !expected.contains_key(key)) {
            // the other contigs of the input belong to another pair
            if expected.keys().any(|other| other.0 == key.0) || expected.is_empty() {
                self.note(pair, key, "extra", ".");
            }
        }
        for (key, theirs) in &expected {
            let Some(ours) = ours.get(key) else {
                self.note(pair, key, "missing", ".");
                continue;
            };
            self.n_records += 1;
            if (&ours.ref_allele, &ours.alts) != (&theirs.ref_allele, &theirs.alts) {
                self.note(pair, key, "alleles", ".");
            }
            if let (Some(a), Some(b)) = (ours.qual, theirs.qual) {
                self.n_qual += 1;
                let near = (a - b).abs() <= 0.02 + 0.001 * b;
                self.n_qual_near += usize::from(near);
                if !near {
                    self.note(pair, key, "qual", ".");
                }
            }
            for (sample, genotype) in &theirs.genotypes {
                self.n_genotypes += 1;
                if ours.genotypes.get(sample) != Some(genotype) {
                    self.note(pair, key, "genotype", sample);
                }
            }
        }
    }
}

#[test]
fn sites_alleles_genotypes_and_qual_are_those_of_gatk() {
    let Some(folder) = data("gvcf/gatk-joint") else { return };
    let temp = temp();
    let mut found = Comparison::default();
    for (pair, inputs, expected) in PAIRS {
        let dataset = temp.path().join(pair);
        let inputs: Vec<_> = inputs.iter().map(|input| folder.join(input)).collect();
        call(&inputs, &dataset, &["--preset", "gatk", "--quiet"]);
        let out = temp.path().join(format!("{pair}.vcf"));
        export(&dataset, &out, &[]);
        found.compare(pair, &out, &folder.join(expected));
    }
    let list = include_str!("../cases/gatk-differences.tsv");
    let mut listed = BTreeSet::new();
    for line in list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let fields: Vec<&str> = line.split('\t').collect();
        assert!(fields.len() == 6 && !fields[5].is_empty(), "a difference needs a reason: {line}");
        listed.insert(std::array::from_fn(|i| fields[i].to_string()));
    }
    let show = |set: Vec<&Difference>| set.iter().map(|row| row.join("\t")).collect::<Vec<_>>().join("\n");
    let unexplained = show(found.differences.difference(&listed).collect());
    let gone = show(listed.difference(&found.differences).collect());
    assert!(unexplained.is_empty() && gone.is_empty(), "not listed:\n{unexplained}\nlisted, but equal:\n{gone}");
    assert!(found.n_records >= 1_800 && found.n_genotypes >= 3_500, "too little was compared");
    assert!(
        found.n_qual_near * 100 >= found.n_qual * 99,
        "QUAL is near on {} of {} records",
        found.n_qual_near,
        found.n_qual
    );
}
