//! Meter of the useless work that a peer has caused lately.

use std::time::Duration;

use tokio::time::Instant;

use crate::eth::limits::{WASTE_BURST_UNITS, WASTE_STRIKES, WASTE_UNITS_PER_SECOND};

/// A leaky bucket: it fills with useless work and drains with time.
#[derive(Debug)]
pub(super) struct WasteMeter {
    units: f64,
    updated_at: Instant,
    strikes: u32,
}

/// Consequence of more useless work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Within what honest peers cause.
    Tolerated,
    /// The bucket is full: the peer is paused.
    Pause,
    /// The bucket was full too often in a row: the peer is banned.
    Ban,
}

impl WasteMeter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            units: 0.0,
            updated_at: now,
            strikes: 0,
        }
    }

    /// Adds useless work.
    pub(super) fn add(&mut self, now: Instant, units: u32) -> Verdict {
        self.leak(now.saturating_duration_since(self.updated_at));
        self.updated_at = now;
        let (burst, units) = (f64::from(WASTE_BURST_UNITS), f64::from(units));
        let was_full = self.units + units > burst;
        self.units = (self.units + units).min(burst);
        if !was_full {
            return Verdict::Tolerated;
        }
        self.strikes += 1;
        if self.strikes >= WASTE_STRIKES {
            Verdict::Ban
        } else {
            Verdict::Pause
        }
    }

    fn leak(&mut self, time: Duration) {
        let leaked = time.as_secs_f64() * f64::from(WASTE_UNITS_PER_SECOND);
        self.units = (self.units - leaked).max(0.0);
        if self.units < f64::from(WASTE_BURST_UNITS) / 2.0 {
            self.strikes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eth::limits::USELESS_TRANSACTION_UNITS;

    const SLICE: u32 = 64 * USELESS_TRANSACTION_UNITS;

    #[tokio::test(start_paused = true)]
    async fn a_stale_pool_is_tolerated_a_steady_sender_is_banned() {
        let start = Instant::now();
        let mut meter = WasteMeter::new(start);
        for _ in 0..64 {
            assert_eq!(meter.add(start, SLICE), Verdict::Tolerated);
        }
        let mut verdicts = (1..=20).map(|turn| {
            let now = start + Duration::from_millis(200 * turn);
            meter.add(now, SLICE)
        });
        assert!(verdicts.by_ref().take(19).all(|it| it == Verdict::Pause));
        assert_eq!(verdicts.next(), Some(Verdict::Ban));
    }

    #[tokio::test(start_paused = true)]
    async fn useless_work_is_forgiven_with_time() {
        let start = Instant::now();
        let mut meter = WasteMeter::new(start);
        for _ in 0..70 {
            meter.add(start, SLICE);
        }
        assert_eq!(meter.strikes, 6);
        let later = start + Duration::from_secs(33);
        assert_eq!(meter.add(later, SLICE), Verdict::Tolerated);
        assert_eq!(meter.strikes, 0);
        // A peer that causes as much as leaks is tolerated for ever.
        for second in 0..10_000 {
            let now = later + Duration::from_secs(second);
            assert_eq!(meter.add(now, SLICE), Verdict::Tolerated);
        }
    }
}
