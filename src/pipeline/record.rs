//! One record held until its rows are out: the line, its genotype codes, its normalised alleles.

use super::emit::{Emitter, SKIP_HINT};
use crate::alleles::{AlleleType, Normalised, ReferenceBases, classify, is_bases, normalise};
use crate::columns::field::AlleleOfSite;
use crate::columns::genotypes::{FormatLayout, Slot};
use crate::decode::bcf::TypedSamples;
use crate::decode::samples::SampleColumns;
use crate::decode::vcf::{RecordIndex, RecordView, parse_f64, parse_i32};
use crate::error::{Error, Result};
use crate::genome::Locus;
use std::rc::Rc;

/// A record in the window. Buffers are reused.
#[derive(Debug, Default)]
pub struct Held {
    /// The line without line end.
    pub line: Vec<u8>,
    /// Field borders.
    pub index: RecordIndex,
    /// Line or record number within the shard's input, for messages.
    pub number: u64,
    /// 1-based POS.
    pub vcf_pos: i32,
    /// Rank among the records at that POS.
    pub rank: u16,
    /// Number of ALT.
    pub n_alts: u32,
    /// QUAL.
    pub qual: Option<f64>,
    /// Fields of FORMAT.
    pub layout: Option<Rc<FormatLayout>>,
    /// Genotypes.
    pub samples: SampleColumns,
    /// Rows that are not out yet.
    pub n_rows_left: u32,
}

/// One allele of a record, normalised: a row to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PendingRow {
    /// 1-based.
    pub vcf_pos: i32,
    /// REF.
    pub ref_allele: Vec<u8>,
    /// ALT.
    pub alt_allele: Vec<u8>,
    /// Order of input.
    pub sequence: u64,
    /// Slot of the record in the window.
    pub slot: usize,
    /// Which ALT of the record, 1-based; 0: it has none.
    pub alt_index: u32,
    /// Kind.
    pub allele_type: AlleleType,
}

impl Held {
    /// The record.
    pub fn view(&self) -> RecordView<'_> {
        self.index.view(&self.line)
    }

    /// Allele and number of alleles.
    pub fn allele(&self, alt_index: u32) -> AlleleOfSite {
        AlleleOfSite::new(alt_index, self.n_alts)
    }
}

/// A line whose fields and position are known.
pub struct Line<'a> {
    /// Without line end.
    pub text: &'a [u8],
    /// The samples, where they are not in the text.
    pub samples: Option<&'a TypedSamples<'a>>,
    /// Field borders.
    pub index: RecordIndex,
    /// 1-based POS.
    pub vcf_pos: i32,
    /// Rank among the records at that POS.
    pub rank: u16,
}

/// Parses a line into `record`: everything but its rows.
pub fn fill(
    record: &mut Held,
    line: Line,
    n_samples: usize,
    emitter: &mut Emitter,
    reference: Option<&dyn ReferenceBases>,
) -> Result<()> {
    let view = line.index.view(line.text);
    check_alleles(view, line.vcf_pos, reference)?;
    record.qual = parse_qual(view.qual())?;
    record.n_alts = view.n_alts();
    record.layout = emitter.layout(view.format().unwrap_or_default());
    (record.vcf_pos, record.rank) = (line.vcf_pos, line.rank);
    record.n_rows_left = 0;
    record.line.clear();
    match (line.samples, record.layout.clone()) {
        (Some(samples), Some(layout)) => fill_typed(record, &line, samples, &layout, emitter)?,
        (_, Some(layout)) => fill_text(record, &line, n_samples, &layout, emitter)?,
        (_, None) => {
            let (index, len) = line.index.without_samples();
            record.index = index;
            record.line.extend_from_slice(&line.text[..len]);
        }
    }
    check_alleles_named(record, emitter)
}

