//! A peer without a node, which sends arbitrary messages on an encrypted connection.

use std::io;
use std::net::SocketAddr;

use actoreum_actors::net::transport::{ByteStream, Transport, Wire};
use actoreum_primitives::rlp::{Decode, Encode};
use actoreum_primitives::{PublicKey, SecretKey};
use actoreum_wire::limits::MAX_FRAME_SIZE;
use actoreum_wire::p2p::{Capability, DisconnectReason, Hello};
use actoreum_wire::rlpx::{FrameCodec, Handshake, HandshakeFormat};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Version of the base protocol whose messages are not compressed.
pub const UNCOMPRESSED: u64 = 4;

const HELLO: u64 = 0;
const DISCONNECT: u64 = 1;

/// A connection after its encryption handshake. Nothing that it sends is compressed.
pub struct RawPeer {
    stream: Box<dyn ByteStream>,
    codec: FrameCodec,
    input: BytesMut,
}

/// Returns a valid Hello, which a test may change.
pub fn hello(key: &SecretKey) -> Hello {
    Hello {
        version: UNCOMPRESSED,
        client_name: "raw-peer".to_owned(),
        capabilities: vec![Capability::new("chat", 1)],
        listen_port: 0,
        public_key: key.public_key(),
    }
}

fn cut_short() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

async fn read(stream: &mut dyn ByteStream, input: &mut BytesMut) -> io::Result<()> {
    match stream.read_buf(input).await? {
        0 => Err(cut_short()),
        _ => Ok(()),
    }
}

impl RawPeer {
    /// Dials a node and runs the encryption handshake.
    ///
    /// # Errors
    /// The connection fails, or ends during the handshake.
    pub async fn dial(
        transport: &dyn Transport,
        to: SocketAddr,
        node: PublicKey,
        key: &SecretKey,
    ) -> io::Result<Self> {
        let Wire { mut stream, .. } = transport.connect(to).await?;
        let entropy = rand::random();
        let (mut handshake, auth) =
            Handshake::initiate(key.clone(), node, HandshakeFormat::Eip8, entropy);
        stream.write_all(&auth).await?;
        let mut input = BytesMut::new();
        loop {
            read(stream.as_mut(), &mut input).await?;
            let outcome = handshake.read(&input).map_err(io::Error::other)?;
            if let Some(outcome) = outcome {
                let _ = input.split_to(outcome.consumed);
                let codec = FrameCodec::new(outcome.secrets);
                return Ok(Self {
                    stream,
                    codec,
                    input,
                });
            }
        }
    }

    fn frame(&mut self, code: u64, payload: &[u8]) -> io::Result<Vec<u8>> {
        let mut frame = Vec::new();
        let written = self.codec.encode(&mut frame, |out| {
            code.encode(out);
            out.extend_from_slice(payload);
        });
        written.map_err(io::Error::other)?;
        Ok(frame)
    }

    /// Sends a message with an arbitrary payload.
    ///
    /// # Errors
    /// The connection fails.
    pub async fn send(&mut self, code: u64, payload: &[u8]) -> io::Result<()> {
        let frame = self.frame(code, payload)?;
        self.stream.write_all(&frame).await
    }

    /// Sends the first half of a message's frame.
    ///
    /// # Errors
    /// The connection fails.
    pub async fn send_half(&mut self, code: u64, payload: &[u8]) -> io::Result<()> {
        let frame = self.frame(code, payload)?;
        let (half, _) = frame.split_at(frame.len() / 2);
        self.stream.write_all(half).await
    }

    /// Sends a Hello.
    ///
    /// # Errors
    /// The connection fails.
    pub async fn send_hello(&mut self, hello: &Hello) -> io::Result<()> {
        let mut payload = Vec::new();
        hello.encode_payload(&mut payload);
        self.send(HELLO, &payload).await
    }

    /// Receives the next message: its code and its payload.
    ///
    /// # Errors
    /// The connection fails or ends.
    pub async fn receive(&mut self) -> io::Result<(u64, Bytes)> {
        loop {
            let frame = self.codec.decode(&mut self.input, MAX_FRAME_SIZE);
            if let Some(frame) = frame.map_err(io::Error::other)? {
                let mut rest = frame.as_ref();
                let code = u64::decode(&mut rest).map_err(io::Error::other)?;
                return Ok((code, frame.slice_ref(rest)));
            }
            read(self.stream.as_mut(), &mut self.input).await?;
        }
    }

    /// Reads until the node disconnects; returns its reason.
    ///
    /// # Errors
    /// The node sends no reason.
    pub async fn disconnect_reason(&mut self) -> io::Result<DisconnectReason> {
        loop {
            if let (DISCONNECT, payload) = self.receive().await? {
                let mut rest = payload.as_ref();
                let mut list = actoreum_primitives::rlp::List::open(&mut rest);
                let code = list.as_mut().map(|list| list.next::<u64>());
                return match code {
                    Ok(Ok(code)) => {
                        let code = u8::try_from(code).unwrap_or(u8::MAX);
                        Ok(DisconnectReason::from_code(code))
                    }
                    _ => Err(io::Error::other("no reason")),
                };
            }
        }
    }
}
