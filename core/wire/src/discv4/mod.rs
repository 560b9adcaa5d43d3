//! Discovery v4: packets, the Kademlia table, lookups, and the engine that joins them.

mod address;
mod packet;

pub use address::{Endpoint, decode_address};
pub use packet::{
    EnrRequest, EnrResponse, FindNode, NeighborNode, Neighbors, Packet, PacketError, Ping, Pong,
    SignedPacket, decode_packet, encode_packet,
};
