//! Blocks: whole, large, and of no use.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use actoreum_primitives::{Header, U256};
use actoreum_wire::eth::{EthVersion, MessageId};

use super::{Arena, Attacker, SENT, Target, attack_again_and_again, small_transaction};
use crate::attacker::{Payload, new_block};

/// Connections at a time.
const ATTACKERS: u64 = 15;
/// As many small transactions are about 9 MB, and compress to a twentieth.
const TRANSACTIONS: usize = 90_000;

/// A block with so many transactions, whose header says that it used so much gas.
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

/// A large block far from the head.
pub(super) fn far() -> Payload {
    let gas = TRANSACTIONS as u64 * 21_000;
    block(10_000_000, 0, &many(TRANSACTIONS), gas, gas)
}

fn many(count: usize) -> Vec<u8> {
    small_transaction().repeat(count)
}

/// Sends one message over and over, until the node ends it or enough was sent.
fn repeat(target: &Target, payload: &Payload, sent: &AtomicU64, until: Instant) -> u64 {
    attack_again_and_again(target, until, |target| {
        let mut attacker = Attacker::join(target, EthVersion::Eth68)?;
        while Instant::now() < until && sent.load(Relaxed) < SENT {
            attacker.send(MessageId::NewBlock, payload)?;
            sent.fetch_add(payload.sent() as u64, Relaxed);
        }
        Ok(())
    })
}

#[test]
fn large_blocks_far_from_the_head_stall_nobody() {
    let arena = Arena::open(&[]);
    let payload = far();
    println!("{} bytes, {} sent", payload.size, payload.sent());
    let sent = AtomicU64::new(0);
    arena.measure("far blocks", |target| {
        let lives = repeat(target, &payload, &sent, arena.end());
        println!("{lives} attackers sent {} MB", sent.load(Relaxed) >> 20);
    });
    arena.assert_banned("blocks far from our head");
}

#[test]
fn large_orphan_blocks_hold_no_memory() {
    let arena = Arena::open(&[]);
    let transactions = many(TRANSACTIONS);
    let sent = AtomicU64::new(0);
    arena.measure("orphan blocks", |target| {
        let until = arena.end();
        thread::scope(|scope| {
            for branch in 0..ATTACKERS {
                let (transactions, sent) = (&transactions, &sent);
                scope.spawn(move || {
                    // The gas of as many transactions, of none, and of a block like ours.
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
                    attack_again_and_again(target, until, |target| {
                        let mut attacker = Attacker::join(target, EthVersion::Eth68)?;
                        while Instant::now() < until && sent.load(Relaxed) < SENT {
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
fn blocks_of_our_head_that_are_invalid_cost_little() {
    let arena = Arena::open(&[]);
    let sent = AtomicU64::new(0);
    arena.measure("invalid blocks", |target| {
        let until = arena.end();
        attack_again_and_again(target, until, |target| {
            let mut attacker = Attacker::join(target, EthVersion::Eth68)?;
            for branch in 0.. {
                let head = arena.head();
                let header = Header {
                    // It is the head's child, but for its seal and its body.
                    parent_hash: head.1,
                    number: head.0 + 1,
                    timestamp: branch,
                    gas_used: 4_700_000,
                    gas_limit: 4_700_000,
                    difficulty: U256::from(2),
                    extra_data: vec![7; 97].into(),
                    ..Header::default()
                };
                let body = many(200);
                let payload = Payload::new(&new_block(&header, &body, U256::from(100)));
                attacker.send(MessageId::NewBlock, &payload)?;
                if sent.fetch_add(payload.sent() as u64, Relaxed) > SENT {
                    break;
                }
            }
            Ok(())
        });
    });
    arena.assert_banned("its body is not that of its header");
}
