//! Every bound on what a stranger can make this crate do, with its reason.
//!
//! Sizes are bytes unless a name says otherwise.

use std::time::Duration;

// --- RLPx handshake ---------------------------------------------------------

/// Longest EIP-8 handshake packet, without its two size bytes.
///
/// The prefix could claim 65,535. Known clients send under 700; a pending handshake
/// holds this much at most, so 50 of them (the default) hold 200 KiB.
pub const MAX_HANDSHAKE_PACKET: usize = 4096;

/// From the first byte to the end of the Hello exchange. A socket that stalls in the
/// handshake holds one of few slots, so this is short.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

// --- RLPx frames ------------------------------------------------------------

/// Longest frame body: the length field has three bytes.
pub const MAX_FRAME_SIZE: usize = (1 << 24) - 1;

/// Longest message after decompression: the same 16 MiB that a frame could carry
/// without snappy, so that compression cannot be used to send more.
pub const MAX_MESSAGE_SIZE: usize = (1 << 24) - 1;

/// Snappy cannot expand a byte into more than this: its densest element is three bytes
/// that copy 64. A length claim above it is a lie and is refused before it is allocated.
pub const MAX_SNAPPY_EXPANSION: usize = 22;

/// Base protocol messages (Hello above all) are small; a bigger one is refused when its
/// frame header arrives, before its body is buffered.
pub const MAX_BASE_MESSAGE_SIZE: usize = 2048;

/// What a session may have queued for a peer that does not read before it stops
/// answering that peer's pings. The actor that owns the socket bounds the rest.
pub const MAX_PONG_BACKLOG: usize = 64 * 1024;

// --- base protocol ----------------------------------------------------------

/// Silence after which a peer is given up.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two pings: half the idle timeout, so that one may be lost.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Capabilities read from a Hello. A Hello of 2 KiB could name 600; real clients name
/// under ten. The rest is ignored, not refused.
pub const MAX_CAPABILITIES: usize = 64;

/// Characters kept of a peer's client name, which goes into logs and onto the page.
pub const MAX_CLIENT_NAME: usize = 256;

// --- node records -----------------------------------------------------------

/// Longest encoded node record (EIP-778).
pub const MAX_ENR_SIZE: usize = 300;

/// Longest enode URL that is parsed at all: 128 digits of key, an IPv6 address, two
/// ports and the separators are under 220.
pub const MAX_ENODE_URL: usize = 512;

// --- discovery --------------------------------------------------------------

/// Longest discv4 packet; longer datagrams are cut by the reader and fail their hash.
pub const MAX_DISCV4_PACKET: usize = 1280;

/// Neighbors in one packet: the most that fit [`MAX_DISCV4_PACKET`] with IPv6 addresses.
pub const MAX_NEIGHBORS_PER_PACKET: usize = 12;

/// Neighbors read from one packet. Short addresses make room for more than we send; 16
/// is a whole bucket, the most that an answer means.
pub const MAX_NEIGHBORS_DECODED: usize = 16;

/// How long a packet that we sign stays valid.
pub const PACKET_EXPIRATION: Duration = Duration::from_secs(20);

/// Furthest expiration that we accept, from now. An honest clock may be ahead; without a
/// bound a captured packet could be replayed for years.
pub const MAX_EXPIRATION_AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// Time for each answer.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long an endpoint proof (a pong for our ping) holds.
pub const ENDPOINT_PROOF_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Endpoint proofs and ping times remembered. Each needs an answered ping (a proof) or a
/// signed packet (a ping time); beyond this the oldest go. About 100 bytes each.
pub const MAX_TRACKED_ENDPOINTS: usize = 16_384;

/// Requests of ours that wait for answers, beside ping-backs. Lookups need three at a time.
pub const MAX_PENDING_REQUESTS: usize = 1024;

/// Ping-backs to unproven endpoints in flight. They are the only packets beside the pong
/// that a stranger can make us send to an address that it does not own.
///
/// Every ping that [`MAX_PACKETS_TOTAL`] lets through is pinged back: an honest newcomer that is
/// not, learns of no other nodes. [`RESPONSE_TIMEOUT`] is less than the second for which packets are
/// counted, so the pings of two seconds are the most that wait: about 1 MB.
pub const MAX_PENDING_PING_BACKS: usize = 2 * MAX_PACKETS_TOTAL as usize;

/// Ping-backs in flight to one source address: bounds what a spoofed source can receive from
/// us to a few packets per half second.
pub const MAX_PENDING_PING_BACKS_PER_SOURCE: usize = 8;

/// Datagrams a second from one address before the rest is dropped unread. A lookup by an
/// honest neighbour is a handful; each costs us a signature recovery (about 0.1 ms).
pub const MAX_PACKETS_PER_SOURCE: u32 = 50;

/// The least of them that an unknown address is read when many share [`MAX_PACKETS_TOTAL`]: a ping,
/// the answer to ours, and a question.
pub const MIN_PACKETS_PER_SOURCE: u32 = 4;

/// Datagrams a second from everywhere before the rest is dropped unread. Bounds the CPU
/// that discovery can take on one core.
pub const MAX_PACKETS_TOTAL: u32 = 2000;

/// Datagrams a second whose address is known (in the table, or of a request in flight)
/// that are still read when [`MAX_PACKETS_TOTAL`] is used up, so that a flood from
/// strangers does not silence honest lookups.
pub const MAX_PACKETS_KNOWN: u32 = 1000;

/// Source addresses counted in one second; more share one counter.
pub const MAX_COUNTED_SOURCES: usize = 4096;

