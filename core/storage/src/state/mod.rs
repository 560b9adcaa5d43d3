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
mod trie_buffer;
mod view;
mod whole;

pub use diff::{HashedAccount, HashedDiff, HashedSlot};
pub use flat_buffer::FlatBuffer;
pub use frozen::FrozenState;
pub use proof::{AccountProof, SlotProof};
pub use trie_buffer::TrieBuffer;
pub use view::StateView;
pub use whole::{Slots, WholeState};

pub(crate) use codec::{encode_account, encode_slot};
pub(crate) use history::ChangeList;
pub(crate) use nodes::node_key;
pub(crate) use whole::storage_root;
