//! Walks one contig of a dataset site by site: the allele rows of a site together with their calls.
//!
//! Rows are sorted by normalised position, so the rows of one site can stand apart, with rows of other sites between
//! them. Normalisation moves an allele by at most [`MAX_SHIFT_BP`], so a window of that reach holds every open site.
//! Memory: the batches under the window; time: one pass over both tables.

use super::Dataset;
use super::batch::Batch;
use super::region::Region;
use super::stream::{Chain, FileStream, Select, long_bounds, read_metadata};
use crate::alleles::MAX_SHIFT_BP;
use crate::commit::manifest::ManifestFile;
use crate::error::{Error, Result};
use crate::genome::split_id;
use crate::store::DataFile;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Calls of one allele row that lie in one batch.
#[derive(Clone, Debug)]
pub struct CallRun {
    /// Batch of `genotypes`.
    pub batch: Arc<Batch>,
    /// First row.
    pub start: usize,
    /// Behind the last row.
    pub end: usize,
}

/// One row of `variants` with its calls.
#[derive(Clone, Debug)]
pub struct AlleleRow {
    /// Batch of `variants`.
    pub batch: Arc<Batch>,
    /// Row in the batch.
    pub row: usize,
    /// Its identifier.
    pub variant_id: i64,
    /// Identifier of its record.
    pub site_id: i64,
    /// 1-based index among the ALT of the record, 0 without ALT.
    pub alt_index: i32,
    /// Number of ALT of the record.
    pub n_alts: i32,
    /// Calls, sorted by sample.
    pub calls: Vec<CallRun>,
}

/// One input record: its allele rows in the order of ALT.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its identifier.
    pub site_id: i64,
    /// 1-based POS of the record.
    pub vcf_pos: i64,
    /// Number of ALT of the record; fewer rows are here when an allele shares the row of another record.
    pub n_alts: i32,
    /// At least one.
    pub rows: Vec<AlleleRow>,
}

/// What to read of both tables.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Columns of `variants`, `None` for all; the identifiers are always read.
    pub variants: Option<Vec<String>>,
    /// Columns of `genotypes`, `None` for all; `variant_id` and `sample_index` are always read.
    pub genotypes: Option<Vec<String>>,
    /// Leave the genotypes out.
    pub without_calls: bool,
    /// Give each allele row as a site of its own, in row order; regions then mean the rows' own positions.
    pub split: bool,
}

const VARIANT_KEYS: [&str; 5] = ["variant_id", "pos", "site_id", "alt_index", "n_alts"];
const CALL_KEYS: [&str; 2] = ["variant_id", "sample_index"];

fn select(columns: &Option<Vec<String>>, keys: &[&str]) -> Select {
    match columns {
        None => Select::all(),
        Some(names) => {
            let mut all: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
            all.extend(names.iter().cloned());
            Select::columns(&all)
        }
    }
}

/// Allele rows in file order, each with its calls.
pub struct RowReader {
    variants: Chain,
    calls: CallReader,
    /// Sites (with `wants_rows`: rows) to keep; `None` is all.
    wanted: Option<HashSet<i64>>,
    wants_rows: bool,
    batch: Option<(Arc<Batch>, usize)>,
    n_calls: u64,
}

impl RowReader {
    /// The rows of one variants file, with the calls of the genotypes file of its shard.
    pub fn of_shard(variants: &DataFile, genotypes: Option<&DataFile>, columns: &Columns) -> RowReader {
        let variant_files = vec![(variants.clone(), select(&columns.variants, &VARIANT_KEYS))];
        let calls = genotypes.filter(|_| !columns.without_calls);
        let call_files = calls.map(|path| (path.clone(), select(&columns.genotypes, &CALL_KEYS)));
        RowReader::new(variant_files, call_files.into_iter().collect(), None, false)
    }

