//! What the system says of this process.

use std::fs;

/// Bytes of memory that are resident; `None` where the system has no `/proc`.
pub fn resident_bytes() -> Option<u64> {
    resident(&fs::read_to_string("/proc/self/status").ok()?)
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
