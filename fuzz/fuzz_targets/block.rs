#![no_main]

use actoreum_fuzz::assert_round_trip;
use actoreum_primitives::{Block, Body, keccak256, recover_senders, rlp};
use actoreum_primitives::{ChainConfig, Fork, transaction_trie_items, withdrawal_trie_items};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert_round_trip::<Body>(data);
    let Some(block) = assert_round_trip::<Block>(data) else {
        return;
    };
    assert_eq!(block.hash(), keccak256(rlp::encode(&block.header)));
    let _ = block.body.ommers_hash();
    let transactions = transaction_trie_items(&block.body.transactions);
    let withdrawals = withdrawal_trie_items(block.body.withdrawals.as_deref().unwrap_or_default());
    for items in [transactions, withdrawals] {
        actoreum_trie::ordered_root(&items).expect("a list of items has a root");
    }
    let config = ChainConfig::active_from_genesis(1, Fork::Osaka);
    let _ = recover_senders(&config, std::slice::from_ref(&block));
});