    fn new(
        variant_files: Vec<(DataFile, Select)>,
        call_files: Vec<(DataFile, Select)>,
        wanted: Option<HashSet<i64>>,
        wants_rows: bool,
    ) -> RowReader {
        RowReader {
            variants: Chain::new(variant_files),
            calls: CallReader { chain: Chain::new(call_files), batch: None },
            wanted,
            wants_rows,
            batch: None,
            n_calls: 0,
        }
    }

    /// The next row.
    pub fn next_row(&mut self) -> Result<Option<AlleleRow>> {
        loop {
            let (batch, row) = match self.batch.take() {
                Some((batch, row)) if row < batch.n_rows() => (batch, row),
                _ => match self.variants.next_batch()? {
                    Some(batch) => (Arc::new(batch), 0),
                    None => return Ok(None),
                },
            };
            self.batch = Some((Arc::clone(&batch), row + 1));
            let (variant_id, site_id) = (batch.longs("variant_id")?.value(row), batch.longs("site_id")?.value(row));
            let key = if self.wants_rows { variant_id } else { site_id };
            if self.wanted.as_ref().is_some_and(|wanted| !wanted.contains(&key)) {
                continue;
            }
            let calls = self.calls.of_variant(variant_id)?;
            self.n_calls += calls.iter().map(|run| (run.end - run.start) as u64).sum::<u64>();
            let (alt_index, n_alts) = (batch.ints("alt_index")?.value(row), batch.ints("n_alts")?.value(row));
            return Ok(Some(AlleleRow { batch, row, variant_id, site_id, alt_index, n_alts, calls }));
        }
    }

    /// Calls that belonged to a row so far.
    pub fn n_calls(&self) -> u64 {
        self.n_calls
    }
}

/// Sites of one contig in the order of POS, then of the records at that POS.
pub struct SiteReader {
    rows: RowReader,
    split: bool,
    open: BTreeMap<i64, Site>,
    /// Sites below this POS are complete.
    horizon: i64,
    last_site: i64,
    done: bool,
}

impl SiteReader {
    /// All sites of `contig`, or those that touch one of `regions` (which are all of this contig).
    pub fn open(dataset: &Dataset, contig: &str, columns: &Columns, regions: Option<&[Region]>) -> Result<SiteReader> {
        let scope = match regions {
            Some(regions) if !regions.iter().any(|region| region.first <= 1 && region.last == i64::MAX) => {
                Some(Scope::find(dataset, contig, regions, columns.split)?)
            }
            _ => None,
        };
        let variants_select = select(&columns.variants, &VARIANT_KEYS);
        let calls_select = select(&columns.genotypes, &CALL_KEYS);
        let mut variant_files = Vec::new();
        let mut call_files = Vec::new();
        for (at, file) in dataset.contig_files("variants", contig).into_iter().enumerate() {
            let groups = scope.as_ref().map(|scope| &scope.files[at]);
            if groups.is_some_and(|groups| groups.row_groups.is_empty()) {
                continue;
            }
            let own = groups.map(|groups| groups.row_groups.clone());
            variant_files.push((dataset.full_path(file)?, variants_select.clone().with_row_groups(own)));
            if let Some(calls) = dataset.genotypes_of(file).filter(|_| !columns.without_calls) {
                let path = dataset.full_path(calls)?;
                let theirs = groups.map(|groups| groups.call_groups(&path)).transpose()?;
                call_files.push((path, calls_select.clone().with_row_groups(theirs)));
            }
        }
        Ok(SiteReader {
            rows: RowReader::new(variant_files, call_files, scope.map(|scope| scope.ids), columns.split),
            split: columns.split,
            open: BTreeMap::new(),
            horizon: i64::MIN,
            last_site: i64::MIN,
            done: false,
        })
    }

