//! Parallel work on threads of its own.
//!
//! Rayon's threads must not run vectors: the chain's import has threads that wait for rayon's, and
//! rayon's would wait for the import.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Calls `visit` with every item, on as many threads as there are cores.
pub fn for_each<T: Sync>(items: &[T], visit: impl Fn(&T) + Sync) {
    let threads = threads().min(items.len());
    if threads <= 1 {
        return items.iter().for_each(visit);
    }
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    visit(item);
                }
            });
        }
    });
}

/// Returns the number of threads.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_visited_once() {
        let items: Vec<AtomicUsize> = (0..1000).map(|_| AtomicUsize::new(0)).collect();
        for_each(&items, |item| {
            item.fetch_add(1, Ordering::Relaxed);
        });
        assert!(items.iter().all(|item| item.load(Ordering::Relaxed) == 1));
        for_each(&[] as &[u8], |_| panic!("there is nothing to visit"));
    }
}
