//! Calls of consecutive variants, sparse: only those that are not plain reference are listed.

/// The call of one sample at one variant, seen from its allele: other alternate alleles of the site count as reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Call {
    /// Diploid, no copy.
    HomRef = 0,
    /// Diploid, one copy.
    Het = 1,
    /// Diploid, two copies.
    HomAlt = 2,
    /// No call, a call with an unknown copy (`./1`), or one of three copies and more, which the analyses do not know.
    Missing = 3,
    /// Haploid, no copy.
    HemiRef = 4,
    /// Haploid, one copy.
    HemiAlt = 5,
}

impl Call {
    /// What a `gt` text of `genotypes` means; null is a record without GT.
    pub fn of_text(gt: Option<&str>) -> Call {
        let Some(gt) = gt else { return Call::Missing };
        let alleles = || gt.split(['/', '|']);
        if alleles().any(|allele| allele == ".") {
            return Call::Missing;
        }
        let copies = alleles().filter(|&allele| allele == "1").count();
        match (alleles().count(), copies) {
            (1, 0) => Call::HemiRef,
            (1, _) => Call::HemiAlt,
            (2, 0) => Call::HomRef,
            (2, 1) => Call::Het,
            (2, _) => Call::HomAlt,
            _ => Call::Missing,
        }
    }

    /// Copies of the allele; `None` when missing.
    pub fn copies(self) -> Option<u8> {
        match self {
            Call::HomRef | Call::HemiRef => Some(0),
            Call::Het | Call::HemiAlt => Some(1),
            Call::HomAlt => Some(2),
            Call::Missing => None,
        }
    }
}

/// Calls of a variant by kind, over the selected samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Diploid without a copy.
    pub n_hom_ref: u64,
    /// Diploid with one copy.
    pub n_het: u64,
    /// Diploid with two copies.
    pub n_hom_alt: u64,
    /// Haploid without a copy.
    pub n_hemi_ref: u64,
    /// Haploid with a copy.
    pub n_hemi_alt: u64,
    /// Without a complete call.
    pub n_missing: u64,
}

impl Counts {
    /// Copies of the allele in complete calls.
    pub fn ac(&self) -> u64 {
        self.n_het + 2 * self.n_hom_alt + self.n_hemi_alt
    }

    /// Alleles in complete calls.
    pub fn an(&self) -> u64 {
        2 * (self.n_hom_ref + self.n_het + self.n_hom_alt) + self.n_hemi_ref + self.n_hemi_alt
    }

    /// Frequency of the allele; `None` without a call.
    pub fn af(&self) -> Option<f64> {
        (self.an() > 0).then(|| self.ac() as f64 / self.an() as f64)
    }

    /// Frequency of the rarer of allele and the rest; `None` without a call.
    pub fn maf(&self) -> Option<f64> {
        self.af().map(|af| af.min(1.0 - af))
    }

    /// Samples with a complete call.
    pub fn n_called(&self) -> u64 {
        self.n_hom_ref + self.n_het + self.n_hom_alt + self.n_hemi_ref + self.n_hemi_alt
    }

    /// Counts one call more, or with `n` of `-1` wrapped one less.
    pub fn add(&mut self, call: Call, n: u64) {
        let field = match call {
            Call::HomRef => &mut self.n_hom_ref,
            Call::Het => &mut self.n_het,
            Call::HomAlt => &mut self.n_hom_alt,
            Call::Missing => &mut self.n_missing,
            Call::HemiRef => &mut self.n_hemi_ref,
            Call::HemiAlt => &mut self.n_hemi_alt,
        };
        *field += n;
    }
}

/// What a sample that is not listed has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// [`Call::HomRef`]
    HomRef,
    /// [`Call::HemiRef`]
    HemiRef,
    /// Men [`Call::HemiRef`], others [`Call::HomRef`]: the variant has reference calls of both kinds.
    BySex,
}

/// One row of `variants`.
#[derive(Clone, Debug, PartialEq)]
pub struct Site {
    /// Its identifier.
    pub variant_id: i64,
    /// Index in the manifest's contigs.
    pub contig: u32,
    /// 1-based.
    pub pos: i32,
    /// ID column; `None` for `.`.
    pub id: Option<Box<str>>,
    /// REF after normalisation.
    pub ref_allele: Box<str>,
    /// The alternate allele.
    pub alt_allele: Box<str>,
    /// Number of ALT of the record that it came from.
    pub n_alts: i32,
    /// Calls of the selected samples.
    pub counts: Counts,
    /// What the selected samples that are not listed have.
    pub unlisted: Unlisted,
}

