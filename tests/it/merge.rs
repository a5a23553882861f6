//! Several inputs: the same samples in chunks (concatenation), different samples (merge), and what is an error.

use super::cli::{reference, small};
use super::common::*;
use super::inputs::{assert_same_rows, bgzf, rows};
use super::tables;
use super::vcf;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const WHOLE: &str = "all2504.bgzf.vcf.gz";
const BATCHES: [&str; 5] = ["1-500.", "501-1000.", "1001-1500.", "1501-2000.", "2001-2504."];

fn batch_files(root: &Path) -> Vec<PathBuf> {
    let names: Vec<PathBuf> = files_below(root);
    let find = |start: &str| names.iter().find(|path| path.to_string_lossy().starts_with(start)).expect("a batch");
    BATCHES.iter().map(|start| root.join(find(start))).collect()
}

/// Rows read equal rows written, merged and rejected.
fn assert_accounted(dataset: &Path) {
    let manifest = manifest(dataset);
    let count = |name: &str| manifest["accounting"][name].as_u64().expect("a count");
    assert_eq!(count("records_read"), count("records_written") + count("records_rejected"));
    assert_eq!(count("alleles_read"), count("variant_rows") + count("alleles_merged"));
}

/// A text with a header and records, cut to the columns of some samples.
fn columns_of(text: &str, samples: std::ops::Range<usize>) -> String {
    let mut cut = String::with_capacity(text.len());
    for line in text.lines() {
        if line.starts_with("##") {
            cut.push_str(line);
        } else {
            let fields: Vec<&str> = line.split('\t').collect();
            cut.push_str(&fields[..9].join("\t"));
            fields[9 + samples.start..9 + samples.end].iter().for_each(|field| {
                cut.push('\t');
                cut.push_str(field);
            });
        }
        cut.push('\n');
    }
    cut
}

/// Five files that each have every site: the merge is the whole cohort, to the byte of every table.
#[test]
fn complete_batches_merged_are_the_whole() {
    let Some(root) = data("cohort/1kg-chr22-2504") else { return };
    let folder = temp();
    let folder = folder.path();
    let text = vcf::text(&root.join(WHOLE));
    let bounds = [0, 500, 1000, 1500, 2000, 2504];
    let cuts: Vec<PathBuf> = bounds
        .windows(2)
        .map(|bound| {
            let cut = columns_of(&text, bound[0]..bound[1]);
            write(folder, &format!("{}.vcf.gz", bound[0]), gzip_blocks(cut.as_bytes()))
        })
        .collect();
    let (whole, merged) = (folder.join("whole.ds"), folder.join("merged.ds"));
    call(&[root.join(WHOLE)], &whole, &[]);
    call(&cuts, &merged, &[]);
    assert_accounted(&merged);
    let (mut a, mut b) = (rows(&whole), rows(&merged));
    for tables in [&mut a, &mut b] {
        // a merge sums INFO/DP and computes INFO/AF anew (the inputs round it to six digits)
        drop_columns(&mut tables[0], &["info_af", "info_dp"]);
    }
    assert_same_rows(&a, &b, "five complete batches");
}

fn drop_columns(table: &mut tables::Table, names: &[&str]) {
    for name in names {
        let at = table.column(name);
        table.columns.remove(at);
        table.rows.iter_mut().for_each(|row| {
            row.remove(at);
        });
    }
}

/// BGZF with blocks of the usual size.
fn gzip_blocks(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
    writer.write_all(bytes).expect("compress");
    writer.finish().expect("finish")
}

