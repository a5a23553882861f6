//! Random valid VCF files with every construct of the specification, for the differential test.
//!
//! Written against VCF 4.1 to 4.5, sharing no code with the program. A file is a function of its seed.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::fmt::Write;

/// A file and what other programs can be expected to do with it.
pub struct RandomVcf {
    pub text: String,
    /// A genotype begins with a separator (4.4), at which bcftools 1.16 stops.
    pub has_leading_phase: bool,
}

const CONTIGS: [&str; 7] = ["1", "chr2", "HLA-A*01:01", "X", "chrUn_KI270742v1", "a#b", "p.q|r"];
const NUMBERS: [&str; 7] = ["1", "2", "A", "R", "G", ".", "3"];
const KINDS: [&str; 4] = ["Integer", "Float", "String", "Character"];

/// A tag of the header. Its name begins with the letter of its type and tells its number: `IA`, `SG`, `F2`.
#[derive(Clone)]
struct Tag {
    name: String,
    number: &'static str,
    kind: &'static str,
}

/// The name of the tag with this type and number in the files of this module.
fn name(kind: &str, number: &str) -> String {
    format!("{}{}", &kind[..1], if number == "." { "dot" } else { number })
}

struct Generator {
    random: Xoshiro256PlusPlus,
    minor: u32,
    contigs: Vec<&'static str>,
    info: Vec<Tag>,
    format: Vec<Tag>,
    n_samples: usize,
    /// Without what `bcftools norm` 1.16 stops at: `.` for a list of one value an allele, one value a genotype of more than two
    /// copies.
    can_be_split: bool,
    has_leading_phase: bool,
}

/// The file of `seed`.
pub fn random_vcf(seed: u64) -> RandomVcf {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let minor = random.random_range(1..=5);
    let n_samples = [0, 1, 2, 3, 7, 40][random.random_range(0..6usize)];
    let mut contigs = CONTIGS.to_vec();
    // before 4.4 a name with a colon could not be told from a breakend's
    contigs.retain(|name| random.random_bool(0.6) && (minor >= 4 || !name.contains(':')));
    if contigs.is_empty() {
        contigs.push("1");
    }
    let can_be_split = random.random_bool(0.7);
    let (info, format) = (Vec::new(), Vec::new());
    let mut generator =
        Generator { random, minor, contigs, info, format, n_samples, can_be_split, has_leading_phase: false };
    generator.info = generator.tags();
    generator.format = generator.tags();
    let text = generator.header() + &generator.records();
    RandomVcf { text, has_leading_phase: generator.has_leading_phase }
}

impl Generator {
    fn chance(&mut self, probability: f64) -> bool {
        self.random.random_bool(probability)
    }

