//! The table of all methods: each namespace brings its rows.

use std::sync::Arc;

use crate::method::Method;
use crate::node::Node;
use crate::{admin, clique, debug, dev, eth, miner, net, personal, txpool, web3};

/// Every method of the node. To add one, write its function in its namespace's module
/// and give it a row in that module's `methods`.
pub fn methods(node: &Node) -> Vec<Arc<Method<Node>>> {
    let mut methods = Vec::new();
    methods.extend(admin::methods());
    methods.extend(debug::methods());
    methods.extend(eth::methods());
    methods.extend(net::methods());
    methods.extend(personal::methods());
    methods.extend(txpool::methods());
    methods.extend(web3::methods());
    if node.sealing.get().is_some_and(|sealing| sealing.is_dev) {
        methods.extend(dev::methods());
    }
    if node.sealing.get().is_some() {
        methods.extend(miner::methods());
    }
    if node.clique.is_some() {
        methods.extend(clique::methods());
    }
    methods.into_iter().map(Arc::new).collect()
}

/// The namespaces that HTTP and WebSocket offer where the operator names none, as in
/// geth: nothing that tells about the machine or spends a key.
pub const PUBLIC: [&str; 3] = ["eth", "net", "web3"];