/// Nodes in a bucket (Kademlia's k), and in the answer to a lookup.
pub const BUCKET_SIZE: usize = 16;

/// Nodes that wait for a place in a full bucket.
pub const MAX_REPLACEMENTS: usize = 10;

/// Nodes of one /24 (or /64) in a bucket: an attacker needs many networks to fill one.
pub const BUCKET_SUBNET_LIMIT: u32 = 2;

/// Nodes of one /24 (or /64) in the table.
pub const TABLE_SUBNET_LIMIT: u32 = 10;

/// Parallel queries of a lookup (Kademlia's alpha).
pub const LOOKUP_CONCURRENCY: usize = 3;

/// Lookups at a time; more wait for the caller to retry.
pub const MAX_LOOKUPS: usize = 16;

/// Nodes asked by one lookup. An honest network of a million needs under 20 rounds; a
/// hostile one could go on naming nodes that are ever closer.
pub const MAX_LOOKUP_QUERIES: usize = 128;

/// A node that was heard of within this time is not pinged to see whether it is alive. geth 1.8
/// tells nobody of a node from that node's ping until its own next check of it, so that in a
/// small network nodes that ping more often hide themselves.
pub const REVALIDATION_PAUSE: Duration = Duration::from_secs(30);

/// Failures in a row after which a node leaves the table.
pub const MAX_FINDNODE_FAILURES: u32 = 5;

// --- node database ----------------------------------------------------------

/// An entry whose node was not heard of for this long is dropped.
pub const NODE_EXPIRATION: Duration = Duration::from_secs(24 * 60 * 60);

/// Oldest pong of a node that still makes a seed.
pub const SEED_MAX_AGE: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// Nodes loaded from the database to start from.
pub const SEED_COUNT: usize = 30;

// --- eth --------------------------------------------------------------------

/// Longest eth message (the protocol's own limit since eth/62).
pub const MAX_ETH_MESSAGE: usize = 10 * 1024 * 1024;

/// A response stops growing here; one item may still pass it.
pub const SOFT_RESPONSE_LIMIT: usize = 2 * 1024 * 1024;

/// What a header is counted as against [`SOFT_RESPONSE_LIMIT`].
pub const ESTIMATED_HEADER_SIZE: usize = 500;

/// Headers served to one request, and read from one response. Older clients stop at 192.
pub const MAX_HEADERS: usize = 1024;

/// Headers asked at once: what the oldest client in the field serves.
pub const MAX_HEADERS_REQUEST: u64 = 192;

/// Bodies served to one request, and read from one response.
pub const MAX_BODIES: usize = 1024;

/// Bodies asked at once.
pub const MAX_BODIES_REQUEST: usize = 128;

/// Blocks whose receipts are served to one request, and read from one response.
pub const MAX_RECEIPTS: usize = 1024;

/// Blocks whose receipts are asked at once.
pub const MAX_RECEIPTS_REQUEST: usize = 256;

/// State values served to one request, and read from one response.
pub const MAX_NODE_DATA: usize = 1024;

/// State values asked at once.
pub const MAX_NODE_DATA_REQUEST: usize = 384;

/// Hashes read from one request, whatever it asks for: four times what is ever served,
/// since older clients may ask for more than they get. 132 KiB of input.
pub const MAX_REQUEST_HASHES: usize = 4096;

/// Blocks announced in one message. Real ones announce one to a few.
pub const MAX_BLOCK_ANNOUNCEMENTS: usize = 1024;

/// Transactions announced in one message (EIP-4938 and eth/68 ask for 4096 at most); twice
/// that is read, since older clients do not keep it.
pub const MAX_TRANSACTION_ANNOUNCEMENTS: usize = 8192;

/// Transactions announced in one of our messages.
pub const TRANSACTION_ANNOUNCEMENTS_SENT: usize = 4096;

/// Pooled transactions asked or served at once (eth/65).
pub const MAX_POOLED_TRANSACTIONS: usize = 256;

/// Transactions read from one message. Ten MiB of the smallest ones would be more; clients
/// send packs of about 100 KiB, so under 1,000.
pub const MAX_TRANSACTIONS: usize = 16_384;

/// No signed transaction is shorter: its signature alone has two words. Bounds how much
/// bigger decoded transactions can be than their encoding (about ten times).
pub const MIN_TRANSACTION_SIZE: usize = 32;

/// No header is shorter: six hashes, an address and a bloom filter.
pub const MIN_HEADER_SIZE: usize = 450;

/// No receipt is shorter: it has a bloom filter.
pub const MIN_RECEIPT_SIZE: usize = 260;

/// No withdrawal is shorter: it has an address.
pub const MIN_WITHDRAWAL_SIZE: usize = 25;

/// Most bits of a difficulty. Mainnet's reached 54; more is a lie that would cost big-integer
/// work everywhere.
pub const MAX_DIFFICULTY_BITS: usize = 80;

/// Most bits of a total difficulty. Mainnet's ended at 76.
pub const MAX_TOTAL_DIFFICULTY_BITS: usize = 100;

/// Longest extra data of a header that is sent unasked. Clique's checkpoints hold a list of
/// signers, 20 bytes each, so it can be much more than the 32 bytes of other chains.
pub const MAX_EXTRA_DATA: usize = 100 * 1024;

/// Longest encoded header that is decoded or hashed: [`MAX_EXTRA_DATA`], and what the other fields
/// of any fork take. Hashing one of ten megabytes would hold a thread for 40 ms.
pub const MAX_ENCODED_HEADER: usize = MAX_EXTRA_DATA + 2 * 1024;
