//! A sample's record, read from its text: alleles, genotype, likelihoods, depths, phase.

use super::likelihood::gl_to_pl;
use crate::alleles::{AlleleType, Normalised, classify, parse_aligned, trim};
use crate::decode::gvcf::Reading;
use crate::decode::gvcf::dialect::is_unseen;
use crate::decode::gvcf::evidence::RecordText;
use crate::decode::vcf::{parse_f64, parse_i32, plain_integer_list, plain_integers};
use crate::error::{Error, Result};
use crate::genome::genotype::UNKNOWN;
use std::collections::HashMap;
use std::io::Write;

/// Largest likelihood that is kept, phred-scaled: differences beyond it do not change any result.
const MAX_PL: f64 = 4_000_000.0;

/// What an allele of a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordAllele {
    /// REF.
    Reference,
    /// `<NON_REF>` or `<*>`: any allele that the record does not name.
    Unseen,
    /// `*`: the base is deleted by another record of the sample.
    Deleted,
    /// An alternate allele: its number in the [`AlleleTable`].
    Alt(u32),
}

/// A normalised alternate allele.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allele {
    /// 1-based position of the first base of `ref_allele`.
    pub vcf_pos: i32,
    /// REF, upper case.
    pub ref_allele: Vec<u8>,
    /// ALT, upper case where it is bases.
    pub alt_allele: Vec<u8>,
    /// Kind.
    pub allele_type: AlleleType,
    /// Some record's shift reached the bound and kept this form.
    pub shift_capped: bool,
}

impl Allele {
    /// Whether the allele deletes the base at a position.
    pub fn deletes(&self, vcf_pos: i32) -> bool {
        let kept = if self.allele_type == AlleleType::Symbolic { 1 } else { self.alt_allele.len() as i32 };
        // the last position that there can be is 2^31 - 1: nothing is added to one
        let offset = vcf_pos - self.vcf_pos;
        offset >= kept && offset < self.ref_allele.len() as i32
    }
}

/// The distinct alleles of a shard. Numbers follow first sight and are never written.
#[derive(Debug, Default)]
pub struct AlleleTable {
    alleles: Vec<Allele>,
    numbers: HashMap<(i32, Vec<u8>, Vec<u8>), u32>,
}

impl AlleleTable {
    /// The allele of a number.
    pub fn get(&self, number: u32) -> &Allele {
        &self.alleles[number as usize]
    }

    /// All alleles, by number.
    pub fn alleles(&self) -> &[Allele] {
        &self.alleles
    }

    fn number(&mut self, found: Normalised) -> u32 {
        let Normalised { vcf_pos, mut ref_allele, mut alt_allele, capped } = found;
        ref_allele.make_ascii_uppercase();
        if alt_allele.first() != Some(&b'<') {
            alt_allele.make_ascii_uppercase();
        }
        let key = (vcf_pos, ref_allele, alt_allele);
        if let Some(&number) = self.numbers.get(&key) {
            self.alleles[number as usize].shift_capped |= capped;
            return number;
        }
        let number = self.alleles.len() as u32;
        let (_, ref_allele, alt_allele) = key.clone();
        let allele_type = classify(&ref_allele, &alt_allele);
        self.alleles.push(Allele { vcf_pos, ref_allele, alt_allele, allele_type, shift_capped: capped });
        self.numbers.insert(key, number);
        number
    }
}

/// A genotype in terms of a record's (or a site's) alleles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Allele of each copy, [`UNKNOWN`] for `.`.
    pub alleles: Vec<i32>,
    /// Every separator is `|`.
    pub phased: bool,
}

