//! Every bound of the network's actors, with its reason. The bounds of the protocols themselves are
//! in `actoreum_wire::limits`.

use std::time::Duration;

// --- connections ----------------------------------------------------------------

/// The default number of concurrent inbound handshakes (`--maxpendpeers`). While all slots are in
/// use, further connections wait for a slot: see [`MAX_WAITING_CONNECTIONS`].
pub const DEFAULT_MAX_PENDING_PEERS: usize = 50;

/// Connections that wait for one of the [`DEFAULT_MAX_PENDING_PEERS`] handshake slots. They are
/// served fairly by address range, which the kernel's backlog does not do. Each costs a socket
/// and nothing else.
pub const MAX_WAITING_CONNECTIONS: usize = 256;

/// Time that a handshake keeps its slot while connections of address ranges with no more slots
/// wait: the three round trips of a distant peer, with the work of both sides. While no
/// connection waits, a handshake has `actoreum_wire::limits::HANDSHAKE_TIMEOUT`.
pub const CONTENDED_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// The [`CONTENDED_HANDSHAKE_TIMEOUT`] on a local network, whose round trips take no time.
pub const CONTENDED_LAN_HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(250);

/// One peer in this many may be a dialled one; the other slots are for inbound peers.
pub const DIAL_RATIO: usize = 3;

/// Time between two connections that are accepted from one address outside the local network, so
/// that one host cannot take all handshake slots.
pub const INBOUND_THROTTLE: Duration = Duration::from_secs(30);

/// Addresses remembered for [`INBOUND_THROTTLE`]; the oldest is removed for a new one. More than
/// can connect in that time through [`DEFAULT_MAX_PENDING_PEERS`] handshake slots.
pub const MAX_THROTTLED_ADDRESSES: usize = 4096;

/// Pause after a failed accept, which is mostly due to a lack of file descriptors: some are free
/// later.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections at a time, including those in their handshake: a backstop behind the bounds on peers
/// and on handshakes.
pub const MAX_CONNECTIONS: usize = 4096;

/// Time in which a thread must begin to resolve a host name, behind other names.
pub const NAME_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between two resolutions of the bootnodes' host names: so long a bootnode with a new address is
/// not found.
pub const BOOTNODE_NAMES_PERIOD: Duration = Duration::from_secs(60);

/// Bytes read from a socket at once.
pub const READ_BUFFER: usize = 16 * 1024;

/// Bytes of one connection that are read, decrypted and handed on, or written, in one turn of its
/// task, before the other connections of the thread get their turn: some 0.3 ms of work. Each peer
/// that sends without end delays every other one by one such turn.
pub const TURN_BYTES: usize = 64 * 1024;

/// The minimum that a message counts against [`TURN_BYTES`]: the cost of handing a small message to
/// its protocol.
pub const MIN_TURN_COST: usize = 4 * 1024;

/// Bytes of queued messages that are encrypted together and then written. A pong cannot overtake
/// encrypted bytes, so this is small.
pub const WRITE_BATCH: usize = 64 * 1024;

/// Time that the socket may take to accept a batch. A peer that reads more slowly is disconnected.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(20);

/// Time for sending the disconnect message and for the peer to close the socket first: closing a
/// socket with unread bytes resets it, so that the peer could lose the message.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes queued for sending to one peer: one message of the largest kind and some small ones.
/// While the budget is used up, a sender waits or drops its message.
pub const SEND_BUDGET: usize = 12 * 1024 * 1024;

/// The minimum that a message counts against [`SEND_BUDGET`]: its entry in the queue.
pub const MIN_SEND_COST: usize = 256;

/// Batches of received messages that may wait for a peer's protocol; a batch has the messages that
/// one read of [`READ_BUFFER`] bytes has completed. While the queue is full, nothing is read from
/// the socket: a slow protocol slows its peer.
pub const INCOMING_QUEUE: usize = 1;

/// Messages that a PeerActor's mailbox holds: requests to disconnect, and nothing else.
pub const PEER_MAILBOX: usize = 8;

/// The score at which a peer is disconnected and banned for [`BAN_TIME`].
pub const BAN_SCORE: i64 = -100;

/// The duration of a ban for misbehaviour. See [`BAN_SCORE`].
pub const BAN_TIME: Duration = Duration::from_secs(10 * 60);

/// The duration of the ban of a useless peer that is not known to misbehave: its slot is free for
/// another node, and a peer that was slow for a moment may come back.
pub const USELESS_BAN_TIME: Duration = Duration::from_secs(60);

/// Penalty reasons remembered of a peer, for `admin_peers` and the admin page.
pub const MAX_NOTES: usize = 8;

/// Characters of a penalty reason, which may quote the peer.
pub const MAX_NOTE_CHARS: usize = 200;

