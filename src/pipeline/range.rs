//! Which positions a shard owns, while its records go by in file order.

use crate::genome::Locus;

/// The owned range and how far reading has come in it. The order of contigs in a file need not be that of the header,
/// so the range is followed contig by contig.
#[derive(Debug)]
pub struct OwnRange {
    start: Option<Locus>,
    end: Option<Locus>,
    halo_bp: i32,
    seen_start: bool,
    seen_end: bool,
}

impl OwnRange {
    /// `[start, end)`; `None` is open. `halo_bp`: how far left a row may lie from its record's POS.
    pub fn new(start: Option<Locus>, end: Option<Locus>, halo_bp: i32) -> Self {
        OwnRange { start, end, halo_bp, seen_start: start.is_none(), seen_end: false }
    }

    /// Takes note of the next record; false when neither it nor any later one can have a row in the range.
    pub fn advance(&mut self, locus: Locus) -> bool {
        self.seen_start |= self.start.is_some_and(|start| start.contig == locus.contig);
        let Some(end) = self.end else { return true };
        if end.contig == locus.contig {
            self.seen_end = true;
            return locus.vcf_pos < end.vcf_pos.saturating_add(self.halo_bp);
        }
        !self.seen_end
    }

    /// Whether a line without a place (its CHROM or POS is damaged) is owned: it belongs with the record before it, which is
    /// the one noted last, or with the start of the file. So it is counted once however the file is cut.
    pub fn owns_line_behind(&self, last: Option<Locus>) -> bool {
        last.map_or(self.start.is_none(), |last| self.owns(last))
    }

    /// Whether a position on the contig of the record noted last is owned.
    pub fn owns(&self, locus: Locus) -> bool {
        let behind_start = match self.start {
            Some(start) if start.contig == locus.contig => locus.vcf_pos >= start.vcf_pos,
            _ => self.seen_start,
        };
        let before_end = match self.end {
            Some(end) if end.contig == locus.contig => locus.vcf_pos < end.vcf_pos,
            _ => !self.seen_end,
        };
        behind_start && before_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_over_contigs_in_any_order() {
        let at = |contig, vcf_pos| Locus { contig, vcf_pos };
        let mut range = OwnRange::new(Some(at(5, 100)), Some(at(2, 50)), 10);
        assert!(range.advance(at(7, 900)) && !range.owns(at(7, 900)));
        assert!(range.advance(at(5, 99)) && !range.owns(at(5, 99)) && range.owns(at(5, 100)));
        assert!(range.advance(at(1, 1)) && range.owns(at(1, 1)));
        assert!(range.advance(at(2, 49)) && range.owns(at(2, 49)) && !range.owns(at(2, 50)));
        assert!(range.advance(at(2, 59)));
        assert!(!range.advance(at(2, 60)));
        assert!(!range.advance(at(3, 1)));
        assert!(!range.owns_line_behind(Some(at(3, 1))) && !range.owns_line_behind(None));
        assert!(OwnRange::new(None, Some(at(2, 50)), 10).owns_line_behind(None));
    }
}
