//! One shard of a cohort whose inputs have different samples: records of all inputs in the order of position, rows of the
//! same normalised allele put together.
//!
//! - Two rows are one when position, REF, ALT and occurrence (the n-th such row of its input) are the same.
//! - An input that lacks a row is called there all the same when it has a record of the site: one without ALT, or with an
//!   allele of the same class (substitutions; insertions and deletions; others), that has the POS and REF of a record
//!   that has the row, or a row at the same position and REF. Its other alleles are `2`.
//! - Any other input is missing there: `./.`, never `0/0`.
//! - A site is what records with the same (POS, REF, classes of ALT, occurrence) make up; a row of several sites belongs
//!   to the least. Where an input has two records of a site, each of the site's rows is a site of its own.
//!
//! All this is decided from records within [`MERGE_HALO_BP`], so it does not depend on where shards are cut.
//! Memory: the records of all inputs within twice that distance.

mod fields;

use fields::{MergedFields, WrittenAllele};

use super::emit::{Emitter, Part, Row};
use super::record::{Held, Line, end_of, fill, locus, rows_of};
use super::rehearsal::Rehearsal;
use super::shard::{Context, Outcome, interrupted, reference_of, reject, set_aside_line};
use super::writers::ShardFiles;
use crate::alleles::{AlleleType, MAX_SHIFT_BP, ReferenceBases};
use crate::columns::field::AlleleOfSite;
use crate::commit::manifest::Accounting;
use crate::decode::lines::LineReader;
use crate::decode::vcf::{RecordIndex, locus_of_line, undefined_contig};
use crate::error::{Error, Location, Result};
use crate::genome::Locus;
use crate::plan::OnBadRecord;
use crate::profile::{self, Stage};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::path::Path;
use std::sync::atomic::Ordering;

/// How far apart records can be that decide about one row: row to record, record to its other rows, those to theirs.
pub const MERGE_HALO_BP: i32 = 3 * MAX_SHIFT_BP;

/// One input of a merge, from the halo of the shard on.
pub struct MergeSource<'a> {
    /// As the user named it.
    pub name: &'a str,
    /// Group of inputs with the same samples.
    pub group: usize,
    /// Its records.
    pub lines: LineReader<'a>,
}

/// The records of one shard of a merge.
pub struct MergeTask<'a> {
    /// Shard number.
    pub number: u64,
    /// First owned position.
    pub own_start: Option<Locus>,
    /// First position behind.
    pub own_end: Option<Locus>,
    /// In cohort order.
    pub sources: Vec<MergeSource<'a>>,
    /// First sample and number of samples of each group.
    pub groups: Vec<(u32, u32)>,
}

/// A normalised allele.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct RowKey {
    vcf_pos: i32,
    ref_allele: Vec<u8>,
    alt_allele: Vec<u8>,
}

/// A row: an allele, and which occurrence of it.
type RowId = (RowKey, u32);

/// POS, REF, classes of ALT and occurrence of records: what makes records of several inputs one site.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct SiteKey {
    vcf_pos: i32,
    ref_allele: Vec<u8>,
    /// All classes less those of the record's ALT, as bits: sites of more classes come first, so that a row that is in
    /// a record with other classes and in one without belongs to the former.
    other_classes: u8,
    occurrence: u32,
}

/// A record's share in a row.
#[derive(Clone, Copy, Debug)]
struct Member {
    record: usize,
    alt_index: u32,
    group: usize,
    occurrence: u32,
    allele_type: AlleleType,
}

/// A record in the window.
#[derive(Default)]
struct MergeRecord {
    held: Held,
    source: usize,
    group: usize,
    site: SiteKey,
    rows: Vec<RowId>,
}

/// Bits of all classes.
const ALL_CLASSES: u8 = 0b111;

