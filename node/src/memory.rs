//! Default size of the database's cache.

use actoreum_storage::limits::CACHE_BYTES;

/// Lower bound of the database's cache, in bytes.
const MIN_CACHE_BYTES: u64 = 48 << 20;
/// Divisor of the machine's memory that gives the database's cache: a sixteenth. The storage engine
/// uses about as much again.
const MEMORY_DIVISOR: u64 = 16;

/// Returns the default size of the database's cache in megabytes: the size that storage advises, or
/// less if that is more than a sixteenth of the memory that this process may use.
pub fn cache_megabytes() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let machine = machine_memory(&read("/proc/meminfo"));
    let container = read("/sys/fs/cgroup/memory.max").trim().parse().ok();
    cache_bytes(machine.into_iter().chain(container).min()) >> 20
}

/// Returns the bytes of the cache for the bytes of memory, if they are known.
fn cache_bytes(memory: Option<u64>) -> u64 {
    memory.map_or(MIN_CACHE_BYTES, |memory| {
        (memory / MEMORY_DIVISOR).clamp(MIN_CACHE_BYTES, CACHE_BYTES)
    })
}

/// Returns the bytes of memory, from the text of `/proc/meminfo`.
fn machine_memory(text: &str) -> Option<u64> {
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
    fn the_cache_is_a_sixteenth_of_the_memory_within_bounds() {
        const GIGABYTE: u64 = 1 << 30;
        assert_eq!(cache_bytes(None), MIN_CACHE_BYTES);
        assert_eq!(cache_bytes(Some(GIGABYTE / 2)), MIN_CACHE_BYTES);
        assert_eq!(cache_bytes(Some(2 * GIGABYTE)), GIGABYTE / 8);
        assert_eq!(cache_bytes(Some(64 * GIGABYTE)), CACHE_BYTES);
        let text = "MemTotal:       24684000 kB\nMemFree:        1 kB\n";
        assert_eq!(machine_memory(text), Some(24_684_000 << 10));
        assert_eq!(machine_memory("MemTotal: many"), None);
    }
}
