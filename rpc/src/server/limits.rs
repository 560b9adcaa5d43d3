//! The limits of what clients can make the server do.
//!
//! Each constant is the default of its limit. The limits that an operator may need to change are
//! fields of [`crate::server::dispatch::DispatchLimits`] and [`crate::server::http::HttpConfig`].

use std::time::Duration;

/// Maximum size of a request body or a WebSocket message, in bytes.
///
/// Bounds the memory that one connection holds before its request is even parsed. geth 1.8 stops at
/// 512 KiB; a signed blob transaction with six blobs takes 1.6 MiB as hex, so the value is that of
/// geth 1.10 and later: 5 MiB.
pub const MAX_BODY_BYTES: usize = 5 * 1024 * 1024;

/// Maximum size of a message on the IPC socket, in bytes.
///
/// Only the user who runs the node can open the socket (mode 0600), so the limit protects from a
/// broken client rather than from an attacker: it is larger than [`MAX_BODY_BYTES`], yet finite.
pub const MAX_IPC_MESSAGE_BYTES: usize = 32 * 1024 * 1024;

/// Maximum number of requests in one batch.
///
/// A batch is answered only when its last request is: without a limit a small body (an empty item
/// takes three bytes) would hold a connection and a worker for minutes. geth 1.13 has the same
/// default.
pub const MAX_BATCH_ITEMS: usize = 1000;

/// Maximum run time of a batch. Requests that are not answered by then are answered with -32002.
///
/// A batch costs its client one message, and a thousand calls of five seconds each would cost this
/// node more than an hour. geth ends a batch over HTTP just before its write timeout of 30 seconds.
pub const BATCH_TIMEOUT: Duration = Duration::from_secs(30);

/// Time that a batch may occupy its connection's thread before it yields to other connections.
///
/// Short requests are answered on that thread, one after another: without a pause a thousand of
/// them hold up every other connection of the thread, and the server does not notice that the
/// client has gone.
pub const BATCH_TIME_SLICE: Duration = Duration::from_millis(5);

/// Maximum run time of a request after its client has closed its side of the connection.
///
/// Such a client may still read (`nc -N`), and a short answer is worth sending; most are gone. A
/// batch ends at once, as in geth.
pub const CLOSED_CLIENT_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum size of the answer to one body, in bytes: a single answer, or a whole batch.
///
/// A struct-log trace or a log query can be as long as the chain. The answer is built in memory, so
/// it ends here with an error. geth 1.13 has the same default for batches.
pub const MAX_RESPONSE_BYTES: usize = 25 * 1000 * 1000;

/// Maximum nesting depth of arrays and objects in a request.
///
/// No method takes more than six levels. The scanner keeps one bit for each level, so the limit
/// also fixes the size of its state.
pub const MAX_JSON_DEPTH: usize = 512;

/// Maximum length of a method name that is echoed in an error, in bytes.
///
/// The name is untrusted input and is repeated in the answer and in logs.
pub const MAX_ECHOED_NAME: usize = 128;

/// Maximum number of heavy requests (calls, traces, log queries) that wait for a thread.
///
/// Beyond it the server answers at once that it is busy, so that a flood of traces costs a queue of
/// this length and no more.
pub const MAX_HEAVY_WAITING: usize = 1024;

/// Time that a heavy request may run before the health monitor reports that its thread hangs: twice
/// the longest trace that a client may ask for. A report makes the node count as not ready, which no
/// request within its limits may do.
pub const HEAVY_JOB_TIME: Duration = MAX_TRACE_TIMEOUT.saturating_mul(2);

/// Maximum number of connections to an HTTP server (WebSocket included), over all workers, if the
/// process may open enough files: see [`http_connections`].
///
/// Each costs a socket and some kilobytes. Further connections wait in the kernel's backlog.
pub const MAX_HTTP_CONNECTIONS: usize = 4096;

/// The share of the process's file descriptors that one HTTP server may take, as a divisor. HTTP,
/// WebSocket and the admin page together leave a quarter to the database, the peers and the IPC
/// socket.
pub const HTTP_DESCRIPTOR_SHARE: u64 = 4;

/// Returns the maximum number of connections to an HTTP server in a process that may open
/// `open_files` files.
///
/// Without this bound, clients that hold connections open would also take the descriptors of the
/// database and of the peers.
pub fn http_connections(open_files: u64) -> usize {
    let share = usize::try_from(open_files / HTTP_DESCRIPTOR_SHARE).unwrap_or(usize::MAX);
    share.clamp(1, MAX_HTTP_CONNECTIONS)
}

