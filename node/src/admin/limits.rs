//! Limits of the memory and time that clients of the admin page can use. The page needs no login,
//! and any program on the machine can send requests to it; the limits allow for a few open pages.

use std::time::Duration;

/// Bounds the bytes of the body of a request that makes an actor fail; a path in the tree is far
/// shorter. A compressed body is refused unread, so that nothing is decompressed.
pub const MAX_BODY_BYTES: usize = 4_096;

/// Bounds the time in which a body must arrive, so that slow clients do not hold connections.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of connections, separate from those of JSON-RPC. A page has two, a scraper and a
/// health check one each.
pub const MAX_CONNECTIONS: usize = 128;

/// Bounds the event streams that are open at the same time. Each costs a snapshot of the whole tree
/// per second, and many of them would delay the thread that also answers `/health`.
pub const MAX_EVENT_STREAMS: usize = 32;

/// Bounds the time for which `/api/hang` holds a thread, which is not returned before.
pub const MAX_HANG: Duration = Duration::from_secs(60);
