//! Joint calling of simulated gVCFs, with the flaws that real callers leave, against the truth that they were made from.

use super::common::{call, finish, query, temp, varbatch};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// Contig, position, REF, ALT.
type Allele = (String, u64, String, String);

/// Copies of each alternate allele in each sample, by normalised allele.
fn truth(path: &Path) -> (Vec<String>, BTreeMap<Allele, Vec<u32>>) {
    let text = finish(Command::new("gzip").args(["-dc"]).arg(path)).expect(0).stdout;
    let mut samples = Vec::new();
    let mut alleles = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with("##")) {
        let fields: Vec<&str> = line.split('\t').collect();
        if line.starts_with('#') {
            samples = fields[9..].iter().map(|name| name.to_string()).collect();
            continue;
        }
        for (index, alt) in fields[4].split(',').enumerate() {
            let wanted = (index + 1).to_string();
            let copies = fields[9..].iter().map(|cell| {
                let gt = cell.split(':').next().unwrap_or(".");
                gt.split(['/', '|']).filter(|copy| **copy == wanted).count() as u32
            });
            let allele = trimmed(fields[0], fields[1].parse().expect("POS"), fields[3], alt);
            alleles.insert(allele, copies.collect());
        }
    }
    (samples, alleles)
}

fn trimmed(contig: &str, mut pos: u64, mut reference: &str, mut alt: &str) -> Allele {
    while reference.len() > 1 && alt.len() > 1 && reference.as_bytes().last() == alt.as_bytes().last() {
        (reference, alt) = (&reference[..reference.len() - 1], &alt[..alt.len() - 1]);
    }
    while reference.len() > 1 && alt.len() > 1 && reference.as_bytes()[0] == alt.as_bytes()[0] {
        (reference, alt, pos) = (&reference[1..], &alt[1..], pos + 1);
    }
    (contig.into(), pos, reference.into(), alt.into())
}

#[derive(Default, Debug)]
struct Tally {
    alleles: usize,
    found: usize,
    same: u64,
    other: u64,
    missing: u64,
}

