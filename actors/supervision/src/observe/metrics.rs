//! Metrics of each type of message that an actor handles.

use std::any::{TypeId, type_name};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crate::kernel::clock::{self, Nanos};
use crate::kernel::quarantine::Crashes;
use crate::limits::{DEAD_LETTER_PERIOD, SLOW_WARNING_PERIOD};
use crate::observe::histogram::Histogram;
use crate::observe::senders::Senders;
use crate::observe::snapshot::MessageSnapshot;

/// The subject of a row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    /// The messages of a type.
    Type(TypeId),
    /// The jobs of a name.
    Name(&'static str),
}

/// Counters and histograms of one message type at one actor, or of one kind of job at one pool.
#[derive(Debug)]
pub(crate) struct MessageMetrics {
    key: Key,
    /// The type's name without module paths, or the job's name.
    pub(crate) name: Box<str>,
    /// The type's name with module paths.
    path: &'static str,
    /// Index in the actor's message table, from zero, in the order of first use.
    pub(crate) index: u32,
    /// Time from the send to the start of the handler.
    pub(crate) queue: Histogram,
    /// Time that the handler held the thread; its count is the number of messages handled.
    pub(crate) handling: Histogram,
    /// Time from the start of the handler to the answer, for answers that come later.
    pub(crate) answering: Histogram,
    /// Time that futures spawned by the handler held the thread, in nanoseconds.
    pub(crate) polling: AtomicU64,
    /// Answers that are pending.
    pub(crate) owed: AtomicU64,
    /// The senders of the accepted messages.
    pub(crate) senders: Senders,
    /// Messages handled with an error as the result, or ended by a panic.
    pub(crate) failed: AtomicU64,
    /// Messages refused because the mailbox was full.
    pub(crate) rejected: AtomicU64,
    /// Messages refused because the actor was down.
    pub(crate) unavailable: AtomicU64,
    /// Messages dropped unhandled for newer ones.
    pub(crate) dropped: AtomicU64,
    /// Messages still queued when the generation ended.
    pub(crate) lost: AtomicU64,
    /// Requests or jobs skipped because the caller no longer waited.
    pub(crate) abandoned: AtomicU64,
    /// Messages not handled, or jobs not run, because their deadline passed while they were queued.
    pub(crate) expired: AtomicU64,
    /// Messages refused because the type is in quarantine.
    pub(crate) quarantined: AtomicU64,
    pub(crate) crashes: Crashes,
    /// Handlers that held the thread for [`SLOW_HANDLER`](crate::limits::SLOW_HANDLER) or longer.
    pub(crate) slow: AtomicU64,
    last_slow_warning: AtomicU64,
    rate_bits: AtomicU64,
    rate_count: AtomicU64,
    held_before: AtomicU64,
    last_sample: AtomicU64,
}

impl MessageMetrics {
    fn new(key: Key, path: &'static str, index: u32) -> Self {
        Self {
            key,
            name: short_name(path).into(),
            path,
            index,
            queue: Histogram::default(),
            handling: Histogram::default(),
            answering: Histogram::default(),
            polling: AtomicU64::new(0),
            owed: AtomicU64::new(0),
            senders: Senders::default(),
            failed: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            quarantined: AtomicU64::new(0),
            crashes: Crashes::default(),
            slow: AtomicU64::new(0),
            last_slow_warning: AtomicU64::new(0),
            rate_bits: AtomicU64::new(0),
            rate_count: AtomicU64::new(0),
            held_before: AtomicU64::new(0),
            last_sample: AtomicU64::new(0),
        }
    }

    /// Counts a slow handler. Returns true when another warning about this type is due.
    pub(crate) fn note_slow(&self, now: Nanos) -> bool {
        self.slow.fetch_add(1, Relaxed);
        let last = self.last_slow_warning.load(Relaxed);
        let due = last == 0 || now.saturating_sub(last) >= clock::nanos(SLOW_WARNING_PERIOD);
        if due {
            self.last_slow_warning.store(now, Relaxed);
        }
        due
    }

