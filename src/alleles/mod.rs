//! Trimming, left-alignment and classification of alleles: pure functions of alleles and reference bases.
//!
//! Tan, Abecasis, Kang 2015, Bioinformatics 31:2202, doi:10.1093/bioinformatics/btv112, with bounded shifts so that the
//! result of a record never depends on more than [`MAX_SHIFT_BP`] of its surroundings.

use crate::error::Result;
use std::io::Write;

/// The furthest an allele moves from its record's POS, left or right, in base pairs. Beyond it the allele is kept as written.
pub const MAX_SHIFT_BP: i32 = 1000;

/// Bases of one contig.
pub trait ReferenceBases {
    /// The base (upper case) at a 1-based position; `None` outside of the contig. Fails where it cannot be read.
    fn base(&self, vcf_pos: i32) -> Result<Option<u8>>;
}

/// What kind of change an alternate allele is; the column `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of docs/formats.md")]
pub enum AlleleType {
    Snv,
    Ins,
    Del,
    Mnv,
    Symbolic,
    Breakend,
    Other,
}

impl AlleleType {
    /// Text of the column `type`.
    pub const fn name(self) -> &'static str {
        match self {
            AlleleType::Snv => "snv",
            AlleleType::Ins => "ins",
            AlleleType::Del => "del",
            AlleleType::Mnv => "mnv",
            AlleleType::Symbolic => "symbolic",
            AlleleType::Breakend => "breakend",
            AlleleType::Other => "other",
        }
    }
}

/// Whether an allele is written in bases only (IUPAC codes included).
pub fn is_bases(allele: &[u8]) -> bool {
    !allele.is_empty() && allele.iter().all(u8::is_ascii_alphabetic)
}

/// Kind of a (normalised) allele.
pub fn classify(ref_allele: &[u8], alt_allele: &[u8]) -> AlleleType {
    if alt_allele.first() == Some(&b'<') {
        AlleleType::Symbolic
    } else if alt_allele.iter().any(|byte| matches!(byte, b'[' | b']')) {
        AlleleType::Breakend
    } else if is_bases(alt_allele) && is_bases(ref_allele) {
        match ref_allele.len().cmp(&alt_allele.len()) {
            _ if ref_allele == alt_allele => AlleleType::Other,
            std::cmp::Ordering::Equal if ref_allele.len() == 1 => AlleleType::Snv,
            std::cmp::Ordering::Equal => AlleleType::Mnv,
            std::cmp::Ordering::Less => AlleleType::Ins,
            std::cmp::Ordering::Greater => AlleleType::Del,
        }
    } else if alt_allele.len() > 1
        && (alt_allele[0] == b'.' || alt_allele[alt_allele.len() - 1] == b'.')
        && (is_bases(&alt_allele[1..]) || is_bases(&alt_allele[..alt_allele.len() - 1]))
    {
        AlleleType::Breakend // a single breakend, VCF 4.3 section 5.4.9
    } else {
        AlleleType::Other
    }
}

/// One alternate allele after normalisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalised {
    /// 1-based position of the first base of `ref_allele`.
    pub vcf_pos: i32,
    /// REF, at least one base.
    pub ref_allele: Vec<u8>,
    /// ALT.
    pub alt_allele: Vec<u8>,
    /// The shift reached [`MAX_SHIFT_BP`]; the allele is as written.
    pub capped: bool,
}

/// Trims an allele to its minimal form and, given the reference, left-aligns it. Fails where the reference cannot be read.
///
/// Alleles that are not plain bases (symbolic, `*`, breakends, none) are kept as written. Bases are compared without
/// regard to case. O(length + shift).
pub fn normalise(
    vcf_pos: i32,
    ref_allele: &[u8],
    alt_allele: &[u8],
    reference: Option<&dyn ReferenceBases>,
) -> Result<Normalised> {
    by_bases(vcf_pos, ref_allele, alt_allele, |vcf_pos| reference.map_or(Ok(None), |bases| bases.base(vcf_pos)))
}

