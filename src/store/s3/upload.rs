//! Files as objects: in one request, or in parts that become one object at the end.

use super::answer::{Answer, Trouble, element};
use super::connection::{Patience, Request};
use super::{Creation, S3Prefix, SHA256_HEADER, runtime, unexpected};
use crate::error::{Error, Result};
use bytes::Bytes;
use http::Method;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Files up to this size are sent in one request, in bytes.
const ONE_REQUEST_BYTES: u64 = 16 << 20;
/// Size of a part, in bytes, unless there would be too many.
const PART_BYTES: u64 = 8 << 20;
/// Most parts of an object that S3 takes.
const MAX_PARTS: u64 = 10_000;
/// Parts that are sent at once; all are in memory.
const PARTS_AT_ONCE: usize = 4;

/// What is to be written where.
struct Upload<'a> {
    prefix: &'a S3Prefix,
    name: &'a str,
    key: String,
    path: &'a Path,
    file: File,
    bytes: u64,
    sha256: &'a str,
}

pub(super) fn upload(prefix: &S3Prefix, name: &str, path: &Path, sha256: &str) -> Result<Creation> {
    let reading = |error| Error::reading(path, error);
    let file = File::open(path).map_err(reading)?;
    let bytes = file.metadata().map_err(reading)?.len();
    let upload = Upload { prefix, name, key: prefix.key(name)?, path, file, bytes, sha256 };
    if bytes <= ONE_REQUEST_BYTES { upload.at_once() } else { upload.in_parts() }
}

