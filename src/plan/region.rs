//! Regions of interest: `contig`, `contig:pos`, `contig:start-end`, and BED files.

use crate::decode::intervals::{Form, Line};
use crate::error::{Error, Location, Result};
use crate::genome::{Contigs, Locus};
use serde::{Deserialize, Serialize};

/// Sorted ranges of positions, 1-based and inclusive; empty: everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regions(Vec<(u32, i32, i32)>);

impl Regions {
    /// From `chr20:1-5000000`-like texts; commas in numbers are allowed.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>, contigs: &Contigs) -> Result<Regions> {
        let mut list = Vec::new();
        for text in texts {
            list.push(parse_one(text, contigs)?);
        }
        Ok(Regions::from_list(list))
    }

    /// From the text of a BED file (0-based, half-open). One without a base is an error: no regions are all of them.
    pub fn parse_bed(text: &str, contigs: &Contigs) -> Result<Regions> {
        let mut list = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let Line::Data(line) = Line::of(line) else { continue };
            let at = |error: Error| error.at(Location { line: Some(number), ..Default::default() });
            let interval = Form::Bed.interval(line).map_err(at)?;
            let contig = contig(interval.contig, contigs).map_err(at)?;
            if !interval.is_empty() {
                list.push((contig, interval.first, interval.last));
            }
        }
        match list.is_empty() {
            true => Err(Error::bad_data("the BED file has no interval with a base").hint(
                "leave -R out to take everything; a line of BED has contig, start and end, with start smaller than end",
            )),
            false => Ok(Regions::from_list(list)),
        }
    }

    fn from_list(mut list: Vec<(u32, i32, i32)>) -> Regions {
        list.sort_unstable();
        let mut merged: Vec<(u32, i32, i32)> = Vec::new();
        for (contig, start, end) in list {
            match merged.last_mut() {
                Some(last) if last.0 == contig && start <= last.2.saturating_add(1) => last.2 = last.2.max(end),
                _ => merged.push((contig, start, end)),
            }
        }
        Regions(merged)
    }

    /// Adds those of another list.
    pub fn union(self, other: Regions) -> Regions {
        Regions::from_list([self.0, other.0].concat())
    }

    /// Whether everything is wanted.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// The ranges: contig, first, last position.
    pub fn iter(&self) -> impl Iterator<Item = (u32, i32, i32)> + '_ {
        self.0.iter().copied()
    }

    /// Whether something from `first` to `last` (inclusive) of a contig is wanted.
    pub fn overlap(&self, contig: u32, first: i32, last: i32) -> bool {
        if self.is_all() {
            return true;
        }
        let at = self.0.partition_point(|&(of, start, _)| (of, start) <= (contig, last));
        at > 0 && self.0[at - 1].0 == contig && first <= self.0[at - 1].2
    }

    /// Whether a position is wanted.
    pub fn contains(&self, locus: Locus) -> bool {
        if self.is_all() {
            return true;
        }
        let at = self.0.partition_point(|&(contig, start, _)| (contig, start) <= (locus.contig, locus.vcf_pos));
        at > 0 && self.0[at - 1].0 == locus.contig && locus.vcf_pos <= self.0[at - 1].2
    }
}

fn contig(name: &str, contigs: &Contigs) -> Result<u32> {
    contigs.index_of(name.as_bytes()).ok_or_else(|| {
        let first: Vec<&str> = contigs.iter().take(5).map(|contig| contig.name.as_str()).collect();
        Error::usage(format!("no input has the contig {name}; the first ones are {}", first.join(", ")))
    })
}

fn parse_one(text: &str, contigs: &Contigs) -> Result<(u32, i32, i32)> {
    if let Some(index) = contigs.index_of(text.as_bytes()) {
        return Ok((index, 0, i32::MAX));
    }
    let wrong = || Error::usage(format!("the region {text:?} is not understood, expected contig:start-end"));
    let Some((name, range)) = text.rsplit_once(':') else {
        return contig(text, contigs).map(|index| (index, 0, i32::MAX));
    };
    let range = range.replace(',', "");
    let number = |text: &str| text.parse::<i32>().map_err(|_| wrong());
    let (start, end) = match range.split_once('-') {
        Some((start, "")) => (number(start)?, i32::MAX),
        Some((start, end)) => (number(start)?, number(end)?),
        None => (number(&range)?, number(&range)?),
    };
    if end < start {
        return Err(wrong());
    }
    Ok((contig(name, contigs)?, start, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Contig;

    #[test]
    fn regions_are_merged_and_found() {
        let contigs = Contigs::from_list(["chr1", "HLA:01"].map(|name| Contig { name: name.into(), length: None }));
        let regions =
            Regions::parse(["chr1:1,000-2000", "chr1:1500-3000", "HLA:01:7", "chr1:9-"], &contigs).expect("regions");
        assert!(regions.contains(Locus { contig: 0, vcf_pos: 9 }));
        assert!(!regions.contains(Locus { contig: 0, vcf_pos: 8 }));
        assert!(
            regions.contains(Locus { contig: 1, vcf_pos: 7 }) && !regions.contains(Locus { contig: 1, vcf_pos: 8 })
        );
        assert!(Regions::parse(["chr2"], &contigs).is_err() && Regions::parse(["chr1:5-1"], &contigs).is_err());
        let bed = Regions::parse_bed("chr1\t0\t10\n", &contigs).expect("regions");
        assert!(bed.contains(Locus { contig: 0, vcf_pos: 10 }) && !bed.contains(Locus { contig: 0, vcf_pos: 11 }));
    }
}
