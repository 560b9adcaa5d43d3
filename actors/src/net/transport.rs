//! The abstraction over sockets: the operating system's, or an in-memory network for tests.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// The byte stream of a connection.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// An established connection.
pub struct Wire {
    /// The byte stream.
    pub stream: Box<dyn ByteStream>,
    /// The local address.
    pub local: SocketAddr,
    /// The remote address.
    pub remote: SocketAddr,
}

/// A listening socket.
pub trait Listen: Send {
    /// Returns the address that the socket listens at.
    fn address(&self) -> SocketAddr;

    /// Waits for the next connection. Dropping the future loses no connection.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Wire>>;
}

/// A socket for datagrams.
pub trait DatagramSocket: Send + Sync {
    /// Returns the address that the socket is bound to.
    fn address(&self) -> SocketAddr;

    /// Sends a datagram, or fails at once.
    ///
    /// # Errors
    /// The socket's errors; `WouldBlock` where its buffer is full.
    fn try_send(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<()>;

    /// Receives a datagram; a longer one is cut to the length of `buffer`. Returns its length and
    /// its sender.
    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>>;
}

/// A network that connections and datagrams go through.
pub trait Transport: Send + Sync {
    /// Connects to an address.
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Wire>>;

    /// Listens at an address; port 0 means any.
    ///
    /// # Errors
    /// The socket's errors, with geth's text: `listen tcp :30303: bind: address already in use`.
    fn listen(&self, at: ListenAddress) -> io::Result<Box<dyn Listen>>;

    /// Opens a socket for datagrams; port 0 means any.
    ///
    /// # Errors
    /// As [`Transport::listen`].
    fn bind(&self, at: ListenAddress) -> io::Result<Box<dyn DatagramSocket>>;
}

/// The reason for which a transport cannot listen: the error inside of the [`io::Error`] of
/// [`Transport::listen`] and [`Transport::bind`], in geth's words.
#[derive(Debug, thiserror::Error)]
#[error("listen {network} {at}: bind: {reason}")]
pub struct BindError {
    /// The network: `tcp` or `udp`.
    pub network: &'static str,
    /// The address.
    pub at: ListenAddress,
    /// The system's reason, in its usual words.
    pub reason: String,
}

/// The address to listen at: one address, or all addresses of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress {
    /// `None`: all addresses, IPv4 and IPv6.
    pub ip: Option<std::net::IpAddr>,
    /// The port; 0: any free one.
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

    /// Parses `:30303` or `127.0.0.1:30303`.
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
