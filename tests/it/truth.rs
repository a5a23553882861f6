//! Joint calling of simulated cohorts against their truth: alleles, genotypes, and what must be a missing call.
//!
//! The cohorts have what callers leave behind: false alleles, samples of 8x, haplotypes that were not read, indels in
//! repeats written in two ways, deletions over other sites, haploid contigs. The bars:
//! - no false allele with QUAL 30 or more (`info_as_qual`) and AQ 20 or more, beyond 1 in 10,000;
//! - every true allele is called that a carrier's gVCF shows with confidence (GQ 20, and 100 less for no copy);
//! - a genotype that is wrong is wrong in the sample's own gVCF too: joint calling adds no error;
//! - 99.9 % of all genotypes and 99.5 % of those with a copy of the allele are the true ones (98 and 95 % of samples with
//!   8x), and at most 2 % are missing. Published concordances of
//!   joint callers are of real reads and depend on the caller that wrote the gVCFs (Lin et al. 2018, doi:10.1101/343970,
//!   for GLnexus: as good as the others), so this bar is our own;
//! - a sample whose gVCF says nothing of a position has no call there.
//!
//! `VARBATCH_BIG`: 100 samples x 2 Mb x 3 contigs instead of 30 x 200 kb.

use super::alleles::normalised;
use super::common::*;
use super::tables;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Contig, 0-based start, REF, ALT.
type Key = (String, usize, String, String);

/// Least QUAL and AQ of an allele that counts as strong.
const STRONG_QUAL: f64 = 30.0;
const STRONG_AQ: i64 = 20;

/// Samples with few reads, the last ones, and their class.
const N_LOW_DEPTH: usize = 2;
const LOW_DEPTH: &str = "8x";

/// Least GQ, and least PL of no copy, of a confident carrier.
const CONFIDENT_GQ: u32 = 20;
const CONFIDENT_PL: u32 = 100;

fn text(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    noodles_bgzf::io::Reader::new(file).read_to_string(&mut text).expect("text");
    text
}

fn references(fasta: &Path) -> HashMap<String, Vec<u8>> {
    let text = std::fs::read_to_string(fasta).expect("a FASTA");
    let contig = |part: &str| {
        let (name, bases) = part.split_once('\n').expect("a contig");
        (name.to_string(), bases.bytes().filter(|byte| *byte != b'\n').collect())
    };
    text.split('>').filter(|part| !part.is_empty()).map(contig).collect()
}

fn key(references: &HashMap<String, Vec<u8>>, contig: &str, pos: &str, ref_allele: &str, alt: &str) -> Key {
    let start = pos.parse::<usize>().expect("POS") - 1;
    let (start, ref_allele, alt) = normalised(&references[contig], start, ref_allele, alt);
    (contig.to_string(), start, ref_allele, alt)
}

/// Copies of `0` the reference, `1` the allele, `2` another one; sorted.
type Copies = Vec<u8>;

/// A true allele.
struct Truth {
    class: &'static str,
    /// Per sample.
    copies: Vec<Copies>,
}

fn class_of(alts: &[&str], ref_allele: &str) -> &'static str {
    if alts.contains(&"*") {
        "under a deletion"
    } else if alts.len() > 1 {
        "multi-allelic"
    } else if alts[0].len() == ref_allele.len() {
        "substitution"
    } else {
        "indel"
    }
}

fn truth_of(text: &str, references: &HashMap<String, Vec<u8>>) -> (Vec<String>, HashMap<Key, Truth>) {
    let (mut samples, mut alleles) = (Vec::new(), HashMap::new());
    for line in text.lines().filter(|line| !line.starts_with("##")) {
        let fields: Vec<&str> = line.split('\t').collect();
        if line.starts_with('#') {
            samples = fields[9..].iter().map(|name| name.to_string()).collect();
            continue;
        }
        let alts: Vec<&str> = fields[4].split(',').collect();
        for (rank, alt) in alts.iter().enumerate().filter(|(_, alt)| **alt != "*") {
            let seen = |allele: &str| match allele.parse::<usize>().expect("an allele") {
                0 => 0,
                found if found == rank + 1 => 1,
                _ => 2,
            };
            let copies = |cell: &&str| {
                let mut copies: Copies = cell.split('|').filter(|allele| *allele != ".").map(seen).collect();
                copies.sort_unstable();
                copies
            };
            let copies: Vec<Copies> = fields[9..].iter().map(copies).collect();
            let key = key(references, fields[0], fields[1], fields[3], alt);
            alleles.insert(key, Truth { class: class_of(&alts, fields[3]), copies });
        }
    }
    (samples, alleles)
}

