//! Local disk.

use super::cut_short::{self, Watched};
use super::remote::{Cursor, Remote};
use super::s3;
use super::window::Window;
use crate::error::{Class, Error, Result};
use crate::profile::{self, Stage};
use memmap2::{Mmap, UncheckedAdvice};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A file that is read by mapping it: on disk, or an object of S3 whose bytes are fetched when they are looked at.
#[derive(Debug)]
pub struct Mapped {
    path: PathBuf,
    n_bytes: usize,
    modified: Option<std::time::SystemTime>,
    /// Nothing where the map was closed: it is made again when the file is looked at.
    map: OnceLock<Map>,
    remote: Option<Arc<Remote>>,
    /// Set when all of a remote file was asked for: it stays.
    whole: OnceLock<Cursor>,
}

#[derive(Debug, Default)]
struct Map {
    /// Goes before the map does.
    _watched: Option<Watched>,
    /// Of an empty file nothing.
    bytes: Option<Mmap>,
}

impl Mapped {
    /// Maps a regular file, or an object when the path is `s3://BUCKET/KEY`; an empty one maps to no bytes.
    pub fn open(path: &Path) -> Result<Mapped> {
        let (whole, map) = (OnceLock::new(), OnceLock::new());
        if s3::is_uri(path) {
            let (remote, bytes) = Remote::open(&path.to_string_lossy())?;
            let n_bytes = bytes.as_ref().map_or(0, |bytes| bytes.len());
            map.get_or_init(|| Map { _watched: None, bytes });
            return Ok(Mapped { path: path.into(), n_bytes, modified: None, map, remote: Some(remote), whole });
        }
        let (now, n_bytes, modified) = Map::of_file(path)?;
        map.get_or_init(|| now);
        Ok(Mapped { path: path.into(), n_bytes, modified, map, remote: None, whole })
    }

    /// Closes the map until the file is looked at again: a process can have some 65,000 of them. Not those of objects.
    pub fn close(&mut self) {
        if self.remote.is_none() {
            self.map.take();
        }
    }

    /// Whether the map is closed.
    pub fn is_closed(&self) -> bool {
        self.map.get().is_none()
    }

    /// The map, of which a remote file has only what was fetched.
    fn bytes(&self) -> Result<&[u8]> {
        if self.is_closed() {
            let (map, n_bytes, modified) = Map::of_file(&self.path)?;
            if (n_bytes, modified) != (self.n_bytes, self.modified) {
                return Err(Error::bad_data(format!("{} was changed while it was read", self.path.display()))
                    .hint("run the same command again when nothing writes it any more"));
            }
            self.map.get_or_init(|| map);
        }
        Ok(self.map.get().and_then(|map| map.bytes.as_deref()).unwrap_or_default())
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.n_bytes
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.n_bytes == 0
    }

    /// All bytes. A remote file is fetched as a whole and stays on disk: for files that are needed all the time.
    pub fn all(&self) -> Result<&[u8]> {
        if let Some(remote) = self.remote.as_ref().filter(|_| self.whole.get().is_none()) {
            let (mut cursor, mut ready) = (Cursor::new(remote, 0), 0);
            while ready < self.len() {
                ready = cursor.advance(ready, ready + 1)?;
            }
            // another thread may have been faster: then its cursor holds the bytes
            let _ = self.whole.set(cursor);
        }
        self.bytes()
    }

