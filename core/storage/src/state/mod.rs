//! The state: flat accounts and slots, their tries, and their history.

mod codec;
mod diff;
mod flat_buffer;
mod frozen;
mod history;
mod nodes;
mod proof;
mod range;
mod reader;
mod served;
mod snapshot;
mod trie_buffer;
mod view;

pub use diff::{HashedAccount, HashedDiff, HashedSlot};
pub use flat_buffer::FlatBuffer;
pub use frozen::FrozenState;
pub use proof::{AccountProof, SlotProof};
pub use served::{AccountRange, NodePaths, ServedState, StorageRanges};
pub use snapshot::{Slots, StateSnapshot};
pub use trie_buffer::TrieBuffer;
pub use view::StateView;

pub(crate) use codec::{decode_account, decode_slot, encode_account, encode_slot};
pub(crate) use history::ChangeList;
pub(crate) use nodes::node_key;
pub(crate) use snapshot::storage_root;
