//! Joint calling of random small cohorts: what must not depend on how the work is divided, on the order of the files, or
//! on how the same thing is written; and what a plain reading of the gVCFs says of every call.
//!
//! The genome is 2 kb of repeats of few letters with all variants in a window of 80 bp, through which the border of two
//! call shards goes (they begin at multiples of 1,000 bp, plus 1), and a contig of 60 bp.

use super::alleles;
use super::common::*;
use super::inputs::{assert_same_rows, rows};
use super::tables;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const CONTIGS: [(&str, usize); 2] = [("c1", 2_100), ("c2", 60)];
/// Bases that have variants.
const WINDOW_BP: usize = 80;
const N_SAMPLES: usize = 8;

/// An alternate allele before it is written.
#[derive(Clone, Debug)]
enum Alt {
    Snv(u8),
    Deletion(usize),
    /// So many of the bases that follow, once more.
    Repeat(usize),
    Insertion(String),
    Star,
}

/// One record of a sample before it is written.
#[derive(Clone, Debug)]
struct Draft {
    sample: usize,
    on_second: bool,
    at: usize,
    alts: Vec<Alt>,
    /// Alleles of the genotype, modulo the number there is.
    copies: Vec<u8>,
    likelihoods: Vec<u16>,
    is_called: bool,
}

/// Blocks of one sample: where they end, their GQ; none: nothing known.
type Blocks = Vec<(usize, Option<u8>)>;

/// A cohort before it is written.
#[derive(Clone)]
struct Plan {
    drafts: Vec<Draft>,
    blocks: Vec<Blocks>,
    ploidies: Vec<u8>,
    repeats: Vec<(String, usize)>,
    /// Bases of the window left of the border.
    offset: usize,
}

fn alt_strategy() -> impl Strategy<Value = Alt> {
    prop_oneof![
        4 => (0u8..4).prop_map(Alt::Snv),
        3 => (1usize..7).prop_map(Alt::Deletion),
        2 => (1usize..5).prop_map(Alt::Repeat),
        1 => "[AC]{1,3}".prop_map(Alt::Insertion),
        1 => Just(Alt::Star),
    ]
}

fn draft_strategy() -> impl Strategy<Value = Draft> {
    (
        (0..N_SAMPLES, prop::bool::weighted(0.15), 0..WINDOW_BP),
        vec(alt_strategy(), 1..4),
        vec(0u8..6, 3),
        vec(1u16..400, 60),
        prop::bool::weighted(0.93),
    )
        .prop_map(|((sample, on_second, at), alts, copies, likelihoods, is_called)| Draft {
            sample,
            on_second,
            at,
            alts,
            copies,
            likelihoods,
            is_called,
        })
}

fn plan_strategy() -> impl Strategy<Value = Plan> {
    let gq = prop_oneof![6 => (20u8..99).prop_map(Some), 1 => Just(Some(0)), 1 => Just(None)];
    (
        vec(draft_strategy(), 1..40),
        vec(vec((0..WINDOW_BP, gq), 0..8), N_SAMPLES),
        vec(prop_oneof![6 => Just(2u8), 1 => Just(1), 1 => Just(3)], N_SAMPLES),
        vec(("[AC]{1,3}|[ACGT]{4}", 2usize..7), 40),
        0..WINDOW_BP,
    )
        .prop_map(|(drafts, blocks, ploidies, repeats, offset)| Plan { drafts, blocks, ploidies, repeats, offset })
}

/// One record as it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    contig: usize,
    /// 1-based.
    pos: usize,
    ref_allele: String,
    /// Without `<NON_REF>`.
    alts: Vec<String>,
    format: String,
    cell: String,
}

/// A reference block: contig, first and last base (1-based), FORMAT values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Block {
    contig: usize,
    start: usize,
    end: usize,
    cell: String,
}

/// What one file has.
#[derive(Clone, Debug, Default)]
struct Sample {
    records: Vec<Record>,
    blocks: Vec<Block>,
}

struct Cohort {
    reference: [String; 2],
    samples: Vec<Sample>,
}

/// First base of the window on a contig, 0-based.
fn window(plan: &Plan, contig: usize) -> usize {
    if contig == 0 { 1_000 - plan.offset } else { 0 }
}

fn genotypes(n_alleles: usize, ploidy: usize) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    for _ in 0..ploidy {
        all = all
            .iter()
            .flat_map(|found| {
                (found.last().copied().unwrap_or(0)..n_alleles).map(move |a| [found.clone(), vec![a]].concat())
            })
            .collect();
    }
    // the order of VCF: the highest allele decides first
    all.sort_by_key(|genotype| genotype.iter().rev().copied().collect::<Vec<_>>());
    all
}

