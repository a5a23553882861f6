//! The shards of one task of a plan, on all cores of the process.
//!
//! Workers take shards in order. A shard of a file that can be read from the middle is worked on by whoever takes it; a
//! stream is inflated and cut by one worker at a time, while the others work on the pieces cut before. There is no queue:
//! a worker holds one shard or piece, so memory is bounded by the number of workers.

use super::frame::Frame;
use super::inputs::{Inputs, Opened};
use super::share::Share;
use crate::commit::stages::is_done;
use crate::commit::{DatasetFolder, StagedShard};
use crate::decode::bcf::RecordReader;
use crate::decode::lines::LineReader;
use crate::decode::records::Records;
use crate::decode::stream::{Piece, Pieces};
use crate::decode::vcf::RecordIndex;
use crate::error::{Class, Error, Location, Result};
use crate::genome::{Contigs, Locus};
use crate::input::reference::Reference;
use crate::input::{InputFile, Layout};
use crate::pipeline::{
    Context, MERGE_HALO_BP, MergeSource, MergeTask, Outcome, Progress, Task, interrupted, is_interrupted,
    run_merge_shard, run_shard,
};
use crate::plan::cuts::seek;
use crate::plan::{CALL, Plan, SampleSet, Shard, ShardSource, StoredPlan};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;

/// One task of a plan.
pub struct Run<'a> {
    /// What to do.
    pub plan: &'a StoredPlan,
    /// Shards of the plan's list.
    pub shards: &'a [Shard],
    /// What they have in common.
    pub frame: &'a Frame,
    /// The inputs.
    pub inputs: Inputs<'a>,
    /// Where to.
    pub folder: &'a DatasetFolder,
    /// For left-alignment.
    pub reference: Option<&'a Reference>,
    /// Which of the shards.
    pub share: Share,
    /// Number of workers.
    pub threads: usize,
    /// Go on with other shards behind one that failed for a reason of its own.
    pub go_on: bool,
    /// Set to end early.
    pub stop: &'a AtomicBool,
    /// How far it is.
    pub progress: &'a Progress,
}

/// What became of a task's shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Committed by this process.
    pub done: u64,
    /// Committed before.
    pub skipped: u64,
}

