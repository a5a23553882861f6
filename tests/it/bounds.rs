//! Peak memory under `--memory`, for inputs of every unpleasant shape; and inputs that would fill any memory.
//!
//! Peaks are those that the system counted for the process (`wait4`), with a small Python in between: a process begins with
//! the peak of the one that started it, and this one is large. The system holds it to a limit, too: of its data
//! (`RLIMIT_DATA`), and where a memory cgroup can be made, of all that it uses, its pages of files with it.

use super::common::*;
use super::inputs::{bgzf, gzip};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a command and prints the peak of its resident memory in KiB behind its standard error. With a limit in MiB before it,
/// the command is held to it, by a cgroup where one can be made.
const MEASURE: &str = "import os, resource, subprocess, sys
limit, group = int(sys.argv[1]) << 20, None
if limit:
    # the files of version 1 and of version 2, in a container or not
    for folder, name in ('/sys/fs/cgroup/memory', 'memory.limit_in_bytes'), ('/sys/fs/cgroup', 'memory.max'):
        path = '%s/varbatch-%d' % (folder, os.getpid())
        try:
            os.mkdir(path)
            open(path + '/' + name, 'w').write(str(limit))
            group = path
            break
        except OSError:
            if os.path.isdir(path): os.rmdir(path)
def begin():
    if limit:
        # stacks of threads are not of the memory that is promised
        resource.setrlimit(resource.RLIMIT_DATA, (limit + (32 << 20),) * 2)
    if group:
        open(group + '/cgroup.procs', 'w').write(str(os.getpid()))
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, preexec_fn=begin)
_, status, usage = os.wait4(child.pid, 0)
if group: os.rmdir(group)
sys.stderr.write('\\nHELD %s PEAK %d\\n' % ('cgroup' if group else 'rlimit' if limit else 'nothing', usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status) % 256)
";

/// Runs `varbatch` with `args`: how it ended, and its peak in MiB.
pub fn with_peak<S: AsRef<OsStr>>(args: &[S]) -> (Finished, u64) {
    held(0, args)
}

/// The same, held by the system to so many MiB; 0 for no limit.
fn held<S: AsRef<OsStr>>(memory_mib: u64, args: &[S]) -> (Finished, u64) {
    let mut command = Command::new("python3");
    let done = finish(command.args(["-c", MEASURE, &memory_mib.to_string(), binary()]).args(args));
    let peak = done.stderr.rsplit("PEAK ").next().and_then(|text| text.trim().parse::<u64>().ok());
    let peak = peak.unwrap_or_else(|| panic!("no peak in {}", done.stderr));
    (done, peak >> 10)
}

/// Runs `varbatch call input... -o dataset EXTRA...` held to so many MiB: how it ended, and its peak in MiB.
fn measured(memory_mib: u64, inputs: &[&Path], dataset: &Path, extra: &[&str]) -> (Finished, u64) {
    let fixed = [Path::new("call")].into_iter().chain(inputs.iter().copied()).chain([Path::new("-o"), dataset]);
    let args: Vec<&OsStr> = fixed.map(Path::as_os_str).chain(extra.iter().map(OsStr::new)).collect();
    held(memory_mib, &args)
}

/// Calls with `--memory` and asserts that it is kept, and that the dataset is the one of a call without a limit.
#[track_caller]
fn assert_bounded(folder: &Path, name: &str, inputs: &[&Path], memory_mib: u64, extra: &[&str]) {
    let (free, bounded) = (folder.join(format!("{name}.free.ds")), folder.join(format!("{name}.ds")));
    call(inputs, &free, extra);
    let memory = format!("{memory_mib}M");
    let settings: Vec<&str> =
        ["--memory", &memory, "--threads", "4"].into_iter().chain(extra.iter().copied()).collect();
    let (done, peak) = measured(memory_mib, inputs, &bounded, &settings);
    assert_eq!(done.code, 0, "{name}: {}", done.stderr);
    let by = done.stderr.rsplit("HELD ").next().and_then(|text| text.split(' ').next()).unwrap_or_default();
    eprintln!("{name}: {peak} MiB of {memory_mib}, held by {by}");
    assert!(peak <= memory_mib, "{name}: {peak} MiB of {memory_mib}");
    let different = differing_files(&free, &bounded);
    assert!(different.is_empty(), "{name}: {different:?}");
}

