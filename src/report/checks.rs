//! What passes, warns and fails, at which thresholds, and what to do about it.

use super::numbers::median;
use super::results::Stored;
use super::samples::Samples;
use super::tally::{HWE_LOW_P, HWE_MIN_MAF};
use super::variants::Variants;
use crate::commit::manifest::Manifest;
use serde::Serialize;

/// What was sequenced: it decides which Ti/Tv is expected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Assay {
    /// Either of the others.
    #[default]
    Unknown,
    /// Whole genomes.
    Genome,
    /// Exomes.
    Exome,
}

/// Result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Pass,
    /// Worth a look.
    Warn,
    /// Not to be used as it is.
    Fail,
    /// Not enough data to say.
    None,
}

/// One line of the page's header.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What is expected, with its thresholds.
    pub expected: String,
    /// What to do; nothing where it passed.
    pub advice: &'static str,
    /// Section of the page that shows it.
    pub section: &'static str,
}

/// What the checks look at.
pub struct Facts<'a> {
    pub manifest: &'a Manifest,
    pub samples: &'a Samples,
    pub variants: &'a Variants,
    pub results: &'a Stored,
}

/// Share of rejected records that fails.
const REJECTED_FAIL: f64 = 0.01;
/// Call rates of the cohort that pass and that warn.
const COHORT_CALL_RATE: (f64, f64) = (0.98, 0.95);
/// Call rate of a sample that is too low, and the share of such samples that fails.
const SAMPLE_CALL_RATE: f64 = 0.95;
const LOW_SAMPLES_FAIL: f64 = 0.05;
/// A sample below this share of the median depth is shallow.
const SHALLOW: f64 = 0.5;
/// Ti/Tv of genomes and of exomes, and what is near enough to warn only (Wang et al. 2015, Bioinformatics 31:318,
/// doi:10.1093/bioinformatics/btu668: about 2.0 to 2.1 and 2.8 to 3.3).
const TITV_GENOME: (f64, f64) = (1.9, 2.2);
const TITV_EXOME: (f64, f64) = (2.6, 3.5);
const TITV_WARN: (f64, f64) = (1.6, 3.8);
/// Fewest SNVs of which Ti/Tv says anything.
const FEWEST_SNVS: u64 = 1_000;
/// Shares of common variants with too many heterozygotes that pass and that warn.
const EXCESS_HET: (f64, f64) = (0.005, 0.02);
/// Fewest common variants, and fewest samples, of which their shares say anything.
const FEWEST_COMMON: u64 = 100;
const FEWEST_SAMPLES: usize = 20;
/// Genomic inflation that passes and that warns.
const LAMBDA: (f64, f64) = (1.05, 1.1);

/// All checks, in the order of the page.
pub fn all(facts: &Facts, assay: Assay) -> Vec<Check> {
    let mut checks = vec![
        records(facts),
        cohort_call_rate(facts),
        sample_call_rates(facts),
        depths(facts),
        ti_tv(facts, assay),
        outliers(facts),
        excess_het(facts),
    ];
    checks.extend(sex(facts));
    checks.extend(duplicates(facts));
    checks.extend(inflation(facts));
    checks
}

fn made(
    name: &'static str,
    section: &'static str,
    status: Status,
    found: String,
    expected: String,
    advice: &'static str,
) -> Check {
    let advice = if matches!(status, Status::Warn | Status::Fail) { advice } else { "" };
    Check { name, status, found, expected, advice, section }
}

/// Pass above the first, warn above the second, else fail.
fn at_least(value: f64, (pass, warn): (f64, f64)) -> Status {
    match value {
        _ if value >= pass => Status::Pass,
        _ if value >= warn => Status::Warn,
        _ => Status::Fail,
    }
}

/// `0.123` as `12.3 %`.
fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn records(facts: &Facts) -> Check {
    let all = &facts.manifest.accounting;
    let is_whole = all.records_read == all.records_written + all.records_rejected;
    let rejected = all.records_rejected as f64 / all.records_read.max(1) as f64;
    let status = match all.records_rejected {
        _ if !is_whole || rejected > REJECTED_FAIL => Status::Fail,
        0 => Status::Pass,
        _ => Status::Warn,
    };
    made(
        "Records accounted for",
        "accounting",
        status,
        format!("{} read, {} rejected", grouped(all.records_read), grouped(all.records_rejected)),
        format!("none lost, none rejected (fails above {})", percent(REJECTED_FAIL)),
        "See the reasons under Record accounting and mend the inputs that they name; `--on-bad-record fail` stops at the first.",
    )
}

