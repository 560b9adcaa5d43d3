//! Every bound of the network's actors, with its reason. Those of the bytes themselves are in
//! `actoreum_wire::limits`.

use std::time::Duration;

// --- connections ----------------------------------------------------------------

/// Handshakes of strangers at a time unless the operator says otherwise. With all in use, further
/// connections wait for a place: see [`WAITING_CONNECTIONS`].
pub const PENDING_PEERS: usize = 50;

/// Connections that wait for one of [`PENDING_PEERS`] places, in the order of fairness to their
/// address ranges, which the kernel's backlog does not know. Each is a socket and nothing else.
pub const WAITING_CONNECTIONS: usize = 256;

/// Time that a handshake keeps its place while others of no larger range wait: the three round
/// trips of a distant peer, with the work of both sides. Without anybody that waits it has
/// `actoreum_wire::limits::HANDSHAKE_TIMEOUT`.
pub const HANDSHAKE_UNDER_PRESSURE: Duration = Duration::from_secs(1);

/// The same on a local network, whose round trips take no time.
pub const LAN_HANDSHAKE_UNDER_PRESSURE: Duration = Duration::from_millis(250);

/// One in so many places is for nodes that we dial, the rest is for those that dial us.
pub const DIAL_RATIO: usize = 3;

/// Time between two connections that are accepted from one address outside the local network, so
/// that one host cannot take all handshake places.
pub const INBOUND_THROTTLE: Duration = Duration::from_secs(30);

/// Addresses remembered for [`INBOUND_THROTTLE`]; the oldest goes. More than can connect in that
/// time through [`PENDING_PEERS`] places.
pub const THROTTLED_ADDRESSES: usize = 4096;

/// Pause after an accept that failed, mostly for want of file descriptors: some are free later.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections, with those in their handshake, at a time: a backstop behind the places and the
/// handshakes' own bounds.
pub const CONNECTIONS: usize = 4096;

/// Bytes read from a socket at once.
pub const READ_BUFFER: usize = 16 * 1024;

/// Bytes of one connection that are read, decrypted and handed on, or written, in one turn of its
/// task, before the other connections of the thread get theirs: some 0.3 ms of work. A peer that sends without
/// end delays each of the others by one such turn, however many there are of it.
pub const TURN_BYTES: usize = 64 * 1024;

/// What a message counts against [`TURN_BYTES`] at least: its way to the protocol, which is what
/// small messages cost.
pub const MIN_TURN_COST: usize = 4 * 1024;

/// Messages are encrypted together until there are so many bytes, then written. What is encrypted
/// cannot be overtaken by a pong, so this is small.
pub const WRITE_BATCH: usize = 64 * 1024;

/// Time that a batch gets to leave for the socket. A peer that reads slower is given up.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// Time that a farewell gets: to be written, and for the other side to close first, since closing
/// on unread bytes would take the farewell back.
pub const FAREWELL: Duration = Duration::from_secs(1);

/// Bytes that wait to be sent to one peer: one message of the largest kind and some small ones.
/// Beyond it a sender waits, or drops what it has.
pub const SEND_BUDGET: usize = 12 * 1024 * 1024;

/// What a message counts against [`SEND_BUDGET`] at least: its place in the queue.
pub const MIN_SEND_COST: usize = 256;

/// Messages that a peer's protocol has not taken yet. The next is not read from the socket: a
/// slow protocol slows its peer.
pub const UNTAKEN_MESSAGES: usize = 1;

/// Messages that may wait for a PeerActor: it gets wishes to disconnect, and nothing else.
pub const PEER_MAILBOX: usize = 8;

/// The score at which a peer is sent away and not connected to for [`BAN_TIME`].
pub const WORST_SCORE: i64 = -100;

/// See [`WORST_SCORE`].
pub const BAN_TIME: Duration = Duration::from_secs(10 * 60);

/// A peer that was of no use, and meant no harm as far as is known, is not connected to for so
/// long: its place is free for somebody else, and who was slow for a moment comes back.
pub const USELESS_TIME: Duration = Duration::from_secs(60);

