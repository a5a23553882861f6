//! Rows out of the window into the builders: statistics, calls and fields of one allele row in one pass.

use super::record::{Held, locus};
use super::shard::{Context, Outcome};
use super::sparse::SparseCalls;
use super::stored::StoredCalls;
use super::writers::ShardFiles;
use crate::alleles::AlleleType;
use crate::call::sample_counts::{Counter, Lane, SampleCounts, SampleTally};
use crate::call::statistics::RowStatistics;
use crate::columns::field::AlleleOfSite;
use crate::columns::genotypes::{CellProblem, FormatLayout, GenotypesBuilder, NO_GT, Slot};
use crate::columns::schema::Projection;
use crate::columns::variants::{VariantRow, VariantsBuilder};
use crate::commit::manifest::Accounting;
use crate::decode::cells::Shape;
use crate::decode::header::Kind;
use crate::decode::samples::SampleColumns;
use crate::decode::vcf::{info_entries, parse_i32};
use crate::error::{Error, Result};
use crate::genome::genotype::{GtCode, GtTable, HOM_REF_PHASED, HOM_REF_UNPHASED};
use crate::plan::{Calls, OnBadRecord};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Rows of `genotypes` in a batch before it is encoded.
const GENOTYPES_BATCH: usize = 1 << 16;
/// Rows of `variants` in a batch before it is encoded.
const VARIANTS_BATCH: usize = 1 << 14;

/// The genotype code of `./.`: what a sample has where its input has no record.
const NO_CALL: GtCode = (10 * 11 + 10) * 2;

/// Bit in the rank of a `site_id` whose site is one row: the other bits are the row's rank.
const OWN_SITE: u16 = 1 << 15;

/// The calls of some samples of a row: those of one record, or none.
#[derive(Clone, Copy)]
pub struct Part<'r> {
    /// Where the calls are; `None`: the input of these samples has no record of the site.
    pub record: Option<&'r Held>,
    /// The row's allele in that record.
    pub allele: AlleleOfSite,
    /// First sample in the cohort.
    pub first_sample: u32,
    /// Number of samples.
    pub n_samples: u32,
}

/// One row to write.
pub struct Row<'r> {
    /// 1-based, normalised.
    pub vcf_pos: i32,
    /// Normalised.
    pub ref_allele: &'r [u8],
    /// Normalised.
    pub alt_allele: &'r [u8],
    /// Kind.
    pub allele_type: AlleleType,
    /// Last reference base.
    pub end: i32,
    /// POS of the site and its rank among those there; `None`: the row is a site of its own, as it is.
    pub site: Option<(i32, u16)>,
    /// ALT of the site.
    pub n_alts: u32,
    /// Which of them the row is.
    pub alt_index: u32,
    /// REF and ALT of the site as written, where they differ from the row.
    pub site_alleles: Option<(&'r [u8], &'r [u8])>,
    /// ID.
    pub id: &'r [u8],
    /// QUAL.
    pub qual: Option<f64>,
    /// FILTER.
    pub filter: &'r [u8],
    /// FORMAT.
    pub format: Option<&'r [u8]>,
    /// INFO of each record that has the row.
    pub infos: &'r [(&'r [u8], AlleleOfSite)],
    /// Calls, in the order of samples; all samples once.
    pub parts: &'r [Part<'r>],
    /// Calls that are given one by one, instead of parts.
    pub sparse: Option<&'r SparseCalls<'r>>,
}

/// Builders of one shard.
pub struct Emitter<'a> {
    pub(super) context: &'a Context<'a>,
    files: ShardFiles,
    variants: VariantsBuilder,
    pub(super) genotypes: Option<GenotypesBuilder>,
    layouts: HashMap<Vec<u8>, Rc<FormatLayout>>,
    no_fields: FormatLayout,
    /// Genotype codes of this shard.
    pub gt: GtTable,
    /// Per-sample counts of this shard, but for those of the tally.
    pub(super) counts: SampleCounts,
    pub(super) tally: SampleTally,
    /// Text in this row of each code that it has.
    text_of: Vec<u16>,
    /// What a call of each code counts as in this row or site.
    lane_of: Vec<Lane>,
    /// Numbers of the samples of a record, from 0, where all calls are stored.
    every: Vec<u32>,
    /// Rows written.
    n_variant_rows: u64,
    /// Calls written.
    pub(super) n_genotype_rows: u64,
    /// Tolerated things, with how often.
    warnings: BTreeMap<String, u64>,
    contig: Option<u32>,
    contig_name: String,
    last: (i32, u32),
    batch_pos: (i32, i32),
}

