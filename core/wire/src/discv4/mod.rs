//! Discovery v4: packets, the Kademlia table, lookups, and the engine that joins them.

mod address;
mod engine;
pub(crate) mod limiter;
mod lookup;
mod node;
mod packet;
mod predictor;
mod proofs;
mod table;

pub use address::{
    Endpoint, RelayError, Subnet, check_relayed, decode_address, is_lan, is_special,
};
pub(crate) use engine::LOWEST_UDP_PORT;
pub use engine::{Discovery, DiscoveryConfig, LookupId, Now, Output, Rejected};
pub use lookup::Lookup;
pub use node::Node;
#[cfg(feature = "fuzz")]
pub use packet::decode_unsigned;
pub use packet::{
    EnrRequest, EnrResponse, FindNode, NeighborNode, Neighbors, Packet, PacketError, Ping, Pong,
    SignedPacket, decode_packet, encode_packet,
};
pub use predictor::EndpointPredictor;
pub use proofs::EndpointProofs;
pub use table::{BUCKET_COUNT, Bucket, Table, TableEntry};

#[cfg(test)]
mod tests;