/// The line, and the samples out of its text. Where numbers are all that is looked at later, no text of samples is kept.
fn fill_text(
    record: &mut Held,
    line: &Line,
    n_samples: usize,
    layout: &FormatLayout,
    emitter: &mut Emitter,
) -> Result<()> {
    let (gt_slot, all) = (layout.slot_of(&Slot::Genotype), emitter.stores_all());
    let text = line.index.view(line.text).samples();
    let samples = &mut record.samples;
    samples.read(text, n_samples, gt_slot, layout.slots.len(), &mut emitter.gt)?;
    samples.read_integers(text, layout.depth_slots());
    if all {
        samples.read_every(text, gt_slot);
    }
    let shape = emitter.shape_of_numbers(layout, record.n_alts, &record.samples);
    if layout.has_fields() && shape.is_none() {
        record.index = line.index.clone();
        record.line.extend_from_slice(line.text);
        return Ok(());
    }
    let (index, len) = line.index.clone().without_samples();
    record.index = index;
    record.line.extend_from_slice(&line.text[..len]);
    if let Some(shape) = shape {
        record.line.push(b'\t');
        record.samples.keep_numbers(text, all, &shape, &mut record.line);
        record.index = line.index.clone().with_samples(record.line.len());
    }
    Ok(())
}

/// The line, which ends with FORMAT, and the samples out of typed arrays.
fn fill_typed(
    record: &mut Held,
    line: &Line,
    typed: &TypedSamples,
    layout: &FormatLayout,
    emitter: &mut Emitter,
) -> Result<()> {
    let (gt_slot, all) = (layout.slot_of(&Slot::Genotype), emitter.stores_all());
    let samples = &mut record.samples;
    samples.read_typed(typed, gt_slot, &mut emitter.gt)?;
    samples.read_typed_integers(typed, layout.depth_slots());
    if all {
        samples.read_typed_every(typed, gt_slot);
    }
    record.line.extend_from_slice(line.text);
    record.line.push(b'\t');
    if layout.has_fields() {
        match emitter.shape_of_numbers(layout, record.n_alts, &record.samples) {
            Some(shape) => record.samples.keep_typed_numbers(typed, all, &shape, &mut record.line),
            None => record.samples.write_cells(typed, all, &mut record.line),
        }
    }
    record.index = line.index.clone().with_samples(record.line.len());
    Ok(())
}

/// Genotypes name alleles that the record has.
fn check_alleles_named(record: &Held, emitter: &Emitter) -> Result<()> {
    if record.layout.is_none() {
        return Ok(());
    }
    for &(code, _) in &record.samples.distinct {
        let genotype = emitter.gt.genotype(code);
        if genotype.max_allele > record.n_alts as i32 {
            return Err(Error::bad_data(format!(
                "GT {} names allele {}, but the record has {} alternate allele{}",
                String::from_utf8_lossy(&genotype.text),
                genotype.max_allele,
                record.n_alts,
                if record.n_alts == 1 { "" } else { "s" }
            )));
        }
    }
    Ok(())
}

/// QUAL as a number; `None` for `.`.
pub fn parse_qual(text: &[u8]) -> Result<Option<f64>> {
    if text == b"." {
        return Ok(None);
    }
    let value = parse_f64(text).ok_or_else(|| {
        Error::bad_data(format!("QUAL is {:?}, expected a number or .", String::from_utf8_lossy(text))).hint(SKIP_HINT)
    })?;
    Ok(Some(value))
}

/// Checks REF and ALT against each other and, where a reference is given, against it.
pub fn check_alleles(record: RecordView, vcf_pos: i32, reference: Option<&dyn ReferenceBases>) -> Result<()> {
    let ref_allele = record.ref_allele();
    if ref_allele.is_empty() || !is_bases(ref_allele) {
        return Err(Error::bad_data(format!(
            "REF is {:?}, expected one base or more",
            String::from_utf8_lossy(ref_allele)
        )));
    }
    if record.alt().is_empty() {
        return Err(Error::bad_data("ALT is empty, expected alleles or ."));
    }
    if let Some(reference) = reference {
        check_ref(ref_allele, vcf_pos, reference)?;
    }
    Ok(())
}

