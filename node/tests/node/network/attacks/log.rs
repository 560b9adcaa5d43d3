//! The limit on log lines that remote peers can cause.

use actoreum_wire::eth::{EthVersion, MessageId};

use super::{Arena, Attacker};
use crate::attacker::Payload;

/// Number of peers that connect with a fresh key and are banned.
const CONNECTIONS: usize = 300;
/// Maximum number of lines of one kind within half a minute.
const MAX_LINES: usize = 30;

#[test]
fn repeated_bans_do_not_flood_the_log() {
    let arena = Arena::open(&[]);
    let malformed = Payload::new(&[0xc1, 0xc0, 0xc0]);
    let mut banned = 0;
    for _ in 0..CONNECTIONS {
        let Ok(mut attacker) = Attacker::join(&arena.target(), EthVersion::Eth68) else {
            continue;
        };
        if attacker.send(MessageId::NewBlock, &malformed).is_ok()
            && attacker
                .wait_for_disconnect(super::MAX_LATENCY * 20)
                .is_some()
        {
            banned += 1;
        }
    }
    assert!(banned > CONNECTIONS / 2, "{banned} were banned");
    let process = &arena.victim.process;
    for kind in ["peer banned", "peer connected"] {
        let lines = process.lines(kind).len();
        println!("{kind}: {lines} lines");
        // The attack may span the end of a period.
        assert!(lines > 0 && lines <= 2 * MAX_LINES, "{kind}: {lines}");
    }
    super::super::until("the others are counted", || {
        process.line("more peers banned").is_some()
            && process.line("more peers connected").is_some()
    });
}