    /// The bytes from `from` on, to be looked at in order.
    pub fn window(&self, from: usize) -> Window<'_> {
        match (self.bytes(), &self.remote) {
            (Ok(bytes), None) => Window::from(bytes),
            (Ok(bytes), Some(remote)) => Window::remote(bytes, Cursor::new(remote, from), from).releasing(self, from),
            (Err(error), _) => Window::failing(self.n_bytes, error),
        }
    }

    /// Says that some bytes are not needed soon: they leave the memory of this process, and come back from the file when they
    /// are looked at again. Without it a file that is read from end to end counts as a whole.
    pub fn release(&self, range: Range<usize>) {
        let Some(map) = self.map.get().and_then(|map| map.bytes.as_ref()) else { return };
        let range = range.start..range.end.min(map.len());
        if range.is_empty() {
            return;
        }
        // SAFETY: the pages of a read-only map hold nothing but the file, so nothing is lost with them.
        let released = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
        // a system that cannot do it keeps the pages, which is no error
        let _ = released;
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file still has the size and time of when it was mapped.
    ///
    /// A remote file is read under the condition that it is the one that was opened.
    pub fn unchanged(&self) -> bool {
        self.remote.is_some()
            || fs::metadata(&self.path)
                .is_ok_and(|now| now.len() == self.n_bytes as u64 && now.modified().ok() == self.modified)
    }

    /// What identifies the content. Of a local file [`Mapped::digest`]; of a remote one its size, ETag and version, which cost
    /// nothing.
    pub fn fingerprint(&self) -> Result<String> {
        match &self.remote {
            Some(remote) => Ok(remote.fingerprint()),
            None => self.bytes().map(sampled_digest),
        }
    }

    /// SHA-256 over the size, the first and last 256 KiB and eight 64 KiB pieces between: cheap on any size, and
    /// different for any two files that a pipeline would confuse. Fetches a remote file as a whole.
    pub fn digest(&self) -> Result<String> {
        self.all().map(sampled_digest)
    }
}

impl Map {
    /// Of a file on disk, with its size and time.
    fn of_file(path: &Path) -> Result<(Map, usize, Option<std::time::SystemTime>)> {
        let read = |error| Error::reading(path, error);
        let file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        if metadata.is_dir() {
            return Err(Error::new(Class::NoInput, format!("{} is a folder, expected a file", path.display())));
        }
        let modified = metadata.modified().ok();
        if metadata.len() == 0 {
            return Ok((Map::default(), 0, modified));
        }
        // SAFETY: the map is read-only. Another process that cuts the file short while it is mapped ends this
        // process (`cut_short`), which is safe: nothing is published. Changes are noticed by `unchanged`.
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        let (n_bytes, watched) = (map.len(), cut_short::watch(map.as_ptr_range(), path));
        Ok((Map { _watched: Some(watched), bytes: Some(map) }, n_bytes, modified))
    }
}

fn sampled_digest(bytes: &[u8]) -> String {
    const END: usize = 256 << 10;
    const PIECE: usize = 64 << 10;
    let mut digest = Sha256::new();
    digest.update((bytes.len() as u64).to_le_bytes());
    if bytes.len() <= 2 * END + 8 * PIECE {
        digest.update(bytes);
    } else {
        digest.update(&bytes[..END]);
        let between = bytes.len() - 2 * END - PIECE;
        for i in 0..8 {
            let at = END + between / 8 * i;
            digest.update(&bytes[at..at + PIECE]);
        }
        digest.update(&bytes[bytes.len() - END..]);
    }
    crate::store::hex(&digest.finalize())
}

/// The content of a small input; `None` when there is none. On S3 when the path is `s3://BUCKET/KEY`.
pub fn read_input(path: &Path) -> Result<Option<Vec<u8>>> {
    if s3::is_uri(path) {
        let (prefix, name) = s3::S3Prefix::of_object(&path.to_string_lossy(), None)?;
        return prefix.read(&name);
    }
    read_if_there(path)
}

/// Text of a list, sheet or BED that must be there, on disk or on S3; compressed by gzip or not.
pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read_small(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::bad_data(format!("{} is no text in UTF-8: byte {at} cannot be read", path.display()))
    })
}

/// Content of a small file that must be there, on disk or on S3; inflated when it is compressed by gzip.
pub fn read_small(path: &Path) -> Result<Vec<u8>> {
    let bytes = match read_input(path)? {
        Some(bytes) => bytes,
        None if s3::is_uri(path) => return Err(s3::missing(&path.to_string_lossy())),
        None => return Err(Error::reading(path, std::io::ErrorKind::NotFound.into())),
    };
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut inflated = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(&bytes[..]).take(MAX_INFLATED + 1);
    reader.read_to_end(&mut inflated).map_err(|error| {
        Error::bad_data(format!("{} looks like gzip and cannot be inflated: {error}", path.display()))
    })?;
    if inflated.len() as u64 > MAX_INFLATED {
        return Err(Error::bad_data(format!("{} inflates to more than 4 GiB, expected a small table", path.display())));
    }
    Ok(inflated)
}

