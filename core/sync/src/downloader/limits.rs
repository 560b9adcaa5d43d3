//! Limits of a sync: memory, requests, timeouts.

use std::time::Duration;

/// Number of headers in one request: what the oldest client in use serves (geth's
/// `MaxHeaderFetch`).
pub const HEADERS_PER_REQUEST: u64 = 192;

/// Maximum number of anchors in a skeleton (geth's `MaxSkeletonSize`): 24,576 headers are spread
/// over all peers.
pub const SKELETON_ANCHORS: u64 = 128;

/// Maximum number of bodies in one request (geth's `MaxBlockFetch`).
pub const BODIES_PER_REQUEST: usize = 128;

/// Maximum number of blocks whose receipts are in one request (geth's `MaxReceiptFetch`).
pub const RECEIPTS_PER_REQUEST: usize = 256;

/// Maximum number of state values in one request (geth's `MaxStateFetch`).
pub const VALUES_PER_REQUEST: usize = 384;

/// Number of items in the first request to a peer, before its throughput is known. Enough to
/// measure it, few enough that a slow peer delays little.
pub const FIRST_ITEMS: usize = 32;

/// Distance of the pivot below the head (geth's `fsMinFullBlocks`): the blocks above the pivot are
/// executed, and no reorg is expected to go below it.
pub const PIVOT_DEPTH: u64 = 64;

/// Bytes of state that are written in one commit (geth's `IdealBatchSize` is 100 KB; a commit costs
/// a flush to disk).
pub const STATE_COMMIT_BYTES: usize = 1 << 20;

/// Number of syncs in a row without a new state value after which a fast sync becomes a full one:
/// no peer has a state that is recent enough.
pub const MAX_STATELESS_SYNCS: u32 = 3;

/// Number of recent headers with which the search for the common ancestor begins (geth's
/// `MaxHeaderFetch / 16`).
pub const ANCESTOR_SPAN: u64 = 12;

/// Maximum depth of the common ancestor below the local head (geth's `MaxForkAncestry`): no peer
/// may make this node give up more blocks.
pub const MAX_FORK_ANCESTRY: u64 = 90_000;

/// Maximum number of headers that wait for their bodies or their import (geth's
/// `maxQueuedHeaders`). Each takes about 1 KB of memory.
pub const QUEUED_HEADERS: usize = 32_768;

/// Maximum number of bytes of headers that wait. A header's extra data may be long, so that
/// [`QUEUED_HEADERS`] alone bounds no memory.
pub const QUEUED_HEADER_BYTES: usize = 48 << 20;

/// Number of blocks, from the next one to import on, whose bodies are fetched (geth's
/// `blockCacheItems`).
pub const FETCHED_BLOCKS: usize = 8_192;

/// Maximum number of bytes of bodies that are held or requested (geth's `blockCacheMemory`). Bodies
/// are held encoded; decoded they take some five times as much, which happens one window at a time.
pub const FETCHED_BYTES: usize = 64 << 20;

/// Maximum number of blocks in a window (geth's `maxResultsProcess`).
pub const WINDOW_BLOCKS: usize = 2_048;

/// Maximum number of bytes of bodies in a window: 8 MiB become some 40 MB when they are decoded.
pub const WINDOW_BYTES: usize = 8 << 20;

/// Maximum number of windows that are being imported: one, and the next one behind it, so that the
/// import never waits for the downloader.
pub const MAX_IMPORTING_WINDOWS: usize = 2;

/// Minimum number of blocks in a second window, unless it has [`MIN_WINDOW_BYTES`]: each small
/// window would cost a commit. A window that the import waits for may be smaller.
pub const MIN_WINDOW_BLOCKS: usize = 256;

/// Minimum number of bytes of bodies in a second window; see [`MIN_WINDOW_BLOCKS`].
pub const MIN_WINDOW_BYTES: usize = 1 << 20;

