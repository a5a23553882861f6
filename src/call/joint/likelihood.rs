//! Genotype likelihoods of one sample at a site, in phred scale.

/// Likelihoods of one sample's genotypes at a site.
///
/// The letters are `alleles` in this order and then one more, `U`, which stands for every allele of the site that the
/// sample's record does not name (`<NON_REF>`, `<*>`). `pl`: in VCF order of genotypes over these letters, at the sample's
/// ploidy, the lowest one 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Likelihoods {
    /// Copies of the site that the sample has.
    pub ploidy: u8,
    /// Alleles of the site that the record names, ascending; the first is 0, the reference.
    pub alleles: Vec<u16>,
    /// Phred-scaled likelihoods, `C(ploidy + alleles.len(), ploidy)` of them.
    pub pl: Vec<u32>,
}
