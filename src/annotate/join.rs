//! Finds the alleles of the dataset that a row of a source is about. Rows come in the order of position.

use super::contigs::ContigLookup;
use super::targets::{Chunk, Cursor, Targets};
use crate::alleles::{MAX_SHIFT_BP, ReferenceBases, is_bases, normalise};
use crate::decode::fasta::Sequence;
use crate::error::{Error, Result};
use crate::input::reference::Reference;

/// What all sources of a run have in common.
pub struct Setup<'a> {
    /// The alleles of the dataset.
    pub targets: &'a Targets<'a>,
    /// Names of contigs.
    pub contigs: &'a ContigLookup,
    /// For left-alignment.
    pub reference: Option<&'a Reference>,
    /// Set rows aside that are wrong, in place of ending.
    pub skip_bad: bool,
}

/// The allele or alleles of a row, as written.
#[derive(Clone, Copy, Debug)]
pub struct Key<'l> {
    /// Name of the contig.
    pub contig: &'l [u8],
    /// 1-based.
    pub vcf_pos: i32,
    /// REF
    pub ref_allele: &'l [u8],
    /// ALT, with commas between alleles.
    pub alt: &'l [u8],
}

/// One row of the dataset that a row of the source is about.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// Which ALT of the row, from 1.
    pub alt_index: u32,
    chunk: usize,
    row: usize,
}

/// A contig in the rows of a piece: its name, first and last position.
#[derive(Clone, Debug)]
pub struct Run {
    /// Name in the source.
    pub contig: Vec<u8>,
    /// First position.
    pub first: i32,
    /// Last position.
    pub last: i32,
}

/// Where the rows of a piece went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows read.
    pub read: u64,
    /// Rows with an allele of the dataset.
    pub matched: u64,
    /// Rows on contigs that the dataset does not have.
    pub other_contigs: u64,
    /// Rows set aside.
    pub rejected: u64,
}

impl Tally {
    /// Adds another piece.
    pub fn add(&mut self, other: &Tally) {
        self.read += other.read;
        self.matched += other.matched;
        self.other_contigs += other.other_contigs;
        self.rejected += other.rejected;
    }

    /// Rows without an allele of the dataset.
    pub fn unmatched(&self) -> u64 {
        self.read - self.matched - self.other_contigs - self.rejected
    }
}

/// The rows of a piece of a source against the dataset.
pub struct Joiner<'a> {
    setup: &'a Setup<'a>,
    /// Index of the present contig, where the dataset has it.
    contig: Option<u32>,
    cursor: Option<Cursor<'a>>,
    sequence: Option<Sequence<'a>>,
    /// Contigs so far.
    pub runs: Vec<Run>,
    /// Rows so far.
    pub tally: Tally,
    hits: Vec<Hit>,
    n_alts: u32,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is about this many rows of the dataset.
    Hits(usize),
    /// It comes before a row that it should come after.
    Unsorted,
}

