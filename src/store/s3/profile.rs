//! Keys and region of a profile, from the files that `aws configure` writes.
//!
//! `AWS_PROFILE` names it, else it is `default`. Keys that stand in the files and `credential_process` are understood. Profiles
//! that take a role or log in by a browser are left to the AWS command line: a hint says how to get their keys from it.

use crate::error::{Class, Error, Result};
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use object_store::{CredentialProvider, StaticCredentialProvider};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Mutex;

/// Keys that end within this are replaced.
const BEFORE_END: Duration = Duration::from_secs(300);

/// A profile (without name: none): what its sections in both files say; the file of credentials comes first.
#[derive(Default)]
pub struct Profile {
    name: String,
    said: BTreeMap<String, String>,
}

impl Profile {
    /// That of the environment. One that is named and is nowhere is an error; without any it is empty.
    pub fn of_environment() -> Result<Profile> {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let file = |variable: &str, name: &str| -> Option<PathBuf> {
            set(variable).map(PathBuf::from).or_else(|| Some(std::env::home_dir()?.join(".aws").join(name)))
        };
        let read = |path: Option<PathBuf>| path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let named = set("AWS_PROFILE").or_else(|| set("AWS_DEFAULT_PROFILE"));
        let credentials = read(file("AWS_SHARED_CREDENTIALS_FILE", "credentials"));
        let config = read(file("AWS_CONFIG_FILE", "config"));
        let name = named.clone().unwrap_or_else(|| "default".into());
        match Profile::of_texts(&name, &credentials, &config) {
            Some(profile) => Ok(profile),
            None if named.is_none() => Ok(Profile { name, said: BTreeMap::new() }),
            None => Err(Error::usage(format!(
                "AWS_PROFILE is {name}, and the files of the AWS command line have no such profile"
            ))
            .hint("`aws configure list-profiles` names them")),
        }
    }

    fn of_texts(name: &str, credentials: &str, config: &str) -> Option<Profile> {
        let in_config = section(config, &format!("profile {name}"))
            .or_else(|| if name == "default" { section(config, name) } else { None });
        let in_credentials = section(credentials, name);
        if in_config.is_none() && in_credentials.is_none() {
            return None;
        }
        let mut said = in_config.unwrap_or_default();
        said.extend(in_credentials.unwrap_or_default());
        Some(Profile { name: name.into(), said })
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.said.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Its region.
    pub fn region(&self) -> Option<String> {
        self.value("region").map(str::to_string)
    }

    /// Its keys; `None`: it says nothing of any.
    pub fn credentials(&self) -> Result<Option<AwsCredentialProvider>> {
        if let (Some(key_id), Some(secret_key)) = (self.value("aws_access_key_id"), self.value("aws_secret_access_key"))
        {
            let token = self.value("aws_session_token").map(str::to_string);
            let credential = AwsCredential { key_id: key_id.into(), secret_key: secret_key.into(), token };
            return Ok(Some(Arc::new(StaticCredentialProvider::new(credential))));
        }
        if let Some(command) = self.value("credential_process") {
            return Ok(Some(Arc::new(Process { command: command.into(), last: Mutex::default() })));
        }
        let foreign =
            self.said.keys().find(|key| key.starts_with("sso_") || ["role_arn", "login_session"].contains(&&key[..]));
        match foreign {
            None => Ok(None),
            Some(key) => Err(Error::new(
                Class::Permission,
                format!("the AWS profile {} has {key}, which only the AWS command line can turn into keys", self.name),
            )
            .hint(format!("eval \"$(aws configure export-credentials --profile {} --format env)\"", self.name))),
        }
    }
}

/// The settings of a section; `None`: there is none of that name. Lines that begin with a blank belong to the setting before.
fn section(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let mut found: Option<BTreeMap<String, String>> = None;
    let mut inside = false;
    for line in text.lines().filter(|line| !line.starts_with([' ', '\t', '#', ';'])) {
        if let Some(rest) = line.strip_prefix('[') {
            let title = rest.split(']').next().unwrap_or_default();
            inside = title.split_whitespace().eq(name.split_whitespace());
            if inside {
                found.get_or_insert_default();
            }
        } else if let (true, Some(found), Some((key, value))) = (inside, &mut found, line.split_once('=')) {
            let value = value.split(" #").next().unwrap_or_default();
            found.insert(key.trim().to_lowercase(), value.trim().to_string());
        }
    }
    found
}

/// Keys that a program prints: `credential_process`.
#[derive(Debug)]
struct Process {
    command: String,
    /// What it printed last, and when that ends.
    last: Mutex<Option<(Arc<AwsCredential>, Option<SystemTime>)>>,
}

#[async_trait::async_trait]
impl CredentialProvider for Process {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut last = self.last.lock().await;
        if let Some((credential, end)) = &*last
            && end.is_none_or(|end| end > SystemTime::now() + BEFORE_END)
        {
            return Ok(credential.clone());
        }
        let mut command = Command::new("sh");
        // what it has to say goes to the user
        command.args(["-c", &self.command]).stdin(Stdio::null()).stderr(Stdio::inherit());
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let printed = output.ok().and_then(Result::ok).filter(|output| output.status.success());
        let found = printed.and_then(|output| printed_keys(&output.stdout));
        let (credential, end) = found.ok_or_else(|| object_store::Error::Generic {
            store: "S3",
            // not what it printed: that may hold keys
            source: "the credential_process of the AWS profile gives no keys".into(),
        })?;
        let credential = Arc::new(credential);
        *last = Some((credential.clone(), end));
        Ok(credential)
    }
}

