//! The `admin` namespace: the node itself, and its peers.

mod peers;

use actoreum_actors::net::transport::ListenAddress;
use actoreum_supervision::NodeSnapshot;
use serde_json::{Value, json};

use crate::error::RpcError;
use crate::node::{Node, starting, storage};
use crate::server::json::Serialized;
use crate::server::method::Method;

pub(crate) fn methods() -> Vec<Method<Node>> {
    let mut methods = vec![
        Method::view("admin_actors", &[], actors),
        Method::view("admin_datadir", &[], data_dir),
        Method::view("admin_nodeInfo", &[], node_info),
    ];
    methods.extend(peers::methods());
    methods
}

/// Returns the supervision tree with all its metrics.
fn actors(node: &Node, (): ()) -> Result<Serialized<NodeSnapshot>, RpcError> {
    let tree = node.tree.get().ok_or_else(starting)?;
    Ok(Serialized(tree.snapshot()))
}

fn data_dir(node: &Node, (): ()) -> Result<String, RpcError> {
    Ok(node.settings.data_dir.clone().unwrap_or_default())
}

/// Renders a number of any size as a bare JSON number, as geth writes difficulties.
fn bare_number(number: impl std::fmt::Display) -> Value {
    let digits = number.to_string();
    serde_json::from_str(&digits).unwrap_or(Value::String(digits))
}

fn node_info(node: &Node, (): ()) -> Result<Serialized<Value>, RpcError> {
    let view = node.chain_reader.view();
    let config = serde_json::to_value(&**node.chain_reader.config()).map_err(storage)?;
    let mut info = json!({
        "name": node.settings.client_version,
        "protocols": {
            "eth": {
                "network": node.settings.network_id,
                "difficulty": bare_number(view.total_difficulty()),
                "genesis": node.chain_reader.genesis_hash(),
                "config": config,
                "head": view.head().hash(),
            },
        },
    });
    if let (Some(network), Some(info)) = (&node.network, info.as_object_mut()) {
        let local = network.local();
        let endpoint = local.endpoint;
        let ListenAddress { ip, .. } = network.settings().listen;
        let listen_addr = match ip {
            Some(ip) => std::net::SocketAddr::new(ip, endpoint.tcp).to_string(),
            None => format!("[::]:{}", endpoint.tcp),
        };
        let fields = [
            ("id", json!(local.id.to_string())),
            ("enode", json!(local.enode.to_string())),
            ("enr", json!(local.record.to_string())),
            ("ip", json!(endpoint.address)),
            (
                "ports",
                json!({ "discovery": endpoint.udp, "listener": endpoint.tcp }),
            ),
            ("listenAddr", json!(listen_addr)),
        ];
        info.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    }
    Ok(Serialized(info))
}
