//! Who wrote a gVCF, and what the words mean there: a table of plain values, looked up by the content of the file.
//!
//! VCF 4.5 section 5.5 (`<*>`, `<NON_REF>`), 1.6.2 (LEN, LAA); the others by the headers and records that the callers
//! write. A file is a gVCF when it has reference blocks: records without an alternate allele of their own that speak for
//! one base or more.

use super::super::header::Header;
use super::super::vcf::{RecordIndex, RecordView, parse_i32};

/// Records that are looked at, at most.
const MAX_RECORDS: usize = 400;
/// Text that is looked at, in bytes, at most.
const MAX_BYTES: usize = 1 << 19;

/// ALT of reference blocks: GATK and those that follow it.
pub const NON_REF: &[u8] = b"<NON_REF>";
/// ALT of reference blocks: VCF 4.3 and later.
pub const STAR: &[u8] = b"<*>";
/// ALT of reference blocks: samtools before 1.3.
pub const X: &[u8] = b"<X>";
/// ALT of reference blocks: none (Strelka2 and others).
pub const NONE: &[u8] = b".";

/// Whether an ALT is the allele that stands for all that a record does not name.
pub fn is_unseen(alt: &[u8]) -> bool {
    alt == NON_REF || alt == STAR || alt == X
}

/// What the files of one caller mean.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Name, as plan and messages have it.
    pub name: &'static str,
    /// ALT of its reference blocks.
    pub block_alts: &'static [&'static [u8]],
    /// The header has one of these somewhere; none: any header.
    pub header_marks: &'static [&'static str],
    /// Some record has likelihoods without a genotype. One of the two, where either is asked for.
    pub uncalled_mark: bool,
    /// A genotype `./.` (or none) with likelihoods is to be read as the most likely one.
    pub derive_gt_from_pl: bool,
    /// FORMAT keys of the genotype quality, the first that has a value holds.
    pub gq: &'static [&'static [u8]],
    /// FORMAT keys of the least depth.
    pub min_dp: &'static [&'static [u8]],
    /// FORMAT keys of the depth.
    pub dp: &'static [&'static [u8]],
    /// INFO keys of the least depth, where FORMAT has none.
    pub info_min_dp: &'static [&'static [u8]],
}

/// What most dialects have in common.
const COMMON: Dialect = Dialect {
    name: "other",
    block_alts: &[NON_REF, STAR, X, NONE],
    header_marks: &[],
    uncalled_mark: false,
    derive_gt_from_pl: false,
    gq: &[b"GQ", b"GQX", b"RGQ"],
    min_dp: &[b"MIN_DP"],
    dp: &[b"DP"],
    info_min_dp: &[],
};

/// All dialects; the first that fits holds.
pub static DIALECTS: &[Dialect] = &[
    // GATK CombineGVCFs and GenomicsDB leave the genotypes to the joint call
    Dialect {
        name: "gatk-combined",
        block_alts: &[NON_REF],
        header_marks: &["CombineGVCFs", "GenomicsDB"],
        uncalled_mark: true,
        derive_gt_from_pl: true,
        ..COMMON
    },
    Dialect { name: "gatk-reblocked", block_alts: &[NON_REF], header_marks: &["ReblockGVCF"], ..COMMON },
    // on the mitochondrion and in somatic calls, SQ stands for GQ
    Dialect { name: "dragen", block_alts: &[NON_REF], header_marks: &["DRAGEN"], gq: &[b"GQ", b"SQ"], ..COMMON },
    Dialect { name: "clair3", block_alts: &[NON_REF, STAR], header_marks: &["Clair3", "clair3"], ..COMMON },
    Dialect { name: "sentieon", block_alts: &[NON_REF], header_marks: &["Sentieon"], ..COMMON },
    Dialect { name: "gatk", block_alts: &[NON_REF], ..COMMON },
    // local alleles of VCF 4.5
    Dialect {
        name: "vcf4.5",
        block_alts: &[STAR, NON_REF],
        header_marks: &["FORMAT=<ID=LAA,", "FORMAT=<ID=LPL,", "FORMAT=<ID=LEN,"],
        ..COMMON
    },
    Dialect {
        name: "deepvariant",
        block_alts: &[STAR],
        header_marks: &["DeepVariant", "DeepTrio", "FILTER=<ID=RefCall,"],
        ..COMMON
    },
    Dialect { name: "octopus", block_alts: &[STAR, NONE], header_marks: &["octopus"], ..COMMON },
    Dialect {
        name: "bcftools",
        block_alts: &[STAR, X],
        header_marks: &["bcftools", "samtools", "ID=MinDP,", "ID=MIN_DP,", "ID=I16,", "ID=QS,"],
        derive_gt_from_pl: true,
        info_min_dp: &[b"MIN_DP", b"MinDP"],
        ..COMMON
    },
    Dialect {
        name: "strelka2",
        block_alts: &[NONE],
        header_marks: &["strelka", "Strelka", "starling", "ID=GQX,"],
        dp: &[b"DP", b"DPI"],
        ..COMMON
    },
    Dialect { name: "xatlas", block_alts: &[NONE, NON_REF], header_marks: &["xAtlas", "xatlas"], ..COMMON },
    Dialect { name: "other", ..COMMON },
];