/// Maximum number of connections over HTTP, WebSocket and IPC together, if the process may open
/// enough files: see [`rpc_connections`]. A part of them is reserved for the IPC socket: no network
/// client takes it.
///
/// Without this limit, HTTP and WebSocket servers on different ports would each take the share of a
/// whole server.
pub const MAX_RPC_CONNECTIONS: usize = MAX_HTTP_CONNECTIONS + MAX_IPC_CONNECTIONS;

/// Returns the maximum number of connections of all transports in a process that may open
/// `open_files` files: half of them.
pub fn rpc_connections(open_files: u64) -> usize {
    let both = http_connections(open_files).saturating_mul(2);
    both.min(MAX_RPC_CONNECTIONS)
}

/// Maximum memory of the requests, answers and notifications of all connections together, in bytes.
/// It counts requests, from the arrival of their bytes (over HTTP) or of their end (over WebSocket
/// and IPC) until they are answered, and messages until they are written to their client.
///
/// The limits of single connections alone would allow hundreds of gigabytes: 4,096 times 25 MB of
/// answers. Above this limit HTTP answers 503, and WebSocket and IPC connections end. A request or
/// an answer of a network client may take a quarter of the free bytes.
pub const MAX_RPC_QUEUED_BYTES: usize = 512 * 1024 * 1024;

/// Maximum size of an HTTP body or answer, in bytes, that is not counted in
/// [`MAX_RPC_QUEUED_BYTES`]. In all connections together such bodies take at most 64 MiB.
pub const UNCOUNTED_BYTES: usize = 16 * 1024;

/// Time that a client may take to send a request, from its first byte to the last of its body:
/// geth's `ReadTimeout` and `ReadHeaderTimeout`. It also applies to a message on the IPC socket, and
/// to a message on a WebSocket that arrives in several frames. A client that does not end a frame
/// leaves pings unanswered: see [`MAX_MISSED_PINGS`].
///
/// A body that never ends holds a connection, and connections are limited. 5 MiB in this time need
/// 1.4 Mbit/s.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Time that an HTTP connection may wait for its next request: geth's `IdleTimeout`. WebSocket and
/// IPC connections may wait forever: they exist for notifications, and a WebSocket client answers
/// pings meanwhile.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Time that a client may take to send a request, or an idle client to send the next one, while
/// more than half of the server's connections are taken.
///
/// Clients that hold connections without asking anything make room for those that ask. An honest
/// client needs a fraction of this time.
pub const BUSY_READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Minimum size of an answer, in bytes, that is compressed if the client accepts it. A smaller
/// answer fits into a packet anyway.
pub const MIN_GZIP_BYTES: usize = 1024;

/// Minimum size of an answer, in bytes, that is compressed by the pool `gzip`. At some 100 MB
/// per second, a smaller answer occupies the connection's thread for less than a millisecond.
pub const MIN_GZIP_OFFLOAD_BYTES: usize = 64 * 1024;

/// Maximum number of answers that wait to be compressed. Beyond it an answer is sent as it is.
pub const MAX_GZIP_WAITING: usize = 1024;

/// Maximum number of connections that the kernel holds until a worker accepts them.
///
/// It lets a burst of reconnecting clients (after a restart of the server) connect without
/// refusals. The kernel may lower it.
pub const HTTP_BACKLOG: i32 = 1024;

/// Maximum size of the cache of serialised blocks, in bytes.
///
/// A block of 150 transactions is about 100 KB of JSON, and explorers and wallets ask for the same
/// recent blocks again and again. 16 MiB hold the last few hundred.
pub const BLOCK_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Maximum number of storage keys in one `eth_getProof`, as in later geths.
///
/// Each key is a walk through a trie, and each proof is some kilobytes.
pub const MAX_PROOF_KEYS: usize = 1024;

/// Maximum number of blocks in one simulation, those in gaps included, as in geth.
pub const MAX_SIMULATED_BLOCKS: u64 = 256;

/// Maximum number of slots in one `eth_getStorageValues`, as in geth. Each is a read of the state.
pub const MAX_STORAGE_VALUES: usize = 1024;

/// Maximum number of addresses in one log query. Each is a lookup for each log.
pub const MAX_FILTER_ADDRESSES: usize = 1000;