impl Copies {
    /// Reads a GT text; `None` when it is none.
    pub fn parse(text: &[u8]) -> Option<Copies> {
        let text = text.strip_prefix(b"/").or(text.strip_prefix(b"|")).unwrap_or(text);
        if text.is_empty() {
            return Some(Copies::default());
        }
        let mut alleles = Vec::with_capacity(2);
        let (mut n_separators, mut n_bars) = (0, 0);
        for part in text.split_inclusive(|&byte| byte == b'/' || byte == b'|') {
            let allele = match part.split_last() {
                Some((b'|', rest)) => {
                    n_bars += 1;
                    n_separators += 1;
                    rest
                }
                Some((b'/', rest)) => {
                    n_separators += 1;
                    rest
                }
                _ => part,
            };
            alleles.push(if allele == b"." { UNKNOWN } else { parse_i32(allele).filter(|&number| number >= 0)? });
        }
        (alleles.len() == n_separators + 1)
            .then_some(Copies { phased: n_separators > 0 && n_bars == n_separators, alleles })
    }

    /// Appends the text; unphased copies ascend, unknown ones first. Without copies it is `./.`.
    pub fn write(&self, text: &mut Vec<u8>) {
        let mut alleles = if self.alleles.is_empty() { vec![UNKNOWN; 2] } else { self.alleles.clone() };
        if !self.phased {
            alleles.sort_unstable();
        }
        for (i, &allele) in alleles.iter().enumerate() {
            if i > 0 {
                text.push(if self.phased { b'|' } else { b'/' });
            }
            match allele {
                UNKNOWN => text.push(b'.'),
                allele => {
                    let _ = write!(text, "{allele}");
                }
            }
        }
    }

    /// Whether a copy is known.
    pub fn is_called(&self) -> bool {
        self.alleles.iter().any(|&allele| allele != UNKNOWN)
    }

    /// Whether every copy is known and the reference.
    pub fn is_reference(&self) -> bool {
        !self.alleles.is_empty() && self.alleles.iter().all(|&allele| allele == 0)
    }
}

/// One record of one sample. Alleles are counted as in the record: 0 is REF, then its ALT.
#[derive(Clone, Debug, Default)]
pub struct SampleRecord {
    /// Index of the sample in the cohort.
    pub sample: u32,
    /// POS.
    pub vcf_pos: i32,
    /// Last reference base, inclusive.
    pub end: i32,
    /// First and last base that the record says something about, normalised alleles included.
    pub reach: (i32, i32),
    /// REF and every ALT.
    pub alleles: Vec<RecordAllele>,
    /// Genotype; no copies: the record has none.
    pub gt: Copies,
    /// Genotypes were taken out of the file: that there is none says nothing about the sample.
    pub gt_taken_out: bool,
    /// The record's filters say that it is not to be used, or that it is no call.
    pub filtered: bool,
    /// Phred-scaled likelihoods in VCF order, or empty.
    pub pl: Vec<u32>,
    /// GQ.
    pub gq: Option<u32>,
    /// DP, else MIN_DP.
    pub dp: Option<u32>,
    /// AD, or empty.
    pub ad: Vec<u32>,
    /// SB: reads of REF forward, reverse, of ALT forward, reverse.
    pub sb: Option<[u32; 4]>,
    /// PS, or the position in PID.
    pub phase_set: Option<i32>,
    /// PGT says that the alternate allele is on the first (`Some(true)`) or second haplotype.
    pub pgt_first: Option<bool>,
    /// QUAL.
    pub qual: Option<f64>,
    /// Index of its text.
    pub text: u32,
}

impl SampleRecord {
    /// Numbers of its alternate alleles in the table.
    pub fn alts(&self) -> impl Iterator<Item = u32> {
        self.alleles.iter().filter_map(|allele| match allele {
            RecordAllele::Alt(number) => Some(*number),
            _ => None,
        })
    }

    /// The place of `<NON_REF>` or `<*>` among the alleles.
    pub fn unseen(&self) -> Option<usize> {
        self.alleles.iter().position(|allele| *allele == RecordAllele::Unseen)
    }
}

/// Fields of the FORMAT column of one record, by name, out of the sample's text.
struct Cell<'a> {
    format: &'a [u8],
    cell: &'a [u8],
}

