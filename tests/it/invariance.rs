//! Random small cohorts: the rows do not depend on the shards, the bytes do not depend on the threads, and both are
//! what a plain reading of the text says (an independent count, sharing no code with the program).

use super::common::*;
use super::inputs::{assert_same_rows, bgzf, rows};
use super::tables;
use super::vcf;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

const CONTIGS: [&str; 3] = ["1", "chrX", "HLA-A*01:01"];

/// One record before it is written: everything that depends on the number of samples or alleles is drawn too long.
#[derive(Clone, Debug)]
struct Draft {
    contig: usize,
    pos: u32,
    ref_allele: String,
    alts: Vec<String>,
    calls: Vec<Call>,
    has_gt: bool,
    has_numbers: bool,
}

#[derive(Clone, Debug)]
struct Call {
    /// Drawn modulo the number of alleles; `None` is `.`.
    alleles: Vec<Option<u8>>,
    phased: bool,
    dp: Option<u16>,
}

fn call_strategy() -> impl Strategy<Value = Call> {
    let allele = prop_oneof![6 => Just(Some(0u8)), 4 => (1u8..4).prop_map(Some), 1 => Just(None)];
    let ploidy = prop_oneof![8 => Just(2usize), 2 => Just(1), 1 => Just(3)];
    (ploidy.prop_flat_map(move |n| vec(allele.clone(), n)), any::<bool>(), proptest::option::of(0u16..300))
        .prop_map(|(alleles, phased, dp)| Call { alleles, phased, dp })
}

fn alt_strategy() -> impl Strategy<Value = String> {
    prop_oneof![10 => "[ACGT]{1,4}", 1 => Just("*".to_string()), 1 => Just("<DEL>".to_string())]
}

fn draft_strategy() -> impl Strategy<Value = Draft> {
    let alleles = ("[ACGT]{1,3}", vec(alt_strategy(), 0..4));
    (0..CONTIGS.len(), 1u32..25, alleles, vec(call_strategy(), 5), prop::bool::weighted(0.95), any::<bool>()).prop_map(
        |(contig, pos, (ref_allele, mut alts), calls, has_gt, has_numbers)| {
            alts.retain(|alt| *alt != ref_allele);
            alts.sort();
            alts.dedup();
            // An order that is not the sorted one.
            alts.reverse();
            Draft { contig, pos, ref_allele, alts, calls, has_gt, has_numbers }
        },
    )
}

/// The drafts as a VCF, sorted by contig and position (duplicates stay in the order drawn).
fn write_vcf(mut drafts: Vec<Draft>, n_samples: usize) -> String {
    drafts.sort_by_key(|draft| (draft.contig, draft.pos));
    let mut text = String::from("##fileformat=VCFv4.3\n");
    for contig in CONTIGS {
        text += &format!("##contig=<ID={contig},length=1000>\n");
    }
    text += "##INFO=<ID=NR,Number=A,Type=Integer,Description=\"One number an allele\">\n";
    text += "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n";
    text += "##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Depth\">\n";
    text += "##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"Depth of each allele\">\n";
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO";
    if n_samples > 0 {
        text += "\tFORMAT";
    }
    (0..n_samples).for_each(|sample| text += &format!("\ts{sample}"));
    text += "\n";
    drafts.iter().for_each(|draft| text += &record_line(draft, n_samples));
    text
}

fn record_line(draft: &Draft, n_samples: usize) -> String {
    let alt = if draft.alts.is_empty() { ".".to_string() } else { draft.alts.join(",") };
    let numbers: Vec<String> = (0..draft.alts.len()).map(|at| (at * 3).to_string()).collect();
    let info = if draft.has_numbers && !numbers.is_empty() { format!("NR={}", numbers.join(",")) } else { ".".into() };
    let mut line =
        format!("{}\t{}\t.\t{}\t{alt}\t30\tPASS\t{info}", CONTIGS[draft.contig], draft.pos, draft.ref_allele);
    if n_samples > 0 {
        let mut keys = Vec::new();
        keys.extend(draft.has_gt.then_some("GT"));
        keys.extend((draft.has_numbers || !draft.has_gt).then_some("DP:AD"));
        line += &format!("\t{}", keys.join(":"));
    }
    for call in &draft.calls[..n_samples] {
        let mut fields = Vec::new();
        fields.extend(draft.has_gt.then(|| genotype(call, draft.alts.len())));
        if draft.has_numbers || !draft.has_gt {
            fields.push(call.dp.map_or(".".into(), |dp| dp.to_string()));
            let depths: Vec<String> = (0..=draft.alts.len()).map(|at| (at * 2 + 1).to_string()).collect();
            fields.push(depths.join(","));
        }
        line += &format!("\t{}", fields.join(":"));
    }
    line + "\n"
}

