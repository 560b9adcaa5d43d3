//! Floods of every message that is more expensive to process than to send.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use actoreum_primitives::rlp::encode_list_header;
use actoreum_primitives::{B256, U256};
use actoreum_wire::eth::{
    BlockAnnouncement, EthMessage, EthVersion, GetBlockHeaders, HashOrNumber, MessageId,
};

use super::{Arena, Attacker, MAX_SENT, Target, attack_repeatedly};
use crate::attacker::Payload;

/// Number of concurrent connections.
const ATTACKERS: usize = 6;
const VERSION: EthVersion = EthVersion::Eth68;

/// Encodes an RLP list with the given content.
fn list(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode_list_header(content.len(), &mut out);
    out.extend_from_slice(content);
    out
}

/// Encodes an answer to request 1 whose list has the given content.
fn answer(content: &[u8]) -> Payload {
    let mut fields = vec![1];
    fields.extend(list(content));
    Payload::new(&list(&fields))
}

fn hash(number: u64) -> B256 {
    B256::left_padding_from(&number.to_be_bytes())
}

/// Returns the messages with their names and the reason of the sender's ban; `None` if the message
/// breaks no rule, so that only its rate is limited.
fn floods() -> Vec<(&'static str, MessageId, Payload, Option<&'static str>)> {
    let encoded = |message: EthMessage| Payload::of(&message, VERSION).1;
    let headers = GetBlockHeaders {
        origin: HashOrNumber::Number(0),
        amount: 1024,
        skip: 0,
        reverse: false,
    };
    let announced = |number: u64| {
        let blocks = (0..256).map(|it| BlockAnnouncement {
            hash: hash(it),
            number: number + it,
        });
        encoded(EthMessage::NewBlockHashes(blocks.collect()))
    };
    let bodies = b"\xc2\xc0\xc0".repeat(3_000_000);
    let header = list(&[7; 9_000_000]);
    // The block claims 16 MB and has them: one literal that is copied again and again.
    let mut bomb = vec![0xff, 0xff, 0xff, 0x07, 0x00, 0x07];
    bomb.extend([0xfe, 0x01, 0x00].repeat((1 << 24) / 64));
    vec![
        (
            "unsolicited bodies",
            MessageId::BlockBodies,
            answer(&bodies),
            Some("unsolicited BlockBodies"),
        ),
        (
            "unsolicited headers",
            MessageId::BlockHeaders,
            answer(&header),
            Some("unsolicited BlockHeaders"),
        ),
        (
            "unsolicited receipts",
            MessageId::Receipts,
            answer(&bodies),
            Some("unsolicited Receipts"),
        ),
        (
            "a snappy bomb",
            MessageId::NewBlock,
            Payload::raw(bomb),
            Some("Message too long"),
        ),
        (
            "a block of empty items",
            MessageId::NewBlock,
            Payload::new(&list(&[&list(&[0xc0; 9_000_000])[..], &[1]].concat())),
            Some("NewBlock"),
        ),
        (
            "announcements of far blocks",
            MessageId::NewBlockHashes,
            announced(1_000_000),
            Some("announcements of blocks far from our head"),
        ),
        (
            "announcements of near blocks",
            MessageId::NewBlockHashes,
            announced(10),
            None,
        ),
        (
            "requests for headers",
            MessageId::GetBlockHeaders,
            encoded(EthMessage::GetBlockHeaders(1, headers)),
            None,
        ),
        (
            "requests for bodies",
            MessageId::GetBlockBodies,
            encoded(EthMessage::GetBlockBodies(1, (0..1024).map(hash).collect())),
            None,
        ),
        (
            "requests for receipts",
            MessageId::GetReceipts,
            encoded(EthMessage::GetReceipts(1, (0..1024).map(hash).collect())),
            None,
        ),
        (
            "requests for pooled transactions",
            MessageId::GetPooledTransactions,
            encoded(EthMessage::GetPooledTransactions(
                1,
                (0..4096).map(hash).collect(),
            )),
            None,
        ),
    ]
}

fn flood(target: &Target, id: MessageId, payload: &Payload, sent: &AtomicU64, until: Instant) {
    attack_repeatedly(target, until, |target| {
        let mut attacker = Attacker::join_as(
            target,
            VERSION,
            &actoreum_primitives::SecretKey::random(),
            |mut status| {
                // The low total difficulty prevents a sync from this peer.
                status.total_difficulty = U256::from(1);
                status
            },
        )?;
        while Instant::now() < until && sent.load(Relaxed) < MAX_SENT {
            attacker.send(id, payload)?;
            sent.fetch_add(payload.sent() as u64, Relaxed);
            attacker.discard_received()?;
        }
        Ok(())
    });
}

#[test]
fn floods_of_expensive_messages_delay_nobody() {
    let arena = Arena::open(&[]);
    for (name, id, payload, reason) in floods() {
        let sent = AtomicU64::new(0);
        arena.measure(name, |target| {
            let until = Instant::now() + Duration::from_secs(3);
            thread::scope(|scope| {
                for _ in 0..ATTACKERS {
                    scope.spawn(|| flood(target, id, &payload, &sent, until));
                }
            });
        });
        println!("  {} kB in all", sent.load(Relaxed) >> 10);
        if let Some(reason) = reason {
            arena.assert_banned(reason);
        }
    }
}

/// The attack of `tests/interop/attack`: the node and the measurements are outside of this process.
#[test]
fn an_external_node_is_attacked_if_one_is_given() {
    let Ok(url) = std::env::var("ACTOREUM_ATTACK") else {
        println!("skipped: no node is named");
        return;
    };
    let (target, sent) = (Target::of(&url), AtomicU64::new(0));
    let until = Instant::now() + super::seconds();
    let far_block = super::blocks::far_block();
    thread::scope(|scope| {
        scope.spawn(|| flood(&target, MessageId::NewBlock, &far_block, &sent, until));
    });
    println!("{} MB sent", sent.load(Relaxed) >> 20);
}
