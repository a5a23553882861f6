//! One gVCF per sample, as GATK HaplotypeCaller writes them: variants with `<NON_REF>`, and blocks of reference bases
//! banded by GQ. Half of the gaps in coverage are blocks with depth 0, the others have no record at all.

use super::Cohort;
use super::reads::{Call, MAX_ALLELES, ReadModel};
use super::sites::Site;
use super::vcf::{push_list, push_number};
use std::io::{self, Write};

/// Lowest GQ of each band of reference blocks: one by one to 60, then wider (the default of HaplotypeCaller).
const WIDE_BANDS: [u32; 4] = [70, 80, 90, 99];
const NARROW_BANDS_END: u32 = 60;

/// An alternate allele with fewer reads is not worth a record, unless it is called.
const MIN_ALT_READS: u32 = 2;

/// What all gVCFs of a cohort need: the sites, and who differs from the reference where.
/// Memory: one site, and 8 bytes for each sample that carries it.
#[derive(Default)]
pub struct Evidence {
    sites: Vec<(usize, Site)>,
    /// Per sample: index into `sites`, alleles of the two haplotypes.
    carried: Vec<Vec<(u32, [u8; 2])>>,
}

impl Evidence {
    /// For `n_samples`, without sites.
    pub fn new(n_samples: usize) -> Self {
        Evidence { sites: Vec::new(), carried: vec![Vec::new(); n_samples] }
    }

    /// Adds the next site of contig `contig_id`.
    pub fn push(&mut self, contig_id: usize, mut site: Site) {
        let rank = self.sites.len() as u32;
        for (haplotype, allele) in std::mem::take(&mut site.carriers) {
            let carried = &mut self.carried[haplotype as usize / 2];
            if carried.last().is_none_or(|last| last.0 != rank) {
                carried.push((rank, [0; 2]));
            }
            if let Some(last) = carried.last_mut() {
                last.1[haplotype as usize % 2] = allele;
            }
        }
        self.sites.push((contig_id, site));
    }
}

/// The header of a sample's gVCF.
pub fn header(cohort: &Cohort, sample: &str) -> String {
    let mut text = String::from("##fileformat=VCFv4.2\n");
    text += "##ALT=<ID=NON_REF,Description=\"Any alternate allele that is not in this record\">\n";
    text += "##FILTER=<ID=PASS,Description=\"All filters passed\">\n";
    text += "##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"Reads of each allele\">\n";
    text += "##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Reads; in a block the median\">\n";
    text +=
        "##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"Second lowest PL, at most 99; in a block the lowest\">\n";
    text += "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n";
    text += "##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description=\"Lowest DP in the block\">\n";
    text += "##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"Phred-scaled genotype likelihoods; in a block the lowest\">\n";
    text += "##FORMAT=<ID=SB,Number=4,Type=Integer,Description=\"Reads of REF forward, reverse, of ALT forward, reverse\">\n";
    let starts: Vec<u32> = (0..=NARROW_BANDS_END).chain(WIDE_BANDS).collect();
    for band in starts.windows(2) {
        let [low, high] = band else { continue };
        text += &format!("##GVCFBlock{low}-{high}=minGQ={low}(inclusive),maxGQ={high}(exclusive)\n");
    }
    text += "##GVCFBlock99-100=minGQ=99(inclusive),maxGQ=100(exclusive)\n";
    text += "##INFO=<ID=DP,Number=1,Type=Integer,Description=\"Reads\">\n";
    text += "##INFO=<ID=END,Number=1,Type=Integer,Description=\"Last base of the block\">\n";
    text += "##INFO=<ID=MLEAC,Number=A,Type=Integer,Description=\"Copies of each alternate allele\">\n";
    text += "##INFO=<ID=MLEAF,Number=A,Type=Float,Description=\"MLEAC divided by the ploidy\">\n";
    text += &format!("##source=varbatch simulate {}, seed {}\n", env!("CARGO_PKG_VERSION"), cohort.seed);
    for contig in &cohort.contigs {
        text += &format!("##contig=<ID={contig},length={}>\n", cohort.length_bp);
    }
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t";
    text += sample;
    text.push('\n');
    text
}

