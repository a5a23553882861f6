//! Checks of the rows of one shard: order, identifiers, and every statistic that the calls determine.

use super::Problems;
use super::samples::SiteCalls;
use crate::call::hwe::hwe_exact;
use crate::call::sample_counts::{Counter, SampleCounts};
use crate::commit::manifest::ManifestFile;
use crate::dataset::Dataset;
use crate::dataset::batch::Batch;
use crate::dataset::sites::{AlleleRow, Columns, RowReader};
use crate::error::Result;
use crate::genome::split_id;
use arrow_array::Array;
use std::collections::BTreeMap;

/// Largest relative difference of a recomputed p value.
const P_TOLERANCE: f64 = 1e-9;
const VARIANT_COLUMNS: [&str; 15] = [
    "ref",
    "alt",
    "type",
    "ac",
    "an",
    "af",
    "n_hom_ref",
    "n_het",
    "n_hom_alt",
    "n_hemi_ref",
    "n_hemi_alt",
    "n_partial",
    "n_missing",
    "hwe_p",
    "exc_het",
];
const CALL_COLUMNS: [&str; 2] = ["gt", "dosage"];

/// What the rows of one shard say, or of several that follow each other.
pub struct ShardFindings {
    /// Shards.
    pub n_shards: usize,
    pub n_variants: u64,
    pub n_genotypes: u64,
    /// Sites with all their rows seen.
    pub n_sites: i64,
    pub counts: SampleCounts,
    /// Sites whose other rows may be in another shard.
    pub open_sites: BTreeMap<i64, SiteCalls>,
    /// Whether every row could be read.
    pub readable: bool,
    /// One line each.
    pub problems: Vec<String>,
    /// First and last row, where there is one.
    ends: Option<(End, End)>,
}

/// A row at an end of a shard.
#[derive(Clone)]
struct End {
    id: i64,
    path: String,
    contig: Option<String>,
}

impl End {
    fn of(id: i64, variants: &ManifestFile) -> End {
        End { id, path: variants.path.clone(), contig: variants.contig.clone() }
    }
}

impl ShardFindings {
    pub fn new(n_samples: usize) -> ShardFindings {
        ShardFindings {
            n_shards: 0,
            n_variants: 0,
            n_genotypes: 0,
            n_sites: 0,
            counts: SampleCounts::new(n_samples),
            open_sites: BTreeMap::new(),
            readable: true,
            problems: Vec::new(),
            ends: None,
        }
    }

    /// Together with those of the shards behind, in manifest order.
    pub fn followed_by(mut self, next: ShardFindings) -> ShardFindings {
        if let (Some((_, last)), Some((first, _))) = (&self.ends, &next.ends)
            && last.contig == first.contig
            && first.id <= last.id
        {
            self.problems.push(format!(
                "{}: begins with variant_id {}, but {} ends with {}",
                first.path, first.id, last.path, last.id
            ));
        }
        self.problems.extend(next.problems);
        self.n_shards += next.n_shards;
        self.n_variants += next.n_variants;
        self.n_genotypes += next.n_genotypes;
        self.n_sites += next.n_sites;
        self.readable &= next.readable;
        self.counts.add(&next.counts);
        for (site_id, calls) in next.open_sites {
            let site = match self.open_sites.remove(&site_id) {
                Some(site) => site.joined(calls),
                None => calls,
            };
            self.take_site(site_id, site);
        }
        self.ends = match (self.ends, next.ends) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (own, next) => own.or(next),
        };
        self
    }

    /// Counts a site whose rows are all there; keeps it otherwise.
    fn take_site(&mut self, site_id: i64, site: SiteCalls) {
        if site.is_whole() {
            self.n_sites += 1;
            site.count(&mut self.counts);
        } else {
            self.open_sites.insert(site_id, site);
        }
    }
}

/// Checks one shard. A file that cannot be read is one of the problems. `n_samples`: those of the dataset.
pub fn check_shard(
    dataset: &Dataset,
    variants: &ManifestFile,
    genotypes: Option<&ManifestFile>,
    n_samples: usize,
) -> ShardFindings {
    let mut findings = ShardFindings { n_shards: 1, ..ShardFindings::new(n_samples) };
    let mut problems = Problems::default();
    if let Err(error) = check_rows(dataset, variants, genotypes, &mut findings, &mut problems) {
        findings.readable = false;
        problems.add(|| error.to_string());
    }
    findings.problems = problems.into_lines(&variants.path);
    findings
}

