//! What a test of one variant and one phenotype finds.

/// How it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Least squares.
    Linear,
    /// Maximum likelihood.
    Logistic,
    /// Firth's penalised likelihood.
    Firth,
}

impl Method {
    /// Its name in the column `test`.
    pub fn name(self) -> &'static str {
        match self {
            Method::Linear => "linear",
            Method::Logistic => "logistic",
            Method::Firth => "firth",
        }
    }
}

/// Effect of one copy of the allele.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// How it was found.
    pub method: Method,
    /// Change of the phenotype, or of the log odds, by one copy.
    pub beta: f64,
    /// Its standard error.
    pub se: f64,
    /// t of a linear regression, else z.
    pub stat: f64,
    /// ln of the two-sided p.
    pub ln_p: f64,
}

/// Why there is no estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// All samples have the same number of copies, or none has a call.
    Monomorphic,
    /// Not more samples than coefficients.
    TooFewSamples,
    /// The phenotype has one value only in the samples with a call.
    ConstantPhenotype,
    /// The covariates explain the copies, or one another in the samples with a call.
    Collinear,
    /// Nothing is left to estimate an error from.
    PerfectFit,
    /// The allele, alone or with the covariates, separates cases from controls, and Firth's method was not wanted.
    Separation,
    /// The iterations did not end.
    NotConverged,
}

impl Reason {
    /// Its name in the column `status`.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Monomorphic => "monomorphic",
            Reason::TooFewSamples => "too_few_samples",
            Reason::ConstantPhenotype => "constant_phenotype",
            Reason::Collinear => "collinear",
            Reason::PerfectFit => "perfect_fit",
            Reason::Separation => "separation",
            Reason::NotConverged => "not_converged",
        }
    }
}

/// An estimate, or why there is none.
pub type Outcome = Result<Estimate, Reason>;
