//! Chains of in-memory networks, and the making of their blocks.

use std::sync::Arc;

use actoreum_actors::clock::ChainClock;
use actoreum_chain::{BuildPlan, ChainReader, build};
use actoreum_consensus::{Clique, CliqueError, Engine, Ethash, EthashOptions, SealCheck};
use actoreum_primitives::config::EngineConfig;
use actoreum_primitives::{Address, B256, Block, Bytes, Genesis, SecretKey};
use actoreum_txpool::Snapshot;
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::node::key;

/// Id of the chain and of its network.
pub const NETWORK_ID: u64 = 1337;

/// Numbers of the nodes whose keys hold ether.
const FUNDED_NODES: std::ops::Range<u32> = 1..17;

/// Contract that payments go to; it logs the payer.
pub(super) const PAYMENT_CONTRACT: Address = Address::repeat_byte(0x77);
/// CALLER, PUSH1 0, PUSH1 0, LOG1, STOP.
const PAYMENT_CONTRACT_CODE: &str = "3360006000a100";

/// Seconds between a block and its parent where every node may seal.
const BLOCK_TIME: u64 = 13;

/// The nodes that may seal.
#[derive(Debug, Clone)]
pub enum Sealers {
    /// Every node: the engine is ethash, and the proof of work is not checked.
    AnyNode,
    /// The nodes with these numbers, by clique. The genesis is old, so that blocks can be made
    /// without waiting.
    Signers(Vec<u32>),
}

impl Sealers {
    /// Returns the genesis of their chain.
    pub fn genesis(&self) -> Genesis {
        let (engine, difficulty, extra_data) = match self {
            Self::AnyNode => ("\"ethash\":{}", "0x20000", String::new()),
            Self::Signers(numbers) => {
                let signers = numbers.iter().map(|it| key(*it).address());
                let mut signers: Vec<Address> = signers.collect();
                signers.sort_unstable();
                let signers: String = signers.iter().map(hex::encode).collect();
                let (vanity, seal) = ("00".repeat(32), "00".repeat(65));
                let engine = "\"clique\":{\"period\":1,\"epoch\":30000}";
                (engine, "0x1", format!("{vanity}{signers}{seal}"))
            }
        };
        let mut alloc: Vec<String> = FUNDED_NODES
            .map(|number| {
                let address = hex::encode(key(number).address());
                format!("\"{address}\":{{\"balance\":\"0xd3c21bcecceda1000000\"}}")
            })
            .collect();
        let paid = hex::encode(PAYMENT_CONTRACT);
        alloc.push(format!(
            "\"{paid}\":{{\"balance\":\"0x0\",\"code\":\"0x{PAYMENT_CONTRACT_CODE}\"}}"
        ));
        let json = format!(
            r#"{{"config":{{"chainId":{NETWORK_ID},"homesteadBlock":0,"eip150Block":0,
                "eip155Block":0,"eip158Block":0,"byzantiumBlock":0,"constantinopleBlock":0,
                "petersburgBlock":0,{engine}}},"difficulty":"{difficulty}","gasLimit":"0x800000",
                "timestamp":"0x5c000000","extraData":"0x{extra_data}","alloc":{{{}}}}}"#,
            alloc.join(",")
        );
        Genesis::from_json(&json).unwrap()
    }
}

/// Makes the blocks of a node.
#[derive(Clone)]
pub(super) struct BlockMaker {
    pub engine: Arc<dyn Engine>,
    /// The clock of the node's chain.
    pub clock: ChainClock,
    /// The same engine, where it is clique.
    clique: Option<Arc<Clique>>,
    key: SecretKey,
}

impl BlockMaker {
    /// Creates the engine of the chain's configuration, with a node's key to sign.
    pub fn new(chain_reader: &ChainReader, key: SecretKey) -> Self {
        if let EngineConfig::Clique(settings) = chain_reader.config().engine() {
            let clique = Arc::new(Clique::new(settings, None));
            clique.set_signer(Some(key.address()));
            return Self {
                engine: clique.clone(),
                clock: ChainClock::default(),
                clique: Some(clique),
                key,
            };
        }
        let ethash = Ethash::new(EthashOptions::default(), SealCheck::None);
        Self {
            engine: Arc::new(ethash),
            clock: ChainClock::default(),
            clique: None,
            key,
        }
    }

    /// Returns a block on the chain's head, which no other node makes, with the transactions of a
    /// pool; `None` where it is not the key's turn to seal.
    pub fn make_block(&self, chain_reader: &ChainReader, pool: &Snapshot) -> Option<Block> {
        let parent = chain_reader.head();
        let plan = BuildPlan {
            time: parent.timestamp + BLOCK_TIME,
            gas_limit: parent.gas_limit,
            extra_data: Bytes::new(),
            author: self.key.address(),
            edit: None,
            chosen: actoreum_chain::ChosenFields::default(),
            parent,
        };
        let block = build(
            chain_reader,
            self.engine.as_ref(),
            plan,
            |_, builder, body| {
                for offer in pool.best(None) {
                    let transaction = offer.transaction();
                    if builder.try_transaction(transaction, offer.sender()).is_ok() {
                        body.transactions.push(transaction.clone());
                    }
                }
                Ok(())
            },
        );
        let mut block = block.unwrap();
        let Some(clique) = &self.clique else {
            return Some(block);
        };
        let now = self.clock.now();
        let mut random = StdRng::seed_from_u64(1);
        clique
            .plan_seal(chain_reader, &block.header, true, now, &mut random)
            .ok()?;
        let sign = |hash: B256| Ok::<_, CliqueError>(self.key.sign(hash));
        clique.seal(&mut block.header, sign).unwrap();
        Some(block)
    }
}
