//! The method table: the rows of all namespaces.

pub(crate) mod admin;
pub mod block_id;
pub(crate) mod clique;
pub(crate) mod debug;
pub mod dev;
pub mod eth;
pub(crate) mod keys;
pub(crate) mod miner;
pub(crate) mod net;
pub(crate) mod personal;
pub(crate) mod quick;
pub(crate) mod rpc;
pub(crate) mod sampled_tips;
pub mod sealing;
pub(crate) mod testing;
pub(crate) mod txpool;
pub(crate) mod web3;

use std::sync::Arc;

use crate::fork;
use crate::node::Node;
use crate::server::method::Method;

/// Returns every method of the node. To add a method, write its function in the module of its
/// namespace and add a row to that module's `methods`.
pub fn methods(node: &Node) -> Vec<Arc<Method<Node>>> {
    let mut methods = Vec::new();
    methods.extend(admin::methods());
    methods.extend(debug::methods());
    methods.extend(eth::methods());
    methods.extend(net::methods());
    methods.extend(personal::methods());
    methods.extend(testing::methods());
    methods.extend(txpool::methods());
    methods.extend(web3::methods());
    if node.dev().is_ok() {
        methods.extend(dev::methods());
    }
    if node.sealing.is_some() {
        methods.extend(miner::methods());
    }
    if node.clique.is_some() {
        methods.extend(clique::methods());
    }
    if let Some(fork) = &node.fork {
        methods = fork::with_answers(methods, fork);
    }
    methods.into_iter().map(Arc::new).collect()
}

/// The namespaces that HTTP and WebSocket offer by default, as in geth: none of their methods
/// reveals anything about the machine or uses a key.
pub const PUBLIC: [&str; 3] = ["eth", "net", "web3"];
