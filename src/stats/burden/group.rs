//! The tests of one mask's variants for all phenotypes that are known for the same samples.

use super::columns::{Columns, Scored, Variant};
use super::fisher;
use super::skat::{Found, Quantiles, Skat, SkatO};
use super::{Finding, Gap, Outcome, Settings, TestName};
use crate::stats::assoc::basis::Rows;
use crate::stats::assoc::cohort::Cohort;
use crate::stats::assoc::dosage::Dosages;
use crate::stats::assoc::estimate::{Estimate, Reason};
use crate::stats::assoc::fit_binary;
use crate::stats::assoc::linear::{self, Linear};
use crate::stats::assoc::logistic::{self, Design, Trait};
use crate::stats::assoc::traits::{Kind, Phenotype};
use crate::stats::quadratic_form::How;

/// Sets with more variants than this have no SKAT: the covariance is `[m x m]`, its eigenvalues take m^3.
pub const MAX_KERNEL: usize = 5000;
/// Share of a sum of squares below which it is rounding.
const ROUNDING: f64 = 1e-12;

/// A quantitative phenotype.
#[derive(Clone, Debug)]
struct Quantity {
    at: usize,
    /// What the covariates leave, over its standard deviation. `Err`: they leave nothing.
    residual: Result<Vec<f64>, Reason>,
}

/// Phenotypes that are known for the same samples.
#[derive(Clone, Debug)]
pub struct Group {
    /// Their samples.
    pub rows: Rows,
    /// Men among them.
    pub n_males: u64,
    /// Covariates that are constant in them.
    pub constant: Vec<String>,
    /// Indexes of the phenotypes.
    pub members: Vec<usize>,
    design: Design,
    /// Sums of squares and products of the covariates, `[k x k]`.
    information: Vec<f64>,
    quantities: Vec<Quantity>,
    linear: Linear,
    binary: Vec<(usize, Result<Trait, Reason>)>,
}

/// Numbers of one phenotype in the samples of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Samples.
    pub n: usize,
    /// Cases, of a binary phenotype.
    pub n_cases: Option<usize>,
    /// Samples that carry an allele of the mask.
    pub n_carriers: usize,
    /// Cases among them.
    pub n_carriers_cases: Option<usize>,
    /// Variants of the mask.
    pub n_variants: usize,
    /// Those of them where all samples have the same number of copies, or all alleles are the same.
    pub n_monomorphic: usize,
    /// Copies of the rarer alleles.
    pub mac: u64,
}

/// A test and what it finds.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Index of the phenotype.
    pub phenotype: usize,
    /// The test.
    pub test: TestName,
    /// Who and what was tested.
    pub numbers: Numbers,
    /// What was found.
    pub outcome: Outcome,
}

/// Memory for the regressions of one thread.
#[derive(Debug, Default)]
pub struct Scratch {
    linear: linear::Scratch,
    logistic: logistic::Scratch,
}

impl Group {
    /// Fits the covariates.
    pub fn new(cohort: Cohort, phenotypes: &[Phenotype], max_vif: f64) -> Group {
        let Cohort { rows, n_males, basis, members } = cohort;
        let design = Design::new(&basis);
        let of_kind = |kind| members.iter().copied().filter(move |&at| phenotypes[at].kind == kind);
        let values: Vec<Vec<f64>> = of_kind(Kind::Quantitative).map(|at| rows.of(&phenotypes[at].values)).collect();
        let quantity = |(at, values): (usize, &Vec<f64>)| {
            let mut residual = values.clone();
            basis.residual(&mut residual);
            Quantity { at, residual: standardised(residual, values, design.k) }
        };
        let quantities = of_kind(Kind::Quantitative).zip(&values).map(quantity).collect();
        let fit = |at: usize| fit_binary(&design, rows.of(&phenotypes[at].values));
        let mut information = vec![0.0; design.k * design.k];
        // columns of length sqrt(n), orthogonal
        (0..design.k).for_each(|at| information[at * design.k + at] = design.n as f64);
        Group {
            binary: of_kind(Kind::Binary).map(|at| (at, fit(at))).collect(),
            constant: basis.constant.clone(),
            quantities,
            linear: Linear::new(&basis, &values, max_vif),
            information,
            design,
            rows,
            n_males,
            members,
        }
    }

    /// The fit of a binary phenotype.
    pub fn fit_of(&self, phenotype: usize) -> Option<&Result<Trait, Reason>> {
        self.binary.iter().find(|(at, _)| *at == phenotype).map(|(_, fit)| fit)
    }

