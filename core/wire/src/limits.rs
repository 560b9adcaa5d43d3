//! Limits on what a peer can make this crate do, each with its reason.
//!
//! Sizes are bytes unless a name says otherwise.

use std::time::Duration;

// --- RLPx handshake ---------------------------------------------------------

/// Maximum length of an EIP-8 handshake packet, without its two size bytes.
///
/// The prefix could claim 65,535. Known clients send under 700; a pending handshake
/// holds this much at most, so 50 of them (the default) hold 200 KiB.
pub const MAX_HANDSHAKE_PACKET: usize = 4096;

/// Time from the first byte to the end of the Hello exchange. A socket that stalls in the handshake
/// holds one of few slots, so this is short.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

// --- RLPx frames ------------------------------------------------------------

/// Maximum length of a frame body: the length field has three bytes.
pub const MAX_FRAME_SIZE: usize = (1 << 24) - 1;

/// Maximum length of a message after decompression: the same 16 MiB that a frame could carry
/// without snappy, so that compression cannot be used to send more.
pub const MAX_MESSAGE_SIZE: usize = (1 << 24) - 1;

/// Maximum expansion by snappy: its densest element is three bytes that copy 64. A length claim
/// above it is false, and is refused before anything is allocated.
pub const MAX_SNAPPY_EXPANSION: usize = 22;

/// Maximum size of a base protocol message (the largest is Hello). A bigger one is refused when its
/// frame header arrives, before its body is buffered.
pub const MAX_BASE_MESSAGE_SIZE: usize = 2048;

/// Maximum number of bytes queued for a peer that does not read, above which the session stops
/// answering that peer's pings. The actor that owns the socket bounds the rest of the queue.
pub const MAX_PONG_BACKLOG: usize = 64 * 1024;

// --- base protocol ----------------------------------------------------------

/// Time without a message after which a session ends with a read timeout.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Time between two pings: half the idle timeout, so that one may be lost.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Maximum number of capabilities read from a Hello. A Hello of 2 KiB could name 600; real clients
/// name under ten. Further ones are ignored, not refused.
pub const MAX_CAPABILITIES: usize = 64;

/// Maximum number of characters of a peer's client name, which is written to logs and shown on the
/// admin page.
pub const MAX_CLIENT_NAME: usize = 256;

// --- node records -----------------------------------------------------------

/// Maximum size of an encoded node record (EIP-778).
pub const MAX_ENR_SIZE: usize = 300;

/// Maximum length of a node URL: 128 digits of key, a host name, two ports and the separators are under
/// 430, the text of a record under 410.
pub const MAX_NODE_URL: usize = 512;
/// Maximum length of a host name (RFC 1035), in bytes.
pub const MAX_HOST_NAME: usize = 253;

// --- DNS discovery ----------------------------------------------------------

/// Maximum length of an entry of a tree (EIP-1459), in bytes. A tree of ours or of geth has none above
/// 430; a resolver could hand on 64 KiB.
pub const MAX_TREE_ENTRY: usize = 2048;

/// Maximum number of TXT records that are read of one answer. An entry is alone at its name; the name of
/// the root may have records of other uses (mail, proofs of ownership) beside it.
pub const MAX_TXT_RECORDS: usize = 32;

/// Maximum number of entries of one tree that are walked. The public trees have some thousands; the
/// walk remembers 100 bytes of each. Further entries are left out.
pub const MAX_TREE_ENTRIES: usize = 16_384;

/// Maximum depth of a tree. Branches of 13 children hold more than [`MAX_TREE_ENTRIES`] in four levels.
pub const MAX_TREE_DEPTH: u8 = 16;

/// Maximum number of trees that are walked, configured ones and those that they link to: a tree can
/// link to others without end. With [`MAX_TREE_ENTRIES`] this bounds the walk to some 25 MB.
pub const MAX_TREES: usize = 16;

/// Maximum number of nodes of a tree that this node signs: a guard against a mistaken file.
pub const MAX_SIGNED_NODES: usize = MAX_TREE_ENTRIES;