/// What is written, so that a failure can be read.
impl std::fmt::Debug for Plan {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        let cohort = self.cohort();
        writeln!(out, "window {:?}", &cohort.reference[0][window(self, 0)..][..WINDOW_BP])?;
        for (rank, sample) in cohort.samples.iter().enumerate() {
            let text = sample.text(&format!("s{rank}"), &cohort.reference, Writing::default());
            text.lines().filter(|line| !line.starts_with('#')).try_for_each(|line| writeln!(out, "s{rank} {line}"))?;
        }
        Ok(())
    }
}

impl Plan {
    fn reference(&self) -> [String; 2] {
        let mut text: String = self.repeats.iter().map(|(unit, n)| unit.repeat(*n)).collect();
        while text.len() < 200 {
            text += "ACCAACAT";
        }
        // the letters of the window move with it
        let first = 1_000 - self.offset - 20;
        let left: String = "GATTACAT".chars().cycle().take(first).collect();
        let right: String = "TTGACGCA".chars().cycle().take(CONTIGS[0].1).collect();
        let mut long = left + &text[..120] + &right;
        long.truncate(CONTIGS[0].1);
        [long, text[..CONTIGS[1].1].to_string()]
    }

    fn cohort(&self) -> Cohort {
        let reference = self.reference();
        let mut samples = vec![Sample::default(); N_SAMPLES];
        let mut taken = BTreeSet::new();
        for draft in &self.drafts {
            let contig = usize::from(draft.on_second);
            let at = window(self, contig) + draft.at % if contig == 1 { CONTIGS[1].1 } else { WINDOW_BP };
            // one record of a sample starts at a base
            if taken.insert((draft.sample, contig, at)) {
                let record = draft.record(&reference[contig], contig, at, self.ploidies[draft.sample]);
                samples[draft.sample].records.extend(record);
            }
        }
        for (rank, sample) in samples.iter_mut().enumerate() {
            sample.records.sort();
            for contig in 0..CONTIGS.len() {
                let blocks = self.blocks_of(rank, contig, &sample.records);
                sample.blocks.extend(blocks);
            }
        }
        Cohort { reference, samples }
    }

    /// Blocks in the gaps between the records of a contig.
    fn blocks_of(&self, sample: usize, contig: usize, records: &[Record]) -> Vec<Block> {
        let n_bases = CONTIGS[contig].1;
        let mut quality = vec![Some(50u8); n_bases];
        let start = window(self, contig);
        let mut from = start;
        for (at, gq) in &self.blocks[sample] {
            let to = (start + at).min(n_bases);
            quality.get_mut(from.min(to)..to).expect("in the contig").fill(*gq);
            from = to;
        }
        let mut is_free = vec![true; n_bases];
        for record in records.iter().filter(|record| record.contig == contig) {
            is_free[record.pos - 1..(record.pos - 1 + record.ref_allele.len()).min(n_bases)].fill(false);
        }
        let mut blocks: Vec<Block> = Vec::new();
        for at in (0..n_bases).filter(|at| is_free[*at]) {
            let Some(gq) = quality[at] else { continue };
            let cell = block_cell(gq, self.ploidies[sample]);
            match blocks.last_mut().filter(|block| block.end == at && block.cell == cell) {
                Some(block) => block.end = at + 1,
                None => blocks.push(Block { contig, start: at + 1, end: at + 1, cell }),
            }
        }
        blocks
    }
}

fn block_cell(gq: u8, ploidy: u8) -> String {
    let (gt, pl) = match ploidy {
        1 => ("0", format!("0,{gq}")),
        2 => ("0/0", format!("0,{gq},{}", u32::from(gq) * 10)),
        _ => ("0/0/0", format!("0,{gq},{},{}", u32::from(gq) * 5, u32::from(gq) * 10)),
    };
    let dp = gq / 3;
    format!("{gt}:{dp}:{gq}:{dp}:{pl}")
}

impl Draft {
    /// REF as long as the longest deletion, ALTs without repetition; none where no alternate is possible.
    fn record(&self, reference: &str, contig: usize, at: usize, ploidy: u8) -> Option<Record> {
        let left = reference.len() - at;
        let deleted = |alt: &Alt| if let Alt::Deletion(n) = alt { *n } else { 0 };
        let n_ref = (1 + self.alts.iter().map(deleted).max().unwrap_or(0)).min(left);
        let ref_allele = &reference[at..at + n_ref];
        let mut alts: Vec<String> = Vec::new();
        for alt in &self.alts {
            let text = match alt {
                Alt::Snv(base) => format!("{}{}", char::from(b"ACGT"[usize::from(*base)]), &ref_allele[1..]),
                Alt::Deletion(n) if *n < n_ref => format!("{}{}", &ref_allele[..1], &ref_allele[1 + n..]),
                Alt::Deletion(_) => continue,
                Alt::Repeat(n) => format!("{}{}", &reference[at..at + (1 + n).min(left)], &ref_allele[1..]),
                Alt::Insertion(bases) => format!("{}{bases}{}", &ref_allele[..1], &ref_allele[1..]),
                Alt::Star => "*".to_string(),
            };
            if text != ref_allele && !alts.contains(&text) {
                alts.push(text);
            }
        }
        if alts.iter().all(|alt| alt == "*") {
            return None;
        }
        let (format, cell) = self.cell(alts.len(), usize::from(ploidy));
        Some(Record { contig, pos: at + 1, ref_allele: ref_allele.to_string(), alts, format, cell })
    }

