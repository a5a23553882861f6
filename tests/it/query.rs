//! `query`: regions and samples read only what they need, and a plain scan streams.

use super::bounds::with_peak;
use super::common::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

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

/// What a query of `dataset` prints as CSV, without the line of names.
#[track_caller]
fn rows_of(dataset: &Path, args: &[&str]) -> Vec<String> {
    let fixed = ["query", dataset.to_str().expect("UTF-8"), "--format", "csv"];
    let done = varbatch(&[&fixed[..], args].concat()).expect(0);
    done.stdout.lines().skip(1).map(String::from).collect()
}

fn two_contigs(folder: &Path) -> PathBuf {
    let vcf = write(folder, "two.vcf", TWO_CONTIGS);
    let dataset = folder.join("ds");
    call(&[vcf], &dataset, &[]);
    dataset
}

#[test]
fn views_show_calls_with_names() {
    let folder = temp();
    let dataset = two_contigs(folder.path());
    let view = |args: &[&str]| rows_of(&dataset, args);
    assert_eq!(view(&["--view", "calls", "-r", "1"]), ["1,10,A,C,a,0/1,1", "1,10,A,C,b,1/1,2", "1,20,A,G,b,0/1,1"]);
    assert_eq!(view(&["--view", "genotypes", "-r", "1:20"]), ["1,20,A,G,a,0/0,0", "1,20,A,G,b,0/1,1"]);
    assert_eq!(
        view(&["--view", "genotypes", "-s", "a", "-r", "1,2"]),
        ["1,10,A,C,a,0/1,1", "1,20,A,G,a,0/0,0", "2,30,G,T,a,1/1,2"]
    );
    assert_eq!(view(&["--view", "matrix"]), ["1,10,,A,C,0/1,1/1", "1,20,,A,G,0/0,0/1", "2,30,,G,T,1/1,0/1"]);
    assert_eq!(
        view(&["--view", "matrix", "--cells", "dosage", "-s", "b"]),
        ["1,10,,A,C,2", "1,20,,A,G,1", "2,30,,G,T,1"]
    );
    assert_eq!(view(&["--view", "carriers", "--variant", "1:20:A:G"]), ["1,20,,A,G,b,0/1,1"]);
    // a view is a table of SQL
    let sql = "SELECT sample, SUM(dosage) AS n FROM view GROUP BY sample";
    assert_eq!(view(&["--view", "carriers", sql]), ["a,3", "b,4"]);
    let joined = "SELECT v.sample, s.n_het FROM view v JOIN samples s ON v.sample = s.sample WHERE v.pos = 20";
    assert_eq!(view(&["--view", "calls", joined]), ["b,2"]);
}

#[test]
fn views_fill_in_plain_reference_of_any_ploidy_and_keep_missing_calls() {
    let folder = temp();
    let vcf = "##fileformat=VCFv4.3\n##contig=<ID=X>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n\
               ##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Depth\">\n\
               #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\n\
               X\t5\trs5\tA\tC\t.\t.\t.\tGT:DP\t0:3\t1:4\t0:5\n\
               X\t6\trs6;rs7\tA\tC,G\t.\t.\t.\tGT:DP\t0|0:3\t1|2:4\t.|.:0\n";
    let dataset = folder.path().join("ds");
    call(&[write(folder.path(), "x.vcf", vcf)], &dataset, &[]);
    assert_eq!(
        rows_of(&dataset, &["--view", "matrix"]),
        ["X,5,rs5,A,C,0,1,0", "X,6,rs6;rs7,A,C,0|0,1|2,.|.", "X,6,rs6;rs7,A,G,0|0,2|1,.|."]
    );
    assert_eq!(
        rows_of(&dataset, &["--view", "matrix", "--cells", "dosage", "--variant", "X:6:A:G"]),
        ["X,6,rs6;rs7,A,G,0,1,"]
    );
    assert_eq!(rows_of(&dataset, &["--view", "carriers", "--variant", "rs7"]).len(), 2);
    assert_eq!(rows_of(&dataset, &["--view", "carriers", "--variant", "rs5"]), ["X,5,rs5,A,C,b,1,1,4"]);
    let done =
        varbatch(&["query", dataset.to_str().expect("UTF-8"), "--view", "carriers", "--variant", "rs8"]).expect(2);
    assert!(done.stderr.contains("no variant `rs8`"), "{}", done.stderr);
}