impl Upload<'_> {
    fn read(&self, start: u64, end: u64) -> Result<Bytes> {
        let mut bytes = vec![0; (end - start) as usize];
        self.file.read_exact_at(&mut bytes, start).map_err(|error| Error::reading(self.path, error))?;
        Ok(bytes.into())
    }

    fn error(&self, trouble: &Trouble) -> Error {
        trouble.error("write", &self.prefix.uri_of(self.name))
    }

    async fn what_is_there(&self) -> Result<Option<Creation>> {
        let same = self.prefix.is_same(self.name, self.bytes, self.sha256).await?;
        Ok(same.map(|same| if same { Creation::Same } else { Creation::Other }))
    }

    fn at_once(&self) -> Result<Creation> {
        let request = Request::new(Method::PUT, &self.key)
            .header(SHA256_HEADER, self.sha256)
            .header("if-none-match", "*")
            .body(self.read(0, self.bytes)?);
        let mut patience = Patience::new();
        runtime().block_on(async {
            loop {
                let unclear = match self.prefix.connection.attempt(&request).await {
                    Ok(answer) if answer.is_success() => return Ok(Creation::Created),
                    Ok(answer) => unexpected(&answer),
                    Err(trouble) => trouble,
                };
                if !unclear.is_temporary() {
                    return Err(self.error(&unclear));
                }
                if let Some(found) = self.what_is_there().await? {
                    return Ok(found);
                }
                if !patience.wait().await {
                    return Err(self.error(&unclear));
                }
            }
        })
    }

    fn in_parts(&self) -> Result<Creation> {
        // bytes that are there already need not be sent
        if let Some(found) = runtime().block_on(self.what_is_there())? {
            return Ok(found);
        }
        let mut patience = Patience::new();
        loop {
            let id = self.begin()?;
            let done = self.send_parts(&id).and_then(|parts| runtime().block_on(self.complete(&id, &parts)));
            if !matches!(done, Ok(Finished::As(Creation::Created))) {
                runtime().block_on(self.abort(&id));
            }
            match done? {
                Finished::As(creation) => return Ok(creation),
                Finished::Not(trouble) if !runtime().block_on(patience.wait()) => return Err(self.error(&trouble)),
                Finished::Not(_) => {}
            }
        }
    }

    /// Begins an upload: its ID.
    fn begin(&self) -> Result<String> {
        let request = Request::new(Method::POST, &self.key).query("uploads", "").header(SHA256_HEADER, self.sha256);
        let answer = runtime().block_on(self.prefix.connection.patiently(&request, &mut Patience::new()));
        let answer = answer.map_err(|trouble| self.error(&trouble))?;
        let id = element(&String::from_utf8_lossy(&answer.body), "UploadId").filter(|_| answer.is_success());
        id.ok_or_else(|| self.error(&unexpected(&answer)))
    }

    /// Sends all parts: their ETags.
    fn send_parts(&self, id: &str) -> Result<Vec<String>> {
        let part_bytes = PART_BYTES.max(self.bytes.div_ceil(MAX_PARTS).next_multiple_of(1 << 20));
        let starts: Vec<u64> = (0..self.bytes).step_by(part_bytes as usize).collect();
        let mut etags = vec![String::new(); starts.len()];
        let numbered: Vec<(usize, u64)> = starts.into_iter().enumerate().collect();
        for group in numbered.chunks(PARTS_AT_ONCE) {
            let mut sending = tokio::task::JoinSet::new();
            for &(index, start) in group {
                let request = Request::new(Method::PUT, &self.key)
                    .query("partNumber", (index + 1).to_string())
                    .query("uploadId", id)
                    .body(self.read(start, self.bytes.min(start + part_bytes))?);
                let connection = self.prefix.connection.clone();
                let send = async move { (index, connection.patiently(&request, &mut Patience::new()).await) };
                sending.spawn_on(send, runtime().handle());
            }
            while let Some(sent) = runtime().block_on(sending.join_next()) {
                let (index, answer) = sent.map_err(|_| Error::internal("sending a part ended early"))?;
                let answer = answer.map_err(|trouble| self.error(&trouble))?;
                let etag = answer.header("etag").filter(|_| answer.is_success());
                etags[index] = etag.ok_or_else(|| self.error(&unexpected(&answer)))?.to_string();
            }
        }
        Ok(etags)
    }

    /// Makes one object of the parts, unless the name is taken.
    async fn complete(&self, id: &str, etags: &[String]) -> Result<Finished> {
        let part = |(index, etag): (usize, &String)| {
            let etag = etag.replace('&', "&amp;").replace('"', "&quot;");
            format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag></Part>", index + 1)
        };
        let parts: String = etags.iter().enumerate().map(part).collect();
        let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let request = Request::new(Method::POST, &self.key)
            .query("uploadId", id)
            .header("if-none-match", "*")
            .header("content-type", "application/xml")
            .body(Bytes::from(body));
        let mut patience = Patience::new();
        loop {
            let (unclear, upload_is_gone) = match self.prefix.connection.attempt(&request).await {
                Ok(answer) if is_complete(&answer) => return Ok(Finished::As(Creation::Created)),
                // after 409 the parts must be sent again; after 404 they are gone, perhaps into the object
                Ok(answer) => (unexpected_end(&answer), matches!(answer.status, 404 | 409)),
                Err(trouble) => (trouble, false),
            };
            if !unclear.is_temporary() {
                return Err(self.error(&unclear));
            }
            if let Some(found) = self.what_is_there().await? {
                return Ok(Finished::As(found));
            }
            if upload_is_gone {
                return Ok(Finished::Not(unclear));
            }
            if !patience.wait().await {
                return Err(self.error(&unclear));
            }
        }
    }

    /// Lets go of the parts. What fails here costs storage until a lifecycle rule removes it, and nothing else.
    async fn abort(&self, id: &str) {
        let request = Request::new(Method::DELETE, &self.key).query("uploadId", id);
        for _ in 0..3 {
            match self.prefix.connection.attempt(&request).await {
                Err(trouble) if trouble.is_temporary() => {}
                _ => return,
            }
        }
    }
}

/// How a try to complete an upload ended.
enum Finished {
    As(Creation),
    /// All must be sent again.
    Not(Trouble),
}

/// S3 answers 200 before it knows, and says in the body how it went.
fn is_complete(answer: &Answer) -> bool {
    answer.is_success() && answer.code().is_none() && !answer.body.is_empty()
}

fn unexpected_end(answer: &Answer) -> Trouble {
    match answer.status {
        200 | 404 => Trouble::of_answer(&answer.code().unwrap_or_else(|| "the upload did not end".into())),
        _ => unexpected(answer),
    }
}