fn check_rows(
    dataset: &Dataset,
    variants: &ManifestFile,
    genotypes: Option<&ManifestFile>,
    findings: &mut ShardFindings,
    problems: &mut Problems,
) -> Result<()> {
    let names = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    let columns = Columns { variants: names(&VARIANT_COLUMNS), genotypes: names(&CALL_COLUMNS), ..Columns::default() };
    let genotypes_path = genotypes.map(|file| dataset.full_path(file)).transpose()?;
    let mut reader = RowReader::of_shard(&dataset.full_path(variants)?, genotypes_path.as_ref(), &columns);
    let contigs = &dataset.manifest().contigs;
    let contig = contigs.iter().position(|contig| Some(&contig.name) == variants.contig.as_ref());
    while let Some(row) = reader.next_row()? {
        findings.n_variants += 1;
        let check =
            RowCheck { row: &row, n_samples: findings.counts.n_samples() as i64, all_calls: dataset.has_all_calls() };
        let (locus, _) = split_id(row.variant_id);
        if Some(locus.contig as usize) != contig || locus.vcf_pos != row.batch.ints("pos")?.value(row.row) {
            let id = row.variant_id;
            problems.add(|| format!("{}: variant_id {id} does not fit its contig and pos", variants.path));
        }
        let id = row.variant_id;
        match &mut findings.ends {
            None => findings.ends = Some((End::of(id, variants), End::of(id, variants))),
            Some((_, last)) => {
                let before = std::mem::replace(&mut last.id, id);
                if before >= id {
                    problems.add(|| format!("{}: variant_id {id} stands behind {before}", variants.path));
                }
            }
        }
        for problem in check.problems(&mut findings.counts)? {
            let name = check.name();
            problems.add(|| format!("{}: {name}: {problem}", variants.path));
        }
        take_site(findings, &row)?;
    }
    findings.n_genotypes = reader.n_calls();
    if let Some(file) = genotypes.filter(|file| file.rows != reader.n_calls()) {
        let (rows, matched) = (file.rows, reader.n_calls());
        problems.add(|| {
            format!("{}: {} of {rows} calls belong to no row of variants", file.path, rows - matched.min(rows))
        });
    }
    Ok(())
}

/// Takes the calls of a row into its site, for the counts per sample.
fn take_site(findings: &mut ShardFindings, row: &AlleleRow) -> Result<()> {
    if row.n_alts >= 2 {
        let site = findings.open_sites.remove(&row.site_id).unwrap_or_else(|| SiteCalls::new(row.n_alts));
        let site = site.with_row(row)?;
        findings.take_site(row.site_id, site);
        return Ok(());
    }
    findings.n_sites += 1;
    for run in &row.calls {
        let (samples, gt) = (run.batch.ints("sample_index")?, run.batch.texts("gt")?);
        for at in run.start..run.end {
            let view = if gt.is_null(at) { "." } else { gt.value(at) };
            super::samples::count_call(&mut findings.counts, samples.value(at), &[(row.alt_index, view)]);
        }
    }
    Ok(())
}

/// What one call says about its allele.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    pub n_copies: i64,
    pub n_known: i64,
    pub n_this: i64,
}

impl View {
    pub fn of(text: &str) -> View {
        let mut view = View::default();
        for byte in text.bytes().filter(|byte| !matches!(byte, b'/' | b'|')) {
            view.n_copies += 1;
            view.n_known += i64::from(byte != b'.');
            view.n_this += i64::from(byte == b'1');
        }
        view
    }
}

/// Sums over the calls of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    n_calls: i64,
    ac: i64,
    known: i64,
    hom_ref: i64,
    het: i64,
    hom_alt: i64,
    hemi_ref: i64,
    hemi_alt: i64,
    partial: i64,
    missing: i64,
    polyploid: bool,
}

