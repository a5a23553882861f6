//! Joint calling of small gVCFs, one rule at a time: what is called, and why a call is missing.

use super::common::{call, call_any, export, finish, query, temp, tool, varbatch, write};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const HEADER: &str = "##fileformat=VCFv4.2
##GVCFBlock0-1=minGQ=0(inclusive),maxGQ=1(exclusive)
##ALT=<ID=NON_REF,Description=\"any\">
##FILTER=<ID=LowQual,Description=\"low\">
##INFO=<ID=END,Number=1,Type=Integer,Description=\"end\">
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"gt\">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"ad\">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"dp\">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"gq\">
##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description=\"dp\">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"pl\">
##FORMAT=<ID=PGT,Number=1,Type=String,Description=\"phase\">
##FORMAT=<ID=PID,Number=1,Type=String,Description=\"phase\">
##contig=<ID=c,length=1000>
##contig=<ID=chrX,length=156040895>
##contig=<ID=chrY,length=57227415>
";

/// `c POS REF ALT FORMAT CELL`, separated by spaces, into a gVCF of one sample. An END may be added behind.
fn gvcf(folder: &Path, sample: &str, records: &[&str]) -> PathBuf {
    let mut text = format!("{HEADER}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{sample}\n");
    for record in records {
        let fields: Vec<&str> = record.split(' ').collect();
        let info = fields.get(6).map_or(".".to_string(), |end| format!("END={end}"));
        let [contig, pos, reference, alt, format, cell] = fields[..6] else { panic!("{record}") };
        text += &format!("{contig}\t{pos}\t.\t{reference}\t{alt}\t50\t.\t{info}\t{format}\t{cell}\n");
    }
    write(folder, &format!("{sample}.g.vcf"), text)
}

fn block(contig: &str, start: u32, end: u32, values: &str) -> String {
    format!("{contig} {start} A <NON_REF> GT:DP:GQ:MIN_DP:PL {values} {end}")
}

const HET: &str = "GT:AD:DP:GQ:PL 0/1:10,10,0:20:99:300,0,300,330,330,600";
const GOOD: &str = "0/0:30:60:28:0,60,600";

/// The last position of all, 2^31 - 1, is behind what joint calling goes through: said, not dropped.
#[test]
fn a_record_at_the_last_position_is_refused() {
    let folder = temp();
    let records = [2, 1].map(|before| format!("c {} A T,<NON_REF> {HET}", i32::MAX - before + 1));
    let input = gvcf(folder.path(), "a", &records.each_ref().map(String::as_str));
    let dataset = folder.path().join("ds");
    let done = call_any(&[&input], &dataset, &[]).expect(65);
    assert!(done.stderr.contains("reaches position 2147483647"), "{}", done.stderr);
    call(&[&input], &dataset, &["--on-bad-record", "skip"]);
    assert_eq!(query(&dataset, "SELECT pos FROM variants"), [["2147483646"]]);
    varbatch(&["verify".as_ref(), dataset.as_os_str()]).expect(0);
}

/// Calls these samples and gives the exported genotype of each, with its reason, by `pos:alt`.
fn genotypes(samples: &[(&str, Vec<String>)], extra: &[&str]) -> BTreeMap<String, Vec<String>> {
    let temp = temp();
    let inputs: Vec<PathBuf> = samples
        .iter()
        .map(|(name, records)| gvcf(temp.path(), name, &records.iter().map(String::as_str).collect::<Vec<_>>()))
        .collect();
    let dataset = temp.path().join("ds");
    call(&inputs, &dataset, extra);
    varbatch(&["verify".as_ref(), dataset.as_os_str()]).expect(0);
    exported(&dataset)
}

