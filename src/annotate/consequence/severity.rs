//! How severe a consequence is: the order and the impact of the terms of the Sequence Ontology as Ensembl publishes them.
//!
//! "Calculated variant consequences", ensembl.org/info/genome/variation/prediction/predicted_data.html (release 110 and later);
//! McLaren et al. 2016, Genome Biology 17:122, doi:10.1186/s13059-016-0974-4.

/// Impact of a consequence, the most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Impact {
    /// Disruptive.
    High,
    /// Changes the protein.
    Moderate,
    /// Changes little.
    Low,
    /// Not coding, or not known.
    Modifier,
}

impl Impact {
    /// As VEP and SnpEff write it.
    pub const fn name(self) -> &'static str {
        match self {
            Impact::High => "HIGH",
            Impact::Moderate => "MODERATE",
            Impact::Low => "LOW",
            Impact::Modifier => "MODIFIER",
        }
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Impact> {
        [Impact::High, Impact::Moderate, Impact::Low, Impact::Modifier].into_iter().find(|impact| impact.name() == name)
    }
}

use Impact::{High, Low, Moderate, Modifier};

/// Terms of Ensembl, the most severe first.
const TERMS: [(&str, Impact); 41] = [
    ("transcript_ablation", High),
    ("splice_acceptor_variant", High),
    ("splice_donor_variant", High),
    ("stop_gained", High),
    ("frameshift_variant", High),
    ("stop_lost", High),
    ("start_lost", High),
    ("transcript_amplification", High),
    ("feature_elongation", High),
    ("feature_truncation", High),
    ("inframe_insertion", Moderate),
    ("inframe_deletion", Moderate),
    ("missense_variant", Moderate),
    ("protein_altering_variant", Moderate),
    ("splice_donor_5th_base_variant", Low),
    ("splice_region_variant", Low),
    ("splice_donor_region_variant", Low),
    ("splice_polypyrimidine_tract_variant", Low),
    ("incomplete_terminal_codon_variant", Low),
    ("start_retained_variant", Low),
    ("stop_retained_variant", Low),
    ("synonymous_variant", Low),
    ("coding_sequence_variant", Modifier),
    ("mature_miRNA_variant", Modifier),
    ("5_prime_UTR_variant", Modifier),
    ("3_prime_UTR_variant", Modifier),
    ("non_coding_transcript_exon_variant", Modifier),
    ("intron_variant", Modifier),
    ("NMD_transcript_variant", Modifier),
    ("non_coding_transcript_variant", Modifier),
    ("coding_transcript_variant", Modifier),
    ("upstream_gene_variant", Modifier),
    ("downstream_gene_variant", Modifier),
    ("TFBS_ablation", Modifier),
    ("TFBS_amplification", Modifier),
    ("TF_binding_site_variant", Modifier),
    ("regulatory_region_ablation", Modifier),
    ("regulatory_region_amplification", Modifier),
    ("regulatory_region_variant", Modifier),
    ("intergenic_variant", Modifier),
    ("sequence_variant", Modifier),
];

/// Short terms of `bcftools csq` (and of older SnpEff) that are the same as others.
const SAME: [(&str, &str); 17] = [
    ("missense", "missense_variant"),
    ("synonymous", "synonymous_variant"),
    ("frameshift", "frameshift_variant"),
    ("splice_acceptor", "splice_acceptor_variant"),
    ("splice_donor", "splice_donor_variant"),
    ("splice_region", "splice_region_variant"),
    ("start_retained", "start_retained_variant"),
    ("stop_retained", "stop_retained_variant"),
    ("inframe_altering", "protein_altering_variant"),
    ("coding_sequence", "coding_sequence_variant"),
    ("5_prime_utr", "5_prime_UTR_variant"),
    ("3_prime_utr", "3_prime_UTR_variant"),
    ("non_coding", "non_coding_transcript_variant"),
    ("intron", "intron_variant"),
    ("intergenic", "intergenic_variant"),
    ("upstream", "upstream_gene_variant"),
    ("downstream", "downstream_gene_variant"),
];

/// The term of the Sequence Ontology that a short one stands for; other terms are what they are.
pub fn so_term(term: &str) -> &str {
    SAME.iter().find(|(short, _)| *short == term).map_or(term, |(_, long)| long)
}

/// How severe a term is, the most severe first: its impact (`given`, else that of Ensembl's table, else MODIFIER), then its place in
/// the table; terms that are not there come last.
pub fn severity(term: &str, given: Option<Impact>) -> (Impact, usize) {
    let at = TERMS.iter().position(|(known, _)| *known == term);
    let impact = given.or(at.map(|at| TERMS[at].1)).unwrap_or(Modifier);
    (impact, at.unwrap_or(TERMS.len()))
}

/// The most severe of terms with `&` between them.
pub fn most_severe(terms: &str, given: Option<Impact>) -> Option<(&str, (Impact, usize))> {
    let each = terms.split('&').filter(|term| !term.is_empty()).map(|term| (term, severity(term, given)));
    each.min_by_key(|(_, severity)| *severity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impacts_ascend_with_the_table() {
        assert!(TERMS.is_sorted_by_key(|(_, impact)| *impact));
        assert!(SAME.iter().all(|(_, long)| TERMS.iter().any(|(term, _)| term == long)));
    }

    #[test]
    fn the_most_severe_term() {
        let found = |terms| most_severe(terms, None).map(|(term, (impact, _))| (term, impact.name()));
        assert_eq!(found("intron_variant&splice_donor_variant"), Some(("splice_donor_variant", "HIGH")));
        assert_eq!(found("whatever&intron_variant"), Some(("intron_variant", "MODIFIER")));
        assert_eq!(found("whatever"), Some(("whatever", "MODIFIER")));
        assert_eq!(found(""), None);
        assert_eq!(so_term("missense"), "missense_variant");
    }
}
