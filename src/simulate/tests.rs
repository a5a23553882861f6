use super::*;
use std::collections::BTreeMap;
use std::io::Read;

fn settings(output: &Path) -> Settings {
    Settings {
        output: output.to_owned(),
        n_samples: 30,
        length_bp: 30_000,
        n_sites: None,
        seed: 1,
        contigs: vec!["chr1".into(), "chr2".into()],
        format: FormatFields::Gt,
        gvcf: None,
        haploid_contigs: Vec::new(),
        missing: 0.01,
        indel_share: 0.1,
        shift_indels: false,
        repeat_share: 0.0,
        overlap_share: 0.0,
        multiallelic_share: 0.03,
        demography: Demography::growth(),
        n_populations: 3,
        mean_depth: 30.0,
        n_low_depth: 0,
        dropout: 0.0,
        plain: false,
        truth: true,
        force: false,
        n_threads: 1,
    }
}

/// With everything that real cohorts have.
fn flawed(output: &Path) -> Settings {
    Settings {
        gvcf: Some(GvcfSettings { false_alleles: 0.01, ..GvcfSettings::default() }),
        haploid_contigs: vec!["chr2".into()],
        indel_share: 0.4,
        shift_indels: true,
        repeat_share: 0.5,
        overlap_share: 0.3,
        n_low_depth: 2,
        dropout: 0.02,
        ..settings(output)
    }
}

fn all_files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files.extend(all_files(&entry));
        } else {
            files.insert(entry.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&entry).unwrap());
        }
    }
    files
}

fn text(path: &Path) -> String {
    let mut text = String::new();
    let file = fs::File::open(path).unwrap();
    noodles_bgzf::io::Reader::new(file).read_to_string(&mut text).unwrap();
    text
}

fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect()
}

#[test]
fn threads_do_not_change_a_byte() {
    let made = |n_threads| {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { n_threads, format: FormatFields::Full, ..flawed(folder.path()) };
        run(&settings).unwrap();
        let mut files = all_files(folder.path());
        let sheet = String::from_utf8(files.remove("inputs.tsv").unwrap()).unwrap();
        assert_eq!(sheet.matches(&*folder.path().to_string_lossy()).count(), 30);
        files
    };
    let (one, three) = (made(1), made(3));
    assert_eq!(one.len(), 5 + 30);
    assert!(one == three);
}

#[test]
fn another_seed_gives_another_cohort() {
    let made = |seed| {
        let folder = tempfile::tempdir().unwrap();
        run(&Settings { seed, plain: true, ..settings(folder.path()) }).unwrap();
        fs::read(folder.path().join("cohort.vcf")).unwrap()
    };
    assert_ne!(made(1), made(2));
}

#[test]
fn sites_are_sorted_as_many_as_asked_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(&Settings { n_sites: Some(1_001), ..settings(folder.path()) }).unwrap();
    assert_eq!(made.n_sites, 1_001);
    let text = text(&folder.path().join("cohort.vcf.gz"));
    let rows = rows(&text);
    let places: Vec<(&str, u32)> = rows.iter().map(|row| (row[0], row[1].parse().unwrap())).collect();
    assert_eq!(places.len(), 1_001);
    assert!(places.is_sorted_by(|a, b| a < b));
    for row in &rows {
        let alleles: Vec<&str> = row[9..].iter().flat_map(|gt| gt.split('/')).collect();
        let copies = |wanted: &str| alleles.iter().filter(|allele| **allele == wanted).count();
        let ac: Vec<String> =
            (1..=row[4].split(',').count()).map(|allele| copies(&allele.to_string()).to_string()).collect();
        assert!(row[7].starts_with(&format!("AC={};AF=", ac.join(","))), "{}", row[7]);
        assert!(row[7].ends_with(&format!(";AN={}", alleles.len() - copies("."))), "{}", row[7]);
    }
}

#[test]
fn the_cohort_is_the_truth_but_for_missing_genotypes() {
    let folder = tempfile::tempdir().unwrap();
    run(&settings(folder.path())).unwrap();
    let (observed, truth) = (text(&folder.path().join("cohort.vcf.gz")), text(&folder.path().join("truth.vcf.gz")));
    let mut n_missing = 0;
    for (observed, truth) in rows(&observed).iter().zip(rows(&truth)) {
        assert_eq!(observed[..5], truth[..5]);
        for (observed, truth) in observed[9..].iter().zip(&truth[9..]) {
            let mut alleles: Vec<&str> = truth.split('|').collect();
            alleles.sort_unstable();
            n_missing += usize::from(*observed == "./.");
            assert!(*observed == "./." || *observed == alleles.join("/"), "{observed} {truth}");
        }
    }
    assert!(n_missing > 0);
}