/// [`normalise`] without a reference.
pub fn trim(vcf_pos: i32, ref_allele: &[u8], alt_allele: &[u8]) -> Normalised {
    let Ok(found) = by_bases(vcf_pos, ref_allele, alt_allele, |_| Ok::<_, std::convert::Infallible>(None));
    found
}

/// [`normalise`] with a function that gives the base at a position.
fn by_bases<E>(
    vcf_pos: i32,
    ref_allele: &[u8],
    alt_allele: &[u8],
    base: impl Fn(i32) -> std::result::Result<Option<u8>, E>,
) -> std::result::Result<Normalised, E> {
    let as_written =
        |capped| Normalised { vcf_pos, ref_allele: ref_allele.to_vec(), alt_allele: alt_allele.to_vec(), capped };
    if !is_bases(ref_allele) || !is_bases(alt_allele) || ref_allele.eq_ignore_ascii_case(alt_allele) {
        return Ok(as_written(false));
    }
    if ref_allele.len() == 1 && alt_allele.len() == 1 {
        return Ok(as_written(false));
    }
    let mut found =
        Normalised { vcf_pos, ref_allele: ref_allele.to_vec(), alt_allele: alt_allele.to_vec(), capped: false };
    if !shift_left(&mut found, vcf_pos, base)? {
        return Ok(as_written(true));
    }
    trim_left(&mut found);
    if (found.vcf_pos - vcf_pos).abs() > MAX_SHIFT_BP {
        return Ok(as_written(true));
    }
    Ok(found)
}

/// Removes equal last bases; at the end of an allele goes on with the reference base before it. False: bound reached.
fn shift_left<E>(
    found: &mut Normalised,
    written_pos: i32,
    base: impl Fn(i32) -> std::result::Result<Option<u8>, E>,
) -> std::result::Result<bool, E> {
    loop {
        let (ref_allele, alt_allele) = (&mut found.ref_allele, &mut found.alt_allele);
        let ends_equal = match (ref_allele.last(), alt_allele.last()) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            _ => false,
        };
        if !ends_equal {
            return Ok(true);
        }
        if ref_allele.len() > 1 && alt_allele.len() > 1 {
            ref_allele.pop();
            alt_allele.pop();
            continue;
        }
        let Some(before) = base(found.vcf_pos - 1)? else {
            return Ok(true);
        };
        if written_pos - (found.vcf_pos - 1) > MAX_SHIFT_BP {
            return Ok(false);
        }
        ref_allele.pop();
        alt_allele.pop();
        ref_allele.insert(0, before);
        alt_allele.insert(0, before);
        found.vcf_pos -= 1;
    }
}

/// Removes equal first bases while both alleles keep one.
fn trim_left(found: &mut Normalised) {
    let longest = found.ref_allele.len().min(found.alt_allele.len()) - 1;
    let equal =
        found.ref_allele.iter().zip(&found.alt_allele).take(longest).take_while(|(a, b)| a.eq_ignore_ascii_case(b));
    let equal = equal.count();
    found.ref_allele.drain(..equal);
    found.alt_allele.drain(..equal);
    found.vcf_pos += equal as i32;
}

/// What left-alignment makes of the alternate alleles of a record where it is not what trimming alone gives: per ALT
/// `POS:REF:ALT`, `.` where it is the same; `POS:REF:ALT:capped` where the shift reached its bound. Empty when all are `.`.
pub fn aligned_text(vcf_pos: i32, ref_allele: &[u8], alt: &[u8], reference: &dyn ReferenceBases) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut differs = false;
    for (i, alt) in alt.split(|&byte| byte == b',').enumerate() {
        if i > 0 {
            text.push(b',');
        }
        // bases one for one, or no bases at all: nothing moves
        if !is_bases(alt) || (ref_allele.len() == 1 && alt.len() == 1) {
            text.push(b'.');
            continue;
        }
        let trimmed = trim(vcf_pos, ref_allele, alt);
        let found = normalise(vcf_pos, ref_allele, alt, Some(reference))?;
        if found == trimmed {
            text.push(b'.');
            continue;
        }
        differs = true;
        let _ = write!(text, "{}:", found.vcf_pos);
        text.extend_from_slice(&found.ref_allele);
        text.push(b':');
        text.extend_from_slice(&found.alt_allele);
        if found.capped {
            text.extend_from_slice(b":capped");
        }
    }
    Ok(if differs { text } else { Vec::new() })
}