/// The published batches leave out sites without a carrier: there their samples are missing, never 0/0,
/// and everything that is not a reference call is as in the whole.
#[test]
fn published_batches_merged_have_the_calls_of_the_whole() {
    let Some(root) = data("cohort/1kg-chr22-2504") else { return };
    let folder = temp();
    let folder = folder.path();
    let (whole, merged) = (folder.join("whole.ds"), folder.join("merged.ds"));
    call(&[root.join(WHOLE)], &whole, &[]);
    let batches = batch_files(&root);
    call(&batches, &merged, &[]);
    assert_accounted(&merged);
    let n_absent = absent_samples(&batches);
    let wanted = [
        "variant_id",
        "site_id",
        "ref",
        "alt",
        "ac",
        "an",
        "n_hom_ref",
        "n_het",
        "n_hom_alt",
        "n_missing",
        "site_ref",
        "site_alt",
    ];
    let (a, b) = (tables::read(&whole, "variants", &wanted), tables::read(&merged, "variants", &wanted));
    assert_eq!(a.rows.len(), b.rows.len());
    for (of_whole, of_merged) in a.rows.iter().zip(&b.rows) {
        let text = |row: &[String], name: &str| row[a.column(name)].clone();
        let int = |row: &[String], name: &str| text(row, name).parse::<i64>().expect("a number");
        let written = |site: &str, own: &str| match text(of_whole, site) {
            written if written == "null" => text(of_whole, own),
            written => written,
        };
        let pos = int(of_whole, "site_id") >> 16 & 0xffff_ffff;
        let absent = n_absent[&(pos, written("site_ref", "ref"), written("site_alt", "alt"))];
        for same in ["variant_id", "site_id", "ref", "alt", "ac", "n_het", "n_hom_alt"] {
            assert_eq!(text(of_whole, same), text(of_merged, same), "{same} of {of_whole:?}");
        }
        assert_eq!(int(of_merged, "n_missing"), absent, "missing of {of_merged:?}");
        assert_eq!(int(of_merged, "an"), int(of_whole, "an") - 2 * absent, "AN of {of_merged:?}");
        assert_eq!(int(of_merged, "n_hom_ref"), int(of_whole, "n_hom_ref") - absent, "hom-ref of {of_merged:?}");
    }
    let calls = |dataset: &Path| {
        let mut table = tables::read(dataset, "genotypes", &["variant_id", "sample_index", "gt", "dosage"]);
        table.rows.retain(|row| row[3] != "null");
        table.rows
    };
    assert!(calls(&whole) == calls(&merged), "calls of the merged batches differ from the whole");
    let names = |dataset: &Path| tables::read(dataset, "samples", &["sample_index", "sample", "n_het", "n_hom_alt"]);
    assert_eq!(names(&whole), names(&merged));
}

/// `(POS, REF, one ALT) -> number of samples whose batch does not have the site`. No two sites share an allele here.
fn absent_samples(batches: &[PathBuf]) -> BTreeMap<(i64, String, String), i64> {
    let mut present: BTreeMap<(i64, String, String), i64> = BTreeMap::new();
    for file in batches.iter().map(|path| vcf::read(path)) {
        for record in &file.records {
            for alt in record.alts() {
                let site = (record.pos, record.ref_allele.clone(), alt.to_string());
                *present.entry(site).or_default() += file.header.samples.len() as i64;
            }
        }
    }
    present.into_iter().map(|(site, n_present)| (site, 2504 - n_present)).collect()
}

#[test]
fn the_gzip_original_and_the_bgzf_copy_give_the_same_rows() {
    let Some(root) = data("cohort/1kg-chr22-2504") else { return };
    let folder = temp();
    let (original, copy) = (folder.path().join("original.ds"), folder.path().join("copy.ds"));
    let name = "filtered.10k.chr22.phase3_shapeit2_mvncall_integrated_v5.20130502.genotypes.vcf.gz";
    call(&[root.join(name)], &original, &[]);
    call(&[root.join(WHOLE)], &copy, &[]);
    assert_same_rows(&rows(&original), &rows(&copy), "gzip and BGZF");
    let tables = |dataset: &Path| -> BTreeSet<String> {
        let manifest = manifest(dataset);
        let files = manifest["files"].as_array().expect("files").iter();
        files.map(|file| file["table"].as_str().expect("a table").to_string()).collect()
    };
    assert_eq!(tables(&original), tables(&copy));
}

