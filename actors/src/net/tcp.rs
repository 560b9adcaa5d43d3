//! The [`Transport`] of the operating system.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::transport::{BindError, DatagramSocket, Listen, ListenAddress, Transport, Wire};
use crate::shared_socket::SharedSocket;

/// Backlog of the listening socket. Connections are accepted at once, so this only covers moments
/// in which the thread is busy.
const BACKLOG: i32 = 1024;

/// TCP and UDP sockets of the machine. Addresses are canonical: an IPv4 peer of a dual-stack socket
/// has its IPv4 address.
///
/// A transport belongs to one node: [`Transport::listen`] and [`Transport::bind`] open a socket at
/// the first call and return the same socket at each later one.
#[derive(Debug, Clone, Default)]
pub struct OsTransport {
    listener: SharedSocket,
    datagrams: SharedSocket,
}

impl Transport for OsTransport {
    fn connect(&self, to: SocketAddr) -> BoxFuture<'_, io::Result<Wire>> {
        async move { wire(TcpStream::connect(to).await?) }.boxed()
    }

    fn listen(&self, at: ListenAddress) -> io::Result<Box<dyn Listen>> {
        let open = || {
            let socket = bound(at, Type::STREAM)?;
            socket.listen(BACKLOG)?;
            Ok(socket)
        };
        let socket = self.listener.get(open);
        let socket = socket.and_then(|socket| TcpListener::from_std(socket.into()));
        let socket = socket.map_err(|error| explained("tcp", at, &error))?;
        Ok(Box::new(Listener {
            address: canonical(socket.local_addr()?),
            socket,
        }))
    }

    fn bind(&self, at: ListenAddress) -> io::Result<Box<dyn DatagramSocket>> {
        let socket = self.datagrams.get(|| bound(at, Type::DGRAM));
        let socket = socket.and_then(|socket| UdpSocket::from_std(socket.into()));
        let socket = socket.map_err(|error| explained("udp", at, &error))?;
        let own = socket.local_addr()?;
        Ok(Box::new(Udp {
            address: canonical(own),
            is_v6: own.is_ipv6(),
            socket,
        }))
    }
}

/// Returns a bound socket, a dual-stack one where no address is given and the machine has IPv6.
fn bound(at: ListenAddress, kind: Type) -> io::Result<Socket> {
    let open = |ip: IpAddr| {
        let address = SocketAddr::new(ip, at.port);
        let protocol = (kind == Type::DGRAM).then_some(Protocol::UDP);
        let socket = Socket::new(Domain::for_address(address), kind, protocol)?;
        if address.is_ipv6() {
            socket.set_only_v6(at.ip.is_some())?;
        }
        if kind == Type::STREAM {
            // A port whose last connections are still closing can be bound.
            socket.set_reuse_address(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    match at.ip {
        Some(ip) => open(ip),
        None => open(Ipv6Addr::UNSPECIFIED.into()).or_else(|error: io::Error| {
            let is_taken = error.kind() == io::ErrorKind::AddrInUse;
            if is_taken {
                Err(error)
            } else {
                open(Ipv4Addr::UNSPECIFIED.into())
            }
        }),
    }
}

fn explained(network: &'static str, at: ListenAddress, error: &io::Error) -> io::Error {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "address already in use".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AddrNotAvailable => "cannot assign requested address".to_owned(),
        _ => error.to_string(),
    };
    let explained = BindError {
        network,
        at,
        reason,
    };
    io::Error::new(error.kind(), explained)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn wire(stream: TcpStream) -> io::Result<Wire> {
    // Messages are written in one piece: Nagle's algorithm would only delay them.
    stream.set_nodelay(true)?;
    Ok(Wire {
        local: canonical(stream.local_addr()?),
        remote: canonical(stream.peer_addr()?),
        stream: Box::new(stream),
    })
}

struct Listener {
    address: SocketAddr,
    socket: TcpListener,
}

impl Listen for Listener {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn accept(&mut self) -> BoxFuture<'_, io::Result<Wire>> {
        async move { wire(self.socket.accept().await?.0) }.boxed()
    }
}

struct Udp {
    address: SocketAddr,
    is_v6: bool,
    socket: UdpSocket,
}

impl DatagramSocket for Udp {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn try_send(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let to = match (self.is_v6, to.ip()) {
            (true, IpAddr::V4(ip)) => SocketAddr::new(ip.to_ipv6_mapped().into(), to.port()),
            _ => to,
        };
        // Bypasses the runtime, which returns `WouldBlock` until it has polled the socket once.
        SockRef::from(&self.socket)
            .send_to(datagram, &to.into())
            .map(drop)
    }

    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        let from = ready!(self.socket.poll_recv_from(cx, &mut buffer))?;
        Poll::Ready(Ok((buffer.filled().len(), canonical(from))))
    }
}
