//! What this process may use and has used: cores, memory, time.

use std::fs;

/// Cores that the process may use: affinity and cgroup quota are seen.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory that the process may use in bytes: the least of the machine's and the cgroups'.
pub fn memory_bytes() -> u64 {
    let read = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?.to_string();
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    });
    let cgroup2 = fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| {
        let own = text.lines().find_map(|line| line.strip_prefix("0::"))?.to_string();
        read(&format!("/sys/fs/cgroup{own}/memory.max"))
    });
    let limits =
        [machine, cgroup2, read("/sys/fs/cgroup/memory.max"), read("/sys/fs/cgroup/memory/memory.limit_in_bytes")];
    limits.into_iter().flatten().min().unwrap_or(4 << 30)
}

/// Bytes that an ordinary user may still write to the file system of a folder; `None` where that is not known.
pub fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: statvfs fills the struct it is given; all-zero is a valid value of it, and the name ends with a zero byte.
    let stats = unsafe {
        let mut stats: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(name.as_ptr(), &mut stats) == 0).then_some(stats)
    }?;
    (stats.f_bavail as u64).checked_mul(stats.f_frsize as u64)
}

fn peak_of_status() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// CPU seconds (user and system) and peak resident bytes of this process so far.
pub fn used() -> (f64, u64) {
    // SAFETY: getrusage fills the struct it is given; all-zero is a valid value of it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    // what the system counts for a process begins with what the one that started it had
    let peak_bytes = peak_of_status().unwrap_or(usage.ru_maxrss as u64 * unit);
    (seconds(usage.ru_utime) + seconds(usage.ru_stime), peak_bytes)
}
