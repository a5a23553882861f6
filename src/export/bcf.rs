//! Writes BCF through htslib: each record enters as a line of VCF.

use crate::error::{Class, Error, Location, Result};
use rust_htslib::htslib;
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// Mode of `hts_open`: BCF in BGZF.
const WRITE_BCF: &CStr = c"wb";
/// Mode of `bcf_hdr_init`: an empty header.
const EMPTY_HEADER: &CStr = c"r";

/// Room behind a line, so that htslib need not enlarge it for each.
const SPARE_BYTES: usize = 4096;

/// A BCF file being written.
pub struct BcfFile {
    path: PathBuf,
    file: Option<NonNull<htslib::htsFile>>,
    header: NonNull<htslib::bcf_hdr_t>,
    record: NonNull<htslib::bcf1_t>,
    /// The line for htslib, which may enlarge it: its memory is that of malloc.
    line: htslib::kstring_t,
}

fn c_path(path: &Path) -> Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::usage(format!("the path {} has a zero byte", path.display())))
}

fn failed(path: &Path, what: &str) -> Error {
    match std::io::Error::last_os_error() {
        error if error.raw_os_error().is_some_and(|code| code != 0) => Error::writing(path, error),
        _ => Error::new(Class::Io, format!("cannot write {}: {what}", path.display())),
    }
}

impl BcfFile {
    /// Creates `path` with the header `text` (VCF lines up to and with `#CHROM`); compresses on `n_threads`.
    pub fn create(path: &Path, text: &str, n_threads: usize) -> Result<BcfFile> {
        let name = c_path(path)?;
        // SAFETY: both strings end with a zero byte; the handle is closed once, in `finish` or `drop`.
        let file = unsafe { htslib::hts_open(name.as_ptr(), WRITE_BCF.as_ptr()) };
        let file = NonNull::new(file).ok_or_else(|| failed(path, "htslib cannot create it"))?;
        // SAFETY: the mode ends with a zero byte; both objects are freed once, in `drop`.
        let (header, record) = unsafe { (htslib::bcf_hdr_init(EMPTY_HEADER.as_ptr()), htslib::bcf_init()) };
        let header = NonNull::new(header).ok_or_else(|| Error::internal("htslib gives no header"))?;
        let record = NonNull::new(record).ok_or_else(|| Error::internal("htslib gives no record"))?;
        let line = htslib::kstring_t { l: 0, m: 0, s: std::ptr::null_mut() };
        let mut this = BcfFile { path: path.to_path_buf(), file: Some(file), header, record, line };
        this.write_header(text, n_threads)?;
        Ok(this)
    }

    fn write_header(&mut self, text: &str, n_threads: usize) -> Result<()> {
        let Some(file) = self.file else { return Ok(()) };
        let mut text: Vec<u8> = text.as_bytes().to_vec();
        text.push(0);
        if n_threads > 1 {
            // SAFETY: the handle is open.
            unsafe { htslib::hts_set_threads(file.as_ptr(), n_threads as c_int - 1) };
        }
        // SAFETY: `text` is writable and ends with a zero byte; the header and handle are alive. `bcf_hdr_parse` reads the
        // sample columns, too.
        let parsed = unsafe { htslib::bcf_hdr_parse(self.header.as_ptr(), text.as_mut_ptr().cast::<c_char>()) };
        if parsed != 0 {
            return Err(Error::bad_data("htslib cannot parse the header of the export"));
        }
        // SAFETY: as above.
        let written = unsafe { htslib::bcf_hdr_write(file.as_ptr(), self.header.as_ptr()) };
        if written != 0 { Err(failed(&self.path, "htslib cannot write the header")) } else { Ok(()) }
    }

    /// Writes one record, given as a line of VCF without its newline. `contig` and `vcf_pos` are for the message.
    pub fn write_line(&mut self, line: &[u8], contig: &str, vcf_pos: i64) -> Result<()> {
        let place = || Location { contig: Some(contig.to_owned()), vcf_pos: Some(vcf_pos), ..Location::default() };
        self.set_line(line)?;
        // SAFETY: `line` owns a buffer of malloc with a zero byte at `l`; `vcf_parse` tokenises it in place and may enlarge
        // it with realloc, which updates `line`; header and record are alive.
        let (parsed, errcode) = unsafe {
            let parsed = htslib::vcf_parse(&mut self.line, self.header.as_ptr(), self.record.as_ptr());
            (parsed, self.record.as_ref().errcode)
        };
        if parsed != 0 || errcode != 0 {
            return Err(Error::bad_data(format!(
                "the record cannot be BCF (htslib says {parsed}, error bits {errcode})"
            ))
            .hint("export to .vcf.gz: VCF text has no such limits")
            .at(place()));
        }
        let Some(file) = self.file else { return Err(Error::internal("the BCF file is closed")) };
        // SAFETY: handle, header and record are alive, and the record was parsed with this header.
        let written = unsafe { htslib::bcf_write(file.as_ptr(), self.header.as_ptr(), self.record.as_ptr()) };
        if written != 0 { Err(failed(&self.path, "htslib cannot write a record").at(place())) } else { Ok(()) }
    }

    /// Copies `line` and a zero byte into the buffer for htslib.
    fn set_line(&mut self, line: &[u8]) -> Result<()> {
        let needed = line.len() + 1;
        if self.line.m < needed {
            // SAFETY: `s` is null or from malloc; on failure it stays as it is.
            let larger = unsafe { libc::realloc(self.line.s.cast(), needed + SPARE_BYTES) };
            if larger.is_null() {
                return Err(Error::new(Class::Temporary, format!("no memory for a record of {needed} bytes")));
            }
            self.line.s = larger.cast();
            self.line.m = needed + SPARE_BYTES;
        }
        // SAFETY: the buffer has `m >= needed` bytes and does not overlap `line`.
        unsafe {
            std::ptr::copy_nonoverlapping(line.as_ptr(), self.line.s.cast::<u8>(), line.len());
            *self.line.s.add(line.len()) = 0;
        }
        self.line.l = line.len();
        Ok(())
    }

    /// Flushes and closes the file.
    pub fn finish(mut self) -> Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        // SAFETY: the handle was taken out, so nothing closes it again.
        let closed = unsafe { htslib::hts_close(file.as_ptr()) };
        if closed != 0 { Err(failed(&self.path, "htslib cannot close it")) } else { Ok(()) }
    }
}

impl Drop for BcfFile {
    fn drop(&mut self) {
        // SAFETY: line, header and record are freed here alone; the handle is closed here unless `finish` took it.
        unsafe {
            if let Some(file) = self.file.take() {
                htslib::hts_close(file.as_ptr());
            }
            libc::free(self.line.s.cast());
            htslib::bcf_destroy(self.record.as_ptr());
            htslib::bcf_hdr_destroy(self.header.as_ptr());
        }
    }
}

/// Writes the CSI index of the BCF file `path` to `index`.
pub fn build_index(path: &Path, index: &Path, min_shift: i32) -> Result<()> {
    let (name, index_name) = (c_path(path)?, c_path(index)?);
    // SAFETY: both names end with a zero byte.
    let built = unsafe { htslib::bcf_index_build3(name.as_ptr(), index_name.as_ptr(), min_shift, 0) };
    if built != 0 { Err(failed(index, &format!("htslib cannot index (code {built})"))) } else { Ok(()) }
}
