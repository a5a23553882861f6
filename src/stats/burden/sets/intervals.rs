//! Sets as intervals: BED, GFF3, GTF.

use super::{Naming, Set, Sets, Span, contig_index};
use crate::dataset::Dataset;
use crate::decode::intervals::{self, Form, Line, USUAL_NAMES};
use crate::error::{Error, Location, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// One interval with the name of its set.
struct Interval<'a> {
    contig: &'a str,
    first: i32,
    last: i32,
    name: String,
    /// Tells apart sets of the same name.
    key: String,
}

/// Reads all sets. Contigs that the dataset does not have are counted; when it has none of them that is an error.
pub fn read(dataset: &Dataset, path: &Path, text: &str, form: Form, naming: &Naming) -> Result<Sets> {
    let contigs = contig_index(dataset);
    let mut found = Found::default();
    for (line, content) in (1..).zip(text.lines()) {
        let interval = match (Line::of(content), form) {
            (Line::Data(content), Form::Bed) => bed(content).map(Some),
            (Line::Data(content), Form::Gff) => gff(content, naming),
            (Line::End, _) => break,
            (Line::Other | Line::Header(_), _) => continue,
        };
        let at = || Location { path: Some(path.display().to_string()), line: Some(line), ..Default::default() };
        let Some(interval) = interval.map_err(|error| error.at(at()))? else { continue };
        found.add(interval, &contigs);
    }
    found.finish(dataset, path, form, naming)
}

#[derive(Default)]
struct Found {
    /// Intervals by name and key, in the order of both.
    sets: BTreeMap<(String, String), Vec<Span>>,
    n_intervals: u64,
    unknown: BTreeMap<String, u64>,
}

impl Found {
    fn add(&mut self, interval: Interval, contigs: &HashMap<&str, u32>) {
        self.n_intervals += 1;
        let Some(&contig) = contigs.get(interval.contig) else {
            *self.unknown.entry(interval.contig.to_owned()).or_default() += 1;
            return;
        };
        let span = Span { contig, first: interval.first, last: interval.last };
        self.sets.entry((interval.name, interval.key)).or_default().push(span);
    }

    fn finish(self, dataset: &Dataset, path: &Path, form: Form, naming: &Naming) -> Result<Sets> {
        if self.sets.is_empty() {
            return Err(self.nothing(dataset, path, form, naming));
        }
        let mut sets = Sets::default();
        let n_unknown: u64 = self.unknown.values().sum();
        if n_unknown > 0 {
            let (n, path) = (self.n_intervals, path.display());
            let names = self.unknown.keys().take(5).cloned().collect::<Vec<_>>().join(", ");
            let more = if self.unknown.len() > 5 { ", ..." } else { "" };
            sets.notes.push(format!(
                "{path}: left out {n_unknown} of {n} intervals, on contigs that the dataset does not have ({names}{more})"
            ));
        }
        let names: Vec<&String> = self.sets.keys().map(|(name, _)| name).collect();
        let is_shared = |at: usize| {
            (at > 0 && names[at - 1] == names[at]) || names.get(at + 1).is_some_and(|next| *next == names[at])
        };
        let name = |at: usize, name: &str, key: &str| match is_shared(at) {
            true => format!("{name}:{key}"),
            false => name.to_owned(),
        };
        let set = |(at, ((own, key), intervals)): (usize, (&(String, String), &Vec<Span>))| Set {
            name: name(at, own, key),
            span: hull(intervals),
            intervals: intervals.clone(),
        };
        sets.sets = self.sets.iter().enumerate().map(set).collect();
        sets.sort();
        Ok(sets)
    }

    fn nothing(&self, dataset: &Dataset, path: &Path, form: Form, naming: &Naming) -> Error {
        let path = path.display();
        if self.n_intervals == 0 {
            let what = if form == Form::Gff { format!(" of `{}` features", naming.gff_feature) } else { String::new() };
            return Error::bad_data(format!("{path} has no intervals{what}"))
                .hint("--gff-feature names the features (third column of GFF) that are sets");
        }
        let known: Vec<&str> = dataset.manifest().contigs.iter().take(5).map(|contig| contig.name.as_str()).collect();
        let unknown: Vec<&str> = self.unknown.keys().take(5).map(String::as_str).collect();
        Error::bad_data(format!(
            "{path}: all intervals are on contigs that the dataset does not have: {}",
            unknown.join(", ")
        ))
        .hint(format!("its contigs are {}, ...: names must be the same, with or without chr", known.join(", ")))
    }
}

