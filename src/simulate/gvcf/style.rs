//! How callers write the same thing: header, bands, blocks, variants.
//!
//! GATK 4 HaplotypeCaller and ReblockGVCF, DeepVariant 1.5, Strelka 2.9, as far as a reader of gVCFs must know them. The
//! likelihoods are the same in all of them.

use super::super::reads::Call;
use super::super::vcf::{push_list, push_number};
use super::super::{Cohort, GvcfSettings};
use std::io::Write;

/// Whose style a gVCF has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// GATK HaplotypeCaller: `<NON_REF>`, blocks with PL, candidates that are not called.
    #[default]
    Gatk,
    /// GATK ReblockGVCF: three wide bands, blocks without PL, what is not called is reference.
    Reblocked,
    /// DeepVariant: `<*>`, bands of 5, `./.` with the filter RefCall for uncertain reference calls.
    DeepVariant,
    /// Strelka2: ALT `.` in blocks, no allele for the unseen, GQX, haploid calls under a deletion.
    Strelka,
}

/// Lowest GQ of each band of HaplotypeCaller: one by one to 60, then wider (its default).
const WIDE_BANDS: [u32; 4] = [70, 80, 90, 99];
const NARROW_BANDS_END: u32 = 60;

/// Lowest GQ of each band of ReblockGVCF, as WARP sets them, and the GQ that it writes.
const REBLOCKED_BANDS: [u32; 4] = [0, 20, 30, 40];

/// Width of the bands of DeepVariant, its highest GQ in a block, and the GQ below which a reference call is none.
const DEEPVARIANT_BAND: u32 = 5;
const DEEPVARIANT_MAX_GQ: u32 = 50;
const DEEPVARIANT_MIN_CALL_GQ: u32 = 20;

/// What DeepVariant says of genotypes with `<*>`.
const DEEPVARIANT_UNSEEN_PL: u32 = 990;

/// Width of a block's band in the style of Strelka, and the GQX below which it sets a filter.
const STRELKA_BAND: u32 = 15;
const STRELKA_MIN_GQX: u32 = 15;

/// Reference bases with GQ in one band.
pub struct Block {
    /// 0-based position of the first base.
    pub start: u64,
    end: u64,
    band: u32,
    gq: u32,
    ploidy: u8,
    pl: [u32; 3],
    /// Depth and number of bases.
    depths: Vec<(u32, u64)>,
}

impl Block {
    /// `n_bases` bases of one depth.
    pub fn new(start: u64, depth: u32, n_bases: u64, call: &Call, band: u32) -> Block {
        let depths = vec![(depth, n_bases)];
        Block { start, end: start + n_bases, band, gq: call.gq, ploidy: call.ploidy, pl: likelihoods(call), depths }
    }

    /// Whether bases from `start` on with this band belong to it.
    pub fn continues(&self, start: u64, band: u32) -> bool {
        self.end == start && self.band == band
    }

    /// Adds `n_bases` bases of one depth.
    pub fn add(&mut self, depth: u32, n_bases: u64, call: &Call) {
        let pl = likelihoods(call);
        self.end += n_bases;
        self.gq = self.gq.min(call.gq);
        self.pl = [0, 1, 2].map(|rank| self.pl[rank].min(pl[rank]));
        self.depths.push((depth, n_bases));
    }

    fn pl(&self) -> &[u32] {
        &self.pl[..usize::from(self.ploidy) + 1]
    }

    fn least_depth(&self) -> u32 {
        self.depths.iter().map(|depth| depth.0).min().unwrap_or(0)
    }

    fn median_depth(&mut self) -> u32 {
        self.depths.sort_unstable();
        let mut left = (self.end - self.start) / 2;
        for (depth, n_bases) in &self.depths {
            if left < *n_bases {
                return *depth;
            }
            left -= n_bases;
        }
        0
    }

    fn gt(&self) -> &'static [u8] {
        if self.ploidy == 1 { b"0" } else { b"0/0" }
    }
}

/// The likelihoods of genotypes with REF and one other allele.
fn likelihoods(call: &Call) -> [u32; 3] {
    [0, 1, 2].map(|rank| call.pl().get(rank).copied().unwrap_or(0))
}

