//! Genotypes as small codes, and how a genotype of a site looks from one of its alternate alleles.
//!
//! A diploid genotype of one-digit alleles (`0/0` ... `9|.`) has a code computed from its three bytes; every other text
//! (haploid, polyploid, alleles above 9, the phase prefix of VCF 4.4) is interned on first sight. Codes are private to
//! one [`GtTable`] and never written: the tables hold text.

use std::collections::HashMap;

/// Code of a genotype text within one [`GtTable`].
pub type GtCode = u16;

/// `0/0`.
pub const HOM_REF_UNPHASED: GtCode = 0;
/// `0|0`. Codes up to this one are diploid plain reference.
pub const HOM_REF_PHASED: GtCode = 1;
/// Number of codes computed from bytes: 11 x 11 alleles (0-9 and `.`) x 2 separators.
pub const N_COMPUTED: usize = 242;
/// The record has no GT for this sample.
pub const ABSENT: GtCode = N_COMPUTED as GtCode;
/// Interned codes are dropped beyond this many distinct genotypes, between records.
const MAX_INTERNED: usize = 60_000;

/// Unknown allele in [`Genotype::alleles`].
pub const UNKNOWN: i32 = -1;

/// What one genotype text says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genotype {
    /// As written.
    pub text: Box<[u8]>,
    /// Allele numbers in order, [`UNKNOWN`] for `.`; empty when the record has no GT.
    pub alleles: Vec<i32>,
    /// Separators before each allele after the first, and one leading one when VCF 4.4's prefix is there.
    separators: Vec<u8>,
    /// Highest allele number, -1 when none is known.
    pub max_allele: i32,
}

impl Genotype {
    fn parse(text: &[u8]) -> Option<Genotype> {
        let mut alleles = Vec::with_capacity(2);
        let mut separators = Vec::new();
        let mut at = 0;
        if matches!(text.first(), Some(b'/' | b'|')) {
            separators.push(text[0]);
            at = 1;
        }
        loop {
            let start = at;
            if text.get(at) == Some(&b'.') {
                alleles.push(UNKNOWN);
                at += 1;
            } else {
                let mut number: i32 = 0;
                while let Some(digit) = text.get(at).filter(|byte| byte.is_ascii_digit()) {
                    number = number.checked_mul(10)?.checked_add(i32::from(digit - b'0'))?;
                    at += 1;
                }
                if at == start {
                    return None;
                }
                alleles.push(number);
            }
            match text.get(at) {
                None => break,
                Some(&separator @ (b'/' | b'|')) => separators.push(separator),
                Some(_) => return None,
            }
            at += 1;
        }
        let max_allele = alleles.iter().copied().max().unwrap_or(UNKNOWN);
        Some(Genotype { text: text.into(), alleles, separators, max_allele })
    }

    /// Known allele copies.
    pub fn n_known(&self) -> usize {
        self.alleles.iter().filter(|&&allele| allele != UNKNOWN).count()
    }

    /// Whether every copy is known (and there is one).
    pub fn is_complete(&self) -> bool {
        !self.alleles.is_empty() && self.alleles.iter().all(|&allele| allele != UNKNOWN)
    }

    /// Whether every copy is the reference.
    pub fn is_plain_reference(&self) -> bool {
        !self.alleles.is_empty() && self.alleles.iter().all(|&allele| allele == 0)
    }

    /// The text as seen from alternate allele `alt_index`: 0 reference, 1 this allele, 2 another one, `.` unknown.
    pub fn seen_from(&self, alt_index: i32) -> String {
        let mut text = String::with_capacity(self.text.len());
        let prefixed = self.separators.len() == self.alleles.len();
        for (i, &allele) in self.alleles.iter().enumerate() {
            if prefixed || i > 0 {
                let separator = self.separators[if prefixed { i } else { i - 1 }];
                text.push(char::from(separator));
            }
            text.push(match allele {
                UNKNOWN => '.',
                0 => '0',
                allele if allele == alt_index => '1',
                _ => '2',
            });
        }
        text
    }
}

/// How one call counts in the statistics of one allele row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallClass {
    /// No known copy, or no GT.
    Missing,
    /// Known and unknown copies.
    Partial,
    /// One copy in all: reference (or another allele).
    HemiRef,
    /// One copy in all: this allele.
    HemiAlt,
    /// Complete, ploidy 2 or more, no copy of this allele.
    HomRef,
    /// Complete, ploidy 2 or more, some copies.
    Het,
    /// Complete, ploidy 2 or more, this allele only.
    HomAlt,
}

