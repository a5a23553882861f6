//! Reads a selection of a dataset as blocks of variants, in parallel and in order.
//!
//! A block is what one row group of `genotypes` holds (about a million calls), so its bounds depend on the dataset alone.
//! Memory: a few files per worker. Time: one pass over three columns of `genotypes` and a dozen of `variants`.

use super::block::{Block, Call, Counts, Site, Unlisted};
use super::selection::{SampleSet, Selection, VariantFilter};
use crate::commit::manifest::ManifestFile;
use crate::dataset::Dataset;
use crate::dataset::batch::Batch;
use crate::dataset::calls::{CallBatch, CallStream};
use crate::dataset::sites::count_leading;
use crate::dataset::stream::{FileStream, Select, long_bounds, read_metadata};
use crate::error::{Error, Result};
use crate::genome::Locus;
use crate::genome::sex::Sex;
use crate::store::parquet::damaged;
use rayon::prelude::*;

/// Files of `variants` that are in memory at once, per worker.
const FILES_PER_WORKER: usize = 2;

/// The blocks of a selection.
pub struct Source<'a> {
    dataset: &'a Dataset,
    selection: &'a Selection,
}

impl<'a> Source<'a> {
    /// Fails where no sample is selected.
    pub fn new(dataset: &'a Dataset, selection: &'a Selection) -> Result<Source<'a>> {
        if selection.samples.is_empty() {
            return Err(Error::usage("there is no sample to look at").hint(match dataset.manifest().n_samples {
                0 => "the inputs had sites without samples: `varbatch query` reads the table variants",
                _ => "the names and conditions given leave none of the dataset's samples",
            }));
        }
        Ok(Source { dataset, selection })
    }

    /// Gives every block to `map`, several at once, and what it returns to `take`, in the order of the tables. A block may be
    /// empty of variants; blocks without any variant before the tests of counts are left out.
    pub fn run<T: Send>(
        &self,
        map: impl Fn(Block) -> Result<T> + Sync,
        mut take: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let files = self.files();
        for window in files.chunks(FILES_PER_WORKER * rayon::current_num_threads()) {
            let results: Vec<Vec<T>> =
                window.par_iter().map(|file| self.map_file(file, &map)).collect::<Result<_>>()?;
            results.into_iter().flatten().try_for_each(&mut take)?;
        }
        Ok(())
    }

    /// Files of `variants` in row order.
    fn files(&self) -> Vec<&'a ManifestFile> {
        let contigs = self.dataset.manifest().contigs.iter();
        let wanted = contigs.filter(|contig| self.selection.variants.wants_contig(&contig.name));
        wanted.flat_map(|contig| self.dataset.contig_files("variants", &contig.name)).collect()
    }

    fn map_file<T: Send>(&self, file: &ManifestFile, map: &(impl Fn(Block) -> Result<T> + Sync)) -> Result<Vec<T>> {
        let sites = self.sites_of(file)?;
        if sites.is_empty() {
            return Ok(Vec::new());
        }
        let parts = match self.dataset.genotypes_of(file) {
            Some(calls) => parts(&long_bounds(&read_metadata(&self.dataset.full_path(calls)?)?, "variant_id")),
            None => vec![Part { last: i64::MAX, row_groups: Vec::new() }],
        };
        let mut tasks = Vec::new();
        let mut rest = &sites[..];
        for part in &parts {
            let (own, others) = rest.split_at(rest.partition_point(|site| site.variant_id <= part.last));
            rest = others;
            if !own.is_empty() {
                tasks.push((own, &part.row_groups[..]));
            }
        }
        tasks.into_par_iter().map(|(own, groups)| self.block(file, own, groups).and_then(map)).collect()
    }

    /// The wanted rows of a file, as far as can be said without calls. Their counts are not set.
    fn sites_of(&self, file: &ManifestFile) -> Result<Vec<Site>> {
        let contig = file.contig.as_deref().unwrap_or_default();
        let contigs = &self.dataset.manifest().contigs;
        let index = contigs.iter().position(|known| known.name == contig).unwrap_or_default() as u32;
        let path = self.dataset.full_path(file)?;
        let filter = &self.selection.variants;
        let select = Select::columns(&SITE_COLUMNS).with_ids(wanted_ids(filter, contig, index));
        let mut sites = Vec::new();
        for batch in FileStream::open(&path, &select)? {
            read_sites(&batch?, filter, (contig, index), &mut sites)?;
        }
        Ok(sites)
    }

    /// The block of these sites, whose calls are in these row groups.
    fn block(&self, file: &ManifestFile, sites: &[Site], row_groups: &[usize]) -> Result<Block> {
        let samples = &self.selection.samples;
        let mut filling = Filling { block: Block::new(samples.len()), selection: self.selection, rest: sites };
        if let Some(calls) = self.dataset.genotypes_of(file) {
            let filter = &self.selection.variants;
            let is_part = filter.regions.is_some() || filter.variant_ids.is_some();
            let ids = sites.first().zip(sites.last()).map(|(first, last)| (first.variant_id, last.variant_id));
            let select = Select::default().with_row_groups(Some(row_groups.to_vec())).with_ids(ids.filter(|_| is_part));
            let path = self.dataset.full_path(calls)?;
            for batch in CallStream::open(&path, &select, Call::of_text)? {
                if !filling.take(&batch?) {
                    return Err(damaged(&path, "the calls of a variant are not in the order of the samples"));
                }
            }
        }
        while let [site, ..] = filling.rest {
            filling.end(site);
        }
        Ok(filling.block)
    }
}

