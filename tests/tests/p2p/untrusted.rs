//! Untrusted connections that stall, break and leave: nothing of them remains.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actoreum_actors::net::nat::Nat;
use actoreum_actors::net::settings::NetworkSettings;
use actoreum_actors::net::tcp::OsTransport;
use actoreum_actors::net::transport::{ListenAddress, Transport};
use actoreum_primitives::PublicKey;
use actoreum_tests::p2p::{MemoryNet, RawPeer, TestNode, hello, key, run, settle, until};
use actoreum_wire::limits::HANDSHAKE_TIMEOUT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{SECOND, on_network, without_discovery};

/// Behaviour of a connection.
#[derive(Debug, Clone, Copy)]
enum Behaviour {
    /// Sends nothing.
    Stall,
    /// Sends a part of a handshake, then nothing.
    Half,
    /// Sends a part of a handshake, then closes.
    Cut,
    /// Sends bytes that are no handshake.
    Malformed,
    /// Completes the encryption handshake, then sends nothing.
    Silent,
    /// Completes the encryption handshake, then sends half of a frame.
    HalfFrame,
    /// Becomes a peer, and closes without a disconnect message.
    Vanish,
}

const KINDS: [Behaviour; 7] = [
    Behaviour::Stall,
    Behaviour::Half,
    Behaviour::Cut,
    Behaviour::Malformed,
    Behaviour::Silent,
    Behaviour::HalfFrame,
    Behaviour::Vanish,
];

/// Runs the behaviour, and holds the connection until the node closes it.
async fn misbehave(
    transport: impl Transport,
    to: SocketAddr,
    node: PublicKey,
    number: u32,
    kind: Behaviour,
) {
    if matches!(
        kind,
        Behaviour::Silent | Behaviour::HalfFrame | Behaviour::Vanish
    ) {
        let own = key(10_000 + number);
        let Ok(mut raw_peer) = RawPeer::dial(&transport, to, node, &own).await else {
            return;
        };
        match kind {
            Behaviour::HalfFrame => drop(raw_peer.send_half(0, &[0; 100]).await),
            Behaviour::Vanish => {
                let _ = raw_peer.send_hello(&hello(&own)).await;
                // The node's own Hello: the peer is counted for a moment.
                let _ = raw_peer.receive().await;
                return;
            }
            _ => {}
        }
        while raw_peer.receive().await.is_ok() {}
        return;
    }
    let Ok(mut wire) = transport.connect(to).await else {
        return;
    };
    let bytes: Vec<u8> = (0..=255).collect();
    match kind {
        Behaviour::Half | Behaviour::Cut => {
            let _ = wire.stream.write_all(&bytes[..100]).await;
        }
        Behaviour::Malformed => {
            for _ in 0..20 {
                let _ = wire.stream.write_all(&bytes).await;
            }
        }
        _ => {}
    }
    if !matches!(kind, Behaviour::Cut) {
        let mut rest = Vec::new();
        let _ = wire.stream.read_to_end(&mut rest).await;
    }
}

/// Runs a round of connections, which must be closed within `timeout`.
async fn round(
    raw_peers: u32,
    timeout: Duration,
    misbehave: impl Fn(u32) -> tokio::task::JoinHandle<()>,
) {
    let tasks: Vec<_> = (0..raw_peers).map(misbehave).collect();
    let ended = async {
        for task in tasks {
            task.await.unwrap();
        }
    };
    let ended = tokio::time::timeout(timeout, ended).await;
    ended.expect("every stall is closed in its time");
}

