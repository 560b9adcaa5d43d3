//! The `web3` namespace.

use actoreum_primitives::{B256, Bytes, keccak256};

use crate::error::RpcError;
use crate::node::Node;
use crate::server::method::Method;

pub(crate) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("web3_clientVersion", &[], client_version),
        Method::view("web3_sha3", &["input"], sha3),
    ]
}

fn client_version(node: &Node, (): ()) -> Result<String, RpcError> {
    Ok(node.client_version())
}

fn sha3(_: &Node, (input,): (Bytes,)) -> Result<B256, RpcError> {
    Ok(keccak256(input))
}