/// Lower bound of the round trip time for timeouts and capacities (geth's `rttMinEstimate`).
pub const MIN_ROUND_TRIP: Duration = Duration::from_secs(2);

/// Upper bound of the round trip time for timeouts and capacities (geth's `rttMaxEstimate`).
pub const MAX_ROUND_TRIP: Duration = Duration::from_secs(20);

/// Round trip time assumed for a peer that has answered nothing yet. geth begins with 20 s, which
/// makes a silent peer cost a minute.
pub const FIRST_ROUND_TRIP: Duration = Duration::from_secs(5);

/// Timeout of a request in round trip times (geth's `ttlScaling`).
pub const TIMEOUT_ROUND_TRIPS: u32 = 3;

/// Maximum timeout of a request (geth's `ttlLimit`).
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// Weight of a new measurement in an average (geth's `measurementImpact`).
pub const MEASUREMENT_IMPACT: f64 = 0.1;

/// Number of expired requests in a row after which a peer is dropped. After each one the peer is
/// asked for less, and what it was asked for goes to another peer.
pub const MAX_EXPIRED_IN_A_ROW: u32 = 3;

/// Number of answers in a row without any item after which a peer is not asked for that kind of
/// item again in this sync.
pub const MAX_EMPTY_IN_A_ROW: u32 = 3;

/// Time between two steps of the search for a master peer. The best peer is asked for the header of
/// its head first; each step asks others as well, and the first that answers becomes the master.
pub const PROBE_STEP: Duration = Duration::from_secs(1);

/// Number of peers that are asked in each further step: all 50 that a node has by default in 13
/// seconds.
pub const PROBES_PER_STEP: usize = 4;

/// Time that the master may keep the sync waiting before another peer becomes the master, if there
/// is one that failed no more often. The window doubles with each failure of a peer: on slow lines
/// every peer looks stalled.
pub const STALL_WINDOW: Duration = Duration::from_secs(10);

/// Maximum of the growing [`STALL_WINDOW`].
pub const MAX_STALL_WINDOW: Duration = Duration::from_secs(160);

/// Time that each header adds to the master's stall deadline: 200 headers a second are enough.
/// Without a minimum rate, a peer could stay the master with a header now and then.
pub const TIME_PER_HEADER: Duration = Duration::from_millis(5);

/// Time that each block submitted for import adds to the master's stall deadline. The time of the
/// import itself does not count.
pub const TIME_PER_BLOCK: Duration = Duration::from_millis(10);

/// Time that each KiB of such blocks adds: 100 KiB a second are enough.
pub const TIME_PER_KIB: Duration = Duration::from_millis(10);

/// Time that each state value adds.
pub const TIME_PER_VALUE: Duration = Duration::from_millis(5);

/// Maximum time that a master can accumulate by its deliveries.
pub const MAX_SAVED_TIME: Duration = Duration::from_secs(60);

/// Time after which what was requested from a peer that has delivered nothing yet is requested from
/// others as well: the import does not wait for a new peer's first request to expire.
pub const TRIAL_TIME: Duration = Duration::from_secs(3);

/// Age of an unanswered request at the end of a sync from which on its peer is asked after others
/// in the next sync.
pub const SLOW_ANSWER: Duration = Duration::from_secs(5);

/// Points against a master that was replaced because it stalled.
pub const POINTS_STALLED: i64 = 10;

/// Number of blocks below a peer's head that may change between two of its answers: the chain is
/// growing, and this may be a reorg (geth's `reorgProtThreshold`). A peer may do so once.
pub const REORG_THRESHOLD: u64 = 48;

/// Pause after a failed sync.
pub const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Points against a peer (100 disconnect it) for an empty answer where it should have had items.
pub const POINTS_EMPTY: i64 = 10;

/// Points against a peer for a request that expired.
pub const POINTS_SLOW: i64 = 20;

/// Points against a peer for headers that are not those of the chain that is fetched.
pub const POINTS_OTHER_CHAIN: i64 = 20;
