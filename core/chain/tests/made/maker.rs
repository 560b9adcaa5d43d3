//! Generator of blocks, which works like a node: built on the head, sealed by the engine, imported.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64},
};

use actoreum_chain::{BuildError, BuildPlan, Chain, ChainOptions, ChainReader, Detail, build};
use actoreum_chain::{ImportReport, genesis};
use actoreum_consensus::{
    Clique, CliqueError, Engine, Ethash, EthashOptions, SealCheck,
    clique::unsealed_extra,
    ethash::{DataSizes, epoch_of, search},
};
use actoreum_evm::{BlockBuilder, TxError};
use actoreum_primitives::{
    Address, B256, Block, Body, Bytes, Genesis, GenesisAccount, Header, LegacyTx, SecretKey,
    Transaction, TxPayload, U256, recover_senders,
};
use actoreum_storage::Store;

/// A clock value above every generated timestamp.
const FAR_FUTURE: u64 = 4_000_000_000;
/// The first timestamp.
pub const START: u64 = 1_000_000;
/// Gas price of every transaction: above any base fee of these chains.
pub const GAS_PRICE: u64 = 100_000_000_000;

pub fn key(number: u8) -> SecretKey {
    SecretKey::from_bytes(&[number; 32]).unwrap()
}

/// Returns the signers of a clique chain, sorted: the keys 1 to 3.
pub fn signers() -> Vec<Address> {
    let mut signers: Vec<_> = (1..=3).map(|number| key(number).address()).collect();
    signers.sort();
    signers
}

/// Returns a genesis with ether for the keys 1 to 6; its extra data lists the signers if the config
/// is clique.
pub fn genesis_of(config: actoreum_primitives::ChainConfig) -> Genesis {
    let rich = |number| {
        let balance = U256::from(10).pow(U256::from(24));
        let account = GenesisAccount {
            balance,
            ..GenesisAccount::default()
        };
        (key(number).address(), account)
    };
    let extra_data = match config.clique {
        Some(_) => unsealed_extra(b"", signers()),
        None => Bytes::new(),
    };
    Genesis {
        config,
        extra_data,
        difficulty: U256::from(131_072),
        gas_limit: 30_000_000,
        timestamp: START,
        alloc: (1..=6).map(rich).collect(),
        ..Genesis::default()
    }
}

/// The kind of seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seals {
    /// Clique signatures.
    Clique,
    /// Ethash proof of work with the small dataset, verified.
    Ethash,
    /// Ethash rules without verification of seals.
    Unsealed,
}

/// Returns a new engine and a sealer for it.
pub fn engine(seals: Seals, genesis: &Genesis) -> (Arc<dyn Engine>, Sealer) {
    let ethash = |check| {
        let options = EthashOptions {
            sizes: DataSizes::Small,
            ..EthashOptions::default()
        };
        Arc::new(Ethash::new(options, check))
    };
    match seals {
        Seals::Clique => {
            let clique = Arc::new(Clique::new(genesis.config.clique.unwrap(), None));
            (clique.clone(), Sealer::Clique(clique))
        }
        Seals::Ethash => {
            let ethash = ethash(SealCheck::Full);
            (ethash.clone(), Sealer::Ethash(ethash))
        }
        Seals::Unsealed => {
            let ethash = ethash(SealCheck::None);
            (ethash.clone(), Sealer::Unsealed)
        }
    }
}

/// Opens the chain in a store, or initializes it there.
pub fn open(store: Store, genesis_of: &Genesis, engine: Arc<dyn Engine>) -> Chain {
    genesis::init(&store, genesis_of).unwrap();
    let reader = ChainReader::open(store).unwrap();
    let options = ChainOptions {
        engine,
        interrupt: Arc::default(),
        now: Arc::new(|| FAR_FUTURE),
    };
    Chain::open(reader, options).unwrap()
}

/// Imports blocks that must be valid.
pub fn import(chain: &mut Chain, blocks: &[Block]) -> ImportReport {
    let report = chain.import(blocks, Detail::EveryBlock);
    assert!(report.refused.is_none(), "{:?}", report.refused);
    report
}

pub enum Sealer {
    Clique(Arc<Clique>),
    Ethash(Arc<Ethash>),
    Unsealed,
}

impl Sealer {
    /// Seals a header; on clique, as this signer.
    pub fn seal(&self, header: &mut Header, signer: Address) {
        match self {
            Self::Clique(clique) => {
                let key = (1..=3)
                    .map(key)
                    .find(|key| key.address() == signer)
                    .unwrap();
                let sign = |hash: B256| Ok::<_, CliqueError>(key.sign(hash));
                clique.seal(header, sign).unwrap();
            }
            Self::Ethash(ethash) => {
                let dataset = ethash.dataset(epoch_of(header.number), &|_| {}).unwrap();
                let (stop, attempts) = (AtomicBool::new(false), AtomicU64::new(0));
                let seal_hash = ethash.seal_hash(header).unwrap();
                let nonces = 0..u64::MAX;
                let difficulty = header.difficulty;
                search(&dataset, seal_hash, difficulty, nonces, &stop, &attempts)
                    .unwrap()
                    .seal(header);
            }
            Self::Unsealed => {}
        }
    }
}

