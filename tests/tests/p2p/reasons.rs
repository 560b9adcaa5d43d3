//! Reasons of disconnects: the disconnected peer receives them.

use std::cell::Cell;

use actoreum_messages::server::{Ban, RemovePeer};
use actoreum_primitives::{PeerId, SecretKey};
use actoreum_tests::p2p::{MemoryNet, RawPeer, TestNode, hello, key, settle, until};
use actoreum_wire::limits::IDLE_TIMEOUT;
use actoreum_wire::nodes::{Enode, EnodeEndpoint};
use actoreum_wire::p2p::{Capability, DisconnectReason as Reason, Hello};

use super::{SECOND, on_network, without_discovery};

/// Peers without a node, each from an address of its own, so that none is throttled.
struct RawPeers<'a> {
    net: &'a MemoryNet,
    node: &'a TestNode,
    last_host: Cell<u8>,
}

impl<'a> RawPeers<'a> {
    fn at(net: &'a MemoryNet, node: &'a TestNode) -> Self {
        Self {
            net,
            node,
            last_host: Cell::new(0),
        }
    }

    async fn dial(&self, own: &SecretKey) -> RawPeer {
        self.last_host.set(self.last_host.get() + 1);
        let host = self.net.host([90, self.last_host.get(), 0, 1].into());
        let public_key = self.node.enode().public_key;
        let dialled = RawPeer::dial(&host, self.node.socket(), public_key, own).await;
        dialled.unwrap()
    }

    /// Returns the reason with which the node answers a Hello.
    async fn answer(&self, own: &SecretKey, hello: &Hello) -> Reason {
        let mut raw_peer = self.dial(own).await;
        // A node that has refused the key already reads no more.
        let _ = raw_peer.send_hello(hello).await;
        raw_peer.disconnect_reason().await.unwrap()
    }

    /// Returns a connection that has become a peer.
    async fn join(&self, own: &SecretKey) -> RawPeer {
        let mut raw_peer = self.dial(own).await;
        raw_peer.send_hello(&hello(own)).await.unwrap();
        let id = PeerId::of(&own.public_key());
        let peers = || self.node.network.peers();
        until("it is a peer", || peers().iter().any(|it| it.id == id)).await;
        raw_peer
    }
}

#[test]
fn a_refused_peer_receives_the_reason() {
    on_network(async |net| {
        let node = TestNode::start(&net, 1, |settings| {
            settings.discovery_v4 = false;
            settings.max_peers = 1;
        })
        .await;
        let raw_peers = RawPeers::at(&net, &node);
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
            assert_eq!(raw_peers.answer(&own, hello).await, *reason);
        }
        let mirror = raw_peers.answer(&key(1), &hello(&key(1))).await;
        assert_eq!(mirror, Reason::Self_);
        let mut unencrypted = raw_peers.dial(&own).await;
        unencrypted.send(2, &[0xc0]).await.unwrap();
        assert_eq!(
            unencrypted.disconnect_reason().await.unwrap(),
            Reason::ProtocolBreach
        );

        let peer = raw_peers.join(&own).await;
        let other = raw_peers.answer(&key(502), &hello(&key(502))).await;
        assert_eq!(other, Reason::TooManyPeers);
        drop(peer);
        until("the place is free", || node.peers() == 0).await;
        let id = PeerId::of(&own.public_key());
        node.network
            .server()
            .ask(Ban {
                peer: id,
                why: "a test".to_owned(),
                time: 60 * SECOND,
            })
            .await
            .unwrap();
        let banned = raw_peers.answer(&own, &honest).await;
        assert_eq!(banned, Reason::UselessPeer);
        let dropped = node.network.dropped();
        assert_eq!((dropped[0].id, dropped[0].reason.as_str()), (id, "a test"));
        node.stop().await;
        drop(unencrypted);
        settle(SECOND).await;
        assert_eq!(net.streams(), 0);
    });
}

#[test]
fn a_disconnected_peer_receives_the_reason() {
    on_network(async |net| {
        let node = without_discovery(&net, 1).await;
        let raw_peers = RawPeers::at(&net, &node);
        let own = key(500);
        let mut first = raw_peers.join(&own).await;
        let again = raw_peers.answer(&own, &hello(&own)).await;
        assert_eq!(again, Reason::AlreadyConnected);
        let url = Enode {
            public_key: own.public_key(),
            endpoint: Some(EnodeEndpoint::new([90, 1, 0, 1].into(), 1, 1)),
        };
        node.network
            .server()
            .ask(RemovePeer(url.into()))
            .await
            .unwrap();
        assert_eq!(first.disconnect_reason().await.unwrap(), Reason::Requested);

        let mut silent = raw_peers.join(&key(501)).await;
        settle(2 * IDLE_TIMEOUT).await;
        assert_eq!(
            silent.disconnect_reason().await.unwrap(),
            Reason::ReadTimeout
        );

        let mut wrong = raw_peers.join(&key(502)).await;
        wrong.send(0x90, b"of no capability").await.unwrap();
        assert_eq!(
            wrong.disconnect_reason().await.unwrap(),
            Reason::ProtocolBreach
        );

        let mut last = raw_peers.join(&key(503)).await;
        let (reason, ()) = tokio::join!(last.disconnect_reason(), async { node.stop().await });
        assert_eq!(reason.unwrap(), Reason::Quitting);
        drop((first, silent, wrong, last));
        settle(SECOND).await;
        assert_eq!(net.streams(), 0);
    });
}
