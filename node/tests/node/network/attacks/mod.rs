//! Byzantine peers that cause a node much work or memory at little cost. Beside them an honest node
//! seals a block a second: the node under attack follows it, answers its other peers and its
//! clients, uses little memory, and logs the reason of each ban.
//!
//! `ACTOREUM_ATTACK_SECONDS` sets the duration of an attack. With `ACTOREUM_ATTACK=enode://…` an
//! external node is attacked (see `tests/interop/attack`), whose script does the measuring.

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

/// Limit of the time of an answer to an honest peer or client during an attack.
const MAX_LATENCY: Duration = Duration::from_secs(1);
/// Maximum number of blocks by which the node is behind the sealing node.
const MAX_LAG: u64 = 2;
/// Limit of the process's memory, in bytes.
const MAX_MEMORY: u64 = 400 << 20;
/// Limit of the bytes that all attackers of a test send, compressed.
const MAX_SENT: u64 = 400 << 20;

fn seconds() -> Duration {
    let seconds = std::env::var("ACTOREUM_ATTACK_SECONDS");
    Duration::from_secs(seconds.map_or(10, |it| it.parse().unwrap()))
}

/// Returns the smallest signed transfer, encoded.
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

/// Repeats an attack until its time is over, each time over a new connection with a fresh key;
/// returns the number of connections.
fn attack_repeatedly(
    target: &Target,
    until: Instant,
    mut attack: impl FnMut(&Target) -> io::Result<()>,
) -> u64 {
    let mut connections = 0;
    while Instant::now() < until {
        // The node may end the connection at any time.
        let _ = attack(target);
        connections += 1;
    }
    connections
}