/// Variants with their calls. Samples are positions in the selection, `0..n_samples`.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// The variants, in the order of the table.
    pub sites: Vec<Site>,
    /// Number of selected samples.
    pub n_samples: usize,
    /// Start of each variant's calls, and the end of the last.
    starts: Vec<usize>,
    samples: Vec<u32>,
    calls: Vec<Call>,
}

impl Block {
    /// An empty block.
    pub fn new(n_samples: usize) -> Block {
        Block { n_samples, starts: vec![0], ..Block::default() }
    }

    /// Number of variants.
    pub fn len(&self) -> usize {
        self.sites.len()
    }

    /// Whether there is no variant.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// The listed calls of a variant: samples, ascending, and their calls.
    pub fn listed(&self, variant: usize) -> (&[u32], &[Call]) {
        let range = self.starts[variant]..self.starts[variant + 1];
        (&self.samples[range.clone()], &self.calls[range])
    }

    /// Lists the call of a sample at the variant that [`Block::end_variant`] will name.
    pub fn push_call(&mut self, sample: u32, call: Call) {
        self.samples.push(sample);
        self.calls.push(call);
    }

    /// The calls that were listed since the last variant.
    pub fn open_calls(&self) -> (&[u32], &[Call]) {
        let start = self.starts[self.sites.len()];
        (&self.samples[start..], &self.calls[start..])
    }

    /// The listed calls belong to `site`.
    pub fn end_variant(&mut self, site: Site) {
        self.sites.push(site);
        self.starts.push(self.calls.len());
    }

    /// Forgets the calls that were listed since the last variant.
    pub fn drop_variant(&mut self) {
        let start = self.starts[self.sites.len()];
        self.samples.truncate(start);
        self.calls.truncate(start);
    }

    /// Copies of the allele of every sample into `copies` (`[n_samples]`), `missing` where there is no call.
    pub fn copies_into(&self, variant: usize, missing: f64, copies: &mut [f64]) {
        copies.fill(0.0);
        let (samples, calls) = self.listed(variant);
        for (&sample, call) in samples.iter().zip(calls) {
            copies[sample as usize] = call.copies().map_or(missing, f64::from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_as_calls() {
        let call = |text| Call::of_text(Some(text));
        assert_eq!([call("0/1"), call("1|0"), call("1/2"), call("2|1")], [Call::Het; 4]);
        assert_eq!([call("0/0"), call("0/2"), call("2|2")], [Call::HomRef; 3]);
        assert_eq!([call("./1"), call("."), call("./."), call("0/0/1"), Call::of_text(None)], [Call::Missing; 5]);
        assert_eq!(
            (call("1|1"), call("1"), call("2"), call("0")),
            (Call::HomAlt, Call::HemiAlt, Call::HemiRef, Call::HemiRef)
        );
    }

    #[test]
    fn counts_of_calls() {
        let mut counts = Counts::default();
        for call in [Call::HomRef, Call::Het, Call::HomAlt, Call::Missing, Call::HemiAlt, Call::HemiRef] {
            counts.add(call, 1);
        }
        assert_eq!((counts.ac(), counts.an(), counts.n_called(), counts.n_missing), (4, 8, 5, 1));
        assert_eq!(counts.af(), Some(0.5));
        assert_eq!(Counts::default().maf(), None);
    }

    #[test]
    fn a_block_lists_calls_by_variant() {
        let site = |id| Site {
            variant_id: id,
            contig: 0,
            pos: 1,
            id: None,
            ref_allele: "A".into(),
            alt_allele: "C".into(),
            n_alts: 1,
            counts: Counts::default(),
            unlisted: Unlisted::HomRef,
        };
        let mut block = Block::new(3);
        block.push_call(1, Call::Het);
        block.end_variant(site(1));
        block.push_call(0, Call::HomAlt);
        block.drop_variant();
        block.end_variant(site(2));
        block.push_call(2, Call::Missing);
        block.end_variant(site(3));
        assert_eq!(block.listed(0), (&[1][..], &[Call::Het][..]));
        assert!(block.listed(1).0.is_empty());
        let mut copies = [9.0; 3];
        block.copies_into(2, -1.0, &mut copies);
        assert_eq!(copies, [0.0, 0.0, -1.0]);
    }
}