fn exported(dataset: &Path) -> BTreeMap<String, Vec<String>> {
    let out = dataset.with_extension("vcf");
    export(dataset, &out, &[]);
    let text = std::fs::read_to_string(out).expect("the export");
    let lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let keys: Vec<&str> = fields[8].split(':').collect();
        let (gt, reason) = (0, keys.iter().position(|key| *key == "RNC").expect("RNC"));
        let cells = fields[9..].iter().map(|cell| {
            let values: Vec<&str> = cell.split(':').collect();
            if values[reason] == "." { values[gt].to_string() } else { format!("{} {}", values[gt], values[reason]) }
        });
        (format!("{}:{}", fields[1], fields[4]), cells.collect())
    });
    lines.collect()
}

fn records<const N: usize>(records: [String; N]) -> Vec<String> {
    records.to_vec()
}

#[test]
fn no_data_is_no_call_with_its_reason() {
    let found = genotypes(
        &[
            ("s1", records([format!("c 100 A G,<NON_REF> {HET}")])),
            ("s2", records([block("c", 50, 150, GOOD)])),
            ("s3", records([block("c", 50, 99, GOOD), block("c", 101, 150, GOOD)])),
            ("s4", records([block("c", 50, 150, "0/0:0:60:0:0,60,600")])),
            ("s5", records([block("c", 50, 150, "0/0:9:0:9:0,0,0")])),
            ("s6", records(["c 50 A <NON_REF> GT:DP:GQ ./.:9:30 150".into()])),
            ("s7", records(["c 100 A G,<NON_REF> GT:AD:DP:GQ:PL 0/1:0,0,0:0:9:9,0,9,9,9,9".into()])),
            ("s8", records(["c 100 A T,<NON_REF> GT:AD:DP:GQ:PL 0/0:20,1,0:21:40:0,40,400,60,400,400".into()])),
        ],
        &[],
    );
    let expected = ["0/1", "0/0", "./. M", "./. D", "./. G", "./. I", "./. D", "0/0"];
    assert_eq!(found, BTreeMap::from([("100:G".to_string(), expected.map(str::to_string).to_vec())]));
}

#[test]
fn a_deletion_over_a_site_is_a_star() {
    let deletion = "c 98 ATTT A,<NON_REF> GT:AD:DP:GQ:PL 0/1:10,10,0:20:99:300,0,300,330,330,600";
    let both = "c 98 ATTT A,<NON_REF> GT:AD:DP:GQ:PL 1/1:0,20,0:20:60:600,60,0,600,60,600";
    let found = genotypes(
        &[
            ("s1", records([format!("c 100 T G,<NON_REF> {HET}"), block("c", 50, 99, GOOD)])),
            ("s2", records([deletion.into(), block("c", 102, 150, GOOD)])),
            ("s3", records([both.into()])),
            ("s4", records([block("c", 50, 150, GOOD)])),
        ],
        &[],
    );
    assert_eq!(found["100:G,*"], ["0/1", "0/2", "2/2", "0/0"]);
    assert_eq!(found["98:A"], ["0/0", "0/1", "1/1", "0/0"]);
}

#[test]
fn two_records_at_a_site_are_put_together() {
    let found = genotypes(
        &[
            ("s1", records([format!("c 100 A G,<NON_REF> {HET}"), format!("c 100 A T,<NON_REF> {HET}")])),
            // a record without a call does not hide one with the allele, whatever stands first
            ("s2", records(["c 100 A C,<NON_REF> GT:DP ./.:3".into(), format!("c 100 A G,<NON_REF> {HET}")])),
            ("s3", records(["c 100 A T,<NON_REF> GT:AD:DP:GQ:PL ./1:9,9,0:18:20:200,0,200,300,300,400".into()])),
        ],
        &[],
    );
    assert_eq!(found["100:G,T"], ["1/2", "0/1", "./2"]);
}

