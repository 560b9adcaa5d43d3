//! Attacks with large useless blocks in NewBlock messages.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use actoreum_primitives::{Header, U256};
use actoreum_wire::eth::{EthVersion, MessageId};

use super::{Arena, Attacker, MAX_SENT, Target, attack_repeatedly, small_transaction};
use crate::attacker::{Payload, new_block};

/// Number of concurrent connections.
const ATTACKERS: u64 = 15;
/// Number of transactions in a large block: about 9 MB, which compress to a twentieth.
const TRANSACTIONS: usize = 90_000;

/// Returns a NewBlock with encoded `transactions`, whose header claims `gas` as gas used.
fn block(number: u64, branch: u64, transactions: &[u8], gas: u64, gas_limit: u64) -> Payload {
    let header = Header {
        number,
        timestamp: branch,
        gas_used: gas,
        gas_limit,
        difficulty: U256::from(2),
        extra_data: vec![7; 97].into(),
        ..Header::default()
    };
    Payload::new(&new_block(&header, transactions, U256::from(2 * number)))
}

/// Returns a large block far from the head.
pub(super) fn far_block() -> Payload {
    let gas = TRANSACTIONS as u64 * 21_000;
    block(10_000_000, 0, &small_transactions(TRANSACTIONS), gas, gas)
}

fn small_transactions(count: usize) -> Vec<u8> {
    small_transaction().repeat(count)
}

/// Sends a message repeatedly, with a new connection whenever the node disconnects, until enough
/// was sent; returns the number of connections.
fn repeat(target: &Target, payload: &Payload, sent: &AtomicU64, until: Instant) -> u64 {
    attack_repeatedly(target, until, |target| {
        let mut attacker = Attacker::join(target, EthVersion::Eth68)?;
        while Instant::now() < until && sent.load(Relaxed) < MAX_SENT {
            attacker.send(MessageId::NewBlock, payload)?;
            sent.fetch_add(payload.sent() as u64, Relaxed);
        }
        Ok(())
    })
}

#[test]
fn large_blocks_far_from_the_head_stall_nobody() {
    let arena = Arena::open(&[]);
    let payload = far_block();
    println!("{} bytes, {} sent", payload.size, payload.sent());
    let sent = AtomicU64::new(0);
    arena.measure("far blocks", |target| {
        let connections = repeat(target, &payload, &sent, arena.end());
        println!(
            "{connections} connections sent {} MB",
            sent.load(Relaxed) >> 20
        );
    });
    arena.assert_banned("blocks far from our head");
}

#[test]
fn large_orphan_blocks_hold_no_memory() {
    let arena = Arena::open(&[]);
    let transactions = small_transactions(TRANSACTIONS);
    let sent = AtomicU64::new(0);
    arena.measure("orphan blocks", |target| {
        let until = arena.end();
        thread::scope(|scope| {
            for branch in 0..ATTACKERS {
                let (transactions, sent) = (&transactions, &sent);
                scope.spawn(move || {
                    // The header claims the gas of all transactions, no gas, and the gas of a usual
                    // block.
                    let gas = TRANSACTIONS as u64 * 21_000;
                    let (gas, limit, content) = match branch % 3 {
                        0 => (gas, gas, &transactions[..]),
                        1 => (0, 4_700_000, &transactions[..]),
                        _ => (
                            4_700_000,
                            4_700_000,
                            &transactions[..20_000 - 20_000 % small()],
                        ),
                    };
                    let mut number = 20;
                    attack_repeatedly(target, until, |target| {
                        let mut attacker = Attacker::join(target, EthVersion::Eth68)?;
                        while Instant::now() < until && sent.load(Relaxed) < MAX_SENT {
                            number += 1;
                            let near = 20 + number % 12;
                            let payload = block(near, number * 100 + branch, content, gas, limit);
                            attacker.send(MessageId::NewBlock, &payload)?;
                            sent.fetch_add(payload.sent() as u64, Relaxed);
                        }
                        Ok(())
                    });
                });
            }
        });
        println!("{} MB sent", sent.load(Relaxed) >> 20);
    });
    arena.assert_banned("more transactions than its gas pays for");
    arena.assert_banned("blocks whose gas limit is not ours");
    arena.assert_banned("blocks without a parent");
}

fn small() -> usize {
    small_transaction().len()
}

#[test]
fn invalid_children_of_the_head_cost_little() {
    let arena = Arena::open(&[]);
    let sent = AtomicU64::new(0);
    arena.measure("invalid blocks", |target| {
        let until = arena.end();
        attack_repeatedly(target, until, |target| {
            let mut attacker = Attacker::join(target, EthVersion::Eth68)?;
            for branch in 0.. {
                let head = arena.head();
                let header = Header {
                    // The block is a child of the head with an invalid seal and an invalid body.
                    parent_hash: head.1,
                    number: head.0 + 1,
                    timestamp: branch,
                    gas_used: 4_700_000,
                    gas_limit: 4_700_000,
                    difficulty: U256::from(2),
                    extra_data: vec![7; 97].into(),
                    ..Header::default()
                };
                let body = small_transactions(200);
                let payload = Payload::new(&new_block(&header, &body, U256::from(100)));
                attacker.send(MessageId::NewBlock, &payload)?;
                if sent.fetch_add(payload.sent() as u64, Relaxed) > MAX_SENT {
                    break;
                }
            }
            Ok(())
        });
    });
    arena.assert_banned("its body is not that of its header");
}
