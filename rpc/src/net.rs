//! `net_*`

use crate::error::RpcError;
use crate::method::Method;
use crate::node::Node;

pub(crate) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("net_listening", &[], listening),
        Method::view("net_peerCount", &[], peer_count),
        Method::view("net_version", &[], version),
    ]
}

/// True whatever `--maxpeers` says, as in geth.
fn listening(_: &Node, (): ()) -> Result<bool, RpcError> {
    Ok(true)
}

fn peer_count(node: &Node, (): ()) -> Result<u64, RpcError> {
    Ok(node.peer_count())
}

fn version(node: &Node, (): ()) -> Result<String, RpcError> {
    Ok(node.settings.network_id.to_string())
}