/// Bytes that a small file may inflate to.
const MAX_INFLATED: u64 = 4 << 30;

/// Whether a path names something that cannot be mapped (a pipe, a terminal, standard input).
pub fn is_stream(path: &Path) -> bool {
    path == Path::new("-") || fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Standard input as a file.
pub const STDIN: &str = "/dev/stdin";

/// Whether standard input is a file, redirected by the shell, of which nothing has been read: it can be mapped as it is.
pub fn stdin_is_whole_file() -> bool {
    use std::io::Seek;
    use std::os::fd::AsFd;
    let Ok(handle) = std::io::stdin().as_fd().try_clone_to_owned() else { return false };
    let mut file = File::from(handle);
    file.metadata().is_ok_and(|metadata| metadata.is_file())
        && file.stream_position().is_ok_and(|position| position == 0)
        // opening it again needs the right to read it, which whoever opened it had
        && File::open(STDIN).is_ok()
}

/// Standard input as a stream, or the one at a path.
pub fn open_stream(path: &Path) -> Result<File> {
    use std::os::fd::AsFd;
    let opened = match path == Path::new("-") {
        true => std::io::stdin().as_fd().try_clone_to_owned().map(File::from),
        false => File::open(path),
    };
    let stream = opened.map_err(|error| Error::reading(path, error))?;
    widen_pipe(&stream);
    Ok(stream)
}

/// Lets a pipe hold 1 MiB: with the 64 KiB that it has at first, who writes and who reads wait for each other half of the time.
#[cfg(target_os = "linux")]
fn widen_pipe(stream: &File) {
    use std::os::fd::AsRawFd;
    // SAFETY: the handle is open. It fails where the stream is no pipe or the user has too many, and then changes nothing.
    let _ = unsafe { libc::fcntl(stream.as_raw_fd(), libc::F_SETPIPE_SZ, 1 << 20) };
}

#[cfg(not(target_os = "linux"))]
fn widen_pipe(_: &File) {}

/// Copies a stream to a file, so that it can be mapped.
pub fn spool(mut source: impl Read, name: &str, target: &Path) -> Result<()> {
    let mut file = create(target)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::reading(Path::new(name), error)),
        };
        file.write_all(&buffer[..n]).map_err(|error| Error::writing(target, error))?;
    }
    file.flush().map_err(|error| Error::writing(target, error))
}

/// How often a folder is tried to be made while others remove the ones above it: for a second or so.
const FOLDER_ATTEMPTS: u32 = 1_000;

/// Makes a folder and those above it.
pub fn create_folder(path: &Path) -> Result<()> {
    for attempt in 0..FOLDER_ATTEMPTS {
        match fs::create_dir_all(path) {
            // one above it was removed in between, or was there and is gone: a task that ends removes `_staging` where it is empty
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists) => {}
            done => return done.map_err(|error| Error::writing(path, error)),
        }
        if path.exists() {
            break; // a file is in the way
        }
        std::thread::sleep(Duration::from_micros(u64::from(attempt).min(1_000)));
    }
    fs::create_dir_all(path).map_err(|error| Error::writing(path, error))
}

/// Makes a new file for writing, with its folder.
pub fn create(path: &Path) -> Result<BufWriter<File>> {
    let _stage = profile::enter(Stage::Write);
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let file = File::create(path).map_err(|error| Error::writing(path, error))?;
    Ok(BufWriter::with_capacity(1 << 18, file))
}

/// Gives the system all bytes of a file. They are on the disk when it has its name: [`link_once`].
pub fn close(file: BufWriter<File>, path: &Path) -> Result<()> {
    let _stage = profile::enter(Stage::Write);
    file.into_inner().map(drop).map_err(|error| Error::writing(path, error.into_error()))
}

/// Waits until a file is on the disk.
fn sync(path: &Path) -> Result<()> {
    let _stage = profile::enter(Stage::Write);
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| Error::writing(path, error))
}

/// Gives a finished file its final name, in place of one that may be there.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        create_folder(folder)?;
    }
    fs::rename(from, to).map_err(|error| Error::writing(to, error))
}

/// Writes a whole file: it has its name only when it is complete and on the disk.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let staged = staged_name(path);
    let mut file = create(&staged)?;
    file.write_all(bytes).map_err(|error| Error::writing(&staged, error))?;
    close(file, &staged)?;
    sync(&staged)?;
    rename(&staged, path)?;
    sync_folder(path)
}

