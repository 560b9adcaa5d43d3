//! A clique chain and an ethash chain that cross every fork from Frontier to Osaka, executed. What
//! each fork brings fails before the fork and works from it on, and every block follows
//! docs/self-sealing-forks.md. Other databases then import each chain from genesis.

use std::sync::Arc;

use actoreum_chain::{Chain, ChainReader, Detail};
use actoreum_consensus::clique::SEAL_BYTES;
use actoreum_evm::TxError;
use actoreum_primitives::{
    Address, Authorization, B256, BlobParams, BlobTx, Block, Bytes, ChainConfig, CliqueConfig,
    DevChain, EMPTY_REQUESTS_HASH, EMPTY_ROOT_HASH, Fork, Genesis, GenesisAccount, Header, Receipt,
    SetCodeTx, StateReader, TxPayload, U256, Withdrawal, recover_senders, transaction_trie_items,
};
use actoreum_storage::{Engine, Store, StoreOptions};
use actoreum_trie::ordered_root;
use sha2::{Digest, Sha256};

use crate::maker::{Filling, GAS_PRICE, Maker, Recipe, START, Seals, engine, genesis_of, import};
use crate::maker::{key, open};
use crate::probes::{self, Found, PROBE_GAS, Probe, ProbeKind};

const PERIOD: u64 = 5;
const CHAIN_ID: u64 = 9;
const FORKS: [Fork; 14] = [
    Fork::Homestead,
    Fork::TangerineWhistle,
    Fork::SpuriousDragon,
    Fork::Byzantium,
    Fork::Constantinople,
    Fork::Petersburg,
    Fork::Istanbul,
    Fork::MuirGlacier,
    Fork::Berlin,
    Fork::London,
    Fork::Shanghai,
    Fork::Cancun,
    Fork::Prague,
    Fork::Osaka,
];

/// Sender of the calls to the probes.
const CALLER: u8 = 4;
/// Signer of the EIP-7702 authorization.
const AUTHORITY: u8 = 5;
/// Sender of transactions that may be refused.
const RISKY_SENDER: u8 = 6;

const BEACON_ROOTS: &str = "0x000f3df6d732807ef1319fb7b8bb8522d0beac02";
const BLOCK_HASHES: &str = "0x0000f90827f1c53a10cb7a02335b175320002935";
const WITHDRAWAL_REQUESTS: &str = "0x00000961ef480eb55e80d19ad83579a64c007002";
const CONSOLIDATION_REQUESTS: &str = "0x0000bbddc7ce488642fb579f8b00f3a590007251";
/// Contract that logs its input as the deposit contract logs a deposit (EIP-6110).
const DEPOSIT_CONTRACT: Address = Address::repeat_byte(0xde);
/// Code: CALLDATACOPY of the whole input to memory at 0, then LOG1 with the event's topic.
const DEPOSIT_CODE: &str =
    "0x365f5f377f649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5365fa100";
/// Lengths of a deposit's public key, withdrawal credentials, amount, signature and index.
const DEPOSIT_FIELDS: [usize; 5] = [48, 32, 8, 96, 8];
/// Number of slots in each ring buffer of a system contract.
const RING: u64 = 8_191;

/// Contract that counts its calls in slot 0: the authority delegates to it.
const COUNTER: Address = Address::repeat_byte(0xcc);
const COUNTER_CODE: [u8; 9] = [0x60, 0, 0x54, 0x60, 1, 0x01, 0x60, 0, 0x55];

fn at(address: &str) -> Address {
    address.parse().unwrap()
}

