//! Byzantine peers that send more invalid data over real sockets than a node may hold: the node
//! syncs from the honest peer, uses little memory, and logs the reason of each ban.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use actoreum_primitives::alloy_primitives::bytes;
use actoreum_primitives::genesis::Genesis;
use actoreum_primitives::rlp::{encode_list_header, encode_str};
use actoreum_primitives::{B256, Bytes, Header, PublicKey, SecretKey, U256};
use actoreum_sync::RawBody;
use actoreum_wire::eth::{
    EthMessage, EthVersion, GetBlockHeaders, HashOrNumber, LazyList, MessageId, Status,
};
use actoreum_wire::nodes::Enode;
use actoreum_wire::p2p::{Capability, Event, Protocol, Session, SessionConfig};
use actoreum_wire::rlpx::HandshakeFormat;
use serde_json::{Value, json};

use super::syncing::{number, with_chain};
use super::{Node, until};
use crate::chains;

/// A version without request ids and fork ids.
const VERSION: EthVersion = EthVersion::Eth63;
/// A base protocol version without compression, since repeated bytes would compress well.
const P2P_VERSION: u64 = 4;
/// Client name of the attackers.
const NAME: &str = "byzantine";
const ATTACKERS: u64 = 4;
const MB: u64 = 1 << 20;
/// Bytes that all attackers send together.
const MAX_SENT: u64 = 120 * MB;
/// Limit of the process's peak memory, in bytes.
const MEMORY: u64 = 400 * MB;
const BLOCKS: u64 = 2_000;
/// Bytes of extra data in a header.
const EXTRA: usize = 10_000;
/// Bytes of a block's body.
const BODY: usize = 100_000;
/// Maximum number of bodies and of headers in an answer.
const BODIES: usize = 18;
const HEADERS: usize = 192;

/// A chain with invalid seals and bodies, in which every header names its parent and the root of
/// its body.
struct InvalidChain {
    genesis: Header,
    hashes: Vec<B256>,
    body: Vec<u8>,
    transactions_root: B256,
}

impl InvalidChain {
    fn new(genesis: Header) -> Self {
        let mut transaction = Vec::new();
        encode_str(&[9; BODY], &mut transaction);
        let mut content = Vec::new();
        encode_list_header(transaction.len(), &mut content);
        content.extend(transaction);
        content.push(0xc0);
        let mut body = Vec::new();
        encode_list_header(content.len(), &mut body);
        body.extend(content);
        let transactions_root = RawBody::read(&body).unwrap().transactions_root;
        let mut invalid_chain = Self {
            hashes: vec![genesis.hash()],
            body,
            transactions_root,
            genesis,
        };
        for number in 1..=BLOCKS {
            let header = invalid_chain.header(number);
            invalid_chain.hashes.push(header.hash());
        }
        invalid_chain
    }

    fn header(&self, number: u64) -> Header {
        if number == 0 {
            return self.genesis.clone();
        }
        Header {
            number,
            parent_hash: self.hashes[number as usize - 1],
            transactions_root: self.transactions_root,
            difficulty: U256::from(2),
            gas_limit: 0x80_0000,
            timestamp: number,
            extra_data: Bytes::from(vec![7; EXTRA]),
            ..Header::default()
        }
    }

    fn head(&self) -> B256 {
        self.hashes[BLOCKS as usize]
    }

    /// Returns the requested headers.
    fn headers(&self, request: &GetBlockHeaders) -> EthMessage {
        let first = match request.origin {
            HashOrNumber::Number(number) => number,
            HashOrNumber::Hash(hash) => {
                let place = self.hashes.iter().position(|it| *it == hash);
                place.map_or(u64::MAX, |it| it as u64)
            }
        };
        let amount = usize::try_from(request.amount)
            .unwrap_or(HEADERS)
            .min(HEADERS);
        let numbers = std::iter::successors(Some(first), |number| request.next_number(*number));
        let known = numbers.take(amount).take_while(|number| *number <= BLOCKS);
        let headers: Vec<Header> = known.map(|number| self.header(number)).collect();
        EthMessage::BlockHeaders(0, LazyList::from_items(&headers))
    }

