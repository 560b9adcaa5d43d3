//! EthSessionActor as the handle of its peer uses it.

use std::time::Duration;

use actoreum_supervision::{ActorRef, AskError, Handles, Message};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::actor::EthSessionActor;
use super::messages::{
    RequestBodies, RequestHeaders, RequestNodeData, RequestReceipts, RequestTransactions,
    UselessDataReceived, WasteCaused,
};
use crate::eth::peer::{PeerAnswer, PeerRequest, RequestError, SessionHandle};

/// The reference to the actor of a session.
pub(super) struct SessionRef(pub(super) ActorRef<EthSessionActor>);

impl SessionRef {
    fn ask<M>(&self, request: M) -> BoxFuture<'static, PeerAnswer>
    where
        M: Message<Result = PeerAnswer>,
        EthSessionActor: Handles<M>,
    {
        let asked = self.0.ask(request);
        let answer = async move {
            match asked.await {
                Ok(answer) => answer,
                Err(AskError::Full) => Err(RequestError::Busy),
                Err(_) => Err(RequestError::Gone),
            }
        };
        answer.boxed()
    }
}

impl SessionHandle for SessionRef {
    fn request(&self, request: PeerRequest, deadline: Instant) -> BoxFuture<'static, PeerAnswer> {
        match request {
            PeerRequest::Headers(of) => self.ask(RequestHeaders(of, deadline)),
            PeerRequest::Bodies(of) => self.ask(RequestBodies(of, deadline)),
            PeerRequest::Receipts(of) => self.ask(RequestReceipts(of, deadline)),
            PeerRequest::NodeData(of) => self.ask(RequestNodeData(of, deadline)),
            PeerRequest::Transactions(of) => self.ask(RequestTransactions(of, deadline)),
        }
    }

    fn charge_useless(&self, bytes: usize, what: &'static str) {
        let _ = self.0.tell(UselessDataReceived { bytes, what });
    }

    fn count_waste(&self, units: u32, why: String) -> BoxFuture<'static, Option<Duration>> {
        let asked = self.0.ask(WasteCaused { units, why });
        asked.map(|pause| pause.ok().flatten()).boxed()
    }

    fn note_waste(&self, units: u32, why: String) {
        let _ = self.0.tell(WasteCaused { units, why });
    }
}
