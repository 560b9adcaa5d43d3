//! Selection of the peers that get a block or a transaction, in full or as an announcement.

use std::sync::Arc;

use actoreum_primitives::{B256, Block, TxType, U256};
use actoreum_txpool::PoolTx;
use actoreum_wire::eth::{
    BlockAnnouncement, BlockRange, EthMessage, EthVersion, LazyList, MessageId, NewBlock,
    TransactionAnnouncement,
};
use actoreum_wire::limits::TRANSACTION_ANNOUNCEMENTS_SENT;
use bytes::Bytes;
use rand::seq::SliceRandom;

use crate::eth::limits::{MAX_SENT_TRANSACTION, MAX_TRANSACTION_PACK, MIN_BLOCK_RECEIVERS};
use crate::eth::peer::EthPeer;
use actoreum_supervision::SeededRng;

/// Sends the full block to the square root of the number of peers that lack it. Returns the number
/// of peers that it was sent to.
pub(super) fn propagate(
    peers: &[EthPeer],
    rng: &SeededRng,
    hash: &B256,
    block: &Block,
    total_difficulty: U256,
) -> usize {
    let takes_blocks = |peer: &&EthPeer| peer.version().has(MessageId::NewBlock);
    let receivers = peers.iter().filter(takes_blocks);
    let mut receivers: Vec<&EthPeer> = receivers.filter(|it| !it.knows_block(hash)).collect();
    if receivers.is_empty() {
        return 0;
    }
    rng.with(|random| receivers.shuffle(random));
    receivers.truncate(receivers.len().isqrt().max(MIN_BLOCK_RECEIVERS));
    let message = EthMessage::NewBlock(Box::new(NewBlock::new(block, total_difficulty)));
    // The encoding is the same in all versions.
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

/// Announces a block to the peers that lack it. Returns the number of peers that it was announced
/// to.
pub(super) fn announce(peers: &[EthPeer], hash: B256, number: u64) -> usize {
    let message = EthMessage::NewBlockHashes(vec![BlockAnnouncement { hash, number }]);
    let mut sent = 0;
    let takes_hashes = |peer: &&EthPeer| peer.version().has(MessageId::NewBlockHashes);
    let receivers = peers.iter().filter(takes_hashes);
    for peer in receivers.filter(|it| !it.knows_block(&hash)) {
        if peer.try_send(&message).is_ok() {
            peer.mark_block(&hash);
            sent += 1;
        }
    }
    sent
}

/// Sends the range of available blocks to the peers of a merged chain.
pub(super) fn update_range(peers: &[EthPeer], range: BlockRange) {
    let message = EthMessage::BlockRangeUpdate(range);
    let takes_ranges = |peer: &&EthPeer| peer.version().has(MessageId::BlockRangeUpdate);
    for peer in peers.iter().filter(takes_ranges) {
        // A peer that does not read gets the next one.
        let _ = peer.try_send(&message);
    }
}

/// Sends transactions to peers: in full to peers below eth/65 and to the square root of the number
/// of the others, as hashes to the rest.
pub(super) fn broadcast(peers: &[EthPeer], rng: &SeededRng, transactions: &[Arc<PoolTx>]) {
    let mut peers: Vec<&EthPeer> = peers.iter().collect();
    rng.with(|random| peers.shuffle(random));
    let takes_hashes = |peer: &EthPeer| peer.version().has(MessageId::NewPooledTransactionHashes);
    let modern = peers.iter().filter(|peer| takes_hashes(peer)).count();
    let mut full_sends_left = modern.isqrt();
    for peer in peers {
        let unknown = transactions.iter();
        let unknown: Vec<&Arc<PoolTx>> = unknown
            .filter(|it| !peer.knows_transaction(&it.hash()))
            .collect();
        if unknown.is_empty() {
            continue;
        }
        let gets_full = !takes_hashes(peer) || full_sends_left > 0;
        if takes_hashes(peer) && gets_full {
            full_sends_left -= 1;
        }
        let (mut sent, mut announced) = (Vec::new(), Vec::new());
        for transaction in unknown {
            if gets_full && may_be_sent(transaction, peer.version()) {
                sent.push(transaction);
            } else if takes_hashes(peer) {
                announced.push(transaction);
            }
        }
        for pack in packs(&sent) {
            let message = full_message(&pack);
            if peer.try_send(&message).is_ok() {
                peer.mark_transactions(hashes(&pack).iter());
            }
        }
        for part in announced.chunks(TRANSACTION_ANNOUNCEMENTS_SENT) {
            if peer.try_send(&hashes_message(part)).is_ok() {
                peer.mark_transactions(hashes(part).iter());
            }
        }
    }
}

/// Returns whether a transaction may be broadcast in full: never a blob transaction, and no large
/// one to a peer that could fetch it.
fn may_be_sent(transaction: &PoolTx, version: EthVersion) -> bool {
    let is_blob = transaction.transaction().tx_type() == TxType::Blob;
    let can_be_fetched = version.has(MessageId::GetPooledTransactions);
    !is_blob && (transaction.size() <= MAX_SENT_TRANSACTION || !can_be_fetched)
}

/// Returns the messages of the initial transaction sync with a peer.
pub(super) fn initial_transactions(
    peer: &EthPeer,
    pool: &[Arc<PoolTx>],
) -> Vec<InitialTransactions> {
    let unknown: Vec<&Arc<PoolTx>> = pool
        .iter()
        .filter(|it| !peer.knows_transaction(&it.hash()))
        .collect();
    let own = |part: Vec<&Arc<PoolTx>>| part.into_iter().map(Arc::clone).collect::<Vec<_>>();
    if peer.version().has(MessageId::NewPooledTransactionHashes) {
        let parts = unknown.chunks(TRANSACTION_ANNOUNCEMENTS_SENT);
        return parts
            .map(|part| InitialTransactions::Hashes(own(part.to_vec())))
            .collect();
    }
    let version = peer.version();
    let sent: Vec<_> = unknown
        .into_iter()
        .filter(|it| may_be_sent(it, version))
        .collect();
    packs(&sent)
        .into_iter()
        .map(|pack| InitialTransactions::Full(own(pack)))
        .collect()
}

/// One message of the initial transaction sync.
pub(super) enum InitialTransactions {
    Hashes(Vec<Arc<PoolTx>>),
    Full(Vec<Arc<PoolTx>>),
}

impl InitialTransactions {
    /// Returns the message, and the hashes that the peer knows from it.
    pub(super) fn message(&self) -> (EthMessage, Vec<B256>) {
        match self {
            Self::Hashes(part) => {
                let part: Vec<&Arc<PoolTx>> = part.iter().collect();
                (hashes_message(&part), hashes(&part))
            }
            Self::Full(part) => {
                let part: Vec<&Arc<PoolTx>> = part.iter().collect();
                (full_message(&part), hashes(&part))
            }
        }
    }
}

fn packs<'a>(transactions: &[&'a Arc<PoolTx>]) -> Vec<Vec<&'a Arc<PoolTx>>> {
    let mut packs = Vec::new();
    let (mut pack, mut size) = (Vec::new(), 0);
    for transaction in transactions {
        if size + transaction.size() > MAX_TRANSACTION_PACK && !pack.is_empty() {
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

fn full_message(transactions: &[&Arc<PoolTx>]) -> EthMessage {
    let transactions = transactions.iter().map(|it| it.transaction());
    EthMessage::Transactions(LazyList::from_items(transactions))
}

fn hashes_message(transactions: &[&Arc<PoolTx>]) -> EthMessage {
    let announcement = |it: &&Arc<PoolTx>| TransactionAnnouncement {
        hash: it.hash(),
        type_and_size: Some((
            it.transaction().tx_type() as u8,
            u32::try_from(it.size()).unwrap_or(u32::MAX),
        )),
    };
    EthMessage::NewPooledTransactionHashes(transactions.iter().map(announcement).collect())
}
