//! What the fetcher holds its inputs to, with the reasons. The numbers are geth's.

use std::time::Duration;

/// An announced block is asked for after this: mostly it comes by itself before.
pub const ARRIVE_TIMEOUT: Duration = Duration::from_millis(500);

/// What is due within this is asked for together.
pub const GATHER_SLACK: Duration = Duration::from_millis(100);

/// An answer that did not come in this time is asked of another peer, where one has announced the
/// block too.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// A block so far below our head is of no use any more, not even as an ommer.
pub const MAX_UNCLE_DISTANCE: u64 = 7;

/// A block so far above our head comes with a sync. Bounds what can be queued under nonsense
/// numbers.
pub const MAX_QUEUE_DISTANCE: u64 = 32;

/// Announced blocks of one peer that are remembered.
pub const HASH_LIMIT: usize = 256;

/// Blocks of one peer that wait to be imported: whole blocks are large.
pub const BLOCK_LIMIT: usize = 64;

/// Bytes of headers and blocks of one peer that are held, from the header's arrival to the end of
/// the import. Room for one block of the largest kind (10 MiB) and the ordinary ones around it.
pub const MAX_PEER_BYTES: usize = 16 << 20;

/// The same of all peers. With a full share for every peer, 50 of them could have 800 MiB held.
/// What is over goes from the peer that holds most, so that byzantine peers that fill it lose
/// their own blocks to the next honest one.
pub const MAX_TOTAL_BYTES: usize = 64 << 20;

/// What a held block takes beside its body and the extra data of its header: the header's fields
/// and the places in the maps.
pub const ENTRY_BYTES: usize = 1024;
