//! Rows out of the window into the builders: statistics, calls and fields of one allele row in one pass.

use super::record::{Held, PendingRow, as_written, end_of, locus};
use super::shard::Context;
use super::writers::ShardFiles;
use crate::alleles::AlleleType;
use crate::call::sample_counts::{Counter, SampleCounts};
use crate::call::statistics::RowStatistics;
use crate::columns::field::AlleleOfSite;
use crate::columns::genotypes::{CellProblem, FormatLayout, GenotypesBuilder, Slot};
use crate::columns::variants::{VariantRow, VariantsBuilder};
use crate::error::{Error, Result};
use crate::genome::genotype::{GtTable, HOM_REF_UNPHASED};
use crate::plan::Calls;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Rows of `genotypes` in a batch before it is encoded.
const GENOTYPES_BATCH: usize = 1 << 16;
/// Rows of `variants` in a batch before it is encoded.
const VARIANTS_BATCH: usize = 1 << 12;

/// Builders of one shard.
pub struct Emitter<'a> {
    context: &'a Context<'a>,
    files: ShardFiles,
    variants: VariantsBuilder,
    genotypes: Option<GenotypesBuilder>,
    layouts: HashMap<Vec<u8>, Rc<FormatLayout>>,
    /// Genotype codes of this shard.
    pub gt: GtTable,
    /// Per-sample counts of this shard.
    pub counts: SampleCounts,
    /// Rows written.
    pub n_variant_rows: u64,
    /// Calls written.
    pub n_genotype_rows: u64,
    /// Tolerated things, with how often.
    pub warnings: BTreeMap<String, u64>,
    contig: Option<u32>,
    contig_name: String,
    last: (i32, u32),
    batch_pos: (i32, i32),
}

