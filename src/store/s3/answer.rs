//! What S3 answers: what it means, and how it is said to the user.

use super::connection::credentials_come_from_a_service;
use crate::error::{Class, Error};
use bytes::Bytes;
use http::HeaderMap;

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why there is no answer that means something.
#[derive(Debug)]
pub struct Trouble {
    kind: Kind,
    /// What was found, for the message.
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The network, or a server that is too busy: may be better later.
    Temporary,
    Denied,
    Clock,
    Credentials,
    NoBucket,
    Other,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// `<Code>` of an error.
    pub fn code(&self) -> Option<String> {
        element(&String::from_utf8_lossy(&self.body), "Code")
    }

    /// The region of the bucket, where the request went to another one.
    pub fn other_region(&self, asked: &str) -> Option<String> {
        let told = self.header("x-amz-bucket-region")?;
        let wrong = matches!(self.status, 301 | 307 | 400 | 403) && told != asked;
        let sane = !told.is_empty() && told.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (wrong && sane).then(|| told.to_string())
    }

    /// The answer, when it is one of those that a caller understands.
    pub fn judged(self) -> Result<Answer, Trouble> {
        let code = if self.is_success() { String::new() } else { self.code().unwrap_or_default() };
        let kind = match (self.status, &code[..]) {
            (404, "NoSuchBucket") => Kind::NoBucket,
            (200..300 | 404 | 409 | 412 | 416, _) => return Ok(self),
            (408 | 429 | 500 | 502.., _) | (_, "RequestTimeout" | "SlowDown" | "InternalError") => Kind::Temporary,
            (_, "RequestTimeTooSkewed") => Kind::Clock,
            (
                _,
                "ExpiredToken"
                | "InvalidAccessKeyId"
                | "InvalidToken"
                | "SignatureDoesNotMatch"
                | "TokenRefreshRequired",
            ) => Kind::Credentials,
            (403, "") if self.clock_is_wrong() => Kind::Clock,
            (401 | 403, _) => Kind::Denied,
            _ => Kind::Other,
        };
        let status = self.status;
        // the text that comes with a refused signature quotes what was signed: only the code is shown
        let text =
            if code.is_empty() { format!("HTTP status {status}") } else { format!("{code}, HTTP status {status}") };
        Err(Trouble { kind, text })
    }

    /// Whether the server's clock is more than five minutes away from ours; an answer to HEAD has no code that says so.
    fn clock_is_wrong(&self) -> bool {
        let Some(date) = self.header("date").and_then(seconds_of_date) else { return false };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.as_secs());
        now.abs_diff(date) > 300
    }
}

impl Trouble {
    pub fn is_temporary(&self) -> bool {
        // a token that ended on its way is followed by another one
        let may_pass = self.text.is_empty() || self.text.starts_with("ExpiredToken");
        self.kind == Kind::Temporary
            || (self.kind == Kind::Credentials && may_pass && credentials_come_from_a_service())
    }

    pub fn of_transport(error: &reqwest::Error) -> Trouble {
        let what = if error.is_timeout() {
            "the server does not answer"
        } else if error.is_connect() {
            "no connection"
        } else if error.is_body() || error.is_decode() {
            "the answer was cut off"
        } else {
            "the connection broke"
        };
        // the innermost cause is the one of the operating system; the URL is not part of it
        let mut cause: &dyn std::error::Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let text = if std::ptr::addr_eq(cause, error) { what.into() } else { format!("{what}: {cause}") };
        Trouble { kind: Kind::Temporary, text }
    }

    pub fn of_request(what: &str) -> Trouble {
        Trouble { kind: Kind::Other, text: what.into() }
    }

    /// What came is not what the status promises.
    pub fn of_answer(what: &str) -> Trouble {
        Trouble { kind: Kind::Temporary, text: what.into() }
    }

    pub fn no_credentials() -> Trouble {
        Trouble { kind: Kind::Credentials, text: String::new() }
    }

    /// As the program's error. `doing`: "read" or "write".
    pub fn error(&self, doing: &str, uri: &str) -> Error {
        let text = &self.text;
        let new = |class, message: String, hint: &str| Error::new(class, message).hint(hint);
        match self.kind {
            Kind::Temporary => new(
                Class::Temporary,
                format!("cannot {doing} {uri}: {text}, also after trying again for some time"),
                "run the same command again: finished shards are kept",
            ),
            Kind::Denied => new(
                Class::Permission,
                format!("cannot {doing} {uri}: permission denied ({text})"),
                "the credentials need s3:GetObject for inputs, s3:PutObject for outputs, and s3:ListBucket: without it a name \
                 that does not exist is refused as well",
            ),
            Kind::Clock => new(
                Class::Permission,
                format!("cannot {doing} {uri}: the clock of this machine is wrong ({text})"),
                "S3 refuses signatures that are more than 15 minutes old: set the clock",
            ),
            Kind::Credentials if text.is_empty() && credentials_come_from_a_service() => new(
                Class::Temporary,
                format!("cannot {doing} {uri}: the service that gives credentials does not answer"),
                "run the same command again: finished shards are kept",
            ),
            Kind::Credentials if text.is_empty() => new(
                Class::Permission,
                format!("cannot {doing} {uri}: no AWS credentials were found"),
                "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine or job a role; \
                 AWS_SKIP_SIGNATURE=true reads public buckets",
            ),
            Kind::Credentials => new(
                Class::Permission,
                format!("cannot {doing} {uri}: the AWS credentials are not accepted ({text})"),
                "they may have expired or belong to another account or endpoint: get new ones",
            ),
            Kind::NoBucket => new(
                Class::NoInput,
                format!("cannot {doing} {uri}: there is no such bucket"),
                "look for a misspelt name, or another account or endpoint (`--endpoint-url`, AWS_ENDPOINT_URL)",
            ),
            Kind::Other => Error::new(Class::Io, format!("cannot {doing} {uri}: {text}")),
        }
    }
}

