//! Strangers at the listener that stall, cut and leave: nothing of them stays.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actoreum_actors::net::nat::Nat;
use actoreum_actors::net::settings::NetworkSettings;
use actoreum_actors::net::tcp::OsTransport;
use actoreum_actors::net::transport::{ListenAddress, Transport};
use actoreum_primitives::PublicKey;
use actoreum_tests::p2p::{MemoryNet, Stranger, TestNode, hello, key, run, settle, until};
use actoreum_wire::limits::HANDSHAKE_TIMEOUT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{SECOND, on_network, quiet};

/// What a stranger may do to a listener.
#[derive(Debug, Clone, Copy)]
enum Mischief {
    /// Nothing at all.
    Stall,
    /// A part of a handshake, then nothing.
    Half,
    /// A part of a handshake, then the end.
    Cut,
    /// What is no handshake.
    Nonsense,
    /// The encryption, and then nothing.
    Mute,
    /// The encryption, and half of a frame.
    HalfFrame,
    /// All of it: a peer that goes without a word.
    Vanish,
}

const KINDS: [Mischief; 7] = [
    Mischief::Stall,
    Mischief::Half,
    Mischief::Cut,
    Mischief::Nonsense,
    Mischief::Mute,
    Mischief::HalfFrame,
    Mischief::Vanish,
];

/// Does it, and holds the connection until the node has enough of it.
async fn annoy(
    transport: impl Transport,
    to: SocketAddr,
    node: PublicKey,
    number: u32,
    kind: Mischief,
) {
    if matches!(
        kind,
        Mischief::Mute | Mischief::HalfFrame | Mischief::Vanish
    ) {
        let own = key(10_000 + number);
        let Ok(mut stranger) = Stranger::dial(&transport, to, node, &own).await else {
            return;
        };
        match kind {
            Mischief::HalfFrame => drop(stranger.send_half(0, &[0; 100]).await),
            Mischief::Vanish => {
                let _ = stranger.greet(&hello(&own)).await;
                // The node's own Hello: it has one of its peers more, for a moment.
                let _ = stranger.receive().await;
                return;
            }
            _ => {}
        }
        while stranger.receive().await.is_ok() {}
        return;
    }
    let Ok(mut wire) = transport.connect(to).await else {
        return;
    };
    let bytes: Vec<u8> = (0..=255).collect();
    match kind {
        Mischief::Half | Mischief::Cut => {
            let _ = wire.stream.write_all(&bytes[..100]).await;
        }
        Mischief::Nonsense => {
            for _ in 0..20 {
                let _ = wire.stream.write_all(&bytes).await;
            }
        }
        _ => {}
    }
    if !matches!(kind, Mischief::Cut) {
        let mut rest = Vec::new();
        let _ = wire.stream.read_to_end(&mut rest).await;
    }
}

/// A round of strangers; they are gone within `patience`.
async fn round(
    strangers: u32,
    patience: Duration,
    annoy: impl Fn(u32) -> tokio::task::JoinHandle<()>,
) {
    let tasks: Vec<_> = (0..strangers).map(annoy).collect();
    let ended = async {
        for task in tasks {
            task.await.unwrap();
        }
    };
    let ended = tokio::time::timeout(patience, ended).await;
    ended.expect("every stall is closed in its time");
}

#[test]
fn a_thousand_strangers_that_stall_and_cut_leave_nothing_behind() {
    on_network(async |net| {
        let (node, friend) = (quiet(&net, 1).await, quiet(&net, 2).await);
        friend.add_peer(&node).await;
        until("the friend is in", || node.has_peer(&friend)).await;
        settle(Duration::from_secs(60)).await;
        let before = (net.streams(), node.network.connections());

        let (to, public_key) = (node.socket(), node.enode().public_key);
        for turn in 0..10_u32 {
            // Two turns of the fifty places, and the farewells.
            round(100, 4 * HANDSHAKE_TIMEOUT, |number| {
                let number = turn * 100 + number;
                let [_, high, middle, low] = number.to_be_bytes();
                let host = net.host(IpAddr::from([90 + high, middle, low, 1]));
                let kind = KINDS[number as usize % KINDS.len()];
                actix::spawn(annoy(host, to, public_key, number, kind))
            })
            .await;
        }
        settle(2 * HANDSHAKE_TIMEOUT).await;
        assert!(node.has_peer(&friend));
        assert_eq!(node.peers(), 1);
        assert_eq!(node.chat.conversations(), 1);
        let after = (net.streams(), node.network.connections());
        assert_eq!(after, before, "streams and connections");
        assert_eq!(node.waiting(), 0);
        node.stop().await;
        friend.stop().await;
    });
}

#[test]
fn who_pings_and_does_not_read_is_given_up() {
    on_network(async |_| {
        // Slow, so that the time until it is given up is not full of pings.
        let net = MemoryNet::new(SECOND / 2);
        let (node, friend) = (quiet(&net, 1).await, quiet(&net, 2).await);
        friend.add_peer(&node).await;
        let (host, own) = (net.host([90, 0, 0, 1].into()), key(500));
        let public_key = node.enode().public_key;
        let dialled = Stranger::dial(&host, node.socket(), public_key, &own).await;
        let mut stranger = dialled.unwrap();
        stranger.greet(&hello(&own)).await.unwrap();
        until("both are in", || node.peers() == 2).await;
        let mut pings = 0_u64;
        while stranger.send(2, &[0xc0]).await.is_ok() {
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

/// Sockets of this machine whose one end is a port and that some process holds.
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
fn a_thousand_strangers_on_real_sockets_leave_nothing_behind() {
    if !std::path::Path::new("/proc/net/tcp").exists() {
        println!("skipped: the machine does not tell of its sockets");
        return;
    }
    run(async {
        let mut settings = NetworkSettings::new(key(1), "test".to_owned());
        settings.is_discovering = false;
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
            // A busy machine takes its time to begin; a stall that is not ended never ends.
            round(250, 20 * HANDSHAKE_TIMEOUT, |number| {
                let kind = KINDS[number as usize % KINDS.len()];
                let number = turn * 250 + number;
                actix::spawn(annoy(OsTransport::default(), to, public_key, number, kind))
            })
            .await;
        }
        until("all of them are gone", || node.network.connections() == 0).await;
        settle(Duration::from_secs(2)).await;
        let after = (sockets(to.port()), node.network.connections());
        assert_eq!(after, before, "sockets and connections");
        assert_eq!((node.peers(), node.chat.conversations()), (0, 0));
        assert_eq!(node.waiting(), 0);
        node.stop().await;
        assert_eq!(sockets(to.port()), 0);
    });
}
