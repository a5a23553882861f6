//! The plain reference calls that a dataset of carriers leaves out: how many copies they have, and how they are written.

use super::Dataset;
use super::stream::{FileStream, Select};
use crate::error::Result;

/// What is known of the plain reference calls that a dataset of carriers leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainReference {
    /// Copies per call.
    pub ploidy: usize,
    /// Written with `|`.
    pub phased: bool,
}

/// Counts of one allele row that tell the ploidy of its plain reference calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Samples of the dataset.
    pub n_samples: i64,
    /// Known copies.
    pub an: i64,
    /// Haploid calls without this allele.
    pub n_hemi_ref: i64,
}

/// Calls of two or more known copies, by phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseCounts {
    n_phased: u64,
    n_unphased: u64,
}

impl PhaseCounts {
    /// Counts a call.
    pub fn add(&mut self, call: &str) {
        let bytes = call.as_bytes();
        if bytes.len() < 3 || bytes.contains(&b'.') {
            return;
        }
        let unphased = bytes.contains(&b'/');
        self.n_unphased += u64::from(unphased);
        self.n_phased += u64::from(!unphased);
    }

    /// Whether all are phased; `None` without such a call.
    pub fn all_phased(self) -> Option<bool> {
        (self.n_phased + self.n_unphased > 0).then_some(self.n_unphased == 0)
    }
}

impl PlainReference {
    /// Infers ploidy and phase of the calls that are not among `calls` (the texts of one allele row): all haploid, or all
    /// of one higher ploidy, where the counts of the row say so, else diploid. Phased when every complete call of two
    /// or more copies is, and as `phased` says without such a call.
    pub fn infer<'a>(calls: impl Iterator<Item = Option<&'a str>>, counts: RowCounts, phased: bool) -> PlainReference {
        let (mut n_rows, mut known_copies, mut hemi_ref) = (0, 0, 0);
        let mut phases = PhaseCounts::default();
        for call in calls {
            n_rows += 1;
            let bytes = call.unwrap_or(".").as_bytes();
            let n_copies = bytes.iter().filter(|&&byte| !is_separator(byte)).count();
            let n_known = bytes.iter().filter(|&&byte| byte != b'.' && !is_separator(byte)).count();
            known_copies += n_known as i64;
            hemi_ref += i64::from(n_copies == 1 && n_known == 1 && !bytes.contains(&b'1'));
            phases.add(call.unwrap_or("."));
        }
        let n_plain = counts.n_samples - n_rows;
        let plain_copies = counts.an - known_copies;
        let plain_hemi = counts.n_hemi_ref - hemi_ref;
        let ploidy = match n_plain {
            n if n > 0 && plain_hemi == n => 1,
            n if n > 0 && plain_hemi == 0 && plain_copies % n == 0 => (plain_copies / n).max(2) as usize,
            _ => 2,
        };
        PlainReference { ploidy, phased: phases.all_phased().unwrap_or(phased) }
    }

    /// The text, `0/0` for diploid unphased.
    pub fn text(self) -> Vec<u8> {
        let mut text = b"0".to_vec();
        for _ in 1..self.ploidy {
            text.extend_from_slice(if self.phased { b"|0" } else { b"/0" });
        }
        text
    }
}

/// Whether the calls at the begin of a dataset of carriers are all phased: stands for variants without a call that tells.
pub fn begins_phased(dataset: &Dataset) -> Result<bool> {
    let mut phases = PhaseCounts::default();
    if dataset.has_all_calls() {
        return Ok(false);
    }
    for file in dataset.files("genotypes") {
        let mut stream = FileStream::open(&dataset.full_path(file)?, &Select::columns(&["gt"]))?;
        if let Some(batch) = stream.next().transpose()? {
            batch.texts("gt")?.iter().flatten().for_each(|call| phases.add(call));
        }
        if phases.all_phased().is_some() {
            break;
        }
    }
    Ok(phases.all_phased().unwrap_or(false))
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'|')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ploidy_and_phase_of_calls_left_out() {
        let infer = |calls: &[&str], n_samples, an, n_hemi_ref| {
            let calls = calls.iter().map(|&call| Some(call));
            PlainReference::infer(calls, RowCounts { n_samples, an, n_hemi_ref }, false).text()
        };
        assert_eq!(infer(&["0/1"], 10, 20, 0), b"0/0");
        assert_eq!(infer(&["0|1", "./."], 10, 18, 0), b"0|0");
        assert_eq!(infer(&["1", "2"], 10, 10, 9), b"0");
        assert_eq!(infer(&["0/0/0/1"], 10, 40, 0), b"0/0/0/0");
        assert_eq!(infer(&["0/1"], 10, 15, 5), b"0/0");
        assert_eq!(infer(&[], 0, 0, 0), b"0/0");
        let none = std::iter::empty::<Option<&str>>();
        let counts = RowCounts { n_samples: 2, an: 4, n_hemi_ref: 0 };
        assert_eq!(PlainReference::infer(none, counts, true).text(), b"0|0");
    }
}
