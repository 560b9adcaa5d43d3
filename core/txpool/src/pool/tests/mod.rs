//! Tests of the pool: rules, floods, reorgs, and random operations.

mod flood;
mod prop;
mod resets;
mod rules;

use actoreum_primitives::PeerId;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use actoreum_primitives::*;

use super::Pool;
use crate::account::{Origin, SubPool};
use crate::config::PoolConfig;
use crate::error::{AddError, PeerFault};
use crate::head::Head;
use crate::snapshot::Status;
use crate::transaction::PoolTx;

pub(super) const CHAIN_ID: u64 = 1337;
pub(super) const PEER: PeerId = PeerId::repeat_byte(9);

/// A state that a test sets. Accounts that are not set are `others`.
#[derive(Default)]
pub(super) struct State {
    pub accounts: RefCell<HashMap<Address, AccountInfo>>,
    pub codes: HashMap<B256, Bytes>,
    pub others: U256,
}

impl State {
    pub fn rich() -> Self {
        Self {
            others: ether(1_000),
            ..Self::default()
        }
    }

    pub fn set(&self, address: Address, nonce: u64, balance: U256) {
        let info = AccountInfo {
            nonce,
            balance,
            ..AccountInfo::default()
        };
        self.accounts.borrow_mut().insert(address, info);
    }
}

impl StateReader for State {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        let known = self.accounts.borrow().get(address).copied();
        Ok(known.or(Some(AccountInfo {
            balance: self.others,
            ..AccountInfo::default()
        })))
    }

    fn storage(&self, _: &Address, _: &U256) -> Result<U256, StateError> {
        Ok(U256::ZERO)
    }

    fn code(&self, code_hash: &B256) -> Result<Bytes, StateError> {
        Ok(self.codes.get(code_hash).cloned().unwrap_or_default())
    }
}

pub(super) fn ether(count: u64) -> U256 {
    U256::from(count) * U256::from(ETHER)
}

/// Returns the key of account `index`; keys are the same in every call.
pub(super) fn key(index: usize) -> &'static SecretKey {
    static KEYS: LazyLock<Vec<SecretKey>> =
        LazyLock::new(|| (0..64).map(|_| SecretKey::random()).collect());
    &KEYS[index]
}

pub(super) fn address(index: usize) -> Address {
    key(index).address()
}

pub(super) fn transfer(nonce: u64, gas_price: u64) -> LegacyTx {
    LegacyTx {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: U256::from(gas_price),
        gas_limit: 21_000,
        to: Some(Address::ZERO),
        ..LegacyTx::default()
    }
}

pub(super) fn head_at(fork: Fork, number: u64, base_fee: u64) -> Head {
    let config = ChainConfig::active_from_genesis(CHAIN_ID, fork);
    let header = Header {
        number,
        gas_limit: 8_000_000,
        ..Header::default()
    };
    Head::new(&config, &header, header.hash(), base_fee)
}

/// A type with the fields of one type of transaction.
pub(super) trait Payload {
    fn payload(self) -> TxPayload;
}

macro_rules! payloads {
    ($($fields:ident => $variant:ident),*) => {
        $(impl Payload for $fields {
            fn payload(self) -> TxPayload {
                TxPayload::$variant(self)
            }
        })*
    };
}

payloads!(LegacyTx => Legacy, DynamicFeeTx => DynamicFee, BlobTx => Blob, SetCodeTx => SetCode);

pub(super) fn sign(payload: impl Payload, key: &SecretKey) -> PooledTransaction {
    PooledTransaction {
        transaction: payload.payload().sign(key),
        sidecar: None,
    }
}

/// A pool with its state and a clock.
pub(super) struct Bench {
    pub pool: Pool,
    pub state: State,
    pub now: u64,
}

impl Bench {
    pub fn new(config: PoolConfig) -> Self {
        Self {
            pool: Pool::new(config, head_at(Fork::Byzantium, 1, 0)),
            state: State::rich(),
            now: 0,
        }
    }

    pub fn prepare(&self, from: usize, payload: impl Payload) -> Arc<PoolTx> {
        let pooled = sign(payload, key(from));
        let rules = self.pool.head().senders;
        Arc::new(PoolTx::prepare(pooled, &rules).expect("a test signs for its chain"))
    }

    pub fn add(&mut self, tx: Arc<PoolTx>, origin: Origin) -> Result<Status, AddError> {
        let added = self.pool.add(tx, origin, &self.state, self.now);
        self.pool.check_invariants();
        added
    }

    /// Adds a transaction from a peer.
    pub fn remote(&mut self, from: usize, nonce: u64, gas_price: u64) -> Result<Status, AddError> {
        let tx = self.prepare(from, transfer(nonce, gas_price));
        self.add(tx, Origin::Remote(PEER))
    }

