//! What a client can make this server do, and where it ends.
//!
//! Each limit is the default; those that an operator may need to move are fields
//! of [`crate::dispatch::DispatchLimits`] and [`crate::http::HttpConfig`].

use std::time::Duration;

/// Longest request body or WebSocket message, in bytes.
///
/// Bounds the memory that one connection holds before its request is even parsed.
/// geth 1.8 stops at 512 KiB; a signed blob transaction with six blobs takes
/// 1.6 MiB as hex, so the value is that of geth 1.10 and later: 5 MiB.
pub const MAX_BODY_BYTES: usize = 5 * 1024 * 1024;

/// Longest message on the IPC socket, in bytes.
///
/// Only the user who runs the node can open the socket (mode 0600), so this guards
/// against a broken client and not against an attacker: larger than
/// [`MAX_BODY_BYTES`], yet bounded.
pub const MAX_IPC_MESSAGE_BYTES: usize = 32 * 1024 * 1024;

/// Most requests in one batch.
///
/// A batch is answered only when its last request is: without a cap a small body
/// (an empty item takes three bytes) would hold a connection and a worker for
/// minutes. geth 1.13 has the same default.
pub const MAX_BATCH_ITEMS: usize = 1000;

/// Longest that a batch runs; what is not answered by then is answered with -32002.
///
/// A batch costs its client one message, and a thousand calls of five seconds each cost this node
/// more than an hour. geth ends a batch over HTTP just before its write timeout of 30 seconds.
pub const BATCH_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a batch may keep its connection's thread before others have their turn.
///
/// Short requests are answered on that thread, one after another: without a pause a thousand of
/// them hold up every other connection of the thread, and the end of their own is not seen.
pub const BATCH_TURN: Duration = Duration::from_millis(5);

/// How long the request of a client that has closed its side of the connection may still run.
///
/// Such a client may still read (`nc -N`), and a short answer is worth sending; most are gone. A
/// batch has no such time, as in geth.
pub const CLOSED_CLIENT_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest answer to one body, in bytes: a single answer, or a whole batch.
///
/// A struct-log trace or a log query can be as long as the chain; the answer is
/// built in memory, so it ends here with an error. geth 1.13 has the same default
/// for batches.
pub const MAX_RESPONSE_BYTES: usize = 25 * 1000 * 1000;

/// Deepest nesting of arrays and objects in a request.
///
/// No method takes more than six levels. The scanner keeps one bit a level, so the
/// limit also fixes the size of its state.
pub const MAX_JSON_DEPTH: usize = 512;

/// Longest method name that is echoed in an error, in bytes.
///
/// The name comes from a stranger and is repeated in the answer and in logs.
pub const MAX_ECHOED_NAME: usize = 128;

/// Heavy requests (calls, traces, log queries) that may wait for a thread.
///
/// Beyond this the server says that it is busy at once, so that a flood of traces
/// costs a queue of this length and no more.
pub const MAX_HEAVY_WAITING: usize = 1024;

/// Connections that an HTTP server (WebSocket included) holds at a time, over all workers, where the
/// process may open enough files: see [`http_connections`].
///
/// Each costs a socket and some kilobytes; what comes beyond waits in the
/// kernel's backlog.
pub const MAX_HTTP_CONNECTIONS: usize = 4096;

/// The share of the process's file descriptors that one HTTP server may take: HTTP, WebSocket and
/// the admin page together leave a quarter to the database, the peers and the IPC socket.
pub const HTTP_DESCRIPTOR_SHARE: u64 = 4;

/// Connections that an HTTP server may hold in a process that may open this many files.
///
/// Without this bound, clients that hold connections open take the descriptors of the database and
/// of the peers, too.
pub fn http_connections(open_files: u64) -> usize {
    let share = usize::try_from(open_files / HTTP_DESCRIPTOR_SHARE).unwrap_or(usize::MAX);
    share.clamp(1, MAX_HTTP_CONNECTIONS)
}

/// Connections over HTTP, WebSocket and IPC together, where the process may open enough files: see
/// [`rpc_connections`]. Those of the IPC socket have places that no client over the network takes.
///
/// HTTP and WebSocket on ports of their own would otherwise take the share of two servers.
pub const MAX_RPC_CONNECTIONS: usize = MAX_HTTP_CONNECTIONS + MAX_IPC_CONNECTIONS;

/// Connections of all transports in a process that may open this many files: half of them.
pub fn rpc_connections(open_files: u64) -> usize {
    let both = http_connections(open_files).saturating_mul(2);
    both.min(MAX_RPC_CONNECTIONS)
}

