//! Log lines of a sync: one every few seconds, with an estimate of the time left.

use std::time::Duration;

use actoreum_sync::SyncProgress;
use tokio::time::Instant;
use tracing::info;

/// Interval of the log lines, geth's `statsReportLimit`.
const REPORT_PERIOD: Duration = Duration::from_secs(8);

/// Counters of what a sync imports.
#[derive(Debug)]
pub(super) struct Report {
    epoch: Instant,
    last: Instant,
    blocks: u64,
    transactions: u64,
    gas: u64,
    /// Blocks since the sync began.
    total: u64,
}

/// Contents of a window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Content {
    pub blocks: u64,
    pub transactions: u64,
    pub gas: u64,
}

impl Report {
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            epoch: now,
            last: now,
            blocks: 0,
            transactions: 0,
            gas: 0,
            total: 0,
        }
    }

    /// Adds an imported window; logs where a line is due.
    pub fn add(&mut self, content: Content, progress: &SyncProgress) {
        self.blocks += content.blocks;
        self.transactions += content.transactions;
        self.gas += content.gas;
        self.total += content.blocks;
        if self.last.elapsed() >= REPORT_PERIOD {
            self.write(progress);
        }
    }

    fn write(&mut self, progress: &SyncProgress) {
        let seconds = self.last.elapsed().as_secs_f64().max(0.001);
        let missing = progress
            .highest_block
            .saturating_sub(progress.current_block);
        let all = progress
            .highest_block
            .saturating_sub(progress.starting_block)
            .max(1);
        let synced = 100.0 - missing as f64 * 100.0 / all as f64;
        let eta = estimate(self.epoch.elapsed(), self.total, missing);
        info!(
            synced = format!("{synced:.2}%"),
            number = progress.current_block,
            highest = progress.highest_block,
            blocks = self.blocks,
            txs = self.transactions,
            mgasps = format!("{:.1}", self.gas as f64 / 1e6 / seconds),
            eta = eta.map_or_else(|| "unknown".to_owned(), |it| format!("{}s", it.as_secs())),
            "syncing: chain download in progress"
        );
        self.last = Instant::now();
        self.blocks = 0;
        self.transactions = 0;
        self.gas = 0;
    }

    /// Logs the end of a successful sync.
    pub fn done(&self, number: u64) {
        info!(
            number,
            blocks = self.total,
            elapsed = ?self.epoch.elapsed(),
            "sync complete"
        );
    }
}

/// Estimates the time left from the speed so far. `None` where nothing was done yet.
fn estimate(took: Duration, done: u64, missing: u64) -> Option<Duration> {
    let seconds = took.as_secs_f64() / done as f64 * missing as f64;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_extrapolates_the_speed_so_far() {
        let took = Duration::from_secs(10);
        assert_eq!(estimate(took, 100, 50), Some(Duration::from_secs(5)));
        assert_eq!(estimate(took, 100, 0), Some(Duration::ZERO));
        assert_eq!(estimate(took, 0, 7), None);
    }
}
