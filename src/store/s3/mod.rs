//! S3: objects below a prefix, read and written by blocking calls.
//!
//! What a create did is found out by looking (the read-back rule): a lost reply, a reset or a 409 says nothing about
//! whether the object was written, and 412 not by whom. So after each of them the object is read: not there: again; equal
//! to what was to be written: [`Creation::Same`]; else [`Creation::Other`]. All is tried again for about two minutes.

mod answer;
mod connection;
mod count;
mod profile;
mod stop;
mod upload;

pub use connection::set_default_endpoint;
pub(super) use connection::{Identity, Patience, runtime, suffix, transport};
pub use count::{Requests, requests};
pub use stop::stop_flag;

use super::place::Creation;
use crate::error::{Class, Error, Result};
use answer::{Answer, Trouble, element, elements};
use bytes::Bytes;
use connection::{Connection, Request, check_key, parse_uri};
use http::Method;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Metadata of an object that holds the SHA-256 of its content.
const SHA256_HEADER: &str = "x-amz-meta-sha256";
/// How much of an object is read at once, in bytes, where all of it goes by.
const PIECE_BYTES: u64 = 8 << 20;

/// Whether a path or URI is one of S3.
pub fn is_uri(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(b"s3://")
}

/// A bucket and the beginning of keys: the names of all calls are relative to it.
#[derive(Clone, Debug)]
pub struct S3Prefix {
    connection: Arc<Connection>,
    /// Empty, or ends with `/`.
    prefix: String,
    uri: String,
}

/// What is known of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Size in bytes.
    pub bytes: u64,
    /// As S3 writes it, with its quotation marks.
    pub etag: Option<String>,
    /// Of buckets with versions.
    pub version: Option<String>,
    /// Of the content, hex; where it was written by this program.
    pub sha256: Option<String>,
}

impl Stat {
    fn of(answer: &Answer, bytes: u64) -> Stat {
        let header = |name| answer.header(name).map(str::to_string);
        Stat {
            bytes,
            etag: header("etag"),
            version: header("x-amz-version-id").filter(|version| version != "null"),
            sha256: header(SHA256_HEADER),
        }
    }

    /// What identifies the content: any change of the object changes it.
    pub fn fingerprint(&self) -> String {
        let etag = self.etag.as_deref().unwrap_or_default().trim_matches('"');
        let version = self.version.as_deref().map_or_else(String::new, |version| format!(":{version}"));
        format!("s3:{}:{etag}{version}", self.bytes)
    }
}

/// One object of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the folder that was listed.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
}

impl S3Prefix {
    /// `s3://bucket` or `s3://bucket/folder`. Credentials and region come from the standard AWS variables and providers. The
    /// endpoint is the one given, else that of the process ([`set_default_endpoint`]), else `AWS_ENDPOINT_URL_S3` or
    /// `AWS_ENDPOINT_URL`, else Amazon's. Sends nothing.
    pub fn open(uri: &str, endpoint: Option<&str>) -> Result<S3Prefix> {
        let (bucket, key) = parse_uri(uri)?;
        let connection = Connection::of(bucket, endpoint)?;
        let key = key.trim_end_matches('/');
        let prefix = if key.is_empty() { String::new() } else { format!("{key}/") };
        Ok(S3Prefix { connection, prefix, uri: uri.trim_end_matches('/').into() })
    }

    /// The folder of an object, and its name there.
    pub fn of_object(uri: &str, endpoint: Option<&str>) -> Result<(S3Prefix, String)> {
        let (bucket, key) = parse_uri(uri)?;
        if key.is_empty() || key.ends_with('/') {
            return Err(Error::usage(format!("{uri} is a bucket or folder, expected an object")));
        }
        let connection = Connection::of(bucket, endpoint)?;
        let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let uri = format!("s3://{}/{prefix}", connection.bucket());
        Ok((S3Prefix { connection, prefix, uri: uri.trim_end_matches('/').into() }, name.into()))
    }