#[test]
fn views_of_a_contig_without_a_call() {
    let folder = temp();
    let head = "##fileformat=VCFv4.3\n##contig=<ID=1>\n##contig=<ID=2>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n\
                ##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Depth\">\n";
    let vcf = format!(
        "{head}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n\
         1\t5\t.\tA\tC\t.\t.\t.\tGT:DP\t0/1:3\t0/0:4\n2\t6\t.\tA\tC\t.\t.\t.\tGT:DP\t0/0:3\t0/0:4\n"
    );
    let dataset = folder.path().join("ds");
    call(&[write(folder.path(), "x.vcf", vcf)], &dataset, &[]);
    assert_eq!(rows_of(&dataset, &["--view", "carriers"]), ["1,5,,A,C,a,0/1,1,3"]);
    assert!(rows_of(&dataset, &["--view", "carriers", "-r", "2"]).is_empty());
    assert_eq!(rows_of(&dataset, &["--view", "matrix", "-r", "2"]), ["2,6,,A,C,0/0,0/0"]);
}

#[test]
fn calls_are_not_plain_reference_where_all_are_stored() {
    let folder = temp();
    let vcf = write(
        folder.path(),
        "two.vcf",
        TWO_CONTIGS.replace("2\t30\t.\tG\tT", "2\t30\t.\tG\tT,C").replace("1/1\t0/1\n", "./.\t2|0\n"),
    );
    let (carriers, all) = (folder.path().join("carriers"), folder.path().join("all"));
    call(&[&vcf], &carriers, &[]);
    call(&[&vcf], &all, &["--calls", "all"]);
    for view in ["calls", "genotypes", "matrix", "carriers"] {
        let found = rows_of(&all, &["--view", view]);
        assert!(!found.is_empty());
        assert_eq!(found, rows_of(&carriers, &["--view", view]), "{view}");
    }
    assert_eq!(rows_of(&all, &["-r", "1:20"]), ["1,20,A,G,b,0/1,1"]);
}

/// A variant without a call that tells is phased as the dataset begins, in views as in `export`.
#[test]
fn plain_reference_is_written_as_export_writes_it() {
    let folder = temp();
    let vcf = TWO_CONTIGS.replace("0/0\t0/1", "0|0\t0|0").replace("0/1\t1/1", "0|1\t1|1").replace("1/1\t0/1", "0/0\t.");
    let dataset = folder.path().join("ds");
    call(&[write(folder.path(), "two.vcf", vcf)], &dataset, &[]);
    let out = folder.path().join("out.vcf");
    export(&dataset, &out, &[]);
    let text = std::fs::read_to_string(&out).expect("a file");
    let calls = |line: &str| line.split('\t').skip(9).map(String::from).collect::<Vec<_>>();
    let exported: Vec<Vec<String>> = text.lines().filter(|line| !line.starts_with('#')).map(calls).collect();
    let shown = rows_of(&dataset, &["--view", "matrix"]);
    let shown: Vec<Vec<String>> = shown.iter().map(|row| row.split(',').skip(5).map(String::from).collect()).collect();
    assert_eq!(shown, exported);
    assert_eq!(shown[1], ["0|0", "0|0"]);
}

