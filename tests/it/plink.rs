//! Counts, frequencies and Hardy-Weinberg p against PLINK 2, on 1000 Genomes chr22 and on a simulated cohort.

use super::common::*;
use super::tables::{self, Table};
use super::vcf;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Relative tolerance for numbers that plink2 prints with six digits.
const SIX_DIGITS: f64 = 1e-5;

const WANTED: &[&str] = &[
    "contig",
    "site_id",
    "ref",
    "alt",
    "site_ref",
    "site_alt",
    "alt_index",
    "n_alts",
    "ac",
    "an",
    "af",
    "n_hom_ref",
    "n_het",
    "n_hom_alt",
    "n_missing",
    "n_partial",
    "hwe_p",
];

/// What plink2 says about one alternate allele.
#[derive(Clone, Debug, Default)]
struct Peer {
    alt_freq: f64,
    n_copies: i64,
    n_missing: i64,
    /// hom-ref (no copy), het, hom-alt, p; absent where plink2 prints no line.
    hardy: Option<([i64; 3], f64)>,
}

/// `(POS, REF, ALT as a list, 1-based index of the allele)` of a site as written.
type Key = (i64, String, String, usize);

fn lines(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = vcf::text(path);
    let mut lines = text.lines().filter(|line| !line.starts_with("##"));
    let names: Vec<String> =
        lines.next().expect("a header").trim_start_matches('#').split('\t').map(String::from).collect();
    lines.map(|line| names.iter().cloned().zip(line.split('\t').map(String::from)).collect()).collect()
}

/// Reads `.afreq`, `.hardy` and `.vmiss`, whose variants have IDs that begin with `contig:pos:ref:`.
fn peers(freq: &Path, hardy: &Path, missing: &Path) -> BTreeMap<Key, Peer> {
    let mut peers: BTreeMap<Key, Peer> = BTreeMap::new();
    let mut keys: BTreeMap<String, Key> = BTreeMap::new();
    let n_missing: BTreeMap<String, i64> =
        lines(missing).iter().map(|line| (line["ID"].clone(), line["MISSING_CT"].parse().expect("a count"))).collect();
    for line in lines(freq) {
        let pos = line["ID"].split(':').nth(1).and_then(|pos| pos.parse().ok()).expect("a position in the ID");
        let key: Key = (pos, line["REF"].clone(), line["ALT"].clone(), 0);
        assert!(keys.insert(line["ID"].clone(), key.clone()).is_none(), "an ID twice");
        for (at, alt_freq) in line["ALT_FREQS"].split(',').enumerate() {
            let peer = Peer {
                alt_freq: alt_freq.parse().unwrap_or(f64::NAN),
                n_copies: line["OBS_CT"].parse().expect("a count"),
                n_missing: n_missing[&line["ID"]],
                hardy: None,
            };
            peers.insert((key.0, key.1.clone(), key.2.clone(), at + 1), peer);
        }
    }
    for line in lines(hardy) {
        let count = |name: &str| line[name].parse::<i64>().expect("a count");
        let key = &keys[&line["ID"]];
        let (hom_a1, het, rest) = (count("HOM_A1_CT"), count("HET_A1_CT"), count("TWO_AX_CT"));
        let p: f64 = line["P"].parse().unwrap_or(f64::NAN);
        // A site with one ALT has one line, seen from REF; other sites have one line for each allele.
        let (index, counts) = match key.2.split(',').position(|name| name == line["A1"]) {
            Some(at) => (at + 1, [rest, het, hom_a1]),
            None if key.2.contains(',') => continue,
            None => (1, [hom_a1, het, rest]),
        };
        let peer = peers.get_mut(&(key.0, key.1.clone(), key.2.clone(), index)).expect("a variant of .afreq");
        peer.hardy = Some((counts, p));
    }
    peers
}

/// The ALT lists of an input's sites, by position and REF and ALT of one allele: our rows name one allele each.
fn sites(input: &Path) -> BTreeMap<(i64, String, String), (String, usize)> {
    let mut sites = BTreeMap::new();
    for record in vcf::read(input).records {
        for (at, alt) in record.alts().iter().enumerate() {
            sites.insert((record.pos, record.ref_allele.clone(), alt.to_string()), (record.alt.clone(), at + 1));
        }
    }
    sites
}

