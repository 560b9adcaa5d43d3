//! A byzantine peer: it completes the real RLPx handshakes and the eth status exchange, then sends
//! whatever bytes a test gives it. It is blocking and uses a loopback socket.
//!
//! ```text
//!   let target = Target::of(url);                     // an enode URL
//!   let mut attacker = Attacker::join(&target, EthVersion::Eth68)?;
//!   let payload = Payload::new(&encoded);             // compressed once, sent many times
//!   attacker.send(MessageId::NewBlock, &payload)?;
//!   attacker.wait_for_disconnect(TIMEOUT);            // the reason that the node gives
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

/// Bound on each step of the handshakes, and on each write of a part of a message.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Serializes the attacks, which would otherwise distort each other's measurements.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the factor by which an answer may exceed its time limit, since the rest of the test
/// suite keeps the machine busy beside an attack. It is 1 if `ACTOREUM_ATTACK_SECONDS` or
/// `ACTOREUM_FLOOD_SECONDS` is set, which asks for a measurement on an idle machine.
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

/// Client name of an attacker, as logs and `admin_peers` show it.
pub const NAME: &str = "attacker";

/// The node under attack.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub address: SocketAddr,
    pub public_key: PublicKey,
}

impl Target {
    /// Reads an enode URL. The address in it is replaced by the loopback address.
    pub fn of(url: &str) -> Self {
        let enode: Enode = url.parse().unwrap();
        let port = enode.endpoint.unwrap().tcp;
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            public_key: enode.public_key,
        }
    }

    /// Opens a TCP connection from a loopback address (`127.0.0.0/8`).
    pub fn connect_from(&self, from: Ipv4Addr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&self.address.into())?;
        Ok(socket.into())
    }
}

/// Payload of a message, compressed once and sent many times.
pub struct Payload {
    compressed: Vec<u8>,
    /// Size in bytes before the compression.
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

    /// Encodes a message of the eth protocol; returns its id and its payload.
    pub fn of(message: &EthMessage, version: EthVersion) -> (MessageId, Self) {
        (message.id(), Self::new(&message.encode(version).unwrap()))
    }

    /// Wraps bytes that are sent unchanged in the place of a snappy block.
    pub fn raw(bytes: Vec<u8>) -> Self {
        Self {
            size: bytes.len(),
            compressed: bytes,
        }
    }

    /// Returns the size in bytes on the wire.
    pub fn sent(&self) -> usize {
        self.compressed.len()
    }
}

/// A message that the node sent.
#[derive(Debug)]
pub enum Incoming {
    Message(u64, Bytes),
    Disconnected(DisconnectReason),
}

/// A connection whose handshakes are complete.
pub struct Attacker {
    stream: TcpStream,
    codec: FrameCodec,
    compression: Compression,
    input: BytesMut,
    is_compressed: bool,
    pub version: EthVersion,
    /// Status of the node.
    pub status: Status,
}

impl Attacker {
    /// Connects with a fresh key and echoes the node's status: the same chain at the same head.
    ///
    /// # Errors
    /// Fails if the connection fails or the node disconnects.
    pub fn join(target: &Target, version: EthVersion) -> io::Result<Self> {
        Self::join_as(target, version, &SecretKey::random(), |status| status)
    }

    /// As [`Attacker::join`], with the given key and a status that is derived from the node's.
    pub fn join_as(
        target: &Target,
        version: EthVersion,
        key: &SecretKey,
        status: impl FnOnce(Status) -> Status,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(target.address)?;
        Self::join_over(stream, target, version, key, status)
    }

