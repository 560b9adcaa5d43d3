//! Nodes: ids, records, URLs, and the database that stores them.

mod database;
mod enode;
pub(crate) mod enr;
mod url;

pub use database::{
    DATABASE_VERSION, KeyValueStore, MemoryStore, NodeDatabase, NodeEntry, StoreError,
    node_id_of_key,
};
pub use enode::{Enode, EnodeEndpoint, EnodeError};
pub(crate) use enr::is_signed_by;
pub use enr::{Enr, EnrBuilder, EnrError};
pub use url::NodeUrl;
pub(crate) use url::is_host_name;