/// Maximum number of children of a branch that this node signs, so that the answer of a DNS server
/// stays below 512 bytes.
pub const MAX_BRANCH_CHILDREN: usize = 13;

/// Number of entries in the cache of the walk: geth's.
pub const TREE_CACHE: usize = 1000;

/// Time between two checks of a tree's root: geth's.
pub const ROOT_RECHECK: Duration = Duration::from_secs(30 * 60);

/// Time that one query of the walk uses up of its rate, three queries a second: geth's. Entries from
/// the cache count as queries, so that a small tree is not walked in a busy loop.
pub const TREE_QUERY_INTERVAL: Duration = Duration::from_nanos(333_333_333);

/// Number of queries that the walk may do at once: geth's.
pub const TREE_QUERY_BURST: u32 = 10;

/// Number of failed entries after which a tree's root is checked at once: the tree may have changed.
pub const MAX_ENTRY_FAILURES: u32 = 5;

/// Number of attempts for one entry in a walk through the tree. Then the walk goes on without it.
pub const MAX_ENTRY_ATTEMPTS: u8 = 3;

/// Pause before a tree of which no entry was found is walked again.
pub const EMPTY_WALK_PAUSE: Duration = Duration::from_secs(10);

// --- discovery --------------------------------------------------------------

/// Maximum size of a discv4 packet. Longer datagrams are truncated by the reader and fail their
/// hash.
pub const MAX_DISCV4_PACKET: usize = 1280;

/// Maximum number of neighbors sent in one packet: the most that fit [`MAX_DISCV4_PACKET`] with
/// IPv6 addresses.
pub const MAX_NEIGHBORS_PER_PACKET: usize = 12;

/// Maximum number of neighbors read from one packet. Short addresses leave room for more than this
/// node sends; 16 is a full bucket, the most that an answer can mean.
pub const MAX_NEIGHBORS_DECODED: usize = 16;

/// Validity of a packet that this node signs.
pub const PACKET_EXPIRATION: Duration = Duration::from_secs(20);

/// Maximum expiration of a received packet, from now. The sender's clock may be ahead; without a
/// bound a captured packet could be replayed for years.
pub const MAX_EXPIRATION_AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// Timeout of a request.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);

/// Validity of an endpoint proof (a pong for this node's ping).
pub const ENDPOINT_PROOF_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Maximum number of endpoint proofs, and of ping times, that are remembered. Each needs an
/// answered ping (a proof) or a signed packet (a ping time); above the limit the oldest are
/// dropped. About 100 bytes each.
pub const MAX_TRACKED_ENDPOINTS: usize = 16_384;

/// Maximum number of this node's requests that wait for answers, without ping-backs. Lookups need
/// three at a time.
pub const MAX_PENDING_REQUESTS: usize = 1024;

/// Maximum number of pending ping-backs to unproven endpoints. Beside the pong, they are the only
/// packets that a node can make this one send to an address that it does not own.
///
/// Every ping that [`MAX_PACKETS_TOTAL`] admits is pinged back, because an honest new node that is
/// not pinged back learns of no other nodes. [`RESPONSE_TIMEOUT`] is shorter than the second for
/// which packets are counted, so at most the pings of two seconds are pending: about 1 MB.
pub const MAX_PENDING_PING_BACKS: usize = 2 * MAX_PACKETS_TOTAL as usize;

/// Maximum number of pending ping-backs to one source address: bounds what a spoofed source can
/// receive from this node to a few packets per half second.
pub const MAX_PENDING_PING_BACKS_PER_SOURCE: usize = 8;

/// Maximum number of datagrams read per second from one address; the rest is dropped unread. A
/// lookup by an honest neighbour is a handful; each costs a signature recovery (about 0.1 ms).
pub const MAX_PACKETS_PER_SOURCE: u32 = 50;

/// Minimum number of datagrams read per second from an unknown address when many share
/// [`MAX_PACKETS_TOTAL`]: a ping, the pong for this node's ping, and a request.
pub const MIN_PACKETS_PER_SOURCE: u32 = 4;

