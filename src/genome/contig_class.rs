//! What kind of chromosome a contig is, by its name.

/// Kind of a contig, as far as statistics treat them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContigClass {
    /// Everything that is none of the others.
    Autosome,
    /// `X`, `chrX`.
    X,
    /// `Y`, `chrY`.
    Y,
    /// `MT`, `M`, `chrM`, `chrMT`.
    Mitochondrion,
    /// Unplaced and unlocalised sequence, alternate haplotypes, decoys, viruses: left out of statistics over the genome.
    Other,
}

/// Beginnings of the names of [`ContigClass::Other`] in GRCh37 and GRCh38 and their analysis sets.
const OTHER_PREFIXES: [&str; 8] = ["chrUn", "Un_", "GL000", "KI27", "hs37d5", "hs38d1", "NC_007605", "chrEBV"];
/// Ends of such names.
const OTHER_SUFFIXES: [&str; 5] = ["_random", "_alt", "_fix", "_decoy", "_hap"];

impl ContigClass {
    /// The class of a contig named `name`.
    pub fn of(name: &str) -> ContigClass {
        match name.strip_prefix("chr").unwrap_or(name) {
            "X" => ContigClass::X,
            "Y" => ContigClass::Y,
            "M" | "MT" => ContigClass::Mitochondrion,
            _ if Self::is_other(name) => ContigClass::Other,
            _ => ContigClass::Autosome,
        }
    }

    fn is_other(name: &str) -> bool {
        let stem = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
        name.starts_with("HLA-")
            || name.starts_with("HLA:")
            || OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || OTHER_SUFFIXES.iter().any(|suffix| stem.ends_with(suffix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_names() {
        let class = ContigClass::of;
        assert_eq!([class("1"), class("chr22"), class("sim1"), class("2L")], [ContigClass::Autosome; 4]);
        assert_eq!(
            (class("X"), class("chrY"), class("chrM")),
            (ContigClass::X, ContigClass::Y, ContigClass::Mitochondrion)
        );
        let others = [
            "chrUn_KI270302v1",
            "chr1_KI270706v1_random",
            "GL000191.1",
            "hs37d5",
            "HLA-A*01:01:01:01",
            "chr6_apd_hap1",
        ];
        assert_eq!(others.map(class), [ContigClass::Other; 6]);
    }
}
