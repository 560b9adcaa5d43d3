//! The handshake's decoders without the encryption around them.

use super::packet::{Ack, Auth, Packet};

/// Reads bytes as each packet in each form, and what was read once more as it is written.
///
/// # Panics
/// Where that is not the same.
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