#[test]
fn a_deleted_haplotype_has_no_other_allele_where_it_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    run(&Settings { plain: true, ..flawed(folder.path()) }).unwrap();
    let truth = fs::read_to_string(folder.path().join("truth.vcf")).unwrap();
    let mut deleted_to: BTreeMap<(&str, usize, usize), usize> = BTreeMap::new();
    let (mut n_spanned, mut before) = (0, ("", 0));
    for row in rows(&truth) {
        let pos: usize = row[1].parse().unwrap();
        assert!(before < (row[0], pos), "not sorted: {row:?}");
        before = (row[0], pos);
        let alleles: Vec<&str> = std::iter::once(row[3]).chain(row[4].split(',')).collect();
        assert_eq!(alleles.iter().position(|allele| *allele == "*").unwrap_or(alleles.len() - 1), alleles.len() - 1);
        for (sample, cell) in row[9..].iter().enumerate() {
            for (copy, allele) in cell.split('|').enumerate() {
                let allele = alleles[allele.parse::<usize>().unwrap()];
                let deleted_to = deleted_to.entry((row[0], sample, copy)).or_default();
                assert_eq!(allele == "*", pos <= *deleted_to, "{row:?}");
                n_spanned += usize::from(allele == "*");
                if allele != "*" && allele.len() < row[3].len() {
                    *deleted_to = pos + row[3].len() - 1;
                }
            }
        }
    }
    assert!(n_spanned > 20, "{n_spanned} copies under deletions");
    assert!(rows(&truth).iter().filter(|row| row[0] == "chr2").all(|row| !row[9].contains('|')));
}

/// Bases after the records of one sample, without overlaps.
fn with_records(reference: &[u8], records: &[(usize, usize, Vec<u8>)]) -> Vec<u8> {
    let (mut bases, mut done) = (Vec::new(), 0);
    for (start, n_bases, allele) in records.iter().filter(|record| record.0 >= 1) {
        if *start >= done {
            bases.extend_from_slice(&reference[done..*start]);
            bases.extend_from_slice(allele);
            done = start + n_bases;
        }
    }
    bases.extend_from_slice(&reference[done..]);
    bases
}

#[test]
fn haploid_gvcfs_spell_the_haplotypes_of_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let all = vec!["chr1".to_string(), "chr2".to_string()];
    let style = GvcfSettings::default();
    let base = settings(folder.path());
    run(&Settings {
        gvcf: Some(style),
        haploid_contigs: all,
        indel_share: 0.5,
        shift_indels: true,
        repeat_share: 0.5,
        mean_depth: 100.0,
        ..base
    })
    .unwrap();
    let fasta = fs::read_to_string(folder.path().join("reference.fa")).unwrap();
    let reference: Vec<u8> = fasta.split('>').nth(1).unwrap().lines().skip(1).collect::<String>().into_bytes();
    let truth = text(&folder.path().join("truth.vcf.gz"));
    let mut n_equal = 0;
    for sample in 0..30 {
        let records = |text: &str, column: usize| -> Vec<(usize, usize, Vec<u8>)> {
            let called = rows(text).into_iter().filter(|row| row[0] == "chr1").filter_map(|row| {
                let allele: usize = row[column].split(':').next()?.parse().ok()?;
                let allele = row[4].split(',').nth(allele.checked_sub(1)?)?.as_bytes().to_vec();
                Some((row[1].parse::<usize>().ok()? - 1, row[3].len(), allele))
            });
            called.collect()
        };
        let gvcf = text(&folder.path().join(format!("gvcf/S{:04}.g.vcf.gz", sample + 1)));
        let (expected, found) = (records(&truth, 9 + sample), records(&gvcf, 9));
        assert!(found.len() + 3 >= expected.len(), "few sites are in gaps");
        n_equal += usize::from(with_records(&reference, &expected) == with_records(&reference, &found));
    }
    assert!(n_equal >= 15, "{n_equal} of 30 haplotypes without a site in a gap");
}

#[test]
fn a_folder_with_a_cohort_is_left_alone_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let first = Settings { plain: true, ..settings(folder.path()) };
    run(&first).unwrap();
    let second = settings(folder.path());
    let error = run(&second).unwrap_err();
    assert_eq!(error.class(), Class::Usage);
    assert!(folder.path().join("cohort.vcf").exists());
    run(&Settings { force: true, ..second }).unwrap();
    assert!(!folder.path().join("cohort.vcf").exists());
    assert!(folder.path().join("cohort.vcf.gz").exists());
}

#[test]
fn settings_that_cannot_be_met_are_usage_errors() {
    let folder = tempfile::tempdir().unwrap();
    let base = settings(folder.path());
    let twice = vec!["a".to_owned(), "a".to_owned()];
    for wrong in [
        Settings { n_sites: Some(1_000_000), ..base.clone() },
        Settings { length_bp: 10, ..base.clone() },
        Settings { contigs: twice, ..base.clone() },
    ] {
        assert_eq!(run(&wrong).unwrap_err().class(), Class::Usage);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
