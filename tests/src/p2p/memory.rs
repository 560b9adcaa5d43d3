//! In-memory network with the delays, losses and partitions of real ones.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use actoreum_actors::net::transport::{DatagramSocket, Listen, ListenAddress, Transport, Wire};
use actoreum_supervision::SeededRng;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Bytes that a stream buffers for a reader that does not read.
const STREAM_BUFFER: usize = 64 * 1024;

/// Maximum number of connections that wait to be accepted.
const BACKLOG: usize = 128;

/// Maximum number of datagrams that a socket buffers.
const DATAGRAM_BUFFER: usize = 1024;

type Future_<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The network. Cheap to clone.
#[derive(Clone)]
pub struct MemoryNet {
    state: Arc<Mutex<State>>,
    seed: u64,
}

struct State {
    delay: Duration,
    loss: f64,
    /// Partition that an address is in; 0 where it is in none.
    parts: HashMap<IpAddr, u32>,
    listeners: HashMap<SocketAddr, mpsc::Sender<Wire>>,
    sockets: HashMap<SocketAddr, mpsc::Sender<(SocketAddr, Vec<u8>)>>,
    next_port: u16,
    random: StdRng,
    streams: usize,
}

impl MemoryNet {
    /// Creates a network whose messages take `delay`.
    pub fn new(delay: Duration) -> Self {
        Self::seeded(delay, 1)
    }

    /// Creates a network as [`new`](Self::new) does; a seed determines losses and the random
    /// choices of the nodes.
    pub fn seeded(delay: Duration, seed: u64) -> Self {
        Self {
            seed,
            state: Arc::new(Mutex::new(State {
                delay,
                loss: 0.0,
                parts: HashMap::new(),
                listeners: HashMap::new(),
                sockets: HashMap::new(),
                next_port: 40_000,
                random: StdRng::seed_from_u64(seed),
                streams: 0,
            })),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Returns the random generator of the node with this number.
    pub fn rng(&self, number: u32) -> SeededRng {
        SeededRng::seeded(self.seed.wrapping_mul(1 << 32) ^ u64::from(number))
    }

    /// Sets the delay of messages.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Sets the share of datagrams that is lost.
    pub fn set_loss(&self, share: f64) {
        self.state().loss = share;
    }

    /// Separates these addresses from all others. Bytes of streams between them wait; datagrams are
    /// lost.
    pub fn cut_off(&self, addresses: &[IpAddr]) {
        self.state().parts = addresses.iter().map(|it| (*it, 1)).collect();
    }

    /// Ends the partition.
    pub fn heal(&self) {
        self.state().parts.clear();
    }

    /// Returns the number of open streams.
    pub fn streams(&self) -> usize {
        self.state().streams
    }

    /// Returns the number of open sockets and listeners.
    pub fn sockets(&self) -> usize {
        let mut state = self.state();
        state.sockets.retain(|_, socket| !socket.is_closed());
        state.listeners.retain(|_, listener| !listener.is_closed());
        state.sockets.len() + state.listeners.len()
    }

    /// Returns a host with this address.
    pub fn host(&self, address: IpAddr) -> Host {
        Host {
            net: self.clone(),
            address,
        }
    }
}

impl State {
    fn is_joined(&self, one: IpAddr, other: IpAddr) -> bool {
        let part = |address| self.parts.get(&address).copied().unwrap_or(0);
        part(one) == part(other)
    }

    fn take_port(&mut self, wanted: u16) -> u16 {
        if wanted != 0 {
            return wanted;
        }
        self.next_port += 1;
        self.next_port
    }
}

/// A host of the network: the [`Transport`] of a node.
#[derive(Clone)]
pub struct Host {
    net: MemoryNet,
    address: IpAddr,
}

impl Host {
    /// Sends a datagram from any port, without a node.
    pub fn send(&self, from_port: u16, to: SocketAddr, datagram: Vec<u8>) {
        let from = SocketAddr::new(self.address, from_port);
        deliver(&self.net, from, to, datagram);
    }
}

/// Carries bytes one way, with the network's delay, until one end closes. Returns true where the
/// receiver is gone: then nothing is carried back either.
async fn carry(
    net: MemoryNet,
    (one, other): (IpAddr, IpAddr),
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
) -> bool {
    let mut buffer = vec![0; STREAM_BUFFER];
    while let Ok(count) = from.read(&mut buffer).await {
        let delay = net.state().delay;
        sleep(delay).await;
        while !net.state().is_joined(one, other) {
            sleep(Duration::from_millis(100)).await;
        }
        if count == 0 {
            break;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return true;
        }
    }
    to.shutdown().await.is_err()
}

/// Guard that counts an open stream.
struct StreamGuard(MemoryNet);

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.state().streams -= 1;
    }
}