impl<'a> Joiner<'a> {
    /// Before the first row.
    pub fn new(setup: &'a Setup<'a>) -> Joiner<'a> {
        let (runs, hits) = (Vec::new(), Vec::new());
        Joiner { setup, contig: None, cursor: None, sequence: None, runs, tally: Tally::default(), hits, n_alts: 0 }
    }

    /// Index of the present contig, where the dataset has it.
    pub fn contig(&self) -> Option<u32> {
        self.contig
    }

    /// Position of the last row.
    pub fn last_pos(&self) -> i32 {
        self.runs.last().map_or(0, |run| run.last)
    }

    /// Whether the row is on the contig of the row before.
    pub fn is_same_contig(&self, contig: &[u8]) -> bool {
        self.runs.last().is_some_and(|run| run.contig == contig)
    }

    /// Looks a row up.
    #[inline]
    pub fn find(&mut self, key: Key) -> Result<Found> {
        self.hits.clear();
        if !self.enter(key)? {
            return Ok(Found::Unsorted);
        }
        self.tally.read += 1;
        let Some(cursor) = &mut self.cursor else {
            self.tally.other_contigs += u64::from(self.contig.is_none());
            return Ok(Found::Hits(0));
        };
        let shift = if self.sequence.is_some() { MAX_SHIFT_BP } else { 0 };
        // a row at the same position may be one that moves: what it can reach stays
        let low = key.vcf_pos.saturating_sub(shift);
        let is_simple = key.ref_allele.len() == 1 && key.alt.len() == 1;
        let high = if is_simple {
            key.vcf_pos
        } else {
            key.vcf_pos.saturating_add((key.ref_allele.len() as i32).min(MAX_SHIFT_BP + 1) - 1)
        };
        cursor.reach(low, high)?;
        if !cursor.has_any(if is_simple { key.vcf_pos } else { low }, high) {
            return Ok(Found::Hits(0));
        }
        self.find_alleles(key)?;
        self.tally.matched += u64::from(!self.hits.is_empty());
        Ok(Found::Hits(self.hits.len()))
    }

    fn find_alleles(&mut self, key: Key) -> Result<()> {
        let Some(cursor) = &self.cursor else { return Ok(()) };
        let reference = self.sequence.as_ref().map(|sequence| sequence as &dyn ReferenceBases);
        let hits = &mut self.hits;
        self.n_alts = 0;
        if key.alt == b"." {
            cursor.find(key.vcf_pos, key.ref_allele, key.alt, |chunk, row| hits.push(Hit { alt_index: 0, chunk, row }));
            return Ok(());
        }
        for alt in key.alt.split(|&byte| byte == b',') {
            self.n_alts += 1;
            let alt_index = self.n_alts;
            let found = |chunk, row| hits.push(Hit { alt_index, chunk, row });
            if key.ref_allele.len() == 1 && alt.len() == 1 {
                cursor.find(key.vcf_pos, key.ref_allele, alt, found);
            } else {
                let allele = normalise(key.vcf_pos, key.ref_allele, alt, reference)?;
                cursor.find(allele.vcf_pos, &allele.ref_allele, &allele.alt_allele, found);
            }
        }
        Ok(())
    }

    /// Takes the contig and position of a row; false: it is not in order.
    #[inline]
    fn enter(&mut self, key: Key) -> Result<bool> {
        if let Some(run) = self.runs.last_mut()
            && run.contig == key.contig
        {
            let in_order = key.vcf_pos >= run.last;
            run.last = key.vcf_pos;
            return Ok(in_order);
        }
        if self.runs.iter().any(|run| run.contig == key.contig) {
            return Ok(false);
        }
        self.runs.push(Run { contig: key.contig.to_vec(), first: key.vcf_pos, last: key.vcf_pos });
        self.contig = self.setup.contigs.index_of(key.contig);
        (self.cursor, self.sequence) = (None, None);
        if let Some(index) = self.contig {
            let targets = self.setup.targets;
            self.cursor = Some(targets.cursor(index)?);
            let name = targets.contig(index);
            self.sequence =
                self.setup.reference.and_then(|reference| reference.index().sequence(reference.stored(), name));
        }
        Ok(true)
    }

    /// The rows of the dataset that the last row is about.
    pub fn hits(&self) -> &[Hit] {
        &self.hits
    }

    /// Number of ALT of the last row that has hits.
    pub fn n_alts(&self) -> u32 {
        self.n_alts
    }

    /// Where a hit is.
    pub fn target(&self, hit: Hit) -> Option<(&Chunk, usize)> {
        self.cursor.as_ref().map(|cursor| (cursor.chunk(hit.chunk), hit.row))
    }
}

/// REF must be bases: other notations of indels cannot be told apart.
pub fn check_ref(ref_allele: &[u8]) -> Result<()> {
    if is_bases(ref_allele) {
        return Ok(());
    }
    let found = String::from_utf8_lossy(ref_allele);
    Err(Error::bad_data(format!("REF is {found:?}, expected one base or more, as VCF writes alleles"))
        .hint("`-` for indels needs the base before them (`bcftools convert --tsv2vcf` adds it)"))
}
