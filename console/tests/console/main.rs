//! The console against a node on a real socket that answers as it is told.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod contracts;
mod filters;
mod limits;
mod methods;
mod node;
mod parameters;
mod printing;
mod terminal;
mod units;