#[test]
fn alleles_are_normalised_before_they_are_compared() {
    let temp = temp();
    let mut sequence = vec![b'A'; 1000];
    sequence[100..120].copy_from_slice(b"GCACACACACACACACACAT");
    let fasta = write(temp.path(), "ref.fa", format!(">c\n{}\n", String::from_utf8_lossy(&sequence)));
    write(temp.path(), "ref.fa.fai", "c\t1000\t3\t1000\t1001\n");
    // the same deletion of CA at the start, in the middle with padding, and at the end of the repeat
    let inputs = [
        gvcf(temp.path(), "s1", &[&format!("c 101 GCA G,<NON_REF> {HET}")]),
        gvcf(temp.path(), "s2", &[&format!("c 107 ACACA ACA,<NON_REF> {HET}")]),
        gvcf(temp.path(), "s3", &[&format!("c 117 ACA A,<NON_REF> {HET}")]),
    ];
    let dataset = temp.path().join("ds");
    call(&inputs, &dataset, &["-f", fasta.to_str().expect("a path")]);
    let rows = query(&dataset, "SELECT pos, ref, alt, ac, info_carriers FROM variants");
    assert_eq!(rows, [["101", "GCA", "G", "3", "3"]]);
    // the dataset knows without the reference what was aligned
    assert_eq!(exported(&dataset)["101:G"], ["0/1", "0/1", "0/1"]);
    // without the reference they are three alleles
    let dataset = temp.path().join("trimmed");
    call(&inputs, &dataset, &[]);
    assert_eq!(query(&dataset, "SELECT COUNT(*) FROM variants"), [["3"]]);
    // and a REF that is not the reference's is an error with its place
    let wrong = gvcf(temp.path(), "s4", &[&format!("c 101 TCA T,<NON_REF> {HET}")]);
    let done = super::common::call_any(&[wrong], &temp.path().join("x"), &["-f", fasta.to_str().expect("a path")]);
    assert_eq!(done.code, 65, "{}", done.stderr);
    assert!(done.stderr.contains("c:101") && done.stderr.contains("s4.g.vcf"), "{}", done.stderr);
}

#[test]
fn copies_follow_the_sex_of_the_sheet() {
    let temp = temp();
    let het = |pos: u32| format!("chrX {pos} A G,<NON_REF> {HET}");
    let hom = |pos: u32| format!("chrX {pos} A G,<NON_REF> GT:AD:DP:GQ:PL 1/1:0,20,0:20:60:600,60,0,600,60,600");
    let blocks = [block("chrX", 1_000_000, 2_000_000, GOOD), block("chrX", 5_000_000, 6_000_000, GOOD)];
    let write_sample = |name: &str, records: &[String]| {
        gvcf(temp.path(), name, &records.iter().map(String::as_str).collect::<Vec<_>>());
    };
    write_sample("boy", &[het(1_500_000), het(5_500_000), hom(5_500_010)]);
    write_sample(
        "girl",
        &[het(1_500_000), het(5_500_000), hom(5_500_010), format!("chrY 5000000 A G,<NON_REF> {HET}")],
    );
    write_sample("man", &blocks);
    write_sample("unknown", &[het(5_500_000), block("chrY", 4_000_000, 6_000_000, GOOD)]);
    let sheet = "path\tsex\nboy.g.vcf\tmale\ngirl.g.vcf\tfemale\nman.g.vcf\tmale\nunknown.g.vcf\t\n";
    let sheet: String =
        sheet
            .lines()
            .map(|line| {
                if line.starts_with("path") {
                    format!("{line}\n")
                } else {
                    format!("{}/{line}\n", temp.path().display())
                }
            })
            .collect();
    let sheet = write(temp.path(), "sheet.tsv", sheet);
    let dataset = temp.path().join("ds");
    varbatch(&["call", "--inputs", sheet.to_str().expect("a path"), "-o", dataset.to_str().expect("a path")]).expect(0);
    let found = exported(&dataset);
    assert_eq!(found["1500000:G"], ["0/1", "0/1", "0/0", "./. M"], "pseudoautosomal");
    assert_eq!(found["5500000:G"], [". S", "0/1", "0", "0/1"]);
    assert_eq!(found["5500010:G"], ["1", "1/1", "0", "./. M"]);
    assert!(!found.contains_key("5000000:G"), "a woman has no Y: {found:?}");
}

