//! How much a variant counts.

use crate::error::{Error, Result};
use statrs::function::gamma::ln_gamma;

/// Weights that multiply the copies of an allele, in the burden as in the kernel.
#[derive(Clone, Debug, PartialEq)]
pub enum Weights {
    /// All the same: 1.
    Flat,
    /// Density of Beta(a, b) at the frequency of the rarer allele (Wu et al. 2011).
    Beta {
        /// First parameter.
        a: f64,
        /// Second parameter.
        b: f64,
    },
    /// 1 / sqrt(q (1 - q)), q = (copies + 1) / (alleles + 2) (Madsen & Browning 2009, with q of all samples).
    MadsenBrowning,
    /// A column.
    Column(String),
}

/// What a weight may depend on.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Copies of the rarer allele.
    pub mac: u64,
    /// Alleles in complete calls.
    pub an: u64,
    /// Value of the column, where weights are of one.
    pub column: f64,
}

impl Weights {
    /// Parses `flat`, `beta:a,b`, `madsen-browning`, `column` (a column `weight`) and `column:NAME`.
    pub fn parse(text: &str) -> Result<Weights> {
        let wrong = || {
            Error::usage(format!("--weights is `{text}`"))
                .hint("expected flat, beta:1,25 (any two numbers above 0), madsen-browning, column or column:NAME")
        };
        let (kind, rest) = text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        match (kind, rest) {
            ("flat", None) => Ok(Weights::Flat),
            ("madsen-browning", None) => Ok(Weights::MadsenBrowning),
            ("column", name) => Ok(Weights::Column(name.unwrap_or("weight").to_owned())),
            ("beta", rest) => {
                let numbers = rest.unwrap_or("1,25").split(',').map(|number| number.trim().parse().ok());
                match numbers.collect::<Option<Vec<f64>>>().as_deref() {
                    Some(&[a, b]) if a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite() => Ok(Weights::Beta { a, b }),
                    _ => Err(wrong()),
                }
            }
            _ => Err(wrong()),
        }
    }

    /// The column that weights are in.
    pub fn column(&self) -> Option<&str> {
        match self {
            Weights::Column(name) => Some(name),
            _ => None,
        }
    }

    /// The weight of a variant that is not monomorphic.
    pub fn of(&self, facts: Facts) -> f64 {
        match self {
            Weights::Flat => 1.0,
            Weights::Beta { a, b } => {
                let maf = facts.mac as f64 / facts.an as f64;
                let ln_beta = ln_gamma(*a) + ln_gamma(*b) - ln_gamma(a + b);
                ((a - 1.0) * maf.ln() + (b - 1.0) * (-maf).ln_1p() - ln_beta).exp()
            }
            Weights::MadsenBrowning => {
                let q = (facts.mac as f64 + 1.0) / (facts.an as f64 + 2.0);
                1.0 / (q * (1.0 - q)).sqrt()
            }
            Weights::Column(_) => facts.column,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_values() {
        let of = |text: &str| Weights::parse(text).expect("weights").of(Facts { mac: 2, an: 100, column: 7.0 });
        assert_eq!((of("flat"), of("column"), of("column:cadd")), (1.0, 7.0, 7.0));
        // Beta(1, 25) has the density 25 (1 - x)^24; Beta(2, 3) 12 x (1 - x)^2
        assert!((of("beta:1,25") / (25.0 * 0.98_f64.powi(24)) - 1.0).abs() < 1e-10);
        assert!((of("beta:2,3") / (12.0 * 0.02 * 0.98 * 0.98) - 1.0).abs() < 1e-10);
        let q: f64 = 3.0 / 102.0;
        assert_eq!(of("madsen-browning"), 1.0 / (q * (1.0 - q)).sqrt());
        for wrong in ["", "beta:1", "beta:0,2", "flat:1", "beta:1,x", "cadd"] {
            assert!(Weights::parse(wrong).is_err(), "{wrong}");
        }
    }
}
