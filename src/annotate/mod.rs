//! Annotation: what other files say of the alleles of a dataset, as the tables `annotations` and `consequences` beside it.
//!
//! In: a published dataset, and sources (VCF, BCF, Parquet, tables of text, BED, GFF) in the order of position. Out: one row for each allele
//! of the dataset that a source has something to say about, sorted as `variants`; the same bytes for any number of threads. Sources and
//! alleles stream past each other; memory does not depend on the size of either (intervals, and sources that are not sorted, are held).

mod cells;
mod columnar;
mod consequence;
pub mod contigs;
mod interval;
mod join;
mod line_file;
mod lines;
mod merge;
mod rows;
mod source;
pub mod spec;
mod spill;
mod table;
mod targets;
mod text;
mod vcf;

use crate::dataset::Dataset;
use crate::dataset::results::{ANNOTATIONS, CONSEQUENCES, Description, RESULTS_FOLDER, stored};
use crate::error::{Error, Location, Result};
use crate::input::reference::Reference;
use crate::stats::results::{Results, StoredBatches};
use arrow_schema::{DataType, Field};
use consequence::format::Format;
use consequence::own::read_own;
use consequence::{EntryTally, SUMMARY, consequence_schema, summary_schema};
use contigs::{ContigLookup, ContigMap};
use join::Setup;
use lines::{Joined, Rejection};
use merge::{Input, OutColumn, merge, table_schema};
use rows::TextKind;
use serde::{Deserialize, Serialize};
use source::{Source, Taken};
use spec::SourceSpec;
use spill::{Spill, Spilled};
use std::path::PathBuf;
use std::sync::Arc;
use targets::Targets;

/// What is to be done.
pub struct Settings {
    /// Sources; those of one name are files of one source.
    pub sources: Vec<SourceSpec>,
    /// The tag whose entries become consequences; empty: that which the header has.
    pub consequences: Option<String>,
    /// For left-alignment.
    pub reference: Option<PathBuf>,
    /// Names of contigs.
    pub contig_map: ContigMap,
    /// Set rows aside that are wrong, in place of ending.
    pub skip_bad: bool,
    /// Leave out what earlier runs stored.
    pub replace: bool,
}

/// What was taken of one source; part of the description of the tables.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceReport {
    /// What its columns begin with.
    pub name: String,
    /// Its files as the user named them; none: the dataset itself.
    pub files: Vec<String>,
    /// What they are.
    pub form: String,
    /// Its columns.
    pub columns: Vec<String>,
    /// Rows read; of an indexed source those near alleles of the dataset, of a GFF the features that are wanted.
    pub rows_read: u64,
    /// Rows about an allele of the dataset; intervals that touch one.
    pub rows_matched: u64,
    /// Rows about none.
    pub rows_unmatched: u64,
    /// Rows on contigs that the dataset does not have.
    pub rows_other_contigs: u64,
    /// Rows set aside.
    pub rows_rejected: u64,
    /// The first of them, each with place and reason.
    pub rejections: Vec<(String, String)>,
    /// Rows about an allele that an earlier row is about: the first one holds.
    pub rows_repeated: u64,
    /// Alleles of the dataset with values.
    pub variants: u64,
    /// Whether an index led to the rows.
    pub by_index: bool,
    /// Of consequences: entries that are about no allele of their record, or could be about more than one.
    pub entries_unassigned: u64,
    /// Of `bcftools csq`: entries that only point to another record.
    pub entries_pointing: u64,
}