/// A record with alternate alleles.
pub struct Variant<'a> {
    /// Name of the contig.
    pub contig: &'a str,
    /// 0-based position of the first base of REF.
    pub start: u64,
    /// REF and what reads show; not the allele for the unseen.
    pub alleles: Vec<&'a [u8]>,
    /// Reads of each allele, of the unseen ones too where the style has them.
    pub ad: &'a [u32],
    /// The call.
    pub call: Call,
    /// All reads.
    pub dp: u32,
    /// Reads of REF and of alternates on the forward strand, if that is not half of them.
    pub forward: Option<[u32; 2]>,
}

impl Variant<'_> {
    /// Reads of REF forward and reverse, of all alternates forward and reverse.
    fn strands(&self) -> [u32; 4] {
        let of_ref = self.ad[0];
        let of_alt: u32 = self.ad[1..].iter().sum();
        let [ref_forward, alt_forward] = self.forward.unwrap_or([of_ref / 2, of_alt - of_alt / 2]);
        let alt_forward = alt_forward.min(of_alt);
        [ref_forward, of_ref - ref_forward, alt_forward, of_alt - alt_forward]
    }

    fn is_called(&self) -> bool {
        self.call.gt != [0; 2]
    }
}

impl Dialect {
    /// Whether a record names the allele that a deletion has taken.
    pub fn knows_spanned(self) -> bool {
        matches!(self, Dialect::Gatk | Dialect::Reblocked)
    }

    /// Whether calls under a deletion have the ploidy that is left.
    pub fn counts_copies_under_deletions(self) -> bool {
        self == Dialect::Strelka
    }

    /// Whether candidates without a call are written as reference.
    pub fn drops_uncalled(self) -> bool {
        self == Dialect::Reblocked
    }

    /// Whether records have an allele for those that nobody saw.
    pub fn has_unseen(self) -> bool {
        self != Dialect::Strelka
    }

    /// Lowest GQ of the band that `gq` is in.
    pub fn band(self, gq: u32) -> u32 {
        match self {
            Dialect::Gatk if gq <= NARROW_BANDS_END => gq,
            Dialect::Gatk => floor(&WIDE_BANDS, gq, NARROW_BANDS_END),
            Dialect::Reblocked => floor(&REBLOCKED_BANDS, gq, 0),
            Dialect::DeepVariant => gq.min(DEEPVARIANT_MAX_GQ) / DEEPVARIANT_BAND * DEEPVARIANT_BAND,
            Dialect::Strelka => gq / STRELKA_BAND * STRELKA_BAND,
        }
    }

    /// Appends the record of a block that begins with `base`; with `base_pair` (GATK only) the record of one base.
    pub fn push_block(self, text: &mut Vec<u8>, contig: &str, base: u8, mut block: Block, base_pair: bool) {
        push_place(text, contig, block.start);
        text.push(base);
        text.extend_from_slice(match self {
            Dialect::Gatk | Dialect::Reblocked => b"\t<NON_REF>\t.\t.\t",
            Dialect::DeepVariant => b"\t<*>\t0\t.\t",
            Dialect::Strelka if block.gq < STRELKA_MIN_GQX => b"\t.\t.\tLowGQX\t",
            Dialect::Strelka => b"\t.\t.\tPASS\t",
        });
        let (least, gq) = (block.least_depth(), block.gq);
        if base_pair {
            text.push(b'.');
        } else {
            text.extend_from_slice(b"END=");
            push_number(text, block.end as u32);
        }
        if self == Dialect::Strelka {
            text.extend_from_slice(b";BLOCKAVG_min30p3a");
        }
        match self {
            Dialect::Gatk if base_pair => {
                text.extend_from_slice(b"\tGT:AD:DP:GQ:PL\t");
                text.extend_from_slice(block.gt());
                push_values(text, &[&[least, 0], &[least], &[gq], block.pl()]);
            }
            Dialect::Gatk => {
                text.extend_from_slice(b"\tGT:DP:GQ:MIN_DP:PL\t");
                text.extend_from_slice(block.gt());
                push_values(text, &[&[block.median_depth()], &[gq], &[least], block.pl()]);
            }
            Dialect::Reblocked => {
                text.extend_from_slice(b"\tGT:DP:GQ:MIN_DP\t");
                text.extend_from_slice(block.gt());
                push_values(text, &[&[block.median_depth()], &[block.band], &[least]]);
            }
            Dialect::DeepVariant => {
                text.extend_from_slice(b"\tGT:GQ:MIN_DP:PL\t");
                text.extend_from_slice(if least > 0 || block.ploidy == 1 { block.gt() } else { b"./." });
                push_values(text, &[&[gq.clamp(1, DEEPVARIANT_MAX_GQ)], &[least], block.pl()]);
            }
            Dialect::Strelka => {
                text.extend_from_slice(b"\tGT:GQX:DP:DPF:MIN_DP\t");
                text.extend_from_slice(if least > 0 { block.gt() } else { b"." });
                push_values(text, &[&[gq], &[block.median_depth()], &[0], &[least]]);
            }
        }
        text.push(b'\n');
    }

