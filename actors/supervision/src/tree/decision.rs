//! The decision of a supervisor about a child that has ended: restart it, leave it, or fail.

use std::time::Duration;

use tokio::time::Instant;

use crate::kernel::exit::Exit;
use crate::kernel::hang::WhenStuck;
use crate::tree::rng::SeededRng;
use crate::tree::spec::ChildSpec;
use crate::tree::strategy::{Backoff, Intensity, Restart, RestartWindow};

/// The decision of a supervisor about a child that has ended.
#[derive(Debug)]
pub(crate) enum Decision {
    /// The child is restarted after a pause.
    Restart(Duration),
    /// The child is not restarted.
    Leave,
    /// The supervisor fails with this exit.
    Fail(Exit),
}

/// The restarts of a supervisor.
#[derive(Debug)]
pub(crate) struct Restarts {
    intensity: Intensity,
    backoff: Backoff,
    window: RestartWindow,
}

/// The restarts of one child.
#[derive(Debug)]
pub(crate) struct ChildRestarts {
    policy: Restart,
    window: Option<RestartWindow>,
    failures_in_a_row: u32,
    pub(crate) running_since: Option<Instant>,
}

impl ChildRestarts {
    /// Begins to count the restarts of a child of `supervisor`.
    pub(crate) fn new(spec: &ChildSpec, policy: Restart, supervisor: &Restarts) -> Self {
        let intensity = spec.intensity.unwrap_or(supervisor.intensity);
        spec.node.quarantine.set_period(intensity.period);
        spec.node.end_quarantine();
        Self {
            policy,
            window: spec.intensity.map(RestartWindow::new),
            failures_in_a_row: 0,
            running_since: None,
        }
    }

    /// Returns whether the child, stopped with its group, starts again with it.
    pub(crate) fn joins_group_restart(&self, exit: &Exit) -> bool {
        self.policy.joins_group_restart(exit)
    }
}

impl Restarts {
    pub(crate) fn new(intensity: Intensity, backoff: Backoff) -> Self {
        Self {
            intensity,
            backoff,
            window: RestartWindow::new(intensity),
        }
    }

    /// Decides about a child that ended by itself, or could not be restarted, and counts a restart.
    pub(crate) fn decide(
        &mut self,
        spec: &ChildSpec,
        child: &mut ChildRestarts,
        exit: &Exit,
        rng: &SeededRng,
    ) -> Decision {
        let path = || spec.node.path().to_owned();
        let is_hung = matches!(exit, Exit::Hung { .. });
        if is_hung && spec.node.hang.policy() == WhenStuck::Escalate {
            return Decision::Fail(Exit::Escalated {
                child: path(),
                cause: Box::new(exit.clone()),
            });
        }
        if !child.policy.applies_to(exit) {
            return Decision::Leave;
        }
        let now = Instant::now();
        // The loss of an arbiter is one failure, however many actors ran on it.
        let is_counted = match exit {
            Exit::ArbiterLost(loss) => loss.claim(),
            _ => true,
        };
        if is_counted && !self.allow(child, now) {
            return Decision::Fail(Exit::GaveUp {
                child: path(),
                cause: Box::new(exit.clone()),
            });
        }
        let was_healthy = child
            .running_since
            .is_some_and(|since| now - since >= self.backoff.healthy_after);
        if was_healthy {
            child.failures_in_a_row = 0;
        }
        let pause = self.backoff.pause(child.failures_in_a_row, rng);
        let failures = u32::from(is_counted);
        child.failures_in_a_row = child.failures_in_a_row.saturating_add(failures);
        Decision::Restart(pause)
    }

    fn allow(&mut self, child: &mut ChildRestarts, now: Instant) -> bool {
        child.window.as_mut().is_none_or(|window| window.allow(now)) && self.window.allow(now)
    }
}
