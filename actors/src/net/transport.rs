//! What the actors need of a network: the operating system's, or one in memory for tests.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection's bytes.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// A connection that stands.
pub struct Wire {
    /// Its bytes.
    pub stream: Box<dyn ByteStream>,
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

/// Takes connections.
pub trait Listen: Send {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// Waits for the next connection. Dropping the future loses none.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Wire>>;
}

/// Sends and takes datagrams.
pub trait Datagrams: Send + Sync {
    /// Where they arrive.
    fn address(&self) -> SocketAddr;

    /// Sends one, or fails at once.
    ///
    /// # Errors
    /// Those of the socket; `WouldBlock` where there is no room now.
    fn try_send(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<()>;

    /// Takes one; what is longer than `buffer` is cut.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;
}

/// A network.
pub trait Transport: Send + Sync {
    /// Connects to an address.
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Wire>>;

    /// Listens at an address; port 0 means any.
    ///
    /// # Errors
    /// Those of the socket, in geth's words: `listen tcp :30303: bind: address already in use`.
    fn listen(&self, at: ListenAddress) -> io::Result<Box<dyn Listen>>;

    /// Opens a socket for datagrams; port 0 means any.
    ///
    /// # Errors
    /// As [`Transport::listen`].
    fn bind(&self, at: ListenAddress) -> io::Result<Box<dyn Datagrams>>;
}

/// Where to listen: at one address, or at all of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress {
    /// `None`: all addresses, IPv4 and IPv6.
    pub ip: Option<std::net::IpAddr>,
    /// 0: any that is free.
    pub port: u16,
}

impl std::fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ip {
            Some(ip) => write!(f, "{}", SocketAddr::new(ip, self.port)),
            None => write!(f, ":{}", self.port),
        }
    }
}

impl std::str::FromStr for ListenAddress {
    type Err = String;

    /// Reads `:30303` or `127.0.0.1:30303`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no address to listen at; use \":30303\" or \"IP:PORT\"");
        if let Some(port) = text.strip_prefix(':') {
            let port = port.parse().map_err(|_| wrong())?;
            return Ok(Self { ip: None, port });
        }
        let address: SocketAddr = text.parse().map_err(|_| wrong())?;
        let (ip, port) = (address.ip(), address.port());
        let ip = (!ip.is_unspecified()).then_some(ip);
        Ok(Self { ip, port })
    }
}