impl Run<'_> {
    /// The task's share of shards that make rows directly.
    pub fn rows(&self) -> Result<Done> {
        let context = self.frame.context(self);
        let done = self.folder.committed_numbers(CALL)?;
        let mine = self.share.of(self.shards, |shard| shard.bytes);
        let is_stream = |shard: &&&Shard| matches!(shard.source, ShardSource::Stream { .. });
        let (streams, ranges): (Vec<&Shard>, Vec<&Shard>) = mine.iter().partition(is_stream);
        let mut left_streams = Vec::new();
        for shard in streams {
            if !is_done(self.folder, CALL, shard, &done)? {
                left_streams.push((shard, self.inputs.open(shard.input)?));
            }
        }
        let left: Vec<&Shard> = ranges.into_iter().filter(|shard| !done.contains(&shard.number)).collect();
        let n_left = left.len() + left_streams.len();
        let merge = if self.plan.root.layout == Layout::Merge && !left.is_empty() {
            Some(MergeInputs::open(&self.inputs, self.plan)?)
        } else {
            None
        };
        let queue = Queue::new(self, left, &left_streams, &done);
        let next = || Ok(queue.next()?.map(|work| (work.number(), work)));
        self.each_shard(CALL, next, |number, work| {
            let (last, outcome) = self.outcome(work, &context, merge.as_ref())?;
            self.folder.stage(CALL, number, last, outcome, Vec::new())
        })?;
        Ok(Done { done: n_left as u64, skipped: (mine.len() - n_left) as u64 })
    }

    /// Makes shards on all workers until there is no `next` one, and commits them. While the files of one go to the disk or
    /// to the object store, its worker makes another.
    pub(super) fn each_shard<W>(
        &self,
        stage: &'static str,
        next: impl Fn() -> Result<Option<(u64, W)>> + Sync,
        make: impl Fn(u64, W) -> Result<StagedShard> + Sync,
    ) -> Result<()> {
        self.on_workers(|| {
            let mut worker = Worker { run: self, stage, failed: None };
            let result = std::thread::scope(|scope| {
                let mut committing = None;
                let mut make_all = || {
                    while let Some((number, work)) = next()? {
                        let staged = worker.attempt(number, || make(number, work))?;
                        worker.end_of(committing.take())?;
                        let commit = |staged| scope.spawn(move || self.folder.commit(staged));
                        committing = staged.map(|staged| (number, commit(staged)));
                    }
                    Ok(())
                };
                let result = make_all();
                result.and(worker.end_of(committing.take()))
            });
            result.and(worker.failed.map_or(Ok(()), Err))
        })
    }

    /// Runs `work` on every worker; the first error that is not a consequence of another one ends all.
    fn on_workers(&self, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
        let first_error: Mutex<Option<Error>> = Mutex::new(None);
        let work = || {
            if let Err(error) = work() {
                if !self.is_of_its_own(&error) {
                    self.stop.store(true, Ordering::Relaxed);
                }
                let mut first = first_error.lock().expect("no worker panics with the lock");
                // an interrupted neighbour is a consequence, not the cause
                let replace = first.as_ref().is_none_or(is_interrupted);
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

    /// Whether an error says nothing about other shards, and they are to be done all the same.
    fn is_of_its_own(&self, error: &Error) -> bool {
        self.go_on && matches!(error.class(), Class::BadData | Class::NoInput)
    }

    fn range_task<'a>(&self, shard: &Shard, file: &'a InputFile) -> Result<Task<'a>> {
        let ShardSource::Range { offset, own_start, own_end, end_offset } = shard.source else {
            return Err(Error::internal("a stream is not a range"));
        };
        let mut records = file.records_once_from(offset)?;
        if let Some(end) = end_offset.filter(|&end| end > offset) {
            let next = self.start_behind(shard).filter(|&next| next <= end);
            records = records.expecting_end(end).passing(next.into_iter().chain([end]));
        }
        let lines_before = own_start.is_none().then_some(lines_of_header(file));
        Ok(Task { number: shard.number, input: &file.name, records, own_start, own_end, end_offset, lines_before })
    }

    /// Where the shard behind this one of the same input begins to read: before the end of this one, which so passes it.
    fn start_behind(&self, shard: &Shard) -> Option<u64> {
        let behind = self.shards.partition_point(|other| other.number <= shard.number);
        let next = self.shards.get(behind).filter(|next| next.input == shard.input)?;
        match next.source {
            ShardSource::Range { offset, .. } => Some(offset),
            _ => None,
        }
    }

    fn outcome(&self, work: Work, context: &Context, merge: Option<&MergeInputs>) -> Result<(bool, Outcome)> {
        let staging = self.folder.staging();
        match work {
            Work::Range(shard) => {
                let file = self.inputs.open(shard.input)?;
                let outcome = run_shard(context, self.range_task(shard, &file)?, staging)
                    .map_err(|error| with_line(error, shard, &file))?;
                check_unchanged(&file)?;
                Ok((false, outcome))
            }
            Work::Merge { number, own_start, own_end } => {
                let merge = merge.ok_or_else(|| Error::internal("a shard of a merge in a plan without one"))?;
                let task = merge.task(&self.frame.contigs, number, own_start, own_end)?;
                Ok((false, run_merge_shard(context, task, staging)?))
            }
            Work::Piece { number, file, piece } => {
                let last = piece.own_end.is_none();
                let outcome = run_piece(context, number, file, &piece, staging)?;
                if last {
                    check_unchanged(file)?;
                }
                Ok((last, outcome))
            }
        }
    }
}

/// A worker, and the first of its shards that failed while others were to go on.
struct Worker<'a> {
    run: &'a Run<'a>,
    stage: &'static str,
    failed: Option<Error>,
}