    fn bodies(&self, asked: usize) -> Vec<u8> {
        let bodies = self.body.repeat(asked.min(BODIES));
        let mut payload = Vec::new();
        encode_list_header(bodies.len(), &mut payload);
        payload.extend(bodies);
        payload
    }
}

/// A connection of a byzantine peer, with its own key.
struct ByzantinePeer<'a> {
    invalid_chain: &'a InvalidChain,
    session: Session,
    socket: TcpStream,
    /// Bytes that all attackers have sent.
    sent: &'a AtomicU64,
}

impl ByzantinePeer<'_> {
    fn send(&mut self, id: MessageId, payload: &[u8]) -> io::Result<()> {
        self.session
            .send(0, id.code(), payload)
            .map_err(io::Error::other)?;
        self.flush()?;
        self.sent.fetch_add(payload.len() as u64, Relaxed);
        Ok(())
    }

    fn send_message(&mut self, message: &EthMessage) -> io::Result<()> {
        let payload = message.encode(VERSION).map_err(io::Error::other)?;
        self.send(message.id(), &payload)
    }

    fn flush(&mut self) -> io::Result<()> {
        let output = self.session.take_output();
        self.socket.write_all(&output)
    }

    /// Answers requests with the invalid chain until the node disconnects. With `floods`, the peer
    /// sends unsolicited headers first.
    fn run(&mut self, network_id: u64, floods: bool) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            while let Some(event) = self
                .session
                .poll(Instant::now())
                .map_err(io::Error::other)?
            {
                match event {
                    Event::Authenticated { .. } => {
                        self.session.send_hello().map_err(io::Error::other)?;
                    }
                    Event::HelloReceived(_) => self.begin(network_id, floods)?,
                    Event::Message { id, payload, .. } => {
                        let payload = payload.decompress().map_err(io::Error::other)?;
                        self.answer(id, &payload)?;
                    }
                    Event::Disconnected(_) => return Ok(()),
                    _ => {}
                }
            }
            self.flush()?;
            match self.socket.read(&mut buffer)? {
                0 => return Ok(()),
                count => self.session.receive(&buffer[..count]),
            }
        }
    }

    fn begin(&mut self, network_id: u64, floods: bool) -> io::Result<()> {
        self.send_message(&EthMessage::Status(Status {
            version: VERSION.number(),
            network_id,
            total_difficulty: U256::from(1_u64 << 60),
            head: self.invalid_chain.head(),
            genesis: self.invalid_chain.hashes[0],
            fork_id: None,
            range: None,
        }))?;
        if floods {
            let unasked = GetBlockHeaders {
                origin: HashOrNumber::Number(1),
                amount: HEADERS as u64,
                skip: 0,
                reverse: false,
            };
            let unasked = self.invalid_chain.headers(&unasked);
            for _ in 0..20 {
                self.send_message(&unasked)?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, id: u64, payload: &bytes::Bytes) -> io::Result<()> {
        match EthMessage::decode(VERSION, id, payload) {
            Ok(EthMessage::GetBlockHeaders(_, request)) => {
                let headers = self.invalid_chain.headers(&request);
                self.send_message(&headers)
            }
            Ok(EthMessage::GetBlockBodies(_, hashes)) => {
                let bodies = self.invalid_chain.bodies(hashes.len());
                self.send(MessageId::BlockBodies, &bodies)
            }
            _ => Ok(()),
        }
    }
}

/// Connects again with a fresh key after each disconnect, until enough was sent; returns the number
/// of connections.
fn attack(
    invalid_chain: &InvalidChain,
    sent: &AtomicU64,
    to: SocketAddr,
    node: PublicKey,
    network_id: u64,
) -> u64 {
    let mut connections = 0;
    while sent.load(Relaxed) < MAX_SENT {
        let Ok(socket) = TcpStream::connect(to) else {
            continue;
        };
        // The timeout ends a connection that the node closes without a Disconnect.
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let protocols = vec![Protocol {
            capability: Capability::new("eth", VERSION.number()),
            length: 17,
        }];
        let config = SessionConfig {
            version: P2P_VERSION,
            ..SessionConfig::new(SecretKey::random(), NAME, protocols)
        };
        let (format, entropy) = (HandshakeFormat::Eip8, rand::random());
        let session = Session::initiate(config, node, format, entropy, Instant::now());
        let mut peer = ByzantinePeer {
            invalid_chain,
            session,
            socket,
            sent,
        };
        // The node may end the connection at any time.
        let _ = peer.run(network_id, connections % 3 == 1);
        connections += 1;
    }
    connections
}

#[test]
fn a_sync_among_byzantine_peers_completes_and_bans_them() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let honest = with_chain(&chain, &[]);
    let victim = Node::start_in(chain.new_datadir("sled"), &["--nodiscover"]);
    let genesis = Genesis::from_json(&fs::read_to_string(&chain.genesis).unwrap()).unwrap();
    let first = victim.call("eth_getBlockByNumber", json!(["0x0", false]));
    let root = first["stateRoot"].as_str().unwrap().parse().unwrap();
    let invalid_chain = Arc::new(InvalidChain::new(genesis.header(root)));
    assert_eq!(first["hash"], invalid_chain.hashes[0].to_string());
    let sent = Arc::new(AtomicU64::new(0));
    let node = victim.enode().parse::<Enode>().unwrap().public_key;
    let network_id: u64 = victim
        .call("net_version", json!([]))
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let (to, before) = (victim.address(), victim.process.peak_bytes());
    let attacking: Vec<_> = (0..ATTACKERS)
        .map(|_| {
            let (invalid_chain, sent) = (Arc::clone(&invalid_chain), Arc::clone(&sent));
            thread::spawn(move || attack(&invalid_chain, &sent, to, node, network_id))
        })
        .collect();
    victim.add(&honest.enode());
    let connections: u64 = attacking.into_iter().map(|it| it.join().unwrap()).sum();
    until("the honest chain is there", || {
        number(&victim.call("eth_blockNumber", json!([]))) == chain.head_number
    });
    let head = victim.call("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(head["hash"], chain.head_hash.to_string());
    until("only the honest one is left", || victim.peers().len() == 1);

    let (sent, most) = (sent.load(Relaxed) / MB, victim.process.peak_bytes());
    println!(
        "{connections} attacking connections sent {sent} MB; the process had {} MB at most, {} MB before",
        most / MB,
        before / MB
    );
    assert!(most < MEMORY, "{} MB", most / MB);
    let banned = victim.process.lines("peer banned");
    // The answer has geth's format, followed by the peers that were dropped.
    let Value::Array(peers) = victim.call("admin_peers", json!([true])) else {
        panic!("not a list");
    };
    let (connected, dropped): (Vec<_>, Vec<_>) = peers
        .into_iter()
        .partition(|peer| peer["dropped"].is_null());
    assert_eq!(connected.len(), 1, "{connected:#?}");
    assert!(!dropped.is_empty());
    for reason in ["is invalid", "unsolicited"] {
        assert!(
            banned.iter().any(|it| it.contains(reason)),
            "{reason}: {banned:#?}"
        );
        let of_it = |peer: &&Value| {
            let why = peer["dropped"]["reason"].as_str().unwrap();
            why.contains(reason)
        };
        let banned_peer = dropped.iter().find(of_it);
        let banned_peer = banned_peer.unwrap_or_else(|| panic!("{reason}: {dropped:#?}"));
        assert_eq!(banned_peer["name"], NAME);
        // The score was -100 at the ban and recovers with time.
        let score = banned_peer["score"].as_i64().unwrap();
        assert!((-100..-50).contains(&score), "{score}");
        assert!(banned_peer["dropped"]["keptAwayFor"].as_u64() > Some(0));
    }
}