    /// Returns true when another sample of a message that was not handled is due.
    pub(crate) fn take_sample(&self, now: Nanos) -> bool {
        let last = self.last_sample.load(Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= clock::nanos(DEAD_LETTER_PERIOD);
        if is_due {
            self.last_sample.store(now, Relaxed);
        }
        is_due
    }

    /// Updates the rate (an exponential moving average) with the messages handled in the last
    /// `seconds`. Must have one caller only.
    pub(crate) fn update_rate(&self, seconds: f64) {
        /// The time constant of the average, in seconds. A short span weighs little: the messages
        /// of the first microseconds are no rate.
        const TIME_CONSTANT: f64 = 3.0;
        if seconds <= 0.0 {
            return;
        }
        let count = self.handling.count();
        let handled = count.saturating_sub(self.rate_count.swap(count, Relaxed));
        let old = f64::from_bits(self.rate_bits.load(Relaxed));
        let weight = 1.0 - (-seconds / TIME_CONSTANT).exp();
        let new = old + weight * (handled as f64 / seconds - old);
        let settled = if new < 0.001 { 0.0 } else { new };
        self.rate_bits.store(settled.to_bits(), Relaxed);
    }

    /// Returns the time, in nanoseconds, that the handler and its futures held the thread since the
    /// last call. Must have one caller only.
    pub(crate) fn take_held(&self) -> u64 {
        let held = self.handling.sum() + self.polling.load(Relaxed);
        held.saturating_sub(self.held_before.swap(held, Relaxed))
    }

    pub(crate) fn read(&self) -> MessageSnapshot {
        let handling = self.handling.read();
        MessageSnapshot {
            name: self.name.to_string(),
            per_second: f64::from_bits(self.rate_bits.load(Relaxed)),
            handled: handling.count,
            failed: self.failed.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
            unavailable: self.unavailable.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            lost: self.lost.load(Relaxed),
            abandoned: self.abandoned.load(Relaxed),
            expired: self.expired.load(Relaxed),
            quarantined: self.quarantined.load(Relaxed),
            slow: self.slow.load(Relaxed),
            owed: self.owed.load(Relaxed),
            senders: self.senders.read(),
            queue: self.queue.read(),
            handling,
            answering: self.answering.read(),
        }
    }
}

/// The message types of one actor: an append-only list, read without a lock.
///
/// An actor has a dozen types at most, so that walking the list costs a few nanoseconds, less
/// than hashing a `TypeId`.
#[derive(Debug, Default)]
pub(crate) struct MessageTable {
    head: Link,
}

type Link = OnceLock<Box<Row>>;

#[derive(Debug)]
struct Row {
    metrics: Arc<MessageMetrics>,
    next: Link,
}

impl MessageTable {
    /// Returns the metrics of message type `M`, which is added at its first use.
    #[inline]
    pub(crate) fn of<M: 'static>(&self) -> &Arc<MessageMetrics> {
        self.of_key(Key::Type(TypeId::of::<M>()), type_name::<M>())
    }

    /// Returns the metrics of the jobs called `name`, which are added at their first use.
    pub(crate) fn named(&self, name: &'static str) -> &Arc<MessageMetrics> {
        self.of_key(Key::Name(name), name)
    }

    fn of_key(&self, key: Key, name: &'static str) -> &Arc<MessageMetrics> {
        let mut link = &self.head;
        let mut index = 0;
        loop {
            let row = link.get_or_init(|| {
                Box::new(Row {
                    metrics: Arc::new(MessageMetrics::new(key, name, index)),
                    next: Link::new(),
                })
            });
            if row.metrics.key == key {
                return &row.metrics;
            }
            link = &row.next;
            index += 1;
        }
    }

