//! Peers that lie over real sockets, with more than a node may hold: it syncs from the honest one,
//! stays small, and says of each why it was sent away.

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
use actoreum_sync::BodyParcel;
use actoreum_wire::eth::{
    BlockOrigin, EthMessage, EthVersion, GetBlockHeaders, LazyList, MessageId, Status,
};
use actoreum_wire::nodes::Enode;
use actoreum_wire::p2p::{Capability, Event, Protocol, Session, SessionConfig};
use actoreum_wire::rlpx::HandshakeFormat;
use serde_json::{Value, json};

use super::syncing::{number, with_chain, with_genesis};
use super::{Node, until};
use crate::chains;

/// Without request ids and fork ids.
const VERSION: EthVersion = EthVersion::Eth63;
/// A base protocol without compression, for junk of one byte would be small.
const P2P_VERSION: u64 = 4;
const LIARS: u64 = 4;
const MB: u64 = 1 << 20;
/// Lies that are to be told.
const LIES: u64 = 120 * MB;
/// Memory that the process may have, and had at most.
const MEMORY: u64 = 400 * MB;
const BLOCKS: u64 = 2_000;
/// Bytes of a header that mean nothing.
const EXTRA: usize = 10_000;
/// Bytes of a block's body.
const BODY: usize = 100_000;
/// Bodies and headers in an answer.
const BODIES: usize = 18;
const HEADERS: usize = 192;

/// A chain of which every header names its parent and the root of its body.
struct Junk {
    genesis: Header,
    hashes: Vec<B256>,
    body: Vec<u8>,
    transactions_root: B256,
}

impl Junk {
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
        let transactions_root = BodyParcel::read(&body).unwrap().transactions_root;
        let mut junk = Self {
            hashes: vec![genesis.hash()],
            body,
            transactions_root,
            genesis,
        };
        for number in 1..=BLOCKS {
            let header = junk.header(number);
            junk.hashes.push(header.hash());
        }
        junk
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

