//! Port mapping by UPnP or NAT-PMP. All functions block: they must run on a separate thread.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use igd_next::{Gateway, PortMappingProtocol, SearchOptions, search_gateway};
use natpmp::{Natpmp, Protocol, Response};
use tracing::debug;

use super::mechanism::Nat;
use crate::net::limits::{MAPPING_LIFETIME, ROUTER_TIMEOUT};

/// The description of the mapping in the router's list.
const DESCRIPTION: &str = "actoreum";

/// Pause between two polls for an answer.
const POLL_PERIOD: Duration = Duration::from_millis(20);

/// A local port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Tcp(u16),
    Udp(u16),
}

impl Port {
    pub(super) fn number(self) -> u16 {
        match self {
            Self::Tcp(number) | Self::Udp(number) => number,
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(number) => write!(f, "tcp/{number}"),
            Self::Udp(number) => write!(f, "udp/{number}"),
        }
    }
}

/// A router that answered.
pub(super) enum Router {
    Upnp {
        gateway: Box<Gateway>,
        /// This machine's address in the router's network.
        local: IpAddr,
    },
    Pmp(Ipv4Addr),
}

/// The error of a request to a router.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct RouterError(String);

fn failed(error: impl fmt::Display) -> RouterError {
    RouterError(error.to_string())
}

impl Router {
    /// Searches for a router; returns `None` where none answers. NAT-PMP is tried first, since its
    /// absence is known soonest.
    pub(super) fn find(nat: Nat) -> Option<Self> {
        match nat {
            Nat::None | Nat::External(_) => None,
            Nat::Upnp => Self::find_upnp(SearchOptions::default()),
            Nat::Pmp(address) => Self::find_pmp(address),
            Nat::Any => Self::find_pmp(None).or_else(|| Self::find_upnp(SearchOptions::default())),
        }
    }

    pub(super) fn find_upnp(mut options: SearchOptions) -> Option<Self> {
        options.timeout = Some(ROUTER_TIMEOUT);
        let gateway = match search_gateway(options) {
            Ok(gateway) => gateway,
            Err(error) => {
                debug!(%error, "no UPnP router");
                return None;
            }
        };
        let local = local_towards(gateway.addr).ok()?;
        Some(Self::Upnp {
            gateway: Box::new(gateway),
            local,
        })
    }

    fn find_pmp(address: Option<Ipv4Addr>) -> Option<Self> {
        let router = Self::Pmp(address.or_else(default_gateway)?);
        match router.external_address() {
            Ok(_) => Some(router),
            Err(error) => {
                debug!(%error, %router, "no NAT-PMP router");
                None
            }
        }
    }

    /// Returns the router's external address.
    pub(super) fn external_address(&self) -> Result<IpAddr, RouterError> {
        match self {
            Self::Upnp { gateway, .. } => gateway.get_external_ip().map_err(failed),
            Self::Pmp(address) => match pmp(*address, Natpmp::send_public_address_request)? {
                Response::Gateway(answer) => Ok(IpAddr::V4(*answer.public_address())),
                _ => Err(failed("an answer to another question")),
            },
        }
    }

    /// Maps a port to the same external port, or to another one that a NAT-PMP router assigns, for
    /// [`MAPPING_LIFETIME`]. Returns the external port.
    pub(super) fn open(&self, port: Port) -> Result<u16, RouterError> {
        let seconds = u32::try_from(MAPPING_LIFETIME.as_secs()).unwrap_or(u32::MAX);
        let number = port.number();
        match self {
            Self::Upnp { gateway, local } => {
                let inside = SocketAddr::new(*local, number);
                let opened = gateway.add_port(upnp(port), number, inside, seconds, DESCRIPTION);
                opened.map_err(failed)?;
                Ok(number)
            }
            Self::Pmp(address) => map(*address, port, number, seconds),
        }
    }

    /// Removes the mapping of a port.
    pub(super) fn close(&self, port: Port) -> Result<(), RouterError> {
        match self {
            Self::Upnp { gateway, .. } => {
                let closed = gateway.remove_port(upnp(port), port.number());
                closed.map_err(failed)
            }
            // RFC 6886, 3.4: lifetime and external port are zero.
            Self::Pmp(address) => map(*address, port, 0, 0).map(drop),
        }
    }
}

fn upnp(port: Port) -> PortMappingProtocol {
    match port {
        Port::Tcp(_) => PortMappingProtocol::TCP,
        Port::Udp(_) => PortMappingProtocol::UDP,
    }
}

/// Maps a port by NAT-PMP. Returns the external port.
fn map(router: Ipv4Addr, port: Port, outside: u16, seconds: u32) -> Result<u16, RouterError> {
    let protocol = match port {
        Port::Tcp(_) => Protocol::TCP,
        Port::Udp(_) => Protocol::UDP,
    };
    let request = |client: &mut Natpmp| {
        client.send_port_mapping_request(protocol, port.number(), outside, seconds)
    };
    match pmp(router, request)? {
        Response::TCP(answer) | Response::UDP(answer) => Ok(answer.public_port()),
        Response::Gateway(_) => Err(failed("an answer to another question")),
    }
}

/// Sends a request to a NAT-PMP router, and retries until it answers or [`ROUTER_TIMEOUT`] is over.
fn pmp(
    router: Ipv4Addr,
    request: impl FnOnce(&mut Natpmp) -> natpmp::Result<()>,
) -> Result<Response, RouterError> {
    let mut client = Natpmp::new_with(router).map_err(failed)?;
    request(&mut client).map_err(failed)?;
    let polls = ROUTER_TIMEOUT.as_millis() / POLL_PERIOD.as_millis();
    for _ in 0..polls {
        match client.read_response_or_retry() {
            Err(natpmp::Error::NATPMP_TRYAGAIN) => thread::sleep(POLL_PERIOD),
            answer => return answer.map_err(failed),
        }
    }
    Err(failed("no answer"))
}

impl fmt::Display for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upnp { gateway, .. } => write!(f, "UPnP router {}", gateway.addr.ip()),
            Self::Pmp(address) => write!(f, "NAT-PMP router {address}"),
        }
    }
}

/// Returns this machine's address in the direction of `other`. Sends nothing.
fn local_towards(other: SocketAddr) -> std::io::Result<IpAddr> {
    let any: SocketAddr = match other {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(other)?;
    Ok(socket.local_addr()?.ip())
}

/// Returns the gateway of the system's default route (Linux only; elsewhere it must be configured).
fn default_gateway() -> Option<Ipv4Addr> {
    gateway_in(&std::fs::read_to_string("/proc/net/route").ok()?)
}

/// Returns the gateway of the default route in the kernel's table, whose addresses are hexadecimal,
/// in the machine's byte order.
pub(super) fn gateway_in(routes: &str) -> Option<Ipv4Addr> {
    routes.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (destination, gateway) = (fields.next()?, fields.next()?);
        let gateway = u32::from_str_radix(gateway, 16).ok()?;
        let is_default = destination == "00000000" && gateway != 0;
        is_default.then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
    })
}
