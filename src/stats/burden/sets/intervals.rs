//! Sets as intervals: BED, GFF3, GTF.

use super::{Naming, Set, Sets, Span, contig_index};
use crate::dataset::Dataset;
use crate::error::{Error, Location, Result};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Attributes of GFF that can be a name, best first: GFF3 of Ensembl and RefSeq, GTF.
const GFF_NAMES: [&str; 5] = ["Name", "gene_name", "gene", "gene_id", "ID"];

/// A form of intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// 0-based, half-open; the fourth column is the name.
    Bed,
    /// GFF3 or GTF: 1-based, inclusive; names are attributes.
    Gff,
}

/// One interval with the name of its set.
struct Interval<'a> {
    contig: &'a str,
    first: i64,
    last: i64,
    name: String,
    /// Tells apart sets of the same name.
    key: String,
}

impl Form {
    /// By the first line that is not a comment; `None`: it has no intervals.
    pub fn of(text: &str) -> Option<Form> {
        let line = lines(text).next()?.1;
        let tabs: Vec<&str> = line.split('\t').collect();
        let is_number = |at: usize| tabs.get(at).is_some_and(|field| field.trim().parse::<i64>().is_ok());
        if tabs.len() >= 9 && is_number(3) && is_number(4) {
            return Some(Form::Gff);
        }
        let fields: Vec<&str> = bed_fields(line);
        let is_number = |at: usize| fields.get(at).is_some_and(|field| field.parse::<i64>().is_ok());
        (fields.len() >= 3 && is_number(1) && is_number(2)).then_some(Form::Bed)
    }
}

/// Lines with data, counted from 1. What follows `##FASTA` in GFF3 is sequence.
fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let all = (1..).zip(text.lines()).take_while(|(_, line)| !line.starts_with("##FASTA"));
    let is_data = |line: &str| {
        let is_header = ["#", "track", "browser"].iter().any(|start| line.starts_with(start));
        !line.trim().is_empty() && !is_header
    };
    all.filter(move |(_, line)| is_data(line))
}

fn bed_fields(line: &str) -> Vec<&str> {
    match line.contains('\t') {
        true => line.split('\t').map(str::trim).collect(),
        false => line.split_whitespace().collect(),
    }
}

/// Reads all sets. Contigs that the dataset does not have are counted; when it has none of them that is an error.
pub fn read(dataset: &Dataset, path: &Path, text: &str, form: Form, naming: &Naming) -> Result<Sets> {
    let contigs = contig_index(dataset);
    let mut found = Found::default();
    for (line, content) in lines(text) {
        let interval = match form {
            Form::Bed => bed(content).map(Some),
            Form::Gff => gff(content, naming),
        };
        let failed = |message: String| {
            let at = Location { path: Some(path.display().to_string()), line: Some(line), ..Default::default() };
            Error::bad_data(message).at(at)
        };
        let Some(interval) = interval.map_err(failed)? else { continue };
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

fn bed(line: &str) -> std::result::Result<Interval<'_>, String> {
    let fields = bed_fields(line);
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<i64>().ok());
    let (Some(start), Some(end)) = (number(1), number(2)) else {
        return Err(format!("`{line}` is no line of BED, expected contig, start, end and a name"));
    };
    if start < 0 || end <= start {
        return Err(format!("the interval {start} to {end} is empty, expected 0-based start < end"));
    }
    let name = match fields.get(3) {
        Some(name) if !name.is_empty() && *name != "." => (*name).to_owned(),
        _ => format!("{}:{}-{end}", fields[0], start + 1),
    };
    Ok(Interval { contig: fields[0], first: start + 1, last: end, name, key: String::new() })
}