/// Dropped and banned nodes that are remembered, about half a megabyte. The one whose ban ends
/// first is removed for a new one.
pub const MAX_DROPPED_PEERS: usize = 1024;

/// Time that a dropped peer without a ban is still shown.
pub const DROPPED_PEER_RETENTION: Duration = Duration::from_secs(60 * 60);

/// The oldest supported version of the p2p base protocol: 4 has no snappy compression and is
/// otherwise the same as 5.
pub const MIN_P2P_VERSION: u64 = 4;

/// Subscriptions to peer events at a time.
pub const MAX_EVENT_SUBSCRIBERS: usize = 1024;

// --- dialling -------------------------------------------------------------------

/// Dials and lookups at a time.
pub const MAX_ACTIVE_DIALS: usize = 16;

/// Time to establish a TCP connection.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(15);

/// Time before a node is dialled again.
pub const DIAL_HISTORY: Duration = Duration::from_secs(30);

/// A random part of this is added to [`DIAL_HISTORY`], so that two nodes that dial each other at
/// the same moment, and each refuse the other's connection for their own, do not repeat this for
/// ever.
pub const DIAL_JITTER: Duration = Duration::from_secs(5);

/// Time without a single peer after which bootnodes are dialled, too.
pub const BOOTNODE_FALLBACK: Duration = Duration::from_secs(20);

/// Time between two lookups for nodes to dial.
pub const LOOKUP_PERIOD: Duration = Duration::from_secs(4);

/// Time before an unreachable static node is looked up again; it doubles with each failed lookup.
pub const FIRST_RESOLVE_DELAY: Duration = Duration::from_secs(60);

/// The longest pause between two lookups of a static node.
pub const MAX_RESOLVE_DELAY: Duration = Duration::from_secs(60 * 60);

/// Timeout of a lookup. Its queries time out by themselves, so this only covers a discovery actor
/// that is being restarted.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(60);

/// Period of the dialer's own check, which notices the ends of histories and of pauses.
pub const DIAL_TICK: Duration = Duration::from_secs(1);

/// Dials that wait for one of the [`MAX_ACTIVE_DIALS`].
pub const MAX_WAITING_DIALS: usize = 1024;

// --- discovery ------------------------------------------------------------------

/// Datagrams handled in one turn, before timers and lookups get their turn.
pub const DATAGRAM_BATCH: usize = 32;

/// Bytes of datagrams that wait for DiscoveryV5Actor: some batches, above which they are lost as in a full
/// buffer of the kernel. geth holds 100 packets.
pub const MAX_V5_DATAGRAM_BYTES: usize = 256 * 1024;

/// Period of publishing the table for the admin page and the dialer.
pub const TABLE_PERIOD: Duration = Duration::from_secs(1);

/// Period of copying settled nodes into the node database.
pub const COPY_PERIOD: Duration = Duration::from_secs(30);

/// Time in the table after which a node is copied into the node database.
pub const SETTLED_AFTER: Duration = Duration::from_secs(5 * 60);

/// Period of writing a changed node database to its file.
pub const SAVE_PERIOD: Duration = Duration::from_secs(5 * 60);

/// Period of removing expired nodes from the database.
pub const EXPIRE_PERIOD: Duration = Duration::from_secs(60 * 60);

/// Nodes that the node database holds at most: about 1.5 MB. A table holds 272.
pub const MAX_DATABASE_NODES: usize = 10_000;

/// The longest file of nodes that is read.
pub const MAX_NODES_FILE: u64 = 8 * 1024 * 1024;

/// Unanswered requests in a row after which a wrong system clock is suspected: discovery packets
/// carry an expiration time.
pub const CLOCK_WARNING_TIMEOUTS: u32 = 32;

/// Time between two warnings about the clock.
pub const CLOCK_WARNING_PERIOD: Duration = Duration::from_secs(10 * 60);

/// Nodes of DNS that wait for the dialer; then the walk through DNS pauses. As many as a lookup finds.
pub const MAX_DNS_NODES: usize = 16;

/// Time that DNS servers have for an answer: geth's.
pub const DNS_QUERY_TIMEOUT: Duration = Duration::from_secs(5);

/// Time that the dialer waits for a node of DNS, before it asks again.
pub const DNS_NODES_TIMEOUT: Duration = Duration::from_secs(60 * 60);

// --- the router -----------------------------------------------------------------

/// Lifetime of a port mapping at the router.
pub const MAPPING_LIFETIME: Duration = Duration::from_secs(20 * 60);

/// Period of renewing port mappings: well within [`MAPPING_LIFETIME`].
pub const MAPPING_REFRESH: Duration = Duration::from_secs(15 * 60);

/// Time that a router has to answer the search, and to close the ports when the node stops.
pub const ROUTER_TIMEOUT: Duration = Duration::from_secs(3);
