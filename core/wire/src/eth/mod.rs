//! The eth protocol, versions 62 to 69, as one codec with the version as a parameter.

mod block;
mod item;
mod list;
mod message;
mod range;
mod receipts;
mod request;
mod status;
mod transaction;
mod version;

pub use block::{BlockAnnouncement, NewBlock};
pub use item::WireItem;
pub use list::LazyList;
pub use message::{EthError, EthMessage, MessageId, RequestId};
pub use range::{BlockRange, RangeError};
pub use receipts::{BlockReceipts, ReceiptLists, SlimReceipts};
pub use request::{GetBlockHeaders, HashOrNumber};
pub use status::{Status, StatusError};
pub use transaction::TransactionAnnouncement;
pub use version::EthVersion;

#[cfg(test)]
mod tests;
