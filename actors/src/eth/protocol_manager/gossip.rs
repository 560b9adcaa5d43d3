//! Which peers are told what, and how.

use std::sync::Arc;

use actoreum_primitives::{B256, Block, TxType, U256};
use actoreum_txpool::PoolTx;
use actoreum_wire::eth::{
    BlockAnnouncement, EthMessage, EthVersion, LazyList, MessageId, NewBlock,
    TransactionAnnouncement,
};
use actoreum_wire::limits::TRANSACTION_ANNOUNCEMENTS_SENT;
use bytes::Bytes;
use rand::seq::SliceRandom;

use crate::eth::limits::{LEAST_BLOCK_RECEIVERS, SENT_TRANSACTION, TRANSACTION_PACK};
use crate::eth::peer::EthPeer;
use crate::supervision::Chance;

/// Sends a block whole to the square root of the number of those that do not have it. How many
/// that were.
pub(super) fn propagate(
    peers: &[EthPeer],
    chance: &Chance,
    hash: &B256,
    block: &Block,
    total_difficulty: U256,
) -> usize {
    let mut receivers: Vec<&EthPeer> = peers.iter().filter(|it| !it.knows_block(hash)).collect();
    if receivers.is_empty() {
        return 0;
    }
    chance.choose(|random| receivers.shuffle(random));
    receivers.truncate(receivers.len().isqrt().max(LEAST_BLOCK_RECEIVERS));
    let message = EthMessage::NewBlock(Box::new(NewBlock::new(block, total_difficulty)));
    // It is the same in all versions.
    let Ok(payload) = message.encode(EthVersion::Eth62) else {
        return 0;
    };
    let payload = Bytes::from(payload);
    let mut sent = 0;
    for peer in receivers {
        if peer
            .try_send_encoded(MessageId::NewBlock, payload.clone())
            .is_ok()
        {
            peer.mark_block(hash);
            sent += 1;
        }
    }
    sent
}

/// Tells those that do not have a block that we do. How many that were.
pub(super) fn announce(peers: &[EthPeer], hash: B256, number: u64) -> usize {
    let message = EthMessage::NewBlockHashes(vec![BlockAnnouncement { hash, number }]);
    let mut told = 0;
    for peer in peers.iter().filter(|it| !it.knows_block(&hash)) {
        if peer.try_send(&message).is_ok() {
            peer.mark_block(&hash);
            told += 1;
        }
    }
    told
}

/// Tells peers of transactions: those that speak no eth/65 get them whole, of the others the
/// square root of their number does, and the rest the hashes.
pub(super) fn broadcast(peers: &[EthPeer], chance: &Chance, transactions: &[Arc<PoolTx>]) {
    let mut peers: Vec<&EthPeer> = peers.iter().collect();
    chance.choose(|random| peers.shuffle(random));
    let takes_hashes = |peer: &EthPeer| peer.version().has(MessageId::NewPooledTransactionHashes);
    let modern = peers.iter().filter(|peer| takes_hashes(peer)).count();
    let mut whole = modern.isqrt();
    for peer in peers {
        let unknown = transactions.iter();
        let unknown: Vec<&Arc<PoolTx>> = unknown
            .filter(|it| !peer.knows_transaction(&it.hash()))
            .collect();
        if unknown.is_empty() {
            continue;
        }
        let gets_whole = !takes_hashes(peer) || whole > 0;
        if takes_hashes(peer) && gets_whole {
            whole -= 1;
        }
        let (mut sent, mut announced) = (Vec::new(), Vec::new());
        for transaction in unknown {
            if gets_whole && may_be_sent(transaction, peer.version()) {
                sent.push(transaction);
            } else if takes_hashes(peer) {
                announced.push(transaction);
            }
        }
        for pack in packs(&sent) {
            let message = whole_message(&pack);
            if peer.try_send(&message).is_ok() {
                peer.mark_transactions(hashes(&pack).iter());
            }
        }
        for some in announced.chunks(TRANSACTION_ANNOUNCEMENTS_SENT) {
            if peer.try_send(&hashes_message(some)).is_ok() {
                peer.mark_transactions(hashes(some).iter());
            }
        }
    }
}

