//! Requests that wait for their answers.

use actoreum_wire::eth::{EthMessage, EthVersion, MessageId, RequestId};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::RequestError;
use crate::eth::limits::OUTSTANDING_REQUESTS;

/// The requests to one peer, oldest first.
///
/// From eth/66 on an answer names its request. Before it the answers of a kind come in the order
/// of the requests, so that one whose asker has given up keeps its place until its answer came.
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
    /// Which message answers it.
    answer: MessageId,
    /// `None` where the asker has given up.
    asker: Option<oneshot::Sender<EthMessage>>,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Its asker has it.
    Taken,
    /// Its asker had given up.
    Late,
    /// Nobody had asked.
    Unsolicited,
}

impl Requests {
    /// A request that is about to be sent. It is forgotten when the guard is dropped unsent.
    pub(super) fn begin(
        &self,
        answer: MessageId,
    ) -> Result<(Begun<'_>, oneshot::Receiver<EthMessage>), RequestError> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(RequestError::Gone);
        }
        if state.waiting.len() >= OUTSTANDING_REQUESTS {
            return Err(RequestError::Busy);
        }
        let (asker, receiver) = oneshot::channel();
        state.last_id = state.last_id.wrapping_add(1);
        let id = state.last_id;
        state.waiting.push(Waiting {
            id,
            answer,
            asker: Some(asker),
        });
        let begun = Begun {
            requests: self,
            id,
            is_sent: false,
        };
        Ok((begun, receiver))
    }

    /// Whether a request waits that a message of this kind answers.
    pub(super) fn expects(&self, answer: MessageId) -> bool {
        let state = self.state.lock();
        state.waiting.iter().any(|waiting| waiting.answer == answer)
    }

    /// Brings an answer to whoever asked.
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
        let asker = state.waiting.remove(place).asker;
        match asker.map(|asker| asker.send(message)) {
            Some(Ok(())) => Delivery::Taken,
            Some(Err(_)) | None => Delivery::Late,
        }
    }

    /// Nobody will be answered any more.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.waiting.clear();
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }
}

/// A request from its beginning to its end, whatever ends it.
pub(super) struct Begun<'a> {
    requests: &'a Requests,
    pub(super) id: RequestId,
    is_sent: bool,
}

impl Begun<'_> {
    /// From here on an answer will come.
    pub(super) fn sent(&mut self) {
        self.is_sent = true;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        let mut state = self.requests.state.lock();
        let place = state.waiting.iter().position(|it| it.id == self.id);
        let Some(place) = place else { return };
        if self.is_sent {
            state.waiting[place].asker = None;
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

    fn ask(requests: &Requests) -> (Begun<'_>, oneshot::Receiver<EthMessage>) {
        let (mut begun, answer) = requests.begin(MessageId::BlockBodies).unwrap();
        begun.sent();
        (begun, answer)
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
    fn without_ids_the_answer_of_one_that_gave_up_is_not_given_to_the_next() {
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
    fn what_was_never_sent_is_forgotten_and_a_silent_peer_is_not_asked_for_ever() {
        let requests = Requests::default();
        drop(requests.begin(MessageId::BlockBodies).unwrap());
        assert_eq!(requests.len(), 0);
        for _ in 0..OUTSTANDING_REQUESTS {
            drop(ask(&requests));
        }
        let refused = requests.begin(MessageId::NodeData).err();
        assert_eq!(refused, Some(RequestError::Busy));
        requests.close();
        let refused = requests.begin(MessageId::NodeData).err();
        assert_eq!(refused, Some(RequestError::Gone));
    }
}