/// Memory of the requests, answers and notifications of all connections together, in bytes: requests
/// that arrive or are being answered, and what waits for a client to read it.
///
/// The bounds of one connection alone would allow hundreds of gigabytes: 4,096 times 25 MB of answer.
/// Beyond this HTTP answers 503, and WebSocket and IPC connections end. A client over the network
/// may hold a quarter of what is free.
pub const MAX_RPC_QUEUED_BYTES: usize = 512 * 1024 * 1024;

/// Bodies and answers over HTTP up to this size, in bytes, are not counted against
/// [`MAX_RPC_QUEUED_BYTES`]: in all connections together they are 64 MiB.
pub const UNCOUNTED_BYTES: usize = 16 * 1024;

/// How long a client may take to send a request, from its first byte to the last of its body: geth's
/// `ReadTimeout` and `ReadHeaderTimeout`. It holds for a message on a WebSocket or the IPC socket,
/// too.
///
/// A body that never ends holds a connection, and there are few. 5 MiB need 1.4 Mbit/s.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection over HTTP may wait for its next request: geth's `IdleTimeout`. WebSocket
/// and IPC connections wait for ever: they are there for notifications, and a WebSocket client
/// answers pings meanwhile.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a client may take to send a request, or an idle one to send the next, while more than
/// half of the server's connections are taken.
///
/// Those who hold connections without asking anything make room for those who ask. An honest
/// client needs a fraction of it.
pub const BUSY_READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers from this size on, in bytes, are compressed where the client accepts it. What is
/// smaller fits a packet anyway.
pub const MIN_GZIP_BYTES: usize = 1024;

/// Answers from this size on, in bytes, are compressed on a thread of their own: at some 100 MB a
/// second, less than this keeps the connection's thread for under a millisecond.
pub const GZIP_ASIDE_BYTES: usize = 64 * 1024;

/// Connections that the kernel holds until a worker takes them.
///
/// A burst of reconnecting clients (after a restart of the server) is taken without
/// refusals; the kernel may lower it.
pub const HTTP_BACKLOG: i32 = 1024;

/// Bytes of serialised blocks that are kept for the next reader.
///
/// A block of 150 transactions is about 100 KB of JSON; explorers and wallets ask
/// for the same recent ones again and again. 16 MiB keep the last few hundred.
pub const BLOCK_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Most storage keys in one `eth_getProof`, as in later geths.
///
/// Each key is a walk through a trie, and each proof is some kilobytes.
pub const MAX_PROOF_KEYS: usize = 1024;

/// Most addresses in one log query; each is a lookup per log.
pub const MAX_FILTER_ADDRESSES: usize = 1000;

/// Most alternatives at one topic position of a log query, as in later geths.
pub const MAX_FILTER_TOPIC_ALTERNATIVES: usize = 1000;

/// Most topic positions of a log query: a log has at most four topics (LOG4), so
/// a longer list matches nothing and is refused.
pub const MAX_FILTER_TOPICS: usize = 4;

/// Most blocks in one log query.
///
/// Each block costs at least the read of its header. A million of them is the work of
/// some seconds on one thread; a longer history is asked for in pieces.
pub const MAX_LOG_BLOCKS: u64 = 1_000_000;

/// Most blocks in one `eth_feeHistory`, as in geth.
pub const MAX_FEE_HISTORY_BLOCKS: u64 = 1024;

/// Most percentiles in one `eth_feeHistory`, as in geth.
pub const MAX_FEE_HISTORY_PERCENTILES: usize = 100;

/// Longest that an `eth_call` and its kin run, as in geth.
///
/// The gas cap bounds the work, this the time: the slowest instructions cost a hundred
/// times as much a gas as the usual ones, and an operator may lift the cap.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Gas up to which a call counts as quick: a read of a token uses a quarter of it, and takes ten
/// microseconds. A call of a contract that was quick before runs on the connection's own thread,
/// which saves it two changes of threads. The first one that is not sends the contract's calls to
/// the pool for good.
pub const QUICK_CALL_GAS: u64 = 100_000;

/// Contracts whose calls are known to be quick, and as many that are known not to be. To make
/// them forgotten takes this many calls, each as dear as one that holds a thread.
pub const QUICK_TARGETS: usize = 4_096;

/// How long a call may take on the connection's own thread; past it, it begins again on the pool.
pub const QUICK_CALL_TIMEOUT: Duration = Duration::from_millis(2);

/// How long a trace runs where the client does not say, as in geth.
pub const TRACE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest that a client may let a trace run: it holds one of the few heavy threads.
pub const MAX_TRACE_TIMEOUT: Duration = Duration::from_secs(300);

/// Most blocks in one `debug_getModifiedAccountsByNumber`: each is executed again.
pub const MAX_MODIFIED_BLOCKS: u64 = 1024;

/// Most slots in one `debug_storageRangeAt`.
pub const MAX_STORAGE_RANGE: u64 = 1024;

