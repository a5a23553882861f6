//! Files and objects: mapped inputs, files that appear whole or not at all, names that are created once; S3.

pub mod aws;
pub mod bgzf_writer;
pub mod data_file;
pub mod hashing;
pub mod local;
pub mod parquet;
pub mod place;
pub mod remote;
pub mod s3;
pub mod window;

pub use data_file::DataFile;
pub use place::{Creation, Place};

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name as one path component: every byte but `A-Za-z0-9_.-` becomes `%XX`, as Hive does; never `.` or `..`.
pub fn encode_component(name: &str) -> String {
    use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
    const KEEP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-');
    let encoded = utf8_percent_encode(name, KEEP).to_string();
    if encoded.bytes().all(|byte| byte == b'.') { encoded.replace('.', "%2E") } else { encoded }
}
