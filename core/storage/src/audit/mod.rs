//! Check and repair of a database.
//!
//! ```text
//!            blocks                     state at the head              history
//!   hashes, parents, roots of    flat values make the header's   every entry is there, the
//!   bodies and receipts, total   state root; every code and      oldest state has its root
//!   difficulty, indexes          every trie node is there
//!        |                                 |                            |
//!        '--------------- Store::check: a list of faults ---------------'
//!
//!   Store::repair: restore a changed byte | rebuild indexes, tries, flat values from each other
//!                  | else revert to the last valid block, and report the dropped blocks
//! ```

mod block;
mod byte_repair;
mod check;
mod damaged;
mod delete;
mod flat;
mod history;
mod repair;
mod tries;

pub(crate) use byte_repair::changes_of_one_byte;
pub use check::CheckReport;
pub use repair::RepairReport;