/// Chunks of one file, cut at records, are the file again, in whatever order they are named.
#[test]
fn chunks_are_concatenated() {
    let folder = temp();
    let folder = folder.path();
    let text = std::fs::read_to_string(small()).expect("small.vcf");
    let header: String = text.lines().filter(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let records: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    // Both records at chrA:170 go to one chunk; the others to three.
    let mut chunks: Vec<PathBuf> = [&records[..3], &records[3..9], &records[9..12], &records[12..]]
        .iter()
        .enumerate()
        .map(|(at, part)| {
            write(folder, &format!("chunk{at}.vcf.gz"), bgzf((header.clone() + &part.join("\n") + "\n").as_bytes()))
        })
        .collect();
    let whole = folder.join("whole.ds");
    call(&[small()], &whole, &["--calls", "all"]);
    for name in ["in order", "reversed"] {
        let dataset = folder.join(format!("{name}.ds"));
        call(&chunks, &dataset, &["--calls", "all"]);
        assert_accounted(&dataset);
        assert_same_rows(&rows(&whole), &rows(&dataset), name);
        chunks.reverse();
    }
}

fn one_sample(folder: &Path, name: &str, sample: &str, records: &[&str]) -> PathBuf {
    let mut text = String::from("##fileformat=VCFv4.2\n##contig=<ID=chrA,length=240>\n");
    text += "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n";
    text += "##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Depth\">\n";
    text += &format!("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}\n");
    records.iter().for_each(|record| text += &(record.replace(' ', "\t") + "\n"));
    write(folder, name, text)
}

#[test]
fn a_sample_in_two_files_is_an_error_that_names_both() {
    let folder = temp();
    let folder = folder.path();
    // The same sample with other company, so that the files are no chunks of one cohort.
    let first = one_sample(folder, "first.vcf", "eve\tann", &["chrA 5 . A C . . . GT 0/1 0/0"]);
    let second = one_sample(folder, "second.vcf", "bob\teve", &["chrA 5 . A C . . . GT 0/1 0/1"]);
    let dataset = folder.join("ds");
    let done = call_any(&[&first, &second], &dataset, &[]).expect(65);
    let errors = error_lines(&done.stderr);
    assert_eq!(errors.len(), 1, "{}", done.stderr);
    for word in ["eve", "first.vcf", "second.vcf"] {
        assert!(done.stderr.contains(word), "no `{word}` in: {}", done.stderr);
    }
    assert!(!is_published(&dataset));
}

#[test]
fn one_name_twice_in_a_header_is_an_error() {
    let folder = temp();
    let input = one_sample(folder.path(), "twice.vcf", "eve\teve", &["chrA 5 . A C . . . GT 0/1 0/1"]);
    let done = call_any(&[&input], &folder.path().join("ds"), &[]).expect(65);
    assert!(error_lines(&done.stderr)[0].contains("eve"), "{}", done.stderr);
}

/// Merged by normalised allele; the sample whose file lacks the site is missing.
#[test]
fn different_samples_are_merged_by_normalised_allele() {
    let folder = temp();
    let folder = folder.path();
    let fasta = reference(folder);
    // Two spellings of one deletion in the run of A at chrA:102-111, and a site that only bob has.
    let ann = one_sample(
        folder,
        "ann.vcf",
        "ann",
        &["chrA 105 . AA A . . . GT:DP 0/1:7", "chrA 170 . G T . . . GT:DP 0/0:3"],
    );
    let bob = one_sample(
        folder,
        "bob.vcf",
        "bob",
        &["chrA 101 . CA C . . . GT:DP 1/1:9", "chrA 180 . N A . . . GT:DP 1|0:2"],
    );
    let text = std::fs::read_to_string(&bob).expect("bob");
    let base = sequence(&fasta, "chrA").as_bytes()[179] as char;
    let alt = if base == 'A' { 'C' } else { 'A' };
    let bob = write(folder, "bob.vcf", text.replace("\tN\tA\t", &format!("\t{base}\t{alt}\t")));
    let dataset = folder.join("ds");
    call(&[ann, bob], &dataset, &["-f", fasta.to_str().expect("UTF-8"), "--calls", "all"]);
    assert_accounted(&dataset);
    assert_eq!(manifest(&dataset)["accounting"]["alleles_merged"], 1);
    let table = tables::read(&dataset, "variants", &["pos", "ref", "ac", "an", "n_hom_ref", "n_missing"]);
    let expected = [
        ["101", "CA", "3", "4", "0", "0"].map(String::from),
        ["170", "G", "0", "2", "1", "1"].map(String::from),
        ["180", &base.to_string(), "1", "2", "0", "1"].map(String::from),
    ];
    assert_eq!(table.rows, expected);
    let calls = tables::read(&dataset, "genotypes", &["pos", "sample_index", "gt", "dosage", "dp"]);
    let of = |pos: &str, sample: &str| {
        let found = calls.rows.iter().find(|row| row[0] == pos && row[1] == sample);
        found.map(|row| row[2..].join(" "))
    };
    assert_eq!(of("101", "0").as_deref(), Some("0/1 1 7"));
    assert_eq!(of("101", "1").as_deref(), Some("1/1 2 9"));
    assert_eq!(of("180", "1").as_deref(), Some("1|0 1 2"));
    for (pos, sample) in [("170", "1"), ("180", "0")] {
        let call = of(pos, sample).expect("a missing call is a row");
        assert!(call.starts_with("./. null") || call.starts_with(". null") || call.starts_with("null null"), "{call}");
    }
}

/// One sequence of a FASTA.
fn sequence(fasta: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(fasta).expect("a FASTA");
    let mut lines = text.lines().skip_while(|line| *line != format!(">{name}")).skip(1);
    let mut sequence = String::new();
    for line in lines.by_ref().take_while(|line| !line.starts_with('>')) {
        sequence += line;
    }
    sequence
}

/// One input has in one record what the other has in two: rows are shared, sites are not, and `verify` agrees.
#[test]
fn a_split_input_merges_with_a_joined_one() {
    let folder = temp();
    let folder = folder.path();
    let header = "##fileformat=VCFv4.3\n##contig=<ID=1,length=900>\n\
        ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n\
        #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";
    let joined = write(folder, "a.vcf", format!("{header}\ta\n1\t5\t.\tA\tC,G\t.\t.\t.\tGT\t1/2\n"));
    let split = format!("{header}\tb\tc\n1\t5\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/0\n1\t5\t.\tA\tG\t.\t.\t.\tGT\t0/0\t0/1\n");
    let split = write(folder, "b.vcf", split);
    let dataset = folder.join("ds");
    call(&[joined, split], &dataset, &[]);
    varbatch(&["verify", dataset.to_str().expect("UTF-8")]).expect(0);
    let calls = tables::read(&dataset, "genotypes", &["pos", "sample_index", "gt"]);
    assert_eq!(calls.rows, [["5", "0", "1/2"], ["5", "1", "0/1"], ["5", "0", "2/1"], ["5", "2", "0/1"]]);
    let sites = tables::read(&dataset, "variants", &["alt", "alt_index", "n_alts"]);
    assert_eq!(sites.rows, [["C", "1", "1"], ["G", "1", "1"]]);
    let samples = tables::read(&dataset, "samples", &["sample", "n_called", "n_het"]);
    assert_eq!(samples.rows, [["a", "2", "2"], ["b", "2", "1"], ["c", "2", "1"]]);
}

/// A record with a bad value is set aside in a merge, too: the others of its input stay.
#[test]
fn a_bad_record_of_one_input_is_set_aside() {
    let folder = temp();
    let folder = folder.path();
    let header = "##fileformat=VCFv4.3\n##contig=<ID=1,length=900>\n\
        ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"x\">\n\
        #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";
    let file = |sample: &str, depth: &str| {
        let records = format!("1\t5\t.\tA\tC\t.\t.\t.\tGT:DP\t0/1:{depth}\n1\t9\t.\tA\tC\t.\t.\t.\tGT:DP\t0/1:7\n");
        write(folder, &format!("{sample}.vcf"), format!("{header}\t{sample}\n{records}"))
    };
    let inputs = [file("a", "7"), file("b", "many")];
    let failed = call_any(&inputs, &folder.join("fail.ds"), &[]).expect(65);
    assert!(failed.stderr.contains("b.vcf") && failed.stderr.contains("FORMAT/DP of sample b"), "{}", failed.stderr);
    let dataset = folder.join("skip.ds");
    call(&inputs, &dataset, &["--on-bad-record", "skip"]);
    varbatch(&["verify", dataset.to_str().expect("UTF-8")]).expect(0);
    let calls = tables::read(&dataset, "genotypes", &["pos", "sample_index", "gt"]);
    assert_eq!(calls.rows, [["5", "0", "0/1"], ["5", "1", "./."], ["9", "0", "0/1"], ["9", "1", "0/1"]]);
    assert_eq!(manifest(&dataset)["accounting"]["records_rejected"], 1);
}