/// A header with the tags of this file.
fn header(n_samples: usize) -> String {
    let mut text = String::from("##fileformat=VCFv4.3\n##contig=<ID=1,length=10000000>\n");
    for (id, number, kind) in [("GT", "1", "String"), ("DP", "1", "Integer"), ("GQ", "1", "Integer")] {
        let _ = writeln!(text, "##FORMAT=<ID={id},Number={number},Type={kind},Description=\"x\">");
    }
    text += "##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"x\">\n##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"x\">\n";
    text += "##INFO=<ID=LIST,Number=.,Type=Integer,Description=\"x\">\n##INFO=<ID=TEXT,Number=1,Type=String,Description=\"x\">\n";
    text += "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";
    (0..n_samples).for_each(|sample| {
        let _ = write!(text, "\ts{sample}");
    });
    text + "\n"
}

/// A record of all five fields with `n_alts` alternate alleles; every third sample is no reference.
fn record(pos: usize, n_samples: usize, n_alts: usize, info: &str) -> String {
    let alts: Vec<String> = (0..n_alts).map(|at| format!("A{}", "ACGT"[at % 4..=at % 4].repeat(at / 4 + 1))).collect();
    let depths = vec!["3"; n_alts + 1].join(",");
    let likelihoods = vec!["30"; (n_alts + 1) * (n_alts + 2) / 2].join(",");
    let mut line = format!("1\t{pos}\t.\tA\t{}\t50\tPASS\t{info}\tGT:AD:DP:GQ:PL", alts.join(","));
    for sample in 0..n_samples {
        let allele = if (sample + pos).is_multiple_of(3) { 1 + (sample / 3) % n_alts } else { 0 };
        let _ = write!(line, "\t0/{allele}:{depths}:{}:99:{likelihoods}", sample % 60);
    }
    line + "\n"
}

fn large_cohort(folder: &Path) -> PathBuf {
    let mut text = header(3_202);
    (0..600).for_each(|at| text += &record(100 + at * 7, 3_202, 1, "."));
    write(folder, "samples.vcf.gz", bgzf_large(text.as_bytes()))
}

/// BGZF with blocks of the usual size.
fn bgzf_large(bytes: &[u8]) -> Vec<u8> {
    let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
    writer.write_all(bytes).expect("compress");
    writer.finish().expect("finish")
}

#[test]
fn memory_is_kept_for_wide_and_long_records() {
    if !tool("python3") {
        return;
    }
    let folder = temp();
    let folder = folder.path();
    let samples = large_cohort(folder);
    assert_bounded(folder, "3,202 samples", &[&samples], 128, &[]);
    assert_bounded(folder, "3,202 samples, all calls", &[&samples], 128, &["--calls", "all"]);
    let stream = write(folder, "samples.plain.gz", gzip(&super::vcf::text(&samples).into_bytes()));
    assert_bounded(folder, "3,202 samples, one stream", &[&stream], 256, &[]);

    let mut text = header(2_500);
    (0..3).for_each(|at| text += &record(100 + at * 1_000, 2_500, 65, "."));
    let many_alleles = write(folder, "alleles.vcf.gz", bgzf_large(text.as_bytes()));
    assert_bounded(folder, "65 alleles x 2,500 samples", &[&many_alleles], 640, &[]);

    let list = format!("LIST={}", vec!["7"; 1_000_000].join(","));
    let mut text = header(2);
    (0..20).for_each(|at| text += &record(100 + at * 100, 2, 1, if at == 7 { &list } else { "LIST=1,2" }));
    let long = write(folder, "long.vcf", &text);
    assert_bounded(folder, "INFO of 10^6 values", &[&long], 128, &[]);

    let mut text = header(2);
    text += &record(100, 2, 1, &format!("TEXT={}", "x".repeat(24 << 20)));
    text += &record(200, 2, 1, ".");
    let giant = write(folder, "giant.vcf.gz", bgzf_large(text.as_bytes()));
    assert_bounded(folder, "one record of 24 MB", &[&giant], 1024, &[]);
}