fn printed_keys(text: &[u8]) -> Option<(AwsCredential, Option<SystemTime>)> {
    let said: serde_json::Value = serde_json::from_slice(text).ok()?;
    let word = |name: &str| said[name].as_str().map(str::to_string);
    let credential = AwsCredential {
        key_id: word("AccessKeyId")?,
        secret_key: word("SecretAccessKey")?,
        token: word("SessionToken").filter(|token| !token.is_empty()),
    };
    // a time that is not understood has passed: the program is asked each time
    let end = word("Expiration").map(|text| UNIX_EPOCH + Duration::from_secs(seconds_of(&text).unwrap_or(0)));
    Some((credential, end))
}

/// Seconds since 1970 of a time such as `2026-11-22T14:05:00Z` or `...+00:00`.
fn seconds_of(text: &str) -> Option<u64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let seconds = number(11, 13)? * 3_600 + number(14, 16)? * 60 + number(17, 19)?;
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    if !matches!(zone, "Z" | "+00:00" | "UTC") {
        return None;
    }
    u64::try_from(super::answer::days_of_date(year, month, day) * 86_400 + seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIALS: &str = "[default]\naws_access_key_id = AKDEFAULT\naws_secret_access_key=abc/d+e=\n\n# old\n[lab]\n\
        aws_access_key_id = AKLAB # the lab's\naws_secret_access_key = s\naws_session_token = t\n";
    const CONFIG: &str = "[default]\nregion = eu-west-1\ns3 =\n  max_queue_size = 7\n[profile lab]\nregion=us-west-2\n\
        [profile login]\nsso_session = x\n[profile other]\ncredential_process = /bin/x --y\n[profile cut]\nrole_arn = arn\n";

    fn profile(name: &str) -> Option<Profile> {
        Profile::of_texts(name, CREDENTIALS, CONFIG)
    }

    #[test]
    fn both_files_are_read() {
        let said = |name: &str, key: &str| profile(name).expect("it is there").value(key).map(str::to_string);
        assert_eq!(said("default", "aws_access_key_id").as_deref(), Some("AKDEFAULT"));
        assert_eq!(said("default", "aws_secret_access_key").as_deref(), Some("abc/d+e="));
        assert_eq!(said("default", "max_queue_size"), None);
        assert_eq!(said("lab", "aws_access_key_id").as_deref(), Some("AKLAB"));
        assert_eq!(profile("lab").and_then(|lab| lab.region()).as_deref(), Some("us-west-2"));
        assert!(profile("none").is_none());
        assert!(profile("other").expect("it is there").credentials().expect("a process").is_some());
        for (name, key) in [("login", "sso_session"), ("cut", "role_arn")] {
            let error = profile(name).expect("it is there").credentials().expect_err("must fail");
            assert_eq!(error.class(), Class::Permission);
            assert!(error.message().contains(key) && format!("{:?}", error.hint_text()).contains(name), "{error}");
        }
    }

    #[test]
    fn printed_keys_are_understood() {
        let text = br#"{"Version":1,"AccessKeyId":"a","SecretAccessKey":"b","SessionToken":"c","Expiration":"1994-11-06T08:49:37Z"}"#;
        let (keys, end) = printed_keys(text).expect("keys");
        assert_eq!((&keys.key_id[..], &keys.secret_key[..], keys.token.as_deref()), ("a", "b", Some("c")));
        assert_eq!(end, Some(UNIX_EPOCH + Duration::from_secs(784_111_777)));
        assert_eq!(seconds_of("1994-11-06T08:49:37.123+00:00"), Some(784_111_777));
        assert_eq!(seconds_of("1994-11-06T08:49:37+01:00"), None);
        assert!(printed_keys(b"{}").is_none());
    }
}