/// Writes the gVCF of `sample` to `out`: all contigs, `references` in their order.
pub fn write(
    cohort: &Cohort,
    model: &ReadModel,
    evidence: &Evidence,
    references: &[Vec<u8>],
    sample: usize,
    out: &mut impl Write,
) -> io::Result<()> {
    out.write_all(header(cohort, &cohort.samples[sample]).as_bytes())?;
    let mut carried = evidence.carried[sample].iter().peekable();
    let mut sites = evidence.sites.iter().enumerate().peekable();
    for (contig_id, reference) in references.iter().enumerate() {
        let mut walk = Walk { cohort, model, reference, contig_id, sample, block: None, text: Vec::new() };
        let mut done = 0;
        while let Some((rank, (_, site))) = sites.next_if(|(_, (of, _))| *of == contig_id) {
            let alleles = carried.next_if(|(at, _)| *at as usize == rank).map_or([0; 2], |(_, alleles)| *alleles);
            let reads = model.reads(contig_id, sample, site.start, alleles, site.alleles.len());
            let ad = &reads.ad[..site.alleles.len()];
            let call = Call::from_reads(ad);
            if call.gt != [0; 2] || ad[1..].iter().any(|reads| *reads >= MIN_ALT_READS) {
                walk.reference_bases(done, site.start);
                walk.end_block();
                done = site.start + walk.variant(site, ad, reads.dp, call.gt);
            } else if site.alleles[0].len() == 1 && site.is_substitution() && reads.dp > 0 {
                walk.reference_bases(done, site.start);
                let others: u32 = ad[1..].iter().sum();
                walk.bases(site.start, 1, reads.dp, [reads.dp - others, others]);
                done = site.start + 1;
            }
            out.write_all(&walk.text)?;
            walk.text.clear();
        }
        walk.reference_bases(done, reference.len() as u64);
        walk.end_block();
        out.write_all(&walk.text)?;
    }
    Ok(())
}

/// Reference bases with GQ in one band.
struct Block {
    start: u64,
    end: u64,
    band: u32,
    gq: u32,
    pl: [u32; 3],
    /// Depth and number of bases.
    depths: Vec<(u32, u64)>,
}

impl Block {
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
}

/// One sample on its way along one contig.
struct Walk<'a> {
    cohort: &'a Cohort,
    model: &'a ReadModel,
    reference: &'a [u8],
    contig_id: usize,
    sample: usize,
    block: Option<Block>,
    text: Vec<u8>,
}

impl Walk<'_> {
    /// Reference bases `[start, end)`, in pieces of one depth.
    fn reference_bases(&mut self, start: u64, end: u64) {
        let mut at = start;
        while at < end {
            let next = self.model.segment_end(self.sample, at).min(end);
            match self.model.depth(self.contig_id, self.sample, at) {
                Some(depth) => self.bases(at, next - at, depth, [depth, 0]),
                None if self.model.gap_is_reported(self.contig_id, self.sample, at) => {
                    self.bases(at, next - at, 0, [0, 0])
                }
                None => self.end_block(),
            }
            at = next;
        }
    }

    /// Adds `n_bases` bases to the block, or begins a new one where the band changes.
    fn bases(&mut self, start: u64, n_bases: u64, depth: u32, ad: [u32; 2]) {
        let call = Call::from_reads(&ad);
        let pl = [call.pl()[0], call.pl()[1], call.pl()[2]];
        let band = band(call.gq);
        if self.block.as_ref().is_none_or(|block| block.band != band || block.end != start) {
            self.end_block();
            self.block = Some(Block { start, end: start, band, gq: call.gq, pl, depths: Vec::new() });
        }
        if let Some(block) = &mut self.block {
            block.end = start + n_bases;
            block.gq = block.gq.min(call.gq);
            block.pl = [0, 1, 2].map(|rank| block.pl[rank].min(pl[rank]));
            block.depths.push((depth, n_bases));
        }
    }

    fn end_block(&mut self) {
        let Some(mut block) = self.block.take() else { return };
        let least = block.depths.iter().map(|depth| depth.0).min().unwrap_or(0);
        let median = block.median_depth();
        self.first_columns(block.start);
        self.text.push(self.reference[block.start as usize]);
        self.text.extend_from_slice(b"\t<NON_REF>\t.\t.\tEND=");
        push_number(&mut self.text, block.end as u32);
        self.text.extend_from_slice(b"\tGT:DP:GQ:MIN_DP:PL\t0/0");
        for value in [median, block.gq, least] {
            self.text.push(b':');
            push_number(&mut self.text, value);
        }
        self.text.push(b':');
        push_list(&mut self.text, &block.pl);
        self.text.push(b'\n');
    }

    /// CHROM, POS and ID.
    fn first_columns(&mut self, start: u64) {
        self.text.extend_from_slice(self.cohort.contigs[self.contig_id].as_bytes());
        self.text.push(b'\t');
        push_number(&mut self.text, start as u32 + 1);
        self.text.extend_from_slice(b"\t.\t");
    }

    /// A record with the alleles that this sample's reads show. Returns the bases of its REF.
    fn variant(&mut self, site: &Site, ad: &[u32], dp: u32, gt: [u8; 2]) -> u64 {
        let kept: Vec<usize> =
            (1..ad.len()).filter(|allele| ad[*allele] >= MIN_ALT_READS || gt.contains(&(*allele as u8))).collect();
        let mut alleles: Vec<&[u8]> = vec![&site.alleles[0]];
        alleles.extend(kept.iter().map(|allele| site.alleles[*allele].as_slice()));
        trim_end(&mut alleles);

        let mut own_ad = [0; MAX_ALLELES];
        own_ad[0] = ad[0];
        kept.iter().enumerate().for_each(|(rank, allele)| own_ad[rank + 1] = ad[*allele]);
        let own_ad = &own_ad[..kept.len() + 2];
        let call = Call::from_reads(own_ad);
        let copies: Vec<u32> = (1..=kept.len() as u8)
            .map(|allele| call.gt.iter().filter(|of_haplotype| **of_haplotype == allele).count() as u32)
            .collect();

        self.first_columns(site.start);
        self.text.extend_from_slice(alleles[0]);
        self.text.push(b'\t');
        for allele in &alleles[1..] {
            self.text.extend_from_slice(allele);
            self.text.push(b',');
        }
        let qual = f64::from(call.pl()[0]);
        write!(self.text, "<NON_REF>\t{qual:.2}\t.\tDP={dp};MLEAC=").expect("memory");
        push_list(&mut self.text, &copies);
        self.text.extend_from_slice(b",0;MLEAF=");
        for copies in &copies {
            write!(self.text, "{:.2},", f64::from(*copies) / 2.0).expect("memory");
        }
        write!(self.text, "0.00\tGT:AD:DP:GQ:PL:SB\t{}/{}:", call.gt[0], call.gt[1]).expect("memory");
        push_list(&mut self.text, own_ad);
        write!(self.text, ":{dp}:{}:", call.gq).expect("memory");
        push_list(&mut self.text, call.pl());
        self.text.push(b':');
        let alternate: u32 = own_ad[1..].iter().sum();
        push_list(&mut self.text, &[ad[0] / 2, ad[0] - ad[0] / 2, alternate - alternate / 2, alternate / 2]);
        self.text.push(b'\n');
        alleles[0].len() as u64
    }
}