#[test]
fn what_is_called_is_what_was_simulated() {
    let big = std::env::var_os("VARBATCH_BIG").is_some();
    let (n_samples, length) = if big { ("100", "2000000") } else { ("40", "150000") };
    let temp = temp();
    let cohort = temp.path().join("cohort");
    let cohort_text = cohort.to_str().expect("a path");
    varbatch(&[
        "simulate",
        "-o",
        cohort_text,
        "--samples",
        n_samples,
        "--length",
        length,
        "--seed",
        "5",
        "--gvcf",
        "--contig-name",
        "chr1,chrM",
        "--haploid-contigs",
        "chrM",
        "--low-depth",
        "2",
        "--false-alleles",
        "0.002",
        "--dropout",
        "0.002",
        "--repeat-indels",
        "0.5",
        "--overlaps",
        "0.05",
        "--multiallelic",
        "0.05",
    ])
    .expect(0);
    let mut inputs: Vec<_> = std::fs::read_dir(cohort.join("gvcf"))
        .expect("gVCFs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "gz"))
        .collect();
    inputs.sort();
    let dataset = temp.path().join("ds");
    let reference = cohort.join("reference.fa");
    call(&inputs, &dataset, &["-f", reference.to_str().expect("a path"), "--quiet"]);

    let (names, truth) = truth(&cohort.join("truth.vcf.gz"));
    let order: Vec<usize> = query(&dataset, "SELECT sample FROM samples ORDER BY sample_index")
        .iter()
        .map(|row| names.iter().position(|name| *name == row[0]).expect("a sample of the truth"))
        .collect();
    let sql = "SELECT contig, pos, ref, alt, variant_id, info_as_qual, info_aq FROM variants WHERE alt <> '*'";
    let mut called: BTreeMap<Allele, (String, f64, f64)> = BTreeMap::new();
    for row in query(&dataset, sql) {
        let [contig, pos, reference, alt, id, qual, aq] = row.try_into().expect("7 columns");
        let allele = (contig, pos.parse().expect("pos"), reference, alt);
        called.insert(allele, (id, qual.parse().expect("QUAL"), aq.parse().expect("AQ")));
    }
    let mut dosages: BTreeMap<(String, usize), Option<u32>> = BTreeMap::new();
    for row in query(&dataset, "SELECT variant_id, sample_index, dosage FROM genotypes") {
        dosages.insert((row[0].clone(), row[1].parse().expect("sample_index")), row[2].parse().ok());
    }

    let real: BTreeSet<&Allele> =
        truth.iter().filter(|(_, copies)| copies.iter().any(|&n| n > 0)).map(|(allele, _)| allele).collect();
    let strong = |(_, qual, aq): &&(String, f64, f64)| *qual >= 30.0 && *aq >= 20.0;
    let n_strong = called.values().filter(strong).count();
    let false_strong: Vec<&Allele> = called
        .iter()
        .filter(|(allele, found)| strong(found) && !real.contains(allele))
        .map(|(allele, _)| allele)
        .collect();
    assert!(
        false_strong.len() * 10_000 <= n_strong.max(10_000),
        "{} of {n_strong} strong alleles are not in the truth: {:?}",
        false_strong.len(),
        &false_strong[..false_strong.len().min(10)]
    );

    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for allele in &real {
        let (contig, _, reference, alt) = allele;
        let kind = match (contig == "chrM", reference.len() == alt.len()) {
            (true, _) => "haploid",
            (_, true) => "snv",
            _ => "indel",
        };
        let tally = tallies.entry(kind).or_default();
        tally.alleles += 1;
        let Some((id, ..)) = called.get(*allele) else { continue };
        tally.found += 1;
        for (sample, &column) in order.iter().enumerate() {
            match dosages.get(&(id.clone(), sample)) {
                Some(None) => tally.missing += 1,
                Some(Some(dosage)) if *dosage == truth[*allele][column] => tally.same += 1,
                None if truth[*allele][column] == 0 => tally.same += 1,
                _ => tally.other += 1,
            }
        }
    }
    eprintln!("strong {n_strong}, false {}; {tallies:?}", false_strong.len());
    for (kind, tally) in &tallies {
        let recall = tally.found as f64 / tally.alleles as f64;
        let concordance = tally.same as f64 / (tally.same + tally.other) as f64;
        // what is missing was never seen with confidence: see below
        assert!(recall >= 0.95, "{kind}: {recall} of the alleles are found, {tally:?}");
        assert!(concordance >= 0.998, "{kind}: {concordance} of the genotypes agree, {tally:?}");
    }
    assert!(tallies.len() == 3 && n_strong >= 500, "too little was compared: {tallies:?}");

    // every allele that a gVCF calls with confidence is there
    let mut confident = BTreeSet::new();
    for row in query(&dataset, "SELECT contig, pos, ref, alt, format, cell FROM evidence") {
        let keys: Vec<&str> = row[4].split(':').collect();
        let cell: Vec<&str> = row[5].split(':').collect();
        let value = |key: &str| keys.iter().position(|known| *known == key).and_then(|at| cell.get(at).copied());
        let gq: u32 = value("GQ").and_then(|gq| gq.parse().ok()).unwrap_or(0);
        for copy in value("GT").unwrap_or(".").split(['/', '|']) {
            let alt =
                copy.parse::<usize>().ok().filter(|&copy| copy > 0).and_then(|copy| row[3].split(',').nth(copy - 1));
            if let Some(alt) = alt.filter(|alt| gq >= 50 && !alt.starts_with('<') && *alt != "*") {
                confident.insert(trimmed(&row[0], row[1].parse().expect("POS"), &row[2], alt));
            }
        }
    }
    let lost: Vec<&Allele> =
        confident.iter().filter(|allele| real.contains(allele) && !called.contains_key(allele)).collect();
    assert!(lost.is_empty() && confident.len() >= 300, "{} confident alleles are lost: {lost:?}", lost.len());
}
