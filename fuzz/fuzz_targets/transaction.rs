#![no_main]

use actoreum_fuzz::assert_round_trip;
use actoreum_primitives::{
    ChainConfig, Fork, PooledTransaction, SenderRules, Transaction, keccak256,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert_round_trip::<Transaction>(data);
    assert_round_trip::<PooledTransaction>(data);
    if let Ok(pooled) = PooledTransaction::decode_2718(data) {
        assert_eq!(pooled.encode_2718(), data);
    }
    let Ok(transaction) = Transaction::decode_2718(data) else {
        return;
    };
    assert_eq!(transaction.encode_2718(), data);
    assert_eq!(transaction.encode_2718_length(), data.len());
    assert_eq!(transaction.hash(), keccak256(data));
    let _ = (transaction.v(), transaction.blob_gas());
    let _ = transaction.effective_gas_price(Some(7));
    let _ = transaction.effective_tip(Some(7));
    for authorization in transaction.authorization_list() {
        let _ = authorization.recover_authority();
    }
    for fork in [Fork::Frontier, Fork::Homestead, Fork::Osaka] {
        let config = ChainConfig::active_from_genesis(1, fork);
        let sender = SenderRules::at(&config, 1, 1).sender(&transaction);
        if let Ok(sender) = sender {
            assert_eq!(transaction.recover_sender().ok(), Some(sender));
        }
    }
});
