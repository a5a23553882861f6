//! All shards of a plan in one process, on all cores.
//!
//! Workers take shards in plan order. A shard of a file that can be read from the middle is worked on by whoever takes
//! it; a stream is inflated and cut by one worker at a time, while the others work on the pieces cut before. There is no
//! queue: a worker holds one shard or piece, so memory is bounded by the number of workers.

use crate::call::sample_counts::SampleCounts;
use crate::columns::schema::TableSchemas;
use crate::commit::manifest::Manifest;
use crate::commit::publish::{Publication, add_counts, add_up};
use crate::commit::{CommitRecord, DatasetFolder};
use crate::decode::bcf::RecordReader;
use crate::decode::lines::LineReader;
use crate::decode::records::Records;
use crate::decode::stream::{Piece, Pieces};
use crate::error::{Error, Result};
use crate::genome::Locus;
use crate::input::reference::Reference;
use crate::input::{Cohort, InputFile};
use crate::pipeline::{Context, MERGE_HALO_BP, MergeSource, MergeTask, Progress, Task, run_merge_shard, run_shard};
use crate::plan::cuts::seek;
use crate::plan::{Plan, Shard, ShardSource};
use crate::profile::{self, Stage};
use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// One run of a plan.
pub struct LocalRun<'a> {
    /// Opened inputs.
    pub cohort: &'a Cohort,
    /// What to do.
    pub plan: &'a Plan,
    /// Where to.
    pub folder: &'a DatasetFolder,
    /// For left-alignment.
    pub reference: Option<&'a Reference>,
    /// Number of workers.
    pub threads: usize,
    /// Set to end early.
    pub stop: &'a AtomicBool,
    /// How far it is.
    pub progress: &'a Progress,
}

/// A stream that is being cut; `pieces` is `None` until its first piece is asked for and after its last.
struct OpenStream<'a> {
    shard: &'a Shard,
    pieces: Option<Pieces<'a>>,
    next_number: u64,
    ended: bool,
}

/// One unit of work as a worker takes it.
enum Work<'a> {
    Range(&'a Shard),
    Merge { number: u64, own_start: Option<Locus>, own_end: Option<Locus> },
    Piece { number: u64, input: usize, piece: Piece },
}