#[test]
fn counts_by_group() {
    let folder = temp();
    let dataset = two_contigs(folder.path());
    let groups = write(folder.path(), "groups.tsv", "sample\tgroup\na\tnorth\nb\tsouth\n");
    let groups = groups.to_str().expect("UTF-8");
    let sql = "SELECT pos, \"group\", ac, an, n_het FROM view";
    let found = rows_of(&dataset, &["--view", "counts", "--groups", groups, "-r", "1", sql]);
    assert_eq!(found, ["10,north,1,2,1", "10,south,2,2,0", "20,north,0,2,0", "20,south,1,2,1"]);
    // a column of the table samples
    let found = rows_of(&dataset, &["--view", "counts", "--groups", "sample", "--variant", "2:30:G:T", sql]);
    assert_eq!(found, ["30,a,2,2,0", "30,b,1,2,1"]);
    let dataset = dataset.to_str().expect("UTF-8");
    let done = varbatch(&["query", dataset, "--view", "counts", "--groups", "nothing"]).expect(2);
    assert!(done.stderr.contains("no file, and no column of texts"), "{}", done.stderr);
    varbatch(&["query", dataset, "--view", "counts"]).expect(2);
    varbatch(&["query", dataset, "--groups", groups, "-r", "1"]).expect(2);
}

#[test]
fn sql_stays_inside_the_dataset() {
    let folder = temp();
    let dataset = two_contigs(folder.path());
    let secret = write(folder.path(), "secret.csv", "word\nhidden\n");
    let other = folder.path().join("ds/samples/part-000000000000.parquet");
    let copy = folder.path().join("copy.parquet");
    let parquet =
        std::fs::read_dir(dataset.join("samples")).expect("a folder").next().expect("a file").expect("a file");
    std::fs::copy(parquet.path(), &copy).expect("copied");
    let (secret, copy) = (secret.to_str().expect("UTF-8"), copy.to_str().expect("UTF-8"));
    let before = files_below(folder.path());
    for sql in [
        format!("SELECT * FROM read_csv('{secret}')"),
        format!("SELECT * FROM READ_CSV ( '{secret}' )"),
        format!("SELECT * FROM \"read_parquet\"('{copy}')"),
        format!("SELECT * FROM read_parquet/**/('{copy}')"),
        format!("SELECT * FROM samples s JOIN read_parquet('{copy}') o ON s.sample = o.sample"),
        format!("SELECT * FROM samples WHERE sample IN (SELECT sample FROM read_parquet('{copy}'))"),
        format!("WITH x AS (SELECT * FROM read_ipc('{copy}')) SELECT * FROM x"),
        format!("SELECT * FROM read_json('{secret}')"),
        format!("SELECT * FROM scan_parquet('{copy}')"),
        format!("SELECT * FROM scan_csv('{secret}')"),
        format!("SELECT * FROM '{copy}'"),
        format!("SELECT * FROM \"{copy}\""),
        format!("SELECT * FROM `{}`", other.display()),
        format!("CREATE TABLE x AS SELECT * FROM read_csv('{secret}')"),
        format!("COPY samples TO '{copy}.out'"),
        format!("COPY (SELECT * FROM samples) TO '{copy}.out' WITH (FORMAT csv)"),
        format!("EXPLAIN SELECT * FROM read_parquet('{copy}')"),
        "SELECT 1 FROM samples; DROP TABLE samples".to_owned(),
        "DROP TABLE samples".to_owned(),
        "TRUNCATE TABLE samples".to_owned(),
        "DELETE FROM samples".to_owned(),
        "CREATE TABLE x AS SELECT 1".to_owned(),
    ] {
        let done = varbatch(&["query", dataset.to_str().expect("UTF-8"), &sql]);
        assert_eq!(done.code, 2, "{sql}: {}{}", done.stdout, done.stderr);
        assert!(!done.stdout.contains("hidden") && !done.stderr.contains("hidden"), "{sql}");
    }
    assert_eq!(files_below(folder.path()), before);
}

/// 2,500 samples x 20,000 records: more calls than are read page by page, in a few files.
fn large() -> &'static Path {
    static LARGE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, dataset) = LARGE.get_or_init(|| {
        let folder = temp();
        let made = folder.path().join("made");
        let simulated = ["--samples", "2500", "--sites", "20000", "--seed", "1", "--contig-name", "chr20"];
        varbatch(&[&["simulate", "-o", made.to_str().expect("UTF-8")][..], &simulated].concat()).expect(0);
        let dataset = folder.path().join("ds");
        call(&[made.join("cohort.vcf.gz")], &dataset, &[]);
        std::fs::remove_dir_all(made).expect("removed");
        (folder, dataset)
    });
    dataset
}