/// Maximum number of alternatives at one topic position of a log query, as in later geths.
pub const MAX_FILTER_TOPIC_ALTERNATIVES: usize = 1000;

/// Maximum number of topic positions of a log query. A log has at most four topics (LOG4), so a
/// longer list matches nothing and is refused.
pub const MAX_FILTER_TOPICS: usize = 4;

/// Maximum number of blocks in one log query.
///
/// Each block costs at least the read of its header. A million of them is the work of some seconds
/// on one thread; a longer history is to be queried in parts.
pub const MAX_LOG_BLOCKS: u64 = 1_000_000;

/// Maximum number of blocks in one `eth_feeHistory`, as in geth.
pub const MAX_FEE_HISTORY_BLOCKS: u64 = 1024;

/// Maximum number of percentiles in one `eth_feeHistory`, as in geth.
pub const MAX_FEE_HISTORY_PERCENTILES: usize = 100;

/// Maximum run time of `eth_call` and the related methods, as in geth.
///
/// The gas cap bounds the work, and this limit the time: the slowest instructions take a hundred
/// times as long for their gas as the usual ones, and an operator may lift the cap.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum gas of a call that counts as quick. Reading a token balance uses a quarter of it and
/// takes ten microseconds.
///
/// A call of a contract that was quick before runs on the connection's own thread, which saves two
/// context switches. The first call that is not quick sends all later calls of the contract to the
/// thread pool.
pub const QUICK_CALL_GAS: u64 = 100_000;

/// Maximum number of contracts that are remembered as quick, and of those that are remembered as
/// slow. To evict a slow contract takes this many calls, each as expensive as one that occupies a
/// thread.
pub const MAX_QUICK_TARGETS: usize = 4_096;

/// Maximum number of blocks whose lowest tip the gas price oracle remembers, 100 bytes each: a suggestion
/// reads up to 100 blocks (`MAX_READS_PER_SAMPLE` times `--gpo.blocks`).
pub const MAX_SAMPLED_TIPS: usize = 512;

/// Maximum run time of a call on the connection's own thread. A call that takes longer starts again
/// on the thread pool.
pub const QUICK_CALL_TIMEOUT: Duration = Duration::from_millis(2);

/// Default run time limit of a trace, as in geth.
pub const TRACE_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum run time of a trace that a client may ask for. A trace occupies one of the few heavy
/// threads.
pub const MAX_TRACE_TIMEOUT: Duration = Duration::from_secs(300);

/// Maximum number of blocks in one `debug_getModifiedAccountsByNumber`. Each is executed again.
pub const MAX_MODIFIED_BLOCKS: u64 = 1024;

/// Maximum number of slots in one `debug_storageRangeAt`.
pub const MAX_STORAGE_RANGE: u64 = 1024;

/// Maximum memory of the notifications that wait to be written to one connection, in bytes. A
/// notification that does not fit ends the connection.
///
/// A head with its JSON is 2.5 KB, once for all subscriptions of the connection, and 64 bytes for
/// each subscription: the limit is a lag of 12,000 blocks for a single subscription of heads, and
/// of 1,700 for all [`MAX_SUBSCRIPTIONS`]. A client that takes nothing for [`WRITE_TIMEOUT`] is
/// disconnected earlier.
pub const MAX_QUEUED_EVENT_BYTES: usize = 32 * 1024 * 1024;

/// Maximum size of the answers that wait to be written to one connection, in bytes. The next answer
/// waits for room together with its request, of which [`MAX_CONNECTION_REQUESTS`] run. A single
/// answer always fits.
pub const MAX_QUEUED_ANSWER_BYTES: usize = 32 * 1024 * 1024;

/// Time that a lookup of a transaction waits for the pool to follow a reorg. The pool needs some
/// milliseconds, and more if many transactions return to it.
pub const POOL_LAG_TIMEOUT: Duration = Duration::from_millis(300);

/// Interval at which a lookup checks whether the pool has followed a reorg.
pub const POOL_LAG_POLL: Duration = Duration::from_millis(5);

/// Maximum number of requests of one connection that are answered at the same time. Further
/// requests wait in the backlog.
pub const MAX_CONNECTION_REQUESTS: usize = 32;

/// Maximum size of the backlog of one connection, in bytes. A single message may exceed it; further
/// messages are not read.
///
/// Messages are read ahead because the end of the connection arrives after everything that the
/// client has sent. Without the backlog, the requests of a client that has gone would run to their
/// end.
pub const MAX_BACKLOG_BYTES: usize = 1024 * 1024;

