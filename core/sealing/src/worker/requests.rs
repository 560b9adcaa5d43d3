//! Requests of users: blocks, edits of the state, an earlier head, a block at an interval.

use super::{Action, Phase, RequestError, RequestId, RequestKind, View, Worker, phase::Request};

/// Maximum number of queued requests.
pub const MAX_QUEUED_REQUESTS: usize = 64;

impl Worker {
    /// Queues a user's request; [`Action::Answer`] comes when it is fulfilled, or refused because
    /// [`MAX_QUEUED_REQUESTS`] are waiting.
    pub fn request(&mut self, view: &View, id: RequestId, kind: RequestKind) -> Vec<Action> {
        let request = Request { id: Some(id), kind };
        let waiting = self.requests.len();
        if waiting >= MAX_QUEUED_REQUESTS {
            self.answer(Some(request), Err(RequestError::Busy(waiting)));
        } else {
            self.requests.push_back(request);
            self.start_if_due(view);
        }
        self.take_actions()
    }

    /// Queues a block of the interval. Such blocks do not pile up where they take longer than it.
    pub fn on_interval(&mut self, view: &View) -> Vec<Action> {
        if self.requests.iter().all(|request| request.id.is_some()) {
            let kind = RequestKind::Block(None);
            self.requests.push_back(Request { id: None, kind });
        }
        self.start_if_due(view);
        self.take_actions()
    }

    /// Takes the result of [`Action::Rewind`].
    pub fn on_rewound(&mut self, view: &View, result: Result<(), String>) -> Vec<Action> {
        match self.take_phase() {
            Phase::Rewinding(round) => match result {
                Ok(()) => {
                    let view = &self.without_chosen(view, view.chosen);
                    self.refused_on = None;
                    self.answer(round.request, Ok(view.head.hash()));
                    self.end_round(view);
                }
                Err(why) => self.fail_round(view, round, why),
            },
            phase => self.phase = phase,
        }
        self.take_actions()
    }
}