/// Returns a config whose fork at index `i` begins with block `(i + 1) * spacing`.
fn config(spacing: u64) -> ChainConfig {
    let number = |fork: Fork| {
        let index = FORKS.iter().position(|other| *other == fork).unwrap();
        (index as u64 + 1) * spacing
    };
    let block = |fork| Some(number(fork));
    let time = |fork| Some(START + number(fork) * PERIOD);
    ChainConfig {
        chain_id: CHAIN_ID,
        homestead_block: block(Fork::Homestead),
        eip150_block: block(Fork::TangerineWhistle),
        eip155_block: block(Fork::SpuriousDragon),
        eip158_block: block(Fork::SpuriousDragon),
        byzantium_block: block(Fork::Byzantium),
        constantinople_block: block(Fork::Constantinople),
        petersburg_block: block(Fork::Petersburg),
        istanbul_block: block(Fork::Istanbul),
        muir_glacier_block: block(Fork::MuirGlacier),
        berlin_block: block(Fork::Berlin),
        london_block: block(Fork::London),
        shanghai_time: time(Fork::Shanghai),
        cancun_time: time(Fork::Cancun),
        prague_time: time(Fork::Prague),
        osaka_time: time(Fork::Osaka),
        deposit_contract_address: Some(DEPOSIT_CONTRACT),
        ..ChainConfig::default()
    }
}

/// Returns the concatenated fields of a deposit.
fn deposit() -> Vec<u8> {
    let field = |(number, length): (usize, &usize)| vec![number as u8 + 0x51; *length];
    DEPOSIT_FIELDS.iter().enumerate().flat_map(field).collect()
}

/// Returns the same deposit in the encoding of the contract's event: five values of type `bytes`.
fn deposit_event() -> Vec<u8> {
    let word = |number: usize| U256::from(number).to_be_bytes::<32>();
    let (mut offsets, mut fields) = (Vec::new(), Vec::new());
    let deposit = deposit();
    let mut rest = deposit.as_slice();
    for length in DEPOSIT_FIELDS {
        offsets.extend(word(DEPOSIT_FIELDS.len() * 32 + fields.len()));
        let (field, after) = rest.split_at(length);
        fields.extend(word(length));
        fields.extend_from_slice(field);
        fields.resize(fields.len().next_multiple_of(32), 0);
        rest = after;
    }
    [offsets, fields].concat()
}

/// Returns a genesis with the probes and, on demand, the system contracts.
fn chain_genesis(config: ChainConfig, has_system_contracts: bool) -> Genesis {
    let mut genesis = genesis_of(config);
    if has_system_contracts {
        let dev = DevChain::new(Address::ZERO).genesis();
        let contracts = dev
            .alloc
            .into_iter()
            .filter(|(_, account)| !account.code.is_empty());
        genesis.alloc.extend(contracts);
    }
    let with_code = |code: Bytes| GenesisAccount {
        code,
        ..GenesisAccount::default()
    };
    for (index, probe) in probes::all().into_iter().enumerate() {
        genesis
            .alloc
            .insert(probes::address_of(index), with_code(probe.code));
    }
    genesis
        .alloc
        .insert(COUNTER, with_code(COUNTER_CODE.into()));
    genesis
        .alloc
        .insert(DEPOSIT_CONTRACT, with_code(DEPOSIT_CODE.parse().unwrap()));
    genesis
}

/// Adds a block's transactions: a call of each probe, a delegation and a blob transaction.
fn fill(filling: &mut Filling<'_, '_>, probes: &[Probe], fork: Fork, has_blobs: bool) {
    for (index, probe) in probes.iter().enumerate() {
        let to = Some(probes::address_of(index));
        filling.send(CALLER, to, PROBE_GAS, probe.input.clone());
    }
    delegate(filling, fork);
    send_blob(filling, has_blobs && fork >= Fork::Cancun);
    if fork >= Fork::Prague {
        let public_key = [7; 48];
        let withdrawal = [&public_key[..], &5_u64.to_be_bytes()].concat();
        let consolidation = [public_key, [8; 48]].concat();
        for (to, input) in [
            (WITHDRAWAL_REQUESTS, withdrawal),
            (CONSOLIDATION_REQUESTS, consolidation),
        ] {
            filling.pay(CALLER, Some(at(to)), PROBE_GAS, input.into(), U256::ONE);
        }
        for _ in 0..2 {
            let event = deposit_event().into();
            filling.send(CALLER, Some(DEPOSIT_CONTRACT), PROBE_GAS, event);
        }
    }
}

