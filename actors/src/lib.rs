//! Supervision, and the cast of actors.
//!
//! [`supervision`] knows nothing of Ethereum: it starts, watches, restarts and stops. Everything
//! else here is an actor, one a file or folder: it owns state, takes a message, calls a rule of
//! `core/`, sends messages. The tree that they stand in is put together in `node/`.
//!
//! | actor | owns |
//! |---|---|
//! | [`chain::ChainActor`] | the one writer of the chain |

pub mod chain;
pub mod supervision;