/// Maximum number of datagrams read per second in total; the rest is dropped unread. Bounds the CPU
/// that discovery can take on one core.
pub const MAX_PACKETS_TOTAL: u32 = 2000;

/// Number of datagrams per second from known addresses (in the table, or of a pending request) that
/// are still read when [`MAX_PACKETS_TOTAL`] is used up, so that a flood from unknown addresses
/// does not silence honest lookups.
pub const MAX_PACKETS_KNOWN: u32 = 1000;

/// Maximum number of source addresses counted separately in one second; further ones share one
/// counter.
pub const MAX_COUNTED_SOURCES: usize = 4096;

/// Number of nodes in a bucket (Kademlia's k), and in the answer to a lookup.
pub const BUCKET_SIZE: usize = 16;

/// Maximum number of replacements for a full bucket.
pub const MAX_REPLACEMENTS: usize = 10;

/// Maximum number of nodes of one /24 (or /64) in a bucket: an attacker needs many networks to fill
/// one.
pub const BUCKET_SUBNET_LIMIT: u32 = 2;

/// Maximum number of nodes of one /24 (or /64) in the table.
pub const TABLE_SUBNET_LIMIT: u32 = 10;

/// Number of parallel queries of a lookup (Kademlia's alpha).
pub const LOOKUP_CONCURRENCY: usize = 3;

/// Maximum number of lookups at a time; further ones are refused, and the caller may retry.
pub const MAX_LOOKUPS: usize = 16;

/// Maximum number of nodes queried by one lookup. An honest network of a million nodes needs under
/// 20 rounds; a hostile one could go on returning nodes that are ever closer.
pub const MAX_LOOKUP_QUERIES: usize = 128;

/// Time since the last sign of life within which a node is not pinged for revalidation. geth 1.8
/// returns no node to others from that node's ping until its own next check of it, so that in a
/// small network nodes that ping more often hide themselves.
pub const REVALIDATION_PAUSE: Duration = Duration::from_secs(30);

/// Number of unanswered find-node requests in a row after which a node is removed from the table.
pub const MAX_FINDNODE_FAILURES: u32 = 5;

// --- discovery v5 -----------------------------------------------------------

/// Minimum size of a discv5 packet: a WHOAREYOU packet.
pub const MIN_DISCV5_PACKET: usize = 63;

/// Maximum size of a discv5 packet.
pub const MAX_DISCV5_PACKET: usize = 1280;

/// Maximum length of a request id.
pub const MAX_REQUEST_ID: usize = 8;

/// Maximum number of distances in a FINDNODE request: each from 0 to 256 once.
pub const MAX_FINDNODE_DISTANCES: usize = 257;

/// Number of distances in this node's FINDNODE requests of a lookup.
pub const LOOKUP_DISTANCES: usize = 3;

/// Maximum number of records in the answer to a FINDNODE request, sent and read. The records that
/// are read are verified, about 0.1 ms each.
pub const MAX_FOUND_RECORDS: usize = 16;

/// Maximum number of NODES packets read for one request. Sixteen records of 300 bytes take five or
/// six; a sender of small packets would only waste its answer.
pub const MAX_NODES_PACKETS: u64 = 6;

/// Maximum size of the records in one NODES packet, so that the packet stays below
/// [`MAX_DISCV5_PACKET`]: header, tag and the fields of the message take 104 bytes.
pub const MAX_RECORDS_SIZE: usize = 1150;

/// Timeout of a discv5 request; it starts again with a WHOAREYOU packet and with each NODES packet.
/// The same as geth's.
pub const DISCV5_RESPONSE_TIMEOUT: Duration = Duration::from_millis(700);

/// Time for which a WHOAREYOU challenge can be answered.
pub const CHALLENGE_LIFETIME: Duration = Duration::from_secs(1);

/// Maximum number of challenges. Every packet that [`MAX_PACKETS_TOTAL`] admits can cause one, and
/// an honest new node that is not challenged cannot open a session. About 1 MB.
pub const MAX_CHALLENGES: usize = 2 * MAX_PACKETS_TOTAL as usize;