    fn below(&mut self, n: usize) -> usize {
        self.random.random_range(0..n)
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn tags(&mut self) -> Vec<Tag> {
        let mut tags = Vec::new();
        for kind in KINDS {
            for number in NUMBERS {
                if self.chance(0.35) && (self.minor >= 2 || number != "R") {
                    tags.push(Tag { name: name(kind, number), number, kind });
                }
            }
        }
        tags
    }

    fn header(&mut self) -> String {
        let mut text = format!("##fileformat=VCFv4.{}\n##source=random \"quoted\" text\n", self.minor);
        text += "##FILTER=<ID=PASS,Description=\"All filters passed\">\n##FILTER=<ID=q10,Description=\"Quality, below 10\">\n";
        text += "##FILTER=<ID=s50,Description=\"a \\\"quote\\\" and a backslash \\\\\">\n";
        text += "##ALT=<ID=DEL,Description=\"Deletion\">\n##ALT=<ID=INS:ME:ALU,Description=\"ALU\">\n";
        for contig in self.contigs.clone() {
            let length = if self.chance(0.7) { ",length=100000" } else { "" };
            let _ = writeln!(text, "##contig=<ID={contig}{length}>");
        }
        text += "##INFO=<ID=END,Number=1,Type=Integer,Description=\"End\">\n##INFO=<ID=FLAG,Number=0,Type=Flag,Description=\"A flag\">\n";
        let number = if self.minor >= 4 { "A" } else { "." };
        let _ = writeln!(text, "##INFO=<ID=SVLEN,Number={number},Type=Integer,Description=\"Length\">");
        for (what, tags) in [("INFO", &self.info), ("FORMAT", &self.format)] {
            for Tag { name, number, kind } in tags {
                let _ =
                    writeln!(text, "##{what}=<ID={name},Number={number},Type={kind},Description=\"{what} {name}\">");
            }
        }
        text += "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n";
        text += "##FORMAT=<ID=PS,Number=1,Type=Integer,Description=\"Phase set\">\n";
        text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO";
        if self.n_samples > 0 {
            text += "\tFORMAT";
        }
        (0..self.n_samples).for_each(|sample| {
            let _ = write!(text, "\tsample {sample}{}", if self.minor >= 3 { "é" } else { "" });
        });
        text + "\n"
    }

    fn records(&mut self) -> String {
        let mut text = String::new();
        for contig in self.contigs.clone() {
            let mut pos = self.below(3);
            let mut seen = Vec::new();
            for _ in 0..self.below(12) {
                let record = self.record(contig, pos);
                // one variant twice is not valid
                let variant: Vec<String> = record.split('\t').take(5).map(str::to_uppercase).collect();
                let variant = [&variant[1], &variant[3], &variant[4]].map(String::clone);
                if !seen.contains(&variant) {
                    text += &record;
                    seen.push(variant);
                }
                // Several records at one position are allowed, and position 0 is the telomere.
                pos += self.pick(&[&0, &1, &2, &7, &400]);
            }
        }
        text
    }

    fn record(&mut self, contig: &str, pos: usize) -> String {
        let ref_allele = self.bases(4);
        let alts = self.alts(&ref_allele);
        let n_alts = alts.len();
        let symbolic = alts.iter().any(|alt| alt.starts_with('<'));
        let alt = if alts.is_empty() { ".".into() } else { alts.join(",") };
        let id = self.pick(&[".", "rs7", "rs7;rs8", "a_b-c.1"]);
        let qual = if self.chance(0.3) { ".".into() } else { self.quality() };
        let filter = self.pick(&[".", "PASS", "q10", "q10;s50"]);
        let info = self.info_field(n_alts, symbolic.then_some(pos + ref_allele.len() + 20));
        let mut line = format!("{contig}\t{pos}\t{id}\t{ref_allele}\t{alt}\t{qual}\t{filter}\t{info}");
        if self.n_samples > 0 {
            line += &self.samples(n_alts);
        }
        line + "\n"
    }

    fn bases(&mut self, most: usize) -> String {
        let length = 1 + self.below(most);
        let lower = self.chance(0.05);
        let alphabet: &[char] = &['A', 'C', 'G', 'T', 'A', 'C', 'G', 'T', 'N'];
        let text: String = (0..length).map(|_| alphabet[self.below(alphabet.len())]).collect();
        if lower { text.to_lowercase() } else { text }
    }

    /// Different alternate alleles, none of them the reference.
    fn alts(&mut self, ref_allele: &str) -> Vec<String> {
        let n = self.pick(&[&0usize, &1, &1, &1, &1, &2, &2, &3, &11]);
        let mut alts: Vec<String> = Vec::new();
        for _ in 0..*n {
            let alt = match self.below(14) {
                0 => self.pick(&["<DEL>", "<INS:ME:ALU>", "<DUP:TANDEM>", "<CNV>", "<INV>"]).to_string(),
                1 if self.minor >= 2 => self.pick(&["*", "<*>", "<NON_REF>"]).to_string(),
                2 => self.breakend(),
                // A deletion or insertion that shares its first base with REF, so that there is something to trim.
                3 | 4 => format!("{}{}", &ref_allele[..1], self.bases(5)),
                5 => ref_allele[..1].to_string(),
                _ => self.bases(4),
            };
            let is_new =
                !alt.eq_ignore_ascii_case(ref_allele) && !alts.iter().any(|seen| seen.eq_ignore_ascii_case(&alt));
            if is_new {
                alts.push(alt);
            }
        }
        alts
    }

    fn breakend(&mut self) -> String {
        let base = self.pick(&["G", "TCA", "N"]);
        let contig = self.pick(&self.contigs.clone());
        let place =
            if self.chance(0.2) { "<assembled>:7".to_string() } else { format!("{contig}:{}", self.below(90_000)) };
        match self.below(6) {
            0 => format!("{base}]{place}]"),
            1 => format!("]{place}]{base}"),
            2 => format!("{base}[{place}["),
            3 => format!("[{place}[{base}"),
            4 => format!("{base}."),
            _ => format!(".{base}"),
        }
    }

    fn quality(&mut self) -> String {
        let number = self.below(100_000);
        match self.below(4) {
            0 => format!("{}", number % 100),
            1 => format!("{}.{:02}", number / 100, number % 100),
            2 => "0".into(),
            _ => format!("{}e-{}", 1 + number % 9, number % 5),
        }
    }

    fn info_field(&mut self, n_alts: usize, end: Option<usize>) -> String {
        let mut entries = Vec::new();
        if let Some(end) = end {
            entries.push(format!("END={end}"));
            if self.chance(0.5) {
                let lengths: Vec<&str> = (0..n_alts).map(|_| self.pick(&["20", "-20", "."])).collect();
                entries.push(format!("SVLEN={}", lengths.join(",")));
            }
        }
        if self.chance(0.3) {
            entries.push("FLAG".into());
        }
        for tag in self.info.clone() {
            if self.chance(0.4) {
                let n = self.count(&tag, n_alts, 2);
                entries.push(format!("{}={}", tag.name, self.values(tag.kind, n)));
            }
        }
        let n = entries.len();
        (0..n).for_each(|at| {
            let with = self.below(n);
            entries.swap(at, with);
        });
        if entries.is_empty() { ".".into() } else { entries.join(";") }
    }

    fn count(&mut self, tag: &Tag, n_alts: usize, ploidy: usize) -> usize {
        let n_alleles = n_alts + 1;
        match tag.number {
            "A" => n_alts,
            "R" => n_alleles,
            // Genotypes of `ploidy` copies: (n + p - 1 choose p).
            "G" => (1..=ploidy).fold(1, |n, k| n * (n_alleles + k - 1) / k),
            "." => 1 + self.below(3),
            number => number.parse().expect("a number"),
        }
    }

    fn values(&mut self, kind: &str, n: usize) -> String {
        if n == 0 || (self.chance(0.1) && (n == 1 || !self.can_be_split)) {
            return ".".into();
        }
        let values: Vec<String> = (0..n).map(|_| self.value(kind)).collect();
        values.join(",")
    }

    fn value(&mut self, kind: &str) -> String {
        if self.chance(0.1) {
            return ".".into();
        }
        match kind {
            "Integer" => match self.below(6) {
                0 => self
                    .pick(&["-2147483640", "2147483647", "-128", "127", "-32768", "32767", "-120", "128"])
                    .to_string(),
                1 => format!("-{}", self.below(70_000)),
                _ => self.below(300).to_string(),
            },
            "Float" => match self.below(6) {
                0 => self.pick(&["1e-30", "-1.5E+20", "0.000001", "-0.5", "1e5", ".5"]).to_string(),
                1 if self.minor >= 3 => self.pick(&["nan", "inf", "-inf"]).to_string(),
                _ => format!("{}.{}", self.below(1000), self.below(10_000)),
            },
            "Character" => self.pick(&["a", "Z", "7", "?", "+"]).to_string(),
            // Spaces and letters beyond ASCII are allowed from 4.3 on.
            _ if self.minor >= 3 && self.chance(0.1) => "two words".into(),
            _ if self.minor >= 3 && self.chance(0.1) => "Größe".into(),
            _ => self.pick(&["text", "per%3Acent%25", "0", "x|y|z", "a&b", "-"]).to_string(),
        }
    }

    fn samples(&mut self, n_alts: usize) -> String {
        let mut tags: Vec<Tag> = Vec::new();
        for tag in self.format.clone() {
            if self.chance(0.3) {
                tags.push(tag);
            }
        }
        let has_gt = self.chance(0.9) || tags.is_empty();
        let has_phase_set = has_gt && self.chance(0.2);
        let mut keys: Vec<&str> = Vec::new();
        keys.extend(has_gt.then_some("GT"));
        keys.extend(has_phase_set.then_some("PS"));
        keys.extend(tags.iter().map(|tag| tag.name.as_str()));
        let mut text = format!("\t{}", keys.join(":"));
        // All diploid, as most records are, or any.
        let usual = self.chance(0.7);
        let leading = self.minor >= 4 && self.chance(0.02);
        for _ in 0..self.n_samples {
            text += "\t";
            text += &self.call(n_alts, &tags, [has_gt, has_phase_set, usual, leading]);
        }
        text
    }

    fn call(&mut self, n_alts: usize, tags: &[Tag], [has_gt, has_phase_set, usual, leading]: [bool; 4]) -> String {
        let ploidy = if usual || !has_gt { 2 } else { *self.pick(&[&1, &2, &2, &3, &4]) };
        let ploidy = if self.can_be_split { ploidy.min(2) } else { ploidy };
        let mut fields = Vec::new();
        if has_gt {
            fields.push(self.genotype(n_alts, ploidy, leading));
        }
        if has_phase_set {
            fields.push(self.pick(&[".", "1", "77"]).to_string());
        }
        for tag in tags {
            let n = self.count(tag, n_alts, ploidy);
            fields.push(self.values(tag.kind, n));
        }
        // Trailing fields may be left out, but the first one stays.
        if self.chance(0.15) {
            let keep = 1 + self.below(fields.len());
            fields.truncate(keep);
        }
        fields.join(":")
    }

    fn genotype(&mut self, n_alts: usize, ploidy: usize, leading: bool) -> String {
        if self.chance(0.05) && ploidy == 1 {
            return ".".into();
        }
        let mut text = String::new();
        let phased = self.chance(0.4);
        let mixed = ploidy > 2 && self.chance(0.2);
        if leading && self.chance(0.3) {
            text.push(if phased { '|' } else { '/' });
            self.has_leading_phase = true;
        }
        for copy in 0..ploidy {
            if copy > 0 {
                text.push(if phased != (mixed && copy == 1) { '|' } else { '/' });
            }
            match self.below(10) {
                0 => text.push('.'),
                1..=5 => text.push('0'),
                _ => {
                    let allele = self.below(n_alts + 1);
                    let _ = write!(text, "{allele}");
                }
            }
        }
        text
    }
}