    /// Tests the variants of a mask, for all phenotypes. Constant ones count, but have no part in the tests.
    pub fn test(&self, variants: &[&Variant], settings: &Settings, scratch: &mut Scratch) -> Vec<Record> {
        // without another allele copies differ as the ploidy of calls does
        let varies = |variant: &&Variant| !variant.is_constant && variant.mac > 0;
        let varying: Vec<&Variant> = variants.iter().copied().filter(varies).collect();
        let weights = varying.iter().map(|variant| settings.weight_of(variant)).collect();
        let columns = Columns::new(&varying, weights, self.rows.n());
        let carriers = columns.carriers();
        let numbers = |at: usize| Numbers {
            n_variants: variants.len(),
            n_monomorphic: variants.len() - varying.len(),
            mac: varying.iter().map(|variant| variant.mac).sum(),
            ..self.numbers(at, &carriers)
        };
        let gap = match (variants.is_empty(), varying.is_empty()) {
            (true, _) => Some(Gap::NoVariants),
            (_, true) => Some(Gap::Reason(Reason::Monomorphic)),
            _ => None,
        };
        let found = match gap {
            Some(gap) => return self.nothing_of(&numbers, gap, settings),
            None => self.outcomes(&columns, &carriers, settings, scratch),
        };
        let record = |(test, phenotype, outcome)| Record { phenotype, test, numbers: numbers(phenotype), outcome };
        found.into_iter().map(record).collect()
    }

    fn outcomes(
        &self,
        columns: &Columns,
        carriers: &Dosages,
        settings: &Settings,
        scratch: &mut Scratch,
    ) -> Vec<(TestName, usize, Outcome)> {
        let mut outcomes = Vec::new();
        let mut add = |test, found: Vec<(usize, Outcome)>| {
            outcomes.extend(found.into_iter().map(|(phenotype, outcome)| (test, phenotype, outcome)));
        };
        if settings.tests.contains(&TestName::Collapsing) {
            add(TestName::Collapsing, self.collapsing(carriers, settings, scratch));
        }
        if settings.tests.contains(&TestName::Burden) {
            add(TestName::Burden, self.regression(&columns.burden(), settings, scratch));
        }
        let kernels: Vec<TestName> = settings.tests.iter().copied().filter(|test| test.has_kernel()).collect();
        if !kernels.is_empty() {
            for (test, found) in kernels.iter().zip(self.kernels(&kernels, columns, settings.quantiles)) {
                add(*test, found);
            }
        }
        outcomes
    }

    /// All tests of all phenotypes without a result.
    pub fn nothing(&self, n_variants: usize, gap: Gap, settings: &Settings) -> Vec<Record> {
        let numbers = |at| Numbers { n_variants, ..self.numbers(at, &Dosages::default()) };
        self.nothing_of(&numbers, gap, settings)
    }

    fn nothing_of(&self, numbers: &dyn Fn(usize) -> Numbers, gap: Gap, settings: &Settings) -> Vec<Record> {
        let record = |phenotype, test| Record { phenotype, test, numbers: numbers(phenotype), outcome: Err(gap) };
        let of_test = |&test: &TestName| self.members.iter().map(move |&phenotype| record(phenotype, test));
        settings.tests.iter().flat_map(of_test).collect()
    }

    fn numbers(&self, phenotype: usize, carriers: &Dosages) -> Numbers {
        let fit = self.fit_of(phenotype).map(|fit| fit.as_ref().ok());
        let everybody = Dosages::default();
        let cases = |fit: &Trait| carriers.carriers.iter().filter(|(row, _)| fit.is_case(*row)).count();
        Numbers {
            n: self.rows.n(),
            n_cases: fit.flatten().map(|fit| fit.n_cases(&everybody)),
            n_carriers: carriers.carriers.len(),
            n_carriers_cases: fit.flatten().map(cases),
            ..Numbers::default()
        }
    }

    /// Carriers against others: Fisher's exact test of binary phenotypes where there are no covariates, else regression.
    fn collapsing(&self, carriers: &Dosages, settings: &Settings, scratch: &mut Scratch) -> Vec<(usize, Outcome)> {
        if self.design.k > 1 {
            return self.regression(carriers, settings, scratch);
        }
        let mut outcomes = self.linear(carriers, scratch);
        for (at, fit) in &self.binary {
            let outcome = match fit {
                Err(reason) => Err(Gap::Reason(*reason)),
                Ok(_) if carriers.is_constant => Err(Gap::Reason(Reason::Monomorphic)),
                Ok(fit) => Ok(self.fisher(carriers, fit)),
            };
            outcomes.push((*at, outcome));
        }
        outcomes
    }

    fn fisher(&self, carriers: &Dosages, fit: &Trait) -> Finding {
        let n_cases = fit.n_cases(&Dosages::default()) as u64;
        let with = carriers.carriers.len() as u64;
        let both = carriers.carriers.iter().filter(|(row, _)| fit.is_case(*row)).count() as u64;
        let n = self.rows.n() as u64;
        let table = [[both, with - both], [n_cases - both, n - n_cases - (with - both)]];
        let (beta, se) = fisher::ln_odds_ratio(table);
        Finding { method: "fisher", beta: Some(beta), se: Some(se), stat: None, rho: None, ln_p: fisher::ln_p(table) }
    }