#[test]
fn a_thousand_untrusted_connections_leave_nothing_behind() {
    on_network(async |net| {
        let (node, friend) = (
            without_discovery(&net, 1).await,
            without_discovery(&net, 2).await,
        );
        friend.add_peer(&node).await;
        until("the friend is in", || node.has_peer(&friend)).await;
        settle(Duration::from_secs(60)).await;
        let before = (net.streams(), node.network.connections());

        let (to, public_key) = (node.socket(), node.enode().public_key);
        for turn in 0..10_u32 {
            // Two turns of the fifty places, and the disconnect messages.
            round(100, 4 * HANDSHAKE_TIMEOUT, |number| {
                let number = turn * 100 + number;
                let [_, high, middle, low] = number.to_be_bytes();
                let host = net.host(IpAddr::from([90 + high, middle, low, 1]));
                let kind = KINDS[number as usize % KINDS.len()];
                actix::spawn(misbehave(host, to, public_key, number, kind))
            })
            .await;
        }
        settle(2 * HANDSHAKE_TIMEOUT).await;
        assert!(node.has_peer(&friend));
        assert_eq!(node.peers(), 1);
        assert_eq!(node.chat.sessions(), 1);
        let after = (net.streams(), node.network.connections());
        assert_eq!(after, before, "streams and connections");
        assert_eq!(node.waiting(), 0);
        node.stop().await;
        friend.stop().await;
    });
}

#[test]
fn a_peer_that_pings_and_does_not_read_is_disconnected() {
    on_network(async |_| {
        // The delay is long, so that the time until the peer is disconnected is not full of pings.
        let net = MemoryNet::new(SECOND / 2);
        let (node, friend) = (
            without_discovery(&net, 1).await,
            without_discovery(&net, 2).await,
        );
        friend.add_peer(&node).await;
        let (host, own) = (net.host([90, 0, 0, 1].into()), key(500));
        let public_key = node.enode().public_key;
        let dialled = RawPeer::dial(&host, node.socket(), public_key, &own).await;
        let mut raw_peer = dialled.unwrap();
        raw_peer.send_hello(&hello(&own)).await.unwrap();
        until("both are in", || node.peers() == 2).await;
        let mut pings = 0_u64;
        while raw_peer.send(2, &[0xc0]).await.is_ok() {
            pings += 1;
            assert!(pings < 10_000_000, "it pings for ever");
        }
        until("it is given up", || node.peers() == 1).await;
        assert!(node.has_peer(&friend));
        println!("{pings} pings until it was given up");
        node.stop().await;
        friend.stop().await;
    });
}

/// Returns the number of open sockets of this machine with `port` at one end.
fn sockets(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ends_with = |address: &str| address.ends_with(&format!(":{port:04X}"));
    table
        .lines()
        .skip(1)
        .filter(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let is_held = fields[9] != "0";
            is_held && (ends_with(fields[1]) || ends_with(fields[2]))
        })
        .count()
}

#[test]
fn a_thousand_real_sockets_leave_nothing_behind() {
    if !std::path::Path::new("/proc/net/tcp").exists() {
        println!("skipped: the machine does not tell of its sockets");
        return;
    }
    run(async {
        let mut settings = NetworkSettings::new(key(1), "test".to_owned());
        settings.discovery_v4 = false;
        settings.nat = Nat::None;
        settings.max_peers = 1000;
        settings.max_pending = 250;
        settings.listen = ListenAddress {
            ip: Some(Ipv4Addr::LOCALHOST.into()),
            port: 0,
        };
        let node = TestNode::with(settings, Arc::new(OsTransport::default())).await;
        let (to, public_key) = (node.socket(), node.enode().public_key);
        let before = (sockets(to.port()), node.network.connections());
        for turn in 0..4_u32 {
            // A busy machine is slow; a stalled connection that the node does not close never ends.
            round(250, 20 * HANDSHAKE_TIMEOUT, |number| {
                let kind = KINDS[number as usize % KINDS.len()];
                let number = turn * 250 + number;
                actix::spawn(misbehave(
                    OsTransport::default(),
                    to,
                    public_key,
                    number,
                    kind,
                ))
            })
            .await;
        }
        until("all of them are gone", || node.network.connections() == 0).await;
        settle(Duration::from_secs(2)).await;
        let after = (sockets(to.port()), node.network.connections());
        assert_eq!(after, before, "sockets and connections");
        assert_eq!((node.peers(), node.chat.sessions()), (0, 0));
        assert_eq!(node.waiting(), 0);
        node.stop().await;
        assert_eq!(sockets(to.port()), 0);
    });
}