/// What a gVCF says on its own.
#[derive(Default)]
struct OwnCalls {
    /// Copies of each allele that is called.
    copies: HashMap<Key, u8>,
    /// Alleles with a confident carrier.
    confident: HashSet<Key>,
    /// First and last base (0-based, behind the last) of every record, by contig.
    covered: HashMap<String, Vec<(usize, usize)>>,
}

impl OwnCalls {
    fn read(text: &str, references: &HashMap<String, Vec<u8>>) -> OwnCalls {
        let mut own = OwnCalls::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let start = fields[1].parse::<usize>().expect("POS") - 1;
            let end = fields[7].split(';').find_map(|entry| entry.strip_prefix("END="));
            let end = end.map_or(start + fields[3].len(), |end| end.parse().expect("END"));
            own.covered.entry(fields[0].to_string()).or_default().push((start, end));
            own.read_alleles(&fields, references);
        }
        own
    }

    fn read_alleles(&mut self, fields: &[&str], references: &HashMap<String, Vec<u8>>) {
        let keys = fields[8].split(':');
        let values: HashMap<&str, &str> = keys.zip(fields[9].split(':')).collect();
        for (rank, alt) in fields[4].split(',').enumerate() {
            let index = (rank + 1).to_string();
            let copies = values["GT"].split(['/', '|']).filter(|copy| *copy == index).count() as u8;
            if copies == 0 || alt == "*" {
                continue;
            }
            let key = key(references, fields[0], fields[1], fields[3], alt);
            let gq: u32 = values["GQ"].parse().expect("GQ");
            let pl: Vec<u32> = values["PL"].split(',').map(|pl| pl.parse().expect("PL")).collect();
            let ploidy = values["GT"].split('/').count();
            if gq >= CONFIDENT_GQ && least_without(&pl, rank + 1, ploidy) >= CONFIDENT_PL {
                self.confident.insert(key.clone());
            }
            *self.copies.entry(key).or_default() += copies;
        }
    }

    fn says_something(&self, contig: &str, at: usize) -> bool {
        let Some(covered) = self.covered.get(contig) else { return false };
        // records are sorted; those that begin before and reach over are near
        let behind = covered.partition_point(|span| span.0 <= at);
        covered[..behind].iter().rev().take(50).any(|span| span.1 > at)
    }
}

/// Least PL of the genotypes without an allele.
fn least_without(pl: &[u32], allele: usize, ploidy: usize) -> u32 {
    let mut genotypes = Vec::new();
    for last in 0.. {
        for first in if ploidy == 1 { last } else { 0 }..=last {
            genotypes.push((first, last));
        }
        if genotypes.len() >= pl.len() {
            break;
        }
    }
    let without = pl.iter().zip(genotypes).filter(|(_, (a, b))| *a != allele && *b != allele);
    without.map(|(pl, _)| *pl).min().unwrap_or(0)
}

/// What came out.
#[derive(Default)]
struct Result {
    /// QUAL and AQ of every allele.
    alleles: HashMap<Key, (f64, i64)>,
    /// Copies as called, none where missing.
    calls: HashMap<(Key, usize), Copies>,
}

fn result_of(dataset: &Path, samples: &[String]) -> Result {
    let table = tables::read(dataset, "samples", &["sample"]);
    let place = |row: &Vec<String>| samples.iter().position(|sample| *sample == row[0]).expect("a sample of the truth");
    let places: Vec<usize> = table.rows.iter().map(place).collect();
    let table =
        tables::read(dataset, "variants", &["variant_id", "contig", "pos", "ref", "alt", "info_as_qual", "info_aq"]);
    let column = |name: &str| table.column(name);
    let columns = ["variant_id", "contig", "pos", "ref", "alt", "info_as_qual", "info_aq"].map(column);
    let mut result = Result::default();
    let mut keys: HashMap<&str, Key> = HashMap::new();
    for row in &table.rows {
        let [id, contig, pos, ref_allele, alt, qual, aq] = columns.map(|column| row[column].as_str());
        if alt != "*" {
            let key = (contig.into(), pos.parse::<usize>().expect("POS") - 1, ref_allele.into(), alt.into());
            let quality = (qual.parse().expect("QUAL"), aq.parse().expect("AQ"));
            assert!(result.alleles.insert(key.clone(), quality).is_none(), "{key:?} twice");
            keys.insert(id, key);
        }
    }
    let calls = tables::read(dataset, "genotypes", &["variant_id", "sample_index", "gt"]);
    let columns = ["variant_id", "sample_index", "gt"].map(|name| calls.column(name));
    for row in &calls.rows {
        let [id, sample, gt] = columns.map(|column| row[column].as_str());
        let Some(key) = keys.get(id) else { continue };
        let mut copies: Copies = gt.split(['/', '|']).filter_map(|copy| copy.parse().ok()).collect();
        copies.sort_unstable();
        result.calls.insert((key.clone(), places[sample.parse::<usize>().expect("an index")]), copies);
    }
    result
}

