//! Peers: who is connected, and who shall be.

use std::sync::Arc;

use actoreum_actors::net::peer::{Direction, PeerRecord};
use actoreum_actors::net::server::ServerActor;
use actoreum_actors::supervision::{Handles, Message};
use actoreum_messages::filter::{FilterId, Unsubscribe};
use actoreum_messages::server::{AddPeer, AddTrusted, RemovePeer, RemoveTrusted, SubscribePeers};
use actoreum_wire::nodes::Enode;
use serde_json::{Value, json};

use super::bare_number;
use crate::connection::Caller;
use crate::error::{METHOD_NOT_FOUND, RpcError, truncate};
use crate::eth::subscribe::unsubscribe;
use crate::json::Serialized;
use crate::limits::MAX_ECHOED_NAME;
use crate::method::Method;
use crate::node::{Node, unanswered};

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::actor("admin_addPeer", &["url"], |node, (url,)| {
            order(node, url, AddPeer)
        }),
        Method::actor("admin_removePeer", &["url"], |node, (url,)| {
            order(node, url, RemovePeer)
        }),
        Method::actor("admin_addTrustedPeer", &["url"], |node, (url,)| {
            order(node, url, AddTrusted)
        }),
        Method::actor("admin_removeTrustedPeer", &["url"], |node, (url,)| {
            order(node, url, RemoveTrusted)
        }),
        Method::view("admin_peers", &[], peers),
        Method::connection("admin_subscribe", &["topic"], subscribe),
        Method::connection("admin_unsubscribe", &["subscription"], unsubscribe),
    ]
}

/// Gives an order about a node to ServerActor. True means that it was taken, as in geth: what
/// comes of it is seen in `admin_peers`.
async fn order<M>(
    node: Arc<Node>,
    url: String,
    message: impl FnOnce(Enode) -> M,
) -> Result<bool, RpcError>
where
    M: Message<Result = ()> + Send + 'static,
    ServerActor: Handles<M>,
{
    let network = node.network()?;
    let enode: Enode = url
        .parse()
        .map_err(|error| RpcError::server(format!("invalid enode: {error}")))?;
    let answer = network.server().ask(message(enode));
    answer.await.map_err(unanswered)?;
    Ok(true)
}

fn peers(node: &Node, (): ()) -> Result<Serialized<Vec<Value>>, RpcError> {
    let network = node.network.get();
    let peers = network.map(|network| network.peers()).unwrap_or_default();
    Ok(Serialized(peers.iter().map(|it| describe(it)).collect()))
}

/// A peer in geth's form, with what geth does not tell: its score and why it has it.
fn describe(peer: &PeerRecord) -> Value {
    let capabilities: Vec<String> = peer.capabilities.iter().map(ToString::to_string).collect();
    let eth = match *peer.eth.lock() {
        Some(eth) => json!({
            "version": eth.version,
            "difficulty": bare_number(eth.total_difficulty),
            "head": eth.head,
        }),
        None => json!("handshake"),
    };
    json!({
        "enode": peer.enode().to_string(),
        "id": peer.id.to_string(),
        "name": peer.client_name,
        "caps": capabilities,
        "network": {
            "localAddress": peer.local.to_string(),
            "remoteAddress": peer.remote.to_string(),
            "inbound": peer.direction == Direction::Inbound,
            "trusted": peer.is_trusted(),
            "static": peer.direction == Direction::Static,
        },
        "protocols": { "eth": eth },
        "score": peer.traffic.score(),
        "notes": peer.notes(),
    })
}

fn subscribe(node: &Node, caller: &Caller, (name,): (String,)) -> Result<String, RpcError> {
    if name != "peerEvents" {
        let shown = truncate(&name, MAX_ECHOED_NAME);
        return Err(RpcError::new(
            METHOD_NOT_FOUND,
            format!("The method admin_{shown} does not exist/is not available"),
        ));
    }
    let server = node.network()?.server().clone();
    let id = FilterId(rand::random());
    let ending = server.clone();
    caller.subscribe(
        id,
        move |subscriber| server.tell(SubscribePeers { id, subscriber }).is_ok(),
        move || {
            // Where it is down, the subscription is gone with it.
            let _ = ending.tell(Unsubscribe { id });
        },
    )?;
    Ok(id.to_string())
}