/// Reasons remembered of what was counted against a peer, for `admin_peers` and the page.
pub const MAX_NOTES: usize = 8;

/// Characters of such a reason: part of it may be the peer's words.
pub const MAX_NOTE: usize = 200;

/// Nodes that are remembered as sent away, about half a megabyte; the one that is let in again
/// first goes.
pub const DROPPED_NODES: usize = 1024;

/// Who was sent away and may come back is shown for so long.
pub const DROPPED_SHOWN: Duration = Duration::from_secs(60 * 60);

/// The oldest version of the base protocol that is spoken: 4 has no snappy and is otherwise the
/// same.
pub const OLDEST_P2P_VERSION: u64 = 4;

/// Subscriptions to peer events at a time.
pub const EVENT_SUBSCRIBERS: usize = 1024;

// --- dialling -------------------------------------------------------------------

/// Dials and lookups at a time.
pub const ACTIVE_DIALS: usize = 16;

/// Time that a TCP connection gets to stand.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(15);

/// A node that was dialled is left alone for so long.
pub const DIAL_HISTORY: Duration = Duration::from_secs(30);

/// A random part of this comes on top, so that two nodes that dial each other at the same moment,
/// and refuse each other's connection for their own, do not do so for ever.
pub const DIAL_JITTER: Duration = Duration::from_secs(5);

/// Without a single peer for so long, bootnodes are dialled too.
pub const BOOTNODE_FALLBACK: Duration = Duration::from_secs(20);

/// Between two lookups for somebody to dial.
pub const LOOKUP_PERIOD: Duration = Duration::from_secs(4);

/// A static node that cannot be reached is looked up again after this; then after twice as long.
pub const FIRST_RESOLVE_DELAY: Duration = Duration::from_secs(60);

/// The longest pause between two lookups of a static node.
pub const MAX_RESOLVE_DELAY: Duration = Duration::from_secs(60 * 60);

/// Time that a lookup gets: its queries end by themselves, so this only covers a discovery that
/// is being restarted.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the dialer looks around without being asked to: history ends, pauses end.
pub const DIAL_TICK: Duration = Duration::from_secs(1);

/// Dials that wait for one of [`ACTIVE_DIALS`] places.
pub const WAITING_DIALS: usize = 1024;

// --- discovery ------------------------------------------------------------------

/// Datagrams handled in one turn, before timers and questions have theirs.
pub const DATAGRAM_BATCH: usize = 32;

/// How often the table is published for the page and the dialer.
pub const TABLE_PERIOD: Duration = Duration::from_secs(1);

/// How often settled nodes are copied into the node database.
pub const COPY_PERIOD: Duration = Duration::from_secs(30);

/// A node is worth remembering once it has been in the table for so long.
pub const SETTLED_AFTER: Duration = Duration::from_secs(5 * 60);

/// How often the node database is written to its file, where it has changed.
pub const SAVE_PERIOD: Duration = Duration::from_secs(5 * 60);

/// How often expired nodes leave the database.
pub const EXPIRE_PERIOD: Duration = Duration::from_secs(60 * 60);

/// Nodes remembered at most: about 1.5 MB. A table holds 272.
pub const REMEMBERED_NODES: usize = 10_000;

/// The longest file of nodes that is read.
pub const MAX_NODES_FILE: u64 = 8 * 1024 * 1024;

/// Unanswered requests in a row after which the clock is suspected: packets carry the time.
pub const CLOCK_SUSPICION: u32 = 32;

/// Time between two warnings about the clock.
pub const CLOCK_WARNING_PERIOD: Duration = Duration::from_secs(10 * 60);

// --- the router -----------------------------------------------------------------

/// How long the router keeps a port open for us.
pub const MAPPING_LIFETIME: Duration = Duration::from_secs(20 * 60);

/// How often ports are opened anew: well within [`MAPPING_LIFETIME`].
pub const MAPPING_REFRESH: Duration = Duration::from_secs(15 * 60);

/// Time that a router gets to answer the search, and to close a port at our stop.
pub const ROUTER_TIMEOUT: Duration = Duration::from_secs(3);
