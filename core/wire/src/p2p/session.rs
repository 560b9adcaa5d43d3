//! A connection from its first byte to its last, as a state machine without a socket or a clock.

use std::time::{Duration, Instant};

use actoreum_primitives::rlp::{Decode, Encode};
use actoreum_primitives::{PublicKey, SecretKey};
use bytes::{Buf, Bytes, BytesMut};

use super::{BASE_PROTOCOL_LENGTH, BASE_PROTOCOL_VERSION};
use super::{
    Compression, DisconnectReason, Hello, Payload, Protocol, SessionError, SharedCapability, code,
    match_capabilities,
};
use crate::limits::{
    HANDSHAKE_TIMEOUT, IDLE_TIMEOUT, MAX_BASE_MESSAGE_SIZE, MAX_FRAME_SIZE, MAX_MESSAGE_SIZE,
    MAX_PONG_BACKLOG, PING_INTERVAL,
};
use crate::rlpx::{FrameCodec, Handshake, HandshakeFormat};

/// First version of the base protocol that compresses the payloads after the Hello.
const SNAPPY_VERSION: u64 = 5;

/// Configuration of a session: what it says of its own node.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Static key of the node.
    pub key: SecretKey,
    /// Client name.
    pub client_name: String,
    /// Protocols that the node offers.
    pub protocols: Vec<Protocol>,
    /// Port on which the node listens; 0 if it does not say.
    pub listen_port: u16,
    /// Version of the base protocol, [`BASE_PROTOCOL_VERSION`] except in tests.
    pub version: u64,
}

impl SessionConfig {
    /// Creates a configuration with the current version.
    pub fn new(key: SecretKey, client_name: &str, protocols: Vec<Protocol>) -> Self {
        let (client_name, version) = (client_name.to_owned(), BASE_PROTOCOL_VERSION);
        Self {
            key,
            client_name,
            protocols,
            listen_port: 0,
            version,
        }
    }
}

/// An event on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The encryption handshake is complete. The session waits: call [`Session::send_hello`] to go
    /// on, or [`Session::disconnect`].
    Authenticated {
        /// Static key of the other side.
        remote: PublicKey,
    },
    /// The other side's Hello. The shared capabilities are in [`Session::shared`].
    HelloReceived(Box<Hello>),
    /// A message of a shared capability.
    Message {
        /// Index into [`Session::shared`].
        capability: usize,
        /// Code of the message within the capability.
        id: u64,
        /// Payload of the message, not decompressed yet: its claimed length was checked.
        payload: Payload,
    },
    /// A ping. Its pong is in the output already.
    Ping,
    /// A pong.
    Pong,
    /// The other side ended the connection. Nothing comes after.
    Disconnected(DisconnectReason),
}

#[cfg_attr(feature = "fuzz", derive(Clone))]
enum State {
    Handshake(Box<Handshake>),
    /// Encrypted. `hello_sent` and `hello_received` are both set once messages may be exchanged.
    Encrypted(Box<Encrypted>),
    Closed,
}

#[cfg_attr(feature = "fuzz", derive(Clone))]
struct Encrypted {
    codec: FrameCodec,
    remote: PublicKey,
    hello_sent: bool,
    hello_received: bool,
    compression: Option<Compression>,
    shared: Vec<SharedCapability>,
}

/// A connection's state machine. The owner of the socket passes bytes to [`Session::receive`],
/// calls [`Session::poll`] until it returns `None`, and writes what [`Session::take_output`]
/// returns. It must not read from the socket again before `poll` returned `None`: a slow consumer
/// slows its peer, and the input holds one frame and one read at most.
#[cfg_attr(feature = "fuzz", derive(Clone))]
pub struct Session {
    config: SessionConfig,
    state: State,
    input: BytesMut,
    output: Vec<u8>,
    handshake_deadline: Instant,
    /// Time since which [`Session::poll`] has had no complete message; `None` while it may have
    /// one.
    waiting_since: Option<Instant>,
    next_ping: Instant,
    /// Time of the ping that has no pong yet.
    pinged_at: Option<Instant>,
    round_trip: Option<Duration>,
}

