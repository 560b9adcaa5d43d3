//! Hardware wallets, from the reports of a device to JSON-RPC. The devices are in software
//! (`actoreum_tests::usb`) and speak what real ones speak.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod drivers;
mod node;
mod rpc;
mod vectors;
