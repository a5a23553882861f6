//! Kernels of the decoder, the joint call and the writer, with bytes or genotypes per second: `cargo bench --bench kernels`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use varbatch::call::hwe::hwe_exact;
use varbatch::call::joint::frequency::{Class, Model, estimate, qualities};
use varbatch::call::joint::likelihood::{Letter, Likelihoods, project};
use varbatch::columns::genotypes::GenotypesBuilder;
use varbatch::columns::genotypes_file::GenotypesFile;
use varbatch::columns::schema::TableSchemas;
use varbatch::decode::bgzf::Inflater;
use varbatch::decode::gvcf::expected::FixedText;
use varbatch::decode::gvcf::{Block, FilterNames, RecordParser, record};
use varbatch::decode::header::Header;
use varbatch::decode::lines::LineReader;
use varbatch::decode::samples::SampleColumns;
use varbatch::evidence::canonical::Canonical;
use varbatch::evidence::{BlockWriter, Blocks, cell_end, grid_cell, read_blocks};
use varbatch::genome::genotype::GtTable;

const N_SAMPLES: usize = 2_500;

/// Sample columns with `rate` of 256 calls not reference, and `fields` behind GT.
fn sample_columns(rate: u32, fields: &str) -> Vec<u8> {
    let mut state = 12345u32;
    let cells: Vec<String> = (0..N_SAMPLES)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let gt = if state >> 24 < rate { "0|1" } else { "0|0" };
            format!("{gt}{fields}")
        })
        .collect();
    cells.join("\t").into_bytes()
}

fn genotypes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("genotypes");
    group.throughput(Throughput::Elements(N_SAMPLES as u64));
    for (name, rate, fields, n_slots) in [
        ("fixed stride, rare", 2, "", 1),
        ("fixed stride, 17 %", 44, "", 1),
        ("with fields", 44, ":30,0:30:90:0,90,900", 5),
    ] {
        let text = sample_columns(rate, fields);
        let (mut columns, mut table) = (SampleColumns::default(), GtTable::new());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                columns.read(black_box(&text), N_SAMPLES, Some(0), n_slots, &mut table).expect("genotypes");
                columns.not_reference.len()
            });
        });
    }
    group.finish();
}

fn bgzf(criterion: &mut Criterion) {
    let line = sample_columns(44, "");
    let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
    let mut n_bytes = 0;
    for i in 0..200 {
        write!(writer, "chr1\t{i}\t.\tA\tC\t.\tPASS\t.\tGT\t").expect("memory");
        writer.write_all(&line).expect("memory");
        writer.write_all(b"\n").expect("memory");
        n_bytes += line.len() + 30;
    }
    let packed = writer.finish().expect("memory");
    let mut group = criterion.benchmark_group("bgzf");
    group.throughput(Throughput::Bytes(n_bytes as u64));
    group.bench_function("inflate with checksum", |bencher| {
        let (mut inflater, mut text) = (Inflater::default(), Vec::new());
        bencher.iter(|| {
            let mut at = 0;
            while at < packed.len() {
                text.clear();
                at = inflater.append_block(black_box(&packed), at, &mut text).expect("a block");
            }
        });
    });
    group.bench_function("lines", |bencher| {
        bencher.iter(|| {
            let mut lines = LineReader::of_blocks(black_box(&packed), 0).expect("blocks");
            let mut n = 0;
            while let Some(line) = lines.next_line().expect("a line") {
                n += line.len();
            }
            n
        });
    });
    group.finish();
}

fn hardy_weinberg(criterion: &mut Criterion) {
    criterion.bench_function("hwe_exact, 2,500 calls, common", |bencher| {
        bencher.iter(|| hwe_exact(black_box(900), black_box(1200), black_box(400)));
    });
}

/// `n` samples that each differ, with `n_alts` alternate alleles at the site, and 40 classes of reference calls.
fn site(n: u32, n_alts: u16) -> Vec<Class> {
    let reference = (1..=40).map(|gq| Class {
        likelihoods: Likelihoods { ploidy: 2, alleles: vec![0], pl: vec![0, 2 * gq, 30 * gq] },
        n: 60,
    });
    let carrier = |i: u32| {
        let (alt, far) = (1 + (i % u32::from(n_alts)) as u16, 300 + i % 911);
        let pl = if i.is_multiple_of(3) { [far, 60 + i % 31, 0] } else { [far, 0, far + 17] };
        Class {
            likelihoods: Likelihoods { ploidy: 2, alleles: vec![0, alt], pl: [pl, [900, 900, 1_800]].concat() },
            n: 1,
        }
    };
    let mut classes: Vec<Class> = reference.chain((0..n).map(carrier)).collect();
    classes.sort_by(|a, b| a.likelihoods.cmp(&b.likelihoods));
    classes
}

fn joint(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("joint");
    for (name, n, n_alts) in [
        ("frequencies and QUAL, 3 carriers", 3, 1),
        ("frequencies and QUAL, 2,500 carriers", 2_500, 1),
        ("frequencies and QUAL, 2,500 carriers of 20 alleles", 2_500, 20),
    ] {
        let classes = site(n, n_alts);
        let pseudo_counts: Vec<f64> = std::iter::once(10.0).chain(vec![0.01; usize::from(n_alts)]).collect();
        let model =
            Model { pseudo_counts: &pseudo_counts, spanning_deletion: None, tolerance: 1e-6, max_iterations: 200 };
        group.throughput(Throughput::Elements(classes.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let found = estimate(black_box(&classes), &model);
                qualities(&classes, &found, &model)
            });
        });
    }
    group.throughput(Throughput::Elements(1));
    let pl = [120, 0, 300, 155, 330, 480];
    for (name, letters) in [
        ("projection, own alleles", [Letter::Site(0), Letter::Site(1), Letter::Unseen]),
        ("projection, folded into REF", [Letter::Site(0), Letter::Site(0), Letter::Unseen]),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| project(black_box(&pl), 2, black_box(&letters))));
    }
    group.finish();
}