/// Counts of one class.
#[derive(Clone, Copy, Default)]
struct Counts {
    n_true: u64,
    n_found: u64,
    n_equal: u64,
    n_different: u64,
    n_missing: u64,
    /// Of genotypes with a copy of the allele, in truth or called.
    n_carried: u64,
    n_carried_equal: u64,
}

/// One simulated cohort with what was made of it.
struct Judged {
    name: String,
    samples: Vec<String>,
    truth: HashMap<Key, Truth>,
    own: Vec<OwnCalls>,
    result: Result,
}

impl Judged {
    fn new(folder: &Path, name: &str, flags: &[&str], extra: &[&str]) -> Judged {
        let made = folder.join(name);
        let path = made.to_str().expect("UTF-8");
        varbatch(&[&["simulate", "-o", path, "--gvcf"], flags].concat()).expect(0);
        let fasta = made.join("reference.fa");
        let dataset = folder.join(format!("{name}.ds"));
        let sheet = made.join("inputs.tsv");
        let mut settings: Vec<&str> = vec!["--inputs", sheet.to_str().expect("UTF-8"), "--calls", "all", "--quiet"];
        settings.extend(["-f", fasta.to_str().expect("UTF-8")]);
        settings.extend(extra);
        call::<PathBuf>(&[], &dataset, &settings);
        varbatch(&["verify".as_ref(), dataset.as_os_str()]).expect(0);
        let references = references(&fasta);
        let (samples, truth) = truth_of(&text(&made.join("truth.vcf.gz")), &references);
        let own = |sample: &String| OwnCalls::read(&text(&made.join(format!("gvcf/{sample}.g.vcf.gz"))), &references);
        let own = samples.iter().map(own).collect();
        let result = result_of(&dataset, &samples);
        Judged { name: name.to_string(), samples, truth, own, result }
    }

    /// Counts by class; asserts what holds without exception.
    fn counts(&self) -> BTreeMap<&'static str, Counts> {
        let mut counts: BTreeMap<&'static str, Counts> = BTreeMap::new();
        for (key, truth) in &self.truth {
            let found = self.result.alleles.contains_key(key);
            if truth.copies.iter().any(|copies| copies.contains(&1)) {
                let class = counts.entry(truth.class).or_default();
                class.n_true += 1;
                class.n_found += u64::from(found);
                let confident = self.own.iter().any(|own| own.confident.contains(key));
                assert!(found || !confident, "{}: {key:?} has a confident carrier and is not called", self.name);
            }
            for sample in (0..self.samples.len()).filter(|_| found) {
                self.count_genotype(key, truth, sample, &mut counts);
            }
        }
        counts
    }

    fn count_genotype(&self, key: &Key, truth: &Truth, sample: usize, counts: &mut BTreeMap<&'static str, Counts>) {
        let expected = &truth.copies[sample];
        if expected.is_empty() {
            return;
        }
        let class = match expected.len() {
            _ if sample + N_LOW_DEPTH >= self.samples.len() => LOW_DEPTH,
            1 => "haploid",
            _ => truth.class,
        };
        let class = counts.entry(class).or_default();
        let copies = |of: &Copies| of.iter().filter(|copy| **copy == 1).count() as u8;
        let own = self.own[sample].copies.get(key).copied().unwrap_or(0);
        let Some(called) = self.result.calls.get(&(key.clone(), sample)).filter(|copies| !copies.is_empty()) else {
            class.n_missing += 1;
            let (name, sample) = (&self.name, &self.samples[sample]);
            assert_eq!(own, 0, "{name}: {sample} at {key:?} is missing, and called in its gVCF");
            return;
        };
        let equal = called == expected;
        class.n_equal += u64::from(equal);
        class.n_different += u64::from(!equal);
        let carried = called.contains(&1) || expected.contains(&1);
        class.n_carried += u64::from(carried);
        class.n_carried_equal += u64::from(carried && equal);
        assert!(
            copies(called) == copies(expected) || own != copies(expected),
            "{}: {} at {key:?} is {called:?}, in truth {expected:?} as its own gVCF has it",
            self.name,
            self.samples[sample]
        );
    }

    /// A call needs something to be known: no position without a record is `0/0`.
    fn assert_no_call_without_data(&self) -> u64 {
        let mut n_silent = 0;
        for ((key, sample), copies) in &self.result.calls {
            if !self.own[*sample].says_something(&key.0, key.1) && !self.own[*sample].copies.contains_key(key) {
                n_silent += 1;
                assert!(
                    copies.is_empty(),
                    "{}: {} has no data at {key:?}, and is {copies:?}",
                    self.name,
                    self.samples[*sample]
                );
            }
        }
        n_silent
    }

    /// False alleles: all, and strong ones; and how many are strong.
    fn false_alleles(&self) -> [u64; 3] {
        let strong = |quality: &(f64, i64)| quality.0 >= STRONG_QUAL && quality.1 >= STRONG_AQ;
        let mut found = [0; 3];
        for (key, quality) in &self.result.alleles {
            let is_false =
                !self.truth.get(key).is_some_and(|truth| truth.copies.iter().any(|copies| copies.contains(&1)));
            found[0] += u64::from(is_false);
            found[1] += u64::from(is_false && strong(quality));
            found[2] += u64::from(strong(quality));
            assert!(!(is_false && strong(quality)) || found[1] < 5, "{}: false {key:?} {quality:?}", self.name);
        }
        found
    }
}

