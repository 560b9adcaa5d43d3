#![no_main]

use actoreum_primitives::{B256, ChainConfig, Genesis};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(json) = str::from_utf8(data) else {
        return;
    };
    let _ = ChainConfig::from_json(json);
    let Ok(genesis) = Genesis::from_json(json) else {
        return;
    };
    let _ = genesis.config.check_fork_order();
    let block = genesis.block(B256::ZERO);
    assert_eq!(block.hash(), block.header.hash());
    assert!(genesis.state_diff().accounts.len() >= genesis.alloc.len());
    // The config that is stored is the one that was read.
    let stored = serde_json::to_string(&genesis.config).expect("a config has a JSON form");
    let again = ChainConfig::from_json(&stored).expect("what was written can be read");
    assert_eq!(again, genesis.config);
});