impl<'a> Emitter<'a> {
    /// Empty, writing to `files`.
    pub fn new(context: &'a Context<'a>, files: ShardFiles) -> Self {
        Emitter {
            context,
            files,
            variants: VariantsBuilder::new(context.schemas),
            genotypes: GenotypesBuilder::new(context.schemas),
            layouts: HashMap::new(),
            gt: GtTable::new(),
            counts: SampleCounts::new(context.n_samples),
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
        self.files.start_contig(&self.contig_name)
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

    /// Writes one row with its calls.
    pub fn emit(&mut self, record: &Held, row: &PendingRow) -> Result<()> {
        let rank = self.next_rank(row.vcf_pos)?;
        let contig = self.contig.expect("a contig is begun before its rows");
        let variant_id = locus(contig, row.vcf_pos).id(rank);
        let (statistics, singleton) = self.emit_calls(record, row, variant_id)?;
        if statistics.ac > 0 && self.context.n_samples > 0 {
            self.count_carriers(record, row, singleton);
        }
        let view = record.view();
        let written = as_written(view, record.vcf_pos, row);
        let variant = VariantRow {
            variant_id,
            contig: &self.contig_name,
            vcf_pos: row.vcf_pos,
            end: end_of(view, row),
            ref_allele: &row.ref_allele,
            alt_allele: &row.alt_allele,
            id: view.id(),
            qual: record.qual,
            filter: view.filter(),
            allele_type: row.allele_type,
            site_id: locus(contig, record.vcf_pos).id(record.rank),
            allele: record.allele(row.alt_index),
            site_ref: written.map(|written| written.0),
            site_alt: written.map(|written| written.1),
            statistics,
            format: view.format(),
            info: view.info(),
        };
        push_variant(&mut self.variants, &variant)?;
        if row.alt_index <= 1 {
            self.note_tolerated(record);
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

    /// The calls of a row into the builder; their statistics, and the sample of the only copy if there is only one.
    fn emit_calls(&mut self, record: &Held, row: &PendingRow, variant_id: i64) -> Result<(RowStatistics, Option<u32>)> {
        let mut statistics = RowStatistics::default();
        let (Some(builder), Some(layout)) = (&mut self.genotypes, &record.layout) else {
            return Ok((statistics, None));
        };
        let n_reference = self.context.n_samples - record.samples.not_reference.len();
        if n_reference > 0 {
            statistics.add(&self.gt.call(HOM_REF_UNPHASED, row.alt_index), n_reference as i32);
        }
        let text = record.view().samples();
        let allele = record.allele(row.alt_index);
        let has_fields = layout.slots.iter().any(|slot| *slot != Slot::Genotype);
        let all = self.context.calls == Calls::All;
        let before = builder.n_rows();
        let mut last_carrier = None;
        let mut push = |sample: u32, gt: &mut GtTable, in_statistics: bool| -> Result<()> {
            let call = gt.call(record.samples.codes[sample as usize], row.alt_index);
            if in_statistics {
                statistics.add(&call, 1);
                if call.copies > 0 {
                    last_carrier = Some(sample);
                }
            }
            if all || !call.plain_reference {
                builder.push_call(variant_id, row.vcf_pos, sample, &call);
                if has_fields {
                    push_cell(builder, record.samples.cell(text, sample as usize), layout, allele)
                        .map_err(|error| sample_error(error, self.context, sample))?;
                }
            }
            Ok(())
        };
        if all {
            let mut others = record.samples.not_reference.iter().copied().peekable();
            for sample in 0..self.context.n_samples as u32 {
                let other = others.next_if_eq(&sample).is_some();
                push(sample, &mut self.gt, other)?;
            }
        } else {
            for &sample in &record.samples.not_reference {
                push(sample, &mut self.gt, true)?;
            }
        }
        let n_rows = builder.n_rows() - before;
        builder.end_run(n_rows, layout);
        self.n_genotype_rows += n_rows as u64;
        Ok((statistics, last_carrier.filter(|_| statistics.ac == 1)))
    }

    /// Per-sample counts of one allele row.
    fn count_carriers(&mut self, record: &Held, row: &PendingRow, singleton: Option<u32>) {
        if let Some(sample) = singleton {
            self.counts.get_mut(Counter::NSingleton)[sample as usize] += 1;
        }
        let kind = match row.allele_type {
            AlleleType::Snv => Counter::NSnv,
            AlleleType::Ins => Counter::NIns,
            AlleleType::Del => Counter::NDel,
            _ => return,
        };
        let change = (row.allele_type == AlleleType::Snv)
            .then(|| if is_transition(row.ref_allele[0], row.alt_allele[0]) { Counter::Ti } else { Counter::Tv });
        for &sample in &record.samples.not_reference {
            if self.gt.call(record.samples.codes[sample as usize], row.alt_index).copies > 0 {
                self.counts.get_mut(kind)[sample as usize] += 1;
                if let Some(change) = change {
                    self.counts.get_mut(change)[sample as usize] += 1;
                }
            }
        }
    }

    fn note_tolerated(&mut self, record: &Held) {
        let mut note = |message: String| *self.warnings.entry(message).or_default() += 1;
        for key in undefined_keys(self.variants.undefined()) {
            note(format!("INFO/{key} is not defined in the header; taken as text into info_other"));
        }
        if let Some(layout) = &record.layout {
            for slot in &layout.slots {
                if let Slot::Other(key) = slot {
                    note(format!("FORMAT/{key} is not defined in the header; taken as text into fmt_other"));
                }
            }
        }
        let filter = record.view().filter();
        if filter != b"." && filter != b"PASS" {
            for name in filter.split(|&byte| byte == b';') {
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
            self.flush_genotypes()?;
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

    fn flush_genotypes(&mut self) -> Result<()> {
        let Some(builder) = &mut self.genotypes else { return Ok(()) };
        if builder.n_rows() > 0 {
            let batch = builder.finish(&self.contig_name, self.gt.row_texts());
            self.files.write_genotypes(&batch)?;
        }
        Ok(())
    }

    /// Encodes what is left.
    pub fn flush(&mut self) -> Result<()> {
        self.flush_variants()?;
        self.flush_genotypes()
    }

    /// Ends the files.
    pub fn finish(mut self) -> Result<(Vec<super::FileRecord>, SampleCounts)> {
        self.flush()?;
        Ok((self.files.finish()?, self.counts))
    }
}

/// Builds the rows of a record into throw-away builders, so that a record with a bad value is found before any of it is
/// in a batch. For `--on-bad-record skip` only.
pub struct Rehearsal {
    variants: VariantsBuilder,
    genotypes: Option<GenotypesBuilder>,
}

impl Rehearsal {
    /// With the schemas of the cohort.
    pub fn new(context: &Context) -> Self {
        Rehearsal { variants: VariantsBuilder::new(context.schemas), genotypes: GenotypesBuilder::new(context.schemas) }
    }

    /// The problem that the record would be rejected for.
    pub fn check(&mut self, record: &Held, alt_indexes: &[u32], context: &Context) -> Result<()> {
        let result = self.build(record, alt_indexes, context);
        *self = Rehearsal::new(context);
        result
    }

    fn build(&mut self, record: &Held, alt_indexes: &[u32], context: &Context) -> Result<()> {
        let view = record.view();
        for &alt_index in alt_indexes {
            let allele = record.allele(alt_index);
            push_variant(
                &mut self.variants,
                &VariantRow {
                    variant_id: 0,
                    contig: "",
                    vcf_pos: 0,
                    end: 0,
                    ref_allele: b"",
                    alt_allele: b"",
                    id: b".",
                    qual: None,
                    filter: b".",
                    allele_type: AlleleType::Other,
                    site_id: 0,
                    allele,
                    site_ref: None,
                    site_alt: None,
                    statistics: RowStatistics::default(),
                    format: None,
                    info: view.info(),
                },
            )?;
            let (Some(builder), Some(layout)) = (&mut self.genotypes, &record.layout) else { continue };
            for sample in 0..context.n_samples {
                push_cell(builder, record.samples.cell(view.samples(), sample), layout, allele)
                    .map_err(|error| sample_error(error, context, sample as u32))?;
            }
        }
        Ok(())
    }
}

fn push_variant(builder: &mut VariantsBuilder, row: &VariantRow) -> Result<()> {
    builder.push(row).map_err(|found| Error::bad_data(format!("INFO/{} {}", found.id, found.problem)).hint(SKIP_HINT))
}

const SKIP_HINT: &str = "`--on-bad-record skip` sets such records aside and lists them in the manifest";

fn push_cell(
    builder: &mut GenotypesBuilder,
    cell: &[u8],
    layout: &FormatLayout,
    allele: AlleleOfSite,
) -> std::result::Result<(), CellProblem> {
    builder.push_cell(cell, layout, allele)
}

fn sample_error(problem: CellProblem, context: &Context, sample: u32) -> Error {
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

/// A purine for a purine, or a pyrimidine for a pyrimidine.
fn is_transition(a: u8, b: u8) -> bool {
    matches!(
        (a.to_ascii_uppercase(), b.to_ascii_uppercase()),
        (b'A', b'G') | (b'G', b'A') | (b'C', b'T') | (b'T', b'C')
    )
}
