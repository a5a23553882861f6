//! One evaluated site into rows: which alleles are written, and the text of their fields.

use super::annotate::{AlleleSums, SiteAnnotations, write_float, write_number};
use crate::alleles::{AlleleType, is_bases};
use crate::call::joint::census::BlockClass;
use crate::call::joint::evaluate::{Evaluated, evaluate};
use crate::call::joint::reason::Reason;
use crate::call::joint::record::{AlleleTable, SampleRecord};
use crate::call::joint::settings::{Genotypes, JointSettings, Prior};
use crate::call::joint::site::{SampleCall, SiteAlleles};
use crate::call::joint::sweep::{SiteSample, Sweep};
use crate::columns::joint::{FORMAT, POSTERIOR_FORMAT};
use crate::commit::manifest::Accounting;
use crate::decode::gvcf::evidence::Records;
use crate::decode::vcf::push_int;
use crate::error::{Error, Result};
use crate::genome::genotype::{GtCode, HOM_REF_UNPHASED, UNKNOWN};
use crate::pipeline::emit::{Emitter, Row};
use crate::pipeline::shard::Context;
use crate::pipeline::sparse::{SparseCall, SparseCalls};
use crate::plan::Calls;
use std::io::Write;

/// QUAL below which a site is marked.
const LOW_QUAL: f64 = 30.0;
/// Phred-scaled p-value of excess heterozygosity above which a site is marked (GATK's joint-calling workflow: Z = -4.5).
const EXCESS_HET_PHRED: f64 = 54.69;
/// Share of called samples below which a site is marked.
const LOW_CALL_RATE: f64 = 0.9;

/// A row to be written: an alternate allele of the site, or `*`.
struct Kept {
    /// Number among the alleles of the site as evaluated.
    old: u16,
    /// Number among those that are written.
    new: u32,
    ref_allele: Vec<u8>,
    alt_allele: Vec<u8>,
    allele_type: AlleleType,
    shift_capped: bool,
    sums: AlleleSums,
}

impl Kept {
    /// ALT when REF is that of the site: with the bases behind the row's own REF.
    fn site_alt(&self, site_ref: &[u8]) -> Vec<u8> {
        let mut alt = self.alt_allele.clone();
        if is_bases(&alt) {
            alt.extend_from_slice(&site_ref[self.ref_allele.len()..]);
        }
        alt
    }
}

/// A sample of a site that is listed, with the code of its genotype over the alleles that are written.
struct Listed<'c> {
    site: SiteSample<'c>,
    code: GtCode,
}

/// A site as it is written.
struct SiteRows<'s, 'c> {
    site: &'s SiteAlleles,
    evaluated: Evaluated,
    kept: Vec<Kept>,
    /// Plain reference genotypes of samples that are not listed, with how many have each.
    reference: Vec<(GtCode, u32)>,
    listed: Vec<Listed<'c>>,
    site_wide: SiteAnnotations,
}

/// Writes the sites of a range.
pub struct SiteWriter<'a, 'c> {
    context: &'a Context<'c>,
    settings: &'a JointSettings,
    texts: &'a Records,
    records: &'a [SampleRecord],
    table: &'a AlleleTable,
    format: String,
    /// Sites written.
    pub n_sites: i64,
    sparse: Vec<SparseCall>,
    cells: Vec<u8>,
}