    /// The next site.
    pub fn next_site(&mut self) -> Result<Option<Site>> {
        if self.split {
            return Ok(self.rows.next_row()?.map(Site::of_row));
        }
        loop {
            if let Some(first) = self.open.first_entry()
                && (self.done || first.get().vcf_pos < self.horizon)
            {
                let mut site = first.remove();
                site.rows.sort_by_key(|row| row.alt_index);
                self.last_site = site.site_id;
                return Ok(Some(site));
            }
            if self.done {
                return Ok(None);
            }
            match self.rows.next_row()? {
                Some(row) => self.take_row(row)?,
                None => self.done = true,
            }
        }
    }

    /// Takes a row into its site.
    fn take_row(&mut self, row: AlleleRow) -> Result<()> {
        self.horizon = i64::from(row.batch.ints("pos")?.value(row.row)) - i64::from(MAX_SHIFT_BP);
        if row.site_id <= self.last_site {
            return Err(Error::bad_data(format!(
                "{}: an allele row of site {} is more than {MAX_SHIFT_BP} bp away from its record",
                row.batch.place(),
                row.site_id
            ))
            .hint("`varbatch verify` checks the dataset"));
        }
        match self.open.get_mut(&row.site_id) {
            Some(site) => site.rows.push(row),
            None => {
                let site = Site::of_row(row);
                self.open.insert(site.site_id, site);
            }
        }
        Ok(())
    }
}

impl Site {
    fn of_row(row: AlleleRow) -> Site {
        let vcf_pos = i64::from(split_id(row.site_id).0.vcf_pos);
        Site { site_id: row.site_id, vcf_pos, n_alts: row.n_alts, rows: vec![row] }
    }
}

/// Finds the calls of rising variant ids.
struct CallReader {
    chain: Chain,
    batch: Option<(Arc<Batch>, usize)>,
}

impl CallReader {
    fn of_variant(&mut self, variant_id: i64) -> Result<Vec<CallRun>> {
        let mut runs = Vec::new();
        loop {
            if self.batch.as_ref().is_none_or(|(batch, at)| *at == batch.n_rows()) {
                match self.chain.next_batch()? {
                    Some(batch) => self.batch = Some((Arc::new(batch), 0)),
                    None => {
                        self.batch = None;
                        return Ok(runs);
                    }
                }
            }
            let Some((batch, at)) = &mut self.batch else { return Ok(runs) };
            let ids = &batch.longs("variant_id")?.values()[*at..];
            let start = *at + count_leading(ids, |id| id < variant_id);
            let end = *at + count_leading(ids, |id| id <= variant_id);
            if end > start {
                runs.push(CallRun { batch: Arc::clone(batch), start, end });
            }
            *at = end;
            if end < batch.n_rows() {
                return Ok(runs);
            }
        }
    }
}

/// Number of leading items of a sorted slice that pass `test`; O(log of the answer), for answers near the start.
pub(crate) fn count_leading(sorted: &[i64], test: impl Fn(i64) -> bool) -> usize {
    let mut reach = 1;
    while reach < sorted.len() && test(sorted[reach]) {
        reach *= 2;
    }
    let window = &sorted[..sorted.len().min(reach + 1)];
    window.partition_point(|&id| test(id))
}

/// The sites (or rows) of some regions and where their rows are.
struct Scope {
    ids: HashSet<i64>,
    /// One entry per variants file of the contig.
    files: Vec<FileScope>,
}

#[derive(Default)]
struct FileScope {
    row_groups: Vec<usize>,
    /// Smallest and largest wanted variant id per row group.
    ids: Vec<(i64, i64)>,
}