    fn cell(&self, n_alts: usize, ploidy: usize) -> (String, String) {
        let mut called: Vec<usize> =
            self.copies[..ploidy].iter().map(|copy| usize::from(*copy) % (n_alts + 1)).collect();
        called.sort_unstable();
        let all = genotypes(n_alts + 2, ploidy);
        let pl: Vec<u16> = all
            .iter()
            .enumerate()
            .map(
                |(rank, genotype)| {
                    if *genotype == called { 0 } else { self.likelihoods[rank % self.likelihoods.len()] }
                },
            )
            .collect();
        let gq = pl.iter().filter(|pl| **pl > 0).min().copied().unwrap_or(0).min(99);
        let join = |values: Vec<String>, by: &str| values.join(by);
        let gt = if self.is_called {
            join(called.iter().map(usize::to_string).collect(), "/")
        } else {
            join(vec![".".to_string(); ploidy], "/")
        };
        let depth =
            |allele: usize| called.iter().filter(|copy| **copy == allele).count() * 7 + usize::from(allele == 0);
        let ad: Vec<usize> = (0..n_alts + 2).map(depth).collect();
        let dp: usize = ad.iter().sum();
        let ad = join(ad.iter().map(usize::to_string).collect(), ",");
        let pl = join(pl.iter().map(u16::to_string).collect(), ",");
        // uncalled with likelihoods would be a file of CombineGVCFs
        let rest = if self.is_called { format!("{gq}:{pl}") } else { ".:.".to_string() };
        ("GT:AD:DP:GQ:PL".to_string(), format!("{gt}:{ad}:{dp}:{rest}"))
    }
}

/// Ways to write the same.
#[derive(Clone, Copy, Default)]
struct Writing {
    /// Blocks are cut every so many bases.
    block_bp: Option<usize>,
}

/// The head of a gVCF of these samples.
fn header(samples: &[&str]) -> String {
    let mut text = String::from(
        "##fileformat=VCFv4.2\n\
         ##GVCFBlock0-1=minGQ=0(inclusive),maxGQ=1(exclusive)\n\
         ##ALT=<ID=NON_REF,Description=\"any\">\n\
         ##INFO=<ID=END,Number=1,Type=Integer,Description=\"end\">\n\
         ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"gt\">\n\
         ##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"ad\">\n\
         ##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"dp\">\n\
         ##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"gq\">\n\
         ##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description=\"dp\">\n\
         ##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"pl\">\n",
    );
    for (contig, n_bases) in CONTIGS {
        text += &format!("##contig=<ID={contig},length={n_bases}>\n");
    }
    text + &format!("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}\n", samples.join("\t"))
}

impl Sample {
    /// Its lines with contig and position, without those of other samples.
    fn lines(&self, reference: &[String; 2], writing: Writing) -> Vec<(usize, usize, String)> {
        let mut lines: Vec<(usize, usize, String)> = Vec::new();
        for record in &self.records {
            let Record { contig, pos, ref_allele, alts, format, cell } = record;
            let (name, alts) = (CONTIGS[*contig].0, alts.join(","));
            let line = format!("{name}\t{pos}\t.\t{ref_allele}\t{alts},<NON_REF>\t30\t.\t.\t{format}\t{cell}");
            lines.push((*contig, *pos, line));
        }
        for block in &self.blocks {
            let mut start = block.start;
            while start <= block.end {
                let end = writing.block_bp.map_or(block.end, |bp| block.end.min(start / bp * bp + bp - 1));
                let (name, base) = (CONTIGS[block.contig].0, &reference[block.contig][start - 1..start]);
                let columns = format!("{name}\t{start}\t.\t{base}\t<NON_REF>\t.\t.\tEND={end}");
                let line = format!("{columns}\tGT:DP:GQ:MIN_DP:PL\t{}", block.cell);
                lines.push((block.contig, start, line));
                start = end + 1;
            }
        }
        lines.sort();
        lines
    }

    fn text(&self, name: &str, reference: &[String; 2], writing: Writing) -> String {
        let lines = self.lines(reference, writing);
        header(&[name]) + &lines.into_iter().map(|line| line.2 + "\n").collect::<String>()
    }
}

