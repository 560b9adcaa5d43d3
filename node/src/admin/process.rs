//! Memory of this process, as the operating system reports it.

use std::fs;

/// Returns the resident memory in bytes; zero on a system without `/proc`.
pub fn resident_bytes() -> u64 {
    field("VmRSS:")
}

/// Returns the peak resident memory in bytes; zero on a system without `/proc`.
pub fn peak_resident_bytes() -> u64 {
    field("VmHWM:")
}

fn field(name: &str) -> u64 {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        return 0;
    };
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_is_read_in_bytes() {
        assert!(resident_bytes() > 1_000_000);
        assert!(peak_resident_bytes() >= resident_bytes() / 2);
    }
}
