//! Byzantine peers that claim the best chain, one for each kind of misbehaviour: the honest chain
//! arrives, the byzantine peer is disconnected, and memory stays bounded.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actoreum_actors::eth::StatusHandshake;
use actoreum_actors::net::record::PeerRecord;
use actoreum_chain::ChainReader;
use actoreum_primitives::{B256, Body, Bytes, Header, PeerId, U256};
use actoreum_tests::p2p::{FullNode, MemoryNet, NETWORK_ID, RawPeer, Sealers, hello, key, settle};
use actoreum_wire::eth::{EthMessage, EthVersion, GetBlockHeaders, HashOrNumber, LazyList, Status};
use actoreum_wire::p2p::{Capability, Hello};
use tokio::time::Instant;

use super::{on_network, stop};

const BLOCKS: u64 = 300;
const VERSION: EthVersion = EthVersion::Eth68;
/// Offset of the messages of the only capability.
const OFFSET: u64 = 16;
const DISCONNECT: u64 = 1;
const PING: u64 = 2;
const PONG: u64 = 3;
const TIMEOUT: Duration = Duration::from_secs(900);
/// Maximum memory of the process in megabytes, with both nodes and the byzantine peer.
const MAX_MEMORY: u64 = 400;

/// Kind of misbehaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Misbehaviour {
    /// Headers with unknown parents.
    WrongHeaders,
    /// Every other header is left out.
    Gaps,
    /// The right headers, and bodies that belong to no block.
    WrongBodies,
    /// Every answer is empty.
    Empty,
    /// There is no answer.
    Silence,
    /// Well-formed headers of maximum length that belong to no chain.
    LongHeaders,
    /// A hundred megabytes of such headers without a request.
    Flood,
}

const MISBEHAVIOURS: [Misbehaviour; 7] = [
    Misbehaviour::WrongHeaders,
    Misbehaviour::Gaps,
    Misbehaviour::WrongBodies,
    Misbehaviour::Empty,
    Misbehaviour::Silence,
    Misbehaviour::LongHeaders,
    Misbehaviour::Flood,
];

impl Misbehaviour {
    /// Returns the reason that is counted against the peer last.
    fn reason(self) -> &'static str {
        match self {
            Self::WrongHeaders | Self::LongHeaders => "headers do not follow each other",
            Self::Gaps => "headers not asked for",
            Self::WrongBodies => "retrieved block body is invalid",
            Self::Empty => "empty header set by peer",
            Self::Silence => "timeout",
            Self::Flood => "unsolicited",
        }
    }
}

/// Number of the head of an invented chain.
const INVENTED_HEAD: u64 = 1_000_000;

/// Returns a header of that chain, with `extra` meaningless bytes.
fn invented(number: u64, extra: usize) -> Header {
    Header {
        number,
        parent_hash: B256::repeat_byte(number as u8),
        difficulty: U256::from(1_u64 << 50),
        gas_limit: 0x80_0000,
        timestamp: 13 * number,
        extra_data: Bytes::from(vec![7; extra]),
        ..Header::default()
    }
}

/// A byzantine peer. It ends with its connection.
struct ByzantinePeer {
    raw_peer: RawPeer,
    honest: ChainReader,
    kind: Misbehaviour,
    /// Bytes of its messages.
    sent: usize,
}

impl ByzantinePeer {
    /// Becomes a peer that claims a chain far heavier than all others.
    async fn join(
        mut raw_peer: RawPeer,
        honest: ChainReader,
        kind: Misbehaviour,
    ) -> io::Result<Self> {
        let hello = Hello {
            capabilities: vec![Capability::new("eth", VERSION.number())],
            ..hello(&key(99))
        };
        raw_peer.send_hello(&hello).await?;
        let mut byzantine = Self {
            raw_peer,
            honest,
            kind,
            sent: 0,
        };
        let status_handshake =
            StatusHandshake::new(byzantine.honest.clone(), NETWORK_ID).map_err(io::Error::other)?;
        let status = Status {
            total_difficulty: U256::from(1_u64 << 60),
            head: byzantine.head(),
            ..status_handshake.status(VERSION)
        };
        byzantine.send(&EthMessage::Status(status)).await?;
        Ok(byzantine)
    }