/// polars reads what is asked for as a whole, we read what is asked for in part: both see the same rows.
#[test]
fn both_ways_to_read_agree() {
    let dataset = large();
    let n_rows: u64 = manifest(dataset)["accounting"]["genotype_rows"].as_u64().expect("a number");
    assert!(n_rows > 2_000_000, "{n_rows} rows are read in one way only");
    let all = rows_of(
        dataset,
        &[
            // the indexes come to more than an int32 can be
            "SELECT COUNT(*) AS n, SUM(dosage) AS copies, SUM(sample_index) AS indexes FROM genotypes",
        ],
    );
    let in_pieces = rows_of(dataset, &["SELECT variant_id, pos, sample_index, dosage FROM genotypes"]);
    let mut sums = [0_i64; 2];
    for line in &in_pieces {
        let fields: Vec<i64> = line.split(',').map(|field| field.parse().unwrap_or_default()).collect();
        sums = [sums[0] + fields[3], sums[1] + fields[2]];
    }
    assert_eq!(all, [format!("{},{},{}", in_pieces.len(), sums[0], sums[1])]);
    assert_eq!(in_pieces.len() as u64, n_rows);
    // a part of it, by SQL and by --region, is what the whole has there
    let expected: Vec<&String> =
        in_pieces.iter().filter(|line| (700_000..=703_000).contains(&position(line))).collect();
    let sql = "SELECT variant_id, pos, sample_index, dosage FROM genotypes";
    let by_sql = rows_of(dataset, &[&format!("{sql} WHERE pos BETWEEN 700000 AND 703000")]);
    assert!(expected.len() > 1000 && by_sql.iter().eq(expected.iter().copied()), "{} rows", by_sql.len());
    assert_eq!(rows_of(dataset, &[sql, "--region", "chr20:700000-703000"]), by_sql);
    assert_eq!(rows_of(dataset, &[&format!("{sql} LIMIT 100 OFFSET 70000")])[..], in_pieces[70_000..70_100]);
    let two = in_pieces.iter().filter(|line| line.ends_with(",2")).count();
    assert_eq!(rows_of(dataset, &["SELECT pos FROM genotypes WHERE dosage = 2"]).len(), two);
    assert_eq!(rows_of(dataset, &["SELECT COUNT(*) AS n FROM genotypes WHERE dosage = 2"]), [two.to_string()]);
}

fn position(line: &str) -> i64 {
    line.split(',').nth(1).and_then(|field| field.parse().ok()).unwrap_or_default()
}

/// Rows that no ORDER BY sorts come in one order all the same.
#[test]
fn results_are_the_same_every_time() {
    let dataset = large();
    let sql = "SELECT sample_index, COUNT(*) AS n FROM genotypes GROUP BY sample_index";
    let once = rows_of(dataset, &[sql]);
    assert_eq!(once.len(), 2500);
    assert!(once[0].starts_with("0,") && once[2499].starts_with("2499,"));
    assert_eq!(rows_of(dataset, &[sql]), once);
    // a part of it is a part of that order
    assert_eq!(rows_of(dataset, &[&format!("{sql} LIMIT 7 OFFSET 30")])[..], once[30..37]);
}

/// What `sql` prints with so many threads for queries.
fn printed(dataset: &Path, sql: &str, n_threads: usize) -> String {
    let mut command = Command::new(binary());
    command.arg("query").arg(dataset).arg(sql).args(["--format", "csv"]);
    finish(command.env("POLARS_MAX_THREADS", n_threads.to_string())).expect(0).stdout
}

