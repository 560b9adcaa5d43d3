//! The IPC server in a supervision tree: an actor for each client.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actoreum_rpc::server::connection::figures::OpenConnections;
use actoreum_rpc::server::dispatch::{DispatchLimits, Dispatcher};
use actoreum_rpc::server::ipc::IpcConfig;
use actoreum_rpc::server::method::Method;
use actoreum_rpc::server::pool::HeavyPool;
use actoreum_rpc::server::quota::SharedQuota;
use actoreum_supervision::testing::until;
use actoreum_supervision::{Outcome, Tree};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}"#;
const ANSWER: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x7\"}\n";
const LONG: Duration = Duration::from_secs(60);

struct Served {
    tree: Tree,
    connections: OpenConnections,
    quota: SharedQuota,
    folder: tempfile::TempDir,
}

impl Served {
    async fn start() -> Self {
        let methods = [Arc::new(Method::view(
            "eth_blockNumber",
            &[],
            |_: &(), ()| Ok(7u64),
        ))];
        let dispatcher = Dispatcher::new(
            Arc::new(()),
            &methods,
            &["eth".to_owned()],
            HeavyPool::new(1, 1),
            DispatchLimits::default(),
        );
        let folder = tempfile::tempdir().unwrap();
        let (connections, quota) = (OpenConnections::default(), SharedQuota::default());
        let config = IpcConfig {
            path: folder.path().join("ipc"),
            dispatcher: Arc::new(dispatcher),
            quota: quota.clone(),
            connections: connections.clone(),
        };
        let tree = Tree::start(config.supervisor()).await.unwrap();
        Self {
            tree,
            connections,
            quota,
            folder,
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("ipc")
    }

    /// Returns the names of the actors of the connections.
    fn actors(&self) -> Vec<String> {
        let root = self.tree.handle().snapshot();
        let connections = root.find("ipc/connections").unwrap();
        let names = connections.children.iter().map(|child| child.name.clone());
        names.collect()
    }

    async fn stop(self) -> Outcome {
        self.tree.shutdown().await
    }
}

async fn connect(path: &Path) -> UnixStream {
    let mut client = UnixStream::connect(path).await.unwrap();
    assert!(is_answered(&mut client).await);
    client
}

/// Returns whether a request is answered; false at the end of the connection.
async fn is_answered(client: &mut UnixStream) -> bool {
    if client.write_all(CALL).await.is_err() {
        return false;
    }
    let mut answer = vec![0; ANSWER.len()];
    match timeout(LONG, client.read_exact(&mut answer)).await.unwrap() {
        Ok(_) => {
            assert_eq!(answer, ANSWER);
            true
        }
        Err(_) => false,
    }
}

#[test]
fn each_client_has_an_actor_and_is_listed() {
    actoreum_supervision::block_on(async {
        let served = Served::start().await;
        let mut first = connect(&served.path()).await;
        let second = connect(&served.path()).await;
        assert!(is_answered(&mut first).await);
        assert_eq!(served.actors(), ["1", "2"]);
        // A client may read an answer before it is counted.
        let written = || {
            served
                .connections
                .read()
                .iter()
                .map(|it| it.messages_out)
                .sum::<u64>()
        };
        until(|| written() == 3).await;
        let [one, two] = served.connections.read()[..] else {
            panic!("{:?}", served.connections.read());
        };
        assert_eq!((one.id, one.client, two.id), (1, None, 2));
        assert_eq!((one.messages_in, two.messages_in), (2, 1));
        assert_eq!(one.bytes_in, 2 * CALL.len() as u64);
        assert_eq!(one.bytes_out, 2 * ANSWER.len() as u64);
        assert_eq!(served.quota.usage().connections, 2);
        drop(first);
        until(|| served.connections.read().len() == 1 && served.actors() == ["2"]).await;
        assert_eq!(served.quota.usage().connections, 1);
        drop(second);
        until(|| served.quota.usage().connections == 0).await;
        assert!(served.stop().await.is_clean());
    });
}

#[test]
fn a_crash_of_the_listener_costs_no_connection() {
    actoreum_supervision::block_on(async {
        let served = Served::start().await;
        let mut client = connect(&served.path()).await;
        let tree = served.tree.handle();
        tree.crash("ipc/listener").unwrap();
        let is_back = || {
            let root = tree.snapshot();
            let listener = root.find("ipc/listener").unwrap();
            listener.generation == 2 && listener.uptime_ms.is_some() && served.path().exists()
        };
        until(is_back).await;
        assert!(is_answered(&mut client).await);
        assert_eq!(served.connections.read().len(), 1);
        let other = connect(&served.path()).await;
        assert_eq!(served.actors(), ["1", "2"]);
        drop((client, other));
        until(|| served.connections.read().is_empty()).await;
        assert!(served.stop().await.is_clean());
    });
}

#[test]
fn a_crash_of_a_connection_ends_it_alone() {
    actoreum_supervision::block_on(async {
        let served = Served::start().await;
        let (mut first, mut second) =
            (connect(&served.path()).await, connect(&served.path()).await);
        served.tree.handle().crash("ipc/connections/1").unwrap();
        until(|| served.connections.read().len() == 1).await;
        assert!(!is_answered(&mut first).await);
        assert!(is_answered(&mut second).await);
        assert!(served.stop().await.is_clean());
        assert!(!is_answered(&mut second).await);
    });
}

#[test]
fn clients_beyond_the_limit_wait_for_a_place() {
    use actoreum_rpc::server::limits::MAX_IPC_CONNECTIONS;
    actoreum_supervision::block_on(async {
        let served = Served::start().await;
        let mut clients = Vec::new();
        for _ in 0..MAX_IPC_CONNECTIONS {
            clients.push(connect(&served.path()).await);
        }
        let mut late = UnixStream::connect(served.path()).await.unwrap();
        late.write_all(CALL).await.unwrap();
        assert_eq!(served.connections.read().len(), MAX_IPC_CONNECTIONS);
        clients.pop();
        let mut answer = vec![0; ANSWER.len()];
        let answered = timeout(LONG, late.read_exact(&mut answer)).await;
        answered.unwrap().unwrap();
        assert_eq!(answer, ANSWER);
        assert!(served.stop().await.is_clean());
    });
}