/// Maximum number of challenges to one source address, each a packet of 63 bytes for one that was
/// larger.
pub const MAX_CHALLENGES_PER_SOURCE: usize = 16;

/// Maximum number of handshakes that are verified for one challenge. The first is the honest one
/// unless the sender's address is spoofed; each costs about 0.3 ms.
pub const MAX_HANDSHAKE_ATTEMPTS: u32 = 3;

/// Maximum number of sessions; the one that was not used for longest is dropped. Its node opens
/// another with one round trip. About 200 bytes each.
pub const MAX_SESSIONS: usize = 2048;

/// Maximum number of sessions with one source address, so that a single host with many keys cannot
/// replace the sessions of the others.
pub const MAX_SESSIONS_PER_SOURCE: usize = 32;

/// Maximum number of requests that wait for an earlier one to the same node.
pub const MAX_QUEUED_REQUESTS: usize = 8;

/// Maximum number of remembered records. The table holds at most 442 nodes, and lookups meet
/// others. About 1.5 KiB each.
pub const MAX_RECORDS: usize = 2048;

// --- node database ----------------------------------------------------------

/// Age of the last pong after which an entry of the node database is dropped.
pub const NODE_EXPIRATION: Duration = Duration::from_secs(24 * 60 * 60);

/// Maximum age of the last pong of a seed node.
pub const SEED_MAX_AGE: Duration = Duration::from_secs(5 * 24 * 60 * 60);

/// Number of seed nodes loaded from the database at start.
pub const SEED_COUNT: usize = 30;

// --- eth --------------------------------------------------------------------

/// Maximum size of an eth message (the protocol's own limit since eth/62).
pub const MAX_ETH_MESSAGE: usize = 10 * 1024 * 1024;

/// Size at which a response is complete; the last item may exceed it.
pub const SOFT_RESPONSE_LIMIT: usize = 2 * 1024 * 1024;

/// Size with which a header counts towards [`SOFT_RESPONSE_LIMIT`].
pub const ESTIMATED_HEADER_SIZE: usize = 500;

/// Maximum number of headers served to one request, and read from one response. Older clients stop
/// at 192.
pub const MAX_HEADERS: usize = 1024;

/// Maximum number of headers in one of this node's requests: what the oldest client in use serves.
pub const MAX_HEADERS_REQUEST: u64 = 192;

/// Maximum number of bodies served to one request, and read from one response.
pub const MAX_BODIES: usize = 1024;

/// Maximum number of bodies in one of this node's requests.
pub const MAX_BODIES_REQUEST: usize = 128;

/// Maximum number of blocks whose receipts are served to one request, and read from one response.
pub const MAX_RECEIPTS: usize = 1024;

/// Maximum number of blocks whose receipts are in one of this node's requests.
pub const MAX_RECEIPTS_REQUEST: usize = 256;

/// Maximum number of state values served to one request, and read from one response.
pub const MAX_NODE_DATA: usize = 1024;

/// Maximum number of state values in one of this node's requests.
pub const MAX_NODE_DATA_REQUEST: usize = 384;

/// Maximum number of hashes read from one request of any kind: four times what is ever served,
/// since older clients may ask for more than they get. 132 KiB of input.
pub const MAX_REQUEST_HASHES: usize = 4096;

/// Maximum number of blocks announced in one message. Clients announce one to a few.
pub const MAX_BLOCK_ANNOUNCEMENTS: usize = 1024;

/// Maximum number of transactions announced in one message. EIP-4938 and eth/68 ask for 4096 at
/// most; twice that is read, since older clients exceed it.
pub const MAX_TRANSACTION_ANNOUNCEMENTS: usize = 8192;

/// Maximum number of transactions in one of this node's announcements.
pub const TRANSACTION_ANNOUNCEMENTS_SENT: usize = 4096;

/// Maximum number of pooled transactions requested or served at once (eth/65).
pub const MAX_POOLED_TRANSACTIONS: usize = 256;

/// Maximum number of transactions read from one message. Ten MiB of the smallest ones would be
/// more; clients send packs of about 100 KiB, so under 1,000.
pub const MAX_TRANSACTIONS: usize = 16_384;

