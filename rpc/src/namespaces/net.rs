//! The `net` namespace.

use crate::error::RpcError;
use crate::node::Node;
use crate::server::method::Method;

pub(crate) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("net_listening", &[], listening),
        Method::view("net_peerCount", &[], peer_count),
        Method::view("net_version", &[], version),
    ]
}

/// Returns true whatever `--maxpeers` says, as in geth.
fn listening(_: &Node, (): ()) -> Result<bool, RpcError> {
    Ok(true)
}

fn peer_count(node: &Node, (): ()) -> Result<u64, RpcError> {
    Ok(node.peer_count())
}

fn version(node: &Node, (): ()) -> Result<String, RpcError> {
    Ok(node.network_id().to_string())
}
