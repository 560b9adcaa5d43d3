//! The DNS resolver of discovery: `hickory-resolver` over UDP, and over TCP for long answers.

use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tracing::warn;

/// Resolves names to TXT records.
pub(in crate::net) trait TxtResolver: Send + Sync {
    /// Returns the TXT records of a name without a dot at its end, each with its character strings
    /// joined. Records that are not UTF-8 are left out.
    ///
    /// # Errors
    /// A name without such records, or no answer of a server.
    fn texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, String>>;
}

/// The resolver over the network.
pub(in crate::net) struct HickoryResolver {
    /// The error where the system's configuration can't be read: no name is resolved then, and the node
    /// runs on.
    resolver: Result<TokioResolver, String>,
}

impl HickoryResolver {
    /// Creates a resolver that queries these servers; those of the system if there is none.
    pub(in crate::net) fn new(servers: &[SocketAddr]) -> Self {
        let resolver = build(servers);
        if let Err(error) = &resolver {
            warn!(%error, "no DNS discovery: name servers not known");
        }
        Self { resolver }
    }
}

fn build(servers: &[SocketAddr]) -> Result<TokioResolver, String> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio().map_err(|error| error.to_string())?
    } else {
        let servers = servers.iter().map(|at| name_server(*at)).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    // The walk has a cache of its own, and its checks of a root must see a new one.
    builder.options_mut().cache_size = 0;
    builder.build().map_err(|error| error.to_string())
}

fn name_server(at: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = at.port();
        connection
    });
    NameServerConfig::new(at.ip(), true, connections.into())
}

impl TxtResolver for HickoryResolver {
    fn texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, String>> {
        Box::pin(async move {
            let resolver = self.resolver.as_ref().map_err(Clone::clone)?;
            // The dot keeps the system's search domains out.
            let found = resolver.txt_lookup(format!("{name}.")).await;
            let found = found.map_err(|error| error.to_string())?;
            let texts = found
                .answers()
                .iter()
                .filter_map(|record| match &record.data {
                    RData::TXT(text) => String::from_utf8(text.txt_data.concat()).ok(),
                    _ => None,
                });
            Ok(texts.collect())
        })
    }
}
