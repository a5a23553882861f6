//! What this process may use and has used: cores, memory, time.

use std::fs;

/// Cores that the process may use: affinity and cgroup quota are seen.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory that the process may use in bytes: the least of the machine's, of the limits of its cgroups and all above them, and
/// of the resource limits that batch systems without cgroups set (getrlimit(2)).
pub fn memory_bytes() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?.to_string();
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
    });
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // what is no number is "max": no limit
    let read = |path: &String| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let limits = [libc::RLIMIT_DATA, libc::RLIMIT_AS].into_iter().filter_map(resource_limit);
    memory_limit_files(&groups).iter().filter_map(read).chain(machine).chain(limits).min().unwrap_or(4 << 30)
}

/// A resource limit of this process; `None` where there is none.
fn resource_limit(resource: ResourceLimit) -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: getrlimit fills the struct it is given, or leaves it as it is.
    unsafe { libc::getrlimit(resource, &mut limit) };
    (limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

/// How the C library numbers resources.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
type ResourceLimit = libc::__rlimit_resource_t;
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
type ResourceLimit = libc::c_int;

/// Files with the memory limits of the cgroups of a process, given its `/proc/self/cgroup` (cgroups(7)): of version 1 and 2,
/// each group and those above it, of which the last is all that a container sees.
fn memory_limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (mount, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut group = path.trim_end_matches('/');
        loop {
            files.push(format!("{mount}{group}/{name}"));
            let Some((above, _)) = group.rsplit_once('/') else { break };
            group = above;
        }
    }
    files
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_groups_above_count() {
        let files = memory_limit_files("0::/kubepods/pod7/main\n");
        let expected = ["/kubepods/pod7/main", "/kubepods/pod7", "/kubepods", ""];
        assert_eq!(files, expected.map(|group| format!("/sys/fs/cgroup{group}/memory.max")));
        let files = memory_limit_files("5:cpu,cpuacct:/a\n4:memory:/slurm/job_9\n1:name=systemd:/x\n");
        let expected = ["/slurm/job_9", "/slurm", ""];
        assert_eq!(files, expected.map(|group| format!("/sys/fs/cgroup/memory{group}/memory.limit_in_bytes")));
        assert_eq!(memory_limit_files("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert!(memory_limit_files("").is_empty() && memory_bytes() > 0);
    }
}
