//! What strangers can write into the log.

use actoreum_wire::eth::{EthVersion, MessageId};

use super::{Arena, Attacker};
use crate::attacker::Payload;

/// Peers that come, are banned and come again as somebody else.
const LIVES: usize = 300;
/// Lines of a kind that are written in half a minute.
const LINES: usize = 30;

#[test]
fn peers_that_come_and_are_banned_do_not_flood_the_log() {
    let arena = Arena::open(&[]);
    let malformed = Payload::new(&[0xc1, 0xc0, 0xc0]);
    let mut banned = 0;
    for _ in 0..LIVES {
        let Ok(mut attacker) = Attacker::join(&arena.target(), EthVersion::Eth68) else {
            continue;
        };
        if attacker.send(MessageId::NewBlock, &malformed).is_ok()
            && attacker.wait_for_disconnect(super::LATENCY * 20).is_some()
        {
            banned += 1;
        }
    }
    assert!(banned > LIVES / 2, "{banned} were banned");
    let process = &arena.victim.process;
    for kind in ["peer banned", "peer connected"] {
        let lines = process.lines(kind).len();
        println!("{kind}: {lines} lines");
        // A period may have ended in between.
        assert!(lines > 0 && lines <= 2 * LINES, "{kind}: {lines}");
    }
    super::super::until("the others are counted", || {
        process.line("more peers banned").is_some()
            && process.line("more peers connected").is_some()
    });
}