#[test]
fn threads_do_not_change_what_a_query_prints() {
    let dataset = large();
    for sql in [
        // which groups and rows a LIMIT takes, at the end and inside
        "SELECT sample_index, COUNT(*) AS n FROM genotypes GROUP BY sample_index LIMIT 5",
        "SELECT SUM(sample_index) AS n FROM (SELECT sample_index FROM genotypes GROUP BY sample_index LIMIT 5) x",
        "SELECT g.pos, v.ref FROM genotypes g JOIN variants v ON g.variant_id = v.variant_id LIMIT 5 OFFSET 3",
        "SELECT SUM(x.pos + x.sample_index) AS n FROM (SELECT g.pos, g.sample_index FROM genotypes g
            JOIN variants v ON g.variant_id = v.variant_id LIMIT 5000) x",
        // equal keys
        "SELECT pos, sample_index FROM genotypes ORDER BY dosage DESC LIMIT 5",
        "SELECT pos, alt, ROW_NUMBER() OVER (ORDER BY type) AS n FROM variants ORDER BY n LIMIT 5",
        "SELECT type, FIRST(pos) AS pos FROM variants GROUP BY type",
        // sums of fractions
        "SELECT AVG(v.af) AS a, SUM(v.af) AS s, STDDEV(v.af) AS d FROM genotypes g JOIN variants v ON g.variant_id = v.variant_id",
        "SELECT g.sample_index, AVG(v.af) AS a, VARIANCE(v.hwe_p) AS s FROM genotypes g
            JOIN variants v ON g.variant_id = v.variant_id GROUP BY g.sample_index",
        "SELECT type, AVG(af) AS a, SUM(hwe_p * 2) AS s FROM variants WHERE af < 0.4 GROUP BY type HAVING SUM(af) > 0",
        "SELECT STDDEV(sample_index) AS d FROM genotypes",
    ] {
        let once = printed(dataset, sql, 1);
        assert!(once.lines().count() > 1, "{sql}");
        for n_threads in [2, 5] {
            assert_eq!(printed(dataset, sql, n_threads), once, "{sql} with {n_threads} threads");
        }
    }
}

#[test]
fn an_order_is_kept() {
    let dataset = large();
    let found = rows_of(dataset, &["SELECT DISTINCT dosage FROM genotypes ORDER BY dosage DESC"]);
    // nulls come first, as in PostgreSQL
    assert_eq!(found, ["", "2", "1", "0"]);
    let sql = "SELECT pos, sample_index FROM genotypes";
    let first = rows_of(dataset, &[&format!("{sql} WHERE dosage > 0 ORDER BY dosage DESC LIMIT 200")]);
    let mut sorted = rows_of(dataset, &[&format!("{sql} WHERE dosage = 2")]);
    sorted.sort_by_key(|line| line.split(',').map(|field| field.parse().unwrap_or(0)).collect::<Vec<i64>>());
    assert_eq!(first[..], sorted[..200]);
}

/// Rows of a table come as they are read, also where a LIMIT is so large that it leaves nothing out.
#[test]
fn a_large_limit_is_streamed() {
    let dataset = large();
    let sql = "SELECT variant_id, pos, sample_index, gt FROM genotypes";
    let peak = |sql: &str| {
        let out = temp();
        let rows = out.path().join("rows.csv");
        let (dataset, path) = (dataset.to_str().expect("UTF-8"), rows.to_str().expect("UTF-8"));
        let (done, peak) = with_peak(&["query", dataset, sql, "-o", path]);
        done.expect(0);
        (std::fs::metadata(rows).expect("a file").len(), peak)
    };
    let (bytes, streamed) = peak(sql);
    for limit in ["LIMIT 100000000", "OFFSET 1", "LIMIT 4294967295 OFFSET 1"] {
        let (some_bytes, found) = peak(&format!("{sql} {limit}"));
        assert!(bytes - some_bytes < 100, "{limit}: {some_bytes} of {bytes} bytes");
        assert!(found < streamed + streamed / 2, "{limit}: {found} MiB of memory, without it {streamed}");
    }
}

