//! Sealing: the block that is built, the seal that it gets, and the control of both.
//!
//! ```text
//!   RPC --- start, stop ---> MinerActor (control)
//!                                | SealingChanged
//!                                v
//!   chain, txpool ---------> WorkerActor --- sealing task ---> SealerActor --- sealed block ---> chain
//!                            builds blocks                     signs or searches a nonce
//! ```

pub mod control;
pub mod sealer;
pub mod worker;
