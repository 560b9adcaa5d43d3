//! A byzantine peer: real RLPx handshakes and an eth status, then whatever bytes a test wants to
//! send. Blocking, on a socket of the loopback.
//!
//! ```text
//!   let target = Target::of(url)                      // an enode URL
//!   let mut attacker = Attacker::join(&target, EthVersion::Eth68)?;
//!   let payload = Payload::new(&encoded);             // compressed once, sent many times
//!   attacker.send(MessageId::NewBlock, &payload)?;
//!   attacker.wait_for_disconnect(TIMEOUT)             // the reason that the node gives
//! ```

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actoreum_primitives::alloy_primitives::bytes::{Bytes, BytesMut};
use actoreum_primitives::rlp::{Decode, Encode, encode_list_header};
use actoreum_primitives::{Header, PublicKey, SecretKey, U256};
use actoreum_wire::eth::{EthMessage, EthVersion, MessageId, Status};
use actoreum_wire::limits::MAX_FRAME_SIZE;
use actoreum_wire::nodes::Enode;
use actoreum_wire::p2p::{BASE_PROTOCOL_LENGTH, Compression, DisconnectReason, Hello};
use actoreum_wire::rlpx::{FrameCodec, Handshake, HandshakeFormat};
use socket2::{Domain, Socket, Type};

/// Time for each step of the handshakes, and for the node to take some bytes of a message.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Lets one attack at a time run: two at once would measure each other.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many times longer than promised an answer may take: the whole test suite keeps the machine
/// busy beside an attack. Nothing where somebody measures, on a quiet machine, with
/// `ACTOREUM_ATTACK_SECONDS` or `ACTOREUM_FLOOD_SECONDS`.
pub fn slack() -> u32 {
    let is_measured = ["ACTOREUM_ATTACK_SECONDS", "ACTOREUM_FLOOD_SECONDS"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if is_measured { 1 } else { 5 }
}

const HELLO: u64 = 0;
const DISCONNECT: u64 = 1;
const PING: u64 = 2;
const PONG: u64 = 3;

/// The name that an attacker gives itself, as logs and `admin_peers` show it.
pub const NAME: &str = "attacker";

/// The node that is attacked.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub address: SocketAddr,
    pub public_key: PublicKey,
}

impl Target {
    /// Reads an enode URL; whatever address it names, the loopback is attacked.
    pub fn of(url: &str) -> Self {
        let enode: Enode = url.parse().unwrap();
        let port = enode.endpoint.unwrap().tcp;
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            public_key: enode.public_key,
        }
    }

    /// Opens a TCP connection from an address of the loopback (`127.0.0.0/8`).
    pub fn connect_from(&self, from: Ipv4Addr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&self.address.into())?;
        Ok(socket.into())
    }
}

/// What a message carries, compressed once.
pub struct Payload {
    compressed: Vec<u8>,
    /// Bytes before the compression.
    pub size: usize,
}

impl Payload {
    pub fn new(payload: &[u8]) -> Self {
        let mut compressed = Vec::new();
        Compression::default()
            .compress(payload, &mut compressed)
            .unwrap();
        Self {
            compressed,
            size: payload.len(),
        }
    }

    /// An encoded message of the eth protocol, with its id.
    pub fn of(message: &EthMessage, version: EthVersion) -> (MessageId, Self) {
        (message.id(), Self::new(&message.encode(version).unwrap()))
    }

    /// Bytes that are sent as they stand in the place of a snappy block.
    pub fn raw(bytes: Vec<u8>) -> Self {
        Self {
            size: bytes.len(),
            compressed: bytes,
        }
    }

    /// Bytes that travel.
    pub fn sent(&self) -> usize {
        self.compressed.len()
    }
}

/// What the node said.
#[derive(Debug)]
pub enum Said {
    Message(u64, Bytes),
    Disconnected(DisconnectReason),
}

/// A connection behind its handshakes.
pub struct Attacker {
    stream: TcpStream,
    codec: FrameCodec,
    compression: Compression,
    input: BytesMut,
    is_compressed: bool,
    pub version: EthVersion,
    /// What the node said of itself.
    pub status: Status,
}

impl Attacker {
    /// Connects with a fresh key and echoes the node's status: the same chain, as long as its own.
    ///
    /// # Errors
    /// Those of the connection, and its end by the node: it lets nobody in.
    pub fn join(target: &Target, version: EthVersion) -> io::Result<Self> {
        Self::join_as(target, version, &SecretKey::random(), |status| status)
    }

