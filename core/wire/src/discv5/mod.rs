//! Discovery v5.1: packets, messages, sessions, and the engine that joins them.
//!
//! The table, the lookup and the checks of addresses are those of [`crate::discv4`]. The
//! specification is devp2p's discv5-wire.md and discv5-theory.md.

mod calls;
mod challenges;
mod crypto;
mod engine;
mod message;
mod packet;
mod records;
mod session;

pub use crypto::{Key, SessionKeys, derive_keys, open, seal, sign_identity, verify_identity};
pub use engine::{Discovery, DiscoveryConfig, LookupId, Output, Rejected};
pub use message::{Message, MessageError, RequestId};
pub use packet::{
    Handshake, MaskingIv, Nonce, Packet, PacketError, PacketKind, WhoAreYou, decode_packet,
    encode_handshake, encode_ordinary, encode_random, encode_who_are_you, is_discv5,
};

#[cfg(test)]
mod tests;