/// A Parquet file has row groups of one size, whatever it is made from.
#[test]
fn row_groups_of_a_result_have_one_size() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    let folder = temp();
    let rows = folder.path().join("rows.parquet");
    let out = rows.to_str().expect("UTF-8");
    let dataset = large().to_str().expect("UTF-8");
    for args in [&["--view", "genotypes", "--region", "chr20:1-10000"][..], &["SELECT pos FROM genotypes LIMIT 200000"]]
    {
        varbatch(&[&["query", dataset, "-o", out][..], args].concat()).expect(0);
        let reader = SerializedFileReader::new(std::fs::File::open(&rows).expect("a file")).expect("Parquet");
        let sizes: Vec<i64> = reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect();
        let (last, others) = sizes.split_last().expect("a row group");
        assert!(
            others.len() > 1 && others.iter().all(|&size| size == 65_536) && *last <= 65_536,
            "{args:?}: {sizes:?}"
        );
    }
}

/// Data of every file but that of the region is destroyed: a query of the region does not see it.
#[test]
fn a_region_does_not_read_the_rest_of_its_contig() {
    let folder = temp();
    let dataset = folder.path().join("ds");
    let sql = "SELECT * FROM genotypes WHERE contig = 'chr20' AND pos BETWEEN 700000 AND 701000";
    for path in files_below(large()) {
        std::fs::create_dir_all(dataset.join(&path).parent().expect("a folder")).expect("a folder");
        std::fs::copy(large().join(&path), dataset.join(&path)).expect("copied");
    }
    let expected = rows_of(&dataset, &[sql]);
    let calls = rows_of(&dataset, &["--region", "chr20:700000-701000"]);
    let mut n_destroyed = 0;
    for table in ["variants", "genotypes"] {
        for file in std::fs::read_dir(dataset.join(table).join("contig=chr20")).expect("a folder") {
            let path = file.expect("a file").path();
            let mut bytes = std::fs::read(&path).expect("a file");
            let (first, last) = positions_of(&path);
            if last < 700_000 || first > 701_000 {
                // pages begin behind the magic number; the footer stays
                let end = bytes.len() / 2;
                bytes[4..end].fill(0);
                std::fs::write(&path, bytes).expect("written");
                n_destroyed += 1;
            }
        }
    }
    assert!(n_destroyed >= 2, "{n_destroyed}");
    assert_eq!(rows_of(&dataset, &[sql]), expected);
    assert_eq!(rows_of(&dataset, &["--region", "chr20:700000-701000"]), calls);
    assert_ne!(varbatch(&["query", dataset.to_str().expect("UTF-8"), "SELECT SUM(ac) AS n FROM variants"]).code, 0);
}

/// Least and largest position of one file.
fn positions_of(path: &Path) -> (i32, i32) {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::statistics::Statistics;
    let reader = SerializedFileReader::new(std::fs::File::open(path).expect("a file")).expect("Parquet");
    let mut bounds = (i32::MAX, i32::MIN);
    for group in reader.metadata().row_groups() {
        let column = group.columns().iter().find(|column| column.column_path().string() == "pos").expect("pos");
        let Some(Statistics::Int32(values)) = column.statistics() else { panic!("no statistics") };
        let (least, most) = (values.min_opt().expect("a value"), values.max_opt().expect("a value"));
        bounds = (bounds.0.min(*least), bounds.1.max(*most));
    }
    bounds
}

