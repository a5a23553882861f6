//! What the targets share: a folder in memory for each process, command lines that may fail in known ways only, small
//! datasets, and changes to files of them.

pub mod edit;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Folder of this process; its content is of the input before.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let root = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
        let folder = root.join(format!("varbatch-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder in memory");
        // those that the program itself takes for damaged files are none of its bugs
        let end = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !varbatch::store::parquet::is_guarded() {
                end(info);
            }
        }));
        // SAFETY: set before any other thread runs.
        unsafe { std::env::set_var("RAYON_NUM_THREADS", "1") };
        folder
    })
}

/// Writes a file into the folder.
pub fn put(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).expect("a folder");
    }
    std::fs::write(&path, bytes).expect("a file in memory");
    path
}

/// Runs a command line; every bad input has its exit code, and none of them is that of a bug.
pub fn run(arguments: &[&str]) -> u8 {
    let code = varbatch::cli::run([&["varbatch"], arguments].concat());
    // 77: an s3:// name, for which there are no credentials here; 74: a plan that says its rows need more disk than there is
    let is_known = matches!(code, 0 | 2 | 3 | 65 | 66 | 77) || (code == 74 && arguments[0] == "work");
    assert!(is_known, "exit code {code} of {arguments:?}");
    code
}

/// The path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// All files below a folder, by their names in it, in order.
pub fn files_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(open) = folders.pop() {
        for entry in std::fs::read_dir(open).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = text(path.strip_prefix(folder).expect("it is below")).to_string();
                files.push((name, std::fs::read(&path).expect("a file")));
            }
        }
    }
    files.sort();
    files
}

/// A cohort of one sample as a gVCF.
pub fn gvcf(n_blocks: u32) -> String {
    let mut lines = String::from(
        "##fileformat=VCFv4.2\n##contig=<ID=a,length=100000>\n##ALT=<ID=NON_REF,Description=\"\">\n\
##INFO=<ID=END,Number=1,Type=Integer,Description=\"\">\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"\">\n##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"\">\n\
##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description=\"\">\n##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"\">\n\
##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"\">\n\
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\n",
    );
    for i in 0..n_blocks {
        let pos = 1 + i * 40;
        lines += &format!(
            "a\t{pos}\t.\tA\t<NON_REF>\t.\t.\tEND={}\tGT:DP:GQ:MIN_DP:PL\t0/0:{}:{}:9:0,{},300\n",
            pos + 38,
            10 + i % 30,
            i % 99,
            i % 99
        );
        lines += &format!(
            "a\t{}\t.\tC\tG,<NON_REF>\t50\t.\t.\tGT:AD:DP:GQ:PL\t0/1:9,9,0:18:99:99,0,99,120,110,200\n",
            pos + 39
        );
    }
    lines
}

/// Text in gzip members of so many bytes, not compressed; as BGZF blocks, or without the field that makes them those.
pub fn gzip(text: &[u8], block_bytes: usize, is_bgzf: bool) -> Vec<u8> {
    let mut out = Vec::new();
    // BGZF ends with an empty block
    for block in text.chunks(block_bytes).chain([&[][..]]) {
        let length = block.len() as u16;
        if is_bgzf {
            out.extend([31, 139, 8, 4, 0, 0, 0, 0, 0, 255, 6, 0, b'B', b'C', 2, 0]);
            out.extend((18 + 5 + length + 8 - 1).to_le_bytes());
        } else {
            out.extend([31, 139, 8, 0, 0, 0, 0, 0, 0, 255]);
        }
        out.push(1); // the last deflate block of the member, stored
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
        out.extend(libdeflater::crc32(block).to_le_bytes());
        out.extend(u32::from(length).to_le_bytes());
    }
    out
}
