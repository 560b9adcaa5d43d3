//! Tests of the binary as its users run it: command lines, disks, signals, crashes and `kill -9`.
//!
//! Tests that need the fixtures print `skipped: fixtures not found` without them. Slow scenarios
//! are repeated a few times; `ACTOREUM_KILLS=100` asks for more.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may panic like the tests themselves"
)]

mod accounts;
mod admin;
mod attacker;
mod browser;
mod chains;
mod cli_reference;
mod conformance;
mod console;
mod crash;
mod database;
mod datadir;
mod dev;
mod dev_fork;
mod dev_merged;
mod dev_methods;
mod dev_rules;
mod disk;
mod exposition;
mod flags;
#[path = "../../../core/storage/tests/folder/mod.rs"]
mod folder;
mod followers;
mod fuzz;
mod generated_docs;
mod hostile_keys;
mod http;
mod incidents;
mod kill;
mod memory;
mod metrics;
mod mining;
mod network;
mod network_new;
mod page;
mod pending;
mod personal;
mod pool_flood;
mod private;
mod process;
mod round_trip;
mod rpc;
#[cfg(target_os = "linux")]
mod rpc_drills;
mod sealing;
mod simulate;
mod start;
mod stop;
mod takeover;
mod telemetry;
mod terminal;
mod tools;
mod torn;
mod votes;
mod wrong_input;
