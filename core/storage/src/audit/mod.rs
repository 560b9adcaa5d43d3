//! Whether what is on disk is sound, and making it so.
//!
//! ```text
//!            blocks                     state at the head              history
//!   hashes, parents, roots of    flat values make the header's   every entry is there, the
//!   bodies and receipts, total   state root; every code and      oldest state has its root
//!   difficulty, indexes          every trie node is there
//!        |                                 |                            |
//!        '--------------- Store::check: a list of faults ---------------'
//!
//!   Store::repair: mend a changed byte | write indexes, tries, flat values anew from each other
//!                  | else go back to the last block that is sound, and say what was dropped
//! ```

mod block;
mod check;
mod damaged;
mod flat;
mod forget;
mod history;
mod mend;
mod repair;
mod tries;

pub use check::CheckReport;
pub(crate) use mend::changes_of_one_byte;
pub use repair::RepairReport;