/// Two samples in one file: each line is about one of them.
fn text_of_two(samples: [(&str, &Sample); 2], reference: &[String; 2]) -> String {
    let mut lines = samples[0].1.lines(reference, Writing::default());
    lines.iter_mut().for_each(|line| line.2 += "\t.\n");
    for (contig, pos, line) in samples[1].1.lines(reference, Writing::default()) {
        let (columns, cell) = line.rsplit_once('\t').expect("columns");
        lines.push((contig, pos, format!("{columns}\t./.\t{cell}\n")));
    }
    lines.sort();
    header(&[samples[0].0, samples[1].0]) + &lines.into_iter().map(|line| line.2).collect::<String>()
}

impl Cohort {
    /// One file a sample, in `folder`.
    fn write(&self, folder: &Path, writing: Writing) -> Vec<PathBuf> {
        std::fs::create_dir_all(folder).expect("a folder");
        let one = |(rank, sample): (usize, &Sample)| {
            let name = format!("s{rank}");
            write(folder, &format!("{name}.g.vcf"), sample.text(&name, &self.reference, writing))
        };
        self.samples.iter().enumerate().map(one).collect()
    }

    fn write_reference(&self, folder: &Path) -> PathBuf {
        let contigs = CONTIGS.iter().zip(&self.reference);
        write(folder, "ref.fa", contigs.map(|((name, _), bases)| format!(">{name}\n{bases}\n")).collect::<String>())
    }
}

/// Parts that a table has.
fn n_parts(dataset: &Path, table: &str) -> usize {
    tables::files(dataset, table).len()
}

fn settings(cases: u32) -> ProptestConfig {
    let cases = if std::env::var_os("VARBATCH_BIG").is_some() { cases * 30 } else { cases };
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 100, ..ProptestConfig::default() }
}

/// `call` with the reference.
fn joint(inputs: &[PathBuf], dataset: &Path, fasta: &Path, extra: &[&str]) {
    let extra = [&["-f", fasta.to_str().expect("UTF-8"), "--quiet"], extra].concat();
    call(inputs, dataset, &extra);
}

proptest! {
    #![proptest_config(settings(14))]

    #[test]
    fn nothing_depends_on_shards_threads_order_of_files_and_cuts_of_blocks(
        plan in plan_strategy(),
        min_qual in prop_oneof![Just("0"), Just("30")],
        rules in prop_oneof![
            3 => Just(&[][..]),
            1 => Just(&["--preset", "gatk"][..]),
            1 => Just(&["--prior", "cohort", "--calls", "all"][..]),
        ],
        block_bp in 1usize..40,
        turn in 1..N_SAMPLES,
    ) {
        let folder = temp();
        let folder = folder.path();
        let cohort = plan.cohort();
        let fasta = cohort.write_reference(folder);
        let inputs = cohort.write(&folder.join("in"), Writing::default());
        let usual = [&["--min-qual", min_qual], rules].concat();
        let whole = folder.join("whole.ds");
        joint(&inputs, &whole, &fasta, &usual);
        varbatch(&["verify".as_ref(), whole.as_os_str()]).expect(0);
        let expected = rows(&whole);

        let mut turned = inputs.clone();
        turned.rotate_left(turn);
        turned.swap(0, N_SAMPLES / 2);
        let other = folder.join("turned.ds");
        joint(&turned, &other, &fasta, &usual);
        prop_assert_eq!(differing_files(&whole, &other), Vec::<PathBuf>::new(), "files in another order");

        let cut = [&usual[..], &["--shard-size", "1"]].concat();
        let mut first = None;
        for threads in ["1", "2", "7"] {
            let dataset = folder.join(format!("cut{threads}.ds"));
            joint(&inputs, &dataset, &fasta, &[&cut[..], &["--threads", threads]].concat());
            let first = first.get_or_insert_with(|| dataset.clone());
            prop_assert_eq!(differing_files(first, &dataset), Vec::<PathBuf>::new(), "{} threads", threads);
        }
        let cut = first.expect("a dataset");
        varbatch(&["verify".as_ref(), cut.as_os_str()]).expect(0);
        assert_same_rows(&expected, &rows(&cut), "cut into shards");

        let inputs = cohort.write(&folder.join("split"), Writing { block_bp: Some(block_bp) });
        let other = folder.join("split.ds");
        joint(&inputs, &other, &fasta, &usual);
        assert_same_rows(&expected, &rows(&other), "blocks cut");
        let blocks = |dataset: &Path| tables::read(dataset, "ref_blocks", &[]);
        prop_assert!(blocks(&whole) == blocks(&other), "blocks cut: ref_blocks");

        let name = |rank: usize| format!("s{rank}");
        let in_twos = (0..N_SAMPLES / 2).map(|rank| {
            let (first, second) = (name(2 * rank), name(2 * rank + 1));
            let [a, b] = [2 * rank, 2 * rank + 1].map(|rank| &cohort.samples[rank]);
            write(folder, &format!("two{rank}.g.vcf"), text_of_two([(&first, a), (&second, b)], &cohort.reference))
        });
        let other = folder.join("twos.ds");
        joint(&in_twos.collect::<Vec<_>>(), &other, &fasta, &usual);
        assert_same_rows(&expected, &rows(&other), "two samples in a file");
    }
}

