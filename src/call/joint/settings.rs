//! What the user may choose about joint calling; sets of choices are presets, kept as data in `presets.json`.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// Where genotypes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Genotypes {
    /// GT and GQ as in the inputs, so that a sample's call does not change when others join.
    Input,
    /// The genotype with the lowest PL over the alleles that are kept.
    Likelihoods,
}

/// What else is known about a sample's genotype.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prior {
    /// Nothing.
    #[default]
    None,
    /// The allele frequencies of the cohort: adds the columns fmt_cgt, fmt_cgq and fmt_gp.
    Cohort,
}

/// Resolved settings of joint calling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JointSettings {
    /// Name of the preset that the others began with.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Least QUAL of a site.
    pub min_qual: f64,
    /// Least reads of a call.
    pub min_dp: u32,
    /// Least GQ of a reference call.
    pub min_gq_reference: u32,
    /// Least GQ of another call.
    pub min_gq_carrier: u32,
    /// Expected share of sites at which two chromosomes differ by one base.
    pub heterozygosity_snv: f64,
    /// The same for insertions and deletions.
    pub heterozygosity_indel: f64,
    /// Standard deviation of the two.
    pub heterozygosity_sd: f64,
    /// Largest change of an allele's expected copies at which the estimate of frequencies is done.
    pub em_tolerance: f64,
    /// Most rounds of it.
    pub em_iterations: u32,
    /// Samples whose likelihoods are all the same count in the estimate.
    pub flat_likelihoods_count: bool,
    /// Where genotypes come from.
    pub genotypes: Genotypes,
    /// Alleles whose own QUAL is below `min_qual` are left out of the site, and likelihoods cut down to the others.
    pub drop_unlikely_alleles: bool,
    /// Most alternate alleles of a site: those that the samples' most likely genotypes speak for most. 0: no limit.
    #[serde(default)]
    pub max_alternate_alleles: usize,
    /// Prior for the posterior columns.
    #[serde(default)]
    pub prior: Prior,
}

const PRESETS: &str = include_str!("presets.json");

/// Name of the preset that is used when none is named.
pub const DEFAULT_PRESET: &str = "default";

impl JointSettings {
    /// The presets that come with the program.
    pub fn presets() -> Vec<JointSettings> {
        serde_json::from_str(PRESETS).expect("the presets are tested")
    }

    /// The preset of this name, or the one written as JSON in `text_of` when that gives a text.
    pub fn named(name: &str, text_of: impl Fn(&str) -> Option<Vec<u8>>) -> Result<JointSettings> {
        let presets = Self::presets();
        if let Some(found) = presets.iter().find(|preset| preset.name == name) {
            return Ok(found.clone());
        }
        if let Some(text) = text_of(name) {
            return serde_json::from_slice(&text)
                .map_err(|error| Error::usage(format!("the preset {name} is not understood: {error}")));
        }
        let names: Vec<&str> = presets.iter().map(|preset| preset.name.as_str()).collect();
        Err(Error::usage(format!("there is no preset {name}"))
            .hint(format!("presets are {}, or name a JSON file with the same fields", names.join(", "))))
    }

    /// Pseudo-counts of REF, of an allele of one base for one base, and of any other (GATK's AlleleFrequencyCalculator).
    pub fn pseudo_counts(&self) -> [f64; 3] {
        let reference = self.heterozygosity_snv / (self.heterozygosity_sd * self.heterozygosity_sd);
        [reference, self.heterozygosity_snv * reference, self.heterozygosity_indel * reference]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_well_formed() {
        let presets = JointSettings::presets();
        assert!(presets.iter().any(|preset| preset.name == DEFAULT_PRESET));
        for preset in presets {
            let [reference, snv, indel] = preset.pseudo_counts();
            assert!((reference - 10.0).abs() < 1e-9 && (snv - 0.01).abs() < 1e-12 && (indel - 0.00125).abs() < 1e-12);
        }
        assert!(JointSettings::named("none-such", |_| None).is_err());
    }
}