/// The parameters of a block.
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    /// Minimum number of seconds after the parent.
    pub seconds: u64,
    /// The vanity byte.
    pub vanity: u8,
    /// On clique, the index of the preferred signer; the next signer that is allowed seals
    /// otherwise.
    pub signer: usize,
    /// Candidates for ommers.
    pub ommers: Vec<Header>,
}

pub struct Maker {
    pub chain: Chain,
    pub engine: Arc<dyn Engine>,
    pub sealer: Sealer,
}

impl Maker {
    pub fn new(seals: Seals, genesis: &Genesis, store: Store) -> Self {
        let (engine, sealer) = engine(seals, genesis);
        Self {
            chain: open(store, genesis, engine.clone()),
            engine,
            sealer,
        }
    }

    /// Returns the recipient of the next block's fees: on clique the signer, which is set in the
    /// engine too.
    fn author(&self, recipe: &Recipe) -> Address {
        let Sealer::Clique(clique) = &self.sealer else {
            return Address::repeat_byte(0xee);
        };
        let head = self.chain.head();
        let snapshot = clique
            .snapshot(self.chain.reader(), head.number, head.hash())
            .unwrap();
        let signers: Vec<_> = snapshot.signers.iter().copied().collect();
        let author = (recipe.signer..recipe.signer + signers.len())
            .map(|turn| signers[turn % signers.len()])
            .find(|signer| !snapshot.signed_recently(head.number + 1, signer))
            .unwrap();
        clique.set_signer(Some(author));
        author
    }

    /// Builds, seals and imports a block; `fill` adds its transactions.
    pub fn make(&mut self, recipe: &Recipe, fill: impl FnOnce(&mut Filling<'_, '_>)) -> Block {
        let parent = self.chain.head().clone();
        let author = self.author(recipe);
        let plan = BuildPlan {
            time: parent.timestamp + recipe.seconds,
            parent,
            gas_limit: 30_000_000,
            extra_data: Bytes::from(vec![recipe.vanity]),
            author,
            edit: None,
            chosen: actoreum_chain::ChosenFields::default(),
        };
        let reader = self.chain.reader().clone();
        let engine = self.engine.clone();
        let built = build(&reader, engine.as_ref(), plan, |header, builder, body| {
            for ommer in &recipe.ommers {
                let mut with = body.ommers.clone();
                with.push(ommer.clone());
                let block = Block {
                    header: header.clone(),
                    body: Body {
                        ommers: with,
                        ..Body::default()
                    },
                };
                if engine.verify_ommers(&reader, &block).is_ok() {
                    body.ommers.push(ommer.clone());
                }
            }
            let config = reader.config();
            fill(&mut Filling {
                config,
                header,
                builder,
                body,
            });
            Ok::<_, BuildError>(())
        });
        let mut block = built.unwrap();
        self.sealer.seal(&mut block.header, author);
        let report = import(&mut self.chain, std::slice::from_ref(&block));
        assert_eq!(report.imported, 1);
        block
    }
}

/// A block that is being filled with transactions.
pub struct Filling<'f, 'b> {
    config: &'f actoreum_primitives::ChainConfig,
    pub header: &'f Header,
    builder: &'f mut BlockBuilder<'b>,
    body: &'f mut Body,
}

impl Filling<'_, '_> {
    pub fn nonce(&mut self, number: u8) -> u64 {
        self.builder.nonce(key(number).address()).unwrap()
    }

    /// Adds a transaction that is valid on every chain and in every fork.
    pub fn send(&mut self, from: u8, to: Option<Address>, gas_limit: u64, input: Bytes) {
        self.pay(from, to, gas_limit, input, U256::ZERO);
    }

    pub fn pay(
        &mut self,
        from: u8,
        to: Option<Address>,
        gas_limit: u64,
        input: Bytes,
        value: U256,
    ) {
        let nonce = self.nonce(from);
        let payload = TxPayload::Legacy(LegacyTx {
            chain_id: None,
            nonce,
            gas_price: U256::from(GAS_PRICE),
            gas_limit,
            to,
            value,
            input,
        });
        self.add(payload.sign(&key(from))).unwrap();
    }

    /// Adds a transaction. Returns an error if the block can't hold its type (`None`), or the
    /// builder's error.
    pub fn add(&mut self, transaction: Transaction) -> Result<(), Option<TxError>> {
        let alone = Block {
            header: self.header.clone(),
            body: Body {
                transactions: vec![transaction.clone()],
                ..Body::default()
            },
        };
        let senders = recover_senders(self.config, std::slice::from_ref(&alone));
        let sender = match senders.into_iter().next() {
            Some(Ok(senders)) => senders[0],
            _ => return Err(None),
        };
        self.builder
            .try_transaction(&transaction, sender)
            .map_err(Some)?;
        self.body.transactions.push(transaction);
        Ok(())
    }
}