    /// Appends the record of a variant.
    pub fn push_variant(self, text: &mut Vec<u8>, variant: &Variant) {
        push_place(text, variant.contig, variant.start);
        text.extend_from_slice(variant.alleles[0]);
        text.push(b'\t');
        for (rank, allele) in variant.alleles[1..].iter().enumerate() {
            if rank > 0 {
                text.push(b',');
            }
            text.extend_from_slice(allele);
        }
        match self {
            Dialect::Gatk | Dialect::Reblocked => push_gatk(text, variant),
            Dialect::DeepVariant => push_deepvariant(text, variant),
            Dialect::Strelka => push_strelka(text, variant),
        }
        text.push(b'\n');
    }
}

fn floor(starts: &[u32], value: u32, otherwise: u32) -> u32 {
    starts.iter().rev().find(|start| value >= **start).copied().unwrap_or(otherwise)
}

/// CHROM, POS and ID.
fn push_place(text: &mut Vec<u8>, contig: &str, start: u64) {
    text.extend_from_slice(contig.as_bytes());
    text.push(b'\t');
    push_number(text, start as u32 + 1);
    text.extend_from_slice(b"\t.\t");
}

/// Lists of numbers, a colon in front of each.
fn push_values(text: &mut Vec<u8>, values: &[&[u32]]) {
    for list in values {
        text.push(b':');
        push_list(text, list);
    }
}

/// ALT from its end to the sample, as GATK writes it.
fn push_gatk(text: &mut Vec<u8>, variant: &Variant) {
    let Variant { call, dp, .. } = *variant;
    let copies: Vec<u32> = (1..variant.alleles.len() as u8).map(|allele| call.copies(allele)).collect();
    let qual = f64::from(call.pl()[0]);
    write!(text, ",<NON_REF>\t{qual:.2}\t.\tDP={dp};MLEAC=").expect("memory");
    push_list(text, &copies);
    text.extend_from_slice(b",0;MLEAF=");
    for copies in &copies {
        write!(text, "{:.2},", f64::from(*copies) / f64::from(call.ploidy)).expect("memory");
    }
    text.extend_from_slice(b"0.00\tGT:AD:DP:GQ:PL:SB\t");
    call.push_gt(text);
    push_values(text, &[variant.ad, &[dp], &[call.gq], call.pl(), &variant.strands()]);
}

/// The same as DeepVariant writes it: QUAL is that of not being reference, uncertain reference calls are none.
fn push_deepvariant(text: &mut Vec<u8>, variant: &Variant) {
    let Variant { call, dp, .. } = *variant;
    let n_known = variant.alleles.len();
    let qual = if variant.is_called() { f64::from(call.pl()[0]) } else { 0.1 };
    let filter = if variant.is_called() { "PASS" } else { "RefCall" };
    write!(text, ",<*>\t{qual}\t{filter}\t.\tGT:GQ:DP:AD:VAF:PL\t").expect("memory");
    if !variant.is_called() && call.gq < DEEPVARIANT_MIN_CALL_GQ {
        text.extend_from_slice(if call.ploidy == 1 { b"." } else { b"./." });
    } else {
        call.push_gt(text);
    }
    push_values(text, &[&[call.gq], &[dp], variant.ad]);
    for (rank, reads) in variant.ad[1..].iter().enumerate() {
        let share = f64::from(*reads) / f64::from(dp.max(1));
        write!(text, "{}{:.6}", if rank == 0 { ':' } else { ',' }, share).expect("memory");
    }
    let n_known = if call.ploidy == 1 { n_known } else { n_known * (n_known + 1) / 2 };
    let mut pl = call.pl().to_vec();
    pl[n_known..].fill(DEEPVARIANT_UNSEEN_PL);
    push_values(text, &[&pl]);
}

