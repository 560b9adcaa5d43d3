//! The methods about peers: listing, adding and removing them.

use std::sync::Arc;

use actoreum_actors::eth::EthInfo;
use actoreum_actors::net::ban_list::DroppedPeer;
use actoreum_actors::net::record::{Direction, PeerRecord};
use actoreum_actors::net::server::ServerActor;
use actoreum_messages::filter::{FilterId, Unsubscribe};
use actoreum_messages::server::{AddPeer, AddTrusted, RemovePeer, RemoveTrusted, SubscribePeers};
use actoreum_supervision::{Handles, Message};
use actoreum_wire::nodes::{EnodeError, NodeUrl};
use serde_json::{Value, json};

use super::bare_number;
use crate::error::{METHOD_NOT_FOUND, RpcError, truncate};
use crate::namespaces::eth::subscribe::unsubscribe;
use crate::node::{Node, unanswered};
use crate::server::connection::caller::Caller;
use crate::server::json::Serialized;
use crate::server::limits::MAX_ECHOED_NAME;
use crate::server::method::Method;

pub(super) fn methods() -> Vec<Method<Node>> {
    vec![
        Method::actor("admin_addPeer", &["url"], |node, (url,)| {
            tell_server(node, url, AddPeer)
        }),
        Method::actor("admin_removePeer", &["url"], |node, (url,)| {
            tell_server(node, url, RemovePeer)
        }),
        Method::actor("admin_addTrustedPeer", &["url"], |node, (url,)| {
            tell_server(node, url, AddTrusted)
        }),
        Method::actor("admin_removeTrustedPeer", &["url"], |node, (url,)| {
            tell_server(node, url, RemoveTrusted)
        }),
        Method::view("admin_peers", &["withDropped"], peers),
        Method::connection("admin_subscribe", &["topic"], subscribe),
        Method::connection("admin_unsubscribe", &["subscription"], unsubscribe),
    ]
}

/// Sends ServerActor a message about a node. True means that the message was accepted, as in geth:
/// its effect shows in `admin_peers`.
async fn tell_server<M>(
    node: Arc<Node>,
    url: String,
    message: impl FnOnce(NodeUrl) -> M,
) -> Result<bool, RpcError>
where
    M: Message<Result = ()> + Send + 'static,
    ServerActor: Handles<M>,
{
    let network = node.network()?;
    let node: NodeUrl = url
        .parse()
        .map_err(|error: EnodeError| RpcError::server(format!("invalid enode: {error}")))?;
    let answer = network.server().ask(message(node));
    answer.await.map_err(unanswered)?;
    Ok(true)
}

/// Returns the peers in geth's format. On request, the peers that were dropped recently are
/// included.
fn peers(
    node: &Node,
    (with_dropped,): (Option<bool>,),
) -> Result<Serialized<Vec<Value>>, RpcError> {
    let Some(network) = &node.network else {
        return Ok(Serialized(Vec::new()));
    };
    let mut all: Vec<Value> = network.peers().iter().map(|it| describe(it)).collect();
    if with_dropped == Some(true) {
        all.extend(network.dropped().iter().map(describe_dropped));
    }
    Ok(Serialized(all))
}

/// Describes a peer in geth's format, with its score and the reasons of the score, which geth does
/// not report.
fn describe(peer: &PeerRecord) -> Value {
    let capabilities: Vec<String> = peer.capabilities.iter().map(ToString::to_string).collect();
    let eth = match peer.protocol_info.get::<EthInfo>().as_deref() {
        Some(EthInfo {
            version,
            range: Some(range),
            ..
        }) => json!({
            "version": version,
            "earliestBlock": range.earliest,
            "latestBlock": range.latest,
            "latestBlockHash": range.latest_hash,
        }),
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

/// Describes a peer that was dropped: the members that it had as a peer, with the reason, and the
/// seconds for which the peer is still banned.
fn describe_dropped(peer: &DroppedPeer) -> Value {
    let mut described = json!({
        "id": peer.id.to_string(),
        "caps": [],
        "protocols": {},
        "dropped": {
            "reason": peer.reason,
            "secondsAgo": peer.at.elapsed().as_secs(),
            "times": peer.times,
            "keptAwayFor": peer.left().map_or(0, |left| left.as_secs_f64().ceil() as u64),
        },
    });
    if let (Some(summary), Some(described)) = (&peer.summary, described.as_object_mut()) {
        let members = [
            ("enode", json!(summary.enode.to_string())),
            ("name", json!(summary.client_name)),
            (
                "network",
                json!({ "remoteAddress": summary.remote.to_string() }),
            ),
            ("score", json!(summary.score)),
        ];
        described.extend(members.map(|(name, value)| (name.to_owned(), value)));
    }
    described
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
            // If ServerActor is down, the subscription has ended with it.
            let _ = ending.tell(Unsubscribe { id });
        },
    )?;
    Ok(id.to_string())
}
