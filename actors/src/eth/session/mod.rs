//! The eth session of one peer: its beginning, and the passing of messages from PeerActor to
//! EthSessionActor.
//!
//! ```text
//!   PeerActor (connection)                          EthSessionActor (one for each connection)
//!     `- status handshake, starts the actor
//!     `- batch of messages ---- EthFrames ---------->  requests of the peer, blocks, announcements
//!        the next one <-------- answered -----------   (all of them handled)
//!                                                      ^
//!        any actor ------------ RequestHeaders, ... ---'
//! ```

mod actor;
mod handle;
mod messages;
mod requests;
mod useless;
mod waste;
mod work;

use std::sync::Arc;

use actoreum_messages::protocol_manager::PeerJoined;
use actoreum_storage::StorageError;
use actoreum_supervision::{ActorRef, ChildSpec, Failure};
use actoreum_wire::eth::EthVersion;
use actoreum_wire::nodes::Enr;
use actoreum_wire::p2p;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use self::actor::{EthSessionActor, SessionArgs};
use self::handle::SessionRef;
use self::messages::EthFrames;
use super::fetcher::FetcherActor;
use super::limits::SESSION_MAILBOX;
use super::peer::{EthPeer, PeerHead};
use super::protocol_manager::ProtocolManagerActor;
use super::serve::EthRequestHandler;
use super::shared::EthShared;
use super::status_handshake::StatusHandshake;
use crate::net::protocol::{Link, ProtocolHandler, SessionExit};

/// [`ProtocolHandler`] of the eth protocol.
///
/// A session exchanges statuses, adds its peer to the set of peers, and handles messages in their
/// order: answers go to the caller that asked, requests are answered from the chain on a thread
/// pool, announcements and broadcasts go to FetcherActor and to the transaction pool. The next
/// message is taken when the last one was handled.
#[derive(Clone)]
pub struct EthProtocol {
    status_handshake: StatusHandshake,
    handler: EthRequestHandler,
    shared: EthShared,
    /// Propagates blocks and transactions to the peer.
    manager: ActorRef<ProtocolManagerActor>,
    /// Fetches what the peer announces.
    fetcher: ActorRef<FetcherActor>,
}

impl EthProtocol {
    /// Creates the handler for the chain of `shared`.
    ///
    /// # Errors
    /// The genesis block cannot be read.
    pub fn new(
        shared: EthShared,
        manager: ActorRef<ProtocolManagerActor>,
        fetcher: ActorRef<FetcherActor>,
        network_id: u64,
    ) -> Result<Self, StorageError> {
        let status_handshake = StatusHandshake::new(shared.chain_reader.clone(), network_id)?;
        let handler = EthRequestHandler {
            chain_reader: shared.chain_reader.clone(),
            txpool: shared.txpool.reader.clone(),
            state_nodes: Arc::default(),
        };
        Ok(Self {
            status_handshake,
            handler,
            shared,
            manager,
            fetcher,
        })
    }

    async fn run(self, mut link: Link) -> Result<(), SessionExit> {
        let negotiated = self.status_handshake.run(&mut link).await?;
        let head = PeerHead {
            hash: negotiated.status.head,
            total_difficulty: negotiated.status.total_difficulty,
        };
        let name = link.peer.record().connection.0.to_string();
        let session = ActorRef::new(&name);
        let peer = EthPeer::new(
            link.peer.clone(),
            negotiated.version,
            head,
            SessionRef(session.clone()),
        );
        peer.mark_block(&head.hash);
        let (ended, exit) = oneshot::channel();
        // Dropped with this future: the actor ends with the connection, even where it has not
        // started yet.
        let (_connection, connection_ended) = oneshot::channel();
        let args = SessionArgs {
            peer: peer.clone(),
            shared: self.shared.clone(),
            handler: self.handler.clone(),
            fetcher: self.fetcher.clone(),
            ended,
            connection_ended,
        };
        let started = link.start_actor(child(&session, args));
        // The node stops, or has as many sessions as it may.
        started.await.map_err(|_| SessionExit::Quit)?;
        let _membership = self.shared.peers.join(peer.clone());
        // Where ProtocolManagerActor is down, it starts this peer when it comes back.
        let joined = PeerJoined { peer: peer.id() };
        let _ = self.manager.tell_when_room(joined).await;
        // The peer's share of the verifier ends with the session, and so does what waits to be
        // checked.
        let _verifier_membership = self.shared.txpool.verifier.join(peer.id());
        tokio::select! {
            biased;
            // An actor that has failed gives no reason.
            exit = exit => Err(exit.unwrap_or(SessionExit::Quit)),
            () = pass_on(&mut link, &session) => Ok(()),
        }
    }
}

/// Returns the specification of a session's actor.
fn child(session: &ActorRef<EthSessionActor>, args: SessionArgs) -> ChildSpec {
    let args = Mutex::new(Some(args));
    let factory = move || {
        let args = args.lock().take().ok_or("a session begins once")?;
        Ok::<_, Failure>(EthSessionActor::new(args))
    };
    ChildSpec::new(session, factory).mailbox(SESSION_MAILBOX)
}

/// Passes batches of messages on, each when the last one is handled. Returns when the connection or
/// the actor has ended.
async fn pass_on(link: &mut Link, session: &ActorRef<EthSessionActor>) {
    while let Some(batch) = link.receive_batch().await {
        if session.ask(EthFrames(batch)).await.is_err() {
            return;
        }
    }
}

impl ProtocolHandler for EthProtocol {
    fn offered(&self) -> Vec<p2p::Protocol> {
        let is_merged = self.status_handshake.is_merged();
        EthVersion::ALL
            .into_iter()
            .filter(|version| is_merged || !version.is_merged())
            .map(EthVersion::protocol)
            .collect()
    }

    fn record_entries(&self) -> Vec<(String, Vec<u8>)> {
        vec![self.status_handshake.record_entry()]
    }

    fn accepts_record(&self, record: &Enr) -> bool {
        self.status_handshake.accepts_record(record)
    }

    fn run_session(&self, link: Link) -> LocalBoxFuture<'static, SessionExit> {
        let session = self.clone().run(link);
        session
            .map(|ended| match ended {
                Ok(()) => SessionExit::Quit,
                Err(end) => end,
            })
            .boxed_local()
    }
}