/// An allele of a record after trimming and left-alignment: 0-based start, REF, ALT.
fn normalised(reference: &str, record: &Record, alt: &str) -> (usize, String, String) {
    alleles::normalised(reference.as_bytes(), record.pos - 1, &record.ref_allele, alt)
}

/// What a record's allele is at a base (0-based), seen from an allele that starts there.
fn seen_from(reference: &str, record: &Record, allele: usize, at: usize, row: &(String, String)) -> &'static str {
    if allele == 0 {
        return "0";
    }
    let alt = &record.alts[allele - 1];
    if alt == "*" {
        return "2";
    }
    let (start, ref_allele, alt) = normalised(reference, record, alt);
    let is_deleted = at >= start + alt.len() && at < start + ref_allele.len();
    match start == at {
        true if (&ref_allele, &alt) == (&row.0, &row.1) => "1",
        true => "2",
        false if is_deleted => "2",
        false => "0",
    }
}

/// Whether a record says something of a base: it is in REF as written, one of the alleles starts there when aligned, or
/// a copy of the genotype deletes it.
fn speaks_at(reference: &str, record: &Record, at: usize) -> bool {
    let written = (record.pos - 1)..(record.pos - 1 + record.ref_allele.len());
    let gt: Vec<&str> = record.cell.split(':').next().expect("GT").split('/').collect();
    let speaks = |(index, alt): (usize, &String)| {
        let (start, ref_allele, aligned) = normalised(reference, record, alt);
        let is_called = gt.contains(&(index + 1).to_string().as_str());
        start == at || (is_called && (start + aligned.len()..start + ref_allele.len()).contains(&at))
    };
    written.contains(&at) || record.alts.iter().enumerate().filter(|(_, alt)| *alt != "*").any(speaks)
}

/// The genotype that a plain reading gives: `None` where it takes a rule for several records, no copies where it is
/// missing.
fn plain_call(
    cohort: &Cohort,
    sample: &Sample,
    contig: usize,
    at: usize,
    row: &(String, String),
) -> Option<Vec<String>> {
    let reference = &cohort.reference[contig];
    let here: Vec<&Record> =
        sample.records.iter().filter(|record| record.contig == contig && speaks_at(reference, record, at)).collect();
    let called: Vec<&&Record> = here.iter().filter(|record| !record.cell.starts_with('.')).collect();
    match called[..] {
        [] => {
            let covers = |block: &&Block| block.contig == contig && (block.start..=block.end).contains(&(at + 1));
            let Some(block) = sample.blocks.iter().find(covers) else { return Some(Vec::new()) };
            let values: Vec<&str> = block.cell.split(':').collect();
            let is_call = values[2] != "0";
            Some(if is_call { values[0].split('/').map(str::to_string).collect() } else { Vec::new() })
        }
        [record] => {
            let gt = record.cell.split(':').next()?.split('/');
            let mut copies: Vec<String> =
                gt.map(|copy| seen_from(reference, record, copy.parse().expect("a number"), at, row).into()).collect();
            copies.sort();
            Some(copies)
        }
        _ => None,
    }
}

/// Every call of the tables against a plain reading, and the counts against the calls. Returns how many were compared.
fn assert_plain_reading(cohort: &Cohort, dataset: &Path) -> usize {
    let variants = tables::read(dataset, "variants", &["variant_id", "contig", "pos", "ref", "alt", "ac", "an"]);
    let columns = ["variant_id", "contig", "pos", "ref", "alt", "ac", "an"].map(|name| variants.column(name));
    let calls = tables::read(dataset, "genotypes", &["variant_id", "sample_index", "gt"]);
    let columns_of_calls = ["variant_id", "sample_index", "gt"].map(|name| calls.column(name));
    let mut found: BTreeMap<(&str, usize), Vec<String>> = BTreeMap::new();
    for row in &calls.rows {
        let [id, sample, gt] = columns_of_calls.map(|column| row[column].as_str());
        let mut copies: Vec<String> = gt.split(['/', '|']).map(str::to_string).collect();
        copies.sort();
        found.insert((id, sample.parse().expect("an index")), copies);
    }
    let mut n_compared = 0;
    let mut written = BTreeSet::new();
    for row in &variants.rows {
        let [id, contig, pos, ref_allele, alt, ac, an] = columns.map(|column| row[column].as_str());
        let contig = CONTIGS.iter().position(|(name, _)| *name == contig).expect("a contig");
        let at = pos.parse::<usize>().expect("a position") - 1;
        let allele = (ref_allele.to_string(), alt.to_string());
        let copies = |wanted: &[&str]| -> usize {
            let of_sample = |sample| found[&(id, sample)].iter().filter(|copy| wanted.contains(&copy.as_str())).count();
            (0..cohort.samples.len()).map(of_sample).sum()
        };
        assert_eq!(
            (copies(&["1"]).to_string(), copies(&["0", "1", "2"]).to_string()),
            (ac.into(), an.into()),
            "{row:?}"
        );
        written.insert((contig, at, ref_allele.to_string(), alt.to_string()));
        if alt == "*" {
            continue;
        }
        for (rank, sample) in cohort.samples.iter().enumerate() {
            let Some(expected) = plain_call(cohort, sample, contig, at, &allele) else { continue };
            let found = &found[&(id, rank)];
            let is_missing = found.iter().all(|copy| copy == ".");
            n_compared += 1;
            assert!(
                if expected.is_empty() { is_missing } else { *found == expected },
                "s{rank} at {}:{pos} {ref_allele}>{alt}: {found:?}, expected {expected:?}",
                CONTIGS[contig].0
            );
        }
    }
    assert_called_alleles(cohort, &written);
    n_compared
}