    /// As [`Attacker::join`], with a key and with a status made of the node's own.
    pub fn join_as(
        target: &Target,
        version: EthVersion,
        key: &SecretKey,
        status: impl FnOnce(Status) -> Status,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(target.address)?;
        Self::join_over(stream, target, version, key, status)
    }

    /// As [`Attacker::join_as`], over a connection that stands already.
    pub fn join_over(
        mut stream: TcpStream,
        target: &Target,
        version: EthVersion,
        key: &SecretKey,
        status: impl FnOnce(Status) -> Status,
    ) -> io::Result<Self> {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let (format, entropy) = (HandshakeFormat::Eip8, rand::random());
        let (mut handshake, auth) =
            Handshake::initiate(key.clone(), target.public_key, format, entropy);
        stream.write_all(&auth)?;
        let mut input = BytesMut::new();
        let codec = loop {
            read_more(&mut stream, &mut input)?;
            if let Some(outcome) = handshake.read(&input).map_err(io::Error::other)? {
                let _ = input.split_to(outcome.consumed);
                break FrameCodec::new(outcome.secrets);
            }
        };
        let mut attacker = Self {
            stream,
            codec,
            compression: Compression::default(),
            input,
            is_compressed: false,
            version,
            status: Status {
                version: version.number(),
                network_id: 0,
                total_difficulty: U256::ZERO,
                head: Default::default(),
                genesis: Default::default(),
                fork_id: None,
            },
        };
        let hello = Hello {
            version: 5,
            client_name: NAME.to_owned(),
            capabilities: vec![version.protocol().capability],
            listen_port: 0,
            public_key: key.public_key(),
        };
        let mut payload = Vec::new();
        hello.encode_payload(&mut payload);
        attacker.write_frame(HELLO, &payload)?;
        match attacker.read_frame()? {
            (HELLO, _) => attacker.is_compressed = true,
            (DISCONNECT, payload) => return Err(refused(&payload)),
            (code, _) => return Err(io::Error::other(format!("message {code} before a Hello"))),
        }
        loop {
            match attacker.read()? {
                Said::Message(id, payload) => {
                    let message = EthMessage::decode(version, id, &payload);
                    let Ok(EthMessage::Status(theirs)) = message else {
                        continue;
                    };
                    attacker.status = theirs;
                    let (id, payload) = Payload::of(&EthMessage::Status(status(theirs)), version);
                    attacker.send(id, &payload)?;
                    return Ok(attacker);
                }
                Said::Disconnected(reason) => {
                    return Err(io::Error::other(format!("disconnected: {reason}")));
                }
            }
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Those of the connection: after its end by the node, mostly a broken pipe.
    pub fn send(&mut self, id: MessageId, payload: &Payload) -> io::Result<()> {
        self.write_frame(BASE_PROTOCOL_LENGTH + id.code(), &payload.compressed)
    }

    /// Sends a message that is compressed for this once.
    ///
    /// # Errors
    /// As [`Attacker::send`].
    pub fn say(&mut self, message: &EthMessage) -> io::Result<()> {
        let (id, payload) = Payload::of(message, self.version);
        self.send(id, &payload)
    }

    /// Sends a frame as it stands, under a code of the base protocol.
    ///
    /// # Errors
    /// As [`Attacker::send`].
    pub fn write_frame(&mut self, code: u64, payload: &[u8]) -> io::Result<()> {
        let mut frame = Vec::new();
        let written = self.codec.encode(&mut frame, |out| {
            code.encode(out);
            out.extend_from_slice(payload);
        });
        written.map_err(io::Error::other)?;
        self.stream.write_all(&frame)
    }

    /// The next thing that the node says; pings are answered.
    ///
    /// # Errors
    /// Those of the connection, and its end without a word.
    pub fn read(&mut self) -> io::Result<Said> {
        loop {
            let (code, payload) = self.read_frame()?;
            match code {
                DISCONNECT => return Ok(Said::Disconnected(reason(&payload))),
                PING => {
                    let mut pong = Vec::new();
                    self.compression
                        .compress(&[0xc0], &mut pong)
                        .map_err(io::Error::other)?;
                    self.write_frame(PONG, &pong)?;
                }
                code if code >= BASE_PROTOCOL_LENGTH => {
                    let payload = match self.is_compressed {
                        true => Compression::decompress(&payload).map_err(io::Error::other)?,
                        false => payload,
                    };
                    return Ok(Said::Message(code - BASE_PROTOCOL_LENGTH, payload));
                }
                _ => {}
            }
        }
    }

    /// Takes what the node has said by now, without waiting for more: an attacker that never reads
    /// is not read from, either.
    ///
    /// # Errors
    /// Those of the connection, and its end by the node.
    pub fn skip_what_came(&mut self) -> io::Result<()> {
        use io::ErrorKind::{TimedOut, WouldBlock};
        self.stream.set_nonblocking(true)?;
        let read = loop {
            match self.read() {
                Ok(Said::Message(..)) => {}
                Ok(Said::Disconnected(reason)) => {
                    break Err(io::Error::other(format!("disconnected: {reason}")));
                }
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.stream.set_nonblocking(false)?;
        read
    }

    /// Reads until the node ends the connection: the reason that it gives, where it gives one.
    /// `None` where it does not end it within `time`.
    pub fn wait_for_disconnect(&mut self, time: Duration) -> Option<Option<DisconnectReason>> {
        let by = Instant::now() + time;
        loop {
            let left = by.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.stream.set_read_timeout(Some(left)).ok()?;
            match self.read() {
                Ok(Said::Disconnected(reason)) => return Some(Some(reason)),
                Ok(Said::Message(..)) => {}
                Err(error) => {
                    use io::ErrorKind::{TimedOut, WouldBlock};
                    let is_late = matches!(error.kind(), TimedOut | WouldBlock);
                    return (!is_late).then_some(None);
                }
            }
        }
    }

    /// Asks for the headers from block 0 on and waits for the answer: how long it took.
    ///
    /// # Errors
    /// Those of the connection, and its end by the node.
    pub fn probe(&mut self) -> io::Result<Duration> {
        let begun = Instant::now();
        self.say(&EthMessage::GetBlockHeaders(
            77,
            actoreum_wire::eth::GetBlockHeaders {
                origin: actoreum_wire::eth::BlockOrigin::Number(0),
                amount: 1,
                skip: 0,
                reverse: false,
            },
        ))?;
        loop {
            match self.read()? {
                Said::Message(id, _) if id == MessageId::BlockHeaders.code() => {
                    return Ok(begun.elapsed());
                }
                Said::Message(..) => {}
                Said::Disconnected(reason) => {
                    return Err(io::Error::other(format!("disconnected: {reason}")));
                }
            }
        }
    }

    fn read_frame(&mut self) -> io::Result<(u64, Bytes)> {
        loop {
            let frame = self.codec.decode(&mut self.input, MAX_FRAME_SIZE);
            if let Some(frame) = frame.map_err(io::Error::other)? {
                let mut rest = frame.as_ref();
                let code = u64::decode(&mut rest).map_err(io::Error::other)?;
                return Ok((code, frame.slice_ref(rest)));
            }
            read_more(&mut self.stream, &mut self.input)?;
        }
    }
}

fn read_more(stream: &mut TcpStream, input: &mut BytesMut) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            input.extend_from_slice(&buffer[..count]);
            Ok(())
        }
    }
}

/// The reason in a Disconnect, which some clients compress and some do not.
fn reason(payload: &Bytes) -> DisconnectReason {
    let plain = Compression::decompress(payload).unwrap_or_else(|_| payload.clone());
    // A number, or a list that holds one.
    let code = plain.last().copied().unwrap_or(u8::MAX);
    DisconnectReason::from_code(if code >= 0x80 { 0 } else { code })
}

fn refused(payload: &Bytes) -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionRefused,
        format!("disconnected: {}", reason(payload)),
    )
}

/// The payload of a NewBlock with this header, whose body is given encoded: the content of the
/// list of transactions, byte for byte. The header need not belong to it.
pub fn new_block(header: &Header, transactions: &[u8], total_difficulty: U256) -> Vec<u8> {
    let mut block = Vec::new();
    header.encode(&mut block);
    encode_list_header(transactions.len(), &mut block);
    block.extend_from_slice(transactions);
    // No ommers.
    block.push(0xc0);
    let mut content = Vec::new();
    encode_list_header(block.len(), &mut content);
    content.extend(block);
    total_difficulty.encode(&mut content);
    let mut payload = Vec::new();
    encode_list_header(content.len(), &mut payload);
    payload.extend(content);
    payload
}