    /// As it was given, without a `/` at its end.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The URI of an object.
    pub fn uri_of(&self, name: &str) -> String {
        format!("s3://{}/{}{name}", self.connection.bucket(), self.prefix)
    }

    /// A folder below.
    pub fn folder(&self, name: &str) -> S3Prefix {
        let name = name.trim_matches('/');
        let mut below = self.clone();
        if !name.is_empty() {
            below.prefix.push_str(name);
            below.prefix.push('/');
            below.uri = format!("{}/{name}", self.uri);
        }
        below
    }

    /// A whole object; `None`: there is none.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        runtime().block_on(self.read_async(name)).map(|found| found.map(Vec::from))
    }

    /// Some bytes of an object; all of them must be there. With `if_match` it must still have this ETag.
    pub fn read_range(&self, name: &str, range: Range<u64>, if_match: Option<&str>) -> Result<Bytes> {
        runtime().block_on(self.read_range_async(name, range, if_match))
    }

    /// What is known of an object; `None`: there is none.
    pub fn stat(&self, name: &str) -> Result<Option<Stat>> {
        runtime().block_on(self.stat_async(name))
    }

    /// The first bytes of an object (all, where it is shorter), with what is known of it. One request.
    pub fn read_start(&self, name: &str, n_bytes: u64) -> Result<Option<(Stat, Bytes)>> {
        runtime().block_on(self.read_start_async(name, n_bytes))
    }

    /// The last bytes of an object (all, where it is shorter), with what is known of it. One request.
    pub fn read_end(&self, name: &str, n_bytes: u64) -> Result<Option<(Stat, Bytes)>> {
        runtime().block_on(self.read_part_async(name, format!("bytes=-{}", n_bytes.max(1))))
    }

    /// Writes an object unless the name is taken.
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<Creation> {
        runtime().block_on(self.create_async(name, Bytes::copy_from_slice(bytes)))
    }

    /// Writes a file as an object unless the name is taken; `sha256` (hex) of its content is kept with it. Large files are
    /// sent in parts.
    pub fn upload(&self, name: &str, file: &Path, sha256: &str) -> Result<Creation> {
        upload::upload(self, name, file, sha256)
    }

    /// Writes an object in place of one that may be there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let request = self.put(name, Bytes::copy_from_slice(bytes))?;
        let answer = runtime().block_on(self.connection.patiently(&request, &mut Patience::new()));
        match answer {
            Ok(answer) if answer.is_success() => Ok(()),
            Ok(answer) => Err(unexpected(&answer).error("write", &self.uri_of(name))),
            Err(trouble) => Err(trouble.error("write", &self.uri_of(name))),
        }
    }

    /// All objects below a folder (empty: below the prefix), in the order of their names.
    pub fn list(&self, folder: &str) -> Result<Vec<Entry>> {
        runtime().block_on(self.list_async(folder))
    }

    /// Removes an object; one that is not there is fine.
    pub fn remove(&self, name: &str) -> Result<()> {
        let request = Request::new(Method::DELETE, &self.key(name)?);
        let answer = runtime().block_on(self.connection.patiently(&request, &mut Patience::new()));
        match answer {
            Ok(answer) if answer.is_success() || answer.status == 404 => Ok(()),
            Ok(answer) => Err(unexpected(&answer).error("remove", &self.uri_of(name))),
            Err(trouble) => Err(trouble.error("remove", &self.uri_of(name))),
        }
    }

    fn key(&self, name: &str) -> Result<String> {
        check_key(name)?;
        Ok(format!("{}{name}", self.prefix))
    }

    fn put(&self, name: &str, bytes: Bytes) -> Result<Request> {
        let sha256 = super::hex(&Sha256::digest(&bytes));
        Ok(Request::new(Method::PUT, &self.key(name)?).header(SHA256_HEADER, sha256).body(bytes))
    }

    async fn read_async(&self, name: &str) -> Result<Option<Bytes>> {
        let request = Request::new(Method::GET, &self.key(name)?);
        match self.connection.patiently(&request, &mut Patience::new()).await {
            Ok(answer) if answer.is_success() => Ok(Some(answer.body)),
            Ok(answer) if answer.status == 404 => Ok(None),
            Ok(answer) => Err(unexpected(&answer).error("read", &self.uri_of(name))),
            Err(trouble) => Err(trouble.error("read", &self.uri_of(name))),
        }
    }

    pub(super) async fn read_range_async(
        &self,
        name: &str,
        range: Range<u64>,
        if_match: Option<&str>,
    ) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let mut request = Request::new(Method::GET, &self.key(name)?).header("range", format_range(&range));
        if let Some(etag) = if_match {
            request = request.header("if-match", etag);
        }
        let uri = || self.uri_of(name);
        let mut patience = Patience::new();
        loop {
            let answer = self.connection.patiently(&request, &mut patience).await;
            let answer = answer.map_err(|trouble| trouble.error("read", &uri()))?;
            let wanted = range.end - range.start;
            match answer.status {
                206 if answer.body.len() as u64 == wanted && begins_at(&answer, range.start) => return Ok(answer.body),
                // a server that ignores ranges
                200 if answer.body.len() as u64 >= range.end => {
                    return Ok(answer.body.slice(range.start as usize..range.end as usize));
                }
                412 | 404 | 416 if if_match.is_some() => return Err(changed(&uri())),
                404 => return Err(missing(&uri())),
                416 => {
                    let (start, end) = (range.start, range.end);
                    return Err(Error::bad_data(format!("{} has no bytes {start} to {end}", uri())));
                }
                _ => {
                    let short = Trouble::of_answer("the answer is not the range that was asked for");
                    if !patience.wait().await {
                        return Err(short.error("read", &uri()));
                    }
                }
            }
        }
    }

    async fn stat_async(&self, name: &str) -> Result<Option<Stat>> {
        let request = Request::new(Method::HEAD, &self.key(name)?);
        match self.connection.patiently(&request, &mut Patience::new()).await {
            Ok(answer) if answer.is_success() => {
                let bytes = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
                Ok(Some(Stat::of(&answer, bytes)))
            }
            Ok(answer) if answer.status == 404 => Ok(None),
            Ok(answer) => Err(unexpected(&answer).error("read", &self.uri_of(name))),
            // an answer to HEAD does not say why: a GET does
            Err(trouble) if trouble.is_temporary() => Err(trouble.error("read", &self.uri_of(name))),
            Err(_) => Ok(self.read_start_async(name, 1).await?.map(|(stat, _)| stat)),
        }
    }

    pub(super) async fn read_start_async(&self, name: &str, n_bytes: u64) -> Result<Option<(Stat, Bytes)>> {
        self.read_part_async(name, format_range(&(0..n_bytes.max(1)))).await
    }

    /// One range of an object of unknown length. A server that ignores ranges sends all of it.
    async fn read_part_async(&self, name: &str, range: String) -> Result<Option<(Stat, Bytes)>> {
        let request = Request::new(Method::GET, &self.key(name)?).header("range", range);
        let uri = || self.uri_of(name);
        let answer = self.connection.patiently(&request, &mut Patience::new()).await;
        let answer = answer.map_err(|trouble| trouble.error("read", &uri()))?;
        match answer.status {
            206 => {
                let total = answer.header("content-range").and_then(|range| range.rsplit('/').next()?.parse().ok());
                let total = total.ok_or_else(|| {
                    Error::new(Class::Io, format!("cannot read {}: the server does not say how large it is", uri()))
                })?;
                Ok(Some((Stat::of(&answer, total), answer.body)))
            }
            200 => Ok(Some((Stat::of(&answer, answer.body.len() as u64), answer.body))),
            404 => Ok(None),
            // nothing has a first byte only where there is none
            416 => Ok(Some((Stat { bytes: 0, ..Stat::of(&answer, 0) }, Bytes::new()))),
            _ => Err(unexpected(&answer).error("read", &uri())),
        }
    }

    async fn create_async(&self, name: &str, bytes: Bytes) -> Result<Creation> {
        let request = self.put(name, bytes.clone())?.header("if-none-match", "*");
        let mut patience = Patience::new();
        loop {
            let unclear = match self.connection.attempt(&request).await {
                Ok(answer) if answer.is_success() => return Ok(Creation::Created),
                Ok(answer) => unexpected(&answer),
                Err(trouble) => trouble,
            };
            if !unclear.is_temporary() {
                return Err(unclear.error("write", &self.uri_of(name)));
            }
            match self.read_async(name).await? {
                Some(found) if found == bytes => return Ok(Creation::Same),
                Some(_) => return Ok(Creation::Other),
                None => {}
            }
            if !patience.wait().await {
                return Err(unclear.error("write", &self.uri_of(name)));
            }
        }
    }

    async fn list_async(&self, folder: &str) -> Result<Vec<Entry>> {
        let below = self.folder(folder);
        let mut entries = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut request = Request::new(Method::GET, "").query("list-type", "2").query("prefix", &below.prefix[..]);
            if let Some(token) = token.take() {
                request = request.query("continuation-token", token);
            }
            let answer = self.connection.patiently(&request, &mut Patience::new()).await;
            let answer = answer.map_err(|trouble| trouble.error("list", below.uri()))?;
            if !answer.is_success() {
                return Err(unexpected(&answer).error("list", below.uri()));
            }
            let xml = String::from_utf8_lossy(&answer.body);
            for content in elements(&xml, "Contents") {
                let (Some(key), Some(bytes)) = (element(content, "Key"), element(content, "Size")) else { continue };
                let name = key.strip_prefix(&below.prefix).unwrap_or(&key).to_string();
                if !name.is_empty() {
                    entries.push(Entry { name, bytes: bytes.parse().unwrap_or(0) });
                }
            }
            token = element(&xml, "NextContinuationToken");
            if token.is_none() {
                entries.sort_by(|a, b| a.name.cmp(&b.name));
                return Ok(entries);
            }
        }
    }

    /// Whether an object has the size and digest of ours; `None`: there is none.
    async fn is_same(&self, name: &str, bytes: u64, sha256: &str) -> Result<Option<bool>> {
        let Some(stat) = self.stat_async(name).await? else { return Ok(None) };
        if stat.bytes != bytes {
            return Ok(Some(false));
        }
        if let Some(found) = &stat.sha256 {
            return Ok(Some(found == sha256));
        }
        let mut digest = Sha256::new();
        let mut at = 0;
        while at < bytes {
            let end = bytes.min(at + PIECE_BYTES);
            digest.update(self.read_range_async(name, at..end, stat.etag.as_deref()).await?);
            at = end;
        }
        Ok(Some(super::hex(&digest.finalize()) == sha256))
    }
}