/// Text of the first `<name>` in a piece of XML, as S3 writes it: no attributes, no nesting of equal names.
pub fn element(xml: &str, name: &str) -> Option<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let start = xml.find(&open)? + open.len();
    let end = start + xml[start..].find(&close)?;
    Some(unescape(&xml[start..end]))
}

/// The inner text of every `<name>`.
pub fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open[..]).skip(1).filter_map(|rest| rest.split_once(&close[..]).map(|(inner, _)| inner)).collect()
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(end) = rest.find(';') else { break };
        let name = &rest[1..end];
        let number = match (name.strip_prefix("#x"), name.strip_prefix('#')) {
            (Some(hex), _) => u32::from_str_radix(hex, 16).ok(),
            (None, Some(decimal)) => decimal.parse().ok(),
            _ => None,
        };
        let known = match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => number.and_then(char::from_u32),
        };
        match known {
            Some(character) => plain.push(character),
            None => plain.push_str(&rest[..=end]),
        }
        rest = &rest[end + 1..];
    }
    plain.push_str(rest);
    plain
}

/// Seconds since 1970 of a date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds_of_date(text: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut parts = text.split(' ').skip(1);
    let day: i64 = parts.next()?.parse().ok()?;
    let month = MONTHS.find(parts.next()?)? as i64 / 3 + 1;
    let year: i64 = parts.next()?.parse().ok()?;
    let mut time = parts.next()?.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    u64::try_from(days_of_date(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second).ok()
}

/// Days since 1970 of a date (Hinnant, "chrono-compatible low-level date algorithms").
pub fn days_of_date(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let (era, m) = (y.div_euclid(400), (month + 9) % 12);
    let of_era =
        y.rem_euclid(400) * 365 + y.rem_euclid(400) / 4 - y.rem_euclid(400) / 100 + (153 * m + 2) / 5 + day - 1;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, code: &str) -> Answer {
        let body = format!("<Error><Code>{code}</Code><Message>key AKIASECRET</Message></Error>");
        Answer {
            status,
            headers: HeaderMap::new(),
            body: Bytes::from(if code.is_empty() { String::new() } else { body }),
        }
    }

    #[test]
    fn answers_become_errors_with_the_right_exit_code() {
        let cases = [
            (403, "AccessDenied", 77),
            (403, "RequestTimeTooSkewed", 77),
            (400, "ExpiredToken", 77),
            (403, "", 77),
            (404, "NoSuchBucket", 66),
            (503, "SlowDown", 75),
            (500, "", 75),
            (429, "", 75),
            (400, "RequestTimeout", 75),
            (501, "NotImplemented", 74),
            (400, "InvalidArgument", 74),
        ];
        for (status, code, exit) in cases {
            let error = answer(status, code).judged().expect_err("must fail").error("read", "s3://b/k");
            assert_eq!(error.class().exit_code(), exit, "{status} {code}");
            assert!(error.message().contains("s3://b/k"));
            assert!(!format!("{error} {:?}", error.hint_text()).contains("AKIASECRET"));
        }
        for status in [200, 204, 206, 404, 409, 412, 416] {
            assert!(answer(status, "").judged().is_ok());
        }
    }

    #[test]
    fn the_clock_is_named() {
        let mut skewed = answer(403, "");
        skewed.headers.insert("date", http::HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert!(skewed.judged().expect_err("must fail").error("read", "s3://b/k").message().contains("clock"));
        assert_eq!(seconds_of_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds_of_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
    }

    #[test]
    fn xml_is_taken_apart() {
        let xml = "<R><Key>a&amp;b&#x41;&#66;</Key><C><K>1</K></C><C><K>2</K></C></R>";
        assert_eq!(element(xml, "Key").as_deref(), Some("a&bAB"));
        assert_eq!(elements(xml, "C"), ["<K>1</K>", "<K>2</K>"]);
        assert_eq!(element(xml, "None"), None);
    }

    #[test]
    fn the_region_of_a_bucket_is_taken_from_the_answer() {
        let mut moved = answer(301, "PermanentRedirect");
        moved.headers.insert("x-amz-bucket-region", http::HeaderValue::from_static("eu-west-1"));
        assert_eq!(moved.other_region("us-east-1").as_deref(), Some("eu-west-1"));
        assert_eq!(moved.other_region("eu-west-1"), None);
    }
}
