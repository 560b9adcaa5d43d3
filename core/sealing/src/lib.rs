//! Sealing of blocks, as state machines without IO, clocks or threads.
//!
//! The driver of a state machine (an actor, or a test) passes in what happened and the current
//! time, and carries out what comes back. The same calls always give the same actions.
//!
//! | module | what it decides |
//! |---|---|
//! | [`worker`] | when a block is built, sealed and imported |
//! | [`guard`] | whether a height may be signed; what is written to disk, and in which order |
//!
//! # Examples
//!
//! ```
//! use actoreum_primitives::{Address, B256};
//! use actoreum_sealing::guard::SigningRecord;
//!
//! // The chain has other signers, too: the height stays on record when the chain is rewound.
//! let record = SigningRecord::new(Address::ZERO).raised(5, B256::repeat_byte(5), true);
//! assert_eq!(record.rewound(2).highest, 5);
//! ```

pub mod guard;
pub mod worker;
