//! Peers that say they have the best chain, and lie in one way each: the honest chain arrives, the
//! liar is sent away, and memory stays small.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actoreum_actors::eth::Greeter;
use actoreum_actors::net::peer::PeerRecord;
use actoreum_chain::ChainReader;
use actoreum_primitives::{B256, Body, Bytes, Header, U256};
use actoreum_tests::p2p::{FullNode, MemoryNet, NETWORK_ID, Sealers, Stranger, hello, key, settle};
use actoreum_wire::eth::{BlockOrigin, EthMessage, EthVersion, GetBlockHeaders, LazyList, Status};
use actoreum_wire::nodes::NodeId;
use actoreum_wire::p2p::{Capability, Hello};
use tokio::time::Instant;

use super::{on_network, stop};

const BLOCKS: u64 = 300;
const VERSION: EthVersion = EthVersion::Eth68;
/// Where the messages of the only capability begin.
const OFFSET: u64 = 16;
const DISCONNECT: u64 = 1;
const PING: u64 = 2;
const PONG: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(900);
/// Megabytes that the process may have, with both nodes and the liar.
const MEMORY: u64 = 400;

/// How a peer lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// Headers of which each names a parent that there is not.
    WrongHeaders,
    /// Every other header is left out.
    Gaps,
    /// The right headers, and bodies of nobody.
    WrongBodies,
    /// Every answer is empty.
    Empty,
    /// There is no answer.
    Silence,
    /// Headers that look well, and are as long as headers may be.
    Junk,
    /// A hundred megabytes of such headers, which nobody asked for.
    Flood,
}

const LIES: [Lie; 7] = [
    Lie::WrongHeaders,
    Lie::Gaps,
    Lie::WrongBodies,
    Lie::Empty,
    Lie::Silence,
    Lie::Junk,
    Lie::Flood,
];

impl Lie {
    /// What is counted against the liar last.
    fn reason(self) -> &'static str {
        match self {
            Self::WrongHeaders | Self::Junk => "headers do not follow each other",
            Self::Gaps => "headers not asked for",
            Self::WrongBodies => "retrieved block body is invalid",
            Self::Empty => "empty header set by peer",
            Self::Silence => "timeout",
            Self::Flood => "that nobody asked for",
        }
    }
}

/// The number of the head of a chain that there is not.
const INVENTED_HEAD: u64 = 1_000_000;

/// A header of that chain, with so many bytes that mean nothing.
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

/// A peer that lies. Ends with its connection.
struct Liar {
    stranger: Stranger,
    honest: ChainReader,
    lie: Lie,
    /// Bytes of answers.
    sent: usize,
}

impl Liar {
    /// Becomes a peer that says its chain is far heavier than all others.
    async fn join(mut stranger: Stranger, honest: ChainReader, lie: Lie) -> io::Result<Self> {
        let hello = Hello {
            capabilities: vec![Capability::new("eth", VERSION.number())],
            ..hello(&key(99))
        };
        stranger.greet(&hello).await?;
        let mut liar = Self {
            stranger,
            honest,
            lie,
            sent: 0,
        };
        let greeter = Greeter::new(liar.honest.clone(), NETWORK_ID).map_err(io::Error::other)?;
        let status = Status {
            total_difficulty: U256::from(1_u64 << 60),
            head: liar.head(),
            ..greeter.status(VERSION)
        };
        liar.send(&EthMessage::Status(status)).await?;
        Ok(liar)
    }

    async fn send(&mut self, message: &EthMessage) -> io::Result<()> {
        let payload = message.encode(VERSION).map_err(io::Error::other)?;
        self.sent += payload.len();
        let code = OFFSET + message.id().code();
        self.stranger.send(code, &payload).await
    }

    /// The head that it says it has.
    fn head(&self) -> B256 {
        match self.lie {
            Lie::WrongHeaders => invented(INVENTED_HEAD, 0).hash(),
            Lie::Junk | Lie::Flood => invented(INVENTED_HEAD, 10_000).hash(),
            Lie::Gaps | Lie::WrongBodies | Lie::Empty | Lie::Silence => self.honest.head().hash(),
        }
    }

    /// Sends what nobody asked for, until it is sent away.
    async fn flood(&mut self) -> io::Result<()> {
        let junk: Vec<Header> = (0..192).map(|number| invented(number, 10_000)).collect();
        let unasked = EthMessage::BlockHeaders(7_777, LazyList::from_items(&junk));
        for _ in 0..50 {
            self.send(&unasked).await?;
        }
        Ok(())
    }