impl Session {
    /// Starts the session of an outbound connection: the output holds the first packet for the
    /// owner of `remote`. `entropy` must be fresh random bytes.
    pub fn initiate(
        config: SessionConfig,
        remote: PublicKey,
        format: HandshakeFormat,
        entropy: [u8; 32],
        now: Instant,
    ) -> Self {
        let (handshake, auth) = Handshake::initiate(config.key.clone(), remote, format, entropy);
        Self {
            output: auth,
            ..Self::new(config, handshake, now)
        }
    }

    /// Starts the session of an inbound connection. `entropy` must be fresh random bytes.
    pub fn accept(config: SessionConfig, entropy: [u8; 32], now: Instant) -> Self {
        let handshake = Handshake::respond(config.key.clone(), entropy);
        Self::new(config, handshake, now)
    }

    fn new(config: SessionConfig, handshake: Handshake, now: Instant) -> Self {
        Self {
            config,
            state: State::Handshake(Box::new(handshake)),
            input: BytesMut::new(),
            output: Vec::new(),
            handshake_deadline: now + HANDSHAKE_TIMEOUT,
            waiting_since: Some(now),
            next_ping: now + PING_INTERVAL,
            pinged_at: None,
            round_trip: None,
        }
    }

    /// Takes bytes from the socket.
    pub fn receive(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Closed) {
            self.input.extend_from_slice(bytes);
        }
    }

    /// Takes the bytes to write to the socket.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Returns the number of bytes that wait to be written.
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Returns the shared capabilities; empty before the other side's Hello.
    pub fn shared(&self) -> &[SharedCapability] {
        match &self.state {
            State::Encrypted(encrypted) => &encrypted.shared,
            State::Handshake(_) | State::Closed => &[],
        }
    }

    /// Returns true if messages may be sent.
    pub fn is_open(&self) -> bool {
        match &self.state {
            State::Encrypted(encrypted) => encrypted.hello_sent && encrypted.hello_received,
            State::Handshake(_) | State::Closed => false,
        }
    }

    /// Returns the next event in the bytes received so far. After an error only
    /// [`Session::disconnect`] may be called.
    pub fn poll(&mut self, now: Instant) -> Result<Option<Event>, SessionError> {
        let event = match self.state {
            State::Handshake(_) => self.poll_handshake()?,
            State::Encrypted(_) => self.poll_frames()?,
            State::Closed => return Ok(None),
        };
        match event {
            Some(_) => self.waiting_since = None,
            None => self.waiting_since = self.waiting_since.or(Some(now)),
        }
        if event == Some(Event::Pong)
            && let Some(pinged_at) = self.pinged_at.take()
        {
            self.round_trip = Some(now.saturating_duration_since(pinged_at));
        }
        Ok(event)
    }

    /// Does not count the peer as silent until the next [`Session::poll`]: the owner does not read
    /// from the socket, because the messages polled so far are still to be handled.
    pub fn pause(&mut self) {
        self.waiting_since = None;
    }

    /// Returns the time between the last answered ping of [`Session::handle_timeout`] and its pong.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    fn poll_handshake(&mut self) -> Result<Option<Event>, SessionError> {
        let State::Handshake(handshake) = &mut self.state else {
            return Ok(None);
        };
        let Some(outcome) = handshake.read(&self.input)? else {
            return Ok(None);
        };
        self.input.advance(outcome.consumed);
        self.output.extend_from_slice(&outcome.reply);
        let remote = outcome.remote;
        self.state = State::Encrypted(Box::new(Encrypted {
            codec: FrameCodec::new(outcome.secrets),
            remote,
            hello_sent: false,
            hello_received: false,
            compression: None,
            shared: Vec::new(),
        }));
        Ok(Some(Event::Authenticated { remote }))
    }

    fn poll_frames(&mut self) -> Result<Option<Event>, SessionError> {
        loop {
            let State::Encrypted(encrypted) = &mut self.state else {
                return Ok(None);
            };
            // A Hello is small. The extra byte is its code.
            let limit = if encrypted.hello_received {
                MAX_FRAME_SIZE
            } else {
                MAX_BASE_MESSAGE_SIZE + 1
            };
            let Some(frame) = encrypted.codec.decode(&mut self.input, limit)? else {
                return Ok(None);
            };
            let mut rest = frame.as_ref();
            let code = u64::decode(&mut rest).map_err(|_| SessionError::MissingCode)?;
            let payload = frame.slice_ref(rest);
            let event = if encrypted.hello_received {
                self.handle_message(code, payload)?
            } else {
                Some(self.handle_first_message(code, &payload)?)
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    fn handle_first_message(&mut self, code: u64, payload: &[u8]) -> Result<Event, SessionError> {
        match code {
            code::HELLO => {}
            code::DISCONNECT => {
                self.state = State::Closed;
                return Ok(Event::Disconnected(DisconnectReason::decode_payload(
                    payload,
                )));
            }
            other => return Err(SessionError::ExpectedHello(other)),
        }
        let hello = Hello::decode_payload(payload)?;
        let State::Encrypted(encrypted) = &mut self.state else {
            return Err(SessionError::NotOpen);
        };
        if hello.public_key != encrypted.remote {
            return Err(SessionError::UnexpectedIdentity);
        }
        encrypted.hello_received = true;
        encrypted.shared = match_capabilities(&self.config.protocols, &hello.capabilities);
        if hello.version.min(self.config.version) >= SNAPPY_VERSION {
            encrypted.compression = Some(Compression::default());
        }
        Ok(Event::HelloReceived(Box::new(hello)))
    }

    fn handle_message(&mut self, code: u64, payload: Bytes) -> Result<Option<Event>, SessionError> {
        let State::Encrypted(encrypted) = &mut self.state else {
            return Ok(None);
        };
        if code == code::DISCONNECT {
            // Some clients do not compress a Disconnect. Either way it ends the session.
            let decompressed = encrypted
                .compression
                .as_ref()
                .and_then(|_| Compression::decompress(&payload).ok())
                .unwrap_or(payload);
            self.state = State::Closed;
            let reason = DisconnectReason::decode_payload(&decompressed);
            return Ok(Some(Event::Disconnected(reason)));
        }
        if code < BASE_PROTOCOL_LENGTH && payload.len() > MAX_BASE_MESSAGE_SIZE {
            return Err(SessionError::TooLarge);
        }
        match code {
            code::PING => {
                self.answer_ping();
                Ok(Some(Event::Ping))
            }
            code::PONG => Ok(Some(Event::Pong)),
            // A second Hello, and codes without a meaning.
            code if code < BASE_PROTOCOL_LENGTH => Ok(None),
            code => {
                let mut offered = encrypted.shared.iter().enumerate();
                let (capability, id) = offered
                    .find_map(|(index, shared)| {
                        let id = code.checked_sub(shared.offset)?;
                        (id < shared.length).then_some((index, id))
                    })
                    .ok_or(SessionError::CodeOutOfRange(code))?;
                let payload = match encrypted.compression {
                    Some(_) => Payload::compressed(payload)?,
                    None => Payload::plain(payload),
                };
                Ok(Some(Event::Message {
                    capability,
                    id,
                    payload,
                }))
            }
        }
    }

    fn answer_ping(&mut self) {
        if self.output.len() < MAX_PONG_BACKLOG {
            // An empty message always fits a frame, and a ping only arrives in an open session.
            let _ = self.send_base(code::PONG, |out| out.push(fastrlp::EMPTY_LIST_CODE));
        }
    }

    /// Sends the Hello. Messages can be sent once the other side's has arrived, too.
    pub fn send_hello(&mut self) -> Result<(), SessionError> {
        let hello = Hello {
            version: self.config.version,
            client_name: self.config.client_name.clone(),
            capabilities: self
                .config
                .protocols
                .iter()
                .map(|protocol| protocol.capability.clone())
                .collect(),
            listen_port: u64::from(self.config.listen_port),
            public_key: self.config.key.public_key(),
        };
        let State::Encrypted(encrypted) = &mut self.state else {
            return Err(SessionError::NotOpen);
        };
        if encrypted.hello_sent {
            return Ok(());
        }
        encrypted.hello_sent = true;
        encrypted.codec.encode(&mut self.output, |out| {
            code::HELLO.encode(out);
            hello.encode_payload(out);
        })?;
        Ok(())
    }

    /// Sends a message of a shared capability. It is encrypted at once, so that nothing can
    /// overtake what is in the output: queues with priorities belong before this call.
    pub fn send(&mut self, capability: usize, id: u64, payload: &[u8]) -> Result<(), SessionError> {
        if !self.is_open() {
            return Err(SessionError::NotOpen);
        }
        let shared = self
            .shared()
            .get(capability)
            .ok_or(SessionError::CodeOutOfRange(id))?;
        if id >= shared.length {
            return Err(SessionError::CodeOutOfRange(id));
        }
        let code = shared.offset + id;
        self.send_frame(code, payload)
    }

    /// Sends a ping.
    pub fn ping(&mut self) -> Result<(), SessionError> {
        self.send_base(code::PING, |out| out.push(fastrlp::EMPTY_LIST_CODE))
    }

    fn send_base(
        &mut self,
        code: u64,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), SessionError> {
        let mut payload = Vec::with_capacity(8);
        write(&mut payload);
        self.send_frame(code, &payload)
    }

    fn send_frame(&mut self, code: u64, payload: &[u8]) -> Result<(), SessionError> {
        if payload.len() > MAX_MESSAGE_SIZE {
            return Err(SessionError::TooLarge);
        }
        let State::Encrypted(encrypted) = &mut self.state else {
            return Err(SessionError::NotOpen);
        };
        let Encrypted {
            codec, compression, ..
        } = &mut **encrypted;
        codec.encode(&mut self.output, |out| {
            code.encode(out);
            match compression {
                // The length was checked above, the only possible error.
                Some(compression) => drop(compression.compress(payload, out)),
                None => out.extend_from_slice(payload),
            }
        })?;
        Ok(())
    }

    /// Ends the session. The output's last frame has the reason, if the encryption handshake is
    /// complete. Nothing is read afterwards.
    pub fn disconnect(&mut self, reason: DisconnectReason) {
        // Without encryption the reason cannot be sent.
        let _ = self.send_base(code::DISCONNECT, |out| reason.encode_payload(out));
        self.state = State::Closed;
        self.input = BytesMut::new();
    }

    /// Returns the time of the next call of [`Session::handle_timeout`].
    pub fn next_timeout(&self) -> Option<Instant> {
        if matches!(self.state, State::Closed) {
            return None;
        }
        if !self.is_open() {
            return Some(self.handshake_deadline);
        }
        let idle = self.waiting_since.map(|since| since + IDLE_TIMEOUT);
        Some(idle.map_or(self.next_ping, |idle| idle.min(self.next_ping)))
    }

    /// Sends a ping if it is due. Fails if the peer has been silent for too long. A session whose
    /// events were not polled does not count as silent.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        if matches!(self.state, State::Closed) {
            return Ok(());
        }
        if !self.is_open() {
            let late = now >= self.handshake_deadline;
            return if late {
                Err(SessionError::HandshakeTimeout)
            } else {
                Ok(())
            };
        }
        if self
            .waiting_since
            .is_some_and(|since| now >= since + IDLE_TIMEOUT)
        {
            return Err(SessionError::ReadTimeout);
        }
        if now >= self.next_ping {
            self.next_ping = now + PING_INTERVAL;
            self.ping()?;
            self.pinged_at.get_or_insert(now);
        }
        Ok(())
    }

    /// Sends a frame as it is, for tests that send what no honest peer does.
    #[cfg(test)]
    pub(super) fn send_raw_frame(&mut self, code: u64, payload: &[u8]) {
        let State::Encrypted(encrypted) = &mut self.state else {
            panic!("not encrypted")
        };
        let write = |out: &mut Vec<u8>| {
            code.encode(out);
            out.extend_from_slice(payload);
        };
        encrypted
            .codec
            .encode(&mut self.output, write)
            .expect("the frame fits");
    }
}