/// `Range` of HTTP, whose end is the last byte.
fn format_range(range: &Range<u64>) -> String {
    format!("bytes={}-{}", range.start, range.end - 1)
}

fn begins_at(answer: &Answer, start: u64) -> bool {
    let Some(range) = answer.header("content-range") else { return true };
    let first = range.trim_start_matches("bytes ").split('-').next();
    first.and_then(|first| first.parse().ok()) == Some(start)
}

/// An answer that has no meaning for this request. 409 and 412 of a create come here on their way to the look at what is
/// there; both may be better later.
fn unexpected(answer: &Answer) -> Trouble {
    let code = answer.code().map_or_else(String::new, |code| format!("{code}, "));
    let text = format!("{code}HTTP status {}", answer.status);
    match answer.status {
        409 | 412 => Trouble::of_answer(&text),
        _ => Trouble::of_request(&text),
    }
}

/// An input that is not there.
pub(super) fn missing(uri: &str) -> Error {
    Error::new(Class::NoInput, format!("cannot read {uri}: there is no such object"))
        .hint("look for a misspelt name, or another account or endpoint (`--endpoint-url`, AWS_ENDPOINT_URL)")
}

fn changed(uri: &str) -> Error {
    Error::bad_data(format!("{uri} was changed or removed since it was planned"))
        .hint("run again when nothing writes it any more, or plan again with it as it is now")
}
