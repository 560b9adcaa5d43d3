//! What those who reach the admin page's port can make the node hold. The page needs no login, and
//! any program of the machine may send to it; the figures are those of a few open pages.

use std::time::Duration;

/// Bytes of the body of `/api/crash`, as they arrive: a path in the tree is shorter by far. A body
/// that is compressed is refused unread, so nothing is inflated.
pub const MAX_BODY_BYTES: usize = 4_096;

/// How long a body may take to arrive. Nobody waits for more than a click.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections at a time, beside those of JSON-RPC, which take none of these places. A page has
/// two, a scraper and whoever asks for `/health` one each.
pub const MAX_CONNECTIONS: usize = 128;

/// Streams of events at a time. Each costs a picture of the whole tree every second, so that many
/// of them would take the time of the thread that also answers `/health`.
pub const MAX_EVENT_STREAMS: usize = 32;
