//! What the system says of this process, and what it allows it.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Bytes of memory that are resident; `None` where the system has no `/proc`.
pub fn resident_bytes() -> Option<u64> {
    resident(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Bytes of memory that are this process's alone: what the system cannot take back, as it can pages of files.
pub fn used_bytes() -> Option<u64> {
    used(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Bytes of memory that this process may use: those of its control groups, or of the machine where they are fewer.
pub fn allowed_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| kilobytes(&text, "MemTotal:"));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let read = |file: PathBuf| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    limit_files(&groups).into_iter().filter_map(read).chain(machine).min()
}

/// Where the limits are of the control groups that a process is in, from its own up to the topmost; of both versions.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            of if of.split(',').any(|of| of == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        files.extend(path.ancestors().map(|folder| Path::new(root).join(folder).join(name)));
    }
    files
}

/// From now on this process is ended when it has worked for so many seconds, and gets no more addresses than these bytes have.
#[cfg(unix)]
pub fn limit(seconds: u64, bytes: u64) -> io::Result<()> {
    use rlimit::Resource;
    Resource::CPU.set(seconds, seconds)?;
    Resource::AS.set(bytes, bytes)
}

#[cfg(not(unix))]
pub fn limit(_: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// In kilobytes, and not in pages as in `statm`: how long those are would have to be asked.
fn resident(status: &str) -> Option<u64> {
    kilobytes(status, "VmRSS:")
}

fn used(status: &str) -> Option<u64> {
    kilobytes(status, "RssAnon:")?.checked_add(kilobytes(status, "RssShmem:")?)
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{allowed_bytes, limit_files, resident, resident_bytes, used, used_bytes};

    #[test]
    fn the_line_of_the_kernel() {
        assert_eq!(resident("Name:\ttripline\nVmHWM:\t   900 kB\nVmRSS:\t   812 kB\nThreads:\t1\n"), Some(812 * 1024));
        assert_eq!(resident("Name:\ttripline\n"), None);
        if cfg!(target_os = "linux") {
            assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
            assert!(used_bytes().zip(resident_bytes()).is_some_and(|(used, all)| used > 1 << 16 && used < 2 * all));
            assert!(allowed_bytes().is_some_and(|bytes| bytes > 1 << 20));
        }
    }

    #[test]
    fn what_cannot_be_taken_back() {
        let status = "VmRSS:\t 812 kB\nRssAnon:\t 500 kB\nRssFile:\t 300 kB\nRssShmem:\t 12 kB\n";
        assert_eq!((used(status), used("VmRSS:\t 812 kB\n")), (Some(512 * 1024), None));
    }

    #[test]
    fn limits_of_both_versions_of_control_groups() {
        let path = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let second =
            path(&["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"]);
        assert_eq!(limit_files("0::/a/b\n"), second);
        let first = ["/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
        assert_eq!(limit_files("4:cpu,cpuacct:/x\n3:memory:/a\n"), path(&first));
        assert!(limit_files("").is_empty());
    }
}