/// What a run did.
pub struct Report {
    /// Source by source.
    pub sources: Vec<SourceReport>,
    /// Rows of `annotations`.
    pub n_annotations: u64,
    /// Rows of `consequences`, where they were made.
    pub n_consequences: Option<u64>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Sources of one name: their rows, side by side.
struct Group {
    report: SourceReport,
    columns: Vec<OutColumn>,
    parts: Vec<Taken>,
}

/// Consequences of all sources, or of the dataset itself.
struct Entries {
    format: Arc<Format>,
    report: SourceReport,
    /// Rows of `consequences`, and their summaries.
    parts: Vec<[Spilled; 2]>,
}

/// What came of all sources.
#[derive(Default)]
struct Found {
    groups: Vec<Group>,
    consequences: Option<Entries>,
}

/// Annotates a dataset.
pub fn annotate(dataset: &Dataset, settings: &Settings, described: serde_json::Value) -> Result<Report> {
    let targets = Targets::new(dataset);
    let contigs = ContigLookup::new(dataset, &settings.contig_map)?;
    let reference = settings.reference.as_deref().map(Reference::open).transpose()?;
    let (reference, skip_bad) = (reference.as_ref(), settings.skip_bad);
    let setup = Setup { targets: &targets, contigs: &contigs, reference, skip_bad };
    let mut warnings = Vec::new();
    let opened = open_all(settings)?;
    warnings.extend(reference_warning(dataset, &setup, &opened));
    let own_format = own_format(dataset, settings, &opened)?;
    let mut found = Found::default();
    for (number, (spec, source)) in opened.into_iter().enumerate() {
        let format = source.format().cloned();
        let place = spec.path.display().to_string();
        let taken = source.read(spec, &setup, number)?;
        warnings.extend(check(&taken.joined, &contigs, &place)?);
        let place = Location { path: Some(place), ..Default::default() };
        found.add(spec, taken, format, &targets).map_err(|error| error.at(place))?;
    }
    if let Some((format, column)) = own_format {
        found.consequences = Some(read_own_consequences(dataset, &setup, format, &column)?);
    }
    let report = write(dataset, settings, found, described)?;
    Ok(Report { warnings, ..report })
}

fn open_all(settings: &Settings) -> Result<Vec<(&SourceSpec, Source)>> {
    let tag = settings.consequences.as_deref();
    let open = |spec| {
        let source = Source::open(spec, tag)?;
        if spec.name == CONSEQUENCES && source.has_columns() {
            return Err(Error::usage(format!(
                "{}: no source can have the name `{CONSEQUENCES}`, which is that of a table",
                spec.path.display()
            ))
            .hint("give it another one: --name vep"));
        }
        Ok((spec, source))
    };
    settings.sources.iter().map(open).collect()
}

/// The format of the dataset's own entries and their column, where consequences are wanted and no source has them.
fn own_format(
    dataset: &Dataset,
    settings: &Settings,
    opened: &[(&SourceSpec, Source)],
) -> Result<Option<(Arc<Format>, String)>> {
    let Some(tag) = &settings.consequences else { return Ok(None) };
    let mut formats = opened.iter().filter_map(|(_, source)| source.format());
    if let Some(first) = formats.next() {
        return match formats.find(|other| other.fields != first.fields || other.tag != first.tag) {
            None => Ok(None),
            Some(other) => Err(Error::usage(format!(
                "two sources have consequences of different fields: INFO/{} and INFO/{}",
                first.tag, other.tag
            ))
            .hint("take them in one run each; the later one replaces the table consequences")),
        };
    }
    let header = crate::decode::header::Header::parse(dataset.header_text()?.as_bytes())?;
    let tag = Some(tag.as_str()).filter(|tag| !tag.is_empty());
    let Some(format) = Format::of_header(&header, tag)? else {
        let wanted = tag.map_or_else(|| "CSQ, vep, ANN or BCSQ".to_owned(), str::to_owned);
        return Err(Error::usage(format!("neither the dataset nor a source has INFO/{wanted}"))
            .hint("annotate the VCF with VEP, SnpEff or `bcftools csq`, and name it with --from"));
    };
    let infos = crate::columns::schema::TableSchemas::new(&header, false).infos;
    let column = infos.iter().find(|info| info.id == format.tag).and_then(|info| info.names.first().cloned());
    let column = column.ok_or_else(|| Error::internal(format!("INFO/{} has no column", format.tag)))?;
    Ok(Some((Arc::new(format), column)))
}

/// Alleles of a dataset that were left-aligned meet only those that are.
fn reference_warning(dataset: &Dataset, setup: &Setup, opened: &[(&SourceSpec, Source)]) -> Option<String> {
    let is_by_allele = opened.iter().any(|(_, source)| !matches!(source, Source::Intervals(..)));
    let own = dataset.manifest().settings.get("reference").filter(|digest| *digest != "null")?;
    match setup.reference {
        _ if !is_by_allele => None,
        None => Some(
            "the alleles of the dataset are left-aligned, those of the sources are only trimmed: give the reference with -f".into(),
        ),
        Some(reference) if reference.fingerprint() != own => {
            Some("the reference is not the file that the dataset was called with".into())
        }
        Some(_) => None,
    }
}

/// A source must have contigs of the dataset; one that has but no alleles of it is worth a word.
fn check(joined: &Joined, contigs: &ContigLookup, place: &str) -> Result<Option<String>> {
    if !joined.knows_contig && !joined.other_contigs.is_empty() {
        let place = Location { path: Some(place.to_owned()), ..Default::default() };
        return Err(contigs.none_known(&joined.other_contigs).at(place));
    }
    Ok((joined.tally.read == 0).then(|| format!("{place}: no rows were read")))
}

impl Found {
    /// Takes what came of a file to that of the other files of its source.
    fn add(
        &mut self,
        spec: &SourceSpec,
        mut taken: Taken,
        format: Option<Arc<Format>>,
        targets: &Targets,
    ) -> Result<()> {
        let path = spec.path.display().to_string();
        if let (Some(spills), Some(format)) = (taken.consequences.take(), format) {
            let entries = self.consequences.get_or_insert_with(|| {
                let report = SourceReport { name: CONSEQUENCES.into(), form: taken.form.clone(), ..Default::default() };
                Entries { format, report, parts: Vec::new() }
            });
            if let Some(contig) = entries.parts.iter().find_map(|[rows, _]| rows.shares_contig(&spills[0])) {
                let contig = targets.contig(contig);
                return Err(Error::bad_data(format!("a source before it has consequences on {contig} too"))
                    .hint("take them in one run each; the later one replaces the table consequences"));
            }
            add_counts(&mut entries.report, &taken.joined, &path);
            entries.report.rows_repeated += spills[0].n_duplicates;
            entries.report.variants += spills[1].n_alleles;
            entries.report.by_index |= taken.by_index;
            entries.parts.push(spills);
        }
        let Some((spilled, schema)) = &taken.values else { return Ok(()) };
        let column =
            |field: &Arc<Field>| OutColumn { name: field.name().clone(), data_type: field.data_type().clone() };
        let columns: Vec<OutColumn> = schema.fields().iter().skip(4).map(column).collect();
        let group = self.group(spec, &taken.form, &columns);
        let same = |(a, b): (&OutColumn, &OutColumn)| a.name == b.name && a.data_type == b.data_type;
        let hint = "files of one --name are parts of one source; give others another --name";
        if group.columns.len() != columns.len() || !group.columns.iter().zip(&columns).all(same) {
            let error = format!("it has other columns than the file before it that is named `{}`", spec.name);
            return Err(Error::usage(error).hint(hint));
        }
        let before = group.parts.iter().filter_map(|part| part.values.as_ref());
        if let Some(contig) = before.into_iter().find_map(|(rows, _)| rows.shares_contig(spilled)) {
            let (name, contig) = (&spec.name, targets.contig(contig));
            let error = format!("two files that are named `{name}` have rows of the same contig, {contig}");
            return Err(Error::bad_data(error).hint(hint));
        }
        add_counts(&mut group.report, &taken.joined, &path);
        group.report.rows_repeated += spilled.n_duplicates;
        group.report.variants += spilled.n_alleles;
        group.report.by_index |= taken.by_index;
        group.parts.push(taken);
        Ok(())
    }