/// The dialect of a name.
pub fn by_name(name: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().find(|dialect| dialect.name == name)
}

impl Recognised {
    /// A file taken as a gVCF because the user says so, or without records.
    pub fn other() -> Recognised {
        Recognised { dialect: DIALECTS.last().expect("the table is not empty"), base_pair: false }
    }
}

/// What a file was recognised as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recognised {
    /// Who wrote it.
    pub dialect: &'static Dialect,
    /// Reference bases stand one by one, without blocks: neighbours are put together as HaplotypeCaller bands them.
    pub base_pair: bool,
}

/// What the first records show.
#[derive(Debug, Default)]
pub struct Survey {
    n_records: usize,
    n_bytes: usize,
    /// Records without an alternate allele of their own, by what their ALT is: `<NON_REF>`, `<*>`, `<X>`, `.`.
    blocks: [usize; 4],
    /// Records with an alternate allele of their own beside `<NON_REF>` or `<*>`.
    n_named: [usize; 4],
    /// Blocks that say how long they are, and of those, without any ALT.
    n_lengths: usize,
    n_lengths_without_alt: usize,
    has_uncalled_likelihoods: bool,
    has_genotypes: bool,
}

const ALTS: [&[u8]; 4] = [NON_REF, STAR, X, NONE];

impl Survey {
    /// Takes a line in; false when enough was seen.
    pub fn add(&mut self, line: &[u8]) -> bool {
        if let Ok(index) = RecordIndex::new(line) {
            self.add_record(index.view(line));
        }
        self.n_records += 1;
        self.n_bytes += line.len();
        self.n_records < MAX_RECORDS && self.n_bytes < MAX_BYTES
    }

    fn add_record(&mut self, record: RecordView) {
        let alt = record.alt();
        let format = record.format().unwrap_or_default();
        let says_length = format.split(|&byte| byte == b':').any(|key| key == b"LEN")
            || record.info_value(b"END").flatten().and_then(parse_i32).is_some();
        if let Some(kind) = ALTS.iter().position(|&known| known == alt) {
            self.blocks[kind] += 1;
            self.has_genotypes |= format.starts_with(b"GT");
            self.n_lengths += usize::from(says_length);
            self.n_lengths_without_alt += usize::from(says_length && alt == NONE);
        } else if let Some(kind) = ALTS.iter().position(|&known| alt.split(|&byte| byte == b',').any(|a| a == known)) {
            self.n_named[kind] += 1;
        }
        if alt.ends_with(NON_REF) {
            self.has_uncalled_likelihoods |= has_uncalled_likelihoods(format, record.samples());
        }
    }

    fn uses(&self, alts: &[&[u8]]) -> bool {
        let used = |alt: &&[u8]| ALTS.iter().position(|known| known == alt).map_or(0, |kind| self.n_of(kind));
        alts.iter().map(used).sum::<usize>() > 0
    }

    /// Records that speak of other alleles in this way. Without ALT only those with a length do: any VCF may have others.
    fn n_of(&self, kind: usize) -> usize {
        if ALTS[kind] == NONE { self.n_lengths_without_alt } else { self.blocks[kind] + self.n_named[kind] }
    }

    /// Whether there is no record at all.
    pub fn is_empty(&self) -> bool {
        self.n_records == 0
    }

    /// What the file with this header is; `None`: not a gVCF.
    pub fn recognise(&self, header: &Header) -> Option<Recognised> {
        if header.samples.is_empty() || !self.is_gvcf(header) {
            return None;
        }
        let dialect = DIALECTS.iter().find(|dialect| self.fits(dialect, header))?;
        let n_blocks: usize = self.blocks.iter().sum();
        Some(Recognised { dialect, base_pair: n_blocks > 0 && self.n_lengths == 0 })
    }

    /// `<NON_REF>` stands in gVCFs only. `<*>` and `<X>` stand in the pileups of bcftools, too: there the header must
    /// know blocks, and there must be some, or genotypes; a single sample with genotypes may speak base by base (Octopus).
    /// Without ALT there must be blocks of some length.
    fn is_gvcf(&self, header: &Header) -> bool {
        let knows_blocks =
            header.infos.iter().any(|def| def.id == "END") || header.formats.iter().any(|def| def.id == "LEN");
        let [non_ref, star, x, _] = [0, 1, 2, 3].map(|kind| self.n_of(kind));
        let of_one = self.has_genotypes && header.samples.len() == 1;
        let blocks = of_one || (knows_blocks && (self.n_lengths > 0 || self.has_genotypes));
        non_ref > 0 || ((star > 0 || x > 0) && blocks) || self.n_lengths_without_alt > 0
    }

