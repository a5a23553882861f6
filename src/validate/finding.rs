//! What was found.

use super::version::{Section, Version};
use serde::Serialize;
use std::borrow::Cow;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Against the specification.
    Error,
    /// Allowed, or against a recommendation; likely a mistake.
    Warning,
}

/// One break of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// 1-based line; of a BCF the line of the text that it stands for.
    pub line: u64,
    /// 1-based byte of that line.
    pub column: usize,
    /// Name of the rule, the same for all findings of its kind.
    pub rule: &'static str,
    /// What was found and what was expected.
    pub message: String,
    /// Version and section of the specification.
    pub section: String,
}

/// Takes findings; knows the place of the line at hand.
pub struct Sink<'a> {
    take: &'a mut dyn FnMut(Finding),
    /// Of the file.
    pub version: Version,
    /// Of the line at hand, 1-based.
    pub line: u64,
    /// Errors so far.
    pub n_errors: u64,
}

/// A rule: its name and its section.
pub type Rule = (&'static str, Section);

impl<'a> Sink<'a> {
    /// Gives what is found to `take`.
    pub fn new(take: &'a mut dyn FnMut(Finding)) -> Sink<'a> {
        Sink { take, version: Version::V43, line: 0, n_errors: 0 }
    }

    /// An error in the line at hand, at a 0-based byte.
    pub fn error(&mut self, rule: Rule, at: usize, message: impl Into<String>) {
        self.n_errors += 1;
        self.put(Severity::Error, rule, at, message.into());
    }

    /// A warning.
    pub fn warning(&mut self, rule: Rule, at: usize, message: impl Into<String>) {
        self.put(Severity::Warning, rule, at, message.into());
    }

    /// An error where `is_error`, else a warning.
    pub fn error_if(&mut self, is_error: bool, rule: Rule, at: usize, message: impl Into<String>) {
        if is_error { self.error(rule, at, message) } else { self.warning(rule, at, message) }
    }

    fn put(&mut self, severity: Severity, (rule, section): Rule, at: usize, message: String) {
        let section = format!("{} § {}", self.version.name(), section.number(self.version));
        (self.take)(Finding { severity, line: self.line, column: at + 1, rule, message, section });
    }
}

/// Text for a message: at most 60 characters, nothing that a terminal would act on.
pub fn quoted(text: &[u8]) -> String {
    let text: Cow<str> = String::from_utf8_lossy(text);
    let mut short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        short.push_str("...");
    }
    format!("`{short}`")
}
