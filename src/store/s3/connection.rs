//! One bucket at one endpoint: signed requests, one attempt at a time, and how long to go on trying.
//!
//! `object_store` knows the providers of credentials and the signature; requests are made here, because what its own client
//! retries hides what happened to a conditional create (a lost reply and its own write look the same as a write of another).

use super::answer::{Answer, Trouble};
use super::count::{self, Verb};
use super::profile::Profile;
use super::stop::{self, unless_stopped};
use crate::error::{Class, Error, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsAuthorizer, AwsCredential, AwsCredentialProvider};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpService,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::{Duration, Instant};

/// Seconds for which a request is tried again, by default; `VARBATCH_S3_RETRY_SECONDS` is another number.
const RETRY_SECONDS: f64 = 120.0;
/// Seconds of silence after which an attempt is given up, by default; `VARBATCH_S3_TIMEOUT_SECONDS` is another number.
const TIMEOUT_SECONDS: f64 = 30.0;
/// Longest time for a connection to be made, in seconds.
const CONNECT_SECONDS: f64 = 10.0;
/// The first wait is at most this, and each next one twice as much, in seconds.
const FIRST_WAIT_SECONDS: f64 = 0.1;
/// Longest wait between two attempts, in seconds.
const LONGEST_WAIT_SECONDS: f64 = 10.0;
/// The region where none is said: S3 answers with the right one.
const DEFAULT_REGION: &str = "us-east-1";

/// What stays as it is in a key and in the value of a query.
const IN_QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const IN_KEY: &AsciiSet = &IN_QUERY.remove(b'/');

/// Threads that the network needs; callers do not see them.
pub(in crate::store) fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("s3")
            .enable_all()
            .build()
            .expect("a process can start two threads")
    })
}

fn seconds_of(variable: &str, default: f64) -> f64 {
    let said = std::env::var(variable).ok().and_then(|text| text.parse().ok());
    said.filter(|seconds: &f64| (0.1..=1e6).contains(seconds)).unwrap_or(default)
}

pub(in crate::store) fn transport() -> reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    let build = || {
        let timeout = seconds_of("VARBATCH_S3_TIMEOUT_SECONDS", TIMEOUT_SECONDS);
        reqwest::Client::builder()
            .user_agent(concat!("varbatch/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs_f64(timeout.min(CONNECT_SECONDS)))
            .read_timeout(Duration::from_secs_f64(timeout))
            .pool_idle_timeout(Duration::from_secs(15))
            .build()
            .expect("the TLS of this build works")
    };
    CLIENT.get_or_init(build).clone()
}

/// A request that can be sent any number of times.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub key: String,
    pub query: Vec<(&'static str, String)>,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Request {
    pub fn new(method: Method, key: &str) -> Request {
        Request { method, key: key.into(), query: Vec::new(), headers: Vec::new(), body: Bytes::new() }
    }

    pub fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }

    fn verb(&self) -> Verb {
        let lists = self.query.iter().any(|(name, _)| *name == "list-type");
        match self.method {
            _ if lists => Verb::List,
            Method::GET => Verb::Get,
            Method::HEAD => Verb::Head,
            Method::DELETE => Verb::Delete,
            _ => Verb::Put,
        }
    }
}

/// How long to go on, with waits of random length up to a limit that doubles.
pub struct Patience {
    until: Instant,
    longest: f64,
}

impl Patience {
    pub fn new() -> Patience {
        let seconds = seconds_of("VARBATCH_S3_RETRY_SECONDS", RETRY_SECONDS);
        Patience { until: Instant::now() + Duration::from_secs_f64(seconds), longest: FIRST_WAIT_SECONDS }
    }

    /// Waits; false when the time is over.
    pub async fn wait(&mut self) -> bool {
        let part = RandomState::new().build_hasher().finish() as f64 / u64::MAX as f64;
        let wait = Duration::from_secs_f64(self.longest * part);
        self.longest = (self.longest * 2.0).min(LONGEST_WAIT_SECONDS);
        if stop::is_asked() || Instant::now() + wait >= self.until {
            return false;
        }
        tokio::time::sleep(wait).await;
        true
    }
}

/// One bucket at one endpoint.
#[derive(Debug)]
pub struct Connection {
    bucket: String,
    endpoint: Option<String>,
    region: RwLock<String>,
    credentials: Option<AwsCredentialProvider>,
    /// Whether the reader pays for requests, as `AWS_REQUEST_PAYER` says.
    pays: bool,
    client: reqwest::Client,
}

