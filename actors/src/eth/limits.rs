//! Every bound of the eth protocol's actors, with its reason. Those of the messages themselves
//! are in `actoreum_wire::limits`, those of the connection in [`crate::net::limits`].

// --- requests -------------------------------------------------------------------

/// Requests to one peer that wait for their answers, those with it whose asker has given up. More
/// are refused to the asker: a peer that answers none of so many will not answer the next.
pub const OUTSTANDING_REQUESTS: usize = 32;

// --- what counts against a peer, of the 100 points at which it is sent away ------

/// An answer that cannot be decoded or breaks a limit: no honest software sends it.
pub const MALFORMED_POINTS: i64 = 100;

/// An answer with more than was asked for, or with something else.
pub const MISMATCH_POINTS: i64 = 50;

/// An answer to nothing. Few may be the rest of a request that was given up long ago.
pub const UNSOLICITED_POINTS: i64 = 10;

/// No answer in the asker's time. A slow line does it too, so it takes many in a row.
pub const TIMEOUT_POINTS: i64 = 5;

/// What an answer that came in time takes back of what stands against a peer.
pub const ANSWER_CREDIT: i64 = 2;