/// Writes a whole file unless the name exists. False: it existed, and nothing was changed.
pub fn create_once(path: &Path, bytes: &[u8]) -> Result<bool> {
    create_once_from(&staged_name(path), path, bytes)
}

/// The same with a name for the file until it is whole, on the same file system.
pub fn create_once_from(staged: &Path, path: &Path, bytes: &[u8]) -> Result<bool> {
    let mut file = create(staged)?;
    file.write_all(bytes).map_err(|error| Error::writing(staged, error))?;
    close(file, staged)?;
    let created = link_once(staged, path)?;
    if created {
        sync_folder(path)?;
    } else {
        remove(staged)?;
    }
    Ok(created)
}

/// Gives a finished file its name, when it is on the disk and unless the name exists. False: it existed, and the file is
/// where it was.
pub fn link_once(staged: &Path, path: &Path) -> Result<bool> {
    let _stage = profile::enter(Stage::Write);
    sync(staged)?;
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    match fs::hard_link(staged, path) {
        Ok(()) => remove(staged).map(|()| true),
        // a network file system may do it and lose the answer: nobody else links a staged file
        Err(_) if n_links(staged) == Some(2) => remove(staged).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::writing(path, error)),
        Err(_) => rename_once(staged, path),
    }
}

fn n_links(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|metadata| metadata.nlink())
}

/// The same on file systems without hard links.
#[cfg(target_os = "linux")]
fn rename_once(from: &Path, to: &Path) -> Result<bool> {
    use std::os::unix::ffi::OsStrExt;
    let name = |path: &Path| std::ffi::CString::new(path.as_os_str().as_bytes());
    let (Ok(from_name), Ok(to_name)) = (name(from), name(to)) else {
        return Err(Error::internal("a path with a zero byte"));
    };
    // SAFETY: both names are strings that end with a zero byte and live through the call.
    let result = unsafe {
        libc::renameat2(libc::AT_FDCWD, from_name.as_ptr(), libc::AT_FDCWD, to_name.as_ptr(), libc::RENAME_NOREPLACE)
    };
    let error = std::io::Error::last_os_error();
    match result {
        0 => Ok(true),
        _ if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        _ => Err(Error::writing(to, error)),
    }
}

/// The same on file systems without hard links. Elsewhere than on Linux two processes must not do it at once.
#[cfg(not(target_os = "linux"))]
fn rename_once(from: &Path, to: &Path) -> Result<bool> {
    if to.exists() {
        return Ok(false);
    }
    rename(from, to).map(|()| true)
}

/// SHA-256 (hex) of a whole file.
pub fn sha256(path: &Path) -> Result<String> {
    let read = |error| Error::reading(path, error);
    let mut file = File::open(path).map_err(read)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(read)? {
            0 => return Ok(crate::store::hex(&digest.finalize())),
            n => digest.update(&buffer[..n]),
        }
    }
}

/// SHA-256 (hex) of bytes.
pub fn sha256_of(bytes: &[u8]) -> String {
    crate::store::hex(&Sha256::digest(bytes))
}

/// All files below a folder with their sizes, as sorted paths relative to it with `/`; none when it does not exist.
pub fn list_files(folder: &Path) -> Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    let mut open = vec![String::new()];
    while let Some(prefix) = open.pop() {
        let here = if prefix.is_empty() { folder.to_path_buf() } else { folder.join(&prefix) };
        for name in list(&here)? {
            let relative = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            // links are not followed: a loop would never end
            match fs::symlink_metadata(folder.join(&relative)) {
                Ok(metadata) if metadata.is_dir() => open.push(relative),
                Ok(metadata) => found.push((relative, metadata.len())),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Error::reading(&folder.join(&relative), error)),
            }
        }
    }
    found.sort();
    Ok(found)
}

fn staged_name(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}{STAGED}{}", unique_tag()))
}

/// A part for names of files and attempts that no other process has, on whatever machine: containers all have the same few
/// process numbers.
pub fn unique_tag() -> String {
    // a new hasher is seeded at random
    let random = RandomState::new().build_hasher().finish();
    format!("{}-{random:016x}", std::process::id())
}