/// The endpoint of this process where a call names none.
static DEFAULT_ENDPOINT: Mutex<Option<String>> = Mutex::new(None);

/// Sets the endpoint for all that is opened without one (`--endpoint-url`).
pub fn set_default_endpoint(endpoint: Option<&str>) {
    *DEFAULT_ENDPOINT.lock().expect("no thread panics with the lock") = endpoint.map(str::to_string);
}

fn endpoint_in_use(said: Option<&str>) -> Result<Option<String>> {
    let of_process = || DEFAULT_ENDPOINT.lock().expect("no thread panics with the lock").clone();
    let of_environment = || {
        let names = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
        names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    };
    let Some(url) = said.map(str::to_string).or_else(of_process).or_else(of_environment) else { return Ok(None) };
    let parsed: Option<reqwest::Url> = url.parse().ok();
    let fine = parsed.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
    });
    if !fine {
        return Err(Error::usage("the S3 endpoint is not understood, expected http://HOST[:PORT] or https://HOST")
            .hint("an endpoint has no user, password or query; credentials come from the environment"));
    }
    Ok(Some(url.trim_end_matches('/').to_string()))
}

impl Connection {
    /// The connection of a bucket, made once in a process: credentials are kept.
    pub fn of(bucket: &str, endpoint: Option<&str>) -> Result<Arc<Connection>> {
        type Known = HashMap<(String, Option<String>), Arc<Connection>>;
        static KNOWN: Mutex<Option<Known>> = Mutex::new(None);
        let endpoint = endpoint_in_use(endpoint)?;
        let mut known = KNOWN.lock().expect("no thread panics with the lock");
        let known = known.get_or_insert_default();
        let key = (bucket.to_string(), endpoint);
        if let Some(connection) = known.get(&key) {
            return Ok(connection.clone());
        }
        let connection = Arc::new(Self::new(bucket, key.1.clone())?);
        known.insert(key, connection.clone());
        Ok(connection)
    }

    fn new(bucket: &str, endpoint: Option<String>) -> Result<Connection> {
        let Identity { region, credentials, pays } = Identity::of_environment()?;
        Ok(Connection {
            bucket: bucket.into(),
            endpoint,
            region: RwLock::new(region.unwrap_or_else(|| DEFAULT_REGION.into())),
            credentials,
            pays,
            client: transport(),
        })
    }