fn check(table: &Table, input: &Path, peers: &BTreeMap<Key, Peer>) {
    let sites = sites(input);
    assert_eq!(table.rows.len(), peers.len(), "rows and alternate alleles");
    let mut n_hardy = 0;
    for row in &table.rows {
        let text = |name: &str| row[table.column(name)].as_str();
        let int = |name: &str| text(name).parse::<i64>().expect("an integer");
        // As the record has them: the row's own alleles are trimmed.
        let as_written = |site: &str, own: &str| if text(site) == "null" { text(own) } else { text(site) }.to_string();
        let allele = (int("site_id") >> 16 & 0xffff_ffff, as_written("site_ref", "ref"), as_written("site_alt", "alt"));
        let (alts, index) = sites.get(&allele).unwrap_or_else(|| panic!("{allele:?} is not an allele of the input"));
        let peer = &peers[&(allele.0, allele.1.clone(), alts.clone(), *index)];
        assert_eq!(int("alt_index"), *index as i64, "{allele:?}");
        assert_eq!(
            int("an") + 2 * int("n_partial") - partial_copies(int("n_partial")),
            peer.n_copies,
            "AN of {allele:?}"
        );
        assert_eq!(int("n_missing") + int("n_partial"), peer.n_missing, "missing of {allele:?}");
        let exact = int("ac") as f64 / int("an") as f64;
        if int("an") > 0 {
            let af: f64 = text("af").parse().expect("a frequency");
            assert!((af - exact).abs() <= 1e-12 * exact, "AF of {allele:?}: {af} and {exact}");
            assert!((af - peer.alt_freq).abs() <= SIX_DIGITS * af, "AF of {allele:?}: {af} and {}", peer.alt_freq);
        }
        if let Some((counts, p)) = peer.hardy {
            n_hardy += 1;
            assert_eq!([int("n_hom_ref"), int("n_het"), int("n_hom_alt")], counts, "genotypes of {allele:?}");
            let ours: f64 = text("hwe_p").parse().expect("a p value");
            // plink2 prints 0 for what is less than the least normal number
            let tiny = p == 0.0 && ours < f64::MIN_POSITIVE;
            assert!(tiny || (ours - p).abs() <= SIX_DIGITS * p, "HWE p of {allele:?}: {ours} and {p}");
        }
    }
    assert_eq!(n_hardy, table.rows.len(), "every allele has its Hardy-Weinberg line");
}

/// Neither cohort here has half calls, which plink2 counts as missing and we count by their known copy.
fn partial_copies(n_partial: i64) -> i64 {
    assert_eq!(n_partial, 0, "half calls need their own comparison");
    0
}

#[test]
fn chr22_of_1000_genomes_equals_plink2() {
    let Some(root) = data("cohort/1kg-chr22-2504") else { return };
    let folder = temp();
    let dataset = folder.path().join("ds");
    let input = root.join("all2504.bgzf.vcf.gz");
    call(&[&input], &dataset, &[]);
    let peer = |name: &str| root.join("peer-plink2").join(name);
    let peers = peers(&peer("p.afreq.gz"), &peer("p.hardy.gz"), &peer("p.vmiss.gz"));
    let table = tables::read(&dataset, "variants", WANTED);
    assert_eq!(table.rows.len(), 9755);
    check(&table, &input, &peers);
}

#[test]
fn a_simulated_cohort_equals_plink2() {
    if !tool("plink2") {
        return;
    }
    let folder = temp();
    let made = folder.path().join("made");
    let made_text = made.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", made_text, "--samples", "300", "--length", "300000", "--seed", "11"]).expect(0);
    let input = made.join("cohort.vcf.gz");
    let dataset = folder.path().join("ds");
    call(&[&input], &dataset, &[]);
    let prefix = folder.path().join("p");
    let done = finish(
        Command::new("plink2")
            .arg("--vcf")
            .arg(&input)
            .args([
                "--vcf-half-call",
                "missing",
                "--allow-extra-chr",
                "--threads",
                "1",
                "--new-id-max-allele-len",
                "9999",
            ])
            .args(["--set-all-var-ids", "@:#:$r:$a", "--freq", "--hardy", "--missing", "variant-only", "--out"])
            .arg(&prefix),
    );
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    let peers =
        peers(&prefix.with_extension("afreq"), &prefix.with_extension("hardy"), &prefix.with_extension("vmiss"));
    let table = tables::read(&dataset, "variants", WANTED);
    assert!(table.rows.len() > 100, "{} rows", table.rows.len());
    check(&table, &input, &peers);
}