    /// As [`Attacker::join_as`], over an existing connection.
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
                range: None,
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
                Incoming::Message(id, payload) => {
                    let message = EthMessage::decode(version, id, &payload);
                    let Ok(EthMessage::Status(theirs)) = message else {
                        continue;
                    };
                    attacker.status = theirs;
                    let (id, payload) = Payload::of(&EthMessage::Status(status(theirs)), version);
                    attacker.send(id, &payload)?;
                    return Ok(attacker);
                }
                Incoming::Disconnected(reason) => {
                    return Err(io::Error::other(format!("disconnected: {reason}")));
                }
            }
        }
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Fails if the connection fails; a broken pipe mostly means that the node disconnected.
    pub fn send(&mut self, id: MessageId, payload: &Payload) -> io::Result<()> {
        self.write_frame(BASE_PROTOCOL_LENGTH + id.code(), &payload.compressed)
    }

    /// Encodes, compresses and sends a message.
    ///
    /// # Errors
    /// As [`Attacker::send`].
    pub fn send_message(&mut self, message: &EthMessage) -> io::Result<()> {
        let (id, payload) = Payload::of(message, self.version);
        self.send(id, &payload)
    }

    /// Sends a frame with `payload` unchanged, under an absolute message code: those of the base
    /// protocol begin at 0.
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

    /// Returns the next message of the node. Pings are answered.
    ///
    /// # Errors
    /// Fails if the connection fails or ends without a Disconnect.
    pub fn read(&mut self) -> io::Result<Incoming> {
        loop {
            let (code, payload) = self.read_frame()?;
            match code {
                DISCONNECT => return Ok(Incoming::Disconnected(reason(&payload))),
                PING => {
                    let mut pong = Vec::new();
                    self.compression
                        .compress(&[0xc0], &mut pong)
                        .map_err(io::Error::other)?;
                    self.write_frame(PONG, &pong)?;
                }
                code if code >= BASE_PROTOCOL_LENGTH => {
                    let payload = if self.is_compressed {
                        Compression::decompress(&payload).map_err(io::Error::other)?
                    } else {
                        payload
                    };
                    return Ok(Incoming::Message(code - BASE_PROTOCOL_LENGTH, payload));
                }
                _ => {}
            }
        }
    }

    /// Discards the messages that have arrived, without waiting for more. The node stops reading
    /// from an attacker that never reads.
    ///
    /// # Errors
    /// Fails if the connection fails or the node disconnects.
    pub fn discard_received(&mut self) -> io::Result<()> {
        use io::ErrorKind::{TimedOut, WouldBlock};
        self.stream.set_nonblocking(true)?;
        let read = loop {
            match self.read() {
                Ok(Incoming::Message(..)) => {}
                Ok(Incoming::Disconnected(reason)) => {
                    break Err(io::Error::other(format!("disconnected: {reason}")));
                }
                Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.stream.set_nonblocking(false)?;
        read
    }

    /// Reads until the node ends the connection; returns the reason of its Disconnect, if it sent
    /// one. Returns `None` if the node does not end the connection within `time`.
    pub fn wait_for_disconnect(&mut self, time: Duration) -> Option<Option<DisconnectReason>> {
        let by = Instant::now() + time;
        loop {
            let left = by.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.stream.set_read_timeout(Some(left)).ok()?;
            match self.read() {
                Ok(Incoming::Disconnected(reason)) => return Some(Some(reason)),
                Ok(Incoming::Message(..)) => {}
                Err(error) => {
                    use io::ErrorKind::{TimedOut, WouldBlock};
                    let is_late = matches!(error.kind(), TimedOut | WouldBlock);
                    return (!is_late).then_some(None);
                }
            }
        }
    }

    /// Requests header 0 and returns the time until the answer.
    ///
    /// # Errors
    /// Fails if the connection fails or the node disconnects.
    pub fn probe(&mut self) -> io::Result<Duration> {
        let begun = Instant::now();
        self.send_message(&EthMessage::GetBlockHeaders(
            77,
            actoreum_wire::eth::GetBlockHeaders {
                origin: actoreum_wire::eth::HashOrNumber::Number(0),
                amount: 1,
                skip: 0,
                reverse: false,
            },
        ))?;
        loop {
            match self.read()? {
                Incoming::Message(id, _) if id == MessageId::BlockHeaders.code() => {
                    return Ok(begun.elapsed());
                }
                Incoming::Message(..) => {}
                Incoming::Disconnected(reason) => {
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

/// Returns the reason in a Disconnect, which some clients compress and some do not.
fn reason(payload: &Bytes) -> DisconnectReason {
    let plain = Compression::decompress(payload).unwrap_or_else(|_| payload.clone());
    // The payload is a number, or a list that holds one.
    let code = plain.last().copied().unwrap_or(u8::MAX);
    DisconnectReason::from_code(if code >= 0x80 { 0 } else { code })
}

fn refused(payload: &Bytes) -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionRefused,
        format!("disconnected: {}", reason(payload)),
    )
}

/// Encodes a NewBlock. `transactions` is the encoded content of the list of transactions, byte for
/// byte. The header need not belong to it.
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