    /// What was asked for.
    fn headers(&self, request: &GetBlockHeaders) -> EthMessage {
        let first = match request.origin {
            BlockOrigin::Number(number) => number,
            BlockOrigin::Hash(hash) => {
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

/// One connection of a liar, with a key of its own.
struct Liar<'a> {
    junk: &'a Junk,
    session: Session,
    socket: TcpStream,
    /// Bytes of all liars' lies.
    told: &'a AtomicU64,
}

impl Liar<'_> {
    fn send(&mut self, id: MessageId, payload: &[u8]) -> io::Result<()> {
        self.session
            .send(0, id.code(), payload)
            .map_err(io::Error::other)?;
        self.flush()?;
        self.told.fetch_add(payload.len() as u64, Relaxed);
        Ok(())
    }

    fn say(&mut self, message: &EthMessage) -> io::Result<()> {
        let payload = message.encode(VERSION).map_err(io::Error::other)?;
        self.send(message.id(), &payload)
    }

    fn flush(&mut self) -> io::Result<()> {
        let output = self.session.take_output();
        self.socket.write_all(&output)
    }

    /// Answers until it is sent away. One that floods sends what nobody asked for before.
    fn live(&mut self, network_id: u64, floods: bool) -> io::Result<()> {
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
        self.say(&EthMessage::Status(Status {
            version: VERSION.number(),
            network_id,
            total_difficulty: U256::from(1_u64 << 60),
            head: self.junk.head(),
            genesis: self.junk.hashes[0],
            fork_id: None,
        }))?;
        if floods {
            let unasked = GetBlockHeaders {
                origin: BlockOrigin::Number(1),
                amount: HEADERS as u64,
                skip: 0,
                reverse: false,
            };
            let unasked = self.junk.headers(&unasked);
            for _ in 0..20 {
                self.say(&unasked)?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, id: u64, payload: &bytes::Bytes) -> io::Result<()> {
        match EthMessage::decode(VERSION, id, payload) {
            Ok(EthMessage::GetBlockHeaders(_, request)) => {
                let headers = self.junk.headers(&request);
                self.say(&headers)
            }
            Ok(EthMessage::GetBlockBodies(_, hashes)) => {
                let bodies = self.junk.bodies(hashes.len());
                self.send(MessageId::BlockBodies, &bodies)
            }
            _ => Ok(()),
        }
    }
}

/// Lies, is sent away, and comes back as somebody else, until enough lies were told.
fn lie(junk: &Junk, told: &AtomicU64, to: SocketAddr, node: PublicKey, network_id: u64) -> u64 {
    let mut lives = 0;
    while told.load(Relaxed) < LIES {
        let Ok(socket) = TcpStream::connect(to) else {
            continue;
        };
        // Where it is not told that it is sent away.
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let protocols = vec![Protocol {
            capability: Capability::new("eth", VERSION.number()),
            length: 17,
        }];
        let config = SessionConfig {
            version: P2P_VERSION,
            ..SessionConfig::new(SecretKey::random(), "liar", protocols)
        };
        let (format, entropy) = (HandshakeFormat::Eip8, rand::random());
        let session = Session::initiate(config, node, format, entropy, Instant::now());
        let mut liar = Liar {
            junk,
            session,
            socket,
            told,
        };
        // However it ended, it ended.
        let _ = liar.live(network_id, lives % 3 == 1);
        lives += 1;
    }
    lives
}

/// The most resident memory that a process had, in bytes.
fn peak(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kibibytes.unwrap() * 1024
}

#[test]
fn a_node_among_liars_syncs_stays_small_and_says_why_they_went() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let honest = with_chain(&chain, &[]);
    let victim = Node::start_in(with_genesis(&chain), &["--nodiscover"]);
    let genesis = Genesis::from_json(&fs::read_to_string(&chain.genesis).unwrap()).unwrap();
    let first = victim.call("eth_getBlockByNumber", json!(["0x0", false]));
    let root = first["stateRoot"].as_str().unwrap().parse().unwrap();
    let junk = Arc::new(Junk::new(genesis.header(root)));
    assert_eq!(first["hash"], junk.hashes[0].to_string());
    let told = Arc::new(AtomicU64::new(0));
    let node = victim.enode().parse::<Enode>().unwrap().public_key;
    let network_id: u64 = victim
        .call("net_version", json!([]))
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let (to, before) = (victim.address(), peak(&victim));
    let lying: Vec<_> = (0..LIARS)
        .map(|_| {
            let (junk, told) = (Arc::clone(&junk), Arc::clone(&told));
            thread::spawn(move || lie(&junk, &told, to, node, network_id))
        })
        .collect();
    victim.add(&honest.enode());
    let lives: u64 = lying.into_iter().map(|it| it.join().unwrap()).sum();
    until("the honest chain is there", || {
        number(&victim.call("eth_blockNumber", json!([]))) == chain.head_number
    });
    let head = victim.call("eth_getBlockByNumber", json!(["latest", false]));
    assert_eq!(head["hash"], chain.head_hash.to_string());
    until("only the honest one is left", || victim.peers().len() == 1);

    let (told, most) = (told.load(Relaxed) / MB, peak(&victim));
    println!(
        "{lives} liars told {told} MB; the process had {} MB at most, {} MB before",
        most / MB,
        before / MB
    );
    assert!(most < MEMORY, "{} MB", most / MB);
    let banned = victim.process.lines("peer banned");
    // As geth has it, and with those that were sent away behind it.
    let Value::Array(peers) = victim.call("admin_peers", json!([true])) else {
        panic!("not a list");
    };
    let (connected, dropped): (Vec<_>, Vec<_>) = peers
        .into_iter()
        .partition(|peer| peer["dropped"].is_null());
    assert_eq!(connected.len(), 1, "{connected:#?}");
    assert!(!dropped.is_empty());
    for reason in ["is invalid", "that nobody asked for"] {
        assert!(
            banned.iter().any(|it| it.contains(reason)),
            "{reason}: {banned:#?}"
        );
        let of_it = |peer: &&Value| {
            let why = peer["dropped"]["reason"].as_str().unwrap();
            why.contains(reason)
        };
        let sent_away = dropped.iter().find(of_it);
        let sent_away = sent_away.unwrap_or_else(|| panic!("{reason}: {dropped:#?}"));
        assert_eq!(sent_away["name"], "liar");
        // It began with -100, and time makes up for it.
        let score = sent_away["score"].as_i64().unwrap();
        assert!((-100..-50).contains(&score), "{score}");
        assert!(sent_away["dropped"]["keptAwayFor"].as_u64() > Some(0));
    }
}
