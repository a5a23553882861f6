//! `query`: regions and samples read only what they need, and a plain scan streams.

use super::common::*;

const TWO_CONTIGS: &str = "\
##fileformat=VCFv4.3
##contig=<ID=1,length=1000>
##contig=<ID=2,length=1000>
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb
1\t10\t.\tA\tC\t.\t.\t.\tGT\t0/1\t1/1
1\t20\t.\tA\tG\t.\t.\t.\tGT\t0/0\t0/1
2\t30\t.\tG\tT\t.\t.\t.\tGT\t1/1\t0/1
";

/// The dataset with the files of the other contig destroyed in place (size kept), so that reading one fails.
fn damaged_but_for(contig: &str) -> tempfile::TempDir {
    let folder = temp();
    let vcf = write(folder.path(), "two.vcf", TWO_CONTIGS);
    let dataset = folder.path().join("ds");
    call(&[vcf], &dataset, &[]);
    for file in manifest(&dataset)["files"].as_array().expect("files") {
        if file["contig"].as_str().is_some_and(|name| name != contig) {
            let path = dataset.join(file["path"].as_str().expect("a path"));
            let bytes = vec![0; std::fs::metadata(&path).expect("a file").len() as usize];
            std::fs::write(path, bytes).expect("written");
        }
    }
    folder
}

#[test]
fn a_region_reads_no_file_of_another_contig() {
    let folder = damaged_but_for("1");
    let dataset = folder.path().join("ds");
    let dataset = dataset.to_str().expect("UTF-8");
    let done = varbatch(&["query", dataset, "--region", "1:15-", "--format", "csv"]).expect(0);
    assert_eq!(done.stdout, "contig,pos,ref,alt,sample,gt,dosage\n1,20,A,G,b,0/1,1\n");
    let done = varbatch(&["query", dataset, "SELECT pos FROM variants", "--region", "1"]).expect(0);
    assert_eq!(done.stdout, "pos\n10\n20\n");
    assert_ne!(varbatch(&["query", dataset, "SELECT pos FROM variants"]).code, 0);
}

#[test]
fn samples_are_chosen_by_name() {
    let folder = damaged_but_for("1");
    let dataset = folder.path().join("ds");
    let dataset = dataset.to_str().expect("UTF-8");
    let done = varbatch(&["query", dataset, "-r", "1", "--samples", "a"]).expect(0);
    assert_eq!(done.stdout.lines().skip(1).collect::<Vec<_>>(), ["1\t10\tA\tC\ta\t0/1\t1"]);
    let done = varbatch(&["query", dataset, "-r", "1", "--samples", "nobody"]).expect(2);
    assert!(done.stderr.contains("no sample `nobody`"), "{}", done.stderr);
    let done = varbatch(&["query", dataset, "-r", "3"]).expect(2);
    assert!(done.stderr.contains("no contig `3`"), "{}", done.stderr);
    varbatch(&["query", dataset]).expect(2);
}

#[test]
fn a_result_without_rows_has_its_columns() {
    let folder = damaged_but_for("1");
    let dataset = folder.path().join("ds");
    let dataset = dataset.to_str().expect("UTF-8");
    for (format, expected) in [("csv", "pos,ref\n"), ("json", "[\n]\n")] {
        let sql = "SELECT pos, ref FROM variants WHERE pos > 999";
        let done = varbatch(&["query", dataset, sql, "-r", "1", "--format", format]).expect(0);
        assert_eq!(done.stdout, expected);
    }
}