/// Every allele that the only record of a sample there is called with has a row.
fn assert_called_alleles(cohort: &Cohort, written: &BTreeSet<(usize, usize, String, String)>) {
    for sample in &cohort.samples {
        for record in sample.records.iter().filter(|record| !record.cell.starts_with('.')) {
            let reference = &cohort.reference[record.contig];
            for copy in record.cell.split(':').next().expect("GT").split('/') {
                let Some(alt) = record.alts.get(copy.parse::<usize>().expect("a number").wrapping_sub(1)) else {
                    continue;
                };
                let (start, ref_allele, alt) = normalised(reference, record, alt);
                let others = sample.records.iter().filter(|other| {
                    other.contig == record.contig && *other != record && speaks_at(reference, other, start)
                });
                if alt != "*" && others.count() == 0 {
                    let allele = (record.contig, start, ref_allele, alt);
                    assert!(written.contains(&allele), "{allele:?} has no row");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(settings(24))]

    #[test]
    fn calls_are_what_a_plain_reading_says(plan in plan_strategy()) {
        let folder = temp();
        let folder = folder.path();
        let cohort = plan.cohort();
        let fasta = cohort.write_reference(folder);
        let inputs = cohort.write(&folder.join("in"), Writing::default());
        let dataset = folder.join("ds");
        joint(&inputs, &dataset, &fasta, &["--min-qual", "0", "--calls", "all"]);
        let n_compared = assert_plain_reading(&cohort, &dataset);
        prop_assert!(n_compared > 0 || tables::read(&dataset, "variants", &["pos"]).rows.is_empty());
    }
}

proptest! {
    #![proptest_config(settings(8))]

    /// The same people twice, one more who is reference everywhere, and one of whom nothing is known.
    #[test]
    fn more_samples_change_what_they_must(plan in plan_strategy()) {
        let folder = temp();
        let folder = folder.path();
        let cohort = plan.cohort();
        let fasta = cohort.write_reference(folder);
        let inputs = cohort.write(&folder.join("in"), Writing::default());
        let extra = folder.join("more");
        std::fs::create_dir_all(&extra).expect("a folder");
        let more = |name: &str, sample: &Sample| {
            write(&extra, &format!("{name}.g.vcf"), sample.text(name, &cohort.reference, Writing::default()))
        };
        let settings = ["--min-qual", "0"];
        let table = |name: &str, inputs: &[PathBuf]| {
            let dataset = folder.join(name);
            joint(inputs, &dataset, &fasta, &settings);
            dataset
        };
        let alone = table("alone.ds", &inputs);

        let again = cohort.samples.iter().enumerate().map(|(rank, sample)| more(&format!("t{rank}"), sample));
        let twice = table("twice.ds", &inputs.iter().cloned().chain(again).collect::<Vec<_>>());
        for (column, factor) in [("ac", 2), ("an", 2), ("n_het", 2), ("n_missing", 2), ("info_aq", 1), ("pos", 1)] {
            let multiplied = |dataset: &Path, factor: i64| -> Vec<i64> {
                let rows = tables::read(dataset, "variants", &[column]).rows;
                rows.iter().map(|row| row[0].parse::<i64>().expect("a number") * factor).collect()
            };
            prop_assert_eq!(multiplied(&alone, factor), multiplied(&twice, 1), "{} of everybody twice", column);
        }

        let cell = block_cell(60, 2);
        let whole = (0..CONTIGS.len()).map(|contig| Block { contig, start: 1, end: CONTIGS[contig].1, cell: cell.clone() });
        let reference = more("u_reference", &Sample { records: Vec::new(), blocks: whole.collect() });
        let nothing = more("v_nothing", &Sample::default());
        let (mut with_reference, mut with_nothing) = (inputs.clone(), inputs.clone());
        with_reference.push(reference);
        with_nothing.push(nothing);
        let (with_reference, with_nothing) = (table("ref.ds", &with_reference), table("none.ds", &with_nothing));
        let genotypes = |dataset: &Path, n_samples: usize| {
            let mut table = tables::read(dataset, "genotypes", &[]);
            let sample = table.column("sample_index");
            table.rows.retain(|row| row[sample].parse::<usize>().expect("an index") < n_samples);
            table
        };
        let expected = genotypes(&alone, N_SAMPLES);
        prop_assert!(expected == genotypes(&with_reference, N_SAMPLES), "one more who is reference");
        prop_assert!(expected == genotypes(&with_nothing, N_SAMPLES), "one more without data");
        let variants = |dataset: &Path| {
            let wanted = ["pos", "ref", "alt", "ac", "an", "n_het", "n_hom_alt", "n_hom_ref", "n_missing", "qual"];
            let table = tables::read(dataset, "variants", &wanted);
            let columns = wanted.map(|name| table.column(name));
            table.rows.iter().map(|row| columns.map(|column| row[column].clone())).collect::<Vec<_>>()
        };
        let number = |text: &str| text.parse::<i64>().expect("a number");
        for ((alone, reference), nothing) in
            variants(&alone).iter().zip(variants(&with_reference)).zip(variants(&with_nothing))
        {
            prop_assert_eq!(&alone[..4], &reference[..4]);
            prop_assert_eq!(&alone[5..7], &reference[5..7]);
            prop_assert_eq!(number(&alone[4]) + 2, number(&reference[4]));
            prop_assert_eq!(number(&alone[7]) + 1, number(&reference[7]));
            prop_assert_eq!(&alone[..8], &nothing[..8]);
            prop_assert_eq!(number(&alone[8]) + 1, number(&nothing[8]));
            prop_assert_eq!(&alone[9], &nothing[9], "QUAL with a sample without data");
        }
    }
}

/// A site that several samples have: its place, and how each of them writes it.
#[derive(Clone, Debug)]
struct Shared {
    alt: Alt,
    /// Per sample: genotype (0, 1 or 2 copies), bases to the right, padding left and right.
    spellings: Vec<(u8, usize, usize, usize)>,
}

/// Distance of shared sites: farther than an allele with its padding reaches.
const SHARED_EVERY_BP: usize = 40;

fn shared_strategy() -> impl Strategy<Value = Shared> {
    let spelling = (0u8..3, 0usize..9, 0usize..3, 0usize..3);
    (alt_strategy(), vec(spelling, N_SAMPLES)).prop_map(|(alt, spellings)| Shared { alt, spellings })
}

/// `record` up to `shift` bases further right, with more bases on both sides: the same allele.
fn respelled(reference: &str, record: &Record, (shift, left, right): (usize, usize, usize)) -> Record {
    let mut record = record.clone();
    let alt = &mut record.alts[0];
    for _ in 0..shift {
        let end = record.pos - 1 + record.ref_allele.len();
        let (ref_next, alt_next) = (record.ref_allele[1..].to_string(), alt[1..].to_string());
        let next = &reference[end..end + 1];
        let (ref_next, alt_next) = (ref_next + next, alt_next + next);
        if ref_next[..1] != alt_next[..1] || ref_next.len() == alt_next.len() {
            break;
        }
        (record.ref_allele, *alt) = (ref_next, alt_next);
        record.pos += 1;
    }
    let end = record.pos - 1 + record.ref_allele.len();
    let (before, behind) = (&reference[record.pos - 1 - left..record.pos - 1], &reference[end..end + right]);
    record.ref_allele = format!("{before}{}{behind}", record.ref_allele);
    *alt = format!("{before}{alt}{behind}");
    record.pos -= left;
    record
}

proptest! {
    #![proptest_config(settings(12))]

    #[test]
    fn another_spelling_of_an_allele_changes_no_call(
        shared in vec(shared_strategy(), 4),
        repeats in vec(("[AC]{1,3}", 2usize..7), 40),
        offset in 0..SHARED_EVERY_BP,
    ) {
        let frame = Plan {
            drafts: Vec::new(),
            blocks: vec![Vec::new(); N_SAMPLES],
            ploidies: vec![2; N_SAMPLES],
            repeats,
            offset: 60,
        };
        let reference = frame.reference();
        let cohort = |respell: bool| {
            let mut samples = vec![Sample::default(); N_SAMPLES];
            for (rank, site) in shared.iter().enumerate() {
                let at = 920 + offset + rank * SHARED_EVERY_BP;
                let draft = |n_copies: u8| Draft {
                    sample: 0,
                    on_second: false,
                    at,
                    alts: vec![site.alt.clone()],
                    copies: vec![u8::from(n_copies > 1), u8::from(n_copies > 0), 0],
                    likelihoods: (0..60).map(|value| 20 + value * 7).collect(),
                    is_called: true,
                };
                for (sample, spelling) in samples.iter_mut().zip(&site.spellings) {
                    let (n_copies, shift, left, right) = *spelling;
                    let Some(record) = draft(n_copies).record(&reference[0], 0, at, 2) else { continue };
                    let (start, ref_allele, alt) = normalised(&reference[0], &record, &record.alts[0]);
                    let record = Record { pos: start + 1, ref_allele, alts: vec![alt], ..record };
                    let spelling = if respell { (shift, left, right) } else { (0, 0, 0) };
                    sample.records.push(respelled(&reference[0], &record, spelling));
                }
            }
            for (rank, sample) in samples.iter_mut().enumerate() {
                let blocks = (0..CONTIGS.len()).flat_map(|contig| frame.blocks_of(rank, contig, &sample.records));
                sample.blocks = blocks.collect();
            }
            Cohort { reference: reference.clone(), samples }
        };
        let folder = temp();
        let folder = folder.path();
        let fasta = cohort(false).write_reference(folder);
        let rows = |name: &str, respell: bool| {
            let inputs = cohort(respell).write(&folder.join(name), Writing::default());
            let dataset = folder.join(format!("{name}.ds"));
            joint(&inputs, &dataset, &fasta, &["--min-qual", "0", "--calls", "all"]);
            ["variants", "genotypes"].map(|table| tables::read(&dataset, table, &[]))
        };
        assert_same_rows(&rows("aligned", false), &rows("respelled", true), "alleles spelled in another way");
    }
}
#[test]
fn the_border_of_shards_goes_through_the_window() {
    let folder = temp();
    let folder = folder.path();
    let draft = |at| Draft {
        sample: at % N_SAMPLES,
        on_second: false,
        at,
        alts: vec![Alt::Snv(2), Alt::Deletion(3)],
        copies: vec![1, 2, 0],
        likelihoods: vec![300; 60],
        is_called: true,
    };
    let plan = Plan {
        drafts: (0..WINDOW_BP).map(draft).collect(),
        blocks: vec![Vec::new(); N_SAMPLES],
        ploidies: vec![2; N_SAMPLES],
        repeats: vec![("AC".into(), 100)],
        offset: 40,
    };
    let cohort = plan.cohort();
    let fasta = cohort.write_reference(folder);
    let inputs = cohort.write(&folder.join("in"), Writing::default());
    let (whole, cut) = (folder.join("whole.ds"), folder.join("cut.ds"));
    joint(&inputs, &whole, &fasta, &[]);
    joint(&inputs, &cut, &fasta, &["--shard-size", "1"]);
    assert!(n_parts(&whole, "variants") == 1 && n_parts(&cut, "variants") > 1);
    let pos = |dataset: &Path| tables::read(dataset, "variants", &["pos"]).rows;
    assert!(pos(&cut).len() > 60 && pos(&cut) == pos(&whole));
}

/// A simulated cohort that is killed while it is read and while it is called.
#[test]
fn a_killed_joint_call_resumes_to_the_same_bytes() {
    let folder = temp();
    let folder = folder.path();
    let made = folder.join("made");
    let text = made.to_str().expect("UTF-8");
    varbatch(&["simulate", "-o", text, "--samples", "40", "--length", "400000", "--seed", "5", "--gvcf"]).expect(0);
    let start = |dataset: &Path| {
        let mut command = Command::new(binary());
        command.args(["call", "--inputs"]).arg(made.join("inputs.tsv")).arg("-f").arg(made.join("reference.fa"));
        command.arg("-o").arg(dataset).args(["--shard-size", "200000", "--threads", "2"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start varbatch")
    };
    let whole = folder.join("whole.ds");
    let begin = Instant::now();
    assert!(start(&whole).wait().expect("wait").success());
    let wall = begin.elapsed();
    assert!(n_parts(&whole, "variants") > 3);
    let mut n_killed = 0;
    for (run, fraction) in [0.1, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 0.97].into_iter().enumerate() {
        let dataset = folder.join(format!("killed{run}.ds"));
        let mut child = start(&dataset);
        std::thread::sleep(wall.mul_f64(fraction));
        child.kill().expect("SIGKILL");
        n_killed += usize::from(!child.wait().expect("wait").success());
        assert!(start(&dataset).wait().expect("wait").success());
        let different = differing_files(&whole, &dataset);
        assert!(different.is_empty(), "after a kill at {fraction} of {wall:?}: {different:?}");
        std::fs::remove_dir_all(&dataset).expect("remove");
    }
    assert!(n_killed >= 4, "only {n_killed} of 8 runs were killed before they ended");
}