impl LocalRun<'_> {
    /// Does all shards that are not committed, then publishes.
    pub fn run(&self) -> Result<Manifest> {
        let schemas = TableSchemas::new(&self.cohort.header, !self.cohort.samples.is_empty());
        if let Some(settings) = &self.plan.settings.joint {
            return self.run_joint(&schemas, settings);
        }
        let shards: Vec<&Shard> = self.plan.shards.iter().collect();
        self.do_shards(&schemas, &shards)?;
        let _stage = profile::enter(Stage::Publish);
        let commits = self.folder.committed("")?;
        let mut counts = SampleCounts::new(self.cohort.samples.len());
        for commit in commits.values() {
            add_counts(self.folder, "", commit, &mut counts)?;
        }
        self.publish(&schemas, BTreeMap::new(), commits, counts)
    }

    /// `evidence`: commits of the ingest stage, where there is one; `commits`: those of the rows.
    pub(super) fn publish(
        &self,
        schemas: &TableSchemas,
        evidence: BTreeMap<u64, CommitRecord>,
        commits: BTreeMap<u64, CommitRecord>,
        counts: SampleCounts,
    ) -> Result<Manifest> {
        let (accounting, mut warnings) = add_up(evidence.values().chain(commits.values()));
        for warning in &self.cohort.header.warnings {
            *warnings.entry(warning.clone()).or_default() += 1;
        }
        let names: Vec<String> = self.cohort.samples.iter().map(|sample| sample.sample.clone()).collect();
        let header = self.cohort.header.to_text(&self.cohort.contigs, &names);
        let publication = Publication {
            folder: self.folder,
            plan: self.plan,
            schemas,
            header,
            evidence,
            commits,
            accounting,
            warnings,
            counts,
        };
        publication.publish()
    }

    /// Names of the samples in cohort order.
    pub(super) fn sample_names(&self) -> Vec<String> {
        self.cohort.samples.iter().map(|sample| sample.sample.clone()).collect()
    }

    /// What all shards share.
    pub(super) fn context<'b>(&'b self, schemas: &'b TableSchemas, sample_names: &'b [String]) -> Context<'b> {
        Context {
            contigs: &self.cohort.contigs,
            schemas,
            filters: self.cohort.header.filters.iter().map(|name| name.clone().into_bytes()).collect(),
            n_samples: sample_names.len(),
            sample_names,
            calls: self.plan.settings.calls,
            on_bad_record: self.plan.settings.on_bad_record,
            regions: &self.plan.settings.regions,
            reference: self.reference.map(|reference| (reference.text(), reference.index())),
            merges: crate::plan::needs_merge(self.cohort),
            stop: self.stop,
            progress: self.progress,
        }
    }

    /// Does the given shards.
    fn do_shards(&self, schemas: &TableSchemas, shards: &[&Shard]) -> Result<()> {
        let done: HashSet<u64> = self.folder.committed("")?.into_keys().collect();
        let names = self.sample_names();
        let context = self.context(schemas, &names);
        let queue = Queue::new(self, shards, &done);
        self.on_workers(|| self.work(&queue, &context))
    }

    /// Runs `work` on every worker; the first error that is not a consequence of another one ends all.
    pub(super) fn on_workers(&self, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
        let first_error: Mutex<Option<Error>> = Mutex::new(None);
        let work = || {
            if let Err(error) = work() {
                self.stop.store(true, Ordering::Relaxed);
                let mut first = first_error.lock().expect("no worker panics with the lock");
                // an interrupted neighbour is a consequence, not the cause
                let replace = first.as_ref().is_none_or(crate::pipeline::is_interrupted);
                if replace {
                    *first = Some(error);
                }
            }
        };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .build()
            .map_err(|error| Error::internal(format!("cannot start {} threads: {error}", self.threads)))?;
        pool.scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|_| work());
            }
        });
        match first_error.into_inner().expect("no worker panics with the lock") {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn work(&self, queue: &Queue, context: &Context) -> Result<()> {
        let staging = self.folder.staging();
        while let Some(work) = queue.next()? {
            if self.stop.load(Ordering::Relaxed) {
                return Err(crate::pipeline::interrupted());
            }
            let (number, last, outcome) = match work {
                Work::Range(shard) => {
                    let file = &self.cohort.files[shard.input];
                    let outcome = run_shard(context, range_task(shard, file)?, &staging)
                        .map_err(|error| with_line(error, shard, file))?;
                    check_unchanged(file)?;
                    (shard.number, false, outcome)
                }
                Work::Merge { number, own_start, own_end } => {
                    let task = self.merge_task(number, own_start, own_end)?;
                    (number, false, run_merge_shard(context, task, &staging)?)
                }
                Work::Piece { number, input, piece } => {
                    let file = &self.cohort.files[input];
                    let last = piece.own_end.is_none();
                    (number, last, run_piece(context, number, file, &piece, &staging)?)
                }
            };
            self.folder.commit("", "", number, last, outcome)?;
            self.progress.shards.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl<'a> LocalRun<'a> {
    /// All inputs, each from where its records of the range begin.
    fn merge_task(&self, number: u64, own_start: Option<Locus>, own_end: Option<Locus>) -> Result<MergeTask<'a>> {
        let mut sources = Vec::new();
        for (group, files) in self.cohort.groups.iter().enumerate() {
            for &index in &files.files {
                let file = &self.cohort.files[index];
                let start = own_start.unwrap_or(Locus { contig: 0, vcf_pos: 0 });
                let Some(offset) = seek(file, &self.cohort.contigs, start, MERGE_HALO_BP)? else { continue };
                let lines = file.lines_from(offset)?;
                sources.push(MergeSource { name: &file.name, group, lines });
            }
        }
        let groups = self.cohort.groups.iter().map(|group| (group.first_sample as u32, group.n_samples as u32));
        Ok(MergeTask { number, own_start, own_end, sources, groups: groups.collect() })
    }
}

/// What is left to do.
struct Queue<'a> {
    cohort: &'a Cohort,
    ranges: Vec<&'a Shard>,
    next_range: AtomicUsize,
    streams: Vec<Mutex<OpenStream<'a>>>,
    done: &'a HashSet<u64>,
    right_halo_bp: i32,
    progress: &'a Progress,
}

impl<'a> Queue<'a> {
    fn new(run: &LocalRun<'a>, shards: &[&'a Shard], done: &'a HashSet<u64>) -> Self {
        let is_range = |shard: &&&Shard| !matches!(shard.source, ShardSource::Stream { .. });
        let (ranges, streams): (Vec<&'a Shard>, Vec<&'a Shard>) = shards.iter().partition(is_range);
        let streams = streams
            .into_iter()
            .map(|shard| Mutex::new(OpenStream { shard, pieces: None, next_number: shard.number, ended: false }));
        Queue {
            cohort: run.cohort,
            ranges: ranges.into_iter().filter(|shard| !done.contains(&shard.number)).collect(),
            next_range: AtomicUsize::new(0),
            streams: streams.collect(),
            done,
            right_halo_bp: run.plan.right_halo_bp(),
            progress: run.progress,
        }
    }

    fn next(&self) -> Result<Option<Work<'a>>> {
        let at = self.next_range.fetch_add(1, Ordering::Relaxed);
        if let Some(shard) = self.ranges.get(at) {
            return Ok(Some(match shard.source {
                ShardSource::Merge { own_start, own_end } => Work::Merge { number: shard.number, own_start, own_end },
                _ => Work::Range(shard),
            }));
        }
        // a stream that nobody cuts now, else wait for one
        for wait in [false, true] {
            for stream in &self.streams {
                let locked = if wait { stream.lock().ok() } else { stream.try_lock().ok() };
                let Some(mut stream) = locked else { continue };
                if let Some(work) = self.next_of(&mut stream)? {
                    return Ok(Some(work));
                }
            }
        }
        Ok(None)
    }

    fn next_of(&self, stream: &mut OpenStream<'a>) -> Result<Option<Work<'a>>> {
        if stream.ended {
            return Ok(None);
        }
        let file = &self.cohort.files[stream.shard.input];
        let ShardSource::Stream { piece_bytes } = stream.shard.source else { return Ok(None) };
        if stream.pieces.is_none() {
            let opened = file.stream()?;
            let pieces =
                Pieces::new(opened, file.dictionary.as_ref(), &self.cohort.contigs, piece_bytes, self.right_halo_bp);
            stream.pieces = Some(pieces);
        }
        let pieces = stream.pieces.as_mut().expect("just opened");
        loop {
            let place = |error: Error| {
                let header = if file.format.is_bcf() { 0 } else { file.n_header_lines };
                error.map_line(|line| Some(line + header)).at(file.place())
            };
            let Some(piece) = pieces.next_piece().map_err(place)? else {
                stream.ended = true;
                stream.pieces = None;
                return Ok(None);
            };
            let number = stream.next_number;
            stream.next_number += 1;
            self.progress.bytes.fetch_add(piece.bytes.len() as u64 / 8, Ordering::Relaxed);
            if !self.done.contains(&number) {
                return Ok(Some(Work::Piece { number, input: stream.shard.input, piece }));
            }
        }
    }
}

