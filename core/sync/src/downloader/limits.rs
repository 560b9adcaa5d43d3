//! What bounds a sync: its memory, its requests, its patience.

use std::time::Duration;

/// Headers in one request: what the oldest client in the field serves (geth's `MaxHeaderFetch`).
pub const HEADERS_PER_REQUEST: u64 = 192;

/// Anchors in a skeleton (geth's `MaxSkeletonSize`): 24,576 headers are spread over all peers.
pub const SKELETON_ANCHORS: u64 = 128;

/// Bodies in one request (geth's `MaxBlockFetch`).
pub const BODIES_PER_REQUEST: usize = 128;

/// Blocks whose receipts are in one request (geth's `MaxReceiptFetch`).
pub const RECEIPTS_PER_REQUEST: usize = 256;

/// State values in one request (geth's `MaxStateFetch`).
pub const VALUES_PER_REQUEST: usize = 384;

/// Items that a peer is asked for first, before its throughput is known. Enough to measure it,
/// few enough that a slow peer holds up little.
pub const FIRST_ITEMS: usize = 32;

/// Blocks below the head whose state a fast sync fetches (geth's `fsMinFullBlocks`): those above
/// it are executed, and no reorganisation is expected to go below it.
pub const PIVOT_DEPTH: u64 = 64;

/// Bytes of state that are written together (geth's `IdealBatchSize` is 100 KB; a commit costs a
/// flush to disk).
pub const STATE_COMMIT_BYTES: usize = 1 << 20;

/// Syncs in a row without a new state value after which a fast sync becomes a full one: nobody
/// has a state that is recent enough.
pub const STATELESS_SYNCS: u32 = 3;

/// Recent headers that the search for the common ancestor begins with (geth's
/// `MaxHeaderFetch / 16`).
pub const ANCESTOR_SPAN: u64 = 12;

/// Blocks below our head where the search for the common ancestor ends (geth's
/// `MaxForkAncestry`): nobody may make us give up more.
pub const MAX_FORK_ANCESTRY: u64 = 90_000;

/// Headers that wait for their bodies or their import (geth's `maxQueuedHeaders`). About 1 KB
/// each in memory.
pub const QUEUED_HEADERS: usize = 32_768;

/// Bytes of headers that wait. A header's extra data may be long, so their number alone bounds
/// nothing.
pub const QUEUED_HEADER_BYTES: usize = 48 << 20;

/// Blocks, from the one that is next to be imported on, whose bodies are fetched (geth's
/// `blockCacheItems`).
pub const FETCHED_BLOCKS: usize = 8_192;

/// Bytes of bodies that are held or asked for (geth's `blockCacheMemory`). They are held as they
/// came; decoded they take some five times as much, and that is done a window at a time.
pub const FETCHED_BYTES: usize = 64 << 20;

/// Blocks handed over for import at a time (geth's `maxResultsProcess`).
pub const WINDOW_BLOCKS: usize = 2_048;

/// Bytes of bodies handed over at a time: 8 MiB become some 40 MB when they are decoded.
pub const WINDOW_BYTES: usize = 8 << 20;

/// Windows that are being imported at a time: one, and the next behind it, so that the import
/// never waits for us.
pub const WINDOWS_AHEAD: usize = 2;

/// A second window is handed over when it has so many blocks or bytes: small ones cost a commit
/// each. What the import waits for is handed over at once.
pub const WORTHWHILE_BLOCKS: usize = 256;

/// See [`WORTHWHILE_BLOCKS`].
pub const WORTHWHILE_BYTES: usize = 1 << 20;

/// Round trip time to reckon with (geth's `rttMinEstimate` and `rttMaxEstimate`).
pub const MIN_ROUND_TRIP: Duration = Duration::from_secs(2);

/// See [`MIN_ROUND_TRIP`].
pub const MAX_ROUND_TRIP: Duration = Duration::from_secs(20);

/// Round trip time of a peer that has answered nothing yet. geth begins with 20 s, which makes a
/// silent peer cost a minute.
pub const FIRST_ROUND_TRIP: Duration = Duration::from_secs(5);

/// A request has so many round trip times (geth's `ttlScaling`).
pub const TIMEOUT_ROUND_TRIPS: u32 = 3;

/// A request never has more time than this (geth's `ttlLimit`).
pub const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// Weight of a new measurement (geth's `measurementImpact`).
pub const MEASUREMENT_IMPACT: f64 = 0.1;

/// Requests in a row that a peer lets expire before it is dropped. After each it is asked for
/// less, and what it was asked for goes to another.
pub const EXPIRED_IN_A_ROW: u32 = 3;

/// Answers without a single item, in a row, after which a peer is not asked for that kind again
/// in this sync.
pub const EMPTY_IN_A_ROW: u32 = 3;

/// Between two steps of the search for a peer to follow. The best one is asked for the header of
/// its head first; where it does not answer in this time, others are asked beside it, and the first
/// that answers is followed.
pub const PROBE_STEP: Duration = Duration::from_secs(1);

/// Peers that are asked in each further step: all 50 that a node has by default in 13 seconds.
pub const PROBES_PER_STEP: usize = 4;

/// How long the peer that is followed may keep us waiting for nothing before another one is
/// followed, where there is one that was tried no more often. It has more time after each time
/// that it was tried: on slow lines everybody looks like this.
pub const STALL_WINDOW: Duration = Duration::from_secs(10);

/// The longest that [`STALL_WINDOW`] becomes.
pub const MAX_STALL_WINDOW: Duration = Duration::from_secs(160);

/// What each header adds to the time of the peer that is followed: it may be as slow as 200 headers
/// a second, and no slower. Less than that is one that gives a header now and then to stay.
pub const TIME_PER_HEADER: Duration = Duration::from_millis(5);

/// What each block adds that is handed over for import. The time that the import takes is not
/// counted.
pub const TIME_PER_BLOCK: Duration = Duration::from_millis(10);

/// What each KiB of such blocks adds: 100 KiB a second are enough.
pub const TIME_PER_KIB: Duration = Duration::from_millis(10);

/// What each value of a state adds.
pub const TIME_PER_VALUE: Duration = Duration::from_millis(5);

/// What a peer that delivers may save up.
pub const MAX_SAVED_TIME: Duration = Duration::from_secs(60);

/// What a peer that has delivered nothing yet was asked for is asked of others, too, after this: the
/// import does not wait for its first request to expire.
pub const TRIAL_TIME: Duration = Duration::from_secs(3);

/// A peer whose answer is missing for so long when a sync ends is asked after others in the next.
pub const SLOW_ANSWER: Duration = Duration::from_secs(5);

/// Points against a peer that was followed and kept us waiting.
pub const POINTS_STALLED: i64 = 10;

/// Blocks below a peer's head that may change between two of its answers: the chain is growing,
/// and this may be a reorganisation (geth's `reorgProtThreshold`). A peer may do so once.
pub const MOVING_TOP: u64 = 48;

/// After a sync that failed, before the next one.
pub const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Points against a peer (100 are enough to send it away) for an answer without content where it
/// should have had some.
pub const POINTS_EMPTY: i64 = 10;

/// Points against a peer for a request that expired.
pub const POINTS_SLOW: i64 = 20;

/// Points against a peer for headers that are not those of the chain that is fetched.
pub const POINTS_OTHER_CHAIN: i64 = 20;
