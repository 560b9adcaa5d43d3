//! Requests to one peer that wait for their answers.

use actoreum_supervision::TaskHandle;
use actoreum_wire::eth::{EthMessage, EthVersion, MessageId, RequestId};
use tokio::sync::oneshot;

use crate::eth::limits::MAX_OUTSTANDING_REQUESTS;
use crate::eth::peer::{PeerAnswer, RequestError};

/// The outstanding requests to one peer, oldest first.
///
/// From eth/66 on an answer carries the id of its request. Before eth/66 the answers of a kind
/// arrive in the order of the requests, so an abandoned request keeps its place until its answer
/// has arrived.
#[derive(Default)]
pub(super) struct Requests {
    last_id: RequestId,
    waiting: Vec<Waiting>,
}

struct Waiting {
    id: RequestId,
    /// The kind of message that answers the request.
    answer: MessageId,
    /// `None` where the deadline has passed.
    caller: Option<oneshot::Sender<PeerAnswer>>,
    /// The wait for room in the queue; `None` once the request is sent.
    sending: Option<TaskHandle>,
    deadline: Option<TaskHandle>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for task in self.sending.iter().chain(&self.deadline) {
            task.cancel();
        }
    }
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
    /// Registers a request that is about to be sent.
    ///
    /// # Errors
    /// [`RequestError::Busy`] where too many wait.
    pub(super) fn begin(
        &mut self,
        answer: MessageId,
        caller: oneshot::Sender<PeerAnswer>,
    ) -> Result<RequestId, RequestError> {
        if self.waiting.len() >= MAX_OUTSTANDING_REQUESTS {
            return Err(RequestError::Busy);
        }
        self.last_id = self.last_id.wrapping_add(1);
        self.waiting.push(Waiting {
            id: self.last_id,
            answer,
            caller: Some(caller),
            sending: None,
            deadline: None,
        });
        Ok(self.last_id)
    }

    fn find(&mut self, id: RequestId) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|it| it.id == id)
    }

    /// Sets the timer of a request, which is cancelled when the request is removed.
    pub(super) fn set_deadline(&mut self, id: RequestId, timer: TaskHandle) {
        if let Some(waiting) = self.find(id) {
            waiting.deadline = Some(timer);
        }
    }

    /// Records that a request waits for room in the queue.
    pub(super) fn set_sending(&mut self, id: RequestId, sending: TaskHandle) {
        if let Some(waiting) = self.find(id) {
            waiting.sending = Some(sending);
        }
    }

    /// Records that a request was sent: an answer will come.
    pub(super) fn sent(&mut self, id: RequestId) {
        if let Some(waiting) = self.find(id) {
            waiting.sending = None;
        }
    }

    /// Returns whether a request waits for room in the queue.
    pub(super) fn has_unsent(&self) -> bool {
        self.waiting.iter().any(|it| it.sending.is_some())
    }

    /// Removes a request that will not be sent.
    pub(super) fn remove(&mut self, id: RequestId) {
        self.waiting.retain(|it| it.id != id);
    }

    /// Ends the wait of a request's caller with a timeout. A request that was sent keeps its place.
    /// Returns whether the caller still waited for its answer.
    pub(super) fn expire(&mut self, id: RequestId) -> bool {
        let Some(waiting) = self.find(id) else {
            return false;
        };
        let (caller, is_sent) = (waiting.caller.take(), waiting.sending.is_none());
        if !is_sent {
            self.remove(id);
        }
        caller.is_some_and(|caller| caller.send(Err(RequestError::Timeout)).is_ok())
    }

    /// Returns whether a request waits for an answer of this kind.
    pub(super) fn is_waiting_for(&self, answer: MessageId) -> bool {
        self.waiting.iter().any(|waiting| waiting.answer == answer)
    }

    /// Passes an answer to the caller that waits for it.
    pub(super) fn deliver(&mut self, version: EthVersion, message: EthMessage) -> Delivery {
        let answer = message.id();
        let id = message.request_id().filter(|_| version.has_request_ids());
        let place = self.waiting.iter().position(|waiting| {
            waiting.answer == answer && id.is_none_or(|answered| answered == waiting.id)
        });
        let Some(place) = place else {
            return Delivery::Unsolicited;
        };
        let caller = self.waiting.remove(place).caller.take();
        match caller.map(|caller| caller.send(Ok(message))) {
            Some(Ok(())) => Delivery::Taken,
            Some(Err(_)) | None => Delivery::Late,
        }
    }

    /// Returns the number of outstanding requests.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use actoreum_wire::eth::{LazyList, ReceiptLists};

    use super::*;

    fn bodies(id: RequestId) -> EthMessage {
        EthMessage::BlockBodies(id, LazyList::from_items([]))
    }

    fn ask(requests: &mut Requests) -> (RequestId, oneshot::Receiver<PeerAnswer>) {
        let (caller, answer) = oneshot::channel();
        let id = requests.begin(MessageId::BlockBodies, caller).unwrap();
        (id, answer)
    }

    #[test]
    fn with_ids_answers_come_in_any_order() {
        let mut requests = Requests::default();
        let (first, mut first_answer) = ask(&mut requests);
        let (second, mut second_answer) = ask(&mut requests);
        let mut deliver = |message| requests.deliver(EthVersion::Eth66, message);
        assert_eq!(deliver(bodies(second)), Delivery::Taken);
        assert_eq!(deliver(bodies(second)), Delivery::Unsolicited);
        assert!(first_answer.try_recv().is_err());
        assert_eq!(second_answer.try_recv().unwrap(), Ok(bodies(second)));
        assert_eq!(deliver(bodies(first)), Delivery::Taken);
    }

    #[test]
    fn without_ids_an_abandoned_request_keeps_its_place() {
        let mut requests = Requests::default();
        let (_, first_answer) = ask(&mut requests);
        let (_, mut second_answer) = ask(&mut requests);
        drop(first_answer);
        let mut deliver = |message| requests.deliver(EthVersion::Eth63, message);
        let receipts = EthMessage::Receipts(0, ReceiptLists::Full(LazyList::from_items([])));
        assert_eq!(deliver(receipts), Delivery::Unsolicited);
        assert_eq!(deliver(bodies(0)), Delivery::Late);
        assert!(second_answer.try_recv().is_err());
        assert_eq!(deliver(bodies(0)), Delivery::Taken);
        assert!(second_answer.try_recv().is_ok());
        assert_eq!(requests.len(), 0);
    }

    #[test]
    fn an_answer_after_the_deadline_is_late_not_unsolicited() {
        let mut requests = Requests::default();
        let (id, mut answer) = ask(&mut requests);
        assert!(requests.expire(id));
        assert_eq!(answer.try_recv().unwrap(), Err(RequestError::Timeout));
        assert!(!requests.expire(id));
        let delivered = requests.deliver(EthVersion::Eth66, bodies(id));
        assert_eq!(delivered, Delivery::Late);
        assert_eq!(requests.len(), 0);
    }

    #[test]
    fn the_deadline_of_an_abandoned_request_blames_nobody() {
        let mut requests = Requests::default();
        let (id, answer) = ask(&mut requests);
        drop(answer);
        assert!(!requests.expire(id));
    }

    #[test]
    fn unsent_requests_are_dropped_and_outstanding_bounded() {
        let mut requests = Requests::default();
        let (id, _) = ask(&mut requests);
        requests.remove(id);
        assert_eq!(requests.len(), 0);
        for _ in 0..MAX_OUTSTANDING_REQUESTS {
            drop(ask(&mut requests));
        }
        let (caller, _answer) = oneshot::channel();
        let refused = requests.begin(MessageId::NodeData, caller).err();
        assert_eq!(refused, Some(RequestError::Busy));
    }
}