/// The numbers of a cohort, as a table on standard error.
fn print(judged: &Judged, counts: &BTreeMap<&str, Counts>, false_alleles: [u64; 3], n_silent: u64) {
    let percent = |part: u64, all: u64| 100.0 * part as f64 / all.max(1) as f64;
    let [n_false, n_false_strong, n_strong] = false_alleles;
    let n = judged.result.alleles.len();
    eprintln!(
        "{}: {n} alleles, {n_false} false; {n_strong} strong, {n_false_strong} false; {n_silent} calls without data",
        judged.name
    );
    for (class, found) in counts {
        let recall = format!("{:.3} % of {}", percent(found.n_found, found.n_true), found.n_true);
        let recall = if found.n_true > 0 { recall } else { String::new() };
        eprintln!(
            "  {class:<17} recall {recall:>18}; genotypes equal {:>8.4} % of {:>8}, of carriers {:>8.4} %; {} missing",
            percent(found.n_equal, found.n_equal + found.n_different),
            found.n_equal + found.n_different,
            percent(found.n_carried_equal, found.n_carried),
            found.n_missing,
        );
    }
}

fn judge(folder: &Path, name: &str, flags: &[&str], extra: &[&str]) -> BTreeMap<&'static str, Counts> {
    let judged = Judged::new(folder, name, flags, extra);
    let counts = judged.counts();
    let n_silent = judged.assert_no_call_without_data();
    let false_alleles = judged.false_alleles();
    print(&judged, &counts, false_alleles, n_silent);
    let [_, n_false_strong, n_strong] = false_alleles;
    assert!(n_false_strong * 10_000 <= n_strong, "{name}: {n_false_strong} false alleles of {n_strong} strong ones");
    assert!(n_silent > 0, "{name}: there are no gaps to look at");
    for (class, found) in &counts {
        let all = found.n_equal + found.n_different;
        // of each thousand; one error does not fail a small class: a deletion that was not read is wrong at the three
        // sites under it too, a gap is over some sites
        let [different, carried, missing] = if *class == LOW_DEPTH { [20, 50, 400] } else { [1, 5, 20] };
        let n_carried_different = found.n_carried - found.n_carried_equal;
        assert!(found.n_different <= 4 + all * different / 1_000, "{name}: genotypes of {class}");
        assert!(n_carried_different <= 4 + found.n_carried * carried / 1_000, "{name}: copies of {class}");
        assert!(found.n_missing <= 10 + all * missing / 1_000, "{name}: missing genotypes of {class}");
    }
    counts
}

const FLAWS: &[&str] = &[
    "--contig-name",
    "chr1,chrX,chrM",
    "--haploid-contigs",
    "chrX,chrM",
    "--low-depth",
    "2",
    "--false-alleles",
    "0.002",
    "--dropout",
    "0.001",
    "--repeat-indels",
    "0.5",
    "--overlaps",
    "0.1",
    "--shift-indels",
];

#[test]
fn a_cohort_with_flaws_is_called_as_it_is() {
    let folder = temp();
    let big = std::env::var_os("VARBATCH_BIG").is_some();
    let size =
        if big { ["--samples", "100", "--length", "2000000"] } else { ["--samples", "30", "--length", "200000"] };
    let counts = judge(folder.path(), "gatk", &[&size[..], &["--seed", "21"], FLAWS].concat(), &[]);
    for class in ["substitution", "indel", "multi-allelic", "under a deletion", "haploid"] {
        assert!(counts[class].n_carried > 50, "{class}");
    }
}

#[test]
fn every_style_of_gvcf_is_called_as_it_is() {
    let folder = temp();
    let size = ["--samples", "20", "--length", "60000", "--seed", "22"];
    for dialect in ["reblocked", "deepvariant", "strelka"] {
        judge(folder.path(), dialect, &[&size[..], &["--dialect", dialect], FLAWS].concat(), &[]);
    }
    let size = ["--samples", "6", "--length", "20000", "--seed", "23", "--common"];
    judge(folder.path(), "base-pair", &[&size[..], &["--base-pair"], FLAWS].concat(), &[]);
}
