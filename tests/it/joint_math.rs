//! The formulas of joint calling against numbers that GATK printed: QUAL from PL, FS and SOR from strand counts.

use super::common::*;
use std::path::Path;
use varbatch::call::joint::annotation::{fisher_strand, strand_odds_ratio};
use varbatch::call::joint::frequency::{Class, Model, estimate, qualities};
use varbatch::call::joint::genotypes::n_genotypes;
use varbatch::call::joint::likelihood::{Letter, from_gq, project};

/// A record of a VCF that GenotypeGVCFs wrote.
struct Record {
    name: String,
    ref_allele: String,
    alts: Vec<String>,
    qual: f64,
    info: String,
    /// PL of each sample that has one.
    pl: Vec<Vec<u32>>,
    /// GQ of each diploid reference call that has no PL (reblocked gVCF).
    gq: Vec<u32>,
}

impl Record {
    fn is_variant(&self) -> bool {
        !self.qual.is_nan() && !self.pl.is_empty() && self.alts != ["."]
    }

    fn info(&self, key: &str) -> Option<&str> {
        self.info.split(';').find_map(|entry| entry.strip_prefix(key)?.strip_prefix('='))
    }
}

fn records(path: &Path) -> Vec<Record> {
    let text = std::fs::read_to_string(path).expect("a VCF");
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| record(path, line)).collect()
}

fn record(path: &Path, line: &str) -> Option<Record> {
    let fields: Vec<&str> = line.split('\t').collect();
    let value = |cell: &'_ str, key: &str| -> Option<String> {
        let place = fields[8].split(':').position(|known| known == key)?;
        cell.split(':').nth(place).map(String::from)
    };
    let pl =
        |cell: &&str| -> Option<Vec<u32>> { value(cell, "PL")?.split(',').map(|value| value.parse().ok()).collect() };
    let gq = |cell: &&str| -> Option<u32> {
        let is_reference = matches!(value(cell, "GT")?.as_str(), "0/0" | "0|0");
        value(cell, "GQ")?.parse().ok().filter(|_| is_reference && pl(cell).is_none())
    };
    Some(Record {
        name: format!("{}: {}:{}", path.file_name()?.to_string_lossy(), fields[0], fields[1]),
        ref_allele: fields[3].into(),
        alts: fields[4].split(',').map(String::from).collect(),
        qual: fields[5].parse().unwrap_or(f64::NAN),
        info: fields[7].into(),
        pl: fields[9..].iter().filter_map(pl).collect(),
        gq: fields[9..].iter().filter_map(gq).collect(),
    })
}

/// QUAL that the model gives a record, with GATK's prior and tolerance.
fn modelled_qual(record: &Record) -> f64 {
    let is_deleted = |alt: &String| alt == "*" || alt == "<*:DEL>";
    let of_alt = |alt: &String| {
        let length = if is_deleted(alt) { 1 } else { alt.len() };
        if length == record.ref_allele.len() { 0.01 } else { 0.00125 }
    };
    let pseudo_counts: Vec<f64> = std::iter::once(10.0).chain(record.alts.iter().map(of_alt)).collect();
    let letters: Vec<Letter> = (0..pseudo_counts.len() as u16).map(Letter::Site).collect();
    let class = |pl: &Vec<u32>| {
        let ploidy = (1u8..10).find(|&ploidy| n_genotypes(letters.len(), usize::from(ploidy)) == Some(pl.len()))?;
        Some(Class { likelihoods: project(pl, ploidy, &letters).likelihoods, n: 1 })
    };
    let of_gq = record.gq.iter().map(|&gq| Class { likelihoods: from_gq(gq, 2), n: 1 });
    let mut classes: Vec<Class> = record.pl.iter().filter_map(class).chain(of_gq).collect();
    classes.sort_by(|a, b| a.likelihoods.cmp(&b.likelihoods));
    let model = Model {
        pseudo_counts: &pseudo_counts,
        spanning_deletion: record.alts.iter().position(is_deleted).map(|place| place as u16 + 1),
        tolerance: 0.1,
        max_iterations: 1_000,
    };
    qualities(&classes, &estimate(&classes, &model), &model).site
}