/// `Ok(None)`: another feature than those that are sets.
fn gff<'a>(line: &'a str, naming: &Naming) -> std::result::Result<Option<Interval<'a>>, String> {
    let fields: Vec<&str> = line.split('\t').collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.trim().parse::<i64>().ok());
    let (Some(first), Some(last), Some(attributes)) = (number(3), number(4), fields.get(8)) else {
        return Err(format!("{} fields, expected the 9 of GFF with numbers in the fourth and fifth", fields.len()));
    };
    if fields[2] != naming.gff_feature {
        return Ok(None);
    }
    if first < 1 || last < first {
        return Err(format!("the interval {first} to {last} is empty, expected 1-based first <= last"));
    }
    let attributes = attributes_of(attributes);
    let of = |name: &str| attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
    let name = match &naming.gff_name {
        Some(name) => of(name).ok_or_else(|| {
            let known: Vec<&str> = attributes.iter().map(|(key, _)| *key).collect();
            format!("the feature has no attribute `{name}` (--gff-name); it has {}", known.join(", "))
        })?,
        None => GFF_NAMES.iter().find_map(|name| of(name)).ok_or_else(|| {
            format!(
                "the feature has none of the attributes {}; --gff-name says which is its name",
                GFF_NAMES.join(", ")
            )
        })?,
    };
    // features of one gene share its gene_id; a gene's own ID is unique
    let own_id = || naming.gff_feature.contains("gene").then(|| of("ID")).flatten();
    let key = of("gene_id").or_else(own_id).unwrap_or_default();
    Ok(Some(Interval { contig: fields[0], first, last, name, key }))
}

/// `key=value;...` with %-codes (GFF3), or `key "value"; ...` (GTF).
fn attributes_of(text: &str) -> Vec<(&str, String)> {
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    parts
        .filter_map(|part| {
            if let Some((key, value)) = part.split_once(" \"") {
                return Some((key, value.trim_end_matches('"').to_owned()));
            }
            let (key, value) = part.split_once('=').or_else(|| part.split_once(' '))?;
            let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
            Some((key, value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(feature: &str, name: Option<&str>) -> Naming {
        Naming { gff_feature: feature.into(), gff_name: name.map(str::to_owned) }
    }

    #[test]
    fn forms_are_recognised_by_content() {
        assert_eq!(Form::of("#c\ntrack name=x\nchr1\t5\t9\n"), Some(Form::Bed));
        assert_eq!(Form::of("chr1 5 9 G\n"), Some(Form::Bed));
        assert_eq!(Form::of("##gff-version 3\nchr1\tx\tgene\t5\t9\t.\t+\t.\tID=a\n"), Some(Form::Gff));
        assert_eq!(Form::of("set\tcontig\tpos\tref\talt\n"), None);
        assert_eq!(Form::of(""), None);
    }

    #[test]
    fn lines_of_bed() {
        let read = |line: &str| bed(line).map(|one| (one.first, one.last, one.name));
        assert_eq!(read("chr1\t4\t9\tG1\t0\t+"), Ok((5, 9, "G1".into())));
        assert_eq!(read("chr1\t4\t9"), Ok((5, 9, "chr1:5-9".into())));
        assert!(read("chr1\t9\t9").is_err() && read("chr1\tx\t9").is_err());
    }

    #[test]
    fn lines_of_gff() {
        let read =
            |line: &str, naming: &Naming| gff(line, naming).map(|one| one.map(|one| (one.first, one.name, one.key)));
        let gff3 = "1\te\tgene\t5\t9\t.\t+\t.\tID=gene:E1;Name=HLA%2CA;gene_id=E1";
        assert_eq!(read(gff3, &naming("gene", None)), Ok(Some((5, "HLA,A".into(), "E1".into()))));
        assert_eq!(read(gff3, &naming("gene", Some("gene_id"))), Ok(Some((5, "E1".into(), "E1".into()))));
        assert_eq!(read(gff3, &naming("exon", None)), Ok(None));
        assert!(
            read(gff3, &naming("gene", Some("symbol"))).is_err_and(|text| text.contains("it has ID, Name, gene_id"))
        );
        let gtf = "1\th\tCDS\t5\t9\t.\t+\t0\tgene_id \"E1\"; gene_name \"A B\"; exon_number 3;";
        assert_eq!(read(gtf, &naming("CDS", None)), Ok(Some((5, "A B".into(), "E1".into()))));
        assert!(read("1\te\tgene\t5", &naming("gene", None)).is_err());
    }
}