/// Alleles of one class share a site in tools of the field (`bcftools merge -m both`): a caller that reports one has
/// looked for the others.
fn class_of(allele_type: AlleleType) -> u8 {
    match allele_type {
        AlleleType::Snv | AlleleType::Mnv => 0b001,
        AlleleType::Ins | AlleleType::Del => 0b010,
        AlleleType::Symbolic | AlleleType::Breakend | AlleleType::Other => 0b100,
    }
}

/// A site with its alleles in order.
struct Site {
    rank: u16,
    alts: Vec<RowId>,
    /// An input has two records of the site (it splits what another has in one): calls of the two cannot be put
    /// together, so each row is a site of its own.
    is_split: bool,
}

struct OpenSource<'a> {
    name: &'a str,
    group: usize,
    lines: LineReader<'a>,
    line: Vec<u8>,
    last: Option<Locus>,
    /// Rank of the line among those at its position.
    rank: u16,
    /// Bytes reported as read.
    n_bytes: u64,
}

/// Whether a position is in a range from its first to before its second; `None` is open.
fn owns(own: (Option<Locus>, Option<Locus>), found: Locus) -> bool {
    own.0.is_none_or(|start| found >= start) && own.1.is_none_or(|end| found < end)
}

/// Runs one shard of a merge; its files are below `staging` after.
pub fn run_merge_shard(context: &Context, task: MergeTask, staging: &Path) -> Result<Outcome> {
    let _stage = profile::enter(Stage::Parse);
    let schemas = context.schemas;
    let files = ShardFiles::new(staging, task.number, schemas, context.n_samples);
    let mut merge = Merge {
        context,
        emitter: Emitter::new(context, files),
        own: (task.own_start, task.own_end),
        groups: task.groups,
        sources: Vec::new(),
        next: BinaryHeap::new(),
        reference: None,
        contig: None,
        records: Vec::new(),
        free: Vec::new(),
        live: VecDeque::new(),
        pending: BTreeMap::new(),
        links: HashMap::new(),
        by_site: HashMap::new(),
        sites_at: BTreeMap::new(),
        sites: HashMap::new(),
        assigned: HashMap::new(),
        rehearsal: (context.on_bad_record == OnBadRecord::Skip).then(|| Rehearsal::new(context)),
        accounting: Accounting::default(),
        n_sites: 0,
    };
    merge.open(task.sources)?;
    merge.read_all()?;
    merge.finish()
}

struct Merge<'a> {
    context: &'a Context<'a>,
    emitter: Emitter<'a>,
    own: (Option<Locus>, Option<Locus>),
    groups: Vec<(u32, u32)>,
    sources: Vec<OpenSource<'a>>,
    /// Position of each source's next record.
    next: BinaryHeap<Reverse<(Locus, usize)>>,
    reference: Option<Box<dyn ReferenceBases + 'a>>,
    contig: Option<u32>,
    records: Vec<MergeRecord>,
    free: Vec<usize>,
    /// Records in the window, in the order they were read.
    live: VecDeque<usize>,
    pending: BTreeMap<RowKey, Vec<Member>>,
    /// Records by their (POS, REF) and by the (position, REF) of their rows.
    links: HashMap<(i32, Vec<u8>), Vec<usize>>,
    by_site: HashMap<SiteKey, Vec<usize>>,
    /// Sites by POS, in the order of their first records.
    sites_at: BTreeMap<i32, Vec<SiteKey>>,
    sites: HashMap<SiteKey, Site>,
    /// Site and ALT index of rows whose site is known.
    assigned: HashMap<RowId, (SiteKey, u32)>,
    rehearsal: Option<Rehearsal>,
    accounting: Accounting,
    n_sites: i64,
}

impl<'a> Merge<'a> {
    fn open(&mut self, sources: Vec<MergeSource<'a>>) -> Result<()> {
        for (index, source) in sources.into_iter().enumerate() {
            let MergeSource { name, group, lines } = source;
            self.sources.push(OpenSource { name, group, lines, line: Vec::new(), last: None, rank: 0, n_bytes: 0 });
            self.advance(index)?;
        }
        Ok(())
    }