/// Delegates the authority's account to the counter and calls it.
fn delegate(filling: &mut Filling<'_, '_>, fork: Fork) {
    let authority = key(AUTHORITY);
    let nonce = filling.nonce(AUTHORITY);
    let chain_id = U256::from(CHAIN_ID);
    let payload = TxPayload::SetCode(SetCodeTx {
        chain_id: CHAIN_ID,
        nonce: filling.nonce(RISKY_SENDER),
        max_priority_fee_per_gas: U256::from(2),
        max_fee_per_gas: U256::from(GAS_PRICE),
        gas_limit: PROBE_GAS,
        to: authority.address(),
        authorization_list: vec![Authorization::sign(&authority, chain_id, COUNTER, nonce)],
        ..SetCodeTx::default()
    });
    let outcome = filling.add(payload.sign(&key(RISKY_SENDER)));
    assert_eq!(
        outcome.is_ok(),
        fork >= Fork::Prague,
        "{fork:?}: {outcome:?}"
    );
}

fn blob_transaction(nonce: u64) -> actoreum_primitives::Transaction {
    let mut blob_hash = B256::repeat_byte(9);
    blob_hash[0] = 1;
    let payload = TxPayload::Blob(BlobTx {
        chain_id: CHAIN_ID,
        nonce,
        max_priority_fee_per_gas: U256::from(2),
        max_fee_per_gas: U256::from(GAS_PRICE),
        gas_limit: PROBE_GAS,
        to: COUNTER,
        max_fee_per_blob_gas: U256::from(GAS_PRICE),
        blob_versioned_hashes: vec![blob_hash],
        ..BlobTx::default()
    });
    payload.sign(&key(RISKY_SENDER))
}

fn send_blob(filling: &mut Filling<'_, '_>, is_accepted: bool) {
    let nonce = filling.nonce(RISKY_SENDER);
    let outcome: Result<(), Option<TxError>> = filling.add(blob_transaction(nonce));
    assert_eq!(outcome.is_ok(), is_accepted, "{outcome:?}");
}

struct ForkChain {
    genesis: Genesis,
    seals: Seals,
    blocks: Vec<Block>,
    has_blobs: bool,
    has_system_contracts: bool,
}

impl ForkChain {
    fn make(seals: Seals, genesis: Genesis, length: u64, has_system_contracts: bool) -> Self {
        let has_blobs = !genesis.config.blob_schedule.is_empty();
        let mut maker = Maker::new(seals, &genesis, Store::memory());
        let probes = probes::all();
        let mut blocks = Vec::new();
        for number in 1..=length {
            let recipe = Recipe {
                seconds: PERIOD,
                signer: number as usize,
                ..Recipe::default()
            };
            let config = genesis.config.clone();
            let block = maker.make(&recipe, |filling| {
                let header = filling.header;
                assert_eq!(header.timestamp, START + number * PERIOD);
                let fork = config.fork_at(header.number, header.timestamp);
                fill(filling, &probes, fork, has_blobs);
            });
            blocks.push(block);
        }
        Self {
            genesis,
            seals,
            blocks,
            has_blobs,
            has_system_contracts,
        }
    }

    fn open(&self, store: Store) -> Chain {
        open(store, &self.genesis, engine(self.seals, &self.genesis).0)
    }

    fn fork_of(&self, header: &Header) -> Fork {
        self.genesis.config.fork_at(header.number, header.timestamp)
    }

    /// Imports the chain from genesis, at once and block by block, and checks each block.
    fn import_and_check(&self, on: Engine) {
        let folder = tempfile::tempdir().unwrap();
        let store = |name: &str| {
            let options = StoreOptions {
                engine: on,
                ..StoreOptions::default()
            };
            Store::open(&folder.path().join(name), options).unwrap()
        };
        let mut at_once = self.open(store("whole"));
        assert_eq!(
            import(&mut at_once, &self.blocks).imported,
            self.blocks.len()
        );
        let mut single = self.open(store("single"));
        for block in &self.blocks {
            import(&mut single, std::slice::from_ref(block));
        }
        let last = self.blocks.last().unwrap();
        for chain in [&at_once, &single] {
            let reader = chain.reader();
            assert_eq!(chain.head().hash(), last.hash());
            assert_eq!(
                reader.store().compute_state_root().unwrap(),
                last.header.state_root
            );
            for block in &self.blocks {
                self.check_block(reader, chain.engine().as_ref(), block);
            }
        }
        assert_eq!(self.fork_of(&last.header), Fork::Osaka);
    }