/// The same as Strelka writes it: GQX is the lower of GQ and QUAL, strands are told apart for each allele.
fn push_strelka(text: &mut Vec<u8>, variant: &Variant) {
    let Variant { call, dp, .. } = *variant;
    let qual = call.pl()[0];
    let gqx = if variant.is_called() { call.gq.min(qual) } else { call.gq };
    let filter = if gqx < STRELKA_MIN_GQX { "LowGQX" } else { "PASS" };
    write!(text, "\t{qual}\t{filter}\tMQ=60\tGT:GQ:GQX:DP:DPF:AD:ADF:ADR:FT:PL\t").expect("memory");
    call.push_gt(text);
    let [ref_forward, _, alt_forward, _] = variant.strands();
    let mut left = alt_forward;
    let mut forward = vec![ref_forward];
    for reads in &variant.ad[1..] {
        forward.push(left.min(*reads));
        left -= left.min(*reads);
    }
    let reverse: Vec<u32> = variant.ad.iter().zip(&forward).map(|(all, forward)| all - forward).collect();
    push_values(text, &[&[call.gq], &[gqx], &[dp], &[0], variant.ad, &forward, &reverse]);
    write!(text, ":{filter}").expect("memory");
    push_values(text, &[call.pl()]);
}

/// The header of a sample's gVCF.
pub fn header(cohort: &Cohort, sample: &str, style: GvcfSettings) -> String {
    let mut text = String::from("##fileformat=VCFv4.2\n");
    text += &match style.dialect {
        Dialect::Gatk => gatk_lines(!style.base_pair),
        Dialect::Reblocked => {
            let command = "##GATKCommandLine=<ID=ReblockGVCF,CommandLine=\"ReblockGVCF --floor-blocks -GQB 20 -GQB 30 -GQB 40\">\n";
            gatk_lines(false) + command
        }
        Dialect::DeepVariant => DEEPVARIANT_LINES.to_string(),
        Dialect::Strelka => STRELKA_LINES.to_string(),
    };
    text += &format!("##source=varbatch simulate {}, seed {}\n", env!("CARGO_PKG_VERSION"), cohort.seed);
    for contig in &cohort.contigs {
        text += &format!("##contig=<ID={contig},length={}>\n", cohort.length_bp);
    }
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t";
    text += sample;
    text.push('\n');
    text
}

fn gatk_lines(has_bands: bool) -> String {
    let mut text = String::from(GATK_LINES);
    let starts: Vec<u32> = (0..=NARROW_BANDS_END).chain(WIDE_BANDS).chain([100]).collect();
    for band in starts.windows(2).filter(|_| has_bands) {
        let [low, high] = band else { continue };
        text += &format!("##GVCFBlock{low}-{high}=minGQ={low}(inclusive),maxGQ={high}(exclusive)\n");
    }
    text + GATK_INFO_LINES
}

const GATK_LINES: &str = "\
##ALT=<ID=NON_REF,Description=\"Any alternate allele that is not in this record\">
##FILTER=<ID=PASS,Description=\"All filters passed\">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"Reads of each allele\">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Reads; in a block the median\">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"Second lowest PL, at most 99; in a block the lowest\">
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">
##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description=\"Lowest DP in the block\">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"Phred-scaled genotype likelihoods; in a block the lowest\">
##FORMAT=<ID=SB,Number=4,Type=Integer,Description=\"Reads of REF forward, reverse, of ALT forward, reverse\">
";

const GATK_INFO_LINES: &str = "\
##INFO=<ID=DP,Number=1,Type=Integer,Description=\"Reads\">
##INFO=<ID=END,Number=1,Type=Integer,Description=\"Last base of the block\">
##INFO=<ID=MLEAC,Number=A,Type=Integer,Description=\"Copies of each alternate allele\">
##INFO=<ID=MLEAF,Number=A,Type=Float,Description=\"MLEAC divided by the ploidy\">
";

const DEEPVARIANT_LINES: &str = "\
##FILTER=<ID=PASS,Description=\"All filters passed\">
##FILTER=<ID=RefCall,Description=\"The reference is the most likely genotype\">
##INFO=<ID=END,Number=1,Type=Integer,Description=\"Last base of the block\">
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"Second lowest PL\">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Reads\">
##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description=\"Lowest depth in the block\">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"Reads of each allele\">
##FORMAT=<ID=VAF,Number=A,Type=Float,Description=\"Share of the reads of each alternate allele\">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"Phred-scaled genotype likelihoods\">
##DeepVariant_version=1.5.0
";