    pub fn local(&mut self, from: usize, nonce: u64, gas_price: u64) -> Result<Status, AddError> {
        let tx = self.prepare(from, transfer(nonce, gas_price));
        self.add(tx, Origin::Local)
    }

    pub fn reset(&mut self, head: Head) {
        self.reset_with(head, Vec::new());
    }

    pub fn reset_with(&mut self, head: Head, removed: Vec<Arc<PoolTx>>) {
        self.pool
            .reset(head, &self.state, removed, self.now)
            .expect("a test's state can be read");
        self.pool.check_invariants();
    }

    /// Returns an account's nonces: pending, queued.
    pub fn nonces(&self, from: usize) -> (Vec<u64>, Vec<u64>) {
        let snapshot = self.pool.snapshot();
        let Some(sender) = snapshot.sender(&address(from)) else {
            return Default::default();
        };
        let pending = sender.pending().map(|tx| tx.nonce()).collect();
        (pending, sender.queued().map(|tx| tx.nonce()).collect())
    }

    pub fn counts(&self) -> (u64, u64) {
        let snapshot = self.pool.snapshot();
        (snapshot.pending_count(), snapshot.queued_count())
    }
}

/// Returns the text of an error.
pub(super) fn text<T: std::fmt::Debug>(result: Result<T, AddError>) -> String {
    result.expect_err("it is refused").to_string()
}

impl Pool {
    /// Asserts the invariants of the crate's documentation.
    pub(super) fn check_invariants(&self) {
        let (mut pending, mut queued, mut remote_pending, mut remote_queued) = (0, 0, 0, 0);
        let (mut bytes, mut slots) = (0, 0);
        let mut hashes = HashSet::new();
        let mut of_peers: HashMap<PeerId, (u64, u64)> = HashMap::new();
        let mut authorities: HashMap<Address, u64> = HashMap::new();
        for (sender, account) in self.view.accounts.iter() {
            assert!(!account.txs.is_empty(), "no account without a transaction");
            bytes += crate::limits::ACCOUNT_BYTES;
            let mut cost = U256::ZERO;
            for (nonce, entry) in account.txs.iter() {
                assert_eq!(*nonce, entry.tx.nonce());
                assert_eq!(*sender, entry.tx.sender());
                assert!(*nonce >= account.nonce);
                assert!(hashes.insert(entry.tx.hash()), "no transaction twice");
                assert!(self.view.by_hash.contains_key(&entry.tx.hash()));
                cost += entry.tx.cost();
                bytes += entry.tx.bytes();
                for authority in entry.tx.authorities() {
                    *authorities.entry(*authority).or_default() += 1;
                }
                if account.is_local {
                    continue;
                }
                slots += entry.tx.slots();
                let is_queued = account.sub_pool(*nonce) == SubPool::Queued;
                if let Some(peer) = entry.peer {
                    let of_peer = of_peers.entry(peer).or_default();
                    of_peer.0 += entry.tx.slots();
                    of_peer.1 += u64::from(is_queued);
                }
            }
            assert_eq!(cost, account.cost);
            assert!(cost <= account.balance, "within the balance");
            for nonce in account.nonce..account.next_nonce() {
                assert!(account.txs.contains_key(&nonce), "pending has no gap");
            }
            assert!(
                !account.txs.contains_key(&account.next_nonce()),
                "all that can be is pending"
            );
            pending += account.pending;
            queued += account.queued();
            if !account.is_local {
                remote_pending += account.pending;
                remote_queued += account.queued();
                assert!(account.queued() <= self.config.account_queue);
            }
        }
        assert_eq!(hashes.len(), self.view.by_hash.size());
        assert_eq!((pending, queued), (self.tally.pending, self.tally.queued));
        assert_eq!(remote_pending, self.tally.remote(SubPool::Pending));
        assert_eq!(remote_queued, self.tally.remote(SubPool::Queued));
        assert_eq!((bytes, slots), (self.tally.bytes, self.tally.slots));
        assert_eq!(authorities, *self.tally.authorities());
        assert!(bytes <= self.config.max_bytes, "within memory");
        assert!(slots <= self.config.slots(), "within the slots");
        assert!(
            remote_queued <= self.config.global_queue,
            "within the queue"
        );
        for (peer, (slots, queued)) in of_peers {
            let used = self.tally.of_peer(&peer);
            assert_eq!((used.slots, used.queued), (slots, queued));
        }
        if remote_pending > self.config.global_slots {
            assert_eq!(
                self.tally.largest_account(),
                None,
                "no account has more than its guaranteed slots"
            );
        }
    }
}
