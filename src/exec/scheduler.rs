//! Which task of an array this process is, as its scheduler says it.
//!
//! Flags come first, then `VARBATCH_TASK_INDEX` and `VARBATCH_TASK_COUNT`, then the one scheduler whose variables are there.
//! An index without a count is an error: a guess would leave shards out or do them twice.

use super::share::Share;
use crate::error::{Error, Result};

/// What the command line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskFlags {
    /// From 0.
    pub index: Option<u64>,
    /// Tasks in all.
    pub count: Option<u64>,
    /// Added to the index: for an array that is one of several, or does not begin at 0.
    pub offset: i64,
}

/// A task and where it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Which one.
    pub share: Share,
    /// Job as the scheduler names it.
    pub job: Option<String>,
}

/// Variables of an environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What one scheduler says.
struct Found {
    scheduler: &'static str,
    index: u64,
    count: Option<u64>,
    job: Option<String>,
}

impl Task {
    /// Of this process. Without flags and scheduler it is the only task.
    pub fn resolve(flags: TaskFlags, env: Lookup) -> Result<Task> {
        let own = (number(env, "VARBATCH_TASK_INDEX")?, number(env, "VARBATCH_TASK_COUNT")?);
        let (index, count) = (flags.index.or(own.0), flags.count.or(own.1));
        let mut found = Vec::new();
        for look in [aws_batch, slurm, kubernetes, gcp_batch, lsf, sge, pbs] {
            found.extend(look(env, count.is_some())?);
        }
        let job = found.first().and_then(|found| found.job.clone());
        let (index, count) = match (index, count, &found[..]) {
            (Some(index), Some(count), _) => (index, count),
            (None, None, []) => (0, 1),
            (None, Some(1), []) => (0, 1),
            (index, count, [one]) => {
                let from = one.scheduler;
                let count = count.or(one.count).ok_or_else(|| {
                    Error::usage(format!("{from} says which task this is ({}), but not of how many", one.index))
                        .hint("set VARBATCH_TASK_COUNT or give --task-count, the same number for all tasks")
                })?;
                (index.unwrap_or(one.index), count)
            }
            (_, _, [one, other, ..]) => {
                return Err(Error::usage(format!(
                    "variables of {} and of {} are set: which of them is this a task of?",
                    one.scheduler, other.scheduler
                ))
                .hint("give --task-index and --task-count"));
            }
            (Some(_), None, []) => {
                return Err(Error::usage("a task index is given, but not of how many tasks").hint("add --task-count"));
            }
            (None, Some(_), []) => {
                return Err(Error::usage("a number of tasks is given, but not which of them this is")
                    .hint("add --task-index, or run it as a task of an array"));
            }
        };
        let shifted = i64::try_from(index).ok().and_then(|index| index.checked_add(flags.offset));
        let Some(index) = shifted.and_then(|index| u64::try_from(index).ok()).filter(|index| *index < count) else {
            return Err(Error::usage(format!(
                "this is task {index}{} of {count}, expected one from 0 to {}",
                if flags.offset == 0 { String::new() } else { format!(" (with --task-offset {})", flags.offset) },
                count.saturating_sub(1)
            ))
            .hint("an array that does not begin at 0 needs --task-offset, one that is part of a larger one --task-count, too"));
        };
        Ok(Task { share: Share { index, count }, job })
    }
}

/// Cores that this task was given, where its scheduler says so: the machine may show more. `VARBATCH_THREADS` says it for those
/// that do not.
pub fn cores(env: Lookup) -> Result<Option<u64>> {
    let at_least_one = |name: &str| Ok(number(env, name)?.map(|n| n.max(1)));
    if let Some(said) = at_least_one("VARBATCH_THREADS")? {
        return Ok(Some(said));
    }
    let of_pbs = if env("PBS_JOBID").is_some() { at_least_one("NCPUS")? } else { None };
    let of_others = ["SLURM_CPUS_PER_TASK", "NSLOTS", "LSB_DJOB_NUMPROC"].map(at_least_one);
    let said: Vec<Option<u64>> = of_others.into_iter().collect::<Result<_>>()?;
    Ok(said.into_iter().flatten().chain(of_pbs).min())
}