    fn check_block(
        &self,
        reader: &ChainReader,
        engine: &dyn actoreum_consensus::Engine,
        block: &Block,
    ) {
        let header = &block.header;
        let fork = self.fork_of(header);
        let author = engine.author(header).unwrap();
        let state = reader.state_at(header.number).unwrap();
        let receipts = reader.receipts(&block.hash()).unwrap().unwrap();
        let what = format!("block {} ({fork:?})", header.number);
        self.check_header(header, fork, &what);
        let senders = reader.senders(&block.hash()).unwrap().unwrap();
        let recovered = recover_senders(reader.config(), std::slice::from_ref(block)).pop();
        assert_eq!(*senders, recovered.unwrap().unwrap(), "{what}");
        assert_eq!(
            block.body.withdrawals,
            (fork >= Fork::Shanghai).then(Vec::new),
            "{what}"
        );
        for (index, probe) in probes::all().iter().enumerate() {
            let what = format!("{what}: {}", probe.name);
            let address = probes::address_of(index);
            let is_available = fork >= probe.since;
            let found = state.storage(&address, &U256::ZERO).unwrap();
            let expected = (probe.expected)(&Found {
                header,
                author,
                chain_id: CHAIN_ID,
                fork,
                probe: address,
                code: &probe.code,
            });
            match expected {
                _ if !is_available => assert_eq!(found, U256::ZERO, "{what}"),
                Some(expected) => assert_eq!(found, expected, "{what}"),
                None => assert_ne!(found, U256::ZERO, "{what}"),
            }
            let gas = gas_of(&receipts, index);
            let fails = !is_available && matches!(probe.kind, ProbeKind::Opcode);
            assert_eq!(gas == PROBE_GAS, fails, "{what}: {gas} gas");
            if fork >= Fork::Byzantium {
                assert_eq!(receipts[index].outcome.is_failure(), fails, "{what}");
            }
        }
        self.check_delegation(&state, fork, header, &what);
        self.check_system_contracts(reader, &state, fork, block, &what);
        self.check_fees(reader, &state, header, author, &what);
    }

    fn check_header(&self, header: &Header, fork: Fork, what: &str) {
        let since = |first: Fork| fork >= first;
        assert_eq!(
            header.base_fee_per_gas.is_some(),
            since(Fork::London),
            "{what}"
        );
        let root = since(Fork::Shanghai).then_some(EMPTY_ROOT_HASH);
        assert_eq!(header.withdrawals_root, root, "{what}");
        let root = since(Fork::Cancun).then_some(B256::ZERO);
        assert_eq!(header.parent_beacon_block_root, root, "{what}");
        let blobs = if self.has_blobs { 1 << 17 } else { 0 };
        assert_eq!(
            header.blob_gas_used,
            since(Fork::Cancun).then_some(blobs),
            "{what}"
        );
        assert_eq!(
            header.excess_blob_gas,
            since(Fork::Cancun).then_some(0),
            "{what}"
        );
        assert_eq!(
            header.requests_hash.is_some(),
            since(Fork::Prague),
            "{what}"
        );
        assert!(!header.difficulty.is_zero(), "{what}");
        if self.seals == Seals::Clique {
            assert_eq!(header.mix_hash, B256::ZERO, "{what}");
        }
    }