fn genotype(call: &Call, n_alts: usize) -> String {
    let text =
        |allele: &Option<u8>| allele.map_or(".".to_string(), |index| (index as usize % (n_alts + 1)).to_string());
    let texts: Vec<String> = call.alleles.iter().map(text).collect();
    texts.join(if call.phased { "|" } else { "/" })
}

/// Counts of one allele row, in the order of `COUNTS`.
type Counts = [i64; 9];
const COUNTS: [&str; 9] =
    ["ac", "an", "n_hom_ref", "n_het", "n_hom_alt", "n_hemi_ref", "n_hemi_alt", "n_partial", "n_missing"];

/// What a plain reading says: per `(site_id, alt_index)` the counts and the calls that must be rows.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    counts: BTreeMap<(i64, i64), Counts>,
    /// `(site_id, alt_index, sample) -> (gt, dosage)`.
    calls: BTreeMap<(i64, i64, i64), (String, String)>,
    /// Per sample: n_called, n_missing, n_het, n_hom_alt.
    samples: Vec<[i64; 4]>,
}

fn read_plainly(text: &str) -> Reading {
    let file = vcf::parse(text);
    let mut reading = Reading { samples: vec![[0; 4]; file.header.samples.len()], ..Reading::default() };
    let mut ranks: BTreeMap<(String, i64), i64> = BTreeMap::new();
    for record in &file.records {
        let rank = ranks.entry((record.contig.clone(), record.pos)).or_default();
        let contig = file.header.contigs.iter().position(|name| *name == record.contig).expect("a contig") as i64;
        let site_id = contig << 48 | record.pos << 16 | *rank;
        *rank += 1;
        let has_gt = record.format.split(':').next() == Some("GT");
        let genotypes: Vec<Option<&str>> =
            record.samples().map(|call| call.split(':').next().filter(|_| has_gt)).collect();
        read_samples(&genotypes, &mut reading.samples);
        let n_alts = record.alts().len() as i64;
        for alt_index in n_alts.min(1)..=n_alts {
            read_allele(&genotypes, (site_id, alt_index), &mut reading);
        }
    }
    reading
}

fn alleles_of(gt: &str) -> Vec<Option<i64>> {
    gt.split(['/', '|']).map(|allele| allele.parse().ok()).collect()
}

fn read_samples(genotypes: &[Option<&str>], samples: &mut [[i64; 4]]) {
    for (counts, gt) in samples.iter_mut().zip(genotypes) {
        let alleles = gt.map_or(vec![None], alleles_of);
        let is_called = alleles.iter().any(Option::is_some);
        counts[usize::from(!is_called)] += 1;
        if alleles.len() < 2 || alleles.iter().any(Option::is_none) {
            continue;
        }
        let same = alleles.iter().all(|allele| *allele == alleles[0]);
        counts[2] += i64::from(!same);
        counts[3] += i64::from(same && alleles[0] != Some(0));
    }
}

fn read_allele(genotypes: &[Option<&str>], (site_id, alt_index): (i64, i64), reading: &mut Reading) {
    let mut counts = [0; 9];
    for (sample, gt) in genotypes.iter().enumerate() {
        let alleles = gt.map_or(vec![None], alleles_of);
        // `alt_index` 0: a record without ALT has no copies to count.
        let copies = alleles.iter().filter(|allele| alt_index > 0 && **allele == Some(alt_index)).count();
        let known = alleles.iter().flatten().count();
        counts[0] += copies as i64;
        counts[1] += known as i64;
        let class = match (known, alleles.len(), copies) {
            (0, _, _) => 8,
            (known, ploidy, _) if known < ploidy => 7,
            (_, 1, 0) => 5,
            (_, 1, _) => 6,
            (_, _, 0) => 2,
            (_, ploidy, copies) if copies == ploidy => 4,
            _ => 3,
        };
        counts[class] += 1;
        if alleles.iter().all(|allele| *allele == Some(0)) {
            continue;
        }
        let seen = |part: &str| match part.parse::<i64>() {
            Ok(0) => "0",
            Ok(index) if index == alt_index => "1",
            Ok(_) => "2",
            Err(_) => ".",
        };
        let gt_seen =
            gt.map_or("null".to_string(), |gt| gt.split_inclusive(['/', '|']).map(|part| recode(part, seen)).collect());
        let dosage = if known < alleles.len() { "null".into() } else { copies.to_string() };
        reading.calls.insert((site_id, alt_index, sample as i64), (gt_seen, dosage));
    }
    reading.counts.insert((site_id, alt_index), counts);
}

/// `1|` seen from an allele: the separator stays.
fn recode(part: &str, seen: impl Fn(&str) -> &'static str) -> String {
    let digits = part.trim_end_matches(['/', '|']);
    format!("{}{}", seen(digits), &part[digits.len()..])
}