impl<'a> Emitter<'a> {
    /// Empty, writing to `files`.
    pub fn new(context: &'a Context<'a>, files: ShardFiles) -> Self {
        let genotypes = GenotypesBuilder::new(context.schemas);
        let no_fields = genotypes.as_ref().map_or_else(FormatLayout::default, |builder| builder.layout(b""));
        Emitter {
            context,
            files,
            variants: VariantsBuilder::new(context.schemas),
            genotypes,
            layouts: HashMap::new(),
            no_fields,
            gt: GtTable::new(),
            counts: SampleCounts::new(context.n_samples),
            tally: SampleTally::new(context.n_samples),
            text_of: Vec::new(),
            lane_of: Vec::new(),
            every: Vec::new(),
            n_variant_rows: 0,
            n_genotype_rows: 0,
            warnings: BTreeMap::new(),
            contig: None,
            contig_name: String::new(),
            last: (i32::MIN, 0),
            batch_pos: (0, 0),
        }
    }

    /// Rows of another contig follow.
    pub fn start_contig(&mut self, contig: u32) -> Result<()> {
        self.flush()?;
        self.contig = Some(contig);
        self.contig_name = self.context.contigs.name(contig).to_string();
        self.last = (i32::MIN, 0);
        self.files.start_contig(&self.contig_name, self.gt.row_texts())
    }

    /// What the fields of a FORMAT text are.
    pub fn layout(&mut self, format: &[u8]) -> Option<Rc<FormatLayout>> {
        let builder = self.genotypes.as_ref()?;
        if let Some(layout) = self.layouts.get(format) {
            return Some(layout.clone());
        }
        let layout = Rc::new(builder.layout(format));
        self.layouts.insert(format.to_vec(), layout.clone());
        Some(layout)
    }

    /// What the stored cells of a record usually look like, where no more of them is looked at than genotypes and numbers.
    pub fn shape_of_numbers(&self, layout: &FormatLayout, n_alts: u32, samples: &SampleColumns) -> Option<Shape> {
        // other ways to look at cells need their text: rows of several records, records that are tried out, calls one by one
        let is_plain = |&(code, _): &(GtCode, u32)| self.gt.genotype(code).is_plain_reference();
        let by_text = self.context.merges
            || self.context.on_bad_record == OnBadRecord::Skip
            || !layout.has_fields()
            || !self.stores_all() && samples.distinct.iter().any(is_plain);
        let builder = self.genotypes.as_ref().filter(|_| !by_text)?;
        builder.shape_of_numbers(layout, n_alts)
    }

    /// Whether plain reference calls are stored, too.
    pub fn stores_all(&self) -> bool {
        self.context.calls == Calls::All
    }

    /// Writes one row with its calls.
    pub fn emit(&mut self, row: &Row) -> Result<()> {
        let rank = self.next_rank(row.vcf_pos)?;
        let contig = self.contig.expect("a contig is begun before its rows");
        let variant_id = locus(contig, row.vcf_pos).id(rank);
        if self.gt.may_exceed(usize::from(NO_GT)) {
            self.write_genotypes(true)?;
            self.gt.forget_row_texts();
        }
        if let Some(builder) = &mut self.genotypes {
            builder.start_run(variant_id, row.vcf_pos);
        }
        let mut statistics = RowStatistics::default();
        for part in row.parts {
            self.emit_calls(part, &mut statistics)?;
        }
        if let Some(sparse) = row.sparse {
            self.emit_sparse(sparse, row, &mut statistics)?;
        }
        if statistics.ac > 0 {
            let lane = carrier_lane(row);
            let is_singleton = statistics.ac == 1;
            for part in row.parts {
                self.count_carriers(part, lane, is_singleton);
            }
            if let Some(sparse) = row.sparse {
                self.count_sparse_carriers(sparse, row.alt_index, lane, is_singleton);
            }
        }
        let variant = VariantRow {
            variant_id,
            contig: &self.contig_name,
            vcf_pos: row.vcf_pos,
            end: row.end,
            ref_allele: row.ref_allele,
            alt_allele: row.alt_allele,
            id: row.id,
            qual: row.qual,
            filter: row.filter,
            allele_type: row.allele_type,
            site_id: match row.site {
                Some((site_pos, site_rank)) => locus(contig, site_pos).id(site_rank),
                None => locus(contig, row.vcf_pos).id(rank | OWN_SITE),
            },
            n_alts: row.n_alts,
            alt_index: row.alt_index,
            site_ref: row.site_alleles.map(|written| written.0),
            site_alt: row.site_alleles.map(|written| written.1),
            statistics,
            format: row.format,
            infos: row.infos,
            overrides: &overrides(row, &statistics, self.context),
        };
        push_variant(&mut self.variants, &variant)?;
        if row.alt_index <= 1 {
            self.note_tolerated(row);
        }
        self.n_variant_rows += 1;
        if self.variants.n_rows() == 1 {
            self.batch_pos.0 = row.vcf_pos;
        }
        self.batch_pos.1 = row.vcf_pos;
        self.flush_full()
    }

