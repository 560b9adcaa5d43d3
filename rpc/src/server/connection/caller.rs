//! A connection as its requests and its subscriptions see it. Nothing here knows the dispatcher.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;

use actoreum_messages::filter::{Event, FilterId, Subscriber};
use tokio::sync::watch;

use super::grace::disconnect_grace;
use super::queue::{NotQueued, Queue};
use crate::error::{LIMIT_EXCEEDED, RpcError};
use crate::server::limits::MAX_SUBSCRIPTIONS;
use crate::server::quota::ClientQuota;

/// The reason for which the server ended a connection.
pub(crate) type Reason = &'static str;

/// The client does not read its notifications fast enough.
pub(super) const SLOW: Reason = "too slow: notifications wait beyond the limit";
/// The source of a subscription lost events, or is down.
pub(super) const LOST: Reason = "notifications were lost: subscribe again";

/// Ends a subscription at its source.
type EndSubscription = Box<dyn FnOnce()>;

/// A connection as its own thread sees it: the state of its task, and the part that it shares.
pub(crate) struct Connection {
    pub(super) outbox: Arc<Outbox>,
    /// True when the client has gone.
    client_gone: watch::Sender<bool>,
    subscriptions: RefCell<HashMap<FilterId, EndSubscription>>,
}

/// The part of a connection that the sources of its subscriptions use from their own threads.
pub(super) struct Outbox {
    pub(super) queue: Queue,
    pub(super) closed: watch::Sender<Option<Reason>>,
}

impl Outbox {
    /// Asks for the end of the connection. Only the first reason counts.
    pub(super) fn close(&self, reason: Reason) {
        self.closed.send_if_modified(|closed| {
            let is_first = closed.is_none();
            closed.get_or_insert(reason);
            is_first
        });
    }

    /// Resolves when the connection is to end.
    pub(super) async fn closed(&self) -> Reason {
        let mut closed = self.closed.subscribe();
        match closed.wait_for(Option::is_some).await {
            Ok(reason) => reason.unwrap_or(SLOW),
            Err(_) => pending().await,
        }
    }
}

impl Subscriber for Outbox {
    fn deliver(&self, subscription: FilterId, event: &Arc<Event>) -> bool {
        match self.queue.event(subscription, event) {
            Ok(()) => true,
            Err(NotQueued::Full) => {
                self.close(SLOW);
                false
            }
            Err(NotQueued::Closed) => false,
        }
    }

    fn lost(&self) {
        self.close(LOST);
    }
}

impl Connection {
    pub(super) fn new(quota: &ClientQuota) -> Rc<Self> {
        Rc::new(Self {
            outbox: Arc::new(Outbox {
                queue: Queue::new(quota),
                closed: watch::Sender::new(None),
            }),
            client_gone: watch::Sender::new(false),
            subscriptions: RefCell::default(),
        })
    }

    /// Records that the client has gone.
    pub(super) fn set_client_gone(&self) {
        self.client_gone.send_replace(true);
    }

    /// Resolves when the client has gone and its request is to be cancelled.
    pub(super) async fn cancelled(&self, message: &[u8]) {
        let mut client_gone = self.client_gone.subscribe();
        if client_gone.wait_for(|is_gone| *is_gone).await.is_err() {
            pending().await
        }
        disconnect_grace(message).await;
    }

    /// Returns whether a subscription has not ended.
    pub(super) fn has_subscription(&self, id: FilterId) -> bool {
        self.subscriptions.borrow().contains_key(&id)
    }

    /// Ends all subscriptions at their source.
    pub(super) fn end_subscriptions(&self) {
        let subscriptions = self.subscriptions.take();
        for end in subscriptions.into_values() {
            end();
        }
    }
}

impl Drop for Connection {
    /// Ends the subscriptions also where the task of the connection was stopped or has panicked.
    fn drop(&mut self) {
        self.outbox.queue.close();
        self.end_subscriptions();
    }
}

/// Starts a subscription at its source. Returns whether the source accepted it.
type StartSubscription = Box<dyn FnOnce() -> bool>;

/// The connection of a request, as the handlers of the request see it: they may subscribe.
pub(crate) struct Caller {
    connection: Rc<Connection>,
    /// The subscriptions that start once the answer is queued.
    starts: RefCell<Vec<StartSubscription>>,
}

impl Caller {
    pub(super) fn new(connection: &Rc<Connection>) -> Self {
        Self {
            connection: Rc::clone(connection),
            starts: RefCell::default(),
        }
    }

    /// Adds a subscription. `begin` runs once the answer is queued and returns whether the source
    /// accepted the subscription; `end` ends the subscription at its source.
    ///
    /// # Errors
    /// Fails if the connection has [`MAX_SUBSCRIPTIONS`] subscriptions.
    pub(crate) fn subscribe(
        &self,
        id: FilterId,
        begin: impl FnOnce(Arc<dyn Subscriber>) -> bool + 'static,
        end: impl FnOnce() + 'static,
    ) -> Result<(), RpcError> {
        let mut subscriptions = self.connection.subscriptions.borrow_mut();
        if subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(RpcError::new(
                LIMIT_EXCEEDED,
                format!("there are {MAX_SUBSCRIPTIONS} subscriptions on this connection already"),
            ));
        }
        subscriptions.insert(id, Box::new(end));
        let subscriber = Arc::clone(&self.connection.outbox);
        let mut starts = self.starts.borrow_mut();
        starts.push(Box::new(move || begin(subscriber)));
        Ok(())
    }

    /// Ends a subscription of this connection. Returns false if there is none with this id.
    pub(crate) fn unsubscribe(&self, id: FilterId) -> bool {
        let end = self.connection.subscriptions.borrow_mut().remove(&id);
        end.map(|end| end()).is_some()
    }

    /// Starts the subscriptions of a request whose answer is queued.
    pub(super) fn start_subscriptions(self) {
        for begin in self.starts.into_inner() {
            if !begin() {
                self.connection.outbox.close(LOST);
            }
        }
    }
}
