//! The limit of open files and sockets of this process, and the share of an HTTP server.

use std::sync::LazyLock;

use actoreum_rpc::{
    server::http::ServerLimits,
    server::limits::{MAX_RPC_QUEUED_BYTES, http_connections, rpc_connections},
    server::quota::SharedQuota,
};

/// The limit of open files, raised once to the hard limit, as geth does: shells set 1,024 where the
/// system allows half a million.
static OPEN_FILES: LazyLock<u64> = LazyLock::new(raise);

/// Returns the limits of an HTTP server with this number of worker threads in this process.
pub fn server_limits(workers: usize) -> ServerLimits {
    ServerLimits {
        connections: http_connections(*OPEN_FILES),
        ..ServerLimits::new(workers)
    }
}

/// Returns the quota that the clients of JSON-RPC share over all transports.
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
    // Some systems report "unlimited" and allow less: then the limit stays as it is.
    let _ = setrlimit(Resource::Nofile, raised);
    let now = getrlimit(Resource::Nofile).current;
    now.unwrap_or(u64::MAX)
}

#[cfg(not(unix))]
fn raise() -> u64 {
    u64::MAX
}
