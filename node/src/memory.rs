//! How much memory there is for caches.

use actoreum_storage::limits::CACHE_BYTES;

/// The least for the database's cache, in bytes.
const LEAST: u64 = 48 << 20;
/// The part of the machine's memory that the database's cache may take. What the engine holds
/// besides is about as much again.
const PART: u64 = 16;

/// Megabytes for the database's cache where nothing else is said: what storage advises, or less
/// where that is more than a sixteenth of the memory that this process may use.
pub fn cache_megabytes() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let machine = of_machine(&read("/proc/meminfo"));
    let container = read("/sys/fs/cgroup/memory.max").trim().parse().ok();
    cache_of(machine.into_iter().chain(container).min()) >> 20
}

/// Bytes for the cache where there are so many bytes of memory.
fn cache_of(memory: Option<u64>) -> u64 {
    memory.map_or(LEAST, |memory| (memory / PART).clamp(LEAST, CACHE_BYTES))
}

/// Bytes of memory, from the text of `/proc/meminfo`.
fn of_machine(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_goes_with_the_memory_within_bounds() {
        const GIGABYTE: u64 = 1 << 30;
        assert_eq!(cache_of(None), LEAST);
        assert_eq!(cache_of(Some(GIGABYTE / 2)), LEAST);
        assert_eq!(cache_of(Some(2 * GIGABYTE)), GIGABYTE / 8);
        assert_eq!(cache_of(Some(64 * GIGABYTE)), CACHE_BYTES);
        let text = "MemTotal:       24684000 kB\nMemFree:        1 kB\n";
        assert_eq!(of_machine(text), Some(24_684_000 << 10));
        assert_eq!(of_machine("MemTotal: many"), None);
    }
}
