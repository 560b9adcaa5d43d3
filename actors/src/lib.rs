//! Supervision and the cast of actors.

pub mod supervision;
