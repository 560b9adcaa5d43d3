//! A protocol that says what it is told to, and remembers what it hears.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use actoreum_actors::net::protocol::{ConversationEnd, Link, PeerHandle, ProtocolHandler};
use actoreum_wire::nodes::NodeId;
use actoreum_wire::p2p::{Capability, Protocol};

/// `chat/1`, with one message.
#[derive(Default)]
pub struct Chat {
    peers: Mutex<HashMap<NodeId, PeerHandle>>,
    heard: Mutex<Vec<(NodeId, Vec<u8>)>>,
    is_deaf: AtomicBool,
}

impl Chat {
    /// The handle of a peer, while a conversation with it runs.
    pub fn peer(&self, id: &NodeId) -> Option<PeerHandle> {
        self.peers.lock().unwrap().get(id).cloned()
    }

    /// Conversations that run.
    pub fn conversations(&self) -> usize {
        self.peers.lock().unwrap().len()
    }

    /// What was heard, in order.
    pub fn heard(&self) -> Vec<(NodeId, Vec<u8>)> {
        self.heard.lock().unwrap().clone()
    }

    /// Takes no more messages from anybody: its conversations stall.
    pub fn stop_listening(&self) {
        self.is_deaf.store(true, SeqCst);
    }
}

/// Takes a conversation's peer back when it ends, in whatever way.
struct Guard(Arc<Chat>, PeerHandle);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.peers.lock().unwrap().remove(&self.1.record().id);
    }
}

/// The handler that a node is given.
pub(super) struct ChatHandler(pub(super) Arc<Chat>);

impl ProtocolHandler for ChatHandler {
    fn offered(&self) -> Vec<Protocol> {
        let capability = Capability::new("chat", 1);
        vec![Protocol {
            capability,
            length: 1,
        }]
    }

    fn converse(&self, mut link: Link) -> Pin<Box<dyn Future<Output = ConversationEnd>>> {
        let chat = Arc::clone(&self.0);
        Box::pin(async move {
            let (id, peer) = (link.peer.record().id, link.peer.clone());
            chat.peers.lock().unwrap().insert(id, peer.clone());
            let _guard = Guard(Arc::clone(&chat), peer);
            while let Some(message) = link.receive().await {
                let Ok(payload) = message.payload.decompress() else {
                    return ConversationEnd::Error("invalid snappy encoding".to_owned());
                };
                if payload.as_ref() == b"panic" {
                    panic!("a message asked for it");
                }
                chat.heard.lock().unwrap().push((id, payload.to_vec()));
                if chat.is_deaf.load(SeqCst) {
                    std::future::pending::<()>().await;
                }
            }
            ConversationEnd::Quit
        })
    }
}
