//! Progress of a run: a bar on a terminal, a line now and then elsewhere.

use crate::pipeline::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How often the bar is drawn.
const BAR_EVERY: Duration = Duration::from_millis(200);
/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Runs `work` while showing how far it is of `total` input bytes.
pub fn watch<T>(progress: &Progress, total: u64, show: bool, work: impl FnOnce() -> T) -> T {
    if !show {
        return work();
    }
    let (ended, end) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if std::io::stderr().is_terminal() {
                bar(progress, total, &end);
            } else {
                lines(progress, total, &end);
            }
        });
        let result = work();
        drop(ended);
        result
    })
}

fn bar(progress: &Progress, total: u64, end: &std::sync::mpsc::Receiver<()>) {
    let bar = ProgressBar::new(total);
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {bytes_per_sec}  ETA {eta}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    let started = Instant::now();
    while end.recv_timeout(BAR_EVERY) == Err(RecvTimeoutError::Timeout) {
        bar.set_position(progress.bytes.load(Ordering::Relaxed).min(total));
        bar.set_message(rate(progress, started));
    }
    bar.finish_and_clear();
}

fn lines(progress: &Progress, total: u64, end: &std::sync::mpsc::Receiver<()>) {
    let started = Instant::now();
    while end.recv_timeout(LINE_EVERY) == Err(RecvTimeoutError::Timeout) {
        let done = progress.bytes.load(Ordering::Relaxed).min(total);
        let seconds = started.elapsed().as_secs_f64();
        let left = match done {
            0 => String::new(),
            done => format!(", {:.0} s left", (total - done) as f64 / (done as f64 / seconds)),
        };
        eprintln!(
            "{:.0} %, {}, {:.1} MB/s{left}",
            done as f64 / total.max(1) as f64 * 100.0,
            rate(progress, started),
            done as f64 / seconds / 1e6
        );
    }
}

fn rate(progress: &Progress, started: Instant) -> String {
    let records = progress.records.load(Ordering::Relaxed);
    format!("{records} records, {:.0} records/s", records as f64 / started.elapsed().as_secs_f64())
}
