//! The one error type of the program, and the exit code that each class of error means.
//!
//! Whoever knows the place of a problem adds it as a [`Location`]; the text says what was found and what was expected,
//! the hint says what to do. Every consumer of an error does one of two things with it (print it, or turn it into an
//! exit code), so there is one type with a [`Class`] instead of one enum per module.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Result with the program's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of problem it is; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// The command line does not make sense (exit 2).
    Usage,
    /// A dataset is not complete (exit 3).
    Incomplete,
    /// The input breaks its format, or changed since it was planned (exit 65).
    BadData,
    /// An input does not exist or cannot be read (exit 66).
    NoInput,
    /// A bug in varbatch (exit 70).
    Internal,
    /// Reading or writing failed, or the disk is full (exit 74).
    Io,
    /// Interrupted or temporary; the same command again continues (exit 75).
    Temporary,
    /// Permission denied (exit 77).
    Permission,
    /// The reader of our standard output went away; not an error (exit 0).
    ClosedPipe,
}

impl Class {
    /// The process exit code of this class.
    pub fn exit_code(self) -> u8 {
        match self {
            Class::ClosedPipe => 0,
            Class::Usage => 2,
            Class::Incomplete => 3,
            Class::BadData => 65,
            Class::NoInput => 66,
            Class::Internal => 70,
            Class::Io => 74,
            Class::Temporary => 75,
            Class::Permission => 77,
        }
    }
}

/// Where in the input a problem is. Fields that are not known stay `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// The input as the user named it.
    pub path: Option<String>,
    /// 1-based line of a text input, or 1-based record of a BCF.
    pub line: Option<u64>,
    /// Contig name.
    pub contig: Option<String>,
    /// 1-based position as VCF writes it.
    pub vcf_pos: Option<i64>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            f.write_str(path)?;
        }
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(contig) = &self.contig {
            if self.path.is_some() {
                f.write_str(" ")?;
            }
            match self.vcf_pos {
                Some(pos) => write!(f, "({contig}:{pos})")?,
                None => write!(f, "({contig})")?,
            }
        }
        Ok(())
    }
}

/// Bytes of a text that comes from an input, in messages and lists of them. A path has up to 4,096.
const MAX_TEXT_BYTES: usize = 6_000;

/// A text that may come from an input, without its middle where it is very long: what belongs into one field can be a
/// whole file.
pub fn shortened(mut text: String) -> String {
    if text.len() > MAX_TEXT_BYTES {
        let (end, start) = (text.floor_char_boundary(300), text.ceil_char_boundary(text.len() - 300));
        let left_out = format!(" ... ({} bytes) ... ", start - end);
        text.replace_range(end..start, &left_out);
    }
    text
}

/// One problem: class, place, text, hint.
#[derive(Clone, Debug)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    class: Class,
    location: Location,
    message: String,
    hint: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A new error of `class` that says `message` (what was found, what was expected).
    pub fn new(class: Class, message: impl Into<String>) -> Self {
        Error(Box::new(Inner {
            class,
            location: Location::default(),
            message: shortened(message.into()),
            hint: None,
            source: None,
        }))
    }

    /// Bad input data (exit 65).
    pub fn bad_data(message: impl Into<String>) -> Self {
        Self::new(Class::BadData, message)
    }

    /// Wrong usage (exit 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Class::Usage, message)
    }

    /// A bug (exit 70).
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Class::Internal, message)
    }

    /// An input file could not be opened or read.
    pub fn reading(path: &Path, source: std::io::Error) -> Self {
        let class = match source.kind() {
            // a name that no file can have is that of no file
            std::io::ErrorKind::NotFound
            | std::io::ErrorKind::IsADirectory
            | std::io::ErrorKind::InvalidInput
            | std::io::ErrorKind::InvalidFilename => Class::NoInput,
            std::io::ErrorKind::PermissionDenied => Class::Permission,
            // links that lead in a circle lead to no file
            _ if source.raw_os_error() == Some(libc::ELOOP) => Class::NoInput,
            _ => Class::Io,
        };
        Self::new(class, format!("cannot read {}: {}", path.display(), plain(&source))).with_source(source)
    }

    /// A file could not be written.
    pub fn writing(path: &Path, source: std::io::Error) -> Self {
        let (class, hint) = match source.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => (Class::Permission, None),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                (Class::Io, Some("free some space there and run the same command again: finished shards are kept"))
            }
            std::io::ErrorKind::BrokenPipe => (Class::ClosedPipe, None),
            _ => (Class::Io, None),
        };
        let mut error =
            Self::new(class, format!("cannot write {}: {}", path.display(), plain(&source))).with_source(source);
        if let Some(hint) = hint {
            error = error.hint(hint);
        }
        error
    }

    /// Writing to standard output failed; a closed pipe is a quiet end.
    pub fn stdout(source: std::io::Error) -> Self {
        Self::writing(&PathBuf::from("standard output"), source)
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds the place, keeping fields that are already known.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        let own = &mut self.0.location;
        own.path = own.path.take().or(location.path);
        own.line = own.line.or(location.line);
        own.contig = own.contig.take().or(location.contig.map(shortened));
        own.vcf_pos = own.vcf_pos.or(location.vcf_pos);
        self
    }

    /// Changes the line of the place, e.g. from one counted within a shard to one counted within the file.
    #[must_use]
    pub fn map_line(mut self, change: impl FnOnce(u64) -> Option<u64>) -> Self {
        self.0.location.line = self.0.location.line.and_then(change);
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into().into());
        self
    }

    /// The class, which decides the exit code.
    pub fn class(&self) -> Class {
        self.0.class
    }

    /// The text without place and hint.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The place.
    pub fn location(&self) -> &Location {
        &self.0.location
    }

    /// What to do about it, where we know.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

/// `source` without Rust's "(os error N)".
fn plain(source: &std::io::Error) -> String {
    let text = source.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_lowercase(),
        None => text,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.0.location.to_string();
        if place.is_empty() { f.write_str(&self.0.message) } else { write!(f, "{place}: {}", self.0.message) }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_file_line_contig_and_position() {
        let error = Error::bad_data("FORMAT/PL has 5 values, expected 6").at(Location {
            path: Some("s17.vcf.gz".into()),
            line: Some(10241),
            contig: Some("chr20".into()),
            vcf_pos: Some(61098),
        });
        assert_eq!(error.to_string(), "s17.vcf.gz:10241 (chr20:61098): FORMAT/PL has 5 values, expected 6");
        assert_eq!(error.class().exit_code(), 65);
    }
}
