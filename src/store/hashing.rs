//! A sink that keeps the digest of what goes through it.

use sha2::{Digest, Sha256};
use std::io::Write;

/// Passes bytes on and keeps their number and digest.
pub struct Hashing<W> {
    inner: W,
    digest: Sha256,
    n_bytes: u64,
}

/// What went through a [`Hashing`] sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// Number of bytes.
    pub bytes: u64,
    /// SHA-256, hex.
    pub sha256: String,
}

impl<W> Hashing<W> {
    /// Over a sink.
    pub fn new(inner: W) -> Self {
        Hashing { inner, digest: Sha256::new(), n_bytes: 0 }
    }

    /// What went through, and the sink.
    pub fn finish(self) -> (Hashed, W) {
        (Hashed { bytes: self.n_bytes, sha256: super::hex(&self.digest.finalize()) }, self.inner)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.digest.update(&bytes[..n]);
        self.n_bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}