fn cohort_call_rate(facts: &Facts) -> Check {
    let samples = facts.samples;
    let total = samples.sum_called + samples.sum_missing;
    let rate = samples.sum_called as f64 / total.max(1) as f64;
    let status = if total == 0 { Status::None } else { at_least(rate, COHORT_CALL_RATE) };
    let found = if total == 0 { "no genotypes".to_owned() } else { percent(rate) };
    made(
        "Call rate of the cohort",
        "samples",
        status,
        found,
        format!("at least {} (fails below {})", percent(COHORT_CALL_RATE.0), percent(COHORT_CALL_RATE.1)),
        "Look for a group of samples, or a stretch of the genome, where calls are missing; leave out variants with many.",
    )
}

fn sample_call_rates(facts: &Facts) -> Check {
    let n_low = facts.samples.call_rates.iter().flatten().filter(|rate| **rate < SAMPLE_CALL_RATE).count();
    let share = n_low as f64 / facts.samples.n.max(1) as f64;
    let status = match n_low {
        _ if facts.samples.n == 0 => Status::None,
        0 => Status::Pass,
        _ if share > LOW_SAMPLES_FAIL => Status::Fail,
        _ => Status::Warn,
    };
    made(
        "Samples with a low call rate",
        "samples",
        status,
        format!("{} of {}", grouped(n_low as u64), grouped(facts.samples.n as u64)),
        format!("none below {} (fails above {} of the samples)", percent(SAMPLE_CALL_RATE), percent(LOW_SAMPLES_FAIL)),
        "Sort the table of samples by call rate; leave these out of analyses, or sequence them again.",
    )
}

fn depths(facts: &Facts) -> Check {
    let mut known: Vec<f64> = facts.samples.depths.iter().flatten().copied().collect();
    let middle = median(&mut known);
    let n_shallow = known.iter().filter(|depth| middle.is_some_and(|middle| **depth < SHALLOW * middle)).count();
    let status = match middle {
        None => Status::None,
        Some(_) if n_shallow == 0 => Status::Pass,
        Some(_) => Status::Warn,
    };
    let found = middle.map_or("no depths in the data".to_owned(), |middle| {
        format!("median {middle:.1}; {} below half of it", grouped(n_shallow as u64))
    });
    made(
        "Depth of the samples",
        "samples",
        status,
        found,
        "no sample below half of the median".to_owned(),
        "Shallow samples miss heterozygotes: check their het/hom ratio, and leave them out where it is low.",
    )
}

fn ti_tv(facts: &Facts, assay: Assay) -> Check {
    let (ti, tv) = (facts.variants.ti, facts.variants.tv);
    let ratio = ti as f64 / tv.max(1) as f64;
    let within = |(low, high): (f64, f64)| ratio >= low && ratio <= high;
    let is_expected = match assay {
        Assay::Genome => within(TITV_GENOME),
        Assay::Exome => within(TITV_EXOME),
        Assay::Unknown => within(TITV_GENOME) || within(TITV_EXOME),
    };
    let status = match ti + tv {
        n if n < FEWEST_SNVS => Status::None,
        _ if is_expected => Status::Pass,
        _ if within(TITV_WARN) => Status::Warn,
        _ => Status::Fail,
    };
    let range = |name: &str, (low, high): (f64, f64)| format!("{low} to {high} ({name})");
    let expected = match assay {
        Assay::Genome => range("genome", TITV_GENOME),
        Assay::Exome => range("exome", TITV_EXOME),
        Assay::Unknown => format!("{} or {}", range("genome", TITV_GENOME), range("exome", TITV_EXOME)),
    };
    let found = match ti + tv {
        0 => "no SNVs".to_owned(),
        n if n < FEWEST_SNVS => format!("{ratio:.3}, of only {n} SNVs"),
        _ => format!("{ratio:.3}"),
    };
    made(
        "Transitions / transversions",
        "substitutions",
        status,
        found,
        format!("{expected}; fails outside {} to {}", TITV_WARN.0, TITV_WARN.1),
        "A low ratio means false SNVs (random errors give 0.5): look at it by QUAL and filter, and raise the least QUAL.",
    )
}