/// Runs a command on one processor: bound to it, or with the time of one (a cgroup of version 1 or 2). Says which, or that no cgroup
/// can be made here.
const ON_ONE_PROCESSOR: &str = "import os, subprocess, sys
group = None
if sys.argv[1] == 'quota':
    files = {'/sys/fs/cgroup/cpu': [('cpu.cfs_period_us', '50000'), ('cpu.cfs_quota_us', '50000')], '/sys/fs/cgroup': [('cpu.max', '50000 50000')]}
    for folder, values in files.items():
        path = '%s/varbatch-%d' % (folder, os.getpid())
        try:
            os.mkdir(path)
            for name, value in values: open(path + '/' + name, 'w').write(value)
            group = path
            break
        except OSError:
            if os.path.isdir(path): os.rmdir(path)
    if not group:
        print('NO CGROUP')
        sys.exit(0)
def begin():
    if group: open(group + '/cgroup.procs', 'w').write(str(os.getpid()))
    else: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
code = subprocess.run(sys.argv[2:], preexec_fn=begin).returncode
if group: os.rmdir(group)
sys.exit(code % 256)
";

/// The cores that a run takes where no number is named are those that the process may use, in a container, too.
#[test]
fn a_quota_of_processors_is_seen() {
    if !tool("python3") {
        return;
    }
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    for how in ["affinity", "quota"] {
        let mut command = Command::new("python3");
        command.args(["-c", ON_ONE_PROCESSOR, how]).arg(std::env::current_exe().expect("the test program"));
        let done =
            finish(command.args(["bounds::cores_that_are_seen", "--exact", "--ignored", "--nocapture"])).expect(0);
        if how == "quota" && done.stdout.contains("NO CGROUP") {
            eprintln!("no cgroup of processors can be made here: only the affinity was tried");
            continue;
        }
        let seen = done.stdout.split("CORES ").nth(1).and_then(|text| text.split_whitespace().next());
        assert_eq!(seen, Some("1"), "{how}, of {all} cores: {}", done.stdout);
    }
}

#[test]
#[ignore = "a part of a_quota_of_processors_is_seen"]
fn cores_that_are_seen() {
    println!("CORES {}", varbatch::exec::resources::cores());
}

/// What the system allows is what a run takes for its limit where none is named.
#[test]
fn a_limit_of_the_system_is_seen() {
    if !tool("python3") {
        return;
    }
    let folder = temp();
    let folder = folder.path();
    // each alone: five workers that all keep a long record in mind are too many for 200 MiB
    let mut text = header(2);
    (0..40).for_each(|at| text += &record(100 + at * 200, 2, 1, &format!("TEXT={}", "x".repeat(3 << 20))));
    let input = write(folder, "long.vcf.gz", bgzf_large(text.as_bytes()));
    let threads = ["--threads", "4", "--shard-size", "10k"];
    let (done, free_peak) = measured(0, &[&input], &folder.join("free.ds"), &threads);
    done.expect(0);
    let (done, peak) = measured(200, &[&input], &folder.join("held.ds"), &threads);
    eprintln!("{free_peak} MiB without a limit, {peak} of 200 with it: {}", done.stderr);
    done.expect(0);
    assert!(peak <= 200, "{peak} MiB");
    assert!(differing_files(&folder.join("free.ds"), &folder.join("held.ds")).is_empty());
}

#[test]
fn memory_is_kept_for_many_files() {
    if !tool("python3") {
        return;
    }
    let folder = temp();
    let folder = folder.path();
    let list = many_files(folder, 5_000);
    let list = list.to_str().expect("UTF-8");
    assert_bounded(folder, "5,000 files", &[], 384, &["--inputs", list]);
}

/// Files of one sample each, and the list of them.
fn many_files(folder: &Path, n_files: usize) -> PathBuf {
    let mut list = String::new();
    for file in 0..n_files {
        let mut text = header(1).replace("\ts0\n", &format!("\tsample{file}\n"));
        (0..20).for_each(|at| text += &record(100 + at * 50 + file % 7, 1, 1, "."));
        let path = write(folder, &format!("{file}.vcf.gz"), bgzf_large(text.as_bytes()));
        let _ = writeln!(list, "{}", path.display());
    }
    write(folder, "files.txt", list)
}

