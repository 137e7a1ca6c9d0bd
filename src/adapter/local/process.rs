//! What the system says of this process, and what it allows it.

use std::{fs, io};

/// Bytes of memory that are resident; `None` where the system has no `/proc`.
pub fn resident_bytes() -> Option<u64> {
    resident(&fs::read_to_string("/proc/self/status").ok()?)
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
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::{resident, resident_bytes};

    #[test]
    fn the_line_of_the_kernel() {
        assert_eq!(resident("Name:\ttripline\nVmHWM:\t   900 kB\nVmRSS:\t   812 kB\nThreads:\t1\n"), Some(812 * 1024));
        assert_eq!(resident("Name:\ttripline\n"), None);
        if cfg!(target_os = "linux") {
            assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
        }
    }
}