/// One entry of [`aligned_text`].
pub fn parse_aligned(text: &[u8]) -> Option<Normalised> {
    let mut fields = text.split(|&byte| byte == b':');
    let vcf_pos = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let (ref_allele, alt_allele) = (fields.next()?.to_vec(), fields.next()?.to_vec());
    Some(Normalised { vcf_pos, ref_allele, alt_allele, capped: fields.next().is_some() })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bases(&'static [u8]);
    impl ReferenceBases for Bases {
        fn base(&self, vcf_pos: i32) -> Result<Option<u8>> {
            Ok(usize::try_from(vcf_pos - 1).ok().and_then(|at| self.0.get(at)).copied())
        }
    }

    fn at(pos: i32, r: &str, a: &str, reference: Option<&dyn ReferenceBases>) -> (i32, String, String) {
        let found = normalise(pos, r.as_bytes(), a.as_bytes(), reference).expect("bases");
        (found.vcf_pos, String::from_utf8(found.ref_allele).unwrap(), String::from_utf8(found.alt_allele).unwrap())
    }

    #[test]
    fn trims_without_a_reference() {
        assert_eq!(at(10, "CAC", "CAT", None), (12, "C".into(), "T".into()));
        assert_eq!(at(10, "ACG", "AG", None), (10, "AC".into(), "A".into()));
        assert_eq!(at(10, "GCACA", "GCA", None), (10, "GCA".into(), "G".into()));
        assert_eq!(at(10, "A", "<DEL>", None), (10, "A".into(), "<DEL>".into()));
        assert_eq!(at(10, "AT", "*", None), (10, "AT".into(), "*".into()));
    }

    #[test]
    fn left_aligns_in_a_repeat() {
        //             123456789012
        let bases = Bases(b"GGGCACACACTT");
        assert_eq!(at(8, "CAC", "C", Some(&bases)), (3, "GCA".into(), "G".into()));
        assert_eq!(at(9, "A", "ACA", Some(&bases)), (3, "G".into(), "GCA".into()));
        assert_eq!(at(11, "TT", "T", Some(&bases)), (10, "CT".into(), "C".into()));
    }

    #[test]
    fn stops_at_the_contig_start_and_at_the_bound() {
        assert_eq!(at(3, "AA", "A", Some(&Bases(b"AAAAC"))), (1, "AA".into(), "A".into()));
        struct AllA;
        impl ReferenceBases for AllA {
            fn base(&self, _: i32) -> Result<Option<u8>> {
                Ok(Some(b'A'))
            }
        }
        let found = normalise(5000, b"AA", b"A", Some(&AllA)).expect("bases");
        assert!(found.capped && found.vcf_pos == 5000);
    }

    #[test]
    fn kinds() {
        let kind = |r: &str, a: &str| classify(r.as_bytes(), a.as_bytes()).name();
        assert_eq!(kind("A", "G"), "snv");
        assert_eq!(kind("A", "GT"), "ins");
        assert_eq!(kind("AC", "A"), "del");
        assert_eq!(kind("AC", "GT"), "mnv");
        assert_eq!(kind("A", "<DUP>"), "symbolic");
        assert_eq!(kind("A", "A[chr2:3["), "breakend");
        assert_eq!(kind("A", ".TC"), "breakend");
        assert_eq!(kind("A", "*"), "other");
        assert_eq!(kind("A", "."), "other");
    }
}
