//! How many files and sockets this process may open, and the share of an HTTP server.

use std::sync::LazyLock;

use actoreum_rpc::{
    http::ServerLimits,
    limits::{MAX_RPC_QUEUED_BYTES, http_connections, rpc_connections},
    quota::SharedQuota,
};

/// The limit, raised once as far as it may be raised without rights, as geth does: shells give 1,024
/// where the system allows half a million.
static OPEN_FILES: LazyLock<u64> = LazyLock::new(raise);

/// What the clients of an HTTP server may take in this process.
pub fn server_limits(workers: usize) -> ServerLimits {
    ServerLimits {
        connections: http_connections(*OPEN_FILES),
        ..ServerLimits::new(workers)
    }
}

/// What the clients of JSON-RPC over all transports may take together in this process.
pub fn rpc_quota() -> SharedQuota {
    SharedQuota::new(rpc_connections(*OPEN_FILES), MAX_RPC_QUEUED_BYTES)
}

#[cfg(unix)]
fn raise() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Some systems say "unlimited" and allow less: then it stays as it is.
    let _ = setrlimit(Resource::Nofile, raised);
    let now = getrlimit(Resource::Nofile).current;
    now.unwrap_or(u64::MAX)
}

#[cfg(not(unix))]
fn raise() -> u64 {
    u64::MAX
}
