//! Decoders allocate no more than their input warrants.
//!
//! Each input claims more than it holds, or holds the smallest possible items. The allocator
//! measures the peak.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use actoreum_primitives::rlp::{self, Encode};
use actoreum_primitives::{SecretKey, keccak256};
use actoreum_wire::discv4::decode_packet;
use actoreum_wire::eth::{EthMessage, EthVersion, MessageId};
use actoreum_wire::limits::{
    MAX_ETH_MESSAGE, MAX_SNAP_MESSAGE, MAX_TRANSACTIONS, MIN_TRANSACTION_SIZE,
};
use actoreum_wire::nodes::Enr;
use actoreum_wire::p2p::{Capability, Compression, Event, Hello, Protocol, Session, SessionConfig};
use actoreum_wire::rlpx::{Handshake, HandshakeFormat};
use actoreum_wire::snap::{SnapMessage, SnapMessageId};
use bytes::Bytes;

struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator; counting touches thread-local cells
// without a destructor, which allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get().saturating_add(layout.size()));
        PEAK.set(PEAK.get().max(HELD.get()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get().saturating_sub(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the peak of the bytes that `work` held, beyond what was held before.
fn peak_of<T>(work: impl FnOnce() -> T) -> usize {
    HELD.set(0);
    PEAK.set(0);
    let result = work();
    let peak = PEAK.get();
    drop(result);
    peak
}

/// Maximum bytes that a decoder may hold for an input of a few bytes.
const SMALL: usize = 4096;

fn list(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    rlp::encode_list_header(content.len(), &mut out);
    out.extend_from_slice(content);
    out
}

/// Returns inputs of a few bytes that claim sizes up to 2^64.
fn claims() -> Vec<Vec<u8>> {
    let mut claims = Vec::new();
    for head in [0xfb_u8, 0xbb] {
        claims.push(vec![head, 0x3b, 0x9a, 0xca, 0x00]);
        claims.push(list(&[head, 0x3b, 0x9a, 0xca, 0x00]));
        claims.push(list(&[0x01, head, 0x3b, 0x9a, 0xca, 0x00]));
        claims.push([&[head + 4][..], &[0xff; 8]].concat());
    }
    claims
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).expect("a valid key")
}

fn decode_all(version: EthVersion, code: u64, payload: &Bytes) {
    match EthMessage::decode(version, code, payload) {
        Ok(EthMessage::Transactions(list)) => drop(list.decode()),
        Ok(EthMessage::BlockHeaders(_, list)) => drop(list.decode()),
        Ok(EthMessage::BlockBodies(_, list)) => drop(list.decode()),
        Ok(EthMessage::PooledTransactions(_, list)) => drop(list.decode()),
        Ok(EthMessage::NodeData(_, list)) => drop(list.decode()),
        Ok(EthMessage::Receipts(_, lists)) => drop(lists.encoded()),
        _ => {}
    }
}

#[test]
fn size_claims_in_eth_messages_allocate_nothing() {
    for version in EthVersion::ALL {
        for message in MessageId::ALL {
            for claim in claims() {
                let payload = Bytes::from(claim);
                let peak = peak_of(|| decode_all(version, message.code(), &payload));
                assert!(peak < SMALL, "{version:?} {message:?}: {peak}");
            }
        }
    }
}

#[test]
fn ten_mebibytes_of_the_smallest_items_do_not_grow() {
    for version in [EthVersion::Eth63, EthVersion::Eth65, EthVersion::Eth68] {
        for message in MessageId::ALL {
            for item in [
                &[0x80_u8][..],
                &[0xc0],
                &[0xc2, 0xc0, 0xc0],
                &[0xc3, 0xc0, 0xc0, 0xc0],
            ] {
                let room = MAX_ETH_MESSAGE - 16;
                let content = list(&item.repeat(room / item.len()));
                let content = match version {
                    EthVersion::Eth68 => list(&[&[1][..], &content].concat()),
                    _ => content,
                };
                let payload = Bytes::from(content);
                let peak = peak_of(|| decode_all(version, message.code(), &payload));
                assert!(
                    peak <= payload.len() / 2,
                    "{version:?} {message:?} {item:x?}: {peak}"
                );
            }
        }
    }
}

fn decode_snap(message: SnapMessageId, payload: &Bytes) {
    match SnapMessage::decode(message.code(), payload) {
        Ok(SnapMessage::AccountRange(_, accounts, _)) => drop(accounts.decode()),
        Ok(SnapMessage::StorageRanges(_, ranges, _)) => drop(ranges.decode()),
        Ok(SnapMessage::ByteCodes(_, values) | SnapMessage::TrieNodes(_, values)) => {
            drop(values.decode());
        }
        _ => {}
    }
}

#[test]
fn size_claims_in_snap_messages_allocate_nothing() {
    for message in SnapMessageId::ALL {
        for claim in claims() {
            let payload = Bytes::from(claim);
            let peak = peak_of(|| decode_snap(message, &payload));
            assert!(peak < SMALL, "{message:?}: {peak}");
        }
    }
}

#[test]
fn ten_mebibytes_of_the_smallest_snap_items_do_not_grow() {
    let word = [&[0xa0][..], &[7; 32]].concat();
    let slot = list(&[&word[..], &[1]].concat());
    let account = list(&[&word[..], &list(&[0x80; 4])].concat());
    for item in [
        &[0x80_u8][..],
        &[0xc0],
        &[0xc1, 0x80],
        &word,
        &slot,
        &account,
    ] {
        let many = list(&item.repeat((MAX_SNAP_MESSAGE - 64) / item.len()));
        let in_one = list(&list(
            &item.repeat(1 + (MAX_SNAP_MESSAGE - 64) / item.len()),
        ));
        for content in [many, in_one] {
            for fields in [
                [&[1][..], &content, &[0xc0]].concat(),
                [&[1][..], &content].concat(),
                [&[1][..], &word, &content, &[1]].concat(),
            ] {
                let payload = Bytes::from(list(&fields));
                for message in SnapMessageId::ALL {
                    let peak = peak_of(|| decode_snap(message, &payload));
                    assert!(peak <= 2 * payload.len(), "{message:?} {item:x?}: {peak}");
                }
            }
        }
    }
}

#[test]
fn decoded_transactions_grow_by_a_bounded_factor() {
    // Nine fields, padded to the minimum average size in the input.
    let mut transaction = vec![0xc0 + 31, 0x80, 0x80, 0x80, 0x80, 0x80, 0x96];
    transaction.extend([1; 22]);
    transaction.extend([27, 1, 1]);
    assert_eq!(transaction.len(), MIN_TRANSACTION_SIZE);
    let payload = Bytes::from(list(&transaction.repeat(MAX_TRANSACTIONS)));
    let mut decoded = 0;
    let peak = peak_of(|| {
        let message = EthMessage::decode(EthVersion::Eth63, 2, &payload).unwrap();
        let EthMessage::Transactions(list) = message else {
            panic!("transactions")
        };
        let transactions = list.decode().unwrap();
        decoded = transactions.len();
        transactions
    });
    assert_eq!(decoded, MAX_TRANSACTIONS);
    assert!(peak < 32 * payload.len(), "{peak} for {}", payload.len());
    // Decoded one at a time, they hold no more than one.
    let peak = peak_of(|| {
        let message = EthMessage::decode(EthVersion::Eth63, 2, &payload).unwrap();
        let EthMessage::Transactions(list) = message else {
            panic!("transactions")
        };
        assert!(list.iter().all(|transaction| transaction.is_ok()));
    });
    assert!(peak < SMALL, "{peak}");
}

#[test]
fn size_claims_in_discovery_packets_allocate_nothing() {
    for type_byte in 0..=7 {
        for claim in claims() {
            let content = [&[type_byte], claim.as_slice()].concat();
            let signature = key(1).sign(keccak256(&content)).to_bytes();
            let hashed = [signature.as_slice(), &content].concat();
            let datagram = [keccak256(&hashed).as_slice(), &hashed].concat();
            let peak = peak_of(|| decode_packet(&datagram));
            assert!(peak < SMALL, "type {type_byte}: {peak}");
        }
    }
    for claim in claims() {
        assert!(peak_of(|| assert!(Enr::decode(&claim).is_err())) < SMALL);
    }
    let record = list(&[0x80; 290]);
    assert!(peak_of(|| assert!(Enr::decode(&record).is_err())) < SMALL);
    let text = format!("enr:{}", "A".repeat(1 << 20));
    assert!(peak_of(|| assert!(text.parse::<Enr>().is_err())) < SMALL);
}

#[test]
fn size_claims_in_a_hello_allocate_nothing() {
    for claim in claims() {
        assert!(peak_of(|| assert!(Hello::decode_payload(&claim).is_err())) < SMALL);
    }
    let mut capabilities = Vec::new();
    capabilities.extend([0xc2, 0x80, 0x80].repeat(600));
    let mut payload = Vec::new();
    5u64.encode(&mut payload);
    payload.push(0x80);
    payload.extend(list(&capabilities));
    payload.push(0x80);
    rlp::encode_str(&key(1).public_key().to_uncompressed(), &mut payload);
    let payload = list(&payload);
    let peak = peak_of(|| assert!(Hello::decode_payload(&payload).is_ok()));
    assert!(peak < 2 * SMALL, "{peak}");
}

#[test]
fn a_handshake_size_claim_allocates_nothing() {
    let mut responder = Handshake::respond(key(2), [4; 32]);
    for size in [0u16, 306, 307, 4096, 4097, u16::MAX] {
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.resize(200, 0);
        let peak = peak_of(|| drop(responder.read(&bytes)));
        assert!(peak < SMALL, "{size}: {peak}");
    }
}

#[test]
fn snappy_claims_allocate_nothing() {
    for claim in [
        &[0xff, 0xff, 0xff, 0x07, 0x00][..],
        &[0x80, 0x80, 0x80, 0x08, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00],
    ] {
        let peak = peak_of(|| assert!(Compression::decompress(claim).is_err()));
        assert!(peak < SMALL, "{peak}");
    }
}

#[test]
fn a_frame_header_reserves_nothing_for_its_body() {
    let now = Instant::now();
    let config = |byte: u8| {
        let capability = Capability::new("eth", 63);
        let protocols = vec![Protocol {
            capability,
            length: 17,
        }];
        SessionConfig {
            version: 4,
            ..SessionConfig::new(key(byte), "test", protocols)
        }
    };
    let format = HandshakeFormat::Eip8;
    let mut dialer = Session::initiate(config(1), key(2).public_key(), format, [1; 32], now);
    let mut listener = Session::accept(config(2), [2; 32], now);
    for _ in 0..4 {
        listener.receive(&dialer.take_output());
        dialer.receive(&listener.take_output());
        for session in [&mut dialer, &mut listener] {
            while let Some(event) = session.poll(now).unwrap() {
                if matches!(event, Event::Authenticated { .. }) {
                    session.send_hello().unwrap();
                }
            }
        }
    }
    assert!(dialer.is_open() && listener.is_open());
    dialer.send(0, 7, &vec![1; 8 << 20]).unwrap();
    let frame = dialer.take_output();
    assert!(frame.len() > 8 << 20);
    let peak = peak_of(|| {
        listener.receive(&frame[..48]);
        assert_eq!(listener.poll(now), Ok(None));
    });
    assert!(peak < SMALL, "{peak}");
}