fn outliers(facts: &Facts) -> Check {
    let spreads = &facts.samples.spreads;
    let known = spreads.values().filter(|spread| spread.bounds.is_some()).count();
    let with: Vec<String> = [("het_hom", "het/hom"), ("n_snv", "SNVs"), ("n_indel", "indels"), ("ti_tv", "Ti/Tv")]
        .iter()
        .filter_map(|(name, label)| {
            spreads.get(name).filter(|spread| spread.n_outside > 0).map(|spread| (label, spread))
        })
        .map(|(label, spread)| format!("{label}: {}", grouped(spread.n_outside as u64)))
        .collect();
    let status = match with.len() {
        _ if known == 0 => Status::None,
        0 => Status::Pass,
        _ => Status::Warn,
    };
    let found = match status {
        Status::None => "too few samples".to_owned(),
        Status::Pass => "none".to_owned(),
        _ => with.join(", "),
    };
    made(
        "Outlying samples",
        "strips",
        status,
        found,
        format!("none further than {} MAD from the median", super::numbers::MADS),
        "High het/hom suggests contamination, low het/hom inbreeding or low depth; samples of another ancestry differ too (PCA).",
    )
}

fn excess_het(facts: &Facts) -> Check {
    let hwe = &facts.variants.hwe;
    let share = hwe.n_excess as f64 / hwe.n.max(1) as f64;
    let (pass, warn) = EXCESS_HET;
    let is_little = hwe.n < FEWEST_COMMON || facts.samples.n < FEWEST_SAMPLES;
    let status = if is_little { Status::None } else { at_least(-share, (-pass, -warn)) };
    let found = if is_little {
        "too few samples or common variants".to_owned()
    } else {
        format!("{} of {} ({})", grouped(hwe.n_excess), grouped(hwe.n), percent(share))
    };
    made(
        "Too many heterozygotes",
        "hwe",
        status,
        found,
        format!(
            "at most {} of autosomal variants with MAF {HWE_MIN_MAF} and more at p < {HWE_LOW_P:e} (fails above {})",
            percent(pass),
            percent(warn)
        ),
        "These sites are often collapsed duplications: leave out variants with exc_het < 1e-6.",
    )
}

fn sex(facts: &Facts) -> Option<Check> {
    let found = facts.results.sex_check.as_ref()?;
    let status = match (found.n_discordant, found.n_unsure) {
        (0, 0) => Status::Pass,
        (0, _) => Status::Warn,
        _ => Status::Fail,
    };
    Some(made(
        "Sex of the samples",
        "sex",
        status,
        format!("{} discordant, {} not clear", grouped(found.n_discordant as u64), grouped(found.n_unsure as u64)),
        "none differs from the sample sheet".to_owned(),
        "A discordant sample may be swapped with another: check its identity before anything else.",
    ))
}

fn duplicates(facts: &Facts) -> Option<Check> {
    let kinship = facts.results.kinship.as_ref()?;
    let [duplicates, first, ..] = kinship.n_by_degree;
    let status = if duplicates > 0 { Status::Warn } else { Status::Pass };
    Some(made(
        "Duplicated samples",
        "kinship",
        status,
        format!("{} pairs; {} of first degree", grouped(duplicates as u64), grouped(first as u64)),
        "none, unless twins or controls were meant".to_owned(),
        "Keep one of each pair (Relatedness lists them); association tests expect unrelated samples.",
    ))
}

fn inflation(facts: &Facts) -> Option<Check> {
    let assoc = facts.results.assoc.as_ref()?;
    let known: Vec<(&str, f64)> =
        assoc.phenotypes.iter().filter_map(|one| Some((one.name.as_str(), one.lambda_gc?))).collect();
    let &(name, worst) = known.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let status = at_least(-worst, (-LAMBDA.0, -LAMBDA.1));
    Some(made(
        "Genomic inflation",
        "assoc",
        status,
        format!("λ {worst:.3} ({name})"),
        format!("at most {} (fails above {})", LAMBDA.0, LAMBDA.1),
        "Add principal components as covariates, and leave out relatives; a polygenic trait in a large cohort is inflated too.",
    ))
}

/// `1234567` as `1,234,567`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([1, 123, 1234, 1_234_567].map(grouped), ["1", "123", "1,234", "1,234,567"]);
        assert_eq!(percent(0.98), "98.00 %");
    }

    #[test]
    fn thresholds_belong_to_the_better_side() {
        assert_eq!(at_least(0.98, COHORT_CALL_RATE), Status::Pass);
        assert_eq!(at_least(0.95, COHORT_CALL_RATE), Status::Warn);
        assert_eq!(at_least(0.9499, COHORT_CALL_RATE), Status::Fail);
        assert_eq!(at_least(-0.005, (-EXCESS_HET.0, -EXCESS_HET.1)), Status::Pass);
    }
}