/// The same from the tables.
fn read_tables(dataset: &Path) -> Reading {
    let mut reading = Reading::default();
    let mut wanted = vec!["variant_id", "site_id", "alt_index"];
    wanted.extend(COUNTS);
    let variants = tables::read(dataset, "variants", &wanted);
    let mut alleles = BTreeMap::new();
    for row in &variants.rows {
        let int = |name: &str| row[variants.column(name)].parse::<i64>().expect("an integer");
        let key = (int("site_id"), int("alt_index"));
        assert!(alleles.insert(int("variant_id"), key).is_none(), "variant_id is not unique");
        reading.counts.insert(key, COUNTS.map(int));
    }
    let calls = tables::read(dataset, "genotypes", &["variant_id", "sample_index", "gt", "dosage"]);
    for row in &calls.rows {
        let text = |name: &str| row[calls.column(name)].clone();
        let (site_id, alt_index) = alleles[&text("variant_id").parse::<i64>().expect("an id")];
        let key = (site_id, alt_index, text("sample_index").parse().expect("an index"));
        assert!(reading.calls.insert(key, (text("gt"), text("dosage"))).is_none(), "a call twice");
    }
    let samples = tables::read(dataset, "samples", &["n_called", "n_missing", "n_het", "n_hom_alt"]);
    for row in &samples.rows {
        let int = |name: &str| row[samples.column(name)].parse::<i64>().expect("an integer");
        reading.samples.push(["n_called", "n_missing", "n_het", "n_hom_alt"].map(int));
    }
    reading
}

/// Identities within the tables: sums, order, sample counts against the calls.
fn assert_consistent(dataset: &Path, n_samples: i64) {
    let table = tables::read(dataset, "variants", &[]);
    let mut last = i64::MIN;
    for row in &table.rows {
        let int = |name: &str| row[table.column(name)].parse::<i64>().expect("an integer");
        assert!(int("variant_id") > last, "variants are not sorted");
        last = int("variant_id");
        assert_eq!(COUNTS[2..].iter().map(|name| int(name)).sum::<i64>(), n_samples);
        assert_eq!((last >> 16) & 0xffff_ffff, int("pos"));
        assert_eq!(CONTIGS[(last >> 48) as usize], row[table.column("contig")]);
    }
}

fn settings() -> ProptestConfig {
    ProptestConfig { cases: 32, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn rows_do_not_depend_on_shards_nor_bytes_on_threads(
        drafts in vec(draft_strategy(), 0..60),
        n_samples in 0usize..=5,
        shard_bytes in 40u32..3000,
        all_calls in any::<bool>(),
    ) {
        let folder = temp();
        let folder = folder.path();
        let text = write_vcf(drafts, n_samples);
        let plain = write(folder, "in.vcf", &text);
        let blocks = write(folder, "in.vcf.gz", bgzf(text.as_bytes()));
        let calls: &[&str] = if all_calls { &["--calls", "all"] } else { &[] };
        let whole = folder.join("whole.ds");
        call(&[&plain], &whole, calls);
        let expected = rows(&whole);
        let shard_bytes = shard_bytes.to_string();
        for (name, input) in [("text", &plain), ("bgzf", &blocks)] {
            let mut first = None;
            for threads in ["1", "2", "7"] {
                let dataset = folder.join(format!("{name}{threads}.ds"));
                let extra = [calls, &["--shard-size", &shard_bytes, "--threads", threads]].concat();
                call(&[input], &dataset, &extra);
                let first = first.get_or_insert_with(|| dataset.clone());
                let different = differing_files(first, &dataset);
                prop_assert!(different.is_empty(), "1 and {} threads differ: {:?}", threads, different);
            }
            assert_same_rows(&expected, &rows(&first.expect("a dataset")), name);
        }
        assert_consistent(&whole, n_samples as i64);
        if !all_calls {
            let (read, found) = (read_plainly(&text), read_tables(&whole));
            prop_assert_eq!(read.counts, found.counts);
            prop_assert_eq!(read.calls, found.calls);
            prop_assert_eq!(read.samples, found.samples);
        }
    }
}

/// The same on a real cohort, whose file has many BGZF blocks.
#[test]
fn a_real_cohort_has_the_same_rows_in_any_shards() {
    let Some(input) = data("cohort/1kg-chr22-2504/all2504.bgzf.vcf.gz") else { return };
    let folder = temp();
    let mut expected = None;
    for (at, size) in ["100000000", "200000", "65536"].iter().enumerate() {
        let dataset = folder.path().join(at.to_string());
        call(&[&input], &dataset, &["--shard-size", size]);
        let variants = tables::read(&dataset, "variants", &[]);
        let mut calls = tables::read(&dataset, "genotypes", &["variant_id", "sample_index", "gt"]);
        calls.rows.shrink_to_fit();
        let found = (variants, calls);
        let expected =
            expected.get_or_insert_with(|| (tables::read(&dataset, "variants", &[]), tables::Table::default()));
        assert_eq!(expected.0, found.0, "--shard-size {size}");
        if expected.1.rows.is_empty() {
            expected.1 = found.1;
        } else {
            assert!(expected.1 == found.1, "genotypes differ at --shard-size {size}");
        }
    }
}