/// Lines of reference blocks of one sample as HaplotypeCaller writes them.
fn block_lines(n: i32) -> Vec<String> {
    let line = |i: i32| {
        let (start, dp) = (100 + 25 * i, 20 + i * 7 % 31);
        let (gq, end) = ((3 * dp).min(99), start + 20 + i % 5);
        let min_dp = dp - i % 4;
        format!(
            "chr20\t{start}\t.\tA\t<NON_REF>\t.\t.\tEND={end}\tGT:DP:GQ:MIN_DP:PL\t0/0:{dp}:{gq}:{min_dp}:0,{gq},{}",
            gq * 14 + i % 9
        )
    };
    (0..n).map(line).collect()
}

fn evidence(criterion: &mut Criterion) {
    const N_BLOCKS: i32 = 200_000;
    let lines = block_lines(N_BLOCKS);
    let dialect = varbatch::decode::gvcf::dialect::by_name("gatk").expect("a dialect");
    let mut parser = RecordParser::new(dialect, 1);
    let mut filters = FilterNames::default();
    let (index, vcf_pos) = record::index(lines[0].as_bytes()).expect("a record");
    let mut cells = Vec::new();
    parser.read(index.view(lines[0].as_bytes()), vcf_pos, &mut filters, &mut cells).expect("a record");
    let chrom = FixedText::new(b"chr20\t", None).expect("a short name");
    let mut parse = |line: &String| {
        let (vcf_pos, at) = record::expected_pos(line.as_bytes(), &chrom)?;
        parser.expected_block(line.as_bytes(), at, vcf_pos)
    };
    let mut group = criterion.benchmark_group("evidence");
    group.throughput(Throughput::Elements(N_BLOCKS as u64));
    group.bench_function("parse blocks", |bencher| bencher.iter(|| lines.iter().filter_map(&mut parse).count()));
    let blocks: Vec<Block> = lines.iter().filter_map(&mut parse).collect();
    assert_eq!(blocks.len(), lines.len());
    group.bench_function("one form of blocks", |bencher| {
        bencher.iter(|| {
            let (mut sample, mut n, mut end) = (Canonical::new(false), 0, 0);
            for block in &blocks {
                while block.start > end {
                    sample.end_cell(&filters, &mut |_| n += 1);
                    end = cell_end(grid_cell(end + 1));
                    sample.start_cell(end, &filters, &mut |_| n += 1);
                }
                sample.push(*block, end, &filters, &mut |_| n += 1);
            }
            sample.end_cell(&filters, &mut |_| n += 1);
            n
        });
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("part.parquet");
    let write = || {
        let mut writer = BlockWriter::new(std::fs::File::create(&path).expect("a file"), &path).expect("a writer");
        writer.start_contig(0, "chr20", &filters).expect("begins");
        for (i, block) in blocks.iter().enumerate() {
            writer.push(i as u32 % 64, block, &filters).expect("writes");
        }
        writer.finish(&filters).expect("ends").0
    };
    group.bench_function("write blocks", |bencher| bencher.iter(write));
    let written = write();
    let sites: Vec<i32> = (1..written.contigs[0].last_pos).step_by(200).collect();
    group.bench_function("read blocks over sites", |bencher| {
        bencher.iter(|| {
            let mut found = Blocks::default();
            read_blocks(&path.as_path().into(), &written.contigs[0], &sites, &mut found).expect("reads");
            found.len()
        });
    });
    group.finish();
}

/// A row group of `genotypes`: 40 variants of 2,500 samples of which 1,000 carry, encoded and compressed.
fn row_group(criterion: &mut Criterion) {
    const VARIANTS: i32 = 40;
    const CARRIERS: usize = 1_000;
    let header = b"##fileformat=VCFv4.2\n##contig=<ID=1>\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\n";
    let schemas = TableSchemas::new(&Header::parse(header).expect("a header"), true);
    let schema = schemas.genotypes.clone().expect("a cohort with samples");
    let texts = ["0|1".to_string(), "1|0".to_string(), "1|1".to_string()];
    let samples: Vec<u32> = (0..N_SAMPLES as u32).filter(|sample| sample * 2 % 5 < 2).take(CARRIERS).collect();
    let codes: Vec<u16> = samples.iter().map(|sample| (sample * 7 % 11 % 3) as u16).collect();
    let mut group = criterion.benchmark_group("row group");
    group.throughput(Throughput::Elements(VARIANTS as u64 * samples.len() as u64));
    group.bench_function("GT only", |bencher| {
        bencher.iter(|| {
            let mut file = GenotypesFile::new(Vec::new(), &schema, "1", N_SAMPLES).expect("a file");
            let mut rows = GenotypesBuilder::new(&schemas).expect("a cohort with samples");
            let layout = rows.layout(b"GT");
            for pos in 0..VARIANTS {
                rows.start_run(i64::from(pos), pos);
                rows.push_calls(0, black_box(&samples), black_box(&codes), &[0, 1, 2]);
                rows.end_calls(samples.len(), &layout);
            }
            file.write(&mut rows, &texts, Path::new("memory")).expect("rows");
            file.finish(&texts, Path::new("memory")).expect("a file").1.len()
        });
    });
    group.finish();
}

criterion_group!(kernels, row_group, genotypes, bgzf, hardy_weinberg, joint, evidence);
criterion_main!(kernels);
