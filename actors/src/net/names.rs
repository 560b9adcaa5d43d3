//! Host names of nodes.
//!
//! A name is resolved by the system, as the operator configured it: a hosts file, or the DNS server of
//! a container network. That blocks, so that it runs on a thread pool. Each dial of a static node
//! resolves its name again, and the names of bootnodes are resolved once in
//! [`BOOTNODE_NAMES_PERIOD`], so that a node is found again after its address changed.

use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use actoreum_wire::nodes::{Enode, NodeUrl};
use futures_util::{Stream, stream};
use tokio::time::sleep;
use tracing::{debug, warn};

use super::limits::{BOOTNODE_NAMES_PERIOD, NAME_TIMEOUT};
use super::shared::Shared;
use actoreum_supervision::{ChildSpec, JobError, Message, Pool};

/// Reason why a host name was not resolved.
#[derive(Debug, thiserror::Error)]
pub(super) enum NameError {
    #[error("{0}")]
    Lookup(#[from] io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("communication with its address is not allowed (--netrestrict)")]
    NotAllowed(IpAddr),
    #[error("{0}")]
    Job(#[from] JobError),
}

/// Reports the bootnodes with the present addresses of those that have host names.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
pub(super) struct Bootnodes(pub(super) Vec<Enode>);

/// The threads that resolve host names.
#[derive(Clone)]
pub(super) struct Names {
    threads: Pool,
    shared: Arc<Shared>,
}

impl Names {
    /// Creates the threads, which are not started yet.
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let threads = match shared.settings.file_threads {
            0 => Pool::inline("names"),
            threads => Pool::new("names", threads),
        };
        Self {
            threads,
            shared: Arc::clone(shared),
        }
    }

    /// Returns the specification of the thread pool.
    pub(super) fn child(&self) -> ChildSpec {
        self.threads.child()
    }

    /// Resolves the node's host name. Returns the node at the first address that communication is
    /// allowed with; a node without a host name as it is.
    ///
    /// # Errors
    /// The system's error, a name without an address that is allowed, or a pool that is down.
    pub(super) async fn resolve(&self, node: &NodeUrl) -> Result<Enode, NameError> {
        let Some(name) = node.host_name() else {
            return Ok(node.enode());
        };
        let name = Arc::clone(name);
        let look_up = move || -> io::Result<Vec<IpAddr>> {
            let found = (&*name, 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip().to_canonical()).collect())
        };
        let job = self.threads.job("ResolveName").deadline(NAME_TIMEOUT);
        let found = job.run(look_up).await??;
        let allowed = found
            .iter()
            .find(|address| self.shared.settings.allows(**address));
        match (allowed, found.first()) {
            (Some(address), _) => Ok(node.resolved(*address)),
            (None, Some(address)) => Err(NameError::NotAllowed(*address)),
            (None, None) => Err(NameError::NoAddress),
        }
    }

    /// Returns the bootnodes `urls` each time that an address among them has changed. Ends at once where none
    /// has a host name.
    pub(super) fn bootnodes(&self, urls: &[NodeUrl]) -> impl Stream<Item = Bootnodes> + use<> {
        let is_needed = urls.iter().any(|url| url.host_name().is_some());
        let begin = is_needed.then(|| Resolution {
            names: self.clone(),
            urls: urls.to_vec(),
            found: urls.iter().map(NodeUrl::enode).collect(),
            pause: Duration::ZERO,
        });
        stream::unfold(begin, |state| async move {
            let mut state = state?;
            state.next_change().await;
            Some((Bootnodes(state.found.clone()), Some(state)))
        })
    }
}

/// The resolution of the bootnodes' names.
struct Resolution {
    names: Names,
    urls: Vec<NodeUrl>,
    /// The bootnodes with the addresses that were found last.
    found: Vec<Enode>,
    /// Pause before the next round.
    pause: Duration,
}

impl Resolution {
    async fn next_change(&mut self) {
        loop {
            sleep(self.pause).await;
            let is_first = self.pause.is_zero();
            self.pause = BOOTNODE_NAMES_PERIOD;
            if self.look_up_all(is_first).await {
                return;
            }
        }
    }

    /// Resolves all names. Returns whether an address changed. A name that can't be resolved keeps its
    /// address.
    async fn look_up_all(&mut self, is_first: bool) -> bool {
        let mut is_changed = false;
        for (url, known) in self.urls.iter().zip(&mut self.found) {
            match self.names.resolve(url).await {
                Ok(now) => {
                    is_changed |= now != *known;
                    *known = now;
                }
                Err(error) if is_first => {
                    warn!(bootnode = %url, %error, "host name not resolved; it is tried again");
                }
                Err(error) => debug!(bootnode = %url, %error, "host name not resolved"),
            }
        }
        is_changed
    }
}