const SITE_COLUMNS: [&str; 11] =
    ["variant_id", "pos", "id", "ref", "alt", "type", "filters", "n_alts", "n_hom_ref", "n_hemi_ref", "contig"];

/// Variants up to an identifier, and the row groups of `genotypes` that have their calls.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    /// The last variant; the first is the one after the part before.
    last: i64,
    row_groups: Vec<usize>,
}

/// Divides the variants of a shard by the row groups that their calls begin in. `bounds`: smallest and largest `variant_id` by row
/// group; without them everything is one part.
fn parts(bounds: &[Option<(i64, i64)>]) -> Vec<Part> {
    let Some(bounds) = bounds.iter().copied().collect::<Option<Vec<_>>>() else {
        return vec![Part { last: i64::MAX, row_groups: (0..bounds.len()).collect() }];
    };
    let mut parts: Vec<Part> = Vec::with_capacity(bounds.len().max(1));
    for (group, &(first, last)) in bounds.iter().enumerate() {
        match parts.last_mut() {
            // the calls of one variant go on through this whole group
            Some(part) if part.last == last => part.row_groups.push(group),
            before => {
                if let Some(part) = before.filter(|part| part.last == first) {
                    part.row_groups.push(group);
                }
                parts.push(Part { last, row_groups: vec![group] });
            }
        }
    }
    match parts.last_mut() {
        Some(part) => part.last = i64::MAX,
        None => parts.push(Part { last: i64::MAX, row_groups: Vec::new() }),
    }
    parts
}

/// Least and largest `variant_id` of the wanted rows of a contig; `None`: all are.
fn wanted_ids(filter: &VariantFilter, contig: &str, index: u32) -> Option<(i64, i64)> {
    let id = |pos: i64, rank: u16| {
        let vcf_pos = pos.clamp(0, i64::from(i32::MAX)) as i32;
        Locus { contig: index, vcf_pos }.id(rank)
    };
    let whole = (id(0, 0), id(i64::MAX, u16::MAX));
    let narrower = |a: (i64, i64), b: (i64, i64)| (a.0.max(b.0), a.1.min(b.1));
    let hull = |a: (i64, i64), b: (i64, i64)| (a.0.min(b.0), a.1.max(b.1));
    let none = (i64::MAX, i64::MIN);
    let by_region = filter.regions.as_ref().map(|regions| {
        let own = regions.iter().filter(|region| region.contig == contig);
        own.map(|region| (id(region.first, 0), id(region.last, u16::MAX))).fold(none, hull)
    });
    let by_list = filter.variant_ids.as_ref().map(|ids| {
        let own = ids.iter().filter(|&&id| whole.0 <= id && id <= whole.1);
        own.map(|&id| (id, id)).fold(none, hull)
    });
    match (by_region, by_list) {
        (Some(one), Some(two)) => Some(narrower(one, two)),
        (one, two) => one.or(two),
    }
}

/// Adds the wanted rows of a batch. `contig`: name and index.
fn read_sites(batch: &Batch, filter: &VariantFilter, contig: (&str, u32), sites: &mut Vec<Site>) -> Result<()> {
    let (ids, pos) = (batch.longs("variant_id")?, batch.ints("pos")?);
    let (ref_allele, alt_allele, kind) = (batch.texts("ref")?, batch.texts("alt")?, batch.texts("type")?);
    let (n_hom_ref, n_hemi_ref) = (batch.ints("n_hom_ref")?, batch.ints("n_hemi_ref")?);
    let (n_alts, names, filters) = (batch.ints("n_alts")?, batch.column("id"), batch.column("filters"));
    for row in 0..batch.n_rows() {
        let failed = || filters.and_then(|column| column.items(row)).is_some_and(|items| items.len() > 0);
        let wanted = filter.wants_pos(contig.0, pos.value(row))
            && filter.variant_ids.as_ref().is_none_or(|wanted| wanted.contains(&ids.value(row)))
            && (filter.types.is_empty() || filter.types.iter().any(|wanted| wanted == kind.value(row)))
            && (!filter.biallelic || n_alts.value(row) == 1)
            && !(filter.pass && failed());
        if !wanted {
            continue;
        }
        let name = names.and_then(|column| column.value(row)).and_then(|value| value.text());
        sites.push(Site {
            variant_id: ids.value(row),
            contig: contig.1,
            pos: pos.value(row),
            id: name.map(Box::from),
            ref_allele: Box::from(ref_allele.value(row)),
            alt_allele: Box::from(alt_allele.value(row)),
            n_alts: n_alts.value(row),
            counts: Counts::default(),
            unlisted: match (n_hom_ref.value(row), n_hemi_ref.value(row)) {
                (_, 0) => Unlisted::HomRef,
                (0, _) => Unlisted::HemiRef,
                _ => Unlisted::BySex,
            },
        });
    }
    Ok(())
}