fn check_ref(ref_allele: &[u8], vcf_pos: i32, reference: &dyn ReferenceBases) -> Result<()> {
    for (i, &written) in ref_allele.iter().enumerate() {
        let written = written.to_ascii_uppercase();
        let Some(expected) = reference.base(vcf_pos + i as i32)? else {
            // a record at POS 0 (telomere) or with bases past the end has nothing to compare with there
            if vcf_pos + (i as i32) < 1 {
                continue;
            }
            return Err(Error::bad_data(format!(
                "REF reaches to position {}, past the end of the reference",
                vcf_pos + i as i32
            ))
            .hint("is this the reference that the variants were called with?"));
        };
        let comparable = matches!(written, b'A' | b'C' | b'G' | b'T') && matches!(expected, b'A' | b'C' | b'G' | b'T');
        if comparable && written != expected {
            let there = (0..ref_allele.len().min(20)).filter_map(|k| reference.base(vcf_pos + k as i32).transpose());
            let there: Vec<u8> = there.collect::<Result<_>>()?;
            return Err(Error::bad_data(format!(
                "REF is {}, but the reference has {} there",
                String::from_utf8_lossy(&ref_allele[..ref_allele.len().min(20)]),
                String::from_utf8_lossy(&there)
            ))
            .hint("is this the reference that the variants were called with?"));
        }
    }
    Ok(())
}

/// The rows of a record, one by one to `keep`: one per ALT, or one with ALT `.`. Fails where the reference cannot be read.
pub fn rows_of(
    record: RecordView,
    vcf_pos: i32,
    reference: Option<&dyn ReferenceBases>,
    mut keep: impl FnMut(Normalised, u32, AlleleType, bool),
) -> Result<()> {
    let ref_allele = record.ref_allele();
    let mut alt_index = 0;
    for alt in record.alts() {
        alt_index += 1;
        let found = normalise(vcf_pos, ref_allele, alt, reference)?;
        let allele_type = classify(&found.ref_allele, &found.alt_allele);
        let changed = found.vcf_pos != vcf_pos || found.ref_allele != ref_allele || found.alt_allele != alt;
        keep(found, alt_index, allele_type, changed);
    }
    if alt_index == 0 {
        let as_written =
            Normalised { vcf_pos, ref_allele: ref_allele.to_vec(), alt_allele: b".".to_vec(), capped: false };
        keep(as_written, 0, AlleleType::Other, false);
    }
    Ok(())
}

/// Last reference base of a row: INFO/END where a symbolic allele has one, else by REF.
pub fn end_of(record: RecordView, row: &PendingRow) -> i32 {
    let by_ref = row.vcf_pos.saturating_add(row.ref_allele.len() as i32 - 1);
    if row.allele_type != AlleleType::Symbolic && row.alt_index != 0 {
        return by_ref;
    }
    record.info_value(b"END").flatten().and_then(parse_i32).filter(|&end| end >= row.vcf_pos).unwrap_or(by_ref)
}

/// `REF` and `ALT` as written where the row differs from them.
pub fn as_written<'a>(record: RecordView<'a>, vcf_pos: i32, row: &PendingRow) -> Option<(&'a [u8], &'a [u8])> {
    let alt = match row.alt_index {
        0 => record.alt(),
        index => record.alts().nth(index as usize - 1).unwrap_or_default(),
    };
    let same = row.vcf_pos == vcf_pos && row.ref_allele == record.ref_allele() && row.alt_allele == alt;
    (!same).then_some((record.ref_allele(), alt))
}

/// The locus of a record or row on a contig.
pub fn locus(contig: u32, vcf_pos: i32) -> Locus {
    Locus { contig, vcf_pos }
}