/// PL and QUAL of a record agree when the alleles printed are those that QUAL was worked out with; where GATK dropped some
/// afterwards, or printed other PL than it used, they need not.
#[test]
fn qual_is_what_gatk_prints() {
    let Some(folder) = data("gvcf/gatk-joint") else { return };
    let (mut n, mut wrong) = (0, Vec::new());
    for file in files_below(&folder).iter().filter(|file| is_genotyped(file)) {
        for record in records(&folder.join(file)).iter().filter(|record| record.is_variant()) {
            n += 1;
            let found = modelled_qual(record);
            if !agree(found, record.qual) {
                wrong.push(format!("{} {:?}: {found:.2}, not {}", record.name, record.alts, record.qual));
            }
        }
    }
    eprintln!("{} of {n} QUAL agree; the others:\n{}", n - wrong.len(), wrong.join("\n"));
    assert!(n > 0);
    assert!(wrong.len() * 100 <= n);
}

/// Within what GATK rounds, and 0.1 % for PL that were rounded before.
fn agree(found: f64, printed: f64) -> bool {
    (found - printed).abs() <= 0.02 + 0.001 * printed
}

/// From the gVCF, with all its alleles, no record is left over.
#[test]
fn qual_is_of_the_alleles_before_any_is_dropped() {
    let Some(folder) = data("gvcf/gatk-joint") else { return };
    let called = records(&folder.join("newMQcalc.singleSample.genotyped.vcf"));
    let evidence = records(&folder.join("single/expected.testGVCFMode.gatk4.g.vcf"));
    let (mut n, mut dropped) = (0, 0);
    for mut record in evidence {
        let at = |other: &&Record| other.name.split(' ').nth(1) == record.name.split(' ').nth(1);
        let Some(printed) = called.iter().find(at) else { continue };
        assert_eq!(record.alts.pop().as_deref(), Some("<NON_REF>"));
        let n_kept = n_genotypes(record.alts.len() + 1, 2).expect("few alleles");
        record.pl.iter_mut().for_each(|pl| pl.truncate(n_kept));
        let found = modelled_qual(&record);
        assert!(agree(found, printed.qual), "{} {:?}: {found:.2}, not {}", record.name, record.alts, printed.qual);
        n += 1;
        dropped += usize::from(record.alts.len() > printed.alts.len());
    }
    eprintln!("QUAL of {n} records of a gVCF agree, {dropped} of them with alleles that were dropped");
    assert!(n == called.len() && dropped > 0);
}

fn is_genotyped(file: &Path) -> bool {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_input = name.ends_with(".g.vcf") || name.contains("output") || name.contains("pipeline");
    !is_input && name.ends_with(".vcf") && ["xpected", "genotyped", "test"].iter().any(|part| name.contains(part))
}

/// `AS_SB_TABLE=ref forward,ref reverse|alt forward,alt reverse|...` and the AS_FS and AS_SOR that GATK made of it.
#[test]
fn strand_annotations_are_what_gatk_prints() {
    let Some(path) = data("gvcf/gatk-joint/AS_Annotations.keepRawCombined.expected.vcf") else { return };
    let mut n = 0;
    for record in records(&path) {
        let Some(table) = record.info("AS_SB_TABLE") else { continue };
        let counts =
            |text: &str| -> Vec<u64> { text.split(',').map(|count| count.parse().expect("a count")).collect() };
        let rows: Vec<Vec<u64>> = table.split('|').map(counts).collect();
        let values = |key| record.info(key).map(|text| text.split(',').map(|value| value.parse::<f64>().unwrap()));
        let (Some(fs), Some(sor)) = (values("AS_FS"), values("AS_SOR")) else { continue };
        for ((alt, fs), sor) in rows[1..].iter().zip(fs).zip(sor) {
            let table = [rows[0][0], rows[0][1], alt[0], alt[1]];
            assert!(
                (fisher_strand(table) - fs).abs() < 6e-4,
                "{} {table:?}: {} {fs}",
                record.name,
                fisher_strand(table)
            );
            let found = strand_odds_ratio(table);
            assert!((found - sor).abs() < 6e-4, "{} {table:?}: {found} {sor}", record.name);
            n += 1;
        }
    }
    assert!(n > 0, "no strand counts in {}", path.display());
    eprintln!("{n} alleles have the AS_FS and AS_SOR of GATK");
}
