//! How much of our work a peer has wasted lately.

use std::time::Duration;

use tokio::time::Instant;

use crate::eth::limits::{WASTE_BURST_UNITS, WASTE_STRIKES, WASTE_UNITS_PER_SECOND};

/// A bucket that fills with what was done in vain and empties with time.
#[derive(Debug)]
pub(super) struct WasteMeter {
    units: f64,
    at: Instant,
    strikes: u32,
}

/// What follows from more waste.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Honest peers do as much.
    Tolerated,
    /// The bucket was full already.
    Excessive,
    /// It was so too often in a row.
    Incorrigible,
}

impl WasteMeter {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            units: 0.0,
            at: now,
            strikes: 0,
        }
    }

    /// Counts some waste.
    pub(super) fn add(&mut self, now: Instant, units: u32) -> Verdict {
        self.leak(now.saturating_duration_since(self.at));
        self.at = now;
        let (burst, units) = (f64::from(WASTE_BURST_UNITS), f64::from(units));
        let was_full = self.units + units > burst;
        self.units = (self.units + units).min(burst);
        if !was_full {
            return Verdict::Tolerated;
        }
        self.strikes += 1;
        match self.strikes >= WASTE_STRIKES {
            true => Verdict::Incorrigible,
            false => Verdict::Excessive,
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
    async fn a_whole_stale_pool_is_tolerated_and_a_steady_sender_is_not() {
        let begun = Instant::now();
        let mut meter = WasteMeter::new(begun);
        for _ in 0..64 {
            assert_eq!(meter.add(begun, SLICE), Verdict::Tolerated);
        }
        let mut verdicts = (1..=20).map(|turn| {
            let now = begun + Duration::from_millis(200 * turn);
            meter.add(now, SLICE)
        });
        assert!(
            verdicts
                .by_ref()
                .take(19)
                .all(|it| it == Verdict::Excessive)
        );
        assert_eq!(verdicts.next(), Some(Verdict::Incorrigible));
    }

    #[tokio::test(start_paused = true)]
    async fn time_makes_up_for_it() {
        let begun = Instant::now();
        let mut meter = WasteMeter::new(begun);
        for _ in 0..70 {
            meter.add(begun, SLICE);
        }
        assert_eq!(meter.strikes, 6);
        let later = begun + Duration::from_secs(33);
        assert_eq!(meter.add(later, SLICE), Verdict::Tolerated);
        assert_eq!(meter.strikes, 0);
        // As much as leaks goes on for ever.
        for second in 0..10_000 {
            let now = later + Duration::from_secs(second);
            assert_eq!(meter.add(now, SLICE), Verdict::Tolerated);
        }
    }
}
