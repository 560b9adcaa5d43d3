//! The decisions of a supervisor as pure functions: which children are restarted, how often, and
//! after what pause.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use rand::Rng;

use crate::tree::rng::SeededRng;
use tokio::time::Instant;

use crate::kernel::exit::Exit;
use crate::limits::{BACKOFF_FIRST, BACKOFF_MAX, HEALTHY_AFTER, RESTART_PERIOD, RESTARTS};

/// The restart strategy: the children that are restarted when one has failed. The fourth strategy,
/// for dynamic children, is [`SupervisorSpec::dynamic`](crate::SupervisorSpec::dynamic).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The child that failed: siblings do not depend on each other.
    OneForOne,
    /// All children: each depends on all others.
    OneForAll,
    /// The child that failed and those that started after it: each depends on those before it.
    RestForOne,
}

impl Strategy {
    /// Returns the indexes of the children to be restarted when child `failed` of `count` failed.
    pub(crate) fn affected(self, failed: usize, count: usize) -> Range<usize> {
        match self {
            Self::OneForOne => failed..failed + 1,
            Self::OneForAll => 0..count,
            Self::RestForOne => failed..count,
        }
    }
}

/// The restart policy of a child that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// After a failure, not when it stopped itself normally.
    Transient,
    /// Never, not even together with its siblings.
    Temporary,
}

impl Restart {
    pub(crate) fn applies_to(self, exit: &Exit) -> bool {
        match self {
            Self::Permanent => true,
            Self::Transient => exit.is_failure(),
            Self::Temporary => false,
        }
    }

    /// Returns whether a child that was stopped with its group starts again with it. It does not
    /// where it is temporary, or ended by itself before the stop reached it and is done.
    pub(crate) fn joins_group_restart(self, exit: &Exit) -> bool {
        match exit {
            Exit::Shutdown => self != Self::Temporary,
            exit => self.applies_to(exit),
        }
    }
}

/// The policy for an actor's queued messages when it restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mailbox {
    /// They are refused and counted: their callers get an error, and decide.
    #[default]
    Lose,
    /// The next generation handles them, in order, without the one that was being handled when the
    /// actor ended, whose effect is unknown. While the actor is down, new messages are refused. The
    /// messages are refused once the actor will not restart, and where its supervisor ends.
    Keep,
}

/// The restart intensity: the number of restarts within a period above which a supervisor gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// Restarts allowed. With zero the supervisor gives up at the first failure.
    pub restarts: u32,
    /// The period in which they are counted.
    pub period: Duration,
}

impl Default for Intensity {
    fn default() -> Self {
        Self {
            restarts: RESTARTS,
            period: RESTART_PERIOD,
        }
    }
}

/// The restarts of the last period.
#[derive(Debug)]
pub(crate) struct RestartWindow {
    intensity: Intensity,
    restarts: VecDeque<Instant>,
}

impl RestartWindow {
    pub(crate) fn new(intensity: Intensity) -> Self {
        Self {
            intensity,
            restarts: VecDeque::new(),
        }
    }

    /// Counts a restart at `now`. Returns false, without counting, when the intensity is exceeded.
    #[must_use]
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        while let Some(oldest) = self.restarts.front()
            && now.duration_since(*oldest) >= self.intensity.period
        {
            self.restarts.pop_front();
        }
        if self.restarts.len() >= self.intensity.restarts as usize {
            return false;
        }
        self.restarts.push_back(now);
        true
    }
}

/// The pause before a restart: it doubles with each failure in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest pause before the first restart.
    pub first: Duration,
    /// The longest pause before any restart.
    pub max: Duration,
    /// After a run of this length without a failure, the next pause is `first` again.
    pub healthy_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: BACKOFF_FIRST,
            max: BACKOFF_MAX,
            healthy_after: HEALTHY_AFTER,
        }
    }
}

impl Backoff {
    /// Returns the pause after `failures` earlier failures in a row. Half of it is random, so that
    /// children that failed together do not restart together.
    pub(crate) fn pause(&self, failures: u32, rng: &SeededRng) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(failures));
        let longest = doubled.min(self.max);
        longest.mul_f64(rng.with(|random| random.random_range(0.5..=1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_strategy_selects_the_children_to_restart() {
        assert_eq!(Strategy::OneForOne.affected(1, 4), 1..2);
        assert_eq!(Strategy::OneForAll.affected(1, 4), 0..4);
        assert_eq!(Strategy::RestForOne.affected(1, 4), 1..4);
    }

    #[test]
    fn a_restart_policy_depends_on_the_exit() {
        let failed = Exit::failed("x".into());
        assert!(Restart::Permanent.applies_to(&Exit::Normal));
        assert!(Restart::Permanent.applies_to(&failed));
        assert!(!Restart::Transient.applies_to(&Exit::Normal));
        assert!(Restart::Transient.applies_to(&failed));
        assert!(!Restart::Temporary.applies_to(&failed));
        assert!(Restart::Transient.joins_group_restart(&Exit::Shutdown));
        assert!(!Restart::Transient.joins_group_restart(&Exit::Normal));
        assert!(!Restart::Temporary.joins_group_restart(&Exit::Shutdown));
    }

    #[test]
    fn the_restart_window_slides() {
        let mut window = RestartWindow::new(Intensity {
            restarts: 2,
            period: 10 * SECOND,
        });
        let begin = Instant::now();
        assert!(window.allow(begin));
        assert!(window.allow(begin + 5 * SECOND));
        assert!(!window.allow(begin + 9 * SECOND));
        assert!(window.allow(begin + 10 * SECOND));
        assert!(!window.allow(begin + 14 * SECOND));
        assert!(
            !RestartWindow::new(Intensity {
                restarts: 0,
                period: SECOND
            })
            .allow(begin)
        );
    }

    #[test]
    fn the_backoff_doubles_up_to_its_bound_with_jitter() {
        let backoff = Backoff {
            first: SECOND,
            max: 10 * SECOND,
            healthy_after: SECOND,
        };
        for (failures, longest) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 10), (40, 10)] {
            let longest = longest * SECOND;
            let rng = SeededRng::default();
            let pauses: Vec<_> = (0..100).map(|_| backoff.pause(failures, &rng)).collect();
            assert!(
                pauses
                    .iter()
                    .all(|pause| *pause >= longest / 2 && *pause <= longest)
            );
            assert!(pauses.iter().any(|pause| *pause != pauses[0]));
        }
    }
}
