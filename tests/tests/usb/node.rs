//! A node with all components that a wallet's request passes through, and a simulated bus.

use std::{sync::Arc, time::Duration};

use actoreum_actors::{
    accounts::{AccountsSetup, UnlockedKeys},
    txpool::{TxPoolHandle, TxPoolSetup},
    usb::{DEVICE_THREADS, UsbSetup},
};
use actoreum_chain::{ChainReader, genesis};
use actoreum_consensus::Clique;
use actoreum_primitives::{Address, Genesis, config::EngineConfig};
use actoreum_rpc::{
    namespaces,
    namespaces::sealing::Keys,
    node::{Node, NodeHandles, NodeSettings},
    server::dispatch::{DispatchLimits, Dispatcher},
    server::pool::HeavyPool,
};
use actoreum_storage::Store;
use actoreum_supervision::{ActorRef, ChildSpec, Pool, Strategy, SupervisorSpec, Tree};
use actoreum_tests::usb::SimulatedBus;
use actoreum_txpool::{PoolConfig, PoolReader};
use actoreum_wallet::{KeyDirectory, ScryptCost};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Timeout that is longer than any wait here on a busy machine.
pub const TIMEOUT: Duration = Duration::from_secs(60);
const CHAIN_ID: u64 = 1337;

/// A node with a simulated bus.
pub struct WalletNode {
    pub bus: SimulatedBus,
    pub tree: Tree,
    dispatcher: Dispatcher<Node>,
    _keys: TempDir,
}

fn genesis_of(rich: &[Address]) -> Genesis {
    let alloc = rich.iter().map(|address| {
        let balance = json!({"balance": "0xde0b6b3a7640000"});
        (hex::encode(address), balance)
    });
    let spec = json!({
        "config": {
            "chainId": CHAIN_ID, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0,
            "eip158Block": 0, "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0,
            "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
            "clique": {"period": 0, "epoch": 30_000}
        },
        "difficulty": "0x1",
        "gasLimit": "0x7a1200",
        "extraData": format!("0x{}{}{}", "00".repeat(32), "11".repeat(20), "00".repeat(65)),
        "alloc": alloc.collect::<serde_json::Map<_, _>>(),
    });
    Genesis::from_json(&spec.to_string()).unwrap()
}

impl WalletNode {
    /// Starts a node on a chain where these accounts have ether.
    pub async fn start(bus: SimulatedBus, rich: &[Address]) -> Self {
        let store = Store::memory();
        genesis::init(&store, &genesis_of(rich)).unwrap();
        let reader = ChainReader::open(store).unwrap();
        let EngineConfig::Clique(config) = reader.config().engine() else {
            panic!("not clique")
        };
        let clique = Arc::new(Clique::new(config, None));
        let settings = NodeSettings::new("Actoreum/test", CHAIN_ID);

        let (signatures, pool) = (Pool::new("signatures", 1), ActorRef::new("pool"));
        let pooled = PoolReader::default();
        let (scrypt, accounts) = (Pool::new("scrypt", 1), ActorRef::new("accounts"));
        let (devices, hub) = (Pool::new("devices", DEVICE_THREADS), ActorRef::new("hub"));
        let handles = NodeHandles {
            clique: Some(clique.clone()),
            txpool: TxPoolHandle::new(
                pool.clone(),
                pooled.clone(),
                reader.clone(),
                signatures.clone(),
            ),
            keys: Keys::new(accounts.clone(), Some(hub.clone())),
            ..NodeHandles::new(reader.clone(), clique)
        };
        let node = Node::new(handles, settings);
        let clock = node.clock.clone();
        let txpool = TxPoolSetup::new(reader.clone(), pooled, PoolConfig::default(), clock);

        let folder = tempfile::tempdir().unwrap();
        let key_files = AccountsSetup {
            keys: KeyDirectory::new(folder.path().to_owned(), ScryptCost::LIGHT),
            threads: scrypt.clone(),
            unlocked: UnlockedKeys::default(),
            mnemonic_keys: Vec::new(),
        };
        let usb = UsbSetup {
            bus: Arc::new(bus.clone()),
            threads: devices.clone(),
            chain_reader: reader,
        };
        let spec = SupervisorSpec::new("node", Strategy::OneForOne)
            .child(signatures.child())
            .child(scrypt.child())
            .child(ChildSpec::new(&pool, move || txpool.clone().start()))
            .child(ChildSpec::new_async(&accounts, move || {
                key_files.clone().start()
            }))
            .child(
                SupervisorSpec::new("usb", Strategy::RestForOne)
                    .child(devices.child())
                    .child(ChildSpec::new(&hub, move || usb.clone().start())),
            );
        let methods = namespaces::methods(&node);
        let offered = ["eth", "personal"].map(String::from);
        let dispatcher = Dispatcher::new(
            Arc::new(node),
            &methods,
            &offered,
            HeavyPool::alone(1, 100).unwrap(),
            DispatchLimits::default(),
        );
        Self {
            bus,
            tree: Tree::start(spec).await.unwrap(),
            dispatcher,
            _keys: folder,
        }
    }

    /// Calls a method; returns its result, or its error's text.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, String> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = self.dispatcher.answer(body.to_string().as_bytes()).await;
        let mut answer: Value = serde_json::from_slice(&answer.body).unwrap();
        match answer["error"]["message"].as_str() {
            Some(text) => Err(text.to_owned()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Returns the wallet with this URL, as it is listed.
    pub async fn wallet(&self, url: &str) -> Option<Value> {
        let all = self.call("personal_listWallets", json!([])).await.unwrap();
        let all = all.as_array().unwrap();
        all.iter().find(|wallet| wallet["url"] == url).cloned()
    }

    /// Waits until the wallet (null where there is none) satisfies `is_wanted`.
    pub async fn wait_for(&self, url: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = tokio::time::Instant::now();
        loop {
            let wallet = self.wallet(url).await.unwrap_or_default();
            if is_wanted(&wallet) {
                return wallet;
            }
            assert!(begun.elapsed() < TIMEOUT, "{wallet}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until an account is among those of the node.
    pub async fn wait_for_account(&self, account: Address) {
        let begun = tokio::time::Instant::now();
        loop {
            let all = self.call("eth_accounts", json!([])).await.unwrap();
            if all
                .as_array()
                .unwrap()
                .contains(&json!(account.to_string().to_lowercase()))
            {
                return;
            }
            assert!(begun.elapsed() < TIMEOUT, "{all} lacks {account}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
