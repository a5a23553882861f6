//! Files and objects: mapped inputs, files that appear whole or not at all, names that are created once; S3.

pub mod aws;
pub mod bgzf_writer;
mod cut_short;
pub mod data_file;
pub mod hashing;
pub mod local;
pub mod parquet;
pub mod place;
pub mod remote;
pub mod s3;
mod staged;
pub mod window;

use crate::error::Result;
pub use data_file::DataFile;
pub use place::{Creation, Place};
pub use staged::Staged;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Files or objects that are read or written at once: what they take is waiting, for a disk or for a network.
const AT_ONCE: usize = 16;

/// Does something with each of a list, several at a time, more than there are cores; what it gave, in the order of the list.
pub fn at_once<T: Sync, R: Send>(list: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        while let Some((i, item)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, list.get(i)?))) {
            let result = work(item);
            if result.is_err() {
                next.store(list.len(), Ordering::Relaxed);
            }
            done.push((i, result));
        }
        done
    };
    let mut all = Vec::with_capacity(list.len());
    if list.len() <= 1 {
        all.extend(worker());
    } else {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..AT_ONCE.min(list.len())).map(|_| scope.spawn(worker)).collect();
            for worker in workers {
                all.extend(worker.join().expect("a panic has ended the process"));
            }
        });
    }
    all.sort_unstable_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, result)| result).collect()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name as one path component: every byte but `A-Za-z0-9_.-` becomes `%XX`, as Hive does; never `.` or `..`.
pub fn encode_component(name: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEEP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-');
    let encoded = utf8_percent_encode(name, KEEP).to_string();
    if encoded.bytes().all(|byte| byte == b'.') { encoded.replace('.', "%2E") } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn at_once_keeps_the_order_and_the_first_error() {
        for n in [0, 1, 2, 100] {
            let list: Vec<usize> = (0..n).collect();
            assert_eq!(at_once(&list, |i| Ok(i * 2)).expect("no error"), (0..n).map(|i| i * 2).collect::<Vec<_>>());
        }
        let list: Vec<usize> = (0..1000).collect();
        let error = at_once(&list, |&i| if i >= 7 { Err(Error::usage(format!("{i}"))) } else { Ok(i) });
        assert_eq!(error.expect_err("fails").message(), "7");
    }
}