    /// Reads the next line of a source and puts it in order.
    fn advance(&mut self, index: usize) -> Result<()> {
        let source = &mut self.sources[index];
        let place =
            |error: Error, name: &str| error.at(Location { path: Some(name.to_string()), ..Default::default() });
        loop {
            let Some(line) = source.lines.next_line().map_err(|error| place(error, source.name))? else {
                return Ok(());
            };
            if line.is_empty() {
                continue;
            }
            let (chrom, vcf_pos) = match locus_of_line(line) {
                Ok(found) => found,
                // it belongs with the record before it, or with the start of the file
                Err(error) => {
                    let (own, regions) = (self.own, &self.context.regions);
                    let is_owned = |last: Locus| owns(own, last) && regions.contains(last);
                    if source.last.map_or(own.0.is_none() && regions.is_all(), is_owned) {
                        let error = place(error, source.name);
                        set_aside_line(error, self.context, &mut self.accounting, source.name, line)?;
                    }
                    continue;
                }
            };
            let Some(contig) = self.context.contigs.index_of(chrom) else {
                return Err(place(undefined_contig(chrom), source.name));
            };
            let found = locus(contig, vcf_pos);
            if source.last.is_some_and(|last| found < last) {
                let name = source.name.to_string();
                return Err(place(
                    super::shard::unsorted(format!(
                        "the record at {}:{vcf_pos} comes after later ones (contigs must be in the order of the headers)",
                        String::from_utf8_lossy(chrom)
                    )),
                    &name,
                ));
            }
            source.rank = if source.last == Some(found) { source.rank.saturating_add(1) } else { 0 };
            source.last = Some(found);
            source.line.clear();
            source.line.extend_from_slice(line);
            let n_bytes = source.lines.n_bytes_read();
            if n_bytes > source.n_bytes {
                self.context.progress.bytes.fetch_add(n_bytes - source.n_bytes, Ordering::Relaxed);
                source.n_bytes = n_bytes;
            }
            if self.is_behind(found) {
                return Ok(());
            }
            self.next.push(Reverse((found, index)));
            return Ok(());
        }
    }

    /// Whether a record is too far behind the shard to matter.
    fn is_behind(&self, found: Locus) -> bool {
        self.own.1.is_some_and(|end| {
            found.contig > end.contig
                || found.contig == end.contig && found.vcf_pos >= end.vcf_pos.saturating_add(MERGE_HALO_BP)
        })
    }

    fn owns(&self, found: Locus) -> bool {
        owns(self.own, found)
    }

    fn read_all(&mut self) -> Result<()> {
        let mut n = 0u64;
        while let Some(Reverse((found, index))) = self.next.pop() {
            if self.contig != Some(found.contig) {
                self.start_contig(found.contig)?;
            }
            self.emit_before(Some(found.vcf_pos.saturating_sub(MERGE_HALO_BP)))?;
            self.forget_before(found.vcf_pos.saturating_sub(3 * MERGE_HALO_BP));
            let line = std::mem::take(&mut self.sources[index].line);
            let result = self.record(&line, index, found);
            self.sources[index].line = line;
            result.map_err(|error| {
                error.at(Location {
                    path: Some(self.sources[index].name.to_string()),
                    contig: Some(self.context.contigs.name(found.contig).to_string()),
                    vcf_pos: Some(i64::from(found.vcf_pos)),
                    ..Default::default()
                })
            })?;
            self.advance(index)?;
            n += 1;
            if n.is_multiple_of(256) {
                if self.context.stop.load(Ordering::Relaxed) {
                    return Err(interrupted());
                }
                self.context.progress.records.fetch_add(256, Ordering::Relaxed);
            }
        }
        self.emit_before(None)
    }

    fn start_contig(&mut self, contig: u32) -> Result<()> {
        self.emit_before(None)?;
        self.forget_before(i32::MAX);
        self.emitter.start_contig(contig)?;
        self.reference = reference_of(self.context, contig)?;
        self.contig = Some(contig);
        Ok(())
    }