const STRELKA_LINES: &str = "\
##source=strelka
##FILTER=<ID=PASS,Description=\"All filters passed\">
##FILTER=<ID=LowGQX,Description=\"GQX is below 15\">
##INFO=<ID=END,Number=1,Type=Integer,Description=\"Last base of the block\">
##INFO=<ID=BLOCKAVG_min30p3a,Number=0,Type=Flag,Description=\"A block of similar bases\">
##INFO=<ID=MQ,Number=1,Type=Integer,Description=\"Mapping quality\">
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"Genotype quality\">
##FORMAT=<ID=GQX,Number=1,Type=Integer,Description=\"Lower of GQ and QUAL\">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Reads\">
##FORMAT=<ID=DPF,Number=1,Type=Integer,Description=\"Reads left out\">
##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description=\"Lowest depth in the block\">
##FORMAT=<ID=AD,Number=.,Type=Integer,Description=\"Reads of each allele\">
##FORMAT=<ID=ADF,Number=.,Type=Integer,Description=\"The same, forward strand\">
##FORMAT=<ID=ADR,Number=.,Type=Integer,Description=\"The same, reverse strand\">
##FORMAT=<ID=FT,Number=1,Type=String,Description=\"Filter of the sample\">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"Phred-scaled genotype likelihoods\">
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_those_of_the_header() {
        assert_eq!([0, 1, 60, 61, 69, 70, 95, 99].map(|gq| Dialect::Gatk.band(gq)), [0, 1, 60, 60, 60, 70, 90, 99]);
        assert_eq!([0, 19, 20, 39, 99].map(|gq| Dialect::Reblocked.band(gq)), [0, 0, 20, 30, 40]);
        assert_eq!([0, 4, 5, 99].map(|gq| Dialect::DeepVariant.band(gq)), [0, 0, 5, 50]);
        let header = gatk_lines(true);
        assert!(header.contains("##GVCFBlock60-70=minGQ=60(") && header.contains("##GVCFBlock99-100="));
    }

    fn lines(dialect: Dialect, ploidy: u8, ad: &[u32]) -> [String; 2] {
        let call = Call::new(ad, ploidy, &Default::default());
        let alleles: Vec<&[u8]> = vec![b"A", b"G"];
        let variant = Variant { contig: "c", start: 9, alleles, ad, call, dp: 20, forward: None };
        let mut text = Vec::new();
        dialect.push_variant(&mut text, &variant);
        let call = Call::new(&[20, 0], ploidy, &Default::default());
        let band = dialect.band(call.gq);
        dialect.push_block(&mut text, "c", b'A', Block::new(99, 20, 10, &call, band), false);
        let text = String::from_utf8(text).unwrap();
        let mut lines = text.lines().map(str::to_owned);
        [lines.next().unwrap(), lines.next().unwrap()]
    }

    #[test]
    fn each_caller_has_its_words() {
        let [variant, block] = lines(Dialect::Gatk, 2, &[10, 10, 0]);
        assert!(variant.starts_with("c\t10\t.\tA\tG,<NON_REF>\t170.00\t.\tDP=20;MLEAC=1,0;MLEAF=0.50,0.00\tGT:AD:DP:GQ:PL:SB\t0/1:10,10,0:20:99:170,0,170,200,200,400:5,5,5,5"), "{variant}");
        assert_eq!(block, "c\t100\t.\tA\t<NON_REF>\t.\t.\tEND=109\tGT:DP:GQ:MIN_DP:PL\t0/0:20:60:20:0,60,460");
        let [_, block] = lines(Dialect::Reblocked, 2, &[10, 10, 0]);
        assert!(block.ends_with("GT:DP:GQ:MIN_DP\t0/0:20:40:20"), "{block}");
        let [variant, block] = lines(Dialect::DeepVariant, 2, &[18, 2, 0]);
        assert!(variant.contains("\tG,<*>\t0.1\tRefCall\t.\t") && variant.ends_with(",990,990,990"), "{variant}");
        assert!(block.contains("\t<*>\t0\t.\tEND=109\tGT:GQ:MIN_DP:PL\t0/0:50:20:"), "{block}");
        let [variant, block] = lines(Dialect::Strelka, 1, &[0, 20]);
        assert!(
            variant.contains("\tA\tG\t460\tPASS\t") && variant.ends_with("\t1:99:99:20:0:0,20:0,10:0,10:PASS:460,0"),
            "{variant}"
        );
        assert!(
            block.contains("\tA\t.\t.\tPASS\tEND=109;BLOCKAVG_min30p3a\t") && block.contains("\t0:99:20:0:20"),
            "{block}"
        );
    }
}