impl Worker<'_> {
    /// Does something with a shard, unless the run is to stop.
    fn attempt<T>(&mut self, number: u64, work: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        if self.run.stop.load(Ordering::Relaxed) {
            return Err(interrupted());
        }
        self.noted(number, work())
    }

    /// Waits for a shard that is being committed.
    fn end_of(&mut self, committing: Option<(u64, ScopedJoinHandle<Result<()>>)>) -> Result<()> {
        let Some((number, thread)) = committing else { return Ok(()) };
        let committed = thread.join().expect("a panic has ended the process");
        if self.noted(number, committed)?.is_some() {
            self.run.progress.shards.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Notes a failure for `status`; where others are to go on, it is kept until they are done.
    fn noted<T>(&mut self, number: u64, result: Result<T>) -> Result<Option<T>> {
        let error = match result {
            Ok(made) => return Ok(Some(made)),
            Err(error) => error,
        };
        if error.class() != Class::Temporary && self.run.go_on {
            self.run.folder.shard_failed(self.stage, number, &error);
        }
        if !self.run.is_of_its_own(&error) {
            return Err(error);
        }
        self.failed.get_or_insert(error);
        Ok(None)
    }
}

/// All inputs of a merge.
struct MergeInputs<'a> {
    /// In the order of groups, each with the number of its group.
    files: Vec<(usize, Opened<'a>)>,
    /// First sample and number of samples of each group.
    groups: Vec<(u32, u32)>,
}

impl<'a> MergeInputs<'a> {
    fn open(inputs: &Inputs<'a>, plan: &StoredPlan) -> Result<Self> {
        let damaged = || {
            Error::bad_data("the plan is damaged: samples of the inputs of a merge do not follow each other")
                .hint("plan again with --force")
        };
        let mut of_input: Vec<((u32, u32), usize)> = Vec::new();
        plan.each_input(|index, input| {
            let SampleSet::Run { first, n } = input.samples else { return Err(damaged()) };
            of_input.push(((first, n), index));
            Ok(())
        })?;
        of_input.sort_unstable();
        let mut groups: Vec<(u32, u32)> = of_input.iter().map(|(group, _)| *group).collect();
        groups.dedup();
        let end = groups.iter().try_fold(0, |end, &(first, n)| (first == end).then_some(first + n));
        if end.map(u64::from) != Some(plan.root.n_samples) {
            return Err(damaged());
        }
        let mut files = Vec::with_capacity(of_input.len());
        for (group, index) in of_input {
            let number = groups.binary_search(&group).expect("it is among them");
            files.push((number, inputs.open(index)?));
        }
        Ok(MergeInputs { files, groups })
    }

    /// All inputs, each from where its records of the range begin.
    fn task(
        &self,
        contigs: &Contigs,
        number: u64,
        own_start: Option<Locus>,
        own_end: Option<Locus>,
    ) -> Result<MergeTask<'_>> {
        let mut sources = Vec::with_capacity(self.files.len());
        for (group, file) in &self.files {
            let start = own_start.unwrap_or(Locus { contig: 0, vcf_pos: 0 });
            let Some(offset) = seek(file, contigs, start, MERGE_HALO_BP)? else { continue };
            sources.push(MergeSource { name: &file.name, group: *group, lines: file.lines_from(offset)? });
        }
        Ok(MergeTask { number, own_start, own_end, sources, groups: self.groups.clone() })
    }
}

/// A stream that is being cut; `pieces` is `None` until its first piece is asked for and after its last.
struct OpenStream<'a> {
    shard: &'a Shard,
    file: &'a InputFile,
    pieces: Option<Pieces<'a>>,
    next_number: u64,
    ended: bool,
}

/// One unit of work as a worker takes it.
enum Work<'a> {
    Range(&'a Shard),
    Merge { number: u64, own_start: Option<Locus>, own_end: Option<Locus> },
    Piece { number: u64, file: &'a InputFile, piece: Piece },
}

impl Work<'_> {
    fn number(&self) -> u64 {
        match self {
            Work::Range(shard) => shard.number,
            Work::Merge { number, .. } | Work::Piece { number, .. } => *number,
        }
    }
}

/// What is left to do.
struct Queue<'a> {
    plan: &'a Plan,
    contigs: &'a Contigs,
    ranges: Vec<&'a Shard>,
    next_range: AtomicUsize,
    streams: Vec<Mutex<OpenStream<'a>>>,
    done: &'a BTreeSet<u64>,
    progress: &'a Progress,
}