/// One genotype as seen from one allele of its site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCall {
    /// Index into [`GtTable::row_texts`]; `None` when the record has no GT.
    pub text: Option<u32>,
    /// Copies of this allele among the known copies.
    pub copies: i32,
    /// Known copies.
    pub known: i32,
    /// Number of copies, known or not.
    pub ploidy: i32,
    /// For the counts.
    pub class: CallClass,
    /// Every copy is the reference: not a row of the carriers table.
    pub plain_reference: bool,
}

impl RowCall {
    /// Copies of this allele; `None` when any copy is unknown.
    pub fn dosage(&self) -> Option<i32> {
        (self.ploidy > 0 && self.known == self.ploidy).then_some(self.copies)
    }
}

/// Copies of the allele that a text of [`GtTable::row_texts`] is seen from; `None` when any copy is unknown.
pub fn dosage_of_text(text: &str) -> Option<i32> {
    (!text.contains('.')).then(|| text.bytes().filter(|&byte| byte == b'1').count() as i32)
}

/// Codes of genotype texts, and their view from each allele. One per worker.
#[derive(Debug)]
pub struct GtTable {
    genotypes: Vec<Genotype>,
    interned: HashMap<Box<[u8]>, GtCode>,
    /// `[alt_index][code]`
    calls: Vec<Vec<Option<RowCall>>>,
    row_texts: Vec<String>,
    row_text_index: HashMap<String, u32>,
}

impl Default for GtTable {
    fn default() -> Self {
        Self::new()
    }
}

/// Code of a diploid genotype from its first allele, separator and second allele; `None` for other bytes.
#[inline]
pub fn computed_code(first: u8, separator: u8, second: u8) -> Option<GtCode> {
    let allele = |byte: u8| match byte {
        b'0'..=b'9' => Some(u16::from(byte - b'0')),
        b'.' => Some(10),
        _ => None,
    };
    let phased = match separator {
        b'/' => 0,
        b'|' => 1,
        _ => return None,
    };
    Some((allele(first)? * 11 + allele(second)?) * 2 + phased)
}

impl GtTable {
    /// With the computed codes.
    pub fn new() -> Self {
        let alleles = *b"0123456789.";
        let mut genotypes = Vec::with_capacity(N_COMPUTED + 1);
        for first in alleles {
            for second in alleles {
                for separator in *b"/|" {
                    let text = [first, separator, second];
                    genotypes.push(Genotype::parse(&text).expect("a computed genotype is well formed"));
                }
            }
        }
        genotypes.push(Genotype { text: Box::default(), alleles: vec![], separators: vec![], max_allele: UNKNOWN });
        GtTable {
            genotypes,
            interned: HashMap::new(),
            calls: Vec::new(),
            row_texts: Vec::new(),
            row_text_index: HashMap::new(),
        }
    }

    /// Forgets interned genotypes when there are very many. Codes handed out before are void: call between records.
    pub fn trim(&mut self) {
        if self.genotypes.len() > MAX_INTERNED {
            self.genotypes.truncate(N_COMPUTED + 1);
            self.interned.clear();
            self.calls.clear();
        }
    }

    /// The code of a genotype text; `None` when it is not a genotype. An empty text is [`ABSENT`].
    #[inline]
    pub fn code(&mut self, text: &[u8]) -> Option<GtCode> {
        if let &[first, separator, second] = text
            && let Some(code) = computed_code(first, separator, second)
        {
            return Some(code);
        }
        self.intern(text)
    }

    #[cold]
    fn intern(&mut self, text: &[u8]) -> Option<GtCode> {
        if text.is_empty() {
            return Some(ABSENT);
        }
        if let Some(&code) = self.interned.get(text) {
            return Some(code);
        }
        let genotype = Genotype::parse(text)?;
        let code = GtCode::try_from(self.genotypes.len()).ok()?;
        self.genotypes.push(genotype);
        self.interned.insert(text.into(), code);
        Some(code)
    }

    /// What a code stands for.
    #[inline]
    pub fn genotype(&self, code: GtCode) -> &Genotype {
        &self.genotypes[usize::from(code)]
    }

    /// The genotype as seen from alternate allele `alt_index` (0: a record without alternate allele).
    #[inline]
    pub fn call(&mut self, code: GtCode, alt_index: u32) -> RowCall {
        let (row, column) = (alt_index as usize, usize::from(code));
        if let Some(Some(call)) = self.calls.get(row).and_then(|calls| calls.get(column)) {
            return *call;
        }
        self.make_call(code, alt_index)
    }