    /// Rank of the next row among those at its position.
    fn next_rank(&mut self, vcf_pos: i32) -> Result<u16> {
        let rank = if self.last.0 == vcf_pos { self.last.1 + 1 } else { 0 };
        self.last = (vcf_pos, rank);
        u16::try_from(rank)
            .map_err(|_| Error::bad_data("more than 65,536 alleles at one position").hint("split the file"))
    }

    /// The calls of one part of a row into the builder, and into its statistics.
    fn emit_calls(&mut self, part: &Part, statistics: &mut RowStatistics) -> Result<()> {
        let Some(builder) = &mut self.genotypes else { return Ok(()) };
        let Some((record, layout)) = part.record.and_then(|record| Some((record, record.layout.as_ref()?))) else {
            let call = self.gt.call(NO_CALL, 0);
            statistics.add(&call, part.n_samples as i32);
            for sample in 0..part.n_samples {
                builder.push_call(part.first_sample + sample, call.text);
            }
            builder.end_calls(part.n_samples as usize, &self.no_fields);
            self.n_genotype_rows += u64::from(part.n_samples);
            return Ok(());
        };
        let before = builder.n_rows();
        let (samples, text, alt_index) = (&record.samples, record.view().samples(), part.allele.alt_index);
        let n_reference = part.n_samples as usize - samples.not_reference.len();
        if n_reference > 0 {
            statistics.add(&self.gt.call(HOM_REF_UNPHASED, alt_index), n_reference as i32);
        }
        let mut all_carriers = true;
        for &(code, n) in &samples.distinct {
            let call = self.gt.call(code, alt_index);
            statistics.add(&call, n as i32);
            all_carriers &= !call.plain_reference;
            set_at(&mut self.text_of, code, call.text.map_or(NO_GT, |text| text as u16));
        }
        let all = self.context.calls == Calls::All;
        if all {
            for code in [HOM_REF_UNPHASED, HOM_REF_PHASED] {
                let call = self.gt.call(code, alt_index);
                set_at(&mut self.text_of, code, call.text.map_or(NO_GT, |text| text as u16));
            }
            self.every.truncate(samples.n_samples());
            self.every.extend(self.every.len() as u32..samples.n_samples() as u32);
        }
        let calls = StoredCalls::of(samples, text, layout, all.then_some(&self.every));
        let pushed = if all || all_carriers {
            calls.push_all(builder, part, &self.text_of)
        } else {
            let is_carrier = |code| !self.gt.call(code, alt_index).plain_reference;
            calls.push_carriers(builder, part, &self.text_of, is_carrier)
        };
        pushed.map_err(|(i, problem)| sample_error(problem, self.context, part.first_sample + calls.samples[i]))?;
        let n_rows = builder.n_rows() - before;
        builder.end_calls(n_rows, layout);
        self.n_genotype_rows += n_rows as u64;
        Ok(())
    }

    /// Per-sample counts of one part of an allele row that has carriers. `is_singleton`: of one copy.
    fn count_carriers(&mut self, part: &Part, lane: Lane, is_singleton: bool) {
        let Some(record) = part.record else { return };
        for &(code, _) in &record.samples.distinct {
            let carries = self.gt.call(code, part.allele.alt_index).copies > 0;
            set_at(&mut self.lane_of, code, if carries { lane } else { Lane::None });
        }
        self.count_calls(part.first_sample, &record.samples);
        if is_singleton {
            let calls = record.samples.not_reference.iter().zip(&record.samples.codes);
            for (&sample, &code) in calls {
                if self.gt.call(code, part.allele.alt_index).copies > 0 {
                    self.counts.get_mut(Counter::NSingleton)[(part.first_sample + sample) as usize] += 1;
                }
            }
        }
    }

    /// Counts the listed calls of a record, each in the lane of its code.
    fn count_calls(&mut self, first_sample: u32, samples: &SampleColumns) {
        for (&sample, &code) in samples.not_reference.iter().zip(&samples.codes) {
            self.tally.count(first_sample + sample, self.lane_of[usize::from(code)]);
        }
    }

