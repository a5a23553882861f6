//! Looking at the bytes of an input from some place on: what is not there yet is waited for.

use super::local::Mapped;
use super::remote::Cursor;
use crate::error::{Error, Result};
use std::io::{BufRead, Read};

/// How much is read before what was read is released, in bytes.
const RELEASE_BYTES: usize = 4 << 20;

/// The bytes of a file, of which those from some place on can be looked at, in order. Offsets are those of the file.
///
/// Of a local file (or bytes in memory) everything is there at once; of one on S3 it comes when it is asked for.
#[derive(Debug)]
pub struct Window<'a> {
    bytes: &'a [u8],
    /// Size of the file.
    n_bytes: usize,
    /// All before it is there.
    ready: usize,
    /// What is behind is given back up to here.
    released: usize,
    /// Set where pages of a local file are to leave the memory.
    releasing: Option<&'a Mapped>,
    cursor: Option<Box<Cursor>>,
    /// Why nothing can be looked at.
    failure: Option<Error>,
}

impl<'a> From<&'a [u8]> for Window<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        let n_bytes = bytes.len();
        Window { bytes, n_bytes, ready: n_bytes, released: 0, releasing: None, cursor: None, failure: None }
    }
}

impl<'a> From<&'a Vec<u8>> for Window<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Window::from(&bytes[..])
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Window<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Window::from(&bytes[..])
    }
}

impl<'a> Window<'a> {
    /// Of a file on S3, from the place of the cursor on.
    pub(super) fn remote(bytes: &'a [u8], cursor: Cursor, from: usize) -> Self {
        let (n_bytes, from) = (bytes.len(), from.min(bytes.len()));
        let cursor = Some(Box::new(cursor));
        Window { bytes, n_bytes, ready: from, released: from, releasing: None, cursor, failure: None }
    }

    /// Of a file of `n_bytes` that cannot be looked at.
    pub(super) fn failing(n_bytes: usize, error: Error) -> Self {
        Window { n_bytes, ready: 0, failure: Some(error), ..Window::from(&[][..]) }
    }

    /// Pages that were read leave the memory of this process.
    #[must_use]
    pub fn releasing(mut self, file: &'a Mapped, from: usize) -> Self {
        (self.releasing, self.released) = (Some(file), from);
        self
    }

    /// Says where reading probably ends: what is behind it is not fetched before it is asked for.
    pub fn expect_end(&mut self, at: usize) {
        if let Some(cursor) = &mut self.cursor {
            cursor.expect_end(at);
        }
    }

    /// Bytes before `at` are not looked at any more, and those up to it never were.
    pub fn jump(&mut self, at: usize) {
        if let Some(cursor) = self.cursor.as_mut().filter(|_| at > self.ready) {
            cursor.jump(at);
            (self.ready, self.released) = (at, at);
        }
    }

    /// Size of the file.
    pub fn len(&self) -> usize {
        self.n_bytes
    }

    /// Whether the file is empty.
    pub fn is_empty(&self) -> bool {
        self.n_bytes == 0
    }

    /// The file up to `end` (or its own end). What is before the place that the window began at, or was given back, must
    /// not be looked at.
    #[inline]
    pub fn upto(&mut self, end: usize) -> Result<&[u8]> {
        let end = end.min(self.n_bytes);
        if end > self.ready {
            self.advance(end)?;
        }
        Ok(&self.bytes[..end])
    }

    /// The file up to where it is there now; at least [`Window::upto`] what was asked for.
    #[inline]
    pub fn ready(&self) -> &[u8] {
        &self.bytes[..self.ready]
    }

    #[cold]
    fn advance(&mut self, end: usize) -> Result<()> {
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        if let Some(cursor) = &mut self.cursor {
            self.ready = cursor.advance(self.ready, end)?;
        }
        Ok(())
    }

    /// Bytes before `at` are not looked at any more.
    #[inline]
    pub fn give_back(&mut self, at: usize) {
        if at.saturating_sub(self.released) >= RELEASE_BYTES {
            self.release(at);
        }
    }

    #[cold]
    fn release(&mut self, at: usize) {
        if let Some(file) = self.releasing {
            file.release(self.released..at);
        }
        if let Some(cursor) = &mut self.cursor {
            cursor.give_back(at);
        }
        self.released = at;
    }
}

/// The bytes of a [`Window`] as a stream.
#[derive(Debug)]
pub struct WindowReader<'a> {
    window: Window<'a>,
    at: usize,
}

impl<'a> WindowReader<'a> {
    /// From `at` on, where the window begins or later.
    pub fn new(window: impl Into<Window<'a>>, at: usize) -> Self {
        WindowReader { window: window.into(), at }
    }
}

impl BufRead for WindowReader<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.window.give_back(self.at);
        self.window.upto(self.at + 1).map_err(std::io::Error::other)?;
        Ok(&self.window.ready()[self.at..])
    }

    fn consume(&mut self, n_bytes: usize) {
        self.at += n_bytes;
    }
}

impl Read for WindowReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let ready = self.fill_buf()?;
        let n = out.len().min(ready.len());
        out[..n].copy_from_slice(&ready[..n]);
        self.consume(n);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_memory_are_all_there() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut window = Window::from(&bytes);
        assert_eq!(window.upto(10).expect("memory").len(), 10);
        assert_eq!(window.upto(1_000).expect("memory"), &bytes[..]);
        assert_eq!(window.ready(), &bytes[..]);
        let mut failing = Window::failing(5, Error::bad_data("gone"));
        assert!(failing.upto(0).is_ok() && failing.len() == 5);
        assert_eq!(failing.upto(1).expect_err("nothing is there").message(), "gone");
        let mut read = Vec::new();
        WindowReader::new(&bytes, 7).read_to_end(&mut read).expect("memory");
        assert_eq!(read, &bytes[7..]);
    }
}
