//! Sans-IO protocol state machines: RLPx, p2p, eth, discv4 and ENR.
#![deny(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

pub mod discv4;
pub mod ecies;
pub mod eth;
mod keys;
pub mod limits;
pub mod nodes;
pub mod p2p;
mod rlp;
pub mod rlpx;
#[cfg(test)]
mod test_support;