impl Transport for Host {
    fn connect(&self, to: SocketAddr) -> Future_<'_, io::Result<Wire>> {
        Box::pin(async move {
            let delay = self.net.state().delay;
            sleep(2 * delay).await;
            let (listener, local) = {
                let mut state = self.net.state();
                let port = state.take_port(0);
                let is_joined = state.is_joined(self.address, to.ip());
                let listener = state.listeners.get(&to).cloned().filter(|_| is_joined);
                (listener, SocketAddr::new(self.address, port))
            };
            let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?;
            let (ours, near) = tokio::io::duplex(STREAM_BUFFER);
            let (theirs, far) = tokio::io::duplex(STREAM_BUFFER);
            let (near_read, near_write) = tokio::io::split(near);
            let (far_read, far_write) = tokio::io::split(far);
            self.net.state().streams += 1;
            let counted = StreamGuard(self.net.clone());
            let ends = (self.address, to.ip());
            let there = carry(self.net.clone(), ends, near_read, far_write);
            let back = carry(self.net.clone(), ends, far_read, near_write);
            actix::spawn(async move {
                tokio::pin!(there, back);
                let is_broken = tokio::select! {
                    biased;
                    is_broken = &mut there => is_broken || back.await,
                    is_broken = &mut back => is_broken || there.await,
                };
                drop((is_broken, counted));
            });
            let wire = Wire {
                stream: Box::new(theirs),
                local: to,
                remote: local,
            };
            let sent = listener.try_send(wire);
            sent.map_err(|_| io::ErrorKind::ConnectionRefused)?;
            Ok(Wire {
                stream: Box::new(ours),
                local,
                remote: to,
            })
        })
    }

    fn listen(&self, at: ListenAddress) -> io::Result<Box<dyn Listen>> {
        let mut state = self.net.state();
        let address = SocketAddr::new(self.address, state.take_port(at.port));
        let taken = state.listeners.get(&address);
        if taken.is_some_and(|listener| !listener.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (sender, connections) = mpsc::channel(BACKLOG);
        state.listeners.insert(address, sender);
        Ok(Box::new(Listener {
            address,
            connections,
        }))
    }

    fn bind(&self, at: ListenAddress) -> io::Result<Box<dyn DatagramSocket>> {
        let mut state = self.net.state();
        let address = SocketAddr::new(self.address, state.take_port(at.port));
        let taken = state.sockets.get(&address);
        if taken.is_some_and(|socket| !socket.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (sender, arrived) = mpsc::channel(DATAGRAM_BUFFER);
        state.sockets.insert(address, sender);
        Ok(Box::new(Socket {
            net: self.net.clone(),
            address,
            arrived: Mutex::new(arrived),
        }))
    }
}

struct Listener {
    address: SocketAddr,
    connections: mpsc::Receiver<Wire>,
}

impl Listen for Listener {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn accept(&mut self) -> Future_<'_, io::Result<Wire>> {
        Box::pin(async {
            let next = self.connections.recv().await;
            next.ok_or_else(|| io::ErrorKind::NotConnected.into())
        })
    }
}

struct Socket {
    net: MemoryNet,
    address: SocketAddr,
    arrived: Mutex<mpsc::Receiver<(SocketAddr, Vec<u8>)>>,
}

fn deliver(net: &MemoryNet, from: SocketAddr, to: SocketAddr, datagram: Vec<u8>) {
    let (socket, delay) = {
        let mut state = net.state();
        let loss = state.loss;
        let is_lost = loss > 0.0 && state.random.random_bool(loss);
        if is_lost || !state.is_joined(from.ip(), to.ip()) {
            return;
        }
        (state.sockets.get(&to).cloned(), state.delay)
    };
    let Some(socket) = socket else { return };
    actix::spawn(async move {
        sleep(delay).await;
        // A full buffer loses the datagram, as a kernel's does.
        let _ = socket.try_send((from, datagram));
    });
}

impl DatagramSocket for Socket {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn try_send(&self, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        deliver(&self.net, self.address, to, datagram.to_vec());
        Ok(())
    }

    fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut arrived = self.arrived.lock().unwrap();
        match arrived.poll_recv(cx) {
            Poll::Ready(Some((from, datagram))) => {
                let count = datagram.len().min(buffer.len());
                buffer[..count].copy_from_slice(&datagram[..count]);
                Poll::Ready(Ok((count, from)))
            }
            Poll::Ready(None) => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}