    /// Per-sample counts of one part of a site.
    pub fn count_site(&mut self, part: &Part) {
        let Some(record) = part.record else {
            self.tally.count_all(part.first_sample..part.first_sample + part.n_samples, Lane::Missing);
            return;
        };
        for &(code, _) in &record.samples.distinct {
            let lane = self.site_lane(code);
            set_at(&mut self.lane_of, code, lane);
        }
        self.count_calls(part.first_sample, &record.samples);
    }

    /// What a genotype counts as in the table `samples`.
    pub(super) fn site_lane(&self, code: GtCode) -> Lane {
        match &self.gt.genotype(code).alleles[..] {
            alleles if alleles.iter().all(|&allele| allele < 0) => Lane::Missing,
            alleles if alleles.len() < 2 || alleles.iter().any(|&allele| allele < 0) => Lane::None,
            alleles if alleles.iter().any(|allele| allele != &alleles[0]) => Lane::Het,
            alleles if alleles[0] > 0 => Lane::HomAlt,
            _ => Lane::None,
        }
    }

    /// Sums of depth and quality of a record's samples.
    pub fn count_depths(&mut self, part: &Part) {
        let Some((record, layout)) = part.record.and_then(|record| Some((record, record.layout.as_ref()?))) else {
            return;
        };
        let first = part.first_sample as usize;
        let counters = [(Counter::DpSum, Counter::DpN), (Counter::GqSum, Counter::GqN)];
        for (which, (slot, (sum, n))) in layout.depth_slots().into_iter().zip(counters).enumerate() {
            if slot.is_some() {
                self.counts.add_known(sum, n, first, record.samples.integers(which));
            }
        }
    }

    fn note_tolerated(&mut self, row: &Row) {
        let mut note = |message: String| *self.warnings.entry(message).or_default() += 1;
        for key in undefined_keys(self.variants.undefined()) {
            note(format!("INFO/{key} is not defined in the header; taken as text into info_other"));
        }
        let records = || row.parts.iter().filter_map(|part| part.record);
        let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        let texts = row.infos.iter().map(|(info, _)| *info).chain([row.id, row.filter]);
        if !texts.chain(records().map(|record| &record.line[..])).all(is_text) {
            note("bytes that are not UTF-8 were replaced by U+FFFD".into());
        }
        let mut layouts: Vec<&Rc<FormatLayout>> = Vec::new();
        for layout in records().filter_map(|record| record.layout.as_ref()) {
            if layouts.iter().any(|known| Rc::ptr_eq(known, layout)) {
                continue;
            }
            layouts.push(layout);
            for slot in &layout.slots {
                if let Slot::Other(key) = slot {
                    note(format!("FORMAT/{key} is not defined in the header; taken as text into fmt_other"));
                }
            }
        }
        if row.filter != b"." && row.filter != b"PASS" {
            for name in row.filter.split(|&byte| byte == b';') {
                if !self.context.filters.contains(name) {
                    note(format!("FILTER {} is not defined in the header", String::from_utf8_lossy(name)));
                }
            }
        }
    }

    fn flush_full(&mut self) -> Result<()> {
        if self.variants.n_rows() >= VARIANTS_BATCH {
            self.flush_variants()?;
        }
        if self.genotypes.as_ref().is_some_and(|builder| builder.n_rows() >= GENOTYPES_BATCH) {
            self.write_genotypes(false)?;
        }
        Ok(())
    }

    fn flush_variants(&mut self) -> Result<()> {
        if self.variants.n_rows() > 0 {
            let batch = self.variants.finish();
            self.files.write_variants(&batch, self.batch_pos.0, self.batch_pos.1)?;
        }
        Ok(())
    }

    fn write_genotypes(&mut self, end_group: bool) -> Result<()> {
        let Some(builder) = &mut self.genotypes else { return Ok(()) };
        self.files.write_genotypes(builder, self.gt.row_texts(), end_group)
    }

    /// Encodes what is left.
    pub fn flush(&mut self) -> Result<()> {
        self.flush_variants()?;
        self.write_genotypes(false)
    }