    /// Name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    fn region(&self) -> String {
        self.region.read().expect("no thread panics with the lock").clone()
    }

    fn url(&self, request: &Request, region: &str) -> String {
        let key = utf8_percent_encode(&request.key, IN_KEY);
        let bucket = &self.bucket;
        let mut url = match &self.endpoint {
            Some(endpoint) => format!("{endpoint}/{bucket}/{key}"),
            // the certificate does not cover names with dots
            None if bucket.contains('.') => format!("https://s3.{region}.{}/{bucket}/{key}", suffix(region)),
            None => format!("https://{bucket}.s3.{region}.{}/{key}", suffix(region)),
        };
        for (i, (name, value)) in request.query.iter().enumerate() {
            url.push(if i == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, IN_QUERY));
        }
        url
    }

    async fn credential(&self) -> Result<Option<Arc<AwsCredential>>, Trouble> {
        let Some(provider) = &self.credentials else { return Ok(None) };
        // what failed is not quoted: it may hold parts of a token
        provider.get_credential().await.map(Some).map_err(|_| Trouble::no_credentials())
    }

    /// Sends a request once. `Ok`: the answer is one of 2xx, 404, 409, 412 and 416, which mean something to the caller.
    pub async fn attempt(&self, request: &Request) -> Result<Answer, Trouble> {
        let region = self.region();
        let answer = self.send(request, &region).await?;
        if let Some(other) = answer.other_region(&region) {
            // the bucket is elsewhere, and S3 says where
            *self.region.write().expect("no thread panics with the lock") = other.clone();
            return self.send(request, &other).await?.judged();
        }
        answer.judged()
    }

    async fn send(&self, request: &Request, region: &str) -> Result<Answer, Trouble> {
        let url = self.url(request, region);
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let value =
                HeaderValue::from_str(value).map_err(|_| Trouble::of_request("a header that HTTP cannot carry"))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let mut signed = HttpRequest::new(HttpRequestBody::from(request.body.clone()));
        *signed.method_mut() = request.method.clone();
        *signed.uri_mut() = url.parse().map_err(|_| Trouble::of_request("a key that is no part of a URL"))?;
        *signed.headers_mut() = headers;
        if let Some(credential) = self.credential().await? {
            AwsAuthorizer::new(&credential, "s3", region)
                .with_request_payer(self.pays)
                .try_authorize(&mut signed, None)
                .map_err(|_| Trouble::of_request("a signature that could not be made"))?;
        }
        let parsed = url.parse().map_err(|_| Trouble::of_request("a key that is no part of a URL"))?;
        let mut wire = reqwest::Request::new(request.method.clone(), parsed);
        *wire.headers_mut() = std::mem::take(signed.headers_mut());
        let sent = request.body.len();
        if sent > 0 || matches!(request.method, Method::PUT | Method::POST) {
            *wire.body_mut() = Some(request.body.clone().into());
        }
        count::sent(request.verb(), sent);
        let answer = async {
            let response = self.client.execute(wire).await.map_err(|error| Trouble::of_transport(&error))?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.bytes().await.map_err(|error| Trouble::of_transport(&error))?;
            Ok(Answer { status, headers, body })
        };
        let answer =
            unless_stopped(answer).await.unwrap_or_else(|| Err(Trouble::of_answer("it was not waited for")))?;
        count::received(answer.body.len());
        Ok(answer)
    }

    /// Sends a request until it is answered, for as long as it may help. For requests that may be done twice.
    pub async fn patiently(&self, request: &Request, patience: &mut Patience) -> Result<Answer, Trouble> {
        loop {
            match self.attempt(request).await {
                Err(trouble) if trouble.is_temporary() => {
                    if !patience.wait().await {
                        return Err(trouble);
                    }
                }
                done => return done,
            }
        }
    }
}

/// Who the process is for AWS, and in which region.
pub(in crate::store) struct Identity {
    /// As the environment says.
    pub region: Option<String>,
    /// `None`: requests are not signed.
    pub credentials: Option<AwsCredentialProvider>,
    /// Whether requests to buckets whose readers pay are paid.
    pub pays: bool,
}

impl Identity {
    /// By the standard variables, files and providers: keys of the environment, web identity, the profile, the container, the machine.
    pub(in crate::store) fn of_environment() -> Result<Identity> {
        let builder = AmazonS3Builder::from_env();
        let value = |key| builder.get_config_value(&key).filter(|value| !value.is_empty());
        let anonymous = value(AmazonS3ConfigKey::SkipSignature).is_some_and(|value| value == "true" || value == "1");
        let keys = [AmazonS3ConfigKey::AccessKeyId, AmazonS3ConfigKey::WebIdentityTokenFile];
        let has_keys = anonymous || keys.into_iter().any(|key| value(key).is_some());
        // of a profile that is not needed the region is taken where it is known
        let profile = Profile::of_environment();
        let profile = if has_keys { profile.unwrap_or_default() } else { profile? };
        let region = value(AmazonS3ConfigKey::Region).or_else(|| profile.region());
        let pays = value(AmazonS3ConfigKey::RequestPayer).is_some_and(|value| value == "true" || value == "1");
        if anonymous {
            return Ok(Identity { region, credentials: None, pays });
        }
        if !has_keys && let Some(credentials) = profile.credentials()? {
            return Ok(Identity { region, credentials: Some(credentials), pays });
        }
        let retry =
            object_store::RetryConfig { max_retries: 2, retry_timeout: Duration::from_secs(15), ..Default::default() };
        let store = builder
            // credentials are not of a bucket, but the builder wants one
            .with_bucket_name("bucket")
            .with_region(region.clone().unwrap_or_else(|| DEFAULT_REGION.into()))
            .with_retry(retry)
            .with_http_connector(Connector)
            .build()
            // the text of the cause is left out: it may quote settings
            .map_err(|_| Error::usage("the AWS settings in the environment are not understood"))?;
        Ok(Identity { region, credentials: Some(store.credentials().clone()), pays })
    }
}

pub(in crate::store) fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// Whether credentials come from a service that may be away for a moment.
pub(super) fn credentials_come_from_a_service() -> bool {
    let names =
        ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"];
    names.iter().any(|name| std::env::var_os(name).is_some())
}

