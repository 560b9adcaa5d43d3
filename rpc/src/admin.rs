//! `admin_*`: the node about itself.

use actoreum_actors::supervision::NodeSnapshot;
use serde_json::{Value, json};

use crate::error::RpcError;
use crate::json::Serialized;
use crate::method::Method;
use crate::node::{Node, storage};

pub(crate) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::view("admin_actors", &[], actors),
        Method::view("admin_datadir", &[], data_dir),
        Method::view("admin_nodeInfo", &[], node_info),
    ]
}

/// The supervision tree with every metric.
fn actors(node: &Node, (): ()) -> Result<Serialized<NodeSnapshot>, RpcError> {
    let tree = node
        .tree
        .get()
        .ok_or_else(|| RpcError::server("the node is starting"))?;
    Ok(Serialized(tree.snapshot()))
}

fn data_dir(node: &Node, (): ()) -> Result<String, RpcError> {
    Ok(node.settings.data_dir.clone().unwrap_or_default())
}

fn node_info(node: &Node, (): ()) -> Result<Serialized<Value>, RpcError> {
    let view = node.chain.view();
    let difficulty = view.total_difficulty();
    let config = serde_json::to_value(&**node.chain.config()).map_err(storage)?;
    // geth writes the difficulty as a bare decimal number.
    let difficulty = serde_json::from_str::<Value>(&difficulty.to_string())
        .unwrap_or_else(|_| Value::String(difficulty.to_string()));
    Ok(Serialized(json!({
        "name": node.settings.client_version,
        "protocols": {
            "eth": {
                "network": node.settings.network_id,
                "difficulty": difficulty,
                "genesis": node.chain.genesis_hash(),
                "config": config,
                "head": view.head().hash(),
            },
        },
    })))
}