    fn fits(&self, dialect: &Dialect, header: &Header) -> bool {
        let marked = header.meta.iter().any(|line| dialect.header_marks.iter().any(|mark| line.contains(mark)));
        let asked = !dialect.header_marks.is_empty() || dialect.uncalled_mark;
        self.uses(dialect.block_alts) && (!asked || marked || (dialect.uncalled_mark && self.has_uncalled_likelihoods))
    }
}

/// Whether some sample has likelihoods that differ and no genotype.
fn has_uncalled_likelihoods(format: &[u8], samples: &[u8]) -> bool {
    let slot = |key: &[u8]| format.split(|&byte| byte == b':').position(|found| found == key);
    let (Some(gt), Some(pl)) = (slot(b"GT"), slot(b"PL")) else { return false };
    samples.split(|&byte| byte == b'\t').any(|cell| {
        let field = |at: usize| cell.split(|&byte| byte == b':').nth(at).unwrap_or_default();
        let differ = |pl: &[u8]| {
            let mut values = pl.split(|&byte| byte == b',');
            let first = values.next();
            pl != b"." && values.any(|value| Some(value) != first)
        };
        field(gt).iter().all(|byte| matches!(byte, b'.' | b'/' | b'|')) && differ(field(pl))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(meta: &str, format: &str, records: &[&str]) -> Option<(&'static str, bool)> {
        let text = format!("##fileformat=VCFv4.2\n{meta}\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO{format}\n");
        let header = Header::parse(text.as_bytes()).expect("a header");
        let mut survey = Survey::default();
        for record in records {
            survey.add(record.as_bytes());
        }
        survey.recognise(&header).map(|found| (found.dialect.name, found.base_pair))
    }

    const ONE: &str = "\tFORMAT\ts";
    const END: &str = "##INFO=<ID=END,Number=1,Type=Integer,Description=\"\">";

    #[test]
    fn files_are_recognised_by_content() {
        let gatk = "1\t5\t.\tA\t<NON_REF>\t.\t.\tEND=9\tGT:DP:GQ:MIN_DP:PL\t0/0:3:9:3:0,9,99";
        assert_eq!(recognised(END, ONE, &[gatk]), Some(("gatk", false)));
        assert_eq!(recognised("##DRAGENCommandLine=<ID=x>", ONE, &[gatk]), Some(("dragen", false)));
        let combined = "1\t5\t.\tA\t<NON_REF>\t.\t.\tEND=9\tGT:DP:GQ:MIN_DP:PL\t./.:3:9:3:0,9,99";
        assert_eq!(recognised(END, ONE, &[combined]), Some(("gatk-combined", false)));
        let single = "1\t5\t.\tA\t<NON_REF>\t.\t.\t.\tGT:DP:GQ:PL\t0/0:3:9:0,9,99";
        assert_eq!(recognised("", ONE, &[single]), Some(("gatk", true)));
        let star = "1\t5\t.\tA\t<*>\t0\t.\tEND=9\tGT:GQ:MIN_DP:PL\t0/0:9:3:0,9,99";
        let octopus = "1\t5\t.\tA\t<*>\t194.56\tPASS\tAC=0;AN=1\tGT:GQ:DP:MQ:FT\t0:195:66:56:PASS";
        assert_eq!(recognised("##source=octopus", ONE, &[octopus]), Some(("octopus", true)));
        let deepvariant = format!("{END}\n##FILTER=<ID=RefCall,Description=\"\">");
        assert_eq!(recognised(&deepvariant, ONE, &[star]), Some(("deepvariant", false)));
        let strelka = "1\t5\t.\tA\t.\t.\tPASS\tEND=9;BLOCKAVG_min30p3a\tGT:GQX:DP:DPF\t0/0:9:3:1";
        assert_eq!(
            recognised("##FORMAT=<ID=GQX,Number=1,Type=Integer,Description=\"\">", ONE, &[strelka]),
            Some(("strelka2", false))
        );
    }

    #[test]
    fn other_files_are_not() {
        let pileup = "1\t5\t.\tA\t<*>\t0\t.\tDP=3\tPL\t0,9,99";
        assert_eq!(recognised("##ALT=<ID=*,Description=\"\">", ONE, &[pileup]), None);
        assert_eq!(recognised(END, ONE, &[pileup]), None);
        let cohort = "1\t5\t.\tA\tG\t9\tPASS\tAC=1\tGT\t0/1";
        assert_eq!(recognised(END, ONE, &[cohort]), None);
        let non_variant = "1\t5\t.\tA\t.\t9\tPASS\tDP=1\tGT\t0/0";
        assert_eq!(recognised(END, ONE, &[non_variant]), None);
        let deletion = "1\t5\t.\tA\t<DEL>\t9\tPASS\tEND=99\tGT\t0/1";
        assert_eq!(recognised(END, ONE, &[deletion]), None);
        let sites_only = "1\t5\t.\tA\t<NON_REF>\t.\t.\tEND=9";
        assert_eq!(recognised(END, "", &[sites_only]), None);
    }
}