#[test]
fn phase_goes_with_the_alleles() {
    let temp = temp();
    let format = "GT:AD:DP:GQ:PGT:PID:PL";
    let likelihoods = "300,0,300,330,330,600";
    let inputs = [gvcf(
        temp.path(),
        "s1",
        &[
            &format!("c 100 A G,<NON_REF> {format} 0/1:9,9,0:18:99:1|0:100_A_G:{likelihoods}"),
            &format!("c 110 A T,<NON_REF> {format} 0/1:9,9,0:18:99:0|1:100_A_G:{likelihoods}"),
            &format!("c 120 A C,<NON_REF> GT:AD:DP:GQ:PS:PL 1|0:9,9,0:18:99:77:{likelihoods}"),
        ],
    )];
    let dataset = temp.path().join("ds");
    call(&inputs, &dataset, &[]);
    let rows = query(&dataset, "SELECT pos, gt, phase_set FROM genotypes ORDER BY pos");
    assert_eq!(rows, [["100", "1|0", "100"], ["110", "0|1", "100"], ["120", "1|0", "77"]]);
}

#[test]
fn local_alleles_are_their_own() {
    let header = HEADER.replace("VCFv4.2", "VCFv4.5").replace(
        "##contig=<ID=c,",
        "##FORMAT=<ID=LAA,Number=.,Type=Integer,Description=\"local\">\n\
         ##FORMAT=<ID=LPL,Number=.,Type=Integer,Description=\"local\">\n\
         ##FORMAT=<ID=LAD,Number=.,Type=Integer,Description=\"local\">\n\
         ##FORMAT=<ID=LEN,Number=1,Type=Integer,Description=\"length\">\n##contig=<ID=c,",
    );
    let text = format!(
        "{header}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2\n\
         c\t50\t.\tA\t<*>\t.\t.\t.\tGT:LAA:DP:GQ:LEN\t0/0:.:20:50:30\t0/0:.:25:60:60\n\
         c\t100\t.\tA\tC,G,T,<*>\t90\t.\t.\tGT:LAA:LAD:DP:GQ:LPL\t0/3:3,4:9,9,0:18:99:300,0,300,330,330,600\t1/2:1,2,4:0,9,9,0:18:90:600,310,300,310,0,300,600,310,310,600\n"
    );
    let temp = temp();
    let input = write(temp.path(), "local.vcf", text);
    let dataset = temp.path().join("ds");
    call(&[input], &dataset, &[]);
    assert_eq!(exported(&dataset)["100:C,G,T"], ["0/3", "1/2"]);
    let rows = query(
        &dataset,
        "SELECT alt, sample_index, ad_ref, ad_alt FROM genotypes JOIN variants ON genotypes.variant_id = variants.variant_id WHERE dosage > 0 ORDER BY alt, sample_index",
    );
    assert_eq!(rows, [["C", "1", "0", "9"], ["G", "1", "0", "9"], ["T", "0", "9", "9"]]);
    let blocks = query(&dataset, "SELECT sample_index, start, length, gq FROM ref_blocks ORDER BY sample_index");
    assert_eq!(blocks, [["0", "50", "30", "50"], ["1", "50", "60", "60"]]);
}

#[test]
fn no_number_of_alleles_is_too_many() {
    let temp = temp();
    let bases = |i: usize| (0..4).map(|k| ["A", "C", "G", "T"][i >> (2 * k) & 3]).collect::<String>();
    let inputs: Vec<PathBuf> = (0..90)
        .map(|i| gvcf(temp.path(), &format!("s{i:03}"), &[&format!("c 100 A A{},<NON_REF> {HET}", bases(i))]))
        .collect();
    let dataset = temp.path().join("ds");
    call(&inputs, &dataset, &[]);
    assert_eq!(query(&dataset, "SELECT COUNT(*), MIN(n_alts), MAX(ac) FROM variants"), [["90", "90", "1"]]);
    let out = temp.path().join("joint.vcf.gz");
    export(&dataset, &out, &["--fill-pl"]);
    if tool("bcftools") {
        let view = finish(Command::new("bcftools").args(["query", "-f", "%ALT\n"]).arg(&out)).expect(0);
        assert_eq!(view.stdout.trim().split(',').count(), 90);
    } else {
        super::common::skip("bcftools is not installed");
    }
}