impl<'a, 'c> SiteWriter<'a, 'c> {
    /// For records of one contig.
    pub fn new(
        context: &'a Context<'c>,
        settings: &'a JointSettings,
        texts: &'a Records,
        records: &'a [SampleRecord],
        table: &'a AlleleTable,
    ) -> Self {
        let mut format = FORMAT.to_string();
        if settings.prior == Prior::Cohort {
            format += POSTERIOR_FORMAT;
        }
        SiteWriter {
            context,
            settings,
            texts,
            records,
            table,
            format,
            n_sites: 0,
            sparse: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// Evaluates a site and writes its rows, if it is worth any.
    pub fn write(
        &mut self,
        site: &SiteAlleles,
        calls: &[SampleCall],
        sweep: &Sweep,
        emitter: &mut Emitter,
        accounting: &mut Accounting,
    ) -> Result<()> {
        let classes = sweep.classes_of_others(calls);
        let evaluated = evaluate(site, self.table, calls, &classes, self.settings);
        let mut kept = self.kept(site, &evaluated);
        accounting.alleles_left_out +=
            (site.alts.len() - kept.iter().filter(|row| row.old < site.deleted()).count()) as u64;
        if kept.is_empty() {
            return Ok(());
        }
        let genotyped = match self.settings.genotypes {
            Genotypes::Input => None,
            Genotypes::Likelihoods => {
                let mut alleles: Vec<u16> = std::iter::once(0).chain(kept.iter().map(|row| row.old)).collect();
                alleles.sort_unstable();
                Some(
                    calls
                        .iter()
                        .map(|call| call.from_likelihoods(&alleles, self.settings))
                        .collect::<Vec<SampleCall>>(),
                )
            }
        };
        let calls = genotyped.as_deref().unwrap_or(calls);
        self.sum_up(&mut kept, calls);
        accounting.spanning_rows += kept.iter().filter(|row| row.old == site.deleted()).count() as u64;
        let reference = match self.context.calls {
            // every sample is listed
            Calls::All => Vec::new(),
            Calls::Carriers => reference_calls(&classes, emitter),
        };
        let listed = listed(sweep.samples(calls, self.context.calls == Calls::All), &kept, emitter)?;
        let site_wide = annotate(&listed, &classes, calls, sweep);
        self.n_sites += 1;
        self.emit(&SiteRows { site, evaluated, kept, reference, listed, site_wide }, emitter)
    }

    /// The alleles that are written, in the order of rows.
    fn kept(&self, site: &SiteAlleles, evaluated: &Evaluated) -> Vec<Kept> {
        let min_qual = self.settings.min_qual;
        let qual = |old: u16| evaluated.alleles[usize::from(old)].qual;
        let alts = || 1..site.deleted();
        if !alts().any(|old| qual(old) >= min_qual) || evaluated.site_qual < min_qual {
            return Vec::new();
        }
        // a `*` that no deletion of the cohort explains is as good as none, to GATK
        let explained =
            |old: u16| old < site.deleted() || self.table.alleles().iter().any(|allele| allele.deletes(site.vcf_pos));
        let stays = |old: u16| {
            let called = evaluated.alleles[usize::from(old)].ac > 0;
            if self.settings.drop_unlikely_alleles {
                qual(old) >= min_qual && explained(old)
            } else {
                called || (qual(old) >= min_qual && old < site.deleted())
            }
        };
        let olds: Vec<u16> = (1..=site.deleted()).filter(|&old| stays(old)).collect();
        let mut kept: Vec<Kept> = olds.into_iter().zip(1..).map(|(old, new)| self.row_of(site, old, new)).collect();
        kept.sort_by(|a, b| (&a.ref_allele, &a.alt_allele).cmp(&(&b.ref_allele, &b.alt_allele)));
        kept
    }

    fn row_of(&self, site: &SiteAlleles, old: u16, new: u32) -> Kept {
        let sums = AlleleSums::default();
        if old == site.deleted() {
            return Kept {
                old,
                new,
                ref_allele: site.ref_allele[..1].to_vec(),
                alt_allele: b"*".to_vec(),
                allele_type: AlleleType::Other,
                shift_capped: false,
                sums,
            };
        }
        let allele = self.table.get(site.alts[usize::from(old) - 1]);
        Kept {
            old,
            new,
            ref_allele: allele.ref_allele.clone(),
            alt_allele: allele.alt_allele.clone(),
            allele_type: allele.allele_type,
            shift_capped: allele.shift_capped,
            sums,
        }
    }

    fn sum_up(&self, kept: &mut [Kept], calls: &[SampleCall]) {
        for call in calls.iter().filter(|call| call.reason.is_none()) {
            let record = &self.records[call.record];
            for row in kept.iter_mut().filter(|row| call.gt.alleles.contains(&i32::from(row.old))) {
                let info = self.texts.text(record.text as usize).info;
                row.sums.add(call, row.old, record, info);
            }
        }
    }

    fn emit(&mut self, rows: &SiteRows, emitter: &mut Emitter) -> Result<()> {
        let SiteRows { site, evaluated, kept, reference, listed, site_wide } = rows;
        let filters = self.filters(rows, emitter);
        let layout = emitter.layout(self.format.as_bytes());
        let longest = kept.iter().map(|row| &row.ref_allele[..]).max_by_key(|reference| reference.len());
        let site_ref = longest.unwrap_or_default();
        let ids = self.id(listed);
        for row in kept {
            let mut info = Vec::with_capacity(1024);
            let quality = &evaluated.alleles[usize::from(row.old)];
            info.extend_from_slice(b"AQ=");
            push_int(&mut info, i64::from(quality.aq));
            write_number("AS_QUALapprox", quality.qual_approx as i64, &mut info);
            write_float("AS_QUAL", quality.qual, &mut info);
            write_float("AF_EM", quality.frequency, &mut info);
            row.sums.write(quality.qual, &mut info);
            let genotypes = diploid_counts(row, listed, reference, emitter);
            if let Some(f) = inbreeding(genotypes) {
                write_float("AS_InbreedingCoeff", f, &mut info);
            }
            site_wide.write(&mut info);
            self.write_cells(row, listed, evaluated);
            let calls = layout.as_ref().map(|layout| SparseCalls {
                reference,
                calls: &self.sparse,
                text: &self.cells,
                layout: layout.clone(),
            });
            let site_alt = row.site_alt(site_ref);
            let written =
                (row.ref_allele != site_ref || row.alt_allele != site_alt).then_some((site_ref, &site_alt[..]));
            emitter.emit(&Row {
                vcf_pos: site.vcf_pos,
                ref_allele: &row.ref_allele,
                alt_allele: &row.alt_allele,
                allele_type: row.allele_type,
                end: site.vcf_pos.saturating_add(row.ref_allele.len() as i32 - 1),
                site: Some((site.vcf_pos, 0)),
                n_alts: kept.len() as u32,
                alt_index: row.new,
                site_alleles: written,
                id: ids,
                qual: Some((evaluated.site_qual * 1e6).round() / 1e6 + 0.0),
                filter: filters.as_bytes(),
                format: Some(self.format.as_bytes()),
                infos: &[(&info[..], crate::columns::field::AlleleOfSite::new(1, 1))],
                parts: &[],
                sparse: calls.as_ref(),
            })?;
        }
        emitter.count_sparse_site(&self.sparse);
        Ok(())
    }

    /// ID of the first carrier's record that has one.
    fn id(&self, listed: &[Listed]) -> &'a [u8] {
        let texts = self.texts;
        let ids = listed
            .iter()
            .filter_map(|sample| sample.site.call)
            .map(|call| texts.text(self.records[call.record].text as usize).id);
        ids.into_iter().find(|id| *id != b"." && !id.is_empty()).unwrap_or(b".")
    }

    fn filters(&self, rows: &SiteRows, emitter: &mut Emitter) -> String {
        let SiteRows { evaluated, kept, reference, listed, site_wide, .. } = rows;
        let mut filters = Vec::new();
        if evaluated.site_qual < LOW_QUAL {
            filters.push("LowQual");
        }
        let excess = |row: &Kept, emitter: &mut Emitter| {
            let [hom_ref, het, hom_alt] = diploid_counts(row, listed, reference, emitter).map(u64::from);
            crate::call::hwe::hwe_exact(hom_ref, het, hom_alt)
                .is_some_and(|hwe| -10.0 * hwe.exc_het.log10() > EXCESS_HET_PHRED)
        };
        if kept.iter().any(|row| excess(row, emitter)) {
            filters.push("ExcessHet");
        }
        let n_samples = self.context.n_samples as i64 - site_wide.missing[Reason::ALL.len() - 1];
        if n_samples > 0 && (site_wide.n_called as f64) < LOW_CALL_RATE * n_samples as f64 {
            filters.push("LowCallRate");
        }
        let mut carried = kept.iter().filter(|row| row.sums.n_carriers() > 0).peekable();
        if carried.peek().is_some() && carried.all(|row| row.sums.all_filtered()) {
            filters.push("AllFiltered");
        }
        if kept.iter().any(|row| row.shift_capped) {
            filters.push("ShiftCapped");
        }
        if evaluated.unsettled {
            filters.push("EmUnsettled");
        }
        if filters.is_empty() { "PASS".into() } else { filters.join(";") }
    }

    /// FORMAT fields of every listed sample as the row sees them.
    fn write_cells(&mut self, row: &Kept, listed: &[Listed], evaluated: &Evaluated) {
        self.sparse.clear();
        self.cells.clear();
        for sample in listed {
            let start = self.cells.len();
            self.write_cell(row, &sample.site, evaluated);
            let cell = (start as u32, self.cells.len() as u32);
            self.sparse.push(SparseCall { sample: sample.site.sample, code: sample.code, cell });
        }
    }

    fn write_cell(&mut self, row: &Kept, sample: &SiteSample, evaluated: &Evaluated) {
        let cells = &mut self.cells;
        // GT is given as a code
        for value in [sample.gq, sample.dp] {
            push_value(cells, value.map(i64::from));
        }
        let ad = sample.call.and_then(|call| Some((call.ad.first()?, call.ad.get(usize::from(row.old))?)));
        cells.push(b':');
        match ad {
            Some((&ad_ref, &ad_alt)) => push_list(cells, &[ad_ref, ad_alt]),
            None => cells.push(b'.'),
        }
        cells.push(b':');
        match sample.call.and_then(|call| call.likelihoods.as_ref()) {
            Some(likelihoods) => push_list(cells, &likelihoods.biallelic(row.old)),
            None => cells.push(b'.'),
        }
        push_value(cells, sample.call.and_then(|call| call.phase_set).map(i64::from));
        cells.push(b':');
        cells.push(sample.reason.map_or(b'.', |reason| reason.letter() as u8));
        cells.push(b':');
        let filter = sample.call.map(|call| &self.records[call.record]).filter(|record| record.filtered);
        match filter {
            Some(record) => cells.extend_from_slice(self.texts.text(record.text as usize).filter),
            None => cells.push(b'.'),
        }
        if self.settings.prior == Prior::Cohort {
            let frequency: Vec<f64> = evaluated.alleles.iter().map(|allele| allele.frequency).collect();
            write_posterior(cells, sample.call, row.old, &frequency);
        }
    }
}

/// Appends a field of one number.
fn push_value(cells: &mut Vec<u8>, value: Option<i64>) {
    cells.push(b':');
    match value {
        Some(value) => push_int(cells, value),
        None => cells.push(b'.'),
    }
}

fn push_list(cells: &mut Vec<u8>, values: &[u32]) {
    for (i, &value) in values.iter().enumerate() {
        if i > 0 {
            cells.push(b',');
        }
        push_int(cells, i64::from(value));
    }
}

/// CGT, CGQ and GP of one allele: posterior probabilities of 0, 1, ... copies.
fn write_posterior(cells: &mut Vec<u8>, call: Option<&SampleCall>, allele: u16, frequency: &[f64]) {
    let likelihoods = call.filter(|call| call.reason.is_none()).and_then(|call| call.likelihoods.as_ref());
    let Some(likelihoods) = likelihoods else {
        cells.extend_from_slice(b":.:.:.");
        return;
    };
    let copies = crate::call::joint::frequency::posterior_copies(likelihoods, allele, frequency);
    let best = copies.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(n, _)| n);
    let wrong: f64 = copies.iter().enumerate().filter(|(n, _)| *n != best).map(|(_, p)| p).sum();
    let quality = if wrong <= 0.0 { 99.0 } else { (-10.0 * wrong.log10()).clamp(0.0, 99.0) };
    cells.push(b':');
    for n in 0..copies.len() - 1 {
        if n > 0 {
            cells.push(b'/');
        }
        cells.push(if n + best >= copies.len() - 1 { b'1' } else { b'0' });
    }
    let _ = write!(cells, ":{}:", quality.round() as u32);
    for (i, p) in copies.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        let _ = write!(cells, "{comma}{}", (p * 1e6).round() / 1e6);
    }
}

