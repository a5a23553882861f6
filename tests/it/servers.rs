//! S3 on this machine: a server in memory, and proxies in front of it that break requests (`tests/servers`).

use super::common::{Finished, binary, finish, skip};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A server process; it ends when its standard input is closed, at the latest with this process.
pub struct Server {
    _child: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// Key and secret, where signatures are checked.
    key: Option<(String, String)>,
}

/// The Python with the packages of `scripts/setup test`.
pub fn python() -> PathBuf {
    if let Some(said) = std::env::var_os("VARBATCH_PYTHON") {
        return said.into();
    }
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-python/bin/python");
    if venv.exists() { venv } else { PathBuf::from("python3") }
}

fn start(script: &str, args: &[&str]) -> Option<Server> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(script);
    let mut command = Command::new(python());
    command.arg(script).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let port: u16 = words.next()?.parse().ok()?;
    let key = words.next().zip(words.next()).map(|(key, secret)| (key.into(), secret.into()));
    Some(Server { _child: child, address: format!("127.0.0.1:{port}"), key })
}

/// The S3 server of this process; `None` (said aloud) where it cannot be started.
pub fn s3() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| start("moto_s3.py", &[]));
    if server.is_none() {
        skip("moto is not installed; `scripts/setup test` does it");
    }
    server.as_ref()
}

/// A bucket of its own on the S3 server, with the environment for a child process.
pub struct Bucket {
    /// `s3://NAME`.
    pub uri: String,
    /// `http://127.0.0.1:PORT` of the server, or of the proxy in front of it.
    pub endpoint: String,
    proxy: Option<Server>,
}

/// A new bucket; `None` (said aloud) where there is no server.
pub fn bucket() -> Option<Bucket> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = s3()?;
    let name = format!("varbatch-test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let (status, _) = http(&server.address, "PUT", &format!("/{name}"), b"");
    assert_eq!(status, 200, "cannot make a bucket");
    Some(Bucket { uri: format!("s3://{name}"), endpoint: format!("http://{}", server.address), proxy: None })
}

/// A bucket on a server that checks signatures, for this test alone; `None` (said aloud) where it cannot be started.
pub fn signed_bucket() -> Option<Bucket> {
    s3()?;
    let server = start("moto_s3.py", &["signed"]).expect("the server starts");
    let endpoint = format!("http://{}", server.address);
    Some(Bucket { uri: "s3://signed".into(), endpoint, proxy: Some(server) })
}

impl Bucket {
    /// One that is not known to be there.
    pub fn somewhere(uri: &str, endpoint: &str) -> Bucket {
        Bucket { uri: uri.into(), endpoint: endpoint.into(), proxy: None }
    }

    /// The same bucket through a proxy that breaks a part of the requests; see `tests/servers/fault_proxy.py`.
    pub fn through(&self, mode: &str, rate: f64, seed: u32) -> Bucket {
        let address = &s3().expect("it has a bucket").address;
        let args = [address, mode, &rate.to_string(), &seed.to_string()];
        let proxy = start("fault_proxy.py", &args).expect("the proxy starts");
        Bucket { uri: self.uri.clone(), endpoint: format!("http://{}", proxy.address), proxy: Some(proxy) }
    }

    /// The same bucket where keys live some seconds, and the variables to be given them as pods of Kubernetes are (EKS Pod
    /// Identity). `token_file`: any file.
    pub fn with_short_credentials(&self, life_s: f64, token_file: &Path) -> (Bucket, Vec<(&'static str, String)>) {
        let through = self.through("expiring", life_s, 1);
        let mut environment = through.environment();
        environment.retain(|(name, _)| !name.contains("_KEY"));
        environment.push(("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/__credentials", through.endpoint)));
        environment.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file.display().to_string()));
        (through, environment)
    }

    /// What the proxy counted so far: `requests`, `faults`, `get`, `get_bytes`.
    pub fn counts(&self) -> serde_json::Value {
        let proxy = self.proxy.as_ref().expect("the bucket is behind a proxy");
        serde_json::from_slice(&http(&proxy.address, "GET", "/__counts", b"").1).expect("counts")
    }

    /// The variables that a child process needs to reach the bucket.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let (key, secret) = match self.proxy.as_ref().and_then(|server| server.key.clone()) {
            Some(known) => known,
            None => ("test-key".into(), "test-secret".into()),
        };
        vec![
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("VARBATCH_S3_TIMEOUT_SECONDS", "2".into()),
        ]
    }

    /// Runs `varbatch` with these arguments and that environment.
    pub fn varbatch<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Finished {
        finish(Command::new(binary()).args(args).envs(self.environment()).stdin(Stdio::null()))
    }

    /// Puts a file there, past the proxy; its URI.
    pub fn put(&self, name: &str, bytes: &[u8]) -> String {
        let address = &s3().expect("it has a bucket").address;
        let path = format!("/{}/{name}", self.uri.trim_start_matches("s3://"));
        let (status, _) = http(address, "PUT", &path, bytes);
        assert_eq!(status, 200, "cannot put {name}");
        format!("{}/{name}", self.uri)
    }

    /// The content of an object, past the proxy.
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        let address = &s3().expect("it has a bucket").address;
        let path = format!("/{}/{name}", self.uri.trim_start_matches("s3://"));
        let (status, body) = http(address, "GET", &path, b"");
        (status == 200).then_some(body)
    }
}

/// One request without a signature, which moto does not ask for.
fn http(address: &str, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).expect("connect");
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/octet-stream\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test-key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("send");
    stream.write_all(body).expect("send");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer");
    let status = String::from_utf8_lossy(&answer[9..12]).parse().expect("a status");
    (status, answer.split_off(end + 4))
}