fn number(env: Lookup, name: &str) -> Result<Option<u64>> {
    let Some(text) = env(name).filter(|text| !text.is_empty()) else { return Ok(None) };
    let parsed = text.trim().parse().map_err(|_| Error::usage(format!("{name} is {text:?}, expected a number")));
    parsed.map(Some)
}

/// `(index - first) / step`, and how many from `first` to `last`.
fn normalised(scheduler: &str, index: u64, range: (u64, u64, u64)) -> Result<(u64, u64)> {
    let (first, last, step) = range;
    if step == 0 || index < first || index > last || !(index - first).is_multiple_of(step) {
        return Err(Error::usage(format!("{scheduler} says this is task {index} of {first}-{last}:{step}")));
    }
    Ok(((index - first) / step, (last - first) / step + 1))
}

/// Array jobs, multi-node jobs; a plain job is one task.
fn aws_batch(env: Lookup, _: bool) -> Result<Option<Found>> {
    let job = env("AWS_BATCH_JOB_ID").map(|id| match env("AWS_BATCH_JOB_ATTEMPT") {
        Some(attempt) => format!("{id}#{attempt}"),
        None => id,
    });
    for (index, count) in [
        ("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
        ("AWS_BATCH_JOB_NODE_INDEX", "AWS_BATCH_JOB_NUM_NODES"),
    ] {
        if let Some(index) = number(env, index)? {
            return Ok(Some(Found { scheduler: "AWS Batch", index, count: number(env, count)?, job }));
        }
    }
    Ok(None)
}

/// Arrays of any base and step. One that was submitted again with some tasks only says its size wrong: then the index is the
/// task, and the count must be given.
fn slurm(env: Lookup, count_is_given: bool) -> Result<Option<Found>> {
    let Some(index) = number(env, "SLURM_ARRAY_TASK_ID")? else { return Ok(None) };
    let of = |name: &str| number(env, &format!("SLURM_ARRAY_TASK_{name}"));
    let restart = env("SLURM_RESTART_COUNT").map(|n| format!("#{n}")).unwrap_or_default();
    let job = env("SLURM_ARRAY_JOB_ID").or_else(|| env("SLURM_JOB_ID")).map(|id| format!("{id}_{index}{restart}"));
    let found = |index, count| Ok(Some(Found { scheduler: "Slurm", index, count, job }));
    if count_is_given {
        return found(index, None);
    }
    let (Some(first), Some(last), Some(count)) = (of("MIN")?, of("MAX")?, of("COUNT")?) else {
        return found(index, None);
    };
    // `--array=3,7` has a step of 1 and holes
    match normalised("Slurm", index, (first, last, of("STEP")?.unwrap_or(1))) {
        Ok((index, n)) if n == count => found(index, Some(count)),
        _ => found(index, None),
    }
}

fn kubernetes(env: Lookup, _: bool) -> Result<Option<Found>> {
    let Some(index) = number(env, "JOB_COMPLETION_INDEX")? else { return Ok(None) };
    Ok(Some(Found { scheduler: "Kubernetes", index, count: None, job: env("HOSTNAME") }))
}

fn gcp_batch(env: Lookup, _: bool) -> Result<Option<Found>> {
    let Some(index) = number(env, "BATCH_TASK_INDEX")? else { return Ok(None) };
    let count = number(env, "BATCH_TASK_COUNT")?;
    Ok(Some(Found { scheduler: "GCP Batch", index, count, job: env("BATCH_JOB_UID") }))
}

/// Arrays from 1; index 0 is a job that is none.
fn lsf(env: Lookup, _: bool) -> Result<Option<Found>> {
    let Some(index) = number(env, "LSB_JOBINDEX")?.filter(|index| *index > 0) else { return Ok(None) };
    let job = env("LSB_JOBID").map(|id| format!("{id}[{index}]"));
    let Some(last) = number(env, "LSB_JOBINDEX_END")? else {
        return Ok(Some(Found { scheduler: "LSF", index: index - 1, count: None, job }));
    };
    let (index, count) = normalised("LSF", index, (1, last, number(env, "LSB_JOBINDEX_STEP")?.unwrap_or(1)))?;
    Ok(Some(Found { scheduler: "LSF", index, count: Some(count), job }))
}

fn sge(env: Lookup, _: bool) -> Result<Option<Found>> {
    let defined = |name: &str| env(name).filter(|text| text != "undefined");
    let Some(index) = number(&defined, "SGE_TASK_ID")? else { return Ok(None) };
    let job = env("JOB_ID").map(|id| format!("{id}.{index}"));
    let first = number(&defined, "SGE_TASK_FIRST")?.unwrap_or(1);
    let Some(last) = number(&defined, "SGE_TASK_LAST")? else {
        return Ok(Some(Found { scheduler: "SGE", index: index - first.min(index), count: None, job }));
    };
    let step = number(&defined, "SGE_TASK_STEPSIZE")?.unwrap_or(1);
    let (index, count) = normalised("SGE", index, (first, last, step))?;
    Ok(Some(Found { scheduler: "SGE", index, count: Some(count), job }))
}

/// Neither PBS Pro nor Torque says how many tasks there are, or where they begin.
fn pbs(env: Lookup, _: bool) -> Result<Option<Found>> {
    let index = match number(env, "PBS_ARRAY_INDEX")? {
        Some(index) => Some(index),
        None => number(env, "PBS_ARRAYID")?,
    };
    let Some(index) = index else { return Ok(None) };
    Ok(Some(Found { scheduler: "PBS", index, count: None, job: env("PBS_JOBID") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: TaskFlags, variables: &[(&str, &str)]) -> Result<Share> {
        let env = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        Task::resolve(flags, &env).map(|task| task.share)
    }

    fn share(variables: &[(&str, &str)]) -> (u64, u64) {
        let share = resolve(TaskFlags::default(), variables).expect("a task");
        (share.index, share.count)
    }

    fn error(variables: &[(&str, &str)]) -> String {
        let error = resolve(TaskFlags::default(), variables).expect_err("must fail");
        assert_eq!(error.class().exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn each_scheduler_is_understood() {
        assert_eq!(share(&[]), (0, 1));
        assert_eq!(share(&[("AWS_BATCH_JOB_ARRAY_INDEX", "3"), ("AWS_BATCH_JOB_ARRAY_SIZE", "7")]), (3, 7));
        assert_eq!(share(&[("AWS_BATCH_JOB_ID", "plain")]), (0, 1));
        assert_eq!(share(&[("AWS_BATCH_JOB_NODE_INDEX", "1"), ("AWS_BATCH_JOB_NUM_NODES", "4")]), (1, 4));
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "9"),
            ("SLURM_ARRAY_TASK_MIN", "7"),
            ("SLURM_ARRAY_TASK_MAX", "11"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
        ];
        assert_eq!(share(&slurm), (1, 3));
        assert_eq!(share(&[("JOB_COMPLETION_INDEX", "2"), ("VARBATCH_TASK_COUNT", "5")]), (2, 5));
        assert_eq!(share(&[("BATCH_TASK_INDEX", "0"), ("BATCH_TASK_COUNT", "5")]), (0, 5));
        let lsf = [("LSB_JOBINDEX", "10"), ("LSB_JOBINDEX_END", "10"), ("LSB_JOBINDEX_STEP", "1")];
        assert_eq!(share(&lsf), (9, 10));
        assert_eq!(share(&[("LSB_JOBINDEX", "0"), ("LSB_JOBINDEX_END", "0")]), (0, 1));
        let sge = [("SGE_TASK_ID", "4"), ("SGE_TASK_FIRST", "2"), ("SGE_TASK_LAST", "8"), ("SGE_TASK_STEPSIZE", "2")];
        assert_eq!(share(&sge), (1, 4));
        assert_eq!(share(&[("SGE_TASK_ID", "undefined")]), (0, 1));
        assert_eq!(share(&[("PBS_ARRAY_INDEX", "2"), ("VARBATCH_TASK_COUNT", "3")]), (2, 3));
        assert_eq!(share(&[("VARBATCH_TASK_INDEX", "1"), ("VARBATCH_TASK_COUNT", "3")]), (1, 3));
    }

    #[test]
    fn cores_are_those_of_the_task() {
        let of = |variables: &[(&str, &str)]| {
            cores(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
        };
        assert_eq!(of(&[]).expect("nothing"), None);
        for name in ["SLURM_CPUS_PER_TASK", "NSLOTS", "LSB_DJOB_NUMPROC", "VARBATCH_THREADS"] {
            assert_eq!(of(&[(name, "3")]).expect("a number"), Some(3), "{name}");
        }
        assert_eq!(of(&[("NCPUS", "3")]).expect("of no scheduler"), None);
        assert_eq!(of(&[("NCPUS", "3"), ("PBS_JOBID", "1.host")]).expect("a number"), Some(3));
        assert_eq!(of(&[("VARBATCH_THREADS", "8"), ("NSLOTS", "3")]).expect("a number"), Some(8));
        assert_eq!(of(&[("VARBATCH_THREADS", "x")]).expect_err("must fail").class().exit_code(), 2);
    }

    #[test]
    fn what_is_not_clear_is_an_error() {
        assert!(error(&[("JOB_COMPLETION_INDEX", "2")]).contains("not of how many"));
        assert!(error(&[("AWS_BATCH_JOB_ARRAY_INDEX", "2")]).contains("not of how many"));
        let both = [
            ("AWS_BATCH_JOB_ARRAY_INDEX", "0"),
            ("AWS_BATCH_JOB_ARRAY_SIZE", "2"),
            ("SLURM_ARRAY_TASK_ID", "0"),
            ("SLURM_ARRAY_TASK_COUNT", "2"),
        ];
        let text = error(&both);
        assert!(text.contains("AWS Batch") && text.contains("Slurm"), "{text}");
        // flags decide
        let flags = TaskFlags { index: Some(1), count: Some(4), offset: 0 };
        assert_eq!(resolve(flags, &both).expect("flags decide"), Share { index: 1, count: 4 });
        assert!(error(&[("VARBATCH_TASK_INDEX", "3"), ("VARBATCH_TASK_COUNT", "3")]).contains("task 3"));
        assert!(error(&[("VARBATCH_TASK_INDEX", "x"), ("VARBATCH_TASK_COUNT", "3")]).contains("expected a number"));
        assert!(error(&[("VARBATCH_TASK_COUNT", "3")]).contains("which of them"));
        // two tasks of an array that were submitted again: the count is not known from them
        let holes = [
            ("SLURM_ARRAY_TASK_ID", "7"),
            ("SLURM_ARRAY_TASK_MIN", "3"),
            ("SLURM_ARRAY_TASK_MAX", "7"),
            ("SLURM_ARRAY_TASK_STEP", "1"),
            ("SLURM_ARRAY_TASK_COUNT", "2"),
        ];
        assert!(error(&holes).contains("not of how many"));
        let flags = TaskFlags { count: Some(10), ..TaskFlags::default() };
        assert_eq!(resolve(flags, &holes).expect("the count is given"), Share { index: 7, count: 10 });
    }

    #[test]
    fn an_array_may_be_one_of_several() {
        let flags = TaskFlags { index: None, count: Some(25_000), offset: 10_000 };
        let env = [("AWS_BATCH_JOB_ARRAY_INDEX", "5"), ("AWS_BATCH_JOB_ARRAY_SIZE", "10000")];
        assert_eq!(resolve(flags, &env).expect("a task"), Share { index: 10_005, count: 25_000 });
        let flags = TaskFlags { index: None, count: Some(10), offset: -1 };
        assert_eq!(resolve(flags, &[("PBS_ARRAYID", "10")]).expect("a task"), Share { index: 9, count: 10 });
    }
}