#[test]
fn regions_of_reference_blocks() {
    let folder = temp();
    let made = folder.path().join("made");
    let simulated = ["--samples", "3", "--length", "200000", "--seed", "3", "--gvcf"];
    varbatch(&[&["simulate", "-o", made.to_str().expect("UTF-8")][..], &simulated].concat()).expect(0);
    let inputs: Vec<PathBuf> = (1..=3).map(|at| made.join(format!("gvcf/S{at:04}.g.vcf.gz"))).collect();
    let dataset = folder.path().join("ds");
    call(&inputs, &dataset, &["-f", made.join("reference.fa").to_str().expect("UTF-8")]);
    // blocks that end behind a border of the grid of 65,536 bases begin behind it, too
    for (first, last) in [(70_000, 70_100), (65_530, 65_540), (131_073, 131_073), (1, 50)] {
        let touching = format!(
            "SELECT sample_index, start FROM ref_blocks WHERE contig = 'chr1' AND start <= {last} AND start + length > {first}"
        );
        let region = format!("chr1:{first}-{last}");
        let found = rows_of(&dataset, &["SELECT sample_index, start FROM ref_blocks", "--region", &region]);
        assert_eq!(found, rows_of(&dataset, &[&touching]), "{region}");
        assert!(found.len() >= 3, "{region}: {found:?}");
    }
    let found = rows_of(&dataset, &["SELECT pos FROM evidence", "--region", "chr1:70000-90000", "--samples", "S0002"]);
    assert!(!found.is_empty());
}

/// Kinds of plans that a scan of our own must follow.
#[test]
fn sql_of_many_kinds() {
    let folder = temp();
    let dataset = two_contigs(folder.path());
    for (sql, expected) in [
        ("SELECT pos FROM variants ORDER BY pos DESC LIMIT 2", &["30", "20"][..]),
        ("SELECT pos FROM variants WHERE ac > 1 ORDER BY pos DESC LIMIT 1", &["30"]),
        ("SELECT pos, ac FROM variants ORDER BY ac DESC, pos LIMIT 2 OFFSET 1", &["30,3", "20,1"]),
        ("SELECT COUNT(*) AS n FROM variants", &["3"]),
        ("SELECT 7 AS n FROM variants", &["7", "7", "7"]),
        ("SELECT MAX(pos) AS n FROM variants WHERE pos < 0", &[""]),
        ("SELECT pos FROM variants WHERE contig IN ('1', '3') AND pos IN (20, 30)", &["20"]),
        ("SELECT pos FROM variants WHERE NOT (pos BETWEEN 15 AND 25)", &["10", "30"]),
        ("SELECT pos FROM variants WHERE pos > 9.5 AND pos < 20.5 AND contig || 'x' = '1x'", &["10", "20"]),
        ("SELECT pos FROM variants WHERE contig LIKE '2%' OR ref || alt = 'AG'", &["20", "30"]),
        ("SELECT contig, COUNT(*) AS n FROM variants GROUP BY contig HAVING COUNT(*) > 1", &["1,2"]),
        ("SELECT DISTINCT dosage FROM genotypes", &["1", "2"]),
        (
            "SELECT pos FROM variants WHERE variant_id IN (SELECT variant_id FROM genotypes WHERE dosage = 2)",
            &["10", "30"],
        ),
        ("WITH x AS (SELECT pos FROM variants LIMIT 2) SELECT SUM(pos) AS n FROM x", &["30"]),
        ("SELECT a.pos FROM variants a JOIN variants b ON a.contig = b.contig WHERE a.pos < b.pos", &["10"]),
        (
            "SELECT pos FROM variants UNION ALL SELECT pos FROM genotypes WHERE pos = 10",
            &["10", "10", "10", "20", "30"],
        ),
        ("SELECT pos, ROW_NUMBER() OVER (ORDER BY pos DESC) AS n FROM variants", &["10,3", "20,2", "30,1"]),
        (
            "SELECT pos, AVG(ac) OVER (PARTITION BY contig) AS a, SUM(af) OVER (PARTITION BY contig) AS s FROM variants",
            &["10,2.0,1.0", "20,2.0,1.0", "30,3.0,0.75"],
        ),
        (
            "SELECT contig, AVG(CASE WHEN ac > 1 THEN pos END) AS a, STDDEV(ac) AS d FROM variants GROUP BY contig",
            &["1,10.0,1.4142135623730951", "2,30.0,"],
        ),
        ("SELECT pos, filters FROM variants WHERE pos = 10", &["10,"]),
    ] {
        assert_eq!(rows_of(&dataset, &[sql]), expected, "{sql}");
    }
}
