//! A source from its name to rows that belong to alleles of the dataset.

use super::columnar::{self, Columnar};
use super::consequence::format::Format;
use super::interval::{Intervals, Layout};
use super::join::Setup;
use super::line_file::LineFile;
use super::lines::{self, Joined, LineKind};
use super::rows::TextKind;
use super::spec::{Columns, SourceSpec, has_alleles, nothing_taken};
use super::spill::{Spill, Spilled};
use super::table::{Look, TableKind};
use super::text::{Packing, TextFile};
use super::vcf::VcfKind;
use crate::alleles::MAX_SHIFT_BP;
use crate::dataset::stream::PARQUET_MAGIC;
use crate::decode::bcf;
use crate::error::{Error, Location, Result};
use crate::input::index::{RegionIndex, record_at};
use crate::input::{self, InputFile};
use crate::store::local;
use arrow_schema::SchemaRef;
use std::sync::Arc;

/// First bytes that tell what a file is, at most.
const MAGIC_BYTES: usize = 64;

/// An opened source, and what is taken of it.
pub enum Source {
    /// VCF or BCF.
    Vcf(Box<InputFile>, VcfKind),
    /// Parquet.
    Columnar(Columnar),
    /// A table of text.
    Table(TextFile, TableKind),
    /// BED, GFF3 or GTF.
    Intervals(TextFile, Layout),
}

/// What came of a source.
pub struct Taken {
    /// Counts.
    pub joined: Joined,
    /// Rows of the table `annotations`, where there are columns.
    pub values: Option<(Spilled, SchemaRef)>,
    /// Types of its columns that were found.
    pub kinds: Vec<Option<TextKind>>,
    /// Rows of consequences, and of their summaries.
    pub consequences: Option<[Spilled; 2]>,
    /// What form the source has.
    pub form: String,
    /// Whether an index led to the rows.
    pub by_index: bool,
}

impl Source {
    /// Opens a source, recognised by its content. `consequences`: the tag whose entries are wanted, where any are (an empty one: that
    /// which the header has).
    pub fn open(spec: &SourceSpec, consequences: Option<&str>) -> Result<Source> {
        if local::is_stream(&spec.path) {
            return Err(Error::usage(format!("{} is a stream, which cannot be read twice", spec.path.display()))
                .hint("write it to a file first"));
        }
        let at =
            |error: Error| error.at(Location { path: Some(spec.path.display().to_string()), ..Default::default() });
        if spec.path.is_dir() {
            return Columnar::open(columnar::files_of(&spec.path)?, spec).map(Source::Columnar).map_err(at);
        }
        let file = TextFile::open(&spec.path)?;
        let start = file.start(MAGIC_BYTES)?;
        if file.packing == Packing::Plain && start.starts_with(PARQUET_MAGIC) {
            return Columnar::open(columnar::files_of(&spec.path)?, spec).map(Source::Columnar).map_err(at);
        }
        if start.starts_with(bcf::MAGIC) || start.starts_with(b"##fileformat=VCF") {
            return open_vcf(spec, consequences).map_err(at);
        }
        if start.is_empty() {
            return Err(at(Error::bad_data("the file is empty")));
        }
        let Look { head, intervals } = Look::at(&file).map_err(at)?;
        let is_table = head.as_ref().is_some_and(|head| spec.has_key_in(&head.names) || has_alleles(&head.names));
        match (intervals.filter(|_| !is_table), head) {
            (Some(found), _) => Ok(Source::Intervals(file, Layout::new(found))),
            (None, Some(head)) => {
                let kind = TableKind::new(head, spec).map_err(|error| at(not_understood(error)))?;
                Ok(Source::Table(file, kind))
            }
            (None, None) => Err(at(not_understood(Error::bad_data("the file has no line of names")))),
        }
    }

    /// What it is, for people.
    pub fn form(&self) -> String {
        match self {
            Source::Vcf(file, _) => file.format.name().to_owned(),
            Source::Columnar(_) => "parquet".into(),
            Source::Table(..) => "table".into(),
            Source::Intervals(_, layout) => layout.describe(),
        }
    }

    /// Whether it gives columns of `annotations`.
    pub fn has_columns(&self) -> bool {
        match self {
            Source::Vcf(_, kind) => kind.has_columns(),
            _ => true,
        }
    }

    /// The consequences that it gives.
    pub fn format(&self) -> Option<&Arc<Format>> {
        match self {
            Source::Vcf(_, kind) => kind.format(),
            _ => None,
        }
    }