    async fn send(&mut self, message: &EthMessage) -> io::Result<()> {
        let payload = message.encode(VERSION).map_err(io::Error::other)?;
        self.sent += payload.len();
        let code = OFFSET + message.id().code();
        self.raw_peer.send(code, &payload).await
    }

    /// Returns the head that the peer claims.
    fn head(&self) -> B256 {
        match self.kind {
            Misbehaviour::WrongHeaders => invented(INVENTED_HEAD, 0).hash(),
            Misbehaviour::LongHeaders | Misbehaviour::Flood => {
                invented(INVENTED_HEAD, 10_000).hash()
            }
            Misbehaviour::Gaps
            | Misbehaviour::WrongBodies
            | Misbehaviour::Empty
            | Misbehaviour::Silence => self.honest.head().hash(),
        }
    }

    /// Sends answers without requests, until the peer is disconnected.
    async fn flood(&mut self) -> io::Result<()> {
        let unrequested: Vec<Header> = (0..192).map(|number| invented(number, 10_000)).collect();
        let unasked = EthMessage::BlockHeaders(7_777, LazyList::from_items(&unrequested));
        for _ in 0..50 {
            self.send(&unasked).await?;
        }
        Ok(())
    }

    /// Answers until the peer is disconnected. Returns the number of bytes that it sent.
    async fn run(mut self) -> usize {
        if self.kind == Misbehaviour::Flood && self.flood().await.is_err() {
            return self.sent;
        }
        while let Ok((code, payload)) = self.raw_peer.receive().await {
            let answered = match code {
                DISCONNECT => break,
                PING => self.raw_peer.send(PONG, &[0xc0]).await,
                code if code >= OFFSET => {
                    let message = EthMessage::decode(VERSION, code - OFFSET, &payload);
                    match message {
                        Ok(message) => self.answer(message).await,
                        Err(_) => Ok(()),
                    }
                }
                _ => Ok(()),
            };
            if answered.is_err() {
                break;
            }
        }
        self.sent
    }

    async fn answer(&mut self, message: EthMessage) -> io::Result<()> {
        let answer = match message {
            _ if self.kind == Misbehaviour::Silence => return Ok(()),
            EthMessage::GetBlockHeaders(id, request) => {
                let headers = self.headers(&request);
                EthMessage::BlockHeaders(id, LazyList::from_items(&headers))
            }
            EthMessage::GetBlockBodies(id, hashes) => {
                let mut bodies = Vec::new();
                if self.kind != Misbehaviour::Empty {
                    let body = Body {
                        ommers: vec![Header::default()],
                        ..Body::default()
                    };
                    bodies = vec![body; hashes.len()];
                }
                EthMessage::BlockBodies(id, LazyList::from_items(&bodies))
            }
            _ => return Ok(()),
        };
        self.send(&answer).await
    }