    /// Takes a record in.
    fn record(&mut self, line: &[u8], source: usize, found: Locus) -> Result<()> {
        if !self.context.regions.contains(found) {
            return Ok(());
        }
        let owned = self.owns(found);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.records.push(MergeRecord::default());
            self.records.len() - 1
        });
        let group = self.sources[source].group;
        let n_samples = self.groups[group].1 as usize;
        let record = &mut self.records[slot];
        (record.source, record.group) = (source, group);
        record.rows.clear();
        let filled = RecordIndex::new(line).and_then(|index| {
            let line =
                Line { text: line, samples: None, index, vcf_pos: found.vcf_pos, rank: self.sources[source].rank };
            fill(&mut record.held, line, n_samples, &mut self.emitter, self.reference.as_deref())
        });
        let (context, first_sample) = (self.context, self.groups[group].0);
        let checked = filled.and_then(|()| match &mut self.rehearsal {
            Some(rehearsal) => rehearsal.check(&self.records[slot].held, context, first_sample),
            None => Ok(()),
        });
        if let Err(error) = checked {
            self.free.push(slot);
            let name = self.sources[source].name;
            return if owned { reject(error, self.context, &mut self.accounting, name, found) } else { Ok(()) };
        }
        if owned {
            self.accounting.records_read += 1;
            self.accounting.records_written += 1;
            self.accounting.alleles_read += u64::from(self.records[slot].held.n_alts.max(1));
            let part = self.part(slot, AlleleOfSite::new(0, 0));
            self.emitter.count_depths(&Part { record: Some(&self.records[slot].held), ..part });
        }
        self.insert(slot, found.contig)
    }

    /// All samples of a record's group, without the record.
    fn part(&self, slot: usize, allele: AlleleOfSite) -> Part<'static> {
        let (first_sample, n_samples) = self.groups[self.records[slot].group];
        Part { record: None, allele, first_sample, n_samples }
    }

    /// Puts a filled record and its rows into the window.
    fn insert(&mut self, slot: usize, contig: u32) -> Result<()> {
        let (held, source, group) = (&self.records[slot].held, self.records[slot].source, self.records[slot].group);
        let (vcf_pos, ref_allele) = (held.vcf_pos, held.view().ref_allele().to_vec());
        let (mut rows, mut classes) = (Vec::new(), 0);
        let (pending, accounting, own) = (&mut self.pending, &mut self.accounting, self.own);
        rows_of(held.view(), vcf_pos, self.reference.as_deref(), |found, alt_index, allele_type, changed| {
            let at = locus(contig, found.vcf_pos);
            if owns(own, at) {
                accounting.shift_capped += u64::from(found.capped);
                accounting.alleles_normalised += u64::from(changed);
            }
            let key = RowKey { vcf_pos: found.vcf_pos, ref_allele: found.ref_allele, alt_allele: found.alt_allele };
            let members = pending.entry(key.clone()).or_default();
            let occurrence = members.iter().filter(|member| member.group == group).count() as u32;
            members.push(Member { record: slot, alt_index, group, occurrence, allele_type });
            rows.push((key, occurrence));
            if alt_index > 0 {
                classes |= class_of(allele_type);
            }
        })?;
        let other_classes = ALL_CLASSES ^ classes;
        let link = (vcf_pos, ref_allele.clone());
        let earlier = |other: &&usize| {
            let other = &self.records[**other];
            other.source == source
                && (other.site.vcf_pos, &other.site.ref_allele) == (vcf_pos, &link.1)
                && other.site.other_classes == other_classes
        };
        let occurrence = self.links.get(&link).map_or(0, |slots| slots.iter().filter(earlier).count()) as u32;
        let site = SiteKey { vcf_pos, ref_allele, other_classes, occurrence };
        for link in link_keys(&site, &rows) {
            self.links.entry(link).or_default().push(slot);
        }
        self.by_site.entry(site.clone()).or_default().push(slot);
        let known = self.sites_at.entry(vcf_pos).or_default();
        if !known.contains(&site) {
            known.push(site.clone());
        }
        self.records[slot].site = site;
        self.records[slot].rows = rows;
        self.live.push_back(slot);
        Ok(())
    }

    /// Drops records and sites before a position.
    fn forget_before(&mut self, vcf_pos: i32) {
        while let Some(&slot) = self.live.front() {
            let record = &mut self.records[slot];
            if record.held.vcf_pos >= vcf_pos {
                break;
            }
            self.live.pop_front();
            let site = std::mem::take(&mut record.site);
            for link in link_keys(&site, &std::mem::take(&mut record.rows)) {
                if let Some(slots) = self.links.get_mut(&link) {
                    slots.retain(|&other| other != slot);
                    if slots.is_empty() {
                        self.links.remove(&link);
                    }
                }
            }
            self.by_site.remove(&site);
            self.sites.remove(&site);
            self.sites_at.remove(&site.vcf_pos);
            self.free.push(slot);
        }
        if self.live.is_empty() && self.pending.is_empty() {
            self.emitter.gt.trim();
        }
    }

    /// Writes the rows before a position (all for `None`).
    fn emit_before(&mut self, frontier: Option<i32>) -> Result<()> {
        while let Some((key, _)) = self.pending.first_key_value() {
            if frontier.is_some_and(|frontier| key.vcf_pos >= frontier) {
                break;
            }
            let n_occurrences = self.pending[key].iter().map(|member| member.occurrence).max().unwrap_or(0) + 1;
            let key = key.clone();
            for occurrence in 0..n_occurrences {
                self.assign_site(&(key.clone(), occurrence));
            }
            let members = self.pending.remove(&key).unwrap_or_default();
            let contig = self.contig.expect("a contig is begun");
            let owned = self.owns(locus(contig, key.vcf_pos));
            for occurrence in 0..n_occurrences {
                let assigned = self.assigned.remove(&(key.clone(), occurrence));
                if !owned {
                    continue;
                }
                let members: Vec<Member> =
                    members.iter().filter(|member| member.occurrence == occurrence).copied().collect();
                match assigned {
                    Some((site, alt_index)) => {
                        self.accounting.alleles_merged += members.len() as u64 - 1;
                        self.emit(&key, &members, &site, alt_index)?;
                    }
                    // a record without ALT where other inputs have alleles: its samples are called in their rows
                    None => self.accounting.alleles_merged += members.len() as u64,
                }
            }
        }
        Ok(())
    }

    /// The least site of the records that have a row.
    fn site_of(&self, row: &RowId) -> Option<&SiteKey> {
        let members = self.pending.get(&row.0)?.iter().filter(|member| member.occurrence == row.1);
        members.map(|member| &self.records[member.record].site).min()
    }

    /// Whether another allele is at the same position and REF, so that a row without ALT is not needed.
    fn is_superseded(&self, key: &RowKey) -> bool {
        let mut start = key.clone();
        start.alt_allele.clear();
        key.alt_allele == b"."
            && self
                .pending
                .range(start..)
                .take_while(|(other, _)| other.vcf_pos == key.vcf_pos && other.ref_allele == key.ref_allele)
                .any(|(other, _)| other.alt_allele != b".")
    }

    /// Rank of a site among those at its POS: in the order that the inputs have their records in. Inputs may lack some of
    /// them, so the highest rank of a site's records decides, then the first input.
    fn rank_of(&self, site: &SiteKey) -> u16 {
        let Some(sites) = self.sites_at.get(&site.vcf_pos) else { return 0 };
        let place = |site: &SiteKey| {
            let ranks = self.by_site.get(site).into_iter().flatten().map(|&slot| self.records[slot].held.rank);
            ranks.max().unwrap_or(0)
        };
        let mut places: Vec<(u16, usize)> =
            sites.iter().enumerate().map(|(order, site)| (place(site), order)).collect();
        places.sort_unstable();
        let order = sites.iter().position(|other| other == site).unwrap_or(0);
        places.iter().position(|place| place.1 == order).unwrap_or(0) as u16
    }

    /// Makes the site of a row, unless a row of it came before. All its rows are still pending then.
    fn assign_site(&mut self, row: &RowId) {
        if self.assigned.contains_key(row) || self.is_superseded(&row.0) {
            return;
        }
        let Some(site) = self.site_of(row).cloned() else { return };
        let mut alts: Vec<RowId> = Vec::new();
        for &slot in self.by_site.get(&site).map_or(&[][..], Vec::as_slice) {
            for row in &self.records[slot].rows {
                if !alts.contains(row) && self.site_of(row) == Some(&site) && !self.is_superseded(&row.0) {
                    alts.push(row.clone());
                }
            }
        }
        let rank = self.rank_of(&site);
        let without_alt = alts.len() == 1 && alts[0].0.alt_allele == b".";
        for (i, row) in alts.iter().enumerate() {
            let alt_index = if without_alt { 0 } else { i as u32 + 1 };
            self.assigned.insert(row.clone(), (site.clone(), alt_index));
        }
        let is_split = self.is_split(&alts);
        self.sites.insert(site, Site { rank, alts, is_split });
    }

    /// Whether the rows come from two records of one input.
    fn is_split(&self, alts: &[RowId]) -> bool {
        let mut record_of: HashMap<usize, usize> = HashMap::new();
        let members = alts
            .iter()
            .flat_map(|row| self.pending.get(&row.0).into_iter().flatten().filter(|member| member.occurrence == row.1));
        members.into_iter().any(|member| *record_of.entry(member.group).or_insert(member.record) != member.record)
    }

    /// The record that calls a group's samples at a row that the group does not have.
    fn linked(&self, key: &RowKey, members: &[Member]) -> HashMap<usize, usize> {
        let mut found: HashMap<usize, usize> = HashMap::new();
        let class = class_of(members[0].allele_type);
        let sites = members.iter().map(|member| &self.records[member.record].site);
        let mut links: Vec<(i32, &[u8])> = sites.map(|site| (site.vcf_pos, &site.ref_allele[..])).collect();
        links.push((key.vcf_pos, &key.ref_allele));
        links.sort_unstable();
        links.dedup();
        for (vcf_pos, ref_allele) in links {
            let slots = self.links.get(&(vcf_pos, ref_allele.to_vec())).map_or(&[][..], Vec::as_slice);
            for &slot in slots {
                let record = &self.records[slot];
                let classes = ALL_CLASSES ^ record.site.other_classes;
                let fits = key.alt_allele == b"." || classes == 0 || classes & class != 0;
                if !fits {
                    continue;
                }
                let best = found.entry(record.group).or_insert(slot);
                if self.records[*best].site > record.site {
                    *best = slot;
                }
            }
        }
        found
    }

    fn emit(&mut self, key: &RowKey, members: &[Member], site_key: &SiteKey, alt_index: u32) -> Result<()> {
        let linked = if members.len() < self.groups.len() { self.linked(key, members) } else { HashMap::new() };
        let Merge { emitter, records, sites, groups, n_sites, .. } = self;
        let site = &sites[site_key];
        let mut sorted = members.to_vec();
        sorted.sort_by_key(|member| (member.group, records[member.record].source));
        let first = sorted[0];
        let mut parts = Vec::with_capacity(groups.len());
        let mut at = sorted.iter().peekable();
        for (group, &(first_sample, n_samples)) in groups.iter().enumerate() {
            let member = at.next_if(|member| member.group == group);
            let (record, allele) = match member {
                Some(member) => (Some(member.record), allele_of(records, member, site)),
                None => match linked.get(&group) {
                    Some(&slot) => {
                        let n_alts = records[slot].held.n_alts;
                        (Some(slot), AlleleOfSite { alt_index: 0, n_alts, whole_site: false })
                    }
                    None => (None, AlleleOfSite::new(0, 0)),
                },
            };
            let record = record.map(|slot| &records[slot].held);
            parts.push(Part { record, allele, first_sample, n_samples });
        }
        let texts = MergedFields::new(sorted.iter().map(|member| &records[member.record].held));
        let infos: Vec<(&[u8], AlleleOfSite)> = sorted
            .iter()
            .map(|member| (records[member.record].held.view().info(), allele_of(records, member, site)))
            .collect();
        let head = &records[first.record].held;
        let pending = super::record::PendingRow {
            vcf_pos: key.vcf_pos,
            ref_allele: key.ref_allele.clone(),
            alt_allele: key.alt_allele.clone(),
            sequence: 0,
            slot: 0,
            alt_index: first.alt_index,
            allele_type: first.allele_type,
        };
        let (n_alts, alt_index) = match (alt_index, site.is_split) {
            (0, _) => (0, 0),
            (_, true) => (1, 1),
            (alt_index, false) => (site.alts.len() as u32, alt_index),
        };
        // ALT as the first record of the site itself writes it
        let own = sorted.iter().find(|member| records[member.record].site == *site_key).unwrap_or(&sorted[0]);
        let own_alt = WrittenAllele { record: &records[own.record].held, alt_index: own.alt_index };
        let row = Row {
            vcf_pos: key.vcf_pos,
            ref_allele: &key.ref_allele,
            alt_allele: &key.alt_allele,
            allele_type: first.allele_type,
            end: end_of(head.view(), &pending),
            site: if site.is_split { None } else { Some((site_key.vcf_pos, site.rank)) },
            n_alts,
            alt_index,
            site_alleles: own_alt.unless_same(key).filter(|_| !site.is_split),
            id: &texts.id,
            qual: texts.qual,
            filter: &texts.filter,
            format: texts.format.as_deref(),
            infos: &infos,
            parts: &parts,
            sparse: None,
        };
        if let Err(error) = emitter.emit(&row) {
            let slots = sorted.iter().map(|member| member.record).chain(linked.values().copied());
            return Err(self.placed(error, slots.collect()));
        }
        if row.alt_index <= 1 {
            *n_sites += 1;
            for part in &parts {
                emitter.count_site(part);
            }
        }
        Ok(())
    }

    /// Names the input and the position of the record, among those of a row, that an error came from.
    fn placed(&self, error: Error, slots: Vec<usize>) -> Error {
        for slot in slots {
            let record = &self.records[slot];
            let first_sample = self.groups[record.group].0;
            let Err(error) = Rehearsal::new(self.context).check(&record.held, self.context, first_sample) else {
                continue;
            };
            return error.at(Location {
                path: Some(self.sources[record.source].name.to_string()),
                contig: self.contig.map(|contig| self.context.contigs.name(contig).to_string()),
                vcf_pos: Some(i64::from(record.held.vcf_pos)),
                ..Default::default()
            });
        }
        error
    }

    fn finish(self) -> Result<Outcome> {
        self.emitter.finish(self.accounting, self.n_sites)
    }
}

/// A row's allele in one of the records that have it.
fn allele_of(records: &[MergeRecord], member: &Member, site: &Site) -> AlleleOfSite {
    let record = &records[member.record];
    AlleleOfSite {
        alt_index: member.alt_index,
        n_alts: record.held.n_alts,
        whole_site: record.rows == site.alts && !site.is_split,
    }
}

/// Under which (position, REF) a record is found.
fn link_keys(site: &SiteKey, rows: &[RowId]) -> Vec<(i32, Vec<u8>)> {
    let mut keys = vec![(site.vcf_pos, site.ref_allele.clone())];
    keys.extend(rows.iter().map(|(key, _)| (key.vcf_pos, key.ref_allele.clone())));
    keys.sort_unstable();
    keys.dedup();
    keys
}