    /// Answers until it is sent away; how many bytes it got to send.
    async fn run(mut self) -> usize {
        if self.lie == Lie::Flood && self.flood().await.is_err() {
            return self.sent;
        }
        while let Ok((code, payload)) = self.stranger.receive().await {
            let answered = match code {
                DISCONNECT => break,
                PING => self.stranger.send(PONG, &[0xc0]).await,
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
            _ if self.lie == Lie::Silence => return Ok(()),
            EthMessage::GetBlockHeaders(id, request) => {
                let headers = self.headers(&request);
                EthMessage::BlockHeaders(id, LazyList::from_items(&headers))
            }
            EthMessage::GetBlockBodies(id, hashes) => {
                let mut bodies = Vec::new();
                if self.lie != Lie::Empty {
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
            BlockOrigin::Number(number) => number,
            BlockOrigin::Hash(hash) if hash != self.head() => return Vec::new(),
            BlockOrigin::Hash(_) => match self.lie {
                Lie::WrongHeaders | Lie::Junk | Lie::Flood => INVENTED_HEAD,
                _ => self.honest.head().number,
            },
        };
        let amount = usize::try_from(request.amount).unwrap_or(192).min(192);
        let numbers = std::iter::successors(Some(first), |number| request.next_number(*number));
        let numbers = numbers.take(amount);
        let honest = |number| self.honest.header_by_number(number).ok().flatten();
        match self.lie {
            Lie::Empty | Lie::Silence => Vec::new(),
            Lie::WrongHeaders => numbers.map(|number| invented(number, 0)).collect(),
            // As long as they may be: two megabytes an answer.
            Lie::Junk | Lie::Flood => numbers.map(|number| invented(number, 10_000)).collect(),
            Lie::Gaps | Lie::WrongBodies => {
                let is_left_out =
                    |index: usize| self.lie == Lie::Gaps && amount > 2 && index % 2 == 1;
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

/// What is known of a peer that is about to come, also when it has gone.
async fn seen(node: &FullNode, id: NodeId) -> Arc<PeerRecord> {
    for _ in 0..1_000 {
        let peers = node.node.network.peers();
        if let Some(record) = peers.iter().find(|it| it.id == id) {
            return Arc::clone(record);
        }
        settle(Duration::from_millis(5)).await;
    }
    panic!("{id} does not come");
}

async fn honest_sync_goes_on(net: &MemoryNet, lie: Lie) {
    let honest = FullNode::start(net, 1, &Sealers::Everybody).await;
    for nonce in 0..BLOCKS {
        honest.pay(nonce).await.unwrap();
        assert!(honest.seal().await);
    }
    let victim = FullNode::start(net, 2, &Sealers::Everybody).await;
    let (own, host) = (key(99), net.host([90, 0, 0, 1].into()));
    let (socket, public_key) = (victim.node.socket(), victim.node.enode().public_key);
    let dialled = Stranger::dial(&host, socket, public_key, &own).await;
    let liar = Liar::join(dialled.unwrap(), honest.reader.clone(), lie).await;
    let lying = actix::spawn(liar.unwrap().run());
    let known = seen(&victim, NodeId::of(&own.public_key())).await;
    // The liar comes first: it is the best peer that there is.
    settle(Duration::from_secs(2)).await;
    victim.node.add_peer(&honest.node).await;

    let (begun, mut most) = (Instant::now(), 0);
    let liar = NodeId::of(&own.public_key());
    let has = |id| victim.node.network.peers().iter().any(|it| it.id == id);
    while victim.head() != honest.head() || has(liar) || !has(honest.node.id()) {
        let (number, is_over) = (victim.reader.head().number, begun.elapsed() > PATIENCE);
        assert!(!is_over, "{lie:?}: block {number}, liar {}", has(liar));
        most = most.max(resident_megabytes());
        settle(Duration::from_millis(250)).await;
    }
    let took = begun.elapsed();
    let sent = lying.await.unwrap();
    let why = known.notes();
    println!(
        "{lie:?}: synced and rid of it after {took:.1?}, {sent} bytes of lies, {most} MB: {why:?}"
    );
    assert!(most < MEMORY, "{most} MB");
    // What `admin_peers` and the page show last of it.
    let is_said = |last: &String| last.contains(lie.reason());
    assert!(why.last().is_some_and(is_said), "{lie:?}: {why:?}");
    stop(vec![victim, honest]).await;
}

#[test]
fn honest_sync_goes_on_beside_every_liar() {
    for lie in LIES {
        on_network(&format!("{lie:?}"), async |net| {
            honest_sync_goes_on(&net, lie).await;
        });
    }
}