#[test]
fn explain_says_what_was_read_and_which_rule_chose() {
    let temp = temp();
    let inputs = [
        gvcf(temp.path(), "s1", &[&format!("c 100 T G,<NON_REF> {HET}")]),
        gvcf(temp.path(), "s2", &["c 98 ATTT A,<NON_REF> GT:AD:DP:GQ:PL 0/1:9,9,0:18:99:300,0,300,330,330,600"]),
        gvcf(temp.path(), "s3", &[&block("c", 50, 150, "0/0:9:0:9:0,0,0")]),
    ];
    let dataset = temp.path().join("ds");
    call(&inputs, &dataset, &[]);
    let dataset = dataset.to_str().expect("a path");
    let explain = |sample: &str| varbatch(&["explain", dataset, "c:100", sample]).expect(0).stdout;
    assert!(explain("s1").contains("0/1:10,10,0:20:99:300,0,300,330,330,600"));
    assert!(explain("s2").contains("a deletion of the sample spans this base") && explain("s2").contains("GT 0/2"));
    assert!(explain("s3").contains("no call, reason G") && explain("s3").contains("c:50-150"));
    assert_eq!(varbatch(&["explain", dataset, "c:100", "nobody"]).code, 2);
    assert_eq!(varbatch(&["explain", dataset, "c:100-200", "s1"]).code, 2);
}

#[test]
fn other_programs_read_the_joint_export() {
    let temp = temp();
    let inputs = [
        gvcf(temp.path(), "s1", &[&format!("c 100 A G,<NON_REF> {HET}"), &block("c", 101, 150, GOOD)]),
        gvcf(temp.path(), "s2", &[&block("c", 50, 109, GOOD), &format!("c 110 A ATT,<NON_REF> {HET}")]),
    ];
    let dataset = temp.path().join("ds");
    call(&inputs, &dataset, &[]);
    for name in ["joint.vcf.gz", "joint.bcf"] {
        let out = temp.path().join(name);
        export(&dataset, &out, &["--fill-pl"]);
        if !tool("bcftools") {
            return super::common::skip("bcftools is not installed");
        }
        let view = finish(Command::new("bcftools").args(["query", "-f", "%POS[ %GT %PL]\n"]).arg(&out)).expect(0);
        assert_eq!(view.stdout, "100 0/1 300,0,300 0/0 0,60,600\n110 0/0 0,60,600 0/1 300,0,300\n");
    }
}

/// Two files written by hand in the style of DRAGEN 4 (no file of it is free to use here): its blocks and records, with fields
/// that no other caller has, and a block that it calls nothing in.
#[test]
fn files_in_the_style_of_dragen() {
    let folder = temp();
    let cases = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/dragen");
    let dataset = folder.path().join("ds");
    call(&[cases.join("a.g.vcf"), cases.join("b.g.vcf")], &dataset, &["--quiet"]);
    let rows = |sql| query(&dataset, sql).into_iter().map(|row| row.join(" ")).collect::<Vec<_>>();
    assert_eq!(
        rows("SELECT pos, ref, alt, n_het, n_hom_alt, n_hom_ref, n_missing FROM variants"),
        ["1000 C T 1 0 1 0", "2000 A G 0 1 0 1"]
    );
    assert_eq!(
        rows("SELECT pos, sample_index, gt, gq, dp, ad_ref, ad_alt, pl, nocall FROM genotypes"),
        ["1000 0 0/1 48 35 18 17 83,0,50 ", "2000 0 ./. 0 0    I", "2000 1 1/1 87 30 0 30 90,90,0 "]
    );
}