/// Numbers of the alleles that are written, by number among the alleles evaluated.
fn new_numbers(kept: &[Kept]) -> impl Fn(i32) -> i32 {
    let numbers: Vec<(i32, i32)> = kept.iter().map(|row| (i32::from(row.old), row.new as i32)).collect();
    move |old| match old {
        0 | UNKNOWN => old,
        // an allele that is not written is not known to be there
        _ => numbers.iter().find(|(known, _)| *known == old).map_or(UNKNOWN, |(_, new)| *new),
    }
}

/// Codes of the samples' genotypes over the alleles that are written.
fn listed<'c>(samples: Vec<SiteSample<'c>>, kept: &[Kept], emitter: &mut Emitter) -> Result<Vec<Listed<'c>>> {
    let new_of = new_numbers(kept);
    let mut text = Vec::new();
    let mut found = Vec::with_capacity(samples.len());
    for mut site in samples {
        site.gt.alleles.iter_mut().for_each(|allele| *allele = new_of(*allele));
        if site.reason.is_none() && !site.gt.is_called() {
            site.reason = Some(Reason::LostAllele);
        }
        text.clear();
        site.gt.write(&mut text);
        let code = emitter.gt.code(&text);
        let code = code.ok_or_else(|| Error::internal(format!("{} is no genotype", String::from_utf8_lossy(&text))))?;
        found.push(Listed { site, code });
    }
    Ok(found)
}