/// An input must not change while it is read.
pub(super) fn check_unchanged(file: &InputFile) -> Result<()> {
    if file.mapped.unchanged() {
        return Ok(());
    }
    Err(Error::bad_data(format!("{} was changed while it was read", file.name))
        .hint("run the same command again when nothing writes it any more"))
}

fn range_task<'a>(shard: &Shard, file: &'a InputFile) -> Result<Task<'a>> {
    let ShardSource::Range { offset, own_start, own_end, end_offset } = shard.source else {
        return Err(Error::internal("a stream is not a range"));
    };
    let mut lines = file.lines_once_from(offset)?;
    if let Some(end) = end_offset.filter(|&end| end > offset) {
        lines = lines.expecting_end(end);
    }
    let lines_before = own_start.is_none().then_some(file.n_header_lines);
    Ok(Task {
        number: shard.number,
        input: &file.name,
        records: Records::Text(lines),
        own_start,
        own_end,
        end_offset,
        lines_before,
    })
}

/// The line number of an error inside a shard that does not begin with the file is found by counting, now that it is
/// needed: `run_shard` left it out.
fn with_line(error: Error, shard: &Shard, file: &InputFile) -> Error {
    let ShardSource::Range { own_start: Some(_), .. } = shard.source else { return error };
    let (Some(contig), Some(vcf_pos)) = (&error.location().contig, error.location().vcf_pos) else { return error };
    let wanted = format!("{contig}\t{vcf_pos}\t");
    let Ok(mut lines) = file.lines() else { return error };
    while let Ok(Some(line)) = lines.next_line() {
        if line.starts_with(wanted.as_bytes()) {
            let line = file.n_header_lines + lines.n_lines();
            return error.at(crate::error::Location { line: Some(line), ..Default::default() });
        }
    }
    error
}

fn run_piece(
    context: &Context,
    number: u64,
    file: &InputFile,
    piece: &Piece,
    staging: &std::path::Path,
) -> Result<crate::pipeline::Outcome> {
    let records = match &file.dictionary {
        None => Records::Text(LineReader::of_text(&piece.bytes)),
        Some(dictionary) => Records::Bcf(RecordReader::new(&piece.bytes, dictionary)),
    };
    let header = if file.format.is_bcf() { 0 } else { file.n_header_lines };
    let task = Task {
        number,
        input: &file.name,
        records,
        own_start: piece.own_start,
        own_end: piece.own_end,
        end_offset: None,
        lines_before: Some(header + piece.records_before),
    };
    run_shard(context, task, staging)
}
