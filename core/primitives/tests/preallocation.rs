//! Tests that a decoder allocates no more than its input warrants.
//!
//! Each input is hostile: it claims to be longer than it is, or holds items of the smallest size.
//! The allocator counts. The peak of allocated bytes must stay below a multiple of the input: the
//! type's size divided by its smallest encoding, plus the cost of a vector's growth.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use actoreum_primitives::rlp::{self, Decode};
use actoreum_primitives::{
    AccessListItem, Authorization, Block, Body, Bytes, Genesis, Header, Log, PooledTransaction,
    Receipt, Transaction, TxPayload, U256, Withdrawal,
};

struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn grow(size: usize) {
    HELD.set(HELD.get().saturating_add(size));
    PEAK.set(PEAK.get().max(HELD.get()));
}

// SAFETY: every call goes to the system's allocator; counting touches thread-local cells
// without a destructor, which allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
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

/// Returns the maximum number of bytes that `work` held at once.
fn peak_of<T>(work: impl FnOnce() -> T) -> usize {
    HELD.set(0);
    PEAK.set(0);
    let result = work();
    let peak = PEAK.get();
    drop(result);
    peak
}

fn list(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    rlp::encode_list_header(content.len(), &mut out);
    out.extend(content);
    out
}

/// Maximum nesting of the types: a block, its transactions, one of them, its access list.
const NESTING: usize = 4;

/// Returns lists and strings, alone and nested, that claim to be far longer than they are.
fn overclaims() -> Vec<Vec<u8>> {
    let mut inputs = vec![
        vec![0xff; 9],
        vec![0xbf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0xfb, 0x7f, 0xff, 0xff, 0xff],
        vec![0xbb, 0x7f, 0xff, 0xff, 0xff],
        vec![0xf9, 0xff, 0xff, 0x80],
        vec![2, 0xfb, 0x7f, 0xff, 0xff, 0xff],
        vec![3, 0xfb, 0x7f, 0xff, 0xff, 0xff],
    ];
    let mut innermost = inputs.clone();
    for _ in 0..NESTING {
        innermost = innermost.iter().map(|claim| list(claim)).collect();
        inputs.extend(innermost.iter().cloned());
    }
    inputs
}

fn assert_overclaims_are_refused<T: Decode>() {
    for input in overclaims() {
        let peak = peak_of(|| assert!(rlp::decode_exact::<T>(&input).is_err()));
        assert!(peak <= 256, "{} bytes for {input:02x?}", peak);
    }
}

#[test]
fn prealloc_an_overlong_claim_allocates_nothing() {
    assert_overclaims_are_refused::<Header>();
    assert_overclaims_are_refused::<Block>();
    assert_overclaims_are_refused::<Body>();
    assert_overclaims_are_refused::<Transaction>();
    assert_overclaims_are_refused::<PooledTransaction>();
    assert_overclaims_are_refused::<Receipt>();
    assert_overclaims_are_refused::<Log>();
    assert_overclaims_are_refused::<AccessListItem>();
    assert_overclaims_are_refused::<Authorization>();
    assert_overclaims_are_refused::<Withdrawal>();
    assert_overclaims_are_refused::<Vec<Transaction>>();
    assert_overclaims_are_refused::<Vec<Receipt>>();
    assert_overclaims_are_refused::<Bytes>();
}

/// Decodes `count` of the smallest `T` in a list and returns the number of allocated bytes for each
/// byte of input.
fn amplification<T: Decode>(smallest: &[u8], count: usize) -> usize {
    let input = list(&smallest.repeat(count));
    let mut items = 0;
    let peak = peak_of(|| {
        let decoded = rlp::decode_exact::<Vec<T>>(&input);
        items = decoded.as_ref().map_or(0, Vec::len);
        decoded
    });
    assert_eq!(items, count);
    let factor = peak.div_ceil(input.len());
    // A vector doubles: while it is moved, one and a half times its final capacity is allocated.
    let fair = (3 * size_of::<T>()).div_ceil(smallest.len()) + 1;
    assert!(factor <= fair, "{factor} bytes for each, {fair} expected");
    factor
}

#[test]
fn prealloc_the_smallest_items_bound_the_amplification() {
    const COUNT: usize = 10_000;
    // Nine fields of one byte; v is 27.
    let transaction = list(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 27, 0x80, 0x80]);
    let access_list_item = list(&[&[0x94][..], &[0; 20], &[0xc0]].concat());
    let log = list(&[&[0x94][..], &[0; 20], &[0xc0, 0x80]].concat());
    let withdrawal = list(&[&[0x80, 0x80, 0x94][..], &[0; 20], &[0x80]].concat());
    let factors = [
        (
            "transactions",
            amplification::<Transaction>(&transaction, COUNT),
        ),
        (
            "access list",
            amplification::<AccessListItem>(&access_list_item, COUNT),
        ),
        ("logs", amplification::<Log>(&log, COUNT)),
        (
            "withdrawals",
            amplification::<Withdrawal>(&withdrawal, COUNT),
        ),
        ("numbers", amplification::<U256>(&[0x80], COUNT)),
        ("strings", amplification::<Bytes>(&[0x80], COUNT)),
    ];
    for (name, factor) in factors {
        println!("{name}: at most {factor} bytes for each byte of input");
        assert!(factor <= 128, "{name}: {factor}");
    }
}

#[test]
fn prealloc_a_genesis_is_bounded() {
    let account = r#""0x00000000000000000000000000000000000000aa": {"balance": "0x1"}"#;
    let json = format!(
        r#"{{"config": {{"chainId": 1}}, "gasLimit": 1, "difficulty": 1, "alloc": {{{account}}}}}"#
    );
    let peak = peak_of(|| {
        let genesis = Genesis::from_json(&json);
        assert!(genesis.is_ok());
        genesis
    });
    assert!(peak < 16 * 1024, "{peak}");
    // Deep nesting is refused or skipped without recursion.
    let deep = "[".repeat(100_000);
    let peak = peak_of(|| assert!(Genesis::from_json(&deep).is_err()));
    assert!(peak < 256 * 1024, "{peak}");
}

#[test]
fn a_transaction_stays_small_in_memory() {
    assert!(size_of::<TxPayload>() <= 272, "{}", size_of::<TxPayload>());
    assert!(
        size_of::<Transaction>() <= 432,
        "{}",
        size_of::<Transaction>()
    );
}
