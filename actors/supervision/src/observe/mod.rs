//! State of a running tree that is read without a message: activity, metrics, health, snapshots.

pub(crate) mod activity;
pub(crate) mod arbiters;
mod children;
pub(crate) mod dead_letters;
pub(crate) mod gauges;
pub(crate) mod health;
pub(crate) mod histogram;
mod incident_sink;
pub(crate) mod incidents;
pub(crate) mod metrics;
pub(crate) mod node;
mod reading;
pub(crate) mod senders;
pub mod snapshot;
pub(crate) mod threads;
pub(crate) mod wait_graph;
pub(crate) mod waits;