impl<'a> Cell<'a> {
    /// Key and value of each field that has a value.
    fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let split = |text: &'a [u8]| text.split(|&byte| byte == b':');
        split(self.format).zip(split(self.cell)).filter(|(_, value)| !value.is_empty() && *value != b".")
    }
}

/// Reads records of one contig.
#[derive(Debug, Default)]
pub struct RecordReader {
    table: AlleleTable,
}

impl RecordReader {
    /// The alleles of all records read.
    pub fn into_table(self) -> AlleleTable {
        self.table
    }

    /// Reads one record. Its fields are checked: lengths of AD and PL, allele numbers of GT, numbers.
    pub fn read(
        &mut self,
        sample: u32,
        vcf_pos: i32,
        end: i32,
        text: RecordText,
        reading: Reading,
    ) -> Result<SampleRecord> {
        let mut record = SampleRecord { sample, vcf_pos, end, reach: (vcf_pos, end), ..SampleRecord::default() };
        record.qual = parse_f64(text.qual);
        record.filtered = is_filtered(text.filter);
        self.read_alleles(&mut record, text);
        finish(&mut record, &Cell { format: text.format, cell: text.cell }, reading)?;
        Ok(record)
    }

    fn read_alleles(&mut self, record: &mut SampleRecord, text: RecordText) {
        record.alleles.push(RecordAllele::Reference);
        if text.alt == b"." {
            return;
        }
        let mut aligned = text.aligned.split(|&byte| byte == b',');
        for alt in text.alt.split(|&byte| byte == b',') {
            let aligned = aligned.next().filter(|aligned| !aligned.is_empty() && *aligned != b".");
            let allele = match alt {
                _ if is_unseen(alt) => RecordAllele::Unseen,
                b"*" | b"<*:DEL>" | b"<DEL:*>" => RecordAllele::Deleted,
                _ => {
                    let found =
                        aligned.and_then(parse_aligned).unwrap_or_else(|| trim(record.vcf_pos, text.ref_allele, alt));
                    record.reach.0 = record.reach.0.min(found.vcf_pos);
                    record.reach.1 =
                        record.reach.1.max(found.vcf_pos.saturating_add(found.ref_allele.len() as i32 - 1));
                    RecordAllele::Alt(self.table.number(found))
                }
            };
            record.alleles.push(allele);
        }
    }
}

/// Checks the fields of a sample's column as [`RecordReader::read`] does, without its alleles.
pub fn check_fields(alt: &[u8], format: &[u8], cell: &[u8], reading: Reading) -> Result<()> {
    let mut record = SampleRecord { alleles: vec![RecordAllele::Reference], ..SampleRecord::default() };
    if alt != b"." {
        let allele = |alt| if is_unseen(alt) { RecordAllele::Unseen } else { RecordAllele::Alt(0) };
        record.alleles.extend(alt.split(|&byte| byte == b',').map(allele));
    }
    finish(&mut record, &Cell { format, cell }, reading)
}

/// Reads the fields of a record whose alleles are known.
fn finish(record: &mut SampleRecord, cell: &Cell, reading: Reading) -> Result<()> {
    read_fields(record, cell)?;
    record.gt_taken_out = reading.genotype_from_pl;
    if reading.genotype_from_pl && !record.gt.is_called() {
        derive_genotype(record);
    }
    check_genotype(record)
}

/// FILTER of a record that is not `PASS` or `.`; `RefCall` (DeepVariant) and `LowQual`-like marks included.
fn is_filtered(filter: &[u8]) -> bool {
    !matches!(filter, b"." | b"PASS" | b"")
}