    /// The group of a source.
    fn group(&mut self, spec: &SourceSpec, form: &str, columns: &[OutColumn]) -> &mut Group {
        let at = self.groups.iter().position(|group| group.report.name == spec.name).unwrap_or(self.groups.len());
        if at == self.groups.len() {
            let report = SourceReport { name: spec.name.clone(), form: form.to_owned(), ..Default::default() };
            self.groups.push(Group { report, columns: columns.to_vec(), parts: Vec::new() });
        }
        &mut self.groups[at]
    }
}

fn add_counts(report: &mut SourceReport, joined: &Joined, path: &str) {
    report.files.push(path.to_owned());
    report.rows_read += joined.tally.read;
    report.rows_matched += joined.tally.matched;
    report.rows_unmatched += joined.tally.unmatched();
    report.rows_other_contigs += joined.tally.other_contigs;
    report.rows_rejected += joined.tally.rejected;
    let listed = joined.rejections.iter().map(|Rejection { place, reason }| (place.clone(), reason.clone()));
    report.rejections.extend(listed);
    let EntryTally { unassigned, pointers, .. } = joined.entries;
    report.entries_unassigned += unassigned;
    report.entries_pointing += pointers;
}

fn read_own_consequences(dataset: &Dataset, setup: &Setup, format: Arc<Format>, column: &str) -> Result<Entries> {
    let spill = |schema, table| Spill::new(dataset.place(), &format!("own-{table}"), schema);
    let mut spills = [spill(consequence_schema(&format), 1)?, spill(summary_schema(), 2)?];
    let joined = read_own(&format, column, setup, &mut spills)?;
    let mut report = SourceReport { name: CONSEQUENCES.into(), form: column.to_owned(), ..Default::default() };
    add_counts(&mut report, &joined, "");
    report.files.clear();
    let [rows, summaries] = spills;
    let spilled = [rows.finish()?, summaries.finish()?];
    report.variants = spilled[1].n_alleles;
    Ok(Entries { format, report, parts: vec![spilled] })
}

/// The sources of a stored table.
fn earlier_sources(table: &Description) -> Result<Vec<SourceReport>> {
    let list = table.summary.get("sources").cloned().unwrap_or_default();
    serde_json::from_value(list).map_err(|error| {
        let path = format!("{RESULTS_FOLDER}/{}.json", table.table);
        Error::bad_data(format!("summary.sources, which says what earlier runs stored, cannot be read: {error}"))
            .hint("--replace leaves the columns of earlier runs out")
            .at(Location { path: Some(path), ..Default::default() })
    })
}

/// Stores the tables.
fn write(dataset: &Dataset, settings: &Settings, found: Found, described: serde_json::Value) -> Result<Report> {
    let results = Results::new(dataset, "annotate", described);
    let earlier = stored(dataset)?.into_iter().find(|table| table.table == ANNOTATIONS && !settings.replace);
    let mut sources = earlier.as_ref().map(earlier_sources).transpose()?.unwrap_or_default();
    let is_new = |name: &str| {
        let is_consequences = name == CONSEQUENCES && found.consequences.is_some();
        is_consequences || found.groups.iter().any(|group| group.report.name == name)
    };
    sources.retain(|source| !is_new(&source.name));
    let mut inputs = Vec::new();
    if let Some(earlier) = &earlier {
        let keep = |column: &str| sources.iter().any(|source| source.columns.iter().any(|known| known == column));
        inputs.push(Input::of_stored(dataset, earlier, &keep)?);
    }
    let mut reports = Vec::new();
    for group in &found.groups {
        let kinds = joined_kinds(&group.parts);
        let spilled: Vec<&Spilled> = group.parts.iter().filter_map(|part| Some(&part.values.as_ref()?.0)).collect();
        let input = Input::of_spills(&spilled, &group.columns, &kinds)?;
        let columns = input.columns().iter().map(|column| column.name.clone()).collect();
        reports.push(SourceReport { columns, ..group.report.clone() });
        inputs.push(input);
    }
    if let Some(entries) = &found.consequences {
        let columns = SUMMARY.map(|name| OutColumn { name: name.into(), data_type: DataType::Utf8 });
        let summaries: Vec<&Spilled> = entries.parts.iter().map(|[_, summaries]| summaries).collect();
        inputs.push(Input::of_spills(&summaries, &columns, &[])?);
        reports.push(SourceReport { columns: SUMMARY.map(String::from).into(), ..entries.report.clone() });
    }
    check_names(&inputs, &sources, &reports)?;
    sources.extend(reports.iter().cloned());
    let schema = table_schema(inputs.iter().flat_map(|input| input.columns()));
    let mut out = results.begin_batches(ANNOTATIONS, &schema)?;
    merge(dataset, inputs, &schema, &mut out)?;
    // both tables are there before either takes its name
    let consequences = found.consequences.map(|entries| write_consequences(dataset, &results, entries)).transpose()?;
    let n_consequences = consequences.map(|(out, summary)| out.finish(summary)).transpose()?;
    let n_annotations = out.finish(serde_json::json!({ "sources": sources }))?;
    Ok(Report { sources: reports, n_annotations, n_consequences, warnings: Vec::new() })
}

/// The rows of `consequences`, and their description.
fn write_consequences<'a>(
    dataset: &Dataset,
    results: &'a Results,
    entries: Entries,
) -> Result<(StoredBatches<'a>, serde_json::Value)> {
    let fields = consequence_schema(&entries.format);
    let column = |field: &Arc<Field>| OutColumn { name: field.name().clone(), data_type: field.data_type().clone() };
    let columns: Vec<OutColumn> = fields.fields().iter().skip(4).map(column).collect();
    let spilled: Vec<&Spilled> = entries.parts.iter().map(|[rows, _]| rows).collect();
    let input = Input::of_spills(&spilled, &columns, &[])?;
    let schema = table_schema(input.columns().iter());
    let mut out = results.begin_batches(CONSEQUENCES, &schema)?;
    merge(dataset, vec![input], &schema, &mut out)?;
    let report = SourceReport { columns: SUMMARY.map(String::from).into(), ..entries.report };
    Ok((out, serde_json::json!({ "tag": entries.format.tag, "sources": [report] })))
}