    /// Reads it. `number` tells its files under way from those of others.
    pub fn read(self, spec: &SourceSpec, setup: &Setup, number: usize) -> Result<Taken> {
        let form = self.form();
        // a source that turns out not to be sorted begins anew, while its first files are still there
        let n_files = std::cell::Cell::new(0);
        let spill = |schema: SchemaRef, table: usize| {
            n_files.set(n_files.get() + 1);
            let name = format!("{number}-{table}-{}", n_files.get());
            Spill::new(setup.targets.dataset().place(), &name, schema)
        };
        match self {
            Source::Vcf(file, kind) => {
                let stretches = stretches(&file, setup)?;
                let by_index = stretches.is_some();
                let (joined, spills) = read_lines(&LineFile::Vcf(&file), &kind, setup, stretches, &spill)?;
                let (values, consequences) = tables(spills, kind.has_columns())?;
                Ok(Taken { joined, values, kinds: Vec::new(), consequences, form, by_index })
            }
            Source::Table(file, kind) => {
                let (offset, n_lines) = kind.start();
                let file = LineFile::Text(&file, offset, n_lines);
                let (joined, spills) = read_lines(&file, &kind, setup, None, &spill)?;
                let found = joined.guesses.iter().map(|guess| guess.kind()).chain(std::iter::repeat(TextKind::Text));
                let kinds = kind.declared().into_iter().zip(found);
                let kinds = kinds.map(|(declared, found)| Some(declared.unwrap_or(found))).collect();
                let (values, consequences) = tables(spills, true)?;
                Ok(Taken { joined, values, kinds, consequences, form, by_index: false })
            }
            Source::Columnar(source) => {
                let place = Location { path: Some(spec.path.display().to_string()), ..Default::default() };
                let (joined, spills) = source.join(setup, &mut || Ok(vec![spill(source.schema(), 0)?]), &place)?;
                let (values, consequences) = tables(spills, true)?;
                Ok(Taken { joined, values, kinds: Vec::new(), consequences, form, by_index: false })
            }
            Source::Intervals(file, layout) => {
                let intervals = Intervals::read(&file, &layout, spec, setup)?;
                let mut rows = spill(intervals.schema(), 0)?;
                let joined = intervals.join(setup, &mut rows)?;
                let (values, consequences) = tables(vec![rows], true)?;
                Ok(Taken { joined, values, kinds: Vec::new(), consequences, form, by_index: false })
            }
        }
    }
}

fn not_understood(error: Error) -> Error {
    match error.class() {
        crate::error::Class::Usage => error,
        class => Error::new(class, format!("{}; the file is no VCF, BCF, Parquet, BED or GFF either", error.message()))
            .hint(error.hint_text().unwrap_or("a table has a line of names, with contig, pos, ref and alt").to_owned()),
    }
}

fn open_vcf(spec: &SourceSpec, consequences: Option<&str>) -> Result<Source> {
    let file = InputFile::open(&spec.path, &spec.path.display().to_string())?;
    let format = match consequences {
        Some(tag) => Format::of_header(&file.header, Some(tag).filter(|tag| !tag.is_empty()))?.map(Arc::new),
        None => None,
    };
    if format.is_none() && spec.columns == Columns::None {
        return Err(nothing_taken());
    }
    let kind = VcfKind::new(&file.header, spec, format)?;
    Ok(Source::Vcf(Box::new(file), kind))
}

fn read_lines<K: LineKind>(
    file: &LineFile,
    kind: &K,
    setup: &Setup,
    stretches: Option<Vec<(u64, u64)>>,
    spill: &dyn Fn(SchemaRef, usize) -> Result<Spill>,
) -> Result<(Joined, Vec<Spill>)> {
    let mut spills = || {
        kind.schemas().into_iter().enumerate().map(|(table, schema)| spill(schema, table)).collect::<Result<Vec<_>>>()
    };
    lines::join(file, kind, setup, stretches, &mut spills)
}

type Tables = (Option<(Spilled, SchemaRef)>, Option<[Spilled; 2]>);

fn tables(spills: Vec<Spill>, has_values: bool) -> Result<Tables> {
    let mut spills = spills.into_iter();
    let values = spills.next().filter(|_| has_values).map(|spill| {
        let schema = spill.schema().clone();
        spill.finish().map(|spilled| (spilled, schema))
    });
    let consequences = match (spills.next(), spills.next()) {
        (Some(rows), Some(summaries)) => Some([rows.finish()?, summaries.finish()?]),
        _ => None,
    };
    Ok((values.transpose()?, consequences))
}

/// Parts of an indexed file that hold all records near alleles of the dataset; `None`: there is no index that can be trusted.
fn stretches(file: &InputFile, setup: &Setup) -> Result<Option<Vec<(u64, u64)>>> {
    if file.format != input::Format::VcfBgzf {
        return Ok(None);
    }
    let Some(index) = RegionIndex::beside(file)? else { return Ok(None) };
    if !index.reaches_the_end_of(&file.mapped)? {
        return Ok(None);
    }
    let mut found = Vec::new();
    let mut knows_contig = false;
    for name in index.contigs() {
        let Some(contig) = setup.contigs.index_of(name.as_bytes()) else { continue };
        knows_contig = true;
        for (first, last) in setup.targets.stretches(contig)? {
            let (first, last) = (first.saturating_sub(MAX_SHIFT_BP), last.saturating_add(MAX_SHIFT_BP));
            let chunks = index.chunks(&name, first.max(1), last).into_iter();
            found.extend(chunks.map(|chunk| (chunk.start, chunk.end, contig)));
        }
    }
    if !knows_contig {
        // read as a whole, to say what contigs it has
        return Ok(None);
    }
    found.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (start, end, contig) in found {
        match merged.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => {
                let found = record_at(file, start)?.and_then(|record| setup.contigs.index_of(&record.chrom));
                if found != Some(contig) {
                    return Ok(None);
                }
                merged.push((start, end));
            }
        }
    }
    Ok(Some(merged))
}