    fn check_delegation(&self, state: &dyn StateReader, fork: Fork, header: &Header, what: &str) {
        let authority = key(AUTHORITY).address();
        let account = state.account(&authority).unwrap().unwrap();
        let code = state.code(&account.code_hash).unwrap();
        let calls = state.storage(&authority, &U256::ZERO).unwrap();
        if fork < Fork::Prague {
            assert!(code.is_empty(), "{what}");
            assert_eq!(calls, U256::ZERO, "{what}");
            return;
        }
        let delegation = [&[0xef, 0x01, 0x00], COUNTER.as_slice()].concat();
        assert_eq!(code, delegation, "{what}");
        let first = (self.genesis.config.prague_time.unwrap() - START) / PERIOD;
        assert_eq!(calls, U256::from(header.number - first + 1), "{what}");
    }

    fn check_system_contracts(
        &self,
        reader: &ChainReader,
        state: &dyn StateReader,
        fork: Fork,
        block: &Block,
        what: &str,
    ) {
        let header = &block.header;
        let slot =
            |address: &str, slot: u64| state.storage(&at(address), &U256::from(slot)).unwrap();
        let place = header.timestamp % RING;
        let stored_time = slot(BEACON_ROOTS, place);
        let is_stored = fork >= Fork::Cancun && self.has_system_contracts;
        let expected = if is_stored { header.timestamp } else { 0 };
        assert_eq!(
            stored_time,
            U256::from(expected),
            "{what}: beacon root's time"
        );
        assert_eq!(
            slot(BEACON_ROOTS, place + RING),
            U256::ZERO,
            "{what}: beacon root"
        );

        let stored_hash = slot(BLOCK_HASHES, (header.number - 1) % RING);
        let is_kept = fork >= Fork::Prague && self.has_system_contracts;
        let parent = if is_kept {
            header.parent_hash
        } else {
            B256::ZERO
        };
        assert_eq!(
            stored_hash,
            U256::from_be_bytes(parent.0),
            "{what}: parent hash"
        );

        let Some(requests_hash) = header.requests_hash else {
            return;
        };
        let deposits = [vec![0], deposit(), deposit()].concat();
        if !self.has_system_contracts {
            let expected = B256::from_slice(&Sha256::digest(Sha256::digest(deposits)));
            assert_eq!(requests_hash, expected, "{what}");
            assert_ne!(requests_hash, EMPTY_REQUESTS_HASH, "{what}");
            return;
        }
        let source = key(CALLER).address();
        let source = source.as_slice();
        let withdrawal = [&[1], source, &[7; 48], &5_u64.to_le_bytes()].concat();
        let consolidation = [&[2], source, &[7; 48], &[8; 48]].concat();
        let hashes = [deposits, withdrawal, consolidation].map(Sha256::digest);
        let expected = B256::from_slice(&Sha256::digest(hashes.concat()));
        assert_eq!(requests_hash, expected, "{what}: requests");
        assert!(reader.header_by_hash(&block.hash()).unwrap().is_some());
    }

    /// Checks that fees go to the author; in clique the candidate that a header names gets nothing.
    fn check_fees(
        &self,
        reader: &ChainReader,
        state: &dyn StateReader,
        header: &Header,
        author: Address,
        what: &str,
    ) {
        let before = reader.state_at(header.number - 1).unwrap();
        let balance = |state: &dyn StateReader, address: &Address| {
            state
                .account(address)
                .unwrap()
                .map_or(U256::ZERO, |account| account.balance)
        };
        assert!(
            balance(state, &author) > balance(&before, &author),
            "{what}"
        );
        if self.seals == Seals::Clique {
            assert_ne!(header.beneficiary, author, "{what}");
            assert_eq!(balance(state, &header.beneficiary), U256::ZERO, "{what}");
        } else {
            assert_eq!(header.beneficiary, author, "{what}");
        }
    }