fn read_fields(record: &mut SampleRecord, cell: &Cell) -> Result<()> {
    let (mut local, mut likelihoods, mut local_ad) = (None, Likelihood::default(), None);
    let mut min_dp = None;
    for (key, value) in cell.fields() {
        match key {
            b"GT" => record.gt = Copies::parse(value).ok_or_else(|| wrong("GT", value, "allele numbers"))?,
            b"GQ" => record.gq = Some(number("GQ", value)?),
            b"DP" => record.dp = Some(number("DP", value)?),
            b"MIN_DP" => min_dp = Some(number("MIN_DP", value)?),
            b"AD" => record.ad = numbers("AD", value)?,
            b"SB" => {
                record.sb = match plain_integers::<4>(value) {
                    Some(reads) => Some(reads.map(|n| n as u32)),
                    None => <[u32; 4]>::try_from(numbers("SB", value)?).ok(),
                }
            }
            b"PL" => likelihoods.pl = Some(numbers("PL", value)?),
            b"GL" => likelihoods.gl = Some(floats(value)?),
            b"PS" => record.phase_set = parse_i32(value),
            b"PID" => {
                let first = value.split(|&byte| byte == b'_').next().unwrap_or_default();
                record.phase_set = record.phase_set.or(parse_i32(first));
            }
            b"PGT" => record.pgt_first = pgt_first(value),
            b"LAA" => local = Some(numbers("LAA", value)?),
            b"LPL" => likelihoods.local_pl = Some(numbers("LPL", value)?),
            b"LAD" => local_ad = Some(numbers("LAD", value)?),
            _ => {}
        }
    }
    record.dp = record.dp.or(min_dp);
    if let Some(local) = local.or_else(|| likelihoods.local_pl.as_ref().map(|_| Vec::new())) {
        keep_local(record, &local)?;
        record.ad = local_ad.unwrap_or_default();
        likelihoods.pl = likelihoods.local_pl.take();
    }
    record.pl = match (likelihoods.pl, likelihoods.gl) {
        (Some(pl), _) => pl,
        (None, Some(gl)) if !gl.is_empty() => gl_to_pl(&gl),
        (None, _) => Vec::new(),
    };
    check_lengths(record)
}

/// PL, GL and LPL as found.
#[derive(Default)]
struct Likelihood {
    pl: Option<Vec<u32>>,
    gl: Option<Vec<f64>>,
    local_pl: Option<Vec<u32>>,
}

/// Leaves the local alleles of a record (VCF 4.5 section 1.6.2, LAA: 1-based ALT numbers) and renames those of GT.
fn keep_local(record: &mut SampleRecord, local: &[u32]) -> Result<()> {
    let kept: Vec<usize> = std::iter::once(0).chain(local.iter().map(|&index| index as usize)).collect();
    if kept.iter().any(|&index| index >= record.alleles.len()) {
        return Err(Error::bad_data(format!(
            "FORMAT/LAA names allele {}, but the record has {} alternate alleles",
            local.iter().max().copied().unwrap_or_default(),
            record.alleles.len() - 1
        )));
    }
    for allele in &mut record.gt.alleles {
        if *allele > 0 {
            let place = kept.iter().position(|&index| index as i32 == *allele);
            *allele = place.map_or(UNKNOWN, |place| place as i32);
        }
    }
    record.alleles = kept.iter().map(|&index| record.alleles[index]).collect();
    Ok(())
}