/// Maximum number of subscriptions on one connection. Each new block is compared with each.
pub const MAX_SUBSCRIPTIONS: usize = 256;

/// Maximum size of a notification, in bytes: a log, as hex, with the data that the gas of a block
/// can pay for.
pub const MAX_NOTIFICATION_BYTES: usize = MAX_RESPONSE_BYTES;

/// Time that a client may take to read an answer after it has stopped reading as fast as the answer
/// is sent: geth's `WriteTimeout`. Over WebSocket and IPC it applies to each message.
///
/// An answer of 25 MB in this time needs 7 Mbit/s.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Interval at which the server pings a silent WebSocket client.
pub const PING_PERIOD: Duration = Duration::from_secs(30);

/// Maximum number of pings that a WebSocket client may leave unanswered.
pub const MAX_MISSED_PINGS: u32 = 2;

/// Maximum number of connections to the IPC socket. Only the node's own user can open one.
pub const MAX_IPC_CONNECTIONS: usize = 256;

/// Maximum number of connections to the IPC socket that the kernel holds until they are accepted.
pub const IPC_BACKLOG: i32 = 128;

/// Maximum length of the path of the IPC socket, in bytes: `sun_path` of `sockaddr_un` has 108
/// bytes on Linux (104 on BSD and macOS), including the terminating zero. Clients could not name a
/// longer path.
pub const MAX_IPC_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Maximum number of blocks in one `anvil_mine`. Each is built, sealed and imported before the
/// next.
pub const MAX_MINED_BLOCKS: u64 = 100_000;

/// Maximum number of blocks in one `evm_mine_detailed`, which answers them in full.
pub const MAX_DETAILED_BLOCKS: u64 = 1_000;

/// Maximum number of signatures whose signers `anvil_impersonateSignature` sets: all are written
/// anew with each.
pub const MAX_IMPERSONATED_SIGNATURES: usize = 1_000;

/// Maximum number of blocks that `anvil_reorg` replaces. Each is built, sealed and imported before
/// the next.
pub const MAX_REORG_BLOCKS: u64 = 10_000;

/// Maximum size of a state that `anvil_loadState` unpacks, in bytes: gzip may unpack a request to a
/// thousand times its size.
pub const MAX_STATE_DUMP_BYTES: usize = 256 << 20;

/// Maximum number of threads in `miner_start`: more than any machine has cores.
pub const MAX_SEARCH_THREADS: usize = 1_024;

/// Minimum interval of `miner_setRecommitInterval`, as in geth.
pub const MIN_RECOMMIT: Duration = Duration::from_secs(1);

/// Minimum interval of `evm_setIntervalMining`. A block takes some milliseconds, and blocks without
/// a pause would leave no time for other requests.
pub const MIN_MINING_INTERVAL: Duration = Duration::from_millis(10);

/// Maximum interval of `evm_setIntervalMining`: a year, so that timers do not overflow.
pub const MAX_MINING_INTERVAL: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Time that a request waits for an actor that is restarting, and for its answer. It covers a
/// restart with its backoff and is shorter than the timeout of a usual client.
pub const ACTOR_TIMEOUT: Duration = Duration::from_secs(10);

/// Time within which a transaction of a development chain is to be in a block, before its sender is
/// told that it is not.
pub const MINED_TIMEOUT: Duration = Duration::from_secs(10);
/// Default time that `eth_sendRawTransactionSync` waits for a block, as in geth.
pub const SYNC_SEND_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum time that `eth_sendRawTransactionSync` may be told to wait, as in geth.
pub const MAX_SYNC_SEND_TIMEOUT: Duration = Duration::from_secs(60);
/// Interval at which a request that waits for a block looks for it without a notice.
pub const MINED_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Time that a request waits for a password to be tried. Each attempt takes a second or more on a
/// busy machine, and a few may be queued before it. A client that gives up earlier does not learn
/// of an account that was created.
pub const PASSWORD_TIMEOUT: Duration = Duration::from_secs(60);

/// Time that a request waits for the owner of a hardware wallet: the time that the device is given
/// (`OWNER_TIMEOUT` of the wallet), and a margin for the transport.
pub const OWNER_TIMEOUT: Duration =
    actoreum_wallet::limits::OWNER_TIMEOUT.saturating_add(Duration::from_secs(30));