    fn headers(&self, request: &GetBlockHeaders) -> Vec<Header> {
        let first = match request.origin {
            HashOrNumber::Number(number) => number,
            HashOrNumber::Hash(hash) if hash != self.head() => return Vec::new(),
            HashOrNumber::Hash(_) => match self.kind {
                Misbehaviour::WrongHeaders | Misbehaviour::LongHeaders | Misbehaviour::Flood => {
                    INVENTED_HEAD
                }
                _ => self.honest.head().number,
            },
        };
        let amount = usize::try_from(request.amount).unwrap_or(192).min(192);
        let numbers = std::iter::successors(Some(first), |number| request.next_number(*number));
        let numbers = numbers.take(amount);
        let honest = |number| self.honest.header_by_number(number).ok().flatten();
        match self.kind {
            Misbehaviour::Empty | Misbehaviour::Silence => Vec::new(),
            Misbehaviour::WrongHeaders => numbers.map(|number| invented(number, 0)).collect(),
            // Headers of maximum length: two megabytes an answer.
            Misbehaviour::LongHeaders | Misbehaviour::Flood => {
                numbers.map(|number| invented(number, 10_000)).collect()
            }
            Misbehaviour::Gaps | Misbehaviour::WrongBodies => {
                let is_left_out =
                    |index: usize| self.kind == Misbehaviour::Gaps && amount > 2 && index % 2 == 1;
                let kept = numbers
                    .enumerate()
                    .filter(|(index, _)| !is_left_out(*index));
                kept.map(|(_, number)| match honest(number) {
                    Some(header) => Header::clone(&header),
                    None => invented(number, 0),
                })
                .collect()
            }
        }
    }
}

fn resident_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap_or_default() / 1024
}

/// Returns the record of a peer that is about to join; it can be read after the peer has left, too.
async fn wait_for_peer(node: &FullNode, id: PeerId) -> Arc<PeerRecord> {
    for _ in 0..1_000 {
        let peers = node.node.network.peers();
        if let Some(record) = peers.iter().find(|it| it.id == id) {
            return Arc::clone(record);
        }
        settle(Duration::from_millis(5)).await;
    }
    panic!("{id} does not come");
}

async fn honest_sync_succeeds(net: &MemoryNet, kind: Misbehaviour) {
    let honest = FullNode::start(net, 1, &Sealers::AnyNode).await;
    for nonce in 0..BLOCKS {
        honest.pay(nonce).await.unwrap();
        assert!(honest.seal().await);
    }
    let victim = FullNode::start(net, 2, &Sealers::AnyNode).await;
    let (own, host) = (key(99), net.host([90, 0, 0, 1].into()));
    let (socket, public_key) = (victim.node.socket(), victim.node.enode().public_key);
    let dialled = RawPeer::dial(&host, socket, public_key, &own).await;
    let byzantine = ByzantinePeer::join(dialled.unwrap(), honest.chain_reader.clone(), kind).await;
    let attack = actix::spawn(byzantine.unwrap().run());
    let known = wait_for_peer(&victim, PeerId::of(&own.public_key())).await;
    // The byzantine peer joins first, so that it is the best peer.
    settle(Duration::from_secs(2)).await;
    victim.node.add_peer(&honest.node).await;

    let (begun, mut max) = (Instant::now(), 0);
    let byzantine = PeerId::of(&own.public_key());
    let has = |id| victim.node.network.peers().iter().any(|it| it.id == id);
    while victim.head() != honest.head() || has(byzantine) || !has(honest.node.id()) {
        let (number, is_over) = (victim.chain_reader.head().number, begun.elapsed() > TIMEOUT);
        assert!(
            !is_over,
            "{kind:?}: block {number}, byzantine peer connected: {}",
            has(byzantine)
        );
        max = max.max(resident_megabytes());
        settle(Duration::from_millis(250)).await;
    }
    let took = begun.elapsed();
    let sent = attack.await.unwrap();
    let why = known.notes();
    println!(
        "{kind:?}: synced and disconnected it after {took:.1?}, {sent} bytes received from it, {max} MB: {why:?}"
    );
    assert!(max < MAX_MEMORY, "{max} MB");
    // The last note that `admin_peers` and the admin page show of the peer.
    let is_said = |last: &String| last.contains(kind.reason());
    assert!(why.last().is_some_and(is_said), "{kind:?}: {why:?}");
    stop(vec![victim, honest]).await;
}

#[test]
fn an_honest_sync_succeeds_beside_every_byzantine_peer() {
    for kind in MISBEHAVIOURS {
        on_network(&format!("{kind:?}"), async |net| {
            honest_sync_succeeds(&net, kind).await;
        });
    }
}
