//! Requests to one peer that wait for their answers.

use actoreum_wire::eth::{EthMessage, EthVersion, MessageId, RequestId};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::error::RequestError;
use crate::eth::limits::MAX_OUTSTANDING_REQUESTS;

/// The outstanding requests to one peer, oldest first.
///
/// From eth/66 on an answer carries the id of its request. Before eth/66 the answers of a kind
/// arrive in the order of the requests, so an abandoned request keeps its place until its answer
/// has arrived.
#[derive(Default)]
pub(super) struct Requests {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_id: RequestId,
    waiting: Vec<Waiting>,
    is_closed: bool,
}

struct Waiting {
    id: RequestId,
    /// The kind of message that answers the request.
    answer: MessageId,
    /// `None` where the caller has given up.
    caller: Option<oneshot::Sender<EthMessage>>,
}

/// Outcome of the delivery of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The caller has the answer.
    Taken,
    /// The caller had given up.
    Late,
    /// There was no such request.
    Unsolicited,
}

impl Requests {
    /// Registers a request that is about to be sent. It is removed again when the guard is dropped
    /// before [`PendingRequest::sent`].
    pub(super) fn begin(
        &self,
        answer: MessageId,
    ) -> Result<(PendingRequest<'_>, oneshot::Receiver<EthMessage>), RequestError> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(RequestError::Gone);
        }
        if state.waiting.len() >= MAX_OUTSTANDING_REQUESTS {
            return Err(RequestError::Busy);
        }
        let (caller, receiver) = oneshot::channel();
        state.last_id = state.last_id.wrapping_add(1);
        let id = state.last_id;
        state.waiting.push(Waiting {
            id,
            answer,
            caller: Some(caller),
        });
        let pending = PendingRequest {
            requests: self,
            id,
            is_sent: false,
        };
        Ok((pending, receiver))
    }

    /// Returns whether a request waits for an answer of this kind.
    pub(super) fn is_waiting_for(&self, answer: MessageId) -> bool {
        let state = self.state.lock();
        state.waiting.iter().any(|waiting| waiting.answer == answer)
    }

    /// Passes an answer to the caller that waits for it.
    pub(super) fn deliver(&self, version: EthVersion, message: EthMessage) -> Delivery {
        let mut state = self.state.lock();
        let answer = message.id();
        let id = message.request_id().filter(|_| version.has_request_ids());
        let place = state.waiting.iter().position(|waiting| {
            waiting.answer == answer && id.is_none_or(|answered| answered == waiting.id)
        });
        let Some(place) = place else {
            return Delivery::Unsolicited;
        };
        let caller = state.waiting.remove(place).caller;
        match caller.map(|caller| caller.send(message)) {
            Some(Ok(())) => Delivery::Taken,
            Some(Err(_)) | None => Delivery::Late,
        }
    }

    /// Fails all requests, now and later.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.waiting.clear();
    }

    /// Returns the number of outstanding requests.
    pub(super) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }
}

/// Guard of an outstanding request.
pub(super) struct PendingRequest<'a> {
    requests: &'a Requests,
    pub(super) id: RequestId,
    is_sent: bool,
}

impl PendingRequest<'_> {
    /// Records that the request was sent: an answer will come.
    pub(super) fn sent(&mut self) {
        self.is_sent = true;
    }
}

impl Drop for PendingRequest<'_> {
    fn drop(&mut self) {
        let mut state = self.requests.state.lock();
        let place = state.waiting.iter().position(|it| it.id == self.id);
        let Some(place) = place else { return };
        if self.is_sent {
            state.waiting[place].caller = None;
        } else {
            state.waiting.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use actoreum_wire::eth::LazyList;

    use super::*;

    fn bodies(id: RequestId) -> EthMessage {
        EthMessage::BlockBodies(id, LazyList::from_items([]))
    }

    fn ask(requests: &Requests) -> (PendingRequest<'_>, oneshot::Receiver<EthMessage>) {
        let (mut pending, answer) = requests.begin(MessageId::BlockBodies).unwrap();
        pending.sent();
        (pending, answer)
    }

    #[test]
    fn with_ids_answers_come_in_any_order() {
        let requests = Requests::default();
        let (first, mut first_answer) = ask(&requests);
        let (second, mut second_answer) = ask(&requests);
        let deliver = |message| requests.deliver(EthVersion::Eth66, message);
        assert_eq!(deliver(bodies(second.id)), Delivery::Taken);
        assert_eq!(deliver(bodies(second.id)), Delivery::Unsolicited);
        assert!(first_answer.try_recv().is_err());
        assert_eq!(second_answer.try_recv().unwrap(), bodies(second.id));
        assert_eq!(deliver(bodies(first.id)), Delivery::Taken);
    }

    #[test]
    fn without_ids_an_abandoned_request_keeps_its_place() {
        let requests = Requests::default();
        let (first, _) = ask(&requests);
        let (_second, mut second_answer) = ask(&requests);
        drop(first);
        let deliver = |message| requests.deliver(EthVersion::Eth63, message);
        let receipts = EthMessage::Receipts(0, LazyList::from_items([]));
        assert_eq!(deliver(receipts), Delivery::Unsolicited);
        assert_eq!(deliver(bodies(0)), Delivery::Late);
        assert!(second_answer.try_recv().is_err());
        assert_eq!(deliver(bodies(0)), Delivery::Taken);
        assert!(second_answer.try_recv().is_ok());
        assert_eq!(requests.len(), 0);
    }

    #[test]
    fn unsent_requests_are_dropped_and_outstanding_bounded() {
        let requests = Requests::default();
        drop(requests.begin(MessageId::BlockBodies).unwrap());
        assert_eq!(requests.len(), 0);
        for _ in 0..MAX_OUTSTANDING_REQUESTS {
            drop(ask(&requests));
        }
        let refused = requests.begin(MessageId::NodeData).err();
        assert_eq!(refused, Some(RequestError::Busy));
        requests.close();
        let refused = requests.begin(MessageId::NodeData).err();
        assert_eq!(refused, Some(RequestError::Gone));
    }
}