/// A process can have 65,530 maps, and each file that is read is one.
#[test]
fn more_files_than_a_process_can_map() {
    const N_FILES: usize = 66_000;
    let folder = temp();
    let folder = folder.path();
    let head = "##fileformat=VCFv4.2\n##contig=<ID=1,length=1000>\n##ALT=<ID=NON_REF,Description=\"x\">\n\
        ##INFO=<ID=END,Number=1,Type=Integer,Description=\"x\">\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n\
        ##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"x\">\n##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"x\">\n\
        ##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"x\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";
    let mut list = String::new();
    for file in 0..N_FILES {
        // each thousandth has the variant, the last one alone another
        let records = match file {
            _ if file == N_FILES - 1 => {
                "1\t70\t.\tC\tG,<NON_REF>\t60\t.\t.\tGT:DP:GQ:PL\t0/1:30:99:99,0,99,120,120,180\n"
            }
            _ if file % 1_000 == 0 => {
                "1\t60\t.\tA\tT,<NON_REF>\t60\t.\t.\tGT:DP:GQ:PL\t0/1:30:99:99,0,99,120,120,180\n"
            }
            _ => "1\t50\t.\tG\t<NON_REF>\t.\t.\tEND=80\tGT:DP:GQ:PL\t0/0:30:90:0,90,900\n",
        };
        let path = write(folder, &format!("{file}.g.vcf"), format!("{head}\ts{file:05}\n{records}"));
        let _ = writeln!(list, "{}", path.display());
    }
    let (list, dataset) = (write(folder, "files.txt", list), folder.join("d.ds"));
    varbatch(&["call", "--inputs", path_text(&list), "-o", path_text(&dataset)]).expect(0);
    let found = query(&dataset, "SELECT pos, ac, an, n_hom_ref FROM variants ORDER BY pos");
    assert_eq!(found, [["60", "66", "131998", "65933"], ["70", "1", "131868", "65933"]]);
    let carriers =
        query(&dataset, "SELECT sample FROM genotypes JOIN samples USING (sample_index) WHERE dosage = 1 AND pos = 70");
    assert_eq!(carriers, [["s65999"]]);
}

/// Bytes that inflate to a record that never ends: gzip (1,000 times smaller) and BGZF.
#[test]
fn decompression_bombs_end_with_a_message() {
    if !tool("python3") {
        return;
    }
    let folder = temp();
    let folder = folder.path();
    let head = header(1) + "1\t100\t.\tA\tC\t.\t.\tTEXT=";
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut blocks = noodles_bgzf::io::Writer::new(Vec::new());
    bomb.write_all(head.as_bytes()).expect("compress");
    blocks.write_all(head.as_bytes()).expect("compress");
    let piece = vec![b'x'; 1 << 20];
    (0..600).for_each(|_| {
        bomb.write_all(&piece).expect("compress");
        blocks.write_all(&piece).expect("compress");
    });
    let forms =
        [("bomb.vcf.gz", bomb.finish().expect("finish")), ("bomb.bgzf.vcf.gz", blocks.finish().expect("finish"))];
    for (name, bytes) in forms {
        let input = write(folder, name, &bytes);
        assert!(bytes.len() < 8 << 20);
        let dataset = folder.join(format!("{name}.ds"));
        let (done, peak) = measured(512, &[&input], &dataset, &["--memory", "512M", "--threads", "2"]);
        assert_eq!(done.code, 65, "{name}: {}", done.stderr);
        assert!(done.stderr.contains("a record has more than"), "{}", done.stderr);
        assert!(done.stderr.contains(name), "{}", done.stderr);
        assert!(peak <= 512, "{name}: {peak} MiB");
        assert!(!is_published(&dataset));
        eprintln!("{name}: {peak} MiB of 512");
    }
    let header_bomb =
        write(folder, "header.vcf.gz", gzip(&[b"##fileformat=VCFv4.3\n##x=".to_vec(), vec![b'x'; 700 << 20]].concat()));
    let (done, peak) = measured(512, &[&header_bomb], &folder.join("header.ds"), &["--memory", "512M"]);
    assert_eq!(done.code, 65, "{}", done.stderr);
    assert!(peak <= 512, "a header without end: {peak} MiB");
}