/// Removes what [`write_whole`] and [`create_once`] left in a folder when they were killed. The caller makes sure that no
/// other process writes there.
pub fn sweep_staged(folder: &Path) -> Result<()> {
    for name in list(folder)?.iter().filter(|name| name.starts_with('.') && name.contains(STAGED)) {
        remove(&folder.join(name))?;
    }
    Ok(())
}

/// Marks the names of files that are not complete yet.
const STAGED: &str = ".tmp-";

/// Makes a rename in the folder of `path` last.
fn sync_folder(path: &Path) -> Result<()> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    let handle = OpenOptions::new().read(true).open(folder).map_err(|error| Error::writing(folder, error))?;
    // some file systems cannot sync folders; the rename itself is still atomic
    let _ = handle.sync_all();
    Ok(())
}

/// Reads a whole small file; `None` when it does not exist.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::reading(path, error)),
    }
}

/// Removes a file; one that is not there is fine.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::writing(path, error)),
        _ => Ok(()),
    }
}

/// Removes a folder with all that is in it; one that is not there is fine.
pub fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::writing(path, error)),
        _ => Ok(()),
    }
}

/// Removes a folder that has nothing in it; others stay.
pub fn remove_if_empty(path: Option<&Path>) {
    if let Some(path) = path {
        // the system refuses where there is something in it
        let _ = fs::remove_dir(path);
    }
}

/// Names in a folder, sorted; none when it does not exist.
pub fn list(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::reading(folder, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| Error::reading(folder, error))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Size of a file; `None` when it does not exist.
pub fn size_of(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_created_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("record.json");
        assert!(create_once(&path, b"first").expect("writes"));
        assert!(!create_once(&path, b"second").expect("sees the first"));
        assert_eq!(read_if_there(&path).expect("reads").as_deref(), Some(&b"first"[..]));
        std::fs::write(staged_name(&path), b"half").expect("writes");
        assert_ne!(staged_name(&path), staged_name(&path), "nobody else writes into it");
        sweep_staged(folder.path()).expect("sweeps");
        assert_eq!(list(folder.path()).expect("lists"), ["record.json"]);
    }

    #[test]
    fn a_closed_map_is_made_again_when_it_is_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("input");
        std::fs::write(&path, b"first").expect("writes");
        let mut mapped = Mapped::open(&path).expect("it is there");
        let fingerprint = mapped.fingerprint().expect("it is there");
        mapped.close();
        assert!(mapped.is_closed() && mapped.len() == 5 && mapped.unchanged());
        assert_eq!(mapped.window(0).upto(9).expect("it is there"), b"first");
        assert!(!mapped.is_closed() && mapped.fingerprint().expect("it is there") == fingerprint);
        mapped.close();
        std::fs::write(&path, b"other one").expect("writes");
        assert!(!mapped.unchanged());
        let changed = mapped.window(0).upto(1).map(<[u8]>::len).expect_err("it is another file now");
        assert_eq!((changed.class(), changed.message().contains("was changed")), (Class::BadData, true));
        mapped.all().expect_err("the same");
        std::fs::remove_file(&path).expect("removes");
        assert_eq!(mapped.fingerprint().expect_err("it is gone").class(), Class::NoInput);
    }

    #[test]
    fn folders_are_made_while_others_remove_empty_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let (staging, done) = (folder.path().join("_staging"), std::sync::atomic::AtomicBool::new(false));
        let made = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    remove_if_empty(Some(&staging));
                    // tasks end now and then; one that did nothing else would be the next in the line for the folder each time
                    std::thread::sleep(Duration::from_micros(5));
                }
            });
            let made = (0..500).try_for_each(|task| {
                let own = staging.join(task.to_string());
                create_folder(&own.join("variants/contig=chr1"))?;
                remove_folder(&own)
            });
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            made
        });
        made.expect("all are made and removed");
        let file = folder.path().join("file");
        std::fs::write(&file, "x").expect("write");
        assert!(create_folder(&file).is_err(), "a file is in the way");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Mapped::open(Path::new("no/such.vcf")).expect_err("must fail");
        assert_eq!(error.class(), Class::NoInput);
        assert!(error.message().contains("no/such.vcf"));
    }
}
