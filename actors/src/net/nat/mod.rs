//! NatActor: asks the router for the outside address and for open ports.
//!
//! | message | what happens |
//! |---|---|
//! | `Refresh` | a router is looked for where there is none; it tells its address and opens the ports, for a while |
//!
//! All of it is beside the node's work: without a router, or with one that refuses, the node goes
//! on, and peers that connect tell its address. At its stop the ports are closed again.

mod router;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;

use actoreum_messages::discovery::LocalNodeChanged;
use actoreum_wire::discv4::is_lan;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{debug, info};

use self::router::{Port, Router};
use super::Shared;
use super::limits::{MAPPING_REFRESH, ROUTER_TIMEOUT};
use crate::supervision::{Actor, Ctx, Exit, Failure, Handles, Message};

/// How the outside address becomes known, and who opens the ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Nat {
    /// Nobody: peers that connect tell it.
    None,
    /// The operator says it.
    External(IpAddr),
    /// Whichever router answers.
    #[default]
    Any,
    /// A router that speaks UPnP.
    Upnp,
    /// A router that speaks NAT-PMP: this one, or the one that the system's default route names.
    Pmp(Option<Ipv4Addr>),
}

impl FromStr for Nat {
    type Err = String;

    /// Reads geth's forms: `any`, `none`, `upnp`, `pmp`, `pmp:IP`, `extip:IP`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, ip) = text.split_once(':').unwrap_or((text, ""));
        let wrong = |_| format!("{text:?}: {ip:?} is no IP address");
        match (kind.to_ascii_lowercase().as_str(), ip) {
            ("" | "none" | "off", "") => Ok(Self::None),
            ("any" | "auto" | "on", "") => Ok(Self::Any),
            ("upnp", "") => Ok(Self::Upnp),
            ("pmp" | "natpmp" | "nat-pmp", "") => Ok(Self::Pmp(None)),
            ("pmp" | "natpmp" | "nat-pmp", _) => Ok(Self::Pmp(Some(ip.parse().map_err(wrong)?))),
            ("extip" | "ip", _) => Ok(Self::External(ip.parse().map_err(wrong)?)),
            _ => Err(format!(
                "{text:?} is no way through a router; use any, none, upnp, pmp or extip:IP"
            )),
        }
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::External(address) => write!(f, "extip:{address}"),
            Self::Any => f.write_str("any"),
            Self::Upnp => f.write_str("upnp"),
            Self::Pmp(None) => f.write_str("pmp"),
            Self::Pmp(Some(address)) => write!(f, "pmp:{address}"),
        }
    }
}

impl Nat {
    /// Whether a router is to be asked.
    pub(super) fn asks_router(self) -> bool {
        matches!(self, Self::Any | Self::Upnp | Self::Pmp(_))
    }
}

/// Ask the router again. From: the actor's own timer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Refresh;

/// See the module.
pub struct NatActor {
    shared: Arc<Shared>,
    router: Option<Arc<Router>>,
    /// Ports that were opened.
    open: Vec<Port>,
}

/// What came of asking the router.
struct Refreshed {
    router: Option<Arc<Router>>,
    address: Option<IpAddr>,
    open: Vec<Port>,
}

impl NatActor {
    /// An actor that knows no router yet.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            router: None,
            open: Vec::new(),
        }
    }

    fn refreshed(&mut self, refreshed: Refreshed, ctx: &mut Ctx<Self>) {
        self.router = refreshed.router;
        self.open = refreshed.open;
        if let Some(address) = refreshed.address {
            self.shared.local.set_external(Some(address));
            // Where discovery is off nobody else needs to know.
            let _ = self.shared.discovery.tell(LocalNodeChanged);
        }
        ctx.notify_after(MAPPING_REFRESH, Refresh);
    }
}

/// Runs work that blocks on a thread of its own, which nobody waits for at the node's stop: a
/// router may take its time. An error says that it panicked, or that there is no thread.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, done) = oneshot::channel();
    std::thread::Builder::new()
        .name("router".to_owned())
        .spawn(move || drop(sender.send(work())))?;
    Ok(done.await?)
}

/// Finds a router where there is none, learns the address, and opens the ports anew.
/// It takes seconds, on a thread of its own.
fn refresh(nat: Nat, known: Option<Arc<Router>>, ports: Vec<Port>) -> Refreshed {
    let mut refreshed = Refreshed {
        router: known,
        address: None,
        open: Vec::new(),
    };
    if refreshed.router.is_none() {
        refreshed.router = Router::find(nat).map(Arc::new);
    }
    let Some(router) = refreshed.router.clone() else {
        debug!(%nat, "no router answers");
        return refreshed;
    };
    match router.external_address() {
        // A router behind another router does not know it.
        Ok(address) if is_lan(address) => debug!(%address, "the router is inside, too"),
        Ok(address) => {
            info!(%address, %router, "the router tells our address");
            refreshed.address = Some(address);
        }
        Err(error) => {
            debug!(%error, %router, "the router does not tell our address");
            // It may be gone: the next time another is looked for.
            refreshed.router = None;
        }
    }
    for port in ports {
        match router.open(port) {
            Ok(outside) => {
                info!(%port, outside, %router, "port opened at the router");
                refreshed.open.push(port);
            }
            Err(error) => debug!(%port, %error, %router, "port not opened at the router"),
        }
    }
    refreshed
}

impl Actor for NatActor {
    fn started(&mut self, ctx: &mut Ctx<Self>) -> Result<(), Failure> {
        ctx.notify(Refresh);
        Ok(())
    }

    async fn stopped(self, _: &Exit) {
        let Some(router) = self.router else { return };
        let closing = beside(move || {
            for port in self.open {
                let closed = router.close(port);
                debug!(%port, is_closed = closed.is_ok(), "port given back");
            }
        });
        // A router that does not answer closes them when their time is over.
        let _ = timeout(ROUTER_TIMEOUT, closing).await;
    }
}

impl Handles<Refresh> for NatActor {
    type Answer = ();

    fn handle(&mut self, Refresh: Refresh, ctx: &mut Ctx<Self>) {
        let endpoint = self.shared.local.info().endpoint;
        let ports = [Port::Tcp(endpoint.tcp), Port::Udp(endpoint.udp)];
        let ports = ports.into_iter().filter(|port| port.number() != 0);
        let ports = ports.collect();
        let (nat, router) = (self.shared.settings.nat, self.router.clone());
        let refreshing = beside(move || refresh(nat, router, ports));
        ctx.spawn_then(refreshing, |actor, refreshed, ctx| match refreshed {
            Ok(refreshed) => actor.refreshed(refreshed, ctx),
            Err(error) => ctx.fail(error),
        });
    }
}