/// Memory of the notifications that wait to be written to one connection, in bytes; one that finds
/// no room ends the connection.
///
/// A head with its text is 2.5 KB, once for all subscriptions of the connection, and 64 bytes for
/// each of them: so this is a lag of 12,000 blocks for one subscription of heads, and of 1,700 for
/// all [`MAX_SUBSCRIPTIONS`]. What does not shrink for [`WRITE_TIMEOUT`] ends earlier.
pub const MAX_QUEUED_EVENT_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of the answers that wait to be written to one connection; the next one waits for room with
/// its request, of which [`MAX_CONNECTION_REQUESTS`] run. A single answer is never too long for it.
pub const MAX_QUEUED_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// How long a lookup of a transaction waits for the pool to follow the chain's head: it takes some
/// milliseconds, and more where a reorg gives many transactions back.
pub const POOL_LAG_TIMEOUT: Duration = Duration::from_millis(300);

/// Time between two looks at a pool that is waited for.
pub const POOL_LAG_POLL: Duration = Duration::from_millis(5);

/// Requests of one connection that are answered at a time; further ones wait.
pub const MAX_CONNECTION_REQUESTS: usize = 32;

/// Messages of one connection that wait for their turn, in bytes; one may still pass it, and further
/// ones are not read.
///
/// They are read ahead because the end of a client that leaves stands behind all that it has sent:
/// without that its requests would run to their end.
pub const MAX_BACKLOG_BYTES: usize = 1024 * 1024;

/// Subscriptions on one connection. Each new block is compared with each.
pub const MAX_SUBSCRIPTIONS: usize = 256;

/// Longest notification, in bytes: a log with the data that a block's gas can pay for,
/// as hex.
pub const MAX_NOTIFICATION_BYTES: usize = MAX_RESPONSE_BYTES;

/// How long a client may take to read an answer, once it has stopped taking it as fast as it comes:
/// geth's `WriteTimeout`. Over WebSocket and IPC it holds for each message.
///
/// An answer of 25 MB needs 7 Mbit/s.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often the server looks whether a silent WebSocket client is still there.
pub const PING_PERIOD: Duration = Duration::from_secs(30);

/// Pings that a WebSocket client may leave without an answer.
pub const MAX_MISSED_PINGS: u32 = 2;

/// Connections to the IPC socket at a time; only the node's own user can open one.
pub const MAX_IPC_CONNECTIONS: usize = 256;

/// Connections to the IPC socket that the system holds until they are accepted.
pub const IPC_BACKLOG: i32 = 128;

/// Bytes of the IPC socket's path: `sun_path` of `sockaddr_un` has 108 on Linux (104 on BSD and
/// macOS), one of them for the end. No client could name a longer one.
pub const MAX_IPC_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Heads that `evm_snapshot` remembers at a time. A test suite holds a handful; the bound stops
/// one that never reverts.
pub const MAX_DEV_SNAPSHOTS: usize = 10_000;

/// Accounts that a development chain's user impersonates at a time. Each is 20 bytes, and a line of
/// every answer of `eth_accounts`.
pub const MAX_IMPERSONATED: usize = 10_000;

/// Most blocks in one `anvil_mine`: each is built, sealed and imported before the next.
pub const MAX_MINED_BLOCKS: u64 = 100_000;

/// Threads that `miner_start` may ask for: more than any machine has cores.
pub const MAX_SEARCH_THREADS: usize = 1_024;

/// The shortest interval of `miner_setRecommitInterval`, as in geth.
pub const MIN_RECOMMIT: Duration = Duration::from_secs(1);

/// The shortest interval of `evm_setIntervalMining`: a block takes some milliseconds, and blocks
/// without a pause leave nothing to whoever else asks.
pub const MIN_MINING_INTERVAL: Duration = Duration::from_millis(10);

/// The longest interval of `evm_setIntervalMining`: a year, so that timers do not overflow.
pub const MAX_MINING_INTERVAL: Duration = Duration::from_secs(365 * 24 * 3_600);

/// How long a request waits for an actor that is starting again, and for its answer: long enough
/// for a restart with its pause, short enough for a client's own timeout.
pub const ACTOR_PATIENCE: Duration = Duration::from_secs(10);

/// How long a request waits for a password to be tried: each takes a second or more on a busy
/// machine, and a few may wait before it. A client that gave up before does not hear of an account
/// that was made.
pub const PASSWORD_PATIENCE: Duration = Duration::from_secs(60);

/// How long a request waits for a hardware wallet's owner: as long as the device is given
/// (`OWNER_PATIENCE` of the wallet), and a little for the ways.
pub const OWNER_PATIENCE: Duration =
    actoreum_wallet::limits::OWNER_PATIENCE.saturating_add(Duration::from_secs(30));
