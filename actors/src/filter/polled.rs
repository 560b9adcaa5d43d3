//! Polled filters: the changes that each collected since its last poll.

use std::collections::HashMap;

use actoreum_chain::LogWithMeta;
use actoreum_messages::filter::{
    Collected, CollectedChanges, FilterId, LogRange, MissedBlocks, Topic,
};
use actoreum_primitives::B256;
use tokio::time::Instant;
use tracing::debug;

use super::limits::{FILTER_LIFETIME, MAX_COLLECTED_BYTES};
use super::overlaps;

/// Bytes of a log beside its data and topics.
const LOG_BYTES: usize = 256;

#[derive(Default)]
pub(super) struct PolledFilters {
    filters: HashMap<FilterId, Polled>,
    /// Bytes of all filters together.
    bytes: usize,
}

struct Polled {
    topic: Topic,
    collected: Collected,
    bytes: usize,
    polled_at: Instant,
    /// Blocks that the filter was not notified of.
    missed: Option<MissedBlocks>,
}

impl PolledFilters {
    pub(super) fn len(&self) -> usize {
        self.filters.len()
    }

    /// Returns whether there is a filter with such a topic.
    pub(super) fn any(&self, of: impl Fn(&Topic) -> bool) -> bool {
        self.filters.values().any(|filter| of(&filter.topic))
    }

    pub(super) fn install(&mut self, id: FilterId, topic: Topic) {
        let filter = Polled {
            collected: empty(&topic),
            topic,
            bytes: 0,
            polled_at: Instant::now(),
            missed: None,
        };
        self.filters.insert(id, filter);
    }

    pub(super) fn uninstall(&mut self, id: FilterId) -> bool {
        let removed = self.filters.remove(&id);
        self.bytes -= removed.as_ref().map_or(0, |filter| filter.bytes);
        removed.is_some()
    }

    /// Marks these blocks as missed in the filters that they concern. Returns the number of those
    /// filters.
    pub(super) fn mark_missed(&mut self, missed: MissedBlocks) -> usize {
        let mut concerned = 0;
        for filter in self.filters.values_mut() {
            let is_concerned = match &filter.topic {
                Topic::Heads => true,
                Topic::Logs(range) => overlaps(range, missed),
                Topic::Transactions | Topic::FullTransactions | Topic::Syncing => false,
            };
            if is_concerned {
                concerned += 1;
                let before = filter.missed.unwrap_or(missed);
                filter.missed = Some(MissedBlocks {
                    first: before.first.min(missed.first),
                    last: before.last.max(missed.last),
                });
            }
        }
        concerned
    }

    pub(super) fn take(&mut self, id: FilterId) -> Option<CollectedChanges> {
        let filter = self.filters.get_mut(&id)?;
        filter.polled_at = Instant::now();
        if let Some(missed) = filter.missed.take() {
            return Some(Err(missed));
        }
        self.bytes -= std::mem::take(&mut filter.bytes);
        Some(Ok(std::mem::replace(
            &mut filter.collected,
            empty(&filter.topic),
        )))
    }

    pub(super) fn log_range(&self, id: FilterId) -> Option<LogRange> {
        match &self.filters.get(&id)?.topic {
            Topic::Logs(range) => Some(range.clone()),
            _ => None,
        }
    }

    pub(super) fn add_hashes(&mut self, topic: &Topic, new: &[B256]) {
        for filter in self.filters.values_mut() {
            if let Collected::Hashes(hashes) = &mut filter.collected
                && filter.topic == *topic
            {
                hashes.extend_from_slice(new);
                filter.bytes += size_of_val(new);
                self.bytes += size_of_val(new);
            }
        }
        self.make_room();
    }

    /// Adds the logs that `logs` selects to each log filter.
    pub(super) fn add_logs(&mut self, logs: impl Fn(&LogRange) -> Vec<LogWithMeta>) {
        for filter in self.filters.values_mut() {
            if let (Topic::Logs(range), Collected::Logs(collected)) =
                (&filter.topic, &mut filter.collected)
            {
                let new = logs(range);
                let bytes: usize = new.iter().map(log_bytes).sum();
                collected.extend(new);
                filter.bytes += bytes;
                self.bytes += bytes;
            }
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.bytes > MAX_COLLECTED_BYTES {
            let fullest = self.filters.iter().max_by_key(|(_, filter)| filter.bytes);
            let Some((id, filter)) = fullest.map(|(id, filter)| (*id, filter)) else {
                return;
            };
            debug!(filter = %id, bytes = filter.bytes, "filter dropped: its changes are not polled");
            self.uninstall(id);
        }
    }

    /// Removes filters that were not polled for [`FILTER_LIFETIME`]. Returns their number.
    pub(super) fn expire(&mut self) -> usize {
        self.remove_where(|filter| filter.polled_at.elapsed() >= FILTER_LIFETIME)
    }

    fn remove_where(&mut self, is_over: impl Fn(&Polled) -> bool) -> usize {
        let before = self.filters.len();
        let bytes = &mut self.bytes;
        self.filters.retain(|_, filter| {
            let is_over = is_over(filter);
            if is_over {
                *bytes -= filter.bytes;
            }
            !is_over
        });
        before - self.filters.len()
    }
}

fn empty(topic: &Topic) -> Collected {
    match topic {
        Topic::Logs(_) => Collected::Logs(Vec::new()),
        Topic::Heads | Topic::Transactions | Topic::FullTransactions | Topic::Syncing => {
            Collected::Hashes(Vec::new())
        }
    }
}

fn log_bytes(log: &LogWithMeta) -> usize {
    LOG_BYTES + log.log.data.len() + size_of_val(log.log.topics.as_slice())
}