    /// Returns the metrics of every type used so far, in the order of first use.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<MessageMetrics>> {
        let mut link = &self.head;
        std::iter::from_fn(move || {
            let row = link.get()?;
            link = &row.next;
            Some(&row.metrics)
        })
    }

    /// Returns the figures of every type. Types that share a name are called by their paths.
    pub(crate) fn read(&self) -> Vec<MessageSnapshot> {
        let is_shared = |name: &str| self.iter().filter(|of| *of.name == *name).count() > 1;
        let read = self.iter().map(|metrics| {
            let mut figures = metrics.read();
            if is_shared(&figures.name) {
                metrics.path.clone_into(&mut figures.name);
            }
            figures
        });
        read.collect()
    }
}

/// Removes the module paths of a type name: `a::b::Wrapper<c::Message>` becomes
/// `Wrapper<Message>`.
pub(crate) fn short_name(full: &str) -> String {
    let mut short = String::with_capacity(full.len());
    let mut segment = 0;
    let mut characters = full.chars().peekable();
    while let Some(character) = characters.next() {
        let is_path = character == ':' && characters.peek() == Some(&':');
        if is_path {
            characters.next();
            short.truncate(segment);
            continue;
        }
        short.push(character);
        if !character.is_alphanumeric() && character != '_' {
            segment = short.len();
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_have_no_paths() {
        assert_eq!(short_name("u8"), "u8");
        assert_eq!(short_name("a::b::Tick"), "Tick");
        assert_eq!(short_name("a::Wrap<b::c::X, d::Y>"), "Wrap<X, Y>");
        assert_eq!(short_name("(a::X, [b::Y; 3])"), "(X, [Y; 3])");
    }

    #[test]
    fn jobs_are_told_apart_by_name() {
        let table = MessageTable::default();
        table.of::<u8>().failed.fetch_add(1, Relaxed);
        for name in ["Sum", "Product", "Sum"] {
            table.named(name).failed.fetch_add(1, Relaxed);
        }
        let rows: Vec<_> = table.iter().map(|row| row.read()).collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|row| (row.name.as_str(), row.failed))
            .collect();
        assert_eq!(rows, [("u8", 1), ("Sum", 2), ("Product", 1)]);
    }

    #[test]
    fn concurrent_first_uses_of_a_type_make_one_row() {
        let table = Arc::new(MessageTable::default());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let table = Arc::clone(&table);
                std::thread::spawn(move || {
                    for _ in 0..1000 {
                        table.of::<u8>().failed.fetch_add(1, Relaxed);
                        table.of::<u16>().failed.fetch_add(1, Relaxed);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(table.iter().count(), 2);
        for (index, metrics) in table.iter().enumerate() {
            assert_eq!(metrics.index as usize, index);
            assert_eq!(metrics.failed.load(Relaxed), 4000);
        }
    }

    #[test]
    fn types_of_one_name_are_read_with_their_paths() {
        mod other {
            pub struct Tick;
        }
        struct Tick;
        struct Tock;
        let table = MessageTable::default();
        table.of::<Tick>();
        table.of::<Tock>();
        let names = |table: &MessageTable| -> Vec<String> {
            table.read().into_iter().map(|of| of.name).collect()
        };
        assert_eq!(names(&table), ["Tick", "Tock"]);
        table.of::<other::Tick>();
        let names = names(&table);
        assert_eq!(names[0], type_name::<Tick>());
        assert_eq!(names[1], "Tock");
        assert_eq!(names[2], type_name::<other::Tick>());
        assert_ne!(names[0], names[2]);
    }

    #[test]
    fn the_rate_follows_the_count() {
        let metrics = MessageMetrics::new(Key::Type(TypeId::of::<u8>()), "u8", 0);
        metrics.handling.record(1);
        metrics.update_rate(1e-6);
        assert!(metrics.read().per_second < 1.0);
        for _ in 0..50 {
            for _ in 0..100 {
                metrics.handling.record(1);
            }
            metrics.update_rate(1.0);
        }
        assert!((metrics.read().per_second - 100.0).abs() < 1.0);
        for _ in 0..100 {
            metrics.update_rate(1.0);
        }
        assert_eq!(metrics.read().per_second, 0.0);
    }
}