    #[cold]
    fn make_call(&mut self, code: GtCode, alt_index: u32) -> RowCall {
        let genotype = &self.genotypes[usize::from(code)];
        let wanted = if alt_index == 0 { i32::MAX } else { alt_index as i32 };
        let ploidy = genotype.alleles.len() as i32;
        let known = genotype.n_known() as i32;
        let copies = genotype.alleles.iter().filter(|&&allele| allele == wanted).count() as i32;
        let class = match (known, ploidy, copies) {
            (0, _, _) => CallClass::Missing,
            (known, ploidy, _) if known < ploidy => CallClass::Partial,
            (_, 1, 0) => CallClass::HemiRef,
            (_, 1, _) => CallClass::HemiAlt,
            (_, _, 0) => CallClass::HomRef,
            (_, ploidy, copies) if copies == ploidy => CallClass::HomAlt,
            _ => CallClass::Het,
        };
        let plain_reference = genotype.is_plain_reference();
        let text = (ploidy > 0).then(|| genotype.seen_from(wanted));
        let text = text.map(|text| self.intern_row_text(text));
        let call = RowCall { text, copies, known, ploidy, class, plain_reference };
        let (row, column) = (alt_index as usize, usize::from(code));
        if self.calls.len() <= row {
            self.calls.resize(row + 1, Vec::new());
        }
        if self.calls[row].len() <= column {
            self.calls[row].resize(column + 1, None);
        }
        self.calls[row][column] = Some(call);
        call
    }

    fn intern_row_text(&mut self, text: String) -> u32 {
        if let Some(&index) = self.row_text_index.get(&text) {
            return index;
        }
        let index = self.row_texts.len() as u32;
        self.row_texts.push(text.clone());
        self.row_text_index.insert(text, index);
        index
    }

    /// Whether one more row could have more texts than `most`: each code adds one at most.
    pub fn may_exceed(&self, most: usize) -> bool {
        self.row_texts.len() + self.genotypes.len() > most
    }

    /// Forgets the texts of rows. [`RowCall`]s handed out before are void.
    pub fn forget_row_texts(&mut self) {
        self.calls.clear();
        self.row_texts.clear();
        self.row_text_index.clear();
    }

    /// Texts of the column `gt`, by [`RowCall::text`].
    pub fn row_texts(&self) -> &[String] {
        &self.row_texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_codes_agree_with_the_parser() {
        let mut table = GtTable::new();
        for first in *b"0123456789." {
            for second in *b"0123456789." {
                for separator in *b"/|" {
                    let text = [first, separator, second];
                    let code = table.code(&text).expect("a genotype");
                    assert_eq!(&*table.genotype(code).text, &text);
                    assert_eq!(Genotype::parse(&text).as_ref(), Some(table.genotype(code)));
                }
            }
        }
        assert_eq!(table.code(b"0/0"), Some(HOM_REF_UNPHASED));
        assert_eq!(table.code(b"0|0"), Some(HOM_REF_PHASED));
    }

    #[test]
    fn a_call_is_seen_from_its_allele() {
        let mut table = GtTable::new();
        let code = table.code(b"2|10/.").expect("a genotype");
        let call = table.call(code, 10);
        assert_eq!(table.row_texts()[call.text.expect("text") as usize], "2|1/.");
        assert_eq!((call.copies, call.known, call.ploidy, call.dosage()), (1, 2, 3, None));
        for text in [&b"0/1"[..], b"1|1", b"2/1/1", b"./1", b"3", b"."] {
            let code = table.code(text).expect("a genotype");
            for alt_index in 0..3 {
                let call = table.call(code, alt_index);
                let row_text = &table.row_texts()[call.text.expect("text") as usize];
                assert_eq!(dosage_of_text(row_text), call.dosage(), "{row_text}");
            }
        }
        assert_eq!(call.class, CallClass::Partial);
        let code = table.code(b"1").expect("a genotype");
        assert_eq!(table.call(code, 1).class, CallClass::HemiAlt);
        let code = table.code(b"/1|1").expect("a genotype with the prefix of VCF 4.4");
        let call = table.call(code, 1);
        assert_eq!(table.row_texts()[call.text.expect("text") as usize], "/1|1");
        assert_eq!(call.class, CallClass::HomAlt);
    }

    #[test]
    fn what_is_not_a_genotype() {
        let mut table = GtTable::new();
        for text in [&b"0/"[..], b"a/b", b"0//1", b"-1", b"0/1/", b"99999999999"] {
            assert_eq!(table.code(text), None, "{}", String::from_utf8_lossy(text));
        }
    }
}
