//! How many copies of a base a person has, by sex: X and Y outside of the pseudoautosomal regions.

/// Sex of a sample as far as copies of X and Y go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sex {
    /// Two copies of X.
    Female,
    /// One copy of X and one of Y.
    Male,
}

impl Sex {
    /// From a sample sheet: `female`, `F` or `2` (PED), `male`, `M` or `1`, in any case; anything else is not known.
    pub fn parse(text: &str) -> Option<Sex> {
        match text.to_ascii_lowercase().as_str() {
            "female" | "f" | "2" | "xx" => Some(Sex::Female),
            "male" | "m" | "1" | "xy" => Some(Sex::Male),
            _ => None,
        }
    }
}

/// A sex chromosome of a known assembly, recognised by its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SexChromosome {
    is_x: bool,
    /// Pseudoautosomal regions, 1-based, both ends inside: there everybody has two copies.
    par: [(i32, i32); 2],
}

/// Length of the contig, whether it is X, and its pseudoautosomal regions (Genome Reference Consortium, GRCh37 and
/// GRCh38: PAR#1 and PAR#2).
const CHROMOSOMES: [(u64, SexChromosome); 4] = [
    (155_270_560, SexChromosome { is_x: true, par: [(60_001, 2_699_520), (154_931_044, 155_260_560)] }),
    (59_373_566, SexChromosome { is_x: false, par: [(10_001, 2_649_520), (59_034_050, 59_363_566)] }),
    (156_040_895, SexChromosome { is_x: true, par: [(10_001, 2_781_479), (155_701_383, 156_030_895)] }),
    (57_227_415, SexChromosome { is_x: false, par: [(10_001, 2_781_479), (56_887_903, 57_217_415)] }),
];

impl SexChromosome {
    /// The chromosome of a contig, when its name and length are those of X or Y of GRCh37 or GRCh38.
    pub fn of(name: &str, length: Option<u64>) -> Option<SexChromosome> {
        let short = name.strip_prefix("chr").unwrap_or(name);
        let found = CHROMOSOMES.iter().find(|(known, _)| Some(*known) == length)?.1;
        (short == if found.is_x { "X" } else { "Y" }).then_some(found)
    }

    /// Copies that a sex has at a 1-based position.
    pub fn copies(self, vcf_pos: i32, sex: Sex) -> u8 {
        let in_par = self.par.iter().any(|&(first, last)| (first..=last).contains(&vcf_pos));
        match (in_par, self.is_x, sex) {
            (true, ..) | (_, true, Sex::Female) => 2,
            (_, false, Sex::Female) => 0,
            (_, _, Sex::Male) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_by_sex_and_region() {
        let x = SexChromosome::of("chrX", Some(156_040_895)).expect("GRCh38");
        assert_eq!((x.copies(2_781_479, Sex::Male), x.copies(2_781_480, Sex::Male)), (2, 1));
        assert_eq!(x.copies(2_781_480, Sex::Female), 2);
        let y = SexChromosome::of("Y", Some(59_373_566)).expect("GRCh37");
        assert_eq!((y.copies(3_000_000, Sex::Female), y.copies(3_000_000, Sex::Male)), (0, 1));
        assert_eq!(SexChromosome::of("chrX", Some(1_000)), None);
        assert_eq!(SexChromosome::of("chr7", Some(156_040_895)), None);
        assert_eq!(Sex::parse("Male"), Some(Sex::Male));
    }
}