/// Sums over all samples of a site.
fn annotate(listed: &[Listed], classes: &[(BlockClass, u32)], calls: &[SampleCall], sweep: &Sweep) -> SiteAnnotations {
    let census = sweep.census();
    let mut site = SiteAnnotations { sums: census.sums().clone(), ..SiteAnnotations::default() };
    let take_block = |site: &mut SiteAnnotations, sample: u32| {
        if census.class(sample).is_some_and(|class| class.reason.is_none()) {
            let (dp, gq) = census.depth_and_quality(sample);
            site.sums.add(dp, gq, -1);
        }
    };
    for call in calls {
        take_block(&mut site, call.sample);
    }
    site.n_called = classes.iter().filter(|(class, _)| class.reason.is_none()).map(|(_, n)| i64::from(*n)).sum();
    for sample in listed.iter().map(|listed| &listed.site) {
        match sample.reason {
            None if sample.call.is_some() => {
                site.sums.add(sample.dp, sample.gq, 1);
                site.n_called += 1;
            }
            None => {}
            Some(reason) => {
                let place = Reason::ALL.iter().position(|known| *known == reason).unwrap_or_default();
                site.missing[place] += 1;
                if sample.call.is_none() && sweep.lost_by_sex(sample.sample) {
                    take_block(&mut site, sample.sample);
                }
            }
        }
    }
    site
}