/// Millions of lines that are no records, and fields of megabytes: what is kept and said of them is little.
#[test]
fn damage_without_end_is_bounded() {
    if !tool("python3") {
        return;
    }
    let folder = temp();
    let folder = folder.path();
    const N_LINES: u64 = 1_500_000;
    let good = |pos: usize| record(pos, 1, 1, ".");
    let text = header(1) + &good(100) + &"a damaged line of some length\n".repeat(N_LINES as usize) + &good(200);
    let memory = ["--memory", "160M", "--threads", "2", "--on-bad-record", "skip"];
    let forms = [("lines.vcf.gz", bgzf_large(text.as_bytes())), ("lines.vcf", text.clone().into_bytes())];
    for (name, bytes) in forms {
        let dataset = folder.join(format!("{name}.ds"));
        let (done, peak) = measured(160, &[&write(folder, name, bytes)], &dataset, &memory);
        done.expect(0);
        eprintln!("{name}: {peak} MiB of 160");
        let accounting = manifest(&dataset)["accounting"].clone();
        assert_eq!(accounting["records_rejected"], N_LINES);
        assert_eq!(accounting["rejections"].as_array().map(Vec::len), Some(10_000));
        assert!(peak <= 160, "{name}: {peak} MiB");
    }
    // a stream is cut at records, and so many lines without one are too much for a piece
    let stream = write(folder, "stream.vcf.gz", gzip(text.as_bytes()));
    let (done, peak) = measured(160, &[&stream], &folder.join("stream.ds"), &memory);
    assert!(done.code == 65 && peak <= 160, "{peak} MiB: {}", done.stderr);
    assert!(done.stderr.contains("the line has 1 field"), "{}", done.stderr);

    for (name, line) in
        [("pos", format!("1\t{}\t.\tA\tC\n", "x".repeat(1 << 20))), ("chrom", "x".repeat(1 << 20) + "\n")]
    {
        let input = write(folder, &format!("{name}.vcf"), header(1) + &good(100) + &line);
        let done = call_any(&[&input], &folder.join("failed.ds"), &["--force"]).expect(65);
        assert!(done.stderr.len() < 10_000 && done.stderr.contains("vcf:"), "{} bytes", done.stderr.len());
        let dataset = folder.join(format!("{name}.ds"));
        call(&[&input], &dataset, &["--on-bad-record", "skip"]);
        assert_eq!(manifest(&dataset)["accounting"]["records_rejected"], 1);
        assert!(std::fs::metadata(dataset.join("_manifest.json")).expect("a file").len() < 20_000);
    }
}

