//! Somebody who is no node: says on an encrypted connection what it likes.

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

/// The base protocol's version whose messages are not compressed.
pub const UNCOMPRESSED: u64 = 4;

const HELLO: u64 = 0;
const DISCONNECT: u64 = 1;

/// A connection behind its encryption handshake. Nothing that it sends is compressed.
pub struct Stranger {
    stream: Box<dyn ByteStream>,
    codec: FrameCodec,
    input: BytesMut,
}

/// What a stranger says of itself, honest but for what a test changes.
pub fn hello(key: &SecretKey) -> Hello {
    Hello {
        version: UNCOMPRESSED,
        client_name: "stranger".to_owned(),
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

impl Stranger {
    /// Dials a node and encrypts.
    ///
    /// # Errors
    /// Those of the connection, and its end before the handshake's.
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

    /// Sends a message as it stands.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn send(&mut self, code: u64, payload: &[u8]) -> io::Result<()> {
        let frame = self.frame(code, payload)?;
        self.stream.write_all(&frame).await
    }

    /// Sends the first half of a message's frame.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn send_half(&mut self, code: u64, payload: &[u8]) -> io::Result<()> {
        let frame = self.frame(code, payload)?;
        let (half, _) = frame.split_at(frame.len() / 2);
        self.stream.write_all(half).await
    }

    /// Sends a Hello.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn greet(&mut self, hello: &Hello) -> io::Result<()> {
        let mut payload = Vec::new();
        hello.encode_payload(&mut payload);
        self.send(HELLO, &payload).await
    }

    /// The next message: its code and its payload.
    ///
    /// # Errors
    /// Those of the connection, and its end.
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

    /// Reads until the node ends the connection; the reason that it gives.
    ///
    /// # Errors
    /// Where it gives none.
    pub async fn farewell(&mut self) -> io::Result<DisconnectReason> {
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
