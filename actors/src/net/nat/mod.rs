//! NatActor: gets the external address and port mappings from the router (UPnP or NAT-PMP).
//!
//! | message | effect |
//! |---|---|
//! | `Refresh` | a router is searched for where none is known; its external address is read, and the ports are mapped for [`super::limits::MAPPING_LIFETIME`] |
//!
//! Port mapping is optional: without a router, or with one that refuses, the node runs on, and
//! learns its address from other nodes. The mappings are removed when the actor stops.

pub(super) mod mechanism;
mod router;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use actoreum_messages::discovery::LocalNodeChanged;
use actoreum_wire::discv4::is_lan;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{debug, info};

pub use self::mechanism::Nat;
use self::router::{Port, Router};
use super::limits::{MAPPING_REFRESH, ROUTER_TIMEOUT};
use super::shared::Shared;
use actoreum_supervision::{Actor, Ctx, Exit, Failure, Handles, Message, Recipient};

/// Renews the port mappings. Sent by the actor's own timer.
#[derive(Debug, Message)]
struct Refresh;

/// The actor of port mappings; see the module.
pub struct NatActor {
    shared: Arc<Shared>,
    discovery: Recipient<LocalNodeChanged>,
    router: Option<Arc<Router>>,
    /// The mapped ports.
    open: Vec<Port>,
}

/// The result of a refresh.
struct Refreshed {
    router: Option<Arc<Router>>,
    address: Option<IpAddr>,
    open: Vec<Port>,
}

impl NatActor {
    /// Creates an actor that knows no router yet.
    pub(super) fn new(shared: Arc<Shared>, discovery: Recipient<LocalNodeChanged>) -> Self {
        Self {
            shared,
            discovery,
            router: None,
            open: Vec::new(),
        }
    }

    fn refreshed(&mut self, refreshed: Refreshed, ctx: &mut Ctx<Self>) {
        self.router = refreshed.router;
        self.open = refreshed.open;
        if let Some(address) = refreshed.address {
            self.shared.local.set_external(Some(address));
            // Where discovery is off, no other actor needs the address.
            let _ = self.discovery.tell(LocalNodeChanged);
        }
        ctx.notify_after(MAPPING_REFRESH, Refresh);
    }
}

/// Runs blocking work on a new thread, which is not joined when the node stops, since a router may
/// be slow.
///
/// # Errors
/// Where the work panicked, or no thread could be started.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, done) = oneshot::channel();
    std::thread::Builder::new()
        .name("router".to_owned())
        .spawn(move || drop(sender.send(work())))?;
    Ok(done.await?)
}

/// Finds a router where none is known, reads the external address, and maps the ports. Blocks for
/// seconds.
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
        // A router behind another router does not know the external address.
        Ok(address) if is_lan(address) => debug!(%address, "the router's address is private"),
        Ok(address) => {
            info!(%address, %router, "external address from the router");
            refreshed.address = Some(address);
        }
        Err(error) => {
            debug!(%error, %router, "no external address from the router");
            // The router may be gone: the next refresh searches for another one.
            refreshed.router = None;
        }
    }
    for port in ports {
        match router.open(port) {
            Ok(outside) => {
                info!(%port, outside, %router, "port mapped at the router");
                refreshed.open.push(port);
            }
            Err(error) => debug!(%port, %error, %router, "port not mapped at the router"),
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
        let closing = run_blocking(move || {
            for port in self.open {
                let closed = router.close(port);
                debug!(%port, is_closed = closed.is_ok(), "port mapping removed");
            }
        });
        // Where the router does not answer, the mappings end with their lifetime.
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
        let refreshing = run_blocking(move || refresh(nat, router, ports));
        ctx.spawn_then(refreshing, |actor, refreshed, ctx| match refreshed {
            Ok(refreshed) => actor.refreshed(refreshed, ctx),
            Err(error) => ctx.fail(error),
        });
    }
}