fn check_lengths(record: &mut SampleRecord) -> Result<()> {
    let n_alleles = record.alleles.len();
    if !record.ad.is_empty() && record.ad.len() != n_alleles {
        // some callers leave the depth of the symbolic allele out
        if record.ad.len() + 1 == n_alleles && record.alleles.last() == Some(&RecordAllele::Unseen) {
            record.ad.push(0);
        } else {
            return Err(Error::bad_data(format!(
                "FORMAT/AD has {} values, expected {n_alleles} for {n_alleles} alleles",
                record.ad.len()
            )));
        }
    }
    if record.pl.is_empty() {
        return Ok(());
    }
    let copies = record.gt.alleles.len();
    let fits = |n_alleles| super::genotypes::n_genotypes(n_alleles, copies) == Some(record.pl.len());
    if n_alleles == 1 && copies > 0 && !fits(1) && fits(2) {
        // a record without ALT whose likelihoods know of another allele
        record.alleles.push(RecordAllele::Unseen);
    }
    let n_alleles = record.alleles.len();
    let of_ploidy = |ploidy| super::genotypes::n_genotypes(n_alleles, ploidy);
    if record.gt.is_called() || record.gt.alleles.len() > 1 {
        let ploidy = record.gt.alleles.len();
        // `.` of a diploid sample is one copy to the eye
        if of_ploidy(ploidy) != Some(record.pl.len()) {
            return Err(Error::bad_data(format!(
                "FORMAT/PL has {} values, expected {} for {n_alleles} alleles at ploidy {ploidy}",
                record.pl.len(),
                of_ploidy(ploidy).unwrap_or_default()
            )));
        }
        return Ok(());
    }
    let ploidy = (1..=8).find(|&ploidy| of_ploidy(ploidy) == Some(record.pl.len())).ok_or_else(|| {
        Error::bad_data(format!(
            "FORMAT/PL has {} values, which fits no ploidy for {n_alleles} alleles",
            record.pl.len()
        ))
    })?;
    record.gt.alleles = vec![UNKNOWN; ploidy];
    Ok(())
}

fn check_genotype(record: &SampleRecord) -> Result<()> {
    match record.gt.alleles.iter().max() {
        Some(&highest) if highest >= record.alleles.len() as i32 => Err(Error::bad_data(format!(
            "GT names allele {highest}, but the record has {} alternate allele{}",
            record.alleles.len() - 1,
            if record.alleles.len() == 2 { "" } else { "s" }
        ))),
        _ => Ok(()),
    }
}

/// The most likely genotype, where the file says what PL are but leaves GT to the joint call (GATK CombineGVCFs).
fn derive_genotype(record: &mut SampleRecord) {
    let ploidy = record.gt.alleles.len();
    if record.pl.iter().all(|&pl| pl == record.pl[0]) || ploidy == 0 {
        return;
    }
    let best = record.pl.iter().enumerate().min_by_key(|&(_, pl)| pl).map_or(0, |(index, _)| index);
    let mut alleles = Vec::new();
    super::genotypes::alleles_of(best, ploidy, &mut alleles);
    record.gt.alleles = alleles.iter().map(|&allele| i32::from(allele)).collect();
    record.gt.phased = false;
}

fn pgt_first(value: &[u8]) -> Option<bool> {
    match value {
        b"1|0" => Some(true),
        b"0|1" => Some(false),
        _ => None,
    }
}

fn wrong(key: &str, value: &[u8], expected: &str) -> Error {
    Error::bad_data(format!("FORMAT/{key} is {:?}, expected {expected}", String::from_utf8_lossy(value)))
}

fn number(key: &str, value: &[u8]) -> Result<u32> {
    if let Some(number) = parse_i32(value) {
        return u32::try_from(number).map_err(|_| wrong(key, value, "a number from 0 on"));
    }
    // GQ of Strelka2 and others is a float
    parse_f64(value)
        .filter(|number| (0.0..=MAX_PL).contains(number))
        .map(|number| number.round() as u32)
        .ok_or_else(|| wrong(key, value, "a number from 0 on"))
}

fn numbers(key: &str, value: &[u8]) -> Result<Vec<u32>> {
    if value == b"." {
        return Ok(Vec::new());
    }
    if let Some(found) = plain_integer_list(value) {
        return Ok(found);
    }
    let mut found = Vec::with_capacity(8);
    for item in value.split(|&byte| byte == b',') {
        match item {
            b"." => return Ok(Vec::new()),
            _ => found.push(number(key, item)?),
        }
    }
    Ok(found)
}

fn floats(value: &[u8]) -> Result<Vec<f64>> {
    let mut found = Vec::new();
    for item in value.split(|&byte| byte == b',') {
        match item {
            b"." => return Ok(Vec::new()),
            _ => found.push(parse_f64(item).ok_or_else(|| wrong("GL", value, "numbers"))?),
        }
    }
    Ok(found)
}