impl<'a> Queue<'a> {
    fn new(
        run: &'a Run,
        ranges: Vec<&'a Shard>,
        streams: &'a [(&'a Shard, Opened<'a>)],
        done: &'a BTreeSet<u64>,
    ) -> Self {
        let streams = streams.iter().map(|(shard, file)| {
            Mutex::new(OpenStream { shard, file, pieces: None, next_number: shard.number, ended: false })
        });
        Queue {
            plan: &run.plan.root,
            contigs: &run.frame.contigs,
            ranges,
            next_range: AtomicUsize::new(0),
            streams: streams.collect(),
            done,
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
        let file = stream.file;
        let ShardSource::Stream { piece_bytes } = stream.shard.source else { return Ok(None) };
        if stream.pieces.is_none() {
            let opened = file.stream()?;
            let halo = self.plan.right_halo_bp();
            stream.pieces = Some(Pieces::new(opened, file.dictionary.as_ref(), self.contigs, piece_bytes, halo));
        }
        let pieces = stream.pieces.as_mut().expect("just opened");
        loop {
            let place = |error: Error| error.map_line(|line| Some(line + lines_of_header(file))).at(file.place());
            let Some(piece) = pieces.next_piece().map_err(place)? else {
                stream.ended = true;
                stream.pieces = None;
                return Ok(None);
            };
            let number = stream.next_number;
            stream.next_number += 1;
            self.progress.bytes.fetch_add(piece.bytes.len() as u64 / 8, Ordering::Relaxed);
            if !self.done.contains(&number) {
                return Ok(Some(Work::Piece { number, file, piece }));
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

/// The line number of an error inside a shard that does not begin with the file is found by counting, now that it is
/// needed: `run_shard` left it out.
fn with_line(error: Error, shard: &Shard, file: &InputFile) -> Error {
    let ShardSource::Range { own_start: Some(_), .. } = shard.source else { return error };
    let (Some(contig), Some(vcf_pos)) = (&error.location().contig, error.location().vcf_pos) else { return error };
    let wanted = format!("{contig}\t{vcf_pos}\t");
    let Ok(records) = file.records_once_from(file.data_start) else { return error };
    let Some(number) = number_of(&error, wanted.as_bytes(), records) else { return error };
    error.at(Location { line: Some(lines_of_header(file) + number), ..Default::default() })
}

/// Which of the records an error is of: the first that begins with `wanted`, or a line without a place, which is behind it.
fn number_of(error: &Error, wanted: &[u8], mut records: Records) -> Option<u64> {
    let is_it = |again: &Error| again.message() == error.message();
    let mut found = None;
    loop {
        let (is_it, is_wanted) = match records.next_record() {
            Ok(Some(record)) => {
                (place_of(record.line).is_err_and(|again| is_it(&again)), record.line.starts_with(wanted))
            }
            // a BCF record that cannot be taken apart
            Err(again) if is_it(&again) => (true, false),
            Ok(None) | Err(_) => return found,
        };
        match found {
            _ if is_it => return Some(records.n_records()),
            None if is_wanted => found = Some(records.n_records()),
            Some(_) if !is_wanted => return found,
            _ => {}
        }
    }
}

/// Position of a record, or what `run_shard` says of a line that has none.
fn place_of(line: &[u8]) -> Result<i32> {
    RecordIndex::new(line)?.view(line).vcf_pos()
}

/// Lines before the first record, as messages count: of BCF records alone.
fn lines_of_header(file: &InputFile) -> u64 {
    if file.format.is_bcf() { 0 } else { file.n_header_lines }
}

fn run_piece(
    context: &Context,
    number: u64,
    file: &InputFile,
    piece: &Piece,
    staging: &std::path::Path,
) -> Result<Outcome> {
    let records = match &file.dictionary {
        None => Records::Text(LineReader::of_text(&piece.bytes)),
        Some(dictionary) => Records::Bcf(RecordReader::new(&piece.bytes, dictionary)),
    };
    let task = Task {
        number,
        input: &file.name,
        records,
        own_start: piece.own_start,
        own_end: piece.own_end,
        end_offset: None,
        lines_before: Some(lines_of_header(file) + piece.records_before),
    };
    run_shard(context, task, staging)
}
