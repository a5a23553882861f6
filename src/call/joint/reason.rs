//! Why a call is missing, and which rule made a call.

/// Why a sample has no call at a site. M, I, D, L and O mean what they mean in GLnexus' RNC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No record and no block of the sample covers the base.
    NoData,
    /// The caller of the sample made no call there.
    InputNoCall,
    /// Fewer reads than asked for.
    Depth,
    /// The likelihoods say nothing (all the same), or GQ is lower than asked for.
    Quality,
    /// The genotype names an allele that is not among the alleles of the site.
    LostAllele,
    /// Records of the sample that overlap say different things.
    Overlap,
    /// The sample's sex gives it no copy, or one copy where two different ones were called.
    Sex,
}

impl Reason {
    /// All of them, in the order of their columns.
    pub const ALL: [Reason; 7] = [
        Reason::NoData,
        Reason::InputNoCall,
        Reason::Depth,
        Reason::Quality,
        Reason::LostAllele,
        Reason::Overlap,
        Reason::Sex,
    ];

    /// Letter in the column `nocall`.
    pub const fn letter(self) -> char {
        match self {
            Reason::NoData => 'M',
            Reason::InputNoCall => 'I',
            Reason::Depth => 'D',
            Reason::Quality => 'G',
            Reason::LostAllele => 'L',
            Reason::Overlap => 'O',
            Reason::Sex => 'S',
        }
    }

    /// One sentence for `explain`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Reason::NoData => "no record and no reference block of the sample covers this base",
            Reason::InputNoCall => "the input itself makes no call here",
            Reason::Depth => "too few reads support the call",
            Reason::Quality => "the genotype likelihoods are all the same, or GQ is too low",
            Reason::LostAllele => "the sample's genotype names an allele that the site does not have",
            Reason::Overlap => "overlapping records of the sample contradict each other",
            Reason::Sex => "the sample's sex gives it no copy here, or one copy where the input has two different ones",
        }
    }
}

/// Which of the sample's evidence decided, in order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A record with an allele of the site, called.
    OwnRecord,
    /// Two records with alleles of the site, put together.
    CombinedRecords,
    /// A record that covers the base, without an allele of the site: its genotype is the reference there.
    ReferenceRecord,
    /// A deletion of the sample over the base.
    SpanningDeletion,
    /// A reference block.
    Block,
    /// A record that makes no call.
    NoCallRecord,
    /// Nothing.
    NoData,
}

impl Rule {
    /// One sentence for `explain`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Rule::OwnRecord => "a record of the sample has an allele of this site",
            Rule::CombinedRecords => "two records of the sample have alleles of this site and were put together",
            Rule::ReferenceRecord => "a record of the sample covers this base with the reference",
            Rule::SpanningDeletion => "a deletion of the sample spans this base",
            Rule::Block => "a reference block of the sample covers this base",
            Rule::NoCallRecord => "a record of the sample covers this base without a call",
            Rule::NoData => "the sample has neither a record nor a block here",
        }
    }
}