impl Tally {
    fn add(&mut self, view: View) {
        self.n_calls += 1;
        self.ac += view.n_this;
        self.known += view.n_known;
        let count = match view {
            View { n_known: 0, .. } => &mut self.missing,
            View { n_copies, n_known, .. } if n_known < n_copies => &mut self.partial,
            View { n_copies: 1, n_this: 0, .. } => &mut self.hemi_ref,
            View { n_copies: 1, .. } => &mut self.hemi_alt,
            View { n_this: 0, .. } => &mut self.hom_ref,
            View { n_copies, n_this, .. } if n_this < n_copies => &mut self.het,
            View { .. } => &mut self.hom_alt,
        };
        *count += 1;
        self.polyploid |= view.n_copies > 2;
    }
}

/// The check of one row.
struct RowCheck<'a> {
    row: &'a AlleleRow,
    n_samples: i64,
    all_calls: bool,
}

impl RowCheck<'_> {
    fn batch(&self) -> &Batch {
        &self.row.batch
    }

    fn int(&self, name: &str) -> Result<i64> {
        Ok(self.batch().ints(name)?.value(self.row.row).into())
    }

    fn text(&self, name: &str) -> Result<&str> {
        Ok(self.batch().texts(name)?.value(self.row.row))
    }

    fn float(&self, name: &str) -> Result<Option<f64>> {
        let values = self.batch().floats(name)?;
        Ok((!values.is_null(self.row.row)).then(|| values.value(self.row.row)))
    }

    /// How a message names the row.
    fn name(&self) -> String {
        let text = |name| self.text(name).unwrap_or("?").chars().take(20).collect::<String>();
        let pos = split_id(self.row.variant_id).0.vcf_pos;
        format!("variant_id {} (pos {pos} {}>{})", self.row.variant_id, text("ref"), text("alt"))
    }

    /// Recomputes the row; adds what its calls say to the counters of the samples.
    fn problems(&self, counts: &mut SampleCounts) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        let tally = self.tally(counts, &mut problems)?;
        for (name, expected) in [
            ("ac", tally.ac),
            ("n_het", tally.het),
            ("n_hom_alt", tally.hom_alt),
            ("n_hemi_alt", tally.hemi_alt),
            ("n_partial", tally.partial),
            ("n_missing", tally.missing),
        ] {
            let found = self.int(name)?;
            if found != expected {
                problems.push(format!("{name} is {found}, its calls give {expected}"));
            }
        }
        let mut sum = 0;
        for name in crate::columns::schema::COUNT_COLUMNS {
            sum += self.int(name)?;
        }
        if sum != self.n_samples {
            problems.push(format!("the seven counts sum up to {sum}, there are {} samples", self.n_samples));
        }
        let polyploid = self.check_plain_calls(tally, &mut problems)?;
        self.check_frequency(&mut problems)?;
        if !polyploid {
            self.check_hwe(&mut problems)?;
        }
        Ok(problems)
    }

    fn tally(&self, counts: &mut SampleCounts, problems: &mut Vec<String>) -> Result<Tally> {
        let mut tally = Tally::default();
        let classes = self.sample_classes()?;
        let mut last_sample = -1;
        for run in &self.row.calls {
            let (samples, gt) = (run.batch.ints("sample_index")?, run.batch.texts("gt")?);
            let dosage = run.batch.ints("dosage")?;
            for at in run.start..run.end {
                let sample = samples.value(at);
                let view = if gt.is_null(at) { View::default() } else { View::of(gt.value(at)) };
                if sample <= last_sample || i64::from(sample) >= self.n_samples {
                    problems.push(format!("sample_index {sample} stands behind {last_sample}"));
                    return Ok(tally);
                }
                last_sample = sample;
                tally.add(view);
                let complete = view.n_copies > 0 && view.n_known == view.n_copies;
                let expected = complete.then_some(view.n_this);
                let found = (!dosage.is_null(at)).then(|| i64::from(dosage.value(at)));
                if found != expected {
                    problems.push(format!(
                        "dosage of sample {sample} is {}, gt gives {}",
                        shown(found),
                        shown(expected)
                    ));
                }
                if view.n_this > 0 {
                    classes.iter().for_each(|&class| counts.get_mut(class)[sample as usize] += 1);
                }
            }
        }
        Ok(tally)
    }

    /// The counters that a carrier of this row adds to.
    fn sample_classes(&self) -> Result<Vec<Counter>> {
        let mut classes = Vec::new();
        match self.text("type")? {
            "snv" => {
                classes.push(Counter::NSnv);
                let transition = matches!(
                    &*format!("{}{}", self.text("ref")?, self.text("alt")?).to_uppercase(),
                    "AG" | "GA" | "CT" | "TC"
                );
                classes.push(if transition { Counter::Ti } else { Counter::Tv });
            }
            "ins" => classes.push(Counter::NIns),
            "del" => classes.push(Counter::NDel),
            _ => {}
        }
        if self.int("ac")? == 1 {
            classes.push(Counter::NSingleton);
        }
        Ok(classes)
    }

    /// Reference counts and `an`, as far as the calls determine them. Gives whether calls of ploidy over 2 are there.
    fn check_plain_calls(&self, tally: Tally, problems: &mut Vec<String>) -> Result<bool> {
        let (hom_ref, hemi_ref, an) = (self.int("n_hom_ref")?, self.int("n_hemi_ref")?, self.int("an")?);
        let (plain_hom, plain_hemi) = (hom_ref - tally.hom_ref, hemi_ref - tally.hemi_ref);
        let plain_copies = an - tally.known;
        if self.all_calls || self.n_samples == tally.n_calls {
            for (name, found, expected) in [
                ("n_hom_ref", hom_ref, tally.hom_ref),
                ("n_hemi_ref", hemi_ref, tally.hemi_ref),
                ("an", an, tally.known),
            ] {
                if found != expected {
                    problems.push(format!("{name} is {found}, its calls give {expected}"));
                }
            }
            return Ok(tally.polyploid);
        }
        if plain_hom < 0 || plain_hemi < 0 {
            problems.push(format!(
                "n_hom_ref {hom_ref} and n_hemi_ref {hemi_ref} are below the {} and {} of its calls",
                tally.hom_ref, tally.hemi_ref
            ));
        }
        let least = plain_hemi + 2 * plain_hom;
        if plain_copies < least {
            problems.push(format!("an is {an}, its calls and counts give {} or more", tally.known + least));
        }
        Ok(tally.polyploid || plain_copies > least)
    }

    fn check_frequency(&self, problems: &mut Vec<String>) -> Result<()> {
        let (ac, an) = (self.int("ac")?, self.int("an")?);
        let expected = (an > 0).then(|| ac as f64 / an as f64);
        let found = self.float("af")?;
        if found != expected {
            problems.push(format!("af is {}, ac and an give {}", shown(found), shown(expected)));
        }
        Ok(())
    }

    fn check_hwe(&self, problems: &mut Vec<String>) -> Result<()> {
        let count = |name| Ok::<_, crate::error::Error>(self.int(name)?.max(0) as u64);
        let expected = hwe_exact(count("n_hom_ref")?, count("n_het")?, count("n_hom_alt")?);
        let pairs = [("hwe_p", expected.map(|hwe| hwe.p)), ("exc_het", expected.map(|hwe| hwe.exc_het))];
        for (name, expected) in pairs {
            let found = self.float(name)?;
            let same = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() <= expected.abs() * P_TOLERANCE,
                (None, None) => true,
                _ => false,
            };
            if !same {
                problems.push(format!("{name} is {}, its counts give {}", shown(found), shown(expected)));
            }
        }
        Ok(())
    }
}

/// A value that can be null, in a message.
fn shown<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_tallied_by_class() {
        let mut tally = Tally::default();
        for text in ["0/1", "1|1", "1", "0", "./1", "./.", "0/2", "0/1/1", "2/2"] {
            tally.add(View::of(text));
        }
        let expected = Tally {
            n_calls: 9,
            ac: 7,
            known: 14,
            hom_ref: 2,
            het: 2,
            hom_alt: 1,
            hemi_ref: 1,
            hemi_alt: 1,
            partial: 1,
            missing: 1,
            polyploid: true,
        };
        assert_eq!(tally, expected);
    }
}