    fn linear(&self, values: &Dosages, scratch: &mut Scratch) -> Vec<(usize, Outcome)> {
        let mut found = Vec::new();
        if !self.quantities.is_empty() {
            self.linear.test(values, &mut scratch.linear, &mut found);
        }
        self.quantities.iter().zip(found).map(|(quantity, found)| (quantity.at, outcome(found))).collect()
    }

    /// Linear and logistic regression on one value a sample.
    fn regression(&self, values: &Dosages, settings: &Settings, scratch: &mut Scratch) -> Vec<(usize, Outcome)> {
        let mut outcomes = self.linear(values, scratch);
        for (at, fit) in &self.binary {
            let found = fit
                .as_ref()
                .map_err(|reason| *reason)
                .and_then(|fit| logistic::test(&self.design, fit, values, settings.logistic, &mut scratch.logistic));
            outcomes.push((*at, outcome(found)));
        }
        outcomes
    }

    /// SKAT and SKAT-O, by test.
    fn kernels(&self, tests: &[TestName], columns: &Columns, quantiles: Quantiles) -> Vec<Vec<(usize, Outcome)>> {
        if columns.weights.len() > MAX_KERNEL {
            let too_many = || self.members.iter().map(|&at| (at, Err(Gap::TooManyVariants))).collect();
            return tests.iter().map(|_| too_many()).collect();
        }
        let known: Vec<&[f64]> = self.quantities.iter().filter_map(|one| one.residual.as_deref().ok()).collect();
        let mut found: Vec<Vec<(usize, Outcome)>> = vec![Vec::new(); tests.len()];
        if !self.quantities.is_empty() {
            let scored = columns.score(&self.design, None, &self.information, &known);
            for (results, found) in test_scores(tests, scored, quantiles).into_iter().zip(&mut found) {
                let mut results = results.map(Vec::into_iter);
                found.extend(self.quantities.iter().map(|quantity| {
                    let one = match (&quantity.residual, &mut results) {
                        (Err(reason), _) => Err(Gap::Reason(*reason)),
                        (_, Err(reason)) => Err(Gap::Reason(*reason)),
                        (_, Ok(results)) => Ok(results.next().expect("a result for each residual")),
                    };
                    (quantity.at, one)
                }));
            }
        }
        for (at, fit) in &self.binary {
            let scored = fit
                .as_ref()
                .map_err(|reason| *reason)
                .and_then(|fit| columns.score(&self.design, Some(fit.weight()), fit.information(), &[fit.residual()]));
            for (results, found) in test_scores(tests, scored, quantiles).into_iter().zip(&mut found) {
                found.push((*at, results.map(|one| one[0]).map_err(Gap::Reason)));
            }
        }
        found
    }
}

/// What each test finds, by its place, for each phenotype.
fn test_scores(
    tests: &[TestName],
    scored: Result<Scored, Reason>,
    quantiles: Quantiles,
) -> Vec<Result<Vec<Finding>, Reason>> {
    let scored = match scored {
        Ok(scored) => scored,
        Err(reason) => return vec![Err(reason); tests.len()],
    };
    let finding = |found: Found, rho| Finding {
        method: if found.how == How::Inversion { "inversion" } else { "liu" },
        beta: None,
        se: None,
        stat: Some(found.q),
        rho,
        ln_p: found.ln_p,
    };
    let skato = tests.contains(&TestName::Skato).then(|| SkatO::new(&scored.kernel)).flatten();
    let test = |test: &TestName| match test {
        TestName::Skat => {
            let skat = skato.as_ref().map(SkatO::skat).or_else(|| Skat::new(&scored.kernel));
            let skat = skat.ok_or(Reason::Collinear)?;
            Ok(scored.scores.iter().map(|scores| finding(skat.test(scores), None)).collect())
        }
        _ => {
            let skato = skato.as_ref().ok_or(Reason::Collinear)?;
            let found = scored.scores.iter().map(|scores| skato.test(scores, quantiles));
            Ok(found.map(|found| finding(found, Some(found.rho))).collect())
        }
    };
    tests.iter().map(test).collect()
}

fn outcome(found: Result<Estimate, Reason>) -> Outcome {
    let finding = |found: Estimate| Finding {
        method: found.method.name(),
        beta: Some(found.beta),
        se: Some(found.se),
        stat: Some(found.stat),
        rho: None,
        ln_p: found.ln_p,
    };
    found.map(finding).map_err(Gap::Reason)
}

/// The residual over its standard deviation, RSS / (n - k).
fn standardised(residual: Vec<f64>, values: &[f64], k: usize) -> Result<Vec<f64>, Reason> {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let total: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    let rss: f64 = residual.iter().map(|value| value * value).sum();
    if n <= k {
        return Err(Reason::TooFewSamples);
    }
    if rss <= ROUNDING * total || total == 0.0 {
        return Err(Reason::ConstantPhenotype);
    }
    let sd = (rss / (n - k) as f64).sqrt();
    Ok(residual.into_iter().map(|value| value / sd).collect())
}