/// Minimum size of a signed transaction: its signature alone has two words. Bounds how much bigger
/// decoded transactions can be than their encoding (about ten times).
pub const MIN_TRANSACTION_SIZE: usize = 32;

/// Minimum size of a header: six hashes, an address and a bloom filter.
pub const MIN_HEADER_SIZE: usize = 450;

/// Minimum size of a receipt: it has a bloom filter.
pub const MIN_RECEIPT_SIZE: usize = 260;

/// Minimum size of a receipt without a bloom: a list of four items.
pub const MIN_SLIM_RECEIPT_SIZE: usize = 5;

/// Maximum size of the receipts of one answer once each has its bloom again, in bytes. An answer of
/// transfers alone at the soft limit of responses grows to that.
pub const MAX_EXPANDED_RECEIPTS: usize = 64 << 20;

/// Minimum size of a withdrawal: it has an address.
pub const MIN_WITHDRAWAL_SIZE: usize = 25;

/// Maximum number of bits of a difficulty. Mainnet's reached 54; a larger one is false, and would
/// cost big-integer work everywhere.
pub const MAX_DIFFICULTY_BITS: usize = 80;

/// Maximum number of bits of a total difficulty. Mainnet's ended at 76.
pub const MAX_TOTAL_DIFFICULTY_BITS: usize = 100;

/// Maximum size of the extra data of a header that is sent unasked. Clique's checkpoints hold a
/// list of signers, 20 bytes each, so it can be much more than the 32 bytes of other chains.
pub const MAX_EXTRA_DATA: usize = 100 * 1024;

/// Maximum size of an encoded header that is decoded or hashed: [`MAX_EXTRA_DATA`], and what the
/// other fields of any fork take. Hashing one of ten megabytes would hold a thread for 40 ms.
pub const MAX_ENCODED_HEADER: usize = MAX_EXTRA_DATA + 2 * 1024;

// --- snap -------------------------------------------------------------------

/// Maximum size of a snap message: geth's.
pub const MAX_SNAP_MESSAGE: usize = 10 * 1024 * 1024;

/// Maximum number of accounts read from one response. A response at [`SOFT_RESPONSE_LIMIT`] has 56,680
/// of the smallest accounts.
pub const MAX_RANGE_ACCOUNTS: usize = 65_536;

/// Minimum size of an account in a response: its hashed address and a list of four items.
pub const MIN_RANGE_ACCOUNT_SIZE: usize = 39;

/// Maximum number of slots of one account read from one response. A response at
/// [`SOFT_RESPONSE_LIMIT`] and a tenth above it, as geth sends, has 69,905 of the smallest slots.
pub const MAX_RANGE_SLOTS: usize = 81_920;

/// Minimum size of a slot in a response: its hashed key and one byte, in a list. A decoded slot takes
/// 64 bytes, so that decoding at most doubles the size of a message.
pub const MIN_RANGE_SLOT_SIZE: usize = 35;

/// Maximum number of accounts whose slots are read from one response: those of one request.
pub const MAX_STORAGE_RANGES: usize = MAX_REQUEST_HASHES;

/// Maximum number of trie nodes in the proof of a range: two paths of 64 branches and a leaf.
pub const MAX_RANGE_PROOF_NODES: usize = 130;

/// Maximum number of codes served to one request: geth's.
pub const MAX_CODES_SERVED: usize = 1024;

/// Maximum number of trie nodes served to one request: geth's.
pub const MAX_TRIE_NODES_SERVED: usize = 1024;

/// Maximum number of paths read from one request for trie nodes, in all of its sets: four times what
/// is served. A set without a slot's path counts one.
pub const MAX_TRIE_PATHS: usize = 4 * MAX_TRIE_NODES_SERVED;

/// Maximum length of a path in a request for trie nodes, in bytes. A path has at most 33; geth answers
/// longer ones with an empty node, and so does this node up to here.
pub const MAX_TRIE_PATH_SIZE: usize = 128;
