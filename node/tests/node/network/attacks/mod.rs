//! Byzantine peers that make a node work, or hold memory, for what costs them little. Beside them
//! an honest node seals a block a second: the node under attack follows it, answers its other
//! peers and clients, stays small, and says of each attacker why it went.
//!
//! `ACTOREUM_ATTACK_SECONDS` asks for longer attacks. With `ACTOREUM_ATTACK=enode://…` they go to
//! a node that runs elsewhere (see `tests/interop/attack`), whose script measures for itself.

mod arena;
mod blocks;
mod floods;
mod half_open;
mod log;

use std::io;
use std::time::{Duration, Instant};

use actoreum_primitives::{LegacyTx, SecretKey, TxPayload, U256};

use self::arena::Arena;
use crate::attacker::{Attacker, Target};

/// The answer to an honest peer or client takes less, however busy the attackers are.
const LATENCY: Duration = Duration::from_secs(1);
/// Blocks that the node is behind the one that seals at most.
const LAG: u64 = 2;
/// Memory that the process has at most.
const MEMORY: u64 = 400 << 20;
/// Bytes that all attackers of a test send at most, compressed.
const SENT: u64 = 400 << 20;

fn seconds() -> Duration {
    let seconds = std::env::var("ACTOREUM_ATTACK_SECONDS");
    Duration::from_secs(seconds.map_or(10, |it| it.parse().unwrap()))
}

/// A signed transfer as small as they come.
fn small_transaction() -> Vec<u8> {
    let key = SecretKey::from_bytes(&[7; 32]).unwrap();
    let transfer = TxPayload::Legacy(LegacyTx {
        gas_price: U256::from(1),
        gas_limit: 21_000,
        to: Some(Default::default()),
        ..LegacyTx::default()
    });
    actoreum_primitives::rlp::encode(&transfer.sign(&key))
}

/// Runs an attack until its time is over: whenever the node ends the connection, it comes back as
/// somebody else. How many connections that were.
fn attack_again_and_again(
    target: &Target,
    until: Instant,
    mut attack: impl FnMut(&Target) -> io::Result<()>,
) -> u64 {
    let mut lives = 0;
    while Instant::now() < until {
        // However it ended, it ended.
        let _ = attack(target);
        lives += 1;
    }
    lives
}
