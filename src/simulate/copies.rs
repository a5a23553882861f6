//! How many haplotypes a sample has of a contig.

use super::Cohort;

/// Copies of one contig, by sex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// Two in every sample.
    Autosome,
    /// Two in women, one in men.
    X,
    /// None in women, one in men.
    Y,
    /// One in every sample.
    Haploid,
}

impl Copies {
    /// Of a contig that was named to be haploid: X and Y by their names, others in everybody.
    pub fn of_haploid(name: &str) -> Copies {
        match name.strip_prefix("chr").unwrap_or(name) {
            "X" => Copies::X,
            "Y" => Copies::Y,
            _ => Copies::Haploid,
        }
    }

    /// Haplotypes of a sample.
    pub fn ploidy(self, is_female: bool) -> u8 {
        match self {
            Copies::Autosome => 2,
            Copies::X => 1 + u8::from(is_female),
            Copies::Y => u8::from(!is_female),
            Copies::Haploid => 1,
        }
    }

    /// Whether a man has half the reads of an autosome.
    pub fn is_sex_chromosome(self) -> bool {
        matches!(self, Copies::X | Copies::Y)
    }
}

/// The haplotypes of a contig: number `2 * sample`, and `2 * sample + 1` where a sample has two.
pub fn haplotypes(cohort: &Cohort, contig_id: usize) -> Vec<u32> {
    let of_sample = |sample| (0..u32::from(cohort.ploidy(contig_id, sample))).map(move |copy| 2 * sample as u32 + copy);
    (0..cohort.samples.len()).flat_map(of_sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_who_has_how_many() {
        let ploidies = |name| [true, false].map(|is_female| Copies::of_haploid(name).ploidy(is_female));
        assert_eq!(ploidies("chrX"), [2, 1]);
        assert_eq!(ploidies("Y"), [0, 1]);
        assert_eq!(ploidies("chrM"), [1, 1]);
        assert_eq!([true, false].map(|is_female| Copies::Autosome.ploidy(is_female)), [2, 2]);
    }
}
