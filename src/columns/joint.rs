//! The fields that joint calling fills: a VCF header for them, from which the columns follow as for any cohort.

use crate::decode::header::Header;
use crate::error::Result;
use crate::genome::Contigs;

/// `INFO`, `FORMAT` and `FILTER` of a joint call set. Every INFO value belongs to one alternate allele (Number=A) unless
/// it is about the site. `docs/formats.md` and `docs/methods.md` say how each is worked out.
const DEFINITIONS: &str = r#"##FILTER=<ID=PASS,Description="All filters passed">
##FILTER=<ID=LowQual,Description="QUAL of the site is below 30">
##FILTER=<ID=ExcessHet,Description="Phred-scaled p-value of excess heterozygosity of an allele is above 54.69">
##FILTER=<ID=LowCallRate,Description="Fewer than 90 % of the samples are called">
##FILTER=<ID=AllFiltered,Description="Every carrier of an alternate allele failed the filters of its input">
##FILTER=<ID=ShiftCapped,Description="An allele was not left-aligned because it would move further than 1,000 bp">
##FILTER=<ID=EmUnsettled,Description="The estimate of allele frequencies did not settle">
##INFO=<ID=AS_QUAL,Number=A,Type=Float,Description="-10 log10 of the probability that no sample has the allele">
##INFO=<ID=AQ,Number=A,Type=Integer,Description="Largest phred-scaled likelihood ratio of a sample having the allele, at most 9999">
##INFO=<ID=AS_QUALapprox,Number=A,Type=Integer,Description="Sum over carriers of PL of the reference genotype">
##INFO=<ID=AF_EM,Number=A,Type=Float,Description="Allele frequency estimated from the likelihoods of all samples">
##INFO=<ID=DP,Number=1,Type=Integer,Description="Sum of DP over called samples">
##INFO=<ID=NS,Number=1,Type=Integer,Description="Samples with a call">
##INFO=<ID=N_NODATA,Number=1,Type=Integer,Description="Missing calls: no record and no block (M)">
##INFO=<ID=N_INPUT,Number=1,Type=Integer,Description="Missing calls: none in the input (I)">
##INFO=<ID=N_DEPTH,Number=1,Type=Integer,Description="Missing calls: too few reads (D)">
##INFO=<ID=N_QUALITY,Number=1,Type=Integer,Description="Missing calls: likelihoods or GQ say nothing (G)">
##INFO=<ID=N_LOST,Number=1,Type=Integer,Description="Missing calls: allele not among those of the site (L)">
##INFO=<ID=N_OVERLAP,Number=1,Type=Integer,Description="Missing calls: overlapping records disagree (O)">
##INFO=<ID=N_SEX,Number=1,Type=Integer,Description="Missing calls: no copy by sex, or two different ones where there is one (S)">
##INFO=<ID=N_LOWGQ,Number=1,Type=Integer,Description="Called samples with GQ below 20">
##INFO=<ID=CARRIERS,Number=A,Type=Integer,Description="Samples with the allele">
##INFO=<ID=CARRIER_DP,Number=A,Type=Integer,Description="Sum of DP over carriers">
##INFO=<ID=AS_QD,Number=A,Type=Float,Description="AS_QUAL divided by CARRIER_DP">
##INFO=<ID=AD_REF,Number=A,Type=Integer,Description="Sum over carriers of reads with REF">
##INFO=<ID=AD_ALT,Number=A,Type=Integer,Description="Sum over carriers of reads with the allele">
##INFO=<ID=AB,Number=A,Type=Float,Description="Share of the allele in its reads and those of REF, over heterozygous carriers">
##INFO=<ID=AS_SB_TABLE,Number=A,Type=String,Description="Reads of carriers: REF forward|REF reverse|ALT forward|ALT reverse">
##INFO=<ID=AS_FS,Number=A,Type=Float,Description="Phred-scaled p-value of Fisher's exact test for strand bias">
##INFO=<ID=AS_SOR,Number=A,Type=Float,Description="Symmetric odds ratio of strand bias">
##INFO=<ID=AS_MQ,Number=A,Type=Float,Description="Root mean square mapping quality over carriers">
##INFO=<ID=AS_MQRankSum,Number=A,Type=Float,Description="Median over carriers of the Z-score of mapping qualities, ALT against REF">
##INFO=<ID=AS_ReadPosRankSum,Number=A,Type=Float,Description="Median over carriers of the Z-score of positions in reads, ALT against REF">
##INFO=<ID=AS_BaseQRankSum,Number=A,Type=Float,Description="Median over carriers of the Z-score of base qualities, ALT against REF">
##INFO=<ID=AS_InbreedingCoeff,Number=A,Type=Float,Description="1 - observed / expected heterozygotes, of 10 or more diploid calls">
##INFO=<ID=MAX_GQ,Number=A,Type=Integer,Description="Largest GQ of a carrier">
##INFO=<ID=MEDIAN_GQ,Number=A,Type=Integer,Description="Median GQ of the carriers">
##INFO=<ID=DP_HIST_ALT,Number=A,Type=String,Description="Carriers with DP in 0-4|5-9|...|95-">
##INFO=<ID=GQ_HIST_ALT,Number=A,Type=String,Description="Carriers with GQ in 0-4|5-9|...|95-">
##INFO=<ID=AB_HIST_ALT,Number=A,Type=String,Description="Heterozygous carriers with share of the allele in 0-0.05|0.05-0.1|...|0.95-1">
##INFO=<ID=DP_HIST_ALL,Number=1,Type=String,Description="Called samples with DP in 0-4|5-9|...|95-">
##INFO=<ID=GQ_HIST_ALL,Number=1,Type=String,Description="Called samples with GQ in 0-4|5-9|...|95-">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Reads">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads of each allele">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Phred-scaled genotype likelihoods">
##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">
##FORMAT=<ID=RNC,Number=1,Type=String,Description="Why there is no call: M no data, I none in the input, D depth, G quality, L lost allele, O overlap, S sex">
##FORMAT=<ID=FT,Number=1,Type=String,Description="FILTER of the sample's own record, where it is not PASS">
"#;

/// Fields of `--prior cohort`.
const POSTERIORS: &str = r#"##FORMAT=<ID=CGT,Number=1,Type=String,Description="Genotype with the highest posterior probability, given the allele frequencies of the cohort (0 other, 1 this allele)">
##FORMAT=<ID=CGQ,Number=1,Type=Integer,Description="-10 log10 of the probability that CGT is wrong, at most 99">
##FORMAT=<ID=GP,Number=G,Type=Float,Description="Posterior probabilities of 0, 1, ... copies">
"#;

/// FORMAT of the rows of a joint call set.
pub const FORMAT: &str = "GT:GQ:DP:AD:PL:PS:RNC:FT";
/// Added by `--prior cohort`.
pub const POSTERIOR_FORMAT: &str = ":CGT:CGQ:GP";

/// Header of a joint call set over these contigs and samples.
pub fn header(contigs: &Contigs, samples: &[String], posteriors: bool) -> Result<Header> {
    let mut text = String::from("##fileformat=VCFv4.2\n");
    text += DEFINITIONS;
    if posteriors {
        text += POSTERIORS;
    }
    // a name with one of these characters cannot be in a header line
    for contig in contigs.iter().filter(|contig| !contig.name.contains(['<', '>', ',', '"'])) {
        let length = contig.length.map(|length| format!(",length={length}")).unwrap_or_default();
        text += &format!("##contig=<ID={}{length}>\n", contig.name);
    }
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";
    for sample in samples {
        text.push('\t');
        text += sample;
    }
    text.push('\n');
    Header::parse(text.as_bytes())
}