/// Plain reference genotypes of the samples that blocks call, with how many have each.
fn reference_calls(classes: &[(BlockClass, u32)], emitter: &mut Emitter) -> Vec<(GtCode, u32)> {
    let mut by_ploidy: Vec<(u8, u32)> = Vec::new();
    for (class, n) in classes.iter().filter(|(class, _)| class.reason.is_none()) {
        match by_ploidy.iter_mut().find(|(ploidy, _)| *ploidy == class.ploidy) {
            Some(found) => found.1 += n,
            None => by_ploidy.push((class.ploidy, *n)),
        }
    }
    let code = |ploidy: u8, emitter: &mut Emitter| match ploidy {
        2 => HOM_REF_UNPHASED,
        _ => {
            let text = vec!["0"; usize::from(ploidy)].join("/");
            emitter.gt.code(text.as_bytes()).unwrap_or(HOM_REF_UNPHASED)
        }
    };
    by_ploidy.into_iter().map(|(ploidy, n)| (code(ploidy, emitter), n)).collect()
}

/// Complete diploid calls with no, one and two copies of a row's allele.
fn diploid_counts(row: &Kept, listed: &[Listed], reference: &[(GtCode, u32)], emitter: &mut Emitter) -> [u32; 3] {
    let mut statistics = crate::call::statistics::RowStatistics::default();
    for &(code, n) in reference {
        statistics.add(&emitter.gt.call(code, row.new), n as i32);
    }
    for sample in listed {
        statistics.add(&emitter.gt.call(sample.code, row.new), 1);
    }
    statistics.diploid
}

/// Fewest diploid calls for an inbreeding coefficient.
const LEAST_FOR_INBREEDING: u32 = 10;

/// F = 1 - observed / expected heterozygotes.
fn inbreeding([hom_ref, het, hom_alt]: [u32; 3]) -> Option<f64> {
    if hom_ref + het + hom_alt < LEAST_FOR_INBREEDING {
        return None;
    }
    crate::call::joint::annotation::inbreeding_coefficient(hom_ref, het, hom_alt)
}