    /// Returns the error of importing the block at `number`, changed by `change` and sealed again,
    /// on a chain that ends before it.
    fn refusal(&self, number: usize, change: impl FnOnce(&mut Block)) -> String {
        let mut chain = self.open(Store::memory());
        import(&mut chain, &self.blocks[..number - 1]);
        let mut block = self.blocks[number - 1].clone();
        let author = chain.engine().author(&block.header).unwrap();
        change(&mut block);
        let transactions = transaction_trie_items(&block.body.transactions);
        block.header.transactions_root = ordered_root(&transactions).unwrap();
        if self.seals == Seals::Clique {
            let unsealed = block.header.extra_data.len() - SEAL_BYTES;
            block.header.extra_data = [&block.header.extra_data[..unsealed], &[0; SEAL_BYTES]]
                .concat()
                .into();
        }
        engine(self.seals, &self.genesis)
            .1
            .seal(&mut block.header, author);
        let report = chain.import(std::slice::from_ref(&block), Detail::HeadOnly);
        assert_eq!(chain.head().number, number as u64 - 1);
        report.refused.unwrap().error.to_string()
    }

    /// Checks that blocks from peers which use features outside of their fork are refused.
    fn check_refusals(&self) {
        let number = |time: Option<u64>| ((time.unwrap() - START) / PERIOD) as usize;
        let config = &self.genesis.config;
        let prague = number(config.prague_time);
        // A transaction of type 4 in the last block before Prague.
        let delegating = self.blocks[prague - 1].body.transactions.iter();
        let delegating: Vec<_> = delegating
            .filter(|tx| !tx.authorization_list().is_empty())
            .collect();
        let error = self.refusal(prague - 1, |block| {
            block.body.transactions.push(delegating[0].clone());
        });
        assert!(error.contains("transaction type not supported"), "{error}");
        // A blob transaction on a chain without a blob schedule.
        let error = self.refusal(prague - 1, |block| {
            block.body.transactions.push(blob_transaction(0));
        });
        println!("blobs: {error}");
        assert!(error.contains("blob"), "{error}");
        // A withdrawal, with and without a withdrawals root in the header.
        let withdrawal = Withdrawal {
            index: 0,
            validator_index: 0,
            address: Address::ZERO,
            amount: 1,
        };
        let error = self.refusal(prague, |block| {
            block.body.withdrawals = Some(vec![withdrawal]);
        });
        assert!(error.contains("withdrawals are not allowed"), "{error}");
        let error = self.refusal(prague, |block| {
            block.header.withdrawals_root = Some(B256::repeat_byte(1));
        });
        assert!(error.contains("withdrawalsHash"), "{error}");
        let error = self.refusal(prague, |block| {
            block.header.parent_beacon_block_root = Some(B256::repeat_byte(1));
        });
        assert!(error.contains("parentBeaconRoot"), "{error}");
        let error = self.refusal(prague, |block| {
            block.header.requests_hash = Some(B256::repeat_byte(1));
        });
        assert!(error.contains("requests hash"), "{error}");
    }
}

/// Returns the gas that the transaction at `index` used.
fn gas_of(receipts: &Arc<Vec<Receipt>>, index: usize) -> u64 {
    let before = index
        .checked_sub(1)
        .map_or(0, |before| receipts[before].cumulative_gas_used);
    receipts[index].cumulative_gas_used - before
}

#[test]
fn a_clique_chain_of_200_blocks_executes_every_fork() {
    let mut config = config(14);
    config.clique = Some(CliqueConfig {
        period: PERIOD,
        epoch: 64,
    });
    let made = ForkChain::make(Seals::Clique, chain_genesis(config, true), 200, true);
    made.import_and_check(Engine::Sled);
    made.import_and_check(Engine::Redb);
    made.check_refusals();
}

/// The chain is mined and verified with ethash's small dataset. It lacks the system contracts, and
/// works nevertheless.
#[test]
fn an_ethash_chain_executes_every_fork() {
    let made = ForkChain::make(Seals::Ethash, chain_genesis(config(3), false), 45, false);
    made.import_and_check(Engine::Sled);
    made.import_and_check(Engine::Redb);
}

#[test]
fn a_blob_schedule_lets_blobs_in() {
    let mut config = config(1);
    config
        .blob_schedule
        .insert(Fork::Cancun, BlobParams::CANCUN);
    config.clique = Some(CliqueConfig {
        period: PERIOD,
        epoch: 64,
    });
    let made = ForkChain::make(Seals::Clique, chain_genesis(config, true), 18, true);
    made.import_and_check(Engine::Redb);
}