/// The transport for the providers of credentials.
#[derive(Debug)]
struct Connector;

#[derive(Debug)]
struct Service(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = reqwest::Client::builder()
            .http1_only()
            // outside of AWS nobody answers at the address of the metadata service
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(10))
            .build()
            .expect("the TLS of this build works");
        Ok(HttpClient::new(Service(client)))
    }
}

#[async_trait::async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let failed = |error: reqwest::Error| {
            let kind = if error.is_timeout() { HttpErrorKind::Timeout } else { HttpErrorKind::Connect };
            HttpError::new(kind, error.without_url())
        };
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string().parse().map_err(|_| {
            HttpError::new(HttpErrorKind::Unknown, std::io::Error::other("the address is not understood"))
        })?;
        let mut wire = reqwest::Request::new(parts.method, url);
        *wire.headers_mut() = parts.headers;
        let body = http_body_util::BodyExt::collect(body).await?.to_bytes();
        *wire.body_mut() = Some(body.into());
        let response = self.0.execute(wire).await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut answer = HttpResponse::new(response.bytes().await.map_err(failed)?.into());
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}

/// Bucket and key of `s3://bucket/key`.
pub fn parse_uri(uri: &str) -> Result<(&str, &str)> {
    let wrong = |why: &str| {
        Error::usage(format!("{uri} is no S3 address: {why}")).hint("an address looks like s3://bucket/folder/name")
    };
    let rest = uri.strip_prefix("s3://").ok_or_else(|| wrong("it does not begin with s3://"))?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if bucket.is_empty() || !bucket.bytes().all(known) {
        return Err(wrong("it has no name of a bucket"));
    }
    check_key(key).map_err(|_| wrong("a part of the key is . or .., which no URL can carry"))?;
    Ok((bucket, key))
}

/// `.` and `..` as parts of a key would be taken out of the URL on the way.
pub fn check_key(key: &str) -> Result<()> {
    if key.split('/').any(|part| part == "." || part == "..") {
        return Err(Error::new(Class::Usage, format!("the key {key} has a part that is . or ..")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(parse_uri("s3://b/x/y.vcf").ok(), Some(("b", "x/y.vcf")));
        assert_eq!(parse_uri("s3://b").ok(), Some(("b", "")));
        for wrong in ["s3:///x", "http://b/x", "s3://a b/x", "s3://b/../x", "s3://b/x/."] {
            assert_eq!(parse_uri(wrong).expect_err("must fail").class(), Class::Usage, "{wrong}");
        }
    }

    #[test]
    fn an_endpoint_with_a_password_is_refused_without_showing_it() {
        for wrong in ["http://user:secret@host", "ftp://host", "host:9000", "https://host/?x=secret"] {
            let error = endpoint_in_use(Some(wrong)).expect_err("must fail");
            assert!(!format!("{error} {:?}", error.hint_text()).contains("secret"));
        }
        assert_eq!(
            endpoint_in_use(Some("http://127.0.0.1:5000/")).ok().flatten().as_deref(),
            Some("http://127.0.0.1:5000")
        );
    }

    #[test]
    fn urls_are_encoded_once() {
        let connection = |endpoint: Option<&str>, bucket: &str| Connection {
            bucket: bucket.into(),
            endpoint: endpoint.map(str::to_string),
            region: RwLock::new("eu-west-1".into()),
            credentials: None,
            pays: false,
            client: transport(),
        };
        let request = Request::new(Method::GET, "a b/c%2Ad=é+").query("prefix", "x/y z");
        assert_eq!(
            connection(Some("http://h:1"), "b").url(&request, "eu-west-1"),
            "http://h:1/b/a%20b/c%252Ad%3D%C3%A9%2B?prefix=x%2Fy%20z"
        );
        let plain = Request::new(Method::GET, "k");
        assert_eq!(connection(None, "b").url(&plain, "eu-west-1"), "https://b.s3.eu-west-1.amazonaws.com/k");
        assert_eq!(connection(None, "b.c").url(&plain, "eu-west-1"), "https://s3.eu-west-1.amazonaws.com/b.c/k");
        assert_eq!(connection(None, "b").url(&plain, "cn-north-1"), "https://b.s3.cn-north-1.amazonaws.com.cn/k");
    }
}