    /// Ends the files. `n_sites`: sites that were counted.
    pub fn finish(mut self, mut accounting: Accounting, n_sites: i64) -> Result<Outcome> {
        self.flush()?;
        self.tally.drain_into(&mut self.counts);
        let [called, missing] = [Counter::NCalled, Counter::NMissing].map(|counter| counter as usize);
        for sample in 0..self.counts.n_samples() {
            self.counts.counters[called][sample] = n_sites - self.counts.counters[missing][sample];
        }
        accounting.variant_rows = self.n_variant_rows;
        accounting.genotype_rows = self.n_genotype_rows;
        accounting.rejections.sort();
        let files = self.files.finish(self.gt.row_texts())?;
        Ok(Outcome { files, accounting, warnings: self.warnings, counts: self.counts })
    }
}

pub(super) fn push_variant(builder: &mut VariantsBuilder, row: &VariantRow) -> Result<()> {
    builder.push(row).map_err(|found| Error::bad_data(format!("INFO/{} {}", found.id, found.problem)).hint(SKIP_HINT))
}

/// What to do about a record that breaks the format.
pub const SKIP_HINT: &str = "`--on-bad-record skip` sets such records aside and lists them in the manifest";

/// INFO values of a merged row that are computed over all inputs: AC, AN, AF by their usual definition, DP as a sum.
fn overrides(row: &Row, statistics: &RowStatistics, context: &Context) -> Vec<(&'static str, String)> {
    if !context.merges {
        return Vec::new();
    }
    let is = |id: &str, kind: Kind, projections: &[Projection]| {
        let has = |info: &[u8]| info_entries(info).any(|(key, _)| key == id.as_bytes());
        context
            .schemas
            .infos
            .iter()
            .any(|info| info.id == id && info.kind == kind && projections.contains(&info.projection))
            && row.infos.iter().any(|(info, _)| has(info))
    };
    let mut values = Vec::new();
    if is("AC", Kind::Integer, &[Projection::PerAlt, Projection::Scalar]) {
        values.push(("AC", statistics.ac.to_string()));
    }
    if is("AN", Kind::Integer, &[Projection::Scalar]) {
        values.push(("AN", statistics.an.to_string()));
    }
    if is("AF", Kind::Float, &[Projection::PerAlt, Projection::Scalar]) && statistics.an > 0 {
        values.push(("AF", (f64::from(statistics.ac) / f64::from(statistics.an)).to_string()));
    }
    if is("DP", Kind::Integer, &[Projection::Scalar]) {
        let depth =
            |info: &[u8]| info_entries(info).find(|(key, _)| *key == b"DP").and_then(|(_, value)| parse_i32(value?));
        let sum: i64 = row.infos.iter().filter_map(|(info, _)| depth(info)).map(i64::from).sum();
        if let Ok(sum) = i32::try_from(sum) {
            values.push(("DP", sum.to_string()));
        }
    }
    values
}

pub(super) fn sample_error(problem: CellProblem, context: &Context, sample: u32) -> Error {
    let name = &context.sample_names[sample as usize];
    let text = match problem {
        CellProblem::Field { id, problem } => format!("FORMAT/{id} of sample {name} {problem}"),
        CellProblem::TooMany { n_slots } => {
            format!("sample {name} has more fields than FORMAT, which names {n_slots}")
        }
    };
    Error::bad_data(text).hint(SKIP_HINT)
}

/// Keys of a text as in `info_other`.
fn undefined_keys(text: &[u8]) -> impl Iterator<Item = String> + '_ {
    text.split(|&byte| byte == b';').filter(|entry| !entry.is_empty()).map(|entry| {
        let end = entry.iter().position(|&byte| byte == b'=').unwrap_or(entry.len());
        String::from_utf8_lossy(&entry[..end]).into_owned()
    })
}

/// What a carrier of the row counts as.
fn carrier_lane(row: &Row) -> Lane {
    match row.allele_type {
        AlleleType::Snv if is_transition(row.ref_allele[0], row.alt_allele[0]) => Lane::Transition,
        AlleleType::Snv => Lane::Transversion,
        AlleleType::Ins => Lane::Insertion,
        AlleleType::Del => Lane::Deletion,
        _ => Lane::None,
    }
}

/// Sets the entry of a code in a table that grows with the codes.
fn set_at<T: Copy>(table: &mut Vec<T>, code: GtCode, value: T) {
    let at = usize::from(code);
    if table.len() <= at {
        table.resize(at + 1, value);
    }
    table[at] = value;
}

/// A purine for a purine, or a pyrimidine for a pyrimidine.
fn is_transition(a: u8, b: u8) -> bool {
    matches!(
        (a.to_ascii_uppercase(), b.to_ascii_uppercase()),
        (b'A', b'G') | (b'G', b'A') | (b'C', b'T') | (b'T', b'C')
    )
}
