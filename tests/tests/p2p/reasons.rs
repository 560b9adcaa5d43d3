//! Why a node ends a connection: whoever is sent away is told the reason.

use std::cell::Cell;

use actoreum_messages::server::{Ban, RemovePeer};
use actoreum_primitives::SecretKey;
use actoreum_tests::p2p::{MemoryNet, Stranger, TestNode, hello, key, settle, until};
use actoreum_wire::limits::IDLE_TIMEOUT;
use actoreum_wire::nodes::{Enode, EnodeEndpoint, NodeId};
use actoreum_wire::p2p::{Capability, DisconnectReason as Reason, Hello};

use super::{SECOND, on_network, quiet};

/// Strangers at a node, each from an address of its own, so that none has to wait.
struct Strangers<'a> {
    net: &'a MemoryNet,
    node: &'a TestNode,
    last_host: Cell<u8>,
}

impl<'a> Strangers<'a> {
    fn at(net: &'a MemoryNet, node: &'a TestNode) -> Self {
        Self {
            net,
            node,
            last_host: Cell::new(0),
        }
    }

    async fn dial(&self, own: &SecretKey) -> Stranger {
        self.last_host.set(self.last_host.get() + 1);
        let host = self.net.host([90, self.last_host.get(), 0, 1].into());
        let public_key = self.node.enode().public_key;
        let dialled = Stranger::dial(&host, self.node.socket(), public_key, own).await;
        dialled.unwrap()
    }

    /// What the node answers to a Hello.
    async fn answer(&self, own: &SecretKey, hello: &Hello) -> Reason {
        let mut stranger = self.dial(own).await;
        // A node that has refused the key already reads no more.
        let _ = stranger.greet(hello).await;
        stranger.farewell().await.unwrap()
    }

    /// A stranger that has become a peer.
    async fn join(&self, own: &SecretKey) -> Stranger {
        let mut stranger = self.dial(own).await;
        stranger.greet(&hello(own)).await.unwrap();
        let id = NodeId::of(&own.public_key());
        let peers = || self.node.network.peers();
        until("it is a peer", || peers().iter().any(|it| it.id == id)).await;
        stranger
    }
}

#[test]
fn who_is_refused_is_told_why() {
    on_network(async |net| {
        let node = TestNode::start(&net, 1, |settings| {
            settings.is_discovering = false;
            settings.max_peers = 1;
        })
        .await;
        let strangers = Strangers::at(&net, &node);
        let own = key(500);
        let honest = hello(&own);
        let cases = [
            (
                Reason::UselessPeer,
                Hello {
                    capabilities: vec![Capability::new("chat", 2), Capability::new("talk", 1)],
                    ..honest.clone()
                },
            ),
            (
                Reason::IncompatibleVersion,
                Hello {
                    version: 3,
                    ..honest.clone()
                },
            ),
            (
                Reason::UnexpectedIdentity,
                Hello {
                    public_key: key(501).public_key(),
                    ..honest.clone()
                },
            ),
        ];
        for (reason, hello) in &cases {
            assert_eq!(strangers.answer(&own, hello).await, *reason);
        }
        let mirror = strangers.answer(&key(1), &hello(&key(1))).await;
        assert_eq!(mirror, Reason::Self_);
        let mut rude = strangers.dial(&own).await;
        rude.send(2, &[0xc0]).await.unwrap();
        assert_eq!(rude.farewell().await.unwrap(), Reason::ProtocolBreach);

        let peer = strangers.join(&own).await;
        let other = strangers.answer(&key(502), &hello(&key(502))).await;
        assert_eq!(other, Reason::TooManyPeers);
        drop(peer);
        until("the place is free", || node.peers() == 0).await;
        let id = NodeId::of(&own.public_key());
        node.network
            .server()
            .ask(Ban {
                peer: id,
                why: "a test".to_owned(),
                time: 60 * SECOND,
            })
            .await
            .unwrap();
        let banned = strangers.answer(&own, &honest).await;
        assert_eq!(banned, Reason::UselessPeer);
        let dropped = node.network.dropped();
        assert_eq!((dropped[0].id, dropped[0].why.as_str()), (id, "a test"));
        node.stop().await;
        drop(rude);
        settle(SECOND).await;
        assert_eq!(net.streams(), 0);
    });
}

#[test]
fn who_was_a_peer_is_told_why_it_is_none_any_more() {
    on_network(async |net| {
        let node = quiet(&net, 1).await;
        let strangers = Strangers::at(&net, &node);
        let own = key(500);
        let mut first = strangers.join(&own).await;
        let again = strangers.answer(&own, &hello(&own)).await;
        assert_eq!(again, Reason::AlreadyConnected);
        let url = Enode {
            public_key: own.public_key(),
            endpoint: Some(EnodeEndpoint::new([90, 1, 0, 1].into(), 1, 1)),
        };
        node.network.server().ask(RemovePeer(url)).await.unwrap();
        assert_eq!(first.farewell().await.unwrap(), Reason::Requested);

        let mut silent = strangers.join(&key(501)).await;
        settle(2 * IDLE_TIMEOUT).await;
        assert_eq!(silent.farewell().await.unwrap(), Reason::ReadTimeout);

        let mut wrong = strangers.join(&key(502)).await;
        wrong.send(0x90, b"of no capability").await.unwrap();
        assert_eq!(wrong.farewell().await.unwrap(), Reason::ProtocolBreach);

        let mut last = strangers.join(&key(503)).await;
        let (reason, ()) = tokio::join!(last.farewell(), async { node.stop().await });
        assert_eq!(reason.unwrap(), Reason::Quitting);
        drop((first, silent, wrong, last));
        settle(SECOND).await;
        assert_eq!(net.streams(), 0);
    });
}
