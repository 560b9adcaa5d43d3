//! Hardware wallets, from the reports of a device to JSON-RPC. The devices are simulated
//! (`actoreum_tests::usb`) and use the protocols of real ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod drivers;
mod node;
mod rpc;
mod vectors;