/// The types that hold the texts of all files of a source.
fn joined_kinds(parts: &[Taken]) -> Vec<Option<TextKind>> {
    let mut kinds: Vec<Option<TextKind>> = parts.first().map(|part| part.kinds.clone()).unwrap_or_default();
    for part in &parts[1..] {
        for (at, (known, other)) in kinds.iter_mut().zip(&part.kinds).enumerate() {
            if known != other {
                let all = parts.iter().filter_map(|part| part.joined.guesses.get(at).copied());
                *known = Some(all.reduce(rows::Guess::join).unwrap_or_default().kind());
            }
        }
    }
    kinds
}

/// No two columns of a table have one name.
fn check_names(inputs: &[Input], earlier: &[SourceReport], new: &[SourceReport]) -> Result<()> {
    let mut seen: Vec<&str> = vec!["variant_id", "contig", "pos", "ref", "alt"];
    for column in inputs.iter().flat_map(|input| input.columns()) {
        if seen.contains(&column.name.as_str()) {
            let owner = |source: &&SourceReport| source.columns.contains(&column.name);
            let owner = earlier.iter().chain(new).find(owner).map_or("the keys", |source| source.name.as_str());
            return Err(Error::usage(format!("there would be two columns `{}` (one is of `{owner}`)", column.name))
                .hint("give the source another --name, or the field another one: --columns 'FIELD as NAME'"));
        }
        seen.push(&column.name);
    }
    Ok(())
}