impl Scope {
    /// Two passes over a few columns of `variants`: which sites touch a region, and which row groups have their rows.
    fn find(dataset: &Dataset, contig: &str, regions: &[Region], split: bool) -> Result<Scope> {
        let files = dataset.contig_files("variants", contig);
        let key = if split { "variant_id" } else { "site_id" };
        let mut ids = HashSet::new();
        for file in &files {
            let columns = Select::columns(&["variant_id", "pos", "end", "site_id", "site_ref"]);
            for batch in FileStream::open(&dataset.full_path(file)?, &columns)? {
                let batch = batch?;
                for row in 0..batch.n_rows() {
                    let (first, last) = if split { row_extent(&batch, row)? } else { site_extent(&batch, row)? };
                    if regions.iter().any(|region| region.overlaps(first, last)) {
                        ids.insert(batch.longs(key)?.value(row));
                    }
                }
            }
        }
        let scopes = files.iter().map(|file| FileScope::find(dataset.full_path(file)?, key, &ids));
        Ok(Scope { files: scopes.collect::<Result<_>>()?, ids })
    }
}

impl FileScope {
    /// `wanted`: values of the column `key` to look for.
    fn find(path: DataFile, key: &str, wanted: &HashSet<i64>) -> Result<FileScope> {
        let mut scope = FileScope::default();
        for group in 0..read_metadata(&path)?.num_row_groups() {
            let select = Select::columns(&["variant_id", key]).with_row_groups(Some(vec![group]));
            let mut found: Option<(i64, i64)> = None;
            for batch in FileStream::open(&path, &select)? {
                let batch = batch?;
                let (ids, keys) = (batch.longs("variant_id")?, batch.longs(key)?);
                for row in (0..batch.n_rows()).filter(|&row| wanted.contains(&keys.value(row))) {
                    let id = ids.value(row);
                    let (low, high) = found.unwrap_or((id, id));
                    found = Some((low.min(id), high.max(id)));
                }
            }
            if let Some(ids) = found {
                scope.row_groups.push(group);
                scope.ids.push(ids);
            }
        }
        Ok(scope)
    }

    /// Row groups of the genotypes file at `path` that can hold calls of the wanted rows.
    fn call_groups(&self, path: &DataFile) -> Result<Vec<usize>> {
        let bounds = long_bounds(&read_metadata(path)?, "variant_id");
        let touches = |bound: &Option<(i64, i64)>| match bound {
            Some((low, high)) => self.ids.iter().any(|(first, last)| first <= high && last >= low),
            None => true,
        };
        Ok((0..bounds.len()).filter(|&group| touches(&bounds[group])).collect())
    }
}

/// First and last reference base (1-based, inclusive) of an allele row.
pub fn row_extent(batch: &Batch, row: usize) -> Result<(i64, i64)> {
    let first = i64::from(batch.ints("pos")?.value(row));
    Ok((first, i64::from(batch.ints("end")?.value(row)).max(first)))
}

/// First and last reference base (1-based, inclusive) of the record that a row came from.
pub fn site_extent(batch: &Batch, row: usize) -> Result<(i64, i64)> {
    let first = i64::from(split_id(batch.longs("site_id")?.value(row)).0.vcf_pos);
    let end = i64::from(batch.ints("end")?.value(row));
    let written = batch.texts("site_ref")?;
    let moved = i64::from(batch.ints("pos")?.value(row)) != first;
    let last = match arrow_array::Array::is_null(written, row) {
        true => end,
        false if moved => first + written.value(row).len() as i64 - 1,
        false => end.max(first + written.value(row).len() as i64 - 1),
    };
    Ok((first, last.max(first)))
}

/// The files of one shard: `variants`, and `genotypes` where there are any.
pub fn shard_files(dataset: &Dataset) -> Vec<(&ManifestFile, Option<&ManifestFile>)> {
    dataset.files("variants").map(|file| (file, dataset.genotypes_of(file))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_items_are_found_at_any_distance() {
        let ids: Vec<i64> = (0..1000).map(|i| i / 3).collect();
        for limit in [-1, 0, 1, 5, 100, 332, 333, 500] {
            let expected = ids.iter().filter(|&&id| id <= limit).count();
            assert_eq!(count_leading(&ids, |id| id <= limit), expected, "{limit}");
        }
        assert_eq!(count_leading(&[], |_| true), 0);
    }
}
