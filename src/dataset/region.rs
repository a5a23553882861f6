//! Regions of contigs, as `chr20:1-5000000` names them.

use crate::error::{Error, Result};

/// A part of one contig; both ends 1-based and inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Contig name.
    pub contig: String,
    /// First base.
    pub first: i64,
    /// Last base.
    pub last: i64,
}

impl Region {
    /// Parses `contig`, `contig:pos`, `contig:first-` or `contig:first-last` (digits may have commas). A text that is the
    /// name of a contig as a whole is that contig, also when the name has a `:`.
    pub fn parse(text: &str, contigs: &[&str]) -> Result<Region> {
        let whole = |contig: &str| Region { contig: contig.to_owned(), first: 1, last: i64::MAX };
        if contigs.contains(&text) {
            return Ok(whole(text));
        }
        let Some((contig, range)) = text.rsplit_once(':') else {
            return Err(unknown_contig(text, contigs));
        };
        if !contigs.contains(&contig) {
            return Err(unknown_contig(contig, contigs));
        }
        let number = |digits: &str| digits.replace(',', "").parse::<i64>().ok().filter(|&number| number >= 0);
        let bounds = match range.split_once('-') {
            None => number(range).map(|pos| (pos, pos)),
            Some((first, "")) => number(first).map(|first| (first, i64::MAX)),
            Some((first, last)) => number(first).zip(number(last)),
        };
        match bounds {
            Some((first, last)) if first <= last => Ok(Region { contig: contig.to_owned(), first, last }),
            _ => Err(Error::usage(format!("`{text}` is not a region, expected contig:first-last with first <= last"))),
        }
    }

    /// Parses a list with commas between the regions (commas inside numbers are not allowed here).
    pub fn parse_list(text: &str, contigs: &[&str]) -> Result<Vec<Region>> {
        text.split(',').filter(|part| !part.is_empty()).map(|part| Region::parse(part, contigs)).collect()
    }

    /// Whether the bases `first..=last` touch the region.
    pub fn overlaps(&self, first: i64, last: i64) -> bool {
        first <= self.last && last >= self.first
    }
}

fn unknown_contig(name: &str, contigs: &[&str]) -> Error {
    let known = contigs.iter().take(30).copied().collect::<Vec<_>>().join(", ");
    let more = if contigs.len() > 30 { ", ..." } else { "" };
    Error::usage(format!("the dataset has no contig `{name}`")).hint(format!("it has {known}{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_regions() {
        let contigs = ["chr1", "HLA:01:02"];
        let parse = |text: &str| Region::parse(text, &contigs).map(|region| (region.contig, region.first, region.last));
        assert_eq!(parse("chr1").expect("whole"), ("chr1".into(), 1, i64::MAX));
        assert_eq!(parse("chr1:5").expect("one base"), ("chr1".into(), 5, 5));
        assert_eq!(parse("chr1:1,000-2,000").expect("commas"), ("chr1".into(), 1000, 2000));
        assert_eq!(parse("chr1:7-").expect("open"), ("chr1".into(), 7, i64::MAX));
        assert_eq!(parse("HLA:01:02").expect("colons").0, "HLA:01:02");
        assert_eq!(parse("HLA:01:02:3-4").expect("colons"), ("HLA:01:02".into(), 3, 4));
        assert!(parse("chr1:9-3").is_err() && parse("chr2").is_err() && parse("chr1:x").is_err());
    }
}