/// Takes bases off the end while all alleles share them and keep one.
fn trim_end(alleles: &mut [&[u8]]) {
    while alleles.iter().all(|allele| allele.len() > 1 && allele.last() == alleles[0].last()) {
        alleles.iter_mut().for_each(|allele| *allele = &allele[..allele.len() - 1]);
    }
}

/// Lowest GQ of the band that `gq` is in.
fn band(gq: u32) -> u32 {
    if gq <= NARROW_BANDS_END {
        return gq;
    }
    WIDE_BANDS.iter().rev().find(|start| gq >= **start).copied().unwrap_or(NARROW_BANDS_END)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::FormatFields;

    fn text_of(length_bp: u64) -> (Vec<u8>, String) {
        let cohort = Cohort {
            seed: 4,
            contigs: vec!["chr1".into()],
            length_bp,
            samples: vec!["S1".into(), "S2".into()],
            format: FormatFields::Full,
            missing: 0.0,
        };
        let reference = crate::simulate::reference::bases(4, 0, length_bp);
        let mut evidence = Evidence::new(2);
        for rank in 1..length_bp / 500 {
            let start = rank * 500;
            let found = reference[start as usize..start as usize + 3].to_vec();
            let alleles = vec![found.clone(), found[..1].to_vec(), vec![found[0], found[2]]];
            evidence.push(0, Site { start, alleles, carriers: vec![(0, 1), (2, 2)], shifted: None });
        }
        let model = ReadModel::new(4, 2, 30.0);
        let mut out = Vec::new();
        write(&cohort, &model, &evidence, std::slice::from_ref(&reference), 1, &mut out).unwrap();
        (reference, String::from_utf8(out).unwrap())
    }

    #[test]
    fn records_cover_every_base_once_but_for_gaps() {
        let (reference, text) = text_of(100_000);
        let mut end = 0;
        let mut n_missing = 0;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let columns: Vec<&str> = line.split('\t').collect();
            let start = columns[1].parse::<usize>().unwrap() - 1;
            assert!(start >= end, "{line}");
            n_missing += start - end;
            assert_eq!(reference[start..start + columns[3].len()], *columns[3].as_bytes());
            end = match columns[7].strip_prefix("END=") {
                Some(end) => end.parse().unwrap(),
                None => start + columns[3].len(),
            };
            let n_alleles = columns[4].split(',').count() + 1;
            let values: Vec<&str> = columns[9].split(':').collect();
            let pl = columns[8].split(':').position(|key| key == "PL").unwrap();
            assert_eq!(values[pl].split(',').count(), n_alleles * (n_alleles + 1) / 2, "{line}");
        }
        assert!(end <= reference.len());
        assert!(n_missing < 2_000, "{n_missing} bases without record");
    }

    #[test]
    fn a_deletion_of_the_cohort_is_trimmed_to_what_the_sample_has() {
        let (_, text) = text_of(20_000);
        let variants = text.lines().filter(|line| !line.starts_with('#') && !line.contains("END="));
        let lengths: Vec<(usize, usize)> = variants
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .map(|columns| (columns[3].len(), columns[4].split(',').next().unwrap().len()))
            .collect();
        assert!(lengths.iter().filter(|lengths| **lengths == (2, 1)).count() > 30, "{lengths:?}");
    }

    #[test]
    fn bands_are_those_of_the_header() {
        assert_eq!([0, 1, 60, 61, 69, 70, 95, 99].map(band), [0, 1, 60, 60, 60, 70, 90, 99]);
    }
}