/// From the first to the last base; `None` where there are several contigs.
fn hull(intervals: &[Span]) -> Option<Span> {
    let contig = intervals.first()?.contig;
    intervals.iter().all(|span| span.contig == contig).then(|| Span {
        contig,
        first: intervals.iter().map(|span| span.first).min().unwrap_or_default(),
        last: intervals.iter().map(|span| span.last).max().unwrap_or_default(),
    })
}

fn bed(line: &str) -> Result<Interval<'_>> {
    let interval = with_bases(Form::Bed, line)?;
    let (contig, first, last) = (interval.contig, interval.first, interval.last);
    let name = match interval.fields.get(3) {
        Some(name) if !name.is_empty() && *name != "." => (*name).to_owned(),
        _ => format!("{contig}:{first}-{last}"),
    };
    Ok(Interval { contig, first, last, name, key: String::new() })
}

/// `Ok(None)`: another feature than those that are sets.
fn gff<'a>(line: &'a str, naming: &Naming) -> Result<Option<Interval<'a>>> {
    let interval = with_bases(Form::Gff, line)?;
    if interval.fields[2] != naming.gff_feature {
        return Ok(None);
    }
    let attributes: Vec<_> = interval.attributes().collect();
    let of = |name: &str| attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone().into_owned());
    let name = match &naming.gff_name {
        Some(name) => of(name).ok_or_else(|| {
            let known: Vec<&str> = attributes.iter().map(|(key, _)| *key).collect();
            let known = known.join(", ");
            Error::bad_data(format!("the feature has no attribute `{name}` (--gff-name); it has {known}"))
        })?,
        None => USUAL_NAMES.iter().find_map(|name| of(name)).ok_or_else(|| {
            Error::bad_data(format!("the feature has none of the attributes {}", USUAL_NAMES.join(", ")))
                .hint("--gff-name says which attribute is its name")
        })?,
    };
    // features of one gene share its gene_id; a gene's own ID is unique
    let own_id = || naming.gff_feature.contains("gene").then(|| of("ID")).flatten();
    let key = of("gene_id").or_else(own_id).unwrap_or_default();
    Ok(Some(Interval { contig: interval.contig, first: interval.first, last: interval.last, name, key }))
}

/// A set has bases.
fn with_bases(form: Form, line: &str) -> Result<intervals::Interval<'_>> {
    let interval = form.interval(line)?;
    match interval.is_empty() {
        true => Err(Error::bad_data("the interval has no bases: its start is its end")
            .hint("BED counts from 0 and ends behind the last base: the base 5 is from 4 to 5")),
        false => Ok(interval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(feature: &str, name: Option<&str>) -> Naming {
        Naming { gff_feature: feature.into(), gff_name: name.map(str::to_owned) }
    }

    #[test]
    fn lines_of_bed() {
        let read = |line: &str| bed(line).map(|one| (one.first, one.last, one.name));
        assert_eq!(read("chr1\t4\t9\tG1\t0\t+").expect("a set"), (5, 9, "G1".into()));
        assert_eq!(read("chr1\t4\t9").expect("a set"), (5, 9, "chr1:5-9".into()));
        assert!(read("chr1\t9\t9").is_err() && read("chr1\tx\t9").is_err());
    }

    #[test]
    fn lines_of_gff() {
        let read = |line: &str, naming: &Naming| {
            let found = gff(line, naming).map_err(|error| error.message().to_owned())?;
            Ok::<_, String>(found.map(|one| (one.first, one.name, one.key)))
        };
        let gff3 = "1\te\tgene\t5\t9\t.\t+\t.\tID=gene:E1;Name=HLA%2CA;gene_id=E1";
        assert_eq!(read(gff3, &naming("gene", None)), Ok(Some((5, "HLA,A".into(), "E1".into()))));
        assert_eq!(read(gff3, &naming("gene", Some("gene_id"))), Ok(Some((5, "E1".into(), "E1".into()))));
        assert_eq!(read(gff3, &naming("exon", None)), Ok(None));
        let wrong = read(gff3, &naming("gene", Some("symbol")));
        assert!(wrong.is_err_and(|text| text.contains("it has ID, Name, gene_id")));
        let gtf = "1\th\tCDS\t5\t9\t.\t+\t0\tgene_id \"E1\"; gene_name \"A B\"; exon_number 3;";
        assert_eq!(read(gtf, &naming("CDS", None)), Ok(Some((5, "A B".into(), "E1".into()))));
        assert!(read("1\te\tgene\t5\t9\t.\t+\t.", &naming("gene", None)).is_err());
        assert!(read("1\te\tgene\t5", &naming("gene", None)).is_err());
    }
}
