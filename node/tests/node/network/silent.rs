//! Peers that claim the highest total difficulty that a status can have and answer no request: a
//! node syncs from the honest peer beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use actoreum_primitives::{B256, SecretKey, U256};
use actoreum_wire::eth::{EthVersion, Status};
use serde_json::json;

use super::syncing::{number, with_chain};
use super::{Node, until};
use crate::attacker::{Attacker, Target};
use crate::chains;

const SILENT: u8 = 12;
/// Limit of the sync's duration: three steps of the search for a peer, the sync itself, and a
/// margin for a busy machine.
const BOUND: Duration = Duration::from_secs(60);

/// Starts a peer that claims a high total difficulty and answers nothing but pings, until
/// `is_over`.
fn silent(target: Target, number: u8, is_over: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let claim = move |status: Status| Status {
        total_difficulty: U256::MAX >> 156,
        head: B256::repeat_byte(number),
        ..status
    };
    let key = SecretKey::random();
    let joined = Attacker::join_as(&target, EthVersion::Eth66, &key, claim);
    let mut attacker = joined.unwrap();
    thread::spawn(move || {
        while !is_over.load(Relaxed) {
            let ended = attacker.wait_for_disconnect(Duration::from_millis(100));
            if ended.is_some() {
                return;
            }
        }
    })
}

#[test]
fn an_initial_sync_passes_twelve_unresponsive_peers() {
    let Some(chain) = chains::clique() else {
        return;
    };
    let honest = with_chain(&chain, &[]);
    let victim = Node::start_in(chain.new_datadir("sled"), &["--nodiscover"]);
    let target = Target::of(&victim.enode());
    let is_over = Arc::new(AtomicBool::new(false));
    let silent: Vec<_> = (0..SILENT)
        .map(|number| silent(target, number, Arc::clone(&is_over)))
        .collect();
    until("all of them are peers", || {
        victim.peers().len() == usize::from(SILENT)
    });
    let begun = Instant::now();
    victim.add(&honest.enode());
    until("the honest chain is there", || {
        number(&victim.call("eth_blockNumber", json!([]))) == chain.head_number
    });
    println!("the sync took {:.1?}", begun.elapsed());
    assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
    // A peer that does not deliver the head that it claims is dropped.
    until("only the honest one is left", || victim.peers().len() == 1);
    assert!(!victim.process.lines("timeout").is_empty());
    is_over.store(true, Relaxed);
    for silent in silent {
        silent.join().unwrap();
    }
}