/// A block that is being filled with calls.
struct Filling<'a> {
    block: Block,
    selection: &'a Selection,
    /// Sites that are not ended.
    rest: &'a [Site],
}

impl<'a> Filling<'a> {
    /// Takes calls, of rising variants; false: those of a variant are not in the order of the samples.
    fn take(&mut self, batch: &CallBatch<Call>) -> bool {
        let ids = batch.variant_ids.values();
        let mut row = 0;
        while row < ids.len() {
            let id = ids[row];
            let end = row + count_leading(&ids[row..], |other| other <= id);
            while let [site, ..] = self.rest
                && site.variant_id < id
            {
                self.end(site);
            }
            let [site, ..] = self.rest else { return true };
            let (samples, calls) = (&batch.samples.values()[row..end], &batch.calls[row..end]);
            if site.variant_id == id && !self.list(site, samples, calls) {
                return false;
            }
            row = end;
        }
        true
    }

    /// Lists calls of `site` that are not what an unlisted sample has; false: not in the order of the samples.
    fn list(&mut self, site: &Site, samples: &[i32], calls: &[Call]) -> bool {
        let default = match site.unlisted {
            Unlisted::HomRef => Some(Call::HomRef),
            Unlisted::HemiRef => Some(Call::HemiRef),
            Unlisted::BySex => None,
        };
        let mut least = self.block.open_calls().0.last().map_or(0, |last| last + 1);
        for (&sample, &call) in samples.iter().zip(calls) {
            if Some(call) != default
                && let Some(position) = self.selection.samples.position(sample)
            {
                if position < least {
                    return false;
                }
                least = position + 1;
                self.block.push_call(position, call);
            }
        }
        true
    }

    /// The calls of `site`, the first of the rest, are complete.
    fn end(&mut self, site: &Site) {
        self.rest = &self.rest[1..];
        let counts = count(&self.block, site.unlisted, &self.selection.samples);
        match self.selection.variants.wants_counts(&counts) {
            true => self.block.end_variant(Site { counts, ..site.clone() }),
            false => self.block.drop_variant(),
        }
    }
}

/// Counts the open calls of `block` and the samples that are not listed.
fn count(block: &Block, unlisted: Unlisted, samples: &SampleSet) -> Counts {
    let (listed, calls) = block.open_calls();
    let mut by_call = [0u64; 6];
    for &call in calls {
        by_call[call as usize] += 1;
    }
    let mut counts = Counts {
        n_hom_ref: by_call[Call::HomRef as usize],
        n_het: by_call[Call::Het as usize],
        n_hom_alt: by_call[Call::HomAlt as usize],
        n_missing: by_call[Call::Missing as usize],
        n_hemi_ref: by_call[Call::HemiRef as usize],
        n_hemi_alt: by_call[Call::HemiAlt as usize],
    };
    let n_rest = (samples.len() - listed.len()) as u64;
    match unlisted {
        Unlisted::HomRef => counts.n_hom_ref += n_rest,
        Unlisted::HemiRef => counts.n_hemi_ref += n_rest,
        Unlisted::BySex => {
            let is_male = |position: usize| samples.sex(position) == Some(Sex::Male);
            let n_males = (0..samples.len()).filter(|&at| is_male(at)).count() as u64;
            let n_listed = listed.iter().filter(|&&at| is_male(at as usize)).count() as u64;
            counts.n_hemi_ref += n_males - n_listed;
            counts.n_hom_ref += n_rest - (n_males - n_listed);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_divided_by_row_groups() {
        let part = |last, row_groups: &[usize]| Part { last, row_groups: row_groups.to_vec() };
        assert_eq!(parts(&[]), [part(i64::MAX, &[])]);
        assert_eq!(parts(&[Some((1, 5)), Some((6, 9))]), [part(5, &[0]), part(i64::MAX, &[1])]);
        // variant 5 goes on in the second group, and through the whole third
        assert_eq!(parts(&[Some((1, 5)), Some((5, 9))]), [part(5, &[0, 1]), part(i64::MAX, &[1])]);
        assert_eq!(parts(&[Some((1, 5)), Some((5, 5)), Some((5, 7))]), [part(5, &[0, 1, 2]), part(i64::MAX, &[2])]);
        assert_eq!(parts(&[Some((1, 5)), None]), [part(i64::MAX, &[0, 1])]);
    }
}