/// A reference of 160 MB: as BGZF only the blocks that are needed are inflated, and damage is found in those; plain gzip, which
/// must be held as a whole, is refused.
#[test]
fn memory_is_kept_for_a_compressed_reference() {
    if !tool("python3") {
        return;
    }
    let folder = temp();
    let folder = folder.path();
    // lines of 60, most of them in the repeat of one letter, so that deletions move
    let line = format!("ACG{}C\n", "T".repeat(56));
    let sequence = format!(">1\n{}", line.repeat(160_000_000 / line.len()));
    let plain = write(folder, "plain.fa", &sequence);
    let packed = write(folder, "packed.fa.gz", bgzf_large(sequence.as_bytes()));
    let mut text = header(1).replace("length=10000000", "length=160000000");
    let positions = (0..2_600).map(|at| 60 * (1 + at * 1_000) + 30);
    positions.for_each(|pos| text += &format!("1\t{pos}\t.\tTT\tT\t.\t.\t.\tGT\t0/1\n"));
    let input = write(folder, "in.vcf", &text);
    assert_bounded(folder, "reference as BGZF", &[&input], 160, &["-f", path_text(&packed)]);
    let expected = folder.join("plain.ds");
    call(&[&input], &expected, &["-f", path_text(&plain)]);
    let tables: Vec<PathBuf> = differing_files(&expected, &folder.join("reference as BGZF.ds"))
        .into_iter()
        .filter(|name| name.extension().is_some_and(|end| end == "parquet"))
        .collect();
    assert!(tables.is_empty(), "{tables:?}");
    let moved = finish(Command::new(binary()).args(["query"]).arg(&expected).args(["SELECT min(pos) FROM variants"]));
    assert!(moved.expect(0).stdout.contains("63"), "deletions move to the first T");

    let mut damaged = std::fs::read(&packed).expect("a file");
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    let damaged = write(folder, "damaged.fa.gz", damaged);
    std::fs::write(folder.join("damaged.fa.gz.fai"), "1\t157377000\t3\t60\t61\n").expect("write");
    let done = call_any(&[&input], &folder.join("damaged.ds"), &["-f", path_text(&damaged), "--on-bad-record", "skip"]);
    let done = done.expect(66);
    assert!(done.stderr.contains("the reference") && done.stderr.contains("BGZF block"), "{}", done.stderr);

    let stream = write(folder, "stream.fa.gz", gzip(sequence.as_bytes()));
    let (done, peak) = measured(0, &[&input], &folder.join("x.ds"), &["--memory", "160M", "-f", path_text(&stream)]);
    assert_eq!(done.code, 65, "{}", done.stderr);
    assert!(done.stderr.contains("plain gzip") && done.stderr.contains("bgzip"), "{}", done.stderr);
    assert!(peak <= 160 + 100, "{peak} MiB");
}

/// A BCF that announces records of 1 GB, and is cut into shards in the middle of them.
#[test]
fn giant_records_of_bcf_end_with_a_message() {
    if !tool("python3") {
        return;
    }
    let folder = temp();
    let folder = folder.path();
    let text = header(1) + "\0";
    let mut blocks = noodles_bgzf::io::Writer::new(Vec::new());
    let mut push = |bytes: &[u8]| blocks.write_all(bytes).expect("compress");
    push(b"BCF\x02\x02");
    push(&(text.len() as u32).to_le_bytes());
    push(text.as_bytes());
    let piece = vec![0; 1 << 20];
    for _ in 0..2 {
        push(&24u32.to_le_bytes());
        push(&(1u32 << 30).to_le_bytes());
        (0..300).for_each(|_| push(&piece));
    }
    let input = write(folder, "giant.bcf", blocks.finish().expect("finish"));
    for shard_size in ["64M", "100k"] {
        let dataset = folder.join(format!("{shard_size}.ds"));
        let (done, peak) = measured(512, &[&input], &dataset, &["--memory", "512M", "--shard-size", shard_size]);
        assert_eq!(done.code, 65, "{}", done.stderr);
        assert!(done.stderr.contains("a record has more than") && done.stderr.contains("giant.bcf"), "{}", done.stderr);
        assert!(peak <= 512, "{peak} MiB");
        assert!(!is_published(&dataset));
        eprintln!("a BCF that announces 1 GB: {peak} MiB of 512");
    }
}

/// A position has room for 65,536 alleles; more are refused and not wrapped around.
#[test]
fn more_alleles_than_a_position_holds_are_refused() {
    let folder = temp();
    let folder = folder.path();
    let alts: Vec<String> = (0..70_000).map(|at| format!("A{}", base4(at))).collect();
    let text = format!("{}1\t100\t.\tA\t{}\t.\t.\t.\tGT\t0/1\n", header(1), alts.join(","));
    let input = write(folder, "alleles.vcf.gz", bgzf(text.as_bytes()));
    let dataset = folder.join("ds");
    let done = call_any(&[&input], &dataset, &[]).expect(65);
    assert!(error_lines(&done.stderr).len() == 1 && done.stderr.contains("alleles.vcf.gz"), "{}", done.stderr);
    assert!(!is_published(&dataset));
}

/// A number in the letters of bases.
fn base4(mut number: usize) -> String {
    let mut text = String::new();
    for _ in 0..9 {
        text.push(['A', 'C', 'G', 'T'][number % 4]);
        number /= 4;
    }
    text
}
