//! Connections of RPC clients, as the page shows them.

use actoreum_rpc::{
    node::Node,
    server::connection::figures::{ConnectionFigures, OpenConnections},
};
use serde::Serialize;

/// Bounds the connections that the page shows; their number is shown too.
const MAX_CONNECTIONS_SHOWN: usize = 64;

/// Connections of RPC clients over all transports.
#[derive(Debug, Serialize)]
pub struct ConnectionsStatus {
    /// Open connections over HTTP, WebSocket and IPC.
    pub open: usize,
    max: usize,
    /// Bytes of the requests, answers and notifications that wait.
    pub bytes: usize,
    max_bytes: usize,
    /// Number of open connections over WebSocket and IPC.
    lasting_count: usize,
    /// The oldest of these.
    lasting: Vec<ConnectionStatus>,
}

#[derive(Debug, Serialize)]
struct ConnectionStatus {
    server: &'static str,
    id: u64,
    /// The client's address; `None` on the IPC socket.
    client: Option<String>,
    age_ms: u64,
    messages_in: u64,
    bytes_in: u64,
    messages_out: u64,
    bytes_out: u64,
}

impl ConnectionStatus {
    fn of(server: &'static str, figures: &ConnectionFigures) -> Self {
        Self {
            server,
            id: figures.id,
            client: figures.client.map(|client| client.to_string()),
            age_ms: u64::try_from(figures.age.as_millis()).unwrap_or(u64::MAX),
            messages_in: figures.messages_in,
            bytes_in: figures.bytes_in,
            messages_out: figures.messages_out,
            bytes_out: figures.bytes_out,
        }
    }
}

/// Returns the servers whose connections carry more than one request, by name.
pub fn servers(node: &Node) -> [(&'static str, &OpenConnections); 3] {
    let all = &node.connections;
    [("http", &all.http), ("ws", &all.ws), ("ipc", &all.ipc)]
}

impl ConnectionsStatus {
    /// Returns the current connections.
    pub fn of(node: &Node) -> Self {
        let usage = node.settings.quota.usage();
        let all = servers(node).map(|(server, open)| (server, open.read()));
        let mut lasting: Vec<_> = all
            .iter()
            .flat_map(|(server, open)| open.iter().map(move |it| ConnectionStatus::of(server, it)))
            .collect();
        let lasting_count = lasting.len();
        lasting.sort_by_key(|connection| std::cmp::Reverse(connection.age_ms));
        lasting.truncate(MAX_CONNECTIONS_SHOWN);
        Self {
            open: usage.connections,
            max: usage.max_connections,
            bytes: usage.bytes,
            max_bytes: usage.max_bytes,
            lasting_count,
            lasting,
        }
    }
}