/// Whether a transaction is sent unasked: no blobs, and nothing large to those that could fetch
/// it.
fn may_be_sent(transaction: &PoolTx, version: EthVersion) -> bool {
    let is_blob = transaction.transaction().tx_type() == TxType::Blob;
    let can_be_fetched = version.has(MessageId::GetPooledTransactions);
    !is_blob && (transaction.size() <= SENT_TRANSACTION || !can_be_fetched)
}

/// The messages that tell a peer of a whole pool.
pub(super) fn introduction(peer: &EthPeer, pool: &[Arc<PoolTx>]) -> Vec<Introduction> {
    let unknown: Vec<&Arc<PoolTx>> = pool
        .iter()
        .filter(|it| !peer.knows_transaction(&it.hash()))
        .collect();
    let own = |some: Vec<&Arc<PoolTx>>| some.into_iter().map(Arc::clone).collect::<Vec<_>>();
    if peer.version().has(MessageId::NewPooledTransactionHashes) {
        let parts = unknown.chunks(TRANSACTION_ANNOUNCEMENTS_SENT);
        return parts
            .map(|some| Introduction::Hashes(own(some.to_vec())))
            .collect();
    }
    let version = peer.version();
    let sent: Vec<_> = unknown
        .into_iter()
        .filter(|it| may_be_sent(it, version))
        .collect();
    packs(&sent)
        .into_iter()
        .map(|pack| Introduction::Whole(own(pack)))
        .collect()
}

/// A part of the pool for a peer that has just come.
pub(super) enum Introduction {
    Hashes(Vec<Arc<PoolTx>>),
    Whole(Vec<Arc<PoolTx>>),
}

impl Introduction {
    /// The message, and the hashes that it makes known.
    pub(super) fn message(&self) -> (EthMessage, Vec<B256>) {
        match self {
            Self::Hashes(some) => {
                let some: Vec<&Arc<PoolTx>> = some.iter().collect();
                (hashes_message(&some), hashes(&some))
            }
            Self::Whole(some) => {
                let some: Vec<&Arc<PoolTx>> = some.iter().collect();
                (whole_message(&some), hashes(&some))
            }
        }
    }
}

fn packs<'a>(transactions: &[&'a Arc<PoolTx>]) -> Vec<Vec<&'a Arc<PoolTx>>> {
    let mut packs = Vec::new();
    let (mut pack, mut size) = (Vec::new(), 0);
    for transaction in transactions {
        if size + transaction.size() > TRANSACTION_PACK && !pack.is_empty() {
            packs.push(std::mem::take(&mut pack));
            size = 0;
        }
        size += transaction.size();
        pack.push(*transaction);
    }
    if !pack.is_empty() {
        packs.push(pack);
    }
    packs
}

fn hashes(transactions: &[&Arc<PoolTx>]) -> Vec<B256> {
    transactions.iter().map(|it| it.hash()).collect()
}

fn whole_message(transactions: &[&Arc<PoolTx>]) -> EthMessage {
    let transactions = transactions.iter().map(|it| it.transaction());
    EthMessage::Transactions(LazyList::from_items(transactions))
}

fn hashes_message(transactions: &[&Arc<PoolTx>]) -> EthMessage {
    let announcement = |it: &&Arc<PoolTx>| TransactionAnnouncement {
        hash: it.hash(),
        kind_and_size: Some((
            it.transaction().tx_type() as u8,
            u32::try_from(it.size()).unwrap_or(u32::MAX),
        )),
    };
    EthMessage::NewPooledTransactionHashes(transactions.iter().map(announcement).collect())
}
