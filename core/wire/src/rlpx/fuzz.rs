//! Decoders of the handshake packets without encryption, for fuzz targets.

use super::packet::{Ack, Auth, Packet};

/// Decodes bytes as each packet in each format, and checks that the packet decodes to the same
/// after it is encoded again.
///
/// # Panics
/// If it does not.
pub fn read_plaintext(bytes: &[u8]) {
    read::<Auth>(bytes);
    read::<Ack>(bytes);
}

fn read<P: Packet + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(packet) = P::read_plain(bytes) {
        assert_eq!(P::read_plain(&packet.write_plain()), Ok(packet));
    }
    if let Ok(packet) = P::read_list(bytes) {
        let mut written = Vec::new();
        packet.write_list(&mut written);
        assert_eq!(P::read_list(&written), Ok(packet));
    }
}
