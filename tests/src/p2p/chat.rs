//! Test protocol that sends what a test asks for, and records what it receives.

use actoreum_primitives::PeerId;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use actoreum_actors::net::protocol::{Link, PeerHandle, ProtocolHandler, SessionExit};
use actoreum_wire::p2p::{Capability, Protocol};

/// The protocol `chat/1`, with one message.
#[derive(Default)]
pub struct Chat {
    peers: Mutex<HashMap<PeerId, PeerHandle>>,
    received: Mutex<Vec<(PeerId, Vec<u8>)>>,
    is_stalled: AtomicBool,
}

impl Chat {
    /// Returns the handle of a peer, while a session with it runs.
    pub fn peer(&self, id: &PeerId) -> Option<PeerHandle> {
        self.peers.lock().unwrap().get(id).cloned()
    }

    /// Returns the number of running sessions.
    pub fn sessions(&self) -> usize {
        self.peers.lock().unwrap().len()
    }

    /// Returns the received messages, in order.
    pub fn received(&self) -> Vec<(PeerId, Vec<u8>)> {
        self.received.lock().unwrap().clone()
    }

    /// Stops receiving messages: the sessions stall.
    pub fn stop_listening(&self) {
        self.is_stalled.store(true, SeqCst);
    }
}

/// Removes a session's peer when the session ends, in whatever way.
struct SessionGuard(Arc<Chat>, PeerHandle);

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.0.peers.lock().unwrap().remove(&self.1.record().id);
    }
}

/// The handler of a node.
pub(super) struct ChatHandler(pub(super) Arc<Chat>);

impl ProtocolHandler for ChatHandler {
    fn offered(&self) -> Vec<Protocol> {
        let capability = Capability::new("chat", 1);
        vec![Protocol {
            capability,
            length: 1,
        }]
    }

    fn run_session(&self, mut link: Link) -> Pin<Box<dyn Future<Output = SessionExit>>> {
        let chat = Arc::clone(&self.0);
        Box::pin(async move {
            let (id, peer) = (link.peer.record().id, link.peer.clone());
            chat.peers.lock().unwrap().insert(id, peer.clone());
            let _guard = SessionGuard(Arc::clone(&chat), peer);
            while let Some(message) = link.receive().await {
                let Ok(payload) = message.payload.decompress() else {
                    return SessionExit::Error("invalid snappy encoding".to_owned());
                };
                if payload.as_ref() == b"panic" {
                    panic!("a message asked for it");
                }
                chat.received.lock().unwrap().push((id, payload.to_vec()));
                if chat.is_stalled.load(SeqCst) {
                    std::future::pending::<()>().await;
                }
            }
            SessionExit::Quit
        })
    }
}
