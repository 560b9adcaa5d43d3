//! Renders blocks, transactions, receipts and logs as JSON: with the members of geth 1.8, and with
//! those that later geths added for the blocks and transactions that have them.

mod block;
mod cache;
mod receipt;
#[cfg(test)]
mod tests;
mod transaction;

pub use block::{
    BlockView, TotalDifficulty, write_block, write_hashed_members, write_head, write_header,
    write_ommer, write_pending_block, write_pending_header, write_simulated_block,
};
pub use cache::BlockCache;
pub use receipt::{LogMeta, ReceiptView, write_log, write_log_with_meta, write_receipt};
pub use transaction::{TransactionMeta, write_transaction};
