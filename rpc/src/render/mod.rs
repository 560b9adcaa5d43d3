//! Blocks, transactions, receipts and logs as JSON: the members of geth 1.8, and
//! those that later geths added where a block or a transaction has them.

mod block;
mod cache;
mod receipt;
#[cfg(test)]
mod tests;
mod transaction;

pub use block::{
    BlockView, write_block, write_head, write_header, write_ommer, write_pending_block,
    write_pending_header,
};
pub use cache::BlockCache;
pub use receipt::{LogPlace, ReceiptView, write_log, write_placed_log, write_receipt};
pub use transaction::{TransactionPlace, write_transaction};
